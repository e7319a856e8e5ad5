//! What every reader of a format takes and gives: the file it reads, the rows it found.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use upturn_types::{Diagnostic, Measurement, Text};

/// The file being read, as far as a parser needs to know it.
#[derive(Debug, Clone)]
pub struct FileInfo {
    /// Where it is; folder and file names can hold the model and its step.
    pub path: PathBuf,
    /// The path as messages show it.
    pub name: String,
    /// Data set that its rows belong to, where they do not name one themselves.
    pub source: Text,
}

impl FileInfo {
    /// A file at `path` whose rows belong to `source`.
    #[must_use]
    pub fn new(path: &Path, source: &str) -> Self {
        FileInfo {
            path: path.to_path_buf(),
            name: path.display().to_string(),
            source: if source.is_empty() { "unknown" } else { source }.into(),
        }
    }

    /// File and place, for [`Measurement::origin`].
    pub(crate) fn origin(&self, place: &str) -> Text {
        format!("{}: {place}", self.name).into()
    }
}

/// Rows found in one file, before [`crate::validate()`].
#[derive(Debug, Default)]
pub struct Parsed {
    /// Rows that could be read.
    pub measurements: Vec<Measurement>,
    /// One line for each thing refused or doubtful.
    pub diagnostics: Vec<Diagnostic>,
    /// Rows seen, refused ones included.
    pub n_rows: usize,
    /// Models that the catalogue does not know, with the file where each was first seen.
    pub unknown_models: BTreeMap<Text, String>,
    /// Rows refused; the first hundred have a message of their own.
    pub n_rows_refused: usize,
}

/// Refused rows of one file that are shown one by one; the others are counted, so that
/// messages about a file never outgrow it.
pub(crate) const ROWS_SHOWN: usize = 100;

impl Parsed {
    /// Records a refused row, with its message while there are few.
    pub(crate) fn refuse_row(&mut self, diagnostic: Diagnostic) {
        self.n_rows_refused += 1;
        if self.n_rows_refused <= ROWS_SHOWN {
            self.diagnostics.push(diagnostic);
        }
    }

    /// The line that counts what was not shown, if anything was not.
    pub(crate) fn rows_not_shown(&self, file: &str) -> Option<Diagnostic> {
        let more = self.n_rows_refused.saturating_sub(ROWS_SHOWN);
        (more > 0)
            .then(|| Diagnostic::error(format!("and {more} more rows are refused")).file(file))
    }
}
