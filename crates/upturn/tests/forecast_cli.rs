//! `upturn forecast` and `upturn plan` as a user meets them.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use predicates::prelude::*;
use serde_json::Value;

fn upturn() -> Command {
    let mut command = Command::cargo_bin("upturn").expect("built");
    command
        .env("NO_COLOR", "1")
        .env("COLUMNS", "160")
        .env("LANG", "C.UTF-8");
    command
}

fn file(dir: &Path, name: &str, text: impl AsRef<[u8]>) -> String {
    let path = dir.join(name);
    fs::write(&path, text).expect("writable");
    path.display().to_string()
}

const COLUMNS: &str =
    "family,model,params,tokens,flops,train_loss_nats,task,method,metric,value,n,chance,source\n";

/// Nine sizes, half a decade of compute apart, whose `task` follows `score`.
fn rows(family: &str, task: &str, metric: &str, n: &str, score: impl Fn(f64) -> f64) -> String {
    let mut text = String::new();
    for i in 0..9 {
        let x = 19.5 + 0.5 * f64::from(i);
        let params = 10f64.powf(0.5 * x - 1.2);
        let flops = 10f64.powf(x);
        let tokens = flops / 6.0 / params;
        let loss = 60.0 / params.powf(0.25) + 60.0 / tokens.powf(0.2) + 0.4;
        writeln!(
            text,
            "{family},{family}{i},{params:e},{tokens:e},{flops:e},{loss},{task},direct,{metric},{:.4},{n},0.25,here",
            score(x)
        )
        .expect("a string");
    }
    text
}

fn smooth(x: f64) -> f64 {
    0.25 + 0.75 / (1.0 + (-(1.2 * (x - 21.9))).exp())
}

fn table(dir: &Path) -> String {
    let jump = |x: f64| {
        if x < 22.2 {
            0.3 + 0.01 * (x - 19.5)
        } else {
            0.9
        }
    };
    let text = COLUMNS.to_owned()
        + &rows("A", "even", "acc", "2000", smooth)
        + &rows("A", "leap", "acc", "2000", jump);
    file(dir, "scores.csv", text)
}

fn json(args: &[&str]) -> Value {
    let out = upturn().args(args).assert().code(0);
    serde_json::from_slice(&out.get_output().stdout).expect("JSON on stdout")
}

#[test]
fn backtests_tell_an_even_rise_from_a_leap() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let table = table(dir.path());
    let all = json(&["forecast", &table, "--json"]);
    let verdict = |task: &str| {
        let curve = all
            .as_array()
            .expect("curves")
            .iter()
            .find(|c| c["key"]["task"] == task)
            .expect("the curve");
        let headline = curve["headline"].as_u64().expect("an index") as usize;
        curve["cutoffs"][headline]["verdict"]
            .as_str()
            .expect("a word")
            .to_owned()
    };
    assert_eq!(verdict("even"), "predictable");
    assert_eq!(verdict("leap"), "unpredictable");
    upturn().args(["forecast", &table]).assert().code(0).stdout(
        predicate::str::contains(
            "2 curves backtested at 8 cut-offs: 1 predictable, 1 unpredictable",
        )
        .and(predicate::str::contains("last value").or(predicate::str::contains("best MSE"))),
    );
}

#[test]
fn a_forecast_is_the_same_with_any_number_of_threads() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let table = table(dir.path());
    let with = |jobs: &str| {
        json(&[
            "forecast",
            &table,
            "--below",
            "3e21",
            "--at",
            "1e25",
            "--json",
            "--what-to-measure",
            "--jobs",
            jobs,
        ])
    };
    let one = with("1");
    assert_eq!(one, with("3"));
    let even = &one[0];
    let last = even["predictions"]
        .as_array()
        .expect("predictions")
        .last()
        .expect("one");
    assert_eq!(last["x"], 25.0);
    assert!(last["observed"].is_null());
    let quantiles: Vec<f64> = last["quantiles"]
        .as_array()
        .expect("quantiles")
        .iter()
        .filter_map(Value::as_f64)
        .collect();
    assert_eq!(quantiles.len(), 39);
    assert!(quantiles.windows(2).all(|w| w[0] <= w[1]));
    assert_eq!(even["designs"].as_array().expect("designs").len(), 12);
    assert_eq!(
        even["backtest"]["baselines"]
            .as_array()
            .expect("baselines")
            .len(),
        4
    );
}

