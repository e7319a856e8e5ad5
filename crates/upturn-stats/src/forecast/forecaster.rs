//! A curve fitted to the smaller models, with its parameters' uncertainty, that predicts
//! larger ones.

use upturn_types::CurveModel;

use super::predictive::Predictive;
use super::random::{beta_binomial, normal};
use crate::curves::compare::{FitConfig, LikelihoodChoice, family_for};
use crate::curves::glm::{COARSE, Glm};
use crate::curves::likelihood::Family;
use crate::curves::models::{Link, features, probability};
use crate::curves::points::Points;
use crate::curves::search::{self, Curve, Effort};
use crate::dist::ln_gamma;
use crate::resample::SplitMix64;
use crate::{Series, curves::beta_binomial_ln_kernel};

/// How a forecast is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ForecastConfig {
    /// Curve: `Logistic`, `Gompertz` or `Power`.
    pub model: CurveModel,
    /// Likelihood.
    pub likelihood: LikelihoodChoice,
    /// Draws of the predictive distribution.
    pub n_draws: u32,
    /// Seed.
    pub seed: u64,
}

impl Default for ForecastConfig {
    fn default() -> Self {
        ForecastConfig {
            model: CurveModel::Logistic,
            likelihood: LikelihoodChoice::Auto,
            n_draws: 2000,
            seed: 0,
        }
    }
}

/// How precisely the predicted score is going to be measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Precision {
    /// A count of n items.
    Items(u64),
    /// A mean with this standard error.
    StandardError(f64),
}

/// Parameters: level, slope, dispersion.
type Theta = [f64; 3];

/// Variance of a weak prior on (a, b, v), added as precision to the information. It matters
/// only where the data say nothing: a plateau at a floor of 0 has no information about how
/// low the curve is or how steep it will be, and must not become a certainty.
const PRIOR_SD: Theta = [10.0, 5.0, 2.0];

/// Refits of the family bootstrap.
const REFITS: u64 = 199;

/// A fitted curve that predicts.
#[derive(Debug, Clone)]
pub struct Forecaster {
    model: CurveModel,
    family: Family,
    points: Points,
    theta: Theta,
    log_likelihood: f64,
    draws: Vec<Theta>,
    seed: u64,
}

impl Forecaster {
    /// Fits to a series; `groups` labels each point with its family where several are pooled:
    /// then parameters are drawn by resampling whole families, and the likelihood is
    /// beta-binomial unless another is asked for.
    ///
    /// `None` as for [`compare`](crate::curves::compare()): fewer than three usable points, one
    /// scale, no chance or ceiling; when the labels are not as many as the points; or for a
    /// model with a breakpoint, which says nothing beyond it that a line does not.
    #[must_use]
    pub fn fit(
        series: &Series,
        groups: Option<&[usize]>,
        config: &ForecastConfig,
    ) -> Option<Forecaster> {
        let smooth = matches!(
            config.model,
            CurveModel::Logistic | CurveModel::Gompertz | CurveModel::Power
        );
        if !smooth || groups.is_some_and(|g| g.len() != series.len()) {
            return None;
        }
        let points = Points::new(series)?;
        let fit_config = FitConfig {
            likelihood: config.likelihood,
            pooled_families: groups.is_some(),
            leave_one_out: false,
        };
        let (family, _) = family_for(&points, &fit_config);
        let curve = fit_curve(&points, family, config.model, Effort::Full)?;
        let mut forecaster = Forecaster {
            model: config.model,
            family,
            theta: curve.start(),
            log_likelihood: curve.value,
            draws: Vec::new(),
            seed: config.seed,
            points,
        };
        let labels: Option<Vec<usize>> =
            groups.map(|g| Points::usable(series).into_iter().map(|i| g[i]).collect());
        let several = |labels: &Vec<usize>| labels.iter().any(|l| *l != labels[0]);
        forecaster.draws = match labels.filter(several) {
            Some(labels) => forecaster.by_families(&labels, &curve, config),
            None => forecaster.by_information(config),
        };
        Some(forecaster)
    }

