//! The verdict on one pair of metrics: artefact, real or undetermined, condition by condition.

use upturn_types::{
    ArtefactVerdict, Condition, ConditionName, GradedKink, LinkBasis, LinkPrediction, LinkTest,
    Outcome,
};

use super::bend::{BendConfig, PREFERRED, graded_kink};
use super::link::{LinkFit, LinkPoint, fit_link};
use crate::dist::{norm_quantile, t_isf};
use crate::trend::kendall_tau_b;

/// The choices of the rules.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JudgeSettings {
    /// Level α.
    pub alpha: f64,
    /// Draws of the kink test.
    pub n_draws: u32,
    /// Draws of its power.
    pub n_power_draws: u32,
    /// Seed.
    pub seed: u64,
}

impl Default for JudgeSettings {
    fn default() -> Self {
        let bend = BendConfig::default();
        JudgeSettings {
            alpha: bend.alpha,
            n_draws: bend.n_draws,
            n_power_draws: bend.n_power_draws,
            seed: bend.seed,
        }
    }
}

/// A score that token probabilities predict, without any fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PointPrediction {
    /// Predicted score.
    pub predicted: f64,
    /// Its standard error, without that of sampling the items.
    pub se: f64,
}

/// Both metrics of one series, in order of scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Paired<'a> {
    /// Scale; −∞ for step 0, which keeps its place in orders and stays out of fits.
    pub x: &'a [f64],
    /// Names for predictions.
    pub names: &'a [(upturn_types::Text, Option<u64>)],
    /// All-or-nothing score.
    pub score: &'a [f64],
    /// Items behind it; `None` where unknown.
    pub n: &'a [Option<u64>],
    /// Graded metric as a loss: above 0, smaller is better.
    pub loss: &'a [f64],
    /// Its standard error.
    pub loss_se: &'a [Option<f64>],
    /// Chance floor of the score.
    pub chance: f64,
    /// Ceiling of the score.
    pub ceiling: f64,
    /// Points below the threshold, |S|: those before the first of the certified run.
    pub n_below: usize,
    /// Certified onset on x.
    pub onset: Option<(f64, f64)>,
    /// Breakpoint interval of the score's own hinge, where it has one.
    pub score_breakpoint: Option<(f64, f64)>,
    /// Loss of a responder that knows nothing.
    pub null_loss: Option<f64>,
    /// Points of other series (families, runs) on the same task and metrics.
    pub others: &'a [LinkPoint],
    /// How many series those come from.
    pub n_other_series: usize,
    /// What token probabilities predict, per point, and how they were joined.
    pub analytic: Option<(LinkBasis, &'a [Option<PointPrediction>])>,
}

/// What the rules say of a pair.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// Verdict.
    pub verdict: ArtefactVerdict,
    /// Conditions, in order.
    pub conditions: Vec<Condition>,
    /// What overrides them.
    pub overruled: Option<String>,
    /// Kendall's τ-b of the loss with order of scale below the threshold, and its one-sided p.
    pub kendall: Option<(f64, f64)>,
    /// Link test.
    pub link: Option<LinkTest>,
    /// Kink test.
    pub kink: Option<GradedKink>,
}

/// Fewest models below the threshold.
const MIN_BELOW: usize = 4;
/// Fewest predicted scores.
const MIN_PREDICTED: usize = 3;
/// Share of predictions whose interval must hold the score.
const SHARE_INSIDE: f64 = 0.8;
/// Largest median width of the intervals, as a share of the range.
const WIDTH: f64 = 0.2;
/// Largest error, as a share of that of predicting the mean below the threshold.
const ERROR: f64 = 0.5;
/// Confidence of the predictive intervals.
const PREDICTIVE: f64 = 0.90;
/// Power from which a kink that is not seen is none.
const POWER: f64 = 0.8;
/// ΔAICc and p from which a kink is claimed.
const STRONG: (f64, f64) = (6.0, 0.01);
/// A slope within this share of the slope above the threshold is flat.
const FLAT: f64 = 0.10;

