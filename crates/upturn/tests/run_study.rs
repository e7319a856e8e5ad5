//! A study from nothing to its report: the same bytes however it was cut, killed or spread.

#[allow(dead_code, reason = "each test file uses its part of what they share")]
mod eval_common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use eval_common::{all_bytes, stderr, upturn};
use serde_json::Value;

/// A family of two sizes with a finetune, on three tasks: seconds in a debug build.
const STUDY: &str = r#"
title = "tiny"
[[family]]
[family.ladder]
family = "tiny"
[family.ladder.sizes]
widths = [4, 8]
layers = 1
seeds = 2
[family.ladder.tokens]
total = 40000
[family.ladder.train]
batch_tokens = 512
checkpoints = 3
[family.ladder.data]
context = 40
task = [{ generator = "copying:length=3" }, { generator = "addition:digits=2" }]
[[family.ladder.finetune]]
name = "scratchpad"
tokens_share = 0.2
task = [{ generator = "addition:digits=2", form = "steps" }]

[[eval]]
tasks = ["copying:length=3", "addition:digits=2"]
num_fewshot = [0, 1]
limit = 60
[[eval]]
tasks = ["addition:digits=2"]
methods = ["scratchpad"]
tuning = "scratchpad"
limit = 40
"#;

fn study(dir: &Path) -> PathBuf {
    let file = dir.join("study.toml");
    fs::write(&file, STUDY).expect("written");
    file
}

fn run(dir: &Path, arguments: &[&str]) -> Output {
    upturn(dir)
        .arg("run")
        .args(arguments)
        .output()
        .expect("starts")
}

/// All files of a folder but for locks of the file system.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = all_bytes(dir, &[]);
    all.retain(|path, _| !path.ends_with(".lock") || path.ends_with("study.lock"));
    all
}

/// The first file in which two folders differ.
fn same(found: &BTreeMap<String, Vec<u8>>, expected: &BTreeMap<String, Vec<u8>>) {
    let names = |all: &BTreeMap<String, Vec<u8>>| all.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(found), names(expected));
    for (path, bytes) in expected {
        assert!(&found[path] == bytes, "{path} differs");
    }
}

fn ends_well(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
}

#[test]
fn shares_threads_and_repeats_give_the_same_bytes() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = study(dir.path());
    let file = file.to_str().expect("a name");
    ends_well(&run(dir.path(), &[file, "--out", "whole"]));
    let whole = files(&dir.path().join("whole"));
    assert!(whole.keys().any(|p| p.ends_with("report.html")));
    assert!(whole.keys().any(|p| p.ends_with("study.lock")));

    // Once more: everything is kept.
    ends_well(&run(dir.path(), &[file, "--out", "whole", "--locked"]));
    same(&files(&dir.path().join("whole")), &whole);

    ends_well(&run(
        dir.path(),
        &[file, "--out", "threads", "--threads", "3"],
    ));
    same(&files(&dir.path().join("threads")), &whole);

    for shard in ["2/2", "1/2"] {
        ends_well(&run(
            dir.path(),
            &[file, "--out", "shards", "--shard", shard],
        ));
        assert!(!dir.path().join("shards/report.html").exists());
    }
    ends_well(&run(dir.path(), &[file, "--out", "shards"]));
    same(&files(&dir.path().join("shards")), &whole);
}

#[cfg(unix)]
#[test]
fn a_killed_study_goes_on_to_the_same_bytes() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = study(dir.path());
    let file = file.to_str().expect("a name");
    ends_well(&run(dir.path(), &[file, "--out", "whole"]));
    let whole = files(&dir.path().join("whole"));
    let mut n_killed = 0;
    for round in 0..20u64 {
        let mut child = upturn(dir.path())
            .args(["run", file, "--out", "cut"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        std::thread::sleep(Duration::from_millis(30 + 61 * round % 400));
        // SIGKILL on Unix.
        if child.try_wait().expect("waits").is_none() {
            child.kill().expect("killed");
            n_killed += 1;
        }
        child.wait().expect("ends");
    }
    assert!(n_killed > 0, "nothing was killed in time");
    ends_well(&run(dir.path(), &[file, "--out", "cut"]));
    same(&files(&dir.path().join("cut")), &whole);
}

#[test]
fn the_plan_says_what_would_be_done_and_writes_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = study(dir.path());
    let file = file.to_str().expect("a name");
    let output = run(dir.path(), &[file, "--out", "none", "--dry-run", "--json"]);
    ends_well(&output);
    let plan: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let members = plan["ladders"][0]["members"].as_array().expect("members");
    // Two widths, two seeds, each with a finetune.
    assert_eq!(members.len(), 8);
    // 4 members × 2 tasks × 2 numbers of examples, 4 finetunes × 1.
    assert_eq!(plan["evaluation"]["cells"], 20);
    assert!(!dir.path().join("none").exists());
}

