//! Parquet: Arrow's columns, nested ones too, as JSON.

use std::fs::File;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::temporal_conversions::{
    date32_to_datetime, date64_to_datetime, time32ms_to_time, time32s_to_time, time64ns_to_time,
    time64us_to_time, timestamp_ms_to_datetime, timestamp_ns_to_datetime, timestamp_s_to_datetime,
    timestamp_us_to_datetime,
};
use arrow_array::types::{
    Date32Type, Date64Type, Decimal128Type, Decimal256Type, Float16Type, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType, Time32SecondType,
    Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, OffsetSizeTrait, StructArray};
use arrow_schema::{DataType, TimeUnit};
use serde_json::{Number, Value};

use super::{DatasetFileError, Row};
use crate::error::StoreError;
use crate::parquet::{guarded, open};

/// Rows converted at a time.
const BATCH_ROWS: usize = 4096;

pub(super) fn read(path: &Path, rows: &mut Vec<Row>) -> Result<(), DatasetFileError> {
    let start = rows.len();
    let outcome = guarded(path, || read_batches(path, rows));
    if outcome.is_err() {
        rows.truncate(start);
    }
    outcome.map_err(DatasetFileError::from)
}

fn read_batches(path: &Path, rows: &mut Vec<Row>) -> Result<(), StoreError> {
    let file = File::open(path).map_err(|e| StoreError::io("read", path, e))?;
    let reader = open(file, path)?
        .with_batch_size(BATCH_ROWS)
        .build()
        .map_err(|e| StoreError::format(path, format!("cannot be read as Parquet: {e}")))?;
    for batch in reader {
        let batch = batch.map_err(|e| {
            let hint = if e.to_string().contains("Disabled feature") {
                "; write it again with the compression zstd, snappy, gzip or none"
            } else {
                ""
            };
            StoreError::format(path, format!("cannot be read as Parquet: {e}{hint}"))
        })?;
        let start = rows.len();
        rows.resize_with(start + batch.num_rows(), || {
            Row::with_capacity(batch.num_columns())
        });
        let schema = batch.schema();
        for (field, array) in schema.fields().iter().zip(batch.columns()) {
            let values = values(array).map_err(|found| {
                StoreError::format(
                    path,
                    format!(
                        "column '{}' is of type {found}, which is not read",
                        field.name()
                    ),
                )
            })?;
            for (row, value) in rows[start..].iter_mut().zip(values) {
                row.insert(field.name().clone(), value);
            }
        }
    }
    Ok(())
}

