//! Penalised logistic regression with a random intercept per family.
//!
//! Where scale nearly separates the models that have an ability from those that lack it,
//! plain maximum likelihood runs to infinity. Weak normal priors keep the mode finite:
//! standard deviation 10 for the intercept, 5 for slopes, 2 (half-normal) for the standard
//! deviation of the families' intercepts, which are integrated out by 30-point
//! Gauss–Hermite quadrature.

use std::f64::consts::{PI, SQRT_2};

use super::hermite::gauss_hermite;

/// Standard deviations of the priors.
const PRIOR_INTERCEPT: f64 = 10.0;
const PRIOR_SLOPE: f64 = 5.0;
const PRIOR_FAMILY_SD: f64 = 2.0;
/// Quadrature nodes.
const N_NODES: usize = 30;
/// Starting values of the family standard deviation.
const STARTS: [f64; 3] = [0.1, 1.0, 3.0];

/// A fitted regression.
#[derive(Debug, Clone, PartialEq)]
pub struct MixedLogit {
    /// Intercept.
    pub intercept: f64,
    /// Slopes, one per column.
    pub slopes: Vec<f64>,
    /// Standard deviation of the families' intercepts, ≥ 0.
    pub family_sd: f64,
    /// Log-likelihood at the mode.
    pub log_likelihood: f64,
    /// Log-likelihood minus the penalty.
    pub penalised: f64,
    /// Covariance of (intercept, slopes, family sd) from the curvature at the mode, row by
    /// row; `None` where it is not positive definite.
    pub covariance: Option<Vec<f64>>,
}

impl MixedLogit {
    /// Standard error of `Σ contrast·slopes`, from the curvature at the mode.
    #[must_use]
    pub fn contrast_error(&self, contrast: &[f64]) -> Option<f64> {
        let covariance = self.covariance.as_ref()?;
        let p = self.slopes.len() + 2;
        let mut variance = 0.0;
        for (a, ca) in contrast.iter().enumerate() {
            for (b, cb) in contrast.iter().enumerate() {
                variance += ca * cb * covariance[(a + 1) * p + b + 1];
            }
        }
        (variance > 0.0).then(|| variance.sqrt())
    }

    /// Intercept + Σ slope·x, without family.
    #[must_use]
    pub fn predictor(&self, x: &[f64]) -> f64 {
        self.intercept + self.slopes.iter().zip(x).map(|(b, x)| b * x).sum::<f64>()
    }
}

/// Labels with their predictors, by family.
struct Problem<'a> {
    columns: &'a [Vec<f64>],
    above: &'a [bool],
    /// Models of each family.
    families: Vec<Vec<usize>>,
    nodes: Vec<f64>,
    ln_weights: Vec<f64>,
}

impl<'a> Problem<'a> {
    fn new(columns: &'a [Vec<f64>], above: &'a [bool], family: &[usize]) -> Self {
        let n_families = family.iter().max().map_or(0, |f| f + 1);
        let mut families = vec![Vec::new(); n_families];
        for (i, &f) in family.iter().enumerate() {
            families[f].push(i);
        }
        families.retain(|f| !f.is_empty());
        let (nodes, weights) = gauss_hermite(N_NODES);
        Problem {
            columns,
            above,
            families,
            nodes,
            ln_weights: weights.iter().map(|w| (w / PI.sqrt()).ln()).collect(),
        }
    }

    /// Log-likelihood of one family with its gradient added to `gradient`.
    fn family(&self, members: &[usize], theta: &[f64], gradient: &mut [f64]) -> f64 {
        let p = theta.len();
        let sd = theta[p - 1];
        let eta: Vec<f64> = members
            .iter()
            .map(|&i| {
                let slopes = self.columns.iter().zip(&theta[1..]);
                theta[0] + slopes.map(|(x, b)| b * x[i]).sum::<f64>()
            })
            .collect();
        // Per node and member, σ(−z): what the gradient needs is a by-product of ln σ(z).
        let mut rest = Vec::with_capacity(self.nodes.len() * members.len());
        let ln: Vec<f64> = self
            .nodes
            .iter()
            .zip(&self.ln_weights)
            .map(|(node, ln_weight)| {
                let shift = SQRT_2 * sd * node;
                let terms = members.iter().zip(&eta).map(|(&i, eta)| {
                    let (ln, complement) = sigma(signed(self.above[i], eta + shift));
                    rest.push(complement);
                    ln
                });
                ln_weight + terms.sum::<f64>()
            })
            .collect();
        let largest = ln.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = ln.iter().map(|l| (l - largest).exp()).sum();
        for (q, l) in ln.iter().enumerate() {
            let share = (l - largest).exp() / total;
            let row = &rest[q * members.len()..(q + 1) * members.len()];
            for (&i, complement) in members.iter().zip(row) {
                // d ln σ(z)/dz = σ(−z), with the sign of the label.
                let slope = share * signed(self.above[i], *complement);
                gradient[0] += slope;
                for (a, x) in self.columns.iter().enumerate() {
                    gradient[a + 1] += slope * x[i];
                }
                gradient[p - 1] += slope * SQRT_2 * self.nodes[q];
            }
        }
        largest + total.ln()
    }

