//! Check values on real results: who has word unscrambling among ObsScaling's base models,
//! and which axis orders them; loss against accuracy along Pythia's training.
//!
//! The data lie outside the repository, in `../shared` or where `UPTURN_SHARED` points.
//! Where they are missing the tests are reported as ignored.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};
use upturn_stats::across::{clustered_spearman, spearman, spearman_permutation_p};
use upturn_stats::ordering::{
    FamilyBootstrap, Standing, WithInterval, auc, counterexamples, family_bootstrap,
    left_out_log_score, mixed_logit,
};
use upturn_stats::recover::count;
use upturn_stats::tests::{holm_labels, test_point};
use upturn_types::Label;

fn main() {
    let arguments = Arguments::from_args();
    let tests: [(&str, Check); 4] = [
        ("labels_and_counterexamples", labels_and_counterexamples),
        ("axes_and_their_differences", axes_and_their_differences),
        ("regressions_on_axes", regressions_on_axes),
        ("loss_against_accuracy", loss_against_accuracy),
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
    path.join("data/obs_scaling").is_dir().then_some(path)
}

fn expect(holds: bool, message: String) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(message.into()) }
}

fn near(name: &str, got: f64, want: f64, tolerance: f64) -> Result<(), Failed> {
    expect(
        (got - want).abs() <= tolerance,
        format!("{name}: got {got}, want {want}"),
    )
}

/// The 73 base models with known N, D and C.
struct Models {
    name: Vec<String>,
    family: Vec<usize>,
    n_families: usize,
    score: Vec<f64>,
    /// log10 of C, N and D.
    axes: Vec<Vec<f64>>,
    standing: Vec<Standing>,
}

const N_ITEMS: u64 = 2000;

fn word_unscrambling(shared: &Path) -> Result<Models, Failed> {
    type Row = BTreeMap<String, String>;
    let read = |file: &str| -> Result<Vec<Row>, Failed> {
        let path = shared.join("data/obs_scaling").join(file);
        let rows: Result<Vec<Row>, csv::Error> =
            csv::Reader::from_path(path)?.deserialize().collect();
        Ok(rows?)
    };
    let scores: BTreeMap<String, String> = read("base_llm_emergent_capability_eval.csv")?
        .into_iter()
        .map(|row| {
            let score = row["word_unscrambling_2_exact_match"].clone();
            (row["Model"].clone(), score)
        })
        .collect();
    let mut rows: Vec<(String, String, [f64; 3], f64)> = read("base_llm_benchmark_eval.csv")?
        .iter()
        .filter_map(|row| {
            let number = |column: &str| row[column].parse::<f64>().ok();
            let score: f64 = scores.get(&row["Model"])?.parse().ok()?;
            let axes = [
                number("FLOPs (1E21)")? * 1e21,
                number("Model Size (B)")? * 1e9,
                number("Pretraining Data Size (T)")? * 1e12,
            ];
            Some((
                row["Model Family"].clone(),
                row["Model"].clone(),
                axes,
                score,
            ))
        })
        .collect();
    rows.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    let mut families: Vec<&String> = rows.iter().map(|r| &r.0).collect();
    families.dedup();
    let family = rows
        .iter()
        .map(|r| families.partition_point(|f| **f < r.0))
        .collect();
    let tests: Vec<_> = rows
        .iter()
        .map(|r| test_point(&count(r.3, N_ITEMS, None), 0.0, 1.0, 0.05, 0.05))
        .collect();
    let standing = holm_labels(&tests, 0.05)
        .into_iter()
        .map(|label| match label {
            Label::Above => Standing::Above,
            Label::Near => Standing::Near,
            _ => Standing::Open,
        })
        .collect();
    Ok(Models {
        name: rows.iter().map(|r| r.1.clone()).collect(),
        n_families: families.len(),
        family,
        score: rows.iter().map(|r| r.3).collect(),
        axes: (0..3)
            .map(|a| rows.iter().map(|r| r.2[a].log10()).collect())
            .collect(),
        standing,
    })
}

