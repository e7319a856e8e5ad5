//! The columns of a table of verdicts, with caveats and needs in words.
//!
//! Columns that end in `_x` are coordinates of the verdict's axis: log10 of a count,
//! or minus the loss. The others are in the units of their names, on every axis known.

use std::borrow::Cow;

use upturn_types::{
    Axis, Caveat, CurveModel, KinkVerdict, Known, Need, Reason, Shape, SharpnessClass, Verdict,
    View,
};

use crate::table::{Cell, Column, Kind};

/// Columns of a verdict.
pub(crate) const COLUMNS: &[Column<Verdict>] = &[
    Column::new("curve", Kind::Text, false, |v| Cell::text(&v.curve.0)),
    Column::new("family", Kind::Text, false, |v| Cell::text(&v.key.family)),
    Column::new("tuning", Kind::Text, true, |v| {
        Cell::maybe(v.key.tuning.as_ref())
    }),
    Column::new("task", Kind::Text, false, |v| Cell::text(&v.key.task)),
    Column::new("subset", Kind::Text, true, |v| {
        Cell::maybe(v.key.subset.as_ref())
    }),
    Column::new("split", Kind::Text, true, |v| {
        Cell::maybe(v.key.split.as_ref())
    }),
    Column::new("method", Kind::Text, false, |v| Cell::text(&v.key.method)),
    Column::new("shots", Kind::U32, true, |v| Cell::U32(v.key.shots)),
    Column::new("filter", Kind::Text, true, |v| {
        Cell::maybe(v.key.filter.as_ref())
    }),
    Column::new("metric", Kind::Text, false, |v| Cell::text(&v.key.metric)),
    Column::new("source", Kind::Text, false, |v| Cell::text(&v.key.source)),
    Column::new("view", Kind::Text, false, |v| {
        Cell::text(view_name(&v.view))
    }),
    Column::new("view_model", Kind::Text, true, |v| {
        Cell::maybe(view_model(&v.view))
    }),
    Column::new("axis", Kind::Text, false, |v| Cell::text(v.axis.name())),
    Column::new("shape", Kind::Text, false, |v| Cell::text(v.shape.name())),
    Column::new("reason", Kind::Text, true, |v| {
        word(v.reason.map(Reason::name))
    }),
    Column::new("candidate", Kind::Text, true, |v| {
        word(v.candidate.map(Shape::name))
    }),
    Column::new("attributes", Kind::Texts, false, |v| {
        Cell::Texts(v.attributes.iter().map(|a| a.name().into()).collect())
    }),
    Column::new("n_models", Kind::U64, false, |v| Cell::count(v.n_models)),
    Column::new("n_scales", Kind::U64, false, |v| Cell::count(v.n_scales)),
    Column::new("n_items_min", Kind::U64, true, |v| {
        Cell::U64(v.n_items.map(|n| n.0))
    }),
    Column::new("n_items_max", Kind::U64, true, |v| {
        Cell::U64(v.n_items.map(|n| n.1))
    }),
    Column::new("chance", Kind::F64, true, |v| Cell::F64(v.chance)),
    Column::new("ceiling", Kind::F64, true, |v| Cell::F64(v.ceiling)),
    Column::new("near_margin", Kind::F64, true, |v| Cell::F64(v.near_margin)),
    Column::new("substantial_margin", Kind::F64, true, |v| {
        Cell::F64(v.substantial_margin)
    }),
    Column::new("alpha", Kind::F64, false, |v| Cell::F64(Some(v.alpha))),
    Column::new("n_near", Kind::U64, true, |v| {
        Cell::U64(v.threshold.as_ref().map(|t| t.n_near as u64))
    }),
    Column::new("n_above", Kind::U64, true, |v| {
        Cell::U64(v.threshold.as_ref().map(|t| t.n_above as u64))
    }),
    Column::new("threshold_confidence_level", Kind::F64, true, |v| {
        Cell::F64(v.threshold.as_ref().map(|t| t.confidence_level))
    }),
    Column::new("threshold_lower_x", Kind::F64, true, |v| {
        Cell::F64(v.threshold.as_ref().and_then(|t| t.lower))
    }),
    Column::new("threshold_upper_x", Kind::F64, true, |v| {
        Cell::F64(v.threshold.as_ref().and_then(|t| t.upper))
    }),
    Column::new("threshold_point_x", Kind::F64, true, |v| {
        Cell::F64(v.threshold.as_ref().and_then(|t| t.point))
    }),
    Column::new("threshold_lower_flops", Kind::F64, true, |v| {
        Cell::F64(v.threshold.as_ref().and_then(|t| t.lower_scale.flops))
    }),
    Column::new("threshold_lower_params", Kind::F64, true, |v| {
        Cell::F64(v.threshold.as_ref().and_then(|t| t.lower_scale.params))
    }),
    Column::new("threshold_lower_tokens", Kind::F64, true, |v| {
        Cell::F64(v.threshold.as_ref().and_then(|t| t.lower_scale.tokens))
    }),
    Column::new("threshold_lower_train_loss_nats", Kind::F64, true, |v| {
        Cell::F64(
            v.threshold
                .as_ref()
                .and_then(|t| t.lower_scale.train_loss_nats),
        )
    }),
    Column::new("threshold_lower_step", Kind::U64, true, |v| {
        Cell::U64(v.threshold.as_ref().and_then(|t| t.lower_step))
    }),
    Column::new("threshold_lower_model", Kind::Text, true, |v| {
        Cell::maybe(v.threshold.as_ref().and_then(|t| t.lower_model.as_ref()))
    }),
    Column::new("threshold_upper_flops", Kind::F64, true, |v| {
        Cell::F64(v.threshold.as_ref().and_then(|t| t.upper_scale.flops))
    }),
    Column::new("threshold_upper_params", Kind::F64, true, |v| {
        Cell::F64(v.threshold.as_ref().and_then(|t| t.upper_scale.params))
    }),
    Column::new("threshold_upper_tokens", Kind::F64, true, |v| {
        Cell::F64(v.threshold.as_ref().and_then(|t| t.upper_scale.tokens))
    }),
    Column::new("threshold_upper_train_loss_nats", Kind::F64, true, |v| {
        Cell::F64(
            v.threshold
                .as_ref()
                .and_then(|t| t.upper_scale.train_loss_nats),
        )
    }),
    Column::new("threshold_upper_step", Kind::U64, true, |v| {
        Cell::U64(v.threshold.as_ref().and_then(|t| t.upper_step))
    }),
    Column::new("threshold_upper_model", Kind::Text, true, |v| {
        Cell::maybe(v.threshold.as_ref().and_then(|t| t.upper_model.as_ref()))
    }),
    Column::new("before_model", Kind::Text, true, |v| {
        Cell::maybe(v.before.as_ref().map(|s| &s.model))
    }),
    Column::new("before_step", Kind::U64, true, |v| {
        Cell::U64(v.before.as_ref().and_then(|s| s.checkpoint_step))
    }),
    Column::new("before_score", Kind::F64, true, |v| {
        Cell::F64(v.before.as_ref().map(|s| s.score))
    }),
    Column::new("before_n", Kind::U64, true, |v| {
        Cell::U64(v.before.as_ref().and_then(|s| s.n))
    }),
    Column::new("before_score_lower", Kind::F64, true, |v| {
        Cell::F64(
            v.before
                .as_ref()
                .and_then(|s| s.interval)
                .and_then(|i| i.lower),
        )
    }),
    Column::new("before_score_upper", Kind::F64, true, |v| {
        Cell::F64(
            v.before
                .as_ref()
                .and_then(|s| s.interval)
                .and_then(|i| i.upper),
        )
    }),
    Column::new("after_model", Kind::Text, true, |v| {
        Cell::maybe(v.after.as_ref().map(|s| &s.model))
    }),
    Column::new("after_step", Kind::U64, true, |v| {
        Cell::U64(v.after.as_ref().and_then(|s| s.checkpoint_step))
    }),
    Column::new("after_score", Kind::F64, true, |v| {
        Cell::F64(v.after.as_ref().map(|s| s.score))
    }),
    Column::new("after_n", Kind::U64, true, |v| {
        Cell::U64(v.after.as_ref().and_then(|s| s.n))
    }),
    Column::new("after_score_lower", Kind::F64, true, |v| {
        Cell::F64(
            v.after
                .as_ref()
                .and_then(|s| s.interval)
                .and_then(|i| i.lower),
        )
    }),
    Column::new("after_score_upper", Kind::F64, true, |v| {
        Cell::F64(
            v.after
                .as_ref()
                .and_then(|s| s.interval)
                .and_then(|i| i.upper),
        )
    }),
    Column::new("largest_model", Kind::Text, true, |v| {
        Cell::maybe(v.largest.as_ref().map(|s| &s.model))
    }),
    Column::new("largest_step", Kind::U64, true, |v| {
        Cell::U64(v.largest.as_ref().and_then(|s| s.checkpoint_step))
    }),
    Column::new("largest_score", Kind::F64, true, |v| {
        Cell::F64(v.largest.as_ref().map(|s| s.score))
    }),
    Column::new("largest_n", Kind::U64, true, |v| {
        Cell::U64(v.largest.as_ref().and_then(|s| s.n))
    }),
    Column::new("largest_score_lower", Kind::F64, true, |v| {
        Cell::F64(
            v.largest
                .as_ref()
                .and_then(|s| s.interval)
                .and_then(|i| i.lower),
        )
    }),
    Column::new("largest_score_upper", Kind::F64, true, |v| {
        Cell::F64(
            v.largest
                .as_ref()
                .and_then(|s| s.interval)
                .and_then(|i| i.upper),
        )
    }),
    Column::new("p", Kind::F64, true, |v| Cell::F64(v.p)),
    Column::new("p_bh", Kind::F64, true, |v| Cell::F64(v.p_bh)),
    Column::new("p_by", Kind::F64, true, |v| Cell::F64(v.p_by)),
    Column::new("resolution_n", Kind::U64, true, |v| {
        Cell::U64(v.resolution.map(|r| r.n))
    }),
    Column::new("resolution_k_above", Kind::U64, true, |v| {
        Cell::U64(v.resolution.map(|r| r.k_above))
    }),
    Column::new("resolution_k_near", Kind::U64, true, |v| {
        Cell::U64(v.resolution.and_then(|r| r.k_near))
    }),
    Column::new("resolution_near_power", Kind::F64, true, |v| {
        Cell::F64(v.resolution.map(|r| r.near_power))
    }),
    Column::new("resolution_detectable", Kind::F64, true, |v| {
        Cell::F64(v.resolution.map(|r| r.detectable))
    }),
    Column::new("resolution_n_to_certify_chance", Kind::U64, true, |v| {
        Cell::U64(v.resolution.and_then(|r| r.n_to_certify_chance))
    }),
    Column::new("trend_cochran_armitage_z", Kind::F64, true, |v| {
        Cell::F64(v.trend.cochran_armitage_z)
    }),
    Column::new("trend_kendall_tau", Kind::F64, true, |v| {
        Cell::F64(v.trend.kendall_tau)
    }),
    Column::new("trend_kendall_p", Kind::F64, true, |v| {
        Cell::F64(v.trend.kendall_p)
    }),
    Column::new("trend_isotonic_deviance", Kind::F64, true, |v| {
        Cell::F64(v.trend.isotonic_deviance)
    }),
    Column::new("trend_subthreshold_z", Kind::F64, true, |v| {
        Cell::F64(v.trend.subthreshold_z)
    }),
    Column::new("trend_subthreshold", Kind::Bool, true, |v| {
        Cell::Bool(v.trend.subthreshold_trend)
    }),
    Column::new("abruptness_slope_before", Kind::F64, true, |v| {
        Cell::F64(v.abruptness.and_then(|a| a.slope_before))
    }),
    Column::new("abruptness_slope_after", Kind::F64, true, |v| {
        Cell::F64(v.abruptness.map(|a| a.slope_after))
    }),
    Column::new("abruptness_t", Kind::F64, true, |v| {
        Cell::F64(v.abruptness.and_then(|a| a.t))
    }),
    Column::new("abruptness_t_se", Kind::F64, true, |v| {
        Cell::F64(v.abruptness.and_then(|a| a.t_se))
    }),
    Column::new("fit_likelihood", Kind::Text, true, |v| {
        Cell::maybe(v.fits.as_ref().map(|f| &f.likelihood))
    }),
    Column::new("fit_best", Kind::Text, true, |v| {
        word(v.fits.as_ref().and_then(|f| f.best).map(CurveModel::name))
    }),
    Column::new("fit_delta_aicc_hinge", Kind::F64, true, |v| {
        Cell::F64(v.fits.as_ref().and_then(|f| f.delta_aicc_hinge))
    }),
    Column::new("fit_overdispersion", Kind::F64, true, |v| {
        Cell::F64(v.fits.as_ref().and_then(|f| f.overdispersion))
    }),
    Column::new("kink_statistic", Kind::F64, true, |v| {
        Cell::F64(v.kink.as_ref().map(|k| k.statistic))
    }),
    Column::new("kink_p", Kind::F64, true, |v| {
        Cell::F64(v.kink.as_ref().and_then(|k| k.p))
    }),
    Column::new("kink_p_lower", Kind::F64, true, |v| {
        Cell::F64(v.kink.as_ref().and_then(|k| k.p_interval).map(|p| p.0))
    }),
    Column::new("kink_p_upper", Kind::F64, true, |v| {
        Cell::F64(v.kink.as_ref().and_then(|k| k.p_interval).map(|p| p.1))
    }),
    Column::new("kink_n_draws", Kind::U32, true, |v| {
        Cell::U32(v.kink.as_ref().map(|k| k.n_draws))
    }),
    Column::new("kink_verdict", Kind::Text, true, |v| {
        word(v.kink.as_ref().map(|k| kink_name(k.verdict)))
    }),
    Column::new("kink_skipped", Kind::Text, true, |v| {
        Cell::maybe(v.kink.as_ref().and_then(|k| k.skipped.as_ref()))
    }),
    Column::new("breakpoint_x", Kind::F64, true, |v| {
        Cell::F64(v.kink.as_ref().and_then(|k| k.breakpoint).map(|b| b.tau))
    }),
    Column::new("breakpoint_lower_x", Kind::F64, true, |v| {
        Cell::F64(
            v.kink
                .as_ref()
                .and_then(|k| k.breakpoint)
                .and_then(|b| b.interval.lower),
        )
    }),
    Column::new("breakpoint_upper_x", Kind::F64, true, |v| {
        Cell::F64(
            v.kink
                .as_ref()
                .and_then(|k| k.breakpoint)
                .and_then(|b| b.interval.upper),
        )
    }),
    Column::new("breakpoint_degenerate", Kind::Bool, true, |v| {
        Cell::Bool(
            v.kink
                .as_ref()
                .and_then(|k| k.breakpoint)
                .map(|b| b.degenerate),
        )
    }),
    Column::new("sharpness_width", Kind::F64, true, |v| {
        Cell::F64(v.sharpness.map(|s| s.width))
    }),
    Column::new("sharpness_width_lower", Kind::F64, true, |v| {
        Cell::F64(v.sharpness.and_then(|s| s.width_interval.lower))
    }),
    Column::new("sharpness_width_upper", Kind::F64, true, |v| {
        Cell::F64(v.sharpness.and_then(|s| s.width_interval.upper))
    }),
    Column::new("sharpness_midpoint_x", Kind::F64, true, |v| {
        Cell::F64(v.sharpness.map(|s| s.midpoint))
    }),
    Column::new("sharpness", Kind::Text, true, |v| {
        word(v.sharpness.map(|s| sharpness_name(s.class)))
    }),
    Column::new("increase", Kind::F64, true, |v| {
        Cell::F64(v.breakthrough.map(|b| b.increase))
    }),
    Column::new("linearity", Kind::F64, true, |v| {
        Cell::F64(v.breakthrough.map(|b| b.linearity))
    }),
    Column::new("breakthroughness", Kind::F64, true, |v| {
        Cell::F64(v.breakthrough.map(|b| b.breakthroughness))
    }),
    Column::new("p_order_linearity", Kind::F64, true, |v| {
        Cell::F64(v.breakthrough.and_then(|b| b.p_order_linearity))
    }),
    Column::new("p_order_breakthroughness", Kind::F64, true, |v| {
        Cell::F64(v.breakthrough.and_then(|b| b.p_order_breakthroughness))
    }),
    Column::new("p_noise_breakthroughness", Kind::F64, true, |v| {
        Cell::F64(v.breakthrough.and_then(|b| b.p_noise_breakthroughness))
    }),
    Column::new("p_smooth_breakthroughness", Kind::F64, true, |v| {
        Cell::F64(v.breakthrough.and_then(|b| b.p_smooth_breakthroughness))
    }),
    Column::new("caveats", Kind::Texts, false, |v| {
        Cell::Texts(v.caveats.iter().map(|c| caveat(c).into()).collect())
    }),
    Column::new("needs", Kind::Texts, false, |v| {
        Cell::Texts(v.needs.iter().map(|n| need(n).into()).collect())
    }),
];

