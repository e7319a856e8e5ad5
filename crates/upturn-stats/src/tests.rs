//! Tests of one model against chance and margins.

use upturn_types::Label;

use crate::dist::{
    binom_cdf, binom_sf, clopper_pearson, norm_cdf, norm_quantile, norm_sf, t_isf, t_sf,
};
use crate::multiplicity::holm;
use crate::series::Obs;

/// What the one-sided tests say about one model; p-values are `None` where not testable.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PointTests {
    /// p of H0: score ≤ chance. `None` also at chance 0, where one success refutes it.
    pub p_chance: Option<f64>,
    /// p of H0: score ≤ chance + δ.
    pub p_above: Option<f64>,
    /// p of H0: score ≥ chance + δ.
    pub p_near: Option<f64>,
    /// p of H0: score ≥ chance − δ; 1 where no score can lie below that.
    pub p_below: Option<f64>,
    /// Lower limit of the score, one-sided at level α.
    pub lower_one_sided: Option<f64>,
    /// Two-sided 95% interval of the score (Clopper–Pearson when binomial, else normal or t).
    pub interval: Option<(f64, f64)>,
    /// Label at level α, not adjusted for the number of models.
    pub label: Label,
}

impl PointTests {
    /// A point of which only the interval, if that, can be told.
    #[must_use]
    pub fn untestable(obs: &Obs) -> Self {
        PointTests {
            p_chance: None,
            p_above: None,
            p_near: None,
            p_below: None,
            lower_one_sided: None,
            interval: interval_95(obs),
            label: Label::Untestable,
        }
    }
}

/// Tests one score against `chance` and the margin δ = `near_margin_abs` (in score units).
///
/// Counts are tested with the exact binomial; where the printed digits leave the count
/// open, "above" and the lower limit use the smallest count, "near" and "below" the
/// largest. Means are tested with the normal, or with Student's t where the standard
/// error comes from at most 30 seeds; a mean without a positive finite standard error is
/// [`Label::Untestable`], as is a count out of zero items. The margin c + δ is capped at
/// `ceiling`.
#[must_use]
pub fn test_point(
    obs: &Obs,
    chance: f64,
    ceiling: f64,
    near_margin_abs: f64,
    alpha: f64,
) -> PointTests {
    let margin = (chance + near_margin_abs).min(ceiling);
    let below = chance - near_margin_abs;
    let [p_chance, p_above, p_near, p_below, lower] = match *obs {
        Obs::Binomial { k_lo, k_hi, n, .. } if n > 0 => [
            binom_sf(k_lo, n, chance),
            binom_sf(k_lo, n, margin),
            binom_cdf(k_hi, n, margin),
            binom_cdf(k_hi, n, below),
            clopper_pearson(k_lo, n, alpha).0,
        ],
        Obs::Mean { y, se, df } => {
            let Some(error) = StandardError::new(se, df) else {
                return PointTests::untestable(obs);
            };
            let above = |bound: f64| error.upper_tail(y - bound);
            // A metric with floor 0 or more has no scores below 0.
            let impossible = chance >= 0.0 && below <= 0.0;
            [
                above(chance),
                above(margin),
                error.upper_tail(margin - y),
                if impossible {
                    1.0
                } else {
                    error.upper_tail(below - y)
                },
                y - error.half_width(alpha),
            ]
        }
        Obs::Binomial { .. } => return PointTests::untestable(obs),
    };
    if [p_chance, p_above, p_near, p_below, lower]
        .iter()
        .any(|v| v.is_nan())
    {
        return PointTests::untestable(obs);
    }
    PointTests {
        p_chance: (chance != 0.0).then_some(p_chance),
        p_above: Some(p_above),
        p_near: Some(p_near),
        p_below: Some(p_below),
        lower_one_sided: Some(lower),
        interval: interval_95(obs),
        label: label(p_above, p_near, p_below, alpha),
    }
}

impl PointTests {
    /// The same where no score counts as below chance: such a model is near it.
    #[must_use]
    pub fn not_below(mut self) -> Self {
        self.p_below = self.p_below.map(|_| 1.0);
        if self.label == Label::BelowChance {
            self.label = Label::Near;
        }
        self
    }
}

