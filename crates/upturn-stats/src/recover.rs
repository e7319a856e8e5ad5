//! Recovering n, the number of items, from a standard error or from the lattice of scores.

use crate::series::Obs;

/// What a score with its standard error tells about n.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NRecovery {
    /// Exactly one n is possible.
    Known(u64),
    /// Every n from the first to the second is (no upper end: [`u64::MAX`]).
    Interval(u64, u64),
    /// The score is 0 or 1, or the error is 0: any n is.
    Undefined,
    /// No n is: the outcomes are not all 0 or 1, or the error is of another kind.
    Rejected,
}

/// Error margin of n·y in a full-precision recovery, in items.
const ROUNDING_MAX: f64 = 0.02;
/// From this many decimals on, a printed number is taken to have full precision.
const DECIMALS_FULL: u32 = 15;

/// n from the standard error of a mean of 0/1 outcomes, as lm-evaluation-harness states it:
/// sample standard deviation (divisor n − 1) over √n, so n = 1 + y(1 − y)/se².
///
/// `printed_decimals` is the number of decimals to which score and error were rounded;
/// `None` means full floating-point precision, where an n further than .02 from a whole
/// number is rejected. Rounded values leave an interval, which seldom holds one n only.
#[must_use]
pub fn n_from_stderr(y: f64, se: f64, printed_decimals: Option<u32>) -> NRecovery {
    if !(y > 0.0 && y < 1.0 && se > 0.0 && se.is_finite()) {
        return NRecovery::Undefined;
    }
    let n = |y: f64, se: f64| 1.0 + y * (1.0 - y) / (se * se);
    match printed_decimals.filter(|d| *d < DECIMALS_FULL) {
        None => {
            let exact = n(y, se);
            let whole = exact.round();
            let plausible = (2.0..9e15).contains(&whole);
            if plausible && (exact - whole).abs() <= ROUNDING_MAX {
                NRecovery::Known(whole as u64)
            } else {
                NRecovery::Rejected
            }
        }
        Some(decimals) => {
            let half = half_unit(decimals);
            let (y_low, y_high) = ((y - half).max(0.0), (y + half).min(1.0));
            let spread = |y: f64| y * (1.0 - y);
            let most = if y_low <= 0.5 && y_high >= 0.5 {
                0.25
            } else {
                spread(y_low).max(spread(y_high))
            };
            let least = spread(y_low).min(spread(y_high));
            let slack = 1e-9;
            let first = (1.0 + least / (se + half).powi(2) - slack).ceil().max(2.0);
            let last = if se > half {
                (1.0 + most / (se - half).powi(2) + slack).floor()
            } else {
                f64::INFINITY
            };
            // A cast from f64 saturates at u64::MAX.
            if last < first {
                NRecovery::Rejected
            } else if first == last {
                NRecovery::Known(first as u64)
            } else {
                NRecovery::Interval(first as u64, last as u64)
            }
        }
    }
}

/// Smallest n that a lattice of scores is searched for.
const N_MIN: u64 = 50;
/// Largest n that a lattice of scores is searched for, however many scores there are.
const N_MAX: u64 = 100_000;
/// Largest distance of n·y from a whole number, as a share of n.
const LATTICE_TOLERANCE: f64 = 1e-6;
/// Distinct scores strictly between 0 and 1 that the lattice needs.
const DISTINCT_MIN: usize = 4;

