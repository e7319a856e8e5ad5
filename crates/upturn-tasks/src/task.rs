//! A task with its data: items turned into requests.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use upturn_metrics::{FilterPipeline, MetricInfo};
use upturn_types::{GenerateOptions, GenerateRequest, LoglikelihoodRequest, RollingRequest, Text};

use crate::config::{DocField, OutputType, TaskConfig};
use crate::dataset::{Datasets, Doc};
use crate::error::TaskError;
use crate::fewshot::{Drawing, FewshotMode, Shots};
use crate::prompt::{self, Chat, Message, Role};
use crate::python;
use crate::scoring::TaskMetric;
use crate::template::{DocValue, TemplateId, Templates};

/// Which items to build.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum DocSelection {
    /// Every one.
    #[default]
    All,
    /// The first ones.
    First(usize),
    /// Those from the first index up to the second; in parity mode examples are
    /// drawn for the items before them too, so that a run can be cut in parts.
    Range(usize, usize),
    /// Those with these indices. In parity mode examples are drawn for these
    /// alone, in rising order, as lm-evaluation-harness does for `--samples`.
    Ids(Vec<usize>),
}

/// How prompts are built.
#[derive(Debug, Clone, Default)]
pub struct BuildOptions<'a> {
    /// How examples are drawn.
    pub mode: FewshotMode,
    /// Seed of the draws and of sampled answers (lm-evaluation-harness has 1234).
    pub seed: u64,
    /// Which items.
    pub docs: DocSelection,
    /// Text before the task's description.
    pub system_instruction: Option<&'a str>,
    /// The first words of every answer, in place of the task's `gen_prefix`.
    pub assistant_prefill: Option<&'a str>,
    /// Conversation; plain text where there is none.
    pub chat: Option<Chat<'a>>,
}

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
    /// SHA-256 of the item, hex, as lm-evaluation-harness hashes it.
    pub doc_hash: Text,
    /// SHA-256 of the prompt, hex.
    pub prompt_hash: Text,
    /// SHA-256 of the target's text, hex.
    pub target_hash: Text,
}

/// A `doc_to_*` value, compiled.
#[derive(Debug, Clone)]
enum Source {
    Field(Arc<str>),
    Template(TemplateId),
    Int(i64),
    List(Arc<[Value]>),
}

/// A named place of the task file.
#[derive(Debug, Clone)]
struct Compiled {
    key: &'static str,
    source: Source,
}

/// Text made of a field of the item at hand or a template.
#[derive(Debug, Clone)]
struct Words {
    key: &'static str,
    field: Arc<str>,
    template: TemplateId,
    /// Whether the template is plain text that no item can change.
    is_constant: bool,
}

/// Where examples come from.
#[derive(Debug)]
struct Pool {
    docs: Vec<Arc<Doc>>,
    split: String,
    same_split: bool,
}

/// A task with its data.
#[derive(Debug)]
pub struct Task {
    /// Its configuration.
    pub config: Arc<TaskConfig>,
    /// Examples for each item.
    pub num_fewshot: usize,
    docs: Vec<Arc<Doc>>,
    split: String,
    pool: Option<Pool>,
    metrics: Vec<TaskMetric>,
    pipelines: Vec<FilterPipeline>,
    templates: Templates,
    text: Option<Compiled>,
    target: Option<Compiled>,
    choice: Option<Compiled>,
    shot_text: Option<Compiled>,
    shot_target: Option<Compiled>,
    shot_choice: Option<Compiled>,
    description: Option<Words>,
    gen_prefix: Option<Words>,
    shot_prefix: Option<Words>,
    multiple_input: bool,
    multiple_target: bool,
}

/// What is wrong, where in the file, for which item.
struct Fault {
    key: &'static str,
    reason: String,
    /// Index into the pool, where the fault is an example's.
    shot: Option<usize>,
}

type Made<T> = Result<T, Fault>;

fn fault<T>(key: &'static str, reason: impl Into<String>) -> Made<T> {
    Err(Fault {
        key,
        reason: reason.into(),
        shot: None,
    })
}

