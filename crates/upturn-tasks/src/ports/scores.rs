//! Scores that helpers take from libraries: scikit-learn's F1 and its like, SQuAD's matches.
//!
//! Sources: scikit-learn's `precision_recall_fscore_support` (documentation), the official
//! SQuAD evaluation script. Each is small and stands alone, so that it can be replaced by one
//! of `upturn-metrics`.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use upturn_metrics::PyRegex;

use super::methods::Args;
use super::value::{Key, Made, V, fatal, raise};
use crate::python::is_space;

/// What is counted of one label.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    hits: f64,
    given: f64,
    right: f64,
}

impl Counts {
    fn precision(self) -> f64 {
        ratio(self.hits, self.given)
    }

    fn recall(self) -> f64 {
        ratio(self.hits, self.right)
    }

    /// F-beta; 0 where the label neither is right nor was given.
    fn f(self, beta: f64) -> f64 {
        let b = beta * beta;
        ratio((1.0 + b) * self.hits, b * self.right + self.given)
    }
}

fn ratio(above: f64, below: f64) -> f64 {
    if below == 0.0 { 0.0 } else { above / below }
}

/// Labels in order, each with its counts.
fn counts(gold: &[V], given: &[V], labels: Option<&[V]>) -> Made<Vec<(V, Counts)>> {
    let mut all: IndexMap<Key, (V, Counts)> = IndexMap::new();
    let mut order: Vec<V> = match labels {
        Some(labels) => labels.to_vec(),
        None => gold.iter().chain(given).cloned().collect(),
    };
    if labels.is_none() {
        let texts = order.iter().filter(|v| matches!(v, V::Str(_))).count();
        if texts != 0 && texts != order.len() {
            return raise("ValueError", "Mix of label input types (string and number)");
        }
        order.sort_by(|a, b| {
            a.order(b)
                .ok()
                .flatten()
                .unwrap_or(std::cmp::Ordering::Equal)
        });
    }
    for label in order {
        all.entry(label.key()?)
            .or_insert((label, Counts::default()));
    }
    for (g, p) in gold.iter().zip(given) {
        if let Some((_, c)) = all.get_mut(&g.key()?) {
            c.right += 1.0;
        }
        if let Some((_, c)) = all.get_mut(&p.key()?) {
            c.given += 1.0;
        }
        if g.key()? == p.key()?
            && let Some((_, c)) = all.get_mut(&g.key()?)
        {
            c.hits += 1.0;
        }
    }
    Ok(all.into_values().collect())
}

fn averaged(
    all: &[(V, Counts)],
    average: Option<&str>,
    score: &dyn Fn(Counts) -> f64,
) -> Made<f64> {
    match average {
        Some("macro") => {
            let values: Vec<f64> = all.iter().map(|(_, c)| score(*c)).collect();
            Ok(super::array::sum(&values) / values.len() as f64)
        }
        Some("weighted") => {
            let total: f64 = all.iter().map(|(_, c)| c.right).sum();
            let values: Vec<f64> = all.iter().map(|(_, c)| score(*c) * c.right).collect();
            Ok(ratio(super::array::sum(&values), total))
        }
        Some("micro") => {
            let mut sum = Counts::default();
            for (_, c) in all {
                sum.hits += c.hits;
                sum.given += c.given;
                sum.right += c.right;
            }
            Ok(score(sum))
        }
        // The label 1 alone.
        Some("binary") => {
            if all.len() > 2 {
                return raise("ValueError", "Target is multiclass but average='binary'");
            }
            let one = all.iter().find(|(label, _)| label.int() == Some(1));
            match one {
                Some((_, c)) => Ok(score(*c)),
                None if all.iter().any(|(label, _)| matches!(label, V::Str(_))) => {
                    raise("ValueError", "pos_label=1 is not a valid label")
                }
                None if all.len() < 2 => Ok(0.0),
                None => raise("ValueError", "pos_label=1 is not a valid label"),
            }
        }
        other => fatal(format!(
            "an average '{}' is not read",
            other.unwrap_or("None")
        )),
    }
}

