//! Rank measures of every axis with intervals from resampling families.

use upturn_types::Interval;

use super::blocks::Blocks;
use super::pairs::Standing;
use crate::resample::{SplitMix64, quantile_sorted};

/// How families are resampled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FamilyBootstrap {
    /// Resamples B.
    pub n_draws: u32,
    /// Seed.
    pub seed: u64,
    /// Two-sided confidence level in (0, 1).
    pub confidence_level: f64,
}

impl Default for FamilyBootstrap {
    /// 1000 resamples, seed 0, 95%.
    fn default() -> Self {
        FamilyBootstrap {
            n_draws: 1000,
            seed: 0,
            confidence_level: 0.95,
        }
    }
}

/// A value on the data with its interval.
pub type WithInterval = Option<(f64, Option<Interval>)>;

/// What one axis says of the order of models.
#[derive(Debug, Clone, PartialEq)]
pub struct AxisEstimates {
    /// Models with a place on the axis.
    pub n_models: usize,
    /// Their families.
    pub n_families: usize,
    /// (above, near) pairs between families.
    pub n_pairs: usize,
    /// Counterexamples among them.
    pub n_counterexamples: usize,
    /// Pairs within families that are not tied on the axis.
    pub n_within: usize,
    /// Counterexamples per pair.
    pub discordance: WithInterval,
    /// Kendall's τ-b of score with the axis.
    pub tau_b: WithInterval,
    /// Spearman's rank correlation.
    pub spearman: WithInterval,
    /// Somers' D of score given the axis within families.
    pub somers_d: WithInterval,
}

/// Every axis, and the differences asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderEstimates {
    /// In the order of the axes.
    pub axes: Vec<AxisEstimates>,
    /// τ-b of the first axis minus τ-b of the second, over models known on both, in the order
    /// asked for: (models, their families, value).
    pub differences: Vec<(usize, usize, WithInterval)>,
}

/// A statistic of how often each family occurs.
type Measure = fn(&Blocks, &[f64]) -> Option<f64>;

/// Share of resamples that must be defined for an interval to be given.
const DEFINED_MIN: f64 = 0.95;

/// Orders the models on every axis of `axes` (NaN: place unknown) and resamples families,
/// the same resamples serving all axes, so that `differences` (pairs of places in `axes`)
/// are paired.
///
/// Resample b draws as many families as there are, with replacement, from one
/// [`SplitMix64`]. Intervals are percentiles, and `None` with fewer than three families or
/// where a measure is undefined in more than 5% of resamples.
///
/// # Panics
/// When slices differ in length, or a family is not below `n_families`.
#[must_use]
pub fn family_bootstrap(
    family: &[usize],
    n_families: usize,
    standing: &[Standing],
    score: &[f64],
    axes: &[Vec<f64>],
    differences: &[(usize, usize)],
    config: FamilyBootstrap,
) -> OrderEstimates {
    let blocks: Vec<Blocks> = axes
        .iter()
        .map(|x| Blocks::new(family, n_families, standing, score, x))
        .collect();
    // Both axes restricted to the models known on both.
    let both: Vec<[Blocks; 2]> = differences
        .iter()
        .map(|&(a, b)| {
            let known = |x: &[f64], other: &[f64]| -> Vec<f64> {
                x.iter()
                    .zip(other)
                    .map(|(x, o)| if o.is_nan() { f64::NAN } else { *x })
                    .collect()
            };
            let of = |x: Vec<f64>| Blocks::new(family, n_families, standing, score, &x);
            [of(known(&axes[a], &axes[b])), of(known(&axes[b], &axes[a]))]
        })
        .collect();

    let measures: [Measure; 4] = [
        Blocks::discordance,
        Blocks::tau_b,
        Blocks::spearman,
        Blocks::somers_d,
    ];
    let difference =
        |pair: &[Blocks; 2], times: &[f64]| Some(pair[0].tau_b(times)? - pair[1].tau_b(times)?);
    let all = |times: &[f64]| -> Vec<Option<f64>> {
        blocks
            .iter()
            .flat_map(|b| measures.iter().map(move |m| m(b, times)))
            .chain(both.iter().map(|pair| difference(pair, times)))
            .collect()
    };

    let once = vec![1.0; n_families];
    let values = all(&once);
    let mut draws: Vec<Vec<f64>> = vec![Vec::new(); values.len()];
    if n_families >= 3 {
        let mut rng = SplitMix64::new(config.seed);
        let mut times = vec![0.0; n_families];
        for _ in 0..config.n_draws {
            times.fill(0.0);
            for _ in 0..n_families {
                times[rng.index(n_families)] += 1.0;
            }
            for (series, value) in draws.iter_mut().zip(all(&times)) {
                series.extend(value);
            }
        }
    }
    let level = config.confidence_level;
    let with_interval = |at: usize, draws: &mut [Vec<f64>]| -> WithInterval {
        let value = values[at]?;
        let series = &mut draws[at];
        let enough = series.len() as f64 >= DEFINED_MIN * f64::from(config.n_draws.max(1));
        let interval = enough.then(|| {
            series.sort_by(f64::total_cmp);
            Interval {
                lower: Some(quantile_sorted(series, (1.0 - level) / 2.0)),
                upper: Some(quantile_sorted(series, (1.0 + level) / 2.0)),
                confidence_level: level,
            }
        });
        Some((value, interval))
    };
    let estimates = blocks
        .iter()
        .enumerate()
        .map(|(a, b)| {
            let (pairs, discordant) = b.n_pairs(&once);
            let at = a * measures.len();
            AxisEstimates {
                n_models: b.n_models(&once) as usize,
                n_families: b.n_families(),
                n_pairs: pairs as usize,
                n_counterexamples: discordant as usize,
                n_within: b.n_within(&once) as usize,
                discordance: with_interval(at, &mut draws),
                tau_b: with_interval(at + 1, &mut draws),
                spearman: with_interval(at + 2, &mut draws),
                somers_d: with_interval(at + 3, &mut draws),
            }
        })
        .collect();
    let start = axes.len() * measures.len();
    let differences = both
        .iter()
        .enumerate()
        .map(|(i, pair)| {
            (
                pair[0].n_models(&once) as usize,
                pair[0].n_families(),
                with_interval(start + i, &mut draws),
            )
        })
        .collect();
    OrderEstimates {
        axes: estimates,
        differences,
    }
}
