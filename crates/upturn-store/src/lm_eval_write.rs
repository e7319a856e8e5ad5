//! Results and samples as lm-evaluation-harness writes them, for whoever reads its files.
//!
//! [`write()`] makes `OUT/MODEL/results_DATE.json` and, for each task with samples,
//! `samples_TASK_DATE.jsonl`, with the harness's keys in its order (0.4.13) and numbers as
//! Python prints them. What the caller does not know is left out, as the harness leaves it
//! out; nothing is made up. [`crate::read()`] reads them back.

mod python;

use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};
use upturn_types::python_float;

use crate::error::StoreError;
use crate::files::write_whole;

pub use python::PyValue;

/// A metric of a task or group.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricScore {
    /// Name (`acc_norm`).
    pub metric: String,
    /// Filter (`none`, `strict-match`).
    pub filter: String,
    /// The score; a whole number where Python has one.
    pub value: PyValue,
    /// Standard error; `None` is written as `N/A`.
    pub stderr: Option<f64>,
}

/// Whether larger is better, per metric.
pub type Directions = Vec<(String, Option<bool>)>;

/// One task's results.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskResults {
    /// Name.
    pub name: String,
    /// Name in tables.
    pub alias: String,
    /// Scores in the order in which they are written.
    pub scores: Vec<MetricScore>,
    /// The task's configuration, its keys in the order in which they are written.
    pub config: Value,
    /// Version as its configuration says it: a number, a text, or null.
    pub version: Value,
    /// Examples in the prompt.
    pub n_shot: u32,
    /// Whether larger is better, per metric.
    pub higher_is_better: Directions,
    /// Items in the split.
    pub n_original: u64,
    /// Items evaluated.
    pub n_effective: u64,
    /// Items answered, filter by filter; empty where samples are not kept.
    pub samples: Vec<SampleRow>,
}

/// A group of tasks.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupResults {
    /// Name.
    pub name: String,
    /// Name in tables.
    pub alias: String,
    /// Tasks and groups directly in it.
    pub children: Vec<String>,
    /// Its averages; `None` for a group that only gathers.
    pub average: Option<GroupAverage>,
    /// Version as its configuration says it.
    pub version: Value,
}

/// The averages of a group.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupAverage {
    /// Items of all its tasks.
    pub sample_len: u64,
    /// Scores in the order in which they are written.
    pub scores: Vec<MetricScore>,
    /// Items behind each score, in the order of `scores`.
    pub sample_counts: Vec<u64>,
}

/// One item after one filter.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleRow {
    /// Index of the item in its split, from 0.
    pub doc_id: u64,
    /// The item.
    pub doc: Value,
    /// The target, as Python's `str` prints it.
    pub target: String,
    /// Arguments of each request: context, then continuation or generation options.
    pub arguments: Vec<Vec<Value>>,
    /// Answers to each request, one per repeat.
    pub responses: Vec<Vec<Response>>,
    /// The answer to each request after the filter.
    pub filtered: Vec<Filtered>,
    /// The filter.
    pub filter: String,
    /// Value of each metric for this item.
    pub metrics: Vec<(String, PyValue)>,
    /// SHA-256 of the item, hex.
    pub doc_hash: String,
    /// SHA-256 of the first request's context, hex.
    pub prompt_hash: String,
    /// SHA-256 of the target, hex.
    pub target_hash: String,
}

/// An answer of a model.
#[derive(Debug, Clone, PartialEq)]
pub enum Response {
    /// Log-likelihood of a continuation, nats, and whether it is the greedy one.
    Loglikelihood {
        /// Nats.
        logprob: f32,
        /// Whether greedy decoding gives it.
        is_greedy: bool,
    },
    /// Log-likelihood of a whole text, nats.
    Rolling(f32),
    /// A generated text.
    Text(String),
}

/// An answer after a filter.
#[derive(Debug, Clone, PartialEq)]
pub enum Filtered {
    /// One answer.
    One(Response),
    /// Several, where the filter keeps repeats.
    Many(Vec<Response>),
}

