//! Observational forecasts: a score from a model's other benchmarks, all families pooled.

use std::collections::BTreeMap;

use rayon::prelude::*;
use upturn_stats::Obs;
use upturn_stats::forecast::observational::{Abilities, SigmoidLaw, mse_difference};
use upturn_stats::forecast::{baselines, scoring};
use upturn_stats::resample::{SplitMix64, quantile_sorted};
use upturn_types::{
    Curve, CurveKey, ObservationalForecast, ObservationalLaw, ObservationalPrediction, Text,
};

use crate::backtests::{ALL_FAMILIES, Subject};

/// How an observational forecast is made.
#[derive(Debug, Clone, PartialEq)]
pub struct ObservationalChoices {
    /// Largest coordinate fitted to.
    pub cutoff: f64,
    /// Components, at most.
    pub n_components: usize,
    /// Ridge λ of the weights; 0 for none.
    pub ridge: f64,
    /// Draws of the intervals.
    pub n_draws: u32,
}

/// The benchmarks of the paper.
pub const BENCHMARKS: [&str; 8] = [
    "MMLU",
    "ARC-C",
    "HellaSwag",
    "Winograd",
    "TruthfulQA",
    "GSM8K",
    "XWinograd",
    "HumanEval",
];

/// Letters and digits of a name in lower case, with the spellings that tables use for the
/// same benchmark made one.
fn plain(name: &str) -> String {
    let word: String = name
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect();
    match word.as_str() {
        "arcchallenge" => "arcc".to_owned(),
        "truthfulqamc2" | "truthfulqamc" => "truthfulqa".to_owned(),
        "winogrande" => "winograd".to_owned(),
        _ => word,
    }
}

/// The scores of one benchmark by model.
#[derive(Debug, Clone)]
pub struct Column {
    /// The benchmark as a pooled curve.
    pub key: CurveKey,
    /// Scores, of all families.
    pub scores: BTreeMap<Text, f64>,
}

/// The benchmarks of these names, with the names that none has. Where a benchmark was measured
/// in several ways, the one with the most models. A score counts whether or not its number of
/// items is known.
#[must_use]
pub fn columns(curves: &[Curve], benchmarks: &[String]) -> (Vec<Column>, Vec<String>) {
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for name in benchmarks {
        let wanted = plain(name);
        let mut ways: BTreeMap<CurveKey, BTreeMap<Text, f64>> = BTreeMap::new();
        for curve in curves {
            if curve.key.subset.is_some() || plain(&curve.key.task) != wanted {
                continue;
            }
            let key = CurveKey {
                family: ALL_FAMILIES.into(),
                tuning: None,
                ..curve.key.clone()
            };
            let scores = ways.entry(key).or_default();
            for point in curve.points.iter().filter(|p| p.checkpoint_step.is_none()) {
                scores.insert(point.model.clone(), point.score);
            }
        }
        let mut most: Option<Column> = None;
        for (key, scores) in ways {
            if most.as_ref().is_none_or(|m| scores.len() > m.scores.len()) {
                most = Some(Column { key, scores });
            }
        }
        match most {
            Some(column) => found.push(column),
            None => missing.push(name.clone()),
        }
    }
    (found, missing)
}

/// The columns that may stand for a target: not itself, and no school arithmetic (GSM8K) for
/// arithmetic, as in the paper.
#[must_use]
pub fn columns_for<'c>(target: &CurveKey, columns: &'c [Column]) -> Vec<&'c Column> {
    let arithmetic = target.task.starts_with("arithmetic") || plain(&target.task).contains("gsm8k");
    columns
        .iter()
        .filter(|c| c.key.task != target.task)
        .filter(|c| !(arithmetic && plain(&c.key.task) == "gsm8k"))
        .collect()
}

/// A model's row.
struct Row {
    model: Text,
    x: f64,
    flops: Option<f64>,
    params: Option<f64>,
    benchmarks: Vec<Option<f64>>,
    obs: Obs,
    /// Normalised score.
    y: f64,
}

