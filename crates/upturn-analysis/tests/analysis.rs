//! The analysis on small tables made for the purpose: views, axes, caveats, needs, lists.

use upturn_analysis::analyze;
use upturn_types::{
    Analysis, AnalysisConfig, Axis, Caveat, Known, Measurement, Need, Reason, Shape, Verdict, View,
    flag,
};

const N: u64 = 2000;
const CHANCE: f64 = 0.25;

/// A row of a four-way choice with N items; parameters follow compute as N = √(C/120).
fn row(model: &str, flops: f64, score: f64) -> Measurement {
    let mut m = Measurement::new("F", model, "quiz", "acc", score);
    (m.flops, m.flops_kind) = (Some(flops), Some(Known::Reported));
    m.params = Some((flops / 120.0).sqrt());
    (m.n, m.n_kind) = (Some(N), Some(Known::Reported));
    (m.chance, m.chance_kind) = (Some(CHANCE), Some(Known::Reported));
    m
}

/// Near chance for `near` models, then well above, one per decade from 1e18 FLOPs.
fn jump(near: usize, above: usize) -> Vec<Measurement> {
    (0..near + above)
        .map(|i| {
            let score = if i < near {
                0.25
            } else {
                0.6 + 0.01 * i as f64
            };
            row(&format!("m{i}"), 10f64.powi(18 + i as i32), score)
        })
        .collect()
}

fn run(rows: Vec<Measurement>) -> Analysis {
    analyze(rows, &AnalysisConfig::default())
}

fn only(analysis: &Analysis) -> &Verdict {
    assert_eq!(analysis.verdicts.len(), 1);
    &analysis.verdicts[0]
}

#[test]
fn a_jump_is_emergent_with_its_interval_on_every_axis() {
    let analysis = run(jump(3, 2));
    let v = only(&analysis);
    assert_eq!(v.shape, Shape::Emergent);
    let t = v.threshold.as_ref().expect("certified");
    assert_eq!((t.lower, t.upper), (Some(20.0), Some(21.0)));
    assert_eq!(t.lower_scale.params, Some((1e20f64 / 120.0).sqrt()));
    assert_eq!(t.upper_model.as_deref(), Some("m3"));
    assert!((t.confidence_level - 0.9).abs() < 1e-12);
    let point = t.point.expect("bounded");
    assert!((20.0..=21.0).contains(&point));
    assert!(
        v.caveats
            .contains(&Caveat::NoModelNearThreshold { decades: 1.0 })
    );
    assert!(v.caveats.contains(&Caveat::SingleRunPerScale));
    assert!(matches!(v.needs[..], [Need::ModelBetween { .. }]));
    assert!(v.fits.is_some() && v.sharpness.is_some() && v.kink.is_some());
    assert_eq!(v.before.as_ref().map(|s| &*s.model), Some("m2"));
    assert_eq!(v.after.as_ref().map(|s| &*s.model), Some("m3"));
    assert_eq!(v.p_bh, v.p);
}

#[test]
fn compute_that_is_unknown_sends_the_family_to_parameters() {
    let mut rows = jump(3, 2);
    for m in &mut rows {
        (m.flops, m.flops_kind) = (None, None);
    }
    let analysis = run(rows);
    let v = only(&analysis);
    assert_eq!(v.axis, Axis::Params);
    assert!(
        v.caveats
            .contains(&Caveat::AxisFallback { axis: Axis::Params })
    );
    assert_eq!(v.shape, Shape::Emergent);
}

#[test]
fn one_member_without_compute_is_left_out_and_named() {
    let mut rows = jump(3, 3);
    rows[1].flops = None;
    rows[1].params = Some(1e9);
    let analysis = run(rows);
    let v = only(&analysis);
    assert_eq!((v.axis, v.n_models), (Axis::Flops, 5));
    assert!(
        v.caveats
            .iter()
            .any(|c| matches!(c, Caveat::MembersLeftOut { models, .. } if &*models[0] == "m1"))
    );
}

#[test]
fn scale_that_is_unknown_everywhere_is_said() {
    let mut rows = jump(3, 2);
    for m in &mut rows {
        (m.flops, m.params) = (None, None);
    }
    let analysis = run(rows);
    let v = only(&analysis);
    assert_eq!(v.reason, Some(Reason::ScaleUnknown));
    assert_eq!(v.needs, [Need::StateScale]);
}

#[test]
fn off_ladder_members_stay_out_unless_asked_for_and_the_difference_is_shown() {
    let mut rows = jump(3, 2);
    let mut odd = row("odd", 3e22, 0.25);
    odd.add_flag(flag::OFF_LADDER);
    rows.push(odd);
    let analysis = run(rows.clone());
    let v = only(&analysis);
    assert_eq!((v.n_models, v.shape), (5, Shape::Emergent));
    assert!(
        v.caveats
            .iter()
            .any(|c| matches!(c, Caveat::ShapeWithAll { .. })),
        "{:?}",
        v.caveats
    );
    let config = AnalysisConfig {
        include_off_ladder: true,
        ..AnalysisConfig::default()
    };
    let with = analyze(rows, &config);
    assert_eq!(with.verdicts[0].n_models, 6);
    assert_ne!(with.verdicts[0].shape, Shape::Emergent);
}

