//! One model under two methods: the difference, its bounds, and one-sided p-values.

use upturn_types::{EffectTest, Interval};

use crate::Obs;
use crate::dist::{norm_quantile, norm_sf, t_isf, t_sf};
use crate::inference::paired::{mcnemar_outcomes, paired_difference};
use crate::inference::two_sample::{newcombe_interval, two_proportion_z};

/// The difference method − baseline on one model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effect {
    /// Method − baseline.
    pub difference: f64,
    /// Two-sided 95% interval.
    pub interval: Interval,
    /// One-sided bounds at level α: each end is passed with probability α.
    pub bounds: (f64, f64),
    /// One-sided p of "not better".
    pub p_better: f64,
    /// One-sided p of "not worse".
    pub p_worse: f64,
    /// The test.
    pub test: EffectTest,
}

/// The effect from two scores, as if on different items.
///
/// Counts: pooled z and Newcombe's hybrid interval, which are conservative where the scores of
/// one item go together. Means: their standard errors, with Student's t where seeds gave them.
/// `None` where a score has neither count nor error.
#[must_use]
pub fn effect(method: &Obs, baseline: &Obs, alpha: f64) -> Option<Effect> {
    if let (Obs::Binomial { k: k1, n: n1, .. }, Obs::Binomial { k: k2, n: n2, .. }) =
        (*method, *baseline)
    {
        return proportions(k1, n1, k2, n2, alpha);
    }
    let ((y1, v1, df1), (y2, v2, df2)) = (moments(method)?, moments(baseline)?);
    let difference = y1 - y2;
    let variance = v1 + v2;
    if variance <= 0.0 {
        return None;
    }
    let se = variance.sqrt();
    // The smaller sample of seeds bounds the degrees of freedom from below.
    let df = df1.min(df2);
    let t = difference / se;
    let (sf, quantile): (f64, &dyn Fn(f64) -> f64) = if df.is_finite() {
        (t_sf(t, df), &|tail| t_isf(tail, df))
    } else {
        (norm_sf(t), &|tail| -norm_quantile(tail))
    };
    Some(Effect {
        difference,
        interval: Interval {
            lower: Some(difference - quantile(0.025) * se),
            upper: Some(difference + quantile(0.025) * se),
            confidence_level: 0.95,
        },
        bounds: (
            difference - quantile(alpha) * se,
            difference + quantile(alpha) * se,
        ),
        p_better: sf,
        p_worse: 1.0 - sf,
        test: EffectTest::Means,
    })
}

fn proportions(k1: u64, n1: u64, k2: u64, n2: u64, alpha: f64) -> Option<Effect> {
    let interval = newcombe_interval(k1, n1, k2, n2, 0.95)?;
    let narrow = newcombe_interval(k1, n1, k2, n2, 1.0 - 2.0 * alpha)?;
    // Both all wrong or all right: nothing speaks against equality.
    let z = two_proportion_z(k1, n1, k2, n2).map_or(0.0, |t| t.z);
    Some(Effect {
        difference: k1 as f64 / n1 as f64 - k2 as f64 / n2 as f64,
        interval,
        bounds: (narrow.lower?, narrow.upper?),
        p_better: norm_sf(z),
        p_worse: norm_sf(-z),
        test: EffectTest::TwoProportions,
    })
}

/// Mean, variance of the mean, degrees of freedom.
fn moments(obs: &Obs) -> Option<(f64, f64, f64)> {
    match *obs {
        Obs::Mean { y, se, df } => {
            let se = se.filter(|se| *se >= 0.0)?;
            Some((y, se * se, df.map_or(f64::INFINITY, f64::from)))
        }
        Obs::Binomial { k, n, .. } => {
            let y = k as f64 / n as f64;
            let shrunk = (k as f64 + 0.5) / (n as f64 + 1.0);
            Some((y, shrunk * (1.0 - shrunk) / n as f64, f64::INFINITY))
        }
    }
}

/// Scores of the same items under both methods, in the same order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Paired<'a> {
    /// With the method.
    pub method: &'a [f64],
    /// With the baseline.
    pub baseline: &'a [f64],
}

