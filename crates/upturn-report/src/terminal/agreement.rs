//! Published claims beside the verdicts here, as a list with the reason for each outcome.

use upturn_types::{Agreement, Analysis, VerdictClass};

use super::{Term, TextOptions, Tone, fit, pad, width};
use crate::facts;
use crate::numbers::plural;

/// The comparison with published claims: counts first, then every claim with its outcome and reason.
#[must_use]
pub fn agreement(analysis: &Analysis, options: &TextOptions) -> String {
    let mut term = Term::new(options);
    if analysis.agreement.is_empty() {
        term.text("No published claims were compared.");
        return term.out;
    }
    let count = |a| {
        analysis
            .agreement
            .iter()
            .filter(|r| r.agreement == a)
            .count()
    };
    term.paragraph(
        &format!(
            "{} compared: {} agree, {} disagree, {} cannot be decided with the published numbers, {} have no published scores by size.",
            plural(analysis.agreement.len(), "published claim", "published claims"),
            count(Agreement::Agrees),
            count(Agreement::Disagrees),
            count(Agreement::Undecided),
            count(Agreement::DataNotPublished),
        ),
        0,
        "",
        Tone::Strong,
    );
    term.blank();
    let claims: Vec<String> = analysis
        .agreement
        .iter()
        .map(|r| term.clean(&facts::claim(r)))
        .collect();
    let outcome_room = 14;
    let claim_room = claims.iter().map(|c| width(c)).max().unwrap_or(0);
    for (row, claim) in analysis.agreement.iter().zip(&claims) {
        let (word, tone) = outcome(row.agreement);
        let rest = term.width.saturating_sub(outcome_room + 2);
        let ability = term.clean(&row.ability);
        let model = term.clean(&row.model);
        let name_room = rest.saturating_sub(claim_room + 2).max(12);
        let name = fit(
            &format!("{ability} ({model})"),
            name_room,
            term.signs.ellipsis,
        );
        let head = term.tone(&pad(word, outcome_room), tone);
        let name = pad(&name, name_room);
        let claim = fit(
            claim,
            rest.saturating_sub(name_room + 2),
            term.signs.ellipsis,
        );
        term.line(&format!("{head}  {name}  {claim}"));
        term.paragraph(&row.reason, outcome_room + 2, "", Tone::Plain);
    }
    term.out
}

/// The word for an outcome.
fn outcome(agreement: Agreement) -> (&'static str, Tone) {
    match agreement {
        Agreement::Agrees => ("agrees", Tone::Class(VerdictClass::Emergent)),
        Agreement::Disagrees => ("disagrees", Tone::Class(VerdictClass::Inverse)),
        Agreement::Undecided => ("undecided", Tone::Class(VerdictClass::Undecided)),
        Agreement::DataNotPublished => ("no data", Tone::Quiet),
    }
}