/// Labels with Holm's adjustment over the models, for quoting models one by one.
///
/// "Above", "near" and "below chance" are three families of tests, each adjusted over all
/// testable models and each holding the family-wise error at α.
#[must_use]
pub fn holm_labels(tests: &[PointTests], alpha: f64) -> Vec<Label> {
    let family = |p: fn(&PointTests) -> Option<f64>| {
        let testable: Vec<f64> = tests.iter().filter_map(p).collect();
        let mut adjusted = holm(&testable).into_iter();
        let back: Vec<Option<f64>> = tests
            .iter()
            .map(|t| p(t).and_then(|_| adjusted.next()))
            .collect();
        back
    };
    let above = family(|t| t.p_above);
    let near = family(|t| t.p_near);
    let below = family(|t| t.p_below);
    (0..tests.len())
        .map(|i| match (above[i], near[i], below[i]) {
            (Some(above), Some(near), Some(below)) => label(above, near, below, alpha),
            _ => Label::Untestable,
        })
        .collect()
}

/// Half-width t of Hoeffding's one-sided bound for the mean of `n` scores in
/// [`low`, `high`]: (high − low)·√(ln(1/α)/(2n)).
///
/// Holds whatever the distribution, so also where all scores are equal and a bootstrap
/// has nothing to resample. Infinite at `n` = 0.
#[must_use]
pub fn hoeffding_bound(n: u64, low: f64, high: f64, alpha: f64) -> f64 {
    (high - low) * (-alpha.ln() / (2.0 * n as f64)).sqrt()
}

/// z of the pooled two-proportion test, positive where the second proportion is larger.
///
/// `None` where the pooled proportion is 0 or 1, or a sample is empty.
#[must_use]
pub fn two_proportion_z(first: (u64, u64), second: (u64, u64)) -> Option<f64> {
    let ((k1, n1), (k2, n2)) = (first, second);
    if n1 == 0 || n2 == 0 {
        return None;
    }
    let (k1, n1, k2, n2) = (k1 as f64, n1 as f64, k2 as f64, n2 as f64);
    let pooled = (k1 + k2) / (n1 + n2);
    let variance = pooled * (1.0 - pooled) * (1.0 / n1 + 1.0 / n2);
    (variance > 0.0).then(|| (k2 / n2 - k1 / n1) / variance.sqrt())
}

/// One-sided p that the second score is larger, with the certified difference.
///
/// Two counts: the pooled two-proportion z. Otherwise z with the two standard errors, or
/// Welch's t where an error comes from at most 30 seeds; a count among means has the
/// variance ỹ(1 − ỹ)/n, ỹ = (k + ½)/(n + 1). Counts that the digits leave open are taken
/// at the end that makes the difference smaller. `None` where a score is not testable.
#[must_use]
pub fn p_larger(first: &Obs, second: &Obs) -> Option<(f64, f64)> {
    if let (Obs::Binomial { k_hi, n: n1, .. }, Obs::Binomial { k_lo, n: n2, .. }) =
        (*first, *second)
    {
        if n1 == 0 || n2 == 0 {
            return None;
        }
        let difference = k_lo as f64 / n2 as f64 - k_hi as f64 / n1 as f64;
        let p = two_proportion_z((k_hi, n1), (k_lo, n2)).map_or(1.0, norm_sf);
        return Some((p, difference));
    }
    let (low, high) = (Moments::of(first, true)?, Moments::of(second, false)?);
    let (v1, v2) = (low.variance, high.variance);
    let difference = high.score - low.score;
    let statistic = difference / (v1 + v2).sqrt();
    let inverse_df = |v: f64, df: f64| v * v / df;
    let df = (v1 + v2).powi(2) / (inverse_df(v1, low.df) + inverse_df(v2, high.df));
    Some((t_sf(statistic, df), difference))
}

/// Variance of a score: ỹ(1 − ỹ)/n with ỹ = (k + ½)/(n + 1) for a count, se² for a mean.
///
/// `None` where it is not known.
#[must_use]
pub fn score_variance(obs: &Obs) -> Option<f64> {
    match *obs {
        Obs::Binomial { k, n, .. } if n > 0 => {
            let shrunk = (k as f64 + 0.5) / (n as f64 + 1.0);
            Some(shrunk * (1.0 - shrunk) / n as f64)
        }
        Obs::Binomial { .. } => None,
        Obs::Mean { se, df, .. } => StandardError::new(se, df).map(|e| e.se * e.se),
    }
}

