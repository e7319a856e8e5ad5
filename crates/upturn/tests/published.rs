//! Verdicts on published figures: what a reader of the papers would check first.

use std::sync::OnceLock;

use upturn::catalog::Catalog;
use upturn::types::{
    Analysis, AnalysisConfig, Attribute, Caveat, Known, Reason, Shape, Verdict, View,
};

fn analysis_of(name: &str) -> Analysis {
    let loaded = upturn::store::published::load(name, &Catalog::builtin()).expect("built in");
    upturn::analysis::analyze(loaded.measurements, &AnalysisConfig::default())
}

fn gpt3() -> &'static Analysis {
    static ANALYSIS: OnceLock<Analysis> = OnceLock::new();
    ANALYSIS.get_or_init(|| analysis_of("gpt3"))
}

fn all() -> &'static Analysis {
    static ANALYSIS: OnceLock<Analysis> = OnceLock::new();
    ANALYSIS.get_or_init(|| analysis_of("all"))
}

/// The verdict across models of eight sizes for a task, few-shot or zero-shot.
fn verdict<'a>(analysis: &'a Analysis, task: &str, few_shot: bool) -> &'a Verdict {
    let found: Vec<&Verdict> = analysis
        .verdicts
        .iter()
        .filter(|v| v.view == View::Across && &*v.key.task == task && v.n_models > 1)
        .filter(|v| {
            v.key
                .shots
                .is_none_or(|s| if few_shot { s > 1 } else { s == 0 })
        })
        .filter(|v| v.key.metric.starts_with("acc"))
        .collect();
    assert_eq!(
        found.len(),
        1,
        "{task}: {:?}",
        found.iter().map(|v| &v.key).collect::<Vec<_>>()
    );
    found[0]
}

fn upper_flops(verdict: &Verdict) -> f64 {
    verdict
        .threshold
        .as_ref()
        .and_then(|t| t.upper_scale.flops)
        .expect("a certified upper end")
}

fn lower_flops(verdict: &Verdict) -> f64 {
    verdict
        .threshold
        .as_ref()
        .and_then(|t| t.lower_scale.flops)
        .expect("a certified lower end")
}

#[test]
fn three_digit_arithmetic_emerges_at_13b_and_four_digit_at_175b() {
    for task in ["3D+", "3D-"] {
        let v = verdict(gpt3(), task, true);
        assert_eq!(v.shape, Shape::Emergent, "{task}");
        assert!(
            v.attributes.contains(&Attribute::Abrupt),
            "{task}: {:?}",
            v.attributes
        );
        assert_eq!(
            (lower_flops(v), upper_flops(v)),
            (1.20e22, 2.31e22),
            "{task}"
        );
        let upper = v.threshold.as_ref().and_then(|t| t.upper_model.clone());
        assert!(upper.is_some_and(|m| m.contains("13B")), "{task}");
    }
    for task in ["4D+", "4D-"] {
        let v = verdict(gpt3(), task, true);
        assert_eq!(v.shape, Shape::Emergent, "{task}");
        assert_eq!(
            (lower_flops(v), upper_flops(v)),
            (2.31e22, 3.14e23),
            "{task}"
        );
        assert!(
            v.caveats
                .iter()
                .any(|c| matches!(c, Caveat::NoModelNearThreshold { .. }))
        );
    }
}

#[test]
fn five_digit_arithmetic_is_a_weak_onset_at_175b() {
    for (task, score) in [("5D+", 0.093), ("5D-", 0.099)] {
        let v = verdict(gpt3(), task, true);
        assert_eq!(v.shape, Shape::WeakOnset, "{task}");
        assert_eq!(upper_flops(v), 3.14e23, "{task}");
        assert_eq!(v.largest.as_ref().map(|s| s.score), Some(score), "{task}");
    }
}

#[test]
fn closed_book_questions_are_smooth() {
    for task in ["NaturalQuestions", "WebQuestions"] {
        assert_eq!(verdict(gpt3(), task, true).shape, Shape::Smooth, "{task}");
    }
}

#[test]
fn word_in_context_zero_shot_is_below_chance_and_few_shot_not_emergent() {
    let zero = verdict(gpt3(), "WiC", false);
    assert_eq!(zero.reason, Some(Reason::BelowChance));
    let few = verdict(gpt3(), "WiC", true);
    assert_ne!(few.shape, Shape::Emergent);
}

#[test]
fn palm_word_in_context_says_what_three_sizes_and_an_assumed_n_can() {
    let palm = analysis_of("palm");
    let v = verdict(&palm, "WiC", true);
    assert_eq!(v.shape, Shape::InsufficientData);
    assert_eq!(v.reason, Some(Reason::TooFewScales));
    assert_eq!(v.n_scales, 3);
    assert!(
        v.caveats.iter().any(|c| matches!(
            c,
            Caveat::NAssumed {
                known: Known::Assumed,
                n: 638
            }
        )),
        "{:?}",
        v.caveats
    );
    assert!(!v.needs.is_empty());
    // The interval is given wherever anything is certified, undecided or not.
    assert!(v.threshold.is_some());
}

#[test]
fn every_undecided_verdict_says_what_would_decide_it() {
    let all = all();
    assert!(all.verdicts.len() > 500, "{}", all.verdicts.len());
    for v in all
        .verdicts
        .iter()
        .filter(|v| v.shape == Shape::InsufficientData)
    {
        assert!(v.reason.is_some(), "{}", v.key);
        let inherent = matches!(v.reason, Some(Reason::NoFloor | Reason::Composite));
        assert!(inherent || !v.needs.is_empty(), "{} {:?}", v.key, v.reason);
    }
}

#[test]
fn the_same_input_gives_the_same_bits_at_any_number_of_threads() {
    let at = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("threads");
        let analysis = pool.install(|| analysis_of("gpt3"));
        serde_json::to_string(&analysis).expect("json")
    };
    assert_eq!(at(1), at(3));
}

#[test]
fn analyses_survive_a_round_trip_through_json() {
    let text = serde_json::to_string(gpt3()).expect("json");
    let back: Analysis = serde_json::from_str(&text).expect("readable");
    assert_eq!(serde_json::to_string(&back).expect("json"), text);
}

#[test]
fn table_one_of_the_paper_is_answered_row_by_row() {
    use upturn::types::Agreement;
    let all = all();
    let claims = upturn::catalog::wei2022_claims();
    let rows = upturn::analysis::claims::compare(&all.verdicts, &claims);
    for claim in &claims {
        assert!(
            rows.iter().any(|r| r.ability == claim.ability),
            "{}",
            claim.ability
        );
    }
    let of = |start: &str| {
        rows.iter()
            .filter(|r| r.ability.starts_with(start))
            .collect::<Vec<_>>()
    };
    let three = of("Addition/subtraction (3 digit)");
    assert!(!three.is_empty() && three.iter().all(|r| r.agreement == Agreement::Agrees));
    assert!(
        of("Toxicity")
            .iter()
            .all(|r| r.agreement == Agreement::DataNotPublished)
    );
    assert!(rows.iter().all(|r| !r.reason.is_empty()));
}
