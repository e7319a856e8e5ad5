//! A task's configuration: every key of the format, typed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};
use upturn_types::GenerateOptions;

use crate::dataset::DatasetSpec;
use crate::error::{Refusal, TaskError, did_you_mean};
use crate::raw::{RawConfig, RawField, at};
use crate::yaml::Yaml;

/// How a task asks its questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputType {
    /// One log-likelihood per choice.
    MultipleChoice,
    /// Log-likelihood of the target.
    Loglikelihood,
    /// Log-likelihood of a whole text.
    LoglikelihoodRolling,
    /// A continuation up to a stop string.
    GenerateUntil,
}

impl OutputType {
    const ALL: [OutputType; 4] = [
        OutputType::MultipleChoice,
        OutputType::Loglikelihood,
        OutputType::LoglikelihoodRolling,
        OutputType::GenerateUntil,
    ];

    /// The word in task files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            OutputType::MultipleChoice => "multiple_choice",
            OutputType::Loglikelihood => "loglikelihood",
            OutputType::LoglikelihoodRolling => "loglikelihood_rolling",
            OutputType::GenerateUntil => "generate_until",
        }
    }

    /// Metrics of a task that names none.
    #[must_use]
    pub fn default_metrics(self) -> &'static [&'static str] {
        match self {
            OutputType::MultipleChoice => &["acc", "acc_norm"],
            OutputType::Loglikelihood => &["perplexity", "acc"],
            OutputType::LoglikelihoodRolling => {
                &["word_perplexity", "byte_perplexity", "bits_per_byte"]
            }
            OutputType::GenerateUntil => &["exact_match"],
        }
    }
}

/// A `doc_to_*` value.
#[derive(Debug, Clone, PartialEq)]
pub enum DocField {
    /// The name of a field of the data, or a Jinja template.
    Text(Arc<str>),
    /// The same number for every item.
    Int(i64),
    /// The same list for every item (of a map, its values).
    List(Arc<[Value]>),
}

/// One entry of `metric_list`.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricConfig {
    /// The metric.
    pub name: String,
    /// How it is joined over items; none is the metric's own way.
    pub aggregation: Option<String>,
    /// Whether more is better; none is the metric's own.
    pub higher_is_better: Option<bool>,
    /// Whether the file asks for Hugging Face `evaluate`'s implementation.
    pub hf_evaluate: bool,
    /// Its other settings, such as `ignore_case`.
    pub kwargs: Map<String, Value>,
}

/// One step of a filter.
#[derive(Debug, Clone, PartialEq)]
pub struct FilterStep {
    /// Its function, such as `regex`.
    pub function: String,
    /// Its settings.
    pub kwargs: Map<String, Value>,
}

/// One entry of `filter_list`: steps from the model's text to the scored answer.
#[derive(Debug, Clone, PartialEq)]
pub struct FilterConfig {
    /// The name that scores carry.
    pub name: String,
    /// The steps in order.
    pub steps: Vec<FilterStep>,
}

/// How few-shot examples are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SamplerKind {
    /// At random.
    Default,
    /// The first ones, in order.
    FirstN,
}

/// Settings of the few-shot examples; what the file leaves out is the task's own.
#[derive(Debug, Clone, PartialEq)]
pub struct FewshotConfig {
    /// How they are drawn.
    pub sampler: SamplerKind,
    /// The split they come from.
    pub split: Option<String>,
    /// Examples written in the file; `split` goes before them.
    pub samples: Option<Vec<Map<String, Value>>>,
    /// Replaces the task's `doc_to_text`.
    pub doc_to_text: Option<DocField>,
    /// Replaces the task's `doc_to_choice`.
    pub doc_to_choice: Option<DocField>,
    /// Replaces the task's `doc_to_target`.
    pub doc_to_target: Option<DocField>,
    /// Replaces the task's `gen_prefix`.
    pub gen_prefix: Option<Arc<str>>,
    /// Between examples.
    pub fewshot_delimiter: Arc<str>,
    /// Between an example's question and answer.
    pub target_delimiter: Arc<str>,
}

