//! The page and the figures of a small analysis: their structure, and that data stays data.

mod common;

use upturn_report::{FigureOptions, HtmlOptions, ReportError, figure_png, figure_svg, html};
use upturn_types::{Analysis, Axis, CurveId, Verdict, View};

fn page(analysis: &Analysis) -> String {
    html(
        analysis,
        &HtmlOptions {
            title: "A study of <b>abilities</b>".to_owned(),
            generated: None,
        },
    )
}

fn chosen<'a>(analysis: &'a Analysis, tasks: &[&str]) -> Vec<&'a Verdict> {
    tasks
        .iter()
        .map(|task| {
            analysis
                .verdicts
                .iter()
                .find(|v| &*v.key.task == *task)
                .expect("the fixture has this task")
        })
        .collect()
}

/// Checks that tags are closed in order, as XML wants them; void elements of HTML aside.
fn assert_balanced(text: &str) {
    const VOID: [&str; 6] = ["meta", "br", "input", "link", "img", "!doctype"];
    let mut open: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some((_, tail)) = rest.split_once('<') {
        let (tag, after) = tail.split_once('>').expect("a tag ends");
        rest = after;
        let name: String = tag
            .trim_start_matches('/')
            .chars()
            .take_while(|c| !c.is_whitespace() && *c != '/')
            .collect();
        if tag.starts_with('/') {
            assert_eq!(open.pop().as_deref(), Some(name.as_str()));
        } else if !tag.ends_with('/') && !VOID.contains(&name.to_lowercase().as_str()) {
            if name == "script" || name == "style" {
                rest = rest.split_once(&format!("</{name}>")).expect("it ends").1;
            } else {
                open.push(name);
            }
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
}

#[test]
fn the_page_is_whole_and_alone() {
    let text = page(&common::analysis());
    assert_balanced(&text);
    for outside in ["http://", "https://", "src=", "@import", "url(", "<link"] {
        assert!(!text.contains(outside), "{outside}");
    }
    assert!(text.contains("default-src 'none'"));
    assert!(!text.contains("unsafe-inline"));
    for part in [
        "decided",
        "curves",
        "undecided",
        "nobody",
        "claims",
        "reading",
        "input",
        "quoting",
        "provenance",
    ] {
        assert!(text.contains(&format!("id=\"{part}\"")), "{part}");
    }
}

#[test]
fn hostile_names_stay_text() {
    let text = page(&common::analysis());
    // One script: ours.
    assert_eq!(text.matches("<script").count(), 1);
    assert!(text.contains("&lt;script&gt;"));
    for markup in [
        "<b>abilities",
        "<b>.json",
        "<b>CAUTION",
        "\u{1b}",
        "\u{202e}",
    ] {
        assert!(!text.contains(markup), "{markup:?}");
    }
}

#[test]
fn the_same_analysis_gives_the_same_bytes() {
    let (a, b) = (common::analysis(), common::analysis());
    assert_eq!(page(&a), page(&b));
    let v: Vec<&Verdict> = a.verdicts.iter().collect();
    let w: Vec<&Verdict> = b.verdicts.iter().collect();
    let options = FigureOptions::default();
    assert_eq!(figure_svg(&a, &v, &options), figure_svg(&b, &w, &options));
    assert_eq!(figure_png(&a, &v, &options), figure_png(&b, &w, &options));
}

#[test]
fn every_plot_has_a_name_and_a_description() {
    let text = page(&common::analysis());
    let plots: Vec<&str> = text.split("<svg ").skip(1).collect();
    // One for each verdict whose models have a scale.
    assert_eq!(plots.len(), common::analysis().verdicts.len() - 1);
    for plot in plots {
        let plot = plot.split("</svg>").next().unwrap_or_default();
        assert!(plot.contains("role=\"img\"") && plot.contains("aria-label="));
        assert!(plot.contains("<title>") && plot.contains("<desc>"));
        // Chance, points and their intervals.
        assert!(plot.contains("class=d") && plot.contains("class=w"));
    }
}

#[test]
fn rows_lead_to_their_plots() {
    let text = page(&common::analysis());
    let targets: Vec<&str> = text
        .split("href=\"#")
        .skip(1)
        .filter_map(|t| t.split('"').next())
        .collect();
    assert!(targets.len() > 15);
    for target in targets {
        assert!(text.contains(&format!("id=\"{target}\"")), "{target}");
    }
}

#[test]
fn a_thousand_curves_stay_under_three_megabytes() {
    let small = common::analysis();
    let mut large = small.clone();
    large.curves.clear();
    large.verdicts.clear();
    for i in 0..1000 {
        let j = i % small.verdicts.len();
        let mut v = small.verdicts[j].clone();
        let mut c = small
            .curves
            .iter()
            .find(|c| c.id == v.curve)
            .expect("its curve")
            .clone();
        v.curve = CurveId(format!("{i:012x}"));
        v.key.task = format!("task {i}").into();
        (c.id, c.key) = (v.curve.clone(), v.key.clone());
        large.curves.push(c);
        large.verdicts.push(v);
    }
    let n = page(&large).len();
    assert!(n < 3_000_000, "{n} bytes");
}

#[test]
fn figures_have_chance_decades_thresholds_and_a_legend() {
    let a = common::analysis();
    let svg = figure_svg(
        &a,
        &chosen(&a, &["3D+", "4D+", "NaturalQuestions", "cycled letters"]),
        &FigureOptions {
            columns: 2,
            ..FigureOptions::default()
        },
    )
    .expect("it has room");
    assert_balanced(&svg);
    for words in [
        ">chance<",
        ">10²²<",
        ">training compute (FLOPs)<",
        ">acc (score)<",
        "GPT-3: 1.2e22–2.3e22 FLOPs",
        "GPT-3: &gt; 1.2e22 FLOPs",
        ">fitted curve<",
        ">95% interval<",
        "threshold, certified to lie here",
    ] {
        assert!(svg.contains(words), "{words}");
    }
    assert_eq!(svg.matches("<desc>").count(), 4);
    // Eight models in each panel, and one dot in the legend.
    assert_eq!(svg.matches("<circle").count(), 33);
}

#[test]
fn step_zero_stands_before_an_axis_break() {
    let a = common::analysis();
    let v = chosen(&a, &["arc_easy"]);
    let svg = figure_svg(&a, &v, &FigureOptions::default()).expect("it has room");
    assert!(svg.contains(">0</text>"));
    // All ten checkpoints, step 0 among them, and the legend's dot.
    let shapes = svg.matches("<circle").count();
    assert_eq!(shapes, 11);
}

#[test]
fn another_axis_moves_points_and_threshold_and_drops_the_fit() {
    let a = common::analysis();
    let svg = figure_svg(
        &a,
        &chosen(&a, &["3D+"]),
        &FigureOptions {
            axis: Axis::Params,
            ..FigureOptions::default()
        },
    )
    .expect("it has room");
    assert!(svg.contains("GPT-3: 6.7B–13B params") && svg.contains(">10B<"));
    assert!(!svg.contains("fitted curve"));
}

#[test]
fn a_constant_is_not_drawn_over_a_certified_rise() {
    let mut a = common::analysis();
    for v in &mut a.verdicts {
        if let Some(fits) = &mut v.fits {
            fits.best = Some(upturn_types::CurveModel::Const);
        }
    }
    let svg =
        figure_svg(&a, &chosen(&a, &["3D+"]), &FigureOptions::default()).expect("it has room");
    assert!(!svg.contains("fitted curve"));
}

#[test]
fn families_measured_alike_share_a_panel() {
    let mut a = common::analysis();
    let i = a
        .verdicts
        .iter()
        .position(|v| &*v.key.task == "4D+")
        .expect("4D+");
    a.verdicts[i].key.family = "Gopher".into();
    a.verdicts[i].key.task = "3D+".into();
    let v = chosen(&a, &["3D+"]);
    let both = [v[0], &a.verdicts[i]];
    let svg = figure_svg(&a, &both, &FigureOptions::default()).expect("it has room");
    assert_eq!(svg.matches("<desc>").count(), 1);
    for color in ["#0072b2", "#d55e00"] {
        assert!(svg.contains(color), "{color}");
    }
}

#[test]
fn hostile_names_stay_text_in_figures() {
    let a = common::analysis();
    let v: Vec<&Verdict> = a.verdicts.iter().collect();
    let svg = figure_svg(&a, &v, &FigureOptions::default()).expect("it has room");
    assert_balanced(&svg);
    assert!(!svg.contains("<script") && !svg.contains('\u{1b}'));
    assert!(svg.contains("scale of the models unknown"));
}

#[test]
fn a_png_has_the_size_asked_for_and_is_not_blank() {
    let a = common::analysis();
    let png = figure_png(
        &a,
        &chosen(&a, &["3D+", "4D+"]),
        &FigureOptions {
            width_px: 900,
            height_px: 500,
            columns: 2,
            ..FigureOptions::default()
        },
    )
    .expect("it has room");
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    let number = |at: usize| u32::from_be_bytes([png[at], png[at + 1], png[at + 2], png[at + 3]]);
    assert_eq!((number(16), number(20)), (900, 500));
    // A blank image of this size takes less than 3 kB.
    assert!(png.len() > 8_000, "{} bytes", png.len());
}

#[test]
fn what_cannot_be_drawn_is_refused_with_the_reason() {
    let a = common::analysis();
    assert_eq!(
        figure_svg(&a, &[], &FigureOptions::default()),
        Err(ReportError::NothingToDraw)
    );
    let v = chosen(&a, &["3D+", "4D+"]);
    for (width_px, height_px) in [
        (900, 80),
        (60, 600),
        (0, 0),
        (u32::MAX, 500),
        (900, u32::MAX),
    ] {
        let options = FigureOptions {
            width_px,
            height_px,
            ..FigureOptions::default()
        };
        assert!(matches!(
            figure_svg(&a, &v, &options),
            Err(ReportError::Size { .. })
        ));
    }
}

#[test]
fn images_that_would_fill_the_memory_are_refused() {
    let a = common::analysis();
    let v = chosen(&a, &["3D+"]);
    let options = FigureOptions {
        width_px: 40_000,
        height_px: 40_000,
        ..FigureOptions::default()
    };
    assert!(figure_svg(&a, &v, &options).is_ok());
    assert!(matches!(
        figure_png(&a, &v, &options),
        Err(ReportError::Size { .. })
    ));
}

#[test]
fn a_page_without_a_title_gets_one() {
    let untitled = HtmlOptions {
        title: " ".to_owned(),
        ..HtmlOptions::default()
    };
    let text = html(&common::analysis(), &untitled);
    assert!(text.contains("<title>Where abilities appear"));
    assert_eq!(text, html(&common::analysis(), &HtmlOptions::default()));
}

#[test]
fn odd_numbers_draw_without_panic() {
    let mut a = common::analysis();
    for (i, v) in a.verdicts.iter_mut().enumerate() {
        for (j, p) in v.points.iter_mut().enumerate() {
            p.score = [f64::NAN, f64::INFINITY, -3.0, 1e12][(i + j) % 4];
            p.x = [Some(f64::NAN), None, Some(22.0), Some(-1e300)][(i * 3 + j) % 4];
            p.point += i;
        }
        v.chance = [None, Some(f64::NAN), Some(0.5)][i % 3];
        v.view = if i % 2 == 0 {
            View::Across
        } else {
            View::Training("m".into())
        };
        if let Some(fits) = &mut v.fits {
            fits.x_mean = f64::NAN;
        }
    }
    let v: Vec<&Verdict> = a.verdicts.iter().collect();
    assert!(figure_png(&a, &v, &FigureOptions::default()).is_ok());
    assert_balanced(&page(&a));
}
