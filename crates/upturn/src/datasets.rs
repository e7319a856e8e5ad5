//! Data sets by the words of a task file: files of rows, folders, names on the hub.

use std::path::{Path, PathBuf};

use serde_json::Value;
use upturn_store::dataset::{DatasetFileError, RowOptions, hub_layout, read_files};
use upturn_tasks::{DatasetError, DatasetSpec, Datasets, Doc};
use upturn_tasks::{bigbench, generated};

/// Words of `dataset_kwargs` that say how the Python library works, not what the rows are.
const WITHOUT_EFFECT: [&str; 9] = [
    "cache_dir",
    "download_mode",
    "keep_in_memory",
    "num_proc",
    "revision",
    "save_infos",
    "streaming",
    "token",
    "verification_mode",
];
/// A split that no data set has: asking for it lists those that are there.
const NO_SPLIT: &str = "\u{1}";

/// Reads data sets from disk; a name that is no folder is looked up in the Hugging Face
/// cache, and on the hub where that is allowed.
#[derive(Debug)]
pub struct FileDatasets {
    hub: upturn_hub::Options<'static>,
}

/// Where the rows of a data set are.
enum Place {
    /// Files by split, as `data_files` names them.
    Named(Vec<(String, Vec<PathBuf>)>),
    /// A folder laid out as on the hub.
    Folder(PathBuf),
}

impl FileDatasets {
    /// With this cache and this hub.
    pub fn new(hub: upturn_hub::Options<'static>) -> Self {
        FileDatasets { hub }
    }

    fn place(&self, spec: &DatasetSpec) -> Result<Place, DatasetError> {
        let is_format = matches!(spec.path.as_str(), "json" | "csv" | "parquet" | "text");
        if is_format {
            return match (spec.kwargs.get("data_files"), word(spec, "data_dir")) {
                (Some(files), dir) => named_files(spec, files, dir.as_deref().map(Path::new)),
                (None, Some(dir)) => spec
                    .candidates(Path::new(&dir))
                    .find(|folder| folder.is_dir())
                    .map(Place::Folder)
                    .ok_or_else(|| not_found(spec, &dir)),
                (None, None) => Err(damaged(
                    spec.label(),
                    "no data_files in dataset_kwargs; name the files of each split",
                )),
            };
        }
        let local = spec
            .candidates(Path::new(&spec.path))
            .find(|folder| folder.is_dir());
        let folder = match local {
            Some(folder) => {
                if let Some(script) = script_instead_of_data(&folder) {
                    return Err(DatasetError::NeedsScript {
                        dataset: spec.label(),
                        script,
                        mend: "save its rows as Parquet or JSON lines in that folder".into(),
                    });
                }
                folder
            }
            None => upturn_hub::resolve_dataset(
                &spec.path,
                spec.name.as_deref(),
                word(spec, "revision").as_deref(),
                &self.hub,
            )
            .map_err(|e| damaged("dataset_path", e.to_string()))?,
        };
        let folder = match word(spec, "data_dir") {
            Some(dir) => folder.join(dir),
            None => folder,
        };
        match spec.kwargs.get("data_files") {
            Some(files) => named_files(spec, files, Some(&folder)),
            None => Ok(Place::Folder(folder)),
        }
    }
}

impl Datasets for FileDatasets {
    fn open(&self, spec: &DatasetSpec, split: &str) -> Result<Vec<Doc>, DatasetError> {
        if let Some(rows) = generated::open(spec, split).or_else(|| bigbench::open(spec, split)) {
            return rows;
        }
        let options = Reading::of(spec)?;
        let files = match self.place(spec)? {
            Place::Named(splits) => {
                let have: Vec<&str> = splits.iter().map(|(name, _)| name.as_str()).collect();
                splits
                    .iter()
                    .find(|(name, _)| name == split)
                    .map(|(_, files)| files.clone())
                    .ok_or_else(|| no_split(spec, split, &have.join(", ")))?
            }
            Place::Folder(folder) => hub_layout(&folder, spec.name.as_deref(), split)
                .map_err(|e| mapped(e, spec, split))?,
        };
        read_files(&files, &options.row_options()).map_err(|e| mapped(e, spec, split))
    }

