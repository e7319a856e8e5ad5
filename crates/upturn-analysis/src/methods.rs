//! Methods against their baselines: which curves pair, model by model, and what that shows.

use std::collections::BTreeMap;

use rayon::prelude::*;
use upturn_catalog::metric_info;
use upturn_stats::methods::{
    Effect, Margins, Paired, compute_gain, crossover, effect, logit_difference, logit_half,
    paired_effect, threshold_shift,
};
use upturn_stats::multiplicity::holm;
use upturn_stats::{Obs, Series};
use upturn_types::{
    AnalysisConfig, Axis, Curve, MethodArm, MethodComparison, MethodEffect, MethodFamily,
    MethodKind, Text, View,
};

use crate::item_scores::ItemTable;
use crate::judge::{seed_of_name, series};
use crate::views::{Reading, views};

/// Parameters closer than this factor are one model under two names (a tuned one, say).
const SAME_PARAMS: f64 = 1.01;

/// What two curves of one comparison share.
type Shared = (
    Text,
    Option<Text>,
    Text,
    Text,
    MethodKind,
    MethodArm,
    MethodArm,
);

/// Every method that stands beside its baseline on the same models, sorted by task and arms.
///
/// A pair has family, task, subset, split, metric and source in common. *Method*: another way of
/// prompting or decoding against the plainer one it builds on (self-consistency against chain of
/// thought, a fine-tuned scratchpad against fine-tuned direct answers, all else against direct).
/// *Tuning*: a post-trained model against its base. *Shots*: examples in the prompt against the
/// fewest there are. The metric scores answers from 0 to 1. Filters are equal, and an arm without examples is never held against one
/// with them except where that is the question.
#[must_use]
pub fn methods(
    curves: &[Curve],
    items: &ItemTable,
    config: &AnalysisConfig,
) -> Vec<MethodComparison> {
    let mut groups: BTreeMap<_, Vec<&Curve>> = BTreeMap::new();
    for curve in curves {
        let key = &curve.key;
        // Likelihoods and edit distances of different targets (a scratchpad, an answer) are no
        // scores of one thing.
        let of_answers = metric_info(&key.metric).is_some_and(|info| info.bounded);
        if curve.not_judged.is_none() && of_answers {
            groups
                .entry((
                    &key.family,
                    &key.task,
                    &key.subset,
                    &key.split,
                    &key.metric,
                    &key.source,
                ))
                .or_default()
                .push(curve);
        }
    }
    let pairs: Vec<(MethodKind, &Curve, &Curve)> = groups
        .values()
        .filter(|group| group.len() > 1)
        .flat_map(|group| group.iter().flat_map(|arm| baselines(arm, group)))
        .collect();
    let families: Vec<(Shared, Family<'_>)> = pairs
        .par_iter()
        .filter_map(|(kind, arm, baseline)| {
            let family = Family::of(arm, baseline, items, config)?;
            let key = &arm.key;
            let shared = (
                key.task_name().into(),
                key.split.clone(),
                key.metric.clone(),
                key.source.clone(),
                *kind,
                arm_of(arm),
                arm_of(baseline),
            );
            Some((shared, family))
        })
        .collect();
    let mut by_shared: BTreeMap<Shared, Vec<Family<'_>>> = BTreeMap::new();
    for (shared, family) in families {
        by_shared.entry(shared).or_default().push(family);
    }
    by_shared
        .into_iter()
        .map(|(shared, families)| comparison(shared, families, config))
        .collect()
}

fn arm_of(curve: &Curve) -> MethodArm {
    MethodArm {
        method: curve.key.method.clone(),
        tuning: curve.key.tuning.clone(),
        shots: curve.key.shots,
        filter: curve.key.filter.clone(),
    }
}

/// The methods that `method` builds on, nearest first; empty for a baseline and for what cannot
/// be placed.
fn builds_on(method: &str) -> &'static [&'static str] {
    match method {
        "direct" | "unstated" | "mixed" => &[],
        "self_consistency" => &["cot", "cot_sampled", "direct"],
        "cot_zero_shot_sc" => &["cot_zero_shot", "direct"],
        "cot_calculator" => &["cot", "direct"],
        "finetune_direct" => &["direct"],
        m if m.starts_with("finetune_") => &["finetune_direct", "direct"],
        _ => &["direct"],
    }
}

