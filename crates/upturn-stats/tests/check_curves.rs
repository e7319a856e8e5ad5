//! Curve fits, the kink test and their descriptions on series made here.

use rayon::prelude::*;
use upturn_stats::curves::{
    FitConfig, KinkConfig, LikelihoodChoice, band, beta_binomial_ln_kernel, breakpoint_interval,
    compare, kink_null_statistics, kink_test, leave_groups_out, leave_largest_out, predict,
    sharpness,
};
use upturn_stats::resample::SplitMix64;
use upturn_stats::{Obs, Series};
use upturn_types::{CurveModel, KinkVerdict, SharpnessClass};

const N: u64 = 2000;

fn logistic(x: f64, middle: f64, slope: f64) -> f64 {
    1.0 / (1.0 + (-slope * (x - middle)).exp())
}

/// K models at equal distances from 19.5 to 23, with scores drawn around `p`.
fn drawn(n_models: usize, n: u64, chance: f64, seed: u64, p: impl Fn(f64) -> f64) -> Series {
    let mut rng = SplitMix64::new(seed);
    let step = 3.5 / (n_models - 1) as f64;
    let x: Vec<f64> = (0..n_models).map(|i| 19.5 + step * i as f64).collect();
    let k: Vec<u64> = x
        .iter()
        .map(|&x| (0..n).filter(|_| rng.uniform() < p(x)).count() as u64)
        .collect();
    Series::binomial(&x, &k, n, chance)
}

/// Scores exactly on the curve.
fn exact(n_models: usize, chance: f64, p: impl Fn(f64) -> f64) -> Series {
    let step = 3.5 / (n_models - 1) as f64;
    let x: Vec<f64> = (0..n_models).map(|i| 19.5 + step * i as f64).collect();
    let k: Vec<u64> = x
        .iter()
        .map(|&x| (p(x) * N as f64).round() as u64)
        .collect();
    Series::binomial(&x, &k, N, chance)
}

fn binomial() -> FitConfig {
    FitConfig {
        likelihood: LikelihoodChoice::Binomial,
        ..FitConfig::default()
    }
}

fn full(n_draws_max: u32) -> KinkConfig {
    KinkConfig {
        n_draws_max,
        seed: 5,
        early_stopping: false,
        full: true,
        ..KinkConfig::default()
    }
}

#[test]
fn beta_binomial_kernel_check_value() {
    assert!((beta_binomial_ln_kernel(60, 200, 0.3, 0.02) / -122.990_814_6 - 1.0).abs() < 1e-9);
    let ln_choose = upturn_stats::dist::ln_gamma(201.0)
        - upturn_stats::dist::ln_gamma(61.0)
        - upturn_stats::dist::ln_gamma(141.0);
    let with_coefficient = beta_binomial_ln_kernel(60, 200, 0.3, 0.02) + ln_choose;
    assert!((with_coefficient + 3.607_294_97).abs() < 1e-7);
}

#[test]
fn nothing_to_compare() {
    let config = FitConfig::default();
    let good = exact(6, 0.0, |x| logistic(x, 21.0, 2.0));
    assert!(compare(&good, &config).is_some());
    let no_floor = Series {
        chance: None,
        ..good.clone()
    };
    let unbounded = Series {
        ceiling: None,
        ..good.clone()
    };
    assert_eq!(compare(&no_floor, &config), None);
    assert_eq!(compare(&unbounded, &config), None);
    assert_eq!(
        compare(&Series::binomial(&[1.0, 2.0], &[1, 2], 9, 0.0), &config),
        None
    );
    assert_eq!(
        compare(&Series::binomial(&[1.0; 4], &[1, 2, 3, 4], 9, 0.0), &config),
        None
    );
    let unknown = Obs::Mean {
        y: 0.5,
        se: None,
        df: None,
    };
    let mut untestable = good;
    untestable.obs[1..5].fill(unknown);
    assert_eq!(compare(&untestable, &config), None);
}

