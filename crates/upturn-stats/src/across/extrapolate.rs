//! The scale at which a rising curve would be certified, beyond the models measured.

use crate::dist::{norm_quantile, norm_sf};
use crate::trend::cochran_armitage;

/// An extrapolated scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extrapolation {
    /// Coordinate at which the logistic reaches the wanted score.
    pub at: f64,
    /// Lower end of its profile-likelihood interval.
    pub lower: f64,
    /// Upper end; `None` where the data allow every larger scale.
    pub upper: Option<f64>,
    /// Dispersion φ̂ ≥ 1 by which the likelihood was widened.
    pub dispersion: f64,
}

/// Why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoExtrapolation {
    /// Fewer than four scales with counted outcomes.
    TooFewScales,
    /// No rise is certified (Cochran–Armitage, one-sided).
    NoTrend,
    /// The curve has the wanted score already at the largest model.
    AlreadyThere,
}

/// Farthest coordinate looked at beyond the largest model.
const REACH: f64 = 8.0;
/// Steepest and shallowest slope per unit of x.
const SLOPES: (f64, f64) = (1e-3, 100.0);

/// Where the logistic through counts `k` of `n` at `x` reaches `target`: p(x) = c +
/// (u − c)·σ(b(x − x*) + logit((target − c)/(u − c))), maximised over x* and b > 0.
///
/// The interval holds the x* whose profile likelihood is within z²/2 of the maximum, z for
/// the two-sided `confidence_level`, widened by the dispersion φ̂ (Pearson's χ² over K − 2,
/// at least 1). It needs a certified rise: one-sided p of the Cochran–Armitage trend at most
/// `alpha`. A logistic that goes on as it began is an assumption that no data here can test.
///
/// # Errors
/// [`NoExtrapolation`] says why nothing can be said.
///
/// # Panics
/// When the slices differ in length.
pub fn extrapolate(
    x: &[f64],
    k: &[u64],
    n: &[u64],
    (chance, ceiling): (f64, f64),
    target: f64,
    alpha: f64,
    confidence_level: f64,
) -> Result<Extrapolation, NoExtrapolation> {
    assert!(x.len() == k.len() && k.len() == n.len());
    let mut distinct = x.to_vec();
    distinct.sort_by(f64::total_cmp);
    distinct.dedup();
    let usable = x.iter().all(|v| v.is_finite())
        && n.iter().all(|n| *n > 0)
        && chance < target
        && target < ceiling;
    if distinct.len() < 4 || !usable {
        return Err(NoExtrapolation::TooFewScales);
    }
    let trend = cochran_armitage(x, k, n).map_or(1.0, norm_sf);
    if trend > alpha {
        return Err(NoExtrapolation::NoTrend);
    }
    let last = distinct[distinct.len() - 1];
    let share = (target - chance) / (ceiling - chance);
    let fit = Fit {
        x,
        k,
        n,
        chance,
        ceiling,
        offset: (share / (1.0 - share)).ln(),
    };
    let (at, best) = maximise(|at| fit.profile(at).1, distinct[0], last + REACH, 160);
    if at <= last {
        return Err(NoExtrapolation::AlreadyThere);
    }
    let slope = fit.profile(at).0;
    let dispersion = fit.dispersion(at, slope);
    let z = norm_quantile(f64::midpoint(1.0, confidence_level));
    let lost = 0.5 * z * z * dispersion;
    let inside = |at: f64| best - fit.profile(at).1 <= lost;
    let lower = boundary(&inside, at, distinct[0]).unwrap_or(distinct[0]);
    let upper = boundary(&inside, at, last + REACH);
    Ok(Extrapolation {
        at,
        lower,
        upper,
        dispersion,
    })
}

struct Fit<'a> {
    x: &'a [f64],
    k: &'a [u64],
    n: &'a [u64],
    chance: f64,
    ceiling: f64,
    offset: f64,
}

impl Fit<'_> {
    fn score(&self, at: f64, slope: f64, x: f64) -> f64 {
        let eta = slope * (x - at) + self.offset;
        let share = 1.0 / (1.0 + (-eta).exp());
        (self.chance + (self.ceiling - self.chance) * share).clamp(1e-12, 1.0 - 1e-12)
    }

    fn log_likelihood(&self, at: f64, slope: f64) -> f64 {
        (0..self.x.len())
            .map(|i| {
                let p = self.score(at, slope, self.x[i]);
                let (k, n) = (self.k[i] as f64, self.n[i] as f64);
                k * p.ln() + (n - k) * (-p).ln_1p()
            })
            .sum()
    }

    /// (slope, log-likelihood) with x* held at `at`.
    fn profile(&self, at: f64) -> (f64, f64) {
        let (low, high) = (SLOPES.0.ln(), SLOPES.1.ln());
        let (slope, value) = maximise(|b| self.log_likelihood(at, b.exp()), low, high, 48);
        (slope.exp(), value)
    }

    fn dispersion(&self, at: f64, slope: f64) -> f64 {
        let pearson: f64 = (0..self.x.len())
            .map(|i| {
                let p = self.score(at, slope, self.x[i]);
                let (k, n) = (self.k[i] as f64, self.n[i] as f64);
                (k - n * p).powi(2) / (n * p * (1.0 - p))
            })
            .sum();
        (pearson / (self.x.len() as f64 - 2.0)).max(1.0)
    }
}