fn word(word: Option<&'static str>) -> Cell<'static> {
    Cell::Text(word.map(Cow::Borrowed))
}

/// The word for a view: `across` or `training`.
pub(crate) fn view_name(view: &View) -> &'static str {
    match view {
        View::Across => "across",
        View::Training(_) => "training",
    }
}

/// The model whose training is followed, if one is.
pub(crate) fn view_model(view: &View) -> Option<&str> {
    match view {
        View::Across => None,
        View::Training(model) => Some(model),
    }
}

fn kink_name(verdict: KinkVerdict) -> &'static str {
    match verdict {
        KinkVerdict::Kink => "kink",
        KinkVerdict::None => "none",
        KinkVerdict::Undetermined => "undetermined",
    }
}

fn sharpness_name(class: SharpnessClass) -> &'static str {
    match class {
        SharpnessClass::Sharp => "sharp",
        SharpnessClass::Gradual => "gradual",
        SharpnessClass::Undetermined => "undetermined",
    }
}

/// A caveat in plain words.
fn caveat(caveat: &Caveat) -> String {
    match caveat {
        Caveat::NoModelNearThreshold { decades } => {
            format!(
                "no model was measured inside the threshold interval, which is {decades:.2} wide"
            )
        }
        Caveat::NAssumed { known, n } => format!("n = {n} is {}", how(*known)),
        Caveat::ChanceAssumed { chance } => format!("chance {chance} is assumed, not reported"),
        Caveat::NTooSmallForChance { n, needed } => match needed {
            Some(needed) => format!("n = {n} is too small to certify chance; {needed} would do"),
            None => format!("n = {n} is too small to certify chance"),
        },
        Caveat::SingleRunPerScale => {
            "one training run per scale: intervals leave out how runs vary".to_owned()
        }
        Caveat::FlopsDerived => "FLOPs are derived as 6ND, wholly or in part".to_owned(),
        Caveat::AxisFallback { axis } => {
            format!(
                "FLOPs are unknown for some members: read on {axis} instead",
                axis = axis.name()
            )
        }
        Caveat::MembersLeftOut { models, why } => {
            format!("left out, {why}: {}", models.join(", "))
        }
        Caveat::UnequalTraining {
            steps: (first, last),
        } => {
            format!("members end at different steps, from {first} to {last}")
        }
        Caveat::Aggregate => "an average of parts that are analysed too".to_owned(),
        Caveat::SourcesDisagree { source, difference } => {
            format!("{source} reports the same models with differences up to {difference}")
        }
        Caveat::Doubt { note } => format!("the source doubts it: {note}"),
        Caveat::BelowChanceScores { models } => {
            format!("scores of {models} models are below chance: answers may not have been parsed")
        }
        Caveat::ShotsAtLargest => {
            "the number of shots is stated for the largest model only".to_owned()
        }
        Caveat::ShapeWithAll { shape } => format!("with every member the shape is {shape}"),
        Caveat::ShapeWithout { models, why, shape } => {
            format!("without {} ({why}) the shape is {shape}", models.join(", "))
        }
    }
}