    fn splits(&self, spec: &DatasetSpec) -> Result<Vec<String>, DatasetError> {
        if spec.path == generated::PATH {
            return Ok(vec!["test".into(), "train".into()]);
        }
        if spec.path == bigbench::PATH {
            return Ok(vec![bigbench::SPLIT.into()]);
        }
        match self.place(spec)? {
            Place::Named(splits) => Ok(splits.into_iter().map(|(name, _)| name).collect()),
            Place::Folder(folder) => match hub_layout(&folder, spec.name.as_deref(), NO_SPLIT) {
                Ok(_) => Ok(vec!["train".into()]),
                Err(DatasetFileError::NoSplit { known, .. }) => Ok(known),
                Err(e) => Err(mapped(e, spec, NO_SPLIT)),
            },
        }
    }
}

/// How rows are read, from `dataset_kwargs`.
#[derive(Default)]
struct Reading {
    field: Option<String>,
    delimiter: Option<u8>,
}

impl Reading {
    fn of(spec: &DatasetSpec) -> Result<Self, DatasetError> {
        let mut reading = Reading::default();
        for (key, value) in &spec.kwargs {
            match (key.as_str(), value) {
                ("data_files" | "data_dir", _) | (_, Value::Null) => {}
                ("field", Value::String(field)) => reading.field = Some(field.clone()),
                ("delimiter" | "sep", Value::String(text)) if text.len() == 1 => {
                    reading.delimiter = text.bytes().next();
                }
                ("encoding", Value::String(name)) if is_utf8(name) => {}
                (key, _) if WITHOUT_EFFECT.contains(&key) => {}
                (key, value) => {
                    return Err(damaged(
                        spec.label(),
                        format!(
                            "dataset_kwargs: {key}: {value} is not done here; prepare the file so \
                             that it is not needed"
                        ),
                    ));
                }
            }
        }
        Ok(reading)
    }

    fn row_options(&self) -> RowOptions<'_> {
        RowOptions {
            field: self.field.as_deref(),
            delimiter: self.delimiter,
        }
    }
}

fn is_utf8(name: &str) -> bool {
    name.eq_ignore_ascii_case("utf-8") || name.eq_ignore_ascii_case("utf8")
}

/// A word of `dataset_kwargs`.
fn word(spec: &DatasetSpec, key: &str) -> Option<String> {
    spec.kwargs
        .get(key)
        .and_then(Value::as_str)
        .map(str::to_owned)
}

/// `data_files`: one or several patterns, or these by split; without a split it is `train`.
fn named_files(
    spec: &DatasetSpec,
    files: &Value,
    dir: Option<&Path>,
) -> Result<Place, DatasetError> {
    let patterns = |value: &Value| -> Result<Vec<PathBuf>, DatasetError> {
        let wrong = || {
            damaged(
                spec.label(),
                format!(
                    "data_files holds {value}; expected a path, a list of paths, or these by split"
                ),
            )
        };
        let one = |value: &Value| {
            let pattern = value.as_str().ok_or_else(wrong)?;
            find(spec, pattern, dir)
        };
        match value {
            Value::Array(all) => {
                let found: Vec<Vec<PathBuf>> = all.iter().map(one).collect::<Result<_, _>>()?;
                Ok(found.concat())
            }
            other => one(other),
        }
    };
    let splits = match files {
        Value::Object(by_split) => by_split
            .iter()
            .map(|(split, value)| Ok((split.clone(), patterns(value)?)))
            .collect::<Result<_, DatasetError>>()?,
        other => vec![("train".to_owned(), patterns(other)?)],
    };
    Ok(Place::Named(splits))
}

