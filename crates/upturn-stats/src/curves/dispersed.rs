//! The maximum of the stepped and kinked models under a likelihood with a dispersion.
//!
//! As in [`super::segments`], τ is either at a scale or inside a gap between two, where the
//! models below share a level, those above lie on a free line, and τ is where the two
//! meet. Counts cannot be pooled here and the dispersion ties both parts together, so each
//! of these some 2K fits climbs in all its parameters at once. They are cheap because each
//! starts from the regression of the last one's working scores on its own design, and is
//! given up as soon as Newton's decrement λ bounds what is left to gain below what has been
//! found elsewhere. For a self-concordant ℓ no more than −λ − ln(1 − λ) is left (Nesterov
//! and Nemirovskii 1994); twice that is allowed.

use upturn_types::CurveModel;

use super::glm::{dispersion_step, solve_spd};
use super::likelihood::{Family, Spread, term};
use super::models::{A_MIN, Link, YHINGE_CAP, probability};
use super::points::Points;

/// Two or three coefficients and the dispersion v.
type Theta = [f64; 4];
/// η = Σ of the first three, each times its coefficient, + the last.
type Row = [f64; 4];

/// What one observation contributes at a point, on the scale of the link and of the score.
#[derive(Debug, Clone, Copy, Default)]
struct Item {
    eta: f64,
    score: f64,
    info: f64,
    /// −∂²ℓ/∂η∂v.
    cross: f64,
    /// Information without the curvature of the link: not negative.
    weight: f64,
    g: f64,
    g_score: f64,
    g_weight: f64,
}

/// ℓ and its derivatives at a point.
#[derive(Debug, Clone, Default)]
struct Local {
    value: f64,
    dv: f64,
    info_v: f64,
    items: Vec<Item>,
}

/// What is free in a fit, and from where to where it may go.
#[derive(Debug, Clone, Copy)]
struct Freedom {
    link: Link,
    free: [bool; 3],
    lower: [f64; 3],
    upper: [f64; 3],
}

const NO: f64 = f64::NEG_INFINITY;
const ANY: [f64; 3] = [f64::INFINITY; 3];

const LOGISTIC: Freedom = Freedom {
    link: Link::Logit,
    free: [true, true, false],
    lower: [A_MIN, NO, NO],
    upper: ANY,
};
const HINGE_GAP: Freedom = Freedom {
    free: [true; 3],
    ..LOGISTIC
};
const YHINGE: Freedom = Freedom {
    link: Link::Identity,
    free: [true, true, false],
    lower: [0.0; 3],
    upper: ANY,
};
const YHINGE_GAP: Freedom = Freedom {
    free: [true; 3],
    ..YHINGE
};
const LEVEL: Freedom = Freedom {
    free: [true, false, false],
    ..YHINGE
};

/// A fit that still promised more than this when it was given up says little about slopes.
const UNSURE: f64 = 0.01;
/// Loss of ℓ at most by models that are put at the ceiling of `yhinge`.
const CAP_LOSS: f64 = 12.0;

/// A curve found, with its dispersion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Best {
    pub value: f64,
    pub tau: f64,
    /// Level and slope (or rise, of a step).
    pub coefficients: [f64; 2],
    pub dispersion: f64,
}

impl Best {
    fn above(floor: f64) -> Best {
        Best {
            value: floor,
            tau: f64::NAN,
            coefficients: [f64::NAN; 2],
            dispersion: f64::NAN,
        }
    }
}

/// How far a search goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Aim {
    /// Curves at or below this ℓ are of no interest.
    pub floor: f64,
    /// Whether the first curve above the floor ends the search.
    pub first: bool,
    /// Whether to fit every candidate to its end, from the dispersion given, and steps that
    /// are a hinge too.
    pub thorough: bool,
}

impl Aim {
    fn is_met(&self, best: &Best) -> bool {
        self.first && best.value > self.floor
    }

    /// ℓ below which a candidate may be given up.
    fn target(&self, best: &Best) -> f64 {
        if self.thorough { NO } else { best.value }
    }

    /// The dispersion to start the next candidate from.
    fn next_dispersion(&self, given: f64, last: f64) -> f64 {
        if self.thorough { given } else { last }
    }

