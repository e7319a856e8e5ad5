//! `upturn eval` on a whole reference pack: twelve models, eight tasks, the harness's scores.
//! The pack is `reference` in `UPTURN_SHARED`, or in `../shared` beside the repository;
//! without it each trial is reported as ignored.

#[allow(dead_code, reason = "each test file uses its part of what they share")]
mod eval_common;

use std::fs;
use std::path::{Path, PathBuf};

use eval_common::{compare, stderr, upturn};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

/// Models of the pack.
const FAMILIES: [&str; 4] = ["gpt2", "gpt_neox", "llama", "qwen2"];
const SIZES: [&str; 3] = ["24x1", "48x2", "96x3"];

fn reference() -> PathBuf {
    let shared = std::env::var_os("UPTURN_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    shared.join("reference")
}

fn main() {
    let args = Arguments::from_args();
    let absent = !reference().join("models").is_dir();
    let why = if absent {
        " (no reference/models in ../shared or UPTURN_SHARED)"
    } else {
        ""
    };
    let mut trials = Vec::new();
    for family in FAMILIES {
        for size in SIZES {
            let model = format!("{family}-{size}");
            let name = format!("{model}_scores_equal_those_of_the_harness{why}");
            trials.push(Trial::test(name, move || equal(&model)).with_ignored_flag(absent));
        }
    }
    trials.push(
        Trial::test(
            format!("three_sizes_of_each_family_make_verdicts{why}"),
            verdicts,
        )
        .with_ignored_flag(absent),
    );
    libtest_mimic::run(&args, trials).exit();
}

/// One model on all tasks: every sample and every score.
fn equal(model: &str) -> Result<(), Failed> {
    let out = tempfile::tempdir()?;
    let done = upturn(&reference())
        .args([
            "eval",
            "--tasks",
            "tasks",
            "--parity",
            "lm-eval",
            "--lm-eval-output",
        ])
        .args(["--model", &format!("models/{model}"), "--out"])
        .arg(out.path())
        .output()?;
    if !done.status.success() {
        return Err(stderr(&done).into());
    }
    let theirs = reference().join("results").join(model);
    let compared = compare(&out.path().join("lm-eval").join(model), &theirs);
    if !compared.problems.is_empty() {
        let shown: Vec<&str> = compared
            .problems
            .iter()
            .take(10)
            .map(String::as_str)
            .collect();
        let n = compared.problems.len();
        return Err(format!("{n} differences:\n{}", shown.join("\n")).into());
    }
    // Samples of 120, 100, 80, 60, 60, 40, 80 and 30 items; scores of eight tasks.
    assert!(compared.n_logprobs > 3000, "{compared:?}");
    assert!(compared.n_texts > 10_000, "{compared:?}");
    assert!(compared.n_metrics >= 56, "{compared:?}");
    Ok(())
}

/// Folders that link to the models, with what their training says in a sidecar.
fn with_sidecars(dir: &Path) -> Result<(), Failed> {
    for family in FAMILIES {
        for size in SIZES {
            let name = format!("{family}-{size}");
            let model = dir.join(&name);
            fs::create_dir_all(&model)?;
            for file in fs::read_dir(reference().join("models").join(&name))? {
                let file = file?;
                #[cfg(unix)]
                std::os::unix::fs::symlink(
                    file.path().canonicalize()?,
                    model.join(file.file_name()),
                )?;
                #[cfg(not(unix))]
                fs::copy(file.path(), model.join(file.file_name()))?;
            }
            let text = fs::read_to_string(reference().join("logits").join(format!("{name}.json")))?;
            let facts: Value = serde_json::from_str(&text)?;
            let sidecar = format!(
                "family = \"{family}\"\ntokens = {}\nparams = {}\ntrain_loss_nats = {}\n",
                facts["train_tokens"], facts["params"], facts["train_loss"]
            );
            fs::write(model.join("upturn.toml"), sidecar)?;
        }
    }
    Ok(())
}

fn verdicts() -> Result<(), Failed> {
    let dir = tempfile::tempdir()?;
    with_sidecars(&dir.path().join("models"))?;
    let out = dir.path().join("out");
    let pattern = dir.path().join("models/*");
    let done = upturn(&reference())
        .args(["eval", "--tasks", "tasks", "--model"])
        .arg(&pattern)
        .arg("--out")
        .arg(&out)
        .output()?;
    if !done.status.success() || stderr(&done).contains("warning") {
        return Err(stderr(&done).into());
    }
    let read = upturn(dir.path())
        .args(["analyze", "out", "--json"])
        .output()?;
    if !read.status.success() {
        return Err(stderr(&read).into());
    }
    let analysis: Value = serde_json::from_slice(&read.stdout)?;
    let verdicts = analysis["verdicts"].as_array().ok_or("no verdicts")?;
    for family in FAMILIES {
        for (task, metric) in [
            ("up_arith_mc", "acc"),
            ("up_ending", "acc_norm"),
            ("up_mmlu_capitals", "acc"),
            ("up_unscramble", "exact_match"),
        ] {
            let curve = analysis["curves"]
                .as_array()
                .into_iter()
                .flatten()
                .find(|c| {
                    let key = &c["key"];
                    key["family"] == family && key["task"] == task && key["metric"] == metric
                })
                .ok_or_else(|| format!("no curve {family} {task} {metric}"))?;
            let points = curve["points"].as_array().ok_or("no points")?;
            let with_flops = points
                .iter()
                .filter(|p| p["scale"]["flops"].is_number())
                .count();
            if (points.len(), with_flops) != (3, 3) {
                return Err(format!("{family} {task}: {} points: {points:?}", points.len()).into());
            }
            let judged = verdicts
                .iter()
                .any(|v| v["curve"] == curve["id"] && v["shape"].is_string());
            if !judged {
                return Err(
                    format!("no verdict on {family} {task} {metric}: {}", verdicts[0]).into(),
                );
            }
        }
    }
    Ok(())
}
