//! Broken neural scaling laws: a power law whose exponent changes smoothly at breaks.
//!
//! y = a + b·X^(−c0)·Π (1 + (X/d_i)^(1/f_i))^(−c_i·f_i), for X > 0 (parameters, tokens,
//! compute) and y a loss or an error rate (for an accuracy, fit 1 − y).
//!
//! Caballero, Gupta, Rish and Krueger (2023), "Broken Neural Scaling Laws".

use super::least_squares::{Residuals, minimise};

/// A break: where the exponent changes, by how much, how suddenly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Break {
    /// Change of the exponent, c_i.
    pub c: f64,
    /// Location, d_i > 0, in the unit of X.
    pub d: f64,
    /// Width, f_i > 0: the smaller, the sharper.
    pub f: f64,
}

/// A broken neural scaling law.
#[derive(Debug, Clone, PartialEq)]
pub struct Bnsl {
    /// Limit of y as X grows.
    pub a: f64,
    /// Factor, b > 0.
    pub b: f64,
    /// Exponent before the first break.
    pub c0: f64,
    /// Breaks.
    pub breaks: Vec<Break>,
}

impl Bnsl {
    /// y at X > 0, in a form that neither overflows nor underflows on the way.
    ///
    /// ```
    /// use upturn_stats::curves::bnsl::{Bnsl, Break};
    /// let one = Break { c: 1.2, d: 600.0, f: 0.15 };
    /// let law = Bnsl { a: 0.1, b: 3.0, c0: 0.05, breaks: vec![one] };
    /// assert!((law.at(600.0) - 2.023217017).abs() < 1e-9);
    /// ```
    #[must_use]
    pub fn at(&self, x: f64) -> f64 {
        let ln_x = x.ln();
        let mut exponent = self.b.ln() - self.c0 * ln_x;
        for one in &self.breaks {
            exponent -= one.c * one.f * softplus((ln_x - one.d.ln()) / one.f);
        }
        self.a + exponent.exp()
    }

    fn from_theta(theta: &[f64]) -> Bnsl {
        let breaks = theta[3..]
            .chunks_exact(3)
            .map(|t| Break {
                c: t[0],
                d: t[1].exp(),
                f: t[2].exp(),
            })
            .collect();
        Bnsl {
            a: theta[0],
            b: theta[1].exp(),
            c0: theta[2],
            breaks,
        }
    }
}

/// A fitted law.
#[derive(Debug, Clone, PartialEq)]
pub struct BnslFit {
    /// The law.
    pub law: Bnsl,
    /// Σ (ln(1+y) − ln(1+ŷ))², the objective. The surface has many optima of almost equal
    /// depth with different parameters: compare fits by this alone.
    pub sse: f64,
    /// Starts tried.
    pub n_starts: usize,
}

/// ln(1 + e^z).
fn softplus(z: f64) -> f64 {
    z.max(0.0) + (-z.abs()).exp().ln_1p()
}

fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

struct Problem<'a> {
    ln_x: &'a [f64],
    target: &'a [f64],
}

impl Residuals for Problem<'_> {
    fn len(&self) -> usize {
        self.target.len()
    }

    fn at(&self, i: usize, theta: &[f64], gradient: &mut [f64]) -> Option<f64> {
        let ln_x = self.ln_x[i];
        let mut exponent = theta[1] - theta[2] * ln_x;
        for t in theta[3..].chunks_exact(3) {
            let f = t[2].exp();
            exponent -= t[0] * f * softplus((ln_x - t[1]) / f);
        }
        let power = exponent.exp();
        let y = theta[0] + power;
        if !(y > -1.0 && y.is_finite()) {
            return None;
        }
        let outer = 1.0 / (1.0 + y);
        gradient[0] = outer;
        gradient[1] = outer * power;
        gradient[2] = -outer * power * ln_x;
        for (t, g) in theta[3..]
            .chunks_exact(3)
            .zip(gradient[3..].chunks_exact_mut(3))
        {
            let f = t[2].exp();
            let z = (ln_x - t[1]) / f;
            let (soft, share) = (softplus(z), sigmoid(z));
            g[0] = -outer * power * f * soft;
            g[1] = outer * power * t[0] * share;
            g[2] = -outer * power * t[0] * f * (soft - z * share);
        }
        Some(y.ln_1p() - self.target[i])
    }
}

