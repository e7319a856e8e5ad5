//! Scores of groups: means over their tasks, from the leaves up.

use std::collections::BTreeMap;

use upturn_metrics::{group_mean, pooled_stderr};
use upturn_tasks::{GroupNode, Node};

use crate::cell::MetricScore;

/// The scores of a group.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupScore {
    /// Its name.
    pub group: String,
    /// Its name in tables.
    pub alias: Option<String>,
    /// Names of its members, tasks and groups, in order.
    pub members: Vec<String>,
    /// Depth in the tree of groups, from 0.
    pub depth: usize,
    /// Its scores; empty where it only lists its members.
    pub scores: Vec<MetricScore>,
    /// Items of all its tasks.
    pub n: u64,
}

/// Scores of every group below `roots`, outer groups first, given the scores of tasks.
///
/// A group's score is the mean over the tasks below it that have the metric and
/// filter; its standard error is pooled, as lm-evaluation-harness pools it even
/// where tasks count alike.
#[must_use]
pub fn group_scores(roots: &[Node], tasks: &BTreeMap<String, Vec<MetricScore>>) -> Vec<GroupScore> {
    let mut all = Vec::new();
    for root in roots {
        visit(root, 0, tasks, &mut all);
    }
    all
}

fn visit(
    node: &Node,
    depth: usize,
    tasks: &BTreeMap<String, Vec<MetricScore>>,
    all: &mut Vec<GroupScore>,
) {
    let Node::Group(group) = node else { return };
    let mut leaves = Vec::new();
    collect(node, &mut leaves);
    let members = group
        .children
        .iter()
        .map(|c| match c {
            Node::Group(g) => g.name.clone(),
            Node::Task(t) => t.task.clone(),
        })
        .collect();
    all.push(GroupScore {
        group: group.name.clone(),
        alias: group.alias.clone(),
        members,
        depth,
        scores: joined(group, &leaves, tasks),
        n: leaves
            .iter()
            .filter_map(|t| tasks.get(*t)?.first())
            .map(|s| s.n)
            .sum(),
    });
    for child in &group.children {
        visit(child, depth + 1, tasks, all);
    }
}

fn collect<'a>(node: &'a Node, leaves: &mut Vec<&'a str>) {
    match node {
        Node::Task(task) => leaves.push(&task.task),
        Node::Group(group) => group.children.iter().for_each(|c| collect(c, leaves)),
    }
}

fn joined(
    group: &GroupNode,
    leaves: &[&str],
    tasks: &BTreeMap<String, Vec<MetricScore>>,
) -> Vec<MetricScore> {
    let mut joined = Vec::new();
    for aggregate in &group.aggregate {
        let mut by_filter: BTreeMap<&str, Vec<&MetricScore>> = BTreeMap::new();
        for leaf in leaves {
            for score in tasks.get(*leaf).into_iter().flatten() {
                let wanted = aggregate
                    .filters
                    .as_ref()
                    .is_none_or(|f| f.contains(&score.filter));
                if score.metric == aggregate.metric && wanted {
                    by_filter.entry(&score.filter).or_default().push(score);
                }
            }
        }
        for (filter, scores) in by_filter {
            let values: Vec<f64> = scores.iter().map(|s| s.value).collect();
            let sizes: Vec<u64> = scores.iter().map(|s| s.n).collect();
            let stderrs: Option<Vec<f64>> = scores.iter().map(|s| s.stderr).collect();
            let chances: Option<Vec<f64>> = scores.iter().map(|s| s.chance).collect();
            let Some(value) = group_mean(&values, &sizes, aggregate.weight_by_size) else {
                continue;
            };
            joined.push(MetricScore {
                metric: aggregate.metric.clone(),
                filter: filter.to_owned(),
                value,
                stderr: stderrs.and_then(|s| pooled_stderr(&s, &sizes)),
                n: sizes.iter().sum(),
                higher_is_better: scores[0].higher_is_better,
                graded: scores[0].graded,
                in_task: true,
                chance: chances.and_then(|c| group_mean(&c, &sizes, aggregate.weight_by_size)),
                ceiling: scores[0].ceiling,
            });
        }
    }
    joined
}
