//! BIG-bench linearity and breakthroughness, with their nulls.
//!
//! With z the K − 1 steps between neighbours in order of scale and
//! I = sign(argmax y − argmin y)·(max y − min y), linearity is L = I/√mean(z²) and
//! breakthroughness B = I/√median(z²) (Srivastava et al. 2022, as restated by
//! Xia et al. 2023, appendix D.3). Both see scale only through its order, both grow
//! with K, and B rewards plateaus of any origin: neither means anything without the
//! nulls computed here.
//!
//! - *Order*: the same scores in every order. Small p: order matters.
//! - *Noise*: counts redrawn around one common score. Small p: more than noise.
//! - *Smooth*: counts redrawn around a fitted smooth curve. Small p: sharper than smooth.
//!
//! A permutation keeps max − min, so only the sign of I and the mean or median of z²
//! have to be compared; the median needs a count and two extremes, not a sort. With
//! that, all 8! orders take well under a millisecond.

use upturn_types::Breakthrough;

use crate::dist::norm_quantile;
use crate::inference::binomial_sampler::BinomialSampler;
use crate::resample::{SplitMix64, monte_carlo_p, quantile_sorted};
use crate::{Obs, Series};

/// Up to this many models every order is enumerated.
pub const MAX_EXACT_MODELS: usize = 8;

/// Relative slack within which two statistics of unequal origin count as equal.
const SLACK: f64 = 1e-9;

/// How much resampling to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakthroughConfig {
    /// Random orders when there are more than [`MAX_EXACT_MODELS`] models; 0 skips the
    /// order null altogether, exact enumeration included.
    pub n_draws: u32,
    /// Seed of everything drawn.
    pub seed: u64,
    /// Draws of each parametric null; 0 skips them.
    pub n_noise_draws: u32,
}

impl Default for BreakthroughConfig {
    /// 100 000 orders and 999 parametric draws.
    fn default() -> Self {
        BreakthroughConfig {
            n_draws: 100_000,
            seed: 0,
            n_noise_draws: 999,
        }
    }
}

impl BreakthroughConfig {
    /// The statistics alone, without any null.
    #[must_use]
    pub fn cheap() -> Self {
        BreakthroughConfig {
            n_draws: 0,
            seed: 0,
            n_noise_draws: 0,
        }
    }
}

/// I, L and B of scores in order of scale.
///
/// The first index wins a tie for maximum or minimum. When all steps (for L) or the
/// median step (for B) are zero, the result is ±∞ with the sign of I, or 0 when I is 0.
/// Fewer than two scores give zeros.
#[must_use]
pub fn statistics(y: &[f64]) -> (f64, f64, f64) {
    Shape::of(y).map_or((0.0, 0.0, 0.0), |shape| shape.statistics())
}

/// Statistics and nulls of a series.
///
/// `smooth` is the fitted smooth curve: the expected score at x. The order null
/// is exact for at most [`MAX_EXACT_MODELS`] models. Scores are compared as counts when
/// every model has the same number of items, with a relative slack of 1e-9 otherwise.
/// The parametric nulls need counts or standard errors, and are `None` when one is
/// missing. Infinite statistics are returned as ±[`Breakthrough::CAP`]; the nulls
/// compare them uncapped.
///
/// `None` with fewer than three models (two give ±1 whatever the scores) and
/// when a score is not finite.
#[must_use]
pub fn breakthrough(
    series: &Series,
    smooth: Option<&dyn Fn(f64) -> f64>,
    config: BreakthroughConfig,
) -> Option<Breakthrough> {
    let y = series.scores();
    if y.len() < 3 || y.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let (increase, linearity, breakthroughness) = statistics(&y);
    let order = (config.n_draws > 0).then(|| order_null(series, config.n_draws, config.seed));
    let null = |mean: Option<Vec<f64>>, stream| {
        let noise = Noise::around(series, &mean?)?;
        (config.n_noise_draws > 0).then(|| {
            let mut rng = SplitMix64::stream(config.seed, stream);
            noise.p_breakthroughness(breakthroughness, config.n_noise_draws, &mut rng)
        })
    };
    let fitted = smooth.map(|f| series.x.iter().map(|&x| f(x)).collect());
    Some(Breakthrough {
        increase,
        linearity: capped(linearity),
        breakthroughness: capped(breakthroughness),
        p_order_linearity: order.map(|o| o.linearity),
        p_order_breakthroughness: order.map(|o| o.breakthroughness),
        p_noise_breakthroughness: null(common_score(series), 1),
        p_smooth_breakthroughness: null(fitted, 2),
    })
}

