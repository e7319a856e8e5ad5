//! What emergent tasks share: type, metric, kind of answer, options, length of the answer.

use std::collections::BTreeMap;

use upturn_catalog::{Catalog, metric_info, task_traits};
use upturn_stats::across::{
    chi_squared, chi_squared_monte_carlo_p, cramers_v, dunn_holm, fisher_exact, kruskal_wallis,
};
use upturn_stats::dist::clopper_pearson;
use upturn_stats::multiplicity::benjamini_hochberg;
use upturn_stats::resample::quantile_sorted;
use upturn_types::{
    AnalysisConfig, AssociationTest, Interval, Shape, TaskTrait, TraitLevel, TraitQuestion,
    Verdict, VerdictClass,
};

use crate::settings::seed_for;

/// Tasks with a trait known from which it is tested, and of each kind.
const MIN_TASKS: usize = 6;
const MIN_OF_EACH: usize = 2;
/// Random tables of a Monte-Carlo test.
const TABLES: u64 = 9999;
/// Expected count from which the χ² distribution is used.
const EXPECTED_MIN: f64 = 5.0;

/// One task with what is known of it.
struct Task {
    /// Whether it is emergent; `None` where undecided.
    emergent: Option<bool>,
    /// Median middle of its bounded thresholds on the axis of the analysis.
    threshold: Option<f64>,
    types: Option<Vec<String>>,
    metric: Option<&'static str>,
    answer: Option<&'static str>,
    options: Option<f64>,
    answer_chars: Option<f64>,
}

/// A trait of a task, where it is known.
type Known<T> = fn(&Task) -> Option<T>;

