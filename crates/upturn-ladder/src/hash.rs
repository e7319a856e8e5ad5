//! Numbers that are drawn by hashing, and digests of what determines bytes.

use sha2::{Digest as _, Sha256};

const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// The output function of SplitMix64 (Steele, Lea & Flood 2014).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// One number from several, in this order.
pub(crate) fn words(words: &[u64]) -> u64 {
    words.iter().fold(GAMMA, |state, word| {
        mix(state ^ mix(word.wrapping_add(GAMMA))).wrapping_add(GAMMA)
    })
}

/// A number in `0..n`, `n` > 0 (the bias is below n / 2^64).
pub(crate) fn below(word: u64, n: u64) -> u64 {
    ((u128::from(word) * u128::from(n)) >> 64) as u64
}

/// Even in [0, 1).
pub(crate) fn unit(word: u64) -> f64 {
    (word >> 11) as f64 / (1u64 << 53) as f64
}

/// A number from a text (FNV-1a, spread).
pub(crate) fn text(text: &str) -> u64 {
    let fold = |h: u64, b: &u8| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01B3);
    mix(text.as_bytes().iter().fold(0xCBF2_9CE4_8422_2325, fold))
}

/// Place of `i` in an order of `0..n` that `key` determines: a bijection, by a Feistel network
/// of four rounds over the next even number of bits, walked until the result is below `n`.
pub(crate) fn permuted(key: u64, i: u64, n: u64) -> u64 {
    debug_assert!(i < n, "a place among n");
    let half = (64 - n.saturating_sub(1).leading_zeros())
        .div_ceil(2)
        .max(1);
    let mask = (1u64 << half) - 1;
    let mut x = i;
    loop {
        let (mut left, mut right) = (x >> half, x & mask);
        for round in 0..4 {
            (left, right) = (right, left ^ (words(&[key, round, right]) & mask));
        }
        x = left << half | right;
        if x < n {
            return x;
        }
    }
}

/// SHA-256, built up.
#[derive(Clone, Default)]
pub(crate) struct Digest(Sha256);

impl Digest {
    /// Adds bytes with their number, so that parts cannot run together.
    pub(crate) fn part(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    /// The first 128 bits as hexadecimal digits.
    pub(crate) fn hex(self) -> String {
        let bytes = self.0.finalize();
        bytes[..16].iter().map(|b| format!("{b:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_holds_every_number_once() {
        for n in [1, 2, 3, 7, 64, 65, 1000] {
            for key in 0..3 {
                let mut seen: Vec<u64> = (0..n).map(|i| permuted(key, i, n)).collect();
                if n == 1000 {
                    assert_ne!(seen[..10], (0..10).collect::<Vec<_>>());
                }
                seen.sort_unstable();
                assert_eq!(seen, (0..n).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn parts_do_not_run_together() {
        let digest = |parts: &[&str]| {
            let mut d = Digest::default();
            parts.iter().for_each(|p| d.part(p.as_bytes()));
            d.hex()
        };
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
        assert_eq!(digest(&["ab", "c"]).len(), 32);
    }
}