#[test]
fn step_zero_and_untestable_points_are_left_out() {
    let good = exact(6, 0.0, |x| logistic(x, 21.0, 2.0));
    let mut more = good.clone();
    more.x.insert(0, f64::NEG_INFINITY);
    more.obs.insert(0, Obs::count(3, N));
    more.x.push(24.0);
    more.obs.push(Obs::Mean {
        y: 0.9,
        se: None,
        df: None,
    });
    let config = FitConfig::default();
    assert_eq!(compare(&good, &config), compare(&more, &config));
}

#[test]
fn equal_scores_are_a_constant() {
    let series = exact(6, 0.25, |_| 0.4);
    let found = compare(&series, &FitConfig::default()).unwrap();
    assert_eq!(found.fits.len(), 1);
    assert_eq!(found.best, Some(CurveModel::Const));
    assert!(
        (predict(
            CurveModel::Const,
            &found.fits[0].theta,
            0.0,
            0.25,
            1.0,
            20.0
        ) - 0.4)
            .abs()
            < 1e-9
    );
    assert_eq!(kink_test(&series, &found, true, &full(99)), None);
    assert_eq!(sharpness(&series, &found), None);
}

/// With a handful of models AICc is infinite for the richer curves, so that the constant
/// would win over a jump from 3% to 92%.
#[test]
fn too_few_models_have_no_best() {
    let x = [20.0, 21.0, 22.0, 23.0, 24.0, 25.0];
    let k = [56, 60, 58, 1834, 1850, 1840];
    for (likelihood, needed) in [
        (LikelihoodChoice::Binomial, 5),
        (LikelihoodChoice::BetaBinomial, 6),
        (LikelihoodChoice::Gaussian, 6),
    ] {
        let config = FitConfig {
            likelihood,
            ..FitConfig::default()
        };
        for n_models in 4..=6 {
            let series = Series::binomial(&x[..n_models], &k[..n_models], N, 0.0);
            let found = compare(&series, &config).unwrap();
            let total: f64 = found.fits.iter().map(|fit| fit.weight).sum();
            if n_models < needed {
                assert_eq!(
                    (found.best, total),
                    (None, 0.0),
                    "{likelihood:?} {n_models}"
                );
            } else {
                assert!(found.best.is_some(), "{likelihood:?} {n_models}");
                assert!((total - 1.0).abs() < 1e-12);
            }
            assert!(found.fit(CurveModel::Const).unwrap().aicc.is_some());
        }
    }
}

#[test]
fn each_curve_recovers_itself() {
    let rows: [(CurveModel, Vec<f64>, f64); 6] = [
        (CurveModel::Logistic, vec![-0.5, 1.7], 0.25),
        (CurveModel::Gompertz, vec![-0.5, 0.9], 0.25),
        (CurveModel::Power, vec![-2.0, 0.8], 0.0),
        (CurveModel::Hinge, vec![-3.0, 2.5, 21.3], 0.0),
        (CurveModel::Yhinge, vec![0.1, 0.3, 21.3], 0.25),
        (CurveModel::Step, vec![-2.0, 3.0, 21.25], 0.25),
    ];
    for (model, theta, chance) in rows {
        let series = exact(15, chance, |x| {
            predict(model, &theta, 21.25, chance, 1.0, x)
        });
        let found = compare(&series, &binomial()).unwrap();
        assert_eq!(found.best, Some(model));
        let fit = found.fit(model).unwrap();
        for i in 0..series.len() {
            let p = predict(model, &fit.theta, found.x_mean, chance, 1.0, series.x[i]);
            assert!(
                (p - series.obs[i].score()).abs() < 1e-3,
                "{model:?} at {}",
                series.x[i]
            );
        }
        let weights: f64 = found.fits.iter().map(|f| f.weight).sum();
        assert!((weights - 1.0).abs() < 1e-12);
        if model.is_smooth() {
            assert_eq!(found.overdispersion, Some(1.0));
        }
    }
}