/// Functions of `sklearn.metrics` and `squad_metrics`.
pub(super) fn call(path: &str, mut args: Args) -> Made<V> {
    let name = path.rsplit('.').next().unwrap_or(path);
    if path.contains("squad_metrics") {
        if name == "normalize_answer" {
            let text = args.need(0, "s")?;
            return Ok(V::str(normalize_answer(text.text(name)?)?));
        }
        let gold = args.need(0, "a_gold")?;
        let answer = args.need(1, "a_pred")?;
        let (gold, answer) = (gold.text(name)?, answer.text(name)?);
        return match name {
            "compute_exact" => Ok(V::Int(i64::from(
                normalize_answer(gold)? == normalize_answer(answer)?,
            ))),
            "compute_f1" => squad_f1(gold, answer),
            _ => fatal(format!("{path} is not here")),
        };
    }
    let gold = args.need(0, "y_true")?.items()?;
    let given = args.need(1, "y_pred")?.items()?;
    if gold.len() != given.len() {
        return raise(
            "ValueError",
            "found labels with inconsistent numbers of samples",
        );
    }
    if name == "accuracy_score" {
        args.finish(path)?;
        let hits: f64 = gold
            .iter()
            .zip(&given)
            .map(|(g, p)| f64::from(u8::from(g.equals(p))))
            .sum();
        return Ok(V::Float(ratio(hits, gold.len() as f64)));
    }
    let average = match args.take(9, "average") {
        None => Some("binary".into()),
        Some(V::Str(word)) => Some(word),
        Some(_) => None,
    };
    let labels = match args.take(9, "labels") {
        None | Some(V::None) => None,
        Some(labels) => Some(labels.items()?),
    };
    let beta = args.take(9, "beta").and_then(|v| v.number()).unwrap_or(1.0);
    args.ignore(&["zero_division"]);
    args.finish(path)?;
    let all = counts(&gold, &given, labels.as_deref())?;
    let score: &dyn Fn(Counts) -> f64 = match name {
        "precision_score" => &Counts::precision,
        "recall_score" => &Counts::recall,
        "f1_score" | "fbeta_score" => &move |c: Counts| c.f(beta),
        _ => return fatal(format!("{path} is not here")),
    };
    Ok(V::Float(averaged(&all, average.as_deref(), score)?))
}

/// `lm_eval.utils.weighted_f1_score`: F1 of each label, weighted by how often it is right.
pub(super) fn weighted_f1(items: &V) -> Made<V> {
    let mut gold = Vec::new();
    let mut given = Vec::new();
    for pair in items.items()? {
        let pair = pair.items()?;
        let [g, p] = pair.as_slice() else {
            return raise("ValueError", "weighted_f1_score needs pairs of labels");
        };
        gold.push(g.clone());
        given.push(p.clone());
    }
    let all = counts(&gold, &given, None)?;
    Ok(V::Float(averaged(&all, Some("weighted"), &|c| c.f(1.0))?))
}

/// SQuAD's plain form of an answer: lower case, no ASCII punctuation, no articles, single
/// spaces.
fn normalize_answer(text: &str) -> Made<String> {
    let lower: String = text
        .to_lowercase()
        .chars()
        .filter(|c| !c.is_ascii_punctuation())
        .collect();
    let articles = match PyRegex::new(r"\b(a|an|the)\b") {
        Ok(regex) => regex,
        Err(e) => return fatal(e.to_string()),
    };
    let kept = match articles.replace_all(&lower, " ") {
        Ok(text) => text,
        Err(e) => return fatal(e.to_string()),
    };
    let words: Vec<&str> = kept.split(is_space).filter(|w| !w.is_empty()).collect();
    Ok(words.join(" "))
}

/// SQuAD's F1 of two answers' words; of answers without words, whether both have none.
fn squad_f1(gold: &str, answer: &str) -> Made<V> {
    let tokens = |text: &str| -> Made<Vec<String>> {
        Ok(normalize_answer(text)?
            .split(' ')
            .filter(|w| !w.is_empty())
            .map(str::to_string)
            .collect())
    };
    let (gold, answer) = (tokens(gold)?, tokens(answer)?);
    if gold.is_empty() || answer.is_empty() {
        return Ok(V::Int(i64::from(gold == answer)));
    }
    let mut left: BTreeMap<&str, usize> = BTreeMap::new();
    for word in &gold {
        *left.entry(word).or_default() += 1;
    }
    let mut same = 0.0;
    for word in &answer {
        if let Some(n) = left.get_mut(word.as_str()).filter(|n| **n > 0) {
            *n -= 1;
            same += 1.0;
        }
    }
    if same == 0.0 {
        return Ok(V::Int(0));
    }
    let precision = same / answer.len() as f64;
    let recall = same / gold.len() as f64;
    Ok(V::Float((2.0 * precision * recall) / (precision + recall)))
}

/// `lm_eval.utils.general_detokenize`: no space before contractions, brackets and points.
pub(super) fn general_detokenize(text: &str) -> String {
    let text = text
        .replace(" n't", "n't")
        .replace(" )", ")")
        .replace("( ", "(")
        .replace("\" ", "\"")
        .replace(" \"", "\"");
    ["'", ".", ","]
        .iter()
        .fold(text, |text, sign| text.replace(&format!(" {sign}"), sign))
}
