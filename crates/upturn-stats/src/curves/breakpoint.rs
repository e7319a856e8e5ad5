//! The breakpoint of the hinge with its profile-likelihood interval.

use upturn_types::{BreakpointInterval, CurveComparison, CurveModel, Interval};

use super::compare::{family_of, pearson_phi, restore};
use super::likelihood::Family;
use super::points::Points;
use super::search::{Curve, N_GRID, Profile};
use crate::Series;

/// 95% quantile of χ² with one degree of freedom.
const CHI2_95: f64 = 3.841_459;

/// Profile interval of the hinge's τ: the hull of the breakpoints whose profile
/// likelihood, with every other parameter refitted, is within 3.841459·φ̂/2 of the best.
///
/// 200 values between the second and the last but one scale are tried and the ends are
/// refined to 1e-7; an end that lies beyond that range is unbounded. φ̂ is the Pearson
/// overdispersion of the hinge for the binomial and 1 otherwise, where the likelihood
/// has its own dispersion. When the hinge degenerates (τ̂ at or below the second scale, or
/// no rise after it) it is a logistic, and only the upper end says anything: τ̂ is not
/// identified and the lower end is unbounded.
///
/// `None` without a hinge fit or with fewer than four scales.
#[must_use]
pub fn breakpoint_interval(
    series: &Series,
    comparison: &CurveComparison,
) -> Option<BreakpointInterval> {
    let points = Points::new(series)?;
    let family = family_of(comparison)?;
    let hinge = restore(&points, family, comparison.fit(CurveModel::Hinge)?);
    let scales = &points.scales;
    if scales.len() < 4 {
        return None;
    }
    let (low, high) = (scales[1], scales[scales.len() - 2]);
    let phi = match family {
        Family::Binomial => pearson_phi(&points, &hinge),
        Family::BetaBinomial | Family::Gaussian => 1.0,
    };
    let degenerate = is_degenerate(&points, &hinge);
    let depth = 0.5 * CHI2_95 * phi;
    let mut excess = Excess {
        profile: Profile::new(&points, family, CurveModel::Hinge),
        floor: hinge.value - depth,
        start: hinge.start(),
    };
    let mut grid: Vec<(f64, f64)> = (0..N_GRID)
        .map(|i| {
            let tau = low + (high - low) * i as f64 / (N_GRID - 1) as f64;
            (tau, excess.at(tau))
        })
        .collect();
    if hinge.tau > low && hinge.tau < high {
        let at = grid.partition_point(|(tau, _)| *tau < hinge.tau);
        grid.insert(at, (hinge.tau, depth));
    }
    let inside = |(_, value): &(f64, f64)| *value >= 0.0;
    let first = grid.iter().position(inside);
    let last = grid.iter().rposition(inside);
    let lower = match first {
        Some(i) if i > 0 => Some(excess.root(grid[i - 1], grid[i])),
        _ => None,
    };
    let upper = match last {
        Some(i) if i + 1 < grid.len() => Some(excess.root(grid[i + 1], grid[i])),
        // Nothing inside: the interval ends before the grid begins.
        None if hinge.tau <= low => Some(low),
        _ => None,
    };
    Some(BreakpointInterval {
        tau: hinge.tau,
        interval: Interval {
            lower: if degenerate { None } else { lower },
            upper,
            confidence_level: 0.95,
        },
        degenerate,
    })
}

/// Whether a hinge is a logistic in disguise: τ̂ not above the second scale, or no rise.
pub(crate) fn is_degenerate(points: &Points, hinge: &Curve) -> bool {
    let second = points.scales.get(1).copied().unwrap_or(f64::INFINITY);
    !(hinge.tau > second && hinge.coefficients[1] > 0.0)
}

/// Profile likelihood above the limit: positive inside the interval.
struct Excess<'a> {
    profile: Profile<'a>,
    floor: f64,
    start: [f64; 3],
}

impl Excess<'_> {
    fn at(&mut self, tau: f64) -> f64 {
        let start = self.start;
        let optimum = self.profile.at(tau, &[start]);
        self.start = optimum.theta;
        optimum.value - self.floor
    }

    /// The limit between a breakpoint outside and one inside, to 1e-7: secants kept off the
    /// ends of the bracket, so that it shrinks whatever the shape.
    fn root(&mut self, (mut out, mut f_out): (f64, f64), (mut inn, mut f_in): (f64, f64)) -> f64 {
        for _ in 0..100 {
            if (out - inn).abs() <= 1e-8 {
                break;
            }
            let secant = (out * f_in - inn * f_out) / (f_in - f_out);
            let (low, high) = if out < inn { (out, inn) } else { (inn, out) };
            let width = high - low;
            let tau = secant.clamp(low + 0.05 * width, high - 0.05 * width);
            let value = self.at(tau);
            if value >= 0.0 {
                (inn, f_in) = (tau, value);
            } else {
                (out, f_out) = (tau, value);
            }
        }
        0.5 * (out + inn)
    }
}
