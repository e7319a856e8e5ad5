//! Helpers of lm-evaluation-harness's tasks against what it makes of the same small data:
//! prompts, targets, hashes, scores of items and joined scores.
//!
//! `scripts/check_ports.py` writes what is expected, rows and answers with it. The task files
//! and helpers are lm-eval's own and not in this repository: UPTURN_LM_EVAL_TASKS names its
//! folder `lm_eval/tasks`. Without it the tests are reported as ignored.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::{Map, Value};
use upturn_eval::{EvalOptions, plan, run};
use upturn_tasks::config::TaskConfig;
use upturn_tasks::raw::Loader;
use upturn_tasks::{DatasetError, DatasetSpec, Datasets, Doc, FewshotMode, Task, logged_arguments};
use upturn_types::{
    ChatMessage, Done, FinishReason, GenerateRequest, Generation, LanguageModel, LmError,
    Loglikelihood, LoglikelihoodRequest, RollingRequest, Work,
};

const VARIABLE: &str = "UPTURN_LM_EVAL_TASKS";

fn main() {
    let args = Arguments::from_args();
    let folder = std::env::var_os(VARIABLE).map(PathBuf::from);
    let text = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../upturn-tasks/tests/fixtures/ports/lm_eval.json"),
    )
    .expect("lm_eval.json");
    let expected: Map<String, Value> = serde_json::from_str(&text).expect("JSON");
    let trials = expected
        .into_iter()
        .map(|(name, want)| {
            let ignored = folder.is_none();
            let folder = folder.clone().unwrap_or_default();
            let kind = if ignored {
                "UPTURN_LM_EVAL_TASKS is not set"
            } else {
                ""
            };
            Trial::test(
                format!("{name} is asked and scored as lm-eval does"),
                move || compare(&folder, &want),
            )
            .with_ignored_flag(ignored)
            .with_kind(kind)
        })
        .collect();
    libtest_mimic::run(&args, trials).exit();
}

/// The rows of the fixture.
struct Rows(Map<String, Value>);

impl Datasets for Rows {
    fn open(&self, spec: &DatasetSpec, split: &str) -> Result<Vec<Doc>, DatasetError> {
        let missing = || DatasetError::NoSplit {
            dataset: spec.label(),
            split: split.into(),
            have: self.0.keys().cloned().collect::<Vec<_>>().join(", "),
        };
        let rows = self
            .0
            .get(split)
            .and_then(Value::as_array)
            .ok_or_else(missing)?;
        let doc = |row: &Value| row.as_object().cloned().ok_or_else(missing);
        rows.iter().map(doc).collect()
    }

    fn splits(&self, _: &DatasetSpec) -> Result<Vec<String>, DatasetError> {
        Ok(self.0.keys().cloned().collect())
    }
}

/// Log-likelihoods by a hash of the text, answers from a list, by item.
struct Fake {
    answers: Vec<String>,
    repeats: usize,
}

