//! An item ready to be asked.

use std::sync::Arc;

use serde_json::{Map, Value};
use upturn_types::{GenerateRequest, LoglikelihoodRequest, RollingRequest, Text};

use crate::dataset::Doc;
use crate::prompting::FollowUp;

/// What an item asks of a model.
#[derive(Debug, Clone, PartialEq)]
pub enum ItemRequests {
    /// One per choice.
    Choices {
        /// The choices after the prompt, in order.
        conditional: Vec<LoglikelihoodRequest>,
        /// The choices after nothing, for `acc_mutual_info`; empty where it is not asked for.
        unconditional: Vec<LoglikelihoodRequest>,
    },
    /// The target after the prompt.
    Loglikelihood(LoglikelihoodRequest),
    /// The target as a whole text.
    Rolling(RollingRequest),
    /// Answers, one per repeat, alike but for their seed.
    Generate(Vec<GenerateRequest>),
}

/// Which choice is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gold {
    /// The item is not multiple choice.
    Absent,
    /// This one; none where the target is not among the choices.
    One(Option<usize>),
    /// Any of these; none for a target that is not among the choices.
    AnyOf(Vec<Option<usize>>),
}

/// One item ready to be asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Index of the item in its split, from 0.
    pub doc_id: u64,
    /// The item.
    pub doc: Arc<Doc>,
    /// The text the model sees before the answer (for rolling, the text itself;
    /// where every choice has a prompt of its own, the first).
    pub prompt: Text,
    /// The answer as the task file makes it: text, a number, a list.
    pub target: Value,
    /// `str(target)` of Python.
    pub target_text: Text,
    /// Right answers as texts, for generated ones to be compared with.
    pub references: Vec<Text>,
    /// The choices without their delimiter; empty unless multiple choice.
    pub choices: Vec<Text>,
    /// Which choice is right.
    pub gold: Gold,
    /// What is asked.
    pub requests: ItemRequests,
    /// What is asked after every generated answer, made of it.
    pub follow_up: Option<FollowUp>,
    /// SHA-256 of the item, hex, as lm-evaluation-harness hashes it.
    pub doc_hash: Text,
    /// SHA-256 of the prompt, hex.
    pub prompt_hash: Text,
    /// SHA-256 of the target's text, hex.
    pub target_hash: Text,
}

/// The arguments of an item's requests as lm-evaluation-harness logs them.
#[must_use]
pub fn logged_arguments(item: &Item, generation_kwargs: &Map<String, Value>) -> Vec<Vec<Value>> {
    let pair =
        |r: &LoglikelihoodRequest| vec![Value::from(&*r.context), Value::from(&*r.continuation)];
    match &item.requests {
        ItemRequests::Choices {
            conditional,
            unconditional,
        } => conditional.iter().chain(unconditional).map(pair).collect(),
        ItemRequests::Loglikelihood(request) => vec![pair(request)],
        ItemRequests::Rolling(request) => vec![vec![Value::from(&*request.text)]],
        ItemRequests::Generate(requests) => requests
            .first()
            .map(|r| {
                vec![
                    Value::from(&*r.context),
                    Value::Object(generation_kwargs.clone()),
                ]
            })
            .into_iter()
            .collect(),
    }
}
