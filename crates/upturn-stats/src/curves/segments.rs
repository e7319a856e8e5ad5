//! The exact maximum of the kinked models on binomial counts, without a grid.
//!
//! Between two neighbouring scales the breakpoint τ is not seen by any model: the
//! models below share one level, the models above lie on a free line, and τ is where
//! the two meet. So the optimum over τ is the best of (a) the fits with τ *at* a scale
//! and (b) for every gap, the pooled level below and the line above, fitted apart,
//! whenever they do meet inside the gap (Hudson 1966, for least squares; the argument
//! needs only that ℓ is concave, which holds for the logit at floor 0 and for the
//! identity link, and is checked against the grid elsewhere). K models need some 2K
//! small fits instead of two hundred, each a handful of scoring steps, and most of
//! them are ruled out beforehand by the saturated likelihood.
//!
//! `yhinge` may also end in a plateau at its cap: each set of models at the cap is
//! fitted likewise, with the line free or pinned to reach the cap exactly at a scale.

use upturn_types::CurveModel;

use super::likelihood::P_MIN;
use super::models::{A_MIN, Link, STEP_CLIP, YHINGE_CAP};
use super::points::Points;

/// Coefficients of the linear predictor: level and slope.
type Coefficients = [f64; 2];

/// Counts summed over the models that share a scale.
#[derive(Debug, Clone)]
pub(crate) struct Counts {
    pub x: Vec<f64>,
    pub k: Vec<f64>,
    pub n: Vec<f64>,
    pub chance: f64,
    pub ceiling: f64,
    pub x_mean: f64,
}

impl Counts {
    pub fn new(points: &Points) -> Counts {
        let mut counts = Counts {
            x: points.scales.clone(),
            k: vec![0.0; points.scales.len()],
            n: vec![0.0; points.scales.len()],
            chance: points.chance,
            ceiling: points.ceiling,
            x_mean: points.x_mean,
        };
        counts.pool(points);
        counts
    }

    /// Takes the counts of the same models anew.
    pub fn pool(&mut self, points: &Points) {
        self.k.fill(0.0);
        self.n.fill(0.0);
        let mut g = 0;
        for i in 0..points.len() {
            while self.x[g] < points.x[i] {
                g += 1;
            }
            self.k[g] += points.k[i];
            self.n[g] += points.n[i];
        }
    }

    fn len(&self) -> usize {
        self.x.len()
    }

    fn range(&self) -> f64 {
        self.ceiling - self.chance
    }
}

/// One term of a small fit: g = offset + f0·θ0 + f1·θ1 on the scale of the link.
#[derive(Debug, Clone, Copy, Default)]
struct Item {
    offset: f64,
    f: [f64; 2],
    k: f64,
    n: f64,
}

/// The two links of the kinked models, with what the inner loop needs.
#[derive(Debug, Clone, Copy)]
struct Scale {
    chance: f64,
    below_ceiling: f64,
    range: f64,
}

impl Scale {
    /// (p, 1 − p, dp/dη).
    #[inline]
    fn probability<const LOGIT: bool>(&self, eta: f64) -> (f64, f64, f64) {
        if LOGIT {
            let e = (-eta.abs()).exp();
            let large = 1.0 / (1.0 + e);
            let small = e * large;
            let (g, h) = if eta >= 0.0 {
                (large, small)
            } else {
                (small, large)
            };
            (
                (self.chance + self.range * g).clamp(P_MIN, 1.0 - P_MIN),
                (self.below_ceiling + self.range * h).clamp(P_MIN, 1.0 - P_MIN),
                self.range * large * small,
            )
        } else {
            let g = eta.min(YHINGE_CAP);
            let slope = if eta < YHINGE_CAP { self.range } else { 0.0 };
            (
                (self.chance + self.range * g).clamp(P_MIN, 1.0 - P_MIN),
                (self.below_ceiling + self.range * (1.0 - g)).clamp(P_MIN, 1.0 - P_MIN),
                slope,
            )
        }
    }
}

/// What is free in a small fit, and from where it may go.
#[derive(Debug, Clone, Copy)]
struct Freedom {
    free: [bool; 2],
    lower: Coefficients,
}

const HINGE: Freedom = Freedom {
    free: [true, true],
    lower: [A_MIN, f64::NEG_INFINITY],
};
const LINE: Freedom = Freedom {
    free: [true, true],
    lower: [f64::NEG_INFINITY, f64::NEG_INFINITY],
};
const YHINGE: Freedom = Freedom {
    free: [true, true],
    lower: [0.0, 0.0],
};
const LEVEL: Freedom = Freedom {
    free: [true, false],
    lower: [0.0, 0.0],
};
const SLOPE: Freedom = Freedom {
    free: [false, true],
    lower: [0.0, 0.0],
};

