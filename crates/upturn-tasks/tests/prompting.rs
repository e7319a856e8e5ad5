//! Prompting methods: names, prompts, samples, costs.

use std::path::Path;

use serde_json::json;
use upturn_metrics::FilterValue;
use upturn_tasks::{
    BuildOptions, DatasetError, DatasetSpec, Datasets, Doc, FollowUp, Gold, Item, ItemRequests,
    Library, Task, TaskConfig, TaskError, generated,
};

/// Ten items in memory, and generated tasks.
struct Rows;

impl Datasets for Rows {
    fn open(&self, spec: &DatasetSpec, split: &str) -> Result<Vec<Doc>, DatasetError> {
        if let Some(rows) = generated::open(spec, split) {
            return rows;
        }
        let row = |i: u64| {
            let row = json!({
                "q": format!("{i}+1"),
                "steps": format!("{i} and 1 make {}.", i + 1),
                "a": (i + 1).to_string(),
                "choices": ["wrong", "right", "bad"],
                "gold": 1,
            });
            row.as_object().expect("a map").clone()
        };
        Ok((0..10).map(row).collect())
    }

    fn splits(&self, _: &DatasetSpec) -> Result<Vec<String>, DatasetError> {
        Ok(vec!["test".into()])
    }
}

const GENERATES: &str = "task: sums\ndataset_path: json\ntest_split: test\n\
    output_type: generate_until\ndoc_to_text: \"Q: {{q}}\\nA:\"\ndoc_to_target: '{{a}}'\n\
    metadata: {version: 1.0, upturn: {rationale: steps, answer: a}}\n";
const CHOOSES: &str = "task: picks\ndataset_path: json\ntest_split: test\n\
    output_type: multiple_choice\ndoc_to_text: \"Q: {{q}}\\nA:\"\ndoc_to_target: gold\n\
    doc_to_choice: choices\n";
const LETTERS: &str = "task: letters\ndataset_path: json\ntest_split: test\n\
    output_type: multiple_choice\ndoc_to_text: \"Q: {{q}}\\nA:\"\ndoc_to_target: gold\n\
    doc_to_choice: [A, B, C]\n";
const WORDS: &str = "task: words\ndataset_path: json\ntest_split: test\n\
    output_type: multiple_choice\ndoc_to_text: \"Q: {{q}}\\nA:\"\ndoc_to_target: right\n\
    doc_to_choice: choices\n";
const GROUP: &str = "group: all\ntask: [sums, picks]\n";

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, text) in [
        ("s", GENERATES),
        ("p", CHOOSES),
        ("l", LETTERS),
        ("g", GROUP),
        ("w", WORDS),
    ] {
        std::fs::write(dir.path().join(format!("{name}.yaml")), text).expect("written");
    }
    dir
}

fn library(dir: &Path) -> Library {
    Library::open(&[dir.to_path_buf()]).expect("opened")
}

fn configs(name: &str) -> Result<Vec<std::sync::Arc<TaskConfig>>, TaskError> {
    let dir = folder();
    let selection = library(dir.path()).select(&[name])?;
    Ok(selection.tasks().into_iter().cloned().collect())
}

fn task(name: &str) -> Task {
    let mut all = configs(name).expect("chosen");
    assert_eq!(all.len(), 1);
    Task::load(all.remove(0), &Rows, None).expect("loaded")
}

fn items(task: &Task) -> Vec<Item> {
    task.build(&BuildOptions::default()).expect("built")
}

fn refused(name: &str) -> String {
    let error = configs(name).expect_err("refused").to_string();
    assert!(!error.contains('\n'), "{error}");
    error
}

#[test]
fn a_number_of_examples_goes_before_file_and_user() {
    let dir = folder();
    let selection = library(dir.path())
        .select(&["sums@k2, sums@k0, sums"])
        .expect("chosen");
    let tasks = selection.tasks();
    let names: Vec<&str> = tasks.iter().map(|t| t.task.as_str()).collect();
    assert_eq!(names, ["sums_k2", "sums_k0", "sums"]);
    let shots = |i: usize| {
        let task = Task::load(tasks[i].clone(), &Rows, Some(5)).expect("loaded");
        let prompt = items(&task)[0].prompt.matches("Q: ").count();
        (task.num_fewshot, prompt)
    };
    assert_eq!([shots(0), shots(1), shots(2)], [(2, 3), (0, 1), (5, 6)]);
    assert!(
        tasks
            .iter()
            .all(|t| t.ability() == "sums" && t.method() == "direct")
    );
    assert!(tasks.iter().all(|t| t.baseline().is_none()));
}

