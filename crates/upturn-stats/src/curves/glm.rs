//! Fitting a curve that is linear in its predictor: scoring steps with Levenberg damping.

use super::likelihood::{Family, Spread, term};
use super::models::{Link, probability};
use super::points::Points;

/// Parameters of a fit: two coefficients and the dispersion v.
pub(crate) type Theta = [f64; 3];

/// A maximum with its log-likelihood.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Optimum {
    pub theta: Theta,
    pub value: f64,
}

impl Optimum {
    /// Worse than any fit.
    pub const NONE: Optimum = Optimum {
        theta: [f64::NAN; 3],
        value: f64::NEG_INFINITY,
    };

    /// Keeps the better of two.
    pub fn improve(&mut self, other: Optimum) {
        if other.value > self.value {
            *self = other;
        }
    }
}

/// A generalised linear model with given features.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Glm<'a> {
    pub points: &'a Points,
    pub family: Family,
    pub link: Link,
    /// f with η_i = θ0·f_i0 + θ1·f_i1; the same length as the points.
    pub features: &'a [[f64; 2]],
    /// Which of the two coefficients are free (the dispersion is free where there is one).
    pub free: [bool; 2],
    /// Lower bounds of the two coefficients.
    pub lower: [f64; 2],
    /// A climb ends when a step gains less ℓ than this.
    pub tolerance: f64,
}

/// The tolerance of fits that are reported.
pub(crate) const FINE: f64 = 1e-12;
/// The tolerance of fits to bootstrap draws and left-out series.
pub(crate) const COARSE: f64 = 1e-10;

/// Gradient and information at a point.
struct Local {
    value: f64,
    gradient: Theta,
    info: [Theta; 3],
}

/// Scoring steps at most.
const MAX_STEPS: usize = 300;
/// Damping beyond which no step is expected to help.
const MAX_DAMPING: f64 = 1e14;

impl Glm<'_> {
    /// ℓ alone.
    pub fn value(&self, theta: &Theta) -> f64 {
        self.local(theta).value
    }

    fn local(&self, theta: &Theta) -> Local {
        let mut local = Local {
            value: 0.0,
            gradient: [0.0; 3],
            info: [[0.0; 3]; 3],
        };
        let points = self.points;
        let range = points.range();
        let mut spread = Spread::new(theta[2]);
        for (i, f) in self.features.iter().enumerate() {
            let response = self.link.response(theta[0] * f[0] + theta[1] * f[1]);
            let pq = probability(&response, points.chance, points.ceiling);
            let t = term(self.family, points, i, pq, &mut spread);
            let slope = range * response.d1;
            local.value += t.value;
            let score = t.dp * slope;
            let mut info = t.info_p * slope * slope;
            if t.observed {
                info -= t.dp * range * response.d2;
            }
            let cross = t.info_pv * slope;
            for a in 0..2 {
                local.gradient[a] += score * f[a];
                local.info[a][2] += cross * f[a];
                for b in 0..=a {
                    local.info[a][b] += info * f[a] * f[b];
                }
            }
            local.gradient[2] += t.dv;
            local.info[2][2] += t.info_v;
        }
        local.info[0][1] = local.info[1][0];
        local.info[2][0] = local.info[0][2];
        local.info[2][1] = local.info[1][2];
        local
    }

    /// Information matrix at `theta` (expected for the binomial and the Gaussian,
    /// observed for the beta-binomial).
    pub fn information(&self, theta: &Theta) -> [Theta; 3] {
        self.local(theta).info
    }

    fn bounds(&self, p: usize) -> (f64, f64) {
        match p {
            2 => self.family.dispersion_bounds(),
            _ => (self.lower[p], f64::INFINITY),
        }
    }

    fn is_free(&self, p: usize) -> bool {
        if p == 2 {
            self.family.has_dispersion()
        } else {
            self.free[p]
        }
    }

    /// Climbs from `start` until ℓ gains less than the tolerance.
    pub fn climb(&self, start: Theta) -> Optimum {
        self.climb_apart(start, &Optimum::NONE)
    }

    /// The same, given up on the way to a peak that is `known`.
    pub fn climb_apart(&self, start: Theta, known: &Optimum) -> Optimum {
        let mut theta = start;
        for (p, value) in theta.iter_mut().enumerate() {
            let (low, high) = self.bounds(p);
            *value = if self.is_free(p) || p < 2 {
                value.clamp(low, high)
            } else {
                0.0
            };
        }
        let mut local = self.local(&theta);
        let mut damping: f64 = 0.0;
        for _ in 0..MAX_STEPS {
            let active: [bool; 3] = std::array::from_fn(|p| {
                let (low, high) = self.bounds(p);
                self.is_free(p)
                    && !(theta[p] <= low && local.gradient[p] <= 0.0)
                    && !(theta[p] >= high && local.gradient[p] >= 0.0)
            });
            let Some(gain) = self.step(&mut theta, &mut local, active, &mut damping) else {
                break;
            };
            let near =
                |p: usize| (theta[p] - known.theta[p]).abs() < 1e-3 * (1.0 + known.theta[p].abs());
            let known_peak = local.value <= known.value && (0..3).all(near);
            if known_peak || gain < self.tolerance.max(2e-16 * local.value.abs()) {
                break;
            }
        }
        Optimum {
            theta,
            value: local.value,
        }
    }

    /// One accepted step: the gain of ℓ, or `None` when none was found.
    fn step(
        &self,
        theta: &mut Theta,
        local: &mut Local,
        active: [bool; 3],
        damping: &mut f64,
    ) -> Option<f64> {
        while *damping < MAX_DAMPING {
            if let Some(delta) = solve_damped(&local.info, &local.gradient, active, *damping) {
                let trial: Theta = std::array::from_fn(|p| {
                    let (low, high) = self.bounds(p);
                    let step = if p == 2 {
                        dispersion_step(delta[p])
                    } else {
                        delta[p]
                    };
                    if active[p] {
                        (theta[p] + step).clamp(low, high)
                    } else {
                        theta[p]
                    }
                });
                let promise: f64 = (0..3).map(|p| delta[p] * local.gradient[p]).sum();
                if *damping == 0.0 && promise < (1e-3 * self.tolerance).max(1e-14) {
                    return None;
                }
                let next = self.local(&trial);
                if next.value > local.value {
                    let gain = next.value - local.value;
                    *theta = trial;
                    *local = next;
                    *damping = if *damping < 1e-6 { 0.0 } else { *damping * 0.1 };
                    return Some(gain);
                }
                if promise < 0.1 * self.tolerance {
                    return None;
                }
            }
            *damping = (*damping * 10.0).max(1e-4);
        }
        *damping = 0.0;
        None
    }
}

