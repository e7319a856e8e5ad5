//! Trials on real results of public models, where they are at hand: `UPTURN_SHARED`, or
//! `../shared` beside the repository. Without them each trial is reported as ignored.

use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};
use upturn::catalog::Catalog;
use upturn::store::map::MapSpec;
use upturn::store::{Import, ReadOptions, read};
use upturn::types::{Analysis, AnalysisConfig, Severity, Shape, Verdict, View};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn shared() -> Option<PathBuf> {
    let named = std::env::var_os("UPTURN_SHARED").map(PathBuf::from);
    let beside = || root().join("../shared");
    Some(named.unwrap_or_else(beside)).filter(|p| p.join("data").is_dir())
}

fn load(path: PathBuf, map: Option<&str>) -> Result<Import, Failed> {
    let map = match map {
        None => None,
        Some(name) => {
            let file = root().join("examples/obs_scaling").join(name);
            Some(MapSpec::load(&file).map_err(|d| d.to_string())?)
        }
    };
    let options = ReadOptions {
        map,
        ..ReadOptions::default()
    };
    let import = read(&[path], &options, &Catalog::builtin());
    let errors: Vec<String> = import
        .diagnostics
        .iter()
        .filter(|d| d.severity == Severity::Error)
        .map(ToString::to_string)
        .collect();
    if errors.is_empty() {
        Ok(import)
    } else {
        Err(errors.join("\n").into())
    }
}

fn analyse(import: Import) -> Analysis {
    upturn::analysis::analyze(import.measurements, &AnalysisConfig::default())
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, found: T, wanted: T) -> Result<(), Failed> {
    if found == wanted {
        Ok(())
    } else {
        Err(format!("{what}: {found:?}, wanted {wanted:?}").into())
    }
}

/// The 0–based list of cells (task, family, shape, interval in log10 FLOPs).
type Cell = (&'static str, &'static str, Shape, Option<f64>, Option<f64>);

/// Cells recomputed independently from the same table with the same rules.
const CELLS: &[Cell] = &[
    (
        "word_unscrambling",
        "Pythia",
        Shape::Flat,
        Some(22.33445375),
        None,
    ),
    (
        "word_unscrambling",
        "OPT",
        Shape::Flat,
        Some(22.85296769),
        None,
    ),
    (
        "word_unscrambling",
        "Qwen1.5",
        Shape::Emergent,
        Some(22.413635),
        Some(22.76042248),
    ),
    (
        "word_unscrambling",
        "Llama",
        Shape::Smooth,
        None,
        Some(22.8920946),
    ),
    (
        "word_unscrambling",
        "Llama-2",
        Shape::InsufficientData,
        None,
        Some(22.92427929),
    ),
    (
        "word_unscrambling",
        "StarCoder",
        Shape::InsufficientData,
        Some(22.62324929),
        None,
    ),
    ("parsinlu_qa", "OPT", Shape::Flat, Some(22.85296769), None),
    (
        "parsinlu_qa",
        "Qwen1.5",
        Shape::InsufficientData,
        None,
        Some(23.52633928),
    ),
    (
        "arithmetic_2dm",
        "Pythia",
        Shape::Emergent,
        Some(21.25527251),
        Some(21.70243054),
    ),
    (
        "arithmetic_2dm",
        "OPT",
        Shape::Emergent,
        Some(21.46478752),
        Some(21.85949856),
    ),
    (
        "arithmetic_2dm",
        "GPT-Neo/J",
        Shape::Emergent,
        Some(21.4718782),
        Some(22.16413268),
    ),
    (
        "arithmetic_2dm",
        "Llama",
        Shape::Smooth,
        None,
        Some(22.60422605),
    ),
    (
        "arithmetic_2dm",
        "StarCoder",
        Shape::Smooth,
        None,
        Some(22.25527251),
    ),
    (
        "arithmetic_3ds",
        "Pythia",
        Shape::Emergent,
        Some(21.40140054),
        Some(21.70243054),
    ),
    (
        "arithmetic_3ds",
        "OPT",
        Shape::WeakOnset,
        Some(22.51054501),
        Some(22.85296769),
    ),
    (
        "arithmetic_3ds",
        "GPT-Neo/J",
        Shape::Emergent,
        Some(21.8327643),
        Some(22.16413268),
    ),
];

