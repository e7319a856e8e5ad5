//! Fitting all curve models to a series and weighing them by information criteria.

use upturn_types::{CurveComparison, CurveModel, Fit};

use super::leave_out;
use super::likelihood::Family;
use super::models::fitted;
use super::points::Points;
use super::search::{self, Curve, Effort};
use crate::Series;

/// Which likelihood the curves are fitted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LikelihoodChoice {
    /// Beta-binomial for pooled families or when the binomial fit is overdispersed
    /// (φ̂ > 1.5), binomial otherwise; Gaussian when some score is not a count.
    #[default]
    Auto,
    /// Binomial: items are the only noise.
    Binomial,
    /// Beta-binomial: items and an intra-class correlation ρ.
    BetaBinomial,
    /// Gaussian with variance se² + s².
    Gaussian,
}

/// How to fit and compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FitConfig {
    /// Likelihood.
    pub likelihood: LikelihoodChoice,
    /// Whether the series pools several families, which are never exchangeable.
    pub pooled_families: bool,
    /// Whether to compute the leave-one-scale-out scores.
    pub leave_one_out: bool,
}

impl Default for FitConfig {
    fn default() -> Self {
        FitConfig {
            likelihood: LikelihoodChoice::Auto,
            pooled_families: false,
            leave_one_out: true,
        }
    }
}

/// Overdispersion from which Auto takes the beta-binomial.
const PHI_MAX: f64 = 1.5;

/// All curve models on one series.
///
/// Points at x = −∞ and points without a count or a standard error are left out. When
/// all scores are equal only the constant is fitted. `Binomial` and `BetaBinomial` fall
/// back to `Gaussian` when some score is not a count. For the Gaussian likelihood s²
/// counts as a parameter, as ρ does; x̄ is weighted by n for counts and plain otherwise.
///
/// AICc is infinite for a model with K − 1 parameters or more. A model that K cannot pay for
/// has not lost a comparison, so as long as one of the fitted models has no AICc, `best` is
/// `None` and every weight 0: the richest (three parameters, one more with a
/// dispersion) need K ≥ 5, or K ≥ 6 with a dispersion.
///
/// `None` when chance or ceiling is unknown (or outside 0 ≤ c < u ≤ 1), when fewer than
/// three points are usable, or when they share one scale.
#[must_use]
pub fn compare(series: &Series, config: &FitConfig) -> Option<CurveComparison> {
    let points = Points::new(series)?;
    let (family, curves, overdispersion) = fit_all(&points, config);
    let k = points.len();
    let mut fits: Vec<Fit> = curves
        .iter()
        .map(|curve| record(curve, family, k, overdispersion))
        .collect();
    set_weights(&mut fits);
    let aicc = |model| fits.iter().find(|f| f.model == model).and_then(|f| f.aicc);
    let best = comparable(&fits)
        .then(|| fits.iter().filter_map(|f| Some((f.aicc?, f.model))))
        .and_then(|all| all.min_by(|a, b| a.0.total_cmp(&b.0)))
        .map(|(_, model)| model);
    let delta_aicc_hinge = aicc(CurveModel::Logistic)
        .zip(aicc(CurveModel::Hinge))
        .map(|(logistic, hinge)| logistic - hinge);
    let leave_one_scale_out = if config.leave_one_out {
        leave_out::one_scale(&points, family, &curves)
    } else {
        Vec::new()
    };
    Some(CurveComparison {
        likelihood: family.name().to_owned(),
        k,
        x_mean: points.x_mean,
        chance: points.chance,
        ceiling: points.ceiling,
        overdispersion,
        fits,
        best,
        delta_aicc_hinge,
        leave_one_scale_out,
    })
}

/// The likelihood that a series is fitted with, and φ̂ of its binomial fit.
pub(crate) fn family_for(points: &Points, config: &FitConfig) -> (Family, Option<f64>) {
    let phi = points.all_counts.then(|| overdispersion(points));
    let family = match config.likelihood {
        _ if !points.all_counts => Family::Gaussian,
        LikelihoodChoice::Gaussian => Family::Gaussian,
        LikelihoodChoice::Binomial => Family::Binomial,
        LikelihoodChoice::BetaBinomial => Family::BetaBinomial,
        LikelihoodChoice::Auto if config.pooled_families => Family::BetaBinomial,
        LikelihoodChoice::Auto if phi.is_some_and(|phi| phi > PHI_MAX) => Family::BetaBinomial,
        LikelihoodChoice::Auto => Family::Binomial,
    };
    (family, phi)
}

