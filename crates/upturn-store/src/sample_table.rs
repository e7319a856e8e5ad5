//! Samples in Parquet: one file per cell, one row per item, filter and repeat.
//!
//! The columns are those of [`schema::sample`]. The same rows give the same bytes: nothing
//! of the clock, the machine or a library's version is in the file.

use std::borrow::Cow;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, UInt32Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float32Array, Float64Array, ListArray, RecordBatch, StringArray,
    StructArray, UInt32Array, UInt64Array,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{ArrowError, DataType, Field, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use upturn_types::{ChoiceScore, FinishReason, Known, Sample, TargetScore, Text};

use crate::error::StoreError;
use crate::files::write_whole;
use crate::parquet::{guarded, open};
use crate::schema::{self, METRIC_PREFIX, TableKind};
use crate::texts::Texts;

/// Rows converted at a time.
const BATCH_ROWS: usize = 4096;

/// What all rows of a cell have in common: model, scale, task, method.
///
/// The fields mean what they mean in [`upturn_types::Measurement`].
#[derive(Debug, Clone, PartialEq)]
pub struct CellIdentity {
    /// Family of models trained alike at different scale.
    pub family: Text,
    /// The model.
    pub model: Text,
    /// Training step of the checkpoint.
    pub checkpoint_step: Option<u64>,
    /// Post-training, when not a base model.
    pub tuning: Option<Text>,
    /// Parameters N (count).
    pub params: Option<f64>,
    /// Training tokens D (count).
    pub tokens: Option<f64>,
    /// Training compute C (FLOPs).
    pub flops: Option<f64>,
    /// How `flops` is known.
    pub flops_kind: Option<Known>,
    /// Pre-training loss, nats per token.
    pub train_loss_nats: Option<f64>,
    /// Task.
    pub task: Text,
    /// Part of the task.
    pub subset: Option<Text>,
    /// Split evaluated.
    pub split: Option<Text>,
    /// Prompting method.
    pub method: Text,
    /// Examples in the prompt.
    pub shots: Option<u32>,
    /// Seed of the evaluation.
    pub seed: Option<u64>,
}

/// Writes the samples of a cell; the file appears whole or not at all.
///
/// Metrics become columns in the order of their first appearance. A metric that one row
/// has and another has not is null in the other.
///
/// # Errors
/// [`StoreError`] when the file cannot be written, or a text of the identity is empty.
pub fn write_samples(
    path: &Path,
    cell: &CellIdentity,
    samples: &[Sample],
) -> Result<(), StoreError> {
    for (column, text) in [
        ("family", &cell.family),
        ("model", &cell.model),
        ("task", &cell.task),
        ("method", &cell.method),
    ] {
        if text.is_empty() {
            return Err(StoreError::EmptyText { row: 1, column });
        }
    }
    let metrics = metric_names(samples);
    let names: Vec<&str> = metrics.iter().map(|m| &**m).collect();
    let schema = schema::sample(&names);
    let mut key_values: Vec<KeyValue> = schema::metadata(TableKind::Sample)
        .into_iter()
        .map(|(key, value)| KeyValue::new(key, value))
        .collect();
    key_values.sort_by(|a, b| a.key.cmp(&b.key));
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_created_by("upturn".to_owned())
        .set_key_value_metadata(Some(key_values))
        // Prompts of a cell begin alike: each is stored as what differs from the one before.
        .set_column_dictionary_enabled("request".into(), false)
        .set_column_encoding("request".into(), Encoding::DELTA_BYTE_ARRAY)
        .build();
    let options = ArrowWriterOptions::new()
        .with_properties(properties)
        .with_skip_arrow_metadata(true);
    write_whole(path, |out| {
        let failed = |e: ParquetError| StoreError::format(path, format!("cannot write it: {e}"));
        let mut writer = ArrowWriter::try_new_with_options(out, SchemaRef::clone(&schema), options)
            .map_err(failed)?;
        for rows in samples.chunks(BATCH_ROWS) {
            let batch =
                to_batch(&schema, cell, &names, rows).map_err(|e| StoreError::format(path, e))?;
            writer.write(&batch).map_err(failed)?;
        }
        writer.close().map_err(failed)?;
        Ok(())
    })
}

/// Names of metrics in the order of their first appearance.
fn metric_names(samples: &[Sample]) -> Vec<Text> {
    let mut names: Vec<Text> = Vec::new();
    for sample in samples {
        for (i, (name, _)) in sample.metrics.iter().enumerate() {
            // Nearly every row has the same metrics in the same order.
            if names.get(i) != Some(name) && !names.contains(name) {
                names.push(Text::clone(name));
            }
        }
    }
    names
}

fn to_batch(
    schema: &SchemaRef,
    cell: &CellIdentity,
    metrics: &[&str],
    rows: &[Sample],
) -> Result<RecordBatch, ArrowError> {
    let columns = schema
        .fields()
        .iter()
        .map(|field| column(field, cell, metrics, rows))
        .collect::<Result<Vec<ArrayRef>, ArrowError>>()?;
    RecordBatch::try_new(SchemaRef::clone(schema), columns)
}

fn column(
    field: &Field,
    cell: &CellIdentity,
    metrics: &[&str],
    rows: &[Sample],
) -> Result<ArrayRef, ArrowError> {
    let n = rows.len();
    let same_text = |text: Option<&str>| -> ArrayRef {
        Arc::new(StringArray::from_iter(std::iter::repeat_n(text, n)))
    };
    let same_number = |v: Option<f64>| -> ArrayRef { Arc::new(Float64Array::from(vec![v; n])) };
    let same_u64 = |v: Option<u64>| -> ArrayRef { Arc::new(UInt64Array::from(vec![v; n])) };
    let texts = |get: &dyn for<'s> Fn(&'s Sample) -> &'s str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(get)))
    };
    let maybe_texts = |get: &dyn for<'s> Fn(&'s Sample) -> Option<&'s str>| -> ArrayRef {
        Arc::new(rows.iter().map(get).collect::<StringArray>())
    };
    let counts = |get: &dyn Fn(&Sample) -> Option<u32>| -> ArrayRef {
        Arc::new(rows.iter().map(get).collect::<UInt32Array>())
    };
    let target = |get: &dyn Fn(&TargetScore) -> u32| -> ArrayRef {
        counts(&|s| s.target_score.as_ref().map(get))
    };
    Ok(match field.name().as_str() {
        "family" => same_text(Some(&cell.family)),
        "model" => same_text(Some(&cell.model)),
        "checkpoint_step" => same_u64(cell.checkpoint_step),
        "tuning" => same_text(cell.tuning.as_deref()),
        "params" => same_number(cell.params),
        "tokens" => same_number(cell.tokens),
        "flops" => same_number(cell.flops),
        "flops_kind" => same_text(cell.flops_kind.map(Known::name)),
        "train_loss_nats" => same_number(cell.train_loss_nats),
        "task" => same_text(Some(&cell.task)),
        "subset" => same_text(cell.subset.as_deref()),
        "split" => same_text(cell.split.as_deref()),
        "method" => same_text(Some(&cell.method)),
        "shots" => Arc::new(UInt32Array::from(vec![cell.shots; n])),
        "seed" => same_u64(cell.seed),
        "doc_id" => Arc::new(UInt64Array::from_iter_values(rows.iter().map(|s| s.doc_id))),
        "doc_hash" => texts(&|s| &s.doc_hash),
        "prompt_hash" => texts(&|s| &s.prompt_hash),
        "target_hash" => texts(&|s| &s.target_hash),
        "repeat" => Arc::new(UInt32Array::from_iter_values(rows.iter().map(|s| s.repeat))),
        "filter" => texts(&|s| &s.filter),
        "doc" => texts(&|s| &s.doc),
        "request" => texts(&|s| &s.request),
        "responses" => {
            let texts: StringArray = rows
                .iter()
                .flat_map(|s| &s.responses)
                .map(|t| Some(t.as_str()))
                .collect();
            list(
                field,
                rows.iter().map(|s| s.responses.len()),
                Arc::new(texts),
            )?
        }
        "filtered" => maybe_texts(&|s| s.filtered.as_deref()),
        "finish_reason" => maybe_texts(&|s| s.finish_reason.map(FinishReason::name)),
        "choices" => {
            let lengths = rows.iter().map(|s| s.choices.len());
            list(field, lengths, Arc::new(choices(rows)?))?
        }
        "gold" => counts(&|s| s.gold),
        "target" => texts(&|s| &s.target),
        "target_logprob" => Arc::new(
            rows.iter()
                .map(|s| s.target_score.as_ref().map(|t| t.logprob))
                .collect::<Float32Array>(),
        ),
        "target_is_greedy" => Arc::new(
            rows.iter()
                .map(|s| s.target_score.as_ref().map(|t| t.is_greedy))
                .collect::<BooleanArray>(),
        ),
        "target_n_tokens" => target(&|t| t.n_tokens),
        "target_n_chars" => target(&|t| t.n_chars),
        "target_n_bytes" => target(&|t| t.n_bytes),
        name => {
            let metric = name.strip_prefix(METRIC_PREFIX).unwrap_or(name);
            let at = metrics
                .iter()
                .position(|m| *m == metric)
                .unwrap_or_default();
            Arc::new(
                rows.iter()
                    .map(|s| match s.metrics.get(at) {
                        Some((name, value)) if &**name == metric => *value,
                        _ => {
                            let found = s.metrics.iter().find(|(name, _)| &**name == metric);
                            found.and_then(|(_, value)| *value)
                        }
                    })
                    .collect::<Float64Array>(),
            )
        }
    })
}

