//! Scores of one item, per kind of output, as lm-evaluation-harness's tasks make them.

mod choices;
mod generation;
mod likelihood;

pub use choices::{ChoicesResponse, Gold, score_choices};
pub use generation::{GenerationResponse, TokenIds, score_generation};
pub use likelihood::{score_loglikelihood, score_rolling};

use crate::{ItemValue, MetricError};

/// Values of the metrics asked for that apply and are defined on the item, in the order asked.
pub type ItemScores = Vec<(&'static str, ItemValue)>;

fn item_error(metric: &str, reason: impl Into<String>) -> MetricError {
    MetricError::Item {
        metric: metric.to_owned(),
        reason: reason.into(),
    }
}