fn cell<'a>(analysis: &'a Analysis, task: &str, family: &str) -> Result<&'a Verdict, Failed> {
    let found: Vec<&Verdict> = analysis
        .verdicts
        .iter()
        .filter(|v| v.view == View::Across && v.key.task.contains(task) && &*v.key.family == family)
        .collect();
    match found[..] {
        [one] => Ok(one),
        _ => Err(format!("{task} {family}: {} verdicts", found.len()).into()),
    }
}

fn emergent_cells(shared: &Path) -> Result<(), Failed> {
    let table = shared.join("data/obs_scaling/base_llm_emergent_capability_eval.csv");
    let analysis = analyse(load(table, Some("emergent.toml"))?);
    for &(task, family, shape, lower, upper) in CELLS {
        let verdict = cell(&analysis, task, family)?;
        expect(&format!("{task} {family} shape"), verdict.shape, shape)?;
        let (low, high) = verdict
            .threshold
            .as_ref()
            .map_or((None, None), |t| (t.lower, t.upper));
        let close = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => (a - b).abs() < 1e-6,
            (a, b) => a == b,
        };
        if !close(low, lower) || !close(high, upper) {
            return Err(format!(
                "{task} {family}: ({low:?}, {high:?}], wanted ({lower:?}, {upper:?}]"
            )
            .into());
        }
    }
    Ok(())
}

fn pythia(shared: &Path) -> Result<(), Failed> {
    let import = load(shared.join("data/pythia-v1"), None)?;
    if import.n_files < 300 {
        return Err(format!("only {} files", import.n_files).into());
    }
    let analysis = analyse(import);
    let training = analysis
        .verdicts
        .iter()
        .filter(|v| matches!(v.view, View::Training(_)));
    let acquired = training
        .filter(|v| v.shape == Shape::AcquiredDuringTraining)
        .count();
    if acquired < 20 {
        return Err(format!("only {acquired} abilities acquired during training").into());
    }
    // 0-shot LAMBADA has a threshold along the training of every size from 410M on.
    let lambada = analysis
        .verdicts
        .iter()
        .find(|v| {
            &*v.key.task == "lambada_openai"
                && v.key.shots == Some(0)
                && &*v.key.metric == "acc"
                && matches!(&v.view, View::Training(m) if m.contains("1.4b"))
        })
        .ok_or("no trajectory of lambada_openai at 1.4B")?;
    expect("lambada 1.4B", lambada.shape, Shape::AcquiredDuringTraining)?;
    expect("n of lambada", lambada.n_items, Some((5153, 5153)))
}

fn other_tables(shared: &Path) -> Result<(), Failed> {
    for (table, map) in [
        ("base_llm_benchmark_eval.csv", "benchmark.toml"),
        ("base_llm_post_training_eval.csv", "post_training.toml"),
    ] {
        let analysis = analyse(load(
            shared.join("data/obs_scaling").join(table),
            Some(map),
        )?);
        if analysis.verdicts.is_empty() {
            return Err(format!("{table}: no verdicts").into());
        }
    }
    Ok(())
}

fn reference_results(shared: &Path) -> Result<(), Failed> {
    let analysis = analyse(load(shared.join("reference/results"), None)?);
    if analysis.curves.is_empty() {
        Err("no curves".into())
    } else {
        Ok(())
    }
}

/// A trial on the folder of shared data.
type Check = fn(&Path) -> Result<(), Failed>;

fn main() {
    let arguments = Arguments::from_args();
    let found = shared();
    let trials: [(&str, Check); 4] = [
        ("obs_scaling_emergent_cells", emergent_cells),
        ("obs_scaling_other_tables", other_tables),
        ("pythia_training_and_sizes", pythia),
        ("reference_results", reference_results),
    ];
    let trials = trials
        .into_iter()
        .map(|(name, run)| match found.clone() {
            Some(shared) => Trial::test(name, move || run(&shared)),
            None => {
                Trial::test(format!("{name} (no UPTURN_SHARED)"), || Ok(())).with_ignored_flag(true)
            }
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit();
}
