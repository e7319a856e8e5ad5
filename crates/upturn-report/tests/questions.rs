//! The artefact and method questions in every report.

mod common;

use upturn_report::{HtmlOptions, TextOptions, explain, html, summary};
use upturn_types::{
    Analysis, ArtefactTest, ArtefactVerdict, Axis, Condition, ConditionName, EffectTest, Interval,
    MethodArm, MethodComparison, MethodEffect, MethodFamily, MethodKind, MethodScales,
    MethodVerdict, Outcome, PairedMetric, View, ZeroScore,
};

/// The fixture with one onset held against a graded metric, and one method.
fn analysis() -> Analysis {
    let mut analysis = common::analysis();
    let verdict = analysis
        .verdicts
        .iter()
        .find(|v| &*v.key.task == "3D+" && v.view == View::Across)
        .expect("the fixture has 3D+")
        .clone();
    let condition = |name, outcome, why: &str| Condition {
        name,
        outcome,
        value: Some(0.004),
        threshold: Some(0.05),
        why: why.to_owned(),
    };
    let interval = |lower: f64, upper: f64| Interval {
        lower: Some(lower),
        upper: Some(upper),
        confidence_level: 0.9,
    };
    analysis.artefacts.push(ArtefactTest {
        curve: verdict.curve.clone(),
        key: verdict.key.clone(),
        view: verdict.view.clone(),
        axis: Axis::Flops,
        verdict: ArtefactVerdict::Artefact,
        why: "it improves smoothly below".to_owned(),
        onset: Some(interval(22.0, 22.5)),
        pairs: vec![PairedMetric {
            curve: verdict.curve.clone(),
            metric: "per<b>plexity".into(),
            loss: "ln perplexity".into(),
            verdict: ArtefactVerdict::Artefact,
            n_models: 8,
            n_below: 5,
            conditions: vec![
                condition(ConditionName::ImprovesBelow, Outcome::Passed, "it falls"),
                condition(ConditionName::NoKink, Outcome::Passed, "none seen"),
                condition(ConditionName::LinkPredicts, Outcome::CannotTell, "no link"),
                condition(ConditionName::FlatBelow, Outcome::Failed, "not flat"),
                condition(ConditionName::Kinked, Outcome::Failed, "no kink"),
                condition(ConditionName::BreakpointsMeet, Outcome::Failed, "apart"),
            ],
            overruled: None,
            kendall_tau: Some(-1.0),
            kendall_p: Some(0.004),
            link: None,
            kink: None,
        }],
        zeros: vec![ZeroScore {
            model: "GPT-3 125M".into(),
            checkpoint_step: None,
            n: 2000,
            upper: 0.0015,
            predicted: Some(0.001),
            p_zero: Some(0.135),
        }],
        task_law: None,
    });
    let arm = |method: &str| MethodArm {
        method: method.into(),
        tuning: None,
        shots: Some(8),
        filter: None,
    };
    analysis.methods.push(MethodComparison {
        task: "3D+".into(),
        split: None,
        metric: "acc".into(),
        source: "s".into(),
        kind: MethodKind::Method,
        method: arm("cot"),
        baseline: arm("direct"),
        n_models: 1,
        n_better: 1,
        n_worse: 0,
        pooled: None,
        pooled_off_floor: None,
        families: vec![MethodFamily {
            family: "GPT-3".into(),
            curve: upturn_types::CurveId("other".to_owned()),
            baseline: verdict.curve,
            axis: Axis::Flops,
            effects: vec![MethodEffect {
                model: "GPT-3 175B".into(),
                baseline_model: None,
                x: 23.5,
                score: 0.9,
                baseline: 0.4,
                n: Some(2000),
                difference: 0.5,
                interval: interval(0.47, 0.53),
                bounds: (0.48, 0.52),
                p_better: 1e-9,
                p_worse: 1.0,
                p_better_holm: 1e-9,
                p_worse_holm: 1.0,
                test: EffectTest::Mcnemar,
            }],
            n_scales: 4,
            near_margin: 0.05,
            substantial_margin: 0.1,
            verdict: MethodVerdict::EmergentMethod,
            hurts_below: false,
            scales: MethodScales {
                n_worse: 0,
                n_no_gain: 2,
                n_better: 1,
                worse_until: None,
                no_gain_until: Some(22.0),
                better_from: Some(23.5),
                confidence_level: 0.9,
            },
            shift: None,
            logit: None,
            gain: None,
        }],
    });
    analysis
}

#[test]
fn the_front_page_has_both() {
    let analysis = analysis();
    let text = summary(&analysis, &TextOptions::default());
    for part in [
        "Metric or ability",
        "1 onset under all-or-nothing metrics: 1 an artefact of the metric, 0 real",
        "1.0e22–3.2e22 FLOPs: artefact of the metric",
        "improves below the threshold: holds",
        "predicts the scores above: cannot be told",
        "What methods gain",
        "better in 1 and worse in 0 of 1 model",
        "GPT-3 (1.0e22–3.2e23 FLOPs)",
    ] {
        // Lines are wrapped where they are long.
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(part), "{part} not in:\n{text}");
    }
    let plain = TextOptions {
        unicode: false,
        ..TextOptions::default()
    };
    assert!(summary(&analysis, &plain).is_ascii());
    let none = summary(&common::analysis(), &TextOptions::default());
    assert!(!none.contains("Metric or ability") && !none.contains("What methods gain"));
}

#[test]
fn the_evidence_shows_every_condition_with_its_number() {
    let analysis = analysis();
    let verdict = analysis
        .verdicts
        .iter()
        .find(|v| v.curve == analysis.artefacts[0].curve)
        .expect("the curve has a verdict");
    let text = explain(&analysis, verdict, &TextOptions::default());
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "No kink: holds (0.0040 against 0.050). None seen.",
        "Flat below the threshold: fails",
        "scores 0 of 2,000, which says only that its rate is below 0.0015",
        "this zero is no evidence against it",
        "Against other methods",
        "McNemar's exact test on the same items",
        "GPT-3 175B +0.500 [0.470, 0.530]",
    ] {
        assert!(flat.contains(part), "{part} not in:\n{text}");
    }
}

#[test]
fn the_page_has_both_and_takes_no_markup_from_data() {
    let text = html(&analysis(), &HtmlOptions::default());
    for part in ["id=\"artefacts\"", "id=\"methods\"", "href=\"#artefacts\""] {
        assert!(text.contains(part), "{part}");
    }
    assert!(!text.contains("per<b>plexity") && text.contains("per&lt;b&gt;plexity"));
    let none = html(&common::analysis(), &HtmlOptions::default());
    assert!(!none.contains("id=\"artefacts\"") && !none.contains("id=\"methods\""));
}