/// Bootstrap intervals of L and B.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BreakthroughIntervals {
    /// Lower and upper end for L.
    pub linearity: (f64, f64),
    /// Lower and upper end for B.
    pub breakthroughness: (f64, f64),
}

/// Percentile intervals of L and B by redrawing every score from its own precision:
/// k ~ Bin(n, k/n), or a normal with the score's standard error.
///
/// Ends are capped at ±[`Breakthrough::CAP`]. A model at 0/n or n/n never varies in this
/// scheme, so a curve of such models has a degenerate interval. `None` when a score has no
/// known precision, with fewer than three models, without draws, or when
/// `confidence_level` is not inside (0, 1).
#[must_use]
pub fn bootstrap_intervals(
    series: &Series,
    confidence_level: f64,
    n_draws: u32,
    seed: u64,
) -> Option<BreakthroughIntervals> {
    let valid_level = confidence_level > 0.0 && confidence_level < 1.0;
    if series.len() < 3 || n_draws == 0 || !valid_level {
        return None;
    }
    let noise = Noise::around(series, &series.scores())?;
    let mut rng = SplitMix64::new(seed);
    let mut y = vec![0.0; series.len()];
    let (mut linear, mut breaks) = (Vec::new(), Vec::new());
    for _ in 0..n_draws {
        noise.draw(&mut rng, &mut y);
        let (_, l, b) = statistics(&y);
        linear.push(capped(l));
        breaks.push(capped(b));
    }
    let tail = (1.0 - confidence_level) / 2.0;
    let ends = |values: &mut Vec<f64>| {
        values.sort_unstable_by(f64::total_cmp);
        (
            quantile_sorted(values, tail),
            quantile_sorted(values, 1.0 - tail),
        )
    };
    Some(BreakthroughIntervals {
        linearity: ends(&mut linear),
        breakthroughness: ends(&mut breaks),
    })
}

fn capped(value: f64) -> f64 {
    if value.is_infinite() {
        Breakthrough::CAP.copysign(value)
    } else {
        value
    }
}

/// What the statistics are made of.
struct Shape {
    range: f64,
    rising: bool,
    mean_square: f64,
    median_square: f64,
}

impl Shape {
    fn of(y: &[f64]) -> Option<Shape> {
        if y.len() < 2 {
            return None;
        }
        let (mut low, mut high) = (0, 0);
        for (i, v) in y.iter().enumerate() {
            if *v < y[low] {
                low = i;
            }
            if *v > y[high] {
                high = i;
            }
        }
        let mut squares: Vec<f64> = y.windows(2).map(|w| (w[1] - w[0]).powi(2)).collect();
        let mean_square = squares.iter().sum::<f64>() / squares.len() as f64;
        Some(Shape {
            range: y[high] - y[low],
            rising: high > low,
            mean_square,
            median_square: twice_median(&mut squares) / 2.0,
        })
    }

    fn statistics(&self) -> (f64, f64, f64) {
        if self.range == 0.0 {
            return (0.0, 0.0, 0.0);
        }
        let increase = if self.rising { self.range } else { -self.range };
        // A zero denominator gives the signed infinity that the convention asks for.
        (
            increase,
            increase / self.mean_square.sqrt(),
            increase / self.median_square.sqrt(),
        )
    }
}

