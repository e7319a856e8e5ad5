//! What the front page and the page both say: counts, the answer, and who is near chance still.

use std::collections::{BTreeMap, BTreeSet};

use upturn_types::{
    AgreementRow, Analysis, Axis, Caveat, Label, PointEvidence, Reason, Severity, Shape, Threshold,
    Verdict, VerdictClass, View,
};

use crate::numbers::{self, Signs, plural};
use crate::words;

/// Sizes of an analysis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Families with a curve.
    pub families: usize,
    /// Tasks, their subsets apart.
    pub tasks: usize,
    /// Models (finished or not, checkpoints not counted).
    pub models: usize,
    /// Curves.
    pub curves: usize,
    /// Measurements read.
    pub measurements: usize,
}

/// The sizes of `analysis`.
#[must_use]
pub fn sizes(analysis: &Analysis) -> Sizes {
    let families: BTreeSet<_> = analysis.curves.iter().map(|c| &c.key.family).collect();
    let tasks: BTreeSet<_> = analysis
        .curves
        .iter()
        .map(|c| (&c.key.task, &c.key.subset))
        .collect();
    let models: BTreeSet<_> = analysis
        .curves
        .iter()
        .flat_map(|c| c.points.iter().map(move |p| (&c.key.family, &p.model)))
        .collect();
    Sizes {
        families: families.len(),
        tasks: tasks.len(),
        models: models.len(),
        curves: analysis.curves.len(),
        measurements: analysis.provenance.n_measurements,
    }
}

/// What was studied, in one sentence.
#[must_use]
pub fn studied(analysis: &Analysis) -> String {
    let s = sizes(analysis);
    format!(
        "{}, {}, {}, {}: {} read.",
        plural(s.families, "family", "families"),
        plural(s.tasks, "task", "tasks"),
        plural(s.models, "model", "models"),
        plural(s.curves, "curve", "curves"),
        plural(s.measurements, "measurement", "measurements"),
    )
}

/// Whether a verdict is about an average of parts that are judged too.
#[must_use]
pub fn is_aggregate(verdict: &Verdict) -> bool {
    verdict.caveats.contains(&Caveat::Aggregate)
}

/// Verdicts across models and along training, by class; aggregates are not counted twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<VerdictClass, (usize, usize)>);

impl Counts {
    /// The counts of `analysis`.
    #[must_use]
    pub fn of(analysis: &Analysis) -> Counts {
        let mut counts = BTreeMap::new();
        for (shape, across, training) in by_shape(analysis) {
            let entry: &mut (usize, usize) = counts.entry(shape.class()).or_default();
            entry.0 += across;
            entry.1 += training;
        }
        Counts(counts)
    }

    /// Verdicts of `class` across models and along training.
    #[must_use]
    pub fn get(&self, class: VerdictClass) -> (usize, usize) {
        self.0.get(&class).copied().unwrap_or_default()
    }

    /// All verdicts across models and along training.
    #[must_use]
    pub fn total(&self) -> (usize, usize) {
        self.0
            .values()
            .fold((0, 0), |(a, t), (b, u)| (a + b, t + u))
    }
}

/// Verdicts of each shape that occurs: across models and along training, aggregates not counted.
#[must_use]
pub fn by_shape(analysis: &Analysis) -> Vec<(Shape, usize, usize)> {
    Shape::ALL
        .into_iter()
        .map(|shape| {
            if analysis.counts.is_empty() {
                let n = |across: bool| {
                    analysis
                        .verdicts
                        .iter()
                        .filter(|v| v.shape == shape && !is_aggregate(v))
                        .filter(|v| (v.view == View::Across) == across)
                        .count()
                };
                (shape, n(true), n(false))
            } else {
                analysis
                    .counts
                    .iter()
                    .filter(|c| c.shape == shape)
                    .fold((shape, 0, 0), |(s, a, t), c| {
                        (s, a + c.across, t + c.training)
                    })
            }
        })
        .filter(|(_, a, t)| a + t > 0)
        .collect()
}

/// Caveats that every verdict carries, by code: said once instead of in each row.
#[must_use]
pub fn shared_codes(analysis: &Analysis) -> BTreeSet<&'static str> {
    let codes = |v: &Verdict| -> BTreeSet<&'static str> {
        v.caveats.iter().map(words::caveat_code).collect()
    };
    match analysis.verdicts.as_slice() {
        [first, rest @ ..] if !rest.is_empty() => rest.iter().fold(codes(first), |shared, v| {
            shared.intersection(&codes(v)).copied().collect()
        }),
        _ => BTreeSet::new(),
    }
}

