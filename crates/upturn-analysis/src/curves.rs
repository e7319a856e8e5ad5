//! Grouping measurements into curves, and finding rows that contradict each other.

use std::collections::BTreeMap;

use upturn_catalog::metric_info;
use upturn_types::{
    AnalysisConfig, Conflict, Curve, CurveKey, CurvePoint, Diagnostic, Known, Measurement, Text,
    flag,
};

use crate::items::is_binomial;

/// Curves with what was noticed on the way.
#[derive(Debug)]
pub struct Grouped {
    /// Curves, sorted by key.
    pub curves: Vec<Curve>,
    /// Rows that contradict each other.
    pub conflicts: Vec<Conflict>,
    /// One line per refused duplicate and per unknown chance.
    pub diagnostics: Vec<Diagnostic>,
}

/// Scores closer than this are the same score.
const SAME_SCORE: f64 = 1e-9;

/// Groups measurements by [`CurveKey`].
///
/// Two rows of one model, checkpoint and seed under one key are duplicates: equal
/// ones are merged, different ones are both refused and shown. Rows that differ
/// only in their source stay on separate curves and are listed as conflicts.
/// Different seeds of one model are averaged.
#[must_use]
pub fn group(measurements: Vec<Measurement>, config: &AnalysisConfig) -> Grouped {
    let mut conflicts = between_sources(&measurements);
    let mut by_key: BTreeMap<CurveKey, Vec<Measurement>> = BTreeMap::new();
    for m in measurements {
        by_key.entry(key(&m)).or_default().push(m);
    }
    let mut diagnostics = Vec::new();
    let mut curves = Vec::with_capacity(by_key.len());
    for (key, rows) in by_key {
        let rows = without_duplicates(&key, rows, &mut conflicts, &mut diagnostics);
        if !rows.is_empty() {
            curves.push(curve(key, &rows, config));
        }
    }
    unknown_chance(&curves, &mut diagnostics);
    conflicts.sort_by(|a, b| {
        (&a.key, &a.model, a.checkpoint_step).cmp(&(&b.key, &b.model, b.checkpoint_step))
    });
    Grouped {
        curves,
        conflicts,
        diagnostics,
    }
}

/// The curve that a measurement belongs to.
#[must_use]
pub fn key(m: &Measurement) -> CurveKey {
    CurveKey {
        family: m.family.clone(),
        tuning: m.tuning.clone(),
        task: m.task.clone(),
        subset: m.subset.clone(),
        split: m.split.clone(),
        method: m.method.clone(),
        shots: m.shots,
        filter: m.filter.clone(),
        metric: m.metric.clone(),
        source: m.source.clone(),
    }
}

