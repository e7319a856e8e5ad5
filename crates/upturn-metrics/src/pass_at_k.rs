//! pass@k: the chance that at least one of k answers is right.

/// The unbiased estimate from `n` answers of which `right` are right:
/// 1 − C(n − right, k) / C(n, k) (Chen et al. 2021), as a product of ratios. `None` where fewer
/// than k answers were drawn, more are right than there are, or k is 0.
///
/// ```
/// let p = upturn_metrics::pass_at_k(200, 13, 10).unwrap();
/// assert!((p - 0.497_551_114_7).abs() < 1e-9);
/// ```
#[must_use]
pub fn pass_at_k(n: usize, right: usize, k: usize) -> Option<f64> {
    if k == 0 || k > n || right > n {
        return None;
    }
    let wrong = n - right;
    if wrong < k {
        return Some(1.0);
    }
    // All of k drawn without return from the n are wrong.
    let log: f64 = (wrong + 1..=n)
        .map(|i| (-(k as f64) / i as f64).ln_1p())
        .sum();
    Some(-log.exp_m1())
}
