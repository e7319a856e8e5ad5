//! The link test: is the all-or-nothing score a smooth function of the graded loss?
//!
//! r = exp(−κ·loss^η), so that Y = ln(−ln r) is a line in the logarithm of the loss; a product
//! of token probabilities has η = 1 and κ the number of tokens.

use crate::dist::{norm_sf, t_isf, t_sf};

/// One model with both scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinkPoint {
    /// Graded metric as a loss, above 0.
    pub loss: f64,
    /// All-or-nothing score, larger is better.
    pub score: f64,
    /// Items behind it.
    pub n: f64,
    /// Chance floor c.
    pub chance: f64,
    /// Ceiling u.
    pub ceiling: f64,
}

impl LinkPoint {
    /// The score as a share of its range; may be negative.
    #[must_use]
    pub fn share(&self) -> f64 {
        (self.score - self.chance) / (self.ceiling - self.chance)
    }

    /// Whether the link is defined here: a loss above 0, a share strictly between 0 and 1.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        let share = self.share();
        self.loss > 0.0 && self.loss.is_finite() && share > 0.0 && share < 1.0 && self.n > 0.0
    }

    /// Var(Y) from sampling of the items at share `r`: y(1 − y)/(n(u − c)² r² ln² r).
    fn variance(&self, r: f64) -> f64 {
        let range = self.ceiling - self.chance;
        let y = self.chance + range * r;
        y * (1.0 - y) / (self.n * (range * r * r.ln()).powi(2))
    }
}

/// A fitted link.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkFit {
    /// Points in the fit.
    pub n: usize,
    /// b₀ = ln κ.
    pub intercept: f64,
    /// b₁ = η.
    pub exponent: f64,
    /// Inverse of X'WX, row by row.
    inverse: [f64; 4],
    /// Dispersion φ̂: weighted residual sum of squares over its degrees of freedom.
    pub dispersion: f64,
    /// Weighted R².
    pub r2: f64,
    /// Residuals with the loss they are at.
    residuals: Vec<(f64, f64)>,
}

/// Fewest points of a fit.
pub const MIN_POINTS: usize = 6;

/// Fits the link to the usable `points`, weighted by the inverse of Var(Y) at the observed shares.
///
/// `None` for fewer than [`MIN_POINTS`], or losses that do not vary.
#[must_use]
pub fn fit_link(points: &[LinkPoint]) -> Option<LinkFit> {
    fit(points, |p| 1.0 / p.variance(p.share()))
}

/// The same without weights: every model counts alike.
#[must_use]
pub fn fit_link_unweighted(points: &[LinkPoint]) -> Option<LinkFit> {
    fit(points, |_| 1.0)
}

fn fit(points: &[LinkPoint], weight: impl Fn(&LinkPoint) -> f64) -> Option<LinkFit> {
    let usable: Vec<&LinkPoint> = points.iter().filter(|p| p.is_usable()).collect();
    let n = usable.len();
    if n < MIN_POINTS {
        return None;
    }
    let x: Vec<f64> = usable.iter().map(|p| p.loss.ln()).collect();
    let y: Vec<f64> = usable.iter().map(|p| (-p.share().ln()).ln()).collect();
    let w: Vec<f64> = usable.iter().map(|p| weight(p)).collect();
    let columns = [vec![1.0; n], x.clone()];
    let found = least_squares(&columns, &y, &w)?;
    let total: f64 = w.iter().sum();
    let mean = y.iter().zip(&w).map(|(y, w)| w * y).sum::<f64>() / total;
    let spread: f64 = y.iter().zip(&w).map(|(y, w)| w * (y - mean).powi(2)).sum();
    let r2 = 1.0 - found.rss / spread;
    let (b0, b1) = (found.theta[0], found.theta[1]);
    let mut residuals: Vec<(f64, f64)> = x
        .iter()
        .zip(&y)
        .map(|(x, y)| (*x, y - b0 - b1 * x))
        .collect();
    residuals.sort_by(|a, b| a.0.total_cmp(&b.0));
    r2.is_finite().then(|| LinkFit {
        n,
        intercept: b0,
        exponent: b1,
        inverse: [
            found.inverse[0],
            found.inverse[1],
            found.inverse[2],
            found.inverse[3],
        ],
        dispersion: found.rss / (n - 2) as f64,
        r2,
        residuals,
    })
}

