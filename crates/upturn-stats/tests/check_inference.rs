//! Check values of METHODS appendix A for breakthroughness (rows `3.`) and
//! inference-level uncertainty (rows `9.`), at the tolerances of its section 10.

use upturn_stats::breakthrough::{BreakthroughConfig, breakthrough, statistics};
use upturn_stats::inference::clustered::{design_effect, effective_n};
use upturn_stats::inference::paired::mcnemar;
use upturn_stats::inference::sample_size::PairedDesign;
use upturn_stats::inference::sequential::confidence_sequence::confidence_sequence;
use upturn_stats::inference::sequential::label::{SequentialDecision, SequentialLabel};
use upturn_stats::inference::sequential::mixture::ln_e_above;
use upturn_stats::inference::sequential::sprt::Sprt;
use upturn_stats::inference::variance::standard_error_of_repeats;
use upturn_stats::resample::{SplitMix64, quantile_sorted};
use upturn_stats::{Obs, Series};

/// Equal to 1e-9, or to the ten digits that the table prints.
#[track_caller]
fn check(found: f64, printed: f64) {
    let gap = (found - printed).abs();
    assert!(
        gap <= 1e-9 * printed.abs().max(1e-9),
        "found {found}, printed {printed}"
    );
}

#[track_caller]
fn check_all<const N: usize>(found: [f64; N], printed: [f64; N]) {
    for (f, p) in found.into_iter().zip(printed) {
        check(f, p);
    }
}

#[track_caller]
fn check_statistics(y: &[f64], printed: [f64; 3]) {
    let (i, l, b) = statistics(y);
    check_all([i, l, b], printed);
}

/// The printed final accuracies turned back to counts.
fn pythia(acc: [f64; 8], n: u64) -> Series {
    let x = [70e6, 160e6, 410e6, 1e9, 1.4e9, 2.8e9, 6.9e9, 12e9].map(f64::log10);
    let k = acc.map(|y| {
        let k = y * n as f64;
        assert!(
            (k - k.round()).abs() < 1e-5,
            "{y} is not a count out of {n}"
        );
        k.round() as u64
    });
    Series::binomial(&x, &k, n, 0.25)
}

fn lambada() -> Series {
    let acc = [
        0.1845526878,
        0.3283524161,
        0.5162041529,
        0.5620027169,
        0.6161459344,
        0.6471958083,
        0.6728119542,
        0.7046380749,
    ];
    pythia(acc, 5153)
}

fn arc_challenge() -> Series {
    let acc = [
        0.180887372,
        0.1877133106,
        0.2133105802,
        0.2440273038,
        0.2602389078,
        0.295221843,
        0.3131399317,
        0.3182593857,
    ];
    pythia(acc, 1172)
}

fn logiqa() -> Series {
    let acc = [
        0.2104454685,
        0.1904761905,
        0.2196620584,
        0.222734255,
        0.2104454685,
        0.2119815668,
        0.2534562212,
        0.2242703533,
    ];
    pythia(acc, 651)
}

/// Statistics from the counts, and exact order p-values as fractions of 8!.
#[track_caller]
fn check_pythia(series: &Series, printed: [f64; 3], p_printed: [f64; 2]) {
    let (i, l, b) = statistics(&series.scores());
    check_all([i, l, b], printed);
    let config = BreakthroughConfig {
        n_noise_draws: 0,
        ..BreakthroughConfig::default()
    };
    let result = breakthrough(series, None, config).expect("eight models");
    let p = [
        result.p_order_linearity.expect("order null"),
        result.p_order_breakthroughness.expect("order null"),
    ];
    check_all(p, p_printed);
}

#[test]
fn breakthrough_3_hand_made() {
    check_statistics(&[0.0, 1.0, 2.0, 3.0, 4.0], [4.0, 4.0, 4.0]);
    check_statistics(&[0.0, 0.01, 0.02, 0.01, 0.5], [0.5, 2.039542541, 50.0]);
    check_statistics(&[0.5, 0.4, 0.3, 0.2], [-0.3, -3.0, -3.0]);
}

#[test]
fn breakthrough_3_pythia_lambada() {
    check_pythia(
        &lambada(),
        [0.5200853872, 5.455025027, 11.3559322],
        [2.48015873e-05, 0.00119047619],
    );
}

#[test]
fn breakthrough_3_pythia_arc_challenge() {
    check_pythia(
        &arc_challenge(),
        [0.1373720137, 6.161782732, 7.666666667],
        [2.48015873e-05, 0.002380952381],
    );
}

#[test]
fn breakthrough_3_pythia_logiqa() {
    check_pythia(
        &logiqa(),
        [0.06298003072, 2.639478033, 3.153846154],
        [0.1992559524, 0.4285714286],
    );
}

/// Scores without a common n take the path with a relative slack, and must agree.
#[test]
fn breakthrough_3_pythia_without_counts() {
    for (mut series, p) in [
        (lambada(), [2.48015873e-05, 0.00119047619]),
        (logiqa(), [0.1992559524, 0.4285714286]),
    ] {
        for obs in &mut series.obs {
            let y = obs.score();
            *obs = Obs::Mean {
                y,
                se: None,
                df: None,
            };
        }
        let config = BreakthroughConfig {
            n_noise_draws: 0,
            ..BreakthroughConfig::default()
        };
        let result = breakthrough(&series, None, config).expect("eight models");
        check(result.p_order_linearity.expect("order null"), p[0]);
        check(result.p_order_breakthroughness.expect("order null"), p[1]);
    }
}

