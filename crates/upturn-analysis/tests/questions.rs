//! Which curves pair, and what items add, on small tables made for the purpose.

use upturn_analysis::item_scores::{ItemScores, TARGET_LOGPROB, wanted};
use upturn_analysis::{analyze, analyze_with_items, curves};
use upturn_types::{
    Analysis, AnalysisConfig, ArtefactVerdict, EffectTest, Known, LinkBasis, Measurement,
    MethodKind, MethodVerdict,
};

const N: u64 = 1000;

fn row(model: usize, method: &str, metric: &str, value: f64) -> Measurement {
    let mut m = Measurement::new("F", &format!("m{model}"), "sums", metric, value);
    m.method = method.into();
    m.shots = Some(4);
    m.flops = Some(10f64.powi(18 + model as i32));
    m.params = Some(10f64.powi(7 + model as i32 / 2) * (1.0 + model as f64));
    (m.n, m.n_kind) = (Some(N), Some(Known::Reported));
    if metric == "exact_match" {
        (m.chance, m.chance_kind) = (Some(0.0), Some(Known::Reported));
    } else {
        m.stderr = Some(0.01);
    }
    m
}

fn run(rows: Vec<Measurement>) -> Analysis {
    analyze(rows, &AnalysisConfig::default())
}

/// Direct answers that hardly rise, and a scratchpad that takes off at the fourth of six sizes.
fn scratchpad() -> Vec<Measurement> {
    let direct = [0.01, 0.01, 0.02, 0.02, 0.03, 0.05];
    let steps = [0.0, 0.01, 0.01, 0.30, 0.60, 0.80];
    (0..6)
        .flat_map(|i| {
            [
                row(i, "direct", "exact_match", direct[i]),
                row(i, "scratchpad", "exact_match", steps[i]),
            ]
        })
        .collect()
}

#[test]
fn a_scratchpad_is_held_against_direct_answers() {
    let analysis = run(scratchpad());
    let [comparison] = &analysis.methods[..] else {
        panic!("one comparison expected: {:?}", analysis.methods.len());
    };
    assert_eq!(comparison.kind, MethodKind::Method);
    assert_eq!(&*comparison.method.method, "scratchpad");
    assert_eq!((comparison.n_models, comparison.n_better), (6, 3));
    let family = &comparison.families[0];
    assert_eq!(family.verdict, MethodVerdict::EmergentMethod);
    assert_eq!(family.scales.no_gain_until, Some(20.0));
    assert_eq!(family.scales.better_from, Some(21.0));
    let shift = family.shift.expect("the method has a threshold");
    assert!(shift.shift.lower.is_some_and(|s| s >= 1.0), "{shift:?}");
    assert!(
        family
            .effects
            .iter()
            .all(|e| e.test == EffectTest::TwoProportions)
    );
}

#[test]
fn only_like_is_paired_with_like() {
    // Another filter, source or split is no baseline, nor are likelihoods of other targets.
    let change: [&dyn Fn(&mut Measurement); 4] = [
        &|m| m.filter = Some("strict".into()),
        &|m| m.source = "elsewhere".into(),
        &|m| m.split = Some("dev".into()),
        &|m| m.shots = Some(0),
    ];
    for change in change {
        let mut rows = scratchpad();
        for m in rows.iter_mut().filter(|m| &*m.method == "scratchpad") {
            change(m);
        }
        assert!(run(rows).methods.is_empty());
    }
    let mut rows = scratchpad();
    for m in &mut rows {
        m.metric = "target_logprob_per_token".into();
        m.value -= 2.0;
    }
    assert!(run(rows).methods.is_empty());
}

#[test]
fn tuned_models_and_more_examples_have_their_own_baselines() {
    let mut rows: Vec<Measurement> = Vec::new();
    for i in 0..5 {
        let base = 0.2 + 0.05 * i as f64;
        let mut plain = row(i, "direct", "exact_match", base);
        let mut none = row(i, "direct", "exact_match", base - 0.1);
        none.shots = Some(0);
        let mut tuned = row(i, "direct", "exact_match", base + 0.2);
        tuned.model = format!("m{i}-chat").into();
        tuned.tuning = Some("chat".into());
        for m in [&mut plain, &mut none, &mut tuned] {
            m.source = "s".into();
        }
        rows.extend([plain, none, tuned]);
    }
    let analysis = run(rows);
    let kinds: Vec<MethodKind> = analysis.methods.iter().map(|m| m.kind).collect();
    assert_eq!(kinds, [MethodKind::Tuning, MethodKind::Shots]);
    for m in &analysis.methods {
        assert_eq!(m.families[0].verdict, MethodVerdict::UniformlyHelpful);
    }
    let tuned = &analysis.methods[0].families[0].effects[0];
    assert_eq!(&*tuned.model, "m0-chat");
    assert_eq!(tuned.baseline_model.as_deref(), Some("m0"));
}

