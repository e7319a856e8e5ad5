//! How good a forecast was: errors, interval scores, coverage.

use upturn_types::{Coverage, ForecastErrors};

use crate::dist::binom_cdf;

/// Interval score of a central interval at `level` (Gneiting and Raftery 2007): its width,
/// plus 2/(1 − level) times what the observed value lies outside. Smaller is better.
#[must_use]
pub fn interval_score((lower, upper): (f64, f64), level: f64, y: f64) -> f64 {
    let outside = (lower - y).max(0.0) + (y - upper).max(0.0);
    upper - lower + 2.0 / (1.0 - level) * outside
}

/// Mean squared, mean absolute and largest error of predictions; `None` of nothing.
#[must_use]
pub fn errors(predicted: &[f64], observed: &[f64]) -> Option<ForecastErrors> {
    if predicted.is_empty() || predicted.len() != observed.len() {
        return None;
    }
    let mut sums = ForecastErrors {
        mse: 0.0,
        mae: 0.0,
        max_error: 0.0,
    };
    for (p, y) in predicted.iter().zip(observed) {
        let e = (p - y).abs();
        sums.mse += e * e;
        sums.mae += e;
        sums.max_error = sums.max_error.max(e);
    }
    let n = predicted.len() as f64;
    sums.mse /= n;
    sums.mae /= n;
    Some(sums)
}

/// Coverage of intervals at a nominal level: `inside` of `n`, with the exact probability
/// P(X ≤ inside) of so few where each holds its value with probability `level`.
#[must_use]
pub fn coverage(level: f64, inside: usize, n: usize) -> Coverage {
    Coverage {
        level,
        inside,
        n,
        p: binom_cdf(inside as u64, n as u64, level),
    }
}

/// CRPS from quantiles at increasing `levels`: twice the mean pinball loss.
///
/// `None` where there are none, or where the lengths differ.
#[must_use]
pub fn crps_from_quantiles(levels: &[f64], quantiles: &[f64], y: f64) -> Option<f64> {
    if levels.is_empty() || levels.len() != quantiles.len() {
        return None;
    }
    let pinball = |(&level, &q): (&f64, &f64)| {
        let share = if y < q { level - 1.0 } else { level };
        share * (y - q)
    };
    let total: f64 = levels.iter().zip(quantiles).map(pinball).sum();
    Some(2.0 * total / levels.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coverage_has_the_exact_tail() {
        // «5.coverage exact test: 14 of 20 inside nominal .9, P(X<=14)».
        let c = coverage(0.9, 14, 20);
        assert!((c.p - 0.011_253_134_16).abs() < 1e-11, "{}", c.p);
        assert_eq!(coverage(0.9, 20, 20).p, 1.0);
    }

    #[test]
    fn interval_scores_charge_what_is_outside() {
        assert!((interval_score((0.2, 0.5), 0.9, 0.3) - 0.3).abs() < 1e-15);
        assert!((interval_score((0.2, 0.5), 0.9, 0.6) - 2.3).abs() < 1e-12);
        assert!((interval_score((0.2, 0.5), 0.9, 0.1) - 2.3).abs() < 1e-12);
    }

    #[test]
    fn quantile_crps_approaches_the_definition() {
        // Uniform on [0, 1], y = .3: CRPS = ∫(F − 1[t ≥ y])² dt = y³/3 + (1 − y)³/3.
        let levels: Vec<f64> = (0..400).map(|i| (f64::from(i) + 0.5) / 400.0).collect();
        let crps = crps_from_quantiles(&levels, &levels, 0.3).unwrap();
        let exact = (0.3f64.powi(3) + 0.7f64.powi(3)) / 3.0;
        assert!((crps - exact).abs() < 1e-4, "{crps} {exact}");
    }

    #[test]
    fn errors_are_means_and_maximum() {
        let e = errors(&[0.5, 0.2], &[0.4, 0.5]).unwrap();
        assert!((e.mse - 0.05).abs() < 1e-15 && (e.mae - 0.2).abs() < 1e-15);
        assert!((e.max_error - 0.3).abs() < 1e-15);
        assert_eq!(errors(&[], &[]), None);
    }
}
