//! What a method takes, before anything is asked.

use crate::config::OutputType;
use crate::prompting::FollowUp;
use crate::task::{Item, ItemRequests, Task};

/// Tokens of an answer where the task sets no limit: the models' own.
const DEFAULT_TOKENS: u64 = 256;

/// Requests and tokens of a task's items, beyond the prompts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MethodCost {
    /// Requests, second ones included.
    pub n_requests: u64,
    /// Answers generated.
    pub n_answers: u64,
    /// Tokens of all answers, if every one is as long as it may be.
    pub most_generated_tokens: u64,
    /// Tokens of first answers that second requests read again, at most; their prompts come on
    /// top.
    pub most_reread_tokens: u64,
}

impl Task {
    /// What these items take. Prompts are not in it: their tokens depend on the model.
    #[must_use]
    pub fn cost(&self, items: &[Item]) -> MethodCost {
        let mut cost = MethodCost::default();
        let second = match self.config.output_type {
            OutputType::GenerateUntil => self.config.follow_up(),
            _ => None,
        };
        for item in items {
            match &item.requests {
                ItemRequests::Choices {
                    conditional,
                    unconditional,
                } => cost.n_requests += (conditional.len() + unconditional.len()) as u64,
                ItemRequests::Loglikelihood(_) | ItemRequests::Rolling(_) => cost.n_requests += 1,
                ItemRequests::Generate(all) => {
                    for request in all {
                        let most = request.options.max_tokens.map_or(DEFAULT_TOKENS, u64::from);
                        cost.n_requests += 1;
                        cost.n_answers += 1;
                        cost.most_generated_tokens += most;
                        match &second {
                            None => {}
                            Some(FollowUp::Generate { options, .. }) => {
                                cost.n_requests += 1;
                                cost.n_answers += 1;
                                cost.most_reread_tokens += most;
                                cost.most_generated_tokens +=
                                    options.max_tokens.map_or(DEFAULT_TOKENS, u64::from);
                            }
                            Some(FollowUp::Judge { .. }) => {
                                cost.n_requests += 2;
                                cost.most_reread_tokens += most;
                            }
                        }
                    }
                }
            }
        }
        cost
    }
}
