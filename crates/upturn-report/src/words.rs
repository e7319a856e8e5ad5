//! The words for what an analysis found: shapes, reasons, caveats and needs in plain English.

use upturn_types::{
    Attribute, Axis, Caveat, CurveModel, Known, Label, Need, Reason, Shape, SharpnessClass, Text,
    VerdictClass,
};

use crate::numbers::{self, Signs};

/// A shape in a word or two, as shown in tables.
#[must_use]
pub fn shape(shape: Shape) -> &'static str {
    match shape {
        Shape::Emergent => "emergent",
        Shape::WeakOnset => "weak onset",
        Shape::AcquiredDuringTraining => "acquired",
        Shape::Smooth => "smooth",
        Shape::Saturated => "saturated",
        Shape::Flat => "flat",
        Shape::Inverse => "inverse",
        Shape::UShaped => "u-shaped",
        Shape::NonMonotone => "non-monotone",
        Shape::InsufficientData => "undecided",
    }
}

/// What a shape means, in one sentence.
#[must_use]
pub fn shape_meaning(shape: Shape) -> &'static str {
    match shape {
        Shape::Emergent => {
            "near chance in the smaller models, then certified substantially above chance in larger ones: the pattern of Wei et al. (2022)"
        }
        Shape::WeakOnset => {
            "certified near chance in the smaller models and certified above it in larger ones, but not substantially yet"
        }
        Shape::AcquiredDuringTraining => {
            "learned during the training of one model; every learned task looks so, because step 0 is random by construction"
        }
        Shape::Smooth => {
            "rises with scale without a certified near-chance part, or rises gradually"
        }
        Shape::Saturated => "at the ceiling at every scale measured",
        Shape::Flat => "does not change over the scales measured",
        Shape::Inverse => "falls as models grow",
        Shape::UShaped => "falls, then rises",
        Shape::NonMonotone => "rises and falls in some other order",
        Shape::InsufficientData => {
            "the data cannot tell; the reason and what would decide it are given"
        }
    }
}

/// A class of shapes, as counted.
#[must_use]
pub fn class(class: VerdictClass) -> &'static str {
    match class {
        VerdictClass::Emergent => "emergent",
        VerdictClass::Acquired => "acquired",
        VerdictClass::Smooth => "smooth",
        VerdictClass::Flat => "flat",
        VerdictClass::Inverse => "falling",
        VerdictClass::Undecided => "undecided",
    }
}

/// An attribute, abbreviated for tables.
#[must_use]
pub fn attribute_short(attribute: Attribute) -> &'static str {
    match attribute {
        Attribute::Abrupt => "abrupt",
        Attribute::AbruptnessUnresolved => "abrupt?",
        Attribute::GradualOnset => "gradual",
        Attribute::DipAboveThreshold => "dip",
        Attribute::ConstantAboveChance => "above chance",
        Attribute::LocalDip => "local dip",
        Attribute::FromFloor => "from floor",
        Attribute::InvertedU => "inverted u",
        Attribute::PlateauPooled => "pooled floor",
    }
}

/// What an attribute means.
#[must_use]
pub fn attribute_meaning(attribute: Attribute) -> &'static str {
    match attribute {
        Attribute::Abrupt => "the onset is steeper than four times the slope before it",
        Attribute::AbruptnessUnresolved => {
            "whether the onset is steeper than four times the slope before it cannot be told"
        }
        Attribute::GradualOnset => "the onset is no steeper than four times the slope before it",
        Attribute::DipAboveThreshold => "some model above the threshold is beaten by a smaller one",
        Attribute::ConstantAboveChance => "flat, and certified above chance at every scale",
        Attribute::LocalDip => "a rise with a small drop in it",
        Attribute::FromFloor => "rises off the floor inside the certified part",
        Attribute::InvertedU => "rises, then falls",
        Attribute::PlateauPooled => {
            "the mean over the models below the threshold is certified near chance, though not each of them"
        }
    }
}

