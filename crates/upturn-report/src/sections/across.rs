//! Questions over many tasks, in sentences and tables.

use upturn_types::{
    Analysis, Axis, Concentration, LossAgainstMetric, LossSource, NobodyYet, ScaleNeeded,
    TaskTrait, TraitQuestion,
};

use super::counterexamples::axis_name;
use super::{Block, ends, estimate, two};
use crate::numbers::{self, Signs, plural};

fn place(axis: Axis, x: f64) -> String {
    numbers::raw(axis, axis.raw(x))
}

fn range(axis: Axis, lower: Option<f64>, upper: Option<f64>, signs: Signs) -> String {
    let raw = |x: Option<f64>| x.map(|x| axis.raw(x));
    // Ends that round to the same number are one place.
    if let (Some(lower), Some(upper)) = (lower, upper)
        && place(axis, lower) == place(axis, upper)
    {
        return format!("about {}", place(axis, upper));
    }
    numbers::range(axis, raw(lower), raw(upper), signs).unwrap_or_else(|| "anywhere".to_owned())
}

/// Is there a magic scale? In sentences.
fn magic(c: &Concentration, signs: Signs) -> Vec<String> {
    let unit = numbers::unit(c.axis);
    let decades = numbers::coordinate_unit(c.axis);
    let mut out = Vec::new();
    let [_, median, _] = c.quartiles;
    out.push(format!(
        "{} on {} have a certified side of their threshold on {}: {} bounded, {} only from above, {} only from below. Their median lies within {} {unit}.",
        plural(c.n_curves, "curve", "curves"),
        plural(c.n_tasks, "task", "tasks"),
        axis_name(c.axis),
        numbers::integer(c.n_bounded as u64),
        numbers::integer(c.n_left_censored as u64),
        numbers::integer(c.n_right_censored as u64),
        range(c.axis, median.lower, median.upper, signs),
    ));
    if let (Some(sd), Some(null), Some(p)) = (c.sd, c.sd_null, c.p) {
        let verdict = if p <= 0.05 {
            "closer together than the evaluated scales alone make them"
        } else {
            "no closer together than the evaluated scales alone make them: no sign of a magic scale"
        };
        out.push(format!(
            "Thresholds scatter by {}{} {decades} (standard deviation of {} middles over {} tasks), {verdict} ({}; by chance {} [{}, {}]).",
            two(sd.value),
            ends(&sd),
            sd.n,
            sd.n_clusters,
            numbers::p_value(p),
            two(null[0]),
            two(null[1]),
            two(null[2]),
        ));
    } else {
        out.push(
            "Bounded thresholds are of one task: whether tasks share a scale cannot be said."
                .to_owned(),
        );
    }
    out
}

fn clusters(c: &Concentration) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(mad) = &c.mad {
        out.push(format!(
            "Median absolute deviation {}{} {}.",
            two(mad.value),
            ends(mad),
            numbers::coordinate_unit(c.axis)
        ));
    }
    match c.cluster_bic {
        Some(bic) => {
            let best = (1..3).fold(0, |best, i| if bic[i] < bic[best] { i } else { best });
            out.push(format!(
                "The middles are described best by {} (BIC {:.1}, {:.1}, {:.1} for one, two and three).",
                ["one cluster", "two clusters", "three clusters"][best],
                bic[0],
                bic[1],
                bic[2]
            ));
        }
        None => out.push(format!(
            "{} are too few to count clusters (12 are needed).",
            plural(c.n_bounded, "bounded threshold", "bounded thresholds")
        )),
    }
    if let Some(h) = &c.heterogeneity {
        out.push(format!(
            "Beyond the width of their intervals thresholds scatter with Q = {}, {}; {} of the scatter is between curves.",
            two(h.q),
            numbers::p_value(h.p),
            numbers::percent(h.i2)
        ));
    }
    out
}

/// The strongest traits in a sentence each.
fn strongest(analysis: &Analysis) -> Option<String> {
    let traits = &analysis.across.traits;
    if traits.is_empty() {
        return None;
    }
    let held: Vec<String> = traits
        .iter()
        .filter(|t| t.p_bh <= 0.05)
        .map(|t| {
            let what = match t.question {
                TraitQuestion::Emergent => "emergence",
                TraitQuestion::Threshold => "thresholds",
            };
            format!(
                "{} goes with {what} ({}, adjusted; {})",
                t.name,
                numbers::p_value(t.p_bh),
                plural(t.n_tasks, "task", "tasks")
            )
        })
        .collect();
    Some(if held.is_empty() {
        format!(
            "Of {} of tasks none goes with emergence or thresholds after adjustment.",
            plural(traits.len(), "tested trait", "tested traits")
        )
    } else {
        format!("{}.", held.join("; "))
    })
}