    /// Minus the penalised log-likelihood and its gradient.
    fn objective(&self, theta: &[f64]) -> (f64, Vec<f64>) {
        let p = theta.len();
        let mut gradient = vec![0.0; p];
        let likelihood: f64 = self
            .families
            .iter()
            .map(|members| self.family(members, theta, &mut gradient))
            .sum();
        let mut value = -likelihood;
        for (a, g) in gradient.iter_mut().enumerate() {
            let scaled = theta[a] / prior(a, p);
            value += 0.5 * scaled * scaled;
            *g = scaled / prior(a, p) - *g;
        }
        (value, gradient)
    }

    fn penalty(theta: &[f64]) -> f64 {
        let p = theta.len();
        theta
            .iter()
            .enumerate()
            .map(|(a, t)| 0.5 * (t / prior(a, p)).powi(2))
            .sum()
    }

    /// Descends from `start` by BFGS with backtracking.
    fn descend(&self, start: Vec<f64>) -> (Vec<f64>, f64) {
        let p = start.len();
        let mut theta = start;
        let (mut value, mut gradient) = self.objective(&theta);
        let mut inverse = identity(p);
        for _ in 0..500 {
            let size = gradient.iter().map(|g| g.abs()).fold(0.0, f64::max);
            // Where the gradient is this small the objective is within 1e-14 of its minimum.
            if size < 1e-7 {
                break;
            }
            let mut step: Vec<f64> = (0..p)
                .map(|a| {
                    -(0..p)
                        .map(|b| inverse[a * p + b] * gradient[b])
                        .sum::<f64>()
                })
                .collect();
            let mut slope: f64 = step.iter().zip(&gradient).map(|(s, g)| s * g).sum();
            if slope >= 0.0 {
                inverse = identity(p);
                step = gradient.iter().map(|g| -g).collect();
                slope = -gradient.iter().map(|g| g * g).sum::<f64>();
            }
            let mut length = 1.0;
            let next = loop {
                let trial: Vec<f64> = theta
                    .iter()
                    .zip(&step)
                    .map(|(t, s)| t + length * s)
                    .collect();
                let (v, g) = self.objective(&trial);
                if v.is_finite() && v <= value + 1e-4 * length * slope {
                    break Some((trial, v, g));
                }
                length *= 0.5;
                if length < 1e-8 {
                    break None;
                }
            };
            let Some((trial, v, g)) = next else { break };
            let s: Vec<f64> = trial.iter().zip(&theta).map(|(a, b)| a - b).collect();
            let y: Vec<f64> = g.iter().zip(&gradient).map(|(a, b)| a - b).collect();
            update(&mut inverse, &s, &y);
            (theta, value, gradient) = (trial, v, g);
        }
        (theta, value)
    }

    /// Inverse of the Hessian at `theta`, by differences of the gradient.
    fn covariance(&self, theta: &[f64]) -> Option<Vec<f64>> {
        let p = theta.len();
        let mut hessian = vec![0.0; p * p];
        for a in 0..p {
            let h = 1e-5 * (1.0 + theta[a].abs());
            let at = |shift: f64| {
                let mut moved = theta.to_vec();
                moved[a] += shift;
                self.objective(&moved).1
            };
            let (up, down) = (at(h), at(-h));
            for b in 0..p {
                hessian[a * p + b] = (up[b] - down[b]) / (2.0 * h);
            }
        }
        let symmetric: Vec<f64> = (0..p * p)
            .map(|i| f64::midpoint(hessian[i], hessian[(i % p) * p + i / p]))
            .collect();
        let mut inverse = vec![0.0; p * p];
        for a in 0..p {
            let mut unit = vec![0.0; p];
            unit[a] = 1.0;
            let column = crate::curves::solve(&mut symmetric.clone(), &unit)?;
            for b in 0..p {
                inverse[b * p + a] = column[b];
            }
        }
        Some(inverse)
    }
}

