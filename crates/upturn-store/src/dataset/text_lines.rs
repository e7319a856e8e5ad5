//! Plain text: a row per line, in the column `text`.

use std::io::BufRead;
use std::path::Path;

use serde_json::Value;

use super::{DatasetFileError, Row};

pub(super) fn read(
    path: &Path,
    reader: impl BufRead,
    rows: &mut Vec<Row>,
) -> Result<(), DatasetFileError> {
    let text = super::read_all(path, reader)?;
    let text = String::from_utf8(text).map_err(|e| {
        DatasetFileError::content(
            path,
            format!("byte {}", e.utf8_error().valid_up_to()),
            "is not UTF-8; convert it (for example: iconv -f latin1 -t utf-8)",
        )
    })?;
    // Python reads text with \r\n and a lone \r as ends of lines too.
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    rows.extend(text.lines().map(|line| text_row(line.to_owned())));
    Ok(())
}

/// A row of one text.
pub(super) fn text_row(text: String) -> Row {
    Row::from_iter([("text".to_owned(), Value::String(text))])
}
