//! BIG-bench JSON tasks (`task.json`) as tasks: a file becomes a task's keys and rows.
//!
//! The format is that of BIG-bench's `docs/doc.md`. A prompt is `task_prefix`, the examples joined
//! by `few_shot_example_separator`, then the question: `example_input_prefix`, the input, the
//! choices each after `choice_prefix` (unless `append_choices_to_input` is false), and
//! `example_output_prefix`; what is scored or generated follows directly.
//!
//! What is done otherwise, and why:
//! - Examples are drawn as for every task here, from the seed and the item alone, never the item
//!   itself; choices shown in the prompt are shuffled by the task's name and the item's index.
//! - An example with several right answers shows the first.
//! - Generated answers and targets are compared without white space at their ends, and without
//!   the `stop_string`, at which generation ends.
//! - `bleu` is sacreBLEU's default (13a tokens); BIG-bench sets international tokens.
//! - Tasks in Python (`task.py`) are refused by name.
//!
//! A task with metrics of both kinds, choices and text, becomes two: the preferred score's kind
//! has the task's name, the other `_choices` or `_generate` after it.

mod file;
mod keys;
mod rows;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::TaskConfig;
use crate::dataset::{DatasetError, DatasetSpec, Doc};
use crate::error::TaskError;
use crate::library::{GroupNode, Node};
use crate::raw::RawConfig;
use file::BigBench;

/// `dataset_path` of the rows of a `task.json`, whose path is `dataset_name`.
pub const PATH: &str = "bigbench";
/// The one split: BIG-bench names it so.
pub const SPLIT: &str = "default";
/// Folders below the one that was named in which `task.json` is looked for.
const MAX_DEPTH: usize = 3;

/// What a path holds.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Tasks, and a group where there are several.
    pub(crate) nodes: Vec<Node>,
    /// What cannot be run, by path.
    pub(crate) refused: Vec<(String, TaskError)>,
}

/// The preferred score of a task and the values that count as 0 and 100.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PreferredScore<'a> {
    /// Name of the metric.
    pub metric: &'a str,
    /// Score of a guess.
    pub low: f64,
    /// Best score.
    pub high: f64,
}

impl PreferredScore<'_> {
    /// 100·(raw − low) / (high − low): BIG-bench's normalised preferred score, 0 for a guess and
    /// 100 for the best; below 0 where a model is worse than a guess.
    #[must_use]
    pub fn normalized(&self, raw: f64) -> f64 {
        self.scale() * (raw - self.low)
    }

    /// What a difference of scores, such as a standard error, is multiplied by.
    #[must_use]
    pub fn scale(&self) -> f64 {
        100.0 / (self.high - self.low)
    }
}

impl TaskConfig {
    /// The preferred score of a BIG-bench task, where this task (of two) has it.
    #[must_use]
    pub fn preferred_score(&self) -> Option<PreferredScore<'_>> {
        let stated = self.metadata.get("upturn")?.get("preferred_score")?;
        let number = |key: &str| stated.get(key)?.as_f64();
        let score = PreferredScore {
            metric: stated.get("metric")?.as_str()?,
            low: number("low")?,
            high: number("high")?,
        };
        // Where every choice is right there is nothing between a guess and the best.
        (score.low != score.high).then_some(score)
    }
}

/// The tasks of a `task.json`, or of a folder that has one at its top or in its folders; `None`
/// where the path is something else (a folder with task YAML is).
///
/// # Errors
/// When a file named by its path is a BIG-bench task and wrong.
pub(crate) fn find(path: &Path) -> Result<Option<Found>, TaskError> {
    if path.is_file() {
        let is_json = path.extension().is_some_and(|e| e == "json");
        return match is_json
            .then(|| file::recognise(path))
            .transpose()?
            .flatten()
        {
            None => Ok(None),
            Some(task) => Ok(Some(Found {
                nodes: nodes(&task)?,
                refused: Vec::new(),
            })),
        };
    }
    if !path.is_dir() {
        return Ok(None);
    }
    let (files, programs) = files(path);
    if files.is_empty() {
        return Ok(None);
    }
    let mut found = Found::default();
    for file in &files {
        let made = file::recognise(file).and_then(|task| match task {
            Some(task) => nodes(&task),
            None => Err(crate::raw::at(
                file,
                1,
                "is no BIG-bench task: no list 'examples'",
            )),
        });
        match made {
            Ok(nodes) => found.nodes.extend(nodes),
            Err(e) => found.refused.push((file.display().to_string(), e)),
        }
    }
    for program in programs {
        let name = program.display().to_string();
        let reason = "is a BIG-bench task written in Python, which is not run".into();
        found
            .refused
            .push((name.clone(), TaskError::Read { file: name, reason }));
    }
    if found.nodes.len() > 1 {
        let folder = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let name = folder
            .file_name()
            .map_or("bigbench".into(), |n| n.to_string_lossy());
        found.nodes = vec![Node::Group(GroupNode {
            name: name.into_owned(),
            alias: None,
            aggregate: Vec::new(),
            version: None,
            children: std::mem::take(&mut found.nodes),
            left_out: found.refused.iter().map(|(name, _)| name.clone()).collect(),
        })];
    }
    Ok(Some(found))
}

/// Every `task.json` of a folder, sorted, and the `task.py` of folders without one. None where
/// the folder has task YAML.
fn files(folder: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let (mut files, mut programs) = (Vec::new(), Vec::new());
    let walk = walkdir::WalkDir::new(folder)
        .max_depth(MAX_DEPTH)
        .sort_by_file_name()
        .into_iter()
        .flatten();
    for entry in walk.filter(|e| e.file_type().is_file()) {
        let path = entry.into_path();
        if path.extension().is_some_and(|e| e == "yaml") {
            return Default::default();
        }
        match path.file_name().and_then(|n| n.to_str()) {
            Some("task.json") => files.push(path),
            Some("task.py") => programs.push(path),
            _ => {}
        }
    }
    programs.retain(|p| !p.with_file_name("task.json").exists());
    (files, programs)
}

fn nodes(task: &BigBench) -> Result<Vec<Node>, TaskError> {
    let config = |keys: String| -> Result<Node, TaskError> {
        let raw = RawConfig::of_text(&keys, &task.path)?;
        let mut config = TaskConfig::from_raw(&raw)?;
        config.warnings.extend(task.warnings.iter().cloned());
        Ok(Node::Task(Arc::new(config)))
    };
    keys::of(task)?.into_iter().map(config).collect()
}

/// The rows that `dataset_path: bigbench` asks for; `None` for another path.
#[must_use]
pub fn open(spec: &DatasetSpec, split: &str) -> Option<Result<Vec<Doc>, DatasetError>> {
    (spec.path == PATH).then(|| {
        let path = PathBuf::from(spec.name.as_deref().unwrap_or_default());
        let fault = |reason: String| DatasetError::File {
            file: path.display().to_string(),
            reason,
        };
        if split != SPLIT {
            return Err(DatasetError::NoSplit {
                dataset: spec.label(),
                split: split.into(),
                have: SPLIT.into(),
            });
        }
        let task = file::recognise(&path)
            .map_err(|e| fault(e.to_string()))?
            .ok_or_else(|| fault("is no BIG-bench task: no list 'examples'".into()))?;
        Ok(rows::of(&task))
    })
}
