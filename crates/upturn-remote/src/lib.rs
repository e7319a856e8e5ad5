//! Language models behind HTTP: asked once, scored exactly, within a budget.
//!
//! [`RemoteModel`] is a [`upturn_types::LanguageModel`] over a server that speaks one of
//! the [`Api`]s. Requests go out from a pool of threads whose size follows what the server
//! bears ([`pace`](crate), additive increase and multiplicative decrease); what fails on
//! the way is asked again after a random wait; every answer is kept in an SQLite file, so
//! that it is never paid for twice.
//!
//! Where the tokens of a continuation begin is found in one of two ways. If the server has
//! a tokenizer, contexts and continuations are encoded as lm-evaluation-harness encodes
//! them and sent as token ids. Else they are sent as text, and the echoed tokens' places in
//! the text decide ([`align`]).
//!
//! *Invariant: a key is read from the environment and is in no file, no message and no
//! `Debug` output.* *Invariant: every wait has a limit.* *Invariant: an answer is kept under
//! everything that decides it: server, model, kind of request, parameters, prompt.*

pub mod align;
mod ask;
mod backoff;
mod budget;
mod cache;
mod clock;
mod error;
mod http;
mod key;
mod model;
mod options;
mod pace;
mod probe;
mod protocol;
mod server;
mod windows;

pub use budget::{Limits, Prices, Spent};
pub use error::RemoteError;
pub use key::Key;
pub use model::RemoteModel;
pub use options::{Api, Options, Patience, Sent};
pub use probe::Needs;
