//! Two questions beside shape, in sentences: is the sharpness the metric's, and what do methods gain?

use std::collections::BTreeMap;

use upturn_types::{
    Analysis, ArtefactTest, ArtefactVerdict, Axis, Condition, ConditionName, EffectTest, LinkBasis,
    MethodArm, MethodComparison, MethodFamily, MethodKind, MethodVerdict, Outcome, PairedMetric,
    Verdict, View,
};

use crate::chain::Step;
use crate::names::visible;
use crate::numbers::{self, Signs, plural};
use crate::words;

/// An onset with its verdict, for lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtefactLine {
    /// The word of the verdict.
    pub verdict: &'static str,
    /// Class for its colour.
    pub class: upturn_types::VerdictClass,
    /// Task, family, setting, metric.
    pub name: String,
    /// Where the onset is.
    pub onset: String,
    /// Why, with the outcome of each condition by graded metric.
    pub why: String,
    /// Each graded metric: name, and the outcomes of its conditions.
    pub pairs: Vec<(String, String)>,
}

/// The word for a verdict.
#[must_use]
pub fn artefact_word(verdict: ArtefactVerdict) -> &'static str {
    match verdict {
        ArtefactVerdict::Artefact => "artefact of the metric",
        ArtefactVerdict::Real => "real",
        ArtefactVerdict::Undetermined => "undetermined",
    }
}

fn artefact_class(verdict: ArtefactVerdict) -> upturn_types::VerdictClass {
    match verdict {
        ArtefactVerdict::Artefact => upturn_types::VerdictClass::Smooth,
        ArtefactVerdict::Real => upturn_types::VerdictClass::Emergent,
        ArtefactVerdict::Undetermined => upturn_types::VerdictClass::Undecided,
    }
}

/// What a condition asks, in a few words.
#[must_use]
pub fn condition_word(name: ConditionName) -> &'static str {
    match name {
        ConditionName::ImprovesBelow => "improves below the threshold",
        ConditionName::NoKink => "no kink",
        ConditionName::LinkPredicts => "predicts the scores above",
        ConditionName::FlatBelow => "flat below the threshold",
        ConditionName::Kinked => "kinked",
        ConditionName::BreakpointsMeet => "turns where the score does",
    }
}

/// What it came to.
#[must_use]
pub fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "holds",
        Outcome::Failed => "fails",
        Outcome::CannotTell => "cannot be told",
    }
}

/// How many onsets came out how, in a sentence; `None` where none was asked about.
#[must_use]
pub fn artefact_headline(analysis: &Analysis) -> Option<String> {
    let tests = &analysis.artefacts;
    if tests.is_empty() {
        return None;
    }
    let count = |verdict| tests.iter().filter(|t| t.verdict == verdict).count();
    let alone = tests.iter().filter(|t| t.pairs.is_empty()).count();
    let mut out = format!(
        "{} under all-or-nothing metrics: {} an artefact of the metric, {} real, {} undetermined",
        plural(tests.len(), "onset", "onsets"),
        numbers::integer(count(ArtefactVerdict::Artefact) as u64),
        numbers::integer(count(ArtefactVerdict::Real) as u64),
        numbers::integer(count(ArtefactVerdict::Undetermined) as u64),
    );
    if alone > 0 {
        out.push_str(&format!(
            ", {} of them for want of a graded metric of the same outputs",
            numbers::integer(alone as u64)
        ));
    }
    out.push('.');
    Some(out)
}

/// The onsets that a graded metric stands beside, decided ones first.
#[must_use]
pub fn artefact_lines(analysis: &Analysis, signs: Signs) -> Vec<ArtefactLine> {
    let mut tests: Vec<&ArtefactTest> = analysis
        .artefacts
        .iter()
        .filter(|t| !t.pairs.is_empty())
        .collect();
    tests.sort_by_key(|t| (t.verdict, t.view != View::Across));
    tests
        .into_iter()
        .map(|t| ArtefactLine {
            verdict: artefact_word(t.verdict),
            class: artefact_class(t.verdict),
            name: curve_name(t),
            onset: onset(t, signs),
            why: visible(&words::sentence(&t.why)),
            pairs: t
                .pairs
                .iter()
                .map(|p| (visible(&p.metric), outcomes(p)))
                .collect(),
        })
        .collect()
}

