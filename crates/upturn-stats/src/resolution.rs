//! What a number of items can show: critical counts, detectable effects, near-power.

use upturn_types::Resolution;

use crate::dist::{beta_inc_inv, binom_cdf, binom_sf, norm_quantile};

/// Smallest k with P(Bin(n, p0) ≥ k) ≤ α: the first count that is significantly above p0.
///
/// n + 1 where no count is.
#[must_use]
pub fn critical_k(n: u64, p0: f64, alpha: f64) -> u64 {
    smallest(0, n.saturating_add(1), |k| binom_sf(k, n, p0) <= alpha)
}

/// Largest k with P(Bin(n, p0) ≤ k) ≤ α: the last count that is significantly below p0;
/// `None` where no count is.
#[must_use]
pub fn critical_k_below(n: u64, p0: f64, alpha: f64) -> Option<u64> {
    smallest(0, n.saturating_add(1), |k| binom_cdf(k, n, p0) > alpha).checked_sub(1)
}

/// Smallest true score that is detected above p0 with probability `power`: the p1 at which
/// P(Bin(n, p1) ≥ k*) = power, k* from [`critical_k`].
///
/// `None` where no count is significant.
#[must_use]
pub fn detectable(n: u64, p0: f64, alpha: f64, power: f64) -> Option<f64> {
    let k = critical_k(n, p0, alpha);
    match k {
        k if k > n => None,
        0 => Some(0.0),
        k => Some(beta_inc_inv(k as f64, (n - k) as f64 + 1.0, power)),
    }
}

/// Items needed for a one-sided test of H0: p = `p0` at level α to have `power` at `p1`,
/// by the normal approximation; not rounded. Infinite where the two are equal.
#[must_use]
pub fn n_to_separate(p0: f64, p1: f64, alpha: f64, power: f64) -> f64 {
    let spread = |p: f64| (p * (1.0 - p)).max(0.0).sqrt();
    let numerator = norm_quantile(1.0 - alpha) * spread(p0) + norm_quantile(power) * spread(p1);
    (numerator / (p1 - p0)).powi(2)
}

/// Probability that a model exactly at `chance` is certified near-random, that is below
/// chance + δ, with n items.
#[must_use]
pub fn near_power(n: u64, chance: f64, delta_abs: f64, alpha: f64) -> f64 {
    critical_k_below(n, chance + delta_abs, alpha).map_or(0.0, |k| binom_cdf(k, n, chance))
}

/// What `n` items can show about a model near `chance`, with the margin δ = `delta_abs`
/// in score units.
///
/// `detectable` is the `ceiling` where even a perfect score is not significant.
/// `n_to_certify_chance` starts from [`n_to_separate`] with the null at chance + δ (which
/// is what "near" refutes) and is raised to the first n whose exact near-power reaches
/// `power`: by the approximation alone 52 items would do at chance 0 and δ = .05, but with
/// fewer than 59 not even a score of 0 is certified.
#[must_use]
pub fn resolution(
    n: u64,
    chance: f64,
    delta_abs: f64,
    ceiling: f64,
    alpha: f64,
    power: f64,
) -> Resolution {
    let margin = (chance + delta_abs).min(ceiling);
    Resolution {
        n,
        k_above: critical_k(n, margin, alpha),
        k_near: critical_k_below(n, margin, alpha),
        near_power: near_power(n, chance, delta_abs, alpha),
        detectable: detectable(n, margin, alpha, power).unwrap_or(ceiling),
        n_to_certify_chance: n_to_certify_chance(chance, margin, alpha, power),
    }
}

/// Above this n the normal plan is kept as it is: there it errs by less than 1%.
const EXACT_N_MAX: u64 = 20_000;