/// A task's configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskConfig {
    /// Its name.
    pub task: String,
    /// Its name in tables, if another.
    pub task_alias: Option<String>,
    /// Tags it can be chosen by.
    pub tag: Vec<String>,
    /// The file it was read from.
    pub file: Arc<Path>,
    /// Where its data comes from.
    pub dataset_path: Option<String>,
    /// The data set's configuration.
    pub dataset_name: Option<String>,
    /// Further settings of the data set.
    pub dataset_kwargs: Map<String, Value>,
    /// Split to train on: few-shot examples come from it when nothing else is said.
    pub training_split: Option<String>,
    /// Split to evaluate where there is no test split.
    pub validation_split: Option<String>,
    /// Split to evaluate.
    pub test_split: Option<String>,
    /// Split of the few-shot examples.
    pub fewshot_split: Option<String>,
    /// How questions are asked.
    pub output_type: OutputType,
    /// The question.
    pub doc_to_text: Option<DocField>,
    /// The answer.
    pub doc_to_target: Option<DocField>,
    /// The options.
    pub doc_to_choice: Option<DocField>,
    /// Text before everything: a field or a template.
    pub description: Option<Arc<str>>,
    /// Between question and answer.
    pub target_delimiter: Arc<str>,
    /// Between examples.
    pub fewshot_delimiter: Arc<str>,
    /// The first words of the answer, given to the model.
    pub gen_prefix: Option<Arc<str>>,
    /// Number of examples; 0 in the file cannot be overridden.
    pub num_fewshot: Option<usize>,
    /// The few-shot examples.
    pub fewshot: FewshotConfig,
    /// Metrics; never empty.
    pub metric_list: Vec<MetricConfig>,
    /// Filters; never empty.
    pub filter_list: Vec<FilterConfig>,
    /// Generation, as the file has it (with lm-evaluation-harness's additions); null unless `generate_until`.
    pub generation_kwargs: Map<String, Value>,
    /// Generation, as a model takes it.
    pub generation: Arc<GenerateOptions>,
    /// Answers asked for each item, at least 1.
    pub repeats: usize,
    /// Free words of the file.
    pub metadata: Map<String, Value>,
    /// One line for each thing in the file that has no effect here.
    pub warnings: Vec<String>,
}

/// Keys that a task may have.
const KEYS: [&str; 36] = [
    "task",
    "task_alias",
    "tag",
    "group",
    "task_list",
    "custom_dataset",
    "dataset_path",
    "dataset_name",
    "dataset_kwargs",
    "training_split",
    "validation_split",
    "test_split",
    "fewshot_split",
    "process_docs",
    "doc_to_text",
    "doc_to_target",
    "doc_to_image",
    "doc_to_audio",
    "unsafe_code",
    "doc_to_choice",
    "process_results",
    "use_prompt",
    "description",
    "target_delimiter",
    "fewshot_delimiter",
    "fewshot_config",
    "num_fewshot",
    "metric_list",
    "output_type",
    "generation_kwargs",
    "repeats",
    "filter_list",
    "should_decontaminate",
    "doc_to_decontamination_query",
    "gen_prefix",
    "metadata",
];
/// Keys read by Python classes only.
const CLASS_KEYS: [&str; 2] = ["class", "recipe"];
/// Keys that have no effect in lm-evaluation-harness either.
const IGNORED: [&str; 2] = ["group", "task_list"];
/// Keys of `fewshot_config`.
const FEWSHOT_KEYS: [&str; 11] = [
    "sampler",
    "split",
    "process_docs",
    "fewshot_indices",
    "samples",
    "doc_to_text",
    "doc_to_choice",
    "doc_to_target",
    "gen_prefix",
    "fewshot_delimiter",
    "target_delimiter",
];

/// Every Python function or class that a task names, with its key, file and line.
#[must_use]
pub fn python_of(raw: &RawConfig) -> Vec<Refusal> {
    let mut found = Vec::new();
    for field in &raw.fields {
        let file = field.file.display().to_string();
        let class = (&*field.key == "class")
            .then(|| field.value.as_str())
            .flatten();
        if let Some(name) = class {
            found.push(Refusal::NeedsPython {
                key: "class".into(),
                function: name.into(),
                file: file.clone(),
                line: field.line,
            });
        }
        field
            .value
            .visit_functions(&field.key, &mut |key, function| {
                found.push(Refusal::NeedsPython {
                    key: key.into(),
                    function: function.name.to_string(),
                    file: file.clone(),
                    line: function.line,
                });
            });
    }
    found
}

impl TaskConfig {
    /// Types the keys of a task.
    ///
    /// # Errors
    /// At the first Python function, unknown key or value of the wrong kind.
    pub fn from_raw(raw: &RawConfig) -> Result<TaskConfig, TaskError> {
        let mut warnings = Vec::new();
        for field in &raw.fields {
            check_key(field, &mut warnings)?;
        }
        if let Some(refusal) = python_of(raw).into_iter().next() {
            return Err(refusal.into());
        }
        let keys = Keys(raw);
        keys.refuse_unsupported()?;

        let task = keys
            .text("task")?
            .ok_or_else(|| at(&raw.file, 1, "no key 'task': a task needs a name"))?;
        let output_type = keys.output_type()?;
        let target_delimiter: Arc<str> = keys
            .text("target_delimiter")?
            .unwrap_or_else(|| " ".into())
            .into();
        let fewshot_delimiter: Arc<str> = keys
            .text("fewshot_delimiter")?
            .unwrap_or_else(|| "\n\n".into())
            .into();
        let fewshot_split = keys.text("fewshot_split")?;
        let fewshot = keys.fewshot(
            fewshot_split.as_deref(),
            &fewshot_delimiter,
            &target_delimiter,
            &mut warnings,
        )?;
        let generation_kwargs =
            keys.generation_kwargs(output_type, &fewshot_delimiter, &mut warnings)?;
        let generation = keys.generation(&generation_kwargs, &mut warnings)?;
        let repeats = keys.count("repeats")?.unwrap_or(1).max(1);
        Ok(TaskConfig {
            task_alias: keys.text("task_alias")?,
            tag: keys.texts("tag")?,
            file: raw.file.clone(),
            dataset_path: keys.text("dataset_path")?,
            dataset_name: keys.text("dataset_name")?,
            dataset_kwargs: keys.map("dataset_kwargs")?,
            training_split: keys.text("training_split")?,
            validation_split: keys.text("validation_split")?,
            test_split: keys.text("test_split")?,
            doc_to_text: keys.doc_field("doc_to_text")?,
            doc_to_target: keys.doc_field("doc_to_target")?,
            doc_to_choice: keys.doc_field("doc_to_choice")?,
            description: keys
                .text("description")?
                .filter(|d| !d.is_empty())
                .map(Arc::from),
            gen_prefix: keys.text("gen_prefix")?.map(Arc::from),
            num_fewshot: keys.count("num_fewshot")?,
            metric_list: keys.metric_list(output_type)?,
            filter_list: keys.filter_list()?,
            metadata: keys.metadata()?,
            generation: Arc::new(generation),
            task,
            output_type,
            target_delimiter,
            fewshot_delimiter,
            fewshot_split,
            fewshot,
            generation_kwargs,
            repeats,
            warnings,
        })
    }

