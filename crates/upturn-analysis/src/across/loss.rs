//! Loss against metric on one curve: does the score move with the loss, and does it where
//! the model is still near chance?

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use upturn_catalog::metric_info;
use upturn_stats::across::{clustered_spearman, spearman_permutation_p};
use upturn_types::{Clustered, Curve, CurveId, LossAgainstMetric, LossSource, Text, Verdict};

use crate::settings::seed_for;

/// Points with a loss from which a correlation is given.
const MIN_POINTS: usize = 5;
/// Sizes resampled so often; orders tried where all are too many.
const N_DRAWS: u32 = 500;
const N_ORDERS: u64 = 9999;
/// Share of a curve's points that must have the training loss for it to be used.
const TRAINED_SHARE: f64 = 0.8;

/// Likelihood metrics, with the sign that makes them a loss.
const LIKELIHOODS: [(&str, f64); 7] = [
    ("loss", 1.0),
    ("perplexity", 1.0),
    ("word_perplexity", 1.0),
    ("byte_perplexity", 1.0),
    ("bits_per_byte", 1.0),
    ("target_logprob", -1.0),
    ("log_likelihood", -1.0),
];

/// A model or checkpoint.
type State<'a> = (&'a Text, Option<u64>);

/// What two curves of one family must share for one to be the other's loss.
type Same<'a> = (&'a str, Option<&'a str>, &'a str);

fn same(curve: &Curve) -> Same<'_> {
    (
        &curve.key.family,
        curve.key.tuning.as_deref(),
        &curve.key.source,
    )
}

fn sign(curve: &Curve) -> Option<f64> {
    let name = metric_info(&curve.key.metric)?.canonical;
    LIKELIHOODS
        .iter()
        .find(|(metric, _)| *metric == name)
        .map(|l| l.1)
}

/// Loss against score for every bounded curve that has a loss: its models' training loss,
/// else a likelihood on the same task, else a language-modelling likelihood of the same
/// family on another task, as a stand-in that is named.
pub(super) fn find(verdicts: &[Verdict], curves: &[Curve], seed: u64) -> Vec<LossAgainstMetric> {
    let mut likelihoods: BTreeMap<Same<'_>, Vec<&Curve>> = BTreeMap::new();
    for curve in curves.iter().filter(|c| sign(c).is_some()) {
        likelihoods.entry(same(curve)).or_default().push(curve);
    }
    let mut near: BTreeMap<&CurveId, BTreeSet<usize>> = BTreeMap::new();
    for verdict in verdicts {
        let points = near.entry(&verdict.curve).or_default();
        points.extend(
            verdict
                .points
                .iter()
                .filter(|p| p.label.is_near())
                .map(|p| p.point),
        );
    }
    let none = BTreeSet::new();
    curves
        .par_iter()
        .filter(|c| {
            c.ceiling.is_some() && c.chance.is_some() && !c.aggregate && c.not_judged.is_none()
        })
        .filter_map(|curve| {
            let (source, loss) = loss_of(curve, likelihoods.get(&same(curve)))?;
            let near = near.get(&curve.id).unwrap_or(&none);
            let seed = seed_for(seed, &curve.id.0);
            correlate(curve, source, &loss, near, seed)
        })
        .collect()
}

