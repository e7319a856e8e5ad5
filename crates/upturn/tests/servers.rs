//! A model served and asked over HTTP gives the scores that it gives on disk.
#![cfg(all(feature = "remote", feature = "server"))]

#[allow(dead_code, reason = "each test file uses its part of what they share")]
mod eval_common;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use eval_common::{pack, stderr, upturn};
use serde_json::Value;

/// A server that ends with the test.
struct Served {
    child: Child,
    url: String,
}

impl Served {
    fn start(model: &str) -> Served {
        let mut child = upturn(&pack())
            .args(["serve-model", &format!("models/{model}"), "--port", "0"])
            .args(["--served-model-name", model])
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let url = lines
            .map_while(Result::ok)
            .find_map(|line| Some(line.split_once(" at ")?.1.split_once("/v1")?.0.to_owned()));
        Served {
            child,
            url: url.expect("an address"),
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// Scores of every cell: by task and metric.
fn scores(out: &Path, model: &str) -> BTreeMap<String, Value> {
    let folder = out.join("cells").join(model);
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(&folder).expect("cells").flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|e| e == "json") {
            let cell: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            all.insert(name, cell["scores"].clone());
        }
    }
    all
}

fn eval(words: &[&str], out: &Path) -> std::process::Output {
    upturn(&pack())
        .args([
            "eval",
            "--tasks",
            "tasks",
            "--parity",
            "lm-eval",
            "--bootstrap-iters",
            "0",
            "--out",
        ])
        .arg(out)
        .args(words)
        .output()
        .expect("runs")
}

#[test]
fn scores_over_http_are_those_on_disk() {
    let model = "gpt2-24x1";
    let dir = tempfile::tempdir().unwrap();
    let out = |name: &str| dir.path().join(name);
    let local = eval(&["--model", &format!("models/{model}")], &out("local"));
    assert!(local.status.success(), "{}", stderr(&local));
    let want = scores(&out("local"), model);
    assert!(want.len() > 2, "{want:?}");
    let server = Served::start(model);
    let asked = format!("openai:{model}");
    let over = ["--model", &asked, "--base-url", &server.url];
    let ids = eval(&[&over[..], &["--send", "ids"]].concat(), &out("ids"));
    assert!(ids.status.success(), "{}", stderr(&ids));
    assert_eq!(scores(&out("ids"), model), want);
    let text = eval(
        &[&over[..], &["--send", "text", "--prefix", "<|endoftext|>"]].concat(),
        &out("text"),
    );
    assert!(text.status.success(), "{}", stderr(&text));
    assert_eq!(scores(&out("text"), model), want);
    // Done again in another folder with the same answers: nothing is asked but the first questions.
    let answers = out("ids").join("answers.sqlite");
    let again = eval(
        &[
            &over[..],
            &["--send", "ids", "--answers", answers.to_str().unwrap()],
        ]
        .concat(),
        &out("again"),
    );
    assert_eq!(scores(&out("again"), model), want);
    assert!(
        stderr(&again).contains(": 2 answers from the server"),
        "{}",
        stderr(&again)
    );
}

#[test]
fn what_a_server_cannot_give_is_said_before_the_run() {
    let server = Served::start("gpt2-24x1");
    let dir = tempfile::tempdir().unwrap();
    let over = |model: &str, words: &[&str]| {
        let mut all = vec!["--model", model, "--base-url", &server.url];
        all.extend(words);
        let done = eval(&all, &dir.path().join("out"));
        assert_eq!(done.status.code(), Some(3), "{}", stderr(&done));
        stderr(&done)
    };
    let line = over("openai:gpt2-24x1", &["--api", "chat"]);
    assert!(
        line.contains("chat interface gives no log-probabilities"),
        "{line}"
    );
    let line = over("openai:gpt3", &[]);
    assert!(line.contains("no model 'gpt3'; it has gpt2-24x1"), "{line}");
    let line = over("openai:gpt2-24x1", &["--max-cost", "1"]);
    assert!(line.contains("--price-in"), "{line}");
    let line = over("openai:gpt2-24x1", &["--token-limit", "4"]);
    assert!(line.contains("--token-limit"), "{line}");
    let line = over("openai:gpt2-24x1", &["--api-key-env", "UPTURN_NO_SUCH_KEY"]);
    assert!(line.contains("UPTURN_NO_SUCH_KEY"), "{line}");
}
