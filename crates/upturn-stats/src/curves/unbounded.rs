//! Curves of metrics without a range (loss, bits, edit distance): is ln M kinked?

use super::compare::aicc;
use super::least_squares::{Residuals, minimise, solve};
use super::search::N_GRID;

/// A curve of ln M over x.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnboundedModel {
    /// α + βx: a power law of scale. Parameters (α, β).
    Line,
    /// α + βx + γx². Parameters (α, β, γ).
    Quadratic,
    /// ln(A·10^(−ax) + E): a power law over an irreducible part. Parameters (ln A, a, ln E).
    PowerConstant,
    /// α + βx + γ·max(0, x − τ). Parameters (α, β, γ, τ).
    Kinked,
}

/// A fitted curve of ln M; x is centred at [`UnboundedComparison::x_mean`].
#[derive(Debug, Clone, PartialEq)]
pub struct UnboundedFit {
    /// The model.
    pub model: UnboundedModel,
    /// Its parameters (τ is not centred).
    pub theta: Vec<f64>,
    /// Variance beyond the standard errors, s², on the scale of ln M.
    pub excess_variance: f64,
    /// Gaussian log-likelihood.
    pub log_likelihood: f64,
    /// Number of parameters, s² included.
    pub n_params: usize,
    /// Small-sample Akaike criterion; `None` when K ≤ parameters + 1.
    pub aicc: Option<f64>,
}

/// The smooth curves and the kinked one.
#[derive(Debug, Clone, PartialEq)]
pub struct UnboundedComparison {
    /// x̄, the plain mean.
    pub x_mean: f64,
    /// Fits, those that could be made.
    pub fits: Vec<UnboundedFit>,
    /// The smooth curve with the least AICc.
    pub best_smooth: UnboundedModel,
    /// AICc(best smooth) − AICc(kinked): below 2 no kink, above 6 strong. `None` when K is
    /// too small for the kinked curve.
    pub delta_aicc_kink: Option<f64>,
}

/// Compares curves of a positive metric `m` with standard errors `se` along `x` (sorted).
///
/// ln M is Gaussian with variance (se/M)² + s². `None` means undetermined: unequal lengths,
/// fewer than four points, some M that is not positive, some standard error that is absent
/// (not above 0), or no spread in x.
#[must_use]
pub fn compare_unbounded(x: &[f64], m: &[f64], se: &[f64]) -> Option<UnboundedComparison> {
    let positive = |v: &[f64]| v.iter().all(|v| *v > 0.0 && v.is_finite());
    let k = x.len();
    let sorted = x.windows(2).all(|w| w[0] <= w[1]) && x.iter().all(|x| x.is_finite());
    if m.len() != k || se.len() != k || k < 4 || !positive(m) || !positive(se) || !sorted {
        return None;
    }
    let x_mean = x.iter().sum::<f64>() / k as f64;
    let data = Data {
        t: x.iter().map(|x| x - x_mean).collect(),
        y: m.iter().map(|m| m.ln()).collect(),
        var: m.iter().zip(se).map(|(m, se)| (se / m).powi(2)).collect(),
    };
    if data.t[0] == data.t[k - 1] {
        return None;
    }
    let mut fits: Vec<UnboundedFit> = [
        line(&data),
        quadratic(&data),
        power_constant(&data),
        kinked(&data, x_mean),
    ]
    .into_iter()
    .flatten()
    .collect();
    for fit in &mut fits {
        fit.aicc = aicc(fit.log_likelihood, fit.n_params, k);
    }
    let of = |fit: &UnboundedFit| fit.aicc.unwrap_or(f64::INFINITY);
    let smooth = fits
        .iter()
        .filter(|fit| fit.model != UnboundedModel::Kinked)
        .min_by(|a, b| of(a).total_cmp(&of(b)))?;
    let kinked = fits.iter().find(|fit| fit.model == UnboundedModel::Kinked);
    let delta_aicc_kink = match (smooth.aicc, kinked.and_then(|fit| fit.aicc)) {
        (Some(smooth), Some(kinked)) => Some(smooth - kinked),
        _ => None,
    };
    Some(UnboundedComparison {
        x_mean,
        best_smooth: smooth.model,
        delta_aicc_kink,
        fits,
    })
}

struct Data {
    t: Vec<f64>,
    y: Vec<f64>,
    var: Vec<f64>,
}

impl Data {
    fn log_likelihood(&self, fitted: &[f64], excess: f64) -> f64 {
        self.y
            .iter()
            .zip(fitted)
            .zip(&self.var)
            .map(|((y, f), var)| {
                let var = var + excess;
                -0.5 * ((std::f64::consts::TAU * var).ln() + (y - f).powi(2) / var)
            })
            .sum()
    }

