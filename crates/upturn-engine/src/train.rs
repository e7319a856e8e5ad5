//! Training: forward, backward and AdamW over a decoder that is described by a [`Shape`].
//!
//! A [`Trainer`] holds parameters, gradients and two moments in flat buffers and reuses its
//! activations: a step allocates nothing. What it writes is a Hugging Face folder of the
//! `llama` layout (gated) or the `gpt_neox` layout (GELU).
//!
//! *Invariant: parameters after a step are the same bits for any number of threads.*

mod activate;
mod attend;
pub mod batch;
mod buffer;
mod cross;
mod draw;
mod error;
mod folder;
pub mod init;
mod lanes;
mod layout;
pub mod optimizer;
mod product;
mod rows;
pub mod shape;
mod state;
mod step;
mod trainer;
mod update;
mod write;

pub use batch::{Batch, IGNORE};
pub use error::TrainError;
pub use init::Init;
pub use optimizer::{AdamW, LearningRates};
pub use shape::{Block, Shape};
pub use trainer::{NamedTensor, StepStats, Trainer};
