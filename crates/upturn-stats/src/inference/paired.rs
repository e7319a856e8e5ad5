//! Two models on the same items: the difference, its error, and McNemar's exact test.

use upturn_types::Interval;

use super::clustered::{MeanEstimate, mean_and_squares, mean_clustered, mean_independent};
use crate::dist::{binom_sf, clopper_pearson, ln_beta};

/// The difference a − b of two models' means over the same items.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedDifference {
    /// Mean of a − b, with the standard error of the item-wise differences.
    pub difference: MeanEstimate,
    /// Correlation of the two models' item scores; `None` when a model never varies.
    pub correlation: Option<f64>,
}

/// Mean difference a − b over items that both models answered.
///
/// The error is that of the item-wise differences, hence
/// se² = se_a² + se_b² − 2·se_a·se_b·correlation ([`standard_error_of_difference`]).
/// `None` when the lengths differ, with fewer than two items, or with scores not finite.
#[must_use]
pub fn paired_difference(a: &[f64], b: &[f64]) -> Option<PairedDifference> {
    let d = differences(a, b)?;
    Some(PairedDifference {
        difference: mean_independent(&d)?,
        correlation: correlation(a, b),
    })
}

/// As [`paired_difference`], with the error of differences that share a cluster.
#[must_use]
pub fn paired_difference_clustered<C: Ord>(
    a: &[f64],
    b: &[f64],
    clusters: &[C],
) -> Option<PairedDifference> {
    let d = differences(a, b)?;
    Some(PairedDifference {
        difference: mean_clustered(&d, clusters)?,
        correlation: correlation(a, b),
    })
}

/// Standard error of a difference from the two errors and the item-score correlation.
///
/// What remains to be done when only aggregates are published; correlation 0 is the
/// unpaired error.
#[must_use]
pub fn standard_error_of_difference(se_a: f64, se_b: f64, correlation: f64) -> f64 {
    let variance = se_a * se_a + se_b * se_b - 2.0 * se_a * se_b * correlation;
    variance.max(0.0).sqrt()
}

fn differences(a: &[f64], b: &[f64]) -> Option<Vec<f64>> {
    (a.len() == b.len()).then(|| a.iter().zip(b).map(|(a, b)| a - b).collect())
}

fn correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    let (mean_a, squares_a) = mean_and_squares(a)?;
    let (mean_b, squares_b) = mean_and_squares(b)?;
    let cross: f64 = a
        .iter()
        .zip(b)
        .map(|(a, b)| (a - mean_a) * (b - mean_b))
        .sum();
    let scale = (squares_a * squares_b).sqrt();
    (scale > 0.0).then(|| (cross / scale).clamp(-1.0, 1.0))
}

/// McNemar's exact test on pairs of 0/1 scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct McNemar {
    /// Items only the first model solves.
    pub only_first: u64,
    /// Items only the second model solves.
    pub only_second: u64,
    /// One-sided p of "the first is not better": P(Bin(m, ½) ≥ `only_first`), m discordant.
    pub p_first_better: f64,
    /// One-sided p of "the second is not better".
    pub p_second_better: f64,
    /// Two-sided p: twice the smaller one-sided p, at most 1.
    pub p_two_sided: f64,
    /// Mid-p of `p_first_better`: half the probability of the observed count is left out.
    /// Less conservative; its level is not guaranteed.
    pub p_mid_first_better: f64,
    /// Difference of the two accuracies, (only_first − only_second)/n.
    pub difference: f64,
    /// Odds ratio only_first/only_second; `None` when no item is only the second's.
    pub odds_ratio: Option<f64>,
    /// Exact conditional 95% interval of the odds ratio (from Clopper–Pearson on the share
    /// of discordant items that the first model wins); `None` without discordant items.
    pub odds_ratio_interval: Option<Interval>,
}

