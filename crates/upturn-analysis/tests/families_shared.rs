//! The whole analysis on ObsScaling's base models: labels, counterexamples and axes of word
//! unscrambling as specified, and the other tasks beside it.
//!
//! The data lie outside the repository, in `../shared` or where `UPTURN_SHARED` points.
//! Where they are missing the tests are reported as ignored.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};
use upturn_types::{Analysis, AnalysisConfig, Axis, Label, Measurement};

fn main() {
    let arguments = Arguments::from_args();
    let trial = match shared() {
        Some(path) => Trial::test("obs_scaling", move || obs_scaling(&path)),
        None => Trial::test("obs_scaling (no ../shared)", || Ok(())).with_ignored_flag(true),
    };
    libtest_mimic::run(&arguments, vec![trial]).exit();
}

fn shared() -> Option<PathBuf> {
    let path = std::env::var_os("UPTURN_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    path.join("data/obs_scaling").is_dir().then_some(path)
}

/// (column, task, metric, chance, items).
const TASKS: [(&str, &str, &str, f64, u64); 4] = [
    ("parsinlu_qa_2_acc", "parsinlu_qa", "acc", 0.25, 1050),
    (
        "word_unscrambling_2_exact_match",
        "word_unscrambling",
        "exact_match",
        0.0,
        2000,
    ),
    ("arithmetic_3ds_2_acc", "arithmetic_3ds", "acc", 0.0, 2000),
    ("arithmetic_2dm_2_acc", "arithmetic_2dm", "acc", 0.0, 2000),
];

fn analysis(shared: &Path) -> Result<Analysis, Failed> {
    type Row = BTreeMap<String, String>;
    let read = |file: &str| -> Result<Vec<Row>, Failed> {
        let path = shared.join("data/obs_scaling").join(file);
        let rows: Result<Vec<Row>, csv::Error> =
            csv::Reader::from_path(path)?.deserialize().collect();
        Ok(rows?)
    };
    let scores: BTreeMap<String, Row> = read("base_llm_emergent_capability_eval.csv")?
        .into_iter()
        .map(|row| (row["Model"].clone(), row))
        .collect();
    let mut rows = Vec::new();
    for model in read("base_llm_benchmark_eval.csv")? {
        let number = |column: &str, unit: f64| model[column].parse::<f64>().ok().map(|v| v * unit);
        for (column, task, metric, chance, n) in TASKS {
            let score = scores
                .get(&model["Model"])
                .and_then(|s| s[column].parse().ok());
            let Some(score) = score else { continue };
            let mut m =
                Measurement::new(&model["Model Family"], &model["Model"], task, metric, score);
            m.params = number("Model Size (B)", 1e9);
            m.tokens = number("Pretraining Data Size (T)", 1e12);
            m.flops = number("FLOPs (1E21)", 1e21);
            (m.chance, m.n, m.shots) = (Some(chance), Some(n), Some(2));
            rows.push(m);
        }
    }
    let config = AnalysisConfig {
        n_draws_max: 99,
        ..AnalysisConfig::default()
    };
    Ok(upturn_analysis::analyze(rows, &config))
}

fn expect(holds: bool, message: String) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(message.into()) }
}

fn obs_scaling(shared: &Path) -> Result<(), Failed> {
    let analysis = analysis(shared)?;
    let task = analysis
        .counterexamples
        .tasks
        .iter()
        .find(|t| &*t.setting.task == "word_unscrambling")
        .ok_or("word_unscrambling has counterexamples")?;
    let open = task
        .models
        .iter()
        .filter(|m| m.label == Label::Unresolved)
        .count();
    let labels = [task.n_above, task.n_near, open];
    expect(labels == [34, 36, 3], format!("labels {labels:?}"))?;
    let on = |axis: Axis| {
        let order = task.axes.iter().find(|a| a.axis == axis);
        order.ok_or(format!("no axis {}", axis.name()))
    };
    for (axis, n, tau) in [
        (Axis::Flops, 7, 0.852_993_818_9),
        (Axis::Params, 146, 0.649_277_411),
        (Axis::Tokens, 20, 0.633_574_299),
    ] {
        let order = on(axis)?;
        let estimate = order.tau_b.ok_or("no tau")?;
        expect(
            (order.n_counterexamples, order.n_pairs, order.n_models) == (n, 1211, 73)
                && (estimate.value - tau).abs() < 1e-9
                && (estimate.n, estimate.n_clusters) == (73, 21),
            format!("{axis:?}: {order:?}"),
        )?;
    }
    let widest = on(Axis::Flops)?.counterexamples[0];
    let names = (
        &*task.models[widest.smaller].model,
        &*task.models[widest.larger].model,
    );
    expect(
        names == ("microsoft/phi-2", "facebook/opt-66b"),
        format!("{names:?}"),
    )?;
    let penalised: Vec<f64> = task
        .regressions
        .iter()
        .map(|r| r.penalised_log_likelihood)
        .collect();
    let want = [
        -11.389_491_28,
        -24.976_073_13,
        -14.735_545_66,
        -8.579_160_612,
        -34.607_323_6,
    ];
    expect(
        penalised.len() == 5
            && penalised
                .iter()
                .zip(want)
                .all(|(g, w)| (g - w).abs() < 1e-6),
        format!("{penalised:?}"),
    )?;
    // Compute orders models better than parameters do, beyond what families explain.
    let difference = task
        .differences
        .iter()
        .find(|d| d.second == Axis::Params)
        .and_then(|d| d.difference.interval)
        .ok_or("no difference")?;
    expect(difference.lower > Some(0.0), format!("{difference:?}"))?;
    expect(
        task.equal_slopes.is_some(),
        "N and D have no common test".to_owned(),
    )?;
    expect(
        !analysis.counterexamples.traits.is_empty(),
        "no traits".to_owned(),
    )?;
    let concentration = analysis
        .across
        .concentration
        .as_ref()
        .ok_or("no concentration")?;
    let total: f64 = concentration.distribution.iter().map(|m| m.mass).sum();
    expect((total - 1.0).abs() < 1e-6, format!("{concentration:?}"))
}
