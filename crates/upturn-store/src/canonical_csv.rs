//! Our tables as CSV: measurements written and read, verdicts written.
//!
//! The first line names the columns, in any order; those a table of measurements
//! has are read, others are reported once and ignored. Only `family`, `model`,
//! `task`, `metric` and `value` must be there, so a table made by hand can be short.
//! A table that words its settings (`setting` but no `method`: `few-shot(5)`, `cot(8-shot)`), as
//! papers do, has method, shots and metric read from the words: chain of thought and direct
//! answers must never share a curve.
//!
//! A CSV has no place for a format version: a column added by a later release is one that
//! this one reports and ignores.

use std::io::Read;
use std::path::Path;

use upturn_catalog::metric_info;
use upturn_types::{Analysis, Diagnostic, Known, Measurement, flag};

use crate::capped::{Capped, RECORD_BYTES_MAX, is_too_long};
use crate::error::StoreError;
use crate::files::write_whole;
use crate::measurement_table::{self, COLUMNS, CellError, REQUIRED};
use crate::parsed::{FileInfo, Parsed};
use crate::settings;
use crate::table::to_csv;
use crate::texts::Texts;
use crate::verdict_table;

/// Writes measurements; the file appears whole or not at all.
///
/// # Errors
/// [`StoreError`] when the file cannot be written or a text is empty.
pub fn write_measurements(path: &Path, rows: &[Measurement]) -> Result<(), StoreError> {
    write_whole(path, |out| to_csv(COLUMNS, rows, out, path))
}

/// Writes the verdicts of an analysis in their order; whole or not at all.
///
/// # Errors
/// [`StoreError`] when the file cannot be written or a text is empty.
pub fn write_verdicts(path: &Path, analysis: &Analysis) -> Result<(), StoreError> {
    write_whole(path, |out| {
        to_csv(verdict_table::COLUMNS, &analysis.verdicts, out, path)
    })
}

/// Whether these column names are those of a table of measurements.
#[must_use]
pub fn recognises<'n>(names: impl IntoIterator<Item = &'n str>) -> bool {
    measurement_table::is_measurement_table(names)
}

/// Reads a table of measurements from the bytes of a CSV file.
#[must_use]
pub fn parse(bytes: &[u8], info: &FileInfo, texts: &Texts) -> Parsed {
    read_from(bytes, info, RECORD_BYTES_MAX, texts)
}

/// Reads a table of measurements, row by row.
///
/// A row that cannot be read is left out with one diagnostic; the others are kept. At a
/// record of more than `record_max` bytes reading ends: it is most likely a quotation mark
/// that is never closed, and nothing says where the next row starts.
pub fn read_from(input: impl Read, info: &FileInfo, record_max: u64, texts: &Texts) -> Parsed {
    let mut parsed = Parsed::default();
    let (capped, limit) = Capped::new(SkipBom::new(input), record_max);
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(capped);
    let refuse = |place: Option<String>, message: String| {
        let d = Diagnostic::error(message).file(&info.name);
        match place {
            Some(place) => d.place(place),
            None => d,
        }
    };
    let header = match reader.byte_headers() {
        Ok(header) => header.clone(),
        Err(e) => {
            parsed
                .diagnostics
                .push(unreadable(&e, 1, record_max).file(&info.name));
            return parsed;
        }
    };
    let names: Vec<String> = header
        .iter()
        .map(|n| String::from_utf8_lossy(n).trim().to_owned())
        .collect();
    if let Some(missing) = REQUIRED.iter().find(|r| !names.iter().any(|n| n == *r)) {
        parsed.diagnostics.push(
            refuse(
                None,
                format!("a table of measurements has no column '{missing}'"),
            )
            .expected(format!("at least {}", REQUIRED.join(", "))),
        );
        return parsed;
    }
    let mut columns = Vec::with_capacity(names.len());
    for (i, name) in names.iter().enumerate() {
        if names[..i].contains(name) && !name.is_empty() {
            parsed.diagnostics.push(refuse(
                Some("line 1".to_owned()),
                format!("column '{name}' is there twice"),
            ));
            return parsed;
        }
        let ours = COLUMNS.iter().position(|c| c.name == name);
        if ours.is_none() && !name.is_empty() {
            parsed.diagnostics.push(
                Diagnostic::note(format!(
                    "column '{name}' is not one of a table of measurements; ignored"
                ))
                .file(&info.name),
            );
        }
        columns.push(ours);
    }

    let worded = names.iter().any(|n| n == "setting") && !names.iter().any(|n| n == "method");
    let mut record = csv::ByteRecord::new();
    loop {
        let start = reader.position().byte();
        limit.set(start.saturating_add(record_max));
        let line = reader.position().line();
        match reader.read_byte_record(&mut record) {
            Ok(false) => return parsed,
            Ok(true) => {}
            Err(e) => {
                let line = line + u64::from(reader.get_ref().inner.crlf);
                parsed
                    .diagnostics
                    .push(unreadable(&e, line, record_max).file(&info.name));
                return parsed;
            }
        }
        parsed.n_rows += 1;
        // The reader takes a line for ended at its \r, before the \n is counted.
        let late = u64::from(reader.get_ref().inner.crlf);
        let line = record.position().map_or(0, csv::Position::line) + late;
        let place = format!("line {line}");
        match read_row(&record, &columns, info, texts) {
            Ok(mut m) => {
                if worded {
                    read_words(&mut m, texts);
                }
                m.origin = Some(info.origin(&place));
                parsed.measurements.push(m);
            }
            Err((message, expected)) => {
                parsed.refuse_row(refuse(Some(place), message).expected(expected));
            }
        }
    }
}

