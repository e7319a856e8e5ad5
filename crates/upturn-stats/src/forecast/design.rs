//! What would have to be measured to know: how much one more measurement narrows a forecast.
//!
//! For every draw of the parameters the score at the target and the outcome of the new
//! measurement are drawn together. Given an outcome, each draw counts by its likelihood of
//! that outcome: the weighted quantiles of the target's score are the forecast as it would
//! be with the measurement. Its width is averaged over outcomes, which are drawn from the
//! same predictive distribution. No curve is fitted again.

use rayon::prelude::*;
use upturn_types::Design;

use super::forecaster::{Forecaster, Precision};
use super::random::beta_binomial;
use crate::curves::beta_binomial_ln_kernel;
use crate::resample::SplitMix64;

/// Outcomes that are averaged over.
const OUTCOMES: usize = 200;

/// The expected width of the 90% prediction interval at `target` (measured on
/// `target_items`) after one more model at each candidate (coordinate, items), in the order
/// of the candidates.
///
/// Empty unless the fit is to counts.
#[must_use]
pub fn designs(
    forecaster: &Forecaster,
    target: f64,
    target_items: u64,
    candidates: &[(f64, u64)],
    seed: u64,
) -> Vec<Design> {
    if matches!(forecaster.typical_precision(), Precision::StandardError(_)) || target_items == 0 {
        return Vec::new();
    }
    let draws = forecaster.parameter_draws();
    let mut rng = SplitMix64::stream(seed ^ 0xde51_6e00, 0);
    let scores: Vec<f64> = draws
        .iter()
        .map(|theta| {
            let p = forecaster.score_in(theta, target);
            let k = beta_binomial(&mut rng, target_items, p, forecaster.rho_in(theta));
            k as f64 / target_items as f64
        })
        .collect();
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&i, &j| scores[i].total_cmp(&scores[j]));
    let width_now = width(&scores, &order, &vec![1.0; scores.len()]);
    candidates
        .par_iter()
        .enumerate()
        .map(|(c, &(x, n))| {
            let at: Vec<(f64, f64)> = draws
                .iter()
                .map(|theta| (forecaster.score_in(theta, x), forecaster.rho_in(theta)))
                .collect();
            let mut rng = SplitMix64::stream(seed ^ 0xde51_6e01, c as u64);
            let mut total = 0.0;
            for outcome in 0..OUTCOMES {
                let (p, rho) = at[outcome * at.len() / OUTCOMES];
                let k = beta_binomial(&mut rng, n, p, rho);
                let logs: Vec<f64> = at
                    .iter()
                    .map(|&(p, rho)| beta_binomial_ln_kernel(k, n, p, rho))
                    .collect();
                let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let weights: Vec<f64> = logs.iter().map(|l| (l - most).exp()).collect();
                total += width(&scores, &order, &weights);
            }
            Design {
                x,
                n,
                target,
                width_now,
                width_expected: total / OUTCOMES as f64,
            }
        })
        .collect()
}

/// Width of the central 90% of weighted scores, `order` being their sorted order.
fn width(scores: &[f64], order: &[usize], weights: &[f64]) -> f64 {
    let total: f64 = weights.iter().sum();
    let at = |q: f64| {
        let mut sum = 0.0;
        for &i in order {
            sum += weights[i];
            if sum >= q * total {
                return scores[i];
            }
        }
        scores[order[order.len() - 1]]
    };
    at(0.95) - at(0.05)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Series;
    use crate::forecast::ForecastConfig;

    #[test]
    fn nearer_and_more_is_better() {
        let x = [19.5, 20.0, 20.5, 21.0, 21.5];
        let k = [6, 12, 30, 60, 130];
        let series = Series::binomial(&x, &k, 1000, 0.0);
        let fit = Forecaster::fit(&series, None, &ForecastConfig::default()).unwrap();
        let found = designs(
            &fit,
            23.5,
            1000,
            &[(20.0, 1000), (22.5, 1000), (22.5, 4000), (22.5, 10)],
            3,
        );
        let widths: Vec<f64> = found.iter().map(|d| d.width_expected).collect();
        assert!(found.iter().all(|d| d.width_now == found[0].width_now));
        assert!(widths[1] < widths[0], "{widths:?}");
        assert!(widths[2] < widths[1], "{widths:?}");
        assert!(widths[1] < widths[3], "{widths:?}");
        assert!(widths[0] <= 1.05 * found[0].width_now);
    }
}
