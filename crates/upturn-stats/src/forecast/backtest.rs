//! Hiding the largest models of a series and scoring the forecast of them.

use upturn_types::{
    Backtest, BaselineErrors, Coverage, ForecastErrors, Predictability, Prediction,
};

use super::baselines::baselines;
use super::forecaster::{ForecastConfig, Forecaster, Precision};
use super::predictive::Predictive;
use super::scoring::{coverage, errors, interval_score};
use crate::{Obs, Series};

/// Levels of the prediction intervals.
const LEVELS: [f64; 3] = [0.5, 0.9, 0.95];
/// The level whose coverage and interval score are judged.
const JUDGED: f64 = 0.9;
/// Scales that a forecast needs.
const MIN_TRAIN: usize = 4;
/// Scales that a backtest needs.
const MIN_TEST: usize = 2;
/// Held-out scales without which nothing is called predictable.
pub(crate) const MIN_PREDICTABLE: usize = 4;

/// How a backtest is made and judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BacktestConfig {
    /// The forecast.
    pub forecast: ForecastConfig,
    /// Level at which coverage is rejected.
    pub alpha: f64,
    /// Near-random margin δ, score units: the onset is where the curve passes chance + δ.
    pub margin: f64,
    /// Where the onset was certified, from all models (midpoint of its interval).
    pub onset: Option<f64>,
}

/// The admissible cut-offs of a series: largest coordinates fitted to that leave at least
/// four scales below and two above. Scales, because models at one scale say nothing of growth.
#[must_use]
pub fn cutoffs(series: &Series) -> Vec<f64> {
    let mut scales: Vec<f64> = (0..series.len())
        .filter(|&i| usable(series, i))
        .map(|i| series.x[i])
        .collect();
    scales.dedup();
    let last = (scales.len() + 1).saturating_sub(MIN_TEST);
    scales
        .get(MIN_TRAIN - 1..last.saturating_sub(1).max(MIN_TRAIN - 1))
        .map(<[f64]>::to_vec)
        .unwrap_or_default()
}

/// Backtests at every admissible cut-off, from the smallest. `groups` labels the points with
/// their families where several are pooled.
#[must_use]
pub fn backtest(
    series: &Series,
    groups: Option<&[usize]>,
    config: &BacktestConfig,
) -> Vec<Backtest> {
    use rayon::prelude::*;
    cutoffs(series)
        .into_par_iter()
        .filter_map(|cutoff| backtest_at(series, groups, cutoff, config))
        .collect()
}

/// The backtest that stands for a series: the largest cut-off that leaves enough scales to
/// call it predictable, else the largest there is.
#[must_use]
pub fn headline(backtests: &[Backtest]) -> usize {
    backtests
        .iter()
        .rposition(|b| b.n_test_scales >= MIN_PREDICTABLE)
        .unwrap_or(backtests.len().saturating_sub(1))
}

/// Whether a point can be fitted to and scored.
fn usable(series: &Series, i: usize) -> bool {
    series.x[i].is_finite()
        && match series.obs[i] {
            Obs::Binomial { n, .. } => n > 0,
            Obs::Mean { y, se, .. } => y.is_finite() && se.is_some_and(|se| se > 0.0),
        }
}

fn precision(obs: &Obs) -> Precision {
    match *obs {
        Obs::Binomial { n, .. } => Precision::Items(n),
        Obs::Mean { se, .. } => Precision::StandardError(se.unwrap_or(0.0)),
    }
}

fn items(obs: &Obs) -> u64 {
    match *obs {
        Obs::Binomial { n, .. } => n,
        Obs::Mean { .. } => 0,
    }
}

/// The points at or below a coordinate, with their labels.
fn below(series: &Series, groups: Option<&[usize]>, cutoff: f64) -> (Series, Option<Vec<usize>>) {
    let keep: Vec<usize> = (0..series.len())
        .filter(|&i| usable(series, i) && series.x[i] <= cutoff)
        .collect();
    let train = Series {
        x: keep.iter().map(|&i| series.x[i]).collect(),
        obs: keep.iter().map(|&i| series.obs[i]).collect(),
        ..*series
    };
    let labels = groups.map(|g| keep.iter().map(|&i| g[i]).collect());
    (train, labels)
}

