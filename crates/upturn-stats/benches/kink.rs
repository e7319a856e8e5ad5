//! Kink tests per second on series of eight models: fits, comparison, and 999 bootstrap
//! draws, each with the logistic, the hinge, the `yhinge` and the step refitted.
//!
//! Curves per second with the binomial, the beta-binomial and the likelihood that each
//! curve asks for. `UPTURN_BENCH_CURVES=5000 cargo bench -p upturn-stats --bench kink` is the
//! whole workload; by default 200 curves. The peer is `benches/peers/kink_numpy.py`, which
//! simulates the same series.

use divan::counter::ItemsCount;
use rayon::prelude::*;
use upturn_stats::Series;
use upturn_stats::curves::{FitConfig, KinkConfig, LikelihoodChoice, compare, kink_test};
use upturn_stats::resample::SplitMix64;

fn main() {
    divan::main();
}

const N_DRAWS: u32 = 999;

fn n_curves(default: usize) -> usize {
    let chosen = std::env::var("UPTURN_BENCH_CURVES");
    chosen.ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

/// Eight models at x = 19.5, 20, …, 23; flat, logistic, hinged and stepped in turn.
fn series(index: usize) -> Series {
    let mut rng = SplitMix64::stream(7, index as u64);
    let x: Vec<f64> = (0..8).map(|i| 19.5 + 0.5 * f64::from(i)).collect();
    let chance = [0.0, 0.25][(index / 4) % 2];
    let n = [250, 1000, 2000][(index / 8) % 3];
    let k: Vec<u64> = x
        .iter()
        .map(|&x| {
            let g = match index % 4 {
                0 => 0.2,
                1 => 1.0 / (1.0 + (-1.75 * (x - 21.6)).exp()),
                2 => 1.0 / (1.0 + (3.0 - 2.0 * (x - 21.2_f64).max(0.0)).exp()),
                _ if x < 21.6 => 0.02,
                _ => 0.5,
            };
            let p = chance + (1.0 - chance) * g;
            (0..n).filter(|_| rng.uniform() < p).count() as u64
        })
        .collect();
    Series::binomial(&x, &k, n, chance)
}

fn run(all: &[Series], likelihood: LikelihoodChoice, early_stopping: bool) -> usize {
    let fit = FitConfig {
        likelihood,
        pooled_families: false,
        leave_one_out: false,
    };
    let config = KinkConfig {
        n_draws_max: N_DRAWS,
        seed: 1,
        alpha: 0.05,
        early_stopping,
        full: true,
    };
    all.par_iter()
        .filter_map(|series| {
            let comparison = compare(series, &fit)?;
            kink_test(series, &comparison, true, &config)?.p
        })
        .filter(|p| *p <= 0.05)
        .count()
}

fn bench(bencher: divan::Bencher, likelihood: LikelihoodChoice, early_stopping: bool) {
    let all: Vec<Series> = (0..n_curves(200)).map(series).collect();
    bencher
        .counter(ItemsCount::new(all.len()))
        .bench(|| run(&all, likelihood, early_stopping));
}

/// Every curve, every draw, binomial likelihood.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn binomial_all_draws(bencher: divan::Bencher) {
    bench(bencher, LikelihoodChoice::Binomial, false);
}

/// Every curve, every draw, beta-binomial likelihood.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn beta_binomial_all_draws(bencher: divan::Bencher) {
    bench(bencher, LikelihoodChoice::BetaBinomial, false);
}

/// Every curve, every draw, the likelihood that each curve asks for.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn auto_all_draws(bencher: divan::Bencher) {
    bench(bencher, LikelihoodChoice::Auto, false);
}

/// Every curve, draws until the decision is certain, the likelihood that each asks for.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn auto_early_stopping(bencher: divan::Bencher) {
    bench(bencher, LikelihoodChoice::Auto, true);
}

/// The fits and their comparison alone, leave-one-out included.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn fits_alone(bencher: divan::Bencher) {
    let all: Vec<Series> = (0..n_curves(200)).map(series).collect();
    bencher.counter(ItemsCount::new(all.len())).bench(|| {
        all.par_iter()
            .filter_map(|series| compare(series, &FitConfig::default()))
            .count()
    });
}