fn how(known: Known) -> &'static str {
    match known {
        Known::Reported => "reported",
        Known::Derived => "derived, not reported",
        Known::Recovered => "recovered from the scores, not reported",
        Known::Assumed => "assumed, not reported",
    }
}

/// A need in plain words.
fn need(need: &Need) -> String {
    match need {
        Need::ReportN => "the number of items, or a standard error, for the scores".to_owned(),
        Need::StateChance => "the chance level of the task".to_owned(),
        Need::StateScale => "the scale of the models".to_owned(),
        Need::MoreItems {
            now,
            needed,
            purpose,
        } => match now {
            Some(now) => format!("{needed} items per model instead of {now}, {purpose}"),
            None => format!("{needed} items per model, {purpose}"),
        },
        Need::ModelBetween { lower, upper, axis } => {
            format!(
                "a model between {} and {}",
                scale(*lower, *axis),
                scale(*upper, *axis)
            )
        }
        Need::SmallerModel { than, axis } => {
            format!("a model smaller than {}", scale(*than, *axis))
        }
        Need::LargerModel { than, axis } => format!("a model larger than {}", scale(*than, *axis)),
        Need::MoreScales { now, needed } => format!("{needed} distinct scales instead of {now}"),
        Need::InspectAnswers => "a look at the answers: scores are below chance".to_owned(),
    }
}

fn scale(raw: f64, axis: Axis) -> String {
    match axis {
        Axis::Flops => format!("{raw:.3e} FLOPs"),
        Axis::Params => format!("{raw:.3e} parameters"),
        Axis::Tokens => format!("{raw:.3e} tokens"),
        Axis::Loss => format!("{raw:.3} nats of loss"),
    }
}
