//! What can be wrong with a training step, or with the files a trainer reads and writes.

use std::path::PathBuf;

use crate::error::ModelError;

/// A step that cannot be taken. Messages are one line: what, where, how to mend it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TrainError {
    /// A shape that is not a decoder's.
    #[error("shape: {0}")]
    Shape(String),
    /// A batch that does not fit the model.
    #[error("batch: {0}")]
    Batch(String),
    /// Loss or gradients are infinite or not numbers. Parameters are as before the step, and
    /// gradients are forgotten.
    #[error("step {step}: the {what} is not finite; lower the learning rate, or look at the batch")]
    NotFinite {
        /// Updates made before.
        step: u64,
        /// `loss` or `gradient norm`.
        what: &'static str,
    },
    /// An update was asked for, but no target has been seen since the last.
    #[error("step {step}: no targets since the last update; accumulate a batch first")]
    NothingAccumulated {
        /// Updates made before.
        step: u64,
    },
    /// A file cannot be written.
    #[error("{}: {message}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong, what was expected, how to mend it.
        message: String,
    },
    /// A checkpoint cannot be read.
    #[error(transparent)]
    Model(#[from] ModelError),
}
