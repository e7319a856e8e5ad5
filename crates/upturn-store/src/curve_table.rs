//! The columns of a table of curves: one row per curve, view and point.

use std::collections::{BTreeMap, BTreeSet};

use upturn_types::{Analysis, Curve, CurveId, CurvePoint, PointEvidence, Verdict};

use crate::table::{Cell, Column, Kind};
use crate::verdict_table::{view_model, view_name};

/// A point of a curve, with what one verdict says about it.
pub(crate) struct CurveRow<'a> {
    curve: &'a Curve,
    point: &'a CurvePoint,
    verdict: Option<&'a Verdict>,
    evidence: Option<&'a PointEvidence>,
}

/// The rows of an analysis: curves in their order; for each, its verdicts in their
/// order with the points tested; then, without a view, the points that no verdict tests.
pub(crate) fn rows(analysis: &Analysis) -> Vec<CurveRow<'_>> {
    let mut verdicts: BTreeMap<&CurveId, Vec<&Verdict>> = BTreeMap::new();
    for verdict in &analysis.verdicts {
        verdicts.entry(&verdict.curve).or_default().push(verdict);
    }
    let mut rows = Vec::new();
    for curve in &analysis.curves {
        let mut tested = BTreeSet::new();
        for verdict in verdicts.get(&curve.id).into_iter().flatten() {
            for evidence in &verdict.points {
                if let Some(point) = curve.points.get(evidence.point) {
                    tested.insert(evidence.point);
                    rows.push(CurveRow {
                        curve,
                        point,
                        verdict: Some(verdict),
                        evidence: Some(evidence),
                    });
                }
            }
        }
        let untested = curve.points.iter().enumerate();
        rows.extend(
            untested
                .filter(|(i, _)| !tested.contains(i))
                .map(|(_, point)| CurveRow {
                    curve,
                    point,
                    verdict: None,
                    evidence: None,
                }),
        );
    }
    rows
}

