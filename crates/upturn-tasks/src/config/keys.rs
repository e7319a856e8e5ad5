//! The keys that a task may have, and typed access to them.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::DocField;
use super::functions::helper_at;
use super::output_type::OutputType;
use crate::error::{Refusal, TaskError, did_you_mean};
use crate::ports::Helper;
use crate::raw::{RawConfig, RawField, at};
use crate::yaml::Yaml;

/// Keys that a task may have.
const KEYS: [&str; 36] = [
    "task",
    "task_alias",
    "tag",
    "group",
    "task_list",
    "custom_dataset",
    "dataset_path",
    "dataset_name",
    "dataset_kwargs",
    "training_split",
    "validation_split",
    "test_split",
    "fewshot_split",
    "process_docs",
    "doc_to_text",
    "doc_to_target",
    "doc_to_image",
    "doc_to_audio",
    "unsafe_code",
    "doc_to_choice",
    "process_results",
    "use_prompt",
    "description",
    "target_delimiter",
    "fewshot_delimiter",
    "fewshot_config",
    "num_fewshot",
    "metric_list",
    "output_type",
    "generation_kwargs",
    "repeats",
    "filter_list",
    "should_decontaminate",
    "doc_to_decontamination_query",
    "gen_prefix",
    "metadata",
];
/// Keys read by Python classes only.
const CLASS_KEYS: [&str; 2] = ["class", "recipe"];
/// Keys that have no effect in lm-evaluation-harness either.
const IGNORED: [&str; 2] = ["group", "task_list"];

pub(super) fn check_key(field: &RawField, warnings: &mut Vec<String>) -> Result<(), TaskError> {
    let key = &*field.key;
    if IGNORED.contains(&key) {
        warnings.push(format!(
            "{}:{}: the key '{key}' has no effect in a task",
            field.file.display(),
            field.line
        ));
        return Ok(());
    }
    if KEYS.contains(&key) || CLASS_KEYS.contains(&key) {
        return Ok(());
    }
    Err(Refusal::UnknownKey {
        key: key.into(),
        hint: did_you_mean(key, KEYS),
        file: field.file.display().to_string(),
        line: field.line,
    }
    .into())
}

/// Typed access to the keys of a task.
pub(super) struct Keys<'r>(pub(super) &'r RawConfig);

