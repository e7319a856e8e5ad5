//! Joining the last letters of words, the symbolic task of Wei et al. 2022 (chain of thought).

use super::words;
use super::{FREE, Has, KindInfo};
use crate::kind::Kind;
use crate::params::{ParamInfo, Params, Range};
use crate::rng::Rng;
use crate::text::listed;
use std::fmt::Write;
use std::sync::Arc;

const MOST_WORDS: usize = 8;

pub(super) const INFO: KindInfo = KindInfo {
    name: "last_letters",
    about: "Join the last letters of words.",
    example: "last tom bob=mb",
    params: &[
        ParamInfo {
            name: "k",
            about: "how many words",
            range: Range::Int {
                default: 2,
                min: 2,
                max: MOST_WORDS as u64,
            },
        },
        ParamInfo {
            name: "of",
            about: "English words of three to seven letters, or random letters",
            range: Range::Word(&["words", "letters"]),
        },
        LENGTH,
    ],
    steps: Has::Always,
    choices: Has::Never,
    chance: FREE,
    make: |params| {
        let of_words = params.word("of") == "words";
        if of_words && params.int("length").to_string() != LENGTH.range.default_text() {
            return Err(params.conflict("length is for of=letters; leave it out with of=words"));
        }
        let words: Vec<&'static str> = if of_words {
            words::all().collect()
        } else {
            Vec::new()
        };
        let n = match words.len() as u64 {
            0 => 26_u64.pow(params.int("length") as u32),
            n => n,
        };
        Ok(Arc::new(LastLetters {
            k: params.size("k"),
            words,
            n,
            params: params.clone(),
        }))
    },
};

const LENGTH: ParamInfo = ParamInfo {
    name: "length",
    about: "letters of each word with of=letters",
    range: Range::Int {
        default: 3,
        min: 2,
        max: 5,
    },
};

struct LastLetters {
    k: usize,
    /// Empty where words are random letters.
    words: Vec<&'static str>,
    /// How many words there are.
    n: u64,
    params: Params,
}

impl LastLetters {
    fn push_word(&self, number: u64, out: &mut String) {
        if let Some(word) = self.words.get(number as usize) {
            out.push_str(word);
            return;
        }
        let mut rest = number;
        for _ in 0..self.params.int("length") {
            out.push(char::from(b'a' + (rest % 26) as u8));
            rest /= 26;
        }
    }

    fn word(&self, number: u64) -> String {
        let mut out = String::new();
        self.push_word(number, &mut out);
        out
    }

    fn last(&self, number: u64) -> char {
        match self.words.get(number as usize) {
            Some(word) => word.chars().next_back().unwrap_or_default(),
            None => {
                let place = 26_u64.pow(self.params.int("length") as u32 - 1);
                char::from(b'a' + (number / place % 26) as u8)
            }
        }
    }
}

impl Kind for LastLetters {
    /// Numbers of the first `k` words.
    type Input = [u64; MOST_WORDS];

    fn name(&self) -> String {
        let head = format!("last_letters_{}_{}", self.params.word("of"), self.k);
        self.params.name(&head, &["of", "k"])
    }

    fn symbols(&self) -> String {
        " abcdefghijklmnopqrstuvwxyz".to_owned()
    }

    fn step_symbols(&self) -> &'static str {
        ":,"
    }

    fn draw(&self, rng: &mut Rng) -> Self::Input {
        let mut input = [0; MOST_WORDS];
        for word in &mut input[..self.k] {
            *word = rng.below(self.n);
        }
        input
    }

    fn n_inputs(&self) -> Option<u64> {
        self.n.checked_pow(self.k as u32)
    }

    fn nth(&self, mut index: u64) -> Self::Input {
        let mut input = [0; MOST_WORDS];
        for word in &mut input[..self.k] {
            *word = index % self.n;
            index /= self.n;
        }
        input
    }

    fn prompt(&self, input: &Self::Input, out: &mut String) {
        out.push_str("last");
        for &word in &input[..self.k] {
            out.push(' ');
            self.push_word(word, out);
        }
    }

    fn answer(&self, input: &Self::Input, out: &mut String) {
        out.extend(input[..self.k].iter().map(|&word| self.last(word)));
    }

    fn question(&self, input: &Self::Input, out: &mut String) {
        let words: Vec<String> = input[..self.k].iter().map(|&w| self.word(w)).collect();
        let _ = write!(
            out,
            "Take the last letter of each of the words {} and join these letters. What do you get?",
            listed(&words)
        );
    }

    fn has_steps(&self) -> bool {
        true
    }

    fn steps(&self, input: &Self::Input, out: &mut String) {
        for (i, &word) in input[..self.k].iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            self.push_word(word, out);
            out.push(':');
            out.push(self.last(word));
        }
    }

    fn reasoning(&self, input: &Self::Input, out: &mut String) {
        for (i, &word) in input[..self.k].iter().enumerate() {
            let space = if i == 0 { "" } else { " " };
            let _ = write!(
                out,
                "{space}The last letter of {} is {}.",
                self.word(word),
                self.last(word)
            );
        }
    }

    fn majority(&self) -> Option<(String, f64)> {
        let mut counts = [0_u64; 26];
        if self.words.is_empty() {
            counts = [1; 26];
        }
        for number in 0..self.words.len() {
            counts[usize::from(self.last(number as u64) as u8 - b'a')] += 1;
        }
        let most = (0..26).max_by_key(|&i| counts[i])?;
        let share = counts[most] as f64 / counts.iter().sum::<u64>() as f64;
        let letter = char::from(b'a' + most as u8).to_string();
        Some((letter.repeat(self.k), share.powi(self.k as i32)))
    }
}
