//! How to quote a verdict: one sentence that carries its evidence and its choices.

use upturn_types::{Analysis, KinkVerdict, Shape, Verdict, View};

use crate::facts;
use crate::names::visible;
use crate::numbers::{self, Signs, plural};
use crate::words;

/// A sentence to quote `verdict` by: what, who, how measured, how sure, with which choices.
///
/// Plain text. Names from the data are taken as they are, but for control characters.
#[must_use]
pub fn citation(analysis: &Analysis, verdict: &Verdict) -> String {
    let signs = Signs::UNICODE;
    let key = &verdict.key;
    let scope = match &verdict.view {
        View::Across => format!("across {}", plural(verdict.n_models, "model", "models")),
        View::Training(_) => format!(
            "along {} of one run",
            plural(verdict.n_models, "checkpoint", "checkpoints")
        ),
    };
    let shape = if verdict.shape == Shape::InsufficientData {
        let why = verdict.reason.map_or("too little data", words::reason);
        format!("undecided {scope} ({why})")
    } else {
        let attributes: Vec<&str> = verdict
            .attributes
            .iter()
            .map(|a| words::attribute_short(*a))
            .collect();
        let attributes = if attributes.is_empty() {
            String::new()
        } else {
            format!(" ({})", attributes.join(", "))
        };
        format!("{}{attributes} {scope}", words::shape(verdict.shape))
    };
    let items = match verdict.n_items {
        Some((a, b)) if a == b => format!(", n = {}", numbers::integer(a)),
        Some((a, b)) => format!(
            ", n = {}{}{}",
            numbers::integer(a),
            signs.dash,
            numbers::integer(b)
        ),
        None => String::new(),
    };
    let mut out = format!(
        "{} on {} ({}; {}{items}): {shape}",
        facts::who(verdict),
        key.task_name(),
        facts::setting(verdict),
        key.metric,
    );
    if let Some(onset) = facts::onset(verdict, signs) {
        let confidence = verdict
            .threshold
            .as_ref()
            .map_or_else(|| facts::confidence(analysis), |t| t.confidence_level);
        out.push_str(&format!(
            "; onset of scores above chance + {} at {onset}, confidence ≥ {}",
            verdict
                .near_margin
                .map_or_else(|| signs.delta.to_owned(), numbers::level),
            numbers::percent(confidence)
        ));
    }
    if let (Some(before), Some(after)) = (&verdict.before, &verdict.after) {
        out.push_str(&format!(
            "; {} → {}",
            numbers::score(before.score),
            numbers::score(after.score)
        ));
    }
    if let Some(p) = verdict.p {
        out.push_str(&format!("; largest model: {}", numbers::p_value(p)));
        if let Some(q) = verdict.p_bh {
            out.push_str(&format!(
                " (Benjamini–Hochberg over the list: {})",
                numbers::p_bare(q)
            ));
        }
    }
    if let Some(kink) = &verdict.kink {
        let word = match kink.verdict {
            KinkVerdict::Kink => "preferred to the smooth logistic",
            KinkVerdict::None => "no room for one",
            KinkVerdict::Undetermined => "undetermined",
        };
        out.push_str(&format!("; kink: {word}"));
    }
    if verdict
        .caveats
        .contains(&upturn_types::Caveat::SingleRunPerScale)
    {
        out.push_str("; single run per scale");
    }
    out.push_str(&format!(
        ". Margins {} = {} and {} = {} of the range, α = {}. Scores: {}. Judged by Upturn {}, curve {}.",
        signs.delta,
        numbers::percent(analysis.config.near_margin),
        signs.big_delta,
        numbers::percent(analysis.config.substantial_margin),
        verdict.alpha,
        key.source,
        analysis.provenance.version,
        verdict.curve,
    ));
    visible(&out)
}