fn loss_summary(rows: &[LossAgainstMetric]) -> Option<String> {
    if rows.is_empty() {
        return None;
    }
    // The score rises as the loss falls: the whole interval is below 0.
    let falls = |c: Option<&upturn_types::Clustered>| {
        c.and_then(|c| c.interval)
            .and_then(|i| i.upper)
            .is_some_and(|u| u < 0.0)
    };
    let all = rows.iter().filter(|r| falls(r.all.as_ref())).count();
    let near: Vec<&LossAgainstMetric> = rows.iter().filter(|r| r.near.is_some()).collect();
    let still = near.iter().filter(|r| !falls(r.near.as_ref())).count();
    let mut out = format!(
        "Scores rise as the loss falls on {} of {}.",
        numbers::integer(all as u64),
        plural(rows.len(), "curve with a loss", "curves with a loss")
    );
    if !near.is_empty() {
        out.push_str(&format!(
            " Among those near chance alone that is not shown on {} of {}.",
            numbers::integer(still as u64),
            plural(near.len(), "curve", "curves")
        ));
    }
    Some(out)
}

fn nobody_summary(rows: &[NobodyYet]) -> Option<String> {
    if rows.is_empty() {
        return None;
    }
    let said = rows
        .iter()
        .filter(|n| matches!(n.needed, ScaleNeeded::Extrapolated { .. }))
        .count();
    Some(format!(
        "{} that no measured model is certified to have: the scale needed can be extrapolated for {}, and cannot be said for the rest.",
        plural(rows.len(), "task", "tasks"),
        numbers::integer(said as u64)
    ))
}

/// Sentences for the front page.
pub(crate) fn across_summary(analysis: &Analysis, signs: Signs) -> Vec<String> {
    let found = &analysis.across;
    let mut out = Vec::new();
    if let Some(c) = &found.concentration {
        out.extend(magic(c, signs));
    }
    out.extend(strongest(analysis));
    out.extend(loss_summary(&found.loss));
    out.extend(nobody_summary(&found.nobody));
    out
}

/// The whole section.
pub(crate) fn across(analysis: &Analysis, signs: Signs, limit: usize) -> Vec<Block> {
    let found = &analysis.across;
    let mut blocks = Vec::new();
    if let Some(c) = &found.concentration {
        let text = magic(c, signs).into_iter().chain(clusters(c)).collect();
        let rows = c
            .distribution
            .iter()
            .map(|m| {
                vec![
                    format!(
                        "{} {}",
                        range(c.axis, m.lower, m.upper, signs),
                        numbers::unit(c.axis)
                    ),
                    numbers::percent(m.mass),
                ]
            })
            .collect();
        blocks.push(Block::new(
            "Is there a magic scale?",
            text,
            &["threshold inside", "share of thresholds"],
            rows,
            limit,
        ));
    }
    if !found.traits.is_empty() {
        blocks.push(traits(&found.traits, analysis.config.axis, limit));
    }
    if !found.loss.is_empty() {
        blocks.push(loss(&found.loss, signs, limit));
    }
    if !found.nobody.is_empty() {
        blocks.push(nobody(&found.nobody, signs, limit));
    }
    blocks
}

