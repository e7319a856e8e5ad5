//! Percentile and BCa bootstrap intervals over items or clusters of items.
//!
//! One set of resampled items serves every statistic of a call, so that models are
//! compared on the same resamples (paired). With at most [`MAX_ENUMERATED_UNITS`] units
//! the bootstrap distribution is enumerated rather than drawn.

use upturn_types::Interval;

use crate::dist::{norm_cdf, norm_quantile};
use crate::resample::SplitMix64;

/// Up to this many units all resamples are enumerated: 6 435 multisets stand for 8⁸.
pub const MAX_ENUMERATED_UNITS: usize = 8;

/// How to resample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BootstrapConfig {
    /// Resamples B; unused when enumerated.
    pub n_draws: u32,
    /// Seed of the resamples.
    pub seed: u64,
    /// Two-sided confidence level in (0, 1).
    pub confidence_level: f64,
}

impl Default for BootstrapConfig {
    /// 9999 resamples, seed 0, 95%.
    fn default() -> Self {
        BootstrapConfig {
            n_draws: 9999,
            seed: 0,
            confidence_level: 0.95,
        }
    }
}

/// What is drawn with replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Units {
    /// Items 0..n, each on its own.
    Items(usize),
    /// Clusters, each the indices of its items; an item comes with its whole cluster.
    Clusters(Vec<Vec<usize>>),
}

impl Units {
    /// Clusters from one label per item, in order of the labels.
    #[must_use]
    pub fn from_labels<C: Ord>(labels: &[C]) -> Units {
        let mut groups = std::collections::BTreeMap::<&C, Vec<usize>>::new();
        for (item, label) in labels.iter().enumerate() {
            groups.entry(label).or_default().push(item);
        }
        Units::Clusters(groups.into_values().collect())
    }

    fn len(&self) -> usize {
        match self {
            Units::Items(n) => *n,
            Units::Clusters(clusters) => clusters.len(),
        }
    }

    fn push_items(&self, unit: usize, items: &mut Vec<usize>) {
        match self {
            Units::Items(_) => items.push(unit),
            Units::Clusters(clusters) => items.extend_from_slice(&clusters[unit]),
        }
    }

    fn items(&self, units: impl Iterator<Item = usize>, items: &mut Vec<usize>) {
        items.clear();
        for unit in units {
            self.push_items(unit, items);
        }
    }
}

/// A bootstrapped statistic.
#[derive(Debug, Clone, PartialEq)]
pub struct BootstrapEstimate {
    /// The statistic of the data.
    pub point_estimate: f64,
    /// Standard deviation of the resampled statistics (divisor B − 1; total when enumerated).
    pub standard_error: f64,
    /// Percentile interval, by type-7 quantiles. It need not hold the point estimate
    /// of a biased statistic.
    pub percentile: Interval,
    /// Bias-corrected and accelerated interval (Efron 1987); `None` where it is undefined:
    /// all resamples on one side of the estimate, or no variation. For the mean of
    /// symmetric data it agrees with the percentile interval up to Monte-Carlo error.
    pub bca: Option<Interval>,
    /// Bias correction z_0, ties counted half.
    pub bias_correction: Option<f64>,
    /// Acceleration, from the jackknife over units; `None` with a statistic undefined there.
    pub acceleration: Option<f64>,
    /// Resamples drawn, or multisets enumerated.
    pub n_resamples: usize,
    /// Whether all resamples were enumerated.
    pub is_exact: bool,
}

/// Bootstraps one statistic, given the indices of the resampled items.
///
/// `statistic` must not depend on the order of the indices.
/// `None` with fewer than two units, an empty cluster, no draws, a level outside (0, 1),
/// or a statistic that is not finite on the data or on a resample.
#[must_use]
pub fn bootstrap(
    units: &Units,
    statistic: impl Fn(&[usize]) -> f64,
    config: BootstrapConfig,
) -> Option<BootstrapEstimate> {
    bootstrap_many(units, 1, |items, out| out[0] = statistic(items), config)?.pop()
}

