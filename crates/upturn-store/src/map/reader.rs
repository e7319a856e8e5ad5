//! Rows of a delimited table, one at a time, within a bounded memory.

use std::cell::Cell;
use std::io::{self, Cursor, Read};
use std::rc::Rc;

use csv::ByteRecord;
use upturn_types::Diagnostic;

use crate::capped::{Capped, is_too_long};

/// Bytes at the start of a table from which its delimiter is found.
const HEAD_BYTES: u64 = 64 * 1024;

/// Delimiters that are recognised, in order of preference where they tie.
const DELIMITERS: [u8; 4] = *b",\t;|";

/// A table being read.
pub(super) struct Reader<R> {
    csv: csv::Reader<Capped<io::Chain<Cursor<Vec<u8>>, R>>>,
    limit: Rc<Cell<u64>>,
    record_max: u64,
    /// Names of the columns, without spaces around them.
    pub(super) header: Vec<String>,
}

impl<R: Read> Reader<R> {
    /// Reads the header. The delimiter is the one given, or the one most frequent
    /// (outside quotes) in the first line.
    ///
    /// The error has no file name; the caller knows it.
    pub(super) fn open(
        mut source: R,
        delimiter: Option<u8>,
        record_max: u64,
    ) -> Result<Self, Diagnostic> {
        let mut head = Vec::new();
        (&mut source)
            .take(HEAD_BYTES)
            .read_to_end(&mut head)
            .map_err(|e| Diagnostic::error(format!("cannot be read: {e}")))?;
        if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
            return Err(Diagnostic::error("the table is encoded as UTF-16")
                .expected("UTF-8")
                .help("convert it, for example with: iconv -f UTF-16 -t UTF-8"));
        }
        if head.starts_with(b"\xef\xbb\xbf") {
            head.drain(..3);
        }
        let delimiter = delimiter.unwrap_or_else(|| sniff(&head));
        // Ending records at the line feed keeps line numbers right in files with CR LF,
        // whose carriage returns go with the spaces around cells. CR alone is an old
        // Mac's line end.
        let line_end = head.iter().position(|b| matches!(b, b'\n' | b'\r'));
        let old_mac = line_end
            .is_some_and(|at| head.get(at) == Some(&b'\r') && head.get(at + 1) != Some(&b'\n'));
        let (capped, limit) = Capped::new(Cursor::new(head).chain(source), record_max);
        let csv = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .terminator(if old_mac {
                csv::Terminator::CRLF
            } else {
                csv::Terminator::Any(b'\n')
            })
            .has_headers(false)
            .flexible(true)
            .from_reader(capped);
        let mut reader = Reader {
            csv,
            limit,
            record_max,
            header: Vec::new(),
        };
        let mut record = ByteRecord::new();
        if !reader.next(&mut record)? {
            return Err(Diagnostic::error("the table is empty").expected("a line of column names"));
        }
        let names = record.iter().map(std::str::from_utf8);
        let names: Result<Vec<&str>, _> = names.collect();
        let Ok(names) = names else {
            return Err(Diagnostic::error("the column names are not UTF-8 text")
                .place("line 1")
                .expected("UTF-8")
                .help("convert the table, for example with: iconv -f LATIN1 -t UTF-8"));
        };
        reader.header = names.iter().map(|n| n.trim().to_owned()).collect();
        Ok(reader)
    }

    /// Reads the next record that is not an empty line; `false` at the end. After an
    /// error nothing more can be read.
    pub(super) fn next(&mut self, record: &mut ByteRecord) -> Result<bool, Diagnostic> {
        while self.next_line(record)? {
            let empty = record.len() == 1
                && self.header.len() != 1
                && record.iter().all(|cell| cell.trim_ascii().is_empty());
            if !empty {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn next_line(&mut self, record: &mut ByteRecord) -> Result<bool, Diagnostic> {
        let start = self.csv.position().byte();
        self.limit.set(start.saturating_add(self.record_max));
        let line = self.csv.position().line();
        self.csv.read_byte_record(record).map_err(|e| {
            if is_too_long(&e) {
                Diagnostic::error(format!("a record is longer than {} bytes", self.record_max))
                    .place(format!("line {line}, byte {start}"))
                    .expected("shorter records")
                    .help("look for a quotation mark that is never closed")
            } else {
                Diagnostic::error(format!("cannot be read: {e}"))
                    .place(format!("line {line}, byte {start}"))
            }
        })
    }
}

fn sniff(head: &[u8]) -> u8 {
    let mut counts = [0usize; DELIMITERS.len()];
    let mut quoted = false;
    for &b in head {
        match b {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted => break,
            _ if !quoted => {
                for (count, d) in counts.iter_mut().zip(DELIMITERS) {
                    *count += usize::from(b == d);
                }
            }
            _ => {}
        }
    }
    let mut best = (0, DELIMITERS[0]);
    for (count, d) in counts.into_iter().zip(DELIMITERS) {
        if count > best.0 {
            best = (count, d);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8], max: u64) -> Result<Vec<Vec<String>>, Diagnostic> {
        let mut reader = Reader::open(bytes, None, max)?;
        let mut rows = vec![reader.header.clone()];
        let mut record = ByteRecord::new();
        while reader.next(&mut record)? {
            rows.push(
                record
                    .iter()
                    .map(|c| String::from_utf8_lossy(c).trim().to_owned())
                    .collect(),
            );
        }
        Ok(rows)
    }

    #[test]
    fn delimiters_quotes_byte_order_marks_and_line_ends() {
        for text in [
            "a,b\n1,2\n",
            "a\tb\r\n1\t2\r\n",
            "\u{feff}a;b\n1;2",
            "a|b\n1|2\n\n",
            "a,b\r\n\r\n1,\"2\"\r\n\r\n",
            "a,b\r1,2\r",
            " a , b \n1,2\n",
        ] {
            assert_eq!(
                all(text.as_bytes(), 100).expect(text),
                [["a", "b"], ["1", "2"]],
                "{text:?}"
            );
        }
        assert_eq!(
            all(b"\"a;b;c\",d\n1,2\n", 100).expect("comma")[0],
            ["a;b;c", "d"]
        );
    }

    #[test]
    fn a_quote_that_is_never_closed_ends_at_the_cap() {
        let mut bytes = b"a,b\n1,2\n3,\"".to_vec();
        bytes.extend(std::iter::repeat_n(b'x', 200_000));
        let error = all(&bytes, 50_000).expect_err("too long");
        assert_eq!(error.place.as_deref(), Some("line 3, byte 8"));
        assert!(error.message.contains("longer than 50000 bytes"));
        // Many short records are no long record.
        let many = b"a,b\n".repeat(50_000);
        assert_eq!(all(&many, 50_000).expect("short records").len(), 50_000);
    }

    #[test]
    fn other_encodings_are_named() {
        let utf16: Vec<u8> = "a,b".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let with_mark = [&[0xff, 0xfe][..], &utf16].concat();
        assert!(
            all(&with_mark, 100)
                .expect_err("UTF-16")
                .message
                .contains("UTF-16")
        );
        let latin1 = b"mod\xe8le,b\n1,2\n";
        assert!(
            all(latin1, 100)
                .expect_err("Latin-1")
                .help
                .expect("help")
                .contains("iconv")
        );
        assert!(all(b"", 100).is_err());
    }
}
