//! Families with several training runs per size.

use upturn_types::{AnalysisConfig, Measurement};

/// Five sizes, three seeds each: every run of the smaller sizes scores exactly 0.
fn family(metric: &str, graded: bool) -> Vec<Measurement> {
    let sizes = [(1e9, [0.0; 3]), (1e10, [0.0; 3]), (1e11, [0.0; 3])]
        .into_iter()
        .chain([(1e12, [0.82, 0.84, 0.83]), (1e13, [1.0; 3])]);
    sizes
        .flat_map(|(flops, scores)| {
            scores.into_iter().enumerate().map(move |(seed, score)| {
                let name = format!("f-{flops:e}");
                let mut m = Measurement::new("f", &name, "copying", metric, score);
                m.flops = Some(flops);
                m.n = Some(2000);
                m.chance = Some(0.0);
                m.ceiling = Some(1.0);
                m.seed = Some(seed as u64);
                let spread = score * (1.0 - score) / 2000.0;
                m.stderr = graded.then(|| spread.sqrt());
                m
            })
        })
        .collect()
}

#[test]
fn seeds_that_all_fail_are_near_chance() {
    for (metric, graded) in [("exact_match", false), ("f1", true)] {
        let analysis = upturn_analysis::analyze(family(metric, graded), &AnalysisConfig::default());
        let verdict = &analysis.verdicts[0];
        assert_eq!(
            verdict.shape.name(),
            "emergent",
            "{metric}: {:?}",
            verdict.reason
        );
        let threshold = verdict.threshold.as_ref().expect("a threshold");
        assert_eq!((threshold.n_near, threshold.n_above), (3, 2));
    }
}

#[test]
fn intervals_of_few_seeds_end_where_the_metric_does() {
    let mut rows = family("exact_match", false);
    // 0.99, 1.00, 0.94: a t interval on two degrees of freedom reaches beyond 1.
    for (m, value) in rows[12..].iter_mut().zip([0.99, 1.0, 0.94]) {
        m.value = value;
    }
    for (m, value) in rows[6..9].iter_mut().zip([0.0, 0.02, 0.0]) {
        m.value = value;
    }
    let analysis = upturn_analysis::analyze(rows, &AnalysisConfig::default());
    let points = &analysis.verdicts[0].points;
    let ends: Vec<(f64, f64)> = points
        .iter()
        .filter_map(|p| p.interval.and_then(|i| i.lower.zip(i.upper)))
        .collect();
    assert_eq!(ends.len(), 5);
    assert!(ends.iter().all(|(l, u)| *l >= 0.0 && *u <= 1.0), "{ends:?}");
    assert_eq!((ends[2].0, ends[4].1), (0.0, 1.0));
    assert!(ends[4].0 < 0.9, "{ends:?}");
}
