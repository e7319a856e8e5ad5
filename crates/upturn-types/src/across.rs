//! Questions across tasks: is there a magic scale, what emergent tasks share, loss against
//! metric, and what nobody has yet.

use serde::{Deserialize, Serialize};

use crate::{Axis, Clustered, CurveId, CurveKey, Heterogeneity, Interval, TaskSetting, Text};

/// Mass that the thresholds put on one interval (Turnbull's estimate).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ThresholdMass {
    /// Lower end as a coordinate; `None` is −∞.
    pub lower: Option<f64>,
    /// Upper end; `None` is +∞.
    pub upper: Option<f64>,
    /// Share of the thresholds.
    pub mass: f64,
}

/// Whether thresholds of different tasks lie closer together than the scales that were
/// evaluated make them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Concentration {
    /// Axis.
    pub axis: Axis,
    /// Curves with a certified side.
    pub n_curves: usize,
    /// Their tasks.
    pub n_tasks: usize,
    /// Their families.
    pub n_families: usize,
    /// Intervals bounded on both sides.
    pub n_bounded: usize,
    /// Only the upper end is certified: the threshold lies before the smallest model certified.
    pub n_left_censored: usize,
    /// Only the lower end is certified: beyond the largest model.
    pub n_right_censored: usize,
    /// Non-parametric maximum likelihood estimate of their distribution (Turnbull 1976).
    pub distribution: Vec<ThresholdMass>,
    /// Its log-likelihood.
    pub log_likelihood: f64,
    /// Quartiles of the distribution: the interval that holds each.
    pub quartiles: [ThresholdMass; 3],
    /// Standard deviation of the middles of bounded intervals (divisor n − 1).
    pub sd: Option<Clustered>,
    /// Median absolute deviation from their median, unscaled.
    pub mad: Option<Clustered>,
    /// Mean and 2.5% and 97.5% quantiles of the sd under the null.
    pub sd_null: Option<[f64; 3]>,
    /// p of "thresholds fall anywhere among the scales evaluated": the share of draws at
    /// least as concentrated.
    pub p: Option<f64>,
    /// Draws of the null.
    pub n_draws: u64,
    /// BIC of one, two and three normal clusters; `None` with fewer than twelve thresholds.
    pub cluster_bic: Option<[f64; 3]>,
    /// Scatter of thresholds over what their intervals explain.
    pub heterogeneity: Option<Heterogeneity>,
}

/// How a trait of tasks was tested against emergence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssociationTest {
    /// Fisher's exact test of a 2×2 table, two-sided.
    Fisher,
    /// χ² without continuity correction.
    ChiSquared,
    /// χ² with p from random tables of the same margins.
    ChiSquaredMonteCarlo,
    /// Kruskal and Wallis' test of ranks, corrected for ties.
    KruskalWallis,
}

impl AssociationTest {
    /// The name as shown.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            AssociationTest::Fisher => "Fisher exact",
            AssociationTest::ChiSquared => "chi-squared",
            AssociationTest::ChiSquaredMonteCarlo => "chi-squared, Monte-Carlo",
            AssociationTest::KruskalWallis => "Kruskal-Wallis",
        }
    }
}

/// One level of a trait: how many of its tasks are emergent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TraitLevel {
    /// The level (`mmlu`, `discontinuous`, `4`).
    pub level: Text,
    /// Tasks.
    pub n_tasks: usize,
    /// Emergent ones; for thresholds, tasks with a bounded one.
    pub n_emergent: usize,
    /// Their share with a 95% interval (Clopper–Pearson); for thresholds, their median.
    pub value: f64,
    /// The interval; `None` for a median.
    pub interval: Option<Interval>,
}

/// What is asked of a trait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TraitQuestion {
    /// Are tasks with it emergent more often?
    Emergent,
    /// Do their thresholds lie elsewhere?
    Threshold,
}