/// The values of an array; the error is the type that has no form in JSON.
fn values(array: &ArrayRef) -> Result<Vec<Value>, DataType> {
    macro_rules! int {
        ($t:ty) => {
            array
                .as_primitive::<$t>()
                .iter()
                .map(|v| v.map_or(Value::Null, Value::from))
                .collect()
        };
    }
    macro_rules! printed {
        ($t:ty, $to:expr) => {
            array
                .as_primitive::<$t>()
                .iter()
                .map(|v| v.and_then($to).map_or(Value::Null, Value::String))
                .collect()
        };
    }
    // Python prints six digits of a second's fraction, or none where it is zero.
    macro_rules! stamp {
        ($t:ty, $to:expr, $zoned:expr) => {
            printed!($t, |v| $to(v).map(|at| {
                let zone = if $zoned { "+00:00" } else { "" };
                let fraction = fraction(&at.format("%6f").to_string());
                format!("{}{fraction}{zone}", at.format("%Y-%m-%d %H:%M:%S"))
            }))
        };
    }
    macro_rules! clock {
        ($t:ty, $to:expr) => {
            printed!($t, |v| $to(v).map(|at| {
                let fraction = fraction(&at.format("%6f").to_string());
                format!("{}{fraction}", at.format("%H:%M:%S"))
            }))
        };
    }
    macro_rules! decimal {
        ($t:ty) => {{
            let array = array.as_primitive::<$t>();
            (0..array.len())
                .map(|i| {
                    if array.is_null(i) {
                        Value::Null
                    } else {
                        Value::String(array.value_as_string(i))
                    }
                })
                .collect()
        }};
    }
    macro_rules! texts {
        ($array:expr) => {
            $array
                .iter()
                .map(|v| v.map_or(Value::Null, |v| Value::String(v.to_owned())))
                .collect()
        };
    }
    macro_rules! bytes {
        ($array:expr) => {
            $array
                .iter()
                .map(|v| {
                    v.and_then(|v| std::str::from_utf8(v).ok())
                        .map_or(Value::Null, |v| Value::String(v.to_owned()))
                })
                .collect()
        };
    }
    let float = |v: f64| Number::from_f64(v).map_or(Value::Null, Value::Number);
    Ok(match array.data_type() {
        DataType::Null => vec![Value::Null; array.len()],
        DataType::Boolean => array
            .as_boolean()
            .iter()
            .map(|v| v.map_or(Value::Null, Value::Bool))
            .collect(),
        DataType::Int8 => int!(Int8Type),
        DataType::Int16 => int!(Int16Type),
        DataType::Int32 => int!(Int32Type),
        DataType::Int64 => int!(Int64Type),
        DataType::UInt8 => int!(UInt8Type),
        DataType::UInt16 => int!(UInt16Type),
        DataType::UInt32 => int!(UInt32Type),
        DataType::UInt64 => int!(UInt64Type),
        DataType::Float16 => array
            .as_primitive::<Float16Type>()
            .iter()
            .map(|v| v.map_or(Value::Null, |v| float(v.to_f64())))
            .collect(),
        DataType::Float32 => array
            .as_primitive::<Float32Type>()
            .iter()
            .map(|v| v.map_or(Value::Null, |v| float(f64::from(v))))
            .collect(),
        DataType::Float64 => array
            .as_primitive::<Float64Type>()
            .iter()
            .map(|v| v.map_or(Value::Null, float))
            .collect(),
        DataType::Utf8 => texts!(array.as_string::<i32>()),
        DataType::LargeUtf8 => texts!(array.as_string::<i64>()),
        DataType::Utf8View => texts!(array.as_string_view()),
        DataType::Binary => bytes!(array.as_binary::<i32>()),
        DataType::LargeBinary => bytes!(array.as_binary::<i64>()),
        DataType::BinaryView => bytes!(array.as_binary_view()),
        DataType::FixedSizeBinary(_) => bytes!(array.as_fixed_size_binary()),
        DataType::Date32 => {
            printed!(Date32Type, |v| date32_to_datetime(v)
                .map(|at| at.format("%Y-%m-%d").to_string()))
        }
        DataType::Date64 => {
            printed!(Date64Type, |v| date64_to_datetime(v)
                .map(|at| at.format("%Y-%m-%d").to_string()))
        }
        DataType::Timestamp(unit, zone) => {
            let zoned = zone.is_some();
            match unit {
                TimeUnit::Second => stamp!(TimestampSecondType, timestamp_s_to_datetime, zoned),
                TimeUnit::Millisecond => {
                    stamp!(TimestampMillisecondType, timestamp_ms_to_datetime, zoned)
                }
                TimeUnit::Microsecond => {
                    stamp!(TimestampMicrosecondType, timestamp_us_to_datetime, zoned)
                }
                TimeUnit::Nanosecond => {
                    stamp!(TimestampNanosecondType, timestamp_ns_to_datetime, zoned)
                }
            }
        }
        DataType::Time32(TimeUnit::Second) => clock!(Time32SecondType, time32s_to_time),
        DataType::Time32(_) => clock!(Time32MillisecondType, time32ms_to_time),
        DataType::Time64(TimeUnit::Microsecond) => clock!(Time64MicrosecondType, time64us_to_time),
        DataType::Time64(_) => clock!(Time64NanosecondType, time64ns_to_time),
        DataType::Decimal128(..) => decimal!(Decimal128Type),
        DataType::Decimal256(..) => decimal!(Decimal256Type),
        DataType::List(_) => list::<i32>(array)?,
        DataType::LargeList(_) => list::<i64>(array)?,
        DataType::FixedSizeList(_, _) => {
            let lists = array.as_fixed_size_list();
            let inner = values(lists.values())?;
            let width = usize::try_from(lists.value_length()).unwrap_or_default();
            (0..lists.len())
                .map(|i| {
                    if lists.is_null(i) {
                        return Value::Null;
                    }
                    let from = i * width;
                    Value::Array(inner.get(from..from + width).unwrap_or_default().to_vec())
                })
                .collect()
        }
        DataType::Struct(_) => objects(array.as_struct())?,
        DataType::Map(_, _) => {
            // Python reads a map as a list of pairs.
            let maps = array.as_map();
            let keys = values(maps.keys())?;
            let items = values(maps.values())?;
            let pairs: Vec<Value> = keys
                .into_iter()
                .zip(items)
                .map(|(k, v)| Value::Array(vec![k, v]))
                .collect();
            let offsets = maps.offsets();
            (0..maps.len())
                .map(|i| {
                    if maps.is_null(i) {
                        return Value::Null;
                    }
                    let at = |i: usize| usize::try_from(offsets[i]).unwrap_or_default();
                    Value::Array(pairs.get(at(i)..at(i + 1)).unwrap_or_default().to_vec())
                })
                .collect()
        }
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            let known = values(dictionary.values())?;
            let keys = dictionary.normalized_keys();
            (0..array.len())
                .map(|i| {
                    if array.is_null(i) {
                        return Value::Null;
                    }
                    keys.get(i)
                        .and_then(|&k| known.get(k))
                        .cloned()
                        .unwrap_or_default()
                })
                .collect()
        }
        other => return Err(other.clone()),
    })
}

fn fraction(micros: &str) -> String {
    if micros.bytes().all(|b| b == b'0') {
        String::new()
    } else {
        format!(".{micros}")
    }
}

fn list<O: OffsetSizeTrait>(array: &ArrayRef) -> Result<Vec<Value>, DataType> {
    let lists = array.as_list::<O>();
    let offsets = lists.value_offsets();
    let at = |i: usize| offsets.get(i).map_or(0, |o| o.as_usize());
    // Only what the offsets reach: a slice keeps the values of the whole.
    let (first, last) = (at(0), at(lists.len()));
    let mut inner = values(&lists.values().slice(first, last - first))?.into_iter();
    let mut next = first;
    Ok((0..lists.len())
        .map(|i| {
            let (from, to) = (at(i), at(i + 1));
            for _ in next..from {
                inner.next();
            }
            next = to.max(next);
            let items: Vec<Value> = inner.by_ref().take(to - from).collect();
            if lists.is_null(i) {
                Value::Null
            } else {
                Value::Array(items)
            }
        })
        .collect())
}

fn objects(array: &StructArray) -> Result<Vec<Value>, DataType> {
    let mut objects: Vec<Row> = vec![Row::with_capacity(array.num_columns()); array.len()];
    for (name, column) in array.column_names().into_iter().zip(array.columns()) {
        for (object, value) in objects.iter_mut().zip(values(column)?) {
            object.insert(name.to_owned(), value);
        }
    }
    Ok(objects
        .into_iter()
        .enumerate()
        .map(|(i, object)| {
            if array.is_null(i) {
                Value::Null
            } else {
                Value::Object(object)
            }
        })
        .collect())
}