/// A flat model at chance is not flat in L and B. Monte-Carlo on both sides, 300 draws of
/// 8 × 651 Bernoulli outcomes, one uniform number each.
#[test]
fn breakthrough_3_noise_null() {
    let mut rng = SplitMix64::new(3);
    let (mut l, mut b) = (Vec::new(), Vec::new());
    for _ in 0..300 {
        let y: Vec<f64> = (0..8)
            .map(|_| (0..651).filter(|_| rng.uniform() < 0.25).count() as f64 / 651.0)
            .collect();
        let (_, linearity, breakthroughness) = statistics(&y);
        l.push(linearity);
        b.push(breakthroughness);
    }
    l.sort_by(f64::total_cmp);
    b.sort_by(f64::total_cmp);
    let found = [quantile_sorted(&l, 0.95), quantile_sorted(&b, 0.95), b[299]];
    check_all(found, [2.870630276, 5.0, 11.66666667]);
}

#[test]
fn inference_9_mcnemar() {
    let test = mcnemar(15, 5, 100).expect("valid");
    check_all(
        [
            test.p_first_better,
            test.p_two_sided,
            test.p_mid_first_better,
        ],
        [0.02069473267, 0.04138946533, 0.01330184937],
    );
}

#[test]
fn inference_9_miller_n() {
    let design = PairedDesign {
        omega2: 1.0 / 9.0,
        sigma2_a: 1.0 / 6.0,
        sigma2_b: 1.0 / 6.0,
        n_repeats_a: 1,
        n_repeats_b: 1,
        alpha: 0.05,
        power: 0.8,
    };
    check(design.required_n(0.03).expect("valid"), 3875.989992);
}

#[test]
fn inference_9_log_e_values() {
    check(ln_e_above(40, 100, 0.25), 3.594283222);
    check(ln_e_above(25, 100, 0.25), -2.573188029);
}

#[test]
fn inference_9_confidence_sequence() {
    let ends = confidence_sequence(40, 100, 0.95).expect("valid");
    check(ends.lower.expect("bounded"), 0.2539637447);
    check(ends.upper.expect("bounded"), 0.5592255518);
}

#[test]
fn inference_9_sprt() {
    let test = Sprt::new(0.25, 0.30, 0.05, 0.05).expect("valid");
    check_all(
        [test.llr_success, test.llr_failure, test.upper, test.lower],
        [0.1823215568, -0.06899287149, 2.944438979, -2.944438979],
    );
}

#[test]
fn inference_9_design_effect() {
    let deff = design_effect(5.0, 0.3);
    check_all([deff, effective_n(1000.0, deff)], [2.2, 454.5454545]);
}

#[test]
fn inference_9_repeats() {
    let se = |k| standard_error_of_repeats(0.1, 0.15, 500, k).expect("valid");
    check_all([se(1), se(4)], [0.02236067977, 0.01658312395]);
}

/// E[e] by summing over all k, with the probabilities in logarithms.
#[test]
fn inference_9_expected_e_value() {
    let n = 100u64;
    let expected = |p: f64| -> f64 {
        let mut ln_choose = 0.0;
        let mut total = 0.0;
        for k in 0..=n {
            let (hits, misses) = (k as f64, (n - k) as f64);
            let ln_probability = ln_choose + hits * p.ln() + misses * (1.0 - p).ln();
            total += (ln_probability + ln_e_above(k, n, 0.25)).exp();
            ln_choose += (misses / (hits + 1.0)).ln();
        }
        total
    };
    check_all([expected(0.25), expected(0.2)], [1.0, 0.04950495049]);
}

/// Runs the label with a budget; returns the decision and the item it came at.
fn run_label(rng: &mut SplitMix64, p: f64, p0: f64, budget: u64) -> (SequentialDecision, u64) {
    let mut label = SequentialLabel::new(p0, 0.05, budget).expect("valid");
    while label.decision() == SequentialDecision::Continue {
        label.observe(rng.uniform() < p);
    }
    (label.decision(), label.counts().1)
}

/// A model exactly at p_0 is called above in at most α of runs, printed .036. With 1000
/// runs the rate has standard deviation .006, so ±.03 is five of them: a false alarm
/// once in a million seeds.
#[test]
fn inference_9_anytime_rejection_rate() {
    let mut rng = SplitMix64::new(9);
    let limit = 20f64.ln();
    let rejected = (0..1000)
        .filter(|_| {
            let mut k = 0;
            (1..=1000).any(|n| {
                let success = rng.uniform() < 0.25;
                k += u64::from(success);
                success && ln_e_above(k, n, 0.25) >= limit
            })
        })
        .count();
    let rate = rejected as f64 / 1000.0;
    assert!((rate - 0.036).abs() <= 0.03, "rate {rate}");
}

/// Stopping times for p = .35 against .2875, printed median 444 and 90% 1125.8. With 1000
/// runs the share stopped by the printed quantile has standard deviation .016 (.5) and
/// .0095 (.9); .08 and .05 are five of them, a false alarm once in a million seeds, if the
/// printed quantiles were exact.
#[test]
fn inference_9_stopping_time() {
    let mut rng = SplitMix64::new(10);
    let mut times = Vec::new();
    for _ in 0..1000 {
        let (decision, n) = run_label(&mut rng, 0.35, 0.2875, 5000);
        assert_ne!(decision, SequentialDecision::Unresolved);
        times.push(n as f64);
    }
    times.sort_by(f64::total_cmp);
    let share = |limit: f64| times.iter().filter(|&&t| t <= limit).count() as f64 / 1000.0;
    let (median, ninety) = (share(444.0), share(1125.8));
    assert!((median - 0.5).abs() <= 0.08, "{median} stopped by 444");
    assert!((ninety - 0.9).abs() <= 0.05, "{ninety} stopped by 1125.8");
}