/// The baselines of `arm` among the curves that share its family, task, metric and source.
fn baselines<'a>(arm: &'a Curve, group: &[&'a Curve]) -> Vec<(MethodKind, &'a Curve, &'a Curve)> {
    let key = &arm.key;
    let same_filter = |c: &&&Curve| c.key.filter == key.filter;
    let mut out = Vec::new();
    // The nearest number of examples; with and without examples do not mix.
    let nearest = |candidates: Vec<&&'a Curve>| -> Option<&'a Curve> {
        let distance = |c: &Curve| match (c.key.shots, key.shots) {
            (Some(a), Some(b)) if a == b => Some(0),
            (None, None) => Some(0),
            (None, _) | (_, None) => Some(1),
            (Some(a), Some(b)) if (a == 0) == (b == 0) => Some(2 + a.abs_diff(b)),
            _ => None,
        };
        candidates
            .into_iter()
            .filter_map(|c| Some((distance(c)?, *c)))
            .min_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.key.cmp(&b.1.key)))
            .map(|(_, c)| c)
    };
    let method_base = builds_on(&key.method).iter().find_map(|base| {
        let with = |tuning: &Option<Text>| -> Vec<&&Curve> {
            group
                .iter()
                .filter(|c| &*c.key.method == *base && c.key.tuning == *tuning)
                .filter(same_filter)
                .collect()
        };
        nearest(with(&key.tuning)).or_else(|| {
            // Training for the method may be named as a tuning.
            key.tuning.as_ref().and_then(|_| nearest(with(&None)))
        })
    });
    if let Some(base) = method_base {
        out.push((MethodKind::Method, arm, base));
    }
    if key.tuning.is_some() {
        let untuned = group
            .iter()
            .filter(|c| c.key.tuning.is_none() && c.key.method == key.method)
            .filter(same_filter)
            .collect();
        if let Some(base) = nearest(untuned) {
            out.push((MethodKind::Tuning, arm, base));
        }
    }
    if let Some(shots) = key.shots.filter(|s| *s > 0) {
        let fewer = group
            .iter()
            .filter(|c| c.key.tuning == key.tuning && c.key.method == key.method)
            .filter(same_filter)
            .filter_map(|c| Some((c.key.shots.filter(|s| *s < shots)?, *c)))
            .min_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.key.cmp(&b.1.key)));
        if let Some((_, base)) = fewer {
            out.push((MethodKind::Shots, arm, base));
        }
    }
    out
}

/// One family under both arms, before the comparison as a whole is adjusted.
struct Family<'a> {
    arm: &'a Curve,
    baseline: &'a Curve,
    axis: Axis,
    /// Effects in order of scale, with the positions of their points in both curves.
    effects: Vec<(Effect, usize, usize, f64)>,
    method: Series,
    base: Series,
}