/// The forecast from the points at or below `cutoff`, scored on those above.
///
/// `None` where the part below cannot be fitted, or nothing is above.
#[must_use]
pub fn backtest_at(
    series: &Series,
    groups: Option<&[usize]>,
    cutoff: f64,
    config: &BacktestConfig,
) -> Option<Backtest> {
    let (train, labels) = below(series, groups, cutoff);
    let fit = Forecaster::fit(&train, labels.as_deref(), &config.forecast)?;
    let held: Vec<usize> = (0..series.len())
        .filter(|&i| usable(series, i) && series.x[i] > cutoff)
        .collect();
    let x: Vec<f64> = held.iter().map(|&i| series.x[i]).collect();
    let observed: Vec<f64> = held.iter().map(|&i| series.obs[i].score()).collect();
    let full: Vec<Predictive> = held
        .iter()
        .map(|&i| fit.predict(series.x[i], precision(&series.obs[i])))
        .collect();
    let plug_in: Vec<Predictive> = held
        .iter()
        .map(|&i| fit.predict_plug_in(series.x[i], precision(&series.obs[i])))
        .collect();
    let points: Vec<f64> = full.iter().map(|p| p.point).collect();
    let errors = errors(&points, &observed)?;
    let baselines = baseline_errors(&train, &x, &observed);
    let m = held.len() as f64;
    let mean = |value: &dyn Fn(usize) -> f64| (0..held.len()).map(value).sum::<f64>() / m;
    let outer = |j: usize| full[j].interval(JUDGED);
    let coverage = covered(&full, &observed);
    let surprises = surprises(&x, &observed, |j| full[j].quantile(0.975));
    let width_max = full
        .iter()
        .map(|p| {
            let (lower, upper) = p.interval(0.95);
            upper - lower
        })
        .fold(0.0, f64::max);
    let mut scales = x.clone();
    scales.dedup();
    let last = baselines.first().map(|b| b.errors.mse);
    let verdict = judge(&Facts {
        largest: x.last().copied(),
        n_scales: scales.len(),
        scales: &scales,
        surprises: &surprises,
        coverage: &coverage,
        mse: errors.mse,
        baselines: &baselines,
        width_max,
        range: fit.range(),
        alpha: config.alpha,
    });
    Some(Backtest {
        cutoff,
        n_train: fit.n_models(),
        n_test: held.len(),
        n_test_scales: scales.len(),
        likelihood: fit.likelihood().to_owned(),
        x_mean: fit.x_mean(),
        theta: fit.theta().to_vec(),
        rho: fit.rho(),
        log_likelihood: fit.log_likelihood(),
        errors,
        skill: last
            .filter(|mse| *mse > 0.0)
            .map(|mse| 1.0 - errors.mse / mse),
        baselines,
        crps: mean(&|j| full[j].crps(observed[j])),
        interval_score: mean(&|j| interval_score(outer(j), JUDGED, observed[j])),
        log_score: mean(&|j| fit.log_score(&full[j], precision(&series.obs[held[j]]), observed[j])),
        coverage,
        coverage_plug_in: covered(&plug_in, &observed),
        n_above: (0..held.len())
            .filter(|&j| observed[j] > outer(j).1)
            .count(),
        n_below: (0..held.len())
            .filter(|&j| observed[j] < outer(j).0)
            .count(),
        width_max,
        threshold_error: config
            .onset
            .filter(|onset| *onset > cutoff)
            .zip(fit.onset(config.margin))
            .map(|(seen, said)| (seen - said).abs()),
        surprises,
        verdict,
        predictions: held
            .iter()
            .zip(&full)
            .map(|(&i, p)| prediction(series, i, p))
            .collect(),
    })
}

