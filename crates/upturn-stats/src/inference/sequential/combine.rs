//! Combining e-values: products, averages, and e-BH over many tasks.

/// ln of the product: for e-values of independent batches of one null.
#[must_use]
pub fn ln_product(ln_e: &[f64]) -> f64 {
    // A zero e-value refutes the alternative for good, whatever the others say.
    if ln_e.contains(&f64::NEG_INFINITY) {
        return f64::NEG_INFINITY;
    }
    ln_e.iter().sum()
}

/// ln of the average: for e-values with any dependence. `None` without e-values.
#[must_use]
pub fn ln_average(ln_e: &[f64]) -> Option<f64> {
    let largest = ln_e.iter().copied().reduce(f64::max)?;
    if largest.is_infinite() {
        return Some(largest);
    }
    let sum: f64 = ln_e.iter().map(|e| (e - largest).exp()).sum();
    Some(largest + (sum / ln_e.len() as f64).ln())
}

/// e-BH (Wang and Ramdas 2022): which of m nulls to reject, at false discovery rate `alpha`
/// under any dependence.
///
/// Rejects the k̂ largest, k̂ the largest k whose k-th largest e-value is at least m/(α·k).
/// NaN is never rejected.
#[must_use]
pub fn e_bh(ln_e: &[f64], alpha: f64) -> Vec<bool> {
    let m = ln_e.len();
    let mut sorted: Vec<f64> = ln_e.iter().copied().filter(|e| !e.is_nan()).collect();
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    let bar = |k: usize| (m as f64 / (alpha * k as f64)).ln();
    let k = (1..=sorted.len()).rev().find(|&k| sorted[k - 1] >= bar(k));
    match k {
        Some(k) => ln_e.iter().map(|&e| e >= sorted[k - 1]).collect(),
        None => vec![false; m],
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn e_bh_by_hand() {
        // m = 4, α = .05: bars 80, 40, 26.7, 20.
        let ln = |e: [f64; 4]| e.map(f64::ln);
        assert_eq!(
            e_bh(&ln([50.0, 1.0, 45.0, 0.0]), 0.05),
            [true, false, true, false]
        );
        assert_eq!(e_bh(&ln([79.0, 1.0, 2.0, 0.0]), 0.05), [false; 4]);
        assert_eq!(e_bh(&ln([21.0, 20.0, 20.5, 30.0]), 0.05), [true; 4]);
        assert_eq!(e_bh(&[f64::NAN, f64::INFINITY], 0.05), [false, true]);
        assert_eq!(e_bh(&[], 0.05), Vec::<bool>::new());
    }

    #[test]
    fn products_and_averages() {
        assert!((ln_product(&[2f64.ln(), 8f64.ln()]) - 16f64.ln()).abs() < 1e-12);
        assert_eq!(
            ln_product(&[f64::NEG_INFINITY, f64::INFINITY]),
            f64::NEG_INFINITY
        );
        assert!((ln_average(&[2f64.ln(), 8f64.ln()]).unwrap() - 5f64.ln()).abs() < 1e-12);
        assert!((ln_average(&[2f64.ln(), f64::NEG_INFINITY]).unwrap()).abs() < 1e-12);
        assert!((ln_average(&[900.0, 900.0]).unwrap() - 900.0).abs() < 1e-9);
        assert_eq!(ln_average(&[]), None);
    }

    proptest! {
        #[test]
        fn larger_e_values_are_rejected_first(e in prop::collection::vec(-3.0f64..8.0, 0..30)) {
            let rejected = e_bh(&e, 0.1);
            for (i, &r) in rejected.iter().enumerate() {
                for (j, &s) in rejected.iter().enumerate() {
                    prop_assert!(!(r && !s && e[j] >= e[i]));
                }
            }
        }
    }
}