impl<'a> Family<'a> {
    fn of(
        arm: &'a Curve,
        baseline: &'a Curve,
        items: &ItemTable,
        config: &AnalysisConfig,
    ) -> Option<Family<'a>> {
        let across = |curve: &Curve| -> Option<Reading> {
            views(curve, config)
                .into_iter()
                .find(|reading| reading.view == View::Across)
        };
        let (ours, theirs) = (across(arm)?, across(baseline)?);
        let matched: Vec<(usize, usize, f64)> = ours
            .points
            .iter()
            .filter(|(_, x)| x.is_finite())
            .filter_map(|&(i, x)| {
                let j = partner(arm, i, baseline, &ours, &theirs)?;
                Some((i, j, x))
            })
            .collect();
        let method = series(arm, matched.iter().map(|&(i, _, x)| (i, x)));
        let base = series(baseline, matched.iter().map(|&(_, j, x)| (j, x)));
        let mut kept = Vec::new();
        let mut effects = Vec::new();
        for (at, &(i, j, x)) in matched.iter().enumerate() {
            let (p, q) = (&arm.points[i], &baseline.points[j]);
            let cells = items.of(&arm.id, &p.model, p.checkpoint_step).zip(items.of(
                &baseline.id,
                &q.model,
                q.checkpoint_step,
            ));
            let paired = cells.and_then(|(a, b)| {
                let (method, baseline) = ItemTable::paired(a, b);
                // Items speak for the score only where they are those that it was made of.
                let whole = p.n == Some(method.len() as u64) && q.n == p.n;
                // With three runs or more the runs' own scatter is the error, which items miss.
                let single = p.n_seeds < 3 && q.n_seeds < 3;
                (whole && single)
                    .then(|| {
                        paired_effect(
                            &Paired {
                                method: &method,
                                baseline: &baseline,
                            },
                            config.alpha,
                        )
                    })
                    .flatten()
            });
            if let Some(found) =
                paired.or_else(|| effect(&method.obs[at], &base.obs[at], config.alpha))
            {
                kept.push(at);
                effects.push((found, i, j, x));
            }
        }
        let only = |series: &Series| Series {
            x: kept.iter().map(|&i| series.x[i]).collect(),
            obs: kept.iter().map(|&i| series.obs[i]).collect(),
            ..*series
        };
        (!effects.is_empty()).then(|| Family {
            axis: ours.axis,
            effects,
            method: only(&method),
            base: only(&base),
            arm,
            baseline,
        })
    }

    fn range(&self) -> f64 {
        let ceiling = self.arm.ceiling.unwrap_or(1.0);
        let chance = self.arm.chance.or(self.baseline.chance).unwrap_or(0.0);
        ceiling - chance
    }

    /// Logit differences with their x, and whether both scores are near chance.
    fn logits(&self, config: &AnalysisConfig) -> Vec<(f64, f64, bool)> {
        self.method
            .obs
            .iter()
            .zip(&self.base.obs)
            .zip(&self.method.x)
            .filter_map(|((a, b), x)| {
                let (Obs::Binomial { k: k1, n: n1, .. }, Obs::Binomial { k: k2, n: n2, .. }) =
                    (*a, *b)
                else {
                    return None;
                };
                let d = logit_half(k1 as f64, n1 as f64) - logit_half(k2 as f64, n2 as f64);
                let near = |series: &Series, obs: &Obs| {
                    series.chance.zip(series.ceiling).is_some_and(|(c, u)| {
                        let delta = config.near_margin * (u - c);
                        upturn_stats::tests::test_point(obs, c, u, delta, config.alpha)
                            .p_near
                            .is_some_and(|p| p <= config.alpha)
                    })
                };
                Some((*x, d, near(&self.method, a) && near(&self.base, b)))
            })
            .collect()
    }

    fn record(self, adjusted: &[(f64, f64)], config: &AnalysisConfig) -> MethodFamily {
        let range = self.range();
        let margins = Margins {
            near: config.near_margin * range,
            substantial: config.substantial_margin * range,
            alpha: config.alpha,
        };
        let plain: Vec<Effect> = self.effects.iter().map(|e| e.0).collect();
        let found = crossover(&self.method.x, &plain, &margins);
        let off_floor: Vec<(f64, f64)> = self
            .logits(config)
            .into_iter()
            .filter(|l| !l.2)
            .map(|l| (l.0, l.1))
            .collect();
        let (x, d): (Vec<f64>, Vec<f64>) = off_floor.into_iter().unzip();
        let several = found.n_scales > 1;
        let seed = seed_of_name(
            &format!("{}/{}", self.arm.id, self.baseline.id),
            config.seed,
        );
        let gain = (several && self.axis == Axis::Flops)
            .then(|| self.method.x.last().copied())
            .flatten()
            .and_then(|x| compute_gain(&self.method, &self.base, x, config.near_margin, seed));
        let shift = several
            .then(|| threshold_shift(&self.method, &self.base, config.near_margin, config.alpha))
            .flatten();
        let family = match (&self.arm.key.tuning, &self.baseline.key.tuning) {
            (Some(tuning), Some(_)) => format!("{} ({tuning})", self.arm.key.family).into(),
            _ => self.arm.key.family.clone(),
        };
        MethodFamily {
            family,
            curve: self.arm.id.clone(),
            baseline: self.baseline.id.clone(),
            axis: self.axis,
            effects: self
                .effects
                .iter()
                .zip(adjusted)
                .map(|(&(e, i, j, x), &(better, worse))| {
                    let (p, q) = (&self.arm.points[i], &self.baseline.points[j]);
                    MethodEffect {
                        model: p.model.clone(),
                        baseline_model: (p.model != q.model).then(|| q.model.clone()),
                        x,
                        score: p.score,
                        baseline: q.score,
                        n: p.n,
                        difference: e.difference,
                        interval: e.interval,
                        bounds: e.bounds,
                        p_better: e.p_better,
                        p_worse: e.p_worse,
                        p_better_holm: better,
                        p_worse_holm: worse,
                        test: e.test,
                    }
                })
                .collect(),
            n_scales: found.n_scales,
            near_margin: margins.near,
            substantial_margin: margins.substantial,
            verdict: found.verdict,
            hurts_below: found.hurts_below,
            scales: found.scales,
            shift,
            logit: logit_difference(&x, &d),
            gain,
        }
    }
}

