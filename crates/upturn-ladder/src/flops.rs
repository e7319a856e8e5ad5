//! Training compute of a shape over sequences of given lengths.

use std::collections::BTreeMap;

use upturn_engine::train::{Batch, Shape};

/// How often each length of sequence occurs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lengths {
    counts: BTreeMap<usize, u64>,
    tokens: u64,
    targets: u64,
}

impl Lengths {
    pub(crate) fn add(&mut self, batch: &Batch) {
        for length in &batch.lengths {
            *self.counts.entry(*length).or_default() += 1;
            self.tokens += *length as u64;
        }
        self.targets += batch.n_targets() as u64;
    }

    /// Share of tokens that have a target.
    pub(crate) fn target_share(&self) -> f64 {
        self.targets as f64 / self.tokens.max(1) as f64
    }

    /// Mean FLOPs of forward and backward per token.
    pub(crate) fn flops_per_token(&self, shape: &Shape) -> f64 {
        let sum: f64 = self
            .counts
            .iter()
            .map(|(length, n)| shape.flops_train(*length) as f64 * *n as f64)
            .sum();
        sum / self.tokens.max(1) as f64
    }

    pub(crate) fn mean(&self) -> f64 {
        self.tokens as f64 / self.counts.values().sum::<u64>().max(1) as f64
    }

    pub(crate) fn longest(&self) -> usize {
        self.counts.keys().next_back().copied().unwrap_or(0)
    }
}

/// FLOPs of forward and backward over the sequences of a batch.
pub(crate) fn of_batch(shape: &Shape, lengths: &[usize]) -> u64 {
    lengths.iter().map(|l| shape.flops_train(*l)).sum()
}