/// Bootstraps `n_statistics` statistics on the same resamples (one per model, say).
///
/// `statistics` writes one value each for the resampled items; see [`bootstrap`].
#[must_use]
pub fn bootstrap_many(
    units: &Units,
    n_statistics: usize,
    statistics: impl Fn(&[usize], &mut [f64]),
    config: BootstrapConfig,
) -> Option<Vec<BootstrapEstimate>> {
    let n = units.len();
    let level = config.confidence_level;
    let has_empty = matches!(units, Units::Clusters(c) if c.iter().any(Vec::is_empty));
    if n < 2 || has_empty || config.n_draws == 0 || !(level > 0.0 && level < 1.0) {
        return None;
    }
    let mut items = Vec::new();
    let mut out = vec![0.0; n_statistics];

    units.items(0..n, &mut items);
    statistics(&items, &mut out);
    let estimates = out.clone();

    // values[s][draw], with one weight per draw.
    let mut values = vec![Vec::new(); n_statistics];
    let mut weights = Vec::new();
    let mut record = |chosen: &[usize], weight: u64, items: &mut Vec<usize>| {
        units.items(chosen.iter().copied(), items);
        statistics(items, &mut out);
        for (series, value) in values.iter_mut().zip(&out) {
            series.push(*value);
        }
        weights.push(weight);
    };
    let is_exact = n <= MAX_ENUMERATED_UNITS;
    if is_exact {
        for_each_multiset(n, |chosen, weight| record(chosen, weight, &mut items));
    } else {
        let mut rng = SplitMix64::new(config.seed);
        let mut chosen = vec![0; n];
        for _ in 0..config.n_draws {
            chosen.iter_mut().for_each(|unit| *unit = rng.index(n));
            record(&chosen, 1, &mut items);
        }
    }

    let mut left_out = vec![Vec::new(); n_statistics];
    let mut jackknife = vec![0.0; n_statistics];
    for out_unit in 0..n {
        units.items((0..n).filter(|&u| u != out_unit), &mut items);
        statistics(&items, &mut jackknife);
        for (series, value) in left_out.iter_mut().zip(&jackknife) {
            series.push(*value);
        }
    }

    let summaries = estimates.iter().zip(values).zip(left_out);
    summaries
        .map(|((&estimate, values), jackknife)| {
            let finite = estimate.is_finite() && values.iter().all(|v| v.is_finite());
            finite.then(|| {
                let draws = WeightedDraws::new(&values, &weights);
                summarise(estimate, &draws, &jackknife, level, is_exact)
            })
        })
        .collect()
}

/// Every multiset of n units out of n, with the number of ordered resamples it stands for.
fn for_each_multiset(n: usize, mut visit: impl FnMut(&[usize], u64)) {
    let factorial = |m: usize| (1..=m as u64).product::<u64>();
    let mut chosen = vec![0; n];
    loop {
        let mut orders = factorial(n);
        for run in chosen.chunk_by(|a, b| a == b) {
            orders /= factorial(run.len());
        }
        visit(&chosen, orders);
        // The next non-decreasing sequence.
        let Some(at) = chosen.iter().rposition(|&unit| unit + 1 < n) else {
            return;
        };
        let unit = chosen[at] + 1;
        chosen[at..].fill(unit);
    }
}

/// Resampled statistics, sorted, each standing for a number of resamples.
struct WeightedDraws {
    sorted: Vec<(f64, u64)>,
    /// Resamples up to and including each.
    cumulative: Vec<u64>,
}

impl WeightedDraws {
    fn new(values: &[f64], weights: &[u64]) -> Self {
        let mut sorted: Vec<(f64, u64)> = values
            .iter()
            .copied()
            .zip(weights.iter().copied())
            .collect();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut total = 0;
        let cumulative = sorted
            .iter()
            .map(|(_, weight)| {
                total += weight;
                total
            })
            .collect();
        WeightedDraws { sorted, cumulative }
    }

    fn total(&self) -> u64 {
        self.cumulative.last().copied().unwrap_or(0)
    }

    /// The value at position `index` of the resamples laid out in order.
    fn at(&self, index: u64) -> f64 {
        let place = self.cumulative.partition_point(|&c| c <= index);
        self.sorted[place.min(self.sorted.len() - 1)].0
    }

    /// Type-7 quantile.
    fn quantile(&self, q: f64) -> f64 {
        let at = q.clamp(0.0, 1.0) * (self.total() - 1) as f64;
        let (low, share) = (at.floor(), at.fract());
        let value = self.at(low as u64);
        if share > 0.0 {
            value + share * (self.at(low as u64 + 1) - value)
        } else {
            value
        }
    }

