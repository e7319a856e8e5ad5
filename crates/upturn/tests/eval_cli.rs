//! `upturn eval` as a user meets it: scores of the harness, kept cells, sidecars, messages.

#[allow(dead_code, reason = "each test file uses its part of what they share")]
mod eval_common;

use std::fs;
use std::path::Path;
use std::process::Output;

use eval_common::{all_bytes, compare, pack, stderr, upturn};
use serde_json::Value;

const MODELS: [&str; 2] = ["gpt2-24x1", "llama-24x1"];

fn eval(dir: &Path, out: &Path, more: &[&str]) -> Output {
    upturn(dir)
        .args(["eval", "--tasks", "tasks", "--out"])
        .arg(out)
        .args(more)
        .output()
        .expect("runs")
}

fn summary(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", stderr(output)))
}

fn cells(summary: &Value) -> Vec<&Value> {
    let models = summary["models"].as_array().expect("models");
    models
        .iter()
        .flat_map(|m| m["cells"].as_array().expect("cells"))
        .collect()
}

#[test]
fn scores_equal_those_of_the_harness_and_feed_an_analysis() {
    let out = tempfile::tempdir().expect("temporary folder");
    let run = || {
        let parity = ["--parity", "lm-eval", "--lm-eval-output"];
        let models = ["--model", "models/*"];
        eval(&pack(), out.path(), &[&models[..], &parity[..]].concat())
    };
    let done = run();
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    let table = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(
        table.contains("acc_mutual_info ↑") && table.contains("up_choices (group)"),
        "{table}"
    );
    let equal = || {
        for model in MODELS {
            let ours = out.path().join("lm-eval").join(model);
            let compared = compare(&ours, &pack().join("results").join(model));
            assert_eq!(compared.problems, Vec::<String>::new());
            assert!(
                compared.n_metrics > 35 && compared.n_logprobs > 200,
                "{compared:?}"
            );
        }
    };
    equal();
    // What is there is not written again.
    let before = all_bytes(&out.path().join("lm-eval"), &[]);
    let kept = run();
    assert_eq!(all_bytes(&out.path().join("lm-eval"), &[]), before);
    let said = stderr(&kept);
    assert_eq!(said.matches("none were written again").count(), 1, "{said}");
    // From cells that are kept, the same files are made.
    fs::remove_dir_all(out.path().join("lm-eval")).expect("removed");
    let kept = run();
    assert!(
        stderr(&kept).contains("llama-24x1 up_arith_mc: kept"),
        "{}",
        stderr(&kept)
    );
    equal();

    // The harness's files lie beside the table and are not read twice.
    let analysis = upturn(out.path())
        .args(["analyze", ".", "--json"])
        .output()
        .expect("runs");
    assert_eq!(analysis.status.code(), Some(0), "{}", stderr(&analysis));
    let analysis: Value = serde_json::from_slice(&analysis.stdout).expect("JSON");
    let curves = analysis["curves"].as_array().expect("curves");
    let of = |family: &str, task: &str, metric: &str| {
        let found = curves.iter().filter(|c| {
            let key = &c["key"];
            key["family"] == family && key["task"] == task && key["metric"] == metric
        });
        found.count()
    };
    assert_eq!(of("gpt2", "up_ending", "acc"), 1);
    assert_eq!(of("llama", "up_choices", "acc"), 1);
}

