//! Items built: prompts, choices, requests, hashes.

use std::sync::{Arc, OnceLock};

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use upturn_metrics::MetricInfo;
use upturn_types::{GenerateOptions, GenerateRequest, LoglikelihoodRequest, RollingRequest, Text};

use super::fault::{Fault, Made, advised, clip, fault};
use super::fields::{Compiled, Source, index, is_int, texts};
use super::item::{Gold, Item, ItemRequests};
use super::{BuildOptions, Task};
use crate::config::{OutputType, TaskConfig};
use crate::dataset::Doc;
use crate::fewshot::{FewshotMode, Shots};
use crate::prompt::{self, Message, Role};
use crate::prompting::{CHOICES, FollowUp, ptrue};
use crate::python;
use crate::template::DocValue;

/// An example, rendered once.
struct Shot {
    messages: Vec<Message>,
}

/// Everything that building items shares.
pub(super) struct Builder<'b> {
    task: &'b Task,
    options: &'b BuildOptions<'b>,
    /// Rendered examples, by index into the pool.
    shots: Vec<OnceLock<Made<Shot>>>,
    /// The examples most items have, and the plain text up to their questions,
    /// where the description does not change with the item.
    common: Option<(Shots, OnceLock<Made<String>>)>,
    /// Choices that are the same for every item.
    fixed_choices: Option<Vec<Text>>,
    continuations: Option<Vec<Text>>,
    generation: Arc<GenerateOptions>,
    delimiter: Text,
    empty: Text,
    wants_unconditional: bool,
    follow_up: Option<FollowUp>,
}

