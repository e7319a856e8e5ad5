//! The model in token ids, for those who encode themselves.

use upturn_types::{Flow, LmError, Work};

use super::{Model, request_error};
use crate::generate::{Answer, Prompt, Text, generate};
use crate::score::{TokenScores, score_every};
use crate::trie::Sequence;

impl Model {
    /// Token ids of a text: with the special tokens that a prompt gets (`None`), or with or
    /// without those that the tokenizer adds.
    ///
    /// # Errors
    /// When it cannot be encoded, or (`None`) is empty and no token stands for that.
    pub fn encode_ids(&self, text: &str, specials: Option<bool>) -> Result<Vec<u32>, LmError> {
        match specials {
            None => {
                let prompt = self.encoder().encode_prompt(text, usize::MAX);
                Ok(prompt.map_err(request_error(0))?.tokens)
            }
            Some(specials) => self
                .tokenizer
                .encode(text, specials)
                .map_err(|e| LmError::Model(e.to_string())),
        }
    }

    /// Text of token ids, special tokens included.
    #[must_use]
    pub fn decode_ids(&self, ids: &[u32]) -> String {
        self.tokenizer.decode(ids, false)
    }

    /// A token's text as it is within a text; U+FFFD is in it where it splits a character.
    #[must_use]
    pub fn text_of_id(&self, id: u32) -> String {
        self.token_text(id)
    }

    /// Whether a token ends a text.
    #[must_use]
    pub fn is_end(&self, id: u32) -> bool {
        self.generation.eos_token_ids.contains(&id)
    }

    /// Every scored token of sequences with its log-probability, and the `n_likely` (at least
    /// 1) most likely tokens in its place.
    ///
    /// # Errors
    /// At the first id that the model has no embedding for; as
    /// [`upturn_types::LanguageModel::loglikelihood`].
    pub fn score_ids(
        &self,
        sequences: &[Sequence],
        n_likely: usize,
        done: &mut dyn FnMut(usize, TokenScores<'_>) -> Flow,
    ) -> Result<Work, LmError> {
        let ids = sequences.iter().map(|s| s.tokens.as_slice()).enumerate();
        self.check_ids(ids)?;
        let limits = self.limits();
        score_every(
            &self.decoder,
            sequences,
            limits,
            n_likely,
            &mut |i, _, tokens| done(i, tokens),
        )
        .map_err(|e| self.explain(e))
    }

    /// Continues prompts in token ids. A prompt and its new tokens may not be longer than the
    /// model.
    ///
    /// # Errors
    /// As [`upturn_types::LanguageModel::generate`].
    pub fn generate_ids(
        &self,
        prompts: &[Prompt],
        done: &mut dyn FnMut(usize, Answer) -> Flow,
    ) -> Result<Work, LmError> {
        self.check_ids(prompts.iter().map(|p| p.tokens.as_slice()).enumerate())?;
        for (index, prompt) in prompts.iter().enumerate() {
            let n = prompt.tokens.len() + prompt.max_tokens;
            let fine = !prompt.tokens.is_empty() && prompt.max_tokens > 0 && n <= self.max_length;
            let reason = match fine {
                true => super::odd_sampling(&prompt.options),
                false => Some(format!(
                    "{} tokens and {} new ones do not fit; the model has room for {}",
                    prompt.tokens.len(),
                    prompt.max_tokens,
                    self.max_length
                )),
            };
            if let Some(reason) = reason {
                return Err(LmError::Request { index, reason });
            }
        }
        let text = Text {
            decode: &|tokens| self.tokenizer.decode(tokens, true),
            eos: &self.generation.eos_token_ids,
        };
        generate(&self.decoder, prompts, &text, self.limits(), done).map_err(|e| self.explain(e))
    }
}