    /// Share of resamples below `value`, ties counted half.
    fn share_below(&self, value: f64) -> f64 {
        let twice: u64 = self
            .sorted
            .iter()
            .map(|&(v, weight)| match v.total_cmp(&value) {
                std::cmp::Ordering::Less => 2 * weight,
                std::cmp::Ordering::Equal => weight,
                std::cmp::Ordering::Greater => 0,
            })
            .sum();
        twice as f64 / (2 * self.total()) as f64
    }

    fn standard_deviation(&self, is_exact: bool) -> f64 {
        let total = self.total() as f64;
        let sum: f64 = self.sorted.iter().map(|(v, w)| v * *w as f64).sum();
        let mean = sum / total;
        let squares: f64 = self
            .sorted
            .iter()
            .map(|(v, w)| (v - mean).powi(2) * *w as f64)
            .sum();
        let divisor = if is_exact {
            total
        } else {
            (total - 1.0).max(1.0)
        };
        (squares / divisor).sqrt()
    }
}

fn summarise(
    estimate: f64,
    draws: &WeightedDraws,
    jackknife: &[f64],
    confidence_level: f64,
    is_exact: bool,
) -> BootstrapEstimate {
    let tail = (1.0 - confidence_level) / 2.0;
    let interval = |low: f64, high: f64| Interval {
        lower: Some(draws.quantile(low)),
        upper: Some(draws.quantile(high)),
        confidence_level,
    };
    let share = draws.share_below(estimate);
    let bias_correction = (share > 0.0 && share < 1.0).then(|| norm_quantile(share));
    let acceleration = acceleration(jackknife);
    let varies = draws.at(0) < draws.at(draws.total() - 1);
    let bca = bias_correction
        .zip(acceleration)
        .filter(|_| varies)
        .map(|(z0, a)| {
            let shifted = |q: f64| {
                let z = z0 + norm_quantile(q);
                norm_cdf(z0 + z / (1.0 - a * z))
            };
            interval(shifted(tail), shifted(1.0 - tail))
        });
    BootstrapEstimate {
        point_estimate: estimate,
        standard_error: draws.standard_deviation(is_exact),
        percentile: interval(tail, 1.0 - tail),
        bca,
        bias_correction,
        acceleration,
        n_resamples: draws.sorted.len(),
        is_exact,
    }
}

