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
//! - `@p_true`: whether a proposed answer is true, of a task with choices (Kadavath et al. 2022).

mod apply;
mod cost;
mod extract;
mod method;
mod p_true;

pub use cost::MethodCost;
pub(crate) use method::{Method, split};
pub(crate) use p_true::{CHOICES, ptrue};

use serde_json::Value;

use crate::config::TaskConfig;
use crate::error::TaskError;
use crate::library::Node;

/// The second request of an item, made of the answer to the first.
#[derive(Debug, Clone, PartialEq)]
pub struct FollowUp {
    /// What follows the first prompt and its answer.
    pub trigger: upturn_types::Text,
    /// How the second answer is generated.
    pub options: std::sync::Arc<upturn_types::GenerateOptions>,
}

impl FollowUp {
    /// The second request, from the first and the text that answered it.
    #[must_use]
    pub fn request(
        &self,
        first: &upturn_types::GenerateRequest,
        answer: &str,
    ) -> upturn_types::GenerateRequest {
        let reasoning = answer.trim_end();
        upturn_types::GenerateRequest {
            context: format!("{}{reasoning}{}", first.context, self.trigger).into(),
            options: self.options.clone(),
            // Another draw than the first one's, and as fixed.
            seed: first.seed ^ 0x9e37_79b9_7f4a_7c15,
        }
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

    /// Whether items ask if a proposed answer is true.
    #[must_use]
    pub fn asks_p_true(&self) -> bool {
        self.own("p_true") == Some(&Value::Bool(true))
    }

    /// The second request of every item, where the method has one.
    #[must_use]
    pub fn follow_up(&self) -> Option<FollowUp> {
        let stated = self.own("follow_up")?;
        let words = stated.get("generation")?.as_object()?;
        let options = crate::config::generate_options(words, &mut |_| {}).ok()?;
        Some(FollowUp {
            trigger: stated.get("trigger")?.as_str()?.into(),
            options: std::sync::Arc::new(options),
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
