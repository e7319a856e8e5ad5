//! Why a data set's files are not read: what, where, and how to mend it.

use std::path::PathBuf;

use crate::error::StoreError;

/// A data set that is not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetFileError {
    /// The operating system refused.
    #[error("cannot read {}: {cause}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// A file of a kind that is not read.
    #[error("{}: not a kind of file that is read; expected .parquet, .json, .jsonl, .csv, .tsv or .txt (.json, .csv and .txt also with .gz)", path.display())]
    UnknownEnding {
        /// The file.
        path: PathBuf,
    },
    /// The content is not what the ending says.
    #[error("{}{}: {message}", path.display(), place.as_ref().map_or_else(String::new, |p| format!(": {p}")))]
    Content {
        /// The file.
        path: PathBuf,
        /// Line and column, row or byte.
        place: Option<String>,
        /// What is wrong, and what was expected.
        message: String,
    },
    /// The folder has no such configuration.
    #[error("{}: no configuration '{config}'; there is {}", folder.display(), listed(known))]
    NoConfig {
        /// The folder.
        folder: PathBuf,
        /// The configuration asked for.
        config: String,
        /// Those that are there.
        known: Vec<String>,
    },
    /// The folder has several configurations and none was named.
    #[error("{}: several configurations, and none is named (dataset_name); there is {}", folder.display(), listed(known))]
    NeedsConfig {
        /// The folder.
        folder: PathBuf,
        /// Those that are there.
        known: Vec<String>,
    },
    /// The folder has no such split.
    #[error("{}: no files of the split '{split}'{}; there is {}", folder.display(), config.as_ref().map_or_else(String::new, |c| format!(" of the configuration '{c}'")), listed(known))]
    NoSplit {
        /// The folder.
        folder: PathBuf,
        /// The configuration, where one was asked for.
        config: Option<String>,
        /// The split asked for.
        split: String,
        /// Splits, or files where those name no split.
        known: Vec<String>,
    },
}

impl DatasetFileError {
    pub(crate) fn content(
        path: &std::path::Path,
        place: impl Into<Option<String>>,
        message: impl ToString,
    ) -> Self {
        DatasetFileError::Content {
            path: path.to_path_buf(),
            place: place.into(),
            message: message.to_string(),
        }
    }
}

impl From<StoreError> for DatasetFileError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Io { path, cause, .. } => DatasetFileError::Io { path, cause },
            StoreError::Format { path, message } => DatasetFileError::Content {
                path,
                place: None,
                message,
            },
            other => DatasetFileError::Content {
                path: PathBuf::new(),
                place: None,
                message: other.to_string(),
            },
        }
    }
}

/// A few items of a list, and how many more there are.
fn listed(items: &[String]) -> String {
    const N_SHOWN: usize = 8;
    let shown = items
        .iter()
        .take(N_SHOWN)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    match items.len() {
        0 => "none".to_owned(),
        n if n > N_SHOWN => format!("{shown} and {} more", n - N_SHOWN),
        _ => shown,
    }
}
