//! Finding the word behind scrambled letters.
//!
//! Three of the word tasks of Brown et al. 2020 (GPT-3): letters cycled, letters between the
//! first and the last rearranged, the word reversed. Words that another word of the list could
//! answer as well are left out (`form` and `from`), and so are scrambles that leave the word
//! as it is.

use super::strings::Sequence;
use super::words;
use super::{FREE, Has, KindInfo};
use crate::kind::Kind;
use crate::params::{ParamInfo, Params, Range};
use crate::rng::Rng;
use crate::text::push_ascii;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

const SHORTEST: u64 = 3;
const LONGEST: u64 = 7;

const fn word_length(name: &'static str, about: &'static str, default: u64) -> ParamInfo {
    ParamInfo {
        name,
        about,
        range: Range::Int {
            default,
            min: SHORTEST,
            max: LONGEST,
        },
    }
}

pub(super) const INFO: KindInfo = KindInfo {
    name: "unscramble",
    about: "Find the English word whose letters were scrambled.",
    example: "ana wolrd=world",
    params: &[
        ParamInfo {
            name: "how",
            about: "all letters but the first and last rearranged, the letters cycled, or the word reversed",
            range: Range::Word(&["anagram", "cycle", "reverse"]),
        },
        // GPT-3's tasks take words of more than four letters; the two inner letters of a word of
        // four have one other order only.
        word_length("shortest", "letters of the shortest word", 5),
        word_length("longest", "letters of the longest word", LONGEST),
        ParamInfo {
            name: "words",
            about: "use at most so many of the words that fit",
            range: Range::Int {
                default: 3000,
                min: 16,
                max: 3000,
            },
        },
    ],
    steps: Has::Never,
    choices: Has::Never,
    chance: FREE,
    make: |params| Unscramble::new(params).map(|u| Arc::new(u) as _),
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Anagram,
    Cycle,
    Reverse,
}

struct Unscramble {
    how: How,
    words: Vec<&'static str>,
    /// Number of the first scramble of each word, and of all scrambles at the end.
    starts: Vec<u64>,
    /// Number of the order that is the word itself, where letters are rearranged.
    own: Vec<u64>,
    params: Params,
}

/// Number of a word and of one of its scrambles.
type Scramble = (usize, u64);

impl Unscramble {
    fn new(params: &Params) -> Result<Self, crate::SynthError> {
        let how = match params.word("how") {
            "anagram" => How::Anagram,
            "cycle" => How::Cycle,
            _ => How::Reverse,
        };
        let lengths = params.size("shortest")..=params.size("longest");
        let mut same: BTreeMap<String, Vec<&'static str>> = BTreeMap::new();
        for word in words::all() {
            same.entry(how.key(word)).or_default().push(word);
        }
        let fit: Vec<&'static str> = same
            .into_values()
            .filter(|words| words.len() == 1)
            .map(|words| words[0])
            .filter(|word| lengths.contains(&word.len()) && how.n_scrambles(word) > 0)
            .collect();
        if fit.is_empty() {
            let (shortest, longest) = lengths.into_inner();
            return Err(params.conflict(if shortest > longest {
                format!("shortest={shortest} is more than longest={longest}")
            } else {
                format!(
                    "no word has inner letters to rearrange with longest={longest}; set 4 or more"
                )
            }));
        }
        let words = words::at_most(fit, params.size("words"));
        let mut starts = vec![0];
        for word in &words {
            starts.push(starts[starts.len() - 1] + how.n_scrambles(word));
        }
        let own = match how {
            How::Anagram => words.iter().map(|w| rank(inner(w.as_bytes()))).collect(),
            How::Cycle | How::Reverse => vec![0; words.len()],
        };
        Ok(Self {
            how,
            words,
            starts,
            own,
            params: params.clone(),
        })
    }

    fn tag(&self) -> &'static str {
        match self.how {
            How::Anagram => "ana",
            How::Cycle => "cyc",
            How::Reverse => "wrev",
        }
    }

    fn push(&self, (word, scramble): Scramble, out: &mut String) {
        self.how
            .push(self.words[word], scramble, self.own[word], out);
    }

    fn n_scrambles(&self, word: usize) -> u64 {
        self.starts[word + 1] - self.starts[word]
    }
}

impl How {
    /// Equal for words that have a scramble in common.
    fn key(self, word: &str) -> String {
        match self {
            Self::Reverse => word.to_owned(),
            Self::Cycle => (0..word.len())
                .map(|k| format!("{}{}", &word[k..], &word[..k]))
                .min()
                .unwrap_or_default(),
            Self::Anagram => {
                let mut letters = word.as_bytes().to_vec();
                let last = letters.len() - 1;
                letters[1..last].sort_unstable();
                String::from_utf8_lossy(&letters).into_owned()
            }
        }
    }

    /// How many different scrambles there are, the word itself not among them.
    fn n_scrambles(self, word: &str) -> u64 {
        let bytes = word.as_bytes();
        match self {
            Self::Reverse => u64::from(!bytes.iter().eq(bytes.iter().rev())),
            Self::Cycle => {
                let turned = |k: usize| bytes[k..].iter().chain(&bytes[..k]);
                let periodic = (1..word.len()).any(|k| turned(k).eq(bytes));
                if periodic { 0 } else { word.len() as u64 - 1 }
            }
            Self::Anagram => orders(&sorted_inner(bytes)) - 1,
        }
    }

