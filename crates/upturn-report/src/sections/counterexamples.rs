//! Counterexamples and the order of models by axis, in sentences and tables.

use upturn_types::{
    Agreement, Analysis, Axis, Counterexample, CounterexampleSide, CounterexampleTotal,
    LabelledModel, TaskOrder,
};

use super::{Block, ends, estimate, two};
use crate::numbers::{self, Signs, plural};

/// What an axis is called in a sentence.
pub(crate) fn axis_name(axis: Axis) -> &'static str {
    match axis {
        Axis::Flops => "training compute",
        Axis::Params => "parameters",
        Axis::Tokens => "training tokens",
        Axis::Loss => "pre-training loss",
    }
}

fn model_name(m: &LabelledModel) -> String {
    match &m.tuning {
        Some(tuning) => format!("{} ({tuning})", m.model),
        None => m.model.to_string(),
    }
}

fn place(m: &LabelledModel, axis: Axis) -> String {
    m.scale
        .on(axis)
        .map_or_else(String::new, |v| numbers::raw(axis, v))
}

fn score(m: &LabelledModel, signs: Signs) -> String {
    match &m.interval {
        Some(i) => format!(
            "{} {}",
            numbers::score(m.score),
            numbers::interval(i, signs)
        ),
        None => numbers::score(m.score),
    }
}

/// `13 times the compute`.
fn gap(pair: &Counterexample, axis: Axis) -> String {
    match axis {
        Axis::Loss => format!("{} nats lower", two(pair.gap)),
        _ => format!("{} times", two(10f64.powf(pair.gap))),
    }
}

fn total(t: &CounterexampleTotal) -> String {
    let rate = t.discordance.map_or_else(String::new, |d| {
        let percent = |v: f64| numbers::percent(v);
        let interval = d.interval.and_then(|i| i.lower.zip(i.upper)).map_or_else(
            || ", no interval".to_owned(),
            |(a, b)| {
                format!(
                    ", 95% interval over families {} to {}",
                    percent(a),
                    percent(b)
                )
            },
        );
        format!(" ({}{interval})", percent(d.value))
    });
    format!(
        "By {}: {} of {}{rate}, on {} of {}.",
        axis_name(t.axis),
        numbers::integer(t.n_counterexamples as u64),
        plural(t.n_pairs, "pair", "pairs"),
        numbers::integer(t.n_tasks_with as u64),
        plural(t.n_tasks, "task", "tasks"),
    )
}

/// The widest counterexample on the axis of the analysis.
fn widest(analysis: &Analysis, axis: Axis, signs: Signs) -> Option<String> {
    let all = analysis.counterexamples.tasks.iter().flat_map(|task| {
        task.axes
            .iter()
            .filter(|a| a.axis == axis)
            .flat_map(|a| a.counterexamples.first())
            .map(move |pair| (task, pair))
    });
    let (task, pair) = all.max_by(|a, b| a.1.gap.total_cmp(&b.1.gap))?;
    let (small, large) = (
        task.models.get(pair.smaller)?,
        task.models.get(pair.larger)?,
    );
    let unit = numbers::unit(axis);
    Some(format!(
        "Widest: {} has {} ({}) at {} {unit}, {} lacks it ({}) at {}.",
        model_name(small),
        task.setting.task_name(),
        score(small, signs),
        place(small, axis),
        model_name(large),
        score(large, signs),
        place(large, axis),
    ))
}

/// What axis orders a task better than another, where the interval excludes 0.
fn better_axis(task: &TaskOrder) -> Vec<String> {
    task.differences
        .iter()
        .filter_map(|d| {
            let interval = d.difference.interval?;
            let (lower, upper) = interval.lower.zip(interval.upper)?;
            let (first, second) = if lower > 0.0 {
                (d.first, d.second)
            } else if upper < 0.0 {
                (d.second, d.first)
            } else {
                return None;
            };
            let tau = |axis: Axis| {
                let order = task.axes.iter().find(|a| a.axis == axis)?;
                Some(two(order.tau_b?.value))
            };
            Some(format!(
                "{}: {} orders models better than {} (Kendall's τ-b {} against {}, difference {}{}; {} models of {} families).",
                task.setting.task_name(),
                axis_name(first),
                axis_name(second),
                tau(first)?,
                tau(second)?,
                two(d.difference.value),
                ends(&d.difference),
                d.difference.n,
                d.difference.n_clusters,
            ))
        })
        .collect()
}

/// Sentences for the front page.
pub(crate) fn counterexamples_summary(analysis: &Analysis, signs: Signs) -> Vec<String> {
    let found = &analysis.counterexamples;
    if found.totals.is_empty() {
        return Vec::new();
    }
    let mut out = vec![format!(
        "Pairs of models of different families of which one is certified above chance and one near it: how often is the one with the ability the smaller? {}",
        found.totals.iter().map(total).collect::<Vec<_>>().join(" ")
    )];
    out.extend(widest(analysis, analysis.config.axis, signs));
    out.extend(found.tasks.iter().flat_map(better_axis).take(3));
    out
}