    /// The best of all.
    pub const ALL: Aim = Aim {
        floor: f64::NEG_INFINITY,
        first: false,
        thorough: true,
    };
}

/// The search over breakpoints, with its buffers: made once, used for many draws.
#[derive(Debug, Clone)]
pub(crate) struct Search {
    family: Family,
    /// First point of each scale, and the number of points.
    first: Vec<usize>,
    design: Vec<Row>,
    now: Local,
    trial: Local,
    /// Dispersion below which there is as good as none.
    negligible: f64,
    /// A fit is done when the next step promises no more than twice this much ℓ.
    tolerance: f64,
    /// What the next step promised when the last climb ended.
    promise: f64,
}

impl Search {
    pub fn new(points: &Points, family: Family, tolerance: f64) -> Search {
        let mut first: Vec<usize> = (0..points.len())
            .filter(|&i| i == 0 || points.x[i] > points.x[i - 1])
            .collect();
        first.push(points.len());
        let local = Local {
            items: vec![Item::default(); points.len()],
            ..Local::default()
        };
        let least = |values: &[f64]| values.iter().copied().fold(f64::INFINITY, f64::min);
        let negligible = match family {
            Family::Gaussian => 0.2 * least(&points.var),
            _ => 0.2 / points.n.iter().copied().fold(1.0, f64::max),
        };
        Search {
            family,
            first,
            design: vec![[0.0; 4]; points.len()],
            now: local.clone(),
            trial: local,
            negligible: negligible.ln(),
            tolerance,
            promise: 0.0,
        }
    }

    fn n_scales(&self) -> usize {
        self.first.len() - 1
    }

    fn evaluate(&mut self, points: &Points, link: Link, theta: &Theta) {
        let range = points.range();
        let mut spread = Spread::new(theta[3]);
        let local = &mut self.trial;
        (local.value, local.dv, local.info_v) = (0.0, 0.0, 0.0);
        for (i, (item, f)) in local.items.iter_mut().zip(&self.design).enumerate() {
            let eta = f[3] + f[0] * theta[0] + f[1] * theta[1] + f[2] * theta[2];
            let response = link.response(eta);
            let pq = probability(&response, points.chance, points.ceiling);
            let t = term(self.family, points, i, pq, &mut spread);
            let slope = range * response.d1;
            let weight = t.info_p * slope * slope;
            let bend = if t.observed {
                t.dp * range * response.d2
            } else {
                0.0
            };
            *item = Item {
                eta,
                score: t.dp * slope,
                info: weight - bend,
                cross: t.info_pv * slope,
                weight,
                g: response.g,
                g_score: t.dp * range,
                g_weight: t.info_p * range * range,
            };
            local.value += t.value;
            local.dv += t.dv;
            local.info_v += t.info_v;
        }
    }

    fn accept(&mut self) {
        std::mem::swap(&mut self.now, &mut self.trial);
    }

    /// Gradient and information of the design at the point that was evaluated last; `bent`
    /// is the observed one, otherwise the part of it that is never negative.
    fn assemble(&self, bent: bool) -> (Theta, [Theta; 4]) {
        let (mut g, mut h) = ([0.0; 4], [[0.0; 4]; 4]);
        for (item, f) in self.now.items.iter().zip(&self.design) {
            let (info, cross) = if bent {
                (item.info, item.cross)
            } else {
                (item.weight, 0.0)
            };
            for a in 0..3 {
                g[a] += item.score * f[a];
                h[3][a] += cross * f[a];
                for b in 0..=a {
                    h[a][b] += info * f[a] * f[b];
                }
            }
        }
        g[3] = self.now.dv;
        h[3][3] = self.now.info_v;
        (g, h)
    }

    /// Coefficients that the working scores of the last point ask for on this design, if
    /// they determine them.
    fn regress(&self, freedom: &Freedom) -> Option<[f64; 3]> {
        let (mut g, mut h) = ([0.0; 3], [[0.0; 3]; 3]);
        for (item, f) in self.now.items.iter().zip(&self.design) {
            let (weight, working) = match freedom.link {
                Link::Identity => (item.g_weight, item.g_weight * item.g + item.g_score),
                _ => {
                    let reach = 3.0 * item.weight;
                    let working = item.weight * item.eta + item.score.clamp(-reach, reach);
                    (item.weight, working)
                }
            };
            let working = working - weight * f[3];
            for a in 0..3 {
                g[a] += working * f[a];
                for b in 0..=a {
                    h[a][b] += weight * f[a] * f[b];
                }
            }
        }
        solve_spd(&h, &g, freedom.free)
    }

