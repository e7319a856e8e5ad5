//! Ways of eliciting an answer: what one gains over another on the same models.

use serde::{Deserialize, Serialize};

use crate::{Axis, CurveId, Interval, Text};

/// One way of eliciting answers, as part of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MethodArm {
    /// Method.
    pub method: Text,
    /// Post-training, where there is any.
    pub tuning: Option<Text>,
    /// Examples in the prompt.
    pub shots: Option<u32>,
    /// Answer filter.
    pub filter: Option<Text>,
}

/// In what the two arms differ first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MethodKind {
    /// Another prompting or decoding method.
    Method,
    /// Post-training against none.
    Tuning,
    /// More examples in the prompt.
    Shots,
}

/// The test by which two scores were compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectTest {
    /// McNemar's exact test on the same items.
    Mcnemar,
    /// Item-wise differences of graded scores on the same items.
    PairedDifference,
    /// Two proportions as if on different items (pooled z, Newcombe's interval).
    TwoProportions,
    /// Two means with their standard errors.
    Means,
}

/// One model under both methods.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MethodEffect {
    /// Model.
    pub model: Text,
    /// The baseline's model, where it has another name.
    pub baseline_model: Option<Text>,
    /// Coordinate on the axis.
    pub x: f64,
    /// Score with the method.
    pub score: f64,
    /// Score of the baseline.
    pub baseline: f64,
    /// Items of the method's score.
    pub n: Option<u64>,
    /// Method − baseline.
    pub difference: f64,
    /// Its 95% interval.
    pub interval: Interval,
    /// One-sided bounds at level α: (lower, upper).
    pub bounds: (f64, f64),
    /// One-sided p of "the method is not better".
    pub p_better: f64,
    /// One-sided p of "the method is not worse".
    pub p_worse: f64,
    /// Holm-adjusted over all models of the comparison.
    pub p_better_holm: f64,
    /// Holm-adjusted over all models of the comparison.
    pub p_worse_holm: f64,
    /// The test.
    pub test: EffectTest,
}

/// What a method does over the scales of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MethodVerdict {
    /// No gain in at least the two smallest, a substantial one in the largest.
    EmergentMethod,
    /// Worse somewhere and better somewhere.
    Crossover,
    /// Better at every scale.
    UniformlyHelpful,
    /// Worse at every scale.
    UniformlyHarmful,
    /// Within the margin at every scale.
    NoEffect,
    /// The data cannot tell.
    Undetermined,
}

impl MethodVerdict {
    /// The word used in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            MethodVerdict::EmergentMethod => "emergent_method",
            MethodVerdict::Crossover => "crossover",
            MethodVerdict::UniformlyHelpful => "uniformly_helpful",
            MethodVerdict::UniformlyHarmful => "uniformly_harmful",
            MethodVerdict::NoEffect => "no_effect",
            MethodVerdict::Undetermined => "undetermined",
        }
    }
}

/// The certified scales of a method's effect, by fixed-sequence tests.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MethodScales {
    /// Models in the run from the smallest on which the method is worse.
    pub n_worse: usize,
    /// Models in the run from the smallest on which it gains less than δ.
    pub n_no_gain: usize,
    /// Models in the run from the largest down on which it is better.
    pub n_better: usize,
    /// Last scale of the worse run.
    pub worse_until: Option<f64>,
    /// Last scale of the run without a gain that lies before the better run.
    pub no_gain_until: Option<f64>,
    /// First scale of the better run: with `no_gain_until`, the ends of the interval from
    /// which the method helps.
    pub better_from: Option<f64>,
    /// Confidence of the interval (`no_gain_until`, `better_from`].
    pub confidence_level: f64,
}

/// The line of the logit difference over scale.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LogitDifference {
    /// Models in it.
    pub n_models: usize,
    /// Mean of x.
    pub x_mean: f64,
    /// Difference at the mean.
    pub intercept: f64,
    /// Its standard error.
    pub intercept_se: f64,
    /// Change per unit of x.
    pub slope: f64,
    /// Its standard error.
    pub slope_se: f64,
    /// Where the line crosses 0. Not a threshold: families differ.
    pub root: f64,
    /// Fieller's 95% interval of it; `None` where it is not a bounded interval.
    pub root_interval: Option<(f64, f64)>,
}

/// How far a method moves the threshold of the ability.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ThresholdShift {
    /// Threshold with the method, as the ends of its interval on the axis.
    pub method: (Option<f64>, Option<f64>),
    /// Threshold of the baseline.
    pub baseline: (Option<f64>, Option<f64>),
    /// Baseline − method, in units of the axis (decades): positive is earlier with the method.
    pub shift: Interval,
}

/// The compute that the baseline would need to match the method.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ComputeGain {
    /// Scale at which it is given (the largest model).
    pub x: f64,
    /// log10 of the factor.
    pub decades: f64,
    /// Its 90% interval (parametric bootstrap of both fits).
    pub interval: (f64, f64),
}

/// A method against its baseline on one family.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MethodFamily {
    /// Family, with its tuning where both arms have one.
    pub family: Text,
    /// The method's curve.
    pub curve: CurveId,
    /// The baseline's curve.
    pub baseline: CurveId,
    /// The axis.
    pub axis: Axis,
    /// Models compared, smallest first.
    pub effects: Vec<MethodEffect>,
    /// Distinct scales.
    pub n_scales: usize,
    /// Margin δ below which a gain is none, in score.
    pub near_margin: f64,
    /// Margin Δ of a substantial gain, in score.
    pub substantial_margin: f64,
    /// Verdict.
    pub verdict: MethodVerdict,
    /// Whether it is significantly worse in the smallest models.
    pub hurts_below: bool,
    /// Certified scales.
    pub scales: MethodScales,
    /// Shift of the ability's threshold.
    pub shift: Option<ThresholdShift>,
    /// The line of logit differences, without models that are near chance under both.
    pub logit: Option<LogitDifference>,
    /// Compute-equivalent gain.
    pub gain: Option<ComputeGain>,
}

/// A method against its baseline on one task, over all families that have both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MethodComparison {
    /// Task, with its subset.
    pub task: Text,
    /// Split.
    pub split: Option<Text>,
    /// Metric.
    pub metric: Text,
    /// Source.
    pub source: Text,
    /// In what the arms differ.
    pub kind: MethodKind,
    /// The method.
    pub method: MethodArm,
    /// What it is compared with.
    pub baseline: MethodArm,
    /// Models compared, over all families.
    pub n_models: usize,
    /// Models in which it is better after Holm's adjustment.
    pub n_better: usize,
    /// Models in which it is worse after Holm's adjustment.
    pub n_worse: usize,
    /// The line of logit differences over all models, for orientation.
    pub pooled: Option<LogitDifference>,
    /// The same without the models that are near chance under both methods.
    pub pooled_off_floor: Option<LogitDifference>,
    /// The families, sorted by name.
    pub families: Vec<MethodFamily>,
}
