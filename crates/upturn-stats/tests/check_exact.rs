//! Check values of the exact tests, thresholds and verdict rules.
//!
//! Values printed to ten digits, computed with numpy and scipy from the formulas.

use upturn_stats::dist::{clopper_pearson, norm_sf, wilson};
use upturn_stats::multiplicity::{benjamini_hochberg, benjamini_yekutieli, holm};
use upturn_stats::recover::{NRecovery, n_from_stderr};
use upturn_stats::resolution::{critical_k, detectable, n_to_separate};
use upturn_stats::tests::{test_point, two_proportion_z};
use upturn_stats::threshold::interval;
use upturn_stats::trend::{cochran_armitage, isotonic_deviance, kendall_tau_b, pava};
use upturn_stats::verdict::{JudgeConfig, Judgement, judge, judge_trajectory};
use upturn_stats::{Obs, Series};
use upturn_types::{Attribute, Label, Reason, Shape};

/// Closed forms agree to 1e-9 of the value.
#[track_caller]
fn close(got: f64, want: f64) {
    assert!(
        (got - want).abs() <= 1e-9 * want.abs(),
        "got {got:.12}, want {want:.12}"
    );
}

#[test]
fn exact_p_value() {
    let tests = test_point(&Obs::count(301, 1050), 0.25, 1.0, 0.0375, 0.05);
    close(tests.p_chance.unwrap(), 0.003_753_993_536);
    close(tests.lower_one_sided.unwrap(), 0.263_699_717_3);
    assert_eq!(tests.label, Label::Unresolved);
}

#[test]
fn clopper_pearson_and_wilson() {
    let (low, high) = clopper_pearson(301, 1050, 0.05);
    close(low, 0.263_699_717_3);
    close(high, 0.310_523_707_9);
    let (low, high) = clopper_pearson(178, 2000, 0.025);
    close(low, 0.076_880_240_06);
    close(high, 0.102_339_694_4);
    let (low, high) = clopper_pearson(0, 2000, 0.05);
    assert_eq!(low, 0.0);
    close(high, 0.001_496_744_895);
    let (low, high) = wilson(178, 2000, 0.05);
    close(low, 0.077_295_785_99);
    close(high, 0.102_280_026_9);
}

#[test]
fn normal_test_of_a_mean() {
    let obs = Obs::Mean {
        y: 0.286_666_7,
        se: Some(0.013_955_1),
        df: None,
    };
    let tests = test_point(&obs, 0.25, 1.0, 0.0375, 0.05);
    close(tests.p_chance.unwrap(), 0.004_301_036_722);
    close(norm_sf(2.627_476_693), 0.004_301_036_722);
}

/// The error that lm-evaluation-harness states for 301 of 1050.
#[test]
fn standard_error_and_n() {
    let y: f64 = 301.0 / 1050.0;
    let se = (y * (1.0 - y) / 1049.0).sqrt();
    close(se, 0.013_961_983_28);
    assert_eq!(n_from_stderr(y, se, None), NRecovery::Known(1050));
    // logiqa, arc_challenge, arc_easy, lambada_openai, sciq: printed to ten digits.
    for (y, se, n) in [
        (0.224_270_353_3, 0.016_360_043_35, 651),
        (0.318_259_385_7, 0.013_611_993_92, 1172),
        (0.702_441_077_4, 0.009_381_226_722, 2376),
        (0.704_638_074_9, 0.006_355_831_587, 5153),
        (0.902, 0.009_406_619_185, 1000),
    ] {
        assert_eq!(n_from_stderr(y, se, None), NRecovery::Known(n));
    }
}

/// R: `p.adjust(p, method)` for "holm", "BH" and "BY".
#[test]
fn adjusted_p_values() {
    let p = [0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205];
    let check =
        |got: Vec<f64>, want: [f64; 8]| got.iter().zip(want).for_each(|(g, w)| close(*g, w));
    check(
        holm(&p),
        [0.008, 0.056, 0.234, 0.234, 0.234, 0.234, 0.234, 0.234],
    );
    let bh = [
        0.008,
        0.032,
        0.0672,
        0.0672,
        0.0672,
        0.08,
        0.084_571_428_57,
        0.205,
    ];
    check(benjamini_hochberg(&p), bh);
    let by = [
        0.021_742_857_14,
        0.086_971_428_57,
        0.182_64,
        0.182_64,
        0.182_64,
        0.217_428_571_4,
        0.229_853_061_2,
        0.557_160_714_3,
    ];
    check(benjamini_yekutieli(&p), by);
}

