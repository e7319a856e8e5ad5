//! How many items a measurement needs before it is made.

use rayon::prelude::*;
use upturn_types::StoppingPlan;

use crate::dist::binom_sf;
use crate::inference::sample_size::PairedDesign;
use crate::inference::sequential::label::{SequentialDecision, SequentialLabel};
use crate::inference::sequential::mixture::{ln_e_above, ln_e_below};
use crate::resample::{SplitMix64, quantile_sorted};
use crate::resolution::{critical_k, n_to_separate};

/// Above this n the normal plan is kept as it is: there it errs by less than 1%.
const EXACT_N_MAX: u64 = 20_000;

/// Items with which a model that truly scores `p1` is certified above `p0` with probability
/// `power` (one-sided exact test at level `alpha`): the first n from the normal plan on whose
/// exact power suffices.
///
/// `None` where p1 is not above p0, or outside (0, 1].
#[must_use]
pub fn n_to_certify_above(p0: f64, p1: f64, alpha: f64, power: f64) -> Option<u64> {
    if !(p0 >= 0.0 && p1 > p0 && p1 <= 1.0) {
        return None;
    }
    let planned = n_to_separate(p0, p1, alpha, power).ceil();
    if !planned.is_finite() || planned > 1e15 {
        return None;
    }
    let planned = (planned as u64).max(1);
    if planned > EXACT_N_MAX {
        return Some(planned);
    }
    (planned..=2 * planned + 200).find(|&n| binom_sf(critical_k(n, p0, alpha), n, p1) >= power)
}

/// Items, the same for both models, with which a difference between true scores `p0` and `p1`
/// is found with probability `power` by a two-sided test at level `alpha`. `correlation` is that
/// of the models' outcomes on one item: 0 also where they answer different items.
///
/// `None` as for [`PairedDesign::required_n`], or when the correlation is outside [−1, 1).
#[must_use]
pub fn n_to_detect(p0: f64, p1: f64, correlation: f64, alpha: f64, power: f64) -> Option<u64> {
    if !(-1.0..1.0).contains(&correlation) || ![p0, p1].iter().all(|p| (0.0..=1.0).contains(p)) {
        return None;
    }
    let (v0, v1) = (p0 * (1.0 - p0), p1 * (1.0 - p1));
    let design = PairedDesign {
        omega2: (v0 + v1 - 2.0 * correlation * (v0 * v1).sqrt()).max(0.0),
        sigma2_a: 0.0,
        sigma2_b: 0.0,
        n_repeats_a: 1,
        n_repeats_b: 1,
        alpha,
        power,
    };
    design.required_n(p1 - p0).map(|n| n.ceil() as u64)
}

/// How long an evaluation runs that stops as soon as a model is certified above or below `p0`,
/// looking after every `batch` items, where its true score is `p`: by simulation.
///
/// `None` as for [`SequentialLabel::new`], without simulations or items.
#[must_use]
pub fn stopping(
    p0: f64,
    p: f64,
    alpha: f64,
    budget: u64,
    batch: u64,
    n_simulations: u32,
    seed: u64,
) -> Option<StoppingPlan> {
    if n_simulations == 0 || budget == 0 || batch == 0 || !(0.0..=1.0).contains(&p) {
        return None;
    }
    SequentialLabel::new(p0, alpha, budget)?;
    let runs: Vec<(SequentialDecision, u64)> = (0..u64::from(n_simulations))
        .into_par_iter()
        .map(|run| {
            let mut rng = SplitMix64::stream(seed ^ 0x510b, run);
            let (mut k, mut n) = (0, 0);
            while n < budget {
                let size = batch.min(budget - n);
                k += (0..size).filter(|_| rng.uniform() < p).count() as u64;
                n += size;
                match decide(k, n, p0, alpha) {
                    SequentialDecision::Continue => {}
                    decision => return (decision, n),
                }
            }
            (SequentialDecision::Unresolved, budget)
        })
        .collect();
    let share =
        |d: SequentialDecision| runs.iter().filter(|r| r.0 == d).count() as f64 / runs.len() as f64;
    let mut lengths: Vec<f64> = runs.iter().map(|r| r.1 as f64).collect();
    lengths.sort_by(f64::total_cmp);
    Some(StoppingPlan {
        score: p,
        above: share(SequentialDecision::Above),
        near: share(SequentialDecision::Near),
        n_median: quantile_sorted(&lengths, 0.5),
        n_90: quantile_sorted(&lengths, 0.9),
        n_mean: lengths.iter().sum::<f64>() / lengths.len() as f64,
        budget,
        batch,
        n_simulations,
    })
}

/// What k successes in n items decide about p0, however often one has looked before: the
/// e-values of [`SequentialLabel`], which need no more than the counts.
#[must_use]
pub fn decide(k: u64, n: u64, p0: f64, alpha: f64) -> SequentialDecision {
    let limit = -alpha.ln();
    if ln_e_above(k, n, p0) >= limit {
        SequentialDecision::Above
    } else if ln_e_below(k, n, p0) >= limit {
        SequentialDecision::Near
    } else {
        SequentialDecision::Continue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_power_suffices() {
        // «1.n to separate» asks about 850 for .25 from .2875 by the normal plan.
        let n = n_to_certify_above(0.25, 0.2875, 0.05, 0.8).unwrap();
        assert!((820..960).contains(&n), "{n}");
        assert!(binom_sf(critical_k(n, 0.25, 0.05), n, 0.2875) >= 0.8);
        assert_eq!(n_to_certify_above(0.3, 0.3, 0.05, 0.8), None);
        assert!(n_to_certify_above(0.05, 1.0, 0.05, 0.8).unwrap() <= 10);
    }

    #[test]
    fn pairing_pays() {
        let apart = n_to_detect(0.5, 0.53, 0.0, 0.05, 0.8).unwrap();
        let paired = n_to_detect(0.5, 0.53, 0.5, 0.05, 0.8).unwrap();
        assert!((4340..4370).contains(&apart), "{apart}");
        assert!(paired.abs_diff(apart / 2) < 10);
        assert_eq!(n_to_detect(0.5, 0.5, 0.0, 0.05, 0.8), None);
    }

    #[test]
    fn stopping_is_seldom_wrong_and_soon_right() {
        // At the margin itself, looking after every 10 of 2000 items: each side wrong in at most
        // α, «9.OC anytime rejection rate …» 3.6% over 1000 looks.
        let at = stopping(0.2875, 0.2875, 0.05, 2000, 10, 1000, 1).unwrap();
        let reach = 3.0 * (0.05f64 * 0.95 / 1000.0).sqrt();
        assert!(
            at.above <= 0.05 + reach && at.near <= 0.05 + reach,
            "{at:?}"
        );
        // «9.OC median, 90% stopping n at p=.35 vs p0=.2875»: 444 and 1125.8 item by item.
        let off = stopping(0.2875, 0.35, 0.05, 6000, 1, 600, 2).unwrap();
        assert!((off.n_median - 444.0).abs() < 60.0, "{off:?}");
        assert!((off.n_90 - 1125.8).abs() < 180.0, "{off:?}");
        assert!(off.above > 0.98 && off.near < 0.02);
    }

    #[test]
    fn the_seed_decides() {
        let first = stopping(0.3, 0.4, 0.05, 500, 25, 200, 9);
        assert_eq!(first, stopping(0.3, 0.4, 0.05, 500, 25, 200, 9));
        assert_eq!(stopping(0.3, 0.4, 0.05, 0, 25, 200, 9), None);
    }
}
