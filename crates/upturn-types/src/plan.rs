//! Plans of measurements: how many items an answer costs.

use serde::{Deserialize, Serialize};

use crate::Resolution;

/// How long an evaluation runs that stops once it is decided, at one true score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StoppingPlan {
    /// True score.
    pub score: f64,
    /// Share of the runs that certify it above the margin.
    pub above: f64,
    /// Share that certify it near chance.
    pub near: f64,
    /// Median items at the end.
    pub n_median: f64,
    /// 90% quantile of them.
    pub n_90: f64,
    /// Mean of them.
    pub n_mean: f64,
    /// Items at most.
    pub budget: u64,
    /// Items between two looks.
    pub batch: u64,
    /// Simulated runs.
    pub n_simulations: u32,
}

/// What a task's items can show, and how many would be needed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Task, as asked for.
    pub task: String,
    /// Metric.
    pub metric: String,
    /// Chance floor.
    pub chance: f64,
    /// Near-random margin δ, score units.
    pub margin: f64,
    /// Effect: how far above chance a model is supposed to score, score units.
    pub effect: f64,
    /// Level of each one-sided test (two-sided where two models are compared).
    pub alpha: f64,
    /// Power.
    pub power: f64,
    /// Items that there are, if known.
    pub n_items: Option<u64>,
    /// What they can show.
    pub resolution: Option<Resolution>,
    /// Items to certify a model at chance as near-random.
    pub n_to_certify_chance: Option<u64>,
    /// Items to certify a model at chance + effect above chance + δ.
    pub n_to_certify_above: Option<u64>,
    /// Correlation of two models' outcomes on one item.
    pub correlation: f64,
    /// Items to tell two models at chance and chance + effect apart, each on its own items.
    pub n_to_detect: Option<u64>,
    /// The same on the same items, with the correlation.
    pub n_to_detect_paired: Option<u64>,
    /// Evaluations that stop once decided: at chance, at the margin, at chance + effect.
    pub stopping: Vec<StoppingPlan>,
}