/// The whole section.
pub(crate) fn counterexamples(analysis: &Analysis, signs: Signs, limit: usize) -> Vec<Block> {
    let found = &analysis.counterexamples;
    if found.totals.is_empty() {
        return published(analysis, limit).into_iter().collect();
    }
    let mut blocks = vec![Block::new(
        "How often scale misorders models",
        std::iter::once(
            "Labels are adjusted over all models of a task (Holm). A counterexample on an axis is a smaller model certified above chance while a larger one of another family is certified near it; it is strict where the smaller model's family is emergent on the task."
                .to_owned(),
        )
        .chain(found.totals.iter().map(|t| {
            format!("{} Strict: {}.", total(t), numbers::integer(t.n_strict as u64))
        }))
        .collect(),
        &[],
        Vec::new(),
        0,
    )];
    for axis in Axis::ALL {
        let mut pairs: Vec<(&TaskOrder, &Counterexample)> = found
            .tasks
            .iter()
            .flat_map(|task| {
                let orders = task.axes.iter().filter(move |a| a.axis == axis);
                orders.flat_map(move |a| a.counterexamples.iter().map(move |c| (task, c)))
            })
            .collect();
        // Widest first; within a gap in the order of tasks.
        pairs.sort_by(|a, b| b.1.gap.total_cmp(&a.1.gap));
        let rows: Vec<Vec<String>> = pairs
            .iter()
            .filter_map(|(task, pair)| row(task, pair, axis, signs))
            .collect();
        if !rows.is_empty() {
            blocks.push(Block::new(
                &format!("Counterexamples by {}, widest first", axis_name(axis)),
                Vec::new(),
                &[
                    "task",
                    "has it",
                    "at",
                    "score",
                    "lacks it",
                    "at",
                    "score",
                    "larger by",
                    "tokens",
                    "notes",
                ],
                rows,
                limit,
            ));
        }
    }
    blocks.push(orders(found.tasks.iter(), signs, limit));
    let regressions = regressions(found.tasks.iter(), limit);
    if !regressions.rows.is_empty() {
        blocks.push(regressions);
    }
    if !found.traits.is_empty() {
        blocks.push(traits(analysis, signs, limit));
    }
    blocks.extend(published(analysis, limit));
    blocks
}

fn row(task: &TaskOrder, pair: &Counterexample, axis: Axis, signs: Signs) -> Option<Vec<String>> {
    let (small, large) = (
        task.models.get(pair.smaller)?,
        task.models.get(pair.larger)?,
    );
    let tokens = match (small.scale.tokens, large.scale.tokens) {
        (Some(a), Some(b)) if a > 0.0 && b > 0.0 => {
            format!("{} to {}", numbers::count(a), numbers::count(b))
        }
        _ => signs.none.to_owned(),
    };
    let mut notes: Vec<String> = Vec::new();
    if pair.strict {
        notes.push("strict".to_owned());
    }
    for (m, side) in [(small, "has it"), (large, "lacks it")] {
        let kinds = ["code", "instruct", "moe", "distilled"];
        let flags: Vec<&str> = kinds
            .into_iter()
            .filter(|k| m.flags.iter().any(|f| &**f == *k))
            .collect();
        if !flags.is_empty() {
            notes.push(format!("{side}: {}", flags.join(", ")));
        }
    }
    Some(vec![
        task.setting.to_string(),
        model_name(small),
        place(small, axis),
        score(small, signs),
        model_name(large),
        place(large, axis),
        score(large, signs),
        gap(pair, axis),
        tokens,
        notes.join("; "),
    ])
}

fn orders<'a>(tasks: impl Iterator<Item = &'a TaskOrder>, signs: Signs, limit: usize) -> Block {
    let mut text = vec![
        "Kendall's τ-b and Spearman's correlation of score with scale over all models; Somers' D over pairs within a family. Intervals are 95%, over families resampled whole.".to_owned(),
    ];
    let mut rows = Vec::new();
    for task in tasks {
        text.extend(better_axis(task));
        for order in &task.axes {
            rows.push(vec![
                task.setting.to_string(),
                axis_name(order.axis).to_owned(),
                format!("{} / {}", order.n_models, order.n_families),
                format!("{} of {}", order.n_counterexamples, order.n_pairs),
                estimate(order.tau_b.as_ref(), signs),
                estimate(order.spearman.as_ref(), signs),
                match &order.somers_d {
                    Some(d) => format!(
                        "{} ({})",
                        estimate(Some(d), signs),
                        plural(d.n, "pair", "pairs")
                    ),
                    None => signs.none.to_owned(),
                },
            ]);
        }
    }
    Block::new(
        "Which axis orders models best",
        text,
        &[
            "task",
            "axis",
            "models / families",
            "misordered",
            "τ-b",
            "Spearman",
            "within families",
        ],
        rows,
        limit,
    )
}