/// Merges equal duplicates, refuses different ones, averages seeds.
fn without_duplicates(
    key: &CurveKey,
    rows: Vec<Measurement>,
    conflicts: &mut Vec<Conflict>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<(Measurement, u32)> {
    type Cell = (Text, Option<u64>);
    let mut cells: BTreeMap<Cell, BTreeMap<Option<u64>, Vec<Measurement>>> = BTreeMap::new();
    for m in rows {
        let cell = (m.model.clone(), m.checkpoint_step);
        cells
            .entry(cell)
            .or_default()
            .entry(m.seed)
            .or_default()
            .push(m);
    }
    let mut kept = Vec::new();
    for ((model, checkpoint_step), seeds) in cells {
        let mut runs = Vec::new();
        for rows in seeds.into_values() {
            let first = &rows[0];
            if rows
                .iter()
                .all(|m| (m.value - first.value).abs() <= SAME_SCORE)
            {
                runs.push(best_described(rows));
                continue;
            }
            diagnostics.push(contradiction(key, &model, &rows));
            conflicts.push(Conflict {
                key: key.clone(),
                model: model.clone(),
                checkpoint_step,
                values: rows
                    .iter()
                    .map(|m| {
                        (
                            m.origin.clone().unwrap_or_else(|| m.source.clone()),
                            m.value,
                        )
                    })
                    .collect(),
                same_source: true,
            });
        }
        if !runs.is_empty() {
            kept.push(average(runs));
        }
    }
    kept
}

/// One line about rows of one model that cannot all be right: where they are, what they say.
fn contradiction(key: &CurveKey, model: &Text, rows: &[Measurement]) -> Diagnostic {
    let origins: Vec<&str> = rows
        .iter()
        .map(|m| m.origin.as_deref().unwrap_or(&m.source))
        .collect();
    let file = |origin: &str| {
        origin
            .rsplit_once(": ")
            .map_or(origin, |(file, _)| file)
            .to_owned()
    };
    let places: Vec<String> = rows
        .iter()
        .zip(&origins)
        .map(|(m, origin)| format!("{} ({origin})", m.value))
        .collect();
    Diagnostic::error(format!(
        "{key}: {model} has {} scores that disagree: {}; all are left out",
        rows.len(),
        places.join(", ")
    ))
    .file(file(origins[0]))
    .expected("one score per model and setting")
    .help("remove the wrong row, or tell them apart by split, filter, seed or source")
}

/// Of equal rows, the one that says most (n, standard error, scale), else the first.
fn best_described(rows: Vec<Measurement>) -> Measurement {
    let says = |m: &Measurement| {
        u8::from(m.n.is_some())
            + u8::from(m.stderr.is_some())
            + u8::from(m.flops.is_some())
            + u8::from(m.chance.is_some())
    };
    let mut rows = rows.into_iter();
    let first = rows.next().expect("a cell holds at least one row");
    rows.fold(
        first,
        |best, m| if says(&m) > says(&best) { m } else { best },
    )
}

/// The mean over seeds with its standard error (three seeds or more), and how many there are.
fn average(runs: Vec<Measurement>) -> (Measurement, u32) {
    let count = runs.len();
    // A mean of equal numbers can differ from them in its last bit.
    let is_even = runs.iter().all(|m| m.value == runs[0].value);
    let mean = match is_even {
        true => runs[0].value,
        false => runs.iter().map(|m| m.value).sum::<f64>() / count as f64,
    };
    let variance =
        runs.iter().map(|m| (m.value - mean).powi(2)).sum::<f64>() / (count.max(2) - 1) as f64;
    let mut runs = runs.into_iter();
    let mut m = runs.next().expect("a cell holds at least one run");
    if count > 1 {
        m.value = mean;
        m.seed = None;
        // Where all runs score the same, the error of one is all that is known.
        let one = m.stderr.filter(|se| is_even && *se > 0.0);
        m.stderr = (count >= 3).then(|| one.unwrap_or((variance / count as f64).sqrt()));
    }
    (m, u32::try_from(count).unwrap_or(u32::MAX))
}

/// Rows of one model that differ only in source (or in a split or number of shots that one
/// of them does not state) and in their value.
fn between_sources(measurements: &[Measurement]) -> Vec<Conflict> {
    type Loose<'a> = (
        &'a str,
        &'a str,
        Option<u64>,
        &'a str,
        Option<&'a str>,
        &'a str,
        &'a str,
        Option<&'a str>,
    );
    let mut groups: BTreeMap<Loose<'_>, Vec<&Measurement>> = BTreeMap::new();
    for m in measurements {
        let loose = (
            &*m.family,
            &*m.model,
            m.checkpoint_step,
            &*m.task,
            m.subset.as_deref(),
            &*m.method,
            &*m.metric,
            m.filter.as_deref(),
        );
        groups.entry(loose).or_default().push(m);
    }
    let agree = |a: &Measurement, b: &Measurement| {
        let shots = a.shots == b.shots || a.shots.is_none() || b.shots.is_none();
        let split = a.split == b.split || a.split.is_none() || b.split.is_none();
        shots && split && a.tuning == b.tuning && a.seed == b.seed
    };
    let mut conflicts = Vec::new();
    for rows in groups.into_values().filter(|rows| rows.len() > 1) {
        for (i, a) in rows.iter().enumerate() {
            let mut values: Vec<(Text, f64)> = vec![(a.source.clone(), a.value)];
            for b in &rows[i + 1..] {
                let other = a.source != b.source && agree(a, b);
                if other && (a.value - b.value).abs() > SAME_SCORE {
                    values.push((b.source.clone(), b.value));
                }
            }
            if values.len() > 1 {
                conflicts.push(Conflict {
                    key: key(a),
                    model: a.model.clone(),
                    checkpoint_step: a.checkpoint_step,
                    values,
                    same_source: false,
                });
            }
        }
    }
    conflicts
}

