//! A task's configuration asked by a method.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::extract;
use super::method::Method;
use crate::config::{DocField, FilterConfig, FilterStep, MetricConfig, OutputType, TaskConfig};

/// What makes a model reason (Kojima et al. 2022).
const REASON: &str = "Let's think step by step.";
/// What makes it answer after its reasoning.
const ANSWER: &str = "\nTherefore, the answer is";
/// Most tokens of reasoning, and of the answer after it.
const REASON_TOKENS: u64 = 256;
const ANSWER_TOKENS: u64 = 32;

/// The task asked by `method`.
///
/// # Errors
/// Why it cannot be, and what would be needed, as a fragment.
pub(super) fn to_task(task: &TaskConfig, method: &Method) -> Result<TaskConfig, String> {
    let mut task = task.clone();
    let ability = task.ability().to_owned();
    let before = task.method().to_owned();
    let (name, baseline) = match method {
        Method::Shots(n) => {
            own(&mut task, "shots", json!(n));
            (before, None)
        }
        Method::Cot { shots } => {
            not_twice(&before)?;
            worked_examples(&mut task, *shots)?;
            ("cot".to_owned(), Some("direct".to_owned()))
        }
        Method::CotZeroShot => {
            not_twice(&before)?;
            zero_shot(&mut task)?;
            ("cot_zero_shot".to_owned(), Some("direct".to_owned()))
        }
        Method::SelfConsistency { paths, temperature } => {
            vote(&mut task, *paths, *temperature)?;
            let name = match before.as_str() {
                "cot" => "self_consistency".to_owned(),
                "cot_zero_shot" => "cot_zero_shot_sc".to_owned(),
                other => format!("{other}_sc"),
            };
            (name, Some(before))
        }
        Method::PTrue => {
            if before != "direct" {
                return Err(format!(
                    "the task is asked by {before} already; leave that out"
                ));
            }
            p_true(&mut task)?;
            ("p_true".to_owned(), Some("direct".to_owned()))
        }
    };
    task.task = format!("{}_{}", task.task, method.suffix());
    task.task_alias = None;
    own(&mut task, "ability", ability.into());
    own(&mut task, "method", name.into());
    if let Some(baseline) = baseline {
        own(&mut task, "baseline", baseline.into());
    }
    Ok(task)
}

/// Sets a key of `metadata.upturn`.
fn own(task: &mut TaskConfig, key: &str, value: Value) {
    let entry = task
        .metadata
        .entry("upturn")
        .or_insert_with(|| Value::Object(Map::new()));
    if !entry.is_object() {
        *entry = Value::Object(Map::new());
    }
    entry[key] = value;
}

fn not_twice(before: &str) -> Result<(), String> {
    match before {
        "direct" => Ok(()),
        other => Err(format!(
            "the task is asked by {other} already; leave one out"
        )),
    }
}

fn exact_match() -> MetricConfig {
    let kwargs = [("ignore_case", true), ("ignore_punctuation", true)];
    MetricConfig {
        name: "exact_match".into(),
        aggregation: None,
        higher_is_better: None,
        hf_evaluate: false,
        helper: None,
        joined_by: None,
        kwargs: kwargs
            .map(|(k, v)| (k.to_owned(), Value::Bool(v)))
            .into_iter()
            .collect(),
    }
}

/// Makes a task generate its answer: the text of the right choice where it has choices.
fn generated(task: &mut TaskConfig, words: Value) -> Result<(), String> {
    match task.output_type {
        OutputType::GenerateUntil => {}
        OutputType::MultipleChoice => {
            if task.metric_list.iter().any(|m| m.name == "acc_mutual_info") {
                task.metric_list.retain(|m| m.name != "acc_mutual_info");
            }
            task.metric_list = vec![exact_match()];
            task.output_type = OutputType::GenerateUntil;
        }
        OutputType::Loglikelihood | OutputType::LoglikelihoodRolling => {
            return Err(format!(
                "nothing is answered in a task of output_type {}",
                task.output_type.name()
            ));
        }
    }
    let Value::Object(words) = words else {
        return Ok(());
    };
    task.override_generation(&words)
}

/// Puts the filter that finds the answer before those of the task.
fn answer_filter(task: &mut TaskConfig, pattern: &str) {
    let step = |function: &str, kwargs: Value| FilterStep {
        function: function.into(),
        kwargs: kwargs.as_object().cloned().unwrap_or_default(),
        helper: None,
    };
    let filter = FilterConfig {
        name: "answer".into(),
        steps: vec![
            step("regex", json!({"regex_pattern": pattern})),
            step("take_first", json!({})),
        ],
    };
    task.filter_list
        .retain(|f| f.name != "none" && f.name != "answer");
    task.filter_list.insert(0, filter);
}