#[test]
fn resolution_of_a_task() {
    for (n, p0, k, p1) in [
        (1050, 0.25, 287, 0.284_596_592_9),
        (2000, 0.05, 117, 0.062_837_097_06),
        (100, 0.25, 33, 0.365_671_840_1),
        (250, 0.5, 139, 0.580_240_294),
    ] {
        assert_eq!(critical_k(n, p0, 0.05), k);
        close(detectable(n, p0, 0.05, 0.8).unwrap(), p1);
    }
    close(n_to_separate(0.25, 0.2875, 0.05, 0.8), 849.773_004);
}

#[test]
fn trend_helpers() {
    let x = [19.0, 20.0, 21.0, 22.0];
    let z = cochran_armitage(&x, &[50, 55, 63, 80], &[200; 4]).unwrap();
    close(z, 3.350_353_927);

    let y = [0.25, 0.30, 0.22, 0.21, 0.35, 0.33, 0.6];
    let want = [0.245, 0.245, 0.245, 0.245, 0.34, 0.34, 0.6];
    let fit = pava(&y, &[200.0; 7]);
    fit.iter().zip(want).for_each(|(g, w)| close(*g, w));
    let k = y.map(|y| (200.0 * y).round() as u64);
    close(isotonic_deviance(&k, &[200; 7]), 5.392_827_662);

    let order: Vec<f64> = (0..7).map(f64::from).collect();
    let (tau, p) = kendall_tau_b(&order, &y).unwrap();
    close(tau, 0.428_571_428_6);
    close(p, 0.238_888_888_9);
}

#[test]
fn valley_z() {
    let at = |k| (k, 200);
    let from_first = two_proportion_z(at(30), at(60)).unwrap();
    let from_last = two_proportion_z(at(30), at(90)).unwrap();
    close(from_first, 3.592_106_041);
    close(from_last, 6.546_536_707);
    let p = norm_sf(from_first).max(norm_sf(from_last)) * 3.0;
    close(p, 0.000_492_024_472_5);
}

const X: [f64; 6] = [20.0, 20.5, 21.0, 21.5, 22.0, 22.5];

struct Toy {
    k: [u64; 6],
    n: u64,
    shape: Shape,
    reason: Option<Reason>,
    attributes: &'static [Attribute],
    interval: (Option<f64>, Option<f64>),
}

fn judged(k: &[u64], n: u64) -> Judgement {
    judge(&Series::binomial(&X, k, n, 0.25), &JudgeConfig::default())
}

