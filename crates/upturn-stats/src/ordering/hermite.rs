//! Gauss–Hermite quadrature: ∫ f(t) e^(−t²) dt ≈ Σ w f(t).

use std::f64::consts::PI;

/// Nodes (ascending) and weights of the `n`-point Gauss–Hermite rule, `n` ≥ 1.
///
/// Eigenvalues of the Jacobi matrix (Golub and Welsch 1969) by bisection on its Sturm
/// sequence, then polished by Newton's method on the orthonormal Hermite functions, which
/// do not overflow; weights from the Christoffel numbers 1/Σ h_k(t)².
#[must_use]
pub fn gauss_hermite(n: usize) -> (Vec<f64>, Vec<f64>) {
    let bound = (2.0 * n as f64 + 1.0).sqrt();
    let nodes: Vec<f64> = (0..n).map(|k| polished(n, node(n, k, bound))).collect();
    let weights = nodes
        .iter()
        .map(|&t| {
            let squares: f64 = orthonormal(n, t)[..n].iter().map(|h| h * h).sum();
            1.0 / squares
        })
        .collect();
    (nodes, weights)
}

/// The eigenvalue with `k` smaller ones.
fn node(n: usize, k: usize, bound: f64) -> f64 {
    let (mut low, mut high) = (-bound, bound);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if n_below(n, middle) > k {
            high = middle;
        } else {
            low = middle;
        }
    }
    f64::midpoint(low, high)
}

/// Eigenvalues of the Jacobi matrix (diagonal 0, off-diagonal √(k/2)) below `t`.
fn n_below(n: usize, t: f64) -> usize {
    let mut pivot = -t;
    let mut count = usize::from(pivot < 0.0);
    for k in 1..n {
        let off2 = k as f64 / 2.0;
        pivot = -t - off2 / if pivot == 0.0 { 1e-300 } else { pivot };
        count += usize::from(pivot < 0.0);
    }
    count
}

fn polished(n: usize, mut t: f64) -> f64 {
    for _ in 0..3 {
        let h = orthonormal(n, t);
        // h_n' = √(2n) h_(n−1).
        let step = h[n] / ((2.0 * n as f64).sqrt() * h[n - 1]);
        if step.is_finite() {
            t -= step;
        }
    }
    t
}

/// h_0 … h_n: Hermite polynomials orthonormal under e^(−t²).
fn orthonormal(n: usize, t: f64) -> Vec<f64> {
    let mut h = vec![PI.powf(-0.25)];
    for k in 0..n {
        let previous = if k == 0 { 0.0 } else { h[k - 1] };
        let k = k as f64;
        let next = t * (2.0 / (k + 1.0)).sqrt() * h[k as usize] - (k / (k + 1.0)).sqrt() * previous;
        h.push(next);
    }
    h
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `numpy.polynomial.hermite.hermgauss(30)`: largest node and its weight.
    #[test]
    fn thirty_nodes() {
        let (t, w) = gauss_hermite(30);
        assert!((t[29] - 6.863_345_293_529_892).abs() < 1e-12, "{}", t[29]);
        assert!(
            (w[29] / 2.908_254_700_131_221e-21 - 1.0).abs() < 1e-9,
            "{}",
            w[29]
        );
        assert!((t[15] - 0.201_128_576_548_871_5).abs() < 1e-13, "{}", t[15]);
        assert!((w.iter().sum::<f64>() - PI.sqrt()).abs() < 1e-13);
    }

    /// Exact for polynomials up to degree 2n − 1: E t⁴ = ¾√π.
    #[test]
    fn moments_are_exact() {
        for n in [3, 4, 7, 30] {
            let (t, w) = gauss_hermite(n);
            let moment: f64 = t.iter().zip(&w).map(|(t, w)| w * t.powi(4)).sum();
            assert!((moment - 0.75 * PI.sqrt()).abs() < 1e-12, "{n}: {moment}");
        }
        assert_eq!(gauss_hermite(1).0, [0.0]);
    }
}
