//! Scores of single items out of a file of samples, without its texts.

use std::borrow::Cow;
use std::fs::File;
use std::path::Path;

use arrow_array::{Array, Float32Array, StringArray};
use parquet::arrow::ProjectionMask;
use upturn_types::Text;

use crate::error::StoreError;
use crate::parquet::{guarded, open};
use crate::sample_table::{CellIdentity, Columns};
use crate::schema::{self, METRIC_PREFIX, TableKind};
use crate::texts::Texts;

/// Columns read beside the metrics.
const COLUMNS: [&str; 19] = [
    "family",
    "model",
    "checkpoint_step",
    "tuning",
    "params",
    "tokens",
    "flops",
    "flops_kind",
    "train_loss_nats",
    "task",
    "subset",
    "split",
    "method",
    "shots",
    "seed",
    "doc_id",
    "repeat",
    "filter",
    "target_logprob",
];

/// One item as it was scored.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemRow {
    /// Index of the item in its split.
    pub doc_id: u64,
    /// Filter that made the scored answer; `None` where there is none.
    pub filter: Option<Text>,
    /// Log-probability of the whole target, nats, where it was asked.
    pub target_logprob: Option<f64>,
    /// Score per metric of [`CellItems::metrics`].
    pub scores: Vec<Option<f64>>,
}

/// The items of one cell.
#[derive(Debug, Clone, PartialEq)]
pub struct CellItems {
    /// Model, task and method.
    pub cell: CellIdentity,
    /// Metrics, in the order of the file.
    pub metrics: Vec<Text>,
    /// Items, first repeats alone: what joins repeats is scored there.
    pub rows: Vec<ItemRow>,
}

/// Reads the scores of a file of samples; `None` where it holds no rows or another kind of table.
///
/// # Errors
/// [`StoreError`] when the file is no Parquet, of a newer version, or lacks a column.
pub fn read_items(path: &Path) -> Result<Option<CellItems>, StoreError> {
    guarded(path, || read(path))
}

fn read(path: &Path) -> Result<Option<CellItems>, StoreError> {
    let file = File::open(path).map_err(|e| StoreError::io("read", path, e))?;
    let builder = open(file, path)?;
    let names: Vec<String> = builder
        .schema()
        .fields()
        .iter()
        .map(|f| f.name().clone())
        .collect();
    // Other tables may lie in the same folder.
    if !["doc_id", "target_logprob", "request"]
        .iter()
        .all(|column| names.iter().any(|n| n == column))
    {
        return Ok(None);
    }
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
    let metrics: Vec<Text> = names
        .iter()
        .filter_map(|name| name.strip_prefix(METRIC_PREFIX).map(Text::from))
        .collect();
    // By place, not by name: a point in a name would be read as a path.
    let wanted = names
        .iter()
        .enumerate()
        .filter(|(_, name)| COLUMNS.contains(&&***name) || name.starts_with(METRIC_PREFIX))
        .map(|(i, _)| i);
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
    let damaged = |e: &dyn std::fmt::Display| {
        StoreError::format(path, format!("cannot be read as Parquet: {e}"))
    };
    let reader = builder
        .with_projection(mask)
        .build()
        .map_err(|e| damaged(&e))?;
    let texts = Texts::default();
    let mut cell = None;
    let mut rows = Vec::new();
    for batch in reader {
        let batch = batch.map_err(|e| damaged(&e))?;
        let columns = Columns { batch: &batch };
        let mut read = || -> Result<(), Cow<'static, str>> {
            if cell.is_none() && batch.num_rows() > 0 {
                cell = Some(columns.cell()?);
            }
            items(&columns, &metrics, &texts, &mut rows)
        };
        read().map_err(|message| StoreError::format(path, message))?;
    }
    Ok(cell.map(|cell| CellItems {
        cell,
        metrics,
        rows,
    }))
}

fn items(
    columns: &Columns<'_>,
    metrics: &[Text],
    texts: &Texts,
    rows: &mut Vec<ItemRow>,
) -> Result<(), Cow<'static, str>> {
    let (doc_id, repeat) = (columns.u64("doc_id")?, columns.u32("repeat")?);
    let filter: &StringArray = columns.text("filter")?;
    let target: &Float32Array = columns.typed("target_logprob", "f32")?;
    let scores = metrics
        .iter()
        .map(|m| columns.f64(&format!("{METRIC_PREFIX}{m}")))
        .collect::<Result<Vec<_>, _>>()?;
    for i in 0..doc_id.len() {
        if repeat.value(i) != 0 {
            continue;
        }
        let named =
            (!filter.is_null(i) && filter.value(i) != "none").then(|| texts.get(filter.value(i)));
        rows.push(ItemRow {
            doc_id: doc_id.value(i),
            filter: named,
            target_logprob: (!target.is_null(i)).then(|| f64::from(target.value(i))),
            scores: scores
                .iter()
                .map(|s| (!s.is_null(i)).then(|| s.value(i)))
                .collect(),
        });
    }
    Ok(())
}