/// A whole run.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Tasks in the order in which they were evaluated.
    pub tasks: Vec<TaskResults>,
    /// Groups, each after the groups in it.
    pub groups: Vec<GroupResults>,
    /// Model and execution: the harness's `config`, its keys in their order.
    pub config: Value,
    /// Commit of the code that ran.
    pub git_hash: Option<String>,
    /// When the run began, seconds since 1970.
    pub date_secs: f64,
    /// More about the surroundings, after `date` (`transformers_version`, `tokenizer_eos_token`,
    /// `max_length`…), in this order.
    pub environment: Vec<(String, Value)>,
    /// Kind of model (`hf`).
    pub model_source: String,
    /// Name of the model; its folder's name is made from it.
    pub model_name: String,
    /// Instruction before every prompt.
    pub system_instruction: Option<String>,
    /// Whether examples were turns of a conversation.
    pub fewshot_as_multiturn: Option<bool>,
    /// The chat template used.
    pub chat_template: Option<String>,
    /// Duration of the run.
    pub total_evaluation_time_secs: Option<f64>,
}

/// Writes a run below `out`, each file whole or not at all, and returns the files' paths.
///
/// `date` becomes part of the names; it is the local time in ISO 8601, as Python's
/// `datetime.now().isoformat()` has it (`2026-01-31T12:00:00.123456`). The results come last:
/// where they are, the samples are too.
///
/// # Errors
/// [`StoreError`] when a folder or file cannot be written.
pub fn write(out: &Path, date: &str, run: &Evaluation) -> Result<Vec<PathBuf>, StoreError> {
    let date = date.replace(':', "-");
    let folder = out.join(sanitize_model_name(&run.model_name));
    std::fs::create_dir_all(&folder).map_err(|e| StoreError::io("write", &folder, e))?;
    let mut written = Vec::new();
    for task in run.tasks.iter().filter(|t| !t.samples.is_empty()) {
        let path = folder.join(samples_name(task, &date));
        write_whole(&path, |file| {
            use std::io::Write;
            let mut line = String::new();
            for sample in &task.samples {
                sample.write_line(&mut line);
                file.write_all(line.as_bytes())
                    .map_err(|e| StoreError::io("write", &path, e))?;
            }
            Ok(())
        })?;
        written.push(path);
    }
    let path = folder.join(format!("results_{date}.json"));
    crate::files::write_bytes(&path, results_json(run).as_bytes())?;
    written.push(path);
    Ok(written)
}

/// The results file below `out` of a run that differs from this one in date and duration
/// alone, samples included; `None` where there is none.
#[must_use]
pub fn same_run(out: &Path, run: &Evaluation) -> Option<PathBuf> {
    let folder = out.join(sanitize_model_name(&run.model_name));
    let own = results_json(run);
    let mut found: Vec<PathBuf> = std::fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found.into_iter().rev().find(|path| {
        let name = path.file_name().and_then(|n| n.to_str());
        let date = name.and_then(|n| n.strip_prefix("results_")?.strip_suffix(".json"));
        let Some(date) = date else { return false };
        let same = std::fs::read_to_string(path)
            .is_ok_and(|other| without_times(&own).eq(without_times(&other)));
        let with_samples = || run.tasks.iter().filter(|t| !t.samples.is_empty());
        same && with_samples().all(|t| has_samples(&folder.join(samples_name(t, date)), t))
    })
}

/// The lines of a results file but for those that say when it was made and how long it took.
fn without_times(json: &str) -> impl Iterator<Item = &str> {
    const TIMES: [&str; 2] = ["  \"date\": ", "  \"total_evaluation_time_seconds\": "];
    json.lines()
        .filter(|line| !TIMES.iter().any(|start| line.starts_with(start)))
}

/// Whether a file holds a task's samples and nothing else.
fn has_samples(path: &Path, task: &TaskResults) -> bool {
    use std::io::BufRead;
    let Ok(file) = std::fs::File::open(path) else {
        return false;
    };
    let mut file = std::io::BufReader::new(file);
    let (mut own, mut other) = (String::new(), Vec::new());
    for sample in &task.samples {
        sample.write_line(&mut own);
        other.clear();
        if file.read_until(b'\n', &mut other).is_err() || other != own.as_bytes() {
            return false;
        }
    }
    file.fill_buf().is_ok_and(<[u8]>::is_empty)
}

/// The name of a task's file of samples.
fn samples_name(task: &TaskResults, date: &str) -> String {
    // A task's name becomes a file's: a slash in it must not lead elsewhere.
    let name = task.name.replace(['/', '\\'], "_");
    format!("samples_{name}_{date}.jsonl")
}

/// The name of a model's folder, as the harness makes it.
#[must_use]
pub fn sanitize_model_name(name: &str) -> String {
    let mut clean = String::with_capacity(name.len());
    let mut in_run = false;
    for c in name.chars() {
        let bad = matches!(
            c,
            '"' | '<' | '>' | ':' | '/' | '|' | '\\' | '?' | '*' | '[' | ']'
        );
        if !bad {
            clean.push(c);
        } else if !in_run {
            clean.push_str("__");
        }
        in_run = bad;
    }
    clean
}

