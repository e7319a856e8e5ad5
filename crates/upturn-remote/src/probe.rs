//! Whether a server can give what tasks need, found out before the run.

use upturn_types::{GenerateOptions, LmError, LoglikelihoodRequest};

use crate::ask::{self, Fault};
use crate::error::RemoteError;
use crate::model::RemoteModel;
use crate::options::Api;
use crate::protocol::{Answer, Prompt};

/// What the tasks of a run need of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// Log-probabilities of continuations: multiple choice, `loglikelihood`.
    pub likelihoods: bool,
    /// Log-probabilities of whole texts.
    pub rolling: bool,
    /// Continuations.
    pub answers: bool,
}

impl RemoteModel {
    /// Puts a short question of each kind that is needed; what cannot be answered is said by
    /// name, with what can.
    ///
    /// # Errors
    /// One line.
    pub fn probe(&self, needs: Needs) -> Result<(), RemoteError> {
        if needs.likelihoods || needs.rolling {
            self.probe_likelihood().map_err(RemoteError::Cannot)?;
        }
        if needs.answers {
            self.probe_answer().map_err(RemoteError::Cannot)?;
        }
        Ok(())
    }

    fn probe_likelihood(&self) -> Result<(), String> {
        const NEED: &str = "log-probabilities of a prompt, which multiple choice, loglikelihood and perplexity need";
        const OTHERS: &str = "tasks that generate work here; for the others ask vLLM, Upturn or \
            llama-cpp-python (--api completions), SGLang (--api sglang) or llama.cpp (--api llama-cpp)";
        if self.api().is_chat() {
            let what = match self.api() {
                Api::Anthropic => "the messages interface",
                _ => "the chat interface",
            };
            return Err(format!(
                "{}: {what} gives no {NEED}; {OTHERS}",
                self.place()
            ));
        }
        let request = LoglikelihoodRequest {
            context: "The cat sat on".into(),
            continuation: " the mat".into(),
        };
        let mut fresh = None;
        let result = self.likelihoods(&[request], true, &mut |_, l| {
            fresh = Some(l);
            upturn_types::Flow::Continue(())
        });
        match (result, fresh) {
            (Ok(()), Some(l)) if l.logprob.is_finite() && l.logprob < 0.0 && l.n_tokens > 0 => {
                Ok(())
            }
            (Ok(()), Some(l)) => Err(format!(
                "{}: gives {} for the log-probability of a text of {} tokens, so these are no \
                 log-probabilities of the prompt; {OTHERS}",
                self.place(),
                l.logprob,
                l.n_tokens
            )),
            (Ok(()), None) => Err(format!("{}: no answer to a first question", self.place())),
            (Err(LmError::Request { reason, .. }), _) => Err(format!(
                "{}: gives no {NEED} ({reason}); {OTHERS}",
                self.place()
            )),
            (Err(e), _) => Err(e.to_string()),
        }
    }

    fn probe_answer(&self) -> Result<(), String> {
        let options = GenerateOptions::default();
        let prompt = match self.api().is_chat() {
            true => Prompt::Messages(vec![upturn_types::ChatMessage {
                role: "user".into(),
                content: "Hi".into(),
            }]),
            false => Prompt::Text("Hi".into()),
        };
        // Some models refuse an answer of a single token.
        let question = self.asker().generate(self.api(), &prompt, &options, 16, 0);
        let mut said = false;
        let answered = ask::ask(
            self.line(),
            self.stop(),
            vec![question],
            true,
            &mut |_, a| {
                said = matches!(a, Answer::Text(..));
                upturn_types::Flow::Continue(())
            },
        );
        match answered {
            Ok(()) if said => Ok(()),
            Ok(()) => Err(format!("{}: no answer to a first question", self.place())),
            Err(Fault::Question(_, reason)) => Err(format!(
                "{}: refuses a short question: {reason}; parameters are changed or taken away with \
                 --body '{{\"temperature\": null}}'",
                self.place()
            )),
            Err(Fault::Server(reason)) => Err(reason),
            Err(Fault::Stopped) => Err("stopped".into()),
        }
    }
}
