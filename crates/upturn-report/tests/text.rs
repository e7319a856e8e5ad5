//! Text reports of a small analysis: what they say, pinned, and what they must never do.

mod common;

use upturn_report::{TextOptions, agreement, citation, explain, summary};
use upturn_types::{Analysis, Shape, Verdict};

fn options(width: usize) -> TextOptions {
    TextOptions {
        width,
        ..TextOptions::default()
    }
}

fn verdict<'a>(analysis: &'a Analysis, task: &str) -> &'a Verdict {
    analysis
        .verdicts
        .iter()
        .find(|v| &*v.key.task == task)
        .expect("the fixture has this task")
}

/// Every text report of the fixture.
fn all(options: &TextOptions) -> Vec<String> {
    let a = common::analysis();
    let mut out = vec![summary(&a, options), agreement(&a, options)];
    out.extend(a.verdicts.iter().map(|v| explain(&a, v, options)));
    out
}

#[test]
fn summary_in_100_columns() {
    insta::assert_snapshot!(summary(&common::analysis(), &options(100)));
}

#[test]
fn summary_in_200_columns_is_a_table() {
    insta::assert_snapshot!(summary(&common::analysis(), &options(200)));
}

#[test]
fn summary_in_80_columns_of_ascii_with_plots_and_a_limit() {
    let options = TextOptions {
        width: 80,
        plot: true,
        limit: Some(2),
        unicode: false,
        ..TextOptions::default()
    };
    insta::assert_snapshot!(summary(&common::analysis(), &options));
}

#[test]
fn explanation_of_an_emergent_curve() {
    let a = common::analysis();
    insta::assert_snapshot!(explain(&a, verdict(&a, "3D+"), &options(100)));
}

#[test]
fn explanation_of_an_undecided_curve() {
    let a = common::analysis();
    insta::assert_snapshot!(explain(&a, verdict(&a, "WiC"), &options(100)));
}

#[test]
fn explanation_of_a_training_run() {
    let a = common::analysis();
    let options = TextOptions {
        plot: true,
        ..options(90)
    };
    insta::assert_snapshot!(explain(&a, verdict(&a, "arc_easy"), &options));
}

#[test]
fn a_kink_is_not_claimed_where_another_smooth_curve_fits_better() {
    let a = common::analysis();
    let mut v = verdict(&a, "3D+").clone();
    let says = |v: &Verdict| explain(&a, v, &options(400));
    v.kink.as_mut().expect("in the fixture").verdict = upturn_types::KinkVerdict::Kink;
    assert!(says(&v).contains("preferred to the smooth logistic"));
    assert!(!says(&v).contains("do not need a kink"));
    let fits = &mut v.fits.as_mut().expect("in the fixture").fits;
    let mut power = fits[1].clone();
    power.model = upturn_types::CurveModel::Power;
    power.aicc = Some(1990.0);
    fits.push(power);
    assert!(says(&v).contains("another smooth curve, the power, fits better"));
}

#[test]
fn one_comparable_model_has_no_share_of_the_evidence() {
    let a = common::analysis();
    let mut v = verdict(&a, "3D+").clone();
    let c = v.fits.as_mut().expect("in the fixture");
    for fit in &mut c.fits {
        let is_const = fit.model == upturn_types::CurveModel::Const;
        fit.aicc = fit.aicc.filter(|_| is_const);
        fit.weight = f64::from(u8::from(is_const));
    }
    c.best = Some(upturn_types::CurveModel::Const);
    let text = explain(&a, &v, &options(400));
    assert!(text.contains("Too few scales to weigh the models against each other"));
    assert!(
        !text.contains("100%") && !text.contains("Best: constant"),
        "{text}"
    );
}

#[test]
fn shapes_that_fall_are_named_apart() {
    let mut a = common::analysis();
    a.verdicts[0].shape = Shape::NonMonotone;
    a.counts.clear();
    let text = summary(&a, &options(120));
    assert!(text.contains("1 non-monotone"), "{text}");
    assert!(!text.contains("falling"), "{text}");
}

