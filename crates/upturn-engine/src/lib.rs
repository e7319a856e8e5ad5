//! The transformer: Hugging Face checkpoints, token-trie scoring, generation.
//!
//! [`Model::load`] opens a folder; [`Model`] is a [`upturn_types::LanguageModel`].
//! An architecture is data: [`arch`] turns `config.json` into a
//! [`plan::DecoderPlan`], and [`forward`] runs any plan. [`trie`] puts requests in
//! depth-first order, [`batch`] packs branches, [`attention`] shares prefixes,
//! [`head`] projects only where a probability is asked for.
//!
//! *Invariant: this crate does not know what a task is.* *Invariant: a sequence's
//! result is the same bits in any batch, order, shard and number of threads.*

pub mod arch;
pub mod attention;
pub mod batch;
pub mod chat;
pub mod checkpoint;
pub mod choose;
pub mod encode;
pub mod error;
pub mod forward;
pub mod gemm;
pub mod gemm_bf16;
pub mod generate;
pub mod head;
pub mod kernels;
pub mod kv;
pub mod lm;
pub mod plan;
pub mod score;
pub mod tokenizer;
pub mod train;
pub mod trie;

pub use lm::{Detail, Model, ModelOptions, TokenLogprob};