    /// A start on this design with the dispersion `v`: by [`Search::regress`], kept inside the
    /// cap and off 0 with the identity link.
    fn start(&self, points: &Points, freedom: &Freedom, v: f64) -> Theta {
        let regressed = self.regress(freedom);
        let [mut level, mut slope, last] = regressed.unwrap_or([0.0; 3]);
        match freedom.link {
            Link::Identity => {
                let pooled = self.pooled(points, regressed.is_none());
                if regressed.is_none() {
                    (level, slope) = (pooled, 0.1);
                }
                level = level.clamp((0.3 * pooled).max(1e-4), 0.95);
                let farthest = self
                    .design
                    .iter()
                    .filter(|f| f[3] == 0.0)
                    .fold(0.0_f64, |far, f| far.max(f[1]));
                slope = slope.max(0.001);
                if farthest > 0.0 {
                    slope = slope.min((0.998 - level) / farthest);
                }
            }
            _ if regressed.is_none() => level = Link::Logit.inverse(self.pooled(points, true)),
            _ => level = level.clamp(-7.0, 9.0),
        }
        [level, slope, last, v]
    }

    /// Mean normalised score of the models at the level (or of all), inside (0, 1).
    fn pooled(&self, points: &Points, all: bool) -> f64 {
        let (mut sum, mut n) = (0.0, 0.0);
        for (f, y) in self.design.iter().zip(&points.y) {
            if all || (f[0] == 1.0 && f[1] == 0.0) {
                sum += y;
                n += 1.0;
            }
        }
        ((sum / f64::max(n, 1.0) - points.chance) / points.range()).clamp(0.001, 0.95)
    }

    /// Climbs from `start` (where ℓ is already known, if `known`) until nothing is left to
    /// gain or `target` is out of reach. Returns the parameters; ℓ is `self.now.value`.
    fn climb(
        &mut self,
        points: &Points,
        freedom: &Freedom,
        start: Theta,
        known: bool,
        target: f64,
    ) -> Theta {
        let (v_low, v_high) = self.family.dispersion_bounds();
        let low = [freedom.lower[0], freedom.lower[1], freedom.lower[2], v_low];
        let high = [freedom.upper[0], freedom.upper[1], freedom.upper[2], v_high];
        let mut theta = start;
        if !known {
            for p in 0..4 {
                theta[p] = theta[p].clamp(low[p], high[p]);
            }
            theta[3] = theta[3].max(self.negligible);
            self.evaluate(points, freedom.link, &theta);
            self.accept();
        }
        let (mut damping, mut woken) = (0.0, false);
        for _ in 0..200 {
            let (g, mut h) = self.assemble(true);
            let mut sound = h[3][3] > 0.0;
            if !sound {
                h[3] = [0.0, 0.0, 0.0, h[3][3].abs().max(1e-9)];
            }
            let active: [bool; 4] = std::array::from_fn(|p| {
                (p == 3 || freedom.free[p])
                    && !(theta[p] <= low[p] && g[p] <= 0.0)
                    && !(theta[p] >= high[p] && g[p] >= 0.0)
            });
            if solve_spd(&h, &g, active).is_none() {
                sound = false;
                h = self.assemble(false).1;
                h[3][3] = h[3][3].abs().max(1e-9);
            }
            let mut moved = false;
            while damping < 1e12 {
                let mut damped = h;
                for p in 0..4 {
                    damped[p][p] += damping * h[p][p].abs().max(1e-9);
                }
                if let Some(delta) = solve_spd(&damped, &g, active) {
                    let promise: f64 = (0..4).map(|p| delta[p] * g[p]).sum();
                    self.promise = promise;
                    if damping == 0.0 && sound && self.now.value + left_to_gain(promise) < target {
                        return theta;
                    }
                    if promise <= 2.0 * self.tolerance.max(1e-15 * self.now.value.abs()) {
                        break;
                    }
                    let step = self.step(points, freedom, &theta, &delta, active);
                    let next: Theta =
                        std::array::from_fn(|p| (theta[p] + step[p]).clamp(low[p], high[p]));
                    if let Some(far) = self.far(&theta, &delta, &next, freedom, v_low)
                        && self.gains_at(points, freedom, &far)
                    {
                        theta = far;
                        moved = true;
                        break;
                    }
                    self.evaluate(points, freedom.link, &next);
                    if self.trial.value > self.now.value {
                        self.accept();
                        theta = next;
                        damping = if damping < 0.5 { 0.0 } else { 0.1 * damping };
                        moved = true;
                        break;
                    }
                }
                damping = (10.0 * damping).max(0.1);
            }
            if !moved {
                // Where v is negligible its gradient vanishes although ℓ may rise from there.
                let rise = self.now.dv * (self.negligible - theta[3]).exp();
                if woken || theta[3] > self.negligible - 5.0 || rise < 1e-4 {
                    break;
                }
                woken = true;
                damping = 0.0;
                for v in [self.negligible + 1.0, self.negligible - 1.5] {
                    let awake = [theta[0], theta[1], theta[2], v];
                    self.evaluate(points, freedom.link, &awake);
                    if self.trial.value > self.now.value {
                        self.accept();
                        theta = awake;
                        moved = true;
                        break;
                    }
                }
                if !moved {
                    break;
                }
            }
        }
        theta
    }

