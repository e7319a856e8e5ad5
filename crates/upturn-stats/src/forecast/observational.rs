//! Scores from other scores: the observational scaling laws of Ruan et al. 2024.
//!
//! Scores of standard benchmarks are imputed where missing and reduced to a few principal
//! components, which stand for a model's abilities whatever its family. The normalised target
//! is y = h + (1 − h)·σ(w·z + b) of the components z, h in [0, 0.2].

use super::bounded::{Bounds, Minimum, minimise};
use super::pca::{Pca, eigen};
use crate::curves::least_squares::Residuals;
use crate::resample::{SplitMix64, quantile_sorted};

/// Largest h.
const H_MAX: f64 = 0.2;
/// ‖w‖ beyond which the fit is nearly a step between two sets of models.
const WEIGHT_MAX: f64 = 50.0;
/// Condition of the Hessian beyond which the weights mean nothing.
const CONDITION_MAX: f64 = 1e10;
/// Rounds of imputation.
const ROUNDS: usize = 1000;

/// Imputation and components, learnt from the rows of the smaller models.
#[derive(Debug, Clone, PartialEq)]
pub struct Abilities {
    mean: Vec<f64>,
    sd: Vec<f64>,
    filler: Pca,
    components: Pca,
    /// Imputed rows that were learnt from.
    rows: Vec<Vec<f64>>,
}

impl Abilities {
    /// Learns from rows of benchmark scores in [0, 1], missing ones `None`.
    ///
    /// Columns are standardised by their known values (population standard deviation), missing
    /// cells start at the mean and are replaced by their value in a reconstruction from one
    /// component until none changes by more than 10⁻⁴ (+ 10⁻⁵ of its size). The components
    /// are those of the imputed scores, not standardised.
    ///
    /// `None` of fewer than three rows, of rows of unequal length, or of a column without
    /// any score.
    #[must_use]
    pub fn learn(rows: &[Vec<Option<f64>>]) -> Option<Abilities> {
        let p = rows.first()?.len();
        if rows.len() < 3 || p == 0 || rows.iter().any(|r| r.len() != p) {
            return None;
        }
        let (mut mean, mut sd) = (Vec::new(), Vec::new());
        for j in 0..p {
            let known: Vec<f64> = rows.iter().filter_map(|r| r[j]).collect();
            if known.is_empty() {
                return None;
            }
            let n = known.len() as f64;
            let m = known.iter().sum::<f64>() / n;
            let s = (known.iter().map(|v| (v - m).powi(2)).sum::<f64>() / n).sqrt();
            mean.push(m);
            sd.push(if s > 0.0 { s } else { 1.0 });
        }
        let mut scaled: Vec<Vec<f64>> = rows.iter().map(|r| scale(r, &mean, &sd)).collect();
        let mut filler = Pca::fit(&scaled)?;
        for _ in 0..ROUNDS {
            let mut settled = true;
            for (row, known) in scaled.iter_mut().zip(rows) {
                settled &= fill(&filler, row, known);
            }
            if settled {
                break;
            }
            filler = Pca::fit(&scaled)?;
        }
        let imputed: Vec<Vec<f64>> = scaled.iter().map(|r| unscale(r, &mean, &sd)).collect();
        Some(Abilities {
            components: Pca::fit(&imputed)?,
            mean,
            sd,
            filler,
            rows: imputed,
        })
    }

    /// Share of the variance that each component explains.
    #[must_use]
    pub fn explained(&self) -> &[f64] {
        &self.components.explained
    }

    /// The first `n` components of the rows that were learnt from.
    #[must_use]
    pub fn learnt(&self, n: usize) -> Vec<Vec<f64>> {
        self.rows
            .iter()
            .map(|row| self.components.project(row, n))
            .collect()
    }

    /// The first `n` components of another model; missing cells by the imputation that was
    /// learnt. `None` where the row has another length.
    #[must_use]
    pub fn of(&self, row: &[Option<f64>], n: usize) -> Option<Vec<f64>> {
        if row.len() != self.mean.len() {
            return None;
        }
        let mut scaled = scale(row, &self.mean, &self.sd);
        for _ in 0..ROUNDS {
            if fill(&self.filler, &mut scaled, row) {
                break;
            }
        }
        let imputed = unscale(&scaled, &self.mean, &self.sd);
        Some(self.components.project(&imputed, n))
    }
}

/// A standardised row, missing cells at the mean.
fn scale(row: &[Option<f64>], mean: &[f64], sd: &[f64]) -> Vec<f64> {
    row.iter()
        .zip(mean)
        .zip(sd)
        .map(|((v, m), s)| v.map_or(0.0, |v| (v - m) / s))
        .collect()
}