#[test]
fn worked_examples_come_from_the_tasks_own_reasoning() {
    let task = task("sums@cot:shots=1");
    assert_eq!(task.config.task, "sums_cot_k1");
    assert_eq!(
        (task.config.method(), task.config.baseline()),
        ("cot", Some("direct"))
    );
    let items = items(&task);
    let (shot, question) = items[0].prompt.split_once("\n\n").expect("one example");
    assert_eq!(question, "Q: 0+1\nA:");
    let n: u64 = shot["Q: ".len()..]
        .split('+')
        .next()
        .expect("n")
        .parse()
        .expect("a number");
    let want = format!(
        "Q: {n}+1\nA: {n} and 1 make {}. The answer is {}.",
        n + 1,
        n + 1
    );
    assert_eq!(shot, want);
    let pipeline = &task.pipelines()[0];
    assert_eq!(pipeline.name, "answer");
    let answer = |text: &str| {
        let out = pipeline
            .apply_doc(0, &[FilterValue::from(text)], None)
            .expect("filtered");
        out.as_str().expect("text").to_owned()
    };
    assert_eq!(answer(" 0 and 1 make 1. The answer is 1.\n\nQ: x"), "1");
    assert_eq!(answer("so the answer is 3.5."), "3.5");
    assert_eq!(answer("no idea"), "[invalid]");
    assert!(refused("picks@cot").contains("does not say where its reasoning is"));
}

#[test]
fn zero_shot_reasoning_is_two_requests() {
    let task = task("picks@cot_zero_shot");
    assert_eq!(task.config.method(), "cot_zero_shot");
    let items = items(&task);
    assert_eq!(&*items[3].prompt, "Q: 3+1\nA: Let's think step by step.");
    let ItemRequests::Generate(first) = &items[3].requests else {
        panic!("generated")
    };
    let second = items[3]
        .follow_up
        .as_ref()
        .expect("a second")
        .request(&first[0], " It is so.\n")
        .expect("text");
    assert_eq!(
        &*second.context,
        "Q: 3+1\nA: Let's think step by step. It is so.\nTherefore, the answer is"
    );
    assert_eq!(second.options.until, ["\n"]);
    assert_ne!(second.seed, first[0].seed);
    assert_eq!(&*items[3].references[0], "right");
    let pipeline = &task.pipelines()[0];
    let answer = |text: &str| {
        pipeline
            .apply_doc(0, &[FilterValue::from(text)], None)
            .unwrap()
    };
    assert_eq!(answer(" right."), FilterValue::from("right"));
    assert_eq!(answer(": 3.14"), FilterValue::from("3.14"));

    let cost = task.cost(&items);
    assert_eq!((cost.n_requests, cost.n_answers), (20, 20));
    assert_eq!(
        (cost.most_generated_tokens, cost.most_reread_tokens),
        (10 * (256 + 32), 2560)
    );
}

#[test]
fn a_target_in_words_is_its_choice() {
    let task = task("words@cot_zero_shot");
    assert_eq!(&*items(&task)[0].references[0], "right");
}

#[test]
fn letters_are_asked_for_by_their_range() {
    let task = task("letters@cot_zero_shot");
    let second = items(&task)[0].follow_up.clone().expect("a second");
    let FollowUp::Generate { trigger, .. } = second else {
        panic!("text")
    };
    assert_eq!(&*trigger, "\nTherefore, among A through C, the answer is");
    let answers = [FilterValue::from(" (B), because A is not")];
    let found = task.pipelines()[0]
        .apply_doc(0, &answers, None)
        .expect("filtered");
    assert_eq!(found, FilterValue::from("B"));
}

#[test]
fn votes_are_taken_among_sampled_answers() {
    let task = task("sums@cot@self_consistency:paths=5,temperature=0.5");
    assert_eq!(task.config.task, "sums_cot_self_consistency5_t0.5");
    assert_eq!(task.config.method(), "self_consistency");
    assert_eq!(task.config.baseline(), Some("cot"));
    assert!(task.config.generation.do_sample && task.config.generation.temperature == 0.5);
    let items = items(&task);
    let ItemRequests::Generate(all) = &items[0].requests else {
        panic!("generated")
    };
    let seeds: std::collections::BTreeSet<u64> = all.iter().map(|r| r.seed).collect();
    assert_eq!((all.len(), seeds.len()), (5, 5));
    let said = |n: u8| FilterValue::from(format!("The answer is {n}."));
    let answers = [said(3), said(1), said(2), said(1), said(7)];
    let vote = task.pipelines()[0]
        .apply_doc(0, &answers, None)
        .expect("filtered");
    assert_eq!(vote, FilterValue::from("1"));
    let cost = task.cost(&items);
    assert_eq!(
        (cost.n_requests, cost.most_generated_tokens),
        (50, 50 * 256)
    );

    let two = configs("sums@cot_zero_shot@self_consistency:paths=3").expect("chosen");
    assert_eq!(two[0].method(), "cot_zero_shot_sc");
    assert_eq!(two[0].baseline(), Some("cot_zero_shot"));
    assert_eq!(
        configs("sums@self_consistency").expect("chosen")[0].method(),
        "direct_sc"
    );
    assert!(refused("picks@self_consistency").contains("put @cot or @cot_zero_shot before it"));
}