    /// The step to take for a Newton step `delta`: on the scale of the score no model may
    /// cross the cap or, with a success to explain, come down to 0.
    fn step(
        &self,
        points: &Points,
        freedom: &Freedom,
        theta: &Theta,
        delta: &Theta,
        active: [bool; 4],
    ) -> Theta {
        let mut step: Theta = std::array::from_fn(|p| if active[p] { delta[p] } else { 0.0 });
        step[3] = dispersion_step(step[3]);
        if freedom.link != Link::Identity {
            return step;
        }
        for p in 0..3 {
            step[p] = step[p].max(freedom.lower[p] - theta[p]);
        }
        let mut share: f64 = 1.0;
        for (i, f) in self.design.iter().enumerate() {
            if f[3] >= YHINGE_CAP {
                continue;
            }
            let eta = f[3] + f[0] * theta[0] + f[1] * theta[1] + f[2] * theta[2];
            let change = f[0] * step[0] + f[1] * step[1] + f[2] * step[2];
            let room = (YHINGE_CAP - eta).max(0.0);
            if change > 0.9 * room {
                share = share.min(0.9 * room / change);
            }
            if points.chance == 0.0 && points.k[i] > 0.0 && change < -0.9 * eta {
                share = share.min(0.9 * eta / -change);
            }
        }
        for p in &mut step[..3] {
            *p *= share;
        }
        step
    }

    /// `next` with whatever runs away put at its bound at once, if anything does.
    fn far(
        &self,
        theta: &Theta,
        delta: &Theta,
        next: &Theta,
        freedom: &Freedom,
        v_low: f64,
    ) -> Option<Theta> {
        let mut far = *next;
        if freedom.link == Link::Logit {
            for p in 0..2 {
                if freedom.lower[p].is_finite() && theta[p] < -4.0 && delta[p] < -0.7 {
                    far[p] = freedom.lower[p];
                }
                if freedom.upper[p].is_finite() && theta[p] > 4.0 && delta[p] > 0.7 {
                    far[p] = freedom.upper[p];
                }
            }
        }
        if theta[3] < self.negligible && delta[3] < -0.7 {
            far[3] = v_low;
        }
        (far != *next).then_some(far)
    }

    /// Moves to `far` if ℓ is larger there and the bounds reached hold it back.
    fn gains_at(&mut self, points: &Points, freedom: &Freedom, far: &Theta) -> bool {
        self.evaluate(points, freedom.link, far);
        if self.trial.value <= self.now.value {
            return false;
        }
        self.accept();
        let (g, _) = self.assemble(true);
        let held = (0..2).all(|p| {
            !(freedom.free[p]
                && ((far[p] <= freedom.lower[p] && g[p] > 0.0)
                    || (far[p] >= freedom.upper[p] && g[p] < 0.0)))
        });
        if !held {
            self.accept();
        }
        held
    }