fn label(p_above: f64, p_near: f64, p_below: f64, alpha: f64) -> Label {
    if p_above <= alpha {
        Label::Above
    } else if p_below <= alpha {
        Label::BelowChance
    } else if p_near <= alpha {
        Label::Near
    } else {
        Label::Unresolved
    }
}

fn interval_95(obs: &Obs) -> Option<(f64, f64)> {
    match *obs {
        Obs::Binomial { k_lo, k_hi, n, .. } if n > 0 => Some((
            clopper_pearson(k_lo, n, 0.025).0,
            clopper_pearson(k_hi, n, 0.025).1,
        )),
        Obs::Binomial { .. } => None,
        Obs::Mean { y, se, df } => {
            let half = StandardError::new(se, df)?.half_width(0.025);
            Some((y - half, y + half))
        }
    }
}

/// A usable standard error with its degrees of freedom (infinite: normal).
#[derive(Clone, Copy)]
struct StandardError {
    se: f64,
    df: f64,
}

impl StandardError {
    fn new(se: Option<f64>, df: Option<u32>) -> Option<Self> {
        let se = se.filter(|se| se.is_finite() && *se > 0.0)?;
        let df = match df {
            Some(0) => return None,
            Some(df) if df < 30 => f64::from(df),
            _ => f64::INFINITY,
        };
        Some(StandardError { se, df })
    }

    fn upper_tail(self, difference: f64) -> f64 {
        let statistic = difference / self.se;
        if self.df.is_finite() {
            t_sf(statistic, self.df)
        } else {
            norm_cdf(-statistic)
        }
    }

    fn half_width(self, tail: f64) -> f64 {
        let quantile = if self.df.is_finite() {
            t_isf(tail, self.df)
        } else {
            -norm_quantile(tail)
        };
        quantile * self.se
    }
}

/// A score with its variance and degrees of freedom.
struct Moments {
    score: f64,
    variance: f64,
    df: f64,
}

impl Moments {
    /// Where the count is open, its largest value if `largest`, else its smallest.
    fn of(obs: &Obs, largest: bool) -> Option<Self> {
        let variance = score_variance(obs)?;
        Some(match *obs {
            Obs::Binomial { k_lo, k_hi, n, .. } => Moments {
                score: if largest { k_hi } else { k_lo } as f64 / n as f64,
                variance,
                df: f64::INFINITY,
            },
            Obs::Mean { y, se, df } => Moments {
                score: y,
                variance,
                df: StandardError::new(se, df)?.df,
            },
        })
    }
}

#[cfg(test)]
mod unit {
    use proptest::prelude::*;

    use super::*;

    fn mean(y: f64, se: f64, df: Option<u32>) -> Obs {
        Obs::Mean {
            y,
            se: Some(se),
            df,
        }
    }

    #[test]
    fn labels_of_counts() {
        let label = |k| test_point(&Obs::count(k, 2000), 0.25, 1.0, 0.0375, 0.05).label;
        assert_eq!(label(350), Label::BelowChance);
        assert_eq!(label(500), Label::Near);
        assert_eq!(label(575), Label::Unresolved);
        assert_eq!(label(640), Label::Above);
        // Chance 0: its own null is degenerate, and nothing lies below.
        let zero = test_point(&Obs::count(3, 2000), 0.0, 1.0, 0.05, 0.05);
        assert_eq!((zero.p_chance, zero.p_below), (None, Some(1.0)));
        assert_eq!(zero.label, Label::Near);
    }

    #[test]
    fn open_counts_are_taken_at_the_cautious_end() {
        let open = Obs::Binomial {
            k: 620,
            k_lo: 600,
            k_hi: 640,
            n: 2000,
        };
        let tests = test_point(&open, 0.25, 1.0, 0.0375, 0.05);
        let low = test_point(&Obs::count(600, 2000), 0.25, 1.0, 0.0375, 0.05);
        let high = test_point(&Obs::count(640, 2000), 0.25, 1.0, 0.0375, 0.05);
        assert_eq!(tests.p_above, low.p_above);
        assert_eq!(tests.lower_one_sided, low.lower_one_sided);
        assert_eq!(tests.p_near, high.p_near);
        let (lower, upper) = tests.interval.unwrap();
        assert_eq!(
            (lower, upper),
            (low.interval.unwrap().0, high.interval.unwrap().1)
        );
    }