#[test]
fn measurements_say_seed_tuning_and_method() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = study(dir.path());
    let file = file.to_str().expect("a name");
    ends_well(&run(dir.path(), &[file, "--out", "o"]));
    let table = upturn(dir.path())
        .args(["import", "o/measurements.parquet", "--out", "m.csv"])
        .output()
        .expect("starts");
    ends_well(&table);
    let text = fs::read_to_string(dir.path().join("m.csv")).expect("a table");
    let rows: Vec<&str> = text.lines().collect();
    let has = |words: &[&str]| rows.iter().any(|r| words.iter().all(|w| r.contains(w)));
    assert!(has(&[
        "tiny-w4-l1",
        "addition_2digit",
        "scratchpad",
        "exact_match"
    ]));
    assert!(has(&[
        "tiny-w8-l1",
        "copying_letters_3",
        "direct",
        "exact_match"
    ]));
    // Seeds of one size are one model.
    assert!(!rows.iter().any(|r| r.contains("-seed1")));
    assert!(has(&["target_logprob_per_token"]));
}

#[test]
fn a_member_that_cannot_be_trained_is_recorded_and_the_others_go_on() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = study(dir.path());
    // The folder of a member is taken by something that no ladder wrote.
    fs::create_dir_all(dir.path().join("o/models")).expect("made");
    fs::write(dir.path().join("o/models/tiny-w8-l1-seed0"), "mine").expect("written");
    let output = run(dir.path(), &[file.to_str().expect("a name"), "--out", "o"]);
    let text = stderr(&output);
    assert_ne!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("tiny-w8-l1"), "{text}");
    assert_eq!(
        fs::read_to_string(dir.path().join("o/models/tiny-w8-l1-seed0")).expect("kept"),
        "mine"
    );
}

#[test]
fn what_is_wrong_is_one_line_with_its_place() {
    let dir = tempfile::tempdir().expect("a folder");
    let mend = |from: &str, to: &str| STUDY.replacen(from, to, 1);
    let cases = [
        (String::new(), "no [[family]]"),
        (mend("title", "titel"), "unknown field `titel`"),
        (mend("widths = [4, 8]", "widths = []"), "widths"),
        (mend("copying:length=3", "coping:length=3"), "copying"),
        (
            mend("tuning = \"scratchpad\"", "tuning = \"scratch\""),
            "no tuning is called 'scratch'",
        ),
        (
            mend("tasks = [\"copying:length=3\"", "tasks = [\"nonsense\""),
            "nonsense",
        ),
        (mend("total = 40000", "total = 10"), "tokens"),
        (mend("context = 40", "context = 3"), "context"),
    ];
    for (text, expected) in cases {
        let file = dir.path().join("wrong.toml");
        fs::write(&file, &text).expect("written");
        let output = run(dir.path(), &["wrong.toml", "--out", "o"]);
        let said = stderr(&output);
        assert_ne!(output.status.code(), Some(0), "{expected}: {said}");
        assert!(said.contains(expected), "{expected}: {said}");
        assert!(!said.contains("panicked"), "{said}");
        let _none = fs::remove_dir_all(dir.path().join("o"));
    }
    let missing = run(dir.path(), &["nowhere.toml"]);
    assert_eq!(missing.status.code(), Some(3));
    assert!(stderr(&missing).contains("nowhere.toml: cannot be read"));
    let file = study(dir.path());
    let locked = run(
        dir.path(),
        &[file.to_str().expect("a name"), "--out", "o", "--locked"],
    );
    assert!(stderr(&locked).contains("no study.lock"));
}

/// The example that the README shows as the quickest: it must find what is plainly there.
#[test]
fn the_quick_example_runs_and_finds_abilities() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let dir = tempfile::tempdir().expect("a folder");
    let file = root.join("examples/quick/study.toml");
    let output = run(
        dir.path(),
        &[file.to_str().expect("a name"), "--out", "quick", "--json"],
    );
    ends_well(&output);
    let analysis: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let verdicts = analysis["verdicts"].as_array().expect("verdicts");
    let shape = |task: &str, metric: &str| {
        let found = verdicts.iter().find(|v| {
            v["key"]["task"] == task
                && v["key"]["metric"] == metric
                && v["view"]["kind"] == "across"
        });
        found.map(|v| v["shape"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(
        shape("copying_letters_4", "exact_match").as_deref(),
        Some("emergent")
    );
    assert!(shape("copying_letters_4", "target_logprob_per_token").is_some());
}
