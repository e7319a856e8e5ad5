//! Everything that an analysis found: the content of `analysis.json`.

use serde::{Deserialize, Serialize};

use crate::{
    AcrossTasks, ArtefactTest, Axis, Counterexamples, Curve, CurveBacktest, CurveId, CurveKey,
    Diagnostic, Measurement, MethodComparison, Scale, Shape, Text, Verdict,
};

/// The choices under which verdicts are given; printed with every one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnalysisConfig {
    /// Axis.
    pub axis: Axis,
    /// Near-random margin δ as a share of the range (0.05).
    pub near_margin: f64,
    /// Substantial margin Δ as a share of the range (0.10).
    pub substantial_margin: f64,
    /// Level of each one-sided test (0.05).
    pub alpha: f64,
    /// Seed of all resampling.
    pub seed: u64,
    /// Largest number of bootstrap draws of the kink test (999).
    pub n_draws_max: u32,
    /// Bootstrap every curve, not only those where it can matter.
    pub full: bool,
    /// Recompute all FLOPs as 6ND.
    pub flops_6nd: bool,
    /// Keep members trained unlike their family.
    pub include_off_ladder: bool,
}

impl Default for AnalysisConfig {
    fn default() -> Self {
        AnalysisConfig {
            axis: Axis::Flops,
            near_margin: 0.05,
            substantial_margin: 0.10,
            alpha: 0.05,
            seed: 0,
            n_draws_max: 999,
            full: false,
            flops_6nd: false,
            include_off_ladder: false,
        }
    }
}

/// What made an analysis.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of Upturn, with its commit where known.
    pub version: String,
    /// Inputs as given.
    pub inputs: Vec<String>,
    /// Files read.
    pub n_files: usize,
    /// Measurements read.
    pub n_measurements: usize,
}

/// Two sources that report the same model on the same task in the same way, differently.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conflict {
    /// The key of the first.
    pub key: CurveKey,
    /// Model.
    pub model: Text,
    /// Step.
    pub checkpoint_step: Option<u64>,
    /// The sources and their values; two or more.
    pub values: Vec<(Text, f64)>,
    /// Whether both rows come from one source: then both were refused.
    pub same_source: bool,
}

/// Number of verdicts of one shape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CountByShape {
    /// Shape.
    pub shape: Shape,
    /// Verdicts across models.
    pub across: usize,
    /// Verdicts along training.
    pub training: usize,
}

/// How the certified thresholds spread over the axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThresholdSpread {
    /// The axis.
    pub axis: Axis,
    /// Intervals bounded on both sides.
    pub n_bounded: usize,
    /// Certified near-random up to the largest model: the ability that nobody has yet.
    pub n_beyond: usize,
    /// Certified above from the smallest model on.
    pub n_before: usize,
    /// Minimum, quartiles and maximum of the point estimates (coordinate x), when there are any.
    pub quantiles: Option<[f64; 5]>,
}

/// A family's verdict on a task that several families were measured on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FamilyVerdict {
    /// Family, with its tuning where it has one.
    pub family: Text,
    /// The curve.
    pub curve: CurveId,
    /// Its shape across models.
    pub shape: Shape,
}

/// How the families' threshold estimates scatter (DerSimonian and Laird 1986).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Heterogeneity {
    /// Cochran's Q.
    pub q: f64,
    /// p of "all families have one threshold" (χ² with families − 1 degrees of freedom).
    pub p: f64,
    /// Variance between families τ², in squared units of the axis.
    pub tau2: f64,
    /// Random-effects mean on the axis.
    pub mean: f64,
    /// Its standard error.
    pub mean_se: f64,
    /// Share I² of the scatter that is between families.
    pub i2: f64,
}

/// One task, measured alike on several families.
///
/// Families are never pooled into one curve: differences between them would look like
/// a curve that is not monotone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskVerdict {
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
    /// The families, sorted by name.
    pub families: Vec<FamilyVerdict>,
    /// Families whose shape is decided.
    pub n_informative: usize,
    /// The shape that more than half of the informative families have; `None` is mixed.
    pub shape: Option<Shape>,
    /// Families whose threshold is bounded on both sides, on the axis of the analysis.
    pub n_bounded: usize,
    /// What all bounded intervals share, as coordinates (lower, upper]; `None` where they
    /// have nothing in common, or fewer than two are bounded.
    pub common: Option<(f64, f64)>,
    /// Scatter of the thresholds, where two or more are bounded and they share nothing.
    pub heterogeneity: Option<Heterogeneity>,
}

/// Counts under another near-random margin: how much the verdicts hang on a convention.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sensitivity {
    /// Near-random margin δ as a share of the range.
    pub near_margin: f64,
    /// Substantial margin Δ as a share of the range.
    pub substantial_margin: f64,
    /// Verdicts across models per shape (averages not counted twice).
    pub counts: Vec<CountByShape>,
}

/// How a verdict compares with a published claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    /// Emergent, and the published threshold is inside the certified interval (or its upper end).
    Agrees,
    /// Emergent, but elsewhere; or certified not to be emergent.
    Disagrees,
    /// The published numbers cannot decide it.
    Undecided,
    /// The scores by size were never published.
    DataNotPublished,
}

/// One published claim against the verdicts here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgreementRow {
    /// The ability as published.
    pub ability: Text,
    /// Model family of the claim.
    pub model: Text,
    /// Threshold of the claim.
    pub published: Scale,
    /// The outcome.
    pub agreement: Agreement,
    /// Why, in a sentence with numbers.
    pub reason: String,
    /// The curves compared.
    pub curves: Vec<CurveKey>,
}

/// An analysis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Analysis {
    /// Version of this format.
    pub format_version: u32,
    /// What made it.
    pub provenance: Provenance,
    /// Choices.
    pub config: AnalysisConfig,
    /// Curves, sorted by key.
    pub curves: Vec<Curve>,
    /// Verdicts, strongest evidence first.
    pub verdicts: Vec<Verdict>,
    /// Counts per shape (aggregates not counted twice).
    pub counts: Vec<CountByShape>,
    /// Spread of thresholds across models.
    pub spread: Option<ThresholdSpread>,
    /// Tasks that two or more families were measured on alike.
    pub tasks: Vec<TaskVerdict>,
    /// Counts under other margins.
    pub sensitivity: Vec<Sensitivity>,
    /// Conflicts between rows.
    pub conflicts: Vec<Conflict>,
    /// Human, random and other reference rows.
    pub references: Vec<Measurement>,
    /// Comparison with published claims, when asked for.
    pub agreement: Vec<AgreementRow>,
    /// Onsets under all-or-nothing metrics, held against graded ones.
    #[serde(default)]
    pub artefacts: Vec<ArtefactTest>,
    /// Methods against their baselines.
    #[serde(default)]
    pub methods: Vec<MethodComparison>,
    /// Smaller models that have what larger ones of other families lack.
    #[serde(default)]
    pub counterexamples: Counterexamples,
    /// What is seen only over many tasks.
    #[serde(default)]
    pub across: AcrossTasks,
    /// Backtests of the curves across models that allow one, in the order of the curves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backtests: Vec<CurveBacktest>,
    /// Messages about the input.
    pub diagnostics: Vec<Diagnostic>,
}

impl Analysis {
    /// Current format version. 1: first.
    pub const FORMAT_VERSION: u32 = 1;
}
