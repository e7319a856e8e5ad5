//! What a method is worth: how far it moves a threshold, and the compute that buys as much.

use upturn_types::{ComputeGain, Interval, ThresholdShift};

use crate::dist::norm_quantile;
use crate::resample::{SplitMix64, quantile_sorted};
use crate::tests::test_point;
use crate::threshold::{interval, walk};
use crate::{Obs, Series};

/// The shift of the threshold between two series of one family, baseline − method.
///
/// Each threshold is the fixed-sequence interval at level α/2 on both sides, so that both hold
/// together with confidence 1 − 2α; a method's threshold in (a, b] and a baseline's in (c, d]
/// leave a shift in (c − b, d − a). The onset is that of "always above chance + δ",
/// δ being `near_margin` as a share of the range. `None` where chance or ceiling is unknown, or neither
/// threshold has an end that bounds the shift.
#[must_use]
pub fn threshold_shift(
    method: &Series,
    baseline: &Series,
    near_margin: f64,
    alpha: f64,
) -> Option<ThresholdShift> {
    let of = |series: &Series| -> Option<(Option<f64>, Option<f64>)> {
        let (c, u) = (series.chance?, series.ceiling?);
        let tests: Vec<_> = series
            .obs
            .iter()
            .map(|obs| test_point(obs, c, u, near_margin * (u - c), alpha / 2.0))
            .collect();
        Some(interval(&series.x, &walk(&series.x, &tests, alpha / 2.0)))
    };
    let (method, baseline) = (of(method)?, of(baseline)?);
    let minus = |a: Option<f64>, b: Option<f64>| Some(a? - b?).filter(|d| d.is_finite());
    let shift = Interval {
        lower: minus(baseline.0, method.1),
        upper: minus(baseline.1, method.0),
        confidence_level: 1.0 - 2.0 * alpha,
    };
    (shift.lower.is_some() || shift.upper.is_some()).then_some(ThresholdShift {
        method,
        baseline,
        shift,
    })
}

/// Draws of the interval of a compute-equivalent gain.
const N_DRAWS: u64 = 999;

/// The compute-equivalent gain at `x`: log10 of C′/C such that the baseline at C′ scores what the
/// method scores at C (Davidson et al. 2023), from logistic curves of both, with a 90% interval
/// from draws of both curves' estimates, their errors widened by what scatters beyond the items.
///
/// `None` where a curve has no counts or fewer than four scales, the baseline does not rise
/// (no compute would do), or stays within `near_margin` (a share of the range) of chance.
#[must_use]
pub fn compute_gain(
    method: &Series,
    baseline: &Series,
    x: f64,
    near_margin: f64,
    seed: u64,
) -> Option<ComputeGain> {
    let (c, u) = (baseline.chance?, baseline.ceiling?);
    let rises = baseline
        .scores()
        .last()
        .is_some_and(|y| *y > c + near_margin * (u - c));
    if !rises {
        return None;
    }
    let (fit_m, fit_b) = (Line::fit(method)?, Line::fit(baseline)?);
    let decades = gain(fit_m.at(x), fit_b.at(x), 0.0)?;
    let mut draws: Vec<f64> = (0..N_DRAWS)
        .filter_map(|draw| {
            let mut rng = SplitMix64::stream(seed, draw);
            let (method, baseline) = (fit_m.draw(&mut rng), fit_b.draw(&mut rng));
            gain(method.at(x), baseline.at(x), 0.0)
        })
        .collect();
    // Draws without a rise have no gain: where they are many there is no interval.
    if (draws.len() as u64) < N_DRAWS * 19 / 20 {
        return None;
    }
    draws.sort_by(f64::total_cmp);
    Some(ComputeGain {
        x,
        decades,
        interval: (quantile_sorted(&draws, 0.05), quantile_sorted(&draws, 0.95)),
    })
}

/// log10 gain from (a, b) of both logits at x = 0: [a_A − a_B + (b_A − b_B)x]/b_B.
#[must_use]
pub fn gain(method: (f64, f64), baseline: (f64, f64), x: f64) -> Option<f64> {
    let ((a1, b1), (a2, b2)) = (method, baseline);
    (b2 > 0.0)
        .then(|| (a1 - a2 + (b1 - b2) * x) / b2)
        .filter(|g| g.is_finite())
}

/// Steps of Fisher scoring.
const N_STEPS: usize = 100;

/// A logistic between chance and ceiling: intercept and slope around a centre, with their
/// covariance, widened by the dispersion φ̂ ≥ 1.
#[derive(Debug, Clone, Copy)]
struct Line {
    centre: f64,
    a: f64,
    b: f64,
    covariance: [f64; 3],
}