#[test]
fn agreement_with_published_claims() {
    insta::assert_snapshot!(agreement(&common::analysis(), &options(100)));
}

#[test]
fn nothing_to_compare_is_said() {
    let mut a = common::analysis();
    a.agreement.clear();
    assert_eq!(
        agreement(&a, &options(100)),
        "No published claims were compared.\n"
    );
}

#[test]
fn citations_carry_shape_interval_n_and_choices() {
    let a = common::analysis();
    let quotes: Vec<String> = a.verdicts.iter().map(|v| citation(&a, v)).collect();
    insta::assert_snapshot!(quotes.join("\n\n"));
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for width in [80, 100, 132, 160, 200] {
        for plot in [false, true] {
            let options = TextOptions {
                plot,
                unicode: false,
                ..options(width)
            };
            for text in all(&options) {
                for line in text.lines() {
                    assert!(line.len() <= width, "{} > {width}: {line}", line.len());
                }
            }
        }
    }
}

#[test]
fn plain_terminals_get_neither_colour_nor_foreign_characters() {
    let options = TextOptions {
        unicode: false,
        plot: true,
        ..options(100)
    };
    for text in all(&options) {
        assert!(text.chars().all(|c| c == '\n' || (' '..='~').contains(&c)));
    }
}

#[test]
fn names_cannot_steer_the_terminal_even_in_colour() {
    let options = TextOptions {
        color: true,
        plot: true,
        ..options(120)
    };
    for text in all(&options) {
        assert!(!text.contains('\u{202e}'));
        // Every escape is one of ours, and each is closed.
        let escapes: Vec<&str> = text.split('\u{1b}').skip(1).collect();
        for pair in escapes.chunks(2) {
            assert!(pair[0].starts_with('[') && !pair[0].starts_with("[0m"));
            assert!(pair[0].split_once('m').is_some_and(|(code, _)| {
                code[1..].chars().all(|c| c.is_ascii_digit() || c == ';')
            }));
            assert!(pair.get(1).is_some_and(|end| end.starts_with("[0m")));
        }
    }
}

#[test]
fn colour_changes_nothing_but_colour() {
    let strip = |text: &str| {
        let mut out = String::new();
        let mut rest = text;
        while let Some((head, tail)) = rest.split_once('\u{1b}') {
            out.push_str(head);
            rest = tail.split_once('m').map_or("", |(_, t)| t);
        }
        out + rest
    };
    let colored = TextOptions {
        color: true,
        ..options(100)
    };
    for (plain, colored) in all(&options(100)).iter().zip(all(&colored)) {
        let tidy = |t: &str| {
            t.lines()
                .map(|l| l.trim_end().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(tidy(plain), tidy(&strip(&colored)));
    }
}

#[test]
fn an_analysis_without_verdicts_is_still_worth_a_page() {
    let mut a = common::analysis();
    a.verdicts.clear();
    a.counts.clear();
    a.curves.clear();
    a.spread = None;
    let text = summary(&a, &options(80));
    assert!(text.contains("No curve could be judged."));
    assert!(text.contains("1 error"));
}

#[test]
fn undecided_is_never_called_flat_or_smooth() {
    let a = common::analysis();
    for v in a
        .verdicts
        .iter()
        .filter(|v| v.shape == Shape::InsufficientData)
    {
        let quote = citation(&a, v);
        assert!(quote.contains("undecided"), "{quote}");
        assert!(
            !quote.contains("flat") && !quote.contains("smooth"),
            "{quote}"
        );
    }
}

#[test]
fn one_sided_thresholds_are_told_for_undecided_curves_too() {
    let a = common::analysis();
    let text = summary(&a, &options(100));
    for certified in ["> 1.2e22 FLOPs", "≤ 2.3e22 FLOPs"] {
        assert!(
            text.contains(&format!("certified: {certified}")),
            "{certified}"
        );
    }
}
