//! Pointwise confidence bands of fitted curves, for drawing.

use upturn_types::{CurveComparison, CurveModel};

use super::breakpoint::is_degenerate;
use super::compare::{family_of, pearson_phi, restore};
use super::likelihood::{Family, Spread, term};
use super::models::{Link, features, probability};
use super::points::Points;
use crate::Series;

/// Pointwise band of a fitted curve at `xs`: (lower, upper) of the score.
///
/// The delta method on the linear predictor η: η ± z·se with se² = f'·V·f, V the inverse
/// information of the coefficients and, for the hinges, of τ where it is identified
/// (times φ̂ for the binomial); then through the link, so that the band stays within
/// [c, u]. The step's τ is taken as known. `level` is the two-sided confidence level.
///
/// Empty when the model was not fitted or `level` is outside (0, 1). Where the
/// information is singular the band is the whole range.
#[must_use]
pub fn band(
    series: &Series,
    comparison: &CurveComparison,
    model: CurveModel,
    xs: &[f64],
    level: f64,
) -> Vec<(f64, f64)> {
    let Some((points, family)) = Points::new(series).zip(family_of(comparison)) else {
        return Vec::new();
    };
    let Some(fit) = comparison.fit(model).filter(|_| level > 0.0 && level < 1.0) else {
        return Vec::new();
    };
    let curve = restore(&points, family, fit);
    let link = Link::of(model);
    let [a, b] = curve.coefficients;
    // Gradient of η in (level, slope, τ).
    let gradient = |x: f64| {
        let f = features(model, curve.tau, points.x_mean, x);
        let beyond = if x > curve.tau { -b } else { 0.0 };
        [
            f[0],
            f[1],
            if matches!(model, CurveModel::Hinge | CurveModel::Yhinge) {
                beyond
            } else {
                0.0
            },
        ]
    };
    let eta = |x: f64| {
        let f = features(model, curve.tau, points.x_mean, x);
        a * f[0] + b * f[1]
    };
    let mut info = [[0.0; 3]; 3];
    let mut spread = Spread::new(curve.dispersion);
    for (i, &x) in points.x.iter().enumerate() {
        let response = link.response(eta(x));
        let pq = probability(&response, points.chance, points.ceiling);
        let slope = points.range() * response.d1;
        let weight = term(family, &points, i, pq, &mut spread).info_p * slope * slope;
        let g = gradient(x);
        for p in 0..3 {
            for q in 0..3 {
                info[p][q] += weight * g[p] * g[q];
            }
        }
    }
    let kinked =
        matches!(model, CurveModel::Hinge | CurveModel::Yhinge) && !is_degenerate(&points, &curve);
    let sloped = model != CurveModel::Const;
    let phi = if family == Family::Binomial {
        pearson_phi(&points, &curve)
    } else {
        1.0
    };
    let z = crate::dist::norm_quantile(0.5 + 0.5 * level);
    let (chance, ceiling) = (points.chance, points.ceiling);
    xs.iter()
        .map(|&x| {
            let g = gradient(x);
            let variance = variance_of(&info, &g, [true, sloped, kinked]);
            let reach = z * (phi * variance).sqrt();
            if !reach.is_finite() {
                return (chance, ceiling);
            }
            let score = |eta: f64| {
                let g = link.response(eta).g.clamp(0.0, 1.0);
                chance + (ceiling - chance) * g
            };
            (score(eta(x) - reach), score(eta(x) + reach))
        })
        .collect()
}

/// g'·V·g, with τ taken as known when the information of all is singular.
fn variance_of(info: &[[f64; 3]; 3], g: &[f64; 3], active: [bool; 3]) -> f64 {
    let solve = |active| super::glm::solve_spd(info, g, active);
    solve(active)
        .or_else(|| solve([active[0], active[1], false]))
        .map_or(f64::INFINITY, |v| (0..3).map(|p| v[p] * g[p]).sum())
}
