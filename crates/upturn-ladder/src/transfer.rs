//! How learning rates and initial parameters follow the width: muP, folded into numbers.
//!
//! muP (Yang et al. 2022, "Tensor Programs V", Table 3, Adam) keeps the best learning rate in
//! place as the width w grows from a base width b:
//!
//! | tensor | initial standard deviation | learning rate |
//! |---|---|---|
//! | embedding | 1 | lr |
//! | matrices of layers | 1/√w | lr · b/w |
//! | output table | √b / w | lr · b/w |
//! | gains, offsets | (1, 0) | lr |
//!
//! Matrices that write to the residual stream have their deviation divided by √(2 · layers),
//! at every width. The inner width of the feed-forward block is in proportion to w and takes
//! the same factors.
//!
//! This form of muP has no factor in the forward pass: what other forms multiply by there is in
//! the initial deviation and in Adam's learning rate of each tensor, which is the same training
//! (their Lemma J.1). So a member's folder is an ordinary one. Two things have no such form and
//! are left out: a tied output table (refused), and attention scores over d in place of √d,
//! which is the same where all heads have one size d, as they have from width `head_dim` on.
//!
//! Without transfer the deviation of the output table is 1/√w and all learning rates are lr.
//! At the base width both are the same.

use upturn_engine::train::{Init, LearningRates, Shape};

use crate::config::Transfer;

/// Initial parameters and learning rates of a shape.
#[must_use]
pub fn transfer(
    rule: Transfer,
    base_width: usize,
    shape: &Shape,
    seed: u64,
) -> (Init, LearningRates) {
    let width = shape.hidden as f64;
    let base = base_width as f64;
    let matrix = 1.0 / width.sqrt();
    let (head, rate) = match rule {
        Transfer::Mup => (base.sqrt() / width, base / width),
        Transfer::None => (matrix, 1.0),
    };
    let depth = (2.0 * shape.n_layers as f64).sqrt();
    let init = Init {
        seed,
        embedding_std: 1.0,
        matrix_std: matrix as f32,
        residual_std: (matrix / depth) as f32,
        head_std: head as f32,
    };
    let rates = LearningRates {
        embedding: 1.0,
        matrix: rate as f32,
        head: rate as f32,
        vector: 1.0,
    };
    (init, rates)
}
