//! The directions in which a curve is read: across finished models, along one model's training.

use std::collections::BTreeMap;

use upturn_types::{AnalysisConfig, Axis, Curve, Text, View};

/// One reading of a curve: which points, in which order, on which axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Direction.
    pub view: View,
    /// Axis; params where compute is unknown for the family.
    pub axis: Axis,
    /// Whether `axis` is not the one asked for.
    pub fallback: bool,
    /// Points read, as (index in the curve, coordinate), in order of scale. Along
    /// training the coordinate is that of the step, −∞ at step 0.
    pub points: Vec<(usize, f64)>,
    /// Points set aside, as (index in the curve, why).
    pub left_out: Vec<(usize, Text)>,
    /// Smallest and largest last step, where the members' differ.
    pub unequal_steps: Option<(u64, u64)>,
}

/// Distinct checkpoints from which a training run is worth reading.
const MIN_CHECKPOINTS: usize = 3;

/// The readings of a curve.
///
/// Across models each one stands with its finished state (no step, else the last
/// step). A single model with a trajectory has no reading across.
#[must_use]
pub fn views(curve: &Curve, config: &AnalysisConfig) -> Vec<Reading> {
    let mut by_model: BTreeMap<&Text, Vec<usize>> = BTreeMap::new();
    for (i, point) in curve.points.iter().enumerate() {
        by_model.entry(&point.model).or_default().push(i);
    }
    let training: Vec<Reading> = by_model
        .iter()
        .filter_map(|(model, points)| along_training(curve, model, points, config.axis))
        .collect();
    let mut readings = Vec::with_capacity(training.len() + 1);
    if by_model.len() > 1 || training.is_empty() {
        readings.push(across(curve, &by_model, config.axis));
    }
    readings.extend(training);
    readings
}

fn across(curve: &Curve, by_model: &BTreeMap<&Text, Vec<usize>>, asked: Axis) -> Reading {
    let finished: Vec<usize> = by_model
        .values()
        .filter_map(|points| {
            points.iter().copied().max_by_key(|&i| {
                let step = curve.points[i].checkpoint_step;
                (step.is_none(), step)
            })
        })
        .collect();
    let last_steps: Vec<u64> = finished
        .iter()
        .filter_map(|&i| curve.points[i].checkpoint_step)
        .collect();
    let unequal_steps = match (last_steps.iter().min(), last_steps.iter().max()) {
        (Some(&low), Some(&high)) if low < high => Some((low, high)),
        _ => None,
    };
    let placed = |axis: Axis| -> Vec<(usize, f64)> {
        finished
            .iter()
            .filter(|&&i| curve.points[i].left_out.is_none())
            .filter_map(|&i| Some((i, axis.coordinate(curve.points[i].scale.on(axis)?)?)))
            .collect()
    };
    let (axis, points) = match placed(asked) {
        // Too little compute is known for a verdict: read the family by parameters
        // where that shows more of it.
        points if asked == Axis::Flops && distinct(&points) < 4 => {
            let by_params = placed(Axis::Params);
            if by_params.len() > points.len() && distinct(&by_params) > distinct(&points) {
                (Axis::Params, by_params)
            } else {
                (asked, points)
            }
        }
        points => (asked, points),
    };
    let left_out = finished
        .iter()
        .filter(|&&i| points.iter().all(|&(j, _)| i != j))
        .map(|&i| {
            let why = curve.points[i].left_out.clone();
            (
                i,
                why.unwrap_or_else(|| format!("{} unknown", axis.name()).into()),
            )
        })
        .collect();
    Reading {
        view: View::Across,
        axis,
        fallback: axis != asked,
        points: in_order(curve, points),
        left_out,
        unequal_steps,
    }
}

fn along_training(curve: &Curve, model: &Text, points: &[usize], axis: Axis) -> Option<Reading> {
    let points: Vec<(usize, f64)> = points
        .iter()
        .filter_map(|&i| {
            let step = curve.points[i].checkpoint_step?;
            if curve.points[i].left_out.is_some() {
                return None;
            }
            Some((
                i,
                if step == 0 {
                    f64::NEG_INFINITY
                } else {
                    (step as f64).log10()
                },
            ))
        })
        .collect();
    (distinct(&points) >= MIN_CHECKPOINTS).then(|| Reading {
        view: View::Training(model.clone()),
        axis,
        fallback: false,
        points: in_order(curve, points),
        left_out: Vec::new(),
        unequal_steps: None,
    })
}

/// Sorts by coordinate, then model name: the order of every test and table.
fn in_order(curve: &Curve, mut points: Vec<(usize, f64)>) -> Vec<(usize, f64)> {
    points.sort_by(|a, b| {
        a.1.total_cmp(&b.1)
            .then_with(|| curve.points[a.0].model.cmp(&curve.points[b.0].model))
    });
    points
}

fn distinct(points: &[(usize, f64)]) -> usize {
    let mut x: Vec<f64> = points.iter().map(|p| p.1).collect();
    x.sort_by(f64::total_cmp);
    x.dedup();
    x.len()
}