/// The files that a path or pattern names, in the first place that has any.
fn find(
    spec: &DatasetSpec,
    pattern: &str,
    dir: Option<&Path>,
) -> Result<Vec<PathBuf>, DatasetError> {
    if pattern.contains("://") {
        return Err(damaged(
            pattern,
            "is not fetched; download it and name the file in data_files",
        ));
    }
    let inside = dir.map_or_else(|| PathBuf::from(pattern), |d| d.join(pattern));
    for candidate in spec.candidates(&inside) {
        if candidate.is_file() {
            return Ok(vec![candidate]);
        }
        if candidate.is_dir() {
            let mut files: Vec<PathBuf> = entries(&candidate)
                .into_iter()
                .filter(|p| p.is_file() && !is_hidden(p))
                .collect();
            files.sort();
            return Ok(files);
        }
        if let Some(text) = candidate.to_str()
            && text.contains(['*', '?', '[', '{'])
        {
            let files = glob_files(&candidate)
                .map_err(|reason| damaged(pattern, format!("is not a pattern: {reason}")))?;
            if !files.is_empty() {
                return Ok(files);
            }
        }
    }
    Err(not_found(spec, pattern))
}

/// Files and folders that a pattern matches, sorted; a wildcard does not cross folders, `**` does.
pub fn glob_files(pattern: &Path) -> Result<Vec<PathBuf>, String> {
    let text = pattern.to_string_lossy();
    let text = text.strip_prefix("./").unwrap_or(&text);
    let matcher = globset::GlobBuilder::new(text)
        .literal_separator(true)
        .build()
        .map_err(|e| e.kind().to_string())?
        .compile_matcher();
    // Only what lies below the part without wildcards can match.
    let fixed: PathBuf = Path::new(text)
        .components()
        .take_while(|c| {
            !c.as_os_str()
                .to_string_lossy()
                .contains(['*', '?', '[', '{'])
        })
        .collect();
    let depth = if text.contains("**") {
        usize::MAX
    } else {
        Path::new(text).components().count() - fixed.components().count()
    };
    let mut found = Vec::new();
    walk(&fixed, depth, &mut |path| {
        if matcher.is_match(path) {
            found.push(path.to_path_buf());
        }
    });
    found.sort();
    Ok(found)
}

fn walk(folder: &Path, depth: usize, visit: &mut dyn FnMut(&Path)) {
    if depth == 0 {
        return;
    }
    for path in entries(folder) {
        if is_hidden(&path) {
            continue;
        }
        visit(&path);
        // A link to a folder could be a loop: it is not followed below a `**`.
        if path.is_dir() && (depth < usize::MAX || !path.is_symlink()) {
            walk(
                &path,
                depth.saturating_sub(usize::from(depth < usize::MAX)),
                visit,
            );
        }
    }
}

/// What is in a folder; nothing where it cannot be read. The empty path is the current folder.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let read = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    std::fs::read_dir(read)
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| folder.join(e.file_name()))
        .collect()
}

fn is_hidden(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|n| n.to_string_lossy().starts_with('.'))
}

/// The script of a folder that holds nothing else, as data sets were once published.
fn script_instead_of_data(folder: &Path) -> Option<String> {
    let name = folder.file_name()?.to_string_lossy().into_owned();
    let script = folder.join(format!("{name}.py"));
    let nothing_else = matches!(
        hub_layout(folder, None, "train"),
        Err(DatasetFileError::NoSplit { known, .. }) if known.is_empty()
    );
    (script.is_file() && nothing_else).then(|| script.display().to_string())
}

fn damaged(file: impl Into<String>, reason: impl Into<String>) -> DatasetError {
    DatasetError::File {
        file: file.into(),
        reason: reason.into(),
    }
}

fn not_found(spec: &DatasetSpec, path: &str) -> DatasetError {
    const N_SHOWN: usize = 3;
    let places: Vec<String> = spec
        .base_dirs
        .iter()
        .take(N_SHOWN)
        .map(|dir| match dir.as_os_str().is_empty() {
            true => "the current folder".to_owned(),
            false => dir.display().to_string(),
        })
        .collect();
    let looked = match Path::new(path).is_absolute() {
        true => "that place".to_owned(),
        false => places.join(", "),
    };
    DatasetError::NotFound {
        dataset: path.to_owned(),
        looked,
        mend: "run from the folder that the path is relative to, or correct data_files".to_owned(),
    }
}

