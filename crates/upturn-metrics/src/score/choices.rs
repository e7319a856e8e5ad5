//! Scores of a multiple-choice item from the log-likelihoods of its options.

use upturn_types::ChoiceScore;

use super::{ItemScores, item_error};
use crate::numeric::{argmax, softmax};
use crate::{ItemValue, MetricError, MetricRequest};

/// Stands for a right answer that is not among the options.
const NOT_AN_OPTION: i64 = -100;

/// The right answer as the task gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gold {
    /// Index of the option.
    Index(i64),
    /// Text of the option.
    Text(String),
    /// Several right options, by index.
    Many(Vec<i64>),
}

/// The options of an item with their log-likelihoods, and the right answer.
#[derive(Debug, Clone, Copy)]
pub struct ChoicesResponse<'a> {
    /// Options in order. Lengths are of the text without the delimiter before it.
    pub choices: &'a [ChoiceScore],
    /// The right answer.
    pub gold: &'a Gold,
}

impl Gold {
    /// Index among the options; -100 where it is none of them. Below 0 it is kept, as
    /// lm-evaluation-harness keeps it. `None` for several.
    #[must_use]
    pub fn index(&self, choices: &[ChoiceScore]) -> Option<i64> {
        match self {
            Gold::Index(i) => Some(in_range(*i, choices.len())),
            Gold::Text(text) => Some(
                choices
                    .iter()
                    .position(|c| *c.text == **text)
                    .map_or(NOT_AN_OPTION, |i| i as i64),
            ),
            Gold::Many(_) => None,
        }
    }

    /// All indices, with -100 for those that are no option.
    fn indices(&self, choices: &[ChoiceScore]) -> Vec<i64> {
        match self {
            Gold::Many(all) => all.iter().map(|i| in_range(*i, choices.len())).collect(),
            one => one.index(choices).into_iter().collect(),
        }
    }

    /// The options that are right, as indices that exist, in ascending order. Negative ones
    /// count from the end, as Python's do. Empty where the right answer is no option.
    #[must_use]
    pub fn right_options(&self, choices: &[ChoiceScore]) -> Vec<usize> {
        let mut right: Vec<usize> = self
            .indices(choices)
            .into_iter()
            .filter_map(|i| python_index(i, choices.len()))
            .collect();
        right.sort_unstable();
        right.dedup();
        right
    }
}

fn in_range(i: i64, n: usize) -> i64 {
    if i < n as i64 { i } else { NOT_AN_OPTION }
}

/// An index that may count from the end; -100 is none.
fn python_index(i: i64, n: usize) -> Option<usize> {
    if i == NOT_AN_OPTION {
        return None;
    }
    let at = if i < 0 { i + n as i64 } else { i };
    usize::try_from(at).ok().filter(|at| *at < n)
}

/// Scores of a multiple-choice item.
///
/// The metrics that lm-evaluation-harness has are its own. Beyond them: `choice_prob` and
/// `margin` take all right options together (an item without any has probability 0 and no
/// margin), `brier_multiclass` is left out for items without exactly one right option, and
/// `acc_mutual_info` takes several right options.
///
/// # Errors
/// When there is no option, `f1`, `mcc`, `likelihood` or `brier_score` meets several right
/// options, or `acc_mutual_info` lacks the log-likelihoods without the question.
pub fn score_choices(
    response: &ChoicesResponse<'_>,
    metrics: &[MetricRequest],
) -> Result<ItemScores, MetricError> {
    let choices = response.choices;
    if choices.is_empty() {
        return Err(item_error("acc", "the item has no options"));
    }
    let item = Item::new(response);
    let mut scores = ItemScores::new();
    for metric in metrics {
        if let Some(value) = item.value(metric.info.name)? {
            scores.push((metric.info.name, value));
        }
    }
    Ok(scores)
}

/// One item with what several metrics need.
struct Item<'a> {
    choices: &'a [ChoiceScore],
    /// Log-likelihoods, nats.
    lls: Vec<f64>,
    /// The right answer as one index, where it is one.
    gold: Option<i64>,
    /// The right answers as given, -100 where they are no option.
    golds: Vec<i64>,
    /// The right options that exist.
    right: Vec<usize>,
}

impl<'a> Item<'a> {
    fn new(response: &ChoicesResponse<'a>) -> Self {
        let choices = response.choices;
        Item {
            choices,
            lls: choices.iter().map(|c| f64::from(c.logprob)).collect(),
            gold: response.gold.index(choices),
            golds: response.gold.indices(choices),
            right: response.gold.right_options(choices),
        }
    }

