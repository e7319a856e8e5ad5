//! Binomial random numbers by inversion of a tabulated distribution: for many draws of one
//! law, which is what the bootstraps here make.

use crate::resample::SplitMix64;

/// Probabilities below this share of the mode's are left out of the table.
const NEGLIGIBLE: f64 = 1e-18;

/// Draws from Bin(n, p) with one uniform number each.
///
/// The table spans the counts whose probability is at least 1e-18 of the largest, about
/// ±9 standard deviations; it is built from ratios of neighbours, so that no factorial
/// enters, and a draw is a binary search.
#[derive(Debug, Clone)]
pub struct BinomialSampler {
    n: u64,
    first: u64,
    /// Cumulative probabilities from `first`; the last is above every uniform number.
    cumulative: Vec<f64>,
}

impl BinomialSampler {
    /// A sampler of Bin(n, p).
    ///
    /// # Panics
    /// When `p` is outside [0, 1] or NaN.
    #[must_use]
    pub fn new(n: u64, p: f64) -> Self {
        assert!((0.0..=1.0).contains(&p), "probability {p} outside [0, 1]");
        if p == 0.0 || p == 1.0 || n == 0 {
            let first = if p == 1.0 { n } else { 0 };
            return BinomialSampler {
                n,
                first,
                cumulative: vec![1.0],
            };
        }
        let odds = p / (1.0 - p);
        let mode = (((n + 1) as f64 * p) as u64).min(n);
        // Below the mode, from the mode down: f(k−1)/f(k) = k/((n−k+1)·odds).
        let mut weights = Vec::new();
        let (mut k, mut weight) = (mode, 1.0);
        while k > 0 {
            weight *= k as f64 / ((n - k + 1) as f64 * odds);
            if weight < NEGLIGIBLE {
                break;
            }
            k -= 1;
            weights.push(weight);
        }
        let first = k;
        weights.reverse();
        weights.push(1.0);
        let (mut k, mut weight) = (mode, 1.0);
        while k < n {
            weight *= (n - k) as f64 / (k + 1) as f64 * odds;
            if weight < NEGLIGIBLE {
                break;
            }
            k += 1;
            weights.push(weight);
        }
        let total: f64 = weights.iter().sum();
        let mut sum = 0.0;
        for w in &mut weights {
            sum += *w;
            *w = sum / total;
        }
        if let Some(last) = weights.last_mut() {
            *last = 1.0;
        }
        BinomialSampler {
            n,
            first,
            cumulative: weights,
        }
    }

    /// Number of trials.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.n
    }

    /// The next count, in 0..=n.
    pub fn draw(&self, rng: &mut SplitMix64) -> u64 {
        let u = rng.uniform();
        self.first + self.cumulative.partition_point(|&c| c <= u) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certain_outcomes_and_no_trials() {
        let mut rng = SplitMix64::new(1);
        for (n, p, k) in [(10, 0.0, 0), (10, 1.0, 10), (0, 0.4, 0)] {
            let sampler = BinomialSampler::new(n, p);
            assert!((0..50).all(|_| sampler.draw(&mut rng) == k));
        }
    }

    #[test]
    fn the_table_is_the_binomial_distribution() {
        for (n, p) in [
            (1u64, 0.3),
            (7, 0.02),
            (651, 0.25),
            (20_000, 0.999),
            (5153, 0.5),
        ] {
            let sampler = BinomialSampler::new(n, p);
            let mut below = 0.0;
            let (mut mean, mut square) = (0.0, 0.0);
            for (i, &c) in sampler.cumulative.iter().enumerate() {
                let k = (sampler.first + i as u64) as f64;
                mean += k * (c - below);
                square += k * k * (c - below);
                below = c;
            }
            let nf = n as f64;
            assert!((mean - nf * p).abs() < 1e-9 * nf, "{n} {p} {mean}");
            let variance = square - mean * mean;
            assert!(
                (variance - nf * p * (1.0 - p)).abs() < 1e-6 * nf,
                "{n} {p} {variance}"
            );
        }
        let two = BinomialSampler::new(2, 0.5);
        assert_eq!(two.cumulative, [0.25, 0.75, 1.0]);
    }
}