/// A trait of tasks against emergence or thresholds. The unit is the task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskTrait {
    /// The trait: `type`, `metric`, `answer`, `options`, `answer_length`.
    pub name: Text,
    /// The question.
    pub question: TraitQuestion,
    /// The test.
    pub test: AssociationTest,
    /// Tasks whose trait is known and which are decided.
    pub n_tasks: usize,
    /// Tasks whose trait is unknown.
    pub n_unknown: usize,
    /// Levels; for a number, those with few tasks are listed too.
    pub levels: Vec<TraitLevel>,
    /// The statistic: odds ratio (Fisher; `None` where infinite), χ² or H.
    pub statistic: Option<f64>,
    /// Degrees of freedom, where it has any.
    pub df: Option<f64>,
    /// Cramér's V, for tables.
    pub cramers_v: Option<f64>,
    /// p.
    pub p: f64,
    /// Adjusted over the traits by Benjamini–Hochberg.
    pub p_bh: f64,
    /// Pairs of levels whose thresholds differ (Dunn's test, adjusted by Holm), with their p.
    pub pairs: Vec<(Text, Text, f64)>,
}

/// Where the loss comes from that a metric is held against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum LossSource {
    /// The pre-training loss of the models.
    Training,
    /// A likelihood metric of the same task.
    OwnTask {
        /// The metric.
        metric: Text,
    },
    /// A likelihood metric of another task, standing in for the pre-training loss.
    Proxy {
        /// The task.
        task: Text,
        /// The metric.
        metric: Text,
    },
}

/// Spearman's correlation of loss with score on one curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LossAgainstMetric {
    /// The curve.
    pub curve: CurveId,
    /// Its key.
    pub key: CurveKey,
    /// The loss.
    pub loss: LossSource,
    /// Over all models and checkpoints, interval over models (sizes).
    pub all: Option<Clustered>,
    /// Over finished models.
    pub finished: Option<Clustered>,
    /// Two-sided permutation p over finished models (exact up to eight).
    pub finished_p: Option<f64>,
    /// Over those certified near chance alone: whether the metric moves while the loss falls.
    pub near: Option<Clustered>,
    /// How far the loss falls among those near chance, in its unit.
    pub near_loss_range: Option<f64>,
}

/// What can be said of the scale at which an ability would be certified.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum ScaleNeeded {
    /// An extrapolated scale.
    Extrapolated {
        /// Coordinate at which the fitted logistic reaches the score that is detected with 80% power.
        at: f64,
        /// Its 90% profile-likelihood interval.
        interval: Interval,
        /// Decades (nats) beyond the largest model.
        beyond: f64,
    },
    /// No scale can be said.
    CannotBeSaid {
        /// Why.
        why: Text,
    },
}

/// A task that no measured model of any family is certified to have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NobodyYet {
    /// The task as measured.
    pub setting: TaskSetting,
    /// Families measured.
    pub n_families: usize,
    /// Models measured.
    pub n_models: usize,
    /// Models certified near chance.
    pub n_near: usize,
    /// Axis.
    pub axis: Axis,
    /// The largest model certified near chance, and its coordinate: a certified lower bound for its family.
    pub largest_near: Option<(Text, f64)>,
    /// The family from which the scale is extrapolated.
    pub family: Option<Text>,
    /// Score that n items detect above chance + δ with 80% power.
    pub detectable: Option<f64>,
    /// Items behind it.
    pub n: Option<u64>,
    /// p of a trend with scale in that family (Cochran–Armitage, one-sided).
    pub trend_p: Option<f64>,
    /// The scale.
    pub needed: ScaleNeeded,
}

/// What is seen only over many tasks.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AcrossTasks {
    /// Concentration of thresholds, where there are two bounded ones.
    pub concentration: Option<Concentration>,
    /// Traits of tasks.
    pub traits: Vec<TaskTrait>,
    /// Loss against metric, per curve.
    pub loss: Vec<LossAgainstMetric>,
    /// Tasks that nobody has yet.
    pub nobody: Vec<NobodyYet>,
}
