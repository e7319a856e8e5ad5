//! Ladders: families of language models trained from nothing at rising scale.
//!
//! [`Ladder::parse`] reads `ladder.toml`; [`Ladder::plan`] says exactly what would be trained
//! (shapes, tokens, FLOPs, memory, checkpoints); [`train()`] does it, and goes on where it was
//! stopped. Every member becomes a Hugging Face folder with its tokenizer and an `upturn.toml`
//! that says what the weights cannot.
//!
//! ```
//! use std::path::Path;
//! use upturn_ladder::{Ladder, NoTexts};
//! let ladder = Ladder::parse(
//!     r#"
//! family = "adders"
//! sizes.widths = [8, 16]
//! tokens.total = 1e6
//! data.context = 64
//! data.task = [{ generator = "addition:digits=2" }]
//! "#,
//!     Path::new("ladder.toml"),
//! )?;
//! let plan = ladder.plan(&NoTexts)?;
//! assert_eq!(plan.members[0].name, "adders-w8-l1");
//! # Ok::<(), upturn_ladder::LadderError>(())
//! ```
//!
//! *Invariant: nothing is evaluated here, and no foreign file format is read: texts come
//! through a trait.* *Invariant: a member's folder holds the same bytes whatever the number
//! of threads, and however often its training was killed and gone on with.*

pub mod config;
pub mod error;
pub mod member;
pub mod mixture;
pub mod overlap;
pub mod plan;
pub mod schedule;
pub mod sizes;
pub mod texts;
pub mod tokenizer;
pub mod train;
pub mod transfer;
pub mod watch;

mod alphabet;
mod bpe;
mod describe;
mod disk;
mod flops;
mod hash;
mod node;
mod parse;
mod pieces;
mod queue;
mod run;
mod saved;
mod sidecar;

pub use config::Ladder;
pub use error::LadderError;
pub use member::Member;
pub use mixture::Mixture;
pub use plan::Plan;
pub use texts::{Documents, NoTexts, Texts};
pub use tokenizer::TokenizerFiles;
pub use train::{MemberReport, Options, Outcome, Report, train, train_with};
pub use watch::{Event, Progress, Silent, Watch};