/// The step in v for a Newton step δ in it. Where items are many, ℓ is nearly
/// −A·(v + S·e^(−v)) with S the squared residuals, whose maximum is −ln(1 − δ) away; never
/// more than 3.
pub(crate) fn dispersion_step(delta: f64) -> f64 {
    -(1.0 - delta.clamp(-19.0, 0.95)).ln()
}

/// Solves (I + λ·diag|I|)·δ = g over the active parameters; `None` unless positive definite.
fn solve_damped(info: &[Theta; 3], g: &Theta, active: [bool; 3], damping: f64) -> Option<Theta> {
    let mut matrix = *info;
    for p in 0..3 {
        if active[p] {
            matrix[p][p] += damping * info[p][p].abs().max(1e-9);
        }
    }
    solve_spd(&matrix, g, active)
}

/// Solves a symmetric positive definite system over the active rows by Cholesky.
pub(crate) fn solve_spd<const N: usize>(
    matrix: &[[f64; N]; N],
    g: &[f64; N],
    active: [bool; N],
) -> Option<[f64; N]> {
    let mut l = [[0.0; N]; N];
    for p in 0..N {
        if !active[p] {
            l[p][p] = 1.0;
            continue;
        }
        for q in 0..=p {
            if !active[q] {
                continue;
            }
            let sum: f64 = (0..q).map(|r| l[p][r] * l[q][r]).sum();
            let rest = matrix[p][q] - sum;
            if p == q {
                if !(rest > 1e-13 * matrix[p][p].abs() && rest.is_finite()) {
                    return None;
                }
                l[p][p] = rest.sqrt();
            } else {
                l[p][q] = rest / l[q][q];
            }
        }
    }
    let mut z = [0.0; N];
    for p in 0..N {
        if active[p] {
            let sum: f64 = (0..p).map(|r| l[p][r] * z[r]).sum();
            z[p] = (g[p] - sum) / l[p][p];
        }
    }
    let mut delta = [0.0; N];
    for p in (0..N).rev() {
        if active[p] {
            let sum: f64 = (p + 1..N).map(|r| l[r][p] * delta[r]).sum();
            delta[p] = (z[p] - sum) / l[p][p];
        }
    }
    Some(delta)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cholesky_solves_and_refuses() {
        let m = [[4.0, 2.0, 0.5], [2.0, 3.0, 0.1], [0.5, 0.1, 2.0]];
        let x = solve_spd(&m, &[6.5, 5.1, 2.6], [true; 3]).unwrap();
        for v in x {
            assert!((v - 1.0).abs() < 1e-12, "{x:?}");
        }
        for (row, g) in m.iter().zip([6.5, 5.1, 2.6]) {
            let product: f64 = row.iter().zip(x).map(|(a, b)| a * b).sum();
            assert!((product - g).abs() < 1e-12);
        }
        let partial = solve_spd(&m, &[8.0, 99.0, 4.0], [true, false, false]).unwrap();
        assert_eq!(partial, [2.0, 0.0, 0.0]);
        assert!(solve_spd(&[[-1.0, 0.0, 0.0]; 3], &[1.0; 3], [true; 3]).is_none());
    }
}