fn curve(key: CurveKey, rows: &[(Measurement, u32)], config: &AnalysisConfig) -> Curve {
    let info = metric_info(&key.metric);
    let higher = rows
        .iter()
        .find_map(|(m, _)| m.higher_is_better)
        .or(info.as_ref().map(|i| i.higher_is_better))
        .unwrap_or(true);
    let stated_ceiling = rows.iter().find_map(|(m, _)| m.ceiling);
    // A metric is bounded by nature, or by a ceiling that the source declares.
    let bounded = info.as_ref().is_some_and(|i| i.bounded) || stated_ceiling.is_some();
    let flipped = !higher && bounded;
    let (chance, chance_kind) = agreed_chance(rows);
    let turn = |y: f64| if flipped { 1.0 - y } else { y };
    let ceiling = bounded.then(|| {
        let best = stated_ceiling.unwrap_or(if flipped { 0.0 } else { 1.0 });
        turn(best)
    });
    let composite = rows.iter().any(|(m, _)| m.has(flag::COMPOSITE))
        || info.as_ref().is_some_and(|i| i.composite);

    let mut points: Vec<CurvePoint> = rows
        .iter()
        .map(|(m, n_seeds)| {
            let mut scale = m.scale();
            let mut flops_kind = m.flops_kind;
            if config.flops_6nd {
                (scale.flops, flops_kind) = (scale.six_nd(), Some(Known::Derived));
            }
            // With a chance above 0 such scores show themselves as below chance; at 0 they
            // would pass for scores of a model without the ability.
            let left_out = if m.has(flag::PARSE_FAILURE) && chance == Some(0.0) {
                Some("answers could not be parsed (parse_failure)")
            } else if m.has(flag::OFF_LADDER) && !config.include_off_ladder {
                Some("trained unlike its family (off_ladder)")
            } else {
                None
            };
            CurvePoint {
                model: m.model.clone(),
                checkpoint_step: m.checkpoint_step,
                scale,
                flops_kind,
                value: m.value,
                score: turn(m.value),
                stderr: m.stderr,
                n: m.n,
                n_kind: m.n_kind,
                n_seeds: *n_seeds,
                flags: m.flags.clone(),
                note: m.note.clone(),
                left_out: left_out.map(Text::from),
            }
        })
        .collect();
    let rank = |scale: Option<f64>| scale.unwrap_or(f64::INFINITY);
    points.sort_by(|a, b| {
        rank(a.scale.params)
            .total_cmp(&rank(b.scale.params))
            .then_with(|| a.model.cmp(&b.model))
            .then_with(|| a.checkpoint_step.cmp(&b.checkpoint_step))
    });

    Curve {
        id: key.id(),
        chance: chance.map(turn),
        chance_kind,
        ceiling,
        flipped,
        binomial: is_binomial(&key.metric) && bounded,
        aggregate: rows.iter().any(|(m, _)| m.has(flag::AGGREGATE)),
        not_judged: composite.then(|| "composite or mixed metric".into()),
        key,
        points,
    }
}

/// The chance level that the rows of a curve agree on; stated ones win over assumed ones.
///
/// Rows that state different levels leave it unknown: the curve mixes tasks.
fn agreed_chance(rows: &[(Measurement, u32)]) -> (Option<f64>, Option<Known>) {
    let of_kind = |kind: Option<Known>| {
        let mut levels: Vec<f64> = rows
            .iter()
            .filter(|(m, _)| kind.is_none() || m.chance_kind == kind)
            .filter_map(|(m, _)| m.chance)
            .collect();
        levels.sort_by(f64::total_cmp);
        levels.dedup_by(|a, b| (*a - *b).abs() < 1e-3);
        levels
    };
    for kind in [
        Some(Known::Reported),
        Some(Known::Derived),
        Some(Known::Assumed),
        None,
    ] {
        match of_kind(kind)[..] {
            [] => {}
            [level] => return (Some(level), kind.or(Some(Known::Reported))),
            _ => return (None, None),
        }
    }
    (None, None)
}