/// The likelihood, the curves in table order, and φ̂ of the binomial fit.
pub(crate) fn fit_all(points: &Points, config: &FitConfig) -> (Family, Vec<Curve>, Option<f64>) {
    let (family, phi) = family_for(points, config);
    let models = if points.all_equal() {
        &CurveModel::ALL[..1]
    } else {
        &CurveModel::ALL[..]
    };
    let curves = models
        .iter()
        .filter_map(|&model| search::fit(points, family, model, Effort::Full))
        .collect();
    let phi = phi.filter(|_| family != Family::Gaussian);
    (family, curves, phi)
}

/// φ̂ = max(1, X²/(K − p)) of the likeliest smooth binomial model.
fn overdispersion(points: &Points) -> f64 {
    let models: &[CurveModel] = if points.all_equal() {
        &[CurveModel::Const]
    } else {
        &[
            CurveModel::Logistic,
            CurveModel::Gompertz,
            CurveModel::Power,
        ]
    };
    let richest = models
        .iter()
        .filter_map(|&model| search::fit(points, Family::Binomial, model, Effort::Full))
        .max_by(|a, b| a.value.total_cmp(&b.value));
    richest.map_or(1.0, |curve| pearson_phi(points, &curve))
}

/// max(1, X²/(K − p)) of a fitted binomial curve, X² being Pearson's; 1 when K ≤ p.
pub(crate) fn pearson_phi(points: &Points, curve: &Curve) -> f64 {
    let theta = curve.theta();
    if points.len() <= theta.len() {
        return 1.0;
    }
    let x2: f64 = fitted(points, curve.model, &theta)
        .iter()
        .enumerate()
        .map(|(i, &(p, q))| (points.k[i] - points.n[i] * p).powi(2) / (points.n[i] * p * q))
        .sum();
    (x2 / (points.len() - theta.len()) as f64).max(1.0)
}

/// −2ℓ + 2q + 2q(q+1)/(K−q−1); `None` when K ≤ q + 1.
pub(crate) fn aicc(log_likelihood: f64, n_params: usize, k: usize) -> Option<f64> {
    let (q, k) = (n_params as f64, k as f64);
    (k > q + 1.0).then(|| -2.0 * log_likelihood + 2.0 * q + 2.0 * q * (q + 1.0) / (k - q - 1.0))
}

/// −2ℓ + q·ln K.
pub(crate) fn bic(log_likelihood: f64, n_params: usize, k: usize) -> f64 {
    -2.0 * log_likelihood + n_params as f64 * (k as f64).ln()
}

fn record(curve: &Curve, family: Family, k: usize, phi: Option<f64>) -> Fit {
    let theta = curve.theta();
    let n_params = theta.len() + usize::from(family.has_dispersion());
    let rho = (family == Family::BetaBinomial).then(|| {
        let odds = curve.dispersion.exp();
        odds / (1.0 + odds)
    });
    let qaicc = match (family, phi) {
        (Family::Binomial, Some(phi)) => aicc(curve.value / phi, n_params + 1, k),
        _ => None,
    };
    Fit {
        model: curve.model,
        theta,
        rho,
        log_likelihood: curve.value,
        n_params,
        aicc: aicc(curve.value, n_params, k),
        bic: bic(curve.value, n_params, k),
        qaicc,
        weight: 0.0,
    }
}

/// Whether K is large enough for the AICc of every fitted model.
fn comparable(fits: &[Fit]) -> bool {
    fits.iter().all(|fit| fit.aicc.is_some())
}

/// Akaike weights exp(−Δ/2)/Σ; 0 where some AICc is infinite.
fn set_weights(fits: &mut [Fit]) {
    if !comparable(fits) {
        return;
    }
    let least = fits
        .iter()
        .filter_map(|f| f.aicc)
        .fold(f64::INFINITY, f64::min);
    let raw = |f: &Fit| f.aicc.map_or(0.0, |aicc| (-0.5 * (aicc - least)).exp());
    let total: f64 = fits.iter().map(raw).sum();
    for fit in fits {
        let weight = raw(fit);
        fit.weight = if total > 0.0 { weight / total } else { 0.0 };
    }
}

/// The family that a comparison was made with.
pub(crate) fn family_of(comparison: &CurveComparison) -> Option<Family> {
    [Family::Binomial, Family::BetaBinomial, Family::Gaussian]
        .into_iter()
        .find(|family| family.name() == comparison.likelihood)
}

/// A recorded fit as a curve again. The record of a Gaussian fit has no place for s²,
/// which is estimated anew.
pub(crate) fn restore(points: &Points, family: Family, fit: &Fit) -> Curve {
    let dispersion = match (family, fit.rho) {
        (Family::BetaBinomial, Some(rho)) => {
            let (low, high) = family.dispersion_bounds();
            (rho / (1.0 - rho)).ln().clamp(low, high)
        }
        _ => 0.0,
    };
    let curve = Curve::from_record(fit.model, &fit.theta, dispersion, fit.log_likelihood);
    if family == Family::Gaussian {
        search::with_dispersion(points, family, &curve)
    } else {
        curve
    }
}
