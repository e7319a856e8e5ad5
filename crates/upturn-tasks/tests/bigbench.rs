//! BIG-bench JSON tasks: prompts, metrics, few-shot examples, refusals.

use std::path::Path;

use serde_json::{Value, json};
use upturn_metrics::{FilterValue, OutputKind};
use upturn_tasks::{
    BuildOptions, DatasetError, DatasetSpec, Datasets, Doc, Gold, Item, ItemRequests, Library,
    Node, Selection, Task, TaskError, bigbench,
};

/// What the command line's data sets do for BIG-bench.
struct Rows;

impl Datasets for Rows {
    fn open(&self, spec: &DatasetSpec, split: &str) -> Result<Vec<Doc>, DatasetError> {
        bigbench::open(spec, split).expect("rows of a task.json")
    }

    fn splits(&self, _: &DatasetSpec) -> Result<Vec<String>, DatasetError> {
        Ok(vec![bigbench::SPLIT.into()])
    }
}

fn folder(files: &[(&str, String)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        std::fs::write(path, text).expect("written");
    }
    dir
}

fn select(path: &Path) -> Result<Selection, TaskError> {
    Library::default().select(&[path.display().to_string()])
}

fn choices(extra: Value) -> Value {
    let mut task = json!({
        "name": "colours",
        "description": "Name the colour.",
        "keywords": ["common sense", "multiple choice"],
        "canary": "none",
        "metrics": ["multiple_choice_grade"],
        "preferred_score": "multiple_choice_grade",
        "examples": [
            {"input": "Grass is", "target_scores": {"green": 1, "red": 0, "blue": 0}},
            {"input": "The sky is", "target_scores": {"green": 0, "red": 0, "blue": 1}},
            {"input": "Blood is {{x}}", "target_scores": {"green": 0, "red": 1, "blue": 0}},
            {"input": "Grass is", "target_scores": {"green": 1, "red": 0, "blue": 0}},
        ],
    });
    for (key, value) in extra.as_object().expect("a map") {
        task[key] = value.clone();
    }
    task
}

fn text(extra: Value) -> Value {
    let mut task = json!({
        "name": "sums",
        "description": "Add.",
        "metrics": ["exact_str_match"],
        "examples": [
            {"input": "1+1", "target": "2"},
            {"input": "1+2", "target": ["3", "three"]},
            {"input": "2+2", "target": 4},
        ],
    });
    for (key, value) in extra.as_object().expect("a map") {
        task[key] = value.clone();
    }
    task
}

/// Every task of one file, loaded.
fn tasks(file: &Value, shots: Option<usize>) -> Vec<Task> {
    let dir = folder(&[("t/task.json", file.to_string())]);
    let selection = select(&dir.path().join("t/task.json")).expect("chosen");
    let load = |config: &std::sync::Arc<upturn_tasks::TaskConfig>| {
        Task::load(config.clone(), &Rows, shots)
    };
    selection
        .tasks()
        .into_iter()
        .map(|c| load(c).expect("loaded"))
        .collect()
}

fn items(task: &Task) -> Vec<Item> {
    task.build(&BuildOptions::default()).expect("built")
}

fn refused(file: &Value) -> String {
    let dir = folder(&[("t/task.json", file.to_string())]);
    let error = select(&dir.path().join("t"))
        .expect_err("refused")
        .to_string();
    assert!(
        !error.contains('\n') && error.contains("task.json"),
        "{error}"
    );
    error
}

#[test]
fn a_choice_task_asks_as_the_format_says() {
    let tasks = tasks(&choices(json!({"task_prefix": "Colours {{y}}.\n"})), None);
    let [task] = &tasks[..] else {
        panic!("one task")
    };
    assert_eq!(task.config.task, "colours");
    let items = items(task);
    assert_eq!(items.len(), 3, "an example that is there twice counts once");
    let prompt = &*items[2].prompt;
    // The shuffled choices, in whatever order.
    let mut shown: Vec<&str> = prompt.split("\n  choice: ").collect();
    assert_eq!(shown.remove(0), "Colours {{y}}.\n\nQ: Blood is {{x}}");
    let last = shown.pop().expect("choices");
    let (last, end) = last.split_once('\n').expect("an end");
    assert_eq!(end, "A: ");
    shown.push(last);
    shown.sort_unstable();
    assert_eq!(shown, ["blue", "green", "red"]);

    let texts: Vec<&str> = items[2].choices.iter().map(|c| &**c).collect();
    assert_eq!(texts, ["green", "red", "blue"]);
    assert_eq!(items[2].gold, Gold::One(Some(1)));
    let ItemRequests::Choices { conditional, .. } = &items[2].requests else {
        panic!("likelihoods")
    };
    assert_eq!(&*conditional[1].continuation, "red");
    assert_eq!(task.metrics()[0].request.name(), "acc");
}

