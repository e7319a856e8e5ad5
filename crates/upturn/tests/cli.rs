//! The command line as a user meets it: exit codes, messages, files.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use predicates::prelude::*;

fn upturn() -> Command {
    let mut command = Command::cargo_bin("upturn").expect("built");
    command
        .env("NO_COLOR", "1")
        .env("COLUMNS", "120")
        .env("LANG", "C.UTF-8");
    command
}

fn file(dir: &Path, name: &str, text: impl AsRef<[u8]>) -> String {
    let path = dir.join(name);
    fs::write(&path, text).expect("writable");
    path.display().to_string()
}

/// Five sizes of a family, near chance and then well above it, in Upturn's own columns.
const TABLE: &str = "family,model,flops,task,method,metric,value,n,chance,source
Demo,d1,1e20,quiz,direct,acc,0.251,2000,0.25,here
Demo,d2,1e21,quiz,direct,acc,0.249,2000,0.25,here
Demo,d3,1e22,quiz,direct,acc,0.252,2000,0.25,here
Demo,d4,1e23,quiz,direct,acc,0.610,2000,0.25,here
Demo,d5,1e24,quiz,direct,acc,0.720,2000,0.25,here
";

#[test]
fn a_table_becomes_a_verdict_and_files() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let table = file(dir.path(), "scores.csv", TABLE);
    let out = dir.path().join("out");
    upturn()
        .args(["analyze", &table, "--out"])
        .arg(&out)
        .assert()
        .code(0)
        .stdout(predicate::str::contains("emergent"));
    for name in [
        "analysis.json",
        "verdicts.csv",
        "verdicts.parquet",
        "curves.parquet",
        "measurements.parquet",
        "report.html",
    ] {
        assert!(
            fs::metadata(out.join(name)).is_ok_and(|m| m.len() > 0),
            "{name}"
        );
    }
    assert_eq!(
        fs::read_dir(out.join("figures")).expect("figures").count(),
        1
    );
    let verdicts = fs::read_to_string(out.join("verdicts.csv")).expect("verdicts");
    assert!(
        verdicts
            .lines()
            .nth(1)
            .is_some_and(|row| row.contains("emergent")),
        "{verdicts}"
    );

    // The measurements written are input again, and say the same.
    let again = out.join("measurements.parquet");
    let json = |input: &Path| {
        let output = upturn()
            .arg("analyze")
            .arg(input)
            .arg("--json")
            .output()
            .expect("runs");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        value["verdicts"].to_string()
    };
    assert_eq!(json(Path::new(&table)), json(&again));

    upturn().arg("report").arg(&out).assert().code(0);
}

#[test]
fn explain_tells_the_whole_chain() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let table = file(dir.path(), "scores.csv", TABLE);
    upturn()
        .args(["analyze", &table, "--explain", "quiz"])
        .assert()
        .code(0)
        .stdout(predicate::str::contains("near chance").and(predicate::str::contains("2,000")));
    upturn()
        .args(["analyze", &table, "--explain", "nothing"])
        .assert()
        .code(2)
        .stderr(predicate::str::contains("no task matches 'nothing'"));
}

#[test]
fn bad_rows_cost_themselves_and_set_the_code() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let bad = format!("{TABLE}Demo,d6,1e25,quiz,direct,acc,1.7,2000,0.25,here\n");
    let table = file(dir.path(), "scores.csv", bad);
    upturn()
        .args(["analyze", &table])
        .assert()
        .code(4)
        .stdout(predicate::str::contains("emergent"))
        .stderr(predicate::str::contains("1.7").and(predicate::str::contains("scores.csv")));
}

#[test]
fn rows_that_contradict_each_other_are_both_shown() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let doubled = format!("{TABLE}Demo,d3,1e22,quiz,direct,acc,0.400,2000,0.25,here\n");
    let table = file(dir.path(), "scores.csv", doubled);
    upturn()
        .args(["analyze", &table])
        .assert()
        .code(4)
        .stderr(predicate::str::contains("0.252").and(predicate::str::contains("0.4")));
}

#[test]
fn hostile_inputs_get_one_line_each_and_the_rest_is_kept() {
    let dir = tempfile::tempdir().expect("temporary folder");
    file(dir.path(), "good.csv", TABLE);
    file(
        dir.path(),
        "truncated.json",
        r#"{"results": {"arc_easy": {"acc": 0.5,"#,
    );
    file(dir.path(), "latin1.csv", b"family,model,flops,task,method,metric,value,n,chance,source\nD\xe9mo,x,1e20,quiz,direct,acc,0.2,100,0.25,here\n");
    let output = upturn()
        .arg("analyze")
        .arg(dir.path())
        .output()
        .expect("runs");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "{stderr}");
    for name in ["truncated.json", "latin1.csv"] {
        assert_eq!(
            stderr.lines().filter(|l| l.contains(name)).count(),
            1,
            "{name}: {stderr}"
        );
    }
    assert!(String::from_utf8_lossy(&output.stdout).contains("quiz"));
}

