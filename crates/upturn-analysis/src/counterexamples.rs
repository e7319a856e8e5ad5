//! Smaller models that have an ability which larger ones of another family lack, and which
//! axis orders the models of a task best.

mod published;
mod totals;
mod traits;

use std::collections::BTreeMap;

use rayon::prelude::*;
use upturn_stats::dist::norm_sf;
use upturn_stats::ordering::{
    FamilyBootstrap, Standing, WithInterval, auc, counterexamples, family_bootstrap,
    left_out_log_score, mixed_logit,
};
use upturn_stats::tests::{PointTests, holm_labels};
use upturn_types::{
    AnalysisConfig, Axis, AxisDifference, AxisOrder, AxisRegression, Clustered, Counterexample,
    Counterexamples, Curve, CurveId, EqualSlopes, Interval, Label, LabelledModel, PointEvidence,
    Shape, TaskOrder, TaskSetting, Verdict,
};

use crate::settings::{by_id, family_identity, seed_for, tested};

/// Families resampled so often.
const N_DRAWS: u32 = 1000;
/// Models, families and labels of each kind from which a regression is run.
const MIN_MODELS: usize = 12;
const MIN_FAMILIES: usize = 4;
const MIN_OF_EACH: usize = 3;

/// Counterexamples over all tasks that several families were measured on alike.
///
/// Labels are adjusted by Holm over all models of the task. Pairs within a family, across
/// its tunings or spellings, are none. Models certified *below* chance are no witnesses of
/// a lacking ability.
#[must_use]
pub fn find(verdicts: &[Verdict], curves: &[Curve], config: &AnalysisConfig) -> Counterexamples {
    let published = published::compare(verdicts, curves);
    let curves = by_id(curves);
    let groups: Vec<(TaskSetting, Vec<&Verdict>)> = tested(verdicts).into_iter().collect();
    let mut found: Vec<Task> = groups
        .into_par_iter()
        .filter_map(|(setting, verdicts)| Task::new(setting, &verdicts, &curves, config))
        .collect();
    for task in &mut found {
        task.order.axes.retain(|a| a.n_families > 1);
    }
    let on_axis = |task: &Task, axis: Axis| {
        let order = task.order.axes.iter().find(|a| a.axis == axis);
        order.map_or(0, |a| a.n_counterexamples)
    };
    let totals = totals::totals(&found, config.seed);
    let traits = traits::traits(&found, config.seed);
    found.sort_by_key(|t| std::cmp::Reverse(on_axis(t, config.axis)));
    Counterexamples {
        tasks: found.into_iter().map(|t| t.order).collect(),
        totals,
        traits,
        published,
    }
}

/// A task with what its record leaves out.
struct Task {
    order: TaskOrder,
    /// Identity of each model's family.
    families: Vec<String>,
    standing: Vec<Standing>,
}

impl Task {
    /// Coordinates of the models on `axis`; NaN where unknown.
    fn coordinates(&self, axis: Axis) -> Vec<f64> {
        coordinates(&self.order.models, axis)
    }

