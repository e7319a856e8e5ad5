//! Tasks that no measured model is certified to have, and what scale would be needed.

use upturn_stats::across::{NoExtrapolation, extrapolate};
use upturn_stats::dist::norm_sf;
use upturn_stats::resolution::detectable;
use upturn_stats::trend::cochran_armitage;
use upturn_types::{
    AnalysisConfig, Axis, Curve, Interval, Label, NobodyYet, ScaleNeeded, Text, Verdict,
};

use crate::settings::{by_id, tested};

/// Power with which the wanted score is detected.
const POWER: f64 = 0.8;
/// Level of the interval of the extrapolated scale.
const CONFIDENCE: f64 = 0.9;
/// Farthest beyond the largest model that an extrapolation is given, in units of the axis.
const BEYOND_MAX: f64 = 2.0;

/// Tasks of which at least one model is certified near chance and none above, in order of name.
pub(super) fn find(
    verdicts: &[&Verdict],
    curves: &[Curve],
    config: &AnalysisConfig,
) -> Vec<NobodyYet> {
    let curves = by_id(curves);
    let name_of = |v: &Verdict, point: usize| -> Option<Text> {
        let point = curves.get(&v.curve)?.points.get(point)?;
        Some(point.model.clone())
    };
    tested(verdicts.iter().copied())
        .into_iter()
        .filter_map(|(setting, verdicts)| {
            let points = || verdicts.iter().flat_map(|v| &v.points);
            let n_near = points().filter(|p| p.label == Label::Near).count();
            if n_near == 0 || points().any(|p| p.label == Label::Above) {
                return None;
            }
            let axis = if verdicts.iter().any(|v| v.axis == config.axis) {
                config.axis
            } else {
                verdicts[0].axis
            };
            let here: Vec<&&Verdict> = verdicts.iter().filter(|v| v.axis == axis).collect();
            let largest_near = here
                .iter()
                .flat_map(|v| v.points.iter().map(move |p| (v, p)))
                .filter(|(_, p)| p.label == Label::Near)
                .filter_map(|(v, p)| Some((name_of(v, p.point)?, p.x?)))
                .max_by(|a, b| a.1.total_cmp(&b.1));
            let reach = |v: &Verdict| {
                v.points
                    .iter()
                    .filter_map(|p| p.x)
                    .fold(f64::NEG_INFINITY, f64::max)
            };
            let family = here.iter().max_by(|a, b| reach(a).total_cmp(&reach(b)));
            let said = family.map_or_else(
                || Said::nothing("no model has a known scale"),
                |v| needed(v, axis, config.alpha),
            );
            Some(NobodyYet {
                setting,
                n_families: verdicts.len(),
                n_models: points().count(),
                n_near,
                axis,
                largest_near,
                family: family.map(|v| v.key.family.clone()),
                detectable: said.detectable,
                n: said.n,
                trend_p: said.trend_p,
                needed: said.needed,
            })
        })
        .collect()
}

struct Said {
    detectable: Option<f64>,
    n: Option<u64>,
    trend_p: Option<f64>,
    needed: ScaleNeeded,
}

impl Said {
    fn nothing(why: &str) -> Said {
        Said {
            detectable: None,
            n: None,
            trend_p: None,
            needed: ScaleNeeded::CannotBeSaid { why: why.into() },
        }
    }
}

fn needed(verdict: &Verdict, axis: Axis, alpha: f64) -> Said {
    let counted: Vec<(f64, u64, u64)> = verdict
        .points
        .iter()
        .filter_map(|p| Some((p.x?, p.k?, p.n?)))
        .collect();
    let (Some(chance), Some(ceiling), Some(margin)) =
        (verdict.chance, verdict.ceiling, verdict.near_margin)
    else {
        return Said::nothing("chance is unknown");
    };
    let Some(n) = counted.iter().map(|c| c.2).min() else {
        return Said::nothing("scores are not counts of right answers");
    };
    let wanted = detectable(n, chance + margin, alpha, POWER).filter(|w| *w < ceiling);
    let x: Vec<f64> = counted.iter().map(|c| c.0).collect();
    let k: Vec<u64> = counted.iter().map(|c| c.1).collect();
    let items: Vec<u64> = counted.iter().map(|c| c.2).collect();
    let trend_p = cochran_armitage(&x, &k, &items).map(norm_sf);
    let cannot = |why: String| Said {
        detectable: wanted,
        n: Some(n),
        trend_p,
        needed: ScaleNeeded::CannotBeSaid { why: why.into() },
    };
    let Some(target) = wanted else {
        return cannot(format!("{n} items certify no score"));
    };
    let last = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let bounds = (chance, ceiling);
    match extrapolate(&x, &k, &items, bounds, target, alpha, CONFIDENCE) {
        Err(NoExtrapolation::TooFewScales) => {
            cannot("fewer than four scales with counted outcomes".to_owned())
        }
        Err(NoExtrapolation::NoTrend) => cannot("scores do not rise with scale".to_owned()),
        Err(NoExtrapolation::AlreadyThere) => {
            cannot("the fitted curve is there already: more items would decide it".to_owned())
        }
        Ok(found) => match found.upper {
            None => cannot(format!(
                "scores rise, but too slowly for an upper limit ({} is the lower one)",
                shown(axis, found.lower)
            )),
            Some(upper) if upper - last > BEYOND_MAX => cannot(format!(
                "scores rise, but the interval ({} to {}) goes further than {BEYOND_MAX} decades beyond the largest model",
                shown(axis, found.lower),
                shown(axis, upper)
            )),
            Some(upper) => Said {
                detectable: wanted,
                n: Some(n),
                trend_p,
                needed: ScaleNeeded::Extrapolated {
                    at: found.at,
                    interval: Interval {
                        lower: Some(found.lower),
                        upper: Some(upper),
                        confidence_level: CONFIDENCE,
                    },
                    beyond: found.at - last,
                },
            },
        },
    }
}

fn shown(axis: Axis, x: f64) -> String {
    match axis {
        Axis::Loss => format!("{:.3}", axis.raw(x)),
        _ => format!("{:.1e}", axis.raw(x)),
    }
}
