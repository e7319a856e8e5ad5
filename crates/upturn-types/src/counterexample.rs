//! Counterexamples: a smaller model of one family has what a larger one of another lacks.

use serde::{Deserialize, Serialize};

use crate::{AgreementRow, Axis, CurveId, Interval, Label, Scale, Text};

/// What curves must share to be compared between families: everything of their key but
/// family, tuning and source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskSetting {
    /// Task.
    pub task: Text,
    /// Part of the task.
    pub subset: Option<Text>,
    /// Split.
    pub split: Option<Text>,
    /// Method.
    pub method: Text,
    /// Examples in the prompt.
    pub shots: Option<u32>,
    /// Answer filter.
    pub filter: Option<Text>,
    /// Metric.
    pub metric: Text,
}

impl TaskSetting {
    /// The task with its subset, as shown: `mmlu/anatomy`.
    #[must_use]
    pub fn task_name(&self) -> String {
        match &self.subset {
            Some(subset) => format!("{}/{subset}", self.task),
            None => self.task.to_string(),
        }
    }
}

impl std::fmt::Display for TaskSetting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {}", self.task_name(), self.method)?;
        if let Some(shots) = self.shots {
            write!(f, " {shots}-shot")?;
        }
        for more in [
            Some(&self.metric),
            self.filter.as_ref(),
            self.split.as_ref(),
        ]
        .into_iter()
        .flatten()
        {
            write!(f, ", {more}")?;
        }
        Ok(())
    }
}

/// A number with an interval from resampling whole clusters (families, model sizes), and
/// what it rests on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Clustered {
    /// The number on the data.
    pub value: f64,
    /// Percentile interval; `None` with fewer than three clusters, or where too many
    /// resamples leave it undefined.
    pub interval: Option<Interval>,
    /// Observations (models, or pairs of models where it counts pairs).
    pub n: usize,
    /// Clusters.
    pub n_clusters: usize,
}

/// One model on one task, labelled with Holm's adjustment over all models of the task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelledModel {
    /// Family.
    pub family: Text,
    /// Post-training, when not a base model.
    pub tuning: Option<Text>,
    /// Model.
    pub model: Text,
    /// Its curve.
    pub curve: CurveId,
    /// Scale.
    pub scale: Scale,
    /// Score, larger is better.
    pub score: f64,
    /// Its 95% interval.
    pub interval: Option<Interval>,
    /// Items.
    pub n: Option<u64>,
    /// Label at level α, adjusted over the task.
    pub label: Label,
    /// Whether its family's curve is emergent.
    pub family_emergent: bool,
    /// Flags of its measurement (`moe`, `code`, `instruct`…).
    pub flags: Vec<Text>,
}

/// A pair on one axis: the smaller model is certified above, the larger certified near chance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Counterexample {
    /// The smaller model, which has the ability: its place in the task's models.
    pub smaller: usize,
    /// The larger model, of another family, which lacks it.
    pub larger: usize,
    /// How much larger, in units of the axis (decades; nats for loss).
    pub gap: f64,
    /// Whether the smaller model's family is emergent on the task (the sense of Wei et al.
    /// 2022, §5.2): near chance at its own smaller sizes.
    pub strict: bool,
}

/// How one axis orders the models of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AxisOrder {
    /// Axis.
    pub axis: Axis,
    /// Models whose place on it is known.
    pub n_models: usize,
    /// Their families.
    pub n_families: usize,
    /// Pairs of families' models of which one is above and one near: what could be a counterexample.
    pub n_pairs: usize,
    /// Counterexamples among them.
    pub n_counterexamples: usize,
    /// Of those, strict ones.
    pub n_strict: usize,
    /// Counterexamples per pair.
    pub discordance: Option<Clustered>,
    /// Kendall's τ-b of score with the axis, over all models.
    pub tau_b: Option<Clustered>,
    /// Spearman's rank correlation of score with the axis, over all models.
    pub spearman: Option<Clustered>,
    /// Somers' D of score given the axis, over pairs within a family (n: pairs not tied on the axis).
    pub somers_d: Option<Clustered>,
    /// The counterexamples, widest gap first; at most [`AxisOrder::LISTED_MAX`].
    pub counterexamples: Vec<Counterexample>,
}

impl AxisOrder {
    /// Most counterexamples listed per task and axis; all are counted.
    pub const LISTED_MAX: usize = 200;
}

/// τ-b on one axis minus τ-b on another, over the models known on both.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AxisDifference {
    /// The first axis.
    pub first: Axis,
    /// The second.
    pub second: Axis,
    /// τ-b of the first minus τ-b of the second.
    pub difference: Clustered,
}