impl Task {
    /// Reads a task's data and compiles its templates. `num_fewshot` is the
    /// user's wish; see [`TaskConfig::shots`].
    ///
    /// # Errors
    /// When a metric or filter is not known, the data cannot be had, a split is
    /// empty, or a template is not Jinja.
    pub fn load(
        config: Arc<TaskConfig>,
        datasets: &dyn Datasets,
        num_fewshot: Option<usize>,
    ) -> Result<Task, TaskError> {
        // Before any data is read: a task that cannot be scored is not asked.
        let metrics = config.metrics()?;
        let pipelines = config.pipelines()?;
        let spec = config.dataset()?;
        let split = config.eval_split()?.to_string();
        let open = |split: &str| {
            datasets
                .open(&spec, split)
                .map(|docs| docs.into_iter().map(Arc::new).collect::<Vec<_>>())
                .map_err(|source| TaskError::Data {
                    task: config.task.clone(),
                    source,
                })
        };
        let docs = open(&split)?;
        let first = docs
            .first()
            .cloned()
            .ok_or_else(|| whole(&config, format!("split {split} has no items")))?;
        let num_fewshot = config.shots(num_fewshot);
        let pool = if num_fewshot > 0 {
            Some(Task::pool(&config, &split, &docs, open)?)
        } else {
            None
        };

        let mut compiler = Compiler {
            config: &config,
            features: first.keys().map(String::as_str).collect(),
            templates: Templates::new(),
        };
        let mut task = Task {
            text: compiler.field("doc_to_text", config.doc_to_text.as_ref())?,
            target: compiler.field("doc_to_target", config.doc_to_target.as_ref())?,
            choice: compiler.field("doc_to_choice", config.doc_to_choice.as_ref())?,
            // What a few-shot setting leaves out, or has as null, is the task's own.
            shot_text: compiler.field(
                "fewshot_config.doc_to_text",
                config
                    .fewshot
                    .doc_to_text
                    .as_ref()
                    .or(config.doc_to_text.as_ref()),
            )?,
            shot_target: compiler.field(
                "fewshot_config.doc_to_target",
                config
                    .fewshot
                    .doc_to_target
                    .as_ref()
                    .or(config.doc_to_target.as_ref()),
            )?,
            shot_choice: compiler.field(
                "fewshot_config.doc_to_choice",
                config.fewshot.doc_to_choice.as_ref(),
            )?,
            description: compiler.words("description", config.description.as_ref())?,
            gen_prefix: compiler.words("gen_prefix", config.gen_prefix.as_ref())?,
            shot_prefix: compiler.words(
                "fewshot_config.gen_prefix",
                config.fewshot.gen_prefix.as_ref(),
            )?,
            templates: compiler.templates,
            metrics,
            pipelines,
            config: config.clone(),
            num_fewshot,
            docs,
            split,
            pool,
            multiple_input: false,
            multiple_target: false,
        };
        task.look_at_first(&first)?;
        Ok(task)
    }

    fn pool(
        config: &TaskConfig,
        eval_split: &str,
        eval_docs: &[Arc<Doc>],
        open: impl Fn(&str) -> Result<Vec<Arc<Doc>>, TaskError>,
    ) -> Result<Pool, TaskError> {
        let fewshot = &config.fewshot;
        let same_split = fewshot.split == config.test_split;
        if let (None, Some(samples)) = (&fewshot.split, &fewshot.samples) {
            let docs = samples.iter().cloned().map(Arc::new).collect();
            return Ok(Pool {
                docs,
                split: "fewshot_config.samples".into(),
                same_split,
            });
        }
        let split = [
            &fewshot.split,
            &config.training_split,
            &config.validation_split,
            &config.test_split,
        ]
        .into_iter()
        .find_map(Option::as_deref)
        .unwrap_or(eval_split);
        let docs = if split == eval_split {
            eval_docs.to_vec()
        } else {
            open(split)?
        };
        if docs.is_empty() {
            return Err(whole(
                config,
                format!("split {split}, which the examples come from, has no items"),
            ));
        }
        Ok(Pool {
            docs,
            split: split.to_string(),
            same_split,
        })
    }

