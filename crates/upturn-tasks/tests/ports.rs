//! Helpers read without Python against what Python makes of them.
//!
//! `scripts/check_ports.py` runs `fixtures/ports/language.py` and writes what is expected.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use upturn_tasks::ports::{Helper, Plain};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ports")
}

fn find(name: &str) -> Result<Helper, String> {
    Helper::find(&folder().join("task.yaml"), name)
}

fn expected() -> Map<String, Value> {
    let text = std::fs::read_to_string(folder().join("language.json")).expect("language.json");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn what_python_gives_is_read() {
    let mut all = expected();
    let doc = all.remove("doc").expect("a doc");
    let doc = doc.as_object().expect("an object");
    assert_eq!(all.len(), 9);
    for (name, want) in all {
        let helper = find(&format!("language.{name}")).unwrap_or_else(|e| panic!("{name}: {e}"));
        let got = helper.of_doc(doc).unwrap_or_else(|e| panic!("{name}: {e}"));
        let (got, want) = (
            got.as_array().expect("a list"),
            want.as_array().expect("a list"),
        );
        assert_eq!(got.len(), want.len(), "{name}");
        for (i, (got, want)) in got.iter().zip(want).enumerate() {
            let (got_text, want_text) = (got.to_string(), want.to_string());
            assert_eq!(got_text, want_text, "{name}, value {i}");
        }
    }
}

#[test]
fn what_is_not_read_is_refused_by_name() {
    for (name, want) in [
        ("language.opens_a_file", "'with' is not read"),
        (
            "language.imports_the_system",
            "uses os.environ, which is not here",
        ),
        ("language.evaluates", "'eval' is not read"),
        ("language.makes_a_class", "class Filter is not read"),
        ("language.LETTERS", "is no function but list"),
        ("language.absent", "'absent' is not read"),
        ("nowhere.f", "nowhere.py is not there"),
        ("f", "names no module"),
    ] {
        let reason = find(name).expect_err(name);
        assert!(
            reason.contains(want) && !reason.contains('\n'),
            "{name}: {reason}"
        );
    }
}

#[test]
fn what_stops_a_helper_is_told_with_its_place() {
    let doc = json!({"n": 1});
    let doc = doc.as_object().expect("an object");
    for (name, want) in [
        (
            "loops_over_a_set",
            "a set, whose order is not defined; sort it",
        ),
        ("runs_for_ever", "takes too many steps"),
        ("calls_itself", "calls go deeper than"),
        ("raises", "raises KeyError: 'absent'"),
    ] {
        let helper = find(&format!("language.{name}")).expect(name);
        let reason = helper.of_doc(doc).expect_err(name);
        assert!(
            reason.contains(want) && reason.contains("language.py:") && !reason.contains('\n'),
            "{name}: {reason}"
        );
    }
}

#[test]
fn scores_are_joined() {
    let helper = find("language.metric").expect("read");
    let pair = |a: &str, b: &str| Plain::Tuple(vec![Plain::Str(a.into()), Plain::Str(b.into())]);
    let items = [
        pair("a", "a"),
        pair("a", "b"),
        pair("c", "c"),
        pair("d", "d"),
    ];
    assert_eq!(helper.aggregate(&items), Ok(0.75));
}
