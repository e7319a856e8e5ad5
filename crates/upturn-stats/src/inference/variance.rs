//! Where the variance of a score comes from: items, repeats, prompts, seeds.

use super::clustered::mean_and_squares;

/// Repeated answers per item, split into between and within items.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RepeatsDecomposition {
    /// Mean of the item means.
    pub mean: f64,
    /// ω̂²: variance of the items' expected scores, floored at 0.
    pub between_items: f64,
    /// σ̂²: mean variance of the answers to one item.
    pub within_items: f64,
    /// Standard error of the mean for the repeats at hand: √(variance of item means/n).
    pub standard_error: f64,
    /// Items n.
    pub n_items: usize,
}

impl RepeatsDecomposition {
    /// Standard error to expect from `n_repeats` answers on each of `n_items` items.
    #[must_use]
    pub fn standard_error_with(&self, n_items: u64, n_repeats: u32) -> Option<f64> {
        standard_error_of_repeats(self.between_items, self.within_items, n_items, n_repeats)
    }
}

/// √((ω² + σ²/K)/n): the standard error of a mean over n items of K answers each.
///
/// `None` when n or K is 0 or a variance is negative or not finite. Scoring by probabilities
/// instead of sampled answers is σ² = 0.
#[must_use]
pub fn standard_error_of_repeats(
    omega2: f64,
    sigma2: f64,
    n_items: u64,
    n_repeats: u32,
) -> Option<f64> {
    let valid = |v: f64| v.is_finite() && v >= 0.0;
    (n_items > 0 && n_repeats > 0 && valid(omega2) && valid(sigma2))
        .then(|| ((omega2 + sigma2 / f64::from(n_repeats)) / n_items as f64).sqrt())
}

/// Splits repeated scores, one slice of answers per item.
///
/// σ̂² averages the items' variances (those with two answers or more) and
/// ω̂² = variance of item means − σ̂²·mean(1/K_i). Items may have different numbers
/// of answers. `None` with fewer than two items, an item without answers, no item with
/// two, or a score that is not finite.
#[must_use]
pub fn repeats_decomposition(answers: &[impl AsRef<[f64]>]) -> Option<RepeatsDecomposition> {
    let mut means = Vec::with_capacity(answers.len());
    let (mut within_sum, mut n_within, mut inverse_sum) = (0.0, 0usize, 0.0);
    for item in answers {
        let item = item.as_ref();
        if item.is_empty() || item.iter().any(|s| !s.is_finite()) {
            return None;
        }
        let k = item.len() as f64;
        means.push(item.iter().sum::<f64>() / k);
        inverse_sum += 1.0 / k;
        if let Some((_, squares)) = mean_and_squares(item) {
            within_sum += squares / (k - 1.0);
            n_within += 1;
        }
    }
    let (mean, squares) = mean_and_squares(&means)?;
    if n_within == 0 {
        return None;
    }
    let n = means.len() as f64;
    let within = within_sum / n_within as f64;
    let of_means = squares / (n - 1.0);
    Some(RepeatsDecomposition {
        mean,
        between_items: (of_means - within * inverse_sum / n).max(0.0),
        within_items: within,
        standard_error: (of_means / n).sqrt(),
        n_items: means.len(),
    })
}

/// Scores of every item under every prompt and every seed.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossedScores {
    n_items: usize,
    n_prompts: usize,
    n_seeds: usize,
    scores: Vec<f64>,
}

/// Sources of variance of a crossed design and what they do to the mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CrossedDecomposition {
    /// Mean over everything.
    pub mean: f64,
    /// Variance component of items, floored at 0.
    pub items: f64,
    /// Variance component of prompts, floored at 0; `None` with one prompt.
    pub prompts: Option<f64>,
    /// Variance component of seeds, floored at 0; `None` with one seed.
    pub seeds: Option<f64>,
    /// Residual variance (all interactions included).
    pub residual: f64,
    /// Standard error when only items are random: √(variance of item means/items).
    pub standard_error_items: f64,
    /// Standard error when prompts are random: √(variance of prompt means/prompts);
    /// `None` with one prompt.
    pub standard_error_prompts: Option<f64>,
    /// Standard error when items, prompts and seeds are all random, from the components.
    pub standard_error_total: f64,
}