    /// Learns from the first item whether every choice has a prompt of its own and
    /// whether several targets are right; both hold for the task.
    fn look_at_first(&mut self, first: &Arc<Doc>) -> Result<(), TaskError> {
        let value = DocValue::new(first.clone());
        let read = || -> Made<(bool, bool)> {
            let text = self
                .text
                .as_ref()
                .map(|c| self.text_of(c, first, &value))
                .transpose()?;
            let is_rolling = self.config.output_type == OutputType::LoglikelihoodRolling;
            let choices = match &self.choice {
                Some(choice) if !is_rolling => self.choices_of(choice, first, &value)?.len(),
                _ => 0,
            };
            let target = self
                .target
                .as_ref()
                .map(|c| self.target_of(c, first, &value))
                .transpose()?;
            let multiple_input = choices > 0 && text.as_ref().is_some_and(is_int);
            Ok((multiple_input, target.is_some_and(|t| t.is_array())))
        };
        let (multiple_input, multiple_target) = read().map_err(|f| self.at_item(f, 0))?;
        self.multiple_input = multiple_input;
        self.multiple_target = multiple_target;
        Ok(())
    }

    /// Number of items of the evaluated split.
    #[must_use]
    pub fn len(&self) -> usize {
        self.docs.len()
    }

    /// Whether there are none; a loaded task has some.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.docs.is_empty()
    }

    /// The evaluated split.
    #[must_use]
    pub fn split(&self) -> &str {
        &self.split
    }

    /// Whether several targets are right at once.
    #[must_use]
    pub fn has_multiple_targets(&self) -> bool {
        self.multiple_target
    }

    /// Its metrics, in the file's order.
    #[must_use]
    pub fn metrics(&self) -> &[TaskMetric] {
        &self.metrics
    }

    /// Its filters, in the file's order.
    #[must_use]
    pub fn pipelines(&self) -> &[FilterPipeline] {
        &self.pipelines
    }

    /// Builds items and their requests, in parallel, in order.
    ///
    /// # Errors
    /// At the first item (by index) that does not fit, or when the examples run short.
    pub fn build(&self, options: &BuildOptions<'_>) -> Result<Vec<Item>, TaskError> {
        let (drawn_for, keep_from) = self.selected(&options.docs)?;
        let shots = self.draw(options, &drawn_for)?;
        let Some(builder) = Builder::new(self, options, &shots) else {
            return Err(whole(
                &self.config,
                "no key 'doc_to_text': a task needs a question",
            ));
        };
        let made: Vec<Result<Item, TaskError>> = drawn_for[keep_from..]
            .par_iter()
            .zip(&shots[keep_from..])
            .with_min_len(16)
            .map(|(&index, shots)| {
                builder
                    .item(index, shots)
                    .map_err(|f| self.at_item(f, index))
            })
            .collect();
        made.into_iter().collect()
    }

    /// Indices to draw examples for, and how many of them to leave out of the result.
    fn selected(&self, docs: &DocSelection) -> Result<(Vec<usize>, usize), TaskError> {
        let n = self.docs.len();
        Ok(match docs {
            DocSelection::All => ((0..n).collect(), 0),
            DocSelection::First(limit) => ((0..n.min(*limit)).collect(), 0),
            DocSelection::Range(start, end) => {
                ((0..n.min(*end)).collect(), n.min(*start).min(n.min(*end)))
            }
            DocSelection::Ids(ids) => {
                let ids: BTreeSet<usize> = ids.iter().copied().collect();
                if let Some(id) = ids.last().filter(|id| **id >= n) {
                    return Err(whole(
                        &self.config,
                        format!(
                            "item {id} is asked for, and split {} has {n} items",
                            self.split
                        ),
                    ));
                }
                (ids.into_iter().collect(), 0)
            }
        })
    }

    fn draw(&self, options: &BuildOptions<'_>, indices: &[usize]) -> Result<Vec<Shots>, TaskError> {
        let Some(pool) = &self.pool else {
            return Ok(vec![Shots::from([]); indices.len()]);
        };
        let drawing = Drawing {
            mode: options.mode,
            sampler: self.config.fewshot.sampler,
            seed: options.seed,
            task: &self.config.task,
            pool: &pool.docs,
            n: self.num_fewshot,
            same_split: pool.same_split,
        };
        drawing
            .draw(indices.iter().map(|&i| (i as u64, &self.docs[i])))
            .map_err(|reason| {
                whole(
                    &self.config,
                    format!("few-shot examples from {}: {reason}", pool.split),
                )
            })
    }

    fn at_item(&self, fault: Fault, index: usize) -> TaskError {
        let (index, split) = match (fault.shot, &self.pool) {
            (Some(shot), Some(pool)) => (shot, pool.split.clone()),
            _ => (index, self.split.clone()),
        };
        TaskError::Item {
            file: self.config.file.display().to_string(),
            key: fault.key.into(),
            reason: fault.reason,
            index: index as u64,
            split,
        }
    }

    /// `doc_to_text`: text, or the number of the right prompt.
    fn text_of(&self, compiled: &Compiled, doc: &Doc, value: &DocValue) -> Made<Value> {
        match &compiled.source {
            Source::Int(n) => Ok(Value::from(*n)),
            Source::Field(name) => field(compiled.key, doc, name),
            Source::List(_) => fault(compiled.key, "a list is not a question"),
            Source::Template(id) => {
                let text = self.render(compiled.key, id, value)?;
                self.digits(compiled.key, text)
            }
        }
    }

    /// Digits are a number where there are choices to count.
    fn digits(&self, key: &'static str, text: String) -> Made<Value> {
        if self.choice.is_none() || !python::is_digit_text(&text) {
            return Ok(Value::String(text));
        }
        python::literal_eval(&text).or_else(|reason| fault(key, reason))
    }

    /// `doc_to_target`: text, a number, or a list of either.
    fn target_of(&self, compiled: &Compiled, doc: &Doc, value: &DocValue) -> Made<Value> {
        match &compiled.source {
            Source::Int(n) => Ok(Value::from(*n)),
            Source::Field(name) => field(compiled.key, doc, name),
            Source::List(items) => Ok(Value::Array(items.to_vec())),
            Source::Template(id) => {
                let text = self.render(compiled.key, id, value)?;
                if text.len() >= 2 && text.starts_with('[') && text.ends_with(']') {
                    return Ok(python::literal_eval(&text).unwrap_or(Value::String(text)));
                }
                self.digits(compiled.key, text)
            }
        }
    }

    /// `doc_to_choice`: the options as texts.
    fn choices_of(&self, compiled: &Compiled, doc: &Doc, value: &DocValue) -> Made<Vec<Text>> {
        let list = match &compiled.source {
            Source::List(items) => return texts(compiled.key, items),
            Source::Field(name) => field(compiled.key, doc, name)?,
            Source::Int(_) => return fault(compiled.key, "a number is not a list of choices"),
            Source::Template(id) => {
                let text = self.render(compiled.key, id, value)?;
                python::literal_eval(&text).or_else(|reason| fault(compiled.key, reason))?
            }
        };
        match list {
            Value::Array(items) => texts(compiled.key, &items),
            other => {
                let found = clip(&python::text(&other));
                fault(
                    compiled.key,
                    format!("expected a list of texts, found {found}"),
                )
            }
        }
    }

    fn words_of(&self, words: &Words, doc: &Doc, value: &DocValue) -> Made<String> {
        match doc.get(&*words.field) {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(Value::Null) => Ok(String::new()),
            Some(other) => fault(
                words.key,
                format!("expected text, found {}", clip(&python::text(other))),
            ),
            None => self.render(words.key, &words.template, value),
        }
    }

    fn render(&self, key: &'static str, id: &TemplateId, value: &DocValue) -> Made<String> {
        self.templates
            .render(id, value)
            .or_else(|reason| fault(key, reason))
    }
}