/// «7.word_unscrambling labels», «7.counterexample pairs», «7.largest-gap counterexamples».
fn labels_and_counterexamples(shared: &Path) -> Result<(), Failed> {
    let models = word_unscrambling(shared)?;
    let labelled = |wanted| models.standing.iter().filter(|s| **s == wanted).count();
    let labels = [Standing::Above, Standing::Near, Standing::Open].map(labelled);
    expect(labels == [34, 36, 3], format!("labels {labels:?}"))?;
    let pairs: Vec<_> = models
        .axes
        .iter()
        .map(|x| counterexamples(&models.family, &models.standing, x))
        .collect();
    let counts: Vec<usize> = pairs.iter().map(Vec::len).collect();
    expect(counts == [7, 146, 20], format!("by C, N, D: {counts:?}"))?;
    let widest: Vec<(&str, &str)> = pairs[0][..5]
        .iter()
        .map(|p| (&*models.name[p.smaller], &*models.name[p.larger]))
        .collect();
    let want = [
        ("microsoft/phi-2", "facebook/opt-66b"),
        ("microsoft/phi-2", "EleutherAI/gpt-neox-20b"),
        ("microsoft/phi-2", "bigcode/starcoderbase-7b"),
        ("microsoft/phi-2", "facebook/opt-30b"),
        ("Qwen/Qwen1.5-4B", "facebook/opt-66b"),
    ];
    expect(widest == want, format!("widest {widest:?}"))
}

fn interval_near(name: &str, got: WithInterval, want: [f64; 2]) -> Result<(), Failed> {
    let interval = got.and_then(|(_, i)| i).ok_or("no interval")?;
    let ends = [interval.lower, interval.upper].map(|e| e.unwrap_or(f64::NAN));
    near(&format!("{name} lower"), ends[0], want[0], 1e-9)?;
    near(&format!("{name} upper"), ends[1], want[1], 1e-9)
}

/// «7.discordance rate», «7.Kendall tau-b, Spearman, within-family Somers D»,
/// «7.family-cluster bootstrap tau-b», «7.tau_C - tau_N bootstrap».
fn axes_and_their_differences(shared: &Path) -> Result<(), Failed> {
    let models = word_unscrambling(shared)?;
    let estimates = family_bootstrap(
        &models.family,
        models.n_families,
        &models.standing,
        &models.score,
        &models.axes,
        &[(0, 1)],
        FamilyBootstrap {
            n_draws: 1000,
            seed: 7,
            confidence_level: 0.95,
        },
    );
    let want = [
        (
            0.005_780_346_821,
            0.852_993_818_9,
            0.957_515_34,
            0.931_818_181_8,
            132,
            [0.765_366_568_8, 0.925_278_787_8],
        ),
        (
            0.120_561_519_4,
            0.649_277_411,
            0.821_163_204_2,
            0.931_818_181_8,
            132,
            [0.571_014_980_3, 0.758_359_788_4],
        ),
        (
            0.016_515_276_63,
            0.633_574_299,
            0.821_259_083_4,
            0.722_222_222_2,
            36,
            [0.468_792_453_9, 0.751_236_215_5],
        ),
    ];
    for (axis, (got, want)) in ["C", "N", "D"].iter().zip(estimates.axes.iter().zip(want)) {
        let value = |estimate: WithInterval| estimate.map_or(f64::NAN, |e| e.0);
        near(axis, value(got.discordance), want.0, 1e-11)?;
        near(axis, value(got.tau_b), want.1, 1e-9)?;
        near(axis, value(got.spearman), want.2, 1e-9)?;
        near(axis, value(got.somers_d), want.3, 1e-9)?;
        expect(
            (got.n_pairs, got.n_within) == (1211, want.4),
            format!("{axis}: {got:?}"),
        )?;
        interval_near(axis, got.tau_b, want.5)?;
    }
    let (n_models, n_families, difference) = estimates.differences[0];
    expect(
        (n_models, n_families) == (73, 21),
        format!("{n_models} {n_families}"),
    )?;
    interval_near("C - N", difference, [0.110_399_065, 0.280_410_161])
}