#[test]
fn examples_come_before_with_the_files_separators() {
    let file = choices(json!({
        "append_choices_to_input": false,
        "example_input_prefix": "IN ",
        "example_output_prefix": " OUT ",
        "few_shot_example_separator": "||",
        "task_prefix": "P:",
    }));
    let tasks = tasks(&file, Some(2));
    let items = items(&tasks[0]);
    let all = [
        "IN Grass is OUT green||",
        "IN The sky is OUT blue||",
        "IN Blood is {{x}} OUT red||",
    ];
    let two: Vec<String> = vec![
        format!("P:{}{}IN Grass is OUT ", all[1], all[2]),
        format!("P:{}{}IN Grass is OUT ", all[2], all[1]),
    ];
    assert!(
        two.contains(&items[0].prompt.to_string()),
        "{}",
        items[0].prompt
    );
    // The same seed gives the same draws.
    let again: Vec<_> = items_prompts(&tasks[0]);
    assert_eq!(again, items_prompts(&tasks[0]));
}

fn items_prompts(task: &Task) -> Vec<String> {
    items(task).iter().map(|i| i.prompt.to_string()).collect()
}

#[test]
fn the_files_number_of_examples_is_the_default() {
    let file = text(json!({"few_shot_example_count": 1}));
    assert_eq!(tasks(&file, None)[0].num_fewshot, 1);
    assert_eq!(tasks(&file, Some(2))[0].num_fewshot, 2);
}

#[test]
fn answers_are_cut_and_compared_as_the_format_says() {
    let filtered = |file: &Value, answer: &str| {
        let task = &tasks(file, None)[0];
        let pipeline = &task.pipelines()[0];
        let answers = [FilterValue::from(answer)];
        let out = pipeline.apply_doc(0, &answers, None).expect("filtered");
        out.as_str().expect("text").to_owned()
    };
    // Without output_regex and stop_string: up to the end of a sentence or line.
    assert_eq!(filtered(&text(json!({})), " 4 apples. More"), "4 apples");
    assert_eq!(
        filtered(&text(json!({"output_regex": "\\d+"})), "it is 42, not 7"),
        "42"
    );
    assert_eq!(filtered(&text(json!({"output_regex": "\\d+"})), "none"), "");
    let stopped = text(json!({"stop_string": ";"}));
    assert_eq!(filtered(&stopped, " 4. And "), "4. And");
    let task = &tasks(&stopped, None)[0];
    assert_eq!(task.config.generation.until, [";"]);

    let items = items(task);
    assert_eq!(&*items[0].prompt, "\nQ: 1+1\nA: ");
    let references: Vec<&str> = items[1].references.iter().map(|r| &**r).collect();
    assert_eq!(references, ["3", "three"]);
    assert_eq!(items[2].references.len(), 1);
    assert_eq!(&*items[2].references[0], "4");
}

#[test]
fn metrics_of_both_kinds_make_two_tasks() {
    let file = choices(json!({
        "metrics": ["exact_str_match", "multiple_choice_grade", "rouge", "bleurt"],
        "preferred_score": "exact_str_match",
    }));
    let tasks = tasks(&file, None);
    let names: Vec<&str> = tasks.iter().map(|t| t.config.task.as_str()).collect();
    assert_eq!(names, ["colours", "colours_choices"]);
    assert!(tasks.iter().all(|t| t.config.ability() == "colours"));
    let metrics: Vec<&str> = tasks[0]
        .metrics()
        .iter()
        .map(|m| m.request.name())
        .collect();
    assert_eq!(metrics, ["exact_match", "rouge1", "rouge2", "rougeLsum"]);
    for task in &tasks {
        for metric in task.metrics() {
            let kind = OutputKind::parse(task.config.output_type.name()).expect("a kind");
            assert!(
                metric.request.info.applies_to(kind),
                "{}",
                metric.request.name()
            );
        }
    }
    // The right choice is the target.
    assert_eq!(&*items(&tasks[0])[1].references[0], "blue");
    assert_eq!(
        tasks[0].config.metadata["left_out_metrics"],
        json!(["bleurt"])
    );
    assert!(tasks[1].config.preferred_score().is_none());
}

#[test]
fn the_preferred_score_is_normalised() {
    let file = choices(json!({}));
    let tasks = tasks(&file, None);
    let score = tasks[0].config.preferred_score().expect("stated");
    assert_eq!((score.metric, score.high), ("acc", 1.0));
    assert!((score.low - 1.0 / 3.0).abs() < 1e-12);
    assert!((score.normalized(score.low)).abs() < 1e-12);
    assert!((score.normalized(1.0) - 100.0).abs() < 1e-9);
    assert!((score.normalized(0.0) + 50.0).abs() < 1e-9);
    let bleu = text(json!({"metrics": ["bleu"], "preferred_score": "bleu"}));
    let bleu = &self::tasks(&bleu, None)[0];
    let score = bleu.config.preferred_score().expect("stated");
    assert_eq!((score.low, score.normalized(37.5)), (0.0, 37.5));
}

