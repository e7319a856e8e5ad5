//! Uncertainty of the evaluation itself: clustered errors, pairing, sequential tests.
//!
//! Scores of one model on n items are `&[f64]`, one mean score per item. Items that share
//! a passage, a template or a source are a *cluster*. Everything that cannot be computed
//! (too few items, no variation to scale by) is `None`, never 0.

pub mod binomial_sampler;
pub mod bootstrap;
pub mod clustered;
pub mod paired;
pub mod root;
pub mod sample_size;
pub mod sequential;
pub mod two_sample;
pub mod variance;

use crate::dist::{norm_quantile, t_isf};

/// The quantile that a two-sided interval multiplies its standard error by: Student's t with
/// `degrees_of_freedom`, the normal without. `None` when the level is not inside (0, 1).
fn t_or_normal_quantile(confidence_level: f64, degrees_of_freedom: Option<usize>) -> Option<f64> {
    let tail = (1.0 - confidence_level) / 2.0;
    (tail > 0.0 && tail < 0.5).then(|| match degrees_of_freedom {
        Some(df) => t_isf(tail, df as f64),
        None => -norm_quantile(tail),
    })
}
