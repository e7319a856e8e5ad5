//! An interval for a success probability that holds at all times at once.

use upturn_types::Interval;

use crate::dist::ln_beta;
use crate::inference::root::brent;

/// The confidence sequence after `k` successes in `n` items: every p whose two-sided
/// e-value (mixing uniformly over (0, 1)) is below 1/α.
///
/// With probability at least 1 − α the intervals at *all* n hold the truth, so it may be
/// read after every item; it is about half as wide again as a fixed-n interval.
/// `None` when k > n or the level is not inside (0, 1).
#[must_use]
pub fn confidence_sequence(k: u64, n: u64, confidence_level: f64) -> Option<Interval> {
    if k > n || !(confidence_level > 0.0 && confidence_level < 1.0) {
        return None;
    }
    let (hits, misses) = (k as f64, (n - k) as f64);
    let limit = -(1.0 - confidence_level).ln();
    let whole = ln_beta(hits + 1.0, misses + 1.0);
    let term = |count: f64, p: f64| if count > 0.0 { count * p.ln() } else { 0.0 };
    // Above 0 outside the interval; misses with ln(1 − p) by ln_1p.
    let excess = |p: f64| {
        let lost = if misses > 0.0 {
            misses * (-p).ln_1p()
        } else {
            0.0
        };
        whole - term(hits, p) - lost - limit
    };
    let best = if n == 0 { 0.5 } else { hits / n as f64 };
    // With no hits the excess has no root below; the end is 0 (and 1 above with no misses).
    let lower = if k == 0 {
        0.0
    } else {
        brent(excess, 0.0, best, 1e-15)?
    };
    let upper = if k == n {
        1.0
    } else {
        brent(excess, best, 1.0, 1e-15)?
    };
    Some(Interval {
        lower: Some(lower),
        upper: Some(upper),
        confidence_level,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dist::clopper_pearson;

    #[test]
    fn nothing_seen_is_everything() {
        let ends = confidence_sequence(0, 0, 0.95).expect("valid");
        assert_eq!((ends.lower, ends.upper), (Some(0.0), Some(1.0)));
        assert_eq!(confidence_sequence(2, 1, 0.95), None);
        assert_eq!(confidence_sequence(1, 2, 0.0), None);
    }

    #[test]
    fn zero_of_n_in_closed_form() {
        // 1/(n + 1) = (1 − p)ⁿ/α
        let ends = confidence_sequence(0, 100, 0.95).expect("valid");
        let upper = 1.0 - (0.05f64 / 101.0).powf(1.0 / 100.0);
        assert!((ends.upper.unwrap() - upper).abs() < 1e-12);
        assert_eq!(ends.lower, Some(0.0));
    }

    proptest! {
        #[test]
        fn wider_than_the_fixed_interval_and_mirrored(n in 1u64..100_000, share in 0.0f64..=1.0) {
            let k = (n as f64 * share) as u64;
            let ends = confidence_sequence(k, n, 0.95).unwrap();
            let (low, high) = clopper_pearson(k, n, 0.025);
            prop_assert!(ends.lower.unwrap() <= low && high <= ends.upper.unwrap());
            let mirror = confidence_sequence(n - k, n, 0.95).unwrap();
            prop_assert!((ends.lower.unwrap() + mirror.upper.unwrap() - 1.0).abs() < 1e-9);
        }
    }
}