/// Twice the median (exact for integers); sorts its argument, which is not empty.
fn twice_median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let (low, high) = ((values.len() - 1) / 2, values.len() / 2);
    values[low] + values[high]
}

/// p-values of the order null.
#[derive(Clone, Copy)]
struct OrderNull {
    linearity: f64,
    breakthroughness: f64,
}

fn order_null(series: &Series, n_draws: u32, seed: u64) -> OrderNull {
    let (values, exact) = comparable_values(series);
    let Some(test) = OrderTest::new(&values, if exact { 0.0 } else { SLACK }) else {
        // All scores equal: every order gives 0.
        return OrderNull {
            linearity: 1.0,
            breakthroughness: 1.0,
        };
    };
    let mut tally = Tally::default();
    if values.len() <= MAX_EXACT_MODELS {
        test.count_all_orders(&mut tally);
        let share = |count: u64| count as f64 / tally.n_orders as f64;
        return OrderNull {
            linearity: share(tally.linearity),
            breakthroughness: share(tally.breakthroughness),
        };
    }
    let mut rng = SplitMix64::stream(seed, 0);
    let mut order = values.clone();
    for _ in 0..n_draws {
        rng.shuffle(&mut order);
        let end = order[1..]
            .iter()
            .fold(test.start(order[0], 0), |path, &v| test.step(path, v));
        test.judge(&end, &mut tally);
    }
    OrderNull {
        linearity: monte_carlo_p(tally.linearity, tally.n_orders),
        breakthroughness: monte_carlo_p(tally.breakthroughness, tally.n_orders),
    }
}

/// The values whose orders are compared, and whether arithmetic on them is exact: counts
/// when all n are equal and small enough for sums of squares in 53 bits, else scores.
fn comparable_values(series: &Series) -> (Vec<f64>, bool) {
    let counts = || {
        let mut common = None;
        let mut values = Vec::with_capacity(series.len());
        for obs in &series.obs {
            let Obs::Binomial { k, n, .. } = *obs else {
                return None;
            };
            if *common.get_or_insert(n) != n {
                return None;
            }
            values.push(k as f64);
        }
        // Twice the sum of K squares must stay below 2⁵³.
        let largest = common? as f64;
        (2.0 * largest * largest * values.len() as f64 <= (1u64 << 53) as f64).then_some(values)
    };
    counts().map_or_else(|| (series.scores(), false), |values| (values, true))
}

/// Orders seen, and those at least as extreme as the observed one.
#[derive(Default)]
struct Tally {
    n_orders: u64,
    linearity: u64,
    breakthroughness: u64,
}

/// The comparison T* ≥ T for orders of the same values.
///
/// The range R is common to all orders, so with M the mean (or median) of squared steps
/// T = ±R/√M, and T* ≥ T is a comparison of signs and of M. A rising order beats
/// a rising T when its M is not larger; any rising order beats a falling T, and a falling
/// one does when its M is not smaller.
struct OrderTest<'a> {
    values: &'a [f64],
    min: f64,
    max: f64,
    rising: bool,
    /// Limit of Σz².
    sum_limit: f64,
    /// Limit of twice the median of z².
    median_limit: f64,
}

/// An order in the making: all that the comparison needs of the part laid so far.
#[derive(Clone, Copy)]
struct Path {
    last: f64,
    len: usize,
    first_min: Option<usize>,
    first_max: Option<usize>,
    sum: f64,
    /// Steps with 2z² ≤ the median's limit, the largest of them, the smallest of the others.
    n_small: usize,
    small_max: f64,
    large_min: f64,
}

impl<'a> OrderTest<'a> {
    /// `None` when all values are equal.
    fn new(values: &'a [f64], slack: f64) -> Option<Self> {
        let shape = Shape::of(values)?;
        if shape.range == 0.0 {
            return None;
        }
        // T* ≥ T − slack·|T|, turned into a limit on M.
        let factor = if shape.rising {
            1.0 / (1.0 - slack).powi(2)
        } else {
            1.0 / (1.0 + slack).powi(2)
        };
        let sum: f64 = values.windows(2).map(|w| (w[1] - w[0]).powi(2)).sum();
        Some(OrderTest {
            values,
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            rising: shape.rising,
            sum_limit: sum * factor,
            median_limit: 2.0 * shape.median_square * factor,
        })
    }

