//! Random numbers of the predictive distributions: normal, gamma, beta, binomial.

use crate::dist::norm_quantile;
use crate::resample::SplitMix64;

/// A standard normal number, by inversion of one uniform number.
pub(crate) fn normal(rng: &mut SplitMix64) -> f64 {
    // Half a unit off the grid, so that 0 and 1 never occur.
    norm_quantile(rng.uniform() + 0.5f64.powi(54))
}

/// ln of a gamma number of this shape (> 0) and scale 1 (Marsaglia and Tsang 2000).
///
/// The logarithm, because a small shape gives numbers below the smallest float.
fn ln_gamma_number(rng: &mut SplitMix64, shape: f64) -> f64 {
    if shape < 1.0 {
        // G(a) = G(a + 1)·U^(1/a).
        let u = 1.0 - rng.uniform();
        return ln_gamma_number(rng, shape + 1.0) + u.ln() / shape;
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let z = normal(rng);
        let root = 1.0 + c * z;
        if root <= 0.0 {
            continue;
        }
        let v = root * root * root;
        let u = 1.0 - rng.uniform();
        if u.ln() < 0.5 * z * z + d - d * v + d * v.ln() {
            return d.ln() + v.ln();
        }
    }
}

/// A beta number; `a` and `b` above 0.
pub(crate) fn beta(rng: &mut SplitMix64, a: f64, b: f64) -> f64 {
    let (x, y) = (ln_gamma_number(rng, a), ln_gamma_number(rng, b));
    1.0 / (1.0 + (y - x).exp())
}

/// Counts of single trials that are drawn one by one.
const FEW: u64 = 16;

/// A binomial number in O(log n): where the middle one of n sorted uniform numbers lies
/// tells how many of half of them are below p (Ahrens and Dieter 1974).
pub(crate) fn binomial(rng: &mut SplitMix64, n: u64, p: f64) -> u64 {
    let (mut n, mut p, mut k) = (n, p.clamp(0.0, 1.0), 0);
    while n > FEW && p > 0.0 && p < 1.0 {
        let below = 1 + n / 2;
        let above = n + 1 - below;
        let x = beta(rng, below as f64, above as f64);
        if x >= p {
            n = below - 1;
            p = (p / x).min(1.0);
        } else {
            k += below;
            n = above - 1;
            p = ((p - x) / (1.0 - x)).clamp(0.0, 1.0);
        }
    }
    if p >= 1.0 {
        return k + n;
    }
    k + (0..n).filter(|_| rng.uniform() < p).count() as u64
}

/// A beta-binomial number of mean `p` and intra-class correlation `rho` in [0, 1).
pub(crate) fn beta_binomial(rng: &mut SplitMix64, n: u64, p: f64, rho: f64) -> u64 {
    // Below this the spread between models is far below a single item.
    if rho * (n as f64) < 1e-6 || p <= 0.0 || p >= 1.0 {
        return binomial(rng, n, p);
    }
    let precision = (1.0 - rho) / rho;
    let own = beta(
        rng,
        (p * precision).max(1e-12),
        ((1.0 - p) * precision).max(1e-12),
    );
    binomial(rng, n, own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_and_variances_are_right() {
        for (n, p, rho) in [
            (2000, 0.3, 0.0),
            (250, 0.02, 0.0),
            (500, 0.6, 0.05),
            (10, 0.9, 0.3),
            (100, 1e-3, 0.4),
        ] {
            let mut rng = SplitMix64::new(7);
            let draws: Vec<f64> = (0..40_000)
                .map(|_| beta_binomial(&mut rng, n, p, rho) as f64)
                .collect();
            let mean = draws.iter().sum::<f64>() / 40_000.0;
            let variance = draws.iter().map(|k| (k - mean).powi(2)).sum::<f64>() / 39_999.0;
            let nf = n as f64;
            let expected = nf * p * (1.0 - p) * (1.0 + (nf - 1.0) * rho);
            let se = (expected / 40_000.0).sqrt();
            assert!((mean - nf * p).abs() < 5.0 * se, "{n} {p} {rho}: {mean}");
            assert!(
                (variance / expected - 1.0).abs() < 0.15,
                "{n} {p} {rho}: {variance} against {expected}"
            );
        }
    }

    #[test]
    fn certain_outcomes_are_certain() {
        let mut rng = SplitMix64::new(1);
        assert_eq!(binomial(&mut rng, 1000, 0.0), 0);
        assert_eq!(binomial(&mut rng, 1000, 1.0), 1000);
        assert_eq!(binomial(&mut rng, 0, 0.4), 0);
    }
}
