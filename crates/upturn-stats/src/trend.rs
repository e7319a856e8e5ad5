//! Trend helpers: Cochran–Armitage, Kendall τ-b, isotonic fit.

use crate::dist::norm_sf;
use crate::inference::binomial_sampler::BinomialSampler;
use crate::resample::{SplitMix64, monte_carlo_p};

/// Cochran–Armitage z for a linear trend of proportions k/n in x, positive when rising.
///
/// z = Σkᵢ(xᵢ − x̄)/√(p̄(1 − p̄)Σnᵢ(xᵢ − x̄)²) with x̄ and p̄ weighted by n. `None` where
/// lengths differ, an x is not finite, or either all x or all outcomes are equal.
#[must_use]
pub fn cochran_armitage(x: &[f64], k: &[u64], n: &[u64]) -> Option<f64> {
    let usable = x.len() == k.len() && x.len() == n.len() && x.iter().all(|x| x.is_finite());
    if !usable {
        return None;
    }
    let total: f64 = n.iter().map(|n| *n as f64).sum();
    let share = k.iter().map(|k| *k as f64).sum::<f64>() / total;
    let centre = x.iter().zip(n).map(|(x, n)| x * *n as f64).sum::<f64>() / total;
    let score: f64 = x.iter().zip(k).map(|(x, k)| *k as f64 * (x - centre)).sum();
    let spread: f64 = x
        .iter()
        .zip(n)
        .map(|(x, n)| *n as f64 * (x - centre).powi(2))
        .sum();
    let variance = share * (1.0 - share) * spread;
    // Equal x leave a spread of rounding errors only.
    let level = total * (f64::EPSILON * centre).powi(2) * 16.0;
    (variance > 0.0 && spread > level).then(|| score / variance.sqrt())
}

/// z of the slope of means in x with known variances: the weighted least-squares slope
/// over its standard error. The counterpart of [`cochran_armitage`] for [means].
///
/// `None` where lengths differ, an x is not finite, a variance is not positive, or all x
/// are equal.
///
/// [means]: crate::Obs::Mean
#[must_use]
pub fn weighted_slope_z(x: &[f64], y: &[f64], variance: &[f64]) -> Option<f64> {
    let usable = x.len() == y.len()
        && x.len() == variance.len()
        && x.iter().chain(y).all(|v| v.is_finite())
        && variance.iter().all(|v| *v > 0.0);
    if !usable {
        return None;
    }
    let total: f64 = variance.iter().map(|v| 1.0 / v).sum();
    let centre = x.iter().zip(variance).map(|(x, v)| x / v).sum::<f64>() / total;
    let spread: f64 = x
        .iter()
        .zip(variance)
        .map(|(x, v)| (x - centre).powi(2) / v)
        .sum();
    let score: f64 = (0..x.len())
        .map(|i| (x[i] - centre) * y[i] / variance[i])
        .sum();
    let level = total * (f64::EPSILON * centre).powi(2) * 16.0;
    (spread > level).then(|| score / spread.sqrt())
}

/// Largest number of points whose τ gets an exact p.
const KENDALL_EXACT_MAX: usize = 30;

