//! What a model said about one item: all that scoring needs, and what a journal keeps.

use serde::{Deserialize, Serialize};
use upturn_types::{Generation, Loglikelihood};

/// All responses of one item.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ItemResponse {
    /// Log-likelihoods: of the choices in order, then of the choices without the
    /// question where they were asked; or of the one target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub likelihoods: Vec<Loglikelihood>,
    /// Answers, one per repeat.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub generations: Vec<Generation>,
}