/// Applies the rules to a pair.
///
/// *Artefact* when (a) the loss improves below the threshold (Kendall one-sided p ≤ α, at least
/// four models, and by two standard errors), (b) it has no kink though half a slope's change
/// would have been seen with 80% power, and (c) the link predicts the scores above the threshold.
/// *Real* when (a′) the loss is flat below (two one-sided tests within a tenth of the slope
/// above), (b′) it has a kink, and (c′) where the score turns: within the hull of its own
/// breakpoint's interval and its certified onset. Undetermined otherwise, and
/// always with scores of fewer than four models or a loss below the threshold that is no better
/// than that of a responder without knowledge.
///
/// # Panics
/// When the slices differ in length.
#[must_use]
pub fn judge(pair: &Paired<'_>, settings: &JudgeSettings) -> Judged {
    let k = pair.x.len();
    for length in [
        pair.names.len(),
        pair.score.len(),
        pair.n.len(),
        pair.loss.len(),
        pair.loss_se.len(),
    ] {
        assert_eq!(length, k, "a pair of unequal lengths");
    }
    let kendall = kendall_below(pair);
    let kink = kink(pair, settings);
    let link = link(pair);
    let conditions = vec![
        improves(pair, kendall, settings.alpha),
        no_kink(kink.as_ref(), settings.alpha),
        predicts(pair, link.as_ref()),
        flat(pair, settings.alpha),
        kinked(kink.as_ref()),
        meet(pair, kink.as_ref()),
    ];
    let overruled = overruled(pair);
    let all = |from: usize| {
        conditions[from..from + 3]
            .iter()
            .all(|c| c.outcome == Outcome::Passed)
    };
    let verdict = if overruled.is_some() {
        ArtefactVerdict::Undetermined
    } else if all(0) {
        ArtefactVerdict::Artefact
    } else if all(3) {
        ArtefactVerdict::Real
    } else {
        ArtefactVerdict::Undetermined
    };
    Judged {
        verdict,
        conditions,
        overruled,
        kendall,
        link,
        kink,
    }
}

fn condition(
    name: ConditionName,
    outcome: Outcome,
    value: Option<f64>,
    threshold: Option<f64>,
    why: String,
) -> Condition {
    Condition {
        name,
        outcome,
        value,
        threshold,
        why,
    }
}

fn passed(holds: bool) -> Outcome {
    if holds {
        Outcome::Passed
    } else {
        Outcome::Failed
    }
}

/// τ-b of the loss with the order of scale, and the one-sided p of "it does not fall".
fn kendall_below(pair: &Paired<'_>) -> Option<(f64, f64)> {
    let below = pair.n_below;
    let (tau, p) = kendall_tau_b(&pair.x[..below], &pair.loss[..below])?;
    Some((tau, if tau < 0.0 { p / 2.0 } else { 1.0 - p / 2.0 }))
}

fn improves(pair: &Paired<'_>, kendall: Option<(f64, f64)>, alpha: f64) -> Condition {
    let name = ConditionName::ImprovesBelow;
    let below = pair.n_below;
    let p = kendall.map(|(_, p)| p);
    let state = |outcome, why: String| condition(name, outcome, p, Some(alpha), why);
    if below < MIN_BELOW {
        return state(
            Outcome::CannotTell,
            format!(
                "{below} models below the threshold; with fewer than {MIN_BELOW} no order is significant"
            ),
        );
    }
    let Some((tau, p)) = kendall else {
        return state(
            Outcome::Failed,
            "the graded loss is the same for all models below the threshold".to_owned(),
        );
    };
    let ends = (pair.loss_se[0], pair.loss_se[below - 1]);
    let (Some(first), Some(last)) = ends else {
        return state(
            Outcome::CannotTell,
            "the graded metric has no standard error".to_owned(),
        );
    };
    let gain = pair.loss[0] - pair.loss[below - 1];
    let error = first.hypot(last);
    let order = format!("Kendall tau {tau:.3}, one-sided p {p:.2e} over {below} models");
    if p > alpha {
        state(
            Outcome::Failed,
            format!("no certified improvement below the threshold: {order}"),
        )
    } else if gain < 2.0 * error {
        state(
            Outcome::Failed,
            format!(
                "{order}, but the gain of {gain:.4} is less than two standard errors ({error:.4})"
            ),
        )
    } else {
        state(
            Outcome::Passed,
            format!(
                "the loss falls below the threshold: {order}, by {gain:.4} (standard error {error:.4})"
            ),
        )
    }
}

