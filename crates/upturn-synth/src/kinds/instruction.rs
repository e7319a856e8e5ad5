//! Following an instruction: one thing, or one thing after another, done to a word.
//!
//! Of the pairs of operations one in four is set aside (`pairs=unseen`), such that every
//! operation comes first and second among the others (`pairs=seen`). A model tuned on the seen
//! pairs and asked for an unseen one has to put together what it knows.

use super::strings::Sequence;
use super::{FREE, Has, KindInfo};
use crate::kind::Kind;
use crate::params::{ParamInfo, Params, Range};
use crate::rng::Rng;
use crate::text::push_ascii;
use std::fmt::Write;
use std::sync::Arc;

/// Doubled twice, a word of this length still is a [`Sequence`].
const LONGEST: u64 = 5;

pub(super) const INFO: KindInfo = KindInfo {
    name: "instruction",
    about: "Do what is asked with a word: reverse, sort, rotate, cut, double or swap its letters.",
    example: "do rs dbca=abcd",
    params: &[
        ParamInfo {
            name: "ops",
            about: "operations, one after another",
            range: Range::Int {
                default: 2,
                min: 1,
                max: 2,
            },
        },
        ParamInfo {
            name: "pairs",
            about: "which pairs of operations: those to tune on, the others, or all",
            range: Range::Word(&["all", "seen", "unseen"]),
        },
        ParamInfo {
            name: "length",
            about: "letters of the word",
            range: Range::Int {
                default: 4,
                min: 3,
                max: LONGEST,
            },
        },
    ],
    steps: Has::Never,
    choices: Has::Never,
    chance: FREE,
    make: |params| {
        let operations = operations(params);
        if params.word("pairs") != "all" && params.size("ops") == 1 {
            return Err(params.conflict(
                "with ops=1 there are no pairs to tell apart; expected pairs=all".to_owned(),
            ));
        }
        Ok(Arc::new(Instruction {
            operations,
            length: params.size("length"),
            params: params.clone(),
        }))
    },
};

/// Something to do with a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Reverse,
    Sort,
    FirstToEnd,
    LastToFront,
    DropFirst,
    DropLast,
    Double,
    SwapEnds,
}

const OPERATIONS: [Operation; 8] = [
    Operation::Reverse,
    Operation::Sort,
    Operation::FirstToEnd,
    Operation::LastToFront,
    Operation::DropFirst,
    Operation::DropLast,
    Operation::Double,
    Operation::SwapEnds,
];

impl Operation {
    fn letter(self) -> char {
        match self {
            Operation::Reverse => 'r',
            Operation::Sort => 's',
            Operation::FirstToEnd => 'e',
            Operation::LastToFront => 'f',
            Operation::DropFirst => 'c',
            Operation::DropLast => 'l',
            Operation::Double => 'd',
            Operation::SwapEnds => 'w',
        }
    }

    fn words(self) -> &'static str {
        match self {
            Operation::Reverse => "reverse it",
            Operation::Sort => "sort its letters",
            Operation::FirstToEnd => "move its first letter to the end",
            Operation::LastToFront => "move its last letter to the front",
            Operation::DropFirst => "leave out its first letter",
            Operation::DropLast => "leave out its last letter",
            Operation::Double => "write it twice",
            Operation::SwapEnds => "swap its first and last letters",
        }
    }

    fn apply(self, word: &Sequence) -> Sequence {
        let mut out = *word;
        let letters = out.as_mut_bytes();
        let n = letters.len();
        match self {
            Operation::Reverse => letters.reverse(),
            Operation::Sort => letters.sort_unstable(),
            Operation::FirstToEnd => letters.rotate_left(1),
            Operation::LastToFront => letters.rotate_right(1),
            Operation::SwapEnds => letters.swap(0, n - 1),
            Operation::DropFirst => return Sequence::of(letters[1..].iter().copied()),
            Operation::DropLast => return Sequence::of(letters[..n - 1].iter().copied()),
            Operation::Double => {
                return Sequence::of(letters.iter().chain(letters.iter()).copied());
            }
        }
        out
    }
}

/// What is asked: the operations in order, of which the second may be none.
type Asked = (Operation, Option<Operation>);

fn operations(params: &Params) -> Vec<Asked> {
    if params.size("ops") == 1 {
        return OPERATIONS.map(|first| (first, None)).to_vec();
    }
    let mut all = Vec::new();
    for (i, first) in OPERATIONS.into_iter().enumerate() {
        for (j, second) in OPERATIONS.into_iter().enumerate() {
            // Two of eight in every row and in every column, and none that gives the word back.
            let unseen = (i + 3 * j) % 4 == 2;
            let wanted = match params.word("pairs") {
                "seen" => !unseen,
                "unseen" => unseen,
                _ => true,
            };
            if wanted {
                all.push((first, Some(second)));
            }
        }
    }
    all
}

