//! Tests of ranks: Spearman with its permutation p, Kruskal–Wallis, Dunn.

use upturn_types::Interval;

use crate::dist::{chi2_sf, norm_sf};
use crate::multiplicity::holm;
use crate::resample::{SplitMix64, monte_carlo_p, quantile_sorted};

/// Ranks from 1, ties at their mean.
#[must_use]
pub fn midranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for run in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = before as f64 + f64::midpoint(run.len() as f64, 1.0);
        for &i in run {
            ranks[i] = rank;
        }
        before += run.len();
    }
    ranks
}

fn pearson(a: &[f64], b: &[f64]) -> Option<f64> {
    let n = a.len() as f64;
    let (mean_a, mean_b) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        ab += (x - mean_a) * (y - mean_b);
        aa += (x - mean_a).powi(2);
        bb += (y - mean_b).powi(2);
    }
    let scale = (aa * bb).sqrt();
    (scale > 0.0).then(|| (ab / scale).clamp(-1.0, 1.0))
}

/// Spearman's rank correlation. `None` where lengths differ, a value is NaN, or one side is
/// constant.
#[must_use]
pub fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    if a.len() != b.len() || a.len() < 2 || a.iter().chain(b).any(|v| v.is_nan()) {
        return None;
    }
    pearson(&midranks(a), &midranks(b))
}

/// Points up to which all orders are tried: 8! = 40,320.
const EXACT_MAX: usize = 8;

/// Two-sided p of Spearman's correlation over the orders of `b`: all of them up to eight
/// points, else `n_draws` random ones.
#[must_use]
pub fn spearman_permutation_p(a: &[f64], b: &[f64], n_draws: u64, seed: u64) -> Option<f64> {
    let observed = spearman(a, b)?.abs() - 1e-12;
    let (ranks_a, mut ranks_b) = (midranks(a), midranks(b));
    let extreme = |b: &[f64]| u64::from(pearson(&ranks_a, b).is_some_and(|r| r.abs() >= observed));
    if a.len() <= EXACT_MAX {
        let (mut at_least, mut all) = (0_u64, 0_u64);
        permute(&mut ranks_b, 0, &mut |b| {
            at_least += extreme(b);
            all += 1;
        });
        return Some(at_least as f64 / all as f64);
    }
    let mut rng = SplitMix64::new(seed);
    let mut at_least = 0;
    for _ in 0..n_draws {
        rng.shuffle(&mut ranks_b);
        at_least += extreme(&ranks_b);
    }
    Some(monte_carlo_p(at_least, n_draws))
}

fn permute(values: &mut [f64], from: usize, visit: &mut impl FnMut(&[f64])) {
    if from + 1 >= values.len() {
        visit(values);
        return;
    }
    for i in from..values.len() {
        values.swap(from, i);
        permute(values, from + 1, visit);
        values.swap(from, i);
    }
}

/// Spearman's correlation with a percentile interval from resampling clusters (95%).
///
/// `cluster` numbers the cluster of each point from 0. No interval with fewer than three
/// clusters, or where more than 5% of the resamples leave it undefined.
#[must_use]
pub fn clustered_spearman(
    a: &[f64],
    b: &[f64],
    cluster: &[usize],
    n_draws: u32,
    seed: u64,
) -> Option<(f64, Option<Interval>)> {
    let value = spearman(a, b)?;
    let n_clusters = cluster.iter().max().map_or(0, |c| c + 1);
    let mut members = vec![Vec::new(); n_clusters];
    for (i, &c) in cluster.iter().enumerate() {
        members[c].push(i);
    }
    members.retain(|m| !m.is_empty());
    if members.len() < 3 {
        return Some((value, None));
    }
    let mut rng = SplitMix64::new(seed);
    let mut draws = Vec::with_capacity(n_draws as usize);
    for _ in 0..n_draws {
        let (mut x, mut y) = (Vec::new(), Vec::new());
        for _ in 0..members.len() {
            for &i in &members[rng.index(members.len())] {
                x.push(a[i]);
                y.push(b[i]);
            }
        }
        draws.extend(spearman(&x, &y));
    }
    let enough = draws.len() as f64 >= 0.95 * f64::from(n_draws.max(1));
    draws.sort_by(f64::total_cmp);
    let interval = enough.then(|| Interval {
        lower: Some(quantile_sorted(&draws, 0.025)),
        upper: Some(quantile_sorted(&draws, 0.975)),
        confidence_level: 0.95,
    });
    Some((value, interval))
}

/// Kruskal and Wallis' test that groups have one distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KruskalWallis {
    /// H, corrected for ties.
    pub h: f64,
    /// p by χ² with groups − 1 degrees of freedom.
    pub p: f64,
    /// Degrees of freedom.
    pub df: f64,
}