/// The maximum of `f` on [low, high]: a grid, then golden sections around its best point.
fn maximise(f: impl Fn(f64) -> f64, low: f64, high: f64, n_grid: usize) -> (f64, f64) {
    let step = (high - low) / n_grid as f64;
    let (mut best, mut value) = (low, f64::NEG_INFINITY);
    for i in 0..=n_grid {
        let x = low + step * i as f64;
        let v = f(x);
        if v > value {
            (best, value) = (x, v);
        }
    }
    let ratio = 0.5 * (5.0_f64.sqrt() - 1.0);
    let (mut a, mut b) = ((best - step).max(low), (best + step).min(high));
    for _ in 0..40 {
        let (c, d) = (b - ratio * (b - a), a + ratio * (b - a));
        if f(c) >= f(d) {
            b = d;
        } else {
            a = c;
        }
    }
    let middle = f64::midpoint(a, b);
    let v = f(middle);
    if v > value {
        (middle, v)
    } else {
        (best, value)
    }
}

/// Where `inside` ends on the way from `start` to `end`; `None` where it does not.
fn boundary(inside: &impl Fn(f64) -> bool, start: f64, end: f64) -> Option<f64> {
    const STEPS: usize = 64;
    let step = (end - start) / STEPS as f64;
    let first_out = (1..=STEPS)
        .map(|i| start + step * i as f64)
        .find(|at| !inside(*at))?;
    let (mut near, mut far) = (first_out - step, first_out);
    for _ in 0..40 {
        let middle = f64::midpoint(near, far);
        if inside(middle) {
            near = middle;
        } else {
            far = middle;
        }
    }
    Some(f64::midpoint(near, far))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inference::binomial_sampler::BinomialSampler;
    use crate::resample::SplitMix64;

    const X: [f64; 7] = [20.0, 20.5, 21.0, 21.5, 22.0, 22.5, 23.0];

    /// A logistic with floor 0 and slope 1.5 that reaches 0.06 at 23.6.
    fn truth(x: f64) -> f64 {
        let offset = (0.06_f64 / 0.94).ln();
        1.0 / (1.0 + (-(1.5 * (x - 23.6) + offset)).exp())
    }

    #[test]
    fn a_known_curve_is_found_and_its_interval_covers_it() {
        let mut covered = 0;
        for study in 0..60 {
            let mut rng = SplitMix64::stream(3, study);
            let k: Vec<u64> = X
                .iter()
                .map(|x| BinomialSampler::new(5000, truth(*x)).draw(&mut rng))
                .collect();
            let found = extrapolate(&X, &k, &[5000; 7], (0.0, 1.0), 0.06, 0.05, 0.9).unwrap();
            assert!(found.lower <= found.at && found.upper.is_none_or(|u| u >= found.at));
            covered += usize::from(found.lower <= 23.6 && found.upper.is_none_or(|u| 23.6 <= u));
        }
        // 90% nominal: 46 of 60 is three standard errors below.
        assert!(covered >= 47, "{covered} of 60");
    }

    #[test]
    fn nothing_is_said_without_a_rise() {
        let flat = [50, 49, 52, 50, 48, 51, 50];
        let say = |k: &[u64], target| extrapolate(&X, k, &[1000; 7], (0.0, 1.0), target, 0.05, 0.9);
        assert_eq!(say(&flat, 0.2), Err(NoExtrapolation::NoTrend));
        assert_eq!(say(&[0; 7], 0.2), Err(NoExtrapolation::NoTrend));
        let risen = [0, 0, 10, 100, 300, 600, 900];
        assert_eq!(say(&risen, 0.2), Err(NoExtrapolation::AlreadyThere));
        let few = extrapolate(&X[..3], &[1, 2, 9], &[100; 3], (0.0, 1.0), 0.5, 0.05, 0.9);
        assert_eq!(few, Err(NoExtrapolation::TooFewScales));
    }
}
