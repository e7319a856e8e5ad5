//! Published counterexamples beside the scores here.

use upturn_catalog::{PublishedCounterexample, wei2022_counterexamples};
use upturn_types::{Agreement, AgreementRow, Curve, CurvePoint, Label, Scale, Verdict, View};

use crate::settings::family_identity;

/// Parameters of the model that is reported to have the abilities, PaLM 62B.
const SMALLER: (f64, f64) = (6.0e10, 6.5e10);
/// Parameters from which a model of another family is one of those reported to lack them
/// (LaMDA 137B, GPT-3 175B).
const LARGER: f64 = 1.3e11;

/// Every counterexample of Wei et al. 2022, Appendix F; none where PaLM was not measured on
/// any of their tasks.
pub(super) fn compare(verdicts: &[Verdict], curves: &[Curve]) -> Vec<AgreementRow> {
    let claims = wei2022_counterexamples();
    let is_claimed = |c: &&Curve| claims.iter().any(|claim| claim.is_task(&c.key.task));
    if !curves.iter().filter(is_claimed).any(is_palm) {
        return Vec::new();
    }
    claims
        .iter()
        .map(|claim| row(claim, verdicts, curves))
        .collect()
}

fn is_palm(curve: &Curve) -> bool {
    curve.key.tuning.is_none() && family_identity(&curve.key.family) == "palm"
}

fn is_lamda_or_gpt3(curve: &Curve) -> bool {
    let family = family_identity(&curve.key.family);
    curve.key.tuning.is_none() && (family == "lamda" || family == "gpt3")
}

/// A point of a curve with its label, where it was tested.
type Labelled<'a> = (&'a Curve, &'a CurvePoint, Option<Label>);

fn labelled<'a>(curve: &'a Curve, verdicts: &[Verdict]) -> Vec<Labelled<'a>> {
    let verdict = verdicts
        .iter()
        .find(|v| v.curve == curve.id && v.view == View::Across);
    let label = |i: usize| Some(verdict?.points.iter().find(|p| p.point == i)?.label);
    let points = curve.points.iter().enumerate();
    points.map(|(i, p)| (curve, p, label(i))).collect()
}

fn row(claim: &PublishedCounterexample, verdicts: &[Verdict], curves: &[Curve]) -> AgreementRow {
    let on_task: Vec<&Curve> = curves
        .iter()
        .filter(|c| claim.is_task(&c.key.task))
        .collect();
    let params = |p: &CurvePoint| p.scale.params.unwrap_or(0.0);
    let small: Vec<Labelled<'_>> = on_task
        .iter()
        .filter(|c| is_palm(c))
        .flat_map(|c| labelled(c, verdicts))
        .filter(|(_, p, _)| (SMALLER.0..=SMALLER.1).contains(&params(p)) && p.left_out.is_none())
        .collect();
    let large: Vec<Labelled<'_>> = on_task
        .iter()
        .filter(|c| is_lamda_or_gpt3(c))
        .flat_map(|c| labelled(c, verdicts))
        .filter(|(_, p, _)| params(p) >= LARGER)
        .collect();
    let says = |(_, p, label): &Labelled<'_>| {
        let word = match label {
            Some(label) if *label != Label::Untestable => label.name(),
            _ => "not testable",
        };
        format!("{} {:.3} ({word})", p.model, p.value)
    };
    let list = |points: &[Labelled<'_>]| points.iter().map(says).collect::<Vec<_>>().join(", ");
    let is = |points: &[Labelled<'_>], wanted: Label| points.iter().any(|p| p.2 == Some(wanted));
    let (agreement, reason) = if small.is_empty() {
        let reason = "no score of PaLM 62B on this task is here".to_owned();
        (Agreement::DataNotPublished, reason)
    } else if large.is_empty() {
        let reason = format!(
            "{}; no score of LaMDA 137B or GPT-3 175B on this task is here",
            list(&small)
        );
        (Agreement::DataNotPublished, reason)
    } else {
        let agreement = if is(&small, Label::Above) && is(&large, Label::Near) {
            Agreement::Agrees
        } else if is(&small, Label::Near) || is(&large, Label::Above) {
            Agreement::Disagrees
        } else {
            Agreement::Undecided
        };
        (agreement, format!("{}; {}", list(&small), list(&large)))
    };
    AgreementRow {
        ability: claim.task.into(),
        model: "PaLM 62B".into(),
        published: Scale {
            params: Some(6.2e10),
            ..Scale::default()
        },
        agreement,
        reason,
        curves: small
            .iter()
            .chain(&large)
            .map(|(c, _, _)| c.key.clone())
            .collect(),
    }
}
