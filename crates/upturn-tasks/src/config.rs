//! A task's configuration: every key of the format, typed.

mod fewshot;
mod filters;
mod functions;
mod generation;
mod keys;
mod metrics;
mod output_type;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};
use upturn_types::GenerateOptions;

pub use self::fewshot::{FewshotConfig, SamplerKind};
pub use self::filters::{FilterConfig, FilterStep};
pub use self::functions::{helpers_of, python_of};
pub use self::generation::generate_options;
pub use self::metrics::MetricConfig;
pub use self::output_type::OutputType;

use self::generation::float_of;
use self::keys::{Keys, check_key};
use crate::dataset::DatasetSpec;
use crate::error::TaskError;
use crate::ports::Helper;
use crate::raw::{RawConfig, at};

/// A `doc_to_*` value.
#[derive(Debug, Clone, PartialEq)]
pub enum DocField {
    /// The name of a field of the data, or a Jinja template.
    Text(Arc<str>),
    /// The same number for every item.
    Int(i64),
    /// The same list for every item (of a map, its values).
    List(Arc<[Value]>),
    /// What a helper makes of the item.
    Helper(Arc<Helper>),
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
    /// What is done with the rows of every split before anything else.
    pub process_docs: Option<Arc<Helper>>,
    /// What scores an item, in place of the metrics' own way.
    pub process_results: Option<Arc<Helper>>,
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
            process_docs: keys.helper("process_docs")?,
            process_results: keys.helper("process_results")?,
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
            _ if self.fixed_shots().is_some() => self.fixed_shots().unwrap_or(0),
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
        // Words without effect are told of the file's when it is read; whoever gives others
        // can ask `generate_options`.
        self.generation = Arc::new(generate_options(&kwargs, &mut |_| {})?);
        self.generation_kwargs = kwargs;
        Ok(())
    }

    /// The temperature that the file or the user asks for although answers are not drawn, as
    /// `do_sample` is false: it has no effect.
    #[must_use]
    pub fn ignored_temperature(&self) -> Option<f64> {
        let asked = float_of(self.generation_kwargs.get("temperature")?)?;
        let ignored = self.output_type == OutputType::GenerateUntil
            && !self.generation.do_sample
            && asked > 0.0;
        ignored.then_some(asked)
    }

    /// The version in `metadata`, as lm-evaluation-harness reports it.
    #[must_use]
    pub fn version(&self) -> Option<String> {
        self.metadata.get("version").map(crate::python::text)
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
                "temperature is not a number, but warm",
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
    fn a_temperature_without_draws_is_told() {
        let asked = |words: &str| {
            config(&format!("task: a\n{words}"))
                .expect("typed")
                .ignored_temperature()
        };
        assert_eq!(asked(""), None);
        assert_eq!(asked("generation_kwargs: {temperature: 0.7}\n"), None);
        assert_eq!(
            asked("generation_kwargs: {temperature: 0.7, do_sample: false}\n"),
            Some(0.7)
        );
        assert_eq!(
            asked(
                "output_type: multiple_choice\ngeneration_kwargs: {temperature: 0.7, do_sample: false}\n"
            ),
            None
        );
        let mut own = config("task: a\n").expect("typed");
        let Value::Object(words) = json!({"temperature": 0.5}) else {
            unreachable!()
        };
        own.override_generation(&words).expect("taken");
        assert_eq!(own.ignored_temperature(), Some(0.5));
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