fn list(
    field: &Field,
    lengths: impl Iterator<Item = usize>,
    values: ArrayRef,
) -> Result<ArrayRef, ArrowError> {
    let DataType::List(item) = field.data_type() else {
        return Err(ArrowError::SchemaError(format!(
            "{} is no list",
            field.name()
        )));
    };
    let lists = ListArray::try_new(
        Arc::clone(item),
        OffsetBuffer::from_lengths(lengths),
        values,
        None,
    )?;
    Ok(Arc::new(lists))
}

fn choices(rows: &[Sample]) -> Result<StructArray, ArrowError> {
    let all = || rows.iter().flat_map(|s| &s.choices);
    let counts = |get: fn(&ChoiceScore) -> u32| -> ArrayRef {
        Arc::new(UInt32Array::from_iter_values(all().map(get)))
    };
    StructArray::try_new(
        schema::choice(),
        vec![
            Arc::new(StringArray::from_iter_values(all().map(|c| &*c.text))),
            Arc::new(Float32Array::from_iter_values(all().map(|c| c.logprob))),
            Arc::new(BooleanArray::from(
                all().map(|c| c.is_greedy).collect::<Vec<bool>>(),
            )),
            counts(|c| c.n_tokens),
            counts(|c| c.n_chars),
            counts(|c| c.n_bytes),
            Arc::new(
                all()
                    .map(|c| c.unconditional_logprob)
                    .collect::<Float32Array>(),
            ),
            Arc::new(BooleanArray::from(
                all()
                    .map(|c| c.unconditional_is_greedy)
                    .collect::<Vec<Option<bool>>>(),
            )),
        ],
        None,
    )
}