    /// The logistic from starts (a, b, v): x is centred.
    pub fn logistic(&mut self, points: &Points, starts: &[[f64; 3]]) -> Best {
        for (f, x) in self.design.iter_mut().zip(&points.x) {
            *f = [1.0, x - points.x_mean, 0.0, 0.0];
        }
        let mut best = Best::above(NO);
        let mut theta = [0.0; 4];
        for &[a, b, v] in starts {
            theta = self.climb(points, &LOGISTIC, [a, b, 0.0, v], false, best.value);
            if self.now.value > best.value {
                best = Best {
                    value: self.now.value,
                    tau: f64::NAN,
                    coefficients: [theta[0], theta[1]],
                    dispersion: theta[3],
                };
            }
        }
        if best.coefficients != [theta[0], theta[1]] {
            // Later fits start from here.
            let [a, b] = best.coefficients;
            self.evaluate(points, Link::Logit, &[a, b, 0.0, best.dispersion]);
            self.accept();
        }
        best
    }

    /// A logistic by least squares on the logits of the scores.
    pub fn guess_line(&self, points: &Points) -> [f64; 2] {
        let (mut w, mut wx, mut wxx, mut wz, mut wxz) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (x, y) in points.x.iter().zip(&points.y) {
            let g = ((y - points.chance) / points.range()).clamp(0.005, 0.995);
            let (weight, z, x) = (g * (1.0 - g), (g / (1.0 - g)).ln(), x - points.x_mean);
            w += weight;
            wx += weight * x;
            wxx += weight * x * x;
            wz += weight * z;
            wxz += weight * x * z;
        }
        let slope = (wxz - wx * wz / w) / (wxx - wx * wx / w);
        if slope.is_finite() {
            [(wz - slope * wx) / w, slope]
        } else {
            [0.0, 1.0]
        }
    }

    /// The best step.
    pub fn step_curve(&mut self, points: &Points, v: f64, aim: &Aim) -> Best {
        let mut best = Best::above(aim.floor);
        let edge = Link::Logit.inverse(0.0);
        let freedom = Freedom {
            lower: [edge; 3],
            upper: [-edge; 3],
            ..LOGISTIC
        };
        let mut v = v;
        // The step at the last scale is a hinge too.
        let last = self.n_scales() - usize::from(!aim.thorough);
        for s in 1..last {
            let split = self.first[s];
            for (i, f) in self.design.iter_mut().enumerate() {
                *f = if i < split {
                    [1.0, 0.0, 0.0, 0.0]
                } else {
                    [0.0, 1.0, 0.0, 0.0]
                };
            }
            let mean = |y: &[f64]| y.iter().sum::<f64>() / y.len() as f64;
            let (below, above) = points.y.split_at(split);
            let (low, high) = (mean(below), mean(above));
            if s == 1 {
                let rates = |i| if i < split { low } else { high };
                v = self.guess_dispersion(points, v, &rates);
            }
            let level = |y: f64| {
                let g = (y - points.chance) / points.range();
                Link::Logit.inverse(g.clamp(0.01, 0.9999))
            };
            let start = [level(low), level(high), 0.0, v];
            let theta = self.climb(points, &freedom, start, false, aim.target(&best));
            v = aim.next_dispersion(v, theta[3]);
            if self.now.value > best.value {
                best = Best {
                    value: self.now.value,
                    tau: 0.5 * (points.scales[s - 1] + points.scales[s]),
                    coefficients: [theta[0], theta[1] - theta[0]],
                    dispersion: theta[3],
                };
                if aim.is_met(&best) {
                    break;
                }
            }
        }
        best
    }

    /// Dispersion of counts around rates by Pearson's X² (`v` as it is for other scores).
    fn guess_dispersion(&self, points: &Points, v: f64, rates: &dyn Fn(usize) -> f64) -> f64 {
        if self.family != Family::BetaBinomial {
            return v;
        }
        let mut sum = 0.0;
        for (i, (y, n)) in points.y.iter().zip(&points.n).enumerate() {
            let p = rates(i).clamp(0.5 / n, 1.0 - 0.5 / n);
            sum += ((y - p).powi(2) / (p * (1.0 - p)) - 1.0 / n).max(0.0);
        }
        let rho = (sum / points.len() as f64).clamp(self.negligible.exp(), 0.5);
        (rho / (1.0 - rho)).ln()
    }

