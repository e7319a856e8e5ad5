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
}
