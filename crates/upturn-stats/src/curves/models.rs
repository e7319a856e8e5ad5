//! The curve models: links between a linear predictor and a score.

use upturn_types::CurveModel;

use super::likelihood::P_MIN;
use super::points::Points;

/// Largest normalised score of `yhinge`.
pub(crate) const YHINGE_CAP: f64 = 1.0 - 1e-9;
/// Rates of a step are kept this far from 0 and 1.
pub(crate) const STEP_CLIP: f64 = 1e-9;
/// Lower bound of the level a: plateaus at a floor of 0 run to −∞.
pub(crate) const A_MIN: f64 = -12.0;

/// Link from the linear predictor η to the normalised score g in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// g = σ(η).
    Logit,
    /// g = exp(−exp(−η)).
    Gompertz,
    /// g = min(1, exp η).
    Power,
    /// g = min(1 − 1e-9, η), η ≥ 0.
    Identity,
}

/// g(η) with 1 − g and two derivatives.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Response {
    pub g: f64,
    pub complement: f64,
    pub d1: f64,
    pub d2: f64,
}

impl Link {
    /// The link of a model.
    pub fn of(model: CurveModel) -> Link {
        match model {
            CurveModel::Gompertz => Link::Gompertz,
            CurveModel::Power => Link::Power,
            CurveModel::Yhinge => Link::Identity,
            CurveModel::Const | CurveModel::Logistic | CurveModel::Hinge | CurveModel::Step => {
                Link::Logit
            }
        }
    }

    /// The response at η.
    pub fn response(self, eta: f64) -> Response {
        match self {
            Link::Logit => {
                let e = (-eta.abs()).exp();
                let (large, small) = (1.0 / (1.0 + e), e / (1.0 + e));
                let (g, complement) = if eta >= 0.0 {
                    (large, small)
                } else {
                    (small, large)
                };
                let d1 = large * small;
                Response {
                    g,
                    complement,
                    d1,
                    d2: d1 * (complement - g),
                }
            }
            Link::Gompertz => {
                let e = (-eta).min(700.0).exp();
                let g = (-e).exp();
                let d1 = if g == 0.0 { 0.0 } else { g * e };
                Response {
                    g,
                    complement: -(-e).exp_m1(),
                    d1,
                    d2: d1 * (e - 1.0),
                }
            }
            Link::Power if eta < 0.0 => {
                let g = eta.exp();
                Response {
                    g,
                    complement: -eta.exp_m1(),
                    d1: g,
                    d2: g,
                }
            }
            Link::Power => Response {
                g: 1.0,
                complement: 0.0,
                d1: 0.0,
                d2: 0.0,
            },
            Link::Identity if eta < YHINGE_CAP => Response {
                g: eta,
                complement: 1.0 - eta,
                d1: 1.0,
                d2: 0.0,
            },
            Link::Identity => Response {
                g: YHINGE_CAP,
                complement: 1.0 - YHINGE_CAP,
                d1: 0.0,
                d2: 0.0,
            },
        }
    }

    /// η at a normalised score, clipped into the open range.
    pub fn inverse(self, g: f64) -> f64 {
        let g = g.clamp(STEP_CLIP, 1.0 - STEP_CLIP);
        match self {
            Link::Logit => (g / (1.0 - g)).ln(),
            Link::Gompertz => -(-g.ln()).ln(),
            Link::Power => g.ln(),
            Link::Identity => g,
        }
    }
}

/// (p, 1 − p) from a response, kept inside [1e-12, 1 − 1e-12].
pub(crate) fn probability(response: &Response, chance: f64, ceiling: f64) -> (f64, f64) {
    let range = ceiling - chance;
    (
        (chance + range * response.g).clamp(P_MIN, 1.0 - P_MIN),
        ((1.0 - ceiling) + range * response.complement).clamp(P_MIN, 1.0 - P_MIN),
    )
}

/// The two features of the linear predictor at `x`: η = θ0·f0 + θ1·f1.
pub(crate) fn features(model: CurveModel, tau: f64, x_mean: f64, x: f64) -> [f64; 2] {
    match model {
        CurveModel::Const => [1.0, 0.0],
        CurveModel::Logistic | CurveModel::Gompertz | CurveModel::Power => [1.0, x - x_mean],
        CurveModel::Hinge | CurveModel::Yhinge => [1.0, (x - tau).max(0.0)],
        CurveModel::Step => [1.0, if x >= tau { 1.0 } else { 0.0 }],
    }
}

/// The linear predictor of a fitted model at `x`.
pub(crate) fn predictor(model: CurveModel, theta: &[f64], x_mean: f64, x: f64) -> f64 {
    let tau = theta.get(2).copied().unwrap_or(f64::NAN);
    let f = features(model, tau, x_mean, x);
    let slope = theta.get(1).map_or(0.0, |b| b * f[1]);
    theta.first().copied().unwrap_or(f64::NAN) + slope
}

/// The fitted curve at `x`: p = c + (u − c)·g, for drawing.
///
/// `theta` is in the order of [`Fit::theta`](upturn_types::Fit::theta)
/// and `x_mean` is x̄ of the comparison. NaN when `theta` is empty.
#[must_use]
pub fn predict(
    model: CurveModel,
    theta: &[f64],
    x_mean: f64,
    chance: f64,
    ceiling: f64,
    x: f64,
) -> f64 {
    let response = Link::of(model).response(predictor(model, theta, x_mean, x));
    chance + (ceiling - chance) * response.g
}

/// (p, 1 − p) of every point under a fitted model, clipped as in the likelihood.
pub(crate) fn fitted(points: &Points, model: CurveModel, theta: &[f64]) -> Vec<(f64, f64)> {
    let link = Link::of(model);
    points
        .x
        .iter()
        .map(|&x| {
            let response = link.response(predictor(model, theta, points.x_mean, x));
            probability(&response, points.chance, points.ceiling)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivatives_match_differences() {
        for link in [Link::Logit, Link::Gompertz, Link::Power] {
            for eta in [-5.0, -1.3, -0.2] {
                let h = 1e-5;
                let (low, mid, high) = (
                    link.response(eta - h),
                    link.response(eta),
                    link.response(eta + h),
                );
                assert!(
                    ((high.g - low.g) / (2.0 * h) - mid.d1).abs() < 1e-8,
                    "{link:?} {eta}"
                );
                assert!(
                    ((high.d1 - low.d1) / (2.0 * h) - mid.d2).abs() < 1e-8,
                    "{link:?} {eta}"
                );
                assert!((mid.g + mid.complement - 1.0).abs() < 1e-15);
                assert!(mid.g < 1e-8 || (link.inverse(mid.g) - eta).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn curves_at_their_landmarks() {
        use CurveModel as M;
        assert_eq!(
            predict(M::Logistic, &[0.0, 3.0], 22.0, 0.25, 1.0, 22.0),
            0.625
        );
        assert_eq!(
            predict(M::Step, &[0.0, 40.0, 22.0], 0.0, 0.0, 1.0, 21.9),
            0.5
        );
        assert!(predict(M::Step, &[0.0, 40.0, 22.0], 0.0, 0.0, 1.0, 22.0) > 0.999);
        assert_eq!(
            predict(M::Yhinge, &[0.1, 0.2, 22.0], 0.0, 0.0, 1.0, 23.0),
            0.1 + 0.2
        );
        assert_eq!(predict(M::Power, &[1.0, 1.0], 22.0, 0.0, 1.0, 23.0), 1.0);
    }
}
