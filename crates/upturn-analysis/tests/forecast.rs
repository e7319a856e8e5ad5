//! Forecasts of measurements: subjects, pooling, cut-offs, scoring, benchmarks.

use upturn_analysis::backtests::{
    ALL_FAMILIES, ForecastChoices, Target, backtests, score, subjects,
};
use upturn_analysis::observational::{ObservationalChoices, columns, forecast};
use upturn_analysis::through_loss::{LossSource, collapse_test};
use upturn_analysis::{analyze, curves_of};
use upturn_types::{AnalysisConfig, Curve, Measurement, Predictability};

fn rise(x: f64) -> f64 {
    0.25 + 0.75 / (1.0 + (-(1.2 * (x - 21.9))).exp())
}

/// Nine sizes of a family, half a decade apart.
fn family(name: &str, task: &str, y: impl Fn(f64) -> f64) -> Vec<Measurement> {
    (0..9)
        .map(|i| {
            let x = 19.5 + 0.5 * f64::from(i);
            let score = (2000.0 * y(x)).round() / 2000.0;
            let mut m = Measurement::new(name, &format!("{name}-{i}"), task, "acc", score);
            m.flops = Some(10f64.powf(x));
            m.params = Some(10f64.powf(0.5 * x - 1.0));
            m.train_loss_nats = Some(30.0 - x);
            m.n = Some(2000);
            m.chance = Some(0.25);
            m.source = "here".into();
            m
        })
        .collect()
}

fn curves(rows: Vec<Measurement>) -> Vec<Curve> {
    curves_of(rows, &AnalysisConfig::default()).curves
}

fn choices() -> ForecastChoices {
    ForecastChoices::of(&AnalysisConfig::default())
}

#[test]
fn an_analysis_holds_its_backtests() {
    let rows = family("A", "even", rise);
    let analysis = analyze(rows, &AnalysisConfig::default());
    assert_eq!(analysis.backtests.len(), 1);
    let test = &analysis.backtests[0];
    assert_eq!(test.cutoffs.len(), 4);
    let head = test.headline().unwrap();
    assert_eq!((head.cutoff, head.n_test_scales), (21.5, 4));
    assert_eq!(head.verdict, Predictability::Predictable);
    assert_eq!(head.predictions[3].model.as_deref(), Some("A-8"));
    assert!(test.cutoffs[0].predictions.is_empty());
}

#[test]
fn families_are_pooled_only_where_asked() {
    let mut rows = family("A", "even", rise);
    rows.extend(family("B", "even", |x| rise(x - 0.3)));
    let curves = curves(rows);
    let config = AnalysisConfig::default();
    assert_eq!(subjects(&curves, &config, false).len(), 2);
    let pooled = subjects(&curves, &config, true);
    assert_eq!(pooled.len(), 1);
    assert_eq!(&*pooled[0].key.family, ALL_FAMILIES);
    assert_eq!(pooled[0].points.len(), 18);
    let tests = backtests(&pooled, &choices());
    assert_eq!(tests[0].curve, None);
    assert_eq!(tests[0].cutoffs[0].likelihood, "beta_binomial");
}

#[test]
fn what_cannot_be_forecast_says_why() {
    let curves = curves(family("A", "even", rise));
    let all = subjects(&curves, &AnalysisConfig::default(), false);
    let why = all[0]
        .forecast(Some(20.2), &[], &choices(), false)
        .unwrap_err();
    assert!(why.contains("2 usable scales"), "{why}");
    let why = all[0].forecast(None, &[], &choices(), false).unwrap_err();
    assert!(why.contains("no scale asked for"), "{why}");
}

#[test]
fn a_saved_forecast_meets_its_outcome() {
    let whole = family("A", "even", rise);
    let early: Vec<Measurement> = whole[..6].to_vec();
    let config = AnalysisConfig::default();
    let early = curves(early);
    let targets: Vec<Target> = [22.5, 23.0, 23.5]
        .map(|x| Target { model: None, x })
        .to_vec();
    let saved = subjects(&early, &config, false)[0]
        .forecast(None, &targets, &choices(), true)
        .unwrap();
    assert_eq!(saved.n_train, 6);
    assert_eq!(saved.designs.len(), 12);
    let later = curves(whole);
    let found = score(&saved, &subjects(&later, &config, false), 0.05).unwrap();
    assert_eq!(found.n_missing, 0);
    assert!(found.errors.unwrap().max_error < 0.05);
    // Three scales are too few to be called predictable.
    assert_eq!(found.verdict, Predictability::Undetermined);
    let other = curves(family("B", "even", rise));
    assert_eq!(score(&saved, &subjects(&other, &config, false), 0.05), None);
}

#[test]
fn a_score_follows_from_others() {
    let mut rows = Vec::new();
    for (name, shift) in [("A", 0.0), ("B", 0.5)] {
        rows.extend(family(name, "mmlu", |x| rise(x - shift + 0.5)));
        rows.extend(family(name, "hellaswag", |x| rise(x - shift + 1.5)));
        rows.extend(family(name, "even", |x| rise(x - shift)));
    }
    // One benchmark without a number of items: it counts all the same.
    for m in rows.iter_mut().filter(|m| &*m.task == "mmlu") {
        (m.n, m.value) = (None, m.value + 1e-7);
    }
    let curves = curves(rows);
    let pooled = subjects(&curves, &AnalysisConfig::default(), true);
    let target = pooled.iter().find(|s| &*s.key.task == "even").unwrap();
    let names = ["MMLU", "HellaSwag", "ARC-C"].map(str::to_owned);
    let (columns, missing) = columns(&curves, &names);
    assert_eq!((columns.len(), missing), (2, vec!["ARC-C".to_owned()]));
    let choices = ObservationalChoices {
        cutoff: 22.0,
        n_components: 2,
        ridge: 0.0,
        n_draws: 100,
    };
    let found = forecast(target, &columns, &choices, 1).unwrap();
    assert_eq!((found.n_train, found.n_test), (12, 6));
    let law = |name: &str| found.laws.iter().find(|l| l.regressor == name).unwrap();
    // Two families lie on one curve of their abilities, and on two of compute.
    assert!(
        law("1 component").mse_train < 0.1 * law("flops").mse_train,
        "{:?}",
        found.laws
    );
    assert!(found.laws.iter().all(|l| l.mse_test.is_some()));
    assert_eq!(found, forecast(target, &columns, &choices, 1).unwrap());
}

#[test]
fn a_loss_that_explains_everything_collapses() {
    let rows = family("A", "even", rise);
    let curves = curves(rows);
    let test = collapse_test(&curves, &curves[0], &LossSource::Training);
    // One checkpoint for each of nine sizes leaves no freedom.
    assert!(test.unwrap_err().contains("four points more than sizes"));
}