/// The kink test on the points with finite scale and known error.
fn kink(pair: &Paired<'_>, settings: &JudgeSettings) -> Option<GradedKink> {
    let mut x = Vec::new();
    let mut loss = Vec::new();
    let mut se = Vec::new();
    for i in 0..pair.x.len() {
        if pair.x[i].is_finite() {
            x.push(pair.x[i]);
            loss.push(pair.loss[i]);
            se.push(pair.loss_se[i]?);
        }
    }
    let config = BendConfig {
        n_draws: settings.n_draws,
        n_power_draws: settings.n_power_draws,
        seed: settings.seed,
        alpha: settings.alpha,
    };
    graded_kink(&x, &loss, &se, pair.onset, &config)
}

fn no_kink(kink: Option<&GradedKink>, alpha: f64) -> Condition {
    let name = ConditionName::NoKink;
    let Some(kink) = kink else {
        return condition(
            name,
            Outcome::CannotTell,
            None,
            Some(alpha),
            "no kink test: it needs five scales and a standard error of every graded score"
                .to_owned(),
        );
    };
    let preferred = kink.delta_aicc.is_some_and(|d| d >= PREFERRED);
    let state = |outcome, why: String| condition(name, outcome, Some(kink.p), Some(alpha), why);
    if kink.p <= alpha || preferred {
        return state(
            Outcome::Failed,
            format!("a kink is preferred: {}", shown(kink)),
        );
    }
    match kink.power {
        Some(power) if power >= POWER => state(
            Outcome::Passed,
            format!(
                "no kink ({}), and halving the slope below would be seen in {:.0}% of series",
                shown(kink),
                100.0 * power
            ),
        ),
        Some(power) => state(
            Outcome::CannotTell,
            format!(
                "no kink seen ({}), but halving the slope below would be seen in {:.0}% of series only, 80% needed",
                shown(kink),
                100.0 * power
            ),
        ),
        None => state(
            Outcome::CannotTell,
            format!(
                "no kink seen ({}), but there is no slope at the onset to halve, so no power",
                shown(kink)
            ),
        ),
    }
}

fn shown(kink: &GradedKink) -> String {
    let aicc = kink
        .delta_aicc
        .map_or("too few points for AICc".to_owned(), |d| {
            format!("AICc gain {d:.2}")
        });
    format!(
        "{aicc}, bootstrap p {:.3} of {} draws",
        kink.p, kink.n_draws
    )
}

fn kinked(kink: Option<&GradedKink>) -> Condition {
    let name = ConditionName::Kinked;
    let Some(kink) = kink else {
        return condition(
            name,
            Outcome::CannotTell,
            None,
            Some(STRONG.1),
            "no kink test".to_owned(),
        );
    };
    let strong = kink.delta_aicc.is_some_and(|d| d >= STRONG.0);
    let holds = strong || kink.p <= STRONG.1;
    condition(
        name,
        passed(holds),
        Some(kink.p),
        Some(STRONG.1),
        format!(
            "{}: {}; AICc gain 6 or p 0.01 needed",
            if holds {
                "a strong kink"
            } else {
                "no strong kink"
            },
            shown(kink)
        ),
    )
}

