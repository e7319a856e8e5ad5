//! What tests of `upturn eval` share: running it, and holding its files against the harness's.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// Largest difference of a log-likelihood from the harness's, nats.
const LOGPROB_TOLERANCE: f64 = 1e-4;
/// Largest difference of a metric, relative where it is larger than 1.
const METRIC_TOLERANCE: f64 = 1e-6;

/// The command, deaf to the machine it runs on.
pub fn upturn(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_upturn"));
    command
        .current_dir(dir)
        .env("NO_COLOR", "1")
        .env("LANG", "C.UTF-8")
        .env("HF_HUB_OFFLINE", "1")
        .env("HF_HOME", "no-such-cache");
    command
}

/// The slice of a reference pack in the repository.
pub fn pack() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pack")
}

/// What a command wrote to stderr.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Every file below a folder with its bytes, by relative path; `skip` names folders left out.
pub fn all_bytes(folder: &Path, skip: &[&str]) -> BTreeMap<String, Vec<u8>> {
    fn walk(root: &Path, folder: &Path, skip: &[&str], found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() && !skip.contains(&&*name) {
                walk(root, &path, skip, found);
            } else if path.is_file() {
                let relative = path.strip_prefix(root).unwrap_or(&path);
                let bytes = fs::read(&path).expect("readable");
                found.insert(relative.to_string_lossy().into_owned(), bytes);
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(folder, folder, skip, &mut found);
    found
}

/// How many numbers and texts were compared, and what differs.
#[derive(Debug, Default)]
pub struct Comparison {
    pub n_metrics: usize,
    pub n_logprobs: usize,
    pub n_texts: usize,
    pub worst_logprob: f64,
    pub problems: Vec<String>,
}

/// Compares what `--lm-eval-output` wrote for a model with what the harness wrote.
pub fn compare(ours: &Path, theirs: &Path) -> Comparison {
    let mut comparison = Comparison::default();
    let results = json(&newest(ours, "results_", ".json"));
    let expected = json(&theirs.join("results.json"));
    for (task, scores) in expected["results"].as_object().expect("results") {
        for (key, value) in scores.as_object().expect("scores") {
            comparison.metric(task, key, &results["results"][task][key], value);
        }
        let logged = theirs.join(format!("samples_{task}.jsonl"));
        if logged.is_file() {
            let own = lines(&newest(ours, &format!("samples_{task}_"), ".jsonl"));
            let logged = lines(&logged);
            if own.len() != logged.len() {
                let (own, logged) = (own.len(), logged.len());
                comparison
                    .problems
                    .push(format!("{task}: {own} samples, not {logged}"));
            }
            for (own, logged) in own.iter().zip(&logged) {
                comparison.sample(task, own, logged);
            }
        }
    }
    comparison
}

impl Comparison {
    fn metric(&mut self, task: &str, key: &str, own: &Value, expected: &Value) {
        self.n_metrics += 1;
        let same = match (own.as_f64(), expected.as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() <= METRIC_TOLERANCE * b.abs().max(1.0),
            _ => own == expected,
        };
        if !same {
            self.problems
                .push(format!("{task}: {key} is {own}, not {expected}"));
        }
    }

    fn sample(&mut self, task: &str, own: &Value, expected: &Value) {
        let place = format!("{task} item {}", expected["doc_id"]);
        let keys = |v: &Value| -> Vec<String> {
            v.as_object()
                .map(|o| o.keys().cloned().collect())
                .unwrap_or_default()
        };
        if keys(own) != keys(expected) {
            self.problems
                .push(format!("{place}: other keys: {:?}", keys(own)));
        }
        for (key, expected) in expected.as_object().expect("a sample") {
            // numpy's own print of an array, at the precision of f32.
            if key != "brier_score" {
                self.value(&format!("{place}: {key}"), &own[key], expected);
            }
        }
    }

    /// Texts that are numbers on both sides (responses) and numbers are compared as numbers.
    fn value(&mut self, place: &str, own: &Value, expected: &Value) {
        let number = |v: &Value| match v {
            Value::String(text) if text.contains('.') => text.parse::<f64>().ok(),
            Value::Number(n) if n.is_f64() => n.as_f64(),
            _ => None,
        };
        match (own, expected) {
            (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
                a.iter().zip(b).for_each(|(a, b)| self.value(place, a, b));
            }
            _ => match (number(own), number(expected)) {
                (Some(a), Some(b)) => {
                    self.n_logprobs += 1;
                    self.worst_logprob = self.worst_logprob.max((a - b).abs());
                    if (a - b).abs() > LOGPROB_TOLERANCE {
                        self.problems.push(format!("{place} is {a}, not {b}"));
                    }
                }
                _ => {
                    self.n_texts += 1;
                    if own != expected {
                        self.problems
                            .push(format!("{place} is {own}, not {expected}"));
                    }
                }
            },
        }
    }
}

fn newest(folder: &Path, start: &str, end: &str) -> PathBuf {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .flatten()
        .map(|e| e.path())
        .filter(|p| {
            let name = p.file_name().map(|n| n.to_string_lossy().into_owned());
            name.is_some_and(|n| n.starts_with(start) && n.ends_with(end))
        })
        .collect();
    found.sort();
    found
        .pop()
        .unwrap_or_else(|| panic!("no {start}…{end} in {}", folder.display()))
}

fn json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}