#[test]
fn nothing_to_read_is_code_three() {
    let dir = tempfile::tempdir().expect("temporary folder");
    upturn().arg("analyze").arg(dir.path()).assert().code(3);
    upturn()
        .args(["analyze", "no-such-file.csv"])
        .assert()
        .code(3);
}

#[test]
fn wrong_command_lines_are_code_two() {
    for args in [
        vec!["analyze"],
        vec!["analyze", "published:nothing"],
        vec![
            "analyze",
            "published:gpt3",
            "--near-margin",
            "0.2",
            "--substantial-margin",
            "0.1",
        ],
        vec!["analyze", "published:gpt3", "--axis", "width"],
        vec!["models", "no-such-model-at-all"],
    ] {
        upturn().args(&args).assert().code(2);
    }
}

#[test]
fn lists_and_small_things() {
    upturn()
        .arg("--version")
        .assert()
        .code(0)
        .stdout(predicate::str::contains("("));
    upturn()
        .arg("doctor")
        .assert()
        .code(0)
        .stdout(predicate::str::contains("threads"));
    upturn()
        .args(["doctor", "--json"])
        .assert()
        .code(0)
        .stdout(predicate::str::starts_with("{"));
    upturn()
        .args(["published", "gpt3"])
        .assert()
        .code(0)
        .stdout(predicate::str::contains("Brown"));
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        upturn()
            .args(["completions", shell])
            .assert()
            .code(0)
            .stdout(predicate::str::contains("upturn"));
    }
    upturn()
        .args(["models", "EleutherAI/pythia-1.4b-deduped@step3000"])
        .assert()
        .code(0)
        .stdout(predicate::str::contains("step 3000"));
    upturn()
        .args(["models", "--family", "Pythia", "--json"])
        .assert()
        .code(0)
        .stdout(predicate::str::starts_with("["));
    upturn()
        .args(["tasks", "wic"])
        .assert()
        .code(0)
        .stdout(predicate::str::contains("0.5"));
}

#[test]
fn plots_are_pictures() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let table = file(dir.path(), "scores.csv", TABLE);
    let svg = dir.path().join("fig.svg");
    upturn()
        .args(["plot", &table, "--out"])
        .arg(&svg)
        .assert()
        .code(0);
    assert!(
        fs::read_to_string(&svg)
            .expect("written")
            .starts_with("<svg")
            || fs::read_to_string(&svg)
                .expect("written")
                .starts_with("<?xml")
    );
    let png = dir.path().join("fig.png");
    upturn()
        .args(["plot", &table, "--out"])
        .arg(&png)
        .assert()
        .code(0);
    assert_eq!(
        fs::read(&png).expect("written")[..4],
        [0x89, b'P', b'N', b'G']
    );
    upturn()
        .args(["plot", &table, "--out"])
        .arg(dir.path().join("fig.gif"))
        .assert()
        .code(2);
}

#[test]
fn filters_that_keep_nothing_are_named() {
    for arguments in [
        vec!["--task", "nothing*"],
        vec!["--family", "["],
        vec!["--shots", "1000..", "--metric", "acc"],
    ] {
        upturn()
            .args(["analyze", "published:gpt3"])
            .args(&arguments)
            .assert()
            .code(3)
            .stderr(predicate::str::contains(format!(
                "{} {}",
                arguments[0], arguments[1]
            )));
    }
}

#[test]
fn a_model_is_explained_line_by_line() {
    upturn()
        .args(["models", "EleutherAI/pythia-1.4b-deduped@step3000"])
        .assert()
        .code(0)
        .stdout(predicate::str::contains("\ncheckpoint: step 3000"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_result_that_cannot_be_printed_is_a_failure() {
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("Linux has it");
    let status = std::process::Command::new(env!("CARGO_BIN_EXE_upturn"))
        .args(["tasks", "--json"])
        .stdout(full)
        .stderr(std::process::Stdio::null())
        .status()
        .expect("runs");
    assert_eq!(status.code(), Some(1));
}

#[test]
fn a_smaller_model_that_has_what_a_larger_one_lacks_is_shown_in_its_section() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let other = TABLE
        .lines()
        .skip(1)
        .map(|line| {
            let line = line.replace("Demo,d", "Other,o");
            // The other family has it one size earlier.
            line.replace("1e22,quiz,direct,acc,0.252", "9e21,quiz,direct,acc,0.583")
        })
        .collect::<Vec<_>>()
        .join("\n");
    let table = file(dir.path(), "scores.csv", format!("{TABLE}{other}\n"));
    upturn()
        .args(["analyze", &table, "--section", "counterexamples"])
        .assert()
        .success()
        .stdout(predicate::str::contains("has it o3; at 9.0e21"))
        .stdout(predicate::str::contains("lacks it d3; at 1.0e22"));
    upturn()
        .args(["analyze", &table])
        .assert()
        .success()
        .stdout(predicate::str::contains("--section counterexamples"));
    upturn()
        .args(["analyze", &table, "--section", "nothing"])
        .assert()
        .failure()
        .stderr(predicate::str::contains("counterexamples, across"));
}
