//! Catalogue sizes against those recoverable from real results, and published names against
//! the catalogue. Needs the shared data next to the repository; reported as ignored without it.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use upturn_catalog::{Catalog, metric_info, parse_model_args};

/// The folder of shared data: `UPTURN_SHARED`, or `shared` beside the repository.
fn shared() -> Option<PathBuf> {
    let folder = std::env::var_os("UPTURN_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    folder.is_dir().then_some(folder)
}

type Check = fn(&Path) -> Result<(), Box<dyn Error>>;

fn main() {
    let args = Arguments::from_args();
    let shared = shared();
    let checks: [(&str, &str, Check); 5] = [
        (
            "sizes recovered from Pythia's standard errors",
            "data/pythia-v1",
            pythia_sizes,
        ),
        (
            "sizes and chance printed in GPT-3's table",
            "published/gpt3_few_shot.csv",
            gpt3_table,
        ),
        (
            "every published task is known",
            "published",
            published_tasks,
        ),
        (
            "published sizes of models fit the catalogue",
            "published",
            published_models,
        ),
        (
            "every model and task of ObsScaling is known",
            "data/obs_scaling",
            obs_scaling,
        ),
    ];
    let trials = checks
        .into_iter()
        .map(|(name, needs, check)| {
            let folder = shared.clone().filter(|s| s.join(needs).exists());
            let absent = folder.is_none();
            let name = if absent {
                format!("{name} (ignored: shared {needs} is not there)")
            } else {
                name.to_owned()
            };
            Trial::test(name, move || {
                folder.map_or(Ok(()), |f| {
                    check(&f).map_err(|e| Failed::from(e.to_string()))
                })
            })
            .with_ignored_flag(absent)
        })
        .collect();
    libtest_mimic::run(&args, trials).exit();
}

/// All files under `folder` with extension `ext`, sorted.
fn files(folder: &Path, ext: &str) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for item in std::fs::read_dir(folder)? {
            let path = item?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == ext) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

type CsvRow = BTreeMap<String, String>;

fn rows(path: &Path) -> Result<Vec<CsvRow>, Box<dyn Error>> {
    Ok(csv::Reader::from_path(path)?
        .deserialize()
        .collect::<Result<_, _>>()?)
}

/// For a mean y of 0/1 outcomes, the harness reports the standard error
/// √(y(1 − y)/(n − 1)), from which n follows.
fn pythia_sizes(shared: &Path) -> Result<(), Box<dyn Error>> {
    let catalog = Catalog::builtin();
    let mut checked: BTreeMap<String, u32> = BTreeMap::new();
    for path in files(&shared.join("data/pythia-v1"), "json")? {
        let file: Value = serde_json::from_str(&std::fs::read_to_string(&path)?)?;
        let args = parse_model_args(file["config"]["model_args"].as_str().ok_or("model_args")?);
        let name = args.pretrained.ok_or("no model")?;
        let found = catalog
            .find_model(&name, args.revision.as_deref())
            .ok_or_else(|| format!("{name} is not known"))?;
        if &*found.entry.family != "Pythia" || found.step.is_none() || found.scale.flops.is_none() {
            return Err(format!("{}: {name} has no scale", path.display()).into());
        }
        for (task, scores) in file["results"].as_object().ok_or("results")? {
            let entry = catalog
                .find_task(task)
                .ok_or_else(|| format!("task {task} is not known"))?;
            let expected = entry
                .n_for(None)
                .ok_or_else(|| format!("{task} has no size"))?;
            for (metric, value) in scores.as_object().ok_or("scores")? {
                let binomial = metric_info(metric).is_some_and(|m| m.binomial);
                let stderr = scores[&format!("{metric}_stderr")].as_f64();
                let (Some(y), Some(stderr), true) = (value.as_f64(), stderr, binomial) else {
                    continue;
                };
                if stderr == 0.0 {
                    continue;
                }
                let n = y * (1.0 - y) / (stderr * stderr) + 1.0;
                #[expect(clippy::cast_precision_loss, reason = "sizes are small")]
                let known = expected as f64;
                if (n - known).abs() > 1e-6 * known {
                    return Err(format!("{task} {metric}: n = {n}, catalogue {expected}").into());
                }
                *checked.entry(task.clone()).or_default() += 1;
            }
        }
    }
    if checked.len() < 60 {
        return Err(format!("only {} tasks were checked", checked.len()).into());
    }
    Ok(())
}

fn gpt3_table(shared: &Path) -> Result<(), Box<dyn Error>> {
    let catalog = Catalog::builtin();
    let mut n_checked = 0;
    for row in rows(&shared.join("published/gpt3_few_shot.csv"))? {
        let task = &row["task"];
        let entry = catalog
            .find_task(task)
            .ok_or_else(|| format!("{task} is not known"))?;
        let split = row["note"]
            .strip_prefix("split=")
            .and_then(|n| n.split(';').next())
            .map(str::trim);
        let split = split.filter(|s| *s != "n/a");
        // Brown et al. scored fewer questions of ARC than the released test sets hold.
        let fewer = entry.group.as_deref() == Some("arc");
        if let (Ok(n), Some(known)) = (row["n"].parse::<u64>(), entry.n_for(split)) {
            if (n != known) != fewer {
                return Err(format!("{task} {split:?}: printed {n}, catalogue {known}").into());
            }
            n_checked += 1;
        }
        let metric = &row["metric"];
        if let (Ok(printed), Some(known)) = (row["chance"].parse::<f64>(), entry.chance_for(metric))
        {
            // The table prints 1/3 to four digits.
            if (printed - known).abs() > 5e-5 {
                return Err(format!("{task} {metric}: chance {printed}, catalogue {known}").into());
            }
            n_checked += 1;
        }
    }
    if n_checked < 1500 {
        return Err(format!("only {n_checked} figures were checked").into());
    }
    Ok(())
}

fn published_tasks(shared: &Path) -> Result<(), Box<dyn Error>> {
    let catalog = Catalog::builtin();
    let mut unknown = BTreeSet::new();
    for path in files(&shared.join("published"), "csv")? {
        for row in rows(&path)? {
            let (Some(task), Some(metric)) = (row.get("task"), row.get("metric")) else {
                continue;
            };
            if metric_info(metric).is_none() {
                unknown.insert(format!("metric {metric}"));
            }
            let Some(entry) = catalog.find_task(task) else {
                unknown.insert(format!("task {task}"));
                continue;
            };
            let known = entry.chance_for(metric);
            if let (Ok(printed), Some(known)) = (row["chance"].parse::<f64>(), known)
                && (printed - known).abs() > 5e-5
            {
                unknown.insert(format!(
                    "{task} {metric}: chance {printed}, catalogue {known}"
                ));
            }
        }
    }
    if unknown.is_empty() {
        Ok(())
    } else {
        Err(format!("{unknown:?}").into())
    }
}

/// A name found in the catalogue must have the size that its row prints; the names of
/// one T5 release that another release uses for larger models are told apart by it.
fn published_models(shared: &Path) -> Result<(), Box<dyn Error>> {
    let catalog = Catalog::builtin();
    let mut n_found = 0;
    let mut misfits = BTreeSet::new();
    for path in files(&shared.join("published"), "csv")? {
        for row in rows(&path)? {
            let (Some(_task), Some(params)) = (row.get("task"), row.get("params")) else {
                continue;
            };
            let Ok(params) = params.parse::<f64>() else {
                continue;
            };
            if let Some(found) = catalog.find_model(&row["model"], None) {
                n_found += 1;
                if !found.fits_params(Some(params)) {
                    misfits.insert(row["model"].clone());
                }
            }
        }
    }
    // cot.csv counts ada as 0.3B where Table D.1 has 356M.
    let expected = ["GPT-3 0.3B (ada)", "T5-Small"].map(String::from);
    if misfits != BTreeSet::from(expected) || n_found < 3000 {
        return Err(format!("{misfits:?} of {n_found}").into());
    }
    Ok(())
}

fn obs_scaling(shared: &Path) -> Result<(), Box<dyn Error>> {
    let catalog = Catalog::builtin();
    for path in files(&shared.join("data/obs_scaling"), "csv")? {
        for row in rows(&path)? {
            let name = &row["Model"];
            let found = catalog
                .find_model(name, None)
                .ok_or_else(|| format!("{name} is not known"))?;
            let Some(family) = row.get("Model Family") else {
                continue;
            };
            if &*found.entry.family != family.as_str() {
                return Err(format!("{name}: {family}, catalogue {}", found.entry.family).into());
            }
        }
    }
    for task in [
        "MMLU",
        "ARC-C",
        "HellaSwag",
        "Winograd",
        "TruthfulQA",
        "GSM8K",
        "XWinograd",
        "HumanEval",
        "parsinlu_qa",
        "word_unscrambling",
        "arithmetic_3ds",
        "arithmetic_2dm",
        "gsm8k_cot",
        "gsm8k_cot_zeroshot",
        "gsm8k_cot_self_consistency",
    ] {
        if catalog.find_task(task).is_none() {
            return Err(format!("{task} is not known").into());
        }
    }
    // Where a normalised column (y − c)/(1 − c) stands beside y, c follows from the two.
    let mut n_checked = 0;
    let path = shared.join("data/obs_scaling/base_llm_post_training_eval.csv");
    for row in rows(&path)? {
        for (column, value) in row.iter().filter(|(c, _)| c.ends_with(",norm")) {
            let column = column.trim_end_matches(",norm");
            let (Ok(z), Ok(y)) = (value.parse::<f64>(), row[column].parse::<f64>()) else {
                continue;
            };
            if z == -1.0 || (1.0 - z).abs() < 1e-9 {
                continue;
            }
            let chance = (y - z) / (1.0 - z);
            let (task, metric) = column.split_once("_3_").ok_or("a column without shots")?;
            let known = catalog
                .find_task(task)
                .and_then(|t| t.chance_for(metric))
                .ok_or_else(|| format!("{task} {metric}: no chance"))?;
            if (chance - known).abs() > 1e-6 {
                return Err(format!("{task}: chance {chance}, catalogue {known}").into());
            }
            n_checked += 1;
        }
    }
    if n_checked < 1000 {
        return Err(format!("only {n_checked} chances were checked").into());
    }
    Ok(())
}
