//! ROUGE (Lin 2004) as the package rouge-score 0.1.2 computes it: F scores of shared words.
//!
//! Tokens are runs of `a`–`z` and `0`–`9` after lower-casing: texts in other scripts have none and
//! score 0, as they do there.

use std::collections::BTreeMap;

use crate::porter::porter_stem;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RougeKind {
    /// Shared runs of that many words.
    N(usize),
    /// The longest common subsequence of words.
    L,
    /// Per line of the reference, the union of longest common subsequences with every line of
    /// the prediction.
    Lsum,
}

/// F1 of a prediction against a reference, from 0 to 1. With `stem`, words of four letters and
/// more are stemmed first ([`porter_stem`]).
///
/// ```
/// use upturn_metrics::{RougeKind, rouge};
/// let f = rouge(RougeKind::N(1), "the cat sat", "a cat sat", false);
/// assert!((f - 2.0 / 3.0).abs() < 1e-12);
/// ```
#[must_use]
pub fn rouge(kind: RougeKind, reference: &str, prediction: &str, stem: bool) -> f64 {
    let words = |text: &str| tokens(text, stem);
    let lines = |text: &str| -> Vec<Vec<String>> {
        let lines = text.split('\n').filter(|line| !line.is_empty());
        lines.map(words).collect()
    };
    match kind {
        RougeKind::N(n) => of_ngrams(&words(reference), &words(prediction), n.max(1)),
        RougeKind::L => {
            let (reference, prediction) = (words(reference), words(prediction));
            let table = Table::new(&reference, &prediction);
            let shared = table.at(reference.len(), prediction.len());
            f_measure(shared as usize, reference.len(), prediction.len())
        }
        RougeKind::Lsum => of_lines(&lines(reference), &lines(prediction)),
    }
}

/// The best over several references.
#[must_use]
pub fn rouge_multi(kind: RougeKind, references: &[String], prediction: &str, stem: bool) -> f64 {
    let scores = references.iter().map(|r| rouge(kind, r, prediction, stem));
    scores.fold(0.0, f64::max)
}

fn tokens(text: &str, stem: bool) -> Vec<String> {
    text.to_lowercase()
        .split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit()))
        .filter(|word| !word.is_empty())
        .map(|word| match stem && word.len() > 3 {
            true => porter_stem(word),
            false => word.to_owned(),
        })
        .filter(|word| !word.is_empty())
        .collect()
}

/// 2PR / (P + R) of the counts.
fn f_measure(shared: usize, n_reference: usize, n_prediction: usize) -> f64 {
    let precision = shared as f64 / n_prediction.max(1) as f64;
    let recall = shared as f64 / n_reference.max(1) as f64;
    match precision + recall > 0.0 {
        true => 2.0 * precision * recall / (precision + recall),
        false => 0.0,
    }
}

fn of_ngrams(reference: &[String], prediction: &[String], n: usize) -> f64 {
    let count = |words: &[String]| -> BTreeMap<Vec<String>, usize> {
        let mut counts = BTreeMap::new();
        for gram in words.windows(n) {
            *counts.entry(gram.to_vec()).or_insert(0) += 1;
        }
        counts
    };
    let (in_reference, in_prediction) = (count(reference), count(prediction));
    let shared = in_reference
        .iter()
        .map(|(gram, k)| *k.min(in_prediction.get(gram).unwrap_or(&0)))
        .sum();
    let total = |words: &[String]| (words.len() + 1).saturating_sub(n);
    f_measure(shared, total(reference), total(prediction))
}

/// Lengths of longest common subsequences of all beginnings.
struct Table {
    width: usize,
    cells: Vec<u32>,
}

impl Table {
    fn new(reference: &[String], prediction: &[String]) -> Self {
        let width = prediction.len() + 1;
        let mut table = Table {
            width,
            cells: vec![0; (reference.len() + 1) * width],
        };
        for (i, a) in reference.iter().enumerate() {
            for (j, b) in prediction.iter().enumerate() {
                table.cells[(i + 1) * width + j + 1] = match a == b {
                    true => table.at(i, j) + 1,
                    false => table.at(i, j + 1).max(table.at(i + 1, j)),
                };
            }
        }
        table
    }

    fn at(&self, i: usize, j: usize) -> u32 {
        self.cells[i * self.width + j]
    }
}

/// Marks the places of the reference that one longest common subsequence takes.
fn mark(reference: &[String], prediction: &[String], taken: &mut [bool]) {
    let table = Table::new(reference, prediction);
    let (mut i, mut j) = (reference.len(), prediction.len());
    while i > 0 && j > 0 {
        if reference[i - 1] == prediction[j - 1] {
            taken[i - 1] = true;
            i -= 1;
            j -= 1;
        } else if table.at(i, j - 1) > table.at(i - 1, j) {
            j -= 1;
        } else {
            i -= 1;
        }
    }
}

fn of_lines(reference: &[Vec<String>], prediction: &[Vec<String>]) -> f64 {
    let count = |lines: &[Vec<String>]| -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for word in lines.iter().flatten() {
            *counts.entry(word.clone()).or_insert(0) += 1;
        }
        counts
    };
    let (mut left_reference, mut left_prediction) = (count(reference), count(prediction));
    let mut hits = 0;
    for line in reference {
        let mut taken = vec![false; line.len()];
        for other in prediction {
            mark(line, other, &mut taken);
        }
        for (word, _) in line.iter().zip(&taken).filter(|(_, taken)| **taken) {
            // A word counts no more often than either text has it.
            let (Some(a), Some(b)) = (left_reference.get_mut(word), left_prediction.get_mut(word))
            else {
                continue;
            };
            if *a > 0 && *b > 0 {
                hits += 1;
                *a -= 1;
                *b -= 1;
            }
        }
    }
    let n = |lines: &[Vec<String>]| lines.iter().map(Vec::len).sum();
    f_measure(hits, n(reference), n(prediction))
}
