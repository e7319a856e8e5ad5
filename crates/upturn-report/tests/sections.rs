//! The longer sections: what they say, and that names from data stay names.

mod common;

use upturn_report::{HtmlOptions, Section, TextOptions, html, section, summary};
use upturn_types::*;

const HOSTILE: &str = "Evil<script>\u{1b}[31m";

fn interval(lower: f64, upper: f64) -> Option<Interval> {
    Some(Interval {
        lower: Some(lower),
        upper: Some(upper),
        confidence_level: 0.95,
    })
}

fn clustered(value: f64, lower: f64, upper: f64) -> Option<Clustered> {
    Some(Clustered {
        value,
        interval: interval(lower, upper),
        n: 73,
        n_clusters: 21,
    })
}

fn setting() -> TaskSetting {
    TaskSetting {
        task: "word_unscrambling".into(),
        subset: None,
        split: None,
        method: "direct".into(),
        shots: Some(2),
        filter: None,
        metric: "exact_match".into(),
    }
}

fn model(family: &str, name: &str, flops: f64, score: f64, label: Label) -> LabelledModel {
    LabelledModel {
        family: family.into(),
        tuning: None,
        model: name.into(),
        curve: CurveId("0".into()),
        scale: Scale {
            flops: Some(flops),
            params: Some(1e9),
            tokens: Some(1.4e12),
            train_loss_nats: None,
        },
        score,
        interval: interval(score - 0.01, score + 0.01),
        n: Some(2000),
        label,
        family_emergent: true,
        flags: vec!["code".into()],
    }
}

fn order(axis: Axis, tau: f64) -> AxisOrder {
    AxisOrder {
        axis,
        n_models: 73,
        n_families: 21,
        n_pairs: 1211,
        n_counterexamples: 3,
        n_strict: 3,
        discordance: clustered(0.0058, 0.001, 0.02),
        tau_b: clustered(tau, tau - 0.1, tau + 0.05),
        spearman: clustered(0.9, 0.8, 0.95),
        somers_d: None,
        counterexamples: vec![
            Counterexample {
                smaller: 0,
                larger: 1,
                gap: 0.497,
                strict: true,
            };
            3
        ],
    }
}

fn analysis() -> Analysis {
    let mut analysis = common::analysis();
    let total = CounterexampleTotal {
        axis: Axis::Flops,
        n_tasks: 4,
        n_tasks_with: 1,
        n_pairs: 1211,
        n_counterexamples: 7,
        n_strict: 3,
        discordance: clustered(0.0058, 0.001, 0.02),
    };
    analysis.counterexamples = Counterexamples {
        tasks: vec![TaskOrder {
            setting: setting(),
            aggregate: false,
            axis: Axis::Flops,
            models: vec![
                model("Phi", HOSTILE, 2.268e22, 0.082, Label::Above),
                model("OPT", "opt-66b", 7.128e22, 0.0135, Label::Near),
            ],
            n_families: 21,
            n_above: 34,
            n_near: 36,
            axes: vec![order(Axis::Flops, 0.85), order(Axis::Params, 0.65)],
            differences: vec![AxisDifference {
                first: Axis::Flops,
                second: Axis::Params,
                difference: clustered(0.2, 0.11, 0.28).expect("a value"),
            }],
            regressions: vec![AxisRegression {
                axes: vec![Axis::Flops],
                centres: vec![22.6],
                intercept: -0.99,
                slopes: vec![6.05],
                slope_errors: vec![1.96],
                family_sd: 0.2,
                penalised_log_likelihood: -11.389,
                left_out_log_score: Some(-12.97),
                auc: Some(0.989),
                n_models: 73,
                n_families: 21,
            }],
            equal_slopes: Some(EqualSlopes {
                difference: 4.49,
                standard_error: 2.1,
                interval: interval(0.32, 8.65).expect("an interval"),
                p: 0.035,
            }),
        }],
        totals: vec![total],
        traits: vec![CounterexampleTrait {
            axis: Axis::Flops,
            side: CounterexampleSide::Early,
            name: "tokens_per_param".into(),
            n_in: 13,
            n_out: 38,
            difference: clustered(-0.12, -0.71, 0.59),
            p: 0.99,
            p_bh: 1.0,
        }],
        published: vec![AgreementRow {
            ability: "emoji_movie".into(),
            model: "PaLM 62B".into(),
            published: Scale::default(),
            agreement: Agreement::DataNotPublished,
            reason: "no score of GPT-3 175B".into(),
            curves: Vec::new(),
        }],
    };
    let mass = |lower, upper, mass| ThresholdMass { lower, upper, mass };
    analysis.across = AcrossTasks {
        concentration: Some(Concentration {
            axis: Axis::Flops,
            n_curves: 4,
            n_tasks: 3,
            n_families: 2,
            n_bounded: 2,
            n_left_censored: 1,
            n_right_censored: 1,
            distribution: vec![
                mass(Some(22.41), Some(22.62), 0.75),
                mass(Some(22.85), None, 0.25),
            ],
            log_likelihood: -2.25,
            quartiles: [mass(Some(22.41), Some(22.62), 0.5); 3],
            sd: clustered(0.3, 0.1, 0.5),
            mad: None,
            sd_null: Some([0.32, 0.18, 0.47]),
            p: Some(0.49),
            n_draws: 10_000,
            cluster_bic: None,
            heterogeneity: None,
        }),
        traits: vec![TaskTrait {
            name: "answer".into(),
            question: TraitQuestion::Emergent,
            test: AssociationTest::Fisher,
            n_tasks: 50,
            n_unknown: 3,
            levels: vec![TraitLevel {
                level: HOSTILE.into(),
                n_tasks: 27,
                n_emergent: 14,
                value: 0.52,
                interval: interval(0.3, 0.7),
            }],
            statistic: None,
            df: None,
            cramers_v: Some(0.46),
            p: 0.002,
            p_bh: 0.019,
            pairs: Vec::new(),
        }],
        loss: vec![LossAgainstMetric {
            curve: CurveId("0".into()),
            key: analysis.curves[0].key.clone(),
            loss: LossSource::Proxy {
                task: "lambada_openai".into(),
                metric: "perplexity".into(),
            },
            all: clustered(-0.96, -0.98, -0.9),
            finished: clustered(-1.0, -1.0, -1.0),
            finished_p: Some(5e-5),
            near: clustered(-0.2, -0.43, 0.07),
            near_loss_range: Some(3.0),
        }],
        nobody: vec![NobodyYet {
            setting: setting(),
            n_families: 1,
            n_models: 8,
            n_near: 8,
            axis: Axis::Flops,
            largest_near: Some((HOSTILE.into(), 22.3)),
            family: Some("Pythia".into()),
            detectable: Some(0.06),
            n: Some(2000),
            trend_p: Some(0.2),
            needed: ScaleNeeded::CannotBeSaid {
                why: "scores do not rise with scale".into(),
            },
        }],
    };
    analysis
}

