//! Does a loss explain a score whatever the size of the model? (Du et al. 2024)
//!
//! The logit of the score is regressed on a quadratic in the loss, with and without an
//! intercept for every size. Where the intercepts help, models of equal loss differ by size,
//! and the collapse onto one curve is rejected.

use crate::dist::beta_inc;

/// One checkpoint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CollapsePoint {
    /// Loss.
    pub loss: f64,
    /// log10 of compute.
    pub log_flops: f64,
    /// Score in (0, 1).
    pub score: f64,
    /// Label of its size.
    pub size: usize,
}

/// The outcome.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Collapse {
    /// Checkpoints.
    pub n: usize,
    /// Sizes.
    pub n_sizes: usize,
    /// Residual sum of squares of the quadratic in the loss.
    pub rss: f64,
    /// The same with an intercept for each size.
    pub rss_by_size: f64,
    /// F of the intercepts.
    pub f: f64,
    /// p of "all sizes lie on one curve".
    pub p: f64,
    /// R² of the quadratic in the loss.
    pub r2_loss: f64,
    /// R² of a quadratic in log10 C.
    pub r2_flops: f64,
}

/// P(F ≥ f) with d1 and d2 degrees of freedom.
#[must_use]
pub fn f_sf(f: f64, d1: f64, d2: f64) -> f64 {
    if f <= 0.0 {
        return 1.0;
    }
    beta_inc(0.5 * d2, 0.5 * d1, d2 / (d2 + d1 * f))
}

/// Tests the collapse. `None` of fewer than two sizes, of no degrees of freedom, of values
/// that are not finite, or of scores outside (0, 1).
#[must_use]
pub fn collapse(points: &[CollapsePoint]) -> Option<Collapse> {
    let valid = points
        .iter()
        .all(|p| p.loss.is_finite() && p.log_flops.is_finite() && p.score > 0.0 && p.score < 1.0);
    let mut sizes: Vec<usize> = points.iter().map(|p| p.size).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let (n, groups) = (points.len(), sizes.len());
    if !valid || groups < 2 || n < groups + 4 {
        return None;
    }
    let y: Vec<f64> = points
        .iter()
        .map(|p| (p.score / (1.0 - p.score)).ln())
        .collect();
    let quadratic = |value: &dyn Fn(&CollapsePoint) -> f64| {
        let mean = points.iter().map(value).sum::<f64>() / n as f64;
        let t: Vec<f64> = points.iter().map(|p| value(p) - mean).collect();
        let t2 = t.iter().map(|t| t * t).collect();
        vec![vec![1.0; n], t, t2]
    };
    let by_loss = quadratic(&|p| p.loss);
    let mut with_sizes = by_loss.clone();
    with_sizes.extend(sizes[1..].iter().map(|size| {
        points
            .iter()
            .map(|p| f64::from(u8::from(p.size == *size)))
            .collect::<Vec<f64>>()
    }));
    let total = residual_ss(&[vec![1.0; n]], &y);
    let rss = residual_ss(&by_loss, &y);
    let rss_by_size = residual_ss(&with_sizes, &y);
    let rss_flops = residual_ss(&quadratic(&|p| p.log_flops), &y);
    let (d1, d2) = ((groups - 1) as f64, (n - 3 - (groups - 1)) as f64);
    let f = ((rss - rss_by_size) / d1) / (rss_by_size / d2);
    (total > 0.0 && f.is_finite()).then(|| Collapse {
        n,
        n_sizes: groups,
        rss,
        rss_by_size,
        f,
        p: f_sf(f, d1, d2),
        r2_loss: 1.0 - rss / total,
        r2_flops: 1.0 - rss_flops / total,
    })
}

/// Residual sum of squares of y on columns (modified Gram–Schmidt, each column twice;
/// columns that depend on earlier ones are passed over).
fn residual_ss(columns: &[Vec<f64>], y: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut basis: Vec<Vec<f64>> = Vec::new();
    for column in columns {
        let size = dot(column, column).sqrt();
        let mut q = column.clone();
        for _ in 0..2 {
            for b in &basis {
                let share = dot(b, &q);
                q.iter_mut().zip(b).for_each(|(q, b)| *q -= share * b);
            }
        }
        let rest = dot(&q, &q).sqrt();
        if rest > 1e-10 * size {
            q.iter_mut().for_each(|v| *v /= rest);
            basis.push(q);
        }
    }
    let mut r = y.to_vec();
    for b in &basis {
        let share = dot(b, &r);
        r.iter_mut().zip(b).for_each(|(r, b)| *r -= share * b);
    }
    dot(&r, &r)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resample::SplitMix64;

    fn points(shift: f64) -> Vec<CollapsePoint> {
        let mut rng = SplitMix64::new(4);
        let mut points = Vec::new();
        for size in 0..4 {
            for step in 0..12 {
                let loss = 3.5 - 0.1 * f64::from(step) - 0.12 * size as f64;
                let noise = 0.05 * (rng.uniform() - 0.5);
                let eta = 4.0 - 1.5 * loss + shift * size as f64 + noise;
                points.push(CollapsePoint {
                    loss,
                    log_flops: 18.0 + 0.2 * f64::from(step) + 0.3 * size as f64,
                    score: 1.0 / (1.0 + f64::exp(-eta)),
                    size,
                });
            }
        }
        points
    }

    #[test]
    fn one_curve_is_not_rejected_and_four_are() {
        let one = collapse(&points(0.0)).unwrap();
        assert!(one.p > 0.05 && one.r2_loss > 0.99, "{one:?}");
        let four = collapse(&points(0.1)).unwrap();
        assert!(four.p < 1e-6, "{four:?}");
        assert_eq!(collapse(&points(0.0)[..8]), None);
    }

    #[test]
    fn tail_of_f() {
        // F(2, 10) at its upper 5% point, 4.102821.
        assert!((f_sf(4.102_821_015, 2.0, 10.0) - 0.05).abs() < 1e-8);
        assert_eq!(f_sf(0.0, 2.0, 10.0), 1.0);
    }
}