/// Why a curve is undecided, or which kind of flat it is: a full clause.
#[must_use]
pub fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::NUnknown => {
            "how noisy the scores are is unknown: no standard error is stated, nor, for a share of right answers, the number of items"
        }
        Reason::ChanceUnknown => "the score of guessing (chance) is unknown",
        Reason::NoFloor => "the metric has no floor that a model could be near",
        Reason::TooFewScales => "fewer than four distinct scales were measured",
        Reason::SpanTooShort => "the models span too little scale",
        Reason::BelowChance => {
            "models score below chance: answers may not have been parsed, or the floor is wrong"
        }
        Reason::OnsetNotSubstantial => {
            "small models are certified near chance, but no large one is certified above it"
        }
        Reason::PlateauTooShort => "only one small model is certified near chance; two are needed",
        Reason::NTooSmall => "too few test items to certify that a model is near chance",
        Reason::PlateauUnresolved => {
            "there are items enough to certify chance, but no small model is certified near it"
        }
        Reason::Unresolved => "no difference between models can be certified",
        Reason::RandomThroughout => "every model is certified near chance",
        Reason::ScaleUnknown => "the scale of the models is unknown",
        Reason::Composite => "a composite or mixed metric is shown, never judged",
    }
}

/// What a label of one model means.
#[must_use]
pub fn label(label: Label) -> &'static str {
    match label {
        Label::Above => "above",
        Label::Near => "near chance",
        Label::BelowChance => "below chance",
        Label::Unresolved => "unresolved",
        Label::Untestable => "untestable",
    }
}

/// A curve model in plain words.
#[must_use]
pub fn curve_model(model: CurveModel) -> &'static str {
    match model {
        CurveModel::Const => "constant",
        CurveModel::Logistic => "logistic (smooth S-curve)",
        CurveModel::Gompertz => {
            "Gompertz (smooth; what an all-or-nothing score does over a smooth token accuracy)"
        }
        CurveModel::Power => "power law (smooth)",
        CurveModel::Hinge => "hinge (flat, then rising in log-odds)",
        CurveModel::Yhinge => "y-hinge (flat, then rising in score)",
        CurveModel::Step => "step (a jump between two levels)",
    }
}

/// How a number came to be known, as a clause.
#[must_use]
pub fn known(known: Known) -> &'static str {
    match known {
        Known::Reported => "printed by the source",
        Known::Derived => "computed from reported numbers",
        Known::Recovered => "recovered from the precision of reported numbers",
        Known::Assumed => "taken from a catalogue, not from the source",
    }
}

/// A sharpness class, for tables.
#[must_use]
pub fn sharpness(class: SharpnessClass) -> &'static str {
    match class {
        SharpnessClass::Sharp => "sharp",
        SharpnessClass::Gradual => "gradual",
        SharpnessClass::Undetermined => "?",
    }
}

/// An axis in words with its unit, as a title.
#[must_use]
pub fn axis_title(axis: Axis) -> &'static str {
    match axis {
        Axis::Flops => "training compute (FLOPs)",
        Axis::Params => "parameters",
        Axis::Tokens => "training tokens",
        Axis::Loss => "pre-training loss (nats/token, falling to the right)",
    }
}

/// Joins names: `a`, `a and b`, `a, b and c`, `a, b, c and 4 more`.
#[must_use]
pub fn list(names: &[Text]) -> String {
    const SHOWN: usize = 4;
    let shown: Vec<&str> = names.iter().take(SHOWN).map(|t| &**t).collect();
    let rest = names.len().saturating_sub(SHOWN);
    match (shown.as_slice(), rest) {
        ([], _) => String::new(),
        ([one], 0) => (*one).to_owned(),
        ([head @ .., last], 0) => format!("{} and {last}", head.join(", ")),
        (all, rest) => format!("{} and {rest} more", all.join(", ")),
    }
}

/// The code of a caveat: one to three letters or signs, for a narrow column.
#[must_use]
pub fn caveat_code(caveat: &Caveat) -> &'static str {
    match caveat {
        Caveat::NoModelNearThreshold { .. } => "gap",
        Caveat::NAssumed { .. } => "n",
        Caveat::ChanceAssumed { .. } => "c",
        Caveat::NTooSmallForChance { .. } => "few",
        Caveat::SingleRunPerScale => "1",
        Caveat::FlopsDerived => "6nd",
        Caveat::AxisFallback { .. } => "ax",
        Caveat::MembersLeftOut { .. } => "out",
        Caveat::UnequalTraining { .. } => "uneq",
        Caveat::Aggregate => "avg",
        Caveat::SourcesDisagree { .. } => "src",
        Caveat::Doubt { .. } => "dbt",
        Caveat::BelowChanceScores { .. } => "low",
        Caveat::ShotsAtLargest => "k",
        Caveat::ShapeWithAll { .. } => "all",
        Caveat::ShapeWithout { .. } => "mix",
    }
}

