//! Training: forward, backward and AdamW over a decoder that is described by a [`Shape`].
//!
//! A [`Trainer`] holds parameters, gradients and two moments in flat buffers and reuses its
//! activations: a step allocates nothing. What it writes is a Hugging Face folder of the
//! `llama` layout (gated) or the `gpt_neox` layout (GELU).
//!
//! *Invariant: parameters after a step are the same bits for any number of threads.*

pub mod batch;
pub mod init;
pub mod optimizer;
pub mod shape;

pub use batch::{Batch, IGNORE};
pub use init::Init;
pub use optimizer::{AdamW, LearningRates};
pub use shape::{Block, Shape};
