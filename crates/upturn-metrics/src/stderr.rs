//! Standard errors of scores.

use crate::aggregation::questions;
use crate::bootstrap::bootstrap_stddev;
use crate::numeric::sample_stddev;
use crate::statistic::Statistic;
use crate::{Aggregation, ItemValue, MetricError};

/// How the standard error of an aggregation is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StderrRule {
    /// Sample standard deviation (divisor n − 1) over √n.
    Sample,
    /// Standard deviation of bootstrap replicates.
    Bootstrap,
    /// There is none ("N/A").
    Unavailable,
}

/// Bootstrap iterations for a metric where `requested` are wanted: at most 100 for metrics
/// called `bleu`, `chrf`, `chrf++` or `ter`, whatever their aggregation.
#[must_use]
pub fn bootstrap_iterations(metric: &str, requested: u32) -> u32 {
    if matches!(metric, "bleu" | "chrf" | "chrf++" | "ter") {
        requested.min(100)
    } else {
        requested
    }
}

/// The standard error of [`aggregate`](crate::aggregate) on these items; `None` is
/// lm-evaluation-harness's "N/A": no rule, fewer than two items, or `bootstrap_iterations` 0,
/// which there turns off every standard error.
///
/// # Errors
/// When the aggregation is not defined on the items.
pub fn stderr(
    aggregation: Aggregation,
    items: &[ItemValue],
    bootstrap_iterations: u32,
) -> Result<Option<f64>, MetricError> {
    if bootstrap_iterations == 0 || items.len() < 2 {
        return Ok(None);
    }
    match aggregation.stderr_rule() {
        StderrRule::Unavailable => Ok(None),
        StderrRule::Bootstrap => {
            let statistic = Statistic::new(aggregation, items)?;
            Ok(bootstrap_stddev(&statistic, bootstrap_iterations))
        }
        StderrRule::Sample => {
            let values = if aggregation == Aggregation::AccAll {
                // By question number alone: lm-evaluation-harness joins the questions of equal
                // number of all passages here, though not in the score.
                questions(items, |_, question| question)?
            } else {
                aggregation.numbers(items)?
            };
            Ok(sample_stddev(&values).map(|s| s / (values.len() as f64).sqrt()))
        }
    }
}
