//! Forecasts and backtests of curves: would the smaller models have told what the larger score?
//!
//! A [`Subject`] is what is forecast: one curve read across models, or, pooled, the curves of
//! all families that were measured alike.

use std::collections::BTreeMap;

use rayon::prelude::*;
use upturn_stats::forecast::{
    BacktestConfig, ForecastConfig, Forecaster, backtest, backtest_at, baselines, design, headline,
    judge_predictions, record, scoring,
};
use upturn_stats::threshold::interval;
use upturn_stats::verdict::{JudgeConfig, judge as judge_series};
use upturn_stats::{Obs, Series};
use upturn_types::{
    AnalysisConfig, Axis, Backtest, Baseline, BaselineErrors, Curve, CurveBacktest, CurveForecast,
    CurveId, CurveKey, CurveModel, CurvePoint, ForecastScore, Prediction, Text, View,
};

use crate::judge;
use crate::views::views;

/// Draws of the predictive distributions of automatic backtests.
pub const N_DRAWS: u32 = 1000;
/// The family of a pooled subject's key.
pub const ALL_FAMILIES: &str = "all families";

/// What is forecast.
#[derive(Debug, Clone)]
pub struct Subject<'a> {
    /// The curve; `None` where families are pooled.
    pub curve: Option<CurveId>,
    /// Its key.
    pub key: CurveKey,
    /// Axis.
    pub axis: Axis,
    /// Scores in order of scale, without step 0 and points of no known precision.
    pub series: Series,
    /// Label of each point's family, where families are pooled.
    pub groups: Option<Vec<usize>>,
    /// The points of the series.
    pub points: Vec<&'a CurvePoint>,
    chance: f64,
    ceiling: f64,
    seed: u64,
}

/// The choices of a forecast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ForecastChoices {
    /// Curve: logistic, gompertz or power.
    pub model: CurveModel,
    /// Draws.
    pub n_draws: u32,
    /// Level of the coverage test.
    pub alpha: f64,
    /// Near-random margin as a share of the range.
    pub near_margin: f64,
}

impl ForecastChoices {
    /// Those of an analysis, with the logistic.
    #[must_use]
    pub fn of(config: &AnalysisConfig) -> ForecastChoices {
        ForecastChoices {
            model: CurveModel::Logistic,
            n_draws: N_DRAWS,
            alpha: config.alpha,
            near_margin: config.near_margin,
        }
    }
}

/// Where a forecast is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// The model, if it is one.
    pub model: Option<Text>,
    /// Coordinate on the axis.
    pub x: f64,
}

/// The subjects of an analysis, in the order of the curves: each curve for itself, or pooled.
///
/// Curves of a metric without chance or ceiling, and averages of others, are none.
#[must_use]
pub fn subjects<'a>(curves: &'a [Curve], config: &AnalysisConfig, pool: bool) -> Vec<Subject<'a>> {
    let single: Vec<Subject<'a>> = curves
        .par_iter()
        .filter(|curve| !curve.aggregate)
        .filter_map(|curve| subject(curve, config))
        .collect();
    if !pool {
        return single;
    }
    let mut alike: BTreeMap<CurveKey, Vec<Subject<'a>>> = BTreeMap::new();
    for subject in single.into_iter().filter(|s| s.axis == config.axis) {
        let key = CurveKey {
            family: ALL_FAMILIES.into(),
            tuning: None,
            ..subject.key.clone()
        };
        alike.entry(key).or_default().push(subject);
    }
    alike
        .into_iter()
        .map(|(key, parts)| pooled(key, parts, config.seed))
        .collect()
}