/// The results file's content.
#[must_use]
pub fn results_json(run: &Evaluation) -> String {
    let mut json = String::new();
    results(run).write_indented(&mut json);
    json
}

/// SHA-256 of a text, in hexadecimal.
fn hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|b| format!("{b:02x}")).collect()
}

fn dict<K: Into<String>>(entries: impl IntoIterator<Item = (K, PyValue)>) -> PyValue {
    PyValue::Dict(entries.into_iter().map(|(k, v)| (k.into(), v)).collect())
}

/// Entries by name, in the order of Python's `sorted`.
fn sorted(mut entries: Vec<(String, PyValue)>) -> PyValue {
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    PyValue::Dict(entries)
}

fn text(text: &str) -> PyValue {
    PyValue::Text(text.to_owned())
}

fn maybe_text(text: Option<&str>) -> PyValue {
    text.map_or(PyValue::Null, |t| PyValue::Text(t.to_owned()))
}

fn results(run: &Evaluation) -> PyValue {
    let task_scores = run.tasks.iter().map(|t| (t.name.clone(), task_entry(t)));
    let group_scores = || run.groups.iter().map(|g| (g.name.clone(), group_entry(g)));
    let averaged: Vec<(String, PyValue)> = run
        .groups
        .iter()
        .filter(|g| g.average.is_some())
        .map(|g| (g.name.clone(), group_entry(g)))
        .collect();
    let mut entries: Vec<(&str, PyValue)> =
        vec![("results", dict(task_scores.chain(group_scores())))];
    if !averaged.is_empty() {
        entries.push(("groups", PyValue::Dict(averaged)));
    }
    let children = run.groups.iter().map(|g| {
        let names = g.children.iter().map(|c| text(c)).collect();
        (g.name.clone(), PyValue::List(names))
    });
    entries.push(("group_subtasks", dict(children)));
    let of_tasks = |get: &dyn Fn(&TaskResults) -> PyValue| -> Vec<(String, PyValue)> {
        run.tasks.iter().map(|t| (t.name.clone(), get(t))).collect()
    };
    entries.push(("configs", sorted(of_tasks(&|t| PyValue::from(&t.config)))));
    let mut versions = of_tasks(&|t| PyValue::from(&t.version));
    versions.extend(
        run.groups
            .iter()
            .map(|g| (g.name.clone(), PyValue::from(&g.version))),
    );
    entries.push(("versions", sorted(versions)));
    entries.push(("n-shot", sorted(n_shots(run))));
    entries.push(("higher_is_better", sorted(directions(run))));
    let counts = of_tasks(&|t| {
        dict([
            ("original", PyValue::from(t.n_original)),
            ("effective", PyValue::from(t.n_effective)),
        ])
    });
    entries.push(("n-samples", PyValue::Dict(counts)));
    entries.push(("config", PyValue::from(&run.config)));
    if let Some(git_hash) = &run.git_hash {
        entries.push(("git_hash", text(git_hash)));
    }
    entries.push(("date", PyValue::Float(run.date_secs)));
    for (key, value) in &run.environment {
        entries.push((key, PyValue::from(value)));
    }
    entries.push(("task_hashes", task_hashes(run)));
    entries.push(("model_source", text(&run.model_source)));
    entries.push(("model_name", text(&run.model_name)));
    entries.push((
        "model_name_sanitized",
        PyValue::Text(sanitize_model_name(&run.model_name)),
    ));
    let said = |text: &Option<String>| text.as_deref().filter(|t| !t.is_empty()).map(hash);
    entries.push((
        "system_instruction",
        maybe_text(run.system_instruction.as_deref()),
    ));
    entries.push((
        "system_instruction_sha",
        maybe_text(said(&run.system_instruction).as_deref()),
    ));
    entries.push((
        "fewshot_as_multiturn",
        run.fewshot_as_multiturn
            .map_or(PyValue::Null, PyValue::Bool),
    ));
    entries.push(("chat_template", maybe_text(run.chat_template.as_deref())));
    entries.push((
        "chat_template_sha",
        maybe_text(said(&run.chat_template).as_deref()),
    ));
    if let Some(secs) = run.total_evaluation_time_secs {
        // A text, in the harness's files.
        entries.push((
            "total_evaluation_time_seconds",
            PyValue::Text(python_float(secs)),
        ));
    }
    dict(entries)
}

