//! Counts of n-grams.

use std::collections::HashMap;
use std::hash::Hash;

/// How often each run of `n` tokens occurs.
pub(super) fn count<T: Eq + Hash>(tokens: &[T], n: usize) -> HashMap<&[T], u32> {
    let mut counts = HashMap::new();
    for gram in tokens.windows(n) {
        *counts.entry(gram).or_insert(0) += 1;
    }
    counts
}

/// Number of runs of `n` among `length` tokens.
pub(super) fn total(length: usize, n: usize) -> usize {
    (length + 1).saturating_sub(n)
}