#[test]
fn criteria_by_their_definition() {
    let series = drawn(8, 500, 0.25, 1, |x| 0.25 + 0.75 * logistic(x, 21.5, 2.0));
    let found = compare(&series, &binomial()).unwrap();
    for fit in &found.fits {
        let (q, k) = (fit.n_params as f64, 8.0);
        let aicc = -2.0 * fit.log_likelihood + 2.0 * q + 2.0 * q * (q + 1.0) / (k - q - 1.0);
        assert!((fit.aicc.unwrap() - aicc).abs() < 1e-9);
        assert!((fit.bic - (-2.0 * fit.log_likelihood + q * k.ln())).abs() < 1e-9);
        let (phi, r) = (found.overdispersion.unwrap(), q + 1.0);
        let qaicc = -2.0 * fit.log_likelihood / phi + 2.0 * r + 2.0 * r * (r + 1.0) / (k - r - 1.0);
        assert!((fit.qaicc.unwrap() - qaicc).abs() < 1e-9);
    }
    let short = drawn(4, 500, 0.25, 1, |x| 0.25 + 0.75 * logistic(x, 21.5, 2.0));
    let found = compare(&short, &binomial()).unwrap();
    assert_eq!(found.fit(CurveModel::Hinge).unwrap().aicc, None);
    assert_eq!(found.delta_aicc_hinge, None);
    assert_eq!(found.fit(CurveModel::Hinge).unwrap().weight, 0.0);
}

#[test]
fn the_likelihood_follows_the_dispersion() {
    let config = FitConfig::default();
    let smooth = exact(10, 0.0, |x| logistic(x, 21.5, 2.0));
    assert_eq!(compare(&smooth, &config).unwrap().likelihood, "binomial");
    let pooled = FitConfig {
        pooled_families: true,
        ..config
    };
    assert_eq!(
        compare(&smooth, &pooled).unwrap().likelihood,
        "beta_binomial"
    );
    let mut rough = smooth;
    for obs in rough.obs.iter_mut().step_by(2) {
        *obs = Obs::count((obs.score() * 0.7 * N as f64).round() as u64, N);
    }
    let found = compare(&rough, &config).unwrap();
    assert_eq!(found.likelihood, "beta_binomial");
    let fit = found.fit(CurveModel::Logistic).unwrap();
    assert_eq!(fit.n_params, 3);
    assert!(fit.rho.unwrap() > 1e-3);
    // The beta-binomial contains the binomial.
    let plain = compare(&rough, &binomial()).unwrap();
    for fit in &found.fits {
        let simple = plain.fit(fit.model).unwrap();
        assert!(
            fit.log_likelihood > simple.log_likelihood - 1e-6,
            "{:?}",
            fit.model
        );
    }
}

#[test]
fn gaussian_scores_are_fitted_with_their_errors() {
    let counts = drawn(10, N, 0.0, 3, |x| logistic(x, 21.5, 2.0));
    let mut means = counts.clone();
    for obs in &mut means.obs {
        let y = obs.score();
        let se = (y.clamp(0.01, 0.99) * (1.0 - y.clamp(0.01, 0.99)) / N as f64).sqrt();
        *obs = Obs::Mean {
            y,
            se: Some(se),
            df: None,
        };
    }
    let found = compare(&means, &FitConfig::default()).unwrap();
    assert_eq!(
        (found.likelihood.as_str(), found.overdispersion),
        ("gaussian", None)
    );
    let fit = found.fit(CurveModel::Logistic).unwrap();
    let reference = compare(&counts, &binomial()).unwrap();
    let want = &reference.fit(CurveModel::Logistic).unwrap().theta;
    assert!(
        (fit.theta[1] - want[1]).abs() < 0.2,
        "{fit:?} against {want:?}"
    );
    assert_eq!((fit.n_params, fit.rho, fit.qaicc), (3, None, None));
    let sharp = sharpness(&means, &found).unwrap();
    assert!((sharp.midpoint - 21.5).abs() < 0.1);
    let test = kink_test(&means, &found, true, &full(99)).unwrap();
    assert!(test.p.unwrap() > 0.01);
    assert!(breakpoint_interval(&means, &found).is_some());
}