/// Weighted slope of ln loss on x over a range of points, its standard error and degrees of freedom.
fn slope(pair: &Paired<'_>, range: std::ops::Range<usize>) -> Option<(f64, f64, f64)> {
    let used: Vec<usize> = range.filter(|&i| pair.x[i].is_finite()).collect();
    if used.len() < 2 {
        return None;
    }
    let x: Vec<f64> = used.iter().map(|&i| pair.x[i]).collect();
    let y: Vec<f64> = used.iter().map(|&i| pair.loss[i].ln()).collect();
    let weights: Option<Vec<f64>> = used
        .iter()
        .map(|&i| {
            let se = pair.loss_se[i].filter(|se| *se > 0.0)? / pair.loss[i];
            Some(1.0 / (se * se))
        })
        .collect();
    let columns = [vec![1.0; x.len()], x];
    let fit = super::link::least_squares(&columns, &y, &weights?)?;
    let df = used.len() as f64 - 2.0;
    // What scatters beyond the errors of the items widens the slope's own.
    let dispersion = if df > 0.0 {
        (fit.rss / df).max(1.0)
    } else {
        1.0
    };
    Some((fit.theta[1], (dispersion * fit.inverse[3]).sqrt(), df))
}

fn flat(pair: &Paired<'_>, alpha: f64) -> Condition {
    let name = ConditionName::FlatBelow;
    let k = pair.x.len();
    let cannot = |why: &str| condition(name, Outcome::CannotTell, None, None, why.to_owned());
    let below = slope(pair, 0..pair.n_below);
    let above = slope(pair, pair.n_below.saturating_sub(1)..k);
    let (Some((below, se, df)), Some((above, ..))) = (below, above) else {
        return cannot("no slope of the graded loss below or above the threshold");
    };
    if df < 1.0 {
        return cannot("two models below the threshold give a slope without an error");
    }
    if above >= 0.0 {
        return cannot("the graded loss does not fall above the threshold");
    }
    let margin = FLAT * above.abs();
    let reach = below.abs() + t_isf(alpha, df) * se;
    condition(
        name,
        if reach <= margin {
            Outcome::Passed
        } else if below.abs() - t_isf(alpha, df) * se > margin {
            Outcome::Failed
        } else {
            Outcome::CannotTell
        },
        Some(reach),
        Some(margin),
        format!(
            "slope of ln loss below {below:.3} (standard error {se:.3}), above {above:.3}; flat means within {margin:.3}"
        ),
    )
}

fn meet(pair: &Paired<'_>, kink: Option<&GradedKink>) -> Condition {
    let name = ConditionName::BreakpointsMeet;
    // Neither is the whole truth: the hinge has a form of its own, and the onset is that of
    // leaving chance by a margin. The score turns within the hull of both.
    let score = match (pair.score_breakpoint, pair.onset) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (a, b) => a.or(b),
    };
    let (Some(kink), Some(score)) = (kink, score) else {
        return condition(
            name,
            Outcome::CannotTell,
            None,
            None,
            "no breakpoint of one of the metrics".to_owned(),
        );
    };
    let graded = kink.breakpoint_interval;
    let holds = graded.0 <= score.1 && score.0 <= graded.1;
    condition(
        name,
        passed(holds),
        Some(kink.breakpoint),
        None,
        format!(
            "the graded loss turns in [{:.2}, {:.2}], the score in [{:.2}, {:.2}]",
            graded.0, graded.1, score.0, score.1
        ),
    )
}

