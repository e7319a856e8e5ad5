//! Studies: families × tasks × methods × seeds, as one file, and what was resolved from it.
//!
//! [`Study::parse`] reads `study.toml`; a [`Lock`] is what a run found behind its names.
//!
//! *Invariant: nothing is run here, and no file is read or written: texts go in and out.*

pub mod error;
pub mod lock;
pub mod shard;
pub mod study;

pub use error::StudyError;
pub use lock::Lock;
pub use shard::Shard;
pub use study::{Analysis, Eval, Family, Form, Ladder, Method, Source, Study, Tokens};
