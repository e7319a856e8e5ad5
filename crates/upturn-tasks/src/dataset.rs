//! Where items come from: the trait a task reads its data through.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

/// One item: its fields in file order.
pub type Doc = Map<String, Value>;

/// Which data set, in the words of a task file.
#[derive(Debug, Clone, PartialEq)]
pub struct DatasetSpec {
    /// `dataset_path`: a format (`json`, `csv`, `parquet`, `text`), a folder, or a
    /// repository id such as `allenai/ai2_arc`.
    pub path: String,
    /// `dataset_name`: the configuration within it.
    pub name: Option<String>,
    /// `dataset_kwargs`: `data_files` (a path, a list, or a map from split to
    /// either; globs allowed), `data_dir`, `revision`, and whatever else the file says.
    pub kwargs: Map<String, Value>,
    /// Folders that relative paths are looked up in, in this order: the current
    /// directory (as lm-evaluation-harness does), the task file's folder, its parents.
    pub base_dirs: Vec<PathBuf>,
}

impl DatasetSpec {
    /// The places where `path` may be, in the order to try them: `path` alone when
    /// absolute, otherwise `path` under each of [`DatasetSpec::base_dirs`].
    pub fn candidates<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = PathBuf> + 'a {
        let absolute = path.is_absolute();
        absolute.then(|| path.to_path_buf()).into_iter().chain(
            self.base_dirs
                .iter()
                .filter(move |_| !absolute)
                .map(move |dir| dir.join(path)),
        )
    }

    /// The name for messages: `path` or `path/name`.
    #[must_use]
    pub fn label(&self) -> String {
        match &self.name {
            Some(name) => format!("{}/{name}", self.path),
            None => self.path.clone(),
        }
    }
}

/// Why items could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatasetError {
    /// Nothing of that name in any place looked at.
    #[error("data set '{dataset}' is not here (looked in {looked}); {mend}")]
    NotFound {
        /// [`DatasetSpec::label`].
        dataset: String,
        /// The places looked at, joined for a sentence.
        looked: String,
        /// How to get it, as a fragment.
        mend: String,
    },
    /// The data set has no such split.
    #[error("data set '{dataset}' has no split '{split}'; it has {have}")]
    NoSplit {
        /// [`DatasetSpec::label`].
        dataset: String,
        /// What was asked for.
        split: String,
        /// What there is, joined for a sentence.
        have: String,
    },
    /// It is made by a script, which is never run.
    #[error("data set '{dataset}' is made by the script {script}, which is not run; {mend}")]
    NeedsScript {
        /// [`DatasetSpec::label`].
        dataset: String,
        /// The script.
        script: String,
        /// How to go on, as a fragment.
        mend: String,
    },
    /// A file is damaged, of an unknown format, or not readable.
    #[error("{file}: {reason}")]
    File {
        /// The file, and the line or row where known.
        file: String,
        /// What is wrong, as a lowercase fragment.
        reason: String,
    },
}

/// Gives the items of data sets.
///
/// What Hugging Face `datasets` would give, an implementation must give: the
/// rows of all files of a split in order; the same fields in every row, in order
/// of first appearance, null where a row lacks one; class labels as integers;
/// time stamps and binary values as strings. Integers stay integers and floats
/// stay floats (`1.0` is not `1`): templates print them differently.
pub trait Datasets: Send + Sync {
    /// All items of one split, in order.
    ///
    /// # Errors
    /// When the data set or the split is not there, or a file cannot be read.
    fn open(&self, spec: &DatasetSpec, split: &str) -> Result<Vec<Doc>, DatasetError>;

    /// Names of the splits, in the data set's order.
    ///
    /// # Errors
    /// When the data set is not there.
    fn splits(&self, spec: &DatasetSpec) -> Result<Vec<String>, DatasetError>;
}
