//! Forecasts and their backtests: what smaller models said, and what was observed.

use serde::{Deserialize, Serialize};

use crate::{Axis, CurveId, CurveKey, CurveModel, Text};

/// Errors of a set of predictions, in score units.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ForecastErrors {
    /// Mean squared error.
    pub mse: f64,
    /// Mean absolute error.
    pub mae: f64,
    /// Largest absolute error.
    pub max_error: f64,
}

/// A forecast that needs no model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Baseline {
    /// The score of the largest model that was fitted to.
    LastValue,
    /// The mean of the scores that were fitted to.
    Mean,
    /// The largest of them.
    Max,
    /// A least-squares line of the score's logit.
    LogitLinear,
}

impl Baseline {
    /// All of them, in table order.
    pub const ALL: [Baseline; 4] = [
        Baseline::LastValue,
        Baseline::Mean,
        Baseline::Max,
        Baseline::LogitLinear,
    ];

    /// As shown.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Baseline::LastValue => "last value",
            Baseline::Mean => "mean",
            Baseline::Max => "max",
            Baseline::LogitLinear => "logit-linear",
        }
    }
}

/// A baseline with its errors on the held-out models.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BaselineErrors {
    /// Which.
    pub baseline: Baseline,
    /// Its errors.
    pub errors: ForecastErrors,
}

/// How many held-out scores lie in their prediction interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// Nominal level.
    pub level: f64,
    /// Scores inside.
    pub inside: usize,
    /// Scores.
    pub n: usize,
    /// P(X ≤ inside) where each is inside with the nominal probability.
    pub p: f64,
}

/// Whether larger models' scores could be told from smaller ones'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Predictability {
    /// Intervals hold what they promise, are narrow, and the error is below half of every
    /// baseline's, on four held-out scales or more.
    Predictable,
    /// The score jumped above its 97.5% quantile at the largest scale or two in a row.
    Unpredictable,
    /// Neither.
    Undetermined,
}

impl Predictability {
    /// The word used in files and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Predictability::Predictable => "predictable",
            Predictability::Unpredictable => "unpredictable",
            Predictability::Undetermined => "undetermined",
        }
    }
}

/// A predicted score with its distribution, and the observed one where there is one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Model, where it is one of the curve's.
    pub model: Option<Text>,
    /// Training step of the model's checkpoint, if it is one.
    #[serde(default)]
    pub checkpoint_step: Option<u64>,
    /// Coordinate on the axis.
    pub x: f64,
    /// Items the prediction is for; `None` where the score is not a count.
    pub n: Option<u64>,
    /// The fitted curve.
    pub point: f64,
    /// Mean of the predictive distribution.
    pub mean: f64,
    /// Its quantiles at [`Prediction::LEVELS`].
    pub quantiles: Vec<f64>,
    /// The observed score.
    pub observed: Option<f64>,
}

impl Prediction {
    /// Levels of the quantiles: 0.025, 0.05, … 0.975.
    pub const LEVELS: [f64; 39] = {
        let mut levels = [0.0; 39];
        let mut i = 0;
        while i < 39 {
            levels[i] = (i as f64 + 1.0) / 40.0;
            i += 1;
        }
        levels
    };

    /// The central interval at 50, 90 or 95%; `None` for other levels.
    #[must_use]
    pub fn interval(&self, level: f64) -> Option<(f64, f64)> {
        let tail = 0.5 * (1.0 - level);
        let at = |q: f64| {
            let i = Self::LEVELS.iter().position(|l| (l - q).abs() < 1e-9)?;
            self.quantiles.get(i).copied()
        };
        at(tail).zip(at(1.0 - tail))
    }
}

