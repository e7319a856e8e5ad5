//! A language model as evaluation sees it: requests in, responses out.
//!
//! This is the hinge between tasks and models: what asks never learns how a
//! model is built, and what answers never learns what a task is. Responses come
//! back through a callback, in any order, each as soon as it is known, so that a
//! caller can keep finished work when the run is stopped.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Text;

/// How likely is `continuation` after `context`?
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LoglikelihoodRequest {
    /// Text before; may be empty (the model's prefix token then stands for it).
    pub context: Text,
    /// Text whose log-likelihood is asked; not empty.
    pub continuation: Text,
}

/// Log-likelihood of a continuation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Loglikelihood {
    /// Sum of the token log-probabilities, nats.
    pub logprob: f32,
    /// Whether greedy decoding would have produced exactly the continuation.
    pub is_greedy: bool,
    /// Tokens of the continuation.
    pub n_tokens: u32,
    /// Tokens cut from the left of the context because the model is too short for them.
    pub n_truncated: u32,
}

/// Log-likelihood of a whole text, in windows where it is longer than the model.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RollingRequest {
    /// The text; may be empty (log-likelihood 0).
    pub text: Text,
}

/// How to choose the next token and when to stop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GenerateOptions {
    /// Stop at the first of these strings (it is not part of the answer).
    pub until: Vec<String>,
    /// Most new tokens; `None` is the model's own default (256).
    pub max_tokens: Option<u32>,
    /// Whether to sample; otherwise the most likely token is taken (the lowest id of a tie).
    pub do_sample: bool,
    /// Divides the logits before sampling; > 0.
    pub temperature: f32,
    /// Keep the k most likely tokens; 0 keeps all.
    pub top_k: u32,
    /// Keep the smallest set of most likely tokens whose mass reaches this; 1 keeps all.
    pub top_p: f32,
    /// Keep tokens at least this fraction as likely as the most likely; 0 keeps all.
    pub min_p: f32,
    /// Divides positive (multiplies negative) logits of tokens seen before; 1 does nothing.
    pub repetition_penalty: f32,
}

impl Default for GenerateOptions {
    /// Greedy decoding, no stop string, the model's own limit.
    fn default() -> Self {
        GenerateOptions {
            until: Vec::new(),
            max_tokens: None,
            do_sample: false,
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
        }
    }
}

/// Continue a text.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerateRequest {
    /// The prompt.
    pub context: Text,
    /// How to choose and when to stop.
    pub options: Arc<GenerateOptions>,
    /// Seed of this answer's sampling: from (doc, repeat), so that company changes nothing.
    pub seed: u64,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// A stop string.
    Stop,
    /// The model's end-of-text token.
    Eos,
    /// The token limit, or the model's length.
    Length,
}

impl FinishReason {
    /// The word used in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            FinishReason::Stop => "stop",
            FinishReason::Eos => "eos",
            FinishReason::Length => "length",
        }
    }

    /// The reason that `name` spells, if any.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [FinishReason::Stop, FinishReason::Eos, FinishReason::Length]
            .into_iter()
            .find(|r| r.name() == name)
    }
}

/// A continuation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Generation {
    /// Text up to the first stop string.
    pub text: String,
    /// Token ids generated, the stop string's and end-of-text included.
    pub tokens: Vec<u32>,
    /// Why it ended.
    pub finish: FinishReason,
    /// Tokens cut from the left of the prompt because the model is too short for them.
    pub n_truncated: u32,
}

/// Work done for a set of requests: counts, not times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Tokens if every request were run alone: the sum of their input lengths.
    pub tokens_requested: u64,
    /// Distinct prefixes of all requests' inputs (the nodes of the token trie).
    pub tokens_distinct: u64,
    /// Tokens that went through the model. Equal to `tokens_distinct` when nothing is redone.
    pub tokens_computed: u64,
    /// Positions whose next-token distribution was computed.
    pub positions_projected: u64,
    /// Floating-point operations of the model on `tokens_computed` and `positions_projected`.
    pub flops: u64,
}

