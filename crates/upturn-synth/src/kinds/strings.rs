//! Sequences of letters or digits, and the two plainest things to do with them: to write them
//! again as they are, or backwards.

use super::{FREE, Has, KindInfo};
use crate::kind::Kind;
use crate::params::{ParamInfo, Params, Range};
use crate::rng::Rng;
use crate::text::push_ascii;
use std::fmt::Write;
use std::sync::Arc;

/// Longest sequence.
pub(super) const LONGEST: usize = 20;

/// Up to `LONGEST` ASCII characters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sequence {
    chars: [u8; LONGEST],
    len: usize,
}

impl Sequence {
    pub(super) fn of(chars: impl IntoIterator<Item = u8>) -> Self {
        let mut out = Self {
            chars: [0; LONGEST],
            len: 0,
        };
        for c in chars {
            out.chars[out.len] = c;
            out.len += 1;
        }
        out
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.chars[..self.len]
    }

    pub(super) fn as_mut_bytes(&mut self) -> &mut [u8] {
        &mut self.chars[..self.len]
    }
}

/// Parameter: letters or digits.
pub(super) const OF: ParamInfo = ParamInfo {
    name: "of",
    about: "what the sequence is made of",
    range: Range::Word(&["letters", "digits"]),
};

pub(super) const fn length(default: u64, max: u64) -> ParamInfo {
    ParamInfo {
        name: "length",
        about: "length of the sequence",
        range: Range::Int {
            default,
            min: 2,
            max,
        },
    }
}

/// First character and number of characters.
pub(super) fn characters(params: &Params) -> (u8, u64) {
    match params.word("of") {
        "letters" => (b'a', 26),
        _ => (b'0', 10),
    }
}

pub(super) fn text_of(first: u8, n: u64) -> String {
    (first..first + n as u8).map(char::from).collect()
}

/// Number of multisets of `k` things from `n`.
pub(super) fn multisets(n: u64, k: u64) -> f64 {
    (1..=k).fold(1.0, |product, i| product * (n - 1 + i) as f64 / i as f64)
}

const PARAMS: &[ParamInfo] = &[OF, length(4, LONGEST as u64)];

pub(super) const REVERSAL: KindInfo = KindInfo {
    name: "reversal",
    about: "Write a sequence backwards.",
    example: "rev abcd=dcba",
    params: PARAMS,
    steps: Has::Never,
    choices: Has::Never,
    chance: FREE,
    make: |params| Ok(Arc::new(Strings::new(params, true))),
};

pub(super) const COPYING: KindInfo = KindInfo {
    name: "copying",
    about: "Write a sequence again as it is.",
    example: "copy abcd=abcd",
    params: PARAMS,
    steps: Has::Never,
    choices: Has::Never,
    chance: FREE,
    make: |params| Ok(Arc::new(Strings::new(params, false))),
};

struct Strings {
    backwards: bool,
    first: u8,
    n: u64,
    length: usize,
    params: Params,
}

impl Strings {
    fn new(params: &Params, backwards: bool) -> Self {
        let (first, n) = characters(params);
        Self {
            backwards,
            first,
            n,
            length: params.size("length"),
            params: params.clone(),
        }
    }

    fn tag(&self) -> &'static str {
        if self.backwards { "rev" } else { "copy" }
    }
}

impl Kind for Strings {
    type Input = Sequence;

    fn name(&self) -> String {
        let kind = self.params.kind;
        let head = format!("{kind}_{}_{}", self.params.word("of"), self.length);
        self.params.name(&head, &["of", "length"])
    }

    fn symbols(&self) -> String {
        format!("{} {}", self.tag(), text_of(self.first, self.n))
    }

    fn draw(&self, rng: &mut Rng) -> Self::Input {
        Sequence::of((0..self.length).map(|_| self.first + rng.below(self.n) as u8))
    }

    fn n_inputs(&self) -> Option<u64> {
        self.n.checked_pow(self.length as u32)
    }

    fn nth(&self, mut index: u64) -> Self::Input {
        Sequence::of((0..self.length).map(|_| {
            let c = self.first + (index % self.n) as u8;
            index /= self.n;
            c
        }))
    }

    fn prompt(&self, input: &Self::Input, out: &mut String) {
        out.push_str(self.tag());
        out.push(' ');
        push_ascii(out, input.as_bytes());
    }

    fn answer(&self, input: &Self::Input, out: &mut String) {
        let mut input = *input;
        if self.backwards {
            input.as_mut_bytes().reverse();
        }
        push_ascii(out, input.as_bytes());
    }

    fn question(&self, input: &Self::Input, out: &mut String) {
        let of = self.params.word("of");
        let text = String::from_utf8_lossy(input.as_bytes());
        let _ = if self.backwards {
            write!(out, "Write the {of} {text} in reverse order.")
        } else {
            write!(out, "Write the {of} {text} again.")
        };
    }

    fn majority(&self) -> Option<(String, f64)> {
        let any = char::from(self.first).to_string().repeat(self.length);
        Some((any, (self.n as f64).powi(-(self.length as i32))))
    }

    /// Each multiset has as many orders as it has draws, so the probability of hitting the
    /// right order is the number of multisets over the number of sequences.
    fn shortcut(&self) -> Option<(&'static str, f64)> {
        let sequences = (self.n as f64).powi(self.length as i32);
        let share = multisets(self.n, self.length as u64) / sequences;
        self.backwards
            .then_some(("a random rearrangement of the given characters", share))
    }
}
