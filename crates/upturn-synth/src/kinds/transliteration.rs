//! Writing an invented word in another, invented, spelling.
//!
//! Words are syllables of a consonant and a vowel. Some of either are written with two letters,
//! in one spelling or the other, so letters cannot be replaced one by one.

use super::{FREE, Has, KindInfo};
use crate::kind::Kind;
use crate::params::{ParamInfo, Params, Range};
use crate::rng::Rng;
use std::fmt::Write;
use std::sync::Arc;

const MOST_SYLLABLES: usize = 6;

pub(super) const INFO: KindInfo = KindInfo {
    name: "transliteration",
    about: "Write an invented word in another spelling, by a fixed table with two-letter signs.",
    example: "tl shaku=xozhi",
    params: &[ParamInfo {
        name: "syllables",
        about: "syllables of the word",
        range: Range::Int {
            default: 2,
            min: 1,
            max: MOST_SYLLABLES as u64,
        },
    }],
    steps: Has::Always,
    choices: Has::Never,
    chance: FREE,
    make: |params| {
        Ok(Arc::new(Transliteration {
            syllables: params.size("syllables"),
            params: params.clone(),
        }))
    },
};

/// The fixed table. Consonants and vowels take turns, so that a word of either spelling falls
/// into signs in one way only.
const CONSONANTS: [(&str, &str); 14] = [
    ("p", "v"),
    ("t", "n"),
    ("k", "zh"),
    ("b", "l"),
    ("d", "kw"),
    ("g", "s"),
    ("m", "h"),
    ("n", "d"),
    ("s", "p"),
    ("l", "t"),
    ("r", "m"),
    ("sh", "x"),
    ("ch", "f"),
    ("th", "b"),
];
const VOWELS: [(&str, &str); 7] = [
    ("a", "o"),
    ("e", "ya"),
    ("i", "u"),
    ("o", "e"),
    ("u", "i"),
    ("ai", "a"),
    ("ou", "y"),
];
const N_SYLLABLES: u64 = (CONSONANTS.len() * VOWELS.len()) as u64;

struct Transliteration {
    syllables: usize,
    params: Params,
}

impl Transliteration {
    /// The signs of a word in both spellings.
    fn signs<'a>(
        &self,
        word: &'a [u8; MOST_SYLLABLES],
    ) -> impl Iterator<Item = (&'static str, &'static str)> + use<'a> {
        word[..self.syllables].iter().flat_map(|&syllable| {
            let (c, v) = (
                usize::from(syllable) / VOWELS.len(),
                usize::from(syllable) % VOWELS.len(),
            );
            [CONSONANTS[c], VOWELS[v]]
        })
    }
}

impl Kind for Transliteration {
    /// Numbers of the first `syllables` syllables.
    type Input = [u8; MOST_SYLLABLES];

    fn name(&self) -> String {
        let head = format!("transliteration_{}syllables", self.syllables);
        self.params.name(&head, &["syllables"])
    }

    fn symbols(&self) -> String {
        let mut symbols = "tl ".to_owned();
        for (from, to) in CONSONANTS.iter().chain(&VOWELS) {
            symbols.push_str(from);
            symbols.push_str(to);
        }
        symbols
    }

    fn step_symbols(&self) -> &'static str {
        ":,"
    }

    fn draw(&self, rng: &mut Rng) -> Self::Input {
        let mut word = [0; MOST_SYLLABLES];
        for syllable in &mut word[..self.syllables] {
            *syllable = rng.below(N_SYLLABLES) as u8;
        }
        word
    }

    fn n_inputs(&self) -> Option<u64> {
        N_SYLLABLES.checked_pow(self.syllables as u32)
    }

    fn nth(&self, mut index: u64) -> Self::Input {
        let mut word = [0; MOST_SYLLABLES];
        for syllable in &mut word[..self.syllables] {
            *syllable = (index % N_SYLLABLES) as u8;
            index /= N_SYLLABLES;
        }
        word
    }

    fn prompt(&self, word: &Self::Input, out: &mut String) {
        out.push_str("tl ");
        self.signs(word).for_each(|(from, _)| out.push_str(from));
    }

    fn answer(&self, word: &Self::Input, out: &mut String) {
        self.signs(word).for_each(|(_, to)| out.push_str(to));
    }

    fn question(&self, word: &Self::Input, out: &mut String) {
        out.push_str("In another spelling");
        let all: Vec<String> = CONSONANTS
            .iter()
            .chain(&VOWELS)
            .map(|(from, to)| format!("{from} is {to}"))
            .collect();
        let _ = write!(out, " {}", crate::text::listed(&all));
        out.push_str(". Letters that stand together in this list are one sign. How is the word ");
        self.signs(word).for_each(|(from, _)| out.push_str(from));
        out.push_str(" written in it?");
    }

    fn has_steps(&self) -> bool {
        true
    }

    fn steps(&self, word: &Self::Input, out: &mut String) {
        for (i, (from, to)) in self.signs(word).enumerate() {
            if i > 0 {
                out.push(',');
            }
            out.push_str(from);
            out.push(':');
            out.push_str(to);
        }
    }

    fn reasoning(&self, word: &Self::Input, out: &mut String) {
        for (i, (from, to)) in self.signs(word).enumerate() {
            out.push_str(if i == 0 { "" } else { ", " });
            let _ = write!(out, "{from} is {to}");
        }
        out.push('.');
    }

    /// Different words stay different.
    fn majority(&self) -> Option<(String, f64)> {
        let mut answer = String::new();
        self.answer(&[0; MOST_SYLLABLES], &mut answer);
        Some((answer, (N_SYLLABLES as f64).powi(-(self.syllables as i32))))
    }
}