    /// The split whose items are evaluated: test, else validation.
    ///
    /// # Errors
    /// When the file names neither.
    pub fn eval_split(&self) -> Result<&str, TaskError> {
        self.test_split
            .as_deref()
            .or(self.validation_split.as_deref())
            .ok_or_else(|| TaskError::Task {
                file: self.file.display().to_string(),
                reason:
                    "neither test_split nor validation_split is given; name the split to evaluate"
                        .into(),
            })
    }

    /// Number of examples when the user asks for `asked`: a 0 in the file stands.
    #[must_use]
    pub fn shots(&self, asked: Option<usize>) -> usize {
        match (self.num_fewshot, asked) {
            (Some(0), _) => 0,
            (_, Some(n)) => n,
            (own, None) => own.unwrap_or(0),
        }
    }

    /// Where the data comes from.
    ///
    /// # Errors
    /// When the file has no `dataset_path`.
    pub fn dataset(&self) -> Result<DatasetSpec, TaskError> {
        let path = self.dataset_path.clone().ok_or_else(|| TaskError::Task {
            file: self.file.display().to_string(),
            reason: "no key 'dataset_path': name a data set or a format such as json".into(),
        })?;
        let mut base_dirs = vec![PathBuf::new()];
        let absolute = std::path::absolute(&self.file).unwrap_or_else(|_| self.file.to_path_buf());
        base_dirs.extend(absolute.ancestors().skip(1).map(Path::to_path_buf));
        let mut kwargs = self.dataset_kwargs.clone();
        kwargs.remove("trust_remote_code");
        Ok(DatasetSpec {
            path,
            name: self.dataset_name.clone(),
            kwargs,
            base_dirs,
        })
    }

    /// Sets generation words over the file's, as `--gen_kwargs` does.
    ///
    /// # Errors
    /// A lowercase fragment that names the word and what it should be.
    pub fn override_generation(&mut self, words: &Map<String, Value>) -> Result<(), String> {
        let mut kwargs = self.generation_kwargs.clone();
        kwargs.extend(words.iter().map(|(k, v)| (k.clone(), v.clone())));
        let mut unused = Vec::new();
        self.generation = Arc::new(generate_options(&kwargs, &mut |key| {
            unused.push(format!("generation word {key} has no effect here"));
        })?);
        self.warnings.extend(
            unused
                .into_iter()
                .filter(|w| words.keys().any(|k| w.contains(k.as_str()))),
        );
        self.generation_kwargs = kwargs;
        Ok(())
    }

    /// The version in `metadata`, as lm-evaluation-harness reports it.
    #[must_use]
    pub fn version(&self) -> Option<String> {
        self.metadata.get("version").map(crate::python::text)
    }
}

fn check_key(field: &RawField, warnings: &mut Vec<String>) -> Result<(), TaskError> {
    let key = &*field.key;
    if IGNORED.contains(&key) {
        warnings.push(format!(
            "{}:{}: the key '{key}' has no effect in a task",
            field.file.display(),
            field.line
        ));
        return Ok(());
    }
    if KEYS.contains(&key) || CLASS_KEYS.contains(&key) {
        return Ok(());
    }
    Err(Refusal::UnknownKey {
        key: key.into(),
        hint: did_you_mean(key, KEYS),
        file: field.file.display().to_string(),
        line: field.line,
    }
    .into())
}

/// Typed access to the keys of a task.
struct Keys<'r>(&'r RawConfig);