/// The effect on the same items: McNemar's exact p for scores of 0 and 1, the paired error for
/// graded ones; bounds from the paired error in both cases.
///
/// `None` for fewer than two items, unequal lengths, or scores that are not finite. Where all
/// items agree the bounds are those of one discordant item in n.
#[must_use]
pub fn paired_effect(scores: &Paired<'_>, alpha: f64) -> Option<Effect> {
    let found = paired_difference(scores.method, scores.baseline)?.difference;
    let n = scores.method.len() as f64;
    let difference = found.point_estimate;
    // All differences equal: an error of 0 would claim certainty.
    let se = match found.standard_error {
        se if se > 0.0 => se,
        _ => 1.0 / n,
    };
    let t = |tail: f64| t_isf(tail, n - 1.0);
    let binary = |v: &[f64]| v.iter().all(|s| *s == 0.0 || *s == 1.0);
    let (p_better, p_worse, test) = if binary(scores.method) && binary(scores.baseline) {
        let outcomes = |v: &[f64]| v.iter().map(|s| *s == 1.0).collect::<Vec<bool>>();
        let mc = mcnemar_outcomes(&outcomes(scores.method), &outcomes(scores.baseline))?;
        (mc.p_first_better, mc.p_second_better, EffectTest::Mcnemar)
    } else {
        let sf = t_sf(difference / se, n - 1.0);
        (sf, 1.0 - sf, EffectTest::PairedDifference)
    };
    Some(Effect {
        difference,
        interval: Interval {
            lower: Some(difference - t(0.025) * se),
            upper: Some(difference + t(0.025) * se),
            confidence_level: 0.95,
        },
        bounds: (difference - t(alpha) * se, difference + t(alpha) * se),
        p_better,
        p_worse,
        test,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, want: f64) {
        assert!(
            (got - want).abs() <= 1e-8 * want.abs().max(1e-3),
            "{got} {want}"
        );
    }

    /// «6.two_prop_z», «6.Newcombe».
    #[test]
    fn unpaired_check_values() {
        let found = effect(&Obs::count(60, 200), &Obs::count(45, 200), 0.05).expect("counts");
        close(found.p_better, norm_sf(1.704_572_969));
        close(found.interval.lower.expect("bounded"), -0.011_297_898_56);
        close(found.interval.upper.expect("bounded"), 0.159_877_986_2);
        assert!(found.bounds.0 > found.interval.lower.expect("bounded"));
        let none = effect(&Obs::count(0, 50), &Obs::count(0, 50), 0.05).expect("counts");
        close(none.p_better, 0.5);
    }

    /// «9.McNemar».
    #[test]
    fn paired_check_values() {
        let mut method = vec![1.0; 15];
        let mut baseline = vec![0.0; 15];
        method.extend([0.0; 5]);
        baseline.extend([1.0; 5]);
        method.extend([1.0; 30]);
        baseline.extend([1.0; 30]);
        let found = paired_effect(
            &Paired {
                method: &method,
                baseline: &baseline,
            },
            0.05,
        )
        .expect("items");
        close(found.p_better, 0.020_694_732_67);
        close(found.difference, 0.2);
        assert_eq!(found.test, EffectTest::Mcnemar);
        let same = Paired {
            method: &baseline,
            baseline: &baseline,
        };
        let same = paired_effect(&same, 0.05).expect("items");
        assert_eq!((same.p_better, same.p_worse), (1.0, 1.0));
        assert!(same.bounds.1 > 0.0 && same.bounds.1 < 0.05);
    }

    #[test]
    fn means_use_their_errors_and_no_error_is_no_test() {
        let mean = |y: f64, se: Option<f64>, df: Option<u32>| Obs::Mean { y, se, df };
        let found = effect(
            &mean(0.5, Some(0.03), None),
            &mean(0.4, Some(0.04), None),
            0.05,
        )
        .expect("errors");
        close(found.p_better, norm_sf(2.0));
        let few = effect(
            &mean(0.5, Some(0.03), Some(2)),
            &mean(0.4, Some(0.04), None),
            0.05,
        )
        .expect("errors");
        assert!(few.p_better > found.p_better);
        assert!(effect(&mean(0.5, None, None), &mean(0.4, Some(0.1), None), 0.05).is_none());
        assert!(
            effect(
                &mean(0.5, Some(0.0), None),
                &mean(0.4, Some(0.0), None),
                0.05
            )
            .is_none()
        );
    }
}