impl CrossedScores {
    /// Scores with the seed running fastest, then the prompt, then the item.
    ///
    /// `None` when the number of scores is not items × prompts × seeds, with fewer than two
    /// items, no prompt, no seed, a single score per item, or scores not finite.
    #[must_use]
    pub fn new(n_items: usize, n_prompts: usize, n_seeds: usize, scores: Vec<f64>) -> Option<Self> {
        let per_item = n_prompts.checked_mul(n_seeds)?;
        let complete = n_items.checked_mul(per_item)? == scores.len();
        let finite = scores.iter().all(|s| s.is_finite());
        (complete && finite && n_items >= 2 && per_item >= 2).then_some(CrossedScores {
            n_items,
            n_prompts,
            n_seeds,
            scores,
        })
    }

    /// Components of y = μ + item + prompt + seed + e, by the method of moments.
    ///
    /// Prompts are never counted as further items: they move the mean together, so
    /// more items do not average them away.
    #[must_use]
    pub fn decompose(&self) -> CrossedDecomposition {
        let (i, p, s) = (
            self.n_items as f64,
            self.n_prompts as f64,
            self.n_seeds as f64,
        );
        let total = i * p * s;
        let mean = self.scores.iter().sum::<f64>() / total;
        let items = self.level_squares(self.n_items, mean, |at| {
            at / (self.n_prompts * self.n_seeds)
        });
        let prompts = self.level_squares(self.n_prompts, mean, |at| {
            at / self.n_seeds % self.n_prompts
        });
        let seeds = self.level_squares(self.n_seeds, mean, |at| at % self.n_seeds);
        let all: f64 = self.scores.iter().map(|y| (y - mean).powi(2)).sum();
        let explained = items * p * s + prompts * i * s + seeds * i * p;
        // At least (items − 1)·(levels − 1) ≥ 1 by construction.
        let residual_df = total - 1.0 - (i - 1.0) - (p - 1.0) - (s - 1.0);
        let residual = ((all - explained) / residual_df).max(0.0);
        // Variance of level means = component + residual/(scores behind a level mean).
        let component = |squares: f64, levels: f64| {
            (levels > 1.0).then(|| (squares / (levels - 1.0) - residual * levels / total).max(0.0))
        };
        let item_component = component(items, i).unwrap_or(0.0);
        let (prompt_component, seed_component) = (component(prompts, p), component(seeds, s));
        let variance = item_component / i
            + prompt_component.unwrap_or(0.0) / p
            + seed_component.unwrap_or(0.0) / s
            + residual / total;
        CrossedDecomposition {
            mean,
            items: item_component,
            prompts: prompt_component,
            seeds: seed_component,
            residual,
            standard_error_items: (items / (i - 1.0) / i).sqrt(),
            standard_error_prompts: (p > 1.0).then(|| (prompts / (p - 1.0) / p).sqrt()),
            standard_error_total: variance.sqrt(),
        }
    }