impl Keys<'_> {
    fn wrong(&self, key: &str, expected: &str, found: &Yaml) -> TaskError {
        let (file, line) = self
            .0
            .field(key)
            .map_or((&self.0.file, 1), |f| (&f.file, f.line));
        let quote = if matches!(found, Yaml::Bool(_)) {
            "; put quotes round a word such as yes or no"
        } else {
            ""
        };
        at(
            file,
            line,
            format!("{key}: expected {expected}, found {}{quote}", found.kind()),
        )
    }

    fn fail(&self, key: &str, reason: impl std::fmt::Display) -> TaskError {
        let (file, line) = self
            .0
            .field(key)
            .map_or((&self.0.file, 1), |f| (&f.file, f.line));
        at(file, line, format!("{key}: {reason}"))
    }

    fn unsupported(&self, key: &str, reason: &str) -> TaskError {
        let (file, line) = self
            .0
            .field(key)
            .map_or((&self.0.file, 1), |f| (&f.file, f.line));
        Refusal::Unsupported {
            key: key.into(),
            reason: reason.into(),
            file: file.display().to_string(),
            line,
        }
        .into()
    }

    fn refuse_unsupported(&self) -> Result<(), TaskError> {
        for (key, reason) in [
            ("doc_to_image", "images are not shown to models here"),
            ("doc_to_audio", "sounds are not played to models here"),
            (
                "use_prompt",
                "prompt libraries are not read; write the prompt in doc_to_text",
            ),
            (
                "custom_dataset",
                "expected a Python function, and none is run; write the data to a file",
            ),
            ("recipe", "unitxt recipes are Python, which is not run"),
            ("class", "the task is a Python class, which is not run"),
        ] {
            if self.0.value(key).is_some() {
                return Err(self.unsupported(key, reason));
            }
        }
        if self
            .0
            .value("unsafe_code")
            .is_some_and(|v| *v != Yaml::Bool(false))
        {
            return Err(self.unsupported(
                "unsafe_code",
                "programs written by a model are not run here",
            ));
        }
        for key in ["process_docs", "process_results"] {
            if let Some(value) = self.0.value(key) {
                return Err(self.wrong(key, "a Python function (which would not be run)", value));
            }
        }
        Ok(())
    }

    fn text(&self, key: &str) -> Result<Option<String>, TaskError> {
        self.0.value(key).map(|v| self.as_text(key, v)).transpose()
    }

    /// Text, or a number, which a file may leave unquoted.
    fn as_text(&self, key: &str, value: &Yaml) -> Result<String, TaskError> {
        match value {
            Yaml::Str(text) => Ok(text.to_string()),
            Yaml::Int(_) | Yaml::Float(_) => Ok(crate::python::text(&value.to_json())),
            other => Err(self.wrong(key, "text", other)),
        }
    }

    fn texts(&self, key: &str) -> Result<Vec<String>, TaskError> {
        match self.0.value(key) {
            None => Ok(Vec::new()),
            Some(Yaml::Seq(items)) => items.iter().map(|i| self.as_text(key, i)).collect(),
            Some(one) => Ok(vec![self.as_text(key, one)?]),
        }
    }

    fn count(&self, key: &str) -> Result<Option<usize>, TaskError> {
        match self.0.value(key) {
            None => Ok(None),
            Some(Yaml::Int(n)) if *n >= 0 => Ok(usize::try_from(*n).ok()),
            Some(other) => Err(self.wrong(key, "a whole number from 0", other)),
        }
    }

    fn map(&self, key: &str) -> Result<Map<String, Value>, TaskError> {
        match self.0.value(key) {
            None => Ok(Map::new()),
            Some(value) => match value.to_json() {
                Value::Object(map) => Ok(map),
                _ => Err(self.wrong(key, "a map", value)),
            },
        }
    }

    fn metadata(&self) -> Result<Map<String, Value>, TaskError> {
        match self.0.value("metadata") {
            // Kept under a name of its own, as lm-evaluation-harness does.
            Some(value) if value.as_map().is_none() => {
                Ok(Map::from_iter([("_metadata".to_string(), value.to_json())]))
            }
            _ => self.map("metadata"),
        }
    }

    fn output_type(&self) -> Result<OutputType, TaskError> {
        let Some(name) = self.text("output_type")? else {
            return Ok(OutputType::GenerateUntil);
        };
        OutputType::ALL
            .into_iter()
            .find(|t| t.name() == name)
            .ok_or_else(|| {
                let all = OutputType::ALL.map(OutputType::name);
                self.fail(
                    "output_type",
                    format!(
                        "'{name}' is not one of {}{}",
                        all.join(", "),
                        did_you_mean(&name, all)
                    ),
                )
            })
    }

    fn doc_field(&self, key: &str) -> Result<Option<DocField>, TaskError> {
        self.0
            .value(key)
            .map(|v| self.as_doc_field(key, v))
            .transpose()
    }

    fn as_doc_field(&self, key: &str, value: &Yaml) -> Result<DocField, TaskError> {
        let is_choice = key.ends_with("doc_to_choice");
        match value {
            Yaml::Str(text) => Ok(DocField::Text(text.clone())),
            Yaml::Int(n) if !is_choice => Ok(DocField::Int(*n)),
            Yaml::Seq(items) if !key.ends_with("doc_to_text") => {
                Ok(DocField::List(items.iter().map(Yaml::to_json).collect()))
            }
            Yaml::Map(entries) if is_choice => Ok(DocField::List(
                entries.iter().map(|e| e.value.to_json()).collect(),
            )),
            other => Err(self.wrong(key, "a field name, a template or a list", other)),
        }
    }

    fn fewshot(
        &self,
        split: Option<&str>,
        fewshot_delimiter: &Arc<str>,
        target_delimiter: &Arc<str>,
        warnings: &mut Vec<String>,
    ) -> Result<FewshotConfig, TaskError> {
        const KEY: &str = "fewshot_config";
        let mut out = FewshotConfig {
            sampler: SamplerKind::Default,
            split: split.map(str::to_string),
            samples: None,
            doc_to_text: self.doc_field("doc_to_text")?,
            doc_to_choice: self.doc_field("doc_to_choice")?,
            doc_to_target: self.doc_field("doc_to_target")?,
            gen_prefix: self.text("gen_prefix")?.map(Arc::from),
            fewshot_delimiter: fewshot_delimiter.clone(),
            target_delimiter: target_delimiter.clone(),
        };
        let Some(value) = self.0.value(KEY) else {
            return Ok(out);
        };
        let Some(entries) = value.as_map() else {
            return Err(self.wrong(KEY, "a map", value));
        };
        for entry in entries {
            let name = entry.key.key_text();
            let full = format!("{KEY}.{name}");
            let value = &entry.value;
            let is_null = *value == Yaml::Null;
            // What is null here is null, not the task's own.
            let field = |v: &Yaml| {
                if is_null {
                    Ok(None)
                } else {
                    self.as_doc_field(&full, v).map(Some)
                }
            };
            let text = |v: &Yaml| {
                if is_null {
                    Ok(None)
                } else {
                    self.as_text(&full, v).map(Some)
                }
            };
            match name.as_str() {
                "sampler" => out.sampler = self.sampler(value)?,
                "split" => out.split = text(value)?,
                "samples" => out.samples = self.samples(value)?,
                "doc_to_text" => out.doc_to_text = field(value)?,
                "doc_to_choice" => out.doc_to_choice = field(value)?,
                "doc_to_target" => out.doc_to_target = field(value)?,
                "gen_prefix" => out.gen_prefix = text(value)?.map(Arc::from),
                "fewshot_delimiter" => {
                    out.fewshot_delimiter = text(value)?.unwrap_or_default().into()
                }
                "target_delimiter" => {
                    out.target_delimiter = text(value)?.unwrap_or_default().into()
                }
                "fewshot_indices" => {
                    if !is_null {
                        warnings.push(format!(
                            "{}:{}: fewshot_indices has no effect (nor has it in lm-evaluation-harness)",
                            self.0.file.display(),
                            entry.line
                        ));
                    }
                }
                "process_docs" if is_null => {}
                "process_docs" => {
                    return Err(self.wrong(
                        KEY,
                        "a Python function (which would not be run)",
                        value,
                    ));
                }
                _ => {
                    return Err(self.fail(
                        KEY,
                        format!("unknown key '{name}'{}", did_you_mean(&name, FEWSHOT_KEYS)),
                    ));
                }
            }
        }
        if out.split.is_some() && out.samples.is_some() {
            warnings.push(format!(
                "{}: fewshot_config has both split and samples; split is used",
                self.0.file.display()
            ));
        }
        Ok(out)
    }

    fn sampler(&self, value: &Yaml) -> Result<SamplerKind, TaskError> {
        match value.as_str() {
            Some("default") => Ok(SamplerKind::Default),
            Some("first_n") => Ok(SamplerKind::FirstN),
            _ => {
                let found = crate::python::text(&value.to_json());
                Err(self.fail(
                    "fewshot_config",
                    format!("sampler '{found}' is not one of default, first_n"),
                ))
            }
        }
    }

    fn samples(&self, value: &Yaml) -> Result<Option<Vec<Map<String, Value>>>, TaskError> {
        const KEY: &str = "fewshot_config";
        match value {
            Yaml::Null => Ok(None),
            Yaml::Seq(items) => items
                .iter()
                .map(|item| match item.to_json() {
                    Value::Object(map) => Ok(map),
                    _ => Err(self.wrong(KEY, "samples that are maps", item)),
                })
                .collect::<Result<_, _>>()
                .map(Some),
            other => Err(self.wrong(KEY, "a list of samples", other)),
        }
    }

    fn metric_list(&self, output_type: OutputType) -> Result<Vec<MetricConfig>, TaskError> {
        const KEY: &str = "metric_list";
        let Some(value) = self.0.value(KEY) else {
            let own = |name: &&str| MetricConfig {
                name: (*name).into(),
                aggregation: None,
                higher_is_better: None,
                hf_evaluate: false,
                kwargs: Map::new(),
            };
            return Ok(output_type.default_metrics().iter().map(own).collect());
        };
        let Yaml::Seq(items) = value else {
            return Err(self.wrong(KEY, "a list", value));
        };
        let list: Vec<_> = items
            .iter()
            .map(|item| self.metric(item))
            .collect::<Result<_, _>>()?;
        if list.is_empty() {
            return Err(self.fail(KEY, "it is empty; name a metric or remove the key"));
        }
        Ok(list)
    }

    fn metric(&self, item: &Yaml) -> Result<MetricConfig, TaskError> {
        const KEY: &str = "metric_list";
        let Value::Object(mut kwargs) = item.to_json() else {
            return Err(self.wrong(KEY, "entries such as {metric: acc}", item));
        };
        let word = |value: Value| match value {
            Value::String(text) => Ok(text),
            other => Err(self.fail(
                KEY,
                format!("expected a name, found {}", crate::python::text(&other)),
            )),
        };
        let name = kwargs
            .shift_remove("metric")
            .ok_or_else(|| self.fail(KEY, "an entry has no key 'metric'"))?;
        let name = word(name)?;
        let aggregation = kwargs
            .shift_remove("aggregation")
            .filter(|v| !v.is_null())
            .map(word)
            .transpose()?;
        let higher_is_better = match kwargs.shift_remove("higher_is_better") {
            None | Some(Value::Null) => None,
            Some(Value::Bool(b)) => Some(b),
            // Several files put the word in quotes.
            Some(Value::String(s)) if s.eq_ignore_ascii_case("true") => Some(true),
            Some(Value::String(s)) if s.eq_ignore_ascii_case("false") => Some(false),
            Some(other) => {
                let found = crate::python::text(&other);
                return Err(self.fail(
                    KEY,
                    format!("{name}: higher_is_better is true or false, found {found}"),
                ));
            }
        };
        let hf_evaluate = kwargs.shift_remove("hf_evaluate") == Some(Value::Bool(true));
        Ok(MetricConfig {
            name,
            aggregation,
            higher_is_better,
            hf_evaluate,
            kwargs,
        })
    }

    fn filter_list(&self) -> Result<Vec<FilterConfig>, TaskError> {
        const KEY: &str = "filter_list";
        let Some(value) = self.0.value(KEY) else {
            let first = FilterStep {
                function: "take_first".into(),
                kwargs: Map::new(),
            };
            return Ok(vec![FilterConfig {
                name: "none".into(),
                steps: vec![first],
            }]);
        };
        let Yaml::Seq(items) = value else {
            return Err(self.wrong(KEY, "a list", value));
        };
        if items.is_empty() {
            return Err(self.fail(KEY, "it is empty; name a filter or remove the key"));
        }
        items.iter().map(|item| self.filter(item)).collect()
    }

    fn filter(&self, item: &Yaml) -> Result<FilterConfig, TaskError> {
        const KEY: &str = "filter_list";
        let name = item
            .get("name")
            .ok_or_else(|| self.fail(KEY, "an entry has no key 'name'"))?;
        let name = self.as_text(KEY, name)?;
        let Some(Yaml::Seq(steps)) = item.get("filter") else {
            return Err(self.fail(KEY, format!("'{name}' has no list 'filter'")));
        };
        let step = |step: &Yaml| {
            let Value::Object(mut kwargs) = step.to_json() else {
                return Err(self.wrong(KEY, "steps such as {function: take_first}", step));
            };
            match kwargs.shift_remove("function") {
                Some(Value::String(function)) => Ok(FilterStep { function, kwargs }),
                _ => Err(self.fail(KEY, format!("a step of '{name}' has no key 'function'"))),
            }
        };
        let steps = steps.iter().map(step).collect::<Result<_, _>>()?;
        Ok(FilterConfig { name, steps })
    }

    fn generation_kwargs(
        &self,
        output_type: OutputType,
        fewshot_delimiter: &str,
        warnings: &mut Vec<String>,
    ) -> Result<Map<String, Value>, TaskError> {
        const KEY: &str = "generation_kwargs";
        if self.0.value(KEY).is_none() {
            if output_type != OutputType::GenerateUntil {
                return Ok(Map::new());
            }
            return Ok(Map::from_iter([
                ("temperature".to_string(), Value::from(0.0)),
                ("do_sample".to_string(), Value::Bool(false)),
                ("max_gen_toks".to_string(), Value::from(256)),
                ("until".to_string(), Value::from(vec![fewshot_delimiter])),
            ]));
        }
        let mut kwargs = self.map(KEY)?;
        if output_type != OutputType::GenerateUntil {
            warnings.push(format!(
                "{}: generation_kwargs has no effect with output_type {}",
                self.0.file.display(),
                output_type.name()
            ));
        }
        if let Some(temperature) = kwargs.get_mut("temperature") {
            *temperature = match float_of(temperature) {
                Some(t) => Value::from(t),
                None => return Err(self.fail(KEY, "temperature is not a number")),
            };
        }
        if !kwargs.contains_key("until") {
            kwargs.insert("until".into(), Value::from(vec![fewshot_delimiter]));
        }
        Ok(kwargs)
    }

    fn generation(
        &self,
        kwargs: &Map<String, Value>,
        warnings: &mut Vec<String>,
    ) -> Result<GenerateOptions, TaskError> {
        generate_options(kwargs, &mut |key| {
            warnings.push(format!(
                "{}: generation_kwargs.{key} has no effect here",
                self.0.file.display()
            ));
        })
        .map_err(|reason| self.fail("generation_kwargs", reason))
    }
}