    /// Draws of the parameters from N(θ̂, I⁻¹), with the weak prior in I.
    fn by_information(&self, config: &ForecastConfig) -> Vec<Theta> {
        let root = self.root_precision();
        let (low, high) = self.family.dispersion_bounds();
        (0..u64::from(config.n_draws))
            .map(|draw| {
                let mut rng = SplitMix64::stream(config.seed, draw);
                let z: Theta = std::array::from_fn(|_| normal(&mut rng));
                // Solves Lᵀ·d = z, so that d has the covariance (L·Lᵀ)⁻¹.
                let mut d = [0.0; 3];
                for p in (0..3).rev() {
                    let sum: f64 = (p + 1..3).map(|r| root[r][p] * d[r]).sum();
                    d[p] = (z[p] - sum) / root[p][p];
                }
                let mut theta: Theta = std::array::from_fn(|p| self.theta[p] + d[p]);
                theta[2] = if self.family.has_dispersion() {
                    theta[2].clamp(low, high)
                } else {
                    0.0
                };
                theta
            })
            .collect()
    }

    /// Cholesky factor of the information with the prior; without the dispersion's covariances
    /// where the whole is not positive definite, and the prior alone where nothing is.
    fn root_precision(&self) -> [Theta; 3] {
        let design = self.design(&self.points);
        let info = glm(&self.points, self.family, self.model, &design).information(&self.theta);
        let prior = |p: usize| PRIOR_SD[p].powi(-2);
        let with_prior = |scale: f64, covariance: bool| {
            let mut m = [[0.0; 3]; 3];
            for (p, row) in m.iter_mut().enumerate() {
                for (q, value) in row.iter_mut().enumerate() {
                    let joint = p == q || covariance || (p < 2 && q < 2);
                    *value = if joint { scale * info[p][q] } else { 0.0 };
                }
                row[p] = row[p].max(0.0) + prior(p);
            }
            cholesky(&m)
        };
        with_prior(1.0, true)
            .or_else(|| with_prior(1.0, false))
            .or_else(|| with_prior(0.0, false))
            .unwrap_or([[0.0; 3]; 3])
    }

    /// Draws of the parameters from refits to resampled families.
    fn by_families(&self, labels: &[usize], curve: &Curve, config: &ForecastConfig) -> Vec<Theta> {
        let mut distinct = labels.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let refit = |draw: u64| -> Option<Theta> {
            let mut rng = SplitMix64::stream(config.seed ^ 0x5eed_fa31, draw);
            let mut keep = Vec::new();
            for _ in 0..distinct.len() {
                let family = distinct[rng.index(distinct.len())];
                keep.extend((0..labels.len()).filter(|&i| labels[i] == family));
            }
            keep.sort_unstable();
            let points = self.points.chosen(&keep);
            if points.scales.len() < 2 || points.all_equal() {
                return None;
            }
            fit_curve(&points, self.family, self.model, Effort::Near(*curve)).map(|c| c.start())
        };
        let refits: Vec<Theta> = (0..REFITS).filter_map(refit).collect();
        if refits.len() < REFITS as usize / 2 {
            return self.by_information(config);
        }
        (0..config.n_draws as usize)
            .map(|draw| refits[draw % refits.len()])
            .collect()
    }

    fn design(&self, points: &Points) -> Vec<[f64; 2]> {
        points
            .x
            .iter()
            .map(|&x| features(self.model, f64::NAN, self.points.x_mean, x))
            .collect()
    }

    /// The curve at `x` with given parameters.
    fn score(&self, theta: &Theta, x: f64) -> f64 {
        let response =
            Link::of(self.model).response(theta[0] + theta[1] * (x - self.points.x_mean));
        probability(&response, self.points.chance, self.points.ceiling).0
    }

