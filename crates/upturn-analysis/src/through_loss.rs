//! Forecasts through a loss: compute → loss → score, and whether the loss alone explains a score.

use std::collections::BTreeMap;

use upturn_catalog::metric_info;
use upturn_stats::Obs;
use upturn_stats::forecast::collapse::{CollapsePoint, collapse};
use upturn_stats::forecast::two_step::{LossStep, TwoStep, TwoStepPoint};
use upturn_stats::forecast::{Precision, baselines, record, scoring};
use upturn_types::{
    Axis, BaselineErrors, CollapseTest, Curve, CurvePoint, Prediction, Scale, Text, TwoStepForecast,
};

use crate::backtests::Subject;

/// Which number is the loss of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LossSource {
    /// The pre-training loss of the measurements, nats per token.
    Training,
    /// A metric of a task (`ppl` and `perplexity` as their logarithm); the task of the score
    /// itself where none is named.
    Metric {
        /// Task; `None`: the task of the score.
        task: Option<String>,
        /// Metric.
        metric: String,
    },
}

impl std::fmt::Display for LossSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LossSource::Training => f.write_str("pre-training loss"),
            LossSource::Metric { task: None, metric } => write!(f, "{metric} of the task"),
            LossSource::Metric {
                task: Some(task),
                metric,
            } => write!(f, "{metric} of {task}"),
        }
    }
}

/// A model at a step.
type Place = (Text, Option<u64>);

/// The one name of a metric that has several spellings.
fn canonical(metric: &str) -> String {
    metric_info(metric).map_or_else(|| metric.to_ascii_lowercase(), |info| info.canonical)
}

/// Losses of all models and checkpoints.
fn losses(curves: &[Curve], score: &Curve, source: &LossSource) -> BTreeMap<Place, f64> {
    let place = |p: &CurvePoint| (p.model.clone(), p.checkpoint_step);
    match source {
        LossSource::Training => score
            .points
            .iter()
            .filter_map(|p| Some((place(p), p.scale.train_loss_nats?)))
            .collect(),
        LossSource::Metric { task, metric } => curves
            .iter()
            .filter(|c| canonical(&c.key.metric) == canonical(metric))
            .filter(|c| c.key.family == score.key.family && c.key.tuning == score.key.tuning)
            .filter(|c| match task {
                Some(task) => {
                    c.key.task.eq_ignore_ascii_case(task)
                        || c.key.task_name().eq_ignore_ascii_case(task)
                }
                None => c.key.task == score.key.task && c.key.subset == score.key.subset,
            })
            .filter(|c| c.key.shots == score.key.shots || task.is_some())
            .flat_map(|c| &c.points)
            .filter_map(|p| {
                let perplexity = canonical(metric).ends_with("perplexity");
                let loss = if perplexity { p.value.ln() } else { p.value };
                (loss.is_finite() && loss > 0.0).then(|| (place(p), loss))
            })
            .collect(),
    }
}

/// Tests whether the score of a curve depends on a model's size once its loss is known, over all
/// models and checkpoints with FLOPs.
///
/// # Errors
/// Why it cannot be tested, in a lowercase fragment.
pub fn collapse_test(
    curves: &[Curve],
    curve: &Curve,
    source: &LossSource,
) -> Result<CollapseTest, String> {
    let losses = losses(curves, curve, source);
    let mut models: Vec<&Text> = curve.points.iter().map(|p| &p.model).collect();
    models.sort();
    models.dedup();
    let points: Vec<CollapsePoint> = curve
        .points
        .iter()
        .filter_map(|p| {
            let loss = *losses.get(&(p.model.clone(), p.checkpoint_step))?;
            let log_flops = Axis::Flops.coordinate(p.scale.flops?)?;
            // 0 and 1 have no logit: half an item inside.
            let edge = 0.5 / p.n.unwrap_or(1000) as f64;
            log_flops.is_finite().then(|| CollapsePoint {
                loss,
                log_flops,
                score: p.score.clamp(edge, 1.0 - edge),
                size: models.binary_search(&&p.model).unwrap_or(0),
            })
        })
        .collect();
    let found = collapse(&points).ok_or_else(|| {
        format!(
            "{} points with a score, FLOPs and the {source}; a test needs two sizes and four \
             points more than sizes",
            points.len()
        )
    })?;
    Ok(CollapseTest {
        key: curve.key.clone(),
        loss: source.to_string(),
        n: found.n,
        n_sizes: found.n_sizes,
        f: found.f,
        p: found.p,
        r2_loss: found.r2_loss,
        r2_flops: found.r2_flops,
    })
}