#[test]
fn leaving_out_by_hand() {
    let series = drawn(6, 100, 0.0, 4, |x| 0.3 + 0.05 * (x - 21.0));
    let found = compare(&series, &binomial()).unwrap();
    let counts: Vec<f64> = series.scores().iter().map(|y| y * 100.0).collect();
    let total: f64 = counts.iter().sum();
    let by_hand: f64 = counts
        .iter()
        .map(|k| {
            let p = (total - k) / 500.0;
            k * p.ln() + (100.0 - k) * (1.0 - p).ln()
        })
        .sum();
    assert_eq!(found.leave_one_scale_out[0].0, CurveModel::Const);
    assert!((found.leave_one_scale_out[0].1 - by_hand).abs() < 1e-6);
    let groups: Vec<usize> = (0..6).collect();
    let grouped = leave_groups_out(&series, &groups, &binomial()).unwrap();
    assert_eq!(grouped, found.leave_one_scale_out);
    assert_eq!(leave_groups_out(&series, &groups[1..], &binomial()), None);
    let largest = leave_largest_out(&series, &binomial()).unwrap();
    let p = (total - counts[5]) / 500.0;
    let last = counts[5] * p.ln() + (100.0 - counts[5]) * (1.0 - p).ln();
    assert!((largest[0].1 - last).abs() < 1e-6);
}

#[test]
fn the_predictive_score_finds_the_right_curve() {
    let series = drawn(12, N, 0.0, 5, |x| if x < 21.3 { 0.1 } else { 0.6 });
    let found = compare(&series, &binomial()).unwrap();
    let best = found
        .leave_one_scale_out
        .iter()
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(model, _)| *model);
    assert_eq!(best, Some(CurveModel::Step));
}

#[test]
fn width_of_the_rise() {
    let series = exact(15, 0.25, |x| 0.25 + 0.75 * logistic(x, 21.3, 2.706_750_4));
    let found = compare(&series, &binomial()).unwrap();
    let sharp = sharpness(&series, &found).unwrap();
    assert!((sharp.width - 1.623_514_734).abs() < 5e-3);
    assert!((sharp.midpoint - 21.3).abs() < 2e-3);
    assert_eq!(sharp.class, SharpnessClass::Gradual);
    let (lower, upper) = (
        sharp.width_interval.lower.unwrap(),
        sharp.width_interval.upper.unwrap(),
    );
    assert!(1.0 < lower && lower < sharp.width && sharp.width < upper);
    let steep = exact(15, 0.25, |x| 0.25 + 0.75 * logistic(x, 21.3, 8.0));
    let found = compare(&steep, &binomial()).unwrap();
    assert_eq!(
        sharpness(&steep, &found).unwrap().class,
        SharpnessClass::Sharp
    );
    let falling = exact(15, 0.0, |x| logistic(-x, -21.3, 2.0));
    let found = compare(&falling, &binomial()).unwrap();
    assert_eq!(sharpness(&falling, &found), None);
    let noise = drawn(6, 50, 0.0, 6, |x| 0.3 + 0.02 * (x - 21.0));
    let found = compare(&noise, &binomial()).unwrap();
    if let Some(sharp) = sharpness(&noise, &found) {
        assert_eq!(
            (sharp.width_interval.upper, sharp.class),
            (None, SharpnessClass::Undetermined)
        );
    }
}

/// Coverage of the 95% interval of the breakpoint: 400 series, so that below 91% has a
/// chance under 0.1% if the true coverage is 95%.
#[test]
fn breakpoint_intervals_cover() {
    let covered = (0..400_u64)
        .into_par_iter()
        .filter(|&seed| {
            let truth = |x: f64| predict(CurveModel::Hinge, &[-3.0, 2.0, 21.1], 0.0, 0.0, 1.0, x);
            let series = drawn(10, N, 0.0, 1000 + seed, truth);
            let config = FitConfig {
                leave_one_out: false,
                ..binomial()
            };
            let found = compare(&series, &config).unwrap();
            let interval = breakpoint_interval(&series, &found).unwrap().interval;
            interval.lower.is_none_or(|l| l <= 21.1) && interval.upper.is_none_or(|u| u >= 21.1)
        })
        .count();
    assert!(covered >= 364, "{covered} of 400");
}