/// «7.MAP …», «7.null MAP …»: optima within 1e-6, parameters within 1e-4.
fn regressions_on_axes(shared: &Path) -> Result<(), Failed> {
    let models = word_unscrambling(shared)?;
    let above: Vec<bool> = models
        .standing
        .iter()
        .map(|s| *s == Standing::Above)
        .collect();
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    let centred = |a: usize| -> Vec<f64> {
        let x = &models.axes[a];
        x.iter().map(|v| v - mean(x)).collect()
    };
    // (axes, intercept, slopes, family sd, penalised log-likelihood, AUC)
    type Row<'a> = (&'a [usize], f64, &'a [f64], f64, f64, Option<f64>);
    let rows: [Row<'_>; 5] = [
        (
            &[1],
            0.094_717_4,
            &[4.457_986_767],
            3.076_232_643,
            -24.976_073_13,
            Some(0.863_122_171_9),
        ),
        (
            &[2],
            -0.186_561_62,
            &[7.961_400_437],
            0.919_266_366,
            -14.735_545_66,
            Some(0.976_621_417_8),
        ),
        (
            &[0],
            -0.985_130_67,
            &[6.047_388_663],
            0.201_138_417,
            -11.389_491_28,
            Some(0.988_687_782_8),
        ),
        (
            &[1, 2],
            -0.730_720_41,
            &[3.905_480_421, 8.392_112_747],
            0.0,
            -8.579_160_612,
            None,
        ),
        (&[], 0.666_481_255, &[], 3.079_860_373, -34.607_323_6, None),
    ];
    for (axes, intercept, slopes, sd, penalised, area) in rows {
        let columns: Vec<Vec<f64>> = axes.iter().map(|a| centred(*a)).collect();
        let fit = mixed_logit(&columns, &above, &models.family).ok_or("no fit")?;
        let name = format!("{axes:?}");
        near(&name, fit.penalised, penalised, 1e-6)?;
        near(&name, fit.intercept, intercept, 1e-4)?;
        near(&name, fit.family_sd, sd, 1e-4)?;
        for (got, want) in fit.slopes.iter().zip(slopes) {
            near(&name, *got, *want, 1e-4)?;
        }
        if let Some(area) = area {
            near(&name, auc(&columns[0], &above).unwrap_or(0.0), area, 1e-9)?;
        }
        expect(
            fit.log_likelihood > fit.penalised && fit.covariance.is_some(),
            format!("{name}: {fit:?}"),
        )?;
    }
    near(
        "mean of log10 C",
        mean(&models.axes[0]),
        22.589_019_23,
        1e-7,
    )?;
    // Compute foretells a family never seen better than either of its parts.
    let score = |a: usize| left_out_log_score(&[centred(a)], &above, &models.family);
    let scores = [score(0), score(1), score(2)].map(|s| s.unwrap_or(f64::NAN));
    expect(
        scores[0] > scores[1] && scores[0] > scores[2],
        format!("left out {scores:?}"),
    )
}

/// Spearman's correlation of LAMBADA's negative log-likelihood with accuracy over the
/// deduplicated Pythia models. The check values «8.Spearman» are of the series that is not
/// deduplicated, which is not among the data; these are `scipy.stats.spearmanr` on what is.
fn loss_against_accuracy(shared: &Path) -> Result<(), Failed> {
    let root = shared.join("data/pythia-v1");
    if !root.is_dir() {
        return Err(format!("{} is missing", root.display()).into());
    }
    let mut results: BTreeMap<(String, u64), serde_json::Value> = BTreeMap::new();
    for size in std::fs::read_dir(&root)? {
        let size = size?;
        for file in std::fs::read_dir(size.path().join("zero-shot"))? {
            let path = file?.path();
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let step = stem.rsplit_once("step").ok_or("no step")?.1.parse()?;
            let mut json: serde_json::Value = serde_json::from_slice(&std::fs::read(&path)?)?;
            results.insert(
                (size.file_name().to_string_lossy().into_owned(), step),
                json["results"].take(),
            );
        }
    }
    for (task, all, finished) in [
        ("arc_easy", -0.963_998_664_349_210_9, -1.0),
        ("sciq", -0.959_241_005_448_804_6, -0.976_190_476_190_476_3),
        ("arc_challenge", -0.491_204_818_309_571_9, -1.0),
    ] {
        let mut sizes: Vec<&String> = results.keys().map(|k| &k.0).collect();
        sizes.dedup();
        let (mut loss, mut score, mut cluster) = (Vec::new(), Vec::new(), Vec::new());
        let mut last: Vec<(f64, f64)> = vec![(0.0, 0.0); sizes.len()];
        for ((size, _), result) in &results {
            let number = |task: &str, metric: &str| {
                result[task][metric]
                    .as_f64()
                    .ok_or(format!("{task} {metric}"))
            };
            loss.push(number("lambada_openai", "ppl")?.ln());
            score.push(number(task, "acc")?);
            cluster.push(sizes.partition_point(|s| *s < size));
            last[cluster[cluster.len() - 1]] = (loss[loss.len() - 1], score[score.len() - 1]);
        }
        let (value, interval) =
            clustered_spearman(&loss, &score, &cluster, 1000, 1).ok_or("no correlation")?;
        near(task, value, all, 1e-9)?;
        let interval = interval.ok_or("no interval")?;
        expect(
            interval.lower < Some(value) && interval.upper > Some(value),
            format!("{task}: {interval:?}"),
        )?;
        let (x, y): (Vec<f64>, Vec<f64>) = last.into_iter().unzip();
        near(task, spearman(&x, &y).unwrap_or(0.0), finished, 1e-12)?;
        // Two of 8! orders are that extreme; at -.976 a few more.
        let p = spearman_permutation_p(&x, &y, 999, 1).unwrap_or(1.0);
        expect(p < 0.001, format!("{task}: p {p}"))?;
    }
    Ok(())
}