    /// The task's models, ordered on every axis; `None` where no pair of families has one
    /// model above and one near.
    fn new(
        setting: TaskSetting,
        verdicts: &[&Verdict],
        curves: &BTreeMap<&CurveId, &Curve>,
        config: &AnalysisConfig,
    ) -> Option<Task> {
        if verdicts.len() < 2 {
            return None;
        }
        let axis = common_axis(verdicts, curves, config.axis);
        let (mut models, tests): (Vec<LabelledModel>, Vec<PointTests>) = verdicts
            .iter()
            .filter_map(|v| Some((*v, *curves.get(&v.curve)?)))
            .flat_map(|(v, curve)| v.points.iter().map(move |p| model(v, curve, p)))
            .filter(|(m, tests)| {
                let known = m.scale.on(axis).and_then(|raw| axis.coordinate(raw));
                known.is_some_and(f64::is_finite) && tests.p_above.is_some()
            })
            .unzip();
        for (model, label) in models.iter_mut().zip(holm_labels(&tests, config.alpha)) {
            model.label = label;
        }
        let x = |m: &LabelledModel| m.scale.on(axis).unwrap_or(f64::INFINITY);
        models.sort_by(|a, b| {
            (family_identity(&a.family), &a.tuning)
                .cmp(&(family_identity(&b.family), &b.tuning))
                .then_with(|| x(a).total_cmp(&x(b)))
                .then_with(|| a.model.cmp(&b.model))
        });
        let standing: Vec<Standing> = models
            .iter()
            .map(|m| match m.label {
                Label::Above => Standing::Above,
                Label::Near => Standing::Near,
                _ => Standing::Open,
            })
            .collect();
        let families: Vec<String> = models.iter().map(|m| family_identity(&m.family)).collect();
        let (family, n_families) = numbered(&families);
        let comparable = (0..models.len()).any(|i| {
            standing[i] == Standing::Above
                && (0..models.len())
                    .any(|j| standing[j] == Standing::Near && family[i] != family[j])
        });
        if !comparable {
            return None;
        }
        let count = |wanted| standing.iter().filter(|s| **s == wanted).count();
        let seed = seed_for(config.seed, &setting.to_string());
        let scores: Vec<f64> = models.iter().map(|m| m.score).collect();
        let columns: Vec<Vec<f64>> = Axis::ALL.map(|a| coordinates(&models, a)).to_vec();
        let first = |wanted: Axis| Axis::ALL.iter().position(|a| *a == wanted);
        let pairs: Vec<(usize, usize)> = [Axis::Params, Axis::Tokens, Axis::Loss]
            .into_iter()
            .filter_map(|other| Some((first(Axis::Flops)?, first(other)?)))
            .collect();
        let estimates = family_bootstrap(
            &family,
            n_families,
            &standing,
            &scores,
            &columns,
            &pairs,
            FamilyBootstrap {
                n_draws: N_DRAWS,
                seed,
                confidence_level: 0.95,
            },
        );
        let axes = Axis::ALL
            .into_iter()
            .zip(&columns)
            .zip(&estimates.axes)
            .map(|((axis, x), estimate)| {
                let found = counterexamples(&family, &standing, x);
                let record = |p: &upturn_stats::ordering::Pair| Counterexample {
                    smaller: p.smaller,
                    larger: p.larger,
                    gap: p.gap,
                    strict: models[p.smaller].family_emergent,
                };
                let all: Vec<Counterexample> = found.iter().map(record).collect();
                let with = |value: WithInterval, n: usize| clustered(value, n, estimate.n_families);
                AxisOrder {
                    axis,
                    n_models: estimate.n_models,
                    n_families: estimate.n_families,
                    n_pairs: estimate.n_pairs,
                    n_counterexamples: estimate.n_counterexamples,
                    n_strict: all.iter().filter(|c| c.strict).count(),
                    discordance: with(estimate.discordance, estimate.n_pairs),
                    tau_b: with(estimate.tau_b, estimate.n_models),
                    spearman: with(estimate.spearman, estimate.n_models),
                    somers_d: with(estimate.somers_d, estimate.n_within),
                    counterexamples: all.into_iter().take(AxisOrder::LISTED_MAX).collect(),
                }
            })
            .collect();
        let differences = pairs
            .iter()
            .zip(estimates.differences)
            .filter_map(|(&(a, b), (n, n_families, value))| {
                Some(AxisDifference {
                    first: Axis::ALL[a],
                    second: Axis::ALL[b],
                    difference: clustered(value, n, n_families)?,
                })
            })
            .collect();
        let (regressions, equal_slopes) = regressions(&columns, &standing, &family);
        let aggregate = verdicts
            .iter()
            .any(|v| curves.get(&v.curve).is_some_and(|c| c.aggregate));
        Some(Task {
            order: TaskOrder {
                setting,
                aggregate,
                axis,
                n_families,
                n_above: count(Standing::Above),
                n_near: count(Standing::Near),
                axes,
                differences,
                regressions,
                equal_slopes,
                models,
            },
            families,
            standing,
        })
    }
}

/// The axis on which a model must have a place: that of the analysis, unless it leaves fewer
/// than two families or fewer than half of the models whose parameters are known.
fn common_axis(verdicts: &[&Verdict], curves: &BTreeMap<&CurveId, &Curve>, asked: Axis) -> Axis {
    let placed = |axis: Axis| {
        let of = |v: &Verdict| {
            let curve = curves.get(&v.curve);
            let known = |p: &&PointEvidence| {
                curve.is_some_and(|c| {
                    let raw = c.points.get(p.point).and_then(|p| p.scale.on(axis));
                    raw.and_then(|raw| axis.coordinate(raw)).is_some()
                })
            };
            v.points.iter().filter(known).count()
        };
        let counts: Vec<usize> = verdicts.iter().map(|v| of(v)).collect();
        let families = counts.iter().filter(|n| **n > 0).count();
        (families, counts.iter().sum::<usize>())
    };
    let (families, models) = placed(asked);
    let (_, by_params) = placed(Axis::Params);
    if families < 2 || 2 * models < by_params {
        Axis::Params
    } else {
        asked
    }
}

fn model(verdict: &Verdict, curve: &Curve, point: &PointEvidence) -> (LabelledModel, PointTests) {
    let at = &curve.points[point.point];
    let model = LabelledModel {
        family: curve.key.family.clone(),
        tuning: curve.key.tuning.clone(),
        model: at.model.clone(),
        curve: curve.id.clone(),
        scale: at.scale,
        score: point.score,
        interval: point.interval,
        n: point.n,
        label: point.label,
        family_emergent: verdict.shape == Shape::Emergent,
        flags: at.flags.clone(),
    };
    let tests = PointTests {
        p_chance: point.p_chance,
        p_above: point.p_above,
        p_near: point.p_near,
        p_below: point.p_below,
        lower_one_sided: None,
        interval: None,
        label: point.label,
    };
    (model, tests)
}

