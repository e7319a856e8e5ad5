//! Task files and data that are wrong or mean harm: one line each, with the place.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use upturn_tasks::raw::Loader;
use upturn_tasks::{
    BuildOptions, DatasetError, DatasetSpec, Datasets, Doc, DocSelection, Task, TaskConfig,
    TaskError,
};

/// Items in memory, by split.
struct Memory(Vec<(&'static str, Vec<Doc>)>);

impl Datasets for Memory {
    fn open(&self, spec: &DatasetSpec, split: &str) -> Result<Vec<Doc>, DatasetError> {
        let found = self.0.iter().find(|(name, _)| *name == split);
        found
            .map(|(_, docs)| docs.clone())
            .ok_or_else(|| DatasetError::NoSplit {
                dataset: spec.label(),
                split: split.into(),
                have: self
                    .0
                    .iter()
                    .map(|(name, _)| *name)
                    .collect::<Vec<_>>()
                    .join(", "),
            })
    }

    fn splits(&self, _: &DatasetSpec) -> Result<Vec<String>, DatasetError> {
        Ok(self.0.iter().map(|(name, _)| (*name).to_string()).collect())
    }
}

fn docs(n: usize, doc: impl Fn(usize) -> Value) -> Vec<Doc> {
    (0..n)
        .map(|i| match doc(i) {
            Value::Object(doc) => doc,
            other => panic!("not an item: {other}"),
        })
        .collect()
}

fn plain(n: usize) -> Vec<Doc> {
    docs(n, |i| json!({"question": format!("q{i}"), "answer": "a"}))
}

fn load(yaml: &str, data: &Memory) -> Result<Task, TaskError> {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("task.yaml");
    std::fs::write(&path, format!("task: t\ndataset_path: json\n{yaml}")).expect("written");
    let config = Arc::new(TaskConfig::from_raw(&Loader::default().load(&path)?)?);
    Task::load(config, data, None)
}

fn refused(yaml: &str, data: &Memory) -> String {
    let error = load(yaml, data)
        .and_then(|task| task.build(&BuildOptions::default()))
        .map(|items| items.len())
        .expect_err("refused")
        .to_string();
    assert!(
        !error.contains('\n') && error.len() < 600,
        "not one short line: {error}"
    );
    error
}

const BASE: &str = "test_split: test\ndoc_to_text: '{{question}}'\ndoc_to_target: answer\n";

#[test]
fn a_missing_field_names_its_row() {
    let mut rows = plain(7100);
    rows[7001].shift_remove("question");
    let error = refused(BASE, &Memory(vec![("test", rows.clone())]));
    assert!(
        error.ends_with(
            "task.yaml: doc_to_text: 'question' is undefined in item 7001 of split test"
        ),
        "{error}"
    );
    // A row far down a part of the run is told by its own index.
    let task = load(BASE, &Memory(vec![("test", rows)])).expect("the first item is sound");
    assert_eq!(
        task.build(&BuildOptions {
            docs: DocSelection::First(7001),
            ..Default::default()
        })
        .expect("built")
        .len(),
        7001
    );
    let error = task
        .build(&BuildOptions {
            docs: DocSelection::Ids(vec![9, 7001]),
            ..Default::default()
        })
        .expect_err("row 7001");
    assert!(error.to_string().contains("item 7001"), "{error}");
    let error = task
        .build(&BuildOptions {
            docs: DocSelection::Ids(vec![7100]),
            ..Default::default()
        })
        .expect_err("no such row");
    assert!(
        error.to_string().contains("split test has 7100 items"),
        "{error}"
    );
}

#[test]
fn a_bad_example_names_the_split_it_is_in() {
    let mut train = plain(4);
    train[2]["answer"] = Value::from(7);
    let yaml = format!(
        "{BASE}fewshot_split: train\nnum_fewshot: 3\nfewshot_config: {{sampler: first_n}}\n"
    );
    let error = refused(&yaml, &Memory(vec![("test", plain(2)), ("train", train)]));
    assert!(
        error.contains("an example's answer is '7', not text in item 2 of split train"),
        "{error}"
    );
}

#[test]
fn templates_cannot_run_for_ever() {
    let loops = "test_split: test\ndoc_to_text: '{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}'\ndoc_to_target: answer\n";
    let error = refused(loops, &Memory(vec![("test", plain(1))]));
    assert!(
        error.contains("task.yaml: doc_to_text: the template ran too long in item 0 of split test"),
        "{error}"
    );
    let calls = "test_split: test\ndoc_to_text: '{% macro m() %}{{m()}}{% endmacro %}{{m()}}'\ndoc_to_target: answer\n";
    assert!(refused(calls, &Memory(vec![("test", plain(1))])).contains("recursion"));
}

#[test]
fn data_that_is_not_there_or_too_small_is_named() {
    let data = || Memory(vec![("test", plain(3)), ("void", Vec::new())]);
    for (yaml, want) in [
        (
            "test_split: tset\ndoc_to_text: a\ndoc_to_target: b\n",
            "task 't': data set 'json' has no split 'tset'; it has test, void",
        ),
        (
            "test_split: void\ndoc_to_text: a\ndoc_to_target: b\n",
            "split void has no items",
        ),
        (
            "doc_to_text: a\ndoc_to_target: b\n",
            "neither test_split nor validation_split",
        ),
        (
            "test_split: test\ndoc_to_target: b\n",
            "no key 'doc_to_text'",
        ),
        (
            "test_split: test\ndoc_to_text: a\n",
            "doc_to_target: the key is missing",
        ),
        (&format!("{BASE}num_fewshot: 5\n"), "ask for fewer shots"),
        (
            &format!("{BASE}num_fewshot: 1\nfewshot_split: void\n"),
            "which the examples come from, has no items",
        ),
        (
            &format!("{BASE}output_type: multiple_choice\n"),
            "there are no choices",
        ),
        (
            &format!("{BASE}output_type: multiple_choice\ndoc_to_choice: question\n"),
            "expected a list of texts, found 'q0'",
        ),
        (
            &format!("{BASE}output_type: multiple_choice\ndoc_to_choice: '{{{{question}}}}'\n"),
            "not a Python literal at 'q0'",
        ),
        (
            &format!("{BASE}output_type: multiple_choice\ndoc_to_choice: [yes, no]\n"),
            "a choice is True, not text in item 0 of split test; put quotes round it",
        ),
        (
            &format!("{BASE}description: '{{{{oops}}}}'\n"),
            "description: 'oops' is undefined in item 0",
        ),
        (
            "test_split: test\ndoc_to_text: '{{question'\ndoc_to_target: b\n",
            "task.yaml: doc_to_text: ",
        ),
    ] {
        let error = refused(yaml, &data());
        assert!(error.contains(want), "{yaml}\n{error}");
    }
}

#[test]
fn files_that_mean_harm_are_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for i in 1..12 {
        bomb.push_str(&format!(
            "a{i}: &a{i} [{}]\n",
            vec![format!("*a{}", i - 1); 10].join(", ")
        ));
    }
    for (name, text, want) in [
        (
            "self.yaml",
            "include: self.yaml\n".to_string(),
            "self.yaml -> self.yaml",
        ),
        ("bomb.yaml", bomb, "expand to more than a million values"),
        ("deep.yaml", "[".repeat(100_000), "not YAML"),
        (
            "object.yaml",
            "task: !!python/object/apply:os.system [ls]\n".into(),
            "the tag !!python/object/apply:os.system is not known",
        ),
        (
            "unknown.yaml",
            "task: t\nproces_docs: x\n".into(),
            "unknown key 'proces_docs'; did you mean 'process_docs'?",
        ),
    ] {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("written");
        let error = Loader::default()
            .load(&path)
            .and_then(|raw| TaskConfig::from_raw(&raw))
            .expect_err(name)
            .to_string();
        assert!(
            error.contains(want) && error.contains(name) && !error.contains('\n'),
            "{error}"
        );
    }
    assert!(
        Loader::default()
            .load(Path::new("/nowhere/at/all.yaml"))
            .expect_err("absent")
            .to_string()
            .contains("cannot be read")
    );
}
