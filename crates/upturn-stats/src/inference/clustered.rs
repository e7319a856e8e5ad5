//! The mean score of a model and its standard error, items independent or in clusters.

use std::collections::BTreeMap;

use upturn_types::Interval;

use super::t_or_normal_quantile;

/// Below this many clusters the t distribution replaces the normal.
pub const MIN_CLUSTERS_FOR_NORMAL: usize = 20;

/// A mean with its precision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanEstimate {
    /// Mean score.
    pub point_estimate: f64,
    /// Standard error, in the unit of the score.
    pub standard_error: f64,
    /// Items behind it.
    pub n_items: usize,
    /// Clusters the items fall into, when the error allows for them.
    pub n_clusters: Option<usize>,
    /// Degrees of freedom of the t distribution to use; `None` is the normal.
    pub degrees_of_freedom: Option<usize>,
}

impl MeanEstimate {
    /// The symmetric interval, normal or t. `None` when the level is not inside (0, 1).
    #[must_use]
    pub fn confidence_interval(&self, confidence_level: f64) -> Option<Interval> {
        let q = t_or_normal_quantile(confidence_level, self.degrees_of_freedom)?;
        Some(Interval {
            lower: Some(self.point_estimate - q * self.standard_error),
            upper: Some(self.point_estimate + q * self.standard_error),
            confidence_level,
        })
    }
}

/// Mean of independent items, with se = √(Σ(s − s̄)²/(n(n − 1))).
///
/// `None` with fewer than two items or a score that is not finite.
#[must_use]
pub fn mean_independent(scores: &[f64]) -> Option<MeanEstimate> {
    let (mean, squares) = mean_and_squares(scores)?;
    let n = scores.len() as f64;
    Some(MeanEstimate {
        point_estimate: mean,
        standard_error: (squares / (n * (n - 1.0))).sqrt(),
        n_items: scores.len(),
        n_clusters: None,
        degrees_of_freedom: None,
    })
}

/// Mean of items in clusters, with se² = se²(independent) + n⁻² Σ_c Σ_{i≠j∈c} d_i·d_j for
/// deviations d (Miller 2024).
///
/// Negative correlation inside clusters makes it smaller than the independent error, and
/// an estimate below zero is set to zero. With fewer than
/// [`MIN_CLUSTERS_FOR_NORMAL`] clusters G the estimate asks for the t distribution with
/// G − 1 degrees of freedom. With every item its own cluster it is [`mean_independent`].
///
/// `None` when the lengths differ, with fewer than two clusters, or a score that is not finite.
#[must_use]
pub fn mean_clustered<C: Ord>(scores: &[f64], clusters: &[C]) -> Option<MeanEstimate> {
    if scores.len() != clusters.len() {
        return None;
    }
    let (mean, squares) = mean_and_squares(scores)?;
    let n = scores.len() as f64;
    // Σ_{i≠j} d_i·d_j = (Σ d)² − Σ d², cluster by cluster.
    let mut sums: BTreeMap<&C, f64> = BTreeMap::new();
    for (cluster, score) in clusters.iter().zip(scores) {
        *sums.entry(cluster).or_default() += score - mean;
    }
    let n_clusters = sums.len();
    if n_clusters < 2 {
        return None;
    }
    let cross = sums.values().map(|s| s * s).sum::<f64>() - squares;
    let variance = squares / (n * (n - 1.0)) + cross / (n * n);
    Some(MeanEstimate {
        point_estimate: mean,
        standard_error: variance.max(0.0).sqrt(),
        n_items: scores.len(),
        n_clusters: Some(n_clusters),
        degrees_of_freedom: (n_clusters < MIN_CLUSTERS_FOR_NORMAL).then(|| n_clusters - 1),
    })
}

/// Variance inflation 1 + (m − 1)·ρ of clusters of `cluster_size` items m with intra-class
/// correlation ρ.
#[must_use]
pub fn design_effect(cluster_size: f64, intraclass_correlation: f64) -> f64 {
    1.0 + (cluster_size - 1.0) * intraclass_correlation
}

/// Independent items worth as much as `n_items` under a design effect.
#[must_use]
pub fn effective_n(n_items: f64, design_effect: f64) -> f64 {
    n_items / design_effect
}

/// The analysis-of-variance estimate of the intra-class correlation; may be negative.
///
/// ρ̂ = (MSB − MSW)/(MSB + (m₀ − 1)·MSW), m₀ = (n − Σ m_c²/n)/(G − 1).
/// `None` when lengths differ, with fewer than two clusters, no cluster of two items,
/// no variation at all, or a score that is not finite.
#[must_use]
pub fn intraclass_correlation<C: Ord>(scores: &[f64], clusters: &[C]) -> Option<f64> {
    if scores.len() != clusters.len() {
        return None;
    }
    let (mean, squares) = mean_and_squares(scores)?;
    let mut groups: BTreeMap<&C, (f64, f64)> = BTreeMap::new();
    for (cluster, score) in clusters.iter().zip(scores) {
        let (size, sum) = groups.entry(cluster).or_default();
        *size += 1.0;
        *sum += score - mean;
    }
    let (n, g) = (scores.len() as f64, groups.len() as f64);
    if g < 2.0 || n <= g {
        return None;
    }
    let between: f64 = groups.values().map(|(size, sum)| sum * sum / size).sum();
    let m0 = (n - groups.values().map(|(size, _)| size * size).sum::<f64>() / n) / (g - 1.0);
    let ms_between = between / (g - 1.0);
    let ms_within = (squares - between).max(0.0) / (n - g);
    let scale = ms_between + (m0 - 1.0) * ms_within;
    (scale > 0.0).then(|| (ms_between - ms_within) / scale)
}

