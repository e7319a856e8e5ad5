//! Our tables in Parquet: measurements written and read, verdicts and curves written.

use std::borrow::Cow;
use std::fs::File;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::ChunkReader;
use upturn_types::{Analysis, Diagnostic, Measurement};

use crate::curve_table::{self, CurveRow};
use crate::error::StoreError;
use crate::files::write_whole;
use crate::measurement_table::{self, CellError};
use crate::parsed::{FileInfo, Parsed};
use crate::schema::{self, TableKind};
use crate::table::{Cell, Column, Kind, to_batch};
use crate::texts::Texts;
use crate::verdict_table;

/// Rows converted at a time, so that memory does not grow with the table.
const BATCH_ROWS: usize = 8192;

/// Writes measurements; the file appears whole or not at all.
///
/// # Errors
/// [`StoreError`] when the file cannot be written.
pub fn write_measurements(path: &Path, rows: &[Measurement]) -> Result<(), StoreError> {
    write(
        path,
        TableKind::Measurement,
        &schema::measurement(),
        measurement_table::COLUMNS,
        rows,
    )
}

/// Writes the verdicts of an analysis in their order; whole or not at all.
///
/// # Errors
/// [`StoreError`] when the file cannot be written.
pub fn write_verdicts(path: &Path, analysis: &Analysis) -> Result<(), StoreError> {
    write(
        path,
        TableKind::Verdict,
        &schema::verdict(),
        verdict_table::COLUMNS,
        &analysis.verdicts,
    )
}

/// Writes every point of every curve in every view; whole or not at all.
///
/// # Errors
/// [`StoreError`] when the file cannot be written.
pub fn write_curves(path: &Path, analysis: &Analysis) -> Result<(), StoreError> {
    let rows: Vec<CurveRow<'_>> = curve_table::rows(analysis);
    write(
        path,
        TableKind::Curve,
        &schema::curve(),
        &curve_table::columns(),
        &rows,
    )
}

/// Reads a table of measurements.
///
/// Rows that cannot be read are left out, with a diagnostic each in the result.
///
/// # Errors
/// [`StoreError`] when the file as a whole cannot be read: no Parquet, another
/// kind of table, a newer format version, or required columns missing.
pub fn read_measurements(path: &Path) -> Result<Parsed, StoreError> {
    let file = File::open(path).map_err(|e| StoreError::io("read", path, e))?;
    let info = FileInfo::new(
        path,
        path.file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .as_ref(),
    );
    read_from(file, &info, &Texts::default())
}

/// Reads measurements from the bytes of a Parquet file.
///
/// # Errors
/// As [`read_measurements`].
pub fn parse(bytes: &[u8], info: &FileInfo, texts: &Texts) -> Result<Parsed, StoreError> {
    read_from(bytes::Bytes::copy_from_slice(bytes), info, texts)
}

/// Whether the file is a table of measurements, by its metadata or its columns.
///
/// # Errors
/// [`StoreError::Format`] when it is no readable Parquet file.
pub(crate) fn is_measurements(
    file: File,
    path: &Path,
) -> Result<Result<(), Vec<String>>, StoreError> {
    let builder = guarded(path, || open(file, path))?;
    let names: Vec<String> = builder
        .schema()
        .fields()
        .iter()
        .map(|f| f.name().clone())
        .collect();
    let ours = builder.schema().metadata().contains_key(schema::SCHEMA_KEY)
        || measurement_table::is_measurement_table(names.iter().map(String::as_str));
    Ok(if ours { Ok(()) } else { Err(names) })
}

/// Reads measurements from anything that holds the bytes of a Parquet file.
///
/// # Errors
/// As [`read_measurements`].
pub fn read_from<R: ChunkReader + 'static>(
    input: R,
    info: &FileInfo,
    texts: &Texts,
) -> Result<Parsed, StoreError> {
    guarded(&info.path, || read_rows(input, info, texts))
}