/// Σd³/(6·(Σd²)^{3/2}) for deviations d of the leave-one-out values from their mean,
/// signed so that a mean of right-skewed data has a positive acceleration.
fn acceleration(jackknife: &[f64]) -> Option<f64> {
    let mean = jackknife.iter().sum::<f64>() / jackknife.len() as f64;
    if !mean.is_finite() {
        return None;
    }
    let squares: f64 = jackknife.iter().map(|v| (mean - v).powi(2)).sum();
    let cubes: f64 = jackknife.iter().map(|v| (mean - v).powi(3)).sum();
    if squares == 0.0 {
        return Some(0.0);
    }
    Some(cubes / (6.0 * squares.powf(1.5)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mean_of(scores: &[f64]) -> impl Fn(&[usize]) -> f64 + '_ {
        |items| items.iter().map(|&i| scores[i]).sum::<f64>() / items.len() as f64
    }

    #[test]
    fn multisets_count_all_resamples() {
        for n in 2..=6 {
            let (mut n_sets, mut total) = (0u64, 0u64);
            for_each_multiset(n, |chosen, weight| {
                assert!(chosen.windows(2).all(|w| w[0] <= w[1]));
                n_sets += 1;
                total += weight;
            });
            assert_eq!(total, (n as u64).pow(n as u32));
            // C(2n − 1, n)
            let expected: u64 = (1..=n as u64).fold(1, |c, i| c * (n as u64 - 1 + i) / i);
            assert_eq!(n_sets, expected);
        }
    }

    #[test]
    fn two_items_by_hand() {
        // Resamples 0, ½, ½, 1 of the mean.
        let exact = bootstrap(
            &Units::Items(2),
            mean_of(&[0.0, 1.0]),
            BootstrapConfig::default(),
        );
        let exact = exact.expect("two items");
        assert!(exact.is_exact);
        assert!((exact.standard_error - 0.125f64.sqrt()).abs() < 1e-12);
        // Type 7 at .025 of four values: position .075 between 0 and ½.
        assert!((exact.percentile.lower.unwrap() - 0.0375).abs() < 1e-12);
        assert!((exact.percentile.upper.unwrap() - 0.9625).abs() < 1e-12);
        assert!(exact.bias_correction.unwrap().abs() < 1e-12);
    }

    #[test]
    fn clusters_travel_whole() {
        // Four clusters of equal items: the same as four items.
        let scores = [0.1, 0.1, 0.5, 0.5, 0.9, 0.9, 0.2, 0.2];
        let units = Units::from_labels(&["a", "a", "b", "b", "c", "c", "d", "d"]);
        let by_cluster = bootstrap(&units, mean_of(&scores), BootstrapConfig::default());
        let single = [0.1, 0.5, 0.9, 0.2];
        let by_item = bootstrap(
            &Units::Items(4),
            mean_of(&single),
            BootstrapConfig::default(),
        );
        let (a, b) = (by_cluster.expect("valid"), by_item.expect("valid"));
        assert!((a.standard_error - b.standard_error).abs() < 1e-12);
        assert!((a.percentile.lower.unwrap() - b.percentile.lower.unwrap()).abs() < 1e-12);
    }

    #[test]
    fn models_share_their_resamples() {
        let scores: Vec<f64> = (0..40).map(|i| f64::from(i % 7) / 7.0).collect();
        let both = bootstrap_many(
            &Units::Items(40),
            2,
            |items, out| {
                out[0] = mean_of(&scores)(items);
                out[1] = 1.0 - out[0];
            },
            BootstrapConfig::default(),
        );
        let both = both.expect("valid");
        let (first, second) = (&both[0], &both[1]);
        assert!((first.standard_error - second.standard_error).abs() < 1e-12);
        let mirrored = 1.0 - second.percentile.upper.unwrap();
        assert!((first.percentile.lower.unwrap() - mirrored).abs() < 1e-12);
        let alone = bootstrap(
            &Units::Items(40),
            mean_of(&scores),
            BootstrapConfig::default(),
        );
        assert_eq!(alone.as_ref(), Some(first));
    }

    #[test]
    fn constant_scores_have_no_bca_and_bad_calls_are_none() {
        let flat = bootstrap(
            &Units::Items(20),
            mean_of(&[0.5; 20]),
            BootstrapConfig::default(),
        );
        let flat = flat.expect("valid");
        assert_eq!((flat.standard_error, flat.bca), (0.0, None));
        let config = BootstrapConfig::default();
        assert_eq!(bootstrap(&Units::Items(1), |_| 0.0, config), None);
        assert_eq!(bootstrap(&Units::Items(9), |_| f64::NAN, config), None);
        assert_eq!(
            bootstrap(&Units::Clusters(vec![vec![0], vec![]]), |_| 0.0, config),
            None
        );
        let no_level = BootstrapConfig {
            confidence_level: 1.0,
            ..config
        };
        assert_eq!(bootstrap(&Units::Items(9), |_| 0.0, no_level), None);
    }

    #[test]
    fn percentile_intervals_cover() {
        // 95% intervals for the mean of 60 uniform scores, 400 times. True coverage is about
        // .94; below .90 (360 of 400) has probability below 1e-3 (binomial).
        let mut rng = SplitMix64::new(2024);
        let config = BootstrapConfig {
            n_draws: 499,
            ..BootstrapConfig::default()
        };
        let covered = (0..400)
            .filter(|_| {
                let scores: Vec<f64> = (0..60).map(|_| rng.uniform()).collect();
                let found = bootstrap(&Units::Items(60), mean_of(&scores), config).unwrap();
                let ends = found.bca.unwrap();
                ends.lower.unwrap() <= 0.5 && 0.5 <= ends.upper.unwrap()
            })
            .count();
        assert!(covered >= 360, "{covered} of 400");
    }

    proptest! {
        #[test]
        fn bca_holds_the_mean_of_symmetric_data(
            half in prop::collection::vec(0.01f64..1.0, 2..12),
            centre in -1.0f64..1.0,
        ) {
            let scores: Vec<f64> =
                half.iter().flat_map(|d| [centre + d, centre - d]).collect();
            let config = BootstrapConfig { n_draws: 999, ..BootstrapConfig::default() };
            let found = bootstrap(&Units::Items(scores.len()), mean_of(&scores), config).unwrap();
            let ends = found.bca.unwrap();
            prop_assert!(ends.lower.unwrap() <= found.point_estimate);
            prop_assert!(found.point_estimate <= ends.upper.unwrap());
            prop_assert!(found.acceleration.unwrap().abs() < 1e-6);
        }
    }
}