/// A forecast of one subject through its loss: fitted to models and checkpoints with FLOPs up to
/// `below`, for the finished models above it and for `targets` (model, scale).
///
/// # Errors
/// Why none can be made, in a lowercase fragment.
pub fn two_step(
    curves: &[Curve],
    subject: &Subject,
    source: &LossSource,
    below: Option<f64>,
    targets: &[(Option<Text>, Scale)],
    n_draws: u32,
    seed: u64,
) -> Result<TwoStepForecast, String> {
    let curve = subject
        .curve
        .as_ref()
        .and_then(|id| curves.iter().find(|c| c.id == *id))
        .ok_or("a two-step forecast is of one family")?;
    let losses = losses(curves, curve, source);
    let cutoff = below.unwrap_or(f64::INFINITY);
    let coordinate = |p: &CurvePoint| {
        p.scale
            .flops
            .and_then(|c| Axis::Flops.coordinate(c))
            .filter(|x| x.is_finite())
    };
    let train: Vec<TwoStepPoint> = curve
        .points
        .iter()
        .filter(|p| p.left_out.is_none() && coordinate(p).is_some_and(|x| x <= cutoff))
        .filter_map(|p| {
            Some(TwoStepPoint {
                params: p.scale.params,
                tokens: p.scale.tokens.filter(|d| *d > 0.0),
                flops: p.scale.flops?,
                loss: *losses.get(&(p.model.clone(), p.checkpoint_step))?,
                score: p.score,
            })
        })
        .collect();
    let fit = TwoStep::fit(&train).ok_or_else(|| {
        format!(
            "{} models or checkpoints with a score, FLOPs and the {source}; both steps need five \
             or more",
            train.len()
        )
    })?;
    let mut predictions = Vec::new();
    for (i, point) in subject.points.iter().enumerate() {
        let Some(x) = coordinate(point).filter(|x| *x > cutoff) else {
            continue;
        };
        let n = items(&subject.series.obs[i]);
        if let Some(p) = predict(&fit, &point.scale, x, n, n_draws, seed) {
            predictions.push(Prediction {
                model: Some(point.model.clone()),
                checkpoint_step: point.checkpoint_step,
                observed: Some(subject.series.obs[i].score()),
                ..p
            });
        }
    }
    let typical = subject.series.obs.iter().find_map(items);
    for (model, scale) in targets {
        let x = scale.flops.and_then(|c| Axis::Flops.coordinate(c));
        let made = x.and_then(|x| predict(&fit, scale, x, typical, n_draws, seed));
        if let Some(p) = made {
            predictions.push(Prediction {
                model: model.clone(),
                ..p
            });
        }
    }
    if predictions.is_empty() {
        return Err(
            "nothing to predict: no model above the cut-off, or a scale without the parameters \
             and tokens that the law of the loss needs"
                .to_owned(),
        );
    }
    predictions.sort_by(|a, b| a.x.total_cmp(&b.x));
    let seen: Vec<(&Prediction, f64)> = predictions
        .iter()
        .filter_map(|p| Some((p, p.observed?)))
        .collect();
    let y: Vec<f64> = seen.iter().map(|s| s.1).collect();
    let point: Vec<f64> = seen.iter().map(|s| s.0.point).collect();
    let x: Vec<f64> = seen.iter().map(|s| s.0.x).collect();
    let coverage = [0.5, 0.9, 0.95]
        .into_iter()
        .map(|level| {
            let inside = seen.iter().filter(|(p, y)| {
                p.interval(level)
                    .is_some_and(|(low, high)| (low..=high).contains(y))
            });
            scoring::coverage(level, inside.count(), y.len())
        })
        .collect();
    let largest = train.iter().map(|p| p.flops).fold(0.0, f64::max).log10();
    Ok(TwoStepForecast {
        key: subject.key.clone(),
        loss: source.to_string(),
        cutoff: largest,
        n_train: train.len(),
        loss_law: match fit.loss {
            LossStep::Size(l) => format!(
                "L(N, D) = {:.4e}/N^{:.4} + {:.4e}/D^{:.4} + {:.4}",
                l.a, l.alpha, l.b, l.beta, l.e
            ),
            LossStep::Compute(l) => format!(
                "L(C) = {:.4}·(C/{:.2e})^-{:.4} + {:.4}",
                l.a, l.unit, l.alpha, l.e
            ),
        },
        score_law: format!(
            "score(L) = {:.4}/(1 + e^(-{:.3}(L - {:.4}))) + {:.4}",
            fit.score.a, fit.score.k, fit.score.middle, fit.score.b
        ),
        residual_sd: fit.residual_sd,
        errors: scoring::errors(&point, &y),
        baselines: plain(subject, cutoff, &x, &y),
        coverage,
        predictions,
    })
}

fn items(obs: &Obs) -> Option<u64> {
    match *obs {
        Obs::Binomial { n, .. } => Some(n),
        Obs::Mean { .. } => None,
    }
}

fn predict(
    fit: &TwoStep,
    scale: &Scale,
    x: f64,
    n: Option<u64>,
    n_draws: u32,
    seed: u64,
) -> Option<Prediction> {
    let made = fit.predict(scale.flops?, scale.params, scale.tokens, n, n_draws, seed)?;
    let precision = n.map_or(Precision::StandardError(0.0), Precision::Items);
    Some(record(&made, x, precision))
}

/// The baselines, from the finished models up to the cut-off.
fn plain(subject: &Subject, cutoff: f64, x: &[f64], y: &[f64]) -> Vec<BaselineErrors> {
    let keep: Vec<usize> = (0..subject.series.len())
        .filter(|&i| subject.series.x[i] <= cutoff)
        .collect();
    let train_x: Vec<f64> = keep.iter().map(|&i| subject.series.x[i]).collect();
    let scores: Vec<f64> = keep
        .iter()
        .map(|&i| subject.series.obs[i].score())
        .collect();
    let n: Vec<u64> = keep
        .iter()
        .map(|&i| items(&subject.series.obs[i]).unwrap_or(0))
        .collect();
    baselines(&train_x, &scores, &n, x)
        .into_iter()
        .filter_map(|(baseline, said)| {
            Some(BaselineErrors {
                baseline,
                errors: scoring::errors(&said, y)?,
            })
        })
        .collect()
}
