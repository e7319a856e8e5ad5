//! chrF (Popović 2015) and chrF++ (Popović 2017) as sacreBLEU 2.6 computes them by default.

use std::collections::HashMap;
use std::hash::Hash;

use super::ngrams;
use crate::python_str::{PUNCTUATION, is_space, split};

/// Longest character n-gram.
const CHAR_ORDER: usize = 6;
/// β²: recall counts twice as much as precision.
const BETA_SQUARED: f64 = 4.0;

/// Per order `[n-grams of the text, of the reference, of both]`, with the reference that
/// gives the best score (the first of a tie).
pub(super) fn segment(prediction: &str, references: &[String], word_order: usize) -> Vec<f64> {
    let text = Units::new(prediction, word_order);
    let counts = text.count(word_order);
    let mut best: Option<(f64, Vec<f64>)> = None;
    for reference in references {
        let reference = Units::new(reference, word_order);
        let stats = counts.compare(&reference.count(word_order));
        let f = score(&stats);
        if best.as_ref().is_none_or(|(top, _)| f > *top) {
            best = Some((f, stats));
        }
    }
    best.map_or_else(
        || vec![0.0; 3 * (CHAR_ORDER + word_order)],
        |(_, stats)| stats,
    )
}

/// F score of the mean precision and mean recall over the orders that both sides have.
pub(super) fn score(totals: &[f64]) -> f64 {
    let (mut precision, mut recall, mut orders) = (0.0, 0.0, 0.0);
    for order in totals.chunks_exact(3) {
        let (text, reference, both) = (order[0], order[1], order[2]);
        if text > 0.0 && reference > 0.0 {
            precision += both / text;
            recall += both / reference;
            orders += 1.0;
        }
    }
    if orders == 0.0 {
        return 0.0;
    }
    let (precision, recall) = (precision / orders, recall / orders);
    if precision + recall == 0.0 {
        return 0.0;
    }
    let f = (1.0 + BETA_SQUARED) * precision * recall / (BETA_SQUARED * precision + recall);
    100.0 * f
}

/// A text's characters without white space, and its words with punctuation at one end apart.
struct Units<'a> {
    chars: Vec<char>,
    words: Vec<&'a str>,
}

/// Counts of every order.
struct Counts<'a> {
    chars: Vec<HashMap<&'a [char], u32>>,
    words: Vec<HashMap<&'a [&'a str], u32>>,
}

impl<'a> Units<'a> {
    fn new(text: &'a str, word_order: usize) -> Self {
        let chars = text.chars().filter(|c| !is_space(*c)).collect();
        let words = if word_order > 0 {
            words(text)
        } else {
            Vec::new()
        };
        Units { chars, words }
    }

    fn count(&self, word_order: usize) -> Counts<'_> {
        Counts {
            chars: (1..=CHAR_ORDER)
                .map(|n| ngrams::count(&self.chars, n))
                .collect(),
            words: (1..=word_order)
                .map(|n| ngrams::count(&self.words, n))
                .collect(),
        }
    }
}

impl Counts<'_> {
    fn compare(&self, reference: &Counts<'_>) -> Vec<f64> {
        let chars = self.chars.iter().zip(&reference.chars);
        let words = self.words.iter().zip(&reference.words);
        chars
            .map(|(a, b)| matches(a, b))
            .chain(words.map(|(a, b)| matches(a, b)))
            .flatten()
            .collect()
    }
}

/// `[n-grams of the text, of the reference, of both]`; the text's count 0 where the reference
/// has none.
fn matches<K: Eq + Hash>(text: &HashMap<K, u32>, reference: &HashMap<K, u32>) -> [f64; 3] {
    let both: u32 = text
        .iter()
        .map(|(gram, count)| *count.min(reference.get(gram).unwrap_or(&0)))
        .sum();
    let n_text: u32 = if reference.is_empty() {
        0
    } else {
        text.values().sum()
    };
    let n_reference: u32 = reference.values().sum();
    [n_text, n_reference, both].map(f64::from)
}

/// Words, of which one punctuation character at the end, else one at the start, is apart.
fn words(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    for word in split(text) {
        let punctuation = |c: &Option<char>| c.is_some_and(|c| PUNCTUATION.contains(c));
        let single = word.chars().nth(1).is_none();
        if single {
            out.push(word);
        } else if punctuation(&word.chars().next_back()) {
            out.extend(<[&str; 2]>::from(word.split_at(word.len() - 1)));
        } else if punctuation(&word.chars().next()) {
            out.extend(<[&str; 2]>::from(word.split_at(1)));
        } else {
            out.push(word);
        }
    }
    out
}