/// All caveat codes, in alphabetical order.
pub const CAVEAT_CODES: [&str; 16] = [
    "1", "6nd", "all", "avg", "ax", "c", "dbt", "few", "gap", "k", "low", "mix", "n", "out", "src",
    "uneq",
];

/// The legend line of a caveat code.
#[must_use]
pub fn caveat_legend(code: &str) -> &'static str {
    match code {
        "gap" => "no model was measured inside the threshold interval",
        "n" => "the number of items is not from the source",
        "c" => "chance is not from the source",
        "few" => "too few items to certify chance",
        "1" => "a single training run per scale: variance between runs is not in the intervals",
        "6nd" => "FLOPs computed as six times parameters times tokens, at least in part",
        "ax" => "FLOPs unknown for some members: read on another axis",
        "out" => "members left out",
        "uneq" => "members stopped training at different steps",
        "avg" => "an average of parts that are judged too; not counted",
        "src" => "another source reports other numbers",
        "dbt" => "the source notes a doubt",
        "low" => "some scores are below chance: answers may not have been parsed",
        "k" => "the number of shots is stated only for the largest size",
        "all" => "the shape changes when every member is put back",
        "mix" => "the shape changes without members unlike the rest",
        _ => "see the explanation of the curve",
    }
}

/// A caveat as a sentence with its numbers.
#[must_use]
pub fn caveat(caveat: &Caveat, axis: Axis) -> String {
    match caveat {
        Caveat::NoModelNearThreshold { decades } => format!(
            "The threshold interval is {} {} wide: no model was measured inside it.",
            numbers::statistic(*decades),
            numbers::coordinate_unit(axis)
        ),
        Caveat::NAssumed { known: how, n } => format!(
            "The number of items, {}, was {}.",
            numbers::integer(*n),
            known(*how)
        ),
        Caveat::ChanceAssumed { chance } => format!(
            "The chance level {} is not from the source of the scores.",
            numbers::score(*chance)
        ),
        Caveat::NTooSmallForChance { n, needed } => {
            let needed = needed.map_or_else(String::new, |needed| {
                format!("; about {} would do", numbers::integer(needed))
            });
            format!(
                "With {} items a model exactly at chance would often not be certified as such{needed}.",
                numbers::integer(*n)
            )
        }
        Caveat::SingleRunPerScale => {
            "Single run per scale: how much a second training run would differ is not in the intervals."
                .to_owned()
        }
        Caveat::FlopsDerived => {
            "FLOPs are, at least in part, computed as six times parameters times tokens, not reported."
                .to_owned()
        }
        Caveat::AxisFallback { axis } => format!(
            "FLOPs are unknown for some members, so the curve is read over {}.",
            axis_title(*axis)
        ),
        Caveat::MembersLeftOut { models, why } => {
            format!("Left out ({why}): {}.", list(models))
        }
        Caveat::UnequalTraining { steps: (a, b) } => format!(
            "The members stopped training at different steps, {} to {}.",
            numbers::integer(*a),
            numbers::integer(*b)
        ),
        Caveat::Aggregate => {
            "An average of parts that are judged on their own too; it is not counted a second time."
                .to_owned()
        }
        Caveat::SourcesDisagree { source, difference } => format!(
            "Another source, {source}, reports other numbers for the same models: they differ by up to {}.",
            numbers::score(*difference)
        ),
        Caveat::Doubt { note } => format!("The source notes: {}", sentence(note)),
        Caveat::BelowChanceScores { models } => format!(
            "{} below chance: answers may not have been parsed.",
            if *models == 1 {
                "1 model scores".to_owned()
            } else {
                format!("{} models score", numbers::integer(*models as u64))
            }
        ),
        Caveat::ShotsAtLargest => {
            "The number of examples in the prompt is stated only for the largest size.".to_owned()
        }
        Caveat::ShapeWithAll { shape: s } => {
            format!("With every member put back the shape is {}.", shape(*s))
        }
        Caveat::ShapeWithout {
            models,
            why,
            shape: s,
        } => format!(
            "Without {} ({why}) the shape is {}.",
            list(models),
            shape(*s)
        ),
    }
}

