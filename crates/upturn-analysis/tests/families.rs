//! Counterexamples with known truth: one that was planted is found, and families that all
//! follow one law give none.

use upturn_types::{Agreement, Analysis, AnalysisConfig, Axis, Label, Measurement};

/// A generator for the studies here (xorshift), apart from the one under test.
struct Rng(u64);

impl Rng {
    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    fn successes(&mut self, n: u64, p: f64) -> u64 {
        (0..n).filter(|_| self.uniform() < p).count() as u64
    }
}

const N: u64 = 3000;

/// Six families of five sizes; the ability comes with compute at 10^22, at `onset` for the
/// families that have one of their own.
fn study(seed: u64, onset: impl Fn(usize) -> f64) -> Vec<Measurement> {
    let mut rng = Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut rows = Vec::new();
    for family in 0..6 {
        for size in 0..5 {
            let x = 20.3 + 0.7 * f64::from(size) + 0.05 * family as f64;
            let p = if x >= onset(family) { 0.6 } else { 0.25 };
            let k = rng.successes(N, p);
            let name = format!("family-{family}");
            let model = format!("{name}-{size}");
            let mut m = Measurement::new(&name, &model, "quiz", "acc", k as f64 / N as f64);
            m.flops = Some(10f64.powf(x));
            m.params = Some(10f64.powf((x - 0.78) / 2.0 - 0.6));
            m.tokens = m.flops.zip(m.params).map(|(c, n)| c / (6.0 * n));
            m.n = Some(N);
            m.chance = Some(0.25);
            rows.push(m);
        }
    }
    rows
}

fn analyze(rows: Vec<Measurement>) -> Analysis {
    let config = AnalysisConfig {
        n_draws_max: 99,
        ..AnalysisConfig::default()
    };
    upturn_analysis::analyze(rows, &config)
}

/// (pairs, counterexamples) by compute.
fn by_compute(analysis: &Analysis) -> (usize, usize) {
    let totals = &analysis.counterexamples.totals;
    totals
        .iter()
        .find(|t| t.axis == Axis::Flops)
        .map_or((0, 0), |t| (t.n_pairs, t.n_counterexamples))
}

#[test]
fn a_planted_counterexample_is_found() {
    // Family 2 has the ability from 10^21 on.
    let analysis = analyze(study(1, |family| if family == 2 { 21.0 } else { 22.0 }));
    let task = &analysis.counterexamples.tasks[0];
    let order = task
        .axes
        .iter()
        .find(|a| a.axis == Axis::Flops)
        .expect("compute is known");
    assert!(order.n_counterexamples > 0);
    for pair in &order.counterexamples {
        let (small, large) = (&task.models[pair.smaller], &task.models[pair.larger]);
        assert_eq!(&*small.family, "family-2");
        assert_ne!(&*large.family, "family-2");
        assert_eq!((small.label, large.label), (Label::Above, Label::Near));
        assert!(small.scale.flops < large.scale.flops && pair.gap > 0.0);
    }
    let total = &analysis.counterexamples.totals[0];
    assert_eq!(
        (total.n_counterexamples, total.n_tasks_with),
        (order.n_counterexamples, 1)
    );
}

#[test]
fn without_one_there_are_hardly_any() {
    let studies: u64 = 100;
    let found: Vec<(usize, usize)> = (0..studies)
        .map(|seed| by_compute(&analyze(study(seed + 10, |_| 22.0))))
        .collect();
    // Nearly every model is certified one way or the other, so there is much to get wrong.
    assert!(found.iter().all(|(pairs, _)| *pairs > 100), "{found:?}");
    let with = found.iter().filter(|(_, n)| *n > 0).count();
    assert!(with < 5, "{with} of {studies} studies");
}

/// Spellings of one family, and its tunings, are no other family.
#[test]
fn one_family_is_not_held_against_itself() {
    let mut rows = study(3, |_| 22.0);
    for (i, m) in rows.iter_mut().enumerate() {
        m.family = if i % 2 == 0 {
            "Some-Family"
        } else {
            "some family"
        }
        .into();
        m.tuning = (i % 3 == 0).then(|| "instruct".into());
    }
    let analysis = analyze(rows);
    assert!(analysis.counterexamples.tasks.is_empty());
}

#[test]
fn the_same_seed_gives_the_same_bits_on_any_number_of_threads() {
    let rows = || study(1, |family| if family == 2 { 21.0 } else { 22.0 });
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("threads");
        pool.install(|| analyze(rows()))
    };
    let (one, three) = (on(1), on(3));
    assert_eq!(one.counterexamples, three.counterexamples);
    assert_eq!(one.across, three.across);
}

/// The published claim on a task where PaLM 62B, GPT-3 and LaMDA are all measured.
#[test]
fn a_published_counterexample_is_judged_by_the_scores_here() {
    let row = |family: &str, params: f64, score: f64| {
        let model = format!("{family} {:.0}B", params / 1e9);
        let mut m = Measurement::new(family, &model, "BIG-bench: emoji_movie", "acc", score);
        (m.params, m.n, m.chance) = (Some(params), Some(4000), Some(0.2));
        m.flops = Some(6.0 * params * 7.8e11);
        m
    };
    let outcome = |palm: f64, gpt3: f64| {
        let analysis = analyze(vec![
            row("PaLM", 8.6e9, 0.2003),
            row("PaLM", 6.2e10, palm),
            row("PaLM", 5.4e11, 0.8005),
            row("GPT-3", 1.3e10, 0.2003),
            row("GPT-3", 1.75e11, gpt3),
        ]);
        let published = &analysis.counterexamples.published;
        assert_eq!(published.len(), 14);
        let found = published.iter().find(|r| &*r.ability == "emoji_movie");
        let found = found.expect("a claim");
        (found.agreement, found.reason.clone())
    };
    let (agreement, reason) = outcome(0.5003, 0.2005);
    assert_eq!(agreement, Agreement::Agrees, "{reason}");
    assert_eq!(outcome(0.2003, 0.2005).0, Agreement::Disagrees);
    assert_eq!(outcome(0.5003, 0.4005).0, Agreement::Disagrees);
    // Without PaLM there is no claim to hold the scores against.
    let others = vec![row("GPT-3", 1.3e10, 0.2003), row("GPT-3", 1.75e11, 0.2005)];
    assert!(analyze(others).counterexamples.published.is_empty());
}