#[test]
fn a_second_run_keeps_what_is_there_and_renews_what_is_said_of_the_model() {
    let out = tempfile::tempdir().expect("temporary folder");
    let model = ["--model", "models/gpt2-24x1", "--json"];
    let first = eval(&pack(), out.path(), &model);
    assert_eq!(first.status.code(), Some(0), "{}", stderr(&first));
    assert!(stderr(&first).contains("training tokens are not known for gpt2-24x1"));
    let before = all_bytes(out.path(), &[]);
    assert_eq!(
        before.len(),
        4 + 4 + 1 + 1 + 1 + 1,
        "cells, samples, a group, the table, the lock, whose cells they are"
    );

    let second = eval(&pack(), out.path(), &model);
    assert!(
        stderr(&second).contains("up_ending: kept, 10 items"),
        "{}",
        stderr(&second)
    );
    assert!(
        cells(&summary(&second))
            .iter()
            .all(|c| c["status"] == "kept")
    );
    assert_eq!(all_bytes(out.path(), &[]), before);

    let told = eval(
        &pack(),
        out.path(),
        &[
            "--model",
            "models/gpt2-24x1",
            "--json",
            "--train-tokens",
            "gpt2-24x1=245760",
        ],
    );
    assert!(!stderr(&told).contains("training tokens are not known"));
    assert!(cells(&summary(&told)).iter().all(|c| c["status"] == "kept"));
    let cell =
        fs::read_to_string(out.path().join("cells/gpt2-24x1/up_ending.json")).expect("a cell");
    let cell: Value = serde_json::from_str(&cell).expect("JSON");
    assert_eq!(cell["rows"][0]["tokens"], 245_760.0);
    assert_eq!(cell["rows"][0]["flops_kind"], "derived");

    // Another setting is another cell.
    let other = eval(
        &pack(),
        out.path(),
        &["--model", "models/gpt2-24x1", "--json", "--limit", "3"],
    );
    let other = summary(&other);
    assert!(
        cells(&other)
            .iter()
            .all(|c| c["status"] == "done" && c["n_items"] == 3)
    );
}

#[test]
fn results_do_not_depend_on_threads_memory_or_company() {
    let (one, two) = (
        tempfile::tempdir().expect("folder"),
        tempfile::tempdir().expect("folder"),
    );
    let model = ["--model", "models/llama-24x1"];
    let small = ["--threads", "1", "--batch-rows", "7", "--kv-memory", "4MiB"];
    let first = eval(&pack(), one.path(), &[&model[..], &small[..]].concat());
    assert_eq!(first.status.code(), Some(0), "{}", stderr(&first));
    let second = eval(
        &pack(),
        two.path(),
        &[&model[..], &["--threads", "3"]].concat(),
    );
    assert_eq!(second.status.code(), Some(0), "{}", stderr(&second));
    assert_eq!(all_bytes(one.path(), &[]), all_bytes(two.path(), &[]));
}

#[test]
fn a_sidecar_says_who_a_model_is() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let model = dir.path().join("m");
    fs::create_dir(&model).expect("folder");
    for file in fs::read_dir(pack().join("models/gpt2-24x1"))
        .expect("fixture")
        .flatten()
    {
        fs::copy(file.path(), model.join(file.file_name())).expect("copied");
    }
    let run = |out: &str| {
        upturn(&pack())
            .args([
                "eval",
                "--tasks",
                "tasks/up_ending.yaml",
                "--json",
                "--model",
            ])
            .arg(&model)
            .arg("--out")
            .arg(dir.path().join(out))
            .output()
            .expect("runs")
    };
    let sidecar = "family = \"Tiny\"\nmodel = \"tiny-1\"\ntokens = 1e6\ntrain_loss_nats = 3.5\n";
    fs::write(model.join("upturn.toml"), sidecar).expect("written");
    let found = summary(&run("out"));
    let found = &found["models"][0];
    assert_eq!(
        (&found["family"], &found["model"], &found["tokens"]),
        (&"Tiny".into(), &"tiny-1".into(), &1e6.into())
    );
    assert!(
        found["params"].as_f64().is_some_and(|n| n > 30_000.0),
        "counted"
    );

    fs::write(model.join("upturn.toml"), "tokns = 5\n").expect("written");
    let refused = run("other");
    assert_eq!(refused.status.code(), Some(3));
    let line = stderr(&refused);
    assert!(line.contains("upturn.toml: unknown key 'tokns'"), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
}