    fn start(&self, value: f64, len: usize) -> Path {
        let path = Path {
            last: value,
            len,
            first_min: None,
            first_max: None,
            sum: 0.0,
            n_small: 0,
            small_max: 0.0,
            large_min: f64::INFINITY,
        };
        self.mark_extremes(path, value)
    }

    fn mark_extremes(&self, mut path: Path, value: f64) -> Path {
        if value == self.min && path.first_min.is_none() {
            path.first_min = Some(path.len);
        }
        if value == self.max && path.first_max.is_none() {
            path.first_max = Some(path.len);
        }
        path.len += 1;
        path.last = value;
        path
    }

    fn step(&self, mut path: Path, value: f64) -> Path {
        let z = value - path.last;
        let square = z * z;
        path.sum += square;
        // "Small" so that both middle steps being small, or both not, settles the median.
        let small = if self.rising {
            2.0 * square <= self.median_limit
        } else {
            2.0 * square < self.median_limit
        };
        if small {
            path.n_small += 1;
            path.small_max = path.small_max.max(square);
        } else {
            path.large_min = path.large_min.min(square);
        }
        self.mark_extremes(path, value)
    }

    fn judge(&self, end: &Path, tally: &mut Tally) {
        tally.n_orders += 1;
        let rises = end.first_max > end.first_min;
        if self.rising {
            if rises {
                tally.linearity += u64::from(end.sum <= self.sum_limit);
                tally.breakthroughness += u64::from(self.median_is_small(end));
            }
        } else if rises {
            tally.linearity += 1;
            tally.breakthroughness += 1;
        } else {
            tally.linearity += u64::from(end.sum >= self.sum_limit);
            tally.breakthroughness += u64::from(!self.median_is_small(end));
        }
    }

    /// Whether twice the median is at most the limit (below it, for a falling T).
    fn median_is_small(&self, end: &Path) -> bool {
        let n_steps = end.len - 1;
        let (low, high) = ((n_steps - 1) / 2, n_steps / 2);
        if end.n_small > high {
            true
        } else if end.n_small <= low {
            false
        } else {
            let twice = end.small_max + end.large_min;
            if self.rising {
                twice <= self.median_limit
            } else {
                twice < self.median_limit
            }
        }
    }

    /// Every distinct order once: equal values make every order equally frequent.
    fn count_all_orders(&self, tally: &mut Tally) {
        let mut sorted = self.values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        for (i, &value) in sorted.iter().enumerate() {
            if i == 0 || sorted[i - 1] != value {
                self.extend(&sorted, 1 << i, self.start(value, 0), tally);
            }
        }
    }

    fn extend(&self, sorted: &[f64], used: u32, path: Path, tally: &mut Tally) {
        if path.len == sorted.len() {
            self.judge(&path, tally);
            return;
        }
        for (i, &value) in sorted.iter().enumerate() {
            let is_used = used & (1 << i) != 0;
            let twin_waits = i > 0 && sorted[i - 1] == value && used & (1 << (i - 1)) == 0;
            if !is_used && !twin_waits {
                self.extend(sorted, used | (1 << i), self.step(path, value), tally);
            }
        }
    }
}

/// The common score of a constant: Σk/Σn, or the precision-weighted mean.
fn common_score(series: &Series) -> Option<Vec<f64>> {
    let (mut total, mut weight) = (0.0, 0.0);
    for obs in &series.obs {
        let w = match *obs {
            Obs::Binomial { n, .. } => n as f64,
            Obs::Mean { se: Some(se), .. } if se > 0.0 => 1.0 / (se * se),
            Obs::Mean { .. } => return None,
        };
        total += w * obs.score();
        weight += w;
    }
    Some(vec![total / weight; series.len()])
}

