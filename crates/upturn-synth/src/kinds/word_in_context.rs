//! Does an invented word mean the same beside two others? After the task WiC (Pilehvar &
//! Camacho-Collados 2019), with a lexicon made from a seed.
//!
//! Context words fall into classes. Every ambiguous word has its first sense beside half of
//! the classes and its second beside the others, which ones is its own. Short prompts do not
//! tell the lexicon, it has to be learned; questions in sentences do.

use super::{Has, KindInfo};
use crate::kind::Kind;
use crate::params::{ParamInfo, Params, Range};
use crate::rng::Rng;
use crate::text::listed;
use std::fmt::Write;
use std::sync::Arc;

pub(super) const INFO: KindInfo = KindInfo {
    name: "word_in_context",
    about: "Say whether an invented word has the same sense beside two context words, or different ones.",
    example: "wic di:ab,ag=diff",
    params: &[
        ParamInfo {
            name: "words",
            about: "ambiguous words of the lexicon",
            range: Range::Int {
                default: 16,
                min: 4,
                max: 64,
            },
        },
        ParamInfo {
            name: "classes",
            about: "classes of context words, an even number",
            range: Range::Int {
                default: 4,
                min: 2,
                max: 8,
            },
        },
        ParamInfo {
            name: "contexts",
            about: "context words of each class",
            range: Range::Int {
                default: 6,
                min: 2,
                max: 8,
            },
        },
        ParamInfo {
            name: "lexicon",
            about: "seed of the lexicon",
            range: Range::Int {
                default: 0,
                min: 0,
                max: u32::MAX as u64,
            },
        },
    ],
    steps: Has::Always,
    choices: Has::Always,
    chance: "1/2: same or diff, which are tossed",
    make: |params| WordInContext::new(params).map(|w| Arc::new(w) as _),
};

struct WordInContext {
    /// Spelling, and for each class whether it calls for the second sense.
    words: Vec<(String, Vec<bool>)>,
    /// Spellings; those of a class lie side by side.
    contexts: Vec<String>,
    per_class: usize,
    params: Params,
}

/// Numbers of a word and of two context words.
type Pair = (usize, usize, usize);

const CONSONANTS: &[u8; 14] = b"bdfgklmnprstvz";
const VOWELS: &[u8; 5] = b"aeiou";

impl WordInContext {
    fn new(params: &Params) -> Result<Self, crate::SynthError> {
        let classes = params.size("classes");
        if classes % 2 == 1 {
            return Err(params.conflict(format!(
                "classes must be an even number, not {classes}, so that each sense has half"
            )));
        }
        let mut rng = Rng::of(&[0x006C_6578, params.int("lexicon")]);
        let mut syllables: Vec<(u8, u8)> = CONSONANTS
            .iter()
            .flat_map(|&c| VOWELS.iter().map(move |&v| (c, v)))
            .collect();
        let spell = |a: u8, b: u8| format!("{}{}", char::from(a), char::from(b));
        rng.shuffle(&mut syllables);
        let words = syllables[..params.size("words")]
            .iter()
            .map(|&(c, v)| {
                let mut senses: Vec<bool> = (0..classes).map(|i| i % 2 == 1).collect();
                rng.shuffle(&mut senses);
                (spell(c, v), senses)
            })
            .collect();
        let per_class = params.size("contexts");
        rng.shuffle(&mut syllables);
        let contexts = syllables[..classes * per_class]
            .iter()
            .map(|&(c, v)| spell(v, c))
            .collect();
        Ok(Self {
            words,
            contexts,
            per_class,
            params: params.clone(),
        })
    }

    /// Whether the word has its second sense beside this context word.
    fn sense(&self, word: usize, context: usize) -> bool {
        self.words[word].1[context / self.per_class]
    }

    fn same(&self, &(word, x, y): &Pair) -> bool {
        self.sense(word, x) == self.sense(word, y)
    }
}

impl Kind for WordInContext {
    type Input = Pair;

    fn name(&self) -> String {
        let head = format!("word_in_context_{}words", self.words.len());
        self.params.name(&head, &["words"])
    }

    fn symbols(&self) -> String {
        let mut symbols = "wic :,samediff".to_owned();
        for spelling in self.words.iter().map(|(w, _)| w).chain(&self.contexts) {
            symbols.push_str(spelling);
        }
        symbols
    }

    fn step_symbols(&self) -> &'static str {
        "12"
    }

    /// The answer is tossed; then every pair of different context words that has it is equally
    /// likely.
    fn draw(&self, rng: &mut Rng) -> Self::Input {
        let n = self.contexts.len();
        let word = rng.index(self.words.len());
        let same = rng.coin();
        loop {
            let pair = (word, rng.index(n), rng.index(n));
            if pair.1 != pair.2 && self.same(&pair) == same {
                return pair;
            }
        }
    }

    fn n_inputs(&self) -> Option<u64> {
        let n = self.contexts.len();
        Some((self.words.len() * n * (n - 1)) as u64)
    }

    fn nth(&self, index: u64) -> Self::Input {
        let (index, n) = (index as usize, self.contexts.len());
        let (pair, word) = (index / self.words.len(), index % self.words.len());
        let (x, y) = (pair / (n - 1), pair % (n - 1));
        (word, x, y + usize::from(y >= x))
    }

    fn probability(&self, pair: &Self::Input) -> f64 {
        let n = self.contexts.len();
        let others = if self.same(pair) { n / 2 - 1 } else { n / 2 };
        0.5 / (self.words.len() * n * others) as f64
    }

    fn prompt(&self, &(word, x, y): &Self::Input, out: &mut String) {
        out.push_str("wic ");
        out.push_str(&self.words[word].0);
        out.push(':');
        out.push_str(&self.contexts[x]);
        out.push(',');
        out.push_str(&self.contexts[y]);
    }

    fn answer(&self, pair: &Self::Input, out: &mut String) {
        out.push_str(if self.same(pair) { "same" } else { "diff" });
    }

    fn question(&self, &(word, x, y): &Self::Input, out: &mut String) {
        let (w, senses) = &self.words[word];
        let beside = |second: bool| {
            let words: Vec<&str> = self
                .contexts
                .iter()
                .enumerate()
                .filter(|(i, _)| senses[i / self.per_class] == second)
                .map(|(_, c)| c.as_str())
                .collect();
            listed(&words)
        };
        let _ = write!(
            out,
            "In an invented language the word {w} has one sense beside {}, and another beside {}. \
             Is its sense in \"{w} {}\" and in \"{w} {}\" the same, or are they different? Answer \
             same or diff.",
            beside(false),
            beside(true),
            self.contexts[x],
            self.contexts[y]
        );
    }

    fn has_steps(&self) -> bool {
        true
    }

    /// The number of the sense beside either context word.
    fn steps(&self, &(word, x, y): &Self::Input, out: &mut String) {
        for (i, context) in [x, y].into_iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            out.push(if self.sense(word, context) { '2' } else { '1' });
        }
    }

    fn reasoning(&self, &(word, x, y): &Self::Input, out: &mut String) {
        let w = &self.words[word].0;
        for (i, context) in [x, y].into_iter().enumerate() {
            let space = if i == 0 { "" } else { " " };
            let sense = if self.sense(word, context) {
                "second"
            } else {
                "first"
            };
            let _ = write!(
                out,
                "{space}Beside {}, {w} has its {sense} sense.",
                self.contexts[context]
            );
        }
    }

    fn choices(&self) -> &[&'static str] {
        &["same", "diff"]
    }

    fn majority(&self) -> Option<(String, f64)> {
        Some(("same".to_owned(), 0.5))
    }
}
