//! A `task.json`, read and checked.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::error::{TaskError, did_you_mean};
use crate::raw::at;

/// Longest file read.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// Keys that have an effect or are known to have none here.
const KEYS: [&str; 20] = [
    "name",
    "description",
    "keywords",
    "metrics",
    "preferred_score",
    "examples",
    "append_choices_to_input",
    "example_input_prefix",
    "example_output_prefix",
    "choice_prefix",
    "few_shot_example_separator",
    "few_shot_example_count",
    "stop_string",
    "output_regex",
    "task_prefix",
    "canary",
    "comment",
    "language",
    "languages",
    "authors",
];

/// One example.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Example {
    pub(super) input: String,
    /// Right answers as texts; where there are choices only, the right ones of those.
    pub(super) targets: Vec<String>,
    /// Options in the file's order; empty where there are none.
    pub(super) choices: Vec<String>,
    /// Indices of the right options.
    pub(super) right: Vec<usize>,
}

/// A BIG-bench task.
#[derive(Debug, Clone)]
pub(super) struct BigBench {
    pub(super) path: PathBuf,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) keywords: Vec<String>,
    pub(super) metrics: Vec<String>,
    pub(super) preferred: String,
    pub(super) append_choices: bool,
    pub(super) input_prefix: String,
    pub(super) output_prefix: String,
    pub(super) choice_prefix: String,
    pub(super) separator: String,
    pub(super) n_shots: Option<u64>,
    pub(super) stop: Option<String>,
    pub(super) output_regex: Option<String>,
    pub(super) task_prefix: String,
    /// Each once, in order.
    pub(super) examples: Vec<Example>,
    pub(super) warnings: Vec<String>,
}

/// Reads a file; `None` where it is JSON but no BIG-bench task (it has no list `examples`).
pub(super) fn recognise(path: &Path) -> Result<Option<BigBench>, TaskError> {
    let read = |reason: String| TaskError::Read {
        file: path.display().to_string(),
        reason,
    };
    let size = std::fs::metadata(path).map_err(|e| read(format!("cannot be read: {e}")))?;
    if size.len() > MAX_FILE_BYTES {
        return Err(read(format!(
            "has {} bytes; at most {MAX_FILE_BYTES} are read",
            size.len()
        )));
    }
    let text = std::fs::read_to_string(path).map_err(|e| read(format!("cannot be read: {e}")))?;
    let value: Value = serde_json::from_str(&text)
        .map_err(|e| at(path, e.line().max(1), format!("is no JSON: {e}")))?;
    let Value::Object(map) = value else {
        return Ok(None);
    };
    if !map.get("examples").is_some_and(Value::is_array) {
        return Ok(None);
    }
    Reader { path, map: &map }.task().map(Some)
}

struct Reader<'a> {
    path: &'a Path,
    map: &'a Map<String, Value>,
}

