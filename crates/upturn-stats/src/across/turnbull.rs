//! The distribution of interval-censored values without a model (Turnbull 1976).

/// Turnbull's estimate.
#[derive(Debug, Clone, PartialEq)]
pub struct Turnbull {
    /// Intervals (lower, upper] that can hold mass, ascending; ends may be infinite.
    pub support: Vec<(f64, f64)>,
    /// Mass of each; where inside its interval it lies cannot be known.
    pub mass: Vec<f64>,
    /// Log-likelihood.
    pub log_likelihood: f64,
    /// Whether the iteration came to rest.
    pub converged: bool,
}

impl Turnbull {
    /// The support interval in which the distribution function reaches `q`.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<(f64, f64)> {
        let mut sum = 0.0;
        for (interval, mass) in self.support.iter().zip(&self.mass) {
            sum += mass;
            if sum >= q - 1e-9 {
                return Some(*interval);
            }
        }
        self.support.last().copied()
    }
}

/// Largest change of a mass at which the iteration stops.
const AT_REST: f64 = 1e-14;
/// Most steps.
const STEPS_MAX: usize = 50_000;

/// The non-parametric maximum likelihood estimate from half-open intervals (lower, upper],
/// −∞ and +∞ standing for an open side.
///
/// Mass can lie only in the innermost intervals: a left end followed immediately by a right
/// end among all ends in order (a right end comes before an equal left end, for the intervals
/// do not meet). The EM iteration starts from equal masses. `None` without an interval, or
/// where one is empty or has a NaN.
///
/// ```
/// # use upturn_stats::across::turnbull;
/// let fit = turnbull(&[(21.0, 22.0), (21.5, 23.0), (24.0, f64::INFINITY)]).unwrap();
/// assert_eq!(fit.support, [(21.5, 22.0), (24.0, f64::INFINITY)]);
/// assert!((fit.mass[0] - 2.0 / 3.0).abs() < 1e-12);
/// ```
#[must_use]
pub fn turnbull(intervals: &[(f64, f64)]) -> Option<Turnbull> {
    // A NaN end makes the comparison false.
    if intervals.is_empty() || !intervals.iter().all(|(lower, upper)| lower < upper) {
        return None;
    }
    let mut ends: Vec<(f64, bool)> = intervals
        .iter()
        .flat_map(|&(lower, upper)| [(lower, true), (upper, false)])
        .collect();
    ends.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut support: Vec<(f64, f64)> = ends
        .windows(2)
        .filter(|w| w[0].1 && !w[1].1)
        .map(|w| (w[0].0, w[1].0))
        .collect();
    support.dedup();
    // The support intervals that an observation covers are neighbours.
    let covers: Vec<std::ops::Range<usize>> = intervals
        .iter()
        .map(|(lower, upper)| {
            let first = support.partition_point(|s| s.0 < *lower);
            let end = support.partition_point(|s| s.1 <= *upper);
            first..end
        })
        .collect();
    let count = intervals.len() as f64;
    let mut mass = vec![1.0 / support.len() as f64; support.len()];
    let mut converged = false;
    for _ in 0..STEPS_MAX {
        let mut next = vec![0.0; mass.len()];
        for range in &covers {
            let total: f64 = mass[range.clone()].iter().sum();
            for j in range.clone() {
                next[j] += mass[j] / total / count;
            }
        }
        let change = mass
            .iter()
            .zip(&next)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f64::max);
        mass = next;
        if change < AT_REST {
            converged = true;
            break;
        }
    }
    let log_likelihood = covers
        .iter()
        .map(|range| mass[range.clone()].iter().sum::<f64>().ln())
        .sum();
    Some(Turnbull {
        support,
        mass,
        log_likelihood,
        converged,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: f64 = f64::INFINITY;

    /// Thresholds of word_unscrambling on seven families of ObsScaling (Pythia, OPT, Llama,
    /// Llama-2, Qwen1.5, Falcon, MPT): they give the check value «8.Turnbull», whose own input
    /// is not printed.
    #[test]
    fn three_quarters_and_a_quarter() {
        let fit = turnbull(&[
            (22.334_454, OPEN),
            (22.852_968, OPEN),
            (-OPEN, 22.892_095),
            (-OPEN, 22.924_279),
            (22.413_635, 22.760_422),
            (21.322_219, 22.799_341),
            (-OPEN, 22.623_249),
        ])
        .expect("intervals");
        assert_eq!(
            fit.support,
            [(22.413_635, 22.623_249), (22.852_968, 22.892_095)]
        );
        assert!((fit.mass[0] - 0.75).abs() < 1e-10, "{:?}", fit.mass);
        assert!((fit.mass[1] - 0.25).abs() < 1e-10, "{:?}", fit.mass);
        assert!((fit.log_likelihood + 2.249_340_578).abs() < 1e-9, "{fit:?}");
        assert_eq!(fit.quantile(0.5), Some(fit.support[0]));
        assert_eq!(fit.quantile(0.9), Some(fit.support[1]));
    }

    #[test]
    fn intervals_that_only_touch_do_not_meet() {
        let fit = turnbull(&[(1.0, 2.0), (2.0, 3.0)]).expect("intervals");
        assert_eq!(fit.support, [(1.0, 2.0), (2.0, 3.0)]);
        assert!(fit.converged);
        assert_eq!(turnbull(&[]), None);
        assert_eq!(turnbull(&[(2.0, 2.0)]), None);
        assert_eq!(turnbull(&[(f64::NAN, 2.0)]), None);
    }
}
