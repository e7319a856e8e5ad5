//! The list of verdicts: adjustment, order, counts, spread of thresholds.

use std::collections::{BTreeMap, BTreeSet};

use upturn_stats::multiplicity::{benjamini_hochberg, benjamini_yekutieli};
use upturn_stats::resample::quantile_sorted;
use upturn_types::{
    Axis, Caveat, Conflict, CountByShape, Curve, CurveId, Shape, ThresholdSpread, Verdict, View,
};

/// Adjusts the p-values over each list (across models; along training) by
/// Benjamini–Hochberg, with Benjamini–Yekutieli beside it. Averages whose parts are listed
/// too would count twice: they stay outside.
pub fn adjust(verdicts: &mut [Verdict], curves: &[Curve]) {
    let aggregate = aggregates(curves);
    for across in [true, false] {
        let listed: Vec<usize> = (0..verdicts.len())
            .filter(|&i| (verdicts[i].view == View::Across) == across && verdicts[i].p.is_some())
            .filter(|&i| !aggregate.contains(&verdicts[i].curve))
            .collect();
        let p: Vec<f64> = listed.iter().filter_map(|&i| verdicts[i].p).collect();
        let (bh, by) = (benjamini_hochberg(&p), benjamini_yekutieli(&p));
        for (j, &i) in listed.iter().enumerate() {
            (verdicts[i].p_bh, verdicts[i].p_by) = (Some(bh[j]), Some(by[j]));
        }
    }
}

/// Sorts by evidence: across models first, then shape, then p, then gain in score, then key.
pub fn sort(verdicts: &mut [Verdict]) {
    let gain = |v: &Verdict| match (&v.before, &v.after) {
        (Some(before), Some(after)) => after.score - before.score,
        _ => f64::NEG_INFINITY,
    };
    verdicts.sort_by(|a, b| {
        (a.view != View::Across)
            .cmp(&(b.view != View::Across))
            .then_with(|| a.shape.cmp(&b.shape))
            .then_with(|| a.p.unwrap_or(2.0).total_cmp(&b.p.unwrap_or(2.0)))
            .then_with(|| gain(b).total_cmp(&gain(a)))
            .then_with(|| (&a.key, &a.view).cmp(&(&b.key, &b.view)))
    });
}

/// Marks verdicts whose models another source reports differently.
pub fn note_conflicts(verdicts: &mut [Verdict], conflicts: &[Conflict]) {
    let mut by_curve: BTreeMap<CurveId, BTreeMap<_, f64>> = BTreeMap::new();
    for conflict in conflicts.iter().filter(|c| !c.same_source) {
        let own = conflict.values[0].1;
        let differences = by_curve.entry(conflict.key.id()).or_default();
        for (source, value) in &conflict.values[1..] {
            let largest = differences.entry(source.clone()).or_insert(0.0);
            *largest = f64::max(*largest, (value - own).abs());
        }
    }
    for verdict in verdicts {
        for (source, &difference) in by_curve.get(&verdict.curve).into_iter().flatten() {
            verdict.caveats.push(Caveat::SourcesDisagree {
                source: source.clone(),
                difference,
            });
        }
    }
}

/// Verdicts per shape; averages whose parts are listed too are not counted twice.
#[must_use]
pub fn counts(verdicts: &[Verdict], curves: &[Curve]) -> Vec<CountByShape> {
    let aggregate = aggregates(curves);
    let counted = verdicts.iter().filter(|v| !aggregate.contains(&v.curve));
    tally(counted.map(|v| (v.shape, v.view == View::Across)))
}

/// Counts of (shape, whether across models), in table order, without empty rows.
pub fn tally(shapes: impl Iterator<Item = (Shape, bool)>) -> Vec<CountByShape> {
    let mut counts: BTreeMap<Shape, (usize, usize)> = BTreeMap::new();
    for (shape, across) in shapes {
        let (models, training) = counts.entry(shape).or_default();
        *(if across { models } else { training }) += 1;
    }
    counts
        .into_iter()
        .map(|(shape, (across, training))| CountByShape {
            shape,
            across,
            training,
        })
        .collect()
}

/// How the certified thresholds across models spread over `axis`.
#[must_use]
pub fn spread(verdicts: &[Verdict], curves: &[Curve], axis: Axis) -> Option<ThresholdSpread> {
    let aggregate = aggregates(curves);
    let certified: Vec<&Verdict> = verdicts
        .iter()
        .filter(|v| v.view == View::Across && v.axis == axis && !aggregate.contains(&v.curve))
        .filter(|v| v.threshold.is_some())
        .collect();
    if certified.is_empty() {
        return None;
    }
    let mut points: Vec<f64> = certified
        .iter()
        .filter_map(|v| v.threshold.as_ref()?.point)
        .collect();
    points.sort_by(f64::total_cmp);
    let every = |test: &dyn Fn(&Verdict, usize, usize) -> bool| {
        certified
            .iter()
            .filter(|v| {
                v.threshold
                    .as_ref()
                    .is_some_and(|t| test(v, t.n_near, t.n_above))
            })
            .count()
    };
    Some(ThresholdSpread {
        axis,
        n_bounded: points.len(),
        n_beyond: every(&|v, near, _| near == v.n_models),
        n_before: every(&|v, _, above| above == v.n_models),
        quantiles: (!points.is_empty())
            .then(|| [0.0, 0.25, 0.5, 0.75, 1.0].map(|q| quantile_sorted(&points, q))),
    })
}

fn aggregates(curves: &[Curve]) -> BTreeSet<&CurveId> {
    curves
        .iter()
        .filter(|c| c.aggregate)
        .map(|c| &c.id)
        .collect()
}
