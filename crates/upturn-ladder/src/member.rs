//! One model of a plan, with everything that determines its bytes.

use serde::Serialize;
use upturn_engine::train::{AdamW, Init, LearningRates, Shape};

use crate::config::Schedule;

/// A model to train.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Member {
    /// Name of its folder: `chars-w32-l2`, `chars-w32-l2-seed1`, `chars-w32-l2-scratchpad`.
    pub name: String,
    /// Place of its rung, from the smallest compute up.
    pub rung: usize,
    /// Which of its rung's seeds, from 0.
    pub seed: u64,
    /// The member that a finetune starts from.
    pub parent: Option<String>,
    /// Name of the finetune.
    pub tuning: Option<String>,
    /// Its shape.
    pub shape: Shape,
    /// All parameters.
    pub n_params: usize,
    /// Parameters without embedding and output tables.
    pub n_params_without_embedding: usize,
    /// Tokens fed by this training: exactly `steps · batch_tokens`.
    pub tokens: u64,
    /// Tokens of this training and its parent's.
    pub tokens_total: u64,
    /// Updates.
    pub steps: u64,
    /// Tokens per update.
    pub batch_tokens: usize,
    /// Mean tokens of a sequence.
    pub mean_length: f64,
    /// Share of tokens fed whose successor counts in the loss.
    pub target_share: f64,
    /// FLOPs of this training: matrix products forward and backward, attention and the output
    /// table included, over lengths as the first batches have them. The number in the finished
    /// folder is counted over all sequences.
    pub flops: f64,
    /// FLOPs of this training and its parent's.
    pub flops_total: f64,
    /// 6 · parameters · tokens of this training.
    pub flops_6nd: f64,
    /// Bytes that training holds at most, on one thread.
    pub memory_bytes: usize,
    /// Updates after which a folder is written, in order; the last is `steps`.
    pub checkpoints: Vec<u64>,
    /// Initial parameters (not of finetunes).
    pub init: Init,
    /// Factors on the learning rate.
    pub rates: LearningRates,
    /// Settings of an update; `lr` is the highest learning rate.
    pub optimizer: AdamW,
    /// Learning rate over steps.
    pub schedule: Schedule,
    /// Seed of the documents' order.
    pub data_seed: u64,
    /// Which mixture of the plan: 0 is the ladder's, then the finetunes'.
    pub mixture: usize,
    /// Changes with anything that determines the member's bytes.
    pub hash: String,
}

impl Member {
    /// Training FLOPs per parameter and token: 6 and what attention and tables add.
    #[must_use]
    pub fn flops_per_param_token(&self) -> f64 {
        self.flops / (self.n_params as f64 * self.tokens as f64)
    }

    /// Seconds of this training at a rate in FLOPs per second.
    #[must_use]
    pub fn estimate_secs(&self, flops_per_sec: f64) -> f64 {
        self.flops / flops_per_sec
    }
}