/// n from the scores of several models on the same items: the smallest n ≥ 50 for which
/// all n·yᵢ are whole within 10⁻⁶·n.
///
/// `None` unless there are at least four distinct scores strictly between 0 and 1, all in
/// [0, 1], and the match is unlikely to be chance:
///
/// - an n of 10ᵈ, d the most decimals of any score (in its shortest decimal form), only
///   shows that the scores were rounded to d decimals;
/// - an n that divides 10ᵈ fits a score rounded to d decimals with probability n/10ᵈ: it
///   is believed when the distinct scores bring that below 1%;
/// - m scores of full precision all fit n by chance with probability (2·10⁻⁶·n)ᵐ; the
///   search ends where these sum to 10⁻³ (about 12 600 for four scores), at most at 10⁵.
///
/// Scores rounded to fewer than six decimals are no whole multiples of 1/n for most n, so
/// nothing is found for them.
#[must_use]
pub fn n_from_lattice(scores: &[f64]) -> Option<u64> {
    if !scores.iter().all(|y| (0.0..=1.0).contains(y)) {
        return None;
    }
    let mut inside: Vec<f64> = scores
        .iter()
        .copied()
        .filter(|y| *y > 0.0 && *y < 1.0)
        .collect();
    inside.sort_by(f64::total_cmp);
    inside.dedup();
    if inside.len() < DISTINCT_MIN {
        return None;
    }
    let m = inside.len() as f64;
    let most_decimals = inside.iter().map(|y| decimals(*y)).max()?;
    let rounded_to = 10_f64.powi(most_decimals.min(300) as i32);
    // Σ_{n ≤ N} (2τn)ᵐ ≈ (2τ)ᵐ Nᵐ⁺¹/(m + 1) = 10⁻³, solved for N.
    let limit = ((1e-3 * (m + 1.0)).ln() - m * (2.0 * LATTICE_TOLERANCE).ln()) / (m + 1.0);
    let last = (limit.exp() as u64).min(N_MAX);
    let n = (N_MIN..=last).find(|n| {
        let n = *n as f64;
        inside
            .iter()
            .all(|y| (n * y - (n * y).round()).abs() <= LATTICE_TOLERANCE * n)
    })?;
    let divides = rounded_to % n as f64 == 0.0;
    let by_chance = m * (n as f64 / rounded_to).ln();
    if divides && by_chance > 0.01_f64.ln() {
        return None;
    }
    Some(n)
}

/// The count behind a score `y` in [0, 1] of `n` items: k = round(n·y).
///
/// `decimals` is the number of decimals to which the score was rounded, `None` for full
/// precision. Where rounding moves n·y by more than half an item, k is open between
/// `k_lo` and `k_hi`. A score outside [0, 1], or no items, gives a mean that cannot be
/// tested.
#[must_use]
pub fn count(y: f64, n: u64, decimals: Option<u32>) -> Obs {
    if !(0.0..=1.0).contains(&y) || n == 0 {
        return Obs::Mean {
            y,
            se: None,
            df: None,
        };
    }
    let nf = n as f64;
    let k = ((nf * y).round() as u64).min(n);
    match decimals.map(half_unit) {
        Some(half) if nf * half > 0.5 => {
            let slack = 1e-9 * nf.sqrt();
            let low = (nf * (y - half) - slack).ceil().max(0.0) as u64;
            let high = (nf * (y + half) + slack).floor() as u64;
            Obs::Binomial {
                k,
                k_lo: low.min(k),
                k_hi: high.clamp(k, n),
                n,
            }
        }
        _ => Obs::count(k, n),
    }
}

/// Decimals of a number in its shortest decimal form: 3 for 0.125.
#[must_use]
pub fn decimals(y: f64) -> u32 {
    let text = y.to_string();
    text.split_once('.').map_or(0, |(_, d)| d.len() as u32)
}