/// Columns of a row.
pub(crate) fn columns<'r>() -> Vec<Column<CurveRow<'r>>> {
    vec![
        Column::new("curve", Kind::Text, false, |r| Cell::text(&r.curve.id.0)),
        Column::new("family", Kind::Text, false, |r| {
            Cell::text(&r.curve.key.family)
        }),
        Column::new("tuning", Kind::Text, true, |r| {
            Cell::maybe(r.curve.key.tuning.as_ref())
        }),
        Column::new("task", Kind::Text, false, |r| Cell::text(&r.curve.key.task)),
        Column::new("subset", Kind::Text, true, |r| {
            Cell::maybe(r.curve.key.subset.as_ref())
        }),
        Column::new("split", Kind::Text, true, |r| {
            Cell::maybe(r.curve.key.split.as_ref())
        }),
        Column::new("method", Kind::Text, false, |r| {
            Cell::text(&r.curve.key.method)
        }),
        Column::new("shots", Kind::U32, true, |r| Cell::U32(r.curve.key.shots)),
        Column::new("filter", Kind::Text, true, |r| {
            Cell::maybe(r.curve.key.filter.as_ref())
        }),
        Column::new("metric", Kind::Text, false, |r| {
            Cell::text(&r.curve.key.metric)
        }),
        Column::new("source", Kind::Text, false, |r| {
            Cell::text(&r.curve.key.source)
        }),
        Column::new("view", Kind::Text, true, |r| {
            Cell::Text(r.verdict.map(|v| view_name(&v.view).into()))
        }),
        Column::new("view_model", Kind::Text, true, |r| {
            Cell::maybe(r.verdict.and_then(|v| view_model(&v.view)))
        }),
        Column::new("axis", Kind::Text, true, |r| {
            Cell::Text(r.verdict.map(|v| v.axis.name().into()))
        }),
        Column::new("shape", Kind::Text, true, |r| {
            Cell::Text(r.verdict.map(|v| v.shape.name().into()))
        }),
        Column::new("model", Kind::Text, false, |r| Cell::text(&r.point.model)),
        Column::new("checkpoint_step", Kind::U64, true, |r| {
            Cell::U64(r.point.checkpoint_step)
        }),
        Column::new("params", Kind::F64, true, |r| {
            Cell::F64(r.point.scale.params)
        }),
        Column::new("tokens", Kind::F64, true, |r| {
            Cell::F64(r.point.scale.tokens)
        }),
        Column::new("flops", Kind::F64, true, |r| Cell::F64(r.point.scale.flops)),
        Column::new("flops_kind", Kind::Text, true, |r| {
            Cell::Text(r.point.flops_kind.map(|k| k.name().into()))
        }),
        Column::new("train_loss_nats", Kind::F64, true, |r| {
            Cell::F64(r.point.scale.train_loss_nats)
        }),
        Column::new("value", Kind::F64, false, |r| {
            Cell::F64(Some(r.point.value))
        }),
        Column::new("score", Kind::F64, false, |r| {
            Cell::F64(Some(r.point.score))
        }),
        Column::new("stderr", Kind::F64, true, |r| Cell::F64(r.point.stderr)),
        Column::new("n", Kind::U64, true, |r| Cell::U64(r.point.n)),
        Column::new("n_kind", Kind::Text, true, |r| {
            Cell::Text(r.point.n_kind.map(|k| k.name().into()))
        }),
        Column::new("n_seeds", Kind::U32, false, |r| {
            Cell::U32(Some(r.point.n_seeds))
        }),
        Column::new("chance", Kind::F64, true, |r| Cell::F64(r.curve.chance)),
        Column::new("chance_kind", Kind::Text, true, |r| {
            Cell::Text(r.curve.chance_kind.map(|k| k.name().into()))
        }),
        Column::new("ceiling", Kind::F64, true, |r| Cell::F64(r.curve.ceiling)),
        Column::new("flipped", Kind::Bool, false, |r| {
            Cell::Bool(Some(r.curve.flipped))
        }),
        Column::new("binomial", Kind::Bool, false, |r| {
            Cell::Bool(Some(r.curve.binomial))
        }),
        Column::new("aggregate", Kind::Bool, false, |r| {
            Cell::Bool(Some(r.curve.aggregate))
        }),
        Column::new("not_judged", Kind::Text, true, |r| {
            Cell::maybe(r.curve.not_judged.as_ref())
        }),
        Column::new("x", Kind::F64, true, |r| {
            Cell::F64(r.evidence.and_then(|e| e.x))
        }),
        Column::new("k", Kind::U64, true, |r| {
            Cell::U64(r.evidence.and_then(|e| e.k))
        }),
        Column::new("score_lower", Kind::F64, true, |r| {
            Cell::F64(r.evidence.and_then(|e| e.interval).and_then(|i| i.lower))
        }),
        Column::new("score_upper", Kind::F64, true, |r| {
            Cell::F64(r.evidence.and_then(|e| e.interval).and_then(|i| i.upper))
        }),
        Column::new("confidence_level", Kind::F64, true, |r| {
            Cell::F64(
                r.evidence
                    .and_then(|e| e.interval)
                    .map(|i| i.confidence_level),
            )
        }),
        Column::new("label", Kind::Text, true, |r| {
            Cell::Text(r.evidence.map(|e| e.label.name().into()))
        }),
        Column::new("label_holm", Kind::Text, true, |r| {
            Cell::Text(r.evidence.map(|e| e.label_holm.name().into()))
        }),
        Column::new("p_chance", Kind::F64, true, |r| {
            Cell::F64(r.evidence.and_then(|e| e.p_chance))
        }),
        Column::new("p_above", Kind::F64, true, |r| {
            Cell::F64(r.evidence.and_then(|e| e.p_above))
        }),
        Column::new("p_near", Kind::F64, true, |r| {
            Cell::F64(r.evidence.and_then(|e| e.p_near))
        }),
        Column::new("p_below", Kind::F64, true, |r| {
            Cell::F64(r.evidence.and_then(|e| e.p_below))
        }),
        Column::new("left_out", Kind::Text, true, |r| {
            Cell::maybe(r.point.left_out.as_ref())
        }),
        Column::new("flags", Kind::Texts, false, |r| Cell::texts(&r.point.flags)),
        Column::new("note", Kind::Text, true, |r| {
            Cell::maybe(r.point.note.as_ref())
        }),
    ]
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use upturn_types::{
        AnalysisConfig, Axis, Caveat, CurveKey, CurvePoint, Interval, Label, Need, Provenance,
        Scale, Shape, Threshold, Trend, View,
    };

    fn key() -> CurveKey {
        CurveKey {
            family: "GPT-3".into(),
            tuning: None,
            task: "3D+".into(),
            subset: None,
            split: Some("test".into()),
            method: "direct".into(),
            shots: Some(50),
            filter: None,
            metric: "acc".into(),
            source: "Brown et al., 2020; Table H.1".into(),
        }
    }

    fn point(model: &str, score: f64, left_out: Option<&str>) -> CurvePoint {
        CurvePoint {
            model: model.into(),
            checkpoint_step: None,
            scale: Scale {
                params: Some(1.3e9),
                ..Scale::default()
            },
            flops_kind: None,
            value: score,
            score,
            stderr: None,
            n: Some(2000),
            n_kind: Some(upturn_types::Known::Reported),
            n_seeds: 1,
            flags: vec!["code".into(), "moe".into()],
            note: None,
            left_out: left_out.map(Into::into),
        }
    }

    /// An analysis of one curve of three points, one of them left out, with one verdict.
    pub(crate) fn analysis() -> Analysis {
        let evidence = |point: usize, score: f64, label: Label| PointEvidence {
            point,
            x: Some(21.5),
            score,
            k: Some(7),
            n: Some(2000),
            interval: Some(Interval {
                lower: Some(0.0),
                upper: Some(0.1),
                confidence_level: 0.95,
            }),
            label,
            label_holm: label,
            p_chance: None,
            p_above: Some(1.0),
            p_near: Some(1e-12),
            p_below: None,
        };
        let verdict = Verdict {
            curve: key().id(),
            key: key(),
            view: View::Across,
            axis: Axis::Flops,
            shape: Shape::Emergent,
            reason: None,
            candidate: None,
            attributes: vec![upturn_types::Attribute::Abrupt],
            n_models: 2,
            n_scales: 2,
            n_items: Some((2000, 2000)),
            chance: Some(0.0),
            ceiling: Some(1.0),
            near_margin: Some(0.05),
            substantial_margin: Some(0.1),
            alpha: 0.05,
            threshold: Some(Threshold {
                n_near: 1,
                n_above: 1,
                lower: Some(22.079),
                upper: None,
                point: None,
                lower_model: Some("a".into()),
                upper_model: None,
                lower_step: None,
                upper_step: None,
                lower_scale: Scale {
                    flops: Some(1.2e22),
                    ..Scale::default()
                },
                upper_scale: Scale::default(),
                confidence_level: 0.9,
            }),
            before: None,
            after: None,
            largest: None,
            points: vec![
                evidence(0, 0.01, Label::Near),
                evidence(1, 0.8, Label::Above),
            ],
            p: Some(1e-300),
            p_bh: None,
            p_by: None,
            resolution: None,
            trend: Trend::default(),
            abruptness: None,
            fits: None,
            band: Vec::new(),
            kink: None,
            sharpness: None,
            breakthrough: None,
            caveats: vec![
                Caveat::FlopsDerived,
                Caveat::Doubt {
                    note: "read off a plot; roughly".into(),
                },
            ],
            needs: vec![Need::ModelBetween {
                lower: 1.2e22,
                upper: 2.3e22,
                axis: Axis::Flops,
            }],
        };
        Analysis {
            format_version: Analysis::FORMAT_VERSION,
            provenance: Provenance::default(),
            config: AnalysisConfig::default(),
            curves: vec![Curve {
                id: key().id(),
                key: key(),
                chance: Some(0.0),
                chance_kind: None,
                ceiling: Some(1.0),
                flipped: false,
                binomial: true,
                aggregate: false,
                not_judged: None,
                points: vec![
                    point("a", 0.01, None),
                    point("b", 0.8, None),
                    point("c", 0.9, Some("off_ladder")),
                ],
            }],
            verdicts: vec![verdict],
            counts: Vec::new(),
            spread: None,
            tasks: Vec::new(),
            sensitivity: Vec::new(),
            conflicts: Vec::new(),
            references: Vec::new(),
            counterexamples: Default::default(),
            across: Default::default(),
            agreement: Vec::new(),
            artefacts: Vec::new(),
            methods: Vec::new(),
            backtests: Vec::new(),
            diagnostics: Vec::new(),
        }
    }

    #[test]
    fn every_column_gives_its_kind() {
        let analysis = analysis();
        for row in &rows(&analysis) {
            crate::table::assert_kinds(&columns(), row);
        }
        crate::table::assert_kinds(crate::verdict_table::COLUMNS, &analysis.verdicts[0]);
    }

    #[test]
    fn every_point_is_there_with_what_was_tested() {
        let analysis = analysis();
        let rows = rows(&analysis);
        let shown: Vec<_> = rows
            .iter()
            .map(|r| {
                (
                    &*r.point.model,
                    r.verdict.is_some(),
                    r.evidence.map(|e| e.label),
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("a", true, Some(Label::Near)),
                ("b", true, Some(Label::Above)),
                ("c", false, None)
            ]
        );
    }
}
