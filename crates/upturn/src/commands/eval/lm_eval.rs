//! Cells in the words of lm-evaluation-harness, for its readers.

use std::path::Path;

use serde_json::{Map, Value, json};
use upturn_eval::{EvalOptions, GroupScore, MetricScore};
use upturn_metrics::{FilterValue, count_words};
use upturn_store::StoreError;
use upturn_store::lm_eval_write::{
    Evaluation, Filtered, GroupAverage, GroupResults, MetricScore as TheirScore, PyValue, Response,
    SampleRow, TaskResults, same_run, write,
};
use upturn_tasks::{
    DocField, Item, ItemRequests, OutputType, SamplerKind, Task, TaskConfig, logged_arguments,
};
use upturn_types::Sample;

use super::cells::CellFile;
use super::loaded::Loaded;

/// One finished task in their words.
pub fn task_results(
    task: &Task,
    items: &[Item],
    cell: &CellFile,
    samples: &[Sample],
) -> TaskResults {
    let config = &task.config;
    let rows = samples
        .iter()
        .enumerate()
        .filter_map(|(at, sample)| {
            // Samples are by filter, then by item.
            let index = at % items.len();
            Some(sample_row(task, items.get(index)?, sample))
        })
        .collect();
    let version = config.metadata.get("version").cloned();
    TaskResults {
        name: config.task.clone(),
        alias: config
            .task_alias
            .clone()
            .unwrap_or_else(|| config.task.clone()),
        scores: cell
            .scores
            .iter()
            .filter(|s| s.in_task)
            .map(theirs)
            .collect(),
        config: config_value(task),
        version: version.unwrap_or_else(|| json!("Yaml")),
        n_shot: task.num_fewshot as u32,
        higher_is_better: task
            .metrics()
            .iter()
            .map(|m| (m.request.info.name.to_owned(), Some(m.higher_is_better)))
            .collect(),
        n_original: task.len() as u64,
        n_effective: items.len() as u64,
        samples: rows,
    }
}

fn theirs(score: &MetricScore) -> TheirScore {
    TheirScore {
        metric: score.metric.clone(),
        filter: score.filter.clone(),
        value: PyValue::Float(score.value),
        stderr: score.stderr,
    }
}

fn sample_row(task: &Task, item: &Item, sample: &Sample) -> SampleRow {
    let responses = responses(item, sample);
    let filtered = match &item.requests {
        ItemRequests::Generate(_) => {
            let text = sample.filtered.as_deref().unwrap_or_default().to_owned();
            vec![Filtered::One(Response::Text(text))]
        }
        _ => responses
            .iter()
            .filter_map(|repeats| repeats.first().cloned().map(Filtered::One))
            .collect(),
    };
    SampleRow {
        doc_id: sample.doc_id,
        doc: Value::Object((*item.doc).clone()),
        target: sample.target.to_string(),
        arguments: logged_arguments(item, &task.config.generation_kwargs),
        responses,
        filtered,
        filter: sample.filter.to_string(),
        metrics: task
            .metrics()
            .iter()
            .filter_map(|m| {
                let name = m.request.info.name;
                Some((name.to_owned(), value(name, task, item, sample)?))
            })
            .collect(),
        doc_hash: sample.doc_hash.to_string(),
        prompt_hash: sample.prompt_hash.to_string(),
        target_hash: sample.target_hash.to_string(),
    }
}

/// Responses by request and repeat.
fn responses(item: &Item, sample: &Sample) -> Vec<Vec<Response>> {
    let target = sample.target_score.as_ref();
    match &item.requests {
        ItemRequests::Choices { .. } => {
            let asked = sample.choices.iter().map(|c| (c.logprob, c.is_greedy));
            let alone = sample
                .choices
                .iter()
                .filter_map(|c| Some((c.unconditional_logprob?, c.unconditional_is_greedy?)));
            asked
                .chain(alone)
                .map(|(logprob, is_greedy)| vec![Response::Loglikelihood { logprob, is_greedy }])
                .collect()
        }
        ItemRequests::Loglikelihood(_) => target
            .map(|t| {
                vec![Response::Loglikelihood {
                    logprob: t.logprob,
                    is_greedy: t.is_greedy,
                }]
            })
            .into_iter()
            .collect(),
        ItemRequests::Rolling(_) => target
            .map(|t| vec![Response::Rolling(t.logprob)])
            .into_iter()
            .collect(),
        ItemRequests::Generate(_) => {
            vec![
                sample
                    .responses
                    .iter()
                    .cloned()
                    .map(Response::Text)
                    .collect(),
            ]
        }
    }
}