/// A parametric null: what each score may come out as.
struct Noise {
    sources: Vec<Source>,
}

enum Source {
    Counts(BinomialSampler),
    Normal { mean: f64, se: f64 },
}

impl Noise {
    /// Each model's own precision around `mean`. `None` when a precision is unknown or a
    /// mean is not finite.
    fn around(series: &Series, mean: &[f64]) -> Option<Noise> {
        let source = |(obs, &mean): (&Obs, &f64)| {
            if !mean.is_finite() {
                return None;
            }
            match *obs {
                Obs::Binomial { n, .. } => Some(Source::Counts(BinomialSampler::new(
                    n,
                    mean.clamp(0.0, 1.0),
                ))),
                Obs::Mean { se: Some(se), .. } if se > 0.0 => Some(Source::Normal { mean, se }),
                Obs::Mean { .. } => None,
            }
        };
        let sources = series
            .obs
            .iter()
            .zip(mean)
            .map(source)
            .collect::<Option<_>>()?;
        Some(Noise { sources })
    }

    fn draw(&self, rng: &mut SplitMix64, y: &mut [f64]) {
        for (y, source) in y.iter_mut().zip(&self.sources) {
            *y = match source {
                Source::Counts(sampler) => sampler.draw(rng) as f64 / sampler.n() as f64,
                Source::Normal { mean, se } => {
                    // Half a step inside, so that the quantile is never infinite.
                    let u = rng.uniform() + 0.5 / (1u64 << 53) as f64;
                    mean + se * norm_quantile(u.min(1.0 - f64::EPSILON))
                }
            };
        }
    }