fn task_entry(task: &TaskResults) -> PyValue {
    let mut entries = vec![
        ("name".to_owned(), text(&task.name)),
        ("alias".to_owned(), text(&task.alias)),
        ("sample_len".to_owned(), PyValue::from(task.n_effective)),
    ];
    score_entries(&task.scores, &mut entries);
    PyValue::Dict(entries)
}

fn group_entry(group: &GroupResults) -> PyValue {
    let mut entries = vec![
        ("alias".to_owned(), text(&group.alias)),
        ("name".to_owned(), text(&group.name)),
    ];
    if let Some(average) = &group.average {
        entries.push(("sample_len".to_owned(), PyValue::from(average.sample_len)));
        score_entries(&average.scores, &mut entries);
        let counts = average.scores.iter().zip(&average.sample_counts);
        let counts: Vec<(String, PyValue)> = counts
            .map(|(s, n)| (format!("{},{}", s.metric, s.filter), PyValue::from(*n)))
            .collect();
        if !counts.is_empty() {
            entries.push(("sample_count".to_owned(), PyValue::Dict(counts)));
        }
    }
    PyValue::Dict(entries)
}

fn score_entries(scores: &[MetricScore], entries: &mut Vec<(String, PyValue)>) {
    for score in scores {
        let MetricScore { metric, filter, .. } = score;
        entries.push((format!("{metric},{filter}"), score.value.clone()));
        let stderr = score.stderr.map_or_else(|| text("N/A"), PyValue::Float);
        entries.push((format!("{metric}_stderr,{filter}"), stderr));
    }
}

/// Shots of tasks, and of groups whose parts all have the same.
fn n_shots(run: &Evaluation) -> Vec<(String, PyValue)> {
    let mut shots: Vec<(String, PyValue)> = run
        .tasks
        .iter()
        .map(|t| (t.name.clone(), PyValue::from(u64::from(t.n_shot))))
        .collect();
    for group in &run.groups {
        let mut of_parts: Vec<PyValue> = Vec::new();
        for child in &group.children {
            if let Some((_, n)) = shots.iter().find(|(name, _)| name == child)
                && !of_parts.contains(n)
            {
                of_parts.push(n.clone());
            }
        }
        if let [only] = of_parts.as_slice() {
            shots.push((group.name.clone(), only.clone()));
        }
    }
    shots
}

/// Directions of tasks, and of groups: null where parts disagree.
fn directions(run: &Evaluation) -> Vec<(String, PyValue)> {
    let mut all: Vec<(String, Directions)> = run
        .tasks
        .iter()
        .map(|t| (t.name.clone(), t.higher_is_better.clone()))
        .collect();
    for group in &run.groups {
        let mut joined: Directions = Vec::new();
        for child in &group.children {
            let Some((_, of_child)) = all.iter().find(|(name, _)| name == child) else {
                continue;
            };
            for (metric, better) in of_child {
                match joined.iter_mut().find(|(m, _)| m == metric) {
                    None => joined.push((metric.clone(), *better)),
                    Some((_, known)) if *known != *better => *known = None,
                    Some(_) => {}
                }
            }
        }
        if !joined.is_empty() {
            all.push((group.name.clone(), joined));
        }
    }
    all.into_iter()
        .map(|(name, directions)| {
            let directions = directions
                .into_iter()
                .map(|(m, better)| (m, better.map_or(PyValue::Null, PyValue::Bool)));
            (name, dict(directions))
        })
        .collect()
}

/// SHA-256 over the hashes of a task's samples, for tasks whose samples are kept.
fn task_hashes(run: &Evaluation) -> PyValue {
    let with_samples = run.tasks.iter().filter(|t| !t.samples.is_empty());
    dict(with_samples.map(|task| {
        let mut digest = Sha256::new();
        for sample in &task.samples {
            for part in [&sample.doc_hash, &sample.prompt_hash, &sample.target_hash] {
                digest.update(part.as_bytes());
            }
        }
        let hex: String = digest
            .finalize()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        (task.name.clone(), PyValue::Text(hex))
    }))
}

impl SampleRow {
    /// The row as a line of the file, in place of what `line` held.
    fn write_line(&self, line: &mut String) {
        line.clear();
        self.to_python().write_compact(line);
        line.push('\n');
    }