impl Work {
    /// Adds the counts of other work.
    pub fn add(&mut self, other: &Work) {
        self.tokens_requested += other.tokens_requested;
        self.tokens_distinct += other.tokens_distinct;
        self.tokens_computed += other.tokens_computed;
        self.positions_projected += other.positions_projected;
        self.flops += other.flops;
    }
}

/// A message of a conversation, for chat templates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatMessage {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// The text.
    pub content: String,
}

/// Why a model did not answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LmError {
    /// One request cannot be answered: its index and the reason, as a lowercase fragment.
    #[error("request {index}: {reason}")]
    Request {
        /// Index into the requests passed.
        index: usize,
        /// What is wrong with it, and how to mend it.
        reason: String,
    },
    /// The model itself failed (a tensor of NaN, a server that is gone).
    #[error("{0}")]
    Model(String),
    /// The caller asked to stop.
    #[error("stopped")]
    Stopped,
}

/// Whether to go on after a response.
pub type Flow = std::ops::ControlFlow<()>;

/// Called with the index of a request and its response, once per request, in any order.
pub type Done<'a, R> = &'a mut dyn FnMut(usize, R) -> Flow;

/// A language model that answers requests.
///
/// A response depends on its own request alone: the same bits whatever else is
/// asked, in whatever order and on however many threads.
pub trait LanguageModel: Send + Sync {
    /// Name for messages and results.
    fn name(&self) -> &str;

    /// Facts that identify the model in results and cache keys: weights hash,
    /// architecture, data type, tokenizer hash, CPU features. Stable across runs.
    fn fingerprint(&self) -> BTreeMap<String, String>;

    /// Longest input, in tokens.
    fn max_length(&self) -> usize;

    /// Tokens there are, where it is known.
    fn vocab_size(&self) -> Option<u64> {
        None
    }

    /// What answering these requests would take, without doing it: `tokens_computed` and
    /// the answers' own tokens are left out.
    ///
    /// # Errors
    /// At the first request that cannot be encoded, or when the model cannot say.
    fn estimate(
        &self,
        _likelihoods: &[LoglikelihoodRequest],
        _rolling: &[RollingRequest],
        _generations: &[GenerateRequest],
    ) -> Result<Work, LmError> {
        Err(LmError::Model(
            "this model cannot say what requests would take".into(),
        ))
    }

    /// Work since the model was loaded, as far as it is known now; for progress only.
    fn work_so_far(&self) -> Work {
        Work::default()
    }

    /// Token ids of a text, without special tokens.
    ///
    /// # Errors
    /// When the text cannot be encoded.
    fn tokenize(&self, text: &str) -> Result<Vec<u32>, LmError>;

    /// Formats a conversation with the model's chat template.
    ///
    /// # Errors
    /// When the model has none, or it refuses the messages.
    fn apply_chat_template(
        &self,
        messages: &[ChatMessage],
        add_generation_prompt: bool,
    ) -> Result<String, LmError>;

    /// Log-likelihoods of continuations.
    ///
    /// # Errors
    /// At the first request that cannot be answered; responses already given stand.
    fn loglikelihood(
        &self,
        requests: &[LoglikelihoodRequest],
        done: Done<'_, Loglikelihood>,
    ) -> Result<Work, LmError>;

    /// Log-likelihoods of whole texts. `n_tokens` counts the scored tokens;
    /// `is_greedy` is whether every one of them was the most likely.
    ///
    /// # Errors
    /// As [`LanguageModel::loglikelihood`].
    fn loglikelihood_rolling(
        &self,
        requests: &[RollingRequest],
        done: Done<'_, Loglikelihood>,
    ) -> Result<Work, LmError>;

    /// Continuations.
    ///
    /// # Errors
    /// As [`LanguageModel::loglikelihood`].
    fn generate(
        &self,
        requests: &[GenerateRequest],
        done: Done<'_, Generation>,
    ) -> Result<Work, LmError>;
}
