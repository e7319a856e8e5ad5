//! Scores of single items from the samples that lie beside results.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use upturn_analysis::item_scores::{ItemScores, TARGET_LOGPROB, wanted};
use upturn_store::item_table::{CellItems, read_items};
use upturn_types::{Analysis, CurveKey, Diagnostic, Text};

/// Folders that deep are looked into.
const MAX_DEPTH: usize = 8;

/// Reads the samples under `inputs` that the analysis has a use for, and answers its artefact
/// and method questions with them. Beside a file its folder's `samples` are read. Files that
/// cannot be read cost themselves alone.
pub fn answer(analysis: &mut Analysis, inputs: &[PathBuf]) -> Vec<Diagnostic> {
    let wanted = wanted(analysis);
    if wanted.is_empty() {
        return Vec::new();
    }
    let mut files = Vec::new();
    for input in inputs {
        match input.parent() {
            Some(folder) if input.is_file() => {
                find(&folder.join("samples"), true, 0, &mut files);
            }
            _ => find(input, false, 0, &mut files),
        }
    }
    files.sort();
    files.dedup();
    // What a curve is known by, but for the source, which samples do not carry.
    let mut by_setting: BTreeMap<CurveKey, Vec<CurveKey>> = BTreeMap::new();
    for key in wanted.into_values() {
        by_setting.entry(sourceless(&key)).or_default().push(key);
    }
    let read: Vec<(Vec<ItemScores>, Option<Diagnostic>)> = files
        .par_iter()
        .map(|file| match read_items(file) {
            Ok(Some(cell)) => (scores(&cell, &by_setting), None),
            Ok(None) => (Vec::new(), None),
            Err(e) => (Vec::new(), Some(e.diagnostic())),
        })
        .collect();
    let (mut items, mut diagnostics) = (Vec::new(), Vec::new());
    for (found, diagnostic) in read {
        items.extend(found);
        diagnostics.extend(diagnostic);
    }
    if !items.is_empty() {
        upturn_analysis::answer_with_items(analysis, &items);
    }
    diagnostics
}

fn sourceless(key: &CurveKey) -> CurveKey {
    CurveKey {
        source: "".into(),
        ..key.clone()
    }
}

/// The scores of a cell that belong to wanted curves.
fn scores(cell: &CellItems, wanted: &BTreeMap<CurveKey, Vec<CurveKey>>) -> Vec<ItemScores> {
    let c = &cell.cell;
    let mut filters: Vec<Option<Text>> = cell.rows.iter().map(|r| r.filter.clone()).collect();
    filters.sort();
    filters.dedup();
    let mut out = Vec::new();
    for filter in filters {
        let rows = || cell.rows.iter().filter(|r| r.filter == filter);
        let metrics = cell.metrics.iter().enumerate();
        let columns = metrics
            .map(|(i, metric)| (metric.clone(), Some(i)))
            .chain([(Text::from(TARGET_LOGPROB), None)]);
        for (metric, column) in columns {
            let key = CurveKey {
                family: c.family.clone(),
                tuning: c.tuning.clone(),
                task: c.task.clone(),
                subset: c.subset.clone(),
                split: c.split.clone(),
                method: c.method.clone(),
                shots: c.shots,
                filter: filter.clone(),
                metric,
                source: "".into(),
            };
            for key in wanted.get(&key).into_iter().flatten() {
                let scores: Vec<(u64, f64)> = rows()
                    .filter_map(|r| {
                        let score = match column {
                            Some(i) => r.scores[i],
                            None => r.target_logprob,
                        };
                        Some((r.doc_id, score?))
                    })
                    .collect();
                if !scores.is_empty() {
                    out.push(ItemScores {
                        key: key.clone(),
                        model: c.model.clone(),
                        checkpoint_step: c.checkpoint_step,
                        seed: c.seed,
                        scores,
                    });
                }
            }
        }
    }
    out
}

/// Parquet files below a folder called `samples`.
fn find(path: &Path, inside: bool, depth: usize, files: &mut Vec<PathBuf>) {
    let inside = inside || path.file_name().is_some_and(|name| name == "samples");
    let Ok(entries) = std::fs::read_dir(path) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir() && depth < MAX_DEPTH {
            find(&path, inside, depth + 1, files);
        } else if inside && kind.is_file() && path.extension().is_some_and(|e| e == "parquet") {
            files.push(path);
        }
    }
}
