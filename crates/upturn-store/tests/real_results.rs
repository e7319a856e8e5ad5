//! Real results, read whole: Pythia's checkpoints in the format of 2022–23, and
//! runs of today's harness with their samples.

use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};
use upturn_catalog::Catalog;
use upturn_store::{Import, ReadOptions, read};
use upturn_types::{Known, Measurement, Severity, flag};

fn shared() -> PathBuf {
    std::env::var_os("UPTURN_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    )
}

fn main() {
    let args = Arguments::from_args();
    let trial = |name: &str, data: &str, test: fn(&Path) -> Result<(), Failed>| {
        let path = shared().join(data);
        let absent = !path.is_dir();
        let name = if absent {
            format!("{name} (no {data} in ../shared or UPTURN_SHARED)")
        } else {
            name.to_owned()
        };
        Trial::test(name, move || test(&path)).with_ignored_flag(absent)
    };
    libtest_mimic::run(
        &args,
        vec![
            trial("pythia_is_read_whole", "data/pythia-v1", pythia),
            trial(
                "order_of_threads_does_not_matter",
                "data/pythia-v1",
                threads,
            ),
            trial("runs_with_samples_are_read", "reference/results", reference),
            trial("samples_stand_alone", "reference/results", samples_alone),
            trial("formats_carry_real_rows", "data/pythia-v1", formats),
        ],
    )
    .exit();
}

fn import(inputs: &[PathBuf]) -> Import {
    read(inputs, &ReadOptions::default(), &Catalog::builtin())
}

fn lines(import: &Import) -> Vec<String> {
    import.diagnostics.iter().map(ToString::to_string).collect()
}

fn only(import: &Import, pick: impl Fn(&Measurement) -> bool) -> Result<&Measurement, Failed> {
    let found: Vec<_> = import.measurements.iter().filter(|m| pick(m)).collect();
    match found.as_slice() {
        [one] => Ok(one),
        several => Err(format!("{} rows instead of one", several.len()).into()),
    }
}

fn pythia(path: &Path) -> Result<(), Failed> {
    let import = import(&[path.to_path_buf()]);
    assert_eq!(lines(&import), [""; 0]);
    assert_eq!(import.n_files, 336);
    assert_eq!(import.formats["lm-eval results (2022-23)"], 336);
    assert_eq!((import.n_rows, import.n_files_refused), (52_512, 0));
    assert_eq!(import.measurements.len(), 52_512);
    let all = |test: fn(&Measurement) -> bool| import.measurements.iter().all(test);
    assert!(all(|m| &*m.family == "Pythia" && &*m.source == "pythia-v1"));
    assert!(all(|m| m.checkpoint_step.is_some() && m.tokens.is_some()));
    assert!(all(|m| m.flops_kind == Some(Known::Derived)));
    let mut steps: Vec<_> = import
        .measurements
        .iter()
        .map(|m| m.checkpoint_step)
        .collect();
    steps.sort_unstable();
    steps.dedup();
    assert_eq!(steps.len(), 27);

    let first = only(&import, |m| {
        m.params == Some(7e7)
            && m.checkpoint_step == Some(0)
            && m.shots == Some(0)
            && &*m.task == "hendrycksTest-nutrition"
            && &*m.metric == "acc"
    })?;
    assert_eq!(
        (first.value, first.stderr),
        (0.179_738_562_091_503_27, Some(0.021_986_032_182_064_148))
    );
    assert_eq!((first.tokens, first.flops), (Some(0.0), Some(0.0)));
    assert_eq!((first.chance, first.n), (Some(0.25), None));

    let last = only(&import, |m| {
        m.params == Some(1.2e10)
            && m.checkpoint_step == Some(143_000)
            && m.shots == Some(5)
            && &*m.task == "arc_easy"
            && &*m.metric == "acc_norm"
    })?;
    let tokens = 143_000.0 * 2_097_152.0;
    assert_eq!(last.tokens, Some(tokens));
    assert_eq!(last.flops, Some(6.0 * 1.2e10 * tokens));
    assert_eq!(last.chance, Some(0.25));

    let stereotypes = import
        .measurements
        .iter()
        .filter(|m| m.task.starts_with("crows_pairs"));
    assert!(stereotypes.clone().count() > 0 && stereotypes.clone().all(|m| m.chance.is_none()));
    let zero_errors = import.measurements.iter().filter(|m| m.stderr == Some(0.0));
    assert!(
        zero_errors
            .clone()
            .all(|m| m.value == 0.0 || m.value == 1.0)
    );
    Ok(())
}

fn threads(path: &Path) -> Result<(), Failed> {
    let folder = path.join("pythia-70m-deduped");
    let one = ReadOptions {
        jobs: Some(1),
        ..ReadOptions::default()
    };
    let four = ReadOptions {
        jobs: Some(4),
        ..ReadOptions::default()
    };
    let catalog = Catalog::builtin();
    let (a, b) = (
        read(std::slice::from_ref(&folder), &one, &catalog),
        read(std::slice::from_ref(&folder), &four, &catalog),
    );
    assert_eq!(a.measurements, b.measurements);
    assert_eq!(lines(&a), lines(&b));
    Ok(())
}

fn reference(path: &Path) -> Result<(), Failed> {
    let import = import(&[path.to_path_buf()]);
    let errors: Vec<String> = import
        .diagnostics
        .iter()
        .filter(|d| d.severity == Severity::Error)
        .map(ToString::to_string)
        .collect();
    assert_eq!(errors, [""; 0]);
    // No sample contradicts its results; the only lines are the models that no catalogue knows.
    assert_eq!(import.diagnostics.len(), 12, "{:?}", lines(&import));
    assert_eq!(import.formats["lm-eval results"], 12);
    assert_eq!(import.formats["lm-eval samples"], 96);
    assert_eq!((import.n_files, import.n_files_refused), (108, 0));

    let row = |task: &str, metric: &str| {
        only(&import, |m| {
            &*m.model == "models/gpt2-48x2" && &*m.task == task && &*m.metric == metric
        })
    };
    let acc = row("up_arith_mc", "acc")?;
    assert_eq!((&*acc.family, &*acc.source), ("gpt2", "results"));
    assert_eq!(acc.value, 0.241_666_666_666_666_67);
    assert_eq!(
        (acc.n, acc.n_kind, acc.shots),
        (Some(120), Some(Known::Reported), Some(3))
    );
    assert_eq!(
        (acc.params, acc.split.as_deref()),
        (Some(118_080.0), Some("test"))
    );
    // Four choices, told by the samples: the catalogue does not know the task.
    assert_eq!(
        (acc.chance, acc.chance_kind),
        (Some(0.25), Some(Known::Derived))
    );
    let prob = row("up_arith_mc", "choice_prob")?;
    assert!(prob.value > 0.0 && prob.value < 1.0 && prob.stderr.is_some());
    // Brier scores from the samples are those of the harness: it prints one for this task.
    let brier = row("up_ending", "brier_score")?;
    assert_eq!(brier.note, None);
    let em = row("up_unscramble", "exact_match")?;
    assert_eq!(
        (em.filter.as_deref(), em.stderr),
        (Some("first_word"), Some(0.0))
    );
    assert_eq!(
        row("up_rewrite", "bleu")?.value,
        0.222_680_954_207_295_64 * 0.01
    );
    assert!(row("up_cloze", "target_logprob")?.value < 0.0);
    assert!(import.measurements.iter().all(|m| !m.has(flag::AGGREGATE)));
    Ok(())
}

/// Without results files the samples give the same means and errors, and the Brier score.
fn samples_alone(path: &Path) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let model = folder.path().join("gpt2-48x2");
    std::fs::create_dir(&model)?;
    for task in ["up_arith_mc", "up_ending", "up_cloze"] {
        let name = format!("samples_{task}.jsonl");
        std::fs::copy(path.join("gpt2-48x2").join(&name), model.join(&name))?;
    }
    let alone = import(&[folder.path().to_path_buf()]);
    let with = import(&[path.join("gpt2-48x2")]);
    for (task, metric) in [
        ("up_arith_mc", "acc"),
        ("up_arith_mc", "acc_norm"),
        ("up_ending", "brier_score"),
        ("up_ending", "choice_prob"),
        ("up_cloze", "perplexity"),
    ] {
        let of = |import| only(import, |m| &*m.task == task && &*m.metric == metric);
        let (a, w) = (of(&alone)?, of(&with)?);
        assert!(
            (a.value - w.value).abs() < 1e-9,
            "{task} {metric}: {} {}",
            a.value,
            w.value
        );
        assert_eq!(a.n, w.n);
        if let (Some(a), Some(w)) = (a.stderr, w.stderr) {
            assert!((a - w).abs() < 1e-9, "{task} {metric}: {a} {w}");
        }
    }
    Ok(())
}

/// Real rows survive our own formats bit by bit.
fn formats(path: &Path) -> Result<(), Failed> {
    let mut rows = import(&[path.join("pythia-70m-deduped")]).measurements;
    let folder = tempfile::tempdir()?;
    let csv = folder.path().join("rows.csv");
    let parquet = folder.path().join("rows.parquet");
    upturn_store::canonical_csv::write_measurements(&csv, &rows)?;
    upturn_store::parquet::write_measurements(&parquet, &rows)?;
    rows.iter_mut().for_each(|m| m.origin = None);
    for file in [csv, parquet] {
        let mut back = import(&[file]);
        assert_eq!(lines(&back), [""; 0]);
        back.measurements.iter_mut().for_each(|m| m.origin = None);
        assert_eq!(back.measurements, rows);
    }
    Ok(())
}