#[test]
fn what_is_wrong_on_the_command_line_is_said_before_anything_runs() {
    let out = tempfile::tempdir().expect("temporary folder");
    let out = out.path().join("out");
    for (args, want) in [
        (
            vec!["--train-tokens", "nobody=5"],
            "names the model 'nobody'",
        ),
        (
            vec!["--parity", "lm-eval", "--fewshot", "fixed"],
            "cannot be used with",
        ),
        (
            vec!["--kv-memory", "lots"],
            "is no size; expected a number of bytes",
        ),
        (
            vec!["--kv-memory", "99999999TiB"],
            "is more than any machine has (8 EiB); expected a number of bytes",
        ),
        (
            vec!["--gen-kwargs", "temperature=hot"],
            "temperature is not a number, but hot",
        ),
        (
            vec!["--gen-kwargs", "until=[\"x\""],
            "until: the [ in its value has no end",
        ),
        (
            vec!["--gen-kwargs", "{\"max_gen_toks\": 0}"],
            "--gen-kwargs: max_gen_toks is 0",
        ),
        (
            vec!["--gen-kwargs", "do_sample=true", "temperature=0"],
            "--gen-kwargs: do_sample with temperature 0",
        ),
        (
            vec!["--revision", "step1000"],
            "a folder has none: models/gpt2-24x1; leave --revision",
        ),
        (vec!["--limit", "0"], "from 1"),
        (vec!["--fewshot-as-multiturn"], "--apply-chat-template"),
        (vec!["--include-path", "no-such-folder"], "no-such-folder"),
    ] {
        let failed = eval(
            &pack(),
            &out,
            &[&["--model", "models/gpt2-24x1"][..], &args].concat(),
        );
        assert_eq!(
            failed.status.code(),
            Some(2),
            "{args:?}: {}",
            stderr(&failed)
        );
        assert!(
            stderr(&failed).contains(want),
            "{args:?}: {}",
            stderr(&failed)
        );
        assert!(!out.exists());
    }
}

/// A copy of a model of the pack.
fn copy_model(name: &str, to: &Path) {
    fs::create_dir_all(to).expect("folder");
    let files = fs::read_dir(pack().join("models").join(name)).expect("fixture");
    for file in files.flatten() {
        fs::copy(file.path(), to.join(file.file_name())).expect("copied");
    }
}

#[test]
fn another_model_of_the_same_name_keeps_results_of_its_own() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let (a, b) = (dir.path().join("a/model"), dir.path().join("b/model"));
    copy_model("gpt2-24x1", &a);
    copy_model("llama-24x1", &b);
    let out = dir.path().join("out");
    let run = |models: &[&Path]| {
        let done = upturn(&pack())
            .args(["eval", "--tasks", "tasks/up_ending.yaml", "--json"])
            .args(["--lm-eval-output", "--model"])
            .args(models)
            .arg("--out")
            .arg(&out)
            .output()
            .expect("runs");
        assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
        let names: Vec<(String, String)> = cells(&summary(&done))
            .iter()
            .map(|c| {
                let word = |key: &str| c[key].as_str().expect("text").to_owned();
                (word("model"), word("status"))
            })
            .collect();
        (names, stderr(&done))
    };
    let of = |all: &[(&str, &str)]| -> Vec<(String, String)> {
        all.iter()
            .map(|(model, status)| ((*model).to_owned(), (*status).to_owned()))
            .collect()
    };
    assert_eq!(run(&[&a]).0, of(&[("model", "done")]));
    let first = all_bytes(&out.join("cells/model"), &[]);
    let (names, said) = run(&[&b]);
    assert_eq!(names, of(&[("b/model", "done")]));
    assert!(
        said.contains("holds another model called 'model'"),
        "{said}"
    );
    assert_eq!(all_bytes(&out.join("cells/model"), &[]), first);
    for kind in ["cells", "samples", "lm-eval"] {
        for name in ["model", "b__model"] {
            assert!(out.join(kind).join(name).is_dir(), "{kind}/{name}");
        }
    }
    // Each finds its own again, alone or in company, and nothing changes.
    let before = all_bytes(&out, &[]);
    assert_eq!(run(&[&b]).0, of(&[("b/model", "kept")]));
    assert_eq!(run(&[&a]).0, of(&[("model", "kept")]));
    let both = of(&[("model", "kept"), ("b/model", "kept")]);
    assert_eq!(run(&[&a, &b]).0, both);
    assert_eq!(all_bytes(&out, &[]), before);

    // They are two points of the table.
    let analysis = upturn(&out)
        .args(["analyze", ".", "--json"])
        .output()
        .expect("runs");
    assert_eq!(analysis.status.code(), Some(0), "{}", stderr(&analysis));

    // Other weights in the same folder are another model too, and none is lost.
    fs::remove_dir_all(&a).expect("removed");
    copy_model("llama-24x1", &a);
    let config = fs::read_to_string(a.join("config.json")).expect("a configuration");
    fs::write(a.join("config.json"), format!("{config}\n")).expect("written");
    assert_eq!(run(&[&a]).0, of(&[("a/model", "done")]));
    assert_eq!(all_bytes(&out.join("cells/model"), &[]), first);
}

