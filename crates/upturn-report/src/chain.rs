//! The chain of evidence of one verdict, in plain sentences with their numbers.

use upturn_types::{
    Analysis, Attribute, Axis, Breakthrough, Curve, CurvePoint, Interval, KinkVerdict, Known,
    Label, PointEvidence, Reason, Shape, SharpnessClass, Text, Verdict, View,
};

use crate::curve;
use crate::facts;
use crate::numbers::{self, Signs, plural};
use crate::questions;
use crate::words;

/// A step of the chain: what it is about and what is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Heading.
    pub title: &'static str,
    /// Sentences, one paragraph each.
    pub sentences: Vec<String>,
}

/// One model as it was tested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelRow {
    /// Model, with its step.
    pub model: String,
    /// Scale on every axis that some model has, `?` where unknown.
    pub scale: String,
    /// Score.
    pub score: String,
    /// 95% interval, or empty.
    pub interval: String,
    /// Items, or empty.
    pub n: String,
    /// Label and its p-value.
    pub label: String,
}

/// The whole chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The verdict in one sentence.
    pub verdict: String,
    /// What was measured.
    pub source: Step,
    /// What the scales of the models are, in their order.
    pub scale_head: String,
    /// Whether some FLOPs are marked as computed, by a star.
    pub flops_derived: bool,
    /// Models tested, in order of scale.
    pub models: Vec<ModelRow>,
    /// Models on the curve that were left out, with the reason.
    pub left_out: Vec<String>,
    /// The steps from the tests to the verdict.
    pub steps: Vec<Step>,
}

/// The chain of evidence of `verdict`.
#[must_use]
pub fn chain(analysis: &Analysis, curve: Option<&Curve>, verdict: &Verdict, signs: Signs) -> Chain {
    // Axes on which some model has a place; the verdict's own in any case.
    let axes: Vec<Axis> = Axis::ALL
        .into_iter()
        .filter(|axis| {
            *axis == verdict.axis
                || curve.is_some_and(|c| c.points.iter().any(|p| p.scale.on(*axis).is_some()))
        })
        .collect();
    let steps = [
        margins(analysis, verdict, signs),
        walks(verdict, signs),
        conditions(verdict, signs),
        abruptness(verdict),
        resolution(verdict, signs),
        fits(verdict),
        kink(verdict, signs),
        sharpness(verdict, signs),
        breakthrough(verdict),
        trend(verdict, signs),
        questions::artefact_step(analysis, verdict, signs),
        questions::method_step(analysis, verdict, signs),
        many(verdict, analysis),
        caveats(verdict),
        needs(verdict, signs),
    ];
    Chain {
        verdict: conclusion(verdict, signs),
        source: source(curve, verdict),
        scale_head: axes
            .iter()
            .map(|a| numbers::unit(*a))
            .collect::<Vec<_>>()
            .join(" / "),
        flops_derived: axes.contains(&Axis::Flops)
            && curve.is_some_and(|c| {
                c.points
                    .iter()
                    .any(|p| p.scale.flops.is_some() && p.flops_kind == Some(Known::Derived))
            }),
        models: verdict
            .points
            .iter()
            .map(|p| model_row(curve, p, verdict, &axes, signs))
            .collect(),
        left_out: curve
            .map(|c| {
                c.points
                    .iter()
                    .filter_map(|p| {
                        p.left_out
                            .as_ref()
                            .map(|why| format!("{} ({why})", model_name(p)))
                    })
                    .collect()
            })
            .unwrap_or_default(),
        steps: steps
            .into_iter()
            .filter(|s| !s.sentences.is_empty())
            .collect(),
    }
}

fn things(verdict: &Verdict, n: usize) -> String {
    match verdict.view {
        View::Across => plural(n, "model", "models"),
        View::Training(_) => plural(n, "checkpoint", "checkpoints"),
    }
}

