//! The artefact and method questions on real results: Pythia on LAMBADA, ObsScaling on GSM8K.
//!
//! The data lie outside the repository, in `../shared` or where `UPTURN_SHARED` points.
//! Where they are missing the tests are reported as ignored.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};
use upturn_analysis::analyze;
use upturn_stats::artefact::link::{LinkPoint, fit_link_unweighted};
use upturn_types::{
    Analysis, AnalysisConfig, ArtefactVerdict, ConditionName, Known, LinkBasis, Measurement,
    MethodComparison, MethodVerdict, Outcome, View,
};

fn main() {
    let arguments = Arguments::from_args();
    let tests: [(&str, Check); 3] = [
        ("lambada_over_training", lambada_over_training),
        ("lambada_link_over_all_sizes", lambada_link),
        ("gsm8k_chain_of_thought", gsm8k),
    ];
    let shared = shared();
    let trials = tests
        .into_iter()
        .map(|(name, test)| match shared.clone() {
            Some(path) => Trial::test(name, move || test(&path)),
            None => {
                Trial::test(format!("{name} (no ../shared)"), || Ok(())).with_ignored_flag(true)
            }
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit();
}

/// A test on the data under a path.
type Check = fn(&Path) -> Result<(), Failed>;

fn shared() -> Option<PathBuf> {
    let path = std::env::var_os("UPTURN_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    path.join("data/pythia-v1").is_dir().then_some(path)
}

fn expect(holds: bool, message: String) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(message.into()) }
}

fn close(what: &str, got: f64, want: f64, tolerance: f64) -> Result<(), Failed> {
    expect(
        (got - want).abs() <= tolerance * want.abs(),
        format!("{what}: {got}, expected {want}"),
    )
}

/// Items of LAMBADA.
const N_LAMBADA: u64 = 5153;

/// Accuracy and perplexity of every checkpoint, zero-shot.
fn lambada(shared: &Path) -> Result<Vec<Measurement>, Failed> {
    let mut rows = Vec::new();
    for size in std::fs::read_dir(shared.join("data/pythia-v1"))? {
        let folder = size?.path();
        let model = folder.file_name().and_then(|n| n.to_str()).unwrap_or("");
        let name = model
            .trim_start_matches("pythia-")
            .trim_end_matches("-deduped");
        let (number, unit) = name.split_at(name.len() - 1);
        let params = number.parse::<f64>()? * if unit == "m" { 1e6 } else { 1e9 };
        for file in std::fs::read_dir(folder.join("zero-shot"))? {
            let path = file?.path();
            let text = std::fs::read_to_string(&path)?;
            let json: serde_json::Value = serde_json::from_str(&text)?;
            let scores = &json["results"]["lambada_openai"];
            let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or("");
            let step: u64 = stem.rsplit_once("step").ok_or("no step")?.1.parse()?;
            for (metric, key) in [("acc", "acc"), ("perplexity", "ppl")] {
                let value = scores[key].as_f64().ok_or("no score")?;
                let mut m = Measurement::new("Pythia", model, "lambada_openai", metric, value);
                m.stderr = scores[format!("{key}_stderr")].as_f64();
                m.checkpoint_step = Some(step);
                m.params = Some(params);
                m.tokens = Some(step as f64 * 2_097_152.0);
                m.flops = m.scale().six_nd();
                m.shots = Some(0);
                (m.n, m.n_kind) = (Some(N_LAMBADA), Some(Known::Reported));
                if metric == "acc" {
                    (m.chance, m.chance_kind) = (Some(0.0), Some(Known::Assumed));
                }
                rows.push(m);
            }
        }
    }
    expect(rows.len() == 432, format!("{} rows", rows.len()))?;
    Ok(rows)
}

fn outcome(analysis: &Analysis, model: &str, name: ConditionName) -> Result<Outcome, Failed> {
    let test = analysis
        .artefacts
        .iter()
        .find(|a| a.view == View::Training(model.into()))
        .ok_or("no artefact test")?;
    let condition = test.pairs[0].conditions.iter().find(|c| c.name == name);
    Ok(condition.ok_or("no condition")?.outcome)
}

/// The worked reference of METHODS §4.4 on the deduplicated series, whose ranks are the same:
/// «4.Pythia-12b», «4.Pythia-1.4b». The link's numbers are numpy's on these files.
fn lambada_over_training(shared: &Path) -> Result<(), Failed> {
    let analysis = analyze(lambada(shared)?, &AnalysisConfig::default());
    for (model, n_below, tau, p, link) in [
        (
            "pythia-12b-deduped",
            12,
            -0.748_113_400_3,
            0.000_378_601_814_4,
            [-1.415_602_2, 1.175_381_36, 3.382_346_42, 0.003_913_122_796],
        ),
        (
            "pythia-1.4b-deduped",
            11,
            -0.807_373_427_8,
            0.000_295_378_655_9,
            [-1.420_196_01, 1.180_891_78, 3.716_699_466, f64::NAN],
        ),
    ] {
        let test = analysis
            .artefacts
            .iter()
            .find(|a| a.view == View::Training(model.into()))
            .ok_or("no artefact test")?;
        let [pair] = &test.pairs[..] else {
            return Err("one graded metric expected".into());
        };
        expect(pair.n_below == n_below, format!("|S| = {}", pair.n_below))?;
        close("tau", pair.kendall_tau.ok_or("no tau")?, tau, 1e-9)?;
        close("p", pair.kendall_p.ok_or("no p")?, p, 1e-9)?;
        let found = pair.link.as_ref().ok_or("no link")?;
        expect(
            found.basis == LinkBasis::OtherSeries && found.n_series == 7,
            format!("{:?} of {}", found.basis, found.n_series),
        )?;
        expect(found.n_fit == 113, format!("{} in the fit", found.n_fit))?;
        close("ln kappa", found.ln_factor.ok_or("none")?, link[0], 1e-7)?;
        close("eta", found.exponent.ok_or("none")?, link[1], 1e-7)?;
        close("dispersion", found.dispersion.ok_or("none")?, link[2], 1e-7)?;
        if model.contains("12b") {
            let all = (found.n_inside, found.predictions.len());
            expect(all == (15, 15), format!("inside {all:?}"))?;
            close("RMSE", found.rmse.ok_or("none")?, link[3], 1e-6)?;
            let t = analysis
                .verdicts
                .iter()
                .find(|v| v.view == test.view && v.key == test.key)
                .and_then(|v| v.threshold.as_ref())
                .ok_or("no threshold")?;
            let steps = (t.lower_step, t.upper_step);
            expect(steps == (Some(1000), Some(3000)), format!("{steps:?}"))?;
        }
        for name in [ConditionName::ImprovesBelow, ConditionName::LinkPredicts] {
            let got = outcome(&analysis, model, name)?;
            expect(got == Outcome::Passed, format!("{model} {name:?}: {got:?}"))?;
        }
        // ln of the loss bends twice along training: the kink test objects.
        let kink = outcome(&analysis, model, ConditionName::NoKink)?;
        expect(kink == Outcome::Failed, format!("{model}: {kink:?}"))?;
        expect(
            test.verdict == ArtefactVerdict::Undetermined,
            format!("{:?}", test.verdict),
        )?;
    }
    let zeros = &analysis.artefacts[0].zeros;
    expect(!zeros.is_empty(), "no zeros".to_owned())?;
    for zero in zeros {
        let want = 1.0 - 0.05_f64.powf(1.0 / N_LAMBADA as f64);
        close("upper bound of a zero", zero.upper, want, 1e-9)?;
    }
    // The bits do not hang on the number of threads.
    let pool = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build();
    let rows = lambada(shared)?;
    let one = pool(1)?.install(|| analyze(rows.clone(), &AnalysisConfig::default()));
    let three = pool(3)?.install(|| analyze(rows, &AnalysisConfig::default()));
    expect(
        one.artefacts == three.artefacts,
        "threads matter".to_owned(),
    )
}

/// «4.lambada log(-log acc)…» in form; its numbers are of the series that is not deduplicated,
/// these are numpy's on the deduplicated one.
fn lambada_link(shared: &Path) -> Result<(), Failed> {
    let mut cells: BTreeMap<(String, Option<u64>), [f64; 2]> = BTreeMap::new();
    for m in lambada(shared)? {
        let cell = cells
            .entry((m.model.to_string(), m.checkpoint_step))
            .or_insert([f64::NAN; 2]);
        cell[usize::from(&*m.metric == "acc")] = m.value;
    }
    let points: Vec<LinkPoint> = cells
        .values()
        .map(|[perplexity, acc]| LinkPoint {
            loss: perplexity.ln(),
            score: *acc,
            n: N_LAMBADA as f64,
            chance: 0.0,
            ceiling: 1.0,
        })
        .collect();
    let fit = fit_link_unweighted(&points).ok_or("no fit")?;
    expect(fit.n == 129, format!("{} points", fit.n))?;
    close("b0", fit.intercept, -1.443_541_81, 1e-7)?;
    close("b1", fit.exponent, 1.212_875_98, 1e-7)?;
    close("se0", fit.standard_errors().0, 0.012_466_97, 1e-6)?;
    close("se1", fit.standard_errors().1, 0.011_525_06, 1e-6)?;
    close("R2", fit.r2, 0.988_662_813, 1e-8)
}

/// GSM8K with 8 worked examples against 5 plain ones, by filter; models whose compute is known.
fn post_training(shared: &Path) -> Result<Vec<Measurement>, Failed> {
    let folder = shared.join("data/obs_scaling");
    let mut known = BTreeMap::new();
    let mut reader = csv::Reader::from_path(folder.join("base_llm_benchmark_eval.csv"))?;
    for row in reader.deserialize::<BTreeMap<String, String>>() {
        let row = row?;
        if let Ok(flops) = row["FLOPs (1E21)"].parse::<f64>() {
            known.insert(
                row["Model"].clone(),
                (row["Model Family"].clone(), flops * 1e21),
            );
        }
    }
    let mut rows = Vec::new();
    let mut reader = csv::Reader::from_path(folder.join("base_llm_post_training_eval.csv"))?;
    for row in reader.deserialize::<BTreeMap<String, String>>() {
        let row = row?;
        let Some((family, flops)) = known.get(&row["Model"]) else {
            continue;
        };
        for (method, column, shots) in [("cot", "gsm8k_cot_8", 8), ("direct", "gsm8k_5", 5)] {
            for filter in ["flexible-extract", "strict-match"] {
                let Ok(value) = row[&format!("{column}_exact_match,{filter}")].parse::<f64>()
                else {
                    continue;
                };
                let mut m = Measurement::new(family, &row["Model"], "gsm8k", "exact_match", value);
                m.flops = Some(*flops);
                m.method = method.into();
                m.shots = Some(shots);
                m.filter = Some(filter.into());
                (m.n, m.n_kind) = (Some(500), Some(Known::Reported));
                (m.chance, m.chance_kind) = (Some(0.0), Some(Known::Assumed));
                rows.push(m);
            }
        }
    }
    Ok(rows)
}

/// «6.gsm8k…»: counts after Holm, crossovers per family, the line of logit differences.
fn gsm8k(shared: &Path) -> Result<(), Failed> {
    let analysis = analyze(post_training(shared)?, &AnalysisConfig::default());
    let of = |filter: &str| -> Result<&MethodComparison, Failed> {
        let found = analysis
            .methods
            .iter()
            .find(|m| m.method.filter.as_deref() == Some(filter));
        Ok(found.ok_or("no comparison")?)
    };
    let flexible = of("flexible-extract")?;
    let counts = (flexible.n_models, flexible.n_better, flexible.n_worse);
    expect(counts == (80, 46, 0), format!("{counts:?}"))?;
    for (family, n, worse, better, from, z) in [
        (
            "Llama",
            4,
            0,
            4,
            Some(22.604_226_05),
            [3.515_132, 13.217_635],
        ),
        (
            "Llama-2",
            3,
            0,
            3,
            Some(22.924_279_29),
            [4.328_686, 13.101_791],
        ),
        ("Pythia", 8, 0, 0, None, [-0.580_846, 0.779_435]),
        ("OPT", 8, 0, 0, None, [0.0, -0.359_35]),
        (
            "Qwen1.5",
            7,
            0,
            7,
            Some(21.857_332_5),
            [8.838_866, 17.962_312],
        ),
        ("BLOOM", 4, 0, 0, None, [0.780_472, 0.531_069]),
        ("GPT-Neo/J", 5, 0, 1, Some(22.753_123_24), [0.0, 2.726_668]),
    ] {
        let found = flexible
            .families
            .iter()
            .find(|f| &*f.family == family)
            .ok_or(family)?;
        let runs = (
            found.effects.len(),
            found.scales.n_worse,
            found.scales.n_better,
        );
        expect(runs == (n, worse, better), format!("{family}: {runs:?}"))?;
        match (found.scales.better_from, from) {
            (Some(got), Some(want)) => close(family, got, want, 1e-9)?,
            (got, want) => expect(got == want, format!("{family}: {got:?}"))?,
        }
        let ends = [&found.effects[0], &found.effects[n - 1]];
        for (effect, z) in ends.into_iter().zip(z) {
            let p = upturn_stats::dist::norm_sf(z);
            expect(
                (effect.p_better - p).abs() <= 1e-5 * p.max(1e-9),
                format!("{family}: p {} for z {z}", effect.p_better),
            )?;
        }
        if better == n {
            expect(
                found.verdict == MethodVerdict::UniformlyHelpful,
                format!("{family}: {:?}", found.verdict),
            )?;
        }
    }
    let line = flexible.pooled.ok_or("no line")?;
    close("x mean", line.x_mean, 22.644_008_56, 1e-9)?;
    close("b0", line.intercept, 1.103_539_631, 1e-8)?;
    close("b1", line.slope, 0.605_857_623_8, 1e-8)?;
    close("se0", line.intercept_se, 0.080_492_717_74, 1e-8)?;
    close("se1", line.slope_se, 0.071_284_074_81, 1e-8)?;
    close("root", line.root, 20.822_558_13, 1e-9)?;
    let (low, high) = line.root_interval.ok_or("unbounded")?;
    close("Fieller, lower", low, 20.189_744_92, 1e-9)?;
    close("Fieller, upper", high, 21.243_888_76, 1e-9)?;
    // The strict filter: the two smallest Pythia are worse with it.
    let strict = of("strict-match")?;
    let pythia = strict
        .families
        .iter()
        .find(|f| &*f.family == "Pythia")
        .ok_or("no Pythia")?;
    let worse: Vec<bool> = pythia.effects[..2]
        .iter()
        .map(|e| e.p_worse <= 0.05)
        .collect();
    expect(worse == [true, true], format!("{:?}", pythia.effects))?;
    expect(pythia.hurts_below, "hurts below".to_owned())
}
