//! Finding the maximum-likelihood curve of each model, over its breakpoint too.

use upturn_types::CurveModel;

use super::dispersed::{self, Aim};
use super::glm::{COARSE, FINE, Glm, Optimum, Theta};
use super::likelihood::Family;
use super::models::{A_MIN, Link, STEP_CLIP, features};
use super::points::Points;
use super::segments;

/// A maximum-likelihood curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Curve {
    pub model: CurveModel,
    /// Coefficients; the second is 0 for the constant.
    pub coefficients: [f64; 2],
    /// Breakpoint, NaN where the model has none.
    pub tau: f64,
    /// Dispersion v, 0 where the family has none.
    pub dispersion: f64,
    pub value: f64,
}

impl Curve {
    fn new(model: CurveModel, tau: f64, optimum: &Optimum) -> Curve {
        let [a, b, v] = optimum.theta;
        Curve {
            model,
            coefficients: [a, b],
            tau,
            dispersion: v,
            value: optimum.value,
        }
    }

    /// The coefficients with the dispersion, as a start for another fit.
    pub fn start(&self) -> Theta {
        [self.coefficients[0], self.coefficients[1], self.dispersion]
    }

    /// Parameters in the order of the records.
    pub fn theta(&self) -> Vec<f64> {
        match self.model {
            CurveModel::Const => vec![self.coefficients[0]],
            CurveModel::Logistic | CurveModel::Gompertz | CurveModel::Power => {
                self.coefficients.to_vec()
            }
            CurveModel::Hinge | CurveModel::Yhinge | CurveModel::Step => {
                vec![self.coefficients[0], self.coefficients[1], self.tau]
            }
        }
    }

    /// Reads a curve back from recorded parameters.
    pub fn from_record(model: CurveModel, theta: &[f64], dispersion: f64, value: f64) -> Curve {
        let at = |i: usize, default: f64| theta.get(i).copied().unwrap_or(default);
        Curve {
            model,
            coefficients: [at(0, f64::NAN), at(1, 0.0)],
            tau: at(2, f64::NAN),
            dispersion,
            value,
        }
    }
}

/// How hard to search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Effort {
    /// All starts, 200 breakpoints and every data x, Brent's method in three brackets.
    Full,
    /// From a curve fitted to nearly the same data: data x and three places in each gap.
    Near(Curve),
}

/// Breakpoints of the grid between the second and the last but one scale.
pub(crate) const N_GRID: usize = 200;

/// Scales up to which a coarse search looks inside the gaps too.
const FEW_SCALES: usize = 16;

/// Coefficient bounds of a model.
fn lower_bounds(model: CurveModel) -> [f64; 2] {
    match model {
        CurveModel::Yhinge => [0.0, 0.0],
        CurveModel::Step => [Link::Logit.inverse(0.0), f64::NEG_INFINITY],
        _ => [A_MIN, f64::NEG_INFINITY],
    }
}

/// Fits with the breakpoint given (or absent): one model, one family, one design.
#[derive(Debug, Clone)]
pub(crate) struct Profile<'a> {
    points: &'a Points,
    family: Family,
    model: CurveModel,
    design: Vec<[f64; 2]>,
    tolerance: f64,
}

impl<'a> Profile<'a> {
    pub fn new(points: &'a Points, family: Family, model: CurveModel) -> Self {
        Profile {
            points,
            family,
            model,
            design: vec![[0.0; 2]; points.len()],
            tolerance: FINE,
        }
    }

    /// The same with the tolerance that an effort asks for.
    fn with_effort(self, effort: Effort) -> Self {
        let tolerance = match effort {
            Effort::Full => FINE,
            Effort::Near(_) => COARSE,
        };
        Profile { tolerance, ..self }
    }

    /// The GLM at breakpoint `tau` (ignored by smooth models).
    pub fn glm(&mut self, tau: f64) -> Glm<'_> {
        for (f, &x) in self.design.iter_mut().zip(&self.points.x) {
            *f = features(self.model, tau, self.points.x_mean, x);
        }
        Glm {
            points: self.points,
            family: self.family,
            link: Link::of(self.model),
            features: &self.design,
            free: [true, self.model != CurveModel::Const],
            lower: lower_bounds(self.model),
            tolerance: self.tolerance,
        }
    }

    /// The best fit at `tau` from several starts.
    pub fn at(&mut self, tau: f64, starts: &[Theta]) -> Optimum {
        let glm = self.glm(tau);
        let mut best = Optimum::NONE;
        for &start in starts {
            best.improve(glm.climb_apart(start, &best));
        }
        best
    }
}