fn subject<'a>(curve: &'a Curve, config: &AnalysisConfig) -> Option<Subject<'a>> {
    let (chance, ceiling) = curve.chance.zip(curve.ceiling)?;
    let reading = views(curve, config)
        .into_iter()
        .find(|reading| reading.view == View::Across)?;
    let series = judge::series(curve, reading.points.iter().copied());
    let keep: Vec<usize> = (0..series.len())
        .filter(|&i| {
            series.x[i].is_finite()
                && match series.obs[i] {
                    Obs::Binomial { n, .. } => n > 0,
                    Obs::Mean { y, se, .. } => y.is_finite() && se.is_some_and(|se| se > 0.0),
                }
        })
        .collect();
    Some(Subject {
        curve: Some(curve.id.clone()),
        key: curve.key.clone(),
        axis: reading.axis,
        groups: None,
        points: keep
            .iter()
            .map(|&i| &curve.points[reading.points[i].0])
            .collect(),
        chance,
        ceiling,
        seed: judge::seed_of(curve, &reading, config.seed),
        series: Series {
            x: keep.iter().map(|&i| series.x[i]).collect(),
            obs: keep.iter().map(|&i| series.obs[i]).collect(),
            ..series
        },
    })
}

/// The curves of several families as one; those whose range differs from the first's are left out.
fn pooled<'a>(key: CurveKey, parts: Vec<Subject<'a>>, seed: u64) -> Subject<'a> {
    let (axis, chance, ceiling) = (parts[0].axis, parts[0].chance, parts[0].ceiling);
    let mut families: Vec<Text> = parts.iter().map(|p| p.key.family.clone()).collect();
    families.sort();
    families.dedup();
    let mut all: Vec<(f64, Obs, usize, &'a CurvePoint)> = Vec::new();
    for part in &parts {
        if (part.chance, part.ceiling) != (chance, ceiling) {
            continue;
        }
        let label = families.binary_search(&part.key.family).unwrap_or(0);
        for (i, point) in part.points.iter().enumerate() {
            all.push((part.series.x[i], part.series.obs[i], label, point));
        }
    }
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.3.model.cmp(&b.3.model)));
    let seed = key
        .id()
        .0
        .bytes()
        .fold(seed ^ 0x9e37_79b9_7f4a_7c15, |h, b| {
            (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    Subject {
        curve: None,
        key,
        axis,
        groups: (families.len() > 1).then(|| all.iter().map(|p| p.2).collect()),
        points: all.iter().map(|p| p.3).collect(),
        series: Series {
            x: all.iter().map(|p| p.0).collect(),
            obs: all.iter().map(|p| p.1).collect(),
            chance: Some(chance),
            ceiling: Some(ceiling),
        },
        chance,
        ceiling,
        seed,
    }
}

/// The automatic backtests of all curves across models, in their order. Those without an
/// admissible cut-off (four scales below, two above) have none.
#[must_use]
pub fn backtests(subjects: &[Subject], choices: &ForecastChoices) -> Vec<CurveBacktest> {
    subjects
        .par_iter()
        .filter_map(|subject| subject.backtests(choices))
        .collect()
}

impl Subject<'_> {
    fn forecast_config(&self, choices: &ForecastChoices) -> ForecastConfig {
        ForecastConfig {
            model: choices.model,
            n_draws: choices.n_draws,
            seed: self.seed,
            ..ForecastConfig::default()
        }
    }

    fn config(&self, choices: &ForecastChoices) -> BacktestConfig {
        BacktestConfig {
            forecast: self.forecast_config(choices),
            alpha: choices.alpha,
            margin: choices.near_margin * (self.ceiling - self.chance),
            onset: self.onset(choices),
        }
    }

    /// Midpoint of the certified onset, where both ends are certified; none of pooled families.
    fn onset(&self, choices: &ForecastChoices) -> Option<f64> {
        self.curve.as_ref()?;
        let rules = JudgeConfig {
            near_margin: choices.near_margin,
            alpha: choices.alpha,
            min_span: self.axis.min_span(),
            ..JudgeConfig::default()
        };
        let walk = judge_series(&self.series, &rules).walk?;
        let (lower, upper) = interval(&self.series.x, &walk);
        let (lower, upper) = lower.zip(upper)?;
        Some(0.5 * (lower + upper))
    }

    /// Backtests at every admissible cut-off; only the headline keeps its predictions.
    fn backtests(&self, choices: &ForecastChoices) -> Option<CurveBacktest> {
        let config = self.config(choices);
        let mut cutoffs = backtest(&self.series, self.groups.as_deref(), &config);
        if cutoffs.is_empty() {
            return None;
        }
        let headline = headline(&cutoffs);
        for (i, cutoff) in cutoffs.iter_mut().enumerate() {
            if i == headline {
                self.name(cutoff);
            } else {
                cutoff.predictions.clear();
            }
        }
        Some(CurveBacktest {
            curve: self.curve.clone(),
            key: self.key.clone(),
            axis: self.axis,
            model: choices.model,
            chance: self.chance,
            ceiling: self.ceiling,
            cutoffs,
            headline,
        })
    }

    /// Gives the predictions of a backtest the names of their models.
    fn name(&self, backtest: &mut Backtest) {
        let held = (0..self.series.len()).filter(|&i| self.series.x[i] > backtest.cutoff);
        for (prediction, i) in backtest.predictions.iter_mut().zip(held) {
            prediction.model = Some(self.points[i].model.clone());
            prediction.checkpoint_step = self.points[i].checkpoint_step;
        }
    }

    /// A forecast from the models below `below` (a coordinate; `None`: from all): of the held-out
    /// models and of the targets. With `what_to_measure`, the designs that would narrow the
    /// prediction of the farthest one.
    ///
    /// # Errors
    /// Why none can be made, in a lowercase fragment.
    pub fn forecast(
        &self,
        below: Option<f64>,
        targets: &[Target],
        choices: &ForecastChoices,
        what_to_measure: bool,
    ) -> Result<CurveForecast, String> {
        let cutoff = below.unwrap_or(f64::INFINITY);
        let train: Vec<usize> = (0..self.series.len())
            .filter(|&i| self.series.x[i] <= cutoff)
            .collect();
        let series = Series {
            x: train.iter().map(|&i| self.series.x[i]).collect(),
            obs: train.iter().map(|&i| self.series.obs[i]).collect(),
            ..self.series
        };
        let groups: Option<Vec<usize>> = self
            .groups
            .as_ref()
            .map(|g| train.iter().map(|&i| g[i]).collect());
        let n_scales = series.n_scales();
        if n_scales < 3 {
            return Err(format!(
                "{n_scales} usable scales to fit to; a forecast needs 3 (each with n or a standard \
                 error)"
            ));
        }
        let fit = Forecaster::fit(&series, groups.as_deref(), &self.forecast_config(choices))
            .ok_or("no curve can be fitted to these scores")?;
        let largest = series.x[series.len() - 1];
        let backtest = below.and_then(|_| {
            let mut test = backtest_at(
                &self.series,
                self.groups.as_deref(),
                largest,
                &self.config(choices),
            )?;
            self.name(&mut test);
            Some(test)
        });
        let mut predictions = backtest
            .as_ref()
            .map(|b| b.predictions.clone())
            .unwrap_or_default();
        let precision = fit.typical_precision();
        for target in targets {
            let known = predictions
                .iter()
                .any(|p| target.model.is_some() && p.model == target.model);
            if !known {
                let predictive = fit.predict(target.x, precision);
                predictions.push(Prediction {
                    model: target.model.clone(),
                    ..record(&predictive, target.x, precision)
                });
            }
        }
        predictions.sort_by(|a, b| a.x.total_cmp(&b.x).then_with(|| a.model.cmp(&b.model)));
        if predictions.is_empty() {
            return Err("no model above the cut-off and no scale asked for".to_owned());
        }
        let x: Vec<f64> = predictions.iter().map(|p| p.x).collect();
        let n: Vec<u64> = series
            .obs
            .iter()
            .map(|obs| match obs {
                Obs::Binomial { n, .. } => *n,
                Obs::Mean { .. } => 0,
            })
            .collect();
        Ok(CurveForecast {
            curve: self.curve.clone(),
            key: self.key.clone(),
            axis: self.axis,
            model: choices.model,
            chance: self.chance,
            ceiling: self.ceiling,
            cutoff: largest,
            n_train: fit.n_models(),
            baselines: baselines(&series.x, &series.scores(), &n, &x),
            designs: if what_to_measure {
                designs(&fit, &series, &predictions, self.seed)
            } else {
                Vec::new()
            },
            predictions,
            backtest,
        })
    }
}

/// What one more model would bring for the farthest prediction: at six scales from the smallest
/// to just below it, on the usual number of items and on four times as many.
fn designs(
    fit: &Forecaster,
    series: &Series,
    predictions: &[Prediction],
    seed: u64,
) -> Vec<upturn_types::Design> {
    let Some(target) = predictions.last() else {
        return Vec::new();
    };
    let Some(n) = target.n else {
        return Vec::new();
    };
    let (first, last) = (series.x[0], series.x[series.len() - 1]);
    let mut at = vec![first, 0.5 * (first + last), last];
    if target.x > last {
        at.extend([0.25, 0.5, 0.75].map(|share| last + share * (target.x - last)));
    }
    let candidates: Vec<(f64, u64)> = at
        .into_iter()
        .flat_map(|x| [(x, n), (x, n.saturating_mul(4))])
        .collect();
    design::designs(fit, target.x, n, &candidates, seed)
}

/// How close two scales are taken for one, on a log axis.
const SAME_SCALE: f64 = 0.02;

/// A saved forecast against scores observed since; `None` where no subject has its key.
#[must_use]
pub fn score(saved: &CurveForecast, subjects: &[Subject], alpha: f64) -> Option<ForecastScore> {
    let subject = subjects
        .iter()
        .find(|s| s.key == saved.key && s.axis == saved.axis)?;
    let observed = |prediction: &Prediction| {
        let of_model = |point: &&CurvePoint| {
            Some(&point.model) == prediction.model.as_ref()
                && (prediction.checkpoint_step.is_none()
                    || point.checkpoint_step == prediction.checkpoint_step)
        };
        match &prediction.model {
            Some(_) => subject.points.iter().position(of_model),
            None => (0..subject.series.len())
                .filter(|&i| (subject.series.x[i] - prediction.x).abs() <= SAME_SCALE)
                .min_by(|&i, &j| {
                    let far = |i: usize| (subject.series.x[i] - prediction.x).abs();
                    far(i).total_cmp(&far(j))
                }),
        }
        .map(|i| subject.series.obs[i].score())
    };
    let predictions: Vec<Prediction> = saved
        .predictions
        .iter()
        .map(|p| Prediction {
            observed: observed(p),
            ..p.clone()
        })
        .collect();
    let seen: Vec<usize> = (0..predictions.len())
        .filter(|&i| predictions[i].observed.is_some())
        .collect();
    let y: Vec<f64> = seen
        .iter()
        .filter_map(|&i| predictions[i].observed)
        .collect();
    let point: Vec<f64> = seen.iter().map(|&i| predictions[i].point).collect();
    let errors = scoring::errors(&point, &y);
    let baselines: Vec<BaselineErrors> = saved
        .baselines
        .iter()
        .filter_map(|(baseline, values): &(Baseline, Vec<f64>)| {
            let chosen: Option<Vec<f64>> = seen.iter().map(|&i| values.get(i).copied()).collect();
            Some(BaselineErrors {
                baseline: *baseline,
                errors: scoring::errors(&chosen?, &y)?,
            })
        })
        .collect();
    let crps: Option<Vec<f64>> = seen
        .iter()
        .zip(&y)
        .map(|(&i, y)| {
            scoring::crps_from_quantiles(&Prediction::LEVELS, &predictions[i].quantiles, *y)
        })
        .collect();
    let coverage: Vec<_> = [0.5, 0.9, 0.95]
        .into_iter()
        .map(|level| {
            let inside = seen.iter().zip(&y).filter(|(i, y)| {
                predictions[**i]
                    .interval(level)
                    .is_some_and(|(low, high)| (low..=high).contains(*y))
            });
            scoring::coverage(level, inside.count(), y.len())
        })
        .collect();
    let range = saved.ceiling - saved.chance;
    let (surprises, verdict) = match &errors {
        Some(errors) => {
            judge_predictions(&predictions, &baselines, errors, &coverage, range, alpha)
        }
        None => (Vec::new(), upturn_types::Predictability::Undetermined),
    };
    Some(ForecastScore {
        key: saved.key.clone(),
        axis: saved.axis,
        n_missing: predictions.len() - seen.len(),
        predictions,
        errors,
        baselines,
        crps: crps
            .filter(|c| !c.is_empty())
            .map(|c| c.iter().sum::<f64>() / c.len() as f64),
        coverage,
        surprises,
        verdict,
    })
}
