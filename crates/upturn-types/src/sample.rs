//! A sample: one item answered once by one model, with everything its scores were made from.

use serde::{Deserialize, Serialize};

use crate::{FinishReason, Text};

/// An answer option and how likely the model finds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChoiceScore {
    /// The option as asked, without the delimiter before it.
    pub text: Text,
    /// Log-likelihood, nats.
    pub logprob: f32,
    /// Whether greedy decoding would have produced it.
    pub is_greedy: bool,
    /// Tokens of the continuation, delimiter included.
    pub n_tokens: u32,
    /// Characters (Unicode scalar values) of `text`.
    pub n_chars: u32,
    /// UTF-8 bytes of `text`.
    pub n_bytes: u32,
    /// Log-likelihood of the option without the question, where a metric asks for it.
    pub unconditional_logprob: Option<f32>,
    /// Whether greedy decoding would have produced it without the question.
    pub unconditional_is_greedy: Option<bool>,
}

/// A target text and how likely the model finds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetScore {
    /// Log-likelihood, nats.
    pub logprob: f32,
    /// Whether greedy decoding would have produced it.
    pub is_greedy: bool,
    /// Tokens scored.
    pub n_tokens: u32,
    /// Characters of the target.
    pub n_chars: u32,
    /// UTF-8 bytes of the target.
    pub n_bytes: u32,
}

/// One item (and, for generation, one filter and one repeat set) answered by one model.
///
/// The model's identity and scale and the task, method and shots are the
/// file's: they are the same in every row of a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Index of the item in its split, from 0, before any limit.
    pub doc_id: u64,
    /// SHA-256 of the item as lm-evaluation-harness hashes it, hex.
    pub doc_hash: Text,
    /// SHA-256 of the prompt, hex.
    pub prompt_hash: Text,
    /// SHA-256 of the target, hex.
    pub target_hash: Text,
    /// Repeat of the same prompt, from 0; filters that join repeats use the first.
    pub repeat: u32,
    /// Filter that made the scored answer (`none` where there is none).
    pub filter: Text,
    /// The item itself, as JSON.
    pub doc: Text,
    /// The prompt.
    pub request: Text,
    /// What was generated, one per repeat; empty for scored requests.
    pub responses: Vec<String>,
    /// The answer after the filter, as JSON text where it is not one string.
    pub filtered: Option<Text>,
    /// Why the (first) generation ended.
    pub finish_reason: Option<FinishReason>,
    /// Options of a multiple-choice item; empty otherwise.
    pub choices: Vec<ChoiceScore>,
    /// Index of the right option, where there is exactly one.
    pub gold: Option<u32>,
    /// The target as text (the gold option's index for multiple choice).
    pub target: Text,
    /// The target's likelihood, where it was asked.
    pub target_score: Option<TargetScore>,
    /// Score per metric. Null where the metric is not a number per item.
    pub metrics: Vec<(Text, Option<f64>)>,
}