/// A fit stops when the next scoring step promises less than this much ℓ.
const GAIN: f64 = 1e-9;

/// Score and information of the items at `theta`.
#[inline]
fn pass<const LOGIT: bool>(scale: &Scale, items: &[Item], theta: &Coefficients) -> [f64; 5] {
    let mut sums = [0.0; 5];
    for item in items {
        let eta = item.offset + item.f[0] * theta[0] + item.f[1] * theta[1];
        let (p, q, d) = scale.probability::<LOGIT>(eta);
        let weight = d / (p * q);
        let score = (item.k - item.n * p) * weight;
        let info = item.n * d * weight;
        sums[0] += score * item.f[0];
        sums[1] += score * item.f[1];
        sums[2] += info * item.f[0] * item.f[0];
        sums[3] += info * item.f[0] * item.f[1];
        sums[4] += info * item.f[1] * item.f[1];
    }
    sums
}

fn log_likelihood<const LOGIT: bool>(scale: &Scale, items: &[Item], theta: &Coefficients) -> f64 {
    items
        .iter()
        .map(|item| {
            let eta = item.offset + item.f[0] * theta[0] + item.f[1] * theta[1];
            let (p, q, _) = scale.probability::<LOGIT>(eta);
            kernel(item.k, item.n, p, q)
        })
        .sum()
}

#[inline]
fn kernel(k: f64, n: f64, p: f64, q: f64) -> f64 {
    k * p.ln() + (n - k) * q.ln()
}

/// The scoring step at `theta` with the gain it promises: NaN when the information is
/// nearly singular, as it is between separated groups.
#[inline]
fn direction(
    sums: &[f64; 5],
    theta: &Coefficients,
    freedom: &Freedom,
    damping: f64,
) -> (Coefficients, f64) {
    let [g0, g1, h00, h01, h11] = *sums;
    let active = |p: usize, g: f64| freedom.free[p] && !(theta[p] <= freedom.lower[p] && g <= 0.0);
    let (h00, h11) = (h00 * (1.0 + damping), h11 * (1.0 + damping));
    let single = |g: f64, h: f64| if h > 0.0 { g / h } else { 0.0 };
    let delta = match (active(0, g0), active(1, g1)) {
        (true, true) => {
            let determinant = h00 * h11 - h01 * h01;
            if determinant > 1e-7 * h00 * h11 {
                [
                    (h11 * g0 - h01 * g1) / determinant,
                    (h00 * g1 - h01 * g0) / determinant,
                ]
            } else {
                [f64::NAN; 2]
            }
        }
        (true, false) => [single(g0, h00), 0.0],
        (false, true) => [0.0, single(g1, h11)],
        (false, false) => [0.0, 0.0],
    };
    (delta, delta[0] * g0 + delta[1] * g1)
}

/// `theta` + `delta` within the lower bounds. With the identity link no item may cross
/// the cap: a step that would is cut to nine tenths of the way there.
#[inline]
fn moved<const LOGIT: bool>(
    items: &[Item],
    theta: &Coefficients,
    delta: &Coefficients,
    freedom: &Freedom,
) -> Coefficients {
    let delta: Coefficients =
        std::array::from_fn(|p| (theta[p] + delta[p]).max(freedom.lower[p]) - theta[p]);
    let mut share: f64 = 1.0;
    if !LOGIT {
        for item in items {
            let room = YHINGE_CAP - item.offset - item.f[0] * theta[0] - item.f[1] * theta[1];
            let step = item.f[0] * delta[0] + item.f[1] * delta[1];
            if step > 0.9 * room {
                share = share.min(0.9 * room.max(0.0) / step);
            }
        }
    }
    std::array::from_fn(|p| (theta[p] + share * delta[p]).max(freedom.lower[p]))
}

/// Climbs to the maximum: plain scoring steps while each promises less than the one
/// before, and damped steps that check ℓ when that fails.
fn climb<const LOGIT: bool>(
    scale: &Scale,
    items: &[Item],
    start: Coefficients,
    freedom: &Freedom,
) -> Coefficients {
    let mut theta = moved::<LOGIT>(items, &start, &[0.0; 2], freedom);
    let mut last = f64::INFINITY;
    for _ in 0..30 {
        let sums = pass::<LOGIT>(scale, items, &theta);
        let (delta, gain) = direction(&sums, &theta, freedom, 0.0);
        if gain.is_nan() || gain >= last {
            break;
        }
        theta = moved::<LOGIT>(items, &theta, &delta, freedom);
        if gain < GAIN {
            return theta;
        }
        last = gain;
    }
    damped_climb::<LOGIT>(scale, items, start, freedom)
}

