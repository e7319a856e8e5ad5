//! A table as a list of columns, from which its Arrow schema, Parquet and CSV all derive.

use std::borrow::Cow;
use std::io::Write;
use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Float64Builder, ListBuilder, StringBuilder, UInt32Builder, UInt64Builder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, SchemaRef};

use crate::error::StoreError;

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    F64,
    U64,
    U32,
    Bool,
    /// A list of texts; in CSV joined by `;`.
    Texts,
}

/// The content of one column in one row; `None` is unknown.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell<'a> {
    Text(Option<Cow<'a, str>>),
    F64(Option<f64>),
    U64(Option<u64>),
    U32(Option<u32>),
    Bool(Option<bool>),
    Texts(Vec<Cow<'a, str>>),
}

impl<'a> Cell<'a> {
    pub(crate) fn text(text: &'a str) -> Self {
        Cell::Text(Some(Cow::Borrowed(text)))
    }

    pub(crate) fn maybe<T: AsRef<str> + ?Sized>(text: Option<&'a T>) -> Self {
        Cell::Text(text.map(|t| Cow::Borrowed(t.as_ref())))
    }

    pub(crate) fn texts<T: AsRef<str> + 'a>(texts: impl IntoIterator<Item = &'a T>) -> Self {
        Cell::Texts(
            texts
                .into_iter()
                .map(|t| Cow::Borrowed(t.as_ref()))
                .collect(),
        )
    }

    pub(crate) fn count(n: usize) -> Self {
        Cell::U64(Some(n as u64))
    }
}

/// A column over rows of type `R`.
pub(crate) struct Column<R> {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) nullable: bool,
    pub(crate) get: for<'a> fn(&'a R) -> Cell<'a>,
}

impl<R> Column<R> {
    pub(crate) const fn new(
        name: &'static str,
        kind: Kind,
        nullable: bool,
        get: for<'a> fn(&'a R) -> Cell<'a>,
    ) -> Self {
        Column {
            name,
            kind,
            nullable,
            get,
        }
    }
}

/// Rows as one Arrow batch.
pub(crate) fn to_batch<R>(
    schema: &SchemaRef,
    columns: &[Column<R>],
    rows: &[R],
) -> Result<RecordBatch, ArrowError> {
    let arrays = columns.iter().map(|c| to_array(c, rows)).collect();
    RecordBatch::try_new(Arc::clone(schema), arrays)
}

fn to_array<R>(column: &Column<R>, rows: &[R]) -> ArrayRef {
    // A cell of another kind than its column's is a mistake in a column table,
    // which a test over every table rules out; here it would read as unknown.
    macro_rules! primitive {
        ($builder:ty, $kind:path) => {{
            let mut builder = <$builder>::with_capacity(rows.len());
            for row in rows {
                builder.append_option(match (column.get)(row) {
                    $kind(cell) => cell,
                    _ => None,
                });
            }
            Arc::new(builder.finish())
        }};
    }
    match column.kind {
        Kind::F64 => primitive!(Float64Builder, Cell::F64),
        Kind::U64 => primitive!(UInt64Builder, Cell::U64),
        Kind::U32 => primitive!(UInt32Builder, Cell::U32),
        Kind::Bool => primitive!(BooleanBuilder, Cell::Bool),
        Kind::Text => {
            let mut builder = StringBuilder::new();
            for row in rows {
                builder.append_option(match (column.get)(row) {
                    Cell::Text(cell) => cell,
                    _ => None,
                });
            }
            Arc::new(builder.finish())
        }
        Kind::Texts => {
            let mut builder = ListBuilder::new(StringBuilder::new())
                .with_field(Arc::new(Field::new_list_field(DataType::Utf8, false)));
            for row in rows {
                if let Cell::Texts(texts) = (column.get)(row) {
                    for text in texts {
                        builder.values().append_value(text);
                    }
                }
                builder.append(true);
            }
            Arc::new(builder.finish())
        }
    }
}

