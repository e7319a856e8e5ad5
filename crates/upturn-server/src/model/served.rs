//! What the server needs to know of a model.

use std::sync::Arc;

use upturn_types::{FinishReason, Flow, GenerateOptions, LanguageModel, LmError};

/// Token ids to score.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoreJob {
    /// The tokens; at least one, at most the model's length and one more (at most its length
    /// where the next token is asked for).
    pub tokens: Vec<u32>,
    /// How many of the most likely tokens are asked for at each place; at least 1.
    pub n_likely: usize,
    /// Whether the most likely next tokens are asked for.
    pub next: bool,
}

/// The distribution at one place, as far as it is asked for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Place {
    /// Log-probability of the token that stands there, nats.
    pub logprob: f32,
    /// The most likely tokens, the most likely first, the lowest id of a tie first.
    pub likely: Vec<(u32, f32)>,
}

/// Scored tokens.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scored {
    /// One place for each token but the first.
    pub places: Vec<Place>,
    /// The most likely next tokens, where they are asked for.
    pub next: Vec<(u32, f32)>,
}

/// Token ids to continue.
#[derive(Debug, Clone, PartialEq)]
pub struct AnswerJob {
    /// The tokens; at least one. With the new ones at most the model's length.
    pub tokens: Vec<u32>,
    /// How to choose and when to stop.
    pub options: Arc<GenerateOptions>,
    /// Most new tokens; at least 1.
    pub max_tokens: usize,
    /// Seed of the sampling.
    pub seed: u64,
}

/// A continuation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Text up to the first stop string.
    pub text: String,
    /// Its tokens, what ended it included.
    pub tokens: Vec<u32>,
    /// Why it ended.
    pub finish: FinishReason,
}

/// A model that can be served: a [`LanguageModel`] that also speaks in token ids.
pub trait ServedModel: LanguageModel {
    /// Token ids of a text: with the special tokens that a prompt gets (`None`), or with or
    /// without those that the tokenizer adds.
    ///
    /// # Errors
    /// When the text cannot be encoded.
    fn encode(&self, text: &str, specials: Option<bool>) -> Result<Vec<u32>, LmError>;

    /// Text of token ids, special tokens included. U+FFFD stands where a character is not whole.
    fn decode(&self, ids: &[u32]) -> String;

    /// A token's text as it is within a text.
    fn token_text(&self, id: u32) -> String;

    /// Whether a token ends a text.
    fn is_end(&self, id: u32) -> bool;

    /// The texts of the tokens at the beginning and at the end of a text, where there are such.
    fn ends(&self) -> (Option<String>, Option<String>);

    /// Scores sequences; `done` is called once for each.
    ///
    /// # Errors
    /// At the first that cannot be scored; those already given stand.
    fn score(
        &self,
        jobs: &[ScoreJob],
        done: &mut dyn FnMut(usize, Scored) -> Flow,
    ) -> Result<(), LmError>;

    /// Continues sequences; `done` is called once for each.
    ///
    /// # Errors
    /// As [`ServedModel::score`].
    fn write(
        &self,
        jobs: &[AnswerJob],
        done: &mut dyn FnMut(usize, Written) -> Flow,
    ) -> Result<(), LmError>;
}