/// Pointwise coverage of the band at the middle: as above.
#[test]
fn bands_cover() {
    let truth = |x: f64| logistic(x, 21.3, 1.5);
    let covered = (0..400_u64)
        .into_par_iter()
        .filter(|&seed| {
            let series = drawn(8, 300, 0.0, 5000 + seed, truth);
            let config = FitConfig {
                leave_one_out: false,
                ..binomial()
            };
            let found = compare(&series, &config).unwrap();
            let (low, high) = band(&series, &found, CurveModel::Logistic, &[20.7], 0.95)[0];
            (low..=high).contains(&truth(20.7))
        })
        .count();
    assert!((364..=399).contains(&covered), "{covered} of 400");
}

#[test]
fn bands_hold_their_curve() {
    let series = drawn(10, 400, 0.25, 7, |x| 0.25 + 0.75 * logistic(x, 21.5, 2.0));
    let xs: Vec<f64> = (0..50).map(|i| 19.0 + 0.1 * f64::from(i)).collect();
    for likelihood in [LikelihoodChoice::Binomial, LikelihoodChoice::BetaBinomial] {
        let config = FitConfig {
            likelihood,
            leave_one_out: false,
            ..FitConfig::default()
        };
        let found = compare(&series, &config).unwrap();
        for fit in &found.fits {
            let wide = band(&series, &found, fit.model, &xs, 0.95);
            let narrow = band(&series, &found, fit.model, &xs, 0.5);
            assert_eq!(wide.len(), xs.len());
            for ((x, wide), narrow) in xs.iter().zip(&wide).zip(&narrow) {
                let y = predict(fit.model, &fit.theta, found.x_mean, 0.25, 1.0, *x);
                assert!(
                    0.25 <= wide.0 && wide.0 <= narrow.0 + 1e-12,
                    "{:?} {x}",
                    fit.model
                );
                assert!(
                    narrow.0 <= y + 1e-9 && y <= narrow.1 + 1e-9,
                    "{:?} {x}",
                    fit.model
                );
                assert!(
                    narrow.1 <= wide.1 + 1e-12 && wide.1 <= 1.0,
                    "{:?} {x}",
                    fit.model
                );
            }
        }
        assert!(band(&series, &found, CurveModel::Logistic, &xs, 1.5).is_empty());
    }
}

#[test]
fn a_step_is_a_kink_and_a_logistic_is_not() {
    let step = drawn(12, N, 0.25, 8, |x| if x < 21.3 { 0.26 } else { 0.6 });
    let found = compare(&step, &binomial()).unwrap();
    let test = kink_test(&step, &found, true, &full(199)).unwrap();
    assert_eq!(
        (test.verdict, test.best_alternative),
        (KinkVerdict::Kink, CurveModel::Step)
    );
    assert_eq!((test.p, test.n_draws), (Some(0.005), 199));
    assert!(test.skipped.is_none());
    let smooth = drawn(12, N, 0.25, 9, |x| 0.25 + 0.75 * logistic(x, 21.5, 2.0));
    let found = compare(&smooth, &binomial()).unwrap();
    let test = kink_test(&smooth, &found, true, &full(199)).unwrap();
    assert_ne!(test.verdict, KinkVerdict::Kink);
    let (low, high) = test.p_interval.unwrap();
    assert!(low <= test.p.unwrap() && test.p.unwrap() <= high + 0.01);
}

#[test]
fn a_kink_is_not_claimed_from_few_models_or_items() {
    let jump = |models: usize, n: u64| {
        let series = drawn(models, n, 0.25, 8, |x| if x < 21.3 { 0.26 } else { 0.6 });
        let found = compare(&series, &binomial()).unwrap();
        kink_test(&series, &found, true, &full(199))
            .unwrap()
            .verdict
    };
    assert_eq!(jump(12, 300), KinkVerdict::Kink);
    assert_ne!(jump(4, 2000), KinkVerdict::Kink);
    assert_ne!(jump(8, 300), KinkVerdict::Kink);
}

