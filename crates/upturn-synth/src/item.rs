//! One item of a generated task.

use serde::{Deserialize, Serialize};

/// Which half of a task's inputs an item is drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// For training documents and few-shot examples.
    Train,
    /// For evaluation, never drawn for training.
    Test,
}

/// One item, in a short form for small models over characters and in words for any model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Short prompt, ends where the answer starts: `47+85=`, `sort dbca=`.
    pub prompt: String,
    /// The same in a sentence: `What is 47 plus 85?`.
    pub question: String,
    /// The answer, without space or newline around it: `132`.
    pub answer: String,
    /// Worked steps in the short form, which lead to the answer and do not hold it after
    /// their end; `None` where the task has none.
    pub steps: Option<String>,
    /// Worked steps in sentences.
    pub reasoning: Option<String>,
    /// The possible answers, where they are a fixed small set; else empty. Holds `answer`.
    pub choices: Vec<String>,
}

impl Item {
    /// Place of the answer among the choices.
    #[must_use]
    pub fn gold(&self) -> Option<usize> {
        self.choices.iter().position(|c| *c == self.answer)
    }
}