#[test]
fn proposed_answers_are_right_in_one_of_two() {
    let dir = folder();
    let config = library(dir.path())
        .select(&["picks@p_true"])
        .expect("chosen")
        .tasks()[0]
        .clone();
    let task = Task::load(config, &Rows, Some(2)).expect("loaded");
    let items = items(&task);
    let mut n_true = 0;
    for item in &items {
        let choices: Vec<&str> = item.choices.iter().map(|c| &**c).collect();
        assert_eq!(choices, ["(A)", "(B)"]);
        let parts: Vec<&str> = item.prompt.split("\n\n").collect();
        assert_eq!(parts.len(), 3, "two examples and the question");
        for (i, part) in parts.iter().enumerate() {
            let (question, rest) = part.split_once("\nIs the proposed answer:").expect("asked");
            let end = "\n (A) True\n (B) False\nThe proposed answer is:";
            let said = rest.strip_prefix(end).expect("the choices");
            let is_right = question.ends_with("A: right");
            if i < 2 {
                assert_eq!(said, if is_right { " (A)" } else { " (B)" });
            } else {
                assert_eq!(said, "");
                assert_eq!(item.gold, Gold::One(Some(usize::from(!is_right))));
                n_true += usize::from(is_right);
            }
        }
    }
    assert!((1..=9).contains(&n_true), "{n_true} of 10 are true");
    let metrics: Vec<&str> = task.metrics().iter().map(|m| m.request.name()).collect();
    assert_eq!(metrics, ["acc", "brier_multiclass", "ece", "ece_adaptive"]);
}

#[test]
fn generated_answers_are_judged_by_the_model_itself() {
    let task = task("sums@p_true");
    let metrics: Vec<&str> = task.metrics().iter().map(|m| m.request.name()).collect();
    assert_eq!(
        metrics,
        ["exact_match", "brier_multiclass", "ece", "ece_adaptive"]
    );
    let items = items(&task);
    let ItemRequests::Generate(first) = &items[0].requests else {
        panic!("generated")
    };
    let asked = items[0]
        .follow_up
        .as_ref()
        .expect("a judgement")
        .judgement(&first[0], " 1\n");
    let want =
        "Q: 0+1\nA: 1\nIs the proposed answer:\n (A) True\n (B) False\nThe proposed answer is:";
    assert!(asked.iter().all(|r| &*r.context == want), "{asked:?}");
    assert_eq!(
        (&*asked[0].continuation, &*asked[1].continuation),
        (" (A)", " (B)")
    );
    let cost = task.cost(&items);
    assert_eq!((cost.n_requests, cost.n_answers), (30, 10));
}

#[test]
fn groups_are_asked_task_by_task() {
    let all = configs("all@k1").expect("chosen");
    let names: Vec<&str> = all.iter().map(|t| t.task.as_str()).collect();
    assert_eq!(names, ["sums_k1", "picks_k1"]);
    let dir = folder();
    let selection = library(dir.path())
        .select_runnable(&["all@self_consistency"])
        .expect("chosen");
    assert_eq!(selection.tasks().len(), 1);
    assert!(
        selection.left_out[0]
            .1
            .to_string()
            .contains("task 'picks' @self_consistency")
    );
}

#[test]
fn generated_tasks_keep_their_own_forms() {
    let own = configs("addition:digits=2@cot").expect("chosen");
    assert_eq!(
        (own[0].task.as_str(), own[0].method()),
        ("addition_2digit_cot", "cot")
    );
    let voted = task("addition:digits=2,items=20@cot@self_consistency:paths=3");
    assert_eq!(voted.config.ability(), "addition_2digit_words");
    assert_eq!(voted.config.method(), "self_consistency");
    assert_eq!(items(&voted).len(), 20);
    let worked = task("addition:digits=2,items=5@cot:shots=2");
    assert_eq!((worked.num_fewshot, worked.config.method()), (2, "cot"));
    assert_eq!(
        items(&worked)[0].prompt.matches(" The answer is ").count(),
        2
    );
    let shots = task("addition:digits=2,items=5@short@k3");
    assert_eq!(shots.num_fewshot, 3);
}

#[test]
fn mistakes_are_named_in_one_line() {
    for (name, want) in [
        ("sums@self_consistency:path=3", "no parameter 'path'"),
        ("sums@k99999", "k is '99999'"),
        ("sums@cot@cot_zero_shot", "asked by cot already"),
        (
            "nothing@k5",
            "no task, group, tag or file is called 'nothing'",
        ),
        (
            "sums@unknown",
            "no task, group, tag or file is called 'sums@unknown'",
        ),
    ] {
        let error = refused(name);
        assert!(error.contains(want), "{name}: {error}");
    }
}