/// A metric of one item as the harness logs it; what it has as a pair is made from the sample.
fn value(name: &str, task: &Task, item: &Item, sample: &Sample) -> Option<PyValue> {
    let number = sample
        .metrics
        .iter()
        .find(|(metric, _)| &**metric == name)
        .and_then(|(_, value)| *value);
    let int = |n: u64| PyValue::Int(i128::from(n));
    if let Some(number) = number {
        let is_flag = task.config.output_type == OutputType::Loglikelihood && name == "acc";
        return Some(match is_flag {
            true => PyValue::Int(number as i128),
            false => PyValue::Float(number),
        });
    }
    match name {
        "word_perplexity" | "byte_perplexity" | "bits_per_byte" => {
            let target = sample.target_score.as_ref()?;
            let weight = match (name, &item.requests) {
                ("word_perplexity", ItemRequests::Rolling(r)) => count_words(&r.text),
                _ => u64::from(target.n_bytes),
            };
            let logprob = PyValue::Float(f64::from(target.logprob));
            Some(PyValue::List(vec![logprob, int(weight)]))
        }
        "brier_score" => {
            let logprobs: Vec<f64> = sample
                .choices
                .iter()
                .map(|c| f64::from(c.logprob))
                .collect();
            let shares: Vec<String> = upturn_metrics::softmax(&logprobs)
                .iter()
                .map(|p| python_exponent(*p))
                .collect();
            let shares = PyValue::Text(format!("[{}]", shares.join(" ")));
            Some(PyValue::List(vec![int(u64::from(sample.gold?)), shares]))
        }
        "f1" | "mcc" => {
            let logprobs: Vec<f64> = sample
                .choices
                .iter()
                .map(|c| f64::from(c.logprob))
                .collect();
            let given = upturn_metrics::argmax(&logprobs);
            Some(PyValue::List(vec![
                int(u64::from(sample.gold?)),
                int(given as u64),
            ]))
        }
        "bleu" | "chrf" | "ter" => {
            let reference = match &item.target {
                Value::Array(all) => PyValue::List(all.iter().map(PyValue::from).collect()),
                other => PyValue::Text(FilterValue::from_json(other).python_str()),
            };
            let answer = PyValue::Text(sample.filtered.as_deref().unwrap_or_default().to_owned());
            Some(PyValue::List(vec![reference, answer]))
        }
        _ => None,
    }
}

/// A number as numpy prints it with an exponent: `1.60965518e-02`.
fn python_exponent(x: f64) -> String {
    let text = format!("{x:.8e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{digits:0>2}")
}

fn field(field: Option<&DocField>) -> Value {
    match field {
        None => Value::Null,
        Some(DocField::Text(text)) => json!(&**text),
        Some(DocField::Int(n)) => json!(n),
        Some(DocField::List(all)) => Value::Array(all.to_vec()),
        // The harness logs the function's source; its name is what is known here.
        Some(DocField::Helper(helper)) => json!(format!("!function {}", helper.name())),
    }
}

/// A task's configuration with the keys that the harness logs, in its order; those that say
/// nothing are left out, as it leaves them out.
fn config_value(task: &Task) -> Value {
    let c: &TaskConfig = &task.config;
    let mut map = Map::new();
    let mut put = |key: &str, value: Value| {
        if !value.is_null() {
            map.insert(key.to_owned(), value);
        }
    };
    let tag = match c.tag.as_slice() {
        [] => Value::Null,
        [one] => json!(one),
        all => json!(all),
    };
    put("task", json!(c.task));
    put("task_alias", json!(c.task_alias));
    put("tag", tag);
    put("dataset_path", json!(c.dataset_path));
    put("dataset_name", json!(c.dataset_name));
    put("dataset_kwargs", json!(c.dataset_kwargs));
    put("training_split", json!(c.training_split));
    put("validation_split", json!(c.validation_split));
    put("test_split", json!(c.test_split));
    put("fewshot_split", json!(c.fewshot_split));
    put("doc_to_text", field(c.doc_to_text.as_ref()));
    put("doc_to_target", field(c.doc_to_target.as_ref()));
    put("unsafe_code", json!(false));
    put("doc_to_choice", field(c.doc_to_choice.as_ref()));
    put(
        "description",
        json!(c.description.as_deref().unwrap_or_default()),
    );
    put("target_delimiter", json!(&*c.target_delimiter));
    put("fewshot_delimiter", json!(&*c.fewshot_delimiter));
    let sampler = match c.fewshot.sampler {
        SamplerKind::Default => "default",
        SamplerKind::FirstN => "first_n",
    };
    put(
        "fewshot_config",
        json!({"sampler": sampler, "split": c.fewshot.split}),
    );
    put("num_fewshot", json!(task.num_fewshot));
    let metrics: Vec<Value> = c.metric_list.iter().map(metric_value).collect();
    put("metric_list", Value::Array(metrics));
    put("output_type", json!(c.output_type.name()));
    if c.output_type == OutputType::GenerateUntil {
        put("generation_kwargs", json!(c.generation_kwargs));
    }
    put("repeats", json!(c.repeats));
    let filters: Vec<Value> = c
        .filter_list
        .iter()
        .map(|f| {
            let steps: Vec<Value> = f
                .steps
                .iter()
                .map(|s| {
                    let mut step = Map::from_iter([("function".to_owned(), json!(s.function))]);
                    step.extend(s.kwargs.clone());
                    Value::Object(step)
                })
                .collect();
            json!({"name": f.name, "filter": steps})
        })
        .collect();
    if !filters.is_empty() {
        put("filter_list", Value::Array(filters));
    }
    put("should_decontaminate", json!(false));
    let mut metadata = c.metadata.clone();
    metadata.insert("config_source".into(), json!(c.file.display().to_string()));
    put("metadata", Value::Object(metadata));
    Value::Object(map)
}

