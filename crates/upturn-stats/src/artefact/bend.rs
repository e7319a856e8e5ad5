//! Does a graded loss turn? Smooth curves of ln loss against a kinked one, with the test's power.
//!
//! The smooth curves are a line (a power law), a parabola, a power law down to a remainder
//! ln(A·10^(−ax) + E), and a smooth way off a plateau α − ln(1 + e^(b(x − m))), which is what a
//! logistic rise of a bounded score makes of its loss. The kinked one is α + βx + γ·max(0, x − τ).
//! Errors are Gaussian with variance (se/loss)² + s², s² estimated in every fit.
//!
//! Scales and errors are the same in all draws of a simulation, so that every projection is
//! made once: s² and τ run over grids, where a fit is a few dot products. The two parameters
//! of the curved shapes start on a coarse grid and are refined in place.

use upturn_types::{GradedKink, SmoothLoss};

use crate::dist::{clopper_pearson, norm_quantile};
use crate::resample::{SplitMix64, monte_carlo_p};

/// How the test is simulated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BendConfig {
    /// Draws from the smooth curve.
    pub n_draws: u32,
    /// Draws from a curve with a slope change, for the power.
    pub n_power_draws: u32,
    /// Seed.
    pub seed: u64,
    /// Level α.
    pub alpha: f64,
}

impl Default for BendConfig {
    fn default() -> Self {
        BendConfig {
            n_draws: 499,
            n_power_draws: 299,
            seed: 0,
            alpha: 0.05,
        }
    }
}

/// Slope change that the power is for, as a share of the slope after it.
const SLOPE_CHANGE: f64 = 0.5;
/// Preference of the kinked curve, in AICc, from which it counts.
pub const PREFERRED: f64 = 2.0;
/// Fewest distinct scales.
const MIN_SCALES: usize = 5;
/// Values of τ between the second and the last scale but one, beside the scales themselves.
const N_TAU: usize = 40;
/// Values of s² above 0.
const N_EXCESS: usize = 16;
/// Values of each nonlinear parameter of the smooth curves.
const N_RATE: usize = 7;
/// Values of their place on the axis.
const N_PLACE: usize = 9;
/// The largest rate of a smooth shape: twelve e-folds over half a unit of the axis.
const STEEPEST: f64 = 24.0;
/// Times that the steps of the refinement are halved.
const N_HALVINGS: u32 = 7;

/// Parameters of a curve, s² included.
fn n_params(smooth: SmoothLoss) -> usize {
    match smooth {
        SmoothLoss::Line => 3,
        SmoothLoss::Quadratic | SmoothLoss::PowerConstant | SmoothLoss::Plateau => 4,
    }
}
/// Parameters of the kinked curve: α, β, γ, τ, s².
const N_KINKED: usize = 5;

/// All projections under one value of s².
struct Layer {
    /// s².
    excess: f64,
    /// Square roots of the weights.
    root: Vec<f64>,
    /// −½Σ ln 2πσ².
    constant: f64,
    ones: Vec<f64>,
    line: Vec<f64>,
    square: Vec<f64>,
    /// Hinges, orthogonal to the line, one per τ; empty where a τ has none.
    hinges: Vec<Vec<f64>>,
    /// Fixed shapes less their mean, with their squared length.
    shapes: Vec<(Vec<f64>, f64)>,
}

/// The largest log-likelihood of one kind of curve, and where it lies.
#[derive(Debug, Clone, Copy)]
struct Best {
    value: f64,
    layer: usize,
    at: usize,
    /// Rate, place and s² of a refined shape.
    shape: Option<[f64; 3]>,
}

impl Best {
    const NONE: Best = Best {
        value: f64::NEG_INFINITY,
        layer: 0,
        at: 0,
        shape: None,
    };

    fn offer(&mut self, value: f64, layer: usize, at: usize) {
        if value > self.value {
            *self = Best {
                value,
                layer,
                at,
                shape: None,
            };
        }
    }

    /// The top of the parabola through the best layer and its neighbours, `values` being the
    /// largest of each layer. Layer 0 is s² = 0, which has no logarithm to interpolate in.
    fn between_layers(mut self, values: &[f64]) -> Best {
        let l = self.layer;
        if l >= 2 && l + 1 < values.len() {
            let (a, b, c) = (values[l - 1], values[l], values[l + 1]);
            let bend = a - 2.0 * b + c;
            if bend < 0.0 {
                self.value = b - (a - c).powi(2) / (8.0 * bend);
            }
        }
        self
    }
}