fn read_rows<R: ChunkReader + 'static>(
    input: R,
    info: &FileInfo,
    texts: &Texts,
) -> Result<Parsed, StoreError> {
    let path = info.path.as_path();
    let builder = open(input, path)?;
    let key_values = builder
        .metadata()
        .file_metadata()
        .key_value_metadata()
        .cloned()
        .unwrap_or_default();
    schema::check_metadata(TableKind::Measurement, |key| {
        key_values
            .iter()
            .find(|kv| kv.key == key)
            .and_then(|kv| kv.value.clone())
    })
    .map_err(|cause| StoreError::Version {
        path: path.to_path_buf(),
        cause,
    })?;
    let schema = SchemaRef::clone(builder.schema());
    let mut parsed = Parsed::default();
    let columns = find_columns(&schema, info, &mut parsed)?;
    let reader = builder
        .with_batch_size(BATCH_ROWS)
        .build()
        .map_err(|e| damaged(path, &e))?;
    read_batches(reader, &columns, info, texts, &mut parsed)?;
    Ok(parsed)
}

/// Reads the footer, and refuses places in the file that the library would panic on.
pub(crate) fn open<R: ChunkReader + 'static>(
    input: R,
    path: &Path,
) -> Result<ParquetRecordBatchReaderBuilder<R>, StoreError> {
    let n_bytes = input.len();
    let builder = ParquetRecordBatchReaderBuilder::try_new(input).map_err(|e| damaged(path, &e))?;
    let chunks = builder
        .metadata()
        .row_groups()
        .iter()
        .flat_map(|group| group.columns());
    for chunk in chunks {
        let start = chunk
            .dictionary_page_offset()
            .unwrap_or_else(|| chunk.data_page_offset());
        let end = start.checked_add(chunk.compressed_size());
        let inside = start >= 0
            && chunk.compressed_size() >= 0
            && end.is_some_and(|end| u64::try_from(end).is_ok_and(|end| end <= n_bytes));
        if !inside {
            return Err(damaged(path, &"a column lies outside of the file"));
        }
    }
    Ok(builder)
}

/// Runs a reader of foreign bytes; a panic in the library is a damaged file, not our end.
pub(crate) fn guarded<T>(
    path: &Path,
    read: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    // Nothing half read outlives the closure.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(damaged(path, &"its structure is damaged")))
}

fn find_columns(
    schema: &SchemaRef,
    info: &FileInfo,
    parsed: &mut Parsed,
) -> Result<Vec<(usize, usize)>, StoreError> {
    let names = schema.fields().iter().map(|f| f.name().as_str());
    if let Some(missing) = measurement_table::REQUIRED
        .iter()
        .find(|r| !names.clone().any(|n| n == **r))
    {
        return Err(StoreError::format(
            &info.path,
            format!("a table of measurements has no column '{missing}'"),
        ));
    }
    let mut columns = Vec::new();
    for (i, field) in schema.fields().iter().enumerate() {
        match measurement_table::COLUMNS
            .iter()
            .position(|c| c.name == field.name())
        {
            Some(ours) => columns.push((i, ours)),
            None => parsed.diagnostics.push(
                Diagnostic::note(format!(
                    "column '{}' is not one of a table of measurements; ignored",
                    field.name()
                ))
                .file(&info.name),
            ),
        }
    }
    Ok(columns)
}

fn read_batches(
    reader: ParquetRecordBatchReader,
    columns: &[(usize, usize)],
    info: &FileInfo,
    texts: &Texts,
    parsed: &mut Parsed,
) -> Result<(), StoreError> {
    for batch in reader {
        let batch: RecordBatch = batch.map_err(|e| damaged(&info.path, &e))?;
        for row in 0..batch.num_rows() {
            parsed.n_rows += 1;
            let place = format!("row {}", parsed.n_rows);
            match read_row(&batch, row, columns, info, texts) {
                Ok(mut m) => {
                    m.origin = Some(info.origin(&place));
                    parsed.measurements.push(m);
                }
                Err(e) => parsed.refuse_row(
                    Diagnostic::error(e.message)
                        .file(&info.name)
                        .place(place)
                        .expected(e.expected),
                ),
            }
        }
    }
    Ok(())
}

fn read_row(
    batch: &RecordBatch,
    row: usize,
    columns: &[(usize, usize)],
    info: &FileInfo,
    texts: &Texts,
) -> Result<Measurement, CellError> {
    let mut m = Measurement::new("", "", "", "", 0.0);
    m.source = info.source.clone();
    for &(theirs, ours) in columns {
        let cell = cell_at(batch.column(theirs), row, &measurement_table::COLUMNS[ours])?;
        measurement_table::set(&mut m, ours, cell, texts)?;
    }
    Ok(m)
}