/// Starting dispersions of a family.
fn dispersion_starts(points: &Points, family: Family) -> Vec<f64> {
    let logit = |rho: f64| (rho / (1.0 - rho)).ln();
    match family {
        Family::Binomial => vec![0.0],
        Family::BetaBinomial => [0.001, 0.05, 0.3].map(logit).to_vec(),
        Family::Gaussian => {
            let mean = points.var.iter().sum::<f64>() / points.len() as f64;
            vec![
                (1e-3 * mean).max(1e-11).ln(),
                mean.max(1e-11).ln(),
                (0.05 * points.range()).powi(2).ln(),
            ]
        }
    }
}

/// Starting coefficients of a model: a level and a slope guessed from the lowest
/// and the highest quarter, and steeper ones.
pub(crate) fn coefficient_starts(points: &Points, model: CurveModel) -> Vec<[f64; 2]> {
    let k = points.len();
    let quarter = (k / 4).max(1);
    let link = Link::of(model);
    let level = |range: std::ops::Range<usize>| {
        let (mut score, mut x) = (0.0, 0.0);
        for i in range {
            score += points.y[i];
            x += points.x[i];
        }
        let g = (score / quarter as f64 - points.chance) / points.range();
        let clipped = g.clamp(0.002, 0.998);
        (link.inverse(clipped), x / quarter as f64)
    };
    let (low, x_low) = level(0..quarter);
    let (high, x_high) = level(k - quarter..k);
    let slope = (high - low) / (x_high - x_low).max(1e-3);
    match model {
        CurveModel::Const => vec![[low, 0.0], [0.5 * (low + high), 0.0]],
        CurveModel::Logistic | CurveModel::Gompertz | CurveModel::Power => {
            let through_low = |b: f64| [low + b * (points.x_mean - x_low), b];
            let mut starts = vec![
                through_low(slope),
                through_low(2.0 * slope),
                [0.5 * (low + high), slope],
            ];
            if model == CurveModel::Power {
                for b in [0.25, 0.5, 1.0, 2.0, 4.0] {
                    // Through the ceiling at the largest scale.
                    starts.push([b * (points.x_mean - points.x[k - 1]), b]);
                }
            }
            starts
        }
        CurveModel::Hinge | CurveModel::Yhinge => vec![[low, slope], [low, 2.0 * slope.abs()]],
        CurveModel::Step => vec![[low, high - low]],
    }
}

/// Every start of a model.
fn starts(points: &Points, family: Family, model: CurveModel) -> Vec<Theta> {
    let mut all = Vec::new();
    for [a, b] in coefficient_starts(points, model) {
        for v in dispersion_starts(points, family) {
            all.push([a, b, v]);
        }
    }
    all
}

/// The maximum-likelihood curve; `None` when the data have too few scales for the model.
pub(crate) fn fit(
    points: &Points,
    family: Family,
    model: CurveModel,
    effort: Effort,
) -> Option<Curve> {
    let n_scales = points.scales.len();
    match model {
        CurveModel::Const | CurveModel::Logistic | CurveModel::Gompertz => {
            smooth(points, family, model, effort)
        }
        CurveModel::Power => power(points, family, effort),
        CurveModel::Hinge | CurveModel::Yhinge if n_scales >= 3 => {
            Some(kinked(points, family, model, effort))
        }
        CurveModel::Step if n_scales >= 2 => Some(step(points, family, effort)),
        _ => None,
    }
}

fn smooth(points: &Points, family: Family, model: CurveModel, effort: Effort) -> Option<Curve> {
    let mut profile = Profile::new(points, family, model).with_effort(effort);
    let optimum = match effort {
        Effort::Full => profile.at(f64::NAN, &starts(points, family, model)),
        Effort::Near(curve) => profile.at(f64::NAN, &[curve.start()]),
    };
    optimum
        .value
        .is_finite()
        .then(|| Curve::new(model, f64::NAN, &optimum))
}