fn likelihood(text: &str) -> Loglikelihood {
    let hash = text.bytes().fold(0x811c_9dc5_u32, |h, byte| {
        (h ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    Loglikelihood {
        logprob: -((1 + hash % 4096) as f32) / 64.0,
        is_greedy: hash.is_multiple_of(3),
        n_tokens: 1,
        n_truncated: 0,
    }
}

impl LanguageModel for Fake {
    fn name(&self) -> &str {
        "fake"
    }

    fn fingerprint(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    fn max_length(&self) -> usize {
        1 << 20
    }

    fn tokenize(&self, text: &str) -> Result<Vec<u32>, LmError> {
        Ok(text.bytes().map(u32::from).collect())
    }

    fn apply_chat_template(&self, _: &[ChatMessage], _: bool) -> Result<String, LmError> {
        Err(LmError::Model("no chat template".into()))
    }

    fn loglikelihood(
        &self,
        requests: &[LoglikelihoodRequest],
        done: Done<'_, Loglikelihood>,
    ) -> Result<Work, LmError> {
        for (i, r) in requests.iter().enumerate() {
            let _ = done(i, likelihood(&format!("{}{}", r.context, r.continuation)));
        }
        Ok(Work::default())
    }

    fn loglikelihood_rolling(
        &self,
        requests: &[RollingRequest],
        done: Done<'_, Loglikelihood>,
    ) -> Result<Work, LmError> {
        for (i, r) in requests.iter().enumerate() {
            let _ = done(i, likelihood(&r.text));
        }
        Ok(Work::default())
    }

    fn generate(
        &self,
        requests: &[GenerateRequest],
        done: Done<'_, Generation>,
    ) -> Result<Work, LmError> {
        for i in 0..requests.len() {
            let answer = (i / self.repeats + i % self.repeats) % self.answers.len();
            let generation = Generation {
                text: self.answers[answer].clone(),
                tokens: vec![1],
                finish: FinishReason::Stop,
                n_truncated: 0,
            };
            let _ = done(i, generation);
        }
        Ok(Work::default())
    }
}

fn compare(folder: &Path, want: &Value) -> Result<(), Failed> {
    let file = want["file"].as_str().ok_or("no file")?;
    let raw = Loader::default().load(&folder.join(file))?;
    let config = Arc::new(TaskConfig::from_raw(&raw)?);
    let rows = Rows(want["splits"].as_object().ok_or("no splits")?.clone());
    let shots = want["shots"].as_u64().ok_or("no shots")? as usize;
    let task = Task::load(config, &rows, Some(shots))?;
    let answers = want["answers"].as_array().ok_or("no answers")?;
    let model = Fake {
        answers: answers
            .iter()
            .map(|a| a.as_str().unwrap_or_default().to_owned())
            .collect(),
        repeats: task.config.repeats,
    };
    let options = EvalOptions {
        mode: FewshotMode::Parity,
        graded: false,
        bootstrap_iterations: 0,
        ..EvalOptions::default()
    };
    let planned = plan(&model, &task, &options)?;
    let docs = want["docs"].as_array().ok_or("no docs")?;
    if docs.len() != planned.items.len() {
        return Err(format!("{} items, expected {}", planned.items.len(), docs.len()).into());
    }
    for (item, want) in planned.items.iter().zip(docs) {
        let got: Value = logged_arguments(item, &task.config.generation_kwargs)
            .into_iter()
            .collect();
        same("arguments", item.doc_id, &got, &want["arguments"])?;
        same("target", item.doc_id, &item.target, &want["target"])?;
        for (key, hash) in [
            ("doc_hash", &item.doc_hash),
            ("prompt_hash", &item.prompt_hash),
            ("target_hash", &item.target_hash),
        ] {
            same(key, item.doc_id, &Value::from(&**hash), &want[key])?;
        }
    }
    let result = run(
        &model,
        &task,
        &planned,
        &options,
        &BTreeMap::new(),
        &mut |_, _| Ok(()),
        &mut |_| std::ops::ControlFlow::Continue(()),
    )?;
    let mut compared = 0;
    for (filter, metrics) in want["joined"].as_object().ok_or("no scores")? {
        for (metric, value) in metrics.as_object().ok_or("no metrics")? {
            let got = result
                .scores
                .iter()
                .find(|s| s.filter == *filter && s.metric == *metric)
                .ok_or_else(|| format!("no score {metric}, {filter}"))?;
            close(&format!("{metric}, {filter}"), got.value, value)?;
            compared += 1;
        }
    }
    if compared == 0 {
        return Err("no joined score to compare".into());
    }
    // Scores of items, where they are numbers.
    for (filter, metrics) in want["scores"].as_object().ok_or("no scores")? {
        for (metric, values) in metrics.as_object().ok_or("no metrics")? {
            let samples = result.samples.iter().filter(|s| *s.filter == **filter);
            for (sample, value) in samples.zip(values.as_array().into_iter().flatten()) {
                let got = sample.metrics.iter().find(|m| *m.0 == **metric);
                if let (Some((_, Some(got))), true) = (got, value.is_number() || value.is_boolean())
                {
                    close(&format!("{metric} of item {}", sample.doc_id), *got, value)?;
                }
            }
        }
    }
    Ok(())
}

fn same(what: &str, item: u64, got: &Value, want: &Value) -> Result<(), String> {
    if got == want {
        return Ok(());
    }
    Err(format!(
        "{what} of item {item}\n  got  {got}\n  want {want}"
    ))
}

fn close(what: &str, got: f64, want: &Value) -> Result<(), String> {
    let want = match want {
        Value::Bool(b) => f64::from(u8::from(*b)),
        Value::String(s) if s == "nan" => f64::NAN,
        other => other
            .as_f64()
            .ok_or_else(|| format!("{what}: {other} is no number"))?,
    };
    let tolerance = 1e-12 * want.abs().max(1.0);
    if (got - want).abs() <= tolerance || (got.is_nan() && want.is_nan()) {
        return Ok(());
    }
    Err(format!("{what}: got {got}, want {want}"))
}
