//! Which split an input belongs to: a hash of its short prompt decides, and nothing else.

use crate::item::Split;
use crate::rng::mix;

/// Below this many inputs a quarter is for evaluation, from it on a sixteenth.
pub(crate) const FEW_INPUTS: u64 = 100_000;

/// FNV-1a over the bytes, then spread over all bits.
pub(crate) fn hash(text: &str) -> u64 {
    let mut h: u64 = 0xCBF2_9CE4_8422_2325;
    for &b in text.as_bytes() {
        h = (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01B3);
    }
    mix(h)
}

/// One side of the border between the splits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Side {
    split: Split,
    /// The test split has one input in two to this power.
    bits: u32,
}

impl Side {
    pub(crate) fn new(split: Split, n_inputs: Option<u64>) -> Self {
        let bits = if n_inputs.is_some_and(|n| n < FEW_INPUTS) {
            2
        } else {
            4
        };
        Self { split, bits }
    }

    /// Whether this side has the input.
    pub(crate) fn holds(self, prompt: &str) -> bool {
        let test = hash(prompt) >> (64 - self.bits) == 0;
        test == (self.split == Split::Test)
    }

    /// Share of the inputs that the test split has, before the accident of the hash.
    pub(crate) fn test_share(self) -> f64 {
        1.0 / f64::from(1_u32 << self.bits)
    }
}
