//! A source that stops before one record of it fills the memory.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// Largest record read (bytes) where nothing else is said: a quotation mark that is never
/// closed makes the rest of a table one record.
pub(crate) const RECORD_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A source that fails with [`io::ErrorKind::FileTooLarge`] once it has given more than
/// `limit` bytes; whoever reads records moves the limit on at the start of each.
pub(crate) struct Capped<R> {
    pub(crate) inner: R,
    n_read: u64,
    limit: Rc<Cell<u64>>,
}

impl<R> Capped<R> {
    /// The source, and where its limit is moved.
    pub(crate) fn new(inner: R, limit: u64) -> (Self, Rc<Cell<u64>>) {
        let limit = Rc::new(Cell::new(limit));
        let capped = Capped {
            inner,
            n_read: 0,
            limit: Rc::clone(&limit),
        };
        (capped, limit)
    }
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.n_read > self.limit.get() {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        let n = self.inner.read(buffer)?;
        self.n_read = self.n_read.saturating_add(n as u64);
        Ok(n)
    }
}

/// Whether reading a record failed because it is longer than the limit.
pub(crate) fn is_too_long(error: &csv::Error) -> bool {
    matches!(error.kind(), csv::ErrorKind::Io(e) if e.kind() == io::ErrorKind::FileTooLarge)
}
