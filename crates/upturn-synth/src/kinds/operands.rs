//! Numbers of n digits, the operands of the arithmetic tasks.

use crate::params::{ParamInfo, Params, Range};
use crate::rng::Rng;

/// How the number of digits is meant.
pub(super) const OPERANDS: ParamInfo = ParamInfo {
    name: "operands",
    about: "numbers of exactly so many digits, or all below 10^digits as in GPT-3's tasks",
    range: Range::Word(&["exact", "upto"]),
};

pub(super) const fn digits(name: &'static str, default: u64, max: u64) -> ParamInfo {
    ParamInfo {
        name,
        about: "digits of a number",
        range: Range::Int {
            default,
            min: 1,
            max,
        },
    }
}

/// The numbers `low..low + n`, equally likely.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operands {
    pub(super) low: u64,
    pub(super) n: u64,
}

impl Operands {
    /// With one digit, 0 is one of the numbers either way.
    pub(super) fn new(params: &Params, digits: u64) -> Self {
        let below = 10_u64.pow(digits as u32);
        let low = if digits == 1 || params.word("operands") == "upto" {
            0
        } else {
            below / 10
        };
        Self {
            low,
            n: below - low,
        }
    }

    pub(super) fn draw(self, rng: &mut Rng) -> u64 {
        self.low + rng.below(self.n)
    }

    pub(super) fn nth(self, index: u64) -> u64 {
        self.low + index
    }

    pub(super) fn high(self) -> u64 {
        self.low + self.n - 1
    }
}

/// The decimal digits of `n`, lowest first, at least `width`.
pub(super) fn lowest_first(mut n: u64, width: usize) -> Vec<u64> {
    let mut digits = Vec::with_capacity(width.max(1));
    while n > 0 || digits.len() < width.max(1) {
        digits.push(n % 10);
        n /= 10;
    }
    digits
}

/// How many decimal digits `n` has; 1 for 0.
pub(super) fn width(n: u64) -> usize {
    n.checked_ilog10().map_or(1, |log| log as usize + 1)
}
