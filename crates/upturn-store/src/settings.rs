//! What the words for a prompting setting mean: method, shots, tuning, flags.

use upturn_types::flag;

/// A setting, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Method as measurements name it (`direct`, `cot`, `self_consistency`, …).
    pub method: String,
    /// Examples in the prompt; `None` when the words do not say.
    pub shots: Option<u32>,
    /// Post-training that the words state (`instruction-tuned`).
    pub tuning: Option<String>,
    /// Flags that the words imply; see [`upturn_types::flag`].
    pub flags: &'static [&'static str],
    /// Whether the words were understood. If not, the method is `unstated`.
    pub known: bool,
}

/// Number of examples that a row of the table gives.
#[derive(Clone, Copy)]
enum Shots {
    Unstated,
    Exactly(u32),
    /// The number that stands in place of `#`.
    Captured,
}

/// Settings and their meaning. `#` stands for a number; the suffix after `; ` has been cut off.
///
/// Words that only say "few-shot" have no number: two papers that both say so need not
/// have used the same one. The first row that fits counts.
const TABLE: &[(&str, &str, Shots, &[&str])] = &[
    ("", "unstated", Shots::Unstated, &[]),
    ("zero-shot", "direct", Shots::Exactly(0), &[]),
    ("one-shot", "direct", Shots::Exactly(1), &[]),
    ("#-shot", "direct", Shots::Captured, &[]),
    ("few-shot(#)", "direct", Shots::Captured, &[]),
    ("few-shot(#-shot)", "direct", Shots::Captured, &[]),
    // The source states the number for its largest model only. With one example there,
    // the smaller ones had others: their scores differ from those of their one-shot rows.
    (
        "few-shot(1 at 540B)",
        "direct",
        Shots::Unstated,
        &[flag::SHOTS_AT_LARGEST],
    ),
    (
        "few-shot(# at 540B)",
        "direct",
        Shots::Captured,
        &[flag::SHOTS_AT_LARGEST],
    ),
    ("few-shot", "direct", Shots::Unstated, &[]),
    ("few-shot(few)", "direct", Shots::Unstated, &[]),
    ("few-shot, direct", "direct", Shots::Unstated, &[]),
    ("standard(few-shot)", "direct", Shots::Unstated, &[]),
    ("standard(#-shot)", "direct", Shots::Captured, &[]),
    ("direct", "direct", Shots::Unstated, &[]),
    ("instruction-tuned", "direct", Shots::Unstated, &[]),
    ("cot", "cot", Shots::Unstated, &[]),
    ("cot(few-shot)", "cot", Shots::Unstated, &[]),
    ("cot(few-shot,greedy)", "cot", Shots::Unstated, &[]),
    ("few-shot-cot(#)", "cot", Shots::Captured, &[]),
    ("cot(#-shot)", "cot", Shots::Captured, &[]),
    (
        "cot+external-calculator",
        "cot_calculator",
        Shots::Unstated,
        &[],
    ),
    (
        "cot(#-shot)+calculator",
        "cot_calculator",
        Shots::Captured,
        &[],
    ),
    (
        "self-consistency(# paths)",
        "self_consistency",
        Shots::Unstated,
        &[],
    ),
    (
        "cot+self-consistency",
        "self_consistency",
        Shots::Unstated,
        &[],
    ),
    ("zero-shot-cot", "cot_zero_shot", Shots::Exactly(0), &[]),
    (
        "zero-shot-cot+self-consistency(#)",
        "cot_zero_shot_sc",
        Shots::Exactly(0),
        &[],
    ),
    ("few-shot, scratchpad", "scratchpad", Shots::Unstated, &[]),
    (
        "fine-tuned, direct",
        "finetune_direct",
        Shots::Exactly(0),
        &[],
    ),
    (
        "fine-tuned, scratchpad",
        "finetune_scratchpad",
        Shots::Exactly(0),
        &[],
    ),
    ("finetuned", "finetune_direct", Shots::Unstated, &[]),
    ("mixed", "mixed", Shots::Unstated, &[flag::COMPOSITE]),
    ("human", "human", Shots::Unstated, &[flag::REFERENCE]),
    ("random", "random", Shots::Unstated, &[flag::REFERENCE]),
];

/// Takes the words of a setting apart.
///
/// Case and spaces around the words do not matter. Words after `; ` are the tuning of
/// the model (`base` is none), so `zero-shot; instruction-tuned on 3 clusters (26
/// datasets)` is direct, 0 shots, tuned. Unknown words give the method `unstated`
/// with `known` false; nothing is guessed from their parts.
#[must_use]
pub fn parse(words: &str) -> Setting {
    let words = words.trim();
    let (setting, suffix) = match words.split_once(';') {
        Some((setting, suffix)) => (setting.trim(), Some(suffix.trim())),
        None => (words, None),
    };
    let mut tuning = suffix
        .filter(|s| !s.is_empty() && !s.eq_ignore_ascii_case("base"))
        .map(str::to_owned);
    if suffix.is_none() && setting.eq_ignore_ascii_case("instruction-tuned") {
        tuning = Some("instruction-tuned".to_owned());
    }
    let tuned = tuning
        .as_deref()
        .is_some_and(|t| t.to_ascii_lowercase().starts_with("instruction-tuned"));
    for &(pattern, method, shots, flags) in TABLE {
        let Some(number) = matches(pattern, setting) else {
            continue;
        };
        return Setting {
            method: method.to_owned(),
            shots: match shots {
                Shots::Unstated => None,
                Shots::Exactly(n) => Some(n),
                Shots::Captured => number,
            },
            tuning,
            flags: if tuned && flags.is_empty() {
                &[flag::INSTRUCT]
            } else {
                flags
            },
            known: true,
        };
    }
    Setting {
        method: "unstated".to_owned(),
        shots: None,
        tuning: None,
        flags: &[],
        known: false,
    }
}