    fn p_breakthroughness(&self, observed: f64, n_draws: u32, rng: &mut SplitMix64) -> f64 {
        let limit = if observed.is_finite() {
            observed - SLACK * observed.abs()
        } else {
            observed
        };
        let mut y = vec![0.0; self.sources.len()];
        let mut n_at_least = 0;
        for _ in 0..n_draws {
            self.draw(rng, &mut y);
            // Equal scores of one model pair must give a step of exactly 0, so the scores
            // are compared as drawn: k/n is the same number whenever k and n are.
            n_at_least += u64::from(statistics(&y).2 >= limit);
        }
        monte_carlo_p(n_at_least, u64::from(n_draws))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every order, by definition: no dedupe, no shortcut.
    fn order_p_by_definition(y: &[f64]) -> (f64, f64) {
        fn orders(rest: &mut Vec<f64>, laid: &mut Vec<f64>, visit: &mut dyn FnMut(&[f64])) {
            if rest.is_empty() {
                return visit(laid);
            }
            for i in 0..rest.len() {
                let v = rest.remove(i);
                laid.push(v);
                orders(rest, laid, visit);
                laid.pop();
                rest.insert(i, v);
            }
        }
        let (_, l, b) = statistics(y);
        let reaches = |value: f64, t: f64| value >= t || value >= t - 1e-9 * t.abs();
        let (mut n, mut n_l, mut n_b) = (0u32, 0u32, 0u32);
        orders(&mut y.to_vec(), &mut Vec::new(), &mut |order| {
            let (_, l_star, b_star) = statistics(order);
            n += 1;
            n_l += u32::from(reaches(l_star, l));
            n_b += u32::from(reaches(b_star, b));
        });
        (f64::from(n_l) / f64::from(n), f64::from(n_b) / f64::from(n))
    }

    fn order_p(series: &Series) -> (f64, f64) {
        let p = order_null(series, 1000, 7);
        (p.linearity, p.breakthroughness)
    }

    #[test]
    fn flat_and_infinite_conventions() {
        assert_eq!(statistics(&[0.3; 5]), (0.0, 0.0, 0.0));
        assert_eq!(statistics(&[0.3]), (0.0, 0.0, 0.0));
        assert_eq!(statistics(&[]), (0.0, 0.0, 0.0));
        let (i, l, b) = statistics(&[0.0, 0.0, 0.0, 0.0, 1.0]);
        assert_eq!((i, l, b), (1.0, 2.0, f64::INFINITY));
        let (i, _, b) = statistics(&[1.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!((i, b), (-1.0, f64::NEG_INFINITY));
        // First index wins: the maximum is at 0 and at 2, the minimum at 1.
        assert_eq!(statistics(&[1.0, 0.0, 1.0]).0, -1.0);
    }

    #[test]
    fn the_cap_is_for_display_and_the_nulls_see_infinity() {
        let x: Vec<f64> = (0..6).map(f64::from).collect();
        let series = Series::binomial(&x, &[0, 0, 0, 0, 0, 40], 100, 0.0);
        let result = breakthrough(&series, None, BreakthroughConfig::default()).unwrap();
        assert_eq!(result.breakthroughness, Breakthrough::CAP);
        // B* is +∞ when the jump is not first and more than half the steps are 0: always
        // with one success and five zeros, except when the 40 comes first.
        assert!((result.p_order_breakthroughness.unwrap() - 5.0 / 6.0).abs() < 1e-12);
        // L* ≥ L only with a single step, that is with the 40 last.
        assert!((result.p_order_linearity.unwrap() - 1.0 / 6.0).abs() < 1e-12);
    }

    #[test]
    fn unknown_precision_leaves_out_the_parametric_nulls() {
        let series = Series {
            x: vec![1.0, 2.0, 3.0, 4.0],
            obs: [0.1, 0.1, 0.2, 0.9]
                .map(|y| Obs::Mean {
                    y,
                    se: None,
                    df: None,
                })
                .to_vec(),
            chance: None,
            ceiling: None,
        };
        let result = breakthrough(&series, Some(&|_| 0.5), BreakthroughConfig::default()).unwrap();
        assert!(result.p_order_linearity.is_some());
        assert_eq!(result.p_noise_breakthroughness, None);
        assert_eq!(result.p_smooth_breakthroughness, None);
        assert_eq!(bootstrap_intervals(&series, 0.95, 99, 1), None);
    }

    #[test]
    fn cheap_mode_computes_no_null() {
        let series = Series::binomial(&[1.0, 2.0, 3.0], &[10, 20, 90], 100, 0.0);
        let result = breakthrough(&series, Some(&|_| 0.5), BreakthroughConfig::cheap()).unwrap();
        assert_eq!(result.increase, 0.8);
        assert_eq!(result.p_order_linearity, None);
        assert_eq!(result.p_order_breakthroughness, None);
        assert_eq!(result.p_noise_breakthroughness, None);
        assert_eq!(result.p_smooth_breakthroughness, None);
    }

    #[test]
    fn fewer_than_three_models_and_bad_scores_have_none() {
        let two = Series::binomial(&[1.0, 2.0], &[1, 5], 10, 0.0);
        assert_eq!(breakthrough(&two, None, BreakthroughConfig::cheap()), None);
        let mut bad = Series::binomial(&[1.0, 2.0, 3.0], &[1, 5, 6], 10, 0.0);
        bad.obs[1] = Obs::Mean {
            y: f64::NAN,
            se: Some(0.1),
            df: None,
        };
        assert_eq!(
            breakthrough(&bad, None, BreakthroughConfig::default()),
            None
        );
    }

    #[test]
    fn a_jump_is_sharper_than_its_smooth_curve_and_a_smooth_curve_is_not() {
        let x: Vec<f64> = (0..8).map(f64::from).collect();
        let smooth = |x: f64| 0.25 + 0.5 / (1.0 + (-(x - 4.0) * 1.2).exp());
        let config = BreakthroughConfig {
            seed: 5,
            ..BreakthroughConfig::default()
        };
        let jump = Series::binomial(&x, &[250, 250, 251, 250, 251, 249, 250, 740], 1000, 0.25);
        let p = breakthrough(&jump, Some(&smooth), config).unwrap();
        assert!(p.p_smooth_breakthroughness.unwrap() < 0.01, "{p:?}");
        assert!(p.p_noise_breakthroughness.unwrap() < 0.01, "{p:?}");
        let k: Vec<u64> = x
            .iter()
            .map(|&x| (smooth(x) * 1000.0).round() as u64)
            .collect();
        let p = breakthrough(&Series::binomial(&x, &k, 1000, 0.25), Some(&smooth), config).unwrap();
        assert!(p.p_smooth_breakthroughness.unwrap() > 0.05, "{p:?}");
    }

    #[test]
    fn intervals_hold_the_statistics_of_a_clear_curve() {
        let x: Vec<f64> = (0..8).map(f64::from).collect();
        let series = Series::binomial(&x, &[100, 140, 210, 330, 480, 600, 690, 720], 1000, 0.1);
        let (_, l, b) = statistics(&series.scores());
        let ends = bootstrap_intervals(&series, 0.95, 999, 3).unwrap();
        assert!(ends.linearity.0 < l && l < ends.linearity.1, "{ends:?} {l}");
        assert!(
            ends.breakthroughness.0 < b && b < ends.breakthroughness.1,
            "{ends:?} {b}"
        );
        assert_eq!(Some(ends), bootstrap_intervals(&series, 0.95, 999, 3));
        assert_eq!(bootstrap_intervals(&series, 1.0, 999, 3), None);
    }

    proptest! {
        #[test]
        fn exact_order_p_is_the_definition(k in prop::collection::vec(0u64..12, 3..7)) {
            let x: Vec<f64> = (0..k.len()).map(|i| i as f64).collect();
            let series = Series::binomial(&x, &k, 12, 0.0);
            let (p_l, p_b) = order_p(&series);
            // The definition on counts: integers, so no rounding decides a tie.
            let counts: Vec<f64> = k.iter().map(|&k| k as f64).collect();
            let (q_l, q_b) = order_p_by_definition(&counts);
            prop_assert!((p_l - q_l).abs() < 1e-12, "L {} {}", p_l, q_l);
            prop_assert!((p_b - q_b).abs() < 1e-12, "B {} {}", p_b, q_b);
            prop_assert!(p_l > 0.0 && p_l <= 1.0 && p_b > 0.0 && p_b <= 1.0);
        }

        #[test]
        fn counts_and_scores_agree(k in prop::collection::vec(0u64..2000, 3..8)) {
            let x: Vec<f64> = (0..k.len()).map(|i| i as f64).collect();
            let counts = Series::binomial(&x, &k, 2000, 0.0);
            let scores = Series {
                obs: counts
                    .obs
                    .iter()
                    .map(|o| Obs::Mean { y: o.score(), se: None, df: None })
                    .collect(),
                ..counts.clone()
            };
            prop_assert_eq!(order_p(&counts), order_p(&scores));
        }

        #[test]
        fn random_orders_have_p_in_the_unit_interval(k in prop::collection::vec(0u64..50, 9..30)) {
            let x: Vec<f64> = (0..k.len()).map(|i| i as f64).collect();
            let (p_l, p_b) = order_p(&Series::binomial(&x, &k, 50, 0.0));
            prop_assert!(p_l > 0.0 && p_l <= 1.0 && p_b > 0.0 && p_b <= 1.0);
        }

        #[test]
        fn affine_maps_change_nothing_but_the_sign(
            k in prop::collection::vec(0i32..1000, 3..10),
            scale in 1i32..50,
            shift in -500i32..500,
        ) {
            let y: Vec<f64> = k.iter().map(|&k| f64::from(k)).collect();
            let mapped: Vec<f64> = k.iter().map(|&k| f64::from(k * scale + shift)).collect();
            let (_, l, b) = statistics(&y);
            let (_, l2, b2) = statistics(&mapped);
            let same = |a: f64, b: f64| a == b || (a - b).abs() <= 1e-12 * a.abs();
            prop_assert!(same(l, l2) && same(b, b2));
        }
    }
}
