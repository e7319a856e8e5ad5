//! Prompting methods: another way to ask any task, named after it.
//!
//! `TASK@METHOD` is the task asked by that method; several may follow each other
//! (`gsm8k@cot@self_consistency:paths=20`). The ability in results stays the task's; the method
//! is a field of its own, and [`TaskConfig::baseline`] names the method to compare it with.
//!
//! - `@kN`: N examples in the prompt, whatever the file or `--num-fewshot` says.
//! - `@cot:shots=N`: examples with worked reasoning (Wei et al. 2022), where the task says where its
//!   reasoning is: `metadata: {upturn: {rationale: FIELD, answer: TEMPLATE}}`.
//! - `@cot_zero_shot`: reasoning after a trigger sentence, then the answer after a second one
//!   (Kojima et al. 2022): two requests, the second made of the first's answer.
//! - `@self_consistency:paths=K,temperature=T`: K sampled answers and a vote (Wang et al. 2023).
//! - `@p_true`: whether a proposed answer is true (Kadavath et al. 2022). Of a task with choices one
//!   of them is proposed; a generated answer is the model's own, and its calibration is scored.

mod apply;
mod cost;
mod extract;
mod method;
mod p_true;

pub use cost::MethodCost;
pub(crate) use method::{Method, split};
pub(crate) use p_true::{CHOICES, ptrue};

use std::sync::Arc;

use serde_json::Value;
use upturn_types::{GenerateOptions, GenerateRequest, LoglikelihoodRequest, Text};

use crate::config::{OutputType, TaskConfig};
use crate::error::TaskError;
use crate::library::Node;

/// What is asked after an answer, made of it.
#[derive(Debug, Clone, PartialEq)]
pub enum FollowUp {
    /// The answer itself, after reasoning.
    Generate {
        /// What follows the first prompt and its answer.
        trigger: Text,
        /// How the second answer is generated.
        options: Arc<GenerateOptions>,
    },
    /// How likely the model holds its answer for true.
    Judge {
        /// What follows the first prompt and its answer.
        trigger: Text,
        /// Continuations that say true and false, in this order.
        choices: [Text; 2],
    },
}

impl FollowUp {
    /// The first prompt, its answer without white space at the end, and the trigger.
    fn context(&self, first: &GenerateRequest, answer: &str) -> Text {
        let (FollowUp::Generate { trigger, .. } | FollowUp::Judge { trigger, .. }) = self;
        format!("{}{}{trigger}", first.context, answer.trim_end()).into()
    }

    /// The second request for text, from the first and the text that answered it.
    #[must_use]
    pub fn request(&self, first: &GenerateRequest, answer: &str) -> Option<GenerateRequest> {
        let FollowUp::Generate { options, .. } = self else {
            return None;
        };
        Some(GenerateRequest {
            context: self.context(first, answer),
            options: options.clone(),
            // Another draw than the first one's, and as fixed.
            seed: first.seed ^ 0x9e37_79b9_7f4a_7c15,
        })
    }

    /// The two likelihoods to ask for, of true and of false; none where text is asked for.
    #[must_use]
    pub fn judgement(&self, first: &GenerateRequest, answer: &str) -> Vec<LoglikelihoodRequest> {
        let FollowUp::Judge { choices, .. } = self else {
            return Vec::new();
        };
        let context = self.context(first, answer);
        choices
            .iter()
            .map(|choice| LoglikelihoodRequest {
                context: context.clone(),
                continuation: choice.clone(),
            })
            .collect()
    }
}

impl TaskConfig {
    fn own(&self, key: &str) -> Option<&Value> {
        self.metadata.get("upturn")?.get(key)
    }

    /// The method that this task's method is compared with: `direct`, or the method beneath a
    /// vote; `None` for a task asked directly.
    #[must_use]
    pub fn baseline(&self) -> Option<&str> {
        self.own("baseline")?.as_str()
    }

    /// Number of examples that the method fixes.
    #[must_use]
    pub fn fixed_shots(&self) -> Option<usize> {
        usize::try_from(self.own("shots")?.as_u64()?).ok()
    }

    /// The metric that says whether a generated answer is right, where P(True) is asked of it.
    #[must_use]
    pub fn judged_metric(&self) -> Option<&str> {
        let is_judged = self.asks_p_true() && self.output_type == OutputType::GenerateUntil;
        let first = self.metric_list.first().filter(|_| is_judged);
        first.map(|metric| metric.name.as_str())
    }

    /// Whether items ask if a proposed answer is true.
    #[must_use]
    pub fn asks_p_true(&self) -> bool {
        self.own("p_true") == Some(&Value::Bool(true))
    }

    /// The second request of every item, where the method has one.
    #[must_use]
    pub fn follow_up(&self) -> Option<FollowUp> {
        if self.asks_p_true() && self.output_type == OutputType::GenerateUntil {
            return Some(FollowUp::Judge {
                trigger: p_true::QUESTION.into(),
                choices: CHOICES.map(|choice| format!(" {choice}").into()),
            });
        }
        let stated = self.own("follow_up")?;
        let words = stated.get("generation")?.as_object()?;
        let options = crate::config::generate_options(words, &mut |_| {}).ok()?;
        Some(FollowUp::Generate {
            trigger: stated.get("trigger")?.as_str()?.into(),
            options: Arc::new(options),
        })
    }
}

/// The node asked by a method: of a group every task, those that cannot be given to `refuse`.
pub(crate) fn apply(
    node: Node,
    method: &Method,
    refuse: &mut dyn FnMut(&str, TaskError) -> Result<(), TaskError>,
) -> Result<Option<Node>, TaskError> {
    match node {
        Node::Task(task) => match apply::to_task(&task, method) {
            Ok(task) => Ok(Some(Node::Task(task.into()))),
            Err(reason) => {
                let reason = TaskError::Task {
                    file: task.file.display().to_string(),
                    reason: format!("task '{}' @{}: {reason}", task.task, method.name()),
                };
                refuse(&task.task, reason).map(|()| None)
            }
        },
        Node::Group(mut group) => {
            let mut children = Vec::new();
            for child in group.children {
                children.extend(apply(child, method, refuse)?);
            }
            group.children = children;
            group.name = format!("{}_{}", group.name, method.suffix());
            Ok(Some(Node::Group(group)))
        }
    }
}