/// Kendall's τ-b of `y` with `x`, and its two-sided p.
///
/// The p is exact up to 30 points without ties; otherwise normal, with the variance
/// corrected for ties (Kendall 1970) and no continuity correction. x may be −∞. `None`
/// where lengths differ, a value is NaN, or all x or all y are equal.
#[must_use]
pub fn kendall_tau_b(x: &[f64], y: &[f64]) -> Option<(f64, f64)> {
    if x.len() != y.len() || x.iter().chain(y).any(|v| v.is_nan()) {
        return None;
    }
    let count = x.len();
    let order =
        |v: &[f64], i: usize, j: usize| f64::from(i8::from(v[j] > v[i]) - i8::from(v[j] < v[i]));
    let mut concordance = 0.0;
    for i in 0..count {
        for j in i + 1..count {
            concordance += order(x, i, j) * order(y, i, j);
        }
    }
    let (ties_x, ties_y) = (tie_sizes(x), tie_sizes(y));
    let points = count as f64;
    let pairs = points * (points - 1.0) / 2.0;
    let tied_pairs = |ties: &[f64]| ties.iter().map(|t| t * (t - 1.0) / 2.0).sum::<f64>();
    let (tied_x, tied_y) = (tied_pairs(&ties_x), tied_pairs(&ties_y));
    let scale = ((pairs - tied_x) * (pairs - tied_y)).sqrt();
    if scale <= 0.0 {
        return None;
    }
    let tau = (concordance / scale).clamp(-1.0, 1.0);
    let no_ties = tied_x == 0.0 && tied_y == 0.0;
    let p = if no_ties && count <= KENDALL_EXACT_MAX {
        kendall_exact_p(count, concordance.abs())
    } else {
        let twice = |ties: &[f64]| {
            ties.iter()
                .map(|t| t * (t - 1.0) * (2.0 * t + 5.0))
                .sum::<f64>()
        };
        let thrice = |ties: &[f64]| ties.iter().map(|t| t * (t - 1.0) * (t - 2.0)).sum::<f64>();
        let ordered = 2.0 * pairs;
        let mut variance = (ordered * (2.0 * points + 5.0) - twice(&ties_x) - twice(&ties_y))
            / 18.0
            + 2.0 * tied_x * tied_y / ordered;
        if count > 2 {
            variance += thrice(&ties_x) * thrice(&ties_y) / (9.0 * ordered * (points - 2.0));
        }
        (2.0 * norm_sf(concordance.abs() / variance.sqrt())).min(1.0)
    };
    Some((tau, p))
}

/// Non-decreasing weighted least-squares fit of `y` (pool adjacent violators).
///
/// `w` are positive weights; the shorter of the two slices sets the length.
#[must_use]
pub fn pava(y: &[f64], w: &[f64]) -> Vec<f64> {
    // Blocks of (mean, weight, length).
    let mut blocks: Vec<(f64, f64, usize)> = Vec::new();
    for (&y, &w) in y.iter().zip(w) {
        let mut block = (y, w, 1);
        while let Some(&(mean, weight, length)) = blocks.last() {
            if mean < block.0 {
                break;
            }
            blocks.pop();
            let total = weight + block.1;
            block = (
                (mean * weight + block.0 * block.1) / total,
                total,
                length + block.2,
            );
        }
        blocks.push(block);
    }
    blocks
        .into_iter()
        .flat_map(|(mean, _, length)| std::iter::repeat_n(mean, length))
        .collect()
}

/// Deviance 2Σ[k ln(y/ŷ) + (n − k) ln((1 − y)/(1 − ŷ))] of counts from their best
/// non-decreasing fit ŷ; 0 when they never fall.
///
/// Models with no items are skipped.
#[must_use]
pub fn isotonic_deviance(k: &[u64], n: &[u64]) -> f64 {
    let (k, n) = with_items(k, n);
    deviance_from(&k, &n, &isotonic_fit(&k, &n))
}

/// Monte-Carlo p of the isotonic deviance: the share of `n_draws` binomial samples from
/// the isotonic fit that deviate at least as much from their own.
///
/// Small p: the scores really fall somewhere. The same seed gives the same p.
#[must_use]
pub fn isotonic_deviance_p(k: &[u64], n: &[u64], n_draws: u64, seed: u64) -> f64 {
    let (k, n) = with_items(k, n);
    let fit = isotonic_fit(&k, &n);
    let observed = deviance_from(&k, &n, &fit);
    let samplers: Vec<BinomialSampler> = n
        .iter()
        .zip(&fit)
        .map(|(n, p)| BinomialSampler::new(*n, p.clamp(0.0, 1.0)))
        .collect();
    let at_least = (0..n_draws).filter(|draw| {
        let mut rng = SplitMix64::stream(seed, *draw);
        let sample: Vec<u64> = samplers.iter().map(|s| s.draw(&mut rng)).collect();
        // Equal samples may differ in the last bits of their deviance.
        deviance_from(&sample, &n, &isotonic_fit(&sample, &n)) >= observed - 1e-9
    });
    monte_carlo_p(at_least.count() as u64, n_draws)
}