fn whole(config: &TaskConfig, reason: impl Into<String>) -> TaskError {
    TaskError::Task {
        file: config.file.display().to_string(),
        reason: reason.into(),
    }
}

fn clip(text: &str) -> String {
    let mut shown = String::new();
    python::write_str_repr(&mut shown, &text.chars().take(40).collect::<String>());
    shown
}

fn field(key: &'static str, doc: &Doc, name: &str) -> Made<Value> {
    doc.get(name)
        .cloned()
        .map_or_else(|| fault(key, format!("the field '{name}' is missing")), Ok)
}

fn texts(key: &'static str, items: &[Value]) -> Made<Vec<Text>> {
    let text = |item: &Value| match item {
        Value::String(text) => Ok(Text::from(text.as_str())),
        other => fault(
            key,
            format!(
                "a choice is {}, not text; put quotes round it",
                python::text(other)
            ),
        ),
    };
    items.iter().map(text).collect()
}

/// Whether Python would take it for an `int`: a whole number or a truth value.
fn is_int(value: &Value) -> bool {
    value.is_i64() || value.is_u64() || value.is_boolean()
}

/// As a Python index: negative ones count from the end.
fn index(value: &Value, length: usize) -> Option<usize> {
    let i = match value {
        Value::Bool(b) => i64::from(*b),
        other => other.as_i64()?,
    };
    let length = i64::try_from(length).ok()?;
    let at = if i < 0 { i + length } else { i };
    (0..length)
        .contains(&at)
        .then(|| usize::try_from(at).ok())
        .flatten()
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

/// Compiles a task's fields.
struct Compiler<'c> {
    config: &'c TaskConfig,
    features: BTreeSet<&'c str>,
    templates: Templates,
}

