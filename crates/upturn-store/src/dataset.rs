//! Rows of data sets on disk: JSON, CSV, text and Parquet as JSON objects.
//!
//! [`read_rows`] reads one file by its ending, [`hub_layout`] finds the files of a split
//! in a folder laid out like those on the Hugging Face hub. Columns and their types come
//! out as the Python library `datasets` (4) gives them, since prompts and hashes are made
//! from them: every row has every column, a whole column is a float once one number in it
//! is, empty cells of a CSV are null.
//!
//! What JSON cannot hold becomes null: NaN, infinities, and bytes that are no UTF-8. Dates and
//! times become the texts that Python prints for them (`2020-01-31 12:00:00`).

mod columnar;
mod columns;
mod delimited;
mod error;
mod front_matter;
mod json_rows;
mod layout;
mod text_lines;

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

pub use error::DatasetFileError;
pub use layout::hub_layout;

/// A row: its columns in their order.
pub type Row = Map<String, Value>;

/// How to read what a file's ending does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowOptions<'a> {
    /// Key of a JSON document under which its rows are.
    pub field: Option<&'a str>,
    /// What separates the fields of a CSV; by default a tab in `.tsv` and a comma elsewhere.
    pub delimiter: Option<u8>,
}

/// What a file holds, by its ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Format {
    Parquet,
    Json,
    Csv,
    Tsv,
    Text,
}

impl Format {
    /// The format that a name's ending tells; `.gz` and `.zst` are looked through.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        let bare = lower
            .strip_suffix(".gz")
            .or_else(|| lower.strip_suffix(".zst"))
            .unwrap_or(&lower);
        match bare.rsplit_once('.')?.1 {
            "parquet" => Some(Format::Parquet),
            "json" | "jsonl" | "ndjson" => Some(Format::Json),
            "csv" => Some(Format::Csv),
            "tsv" => Some(Format::Tsv),
            "txt" => Some(Format::Text),
            _ => None,
        }
    }
}

/// Reads the rows of one file.
///
/// JSON is an array of objects, objects one after the other (JSON lines), or an array of
/// texts (column `text`); a text file has one row per line in the column `text`.
///
/// # Errors
/// [`DatasetFileError`]: the file cannot be read, its ending is unknown, or its content is
/// not what the ending says.
pub fn read_rows(path: &Path) -> Result<Vec<Row>, DatasetFileError> {
    read_rows_with(path, &RowOptions::default())
}

/// Reads the rows of one file, with options.
///
/// # Errors
/// As [`read_rows`].
pub fn read_rows_with(path: &Path, options: &RowOptions<'_>) -> Result<Vec<Row>, DatasetFileError> {
    read_files(&[path.to_path_buf()], options)
}

/// Reads several files as one table: rows in the order of the files, columns those of all.
///
/// # Errors
/// As [`read_rows`]; the first file that cannot be read ends it.
pub fn read_files(
    paths: &[PathBuf],
    options: &RowOptions<'_>,
) -> Result<Vec<Row>, DatasetFileError> {
    let mut rows = Vec::new();
    let mut settled = paths.len() <= 1;
    for path in paths {
        // A link into a cache ends in a hash: the name is the link's own.
        let name = path.to_string_lossy();
        match Format::of(&name) {
            Some(Format::Parquet) => columnar::read(path, &mut rows)?,
            Some(Format::Json) => {
                json_rows::read(path, open(path)?, options.field, &mut rows)?;
                settled = false;
            }
            Some(Format::Csv) => {
                delimited::read(
                    path,
                    open(path)?,
                    options.delimiter.unwrap_or(b','),
                    &mut rows,
                )?;
            }
            Some(Format::Tsv) => {
                delimited::read(
                    path,
                    open(path)?,
                    options.delimiter.unwrap_or(b'\t'),
                    &mut rows,
                )?;
            }
            Some(Format::Text) => text_lines::read(path, open(path)?, &mut rows)?,
            None => {
                return Err(DatasetFileError::UnknownEnding { path: path.clone() });
            }
        }
    }
    if !settled {
        columns::unify(&mut rows);
    }
    Ok(rows)
}

/// Opens a file and unpacks it where it is gzip, told from its first bytes.
fn open(path: &Path) -> Result<Box<dyn BufRead>, DatasetFileError> {
    let io = |cause| DatasetFileError::Io {
        path: path.to_path_buf(),
        cause,
    };
    let file = File::open(path).map_err(io)?;
    let mut reader = BufReader::with_capacity(1 << 18, file);
    let start = reader.fill_buf().map_err(io)?;
    if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        return Err(DatasetFileError::Content {
            path: path.to_path_buf(),
            place: None,
            message: "is compressed with zstd, which is not read; unpack it (zstd -d) or compress \
                      it with gzip"
                .to_owned(),
        });
    }
    let mut reader: Box<dyn BufRead> = if start.starts_with(&[0x1f, 0x8b]) {
        let unpacked = flate2::bufread::MultiGzDecoder::new(reader);
        Box::new(BufReader::with_capacity(1 << 18, unpacked))
    } else {
        Box::new(reader)
    };
    let start = reader.fill_buf().map_err(io)?;
    if start.starts_with(b"\xef\xbb\xbf") {
        reader.consume(3);
    } else if start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff") {
        return Err(DatasetFileError::Content {
            path: path.to_path_buf(),
            place: None,
            message:
                "is UTF-16; expected UTF-8 (convert it, for example: iconv -f utf-16 -t utf-8)"
                    .to_owned(),
        });
    }
    Ok(reader)
}

/// Reads everything, for documents that are one value.
fn read_all(path: &Path, mut reader: impl Read) -> Result<Vec<u8>, DatasetFileError> {
    let mut bytes = Vec::new();
    reader
        .read_to_end(&mut bytes)
        .map_err(|cause| DatasetFileError::Io {
            path: path.to_path_buf(),
            cause,
        })?;
    Ok(bytes)
}
