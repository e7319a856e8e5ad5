//! Task entries: what a score means without the ability, and how many items are behind it.

use std::collections::BTreeMap;

use serde::Serialize;
use upturn_types::Text;

use crate::metric::metric_info;

/// One benchmark.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskEntry {
    /// Name, as the harness calls it where it does.
    pub name: Text,
    /// Other names.
    pub aliases: Vec<Text>,
    /// Score, in \[0, 1), of a responder without the ability, for accuracy-like metrics:
    /// 1/options, or 0 for free answers. `None` where unknown or undefined.
    pub chance: Option<f64>,
    /// Answers to choose from, where all questions have the same number.
    pub options: Option<u32>,
    /// What is known of single metrics, by canonical name. A metric that is not here
    /// follows [`crate::metric_info`] and [`TaskEntry::chance`]: use
    /// [`TaskEntry::chance_for`].
    pub metrics: BTreeMap<Text, TaskMetric>,
    /// Items per split (`train`, `dev`, `validation`, `test`).
    pub n: BTreeMap<Text, u64>,
    /// The split that is usually scored.
    pub eval_split: Option<Text>,
    /// Family of tasks (`mmlu` for an MMLU topic).
    pub group: Option<Text>,
    /// Citation.
    pub source: Text,
    /// Whether it is an average over tasks.
    pub aggregate: bool,
    /// For an aggregate, names of tasks among which its parts are; empty where unknown.
    pub parts: Vec<Text>,
    /// Doubts and remarks: why chance or size is left open.
    pub note: Option<Text>,
    /// Whether it was added by the user rather than built in.
    pub user: bool,
    /// Names matched letter by letter apart from case.
    #[serde(skip)]
    pub(crate) exact: Vec<Text>,
}

/// What is known of one metric of one task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskMetric {
    /// Score of a responder without the ability; `None` where unknown.
    pub chance: Option<f64>,
    /// Best attainable score; `None` is 1 for bounded metrics and unknown otherwise.
    pub ceiling: Option<f64>,
    /// Whether larger is better.
    pub higher_is_better: bool,
    /// Whether it lies in \[0, 1\].
    pub bounded: bool,
    /// Whether it is a mean of 0/1 outcomes.
    pub binomial: bool,
}

impl TaskEntry {
    /// Every name under which the entry is known.
    pub fn names(&self) -> impl Iterator<Item = &Text> {
        std::iter::once(&self.name)
            .chain(&self.aliases)
            .chain(&self.exact)
    }

    /// Chance for `metric`, by any of its spellings.
    ///
    /// What [`TaskEntry::metrics`] says of it; else [`TaskEntry::chance`] for means of
    /// 0/1 outcomes; else 0 for graded scores (F1) of free answers; else `None`.
    #[must_use]
    pub fn chance_for(&self, metric: &str) -> Option<f64> {
        let info = metric_info(metric);
        let canonical = info.as_ref().map_or(metric, |i| &i.canonical);
        if let Some(known) = self.metrics.get(canonical) {
            return known.chance;
        }
        let info = info?;
        if info.binomial && info.higher_is_better {
            self.chance
        } else if info.bounded && info.higher_is_better && !info.composite {
            self.chance.filter(|&c| c == 0.0)
        } else {
            None
        }
    }

    /// Items of `split` (`dev`, `val` and `validation` are one where only one is given),
    /// or of the usual split where `None`.
    #[must_use]
    pub fn n_for(&self, split: Option<&str>) -> Option<u64> {
        let split = match split {
            Some(split) => split.trim().to_lowercase(),
            None => self.eval_split.as_deref()?.to_owned(),
        };
        if let Some(&n) = self.n.get(&*split) {
            return Some(n);
        }
        let other = match &*split {
            "dev" | "val" | "valid" => "validation",
            "val-dev" | "validation" => "dev",
            _ => return None,
        };
        self.n.get(other).copied()
    }
}
