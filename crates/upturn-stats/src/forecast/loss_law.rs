//! Laws of a loss: L(N, D) = A/N^α + B/D^β + E, or L(C) = A/C^α + E.
//!
//! Fitted by Huber's loss (δ = 10⁻³) of ln L̂ − ln L, all parameters at least 0, from several
//! starts (Hoffmann et al. 2022; Bhagia et al. 2024 for the loss of a task).

use super::bounded::{Bounds, Minimum, huber, minimise};
use crate::curves::least_squares::Residuals;

/// Where Huber's loss turns from square to straight, in ln L.
const DELTA: f64 = 1e-3;
/// Steps of a descent: in the straight part of the loss they are small.
const MAX_STEPS: usize = 4000;

/// One model's loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LossPoint {
    /// Parameters N.
    pub params: f64,
    /// Training tokens D.
    pub tokens: f64,
    /// Loss, above 0 (nats per token, or bits per byte).
    pub loss: f64,
}

/// A fitted law of N and D.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LossLaw {
    /// A.
    pub a: f64,
    /// B.
    pub b: f64,
    /// Exponent of N.
    pub alpha: f64,
    /// Exponent of D.
    pub beta: f64,
    /// What no size removes.
    pub e: f64,
    /// Σ Huber(ln L̂ − ln L).
    pub objective: f64,
}

/// How many starts a fit is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Starts {
    /// The one of the OLMo ladder, (ln A, ln B, α, β, E) = (3, 6, .1, .2, 1), and a few around.
    Few,
    /// A grid of 200.
    Grid,
}

struct Problem<'a>(&'a [LossPoint]);

impl Residuals for Problem<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    /// θ = (ln A, ln B, α, β, E).
    fn at(&self, i: usize, theta: &[f64], gradient: &mut [f64]) -> Option<f64> {
        let point = &self.0[i];
        let (ln_n, ln_d) = (point.params.ln(), point.tokens.ln());
        let by_n = (theta[0] - theta[2] * ln_n).exp();
        let by_d = (theta[1] - theta[3] * ln_d).exp();
        let loss = by_n + by_d + theta[4];
        if !(loss > 0.0 && loss.is_finite()) {
            return None;
        }
        let (r, slope) = huber(loss.ln() - point.loss.ln(), DELTA);
        let (n, d) = (slope * by_n / loss, slope * by_d / loss);
        gradient.copy_from_slice(&[n, d, -n * ln_n, -d * ln_d, slope / loss]);
        Some(r)
    }
}

fn valid(points: &[LossPoint]) -> bool {
    points.iter().all(|p| {
        [p.params, p.tokens, p.loss]
            .iter()
            .all(|v| v.is_finite() && *v > 0.0)
    })
}

fn best(
    problem: &impl Residuals,
    starts: impl Iterator<Item = Vec<f64>>,
    bounds: &Bounds,
) -> Option<Minimum> {
    let mut best: Option<Minimum> = None;
    for start in starts {
        if let Some(found) = minimise(problem, &start, bounds, &[], MAX_STEPS)
            && best.as_ref().is_none_or(|b| found.sse < b.sse)
        {
            best = Some(found);
        }
    }
    best
}

fn non_negative(p: usize) -> Bounds {
    Bounds {
        lower: vec![0.0; p],
        ..Bounds::none(p)
    }
}

impl LossLaw {
    /// Fits the law. `None` of fewer than six points, of values that are not positive, or where
    /// N or D does not vary (then its exponent means nothing: see [`ComputeLaw`]).
    #[must_use]
    pub fn fit(points: &[LossPoint], starts: Starts) -> Option<LossLaw> {
        let varies = |value: &dyn Fn(&LossPoint) -> f64| {
            points.iter().any(|p| value(p) != value(&points[0]))
        };
        if points.len() < 6 || !valid(points) || !varies(&|p| p.params) || !varies(&|p| p.tokens) {
            return None;
        }
        let least = points.iter().map(|p| p.loss).fold(f64::INFINITY, f64::min);
        let mut all = vec![vec![3.0, 6.0, 0.1, 0.2, 1.0]];
        match starts {
            Starts::Few => {
                for (alpha, beta) in [(0.3, 0.3), (0.5, 0.3), (0.3, 0.5), (0.7, 0.4)] {
                    all.push(from_exponents(points, alpha, beta, 0.8 * least));
                }
            }
            Starts::Grid => {
                for alpha in [0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0] {
                    for beta in [0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0] {
                        for share in [0.3, 0.6, 0.8, 0.95] {
                            all.push(from_exponents(points, alpha, beta, share * least));
                        }
                    }
                }
            }
        }
        let found = best(&Problem(points), all.into_iter(), &non_negative(5))?;
        let [ln_a, ln_b, alpha, beta, e] = found.theta[..] else {
            return None;
        };
        Some(LossLaw {
            a: ln_a.exp(),
            b: ln_b.exp(),
            alpha,
            beta,
            e,
            objective: 0.5 * found.sse,
        })
    }