fn cell_at<'b>(
    array: &'b ArrayRef,
    row: usize,
    column: &Column<Measurement>,
) -> Result<Cell<'b>, CellError> {
    let wrong = |expected| CellError {
        column: column.name,
        message: format!("{} is of type {}", column.name, array.data_type()),
        expected,
    };
    let whole = || match number_at(array, row) {
        None => Err(wrong("a whole number, 0 or more")),
        Some(None) => Ok(None),
        Some(Some(Number::Whole(v))) => Ok(Some(v)),
        Some(Some(Number::Real(v))) if (0.0..9e15).contains(&v) && v.fract() == 0.0 =>
        {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "checked to be a whole number in range"
            )]
            Ok(Some(v as u64))
        }
        Some(Some(Number::Real(v))) => Err(CellError {
            message: format!("{} is {v}", column.name),
            ..wrong("a whole number, 0 or more")
        }),
    };
    Ok(match column.kind {
        Kind::Text => Cell::Text(
            text_at(array, row)
                .ok_or_else(|| wrong("a text"))?
                .filter(|t| !t.is_empty())
                .map(Cow::Borrowed),
        ),
        Kind::F64 => Cell::F64(match number_at(array, row) {
            None => return Err(wrong("a number")),
            Some(None) => None,
            #[expect(clippy::cast_precision_loss, reason = "a count read as a number")]
            Some(Some(Number::Whole(v))) => Some(v as f64),
            Some(Some(Number::Real(v))) => Some(v),
        }),
        Kind::U64 => Cell::U64(whole()?),
        Kind::U32 => Cell::U32(
            whole()?
                .map(|v| {
                    u32::try_from(v).map_err(|_| CellError {
                        message: format!("{} is {v}", column.name),
                        ..wrong("a whole number below 4294967296")
                    })
                })
                .transpose()?,
        ),
        Kind::Bool => Cell::Bool(match array.as_boolean_opt() {
            Some(a) => (!a.is_null(row)).then(|| a.value(row)),
            None if matches!(array.data_type(), DataType::Null) => None,
            None => return Err(wrong("true or false")),
        }),
        Kind::Texts => list_at(array, row).ok_or_else(|| wrong("a list of texts"))?,
    })
}

enum Number {
    Whole(u64),
    Real(f64),
}

/// The number at `row`; `None` when the column holds no numbers, `Some(None)` for null.
fn number_at(array: &ArrayRef, row: usize) -> Option<Option<Number>> {
    macro_rules! signed {
        ($t:ty) => {{
            let v = i64::from(array.as_primitive::<$t>().value(row));
            u64::try_from(v).map_or_else(
                |_| {
                    #[expect(clippy::cast_precision_loss, reason = "refused or used as a number")]
                    Number::Real(v as f64)
                },
                Number::Whole,
            )
        }};
    }
    macro_rules! unsigned {
        ($t:ty) => {
            Number::Whole(u64::from(array.as_primitive::<$t>().value(row)))
        };
    }
    let valid = !array.is_null(row);
    Some(match array.data_type() {
        DataType::Null => None,
        DataType::Float64 => {
            valid.then(|| Number::Real(array.as_primitive::<Float64Type>().value(row)))
        }
        DataType::Float32 => {
            valid.then(|| Number::Real(f64::from(array.as_primitive::<Float32Type>().value(row))))
        }
        DataType::Int8 => valid.then(|| signed!(Int8Type)),
        DataType::Int16 => valid.then(|| signed!(Int16Type)),
        DataType::Int32 => valid.then(|| signed!(Int32Type)),
        DataType::Int64 => valid.then(|| signed!(Int64Type)),
        DataType::UInt8 => valid.then(|| unsigned!(UInt8Type)),
        DataType::UInt16 => valid.then(|| unsigned!(UInt16Type)),
        DataType::UInt32 => valid.then(|| unsigned!(UInt32Type)),
        DataType::UInt64 => valid.then(|| unsigned!(UInt64Type)),
        _ => return None,
    })
}

