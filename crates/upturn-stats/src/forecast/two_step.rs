//! From compute to the loss of a task, and from that loss to the score (Bhagia et al. 2024).
//!
//! Step 1 is a [`LossLaw`] or a [`ComputeLaw`]; step 2 is a falling sigmoid
//! score(L) = a/(1 + e^(−k(L − L0))) + b with a in [−1, 0], L0 ≥ 0, k ≥ 0, b in [0, 1].

use rayon::prelude::*;

use super::bounded::{Bounds, minimise};
use super::loss_law::{ComputeLaw, LossLaw, LossPoint, Starts};
use super::predictive::Predictive;
use super::random::{binomial, normal};
use crate::curves::least_squares::Residuals;
use crate::resample::SplitMix64;

/// The score as a function of a loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoreOfLoss {
    /// Height of the fall, −1 to 0.
    pub a: f64,
    /// Loss at its middle.
    pub middle: f64,
    /// Steepness.
    pub k: f64,
    /// Score at a low loss.
    pub b: f64,
    /// Sum of squared errors.
    pub sse: f64,
}

struct Problem<'a>(&'a [(f64, f64)]);

impl Residuals for Problem<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    /// θ = (a, L0, k, b).
    fn at(&self, i: usize, theta: &[f64], gradient: &mut [f64]) -> Option<f64> {
        let (loss, score) = self.0[i];
        let s = 1.0 / (1.0 + (-theta[2] * (loss - theta[1])).exp());
        let slope = theta[0] * s * (1.0 - s);
        gradient.copy_from_slice(&[s, -slope * theta[2], slope * (loss - theta[1]), 1.0]);
        Some(theta[0] * s + theta[3] - score)
    }
}

impl ScoreOfLoss {
    /// Fits (loss, score) by least squares. `None` of fewer than five points, or of values
    /// that are not finite.
    #[must_use]
    pub fn fit(points: &[(f64, f64)]) -> Option<ScoreOfLoss> {
        let finite = points.iter().all(|(l, y)| l.is_finite() && y.is_finite());
        if points.len() < 5 || !finite {
            return None;
        }
        let fold = |f: fn(f64, f64) -> f64, start: f64, value: &dyn Fn(&(f64, f64)) -> f64| {
            points.iter().map(value).fold(start, f)
        };
        let low = fold(f64::min, f64::INFINITY, &|p| p.1);
        let high = fold(f64::max, f64::NEG_INFINITY, &|p| p.1);
        let mean = points.iter().map(|p| p.0).sum::<f64>() / points.len() as f64;
        let bounds = Bounds {
            lower: vec![-1.0, 0.0, 0.0, 0.0],
            upper: vec![0.0, f64::INFINITY, f64::INFINITY, 1.0],
        };
        let mut best: Option<ScoreOfLoss> = None;
        for start in [
            [low - 1.0, 0.9, 3.0, high],
            [low - high, mean, 3.0, high],
            [low - high, mean, 12.0, high],
            [-0.7, 0.8, 10.0, 1.0],
        ] {
            let Some(found) = minimise(&Problem(points), &start, &bounds, &[], 2000) else {
                continue;
            };
            if best.is_none_or(|b| found.sse < b.sse) {
                best = Some(ScoreOfLoss {
                    a: found.theta[0],
                    middle: found.theta[1],
                    k: found.theta[2],
                    b: found.theta[3],
                    sse: found.sse,
                });
            }
        }
        best
    }

    /// The score at this loss.
    #[must_use]
    pub fn at(&self, loss: f64) -> f64 {
        self.a / (1.0 + (-self.k * (loss - self.middle)).exp()) + self.b
    }
}

/// The checkpoints of one run as step 2 uses them: the first tenth dropped, then loss and score
/// averaged over `window` checkpoints (fewer at the start).
#[must_use]
pub fn smoothed(run: &[(f64, f64)], window: usize) -> Vec<(f64, f64)> {
    let kept = &run[run.len().div_ceil(10).min(run.len())..];
    let window = window.max(1);
    (0..kept.len())
        .map(|i| {
            let part = &kept[(i + 1).saturating_sub(window)..=i];
            let n = part.len() as f64;
            (
                part.iter().map(|p| p.0).sum::<f64>() / n,
                part.iter().map(|p| p.1).sum::<f64>() / n,
            )
        })
        .collect()
}

/// A model with the loss and the score of a task.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TwoStepPoint {
    /// Parameters N, if known.
    pub params: Option<f64>,
    /// Tokens D, if known.
    pub tokens: Option<f64>,
    /// Training FLOPs C.
    pub flops: f64,
    /// Loss of the task.
    pub loss: f64,
    /// Score.
    pub score: f64,
}

/// Step 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LossStep {
    /// By N and D.
    Size(LossLaw),
    /// By compute alone.
    Compute(ComputeLaw),
}

/// Both steps.
#[derive(Debug, Clone, PartialEq)]
pub struct TwoStep {
    /// Step 1.
    pub loss: LossStep,
    /// Step 2.
    pub score: ScoreOfLoss,
    /// Standard deviation of the scores around step 2.
    pub residual_sd: f64,
    points: Vec<TwoStepPoint>,
}

fn fit_steps(points: &[TwoStepPoint]) -> Option<(LossStep, ScoreOfLoss)> {
    let sized: Option<Vec<LossPoint>> = points
        .iter()
        .map(|p| {
            Some(LossPoint {
                params: p.params?,
                tokens: p.tokens?,
                loss: p.loss,
            })
        })
        .collect();
    let law = sized.and_then(|sized| LossLaw::fit(&sized, Starts::Few));
    let loss = match law {
        Some(law) => LossStep::Size(law),
        None => {
            let points: Vec<(f64, f64)> = points.iter().map(|p| (p.flops, p.loss)).collect();
            LossStep::Compute(ComputeLaw::fit(&points)?)
        }
    };
    let pairs: Vec<(f64, f64)> = points.iter().map(|p| (p.loss, p.score)).collect();
    Some((loss, ScoreOfLoss::fit(&pairs)?))
}