/// Item scores of a curve, the first `k` of N items right.
fn items(row: &Measurement, k: u64) -> ItemScores {
    ItemScores {
        key: curves::key(row),
        model: row.model.clone(),
        checkpoint_step: None,
        seed: None,
        scores: (0..N).map(|i| (i, f64::from(u8::from(i < k)))).collect(),
    }
}

#[test]
fn items_make_the_tests_paired() {
    let rows = scratchpad();
    let cells: Vec<ItemScores> = rows
        .iter()
        .map(|m| items(m, (m.value * N as f64).round() as u64))
        .collect();
    let config = AnalysisConfig::default();
    let analysis = analyze_with_items(rows.clone(), &cells, &config);
    let family = &analysis.methods[0].families[0];
    assert!(family.effects.iter().all(|e| e.test == EffectTest::Mcnemar));
    // Nested successes: 0.02 against 0.30 differ on 280 items, all one way.
    let p = family.effects[3].p_better;
    assert!(p < 1e-80, "{p}");
    assert!(
        family.effects[3].p_better < run(rows.clone()).methods[0].families[0].effects[3].p_better
    );
    // Items that are not all of the score's are not it.
    let mut partial = cells;
    for cell in &mut partial {
        cell.scores.truncate(10);
    }
    let analysis = analyze_with_items(rows, &partial, &config);
    let tests = &analysis.methods[0].families[0].effects;
    assert!(tests.iter().all(|e| e.test == EffectTest::TwoProportions));
}

/// Exact match and loss per token of one family, as the product of 8 tokens makes them.
fn product(i: usize) -> (f64, f64) {
    let loss = 4.0 * 10f64.powf(-0.25 * i as f64);
    let score = (-8.0 * loss).exp();
    ((score * N as f64).round() / N as f64, loss)
}

fn smooth() -> Vec<Measurement> {
    (0..9)
        .flat_map(|i| {
            let (score, loss) = product(i);
            let mut graded = row(i, "direct", "target_logprob_per_token", -loss);
            graded.stderr = Some(0.01 * loss);
            [row(i, "direct", "exact_match", score), graded]
        })
        .collect()
}

#[test]
fn an_onset_is_held_against_its_graded_metric() {
    let rows = smooth();
    let analysis = run(rows.clone());
    let [test] = &analysis.artefacts[..] else {
        panic!("one onset expected");
    };
    assert_eq!(test.pairs.len(), 1);
    // One family alone: nothing to fit a link on.
    assert_eq!(test.verdict, ArtefactVerdict::Undetermined);
    assert!(test.pairs[0].link.is_none());
    assert!(!test.zeros.is_empty());
    assert!(test.task_law.is_some());
    // With the log-probability of every item's target the product itself predicts.
    let keys = wanted(&analysis);
    assert!(keys.values().any(|k| &*k.metric == TARGET_LOGPROB));
    let cells: Vec<ItemScores> = rows
        .iter()
        .filter(|m| &*m.metric == "exact_match")
        .enumerate()
        .map(|(i, m)| {
            let mut key = curves::key(m);
            key.metric = TARGET_LOGPROB.into();
            let sum = -8.0 * product(i).1;
            ItemScores {
                key,
                model: m.model.clone(),
                checkpoint_step: None,
                seed: None,
                scores: (0..N).map(|item| (item, sum)).collect(),
            }
        })
        .collect();
    let analysis = analyze_with_items(rows, &cells, &AnalysisConfig::default());
    let pair = &analysis.artefacts[0].pairs[0];
    let link = pair.link.as_ref().expect("items");
    assert_eq!(link.basis, LinkBasis::PerItem);
    assert_eq!(link.n_inside, link.predictions.len());
    assert_eq!(
        pair.verdict,
        ArtefactVerdict::Artefact,
        "{:#?}",
        pair.conditions
    );
}

#[test]
fn an_onset_without_a_graded_metric_says_so() {
    let rows: Vec<Measurement> = smooth()
        .into_iter()
        .filter(|m| &*m.metric == "exact_match")
        .collect();
    let analysis = run(rows);
    let test = &analysis.artefacts[0];
    assert_eq!(test.verdict, ArtefactVerdict::Undetermined);
    assert!(test.pairs.is_empty() && test.why.contains("no graded metric"));
}
