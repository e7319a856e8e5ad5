//! What a file holds, told from its first bytes and never from its name.

use std::fs::File;
use std::io::{self, Read};

use jiter::{Jiter, Peek};

use crate::canonical_csv;

/// Bytes looked at.
const PEEK_BYTES: u64 = 1 << 16;

/// Lines of a table that must have as many fields as its header.
const N_LINES_ALIKE: usize = 3;

/// What a file seems to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// Nothing.
    Empty,
    /// A Parquet file.
    Parquet,
    /// Results of lm-evaluation-harness; `today` for the names with filters.
    Results { today: bool },
    /// Samples of lm-evaluation-harness.
    Samples,
    /// A JSON object whose first bytes do not say what it is.
    SomeJson,
    /// A CSV with the columns of measurements.
    Measurements,
    /// Another table with these columns.
    Table { columns: Vec<String> },
    /// Text in UTF-16, whatever it says.
    Utf16,
    /// Something else.
    Unknown,
}

/// Looks at the start of a file.
///
/// # Errors
/// When it cannot be opened or read.
pub(crate) fn recognise(file: &File) -> io::Result<Content> {
    let mut start = Vec::new();
    file.take(PEEK_BYTES).read_to_end(&mut start)?;
    Ok(recognise_start(&start))
}

/// What a file with this start holds.
pub(crate) fn recognise_start(start: &[u8]) -> Content {
    if start.starts_with(b"PAR1") {
        return Content::Parquet;
    }
    if start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff") {
        return Content::Utf16;
    }
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    match start.iter().find(|b| !b.is_ascii_whitespace()) {
        None if start.is_empty() || (start.len() as u64) < PEEK_BYTES => Content::Empty,
        None => Content::Unknown,
        Some(b'{') => json(start),
        Some(b'[') => Content::Unknown,
        Some(_) => table(start),
    }
}

fn json(start: &[u8]) -> Content {
    let mut keys = Vec::new();
    // The start may end anywhere: the keys before that are what there is.
    let _ends_early = top_keys(start, &mut keys);
    let has = |key: &str| keys.iter().any(|k| k == key);
    if has("doc_id") || has("filtered_resps") {
        Content::Samples
    } else if has("results") {
        let today = ["group_subtasks", "configs", "n-samples", "n-shot"]
            .into_iter()
            .any(has)
            || memchr::memmem::find(start, b",none\"").is_some();
        Content::Results { today }
    } else {
        Content::SomeJson
    }
}

fn top_keys(start: &[u8], keys: &mut Vec<String>) -> Result<(), jiter::JiterError> {
    let mut jiter = Jiter::new(start).with_allow_inf_nan();
    let mut key = jiter.next_object()?.map(str::to_owned);
    while let Some(name) = key {
        keys.push(name);
        let peek = jiter.peek()?;
        if peek == Peek::Object || peek == Peek::Array || peek == Peek::String {
            jiter.known_skip(peek)?;
        } else {
            jiter.known_value(peek)?;
        }
        key = jiter.next_key()?.map(str::to_owned);
    }
    Ok(())
}

fn table(start: &[u8]) -> Content {
    for delimiter in [b',', b'\t', b';'] {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .from_reader(start);
        let mut records = reader.byte_records();
        let Some(Ok(header)) = records.next() else {
            continue;
        };
        let columns: Vec<String> = header
            .iter()
            .map(|name| String::from_utf8_lossy(name).trim().to_owned())
            .collect();
        if delimiter == b',' && canonical_csv::recognises(columns.iter().map(String::as_str)) {
            return Content::Measurements;
        }
        let named = columns
            .iter()
            .all(|c| c.parse::<f64>().is_err() && c.len() < 80 && !c.contains('\u{fffd}'));
        // The last record may be cut by the end of the start.
        let whole = (start.len() as u64) < PEEK_BYTES;
        let lengths: Vec<usize> = records
            .filter_map(Result::ok)
            .map(|record| record.len())
            .take(N_LINES_ALIKE + 1)
            .collect();
        let alike = match (whole, lengths.len()) {
            (true, n) => &lengths[..n.min(N_LINES_ALIKE)],
            (false, n) => &lengths[..n.saturating_sub(1).min(N_LINES_ALIKE)],
        };
        if columns.len() > 1
            && named
            && !alike.is_empty()
            && alike.iter().all(|&n| n == columns.len())
        {
            return Content::Table { columns };
        }
    }
    Content::Unknown
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(start: &str) -> Content {
        recognise_start(start.as_bytes())
    }

    #[test]
    fn files_are_told_by_what_they_hold() {
        assert_eq!(of(""), Content::Empty);
        assert_eq!(of(" \n"), Content::Empty);
        assert_eq!(of("PAR1...."), Content::Parquet);
        assert_eq!(
            of(r#"{"results": {"a": {"acc": 1}}, "versions": {}"#),
            Content::Results { today: false }
        );
        assert_eq!(
            of(r#"{"results": {"a": {"acc,none": 1"#),
            Content::Results { today: true }
        );
        assert_eq!(
            of(r#"{"date": NaN, "results": {}, "n-shot": {}}"#),
            Content::Results { today: true }
        );
        assert_eq!(
            of("{\"doc_id\": 0, \"doc\": {\"results\": 1}}\n"),
            Content::Samples
        );
        assert_eq!(of(r#"{"config": {"x": "#), Content::SomeJson);
        assert_eq!(
            of("\u{feff}family,model,task,metric,value\n"),
            Content::Measurements
        );
        assert_eq!(
            of("Model;Size;Score\na;7;0.5\n"),
            Content::Table {
                columns: vec!["Model".into(), "Size".into(), "Score".into()]
            }
        );
        assert_eq!(of("# Read me\n\nHello, you, there.\n"), Content::Unknown);
        assert_eq!(of("[1, 2]\n[3, 4]\n"), Content::Unknown);
        assert_eq!(recognise_start(&[0, 1, 2, 255]), Content::Unknown);
        assert_eq!(recognise_start(b"\xff\xfef\0a\0"), Content::Utf16);
    }

    proptest! {
        #[test]
        fn any_start_is_something(start in prop::collection::vec(any::<u8>(), 0..200)) {
            recognise_start(&start);
        }
    }
}