    /// Maximises over s² (golden section on its logarithm, and s² = 0): the fit given the
    /// weights is `fit`'s, which returns parameters and fitted values.
    fn over_excess(
        &self,
        fit: impl Fn(&[f64]) -> Option<(Vec<f64>, Vec<f64>)>,
    ) -> Option<(Vec<f64>, f64, f64)> {
        let at = |ln_excess: f64| {
            let excess = ln_excess.exp();
            let weights: Vec<f64> = self.var.iter().map(|var| 1.0 / (var + excess)).collect();
            let (theta, fitted) = fit(&weights)?;
            Some((theta, excess, self.log_likelihood(&fitted, excess)))
        };
        let value = |ln_excess: f64| at(ln_excess).map_or(f64::NEG_INFINITY, |fit| fit.2);
        let mean_y = self.y.iter().sum::<f64>() / self.y.len() as f64;
        let spread: f64 = self.y.iter().map(|y| (y - mean_y).powi(2)).sum::<f64>();
        let least = self.var.iter().copied().fold(f64::INFINITY, f64::min);
        let (mut low, mut high) = ((1e-9 * least).ln(), (spread + least).ln());
        const SHARE: f64 = 0.618_033_988_749_894_9;
        while high - low > 1e-6 {
            let (left, right) = (high - SHARE * (high - low), low + SHARE * (high - low));
            if value(left) >= value(right) {
                high = right;
            } else {
                low = left;
            }
        }
        let found = at(0.5 * (low + high));
        let none = at(f64::NEG_INFINITY);
        [none, found]
            .into_iter()
            .flatten()
            .reduce(|a, b| if b.2 > a.2 { b } else { a })
    }

    /// Weighted least squares on the given columns.
    fn linear(&self, columns: &[Vec<f64>], weights: &[f64]) -> Option<(Vec<f64>, Vec<f64>)> {
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
        let rhs: Vec<f64> = columns.iter().map(|column| dot(column, &self.y)).collect();
        let theta = solve(&mut matrix, &rhs)?;
        let fitted = (0..self.y.len())
            .map(|i| {
                theta
                    .iter()
                    .zip(columns)
                    .map(|(t, column)| t * column[i])
                    .sum()
            })
            .collect();
        Some((theta, fitted))
    }

    fn linear_fit(&self, model: UnboundedModel, columns: &[Vec<f64>]) -> Option<UnboundedFit> {
        let found = self.over_excess(|weights| self.linear(columns, weights))?;
        Some(record(model, found))
    }

    fn ones(&self) -> Vec<f64> {
        vec![1.0; self.y.len()]
    }
}

fn record(model: UnboundedModel, found: (Vec<f64>, f64, f64)) -> UnboundedFit {
    let (theta, excess_variance, log_likelihood) = found;
    UnboundedFit {
        model,
        n_params: theta.len() + 1,
        theta,
        excess_variance,
        log_likelihood,
        aicc: None,
    }
}

fn line(data: &Data) -> Option<UnboundedFit> {
    data.linear_fit(UnboundedModel::Line, &[data.ones(), data.t.clone()])
}

fn quadratic(data: &Data) -> Option<UnboundedFit> {
    let squares = data.t.iter().map(|t| t * t).collect();
    data.linear_fit(
        UnboundedModel::Quadratic,
        &[data.ones(), data.t.clone(), squares],
    )
}

fn kinked(data: &Data, x_mean: f64) -> Option<UnboundedFit> {
    let mut scales = data.t.clone();
    scales.dedup();
    if scales.len() < 4 {
        return None;
    }
    let (low, high) = (scales[1], scales[scales.len() - 2]);
    let at = |tau: f64| {
        let hinge = data.t.iter().map(|t| (t - tau).max(0.0)).collect();
        let mut fit = data.linear_fit(
            UnboundedModel::Kinked,
            &[data.ones(), data.t.clone(), hinge],
        )?;
        fit.theta.push(tau + x_mean);
        fit.n_params += 1;
        Some(fit)
    };
    let grid = (0..N_GRID).map(|i| low + (high - low) * i as f64 / (N_GRID - 1) as f64);
    grid.chain(scales[1..scales.len() - 1].iter().copied())
        .filter_map(at)
        .reduce(|a, b| {
            if b.log_likelihood > a.log_likelihood {
                b
            } else {
                a
            }
        })
}

/// Weighted residuals of ln(e^lnA·10^(−at) + e^lnE).
struct PowerConstant<'a> {
    data: &'a Data,
    weights: &'a [f64],
}