/// The fits of one series.
struct Fits {
    smooth: [(SmoothLoss, Best); 4],
    kinked: Best,
}

impl Fits {
    /// D: twice the gain of the kinked curve over the best smooth one.
    fn statistic(&self) -> f64 {
        let smooth = self
            .smooth
            .iter()
            .map(|(_, best)| best.value)
            .fold(f64::NEG_INFINITY, f64::max);
        (2.0 * (self.kinked.value - smooth)).max(0.0)
    }

    /// The smooth curve with the least AICc (BIC where K is too small for one).
    fn best_smooth(&self, k: usize) -> (SmoothLoss, Best) {
        let cost = |(kind, best): &(SmoothLoss, Best)| criterion(best.value, n_params(*kind), k);
        self.smooth
            .iter()
            .copied()
            .reduce(|a, b| if cost(&b) < cost(&a) { b } else { a })
            .unwrap_or((SmoothLoss::Line, Best::NONE))
    }

    fn delta_aicc(&self, k: usize) -> Option<f64> {
        let kinked = aicc(self.kinked.value, N_KINKED, k)?;
        let smooth = self
            .smooth
            .iter()
            .filter_map(|(kind, best)| aicc(best.value, n_params(*kind), k))
            .fold(f64::INFINITY, f64::min);
        Some(smooth - kinked)
    }
}

fn aicc(log_likelihood: f64, p: usize, k: usize) -> Option<f64> {
    (k > p + 1).then(|| {
        let p = p as f64;
        -2.0 * log_likelihood + 2.0 * p + 2.0 * p * (p + 1.0) / (k as f64 - p - 1.0)
    })
}

fn criterion(log_likelihood: f64, p: usize, k: usize) -> f64 {
    aicc(log_likelihood, p, k).unwrap_or(-2.0 * log_likelihood + p as f64 * (k as f64).ln())
}

/// Everything about the scales and errors of a series that all draws share.
struct Bench {
    x: Vec<f64>,
    variance: Vec<f64>,
    taus: Vec<f64>,
    shapes: Vec<Shape>,
    layers: Vec<Layer>,
}

/// A curve of fixed form: its kind, rate and place.
#[derive(Debug, Clone, Copy)]
struct Shape {
    kind: SmoothLoss,
    rate: f64,
    place: f64,
}

impl Shape {
    fn at(&self, x: f64) -> f64 {
        let ln1p_exp = |v: f64| v.max(0.0) + (-v.abs()).exp().ln_1p();
        match self.kind {
            // −ln(1 + e^(b(x − m))): stays, then falls by the rate.
            SmoothLoss::Plateau => -ln1p_exp(self.rate * (x - self.place)),
            // ln(e^(−a(x − m)) + 1): falls by the rate, then stays.
            _ => ln1p_exp(-self.rate * (x - self.place)),
        }
    }
}

impl Bench {
    /// `None` where the scales are too few, or the errors not all above 0.
    fn new(x: &[f64], y: &[f64], variance: &[f64]) -> Option<Bench> {
        let mut scales = x.to_vec();
        scales.dedup();
        let sorted = x.windows(2).all(|w| w[0] <= w[1]);
        let finite = x.iter().chain(y).all(|v| v.is_finite());
        let known = variance.iter().all(|v| *v > 0.0 && v.is_finite());
        if scales.len() < MIN_SCALES || !sorted || !finite || !known {
            return None;
        }
        let (low, high) = (scales[1], scales[scales.len() - 2]);
        let mut taus: Vec<f64> = (0..N_TAU)
            .map(|i| low + (high - low) * i as f64 / (N_TAU - 1) as f64)
            .chain(scales[1..scales.len() - 1].iter().copied())
            .collect();
        taus.sort_by(f64::total_cmp);
        taus.dedup();
        let mut bench = Bench {
            x: x.to_vec(),
            variance: variance.to_vec(),
            taus,
            shapes: shapes(scales[0], scales[scales.len() - 1]),
            layers: Vec::new(),
        };
        let mean = y.iter().sum::<f64>() / y.len() as f64;
        let spread = y.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / y.len() as f64;
        let least = variance.iter().copied().fold(f64::INFINITY, f64::min);
        let most = variance.iter().copied().fold(spread, f64::max);
        let (from, to) = ((0.1 * least).ln(), most.max(least).ln());
        let excesses =
            (0..N_EXCESS).map(|i| (from + (to - from) * i as f64 / (N_EXCESS - 1) as f64).exp());
        bench.layers = std::iter::once(0.0)
            .chain(excesses)
            .map(|excess| bench.layer(excess))
            .collect();
        Some(bench)
    }

