//! The predictive distribution of one score, as draws.

use crate::resample::quantile_sorted;

/// Draws from the predictive distribution of a score, with what scores a forecast.
#[derive(Debug, Clone, PartialEq)]
pub struct Predictive {
    /// The score of the fitted curve itself (no uncertainty).
    pub point: f64,
    /// Draws of the score, sorted.
    sorted: Vec<f64>,
    /// The curve's own value in each draw, in the order of the draws.
    pub(crate) means: Vec<f64>,
    /// The dispersion in each draw: ρ for counts, the variance beyond the standard error else.
    pub(crate) spreads: Vec<f64>,
}

impl Predictive {
    /// From draws in any order.
    pub(crate) fn new(point: f64, mut draws: Vec<f64>, means: Vec<f64>, spreads: Vec<f64>) -> Self {
        draws.sort_by(f64::total_cmp);
        Predictive {
            point,
            sorted: draws,
            means,
            spreads,
        }
    }

    /// The draws, sorted.
    #[must_use]
    pub fn draws(&self) -> &[f64] {
        &self.sorted
    }

    /// Mean of the draws.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.sorted.iter().sum::<f64>() / self.sorted.len() as f64
    }

    /// Quantile at `q` in [0, 1] (type 7).
    #[must_use]
    pub fn quantile(&self, q: f64) -> f64 {
        quantile_sorted(&self.sorted, q)
    }

    /// Central interval that holds `level` of the draws.
    #[must_use]
    pub fn interval(&self, level: f64) -> (f64, f64) {
        let tail = 0.5 * (1.0 - level);
        (self.quantile(tail), self.quantile(1.0 - tail))
    }

    /// Share of the draws at or above `y`.
    #[must_use]
    pub fn probability_of_at_least(&self, y: f64) -> f64 {
        let below = self.sorted.partition_point(|draw| *draw < y);
        (self.sorted.len() - below) as f64 / self.sorted.len() as f64
    }

    /// Continuous ranked probability score of the observed `y`, E|Y − y| − ½·E|Y − Y′|, in
    /// score units; smaller is better.
    #[must_use]
    pub fn crps(&self, y: f64) -> f64 {
        let b = self.sorted.len() as f64;
        let distance = self.sorted.iter().map(|d| (d - y).abs()).sum::<f64>() / b;
        // Σ_{i<j}(d_j − d_i) = Σ_j (2j + 1 − B)·d_j over sorted draws.
        let spread = self
            .sorted
            .iter()
            .enumerate()
            .map(|(j, d)| (2.0 * j as f64 + 1.0 - b) * d)
            .sum::<f64>();
        distance - spread / (b * b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crps_is_its_definition() {
        let draws = vec![0.1, 0.7, 0.4, 0.4];
        let p = Predictive::new(0.4, draws.clone(), Vec::new(), Vec::new());
        let mut spread = 0.0;
        for a in &draws {
            for b in &draws {
                spread += f64::abs(a - b);
            }
        }
        let distance: f64 = draws.iter().map(|d| f64::abs(d - 0.55)).sum();
        let expected = distance / 4.0 - 0.5 * spread / 16.0;
        assert!((p.crps(0.55) - expected).abs() < 1e-15);
        assert_eq!(p.probability_of_at_least(0.4), 0.75);
        assert_eq!(p.quantile(0.0), 0.1);
    }

    #[test]
    fn a_certain_forecast_scores_its_error() {
        let p = Predictive::new(0.3, vec![0.3; 10], Vec::new(), Vec::new());
        assert!((p.crps(0.5) - 0.2).abs() < 1e-15);
    }
}