/// The verdict in one sentence.
fn conclusion(verdict: &Verdict, signs: Signs) -> String {
    let who = facts::who(verdict);
    let task = verdict.key.task_name();
    let setting = facts::setting(verdict);
    let mut out = format!("{task} ({setting}, {}), {who}: ", verdict.key.metric);
    if verdict.shape == Shape::InsufficientData {
        let why = verdict
            .reason
            .map_or("no reason was recorded", words::reason);
        out.push_str(&format!("undecided, because {why}."));
        if let Some(candidate) = verdict.candidate {
            out.push_str(&format!(
                " What there is points to {}.",
                words::shape(candidate)
            ));
        }
        if let Some(onset) = facts::onset(verdict, signs) {
            out.push_str(&format!(
                " What is certified all the same: the onset, if there is one, lies at {onset}."
            ));
        }
        return out;
    }
    out.push_str(words::shape(verdict.shape));
    let attributes: Vec<&str> = verdict
        .attributes
        .iter()
        .map(|a| words::attribute_short(*a))
        .collect();
    if !attributes.is_empty() {
        out.push_str(&format!(" ({})", attributes.join(", ")));
    }
    let meaning = verdict
        .reason
        .map_or_else(|| words::shape_meaning(verdict.shape), words::reason);
    out.push_str(&format!(". {}.", words::capital(meaning)));
    if let Some(onset) = facts::onset(verdict, signs) {
        out.push_str(&format!(" The onset lies at {onset}."));
    }
    out
}

fn source(curve: Option<&Curve>, verdict: &Verdict) -> Step {
    let key = &verdict.key;
    let mut sentences = vec![format!("Scores from {}.", key.source.trim_end_matches('.'))];
    let view = match &verdict.view {
        View::Across => format!(
            "Read across {} at {} over {}.",
            plural(verdict.n_models, "finished model", "finished models"),
            plural(verdict.n_scales, "distinct scale", "distinct scales"),
            words::axis_title(verdict.axis)
        ),
        View::Training(model) => format!(
            "Read along {} of the training of {model}.",
            plural(verdict.n_models, "checkpoint", "checkpoints")
        ),
    };
    sentences.push(view);
    if let Some(curve) = curve {
        if curve.flipped {
            sentences.push(
                "The metric counts errors, so each score was turned into one minus itself; chance and ceiling too."
                    .to_owned(),
            );
        }
        sentences.push(
            if curve.binomial {
                "The score is a share of items answered right, so exact binomial tests apply."
            } else {
                "The score is not a plain share of right answers, so tests use its standard error."
            }
            .to_owned(),
        );
        if let Some(why) = &curve.not_judged {
            sentences.push(format!(
                "It may not be judged: {}.",
                why.trim_end_matches('.')
            ));
        }
        if let (Some(chance), Some(known)) = (curve.chance, curve.chance_kind) {
            sentences.push(format!(
                "Chance, the score of guessing, is {} ({}).",
                numbers::level(chance),
                words::known(known)
            ));
        }
    }
    Step {
        title: "What was measured",
        sentences,
    }
}

fn model_name(point: &CurvePoint) -> String {
    match point.checkpoint_step {
        Some(step) => format!("{} step {}", point.model, numbers::integer(step)),
        None => point.model.to_string(),
    }
}

fn model_row(
    curve: Option<&Curve>,
    evidence: &PointEvidence,
    verdict: &Verdict,
    axes: &[Axis],
    signs: Signs,
) -> ModelRow {
    let point = curve.and_then(|c| c.points.get(evidence.point));
    let scale = axes
        .iter()
        .map(|&axis| {
            let derived =
                axis == Axis::Flops && point.is_some_and(|p| p.flops_kind == Some(Known::Derived));
            let raw = point.and_then(|p| p.scale.on(axis)).or_else(|| {
                let own = evidence.x.filter(|x| axis == verdict.axis && x.is_finite());
                own.map(|x| axis.raw(x))
            });
            raw.map_or_else(
                || "?".to_owned(),
                |raw| {
                    format!(
                        "{}{}",
                        numbers::raw(axis, raw),
                        if derived { "*" } else { "" }
                    )
                },
            )
        })
        .collect::<Vec<_>>()
        .join(" / ");
    let p = match evidence.label {
        Label::Above => evidence.p_above,
        Label::Near => evidence.p_near,
        Label::BelowChance => evidence.p_below.or(evidence.p_near),
        Label::Unresolved | Label::Untestable => None,
    };
    let label = words::label(evidence.label);
    let label = match (evidence.label, p, evidence.p_above, evidence.p_near) {
        (Label::Unresolved, _, Some(a), Some(b)) => format!(
            "{label}, p above = {}, p near = {}",
            numbers::p_bare(a),
            numbers::p_bare(b)
        ),
        (_, Some(p), _, _) => format!("{label}, {}", numbers::p_value(p)),
        _ => label.to_owned(),
    };
    ModelRow {
        model: point.map_or_else(|| format!("point {}", evidence.point + 1), model_name),
        scale,
        score: numbers::score(evidence.score),
        interval: evidence
            .interval
            .map_or_else(String::new, |i: Interval| numbers::interval(&i, signs)),
        n: evidence.n.map_or_else(String::new, |n| {
            let how = point.and_then(|p| p.n_kind);
            match how {
                Some(Known::Reported) | None => numbers::integer(n),
                Some(how) => format!("{} ({})", numbers::integer(n), how.name()),
            }
        }),
        label,
    }
}

