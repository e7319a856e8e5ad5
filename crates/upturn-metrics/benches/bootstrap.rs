//! Time of the bootstraps, in resamples per second.
//!
//! `cargo bench -p upturn-metrics`; with `RAYON_NUM_THREADS=1` for one core.

use divan::Bencher;
use upturn_metrics::{Aggregation, ItemValue, PyRandom, stderr};

fn main() {
    divan::main();
}

/// 1000 log-likelihoods.
fn items() -> Vec<ItemValue> {
    let mut random = PyRandom::new(7);
    (0..1000)
        .map(|_| ItemValue::Number(-8.0 * random.random()))
        .collect()
}

#[divan::bench(args = [Aggregation::Perplexity, Aggregation::Median], sample_count = 3)]
fn resamples_of_1000_items(bencher: Bencher, aggregation: Aggregation) {
    let items = items();
    bencher
        .counter(divan::counter::ItemsCount::new(100_000u32))
        .bench_local(|| stderr(aggregation, &items, 100_000));
}
