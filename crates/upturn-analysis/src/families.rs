//! One task over several families: the common shape, and whether thresholds agree.

use std::collections::BTreeMap;

use upturn_stats::dist::norm_quantile;
use upturn_stats::heterogeneity::heterogeneity;
use upturn_types::{Axis, CurveKey, FamilyVerdict, Shape, TaskVerdict, Text, Verdict, View};

/// What families must share to be compared: everything but family, tuning and source.
type Measured = (
    Text,
    Option<Text>,
    Option<Text>,
    Text,
    Option<u32>,
    Option<Text>,
    Text,
);

fn measured(key: &CurveKey) -> Measured {
    (
        key.task.clone(),
        key.subset.clone(),
        key.split.clone(),
        key.method.clone(),
        key.shots,
        key.filter.clone(),
        key.metric.clone(),
    )
}

/// Tasks that two or more families were measured on alike, sorted by task and setting.
///
/// A family with several sources counts once, with its best documented curve (most models).
/// Thresholds are compared on `axis`; families read on another axis keep their shape only.
#[must_use]
pub fn tasks(verdicts: &[Verdict], axis: Axis) -> Vec<TaskVerdict> {
    let mut groups: BTreeMap<Measured, BTreeMap<Text, &Verdict>> = BTreeMap::new();
    let judged = verdicts
        .iter()
        .filter(|v| v.view == View::Across && v.n_models > 1);
    for verdict in judged {
        let family: Text = match &verdict.key.tuning {
            Some(tuning) => format!("{} ({tuning})", verdict.key.family).into(),
            None => verdict.key.family.clone(),
        };
        let families = groups.entry(measured(&verdict.key)).or_default();
        let held = families.entry(family).or_insert(verdict);
        let better = (verdict.n_models, &held.key.source) > (held.n_models, &verdict.key.source);
        if better {
            *held = verdict;
        }
    }
    groups
        .into_iter()
        .filter(|(_, families)| families.len() > 1)
        .map(|(measured, families)| task(measured, &families, axis))
        .collect()
}

fn task(measured: Measured, families: &BTreeMap<Text, &Verdict>, axis: Axis) -> TaskVerdict {
    let (task, subset, split, method, shots, filter, metric) = measured;
    let mut votes: BTreeMap<Shape, usize> = BTreeMap::new();
    for verdict in families
        .values()
        .filter(|v| v.shape != Shape::InsufficientData)
    {
        *votes.entry(verdict.shape).or_default() += 1;
    }
    let n_informative: usize = votes.values().sum();
    let shape = votes
        .into_iter()
        .find(|(_, count)| 2 * count > n_informative)
        .map(|(s, _)| s);
    // A 90% interval as wide as this is read as that of a normal estimate in its middle.
    let bounded: Vec<(f64, f64, f64)> = families
        .values()
        .filter(|v| v.axis == axis)
        .filter_map(|v| {
            let threshold = v.threshold.as_ref()?;
            let (lower, upper) = threshold.lower.zip(threshold.upper)?;
            let z = norm_quantile(f64::midpoint(1.0, threshold.confidence_level));
            Some((lower, upper, (upper - lower) / (2.0 * z)))
        })
        .collect();
    let common = (bounded.len() > 1)
        .then(|| {
            let lower = bounded
                .iter()
                .map(|b| b.0)
                .fold(f64::NEG_INFINITY, f64::max);
            let upper = bounded.iter().map(|b| b.1).fold(f64::INFINITY, f64::min);
            (lower, upper)
        })
        .filter(|(lower, upper)| lower < upper);
    let scatter = if common.is_none() {
        let middles: Vec<f64> = bounded.iter().map(|b| f64::midpoint(b.0, b.1)).collect();
        let errors: Vec<f64> = bounded.iter().map(|b| b.2).collect();
        heterogeneity(&middles, &errors)
    } else {
        None
    };
    TaskVerdict {
        task,
        subset,
        split,
        method,
        shots,
        filter,
        metric,
        families: families
            .iter()
            .map(|(family, verdict)| FamilyVerdict {
                family: family.clone(),
                curve: verdict.curve.clone(),
                shape: verdict.shape,
            })
            .collect(),
        n_informative,
        shape,
        n_bounded: bounded.len(),
        common,
        heterogeneity: scatter,
    }
}
