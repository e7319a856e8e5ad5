//! Scores of a generated answer.

use super::{ItemScores, item_error};
use crate::exact_match::exact_match;
use crate::{FilterValue, ItemValue, MetricError, MetricRequest, token_edit_distance};

/// A filtered answer and what it is compared with.
#[derive(Debug, Clone, Copy)]
pub struct GenerationResponse<'a> {
    /// What the filters made of the responses.
    pub result: &'a FilterValue,
    /// The target as the task gives it; an index where `choices` is given.
    pub gold: &'a FilterValue,
    /// Options the target is an index of, where the task has `doc_to_choice`.
    pub choices: Option<&'a [String]>,
    /// Whether the task has several targets per item, which lm-evaluation-harness decides by
    /// whether the target of the task's first item is a list that is not empty.
    pub multiple_targets: bool,
    /// Token ids, where a metric needs them.
    pub token_ids: Option<TokenIds<'a>>,
}

/// Token ids of an answer and of every target.
#[derive(Debug, Clone, Copy)]
pub struct TokenIds<'a> {
    /// Of the filtered answer.
    pub prediction: &'a [u32],
    /// Of the targets; the nearest counts.
    pub targets: &'a [Vec<u32>],
}

/// Scores of a generated answer.
///
/// As in lm-evaluation-harness the target is turned into the answer's type (so that 42 matches
/// "42"), and with several targets the answer needs to match one. Two differences, where it
/// stops with an error: `bleu`, `chrf`, `chrf++` and `ter` take several targets as references,
/// and an answer of `None` (a `map` filter without default) matches only `None`.
///
/// # Errors
/// When a target cannot be turned into the answer's type or is no index of `choices`, or a
/// metric meets something other than text.
pub fn score_generation(
    response: &GenerationResponse<'_>,
    metrics: &[MetricRequest],
) -> Result<ItemScores, MetricError> {
    let gold = resolve_gold(response, metrics)?;
    let mut scores = ItemScores::new();
    for metric in metrics {
        let name = metric.info.name;
        let value = match name {
            "exact_match" => {
                let score = if response.multiple_targets {
                    let golds = match &gold {
                        FilterValue::List(golds) => golds.clone(),
                        other => vec![other.clone()],
                    };
                    let answers = vec![response.result.clone(); golds.len()];
                    let share = exact_match(&answers, &golds, &metric.exact_match)?;
                    f64::from(u8::from(share > 0.0))
                } else {
                    exact_match(
                        std::slice::from_ref(response.result),
                        std::slice::from_ref(&gold),
                        &metric.exact_match,
                    )?
                };
                ItemValue::Number(score)
            }
            "bleu" | "chrf" | "chrf++" | "ter" => text_pair(name, response.result, &gold)?,
            "bypass" => ItemValue::Nothing,
            "token_edit_distance" => {
                let ids = response
                    .token_ids
                    .filter(|ids| !ids.targets.is_empty())
                    .ok_or_else(|| item_error(name, "needs token ids of answer and target"))?;
                let distances = ids
                    .targets
                    .iter()
                    .map(|target| token_edit_distance(ids.prediction, target));
                ItemValue::Number(distances.fold(f64::INFINITY, f64::min))
            }
            _ => continue,
        };
        scores.push((name, value));
    }
    Ok(scores)
}

/// The target: looked up among the options, listed, or turned into the answer's type.
fn resolve_gold(
    response: &GenerationResponse<'_>,
    metrics: &[MetricRequest],
) -> Result<FilterValue, MetricError> {
    let (gold, result) = (response.gold, response.result);
    if let Some(choices) = response.choices {
        let index = match gold {
            FilterValue::Int(i) => Some(*i),
            FilterValue::Bool(b) => Some(i64::from(*b)),
            _ => None,
        };
        let at = index.map(|i| if i < 0 { i + choices.len() as i64 } else { i });
        return at
            .and_then(|at| usize::try_from(at).ok())
            .and_then(|at| choices.get(at))
            .map(|text| FilterValue::Str(text.clone()))
            .ok_or_else(|| {
                item_error(
                    "exact_match",
                    format!(
                        "the target {} is no index of its {} options",
                        gold.python_repr(),
                        choices.len()
                    ),
                )
            });
    }
    if response.multiple_targets {
        // Python's list(): of a text its characters.
        return gold.elements().map(FilterValue::List).ok_or_else(|| {
            item_error(
                "exact_match",
                format!(
                    "the first item's target is a list, this one's is {}",
                    gold.python_repr()
                ),
            )
        });
    }
    let same = gold.type_name() == result.type_name();
    let bypass = metrics.iter().any(|m| m.info.name == "bypass");
    if same || bypass || matches!(result, FilterValue::List(_) | FilterValue::Null) {
        return Ok(gold.clone());
    }
    cast(gold, result).ok_or_else(|| {
        item_error(
            "exact_match",
            format!(
                "cannot turn the target {} into the answer's type, {}",
                gold.python_repr(),
                result.type_name()
            ),
        )
    })
}

/// `type(like)(value)`.
fn cast(value: &FilterValue, like: &FilterValue) -> Option<FilterValue> {
    let trimmed = value
        .as_str()
        .map(|t| crate::python_str::strip(t).replace('_', ""));
    match like {
        FilterValue::Str(_) => Some(FilterValue::Str(value.python_str())),
        FilterValue::Bool(_) => Some(FilterValue::Bool(match value {
            FilterValue::Null => false,
            FilterValue::Str(text) => !text.is_empty(),
            FilterValue::List(items) => !items.is_empty(),
            other => other.number() != Some(0.0),
        })),
        FilterValue::Int(_) => match trimmed {
            Some(text) => text.parse().ok().map(FilterValue::Int),
            None => match value {
                FilterValue::Bool(b) => Some(FilterValue::Int(i64::from(*b))),
                FilterValue::Float(x) if x.is_finite() => Some(FilterValue::Int(*x as i64)),
                _ => None,
            },
        },
        FilterValue::Float(_) => match trimmed {
            Some(text) => text.parse().ok().map(FilterValue::Float),
            None => value.number().map(FilterValue::Float),
        },
        FilterValue::Null | FilterValue::List(_) => None,
    }
}

fn text_pair(
    metric: &str,
    result: &FilterValue,
    gold: &FilterValue,
) -> Result<ItemValue, MetricError> {
    let text = |value: &FilterValue, what: &str| match value {
        FilterValue::Str(text) => Ok(text.clone()),
        other => Err(item_error(
            metric,
            format!("needs {what} that is text, got {}", other.type_name()),
        )),
    };
    let prediction = match result {
        FilterValue::List(items) if items.len() == 1 => text(&items[0], "an answer")?,
        other => text(other, "an answer")?,
    };
    let references = match gold {
        FilterValue::List(golds) => golds
            .iter()
            .map(|gold| text(gold, "a target"))
            .collect::<Result<Vec<_>, _>>()?,
        other => vec![text(other, "a target")?],
    };
    if references.is_empty() {
        return Err(item_error(metric, "the item has no target"));
    }
    Ok(ItemValue::TextPair {
        references,
        prediction,
    })
}