/// McNemar's exact test for `only_first` and `only_second` discordant items among `n_items`.
///
/// Without discordant items nothing speaks against equality: all p are 1, the mid-p ½.
/// `None` when `n_items` is 0 or below the number of discordant items.
#[must_use]
pub fn mcnemar(only_first: u64, only_second: u64, n_items: u64) -> Option<McNemar> {
    let m = only_first.checked_add(only_second)?;
    if n_items == 0 || m > n_items {
        return None;
    }
    let p_first_better = binom_sf(only_first, m, 0.5);
    let p_second_better = binom_sf(only_second, m, 0.5);
    let p_two_sided = (2.0 * p_first_better.min(p_second_better)).min(1.0);
    let odds_ratio_interval = (m > 0).then(|| {
        let (low, high) = clopper_pearson(only_first, m, 0.025);
        let odds = |p: f64| p / (1.0 - p);
        Interval {
            lower: Some(odds(low)),
            upper: (high < 1.0).then(|| odds(high)),
            confidence_level: 0.95,
        }
    });
    Some(McNemar {
        only_first,
        only_second,
        p_first_better,
        p_second_better,
        p_two_sided,
        p_mid_first_better: p_first_better - 0.5 * half_binomial(only_first, m),
        difference: (only_first as f64 - only_second as f64) / n_items as f64,
        odds_ratio: (only_second > 0).then(|| only_first as f64 / only_second as f64),
        odds_ratio_interval,
    })
}

/// McNemar's test straight from the two models' 0/1 outcomes, `None` when lengths differ.
#[must_use]
pub fn mcnemar_outcomes(first: &[bool], second: &[bool]) -> Option<McNemar> {
    if first.len() != second.len() {
        return None;
    }
    let count = |wanted: (bool, bool)| {
        let pairs = first.iter().zip(second);
        pairs.filter(|&(&a, &b)| (a, b) == wanted).count() as u64
    };
    mcnemar(
        count((true, false)),
        count((false, true)),
        first.len() as u64,
    )
}

/// P(Bin(m, ½) = k).
fn half_binomial(k: u64, m: u64) -> f64 {
    let (k, m) = (k as f64, m as f64);
    // C(m, k) = 1/((m + 1)·B(k + 1, m − k + 1))
    (-ln_beta(k + 1.0, m - k + 1.0) - (m + 1.0).ln() - m * std::f64::consts::LN_2).exp()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_discordant_items() {
        let test = mcnemar(0, 0, 50).expect("fifty items");
        assert_eq!((test.p_first_better, test.p_two_sided), (1.0, 1.0));
        assert!((test.p_mid_first_better - 0.5).abs() < 1e-12);
        assert_eq!((test.odds_ratio, test.odds_ratio_interval), (None, None));
        assert_eq!(mcnemar(0, 0, 0), None);
        assert_eq!(mcnemar(5, 6, 10), None);
    }

    #[test]
    fn outcomes_are_counted() {
        let first = [true, true, true, false, false];
        let second = [true, false, false, true, false];
        let test = mcnemar_outcomes(&first, &second).expect("same length");
        assert_eq!((test.only_first, test.only_second), (2, 1));
        assert!((test.difference - 0.2).abs() < 1e-12);
        assert_eq!(mcnemar_outcomes(&first, &second[1..]), None);
    }

    proptest! {
        #[test]
        fn mcnemar_is_symmetric(a in 0u64..200, b in 0u64..200, agree in 1u64..500) {
            let n = a + b + agree;
            let (ab, ba) = (mcnemar(a, b, n).unwrap(), mcnemar(b, a, n).unwrap());
            prop_assert_eq!(ab.p_two_sided, ba.p_two_sided);
            prop_assert_eq!(ab.p_first_better, ba.p_second_better);
            prop_assert_eq!(ab.difference, -ba.difference);
            // The two mid-p of one table add up to 1.
            prop_assert!((ab.p_mid_first_better + ba.p_mid_first_better - 1.0).abs() < 1e-9);
            prop_assert!(ab.p_first_better > 0.0 && ab.p_two_sided <= 1.0);
        }

        #[test]
        fn paired_error_is_the_formula_with_correlation(
            pairs in prop::collection::vec((0.0f64..1.0, 0.0f64..1.0), 3..50),
        ) {
            let (a, b): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
            let paired = paired_difference(&a, &b).unwrap();
            let se = |s: &[f64]| mean_independent(s).unwrap().standard_error;
            let formula =
                standard_error_of_difference(se(&a), se(&b), paired.correlation.unwrap());
            prop_assert!((paired.difference.standard_error - formula).abs() < 1e-9);
        }
    }
}