    /// The row as the harness has it.
    fn to_python(&self) -> PyValue {
        let arguments = self.arguments.iter().enumerate().map(|(i, request)| {
            let request = request
                .iter()
                .enumerate()
                .map(|(j, argument)| (format!("arg_{j}"), PyValue::from(argument)));
            (format!("gen_args_{i}"), dict(request))
        });
        let responses = self
            .responses
            .iter()
            .map(|repeats| PyValue::List(repeats.iter().map(Response::to_python).collect()));
        let filtered = self.filtered.iter().map(|f| match f {
            Filtered::One(response) => response.to_python(),
            Filtered::Many(all) => PyValue::List(all.iter().map(Response::to_python).collect()),
        });
        let names = self.metrics.iter().map(|(name, _)| text(name)).collect();
        let mut entries = vec![
            ("doc_id".to_owned(), PyValue::from(self.doc_id)),
            ("doc".to_owned(), PyValue::from(&self.doc)),
            ("target".to_owned(), text(&self.target)),
            ("arguments".to_owned(), dict(arguments)),
            ("resps".to_owned(), PyValue::List(responses.collect())),
            (
                "filtered_resps".to_owned(),
                PyValue::List(filtered.collect()),
            ),
            ("filter".to_owned(), text(&self.filter)),
            ("metrics".to_owned(), PyValue::List(names)),
            ("doc_hash".to_owned(), text(&self.doc_hash)),
            ("prompt_hash".to_owned(), text(&self.prompt_hash)),
            ("target_hash".to_owned(), text(&self.target_hash)),
        ];
        for (name, value) in &self.metrics {
            // A metric named like a column of the row replaces it, as in a Python dict.
            match entries.iter_mut().find(|(key, _)| key == name) {
                Some((_, old)) => *old = value.clone(),
                None => entries.push((name.clone(), value.clone())),
            }
        }
        PyValue::Dict(entries)
    }
}

impl Response {
    /// Everything in an answer is a text in the harness's files.
    fn to_python(&self) -> PyValue {
        let number = |logprob: f32| PyValue::Text(python_float(f64::from(logprob)));
        match self {
            Response::Loglikelihood { logprob, is_greedy } => PyValue::List(vec![
                number(*logprob),
                text(if *is_greedy { "True" } else { "False" }),
            ]),
            Response::Rolling(logprob) => number(*logprob),
            Response::Text(generated) => text(generated),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn run(date_secs: f64, answer: &str) -> Evaluation {
        let sample = SampleRow {
            doc_id: 0,
            doc: json!({"q": "x"}),
            target: "y".to_owned(),
            arguments: vec![vec![json!("x")]],
            responses: vec![vec![Response::Text(answer.to_owned())]],
            filtered: vec![Filtered::One(Response::Text(answer.to_owned()))],
            filter: "none".to_owned(),
            metrics: vec![("exact_match".to_owned(), PyValue::Float(0.0))],
            doc_hash: "a".to_owned(),
            prompt_hash: "b".to_owned(),
            target_hash: "c".to_owned(),
        };
        Evaluation {
            tasks: vec![TaskResults {
                name: "t".to_owned(),
                alias: "t".to_owned(),
                scores: Vec::new(),
                config: json!({"task": "t"}),
                version: json!(1),
                n_shot: 0,
                higher_is_better: Vec::new(),
                n_original: 1,
                n_effective: 1,
                samples: vec![sample],
            }],
            groups: Vec::new(),
            config: json!({"model": "m"}),
            git_hash: None,
            date_secs,
            environment: Vec::new(),
            model_source: "hf".to_owned(),
            model_name: "org/m".to_owned(),
            system_instruction: None,
            fewshot_as_multiturn: None,
            chat_template: None,
            total_evaluation_time_secs: Some(date_secs),
        }
    }

    #[test]
    fn a_run_that_is_there_is_found_whatever_its_date() {
        let out = tempfile::tempdir().unwrap();
        assert_eq!(same_run(out.path(), &run(1.0, "z")), None);
        let files = write(out.path(), "2026-01-31T12:00:00.5", &run(1.0, "z")).unwrap();
        let results = files.last().cloned();
        assert_eq!(same_run(out.path(), &run(2.5, "z")), results);
        // The answer is in the samples alone.
        assert_eq!(same_run(out.path(), &run(1.0, "zz")), None);
        let mut more = std::fs::read_to_string(&files[0]).unwrap();
        more.push_str("{}\n");
        std::fs::write(&files[0], more).unwrap();
        assert_eq!(same_run(out.path(), &run(1.0, "z")), None);
        std::fs::remove_file(&files[0]).unwrap();
        assert_eq!(same_run(out.path(), &run(1.0, "z")), None);
    }
}