fn with_items(k: &[u64], n: &[u64]) -> (Vec<u64>, Vec<u64>) {
    k.iter().zip(n).filter(|(_, n)| **n > 0).unzip()
}

fn isotonic_fit(k: &[u64], n: &[u64]) -> Vec<f64> {
    let w: Vec<f64> = n.iter().map(|n| *n as f64).collect();
    let y: Vec<f64> = k.iter().zip(&w).map(|(k, n)| *k as f64 / n).collect();
    pava(&y, &w)
}

fn deviance_from(k: &[u64], n: &[u64], fit: &[f64]) -> f64 {
    let term = |count: f64, share: f64, fitted: f64| {
        if count > 0.0 {
            count * (share / fitted).ln()
        } else {
            0.0
        }
    };
    let sum: f64 = (0..k.len())
        .map(|i| {
            let (k, n) = (k[i] as f64, n[i] as f64);
            let y = k / n;
            term(k, y, fit[i]) + term(n - k, 1.0 - y, 1.0 - fit[i])
        })
        .sum();
    (2.0 * sum).max(0.0)
}

/// Two-sided p of |concordant − discordant| ≥ `concordance` over all orders of `count`
/// distinct values: counts permutations by their inversions.
fn kendall_exact_p(count: usize, concordance: f64) -> f64 {
    let pairs = count * (count - 1) / 2;
    // Shares of permutations with 0, 1, 2, … inversions.
    let mut shares = vec![0.0; pairs + 1];
    shares[0] = 1.0;
    let mut reach = 0;
    for size in 2..=count {
        let before = shares.clone();
        reach += size - 1;
        for (inversions, share) in shares.iter_mut().enumerate().take(reach + 1) {
            let from = (inversions + 1).saturating_sub(size);
            *share = before[from..=inversions].iter().sum::<f64>() / size as f64;
        }
    }
    let inversions = ((pairs as f64 - concordance) / 2.0).round() as usize;
    (2.0 * shares[..=inversions].iter().sum::<f64>()).min(1.0)
}