    fn layer(&self, excess: f64) -> Layer {
        let root: Vec<f64> = self
            .variance
            .iter()
            .map(|v| (v + excess).sqrt().recip())
            .collect();
        let weighed = |column: &dyn Fn(f64) -> f64| -> Vec<f64> {
            self.x
                .iter()
                .zip(&root)
                .map(|(x, root)| root * column(*x))
                .collect()
        };
        let centre = self.x.iter().sum::<f64>() / self.x.len() as f64;
        let mut ones = weighed(&|_| 1.0);
        normalise(&mut ones);
        let mut line = weighed(&|x| x - centre);
        remove(&mut line, &ones);
        normalise(&mut line);
        let mut square = weighed(&|x| (x - centre).powi(2));
        remove(&mut square, &ones);
        remove(&mut square, &line);
        normalise(&mut square);
        let hinges = self
            .taus
            .iter()
            .map(|tau| {
                let mut hinge = weighed(&|x| (x - tau).max(0.0));
                let length = dot(&hinge, &hinge);
                remove(&mut hinge, &ones);
                remove(&mut hinge, &line);
                if dot(&hinge, &hinge) <= 1e-12 * length {
                    return Vec::new();
                }
                normalise(&mut hinge);
                hinge
            })
            .collect();
        let shapes = self
            .shapes
            .iter()
            .map(|shape| {
                let mut shape = weighed(&|x| shape.at(x));
                remove(&mut shape, &ones);
                let length = dot(&shape, &shape);
                (shape, length)
            })
            .collect();
        let constant = -0.5
            * self
                .variance
                .iter()
                .map(|v| (std::f64::consts::TAU * (v + excess)).ln())
                .sum::<f64>();
        Layer {
            excess,
            root,
            constant,
            ones,
            line,
            square,
            hinges,
            shapes,
        }
    }

    fn fit(&self, y: &[f64]) -> Fits {
        let [mut line, mut quadratic, mut power, mut plateau] = [Best::NONE; 4];
        let mut kinked = Best::NONE;
        let n_layers = self.layers.len();
        let [mut lines, mut quadratics, mut kinks] =
            [0; 3].map(|_: i32| vec![f64::NEG_INFINITY; n_layers]);
        let mut z = vec![0.0; y.len()];
        for (l, layer) in self.layers.iter().enumerate() {
            for ((z, y), root) in z.iter_mut().zip(y).zip(&layer.root) {
                *z = y * root;
            }
            remove(&mut z, &layer.ones);
            let around_mean = dot(&z, &z);
            for (at, (shape, length)) in layer.shapes.iter().enumerate() {
                let rss = around_mean - 2.0 * dot(&z, shape) + length;
                let value = layer.constant - 0.5 * rss.max(0.0);
                match self.shapes[at].kind {
                    SmoothLoss::Plateau => plateau.offer(value, l, at),
                    _ => power.offer(value, l, at),
                }
            }
            remove(&mut z, &layer.line);
            let around_line = dot(&z, &z);
            lines[l] = layer.constant - 0.5 * around_line;
            line.offer(lines[l], l, 0);
            let gain = dot(&z, &layer.square).powi(2);
            quadratics[l] = layer.constant - 0.5 * (around_line - gain).max(0.0);
            quadratic.offer(quadratics[l], l, 0);
            for (at, hinge) in layer.hinges.iter().enumerate() {
                if hinge.is_empty() {
                    continue;
                }
                let gain = dot(&z, hinge).powi(2);
                let value = layer.constant - 0.5 * (around_line - gain).max(0.0);
                kinks[l] = kinks[l].max(value);
                kinked.offer(value, l, at);
            }
        }
        Fits {
            smooth: [
                (SmoothLoss::Line, line.between_layers(&lines)),
                (SmoothLoss::Quadratic, quadratic.between_layers(&quadratics)),
                (SmoothLoss::PowerConstant, self.refine(y, power)),
                (SmoothLoss::Plateau, self.refine(y, plateau)),
            ],
            kinked: kinked.between_layers(&kinks),
        }
    }