/// The text at `row`; `None` when the column holds no texts, `Some(None)` for null.
pub(crate) fn text_at(array: &ArrayRef, row: usize) -> Option<Option<&str>> {
    if let DataType::Dictionary(..) = array.data_type() {
        if array.is_null(row) {
            return Some(None);
        }
        // Keys are widened for a whole array; of this row alone that costs nothing.
        let one = array.slice(row, 1);
        let key = *one.as_any_dictionary().normalized_keys().first()?;
        return text_at(array.as_any_dictionary().values(), key);
    }
    let valid = !array.is_null(row);
    Some(match array.data_type() {
        DataType::Null => None,
        DataType::Utf8 => valid.then(|| array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => valid.then(|| array.as_string::<i64>().value(row)),
        DataType::Utf8View => valid.then(|| array.as_string_view().value(row)),
        _ => return None,
    })
}

fn list_at(array: &ArrayRef, row: usize) -> Option<Cell<'static>> {
    if array.is_null(row) || matches!(array.data_type(), DataType::Null) {
        return Some(Cell::Texts(Vec::new()));
    }
    let items = match array.data_type() {
        DataType::List(_) => array.as_list::<i32>().value(row),
        DataType::LargeList(_) => array.as_list::<i64>().value(row),
        _ => {
            // A table that passed through CSV holds the joined text.
            let joined = text_at(array, row)?.unwrap_or_default();
            let texts = crate::table::split_list(joined);
            return Some(Cell::Texts(texts.into_iter().map(Cow::Owned).collect()));
        }
    };
    let mut texts = Vec::with_capacity(items.len());
    for i in 0..items.len() {
        if let Some(text) = text_at(&items, i)?.filter(|t| !t.is_empty()) {
            texts.push(Cow::Owned(text.to_owned()));
        }
    }
    Some(Cell::Texts(texts))
}

fn write<R>(
    path: &Path,
    kind: TableKind,
    schema: &SchemaRef,
    columns: &[Column<R>],
    rows: &[R],
) -> Result<(), StoreError> {
    let key_values = schema::metadata(kind)
        .into_iter()
        .map(|(key, value)| KeyValue::new(key, value));
    let mut key_values: Vec<KeyValue> = key_values.collect();
    key_values.sort_by(|a, b| a.key.cmp(&b.key));
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_key_value_metadata(Some(key_values))
        .build();
    write_whole(path, |out| {
        let failed = |e: ParquetError| match e {
            ParquetError::External(cause) if cause.is::<std::io::Error>() => {
                StoreError::format(path, format!("cannot write it: {cause}"))
            }
            other => StoreError::format(path, other),
        };
        let arrow = |e: ArrowError| StoreError::format(path, e);
        let mut writer = ArrowWriter::try_new(out, SchemaRef::clone(schema), Some(properties))
            .map_err(failed)?;
        for chunk in rows.chunks(BATCH_ROWS) {
            let batch = to_batch(schema, columns, chunk).map_err(arrow)?;
            writer.write(&batch).map_err(failed)?;
        }
        writer.close().map_err(failed)?;
        Ok(())
    })
}