    /// The likelihood's name: `binomial`, `beta_binomial` or `gaussian`.
    #[must_use]
    pub fn likelihood(&self) -> &'static str {
        self.family.name()
    }

    /// Level a and slope b.
    #[must_use]
    pub fn theta(&self) -> [f64; 2] {
        [self.theta[0], self.theta[1]]
    }

    /// Intra-class correlation ρ̂, when beta-binomial.
    #[must_use]
    pub fn rho(&self) -> Option<f64> {
        (self.family == Family::BetaBinomial).then(|| rho_of(self.theta[2]))
    }

    /// x̄.
    #[must_use]
    pub fn x_mean(&self) -> f64 {
        self.points.x_mean
    }

    /// Log-likelihood kernel of the fit.
    #[must_use]
    pub fn log_likelihood(&self) -> f64 {
        self.log_likelihood
    }

    /// Models fitted to.
    #[must_use]
    pub fn n_models(&self) -> usize {
        self.points.len()
    }

    /// (u − c).
    #[must_use]
    pub fn range(&self) -> f64 {
        self.points.range()
    }

    /// x at which the curve reaches chance + `margin`; `None` where it does not rise.
    #[must_use]
    pub fn onset(&self, margin: f64) -> Option<f64> {
        let eta = Link::of(self.model).inverse(margin / self.points.range());
        let x = self.points.x_mean + (eta - self.theta[0]) / self.theta[1];
        (self.theta[1] > 0.0 && x.is_finite()).then_some(x)
    }

    /// The median number of items, or the median standard error, of the fitted scores.
    #[must_use]
    pub fn typical_precision(&self) -> Precision {
        let median = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        if self.points.all_counts {
            Precision::Items(median(self.points.n.clone()) as u64)
        } else {
            Precision::StandardError(median(self.points.var.clone()).sqrt())
        }
    }

    /// The score predicted at `x`: the whole distribution.
    #[must_use]
    pub fn predict(&self, x: f64, precision: Precision) -> Predictive {
        self.predict_with(&self.draws, x, precision)
    }

    /// The same where the parameters are taken as known.
    #[must_use]
    pub fn predict_plug_in(&self, x: f64, precision: Precision) -> Predictive {
        self.predict_with(&vec![self.theta; self.draws.len()], x, precision)
    }

    fn predict_with(&self, draws: &[Theta], x: f64, precision: Precision) -> Predictive {
        let mut rng = SplitMix64::stream(self.seed ^ 0x0b5e_27ed, x.to_bits());
        let mut scores = Vec::with_capacity(draws.len());
        let mut means = Vec::with_capacity(draws.len());
        let mut spreads = Vec::with_capacity(draws.len());
        for theta in draws {
            let p = self.score(theta, x);
            let (score, spread) = match (precision, self.family) {
                (Precision::Items(n), Family::BetaBinomial) => {
                    let rho = rho_of(theta[2]);
                    (beta_binomial(&mut rng, n, p, rho) as f64 / n as f64, rho)
                }
                (Precision::Items(n), Family::Binomial) => {
                    (beta_binomial(&mut rng, n, p, 0.0) as f64 / n as f64, 0.0)
                }
                (Precision::Items(n), Family::Gaussian) => {
                    let excess = theta[2].exp();
                    let variance = p * (1.0 - p) / n as f64 + excess;
                    (p + variance.sqrt() * normal(&mut rng), excess)
                }
                (Precision::StandardError(se), family) => {
                    let excess = match family {
                        Family::Gaussian => theta[2].exp(),
                        Family::BetaBinomial => rho_of(theta[2]) * p * (1.0 - p),
                        Family::Binomial => 0.0,
                    };
                    (p + (se * se + excess).sqrt() * normal(&mut rng), excess)
                }
            };
            scores.push(score);
            means.push(p);
            spreads.push(spread);
        }
        Predictive::new(self.score(&self.theta, x), scores, means, spreads)
    }

    /// ln of the predictive probability of k = y·n successes, or the predictive density of y.
    #[must_use]
    pub fn log_score(&self, predictive: &Predictive, precision: Precision, y: f64) -> f64 {
        let terms = predictive.means.iter().zip(&predictive.spreads);
        let logs: Vec<f64> = match precision {
            Precision::Items(n) if self.family != Family::Gaussian => {
                let k = (y * n as f64).round().clamp(0.0, n as f64);
                let ways =
                    ln_gamma(n as f64 + 1.0) - ln_gamma(k + 1.0) - ln_gamma(n as f64 - k + 1.0);
                terms
                    .map(|(p, rho)| ways + beta_binomial_ln_kernel(k as u64, n, *p, *rho))
                    .collect()
            }
            _ => terms
                .map(|(p, excess)| {
                    let own = match precision {
                        Precision::Items(n) => p * (1.0 - p) / n as f64,
                        Precision::StandardError(se) => se * se,
                    };
                    let variance = (own + excess).max(1e-18);
                    -0.5 * ((std::f64::consts::TAU * variance).ln() + (y - p).powi(2) / variance)
                })
                .collect(),
        };
        ln_mean_exp(&logs)
    }

    /// Draws of the parameters, (level, slope, dispersion).
    pub(crate) fn parameter_draws(&self) -> &[Theta] {
        &self.draws
    }

    /// The curve in one draw of the parameters.
    pub(crate) fn score_in(&self, theta: &Theta, x: f64) -> f64 {
        self.score(theta, x)
    }

    /// ρ in one draw of the parameters (0 without dispersion).
    pub(crate) fn rho_in(&self, theta: &Theta) -> f64 {
        if self.family == Family::BetaBinomial {
            rho_of(theta[2])
        } else {
            0.0
        }
    }
}

