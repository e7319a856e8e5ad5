//! F1 and exact match of short answers, as SQuAD's evaluation script (version 2.0) computes them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use fancy_regex::Regex;

use crate::python_str::{PUNCTUATION, split};

/// The answer as it is compared: lower case, without ASCII punctuation and the words `a`, `an`
/// and `the`, one space between words.
///
/// ```
/// assert_eq!(upturn_metrics::squad_normalize("The  Eiffel-Tower!"), "eiffeltower");
/// ```
#[must_use]
pub fn squad_normalize(text: &str) -> String {
    let bare: String = text
        .to_lowercase()
        .chars()
        .filter(|c| !PUNCTUATION.contains(*c))
        .collect();
    let without = remove_articles(&bare);
    split(&without).collect::<Vec<_>>().join(" ")
}

/// Every whole word `a`, `an`, `the` as a space. A word is what Python's `\b` bounds: letters,
/// digits (of any script) and low lines.
fn remove_articles(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    let flush = |word: &mut String, out: &mut String| {
        match word.as_str() {
            "a" | "an" | "the" => out.push(' '),
            other => out.push_str(other),
        }
        word.clear();
    };
    for c in text.chars() {
        if is_word(c) {
            word.push(c);
        } else {
            flush(&mut word, &mut out);
            out.push(c);
        }
    }
    flush(&mut word, &mut out);
    out
}

/// Letters and numbers beyond ASCII as Python's `\w` has them: Rust's `is_alphanumeric` also
/// takes in marks such as vowel signs.
static LETTER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^[\p{L}\p{N}]$").ok());

/// Python's `\w`.
fn is_word(c: char) -> bool {
    if c.is_ascii() {
        return c == '_' || c.is_ascii_alphanumeric();
    }
    let is_letter = |regex: &Regex| regex.is_match(c.encode_utf8(&mut [0; 4])).ok();
    let found = LETTER.as_ref().and_then(is_letter);
    found.unwrap_or_else(|| c.is_alphanumeric())
}

/// Whether the normalised texts are equal: 1 or 0.
#[must_use]
pub fn squad_exact(reference: &str, prediction: &str) -> f64 {
    f64::from(u8::from(
        squad_normalize(reference) == squad_normalize(prediction),
    ))
}

/// F1 of the words of both texts, from 0 to 1. Where either has none, 1 if both have none.
#[must_use]
pub fn squad_f1(reference: &str, prediction: &str) -> f64 {
    let (reference, prediction) = (squad_normalize(reference), squad_normalize(prediction));
    let count = |text: &str| -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for word in split(text) {
            *counts.entry(word.to_owned()).or_insert(0) += 1;
        }
        counts
    };
    let (gold, given) = (count(&reference), count(&prediction));
    if gold.is_empty() || given.is_empty() {
        return f64::from(u8::from(gold.is_empty() && given.is_empty()));
    }
    let shared: usize = gold
        .iter()
        .map(|(word, k)| *k.min(given.get(word).unwrap_or(&0)))
        .sum();
    if shared == 0 {
        return 0.0;
    }
    let precision = shared as f64 / given.values().sum::<usize>() as f64;
    let recall = shared as f64 / gold.values().sum::<usize>() as f64;
    2.0 * precision * recall / (precision + recall)
}

/// The best over the references that are not empty after normalising; where all are, the answer
/// is compared with "", as for a question that has none.
#[must_use]
pub fn squad_best(
    references: &[String],
    prediction: &str,
    score: impl Fn(&str, &str) -> f64,
) -> f64 {
    let some: Vec<&str> = references
        .iter()
        .map(String::as_str)
        .filter(|r| !squad_normalize(r).is_empty())
        .collect();
    if some.is_empty() {
        return score("", prediction);
    }
    some.iter()
        .map(|r| score(r, prediction))
        .fold(0.0, f64::max)
}
