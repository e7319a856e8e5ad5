//! Sorting letters or digits, the steps by insertion.

use super::strings::{LONGEST, OF, Sequence, characters, length, multisets, text_of};
use super::{FREE, Has, KindInfo};
use crate::kind::Kind;
use crate::params::Params;
use crate::rng::Rng;
use crate::text::push_ascii;
use std::fmt::Write;
use std::sync::Arc;

pub(super) const INFO: KindInfo = KindInfo {
    name: "sorting",
    about: "Put different letters, or digits that may repeat, in order.",
    example: "sort dbca=abcd",
    params: &[OF, length(4, 12)],
    steps: Has::Where("length is 3 or more"),
    choices: Has::Never,
    chance: FREE,
    make: |params| {
        let (first, n) = characters(params);
        Ok(Arc::new(Sorting {
            distinct: params.word("of") == "letters",
            first,
            n,
            length: params.size("length"),
            params: params.clone(),
        }))
    },
};

struct Sorting {
    distinct: bool,
    first: u8,
    n: u64,
    length: usize,
    params: Params,
}

impl Sorting {
    /// What lies sorted after each insertion, the whole left out.
    fn sorted_parts(input: &Sequence) -> impl Iterator<Item = Sequence> {
        let input = *input;
        (1..input.as_bytes().len()).map(move |n| {
            let mut part = Sequence::of(input.as_bytes()[..n].iter().copied());
            part.as_mut_bytes().sort_unstable();
            part
        })
    }
}

impl Kind for Sorting {
    type Input = Sequence;

    fn name(&self) -> String {
        let head = format!("sorting_{}_{}", self.params.word("of"), self.length);
        self.params.name(&head, &["of", "length"])
    }

    fn symbols(&self) -> String {
        format!("sort {}", text_of(self.first, self.n))
    }

    fn step_symbols(&self) -> &'static str {
        ","
    }

    fn draw(&self, rng: &mut Rng) -> Self::Input {
        if self.distinct {
            arrangement(self.n, self.length, |n| rng.below(n)).shifted(self.first)
        } else {
            Sequence::of((0..self.length).map(|_| self.first + rng.below(self.n) as u8))
        }
    }

    fn n_inputs(&self) -> Option<u64> {
        let n = |i| if self.distinct { self.n - i } else { self.n };
        (0..self.length as u64).try_fold(1_u64, |product, i| product.checked_mul(n(i)))
    }

    fn nth(&self, mut index: u64) -> Self::Input {
        let mut place = |n: u64| {
            let place = index % n;
            index /= n;
            place
        };
        if self.distinct {
            arrangement(self.n, self.length, place).shifted(self.first)
        } else {
            Sequence::of((0..self.length).map(|_| self.first + place(self.n) as u8))
        }
    }

    fn prompt(&self, input: &Self::Input, out: &mut String) {
        out.push_str("sort ");
        push_ascii(out, input.as_bytes());
    }

    fn answer(&self, input: &Self::Input, out: &mut String) {
        let mut input = *input;
        input.as_mut_bytes().sort_unstable();
        push_ascii(out, input.as_bytes());
    }

    fn question(&self, input: &Self::Input, out: &mut String) {
        let (of, order) = match self.params.word("of") {
            "letters" => ("letters", "alphabetical"),
            _ => ("digits", "ascending"),
        };
        let text = String::from_utf8_lossy(input.as_bytes());
        let _ = write!(out, "Write the {of} {text} in {order} order.");
    }

    fn has_steps(&self) -> bool {
        self.length > 2
    }

    fn steps(&self, input: &Self::Input, out: &mut String) {
        for (i, part) in Self::sorted_parts(input).enumerate() {
            if i > 0 {
                out.push(',');
            }
            push_ascii(out, part.as_bytes());
        }
    }

    fn reasoning(&self, input: &Self::Input, out: &mut String) {
        out.push_str("Take them one by one, each to its place.");
        for (part, &c) in Self::sorted_parts(input).zip(input.as_bytes()) {
            let part = String::from_utf8_lossy(part.as_bytes());
            let _ = write!(out, " With {}: {part}.", char::from(c));
        }
        if let Some(&last) = input.as_bytes().last() {
            let _ = write!(out, " Then {} goes to its place.", char::from(last));
        }
    }

    /// All sets of different letters are equally frequent; of multisets of digits those with
    /// the fewest repetitions are most frequent.
    fn majority(&self) -> Option<(String, f64)> {
        let (n, k) = (self.n, self.length as u64);
        let factorial = |n: u64| (1..=n).map(|i| i as f64).product::<f64>();
        if self.distinct {
            let answer = text_of(self.first, k);
            let sets = multisets(n - k + 1, k);
            return Some((answer, 1.0 / sets));
        }
        let count = |digit: u64| k / n + u64::from(digit < k % n);
        let orders = (0..n).fold(factorial(k), |f, d| f / factorial(count(d)));
        let answer = (0..n)
            .map(|d| {
                let c = char::from(self.first + d as u8).to_string();
                c.repeat(count(d) as usize)
            })
            .collect();
        Some((answer, orders / (n as f64).powi(k as i32)))
    }

    fn shortcut(&self) -> Option<(&'static str, f64)> {
        let (n, k) = (self.n, self.length as u64);
        let share = if self.distinct {
            1.0 / (1..=k).map(|i| i as f64).product::<f64>()
        } else {
            multisets(n, k) / (n as f64).powi(k as i32)
        };
        Some(("a random rearrangement of the given characters", share))
    }
}

/// `k` different numbers below `n` (at most 26), the place of each among those left given by
/// `place`, which is called with how many are left.
pub(super) fn arrangement(n: u64, k: usize, mut place: impl FnMut(u64) -> u64) -> Arrangement {
    let mut left: [u8; 26] = std::array::from_fn(|i| i as u8);
    let mut chosen = [0; LONGEST];
    for (i, slot) in chosen.iter_mut().enumerate().take(k) {
        let at = i + place(n - i as u64) as usize;
        left.swap(i, at);
        *slot = left[i];
    }
    Arrangement { chosen, k }
}

/// Different small numbers in an order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrangement {
    chosen: [u8; LONGEST],
    k: usize,
}

impl Arrangement {
    pub(super) fn as_slice(&self) -> &[u8] {
        &self.chosen[..self.k]
    }

    fn shifted(self, first: u8) -> Sequence {
        Sequence::of(self.as_slice().iter().map(|i| first + i))
    }
}