struct Instruction {
    operations: Vec<Asked>,
    length: usize,
    params: Params,
}

struct Input {
    asked: Asked,
    word: Sequence,
}

impl Instruction {
    fn n_words(&self) -> u64 {
        26_u64.pow(self.length as u32)
    }
}

impl Kind for Instruction {
    type Input = Input;

    fn name(&self) -> String {
        let head = match (self.params.size("ops"), self.params.word("pairs")) {
            (1, _) => "instruction_1".to_owned(),
            (n, "all") => format!("instruction_{n}"),
            (n, pairs) => format!("instruction_{n}_{pairs}"),
        };
        self.params.name(&head, &["ops", "pairs"])
    }

    fn symbols(&self) -> String {
        // The operations' letters are letters.
        format!("do {}", super::strings::text_of(b'a', 26))
    }

    fn draw(&self, rng: &mut Rng) -> Input {
        let asked = self.operations[rng.below(self.operations.len() as u64) as usize];
        let word = Sequence::of((0..self.length).map(|_| b'a' + rng.below(26) as u8));
        Input { asked, word }
    }

    fn n_inputs(&self) -> Option<u64> {
        Some(self.operations.len() as u64 * self.n_words())
    }

    fn nth(&self, index: u64) -> Input {
        let asked = self.operations[(index / self.n_words()) as usize];
        let mut rest = index % self.n_words();
        let word = Sequence::of((0..self.length).map(|_| {
            let letter = b'a' + (rest % 26) as u8;
            rest /= 26;
            letter
        }));
        Input { asked, word }
    }

    fn prompt(&self, input: &Input, out: &mut String) {
        out.push_str("do ");
        out.push(input.asked.0.letter());
        out.extend(input.asked.1.map(Operation::letter));
        out.push(' ');
        push_ascii(out, input.word.as_bytes());
    }

    fn answer(&self, input: &Input, out: &mut String) {
        push_ascii(out, apply(input.asked, &input.word).as_bytes());
    }

    fn question(&self, input: &Input, out: &mut String) {
        let word = String::from_utf8_lossy(input.word.as_bytes());
        let first = input.asked.0.words();
        let _ = match input.asked.1 {
            None => write!(out, "Take {word} and {first}."),
            Some(second) => write!(out, "Take {word}, {first}, then {}.", second.words()),
        };
    }

    fn shortcut(&self) -> Option<(&'static str, f64)> {
        let guesses: [(&'static str, Guess); 3] = [
            ("the word as it is", |_, word| *word),
            ("the first operation alone", |asked, word| {
                asked.0.apply(word)
            }),
            ("the last operation alone", |asked, word| {
                asked.1.unwrap_or(asked.0).apply(word)
            }),
        ];
        let n = match self.operations[0].1 {
            None => 1,
            Some(_) => guesses.len(),
        };
        guesses[..n]
            .iter()
            .map(|(how, guess)| (*how, self.share_right(*guess)))
            .reduce(|a, b| if b.1 > a.1 { b } else { a })
    }
}

type Guess = fn(Asked, &Sequence) -> Sequence;

impl Instruction {
    /// Probability that a guess is right. Which letters are equal and how they are ordered
    /// decides that, so words are counted by the ranks of their letters.
    fn share_right(&self, guess: Guess) -> f64 {
        let n = self.length;
        let mut right = 0.0;
        for index in 0..n.pow(n as u32) {
            let ranks: Vec<usize> = (0..n).map(|i| index / n.pow(i as u32) % n).collect();
            let n_ranks = 1 + ranks.iter().copied().max().unwrap_or(0);
            if (0..n_ranks).any(|rank| !ranks.contains(&rank)) {
                continue;
            }
            let word = Sequence::of(ranks.iter().map(|r| b'a' + *r as u8));
            let hits = self.operations.iter().filter(|asked| {
                let answer = apply(**asked, &word);
                answer.as_bytes() == guess(**asked, &word).as_bytes()
            });
            // Choices of the letters that have these ranks.
            let words = (0..n_ranks).fold(1.0, |ways, k| ways * (26 - k) as f64 / (k + 1) as f64);
            right += words * hits.count() as f64;
        }
        right / (self.operations.len() as f64 * self.n_words() as f64)
    }
}

fn apply(asked: Asked, word: &Sequence) -> Sequence {
    let word = asked.0.apply(word);
    asked.1.map_or(word, |second| second.apply(&word))
}
