//! Generated tasks: unlimited items with exact chance, deterministic by seed.
//!
//! A [`Generator`] is a kind of task with its parameters (`addition`, `digits = 3`). Its
//! items come in two splits that never share an input: which split an input belongs to is
//! decided by a hash of the input alone, so that evaluation items stay out of training
//! documents whatever the seeds, counts and order of drawing.
//!
//! *Invariant: pure functions; the same arguments give the same items on every machine.*

pub mod item;

pub use item::{Item, Split};