/// A forecast from the models up to a cut-off, scored on those above it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Backtest {
    /// Largest coordinate that was fitted to.
    pub cutoff: f64,
    /// Models fitted to.
    pub n_train: usize,
    /// Models held out.
    pub n_test: usize,
    /// Distinct scales held out.
    pub n_test_scales: usize,
    /// Likelihood: `binomial`, `beta_binomial` or `gaussian`.
    pub likelihood: String,
    /// x̄ by which x is centred.
    pub x_mean: f64,
    /// Parameters of the curve.
    pub theta: Vec<f64>,
    /// Intra-class correlation ρ, when beta-binomial.
    pub rho: Option<f64>,
    /// Log-likelihood of the fit.
    pub log_likelihood: f64,
    /// Errors of the fitted curve.
    pub errors: ForecastErrors,
    /// Errors of the baselines.
    pub baselines: Vec<BaselineErrors>,
    /// 1 − MSE/MSE of the last value; `None` where that is 0.
    pub skill: Option<f64>,
    /// Mean continuous ranked probability score.
    pub crps: f64,
    /// Mean interval score at 90%.
    pub interval_score: f64,
    /// Mean log score (ln of the predictive probability or density); larger is better.
    pub log_score: f64,
    /// Coverage of the full predictive distribution at 50, 90 and 95%.
    pub coverage: Vec<Coverage>,
    /// The same where the parameters are taken as known.
    pub coverage_plug_in: Vec<Coverage>,
    /// Held-out scores above their 90% interval.
    pub n_above: usize,
    /// Held-out scores below it.
    pub n_below: usize,
    /// Largest width of the 95% intervals, score units.
    pub width_max: f64,
    /// |predicted − observed onset|, units of x; where the onset was above the cut-off.
    pub threshold_error: Option<f64>,
    /// Held-out scales whose scores are all above their 97.5% quantile.
    pub surprises: Vec<f64>,
    /// Verdict.
    pub verdict: Predictability,
    /// Predictions of the held-out models; may be left out of files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub predictions: Vec<Prediction>,
}

/// All backtests of one curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CurveBacktest {
    /// The curve; `None` where several families are pooled.
    pub curve: Option<CurveId>,
    /// Its key (of a pooled curve: family `all families`).
    pub key: CurveKey,
    /// Axis.
    pub axis: Axis,
    /// Curve model.
    pub model: CurveModel,
    /// Chance floor.
    pub chance: f64,
    /// Ceiling.
    pub ceiling: f64,
    /// One per admissible cut-off, from the smallest; only the headline keeps its predictions.
    pub cutoffs: Vec<Backtest>,
    /// Index of the backtest whose verdict stands for the curve: the largest cut-off that
    /// leaves four scales to be tested on, else the largest there is.
    pub headline: usize,
}

impl CurveBacktest {
    /// The backtest that stands for the curve.
    #[must_use]
    pub fn headline(&self) -> Option<&Backtest> {
        self.cutoffs.get(self.headline)
    }
}

/// A file that a saved forecast was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HashedInput {
    /// Name, without the folders above it.
    pub name: String,
    /// SHA-256 of its content, in hexadecimal.
    pub sha256: String,
}

/// Predictions for one curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CurveForecast {
    /// The curve; `None` where several families are pooled.
    pub curve: Option<CurveId>,
    /// Its key.
    pub key: CurveKey,
    /// Axis.
    pub axis: Axis,
    /// Curve model.
    pub model: CurveModel,
    /// Chance floor.
    pub chance: f64,
    /// Ceiling.
    pub ceiling: f64,
    /// Largest coordinate that was fitted to.
    pub cutoff: f64,
    /// Models fitted to.
    pub n_train: usize,
    /// What each baseline says, in the order of the predictions.
    pub baselines: Vec<(Baseline, Vec<f64>)>,
    /// Predictions, in order of x.
    pub predictions: Vec<Prediction>,
    /// The forecast scored on the held-out models, where there are two or more.
    #[serde(default)]
    pub backtest: Option<Backtest>,
    /// What further measurements would bring, when asked for.
    #[serde(default)]
    pub designs: Vec<Design>,
}

/// What one more measurement would do to a forecast.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Design {
    /// Coordinate of the model to be measured.
    pub x: f64,
    /// Items it is measured on.
    pub n: u64,
    /// Coordinate of the prediction.
    pub target: f64,
    /// Width of the 90% interval there now.
    pub width_now: f64,
    /// Its expected width once the measurement is in.
    pub width_expected: f64,
}

/// Forecasts saved before the outcome is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedForecast {
    /// Version of this format.
    pub format_version: u32,
    /// Version of Upturn.
    pub version: String,
    /// Date it was made, as given by whoever made it.
    pub date: String,
    /// What it was made from.
    pub inputs: Vec<HashedInput>,
    /// Seed.
    pub seed: u64,
    /// Draws of the predictive distribution.
    pub n_draws: u32,
    /// The forecasts.
    pub forecasts: Vec<CurveForecast>,
    /// SHA-256 of this file with this field empty.
    pub sha256: String,
}

impl SavedForecast {
    /// Current format version. 1: first.
    pub const FORMAT_VERSION: u32 = 1;
}