/// Widths that starts try.
const START_WIDTHS: [f64; 4] = [0.05, 0.1, 0.2, 0.5];
/// Break locations that starts try, on a log grid inside the data.
const START_PLACES: usize = 13;

/// Fits a law with `n_breaks` breaks by least squares on ln(1 + y), from 52 starts: the
/// breaks at 13 places on a log grid inside the data and of four widths, exponents from
/// the slopes of ln y on either side.
///
/// `None` when there are fewer than two points for each of the 3 + 3·`n_breaks`
/// parameters, when the lengths differ, when some X ≤ 0 or y ≤ −1, or when no start leads
/// anywhere.
#[must_use]
pub fn fit(x: &[f64], y: &[f64], n_breaks: usize) -> Option<BnslFit> {
    let n_params = 3 + 3 * n_breaks;
    let usable =
        x.iter().all(|x| *x > 0.0 && x.is_finite()) && y.iter().all(|y| *y > -1.0 && y.is_finite());
    if x.len() != y.len() || x.len() < 2 * n_params || !usable {
        return None;
    }
    let ln_x: Vec<f64> = x.iter().map(|x| x.ln()).collect();
    let target: Vec<f64> = y.iter().map(|y| y.ln_1p()).collect();
    let problem = Problem {
        ln_x: &ln_x,
        target: &target,
    };
    let mut best: Option<(Vec<f64>, f64)> = None;
    let mut n_starts = 0;
    for place in 0..START_PLACES {
        for width in START_WIDTHS {
            n_starts += 1;
            let start = start(&ln_x, y, n_breaks, place, width);
            let found = minimise(&problem, &start, 400);
            if let Some(found) = found
                && best.as_ref().is_none_or(|best| found.1 < best.1)
            {
                best = Some(found);
            }
        }
    }
    let (theta, sse) = best?;
    Some(BnslFit {
        law: Bnsl::from_theta(&theta),
        sse,
        n_starts,
    })
}

/// A start whose breaks divide the range, the first at the given place of the grid.
fn start(ln_x: &[f64], y: &[f64], n_breaks: usize, place: usize, width: f64) -> Vec<f64> {
    let low = ln_x.iter().copied().fold(f64::INFINITY, f64::min);
    let high = ln_x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let least = y.iter().copied().fold(f64::INFINITY, f64::min);
    let a = if least > 0.0 {
        0.5 * least
    } else {
        least - 0.01
    };
    let ln_rest: Vec<f64> = y.iter().map(|y| (y - a).max(1e-9).ln()).collect();
    let share = (place as f64 + 1.0) / (START_PLACES as f64 + 1.0);
    let places: Vec<f64> = (0..n_breaks)
        .map(|i| low + (high - low) * ((share + i as f64 / n_breaks as f64) % 1.0))
        .collect();
    let mut sorted = places;
    sorted.sort_by(f64::total_cmp);
    let mut edges = vec![low - 1.0];
    edges.extend(&sorted);
    edges.push(high + 1.0);
    let slopes: Vec<f64> = edges
        .windows(2)
        .map(|edge| slope(ln_x, &ln_rest, edge[0], edge[1]))
        .collect();
    let c0 = -slopes[0];
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let mut theta = vec![a, mean(&ln_rest) + c0 * mean(ln_x), c0];
    for (i, &d) in sorted.iter().enumerate() {
        theta.extend([slopes[i] - slopes[i + 1], d, width.ln()]);
    }
    // b such that the curve passes through the mean of ln(y − a).
    let bend: f64 = ln_x
        .iter()
        .map(|x| {
            let breaks = theta[3..].chunks_exact(3);
            breaks
                .map(|t| t[0] * width * softplus((x - t[1]) / width))
                .sum::<f64>()
        })
        .sum::<f64>()
        / ln_x.len() as f64;
    theta[1] += bend;
    theta
}