fn curve_name(test: &ArtefactTest) -> String {
    let key = &test.key;
    let mut out = format!("{} ({}", key.task_name(), key.family);
    if let Some(tuning) = &key.tuning {
        out.push_str(&format!(", {tuning}"));
    }
    out.push_str(&format!("), {}, {}", key.setting_name(), key.metric));
    if let View::Training(model) = &test.view {
        out.push_str(&format!(", training of {model}"));
    }
    visible(&out)
}

/// `1.2e22–2.3e22 FLOPs`, or steps along training.
fn onset(test: &ArtefactTest, signs: Signs) -> String {
    let Some((lower, upper)) = test.onset.and_then(|o| o.lower.zip(o.upper)) else {
        return "onset not bounded".to_owned();
    };
    if matches!(test.view, View::Training(_)) {
        let step = |x: f64| numbers::integer(10f64.powf(x).round() as u64);
        return format!("steps {}{}{}", step(lower), signs.dash, step(upper));
    }
    let raw = |x: f64| numbers::raw(test.axis, test.axis.raw(x));
    format!(
        "{}{}{} {}",
        raw(lower),
        signs.dash,
        raw(upper),
        numbers::unit(test.axis)
    )
}

/// `improves below the threshold: holds; no kink: fails; …` for the three of an artefact.
fn outcomes(pair: &PairedMetric) -> String {
    let one = |c: &Condition| format!("{}: {}", condition_word(c.name), outcome_word(c.outcome));
    let shown = match pair.verdict {
        ArtefactVerdict::Real => &pair.conditions[3.min(pair.conditions.len())..],
        _ => &pair.conditions[..3.min(pair.conditions.len())],
    };
    shown.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// The artefact question of one verdict, condition by condition.
#[must_use]
pub fn artefact_step(analysis: &Analysis, verdict: &Verdict, signs: Signs) -> Step {
    let mut sentences = Vec::new();
    let test = analysis
        .artefacts
        .iter()
        .find(|t| t.curve == verdict.curve && t.view == verdict.view);
    if let Some(test) = test {
        sentences.push(format!(
            "{}: {}",
            words::capital(artefact_word(test.verdict)),
            visible(&words::sentence(&test.why))
        ));
        for pair in &test.pairs {
            let along = matches!(test.view, View::Training(_));
            sentences.extend(pair_sentences(pair, along));
        }
        let shown = 3;
        for zero in test.zeros.iter().take(shown) {
            let mut out = format!(
                "{} scores 0 of {}, which says only that its rate is below {}",
                visible(&zero.model),
                numbers::integer(zero.n),
                numbers::statistic(zero.upper)
            );
            if let Some(step) = zero.checkpoint_step {
                out = format!("Step {} of {out}", numbers::integer(step));
            }
            if let (Some(predicted), Some(p)) = (zero.predicted, zero.p_zero) {
                out.push_str(&format!(
                    "; the best smooth curve predicts {} here, and no success with probability {}: {}",
                    numbers::statistic(predicted),
                    numbers::statistic(p),
                    if p > 0.05 {
                        "this zero is no evidence against it"
                    } else {
                        "this zero speaks against it"
                    }
                ));
            }
            out.push('.');
            sentences.push(out);
        }
        if test.zeros.len() > shown {
            sentences.push(format!(
                "{} more score 0.",
                numbers::integer((test.zeros.len() - shown) as u64)
            ));
        }
        if let Some(law) = &test.task_law {
            let form = if law.p > 0.05 {
                "no curvature is certified"
            } else if law.curvature < 0.0 {
                "accelerated: faster than a power law of the loss"
            } else {
                "slower than a power law of the loss"
            };
            sentences.push(format!(
                "Task law over {}: ln({}ln score) against ln parameters has curvature {} with standard error {} ({}): {form}.",
                plural(law.n_models, "model", "models"),
                signs.minus,
                numbers::statistic(law.curvature),
                numbers::statistic(law.curvature_se),
                numbers::p_value(law.p),
            ));
        }
    }
    Step {
        title: "Metric or ability",
        sentences,
    }
}

fn pair_sentences(pair: &PairedMetric, along: bool) -> Vec<String> {
    let mut out = vec![format!(
        "Against {} (as loss: {}), on {}, {} of them below the threshold: {}{}.",
        visible(&pair.metric),
        visible(&pair.loss),
        if along {
            plural(pair.n_models, "checkpoint", "checkpoints")
        } else {
            plural(pair.n_models, "model", "models")
        },
        numbers::integer(pair.n_below as u64),
        artefact_word(pair.verdict),
        pair.overruled
            .as_ref()
            .map_or_else(String::new, |why| format!(", because {}", visible(why))),
    )];
    for condition in &pair.conditions {
        let held = match (condition.value, condition.threshold) {
            (Some(value), Some(threshold)) => format!(
                " ({} against {})",
                numbers::statistic(value),
                numbers::statistic(threshold)
            ),
            (Some(value), None) => format!(" ({})", numbers::statistic(value)),
            _ => String::new(),
        };
        out.push(format!(
            "{}: {}{held}. {}",
            words::capital(condition_word(condition.name)),
            outcome_word(condition.outcome),
            visible(&words::capital(&words::sentence(&condition.why)))
        ));
    }
    if let Some(link) = &pair.link {
        let basis = match link.basis {
            LinkBasis::Below => "the models below the threshold".to_owned(),
            LinkBasis::OtherSeries => plural(
                link.n_series,
                "other family or run",
                "other families or runs",
            ),
            LinkBasis::PerItem => "the token probabilities of every item".to_owned(),
            LinkBasis::Aggregate => "the perplexity of an average target".to_owned(),
        };
        let mut said = format!("The link rests on {basis}");
        if let (Some(exponent), Some(se), Some(p)) =
            (link.exponent, link.exponent_se, link.exponent_p)
        {
            said.push_str(&format!(
                ": {} scores, exponent {} (standard error {}; {} for 1, a product of token probabilities)",
                numbers::integer(link.n_fit as u64),
                numbers::statistic(exponent),
                numbers::statistic(se),
                numbers::p_value(p)
            ));
        }
        if let Some(r2) = link.r2 {
            said.push_str(&format!(", R-squared {}", numbers::score(r2)));
        }
        if let Some(p) = link.runs_p.filter(|p| *p <= 0.05) {
            said.push_str(&format!(
                "; its residuals cluster along the loss ({}), so the form is not exact",
                numbers::p_value(p)
            ));
        }
        said.push('.');
        out.push(said);
    }
    out
}

/// A method comparison, for lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MethodLine {
    /// Task, arms, metric.
    pub name: String,
    /// Counts over all models.
    pub counts: String,
    /// Families by verdict, with where the method helps.
    pub families: Vec<String>,
}