#[test]
fn saved_forecasts_are_scored_unless_they_were_changed() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let whole = table(dir.path());
    let early: String = fs::read_to_string(&whole)
        .expect("the table")
        .lines()
        .filter(|line| !["A6,", "A7,", "A8,"].iter().any(|m| line.contains(m)))
        .fold(String::new(), |text, line| text + line + "\n");
    let early = file(dir.path(), "early.csv", early);
    let saved = dir.path().join("forecast.json").display().to_string();
    upturn()
        .args([
            "forecast",
            &early,
            "--at",
            "3.1622776602e22",
            "--at",
            "1e23",
            "--at",
        ])
        .args(["3.1622776602e23", "--save", &saved, "--date", "2025-03-31"])
        .assert()
        .code(0);
    let text = fs::read_to_string(&saved).expect("saved");
    assert!(text.contains("\"date\":\"2025-03-31\"") && text.contains("\"name\":\"early.csv\""));
    upturn()
        .args(["forecast", "score", &saved, &whole])
        .assert()
        .code(0)
        .stdout(
            predicate::str::contains("Forecast of 2025-03-31")
                .and(predicate::str::contains("Verdict: ")),
        );
    let scores = json(&["forecast", "score", &saved, &whole, "--json"]);
    let leap = scores
        .as_array()
        .expect("scores")
        .iter()
        .find(|s| s["key"]["task"] == "leap")
        .expect("the curve");
    assert_eq!(leap["verdict"], "unpredictable");
    assert_eq!(leap["n_missing"], 0);
    let changed = text.replacen("\"point\":0.", "\"point\":0.9", 1);
    assert_ne!(changed, text);
    let changed = file(dir.path(), "changed.json", changed);
    upturn()
        .args(["forecast", "score", &changed, &whole])
        .assert()
        .code(3)
        .stderr(predicate::str::contains("sha256 differs"));
}

#[test]
fn through_a_loss_and_from_other_benchmarks() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let table = table(dir.path());
    let steps = json(&[
        "forecast", &table, "--by", "two-step", "--below", "4e22", "--task", "even", "--json",
    ]);
    assert_eq!(
        steps[0]["predictions"]
            .as_array()
            .expect("predictions")
            .len(),
        2
    );
    assert!(
        steps[0]["loss_law"]
            .as_str()
            .expect("a law")
            .starts_with("L(")
    );

    let mut text = COLUMNS.to_owned();
    for family in ["A", "B"] {
        let shift = if family == "A" { 0.0 } else { 0.4 };
        text += &rows(family, "mmlu", "acc", "2000", |x| smooth(x - shift + 0.5));
        text += &rows(family, "hellaswag", "acc", "2000", |x| {
            smooth(x - shift + 1.5)
        });
        text += &rows(family, "even", "acc", "2000", |x| smooth(x - shift));
    }
    let many = file(dir.path(), "many.csv", text);
    let laws = json(&[
        "forecast",
        &many,
        "--by",
        "observational",
        "--below",
        "1.1e22",
        "--components",
        "2",
        "--json",
    ]);
    assert_eq!(laws.as_array().expect("forecasts").len(), 1);
    let error = |i: usize| laws[0]["laws"][i]["mse_train"].as_f64().expect("an error");
    // Two families on one curve of their abilities, but on two of compute.
    assert_eq!(laws[0]["laws"][2]["regressor"], "flops");
    assert!(error(0) < error(2), "{} {}", error(0), error(2));
}

#[test]
fn mistakes_are_named() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let table = table(dir.path());
    for (args, code, message) in [
        (
            vec!["--below", "nomodel-77Z"],
            2,
            "neither a number nor a model",
        ),
        (vec!["--below", "-3"], 2, "positive number"),
        (
            vec!["--below", "2e19", "--at", "1e25"],
            3,
            "a forecast needs 3",
        ),
        (vec!["--curve", "nothing*"], 2, "keeps none of the 2 curves"),
        (vec!["--save", "x.json"], 2, "--below"),
        (vec!["--by", "observational"], 2, "needs --below"),
        (vec!["--by", "two-step"], 2, "needs --below"),
        (vec!["--at", "1e24", "--date", "31.3.2025"], 2, "2025-03-31"),
    ] {
        upturn()
            .arg("forecast")
            .arg(&table)
            .args(&args)
            .assert()
            .code(code)
            .stderr(predicate::str::contains(message));
    }
    let broken = file(dir.path(), "broken.json", "{\"format_version\": 1}");
    upturn()
        .args(["forecast", "score", &broken, &table])
        .assert()
        .code(3)
        .stderr(predicate::str::contains("is no saved forecast"));
}

#[test]
fn forecasts_are_drawn() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let table = table(dir.path());
    let figure = dir.path().join("f.svg");
    upturn()
        .args(["forecast", &table, "--below", "3e21", "--figure"])
        .arg(&figure)
        .assert()
        .code(0);
    let svg = fs::read_to_string(&figure).expect("drawn");
    assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
    assert_eq!(svg.matches("<title>").count(), 3);
}

#[test]
fn plans_say_what_an_answer_costs() {
    let plan = json(&["plan", "quiz", "--chance", "0.25", "--n", "250", "--json"]);
    let number = |name: &str| plan[name].as_u64().expect("a number");
    assert!((874..960).contains(&number("n_to_certify_chance")));
    assert!(number("n_to_detect_paired") < number("n_to_detect"));
    assert!(plan["resolution"]["near_power"].as_f64().expect("a share") < 0.5);
    assert_eq!(plan["stopping"].as_array().expect("plans").len(), 3);
    upturn()
        .args(["plan", "quiz", "--chance", "0.25"])
        .assert()
        .code(0)
        .stdout(predicate::str::contains("Items needed for each model"));
    upturn()
        .args(["plan", "no such task"])
        .assert()
        .code(2)
        .stderr(predicate::str::contains("--chance"));
    upturn()
        .args(["plan", "quiz", "--chance", "0.25", "--effect", "0.01"])
        .assert()
        .code(2)
        .stderr(predicate::str::contains("above chance + margin"));
}
