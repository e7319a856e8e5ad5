//! The bootstrap of lm-evaluation-harness, draw for draw.
//!
//! Replicates are made in chunks of 1000, and chunk i draws from `random.Random(i)`. What is
//! left of the iterations after whole chunks is not made.

use rayon::prelude::*;

use crate::PyRandom;
use crate::numeric::sample_stddev;
use crate::statistic::{Scratch, Statistic};

/// Replicates in a chunk, where there are so many.
const CHUNK: u32 = 1000;

/// Standard deviation (divisor n − 1) of bootstrap replicates of the statistic; `None` where
/// there are fewer than two.
pub(crate) fn bootstrap_stddev(statistic: &Statistic, iterations: u32) -> Option<f64> {
    let n = statistic.len();
    let chunk = iterations.min(CHUNK);
    if n == 0 || chunk == 0 {
        return None;
    }
    let replicates: Vec<Vec<f64>> = (0..iterations / chunk)
        .into_par_iter()
        .map(|seed| {
            let mut random = PyRandom::new(u64::from(seed));
            let mut scratch = Scratch::default();
            (0..chunk)
                .map(|_| statistic.of_draws(&mut scratch, || random.choice_index(n)))
                .collect()
        })
        .collect();
    sample_stddev(&replicates.concat())
}
