//! The Python functions that a task names.

use std::path::Path;
use std::sync::Arc;

use crate::error::{Refusal, TaskError};
use crate::ports::Helper;
use crate::raw::RawConfig;
use crate::yaml::{FunctionRef, Yaml};

/// Keys where a function is read as a helper (see [`crate::ports`]).
const READ: [&str; 14] = [
    "process_docs",
    "doc_to_text",
    "doc_to_target",
    "doc_to_choice",
    "process_results",
    "fewshot_config.process_docs",
    "fewshot_config.samples",
    "fewshot_config.doc_to_text",
    "fewshot_config.doc_to_target",
    "fewshot_config.doc_to_choice",
    "metric_list.metric",
    "metric_list.aggregation",
    "filter_list.filter.function",
    "filter_list.filter.filter_fn",
];
/// Keys whose functions have no effect on prompts or scores.
const UNUSED: [&str; 1] = ["doc_to_decontamination_query"];

/// Every Python function or class that a task names and that is not read here, with its
/// key, file and line.
#[must_use]
pub fn python_of(raw: &RawConfig) -> Vec<Refusal> {
    let mut found = Vec::new();
    functions(raw, &mut |key, function, file| {
        if let Err(why) = helper(key, function, file) {
            found.push(refusal(key, function, file, why));
        }
    });
    found
}

/// Every helper that a task names and that is read here, with its key.
#[must_use]
pub fn helpers_of(raw: &RawConfig) -> Vec<(String, Arc<Helper>)> {
    let mut found = Vec::new();
    functions(raw, &mut |key, function, file| {
        if let Ok(Some(helper)) = helper(key, function, file) {
            found.push((key.to_string(), helper));
        }
    });
    found
}

fn functions(raw: &RawConfig, visit: &mut dyn FnMut(&str, &FunctionRef, &Path)) {
    for field in &raw.fields {
        let class = (&*field.key == "class")
            .then(|| field.value.as_str())
            .flatten();
        if let Some(name) = class {
            let function = FunctionRef {
                name: name.into(),
                line: field.line,
            };
            visit("class", &function, &field.file);
        }
        field
            .value
            .visit_functions(&field.key, &mut |key, function| {
                visit(key, function, &field.file);
            });
    }
}

/// The helper of a key; none where the key has no effect.
fn helper(key: &str, function: &FunctionRef, file: &Path) -> Result<Option<Arc<Helper>>, String> {
    if UNUSED.contains(&key) {
        return Ok(None);
    }
    if key == "class" {
        return Err("it is a class".into());
    }
    if !READ.contains(&key) {
        return Err(format!("functions at {key} are not read"));
    }
    Helper::find(file, &function.name).map(|h| Some(Arc::new(h)))
}

/// The helper that a value of the task file is, if it is a function.
pub(super) fn helper_at(
    value: &Yaml,
    key: &str,
    file: &Path,
) -> Result<Option<Arc<Helper>>, TaskError> {
    let Yaml::Function(function) = value else {
        return Ok(None);
    };
    helper(key, function, file).map_err(|why| refusal(key, function, file, why).into())
}

fn refusal(key: &str, function: &FunctionRef, file: &Path, why: String) -> Refusal {
    Refusal::NeedsPython {
        key: key.into(),
        function: function.name.to_string(),
        file: file.display().to_string(),
        line: function.line,
        why,
    }
}