fn regressions<'a>(tasks: impl Iterator<Item = &'a TaskOrder>, limit: usize) -> Block {
    let mut text = vec![
        "Logistic regressions of “above” with an intercept per family, held finite by weak priors (scale nearly separates the labels). A higher left-out score foretells families not seen better.".to_owned(),
    ];
    let mut rows = Vec::new();
    for task in tasks {
        for fit in &task.regressions {
            let axes: Vec<&str> = fit.axes.iter().map(|a| axis_name(*a)).collect();
            let slopes: Vec<String> = fit
                .slopes
                .iter()
                .enumerate()
                .map(|(i, b)| match fit.slope_errors.get(i) {
                    Some(e) => format!("{} (se {})", two(*b), two(*e)),
                    None => two(*b),
                })
                .collect();
            rows.push(vec![
                task.setting.to_string(),
                if axes.is_empty() {
                    "none".to_owned()
                } else {
                    axes.join(" + ")
                },
                slopes.join(", "),
                two(fit.family_sd),
                format!("{:.2}", fit.penalised_log_likelihood),
                fit.left_out_log_score
                    .map_or_else(|| "undefined".to_owned(), |s| format!("{s:.2}")),
                fit.auc.map_or_else(String::new, |a| format!("{a:.3}")),
                format!("{} / {}", fit.n_models, fit.n_families),
            ]);
        }
        if let Some(equal) = &task.equal_slopes {
            let (lower, upper) = equal
                .interval
                .lower
                .zip(equal.interval.upper)
                .unwrap_or((f64::NAN, f64::NAN));
            text.push(format!(
                "{}: the slope on tokens minus that on parameters is {} [{}, {}], {}: {}.",
                task.setting.task_name(),
                two(equal.difference),
                two(lower),
                two(upper),
                numbers::p_value(equal.p),
                if lower > 0.0 || upper < 0.0 {
                    "compute alone does not say it all"
                } else {
                    "compute alone may say it all"
                },
            ));
        }
    }
    Block::new(
        "Regressions on the axes",
        text,
        &[
            "task",
            "axes",
            "slopes per decade",
            "sd of families",
            "penalised log-likelihood",
            "left-out score",
            "AUC",
            "models / families",
        ],
        rows,
        limit,
    )
}

fn traits(analysis: &Analysis, signs: Signs, limit: usize) -> Block {
    let rows = analysis
        .counterexamples
        .traits
        .iter()
        .map(|t| {
            let side = match t.side {
                CounterexampleSide::Early => "has it early",
                CounterexampleSide::Late => "lacks it late",
            };
            vec![
                axis_name(t.axis).to_owned(),
                side.to_owned(),
                t.name.replace('_', " "),
                format!("{} / {}", t.n_in, t.n_out),
                match t.difference {
                    Some(_) => estimate(t.difference.as_ref(), signs),
                    None => signs.none.to_owned(),
                },
                numbers::p_bare(t.p),
                numbers::p_bare(t.p_bh),
            ]
        })
        .collect();
    Block::new(
        "What counterexamples have in common",
        vec![
            "Models on one side of a counterexample against the other models with the same label. Differences are of medians in decades for tokens and tokens per parameter, of shares for flags; their 95% intervals resample families. A family stands for its training data. p is that of rank tests, Fisher's exact test, or χ² over random tables; models of one family are not independent, so trust the interval before the p.".to_owned(),
        ],
        &["axis", "side", "trait", "on that side / others", "difference", "p", "p, adjusted"],
        rows,
        limit,
    )
}

/// Published counterexamples beside the scores here.
fn published(analysis: &Analysis, limit: usize) -> Option<Block> {
    let rows: Vec<Vec<String>> = analysis
        .counterexamples
        .published
        .iter()
        .map(|r| {
            let outcome = match r.agreement {
                Agreement::Agrees => "agrees",
                Agreement::Disagrees => "disagrees",
                Agreement::Undecided => "undecided",
                Agreement::DataNotPublished => "no data",
            };
            vec![r.ability.to_string(), outcome.to_owned(), r.reason.clone()]
        })
        .collect();
    if rows.is_empty() {
        return None;
    }
    Some(Block::new(
        "Published counterexamples",
        vec![
            "Tasks on which Wei et al. 2022 (Appendix F, as transcribed) report PaLM 62B above random while LaMDA 137B and GPT-3 175B are not.".to_owned(),
        ],
        &["task", "here", "why"],
        rows,
        limit,
    ))
}
