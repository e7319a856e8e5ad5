//! A process that is killed in the middle of its work, and one that goes on from its journal.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use upturn_store::journal::Journal;

/// Names the journal that the child process writes.
const CHILD: &str = "UPTURN_TEST_JOURNAL";

fn response(item: u64) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "made up")]
    let logprob = -(item as f32) / 3.0;
    json!({"logprob": logprob, "text": "x".repeat(item as usize % 200)})
}

/// The child: appends without end, until it is killed.
#[test]
fn child_of_the_test_below() {
    let Some(path) = std::env::var_os(CHILD) else {
        return;
    };
    let (journal, found) = Journal::open(Path::new(&path), "cell").unwrap();
    for item in found.len() as u64.. {
        journal.append(item, &response(item)).unwrap();
        if item.is_multiple_of(50) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn a_killed_process_loses_nothing_that_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cell.journal");
    let mut n_before = 0;
    for round in 0..3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_of_the_test_below"])
            .env(CHILD, &path)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let size = || std::fs::metadata(&path).map_or(0, |m| m.len());
        let start = size();
        for _ in 0..2000 {
            if size() > start + 50_000 {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let written = size();
        assert!(written > start, "round {round}: the child wrote nothing");
        if round == 0 {
            let refused = Journal::open(&path, "cell").unwrap_err().to_string();
            assert!(refused.contains("another process"), "{refused}");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let (journal, found) = Journal::open(&path, "cell").unwrap();
        for (i, (item, value)) in found.iter().enumerate() {
            assert_eq!(*item, i as u64);
            assert_eq!(*value, response(*item));
        }
        assert!(found.len() > n_before, "round {round}");
        // Only the last line may have been torn.
        drop(journal);
        let kept = size();
        assert!(
            written <= kept + 1000,
            "{written} bytes written, {kept} kept"
        );
        n_before = found.len();
    }
}