fn float_of(value: &Value) -> Option<f64> {
    match value {
        Value::Number(n) => n.as_f64(),
        Value::String(s) => s.trim().parse().ok(),
        _ => None,
    }
}

/// Generation settings as a model takes them, from the words of task files and
/// `--gen_kwargs`. Calls `unused` with each word that has no effect.
///
/// Without `do_sample` a temperature above 0 samples; `do_sample: false` is greedy
/// whatever the temperature. The token limit is the first of `max_gen_toks`,
/// `max_new_tokens`, `max_tokens`, `max_completion_tokens`.
///
/// # Errors
/// A lowercase fragment that names the setting and what it should be.
pub fn generate_options(
    kwargs: &Map<String, Value>,
    unused: &mut dyn FnMut(&str),
) -> Result<GenerateOptions, String> {
    const LIMITS: [&str; 4] = [
        "max_gen_toks",
        "max_new_tokens",
        "max_tokens",
        "max_completion_tokens",
    ];
    let mut out = GenerateOptions::default();
    let number = |key: &str| match kwargs.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => float_of(value)
            .map(Some)
            .ok_or_else(|| format!("{key} is not a number")),
    };
    out.until = match kwargs.get("until") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) => items.iter().map(stop_text).collect::<Result<_, _>>()?,
        Some(one) => vec![stop_text(one)?],
    };
    if out.until.iter().any(String::is_empty) {
        return Err("until holds an empty string, which would stop at once".into());
    }
    for key in LIMITS {
        if let Some(limit) = number(key)? {
            if !(limit >= 1.0 && limit <= f64::from(u32::MAX)) {
                return Err(format!(
                    "{key} is {limit}; a limit is a whole number from 1"
                ));
            }
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "in range"
            )]
            let limit = limit as u32;
            out.max_tokens = Some(limit);
            break;
        }
    }
    #[expect(clippy::cast_possible_truncation, reason = "settings have few digits")]
    let temperature = number("temperature")?.map(|t| t as f32);
    out.do_sample = match kwargs.get("do_sample") {
        Some(Value::Bool(b)) => *b,
        None | Some(Value::Null) => temperature.is_some_and(|t| t > 0.0),
        Some(Value::String(s)) if s.eq_ignore_ascii_case("false") => false,
        Some(Value::String(s)) if s.eq_ignore_ascii_case("true") => true,
        Some(_) => return Err("do_sample is true or false".into()),
    };
    if out.do_sample {
        match temperature {
            Some(t) if t > 0.0 && t.is_finite() => out.temperature = t,
            None => {}
            Some(_) => return Err("do_sample with temperature 0 draws nothing; set a temperature above 0, or do_sample: false".into()),
        }
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked ranges"
    )]
    {
        if let Some(k) = number("top_k")? {
            out.top_k = if k > 0.0 { k as u32 } else { 0 };
        }
        if let Some(p) = number("top_p")? {
            out.top_p = p as f32;
        }
        if let Some(p) = number("min_p")? {
            out.min_p = p as f32;
        }
        if let Some(p) = number("repetition_penalty")? {
            out.repetition_penalty = p as f32;
        }
    }
    let known = [
        "until",
        "do_sample",
        "temperature",
        "top_k",
        "top_p",
        "min_p",
        "repetition_penalty",
    ];
    kwargs
        .keys()
        .filter(|key| !known.contains(&key.as_str()) && !LIMITS.contains(&key.as_str()))
        .for_each(|key| unused(key));
    Ok(out)
}

