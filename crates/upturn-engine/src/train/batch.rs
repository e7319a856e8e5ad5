//! Sequences of one step, packed one after another without padding.

/// Target of a position whose loss is not counted.
pub const IGNORE: u32 = u32::MAX;

/// Packed sequences. Attention stays within a sequence, and positions count from its start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Tokens of all sequences.
    pub tokens: Vec<u32>,
    /// The token to predict at each position, or [`IGNORE`]. Same length as `tokens`.
    pub targets: Vec<u32>,
    /// Lengths of the sequences; they add up to `tokens.len()`, and none is 0.
    pub lengths: Vec<usize>,
}

impl Batch {
    /// Empties the batch, keeping its memory.
    pub fn clear(&mut self) {
        self.tokens.clear();
        self.targets.clear();
        self.lengths.clear();
    }

    /// Positions whose loss is counted.
    #[must_use]
    pub fn n_targets(&self) -> usize {
        self.targets.iter().filter(|&&t| t != IGNORE).count()
    }
}