#[test]
fn a_weak_hinge_on_few_models_is_undetermined() {
    let hinge = |x: f64| predict(CurveModel::Hinge, &[-2.5, 1.2, 21.2], 0.0, 0.0, 1.0, x);
    let mut seen = 0;
    for seed in 0..40 {
        let series = drawn(6, 150, 0.0, 100 + seed, hinge);
        let found = compare(&series, &binomial()).unwrap();
        let test = kink_test(&series, &found, true, &full(99)).unwrap();
        let degenerate = test.breakpoint.is_some_and(|b| b.degenerate);
        if test.verdict == KinkVerdict::Undetermined {
            assert!(!degenerate);
            seen += 1;
        }
        if test.verdict == KinkVerdict::None {
            assert!(degenerate, "six models are no evidence of smoothness");
        }
    }
    assert!(seen > 0);
}

#[test]
fn the_bootstrap_runs_where_it_can_matter() {
    let config = KinkConfig {
        full: false,
        ..full(99)
    };
    let smooth = exact(8, 0.0, |x| logistic(x, 21.5, 2.0));
    let found = compare(&smooth, &binomial()).unwrap();
    let test = kink_test(&smooth, &found, true, &config).unwrap();
    assert!(test.statistic < 2.0 && test.p.is_none() && test.n_draws == 0);
    assert!(test.skipped.unwrap().contains("below 2"));
    let step = exact(8, 0.0, |x| if x < 21.3 { 0.1 } else { 0.6 });
    let found = compare(&step, &binomial()).unwrap();
    let test = kink_test(&step, &found, false, &config).unwrap();
    assert_eq!(test.skipped.as_deref(), Some("no certified rise"));
    assert!(kink_test(&step, &found, true, &config).unwrap().p.is_some());
}

#[test]
fn early_stopping_keeps_the_decision() {
    for seed in 0..60 {
        let mix = seed as f64 / 60.0;
        let truth = |x: f64| {
            let smooth = logistic(x, 21.3, 1.5);
            let step = if x < 21.3 { 0.15 } else { 0.8 };
            (1.0 - 0.4 * mix) * smooth + 0.4 * mix * step
        };
        let series = drawn(8, 400, 0.0, 200 + seed, truth);
        let found = compare(
            &series,
            &FitConfig {
                leave_one_out: false,
                ..binomial()
            },
        )
        .unwrap();
        let all = kink_test(&series, &found, true, &full(199)).unwrap();
        let config = KinkConfig {
            early_stopping: true,
            ..full(199)
        };
        let early = kink_test(&series, &found, true, &config).unwrap();
        assert!(early.n_draws <= all.n_draws);
        assert_eq!(
            early.p.unwrap() <= 0.05,
            all.p.unwrap() <= 0.05,
            "seed {seed}"
        );
        assert_eq!(early.verdict, all.verdict);
    }
}

#[test]
fn p_is_the_share_of_null_statistics() {
    for (seed, chance) in [(1, 0.0), (2, 0.25), (3, 0.5)] {
        for likelihood in [LikelihoodChoice::Binomial, LikelihoodChoice::BetaBinomial] {
            let truth = |x: f64| chance + (1.0 - chance) * logistic(x, 21.3, 2.0);
            let series = drawn(8, 300, chance, 300 + seed, truth);
            let config = FitConfig {
                likelihood,
                leave_one_out: false,
                ..FitConfig::default()
            };
            let found = compare(&series, &config).unwrap();
            let test = kink_test(&series, &found, true, &full(99)).unwrap();
            let null = kink_null_statistics(&series, &found, 99, 5).unwrap();
            let reached = null.iter().filter(|d| **d >= test.statistic - 1e-7).count();
            assert_eq!(test.p, Some((1 + reached) as f64 / 100.0));
            assert!(null.iter().all(|d| *d >= 0.0));
        }
    }
}