impl Keys<'_> {
    pub(super) fn wrong(&self, key: &str, expected: &str, found: &Yaml) -> TaskError {
        let (file, line) = self
            .0
            .field(key)
            .map_or((&self.0.file, 1), |f| (&f.file, f.line));
        let quote = if matches!(found, Yaml::Bool(_)) {
            "; put quotes round a word such as yes or no"
        } else {
            ""
        };
        at(
            file,
            line,
            format!("{key}: expected {expected}, found {}{quote}", found.kind()),
        )
    }

    pub(super) fn fail(&self, key: &str, reason: impl std::fmt::Display) -> TaskError {
        let (file, line) = self
            .0
            .field(key)
            .map_or((&self.0.file, 1), |f| (&f.file, f.line));
        at(file, line, format!("{key}: {reason}"))
    }

    pub(super) fn unsupported(&self, key: &str, reason: &str) -> TaskError {
        let (file, line) = self
            .0
            .field(key)
            .map_or((&self.0.file, 1), |f| (&f.file, f.line));
        Refusal::Unsupported {
            key: key.into(),
            reason: reason.into(),
            file: file.display().to_string(),
            line,
        }
        .into()
    }

    pub(super) fn refuse_unsupported(&self) -> Result<(), TaskError> {
        for (key, reason) in [
            ("doc_to_image", "images are not shown to models here"),
            ("doc_to_audio", "sounds are not played to models here"),
            (
                "use_prompt",
                "prompt libraries are not read; write the prompt in doc_to_text",
            ),
            (
                "custom_dataset",
                "expected a Python function, and none is run; write the data to a file",
            ),
            ("recipe", "unitxt recipes are Python, which is not run"),
            ("class", "the task is a Python class, which is not run"),
        ] {
            if self.0.value(key).is_some() {
                return Err(self.unsupported(key, reason));
            }
        }
        if self
            .0
            .value("unsafe_code")
            .is_some_and(|v| *v != Yaml::Bool(false))
        {
            return Err(self.unsupported(
                "unsafe_code",
                "programs written by a model are not run here",
            ));
        }
        Ok(())
    }

    /// The file that a key stands in.
    pub(super) fn file_of(&self, key: &str) -> &Arc<Path> {
        self.0.field(key).map_or(&self.0.file, |f| &f.file)
    }

    /// A key that takes a helper and nothing else.
    pub(super) fn helper(&self, key: &str) -> Result<Option<Arc<Helper>>, TaskError> {
        let Some(value) = self.0.value(key) else {
            return Ok(None);
        };
        match helper_at(value, key, self.file_of(key))? {
            Some(helper) => Ok(Some(helper)),
            None => Err(self.wrong(key, "a helper (!function module.name)", value)),
        }
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<String>, TaskError> {
        self.0.value(key).map(|v| self.as_text(key, v)).transpose()
    }

    /// Text, or a number, which a file may leave unquoted.
    pub(super) fn as_text(&self, key: &str, value: &Yaml) -> Result<String, TaskError> {
        match value {
            Yaml::Str(text) => Ok(text.to_string()),
            Yaml::Int(_) | Yaml::Float(_) => Ok(crate::python::text(&value.to_json())),
            other => Err(self.wrong(key, "text", other)),
        }
    }

    pub(super) fn texts(&self, key: &str) -> Result<Vec<String>, TaskError> {
        match self.0.value(key) {
            None => Ok(Vec::new()),
            Some(Yaml::Seq(items)) => items.iter().map(|i| self.as_text(key, i)).collect(),
            Some(one) => Ok(vec![self.as_text(key, one)?]),
        }
    }

    pub(super) fn count(&self, key: &str) -> Result<Option<usize>, TaskError> {
        match self.0.value(key) {
            None => Ok(None),
            Some(Yaml::Int(n)) if *n >= 0 => Ok(usize::try_from(*n).ok()),
            Some(other) => Err(self.wrong(key, "a whole number from 0", other)),
        }
    }

    pub(super) fn map(&self, key: &str) -> Result<Map<String, Value>, TaskError> {
        match self.0.value(key) {
            None => Ok(Map::new()),
            Some(value) => match value.to_json() {
                Value::Object(map) => Ok(map),
                _ => Err(self.wrong(key, "a map", value)),
            },
        }
    }

    pub(super) fn metadata(&self) -> Result<Map<String, Value>, TaskError> {
        match self.0.value("metadata") {
            // Kept under a name of its own, as lm-evaluation-harness does.
            Some(value) if value.as_map().is_none() => {
                Ok(Map::from_iter([("_metadata".to_string(), value.to_json())]))
            }
            _ => self.map("metadata"),
        }
    }

    pub(super) fn output_type(&self) -> Result<OutputType, TaskError> {
        let Some(name) = self.text("output_type")? else {
            return Ok(OutputType::GenerateUntil);
        };
        OutputType::ALL
            .into_iter()
            .find(|t| t.name() == name)
            .ok_or_else(|| {
                let all = OutputType::ALL.map(OutputType::name);
                self.fail(
                    "output_type",
                    format!(
                        "'{name}' is not one of {}{}",
                        all.join(", "),
                        did_you_mean(&name, all)
                    ),
                )
            })
    }

    pub(super) fn doc_field(&self, key: &str) -> Result<Option<DocField>, TaskError> {
        self.0
            .value(key)
            .map(|v| self.as_doc_field(key, v))
            .transpose()
    }

    pub(super) fn as_doc_field(&self, key: &str, value: &Yaml) -> Result<DocField, TaskError> {
        let is_choice = key.ends_with("doc_to_choice");
        let root = key.split('.').next().unwrap_or(key);
        if let Some(helper) = helper_at(value, key, self.file_of(root))? {
            return Ok(DocField::Helper(helper));
        }
        match value {
            Yaml::Str(text) => Ok(DocField::Text(text.clone())),
            Yaml::Int(n) if !is_choice => Ok(DocField::Int(*n)),
            Yaml::Seq(items) if !key.ends_with("doc_to_text") => {
                Ok(DocField::List(items.iter().map(Yaml::to_json).collect()))
            }
            Yaml::Map(entries) if is_choice => Ok(DocField::List(
                entries.iter().map(|e| e.value.to_json()).collect(),
            )),
            other => Err(self.wrong(key, "a field name, a template or a list", other)),
        }
    }
}
