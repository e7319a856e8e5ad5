//! AdamW and the learning rates of the kinds of tensors.

use serde::{Deserialize, Serialize};

/// Settings of one AdamW update (Loshchilov & Hutter 2019, decoupled decay).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AdamW {
    /// Learning rate of this step, before the factors of [`LearningRates`].
    pub lr: f32,
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub eps: f32,
    /// Decay per step is `lr · weight_decay` of the parameter, on matrices of layers alone
    /// (neither on tables, nor on gains and offsets). The factor of the tensor's learning
    /// rate is not applied to it.
    pub weight_decay: f32,
    /// Gradients are scaled down so that their norm over all parameters is at most this;
    /// infinity leaves them alone.
    pub clip_norm: f32,
}

/// Factors on the learning rate by kind of tensor; all 1 is plain AdamW.
///
/// With muP's factors here and in [`super::Init`], no multiplier is left in the forward
/// pass, so that the exported folder is a standard one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LearningRates {
    /// Embedding table (and the output table where tied).
    pub embedding: f32,
    /// Matrices of layers.
    pub matrix: f32,
    /// Output table where it is its own.
    pub head: f32,
    /// Gains and offsets.
    pub vector: f32,
}

impl Default for LearningRates {
    fn default() -> Self {
        LearningRates {
            embedding: 1.0,
            matrix: 1.0,
            head: 1.0,
            vector: 1.0,
        }
    }
}