/// Reads the samples of a cell. The identity is that of the first row; `None` without rows.
///
/// Every row has all metrics of the file, null where it had none.
///
/// # Errors
/// [`StoreError`] when the file is no Parquet, another kind of table, of a newer version, or
/// lacks a column.
pub fn read_samples(path: &Path) -> Result<(Option<CellIdentity>, Vec<Sample>), StoreError> {
    guarded(path, || read(path))
}

fn read(path: &Path) -> Result<(Option<CellIdentity>, Vec<Sample>), StoreError> {
    let file = File::open(path).map_err(|e| StoreError::io("read", path, e))?;
    let builder = open(file, path)?;
    let key_values = builder
        .metadata()
        .file_metadata()
        .key_value_metadata()
        .cloned()
        .unwrap_or_default();
    schema::check_metadata(TableKind::Sample, |key| {
        let found = key_values.iter().find(|kv| kv.key == key);
        found.and_then(|kv| kv.value.clone())
    })
    .map_err(|cause| StoreError::Version {
        path: path.to_path_buf(),
        cause,
    })?;
    let metrics: Vec<Text> = builder
        .schema()
        .fields()
        .iter()
        .filter_map(|f| f.name().strip_prefix(METRIC_PREFIX).map(Text::from))
        .collect();
    let damaged = |e: &dyn std::fmt::Display| {
        StoreError::format(path, format!("cannot be read as Parquet: {e}"))
    };
    let reader = builder
        .with_batch_size(BATCH_ROWS)
        .build()
        .map_err(|e| damaged(&e))?;
    let mut cell = None;
    let mut samples = Vec::new();
    let texts = Texts::default();
    for batch in reader {
        let batch = batch.map_err(|e| damaged(&e))?;
        let columns = Columns { batch: &batch };
        let mut read = || -> Result<(), Cow<'static, str>> {
            if cell.is_none() && batch.num_rows() > 0 {
                cell = Some(columns.cell()?);
            }
            columns.samples(&metrics, &texts, &mut samples)
        };
        read().map_err(|message| StoreError::format(path, message))?;
    }
    Ok((cell, samples))
}

