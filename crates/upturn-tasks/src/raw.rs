//! A task file as its keys: YAML with its `include`s merged in, each key with
//! the file and line it came from.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::TaskError;
use crate::yaml::{self, Yaml};

/// Largest task file read.
const MAX_FILE_BYTES: u64 = 16 << 20;
/// Longest chain of includes.
const MAX_INCLUDES: usize = 32;

/// A key of a task file.
#[derive(Debug, Clone, PartialEq)]
pub struct RawField {
    /// The key.
    pub key: Arc<str>,
    /// Its value.
    pub value: Yaml,
    /// The file that has it.
    pub file: Arc<Path>,
    /// Its line there, from 1.
    pub line: usize,
}

/// The keys of a task or group, in order, each once.
#[derive(Debug, Clone, PartialEq)]
pub struct RawConfig {
    /// The file that was asked for.
    pub file: Arc<Path>,
    /// Its keys, included ones first.
    pub fields: Vec<RawField>,
}

impl RawConfig {
    /// A key's field. A null value is there; see [`RawConfig::value`].
    #[must_use]
    pub fn field(&self, key: &str) -> Option<&RawField> {
        self.fields.iter().find(|f| &*f.key == key)
    }

    /// A key's value; none when the key is absent or null.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&Yaml> {
        self.field(key)
            .map(|f| &f.value)
            .filter(|v| **v != Yaml::Null)
    }

    /// Sets a key, in its old place if there is one.
    pub fn set(&mut self, field: RawField) {
        match self.fields.iter_mut().find(|f| f.key == field.key) {
            Some(old) => *old = field,
            None => self.fields.push(field),
        }
    }

    /// Removes a key.
    pub fn remove(&mut self, key: &str) {
        self.fields.retain(|f| &*f.key != key);
    }

    /// Sets every key of `over`.
    pub fn override_with(&mut self, over: &[RawField]) {
        over.iter().for_each(|field| self.set(field.clone()));
    }

    /// The keys of a text that stands in no file; `file` is what messages call it.
    ///
    /// # Errors
    /// When it is no YAML map.
    pub fn of_text(text: &str, file: &Path) -> Result<RawConfig, TaskError> {
        let yaml = yaml::parse(text).map_err(|e| at(file, e.line, e.reason))?;
        RawConfig::inline(&yaml, &file.into()).ok_or_else(|| {
            at(
                file,
                1,
                format!("expected a map of keys, found {}", yaml.kind()),
            )
        })
    }

    /// The keys of a map that stands in a file (an inline task or group).
    #[must_use]
    pub fn inline(value: &Yaml, file: &Arc<Path>) -> Option<RawConfig> {
        let entries = value.as_map()?;
        let fields = entries.iter().map(|e| RawField {
            key: e.key.key_text().into(),
            value: e.value.clone(),
            file: file.clone(),
            line: e.line,
        });
        Some(RawConfig {
            file: file.clone(),
            fields: fields.collect(),
        })
    }
}

/// Reads task files, each included file once.
#[derive(Debug, Default)]
pub struct Loader {
    included: Mutex<HashMap<PathBuf, Result<Arc<RawConfig>, TaskError>>>,
}

impl Loader {
    /// The keys of a file with its includes: an included file gives way to the
    /// one that includes it, an earlier one to a later one; values are replaced
    /// whole, lists too.
    ///
    /// # Errors
    /// When a file cannot be read, is not a YAML map, or includes itself.
    pub fn load(&self, path: &Path) -> Result<RawConfig, TaskError> {
        self.load_in(path, &mut Vec::new())
    }

    fn load_in(&self, path: &Path, chain: &mut Vec<PathBuf>) -> Result<RawConfig, TaskError> {
        let text = read(path)?;
        let file: Arc<Path> = path.into();
        let yaml = yaml::parse(&text).map_err(|e| at(path, e.line, e.reason))?;
        let Some(mut own) = RawConfig::inline(&yaml, &file) else {
            return Err(at(
                path,
                1,
                format!("expected a map of keys, found {}", yaml.kind()),
            ));
        };
        let Some(include) = own.field("include").cloned() else {
            return Ok(own);
        };
        own.remove("include");
        let names: Vec<&str> = match &include.value {
            Yaml::Str(name) => vec![name],
            Yaml::Seq(items) => items
                .iter()
                .map(Yaml::as_str)
                .collect::<Option<_>>()
                .unwrap_or_default(),
            _ => Vec::new(),
        };
        if names.is_empty() {
            let reason = format!(
                "include takes a path or a list of paths, found {}",
                include.value.kind()
            );
            return Err(at(path, include.line, reason));
        }
        let here = normal(path);
        if chain.contains(&here) || chain.len() >= MAX_INCLUDES {
            return Err(cycle(path, include.line, chain, &here));
        }
        chain.push(here);
        let mut merged = RawConfig {
            file,
            fields: Vec::new(),
        };
        for name in names {
            let target = resolve(path, name).ok_or_else(|| {
                let folder = path.parent().unwrap_or(Path::new(".")).display();
                at(
                    path,
                    include.line,
                    format!("include '{name}' is not in {folder}"),
                )
            })?;
            let base = self.included(&target, chain)?;
            base.fields
                .iter()
                .filter(|f| &*f.key != "task_list")
                .for_each(|f| merged.set(f.clone()));
        }
        chain.pop();
        merged.override_with(&own.fields);
        Ok(merged)
    }