    /// Log-likelihood of a shape with its best offset, under s² = `excess`.
    fn shape_value(&self, y: &[f64], shape: &Shape, excess: f64) -> f64 {
        let (mut total, mut first, mut second, mut constant) = (0.0, 0.0, 0.0, 0.0);
        for ((x, y), v) in self.x.iter().zip(y).zip(&self.variance) {
            let var = v + excess;
            let rest = y - shape.at(*x);
            total += 1.0 / var;
            first += rest / var;
            second += rest * rest / var;
            constant += (std::f64::consts::TAU * var).ln();
        }
        -0.5 * (constant + (second - first * first / total).max(0.0))
    }

    /// Climbs from a grid point: rate and s² by their logarithms, place by its value, one at a
    /// time, with steps that halve.
    fn refine(&self, y: &[f64], best: Best) -> Best {
        let Some(start) = self.shapes.get(best.at) else {
            return best;
        };
        let span = self.x[self.x.len() - 1] - self.x[0];
        let least = self.layers.get(1).map_or(1e-12, |l| l.excess);
        let value = |at: &[f64; 3]| {
            let shape = Shape {
                kind: start.kind,
                rate: at[0].exp(),
                place: at[1],
            };
            self.shape_value(y, &shape, at[2].exp())
        };
        let excess = self.layers[best.layer].excess.max(1e-3 * least);
        let mut at = [start.rate.ln(), start.place, excess.ln()];
        let mut top = value(&at);
        let mut steps = [0.5, 0.08 * span, 0.7];
        for _ in 0..N_HALVINGS {
            for _ in 0..3 {
                let before = top;
                for i in 0..3 {
                    for sign in [1.0, -1.0] {
                        let mut next = at;
                        next[i] += sign * steps[i];
                        // Steeper or farther than the grid reaches is no smooth curve.
                        let steep = next[0].exp() > STEEPEST;
                        let far = next[1] < self.x[0] - 0.5 * span
                            || next[1] > self.x[self.x.len() - 1] + 0.5 * span;
                        if steep || far {
                            continue;
                        }
                        let reached = value(&next);
                        if reached > top {
                            (at, top) = (next, reached);
                            break;
                        }
                    }
                }
                if top - before < 1e-4 {
                    break;
                }
            }
            steps.iter_mut().for_each(|s| *s *= 0.5);
        }
        Best {
            value: top.max(best.value),
            shape: (top >= best.value).then_some([at[0].exp(), at[1], at[2].exp()]),
            ..best
        }
    }

    /// s² of a fit.
    fn excess(&self, best: Best) -> f64 {
        best.shape
            .map_or(self.layers[best.layer].excess, |shape| shape[2])
    }

    /// Fitted values of a smooth curve.
    fn smooth_values(&self, y: &[f64], kind: SmoothLoss, best: Best) -> Vec<f64> {
        if let Some([rate, place, excess]) = best.shape {
            let shape = Shape { kind, rate, place };
            let (mut total, mut sum) = (0.0, 0.0);
            for ((x, y), v) in self.x.iter().zip(y).zip(&self.variance) {
                total += 1.0 / (v + excess);
                sum += (y - shape.at(*x)) / (v + excess);
            }
            return self.x.iter().map(|x| sum / total + shape.at(*x)).collect();
        }
        let layer = &self.layers[best.layer];
        let z: Vec<f64> = y.iter().zip(&layer.root).map(|(y, r)| y * r).collect();
        let mut fitted = vec![0.0; y.len()];
        let mut add = |axis: &[f64], by: f64| {
            for (f, a) in fitted.iter_mut().zip(axis) {
                *f += by * a;
            }
        };
        match kind {
            SmoothLoss::Line | SmoothLoss::Quadratic => {
                add(&layer.ones, dot(&z, &layer.ones));
                add(&layer.line, dot(&z, &layer.line));
                if kind == SmoothLoss::Quadratic {
                    add(&layer.square, dot(&z, &layer.square));
                }
            }
            SmoothLoss::PowerConstant | SmoothLoss::Plateau => {
                add(&layer.ones, dot(&z, &layer.ones));
                add(&layer.shapes[best.at].0, 1.0);
            }
        }
        fitted.iter().zip(&layer.root).map(|(f, r)| f / r).collect()
    }

