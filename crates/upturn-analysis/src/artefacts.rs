//! Every onset under an all-or-nothing metric, held against the graded metrics beside it.

use std::collections::BTreeMap;

use rayon::prelude::*;
use upturn_stats::artefact::analytic::expected_exact_match;
use upturn_stats::artefact::link::LinkPoint;
use upturn_stats::artefact::zeros::{probability_of_zero, task_law, upper_bound_of_zero};
use upturn_stats::artefact::{JudgeSettings, Paired, PointPrediction, judge};
use upturn_stats::curves::predict;
use upturn_types::{
    AnalysisConfig, ArtefactTest, ArtefactVerdict, Axis, Curve, CurveId, CurveModel, CurvePoint,
    Interval, LinkBasis, PairedMetric, Shape, TaskLaw, Text, Verdict, View, ZeroScore,
};

use crate::graded::{GradedLoss, same_outputs, same_setting};
use crate::item_scores::{ItemTable, TARGET_LOGPROB};
use crate::judge::seed_of_name;

/// Draws of the kink test on a graded metric, at most.
const N_DRAWS: u32 = 499;
/// Series simulated for its power.
const N_POWER_DRAWS: u32 = 299;

/// The artefact question for every onset of `verdicts`, sorted by key and view.
///
/// Across models: every emergent or weakly emergent curve of 0/1 outcomes, with a line saying so
/// where no graded metric was measured. Along training: every onset bounded on both sides that
/// has a graded metric beside it.
#[must_use]
pub fn artefacts(
    curves: &[Curve],
    verdicts: &[Verdict],
    items: &ItemTable,
    config: &AnalysisConfig,
) -> Vec<ArtefactTest> {
    let by_id: BTreeMap<&CurveId, &Curve> = curves.iter().map(|c| (&c.id, c)).collect();
    let graded: Vec<(&Curve, GradedLoss)> = curves
        .iter()
        .filter_map(|c| Some((c, GradedLoss::of(&c.key.metric)?)))
        .collect();
    let mut tests: Vec<ArtefactTest> = verdicts
        .par_iter()
        .filter_map(|verdict| {
            let curve = by_id.get(&verdict.curve)?;
            if !curve.binomial || GradedLoss::of(&curve.key.metric).is_some() {
                return None;
            }
            let across = verdict.view == View::Across;
            let onset = match verdict.shape {
                Shape::Emergent | Shape::WeakOnset => across,
                Shape::AcquiredDuringTraining => {
                    !across && verdict.threshold.as_ref().is_some_and(|t| t.is_bounded())
                }
                _ => false,
            };
            onset.then_some(())?;
            let beside: Vec<&(&Curve, GradedLoss)> = graded
                .iter()
                .filter(|(g, _)| same_outputs(&curve.key, &g.key))
                .collect();
            (across || !beside.is_empty()).then(|| {
                Question {
                    curve,
                    verdict,
                    curves,
                    graded: &graded,
                    items,
                    config,
                }
                .answer(&beside)
            })
        })
        .collect();
    tests.sort_by(|a, b| (&a.key, &a.view).cmp(&(&b.key, &b.view)));
    tests
}

/// One onset with all that may be held against it.
struct Question<'a> {
    curve: &'a Curve,
    verdict: &'a Verdict,
    curves: &'a [Curve],
    graded: &'a [(&'a Curve, GradedLoss)],
    items: &'a ItemTable,
    config: &'a AnalysisConfig,
}

