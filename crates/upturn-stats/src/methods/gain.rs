//! What a method is worth: how far it moves a threshold, and the compute that buys as much.

use upturn_types::{ComputeGain, CurveModel, Interval, ThresholdShift};

use crate::curves::{FitConfig, compare};
use crate::resample::{SplitMix64, quantile_sorted};
use crate::tests::test_point;
use crate::threshold::{interval, walk};
use crate::{Obs, Series};

/// The shift of the threshold between two series of one family, baseline − method.
///
/// Each threshold is the fixed-sequence interval at level α/2 on both sides, so that both hold
/// together with confidence 1 − 2α; a method's threshold in (a, b] and a baseline's in (c, d]
/// leave a shift in (c − b, d − a). `near_margin` and `substantial` are not needed: the onset is
/// that of "always above chance + δ". `None` where chance or ceiling is unknown, or neither
/// threshold has an end that bounds the shift.
#[must_use]
pub fn threshold_shift(
    method: &Series,
    baseline: &Series,
    near_margin: f64,
    alpha: f64,
) -> Option<ThresholdShift> {
    let of = |series: &Series| -> Option<(Option<f64>, Option<f64>)> {
        let (c, u) = (series.chance?, series.ceiling?);
        let tests: Vec<_> = series
            .obs
            .iter()
            .map(|obs| test_point(obs, c, u, near_margin * (u - c), alpha / 2.0))
            .collect();
        Some(interval(&series.x, &walk(&series.x, &tests, alpha / 2.0)))
    };
    let (method, baseline) = (of(method)?, of(baseline)?);
    let minus = |a: Option<f64>, b: Option<f64>| Some(a? - b?).filter(|d| d.is_finite());
    let shift = Interval {
        lower: minus(baseline.0, method.1),
        upper: minus(baseline.1, method.0),
        confidence_level: 1.0 - 2.0 * alpha,
    };
    (shift.lower.is_some() || shift.upper.is_some()).then_some(ThresholdShift {
        method,
        baseline,
        shift,
    })
}

/// Draws of the interval of a compute-equivalent gain.
const N_DRAWS: u64 = 199;

/// The compute-equivalent gain at `x`: log10 of C′/C such that the baseline at C′ scores what the
/// method scores at C (Davidson et al. 2023), from logistic curves of both, with a 90% interval
/// by redrawing the counts from their fits.
///
/// `None` where a curve has no counts or fewer than four scales, the baseline does not rise
/// (no compute would do), or stays within `near_margin` (a share of the range) of chance.
#[must_use]
pub fn compute_gain(
    method: &Series,
    baseline: &Series,
    x: f64,
    near_margin: f64,
    seed: u64,
) -> Option<ComputeGain> {
    let (c, u) = (baseline.chance?, baseline.ceiling?);
    let counts = |series: &Series| {
        series
            .obs
            .iter()
            .all(|obs| matches!(obs, Obs::Binomial { .. }))
    };
    let rises = baseline
        .scores()
        .last()
        .is_some_and(|y| *y > c + near_margin * (u - c));
    if !counts(method) || !counts(baseline) || !rises || method.n_scales() < 4 {
        return None;
    }
    let (fit_m, fit_b) = (line(method)?, line(baseline)?);
    let decades = gain(fit_m, fit_b, x)?;
    let mut draws: Vec<f64> = (0..N_DRAWS)
        .filter_map(|draw| {
            let mut rng = SplitMix64::stream(seed, draw);
            let method = line(&redraw(method, fit_m, &mut rng))?;
            let baseline = line(&redraw(baseline, fit_b, &mut rng))?;
            gain(method, baseline, x)
        })
        .collect();
    // Draws without a rise have no gain: where they are many there is no interval.
    if (draws.len() as u64) < N_DRAWS * 19 / 20 {
        return None;
    }
    draws.sort_by(f64::total_cmp);
    Some(ComputeGain {
        x,
        decades,
        interval: (quantile_sorted(&draws, 0.05), quantile_sorted(&draws, 0.95)),
    })
}

/// log10 gain from (a, b) of both logits at x = 0: [a_A − a_B + (b_A − b_B)x]/b_B.
#[must_use]
pub fn gain(method: (f64, f64), baseline: (f64, f64), x: f64) -> Option<f64> {
    let ((a1, b1), (a2, b2)) = (method, baseline);
    (b2 > 0.0)
        .then(|| (a1 - a2 + (b1 - b2) * x) / b2)
        .filter(|g| g.is_finite())
}

/// Intercept at x = 0 and slope of the fitted logistic.
fn line(series: &Series) -> Option<(f64, f64)> {
    let fits = compare(
        series,
        &FitConfig {
            models: &[CurveModel::Logistic],
            leave_one_scale_out: false,
            ..FitConfig::default()
        },
    )?;
    let theta = &fits.fit(CurveModel::Logistic)?.theta;
    Some((theta[0] - theta[1] * fits.x_mean, theta[1]))
}

/// The series with counts drawn anew from the logistic `(a, b)`.
fn redraw(series: &Series, (a, b): (f64, f64), rng: &mut SplitMix64) -> Series {
    let (c, u) = (series.chance.unwrap_or(0.0), series.ceiling.unwrap_or(1.0));
    let obs = series
        .x
        .iter()
        .zip(&series.obs)
        .map(|(x, obs)| match *obs {
            Obs::Binomial { n, .. } => {
                let p = c + (u - c) / (1.0 + (-(a + b * x)).exp());
                let sampler = crate::inference::binomial_sampler::BinomialSampler::new(n, p);
                Obs::count(sampler.draw(rng), n)
            }
            other => other,
        })
        .collect();
    Series {
        x: series.x.clone(),
        obs,
        ..*series
    }
}