/// A prediction as it is recorded; the caller adds the model's name.
pub fn record(predictive: &Predictive, x: f64, precision: Precision) -> Prediction {
    Prediction {
        model: None,
        checkpoint_step: None,
        x,
        n: match precision {
            Precision::Items(n) => Some(n),
            Precision::StandardError(_) => None,
        },
        point: predictive.point,
        mean: predictive.mean(),
        quantiles: Prediction::LEVELS
            .iter()
            .map(|q| predictive.quantile(*q))
            .collect(),
        observed: None,
    }
}

fn prediction(series: &Series, i: usize, predictive: &Predictive) -> Prediction {
    let obs = &series.obs[i];
    Prediction {
        observed: Some(obs.score()),
        ..record(predictive, series.x[i], precision(obs))
    }
}

fn baseline_errors(train: &Series, x: &[f64], observed: &[f64]) -> Vec<BaselineErrors> {
    let scores = train.scores();
    let n: Vec<u64> = train.obs.iter().map(items).collect();
    baselines(&train.x, &scores, &n, x)
        .into_iter()
        .filter_map(|(baseline, predicted)| {
            Some(BaselineErrors {
                baseline,
                errors: errors(&predicted, observed)?,
            })
        })
        .collect()
}

fn covered(predictive: &[Predictive], observed: &[f64]) -> Vec<Coverage> {
    LEVELS
        .iter()
        .map(|&level| {
            let inside = predictive.iter().zip(observed).filter(|(p, y)| {
                let (lower, upper) = p.interval(level);
                (lower..=upper).contains(*y)
            });
            coverage(level, inside.count(), observed.len())
        })
        .collect()
}

/// The held-out scales at which every observed score is above its upper quantile.
#[must_use]
pub(crate) fn surprises(x: &[f64], observed: &[f64], upper: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut scales = x.to_vec();
    scales.dedup();
    scales
        .into_iter()
        .filter(|scale| {
            (0..x.len())
                .filter(|&j| x[j] == *scale)
                .all(|j| observed[j] > upper(j))
        })
        .collect()
}

/// What the verdict rests on.
pub(crate) struct Facts<'a> {
    pub largest: Option<f64>,
    pub n_scales: usize,
    /// Distinct held-out scales, increasing.
    pub scales: &'a [f64],
    pub surprises: &'a [f64],
    pub coverage: &'a [Coverage],
    pub mse: f64,
    pub baselines: &'a [BaselineErrors],
    pub width_max: f64,
    pub range: f64,
    pub alpha: f64,
}

/// The verdict: a surprise first, then all that a good forecast has to show.
pub(crate) fn judge(facts: &Facts) -> Predictability {
    let surprised = |scale: &f64| facts.surprises.contains(scale);
    let jump = facts.largest.as_ref().is_some_and(surprised)
        || facts
            .scales
            .windows(2)
            .any(|pair| pair.iter().all(surprised));
    if jump {
        return Predictability::Unpredictable;
    }
    let holds = facts
        .coverage
        .iter()
        .find(|c| c.level == JUDGED)
        .is_some_and(|c| c.p > facts.alpha);
    let best = facts
        .baselines
        .iter()
        .map(|b| b.errors.mse)
        .fold(f64::INFINITY, f64::min);
    let good = facts.n_scales >= MIN_PREDICTABLE
        && holds
        && facts.mse < 0.5 * best
        && facts.width_max < 0.5 * facts.range;
    if good {
        Predictability::Predictable
    } else {
        Predictability::Undetermined
    }
}

