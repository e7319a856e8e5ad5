//! Responses token by token: how likely each token was, and what else could have come first.

use upturn_types::{
    Flow, GenerateRequest, Generation, LanguageModel, LmError, Loglikelihood, LoglikelihoodRequest,
    Work,
};

use super::{Model, Pairs, request_error};
use crate::score::{TokenScores, score_tokens};
use crate::trie::Sequence;

/// A token with its log-probability.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenLogprob {
    /// Token id.
    pub id: u32,
    /// Its text alone; a token that ends within a character has U+FFFD in it.
    pub text: String,
    /// Log-probability after what stands before it, nats: that of the model itself,
    /// whatever temperature or cuts a sample was drawn with.
    pub logprob: f32,
}

/// A response token by token.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Detail {
    /// Its tokens, in order. Their log-probabilities are those whose sum is the response's.
    pub tokens: Vec<TokenLogprob>,
    /// Sum of the tokens' log-probabilities, nats.
    pub logprob: f32,
    /// The most likely tokens in the place of its first one, the most likely first.
    pub likely: Vec<TokenLogprob>,
}

impl Model {
    /// Tokens of a prompt as it is continued, those that the tokenizer adds included,
    /// before anything is cut off.
    ///
    /// # Errors
    /// When it cannot be encoded, or is empty and no token stands for that.
    pub fn prompt_len(&self, prompt: &str) -> Result<usize, LmError> {
        let prompt = self
            .encoder()
            .encode_prompt(prompt, usize::MAX)
            .map_err(request_error(0))?;
        Ok(prompt.tokens.len())
    }

    /// As [`LanguageModel::loglikelihood`], bit for bit, with every token of a continuation
    /// and the `n_likely` most likely tokens in the place of its first.
    ///
    /// # Errors
    /// As [`LanguageModel::loglikelihood`].
    pub fn loglikelihood_detail(
        &self,
        requests: &[LoglikelihoodRequest],
        n_likely: usize,
        done: &mut dyn FnMut(usize, Loglikelihood, Detail) -> Flow,
    ) -> Result<Work, LmError> {
        let Pairs {
            sequences,
            lengths,
            truncated,
        } = self.pairs(requests)?;
        score_tokens(
            &self.decoder,
            &sequences,
            self.limits(),
            n_likely,
            &mut |i, score, tokens| {
                let likelihood = Loglikelihood {
                    logprob: score.logprob,
                    is_greedy: score.is_greedy,
                    n_tokens: lengths[i],
                    n_truncated: truncated[i],
                };
                done(
                    i,
                    likelihood,
                    self.detail(&sequences[i], score.logprob, tokens),
                )
            },
        )
        .map_err(|e| self.explain(e))
    }

    /// As [`LanguageModel::generate`], with every token of an answer, those that ended it
    /// included, and the `n_likely` most likely tokens in the place of its first. The answers
    /// go through the model once more for that, all that they share once.
    ///
    /// # Errors
    /// As [`LanguageModel::generate`].
    pub fn generate_detail(
        &self,
        requests: &[GenerateRequest],
        n_likely: usize,
        done: &mut dyn FnMut(usize, Generation, Detail) -> Flow,
    ) -> Result<Work, LmError> {
        let (prompts, _) = self.prompts(requests)?;
        let mut answers: Vec<Option<Generation>> = vec![None; requests.len()];
        let mut work = self.generate(requests, &mut |i, answer| {
            answers[i] = Some(answer);
            Flow::Continue(())
        })?;
        let mut indices = Vec::with_capacity(requests.len());
        let mut sequences = Vec::with_capacity(requests.len());
        for (index, (prompt, answer)) in prompts.into_iter().zip(&answers).enumerate() {
            let Some(answer) = answer else { continue };
            let first_scored = prompt.tokens.len();
            let mut tokens = prompt.tokens;
            tokens.extend_from_slice(&answer.tokens);
            indices.push(index);
            sequences.push(Sequence {
                tokens,
                first_scored,
            });
        }
        let scored = score_tokens(
            &self.decoder,
            &sequences,
            self.limits(),
            n_likely,
            &mut |i, score, tokens| {
                let detail = self.detail(&sequences[i], score.logprob, tokens);
                match answers[indices[i]].take() {
                    Some(answer) => done(indices[i], answer, detail),
                    None => Flow::Continue(()),
                }
            },
        );
        work.add(&scored.map_err(|e| self.explain(e))?);
        Ok(work)
    }

    /// A token's text as it is within a text: some tokenizers drop a space at the beginning.
    pub(super) fn token_text(&self, id: u32) -> String {
        let alone = self.tokenizer.decode(&[id], false);
        let twice = self.tokenizer.decode(&[id, id], false);
        match twice.strip_prefix(&alone) {
            Some(second) => second.to_owned(),
            None => alone,
        }
    }

    fn detail(&self, sequence: &Sequence, logprob: f32, scores: TokenScores<'_>) -> Detail {
        let token = |(&id, &logprob): (&u32, &f32)| TokenLogprob {
            id,
            text: self.token_text(id),
            logprob,
        };
        Detail {
            tokens: sequence.tokens[sequence.first_scored..]
                .iter()
                .zip(scores.logprobs)
                .map(token)
                .collect(),
            logprob,
            likely: scores.likely.iter().map(|(id, l)| token((id, l))).collect(),
        }
    }
}
