//! Log-likelihood kernels of one observation: binomial, beta-binomial, Gaussian.
//!
//! The beta-binomial uses the product form
//! ℓ = Σ_{j<k} ln(p+jθ) + Σ_{j<n−k} ln(1−p+jθ) − Σ_{j<n} ln(1+jθ), θ = ρ/(1−ρ),
//! which is continuous at ρ = 0. Each sum is the logarithm of a rising factorial
//! and is taken here in constant time: a few leading terms as they stand, the rest
//! by Stirling's series *of the difference*, so that nothing cancels when θ is tiny.

use super::points::Points;

/// Probabilities are kept this far from 0 and 1.
pub(crate) const P_MIN: f64 = 1e-12;

/// The distribution of an observation around its curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// k ~ Bin(n, p).
    Binomial,
    /// k ~ BetaBin(n, p, ρ); dispersion v = logit ρ = ln θ.
    BetaBinomial,
    /// y ~ N(p, se² + s²); dispersion v = ln s².
    Gaussian,
}

impl Family {
    /// Whether there is a dispersion parameter.
    pub fn has_dispersion(self) -> bool {
        self != Family::Binomial
    }

    /// Range of the dispersion parameter v.
    pub fn dispersion_bounds(self) -> (f64, f64) {
        match self {
            Family::Binomial => (0.0, 0.0),
            Family::BetaBinomial => (-26.0, 12.0),
            Family::Gaussian => (-27.0, 4.0),
        }
    }

    /// The name used in files.
    pub fn name(self) -> &'static str {
        match self {
            Family::Binomial => "binomial",
            Family::BetaBinomial => "beta_binomial",
            Family::Gaussian => "gaussian",
        }
    }
}

/// A log-likelihood term with its derivatives.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Term {
    /// ℓ.
    pub value: f64,
    /// ∂ℓ/∂p.
    pub dp: f64,
    /// Information in p: −∂²ℓ/∂p², expected for the binomial and the Gaussian.
    pub info_p: f64,
    /// Whether `info_p` is the observed one, so that the curvature of p(η) counts too.
    pub observed: bool,
    /// ∂ℓ/∂v.
    pub dv: f64,
    /// Information in v.
    pub info_v: f64,
    /// Cross information −∂²ℓ/∂p∂v.
    pub info_pv: f64,
}

/// ln Π_{j<k}(p + jθ) with Σ 1/(p+jθ) and Σ 1/(p+jθ)².
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rising {
    pub ln: f64,
    pub s1: f64,
    pub s2: f64,
}

/// Stirling's series are used from this argument on: their error is then below 2e-13.
const STIRLING_FROM: f64 = 7.0;

/// Rising factorial p(p+θ)…(p+(k−1)θ) for p > 0, θ > 0 and whole k ≥ 0.
#[inline]
pub(crate) fn rising(p: f64, k: f64, theta: f64) -> Rising {
    let mut out = Rising::default();
    let inverse_theta = 1.0 / theta;
    let (mut z, mut start, mut rest) = (p * inverse_theta, p, k);
    if z < STIRLING_FROM && rest > 0.0 {
        let mut product = 1.0;
        while z < STIRLING_FROM && rest > 0.0 {
            let inverse = 1.0 / start;
            product *= start;
            out.s1 += inverse;
            out.s2 += inverse * inverse;
            z += 1.0;
            start += theta;
            rest -= 1.0;
        }
        out.ln = product.ln();
    }
    if rest == 0.0 {
        return out;
    }
    let w = z + rest;
    let end = start + rest * theta;
    let (iz, iw) = (1.0 / z, 1.0 / w);
    let (iz2, iw2) = (iz * iz, iw * iw);
    let ratio = rest * iz;
    let growth = if ratio > 0.5 {
        (1.0 + ratio).ln()
    } else {
        ratio.ln_1p()
    };
    out.ln += (z - 0.5) * growth + rest * (end.ln() - 1.0) + stirling(iw, iw2) - stirling(iz, iz2);
    out.s1 += inverse_theta * (growth + 0.5 * (iz - iw) + digamma_tail(iz2) - digamma_tail(iw2));
    out.s2 += inverse_theta
        * inverse_theta
        * (ratio * iw + trigamma_tail(iz, iz2) - trigamma_tail(iw, iw2));
    out
}

/// ln Γ(z) − (z−½) ln z + z − ½ ln 2π from 1/z and 1/z².
fn stirling(i: f64, i2: f64) -> f64 {
    i * (1.0 / 12.0
        + i2 * (-1.0 / 360.0
            + i2 * (1.0 / 1260.0
                + i2 * (-1.0 / 1680.0 + i2 * (1.0 / 1188.0 - i2 * (691.0 / 360_360.0))))))
}

/// ln z − 1/(2z) − ψ(z) from 1/z².
fn digamma_tail(i2: f64) -> f64 {
    i2 * (1.0 / 12.0
        + i2 * (-1.0 / 120.0
            + i2 * (1.0 / 252.0
                + i2 * (-1.0 / 240.0 + i2 * (1.0 / 132.0 - i2 * (691.0 / 32_760.0))))))
}

/// ψ′(z) − 1/z from 1/z and 1/z².
fn trigamma_tail(i: f64, i2: f64) -> f64 {
    i2 * (0.5
        + i * (1.0 / 6.0
            + i2 * (-1.0 / 30.0
                + i2 * (1.0 / 42.0
                    + i2 * (-1.0 / 30.0 + i2 * (5.0 / 66.0 - i2 * (691.0 / 2730.0)))))))
}

