//! Models and tasks that are wrong: each is one clear line and a documented exit code.

#[allow(dead_code, reason = "each test file uses its part of what they share")]
mod eval_common;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use eval_common::{pack, stderr, upturn};

const CHOICES: &str = "output_type: multiple_choice\ndoc_to_text: \"{{question.strip()}}\"\n\
doc_to_choice: \"{{choices}}\"\ndoc_to_target: \"{{answer}}\"\n";

/// Writes a task and its data.
fn task(dir: &Path, name: &str, body: &str, rows: &str) {
    fs::write(dir.join(format!("{name}.jsonl")), rows).expect("written");
    let yaml = format!(
        "task: {name}\ndataset_path: json\ndataset_kwargs:\n  data_files:\n    test: {name}.jsonl\n\
         test_split: test\n{body}"
    );
    fs::write(dir.join(format!("{name}.yaml")), yaml).expect("written");
}

fn rows(n: usize) -> String {
    (0..n).fold(String::new(), |mut text, i| {
        let row = format!(
            "{{\"question\": \"What is {i}?\", \"choices\": [\"1\", \"2\"], \"answer\": 0}}\n"
        );
        text.push_str(&row);
        text
    })
}

/// Runs a model on a task: the exit code, and the lines on stderr.
fn run(dir: &Path, model: &Path, tasks: &str) -> (Option<i32>, Vec<String>) {
    let out = tempfile::tempdir().expect("temporary folder");
    let output = upturn(dir)
        .args([
            "eval",
            "--tasks",
            tasks,
            "--train-tokens",
            "1000",
            "--model",
        ])
        .arg(model)
        .arg("--out")
        .arg(out.path().join("out"))
        .output()
        .expect("runs");
    let text = stderr(&output);
    (
        output.status.code(),
        text.lines().map(str::to_owned).collect(),
    )
}

/// One line, no panic, exit code 3: nothing could be used.
fn refused(dir: &Path, model: &Path, tasks: &str, wants: &[&str]) {
    let (code, lines) = run(dir, model, tasks);
    assert_eq!(code, Some(3), "{lines:?}");
    assert_eq!(lines.len(), 1, "{lines:?}");
    for want in wants {
        assert!(lines[0].contains(want), "no {want} in {}", lines[0]);
    }
    assert!(lines[0].starts_with("error: "), "{}", lines[0]);
}

#[test]
fn a_task_that_is_wrong_is_one_line() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let dir = dir.path();
    let model = pack().join("models/gpt2-24x1");

    let mut missing = rows(7000);
    missing.push_str("{\"choices\": [\"1\", \"2\"], \"answer\": 0}\n");
    task(dir, "missing", CHOICES, &missing);
    refused(
        dir,
        &model,
        "missing.yaml",
        &["missing.yaml", "doc_to_text", "item 7000"],
    );

    let mut broken = rows(7000);
    broken.push_str("{\"question\" 5}\n");
    task(dir, "broken", CHOICES, &broken);
    refused(dir, &model, "broken.yaml", &["broken.jsonl", "7001"]);

    fs::write(
        dir.join("circle.yaml"),
        "include: circle.yaml\ntask: circle\n",
    )
    .expect("written");
    // A right answer that is no choice would count as wrong, at every model.
    let astray = rows(3) + "{\"question\": \"x\", \"choices\": [\"1\", \"2\"], \"answer\": 7}\n";
    task(dir, "astray", CHOICES, &astray);
    refused(
        dir,
        &model,
        "astray.yaml",
        &["item 3", "7", "none of the 2 choices"],
    );
    // A field that a row lacks is not written as None.
    let null = rows(3) + "{\"choices\": [\"1\", \"2\"], \"answer\": 0}\n";
    let plain = CHOICES.replace(".strip()", "");
    task(dir, "gap", &plain, &null);
    refused(dir, &model, "gap.yaml", &["'question'", "item 3"]);
    refused(dir, &model, "circle.yaml", &["circle.yaml:1", "circle"]);

    let mut forever = String::from("x");
    for _ in 0..4 {
        forever = format!("{{% for i in range(9999) %}}{forever}{{% endfor %}}");
    }
    task(
        dir,
        "forever",
        &CHOICES.replace("{{question.strip()}}", &forever),
        &rows(1),
    );
    refused(
        dir,
        &model,
        "forever.yaml",
        &["forever.yaml", "doc_to_text", "ran too long", "item 0"],
    );

    let mut empty = rows(1);
    let _infallible = writeln!(
        empty,
        "{{\"question\": \"a\", \"choices\": [\"\", \"x\"], \"answer\": 0}}"
    );
    task(
        dir,
        "empty",
        &format!("{CHOICES}target_delimiter: \"\"\n"),
        &empty,
    );
    refused(
        dir,
        &model,
        "empty.yaml",
        &["empty: item 1, choice 0", "continuation is empty"],
    );

    task(dir, "absent", CHOICES, &rows(1));
    fs::remove_file(dir.join("absent.jsonl")).expect("removed");
    refused(dir, &model, "absent.yaml", &["'absent.jsonl' is not here"]);

    task(
        dir,
        "metric",
        &format!("{CHOICES}metric_list:\n  - metric: accuracy\n"),
        &rows(1),
    );
    refused(dir, &model, "metric.yaml", &["metric.yaml", "accuracy"]);
}

