//! Lines of a file that may be far larger than memory, each up to a limit.

use std::io::{self, BufRead};

/// One line, or the fact that it was too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line<'b> {
    /// The line without its end.
    Whole(&'b [u8]),
    /// A line over the limit, read past and not kept.
    TooLong {
        /// Bytes of the line.
        bytes: u64,
    },
}

/// Reads lines and counts them; a line over `limit` bytes is passed over without being stored.
pub(crate) struct Lines<R> {
    input: R,
    limit: u64,
    buffer: Vec<u8>,
    /// Number of the line last read, from 1.
    pub(crate) number: u64,
    /// Where that line starts.
    pub(crate) byte: u64,
    next_byte: u64,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(input: R, limit: u64) -> Self {
        Lines {
            input,
            limit,
            buffer: Vec::new(),
            number: 0,
            byte: 0,
            next_byte: 0,
        }
    }

    /// The next line; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.buffer.clear();
        self.byte = self.next_byte;
        let mut bytes: u64 = 0;
        let mut ended = false;
        while !ended {
            let chunk = match self.input.fill_buf() {
                Ok(chunk) => chunk,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            if chunk.is_empty() {
                break;
            }
            let end = memchr::memchr(b'\n', chunk);
            let part = &chunk[..end.unwrap_or(chunk.len())];
            bytes += part.len() as u64;
            if bytes <= self.limit {
                self.buffer.extend_from_slice(part);
            } else {
                self.buffer = Vec::new();
            }
            ended = end.is_some();
            let used = part.len() + usize::from(ended);
            self.next_byte += used as u64;
            self.input.consume(used);
        }
        if bytes == 0 && !ended {
            return Ok(None);
        }
        self.number += 1;
        Ok(Some(if bytes > self.limit {
            Line::TooLong { bytes }
        } else {
            Line::Whole(self.buffer.strip_suffix(b"\r").unwrap_or(&self.buffer))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::BufReader;

    #[test]
    fn long_lines_are_passed_over_and_located() {
        let text = format!("ab\r\n{}\ncd", "x".repeat(1000));
        let mut lines = Lines::new(BufReader::with_capacity(16, text.as_bytes()), 10);
        assert_eq!(lines.next().unwrap(), Some(Line::Whole(b"ab")));
        assert_eq!(lines.next().unwrap(), Some(Line::TooLong { bytes: 1000 }));
        assert_eq!((lines.number, lines.byte), (2, 4));
        assert!(lines.buffer.capacity() < 100, "the line was kept");
        assert_eq!(lines.next().unwrap(), Some(Line::Whole(b"cd")));
        assert_eq!((lines.number, lines.byte), (3, 1005));
        assert_eq!(lines.next().unwrap(), None);
    }

    proptest! {
        #[test]
        fn agrees_with_the_standard_library(text in "[ab\n]{0,40}", capacity in 1usize..9) {
            let mut lines = Lines::new(BufReader::with_capacity(capacity, text.as_bytes()), 1000);
            let mut read = Vec::new();
            while let Some(line) = lines.next().unwrap() {
                let Line::Whole(line) = line else { panic!("within the limit") };
                read.push(String::from_utf8(line.to_vec()).unwrap());
            }
            let expected: Vec<String> = text.lines().map(str::to_owned).collect();
            prop_assert_eq!(read, expected);
        }
    }
}