/// Prior standard deviation of parameter `a` of `p`: intercept, slopes, family sd.
fn prior(a: usize, p: usize) -> f64 {
    match a {
        0 => PRIOR_INTERCEPT,
        a if a == p - 1 => PRIOR_FAMILY_SD,
        _ => PRIOR_SLOPE,
    }
}

fn identity(p: usize) -> Vec<f64> {
    (0..p * p)
        .map(|i| f64::from(u8::from(i % (p + 1) == 0)))
        .collect()
}

/// The BFGS update of an inverse Hessian.
fn update(inverse: &mut [f64], s: &[f64], y: &[f64]) {
    let p = s.len();
    let sy: f64 = s.iter().zip(y).map(|(s, y)| s * y).sum();
    if sy <= 1e-300 {
        return;
    }
    let hy: Vec<f64> = (0..p)
        .map(|a| (0..p).map(|b| inverse[a * p + b] * y[b]).sum())
        .collect();
    let yhy: f64 = y.iter().zip(&hy).map(|(y, h)| y * h).sum();
    for a in 0..p {
        for b in 0..p {
            inverse[a * p + b] +=
                (1.0 + yhy / sy) * s[a] * s[b] / sy - (hy[a] * s[b] + s[a] * hy[b]) / sy;
        }
    }
}

fn signed(positive: bool, z: f64) -> f64 {
    if positive { z } else { -z }
}

/// (ln σ(z), σ(−z)), without overflow.
fn sigma(z: f64) -> (f64, f64) {
    let e = (-z.abs()).exp();
    if z >= 0.0 {
        (-e.ln_1p(), e / (1.0 + e))
    } else {
        (z - e.ln_1p(), 1.0 / (1.0 + e))
    }
}

/// Maximises the penalised log-likelihood of `above` over intercept, slopes of `columns`
/// (centred by the caller) and the standard deviation of the family intercepts.
///
/// `None` where lengths differ, a value is not finite, or all labels are alike.
#[must_use]
pub fn mixed_logit(columns: &[Vec<f64>], above: &[bool], family: &[usize]) -> Option<MixedLogit> {
    let usable = above.len() == family.len()
        && columns.iter().all(|x| x.len() == above.len())
        && columns.iter().flatten().all(|v| v.is_finite())
        && above.contains(&true)
        && above.contains(&false);
    if !usable {
        return None;
    }
    let p = columns.len() + 2;
    let starts = STARTS.map(|sd| {
        let mut start = vec![1.0; p];
        (start[0], start[p - 1]) = (0.0, sd);
        start
    });
    let problem = Problem::new(columns, above, family);
    let (theta, value) = maximise(&problem, &starts);
    Some(MixedLogit {
        intercept: theta[0],
        slopes: theta[1..p - 1].to_vec(),
        family_sd: theta[p - 1],
        log_likelihood: Problem::penalty(&theta) - value,
        penalised: -value,
        covariance: problem.covariance(&theta),
    })
}

/// The best mode found from `starts` and minus the penalised log-likelihood there.
fn maximise(problem: &Problem<'_>, starts: &[Vec<f64>]) -> (Vec<f64>, f64) {
    let p = problem.columns.len() + 2;
    let mut best: Option<(Vec<f64>, f64)> = None;
    for start in starts {
        let found = problem.descend(start.clone());
        if best.as_ref().is_none_or(|b| found.1 < b.1) {
            best = Some(found);
        }
    }
    let (mut theta, value) = best.unwrap_or((vec![0.0; p], f64::INFINITY));
    // The likelihood is even in the standard deviation.
    theta[p - 1] = theta[p - 1].abs();
    (theta, value)
}