fn margins(analysis: &Analysis, verdict: &Verdict, signs: Signs) -> Step {
    let mut sentences = Vec::new();
    if let (Some(c), Some(near), Some(substantial)) = (
        verdict.chance,
        verdict.near_margin,
        verdict.substantial_margin,
    ) {
        let ceiling = verdict.ceiling.map_or_else(String::new, |u| {
            format!(" and ceiling {}", numbers::level(u))
        });
        sentences.push(format!(
            "With chance {}{ceiling}, a model counts as near chance when its score is certified below {} (chance + {}, {} of the range) and as above when it is certified over that; substantial means over {} (chance + {}, {} of the range).",
            numbers::level(c),
            numbers::level(c + near),
            signs.delta,
            numbers::percent(analysis.config.near_margin),
            numbers::level(c + substantial),
            signs.big_delta,
            numbers::percent(analysis.config.substantial_margin),
        ));
        sentences.push(format!(
            "Each test is one-sided at level {}: its p-value is the probability of a score so extreme if the opposite held.",
            verdict.alpha
        ));
    }
    Step {
        title: "Margins",
        sentences,
    }
}

fn walks(verdict: &Verdict, signs: Signs) -> Step {
    let mut sentences = Vec::new();
    if let Some(t) = &verdict.threshold {
        // Where the run ends: a name says more than its number.
        let at = |n: usize, model: &Option<Text>, step: Option<u64>| match (model, step) {
            (_, Some(s)) if n == 1 => format!(", at step {}", numbers::integer(s)),
            (_, Some(s)) => format!(", the last at step {}", numbers::integer(s)),
            (Some(m), None) if n == 1 => format!(": {m}"),
            (Some(m), None) => format!(", the last of them {m}"),
            (None, None) => String::new(),
        };
        let run = |n: usize| {
            let verb = if n == 1 { "is" } else { "in a row are" };
            format!("{} {verb}", things(verdict, n))
        };
        sentences.push(if t.n_near > 0 {
            format!(
                "From the smallest upwards, {} certified near chance{}.",
                run(t.n_near),
                at(t.n_near, &t.lower_model, t.lower_step)
            )
        } else {
            "From the smallest upwards, not even the first is certified near chance.".to_owned()
        });
        sentences.push(if t.n_above > 0 {
            format!(
                "From the largest downwards, {} certified above{}.",
                run(t.n_above),
                at(t.n_above, &t.upper_model, t.upper_step)
            )
        } else {
            "From the largest downwards, not even the first is certified above.".to_owned()
        });
        if let Some(onset) = facts::onset(verdict, signs) {
            let confidence = numbers::percent(t.confidence_level);
            sentences.push(if t.is_bounded() {
                format!(
                    "So, with confidence {} {confidence}, the score begins to stay above chance + {} somewhere in {onset}.",
                    signs.at_least, signs.delta
                )
            } else {
                format!(
                    "So one end is certified, with confidence {} {confidence}: the onset, if any, lies at {onset}.",
                    signs.at_least
                )
            });
        }
        if let (Some(x), true) = (t.point.filter(|x| x.is_finite()), t.is_bounded()) {
            sentences.push(format!(
                "Best single guess: {} {}.",
                numbers::raw(verdict.axis, verdict.axis.raw(x)),
                numbers::unit(verdict.axis)
            ));
        }
        sentences.push(
            "Each walk stops at its first failure, so its tests need no correction for their number."
                .to_owned(),
        );
    }
    Step {
        title: "Threshold: walks from both ends",
        sentences,
    }
}