/// Rows as CSV with a header, lines ended by `\n`.
///
/// Unknown is an empty field. Numbers are the shortest text that reads back to
/// the same bits. Lists are joined by `;`, with `\` before a `;` or `\` inside.
pub(crate) fn to_csv<'r, R: 'r>(
    columns: &[Column<R>],
    rows: impl IntoIterator<Item = &'r R>,
    out: &mut dyn Write,
    path: &std::path::Path,
) -> Result<(), StoreError> {
    let failed = |e: csv::Error| match e.into_kind() {
        csv::ErrorKind::Io(cause) => StoreError::io("write", path, cause),
        other => StoreError::format(path, format!("{other:?}")),
    };
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::Any(b'\n'))
        .from_writer(out);
    writer
        .write_record(columns.iter().map(|c| c.name))
        .map_err(failed)?;
    for (i, row) in rows.into_iter().enumerate() {
        for column in columns {
            let cell = (column.get)(row);
            let empty = match &cell {
                Cell::Text(Some(text)) => text.is_empty(),
                Cell::Texts(texts) => texts.iter().any(|t| t.is_empty()),
                _ => false,
            };
            if empty {
                return Err(StoreError::EmptyText {
                    row: i + 1,
                    column: column.name,
                });
            }
            writer.write_field(&*cell_text(&cell)).map_err(failed)?;
        }
        writer.write_record(None::<&[u8]>).map_err(failed)?;
    }
    writer
        .flush()
        .map_err(|cause| StoreError::io("write", path, cause))
}

fn cell_text<'c>(cell: &'c Cell<'_>) -> Cow<'c, str> {
    fn shown<T: std::fmt::Debug>(value: Option<T>) -> Cow<'static, str> {
        value.map_or(Cow::Borrowed(""), |v| Cow::Owned(format!("{v:?}")))
    }
    match cell {
        Cell::Text(text) => Cow::Borrowed(text.as_deref().unwrap_or("")),
        Cell::F64(value) => shown(*value),
        Cell::U64(value) => shown(*value),
        Cell::U32(value) => shown(*value),
        Cell::Bool(value) => shown(*value),
        Cell::Texts(texts) => Cow::Owned(join_list(texts.iter().map(|t| &**t))),
    }
}

/// Joins a list into one CSV field; [`split_list`] undoes it.
pub(crate) fn join_list<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    let mut joined = String::new();
    for (i, text) in texts.into_iter().enumerate() {
        if i > 0 {
            joined.push(';');
        }
        for c in text.chars() {
            if matches!(c, ';' | '\\') {
                joined.push('\\');
            }
            joined.push(c);
        }
    }
    joined
}

/// The texts of a list field; empty parts are dropped.
pub(crate) fn split_list(field: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = field.chars();
    while let Some(c) = chars.next() {
        match c {
            ';' => parts.push(String::new()),
            '\\' => parts.last_mut().expect("never empty").extend(chars.next()),
            _ => parts.last_mut().expect("never empty").push(c),
        }
    }
    parts.retain(|p| !p.is_empty());
    parts
}

#[cfg(test)]
pub(crate) fn assert_kinds<R>(columns: &[Column<R>], row: &R) {
    for column in columns {
        let kind = match (column.get)(row) {
            Cell::Text(_) => Kind::Text,
            Cell::F64(_) => Kind::F64,
            Cell::U64(_) => Kind::U64,
            Cell::U32(_) => Kind::U32,
            Cell::Bool(_) => Kind::Bool,
            Cell::Texts(_) => Kind::Texts,
        };
        assert_eq!(kind, column.kind, "column {}", column.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lists_survive_one_field(texts in prop::collection::vec("[;\\\\a-c,\"\n]{1,6}", 0..5)) {
            let joined = join_list(texts.iter().map(String::as_str));
            prop_assert_eq!(split_list(&joined), texts);
        }
    }
}