    /// Slopes before and after τ of the kinked curve.
    fn slopes(&self, y: &[f64], best: Best) -> Option<(f64, f64)> {
        let layer = &self.layers[best.layer];
        let tau = self.taus[best.at];
        let centre = self.x.iter().sum::<f64>() / self.x.len() as f64;
        let columns = [
            vec![1.0; y.len()],
            self.x.iter().map(|x| x - centre).collect(),
            self.x.iter().map(|x| (x - tau).max(0.0)).collect(),
        ];
        let weights: Vec<f64> = layer.root.iter().map(|r| r * r).collect();
        let theta = super::link::least_squares(&columns, y, &weights)?.theta;
        Some((theta[1], theta[1] + theta[2]))
    }

    /// The hull of the τ whose profile likelihood is within the 95% limit.
    fn breakpoint_interval(&self, y: &[f64], kinked: Best) -> (f64, f64) {
        const CHI2_95: f64 = 3.841_458_820_694_124;
        let mut profile = vec![f64::NEG_INFINITY; self.taus.len()];
        for layer in &self.layers {
            let mut z: Vec<f64> = y.iter().zip(&layer.root).map(|(y, r)| y * r).collect();
            remove(&mut z, &layer.ones);
            remove(&mut z, &layer.line);
            let rest = dot(&z, &z);
            for (value, hinge) in profile.iter_mut().zip(&layer.hinges) {
                if !hinge.is_empty() {
                    let gain = dot(&z, hinge).powi(2);
                    *value = value.max(layer.constant - 0.5 * (rest - gain).max(0.0));
                }
            }
        }
        let drop: Vec<f64> = profile
            .iter()
            .map(|value| 2.0 * (kinked.value - value))
            .collect();
        let tau = self.taus[kinked.at];
        let (Some(first), Some(last)) = (
            drop.iter().position(|d| *d <= CHI2_95),
            drop.iter().rposition(|d| *d <= CHI2_95),
        ) else {
            return (tau, tau);
        };
        // Between the last τ inside and the first outside, where the profile crosses the limit.
        let edge = |inside: usize, outside: Option<usize>| match outside {
            Some(outside) if drop[outside].is_finite() => {
                let share = (CHI2_95 - drop[inside]) / (drop[outside] - drop[inside]);
                self.taus[inside] + share.clamp(0.0, 1.0) * (self.taus[outside] - self.taus[inside])
            }
            _ => self.taus[inside],
        };
        (
            edge(first, first.checked_sub(1)),
            edge(last, Some(last + 1).filter(|i| *i < drop.len())),
        )
    }
}