/// The distinct coordinates of the first `n` points.
fn distinct_scales(verdict: &Verdict, n: usize) -> usize {
    let mut xs: Vec<f64> = verdict
        .points
        .iter()
        .take(n)
        .map(|p| p.x.unwrap_or(f64::NEG_INFINITY))
        .collect();
    xs.sort_by(f64::total_cmp);
    xs.dedup();
    xs.len()
}

fn conditions(verdict: &Verdict, signs: Signs) -> Step {
    let mut sentences = Vec::new();
    if let (Some(t), View::Across) = (&verdict.threshold, &verdict.view) {
        let word = |met| if met { "met" } else { "not met" };
        let scales = distinct_scales(verdict, t.n_near);
        sentences.push(format!(
            "E1, near chance at two or more of the smallest scales: {} ({}).",
            word(scales >= 2),
            plural(scales, "scale", "scales")
        ));
        sentences.push(format!(
            "E2, certified above at the largest: {} ({}).",
            word(t.n_above >= 1),
            things(verdict, t.n_above)
        ));
        let e3 = match verdict.shape {
            Shape::Emergent => Some(true),
            Shape::WeakOnset => Some(false),
            _ if verdict.attributes.contains(&Attribute::GradualOnset) => Some(true),
            _ => None,
        };
        if let (Some(largest), Some(c), Some(margin)) =
            (&verdict.largest, verdict.chance, verdict.substantial_margin)
        {
            let interval = largest
                .interval
                .as_ref()
                .map_or_else(String::new, |i| format!(" {}", numbers::interval(i, signs)));
            let met = e3.map_or_else(
                || {
                    // The two-sided interval is wider than the one-sided bound, so it can only confirm.
                    match largest.interval.and_then(|i| i.lower) {
                        Some(l) if l > c + margin => "met",
                        _ if largest.score <= c + margin => "not met",
                        _ => "not confirmed",
                    }
                },
                word,
            );
            sentences.push(format!(
                "E3, the largest certified above chance + {} = {}: {met} (score {}{interval}).",
                signs.big_delta,
                numbers::level(c + margin),
                numbers::score(largest.score)
            ));
        }
        if verdict.reason == Some(Reason::PlateauTooShort) {
            sentences.push("One scale near chance does not make a plateau.".to_owned());
        }
    }
    if matches!(verdict.view, View::Training(_)) {
        sentences.push(
            "Along one run the conditions of emergence are not asked: step 0 is random by construction, so every learned task would meet them."
                .to_owned(),
        );
    }
    Step {
        title: "Conditions of emergence",
        sentences,
    }
}

fn abruptness(verdict: &Verdict) -> Step {
    let mut sentences = Vec::new();
    if let Some(a) = &verdict.abruptness {
        let unit = match verdict.axis {
            Axis::Loss => "nat",
            _ => "decade",
        };
        match a.slope_before {
            Some(before) => sentences.push(format!(
                "The score rises by {} per {unit} among the models near chance and by {} from there to the largest.",
                numbers::statistic(before),
                numbers::statistic(a.slope_after)
            )),
            None => sentences.push(format!(
                "The score rises by {} per {unit} from the last model near chance to the largest; the models near chance have a single scale, hence no slope.",
                numbers::statistic(a.slope_after)
            )),
        }
        match (a.t, a.t_se) {
            (Some(t), Some(se)) => {
                // One-sided 5%: the same limit as in the rule for E4.
                let (low, high) = (t - 1.645 * se, t + 1.645 * se);
                let word = if high < 0.0 {
                    "abrupt: steeper after the onset by more than four times"
                } else if low > 0.0 {
                    "gradual: less than four times as steep after the onset"
                } else {
                    "undetermined: whether it is four times as steep cannot be told"
                };
                sentences.push(format!(
                    "T, the slope before minus a quarter of the slope after, is {} (standard error {}), so the onset is {word}.",
                    numbers::statistic(t),
                    numbers::statistic(se)
                ));
            }
            _ => sentences.push("Whether the onset is abrupt is undetermined.".to_owned()),
        }
    }
    Step {
        title: "Abruptness",
        sentences,
    }
}