/// The columns of a batch by name.
pub(crate) struct Columns<'b> {
    pub(crate) batch: &'b RecordBatch,
}

type Found<'b, T> = Result<&'b T, Cow<'static, str>>;

impl<'b> Columns<'b> {
    fn array(&self, name: &str) -> Found<'b, ArrayRef> {
        self.batch
            .column_by_name(name)
            .ok_or_else(|| format!("a table of samples has no column '{name}'").into())
    }

    pub(crate) fn typed<T: 'static>(&self, name: &str, expected: &str) -> Found<'b, T> {
        let array = self.array(name)?;
        array.as_any().downcast_ref::<T>().ok_or_else(|| {
            format!(
                "column '{name}' is of type {}; expected {expected}",
                array.data_type()
            )
            .into()
        })
    }

    pub(crate) fn text(&self, name: &str) -> Found<'b, StringArray> {
        self.typed(name, "texts")
    }

    pub(crate) fn f64(&self, name: &str) -> Found<'b, Float64Array> {
        self.typed(name, "f64")
    }

    pub(crate) fn u64(&self, name: &str) -> Found<'b, UInt64Array> {
        self.typed(name, "u64")
    }

    pub(crate) fn u32(&self, name: &str) -> Found<'b, UInt32Array> {
        self.typed(name, "u32")
    }

    pub(crate) fn cell(&self) -> Result<CellIdentity, Cow<'static, str>> {
        let text = |name| -> Result<Option<Text>, Cow<'static, str>> {
            let column = self.text(name)?;
            Ok((!column.is_null(0)).then(|| Text::from(column.value(0))))
        };
        let required = |name: &'static str| -> Result<Text, Cow<'static, str>> {
            text(name)?.ok_or_else(|| format!("{name} is null in the first row").into())
        };
        let number = |name| -> Result<Option<f64>, Cow<'static, str>> {
            let column = self.f64(name)?;
            Ok((!column.is_null(0)).then(|| column.value(0)))
        };
        let whole = |name| -> Result<Option<u64>, Cow<'static, str>> {
            let column = self.u64(name)?;
            Ok((!column.is_null(0)).then(|| column.value(0)))
        };
        let shots = self.u32("shots")?;
        Ok(CellIdentity {
            family: required("family")?,
            model: required("model")?,
            checkpoint_step: whole("checkpoint_step")?,
            tuning: text("tuning")?,
            params: number("params")?,
            tokens: number("tokens")?,
            flops: number("flops")?,
            flops_kind: text("flops_kind")?.and_then(|k| Known::parse(&k)),
            train_loss_nats: number("train_loss_nats")?,
            task: required("task")?,
            subset: text("subset")?,
            split: text("split")?,
            method: required("method")?,
            shots: (!shots.is_null(0)).then(|| shots.value(0)),
            seed: whole("seed")?,
        })
    }

    fn samples(
        &self,
        metrics: &[Text],
        texts: &Texts,
        samples: &mut Vec<Sample>,
    ) -> Result<(), Cow<'static, str>> {
        let (doc_id, repeat) = (self.u64("doc_id")?, self.u32("repeat")?);
        let (doc_hash, prompt_hash) = (self.text("doc_hash")?, self.text("prompt_hash")?);
        let (target_hash, filter) = (self.text("target_hash")?, self.text("filter")?);
        let (doc, request) = (self.text("doc")?, self.text("request")?);
        let (filtered, finish) = (self.text("filtered")?, self.text("finish_reason")?);
        let (gold, target) = (self.u32("gold")?, self.text("target")?);
        let responses: &ListArray = self.typed("responses", "a list of texts")?;
        let options: &ListArray = self.typed("choices", "a list")?;
        let target_logprob: &Float32Array = self.typed("target_logprob", "f32")?;
        let target_is_greedy: &BooleanArray = self.typed("target_is_greedy", "true or false")?;
        let target_n_tokens = self.u32("target_n_tokens")?;
        let target_n_chars = self.u32("target_n_chars")?;
        let target_n_bytes = self.u32("target_n_bytes")?;
        let scores = metrics
            .iter()
            .map(|m| self.f64(&format!("{METRIC_PREFIX}{m}")))
            .collect::<Result<Vec<_>, _>>()?;
        let text = |column: &StringArray, i| -> Option<Text> {
            (!column.is_null(i)).then(|| Text::from(column.value(i)))
        };
        for i in 0..self.batch.num_rows() {
            samples.push(Sample {
                doc_id: doc_id.value(i),
                doc_hash: doc_hash.value(i).into(),
                prompt_hash: prompt_hash.value(i).into(),
                target_hash: texts.get(target_hash.value(i)),
                repeat: repeat.value(i),
                filter: texts.get(filter.value(i)),
                doc: doc.value(i).into(),
                request: request.value(i).into(),
                responses: responses_at(responses, i)?,
                filtered: text(filtered, i),
                finish_reason: text(finish, i).and_then(|f| FinishReason::parse(&f)),
                choices: choices_at(options, i)?,
                gold: (!gold.is_null(i)).then(|| gold.value(i)),
                target: texts.get(target.value(i)),
                target_score: (!target_logprob.is_null(i)).then(|| TargetScore {
                    logprob: target_logprob.value(i),
                    is_greedy: target_is_greedy.value(i),
                    n_tokens: target_n_tokens.value(i),
                    n_chars: target_n_chars.value(i),
                    n_bytes: target_n_bytes.value(i),
                }),
                metrics: metrics
                    .iter()
                    .zip(&scores)
                    .map(|(name, column)| {
                        let value = (!column.is_null(i)).then(|| column.value(i));
                        (Text::clone(name), value)
                    })
                    .collect(),
            });
        }
        Ok(())
    }
}