/// The link on the best basis there is, and what it predicts above the threshold.
fn link(pair: &Paired<'_>) -> Option<LinkTest> {
    let point = |i: usize| LinkPoint {
        loss: pair.loss[i],
        score: pair.score[i],
        n: pair.n[i].unwrap_or(0) as f64,
        chance: pair.chance,
        ceiling: pair.ceiling,
    };
    let below: Vec<LinkPoint> = (0..pair.n_below).map(point).collect();
    let fitted: Option<(LinkBasis, LinkFit, usize)> = fit_link(&below)
        .map(|fit| (LinkBasis::Below, fit, 1))
        .or_else(|| {
            fit_link(pair.others).map(|fit| (LinkBasis::OtherSeries, fit, pair.n_other_series))
        });
    let above = pair.n_below..pair.x.len();
    let mut predictions = Vec::new();
    let mut add = |i: usize, (predicted, lower, upper): (f64, f64, f64)| {
        predictions.push(LinkPrediction {
            model: pair.names[i].0.clone(),
            checkpoint_step: pair.names[i].1,
            observed: pair.score[i],
            predicted,
            interval: (lower, upper),
        });
    };
    let mut test = LinkTest {
        basis: LinkBasis::Below,
        n_fit: 0,
        n_series: 0,
        exponent: None,
        exponent_se: None,
        exponent_p: None,
        ln_factor: None,
        dispersion: None,
        r2: None,
        runs_p: None,
        predictions: Vec::new(),
        n_inside: 0,
        rmse: None,
        rmse_mean: None,
        median_width: None,
    };
    if let Some((basis, fit, n_series)) = fitted {
        for i in above.filter(|&i| pair.n[i].is_some()) {
            if let Some(found) = fit.predict(&point(i), PREDICTIVE) {
                add(i, found);
            }
        }
        test = LinkTest {
            basis,
            n_fit: fit.n,
            n_series,
            exponent: Some(fit.exponent),
            exponent_se: Some(fit.standard_errors().1),
            exponent_p: Some(fit.exponent_p()),
            ln_factor: Some(fit.intercept),
            dispersion: Some(fit.dispersion),
            r2: Some(fit.r2),
            runs_p: fit.runs_p(),
            ..test
        };
    } else {
        let (basis, points) = pair.analytic?;
        test.basis = basis;
        let z = norm_quantile(f64::midpoint(1.0, PREDICTIVE));
        for i in above {
            if let (Some(p), Some(n)) = (points.get(i).copied().flatten(), pair.n[i]) {
                let sampling = p.predicted * (1.0 - p.predicted) / n as f64;
                let half = z * sampling.max(0.0).sqrt().hypot(p.se);
                add(
                    i,
                    (
                        p.predicted,
                        (p.predicted - half).max(0.0),
                        (p.predicted + half).min(1.0),
                    ),
                );
            }
        }
    }
    let n = predictions.len();
    if n > 0 {
        let of = |error: &dyn Fn(&LinkPrediction) -> f64| {
            let sum: f64 = predictions.iter().map(|p| error(p).powi(2)).sum();
            Some((sum / n as f64).sqrt())
        };
        let mean = pair.score[..pair.n_below].iter().sum::<f64>() / pair.n_below.max(1) as f64;
        test.rmse = of(&|p| p.predicted - p.observed);
        test.rmse_mean = of(&|p| mean - p.observed);
        let mut widths: Vec<f64> = predictions
            .iter()
            .map(|p| p.interval.1 - p.interval.0)
            .collect();
        widths.sort_by(f64::total_cmp);
        test.median_width = Some(crate::resample::quantile_sorted(&widths, 0.5));
    }
    test.n_inside = predictions.iter().filter(|p| p.is_inside()).count();
    test.predictions = predictions;
    Some(test)
}