fn resolution(verdict: &Verdict, signs: Signs) -> Step {
    let mut sentences = Vec::new();
    if let Some(r) = &verdict.resolution {
        let n = numbers::integer(r.n);
        sentences.push(match r.k_near {
            Some(k) => format!(
                "With {n} items a model is certified near chance at {} right or fewer, and above at {} or more.",
                numbers::integer(k),
                numbers::integer(r.k_above)
            ),
            None => format!(
                "With {n} items no score at all can be certified near chance; above begins at {} right.",
                numbers::integer(r.k_above)
            ),
        });
        let needed = r.n_to_certify_chance.map_or_else(String::new, |needed| {
            format!(
                "; to do so four times in five takes about {} items",
                numbers::integer(needed)
            )
        });
        sentences.push(format!(
            "A model exactly at chance would be certified as such with probability {}{needed}.",
            numbers::p_bare(r.near_power)
        ));
        sentences.push(format!(
            "A true score of {} is found above the margin four times in five.",
            numbers::score(r.detectable)
        ));
        if r.near_power < 0.5 {
            sentences.push(format!(
                "That probability is below one half: a missing certificate of chance says little here ({} too small).",
                if signs == Signs::UNICODE { "n" } else { "number of items" }
            ));
        }
    }
    Step {
        title: "What the number of items can show",
        sentences,
    }
}

fn fits(verdict: &Verdict) -> Step {
    let mut sentences = Vec::new();
    if let Some(c) = &verdict.fits {
        let mut fits: Vec<_> = c.fits.iter().filter(|f| f.weight > 0.0).collect();
        fits.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        let weights: Vec<String> = fits
            .iter()
            .filter(|f| f.weight >= 0.005)
            .map(|f| format!("{} {}", f.model.name(), numbers::percent(f.weight)))
            .collect();
        sentences.push(format!(
            "{} curve models were fitted to {} by {} likelihood.",
            c.fits.len(),
            things(verdict, c.k),
            c.likelihood.replace('_', "-")
        ));
        let n_comparable = c.fits.iter().filter(|f| f.aicc.is_some()).count();
        if n_comparable == 1 {
            sentences.push(
                "Too few scales to weigh the models against each other: only the simplest has a defined AICc."
                    .to_owned(),
            );
        } else if !weights.is_empty() {
            sentences.push(format!(
                "Share of the evidence (Akaike weights, which charge for parameters): {}.",
                weights.join(", ")
            ));
        }
        let hidden = curve::contradicts(verdict);
        if let Some(fit) = curve::drawn_fit(c).filter(|_| !hidden || n_comparable > 1) {
            let theta: Vec<String> = fit.theta.iter().map(|t| numbers::statistic(*t)).collect();
            let how = if c.best == Some(fit.model) && n_comparable > 1 {
                "Best"
            } else {
                "Drawn"
            };
            sentences.push(format!(
                "{how}: {}, parameters ({}).",
                words::curve_model(fit.model),
                theta.join(", ")
            ));
        }
        if hidden {
            sentences.push(
                if n_comparable > 1 {
                    "A constant is best here only because so few scales cannot pay for another parameter; a rise is certified all the same, so the constant is not drawn."
                } else {
                    "A rise is certified, so that one, a constant, is not drawn."
                }
                .to_owned(),
            );
        }
        sentences.push(match c.delta_aicc_hinge {
            Some(d) if d.is_finite() => {
                let word = if d >= 6.0 {
                    "by itself strong support for a kink"
                } else if d >= 2.0 {
                    "by itself weak support for a kink"
                } else {
                    "by itself no support for a kink, which with so few scales is no evidence of smoothness either"
                };
                format!(
                    "AICc of the smooth logistic minus that of the hinge (flat, then rising): {}, {word}.",
                    numbers::statistic(d)
                )
            }
            _ => "Too few scales to weigh the hinge (flat, then rising) against the smooth logistic: undetermined.".to_owned(),
        });
        if let Some(phi) = c.overdispersion.filter(|p| *p > 1.5) {
            sentences.push(format!(
                "Scores scatter about the smooth curve {} times as much as item noise alone would make them ({} in variance).",
                numbers::statistic(phi.sqrt()),
                numbers::statistic(phi)
            ));
        }
    }
    Step {
        title: "Fitted curves",
        sentences,
    }
}