fn damaged(path: &Path, cause: &dyn std::fmt::Display) -> StoreError {
    StoreError::format(path, format!("cannot be read as Parquet: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement_table::tests::{any_measurement, assert_same};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn measurements_round_trip(rows in prop::collection::vec(any_measurement(), 0..12)) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("measurements.parquet");
            write_measurements(&path, &rows).unwrap();
            let back = read_measurements(&path).unwrap();
            prop_assert_eq!(&back.diagnostics, &[]);
            prop_assert_eq!(back.measurements.len(), rows.len());
            for (mut read, written) in back.measurements.into_iter().zip(&rows) {
                read.origin = None;
                assert_same(&read, written);
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..200), framed: bool) {
            if framed {
                bytes.splice(0..0, *b"PAR1");
                bytes.extend_from_slice(b"PAR1");
            }
            let _ = parse(&bytes, &FileInfo::new(Path::new("t.parquet"), "t"), &Texts::default());
        }

        #[test]
        fn damaged_tables_are_read_or_refused(at in 0usize..4000, with: u8) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("m.parquet");
            write_measurements(&path, &[Measurement::new("f", "m", "t", "acc", 0.5)]).unwrap();
            let mut bytes = std::fs::read(&path).unwrap();
            let n = bytes.len();
            bytes[at % n] = with;
            let _ = parse(&bytes, &FileInfo::new(Path::new("t.parquet"), "t"), &Texts::default());
        }
    }

    #[test]
    fn a_newer_version_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.parquet");
        let file = File::create(&path).unwrap();
        let properties = WriterProperties::builder()
            .set_key_value_metadata(Some(vec![
                KeyValue::new(schema::SCHEMA_KEY.to_owned(), "measurement".to_owned()),
                KeyValue::new(schema::VERSION_KEY.to_owned(), "2".to_owned()),
            ]))
            .build();
        let plain = std::sync::Arc::new(arrow_schema::Schema::new(
            schema::measurement().fields().clone(),
        ));
        ArrowWriter::try_new(file, plain, Some(properties))
            .unwrap()
            .close()
            .unwrap();
        let refused = read_measurements(&path).unwrap_err().to_string();
        assert!(refused.contains("version 2 is newer"), "{refused}");
    }

    /// Widening all keys of a batch for each of its rows would take minutes here.
    #[test]
    fn long_columns_of_categories() {
        use arrow_array::types::Int32Type;
        use arrow_array::{DictionaryArray, Float64Array};
        use std::sync::Arc;
        let n = 200_000;
        let names = |a, b| -> ArrayRef {
            let rows = (0..n).map(|i| if i % 3 == 0 { a } else { b });
            Arc::new(rows.collect::<DictionaryArray<Int32Type>>())
        };
        let batch = RecordBatch::try_from_iter([
            ("family", names("F", "F")),
            ("model", names("a", "b")),
            ("task", names("t", "u")),
            ("metric", names("acc", "f1")),
            (
                "value",
                Arc::new(Float64Array::from(vec![0.5; n])) as ArrayRef,
            ),
        ])
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("categories.parquet");
        let mut writer =
            ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let read = read_measurements(&path).unwrap();
        assert_eq!(read.measurements.len(), n);
        let last = &read.measurements[n - 1];
        assert_eq!((&*last.model, &*last.metric), ("b", "f1"));
        assert_eq!(&*read.measurements[3].model, "a");
    }

    #[test]
    fn tables_of_other_tools_are_read_with_their_types() {
        use arrow_array::{Int64Array, LargeStringArray, NullArray, StringViewArray};
        use std::sync::Arc;
        let columns: Vec<(&str, ArrayRef)> = vec![
            (
                "value",
                Arc::new(arrow_array::Float32Array::from(vec![0.5, 0.25])),
            ),
            ("family", Arc::new(LargeStringArray::from(vec!["F", "F"]))),
            ("model", Arc::new(StringViewArray::from(vec!["a", "b"]))),
            (
                "task",
                Arc::new(LargeStringArray::from(vec![Some("t"), None])),
            ),
            (
                "metric",
                Arc::new(LargeStringArray::from(vec!["acc", "acc"])),
            ),
            (
                "n",
                Arc::new(arrow_array::Float64Array::from(vec![Some(100.0), None])),
            ),
            ("shots", Arc::new(Int64Array::from(vec![5, 5]))),
            ("note", Arc::new(NullArray::new(2))),
            ("extra", Arc::new(Int64Array::from(vec![1, 2]))),
        ];
        let batch = RecordBatch::try_from_iter_with_nullable(
            columns.into_iter().map(|(name, array)| (name, array, true)),
        )
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("theirs.parquet");
        let mut writer =
            ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();

        let read = read_measurements(&path).unwrap();
        assert_eq!(read.n_rows, 2);
        assert_eq!(read.measurements.len(), 1);
        let m = &read.measurements[0];
        assert_eq!((m.value, m.n, m.shots), (0.5, Some(100), Some(5)));
        assert_eq!((&*m.source, &*m.method), ("theirs", "direct"));
        let lines: Vec<String> = read.diagnostics.iter().map(ToString::to_string).collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(
            lines[0].ends_with("column 'extra' is not one of a table of measurements; ignored")
        );
        assert!(lines[1].ends_with("row 2: task is empty; expected a text"));
    }
}
