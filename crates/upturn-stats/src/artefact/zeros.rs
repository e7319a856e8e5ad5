//! What a score of 0 says: bounds on a rare success, sampling until it happens, the task law.

use upturn_types::TaskLaw;

use crate::dist::{beta_inc_inv, t_sf};

/// Upper bound at level 1 − `alpha` of a success rate that `n` draws never showed:
/// 1 − α^(1/n), about 3/n at 5%.
#[must_use]
pub fn upper_bound_of_zero(n: u64, alpha: f64) -> f64 {
    if n == 0 {
        return 1.0;
    }
    -(alpha.ln() / n as f64).exp_m1()
}

/// Probability of no success in `n` draws of rate `p`: (1 − p)^n.
#[must_use]
pub fn probability_of_zero(p: f64, n: u64) -> f64 {
    (n as f64 * (-p.clamp(0.0, 1.0)).ln_1p()).exp()
}

/// A success rate estimated by sampling until r successes (PassUntil, Hu et al. 2023).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PassUntil {
    /// Successes, r.
    pub successes: u64,
    /// Draws until the last of them, K; all draws where there was none.
    pub draws: u64,
    /// Maximum-likelihood estimate r/K; `None` without a success.
    pub mle: Option<f64>,
    /// Unbiased estimate (r − 1)/(K − 1), from two successes on.
    pub unbiased: Option<f64>,
    /// Exact interval: both ends of inverse sampling, or \[0, 1 − α^(1/K)\] one-sided where
    /// the draws ended without a success.
    pub interval: (f64, f64),
}

/// The estimate from r successes, the last at draw K, with its exact interval at level 1 − `alpha`.
///
/// Without a success the K draws were the limit and the rate is censored. `None` when
/// K is 0 or below r.
#[must_use]
pub fn pass_until(successes: u64, draws: u64, alpha: f64) -> Option<PassUntil> {
    if draws == 0 || successes > draws {
        return None;
    }
    let (r, k) = (successes as f64, draws as f64);
    let interval = match successes {
        0 => (0.0, upper_bound_of_zero(draws, alpha)),
        _ if successes == draws => (beta_inc_inv(r, 1.0, alpha / 2.0), 1.0),
        _ => (
            beta_inc_inv(r, k - r + 1.0, alpha / 2.0),
            beta_inc_inv(r, k - r, 1.0 - alpha / 2.0),
        ),
    };
    Some(PassUntil {
        successes,
        draws,
        mle: (successes > 0).then_some(r / k),
        unbiased: (successes > 1).then(|| (r - 1.0) / (k - 1.0)),
        interval,
    })
}

/// [`pass_until`] over one item's repeated answers: stops at the r-th success.
#[must_use]
pub fn pass_until_outcomes(outcomes: &[bool], r: u64, alpha: f64) -> Option<PassUntil> {
    let mut successes = 0;
    for (i, outcome) in outcomes.iter().enumerate() {
        successes += u64::from(*outcome);
        if successes == r && r > 0 {
            return pass_until(successes, i as u64 + 1, alpha);
        }
    }
    // The limit came first: what is known is a binomial sample, r or more were not reached.
    let n = outcomes.len() as u64;
    if successes == 0 {
        return pass_until(0, n, alpha);
    }
    let (lower, upper) = crate::dist::clopper_pearson(successes, n, alpha / 2.0);
    Some(PassUntil {
        successes,
        draws: n,
        mle: Some(successes as f64 / n as f64),
        unbiased: Some(successes as f64 / n as f64),
        interval: (lower, upper),
    })
}

/// pass@k from `successes` among `draws`, unbiased (Chen et al. 2021): 1 − C(n − s, k)/C(n, k).
///
/// `None` when k is 0 or above the draws, or there are more successes than draws.
#[must_use]
pub fn pass_at_k(draws: u64, successes: u64, k: u64) -> Option<f64> {
    if k == 0 || k > draws || successes > draws {
        return None;
    }
    if draws - successes < k {
        return Some(1.0);
    }
    let ln: f64 = (draws - successes + 1..=draws)
        .map(|i| (-(k as f64) / i as f64).ln_1p())
        .sum();
    Some(-ln.exp_m1())
}

/// The task law F = ln(−ln y): least squares of F on centred `ln_size` and its square.
///
/// Under a power law of token loss F is linear in ln N; a negative curvature is growth faster
/// than that. Scores of 0 or 1 have no F and are counted apart. `None` for fewer than four
/// usable scores or three distinct sizes.
#[must_use]
pub fn task_law(ln_size: &[f64], scores: &[f64]) -> Option<TaskLaw> {
    let pairs: Vec<(f64, f64)> = ln_size
        .iter()
        .zip(scores)
        .filter(|(x, y)| x.is_finite() && **y > 0.0 && **y < 1.0)
        .map(|(x, y)| (*x, (-y.ln()).ln()))
        .collect();
    let left_out = scores.len() - pairs.len();
    task_law_of_exponents(&pairs, left_out)
}