    /// The best hinge or `yhinge`, from the curve that was fitted last and the dispersion `v`.
    ///
    /// A gap is searched where the profile rises from its left end and falls to its right.
    pub fn kinked(&mut self, points: &Points, model: CurveModel, v: f64, aim: &Aim) -> Best {
        let score_scale = model == CurveModel::Yhinge;
        let (at_scale, in_gap) = if score_scale {
            (YHINGE, YHINGE_GAP)
        } else {
            (LOGISTIC, HINGE_GAP)
        };
        let mut best = Best::above(aim.floor);
        let (mut v, mut rises) = (v, false);
        for s in 0..self.n_scales() - 1 {
            if aim.is_met(&best) {
                return best;
            }
            let tau = points.scales[s];
            for (f, x) in self.design.iter_mut().zip(&points.x) {
                *f = [1.0, (x - tau).max(0.0), 0.0, 0.0];
            }
            let start = self.start(points, &at_scale, v);
            let theta = self.climb(points, &at_scale, start, false, aim.target(&best));
            v = aim.next_dispersion(v, theta[3]);
            if self.now.value > best.value {
                best = Best {
                    value: self.now.value,
                    tau,
                    coefficients: [theta[0], theta[1]],
                    dispersion: theta[3],
                };
            }
            // ∂ℓ/∂τ = −b·Σ scores of the models above τ.
            let above = self.above(self.first[s + 1]);
            let unsure = self.promise > UNSURE;
            let falls = unsure || theta[1] * self.above(self.first[s]) > 0.0;
            let search_gap = s > 0 && rises && falls;
            rises = unsure || theta[1] * above < 0.0;
            if !search_gap || aim.is_met(&best) {
                continue;
            }
            let split = self.first[s];
            for (i, (f, x)) in self.design.iter_mut().zip(&points.x).enumerate() {
                *f = if i < split {
                    [1.0, 0.0, 0.0, 0.0]
                } else {
                    [0.0, x - tau, 1.0, 0.0]
                };
            }
            let start = [theta[0], theta[1], theta[0], theta[3]];
            let theta = self.climb(points, &in_gap, start, true, aim.target(&best));
            let meet = tau + (theta[0] - theta[2]) / theta[1];
            if self.now.value > best.value && meet > points.scales[s - 1] && meet < tau {
                best = Best {
                    value: self.now.value,
                    tau: meet,
                    coefficients: [theta[0], theta[1]],
                    dispersion: theta[3],
                };
            }
        }
        if score_scale && !aim.is_met(&best) {
            self.capped(points, v, aim, &mut best);
        }
        best
    }

    /// Σ of the scores of the points from `from` on.
    fn above(&self, from: usize) -> f64 {
        self.now.items[from..].iter().map(|item| item.score).sum()
    }

    /// `yhinge` with models at its cap: each set of them, with the line below free or
    /// pinned to reach the cap exactly at a scale.
    fn capped(&mut self, points: &Points, v: f64, aim: &Aim, best: &mut Best) {
        let g = self.n_scales();
        let mut spread = Spread::new(v);
        let mut lost = 0.0;
        for end in (1..g).rev() {
            for i in self.first[end]..self.first[end + 1] {
                let mut at = |g: f64| {
                    let p = points.chance + points.range() * g;
                    let q = (1.0 - points.ceiling) + points.range() * (1.0 - g);
                    term(self.family, points, i, (p, q), &mut spread).value
                };
                let own = ((points.y[i] - points.chance) / points.range()).clamp(0.0, YHINGE_CAP);
                lost += at(own.max(1e-9)) - at(YHINGE_CAP);
            }
            if lost.is_nan() || lost > CAP_LOSS {
                return;
            }
            for s in 0..end {
                if aim.is_met(best) {
                    return;
                }
                self.capped_from(points, s, end, v, best);
            }
        }
    }

