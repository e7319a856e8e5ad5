//! Predictive log scores: what a fit without some models says about those models.

use upturn_types::CurveModel;

use super::compare::{FitConfig, fit_all};
use super::likelihood::{Family, Spread, term};
use super::models::fitted;
use super::points::Points;
use super::search::{self, Curve, Effort};
use crate::Series;

/// Σ ℓ_i(θ̂ without i's group) for each model, groups given by a label for each point of
/// the series (a family, say), in the order of the models' table.
///
/// Points that a fit cannot use are passed over with their labels. A model that cannot be
/// fitted without some group is absent. `None` as for [`compare`](super::compare), or when
/// the labels are not as many as the points.
#[must_use]
pub fn leave_groups_out(
    series: &Series,
    groups: &[usize],
    config: &FitConfig,
) -> Option<Vec<(CurveModel, f64)>> {
    if groups.len() != series.len() {
        return None;
    }
    let points = Points::new(series)?;
    let usable = Points::usable(series);
    let labels: Vec<usize> = usable.into_iter().map(|i| groups[i]).collect();
    let mut distinct = labels.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let folds: Vec<Vec<bool>> = distinct
        .iter()
        .map(|group| labels.iter().map(|label| label == group).collect())
        .collect();
    let (family, curves, _) = fit_all(&points, config);
    Some(scores(&points, family, &curves, &folds))
}

/// Σ ℓ_i of the models at the largest scale, from the fits without them: the harshest
/// test, since it extrapolates. `None` and absent models as for [`leave_groups_out`].
#[must_use]
pub fn leave_largest_out(series: &Series, config: &FitConfig) -> Option<Vec<(CurveModel, f64)>> {
    let points = Points::new(series)?;
    let largest = points.scales[points.scales.len() - 1];
    let fold = points.x.iter().map(|&x| x == largest).collect();
    let (family, curves, _) = fit_all(&points, config);
    Some(scores(&points, family, &curves, &[fold]))
}

/// All models at one scale left out at a time.
pub(crate) fn one_scale(
    points: &Points,
    family: Family,
    curves: &[Curve],
) -> Vec<(CurveModel, f64)> {
    let folds: Vec<Vec<bool>> = points
        .scales
        .iter()
        .map(|&scale| points.x.iter().map(|&x| x == scale).collect())
        .collect();
    scores(points, family, curves, &folds)
}

fn scores(
    points: &Points,
    family: Family,
    curves: &[Curve],
    folds: &[Vec<bool>],
) -> Vec<(CurveModel, f64)> {
    curves
        .iter()
        .filter_map(|curve| {
            let mut total = 0.0;
            for fold in folds {
                total += fold_score(points, family, curve, fold)?;
            }
            Some((curve.model, total))
        })
        .collect()
}

fn fold_score(points: &Points, family: Family, curve: &Curve, left_out: &[bool]) -> Option<f64> {
    let rest = points.without(|i| left_out[i]);
    if rest.len() < curve.theta().len() || rest.scales.is_empty() {
        return None;
    }
    let refitted = search::fit(&rest, family, curve.model, Effort::Near(*curve))?;
    let curve_at = fitted(points, curve.model, &refitted.theta());
    let mut spread = Spread::new(refitted.dispersion);
    Some(
        (0..points.len())
            .filter(|&i| left_out[i])
            .map(|i| term(family, points, i, curve_at[i], &mut spread).value)
            .sum(),
    )
}
