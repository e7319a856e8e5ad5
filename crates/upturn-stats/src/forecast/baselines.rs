//! What a forecast has to beat: the last score, the mean, the largest, a line in logit.

use upturn_types::Baseline;

/// The four baselines from scores `y` at scales `x` (sorted) with `n` items each (0: unknown),
/// predicted at `targets`, in the order of [`Baseline::ALL`].
///
/// The line is ordinary least squares of logit(clip(y, ½/n)) on x, with the clip at 10⁻³
/// where n is not known. The last score is that of the largest model (the mean, where several
/// share the largest scale). Empty without a score.
#[must_use]
pub fn baselines(x: &[f64], y: &[f64], n: &[u64], targets: &[f64]) -> Vec<(Baseline, Vec<f64>)> {
    let Some(&largest) = x.last() else {
        return Vec::new();
    };
    let last: Vec<f64> = x
        .iter()
        .zip(y)
        .filter(|(x, _)| **x == largest)
        .map(|(_, y)| *y)
        .collect();
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let same = |value: f64| vec![value; targets.len()];
    let highest = y.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let line = logit_line(x, y, n);
    vec![
        (Baseline::LastValue, same(mean(&last))),
        (Baseline::Mean, same(mean(y))),
        (Baseline::Max, same(highest)),
        (
            Baseline::LogitLinear,
            targets
                .iter()
                .map(|t| 1.0 / (1.0 + (-(line.0 + line.1 * t)).exp()))
                .collect(),
        ),
    ]
}

/// (intercept, slope) of logit(clip(y, ½/n)) on x; slope 0 where all x are one.
pub(crate) fn logit_line(x: &[f64], y: &[f64], n: &[u64]) -> (f64, f64) {
    let k = x.len() as f64;
    let z: Vec<f64> = y
        .iter()
        .zip(n)
        .map(|(y, n)| {
            let clip = if *n > 0 { 0.5 / *n as f64 } else { 1e-3 };
            let y = y.clamp(clip, 1.0 - clip);
            (y / (1.0 - y)).ln()
        })
        .collect();
    let (mx, mz) = (x.iter().sum::<f64>() / k, z.iter().sum::<f64>() / k);
    let sxx: f64 = x.iter().map(|x| (x - mx).powi(2)).sum();
    let sxz: f64 = x.iter().zip(&z).map(|(x, z)| (x - mx) * (z - mz)).sum();
    let slope = if sxx > 0.0 { sxz / sxx } else { 0.0 };
    (mz - slope * mx, slope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_in_logit_is_found() {
        let x = [20.0, 21.0, 22.0];
        let y: Vec<f64> = x
            .iter()
            .map(|x| 1.0 / (1.0 + f64::exp(42.0 - 2.0 * x)))
            .collect();
        let (a, b) = logit_line(&x, &y, &[1_000_000; 3]);
        assert!((a + 42.0).abs() < 1e-9 && (b - 2.0).abs() < 1e-10);
        let all = baselines(&x, &y, &[1_000_000; 3], &[23.0]);
        assert_eq!(all.len(), 4);
        assert_eq!(all[0].1[0], y[2]);
        assert!((all[3].1[0] - 1.0 / (1.0 + (-4.0f64).exp())).abs() < 1e-12);
    }
}
