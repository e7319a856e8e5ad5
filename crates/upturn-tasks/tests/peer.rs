//! Prompts against what lm-evaluation-harness 0.4.13 builds for the tasks in `peer/`,
//! plain and through a chat template. `peer/make_peer.py` writes what is expected.

mod json_lines;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use json_lines::JsonLines;
use serde_json::Value;
use upturn_tasks::fewshot::FewshotMode;
use upturn_tasks::library::Library;
use upturn_tasks::prompt::Chat;
use upturn_tasks::task::{BuildOptions, Gold, Item, ItemRequests, Task, logged_arguments};
use upturn_types::ChatMessage;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peer")
}

fn load(name: &str) -> Task {
    let library = Library::open(&[folder()]).expect("indexed");
    let selection = library.select(&[name]).expect("chosen");
    Task::load(selection.tasks()[0].clone(), &JsonLines, None).expect("loaded")
}

/// The chat template of `make_peer.py`.
fn chat(messages: &[ChatMessage], open: bool) -> Result<String, String> {
    let turns: String = messages
        .iter()
        .map(|m| format!("<{0}>{1}</{0}>", m.role, m.content))
        .collect();
    Ok(turns + if open { "<assistant>" } else { "" })
}

fn options(way: &str) -> BuildOptions<'static> {
    let chat = |fewshot_as_multiturn| {
        Some(Chat {
            template: &chat,
            fewshot_as_multiturn,
        })
    };
    let parity = BuildOptions {
        mode: FewshotMode::Parity,
        seed: 1234,
        ..BuildOptions::default()
    };
    match way {
        "plain" => parity,
        "system" => BuildOptions {
            system_instruction: Some("Be brief."),
            ..parity
        },
        "chat" => BuildOptions {
            chat: chat(false),
            ..parity
        },
        "chat_turns" => BuildOptions {
            chat: chat(true),
            ..parity
        },
        "chat_system" => BuildOptions {
            chat: chat(true),
            system_instruction: Some("Be brief. "),
            ..parity
        },
        other => panic!("unknown way {other}"),
    }
}

#[test]
fn every_task_asks_what_the_peer_asks() {
    let text = std::fs::read_to_string(folder().join("expected.json")).expect("expected.json");
    let expected: Value = serde_json::from_str(&text).expect("JSON");
    let tasks = expected.as_object().expect("a map of tasks");
    assert_eq!(tasks.len(), 8);
    let mut compared = 0;
    for (name, ways) in tasks {
        let task = load(name);
        for (way, docs) in ways.as_object().expect("a map of ways") {
            let items = task.build(&options(way)).expect("built");
            let docs = docs.as_array().expect("a list");
            assert_eq!(items.len(), docs.len(), "{name} {way}");
            for (item, want) in items.iter().zip(docs) {
                let got: Value = logged_arguments(item, &task.config.generation_kwargs)
                    .into_iter()
                    .collect();
                assert_eq!(got, want["arguments"], "{name} {way} item {}", item.doc_id);
                assert_eq!(
                    item.target, want["target"],
                    "{name} {way} item {}",
                    item.doc_id
                );
                for (key, hash) in [
                    ("doc_hash", &item.doc_hash),
                    ("prompt_hash", &item.prompt_hash),
                    ("target_hash", &item.target_hash),
                ] {
                    assert_eq!(
                        want[key], **hash,
                        "{name} {way} item {}: {key}",
                        item.doc_id
                    );
                }
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 8 * 5 * 5);
}

fn build(name: &str) -> Vec<Item> {
    load(name).build(&BuildOptions::default()).expect("built")
}

#[test]
fn the_right_answer_is_found() {
    // One prompt per choice: doc_to_text is the index.
    let golds: Vec<Gold> = build("two_inputs").into_iter().map(|i| i.gold).collect();
    assert_eq!(golds, [0, 1, 0, 1, 0].map(|g| Gold::One(Some(g))));
    // A letter is found among the choices.
    let golds: Vec<Gold> = build("letters_first").into_iter().map(|i| i.gold).collect();
    assert_eq!(golds, [0, 1, 2, 3, 0].map(|g| Gold::One(Some(g))));
    let item = &load("many_targets")
        .build(&options("plain"))
        .expect("built")[0];
    assert_eq!(
        (
            item.references.iter().map(|r| &**r).collect::<Vec<_>>(),
            &item.gold
        ),
        (vec!["0", "0.0"], &Gold::Absent)
    );
    let item = &build("chosen_word")[1];
    assert_eq!(item.references, [Arc::from("second")]);
    let ItemRequests::Generate(requests) = &item.requests else {
        panic!("not generation")
    };
    assert_eq!(requests.len(), 2);
    assert_ne!(requests[0].seed, requests[1].seed);
}

#[test]
fn our_own_draws_never_show_the_item_its_answer() {
    for item in &build("last_word") {
        let text = item.doc["question"]
            .as_str()
            .expect("text")
            .trim()
            .to_string();
        let shown = item.prompt.matches(&text).count();
        assert!(
            shown <= 1,
            "item {} stands among its own examples",
            item.doc_id
        );
    }
}

#[test]
fn a_null_is_written_in_parity_alone() {
    let task = load("many_targets");
    assert!(task.build(&options("plain")).is_ok());
    let refused = task.build(&BuildOptions::default()).expect_err("refused");
    let line = refused.to_string();
    assert!(
        line.contains("'nothing' is missing (null)") && line.contains("item 0"),
        "{line}"
    );
}
