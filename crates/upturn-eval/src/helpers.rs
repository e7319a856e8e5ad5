//! Scores by helpers of a task: of an item, and of all items.

use upturn_metrics::{FilterValue, ItemValue};
use upturn_tasks::ports::{Plain, item_value, plain_of};
use upturn_tasks::{Item, ItemRequests, Task};

use crate::cell::Wanted;
use crate::response::ItemResponse;

/// Metrics that lm-evaluation-harness hands on unscored for generated answers: the target and
/// the answer, for an aggregation to make something of.
const HANDED_ON: [&str; 12] = [
    "acc",
    "acc_norm",
    "acc_bytes",
    "acc_mutual_info",
    "f1",
    "mcc",
    "bleu",
    "chrf",
    "chrf++",
    "ter",
    "likelihood",
    "brier_score",
];

/// Whether a helper has a part in the metric's score.
pub(crate) fn takes_part(task: &Task, wanted: &Wanted) -> bool {
    wanted.in_task
        && (task.config.process_results.is_some()
            || wanted.helper.is_some()
            || wanted.joined_by.is_some())
}

/// What a model said of an item, as `process_results` takes it.
fn results(item: &Item, response: &ItemResponse, filtered: Option<&FilterValue>) -> Vec<Plain> {
    let pairs = |n: usize| {
        let pair = |l: &upturn_types::Loglikelihood| {
            Plain::Tuple(vec![
                Plain::Float(f64::from(l.logprob)),
                Plain::Bool(l.is_greedy),
            ])
        };
        response.likelihoods.iter().take(n).map(pair).collect()
    };
    match &item.requests {
        ItemRequests::Choices {
            conditional,
            unconditional,
        } => pairs(conditional.len() + unconditional.len()),
        ItemRequests::Loglikelihood(_) => pairs(1),
        ItemRequests::Rolling(_) => response
            .likelihoods
            .iter()
            .take(1)
            .map(|l| Plain::Float(f64::from(l.logprob)))
            .collect(),
        ItemRequests::Generate(_) => filtered
            .map(|f| Plain::from_json(&f.to_json()))
            .into_iter()
            .collect(),
    }
}

/// The scores of an item that helpers have a part in, by metric, of those that there are.
///
/// # Errors
/// What stopped a helper.
pub(crate) fn of_item<'w>(
    task: &Task,
    wanted: &'w [Wanted],
    item: &Item,
    response: &ItemResponse,
    filtered: Option<&FilterValue>,
    scores: &[(&'static str, ItemValue)],
) -> Result<Vec<(&'w str, Plain)>, String> {
    let mut out = Vec::new();
    let given = match &task.config.process_results {
        Some(helper) => {
            Some(helper.process_results(&item.doc, &results(item, response, filtered))?)
        }
        None => None,
    };
    for w in wanted.iter().filter(|w| takes_part(task, w)) {
        let name = w.request.info.name;
        if let Some(given) = &given {
            if let Some((_, value)) = given.iter().find(|(n, _)| n == name) {
                out.push((name, value.clone()));
            }
            continue;
        }
        let gold = if task.config.doc_to_choice.is_some() {
            item.references
                .first()
                .map_or(Plain::Null, |text| Plain::Str(text.to_string()))
        } else {
            Plain::from_json(&item.target)
        };
        let answer = filtered.map(|f| Plain::from_json(&f.to_json()));
        let known = scores.iter().find(|(n, _)| *n == name);
        match (&w.helper, answer, known) {
            (Some(helper), Some(answer), _) => match helper.metric(&as_text(gold), &answer)? {
                // A metric may give several scores at once.
                Plain::Dict(all) => {
                    if let Some((_, value)) = all.into_iter().find(|(n, _)| n == name) {
                        out.push((name, value));
                    }
                }
                value => out.push((name, value)),
            },
            (None, Some(answer), _) if HANDED_ON.contains(&name) => {
                out.push((name, Plain::List(vec![as_text(gold), answer])));
            }
            (_, _, Some((_, value))) => out.push((name, plain_of(value))),
            _ => {}
        }
    }
    Ok(out)
}

/// A target of a generated answer is compared as text, but for a list of several.
fn as_text(gold: Plain) -> Plain {
    match gold {
        Plain::Int(_) | Plain::Float(_) | Plain::Bool(_) => {
            let json = match gold {
                Plain::Int(i) => serde_json::Value::from(i),
                Plain::Float(x) => serde_json::Value::from(x),
                Plain::Bool(b) => serde_json::Value::from(b),
                _ => serde_json::Value::Null,
            };
            Plain::Str(upturn_tasks::python::text(&json))
        }
        other => other,
    }
}

/// A score as an aggregation by name takes it.
///
/// # Errors
/// When it is of another kind.
pub(crate) fn for_aggregation(wanted: &Wanted, value: &Plain) -> Result<ItemValue, String> {
    item_value(wanted.aggregation, value)
        .map_err(|reason| format!("metric {}: {reason}", wanted.request.info.name))
}
