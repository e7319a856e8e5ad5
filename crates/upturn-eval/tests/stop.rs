//! Cells that stop once they are decided: how seldom they are wrong, what they save, and that
//! an interruption changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;
use upturn_eval::{CellResult, EvalError, EvalOptions, ItemResponse, StopRule, plan, run};
use upturn_tasks::raw::Loader;
use upturn_tasks::{DatasetError, DatasetSpec, Datasets, Doc, Task, TaskConfig};
use upturn_types::{
    ChatMessage, Done, Flow, GenerateRequest, Generation, LanguageModel, LmError, Loglikelihood,
    LoglikelihoodRequest, RollingRequest, Work,
};

/// Questions of four choices, the right one known.
struct Quiz(usize);

impl Datasets for Quiz {
    fn open(&self, _: &DatasetSpec, _: &str) -> Result<Vec<Doc>, DatasetError> {
        let doc = |i: usize| {
            let value = json!({"question": format!("q{i}"), "choices": ["a", "b", "c", "d"], "gold": i % 4});
            match value {
                serde_json::Value::Object(doc) => doc,
                _ => Doc::default(),
            }
        };
        Ok((0..self.0).map(doc).collect())
    }

    fn splits(&self, _: &DatasetSpec) -> Result<Vec<String>, DatasetError> {
        Ok(vec!["test".to_owned()])
    }
}

fn task(n: usize) -> Task {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("task.yaml");
    let yaml = "task: quiz\ndataset_path: json\ntest_split: test\noutput_type: multiple_choice\n\
                doc_to_text: '{{question}}'\ndoc_to_choice: choices\ndoc_to_target: gold\n\
                metric_list:\n  - metric: acc\n";
    std::fs::write(&path, yaml).expect("written");
    let raw = Loader::default().load(&path).expect("loaded");
    let config = Arc::new(TaskConfig::from_raw(&raw).expect("a task"));
    Task::load(config, &Quiz(n), None).expect("a task")
}

/// Answers right with a fixed probability, by a hash of the question and its own seed.
struct Dice {
    right: f64,
    seed: u64,
    asked: AtomicU64,
}

fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl LanguageModel for Dice {
    fn name(&self) -> &str {
        "dice"
    }

    fn fingerprint(&self) -> BTreeMap<String, String> {
        BTreeMap::from([("seed".to_owned(), self.seed.to_string())])
    }

    fn max_length(&self) -> usize {
        1000
    }

    fn tokenize(&self, text: &str) -> Result<Vec<u32>, LmError> {
        Ok(text.bytes().map(u32::from).collect())
    }

    fn apply_chat_template(&self, _: &[ChatMessage], _: bool) -> Result<String, LmError> {
        Ok(String::new())
    }

    fn loglikelihood(
        &self,
        requests: &[LoglikelihoodRequest],
        done: Done<'_, Loglikelihood>,
    ) -> Result<Work, LmError> {
        for (i, request) in requests.iter().enumerate() {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let number: u64 = request.context[1..].parse().unwrap_or(0);
            let draw = mix(mix(number) ^ self.seed);
            let right = (draw >> 11) as f64 / (1u64 << 53) as f64;
            let gold = ["a", "b", "c", "d"][(number % 4) as usize];
            let is_gold = request.continuation.trim() == gold;
            let logprob = if is_gold == (right < self.right) {
                -1.0
            } else {
                -2.0
            };
            let response = Loglikelihood {
                logprob,
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

    fn generate(&self, _: &[GenerateRequest], _: Done<'_, Generation>) -> Result<Work, LmError> {
        Ok(Work::default())
    }
}

fn dice(right: f64, seed: u64) -> Dice {
    Dice {
        right,
        seed,
        asked: AtomicU64::new(0),
    }
}

fn options(batch: usize) -> EvalOptions {
    EvalOptions {
        graded: false,
        stop: Some(StopRule {
            near_margin: 0.05,
            alpha: 0.05,
            batch,
            seed: 7,
        }),
        ..EvalOptions::default()
    }
}

fn whole(model: &Dice, task: &Task, options: &EvalOptions) -> CellResult {
    let plan = plan(model, task, options).expect("planned");
    run(
        model,
        task,
        &plan,
        options,
        &BTreeMap::new(),
        &mut |_, _| Ok(()),
        &mut |_| Flow::Continue(()),
    )
    .expect("run")
}

#[test]
fn a_strong_model_is_decided_by_few_items() {
    let task = task(2000);
    let result = whole(&dice(0.9, 1), &task, &options(20));
    assert!(result.n_items <= 60, "{} items", result.n_items);
    assert_eq!(result.samples.len() as u64, result.n_items);
    assert_eq!(result.scores[0].n, result.n_items);
    let all = whole(
        &dice(0.9, 1),
        &task,
        &EvalOptions {
            stop: None,
            ..options(20)
        },
    );
    assert_eq!(all.n_items, 2000);
}

#[test]
fn at_the_margin_labels_are_seldom_given() {
    // Score exactly c + δ = .2875: each label is wrong with probability at most 5%.
    let task = task(600);
    let mut decided = 0;
    let n_models = 120;
    for seed in 0..n_models {
        let result = whole(&dice(0.2875, seed), &task, &options(50));
        decided += u32::from(result.n_items < 600);
    }
    // Both labels together at most 10%: 12 of 120 and three standard deviations.
    assert!(decided <= 22, "{decided} of {n_models}");
}

#[test]
fn an_interrupted_cell_ends_as_a_whole_one() {
    let task = task(1500);
    let options = options(30);
    let model = dice(0.42, 3);
    let at_once = whole(&model, &task, &options);
    let plan = plan(&model, &task, &options).expect("planned");
    let mut kept: BTreeMap<u64, ItemResponse> = BTreeMap::new();
    let mut interruptions = 0;
    let result = loop {
        let finished = kept.clone();
        let mut left = 17;
        let outcome = run(
            &model,
            &task,
            &plan,
            &options,
            &finished,
            &mut |item, response| {
                kept.insert(item, response.clone());
                Ok(())
            },
            &mut |_| {
                left -= 1;
                if left == 0 {
                    Flow::Break(())
                } else {
                    Flow::Continue(())
                }
            },
        );
        match outcome {
            Ok(result) => break result,
            Err(EvalError::Stopped) => interruptions += 1,
            Err(e) => panic!("{e}"),
        }
    };
    assert!(interruptions > 2, "{interruptions} interruptions");
    assert_eq!(result.n_items, at_once.n_items);
    assert_eq!(result.samples, at_once.samples);
    assert_eq!(result.scores, at_once.scores);
    assert!(result.n_items < 1500);
    let asked: BTreeSet<u64> = kept.keys().copied().collect();
    assert_eq!(asked.len() as u64, result.n_items);
}

#[test]
fn the_rule_is_part_of_the_key() {
    let (task, model) = (task(40), dice(0.5, 1));
    let key = |o: &EvalOptions| plan(&model, &task, o).expect("planned").key;
    let never = EvalOptions {
        stop: None,
        ..options(10)
    };
    assert_ne!(key(&options(10)), key(&never));
    assert_ne!(key(&options(10)), key(&options(20)));
}
