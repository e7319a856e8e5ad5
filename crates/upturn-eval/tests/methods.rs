//! Prompting methods through a run: second requests, votes, chance, baselines.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Mutex;

use serde_json::json;
use upturn_eval::{CellResult, EvalOptions, ItemResponse, ModelIdentity, measurements, plan, run};
use upturn_tasks::{DatasetError, DatasetSpec, Datasets, Doc, Library, Task, bigbench};
use upturn_types::{
    ChatMessage, Done, FinishReason, GenerateRequest, Generation, LanguageModel, LmError,
    Loglikelihood, LoglikelihoodRequest, RollingRequest, Work,
};

/// Reasons about everything with its own number, and answers 4 after that. Answers come in
/// reverse order.
#[derive(Default)]
struct Parrot {
    asked: Mutex<Vec<String>>,
}

impl Parrot {
    fn say(&self, request: &GenerateRequest) -> String {
        if request.context.ends_with("the answer is") {
            return match request.context.contains("[2+2 reasoned]") {
                true => " 4.".into(),
                false => " 5.".into(),
            };
        }
        if request.context.ends_with("step by step.") {
            let from = request.context.rfind("Q: ").map_or(0, |i| i + 3);
            let question = request.context[from..].lines().next().unwrap_or_default();
            return format!(" [{question} reasoned]\n");
        }
        // Votes: most samples say 4.
        match request.seed % 4 {
            0 => " 3".into(),
            _ => " 4".into(),
        }
    }
}

impl LanguageModel for Parrot {
    fn name(&self) -> &str {
        "parrot"
    }

    fn fingerprint(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    fn max_length(&self) -> usize {
        4096
    }

    fn tokenize(&self, text: &str) -> Result<Vec<u32>, LmError> {
        Ok(text.chars().map(u32::from).collect())
    }

    fn apply_chat_template(&self, _: &[ChatMessage], _: bool) -> Result<String, LmError> {
        Err(LmError::Model("no template".into()))
    }

    fn loglikelihood(
        &self,
        requests: &[LoglikelihoodRequest],
        done: Done<'_, Loglikelihood>,
    ) -> Result<Work, LmError> {
        for (i, request) in requests.iter().enumerate() {
            let response = Loglikelihood {
                // Holds everything proposed for true.
                logprob: if request.continuation.contains('A') {
                    -0.1
                } else {
                    -2.4
                },
                is_greedy: false,
                n_tokens: 1,
                n_truncated: 0,
            };
            if done(i, response).is_break() {
                return Err(LmError::Stopped);
            }
        }
        Ok(Work::default())
    }

    fn loglikelihood_rolling(
        &self,
        _: &[RollingRequest],
        _: Done<'_, Loglikelihood>,
    ) -> Result<Work, LmError> {
        Ok(Work::default())
    }

    fn generate(
        &self,
        requests: &[GenerateRequest],
        done: Done<'_, Generation>,
    ) -> Result<Work, LmError> {
        for (i, request) in requests.iter().enumerate().rev() {
            self.asked.lock().unwrap().push(request.context.to_string());
            let response = Generation {
                text: self.say(request),
                tokens: vec![1],
                finish: FinishReason::Stop,
                n_truncated: 0,
            };
            if done(i, response).is_break() {
                return Err(LmError::Stopped);
            }
        }
        Ok(Work {
            tokens_computed: requests.len() as u64,
            ..Work::default()
        })
    }
}

struct Rows;

impl Datasets for Rows {
    fn open(&self, spec: &DatasetSpec, split: &str) -> Result<Vec<Doc>, DatasetError> {
        if let Some(rows) = bigbench::open(spec, split) {
            return rows;
        }
        let row = |q: &str, a: &str| {
            let row = json!({"q": q, "a": a, "choices": ["no", "yes", "so"], "gold": 1});
            row.as_object().unwrap().clone()
        };
        Ok((0..20)
            .map(|i| match i % 2 {
                0 => row("2+2", "4"),
                _ => row("2+3", "6"),
            })
            .collect())
    }

