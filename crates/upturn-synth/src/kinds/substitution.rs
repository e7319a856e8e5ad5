//! A hidden table: letters are replaced by others, and only examples tell by which.
//!
//! The rule is one of many tables. A training document keeps one for all its items, and no
//! short prompt names it: without examples in the prompt there is nothing to be known, with
//! some it can be read off them, whether the table was met in training or not. So the score
//! without examples stays at chance, and with them it measures learning in context.

use super::strings::{LONGEST, Sequence};
use super::{FREE, Has, KindInfo};
use crate::kind::Kind;
use crate::params::{ParamInfo, Params, Range};
use crate::rng::{Rng, mix};
use crate::text::push_ascii;
use std::fmt::Write;
use std::sync::Arc;

const LETTERS: usize = 26;
const LENGTH_MAX: usize = 12;

pub(super) const INFO: KindInfo = KindInfo {
    name: "substitution",
    about: "Replace letters by a table that only the examples of the prompt tell; one table for all items of a document.",
    example: "sub agbb=hfee",
    params: &[
        ParamInfo {
            name: "symbols",
            about: "how many letters, from a on",
            range: Range::Int {
                default: 8,
                min: 3,
                max: LETTERS as u64,
            },
        },
        ParamInfo {
            name: "length",
            about: "letters of an item",
            range: Range::Int {
                default: 4,
                min: 2,
                max: LENGTH_MAX as u64,
            },
        },
        ParamInfo {
            name: "tables",
            about: "how many tables; skill=I asks for table I alone, the same one whatever their number",
            range: Range::Int {
                default: 64,
                min: 1,
                max: 10_000,
            },
        },
    ],
    steps: Has::Never,
    choices: Has::Never,
    chance: FREE,
    make: |params| {
        Ok(Arc::new(Substitution {
            symbols: params.size("symbols"),
            length: params.size("length"),
            tables: (0..params.int("tables"))
                .map(|i| table(params.size("symbols"), i))
                .collect(),
            params: params.clone(),
        }))
    },
};

const _: () = assert!(LONGEST >= LENGTH_MAX, "an item fits a sequence");

struct Substitution {
    symbols: usize,
    length: usize,
    tables: Vec<[u8; LETTERS]>,
    params: Params,
}

/// What each letter becomes, in the table of this number.
fn table(symbols: usize, number: u64) -> [u8; LETTERS] {
    let mut table: [u8; LETTERS] = std::array::from_fn(|i| b'a' + i as u8);
    Rng::of(&[0x0073_7562, symbols as u64, number]).shuffle(&mut table[..symbols]);
    table
}

/// Which table, and the letters to replace.
struct Letters {
    table: u32,
    letters: Sequence,
}

impl Substitution {
    /// Strings; the largest number is 26^12, which fits.
    fn n_strings(&self) -> u64 {
        (self.symbols as u64).pow(self.length as u32)
    }

    fn string(&self, mut number: u64) -> Sequence {
        let n = self.symbols as u64;
        Sequence::of((0..self.length).map(|_| {
            let letter = (number % n) as u8;
            number /= n;
            b'a' + letter
        }))
    }

    /// The table of a string where none is asked for: the string's own, so that items without
    /// a skill are as many as strings.
    fn own_table(&self, number: u64) -> u32 {
        (mix(number ^ 0x0073_7562) % self.tables.len() as u64) as u32
    }
}

impl Kind for Substitution {
    type Input = Letters;

    fn name(&self) -> String {
        let head = format!("substitution_{}symbols_{}", self.symbols, self.length);
        self.params.name(&head, &["symbols", "length"])
    }

    fn symbols(&self) -> String {
        let letters: String = (b'a'..).take(self.symbols).map(char::from).collect();
        format!("sub {letters}")
    }

    fn draw(&self, rng: &mut Rng) -> Self::Input {
        self.nth(rng.below(self.n_strings()))
    }

    fn draw_skill(&self, skill: u32, rng: &mut Rng) -> Self::Input {
        Letters {
            table: skill,
            letters: self.string(rng.below(self.n_strings())),
        }
    }

    /// The table does not make another input: prompts do not tell it.
    fn n_inputs(&self) -> Option<u64> {
        Some(self.n_strings())
    }

    /// First the strings with their own tables, then all strings by each table.
    fn numbers(&self, skill: Option<u32>) -> Option<std::ops::Range<u64>> {
        let n = self.n_strings();
        let start = n.checked_mul(skill.map_or(0, |s| 1 + u64::from(s)))?;
        Some(start..start.checked_add(n)?)
    }

    fn nth(&self, index: u64) -> Self::Input {
        let n = self.n_strings();
        let number = index % n;
        Letters {
            table: match index / n {
                0 => self.own_table(number),
                skill => (skill - 1) as u32,
            },
            letters: self.string(number),
        }
    }

    fn prompt(&self, input: &Self::Input, out: &mut String) {
        out.push_str("sub ");
        push_ascii(out, input.letters.as_bytes());
    }

    fn answer(&self, input: &Self::Input, out: &mut String) {
        let table = &self.tables[input.table as usize];
        let replaced = |&letter: &u8| char::from(table[usize::from(letter - b'a')]);
        out.extend(input.letters.as_bytes().iter().map(replaced));
    }

    /// In words the table is told.
    fn question(&self, input: &Self::Input, out: &mut String) {
        out.push_str("By a table, ");
        let table = &self.tables[input.table as usize];
        for (i, &to) in table[..self.symbols].iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            let from = char::from(b'a' + i as u8);
            let _ = write!(out, "{comma}{from} becomes {}", char::from(to));
        }
        out.push_str(". What does ");
        push_ascii(out, input.letters.as_bytes());
        out.push_str(" become?");
    }

    fn n_skills(&self) -> Option<u32> {
        Some(self.tables.len() as u32)
    }

    fn skill(&self, input: &Self::Input) -> Option<u32> {
        Some(input.table)
    }

    fn skill_probability(&self, _: u32) -> f64 {
        1.0 / self.tables.len() as f64
    }

    fn one_skill_per_document(&self) -> bool {
        true
    }
}