/// Why nothing more can be read from `line` on.
fn unreadable(error: &csv::Error, line: u64, record_max: u64) -> Diagnostic {
    let place = format!("line {line}");
    if is_too_long(error) {
        Diagnostic::error(format!("a record is longer than {record_max} bytes"))
            .place(place)
            .expected("shorter records")
            .help("look for a quotation mark that is never closed")
    } else {
        Diagnostic::error(format!("cannot be read further: {error}")).place(place)
    }
}

fn read_row(
    record: &csv::ByteRecord,
    columns: &[Option<usize>],
    info: &FileInfo,
    texts: &Texts,
) -> Result<Measurement, (String, String)> {
    if record.len() != columns.len() {
        return Err((
            format!("{} fields", record.len()),
            format!("{} as in the header", columns.len()),
        ));
    }
    let mut m = Measurement::new("", "", "", "", 0.0);
    m.source = info.source.clone();
    for (field, column) in record.iter().zip(columns) {
        let Some(column) = *column else { continue };
        let name = COLUMNS[column].name;
        let field = std::str::from_utf8(field).map_err(|e| {
            (
                format!("{name} is not UTF-8 at its byte {}", e.valid_up_to()),
                "UTF-8 text; convert the file (for example: iconv -f latin1 -t utf-8)".to_owned(),
            )
        })?;
        measurement_table::parse_field(column, field)
            .and_then(|cell| measurement_table::set(&mut m, column, cell, texts))
            .map_err(|e: CellError| (e.message, e.expected.to_owned()))?;
    }
    Ok(m)
}

/// Takes method, shots, tuning and metric from the words of a paper's table; what it
/// prints is reported.
fn read_words(m: &mut Measurement, texts: &Texts) {
    let setting = settings::parse(m.setting.as_deref().unwrap_or_default());
    m.method = texts.get(&setting.method);
    m.shots = m.shots.or(setting.shots);
    m.tuning = m.tuning.take().or(setting.tuning.map(|t| texts.get(&t)));
    for flag in setting.flags {
        m.add_flag(flag);
    }
    if let Some(metric) = metric_info(&m.metric) {
        if m.metric.ends_with("(0-100)") {
            m.value *= metric.scale;
            m.stderr = m.stderr.map(|e| e * metric.scale);
        }
        if metric.composite {
            m.add_flag(flag::COMPOSITE);
        }
        m.higher_is_better = m.higher_is_better.or(Some(metric.higher_is_better));
        m.metric = texts.get(&metric.canonical);
    }
    let reported = Some(Known::Reported);
    m.n_kind = m.n_kind.or(m.n.and(reported));
    m.chance_kind = m.chance_kind.or(m.chance.and(reported));
    m.flops_kind = m.flops_kind.or(m.flops.and(reported));
}

/// Leaves out the byte order mark that spreadsheets put before the header, and notes how lines end.
struct SkipBom<R> {
    inner: R,
    start: Option<Vec<u8>>,
    /// Whether the first line ends with `\r\n`.
    crlf: bool,
    first_line_ended: bool,
    last: u8,
}

impl<R: Read> SkipBom<R> {
    fn new(inner: R) -> Self {
        SkipBom {
            inner,
            start: None,
            crlf: false,
            first_line_ended: false,
            last: 0,
        }
    }

    fn watch(&mut self, bytes: &[u8]) {
        if self.first_line_ended {
            return;
        }
        if let Some(end) = memchr::memchr(b'\n', bytes) {
            let before = if end == 0 { self.last } else { bytes[end - 1] };
            self.crlf = before == b'\r';
            self.first_line_ended = true;
        } else if let Some(&last) = bytes.last() {
            self.last = last;
        }
    }
}

