//! Items needed to see a difference between two models, and the difference n items show.

use crate::dist::norm_quantile;

/// A planned comparison of two models on the same items (Miller 2024).
///
/// The variance of one item's difference is ω² + σ_a²/K_a + σ_b²/K_b.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedDesign {
    /// ω²: variance over items of the difference of the models' expected scores.
    pub omega2: f64,
    /// σ_a²: mean variance of the first model's score on one item.
    pub sigma2_a: f64,
    /// σ_b²: that of the second model.
    pub sigma2_b: f64,
    /// K_a: answers drawn from the first model per item.
    pub n_repeats_a: u32,
    /// K_b: those of the second.
    pub n_repeats_b: u32,
    /// Two-sided level α in (0, 1).
    pub alpha: f64,
    /// Power in (0, 1).
    pub power: f64,
}

impl PairedDesign {
    /// Items needed to find a true difference; not rounded, so round up.
    ///
    /// n = (z_{1−α/2} + z_power)²·(ω² + σ_a²/K_a + σ_b²/K_b)/difference².
    /// `None` when a variance is negative, a count zero, a level outside (0, 1),
    /// or the difference zero.
    #[must_use]
    pub fn required_n(&self, difference: f64) -> Option<f64> {
        let n = self.z_sum()?.powi(2) * self.item_variance()? / (difference * difference);
        (difference != 0.0 && n.is_finite()).then_some(n)
    }

    /// The smallest true difference that `n_items` find with the planned power.
    #[must_use]
    pub fn detectable_difference(&self, n_items: u64) -> Option<f64> {
        let difference = self.z_sum()? * (self.item_variance()? / n_items as f64).sqrt();
        (n_items > 0).then_some(difference)
    }

    fn z_sum(&self) -> Option<f64> {
        let valid = |p: f64| p > 0.0 && p < 1.0;
        (valid(self.alpha) && valid(self.power))
            .then(|| norm_quantile(1.0 - self.alpha / 2.0) + norm_quantile(self.power))
    }

    fn item_variance(&self) -> Option<f64> {
        let variances = [self.omega2, self.sigma2_a, self.sigma2_b];
        if variances.iter().any(|v| !v.is_finite() || *v < 0.0)
            || self.n_repeats_a == 0
            || self.n_repeats_b == 0
        {
            return None;
        }
        let a = self.sigma2_a / f64::from(self.n_repeats_a);
        let b = self.sigma2_b / f64::from(self.n_repeats_b);
        Some(self.omega2 + a + b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn design() -> PairedDesign {
        PairedDesign {
            omega2: 1.0 / 9.0,
            sigma2_a: 1.0 / 6.0,
            sigma2_b: 1.0 / 6.0,
            n_repeats_a: 1,
            n_repeats_b: 1,
            alpha: 0.05,
            power: 0.8,
        }
    }

    #[test]
    fn detectable_difference_inverts_required_n() {
        let n = design().required_n(0.03).expect("valid");
        let back = design()
            .detectable_difference(n.round() as u64)
            .expect("valid");
        assert!((back - 0.03).abs() < 1e-5);
    }

    #[test]
    fn bad_designs_are_none() {
        assert_eq!(design().required_n(0.0), None);
        assert_eq!(design().detectable_difference(0), None);
        assert_eq!(
            PairedDesign {
                power: 1.0,
                ..design()
            }
            .required_n(0.03),
            None
        );
        assert_eq!(
            PairedDesign {
                n_repeats_a: 0,
                ..design()
            }
            .required_n(0.03),
            None
        );
        assert_eq!(
            PairedDesign {
                omega2: -0.1,
                ..design()
            }
            .required_n(0.03),
            None
        );
    }
}