    /// `own` is the number of the order that is the word itself, and left out.
    fn push(self, word: &str, scramble: u64, own: u64, out: &mut String) {
        let bytes = word.as_bytes();
        match self {
            Self::Reverse => out.extend(word.chars().rev()),
            Self::Cycle => {
                let k = scramble as usize + 1;
                out.push_str(&word[k..]);
                out.push_str(&word[..k]);
            }
            Self::Anagram => {
                let mut letters = Sequence::of(inner(bytes).iter().copied());
                let letters = letters.as_mut_bytes();
                letters.sort_unstable();
                arrange(letters, scramble + u64::from(scramble >= own));
                out.push(char::from(bytes[0]));
                push_ascii(out, letters);
                out.push(char::from(bytes[bytes.len() - 1]));
            }
        }
    }
}

/// What lies between the first letter and the last.
fn inner(word: &[u8]) -> &[u8] {
    &word[1..word.len() - 1]
}

fn sorted_inner(word: &[u8]) -> Vec<u8> {
    let mut inner = inner(word).to_vec();
    inner.sort_unstable();
    inner
}

/// Number of different orders of sorted letters.
fn orders(sorted: &[u8]) -> u64 {
    let factorial = |n: usize| (1..=n as u64).product::<u64>();
    sorted
        .chunk_by(|a, b| a == b)
        .fold(factorial(sorted.len()), |n, same| n / factorial(same.len()))
}

/// The order with this number, in alphabetical order of orders, of sorted letters.
fn arrange(sorted: &mut [u8], mut number: u64) {
    for i in 0..sorted.len() {
        let mut j = i;
        while j < sorted.len() {
            if j > i && sorted[j] == sorted[j - 1] {
                j += 1;
                continue;
            }
            sorted[i..=j].rotate_right(1);
            let n = orders(&sorted[i + 1..]);
            if number < n {
                break;
            }
            number -= n;
            sorted[i..=j].rotate_left(1);
            j += 1;
        }
    }
}

/// The number of this order.
fn rank(letters: &[u8]) -> u64 {
    let mut sorted = letters.to_vec();
    sorted.sort_unstable();
    (0..orders(&sorted))
        .find(|&n| {
            let mut order = sorted.clone();
            arrange(&mut order, n);
            order == letters
        })
        .unwrap_or(0)
}

impl Kind for Unscramble {
    type Input = Scramble;

    fn name(&self) -> String {
        let head = format!("unscramble_{}", self.params.word("how"));
        self.params.name(&head, &["how"])
    }

    fn symbols(&self) -> String {
        let mut symbols = format!("{} ", self.tag());
        self.words.iter().for_each(|w| symbols.push_str(w));
        symbols
    }

    fn draw(&self, rng: &mut Rng) -> Self::Input {
        let word = rng.index(self.words.len());
        (word, rng.below(self.n_scrambles(word)))
    }

    fn n_inputs(&self) -> Option<u64> {
        self.starts.last().copied()
    }

    fn nth(&self, index: u64) -> Self::Input {
        let word = self.starts.partition_point(|&start| start <= index) - 1;
        (word, index - self.starts[word])
    }

    fn probability(&self, &(word, _): &Self::Input) -> f64 {
        1.0 / self.words.len() as f64 / self.n_scrambles(word) as f64
    }

    fn prompt(&self, scramble: &Self::Input, out: &mut String) {
        out.push_str(self.tag());
        out.push(' ');
        self.push(*scramble, out);
    }

    fn answer(&self, &(word, _): &Self::Input, out: &mut String) {
        out.push_str(self.words[word]);
    }

    fn question(&self, scramble: &Self::Input, out: &mut String) {
        let mut letters = String::new();
        self.push(*scramble, &mut letters);
        let _ = match self.how {
            How::Anagram => write!(
                out,
                "The letters of an English word, all but the first and the last, were put in \
                 another order: {letters}. What is the word?"
            ),
            How::Cycle => write!(
                out,
                "Letters were moved from the beginning of an English word to its end: {letters}. \
                 What is the word?"
            ),
            How::Reverse => write!(
                out,
                "An English word was written backwards: {letters}. What is the word?"
            ),
        };
    }

    /// Every word is equally frequent.
    fn majority(&self) -> Option<(String, f64)> {
        Some((self.words[0].to_owned(), 1.0 / self.words.len() as f64))
    }

    fn shortcut(&self) -> Option<(&'static str, f64)> {
        let how = match self.how {
            How::Anagram => "a random rearrangement of the letters between first and last",
            How::Cycle => "a random rotation of the given letters",
            How::Reverse => return None,
        };
        let sum: f64 = (0..self.words.len())
            .map(|word| 1.0 / self.n_scrambles(word) as f64)
            .sum();
        Some((how, sum / self.words.len() as f64))
    }
}
