//! How estimates of several families scatter: Cochran's Q and the random-effects mean.

use upturn_types::Heterogeneity;

use crate::dist::chi2_sf;

/// Cochran's Q, its p, and the random-effects summary of DerSimonian and Laird (1986).
///
/// `estimates` are on one scale with standard errors `se` > 0. `None` for fewer than two
/// estimates, or where one is not finite or has no error.
///
/// ```
/// # use upturn_stats::heterogeneity::heterogeneity;
/// let h = heterogeneity(&[21.5, 22.1, 22.4, 21.9], &[0.15, 0.2, 0.25, 0.1]).unwrap();
/// assert!(h.p < 0.01 && h.tau2 > 0.0);
/// ```
#[must_use]
pub fn heterogeneity(estimates: &[f64], se: &[f64]) -> Option<Heterogeneity> {
    let usable = |(y, s): (&f64, &f64)| y.is_finite() && s.is_finite() && *s > 0.0;
    let count = estimates.len();
    if count < 2 || count != se.len() || !estimates.iter().zip(se).all(usable) {
        return None;
    }
    let weights: Vec<f64> = se.iter().map(|s| 1.0 / (s * s)).collect();
    let total: f64 = weights.iter().sum();
    let mean_of = |w: &[f64]| {
        w.iter().zip(estimates).map(|(w, y)| w * y).sum::<f64>() / w.iter().sum::<f64>()
    };
    let fixed = mean_of(&weights);
    let q: f64 = weights
        .iter()
        .zip(estimates)
        .map(|(w, y)| w * (y - fixed).powi(2))
        .sum();
    let df = (count - 1) as f64;
    let squares: f64 = weights.iter().map(|w| w * w).sum();
    let tau2 = ((q - df) / (total - squares / total)).max(0.0);
    let random: Vec<f64> = se.iter().map(|s| 1.0 / (s * s + tau2)).collect();
    Some(Heterogeneity {
        q,
        p: chi2_sf(q, df),
        tau2,
        mean: mean_of(&random),
        mean_se: random.iter().sum::<f64>().sqrt().recip(),
        i2: if q > 0.0 {
            ((q - df) / q).max(0.0)
        } else {
            0.0
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_families_with_known_scatter() {
        let h = heterogeneity(&[21.5, 22.1, 22.4, 21.9], &[0.15, 0.2, 0.25, 0.1]).expect("usable");
        for (got, want) in [
            (h.q, 11.988_016_78),
            (h.p, 0.007_424_322_898),
            (h.tau2, 0.077_404_540_76),
            (h.mean, 21.934_312_93),
            (h.mean_se, 0.164_142_112_5),
            (h.i2, 0.749_750_1),
        ] {
            assert!(
                (got - want).abs() <= 1e-7 * want.abs(),
                "got {got}, want {want}"
            );
        }
    }

    #[test]
    fn equal_estimates_do_not_scatter_and_bad_ones_are_refused() {
        let h = heterogeneity(&[22.0, 22.0], &[0.1, 0.2]).expect("usable");
        assert_eq!((h.q, h.tau2, h.i2, h.p), (0.0, 0.0, 0.0, 1.0));
        assert!(heterogeneity(&[22.0], &[0.1]).is_none());
        assert!(heterogeneity(&[22.0, f64::NAN], &[0.1, 0.1]).is_none());
        assert!(heterogeneity(&[22.0, 21.0], &[0.1, 0.0]).is_none());
    }
}