impl LinkFit {
    /// Standard errors of the intercept and the exponent.
    #[must_use]
    pub fn standard_errors(&self) -> (f64, f64) {
        let of = |v: f64| (self.dispersion * v).sqrt();
        (of(self.inverse[0]), of(self.inverse[3]))
    }

    /// Two-sided p of η = 1.
    #[must_use]
    pub fn exponent_p(&self) -> f64 {
        let t = (self.exponent - 1.0) / self.standard_errors().1;
        (2.0 * t_sf(t.abs(), (self.n - 2) as f64)).min(1.0)
    }

    /// Two-sided p of the runs of the residuals' signs along the loss (Wald and Wolfowitz
    /// 1940, normal): small where they cluster, which is a link of another form. `None` where
    /// all residuals have one sign.
    #[must_use]
    pub fn runs_p(&self) -> Option<f64> {
        let signs: Vec<bool> = self.residuals.iter().map(|r| r.1 > 0.0).collect();
        let positive = signs.iter().filter(|s| **s).count() as f64;
        let negative = signs.len() as f64 - positive;
        let n = positive + negative;
        let runs = 1.0 + signs.windows(2).filter(|w| w[0] != w[1]).count() as f64;
        let product = 2.0 * positive * negative;
        let variance = product * (product - n) / (n * n * (n - 1.0));
        let z = (runs - product / n - 1.0) / variance.sqrt();
        z.is_finite().then(|| (2.0 * norm_sf(z.abs())).min(1.0))
    }

    /// Predicted score at `point`'s loss with its interval at `confidence_level`.
    ///
    /// On the scale of Y the variance is φ̂·Var(Y) at the predicted share, plus that of the
    /// line. Only loss, n, floor and ceiling of `point` are read. `None` where the loss is not
    /// above 0.
    #[must_use]
    pub fn predict(&self, point: &LinkPoint, confidence_level: f64) -> Option<(f64, f64, f64)> {
        if !(point.loss > 0.0 && point.loss.is_finite()) {
            return None;
        }
        let x = point.loss.ln();
        let eta = self.intercept + self.exponent * x;
        let share = |eta: f64| (-eta.exp()).exp();
        let r = share(eta);
        // A share that rounds to 0 or 1 has no variance of its own to add.
        let sampling = point.variance(r);
        let sampling = if sampling.is_finite() { sampling } else { 0.0 };
        let line =
            self.inverse[0] + x * (self.inverse[1] + self.inverse[2]) + x * x * self.inverse[3];
        let sd = (self.dispersion * (sampling + line)).sqrt();
        let t = t_isf((1.0 - confidence_level) / 2.0, (self.n - 2) as f64);
        let score = |r: f64| point.chance + (point.ceiling - point.chance) * r;
        Some((
            score(r),
            score(share(eta + t * sd)),
            score(share(eta - t * sd)),
        ))
    }
}

/// Weighted least squares on a few columns.
pub(crate) struct LeastSquares {
    pub theta: Vec<f64>,
    /// Inverse of X'WX, row by row.
    pub inverse: Vec<f64>,
    pub rss: f64,
}

/// Fits `y` on `columns` with `weights`. `None` where the columns are not independent.
pub(crate) fn least_squares(
    columns: &[Vec<f64>],
    y: &[f64],
    weights: &[f64],
) -> Option<LeastSquares> {
    let p = columns.len();
    let dot = |a: &[f64], b: &[f64]| -> f64 {
        a.iter()
            .zip(b)
            .zip(weights)
            .map(|((a, b), w)| w * a * b)
            .sum()
    };
    let mut matrix = vec![0.0; p * p];
    for a in 0..p {
        for b in 0..p {
            matrix[a * p + b] = dot(&columns[a], &columns[b]);
        }
    }
    let inverse = invert(&matrix, p)?;
    let right: Vec<f64> = columns.iter().map(|c| dot(c, y)).collect();
    let theta: Vec<f64> = (0..p)
        .map(|a| (0..p).map(|b| inverse[a * p + b] * right[b]).sum())
        .collect();
    let rss = (0..y.len())
        .map(|i| {
            let fitted: f64 = theta.iter().zip(columns).map(|(t, c)| t * c[i]).sum();
            weights[i] * (y[i] - fitted).powi(2)
        })
        .sum();
    Some(LeastSquares {
        theta,
        inverse,
        rss,
    })
}