fn kink(verdict: &Verdict, signs: Signs) -> Step {
    let mut sentences = Vec::new();
    if let Some(k) = &verdict.kink {
        sentences.push(format!(
            "D, twice the log-likelihood by which the best kinked curve ({}) beats the smooth logistic, is {}.",
            k.best_alternative.name(),
            numbers::statistic(k.statistic)
        ));
        match (k.p, &k.skipped) {
            (Some(p), _) => {
                let range = k.p_interval.map_or_else(String::new, |(a, b)| {
                    format!(
                        " (within {}{}{} for the number of simulations)",
                        numbers::score(a),
                        signs.dash,
                        numbers::score(b)
                    )
                });
                sentences.push(format!(
                    "Among {} simulated from the smooth logistic so large a D comes up with {}{range}.",
                    plural(k.n_draws as usize, "data set", "data sets"),
                    numbers::p_value(p)
                ));
            }
            (None, Some(why)) => sentences.push(format!(
                "It was not compared with simulated data: {}.",
                why.trim_end_matches('.')
            )),
            (None, None) => {
                sentences.push("It was not compared with simulated data.".to_owned());
            }
        }
        if let Some(b) = &k.breakpoint {
            let raw = |x: f64| numbers::raw(verdict.axis, verdict.axis.raw(x));
            let unit = numbers::unit(verdict.axis);
            if b.degenerate {
                if let Some(upper) = b.interval.upper {
                    sentences.push(format!(
                        "The hinge bends nowhere inside the data; a bend would lie below {} {unit}.",
                        raw(upper)
                    ));
                }
            } else {
                let end = |x: Option<f64>, open: &str| x.map_or_else(|| open.to_owned(), raw);
                sentences.push(format!(
                    "The hinge bends at {} {unit} (95% interval {} to {}).",
                    raw(b.tau),
                    end(b.interval.lower, "below the data"),
                    end(b.interval.upper, "beyond the data")
                ));
            }
        }
        sentences.push(
            match k.verdict {
                KinkVerdict::Kink => "So a kink is preferred to the smooth logistic.",
                KinkVerdict::None => {
                    "So there is no kink to be seen: the data have no room for one."
                }
                KinkVerdict::Undetermined => {
                    "So whether there is a kink is undetermined: not preferred, but with so few scales that is no evidence of smoothness."
                }
            }
            .to_owned(),
        );
        if k.verdict == KinkVerdict::Kink
            && let Some(smooth) = verdict.fits.as_ref().and_then(curve::better_without_kink)
        {
            sentences.push(format!(
                "But another smooth curve, the {}, fits better than every kinked one for its number of parameters (AICc): the scores do not need a kink.",
                smooth.name()
            ));
        }
    }
    Step {
        title: "Kink",
        sentences,
    }
}

fn sharpness(verdict: &Verdict, signs: Signs) -> Step {
    let mut sentences = Vec::new();
    if let Some(s) = &verdict.sharpness {
        let unit = numbers::coordinate_unit(verdict.axis);
        let end =
            |v: Option<f64>, open: &str| v.map_or_else(|| open.to_owned(), numbers::statistic);
        let word = match s.class {
            SharpnessClass::Sharp => "sharp: certainly within one",
            SharpnessClass::Gradual => "gradual: certainly more than one",
            SharpnessClass::Undetermined => "undetermined: the interval holds one",
        };
        sentences.push(format!(
            "By the logistic fit the rise from 10% to 90% of the range takes {} {unit} (95% interval {} to {}), so it is {word}.",
            numbers::statistic(s.width),
            end(s.width_interval.lower, "0"),
            end(s.width_interval.upper, signs.infinity),
        ));
        sentences.push(format!(
            "Half the range is reached at {} {}{}.",
            numbers::raw(verdict.axis, verdict.axis.raw(s.midpoint)),
            numbers::unit(verdict.axis),
            if verdict
                .points
                .last()
                .and_then(|p| p.x)
                .is_some_and(|x| s.midpoint > x)
            {
                ", beyond the largest model: an extrapolation"
            } else {
                ""
            }
        ));
    }
    Step {
        title: "Sharpness",
        sentences,
    }
}

/// A value stored at its cap stands for infinity.
fn capped(value: f64) -> String {
    if value.abs() >= Breakthrough::CAP {
        let sign = if value < 0.0 { "minus " } else { "" };
        format!("{sign}infinite")
    } else {
        numbers::statistic(value)
    }
}

