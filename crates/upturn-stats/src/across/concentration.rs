//! Whether thresholds lie closer together than the evaluated scales alone would make them.

use crate::resample::{SplitMix64, monte_carlo_p, quantile_sorted};

/// A bounded threshold on the scales at which its family was evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct GridThreshold {
    /// Task, numbered from 0.
    pub task: usize,
    /// Distinct coordinates of the family's models on this task, ascending.
    pub grid: Vec<f64>,
    /// Place of the lower end in `grid`.
    pub lower: usize,
    /// Place of the upper end, above `lower`.
    pub upper: usize,
}

impl GridThreshold {
    /// The middle of the interval.
    #[must_use]
    pub fn middle(&self) -> f64 {
        f64::midpoint(self.grid[self.lower], self.grid[self.upper])
    }
}

/// Standard deviation with divisor n − 1; `None` for fewer than two values.
#[must_use]
pub fn standard_deviation(values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    if values.len() < 2 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    Some((squares / (n - 1.0)).sqrt())
}

/// Median absolute deviation from the median, without a factor for normal data; `None` for
/// no values.
#[must_use]
pub fn median_absolute_deviation(values: &[f64]) -> Option<f64> {
    let middle = median(values)?;
    median(
        &values
            .iter()
            .map(|v| (v - middle).abs())
            .collect::<Vec<_>>(),
    )
}

pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    (!sorted.is_empty()).then(|| quantile_sorted(&sorted, 0.5))
}

/// Null of the standard deviation of middles, and p that thresholds fall anywhere among the
/// scales evaluated: (sd of each draw, sorted; share of draws at least as concentrated).
///
/// Every draw moves each interval to a random place on its own family's grid, keeping how
/// many steps of the grid it spans, so that coincidences which identical grids make are in
/// the null. One uniform number per task places all its families: a task that is hard for
/// one family is hard for all. `None` with fewer than two thresholds or two tasks.
///
/// # Panics
/// When an end is outside its grid, or `lower` ≥ `upper`.
#[must_use]
pub fn concentration_null(
    thresholds: &[GridThreshold],
    n_draws: u64,
    seed: u64,
) -> Option<(Vec<f64>, f64)> {
    for t in thresholds {
        assert!(t.lower < t.upper && t.upper < t.grid.len(), "{t:?}");
    }
    let observed = standard_deviation(
        &thresholds
            .iter()
            .map(GridThreshold::middle)
            .collect::<Vec<_>>(),
    )?;
    let n_tasks = thresholds.iter().map(|t| t.task).max()? + 1;
    let first = thresholds[0].task;
    if thresholds.iter().all(|t| t.task == first) {
        return None;
    }
    let mut rng = SplitMix64::new(seed);
    let mut place = vec![0.0; n_tasks];
    let mut middles = vec![0.0; thresholds.len()];
    let mut draws = Vec::with_capacity(n_draws as usize);
    let mut at_most = 0;
    for _ in 0..n_draws {
        for u in &mut place {
            *u = rng.uniform();
        }
        for (middle, t) in middles.iter_mut().zip(thresholds) {
            let span = t.upper - t.lower;
            let places = t.grid.len() - span;
            let lower = ((place[t.task] * places as f64) as usize).min(places - 1);
            *middle = f64::midpoint(t.grid[lower], t.grid[lower + span]);
        }
        let sd = standard_deviation(&middles)?;
        at_most += u64::from(sd <= observed + 1e-12);
        draws.push(sd);
    }
    draws.sort_by(f64::total_cmp);
    Some((draws, monte_carlo_p(at_most, n_draws)))
}

/// Fewest thresholds for which clusters are counted.
pub const MIN_FOR_CLUSTERS: usize = 12;