impl<R: Read> Read for SkipBom<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.start.is_none() {
            let mut start = Vec::with_capacity(3);
            (&mut self.inner).take(3).read_to_end(&mut start)?;
            if start == [0xef, 0xbb, 0xbf] {
                start.clear();
            }
            self.start = Some(start);
        }
        let n = match &mut self.start {
            Some(start) if !start.is_empty() => {
                let n = start.len().min(out.len());
                out[..n].copy_from_slice(&start[..n]);
                start.drain(..n);
                n
            }
            _ => self.inner.read(out)?,
        };
        self.watch(&out[..n]);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement_table::tests::{any_measurement, assert_same};
    use proptest::prelude::*;

    fn info() -> FileInfo {
        FileInfo::new(Path::new("table.csv"), "table")
    }

    fn read(text: impl AsRef<[u8]>) -> Parsed {
        parse(text.as_ref(), &info(), &Texts::default())
    }

    fn lines(parsed: &Parsed) -> Vec<String> {
        parsed.diagnostics.iter().map(ToString::to_string).collect()
    }

    proptest! {
        #[test]
        fn measurements_round_trip(rows in prop::collection::vec(any_measurement(), 0..8)) {
            let mut bytes = Vec::new();
            to_csv(COLUMNS, &rows, &mut bytes, Path::new("x.csv")).unwrap();
            let back = read(&bytes);
            prop_assert_eq!(&back.diagnostics, &[]);
            prop_assert_eq!(back.measurements.len(), rows.len());
            for (mut read, written) in back.measurements.into_iter().zip(&rows) {
                read.origin = None;
                assert_same(&read, written);
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), header: bool) {
            let mut table = Vec::new();
            if header {
                table.extend_from_slice(b"family,model,task,metric,value,flags,n\n");
            }
            table.extend_from_slice(&bytes);
            let parsed = read(&table);
            prop_assert!(parsed.measurements.len() <= parsed.n_rows);
        }
    }

    #[test]
    fn a_short_table_made_by_hand_is_enough() {
        let parsed = read(
            "\u{feff}value,family,model,task,metric,n,colour\r\n\
             0.5,F,a,t,acc,512.0,red\r\n\
             oops,F,b,t,acc,,red\r\n\
             0.5,F,,t,acc,,red\r\n\
             0.5,F,d,t,acc\r\n\
             0.75,F,e,t,acc,,blue\r\n",
        );
        assert_eq!(
            lines(&parsed),
            [
                "table.csv: column 'colour' is not one of a table of measurements; ignored",
                "table.csv: line 3: value is 'oops'; expected a number",
                "table.csv: line 4: model is empty; expected a text",
                "table.csv: line 5: 5 fields; expected 7 as in the header",
            ]
        );
        assert_eq!(parsed.n_rows, 5);
        let kept: Vec<_> = parsed
            .measurements
            .iter()
            .map(|m| (&*m.model, m.n))
            .collect();
        assert_eq!(kept, [("a", Some(512)), ("e", None)]);
        assert_eq!(&*parsed.measurements[0].source, "table");
        assert_eq!(
            parsed.measurements[0].origin.as_deref(),
            Some("table.csv: line 2")
        );
    }

    #[test]
    fn worded_settings_keep_methods_apart() {
        let parsed = read(
            "family,model,task,setting,metric,value,n\n\
             PaLM,a,gsm8k,cot(8-shot),acc,0.5,1319\n\
             PaLM,a,gsm8k,few-shot(5),acc,0.25,\n\
             PaLM,a,wmt,zero-shot,bleu-sacre(0-100),22.5,\n\
             PaLM,a,x,zero-shot,acc/em,0.5,\n",
        );
        assert_eq!(lines(&parsed), [""; 0]);
        let shown: Vec<_> = parsed
            .measurements
            .iter()
            .map(|m| (&*m.method, m.shots, &*m.metric, m.value))
            .collect();
        assert_eq!(
            shown,
            [
                ("cot", Some(8), "acc", 0.5),
                ("direct", Some(5), "acc", 0.25),
                ("direct", Some(0), "bleu_sacre", 0.225),
                ("direct", Some(0), "acc/em", 0.5),
            ]
        );
        assert_eq!(parsed.measurements[0].n_kind, Some(Known::Reported));
        assert!(parsed.measurements[3].has(flag::COMPOSITE));
    }

    #[test]
    fn latin1_refuses_its_row_alone() {
        let parsed = read(b"family,model,task,metric,value\nF,caf\xe9,t,acc,0.5\nF,b,t,acc,0.5\n");
        assert_eq!(parsed.measurements.len(), 1);
        assert_eq!(lines(&parsed).len(), 1);
        assert!(
            lines(&parsed)[0].starts_with("table.csv: line 2: model is not UTF-8 at its byte 3")
        );
    }

    #[test]
    fn headers_are_checked() {
        assert_eq!(
            lines(&read("family,model,task,value\n")),
            [
                "table.csv: a table of measurements has no column 'metric'; \
              expected at least family, model, task, metric, value"
            ]
        );
        assert_eq!(
            lines(&read("family,model,task,metric,value,value\n")),
            ["table.csv: line 1: column 'value' is there twice"]
        );
    }

    #[test]
    fn empty_texts_are_not_written() {
        let mut row = Measurement::new("f", "m", "t", "acc", 0.5);
        row.note = Some("".into());
        let refused = to_csv(COLUMNS, [&row], &mut Vec::new(), Path::new("x.csv"));
        assert!(matches!(
            refused,
            Err(StoreError::EmptyText {
                row: 1,
                column: "note"
            })
        ));
    }
}