/// Every trait against emergence and thresholds, adjusted together.
///
/// The unit is the task: over settings and families it is emergent if more than half of its
/// decided curves are, read by the metric most of them have.
pub(super) fn find(verdicts: &[&Verdict], config: &AnalysisConfig) -> Vec<TaskTrait> {
    let tasks = tasks(verdicts, config);
    let mut found: Vec<TaskTrait> = Vec::new();
    let mut names: Vec<&String> = tasks
        .iter()
        .filter_map(|t| t.types.as_ref())
        .flatten()
        .collect();
    names.sort();
    names.dedup();
    for name in names {
        let has = |t: &Task| {
            let types = t.types.as_ref()?;
            Some(if types.contains(name) { "yes" } else { "no" }.to_owned())
        };
        let title = format!("type: {name}");
        found.extend(emergence_by_level(&tasks, &title, has, config));
        found.extend(threshold_by_level(&tasks, &title, has));
    }
    let words: [(&str, Known<&'static str>); 2] =
        [("metric", |t| t.metric), ("answer", |t| t.answer)];
    for (name, word) in words {
        let level = |t: &Task| word(t).map(str::to_owned);
        found.extend(emergence_by_level(&tasks, name, level, config));
        found.extend(threshold_by_level(&tasks, name, level));
    }
    let numbers: [(&str, Known<f64>); 2] = [
        ("options", |t| t.options),
        ("answer_length", |t| t.answer_chars),
    ];
    for (name, number) in numbers {
        found.extend(emergence_by_number(&tasks, name, number));
    }
    let level = |t: &Task| t.options.map(|n| format!("{n:.0}"));
    found.extend(threshold_by_level(&tasks, "options", level));
    let p: Vec<f64> = found.iter().map(|t| t.p).collect();
    for (row, p_bh) in found.iter_mut().zip(benjamini_hochberg(&p)) {
        row.p_bh = p_bh;
    }
    found
}

fn tasks(verdicts: &[&Verdict], config: &AnalysisConfig) -> Vec<Task> {
    let mut by_task: BTreeMap<String, BTreeMap<&str, Vec<&Verdict>>> = BTreeMap::new();
    for v in verdicts {
        by_task
            .entry(v.key.task_name())
            .or_default()
            .entry(&*v.key.metric)
            .or_default()
            .push(v);
    }
    let catalog = Catalog::builtin();
    by_task
        .values()
        .filter_map(|metrics| {
            // The metric of most curves; of equal ones the first by name.
            let (metric, verdicts) = metrics.iter().rev().max_by_key(|(_, v)| v.len())?;
            Some(task(metric, verdicts, &catalog, config))
        })
        .collect()
}

fn task(metric: &str, verdicts: &[&Verdict], catalog: &Catalog, config: &AnalysisConfig) -> Task {
    let first = verdicts[0];
    let decided: Vec<&&Verdict> = verdicts
        .iter()
        .filter(|v| v.shape != Shape::InsufficientData)
        .collect();
    let emergent = decided
        .iter()
        .filter(|v| v.shape.class() == VerdictClass::Emergent)
        .count();
    let middles: Vec<f64> = verdicts
        .iter()
        .filter(|v| v.axis == config.axis)
        .filter_map(|v| {
            let (lower, upper) = v.threshold.as_ref().and_then(|t| t.lower.zip(t.upper))?;
            Some(f64::midpoint(lower, upper))
        })
        .collect();
    let entry = first
        .key
        .subset
        .as_deref()
        .and_then(|s| catalog.find_task(s))
        .or_else(|| catalog.find_task(&first.key.task));
    let traits = entry
        .and_then(|e| task_traits(&e.name).or_else(|| e.group.as_deref().and_then(task_traits)));
    let chance = first.chance;
    let binomial = metric_info(metric).map(|i| i.binomial);
    let options = entry
        .and_then(|e| e.options)
        .map(f64::from)
        .or_else(|| whole_options(chance, binomial));
    Task {
        emergent: (!decided.is_empty()).then_some(2 * emergent > decided.len()),
        threshold: median(middles),
        types: traits.map(|t| t.types.clone()),
        metric: binomial.map(|b| if b { "all or nothing" } else { "graded" }),
        answer: match (chance, binomial) {
            (Some(c), Some(true)) if c > 0.0 => Some("choice"),
            (Some(0.0), _) => Some("free"),
            _ => None,
        },
        options,
        answer_chars: traits.and_then(|t| t.answer_chars),
    }
}

/// 1/chance where that is a whole number.
fn whole_options(chance: Option<f64>, binomial: Option<bool>) -> Option<f64> {
    let chance = chance.filter(|c| *c > 0.0 && binomial == Some(true))?;
    let options = (1.0 / chance).round();
    ((1.0 / chance - options).abs() < 1e-6).then_some(options)
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    (!values.is_empty()).then(|| quantile_sorted(&values, 0.5))
}

/// Is the share of emergent tasks the same at all levels?
fn emergence_by_level(
    tasks: &[Task],
    name: &str,
    level: impl Fn(&Task) -> Option<String>,
    config: &AnalysisConfig,
) -> Option<TaskTrait> {
    let mut table: BTreeMap<String, [u64; 2]> = BTreeMap::new();
    let mut n_unknown = 0;
    for task in tasks {
        match (task.emergent, level(task)) {
            (Some(emergent), Some(level)) => {
                table.entry(level).or_default()[usize::from(!emergent)] += 1;
            }
            (Some(_), None) => n_unknown += 1,
            _ => {}
        }
    }
    let rows: Vec<Vec<u64>> = table.values().map(|row| row.to_vec()).collect();
    let of = |column: usize| rows.iter().map(|r| r[column]).sum::<u64>() as usize;
    let n_tasks = of(0) + of(1);
    let enough = n_tasks >= MIN_TASKS && of(0) >= MIN_OF_EACH && of(1) >= MIN_OF_EACH;
    let big = rows
        .iter()
        .filter(|r| r[0] + r[1] >= MIN_OF_EACH as u64)
        .count();
    if !enough || rows.len() < 2 || big < 2 {
        return None;
    }
    let chi = chi_squared(&rows)?;
    let (test, statistic, df, p) = if rows.len() == 2 {
        // "yes" against "no": the odds of the trait, so the later level comes first.
        let table = [[rows[1][0], rows[1][1]], [rows[0][0], rows[0][1]]];
        let fisher = fisher_exact(table);
        let odds = Some(fisher.odds_ratio).filter(|o| o.is_finite());
        (AssociationTest::Fisher, odds, None, fisher.p_two_sided)
    } else if chi.smallest_expected >= EXPECTED_MIN {
        let statistic = Some(chi.statistic);
        (AssociationTest::ChiSquared, statistic, Some(chi.df), chi.p)
    } else {
        let p = chi_squared_monte_carlo_p(&rows, TABLES, seed_for(config.seed, name))?;
        let statistic = Some(chi.statistic);
        (AssociationTest::ChiSquaredMonteCarlo, statistic, None, p)
    };
    Some(TaskTrait {
        name: name.into(),
        question: TraitQuestion::Emergent,
        test,
        n_tasks,
        n_unknown,
        levels: table
            .iter()
            .map(|(level, row)| {
                let n = row[0] + row[1];
                let (lower, upper) = clopper_pearson(row[0], n, 0.025);
                TraitLevel {
                    level: (&**level).into(),
                    n_tasks: n as usize,
                    n_emergent: row[0] as usize,
                    value: row[0] as f64 / n as f64,
                    interval: Some(Interval {
                        lower: Some(lower),
                        upper: Some(upper),
                        confidence_level: 0.95,
                    }),
                }
            })
            .collect(),
        statistic,
        df,
        cramers_v: cramers_v(&rows),
        p,
        p_bh: p,
        pairs: Vec::new(),
    })
}

/// Is a number the same in emergent tasks and others?
fn emergence_by_number(tasks: &[Task], name: &str, number: Known<f64>) -> Option<TaskTrait> {
    let of = |emergent: bool| -> Vec<f64> {
        let those = tasks.iter().filter(|t| t.emergent == Some(emergent));
        those.filter_map(number).collect()
    };
    let groups = [of(true), of(false)];
    let n_tasks = groups[0].len() + groups[1].len();
    if n_tasks < MIN_TASKS || groups.iter().any(|g| g.len() < MIN_OF_EACH) {
        return None;
    }
    let test = kruskal_wallis(&groups)?;
    let decided = tasks.iter().filter(|t| t.emergent.is_some()).count();
    let levels = ["emergent", "other"]
        .iter()
        .zip(&groups)
        .filter_map(|(level, group)| {
            Some(TraitLevel {
                level: (*level).into(),
                n_tasks: group.len(),
                n_emergent: if *level == "emergent" { group.len() } else { 0 },
                value: median(group.clone())?,
                interval: None,
            })
        })
        .collect();
    Some(TaskTrait {
        name: name.into(),
        question: TraitQuestion::Emergent,
        test: AssociationTest::KruskalWallis,
        n_tasks,
        n_unknown: decided - n_tasks,
        levels,
        statistic: Some(test.h),
        df: Some(test.df),
        cramers_v: None,
        p: test.p,
        p_bh: test.p,
        pairs: Vec::new(),
    })
}

/// Do thresholds lie alike at all levels?
fn threshold_by_level(
    tasks: &[Task],
    name: &str,
    level: impl Fn(&Task) -> Option<String>,
) -> Option<TaskTrait> {
    let mut groups: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut n_unknown = 0;
    for task in tasks {
        match (task.threshold, level(task)) {
            (Some(x), Some(level)) => groups.entry(level).or_default().push(x),
            (Some(_), None) => n_unknown += 1,
            _ => {}
        }
    }
    groups.retain(|_, g| g.len() >= MIN_OF_EACH);
    let values: Vec<Vec<f64>> = groups.values().cloned().collect();
    let n_tasks = values.iter().map(Vec::len).sum();
    if values.len() < 2 || n_tasks < MIN_TASKS {
        return None;
    }
    let test = kruskal_wallis(&values)?;
    let names: Vec<&String> = groups.keys().collect();
    let pairs = if values.len() > 2 {
        let word = |i: usize| names[i].as_str().into();
        dunn_holm(&values)
            .into_iter()
            .map(|(i, j, p)| (word(i), word(j), p))
            .collect()
    } else {
        Vec::new()
    };
    Some(TaskTrait {
        name: name.into(),
        question: TraitQuestion::Threshold,
        test: AssociationTest::KruskalWallis,
        n_tasks,
        n_unknown,
        levels: groups
            .iter()
            .filter_map(|(level, group)| {
                Some(TraitLevel {
                    level: (&**level).into(),
                    n_tasks: group.len(),
                    n_emergent: group.len(),
                    value: median(group.clone())?,
                    interval: None,
                })
            })
            .collect(),
        statistic: Some(test.h),
        df: Some(test.df),
        cramers_v: None,
        p: test.p,
        p_bh: test.p,
        pairs,
    })
}
