//! What can be wrong with a ladder, each in one line: where, what, what was expected.

use std::path::{Path, PathBuf};

use upturn_engine::error::ModelError;
use upturn_engine::train::TrainError;

/// A ladder that cannot be read, planned or trained.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LadderError {
    /// The configuration.
    #[error("{place}: {message}")]
    Config {
        /// File, line and key: `ladder.toml:12: train.lr`.
        place: String,
        /// What is wrong, what was expected, how to mend it.
        message: String,
    },
    /// A file or folder cannot be read or written, or is not what it should be.
    #[error("{}: {message}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong, what was expected, how to mend it.
        message: String,
    },
    /// A step or a file of the trainer.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A tokenizer.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl LadderError {
    /// A problem with a file.
    pub(crate) fn file(path: &Path, message: impl Into<String>) -> Self {
        LadderError::File {
            path: path.to_owned(),
            message: message.into(),
        }
    }

    /// A file that cannot be written.
    pub(crate) fn cannot_write(path: &Path, error: &std::io::Error) -> Self {
        LadderError::file(path, format!("cannot be written ({error})"))
    }

    /// A file that cannot be read.
    pub(crate) fn cannot_read(path: &Path, error: &std::io::Error) -> Self {
        LadderError::file(path, format!("cannot be read ({error})"))
    }
}

/// `; did you mean 'a'?` with the nearest candidate, or nothing.
pub(crate) fn did_you_mean(name: &str, candidates: &[&str]) -> String {
    let wanted = name.to_lowercase();
    let most = (wanted.chars().count() / 3).max(1);
    candidates
        .iter()
        .filter_map(|c| {
            let part = wanted.len() >= 3 && (c.contains(&wanted) || wanted.contains(c));
            let n = if part { 0 } else { edits(&wanted, c) };
            (n <= most).then_some((n, *c))
        })
        .min()
        .map_or_else(String::new, |(_, c)| format!("; did you mean '{c}'?"))
}

/// Fewest insertions, deletions and substitutions between two words (Levenshtein).
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