#[test]
#[cfg(target_arch = "x86_64")]
fn results_in_bfloat16_are_kept_apart() {
    let out = tempfile::tempdir().expect("temporary folder");
    let model = ["--model", "models/gpt2-24x1", "--json"];
    let done = eval(&pack(), out.path(), &model);
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    let before = all_bytes(&out.path().join("cells/gpt2-24x1"), &[]);
    let other = eval(
        &pack(),
        out.path(),
        &[&model[..], &["--dtype", "bfloat16"]].concat(),
    );
    if std::is_x86_feature_detected!("avx512bf16") {
        assert_eq!(other.status.code(), Some(0), "{}", stderr(&other));
        let found = &summary(&other)["models"][0];
        assert_eq!(found["model"], "gpt2-24x1@bf16");
        assert_eq!(found["family"], "gpt2");
        assert!(out.path().join("cells/gpt2-24x1@bf16").is_dir());
    } else {
        assert_eq!(other.status.code(), Some(3), "{}", stderr(&other));
    }
    assert_eq!(all_bytes(&out.path().join("cells/gpt2-24x1"), &[]), before);
}

#[test]
fn a_model_with_nothing_but_refusals_is_a_document_all_the_same() {
    let out = tempfile::tempdir().expect("temporary folder");
    let run = |more: &[&str]| {
        let output = eval(&pack(), &out.path().join("out"), more);
        assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
        let refused = summary(&output)["refused"].clone();
        assert_eq!(refused.as_array().map(Vec::len), Some(1), "{refused}");
        refused[0].as_str().expect("text").to_owned()
    };
    let lost = ["--model", "models/gpt2-24x2", "--json"];
    let wanted = "no such folder: models/gpt2-24x2; did you mean models/gpt2-24x1? ";
    assert!(run(&lost).starts_with(wanted), "{}", run(&lost));
    let empty = tempfile::tempdir().expect("temporary folder");
    let empty = empty.path().display().to_string();
    for more in [&["--json"][..], &["--json", "--dry-run"]] {
        let line = run(&[&["--model", &empty][..], more].concat());
        assert!(line.contains("config.json"), "{line}");
    }
}

