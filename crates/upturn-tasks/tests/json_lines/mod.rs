//! Data sets of JSON lines, read as Hugging Face `datasets` reads them: enough for tests.

use std::path::Path;

use serde_json::Value;
use upturn_tasks::{DatasetError, DatasetSpec, Datasets, Doc};

pub struct JsonLines;

impl Datasets for JsonLines {
    fn open(&self, spec: &DatasetSpec, split: &str) -> Result<Vec<Doc>, DatasetError> {
        let have = self.splits(spec)?;
        let Some(file) = spec
            .kwargs
            .get("data_files")
            .and_then(|f| f.get(split))
            .and_then(Value::as_str)
        else {
            return Err(DatasetError::NoSplit {
                dataset: spec.label(),
                split: split.into(),
                have: have.join(", "),
            });
        };
        let Some(path) = spec.candidates(Path::new(file)).find(|p| p.is_file()) else {
            return Err(DatasetError::NotFound {
                dataset: spec.label(),
                looked: file.into(),
                mend: "put the file there".into(),
            });
        };
        let fail = |reason: String| DatasetError::File {
            file: path.display().to_string(),
            reason,
        };
        let text = std::fs::read_to_string(&path).map_err(|e| fail(e.to_string()))?;
        text.lines()
            .map(|line| serde_json::from_str(line).map_err(|e| fail(e.to_string())))
            .collect()
    }

    fn splits(&self, spec: &DatasetSpec) -> Result<Vec<String>, DatasetError> {
        let files = spec.kwargs.get("data_files").and_then(Value::as_object);
        Ok(files
            .map(|f| f.keys().cloned().collect())
            .unwrap_or_default())
    }
}