#[test]
fn references_are_never_points_and_composites_never_judged() {
    let mut rows = jump(3, 2);
    let mut human = row("human", 1e30, 0.9);
    human.add_flag(flag::REFERENCE);
    rows.push(human);
    let analysis = run(rows);
    assert_eq!(analysis.references.len(), 1);
    assert_eq!(only(&analysis).n_models, 5);

    let mut rows = jump(3, 2);
    for m in &mut rows {
        m.add_flag(flag::COMPOSITE);
    }
    let analysis = run(rows);
    assert_eq!(only(&analysis).reason, Some(Reason::Composite));
}

#[test]
fn without_chance_the_verdict_is_withheld_and_chance_asked_for() {
    let mut rows = jump(3, 2);
    for m in &mut rows {
        (m.chance, m.chance_kind) = (None, None);
    }
    let analysis = run(rows);
    assert_eq!(only(&analysis).reason, Some(Reason::ChanceUnknown));
    assert_eq!(only(&analysis).needs, [Need::StateChance]);
    assert!(
        analysis
            .diagnostics
            .iter()
            .any(|d| d.to_string().contains("[[task]]"))
    );
}

#[test]
fn lower_is_better_is_turned_with_its_chance() {
    let rows: Vec<Measurement> = jump(3, 2)
        .into_iter()
        .map(|mut m| {
            m.higher_is_better = Some(false);
            m.value = 1.0 - m.value;
            m.chance = Some(1.0 - CHANCE);
            m
        })
        .collect();
    let analysis = run(rows);
    let v = only(&analysis);
    assert!(analysis.curves[0].flipped);
    assert_eq!(v.chance, Some(CHANCE));
    assert_eq!(v.ceiling, Some(1.0));
    assert_eq!(v.shape, Shape::Emergent);
}

#[test]
fn checkpoints_are_read_along_training_and_the_last_ones_across() {
    let mut rows = Vec::new();
    for (i, model) in ["a", "b", "c", "d", "e"].iter().enumerate() {
        for (step, share) in [
            (0, 0.0),
            (100, 0.0),
            (1000, 0.0),
            (10_000, 1.0),
            (20_000, 1.0),
        ] {
            let learned = if i >= 3 { 0.4 } else { 0.0 };
            let mut m = row(
                model,
                1e18 * 10f64.powi(i as i32) * step as f64,
                0.25 + learned * share,
            );
            m.params = Some(10f64.powi(8 + i as i32));
            m.checkpoint_step = Some(step);
            rows.push(m);
        }
    }
    let analysis = run(rows);
    assert_eq!(analysis.curves.len(), 1);
    let across: Vec<_> = analysis
        .verdicts
        .iter()
        .filter(|v| v.view == View::Across)
        .collect();
    assert_eq!(across.len(), 1);
    assert_eq!((across[0].n_models, across[0].shape), (5, Shape::Emergent));
    let training: Vec<_> = analysis
        .verdicts
        .iter()
        .filter(|v| v.view != View::Across)
        .collect();
    assert_eq!(training.len(), 5);
    let learned: Vec<_> = training
        .iter()
        .filter(|v| v.shape == Shape::AcquiredDuringTraining)
        .collect();
    assert_eq!(learned.len(), 2);
    let t = learned[0].threshold.as_ref().expect("certified");
    assert_eq!((t.lower_step, t.upper_step), (Some(1000), Some(10_000)));
    assert!(training.iter().filter(|v| v.shape == Shape::Flat).count() == 3);
    // Step 0 keeps its place in the table, without a coordinate on a log axis.
    assert_eq!(learned[0].points[0].x, None);
}

#[test]
fn a_hidden_n_is_recovered_from_the_lattice_of_scores() {
    let scores = [0.0005, 0.0135, 0.0625, 0.3555, 0.7185];
    let rows: Vec<Measurement> = scores
        .iter()
        .enumerate()
        .map(|(i, &score)| {
            let mut m = row(&format!("m{i}"), 10f64.powi(18 + i as i32), score);
            (m.n, m.n_kind, m.chance) = (None, None, Some(0.0));
            m
        })
        .collect();
    let analysis = run(rows);
    let v = only(&analysis);
    assert_eq!(v.n_items, Some((2000, 2000)));
    assert!(v.caveats.contains(&Caveat::NAssumed {
        known: Known::Recovered,
        n: 2000
    }));
}

#[test]
fn averages_are_judged_but_not_counted_twice() {
    let mut rows = jump(3, 2);
    for m in jump(3, 2) {
        let mut average = m;
        average.task = "quiz average".into();
        average.add_flag(flag::AGGREGATE);
        rows.push(average);
    }
    let analysis = run(rows);
    assert_eq!(analysis.verdicts.len(), 2);
    assert_eq!(analysis.counts.iter().map(|c| c.across).sum::<usize>(), 1);
    assert_eq!(analysis.spread.as_ref().map(|s| s.n_bounded), Some(1));
}

