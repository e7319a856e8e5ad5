//! A coin that people flip or leave, the symbolic task of Wei et al. 2022 (chain of thought).

use super::sorting::{Arrangement, arrangement};
use super::{Has, KindInfo};
use crate::kind::Kind;
use crate::params::{ParamInfo, Params, Range};
use crate::rng::Rng;
use std::fmt::Write;
use std::sync::Arc;

pub(super) const INFO: KindInfo = KindInfo {
    name: "coin_flip",
    about: "Say whether a coin is still heads up after different people flip it (+) or do not (-).",
    example: "coin a+d-c+=yes",
    params: &[ParamInfo {
        name: "k",
        about: "how many people",
        range: Range::Int {
            default: 3,
            min: 2,
            max: 12,
        },
    }],
    steps: Has::Always,
    choices: Has::Always,
    chance: "1/2: yes or no",
    make: |params| {
        Ok(Arc::new(CoinFlip {
            k: params.size("k"),
            params: params.clone(),
        }))
    },
};

/// One for each letter.
const NAMES: [&str; 26] = [
    "Ann", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gia", "Hal", "Ivy", "Jon", "Kim", "Leo", "Mia",
    "Ned", "Olga", "Pat", "Quinn", "Rosa", "Sam", "Tess", "Uma", "Vic", "Wes", "Xena", "Yan",
    "Zoe",
];

struct CoinFlip {
    k: usize,
    params: Params,
}

#[derive(Debug, Clone, Copy)]
struct Flips {
    people: Arrangement,
    /// Bit i: whether person i flips.
    flips: u64,
}

impl Flips {
    fn each(&self) -> impl Iterator<Item = (u8, bool)> + '_ {
        let people = self.people.as_slice().iter().enumerate();
        people.map(|(i, &person)| (person, self.flips >> i & 1 == 1))
    }
}

impl Kind for CoinFlip {
    type Input = Flips;

    fn name(&self) -> String {
        self.params.name(&format!("coin_flip_{}", self.k), &["k"])
    }

    fn symbols(&self) -> String {
        " +-abcdefghijklmnopqrstuvwxyz".to_owned()
    }

    fn step_symbols(&self) -> &'static str {
        ","
    }

    fn draw(&self, rng: &mut Rng) -> Self::Input {
        Flips {
            people: arrangement(26, self.k, |n| rng.below(n)),
            flips: rng.below(1 << self.k),
        }
    }

    fn n_inputs(&self) -> Option<u64> {
        (0..self.k as u64).try_fold(1_u64 << self.k, |product, i| product.checked_mul(26 - i))
    }

    fn nth(&self, index: u64) -> Self::Input {
        let mut rest = index >> self.k;
        let people = arrangement(26, self.k, |n| {
            let place = rest % n;
            rest /= n;
            place
        });
        Flips {
            people,
            flips: index & ((1 << self.k) - 1),
        }
    }

    fn prompt(&self, input: &Self::Input, out: &mut String) {
        out.push_str("coin ");
        for (person, flips) in input.each() {
            out.push(char::from(b'a' + person));
            out.push(if flips { '+' } else { '-' });
        }
    }

    fn answer(&self, input: &Self::Input, out: &mut String) {
        let heads = input.flips.count_ones() % 2 == 0;
        out.push_str(if heads { "yes" } else { "no" });
    }

    fn question(&self, input: &Self::Input, out: &mut String) {
        out.push_str("A coin is heads up.");
        for (person, flips) in input.each() {
            let name = NAMES[usize::from(person)];
            let does = if flips { "flips" } else { "does not flip" };
            let _ = write!(out, " {name} {does} the coin.");
        }
        out.push_str(" Is the coin still heads up? Answer yes or no.");
    }

    fn has_steps(&self) -> bool {
        true
    }

    /// Heads or tails after each person.
    fn steps(&self, input: &Self::Input, out: &mut String) {
        let mut heads = true;
        for (i, (_, flips)) in input.each().enumerate() {
            heads ^= flips;
            if i > 0 {
                out.push(',');
            }
            out.push(if heads { 'h' } else { 't' });
        }
    }

    fn reasoning(&self, input: &Self::Input, out: &mut String) {
        let mut heads = true;
        out.push_str("The coin starts heads up.");
        for (person, flips) in input.each() {
            heads ^= flips;
            let name = NAMES[usize::from(person)];
            let does = if flips { "flips" } else { "leaves" };
            let side = if heads { "heads" } else { "tails" };
            let _ = write!(out, " {name} {does} it: {side} up.");
        }
    }

    fn choices(&self) -> &[&'static str] {
        &["yes", "no"]
    }

    /// Half of all patterns have an even number of flips.
    fn majority(&self) -> Option<(String, f64)> {
        Some(("yes".to_owned(), 0.5))
    }
}