    fn splits(&self, _: &DatasetSpec) -> Result<Vec<String>, DatasetError> {
        Ok(vec!["test".into()])
    }
}

fn task(name: &str) -> Task {
    let dir = tempfile::tempdir().unwrap();
    let sums = "task: sums\ndataset_path: json\ntest_split: test\noutput_type: generate_until\n\
                doc_to_text: \"Q: {{q}}\\nA:\"\ndoc_to_target: '{{a}}'\n\
                filter_list: [{name: none, filter: [{function: remove_whitespace}, {function: take_first}]}]\n";
    let picks = "task: picks\ndataset_path: json\ntest_split: test\noutput_type: multiple_choice\n\
                 doc_to_text: \"Q: {{q}}\\nA:\"\ndoc_to_target: gold\ndoc_to_choice: choices\n";
    std::fs::write(dir.path().join("s.yaml"), sums).unwrap();
    std::fs::write(dir.path().join("p.yaml"), picks).unwrap();
    let library = Library::open(&[dir.path().to_path_buf()]).unwrap();
    let selection = library.select(&[name]).unwrap();
    Task::load(selection.tasks()[0].clone(), &Rows, None).unwrap()
}

fn identity() -> ModelIdentity {
    ModelIdentity {
        family: "parrots".into(),
        model: "parrot".into(),
        checkpoint_step: None,
        tuning: None,
        params: None,
        tokens: None,
        flops: None,
        train_loss_nats: None,
        seed: None,
    }
}

/// Runs a task; `stop_after` stops it after so many items. What was recorded comes back.
fn go(
    model: &Parrot,
    task: &Task,
    finished: &BTreeMap<u64, ItemResponse>,
    stop_after: Option<usize>,
) -> (Option<CellResult>, BTreeMap<u64, ItemResponse>) {
    let options = EvalOptions::default();
    let plan = plan(model, task, &options).unwrap();
    let mut kept = finished.clone();
    let mut n = 0;
    let mut record = |id: u64, response: &ItemResponse| {
        kept.insert(id, response.clone());
        Ok(())
    };
    let mut progress = |_| {
        n += 1;
        match stop_after {
            Some(most) if n >= most => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    };
    let result = run(
        model,
        task,
        &plan,
        &options,
        finished,
        &mut record,
        &mut progress,
    );
    (result.ok(), kept)
}

fn value(result: &CellResult, metric: &str) -> f64 {
    let found = result.scores.iter().find(|s| s.metric == metric);
    found.unwrap_or_else(|| panic!("no {metric}")).value
}

#[test]
fn the_second_request_is_made_of_the_first_answer() {
    let (model, task) = (Parrot::default(), task("sums@cot_zero_shot"));
    let (result, kept) = go(&model, &task, &BTreeMap::new(), None);
    let result = result.unwrap();
    // Every 2+2 is reasoned to 4, every 2+3 to 5, and 6 is asked.
    assert_eq!(value(&result, "exact_match"), 0.5);
    let asked = model.asked.lock().unwrap();
    assert_eq!(asked.len(), 40);
    let want = "Q: 2+2\nA: Let's think step by step. [2+2 reasoned]\nTherefore, the answer is";
    assert!(asked.contains(&want.to_owned()), "{asked:?}");
    assert_eq!(kept[&0].generations.len(), 2);
    assert_eq!(result.samples[0].responses, [" [2+2 reasoned]\n", " 4."]);
    assert_eq!(result.samples[0].filtered.as_deref(), Some("4"));
    assert_eq!(result.work.tokens_computed, 40, "both requests are counted");
    // The target's likelihood after half an answer says nothing.
    assert!(
        result
            .scores
            .iter()
            .all(|s| s.metric != "target_logprob_per_token")
    );
}

#[test]
fn a_stopped_run_goes_on_to_the_same_result() {
    let task = task("sums@cot_zero_shot");
    let (whole, all) = go(&Parrot::default(), &task, &BTreeMap::new(), None);
    let (stopped, some) = go(&Parrot::default(), &task, &BTreeMap::new(), Some(7));
    assert!(stopped.is_none());
    assert_eq!(some.len(), 7);
    let (resumed, kept) = go(&Parrot::default(), &task, &some, None);
    let (whole, resumed) = (whole.unwrap(), resumed.unwrap());
    assert_eq!((kept, resumed.n_resumed), (all, 7));
    assert_eq!(whole.samples, resumed.samples);
    assert_eq!(whole.scores, resumed.scores);
}

#[test]
fn methods_are_named_in_measurements_with_their_baseline() {
    let model = Parrot::default();
    for (name, method, baseline) in [
        ("sums", "direct", None),
        (
            "sums@cot_zero_shot",
            "cot_zero_shot",
            Some("baseline: direct"),
        ),
        (
            "sums@self_consistency:paths=9",
            "direct_sc",
            Some("baseline: direct"),
        ),
        (
            "sums@cot_zero_shot@self_consistency:paths=3",
            "cot_zero_shot_sc",
            Some("baseline: cot_zero_shot"),
        ),
    ] {
        let task = task(name);
        let result = go(&model, &task, &BTreeMap::new(), None).0.unwrap();
        let rows = measurements(&identity(), &task, &EvalOptions::default(), &result.scores);
        assert!(!rows.is_empty());
        for row in rows {
            assert_eq!((&*row.task, &*row.method), ("sums", method));
            assert_eq!(row.note.as_deref(), baseline);
        }
    }
}

#[test]
fn votes_beat_single_samples() {
    let model = Parrot::default();
    let voted = go(
        &model,
        &task("sums@self_consistency:paths=25"),
        &BTreeMap::new(),
        None,
    )
    .0;
    let voted = voted.unwrap();
    // Three of four samples say 4, so nearly every vote does: right for one half of the items.
    assert!((0.45..=0.5).contains(&value(&voted, "exact_match")));
    assert_eq!(voted.samples[0].responses.len(), 25);
}

#[test]
fn p_true_has_a_chance_of_one_half_and_a_calibration_error() {
    let model = Parrot::default();
    let task = task("picks@p_true");
    let result = go(&model, &task, &BTreeMap::new(), None).0.unwrap();
    let acc = result.scores.iter().find(|s| s.metric == "acc").unwrap();
    assert_eq!(acc.chance, Some(0.5));
    // Always «true» with p = e^-0.1 / (e^-0.1 + e^-2.4): the error is how far that is from the
    // share of true ones.
    let p = 1.0 / (1.0 + (-2.3f64).exp());
    assert!((value(&result, "ece") - (p - acc.value).abs()).abs() < 1e-6);
    let ece = result.scores.iter().find(|s| s.metric == "ece").unwrap();
    assert!(ece.stderr.is_some_and(|e| e > 0.0) && !ece.higher_is_better);
}

#[test]
fn own_answers_are_judged_and_their_calibration_scored() {
    let (model, task) = (Parrot::default(), task("sums@p_true"));
    let (result, kept) = go(&model, &task, &BTreeMap::new(), None);
    let result = result.unwrap();
    assert_eq!(kept[&0].likelihoods.len(), 2);
    let right = value(&result, "exact_match");
    let p = 1.0 / (1.0 + (-2.3f64).exp());
    assert!((value(&result, "ece") - (p - right).abs()).abs() < 1e-6);
    let brier = 2.0 * (right * (p - 1.0).powi(2) + (1.0 - right) * p.powi(2));
    assert!((value(&result, "brier_multiclass") - brier).abs() < 1e-6);
    let (stopped, some) = go(&model, &task, &BTreeMap::new(), Some(3));
    assert!(stopped.is_none() && some.len() == 3);
    let (resumed, _) = go(&model, &task, &some, None);
    assert_eq!(resumed.unwrap().scores, result.scores);
}

#[test]
fn several_right_choices_raise_chance_and_the_preferred_score_is_normalised() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("task.json");
    let example = |input: &str, scores: [u8; 4]| {
        let [a, b, c, d] = scores;
        json!({"input": input, "target_scores": {"(A)": a, "b": b, "c": c, "d": d}})
    };
    let file = json!({
        "name": "many",
        "metrics": ["multiple_choice_grade"],
        "preferred_score": "multiple_choice_grade",
        "examples": [
            example("1", [1, 1, 0, 0]),
            example("2", [1, 0, 0, 0]),
            example("3", [1, 1, 0, 0]),
            example("4", [0, 1, 0, 0]),
        ],
    });
    std::fs::write(&path, file.to_string()).unwrap();
    let name = path.display().to_string();
    let selection = Library::default().select(&[name]).unwrap();
    let task = Task::load(selection.tasks()[0].clone(), &Rows, None).unwrap();
    let result = go(&Parrot::default(), &task, &BTreeMap::new(), None)
        .0
        .unwrap();
    let acc = result.scores.iter().find(|s| s.metric == "acc").unwrap();
    // The parrot takes (A), right for three of four; a guess is for (2 + 1 + 2 + 1) / 16.
    assert_eq!((acc.value, acc.chance), (0.75, Some(0.375)));
    let rows = measurements(&identity(), &task, &EvalOptions::default(), &result.scores);
    let row = rows
        .iter()
        .find(|r| &*r.metric == "normalized_preferred_score")
        .unwrap();
    assert!((row.value - 60.0).abs() < 1e-9, "{}", row.value);
    let raw = rows.iter().find(|r| &*r.metric == "acc").unwrap();
    assert!((row.stderr.unwrap() - 160.0 * raw.stderr.unwrap()).abs() < 1e-9);
    assert_eq!((row.chance, row.ceiling), (Some(0.0), Some(100.0)));
}

#[test]
fn a_task_with_choices_is_scored_by_the_text_of_the_right_one() {
    let (model, task) = (Parrot::default(), task("picks@cot_zero_shot"));
    let result = go(&model, &task, &BTreeMap::new(), None).0.unwrap();
    // It says 4 or 5, and «yes» is right.
    assert_eq!(value(&result, "exact_match"), 0.0);
    assert_eq!(result.samples[0].filtered.as_deref(), Some("4"));
}
