//! A run that is killed at any moment goes on from where it was, and ends in the same bytes.

#![cfg(unix)]

#[allow(dead_code, reason = "each test file uses its part of what they share")]
mod eval_common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use eval_common::{all_bytes, pack, stderr, upturn};
use serde_json::Value;

/// Kills, each at another moment.
const N_KILLS: u64 = 50;

/// A stream of numbers below 1, from a seed (a multiplicative congruential generator).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A task of choices and one of answers, large enough to be killed in.
fn tasks(dir: &Path) {
    let (mut choices, mut answers) = (String::new(), String::new());
    for i in 0..260 {
        let (a, b) = (i % 17, i / 17);
        let _infallible = writeln!(
            choices,
            "{{\"question\": \"What is {a} plus {b}?\", \"choices\": [\"{}\", \"{}\", \"7\", \"30\"], \"answer\": 0}}",
            a + b,
            a + b + 1
        );
    }
    for i in 0..60 {
        let _infallible = writeln!(
            answers,
            "{{\"question\": \"What is {} plus {}?\", \"target\": \"{i}\"}}",
            i % 9,
            i / 9
        );
    }
    let head = |name: &str| {
        format!(
            "task: {name}\ndataset_path: json\ndataset_kwargs:\n  data_files:\n    test: {name}.jsonl\ntest_split: test\n"
        )
    };
    fs::write(dir.join("choices.jsonl"), choices).expect("written");
    fs::write(dir.join("answers.jsonl"), answers).expect("written");
    let choice = "output_type: multiple_choice\ndoc_to_text: \"Q: {{question}}\\nA:\"\ndoc_to_choice: \"{{choices}}\"\ndoc_to_target: \"{{answer}}\"\n";
    fs::write(dir.join("choices.yaml"), head("choices") + choice).expect("written");
    let answer = "output_type: generate_until\ndoc_to_text: \"Q: {{question}}\\nA:\"\ndoc_to_target: \" {{target}}\"\ngeneration_kwargs: {until: [\"Q:\"], do_sample: false, max_gen_toks: 24}\n";
    fs::write(dir.join("answers.yaml"), head("answers") + answer).expect("written");
}

fn command(dir: &Path, out: &Path) -> Command {
    let mut command = upturn(dir);
    command
        .args([
            "eval",
            "--tasks",
            "choices.yaml,answers.yaml",
            "--json",
            "--threads",
            "1",
        ])
        .args([
            "--train-tokens",
            "1000",
            "--bootstrap-iters",
            "100",
            "--model",
        ])
        .arg(pack().join("models/llama-24x1"))
        .arg("--out")
        .arg(out);
    command
}

fn start(dir: &Path, out: &Path) -> Child {
    command(dir, out)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts")
}

/// Whole lines of items in the journals of a run, and finished cells, by task.
fn finished(out: &Path) -> (BTreeMap<String, u64>, Vec<String>) {
    let mut journals = BTreeMap::new();
    let mut cells = Vec::new();
    for entry in fs::read_dir(out.join("cells/llama-24x1"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let path = entry.path();
        let task = path
            .file_stem()
            .map(|s| s.to_string_lossy().into_owned())
            .unwrap_or_default();
        match path.extension().and_then(|e| e.to_str()) {
            Some("journal") => {
                let bytes = fs::read(&path).expect("readable");
                let n_lines = bytes.iter().filter(|b| **b == b'\n').count() as u64;
                journals.insert(task, n_lines.saturating_sub(1));
            }
            Some("json") => cells.push(task),
            _ => {}
        }
    }
    (journals, cells)
}

#[test]
fn killed_anywhere_it_ends_in_the_same_bytes_and_repeats_no_finished_item() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let dir = dir.path();
    tasks(dir);
    let whole = dir.join("whole");
    #[expect(
        clippy::disallowed_methods,
        reason = "the moment of a kill is a share of this time"
    )]
    let clock = std::time::Instant::now();
    let done = command(dir, &whole).output().expect("runs");
    let full = clock.elapsed().as_secs_f64();
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    let wanted = all_bytes(&whole, &[]);

    let mut chance = Chance(20_261_124);
    let (mut n_killed, mut n_resumed_in_all) = (0, 0);
    for round in 0..N_KILLS {
        let out = dir.join(format!("out{round}"));
        let mut child = start(dir, &out);
        std::thread::sleep(Duration::from_secs_f64(full * chance.next()));
        child.kill().expect("killed");
        let status = child.wait().expect("ended");
        n_killed += u64::from(!status.success());
        let (journals, cells) = finished(&out);
        let again = command(dir, &out).output().expect("runs");
        assert_eq!(
            again.status.code(),
            Some(0),
            "round {round}: {}",
            stderr(&again)
        );
        let summary: Value = serde_json::from_slice(&again.stdout).expect("JSON");
        for cell in summary["models"][0]["cells"].as_array().expect("cells") {
            let task = cell["task"].as_str().expect("a task");
            if cells.iter().any(|c| c == task) {
                assert_eq!(cell["status"], "kept", "round {round}: {task}");
            } else {
                let journaled = journals.get(task).copied().unwrap_or(0);
                assert_eq!(cell["n_resumed"], journaled, "round {round}: {task}");
                n_resumed_in_all += journaled;
            }
        }
        let found = all_bytes(&out, &[]);
        assert_eq!(
            found.keys().collect::<Vec<_>>(),
            wanted.keys().collect::<Vec<_>>(),
            "round {round}"
        );
        for (name, bytes) in &found {
            assert!(
                wanted.get(name) == Some(bytes),
                "round {round}: {name} differs"
            );
        }
        fs::remove_dir_all(&out).expect("removed");
    }
    assert!(
        n_killed > N_KILLS / 2,
        "only {n_killed} of {N_KILLS} were killed in time"
    );
    assert!(
        n_resumed_in_all > 0,
        "no kill fell into a cell that had items"
    );
}

#[test]
fn control_c_keeps_what_is_finished_and_says_how_to_go_on() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let dir = dir.path();
    tasks(dir);
    let out = dir.join("out");
    let child = start(dir, &out);
    // Until the first items are in the journal.
    for _ in 0..2000 {
        if finished(&out).0.values().any(|n| *n > 0) {
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let pid = child.id().to_string();
    Command::new("kill")
        .args(["-INT", &pid])
        .status()
        .expect("kill runs");
    let stopped = child.wait_with_output().expect("ends");
    let text = stderr(&stopped);
    assert_eq!(stopped.status.code(), Some(130), "{text}");
    assert!(
        text.contains("stopped at llama-24x1") && text.contains("same command again"),
        "{text}"
    );
    let (journals, _) = finished(&out);
    assert!(journals.values().any(|n| *n > 0), "{journals:?}");
    let again = command(dir, &out).output().expect("runs");
    assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
    assert!(
        stderr(&again).contains("of them resumed"),
        "{}",
        stderr(&again)
    );
}