fn unscale(row: &[f64], mean: &[f64], sd: &[f64]) -> Vec<f64> {
    row.iter()
        .zip(mean)
        .zip(sd)
        .map(|((v, m), s)| (v * s + m).clamp(0.0, 1.0))
        .collect()
}

/// Replaces missing cells by their reconstruction; whether none changed much.
fn fill(filler: &Pca, row: &mut [f64], known: &[Option<f64>]) -> bool {
    let restored = filler.restore(&filler.project(row, 1));
    let mut settled = true;
    for ((value, new), known) in row.iter_mut().zip(restored).zip(known) {
        if known.is_none() {
            settled &= (new - *value).abs() <= 1e-4 + 1e-5 * value.abs();
            *value = new;
        }
    }
    settled
}

/// A fitted law y = h + (1 − h)·σ(b + w·z).
#[derive(Debug, Clone, PartialEq)]
pub struct SigmoidLaw {
    /// b.
    pub intercept: f64,
    /// w.
    pub weights: Vec<f64>,
    /// h.
    pub floor: f64,
    /// Means by which the regressors are centred.
    pub centre: Vec<f64>,
    /// Mean squared error on the fitted models.
    pub mse_train: f64,
    /// Whether the weights mean nothing (‖w‖ > 50, or a Hessian of condition above 10¹⁰).
    pub ill_conditioned: bool,
}

struct Problem<'a> {
    z: &'a [Vec<f64>],
    y: &'a [f64],
}

impl Residuals for Problem<'_> {
    fn len(&self) -> usize {
        self.y.len()
    }

    /// θ = (b, w…, h). Huber's loss with δ = 1 is the square here: no residual exceeds 1.
    fn at(&self, i: usize, theta: &[f64], gradient: &mut [f64]) -> Option<f64> {
        let p = theta.len() - 2;
        let z = &self.z[i];
        let eta = theta[0] + (0..p).map(|j| theta[1 + j] * z[j]).sum::<f64>();
        let s = 1.0 / (1.0 + (-eta).exp());
        let h = theta[p + 1];
        let slope = (1.0 - h) * s * (1.0 - s);
        gradient[0] = slope;
        for j in 0..p {
            gradient[1 + j] = slope * z[j];
        }
        gradient[p + 1] = 1.0 - s;
        Some(h + (1.0 - h) * s - self.y[i])
    }
}

impl SigmoidLaw {
    /// Fits normalised scores `y` to regressors `z` (rows of equal length) by least squares
    /// from several starts; `ridge` is λ of the weights (0: none).
    ///
    /// `None` of fewer rows than parameters, or of unequal lengths.
    #[must_use]
    pub fn fit(z: &[Vec<f64>], y: &[f64], ridge: f64) -> Option<SigmoidLaw> {
        let p = z.first()?.len();
        if z.len() != y.len() || z.len() < p + 2 || z.iter().any(|r| r.len() != p) {
            return None;
        }
        let n = z.len() as f64;
        let centre: Vec<f64> = (0..p)
            .map(|j| z.iter().map(|r| r[j]).sum::<f64>() / n)
            .collect();
        let centred: Vec<Vec<f64>> = z
            .iter()
            .map(|r| r.iter().zip(&centre).map(|(v, m)| v - m).collect())
            .collect();
        let problem = Problem { z: &centred, y };
        let bounds = Bounds {
            lower: [vec![f64::NEG_INFINITY; p + 1], vec![0.0]].concat(),
            upper: [vec![f64::INFINITY; p + 1], vec![H_MAX]].concat(),
        };
        let lambda: Vec<f64> = if ridge > 0.0 {
            [vec![0.0], vec![ridge * n; p], vec![0.0]].concat()
        } else {
            Vec::new()
        };
        let mut best: Option<Minimum> = None;
        for (level, weight) in [
            (0.0, 0.03),
            (0.0, 1.0),
            (0.0, 3.0),
            (-3.0, 1.0),
            (-3.0, 3.0),
        ] {
            let start = [vec![level], vec![weight; p], vec![0.0]].concat();
            if let Some(found) = minimise(&problem, &start, &bounds, &lambda, 5000)
                && best.as_ref().is_none_or(|b| found.sse < b.sse)
            {
                best = Some(found);
            }
        }
        let found = best?;
        let weights = found.theta[1..=p].to_vec();
        let norm = weights.iter().map(|w| w * w).sum::<f64>().sqrt();
        let mut law = SigmoidLaw {
            intercept: found.theta[0],
            floor: found.theta[p + 1],
            ill_conditioned: norm > WEIGHT_MAX || condition(&found, p) > CONDITION_MAX,
            weights,
            centre,
            mse_train: 0.0,
        };
        law.mse_train = z
            .iter()
            .zip(y)
            .map(|(z, y)| (law.at(z) - y).powi(2))
            .sum::<f64>()
            / n;
        Some(law)
    }