impl Question<'_> {
    fn answer(&self, beside: &[&(&Curve, GradedLoss)]) -> ArtefactTest {
        let pairs: Vec<PairedMetric> = beside
            .iter()
            .filter_map(|(graded, loss)| self.pair(graded, *loss))
            .collect();
        let (verdict, why) = overall(&pairs);
        ArtefactTest {
            curve: self.curve.id.clone(),
            key: self.curve.key.clone(),
            view: self.verdict.view.clone(),
            axis: self.verdict.axis,
            verdict,
            why,
            onset: self.onset().map(|(lower, upper)| Interval {
                lower: Some(lower),
                upper: Some(upper),
                confidence_level: 1.0 - 2.0 * self.config.alpha,
            }),
            pairs,
            zeros: self.zeros(),
            task_law: self.task_law(),
        }
    }

    fn along(&self) -> bool {
        matches!(self.verdict.view, View::Training(_))
    }

    /// Coordinate of a point: that of the axis across models, log10 of the step along training.
    fn x(&self, point: &CurvePoint) -> Option<f64> {
        if self.along() {
            return match point.checkpoint_step? {
                0 => Some(f64::NEG_INFINITY),
                step => Some((step as f64).log10()),
            };
        }
        let axis = self.verdict.axis;
        axis.coordinate(point.scale.on(axis)?)
    }

    fn onset(&self) -> Option<(f64, f64)> {
        let threshold = self.verdict.threshold.as_ref()?;
        if self.along() {
            let log = |step: Option<u64>| step.filter(|s| *s > 0).map(|s| (s as f64).log10());
            log(threshold.lower_step).zip(log(threshold.upper_step))
        } else {
            threshold.lower.zip(threshold.upper)
        }
    }

    /// The models of the verdict, in order, with whether they are below the threshold.
    fn members(&self) -> impl Iterator<Item = (&CurvePoint, bool)> {
        let points = &self.verdict.points;
        let n_above = self.verdict.threshold.as_ref().map_or(0, |t| t.n_above);
        let below = points.len() - n_above.min(points.len());
        points
            .iter()
            .enumerate()
            .filter_map(move |(i, p)| Some((self.curve.points.get(p.point)?, i < below)))
    }

    fn pair(&self, graded: &Curve, loss: GradedLoss) -> Option<PairedMetric> {
        let by_cell: BTreeMap<(&Text, Option<u64>), &CurvePoint> = graded
            .points
            .iter()
            .map(|p| ((&p.model, p.checkpoint_step), p))
            .collect();
        let mut x = Vec::new();
        let mut names = Vec::new();
        let (mut score, mut n) = (Vec::new(), Vec::new());
        let (mut losses, mut loss_se) = (Vec::new(), Vec::new());
        let mut n_below = 0;
        for (point, below) in self.members() {
            let place = self.x(point);
            let other = by_cell.get(&(&point.model, point.checkpoint_step));
            if let (Some(place), Some((value, se))) =
                (place, other.and_then(|other| loss.at(other)))
            {
                x.push(place);
                names.push((point.model.clone(), point.checkpoint_step));
                score.push(point.score);
                n.push(point.n.map(|n| n * u64::from(point.n_seeds)));
                losses.push(value);
                loss_se.push(se);
                n_below += usize::from(below);
            }
        }
        if x.is_empty() {
            return None;
        }
        let (chance, ceiling) = (self.curve.chance?, self.curve.ceiling?);
        let (others, n_other_series) = self.others(&graded.key.metric, loss);
        let analytic = self.analytic(loss, &losses, &loss_se, &names);
        let score_breakpoint = self
            .verdict
            .kink
            .as_ref()
            .and_then(|k| k.breakpoint)
            .filter(|b| !b.degenerate)
            .and_then(|b| b.interval.lower.zip(b.interval.upper));
        let config = self.config;
        let settings = JudgeSettings {
            alpha: config.alpha,
            n_draws: if config.full {
                config.n_draws_max
            } else {
                config.n_draws_max.min(N_DRAWS)
            },
            n_power_draws: N_POWER_DRAWS,
            seed: seed_of_name(
                &format!("{}/{}/{}", self.curve.id, self.verdict.view, graded.id),
                config.seed,
            ),
        };
        let judged = judge(
            &Paired {
                x: &x,
                names: &names,
                score: &score,
                n: &n,
                loss: &losses,
                loss_se: &loss_se,
                chance,
                ceiling,
                n_below,
                onset: self.onset(),
                score_breakpoint,
                null_loss: loss.null(graded),
                others: &others,
                n_other_series,
                analytic: analytic.as_ref().map(|(basis, p)| (*basis, &p[..])),
            },
            &settings,
        );
        Some(PairedMetric {
            curve: graded.id.clone(),
            metric: graded.key.metric.clone(),
            loss: loss.words(&graded.key.metric).into(),
            verdict: judged.verdict,
            n_models: x.len(),
            n_below,
            conditions: judged.conditions,
            overruled: judged.overruled,
            kendall_tau: judged.kendall.map(|k| k.0),
            kendall_p: judged.kendall.map(|k| k.1),
            link: judged.link,
            kink: judged.kink,
        })
    }

    /// Both scores of other families (and, along training, of other runs of this one), and how
    /// many series they come from.
    fn others(&self, metric: &Text, loss: GradedLoss) -> (Vec<LinkPoint>, usize) {
        let mut points = Vec::new();
        let mut series = 0;
        for other in self.curves {
            let key = &other.key;
            let own = other.id == self.curve.id;
            if key.metric != self.curve.key.metric
                || !same_setting(key, &self.curve.key)
                || key.filter != self.curve.key.filter
                || (own && !self.along())
            {
                continue;
            }
            let (Some(chance), Some(ceiling)) = (other.chance, other.ceiling) else {
                continue;
            };
            let beside = self
                .graded
                .iter()
                .find(|(g, _)| g.key.metric == *metric && same_outputs(key, &g.key));
            let Some((graded, _)) = beside else {
                continue;
            };
            let by_cell: BTreeMap<(&Text, Option<u64>), &CurvePoint> = graded
                .points
                .iter()
                .map(|p| ((&p.model, p.checkpoint_step), p))
                .collect();
            let mut runs: Vec<&Text> = Vec::new();
            for point in other.points.iter().filter(|p| p.left_out.is_none()) {
                if own && self.verdict.view == View::Training(point.model.clone()) {
                    continue;
                }
                let value = by_cell
                    .get(&(&point.model, point.checkpoint_step))
                    .and_then(|other| loss.at(other));
                if let (Some((value, _)), Some(n)) = (value, point.n) {
                    points.push(LinkPoint {
                        loss: value,
                        score: point.score,
                        n: (n * u64::from(point.n_seeds)) as f64,
                        chance,
                        ceiling,
                    });
                    runs.push(&point.model);
                }
            }
            runs.dedup();
            series += match self.along() {
                true => runs.len(),
                false => usize::from(!runs.is_empty()),
            };
        }
        (points, series)
    }

    /// Exact match as the product of token probabilities: item by item where samples are there,
    /// from the perplexity of whole targets otherwise.
    fn analytic(
        &self,
        loss: GradedLoss,
        losses: &[f64],
        loss_se: &[Option<f64>],
        names: &[(Text, Option<u64>)],
    ) -> Option<(LinkBasis, Vec<Option<PointPrediction>>)> {
        let likelihood = matches!(
            loss,
            GradedLoss::LogPerplexity | GradedLoss::NegatedLogProbability
        );
        // A choice among options is right without its text being likely.
        let of_targets = &*self.curve.key.metric == "exact_match" || self.curve.chance == Some(0.0);
        if !likelihood || !of_targets {
            return None;
        }
        let mut key = self.curve.key.clone();
        key.metric = TARGET_LOGPROB.into();
        let id = key.id();
        let per_item: Vec<Option<PointPrediction>> = names
            .iter()
            .map(|(model, step)| {
                let cell = self.items.of(&id, model, *step)?;
                let ll: Vec<f64> = cell.values().copied().collect();
                let (predicted, se) = expected_exact_match(&ll)?;
                Some(PointPrediction { predicted, se })
            })
            .collect();
        if per_item.iter().any(Option::is_some) {
            return Some((LinkBasis::PerItem, per_item));
        }
        // lm-evaluation-harness takes the perplexity of a target over its items: its logarithm
        // is a whole target's loss.
        let whole = loss == GradedLoss::LogPerplexity && &*self.curve.key.metric == "acc";
        whole.then(|| {
            let predictions = losses
                .iter()
                .zip(loss_se)
                .map(|(loss, se)| {
                    let predicted = (-loss).exp();
                    Some(PointPrediction {
                        predicted,
                        se: predicted * (*se)?,
                    })
                })
                .collect();
            (LinkBasis::Aggregate, predictions)
        })
    }

    fn zeros(&self) -> Vec<ZeroScore> {
        let smooth = self.verdict.fits.as_ref().and_then(|fits| {
            let fit = [
                CurveModel::Logistic,
                CurveModel::Gompertz,
                CurveModel::Power,
            ]
            .into_iter()
            .filter_map(|model| fits.fit(model))
            .reduce(|a, b| {
                if b.log_likelihood > a.log_likelihood {
                    b
                } else {
                    a
                }
            })?;
            Some((fits, fit))
        });
        self.verdict
            .points
            .iter()
            .filter(|p| p.k == Some(0))
            .filter_map(|p| {
                let point = self.curve.points.get(p.point)?;
                let n = p.n.filter(|n| *n > 0)?;
                let predicted = smooth.zip(p.x).map(|((fits, fit), x)| {
                    predict(
                        fit.model,
                        &fit.theta,
                        fits.x_mean,
                        fits.chance,
                        fits.ceiling,
                        x,
                    )
                });
                Some(ZeroScore {
                    model: point.model.clone(),
                    checkpoint_step: point.checkpoint_step,
                    n,
                    upper: upper_bound_of_zero(n, self.config.alpha),
                    predicted,
                    p_zero: predicted.map(|p| probability_of_zero(p, n)),
                })
            })
            .collect()
    }

    fn task_law(&self) -> Option<TaskLaw> {
        if self.along() || self.curve.chance != Some(0.0) {
            return None;
        }
        let (sizes, scores): (Vec<f64>, Vec<f64>) = self
            .members()
            .filter_map(|(p, _)| Some((Axis::Params.coordinate(p.scale.params?)?, p.score)))
            .map(|(log10, score)| (log10 * std::f64::consts::LN_10, score))
            .unzip();
        task_law(&sizes, &scores)
    }
}