/// BIC of one, two and three normal clusters of one common variance; `None` with fewer than
/// [`MIN_FOR_CLUSTERS`] values. Smaller is better.
///
/// The standard deviation is held at `sd_min` or above: middles of intervals on a grid
/// coincide, and a cluster narrower than the intervals is not in the data.
#[must_use]
pub fn cluster_bic(values: &[f64], sd_min: f64) -> Option<[f64; 3]> {
    if values.len() < MIN_FOR_CLUSTERS || !values.iter().all(|v| v.is_finite()) {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    Some([1, 2, 3].map(|clusters| {
        let parameters = 2.0 * clusters as f64;
        parameters * (values.len() as f64).ln() - 2.0 * mixture(&sorted, clusters, sd_min)
    }))
}

/// Largest log-likelihood of a mixture found from several spread starts.
fn mixture(sorted: &[f64], clusters: usize, sd_min: f64) -> f64 {
    let spread = standard_deviation(sorted)
        .unwrap_or(0.0)
        .max(sd_min)
        .max(1e-9);
    [0.0, 0.1, 0.2]
        .iter()
        .map(|inset| {
            let means: Vec<f64> = (0..clusters)
                .map(|m| {
                    let q = (m as f64 + 0.5) / clusters as f64;
                    quantile_sorted(sorted, 0.5 + (q - 0.5) * (1.0 + inset))
                })
                .collect();
            climb(sorted, means, spread / clusters as f64, sd_min.max(1e-9))
        })
        .fold(f64::NEG_INFINITY, f64::max)
}

/// EM from `means`; returns the log-likelihood where it rests.
fn climb(values: &[f64], mut means: Vec<f64>, start: f64, sd_min: f64) -> f64 {
    let n = values.len() as f64;
    let mut weights = vec![1.0 / means.len() as f64; means.len()];
    let mut sd = start.max(sd_min);
    let mut likelihood = f64::NEG_INFINITY;
    for _ in 0..2000 {
        let mut total = vec![0.0; means.len()];
        let mut sum = vec![0.0; means.len()];
        let mut squares = vec![0.0; means.len()];
        let mut next = 0.0;
        for v in values {
            let ln: Vec<f64> = means
                .iter()
                .zip(&weights)
                .map(|(m, w)| w.max(1e-300).ln() - 0.5 * ((v - m) / sd).powi(2))
                .collect();
            let largest = ln.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let all: f64 = ln.iter().map(|l| (l - largest).exp()).sum();
            next += largest + all.ln() - sd.ln() - 0.5 * (2.0 * std::f64::consts::PI).ln();
            for (m, l) in ln.iter().enumerate() {
                let share = (l - largest).exp() / all;
                total[m] += share;
                sum[m] += share * v;
                squares[m] += share * v * v;
            }
        }
        let mut variance = 0.0;
        for m in 0..means.len() {
            if total[m] > 1e-12 {
                means[m] = sum[m] / total[m];
                variance += squares[m] - total[m] * means[m] * means[m];
            }
            weights[m] = total[m] / n;
        }
        sd = (variance.max(0.0) / n).sqrt().max(sd_min);
        if (next - likelihood).abs() < 1e-10 {
            return next;
        }
        likelihood = next;
    }
    likelihood
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_grid(task: usize, lower: usize) -> GridThreshold {
        GridThreshold {
            task,
            grid: (0..8).map(|i| 20.0 + 0.5 * f64::from(i)).collect(),
            lower,
            upper: lower + 1,
        }
    }

    #[test]
    fn dispersion() {
        let v = [22.0, 22.1, 22.3, 24.0];
        assert!((standard_deviation(&v).unwrap() - 0.941_629_792_788_369_2).abs() < 1e-12);
        assert!((median_absolute_deviation(&v).unwrap() - 0.15).abs() < 1e-12);
        assert_eq!(standard_deviation(&[1.0]), None);
        assert_eq!(median_absolute_deviation(&[]), None);
    }

    #[test]
    fn thresholds_at_one_place_are_concentrated_and_spread_ones_are_not() {
        let together: Vec<GridThreshold> = (0..8).map(|task| on_grid(task, 3)).collect();
        let (draws, p) = concentration_null(&together, 999, 1).unwrap();
        assert!(p <= 0.002 && draws.len() == 999, "{p}");
        let spread: Vec<GridThreshold> = (0..7).map(|task| on_grid(task, task)).collect();
        assert!(concentration_null(&spread, 999, 1).unwrap().1 > 0.2);
        // One task on many families is one threshold, not many.
        let one: Vec<GridThreshold> = (0..5).map(|_| on_grid(0, 3)).collect();
        assert!(concentration_null(&one, 99, 1).is_none());
        assert_eq!(
            concentration_null(&together, 999, 1),
            concentration_null(&together, 999, 1)
        );
    }

    /// Under its own null the p is close to uniform: at most 5% of studies at 5%.
    #[test]
    fn the_null_is_not_rejected_too_often() {
        let mut rejected = 0;
        for study in 0..400 {
            let mut rng = SplitMix64::stream(9, study);
            let thresholds: Vec<GridThreshold> =
                (0..10).map(|task| on_grid(task, rng.index(7))).collect();
            rejected += usize::from(concentration_null(&thresholds, 199, study).unwrap().1 <= 0.05);
        }
        assert!(rejected <= 32, "{rejected} of 400");
    }

    #[test]
    fn clusters_are_counted() {
        let apart: Vec<f64> = (0..12)
            .map(|i| if i < 6 { 20.0 } else { 24.0 } + 0.05 * f64::from(i % 6))
            .collect();
        let bic = cluster_bic(&apart, 0.1).unwrap();
        assert!(bic[1] < bic[0] && bic[1] < bic[2], "{bic:?}");
        let even: Vec<f64> = (0..12).map(|i| 22.0 + 0.05 * f64::from(i)).collect();
        let bic = cluster_bic(&even, 0.1).unwrap();
        assert!(bic[0] < bic[1], "{bic:?}");
        assert_eq!(cluster_bic(&apart[..11], 0.1), None);
    }
}