impl TwoStep {
    /// Fits both steps: by N and D where they are known and vary, by compute otherwise.
    #[must_use]
    pub fn fit(points: &[TwoStepPoint]) -> Option<TwoStep> {
        let (loss, score) = fit_steps(points)?;
        let freedom = points.len().saturating_sub(4).max(1) as f64;
        Some(TwoStep {
            loss,
            score,
            residual_sd: (score.sse / freedom).sqrt(),
            points: points.to_vec(),
        })
    }

    /// (loss, score) of a model; `None` where step 1 needs a size that is not given.
    #[must_use]
    pub fn at(&self, flops: f64, params: Option<f64>, tokens: Option<f64>) -> Option<(f64, f64)> {
        let loss = loss_at(&self.loss, flops, params, tokens)?;
        Some((loss, self.score.at(loss)))
    }

    /// The predictive distribution of a score on `n` items (`None`: not a count): both steps
    /// refitted to resampled models, scatter around step 2, and items.
    #[must_use]
    pub fn predict(
        &self,
        flops: f64,
        params: Option<f64>,
        tokens: Option<f64>,
        n: Option<u64>,
        n_draws: u32,
        seed: u64,
    ) -> Option<Predictive> {
        let (_, point) = self.at(flops, params, tokens)?;
        let refits: Vec<(f64, f64)> = (0..u64::from(n_draws.min(199)))
            .into_par_iter()
            .filter_map(|draw| {
                let mut rng = SplitMix64::stream(seed ^ 0x2757, draw);
                let k = self.points.len();
                let chosen: Vec<TwoStepPoint> = (0..k).map(|_| self.points[rng.index(k)]).collect();
                let (loss, score) = fit_steps(&chosen)?;
                let value = score.at(loss_at(&loss, flops, params, tokens)?);
                value.is_finite().then_some((value, 0.0))
            })
            .collect();
        if refits.is_empty() {
            return None;
        }
        let mut rng = SplitMix64::stream(seed ^ 0x2758, flops.to_bits());
        let draws: Vec<f64> = (0..n_draws as usize)
            .map(|draw| {
                let mean = refits[draw % refits.len()].0;
                let own = (mean + self.residual_sd * normal(&mut rng)).clamp(0.0, 1.0);
                match n {
                    Some(n) if n > 0 => binomial(&mut rng, n, own) as f64 / n as f64,
                    _ => own,
                }
            })
            .collect();
        Some(Predictive::new(point, draws, Vec::new(), Vec::new()))
    }
}

fn loss_at(step: &LossStep, flops: f64, params: Option<f64>, tokens: Option<f64>) -> Option<f64> {
    match step {
        LossStep::Size(law) => Some(law.at(params?, tokens?)),
        LossStep::Compute(law) => Some(law.at(flops)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(n: f64, d: f64) -> TwoStepPoint {
        let loss = 60.0 / n.powf(0.25) + 60.0 / d.powf(0.2) + 0.4;
        let score = 0.95 - 0.7 / (1.0 + (-8.0 * (loss - 0.8)).exp());
        TwoStepPoint {
            params: Some(n),
            tokens: Some(d),
            flops: 6.0 * n * d,
            loss,
            score,
        }
    }

    fn ladder() -> Vec<TwoStepPoint> {
        let mut points = Vec::new();
        for n in [2e8, 4e8, 8e8, 1.5e9] {
            for ratio in [20.0, 40.0, 100.0, 200.0] {
                points.push(model(n, ratio * n));
            }
        }
        points
    }

    #[test]
    fn both_steps_are_found_again() {
        let fit = TwoStep::fit(&ladder()).unwrap();
        let big = model(1.3e10, 5e12);
        let (loss, score) = fit.at(big.flops, big.params, big.tokens).unwrap();
        assert!((loss - big.loss).abs() < 0.01, "{loss} {}", big.loss);
        assert!((score - big.score).abs() < 0.02, "{score} {}", big.score);
        let p = fit
            .predict(big.flops, big.params, big.tokens, Some(1000), 400, 1)
            .unwrap();
        let (low, high) = p.interval(0.95);
        assert!(low <= big.score && big.score <= high, "{low} {high}");
    }

    #[test]
    fn sigmoid_within_its_bounds() {
        let points: Vec<(f64, f64)> = (0..40)
            .map(|i| {
                let loss = 0.5 + 0.02 * f64::from(i);
                (loss, 1.0 - 0.65 / (1.0 + (-4.0 * (loss - 0.74)).exp()))
            })
            .collect();
        let fit = ScoreOfLoss::fit(&points).unwrap();
        assert!(fit.sse < 1e-8, "{fit:?}");
        assert!((fit.at(0.4) - (1.0 - 0.65 / (1.0 + 1.36f64.exp()))).abs() < 1e-3);
        assert!(fit.b <= 1.0 && fit.a >= -1.0);
    }

    #[test]
    fn runs_are_smoothed_without_their_start() {
        let run: Vec<(f64, f64)> = (0..10).map(|i| (f64::from(i), 0.0)).collect();
        let s = smoothed(&run, 5);
        assert_eq!(s.len(), 9);
        assert_eq!((s[0].0, s[1].0, s[8].0), (1.0, 1.5, 7.0));
        assert!(smoothed(&[], 5).is_empty());
    }
}