/// One series per class, all with chance .25.
///
/// The first is `plateau_unresolved` by the older rules; with 200 items a model at chance
/// is certified near-random in 23% only, so the reason is `n_too_small`.
#[test]
fn toy_verdicts() {
    let toys = [
        Toy {
            k: [50, 52, 49, 55, 90, 150],
            n: 200,
            shape: Shape::InsufficientData,
            reason: Some(Reason::NTooSmall),
            attributes: &[Attribute::PlateauPooled],
            interval: (None, Some(22.0)),
        },
        Toy {
            k: [500, 520, 490, 510, 900, 1500],
            n: 2000,
            shape: Shape::Emergent,
            reason: None,
            attributes: &[Attribute::Abrupt],
            interval: (Some(21.5), Some(22.0)),
        },
        Toy {
            k: [800, 900, 1020, 1150, 1310, 1500],
            n: 2000,
            shape: Shape::Smooth,
            reason: None,
            attributes: &[],
            interval: (None, Some(20.0)),
        },
        Toy {
            k: [249, 255, 251, 246, 252, 258],
            n: 1000,
            shape: Shape::Flat,
            reason: Some(Reason::RandomThroughout),
            attributes: &[],
            interval: (Some(22.5), None),
        },
        Toy {
            k: [985, 990, 988, 991, 993, 992],
            n: 1000,
            shape: Shape::Saturated,
            reason: None,
            attributes: &[],
            interval: (None, Some(20.0)),
        },
        Toy {
            k: [100, 90, 78, 66, 60, 52],
            n: 200,
            shape: Shape::Inverse,
            reason: None,
            attributes: &[],
            interval: (None, None),
        },
        Toy {
            k: [90, 70, 50, 48, 80, 140],
            n: 200,
            shape: Shape::UShaped,
            reason: None,
            attributes: &[],
            interval: (None, Some(22.0)),
        },
        Toy {
            k: [50, 90, 130, 100, 70, 52],
            n: 200,
            shape: Shape::NonMonotone,
            reason: None,
            attributes: &[Attribute::InvertedU],
            interval: (None, None),
        },
        Toy {
            k: [50, 100, 50, 110, 55, 120],
            n: 200,
            shape: Shape::NonMonotone,
            reason: None,
            attributes: &[],
            interval: (None, Some(22.5)),
        },
        Toy {
            k: [6, 5, 7, 4, 8, 6],
            n: 20,
            shape: Shape::InsufficientData,
            reason: Some(Reason::Unresolved),
            attributes: &[],
            interval: (None, None),
        },
    ];
    for toy in toys {
        let j = judged(&toy.k, toy.n);
        let got = (j.shape, j.reason, j.attributes.as_slice());
        assert_eq!(got, (toy.shape, toy.reason, toy.attributes), "{:?}", toy.k);
        assert_eq!(interval(&X, &j.walk.unwrap()), toy.interval, "{:?}", toy.k);
    }
}

/// E4 of the toy by hand: T = s1 − s2/4 with the variance of ỹ = (k + ½)/(n + 1).
#[test]
fn abruptness_of_the_emergent_toy() {
    let j = judged(&[500, 520, 490, 510, 900, 1500], 2000);
    let a = j.abruptness.unwrap();
    // Slopes over 20 … 21.5 (weights −.6, −.2, .2, .6) and over 21.5 … 22.5 (−1, 0, 1).
    // .6·.005 − .2·.015 = 0.
    assert!(a.slope_before.unwrap().abs() < 1e-15);
    close(a.slope_after, 0.75 - 0.255);
    close(a.t.unwrap(), -0.25 * 0.495);
    let variance = |k: f64| {
        let y = (k + 0.5) / 2001.0;
        y * (1.0 - y) / 2000.0
    };
    let weights: [f64; 6] = [-0.6, -0.2, 0.2, 0.6 + 0.25, 0.0, -0.25];
    let k = [500.0, 520.0, 490.0, 510.0, 900.0, 1500.0];
    let sum: f64 = weights
        .iter()
        .zip(k)
        .map(|(w, k)| w * w * variance(k))
        .sum();
    close(a.t_se.unwrap(), sum.sqrt());
}

/// Pythia-12b on arc_easy along its training.
#[test]
fn trajectory_of_pythia_12b() {
    let steps = [
        0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 3000, 13_000, 23_000, 33_000, 43_000,
        53_000, 63_000, 73_000, 83_000, 93_000, 103_000, 113_000, 123_000, 133_000, 143_000,
    ];
    let k = [
        613, 613, 612, 609, 612, 646, 639, 639, 627, 613, 655, 699, 1021, 1342, 1422, 1420, 1507,
        1503, 1555, 1605, 1613, 1630, 1646, 1642, 1658, 1666, 1669,
    ];
    let raw = steps.map(f64::from);
    let logarithm = raw.map(f64::log10);
    assert_eq!(logarithm[0], f64::NEG_INFINITY);
    for x in [raw, logarithm] {
        let series = Series::binomial(&x, &k, 2376, 0.25);
        let j = judge_trajectory(&series, &JudgeConfig::default());
        assert_eq!((j.shape, j.reason), (Shape::AcquiredDuringTraining, None));
        let walk = j.walk.unwrap();
        assert_eq!((walk.n_near, walk.n_above), (10, 15));
        assert_eq!(interval(&x, &walk), (Some(x[9]), Some(x[12])));
        assert_eq!((raw[9], raw[12]), (256.0, 3000.0));
        assert_eq!(j.abruptness, None);
    }
}