fn n_to_certify_chance(chance: f64, margin: f64, alpha: f64, power: f64) -> Option<u64> {
    let planned = n_to_separate(margin, chance, alpha, power).ceil();
    let reachable = margin > 0.0 && margin < 1.0 && planned <= 1e15;
    if !reachable {
        return None;
    }
    let planned = (planned as u64).max(1);
    if planned > EXACT_N_MAX {
        return Some(planned);
    }
    // While n grows and the critical count stays, near-power falls: only the n at which
    // the count steps up can be the first that suffices.
    let below = |k: u64, n: u64| binom_cdf(k, n, margin) <= alpha;
    let mut n = planned;
    let mut k = critical_k_below(n, margin, alpha);
    while n <= 2 * planned + 200 {
        if k.is_some_and(|k| binom_cdf(k, n, chance) >= power) {
            return Some(n);
        }
        let next = k.map_or(0, |k| k + 1);
        n += 1;
        while !below(next, n) {
            n += 1;
        }
        k = Some(next);
    }
    None
}

/// Smallest k in `low..high` that satisfies a condition which, once true, stays true;
/// `high` where none does.
fn smallest(low: u64, high: u64, condition: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (low, high);
    while low < high {
        let middle = low + (high - low) / 2;
        if condition(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn few_items_cannot_certify_chance() {
        let hundred = resolution(100, 0.25, 0.0375, 1.0, 0.05, 0.8);
        assert_eq!(hundred.k_near, Some(20));
        assert!(hundred.near_power < 0.2);
        // At chance 0, .95ⁿ must fall to .05: not before n = 59.
        assert_eq!(critical_k_below(58, 0.05, 0.05), None);
        assert_eq!(critical_k_below(59, 0.05, 0.05), Some(0));
        let zero = resolution(2000, 0.0, 0.05, 1.0, 0.05, 0.8);
        assert_eq!(zero.near_power, 1.0);
        assert_eq!(zero.n_to_certify_chance, Some(59));
    }

    #[test]
    fn the_items_needed_do() {
        let needed = resolution(100, 0.25, 0.0375, 1.0, 0.05, 0.8)
            .n_to_certify_chance
            .unwrap();
        assert!((874..950).contains(&needed), "{needed}");
        let power = |n| near_power(n, 0.25, 0.0375, 0.05);
        assert!(power(needed) >= 0.8);
        assert!((875..needed).all(|n| power(n) < 0.8));
        // No margin, nothing to certify.
        assert_eq!(
            resolution(100, 0.25, 0.0, 1.0, 0.05, 0.8).n_to_certify_chance,
            None
        );
    }

    #[test]
    fn hopeless_sizes() {
        // One item cannot show anything at 5%.
        let one = resolution(1, 0.25, 0.0375, 1.0, 0.05, 0.8);
        assert_eq!((one.k_above, one.k_near), (2, None));
        assert_eq!((one.near_power, one.detectable), (0.0, 1.0));
        let none = resolution(0, 0.25, 0.0375, 1.0, 0.05, 0.8);
        assert_eq!((none.k_above, none.k_near), (1, None));
        assert_eq!(n_to_separate(0.3, 0.3, 0.05, 0.8), f64::INFINITY);
    }

    proptest! {
        #[test]
        fn critical_counts_are_the_first_and_last(n in 1u64..3000, p0 in 0.0..0.99_f64, alpha in 0.001..0.3_f64) {
            let k = critical_k(n, p0, alpha);
            prop_assert!(binom_sf(k, n, p0) <= alpha);
            prop_assert!(k == 0 || binom_sf(k - 1, n, p0) > alpha);
            match critical_k_below(n, p0, alpha) {
                Some(k) => prop_assert!(binom_cdf(k, n, p0) <= alpha && binom_cdf(k + 1, n, p0) > alpha),
                None => prop_assert!(binom_cdf(0, n, p0) > alpha),
            }
            if let Some(p1) = detectable(n, p0, alpha, 0.8) {
                prop_assert!(p1 >= p0 && (binom_sf(k, n, p1) - 0.8).abs() < 1e-9);
            }
        }
    }
}
