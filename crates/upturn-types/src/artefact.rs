//! Metric artefacts: whether the sharpness of a rise is made by an all-or-nothing metric.

use serde::{Deserialize, Serialize};

use crate::{Axis, CurveId, CurveKey, Interval, Text, View};

/// Where the sharpness of an onset comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArtefactVerdict {
    /// The metric produces it: the graded metric improves smoothly, and predicts the other.
    Artefact,
    /// The graded metric turns at the same scale.
    Real,
    /// The data cannot tell.
    Undetermined,
}

impl ArtefactVerdict {
    /// The word used in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ArtefactVerdict::Artefact => "artefact",
            ArtefactVerdict::Real => "real",
            ArtefactVerdict::Undetermined => "undetermined",
        }
    }
}

/// What a condition came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It does not hold.
    Failed,
    /// The data cannot tell.
    CannotTell,
}

/// A condition of the verdict. The first three make an artefact, the last three a real onset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConditionName {
    /// (a) The graded metric improves below the threshold.
    ImprovesBelow,
    /// (b) It has no kink, and one would have been seen.
    NoKink,
    /// (c) It predicts the all-or-nothing metric above the threshold.
    LinkPredicts,
    /// (a′) The graded metric is flat below the threshold.
    FlatBelow,
    /// (b′) It has a kink.
    Kinked,
    /// (c′) Its kink lies where the onset does.
    BreakpointsMeet,
}

impl ConditionName {
    /// The sign in tables: `a`, `b`, `c`, and with a prime for a real onset.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            ConditionName::ImprovesBelow => "a",
            ConditionName::NoKink => "b",
            ConditionName::LinkPredicts => "c",
            ConditionName::FlatBelow => "a\u{2032}",
            ConditionName::Kinked => "b\u{2032}",
            ConditionName::BreakpointsMeet => "c\u{2032}",
        }
    }
}

/// One condition with the number that it was decided by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// Which.
    pub name: ConditionName,
    /// What it came to.
    pub outcome: Outcome,
    /// The number that decides; `None` where it could not be computed.
    pub value: Option<f64>,
    /// What it is held against.
    pub threshold: Option<f64>,
    /// Why, in a sentence.
    pub why: String,
}

/// What the link between the two metrics was fitted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkBasis {
    /// The models below the threshold.
    Below,
    /// Other families, or other runs, on the same task and metrics.
    OtherSeries,
    /// The product of token probabilities, averaged over the items.
    PerItem,
    /// The product of token probabilities of an average item.
    Aggregate,
}

/// A score above the threshold as the link predicts it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinkPrediction {
    /// Model.
    pub model: Text,
    /// Training step, for trajectories.
    pub checkpoint_step: Option<u64>,
    /// Observed score of the all-or-nothing metric.
    pub observed: f64,
    /// Predicted score.
    pub predicted: f64,
    /// Its 90% predictive interval, sampling of the items included.
    pub interval: (f64, f64),
}

impl LinkPrediction {
    /// Whether the observed score lies in the interval.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        (self.interval.0..=self.interval.1).contains(&self.observed)
    }
}

/// The link test: ln(−ln r) against the logarithm of the graded loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinkTest {
    /// What it was fitted on.
    pub basis: LinkBasis,
    /// Points of the fit; 0 for a link that is not fitted.
    pub n_fit: usize,
    /// Series (families or runs) in the fit.
    pub n_series: usize,
    /// η, the exponent of the loss; a product of token probabilities has 1.
    pub exponent: Option<f64>,
    /// Standard error of η.
    pub exponent_se: Option<f64>,
    /// Two-sided p of η = 1.
    pub exponent_p: Option<f64>,
    /// ln κ.
    pub ln_factor: Option<f64>,
    /// Residual variance over what sampling of the items explains, φ̂.
    pub dispersion: Option<f64>,
    /// Weighted R² of the fit.
    pub r2: Option<f64>,
    /// Two-sided p of the residuals' runs along the loss: small where the link bends.
    pub runs_p: Option<f64>,
    /// Scores above the threshold, predicted.
    pub predictions: Vec<LinkPrediction>,
    /// Predictions whose interval holds the score.
    pub n_inside: usize,
    /// Root mean squared error of the predictions.
    pub rmse: Option<f64>,
    /// That of predicting each by the mean of the models below the threshold.
    pub rmse_mean: Option<f64>,
    /// Median width of the intervals.
    pub median_width: Option<f64>,
}