#[test]
fn a_model_that_is_wrong_is_one_line() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let dir = dir.path();
    task(dir, "sound", CHOICES, &rows(3));
    let good = pack().join("models/gpt2-24x1");
    let copy = |name: &str| {
        let model = dir.join(name);
        fs::create_dir(&model).expect("folder");
        for file in fs::read_dir(&good).expect("fixture").flatten() {
            fs::copy(file.path(), model.join(file.file_name())).expect("copied");
        }
        model
    };

    let model = copy("nan");
    let weights = model.join("model.safetensors");
    let mut bytes = fs::read(&weights).expect("weights");
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&weights, bytes).expect("written");
    refused(dir, &model, "sound.yaml", &["nan: tensor", "is NaN"]);

    let model = copy("cut");
    let weights = model.join("model.safetensors");
    let bytes = fs::read(&weights).expect("weights");
    fs::write(&weights, &bytes[..bytes.len() / 2]).expect("written");
    refused(dir, &model, "sound.yaml", &["model.safetensors"]);

    let model = copy("pickle");
    fs::remove_file(model.join("model.safetensors")).expect("removed");
    fs::write(model.join("pytorch_model.bin"), b"\x80\x02.").expect("written");
    refused(dir, &model, "sound.yaml", &["pytorch_model.bin", "pickle"]);

    refused(
        dir,
        Path::new("no/such-model"),
        "sound.yaml",
        &["'no/such-model'", "HF_HUB_OFFLINE"],
    );
    refused(dir, Path::new("./nowhere"), "sound.yaml", &["./nowhere"]);
    refused(
        dir,
        Path::new("nothing-*"),
        "sound.yaml",
        &["no folder matches 'nothing-*'"],
    );
}

#[test]
fn what_is_sound_goes_on_beside_what_is_not() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let dir = dir.path();
    task(dir, "sound", CHOICES, &rows(3));
    fs::write(dir.join("circle.yaml"), "include: circle.yaml\n").expect("written");
    let (code, lines) = run(
        dir,
        &pack().join("models/gpt2-24x1"),
        "sound.yaml,circle.yaml,nothing",
    );
    assert_eq!(code, Some(4), "{lines:?}");
    let errors: Vec<&String> = lines.iter().filter(|l| l.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 2, "{lines:?}");
    assert!(
        lines.iter().any(|l| l.contains("sound: 3 items")),
        "{lines:?}"
    );
}

/// The lines that begin like this.
fn of_kind<'l>(lines: &'l [String], kind: &str) -> Vec<&'l String> {
    lines.iter().filter(|l| l.starts_with(kind)).collect()
}

