//! Small nonlinear least squares: Levenberg–Marquardt with an analytic Jacobian.

/// A least-squares problem of few parameters.
pub(crate) trait Residuals {
    /// Number of residuals.
    fn len(&self) -> usize;

    /// Residual `i` at `theta`, with its gradient; `None` where the model is undefined.
    fn at(&self, i: usize, theta: &[f64], gradient: &mut [f64]) -> Option<f64>;
}

/// Sum of squares with its normal equations at `theta`.
struct Normal {
    sse: f64,
    gradient: Vec<f64>,
    matrix: Vec<f64>,
}

fn normal(problem: &impl Residuals, theta: &[f64]) -> Option<Normal> {
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
    normal.sse.is_finite().then_some(normal)
}

/// Descends from `start`: (parameters, sum of squares); `None` when the model is
/// undefined there.
pub(crate) fn minimise(
    problem: &impl Residuals,
    start: &[f64],
    max_steps: usize,
) -> Option<(Vec<f64>, f64)> {
    let p = start.len();
    let mut theta = start.to_vec();
    let mut here = normal(problem, &theta)?;
    let mut damping: f64 = 1e-3;
    for _ in 0..max_steps {
        let mut gain = 0.0;
        while damping < 1e12 {
            let mut matrix = here.matrix.clone();
            for a in 0..p {
                matrix[a * p + a] += damping * matrix[a * p + a].max(1e-12);
            }
            let step = solve(&mut matrix, &here.gradient);
            let trial: Option<Vec<f64>> =
                step.map(|step| theta.iter().zip(step).map(|(t, s)| t - s).collect());
            let next = trial.as_ref().and_then(|trial| normal(problem, trial));
            if let (Some(trial), Some(next)) = (trial, next)
                && next.sse < here.sse
            {
                gain = (here.sse - next.sse) / here.sse;
                (theta, here) = (trial, next);
                damping = (0.1 * damping).max(1e-12);
                break;
            }
            damping *= 10.0;
        }
        if gain < 1e-14 {
            break;
        }
    }
    Some((theta, here.sse))
}

/// Solves a symmetric positive definite system in place by Cholesky; `None` otherwise.
pub(crate) fn solve(matrix: &mut [f64], rhs: &[f64]) -> Option<Vec<f64>> {
    let p = rhs.len();
    for a in 0..p {
        for b in 0..=a {
            let sum: f64 = (0..b).map(|r| matrix[a * p + r] * matrix[b * p + r]).sum();
            let rest = matrix[a * p + b] - sum;
            if a == b {
                if !(rest > 0.0 && rest.is_finite()) {
                    return None;
                }
                matrix[a * p + a] = rest.sqrt();
            } else {
                matrix[a * p + b] = rest / matrix[b * p + b];
            }
        }
    }
    let mut x = rhs.to_vec();
    for a in 0..p {
        let sum: f64 = (0..a).map(|r| matrix[a * p + r] * x[r]).sum();
        x[a] = (x[a] - sum) / matrix[a * p + a];
    }
    for a in (0..p).rev() {
        let sum: f64 = (a + 1..p).map(|r| matrix[r * p + a] * x[r]).sum();
        x[a] = (x[a] - sum) / matrix[a * p + a];
    }
    Some(x)
}