/// The log-likelihood of each family's labels under a fit to all other families, summed:
/// how well the axes foretell a family never seen.
///
/// `None` as for [`mixed_logit`], or where the labels of the remaining families are alike.
#[must_use]
pub fn left_out_log_score(columns: &[Vec<f64>], above: &[bool], family: &[usize]) -> Option<f64> {
    let all = mixed_logit(columns, above, family)?;
    // Without one family the mode moves little: one start near it, not at a flat sd of 0.
    let mut start = vec![all.intercept];
    start.extend(&all.slopes);
    start.push(all.family_sd.max(0.5));
    let whole = Problem::new(columns, above, family);
    let mut present: Vec<usize> = family.to_vec();
    present.sort_unstable();
    present.dedup();
    let mut score = 0.0;
    for left_out in present {
        let rest: Vec<usize> = (0..above.len())
            .filter(|&i| family[i] != left_out)
            .collect();
        let out: Vec<usize> = (0..above.len())
            .filter(|&i| family[i] == left_out)
            .collect();
        let of = |x: &Vec<f64>| rest.iter().map(|&i| x[i]).collect::<Vec<f64>>();
        let rest_columns: Vec<Vec<f64>> = columns.iter().map(of).collect();
        let rest_above: Vec<bool> = rest.iter().map(|&i| above[i]).collect();
        let rest_family: Vec<usize> = rest.iter().map(|&i| family[i]).collect();
        if !(rest_above.contains(&true) && rest_above.contains(&false)) {
            return None;
        }
        let problem = Problem::new(&rest_columns, &rest_above, &rest_family);
        let (theta, _) = maximise(&problem, std::slice::from_ref(&start));
        let mut ignored = vec![0.0; theta.len()];
        score += whole.family(&out, &theta, &mut ignored);
    }
    Some(score)
}

/// Area under the ROC curve of `score` for `above`, ties counted half.
///
/// `None` where all labels are alike.
#[must_use]
pub fn auc(score: &[f64], above: &[bool]) -> Option<f64> {
    let of = |wanted: bool| -> Vec<f64> {
        score
            .iter()
            .zip(above)
            .filter(|(_, a)| **a == wanted)
            .map(|(s, _)| *s)
            .collect()
    };
    let (positive, negative) = (of(true), of(false));
    let pairs = positive.len() * negative.len();
    let wins: f64 = positive
        .iter()
        .flat_map(|p| negative.iter().map(move |n| (p, n)))
        .map(|(p, n)| {
            if p > n {
                1.0
            } else if p == n {
                0.5
            } else {
                0.0
            }
        })
        .sum();
    (pairs > 0).then(|| wins / pairs as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_is_the_slope() {
        let columns = vec![vec![-1.0, 0.3, 0.8, -0.2, 1.4]];
        let above = [false, true, true, false, true];
        let problem = Problem::new(&columns, &above, &[0, 0, 1, 1, 2]);
        let theta = [0.3, 1.7, 0.9];
        let (_, gradient) = problem.objective(&theta);
        for a in 0..3 {
            let at = |h: f64| {
                let mut moved = theta;
                moved[a] += h;
                problem.objective(&moved).0
            };
            let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
            assert!(
                (slope - gradient[a]).abs() < 1e-8,
                "{a}: {slope} {gradient:?}"
            );
        }
    }

    #[test]
    fn separated_labels_have_a_finite_mode() {
        let x: Vec<f64> = (0..10).map(|i| f64::from(i) - 4.5).collect();
        let above: Vec<bool> = x.iter().map(|x| *x > 0.0).collect();
        let family: Vec<usize> = (0..10).map(|i| i % 3).collect();
        let fit = mixed_logit(std::slice::from_ref(&x), &above, &family).expect("two labels");
        assert!(fit.slopes[0] > 1.0 && fit.slopes[0] < 20.0, "{fit:?}");
        assert!(fit.contrast_error(&[1.0]).is_some_and(|e| e > 0.0));
        assert_eq!(auc(&x, &above), Some(1.0));
        assert!(left_out_log_score(&[x], &above, &family).is_some_and(|s| s < 0.0));
    }

    #[test]
    fn unusable_data_are_refused() {
        assert!(mixed_logit(&[], &[true, true], &[0, 1]).is_none());
        assert!(mixed_logit(&[vec![f64::NAN, 1.0]], &[true, false], &[0, 1]).is_none());
        assert!(mixed_logit(&[vec![1.0]], &[true, false], &[0, 1]).is_none());
        assert_eq!(auc(&[1.0, 1.0], &[true, false]), Some(0.5));
        assert_eq!(auc(&[1.0], &[true]), None);
    }
}