/// One line per task whose chance is unknown, with the catalogue entry that would mend it.
fn unknown_chance(curves: &[Curve], diagnostics: &mut Vec<Diagnostic>) {
    let mut tasks: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for curve in curves {
        let wanted = curve.chance.is_none() && curve.ceiling.is_some();
        if wanted && curve.not_judged.is_none() {
            *tasks
                .entry((&curve.key.task, &curve.key.metric))
                .or_default() += 1;
        }
    }
    for ((task, metric), n_curves) in tasks {
        diagnostics.push(
            Diagnostic::note(format!(
                "chance of {metric} on '{task}' is unknown: no verdict for {n_curves} curve{}",
                if n_curves == 1 { "" } else { "s" }
            ))
            .help(format!(
                "state it with --tasks FILE.toml holding: [[task]] name = \"{}\", chance = …",
                task.escape_default()
            )),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(model: &str, value: f64, source: &str) -> Measurement {
        let mut m = Measurement::new("F", model, "t", "acc", value);
        m.source = source.into();
        m.chance = Some(0.25);
        m.chance_kind = Some(Known::Reported);
        m
    }

    fn run(rows: Vec<Measurement>) -> Grouped {
        group(rows, &AnalysisConfig::default())
    }

    #[test]
    fn equal_duplicates_merge_and_keep_the_better_described() {
        let mut described = row("a", 0.5, "s");
        described.n = Some(100);
        let grouped = run(vec![row("a", 0.5, "s"), described, row("b", 0.6, "s")]);
        assert_eq!(grouped.curves.len(), 1);
        assert_eq!(grouped.curves[0].points.len(), 2);
        assert_eq!(grouped.curves[0].points[0].n, Some(100));
        assert!(grouped.conflicts.is_empty() && grouped.diagnostics.is_empty());
    }

    #[test]
    fn disagreeing_duplicates_of_one_source_are_refused_and_both_shown() {
        let mut first = row("a", 0.5, "s");
        first.origin = Some("x.csv: line 3".into());
        let mut second = row("a", 0.51, "s");
        second.origin = Some("x.csv: line 9".into());
        let grouped = run(vec![first, second, row("b", 0.6, "s")]);
        assert_eq!(grouped.curves[0].points.len(), 1);
        assert_eq!(grouped.conflicts.len(), 1);
        assert!(grouped.conflicts[0].same_source);
        let line = grouped.diagnostics[0].to_string();
        assert!(line.contains("0.5 (x.csv: line 3)"), "{line}");
        assert!(line.contains("0.51 (x.csv: line 9)"), "{line}");
    }

    #[test]
    fn sources_that_disagree_stay_apart_and_are_listed() {
        let grouped = run(vec![row("a", 0.5, "s"), row("a", 0.4, "z")]);
        assert_eq!(grouped.curves.len(), 2);
        assert_eq!(grouped.conflicts.len(), 1);
        assert!(!grouped.conflicts[0].same_source);
    }

    #[test]
    fn seeds_are_averaged_and_give_an_error_from_three_on() {
        let seeded = |value: f64, seed: u64| {
            let mut m = row("a", value, "s");
            m.seed = Some(seed);
            m
        };
        let two = run(vec![seeded(0.4, 1), seeded(0.6, 2)]);
        assert_eq!(two.curves[0].points[0].value, 0.5);
        assert_eq!(two.curves[0].points[0].stderr, None);
        let three = run(vec![seeded(0.4, 1), seeded(0.5, 2), seeded(0.6, 3)]);
        let point = &three.curves[0].points[0];
        assert_eq!(point.n_seeds, 3);
        assert!((point.stderr.unwrap() - 0.1 / 3f64.sqrt()).abs() < 1e-12);
        // No spread between the runs: what is known of one.
        let mut even = vec![seeded(0.4, 1), seeded(0.4, 2), seeded(0.4, 3)];
        for m in &mut even {
            m.stderr = Some(0.02);
        }
        assert_eq!(run(even).curves[0].points[0].stderr, Some(0.02));
    }

    #[test]
    fn unknown_chance_is_asked_for_once_per_task() {
        let mut rows = vec![row("a", 0.5, "s"), row("b", 0.4, "s"), row("a", 0.4, "z")];
        for m in &mut rows {
            (m.chance, m.chance_kind) = (None, None);
        }
        let grouped = run(rows);
        let notes: Vec<_> = grouped
            .diagnostics
            .iter()
            .filter(|d| d.message.contains("unknown"))
            .collect();
        assert_eq!(notes.len(), 1);
        assert!(notes[0].message.contains("2 curves"));
    }
}