    /// The loss at N parameters and D tokens.
    #[must_use]
    pub fn at(&self, params: f64, tokens: f64) -> f64 {
        self.a / params.powf(self.alpha) + self.b / tokens.powf(self.beta) + self.e
    }

    /// Σ Huber(ln L̂ − ln L) of given parameters.
    #[must_use]
    pub fn objective_of(&self, points: &[LossPoint]) -> f64 {
        points
            .iter()
            .map(|p| {
                let (r, _) = huber(self.at(p.params, p.tokens).ln() - p.loss.ln(), DELTA);
                0.5 * r * r
            })
            .sum()
    }
}

/// A start at given exponents: both terms share what the largest loss has beyond E.
fn from_exponents(points: &[LossPoint], alpha: f64, beta: f64, e: f64) -> Vec<f64> {
    let mean = |value: &dyn Fn(&LossPoint) -> f64| {
        points.iter().map(value).sum::<f64>() / points.len() as f64
    };
    let half = (0.5 * (mean(&|p| p.loss) - e)).max(1e-6).ln();
    vec![
        half + alpha * mean(&|p| p.params.ln()),
        half + beta * mean(&|p| p.tokens.ln()),
        alpha,
        beta,
        e,
    ]
}

/// A fitted law of compute alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ComputeLaw {
    /// A, with C in units of [`ComputeLaw::unit`].
    pub a: f64,
    /// Exponent of C.
    pub alpha: f64,
    /// What no compute removes.
    pub e: f64,
    /// FLOPs in which C is counted: the geometric mean of the fitted ones.
    pub unit: f64,
    /// Σ Huber(ln L̂ − ln L).
    pub objective: f64,
}

struct ComputeProblem<'a> {
    points: &'a [(f64, f64)],
    ln_unit: f64,
}

impl Residuals for ComputeProblem<'_> {
    fn len(&self) -> usize {
        self.points.len()
    }

    /// θ = (A, α, E), C in its unit.
    fn at(&self, i: usize, theta: &[f64], gradient: &mut [f64]) -> Option<f64> {
        let (flops, seen) = self.points[i];
        let t = flops.ln() - self.ln_unit;
        let power = (-theta[1] * t).exp();
        let loss = theta[0] * power + theta[2];
        if !(loss > 0.0 && loss.is_finite()) {
            return None;
        }
        let (r, slope) = huber(loss.ln() - seen.ln(), DELTA);
        gradient.copy_from_slice(&[
            slope * power / loss,
            -slope * theta[0] * power * t / loss,
            slope / loss,
        ]);
        Some(r)
    }
}

impl ComputeLaw {
    /// Fits the law to (FLOPs, loss). `None` of fewer than four points, of values that are not
    /// positive, or where the compute does not vary.
    #[must_use]
    pub fn fit(points: &[(f64, f64)]) -> Option<ComputeLaw> {
        let positive = |(c, l): &(f64, f64)| *c > 0.0 && *l > 0.0 && c.is_finite() && l.is_finite();
        let varies = points.iter().any(|p| p.0 != points[0].0);
        if points.len() < 4 || !points.iter().all(positive) || !varies {
            return None;
        }
        let ln_unit = points.iter().map(|p| p.0.ln()).sum::<f64>() / points.len() as f64;
        let least = points.iter().map(|p| p.1).fold(f64::INFINITY, f64::min);
        let middle = points.iter().map(|p| p.1).sum::<f64>() / points.len() as f64;
        let problem = ComputeProblem { points, ln_unit };
        let starts = [0.05, 0.15, 0.3, 0.6].into_iter().flat_map(|alpha| {
            [0.0, 0.5, 0.9]
                .into_iter()
                .map(move |share| vec![(middle - share * least).max(1e-6), alpha, share * least])
        });
        let found = best(&problem, starts, &non_negative(3))?;
        Some(ComputeLaw {
            a: found.theta[0],
            alpha: found.theta[1],
            e: found.theta[2],
            unit: ln_unit.exp(),
            objective: 0.5 * found.sse,
        })
    }

