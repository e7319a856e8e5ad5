//! Examples as the rows of a data set.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use upturn_metrics::PyRandom;

use super::file::{BigBench, Example};
use crate::dataset::Doc;

/// One row per example: `prompt` (the question as the model sees it), `choices` and `gold` (the
/// index of the right one; a list where any example has several), `targets`, `answer` (what an
/// example in a prompt shows), `input`, `task_prefix`.
pub(super) fn of(task: &BigBench) -> Vec<Doc> {
    let several = task.examples.iter().any(|e| e.right.len() > 1);
    let row = |(i, example): (usize, &Example)| {
        let gold = match (several, example.right.first()) {
            (false, Some(only)) => json!(only),
            _ => json!(example.right),
        };
        let shown = |text: &String| -> String {
            let text = match &task.stop {
                Some(stop) => text.trim_end().strip_suffix(stop.as_str()).unwrap_or(text),
                None => text,
            };
            text.trim().to_owned()
        };
        let targets: Vec<String> = example.targets.iter().map(shown).collect();
        let mut row = Doc::new();
        let fields: [(&str, Value); 7] = [
            ("prompt", prompt(task, i, example).into()),
            ("input", example.input.as_str().into()),
            ("targets", targets.into()),
            ("choices", example.choices.clone().into()),
            ("gold", gold),
            (
                "answer",
                example.targets.first().cloned().unwrap_or_default().into(),
            ),
            ("task_prefix", task.task_prefix.as_str().into()),
        ];
        for (key, value) in fields {
            row.insert(key.to_owned(), value);
        }
        row
    };
    task.examples.iter().enumerate().map(row).collect()
}

/// The question of one example.
fn prompt(task: &BigBench, index: usize, example: &Example) -> String {
    let mut text = format!("{}{}", task.input_prefix, example.input);
    if task.append_choices {
        let mut choices: Vec<&String> = example.choices.iter().collect();
        choices.sort();
        PyRandom::new(seed(&task.name, index)).shuffle(&mut choices);
        for choice in choices {
            text.push_str(&task.choice_prefix);
            text.push_str(choice);
        }
    }
    text + &task.output_prefix
}

/// From the task's name and the example's index alone.
fn seed(name: &str, index: usize) -> u64 {
    let mut hash = Sha256::new();
    hash.update(b"bigbench choices");
    hash.update(name.as_bytes());
    hash.update((index as u64).to_le_bytes());
    let digest = hash.finalize();
    u64::from_le_bytes(std::array::from_fn(|i| digest[i]))
}