fn options(width: usize, unicode: bool) -> TextOptions {
    TextOptions {
        width,
        unicode,
        ..TextOptions::default()
    }
}

#[test]
fn the_front_page_gives_the_answer_and_names_the_rest() {
    let text = summary(&analysis(), &options(200, true));
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for said in [
        "7 of 1,211 pairs (0.6%, 95% interval over families 0.1% to 2%), on 1 of 4 tasks.",
        "training compute orders models better than parameters",
        "difference 0.20 [0.11, 0.28]; 73 models of 21 families",
        "no sign of a magic scale (p = 0.490",
        "--section counterexamples",
        "--section across",
    ] {
        assert!(text.contains(said), "{said}\n{text}");
    }
    // Nothing to say, nothing said.
    let none = summary(&common::analysis(), &options(200, true));
    assert!(!none.contains("--section"), "{none}");
}

#[test]
fn sections_hold_their_tables_in_any_width() {
    for width in [60, 100, 400] {
        for unicode in [true, false] {
            for which in Section::ALL {
                let text = section(&analysis(), which, &options(width, unicode));
                assert!(
                    !text.contains('\u{1b}') && text.lines().count() > 10,
                    "{text}"
                );
                assert!(unicode || text.is_ascii(), "{text}");
                for line in text.lines() {
                    assert!(line.chars().count() <= width, "{width}: {line}");
                }
            }
        }
    }
    let wide = section(&analysis(), Section::Counterexamples, &options(400, true));
    for said in [
        "3.14 times",
        "strict; has it: code; lacks it: code",
        "6.05 (se 1.96)",
        "tokens per param",
        "no score of GPT-3 175B",
        "compute alone does not say it all",
    ] {
        assert!(wide.contains(said), "{said}\n{wide}");
    }
    let across = section(&analysis(), Section::Across, &options(400, true));
    for said in [
        "2.6e22–4.2e22 FLOPs",
        "> 7.1e22 FLOPs",
        "perplexity of lambada_openai",
        "cannot be said: scores do not rise with scale",
        "Fisher exact infinite",
    ] {
        assert!(across.contains(said), "{said}\n{across}");
    }
}

#[test]
fn a_limit_cuts_tables_and_says_so() {
    let limited = TextOptions {
        limit: Some(1),
        ..options(400, true)
    };
    let text = section(&analysis(), Section::Counterexamples, &limited);
    assert!(text.contains("and 2 more"), "{text}");
    let empty = section(&common::analysis(), Section::Across, &options(100, true));
    assert!(empty.contains("Nothing here can be said"), "{empty}");
}

#[test]
fn the_page_holds_both_sections_and_no_markup_from_names() {
    let page = html(&analysis(), &HtmlOptions::default());
    assert!(page.contains("id=\"counterexamples\"") && page.contains("id=\"across\""));
    assert!(page.contains("Evil&lt;script&gt;"), "escaped");
    assert!(!page.contains("Evil<script>"));
    let without = html(&common::analysis(), &HtmlOptions::default());
    assert!(!without.contains("id=\"counterexamples\""));
}
