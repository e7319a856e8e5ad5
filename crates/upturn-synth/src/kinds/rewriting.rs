//! String rewriting: pairs of symbols become one, at the leftmost place, until none is left.
//!
//! Every rule shortens the string and no two rules have the same left side, so the answer
//! exists and is the only one.

use super::strings::{LONGEST, Sequence};
use super::{FREE, Has, KindInfo};
use crate::kind::Kind;
use crate::params::{ParamInfo, Params, Range};
use crate::rng::Rng;
use crate::text::push_ascii;
use std::fmt::Write;
use std::sync::Arc;

const MOST_SYMBOLS: usize = 6;

pub(super) const INFO: KindInfo = KindInfo {
    name: "rewriting",
    about: "Apply fixed rules that turn two symbols into one, at the leftmost place, until none applies.",
    example: "rw abdbbd=ad",
    params: &[
        ParamInfo {
            name: "symbols",
            about: "how many symbols, from a on",
            range: Range::Int {
                default: 4,
                min: 2,
                max: MOST_SYMBOLS as u64,
            },
        },
        ParamInfo {
            name: "length",
            about: "length of the string",
            range: Range::Int {
                default: 6,
                min: 2,
                max: 12,
            },
        },
        ParamInfo {
            name: "rules",
            about: "how many of the pairs of symbols have a rule",
            range: Range::Int {
                default: 8,
                min: 1,
                max: (MOST_SYMBOLS * MOST_SYMBOLS) as u64,
            },
        },
        ParamInfo {
            name: "system",
            about: "seed of the rules",
            range: Range::Int {
                default: 0,
                min: 0,
                max: u32::MAX as u64,
            },
        },
    ],
    steps: Has::Always,
    choices: Has::Never,
    chance: FREE,
    make: |params| Rewriting::new(params).map(|r| Arc::new(r) as _),
};

struct Rewriting {
    symbols: u64,
    length: usize,
    /// `rules[x][y]` is what `xy` becomes.
    rules: [[Option<u8>; MOST_SYMBOLS]; MOST_SYMBOLS],
    params: Params,
}

impl Rewriting {
    fn new(params: &Params) -> Result<Self, crate::SynthError> {
        let symbols = params.size("symbols");
        let n_rules = params.size("rules");
        if n_rules > symbols * symbols {
            return Err(params.conflict(format!(
                "rules={n_rules} is more than the {} pairs of {symbols} symbols",
                symbols * symbols
            )));
        }
        let mut rng = Rng::of(&[0x7277, params.int("system")]);
        let mut pairs: Vec<(usize, usize)> = (0..symbols)
            .flat_map(|x| (0..symbols).map(move |y| (x, y)))
            .collect();
        rng.shuffle(&mut pairs);
        let mut rules = [[None; MOST_SYMBOLS]; MOST_SYMBOLS];
        for &(x, y) in &pairs[..n_rules] {
            rules[x][y] = Some(rng.index(symbols) as u8);
        }
        Ok(Self {
            symbols: symbols as u64,
            length: params.size("length"),
            rules,
            params: params.clone(),
        })
    }

    /// The string after each application of a rule; the string itself if none applies.
    fn strings(&self, input: &Sequence) -> Vec<Sequence> {
        let mut all = vec![*input];
        while let Some(next) = self.rewritten(&all[all.len() - 1]) {
            all.push(next);
        }
        if all.len() > 1 {
            all.remove(0);
        }
        all
    }

    fn rewritten(&self, string: &Sequence) -> Option<Sequence> {
        let s = string.as_bytes();
        let rule = |w: &[u8]| self.rules[usize::from(w[0] - b'a')][usize::from(w[1] - b'a')];
        let at = s.windows(2).position(|w| rule(w).is_some())?;
        let new = rule(&s[at..at + 2])? + b'a';
        let before = s[..at].iter().copied();
        Some(Sequence::of(
            before.chain([new]).chain(s[at + 2..].iter().copied()),
        ))
    }
}

const _: () = assert!(LONGEST >= 12, "a string fits a sequence");

impl Kind for Rewriting {
    type Input = Sequence;

    fn name(&self) -> String {
        let head = format!("rewriting_{}symbols_{}", self.symbols, self.length);
        self.params.name(&head, &["symbols", "length"])
    }

    fn symbols(&self) -> String {
        format!("rw {}", super::strings::text_of(b'a', self.symbols))
    }

    fn step_symbols(&self) -> &'static str {
        if self.length > 2 { "," } else { "" }
    }

    fn draw(&self, rng: &mut Rng) -> Self::Input {
        Sequence::of((0..self.length).map(|_| b'a' + rng.below(self.symbols) as u8))
    }

    fn n_inputs(&self) -> Option<u64> {
        self.symbols.checked_pow(self.length as u32)
    }

    fn nth(&self, mut index: u64) -> Self::Input {
        Sequence::of((0..self.length).map(|_| {
            let symbol = b'a' + (index % self.symbols) as u8;
            index /= self.symbols;
            symbol
        }))
    }

    fn prompt(&self, input: &Self::Input, out: &mut String) {
        out.push_str("rw ");
        push_ascii(out, input.as_bytes());
    }

    fn answer(&self, input: &Self::Input, out: &mut String) {
        let mut string = *input;
        while let Some(next) = self.rewritten(&string) {
            string = next;
        }
        push_ascii(out, string.as_bytes());
    }

    fn question(&self, input: &Self::Input, out: &mut String) {
        out.push_str("Rewrite by these rules:");
        let mut comma = "";
        for (x, row) in (b'a'..).zip(&self.rules) {
            for (y, to) in (b'a'..).zip(row) {
                if let Some(to) = to {
                    let [x, y, to] = [x, y, b'a' + to].map(char::from);
                    let _ = write!(out, "{comma} {x}{y} becomes {to}");
                    comma = ",";
                }
            }
        }
        let text = String::from_utf8_lossy(input.as_bytes());
        let _ = write!(
            out,
            ". Apply a rule at the leftmost place where one fits, and again, until none fits. What \
             does {text} become?"
        );
    }

    fn has_steps(&self) -> bool {
        true
    }

    fn steps(&self, input: &Self::Input, out: &mut String) {
        for (i, string) in self.strings(input).iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            push_ascii(out, string.as_bytes());
        }
    }

    fn reasoning(&self, input: &Self::Input, out: &mut String) {
        let text = |s: &Sequence| String::from_utf8_lossy(s.as_bytes()).into_owned();
        if self.rewritten(input).is_none() {
            let _ = write!(out, "No rule fits {}.", text(input));
            return;
        }
        let mut before = *input;
        for (i, string) in self.strings(input).iter().enumerate() {
            let space = if i == 0 { "" } else { " " };
            let _ = write!(out, "{space}{} becomes {}.", text(&before), text(string));
            before = *string;
        }
        out.push_str(" No rule fits any more.");
    }
}