fn metric_value(metric: &upturn_tasks::MetricConfig) -> Value {
    let mut map = Map::from_iter([("metric".to_owned(), json!(metric.name))]);
    if let Some(aggregation) = &metric.aggregation {
        map.insert("aggregation".into(), json!(aggregation));
    }
    if let Some(better) = metric.higher_is_better {
        map.insert("higher_is_better".into(), json!(better));
    }
    map.extend(metric.kwargs.clone());
    Value::Object(map)
}

/// A model's run as a whole.
pub struct Run<'r> {
    /// The model.
    pub model: &'r Loaded,
    /// Its name in results.
    pub label: &'r str,
    /// Its folder.
    pub dir: &'r Path,
    /// Tasks in order.
    pub tasks: Vec<TaskResults>,
    /// Groups, outer ones first.
    pub groups: &'r [GroupScore],
    /// How tasks were run.
    pub options: &'r EvalOptions,
    /// When the run began, seconds since 1970.
    pub start_secs: f64,
    /// How long it took, seconds.
    pub secs: f64,
}

impl Run<'_> {
    /// Writes the results and the samples below `out`, in a folder named after the model, and
    /// returns whether it did: what is there already is not written again.
    pub fn write(self, out: &Path) -> Result<bool, StoreError> {
        let options = self.options;
        let groups = self
            .groups
            .iter()
            .rev()
            .map(|g| GroupResults {
                name: g.group.clone(),
                alias: g.alias.clone().unwrap_or_else(|| g.group.clone()),
                children: g.members.clone(),
                average: (!g.scores.is_empty()).then(|| GroupAverage {
                    sample_len: g.n,
                    scores: g.scores.iter().map(theirs).collect(),
                    sample_counts: g.scores.iter().map(|s| s.n).collect(),
                }),
                version: Value::Null,
            })
            .collect();
        let seed = options.seed;
        let compute = self.model.lm().fingerprint().remove("compute");
        let dtype = match compute.as_deref() {
            Some("bf16") => "bfloat16",
            _ => "float32",
        };
        let run = Evaluation {
            tasks: self.tasks,
            groups,
            config: json!({
                "model": "upturn",
                "model_args": {"pretrained": self.dir.display().to_string(), "dtype": dtype},
                "model_num_parameters": self.model.n_params(),
                "model_dtype": dtype,
                "device": "cpu",
                "limit": options.limit,
                "bootstrap_iters": options.bootstrap_iterations,
                "gen_kwargs": {},
                "random_seed": seed,
                "numpy_seed": seed,
                "torch_seed": seed,
                "fewshot_seed": seed,
            }),
            git_hash: None,
            date_secs: self.start_secs,
            environment: vec![
                ("upturn_version".to_owned(), json!(upturn::VERSION)),
                ("max_length".to_owned(), json!(self.model.lm().max_length())),
            ],
            model_source: "upturn".to_owned(),
            model_name: self.label.to_owned(),
            system_instruction: options.system_instruction.clone(),
            fewshot_as_multiturn: options.chat.then_some(options.fewshot_as_multiturn),
            chat_template: options
                .chat
                .then(|| self.model.chat_template().unwrap_or_default().to_owned()),
            total_evaluation_time_secs: Some(self.secs),
        };
        if same_run(out, &run).is_some() {
            return Ok(false);
        }
        write(out, &iso_utc(self.start_secs), &run)?;
        Ok(true)
    }
}

/// A moment as Python's `isoformat` prints it, in UTC.
fn iso_utc(secs: f64) -> String {
    let micros = (secs * 1e6) as i64;
    let (days, rest) = (
        micros.div_euclid(86_400_000_000),
        micros.rem_euclid(86_400_000_000),
    );
    // Days to a date of the Gregorian calendar, counted in eras of 400 years from 1 March 0000.
    let z = days + 719_468;
    let (era, day_of_era) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let secs = rest / 1_000_000;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:06}",
        secs / 3600,
        secs / 60 % 60,
        secs % 60,
        rest % 1_000_000
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_numbers_print_as_python_prints_them() {
        assert_eq!(iso_utc(0.0), "1970-01-01T00:00:00.000000");
        assert_eq!(iso_utc(1_769_860_800.25), "2026-01-31T12:00:00.250000");
        assert_eq!(iso_utc(951_782_400.0), "2000-02-29T00:00:00.000000");
        assert_eq!(python_exponent(0.016_096_551_8), "1.60965518e-02");
        assert_eq!(python_exponent(1.0), "1.00000000e+00");
    }
}
