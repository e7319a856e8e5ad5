//! Porter's stemmer (Porter 1980, "An algorithm for suffix stripping", Program 14.3) with the
//! additions of NLTK's `PorterStemmer`, which rouge-score uses.
//!
//! Words are lower-case ASCII letters and digits, as ROUGE's tokens are; every character that is
//! no vowel counts as a consonant, digits too.

/// Forms that the rules would spoil, and their stems.
const IRREGULAR: [(&str, &str); 16] = [
    ("sky", "sky"),
    ("skies", "sky"),
    ("dying", "die"),
    ("lying", "lie"),
    ("tying", "tie"),
    ("news", "news"),
    ("innings", "inning"),
    ("inning", "inning"),
    ("outings", "outing"),
    ("outing", "outing"),
    ("cannings", "canning"),
    ("canning", "canning"),
    ("howe", "howe"),
    ("proceed", "proceed"),
    ("exceed", "exceed"),
    ("succeed", "succeed"),
];

/// A suffix and what takes its place.
type Rule = (&'static str, &'static str);

const STEP_2: [Rule; 21] = [
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("bli", "ble"),
    ("alli", "al"),
    ("entli", "ent"),
    ("eli", "e"),
    ("ousli", "ous"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
    ("fulli", "ful"),
];

const STEP_3: [Rule; 7] = [
    ("icate", "ic"),
    ("ative", ""),
    ("alize", "al"),
    ("iciti", "ic"),
    ("ical", "ic"),
    ("ful", ""),
    ("ness", ""),
];

const STEP_4: [&str; 19] = [
    "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou",
    "ism", "ate", "iti", "ous", "ive", "ize",
];

/// The stem of a lower-case word.
///
/// ```
/// assert_eq!(upturn_metrics::porter_stem("relational"), "relat");
/// assert_eq!(upturn_metrics::porter_stem("happily"), "happili");
/// ```
#[must_use]
pub fn porter_stem(word: &str) -> String {
    if let Some((_, stem)) = IRREGULAR.iter().find(|(form, _)| *form == word) {
        return (*stem).to_owned();
    }
    // Suffixes are cut by bytes, which only ASCII allows everywhere.
    if word.len() <= 2 || !word.is_ascii() {
        return word.to_owned();
    }
    let mut word = plural(word);
    word = past(word);
    word = final_y(word);
    word = step_2(word);
    word = by_rules(word, &STEP_3, |stem| measure(stem) > 0);
    word = step_4(word);
    if let Some(stem) = word.strip_suffix('e') {
        let m = measure(stem);
        if m > 1 || (m == 1 && !ends_cvc(stem)) {
            word.pop();
        }
    }
    if word.ends_with("ll") && measure(&word[..word.len() - 1]) > 1 {
        word.pop();
    }
    word
}

/// Per letter, whether it is a consonant: a `y` is one at the start and after a vowel.
fn consonants(word: &str) -> Vec<bool> {
    let mut flags: Vec<bool> = Vec::with_capacity(word.len());
    for letter in word.bytes() {
        flags.push(match letter {
            b'a' | b'e' | b'i' | b'o' | b'u' => false,
            b'y' => flags.last().is_none_or(|before| !before),
            _ => true,
        });
    }
    flags
}

/// How often a vowel is followed by a consonant.
fn measure(stem: &str) -> usize {
    let pairs = consonants(stem);
    pairs.windows(2).filter(|p| !p[0] && p[1]).count()
}

fn has_vowel(stem: &str) -> bool {
    consonants(stem).contains(&false)
}

/// Whether it ends in a letter twice that is a consonant.
fn ends_double(word: &str) -> bool {
    let bytes = word.as_bytes();
    match bytes {
        [.., a, b] => a == b && consonants(word).last() == Some(&true),
        _ => false,
    }
}

/// Whether it ends in consonant, vowel, consonant, the last not w, x or y; or is a vowel and a
/// consonant.
fn ends_cvc(word: &str) -> bool {
    match consonants(word)[..] {
        [false, true] => true,
        [.., true, false, true] => !word.ends_with(['w', 'x', 'y']),
        _ => false,
    }
}

/// The word with the first suffix that it ends in replaced, where what is left allows it.
fn by_rules(word: String, rules: &[Rule], allows: impl Fn(&str) -> bool) -> String {
    for (suffix, instead) in rules {
        if let Some(stem) = word.strip_suffix(suffix) {
            return match allows(stem) {
                true => format!("{stem}{instead}"),
                false => word,
            };
        }
    }
    word
}

/// Step 1a.
fn plural(word: &str) -> String {
    if let Some(stem) = word.strip_suffix("ies") {
        let kept = if word.len() == 4 { "ie" } else { "i" };
        return format!("{stem}{kept}");
    }
    let rules = [("sses", "ss"), ("ss", "ss"), ("s", "")];
    by_rules(word.to_owned(), &rules, |_| true)
}

/// Step 1b.
fn past(word: String) -> String {
    if let Some(stem) = word.strip_suffix("ied") {
        let kept = if word.len() == 4 { "ie" } else { "i" };
        return format!("{stem}{kept}");
    }
    if let Some(stem) = word.strip_suffix("eed") {
        return match measure(stem) > 0 {
            true => format!("{stem}ee"),
            false => word,
        };
    }
    let stem = ["ed", "ing"]
        .iter()
        .filter_map(|suffix| word.strip_suffix(suffix))
        .find(|stem| has_vowel(stem));
    let Some(stem) = stem else {
        return word;
    };
    if ["at", "bl", "iz"].iter().any(|end| stem.ends_with(end)) {
        return format!("{stem}e");
    }
    if ends_double(stem) {
        return match stem.ends_with(['l', 's', 'z']) {
            true => stem.to_owned(),
            false => stem[..stem.len() - 1].to_owned(),
        };
    }
    match measure(stem) == 1 && ends_cvc(stem) {
        true => format!("{stem}e"),
        false => stem.to_owned(),
    }
}

/// Step 1c: `y` becomes `i` after a consonant that is not alone.
fn final_y(word: String) -> String {
    by_rules(word, &[("y", "i")], |stem| {
        stem.len() > 1 && consonants(stem).last() == Some(&true)
    })
}

fn step_2(word: String) -> String {
    if let Some(stem) = word.strip_suffix("alli")
        && measure(stem) > 0
    {
        return step_2(format!("{stem}al"));
    }
    if STEP_2.iter().all(|(suffix, _)| !word.ends_with(suffix)) && word.ends_with("logi") {
        // What counts here is the word up to and with its `l`.
        let stem = &word[..word.len() - 3];
        return match measure(stem) > 0 {
            true => stem.to_owned() + "og",
            false => word,
        };
    }
    by_rules(word, &STEP_2, |stem| measure(stem) > 0)
}

fn step_4(word: String) -> String {
    let Some((suffix, stem)) = STEP_4
        .iter()
        .find_map(|suffix| word.strip_suffix(suffix).map(|stem| (*suffix, stem)))
    else {
        return word;
    };
    let allowed = measure(stem) > 1 && (suffix != "ion" || stem.ends_with(['s', 't']));
    match allowed {
        true => stem.to_owned(),
        false => word,
    }
}