#[test]
fn a_file_that_is_not_yaml_is_named() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let folder = dir.path().join("tasks");
    fs::create_dir(&folder).expect("folder");
    task(&folder, "sound", CHOICES, &rows(3));
    fs::write(
        folder.join("broken.yaml"),
        "task: broken\ntest_split: test\nmetric_list: [1,\n",
    )
    .expect("written");
    fs::write(folder.join("part.yaml"), "tag: \"x\n").expect("written");
    let run = |tasks: &str, more: &[&str]| {
        let output = upturn(dir.path())
            .args(["eval", "--tasks", tasks, "--train-tokens", "1000"])
            .arg("--model")
            .arg(pack().join("models/gpt2-24x1"))
            .arg("--out")
            .arg(dir.path().join("out"))
            .args(more)
            .output()
            .expect("runs");
        let lines: Vec<String> = stderr(&output).lines().map(str::to_owned).collect();
        (output.status.code(), lines)
    };
    let include = ["--include-path", "tasks"];

    let (code, lines) = run("sound", &include);
    assert_eq!(code, Some(0), "{lines:?}");
    let warnings = of_kind(&lines, "warning: ");
    assert_eq!(warnings.len(), 2, "{lines:?}");
    assert!(
        warnings[0].contains("tasks/broken.yaml:4: not YAML"),
        "{lines:?}"
    );
    assert!(warnings[1].contains("tasks/part.yaml:"), "{lines:?}");

    let (code, lines) = run("broken", &include);
    assert_eq!(code, Some(3), "{lines:?}");
    let errors = of_kind(&lines, "error: ");
    assert_eq!(errors.len(), 1, "{lines:?}");
    assert!(
        errors[0].contains("tasks/broken.yaml:4: not YAML"),
        "{lines:?}"
    );
    assert_eq!(of_kind(&lines, "warning: ").len(), 1, "{lines:?}");

    // The folder as a whole was asked for.
    let (code, lines) = run("tasks", &[]);
    assert_eq!(code, Some(4), "{lines:?}");
    assert_eq!(of_kind(&lines, "error: ").len(), 2, "{lines:?}");
    assert!(lines.iter().any(|l| l.contains("sound: kept")), "{lines:?}");
}

#[test]
fn what_holds_for_several_tasks_is_said_once() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let dir = dir.path();
    for name in ["a", "b", "c", "d", "e", "f"] {
        let yaml = format!("task: {name}\ndataset_path: no/such-data\ntest_split: test\n{CHOICES}");
        fs::write(dir.join(format!("{name}.yaml")), yaml).expect("written");
    }
    let model = pack().join("models/gpt2-24x1");
    refused(
        dir,
        &model,
        "a.yaml,b.yaml,c.yaml,d.yaml,e.yaml,f.yaml",
        &["6 tasks (a, b, c, d and 2 more): ", "no/such-data"],
    );
}

#[test]
fn the_place_stands_with_what_is_wrong_and_the_advice_after_it() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let dir = dir.path();
    let numbers = rows(2) + "{\"question\": \"x\", \"choices\": [1, 2], \"answer\": 0}\n";
    task(
        dir,
        "numbers",
        &CHOICES.replace("\"{{choices}}\"", "choices"),
        &numbers,
    );
    refused(
        dir,
        &pack().join("models/gpt2-24x1"),
        "numbers.yaml",
        &["a choice is 1, not text in item 2 of split test; put quotes round it"],
    );
}

#[test]
fn a_single_choice_is_told_once_and_costs_no_row() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let dir = dir.path();
    let one = "{\"question\": \"x\", \"choices\": [\"1\"], \"answer\": 0}\n";
    task(dir, "alone", CHOICES, &one.repeat(3));
    task(dir, "some", CHOICES, &(rows(3) + one));
    let (code, lines) = run(
        dir,
        &pack().join("models/gpt2-24x1"),
        "alone.yaml,some.yaml",
    );
    assert_eq!(code, Some(0), "{lines:?}");
    let warnings = of_kind(&lines, "warning: ");
    assert_eq!(warnings.len(), 2, "{lines:?}");
    assert!(
        warnings[0].contains("alone: all 3 items have a single choice")
            && warnings[0].contains("samples and scores are kept, without chance"),
        "{lines:?}"
    );
    assert!(
        warnings[1].contains("some: 1 of 4 items have a single choice"),
        "{lines:?}"
    );
}
