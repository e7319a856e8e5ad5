//! One item of a generated task.

use serde::{Deserialize, Serialize};

/// Before a question in words; an evaluation asks the same way.
pub(crate) const QUESTION: &str = "Q: ";
/// After a question, before its answer with the space that separates them.
pub(crate) const ANSWER: &str = "\nA:";

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
///
/// The short form reads `prompt + answer`, or with worked steps
/// `scratch_prompt + steps + "=" + answer`: the answer is what follows the last `=`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Short prompt, ends in `=` where the answer starts: `47+85=`, `sort dbca=`. This is
    /// the input whose hash decides the split.
    pub prompt: String,
    /// The same in a sentence: `What is 47 plus 85?`.
    pub question: String,
    /// The answer, without space or newline around it: `132`. The same for `prompt` and
    /// `question`.
    pub answer: String,
    /// The short prompt that asks for steps: `prompt` with `?` in place of the last `=`
    /// (`47+85?`). There exactly where `steps` is.
    #[serde(default)]
    pub scratch_prompt: Option<String>,
    /// Worked steps in the short form, which lead to the answer and do not hold it after
    /// their end (`7+5=12,4+8+1=13`); `None` where the task has none.
    pub steps: Option<String>,
    /// Worked steps in sentences, without a closing `The answer is`. There exactly where
    /// `steps` is.
    pub reasoning: Option<String>,
    /// The possible answers, where they are a fixed small set; else empty. Holds `answer`.
    pub choices: Vec<String>,
    /// Which of the task's skills the item needs, from 0; `None` where a task is one skill.
    #[serde(default)]
    pub skill: Option<u32>,
}

impl Item {
    /// Place of the answer among the choices.
    #[must_use]
    pub fn gold(&self) -> Option<usize> {
        self.choices.iter().position(|c| *c == self.answer)
    }

    /// The short form as text: the prompt to give a model, and what it should go on with.
    /// With `form` [`Form::Steps`] the rest is `steps + "=" + answer`; a task without steps
    /// has the direct form only. ([`Form::Words`] is no short form: as [`Form::Direct`].)
    #[must_use]
    pub fn short(&self, form: Form) -> (&str, String) {
        match (form, &self.scratch_prompt, &self.steps) {
            (Form::Steps, Some(prompt), Some(steps)) => {
                (prompt, format!("{steps}={}", self.answer))
            }
            _ => (&self.prompt, self.answer.clone()),
        }
    }
}

/// How an item is written in a training document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// `47+85=132`
    Direct,
    /// `47+85?7+5=12,4+8+1=13=132`; the direct form where a task has no steps.
    Steps,
    /// `Q: What is 47 plus 85?`, and on the next line `A: 132`: an instruction in a sentence.
    Words,
}

/// The short form of an item alone, in buffers that are used again: what a trainer draws by
/// the million, see [`Generator::short_item`](crate::Generator::short_item).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShortItem {
    /// As [`Item::prompt`].
    pub prompt: String,
    /// As [`Item::steps`]; empty where the task has none.
    pub steps: String,
    /// As [`Item::answer`].
    pub answer: String,
    /// As [`Item::skill`].
    pub skill: Option<u32>,
}

impl Item {
    /// The item in words as an evaluation asks it: `Q: What is 47 plus 85?`, and `A:` on the
    /// next line. The answer follows after a space.
    #[must_use]
    pub fn asked_in_words(&self) -> String {
        format!("{QUESTION}{}{ANSWER}", self.question)
    }
}
