//! CSV and TSV, with the types that pandas infers.
//!
//! A column is whole numbers where every cell is one and none is empty; floats where the
//! cells that are not empty are numbers; true and false where these are; text otherwise.
//! The words that pandas takes for an empty cell (`NA`, `null`, `None`…) are null.

use std::io::BufRead;
use std::path::Path;

use serde_json::{Number, Value};

use super::{DatasetFileError, Row};
use crate::capped::{Capped, RECORD_BYTES_MAX, is_too_long};

/// Cells that stand for no value, besides the empty one.
const NULLS: [&str; 18] = [
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
    "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan",
];

fn is_null(cell: &str) -> bool {
    cell == "null" || NULLS.contains(&cell)
}

pub(super) fn read(
    path: &Path,
    reader: impl BufRead,
    delimiter: u8,
    rows: &mut Vec<Row>,
) -> Result<(), DatasetFileError> {
    let (capped, limit) = Capped::new(reader, RECORD_BYTES_MAX);
    let mut csv = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .has_headers(true)
        .from_reader(capped);
    let names = names(csv.headers().map_err(|e| refused(path, &e))?);
    let mut columns: Vec<Column> = names.iter().map(|_| Column::default()).collect();
    let mut n_rows: usize = 0;
    let mut record = csv::StringRecord::new();
    loop {
        limit.set(csv.position().byte().saturating_add(RECORD_BYTES_MAX));
        if !csv
            .read_record(&mut record)
            .map_err(|e| refused(path, &e))?
        {
            break;
        }
        n_rows += 1;
        if record.len() > columns.len() {
            let line = record.position().map_or(0, csv::Position::line);
            return Err(DatasetFileError::content(
                path,
                format!("line {line}"),
                format!(
                    "has {} fields; expected {}, as in the header",
                    record.len(),
                    columns.len()
                ),
            ));
        }
        for (i, column) in columns.iter_mut().enumerate() {
            column.push(record.get(i));
        }
    }
    let start = rows.len();
    rows.resize_with(start + n_rows, || Row::with_capacity(names.len()));
    for (name, column) in names.iter().zip(columns) {
        for (row, value) in rows[start..].iter_mut().zip(column.into_values()) {
            row.insert(name.clone(), value);
        }
    }
    Ok(())
}

/// Names of columns as pandas makes them unique: `a`, `a.1`, `Unnamed: 2`.
fn names(header: &csv::StringRecord) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(header.len());
    for (i, cell) in header.iter().enumerate() {
        let base = if cell.is_empty() {
            format!("Unnamed: {i}")
        } else {
            cell.to_owned()
        };
        let mut name = base.clone();
        let mut n = 0;
        while names.contains(&name) {
            n += 1;
            name = format!("{base}.{n}");
        }
        names.push(name);
    }
    names
}

fn refused(path: &Path, error: &csv::Error) -> DatasetFileError {
    let place = error.position().map(|p| format!("line {}", p.line()));
    if is_too_long(error) {
        return DatasetFileError::content(
            path,
            place,
            "a row without an end; is a quotation mark not closed?",
        );
    }
    match error.kind() {
        csv::ErrorKind::Io(cause) => DatasetFileError::Io {
            path: path.to_path_buf(),
            cause: cause.kind().into(),
        },
        csv::ErrorKind::Utf8 { .. } => DatasetFileError::content(
            path,
            place,
            "is not UTF-8; convert it (for example: iconv -f latin1 -t utf-8)",
        ),
        _ => DatasetFileError::content(path, place, error),
    }
}

/// The cells of a column, and what they can still be.
struct Column {
    cells: Vec<Option<Box<str>>>,
    any_null: bool,
    maybe_int: bool,
    maybe_float: bool,
    maybe_bool: bool,
}

impl Default for Column {
    fn default() -> Self {
        Column {
            cells: Vec::new(),
            any_null: false,
            maybe_int: true,
            maybe_float: true,
            maybe_bool: true,
        }
    }
}

impl Column {
    fn push(&mut self, cell: Option<&str>) {
        let Some(cell) = cell.filter(|c| !is_null(c)) else {
            self.any_null = true;
            self.cells.push(None);
            return;
        };
        self.maybe_int = self.maybe_int && int(cell).is_some();
        self.maybe_float = self.maybe_float && float(cell).is_some();
        self.maybe_bool = self.maybe_bool && truth(cell).is_some();
        self.cells.push(Some(cell.into()));
    }

    fn into_values(self) -> impl Iterator<Item = Value> {
        // An integer column of pandas has no place for a missing value.
        let as_int = self.maybe_int && !self.any_null;
        let (as_float, as_bool) = (self.maybe_float, self.maybe_bool);
        self.cells.into_iter().map(move |cell| {
            let Some(cell) = cell else {
                return Value::Null;
            };
            let number = |n: Option<f64>| n.and_then(Number::from_f64).map(Value::Number);
            let typed = if as_int {
                int(&cell)
            } else if as_float {
                number(float(&cell))
            } else if as_bool {
                truth(&cell).map(Value::Bool)
            } else {
                None
            };
            typed.unwrap_or_else(|| Value::String(cell.into()))
        })
    }
}

fn int(cell: &str) -> Option<Value> {
    let cell = cell.trim_matches(' ');
    cell.parse::<i64>()
        .map(Value::from)
        .or_else(|_| cell.parse::<u64>().map(Value::from))
        .ok()
}

/// A finite number in the usual spellings.
fn float(cell: &str) -> Option<f64> {
    let cell = cell.trim_matches(' ');
    let spelled = cell
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'));
    if !spelled {
        return None;
    }
    cell.parse().ok().filter(|f: &f64| f.is_finite())
}

fn truth(cell: &str) -> Option<bool> {
    match cell {
        "True" | "TRUE" | "true" => Some(true),
        "False" | "FALSE" | "false" => Some(false),
        _ => None,
    }
}
