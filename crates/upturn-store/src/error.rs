//! What can go wrong with a whole file, as opposed to one of its rows.

use std::path::{Path, PathBuf};

use upturn_types::Diagnostic;

use crate::schema::VersionError;

/// A failure to read or write a file as a whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The operating system refused.
    #[error("cannot {action} {}: {cause}", path.display())]
    Io {
        /// `read`, `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The bytes are not what the format says.
    #[error("{}: {message}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// Written by a newer release, or another kind of table.
    #[error("{}: {cause}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: VersionError,
    },
    /// A record that the format cannot hold.
    #[error("cannot write row {row}: {column} is an empty text; leave unknown texts out")]
    EmptyText {
        /// Row, counted from 1.
        row: usize,
        /// Column.
        column: &'static str,
    },
}

impl StoreError {
    pub(crate) fn io(action: &'static str, path: &Path, cause: std::io::Error) -> Self {
        StoreError::Io {
            action,
            path: path.to_path_buf(),
            cause,
        }
    }

    pub(crate) fn format(path: &Path, message: impl ToString) -> Self {
        StoreError::Format {
            path: path.to_path_buf(),
            message: message.to_string(),
        }
    }

    /// The same failure as one line about an input.
    #[must_use]
    pub fn diagnostic(&self) -> Diagnostic {
        match self {
            StoreError::Io {
                action,
                path,
                cause,
            } => Diagnostic::error(format!("cannot {action} it: {cause}"))
                .file(path.display().to_string()),
            StoreError::Format { path, message } => {
                Diagnostic::error(message.clone()).file(path.display().to_string())
            }
            StoreError::Version { path, cause } => {
                Diagnostic::error(cause.to_string()).file(path.display().to_string())
            }
            StoreError::EmptyText { .. } => Diagnostic::error(self.to_string()),
        }
    }
}