/// The word for a verdict.
#[must_use]
pub fn method_word(verdict: MethodVerdict) -> &'static str {
    match verdict {
        MethodVerdict::EmergentMethod => "helps from a scale on",
        MethodVerdict::Crossover => "worse at some scales, better at others",
        MethodVerdict::UniformlyHelpful => "better at every scale",
        MethodVerdict::UniformlyHarmful => "worse at every scale",
        MethodVerdict::NoEffect => "no effect",
        MethodVerdict::Undetermined => "undetermined",
    }
}

/// `cot 8-shot`, `direct (instruction-tuned)`.
fn arm(arm: &MethodArm, with_tuning: bool) -> String {
    let mut out = arm.method.to_string();
    if let Some(shots) = arm.shots {
        out.push_str(&format!(" {shots}-shot"));
    }
    match &arm.tuning {
        Some(tuning) => out.push_str(&format!(" ({tuning})")),
        None if with_tuning => out.push_str(" (untuned)"),
        None => {}
    }
    out
}

fn comparison_name(m: &MethodComparison) -> String {
    let tuning = m.kind == MethodKind::Tuning;
    let mut out = format!(
        "{}: {} against {}, {}",
        m.task,
        arm(&m.method, tuning),
        arm(&m.baseline, tuning),
        m.metric
    );
    if let Some(filter) = &m.method.filter {
        out.push_str(&format!(", {filter}"));
    }
    if let Some(split) = &m.split {
        out.push_str(&format!(", {split}"));
    }
    visible(&out)
}