fn traits(traits: &[TaskTrait], axis: Axis, limit: usize) -> Block {
    let rows = traits
        .iter()
        .map(|t| {
            let is_number = t.cramers_v.is_none() && t.question == TraitQuestion::Emergent;
            let levels: Vec<String> = t
                .levels
                .iter()
                .map(|l| match (t.question, l.interval) {
                    (TraitQuestion::Emergent, Some(_)) => {
                        format!("{} {} of {}", l.level, l.n_emergent, l.n_tasks)
                    }
                    (TraitQuestion::Emergent, None) => {
                        format!("{} median {} (n={})", l.level, two(l.value), l.n_tasks)
                    }
                    (TraitQuestion::Threshold, _) => {
                        format!("{} {} (n={})", l.level, place(axis, l.value), l.n_tasks)
                    }
                })
                .collect();
            let pairs: Vec<String> = t
                .pairs
                .iter()
                .filter(|p| p.2 <= 0.05)
                .map(|(a, b, p)| format!("{a} against {b} {}", numbers::p_value(*p)))
                .collect();
            let statistic = match (t.statistic, is_number) {
                (Some(s), _) => two(s),
                (None, _) => "infinite".to_owned(),
            };
            vec![
                t.name.replace('_', " "),
                match t.question {
                    TraitQuestion::Emergent => "emergent?",
                    TraitQuestion::Threshold => "threshold?",
                }
                .to_owned(),
                levels
                    .into_iter()
                    .chain(pairs)
                    .collect::<Vec<_>>()
                    .join("; "),
                format!("{} ({} unknown)", t.n_tasks, t.n_unknown),
                format!("{} {statistic}", t.test.name()),
                t.cramers_v.map_or_else(String::new, two),
                numbers::p_bare(t.p),
                numbers::p_bare(t.p_bh),
            ]
        })
        .collect();
    Block::new(
        "What goes with emergence",
        vec![
            "The unit is the task: emergent where more than half of its decided curves are, undecided ones left out. Shares are emergent tasks of decided tasks; adjusted over the table by Benjamini and Hochberg.".to_owned(),
        ],
        &["trait", "question", "levels", "tasks", "test", "Cramér's V", "p", "p, adjusted"],
        rows,
        limit,
    )
}

fn loss(rows: &[LossAgainstMetric], signs: Signs, limit: usize) -> Block {
    let shown = rows
        .iter()
        .map(|r| {
            let source = match &r.loss {
                LossSource::Training => "pre-training loss".to_owned(),
                LossSource::OwnTask { metric } => format!("{metric} of the task"),
                LossSource::Proxy { task, metric } => format!("{metric} of {task}"),
            };
            let with_n = |c: Option<&upturn_types::Clustered>| match c {
                Some(c) => format!("{} (n={})", estimate(Some(c), signs), c.n),
                None => signs.none.to_owned(),
            };
            vec![
                format!("{}, {}", r.key.task_name(), r.key.setting_name()),
                r.key.family.to_string(),
                r.key.metric.to_string(),
                source,
                with_n(r.all.as_ref()),
                match (&r.finished, r.finished_p) {
                    (Some(c), Some(p)) => {
                        format!("{} (n={}, {})", two(c.value), c.n, numbers::p_value(p))
                    }
                    (Some(c), None) => format!("{} (n={})", two(c.value), c.n),
                    _ => signs.none.to_owned(),
                },
                with_n(r.near.as_ref()),
            ]
        })
        .collect();
    Block::new(
        "Loss against metric",
        loss_summary(rows)
            .into_iter()
            .chain([
                "Spearman's correlation of loss with score; 95% intervals resample models with all their checkpoints; p of finished models is over all orders. Where the training loss is not known, a language-modelling score of the same models stands in, and is named.".to_owned(),
            ])
            .collect(),
        &[
            "task", "family", "metric", "loss", "all", "finished models", "near chance only",
        ],
        shown,
        limit,
    )
}

fn nobody(rows: &[NobodyYet], signs: Signs, limit: usize) -> Block {
    let shown = rows
        .iter()
        .map(|n| {
            let unit = numbers::unit(n.axis);
            let needed = match &n.needed {
                ScaleNeeded::Extrapolated {
                    at,
                    interval,
                    beyond,
                } => format!(
                    "{} {unit} (90% interval {}), {} {} beyond the largest",
                    place(n.axis, *at),
                    range(n.axis, interval.lower, interval.upper, signs),
                    two(*beyond),
                    numbers::coordinate_unit(n.axis)
                ),
                ScaleNeeded::CannotBeSaid { why } => format!("cannot be said: {why}"),
            };
            vec![
                n.setting.to_string(),
                format!("{} / {}", n.n_models, n.n_families),
                n.largest_near.as_ref().map_or_else(String::new, |(m, x)| {
                    format!("{m} at {} {unit}", place(n.axis, *x))
                }),
                n.detectable.map_or_else(String::new, numbers::score),
                n.family
                    .as_ref()
                    .map_or_else(String::new, |f| f.to_string()),
                needed,
            ]
        })
        .collect();
    Block::new(
        "Nobody yet, and what it would take",
        vec![
            "Tasks with a model certified near chance and none above. The scale is where a logistic through the family with the largest model reaches the score that its items detect with 80% power. It assumes that the curve goes on as it began; a kink would make it wrong.".to_owned(),
        ],
        &[
            "task", "models / families", "largest near chance", "score to reach", "family",
            "scale needed",
        ],
        shown,
        limit,
    )
}