/// A smooth curve of the logarithm of a graded loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmoothLoss {
    /// A power law: a line.
    Line,
    /// A parabola.
    Quadratic,
    /// A power law down to a remainder.
    PowerConstant,
    /// A smooth way off a plateau: a logistic fall of the loss.
    Plateau,
}

/// The kink test on a graded metric, with its power.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GradedKink {
    /// Points in it.
    pub n_points: usize,
    /// The smooth curve it is held against.
    pub smooth: SmoothLoss,
    /// AICc(best smooth) − AICc(kinked); `None` where there are too few points for it.
    pub delta_aicc: Option<f64>,
    /// D = 2(ℓ kinked − ℓ best smooth).
    pub statistic: f64,
    /// p = (1 + #{D* ≥ D})/(1 + B) over draws from the best smooth curve.
    pub p: f64,
    /// Draws, B.
    pub n_draws: u32,
    /// Where the kinked curve turns, with its 95% profile interval.
    pub breakpoint: f64,
    /// The interval.
    pub breakpoint_interval: (f64, f64),
    /// Slopes of ln loss before and after.
    pub slopes: (f64, f64),
    /// Share of simulated series with a slope change of 50% at the onset that are seen as
    /// kinked; `None` where a kink is seen, or there is no slope to change.
    pub power: Option<f64>,
    /// Its 95% interval.
    pub power_interval: Option<(f64, f64)>,
    /// Series simulated.
    pub n_power_draws: u32,
}

/// An all-or-nothing metric beside one graded metric of the same outputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairedMetric {
    /// The graded curve.
    pub curve: CurveId,
    /// Its metric.
    pub metric: Text,
    /// The metric as the loss that is analysed, in words.
    pub loss: Text,
    /// Verdict of this pair.
    pub verdict: ArtefactVerdict,
    /// Models with both scores.
    pub n_models: usize,
    /// Models below the threshold, |S|.
    pub n_below: usize,
    /// The six conditions, in order.
    pub conditions: Vec<Condition>,
    /// What overrides them, if anything does.
    pub overruled: Option<String>,
    /// Kendall's τ-b of the loss with scale, below the threshold.
    pub kendall_tau: Option<f64>,
    /// Its one-sided p.
    pub kendall_p: Option<f64>,
    /// Link test.
    pub link: Option<LinkTest>,
    /// Kink test of the graded metric.
    pub kink: Option<GradedKink>,
}

/// A score of exactly 0 and what it says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ZeroScore {
    /// Model.
    pub model: Text,
    /// Training step, for trajectories.
    pub checkpoint_step: Option<u64>,
    /// Items.
    pub n: u64,
    /// The true score is below this with confidence 1 − α: 1 − α^(1/n).
    pub upper: f64,
    /// What a smooth curve predicts here.
    pub predicted: Option<f64>,
    /// Probability of no success under it, (1 − p̂)^n. Above 5% the zero says nothing
    /// against it.
    pub p_zero: Option<f64>,
}

/// How fast the success rate grows beyond a power law of the failure exponent (task law).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TaskLaw {
    /// Models with a score strictly between 0 and 1.
    pub n_models: usize,
    /// Models left out because they scored 0 or 1.
    pub n_left_out: usize,
    /// Slope of ln(−ln y) in ln N at the mean.
    pub slope: f64,
    /// Curvature b₂; negative is accelerated growth.
    pub curvature: f64,
    /// Its standard error.
    pub curvature_se: f64,
    /// Two-sided p of b₂ = 0 (t with K − 3 degrees of freedom).
    pub p: f64,
}

/// One onset under an all-or-nothing metric, held against every graded metric there is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArtefactTest {
    /// The all-or-nothing curve.
    pub curve: CurveId,
    /// Its key.
    pub key: CurveKey,
    /// View.
    pub view: View,
    /// Axis on which scale is measured (the training step, along training).
    pub axis: Axis,
    /// Verdict over all pairs: decided where the decided pairs agree.
    pub verdict: ArtefactVerdict,
    /// Why, in a sentence.
    pub why: String,
    /// Certified onset: on the axis across models, log10 of the step along training.
    pub onset: Option<Interval>,
    /// The pairs, sorted by metric; empty where no graded metric was measured.
    pub pairs: Vec<PairedMetric>,
    /// Scores of 0.
    pub zeros: Vec<ZeroScore>,
    /// Task law, where chance is 0 and at least four models score between 0 and 1.
    pub task_law: Option<TaskLaw>,
}
