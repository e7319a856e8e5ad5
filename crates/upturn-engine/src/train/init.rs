//! Initial parameters.

use serde::{Deserialize, Serialize};

/// Standard deviations of the normal distributions that parameters start from. Gains start
/// at 1, offsets at 0. The same seed gives the same bits on every machine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Init {
    /// Seed.
    pub seed: u64,
    /// Embedding table.
    pub embedding_std: f32,
    /// Matrices of layers that read the residual stream (queries, keys, values, gate, up).
    pub matrix_std: f32,
    /// Matrices that write to the residual stream (attention's output, down).
    pub residual_std: f32,
    /// Output table where it is its own.
    pub head_std: f32,
}