fn predicts(pair: &Paired<'_>, link: Option<&LinkTest>) -> Condition {
    let name = ConditionName::LinkPredicts;
    let cannot = |why: String| condition(name, Outcome::CannotTell, None, Some(SHARE_INSIDE), why);
    let Some(link) = link else {
        return cannot(
            "no link: fewer than six models below the threshold score between chance and the \
             ceiling, no other family or run has both metrics, and the token probabilities of \
             the items are not known"
                .to_owned(),
        );
    };
    let n = link.predictions.len();
    let (Some(rmse), Some(rmse_mean), Some(width)) = (link.rmse, link.rmse_mean, link.median_width)
    else {
        return cannot("no model above the threshold to predict".to_owned());
    };
    if n < MIN_PREDICTED {
        return cannot(format!(
            "{n} models above the threshold; {MIN_PREDICTED} are needed"
        ));
    }
    let share = link.n_inside as f64 / n as f64;
    let range = pair.ceiling - pair.chance;
    let numbers = format!(
        "{} of {n} scores above the threshold lie inside their 90% interval; error {rmse:.4} \
         against {rmse_mean:.4} of the mean below; median width {width:.3}",
        link.n_inside
    );
    let state =
        |outcome, why: String| condition(name, outcome, Some(share), Some(SHARE_INSIDE), why);
    // Wide intervals hold everything: that is no prediction.
    if width > WIDTH * range {
        state(
            Outcome::CannotTell,
            format!("{numbers}, wider than {:.3}", WIDTH * range),
        )
    } else {
        let holds = share >= SHARE_INSIDE && rmse <= ERROR * rmse_mean;
        let fitted = matches!(link.basis, LinkBasis::Below | LinkBasis::OtherSeries);
        if holds || fitted {
            state(passed(holds), numbers)
        } else {
            // A greedy answer matches more or less often than a sampled one, which is what the
            // product predicts: missing it is no evidence against a link.
            state(
                Outcome::CannotTell,
                format!(
                    "{numbers}; the product of token probabilities is the match of sampled \
                     answers, and those scored may be greedy ones"
                ),
            )
        }
    }
}

fn overruled(pair: &Paired<'_>) -> Option<String> {
    let k = pair.x.len();
    if k < MIN_BELOW {
        return Some(format!("both metrics are known for {k} models only"));
    }
    if pair.n_below == 0 {
        return Some("no model below the threshold".to_owned());
    }
    let null = pair.null_loss?;
    let z = norm_quantile(0.95);
    let better = (0..pair.n_below)
        .filter(|&i| {
            let se = pair.loss_se[i].unwrap_or(0.0);
            null - pair.loss[i] > z * se && null - pair.loss[i] > 1e-9 * null.abs()
        })
        .count();
    (better == 0).then(|| {
        "below the threshold the graded metric is no better than that of a responder without \
         knowledge: it is at its own floor"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// «4.Pythia-12b», «4.Pythia-1.4b»: 12 steps with one pair tied and 49 more pairs that fall
    /// than rise give τ −.7481134003 and p .0003786018144; 11 steps and 44, −.8073734278.
    #[test]
    fn kendall_of_the_worked_reference() {
        for (n, swaps, tau, p) in [
            (12, 8, -0.748_113_400_3, 0.000_378_601_814_4),
            (11, 5, -0.807_373_427_8, 0.000_295_378_655_9),
        ] {
            let mut loss: Vec<f64> = (0..n).map(|i| f64::from(n - i)).collect();
            // One tie at the start, then neighbours swapped: each turns one falling pair round.
            loss[1] = loss[0];
            let mut left = swaps;
            // Move the last value up front among the untied ones, one swap at a time.
            let mut at = loss.len() - 1;
            while left > 0 {
                if at <= 2 {
                    break;
                }
                loss.swap(at, at - 1);
                at -= 1;
                left -= 1;
            }
            let x: Vec<f64> = (0..n).map(f64::from).collect();
            let names: Vec<_> = (0..n).map(|_| ("m".into(), None)).collect();
            let k = loss.len();
            let pair = Paired {
                x: &x,
                names: &names,
                score: &vec![0.0; k],
                n: &vec![Some(100); k],
                loss: &loss,
                loss_se: &vec![Some(0.01); k],
                chance: 0.0,
                ceiling: 1.0,
                n_below: k,
                onset: None,
                score_breakpoint: None,
                null_loss: None,
                others: &[],
                n_other_series: 0,
                analytic: None,
            };
            let (got, p_got) = kendall_below(&pair).expect("ordered");
            assert!((got - tau).abs() < 1e-9, "{got} {tau}");
            assert!((p_got - p).abs() < 1e-9, "{p_got} {p}");
        }
    }
}
