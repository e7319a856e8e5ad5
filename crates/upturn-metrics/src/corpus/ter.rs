//! Translation edit rate (Snover et al. 2006) as sacreBLEU 2.6 computes it by default.

use std::collections::HashMap;

use super::shift::edits;
use crate::python_str::{rstrip, split};

/// `[fewest edits to any reference, mean reference length]`.
pub(super) fn segment(prediction: &str, references: &[String]) -> Vec<f64> {
    let mut ids = Ids::default();
    let words = ids.of(prediction);
    let mut fewest = f64::INFINITY;
    let mut lengths = 0usize;
    for reference in references {
        let reference = ids.of(reference);
        fewest = fewest.min(edits(&words, &reference) as f64);
        lengths += reference.len();
    }
    vec![fewest, lengths as f64 / references.len() as f64]
}

/// Edits per word of reference, in percent. Without references' words it is 100 where there
/// are edits, else 0.
pub(super) fn score(totals: &[f64]) -> f64 {
    let (edits, length) = (totals[0], totals[1]);
    if length > 0.0 {
        100.0 * (edits / length)
    } else if edits > 0.0 {
        100.0
    } else {
        0.0
    }
}

/// The words that TER compares: lower case, separated by single spaces.
#[must_use]
pub fn tokenize_ter(line: &str) -> String {
    split(&rstrip(line).to_lowercase())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Numbers for words, so that they compare quickly.
#[derive(Default)]
struct Ids {
    known: HashMap<String, u32>,
}

impl Ids {
    fn of(&mut self, text: &str) -> Vec<u32> {
        let line = tokenize_ter(text);
        split(&line)
            .map(|word| {
                let next = self.known.len() as u32;
                *self.known.entry(word.to_owned()).or_insert(next)
            })
            .collect()
    }
}
