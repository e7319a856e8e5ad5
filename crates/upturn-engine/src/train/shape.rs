//! The shape of a decoder to train, and what follows from it: parameters and FLOPs.

use serde::{Deserialize, Serialize};

/// Kind of block; each is the layout of one Hugging Face architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Block {
    /// RMS norms, gated SiLU feed-forward, no biases: `llama`.
    Gated,
    /// Layer norms with offsets, GELU (error function) feed-forward, biases everywhere but on
    /// the output table, serial residuals, rotary over the whole head: `gpt_neox`.
    Gelu,
}

/// A pre-norm rotary decoder. Every field is a count of features or rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    /// Kind of block.
    pub block: Block,
    /// Rows of the embedding table.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Layers; at least 1.
    pub n_layers: usize,
    /// Attention heads; divides `hidden`, and `hidden / n_heads` is even.
    pub n_heads: usize,
    /// Key-value heads; divides `n_heads`. Equal to `n_heads` for [`Block::Gelu`].
    pub n_kv_heads: usize,
    /// Inner features of the feed-forward block.
    pub intermediate: usize,
    /// Whether the output table is the embedding table.
    pub tied: bool,
    /// Longest input.
    pub max_positions: usize,
    /// Base of the rotary angles (10,000 by default in both layouts).
    pub rope_theta: f32,
    /// Added to variances and mean squares in norms (1e-5).
    pub norm_eps: f32,
}

impl Shape {
    /// Features of a head.
    #[must_use]
    pub fn head_dim(&self) -> usize {
        self.hidden / self.n_heads
    }

    /// Parameters in the embedding table, and the output table where it is its own.
    #[must_use]
    pub fn n_params_embedding(&self) -> usize {
        self.vocab_size * self.hidden * if self.tied { 1 } else { 2 }
    }

    /// All parameters.
    #[must_use]
    pub fn n_params(&self) -> usize {
        self.n_params_embedding() + self.n_params_without_embedding()
    }

    /// Parameters of layers and norms.
    #[must_use]
    pub fn n_params_without_embedding(&self) -> usize {
        let (h, inner) = (self.hidden, self.intermediate);
        let kv = self.n_kv_heads * self.head_dim();
        let attention = h * (h + 2 * kv) + h * h;
        match self.block {
            Block::Gated => self.n_layers * (attention + 3 * h * inner + 2 * h) + h,
            Block::Gelu => {
                let biases = (h + 2 * kv) + h + inner + h;
                self.n_layers * (attention + 2 * h * inner + biases + 4 * h) + 2 * h
            }
        }
    }

    /// Multiply-adds times two of matrix products in the forward pass of one sequence of
    /// `length` tokens, attention scores over visible keys and the output table included.
    #[must_use]
    pub fn flops_forward(&self, length: usize) -> u64 {
        let h = self.hidden;
        let kv = self.n_kv_heads * self.head_dim();
        let feed = match self.block {
            Block::Gated => 3,
            Block::Gelu => 2,
        };
        let per_token =
            2 * self.n_layers * (h * (h + 2 * kv) + h * h + feed * h * self.intermediate)
                + 2 * h * self.vocab_size;
        // Position p sees p + 1 keys: a product for scores, one for values.
        let pairs = length * (length + 1) / 2;
        (length * per_token + self.n_layers * 4 * h * pairs) as u64
    }

    /// FLOPs of forward and backward over one sequence: three times the forward pass (each
    /// product has one for its input's gradient and one for its weight's).
    #[must_use]
    pub fn flops_train(&self, length: usize) -> u64 {
        3 * self.flops_forward(length)
    }

    /// What is wrong with this shape, if anything, in one line.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let counts = [
            ("vocab_size", self.vocab_size),
            ("hidden", self.hidden),
            ("n_layers", self.n_layers),
            ("n_heads", self.n_heads),
            ("n_kv_heads", self.n_kv_heads),
            ("intermediate", self.intermediate),
            ("max_positions", self.max_positions),
        ];
        if let Some((name, _)) = counts.iter().find(|(_, n)| *n == 0) {
            return Some(format!("{name} is 0; expected at least 1"));
        }
        if !self.hidden.is_multiple_of(self.n_heads) {
            return Some(format!(
                "hidden {} is not a multiple of n_heads {}",
                self.hidden, self.n_heads
            ));
        }
        if !self.head_dim().is_multiple_of(2) {
            return Some(format!(
                "a head has {} features; rotary positions need an even number (hidden {} / n_heads {})",
                self.head_dim(),
                self.hidden,
                self.n_heads
            ));
        }
        if !self.n_heads.is_multiple_of(self.n_kv_heads) {
            return Some(format!(
                "n_heads {} is not a multiple of n_kv_heads {}",
                self.n_heads, self.n_kv_heads
            ));
        }
        if self.block == Block::Gelu && self.n_kv_heads != self.n_heads {
            return Some(format!(
                "n_kv_heads is {}, but gelu blocks (gpt_neox) have as many as n_heads, {}",
                self.n_kv_heads, self.n_heads
            ));
        }
        None
    }
}
