//! The kink test: does a kinked or stepped curve explain more than the smooth logistic?

use upturn_types::{CurveComparison, CurveModel, Fit, KinkTest, KinkVerdict};

use super::breakpoint::breakpoint_interval;
use super::compare::{aicc, bic, family_of, restore};
use super::draws::Bootstrap;
use super::points::Points;
use crate::dist::clopper_pearson;
use crate::resample::monte_carlo_p;
use crate::{Obs, Series};

/// How to run the bootstrap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KinkConfig {
    /// Draws at most, B (999 by default; at least 499 for a p of use).
    pub n_draws_max: u32,
    /// Seed. Draw number b uses stream b of it, so that nothing depends on threads.
    pub seed: u64,
    /// Level α of the test.
    pub alpha: f64,
    /// Stop as soon as p > α is certain, see [`kink_test`].
    pub early_stopping: bool,
    /// Run the bootstrap for every curve, not only where it can matter.
    pub full: bool,
}

impl Default for KinkConfig {
    fn default() -> Self {
        KinkConfig {
            n_draws_max: 999,
            seed: 0,
            alpha: 0.05,
            early_stopping: true,
            full: false,
        }
    }
}

/// Models up to which a curve that is not preferred is no evidence of smoothness.
const FEW_MODELS: usize = 10;
/// Models below which no kink is claimed: with three parameters for a kinked curve, fewer
/// leave nothing to test it on.
const KINK_MODELS_MIN: usize = 5;
/// Models from which a kink may be claimed whatever the number of items.
const KINK_MODELS: usize = 12;
/// Items per model from which fewer models will do.
const KINK_ITEMS: u64 = 1000;
/// Difference of a criterion from which a preference counts ("weak" starts here).
const PREFERRED: f64 = 2.0;
/// D from which AIC prefers an alternative, which has one parameter more.
const D_OF_INTEREST: f64 = 2.0;

/// D = 2(max ℓ(hinge, yhinge, step) − ℓ(logistic)) with its parametric bootstrap.
///
/// Each draw is a series from the fitted logistic to which the logistic and all three
/// alternatives are fitted anew: under the null τ is not identified and D has no χ²
/// distribution. For binomial counts the alternatives are maximised exactly, and
/// those that a bound shows unable to reach D are passed over, which leaves p as it is. For
/// beta-binomial and Gaussian draws the same search, with the dispersion as one parameter
/// more, starts once where the data have several starts: where ℓ has several peaks, which
/// happens near a floor or ceiling, about one D* in a hundred is then not the largest.
///
/// *When it runs.* With `full`, always. Otherwise only when the rise is certified and
/// D ≥ 2, which is where AIC starts to prefer an alternative; AICc (for any K) and BIC (for
/// K ≥ 8) cannot prefer one below that. Else `p` is `None` and `skipped` says why.
///
/// *Early stopping* (Besag and Clifford 1991): the draws end when ⌈α(1 + B)⌉ of
/// them have reached D. From there p > α whatever the rest would be, so the decision at α is
/// that of all B draws; p itself is #/draws at the stop, which is a valid p-value with
/// a coarser resolution. `n_draws` and the count leave out the last draw, so that
/// p = (1 + #)/(1 + `n_draws`) always. `p_interval` is Clopper–Pearson's for the share of
/// draws that reach D.
///
/// *Verdict.* Kink: p ≤ α; the alternative is preferred to the logistic by at least 2 in AICc,
/// or, for K ≤ 10, where AICc charges four and more for one parameter, in BIC; no other smooth
/// curve does better by the same criterion; and there are data enough to claim it, five
/// models with 1,000 items each, or twelve. Otherwise none when
/// the hinge degenerates (τ̂ at or below the second scale, or no rise after it), or
/// when K > 10 and neither AICc nor p speaks for an alternative. Else undetermined.
///
/// `None` when there is no logistic or no alternative to compare (fewer than three scales
/// or equal scores), and when the likelihood named in `comparison` is not known.
#[must_use]
pub fn kink_test(
    series: &Series,
    comparison: &CurveComparison,
    certified_rise: bool,
    config: &KinkConfig,
) -> Option<KinkTest> {
    let logistic = comparison.fit(CurveModel::Logistic)?;
    let best = best_alternative(comparison)?;
    let statistic = (2.0 * (best.log_likelihood - logistic.log_likelihood)).max(0.0);
    let breakpoint = breakpoint_interval(series, comparison);
    let mut test = KinkTest {
        statistic,
        p: None,
        n_draws: 0,
        p_interval: None,
        best_alternative: best.model,
        verdict: KinkVerdict::Undetermined,
        skipped: None,
        breakpoint,
    };
    let points = Points::new(series)?;
    let family = family_of(comparison)?;
    let skip = (!config.full)
        .then(|| reason_to_skip(certified_rise, statistic))
        .flatten();
    let bootstrap = match skip {
        Some(reason) => Err(reason),
        None => Bootstrap::new(&points, family, &restore(&points, family, logistic)),
    };
    match bootstrap {
        Ok(bootstrap) if config.n_draws_max > 0 => run(bootstrap, config, &mut test),
        Ok(_) => test.skipped = Some("no draws asked for".to_owned()),
        Err(reason) => test.skipped = Some(reason),
    }
    let enough = data_suffice(series, comparison.k);
    test.verdict = verdict(comparison, logistic, best, &test, config.alpha, enough);
    Some(test)
}