/// Comparisons that some family was measured on at two scales or more, those that say most first.
#[must_use]
pub fn method_lines(analysis: &Analysis, signs: Signs) -> Vec<MethodLine> {
    let mut told: Vec<&MethodComparison> = analysis
        .methods
        .iter()
        .filter(|m| m.families.iter().any(|f| f.n_scales > 1))
        .collect();
    told.sort_by_key(|m| {
        let decided = |v: MethodVerdict| m.families.iter().filter(|f| f.verdict == v).count();
        (
            m.kind,
            std::cmp::Reverse(decided(MethodVerdict::EmergentMethod)),
            std::cmp::Reverse(decided(MethodVerdict::Crossover)),
            std::cmp::Reverse(m.n_better + m.n_worse),
        )
    });
    told.into_iter()
        .map(|m| MethodLine {
            name: comparison_name(m),
            counts: format!(
                "better in {} and worse in {} of {} (Holm-adjusted).",
                numbers::integer(m.n_better as u64),
                numbers::integer(m.n_worse as u64),
                plural(m.n_models, "model", "models")
            ),
            families: by_verdict(m, signs),
        })
        .collect()
}

/// How many comparisons there are and how the families came out; `None` where there are none.
#[must_use]
pub fn method_headline(analysis: &Analysis) -> Option<String> {
    let families: Vec<&MethodFamily> = analysis
        .methods
        .iter()
        .flat_map(|m| &m.families)
        .filter(|f| f.n_scales > 1)
        .collect();
    if families.is_empty() {
        return None;
    }
    let mut counts: BTreeMap<MethodVerdict, usize> = BTreeMap::new();
    for family in &families {
        *counts.entry(family.verdict).or_default() += 1;
    }
    let parts: Vec<String> = counts
        .into_iter()
        .map(|(verdict, n)| format!("{} {}", numbers::integer(n as u64), method_word(verdict)))
        .collect();
    Some(format!(
        "{} of a method with its baseline on a family: {}.",
        plural(families.len(), "comparison", "comparisons"),
        parts.join(", ")
    ))
}

fn by_verdict(m: &MethodComparison, signs: Signs) -> Vec<String> {
    let mut groups: BTreeMap<MethodVerdict, Vec<String>> = BTreeMap::new();
    for family in m.families.iter().filter(|f| f.n_scales > 1) {
        let mut said = visible(&family.family);
        if let Some(place) = helps_from(family, signs) {
            // Under the heading "helps from a scale on" the scale says enough.
            let place = match family.verdict {
                MethodVerdict::EmergentMethod => place.replacen("helps from ", "", 1),
                _ => place,
            };
            said.push_str(&format!(" ({place})"));
        }
        groups.entry(family.verdict).or_default().push(said);
    }
    groups
        .into_iter()
        .map(|(verdict, families)| {
            format!(
                "{}: {}",
                words::capital(method_word(verdict)),
                families.join(", ")
            )
        })
        .collect()
}

/// `helps from 1.0e12–1.5e13 FLOPs`, where something is certified and it does not help throughout.
fn helps_from(family: &MethodFamily, signs: Signs) -> Option<String> {
    let scales = &family.scales;
    if matches!(
        family.verdict,
        MethodVerdict::UniformlyHelpful | MethodVerdict::UniformlyHarmful | MethodVerdict::NoEffect
    ) {
        return None;
    }
    scales.better_from?;
    let raw = |x: Option<f64>| x.map(|x| family.axis.raw(x));
    let range = numbers::range(
        family.axis,
        raw(scales.no_gain_until),
        raw(scales.better_from),
        signs,
    )?;
    Some(format!("helps from {range} {}", numbers::unit(family.axis)))
}