    /// The normalised score at `z`.
    #[must_use]
    pub fn at(&self, z: &[f64]) -> f64 {
        let eta: f64 = self.intercept
            + self
                .weights
                .iter()
                .zip(z)
                .zip(&self.centre)
                .map(|((w, z), m)| w * (z - m))
                .sum::<f64>();
        self.floor + (1.0 - self.floor) / (1.0 + (-eta).exp())
    }
}

/// Condition of the Hessian in level and weights.
fn condition(minimum: &Minimum, p: usize) -> f64 {
    let full = p + 2;
    let matrix: Vec<Vec<f64>> = (0..=p)
        .map(|a| minimum.matrix[a * full..a * full + p + 1].to_vec())
        .collect();
    let (values, _) = eigen(&matrix);
    match (values.first(), values.last()) {
        (Some(high), Some(low)) if *low > 0.0 => high / low,
        _ => f64::INFINITY,
    }
}

/// Difference of the mean squared errors of two forecasts of the same held-out models
/// (first − second) with a 95% percentile interval over resampled models.
///
/// `None` of nothing, or of unequal lengths.
#[must_use]
pub fn mse_difference(
    first: &[f64],
    second: &[f64],
    observed: &[f64],
    n_draws: u32,
    seed: u64,
) -> Option<(f64, (f64, f64))> {
    let m = observed.len();
    if m == 0 || first.len() != m || second.len() != m || n_draws == 0 {
        return None;
    }
    let gains: Vec<f64> = (0..m)
        .map(|i| (first[i] - observed[i]).powi(2) - (second[i] - observed[i]).powi(2))
        .collect();
    let mut draws: Vec<f64> = (0..u64::from(n_draws))
        .map(|draw| {
            let mut rng = SplitMix64::stream(seed, draw);
            (0..m).map(|_| gains[rng.index(m)]).sum::<f64>() / m as f64
        })
        .collect();
    draws.sort_by(f64::total_cmp);
    Some((
        gains.iter().sum::<f64>() / m as f64,
        (
            quantile_sorted(&draws, 0.025),
            quantile_sorted(&draws, 0.975),
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<Option<f64>>> {
        (0..12)
            .map(|i| {
                let t = f64::from(i) / 11.0;
                vec![
                    Some(0.2 + 0.6 * t),
                    Some(0.1 + 0.5 * t),
                    Some(0.3 + 0.3 * t),
                ]
            })
            .collect()
    }

    #[test]
    fn a_missing_score_is_restored() {
        let mut with_gap = rows();
        with_gap[6][1] = None;
        let abilities = Abilities::learn(&with_gap).unwrap();
        let truth = 0.1 + 0.5 * 6.0 / 11.0;
        assert!(
            (abilities.rows[6][1] - truth).abs() < 2e-3,
            "{:?}",
            abilities.rows[6]
        );
        assert!(abilities.explained()[0] > 0.999);
        let full = abilities.of(&rows()[3], 1).unwrap();
        let mut gap = rows()[3].clone();
        gap[0] = None;
        let filled = abilities.of(&gap, 1).unwrap();
        assert!((full[0] - filled[0]).abs() < 2e-3);
        assert_eq!(abilities.of(&[None], 1), None);
    }

    #[test]
    fn a_law_is_found_again_and_separation_is_flagged() {
        let z: Vec<Vec<f64>> = (0..20).map(|i| vec![f64::from(i) / 10.0 - 1.0]).collect();
        let y: Vec<f64> = z
            .iter()
            .map(|z| 0.05 + 0.95 / (1.0 + (-(3.0 * z[0] - 1.0)).exp()))
            .collect();
        let law = SigmoidLaw::fit(&z, &y, 0.0).unwrap();
        assert!((law.floor - 0.05).abs() < 1e-6 && (law.weights[0] - 3.0).abs() < 1e-5);
        assert!(!law.ill_conditioned);
        let step: Vec<f64> = z.iter().map(|z| f64::from(u8::from(z[0] > 0.0))).collect();
        let separated = SigmoidLaw::fit(&z, &step, 0.0).unwrap();
        assert!(separated.ill_conditioned);
        assert!(!SigmoidLaw::fit(&z, &step, 1e-3).unwrap().ill_conditioned);
    }

    #[test]
    fn differences_of_errors() {
        let (d, (low, high)) = mse_difference(&[0.0; 30], &[0.4; 30], &[0.5; 30], 200, 1).unwrap();
        assert!((d - 0.24).abs() < 1e-12 && (low - d).abs() < 1e-12 && (high - d).abs() < 1e-12);
        assert_eq!(mse_difference(&[], &[], &[], 10, 1), None);
    }
}
