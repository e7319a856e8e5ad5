//! What can be wrong with a model on disk or a request to it.

use std::path::PathBuf;

/// A model that cannot be loaded or run. Messages are one line: what, where, how to mend it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ModelError {
    /// A file of the model is missing, unreadable or malformed.
    #[error("{}: {message}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong, what was expected, how to mend it.
        message: String,
    },
    /// A configuration asks for something that is not supported.
    #[error("config.json: {0}")]
    Config(String),
    /// A tensor is missing, misshapen, of a type that is not supported, or holds NaN.
    #[error("tensor {name}: {message}")]
    Tensor {
        /// The tensor's name.
        name: String,
        /// What is wrong, what was expected.
        message: String,
    },
    /// The tokenizer fails.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// The chat template fails.
    #[error("chat template: {0}")]
    ChatTemplate(String),
}

impl ModelError {
    /// A problem with a file.
    pub fn file(path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        ModelError::File {
            path: path.into(),
            message: message.into(),
        }
    }

    /// A problem with a tensor.
    pub fn tensor(name: impl Into<String>, message: impl Into<String>) -> Self {
        ModelError::Tensor {
            name: name.into(),
            message: message.into(),
        }
    }
}