/// Kruskal–Wallis over groups of values; empty groups are dropped.
///
/// `None` with fewer than two groups, a NaN, or all values equal.
#[must_use]
pub fn kruskal_wallis(groups: &[Vec<f64>]) -> Option<KruskalWallis> {
    let groups: Vec<&Vec<f64>> = groups.iter().filter(|g| !g.is_empty()).collect();
    let all: Vec<f64> = groups.iter().flat_map(|g| g.iter().copied()).collect();
    if groups.len() < 2 || all.iter().any(|v| v.is_nan()) {
        return None;
    }
    let ranks = midranks(&all);
    let n = all.len() as f64;
    let mut start = 0;
    let mut sum = 0.0;
    for group in &groups {
        let total: f64 = ranks[start..start + group.len()].iter().sum();
        sum += total * total / group.len() as f64;
        start += group.len();
    }
    let correction = 1.0 - tie_sum(&all) / (n * n * n - n);
    if correction <= 0.0 {
        return None;
    }
    let h = ((12.0 / (n * (n + 1.0)) * sum - 3.0 * (n + 1.0)) / correction).max(0.0);
    let df = (groups.len() - 1) as f64;
    Some(KruskalWallis {
        h,
        p: chi2_sf(h, df),
        df,
    })
}

/// Σ (t³ − t) over runs of equal values.
fn tie_sum(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
        .chunk_by(|a, b| a == b)
        .map(|run| {
            let t = run.len() as f64;
            t * t * t - t
        })
        .sum()
}

/// Dunn's test of every pair of groups after Kruskal–Wallis: (first, second, p adjusted by
/// Holm), two-sided, with the variance corrected for ties.
#[must_use]
pub fn dunn_holm(groups: &[Vec<f64>]) -> Vec<(usize, usize, f64)> {
    let all: Vec<f64> = groups.iter().flatten().copied().collect();
    let ranks = midranks(&all);
    let n = all.len() as f64;
    let variance = n * (n + 1.0) / 12.0 - tie_sum(&all) / (12.0 * (n - 1.0));
    let mut start = 0;
    let means: Vec<Option<(f64, f64)>> = groups
        .iter()
        .map(|g| {
            let size = g.len() as f64;
            let sum: f64 = ranks[start..start + g.len()].iter().sum();
            start += g.len();
            (!g.is_empty()).then_some((sum / size, size))
        })
        .collect();
    let mut pairs = Vec::new();
    for i in 0..groups.len() {
        for j in i + 1..groups.len() {
            if let (Some((mean_i, n_i)), Some((mean_j, n_j))) = (means[i], means[j]) {
                let error = (variance * (1.0 / n_i + 1.0 / n_j)).sqrt();
                let z = (mean_i - mean_j).abs() / error;
                let p = if error > 0.0 {
                    (2.0 * norm_sf(z)).min(1.0)
                } else {
                    1.0
                };
                pairs.push((i, j, p));
            }
        }
    }
    let raw: Vec<f64> = pairs.iter().map(|p| p.2).collect();
    for (pair, p) in pairs.iter_mut().zip(holm(&raw)) {
        pair.2 = p;
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_and_correlation() {
        assert_eq!(midranks(&[3.0, 1.0, 3.0, 2.0]), [3.5, 1.0, 3.5, 2.0]);
        assert_eq!(spearman(&[1.0, 2.0, 3.0], &[5.0, 4.0, 1.0]), Some(-1.0));
        assert_eq!(spearman(&[1.0, 2.0], &[5.0, 5.0]), None);
        assert_eq!(spearman(&[1.0, f64::NAN], &[5.0, 4.0]), None);
        // 2 of 6 orders of three points are monotone.
        let p = spearman_permutation_p(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0], 10, 1);
        assert!((p.unwrap() - 2.0 / 6.0).abs() < 1e-15);
        let long: Vec<f64> = (0..12).map(f64::from).collect();
        let p = spearman_permutation_p(&long, &long, 999, 1).unwrap();
        assert!(p <= 0.002, "{p}");
    }

    #[test]
    fn clusters_of_one_size_or_two_give_no_interval() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0], [1.0, 3.0, 2.0, 4.0]);
        let (value, interval) = clustered_spearman(&a, &b, &[0, 0, 1, 1], 200, 1).unwrap();
        assert!((value - 0.8).abs() < 1e-12 && interval.is_none());
        let (_, interval) = clustered_spearman(&a, &b, &[0, 1, 2, 3], 200, 1).unwrap();
        assert!(interval.is_some_and(|i| i.lower < Some(0.8) && i.upper <= Some(1.0)));
    }

    #[test]
    fn groups_that_cannot_differ() {
        assert_eq!(kruskal_wallis(&[vec![1.0, 2.0]]), None);
        assert_eq!(kruskal_wallis(&[vec![1.0], vec![1.0]]), None);
        assert_eq!(kruskal_wallis(&[vec![f64::NAN], vec![1.0]]), None);
        // By hand: ranks 1, 2 against 3, 4: H = 12/20·(9/2 + 49/2) − 15 = 2.4.
        let apart = kruskal_wallis(&[vec![1.0, 2.0], vec![], vec![3.0, 4.0]]).unwrap();
        assert!((apart.h - 2.4).abs() < 1e-12 && apart.df == 1.0);
        assert_eq!(
            dunn_holm(&[vec![1.0, 2.0], vec![], vec![3.0, 4.0]]).len(),
            1
        );
    }
}