/// What methods gain on the curve of one verdict.
#[must_use]
pub fn method_step(analysis: &Analysis, verdict: &Verdict, signs: Signs) -> Step {
    let mut sentences = Vec::new();
    if verdict.view == View::Across {
        for m in &analysis.methods {
            for family in &m.families {
                if family.curve == verdict.curve || family.baseline == verdict.curve {
                    sentences.extend(family_sentences(m, family, signs));
                }
            }
        }
    }
    Step {
        title: "Against other methods",
        sentences,
    }
}

fn family_sentences(m: &MethodComparison, family: &MethodFamily, signs: Signs) -> Vec<String> {
    let unit = numbers::unit(family.axis);
    let place = |x: f64| format!("{} {unit}", numbers::raw(family.axis, family.axis.raw(x)));
    let mut out = vec![format!(
        "{} on {}: {}{}.",
        comparison_name(m),
        visible(&family.family),
        method_word(family.verdict),
        helps_from(family, signs).map_or_else(String::new, |p| format!("; {p}")),
    )];
    let effects: Vec<String> = family
        .effects
        .iter()
        .map(|e| {
            format!(
                "{} {}{} {} ({}, {})",
                visible(&e.model),
                if e.difference >= 0.0 { "+" } else { "" },
                numbers::score(e.difference),
                numbers::interval(&e.interval, signs),
                if e.difference >= 0.0 {
                    format!("better {}", numbers::p_value(e.p_better))
                } else {
                    format!("worse {}", numbers::p_value(e.p_worse))
                },
                e.n.map_or_else(
                    || "n unknown".to_owned(),
                    |n| format!("n={}", numbers::integer(n))
                )
            )
        })
        .collect();
    if let Some(first) = family.effects.first() {
        let test = match first.test {
            EffectTest::Mcnemar => "McNemar's exact test on the same items",
            EffectTest::PairedDifference => "differences on the same items",
            EffectTest::TwoProportions => {
                "two proportions as if on different items (pooled z, Newcombe's interval)"
            }
            EffectTest::Means => "means with their standard errors",
        };
        out.push(format!("Differences by {test}: {}.", effects.join("; ")));
    }
    let worse: Vec<String> = family
        .effects
        .iter()
        .filter(|e| e.p_worse_holm <= 0.05)
        .map(|e| format!("{} at {}", visible(&e.model), place(e.x)))
        .collect();
    if !worse.is_empty() {
        out.push(format!("It hurts (Holm-adjusted) in {}.", worse.join(", ")));
    }
    if let Some(shift) = &family.shift {
        let ends = |lower: Option<f64>, upper: Option<f64>| {
            let raw = |x: Option<f64>| x.map(|x| family.axis.raw(x));
            numbers::range(family.axis, raw(lower), raw(upper), signs)
                .unwrap_or_else(|| "not certified".to_owned())
        };
        out.push(format!(
            "The ability's threshold is {} with it and {} without ({unit}): earlier by {} {}, with confidence {}.",
            ends(shift.method.0, shift.method.1),
            ends(shift.baseline.0, shift.baseline.1),
            numbers::interval(&shift.shift, signs),
            numbers::coordinate_unit(family.axis),
            numbers::percent(shift.shift.confidence_level),
        ));
    }
    if let Some(gain) = &family.gain {
        out.push(format!(
            "At {} the baseline would need {} decades more compute to score as much, 90% interval [{}, {}].",
            place(gain.x),
            numbers::statistic(gain.decades),
            numbers::statistic(gain.interval.0),
            numbers::statistic(gain.interval.1),
        ));
    }
    if let Some(line) = &family.logit
        && let Some((low, high)) = line.root_interval
        && family.axis != Axis::Loss
    {
        out.push(format!(
            "The line of logit differences crosses 0 at {} (Fieller's 95% interval {} to {}), for orientation.",
            place(line.root),
            place(low),
            place(high)
        ));
    }
    out
}
