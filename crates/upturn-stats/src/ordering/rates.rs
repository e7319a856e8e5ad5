//! Rates over pairs and differences between groups, with intervals over families.

use upturn_types::Interval;

use super::bootstrap::WithInterval;
use crate::resample::{SplitMix64, quantile_sorted};

/// A statistic of how often each family (or other cluster) occurs, on the data (each once)
/// and with its 95% percentile interval over `n_draws` resamples of the clusters.
///
/// `None` where it is undefined on the data; no interval with fewer than three clusters or
/// where it is undefined in more than 5% of resamples.
#[must_use]
pub fn resampled_statistic(
    n_families: usize,
    statistic: impl Fn(&[f64]) -> Option<f64>,
    n_draws: u32,
    seed: u64,
) -> WithInterval {
    let mut times = vec![1.0; n_families];
    let value = statistic(&times)?;
    if n_families < 3 {
        return Some((value, None));
    }
    let mut rng = SplitMix64::new(seed);
    let mut draws = Vec::with_capacity(n_draws as usize);
    for _ in 0..n_draws {
        times.fill(0.0);
        for _ in 0..n_families {
            times[rng.index(n_families)] += 1.0;
        }
        draws.extend(statistic(&times));
    }
    let enough = !draws.is_empty() && draws.len() as f64 >= 0.95 * f64::from(n_draws);
    draws.sort_by(f64::total_cmp);
    let interval = enough.then(|| Interval {
        lower: Some(quantile_sorted(&draws, 0.025)),
        upper: Some(quantile_sorted(&draws, 0.975)),
        confidence_level: 0.95,
    });
    Some((value, interval))
}

/// The share of pairs that are counterexamples, from (family, family, pairs, counterexamples)
/// per pair of families, with its interval from resampling families.
///
/// `None` without a pair; no interval with fewer than three families or where more than 5%
/// of resamples have no pair.
#[must_use]
pub fn pair_rate(
    n_families: usize,
    cells: &[(usize, usize, f64, f64)],
    n_draws: u32,
    seed: u64,
) -> WithInterval {
    let rate = |times: &[f64]| {
        let (mut pairs, mut found) = (0.0, 0.0);
        for &(a, b, n, k) in cells {
            pairs += times[a] * times[b] * n;
            found += times[a] * times[b] * k;
        }
        (pairs > 0.0).then(|| found / pairs)
    };
    resampled_statistic(n_families, rate, n_draws, seed)
}

/// Median (or mean) of `values` inside minus outside, with its interval from resampling families.
///
/// `None` where one group is empty; no interval with fewer than three families or where a
/// group is empty in more than 5% of resamples.
///
/// # Panics
/// When the slices differ in length.
#[must_use]
pub fn two_group_difference(
    values: &[f64],
    inside: &[bool],
    family: &[usize],
    medians: bool,
    n_draws: u32,
    seed: u64,
) -> WithInterval {
    assert!(values.len() == inside.len() && values.len() == family.len());
    let n_families = family.iter().max().map_or(0, |f| f + 1);
    let middle = |group: bool, times: &[f64]| -> Option<f64> {
        let mut weighted: Vec<(f64, f64)> = (0..values.len())
            .filter(|&i| inside[i] == group && times[family[i]] > 0.0)
            .map(|i| (values[i], times[family[i]]))
            .collect();
        let total: f64 = weighted.iter().map(|w| w.1).sum();
        if total <= 0.0 {
            return None;
        }
        if !medians {
            return Some(weighted.iter().map(|(v, w)| v * w).sum::<f64>() / total);
        }
        weighted.sort_by(|a, b| a.0.total_cmp(&b.0));
        // The value at a place, counted from 0, among the copies written out.
        let at = |place: f64| {
            let mut before = 0.0;
            weighted
                .iter()
                .find(|(_, w)| {
                    before += w;
                    place < before
                })
                .map(|(v, _)| *v)
        };
        let half = (total - 1.0) / 2.0;
        Some(f64::midpoint(at(half.floor())?, at(half.ceil())?))
    };
    resampled_statistic(
        n_families,
        |times| Some(middle(true, times)? - middle(false, times)?),
        n_draws,
        seed,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_differences() {
        let cells = [(0, 1, 10.0, 1.0), (1, 2, 10.0, 3.0), (0, 2, 20.0, 0.0)];
        let (rate, interval) = pair_rate(3, &cells, 500, 1).unwrap();
        assert_eq!(rate, 0.1);
        // A resample of one family only has no pair: 3 of 27, more than 5%.
        assert!(interval.is_none());
        assert_eq!(pair_rate(2, &[], 500, 1), None);
        let values = [1.0, 2.0, 9.0, 4.0, 5.0];
        let inside = [false, false, false, true, true];
        let family = [0, 1, 2, 3, 4];
        let (median, _) = two_group_difference(&values, &inside, &family, true, 500, 1).unwrap();
        assert_eq!(median, 2.5);
        let (mean, _) = two_group_difference(&values, &inside, &family, false, 500, 1).unwrap();
        assert_eq!(mean, 0.5);
        assert_eq!(
            two_group_difference(&values, &[true; 5], &family, true, 9, 1),
            None
        );
    }
}