impl Residuals for PowerConstant<'_> {
    fn len(&self) -> usize {
        self.data.y.len()
    }

    fn at(&self, i: usize, theta: &[f64], gradient: &mut [f64]) -> Option<f64> {
        let t = self.data.t[i];
        let slope = std::f64::consts::LN_10 * t;
        let falling = theta[0] - theta[1] * slope;
        let most = falling.max(theta[2]);
        let value = most + ((falling - most).exp() + (theta[2] - most).exp()).ln();
        let share = (falling - value).exp();
        let root = self.weights[i].sqrt();
        gradient[0] = root * share;
        gradient[1] = -root * share * slope;
        gradient[2] = root * (1.0 - share);
        let residual = root * (value - self.data.y[i]);
        residual.is_finite().then_some(residual)
    }
}

fn power_constant(data: &Data) -> Option<UnboundedFit> {
    let least = data.y.iter().copied().fold(f64::INFINITY, f64::min);
    let mean = data.y.iter().sum::<f64>() / data.y.len() as f64;
    let found = data.over_excess(|weights| {
        let problem = PowerConstant { data, weights };
        let mut best: Option<(Vec<f64>, f64)> = None;
        for slope in [0.05, 0.2, 0.6] {
            for below in [0.1, 1.0] {
                let start = [mean, slope, least - below];
                let fit = minimise(&problem, &start, 100);
                if let Some(fit) = fit
                    && best.as_ref().is_none_or(|best| fit.1 < best.1)
                {
                    best = Some(fit);
                }
            }
        }
        let (theta, _) = best?;
        let mut unused = [0.0; 3];
        let unit = vec![1.0; data.y.len()];
        let plain = PowerConstant {
            data,
            weights: &unit,
        };
        let fitted = (0..data.y.len())
            .map(|i| plain.at(i, &theta, &mut unused).map(|r| r + data.y[i]))
            .collect::<Option<Vec<f64>>>()?;
        Some((theta, fitted))
    })?;
    Some(record(UnboundedModel::PowerConstant, found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(f: impl Fn(f64) -> f64, noise: f64) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let mut rng = crate::resample::SplitMix64::new(11);
        let x: Vec<f64> = (0..16).map(|i| 18.0 + 0.4 * f64::from(i)).collect();
        let m: Vec<f64> = x
            .iter()
            .map(|&x| (f(x) + noise * 3.4 * (rng.uniform() - 0.5)).exp())
            .collect();
        let se = m.iter().map(|m| m * noise).collect();
        (x, m, se)
    }

    #[test]
    fn a_power_law_is_a_line() {
        let (x, m, se) = metric(|x| 3.0 - 0.12 * x, 0.01);
        let found = compare_unbounded(&x, &m, &se).unwrap();
        assert_eq!(found.best_smooth, UnboundedModel::Line);
        assert!(found.delta_aicc_kink.unwrap() < 2.0);
        assert!((found.fits[0].theta[1] + 0.12).abs() < 0.01);
    }

    #[test]
    fn an_irreducible_part_is_no_kink() {
        let curve = |x: f64| (10.0_f64.powf(-0.5 * (x - 19.0)) + 0.3).ln();
        let (x, m, se) = metric(curve, 0.01);
        let found = compare_unbounded(&x, &m, &se).unwrap();
        assert_eq!(found.best_smooth, UnboundedModel::PowerConstant);
        assert!(found.delta_aicc_kink.unwrap() < 2.0, "{found:?}");
        let fit = found
            .fits
            .iter()
            .find(|f| f.model == UnboundedModel::PowerConstant);
        assert!((fit.unwrap().theta[1] - 0.5).abs() < 0.05);
    }

    #[test]
    fn a_kink_is_found() {
        let (x, m, se) = metric(|x| 1.0 - 0.5 * (x - 21.0_f64).max(0.0), 0.01);
        let found = compare_unbounded(&x, &m, &se).unwrap();
        assert!(found.delta_aicc_kink.unwrap() > 6.0, "{found:?}");
        let fit = found
            .fits
            .iter()
            .find(|f| f.model == UnboundedModel::Kinked)
            .unwrap();
        assert!((fit.theta[3] - 21.0).abs() < 0.1);
    }

    #[test]
    fn without_errors_nothing_is_determined() {
        let (x, m, _) = metric(|x| 3.0 - 0.12 * x, 0.01);
        assert_eq!(compare_unbounded(&x, &m, &[0.0; 16]), None);
        assert_eq!(compare_unbounded(&x[..3], &m[..3], &[0.1; 3]), None);
        assert_eq!(compare_unbounded(&[1.0; 4], &[1.0; 4], &[0.1; 4]), None);
    }
}