fn damped_climb<const LOGIT: bool>(
    scale: &Scale,
    items: &[Item],
    start: Coefficients,
    freedom: &Freedom,
) -> Coefficients {
    let mut theta = moved::<LOGIT>(items, &start, &[0.0; 2], freedom);
    let mut value = log_likelihood::<LOGIT>(scale, items, &theta);
    let mut damping = 0.0;
    for _ in 0..200 {
        let sums = pass::<LOGIT>(scale, items, &theta);
        let mut gained = 0.0;
        while damping < 1e12 {
            let (delta, promise) = direction(&sums, &theta, freedom, damping);
            if promise.is_nan() && damping < 1e-2 {
                damping = (10.0 * damping).max(1e-6);
                continue;
            }
            if promise.is_nan() || promise <= 0.1 * GAIN {
                return theta;
            }
            let trial = moved::<LOGIT>(items, &theta, &delta, freedom);
            let next = log_likelihood::<LOGIT>(scale, items, &trial);
            if next > value {
                gained = next - value;
                (theta, value) = (trial, next);
                damping = if damping < 1e-5 { 0.0 } else { 0.1 * damping };
                break;
            }
            damping = (10.0 * damping).max(1e-3);
        }
        if gained < GAIN {
            break;
        }
    }
    theta
}

/// The search over breakpoints, with its buffers: made once, used for many draws.
#[derive(Debug, Clone)]
pub(crate) struct Search {
    scale: Scale,
    x: Vec<f64>,
    x_mean: f64,
    items: Vec<Item>,
    /// Σk and Σn of the first j scales.
    below: Vec<[f64; 2]>,
    /// Saturated ℓ of the scales from j on.
    saturated: Vec<f64>,
    /// Starts of the fits with τ at scale j, hinge and `yhinge`; NaN is unknown.
    warm: [Vec<Coefficients>; 2],
    /// Starts of the lines above gap j, hinge and `yhinge`; NaN is unknown.
    warm_line: [Vec<Coefficients>; 2],
    /// Start of the logistic.
    warm_logistic: Coefficients,
    learning: bool,
}

/// The best of a search: ℓ, τ and coefficients.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Best {
    pub value: f64,
    pub tau: f64,
    pub coefficients: Coefficients,
}

impl Best {
    fn above(floor: f64) -> Best {
        Best {
            value: floor,
            tau: f64::NAN,
            coefficients: [f64::NAN; 2],
        }
    }
}

impl Search {
    pub fn new(counts: &Counts) -> Search {
        let g = counts.len();
        let unknown = vec![[f64::NAN; 2]; g];
        Search {
            scale: Scale {
                chance: counts.chance,
                below_ceiling: 1.0 - counts.ceiling,
                range: counts.range(),
            },
            x: counts.x.clone(),
            x_mean: counts.x_mean,
            items: vec![Item::default(); g + 1],
            below: vec![[0.0; 2]; g + 1],
            saturated: vec![0.0; g + 1],
            warm: [unknown.clone(), unknown.clone()],
            warm_line: [unknown.clone(), unknown],
            warm_logistic: [f64::NAN; 2],
            learning: false,
        }
    }

    /// Keeps the solutions on these counts as the starts of later searches.
    pub fn learn(&mut self, k: &[f64], n: &[f64]) {
        self.learning = true;
        self.load(k, n);
        self.logistic(k, n);
        self.hinge(k, n, f64::NEG_INFINITY);
        self.yhinge(k, n, f64::NEG_INFINITY);
        self.learning = false;
    }

    /// Takes new counts: sums from below, saturated likelihood from above.
    pub fn load(&mut self, k: &[f64], n: &[f64]) {
        let g = self.x.len();
        for j in 0..g {
            self.below[j + 1] = [self.below[j][0] + k[j], self.below[j][1] + n[j]];
        }
        for j in (0..g).rev() {
            let (p, q) = self.nearest(k[j] / n[j]);
            self.saturated[j] = self.saturated[j + 1] + kernel(k[j], n[j], p, q);
        }
    }