/// [`task_law`] on (ln N, F) pairs.
#[must_use]
pub fn task_law_of_exponents(pairs: &[(f64, f64)], n_left_out: usize) -> Option<TaskLaw> {
    let n = pairs.len();
    let mut sizes: Vec<f64> = pairs.iter().map(|p| p.0).collect();
    sizes.sort_by(f64::total_cmp);
    sizes.dedup();
    if n < 4 || sizes.len() < 3 {
        return None;
    }
    let mean = pairs.iter().map(|p| p.0).sum::<f64>() / n as f64;
    let columns: [Vec<f64>; 3] =
        [0, 1, 2].map(|power| pairs.iter().map(|p| (p.0 - mean).powi(power)).collect());
    let y: Vec<f64> = pairs.iter().map(|p| p.1).collect();
    let fit = super::link::least_squares(&columns, &y, &vec![1.0; n])?;
    let df = (n - 3) as f64;
    let se = (fit.rss / df * fit.inverse[8]).sqrt();
    let p = if se > 0.0 {
        (2.0 * t_sf((fit.theta[2] / se).abs(), df)).min(1.0)
    } else {
        return None;
    };
    Some(TaskLaw {
        n_models: n,
        n_left_out,
        slope: fit.theta[1],
        curvature: fit.theta[2],
        curvature_se: se,
        p,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, want: f64) {
        assert!((got - want).abs() <= 1e-8 * want.abs(), "{got} {want}");
    }

    /// Check values of METHODS, «4.passuntil», «4.P(0 …)», «4.pass@k», «1.CP k=0».
    #[test]
    fn check_values() {
        let one = pass_until(1, 10_000, 0.05).expect("possible");
        assert_eq!((one.mle, one.unbiased), (Some(1e-4), None));
        close(one.interval.0, 2.531_777_593e-6);
        close(one.interval.1, 0.000_368_856_793_5);
        let five = pass_until(5, 10_000, 0.05).expect("possible");
        close(five.unbiased.expect("five"), 0.000_400_040_004);
        close(five.interval.0, 0.000_162_367_934_2);
        close(five.interval.1, 0.001_023_941_649);
        close(
            probability_of_zero(0.9_f64.powi(40), 2000),
            1.163_216_303e-13,
        );
        close(pass_at_k(200, 13, 10).expect("possible"), 0.497_551_114_7);
        close(upper_bound_of_zero(2000, 0.05), 0.001_496_744_895);
    }

    /// «4.F…»: the printed F, for sizes that double.
    #[test]
    fn accelerated_growth_is_a_negative_curvature() {
        let f = [
            2.381_375_782,
            2.093_310_926,
            1.790_335_881,
            1.486_783_975,
            1.169_032_176,
        ];
        let pairs: Vec<(f64, f64)> = f
            .iter()
            .enumerate()
            .map(|(i, f)| (i as f64 * 2f64.ln(), *f))
            .collect();
        let law = task_law_of_exponents(&pairs, 0).expect("five sizes");
        close(law.slope, -0.437_311_764_1);
        close(law.curvature, -0.008_912_830_361);
        assert!((law.curvature / law.curvature_se + 6.766_046_257).abs() < 1e-4);
        assert!(law.p > 0.01 && law.p < 0.05, "{}", law.p);
    }

    #[test]
    fn draws_that_end_early_are_censored() {
        let none = pass_until_outcomes(&[false; 50], 1, 0.05).expect("draws");
        assert_eq!((none.successes, none.mle), (0, None));
        close(none.interval.1, upper_bound_of_zero(50, 0.05));
        let stopped = pass_until_outcomes(&[false, true, true, true], 2, 0.05).expect("draws");
        assert_eq!((stopped.successes, stopped.draws), (2, 3));
        close(stopped.unbiased.expect("two"), 0.5);
        assert_eq!(pass_until(2, 2, 0.05).expect("all").interval.1, 1.0);
        assert_eq!(pass_until(1, 0, 0.05), None);
        assert_eq!(pass_at_k(10, 3, 11), None);
        assert_eq!(pass_at_k(10, 8, 5), Some(1.0));
        assert_eq!(task_law(&[1.0, 2.0, 3.0, 4.0], &[0.0, 0.0, 0.5, 1.0]), None);
    }

    /// The exact interval of inverse sampling covers the rate at its level.
    #[test]
    fn intervals_of_inverse_sampling_cover() {
        let (mut inside, n) = (0, 400);
        for draw in 0..n {
            let mut rng = crate::resample::SplitMix64::stream(3, draw);
            let (mut k, mut r) = (0, 0);
            while r < 2 {
                k += 1;
                r += u64::from(rng.uniform() < 0.02);
            }
            let (low, high) = pass_until(2, k, 0.10).expect("drawn").interval;
            inside += u64::from((low..=high).contains(&0.02));
        }
        assert!(inside as f64 >= 0.86 * n as f64, "{inside}");
    }
}