/// Smooth shapes without a free scale, over a grid of their two parameters.
fn shapes(first: f64, last: f64) -> Vec<Shape> {
    let span = last - first;
    let mut out = Vec::with_capacity(2 * N_RATE * N_PLACE);
    // The gentlest changes by e^0.1 over the whole span.
    let gentlest = 0.1 / span;
    for i in 0..N_RATE {
        let rate = gentlest * (STEEPEST / gentlest).powf(i as f64 / (N_RATE - 1) as f64);
        for j in 0..N_PLACE {
            let place = first - 0.25 * span + 1.5 * span * j as f64 / (N_PLACE - 1) as f64;
            for kind in [SmoothLoss::PowerConstant, SmoothLoss::Plateau] {
                out.push(Shape { kind, rate, place });
            }
        }
    }
    out
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn normalise(v: &mut [f64]) {
    let length = dot(v, v).sqrt();
    if length > 0.0 {
        v.iter_mut().for_each(|v| *v /= length);
    }
}

/// Takes out of `v` what lies along the unit vector `axis`.
fn remove(v: &mut [f64], axis: &[f64]) {
    let along = dot(v, axis);
    for (v, a) in v.iter_mut().zip(axis) {
        *v -= along * a;
    }
}

/// The kink test of a graded loss with standard errors `se` along `x` (sorted, finite).
///
/// `onset` is where the all-or-nothing metric takes off: the power is that of seeing the slope
/// of ln loss halved before the middle of it, the slope after being the fitted one. A curve is
/// *seen as kinked* where AICc prefers the kinked curve by 2 or the bootstrap p is at most α.
/// A kink that is seen has no power. `None` for fewer than five scales, a loss that is not above 0, or an error that is not known.
#[must_use]
pub fn graded_kink(
    x: &[f64],
    loss: &[f64],
    se: &[f64],
    onset: Option<(f64, f64)>,
    config: &BendConfig,
) -> Option<GradedKink> {
    if loss.len() != x.len() || se.len() != x.len() || loss.iter().any(|m| *m <= 0.0) {
        return None;
    }
    let y: Vec<f64> = loss.iter().map(|m| m.ln()).collect();
    let variance: Vec<f64> = loss
        .iter()
        .zip(se)
        .map(|(m, se)| (se / m).powi(2))
        .collect();
    let bench = Bench::new(x, &y, &variance)?;
    let k = x.len();
    let fits = bench.fit(&y);
    let (kind, best) = fits.best_smooth(k);
    let statistic = fits.statistic();
    let excess = bench.excess(best);
    let smooth = bench.smooth_values(&y, kind, best);
    let simulate = |mean: &[f64], stream: u64, draw: u64| -> Fits {
        let mut rng = SplitMix64::stream(config.seed ^ stream, draw);
        let y: Vec<f64> = mean
            .iter()
            .zip(&variance)
            .map(|(m, v)| m + (v + excess).sqrt() * normal(&mut rng))
            .collect();
        bench.fit(&y)
    };
    let mut null: Vec<f64> = (0..u64::from(config.n_draws))
        .map(|draw| simulate(&smooth, 0, draw).statistic())
        .collect();
    let reached = null.iter().filter(|d| **d >= statistic - 1e-9).count() as u64;
    null.sort_by(f64::total_cmp);
    // The least D whose p is at most α.
    let allowed = (config.alpha * (1.0 + null.len() as f64)).floor() as usize;
    let critical = match allowed {
        0 => f64::INFINITY,
        _ => null
            .len()
            .checked_sub(allowed)
            .map_or(f64::INFINITY, |i| null[i]),
    };
    let p = monte_carlo_p(reached, u64::from(config.n_draws));
    // A kink that is seen needs no power.
    let is_seen = p <= config.alpha || fits.delta_aicc(k).is_some_and(|d| d >= PREFERRED);
    let turned = if is_seen {
        None
    } else {
        turned(&bench, &y, onset, excess)
    };
    let n_power = if turned.is_some() {
        config.n_power_draws
    } else {
        0
    };
    let seen = turned.map(|mean| {
        (0..u64::from(n_power))
            .filter(|draw| {
                let fits = simulate(&mean, 0x5851_f42d_4c95_7f2d, *draw);
                let preferred = fits.delta_aicc(k).is_some_and(|d| d >= PREFERRED);
                preferred || fits.statistic() > critical
            })
            .count() as u64
    });
    Some(GradedKink {
        n_points: k,
        smooth: kind,
        delta_aicc: fits.delta_aicc(k),
        statistic,
        p,
        n_draws: config.n_draws,
        breakpoint: bench.taus[fits.kinked.at],
        breakpoint_interval: bench.breakpoint_interval(&y, fits.kinked),
        slopes: bench.slopes(&y, fits.kinked)?,
        power: seen.map(|s| s as f64 / f64::from(n_power.max(1))),
        power_interval: seen.map(|s| clopper_pearson(s, u64::from(n_power), 0.025)),
        n_power_draws: n_power,
    })
}

/// The mean of ln loss with half the slope before the onset; `None` without an onset inside the
/// scales, or where the loss does not fall after it.
fn turned(bench: &Bench, y: &[f64], onset: Option<(f64, f64)>, excess: f64) -> Option<Vec<f64>> {
    let (low, high) = onset?;
    let tau = f64::midpoint(low, high);
    let (first, last) = (bench.x[0], bench.x[bench.x.len() - 1]);
    if !(tau > first && tau < last) {
        return None;
    }
    let slope = |from: usize| -> Option<f64> {
        let weights: Vec<f64> = bench.variance[from..]
            .iter()
            .map(|v| 1.0 / (v + excess))
            .collect();
        let x = bench.x[from..].to_vec();
        let columns = [vec![1.0; x.len()], x];
        Some(super::link::least_squares(&columns, &y[from..], &weights)?.theta[1])
    };
    // From the last scale before the onset on, where that is a slope at all.
    let from = bench.x.partition_point(|x| *x < low);
    let after = slope(from.min(y.len().saturating_sub(2)))
        .filter(|s| *s < 0.0)
        .or_else(|| slope(0).filter(|s| *s < 0.0))?;
    Some(
        bench
            .x
            .iter()
            .map(|x| {
                let share = if *x < tau { 1.0 - SLOPE_CHANGE } else { 1.0 };
                share * after * (x - tau)
            })
            .collect(),
    )
}

fn normal(rng: &mut SplitMix64) -> f64 {
    // The open interval: 0 has no quantile.
    norm_quantile((rng.uniform() + 0.5 / (1u64 << 53) as f64).min(1.0 - f64::EPSILON))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(f: impl Fn(f64) -> f64, k: u32, sd: f64, seed: u64) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let mut rng = SplitMix64::new(seed);
        let x: Vec<f64> = (0..k).map(|i| 18.0 + 0.4 * f64::from(i)).collect();
        let m: Vec<f64> = x
            .iter()
            .map(|&x| (f(x) + sd * normal(&mut rng)).exp())
            .collect();
        let se = m.iter().map(|m| m * sd).collect();
        (x, m, se)
    }

    fn quick(seed: u64) -> BendConfig {
        BendConfig {
            n_draws: 99,
            n_power_draws: 99,
            seed,
            alpha: 0.05,
        }
    }

    #[test]
    fn a_kink_is_found_where_it_is() {
        let (x, m, se) = draw(|x| 1.0 - 0.5 * (x - 21.0_f64).max(0.0), 16, 0.02, 1);
        let found = graded_kink(&x, &m, &se, Some((20.8, 21.2)), &quick(1)).expect("usable");
        assert!(
            found.p <= 0.01 && found.delta_aicc.expect("16 points") > 6.0,
            "{found:?}"
        );
        assert!((found.breakpoint - 21.0).abs() < 0.15);
        let (low, high) = found.breakpoint_interval;
        assert!(low <= 21.0 && high >= 20.9 && high - low < 0.5);
        assert!(found.slopes.0.abs() < 0.05 && (found.slopes.1 + 0.5).abs() < 0.05);
        assert_eq!(found.power, None, "what is seen needs no power");
    }

    #[test]
    fn smooth_curves_are_not_kinks() {
        let curves: [&dyn Fn(f64) -> f64; 4] = [
            &|x| 3.0 - 0.12 * x,
            &|x| (10.0_f64.powf(-0.5 * (x - 19.0)) + 0.3).ln(),
            &|x| -(1.0 + (1.5 * (x - 21.0)).exp()).ln(),
            &|x| -0.05 * (x - 18.0).powi(2),
        ];
        for (i, curve) in curves.into_iter().enumerate() {
            let mut rejected = 0;
            for seed in 0..20 {
                let (x, m, se) = draw(curve, 14, 0.02, seed);
                let found = graded_kink(&x, &m, &se, None, &quick(seed)).expect("usable");
                rejected += u32::from(found.p <= 0.05);
                assert_eq!(found.power, None);
            }
            assert!(rejected <= 4, "curve {i}: {rejected} of 20");
        }
    }

    #[test]
    fn noise_takes_the_power_away() {
        let line = |x: f64| 3.0 - 0.2 * x;
        let power = |sd: f64| {
            let (x, m, se) = draw(line, 12, sd, 5);
            let found = graded_kink(&x, &m, &se, Some((20.0, 20.4)), &quick(3)).expect("usable");
            found.power.expect("an onset")
        };
        assert!(power(0.005) > 0.9 && power(0.2) < 0.4);
    }

    #[test]
    fn the_same_seed_gives_the_same_bits_and_unknown_errors_nothing() {
        let (x, m, se) = draw(|x| 3.0 - 0.2 * x, 10, 0.02, 9);
        let run = || graded_kink(&x, &m, &se, Some((19.0, 19.4)), &quick(3));
        assert_eq!(run(), run());
        assert!(graded_kink(&x, &m, &[0.0; 10], None, &quick(0)).is_none());
        assert!(graded_kink(&x[..4], &m[..4], &se[..4], None, &quick(0)).is_none());
        assert!(graded_kink(&x, &m[..9], &se, None, &quick(0)).is_none());
    }
}