    /// The saturated ℓ: no curve exceeds it.
    pub fn saturated(&self) -> f64 {
        self.saturated[0]
    }

    /// The admissible (p, 1 − p) nearest to a rate.
    fn nearest(&self, rate: f64) -> (f64, f64) {
        let ceiling = self.scale.chance + self.scale.range;
        let p = rate.clamp(self.scale.chance.max(P_MIN), ceiling.min(1.0 - P_MIN));
        (p, 1.0 - p)
    }

    /// ℓ of the first j scales at one common rate.
    fn pooled(&self, j: usize) -> f64 {
        let [k, n] = self.below[j];
        let (p, q) = self.nearest(k / n);
        kernel(k, n, p, q)
    }

    /// Pooled normalised score of the first j scales, not below 0.
    fn level(&self, j: usize) -> f64 {
        let [k, n] = self.below[j];
        ((k / n - self.scale.chance) / self.scale.range).clamp(0.0, 1.0)
    }

    fn logit_at(&self, k: f64, n: f64) -> f64 {
        let g = ((k / n - self.scale.chance) / self.scale.range).clamp(P_MIN, 1.0 - P_MIN);
        (g / (1.0 - g)).ln()
    }

    /// A first guess by least squares on the scale of the link.
    fn guess<const LOGIT: bool>(&self, n_items: usize) -> Coefficients {
        let (mut w, mut wf, mut wff, mut wz, mut wfz) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for item in &self.items[..n_items] {
            let rate = (item.k + 0.5) / (item.n + 1.0);
            let g = ((rate - self.scale.chance) / self.scale.range).clamp(0.003, 0.997);
            let (z, weight) = if LOGIT {
                ((g / (1.0 - g)).ln(), item.n * g * (1.0 - g))
            } else {
                (g, item.n)
            };
            w += weight;
            wf += weight * item.f[1];
            wff += weight * item.f[1] * item.f[1];
            wz += weight * z;
            wfz += weight * item.f[1] * z;
        }
        let spread = wff - wf * wf / w;
        let slope = if spread > 0.0 {
            (wfz - wf * wz / w) / spread
        } else {
            0.0
        };
        let level = (wz - slope * wf) / w;
        if LOGIT {
            return [level, slope];
        }
        // Inside the cap at every item.
        let level = level.clamp(0.001, 0.95);
        let farthest = self.items[..n_items]
            .iter()
            .fold(0.0_f64, |far, item| far.max(item.f[1]));
        [level, slope.max(0.001).min((0.998 - level) / farthest)]
    }

    /// Fits the first `n_items` items from `start`, or from a guess.
    fn fit<const LOGIT: bool>(
        &self,
        n_items: usize,
        start: Coefficients,
        freedom: &Freedom,
    ) -> Coefficients {
        let start = if start[0].is_finite() {
            start
        } else {
            self.guess::<LOGIT>(n_items)
        };
        climb::<LOGIT>(&self.scale, &self.items[..n_items], start, freedom)
    }

    /// Puts the scales below j in item 0 (as one) and those in j..end after it.
    fn pool_below(&mut self, j: usize, end: usize, tau: f64, k: &[f64], n: &[f64]) -> usize {
        let [k_below, n_below] = self.below[j];
        self.items[0] = Item {
            offset: 0.0,
            f: [1.0, 0.0],
            k: k_below,
            n: n_below,
        };
        for i in j..end {
            self.items[i - j + 1] = Item {
                offset: 0.0,
                f: [1.0, self.x[i] - tau],
                k: k[i],
                n: n[i],
            };
        }
        end - j + 1
    }

    /// Puts the scales from..end in the items, with x measured from `origin`.
    fn line(&mut self, from: usize, end: usize, origin: f64, k: &[f64], n: &[f64]) -> usize {
        for i in from..end {
            self.items[i - from] = Item {
                offset: 0.0,
                f: [1.0, self.x[i] - origin],
                k: k[i],
                n: n[i],
            };
        }
        end - from
    }

    /// The logistic fit: ℓ and (a, b) with x centred.
    pub fn logistic(&mut self, k: &[f64], n: &[f64]) -> Best {
        let m = self.line(0, self.x.len(), self.x_mean, k, n);
        let theta = self.fit::<true>(m, self.warm_logistic, &HINGE);
        if self.learning {
            self.warm_logistic = theta;
        }
        let value = log_likelihood::<true>(&self.scale, &self.items[..m], &theta);
        Best {
            value,
            tau: f64::NAN,
            coefficients: theta,
        }
    }

