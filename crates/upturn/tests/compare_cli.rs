//! `upturn compare` as a user meets it: answers and likelihoods of the evaluation, one table.

#[allow(dead_code, reason = "each test file uses its part of what they share")]
mod eval_common;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use eval_common::{pack, stderr, upturn};
use serde_json::Value;
use upturn_engine::{Model, ModelOptions};
use upturn_types::{Flow, LanguageModel, LoglikelihoodRequest};

const MODELS: [&str; 2] = ["gpt2-24x1", "llama-24x1"];
const BRIDGE: &str = "The ancient bridge";
/// What docs/compare.md shows.
const EXAMPLE: [&str; 10] = [
    BRIDGE,
    "--target",
    ".",
    "--target",
    "\\n",
    "--escape",
    "--max-new-tokens",
    "8",
    "--train-tokens",
    "245760",
];

fn compare(models: &str, args: &[&str]) -> Output {
    upturn(&pack())
        .env("COLUMNS", "100")
        .args(["compare", "--models", models])
        .args(args)
        .output()
        .expect("runs")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", stderr(output)))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn found(models: &str, args: &[&str]) -> Value {
    let output = compare(models, &[args, &["--json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    json(&output)
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// One line, and nothing on stdout.
fn refused(output: &Output, code: i32, want: &str) {
    let line = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{line}");
    assert!(line.contains(want), "{line}");
    assert!(
        line.lines().count() == 1 && output.stdout.is_empty(),
        "{line}"
    );
}

fn copy_model(from: &str, to: &Path, sidecar: &str) {
    fs::create_dir_all(to).expect("folder");
    for file in fs::read_dir(pack().join("models").join(from))
        .expect("fixture")
        .flatten()
    {
        fs::copy(file.path(), to.join(file.file_name())).expect("copied");
    }
    fs::write(to.join("upturn.toml"), sidecar).expect("written");
}

/// Requests and responses that `upturn eval` logs of a task, by model.
fn evaluated(tasks: &str) -> Vec<(String, Vec<Value>)> {
    let out = tempfile::tempdir().expect("folder");
    let done = upturn(&pack())
        .args(["eval", "--model", "models/*", "--lm-eval-output", "--tasks"])
        .arg(format!("tasks/{tasks}.yaml"))
        .arg("--out")
        .arg(out.path())
        .output()
        .expect("runs");
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    let logged = |model: &str| {
        let folder = out.path().join("lm-eval").join(model);
        let file = fs::read_dir(folder)
            .expect("results")
            .flatten()
            .map(|e| e.path())
            .find(|p| p.extension().is_some_and(|e| e == "jsonl"))
            .expect("samples");
        let text = fs::read_to_string(file).expect("readable");
        let lines = text.lines().map(|l| serde_json::from_str(l).expect("JSON"));
        (model.to_owned(), lines.collect())
    };
    MODELS.iter().map(|m| logged(m)).collect()
}

fn result<'v>(document: &'v Value, prompt: usize, model: &str) -> &'v Value {
    list(&document["prompts"][prompt]["results"])
        .iter()
        .find(|r| r["model"] == model)
        .expect("the model's result")
}

#[test]
fn answers_are_those_of_the_evaluation() {
    let evaluated = evaluated("up_rewrite");
    let prompts: Vec<&str> = (evaluated[0].1.iter())
        .map(|s| {
            s["arguments"]["gen_args_0"]["arg_0"]
                .as_str()
                .expect("text")
        })
        .collect();
    assert!(prompts.len() >= 10);
    let document = found("models/*", &prompts);
    let mut n_texts = 0;
    for (model, samples) in &evaluated {
        for (index, sample) in samples.iter().enumerate() {
            let answer = &result(&document, index, model)["answer"];
            assert_eq!(answer["text"], sample["resps"][0][0], "{model} {index}");
            n_texts += usize::from(answer["text"] != "");
        }
    }
    assert!(n_texts >= 5, "{n_texts} answers with text");
}

#[test]
fn likelihoods_are_those_of_the_evaluation_bit_for_bit() {
    let evaluated = evaluated("up_ending");
    let text = |v: &Value| v.as_str().expect("text").to_owned();
    let pairs = |sample: &Value| -> Vec<(String, String)> {
        let arguments = sample["arguments"].as_object().expect("arguments");
        let of = |a: &Value| (text(&a["arg_0"]), text(&a["arg_1"]));
        (0..arguments.len())
            .map(|i| of(&arguments[&format!("gen_args_{i}")]))
            .collect()
    };
    let mut n = 0;
    for (model, samples) in &evaluated {
        for sample in samples.iter().take(4) {
            let pairs = pairs(sample);
            let mut args = vec![pairs[0].0.clone(), "--max-new-tokens=0".to_owned()];
            args.extend(pairs.iter().map(|(_, ending)| format!("--target={ending}")));
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let document = found(&format!("models/{model}"), &args);
            let targets = list(&result(&document, 0, model)["targets"]);
            assert_eq!(targets.len(), pairs.len());
            for (target, response) in targets.iter().zip(list(&sample["resps"])) {
                let number: f64 = text(&response[0][0]).parse().expect("a number");
                let own = target["logprob"].as_f64().expect("a number");
                assert_eq!((own as f32).to_bits(), (number as f32).to_bits());
                let greedy = if target["is_greedy"] == true {
                    "True"
                } else {
                    "False"
                };
                assert_eq!(response[0][1], greedy);
                n += 1;
            }
        }
    }
    assert_eq!(n, 2 * 4 * 4);
}

#[test]
fn every_number_is_the_models_own() {
    let prompts = [BRIDGE, "Q: What is 44 plus 28?\nA:", ""];
    let targets = [" 72", "\n", " lifted the heavy harbor."];
    let mut args = prompts.to_vec();
    args.extend(targets.iter().flat_map(|t| ["--target", t]));
    let document = found("models/*", &args);
    for name in MODELS {
        let folder = pack().join("models").join(name);
        let model = Model::load(&folder, ModelOptions::default()).expect("a model");
        for (index, prompt) in prompts.iter().enumerate() {
            let result = result(&document, index, name);
            let requests = targets.map(|t| LoglikelihoodRequest {
                context: (*prompt).into(),
                continuation: t.into(),
            });
            let mut best = (0, f32::NEG_INFINITY);
            model
                .loglikelihood(&requests, &mut |i, l| {
                    let own = &result["targets"][i];
                    let logprob = own["logprob"].as_f64().expect("number") as f32;
                    assert_eq!(logprob.to_bits(), l.logprob.to_bits());
                    assert_eq!(own["n_tokens"], l.n_tokens);
                    let prob = own["prob"].as_f64().expect("number");
                    assert!((prob - f64::from(l.logprob).exp()).abs() < 1e-15);
                    if l.logprob > best.1 {
                        best = (i, l.logprob);
                    }
                    Flow::Continue(())
                })
                .expect("answered");
            assert_eq!(result["best_target"], targets[best.0]);
            let answer = &result["answer"];
            let tokens = list(&answer["tokens"]);
            let sum: f64 = tokens.iter().filter_map(|t| t["logprob"].as_f64()).sum();
            assert_eq!(
                answer["logprob"].as_f64().map(|l| l as f32),
                Some(sum as f32)
            );
            assert_eq!(answer["n_tokens"], tokens.len());
            // What was answered was the most likely.
            let next = list(&result["next"]);
            assert_eq!((next.len(), &next[0]), (5, &tokens[0]));
            let mass: f64 = next.iter().filter_map(|t| t["prob"].as_f64()).sum();
            assert!(mass > 0.0 && mass < 1.0, "{mass}");
        }
    }
}

#[test]
fn the_example_is_what_the_command_prints() {
    let output = compare("models/*", &EXAMPLE);
    assert_eq!((output.status.code(), &*stderr(&output)), (Some(0), ""));
    let table = stdout(&output);
    insta::assert_snapshot!("the_example", table);
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/compare.md");
    let docs = fs::read_to_string(docs).expect("docs");
    assert!(
        docs.contains(&table),
        "docs/compare.md shows another table than\n{table}"
    );
    let colored = compare("models/*", &[&EXAMPLE[..], &["--color", "always"]].concat());
    let colored = stdout(&colored);
    assert!(colored.contains("\u{1b}[1m"));
    let bare = ["\u{1b}[1m", "\u{1b}[2m", "\u{1b}[32m", "\u{1b}[0m"]
        .iter()
        .fold(colored, |text, code| text.replace(code, ""));
    assert_eq!(bare, table);
}

#[test]
fn tables_fit_the_terminal_and_show_no_control_characters() {
    let long = format!("{}\u{1b}[31m日本語\u{202e}\t", "word ".repeat(30));
    for (columns, lang) in [("80", "C.UTF-8"), ("100", "C.UTF-8"), ("90", "C")] {
        let output = upturn(&pack())
            .env("COLUMNS", columns)
            .env("LANG", lang)
            .env_remove("LC_ALL")
            .args(["compare", "--models", "models/*", &long, BRIDGE])
            .args(["--target", &long, "--target", " lifted", "--target", "日本"])
            .args(["--samples", "12", "--temperature", "2", "--until", ""])
            .output()
            .expect("runs");
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(!text.contains(['\u{1b}', '\u{202e}', '\t']), "{text}");
        assert!(lang != "C" || text.is_ascii(), "{text}");
        let width: usize = columns.parse().expect("a number");
        for line in text
            .lines()
            .filter(|l| !l.starts_with("the most likely target"))
        {
            let wide = unicode_width::UnicodeWidthStr::width(line);
            assert!(wide <= width, "{wide} columns of {width}: {line}");
        }
    }
}

#[test]
fn models_are_in_order_of_compute_and_a_study_is_its_models() {
    let dir = tempfile::tempdir().expect("folder");
    let out = dir.path().join("study");
    for (name, sidecar) in [
        ("large", "family = \"f\"\nflops = 3e9\n"),
        ("small", "family = \"f\"\ntokens = 100\n"),
        ("middle", "family = \"f\"\nflops = 2e9\nparams = 5\n"),
    ] {
        copy_model(MODELS[0], &out.join("models").join(name), sidecar);
    }
    fs::create_dir_all(out.join("models/begun/checkpoints")).expect("folder");
    let run = |more: &[&str]| {
        upturn(dir.path())
            .args(["compare", BRIDGE, "--json", "--study", "study"])
            .args(more)
            .output()
            .expect("runs")
    };
    let names = |output: &Output| -> Vec<String> {
        let document = json(output);
        let name = |v: &Value| v["name"].as_str().expect("a name").to_owned();
        let names = list(&document["models"]).iter().map(name).collect();
        let results = list(&document["prompts"][0]["results"]).iter();
        assert_eq!(
            results
                .map(|r| r["model"].as_str().expect("a name"))
                .collect::<Vec<_>>(),
            names
        );
        names
    };
    let study = run(&[]);
    assert_eq!(study.status.code(), Some(0), "{}", stderr(&study));
    assert!(
        stderr(&study).contains("left out: begun"),
        "{}",
        stderr(&study)
    );
    // 6ND of the smallest: 37,992 parameters on 100 tokens.
    assert_eq!(names(&study), ["small", "middle", "large"]);
    assert_eq!(json(&study)["order"], "flops");
    assert_eq!(json(&study)["models"][0]["flops"], 6.0 * 37_992.0 * 100.0);
    assert_eq!(json(&study)["models"][0]["flops_kind"], "derived");
    assert_eq!(
        names(&run(&["--order", "given"])),
        ["large", "middle", "small"]
    );

    // One whose compute is not known: all are in order of parameters.
    let other = pack().join("models").join(MODELS[1]);
    let mixed = run(&["--models", other.to_str().expect("UTF-8")]);
    assert_eq!(names(&mixed), ["middle", "small", "large", MODELS[1]]);
    assert!(
        stderr(&mixed).contains("not known of llama-24x1;"),
        "{}",
        stderr(&mixed)
    );
    // Twice the same is one.
    let twice = run(&[
        "--models",
        "study/models/small, ./study/models/{small,large}",
    ]);
    assert_eq!(names(&twice).len(), 3);

    let nothing = upturn(dir.path())
        .args(["compare", "x", "--study", "study/models"])
        .output()
        .expect("runs");
    refused(
        &nothing,
        3,
        "expected the folder where `upturn run` put the results",
    );
}

#[test]
fn json_has_the_shape_that_is_described() {
    let args = [&EXAMPLE[..], &["--samples", "3", "--temperature", "0.5"]].concat();
    let document = found("models/*", &args);
    let keys = |value: &Value| -> Vec<String> {
        value
            .as_object()
            .expect("an object")
            .keys()
            .cloned()
            .collect()
    };
    let mut shape = BTreeMap::new();
    let result = &document["prompts"][0]["results"][0];
    for (name, value) in [
        ("document", &document),
        ("settings", &document["settings"]),
        ("samples", &document["settings"]["samples"]),
        ("model", &document["models"][0]),
        ("prompt", &document["prompts"][0]),
        ("result", result),
        ("answer", &result["answer"]),
        ("token", &result["answer"]["tokens"][0]),
        ("next", &result["next"][0]),
        ("target", &result["targets"][0]),
        ("sample", &result["samples"][0]),
        ("first_equal", &document["prompts"][0]["first_equal"][0]),
    ] {
        shape.insert(name, keys(value).join(" "));
    }
    let shape: String = shape.iter().map(|(k, v)| format!("{k}: {v}\n")).collect();
    insta::assert_snapshot!("json_shape", shape);
    // All of it is described.
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/compare.md");
    let docs = fs::read_to_string(docs).expect("docs");
    for word in shape.lines().flat_map(|l| l.split(' ').skip(1)) {
        assert!(
            docs.contains(&format!("`{word}`")),
            "docs/compare.md says nothing of {word}"
        );
    }
}

#[test]
fn drawn_answers_depend_on_seed_and_prompt_alone() {
    let args = ["--samples", "20", "--temperature", "0.7", "--top-p", "0.9"];
    let own = found("models/*", &[&[BRIDGE][..], &args].concat());
    let samples = |document: &Value, prompt: usize, model: &str| {
        result(document, prompt, model)["samples"].clone()
    };
    let company = found(
        MODELS.map(|m| format!("models/{m}")).join(",").as_str(),
        &[&["another", BRIDGE, "--threads", "1"][..], &args].concat(),
    );
    let other = found("models/*", &[&[BRIDGE, "--seed", "5"][..], &args].concat());
    for model in MODELS {
        let drawn = samples(&own, 0, model);
        let counts: Vec<u64> = list(&drawn)
            .iter()
            .filter_map(|s| s["count"].as_u64())
            .collect();
        assert_eq!(counts.iter().sum::<u64>(), 20);
        assert!(counts.windows(2).all(|w| w[0] >= w[1]), "{counts:?}");
        assert_eq!(samples(&company, 1, model), drawn);
        assert_ne!(samples(&other, 0, model), drawn);
    }
    // Almost no temperature: the greedy answer, every time.
    let cold = found(
        "models/*",
        &[BRIDGE, "--samples", "4", "--temperature", "1e-6"],
    );
    for model in MODELS {
        let result = result(&cold, 0, model);
        let first = &result["samples"][0];
        assert_eq!(
            (&first["count"], &first["text"]),
            (&4.into(), &result["answer"]["text"])
        );
        assert_eq!(first["logprob"], result["answer"]["logprob"]);
    }
}

#[test]
fn rows_of_the_table_are_the_numbers_of_the_document() {
    let dir = tempfile::tempdir().expect("folder");
    let file = dir.path().join("rows.csv");
    let args = [
        "Q: \"a, b\"",
        "--target",
        ".",
        "--target",
        " on",
        "--samples",
        "3",
        "--csv",
    ];
    let path = file.to_str().expect("UTF-8");
    let document = found("models/*", &[&args[..], &[path]].concat());
    let text = fs::read_to_string(&file).expect("rows");
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let place = |name: &str| header.iter().position(|h| *h == name).expect("a column");
    // The prompt has a comma of its own, in quotation marks.
    let prompt = "\"Q: \"\"a, b\"\"\"";
    let mut n = 0;
    for line in lines.filter(|l| l.contains(",target,")) {
        assert!(line.contains(prompt), "{line}");
        let line = line.replace(prompt, "prompt");
        let fields: Vec<&str> = line.split(',').collect();
        let field = |name: &str| fields[place(name)].trim_matches('"');
        let targets = list(&result(&document, 0, field("name"))["targets"]);
        let own = targets
            .iter()
            .find(|t| t["target"] == field("text"))
            .expect("the target");
        let number = |v: &Value| v.as_f64().map(|l| l as f32);
        assert_eq!(field("logprob").parse().ok(), number(&own["logprob"]));
        assert_eq!(field("n_tokens"), own["n_tokens"].to_string());
        n += 1;
    }
    assert_eq!(n, 4);
    let unwritable = compare("models/*", &["x", "--csv", "no/such/folder/rows.csv"]);
    assert_eq!(unwritable.status.code(), Some(1), "{}", stderr(&unwritable));
    assert!(
        stderr(&unwritable).contains("rows.csv"),
        "{}",
        stderr(&unwritable)
    );
}

#[test]
fn prompts_come_from_files_and_stdin_and_are_taken_as_they_are() {
    let dir = tempfile::tempdir().expect("folder");
    let file = dir.path().join("p.txt");
    fs::write(&file, "\u{feff}one\\n\r\n\ntwo \n").expect("written");
    let file = file.to_str().expect("UTF-8");
    let prompts = |document: &Value| -> Vec<String> {
        let text = |p: &Value| p["prompt"].as_str().expect("text").to_owned();
        list(&document["prompts"]).iter().map(text).collect()
    };
    let model = "models/gpt2-24x1";
    let plain = found(model, &["a\\tb", "--file", file]);
    assert_eq!(prompts(&plain), ["a\\tb", "one\\n", "two "]);
    let read = found(
        model,
        &["a\\tb", "--file", file, "--escape", "--target", "\\n"],
    );
    assert_eq!(prompts(&read), ["a\tb", "one\n", "two "]);
    assert_eq!(result(&read, 0, MODELS[0])["targets"][0]["target"], "\n");
    for args in [["-"].as_slice(), &["--file", "-"]] {
        let mut child = upturn(&pack())
            .args(["compare", "--json", "--models", model])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("runs");
        let mut stdin = child.stdin.take().expect("stdin");
        stdin.write_all("x\n日本\n".as_bytes()).expect("written");
        drop(stdin);
        let output = child.wait_with_output().expect("ends");
        assert_eq!(
            prompts(&json(&output)),
            ["x", "日本"],
            "{}",
            stderr(&output)
        );
    }
}

#[test]
fn a_prompt_is_kept_whole_where_it_can_be() {
    let n = |words: usize| "the ".repeat(words);
    let model = "models/gpt2-24x1";
    // Of 512 tokens: some room, hardly any, none.
    let (short, tight, long) = (n(10), n(505), n(700));
    let output = compare(model, &[&short, &tight, &long, "--json", "--until", ""]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let document = json(&output);
    let of = |prompt: usize| {
        let result = result(&document, prompt, MODELS[0]);
        let number = |v: &Value| v.as_u64().expect("a number");
        (
            number(&result["n_prompt_tokens"]),
            number(&result["answer"]["n_truncated"]),
            number(&result["answer"]["n_tokens"]),
        )
    };
    assert_eq!((of(0).1, of(0).2), (0, 32));
    let (tokens, cut, new) = of(1);
    assert!(
        cut == 0 && tokens + new == 512 && new < 32,
        "{tokens} {cut} {new}"
    );
    let (tokens, cut, new) = of(2);
    assert!(
        tokens > 512 && new <= 32 && tokens - cut == 512 - 32,
        "{tokens} {cut} {new}"
    );
    let said = stderr(&output);
    assert!(
        said.contains("prompt 2: the answer ends where the model's length ends"),
        "{said}"
    );
    assert!(
        said.contains("prompt 3: as long as the model or longer"),
        "{said}"
    );
}

#[test]
fn a_model_that_cannot_be_loaded_does_not_stop_the_others() {
    let dir = tempfile::tempdir().expect("folder");
    let broken = dir.path().join("broken");
    copy_model(MODELS[0], &broken, "");
    fs::write(broken.join("model.safetensors"), "nothing").expect("written");
    let odd = dir.path().join("odd");
    copy_model(MODELS[0], &odd, "tokns = 5\n");
    let models = format!(
        "{},{},models/nope,nobody/none,models/no-*,{}",
        broken.display(),
        odd.display(),
        "models/gpt2-24x1"
    );
    let output = compare(&models, &[BRIDGE, "--json"]);
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    let document = json(&output);
    assert_eq!(list(&document["models"]).len(), 1);
    let lines: Vec<&str> = list(&document["refused"])
        .iter()
        .filter_map(Value::as_str)
        .collect();
    for want in [
        "no folder matches 'models/no-*'",
        "unknown key 'tokns'",
        "models/nope",
        "nobody/none",
        "model.safetensors",
    ] {
        assert!(lines.iter().any(|l| l.contains(want)), "{want}: {lines:?}");
    }
    assert_eq!((lines.len(), stderr(&output).lines().count()), (5, 5));
    // None at all: nothing to show, and a document that says so.
    let none = compare("models/nope", &[BRIDGE]);
    refused(&none, 3, "models/nope");
    let none = compare("models/nope", &[BRIDGE, "--json"]);
    assert_eq!(none.status.code(), Some(3));
    assert_eq!(list(&json(&none)["models"]), [] as [Value; 0]);
}

#[test]
fn what_one_prompt_or_target_costs_is_that_one() {
    // No chat template: nothing can be answered.
    let chat = compare("models/*", &[BRIDGE, "--chat"]);
    assert_eq!(chat.status.code(), Some(3), "{}", stderr(&chat));
    assert_eq!(stderr(&chat).lines().count(), 2, "{}", stderr(&chat));
    assert!(
        stderr(&chat).contains("gpt2-24x1: prompt 1: the chat template cannot be applied: "),
        "{}",
        stderr(&chat)
    );
    // A target longer than the model beside one that is not.
    let long = "the ".repeat(600);
    let output = compare(
        "models/gpt2-24x1",
        &[BRIDGE, BRIDGE, "--target", &long, "--target", ".", "--json"],
    );
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
    assert!(
        stderr(&output).contains("prompt 1, prompt 2: target"),
        "{}",
        stderr(&output)
    );
    let document = json(&output);
    let result = result(&document, 1, MODELS[0]);
    assert!(
        result["targets"][0]["error"]
            .as_str()
            .is_some_and(|e| e.contains("512"))
    );
    assert!(result["targets"][1]["logprob"].is_number() && result["answer"].is_object());
    assert_eq!(result["best_target"], ".");
}

#[test]
fn mistakes_are_one_clear_line() {
    let dir = tempfile::tempdir().expect("folder");
    let file = |name: &str, bytes: &[u8]| -> PathBuf {
        let path = dir.path().join(name);
        fs::write(&path, bytes).expect("written");
        path
    };
    let latin = file("latin.txt", b"ok\ncaf\xe9\n");
    let empty = file("empty.txt", b"\n\n");
    let (latin, empty) = (
        latin.to_str().expect("UTF-8"),
        empty.to_str().expect("UTF-8"),
    );
    let all = "models/*";
    for (args, code, want) in [
        (vec![], 2, "no prompt; give one"),
        (
            vec!["x", "--file", "none.txt"],
            3,
            "none.txt: cannot be read",
        ),
        (
            vec!["--file", latin],
            3,
            "latin.txt: line 2: byte 6 is no UTF-8",
        ),
        (vec!["--file", empty], 3, "no line with text"),
        (
            vec!["models/llama-24x1"],
            2,
            "is a model's folder; models are separated by commas",
        ),
        (
            vec!["a\\q", "--escape"],
            2,
            "\\q in a prompt is not known; expected \\n",
        ),
        (vec!["x", "--target", ""], 2, "--target is empty"),
        (
            vec!["x", "--max-new-tokens", "0"],
            2,
            "there is no --target to score",
        ),
        (
            vec![
                "x",
                "--max-new-tokens",
                "0",
                "--target",
                "y",
                "--samples",
                "2",
            ],
            2,
            "--samples draws answers",
        ),
        (vec!["-", "--file", "-"], 2, "stdin is asked for twice"),
        (
            vec!["x", "--revision", "main"],
            2,
            "has none; leave --revision out",
        ),
        (
            vec!["x", "--train-tokens", "nobody=5"],
            2,
            "names the model 'nobody'",
        ),
    ] {
        refused(&compare(all, &args), code, want);
    }
    refused(&compare(" , ", &["x"]), 2, "--models names no model");
    for (args, want) in [
        (["x", "--temperature", "1"].as_slice(), "--samples"),
        (
            &["x", "--samples", "2", "--temperature", "0"],
            "expected a number above 0",
        ),
        (&["x", "--samples", "2", "--top-p", "1.5"], "at most 1"),
        (&["x", "--samples", "0"], "1..="),
        (&["x", "--system", "y"], "--chat"),
    ] {
        let output = compare(all, args);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(want), "{}", stderr(&output));
    }
    let none = upturn(&pack())
        .args(["compare", "x"])
        .output()
        .expect("runs");
    assert_eq!(none.status.code(), Some(2));
    assert!(stderr(&none).contains("--models"), "{}", stderr(&none));
}