impl Reader<'_> {
    fn wrong(&self, reason: impl Into<String>) -> TaskError {
        TaskError::Task {
            file: self.path.display().to_string(),
            reason: reason.into(),
        }
    }

    fn text(&self, key: &str) -> Result<Option<String>, TaskError> {
        match self.map.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(self.wrong(format!("{key}: expected text, found {other}"))),
        }
    }

    fn texts(&self, key: &str) -> Result<Vec<String>, TaskError> {
        match self.map.get(key) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| match item {
                    Value::String(text) => Ok(text.clone()),
                    other => Err(self.wrong(format!("{key}: expected texts, found {other}"))),
                })
                .collect(),
            Some(other) => Err(self.wrong(format!("{key}: expected a list, found {other}"))),
        }
    }

    fn task(&self) -> Result<BigBench, TaskError> {
        let metrics = self.texts("metrics")?;
        if metrics.is_empty() {
            return Err(self.wrong("metrics: name at least one, such as multiple_choice_grade"));
        }
        let preferred = self
            .text("preferred_score")?
            .unwrap_or_else(|| metrics[0].clone());
        let append_choices = match self.map.get("append_choices_to_input") {
            None | Some(Value::Null) => true,
            Some(Value::Bool(b)) => *b,
            Some(other) => {
                return Err(self.wrong(format!(
                    "append_choices_to_input: expected true or false, found {other}"
                )));
            }
        };
        let n_shots = match self.map.get("few_shot_example_count") {
            None | Some(Value::Null) => None,
            Some(value) => Some(value.as_u64().ok_or_else(|| {
                self.wrong(format!(
                    "few_shot_example_count: expected a whole number from 0, found {value}"
                ))
            })?),
        };
        let warnings = self
            .map
            .keys()
            .filter(|key| !KEYS.contains(&key.as_str()))
            .map(|key| {
                let hint = did_you_mean(key, KEYS);
                format!("{}: '{key}' has no effect{hint}", self.path.display())
            })
            .collect();
        Ok(BigBench {
            path: self.path.to_path_buf(),
            name: self.name()?,
            description: self.text("description")?.unwrap_or_default(),
            keywords: self.texts("keywords")?,
            metrics,
            preferred,
            append_choices,
            input_prefix: self.text("example_input_prefix")?.unwrap_or("\nQ: ".into()),
            output_prefix: self
                .text("example_output_prefix")?
                .unwrap_or("\nA: ".into()),
            choice_prefix: self.text("choice_prefix")?.unwrap_or("\n  choice: ".into()),
            separator: self
                .text("few_shot_example_separator")?
                .unwrap_or("\n".into()),
            n_shots,
            stop: self.text("stop_string")?.filter(|s| !s.is_empty()),
            output_regex: self.text("output_regex")?.filter(|s| !s.is_empty()),
            task_prefix: self.text("task_prefix")?.unwrap_or_default(),
            examples: self.examples()?,
            warnings,
        })
    }

    /// The file's `name`, which must do as the name of a file; else that of its folder.
    fn name(&self) -> Result<String, TaskError> {
        let stated = self.text("name")?;
        let folder = || {
            let path = std::path::absolute(self.path).ok()?;
            let folder = path.parent()?.file_name()?;
            Some(folder.to_string_lossy().into_owned())
        };
        let name = stated
            .or_else(folder)
            .filter(|n| !n.trim().is_empty())
            .unwrap_or_else(|| "bigbench".into());
        Ok(name
            .trim()
            .chars()
            .map(|c| match c.is_alphanumeric() || "_-.".contains(c) {
                true => c,
                false => '_',
            })
            .collect())
    }

    fn examples(&self) -> Result<Vec<Example>, TaskError> {
        let all = self.map.get("examples").and_then(Value::as_array);
        let all = all.map(Vec::as_slice).unwrap_or_default();
        let mut seen = std::collections::BTreeSet::new();
        let mut examples = Vec::new();
        for (i, value) in all.iter().enumerate() {
            let example = self
                .example(value)
                .map_err(|reason| self.wrong(format!("examples[{i}]: {reason}")))?;
            if seen.insert(value.to_string()) {
                examples.push(example);
            }
        }
        match examples.is_empty() {
            true => Err(self.wrong("examples: the list is empty")),
            false => Ok(examples),
        }
    }

    fn example(&self, value: &Value) -> Result<Example, String> {
        let map = value
            .as_object()
            .ok_or_else(|| format!("expected a map, found {value}"))?;
        let input = match map.get("input") {
            Some(Value::String(text)) => text.clone(),
            Some(other) => return Err(format!("input: expected text, found {other}")),
            None => return Err("no key 'input'".into()),
        };
        let (choices, right) = match map.get("target_scores") {
            None | Some(Value::Null) => (Vec::new(), Vec::new()),
            Some(Value::Object(scores)) => options(scores)?,
            Some(other) => return Err(format!("target_scores: expected a map, found {other}")),
        };
        let text = |value: &Value| match value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            other => Err(format!("target: expected text, found {other}")),
        };
        let targets = match map.get("target") {
            None | Some(Value::Null) if choices.is_empty() => {
                return Err("neither 'target' nor 'target_scores'".into());
            }
            None | Some(Value::Null) => right.iter().map(|i| choices[*i].clone()).collect(),
            Some(Value::Array(items)) if items.is_empty() => {
                return Err("target: the list is empty".into());
            }
            Some(Value::Array(items)) => items.iter().map(text).collect::<Result<_, _>>()?,
            Some(one) => vec![text(one)?],
        };
        Ok(Example {
            input,
            targets,
            choices,
            right,
        })
    }
}

/// Options of `target_scores`, and which are right.
fn options(scores: &Map<String, Value>) -> Result<(Vec<String>, Vec<usize>), String> {
    let mut right = Vec::new();
    for (i, (choice, score)) in scores.iter().enumerate() {
        match score.as_f64() {
            Some(1.0) => right.push(i),
            Some(0.0) => {}
            _ => {
                return Err(format!(
                    "target_scores: '{choice}' has {score}; only right (1) and wrong (0) are scored here"
                ));
            }
        }
    }
    if right.is_empty() {
        return Err("target_scores: no choice has the score 1".into());
    }
    Ok((scores.keys().cloned().collect(), right))
}
