//! The logit difference of two methods over scale: a line and where it crosses 0.

use upturn_types::LogitDifference;

use crate::artefact::link::least_squares;
use crate::dist::t_isf;

/// The logit of k of n with half an item added to each side: ln((k + ½)/(n − k + ½)).
#[must_use]
pub fn logit_half(k: f64, n: f64) -> f64 {
    ((k + 0.5) / (n - k + 0.5)).ln()
}

/// Least squares of `d` (logit with the method less logit of the baseline) on centred `x`, with
/// Fieller's 95% interval of the root.
///
/// The interval is `None` where the slope is not significant: it is then not bounded. The root
/// is no threshold: families differ, and what is read off one line over all of them can be
/// contradicted by each. `None` for fewer than three points, x that does not vary, or a level line.
#[must_use]
pub fn logit_difference(x: &[f64], d: &[f64]) -> Option<LogitDifference> {
    let n = x.len();
    if n < 3 || d.len() != n || x.iter().chain(d).any(|v| !v.is_finite()) {
        return None;
    }
    let mean = x.iter().sum::<f64>() / n as f64;
    let columns = [vec![1.0; n], x.iter().map(|x| x - mean).collect()];
    let fit = least_squares(&columns, d, &vec![1.0; n])?;
    let (b0, b1) = (fit.theta[0], fit.theta[1]);
    let variance = fit.rss / (n - 2) as f64;
    let (v00, v01, v11) = (
        variance * fit.inverse[0],
        variance * fit.inverse[1],
        variance * fit.inverse[3],
    );
    let root = mean - b0 / b1;
    if !root.is_finite() {
        return None;
    }
    let t = t_isf(0.025, (n - 2) as f64);
    Some(LogitDifference {
        n_models: n,
        x_mean: mean,
        intercept: b0,
        intercept_se: v00.sqrt(),
        slope: b1,
        slope_se: v11.sqrt(),
        root,
        root_interval: fieller(b0, b1, (v00, v01, v11), t).map(|(a, b)| (mean + a, mean + b)),
    })
}

/// The e for which b0 + b1·e may be 0: (b1² − t²v11)e² + 2(b0b1 − t²v01)e + (b0² − t²v00) ≤ 0.
fn fieller(b0: f64, b1: f64, (v00, v01, v11): (f64, f64, f64), t: f64) -> Option<(f64, f64)> {
    let t2 = t * t;
    let a = b1 * b1 - t2 * v11;
    let half = b0 * b1 - t2 * v01;
    let c = b0 * b0 - t2 * v00;
    let inside = half * half - a * c;
    (a > 0.0 && inside >= 0.0).then(|| {
        let root = inside.sqrt();
        ((-half - root) / a, (-half + root) / a)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steep_line_has_a_narrow_root_and_a_flat_one_none() {
        let x: Vec<f64> = (0..9).map(|i| 20.0 + 0.5 * f64::from(i)).collect();
        let noise = |i: usize| 0.05 * f64::from((i as i32 * 7) % 5 - 2);
        let steep: Vec<f64> = x
            .iter()
            .enumerate()
            .map(|(i, x)| 1.5 * (x - 21.7) + noise(i))
            .collect();
        let found = logit_difference(&x, &steep).expect("nine points");
        let (low, high) = found.root_interval.expect("steep");
        assert!(low < 21.7 && high > 21.7 && high - low < 0.3);
        assert!((found.root - 21.7).abs() < 0.1);
        let flat: Vec<f64> = (0..9).map(noise).collect();
        assert_eq!(
            logit_difference(&x, &flat).expect("nine").root_interval,
            None
        );
        assert_eq!(logit_difference(&x[..2], &flat[..2]), None);
        assert_eq!(logit_difference(&[1.0; 9], &flat), None);
    }

    /// The interval holds the true root in about 95% of samples.
    #[test]
    fn fieller_covers() {
        let x: Vec<f64> = (0..10).map(|i| f64::from(i) * 0.4).collect();
        let (mut inside, n) = (0, 400);
        for draw in 0..n {
            let mut rng = crate::resample::SplitMix64::stream(11, draw);
            let d: Vec<f64> = x
                .iter()
                .map(|x| {
                    let u = rng.uniform().clamp(1e-12, 1.0 - 1e-12);
                    0.8 * (x - 1.3) + 0.5 * crate::dist::norm_quantile(u)
                })
                .collect();
            let found = logit_difference(&x, &d).expect("ten points");
            // An unbounded set holds everything on one side at least.
            inside += u32::from(
                found
                    .root_interval
                    .is_none_or(|(low, high)| (low..=high).contains(&1.3)),
            );
        }
        assert!((365..=395).contains(&inside), "{inside} of {n}");
    }
}