/// The baseline's point for a model: the same name, else the only one of the same parameters.
fn partner(
    arm: &Curve,
    point: usize,
    baseline: &Curve,
    ours: &Reading,
    theirs: &Reading,
) -> Option<usize> {
    let model = &arm.points[point].model;
    let others = || theirs.points.iter().map(|p| p.0);
    if let Some(same) = others().find(|&j| baseline.points[j].model == *model) {
        return Some(same);
    }
    let params = arm.points[point].scale.params?;
    let like = |curve: &Curve, i: usize| {
        curve.points[i].scale.params.is_some_and(|p| {
            let ratio = p / params;
            (1.0 / SAME_PARAMS..=SAME_PARAMS).contains(&ratio)
        })
    };
    let mut found = others().filter(|&j| like(baseline, j));
    let alone = ours.points.iter().filter(|p| like(arm, p.0)).count() == 1;
    let first = found.next()?;
    (alone && found.next().is_none()).then_some(first)
}

fn comparison(
    shared: Shared,
    families: Vec<Family<'_>>,
    config: &AnalysisConfig,
) -> MethodComparison {
    let (task, split, metric, source, kind, method, baseline) = shared;
    let of = |p: &dyn Fn(&Effect) -> f64| -> Vec<f64> {
        let p: Vec<f64> = families
            .iter()
            .flat_map(|f| f.effects.iter().map(|e| p(&e.0)))
            .collect();
        holm(&p)
    };
    let (better, worse) = (of(&|e| e.p_better), of(&|e| e.p_worse));
    let count = |p: &[f64]| p.iter().filter(|p| **p <= config.alpha).count();
    // Families whose compute is unknown are read on another axis, and stay out of the line.
    let logits: Vec<(f64, f64, bool)> = families
        .iter()
        .filter(|f| f.axis == config.axis)
        .flat_map(|f| f.logits(config))
        .collect();
    let line = |keep: &dyn Fn(&(f64, f64, bool)) -> bool| {
        let kept = logits.iter().filter(|l| keep(l));
        let (x, d): (Vec<f64>, Vec<f64>) = kept.map(|l| (l.0, l.1)).unzip();
        logit_difference(&x, &d)
    };
    let (pooled, pooled_off_floor) = (line(&|_| true), line(&|l| !l.2));
    let (n_models, n_better, n_worse) = (better.len(), count(&better), count(&worse));
    let mut adjusted = better.into_iter().zip(worse);
    let mut recorded = Vec::with_capacity(families.len());
    for family in families {
        let own: Vec<(f64, f64)> = adjusted.by_ref().take(family.effects.len()).collect();
        recorded.push(family.record(&own, config));
    }
    recorded.sort_by(|a, b| (&a.family, &a.curve).cmp(&(&b.family, &b.curve)));
    MethodComparison {
        task,
        split,
        metric,
        source,
        kind,
        method,
        baseline,
        n_models,
        n_better,
        n_worse,
        pooled,
        pooled_off_floor,
        families: recorded,
    }
}