/// Under the null p ≤ 0.05 happens in 5%: 600 series, of which 13 to 49 are allowed
/// (each tail has a chance below 0.1%, the test being a little conservative or not).
#[test]
fn the_test_keeps_its_level() {
    let rejected = (0..600_u64)
        .into_par_iter()
        .filter(|&seed| {
            let series = drawn(8, 500, 0.25, 9000 + seed, |x| {
                0.25 + 0.75 * logistic(x, 21.5, 2.0)
            });
            let config = FitConfig {
                leave_one_out: false,
                ..binomial()
            };
            let found = compare(&series, &config).unwrap();
            kink_test(&series, &found, true, &full(99))
                .unwrap()
                .p
                .unwrap()
                <= 0.05
        })
        .count();
    assert!((13..=49).contains(&rejected), "{rejected} of 600");
}

#[test]
fn the_same_bits_on_any_number_of_threads() {
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            (0..24_u64)
                .into_par_iter()
                .map(|seed| {
                    let series = drawn(8, 300, 0.0, seed, |x| {
                        logistic(x, 21.0, 1.0 + seed as f64 / 8.0)
                    });
                    let config = FitConfig {
                        leave_one_out: false,
                        ..FitConfig::default()
                    };
                    let found = compare(&series, &config).unwrap();
                    let config = KinkConfig {
                        early_stopping: seed % 2 == 0,
                        ..full(49)
                    };
                    (kink_test(&series, &found, true, &config), found)
                })
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(run(1), run(4));
}

#[test]
fn tied_models_share_their_scale() {
    let apart = Series::binomial(
        &[19.0, 20.0, 21.0, 22.0, 23.0],
        &[30, 60, 200, 420, 700],
        1000,
        0.0,
    );
    let x = [19.0, 19.0, 20.0, 20.0, 21.0, 21.0, 22.0, 22.0, 23.0, 23.0];
    let k = [15, 15, 30, 30, 100, 100, 210, 210, 350, 350];
    let tied = Series::binomial(&x, &k, 500, 0.0);
    let config = FitConfig {
        leave_one_out: false,
        ..binomial()
    };
    let (one, two) = (
        compare(&apart, &config).unwrap(),
        compare(&tied, &config).unwrap(),
    );
    for (a, b) in one.fits.iter().zip(&two.fits) {
        assert_eq!(a.model, b.model);
        assert!(
            (a.log_likelihood - b.log_likelihood).abs() < 1e-6,
            "{:?}",
            a.model
        );
    }
    assert!(kink_test(&tied, &two, true, &full(49)).is_some());
}

#[test]
fn extreme_series_do_no_harm() {
    let x = [19.0, 20.0, 21.0, 22.0];
    for k in [
        [0, 0, 0, 1],
        [0, 0, 10, 10],
        [10, 10, 10, 9],
        [10, 0, 10, 0],
        [0, 10, 0, 10],
    ] {
        for chance in [0.0, 0.5] {
            for likelihood in [
                LikelihoodChoice::Auto,
                LikelihoodChoice::Binomial,
                LikelihoodChoice::BetaBinomial,
                LikelihoodChoice::Gaussian,
            ] {
                let series = Series::binomial(&x, &k, 10, chance);
                let config = FitConfig {
                    likelihood,
                    ..FitConfig::default()
                };
                let found = compare(&series, &config).unwrap();
                for fit in &found.fits {
                    assert!(fit.log_likelihood.is_finite(), "{k:?} {fit:?}");
                    assert!(fit.theta.iter().all(|t| t.is_finite()), "{k:?} {fit:?}");
                }
                let test = kink_test(&series, &found, true, &full(19)).unwrap();
                assert!(test.p.unwrap() > 0.0 && test.statistic >= 0.0);
                let width = sharpness(&series, &found).map(|s| s.width);
                assert!(width.is_none_or(|w| w > 0.0));
                let range = |b: &(f64, f64)| chance <= b.0 && b.0 <= b.1 && b.1 <= 1.0;
                assert!(
                    band(&series, &found, CurveModel::Hinge, &x, 0.9)
                        .iter()
                        .all(range)
                );
            }
        }
    }
}