    fn value(&self, metric: &str) -> Result<Option<ItemValue>, MetricError> {
        let number = match metric {
            "acc" => self.is_right(&self.lls),
            "acc_norm" => self.is_right(&self.per(|c| c.n_chars)),
            "acc_bytes" => self.is_right(&self.per(|c| c.n_bytes)),
            "acc_mutual_info" => self.is_right(&self.mutual_information()?),
            "exact_match" => {
                let greedy = self.right.iter().any(|i| self.choices[*i].is_greedy);
                f64::from(u8::from(greedy))
            }
            "f1" | "mcc" => {
                return Ok(Some(ItemValue::Labels {
                    gold: self.one_gold(metric)?,
                    predicted: argmax(&self.lls) as i64,
                }));
            }
            "brier_score" => {
                return Ok(Some(ItemValue::Probabilities {
                    gold: self.one_gold(metric)?,
                    probabilities: softmax(&self.lls),
                }));
            }
            "ece" | "ece_adaptive" => {
                let p = softmax(&self.lls);
                let best = argmax(&p);
                return Ok(Some(ItemValue::Confidence {
                    confidence: p[best],
                    correct: self.right.contains(&best),
                }));
            }
            "likelihood" => {
                return Ok(Some(ItemValue::LogLikelihoods {
                    gold: self.one_gold(metric)?,
                    values: self.lls.clone(),
                }));
            }
            "choice_prob" => self.mass_on_right(&self.lls),
            "choice_prob_norm" => self.mass_on_right(&self.per(|c| c.n_chars)),
            "entropy" => {
                let p = softmax(&self.lls);
                p.iter()
                    .map(|p| if *p > 0.0 { -p * p.ln() } else { 0.0 })
                    .sum()
            }
            "margin" => match self.margin() {
                Some(margin) => margin,
                None => return Ok(None),
            },
            "brier_multiclass" => match self.right[..] {
                [right] if self.golds.len() == 1 => squared_error(&softmax(&self.lls), right),
                _ => return Ok(None),
            },
            "target_logprob_per_token" => {
                let best = self
                    .right
                    .iter()
                    .copied()
                    .max_by(|a, b| self.lls[*a].total_cmp(&self.lls[*b]));
                match best.map(|i| (self.lls[i], self.choices[i].n_tokens)) {
                    Some((ll, n)) if n > 0 => ll / f64::from(n),
                    _ => return Ok(None),
                }
            }
            _ => return Ok(None),
        };
        Ok(Some(ItemValue::Number(number)))
    }

    /// 1 where the best score is of a right answer. Compared as given: an index below 0 is
    /// never right.
    fn is_right(&self, scores: &[f64]) -> f64 {
        let best = argmax(scores) as i64;
        f64::from(u8::from(self.golds.contains(&best)))
    }

    /// Log-likelihoods divided by a length; by 0 they are infinite, as in `numpy`.
    fn per(&self, length: impl Fn(&ChoiceScore) -> u32) -> Vec<f64> {
        let lengths = self.choices.iter().map(|c| f64::from(length(c)));
        self.lls.iter().zip(lengths).map(|(ll, n)| ll / n).collect()
    }

    fn mutual_information(&self) -> Result<Vec<f64>, MetricError> {
        self.choices
            .iter()
            .zip(&self.lls)
            .map(|(c, ll)| match c.unconditional_logprob {
                Some(without) => Ok(ll - f64::from(without)),
                None => Err(item_error(
                    "acc_mutual_info",
                    "needs the log-likelihood of every option without the question",
                )),
            })
            .collect()
    }

    fn one_gold(&self, metric: &str) -> Result<i64, MetricError> {
        self.gold.ok_or_else(|| {
            let n = self.golds.len();
            item_error(
                metric,
                format!("needs one right option per item, got a list of {n}; use choice_prob"),
            )
        })
    }

    fn mass_on_right(&self, scores: &[f64]) -> f64 {
        let p = softmax(scores);
        self.right.iter().map(|i| p[*i]).sum()
    }

    fn margin(&self) -> Option<f64> {
        let best = |right: bool| {
            (0..self.lls.len())
                .filter(|i| self.right.contains(i) == right)
                .map(|i| self.lls[i])
                .max_by(f64::total_cmp)
        };
        Some(best(true)? - best(false)?)
    }
}

/// Sum over options of (probability − right)².
fn squared_error(probabilities: &[f64], right: usize) -> f64 {
    probabilities
        .iter()
        .enumerate()
        .map(|(i, p)| (p - f64::from(u8::from(i == right))).powi(2))
        .sum()
}