/// The caveat codes of `verdict` without the `shared` ones, as shown in a row.
#[must_use]
pub fn caveat_codes(verdict: &Verdict, shared: &BTreeSet<&'static str>) -> String {
    let codes: BTreeSet<&str> = verdict
        .caveats
        .iter()
        .map(words::caveat_code)
        .filter(|c| !shared.contains(c))
        .collect();
    codes.into_iter().collect::<Vec<_>>().join(" ")
}

/// Undecided verdicts by reason, the most frequent reason first; verdicts stay in order.
#[must_use]
pub fn undecided(analysis: &Analysis) -> Vec<(Option<Reason>, Vec<&Verdict>)> {
    let mut groups: BTreeMap<Option<Reason>, Vec<&Verdict>> = BTreeMap::new();
    for v in &analysis.verdicts {
        if v.shape == Shape::InsufficientData {
            groups.entry(v.reason).or_default().push(v);
        }
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, v)| std::cmp::Reverse(v.len()));
    groups
}

/// Curves whose largest model is certified near chance: what no model here can do yet.
/// The most items first, so that the strongest statements lead.
#[must_use]
pub fn nobody_yet(analysis: &Analysis) -> Vec<&Verdict> {
    let mut found: Vec<&Verdict> = analysis
        .verdicts
        .iter()
        .filter(|v| v.view == View::Across && !is_aggregate(v))
        .filter(|v| v.points.last().is_some_and(|p| p.label == Label::Near))
        .collect();
    let n = |v: &Verdict| v.points.last().and_then(|p| p.n).unwrap_or(0);
    found.sort_by(|a, b| n(b).cmp(&n(a)).then_with(|| a.key.cmp(&b.key)));
    found
}

/// The confidence of the threshold intervals.
#[must_use]
pub fn confidence(analysis: &Analysis) -> f64 {
    1.0 - 2.0 * analysis.config.alpha
}

/// The answer of the study, in a few sentences with its uncertainty.
#[must_use]
pub fn answer(analysis: &Analysis, signs: Signs) -> Vec<String> {
    let counts = Counts::of(analysis);
    let (total, total_training) = counts.total();
    let axis = analysis.config.axis;
    let mut out = Vec::new();
    if total == 0 && total_training == 0 {
        return vec!["No curve could be judged.".to_owned()];
    }
    if total > 0 {
        let emergent: Vec<&Verdict> = analysis
            .verdicts
            .iter()
            .filter(|v| v.view == View::Across && v.shape == Shape::Emergent && !is_aggregate(v))
            .collect();
        let undecided = counts.get(VerdictClass::Undecided).0;
        if emergent.is_empty() {
            out.push(format!(
                "None of {} read across models is certified as emergent.",
                plural(total, "curve", "curves")
            ));
        } else {
            let mut sentence = format!(
                "{} of {} read across models {} emergent: near chance in smaller models, certified substantially above it in larger ones",
                numbers::integer(emergent.len() as u64),
                plural(total, "curve", "curves"),
                if emergent.len() == 1 { "is" } else { "are" },
            );
            let abrupt = emergent
                .iter()
                .filter(|v| v.attributes.contains(&upturn_types::Attribute::Abrupt))
                .count();
            if abrupt > 0 {
                sentence.push_str(&format!(
                    " ({} certified abrupt)",
                    numbers::integer(abrupt as u64)
                ));
            }
            sentence.push('.');
            out.push(sentence);
            if let Some((hull, n)) = hull(&emergent, axis, signs) {
                let whose = if n == emergent.len() {
                    "Their thresholds lie".to_owned()
                } else {
                    format!(
                        "The {} whose scale is known in {} have their thresholds",
                        numbers::integer(n as u64),
                        numbers::unit(axis)
                    )
                };
                out.push(format!(
                    "{whose} in {hull}; each interval holds with confidence {} {}.",
                    signs.at_least,
                    numbers::percent(confidence(analysis))
                ));
            }
        }
        let mut rest: Vec<String> = Vec::new();
        let shapes = by_shape(analysis);
        let across = |shape: Shape| {
            shapes
                .iter()
                .find(|(s, _, _)| *s == shape)
                .map_or(0, |(_, across, _)| *across)
        };
        let weak = across(Shape::WeakOnset);
        if weak > 0 {
            rest.push(plural(weak, "weak onset", "weak onsets"));
        }
        for class in [VerdictClass::Smooth, VerdictClass::Flat] {
            let n = counts.get(class).0;
            if n > 0 {
                rest.push(format!(
                    "{} {}",
                    numbers::integer(n as u64),
                    words::class(class)
                ));
            }
        }
        // One class of three shapes, of which one word would say something wrong.
        for falling in [Shape::Inverse, Shape::UShaped, Shape::NonMonotone] {
            let n = across(falling);
            if n > 0 {
                rest.push(format!(
                    "{} {}",
                    numbers::integer(n as u64),
                    words::shape(falling)
                ));
            }
        }
        if undecided > 0 {
            rest.push(format!("{} undecided", numbers::integer(undecided as u64)));
        }
        if !rest.is_empty() {
            out.push(format!("The others: {}.", rest.join(", ")));
        }
        if undecided > 1 {
            out.push(main_reason(analysis));
        }
    }
    if total_training > 0 {
        let acquired = counts.get(VerdictClass::Acquired).1;
        out.push(format!(
            "Along the training of single models, a task was learned during the run in {} of {}.",
            numbers::integer(acquired as u64),
            plural(total_training, "trajectory", "trajectories")
        ));
    }
    out
}