fn half_unit(decimals: u32) -> f64 {
    0.5 * 10_f64.powi(-(decimals.min(400) as i32))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn few_digits_leave_an_interval() {
        // lambada_openai: n = 5153, error .0063558… printed as .0064.
        let found = n_from_stderr(0.7046, 0.0064, Some(4));
        let NRecovery::Interval(low, high) = found else {
            panic!("{found:?}");
        };
        assert!(
            low < 5089 && 5153 < high && high - low > 100,
            "{low} {high}"
        );
        assert_eq!(
            n_from_stderr(0.5, 0.04, Some(1)),
            NRecovery::Interval(32, u64::MAX)
        );
        assert_eq!(n_from_stderr(0.5, 0.25, Some(9)), NRecovery::Known(5));
    }

    #[test]
    fn no_n_from_other_errors() {
        assert_eq!(n_from_stderr(0.0, 0.01, None), NRecovery::Undefined);
        assert_eq!(n_from_stderr(1.0, 0.0, None), NRecovery::Undefined);
        assert_eq!(n_from_stderr(0.4, 0.0, None), NRecovery::Undefined);
        assert_eq!(n_from_stderr(f64::NAN, 0.1, None), NRecovery::Undefined);
        assert_eq!(n_from_stderr(0.4, 0.0123, None), NRecovery::Rejected);
        assert_eq!(n_from_stderr(0.4, 3.0, None), NRecovery::Rejected);
        // Far too large an error for any n, printed with enough digits to know.
        assert_eq!(n_from_stderr(0.5, 0.9, Some(4)), NRecovery::Rejected);
    }

    #[test]
    fn rounded_tables_have_no_lattice() {
        // Scores of 1319 items printed with three decimals fit 1000.
        let scores: Vec<f64> = [101.0, 323.0, 554.0, 700.0, 913.0, 1207.0]
            .iter()
            .map(|k: &f64| (k / 1319.0 * 1e3).round() / 1e3)
            .collect();
        assert_eq!(n_from_lattice(&scores), None);
        // Four that happen to be even fit 500 as well: not enough to believe it.
        assert_eq!(n_from_lattice(&[0.102, 0.314, 0.548, 0.72]), None);
        // Eight such are.
        let many = [0.102, 0.314, 0.548, 0.722, 0.81, 0.096, 0.444, 0.628];
        assert_eq!(n_from_lattice(&many), Some(500));
    }

    #[test]
    fn the_lattice_needs_four_inner_scores() {
        let of = |k: &[u64]| k.iter().map(|k| *k as f64 / 1050.0).collect::<Vec<_>>();
        assert_eq!(n_from_lattice(&of(&[11, 263, 400, 1049])), Some(1050));
        assert_eq!(n_from_lattice(&of(&[11, 263, 400, 1050, 0])), None);
        assert_eq!(n_from_lattice(&of(&[11, 263, 263, 400])), None);
        assert_eq!(n_from_lattice(&[0.1, 0.2, 0.3, 1.7]), None);
        assert_eq!(n_from_lattice(&[0.1, 0.2, 0.3, f64::NAN]), None);
        assert_eq!(n_from_lattice(&[]), None);
    }

    #[test]
    fn counts_from_printed_scores() {
        assert_eq!(count(0.3, 1000, Some(3)), Obs::count(300, 1000));
        // 10 042 items at .337 ± .0005: 3379.2 to 3389.2.
        assert_eq!(
            count(0.337, 10_042, Some(3)),
            Obs::Binomial {
                k: 3384,
                k_lo: 3380,
                k_hi: 3389,
                n: 10_042
            }
        );
        assert_eq!(count(0.337, 10_042, None), Obs::count(3384, 10_042));
        assert_eq!(
            count(0.0, 2000, Some(2)),
            Obs::Binomial {
                k: 0,
                k_lo: 0,
                k_hi: 10,
                n: 2000
            }
        );
        assert!(matches!(count(1.2, 100, None), Obs::Mean { se: None, .. }));
        assert!(matches!(count(f64::NAN, 100, None), Obs::Mean { .. }));
        assert!(matches!(count(0.5, 0, None), Obs::Mean { .. }));
    }

    #[test]
    fn shortest_decimals() {
        assert_eq!(decimals(0.125), 3);
        assert_eq!(decimals(1.0), 0);
        assert_eq!(decimals(0.2514285714285714), 16);
    }

    proptest! {
        #[test]
        fn the_stated_error_gives_n_back(n in 3u64..20_000, share in 0.01..0.99_f64) {
            let k = ((share * n as f64) as u64).clamp(1, n - 1);
            let y = k as f64 / n as f64;
            let se = (y * (1.0 - y) / (n as f64 - 1.0)).sqrt();
            prop_assert_eq!(n_from_stderr(y, se, None), NRecovery::Known(n));
            let at = |v: f64, d: i32| (v * 10_f64.powi(d)).round() / 10_f64.powi(d);
            let d = 5;
            match n_from_stderr(at(y, d), at(se, d), Some(d as u32)) {
                NRecovery::Known(found) => prop_assert_eq!(found, n),
                NRecovery::Interval(low, high) => prop_assert!(low <= n && n <= high),
                NRecovery::Undefined => prop_assert!(at(y, d) == 0.0 || at(y, d) == 1.0 || at(se, d) == 0.0),
                NRecovery::Rejected => prop_assert!(false, "rejected a true n"),
            }
        }

        #[test]
        fn printed_scores_keep_the_true_count(n in 1u64..100_000, share in 0.0..=1.0_f64, d in 1u32..6) {
            let k = (share * n as f64).round() as u64;
            let unit = 10_f64.powi(d as i32);
            let printed = (k as f64 / n as f64 * unit).round() / unit;
            match count(printed, n, Some(d)) {
                Obs::Binomial { k: mid, k_lo, k_hi, .. } => {
                    prop_assert!(k_lo <= mid && mid <= k_hi && k_hi <= n);
                    prop_assert!(k_lo <= k && k <= k_hi, "{} not in {}..{}", k, k_lo, k_hi);
                }
                Obs::Mean { .. } => prop_assert!(false),
            }
        }
    }
}