impl Line {
    /// Maximum likelihood. `None` for scores that are not counts, fewer than four scales, or
    /// where the information is singular (all at the floor).
    fn fit(series: &Series) -> Option<Line> {
        let (c, u) = (series.chance?, series.ceiling?);
        let mut points = Vec::with_capacity(series.len());
        for (x, obs) in series.x.iter().zip(&series.obs) {
            let Obs::Binomial { k, n, .. } = *obs else {
                return None;
            };
            if x.is_finite() {
                points.push((*x, k as f64, n as f64));
            }
        }
        if series.n_scales() < 4 {
            return None;
        }
        let total: f64 = points.iter().map(|p| p.2).sum();
        let centre = points.iter().map(|p| p.0 * p.2).sum::<f64>() / total;
        let value = |a: f64, b: f64| -> f64 {
            points
                .iter()
                .map(|&(x, k, n)| {
                    let p = score(c, u, a + b * (x - centre));
                    k * p.ln() + (n - k) * (-p).ln_1p()
                })
                .sum()
        };
        let (mut a, mut b) = (0.0, 1.0);
        let mut top = value(a, b);
        let mut information = [0.0; 3];
        for _ in 0..N_STEPS {
            let mut slope = [0.0; 2];
            information = [0.0; 3];
            for &(x, k, n) in &points {
                let t = x - centre;
                let eta = a + b * t;
                let p = score(c, u, eta);
                let g = 1.0 / (1.0 + (-eta).exp());
                let d = (u - c) * g * (1.0 - g);
                let variance = p * (1.0 - p);
                let pull = (k - n * p) * d / variance;
                let weight = n * d * d / variance;
                slope[0] += pull;
                slope[1] += pull * t;
                information[0] += weight;
                information[1] += weight * t;
                information[2] += weight * t * t;
            }
            let determinant = information[0] * information[2] - information[1].powi(2);
            if determinant.is_nan() || determinant <= 1e-12 * information[0] * information[2] {
                return None;
            }
            let step = [
                (information[2] * slope[0] - information[1] * slope[1]) / determinant,
                (information[0] * slope[1] - information[1] * slope[0]) / determinant,
            ];
            let mut size = 1.0;
            let before = top;
            while size > 1e-6 {
                let (next_a, next_b) = (a + size * step[0], b + size * step[1]);
                let reached = value(next_a, next_b);
                if reached > top {
                    (a, b, top) = (next_a, next_b, reached);
                    break;
                }
                size *= 0.5;
            }
            if top - before < 1e-10 {
                break;
            }
        }
        let pearson: f64 = points
            .iter()
            .map(|&(x, k, n)| {
                let p = score(c, u, a + b * (x - centre));
                (k - n * p).powi(2) / (n * p * (1.0 - p))
            })
            .sum();
        let dispersion = (pearson / (points.len() as f64 - 2.0)).max(1.0);
        let determinant = information[0] * information[2] - information[1].powi(2);
        let scale = dispersion / determinant;
        Some(Line {
            centre,
            a,
            b,
            covariance: [
                scale * information[2],
                -scale * information[1],
                scale * information[0],
            ],
        })
    }

    /// Value at `x` and slope.
    fn at(&self, x: f64) -> (f64, f64) {
        (self.a + self.b * (x - self.centre), self.b)
    }

    /// Another line that the data allow.
    fn draw(&self, rng: &mut SplitMix64) -> Line {
        let mut normal = || norm_quantile(rng.uniform().clamp(1e-16, 1.0 - 1e-16));
        let sd = self.covariance[0].sqrt();
        let (first, second) = (normal(), normal());
        let across = self.covariance[1] / sd;
        let rest = (self.covariance[2] - across * across).max(0.0).sqrt();
        Line {
            a: self.a + sd * first,
            b: self.b + across * first + rest * second,
            ..*self
        }
    }
}

fn score(c: f64, u: f64, eta: f64) -> f64 {
    (c + (u - c) / (1.0 + (-eta).exp())).clamp(1e-12, 1.0 - 1e-12)
}

#[cfg(test)]
mod unit {
    use super::*;

    /// The worked example of METHODS §6: 1.1 decades.
    #[test]
    fn the_worked_example() {
        let got = gain((-1.0, 1.2), (-2.0, 1.0), 0.5).expect("the baseline rises");
        assert!((got - 1.1).abs() < 1e-12);
        assert!((10f64.powf(got) - 12.589_254).abs() < 1e-5);
        assert_eq!(gain((-1.0, 1.2), (-2.0, 0.0), 0.5), None);
    }

    fn logistic(x: &[f64], middle: f64, slope: f64, n: u64) -> Series {
        let k: Vec<u64> = x
            .iter()
            .map(|x| {
                let p = 1.0 / (1.0 + (-slope * (x - middle)).exp());
                (p * n as f64).round() as u64
            })
            .collect();
        Series::binomial(x, &k, n, 0.0)
    }

    #[test]
    fn a_method_that_is_a_decade_ahead() {
        let x: Vec<f64> = (0..8).map(|i| 20.0 + 0.5 * f64::from(i)).collect();
        let (method, baseline) = (logistic(&x, 22.0, 2.0, 2000), logistic(&x, 23.0, 2.0, 2000));
        let found = compute_gain(&method, &baseline, 23.0, 0.05, 1).expect("both rise");
        assert!((found.decades - 1.0).abs() < 0.02, "{found:?}");
        let (low, high) = found.interval;
        assert!(low < 1.0 && high > 1.0 && high - low < 0.3, "{found:?}");
        let shift = threshold_shift(&method, &baseline, 0.05, 0.05).expect("both rise");
        let (low, high) = (
            shift.shift.lower.expect("bounded"),
            shift.shift.upper.expect("bounded"),
        );
        assert!((low..=high).contains(&1.0), "{shift:?}");
        // A baseline that never leaves chance bounds the shift from below only.
        let flat = Series::binomial(&x, &[0; 8], 2000, 0.0);
        let open = threshold_shift(&method, &flat, 0.05, 0.05).expect("one end");
        assert!(
            open.shift.lower.is_some() && open.shift.upper.is_none(),
            "{open:?}"
        );
        assert!(compute_gain(&method, &flat, 23.0, 0.05, 1).is_none());
    }
}