    #[test]
    fn means_use_the_normal_or_t() {
        let normal = test_point(&mean(0.6, 0.05, None), 0.5, 1.0, 0.025, 0.05);
        assert!((normal.p_above.unwrap() - norm_sf(1.5)).abs() < 1e-12);
        let seeds = test_point(&mean(0.6, 0.05, Some(2)), 0.5, 1.0, 0.025, 0.05);
        assert!((seeds.p_above.unwrap() - t_sf(1.5, 2.0)).abs() < 1e-12);
        assert!(seeds.interval.unwrap().0 < normal.interval.unwrap().0);
        // Thirty-one seeds count as many.
        let many = test_point(&mean(0.6, 0.05, Some(30)), 0.5, 1.0, 0.025, 0.05);
        assert_eq!(many, normal);
    }

    #[test]
    fn without_an_error_nothing_is_tested() {
        for se in [
            None,
            Some(0.0),
            Some(-0.1),
            Some(f64::NAN),
            Some(f64::INFINITY),
        ] {
            let obs = Obs::Mean {
                y: 0.4,
                se,
                df: None,
            };
            let tests = test_point(&obs, 0.25, 1.0, 0.0375, 0.05);
            assert_eq!(tests, PointTests::untestable(&obs));
            assert_eq!(tests.interval, None);
        }
        let none = Obs::count(0, 0);
        assert_eq!(
            test_point(&none, 0.25, 1.0, 0.0375, 0.05).label,
            Label::Untestable
        );
        assert_eq!(p_larger(&none, &Obs::count(3, 10)), None);
    }

    #[test]
    fn holm_makes_labels_harder() {
        // Each alone is above at 5%; among four such, none is.
        let one = test_point(&Obs::count(612, 2000), 0.25, 1.0, 0.0375, 0.05);
        assert_eq!(one.label, Label::Above);
        assert_eq!(holm_labels(&[one], 0.05), [Label::Above]);
        assert_eq!(holm_labels(&[one; 4], 0.05), [Label::Unresolved; 4]);
        let blank = PointTests::untestable(&Obs::count(0, 0));
        assert_eq!(
            holm_labels(&[blank, one], 0.05),
            [Label::Untestable, Label::Above]
        );
    }

    #[test]
    fn differences_of_few_seeds_need_more() {
        let (z, _) = p_larger(&mean(0.3, 0.02, None), &mean(0.4, 0.02, None)).unwrap();
        let (t, _) = p_larger(&mean(0.3, 0.02, Some(2)), &mean(0.4, 0.02, Some(2))).unwrap();
        // Equal variances: Welch has 4 degrees of freedom.
        let statistic = 0.1 / (2.0_f64 * 0.02 * 0.02).sqrt();
        assert!((z - norm_sf(statistic)).abs() < 1e-12);
        assert!((t - t_sf(statistic, 4.0)).abs() < 1e-12);
        // A count at 0 among means still has a variance.
        let (p, difference) = p_larger(&Obs::count(0, 100), &mean(0.4, 0.02, None)).unwrap();
        assert!(p < 1e-6 && difference == 0.4);
    }

    #[test]
    fn hoeffding() {
        // √(ln 20 / 200)
        assert!((hoeffding_bound(100, 0.0, 1.0, 0.05) - 0.122_387_341_534_040_83).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn p_values_are_monotone_in_k(n in 1u64..800, share in 0.0..1.0_f64, c in 0.0..0.9_f64) {
            let k = (share * n as f64) as u64;
            let delta = 0.05 * (1.0 - c);
            let (a, b) = (
                test_point(&Obs::count(k, n), c, 1.0, delta, 0.05),
                test_point(&Obs::count(k + 1, n.max(k + 1)), c, 1.0, delta, 0.05),
            );
            prop_assert!(a.p_above >= b.p_above && a.p_near <= b.p_near && a.p_below <= b.p_below);
            prop_assert!(a.p_below >= a.p_near, "below chance implies near");
            prop_assert!(a.lower_one_sided.unwrap() <= k as f64 / n as f64);
            prop_assert!(a.p_above.unwrap() + a.p_near.unwrap() >= 1.0 - 1e-12);
        }
    }
}