    /// An included file, from memory where it was read before.
    fn included(&self, path: &Path, chain: &mut Vec<PathBuf>) -> Result<Arc<RawConfig>, TaskError> {
        let key = normal(path);
        if !chain.contains(&key) {
            let known = self
                .included
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get(&key)
                .cloned();
            if let Some(known) = known {
                return known;
            }
        }
        let read = self.load_in(path, chain).map(Arc::new);
        // What a cycle made of a file depends on where it was entered: not kept.
        if !matches!(&read, Err(TaskError::File { reason, .. }) if reason.starts_with(CYCLE)) {
            self.included
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(key, read.clone());
        }
        read
    }
}

const CYCLE: &str = "the include goes round in a circle: ";

fn cycle(path: &Path, line: usize, chain: &[PathBuf], here: &Path) -> TaskError {
    let start = chain.iter().position(|p| p == here);
    let name = |p: &Path| {
        p.file_name()
            .unwrap_or(p.as_os_str())
            .to_string_lossy()
            .into_owned()
    };
    match start {
        Some(start) => {
            let mut names: Vec<String> = chain[start..].iter().map(|p| name(p)).collect();
            names.push(name(here));
            at(path, line, format!("{CYCLE}{}", names.join(" -> ")))
        }
        None => at(
            path,
            line,
            format!("more than {MAX_INCLUDES} files include one another in a row"),
        ),
    }
}

/// An error at a line of a file.
pub(crate) fn at(path: &Path, line: usize, reason: impl Into<String>) -> TaskError {
    TaskError::File {
        file: path.display().to_string(),
        line,
        reason: reason.into(),
    }
}

/// A task file's text.
pub(crate) fn read(path: &Path) -> Result<String, TaskError> {
    let fail = |reason: String| TaskError::Read {
        file: path.display().to_string(),
        reason,
    };
    let io = |e: std::io::Error| fail(format!("cannot be read: {}", e.to_string().to_lowercase()));
    let length = std::fs::metadata(path).map_err(io)?.len();
    if length > MAX_FILE_BYTES {
        return Err(fail(format!(
            "is {length} bytes; a task file has at most {MAX_FILE_BYTES}"
        )));
    }
    let bytes = std::fs::read(path).map_err(io)?;
    String::from_utf8(bytes).map_err(|e| {
        fail(format!(
            "is not UTF-8 text (byte {}); save it as UTF-8",
            e.utf8_error().valid_up_to()
        ))
    })
}

/// The file an include names: beside the including file, with or without `.yaml`.
fn resolve(from: &Path, name: &str) -> Option<PathBuf> {
    let beside = from.parent().unwrap_or(Path::new(".")).join(name);
    if beside.is_file() {
        return Some(beside);
    }
    let with_suffix = PathBuf::from(format!("{}.yaml", beside.display()));
    with_suffix.is_file().then_some(with_suffix)
}

/// One spelling per path: `..` and `.` resolved, links followed where the file exists.
fn normal(path: &Path) -> PathBuf {
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).expect("written");
        }
        dir
    }

    #[test]
    fn the_including_file_wins_and_lists_are_replaced() {
        let dir = folder(&[
            (
                "_base",
                "task: base\nmetric_list: [1, 2]\ndescription: a\ntask_list: [x]\n",
            ),
            ("_more.yaml", "include: _base\ndescription: b\n"),
            (
                "a.yaml",
                "include: [_base, _more]\ntask: a\nmetric_list: [3]\n",
            ),
        ]);
        let raw = Loader::default()
            .load(&dir.path().join("a.yaml"))
            .expect("loads");
        let got: Vec<_> = raw
            .fields
            .iter()
            .map(|f| (&*f.key, f.value.to_json()))
            .collect();
        let want = [
            ("task", "a".into()),
            ("metric_list", serde_json::json!([3])),
            ("description", "b".into()),
        ];
        assert_eq!(got, want);
        assert!(raw.fields[2].file.ends_with("_more.yaml"));
    }

    #[test]
    fn a_circle_of_includes_is_named() {
        let dir = folder(&[
            ("a.yaml", "include: b.yaml\n"),
            ("b.yaml", "include: a.yaml\n"),
            ("s.yaml", "include: s.yaml\n"),
        ]);
        let loader = Loader::default();
        let error = loader
            .load(&dir.path().join("a.yaml"))
            .expect_err("refused")
            .to_string();
        assert!(error.contains("a.yaml -> b.yaml -> a.yaml"), "{error}");
        let error = loader
            .load(&dir.path().join("s.yaml"))
            .expect_err("refused")
            .to_string();
        assert!(
            error.contains("s.yaml -> s.yaml") && !error.contains('\n'),
            "{error}"
        );
    }

    #[test]
    fn missing_and_odd_files_are_refused() {
        let dir = folder(&[
            ("a.yaml", "include: gone\n"),
            ("b.yaml", "[1]"),
            ("c.yaml", "include: 3\n"),
        ]);
        std::fs::write(dir.path().join("d.yaml"), [0xff, 0xfe]).expect("written");
        let loader = Loader::default();
        for (name, want) in [
            ("a.yaml", "include 'gone' is not in"),
            ("b.yaml", "expected a map"),
            ("c.yaml", "include takes"),
            ("d.yaml", "not UTF-8"),
            ("e.yaml", "cannot be read"),
        ] {
            let error = loader
                .load(&dir.path().join(name))
                .expect_err("refused")
                .to_string();
            assert!(error.contains(want), "{error}");
        }
    }
}
