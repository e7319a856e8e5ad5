//! The filter `format_span`: named entities in one spelling.

use std::sync::LazyLock;

use super::Failure;
use crate::python_str::strip;
use crate::{FoundText, MetricError, PyRegex};

/// Words that name a label, and the label, in the order they are replaced.
const LABELS: &[(&str, &str)] = &[
    ("person", "PER"),
    ("location", "LOC"),
    ("organization", "ORG"),
    ("counties", "LOC"),
    ("places", "LOC"),
    ("people", "PER"),
    ("persons", "PER"),
    ("company", "ORG"),
    ("country", "LOC"),
    ("continent", "LOC"),
    ("time", "DATE"),
    ("date", "DATE"),
    ("per", "PER"),
    ("loc", "LOC"),
    ("org", "ORG"),
];

type Patterns = (Vec<(PyRegex, String)>, PyRegex);

static PATTERNS: LazyLock<Result<Patterns, MetricError>> = LazyLock::new(|| {
    let labels: Result<Vec<_>, _> = LABELS
        .iter()
        .map(|(word, label)| {
            PyRegex::new(&format!(r"\b{word}\s*:")).map(|regex| (regex, format!("{label}:")))
        })
        .collect();
    let entity = PyRegex::new(r"\b(PER|LOC|ORG|DATE):\s*([^$]+)")?;
    Ok((labels?, entity))
});

/// Labels in their short form, one `label: text` per entity, joined by ` $ `; entities `none`
/// left out.
pub(super) fn format_span(response: &str) -> Result<String, Failure> {
    let (labels, entity) = PATTERNS.as_ref().map_err(Clone::clone)?;
    let mut text = response.to_lowercase();
    for (word, label) in labels {
        text = word.replace_all(&text, label)?;
    }
    let text = text.replace("$$", "$");
    let text = text.trim_end_matches('$').replace('\n', "$");
    let mut entities = Vec::new();
    for found in entity.find_all(strip(&text))? {
        let FoundText::Groups(groups) = found else {
            continue;
        };
        for value in groups[1].split(',').map(strip) {
            if value.to_lowercase() != "none" {
                entities.push(format!("{}: {value}", groups[0].to_lowercase()));
            }
        }
    }
    Ok(entities.join(" $ "))
}