#[test]
fn the_order_of_rows_does_not_matter() {
    let rows = jump(3, 3);
    let mut reversed = rows.clone();
    reversed.reverse();
    assert_eq!(run(rows), run(reversed));
}

#[test]
fn flops_can_be_recomputed_for_all() {
    let mut rows = jump(3, 2);
    for m in &mut rows {
        m.tokens = m.params.map(|n| 20.0 * n);
        m.flops = m.flops.map(|c| 3.0 * c);
    }
    let config = AnalysisConfig {
        flops_6nd: true,
        ..AnalysisConfig::default()
    };
    let analysis = analyze(rows, &config);
    let t = only(&analysis).threshold.as_ref().expect("certified");
    assert!((t.upper.expect("upper") - 21.0).abs() < 1e-9);
    assert!(only(&analysis).caveats.contains(&Caveat::FlopsDerived));
}

#[test]
fn scores_that_could_not_be_parsed_are_not_evidence_of_chance() {
    let mut rows = jump(3, 3);
    for m in &mut rows {
        m.chance = Some(0.0);
    }
    for m in &mut rows[..3] {
        m.value = 0.0;
        m.add_flag(flag::PARSE_FAILURE);
    }
    let analysis = run(rows);
    let v = only(&analysis);
    assert_eq!(v.n_models, 3);
    assert_ne!(v.shape, Shape::Emergent);
    assert!(
        v.caveats
            .iter()
            .any(|c| matches!(c, Caveat::MembersLeftOut { models, .. } if models.len() == 3))
    );
}

/// The rows of a jump for another family, its scales moved up by `decades`.
fn family(name: &str, near: usize, above: usize, decades: f64) -> Vec<Measurement> {
    let mut rows = jump(near, above);
    for m in &mut rows {
        m.family = name.into();
        m.flops = m.flops.map(|c| c * 10f64.powf(decades));
    }
    rows
}

#[test]
fn families_are_compared_by_task_and_never_pooled() {
    let mut rows = family("A", 3, 3, 0.0);
    rows.extend(family("B", 3, 3, 0.3));
    rows.extend(family("C", 2, 1, 0.0));
    let analysis = run(rows);
    let [task] = &analysis.tasks[..] else {
        panic!("{:?}", analysis.tasks)
    };
    assert_eq!(task.families.len(), 3);
    assert_eq!((task.n_informative, task.shape), (2, Some(Shape::Emergent)));
    // C has three sizes: undecided, but its certified interval (19, 20] counts.
    assert_eq!((task.n_bounded, task.common), (3, None));
    assert!(task.heterogeneity.is_some());

    let mut rows = family("A", 3, 3, 0.0);
    rows.extend(family("B", 3, 3, 0.3));
    let agreed = run(rows);
    let (lower, upper) = agreed.tasks[0].common.expect("overlap");
    assert!((lower - 20.3).abs() < 1e-9 && (upper - 21.0).abs() < 1e-9);
    assert!(agreed.tasks[0].heterogeneity.is_none());
}

#[test]
fn margins_are_varied_and_the_default_one_gives_the_counts_shown() {
    let mut rows = jump(3, 3);
    for m in jump(6, 0) {
        rows.push(Measurement {
            task: "never".into(),
            ..m
        });
    }
    let analysis = run(rows);
    assert_eq!(analysis.sensitivity.len(), 3);
    let at = |margin: f64| {
        let found = analysis
            .sensitivity
            .iter()
            .find(|s| s.near_margin == margin);
        found.expect("varied").counts.clone()
    };
    assert_eq!(at(0.05), analysis.counts);
    // Within 2% of the range, 2,000 items cannot certify chance any more.
    assert_ne!(at(0.02), at(0.05));
}

#[test]
fn rounded_scores_are_counted_at_the_cautious_end() {
    // .059 of 2,096 items is 123 to 125 right: at 123 the test of .05 gives p = .041, not .033.
    let scores = [0.012, 0.01, 0.011, 0.059];
    let rows = scores.iter().enumerate().map(|(i, &score)| {
        let mut m = row(&format!("m{i}"), 10f64.powi(18 + i as i32), score);
        (m.n, m.chance) = (Some(2096), Some(0.0));
        m
    });
    let analysis = run(rows.collect());
    let p = only(&analysis).p.expect("tested");
    assert!((p - 0.0406).abs() < 5e-4, "{p}");
}

#[test]
fn a_model_inside_a_wide_interval_is_not_denied() {
    let mut rows = jump(3, 3);
    // Unresolved between the last near-random model and the first above.
    rows.push(row("between", 3e20, 0.2875));
    let analysis = run(rows);
    let v = only(&analysis);
    let gap = |c: &Caveat| matches!(c, Caveat::NoModelNearThreshold { .. });
    assert!(!v.caveats.iter().any(gap), "{:?}", v.caveats);
    assert!(
        !v.needs
            .iter()
            .any(|n| matches!(n, Need::ModelBetween { .. }))
    );
}