impl Compiler<'_> {
    fn template(&mut self, key: &str, source: &str) -> Result<TemplateId, TaskError> {
        self.templates
            .add(key, source)
            .map_err(|reason| TaskError::Template {
                file: self.config.file.display().to_string(),
                key: key.into(),
                reason,
            })
    }

    fn field(
        &mut self,
        key: &'static str,
        field: Option<&DocField>,
    ) -> Result<Option<Compiled>, TaskError> {
        let source = match field {
            None => return Ok(None),
            Some(DocField::Int(n)) => Source::Int(*n),
            Some(DocField::List(items)) => Source::List(items.clone()),
            Some(DocField::Text(text)) if self.features.contains(&**text) => {
                Source::Field(text.clone())
            }
            Some(DocField::Text(text)) => Source::Template(self.template(key, text)?),
        };
        Ok(Some(Compiled { key, source }))
    }

    fn words(
        &mut self,
        key: &'static str,
        text: Option<&Arc<str>>,
    ) -> Result<Option<Words>, TaskError> {
        let Some(text) = text.filter(|t| !t.is_empty()) else {
            return Ok(None);
        };
        let template = self.template(key, text)?;
        let is_constant = !["{{", "{%", "{#"].iter().any(|mark| text.contains(mark))
            && !self.features.contains(&**text);
        Ok(Some(Words {
            key,
            field: text.clone(),
            template,
            is_constant,
        }))
    }
}

/// An example, rendered once.
struct Shot {
    messages: Vec<Message>,
}

/// Everything that building items shares.
struct Builder<'b> {
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
}

impl Clone for Fault {
    fn clone(&self) -> Fault {
        Fault {
            key: self.key,
            reason: self.reason.clone(),
            shot: self.shot,
        }
    }
}

impl<'b> Builder<'b> {
    /// `None` where the task has no question.
    fn new(task: &'b Task, options: &'b BuildOptions<'b>, shots: &[Shots]) -> Option<Builder<'b>> {
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
        })
    }

    fn item(&self, index: usize, shots: &Shots) -> Made<Item> {
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
                return fault(
                    "doc_to_target",
                    "the key is missing: a task needs an answer",
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
            doc_hash: hash(&python::json_indented(doc)),
            prompt_hash: self.empty.clone(),
        };
        match task.config.output_type {
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
        if self.task.choice.is_some() {
            let chosen = index(target, choices.len()).map(|i| choices[i].clone());
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
        let answer = shot_answer(target.key, &answer, &choices.0)?;
        let fewshot = &task.config.fewshot;
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
