//! The files of lm-evaluation-harness taken apart, written again, and held against themselves.

use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::{Value, json};
use upturn_catalog::Catalog;
use upturn_store::lm_eval_write::{
    Evaluation, Filtered, GroupAverage, GroupResults, MetricScore, PyValue, Response, SampleRow,
    TaskResults, results_json, sanitize_model_name, write,
};
use upturn_store::{ReadOptions, read};

const DATE: &str = "2026-01-31T12:00:00.123456";

fn shared() -> PathBuf {
    std::env::var_os("UPTURN_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    )
}

fn main() {
    let args = Arguments::from_args();
    let data = "reference/results";
    let path = shared().join(data);
    let absent = !path.is_dir();
    let why = if absent {
        " (no reference/results in ../shared or UPTURN_SHARED)"
    } else {
        ""
    };
    libtest_mimic::run(
        &args,
        vec![
            Trial::test(
                format!("the_harness_files_come_out_again{why}"),
                move || again(&path),
            )
            .with_ignored_flag(absent),
            Trial::test("groups_follow_their_tasks", groups),
            Trial::test("names_of_models_make_folders", folders),
        ],
    )
    .exit();
}

/// Every reference run: samples byte for byte, results line for line, and both read back.
fn again(reference: &Path) -> Result<(), Failed> {
    let mut n_samples = 0;
    let mut runs: Vec<PathBuf> = std::fs::read_dir(reference)?
        .map(|e| e.map(|e| e.path()))
        .collect::<Result<_, _>>()?;
    runs.sort();
    for theirs in runs.iter().filter(|r| r.join("results.json").is_file()) {
        let text = std::fs::read_to_string(theirs.join("results.json"))?;
        let file: Value = serde_json::from_str(&text)?;
        let run = evaluation(&file, theirs)?;
        let out = tempfile::tempdir()?;
        let written = write(out.path(), DATE, &run)?;
        let folder = out.path().join(sanitize_model_name(&run.model_name));
        assert_eq!(
            written.last(),
            Some(&folder.join("results_2026-01-31T12-00-00.123456.json"))
        );
        // The reference is indented by one and leaves two keys out.
        let ours: String = std::fs::read_to_string(written.last().ok_or("no file")?)?
            .lines()
            .filter(|l| {
                !l.starts_with("  \"model_source\"") && !l.starts_with("  \"chat_template_sha\"")
            })
            .map(|l| {
                let bare = l.trim_start_matches(' ');
                let bare = bare.replace("\"model_name\": \"/", "\"model_name\": \"");
                format!(
                    "{}{bare}\n",
                    " ".repeat((l.len() - l.trim_start_matches(' ').len()) / 2)
                )
            })
            .collect();
        for (i, (ours, theirs)) in ours.lines().zip(text.lines()).enumerate() {
            assert_eq!(ours, theirs, "line {}", i + 1);
        }
        assert_eq!(ours.lines().count(), text.lines().count());
        for task in &run.tasks {
            let name = format!("samples_{}", task.name);
            let theirs = std::fs::read_to_string(theirs.join(format!("{name}.jsonl")))?;
            let ours = std::fs::read_to_string(
                folder.join(format!("{name}_2026-01-31T12-00-00.123456.jsonl")),
            )?;
            for (ours, theirs) in ours.lines().zip(theirs.lines()) {
                assert_eq!(ours, theirs, "{name}");
            }
            assert!(ours == theirs, "{name} has other ends of lines");
            n_samples += task.samples.len();
        }
        let import = |folder: PathBuf| {
            let found = read(&[folder], &ReadOptions::default(), &Catalog::builtin());
            let rows: Vec<String> = found
                .measurements
                .iter()
                .map(|m| {
                    format!(
                        "{} {} {:?} {} {} {:?} {:?} {:?} {:?}",
                        m.model,
                        m.task,
                        m.filter,
                        m.metric,
                        m.value,
                        m.stderr,
                        m.n,
                        m.shots,
                        m.chance
                    )
                })
                .collect();
            (rows, found.n_files_refused)
        };
        let (ours, refused) = import(folder);
        assert_eq!(refused, 0);
        assert!(ours.len() > 10);
        assert_eq!(ours, import(theirs.clone()).0);
    }
    assert!(n_samples > 5000, "{n_samples} samples");
    Ok(())
}

/// A run from its results file and the samples beside it.
fn evaluation(file: &Value, folder: &Path) -> Result<Evaluation, Failed> {
    let entries = |value: &Value| -> Vec<(String, Value)> {
        let object = value.as_object().cloned().unwrap_or_default();
        object.into_iter().collect()
    };
    let mut tasks = Vec::new();
    for (name, entry) in entries(&file["results"]) {
        let mut scores = Vec::new();
        for (key, value) in entries(&entry) {
            let Some((metric, filter)) = key.split_once(',') else {
                continue;
            };
            if metric.ends_with("_stderr") {
                continue;
            }
            scores.push(MetricScore {
                metric: metric.to_owned(),
                filter: filter.to_owned(),
                value: PyValue::from(&value),
                stderr: entry[format!("{metric}_stderr,{filter}")].as_f64(),
            });
        }
        let kind = file["configs"][&name]["output_type"]
            .as_str()
            .ok_or("no output_type")?;
        let samples = std::fs::read_to_string(folder.join(format!("samples_{name}.jsonl")))?
            .lines()
            .map(|line| sample(&serde_json::from_str(line)?, kind))
            .collect::<Result<_, Failed>>()?;
        tasks.push(TaskResults {
            alias: entry["alias"].as_str().ok_or("no alias")?.to_owned(),
            scores,
            config: file["configs"][&name].clone(),
            version: file["versions"][&name].clone(),
            n_shot: u32::try_from(file["n-shot"][&name].as_u64().ok_or("no n-shot")?)?,
            higher_is_better: entries(&file["higher_is_better"][&name])
                .into_iter()
                .map(|(metric, better)| (metric, better.as_bool()))
                .collect(),
            n_original: file["n-samples"][&name]["original"]
                .as_u64()
                .ok_or("no original")?,
            n_effective: file["n-samples"][&name]["effective"]
                .as_u64()
                .ok_or("no effective")?,
            samples,
            name,
        });
    }
    let environment = entries(file)
        .into_iter()
        .skip_while(|(key, _)| key != "date")
        .skip(1)
        .take_while(|(key, _)| key != "task_hashes")
        .collect();
    let secs = file["total_evaluation_time_seconds"]
        .as_str()
        .ok_or("no time")?;
    Ok(Evaluation {
        tasks,
        groups: Vec::new(),
        config: file["config"].clone(),
        git_hash: None,
        date_secs: file["date"].as_f64().ok_or("no date")?,
        environment,
        model_source: "hf".to_owned(),
        // The run had an absolute path, which the reference shortens in this key alone.
        model_name: format!("/{}", file["model_name"].as_str().ok_or("no model")?),
        system_instruction: None,
        fewshot_as_multiturn: None,
        chat_template: None,
        total_evaluation_time_secs: Some(secs.parse()?),
    })
}

fn sample(row: &Value, kind: &str) -> Result<SampleRow, Failed> {
    let array = |value: &Value| value.as_array().cloned().ok_or("no array");
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or("no text");
    let response = |value: &Value| -> Result<Response, Failed> {
        Ok(match kind {
            "generate_until" => Response::Text(text(value)?),
            "loglikelihood_rolling" => Response::Rolling(text(value)?.parse()?),
            _ => Response::Loglikelihood {
                logprob: text(&value[0])?.parse()?,
                is_greedy: value[1] == "True",
            },
        })
    };
    let names = array(&row["metrics"])?;
    Ok(SampleRow {
        doc_id: row["doc_id"].as_u64().ok_or("no doc_id")?,
        doc: row["doc"].clone(),
        target: text(&row["target"])?,
        arguments: row["arguments"]
            .as_object()
            .ok_or("no arguments")?
            .values()
            .map(|request| {
                Ok(request
                    .as_object()
                    .ok_or("no request")?
                    .values()
                    .cloned()
                    .collect())
            })
            .collect::<Result<_, Failed>>()?,
        responses: array(&row["resps"])?
            .iter()
            .map(|repeats| array(repeats)?.iter().map(response).collect())
            .collect::<Result<_, Failed>>()?,
        filtered: array(&row["filtered_resps"])?
            .iter()
            .map(|one| Ok(Filtered::One(response(one)?)))
            .collect::<Result<_, Failed>>()?,
        filter: text(&row["filter"])?,
        metrics: names
            .iter()
            .map(|name| {
                let name = text(name)?;
                let value = PyValue::from(&row[&name]);
                Ok((name, value))
            })
            .collect::<Result<_, Failed>>()?,
        doc_hash: text(&row["doc_hash"])?,
        prompt_hash: text(&row["prompt_hash"])?,
        target_hash: text(&row["target_hash"])?,
    })
}

fn task(name: &str, n_shot: u32, better: &[(&str, bool)]) -> TaskResults {
    TaskResults {
        name: name.to_owned(),
        alias: name.to_owned(),
        scores: vec![MetricScore {
            metric: "acc".to_owned(),
            filter: "none".to_owned(),
            value: PyValue::Float(0.5),
            stderr: Some(0.25),
        }],
        config: json!({"task": name}),
        version: json!(1.0),
        n_shot,
        higher_is_better: better
            .iter()
            .map(|(m, b)| ((*m).to_owned(), Some(*b)))
            .collect(),
        n_original: 4,
        n_effective: 2,
        samples: Vec::new(),
    }
}

fn groups() -> Result<(), Failed> {
    let average = GroupAverage {
        sample_len: 4,
        scores: vec![MetricScore {
            metric: "acc".to_owned(),
            filter: "none".to_owned(),
            value: PyValue::Float(f64::NAN),
            stderr: None,
        }],
        sample_counts: vec![4],
    };
    let group = |name: &str, children: &[&str], average| GroupResults {
        name: name.to_owned(),
        alias: name.to_uppercase(),
        children: children.iter().map(|c| (*c).to_owned()).collect(),
        average,
        version: Value::Null,
    };
    let run = Evaluation {
        tasks: vec![
            task("z", 5, &[("acc", true), ("ter", true)]),
            task("a", 5, &[("acc", true), ("ter", false)]),
            task("other", 0, &[("acc", true)]),
        ],
        groups: vec![
            group("inner", &["z", "a"], Some(average)),
            group("all", &["inner", "other"], None),
        ],
        config: json!({"model": "hf"}),
        git_hash: Some("abc".to_owned()),
        date_secs: 1.0e9,
        environment: vec![("max_length".to_owned(), json!(512))],
        model_source: "hf".to_owned(),
        model_name: "org/m".to_owned(),
        system_instruction: Some("abc".to_owned()),
        fewshot_as_multiturn: Some(false),
        chat_template: Some(String::new()),
        total_evaluation_time_secs: None,
    };
    let text = results_json(&run);
    assert!(text.contains("\"acc,none\": NaN,"), "as Python writes it");
    let file: Value = serde_json::from_str(&text.replace("NaN", "null"))?;
    let keys = |value: &Value| -> Vec<String> {
        value
            .as_object()
            .map(|o| o.keys().cloned().collect())
            .unwrap_or_default()
    };
    assert_eq!(
        keys(&file),
        [
            "results",
            "groups",
            "group_subtasks",
            "configs",
            "versions",
            "n-shot",
            "higher_is_better",
            "n-samples",
            "config",
            "git_hash",
            "date",
            "max_length",
            "task_hashes",
            "model_source",
            "model_name",
            "model_name_sanitized",
            "system_instruction",
            "system_instruction_sha",
            "fewshot_as_multiturn",
            "chat_template",
            "chat_template_sha",
        ]
    );
    assert_eq!(keys(&file["results"]), ["z", "a", "other", "inner", "all"]);
    assert_eq!(keys(&file["groups"]), ["inner"]);
    assert_eq!(
        serde_json::to_string(&file["results"]["inner"])?,
        r#"{"alias":"INNER","name":"inner","sample_len":4,"acc,none":null,"acc_stderr,none":"N/A","sample_count":{"acc,none":4}}"#
    );
    assert_eq!(
        serde_json::to_string(&file["results"]["all"])?,
        r#"{"alias":"ALL","name":"all"}"#
    );
    assert_eq!(
        serde_json::to_string(&file["n-shot"])?,
        r#"{"a":5,"inner":5,"other":0,"z":5}"#
    );
    assert_eq!(keys(&file["versions"]), ["a", "all", "inner", "other", "z"]);
    assert_eq!(
        serde_json::to_string(&file["higher_is_better"])?,
        r#"{"a":{"acc":true,"ter":false},"all":{"acc":true,"ter":null},"inner":{"acc":true,"ter":null},"other":{"acc":true},"z":{"acc":true,"ter":true}}"#
    );
    assert_eq!(keys(&file["n-samples"]), ["z", "a", "other"]);
    assert_eq!(file["date"].to_string(), "1000000000.0");
    assert_eq!(
        file["system_instruction_sha"],
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    assert_eq!(file["chat_template_sha"], Value::Null);
    Ok(())
}

fn folders() -> Result<(), Failed> {
    for (name, folder) in [
        ("models/gpt2-24x1", "models__gpt2-24x1"),
        ("/abs/path", "__abs__path"),
        ("a:/b", "a__b"),
        ("a//b", "a__b"),
        ("plain", "plain"),
    ] {
        assert_eq!(sanitize_model_name(name), folder, "{name}");
    }
    Ok(())
}