/// D* of `n_draws` series drawn from the fitted logistic: the null distribution of the
/// kink statistic. `None` as for [`kink_test`], or when no draw can be made.
#[must_use]
pub fn kink_null_statistics(
    series: &Series,
    comparison: &CurveComparison,
    n_draws: u32,
    seed: u64,
) -> Option<Vec<f64>> {
    let points = Points::new(series)?;
    let family = family_of(comparison)?;
    let logistic = restore(&points, family, comparison.fit(CurveModel::Logistic)?);
    best_alternative(comparison)?;
    let mut bootstrap = Bootstrap::new(&points, family, &logistic).ok()?;
    let draws = 0..u64::from(n_draws);
    Some(
        draws
            .map(|draw| bootstrap.statistic(seed, draw, f64::NEG_INFINITY))
            .collect(),
    )
}

/// Whether there are models and items enough to claim a kink.
fn data_suffice(series: &Series, k: usize) -> bool {
    let items = |obs: &Obs| match *obs {
        Obs::Binomial { n, .. } => n >= KINK_ITEMS,
        Obs::Mean { .. } => true,
    };
    k >= KINK_MODELS || (k >= KINK_MODELS_MIN && series.obs.iter().all(items))
}

fn best_alternative(comparison: &CurveComparison) -> Option<&Fit> {
    [CurveModel::Hinge, CurveModel::Yhinge, CurveModel::Step]
        .into_iter()
        .filter_map(|model| comparison.fit(model))
        .reduce(|a, b| {
            if b.log_likelihood > a.log_likelihood {
                b
            } else {
                a
            }
        })
}

fn reason_to_skip(certified_rise: bool, statistic: f64) -> Option<String> {
    if !certified_rise {
        Some("no certified rise".to_owned())
    } else if statistic < D_OF_INTEREST {
        Some(format!(
            "D = {statistic:.2} is below 2: too little for a kinked curve to be preferred"
        ))
    } else {
        None
    }
}

fn run(mut bootstrap: Bootstrap, config: &KinkConfig, test: &mut KinkTest) {
    let n_max = u64::from(config.n_draws_max);
    let enough = if config.early_stopping {
        (config.alpha * (1 + n_max) as f64).ceil().max(1.0) as u64
    } else {
        u64::MAX
    };
    let (mut reached, mut draws) = (0, 0);
    while draws < n_max {
        if bootstrap.reaches(config.seed, draws, test.statistic) {
            if reached + 1 == enough {
                break;
            }
            reached += 1;
        }
        draws += 1;
    }
    test.p = Some(monte_carlo_p(reached, draws));
    test.n_draws = u32::try_from(draws).unwrap_or(u32::MAX);
    test.p_interval = Some(if draws > 0 {
        clopper_pearson(reached, draws, 0.025)
    } else {
        (0.0, 1.0)
    });
}

fn verdict(
    comparison: &CurveComparison,
    logistic: &Fit,
    best: &Fit,
    test: &KinkTest,
    alpha: f64,
    enough_data: bool,
) -> KinkVerdict {
    let k = comparison.k;
    let gain_aicc = match (aicc_of(logistic, k), aicc_of(best, k)) {
        (Some(logistic), Some(best)) => logistic - best,
        _ => f64::NEG_INFINITY,
    };
    let gain_bic = bic(logistic.log_likelihood, logistic.n_params, k)
        - bic(best.log_likelihood, best.n_params, k);
    let few = k <= FEW_MODELS;
    let preferred = gain_aicc >= PREFERRED || (few && gain_bic >= PREFERRED);
    let significant = test.p.is_some_and(|p| p <= alpha);
    // The bootstrap refutes the logistic; another smooth curve may do as well as a kinked one.
    let smooth_does = comparison
        .fits
        .iter()
        .filter(|f| f.model.is_smooth())
        .any(|f| {
            if few {
                bic(f.log_likelihood, f.n_params, k) <= bic(best.log_likelihood, best.n_params, k)
            } else {
                aicc_of(f, k)
                    .zip(aicc_of(best, k))
                    .is_some_and(|(f, best)| f <= best)
            }
        });
    if significant && preferred && !smooth_does && enough_data {
        KinkVerdict::Kink
    } else if test.breakpoint.is_some_and(|b| b.degenerate)
        || (!few && !significant && gain_aicc < PREFERRED)
    {
        KinkVerdict::None
    } else {
        KinkVerdict::Undetermined
    }
}

fn aicc_of(fit: &Fit, k: usize) -> Option<f64> {
    aicc(fit.log_likelihood, fit.n_params, k)
}
