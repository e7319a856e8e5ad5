//! Two proportions on different items: pooled z test and Newcombe's hybrid interval.

use upturn_types::Interval;

use crate::dist::{norm_sf, wilson};
use crate::tests::two_proportion_z as pooled_z;

/// The pooled two-proportion z test of p_1 = p_2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TwoProportionTest {
    /// k_1/n_1 − k_2/n_2.
    pub difference: f64,
    /// z, with the standard error of the pooled proportion.
    pub z: f64,
    /// One-sided p of "the first is not larger".
    pub p_first_larger: f64,
    /// Two-sided p.
    pub p_two_sided: f64,
}

/// The pooled z test of k_1 of n_1 against k_2 of n_2, independent samples.
///
/// `None` when a sample is empty or impossible, or the pooled proportion is 0 or 1 (no
/// error to scale by).
#[must_use]
pub fn two_proportion_z(k1: u64, n1: u64, k2: u64, n2: u64) -> Option<TwoProportionTest> {
    if n1 == 0 || n2 == 0 || k1 > n1 || k2 > n2 {
        return None;
    }
    // Positive where the sample that it takes as its second is larger: ours to take first.
    let z = pooled_z((k2, n2), (k1, n1))?;
    Some(TwoProportionTest {
        difference: k1 as f64 / n1 as f64 - k2 as f64 / n2 as f64,
        z,
        p_first_larger: norm_sf(z),
        p_two_sided: (2.0 * norm_sf(z.abs())).min(1.0),
    })
}

/// Newcombe's hybrid score interval of p_1 − p_2 (Newcombe 1998, method 10).
///
/// Squares and adds the distances to the two Wilson limits, so it stays inside [−1, 1] and
/// works at 0 and n. `None` when a sample is empty or impossible, or the level not inside (0, 1).
#[must_use]
pub fn newcombe_interval(
    k1: u64,
    n1: u64,
    k2: u64,
    n2: u64,
    confidence_level: f64,
) -> Option<Interval> {
    let valid_level = confidence_level > 0.0 && confidence_level < 1.0;
    if n1 == 0 || n2 == 0 || k1 > n1 || k2 > n2 || !valid_level {
        return None;
    }
    let (p1, p2) = (k1 as f64 / n1 as f64, k2 as f64 / n2 as f64);
    let (low1, high1) = wilson(k1, n1, 1.0 - confidence_level);
    let (low2, high2) = wilson(k2, n2, 1.0 - confidence_level);
    let difference = p1 - p2;
    Some(Interval {
        lower: Some(difference - (p1 - low1).hypot(high2 - p2)),
        upper: Some(difference + (high1 - p1).hypot(p2 - low2)),
        confidence_level,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newcombe_table() {
        // Newcombe (1998), table II, method 10: 56/70 − 48/80 and 10/10 − 0/10.
        let ends = newcombe_interval(56, 70, 48, 80, 0.95).expect("valid");
        assert!((ends.lower.unwrap() - 0.0524).abs() < 5e-5);
        assert!((ends.upper.unwrap() - 0.3339).abs() < 5e-5);
        let ends = newcombe_interval(10, 10, 0, 10, 0.95).expect("valid");
        assert!((ends.lower.unwrap() - 0.6075).abs() < 5e-5);
        assert!((ends.upper.unwrap() - 1.0).abs() < 5e-5);
    }

    #[test]
    fn swapping_the_samples_swaps_signs() {
        let (a, b) = (
            two_proportion_z(60, 100, 45, 90),
            two_proportion_z(45, 90, 60, 100),
        );
        let (a, b) = (a.expect("valid"), b.expect("valid"));
        assert!((a.z + b.z).abs() < 1e-12);
        assert!((a.p_first_larger + b.p_first_larger - 1.0).abs() < 1e-12);
        let (i, j) = (
            newcombe_interval(60, 100, 45, 90, 0.9).expect("valid"),
            newcombe_interval(45, 90, 60, 100, 0.9).expect("valid"),
        );
        assert!((i.lower.unwrap() + j.upper.unwrap()).abs() < 1e-12);
    }

    #[test]
    fn impossible_or_constant_samples_are_none() {
        assert_eq!(two_proportion_z(0, 10, 0, 20), None);
        assert_eq!(two_proportion_z(10, 10, 20, 20), None);
        assert_eq!(two_proportion_z(1, 0, 0, 20), None);
        assert_eq!(newcombe_interval(11, 10, 0, 20, 0.95), None);
        assert_eq!(newcombe_interval(1, 10, 0, 20, 0.0), None);
    }
}
