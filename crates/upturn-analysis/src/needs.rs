//! What would decide a curve that the data leave undecided.

use upturn_stats::resolution::resolution;
use upturn_types::{Axis, Need, Reason, Resolution, Shape, Threshold};

/// Power at which a number of items is called enough.
const POWER: f64 = 0.8;

/// What [`needs`] reasons from.
#[derive(Debug)]
pub struct Situation<'a> {
    /// Shape.
    pub shape: Shape,
    /// Reason.
    pub reason: Option<Reason>,
    /// Axis.
    pub axis: Axis,
    /// Distinct scales.
    pub n_scales: usize,
    /// Raw scale of the smallest and largest model on the axis.
    pub ends: Option<(f64, f64)>,
    /// What n can show.
    pub resolution: Option<&'a Resolution>,
    /// Smallest n.
    pub n: Option<u64>,
    /// Chance and near-random margin, in score.
    pub chance: Option<(f64, f64)>,
    /// Certified onset.
    pub threshold: Option<&'a Threshold>,
    /// Whether some model lies strictly inside the threshold interval.
    pub model_inside: bool,
    /// Level.
    pub alpha: f64,
}

/// A threshold interval wider than this (decades, or nats of loss) leaves room for a model.
pub const WIDE: f64 = 0.5;

/// What would decide the curve, most useful first; empty where nothing is open.
#[must_use]
pub fn needs(at: &Situation<'_>) -> Vec<Need> {
    let mut needs = Vec::new();
    match (at.shape, at.reason) {
        (Shape::InsufficientData, Some(reason)) => match reason {
            Reason::NUnknown => needs.push(Need::ReportN),
            Reason::ChanceUnknown => needs.push(Need::StateChance),
            Reason::ScaleUnknown => needs.push(Need::StateScale),
            Reason::BelowChance => needs.push(Need::InspectAnswers),
            Reason::TooFewScales => {
                needs.push(Need::MoreScales {
                    now: at.n_scales,
                    needed: 4,
                });
                needs.extend(between(at));
                needs.extend(items(at));
            }
            Reason::SpanTooShort | Reason::OnsetNotSubstantial => needs.extend(larger(at)),
            Reason::PlateauTooShort => needs.extend(smaller(at)),
            Reason::NTooSmall => needs.extend(items(at)),
            Reason::PlateauUnresolved => {
                needs.extend(smaller(at));
                needs.extend(items(at));
            }
            Reason::Unresolved => {
                needs.extend(items(at));
                if needs.is_empty() {
                    needs.extend(larger(at));
                }
            }
            Reason::NoFloor | Reason::RandomThroughout | Reason::Composite => {}
        },
        (Shape::WeakOnset, _) => needs.extend(larger(at)),
        (Shape::Emergent, _) => needs.extend(between(at).or_else(|| undecided_inside(at))),
        (Shape::Flat, Some(Reason::RandomThroughout)) => needs.extend(larger(at)),
        _ => {}
    }
    needs
}

fn between(at: &Situation<'_>) -> Option<Need> {
    if at.model_inside {
        return None;
    }
    let threshold = at.threshold?;
    let (lower, upper) = (threshold.lower?, threshold.upper?);
    (lower.is_finite() && upper - lower > WIDE).then(|| Need::ModelBetween {
        lower: at.axis.raw(lower),
        upper: at.axis.raw(upper),
        axis: at.axis,
    })
}

/// More items, where models inside a wide threshold interval are measured but not decided.
fn undecided_inside(at: &Situation<'_>) -> Option<Need> {
    let threshold = at.threshold?;
    let wide = threshold.upper? - threshold.lower? > WIDE;
    (wide && at.model_inside).then(|| items(at)).flatten()
}

fn larger(at: &Situation<'_>) -> Option<Need> {
    at.ends.map(|(_, than)| Need::LargerModel {
        than,
        axis: at.axis,
    })
}

fn smaller(at: &Situation<'_>) -> Option<Need> {
    at.ends.map(|(than, _)| Need::SmallerModel {
        than,
        axis: at.axis,
    })
}

/// More items, where certifying a model at chance needs more than there are.
fn items(at: &Situation<'_>) -> Option<Need> {
    let needed = match at.resolution {
        Some(resolution) => resolution.n_to_certify_chance?,
        None => {
            let (chance, delta) = at.chance?;
            let planned = resolution(1, chance, delta, 1.0, at.alpha, POWER);
            planned.n_to_certify_chance?
        }
    };
    at.n.is_none_or(|now| now < needed)
        .then(|| Need::MoreItems {
            now: at.n,
            needed,
            purpose: "to certify a model at chance as near-random".into(),
        })
}
