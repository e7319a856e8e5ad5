//! The numbers behind a verdict, each with its definition.

use serde::{Deserialize, Serialize};

/// A two-sided interval; a missing end is unbounded (censored).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub lower: Option<f64>,
    /// Upper end.
    pub upper: Option<f64>,
    /// Confidence level in (0, 1).
    pub confidence_level: f64,
}

/// What the tests say about one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// Certified above chance + the near-random margin δ.
    Above,
    /// Certified below chance + δ: near-random.
    Near,
    /// Near, and certified below chance − δ: an answer-format failure or a wrong floor.
    BelowChance,
    /// Neither: n is too small to say.
    Unresolved,
    /// No n and no standard error: nothing can be tested.
    Untestable,
}

impl Label {
    /// Near-random in the sense of the threshold walk (`near` or `below_chance`).
    #[must_use]
    pub fn is_near(self) -> bool {
        matches!(self, Label::Near | Label::BelowChance)
    }

    /// The word used in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Label::Above => "above",
            Label::Near => "near",
            Label::BelowChance => "below_chance",
            Label::Unresolved => "unresolved",
            Label::Untestable => "untestable",
        }
    }
}

/// The tests on one point of a curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PointEvidence {
    /// Index of the point in its curve.
    pub point: usize,
    /// Coordinate on the verdict's axis; `None` stands for −∞ (step 0 on a log axis).
    pub x: Option<f64>,
    /// Score, larger is better.
    pub score: f64,
    /// Successes, when binomial.
    pub k: Option<u64>,
    /// Items.
    pub n: Option<u64>,
    /// Two-sided 95% interval of the score (Clopper–Pearson when binomial).
    pub interval: Option<Interval>,
    /// Label at level α without adjustment (the fixed sequence needs none).
    pub label: Label,
    /// Label with Holm-adjusted p-values, for quoting models one by one.
    pub label_holm: Label,
    /// p of H0: score ≤ chance. `None` where the null is degenerate (chance 0) or untestable.
    pub p_chance: Option<f64>,
    /// p of H0: score ≤ chance + δ.
    pub p_above: Option<f64>,
    /// p of H0: score ≥ chance + δ.
    pub p_near: Option<f64>,
    /// p of H0: score ≥ chance − δ.
    pub p_below: Option<f64>,
}

/// What the number of items can show.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Resolution {
    /// Items (the smallest over the models).
    pub n: u64,
    /// Smallest k that is significantly above chance + δ.
    pub k_above: u64,
    /// Largest k that is certified near-random; `None` when no k can be.
    pub k_near: Option<u64>,
    /// Probability that a model exactly at chance is certified near-random.
    pub near_power: f64,
    /// Smallest true score detected above chance + δ with 80% power.
    pub detectable: f64,
    /// Items needed to tell chance from chance + δ (one-sided α, 80% power, normal planning).
    pub n_to_certify_chance: Option<u64>,
}

/// Trend over all models, whatever the shape.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Trend {
    /// Cochran–Armitage z of all models (binomial only).
    pub cochran_armitage_z: Option<f64>,
    /// Kendall τ-b of score with scale.
    pub kendall_tau: Option<f64>,
    /// Its two-sided p (exact without ties up to 30 models).
    pub kendall_p: Option<f64>,
    /// Deviance from the best non-decreasing curve (isotonic fit).
    pub isotonic_deviance: Option<f64>,
    /// Cochran–Armitage z of the models below the threshold (needs three).
    pub subthreshold_z: Option<f64>,
    /// Whether that trend is significant at α (one-sided).
    pub subthreshold_trend: Option<bool>,
}

/// The test that tells an abrupt onset from a gradual one: T = s1 − s2/4.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Abruptness {
    /// Slope over the near-random run, score per unit of x.
    pub slope_before: Option<f64>,
    /// Slope from the last near-random model to the largest.
    pub slope_after: f64,
    /// T; negative is abrupt. `None` when the run has one scale.
    pub t: Option<f64>,
    /// Standard error of T.
    pub t_se: Option<f64>,
}

/// A curve model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CurveModel {
    /// Constant.
    Const,
    /// Logistic between floor and ceiling.
    Logistic,
    /// Gompertz: the law of an all-or-nothing metric over a smooth token accuracy.
    Gompertz,
    /// Power law of the success rate.
    Power,
    /// Flat, then rising in logit.
    Hinge,
    /// Flat, then rising in score.
    Yhinge,
    /// A jump between two levels.
    Step,
}

impl CurveModel {
    /// All models, in table order.
    pub const ALL: [CurveModel; 7] = [
        CurveModel::Const,
        CurveModel::Logistic,
        CurveModel::Gompertz,
        CurveModel::Power,
        CurveModel::Hinge,
        CurveModel::Yhinge,
        CurveModel::Step,
    ];

    /// The name used in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            CurveModel::Const => "const",
            CurveModel::Logistic => "logistic",
            CurveModel::Gompertz => "gompertz",
            CurveModel::Power => "power",
            CurveModel::Hinge => "hinge",
            CurveModel::Yhinge => "yhinge",
            CurveModel::Step => "step",
        }
    }

    /// Whether the model is smooth (no breakpoint).
    #[must_use]
    pub fn is_smooth(self) -> bool {
        matches!(
            self,
            CurveModel::Const | CurveModel::Logistic | CurveModel::Gompertz | CurveModel::Power
        )
    }
}