/// A penalised logistic regression of "above" on axes, with a random intercept per family.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AxisRegression {
    /// The axes; none is the null fit.
    pub axes: Vec<Axis>,
    /// Means subtracted from each axis.
    pub centres: Vec<f64>,
    /// Intercept.
    pub intercept: f64,
    /// Slopes per unit of each axis.
    pub slopes: Vec<f64>,
    /// Standard errors of the slopes (curvature at the mode).
    pub slope_errors: Vec<f64>,
    /// Standard deviation of the families' intercepts.
    pub family_sd: f64,
    /// Penalised log-likelihood at its maximum.
    pub penalised_log_likelihood: f64,
    /// Log-likelihood of each family's labels from a fit to the other families, summed.
    pub left_out_log_score: Option<f64>,
    /// Area under the ROC curve of the linear predictor without families; `None` for the null fit.
    pub auc: Option<f64>,
    /// Models.
    pub n_models: usize,
    /// Families.
    pub n_families: usize,
}

/// Slope on D minus slope on N in the joint regression: 0 means that C = 6ND says it all.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EqualSlopes {
    /// b_D − b_N.
    pub difference: f64,
    /// Its standard error (curvature at the mode, with the prior).
    pub standard_error: f64,
    /// Its 95% interval.
    pub interval: Interval,
    /// Two-sided p of equality (normal).
    pub p: f64,
}

/// One task over several families: who has it, and which axis orders who has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskOrder {
    /// The task as measured.
    pub setting: TaskSetting,
    /// Whether it averages parts that are here too; it is then left out of totals.
    pub aggregate: bool,
    /// Axis on which a model had to have a place to be compared.
    pub axis: Axis,
    /// Models of families, sorted by family, then scale on that axis, then name.
    pub models: Vec<LabelledModel>,
    /// Families.
    pub n_families: usize,
    /// Models certified above.
    pub n_above: usize,
    /// Models certified near chance (not those below chance, whose answers may not have been read).
    pub n_near: usize,
    /// Per axis known for two families or more.
    pub axes: Vec<AxisOrder>,
    /// Compute against each other axis.
    pub differences: Vec<AxisDifference>,
    /// Regressions, where both labels occur often enough.
    pub regressions: Vec<AxisRegression>,
    /// Whether N and D count alike in the joint regression.
    pub equal_slopes: Option<EqualSlopes>,
}

/// The side of a counterexample on which a model stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CounterexampleSide {
    /// Has the ability where some larger model lacks it.
    Early,
    /// Lacks the ability where some smaller model has it.
    Late,
}

/// A trait of models held against counterexamples: models on one side against the other
/// models that have (or lack) an ability too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CounterexampleTrait {
    /// Axis of the counterexamples.
    pub axis: Axis,
    /// Which models.
    pub side: CounterexampleSide,
    /// The trait: `family`, `tokens_per_param`, `tokens` or a flag.
    pub name: Text,
    /// Models on that side with the trait known.
    pub n_in: usize,
    /// The others that share the label but are in no counterexample on this side.
    pub n_out: usize,
    /// Median (in decades) on that side minus median of the others, for tokens and tokens
    /// per parameter; share with the flag minus share of the others, for flags; `None` for family.
    pub difference: Option<Clustered>,
    /// p of the test (rank test for numbers, Fisher's exact test for flags, χ² for family).
    pub p: f64,
    /// Adjusted over the whole table by Benjamini–Hochberg.
    pub p_bh: f64,
}

/// How many counterexamples there are on one axis over all tasks (averages left out).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CounterexampleTotal {
    /// Axis.
    pub axis: Axis,
    /// Tasks with pairs to compare.
    pub n_tasks: usize,
    /// Tasks with a counterexample.
    pub n_tasks_with: usize,
    /// Pairs.
    pub n_pairs: usize,
    /// Counterexamples.
    pub n_counterexamples: usize,
    /// Strict ones.
    pub n_strict: usize,
    /// Counterexamples per pair, with an interval over families.
    pub discordance: Option<Clustered>,
}

/// Counterexamples over all tasks that several families were measured on alike.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Counterexamples {
    /// Tasks with at least one model above and one near of different families, most
    /// counterexamples on the axis of the analysis first.
    pub tasks: Vec<TaskOrder>,
    /// Totals per axis.
    pub totals: Vec<CounterexampleTotal>,
    /// What counterexamples have in common.
    pub traits: Vec<CounterexampleTrait>,
    /// Published counterexamples beside the scores here, where PaLM was measured on one.
    #[serde(default)]
    pub published: Vec<AgreementRow>,
}
