//! JSON: an array of objects, objects one after the other, or rows under a key.

use std::fmt;
use std::io::BufRead;
use std::path::Path;

use serde::de::{Deserializer as _, SeqAccess, Visitor};
use serde_json::Value;

use super::text_lines::text_row;
use super::{DatasetFileError, Row};

pub(super) fn read(
    path: &Path,
    mut reader: impl BufRead,
    field: Option<&str>,
    rows: &mut Vec<Row>,
) -> Result<(), DatasetFileError> {
    if let Some(field) = field {
        return under(path, reader, field, rows);
    }
    match first_byte(path, &mut reader)? {
        None => Ok(()),
        Some(b'[') => {
            let mut json = serde_json::Deserializer::from_reader(reader);
            json.deserialize_seq(Rows { rows })
                .and_then(|()| json.end())
                .map_err(|e| refused(path, &e))
        }
        Some(_) => {
            let stream = serde_json::Deserializer::from_reader(reader).into_iter::<Value>();
            for value in stream {
                let value = value.map_err(|e| refused(path, &e))?;
                let number = rows.len() + 1;
                rows.push(row(value).map_err(|found| {
                    DatasetFileError::content(path, format!("row {number}"), found)
                })?);
            }
            Ok(())
        }
    }
}

/// Rows under a key: an array of objects, or an object of columns.
fn under(
    path: &Path,
    reader: impl BufRead,
    field: &str,
    rows: &mut Vec<Row>,
) -> Result<(), DatasetFileError> {
    let bytes = super::read_all(path, reader)?;
    let mut document: Value = serde_json::from_slice(&bytes).map_err(|e| refused(path, &e))?;
    let found = document
        .as_object_mut()
        .and_then(|object| object.remove(field))
        .ok_or_else(|| {
            DatasetFileError::content(
                path,
                None,
                format!("has no key '{field}' at its top; the rows are expected there"),
            )
        })?;
    let wrong = |found: String| DatasetFileError::content(path, field.to_owned(), found);
    match found {
        Value::Array(items) => {
            for item in items {
                rows.push(row(item).map_err(wrong)?);
            }
            Ok(())
        }
        Value::Object(columns) => from_columns(columns, rows).map_err(wrong),
        other => Err(wrong(format!(
            "is {}; expected an array of objects",
            kind(&other)
        ))),
    }
}

/// Rows from `{"a": [1, 2], "b": [3, 4]}`.
fn from_columns(columns: Row, rows: &mut Vec<Row>) -> Result<(), String> {
    let start = rows.len();
    for (name, values) in columns {
        let Value::Array(values) = values else {
            return Err(format!(
                "column '{name}' is {}; expected an array",
                kind(&values)
            ));
        };
        if rows.len() == start {
            rows.resize(start + values.len(), Row::new());
        }
        if rows.len() - start != values.len() {
            return Err(format!(
                "column '{name}' has {} values; expected {}, as the columns before it",
                values.len(),
                rows.len() - start
            ));
        }
        for (row, value) in rows[start..].iter_mut().zip(values) {
            row.insert(name.clone(), value);
        }
    }
    Ok(())
}

fn row(value: Value) -> Result<Row, String> {
    match value {
        Value::Object(row) => Ok(row),
        Value::String(text) => Ok(text_row(text)),
        other => Err(format!("is {}; expected an object", kind(&other))),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// The first byte that is no space, which stays in the reader.
fn first_byte(path: &Path, reader: &mut impl BufRead) -> Result<Option<u8>, DatasetFileError> {
    loop {
        let buffer = reader.fill_buf().map_err(|cause| DatasetFileError::Io {
            path: path.to_path_buf(),
            cause,
        })?;
        if buffer.is_empty() {
            return Ok(None);
        }
        match buffer.iter().position(|b| !b.is_ascii_whitespace()) {
            // Lines before it stay: places in messages count from the start of the file.
            Some(at) => return Ok(buffer.get(at).copied()),
            None => {
                let n = buffer.len();
                reader.consume(n);
            }
        }
    }
}

/// The error with line and column, in the words of this crate.
fn refused(path: &Path, error: &serde_json::Error) -> DatasetFileError {
    if let Some(kind) = error.io_error_kind() {
        return DatasetFileError::Io {
            path: path.to_path_buf(),
            cause: kind.into(),
        };
    }
    let place = format!("line {}, column {}", error.line(), error.column());
    let message = error.to_string();
    let message = message
        .split(" at line ")
        .next()
        .unwrap_or_default()
        .to_owned();
    let message = if error.is_eof() {
        "ends in the middle; expected whole JSON (copy or write the file again)".to_owned()
    } else if error.is_data() {
        message
    } else {
        format!("is no JSON: {message}")
    };
    DatasetFileError::content(path, place, message)
}

/// Takes the elements of an array one by one, so that the document is never held beside the rows.
struct Rows<'r> {
    rows: &'r mut Vec<Row>,
}

impl<'de> Visitor<'de> for Rows<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element::<Value>()? {
            self.rows.push(row(item).map_err(|found| {
                serde::de::Error::custom(format!("row {} {found}", self.rows.len() + 1))
            })?);
        }
        Ok(())
    }
}