/// Forecasts one pooled subject from the others.
///
/// # Errors
/// Why none can be made, in a lowercase fragment.
pub fn forecast(
    target: &Subject,
    columns: &[Column],
    choices: &ObservationalChoices,
    seed: u64,
) -> Result<ObservationalForecast, String> {
    let used = columns_for(&target.key, columns);
    if used.len() < 2 {
        return Err(format!(
            "{} benchmarks beside the target; expected two or more",
            used.len()
        ));
    }
    let (chance, ceiling) = target
        .series
        .chance
        .zip(target.series.ceiling)
        .ok_or("chance or ceiling unknown")?;
    let rows: Vec<Row> = target
        .points
        .iter()
        .enumerate()
        .map(|(i, point)| Row {
            model: point.model.clone(),
            x: target.series.x[i],
            flops: point.scale.flops,
            params: point.scale.params,
            benchmarks: used
                .iter()
                .map(|c| c.scores.get(&point.model).copied())
                .collect(),
            obs: target.series.obs[i],
            y: (target.series.obs[i].score() - chance) / (ceiling - chance),
        })
        .filter(|row| row.benchmarks.iter().any(Option::is_some))
        .collect();
    let (train, test): (Vec<&Row>, Vec<&Row>) =
        rows.iter().partition(|row| row.x <= choices.cutoff);
    let least = choices.n_components.max(1) + 3;
    if train.len() < least || test.is_empty() {
        return Err(format!(
            "{} models up to the cut-off and {} above it; expected at least {least} and 1",
            train.len(),
            test.len()
        ));
    }
    let table: Vec<Vec<Option<f64>>> = train.iter().map(|r| r.benchmarks.clone()).collect();
    let abilities = Abilities::learn(&table).ok_or("a benchmark has no score up to the cut-off")?;
    let y: Vec<f64> = train.iter().map(|r| r.y).collect();
    let observed: Vec<f64> = test.iter().map(|r| r.y).collect();
    let n_components = choices.n_components.clamp(1, used.len());
    let components = |row: &Row, n: usize| abilities.of(&row.benchmarks, n).unwrap_or_default();

    let mut regressors: Vec<Regressor> = (1..=n_components)
        .map(|n| {
            let name = if n == 1 {
                "1 component".to_owned()
            } else {
                format!("{n} components")
            };
            let held = test.iter().map(|r| components(r, n)).collect();
            (name, abilities.learnt(n), held)
        })
        .collect();
    for (name, value) in [
        ("flops", (|r: &Row| r.flops) as fn(&Row) -> Option<f64>),
        ("params", |r: &Row| r.params),
    ] {
        let column = |rows: &[&Row]| -> Option<Vec<Vec<f64>>> {
            rows.iter()
                .map(|r| value(r).filter(|v| *v > 0.0).map(|v| vec![v.log10()]))
                .collect()
        };
        if let Some((fitted, held)) = column(&train).zip(column(&test)) {
            regressors.push((name.to_owned(), fitted, held));
        }
    }
    let mut laws = Vec::new();
    let mut said: Vec<Vec<f64>> = Vec::new();
    for (name, fitted, held) in &regressors {
        let law = SigmoidLaw::fit(fitted, &y, choices.ridge)
            .ok_or_else(|| format!("no law of {name} can be fitted"))?;
        let predicted: Vec<f64> = held.iter().map(|z| law.at(z)).collect();
        laws.push(ObservationalLaw {
            regressor: name.clone(),
            intercept: law.intercept,
            weights: law.weights.clone(),
            floor: law.floor,
            mse_train: law.mse_train,
            mse_test: scoring::errors(&predicted, &observed).map(|e| e.mse),
            ill_conditioned: law.ill_conditioned,
            ridge: choices.ridge,
        });
        said.push(predicted);
    }
    let best = n_components - 1;
    let intervals = intervals(
        &regressors[best].1,
        &y,
        &regressors[best].2,
        &test.iter().map(|r| r.obs).collect::<Vec<_>>(),
        (chance, ceiling),
        choices,
        seed,
    );
    let flops = regressors.iter().position(|r| r.0 == "flops");
    let gain =
        flops.and_then(|f| mse_difference(&said[best], &said[f], &observed, 1999, seed ^ 0x6a1e));
    let x: Vec<f64> = train.iter().map(|r| r.x).collect();
    let n: Vec<u64> = train
        .iter()
        .map(|r| match r.obs {
            Obs::Binomial { n, .. } => n,
            Obs::Mean { .. } => 0,
        })
        .collect();
    let targets: Vec<f64> = test.iter().map(|r| r.x).collect();
    let plain = baselines(&x, &y, &n, &targets)
        .into_iter()
        .filter_map(|(b, p)| Some((b, scoring::errors(&p, &observed)?.mse)))
        .collect();
    let raw = |y: f64| chance + (ceiling - chance) * y;
    let predictions: Vec<ObservationalPrediction> = test
        .iter()
        .enumerate()
        .map(|(i, row)| ObservationalPrediction {
            model: row.model.clone(),
            x: row.x,
            observed: raw(row.y),
            predicted: said.iter().map(|p| raw(p[i])).collect(),
            interval: intervals[i],
        })
        .collect();
    let inside = predictions
        .iter()
        .filter(|p| (p.interval.0..=p.interval.1).contains(&p.observed));
    Ok(ObservationalForecast {
        key: target.key.clone(),
        axis: target.axis,
        cutoff: x.last().copied().unwrap_or(choices.cutoff),
        benchmarks: used.iter().map(|c| c.key.task.clone()).collect(),
        n_train: train.len(),
        n_test: test.len(),
        explained: abilities.explained().to_vec(),
        laws,
        baselines: plain,
        gain,
        coverage: scoring::coverage(0.9, inside.count(), test.len()),
        predictions,
    })
}