    /// The best step above `floor`; a tie with the floor keeps the floor.
    pub fn step(&self, floor: f64) -> Best {
        let g = self.x.len();
        let [k_all, n_all] = self.below[g];
        let mut best = Best::above(floor);
        let rate = |k: f64, n: f64| {
            let r =
                ((k / n - self.scale.chance) / self.scale.range).clamp(STEP_CLIP, 1.0 - STEP_CLIP);
            let p = self.scale.chance + self.scale.range * r;
            (r, kernel(k, n, p, 1.0 - p))
        };
        for j in 1..g {
            let [k, n] = self.below[j];
            let (low, below) = rate(k, n);
            let (high, above) = rate(k_all - k, n_all - n);
            if below + above > best.value {
                let a = Link::Logit.inverse(low);
                best = Best {
                    value: below + above,
                    tau: 0.5 * (self.x[j - 1] + self.x[j]),
                    coefficients: [a, Link::Logit.inverse(high) - a],
                };
            }
        }
        best
    }

    /// The best hinge above `floor`.
    pub fn hinge(&mut self, k: &[f64], n: &[f64], floor: f64) -> Best {
        let g = self.x.len();
        let mut best = Best::above(floor);
        for j in 1..g {
            // τ at scale j − 1: one level up to there. The gap above it has the same bound.
            let pooled = self.pooled(j);
            if pooled + self.saturated[j] <= best.value {
                continue;
            }
            let tau = self.x[j - 1];
            let m = self.pool_below(j, g, tau, k, n);
            let theta = self.fit::<true>(m, self.warm[0][j - 1], &HINGE);
            if self.learning {
                self.warm[0][j - 1] = theta;
            }
            let value = log_likelihood::<true>(&self.scale, &self.items[..m], &theta);
            if value > best.value {
                best = Best {
                    value,
                    tau,
                    coefficients: theta,
                };
            }
            if pooled + self.saturated[j] > best.value {
                self.hinge_gap(j, pooled, k, n, &mut best);
            }
        }
        best
    }

    /// τ inside the gap below scale j: the line above it is free.
    fn hinge_gap(&mut self, j: usize, pooled: f64, k: &[f64], n: &[f64], best: &mut Best) {
        let g = self.x.len();
        if g - j < 2 {
            return;
        }
        let (low, high) = (self.x[j - 1], self.x[j]);
        let (line, above) = if g - j == 2 {
            let (first, last) = (self.logit_at(k[j], n[j]), self.logit_at(k[j + 1], n[j + 1]));
            (
                [first, (last - first) / (self.x[j + 1] - high)],
                self.saturated[j],
            )
        } else {
            let m = self.line(j, g, high, k, n);
            let line = self.fit::<true>(m, self.warm_line[0][j], &LINE);
            if self.learning {
                self.warm_line[0][j] = line;
            }
            (
                line,
                log_likelihood::<true>(&self.scale, &self.items[..m], &line),
            )
        };
        let level = self.level(j).clamp(P_MIN, 1.0 - P_MIN);
        let a = (level / (1.0 - level)).ln().max(A_MIN);
        let tau = high + (a - line[0]) / line[1];
        if pooled + above > best.value && tau > low && tau < high {
            let ([k_below, n_below], (p, q, _)) =
                (self.below[j], self.scale.probability::<true>(a));
            let value = kernel(k_below, n_below, p, q) + above;
            if value > best.value {
                *best = Best {
                    value,
                    tau,
                    coefficients: [a, line[1]],
                };
            }
        }
    }

    /// The best `yhinge` above `floor`.
    pub fn yhinge(&mut self, k: &[f64], n: &[f64], floor: f64) -> Best {
        let g = self.x.len();
        let mut best = Best::above(floor);
        let (mut at_cap, mut lost) = (0.0, 0.0);
        for end in (1..=g).rev() {
            if end < g {
                // Scales from `end` on sit at the cap.
                let p = self.scale.chance + self.scale.range * YHINGE_CAP;
                let own = kernel(k[end], n[end], p, 1.0 - p);
                at_cap += own;
                lost += self.saturated[end] - self.saturated[end + 1] - own;
            }
            if self.saturated[0] - lost <= best.value {
                break;
            }
            for j in 1..=end {
                if j == end && end == g {
                    continue;
                }
                let bound = self.pooled(j) + self.saturated[j] - self.saturated[end] + at_cap;
                if bound > best.value {
                    self.yhinge_with_level(j, end, k, n, &mut best);
                }
            }
        }
        best
    }