/// Why most undecided curves are undecided; of reasons equally frequent the first.
fn main_reason(analysis: &Analysis) -> String {
    let mut by_reason: BTreeMap<Option<Reason>, usize> = BTreeMap::new();
    for v in &analysis.verdicts {
        if v.shape == Shape::InsufficientData && v.view == View::Across && !is_aggregate(v) {
            *by_reason.entry(v.reason).or_default() += 1;
        }
    }
    let most = by_reason
        .iter()
        .max_by_key(|(reason, n)| (**n, std::cmp::Reverse(**reason)));
    most.map_or_else(String::new, |(reason, n)| {
        let why = reason.map_or("no reason was recorded", words::reason);
        format!(
            "The commonest reason for staying undecided ({} of {}): {why}.",
            numbers::integer(*n as u64),
            numbers::integer(by_reason.values().sum::<usize>() as u64)
        )
    })
}

/// The range that holds the bounded thresholds of `verdicts` on `axis`, and how many those are.
fn hull(verdicts: &[&Verdict], axis: Axis, signs: Signs) -> Option<(String, usize)> {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    let mut n = 0;
    for threshold in verdicts.iter().filter_map(|v| v.threshold.as_ref()) {
        if let (Some(a), Some(b)) = numbers::threshold_ends(threshold, axis) {
            low = low.min(a.min(b));
            high = high.max(a.max(b));
            n += 1;
        }
    }
    (low.is_finite() && high.is_finite()).then(|| {
        let (a, b) = if axis == Axis::Loss {
            (high, low)
        } else {
            (low, high)
        };
        let range = format!(
            "{}{}{} {}",
            numbers::raw(axis, a),
            signs.dash,
            numbers::raw(axis, b),
            numbers::unit(axis)
        );
        (range, n)
    })
}

/// How the thresholds spread, in sentences.
#[must_use]
pub fn spread(analysis: &Analysis) -> Vec<String> {
    let Some(s) = &analysis.spread else {
        return Vec::new();
    };
    let mut out = vec![format!(
        "{} bounded on both sides, {} beyond the largest model (near chance there still), {} before the smallest (above chance from the start).",
        plural(s.n_bounded, "threshold", "thresholds"),
        numbers::integer(s.n_beyond as u64),
        numbers::integer(s.n_before as u64),
    )];
    if let Some(q) = s.quantiles {
        let [min, q1, median, q3, max] = q.map(|x| numbers::raw(s.axis, s.axis.raw(x)));
        let unit = numbers::unit(s.axis);
        out.push(format!(
            "Point estimates of the bounded ones: median {median} {unit}, middle half {q1} to {q3}, all {min} to {max}."
        ));
    }
    out
}