fn worked_examples(task: &mut TaskConfig, shots: Option<usize>) -> Result<(), String> {
    let template = |key: &str| {
        let text = task.own(key).and_then(Value::as_str)?;
        Some(match text.contains("{{") {
            true => text.to_owned(),
            false => format!("{{{{ {text} }}}}"),
        })
    };
    let Some(rationale) = template("rationale") else {
        return Err(
            "the task does not say where its reasoning is; add metadata: {upturn: {rationale: \
             FIELD, answer: FIELD}} to its file, or use @cot_zero_shot"
                .into(),
        );
    };
    let target = match &task.fewshot.doc_to_target {
        Some(DocField::Text(text)) if text.contains("{{") => Some(text.to_string()),
        _ => None,
    };
    let Some(answer) = template("answer").or(target) else {
        return Err(
            "the task does not say how an example's answer is written; add metadata: {upturn: \
             {answer: FIELD}} to its file"
                .into(),
        );
    };
    generated(
        task,
        json!({"until": ["\n\n", "\nQ:"], "do_sample": false, "max_gen_toks": REASON_TOKENS}),
    )?;
    task.fewshot.doc_to_target = Some(DocField::Text(
        format!("{rationale} The answer is {answer}.").into(),
    ));
    task.fewshot.doc_to_choice = None;
    answer_filter(task, extract::AFTER_PHRASE);
    let shots = Method::cot_shots(shots, task.num_fewshot);
    own(task, "shots", json!(shots));
    Ok(())
}

fn zero_shot(task: &mut TaskConfig) -> Result<(), String> {
    let letters = match &task.doc_to_choice {
        Some(DocField::List(all)) => extract::letters(all),
        _ => None,
    };
    generated(
        task,
        json!({
            "until": ["\nQ:", "\nQuestion:"],
            "do_sample": false,
            "max_gen_toks": REASON_TOKENS,
        }),
    )?;
    task.gen_prefix = Some(Arc::from(REASON));
    let (trigger, pattern) = match letters {
        Some((first, last)) => (
            format!("\nTherefore, among {first} through {last}, the answer is"),
            format!("\\b([{first}-{last}])\\b"),
        ),
        None => (ANSWER.to_owned(), extract::FIRST_LINE.to_owned()),
    };
    answer_filter(task, &pattern);
    own(task, "shots", json!(0));
    own(
        task,
        "follow_up",
        json!({
            "trigger": trigger,
            "generation": {"until": ["\n"], "do_sample": false, "max_gen_toks": ANSWER_TOKENS},
        }),
    );
    Ok(())
}

fn vote(task: &mut TaskConfig, paths: usize, temperature: f64) -> Result<(), String> {
    if task.output_type != OutputType::GenerateUntil {
        return Err(
            "answers are sampled, and this task's are not generated; put @cot or @cot_zero_shot \
             before it"
                .into(),
        );
    }
    if task.repeats > 1 {
        return Err(format!(
            "the task asks for {} answers already",
            task.repeats
        ));
    }
    let words = json!({"do_sample": true, "temperature": temperature});
    task.override_generation(words.as_object().unwrap_or(&Map::new()))?;
    task.repeats = paths;
    for filter in &mut task.filter_list {
        while filter
            .steps
            .last()
            .is_some_and(|s| s.function == "take_first")
        {
            filter.steps.pop();
        }
        let takes = |s: &FilterStep| {
            matches!(
                s.function.as_str(),
                "take_first" | "take_first_k" | "majority_vote"
            )
        };
        if let Some(step) = filter.steps.iter().find(|s| takes(s)) {
            return Err(format!(
                "filter '{}' has {} before its end, so there is nothing to vote on",
                filter.name, step.function
            ));
        }
        for function in ["majority_vote", "take_first"] {
            filter.steps.push(FilterStep {
                function: function.into(),
                kwargs: Map::new(),
                helper: None,
            });
        }
    }
    Ok(())
}

fn p_true(task: &mut TaskConfig) -> Result<(), String> {
    let metric = |name: &str| MetricConfig {
        name: name.into(),
        aggregation: None,
        higher_is_better: None,
        hf_evaluate: false,
        helper: None,
        joined_by: None,
        kwargs: Map::new(),
    };
    match task.output_type {
        OutputType::MultipleChoice => {
            let metrics = ["acc", "brier_multiclass", "ece", "ece_adaptive"];
            task.metric_list = metrics.map(metric).into();
        }
        OutputType::GenerateUntil => {
            let right_or_wrong = task.metric_list.iter().position(|m| {
                upturn_metrics::find(&m.name).is_some_and(|info| !info.graded) && m.name != "bypass"
            });
            let Some(at) = right_or_wrong else {
                return Err(
                    "no metric of the task says right or wrong of an answer; add exact_match or \
                     numeric_match to its metric_list"
                        .into(),
                );
            };
            // The one that judges goes first.
            let judge = task.metric_list.remove(at);
            task.metric_list
                .retain(|m| !m.name.starts_with("ece") && m.name != "brier_multiclass");
            task.metric_list.insert(0, judge);
            let added = ["brier_multiclass", "ece", "ece_adaptive"].map(metric);
            task.metric_list.extend(added);
            if task.repeats > 1 {
                return Err(format!(
                    "the task asks for {} answers of each item",
                    task.repeats
                ));
            }
        }
        OutputType::Loglikelihood | OutputType::LoglikelihoodRolling => {
            return Err(format!(
                "nothing is answered in a task of output_type {}",
                task.output_type.name()
            ));
        }
    }
    own(task, "p_true", true.into());
    Ok(())
}