    /// The loss at this compute.
    #[must_use]
    pub fn at(&self, flops: f64) -> f64 {
        self.a * (flops / self.unit).powf(-self.alpha) + self.e
    }
}

/// Parameters from which a score departs from its floor, if it departs below the loss `eta`
/// and L(N) = `irreducible` + (`n0`/N)^`a`: N ≥ n0·(η − L∞)^(−1/a) (Du et al. 2024).
///
/// `None` where no size reaches that loss.
#[must_use]
pub fn size_of_loss(eta: f64, irreducible: f64, n0: f64, a: f64) -> Option<f64> {
    let size = n0 * (eta - irreducible).powf(-1.0 / a);
    (eta > irreducible && a > 0.0 && size.is_finite()).then_some(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth() -> LossLaw {
        LossLaw {
            a: 480.0,
            b: 2100.0,
            alpha: 0.347,
            beta: 0.366,
            e: 1.817,
            objective: 0.0,
        }
    }

    fn grid() -> Vec<LossPoint> {
        let mut points = Vec::new();
        for n in [1e8, 3e8, 1e9, 3e9, 1e10] {
            for d in [2e9, 1e10, 5e10, 3e11] {
                let loss = truth().at(n, d);
                points.push(LossPoint {
                    params: n,
                    tokens: d,
                    loss,
                });
            }
        }
        points
    }

    #[test]
    fn a_law_is_found_again() {
        for starts in [Starts::Few, Starts::Grid] {
            let law = LossLaw::fit(&grid(), starts).unwrap();
            assert!(law.objective < 1e-10, "{law:?}");
            assert!((law.alpha - 0.347).abs() < 0.002, "{law:?}");
            assert!((law.e - 1.817).abs() < 0.003, "{law:?}");
        }
    }

    #[test]
    fn an_outlier_moves_nothing() {
        let mut points = grid();
        points[7].loss *= 1.3;
        let law = LossLaw::fit(&points, Starts::Few).unwrap();
        assert!((law.at(1e11, 1e12) / truth().at(1e11, 1e12) - 1.0).abs() < 1e-3);
        assert!((law.objective - law.objective_of(&points)).abs() < 1e-12);
    }

    #[test]
    fn compute_alone() {
        let points: Vec<(f64, f64)> = [1e18, 1e19, 1e20, 1e21, 1e22]
            .map(|c: f64| (c, 1.5 + 2.0 * (c / 1e20).powf(-0.15)))
            .to_vec();
        let law = ComputeLaw::fit(&points).unwrap();
        assert!(
            (law.at(1e24) - 1.5 - 2.0 * 1e4f64.powf(-0.15)).abs() < 1e-3,
            "{law:?}"
        );
        assert_eq!(ComputeLaw::fit(&points[..3]), None);
    }

    #[test]
    fn a_size_for_a_loss() {
        // «5.Du: eta=2.2, Linf=1.69, (406.4/N^.34): N at loss threshold (D->inf)».
        let n0 = 406.4f64.powf(1.0 / 0.34);
        let size = size_of_loss(2.2, 1.69, n0, 0.34).unwrap();
        assert!((size / 341_570_968.0 - 1.0).abs() < 1e-8, "{size}");
    }

    #[test]
    fn what_cannot_be_fitted_is_none() {
        let mut same_d = grid();
        same_d.iter_mut().for_each(|p| p.tokens = 1e9);
        assert_eq!(LossLaw::fit(&same_d, Starts::Few), None);
        let mut zero = grid();
        zero[0].loss = 0.0;
        assert_eq!(LossLaw::fit(&zero, Starts::Few), None);
        assert_eq!(size_of_loss(1.5, 1.6, 1e9, 0.3), None);
    }
}
