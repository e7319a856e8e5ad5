//! Requests and hashes against what lm-evaluation-harness 0.4.13 logged for the reference tasks.

mod json_lines;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use json_lines::JsonLines;
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use upturn_tasks::config::TaskConfig;
use upturn_tasks::fewshot::FewshotMode;
use upturn_tasks::raw::Loader;
use upturn_tasks::task::{
    BuildOptions, DocSelection, Gold, Item, ItemRequests, Task, logged_arguments,
};

const TASKS: [&str; 8] = [
    "up_arith_mc",
    "up_cloze",
    "up_ending",
    "up_mmlu_capitals",
    "up_mmlu_spelling",
    "up_pages",
    "up_rewrite",
    "up_unscramble",
];

fn main() {
    let args = Arguments::from_args();
    let reference = reference();
    let ignored = reference.is_none();
    let folder = reference.unwrap_or_default();
    let mut trials = Vec::new();
    for task in TASKS {
        let folder = folder.clone();
        let kind = if ignored {
            "the shared folder is absent"
        } else {
            ""
        };
        let trial = Trial::test(
            format!("{task} is built as lm-evaluation-harness builds it"),
            move || compare(&folder, task),
        );
        trials.push(trial.with_ignored_flag(ignored).with_kind(kind));
    }
    libtest_mimic::run(&args, trials).exit();
}

fn reference() -> Option<PathBuf> {
    let shared = std::env::var_os("UPTURN_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let folder = shared.join("reference");
    folder.join("results").is_dir().then_some(folder)
}

fn load(folder: &Path, name: &str) -> Result<Task, Failed> {
    let raw = Loader::default().load(&folder.join(format!("tasks/{name}.yaml")))?;
    let config = Arc::new(TaskConfig::from_raw(&raw)?);
    Ok(Task::load(config, &JsonLines, None)?)
}

fn parity() -> BuildOptions<'static> {
    BuildOptions {
        mode: FewshotMode::Parity,
        seed: 1234,
        ..BuildOptions::default()
    }
}

fn compare(folder: &Path, name: &str) -> Result<(), Failed> {
    let task = load(folder, name)?;
    let items = task.build(&parity())?;
    let mut files = 0;
    let mut models: Vec<_> =
        std::fs::read_dir(folder.join("results"))?.collect::<Result<_, _>>()?;
    models.sort_by_key(std::fs::DirEntry::file_name);
    for model in models {
        let text = std::fs::read_to_string(model.path().join(format!("samples_{name}.jsonl")))?;
        let rows: Vec<Value> = text
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()?;
        if rows.len() != items.len() {
            return Err(format!("{} rows, {} items", rows.len(), items.len()).into());
        }
        for (item, row) in items.iter().zip(&rows) {
            compare_item(item, row, &task)
                .map_err(|e| format!("{name} item {}: {e}", item.doc_id))?;
        }
        files += 1;
    }
    if files == 0 {
        return Err("no results to compare with".into());
    }
    // Cut in parts, the same items come out.
    let cut = items.len() / 3;
    let mut parts = task.build(&BuildOptions {
        docs: DocSelection::Range(0, cut),
        ..parity()
    })?;
    parts.extend(task.build(&BuildOptions {
        docs: DocSelection::Range(cut, usize::MAX),
        ..parity()
    })?);
    if parts != items {
        return Err("a run in two parts differs from one".into());
    }
    shared_contexts(&items)
}

fn compare_item(item: &Item, row: &Value, task: &Task) -> Result<(), String> {
    let check = |what: &str, got: &Value, want: &Value| {
        if got == want {
            Ok(())
        } else {
            Err(format!("{what}\n  got  {got}\n  want {want}"))
        }
    };
    check("doc_id", &Value::from(item.doc_id), &row["doc_id"])?;
    let arguments = row["arguments"].as_object().ok_or("no arguments")?;
    let want: Vec<Vec<Value>> = arguments
        .values()
        .map(|a| {
            a.as_object()
                .into_iter()
                .flat_map(|m| m.values().cloned())
                .collect()
        })
        .collect();
    let got = logged_arguments(item, &task.config.generation_kwargs);
    if got != want {
        return Err(format!("arguments\n  got  {got:?}\n  want {want:?}"));
    }
    check("target", &Value::from(&*item.target_text), &row["target"])?;
    check("doc_hash", &Value::from(&*item.doc_hash), &row["doc_hash"])?;
    check(
        "prompt_hash",
        &Value::from(&*item.prompt_hash),
        &row["prompt_hash"],
    )?;
    check(
        "target_hash",
        &Value::from(&*item.target_hash),
        &row["target_hash"],
    )?;
    if let ItemRequests::Choices { conditional, .. } = &item.requests {
        let Gold::One(Some(gold)) = item.gold else {
            return Err("no gold".into());
        };
        check("gold", &Value::from(gold.to_string()), &row["target"])?;
        let best = (0..conditional.len())
            .map(|i| {
                row["filtered_resps"][i][0]
                    .as_str()
                    .and_then(|s| s.parse().ok())
                    .unwrap_or(f64::NAN)
            })
            .enumerate()
            .fold((0, f64::NEG_INFINITY), |best, (i, l)| {
                if l > best.1 { (i, l) } else { best }
            });
        let acc = f64::from(u8::from(best.0 == gold));
        check("acc", &Value::from(acc), &row["acc"])?;
    }
    Ok(())
}

/// The choices of an item share their prompt, not copies of it.
fn shared_contexts(items: &[Item]) -> Result<(), Failed> {
    for item in items {
        if let ItemRequests::Choices { conditional, .. } = &item.requests
            && !conditional
                .iter()
                .all(|r| Arc::ptr_eq(&r.context, &item.prompt))
        {
            return Err("the choices of an item have prompts of their own".into());
        }
    }
    Ok(())
}