fn coordinates(models: &[LabelledModel], axis: Axis) -> Vec<f64> {
    models
        .iter()
        .map(|m| {
            let x = m.scale.on(axis).and_then(|raw| axis.coordinate(raw));
            x.filter(|x| x.is_finite()).unwrap_or(f64::NAN)
        })
        .collect()
}

/// Families numbered in order of their identity, and how many there are.
fn numbered(families: &[String]) -> (Vec<usize>, usize) {
    let mut distinct: Vec<&String> = families.iter().collect();
    distinct.sort();
    distinct.dedup();
    let number = |f: &String| distinct.partition_point(|d| *d < f);
    (families.iter().map(number).collect(), distinct.len())
}

fn clustered(value: WithInterval, n: usize, n_clusters: usize) -> Option<Clustered> {
    value.map(|(value, interval)| Clustered {
        value,
        interval,
        n,
        n_clusters,
    })
}

/// Regressions of "above" on C, N, D, N with D, and nothing, over the models known on all
/// three, with the test of equal slopes on N and D.
fn regressions(
    columns: &[Vec<f64>],
    standing: &[Standing],
    family: &[usize],
) -> (Vec<AxisRegression>, Option<EqualSlopes>) {
    let of = |axis: Axis| Axis::ALL.iter().position(|a| *a == axis).unwrap_or(0);
    let needed = [Axis::Flops, Axis::Params, Axis::Tokens];
    let known: Vec<usize> = (0..standing.len())
        .filter(|&i| needed.iter().all(|a| !columns[of(*a)][i].is_nan()))
        .collect();
    let above: Vec<bool> = known
        .iter()
        .map(|&i| standing[i] == Standing::Above)
        .collect();
    let families: Vec<usize> = known.iter().map(|&i| family[i]).collect();
    let mut distinct = families.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let n_above = above.iter().filter(|a| **a).count();
    let enough = known.len() >= MIN_MODELS
        && distinct.len() >= MIN_FAMILIES
        && n_above >= MIN_OF_EACH
        && known.len() - n_above >= MIN_OF_EACH;
    if !enough {
        return (Vec::new(), None);
    }
    let mut equal_slopes = None;
    let sets: [&[Axis]; 5] = [
        &[Axis::Flops],
        &[Axis::Params],
        &[Axis::Tokens],
        &[Axis::Params, Axis::Tokens],
        &[],
    ];
    let fits = sets
        .into_iter()
        .filter_map(|axes| {
            let (centres, centred): (Vec<f64>, Vec<Vec<f64>>) = axes
                .iter()
                .map(|a| {
                    let x: Vec<f64> = known.iter().map(|&i| columns[of(*a)][i]).collect();
                    let mean = x.iter().sum::<f64>() / x.len() as f64;
                    (mean, x.into_iter().map(|v| v - mean).collect())
                })
                .unzip();
            let fit = mixed_logit(&centred, &above, &families)?;
            let unit = |a: usize| -> Vec<f64> {
                (0..axes.len())
                    .map(|b| f64::from(u8::from(a == b)))
                    .collect()
            };
            let slope_errors = (0..axes.len())
                .map(|a| fit.contrast_error(&unit(a)))
                .collect::<Option<Vec<f64>>>();
            if axes.len() == 2
                && let Some(error) = fit.contrast_error(&[-1.0, 1.0])
            {
                let difference = fit.slopes[1] - fit.slopes[0];
                let half = 1.959_963_984_540_054 * error;
                equal_slopes = Some(EqualSlopes {
                    difference,
                    standard_error: error,
                    interval: Interval {
                        lower: Some(difference - half),
                        upper: Some(difference + half),
                        confidence_level: 0.95,
                    },
                    p: (2.0 * norm_sf((difference / error).abs())).min(1.0),
                });
            }
            let predicted: Vec<f64> = (0..above.len())
                .map(|i| fit.predictor(&centred.iter().map(|x| x[i]).collect::<Vec<_>>()))
                .collect();
            Some(AxisRegression {
                axes: axes.to_vec(),
                centres,
                intercept: fit.intercept,
                slope_errors: slope_errors.unwrap_or_default(),
                family_sd: fit.family_sd,
                penalised_log_likelihood: fit.penalised,
                left_out_log_score: left_out_log_score(&centred, &above, &families),
                auc: if axes.is_empty() {
                    None
                } else {
                    auc(&predicted, &above)
                },
                slopes: fit.slopes,
                n_models: above.len(),
                n_families: distinct.len(),
            })
        })
        .collect();
    (fits, equal_slopes)
}
