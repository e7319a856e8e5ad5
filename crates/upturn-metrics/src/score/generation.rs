//! Scores of a generated answer.

use super::{ItemScores, item_error};
use crate::exact_match::exact_match;
use crate::python_str::strip;
use crate::{
    FilterValue, ItemValue, MetricError, MetricRequest, RougeKind, answer_number, pass_at_k,
    rouge_multi, squad_best, squad_exact, squad_f1, token_edit_distance,
};

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
            "squad_f1" | "squad_em" | "numeric_match" => {
                let (references, prediction) = texts(name, response.result, &gold)?;
                ItemValue::Number(match name {
                    "squad_f1" => squad_best(&references, &prediction, squad_f1),
                    "squad_em" => squad_best(&references, &prediction, squad_exact),
                    _ => numeric_match(&references, &prediction),
                })
            }
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
            _ => match (metric.info.pass_k(), rouge_kind(name)) {
                (Some(k), _) => ItemValue::Number(passes(response.result, &gold, metric, k)?),
                (_, Some((kind, stem))) => {
                    let (references, prediction) = texts(name, response.result, &gold)?;
                    ItemValue::Number(rouge_multi(kind, &references, &prediction, stem))
                }
                (None, None) => continue,
            },
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

/// What a ROUGE metric counts, and whether words are stemmed.
fn rouge_kind(metric: &str) -> Option<(RougeKind, bool)> {
    let (name, stem) = metric
        .strip_suffix("_stem")
        .map_or((metric, false), |name| (name, true));
    let kind = match name {
        "rouge1" => RougeKind::N(1),
        "rouge2" => RougeKind::N(2),
        "rougeL" => RougeKind::L,
        "rougeLsum" => RougeKind::Lsum,
        _ => return None,
    };
    Some((kind, stem))
}

/// 1 where the answer's number is that of a target; a target without one is compared as text.
fn numeric_match(references: &[String], prediction: &str) -> f64 {
    let given = answer_number(prediction);
    let right = references.iter().any(|r| match (answer_number(r), &given) {
        (Some(wanted), Some(given)) => wanted.matches(given),
        (Some(_), None) => false,
        (None, _) => strip(r) == strip(prediction),
    });
    f64::from(u8::from(right))
}

/// pass@k of the answers of one item.
fn passes(
    result: &FilterValue,
    gold: &FilterValue,
    metric: &MetricRequest,
    k: usize,
) -> Result<f64, MetricError> {
    let one = std::slice::from_ref(result);
    let answers = match result {
        FilterValue::List(answers) => answers.as_slice(),
        _ => one,
    };
    let golds = match gold {
        FilterValue::List(golds) => golds.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut right = 0;
    for answer in answers {
        for gold in golds {
            let gold = cast(gold, answer).unwrap_or_else(|| gold.clone());
            let answer = std::slice::from_ref(answer);
            if exact_match(answer, &[gold], &metric.exact_match)? > 0.0 {
                right += 1;
                break;
            }
        }
    }
    pass_at_k(answers.len(), right, k).ok_or_else(|| {
        item_error(
            metric.info.name,
            format!(
                "needs {k} answers per item, got {}; set repeats: {k} or more, and a filter \
                 list without take_first",
                answers.len()
            ),
        )
    })
}

fn text_pair(
    metric: &str,
    result: &FilterValue,
    gold: &FilterValue,
) -> Result<ItemValue, MetricError> {
    let (references, prediction) = texts(metric, result, gold)?;
    Ok(ItemValue::TextPair {
        references,
        prediction,
    })
}

/// Targets and answer, which must be texts.
fn texts(
    metric: &str,
    result: &FilterValue,
    gold: &FilterValue,
) -> Result<(Vec<String>, String), MetricError> {
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
    Ok((references, prediction))
}