/// The power law, whose likelihood has a ridge wherever the curve reaches the ceiling
/// at a model: between two ridges the set of models at the ceiling is fixed, so each
/// such set is fitted on its own, and so is each ridge (curves that meet the ceiling
/// exactly at a scale).
fn power(points: &Points, family: Family, effort: Effort) -> Option<Curve> {
    let model = CurveModel::Power;
    let mut profile = Profile::new(points, family, model).with_effort(effort);
    let mut best = match effort {
        Effort::Full => profile.at(f64::NAN, &starts(points, family, model)),
        Effort::Near(curve) => profile.at(f64::NAN, &[curve.start()]),
    };
    // Kept off the flat end, where v could not move.
    let v = best.theta[2].max(dispersion_starts(points, family)[0]);
    for (j, &x) in points.scales.iter().enumerate() {
        let design: Vec<[f64; 2]> = points.x.iter().map(|&xi| [0.0, xi - x]).collect();
        let ridge = Glm {
            points,
            family,
            link: Link::Power,
            features: &design,
            free: [false, true],
            lower: [f64::NEG_INFINITY, 0.0],
            tolerance: COARSE,
        };
        let on_ridge = ridge.climb([0.0, 1.0, v]);
        let [_, b, v] = on_ridge.theta;
        let a = b * (points.x_mean - x);
        best.improve(Optimum {
            theta: [a, b, v],
            value: on_ridge.value,
        });
        if matches!(effort, Effort::Full) {
            best.improve(profile.at(f64::NAN, &[[a, b, v]]));
            if j >= 2 {
                let below = points.without(|i| points.x[i] >= x);
                let inside = Profile::new(&below, family, model).at(f64::NAN, &[[a - 0.05, b, v]]);
                best.improve(profile.at(f64::NAN, &[inside.theta]));
            }
        }
    }
    best.value
        .is_finite()
        .then(|| Curve::new(model, f64::NAN, &best))
}

fn step(points: &Points, family: Family, effort: Effort) -> Curve {
    if family != Family::Binomial {
        return dispersed(points, family, CurveModel::Step, effort);
    }
    let mut profile = Profile::new(points, family, CurveModel::Step);
    let mut best = Curve::new(CurveModel::Step, f64::NAN, &Optimum::NONE);
    for pair in points.scales.windows(2) {
        let tau = 0.5 * (pair[0] + pair[1]);
        let [low, high] = step_levels(points, tau);
        let theta = [low, high - low, 0.0];
        let value = profile.glm(tau).value(&theta);
        if value > best.value {
            best = Curve::new(CurveModel::Step, tau, &Optimum { theta, value });
        }
    }
    best
}

/// The best step, hinge or `yhinge` under a family with a dispersion: an exact search from
/// each starting dispersion, then a fit with τ kept.
fn dispersed(points: &Points, family: Family, model: CurveModel, effort: Effort) -> Curve {
    let dispersions = match effort {
        Effort::Full => dispersion_starts(points, family),
        Effort::Near(curve) => vec![curve.dispersion],
    };
    let aim = Aim {
        thorough: effort == Effort::Full,
        ..Aim::ALL
    };
    let mut search = dispersed::Search::new(points, family, COARSE);
    let [a, b] = coefficient_starts(points, CurveModel::Logistic)[0];
    let mut best = Curve::new(model, f64::NAN, &Optimum::NONE);
    for v in dispersions {
        search.logistic(points, &[[a, b, v]]);
        let found = match model {
            CurveModel::Step => search.step_curve(points, v, &aim),
            _ => search.kinked(points, model, v, &aim),
        };
        if found.value > best.value {
            let [a, b] = found.coefficients;
            let theta = [a, b, found.dispersion];
            let value = found.value;
            best = Curve::new(model, found.tau, &Optimum { theta, value });
        }
    }
    if family == Family::BetaBinomial && model != CurveModel::Step {
        // The peak without dispersion may lie apart.
        let apart = segments::best(points, model);
        if apart.value > best.value {
            let [a, b] = apart.coefficients;
            let (none, _) = family.dispersion_bounds();
            let optimum = Profile::new(points, family, model).at(apart.tau, &[[a, b, none]]);
            if optimum.value > best.value {
                best = Curve::new(model, apart.tau, &optimum);
            }
        }
    }
    if effort == Effort::Full && best.tau.is_finite() {
        let optimum = Profile::new(points, family, model).at(best.tau, &[best.start()]);
        if optimum.value > best.value {
            best = Curve::new(model, best.tau, &optimum);
        }
    }
    best
}