    /// Σ(level mean − mean)² over the levels of one factor.
    fn level_squares(&self, n_levels: usize, mean: f64, level: impl Fn(usize) -> usize) -> f64 {
        let mut sums = vec![0.0; n_levels];
        for (at, y) in self.scores.iter().enumerate() {
            sums[level(at)] += y;
        }
        let behind = (self.scores.len() / n_levels) as f64;
        sums.iter().map(|sum| (sum / behind - mean).powi(2)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dist::norm_quantile;
    use crate::resample::SplitMix64;

    #[test]
    fn repeats_by_hand() {
        // Item means ½, 1, 0: variance of means ¼; within ½, 0, 0.
        let split = repeats_decomposition(&[[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]]).expect("valid");
        assert!((split.within_items - 1.0 / 6.0).abs() < 1e-12);
        assert!((split.between_items - (0.25 - 1.0 / 12.0)).abs() < 1e-12);
        assert!((split.standard_error - (0.25f64 / 3.0).sqrt()).abs() < 1e-12);
        let expected = split.standard_error_with(3, 2).expect("valid");
        assert!((expected - split.standard_error).abs() < 1e-12);
    }

    #[test]
    fn noise_alone_floors_at_zero() {
        let split = repeats_decomposition(&[[0.0, 1.0], [1.0, 0.0]]).expect("valid");
        assert_eq!(split.between_items, 0.0);
        let none: [&[f64]; 2] = [&[1.0], &[0.0]];
        assert_eq!(repeats_decomposition(&none), None);
        let empty: [&[f64]; 2] = [&[1.0, 0.0], &[]];
        assert_eq!(repeats_decomposition(&empty), None);
        assert_eq!(standard_error_of_repeats(0.1, 0.1, 10, 0), None);
    }

    #[test]
    fn pure_prompt_effects_are_found() {
        // Two prompts half a point apart, everything else constant per item.
        let scores = vec![0.0, 0.5, 0.2, 0.7, 0.4, 0.9];
        let found = CrossedScores::new(3, 2, 1, scores)
            .expect("valid")
            .decompose();
        assert!(found.residual < 1e-15);
        assert!((found.prompts.unwrap() - 0.125).abs() < 1e-12);
        assert!((found.items - 0.04).abs() < 1e-12);
        assert_eq!(found.seeds, None);
        assert!((found.standard_error_prompts.unwrap() - 0.25).abs() < 1e-12);
        assert!((found.standard_error_items - (0.04f64 / 3.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn components_are_recovered() {
        // 60 × 40 × 30 normal effects with variances 1, .25, .04 and residual .5. The component
        // of prompts, the least certain but seeds, has relative sd √(2/39) = .23, seeds .26;
        // the bounds are 4 sd, a false alarm once in about 8 000 seeds.
        let mut rng = SplitMix64::new(11);
        let mut effects = |n: usize, sd: f64| -> Vec<f64> {
            (0..n)
                .map(|_| sd * norm_quantile(rng.uniform().max(1e-16)))
                .collect()
        };
        let (items, prompts) = (effects(60, 1.0), effects(40, 0.5));
        let (seeds, noise) = (effects(30, 0.2), effects(60 * 40 * 30, 0.5f64.sqrt()));
        let mut scores = noise;
        for (at, y) in scores.iter_mut().enumerate() {
            *y += items[at / 1200] + prompts[at / 30 % 40] + seeds[at % 30];
        }
        let found = CrossedScores::new(60, 40, 30, scores)
            .expect("valid")
            .decompose();
        assert!((found.residual / 0.5 - 1.0).abs() < 0.025, "{found:?}");
        assert!((found.items - 1.0).abs() < 0.75, "{found:?}");
        assert!(
            (found.prompts.unwrap() / 0.25 - 1.0).abs() < 0.93,
            "{found:?}"
        );
        assert!((found.seeds.unwrap() / 0.04 - 1.0).abs() < 1.1, "{found:?}");
        assert!(found.standard_error_total > found.standard_error_items);
    }

    #[test]
    fn incomplete_designs_are_none() {
        assert_eq!(CrossedScores::new(2, 2, 1, vec![0.0; 3]), None);
        assert_eq!(CrossedScores::new(1, 2, 1, vec![0.0; 2]), None);
        assert_eq!(CrossedScores::new(2, 1, 1, vec![0.0; 2]), None);
        assert_eq!(CrossedScores::new(2, 0, 1, vec![]), None);
        assert_eq!(CrossedScores::new(2, 2, 1, vec![f64::NAN; 4]), None);
    }
}
