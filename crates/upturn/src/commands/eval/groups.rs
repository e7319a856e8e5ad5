//! Scores of groups: kept like cells, as rows flagged as aggregates.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use upturn_eval::{GroupScore, MetricScore, group_scores};
use upturn_store::write_bytes;
use upturn_tasks::{GroupNode, Node};
use upturn_types::{Measurement, flag};

use super::cells::{CellFault, CellFile, TaskFacts};
use super::guard::Guard;
use super::models::safe_name;

/// Scores of the groups of one model, written below `out/groups/MODEL`.
///
/// A group of which a task has no result has no score: a mean over fewer tasks is another
/// number. Its name is in the second list.
pub fn write(
    out: &Path,
    model: &str,
    roots: &[Node],
    cells: &BTreeMap<String, CellFile>,
) -> Result<(Vec<GroupScore>, Vec<String>), CellFault> {
    let scores: BTreeMap<String, Vec<MetricScore>> = cells
        .iter()
        .map(|(task, cell)| (task.clone(), cell.scores.clone()))
        .collect();
    let mut nodes = BTreeMap::new();
    roots.iter().for_each(|root| collect(root, &mut nodes));
    let mut whole = Vec::new();
    let mut partial = Vec::new();
    let mut seen = BTreeSet::new();
    for group in group_scores(roots, &scores) {
        if !seen.insert(group.group.clone()) {
            continue;
        }
        let mut leaves = Vec::new();
        let mut has_all = true;
        if let Some(node) = nodes.get(group.group.as_str()) {
            leaves_of(node, &mut leaves);
            has_all = node.left_out.is_empty();
        }
        if !has_all || leaves.iter().any(|leaf| !cells.contains_key(*leaf)) {
            partial.push(group.group);
            continue;
        }
        if !group.scores.is_empty() {
            let members: Vec<&CellFile> = leaves.iter().filter_map(|l| cells.get(*l)).collect();
            let file = file(&group, &members);
            let folder = out.join("groups").join(safe_name(model));
            std::fs::create_dir_all(&folder).map_err(|e| {
                CellFault::Write(format!("cannot make the folder {}: {e}", folder.display()))
            })?;
            let mut json =
                serde_json::to_vec_pretty(&file).map_err(|e| CellFault::Write(e.to_string()))?;
            json.push(b'\n');
            let guard = Guard::take(out)?;
            guard.clean(&folder);
            write_bytes(
                &folder.join(format!("{}.json", safe_name(&group.group))),
                &json,
            )?;
        }
        whole.push(group);
    }
    Ok((whole, partial))
}

fn collect<'n>(node: &'n Node, found: &mut BTreeMap<&'n str, &'n GroupNode>) {
    if let Node::Group(group) = node {
        found.insert(&group.name, group);
        group.children.iter().for_each(|c| collect(c, found));
    }
}

fn leaves_of<'n>(group: &'n GroupNode, leaves: &mut Vec<&'n str>) {
    for child in &group.children {
        match child {
            Node::Task(task) => leaves.push(&task.task),
            Node::Group(group) => leaves_of(group, leaves),
        }
    }
}

fn file(group: &GroupScore, members: &[&CellFile]) -> CellFile {
    let rows = group
        .scores
        .iter()
        .filter_map(|score| row(group, score, members))
        .collect();
    let keys: Vec<&str> = members.iter().map(|c| c.key.as_str()).collect();
    let splits: BTreeSet<&str> = members.iter().map(|c| c.task.split.as_str()).collect();
    CellFile {
        upturn_cell: 1,
        key: keys.join(" "),
        task: TaskFacts {
            name: group.group.clone(),
            alias: group.alias.clone(),
            file: String::new(),
            version: None,
            output_type: "group".to_owned(),
            split: splits.into_iter().collect::<Vec<_>>().join(" "),
            shots: members.iter().map(|c| c.task.shots).max().unwrap_or(0),
            n_items: group.n,
        },
        n_truncated: members.iter().map(|c| c.n_truncated).sum(),
        not_finite: Vec::new(),
        scores: group.scores.clone(),
        rows,
    }
}

/// A row of the group: what all members have in common stays, the rest is unknown.
fn row(group: &GroupScore, score: &MetricScore, members: &[&CellFile]) -> Option<Measurement> {
    let rows: Vec<&Measurement> = members.iter().filter_map(|c| c.rows.first()).collect();
    let mut row = (*rows.first()?).clone();
    row.task = group.group.as_str().into();
    row.metric = score.metric.as_str().into();
    row.filter = (score.filter != "none").then(|| score.filter.as_str().into());
    row.value = score.value;
    row.stderr = score.stderr;
    row.n = Some(score.n);
    row.chance = upturn_eval::chance_of(score);
    row.chance_kind = row
        .chance
        .and(row.n_kind.map(|_| upturn_types::Known::Derived));
    row.ceiling = score.ceiling;
    row.higher_is_better = Some(score.higher_is_better);
    if rows.iter().any(|r| r.split != row.split) {
        row.split = None;
    }
    if rows.iter().any(|r| r.shots != row.shots) {
        row.shots = None;
    }
    row.add_flag(flag::AGGREGATE);
    Some(row)
}