/// The verdict over all pairs, with its reason.
fn overall(pairs: &[PairedMetric]) -> (ArtefactVerdict, String) {
    let of = |verdict: ArtefactVerdict| -> Vec<&str> {
        pairs
            .iter()
            .filter(|p| p.verdict == verdict)
            .map(|p| &*p.metric)
            .collect()
    };
    let (artefact, real) = (of(ArtefactVerdict::Artefact), of(ArtefactVerdict::Real));
    if pairs.is_empty() {
        return (
            ArtefactVerdict::Undetermined,
            "no graded metric of the same outputs was measured".to_owned(),
        );
    }
    match (artefact.is_empty(), real.is_empty()) {
        (false, true) => (
            ArtefactVerdict::Artefact,
            format!(
                "under {} the models improve smoothly below the threshold, and that predicts the scores above it",
                artefact.join(", ")
            ),
        ),
        (true, false) => (
            ArtefactVerdict::Real,
            format!("{} turns at the same scale", real.join(", ")),
        ),
        (false, false) => (
            ArtefactVerdict::Undetermined,
            format!(
                "graded metrics disagree: artefact by {}, real by {}",
                artefact.join(", "),
                real.join(", ")
            ),
        ),
        (true, true) => (
            ArtefactVerdict::Undetermined,
            match pairs {
                [one] => one
                    .overruled
                    .clone()
                    .or_else(|| missing(one))
                    .unwrap_or_else(|| "its conditions do not all hold".to_owned()),
                _ => format!("no graded metric of {} decides it", pairs.len()),
            },
        ),
    }
}

/// The first condition for an artefact that does not hold.
fn missing(pair: &PairedMetric) -> Option<String> {
    pair.conditions
        .iter()
        .take(3)
        .find(|c| c.outcome != upturn_types::Outcome::Passed)
        .map(|c| c.why.clone())
}