/// Conflicts, in a sentence; `None` without any.
#[must_use]
pub fn conflicts(analysis: &Analysis) -> Option<String> {
    let n = analysis.conflicts.len();
    if n == 0 {
        return None;
    }
    let same = analysis.conflicts.iter().filter(|c| c.same_source).count();
    let largest = analysis
        .conflicts
        .iter()
        .map(|c| difference(&c.values))
        .fold(0.0, f64::max);
    let mut out = format!(
        "{} between rows for the same model and task (largest difference {})",
        plural(n, "conflict", "conflicts"),
        numbers::score(largest)
    );
    if same > 0 {
        out.push_str(&format!(
            "; {} inside one source, whose rows were refused",
            numbers::integer(same as u64)
        ));
    }
    out.push('.');
    Some(out)
}

/// Largest difference between values.
#[must_use]
pub fn difference<T>(values: &[(T, f64)]) -> f64 {
    let low = values.iter().map(|v| v.1).fold(f64::INFINITY, f64::min);
    let high = values.iter().map(|v| v.1).fold(f64::NEG_INFINITY, f64::max);
    if high >= low { high - low } else { 0.0 }
}

/// Messages about the input, in a sentence; `None` without any.
#[must_use]
pub fn messages(analysis: &Analysis) -> Option<String> {
    let count = |s| {
        analysis
            .diagnostics
            .iter()
            .filter(|d| d.severity == s)
            .count()
    };
    let parts: Vec<String> = [
        (Severity::Error, "error", "errors"),
        (Severity::Warning, "warning", "warnings"),
        (Severity::Note, "note", "notes"),
    ]
    .into_iter()
    .filter(|(s, _, _)| count(*s) > 0)
    .map(|(s, one, many)| plural(count(s), one, many))
    .collect();
    (!parts.is_empty()).then(|| format!("About the input: {}.", parts.join(", ")))
}

/// Who a verdict is about: the family with its tuning, or the model of a trajectory.
#[must_use]
pub fn who(verdict: &Verdict) -> String {
    match &verdict.view {
        View::Across => match &verdict.key.tuning {
            Some(tuning) => format!("{} ({tuning})", verdict.key.family),
            None => verdict.key.family.to_string(),
        },
        View::Training(model) => format!("training of {model}"),
    }
}

/// Setting with what else tells two curves of one task apart.
#[must_use]
pub fn setting(verdict: &Verdict) -> String {
    let key = &verdict.key;
    let mut out = key.setting_name();
    for extra in [&key.filter, &key.split].into_iter().flatten() {
        out.push_str(", ");
        out.push_str(extra);
    }
    out
}

/// The certified onset in one line on every axis known: `1.2e22–2.3e22 FLOPs (6.7B–13B params)`.
#[must_use]
pub fn onset(verdict: &Verdict, signs: Signs) -> Option<String> {
    let t: &Threshold = verdict.threshold.as_ref().filter(|t| t.is_certified())?;
    let mut parts = Vec::new();
    if matches!(verdict.view, View::Training(_))
        && let Some(steps) = numbers::threshold_steps(t, signs)
    {
        parts.push(format!("steps {steps}"));
    }
    let mut axes = vec![verdict.axis];
    let second = if verdict.axis == Axis::Flops {
        Axis::Params
    } else {
        Axis::Flops
    };
    if verdict.view == View::Across {
        axes.push(second);
    }
    for axis in axes {
        if let Some(range) = numbers::threshold(t, axis, signs) {
            parts.push(format!("{range} {}", numbers::unit(axis)));
        }
    }
    match parts.as_slice() {
        [] => None,
        [only] => Some(only.clone()),
        [first, rest @ ..] => Some(format!("{first} ({})", rest.join(", "))),
    }
}

/// The last point's evidence: that of the largest model.
#[must_use]
pub fn largest(verdict: &Verdict) -> Option<&PointEvidence> {
    verdict.points.last()
}

/// The published threshold: `2.3e22 FLOPs, 13B params`.
#[must_use]
pub fn claim(row: &AgreementRow) -> String {
    let parts: Vec<String> = Axis::ALL
        .into_iter()
        .filter_map(|axis| {
            row.published
                .on(axis)
                .map(|v| format!("{} {}", numbers::raw(axis, v), numbers::unit(axis)))
        })
        .collect();
    if parts.is_empty() {
        "no threshold stated".to_owned()
    } else {
        parts.join(", ")
    }
}