/// `Some` if `text` fits `pattern`, with the number in place of `#` if there is one.
fn matches(pattern: &str, text: &str) -> Option<Option<u32>> {
    let Some((before, after)) = pattern.split_once('#') else {
        return pattern.eq_ignore_ascii_case(text).then_some(None);
    };
    let start = text.get(..before.len())?;
    let rest = text.get(before.len()..)?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (number, end) = rest.split_at(digits);
    (start.eq_ignore_ascii_case(before) && end.eq_ignore_ascii_case(after))
        .then(|| number.parse().ok())
        .flatten()
        .map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(words: &str) -> (String, Option<u32>, Option<String>) {
        let s = parse(words);
        assert!(s.known, "{words}");
        (s.method, s.shots, s.tuning)
    }

    #[test]
    fn every_kind_of_setting_in_the_literature_we_carry() {
        for (words, method, shots) in [
            ("zero-shot", "direct", Some(0)),
            ("one-shot", "direct", Some(1)),
            ("50-shot", "direct", Some(50)),
            ("few-shot(1)", "direct", Some(1)),
            ("few-shot(1-shot)", "direct", Some(1)),
            ("few-shot(0-shot)", "direct", Some(0)),
            ("few-shot(64)", "direct", Some(64)),
            ("few-shot(25-shot)", "direct", Some(25)),
            ("few-shot(5 at 540B)", "direct", Some(5)),
            ("few-shot(1 at 540B)", "direct", None),
            ("few-shot", "direct", None),
            ("few-shot(few)", "direct", None),
            ("standard(few-shot)", "direct", None),
            ("standard(5-shot)", "direct", Some(5)),
            ("cot(few-shot)", "cot", None),
            ("cot(few-shot,greedy)", "cot", None),
            ("few-shot-cot(8)", "cot", Some(8)),
            ("cot(8-shot)", "cot", Some(8)),
            ("cot+external-calculator", "cot_calculator", None),
            ("cot(8-shot)+calculator", "cot_calculator", Some(8)),
            ("self-consistency(40 paths)", "self_consistency", None),
            ("cot+self-consistency", "self_consistency", None),
            ("zero-shot-cot", "cot_zero_shot", Some(0)),
            (
                "zero-shot-cot+self-consistency(40)",
                "cot_zero_shot_sc",
                Some(0),
            ),
            ("direct", "direct", None),
            ("cot", "cot", None),
            ("fine-tuned, direct", "finetune_direct", Some(0)),
            ("fine-tuned, scratchpad", "finetune_scratchpad", Some(0)),
            ("few-shot, direct", "direct", None),
            ("few-shot, scratchpad", "scratchpad", None),
            ("finetuned", "finetune_direct", None),
            ("mixed", "mixed", None),
            ("human", "human", None),
            ("random", "random", None),
            ("", "unstated", None),
        ] {
            assert_eq!(short(words), (method.to_owned(), shots, None), "{words}");
        }
    }

    #[test]
    fn suffixes_are_the_tuning_of_the_model() {
        let tuned = Some("instruction-tuned".to_owned());
        assert_eq!(
            short("standard(5-shot); base"),
            ("direct".to_owned(), Some(5), None)
        );
        assert_eq!(
            short("cot(8-shot); instruction-tuned"),
            ("cot".to_owned(), Some(8), tuned.clone())
        );
        assert_eq!(
            short("instruction-tuned"),
            ("direct".to_owned(), None, tuned)
        );
        let clusters = parse("zero-shot; instruction-tuned on 3 clusters (26 datasets)");
        assert_eq!(clusters.shots, Some(0));
        assert_eq!(
            clusters.tuning.as_deref(),
            Some("instruction-tuned on 3 clusters (26 datasets)")
        );
        assert_eq!(clusters.flags, [flag::INSTRUCT]);
    }

    #[test]
    fn flags_follow_from_the_words() {
        assert_eq!(parse("few-shot(5 at 540B)").flags, [flag::SHOTS_AT_LARGEST]);
        assert_eq!(parse("mixed").flags, [flag::COMPOSITE]);
        assert_eq!(parse("human").flags, [flag::REFERENCE]);
        assert!(parse("few-shot(5)").flags.is_empty());
    }

    #[test]
    fn unknown_words_are_not_guessed_at() {
        for words in [
            "cot(8-shot)+tools",
            "few-shot()",
            "few-shot(-1)",
            "few-shot(99999999999)",
            "few-shot(５)",
            "zero",
        ] {
            let s = parse(words);
            assert!(!s.known, "{words}");
            assert_eq!((s.method.as_str(), s.shots), ("unstated", None), "{words}");
        }
    }
}