fn responses_at(lists: &ListArray, i: usize) -> Result<Vec<String>, Cow<'static, str>> {
    if lists.is_null(i) {
        return Ok(Vec::new());
    }
    let items = lists.value(i);
    let texts = items
        .as_string_opt::<i32>()
        .ok_or("column 'responses' is no list of texts")?;
    Ok((0..texts.len())
        .map(|j| texts.value(j).to_owned())
        .collect())
}

fn choices_at(lists: &ListArray, i: usize) -> Result<Vec<ChoiceScore>, Cow<'static, str>> {
    if lists.is_null(i) || lists.value_length(i) == 0 {
        return Ok(Vec::new());
    }
    let items = lists.value(i);
    let fields = items
        .as_struct_opt()
        .ok_or("column 'choices' is no list of objects")?;
    let field = |name: &'static str| -> Result<&ArrayRef, Cow<'static, str>> {
        fields
            .column_by_name(name)
            .ok_or_else(|| format!("column 'choices' has no field '{name}'").into())
    };
    let wrong = || Cow::Borrowed("a field of column 'choices' is of another type");
    let text = field("text")?.as_string_opt::<i32>().ok_or_else(wrong)?;
    let logprob = field("logprob")?
        .as_primitive_opt::<Float32Type>()
        .ok_or_else(wrong)?;
    let is_greedy = field("is_greedy")?.as_boolean_opt().ok_or_else(wrong)?;
    let count = |name| -> Result<&UInt32Array, Cow<'static, str>> {
        field(name)?
            .as_primitive_opt::<UInt32Type>()
            .ok_or_else(wrong)
    };
    let (n_tokens, n_chars, n_bytes) = (count("n_tokens")?, count("n_chars")?, count("n_bytes")?);
    let unconditional = field("unconditional_logprob")?
        .as_primitive_opt::<Float32Type>()
        .ok_or_else(wrong)?;
    let unconditional_greedy = field("unconditional_is_greedy")?
        .as_boolean_opt()
        .ok_or_else(wrong)?;
    Ok((0..fields.len())
        .map(|j| ChoiceScore {
            text: text.value(j).into(),
            logprob: logprob.value(j),
            is_greedy: is_greedy.value(j),
            n_tokens: n_tokens.value(j),
            n_chars: n_chars.value(j),
            n_bytes: n_bytes.value(j),
            unconditional_logprob: (!unconditional.is_null(j)).then(|| unconditional.value(j)),
            unconditional_is_greedy: (!unconditional_greedy.is_null(j))
                .then(|| unconditional_greedy.value(j)),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cell() -> CellIdentity {
        CellIdentity {
            family: "Pythia".into(),
            model: "EleutherAI/pythia-70m".into(),
            checkpoint_step: Some(1000),
            tuning: None,
            params: Some(7e7),
            tokens: Some(2.1e9),
            flops: Some(8.8e17),
            flops_kind: Some(Known::Derived),
            train_loss_nats: None,
            task: "arc_easy".into(),
            subset: None,
            split: Some("test".into()),
            method: "direct".into(),
            shots: Some(5),
            seed: Some(1234),
        }
    }

    fn sample(i: u64, n_choices: u64) -> Sample {
        Sample {
            doc_id: i,
            doc_hash: format!("{i:064x}").into(),
            prompt_hash: format!("{:064x}", i * 3).into(),
            target_hash: "aa".into(),
            repeat: 0,
            filter: "none".into(),
            doc: format!(r#"{{"question": "What is {i} plus {i}?", "answer": 1}}"#).into(),
            request: format!(
                "{}\n\nQuestion: what is {i} plus {i}?\nAnswer:",
                "Question: an example of some length that every prompt has.\nAnswer: 4\n\n"
                    .repeat(5)
            )
            .into(),
            responses: Vec::new(),
            filtered: None,
            finish_reason: None,
            choices: (0..n_choices)
                .map(|c| ChoiceScore {
                    text: format!("{c}").into(),
                    #[expect(clippy::cast_precision_loss, reason = "made up")]
                    logprob: -(c as f32) / 3.0 - (i % 97) as f32 / 7.0,
                    is_greedy: c == 0,
                    n_tokens: 1,
                    n_chars: 1,
                    n_bytes: 1,
                    unconditional_logprob: (c == 1).then_some(-0.5),
                    unconditional_is_greedy: (c == 1).then_some(i.is_multiple_of(2)),
                })
                .collect(),
            gold: Some(1),
            target: "1".into(),
            target_score: None,
            metrics: vec![("acc".into(), Some(0.0)), ("acc_norm".into(), None)],
        }
    }

    fn any_sample() -> impl Strategy<Value = Sample> {
        let text = || "[ -~\u{e9}\u{1f600}\n]{0,12}".prop_map(|t| Text::from(t.as_str()));
        let float = || {
            any::<u32>()
                .prop_map(f32::from_bits)
                .prop_filter("NaN is unlike itself", |f| !f.is_nan())
        };
        let choice = (
            text(),
            float(),
            any::<bool>(),
            any::<u32>(),
            prop::option::of(float()),
        )
            .prop_map(
                |(text, logprob, is_greedy, n, unconditional_logprob)| ChoiceScore {
                    text,
                    logprob,
                    is_greedy,
                    n_tokens: n,
                    n_chars: n / 2,
                    n_bytes: n / 3,
                    unconditional_is_greedy: unconditional_logprob.map(|l| l < -1.0),
                    unconditional_logprob,
                },
            );
        let generated = (
            prop::collection::vec("[a-z\n]{0,9}", 0..3),
            prop::option::of(text()),
            prop::option::of(prop::sample::select(vec![
                FinishReason::Stop,
                FinishReason::Eos,
                FinishReason::Length,
            ])),
        );
        let target = prop::option::of((float(), any::<bool>(), any::<u32>()));
        let score = prop::option::of(-1e300..1e300f64);
        (
            (any::<u64>(), any::<u32>(), text(), text(), text()),
            generated,
            prop::collection::vec(choice, 0..4),
            (prop::option::of(any::<u32>()), text(), target),
            (score.clone(), score),
        )
            .prop_map(
                |(head, generated, choices, (gold, target, target_score), scores)| Sample {
                    doc_id: head.0,
                    doc_hash: head.2.clone(),
                    prompt_hash: head.3.clone(),
                    target_hash: head.4.clone(),
                    repeat: head.1,
                    filter: head.2,
                    doc: head.3,
                    request: head.4,
                    responses: generated.0,
                    filtered: generated.1,
                    finish_reason: generated.2,
                    choices,
                    gold,
                    target,
                    target_score: target_score.map(|(logprob, is_greedy, n)| TargetScore {
                        logprob,
                        is_greedy,
                        n_tokens: n,
                        n_chars: n / 2,
                        n_bytes: n / 3,
                    }),
                    metrics: vec![("acc".into(), scores.0), ("f1".into(), scores.1)],
                },
            )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn samples_round_trip(rows in prop::collection::vec(any_sample(), 1..12)) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("samples.parquet");
            write_samples(&path, &cell(), &rows).unwrap();
            let (found, back) = read_samples(&path).unwrap();
            prop_assert_eq!(found, Some(cell()));
            prop_assert_eq!(back, rows);
        }
    }

    #[test]
    fn the_same_rows_are_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let rows: Vec<Sample> = (0..50).map(|i| sample(i, 4)).collect();
        let bytes: Vec<Vec<u8>> = (0..8)
            .map(|i| {
                let path = folder.path().join(format!("{i}.parquet"));
                write_samples(&path, &cell(), &rows).unwrap();
                std::fs::read(path).unwrap()
            })
            .collect();
        assert!(bytes.iter().all(|b| *b == bytes[0]));
        let text = String::from_utf8_lossy(&bytes[0]);
        assert!(
            !text.contains("parquet-rs"),
            "a library's version is in the file"
        );
    }

    #[test]
    fn metrics_of_some_rows_are_null_in_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.parquet");
        let mut rows = vec![sample(0, 0), sample(1, 0)];
        rows[0].metrics = vec![("a".into(), Some(1.0))];
        rows[1].metrics = vec![("b".into(), Some(2.0)), ("a".into(), Some(3.0))];
        write_samples(&path, &cell(), &rows).unwrap();
        let (_, back) = read_samples(&path).unwrap();
        assert_eq!(
            back[0].metrics,
            [("a".into(), Some(1.0)), ("b".into(), None)]
        );
        assert_eq!(
            back[1].metrics,
            [("a".into(), Some(3.0)), ("b".into(), Some(2.0))]
        );
    }

    #[test]
    fn scores_alone_are_those_of_the_samples() {
        use crate::item_table::read_items;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.parquet");
        let mut rows: Vec<Sample> = (0..6).map(|i| sample(i, 2)).collect();
        for (i, row) in rows.iter_mut().enumerate() {
            row.repeat = u32::from(i == 5);
            row.filter = if i % 2 == 0 { "none" } else { "strict" }.into();
            row.metrics = vec![("a".into(), (i != 2).then_some(i as f64))];
        }
        write_samples(&path, &cell(), &rows).unwrap();
        let found = read_items(&path).unwrap().expect("rows");
        assert_eq!(found.cell, cell());
        assert_eq!(found.rows.len(), 5, "later repeats are left out");
        for (item, row) in found.rows.iter().zip(&rows) {
            assert_eq!(item.doc_id, row.doc_id);
            assert_eq!(item.filter.is_none(), &*row.filter == "none");
            assert_eq!(item.scores, [row.metrics[0].1]);
            let target = row.target_score.as_ref().map(|t| f64::from(t.logprob));
            assert_eq!(item.target_logprob, target);
        }
        // Another table is passed over, a damaged file is not.
        let other = folder.path().join("m.parquet");
        let measured = upturn_types::Measurement::new("f", "m", "t", "acc", 0.5);
        crate::parquet::write_measurements(&other, &[measured]).unwrap();
        assert_eq!(read_items(&other).unwrap(), None);
        std::fs::write(&other, "PAR1").unwrap();
        assert!(read_items(&other).is_err());
    }

    #[test]
    fn what_is_no_table_of_samples_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.parquet");
        let row = upturn_types::Measurement::new("f", "m", "t", "acc", 0.5);
        crate::parquet::write_measurements(&path, &[row]).unwrap();
        let refused = read_samples(&path).unwrap_err().to_string();
        assert!(
            refused.ends_with("this is a measurement table; expected a sample table"),
            "{refused}"
        );
        std::fs::write(&path, "PAR1").unwrap();
        assert!(read_samples(&path).is_err());
        let nameless = CellIdentity {
            model: "".into(),
            ..cell()
        };
        assert!(write_samples(&path, &nameless, &[]).is_err());
        assert_eq!(
            std::fs::read(&path).unwrap(),
            b"PAR1",
            "the old file is left"
        );
        write_samples(&path, &cell(), &[]).unwrap();
        assert_eq!(read_samples(&path).unwrap(), (None, vec![]));
    }

    /// MMLU with five shots is 14,042 items of four options; four times that in one cell.
    #[test]
    fn a_large_cell_takes_seconds_and_little_room() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large.parquet");
        let rows: Vec<Sample> = (0..56_000).map(|i| sample(i, 4)).collect();
        write_samples(&path, &cell(), &rows).unwrap();
        let n_bytes = std::fs::metadata(&path).unwrap().len();
        let of_requests: usize = rows.iter().map(|r| r.request.len()).sum();
        assert!(
            n_bytes < of_requests as u64 / 2,
            "{n_bytes} bytes, requests alone {of_requests}"
        );
        assert_eq!(read_samples(&path).unwrap().1, rows);
    }
}