/// A saved forecast's verdict, from predictions with their observed scores.
#[must_use]
pub fn judge_predictions(
    predictions: &[Prediction],
    baselines: &[BaselineErrors],
    errors: &ForecastErrors,
    coverage: &[Coverage],
    range: f64,
    alpha: f64,
) -> (Vec<f64>, Predictability) {
    let seen: Vec<(&Prediction, f64)> = predictions
        .iter()
        .filter_map(|p| Some((p, p.observed?)))
        .collect();
    let x: Vec<f64> = seen.iter().map(|(p, _)| p.x).collect();
    let observed: Vec<f64> = seen.iter().map(|(_, y)| *y).collect();
    let ends = |j: usize| seen[j].0.interval(0.95).unwrap_or((0.0, f64::INFINITY));
    let surprises = surprises(&x, &observed, |j| ends(j).1);
    let mut scales = x.clone();
    scales.dedup();
    let width_max = (0..seen.len())
        .map(|j| ends(j).1 - ends(j).0)
        .fold(0.0, f64::max);
    let verdict = judge(&Facts {
        largest: x.last().copied(),
        n_scales: scales.len(),
        scales: &scales,
        surprises: &surprises,
        coverage,
        mse: errors.mse,
        baselines,
        width_max,
        range,
        alpha,
    });
    (surprises, verdict)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> BacktestConfig {
        BacktestConfig {
            forecast: ForecastConfig::default(),
            alpha: 0.05,
            margin: 0.05,
            onset: None,
        }
    }

    fn logistic(x: f64, a: f64, b: f64) -> f64 {
        1.0 / (1.0 + (-(a + b * (x - 21.5))).exp())
    }

    fn series(score: impl Fn(f64) -> f64) -> Series {
        let x: Vec<f64> = (0..9).map(|i| 19.5 + 0.5 * f64::from(i)).collect();
        let k: Vec<u64> = x
            .iter()
            .map(|x| (2000.0 * score(*x)).round() as u64)
            .collect();
        Series::binomial(&x, &k, 2000, 0.0)
    }

    #[test]
    fn cutoffs_leave_four_and_two() {
        let s = series(|x| logistic(x, 0.0, 1.0));
        assert_eq!(cutoffs(&s), [21.0, 21.5, 22.0, 22.5]);
        let short = Series::binomial(&[1.0, 2.0, 3.0, 4.0, 5.0], &[1; 5], 10, 0.0);
        assert!(cutoffs(&short).is_empty());
        let six = Series::binomial(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[1; 6], 10, 0.0);
        assert_eq!(cutoffs(&six), [4.0]);
        assert!(cutoffs(&Series::binomial(&[], &[], 1, 0.0)).is_empty());
    }

    #[test]
    fn a_smooth_rise_is_predictable() {
        let s = series(|x| logistic(x, -0.5, 1.2));
        let test = backtest_at(&s, None, 21.5, &config()).unwrap();
        assert_eq!(test.n_test_scales, 4);
        assert_eq!(test.verdict, Predictability::Predictable, "{test:?}");
        assert!(test.skill.unwrap() > 0.99);
        assert!(test.crps < 0.02 && test.log_score > -6.0);
        assert_eq!(test.coverage[1].inside, 4);
        assert_eq!(headline(&backtest(&s, None, &config())), 1);
    }

    #[test]
    fn a_jump_after_a_flat_start_is_not() {
        let s = series(|x| {
            if x < 22.2 {
                0.30 + 0.01 * (x - 19.5)
            } else {
                0.9
            }
        });
        let test = backtest_at(&s, None, 21.5, &config()).unwrap();
        assert_eq!(test.verdict, Predictability::Unpredictable);
        assert_eq!(test.surprises, [22.5, 23.0, 23.5]);
    }

    #[test]
    fn a_floor_is_no_certainty() {
        // Nothing but zeros: the interval far above says that nothing is known.
        let s = series(|x| if x < 21.7 { 0.0 } else { 0.4 });
        let test = backtest_at(&s, None, 21.5, &config()).unwrap();
        let far = test.predictions.last().unwrap().interval(0.95).unwrap();
        assert!(far.0 < 0.01 && far.1 > 0.4, "{far:?}");
        assert_eq!(test.verdict, Predictability::Undetermined);
    }

    #[test]
    fn the_seed_decides_all() {
        let s = series(|x| logistic(x, -0.5, 1.2));
        let first = backtest(&s, None, &config());
        assert_eq!(first, backtest(&s, None, &config()));
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(3)
            .build()
            .unwrap();
        assert_eq!(first, pool.install(|| backtest(&s, None, &config())));
    }
}