impl<'b> Builder<'b> {
    /// `None` where the task has no question.
    pub(super) fn new(
        task: &'b Task,
        options: &'b BuildOptions<'b>,
        shots: &[Shots],
    ) -> Option<Builder<'b>> {
        let config = &task.config;
        if task.text.is_none() && config.output_type != OutputType::LoglikelihoodRolling {
            return None;
        }
        let description_is_constant = task.description.as_ref().is_none_or(|d| d.is_constant);
        let common = shots
            .first()
            .filter(|first| {
                description_is_constant
                    && options.chat.is_none()
                    && shots.iter().all(|s| s == *first)
            })
            .map(|first| (first.clone(), OnceLock::new()));
        let delimiter = continuation_delimiter(config, options);
        let fixed_choices = match &task.choice {
            Some(Compiled {
                source: Source::List(items),
                key,
            }) => texts(key, items).ok(),
            _ => None,
        };
        let continuations = fixed_choices
            .as_ref()
            .map(|choices| continue_with(&delimiter, choices));
        Some(Builder {
            task,
            options,
            shots: task
                .pool
                .iter()
                .flat_map(|p| &p.docs)
                .map(|_| OnceLock::new())
                .collect(),
            common,
            fixed_choices,
            continuations,
            generation: config.generation.clone(),
            delimiter,
            empty: Text::from(""),
            wants_unconditional: config.metric_list.iter().any(|m| {
                upturn_metrics::find(&m.name).is_some_and(MetricInfo::needs_unconditional)
            }),
            follow_up: config.follow_up(),
        })
    }

    pub(super) fn item(&self, index: usize, shots: &Shots) -> Made<Item> {
        let task = self.task;
        let doc = &task.docs[index];
        let value = match self.options.mode {
            FewshotMode::Parity => DocValue::new(doc.clone()),
            FewshotMode::PerDoc | FewshotMode::Fixed => DocValue::complete(doc.clone()),
        };
        let is_rolling = task.config.output_type == OutputType::LoglikelihoodRolling;
        let target = match &task.target {
            Some(compiled) => task.target_of(compiled, doc, &value)?,
            None => {
                return advised(
                    "doc_to_target",
                    "the key is missing",
                    "a task needs an answer",
                );
            }
        };
        let choices = match (&self.fixed_choices, &task.choice) {
            _ if is_rolling => Vec::new(),
            (Some(fixed), _) => fixed.clone(),
            (None, Some(compiled)) => task.choices_of(compiled, doc, &value)?,
            (None, None) => Vec::new(),
        };
        let text = task
            .text
            .as_ref()
            .map(|c| task.text_of(c, doc, &value))
            .transpose()?
            .unwrap_or_default();
        let target_text: Text = python::text(&target).into();
        let mut item = Item {
            doc_id: index as u64,
            doc: doc.clone(),
            prompt: self.empty.clone(),
            target_hash: hash(&target_text),
            references: self.references(&target, &choices)?,
            target,
            target_text,
            choices: Vec::new(),
            gold: Gold::Absent,
            requests: ItemRequests::Generate(Vec::new()),
            follow_up: self.follow_up.clone(),
            doc_hash: hash(&python::json_indented(doc)),
            prompt_hash: self.empty.clone(),
        };
        match task.config.output_type {
            OutputType::MultipleChoice if task.config.asks_p_true() => {
                self.p_true(&mut item, &text, &choices, shots, &value)?;
            }
            OutputType::MultipleChoice => {
                self.multiple_choice(&mut item, &text, choices, shots, &value)?
            }
            OutputType::Loglikelihood => {
                let continuation = self.target_as_text(&item.target)?;
                item.prompt = self.context(&text, doc, &value, shots)?;
                let context = item.prompt.clone();
                item.requests = ItemRequests::Loglikelihood(LoglikelihoodRequest {
                    context,
                    continuation,
                });
            }
            OutputType::LoglikelihoodRolling => {
                item.prompt = self.target_as_text(&item.target)?;
                item.requests = ItemRequests::Rolling(RollingRequest {
                    text: item.prompt.clone(),
                });
            }
            OutputType::GenerateUntil => {
                item.prompt = self.context(&text, doc, &value, shots)?;
                item.requests = self.generate(&item.prompt, item.doc_id);
            }
        }
        item.prompt_hash = hash(&item.prompt);
        Ok(item)
    }

    fn target_as_text(&self, target: &Value) -> Made<Text> {
        match target {
            Value::String(text) => Ok(text.as_str().into()),
            other => fault(
                "doc_to_target",
                format!("expected text, found {}", clip(&python::text(other))),
            ),
        }
    }

    /// The right answers of a generated one.
    fn references(&self, target: &Value, choices: &[Text]) -> Made<Vec<Text>> {
        if self.task.config.output_type != OutputType::GenerateUntil {
            return Ok(Vec::new());
        }
        // A helper that scores the answer knows what is right.
        let scored_by_helper = self.task.config.process_results.is_some();
        if self.task.choice.is_some() && !scored_by_helper {
            // A target in words is one of the choices where a task with choices is made to generate.
            let named = |t: &Value| choices.iter().find(|c| t.as_str() == Some(c)).cloned();
            let chosen = index(target, choices.len())
                .map(|i| choices[i].clone())
                .or_else(|| named(target));
            return match chosen {
                Some(text) => Ok(vec![text]),
                None => fault(
                    "doc_to_target",
                    format!(
                        "{} is not an index of a choice",
                        clip(&python::text(target))
                    ),
                ),
            };
        }
        Ok(match target {
            Value::Array(items) if self.task.multiple_target => {
                items.iter().map(|i| python::text(i).into()).collect()
            }
            other => vec![python::text(other).into()],
        })
    }

    fn multiple_choice(
        &self,
        item: &mut Item,
        text: &Value,
        choices: Vec<Text>,
        shots: &Shots,
        value: &DocValue,
    ) -> Made<()> {
        if choices.is_empty() {
            return fault("doc_to_choice", "there are no choices");
        }
        let gold = if self.task.multiple_input {
            text
        } else {
            &item.target
        };
        item.gold = gold_of(gold, &choices);
        let conditional = if self.task.multiple_input {
            let answer = python::text(&item.target);
            let continuation = Text::from(format!("{}{answer}", self.delimiter));
            let contexts = self.contexts(&choices, &item.doc, value, shots)?;
            item.prompt = contexts.first().cloned().unwrap_or_default();
            contexts
                .into_iter()
                .map(|context| LoglikelihoodRequest {
                    context,
                    continuation: continuation.clone(),
                })
                .collect()
        } else {
            item.prompt = self.context(text, &item.doc, value, shots)?;
            self.continuations_of(&choices)
                .into_iter()
                .map(|continuation| LoglikelihoodRequest {
                    context: item.prompt.clone(),
                    continuation,
                })
                .collect()
        };
        let unconditional = if self.wants_unconditional {
            self.continuations_of(&choices)
                .into_iter()
                .map(|continuation| LoglikelihoodRequest {
                    context: self.empty.clone(),
                    continuation,
                })
                .collect()
        } else {
            Vec::new()
        };
        item.choices = choices;
        item.requests = ItemRequests::Choices {
            conditional,
            unconditional,
        };
        Ok(())
    }

    /// A proposed answer, and whether it is true.
    fn p_true(
        &self,
        item: &mut Item,
        text: &Value,
        choices: &[Text],
        shots: &Shots,
        value: &DocValue,
    ) -> Made<()> {
        let (Value::String(question), false) = (text, choices.is_empty()) else {
            return fault(
                "doc_to_text",
                "P(True) needs a question in words and choices",
            );
        };
        let right = right_of(&gold_of(&item.target, choices));
        let place = item.doc_id.to_string();
        let (question, gold) = self.proposed(question, choices, &right, &place);
        item.prompt = self.context(&Value::String(question), &item.doc, value, shots)?;
        item.choices = CHOICES.map(Text::from).into();
        item.gold = Gold::One(Some(gold));
        item.target = gold.into();
        item.target_text = python::text(&item.target).into();
        item.target_hash = hash(&item.target_text);
        let conditional = continue_with(" ", &item.choices)
            .into_iter()
            .map(|continuation| LoglikelihoodRequest {
                context: item.prompt.clone(),
                continuation,
            })
            .collect();
        item.requests = ItemRequests::Choices {
            conditional,
            unconditional: Vec::new(),
        };
        Ok(())
    }

    fn proposed(
        &self,
        question: &str,
        choices: &[Text],
        right: &[usize],
        place: &str,
    ) -> (String, usize) {
        let config = &self.task.config;
        let by = (self.options.seed, config.ability(), place);
        ptrue(question, &config.target_delimiter, choices, right, by)
    }

    fn continuations_of(&self, choices: &[Text]) -> Vec<Text> {
        self.continuations
            .clone()
            .unwrap_or_else(|| continue_with(&self.delimiter, choices))
    }

    fn generate(&self, context: &Text, doc_id: u64) -> ItemRequests {
        let request = |repeat: usize| GenerateRequest {
            context: context.clone(),
            options: self.generation.clone(),
            seed: self.answer_seed(doc_id, repeat as u64),
        };
        ItemRequests::Generate((0..self.task.config.repeats).map(request).collect())
    }

    /// From the seed, the task, the item and the repeat, and nothing else.
    fn answer_seed(&self, doc_id: u64, repeat: u64) -> u64 {
        let mut hash = Sha256::new();
        hash.update(self.options.seed.to_le_bytes());
        hash.update(self.task.config.task.as_bytes());
        hash.update([1]);
        hash.update(doc_id.to_le_bytes());
        hash.update(repeat.to_le_bytes());
        let digest = hash.finalize();
        u64::from_le_bytes(std::array::from_fn(|i| digest[i]))
    }

    /// The prompt of one question.
    fn context(&self, text: &Value, doc: &Doc, value: &DocValue, shots: &Shots) -> Made<Text> {
        let Value::String(question) = text else {
            return fault(
                "doc_to_text",
                format!("expected text, found {}", clip(&python::text(text))),
            );
        };
        let prefix = self.gen_prefix(doc, value)?;
        let turn = prompt::turn(
            question,
            None,
            prefix.as_deref(),
            &self.task.config.target_delimiter,
            "",
        );
        self.finish(
            doc,
            value,
            shots,
            &turn,
            prefix.is_some_and(|p| !p.is_empty()),
        )
    }

    /// The prompts of a question with one wording per choice.
    fn contexts(
        &self,
        choices: &[Text],
        doc: &Doc,
        value: &DocValue,
        shots: &Shots,
    ) -> Made<Vec<Text>> {
        let prefix = self.gen_prefix(doc, value)?;
        let has_prefix = prefix.as_ref().is_some_and(|p| !p.is_empty());
        choices
            .iter()
            .map(|choice| {
                let turn = prompt::turn(choice, None, prefix.as_deref(), "", "\n\n");
                self.finish(doc, value, shots, &turn, has_prefix)
            })
            .collect()
    }

    fn gen_prefix(&self, doc: &Doc, value: &DocValue) -> Made<Option<String>> {
        match (self.options.assistant_prefill, &self.task.gen_prefix) {
            (Some(prefill), _) => Ok(Some(prefill.to_string())),
            (None, Some(words)) => self.task.words_of(words, doc, value).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// System text, examples and the question's turn as one text.
    fn finish(
        &self,
        doc: &Doc,
        value: &DocValue,
        shots: &Shots,
        turn: &[Message],
        has_prefix: bool,
    ) -> Made<Text> {
        if let Some(chat) = self.options.chat {
            let mut messages = self.before(doc, value, shots)?;
            messages.extend_from_slice(turn);
            let text = prompt::render_chat(chat, &messages, has_prefix);
            return text
                .map(Text::from)
                .or_else(|reason| fault("chat template", reason));
        }
        let mut out;
        match &self.common {
            Some((common, text)) if common == shots => {
                let text = text.get_or_init(|| {
                    let mut text = String::new();
                    prompt::write_plain(&mut text, &self.before(doc, value, shots)?);
                    Ok(text)
                });
                let text = text.as_ref().map_err(Fault::clone)?;
                let more: usize = turn
                    .iter()
                    .map(|m| m.content.len() + m.delimiter.len())
                    .sum();
                out = String::with_capacity(text.len() + more);
                out.push_str(text);
            }
            _ => {
                out = String::new();
                if let Some(system) = self.system(doc, value)? {
                    prompt::write_plain(&mut out, &[system]);
                }
                for &shot in shots.iter() {
                    prompt::write_plain(&mut out, &self.shot(shot)?.messages);
                }
            }
        }
        prompt::write_plain(&mut out, turn);
        Ok(out.into())
    }

    fn before(&self, doc: &Doc, value: &DocValue, shots: &Shots) -> Made<Vec<Message>> {
        let mut messages: Vec<Message> = self.system(doc, value)?.into_iter().collect();
        for &shot in shots.iter() {
            messages.extend_from_slice(&self.shot(shot)?.messages);
        }
        Ok(messages)
    }

    fn system(&self, doc: &Doc, value: &DocValue) -> Made<Option<Message>> {
        let words = &self.task.description;
        let description = words
            .as_ref()
            .map(|w| self.task.words_of(w, doc, value))
            .transpose()?
            .unwrap_or_default();
        let instruction = self.options.system_instruction.unwrap_or_default();
        let text = prompt::join(
            instruction,
            &description,
            &self.task.config.fewshot_delimiter,
        );
        Ok((!text.is_empty()).then(|| Message::new(Role::System, text, "")))
    }

    /// An example, rendered when first needed.
    fn shot(&self, index: usize) -> Made<&Shot> {
        let Some(slot) = self.shots.get(index) else {
            return fault("fewshot_split", "an example is missing");
        };
        let shot = slot.get_or_init(|| {
            self.render_shot(index).map_err(|f| Fault {
                shot: Some(index),
                ..f
            })
        });
        shot.as_ref().map_err(Fault::clone)
    }

    fn render_shot(&self, at: usize) -> Made<Shot> {
        let task = self.task;
        let Some(doc) = task.pool.as_ref().and_then(|p| p.docs.get(at)) else {
            return fault("fewshot_split", "an example is missing");
        };
        let value = DocValue::new(doc.clone());
        let (Some(text), Some(target)) = (&task.shot_text, &task.shot_target) else {
            return fault(
                "fewshot_config",
                "examples need doc_to_text and doc_to_target",
            );
        };
        let question = task.text_of(text, doc, &value)?;
        let choices = match &task.shot_choice {
            Some(choice) => task.choices_of(choice, doc, &value)?,
            None => Vec::new(),
        };
        let answer = task.target_of(target, doc, &value)?;
        let prefix = match (self.options.assistant_prefill, &task.shot_prefix) {
            (Some(prefill), _) => Some(prefill.to_string()),
            (None, words) => words
                .as_ref()
                .map(|w| task.words_of(w, doc, &value))
                .transpose()?,
        };
        let choices = if task.multiple_input {
            (Vec::new(), choices)
        } else {
            (choices, Vec::new())
        };
        let question = match index(&question, choices.1.len()) {
            // One wording per choice: the right one is the question.
            Some(i) if task.multiple_input => choices.1[i].to_string(),
            _ => match question {
                Value::String(text) => text,
                other => {
                    return fault(
                        text.key,
                        format!("expected text, found {}", clip(&python::text(&other))),
                    );
                }
            },
        };
        let fewshot = &task.config.fewshot;
        if task.config.asks_p_true()
            && let Some(choice) = &task.choice
        {
            let choices = task.choices_of(choice, doc, &value)?;
            let own = task.target.as_ref().unwrap_or(target);
            let gold = gold_of(&task.target_of(own, doc, &value)?, &choices);
            let place = format!("shot {at}");
            let (question, gold) = self.proposed(&question, &choices, &right_of(&gold), &place);
            let messages = prompt::turn(
                &question,
                Some(CHOICES[gold]),
                None,
                " ",
                &fewshot.fewshot_delimiter,
            );
            return Ok(Shot { messages });
        }
        let answer = shot_answer(target.key, &answer, &choices.0)?;
        let messages = prompt::turn(
            &question,
            answer.as_deref(),
            prefix.as_deref(),
            &fewshot.target_delimiter,
            &fewshot.fewshot_delimiter,
        );
        Ok(Shot { messages })
    }
}

/// The answer of an example as text: the choice a number points at, the first of a list.
fn shot_answer(key: &'static str, answer: &Value, choices: &[Text]) -> Made<Option<String>> {
    let text = match answer {
        Value::Null => return Ok(None),
        number if is_int(number) && !choices.is_empty() => {
            return match index(number, choices.len()) {
                Some(i) => Ok(Some(choices[i].to_string())),
                None => fault(
                    key,
                    format!(
                        "{} is not an index of {} choices",
                        python::text(number),
                        choices.len()
                    ),
                ),
            };
        }
        Value::Array(items) => items.first().unwrap_or(&Value::Null),
        other => other,
    };
    match text {
        Value::String(text) => Ok(Some(text.clone())),
        other => fault(
            key,
            format!(
                "an example's answer is {}, not text",
                clip(&python::text(other))
            ),
        ),
    }
}

/// What stands between prompt and choice: the task's delimiter; in a conversation
/// only after the first words of an answer that do not end in white space.
fn continuation_delimiter(config: &TaskConfig, options: &BuildOptions<'_>) -> Text {
    let own = Text::from(&*config.target_delimiter);
    if options.chat.is_none() {
        return own;
    }
    let prefix = options
        .assistant_prefill
        .or(config.gen_prefix.as_deref())
        .unwrap_or_default();
    if prefix.is_empty() || prefix.ends_with(python::is_space) {
        Text::from("")
    } else {
        own
    }
}

fn continue_with(delimiter: &str, choices: &[Text]) -> Vec<Text> {
    choices
        .iter()
        .map(|choice| Text::from(format!("{delimiter}{choice}")))
        .collect()
}

fn gold_of(gold: &Value, choices: &[Text]) -> Gold {
    let one = |value: &Value| match value {
        Value::String(text) => choices.iter().position(|c| **c == **text),
        // A negative number is no choice, though Python would count it from the end.
        Value::Bool(b) => Some(usize::from(*b)).filter(|i| *i < choices.len()),
        other => other
            .as_u64()
            .and_then(|i| usize::try_from(i).ok())
            .filter(|i| *i < choices.len()),
    };
    match gold {
        Value::Array(items) => Gold::AnyOf(items.iter().map(one).collect()),
        other => Gold::One(one(other)),
    }
}

/// The choices that are right.
fn right_of(gold: &Gold) -> Vec<usize> {
    match gold {
        Gold::Absent => Vec::new(),
        Gold::One(one) => one.iter().copied().collect(),
        Gold::AnyOf(all) => all.iter().flatten().copied().collect(),
    }
}

/// SHA-256 in hex.
fn hash(text: &str) -> Text {
    let digest = Sha256::digest(text.as_bytes());
    let mut out = String::with_capacity(64);
    for byte in digest {
        out.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
        out.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
    }
    out.into()
}