/// The loss of each point of the curve, with where it comes from.
fn loss_of(
    curve: &Curve,
    likelihoods: Option<&Vec<&Curve>>,
) -> Option<(LossSource, Vec<Option<f64>>)> {
    let trained: Vec<Option<f64>> = curve
        .points
        .iter()
        .map(|p| p.scale.train_loss_nats.filter(|l| l.is_finite()))
        .collect();
    let known = |loss: &[Option<f64>]| loss.iter().flatten().count();
    let n_trained = known(&trained);
    if n_trained >= MIN_POINTS && n_trained as f64 >= TRAINED_SHARE * trained.len() as f64 {
        return Some((LossSource::Training, trained));
    }
    let joined = |other: &Curve| -> Vec<Option<f64>> {
        let sign = sign(other).unwrap_or(1.0);
        let values: BTreeMap<State<'_>, f64> = other
            .points
            .iter()
            .map(|p| ((&p.model, p.checkpoint_step), sign * p.value))
            .collect();
        curve
            .points
            .iter()
            .map(|p| values.get(&(&p.model, p.checkpoint_step)).copied())
            .collect()
    };
    let setting = |c: &Curve| (c.key.method.clone(), c.key.shots, c.key.split.clone());
    let candidates = likelihoods?.iter().filter(|o| o.id != curve.id);
    let best = candidates
        .filter_map(|other| {
            let own = other.key.task == curve.key.task && other.key.subset == curve.key.subset;
            let modelling = ["perplexity", "loss", "bits_per_byte"]
                .iter()
                .any(|word| other.key.metric.contains(word) || &*other.key.metric == "ppl");
            if own && setting(other) != setting(curve) || !own && !modelling {
                return None;
            }
            let loss = joined(other);
            let n = known(&loss);
            (n >= MIN_POINTS).then_some((other, own, n, loss))
        })
        // The same task first, then most points, then the same setting, then the first by name.
        .max_by(|a, b| {
            let alike = |c: &Curve| setting(c) == setting(curve);
            (a.1, a.2, alike(a.0))
                .cmp(&(b.1, b.2, alike(b.0)))
                .then_with(|| b.0.key.cmp(&a.0.key))
        });
    best.map(|(other, own, _, loss)| {
        let metric = other.key.metric.clone();
        let source = if own {
            LossSource::OwnTask { metric }
        } else {
            LossSource::Proxy {
                task: other.key.task_name().into(),
                metric,
            }
        };
        (source, loss)
    })
}

fn correlate(
    curve: &Curve,
    source: LossSource,
    loss: &[Option<f64>],
    near: &BTreeSet<usize>,
    seed: u64,
) -> Option<LossAgainstMetric> {
    let known: Vec<(usize, f64)> = loss
        .iter()
        .enumerate()
        .filter(|(i, _)| curve.points[*i].left_out.is_none())
        .filter_map(|(i, l)| Some((i, (*l)?)))
        .collect();
    if known.len() < MIN_POINTS {
        return None;
    }
    let mut models: Vec<&Text> = known.iter().map(|(i, _)| &curve.points[*i].model).collect();
    models.sort();
    models.dedup();
    let over = |chosen: &[(usize, f64)]| -> Option<Clustered> {
        if chosen.len() < MIN_POINTS {
            return None;
        }
        let x: Vec<f64> = chosen.iter().map(|c| c.1).collect();
        let y: Vec<f64> = chosen.iter().map(|c| curve.points[c.0].score).collect();
        let cluster: Vec<usize> = chosen
            .iter()
            .map(|c| models.partition_point(|m| **m < curve.points[c.0].model))
            .collect();
        let (value, interval) = clustered_spearman(&x, &y, &cluster, N_DRAWS, seed)?;
        let mut clusters = cluster;
        clusters.sort_unstable();
        clusters.dedup();
        Some(Clustered {
            value,
            interval,
            n: chosen.len(),
            n_clusters: clusters.len(),
        })
    };
    // Each model's last state: without a step, else the largest.
    let mut last: BTreeMap<&Text, (usize, f64)> = BTreeMap::new();
    for &(i, l) in &known {
        let point = &curve.points[i];
        let step = |i: usize| {
            let step = curve.points[i].checkpoint_step;
            (step.is_none(), step)
        };
        last.entry(&point.model)
            .and_modify(|held| {
                if step(i) > step(held.0) {
                    *held = (i, l);
                }
            })
            .or_insert((i, l));
    }
    let finished: Vec<(usize, f64)> = last.into_values().collect();
    let near: Vec<(usize, f64)> = known
        .iter()
        .copied()
        .filter(|(i, _)| near.contains(i))
        .collect();
    let finished_p = (finished.len() >= MIN_POINTS).then(|| {
        let x: Vec<f64> = finished.iter().map(|c| c.1).collect();
        let y: Vec<f64> = finished.iter().map(|c| curve.points[c.0].score).collect();
        spearman_permutation_p(&x, &y, N_ORDERS, seed)
    });
    let ends = near
        .iter()
        .fold(None, |ends: Option<(f64, f64)>, (_, l)| match ends {
            Some((low, high)) => Some((low.min(*l), high.max(*l))),
            None => Some((*l, *l)),
        });
    let row = LossAgainstMetric {
        curve: curve.id.clone(),
        key: curve.key.clone(),
        loss: source,
        all: over(&known),
        finished: over(&finished),
        finished_p: finished_p.flatten(),
        near: over(&near),
        near_loss_range: ends
            .filter(|_| near.len() >= MIN_POINTS)
            .map(|(low, high)| high - low),
    };
    row.all.is_some().then_some(row)
}
