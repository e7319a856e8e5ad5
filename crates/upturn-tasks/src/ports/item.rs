//! Scores of items by helpers, in the words of `upturn-metrics`.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use upturn_metrics::{Aggregation, Chance, ItemValue, MetricInfo, OutputKind};

use super::value::Plain;

static NAMED: LazyLock<Mutex<BTreeMap<String, &'static MetricInfo>>> =
    LazyLock::new(Mutex::default);

/// What is known of a metric that a helper computes: its name. Range and chance are not
/// known, and whether more is better is for the task to say.
///
/// Names are kept for the life of the process, each once.
#[must_use]
pub fn metric_info(name: &str) -> &'static MetricInfo {
    let mut named = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(info) = named.get(name) {
        return info;
    }
    let known = upturn_metrics::find(name);
    let info: &'static MetricInfo = Box::leak(Box::new(MetricInfo {
        name: Box::leak(name.to_owned().into_boxed_str()),
        kinds: &OutputKind::ALL,
        graded: true,
        range: (None, None),
        chance: Chance::Unknown,
        higher_is_better: known.is_none_or(|k| k.higher_is_better),
        aggregation: known.map_or(Aggregation::Mean, |k| k.aggregation),
        in_lm_eval: known.is_some_and(|k| k.in_lm_eval),
        doc: "computed by a helper of the task",
    }));
    named.insert(name.to_owned(), info);
    info
}

/// A score that a helper gives, as an aggregation takes it.
///
/// # Errors
/// A lowercase fragment when it is of another kind.
pub fn item_value(aggregation: Aggregation, value: &Plain) -> Result<ItemValue, String> {
    let wrong = |expected: &str| Err(format!("expected {expected} for {}", aggregation.name()));
    let pair = || match value.items() {
        Some([a, b]) => Some((a, b)),
        _ => None,
    };
    match aggregation {
        Aggregation::Bypass => Ok(ItemValue::Nothing),
        Aggregation::WeightedPerplexity | Aggregation::BitsPerByte => {
            match pair().and_then(|(a, b)| Some((a.number()?, b.number()?))) {
                Some((numerator, denominator)) => Ok(ItemValue::Weighted {
                    numerator,
                    denominator,
                }),
                None => wrong("a log-likelihood and a count"),
            }
        }
        Aggregation::F1 | Aggregation::MatthewsCorrcoef => {
            let label = |v: &Plain| match v {
                Plain::Bool(b) => Some(i64::from(*b)),
                Plain::Int(i) => Some(*i),
                _ => None,
            };
            match pair().and_then(|(a, b)| Some((label(a)?, label(b)?))) {
                Some((gold, predicted)) => Ok(ItemValue::Labels { gold, predicted }),
                None => wrong("the right label and the one given, as whole numbers"),
            }
        }
        Aggregation::Bleu | Aggregation::Chrf | Aggregation::ChrfPlusPlus | Aggregation::Ter => {
            let Some((reference, Plain::Str(prediction))) = pair() else {
                return wrong("references and a text");
            };
            let texts = |all: &[Plain]| -> Option<Vec<String>> {
                all.iter()
                    .map(|v| match v {
                        Plain::Str(s) => Some(s.clone()),
                        _ => None,
                    })
                    .collect()
            };
            let references = match reference {
                Plain::Str(one) => Some(vec![one.clone()]),
                many => many.items().and_then(texts),
            };
            match references {
                Some(references) => Ok(ItemValue::TextPair {
                    references,
                    prediction: prediction.clone(),
                }),
                None => wrong("references and a text"),
            }
        }
        Aggregation::AccAll
        | Aggregation::BrierScore
        | Aggregation::CalibrationError
        | Aggregation::AdaptiveCalibrationError => wrong("what a helper does not give"),
        Aggregation::Mean
        | Aggregation::NanMean
        | Aggregation::Median
        | Aggregation::Perplexity => match value.number() {
            Some(number) => Ok(ItemValue::Number(number)),
            None => wrong("a number"),
        },
    }
}

/// A score of `upturn-metrics` as a helper that joins scores takes it.
#[must_use]
pub fn plain_of(value: &ItemValue) -> Plain {
    match value {
        ItemValue::Number(x) => Plain::Float(*x),
        ItemValue::Weighted {
            numerator,
            denominator,
        } => Plain::Tuple(vec![Plain::Float(*numerator), Plain::Float(*denominator)]),
        ItemValue::Labels { gold, predicted } => {
            Plain::Tuple(vec![Plain::Int(*gold), Plain::Int(*predicted)])
        }
        ItemValue::Probabilities {
            gold,
            probabilities: values,
        }
        | ItemValue::LogLikelihoods { gold, values } => Plain::Tuple(vec![
            Plain::Int(*gold),
            Plain::List(values.iter().map(|x| Plain::Float(*x)).collect()),
        ]),
        ItemValue::Confidence {
            confidence,
            correct,
        } => Plain::Tuple(vec![Plain::Float(*confidence), Plain::Bool(*correct)]),
        ItemValue::TextPair {
            references,
            prediction,
        } => {
            let references = match references.as_slice() {
                [one] => Plain::Str(one.clone()),
                many => Plain::List(many.iter().cloned().map(Plain::Str).collect()),
            };
            Plain::List(vec![references, Plain::Str(prediction.clone())])
        }
        ItemValue::Answer {
            paragraph,
            question,
            correct,
        } => Plain::Tuple(vec![
            Plain::Int(*paragraph),
            Plain::Int(*question),
            Plain::Bool(*correct),
        ]),
        ItemValue::Nothing => Plain::Null,
    }
}