/// A saved forecast against what was observed later.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ForecastScore {
    /// Key of the curve.
    pub key: CurveKey,
    /// Axis.
    pub axis: Axis,
    /// Predictions with their observed scores.
    pub predictions: Vec<Prediction>,
    /// Predictions for which nothing was observed.
    pub n_missing: usize,
    /// Errors; `None` where nothing was observed.
    pub errors: Option<ForecastErrors>,
    /// Errors of the baselines.
    pub baselines: Vec<BaselineErrors>,
    /// Mean CRPS, from the saved quantiles.
    pub crps: Option<f64>,
    /// Coverage at 50, 90 and 95%.
    pub coverage: Vec<Coverage>,
    /// Held-out scales whose scores are all above their 97.5% quantile.
    pub surprises: Vec<f64>,
    /// Verdict.
    pub verdict: Predictability,
}

/// One law of an observational forecast: a sigmoid of components, or of size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObservationalLaw {
    /// What the score is a function of: `1 component`, `2 components`, `flops`, `params`.
    pub regressor: String,
    /// b.
    pub intercept: f64,
    /// w.
    pub weights: Vec<f64>,
    /// h.
    pub floor: f64,
    /// Mean squared error on the fitted models, normalised score.
    pub mse_train: f64,
    /// Mean squared error on the held-out models, normalised score.
    pub mse_test: Option<f64>,
    /// Whether the weights mean nothing (nearly separated models).
    pub ill_conditioned: bool,
    /// Ridge λ of the weights.
    pub ridge: f64,
}

/// A model of an observational forecast.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObservationalPrediction {
    /// Model.
    pub model: Text,
    /// Its coordinate on the axis.
    pub x: f64,
    /// Observed score.
    pub observed: f64,
    /// What each law says, in their order.
    pub predicted: Vec<f64>,
    /// 90% interval of the law with the most components: refits to resampled models, scatter
    /// of the fitted ones, items.
    pub interval: (f64, f64),
}

/// Scores of larger models from their other benchmarks (Ruan et al. 2024), all families pooled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObservationalForecast {
    /// The target, as a pooled curve.
    pub key: CurveKey,
    /// Axis of the cut-off.
    pub axis: Axis,
    /// Cut-off, coordinate.
    pub cutoff: f64,
    /// Benchmarks used.
    pub benchmarks: Vec<Text>,
    /// Models fitted to.
    pub n_train: usize,
    /// Models held out.
    pub n_test: usize,
    /// Share of the benchmarks' variance that each component explains.
    pub explained: Vec<f64>,
    /// The laws.
    pub laws: Vec<ObservationalLaw>,
    /// Mean squared errors of the baselines, normalised score.
    pub baselines: Vec<(Baseline, f64)>,
    /// MSE of the law with the most components minus that of FLOPs, with its 95% interval over
    /// resampled held-out models.
    pub gain: Option<(f64, (f64, f64))>,
    /// Coverage of the 90% intervals.
    pub coverage: Coverage,
    /// Held-out models.
    pub predictions: Vec<ObservationalPrediction>,
}

/// Steps from compute to the loss of a task to its score (Bhagia et al. 2024).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TwoStepForecast {
    /// The curve, or the pooled one.
    pub key: CurveKey,
    /// What the loss is: task and metric.
    pub loss: String,
    /// Largest FLOPs fitted to, coordinate.
    pub cutoff: f64,
    /// Models fitted to.
    pub n_train: usize,
    /// Step 1, as a formula with its numbers.
    pub loss_law: String,
    /// Step 2, as a formula with its numbers.
    pub score_law: String,
    /// Standard deviation of the scores around step 2.
    pub residual_sd: f64,
    /// Predictions of the held-out models and of scales asked for.
    pub predictions: Vec<Prediction>,
    /// Errors on the held-out models.
    pub errors: Option<ForecastErrors>,
    /// Errors of the baselines.
    pub baselines: Vec<BaselineErrors>,
    /// Coverage at 50, 90 and 95%.
    pub coverage: Vec<Coverage>,
}

/// Whether a loss explains a score whatever the size (Du et al. 2024).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CollapseTest {
    /// The curve.
    pub key: CurveKey,
    /// What the loss is: task and metric.
    pub loss: String,
    /// Checkpoints.
    pub n: usize,
    /// Sizes.
    pub n_sizes: usize,
    /// F of an intercept for every size.
    pub f: f64,
    /// p of "all sizes lie on one curve of the loss".
    pub p: f64,
    /// R² of a quadratic in the loss.
    pub r2_loss: f64,
    /// R² of a quadratic in log10 C.
    pub r2_flops: f64,
}