/// A fitted curve model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// The model.
    pub model: CurveModel,
    /// Parameters in the order of METHODS (a, b, τ; or g0, s, τ for `yhinge`; a, s, τ for `step`),
    /// with x centred at [`CurveComparison::x_mean`] where the model is.
    pub theta: Vec<f64>,
    /// Intra-class correlation ρ, when beta-binomial.
    pub rho: Option<f64>,
    /// Log-likelihood kernel (binomial coefficients dropped), or Gaussian log-likelihood.
    pub log_likelihood: f64,
    /// Number of parameters, ρ included.
    pub n_params: usize,
    /// Small-sample Akaike criterion; `None` (infinite) when K ≤ parameters + 1.
    pub aicc: Option<f64>,
    /// Bayesian criterion.
    pub bic: f64,
    /// Quasi-likelihood AICc with the common φ̂ (binomial only).
    pub qaicc: Option<f64>,
    /// Akaike weight among the models compared.
    pub weight: f64,
}

/// All curve models on one series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CurveComparison {
    /// Likelihood used: `binomial`, `beta_binomial` or `gaussian`.
    pub likelihood: String,
    /// K, models in the fit.
    pub k: usize,
    /// x̄ by which x is centred.
    pub x_mean: f64,
    /// Chance floor c.
    pub chance: f64,
    /// Ceiling u.
    pub ceiling: f64,
    /// Pearson overdispersion φ̂ of the richest smooth model, at least 1.
    pub overdispersion: Option<f64>,
    /// Fits, in the order of [`CurveModel::ALL`], those that apply.
    pub fits: Vec<Fit>,
    /// Best by AICc.
    pub best: Option<CurveModel>,
    /// AICc(logistic) − AICc(hinge): above 6 strong for a kink, below 2 none.
    pub delta_aicc_hinge: Option<f64>,
    /// Leave-one-scale-out log score of (model, Σ ℓ), the larger the better.
    pub leave_one_scale_out: Vec<(CurveModel, f64)>,
}

impl CurveComparison {
    /// The fit of `model`, if it was made.
    #[must_use]
    pub fn fit(&self, model: CurveModel) -> Option<&Fit> {
        self.fits.iter().find(|f| f.model == model)
    }
}

/// The verdict of the kink test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KinkVerdict {
    /// A kinked or stepped curve is preferred to the smooth logistic.
    Kink,
    /// The data have no room for a kink: the hinge degenerates to the logistic.
    None,
    /// Not preferred, but with so few models that is no evidence of smoothness.
    Undetermined,
}

/// The kink test: D = 2(max ℓ(hinge, yhinge, step) − ℓ(logistic)) with a parametric bootstrap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KinkTest {
    /// D.
    pub statistic: f64,
    /// p = (1 + #{D* ≥ D})/(1 + B); `None` when the bootstrap was not run.
    pub p: Option<f64>,
    /// Draws made, B (early stopping may end before the maximum).
    pub n_draws: u32,
    /// Monte-Carlo 95% interval of p.
    pub p_interval: Option<(f64, f64)>,
    /// The alternative with the largest likelihood.
    pub best_alternative: CurveModel,
    /// Verdict.
    pub verdict: KinkVerdict,
    /// Why the bootstrap was not run, if it was not.
    pub skipped: Option<String>,
    /// Breakpoint of the hinge with its profile interval, when it has one.
    pub breakpoint: Option<BreakpointInterval>,
}

/// Profile-likelihood interval of a breakpoint τ.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BreakpointInterval {
    /// τ̂.
    pub tau: f64,
    /// Hull of the values inside the limit; unbounded ends are `None`.
    pub interval: Interval,
    /// Whether the hinge degenerates (τ̂ at the edge or b ≤ 0): then only the upper end means anything.
    pub degenerate: bool,
}

/// How sharp a rise is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SharpnessClass {
    /// 10→90% of the range within one decade, with 95% confidence.
    Sharp,
    /// More than one decade, with 95% confidence.
    Gradual,
    /// The interval holds one decade.
    Undetermined,
}

/// Width of the rise, from the logistic fit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sharpness {
    /// Width of 10→90% of the range, in units of x (decades): 2·ln 9/b.
    pub width: f64,
    /// Its 95% interval; an unbounded upper end is `None`.
    pub width_interval: Interval,
    /// x at half the range.
    pub midpoint: f64,
    /// Class.
    pub class: SharpnessClass,
}

/// BIG-bench linearity and breakthroughness with their nulls.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Breakthrough {
    /// I: signed distance between the extremes.
    pub increase: f64,
    /// L = I / √mean(z²).
    pub linearity: f64,
    /// B = I / √median(z²); infinite is stored as ±[`Breakthrough::CAP`].
    pub breakthroughness: f64,
    /// Permutation p of L: does order matter?
    pub p_order_linearity: Option<f64>,
    /// Permutation p of B.
    pub p_order_breakthroughness: Option<f64>,
    /// Parametric p of B under a constant: more than noise?
    pub p_noise_breakthroughness: Option<f64>,
    /// Parametric p of B under the fitted logistic: sharper than smooth?
    pub p_smooth_breakthroughness: Option<f64>,
}

impl Breakthrough {
    /// Infinite values of B and L are stored as this.
    pub const CAP: f64 = 100.0;
}