/// What would decide a curve, as a short imperative fragment.
#[must_use]
pub fn need(need: &Need, signs: Signs) -> String {
    match need {
        Need::ReportN => {
            "state a standard error, or the number of items for a share of right answers".to_owned()
        }
        Need::StateChance => "state the chance level".to_owned(),
        Need::StateScale => "state the scale of the models".to_owned(),
        Need::MoreItems {
            now,
            needed,
            purpose,
        } => {
            let now = now.map_or_else(String::new, |now| {
                format!(", now {}", numbers::integer(now))
            });
            format!(
                "{} {} items per model{now} ({purpose})",
                signs.at_least,
                numbers::integer(*needed)
            )
        }
        Need::ModelBetween { lower, upper, axis } => format!(
            "a model between {} and {} {}",
            numbers::raw(*axis, *lower),
            numbers::raw(*axis, *upper),
            numbers::unit(*axis)
        ),
        Need::SmallerModel { than, axis } => format!(
            "a model smaller than {} {}",
            numbers::raw(*axis, *than),
            numbers::unit(*axis)
        ),
        Need::LargerModel { than, axis } => format!(
            "a model larger than {} {}",
            numbers::raw(*axis, *than),
            numbers::unit(*axis)
        ),
        Need::MoreScales { now, needed } => format!(
            "{} distinct scales, now {}",
            numbers::integer(*needed as u64),
            numbers::integer(*now as u64)
        ),
        Need::InspectAnswers => "look at the answers: scores are below chance".to_owned(),
    }
}

/// `text` closed as a sentence.
#[must_use]
pub fn sentence(text: &str) -> String {
    let text = text.trim();
    if text.ends_with(['.', '!', '?']) {
        text.to_owned()
    } else {
        format!("{text}.")
    }
}

/// `text` with its first letter raised.
#[must_use]
pub fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| {
        c.to_uppercase().collect::<String>() + chars.as_str()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_caveat_has_a_code_with_a_legend() {
        let text: Text = "x".into();
        let all = [
            Caveat::NoModelNearThreshold { decades: 1.0 },
            Caveat::NAssumed {
                known: Known::Assumed,
                n: 100,
            },
            Caveat::ChanceAssumed { chance: 0.25 },
            Caveat::NTooSmallForChance { n: 9, needed: None },
            Caveat::SingleRunPerScale,
            Caveat::FlopsDerived,
            Caveat::AxisFallback { axis: Axis::Params },
            Caveat::MembersLeftOut {
                models: vec![text.clone()],
                why: text.clone(),
            },
            Caveat::UnequalTraining { steps: (1, 2) },
            Caveat::Aggregate,
            Caveat::SourcesDisagree {
                source: text.clone(),
                difference: 0.1,
            },
            Caveat::Doubt { note: text.clone() },
            Caveat::BelowChanceScores { models: 2 },
            Caveat::ShotsAtLargest,
            Caveat::ShapeWithAll {
                shape: Shape::Smooth,
            },
            Caveat::ShapeWithout {
                models: vec![text.clone()],
                why: text,
                shape: Shape::Flat,
            },
        ];
        let fallback = caveat_legend("");
        let mut codes = Vec::new();
        for c in &all {
            let code = caveat_code(c);
            assert!(!codes.contains(&code), "{code} is used twice");
            assert_ne!(caveat_legend(code), fallback, "{code} has no legend");
            let text = caveat(c, Axis::Flops);
            assert!(text.ends_with('.'), "{text}");
            codes.push(code);
        }
        codes.sort_unstable();
        assert_eq!(codes, CAVEAT_CODES);
    }

    #[test]
    fn lists_name_a_few_and_count_the_rest() {
        let names: Vec<Text> = ["a", "b", "c", "d", "e", "f"].map(Into::into).to_vec();
        assert_eq!(list(&names[..1]), "a");
        assert_eq!(list(&names[..2]), "a and b");
        assert_eq!(list(&names[..4]), "a, b, c and d");
        assert_eq!(list(&names), "a, b, c, d and 2 more");
        assert_eq!(list(&[]), "");
    }
}
