//! Generated tasks: unlimited items with exact chance, deterministic by seed.
//!
//! A [`Generator`] is a kind of task with its parameters (`addition`, `digits = 3`). Its
//! items come in two splits that never share an input: which split an input belongs to is
//! decided by a hash of the input alone (its short prompt), so that evaluation items stay out
//! of training documents whatever the seeds, counts and order of drawing. A quarter of the
//! inputs are for evaluation where there are fewer than 100,000 in all, else a sixteenth.
//! `85+47=` is another input than `47+85=`, and may lie on the other side.
//!
//! Every item has a short form for small models over characters (`47+85=132`), and the same
//! in a sentence for any model (`What is 47 plus 85?`). Where worked steps help there is a
//! second short form, which `?` asks for: `47+85?7+5=12,4+8+1=13=132`. The answer is what
//! follows the last `=`. Short prompts of different kinds never look alike, so that tasks can
//! be mixed.
//!
//! | kind | short form | steps | chance |
//! |---|---|---|---|
//! | `addition` | `47+85=132` | `7+5=12,4+8+1=13` | 0 |
//! | `subtraction` | `47-85=-38` | `47<85,15-7=8,8-4-1=3`| 0 |
//! | `multiplication` | `47*85=3995` | `47*5=235,47*80=3760,235+3760=3995` | 0 |
//! | `modular` | `m97:35+80=18` | `35+80=115,115-1*97=18` | 1/modulus |
//! | `three_term` | `6+(4*8)=38` | `4*8=32,6+32=38` | 0 |
//! | `running_sum` | `sum 3 8 5 1=17` | `3+8=11,11+5=16,16+1=17` | 0 |
//! | `unscramble` | `ana wolrd=world` | | 0 |
//! | `last_letters` | `last tom bob=mb` | `tom:m,bob:b` | 0 |
//! | `coin_flip` | `coin a+d-c+=yes` | `t,t,h` | 1/2 |
//! | `sorting` | `sort dbca=abcd` | `d,bd,bcd` | 0 |
//! | `reversal` | `rev abcd=dcba` | | 0 |
//! | `copying` | `copy abcd=abcd` | | 0 |
//! | `date` | `date 2024-02-27+3=2024-03-01` | `27+3=30,30-29=1` | 0, 1/7 for weekdays |
//! | `linear` | `lin2 00a 43b 23a 93b 85=b` | | 1/2 |
//! | `word_in_context` | `wic di:ab,ag=diff` | `2,1` | 1/2 |
//! | `rewriting` | `rw abdbbd=ad` | `abdad,abbd,aad,ad` | 0 |
//! | `transliteration` | `tl shaku=xozhi` | `sh:x,a:o,k:zh,u:i` | 0 |
//! | `parity` | `qe:1111101100=1` | `0,1,0` | 1/2 |
//! | `substitution` | `sub agbb=hfee` | | 0 |
//! | `instruction` | `do rs dbca=abcd` | | 0 |
//!
//! [`kinds()`] tells their parameters and ranges. Chance here is [`Chance::guess`];
//! [`Generator::chance`] also has what the most frequent answer scores.
//!
//! ```
//! use upturn_synth::{Generator, Split};
//! let task = Generator::parse("modular:modulus=97,op=+")?;
//! let items = task.items(0, Split::Test, 500);
//! assert_eq!(items.len(), 500);
//! assert_eq!(task.chance().guess, 1.0 / 97.0);
//! # Ok::<(), upturn_synth::SynthError>(())
//! ```
//!
//! Three kinds have a world of their own, made from a seed (`lexicon`, `system`, `subsets`), of
//! which short prompts do not tell: mix only one world of a kind. `substitution` has many
//! tables and tells none: a document keeps one, so that its examples tell it.
//!
//! Two tasks of one kind can share prompts where their parameters overlap (numbers up to two
//! digits are among those up to three), and then an input may be for training in one and for
//! evaluation in the other if their test shares differ. The default, numbers of exactly so
//! many digits, has no overlap.
//!
//! *Invariant: pure functions; the same arguments give the same items on every machine.*

pub mod chance;
pub mod document;
pub mod error;
pub mod generator;
pub mod item;
pub mod kinds;
pub mod params;

mod kind;
mod rng;
mod split;
mod text;

pub use chance::{Chance, Majority, Shortcut};
pub use document::Document;
pub use error::SynthError;
pub use generator::Generator;
pub use item::{Form, Item, ShortItem, Split};
pub use kind::ENUMERABLE;
pub use kinds::{Has, KindInfo, kinds};
pub use params::{ParamInfo, Range};
