//! What a metric says of one item, before aggregation.

use serde::{Deserialize, Serialize};

/// A metric's value for one item. Which kind it is follows from the metric; aggregations take
/// the kinds they are defined on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemValue {
    /// A number.
    Number(f64),
    /// A share of a ratio of sums: a log-likelihood and the words or bytes it is spread over.
    Weighted {
        /// Added up above the line.
        numerator: f64,
        /// Added up below the line.
        denominator: f64,
    },
    /// A right label and the label given. A gold of -100 stands for "not among the options".
    Labels {
        /// The right one.
        gold: i64,
        /// The one given.
        predicted: i64,
    },
    /// The right option and a probability of each.
    Probabilities {
        /// Index of the right option; negative ones count from the end, as in Python.
        gold: i64,
        /// One per option, sum 1.
        probabilities: Vec<f64>,
    },
    /// The right option and a log-likelihood of each (`likelihood`, which
    /// lm-evaluation-harness hands over and cannot aggregate).
    LogLikelihoods {
        /// Index of the right option.
        gold: i64,
        /// One per option, nats.
        values: Vec<f64>,
    },
    /// How sure the model was, and whether it was right (`ece`, `ece_adaptive`).
    Confidence {
        /// Probability of the option it holds likeliest, from 0 to 1.
        confidence: f64,
        /// Whether that is a right one.
        correct: bool,
    },
    /// Reference texts and the answer.
    TextPair {
        /// At least one.
        references: Vec<String>,
        /// The answer.
        prediction: String,
    },
    /// One answer of a question with several, all of which must be right (`acc_all`).
    Answer {
        /// The passage the question is about.
        paragraph: i64,
        /// The question.
        question: i64,
        /// Whether this answer was judged rightly.
        correct: bool,
    },
    /// Nothing (`bypass`).
    Nothing,
}

impl ItemValue {
    /// The number, where it is one.
    #[must_use]
    pub fn as_number(&self) -> Option<f64> {
        match self {
            ItemValue::Number(x) => Some(*x),
            _ => None,
        }
    }

    /// What it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            ItemValue::Number(_) => "a number",
            ItemValue::Weighted { .. } => "a numerator and denominator",
            ItemValue::Labels { .. } => "a pair of labels",
            ItemValue::Probabilities { .. } => "probabilities of options",
            ItemValue::LogLikelihoods { .. } => "log-likelihoods of options",
            ItemValue::Confidence { .. } => "a confidence",
            ItemValue::TextPair { .. } => "references and a text",
            ItemValue::Answer { .. } => "an answer of a question",
            ItemValue::Nothing => "nothing",
        }
    }
}
