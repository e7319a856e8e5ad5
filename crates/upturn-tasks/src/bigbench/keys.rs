//! A BIG-bench task in the keys of a task file.

use serde_json::{Map, Value, json};

use super::file::BigBench;
use super::{PATH, SPLIT};
use crate::error::{Refusal, TaskError};

/// Tokens generated at most.
const MAX_TOKENS: u64 = 128;
/// What of an answer is compared where the file gives neither `output_regex` nor `stop_string`:
/// the first piece between ends of sentences and lines.
const DEFAULT_REGEX: &str = r"[^\.\?\!\;\n]+";

/// How a metric is computed here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// From likelihoods of choices.
    Choices,
    /// From generated text.
    Text,
}

/// Metrics of the format: BIG-bench's name, ours, the form, best score.
const METRICS: [(&str, &[&str], Form, f64); 8] = [
    ("multiple_choice_grade", &["acc"], Form::Choices, 1.0),
    ("expected_calibration_error", &["ece"], Form::Choices, 0.0),
    ("exact_str_match", &["exact_match"], Form::Text, 1.0),
    ("bleu", &["bleu"], Form::Text, 100.0),
    ("rouge", &["rouge1", "rouge2", "rougeLsum"], Form::Text, 1.0),
    ("rouge1", &["rouge1"], Form::Text, 1.0),
    ("rouge2", &["rouge2"], Form::Text, 1.0),
    ("rougeLsum", &["rougeLsum"], Form::Text, 1.0),
];

fn known(name: &str) -> Option<&'static (&'static str, &'static [&'static str], Form, f64)> {
    METRICS.iter().find(|m| m.0 == name)
}

/// The task files of a task: one, or two where its metrics are of both forms.
///
/// # Errors
/// When the preferred score is none that is computed here, or an example lacks what a metric
/// needs.
pub(super) fn of(task: &BigBench) -> Result<Vec<String>, TaskError> {
    let Some(preferred) = known(&task.preferred) else {
        let all: Vec<&str> = METRICS.iter().map(|m| m.0).collect();
        return Err(Refusal::Unsupported {
            key: "preferred_score".into(),
            reason: format!(
                "'{}' is not computed here; computed are {}",
                task.preferred,
                all.join(", ")
            ),
            file: task.path.display().to_string(),
            line: 1,
        }
        .into());
    };
    let mut names: Vec<&str> = vec![preferred.0];
    let mut skipped = Vec::new();
    for metric in &task.metrics {
        match known(metric) {
            Some(metric) if !names.contains(&metric.0) => names.push(metric.0),
            Some(_) => {}
            None => skipped.push(metric.as_str()),
        }
    }
    let mut files = Vec::new();
    for form in [Form::Choices, Form::Text] {
        let of_form = |name: &&str| known(name).filter(|m| m.2 == form);
        let mut metrics: Vec<&str> = Vec::new();
        for ours in names.iter().filter_map(of_form).flat_map(|m| m.1) {
            if !metrics.contains(ours) {
                metrics.push(ours);
            }
        }
        if metrics.is_empty() {
            continue;
        }
        if form == Form::Choices
            && let Some(i) = task.examples.iter().position(|e| e.choices.is_empty())
        {
            return Err(TaskError::Task {
                file: task.path.display().to_string(),
                reason: format!(
                    "examples[{i}]: no 'target_scores', which {} needs",
                    names.join(" or ")
                ),
            });
        }
        let is_preferred = preferred.2 == form;
        let keys = keys(task, form, &metrics, is_preferred.then_some(preferred.3));
        // The preferred score's form goes first.
        files.insert(if is_preferred { 0 } else { files.len() }, keys);
    }
    if let (Some(first), false) = (files.first_mut(), skipped.is_empty()) {
        first["metadata"]["left_out_metrics"] = json!(skipped);
    }
    // JSON is YAML.
    Ok(files.iter().map(Value::to_string).collect())
}

/// The keys; `best` is the best preferred score where this is its form.
fn keys(task: &BigBench, form: Form, metrics: &[&str], best: Option<f64>) -> Value {
    let mut keys = Map::new();
    let mut set = |key: &str, value: Value| {
        keys.insert(key.to_owned(), value);
    };
    let ending = match (best, form) {
        (Some(_), _) => "",
        (None, Form::Choices) => "_choices",
        (None, Form::Text) => "_generate",
    };
    set("task", format!("{}{ending}", task.name).into());
    set("tag", task.keywords.clone().into());
    set("dataset_path", PATH.into());
    set("dataset_name", task.path.display().to_string().into());
    set("test_split", SPLIT.into());
    set("fewshot_split", SPLIT.into());
    // Fields of the rows: no text of the file is taken for a template.
    set("description", "task_prefix".into());
    set("doc_to_text", "prompt".into());
    set("target_delimiter", "".into());
    set("fewshot_delimiter", task.separator.as_str().into());
    set("fewshot_config", json!({"doc_to_target": "answer"}));
    if let Some(n) = task.n_shots.filter(|n| *n > 0) {
        set("num_fewshot", n.into());
    }
    let listed = |name: &&str| json!({"metric": name});
    set("metric_list", metrics.iter().map(listed).collect());
    match form {
        Form::Choices => {
            set("output_type", "multiple_choice".into());
            set("doc_to_choice", "choices".into());
            set("doc_to_target", "gold".into());
        }
        Form::Text => {
            set("output_type", "generate_until".into());
            set("doc_to_target", "targets".into());
            let stop = task.stop.clone().unwrap_or_else(|| "\n\n".into());
            set(
                "generation_kwargs",
                json!({"until": [stop], "do_sample": false, "max_gen_toks": MAX_TOKENS}),
            );
            let regex = match (&task.output_regex, &task.stop) {
                (Some(regex), _) => Some(regex.as_str()),
                (None, Some(_)) => None,
                (None, None) => Some(DEFAULT_REGEX),
            };
            let mut steps = Vec::new();
            if let Some(regex) = regex {
                steps.push(json!({"function": "regex", "regex_pattern": regex, "fallback": ""}));
            }
            steps.push(json!({"function": "remove_whitespace"}));
            steps.push(json!({"function": "take_first"}));
            set("filter_list", json!([{"name": "none", "filter": steps}]));
        }
    }
    let mut own = json!({"ability": task.name, "keywords": task.keywords});
    if let (Some(high), Some(metric)) = (best, metrics.first()) {
        let low = match *metric {
            // A guess among the choices.
            "acc" => guess(task),
            // Always sure and always wrong.
            "ece" => 1.0,
            _ => 0.0,
        };
        own["preferred_score"] = json!({"metric": metric, "low": low, "high": high});
    }
    let metadata = json!({"version": 1.0, "description": task.description, "upturn": own});
    set("metadata", metadata);
    Value::Object(keys)
}

/// Mean over the examples of the share of choices that are right.
fn guess(task: &BigBench) -> f64 {
    let share = |e: &super::file::Example| e.right.len() as f64 / e.choices.len().max(1) as f64;
    let total: f64 = task.examples.iter().map(share).sum();
    total / task.examples.len().max(1) as f64
}
