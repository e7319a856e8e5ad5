//! Exact match of answers and targets, as `numpy` arrays compare them.

use crate::filter::Options;
use crate::python_str::PUNCTUATION;
use crate::{FilterValue, MetricError, PyRegex};

/// What is ignored when answers are compared.
#[derive(Debug, Clone, Default)]
pub struct ExactMatchOptions {
    regexes_to_ignore: Option<Vec<PyRegex>>,
    ignore_case: bool,
    ignore_punctuation: bool,
    ignore_numbers: bool,
}

impl ExactMatchOptions {
    pub(crate) fn new(o: &mut Options<'_>) -> Result<Self, MetricError> {
        Ok(ExactMatchOptions {
            regexes_to_ignore: o.patterns("regexes_to_ignore")?,
            ignore_case: o.flag("ignore_case")?,
            ignore_punctuation: o.flag("ignore_punctuation")?,
            ignore_numbers: o.flag("ignore_numbers")?,
        })
    }

    fn edits_text(&self) -> bool {
        self.ignore_case || self.ignore_punctuation || self.ignore_numbers
    }
}

/// Mean of `predictions == references`: the share of pairs that agree, NaN without a pair.
///
/// In order: patterns are removed, letters made small, ASCII punctuation removed, ASCII digits
/// removed. As in `numpy`, texts of an array lose NUL characters at the end, and small letters
/// longer than the longest text of the array are cut.
///
/// # Errors
/// When a pattern or an ignored kind of character is asked for and a value is not text, or
/// lists of different lengths meet.
pub(crate) fn exact_match(
    predictions: &[FilterValue],
    references: &[FilterValue],
    options: &ExactMatchOptions,
) -> Result<f64, MetricError> {
    let nested = |values: &[FilterValue]| values.iter().any(|v| matches!(v, FilterValue::List(_)));
    if nested(predictions) || nested(references) {
        return nested_match(predictions, references, options);
    }
    // An empty list of patterns leaves Python lists, which compare as wholes.
    let as_wholes = options
        .regexes_to_ignore
        .as_ref()
        .is_some_and(Vec::is_empty)
        && !options.edits_text();
    let (p, r) = if as_wholes {
        (predictions.to_vec(), references.to_vec())
    } else {
        (
            prepare(predictions, options)?,
            prepare(references, options)?,
        )
    };
    let equal = p.iter().zip(&r).filter(|(a, b)| a.python_eq(b)).count();
    if as_wholes {
        let whole = p.len() == r.len() && equal == p.len();
        return Ok(f64::from(u8::from(whole)));
    }
    Ok(equal as f64 / p.len() as f64)
}

/// An array's values after everything that is ignored is gone.
fn prepare(
    values: &[FilterValue],
    options: &ExactMatchOptions,
) -> Result<Vec<FilterValue>, MetricError> {
    let mut values = values.to_vec();
    for regex in options.regexes_to_ignore.iter().flatten() {
        for value in &mut values {
            let text = value.as_str().ok_or_else(|| not_text(value))?;
            *value = FilterValue::Str(regex.remove_all(text)?);
        }
    }
    // An array with a text in it holds texts only, unless it holds objects.
    let objects = values.iter().any(|v| matches!(v, FilterValue::Null));
    let texts = values.iter().any(|v| matches!(v, FilterValue::Str(_)));
    if objects || !texts {
        return match values.iter().find(|_| options.edits_text()) {
            Some(value) => Err(not_text(value)),
            None => Ok(values),
        };
    }
    let mut texts: Vec<String> = values.iter().map(|v| array_text(&v.python_str())).collect();
    if options.ignore_case {
        let longest = texts.iter().map(|t| t.chars().count()).max().unwrap_or(0);
        for text in &mut texts {
            *text = text.to_lowercase().chars().take(longest).collect();
        }
    }
    if options.ignore_punctuation {
        for text in &mut texts {
            text.retain(|c| !PUNCTUATION.contains(c));
        }
    }
    if options.ignore_numbers {
        for text in &mut texts {
            text.retain(|c| !c.is_ascii_digit());
        }
    }
    Ok(texts
        .iter()
        .map(|text| FilterValue::Str(array_text(text)))
        .collect())
}

/// A text as a `numpy` array gives it back.
fn array_text(text: &str) -> String {
    text.trim_end_matches('\0').to_owned()
}

/// Predictions that are lists: rows of a table, which each reference is compared with as
/// `numpy` broadcasts it.
fn nested_match(
    predictions: &[FilterValue],
    references: &[FilterValue],
    options: &ExactMatchOptions,
) -> Result<f64, MetricError> {
    if options.regexes_to_ignore.is_some() {
        return Err(not_text(&FilterValue::List(Vec::new())));
    }
    let mut rows = Vec::new();
    for p in predictions {
        match p {
            FilterValue::List(items) => rows.push(items.clone()),
            other => return Err(not_text(other)),
        }
    }
    let width = rows.first().map_or(0, Vec::len);
    if rows.iter().any(|row| row.len() != width) {
        return Err(shapes("answers are lists of different lengths"));
    }
    let flat = prepare(&rows.concat(), options)?;
    let targets = match references {
        [FilterValue::List(items)] => prepare(items, options)?,
        other if other.iter().any(|v| matches!(v, FilterValue::List(_))) => {
            return Err(shapes("targets are lists within a list"));
        }
        other => prepare(other, options)?,
    };
    let columns = match (width, targets.len()) {
        (a, b) if a == b => a,
        (1, b) => b,
        (a, 1) => a,
        (a, b) => return Err(shapes(&format!("a list of {a} meets {b} targets"))),
    };
    let mut equal = 0usize;
    for row in 0..rows.len() {
        for column in 0..columns {
            let p = &flat[row * width + if width == 1 { 0 } else { column }];
            let t = &targets[if targets.len() == 1 { 0 } else { column }];
            equal += usize::from(p.python_eq(t));
        }
    }
    Ok(equal as f64 / (rows.len() * columns) as f64)
}

fn not_text(value: &FilterValue) -> MetricError {
    MetricError::Item {
        metric: "exact_match".to_owned(),
        reason: format!(
            "its options work on text, got {}; add a filter that makes it one",
            value.type_name()
        ),
    }
}

fn shapes(reason: &str) -> MetricError {
    MetricError::Item {
        metric: "exact_match".to_owned(),
        reason: reason.to_owned(),
    }
}
