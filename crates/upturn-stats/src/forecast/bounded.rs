//! Least squares of few parameters inside a box: Levenberg–Marquardt with an active set.

use crate::curves::least_squares::{Residuals, solve};

/// A box of parameters.
#[derive(Debug, Clone)]
pub(crate) struct Bounds {
    pub lower: Vec<f64>,
    pub upper: Vec<f64>,
}

impl Bounds {
    pub fn none(p: usize) -> Bounds {
        Bounds {
            lower: vec![f64::NEG_INFINITY; p],
            upper: vec![f64::INFINITY; p],
        }
    }
}

/// Sum of squares, gradient Jᵀr and matrix JᵀJ, with a ridge λ·θ² on chosen parameters.
struct Normal {
    sse: f64,
    gradient: Vec<f64>,
    matrix: Vec<f64>,
}

/// A minimum.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Minimum {
    pub theta: Vec<f64>,
    /// Sum of squares, with the ridge.
    pub sse: f64,
    /// JᵀJ at the minimum, row by row.
    pub matrix: Vec<f64>,
}

fn normal(problem: &impl Residuals, ridge: &[f64], theta: &[f64]) -> Option<Normal> {
    let p = theta.len();
    let mut normal = Normal {
        sse: 0.0,
        gradient: vec![0.0; p],
        matrix: vec![0.0; p * p],
    };
    let mut gradient = vec![0.0; p];
    for i in 0..problem.len() {
        let residual = problem.at(i, theta, &mut gradient)?;
        normal.sse += residual * residual;
        for a in 0..p {
            normal.gradient[a] += gradient[a] * residual;
            for b in 0..p {
                normal.matrix[a * p + b] += gradient[a] * gradient[b];
            }
        }
    }
    for (a, lambda) in ridge.iter().enumerate() {
        normal.sse += lambda * theta[a] * theta[a];
        normal.gradient[a] += lambda * theta[a];
        normal.matrix[a * p + a] += lambda;
    }
    normal.sse.is_finite().then_some(normal)
}

/// Descends from `start` inside the box: `ridge` holds λ of each parameter (or is empty).
/// A parameter at a bound that the descent would leave stays there.
///
/// `None` where the model is undefined at the start.
pub(crate) fn minimise(
    problem: &impl Residuals,
    start: &[f64],
    bounds: &Bounds,
    ridge: &[f64],
    max_steps: usize,
) -> Option<Minimum> {
    let p = start.len();
    let clamp = |a: usize, v: f64| v.clamp(bounds.lower[a], bounds.upper[a]);
    let mut theta: Vec<f64> = start
        .iter()
        .enumerate()
        .map(|(a, v)| clamp(a, *v))
        .collect();
    let mut here = normal(problem, ridge, &theta)?;
    let mut damping: f64 = 1e-3;
    let mut idle = 0;
    for _ in 0..max_steps {
        let free: Vec<usize> = (0..p)
            .filter(|&a| {
                let g = here.gradient[a];
                !(theta[a] <= bounds.lower[a] && g >= 0.0
                    || theta[a] >= bounds.upper[a] && g <= 0.0)
            })
            .collect();
        let mut gain = 0.0;
        while damping < 1e14 && !free.is_empty() {
            let m = free.len();
            let mut matrix = vec![0.0; m * m];
            for (i, &a) in free.iter().enumerate() {
                for (j, &b) in free.iter().enumerate() {
                    matrix[i * m + j] = here.matrix[a * p + b];
                }
                matrix[i * m + i] += damping * here.matrix[a * p + a].max(1e-12);
            }
            let gradient: Vec<f64> = free.iter().map(|&a| here.gradient[a]).collect();
            let trial = solve(&mut matrix, &gradient).map(|step| {
                let mut trial = theta.clone();
                for (&a, s) in free.iter().zip(step) {
                    trial[a] = clamp(a, theta[a] - s);
                }
                trial
            });
            let next = trial.as_ref().and_then(|t| normal(problem, ridge, t));
            if let (Some(trial), Some(next)) = (trial, next)
                && next.sse < here.sse
            {
                gain = (here.sse - next.sse) / here.sse;
                (theta, here) = (trial, next);
                damping = (0.1 * damping).max(1e-14);
                break;
            }
            damping *= 10.0;
        }
        // One small gain may be a damped step; several are the end.
        idle = if gain < 1e-13 { idle + 1 } else { 0 };
        if gain == 0.0 || idle >= 3 {
            break;
        }
    }
    Some(Minimum {
        theta,
        sse: here.sse,
        matrix: here.matrix,
    })
}

/// A residual whose square is twice Huber's loss: |r| ≤ δ is kept, larger ones grow with the
/// root of their size. Returns it with its derivative.
pub(crate) fn huber(r: f64, delta: f64) -> (f64, f64) {
    if r.abs() <= delta {
        return (r, 1.0);
    }
    let root = (2.0 * delta * r.abs() - delta * delta).sqrt();
    (root.copysign(r), delta / root)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Line(Vec<(f64, f64)>);

    impl Residuals for Line {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn at(&self, i: usize, theta: &[f64], gradient: &mut [f64]) -> Option<f64> {
            let (x, y) = self.0[i];
            gradient.copy_from_slice(&[1.0, x]);
            Some(theta[0] + theta[1] * x - y)
        }
    }

    #[test]
    fn bounds_hold_and_the_rest_is_optimal() {
        let line = Line(vec![(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]);
        let free = minimise(&line, &[0.0, 0.0], &Bounds::none(2), &[], 100).unwrap();
        assert!((free.theta[0] - 1.0).abs() < 1e-8 && (free.theta[1] - 2.0).abs() < 1e-8);
        let mut bounds = Bounds::none(2);
        bounds.upper[1] = 1.5;
        let held = minimise(&line, &[0.0, 0.0], &bounds, &[], 100).unwrap();
        assert_eq!(held.theta[1], 1.5);
        assert!((held.theta[0] - 1.5).abs() < 1e-7, "{:?}", held.theta);
    }

    #[test]
    fn huber_is_its_definition() {
        for r in [-2.0, -0.001, 0.0, 0.5, 3.0f64] {
            let (root, slope) = huber(r, 0.7);
            let loss = if r.abs() <= 0.7 {
                0.5 * r * r
            } else {
                0.7 * (r.abs() - 0.35)
            };
            assert!((0.5 * root * root - loss).abs() < 1e-14);
            let h = 1e-6;
            let numeric = (huber(r + h, 0.7).0 - huber(r - h, 0.7).0) / (2.0 * h);
            assert!((numeric - slope).abs() < 1e-6, "{r}");
        }
    }
}