fn no_split(spec: &DatasetSpec, split: &str, have: &str) -> DatasetError {
    DatasetError::NoSplit {
        dataset: spec.label(),
        split: split.to_owned(),
        have: if have.is_empty() { "none" } else { have }.to_owned(),
    }
}

/// The error of a file in the words of a data set.
fn mapped(error: DatasetFileError, spec: &DatasetSpec, split: &str) -> DatasetError {
    match error {
        DatasetFileError::NoSplit { known, .. } => no_split(spec, split, &known.join(", ")),
        DatasetFileError::Io { path, cause } => damaged(
            path.display().to_string(),
            format!("cannot be read: {cause}"),
        ),
        DatasetFileError::Content {
            path,
            place,
            message,
        } => {
            let path = path.display();
            let file = place.map_or_else(|| path.to_string(), |p| format!("{path}: {p}"));
            damaged(file, message)
        }
        other => damaged(spec.label(), other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spec(path: &str, kwargs: &Value, base: &Path) -> DatasetSpec {
        DatasetSpec {
            path: path.into(),
            name: None,
            kwargs: kwargs.as_object().cloned().unwrap_or_default(),
            base_dirs: vec![base.join("nowhere"), base.to_path_buf()],
        }
    }

    #[test]
    fn files_by_split_by_pattern_and_by_folder() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir(at("parts")).expect("folder");
        std::fs::write(at("parts/b.jsonl"), "{\"x\": 2}\n").expect("written");
        std::fs::write(at("parts/a.jsonl"), "{\"x\": 1}\n").expect("written");
        std::fs::write(at("t.csv"), "x;y\n1;a\n").expect("written");
        let data = FileDatasets::new(upturn_hub::Options::from_env());
        let xs = |spec: &DatasetSpec, split: &str| -> Vec<i64> {
            let rows = data.open(spec, split).expect("there");
            rows.iter().filter_map(|r| r["x"].as_i64()).collect()
        };
        let by_split = json!({"data_files": {"test": ["parts/b.jsonl", "parts/a.jsonl"]}});
        let by_split = spec("json", &by_split, dir.path());
        assert_eq!(xs(&by_split, "test"), [2, 1]);
        assert_eq!(data.splits(&by_split).expect("there"), ["test"]);
        let refused = data.open(&by_split, "train").expect_err("no such split");
        assert!(refused.to_string().contains("it has test"), "{refused}");

        let pattern = spec("json", &json!({"data_files": "parts/*.jsonl"}), dir.path());
        assert_eq!(xs(&pattern, "train"), [1, 2]);
        let csv = spec(
            "csv",
            &json!({"data_files": "t.csv", "sep": ";"}),
            dir.path(),
        );
        assert_eq!(xs(&csv, "train"), [1]);
        let folder = spec(
            "parts",
            &json!({"data_files": {"test": "a.jsonl"}}),
            dir.path(),
        );
        assert_eq!(xs(&folder, "test"), [1]);
    }

    #[test]
    fn what_is_not_there_or_not_done_is_one_line() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let data = FileDatasets::new(upturn_hub::Options::from_env());
        for (kwargs, want) in [
            (
                json!({"data_files": "none.jsonl"}),
                "'none.jsonl' is not here",
            ),
            (
                json!({"data_files": "https://x.y/z.jsonl"}),
                "is not fetched",
            ),
            (json!({"data_files": 3}), "expected a path"),
            (json!({}), "no data_files"),
            (json!({"skiprows": 2}), "skiprows"),
        ] {
            let line = data
                .open(&spec("json", &kwargs, dir.path()), "train")
                .expect_err("refused")
                .to_string();
            assert!(line.contains(want) && !line.contains('\n'), "{line}");
        }
    }
}