/// Logits of the pooled normalised rates below and from `tau` on, clipped at 1e-9.
fn step_levels(points: &Points, tau: f64) -> [f64; 2] {
    let mut sums = [[0.0; 2]; 2];
    for i in 0..points.len() {
        let side = usize::from(points.x[i] >= tau);
        sums[side][0] += points.n[i] * points.y[i];
        sums[side][1] += points.n[i];
    }
    sums.map(|[score, weight]| {
        let g = (score / weight - points.chance) / points.range();
        Link::Logit.inverse(g.clamp(STEP_CLIP, 1.0 - STEP_CLIP))
    })
}

/// The breakpoints tried: a grid between the second and the last but one scale, and every scale.
pub(crate) fn breakpoint_grid(points: &Points) -> Vec<f64> {
    let scales = &points.scales;
    let (low, high) = (scales[1], scales[scales.len() - 2]);
    let mut grid: Vec<f64> = (0..N_GRID)
        .map(|i| low + (high - low) * i as f64 / (N_GRID - 1) as f64)
        .chain(scales[..scales.len() - 1].iter().copied())
        .collect();
    grid.sort_by(f64::total_cmp);
    grid.dedup();
    grid
}

fn kinked(points: &Points, family: Family, model: CurveModel, effort: Effort) -> Curve {
    let exact = |best: &mut Curve| {
        let exact = segments::best(points, model);
        if exact.tau.is_finite() {
            let [a, b] = exact.coefficients;
            let optimum = Profile::new(points, family, model).at(exact.tau, &[[a, b, 0.0]]);
            if optimum.value > best.value {
                *best = Curve::new(model, exact.tau, &optimum);
            }
        }
    };
    match (family, effort) {
        (Family::Binomial, Effort::Near(_)) => {
            let mut best = Curve::new(model, f64::NAN, &Optimum::NONE);
            exact(&mut best);
            best
        }
        (Family::Binomial, Effort::Full) => {
            let mut best = profile_search(points, family, model, effort);
            exact(&mut best);
            best
        }
        _ => dispersed(points, family, model, effort),
    }
}

/// The kinked curve by a grid of breakpoints and Brent's method around its peaks.
pub(crate) fn profile_search(
    points: &Points,
    family: Family,
    model: CurveModel,
    effort: Effort,
) -> Curve {
    let mut profile = Profile::new(points, family, model).with_effort(effort);
    let (grid, base, n_brackets, tolerance) = match effort {
        Effort::Full => (
            breakpoint_grid(points),
            starts(points, family, model),
            3,
            1e-9,
        ),
        Effort::Near(curve) => {
            let scales = &points.scales[..points.scales.len() - 1];
            // The profile may peak inside a gap close to its end, where gaps are wide.
            let places: &[f64] = if scales.len() <= FEW_SCALES {
                &[0.1, 0.5, 0.9]
            } else {
                &[]
            };
            let mut grid: Vec<f64> = scales
                .iter()
                .copied()
                .chain(scales.windows(2).flat_map(|gap| {
                    places
                        .iter()
                        .map(|share| gap[0] + share * (gap[1] - gap[0]))
                }))
                .chain([curve.tau])
                .filter(|tau| tau.is_finite())
                .collect();
            grid.sort_by(f64::total_cmp);
            grid.dedup();
            (grid, vec![curve.start()], 3, 1e-4)
        }
    };
    let mut values: Vec<Optimum> = Vec::with_capacity(grid.len());
    for (i, &tau) in grid.iter().enumerate() {
        // A fresh start now and then, lest a poor fit be handed on.
        let [a, b] = start_at(points, model, tau);
        let fresh = [a, b, base[0][2]];
        let optimum = match values.last() {
            None => profile.at(tau, &[&base[..], &[fresh]].concat()),
            Some(previous) if i % 4 == 0 => profile.at(tau, &[previous.theta, fresh]),
            Some(previous) => profile.at(tau, &[previous.theta]),
        };
        values.push(optimum);
    }
    let mut best = Curve::new(model, f64::NAN, &Optimum::NONE);
    let mut keep = |tau: f64, optimum: &Optimum| {
        if optimum.value > best.value {
            best = Curve::new(model, tau, optimum);
        }
    };
    for i in top_peaks(&values, n_brackets) {
        keep(grid[i], &values[i]);
        let bracket = (grid[i.saturating_sub(1)], grid[(i + 1).min(grid.len() - 1)]);
        let (tau, optimum) = refine(&mut profile, bracket, grid[i], values[i], tolerance);
        keep(tau, &optimum);
    }
    best
}