fn breakthrough(verdict: &Verdict) -> Step {
    let mut sentences = Vec::new();
    if let Some(b) = &verdict.breakthrough {
        sentences.push(format!(
            "BIG-bench linearity {} and breakthroughness {} (increase {}): both weigh the total rise against the steps between neighbours, and neither compares between curves of different length.",
            capped(b.linearity),
            capped(b.breakthroughness),
            numbers::score(b.increase)
        ));
        let mut nulls = Vec::new();
        if let Some(p) = b.p_order_linearity {
            nulls.push(format!(
                "if the order of models did not matter, linearity {}",
                numbers::p_value(p)
            ));
        }
        if let Some(p) = b.p_order_breakthroughness {
            nulls.push(format!("breakthroughness {}", numbers::p_value(p)));
        }
        if let Some(p) = b.p_noise_breakthroughness {
            nulls.push(format!(
                "if all scores were one constant with item noise, breakthroughness {}",
                numbers::p_value(p)
            ));
        }
        if let Some(p) = b.p_smooth_breakthroughness {
            nulls.push(format!(
                "if the fitted smooth curve were true, breakthroughness {}",
                numbers::p_value(p)
            ));
        }
        if !nulls.is_empty() {
            sentences.push(format!("As large by chance: {}.", nulls.join("; ")));
        }
    }
    Step {
        title: "Linearity and breakthroughness",
        sentences,
    }
}

fn trend(verdict: &Verdict, signs: Signs) -> Step {
    let t = &verdict.trend;
    let mut sentences = Vec::new();
    if let Some(tau) = t.kendall_tau {
        let p = t.kendall_p.map_or_else(String::new, |p| {
            format!(", two-sided {}", numbers::p_value(p))
        });
        sentences.push(format!(
            "Rank correlation of score with scale (Kendall tau-b): {}{p}.",
            numbers::statistic(tau)
        ));
    }
    if let Some(z) = t.cochran_armitage_z {
        sentences.push(format!(
            "Linear trend of the success rate (Cochran{}Armitage): z = {}.",
            signs.dash,
            numbers::statistic(z)
        ));
    }
    if let Some(d) = t.isotonic_deviance {
        sentences.push(format!(
            "Distance from the best never-falling curve (deviance): {}.",
            numbers::statistic(d)
        ));
    }
    match (t.subthreshold_trend, t.subthreshold_z) {
        (Some(found), z) => {
            let z = z.map_or_else(String::new, |z| format!(" (z = {})", numbers::statistic(z)));
            sentences.push(if found {
                format!("Below the threshold the scores already rise with scale{z}: the jump is not out of nothing.")
            } else {
                format!("Below the threshold no rise with scale can be shown{z}.")
            });
        }
        (None, _) => {
            if !sentences.is_empty() && verdict.view == View::Across {
                sentences.push("Whether the scores rise below the threshold is undetermined: fewer than three models lie there, or none is a threshold.".to_owned());
            }
        }
    }
    Step {
        title: "Trend",
        sentences,
    }
}

fn many(verdict: &Verdict, analysis: &Analysis) -> Step {
    let mut sentences = Vec::new();
    if let Some(p) = verdict.p {
        sentences.push(format!(
            "That the largest is above the margin by luck: {}.",
            numbers::p_value(p)
        ));
        let n = analysis
            .verdicts
            .iter()
            .filter(|v| v.p_bh.is_some())
            .count();
        if let (Some(bh), Some(by)) = (verdict.p_bh, verdict.p_by) {
            sentences.push(format!(
                "Corrected for a list of {}: {} (Benjamini-Hochberg), {} (Benjamini-Yekutieli, which allows for tasks that share models).",
                plural(n, "verdict", "verdicts"),
                numbers::p_bare(bh),
                numbers::p_bare(by)
            ));
        }
    }
    Step {
        title: "Many verdicts at once",
        sentences,
    }
}

fn caveats(verdict: &Verdict) -> Step {
    Step {
        title: "Before quoting it",
        sentences: verdict
            .caveats
            .iter()
            .map(|c| words::caveat(c, verdict.axis))
            .collect(),
    }
}

fn needs(verdict: &Verdict, signs: Signs) -> Step {
    Step {
        title: "What would decide it",
        sentences: verdict
            .needs
            .iter()
            .map(|n| words::sentence(&words::capital(&words::need(n, signs))))
            .collect(),
    }
}