    /// A level up to scale `s`, a line above it, the cap from scale `end` on.
    fn capped_from(&mut self, points: &Points, s: usize, end: usize, v: f64, best: &mut Best) {
        let (tau, next, cap) = (points.scales[s], points.scales[s + 1], points.scales[end]);
        let (above, top) = (self.first[s + 1], self.first[end]);
        let lay = |design: &mut [Row], line: &dyn Fn(f64) -> Row| {
            for (i, (f, x)) in design.iter_mut().zip(&points.x).enumerate() {
                *f = match i {
                    i if i < above => [1.0, 0.0, 0.0, 0.0],
                    i if i < top => line(*x),
                    _ => [0.0, 0.0, 0.0, YHINGE_CAP],
                };
            }
        };
        // Pinned: from the level at τ, which is scale s, to the cap at scale `end`.
        let share = |x: f64| (x - tau) / (cap - tau);
        lay(&mut self.design, &|x| {
            [1.0 - share(x), 0.0, 0.0, YHINGE_CAP * share(x)]
        });
        let start = self.start(points, &LEVEL, v);
        let [level, _, _, v] = self.climb(points, &LEVEL, start, false, NO);
        self.try_yhinge(
            points,
            tau,
            [level, (YHINGE_CAP - level) / (cap - tau)],
            v,
            best,
        );
        if end == s + 1 {
            // The whole rise is in the gap.
            let middle = 0.5 * (tau + cap);
            self.try_yhinge(
                points,
                middle,
                [level, (YHINGE_CAP - level) / (cap - middle)],
                v,
                best,
            );
            return;
        }
        // Free, with τ at scale s.
        lay(&mut self.design, &|x| [1.0, x - tau, 0.0, 0.0]);
        let start = self.start(points, &YHINGE, v);
        let [a, b, _, v_free] = self.climb(points, &YHINGE, start, false, NO);
        self.try_yhinge(points, tau, [a, b], v_free, best);
        // Pinned with τ inside the gap: η falls from the cap by the slope.
        lay(&mut self.design, &|x| [0.0, x - cap, 0.0, YHINGE_CAP]);
        let start = [
            level,
            (YHINGE_CAP - level) / (cap - 0.5 * (tau + next)),
            0.0,
            v,
        ];
        let [a, b, _, v_pinned] = self.climb(points, &YHINGE, start, false, NO);
        let meet = cap - (YHINGE_CAP - a) / b;
        if meet > tau && meet < next {
            self.try_yhinge(points, meet, [a, b], v_pinned, best);
        }
        // Free, with τ inside the gap.
        if end - s >= 3 {
            lay(&mut self.design, &|x| [0.0, x - next, 1.0, 0.0]);
            let line = a + b * (next - meet).max(0.0);
            let start = [
                a,
                b.min((0.998 - line) / (cap - next)).max(0.0),
                line.min(0.95),
                v,
            ];
            let [a, b, line, v] = self.climb(points, &YHINGE_GAP, start, false, NO);
            let meet = next + (a - line) / b;
            if meet > tau && meet < next {
                self.try_yhinge(points, meet, [a, b], v, best);
            }
        }
    }

    /// Values a `yhinge` by its definition, so that a candidate can only be too low.
    fn try_yhinge(&mut self, points: &Points, tau: f64, [a, b]: [f64; 2], v: f64, best: &mut Best) {
        if !(a >= 0.0 && b >= 0.0 && b.is_finite()) {
            return;
        }
        for (f, x) in self.design.iter_mut().zip(&points.x) {
            *f = [1.0, (x - tau).max(0.0), 0.0, 0.0];
        }
        self.evaluate(points, Link::Identity, &[a, b, 0.0, v]);
        if self.trial.value > best.value {
            *best = Best {
                value: self.trial.value,
                tau,
                coefficients: [a, b],
                dispersion: v,
            };
        }
    }
}

/// What a fit may still gain when its next Newton step promises g'δ = λ².
fn left_to_gain(promise: f64) -> f64 {
    let decrement = promise.max(0.0).sqrt();
    if decrement < 0.9 {
        3.0 * (-decrement - (-decrement).ln_1p())
    } else {
        6.0 * promise
    }
}