/// Mean and Σ(s − s̄)² of at least two finite scores.
pub(super) fn mean_and_squares(scores: &[f64]) -> Option<(f64, f64)> {
    if scores.len() < 2 || scores.iter().any(|s| !s.is_finite()) {
        return None;
    }
    let mean = scores.iter().sum::<f64>() / scores.len() as f64;
    let squares = scores.iter().map(|s| (s - mean) * (s - mean)).sum();
    Some((mean, squares))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The double sum of the definition.
    fn by_definition(scores: &[f64], clusters: &[u8]) -> f64 {
        let n = scores.len() as f64;
        let mean = scores.iter().sum::<f64>() / n;
        let mut variance = scores.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / (n * (n - 1.0));
        for i in 0..scores.len() {
            for j in 0..scores.len() {
                if i != j && clusters[i] == clusters[j] {
                    variance += (scores[i] - mean) * (scores[j] - mean) / (n * n);
                }
            }
        }
        variance.max(0.0).sqrt()
    }

    #[test]
    fn too_little_data_is_none() {
        assert_eq!(mean_independent(&[]), None);
        assert_eq!(mean_independent(&[0.5]), None);
        assert_eq!(mean_independent(&[0.5, f64::NAN]), None);
        assert_eq!(mean_clustered(&[0.0, 1.0], &["a", "a"]), None);
        assert_eq!(mean_clustered(&[0.0, 1.0], &["a"]), None);
        assert_eq!(intraclass_correlation(&[0.0, 1.0], &[1, 2]), None);
        assert_eq!(intraclass_correlation(&[1.0; 4], &[1, 1, 2, 2]), None);
    }

    #[test]
    fn few_clusters_use_t() {
        let scores = [0.0, 1.0, 1.0, 0.0, 1.0, 1.0];
        let few = mean_clustered(&scores, &[1, 1, 2, 2, 3, 3]).expect("three clusters");
        assert_eq!(few.degrees_of_freedom, Some(2));
        // t_{.975, 2} = 4.302652729911275
        let ends = few.confidence_interval(0.95).expect("a level");
        let half = (ends.upper.unwrap() - ends.lower.unwrap()) / 2.0;
        assert!((half - 4.302652729911275 * few.standard_error).abs() < 1e-9 * half);
        let ids: Vec<usize> = (0..40).collect();
        let many: Vec<f64> = ids.iter().map(|i| (i % 3) as f64).collect();
        let many = mean_clustered(&many, &ids).expect("forty clusters");
        assert_eq!(many.degrees_of_freedom, None);
        assert_eq!(many.confidence_interval(1.5), None);
    }

    #[test]
    fn opposite_twins_keep_next_to_no_error() {
        let estimate = mean_clustered(&[0.0, 1.0, 0.0, 1.0, 0.0, 1.0], &[1, 1, 2, 2, 3, 3]);
        assert_eq!(estimate.expect("three clusters").standard_error, {
            // Independent .05, cross −1/24: what is left is the divisor's n against n − 1.
            (1.5f64 / 30.0 - 1.5 / 36.0).sqrt()
        });
    }

    #[test]
    fn identical_items_are_worth_their_clusters() {
        let scores = [0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0];
        let clusters = [1, 1, 2, 2, 3, 3, 4, 4];
        let icc = intraclass_correlation(&scores, &clusters).expect("varies");
        assert!((icc - 1.0).abs() < 1e-12);
        assert!((effective_n(8.0, design_effect(2.0, icc)) - 4.0).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn clustered_error_is_the_definition(
            items in prop::collection::vec((0.0f64..1.0, 0u8..6), 2..60),
        ) {
            let (scores, clusters): (Vec<f64>, Vec<u8>) = items.into_iter().unzip();
            match mean_clustered(&scores, &clusters) {
                Some(estimate) => {
                    let expected = by_definition(&scores, &clusters);
                    // Variances, since a square root near 0 magnifies rounding.
                    let gap = estimate.standard_error.powi(2) - expected.powi(2);
                    prop_assert!(gap.abs() < 1e-12);
                }
                None => prop_assert!(clusters.iter().all(|c| *c == clusters[0])),
            }
        }

        #[test]
        fn singletons_are_independent(scores in prop::collection::vec(0.0f64..1.0, 2..40)) {
            let ids: Vec<usize> = (0..scores.len()).collect();
            let clustered = mean_clustered(&scores, &ids).expect("singletons");
            let plain = mean_independent(&scores).expect("two items");
            prop_assert!((clustered.standard_error - plain.standard_error).abs() < 1e-12);
        }
    }
}
