//! Models over HTTP.
//!
//! [`model`] serves a language model as an OpenAI-compatible completions server: prompts as
//! texts or token ids, echoed with their log-probabilities. It knows the model through a small
//! trait, [`model::ServedModel`].
//!
//! *Invariant: no file is read or written.* *Invariant: what a client sends is never trusted:
//! its size is limited, and what cannot be done is said in OpenAI's form of an error.*

pub mod model;
