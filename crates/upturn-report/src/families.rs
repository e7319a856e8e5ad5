//! One task over several families, and the counts under other margins, in sentences.

use std::collections::BTreeMap;

use upturn_types::{Analysis, Axis, Shape, TaskVerdict};

use crate::numbers::{self, Signs, plural};
use crate::words;

/// Tasks that two or more families decide, those with most families first: the task with
/// its setting, and what the families say together.
#[must_use]
pub fn tasks(analysis: &Analysis, signs: Signs) -> Vec<(String, String)> {
    let mut decided: Vec<&TaskVerdict> = analysis
        .tasks
        .iter()
        .filter(|t| t.n_informative > 1)
        .collect();
    decided.sort_by_key(|t| std::cmp::Reverse(t.n_informative));
    decided
        .into_iter()
        .map(|t| (name(t), sentence(analysis.config.axis, t, signs)))
        .collect()
}

fn name(task: &TaskVerdict) -> String {
    let mut out = task.task.to_string();
    if let Some(subset) = &task.subset {
        out.push_str(&format!("/{subset}"));
    }
    out.push_str(&format!(", {}", task.method));
    if let Some(shots) = task.shots {
        out.push_str(&format!(" {shots}-shot"));
    }
    for more in [
        Some(&task.metric),
        task.filter.as_ref(),
        task.split.as_ref(),
    ]
    .into_iter()
    .flatten()
    {
        out.push_str(&format!(", {more}"));
    }
    out
}

fn sentence(axis: Axis, task: &TaskVerdict, signs: Signs) -> String {
    let mut by_shape: BTreeMap<Shape, Vec<&str>> = BTreeMap::new();
    for family in &task.families {
        by_shape
            .entry(family.shape)
            .or_default()
            .push(&family.family);
    }
    let verdict = match task.shape {
        Some(shape) => words::shape(shape).to_owned(),
        None => "mixed".to_owned(),
    };
    let parts: Vec<String> = by_shape
        .iter()
        .filter(|(shape, _)| **shape != Shape::InsufficientData)
        .map(|(shape, families)| format!("{} in {}", words::shape(*shape), families.join(", ")))
        .collect();
    let mut out = format!("{verdict}: {}", parts.join("; "));
    let undecided = task.families.len() - task.n_informative;
    if undecided > 0 {
        out.push_str(&format!(
            "; {} undecided",
            plural(undecided, "family", "families")
        ));
    }
    out.push('.');
    let place = |x: f64| numbers::raw(axis, axis.raw(x));
    let unit = numbers::unit(axis);
    if let Some((lower, upper)) = task.common {
        let dash = signs.dash;
        out.push_str(&format!(
            " Their {} bounded thresholds agree: all hold {}{dash}{} {unit}.",
            numbers::integer(task.n_bounded as u64),
            place(lower),
            place(upper)
        ));
    } else if let Some(h) = &task.heterogeneity {
        out.push_str(&format!(
            " Their {} bounded thresholds have nothing in common (Q = {}, {}; {} of the scatter is \
             between families).",
            numbers::integer(task.n_bounded as u64),
            numbers::statistic(h.q),
            numbers::p_value(h.p),
            numbers::percent(h.i2)
        ));
    }
    out
}

/// Counts across models under other margins, one line each.
#[must_use]
pub fn sensitivity(analysis: &Analysis) -> Vec<String> {
    analysis
        .sensitivity
        .iter()
        .map(|s| {
            let counts: Vec<String> = s
                .counts
                .iter()
                .map(|c| {
                    format!(
                        "{} {}",
                        numbers::integer(c.across as u64),
                        words::shape(c.shape)
                    )
                })
                .collect();
            format!(
                "near chance within {} of the range, substantial beyond {}: {}",
                numbers::percent(s.near_margin),
                numbers::percent(s.substantial_margin),
                counts.join(", ")
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use upturn_types::{CurveId, FamilyVerdict, Heterogeneity};

    use super::*;

    fn task(shapes: &[(&str, Shape)]) -> TaskVerdict {
        let informative = shapes.iter().filter(|(_, s)| *s != Shape::InsufficientData);
        TaskVerdict {
            task: "quiz".into(),
            subset: None,
            split: Some("test".into()),
            method: "direct".into(),
            shots: Some(5),
            filter: None,
            metric: "acc".into(),
            families: shapes
                .iter()
                .map(|(family, shape)| FamilyVerdict {
                    family: (*family).into(),
                    curve: CurveId(String::new()),
                    shape: *shape,
                })
                .collect(),
            n_informative: informative.count(),
            shape: None,
            n_bounded: 0,
            common: None,
            heterogeneity: None,
        }
    }

    fn say(task: &TaskVerdict) -> String {
        sentence(Axis::Flops, task, Signs::new(true))
    }

    #[test]
    fn families_are_named_under_their_shapes() {
        let mixed = task(&[
            ("A", Shape::Emergent),
            ("B", Shape::Flat),
            ("C", Shape::InsufficientData),
        ]);
        assert_eq!(name(&mixed), "quiz, direct 5-shot, acc, test");
        assert_eq!(
            say(&mixed),
            "mixed: emergent in A; flat in B; 1 family undecided."
        );
    }

    #[test]
    fn thresholds_agree_or_scatter() {
        let mut agreed = task(&[("A", Shape::Emergent), ("B", Shape::Emergent)]);
        agreed.shape = Some(Shape::Emergent);
        (agreed.n_bounded, agreed.common) = (2, Some((21.0, 22.0)));
        assert!(
            say(&agreed).ends_with("agree: all hold 1.0e21–1.0e22 FLOPs."),
            "{}",
            say(&agreed)
        );
        let scattered = TaskVerdict {
            common: None,
            heterogeneity: Some(Heterogeneity {
                q: 11.99,
                p: 0.0074,
                tau2: 0.077,
                mean: 21.9,
                mean_se: 0.16,
                i2: 0.75,
            }),
            ..agreed
        };
        let said = say(&scattered);
        assert!(
            said.contains("nothing in common") && said.contains("75%"),
            "{said}"
        );
    }
}