/// Gauss–Jordan with row pivots; the matrices here have at most four rows.
fn invert(matrix: &[f64], p: usize) -> Option<Vec<f64>> {
    let mut a = matrix.to_vec();
    let mut out = vec![0.0; p * p];
    for i in 0..p {
        out[i * p + i] = 1.0;
    }
    let scale: Vec<f64> = (0..p).map(|i| matrix[i * p + i].abs()).collect();
    for column in 0..p {
        let pivot = (column..p)
            .max_by(|&i, &j| a[i * p + column].abs().total_cmp(&a[j * p + column].abs()))?;
        let size = a[pivot * p + column];
        if !size.is_finite() || size.abs() <= 1e-12 * scale[column] {
            return None;
        }
        for k in 0..p {
            a.swap(pivot * p + k, column * p + k);
            out.swap(pivot * p + k, column * p + k);
        }
        for k in 0..p {
            a[column * p + k] /= size;
            out[column * p + k] /= size;
        }
        for row in (0..p).filter(|row| *row != column) {
            let factor = a[row * p + column];
            for k in 0..p {
                a[row * p + k] -= factor * a[column * p + k];
                out[row * p + k] -= factor * out[column * p + k];
            }
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(loss: f64, score: f64) -> LinkPoint {
        LinkPoint {
            loss,
            score,
            n: 1000.0,
            chance: 0.0,
            ceiling: 1.0,
        }
    }

    #[test]
    fn an_exact_product_has_exponent_one() {
        let points: Vec<LinkPoint> = (1..9)
            .map(|i| {
                let loss = 0.1 * f64::from(i);
                point(
                    loss,
                    (-4.0 * loss).exp() * (1.0 + 0.001 * f64::from(i % 3 - 1)),
                )
            })
            .collect();
        let fit = fit_link(&points).expect("eight points");
        assert!((fit.exponent - 1.0).abs() < 0.01 && (fit.intercept - 4f64.ln()).abs() < 0.01);
        assert!(fit.r2 > 0.999 && fit.exponent_p() > 0.05);
        let (mid, low, high) = fit.predict(&point(0.25, f64::NAN), 0.9).expect("a loss");
        assert!((mid - (-1.0f64).exp()).abs() < 0.005 && low < mid && mid < high);
    }

    #[test]
    fn what_cannot_be_fitted_is_none() {
        let few: Vec<LinkPoint> = (1..6).map(|i| point(f64::from(i), 0.1)).collect();
        assert!(fit_link(&few).is_none());
        let floor: Vec<LinkPoint> = (1..20).map(|i| point(f64::from(i), 0.0)).collect();
        assert!(fit_link(&floor).is_none());
        let even: Vec<LinkPoint> = (1..20).map(|i| point(2.0, 0.01 * f64::from(i))).collect();
        assert!(fit_link(&even).is_none());
        let fit = fit_link(
            &(1..9)
                .map(|i| point(f64::from(i), 0.9 / f64::from(i)))
                .collect::<Vec<_>>(),
        );
        assert!(fit.expect("eight").predict(&point(0.0, 0.5), 0.9).is_none());
    }

    #[test]
    fn residuals_that_cluster_have_few_runs() {
        let bent: Vec<LinkPoint> = (1..31)
            .map(|i| {
                let x = f64::from(i) / 10.0;
                point(x.exp(), (-(0.3 * x * x - 1.0).exp()).exp())
            })
            .collect();
        assert!(
            fit_link_unweighted(&bent)
                .expect("thirty")
                .runs_p()
                .expect("both signs")
                < 0.01
        );
    }
}