#[test]
fn several_right_choices_are_any_of_them() {
    let mut file = choices(json!({}));
    file["examples"][1]["target_scores"]["green"] = json!(1);
    let task = &tasks(&file, None)[0];
    let items = items(task);
    assert_eq!(items[0].gold, Gold::AnyOf(vec![Some(0)]));
    assert_eq!(items[1].gold, Gold::AnyOf(vec![Some(0), Some(2)]));
    let low = task.config.preferred_score().expect("stated").low;
    assert!((low - 4.0 / 9.0).abs() < 1e-12, "{low}");
}

#[test]
fn folders_are_groups_and_programs_are_refused_by_name() {
    let dir = folder(&[
        ("all/colours/task.json", choices(json!({})).to_string()),
        ("all/maths/sums/task.json", text(json!({})).to_string()),
        ("all/maths/broken/task.json", "{\n\"name\": 1,\n".into()),
        ("all/program/task.py", "class T: pass".into()),
    ]);
    let path = dir.path().join("all").display().to_string();
    let error = Library::default()
        .select(&[&path])
        .expect_err("strict")
        .to_string();
    assert!(error.contains("broken/task.json:3: is no JSON"), "{error}");
    let selection = Library::default()
        .select_runnable(&[&path])
        .expect("chosen");
    let names: Vec<&str> = selection.tasks().iter().map(|t| t.task.as_str()).collect();
    assert_eq!(names, ["colours", "sums"]);
    let [Node::Group(group)] = &selection.roots[..] else {
        panic!("a group")
    };
    assert_eq!((group.name.as_str(), group.left_out.len()), ("all", 2));
    let left: Vec<String> = selection
        .left_out
        .iter()
        .map(|(_, e)| e.to_string())
        .collect();
    assert!(
        left[1].contains("program/task.py: is a BIG-bench task written in Python"),
        "{left:?}"
    );
}

#[test]
fn other_json_and_folders_are_not_taken() {
    let yaml = "task: a\ndataset_path: json\ntest_split: test\n";
    let dir = folder(&[
        ("y/a.yaml", yaml.into()),
        ("y/sub/task.json", choices(json!({})).to_string()),
        (
            "t.json",
            json!({"task": "b", "dataset_path": "json", "test_split": "test"}).to_string(),
        ),
    ]);
    let names = |path: &str| -> Vec<String> {
        let selection = select(&dir.path().join(path)).expect("chosen");
        selection.tasks().iter().map(|t| t.task.clone()).collect()
    };
    assert_eq!(names("y"), ["a"]);
    // JSON is YAML: a task file all the same.
    assert_eq!(names("t.json"), ["b"]);
}

#[test]
fn mistakes_are_named_in_one_line() {
    let with = |key: &str, value: Value| choices(json!({key: value}));
    let cases: Vec<(Value, &str)> = vec![
        (with("metrics", json!([])), "metrics: name at least one"),
        (
            with("preferred_score", json!("bleurt")),
            "'bleurt' is not computed here",
        ),
        (with("examples", json!([])), "examples: the list is empty"),
        (
            with("examples", json!([{"target": "a"}])),
            "examples[0]: no key 'input'",
        ),
        (
            with("examples", json!([{"input": "a"}])),
            "neither 'target' nor 'target_scores'",
        ),
        (
            with("examples", json!([{"input": "a", "target": "b"}])),
            "examples[0]: no 'target_scores'",
        ),
        (
            with(
                "examples",
                json!([{"input": "a", "target_scores": {"x": 0.5, "y": 1}}]),
            ),
            "'x' has 0.5; only right (1) and wrong (0)",
        ),
        (
            with(
                "examples",
                json!([{"input": "a", "target_scores": {"x": 0}}]),
            ),
            "no choice has the score 1",
        ),
        (
            with("stop_string", json!(3)),
            "stop_string: expected text, found 3",
        ),
        (
            with("append_choices_to_input", json!("no")),
            "expected true or false",
        ),
        (
            with("few_shot_example_count", json!(-1)),
            "few_shot_example_count: expected a whole number",
        ),
    ];
    for (file, want) in cases {
        let error = refused(&file);
        assert!(error.contains(want), "{error}: {want}");
    }
    let warned = tasks(&with("task_prefx", json!("a")), None);
    let warning = &warned[0].config.warnings[0];
    assert!(
        warning.contains("'task_prefx' has no effect; did you mean 'task_prefix'?"),
        "{warning}"
    );
}