    /// One level over the first j scales, a line over j..end, the cap from `end` on.
    fn yhinge_with_level(&mut self, j: usize, end: usize, k: &[f64], n: &[f64], best: &mut Best) {
        let g = self.x.len();
        let low = self.x[j - 1];
        let level = self.level(j).min(YHINGE_CAP);
        let pinned = (end < g).then(|| self.x[end.min(g - 1)]);
        if j == end {
            // The whole rise in the gap.
            if let Some(x) = pinned {
                let tau = 0.5 * (low + x);
                self.try_yhinge(tau, [level, (YHINGE_CAP - level) / (x - tau)], k, n, best);
            }
            return;
        }
        let high = self.x[j];
        // τ at the scale.
        let m = self.pool_below(j, end, low, k, n);
        let start = if end == g {
            self.warm[1][j - 1]
        } else {
            [f64::NAN; 2]
        };
        let theta = self.fit::<false>(m, start, &YHINGE);
        if self.learning && end == g {
            self.warm[1][j - 1] = theta;
        }
        self.try_yhinge(low, theta, k, n, best);
        // τ inside the gap, where at least two scales make the line.
        if end - j >= 2 {
            let m = self.line(j, end, high, k, n);
            let start = if end == g {
                self.warm_line[1][j]
            } else {
                [f64::NAN; 2]
            };
            let line = self.fit::<false>(m, start, &YHINGE);
            if self.learning && end == g {
                self.warm_line[1][j] = line;
            }
            let tau = high + (level - line[0]) / line[1];
            if line[1] > 0.0 && tau > low && tau < high {
                self.try_yhinge(tau, [level, line[1]], k, n, best);
            }
        }
        if let Some(x) = pinned {
            self.yhinge_pinned(j, end, x, k, n, best);
        }
    }

    /// The same with the line pinned to reach the cap exactly at scale `x`.
    fn yhinge_pinned(
        &mut self,
        j: usize,
        end: usize,
        x: f64,
        k: &[f64],
        n: &[f64],
        best: &mut Best,
    ) {
        let (low, high) = (self.x[j - 1], self.x[j]);
        let level = self.level(j).min(YHINGE_CAP);
        let m = self.pool_below(j, end, low, k, n);
        for (item, &xi) in self.items[1..m].iter_mut().zip(&self.x[j..end]) {
            let share = (xi - low) / (x - low);
            item.offset = YHINGE_CAP * share;
            item.f = [1.0 - share, 0.0];
        }
        let theta = self.fit::<false>(m, [level, 0.0], &LEVEL);
        let slope = (YHINGE_CAP - theta[0]) / (x - low);
        self.try_yhinge(low, [theta[0], slope], k, n, best);
        let m = self.line(j, end, x, k, n);
        for item in &mut self.items[..m] {
            item.offset = YHINGE_CAP;
        }
        let start = [0.0, (YHINGE_CAP - level) / (x - low)];
        let slope = self.fit::<false>(m, start, &SLOPE)[1];
        let tau = x - (YHINGE_CAP - level) / slope;
        if slope > 0.0 && tau > low && tau < high {
            self.try_yhinge(tau, [level, slope], k, n, best);
        }
    }

    /// Values a `yhinge` by its definition, so that a candidate can only be too low.
    fn try_yhinge(&self, tau: f64, theta: Coefficients, k: &[f64], n: &[f64], best: &mut Best) {
        if !(theta[0] >= 0.0 && theta[1] >= 0.0 && theta[1].is_finite()) {
            return;
        }
        let mut value = 0.0;
        for i in 0..self.x.len() {
            let eta = theta[0] + theta[1] * (self.x[i] - tau).max(0.0);
            let (p, q, _) = self.scale.probability::<false>(eta);
            value += kernel(k[i], n[i], p, q);
        }
        if value > best.value {
            *best = Best {
                value,
                tau,
                coefficients: theta,
            };
        }
    }
}

/// The best hinge or `yhinge` on binomial points (NaN for other models).
pub(crate) fn best(points: &Points, model: CurveModel) -> Best {
    let counts = Counts::new(points);
    let mut search = Search::new(&counts);
    search.load(&counts.k, &counts.n);
    match model {
        CurveModel::Hinge => search.hinge(&counts.k, &counts.n, f64::NEG_INFINITY),
        CurveModel::Yhinge => search.yhinge(&counts.k, &counts.n, f64::NEG_INFINITY),
        _ => Best::above(f64::NEG_INFINITY),
    }
}
