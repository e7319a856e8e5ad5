//! The engine's model as the server knows models.

use std::collections::BTreeMap;

use upturn_engine::Model;
use upturn_engine::generate::Prompt;
use upturn_engine::trie::Sequence;
use upturn_server::model::{AnswerJob, Place, ScoreJob, Scored, ServedModel, Written};
use upturn_types::{
    ChatMessage, Done, Flow, GenerateRequest, Generation, LanguageModel, LmError, Loglikelihood,
    LoglikelihoodRequest, RollingRequest, Work,
};

/// A model of the engine.
pub struct Served(pub Model);

impl LanguageModel for Served {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn fingerprint(&self) -> BTreeMap<String, String> {
        self.0.fingerprint()
    }

    fn max_length(&self) -> usize {
        self.0.max_length()
    }

    fn vocab_size(&self) -> Option<u64> {
        self.0.vocab_size()
    }

    fn tokenize(&self, text: &str) -> Result<Vec<u32>, LmError> {
        self.0.tokenize(text)
    }

    fn apply_chat_template(
        &self,
        messages: &[ChatMessage],
        add_generation_prompt: bool,
    ) -> Result<String, LmError> {
        self.0.apply_chat_template(messages, add_generation_prompt)
    }

    fn loglikelihood(
        &self,
        requests: &[LoglikelihoodRequest],
        done: Done<'_, Loglikelihood>,
    ) -> Result<Work, LmError> {
        self.0.loglikelihood(requests, done)
    }

    fn loglikelihood_rolling(
        &self,
        requests: &[RollingRequest],
        done: Done<'_, Loglikelihood>,
    ) -> Result<Work, LmError> {
        self.0.loglikelihood_rolling(requests, done)
    }

    fn generate(
        &self,
        requests: &[GenerateRequest],
        done: Done<'_, Generation>,
    ) -> Result<Work, LmError> {
        self.0.generate(requests, done)
    }
}

impl ServedModel for Served {
    fn encode(&self, text: &str, specials: Option<bool>) -> Result<Vec<u32>, LmError> {
        self.0.encode_ids(text, specials)
    }

    fn decode(&self, ids: &[u32]) -> String {
        self.0.decode_ids(ids)
    }

    fn token_text(&self, id: u32) -> String {
        self.0.text_of_id(id)
    }

    fn is_end(&self, id: u32) -> bool {
        self.0.is_end(id)
    }

    fn ends(&self) -> (Option<String>, Option<String>) {
        let tokens = self.0.tokenizer().special_tokens();
        let one = |name: &str| tokens.get(name).cloned();
        (one("bos_token"), one("eos_token"))
    }

    fn score(
        &self,
        jobs: &[ScoreJob],
        done: &mut dyn FnMut(usize, Scored) -> Flow,
    ) -> Result<(), LmError> {
        let mut sequences = Vec::with_capacity(jobs.len());
        let mut indices = Vec::with_capacity(jobs.len());
        for (index, job) in jobs.iter().enumerate() {
            let mut tokens = job.tokens.clone();
            // What stands at the end is never an input: it makes room for the next place.
            tokens.extend(job.tokens.last().filter(|_| job.next));
            if tokens.len() < 2 {
                if done(index, Scored::default()).is_break() {
                    return Err(LmError::Stopped);
                }
                continue;
            }
            indices.push(index);
            sequences.push(Sequence {
                tokens,
                first_scored: 1,
            });
        }
        let n_likely = jobs.iter().map(|j| j.n_likely).max().unwrap_or(1);
        self.0
            .score_ids(&sequences, n_likely, &mut |at, scores| {
                let job = &jobs[indices[at]];
                let mut places: Vec<Place> = scores
                    .logprobs
                    .iter()
                    .zip(scores.each)
                    .map(|(&logprob, likely)| Place {
                        logprob,
                        likely: likely.iter().take(job.n_likely).copied().collect(),
                    })
                    .collect();
                let next = match job.next {
                    true => places.pop().map(|p| p.likely).unwrap_or_default(),
                    false => Vec::new(),
                };
                done(indices[at], Scored { places, next })
            })
            .map(|_| ())
    }

    fn write(
        &self,
        jobs: &[AnswerJob],
        done: &mut dyn FnMut(usize, Written) -> Flow,
    ) -> Result<(), LmError> {
        let prompts: Vec<Prompt> = jobs
            .iter()
            .map(|job| Prompt {
                tokens: job.tokens.clone(),
                options: job.options.clone(),
                max_tokens: job.max_tokens,
                seed: job.seed,
            })
            .collect();
        self.0
            .generate_ids(&prompts, &mut |at, answer| {
                let written = Written {
                    text: answer.text,
                    tokens: answer.tokens,
                    finish: answer.finish,
                };
                done(at, written)
            })
            .map(|_| ())
    }
}