/// Coefficients that pass through the pooled level up to `tau` and the last score.
fn start_at(points: &Points, model: CurveModel, tau: f64) -> [f64; 2] {
    let link = Link::of(model);
    let level = |score: f64| {
        let g = (score - points.chance) / points.range();
        link.inverse(g.clamp(0.002, 0.998))
    };
    let below = points.x.partition_point(|x| *x <= tau).max(1);
    let low = level(points.y[..below].iter().sum::<f64>() / below as f64);
    let last = points.len() - 1;
    [
        low,
        (level(points.y[last]) - low) / (points.x[last] - tau).max(1e-3),
    ]
}

/// Indices of the highest local maxima, best first.
fn top_peaks(values: &[Optimum], n: usize) -> Vec<usize> {
    let at = |i: usize| values.get(i).map_or(f64::NEG_INFINITY, |o| o.value);
    let mut peaks: Vec<usize> = (0..values.len())
        .filter(|&i| (i == 0 || at(i) >= at(i - 1)) && at(i) >= at(i + 1))
        .collect();
    peaks.sort_by(|&i, &j| at(j).total_cmp(&at(i)).then(i.cmp(&j)));
    peaks.truncate(n);
    peaks
}

/// Maximises the profile likelihood in a bracket (Brent's method: golden section, with
/// parabolas where the profile is smooth enough for them), from a fit at `tau` inside.
fn refine(
    profile: &mut Profile<'_>,
    (mut low, mut high): (f64, f64),
    tau: f64,
    at_tau: Optimum,
    tolerance: f64,
) -> (f64, Optimum) {
    const GOLDEN: f64 = 0.381_966_011_250_105_1;
    // The best, second and third best breakpoints so far.
    let (mut first, mut second, mut third) = ((tau, at_tau), (tau, at_tau), (tau, at_tau));
    let (mut step, mut last_step) = (0.0_f64, 0.0_f64);
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if (first.0 - middle).abs() + 0.5 * (high - low) <= 2.0 * tolerance {
            break;
        }
        let parabola = parabola_step(first, second, third);
        let inside = |d: f64| {
            d.abs() < 0.5 * last_step.abs()
                && first.0 + d > low + tolerance
                && first.0 + d < high - tolerance
        };
        let next = match parabola.filter(|d| inside(*d)) {
            Some(d) => d,
            None if first.0 < middle => GOLDEN * (high - first.0),
            None => GOLDEN * (low - first.0),
        };
        last_step = if parabola.is_some_and(inside) {
            step
        } else {
            2.0 * next
        };
        step = if next.abs() >= tolerance {
            next
        } else {
            tolerance.copysign(next)
        };
        let tau = first.0 + step;
        let optimum = profile.at(tau, &[first.1.theta]);
        if optimum.value >= first.1.value {
            if tau < first.0 {
                high = first.0;
            } else {
                low = first.0;
            }
            (third, second, first) = (second, first, (tau, optimum));
        } else {
            if tau < first.0 {
                low = tau;
            } else {
                high = tau;
            }
            if optimum.value >= second.1.value || second.0 == first.0 {
                (third, second) = (second, (tau, optimum));
            } else {
                third = (tau, optimum);
            }
        }
    }
    first
}

/// From the first of three points to the top of the parabola through them.
fn parabola_step(
    first: (f64, Optimum),
    second: (f64, Optimum),
    third: (f64, Optimum),
) -> Option<f64> {
    let (d2, d3) = (second.0 - first.0, third.0 - first.0);
    let (f2, f3) = (
        first.1.value - second.1.value,
        first.1.value - third.1.value,
    );
    // The loss is α·d + β·d² with β > 0 at a maximum.
    let determinant = d2 * d3 * (d3 - d2);
    let beta = (f3 * d2 - f2 * d3) / determinant;
    let alpha = (f2 * d3 * d3 - f3 * d2 * d2) / determinant;
    (determinant != 0.0 && beta > 0.0)
        .then(|| -alpha / (2.0 * beta))
        .filter(|d| d.is_finite())
}

/// The curve with its dispersion estimated again, coefficients nearly kept.
pub(crate) fn with_dispersion(points: &Points, family: Family, curve: &Curve) -> Curve {
    let [a, b] = curve.coefficients;
    let starts: Vec<Theta> = dispersion_starts(points, family)
        .into_iter()
        .map(|v| [a, b, v])
        .collect();
    let optimum = Profile::new(points, family, curve.model).at(curve.tau, &starts);
    Curve::new(curve.model, curve.tau, &optimum)
}
