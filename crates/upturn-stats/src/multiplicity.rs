//! Adjusting p-values: Holm, Benjamini–Hochberg, Benjamini–Yekutieli.
//!
//! Each function returns adjusted p-values in the order of its input: reject those at
//! most α. They never exceed 1, are never smaller than the raw p, and keep its order.
//! A NaN counts as p = 1.

/// Holm's step-down adjustment: controls the chance of any false rejection (FWER),
/// whatever the dependence (Holm 1979).
#[must_use]
pub fn holm(p: &[f64]) -> Vec<f64> {
    let order = ascending(p);
    let m = p.len();
    let mut adjusted = vec![1.0; m];
    let mut running = 0.0_f64;
    for (rank, &i) in order.iter().enumerate() {
        running = running.max((m - rank) as f64 * at_most_one(p[i])).min(1.0);
        adjusted[i] = running;
    }
    adjusted
}

/// Benjamini–Hochberg's step-up adjustment: controls the share of false rejections (FDR)
/// under independence or positive regression dependence (1995).
#[must_use]
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    step_up(p, 1.0)
}

/// Benjamini–Yekutieli's adjustment: the FDR under any dependence, at the price of a
/// factor Σ 1/i (2001).
#[must_use]
pub fn benjamini_yekutieli(p: &[f64]) -> Vec<f64> {
    let harmonic = (1..=p.len()).map(|i| 1.0 / i as f64).sum();
    step_up(p, harmonic)
}

fn step_up(p: &[f64], factor: f64) -> Vec<f64> {
    let order = ascending(p);
    let m = p.len() as f64;
    let mut adjusted = vec![1.0; p.len()];
    let mut running = 1.0_f64;
    for (rank, &i) in order.iter().enumerate().rev() {
        running = running.min(factor * m / (rank + 1) as f64 * at_most_one(p[i]));
        adjusted[i] = running;
    }
    adjusted
}

fn ascending(p: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| at_most_one(p[a]).total_cmp(&at_most_one(p[b])));
    order
}

fn at_most_one(p: f64) -> f64 {
    // `min` returns the other operand when one is NaN.
    p.min(1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(got: &[f64], want: &[f64]) {
        assert_eq!(got.len(), want.len());
        for (g, w) in got.iter().zip(want) {
            assert!((g - w).abs() < 1e-12, "{got:?} {want:?}");
        }
    }

    /// R: `p.adjust(c(.01, .04, .03, .005), method)`.
    #[test]
    fn against_r() {
        let p = [0.01, 0.04, 0.03, 0.005];
        close(&holm(&p), &[0.03, 0.06, 0.06, 0.02]);
        close(&benjamini_hochberg(&p), &[0.02, 0.04, 0.04, 0.02]);
        let by = 25.0 / 12.0;
        close(
            &benjamini_yekutieli(&p),
            &[0.02 * by, 0.04 * by, 0.04 * by, 0.02 * by],
        );
    }

    #[test]
    fn nothing_and_nan() {
        assert!(holm(&[]).is_empty());
        assert!(benjamini_yekutieli(&[]).is_empty());
        close(&holm(&[f64::NAN, 0.01]), &[1.0, 0.02]);
        close(&benjamini_hochberg(&[f64::NAN, 0.01]), &[1.0, 0.02]);
    }

    proptest! {
        #[test]
        fn adjusted_values_are_ordered_and_bounded(p in prop::collection::vec(0.0..=1.0_f64, 1..30)) {
            for adjust in [holm, benjamini_hochberg, benjamini_yekutieli] {
                let adjusted = adjust(&p);
                for i in 0..p.len() {
                    prop_assert!(adjusted[i] >= p[i] - 1e-15 && adjusted[i] <= 1.0);
                    for j in 0..p.len() {
                        prop_assert!(p[i] > p[j] || adjusted[i] <= adjusted[j]);
                    }
                }
            }
            let (bh, fwer) = (benjamini_hochberg(&p), holm(&p));
            prop_assert!(bh.iter().zip(&fwer).all(|(b, h)| *b <= h + 1e-15));
        }
    }
}