/// A dispersion v with what depends on it alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    /// e^v.
    exp: f64,
    /// The last n seen, for most series have one, with the rising factorial of 1.
    n: f64,
    all: Rising,
}

impl Spread {
    pub fn new(v: f64) -> Spread {
        Spread {
            exp: v.exp(),
            n: f64::NAN,
            all: Rising::default(),
        }
    }
}

/// The kernel of one observation at probability `p` (`q` = 1 − p).
#[inline]
pub(crate) fn term(
    family: Family,
    points: &Points,
    i: usize,
    (p, q): (f64, f64),
    spread: &mut Spread,
) -> Term {
    match family {
        Family::Binomial => {
            let (k, n) = (points.k[i], points.n[i]);
            let rest = n - k;
            Term {
                value: k * p.ln() + rest * q.ln(),
                dp: k / p - rest / q,
                info_p: n / (p * q),
                ..Term::default()
            }
        }
        Family::BetaBinomial => {
            let (k, n, theta) = (points.k[i], points.n[i], spread.exp);
            if spread.n != n {
                (spread.n, spread.all) = (n, rising(1.0, n, theta));
            }
            let (yes, no, all) = (rising(p, k, theta), rising(q, n - k, theta), spread.all);
            // With θ = e^v: ∂/∂v Σ ln(p+jθ) = k − p·s1, its derivative p·s1 − p²·s2.
            let second = |r: &Rising, p: f64| p * (r.s1 - p * r.s2);
            Term {
                value: yes.ln + no.ln - all.ln,
                dp: yes.s1 - no.s1,
                info_p: yes.s2 + no.s2,
                observed: true,
                dv: all.s1 - p * yes.s1 - q * no.s1,
                info_v: second(&all, 1.0) - second(&yes, p) - second(&no, q),
                info_pv: (yes.s1 - p * yes.s2) - (no.s1 - q * no.s2),
            }
        }
        Family::Gaussian => {
            let excess = spread.exp;
            let var = points.var[i] + excess;
            let r = points.y[i] - p;
            let share = excess / var;
            Term {
                value: -0.5 * ((std::f64::consts::TAU * var).ln() + r * r / var),
                dp: r / var,
                info_p: 1.0 / var,
                dv: 0.5 * share * (r * r / var - 1.0),
                info_v: 0.5 * share * share,
                ..Term::default()
            }
        }
    }
}

/// The beta-binomial kernel of k successes in n at probability `p` and intra-class
/// correlation `rho` in [0, 1): exact, constant time, continuous at ρ = 0.
#[must_use]
pub fn beta_binomial_ln_kernel(k: u64, n: u64, p: f64, rho: f64) -> f64 {
    let p = p.clamp(P_MIN, 1.0 - P_MIN);
    let (k, n) = (k as f64, n as f64);
    if rho <= 0.0 {
        return k * p.ln() + (n - k) * (1.0 - p).ln();
    }
    let theta = rho / (1.0 - rho);
    rising(p, k, theta).ln + rising(1.0 - p, n - k, theta).ln - rising(1.0, n, theta).ln
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product_form(k: u64, n: u64, p: f64, rho: f64) -> f64 {
        let theta = rho / (1.0 - rho);
        let sum = |p: f64, k: u64| (0..k).map(|j| (p + j as f64 * theta).ln()).sum::<f64>();
        sum(p, k) + sum(1.0 - p, n - k) - sum(1.0, n)
    }

    #[test]
    fn constant_time_kernel_equals_the_product() {
        for rho in [1e-12, 1e-9, 1e-6, 1e-4, 0.003, 0.02, 0.17, 0.5, 0.9, 0.999] {
            for (k, n) in [
                (0, 5),
                (5, 5),
                (1, 2000),
                (60, 200),
                (700, 2000),
                (2000, 2000),
            ] {
                for p in [1e-12, 1e-6, 0.01, 0.3, 0.77, 1.0 - 1e-9] {
                    let (fast, slow) = (
                        beta_binomial_ln_kernel(k, n, p, rho),
                        product_form(k, n, p, rho),
                    );
                    assert!(
                        (fast - slow).abs() <= 1e-11 * slow.abs().max(100.0),
                        "k={k} n={n} p={p} rho={rho}: {fast} against {slow}"
                    );
                }
            }
        }
    }

    #[test]
    fn rising_sums_equal_their_definition() {
        for theta in [1e-9, 1e-4, 0.02, 0.7, 30.0] {
            for (p, k) in [(1e-12, 3), (0.2, 40), (0.9, 1500)] {
                let fast = rising(p, f64::from(k), theta);
                let inverse = |j: i32| 1.0 / (p + f64::from(j) * theta);
                let s1: f64 = (0..k).map(inverse).sum();
                let s2: f64 = (0..k).map(|j| inverse(j).powi(2)).sum();
                assert!((fast.s1 / s1 - 1.0).abs() < 1e-10, "{p} {k} {theta}");
                assert!((fast.s2 / s2 - 1.0).abs() < 1e-8, "{p} {k} {theta}");
            }
        }
    }

    #[test]
    fn binomial_limit_is_continuous() {
        let at_zero = beta_binomial_ln_kernel(60, 200, 0.3, 0.0);
        let near = beta_binomial_ln_kernel(60, 200, 0.3, 1e-12);
        assert!((at_zero - near).abs() < 1e-8);
    }
}