fn stop_text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        other => Err(format!(
            "until takes texts, found {}; put quotes round it",
            crate::python::text(other)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::Loader;
    use serde_json::json;

    fn config(yaml: &str) -> Result<TaskConfig, TaskError> {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("t.yaml");
        std::fs::write(&path, yaml).expect("written");
        TaskConfig::from_raw(&Loader::default().load(&path)?)
    }

    #[test]
    fn what_is_left_out_is_the_harness_default() {
        let got = config("task: a\n").expect("typed");
        assert_eq!(got.output_type, OutputType::GenerateUntil);
        assert_eq!(
            (&*got.target_delimiter, &*got.fewshot_delimiter, got.repeats),
            (" ", "\n\n", 1)
        );
        assert_eq!(got.metric_list[0].name, "exact_match");
        assert_eq!(got.filter_list[0].steps[0].function, "take_first");
        let want =
            json!({"temperature": 0.0, "do_sample": false, "max_gen_toks": 256, "until": ["\n\n"]});
        assert_eq!(Value::Object(got.generation_kwargs), want);
        let want = GenerateOptions {
            until: vec!["\n\n".into()],
            max_tokens: Some(256),
            ..Default::default()
        };
        assert_eq!(*got.generation, want);
    }

    #[test]
    fn metrics_and_filters_keep_their_settings() {
        let got = config(
            "task: a\nmetric_list:\n  - {metric: exact_match, aggregation: mean, higher_is_better: true, ignore_case: yes}\nfilter_list:\n  - name: f\n    filter:\n      - {function: regex, regex_pattern: '(\\d+)', group_select: -1}\n",
        )
        .expect("typed");
        let metric = &got.metric_list[0];
        assert_eq!(
            (metric.aggregation.as_deref(), metric.higher_is_better),
            (Some("mean"), Some(true))
        );
        assert_eq!(
            Value::Object(metric.kwargs.clone()),
            json!({"ignore_case": true})
        );
        let step = &got.filter_list[0].steps[0];
        assert_eq!(
            Value::Object(step.kwargs.clone()),
            json!({"regex_pattern": "(\\d+)", "group_select": -1})
        );
    }

    #[test]
    fn wrong_keys_and_values_name_file_and_line() {
        let cases = [
            (
                "task: a\ndoc_to_txt: x\n",
                "t.yaml:2: unknown key 'doc_to_txt'; did you mean 'doc_to_text'?",
            ),
            (
                "task: a\nprocess_docs: !function utils.f\n",
                "t.yaml:2: process_docs is the Python function utils.f",
            ),
            (
                "task: a\nmetric_list:\n  - metric: !function m.f\n",
                "t.yaml:3: metric_list.metric is the Python function m.f",
            ),
            (
                "task: a\nclass: !function t.T\n",
                "class is the Python function t.T",
            ),
            (
                "task: a\nnum_fewshot: -1\n",
                "num_fewshot: expected a whole number from 0",
            ),
            (
                "task: a\ndataset_name: no\n",
                "expected text, found a truth value; put quotes",
            ),
            (
                "task: a\noutput_type: multiple_choise\n",
                "did you mean 'multiple_choice'?",
            ),
            (
                "task: a\nfewshot_config: {smapler: x}\n",
                "unknown key 'smapler'; did you mean 'sampler'?",
            ),
            (
                "task: a\nfewshot_config: {sampler: balanced}\n",
                "is not one of default, first_n",
            ),
            (
                "task: a\ngeneration_kwargs: {until: [\"\"]}\n",
                "empty string",
            ),
            (
                "task: a\ngeneration_kwargs: {temperature: warm}\n",
                "temperature is not a number",
            ),
            (
                "task: a\ngeneration_kwargs: {max_gen_toks: 0}\n",
                "max_gen_toks is 0",
            ),
            ("task: a\nmetric_list: []\n", "it is empty"),
            ("task: a\ndoc_to_image: x\n", "images are not shown"),
            (
                "task: a\nunsafe_code: true\n",
                "programs written by a model",
            ),
            ("task: [a]\n", "task: expected text, found a list"),
            ("dataset_path: x\n", "no key 'task'"),
        ];
        for (yaml, want) in cases {
            let error = config(yaml).expect_err(yaml).to_string();
            assert!(error.contains(want) && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn generation_words_are_read_as_the_harness_reads_them() {
        let read = |words: Value| {
            let Value::Object(words) = words else {
                unreachable!()
            };
            let mut unused = Vec::new();
            let options = generate_options(&words, &mut |k| unused.push(k.to_string()));
            options.map(|o| (o, unused))
        };
        let (options, unused) =
            read(json!({"until": "x", "temperature": 0.7, "max_new_tokens": 5, "top_k": 3, "num_beams": 4})).expect("read");
        assert!(
            options.do_sample
                && options.temperature == 0.7
                && options.max_tokens == Some(5)
                && options.top_k == 3
        );
        assert_eq!(
            (options.until, unused),
            (vec!["x".to_string()], vec!["num_beams".to_string()])
        );
        let (greedy, _) = read(json!({"do_sample": false, "temperature": 0.7})).expect("read");
        assert!(!greedy.do_sample && greedy.temperature == 1.0);
        assert!(read(json!({"do_sample": true, "temperature": 0.0})).is_err());
        assert!(read(json!({"until": [3]})).is_err());
    }

    #[test]
    fn a_zero_in_the_file_stands() {
        assert_eq!(
            config("task: a\nnum_fewshot: 0\n")
                .expect("typed")
                .shots(Some(5)),
            0
        );
        assert_eq!(
            config("task: a\nnum_fewshot: 3\n")
                .expect("typed")
                .shots(Some(5)),
            5
        );
        assert_eq!(
            config("task: a\nnum_fewshot: 3\n")
                .expect("typed")
                .shots(None),
            3
        );
        assert_eq!(config("task: a\n").expect("typed").shots(None), 0);
    }
}