fn rho_of(v: f64) -> f64 {
    let odds = v.exp();
    odds / (1.0 + odds)
}

/// ln of the mean of exponentials.
fn ln_mean_exp(logs: &[f64]) -> f64 {
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !most.is_finite() {
        return most;
    }
    let sum: f64 = logs.iter().map(|l| (l - most).exp()).sum();
    most + (sum / logs.len() as f64).ln()
}

fn glm<'a>(
    points: &'a Points,
    family: Family,
    model: CurveModel,
    features: &'a [[f64; 2]],
) -> Glm<'a> {
    Glm {
        points,
        family,
        link: Link::of(model),
        features,
        free: [true, true],
        lower: [f64::NEG_INFINITY; 2],
        tolerance: COARSE,
    }
}

/// The curve; a constant where all scores are the same, since then nothing is known of a slope.
fn fit_curve(points: &Points, family: Family, model: CurveModel, effort: Effort) -> Option<Curve> {
    if points.all_equal() {
        let flat = search::fit(points, family, CurveModel::Const, Effort::Full)?;
        let g = Link::Logit.response(flat.coefficients[0]).g;
        return Some(Curve {
            model,
            coefficients: [Link::of(model).inverse(g.max(1e-6)), 0.0],
            ..flat
        });
    }
    search::fit(points, family, model, effort)
}

/// Lower Cholesky factor; `None` unless positive definite.
fn cholesky(m: &[Theta; 3]) -> Option<[Theta; 3]> {
    let mut l = [[0.0; 3]; 3];
    for p in 0..3 {
        for q in 0..=p {
            let sum: f64 = (0..q).map(|r| l[p][r] * l[q][r]).sum();
            let rest = m[p][q] - sum;
            if p == q {
                if !(rest > 1e-12 * m[p][p].abs() && rest.is_finite()) {
                    return None;
                }
                l[p][p] = rest.sqrt();
            } else {
                l[p][q] = rest / l[q][q];
            }
        }
    }
    Some(l)
}