/// OLS slope of the points with x in [low, high], 0 with fewer than two.
fn slope(x: &[f64], y: &[f64], low: f64, high: f64) -> f64 {
    let inside: Vec<(f64, f64)> = x
        .iter()
        .zip(y)
        .filter(|(x, _)| (low..=high).contains(*x))
        .map(|(x, y)| (*x, *y))
        .collect();
    let n = inside.len() as f64;
    let (mx, my) = inside
        .iter()
        .fold((0.0, 0.0), |s, p| (s.0 + p.0 / n, s.1 + p.1 / n));
    let sxx: f64 = inside.iter().map(|p| (p.0 - mx).powi(2)).sum();
    let sxy: f64 = inside.iter().map(|p| (p.0 - mx) * (p.1 - my)).sum();
    if sxx > 0.0 { sxy / sxx } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn law() -> Bnsl {
        let one = Break {
            c: 1.2,
            d: 600.0,
            f: 0.15,
        };
        Bnsl {
            a: 0.1,
            b: 3.0,
            c0: 0.05,
            breaks: vec![one],
        }
    }

    #[test]
    fn tabled_values() {
        for (x, y) in [
            (160.0, 2.427574606),
            (600.0, 2.023217017),
            (928.0, 1.351153145),
        ] {
            assert!((law().at(x) / y - 1.0).abs() < 1e-9);
        }
        assert!(law().at(1e300).is_finite());
        assert!(law().at(1e-300).is_finite());
    }

    #[test]
    fn gradient_is_that_of_the_residual() {
        let (ln_x, target) = ([6.1], [0.3]);
        let problem = Problem {
            ln_x: &ln_x,
            target: &target,
        };
        let theta = [0.1, 1.0, 0.05, 1.2, 6.3, -1.5];
        let (mut gradient, mut unused) = ([0.0; 6], [0.0; 6]);
        problem.at(0, &theta, &mut gradient).unwrap();
        for p in 0..6 {
            let at = |h: f64, unused: &mut [f64]| {
                let mut moved = theta;
                moved[p] += h;
                problem.at(0, &moved, unused).unwrap()
            };
            let numeric = (at(1e-6, &mut unused) - at(-1e-6, &mut unused)) / 2e-6;
            assert!((numeric - gradient[p]).abs() < 1e-7, "{p}");
        }
    }

    #[test]
    fn recovers_a_law_without_noise() {
        let x: Vec<f64> = (0..14).map(|i| 100.0 * 1.25_f64.powi(i)).collect();
        let y: Vec<f64> = x.iter().map(|&x| law().at(x)).collect();
        let fit = fit(&x, &y, 1).unwrap();
        assert!(fit.n_starts >= 50);
        assert!(fit.sse < 1e-12, "{fit:?}");
    }

    #[test]
    fn fit_is_not_worse_than_the_truth_under_noise() {
        let mut rng = crate::resample::SplitMix64::new(3);
        let x: Vec<f64> = (0..16).map(|i| 100.0 * 1.25_f64.powi(i)).collect();
        let noisy = |x: &f64| law().at(*x) * (1.0 + 0.01 * (rng.uniform() - 0.5));
        let y: Vec<f64> = x.iter().map(noisy).collect();
        let truth: f64 = x
            .iter()
            .zip(&y)
            .map(|(&x, y)| (law().at(x).ln_1p() - y.ln_1p()).powi(2))
            .sum();
        assert!(fit(&x, &y, 1).unwrap().sse <= truth);
    }

    #[test]
    fn refuses_what_it_cannot_fit() {
        let x: Vec<f64> = (1..=11).map(f64::from).collect();
        assert_eq!(fit(&x, &x, 1), None);
        assert!(fit(&x, &x, 0).is_some());
        assert_eq!(fit(&[-1.0; 12], &[1.0; 12], 0), None);
    }
}