#[test]
fn settings_of_generation_are_read_as_the_harness_reads_them() {
    let out = tempfile::tempdir().expect("temporary folder");
    let run = |name: &str, more: &[&str]| {
        let done = upturn(&pack())
            .args(["eval", "--tasks", "tasks/up_rewrite.yaml", "--json"])
            .args([
                "--model",
                "models/gpt2-24x1",
                "--limit",
                "2",
                "--lm-eval-output",
            ])
            .arg("--out")
            .arg(out.path().join(name))
            .args(more)
            .output()
            .expect("runs");
        assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
        let key = cells(&summary(&done))[0]["key"].clone();
        (key, stderr(&done))
    };
    let list = run(
        "list",
        &["--gen-kwargs", r#"until=["\n","."],max_gen_toks=3"#],
    );
    let several = run(
        "several",
        &["--gen-kwargs", "max_gen_toks=3", r#"until=["\n","."]"#],
    );
    let json = run(
        "json",
        &[
            "--gen-kwargs",
            r#"{"max_gen_toks": 3, "until": ["\n", "."]}"#,
        ],
    );
    let other = run("other", &["--gen-kwargs", r#"until=["\n"],max_gen_toks=3"#]);
    assert_eq!(list.0, several.0);
    assert_eq!(list.0, json.0);
    assert_ne!(list.0, other.0);

    let warm = ["--gen-kwargs", "temperature=0.7,num_beams=2"];
    let said = run("warm", &warm).1;
    assert_eq!(
        said.matches("temperature 0.7 has no effect").count(),
        1,
        "{said}"
    );
    assert_eq!(said.matches("num_beams").count(), 1, "{said}");
    let parity = run("parity", &[&warm[..], &["--parity", "lm-eval"]].concat()).1;
    assert!(!parity.contains("temperature 0.7"), "{parity}");
}

#[test]
fn task_files_are_checked() {
    let dir = tempfile::tempdir().expect("temporary folder");
    fs::copy(
        pack().join("tasks/up_ending.yaml"),
        dir.path().join("a.yaml"),
    )
    .expect("copied");
    let check = |more: &[&str]| {
        upturn(dir.path())
            .args(["tasks", "check", "."])
            .args(more)
            .output()
            .expect("runs")
    };
    let sound = check(&[]);
    assert_eq!(sound.status.code(), Some(0), "{}", stderr(&sound));
    assert!(String::from_utf8_lossy(&sound.stdout).contains("100.0% of tasks"));

    fs::write(
        dir.path().join("b.yaml"),
        "task: b\nprocess_docs: !function utils.f\n",
    )
    .expect("written");
    fs::write(dir.path().join("c.yaml"), "include: c.yaml\n").expect("written");
    let mixed = check(&["--all", "--json"]);
    assert_eq!(mixed.status.code(), Some(4));
    let mixed: Value = serde_json::from_slice(&mixed.stdout).expect("JSON");
    assert_eq!(
        (&mixed["runs"], &mixed["needs_python"], &mixed["refused"]),
        (&1.into(), &1.into(), &1.into())
    );
    let why = mixed["listed"][1]["why"].as_str().unwrap_or_default();
    assert!(
        why.starts_with("process_docs: utils.f (") && why.contains("utils.py is not there"),
        "{why}"
    );
    fs::write(dir.path().join("d.yaml"), "group: d\ntask: [lost]\n").expect("written");
    fs::write(dir.path().join("e.yaml"), "group: e\ntask: [e]\n").expect("written");
    let groups = check(&[]);
    let text = String::from_utf8_lossy(&groups.stdout).into_owned();
    assert!(
        text.contains("d.yaml:2: group 'd' names 'lost', which is no task"),
        "{text}"
    );
    assert!(
        text.contains("e.yaml:2: the group goes round in a circle: e -> e"),
        "{text}"
    );
    let nothing = upturn(dir.path())
        .args(["tasks", "check", "no-such"])
        .output()
        .expect("runs");
    assert_eq!(nothing.status.code(), Some(3));
}

#[test]
#[cfg_attr(debug_assertions, ignore = "a time of the optimised program")]
fn help_is_instant() {
    #[expect(clippy::disallowed_methods, reason = "the time is what is tested")]
    let time = || {
        let start = std::time::Instant::now();
        upturn(Path::new(".")).arg("--help").output().expect("runs");
        start.elapsed().as_secs_f64()
    };
    // The best of many: a busy machine slows some of them down.
    let best = (0..30).map(|_| time()).fold(f64::INFINITY, f64::min);
    assert!(best < 0.020, "{best} s");
}
