//! One-sided e-values for a success probability, by a mixture over the alternative.

use crate::dist::{beta_inc, ln_beta};

/// Tails below this are not trusted to be free of underflow.
const TINY_TAIL: f64 = 1e-250;

/// ln e for H0: p ≤ `p0` after `k` successes in `n` items, mixing uniformly over (p0, 1).
///
/// The likelihood ratio to p0 averaged over the alternative,
/// ∫_{p0}^1 q^k(1 − q)^{n−k} dq / ((1 − p0)·p0^k(1 − p0)^{n−k}). Its expectation is
/// 1 at p = p0 and below 1 for p < p0. Finite, except +∞ when a success contradicts
/// p0 = 0; 0 at p0 = 1, where nothing can contradict the null.
///
/// # Panics
/// When k > n or `p0` is outside [0, 1].
#[must_use]
pub fn ln_e_above(k: u64, n: u64, p0: f64) -> f64 {
    assert!(k <= n, "{k} successes in {n} items");
    assert!((0.0..=1.0).contains(&p0), "probability {p0} outside [0, 1]");
    ln_e(k as f64, (n - k) as f64, p0, 1.0 - p0)
}

/// ln e for H0: p ≥ `p0`: the mirror of [`ln_e_above`], mixing uniformly over (0, p0).
///
/// # Panics
/// When k > n or `p0` is outside [0, 1].
#[must_use]
pub fn ln_e_below(k: u64, n: u64, p0: f64) -> f64 {
    assert!(k <= n, "{k} successes in {n} items");
    assert!((0.0..=1.0).contains(&p0), "probability {p0} outside [0, 1]");
    ln_e((n - k) as f64, k as f64, 1.0 - p0, p0)
}

/// Of `hits` against H0: hit probability ≤ `p0` = 1 − `q0`.
fn ln_e(hits: f64, misses: f64, p0: f64, q0: f64) -> f64 {
    if q0 == 0.0 {
        return 0.0;
    }
    let (a, b) = (hits + 1.0, misses + 1.0);
    if p0 == 0.0 {
        return if hits > 0.0 { f64::INFINITY } else { -b.ln() };
    }
    // The upper tail as the lower tail of the mirror: no subtraction from 1.
    let tail = beta_inc(b, a, q0);
    if tail < TINY_TAIL {
        // Far below p0 the tail underflows, while e itself falls like 1/n only: the common
        // factors cancel against the null's likelihood.
        return p0.ln() - b.ln() + tail_series(b, a + b, q0).ln();
    }
    ln_beta(a, b) + tail.ln() - q0.ln() - hits * p0.ln() - misses * q0.ln()
}

/// Σ_j x^j·(total)_j/(b + 1)_j, by which I_x(b, total − b) exceeds x^b(1 − x)^{total−b}/(b·B).
///
/// Positive terms that decrease from the first, for x·total ≤ b + 1: always so where the
/// tail is tiny, and x < 1.
fn tail_series(b: f64, total: f64, x: f64) -> f64 {
    let (mut sum, mut term, mut j) = (1.0, 1.0, 0.0);
    while term > 1e-17 * sum {
        term *= x * (total + j) / (b + 1.0 + j);
        sum += term;
        j += 1.0;
    }
    sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn certain_nulls() {
        assert_eq!(ln_e_above(3, 5, 0.0), f64::INFINITY);
        // ∫(1 − q)⁵dq = 1/6
        assert!((ln_e_above(0, 5, 0.0) - (1.0f64 / 6.0).ln()).abs() < 1e-12);
        assert_eq!(ln_e_above(3, 5, 1.0), 0.0);
        assert_eq!(ln_e_below(3, 5, 1.0), f64::INFINITY);
        assert!(ln_e_above(0, 0, 0.3).abs() < 1e-12);
    }

    #[test]
    fn far_below_the_null_is_small_but_not_zero() {
        // k = 0: ∫_{p0}^1 ((1 − q)/(1 − p0))ⁿ dq/(1 − p0) = 1/(n + 1), while the tail itself,
        // (1 − p0)^{n+1}, is below every f64.
        assert!((ln_e_above(0, 5000, 0.8) + 5001f64.ln()).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn e_values_are_not_negative_and_mirror(n in 0u64..5000, share in 0.0f64..=1.0, p0 in 0.01f64..0.99) {
            let k = (n as f64 * share) as u64;
            let (above, below) = (ln_e_above(k, n, p0), ln_e_below(n - k, n, 1.0 - p0));
            prop_assert!(above.exp() >= 0.0);
            prop_assert!(above.is_finite(), "{}", above);
            prop_assert!((above - below).abs() <= 1e-9 * above.abs().max(1.0), "{} {}", above, below);
        }

        #[test]
        fn both_sides_average_to_the_whole(n in 1u64..300, share in 0.0f64..=1.0, p0 in 0.05f64..0.95) {
            // (1 − p0)·e_above + p0·e_below is the e-value mixing over all of (0, 1).
            let k = (n as f64 * share) as u64;
            let whole = ln_beta(k as f64 + 1.0, (n - k) as f64 + 1.0)
                - k as f64 * p0.ln()
                - (n - k) as f64 * (1.0 - p0).ln();
            let sum = (1.0 - p0) * (ln_e_above(k, n, p0) - whole).exp()
                + p0 * (ln_e_below(k, n, p0) - whole).exp();
            prop_assert!((sum - 1.0).abs() < 1e-9, "{}", sum);
        }
    }
}