/// 90% intervals of held-out scores: refits to resampled models, a residual of a fitted model,
/// and the noise of items.
fn intervals(
    z: &[Vec<f64>],
    y: &[f64],
    held: &[Vec<f64>],
    obs: &[Obs],
    (chance, ceiling): (f64, f64),
    choices: &ObservationalChoices,
    seed: u64,
) -> Vec<(f64, f64)> {
    let Some(law) = SigmoidLaw::fit(z, y, choices.ridge) else {
        return vec![(chance, ceiling); held.len()];
    };
    let residuals: Vec<f64> = z.iter().zip(y).map(|(z, y)| y - law.at(z)).collect();
    let draws: Vec<Vec<f64>> = (0..u64::from(choices.n_draws.max(20)))
        .into_par_iter()
        .map(|draw| {
            let mut rng = SplitMix64::stream(seed ^ 0x0b5e, draw);
            let chosen: Vec<usize> = (0..y.len()).map(|_| rng.index(y.len())).collect();
            let z: Vec<Vec<f64>> = chosen.iter().map(|&i| z[i].clone()).collect();
            let y: Vec<f64> = chosen.iter().map(|&i| y[i]).collect();
            let refit = SigmoidLaw::fit(&z, &y, choices.ridge);
            let law = refit.as_ref().unwrap_or(&law);
            held.iter()
                .zip(obs)
                .map(|(z, obs)| {
                    let normal =
                        (law.at(z) + residuals[rng.index(residuals.len())]).clamp(0.0, 1.0);
                    let p = chance + (ceiling - chance) * normal;
                    let se = match *obs {
                        Obs::Binomial { n, .. } => (p * (1.0 - p) / n as f64).sqrt(),
                        Obs::Mean { se, .. } => se.unwrap_or(0.0),
                    };
                    // A sum of twelve uniform numbers is close enough to a normal one here.
                    let noise: f64 = (0..12).map(|_| rng.uniform()).sum::<f64>() - 6.0;
                    p + se * noise
                })
                .collect()
        })
        .collect();
    (0..held.len())
        .map(|i| {
            let mut column: Vec<f64> = draws.iter().map(|d| d[i]).collect();
            column.sort_by(f64::total_cmp);
            (
                quantile_sorted(&column, 0.05).clamp(0.0, 1.0),
                quantile_sorted(&column, 0.95).clamp(0.0, 1.0),
            )
        })
        .collect()
}

/// A name, its values in training, its values held out.
type Regressor = (String, Vec<Vec<f64>>, Vec<Vec<f64>>);