fn tie_sizes(v: &[f64]) -> Vec<f64> {
    let mut sorted = v.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
        .chunk_by(|a, b| a == b)
        .map(|run| run.len() as f64)
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(got: f64, want: f64) {
        assert!(
            (got - want).abs() <= 1e-9 * want.abs().max(1e-3),
            "{got} {want}"
        );
    }

    /// `scipy.stats.kendalltau`: exact without ties, asymptotic with.
    #[test]
    fn kendall_against_scipy() {
        let x: Vec<f64> = (0..10).map(f64::from).collect();
        let y = [1.0, 3.0, 2.0, 5.0, 4.0, 7.0, 6.0, 9.0, 10.0, 8.0];
        let (tau, p) = kendall_tau_b(&x, &y).unwrap();
        close(tau, KENDALL_DISTINCT.0);
        close(p, KENDALL_DISTINCT.1);
        let tied = [1.0, 3.0, 3.0, 5.0, 4.0, 7.0, 7.0, 7.0, 10.0, 8.0];
        let x_tied = [0.0, 0.0, 2.0, 3.0, 4.0, 4.0, 4.0, 7.0, 8.0, 9.0];
        let (tau, p) = kendall_tau_b(&x_tied, &tied).unwrap();
        close(tau, KENDALL_TIED.0);
        close(p, KENDALL_TIED.1);
    }

    const KENDALL_DISTINCT: (f64, f64) = (0.777_777_777_777_777_7, 0.000_946_318_342_151_675_5);
    const KENDALL_TIED: (f64, f64) = (0.829_268_292_682_926_8, 0.001_597_061_833_464_821_8);

    #[test]
    fn nothing_to_correlate() {
        assert_eq!(kendall_tau_b(&[1.0], &[1.0]), None);
        assert_eq!(kendall_tau_b(&[1.0, 2.0], &[3.0, 3.0]), None);
        assert_eq!(kendall_tau_b(&[1.0, f64::NAN], &[3.0, 4.0]), None);
        assert_eq!(
            kendall_tau_b(&[f64::NEG_INFINITY, 0.0], &[3.0, 4.0]),
            Some((1.0, 1.0))
        );
        assert_eq!(cochran_armitage(&[1.0, 2.0], &[0, 0], &[5, 5]), None);
        assert_eq!(
            cochran_armitage(&[0.1, 0.1, 0.1], &[1, 2, 3], &[5, 5, 5]),
            None
        );
        assert_eq!(
            cochran_armitage(&[f64::NEG_INFINITY, 2.0], &[1, 2], &[5, 5]),
            None
        );
        assert_eq!(
            weighted_slope_z(&[1.0, 2.0], &[0.1, 0.2], &[0.0, 1.0]),
            None
        );
    }

    #[test]
    fn slope_of_two_means_is_their_difference() {
        let z = weighted_slope_z(&[1.0, 3.0], &[0.3, 0.4], &[0.01, 0.02]).unwrap();
        close(z, 0.1 / 0.03_f64.sqrt());
    }

    #[test]
    fn bootstrap_of_the_isotonic_deviance() {
        let n = [200; 5];
        let noise = isotonic_deviance_p(&[50, 55, 52, 60, 58], &n, 999, 1);
        let fall = isotonic_deviance_p(&[50, 90, 40, 60, 70], &n, 999, 1);
        assert!(noise > 0.3 && fall <= 0.001, "{noise} {fall}");
        assert_eq!(
            noise,
            isotonic_deviance_p(&[50, 55, 52, 60, 58], &n, 999, 1)
        );
        assert_eq!(isotonic_deviance_p(&[1, 2, 3], &[9; 3], 99, 1), 1.0);
        assert_eq!(isotonic_deviance(&[0, 0, 5], &[5, 0, 5]), 0.0);
    }

    proptest! {
        #[test]
        fn isotonic_fits(k in prop::collection::vec(0u64..=50, 1..15)) {
            let n = vec![50; k.len()];
            let fit = isotonic_fit(&k, &n);
            prop_assert!(fit.windows(2).all(|w| w[0] <= w[1]));
            let total: f64 = fit.iter().sum::<f64>() * 50.0;
            prop_assert!((total - k.iter().sum::<u64>() as f64).abs() < 1e-9);
            let rises = k.windows(2).all(|w| w[0] <= w[1]);
            prop_assert_eq!(rises, isotonic_deviance(&k, &n) < 1e-12);
        }

        #[test]
        fn kendall_is_odd_and_bounded(y in prop::collection::vec(-3.0..3.0_f64, 2..40), coarse in any::<bool>()) {
            let y: Vec<f64> = if coarse { y.iter().map(|v| v.round()).collect() } else { y };
            let x: Vec<f64> = (0..y.len()).map(|i| i as f64).collect();
            let turned: Vec<f64> = y.iter().map(|v| -v).collect();
            let (up, down) = (kendall_tau_b(&x, &y), kendall_tau_b(&x, &turned));
            prop_assert_eq!(up.map(|(tau, p)| (-tau, p)), down);
            if let Some((tau, p)) = up {
                prop_assert!((-1.0..=1.0).contains(&tau) && (0.0..=1.0).contains(&p));
            }
        }
    }
}
