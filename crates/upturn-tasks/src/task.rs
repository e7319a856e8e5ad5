//! A task with its data: items turned into requests.

mod builder;
mod fault;
mod fields;
mod item;

use std::collections::BTreeSet;
use std::sync::Arc;

use rayon::prelude::*;
use upturn_metrics::FilterPipeline;

pub use self::item::{Gold, Item, ItemRequests, logged_arguments};

use self::builder::Builder;
use self::fault::{Fault, Made};
use self::fields::{Compiled, Compiler, Words, is_int};
use crate::config::{OutputType, TaskConfig};
use crate::dataset::{Datasets, Doc};
use crate::error::TaskError;
use crate::fewshot::{Drawing, FewshotMode, Shots};
use crate::ports::Helper;
use crate::prompt::Chat;
use crate::scoring::TaskMetric;
use crate::template::{DocValue, Templates};

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
                .map_err(|source| TaskError::Data {
                    task: config.task.clone(),
                    source,
                })
        };
        let open = |split: &str, helper: Option<&Arc<Helper>>| {
            let docs = open(split)?;
            let docs = match helper {
                None => docs,
                Some(helper) => helper.process_docs(docs).map_err(|reason| {
                    whole(&config, format!("process_docs: split {split}: {reason}"))
                })?,
            };
            Ok(docs.into_iter().map(Arc::new).collect::<Vec<_>>())
        };
        let docs = open(&split, config.process_docs.as_ref())?;
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
        open: impl Fn(&str, Option<&Arc<Helper>>) -> Result<Vec<Arc<Doc>>, TaskError>,
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
        // Rows of a split named for examples go their own way.
        let helper = match &fewshot.split {
            Some(_) => fewshot.process_docs.as_ref(),
            None => config.process_docs.as_ref(),
        };
        let docs = if split == eval_split && helper == config.process_docs.as_ref() {
            eval_docs.to_vec()
        } else {
            open(split, helper)?
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

    /// The answers of an item through the helper that is the first step of a filter; none
    /// where that filter has none.
    ///
    /// # Errors
    /// What stopped the helper.
    pub fn filtered_by_helper(
        &self,
        pipeline: usize,
        answers: &[String],
        doc: &Doc,
    ) -> Option<Result<Vec<upturn_metrics::FilterValue>, String>> {
        let step = self.config.filter_list.get(pipeline)?.steps.first()?;
        let helper = step.helper.as_ref()?;
        Some(helper.filter(&step.kwargs, answers, doc))
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
            mend: fault.mend,
            index: index as u64,
            split,
        }
    }
}

fn whole(config: &TaskConfig, reason: impl Into<String>) -> TaskError {
    TaskError::Task {
        file: config.file.display().to_string(),
        reason: reason.into(),
    }
}
