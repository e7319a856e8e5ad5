//! What the files of a folder define, read from their top-level names alone.
//!
//! A folder may hold 14,000 files. Names are picked from lines that start with
//! `task:`, `group:`, `tag:`, `include:` or `class:`, so that a file that is not YAML
//! further down still has one; where that is not safe, the parser tells them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use crate::error::TaskError;
use crate::raw::{self, Loader};
use crate::yaml::{self, Yaml};

/// Folders never looked into.
const SKIPPED_FOLDERS: [&str; 3] = ["__pycache__", ".ipynb_checkpoints", ".git"];
/// Longest chain of includes followed.
const MAX_INCLUDES: usize = 32;

/// What a file defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A task.
    Task,
    /// A group of tasks.
    Group,
}

/// A file that defines something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defined {
    /// The name of the task or group.
    pub name: String,
    /// Which of them it is.
    pub kind: Kind,
    /// Tags of a task.
    pub tags: Vec<String>,
    /// The file.
    pub file: PathBuf,
}

/// The `.yaml` files under a folder, sorted by path.
///
/// # Errors
/// When the folder cannot be read.
pub fn yaml_files(folder: &Path) -> Result<Vec<PathBuf>, TaskError> {
    let mut files = Vec::new();
    let walk = walkdir::WalkDir::new(folder)
        .follow_links(true)
        .into_iter()
        .filter_entry(|e| {
            !(e.file_type().is_dir() && SKIPPED_FOLDERS.iter().any(|s| e.file_name() == *s))
        });
    for entry in walk {
        let entry = entry.map_err(|e| TaskError::Read {
            file: e.path().unwrap_or(folder).display().to_string(),
            reason: format!("cannot be read: {}", e.to_string().replace('\n', " ")),
        })?;
        if entry.file_type().is_file() && entry.path().extension().is_some_and(|e| e == "yaml") {
            files.push(entry.into_path());
        }
    }
    files.sort();
    Ok(files)
}

/// What the files under a folder define.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scan {
    /// Tasks and groups, by path. A file that is none (a part that others include) is not here.
    pub defined: Vec<Defined>,
    /// Files that cannot be read, by path: not YAML, or with an include that leads nowhere.
    /// One whose name could be made out all the same is in `defined` too.
    pub unreadable: Vec<(PathBuf, TaskError)>,
}

/// Looks through the files under a folder.
///
/// # Errors
/// When the folder cannot be read.
pub fn scan(folder: &Path) -> Result<Scan, TaskError> {
    let files = yaml_files(folder)?;
    let scanner = Scanner::default();
    let found: Vec<(PathBuf, Looked)> = files
        .into_par_iter()
        .map(|file| {
            let looked = scanner.look(&file);
            (file, looked)
        })
        .collect();
    let mut scan = Scan::default();
    for (file, looked) in found {
        scan.defined.extend(looked.defined);
        scan.unreadable.extend(looked.fault.map(|e| (file, e)));
    }
    Ok(scan)
}

/// What one file gave.
struct Looked {
    defined: Option<Defined>,
    fault: Option<TaskError>,
}

/// The top-level names of a file.
#[derive(Debug, Clone, Default)]
struct Head {
    task: Option<String>,
    group: Option<String>,
    tags: Option<Vec<String>>,
    includes: Vec<String>,
    /// Whether it is a Python class: then a task, whatever else it says.
    is_class: bool,
}

impl Head {
    /// The head with an included file's beneath it.
    fn over(self, base: &Head) -> Head {
        Head {
            task: self.task.or_else(|| base.task.clone()),
            group: self.group.or_else(|| base.group.clone()),
            tags: self.tags.or_else(|| base.tags.clone()),
            includes: self.includes,
            is_class: self.is_class || base.is_class,
        }
    }
}

#[derive(Default)]
struct Scanner {
    included: Mutex<HashMap<PathBuf, Arc<Head>>>,
    /// Says what is wrong with a file whose names cannot be made out.
    loader: Loader,
}

impl Scanner {
    fn look(&self, file: &Path) -> Looked {
        let text = match raw::read(file) {
            Ok(text) => text,
            Err(e) => {
                return Looked {
                    defined: None,
                    fault: Some(e),
                };
            }
        };
        let fault = yaml::parse(&text)
            .err()
            .map(|e| raw::at(file, e.line, e.reason));
        let Some(own) = quick(&text).or_else(|| full(&text)) else {
            return Looked {
                defined: None,
                fault,
            };
        };
        match self.with_includes(own.clone(), file, 0) {
            Some(head) => Looked {
                defined: defined(head, file),
                fault,
            },
            // Its own names lead whoever asks for them to what is wrong with it.
            None => Looked {
                defined: defined(own, file),
                fault: fault.or_else(|| self.loader.load(file).err()),
            },
        }
    }

    fn head(&self, file: &Path, depth: usize) -> Option<Head> {
        let text = raw::read(file).ok()?;
        let head = quick(&text).or_else(|| full(&text))?;
        self.with_includes(head, file, depth)
    }

    /// A file's head over those of the files that it includes; `None` where one is not readable.
    fn with_includes(&self, mut head: Head, file: &Path, depth: usize) -> Option<Head> {
        let folder = file.parent().unwrap_or(Path::new("."));
        // Of several includes the last wins, so it goes on first.
        for include in std::mem::take(&mut head.includes).iter().rev() {
            let base = self.included(&folder.join(include), depth + 1)?;
            head = head.over(&base);
        }
        Some(head)
    }

    fn included(&self, file: &Path, depth: usize) -> Option<Arc<Head>> {
        if depth > MAX_INCLUDES {
            return None;
        }
        let known = self
            .included
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(file)
            .cloned();
        if known.is_some() {
            return known;
        }
        let with_suffix = || self.head(Path::new(&format!("{}.yaml", file.display())), depth);
        let head = Arc::new(self.head(file, depth).or_else(with_suffix)?);
        self.included
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(file.to_path_buf(), head.clone());
        Some(head)
    }
}

/// The task or group that a head names.
fn defined(head: Head, file: &Path) -> Option<Defined> {
    let (name, kind) = match (head.group, head.task) {
        (_, Some(task)) if head.is_class => (task, Kind::Task),
        (Some(group), _) => (group, Kind::Group),
        (None, Some(task)) => (task, Kind::Task),
        (None, None) => return None,
    };
    let tags = match kind {
        Kind::Task => head.tags.unwrap_or_default(),
        Kind::Group => Vec::new(),
    };
    Some(Defined {
        name,
        kind,
        tags,
        file: file.to_path_buf(),
    })
}

/// The names, where plain lines tell them for certain.
fn quick(text: &str) -> Option<Head> {
    let mut head = Head::default();
    let mut seen: Vec<&str> = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((key, value)) = top_level(line) else {
            // A map in braces or an explicit key hides its names from this reading.
            if line.starts_with(['{', '?', '<']) || line.starts_with("\"<<") {
                return None;
            }
            continue;
        };
        if seen.contains(&key) {
            return None;
        }
        seen.push(key);
        match key {
            "task" => {
                // A list of members, or of inline tasks: only groups have one.
                if value.is_empty() || value.starts_with('[') {
                    continue;
                }
                head.task = Some(scalar(value)?);
            }
            "group" => head.group = Some(scalar(value)?),
            "class" => head.is_class = true,
            "include" if !value.is_empty() => head.includes = vec![scalar(value)?],
            "tag" | "include" => {
                let mut list = if value.is_empty() {
                    Vec::new()
                } else {
                    flow_or_one(value)?
                };
                while let Some(item) = lines.peek().and_then(|l| l.trim_start().strip_prefix("- "))
                {
                    list.push(scalar(item)?);
                    lines.next();
                }
                if key == "tag" {
                    head.tags = Some(list);
                } else {
                    head.includes = list;
                }
            }
            _ => {}
        }
    }
    Some(head)
}

/// A key that matters at the start of a line, and what follows it.
fn top_level(line: &str) -> Option<(&'static str, &str)> {
    const KEYS: [&str; 5] = ["task", "group", "tag", "include", "class"];
    let (rest, quote) = match line.chars().next()? {
        q @ ('"' | '\'') => (&line[1..], Some(q)),
        _ => (line, None),
    };
    KEYS.into_iter().find_map(|key| {
        let rest = rest.strip_prefix(key)?;
        let rest = match quote {
            Some(q) => rest.strip_prefix(q)?,
            None => rest,
        };
        let value = rest.trim_start().strip_prefix(':')?;
        let value = if value.trim_start().starts_with('#') {
            ""
        } else {
            value
        };
        Some((key, value.trim()))
    })
}

/// A plain or simply quoted text; `None` for anything that needs the real parser.
fn scalar(value: &str) -> Option<String> {
    let value = value.trim();
    if let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        let (inner, after) = value[1..].split_once(quote)?;
        let after = after.trim();
        let simple = !inner.contains('\\') && (after.is_empty() || after.starts_with('#'));
        return simple.then(|| inner.to_string());
    }
    let plain = value
        .split_once(" #")
        .map_or(value, |(before, _)| before.trim_end());
    let odd = plain.is_empty()
        || plain.starts_with(['&', '*', '!', '|', '>', '{', '[', '%', '@', '`', '#', '-'])
        || plain.contains(": ")
        || plain.ends_with(':')
        || matches!(plain, "~" | "null" | "Null" | "NULL");
    (!odd).then(|| plain.to_string())
}

fn flow_or_one(value: &str) -> Option<Vec<String>> {
    match value.strip_prefix('[') {
        Some(rest) => {
            let inner = rest.strip_suffix(']')?;
            inner
                .split(',')
                .map(str::trim)
                .filter(|s| !s.is_empty())
                .map(scalar)
                .collect()
        }
        None => Some(vec![scalar(value)?]),
    }
}

/// The names, by the real parser.
fn full(text: &str) -> Option<Head> {
    let yaml = yaml::parse(text).ok()?;
    yaml.as_map()?;
    let text = |key: &str| {
        yaml.get(key)
            .filter(|v| !matches!(v, Yaml::Null | Yaml::Seq(_) | Yaml::Map(_)))
            .map(Yaml::key_text)
    };
    let texts = |key: &str| match yaml.get(key) {
        None | Some(Yaml::Null) => None,
        Some(Yaml::Seq(items)) => Some(items.iter().map(Yaml::key_text).collect()),
        Some(one) => Some(vec![one.key_text()]),
    };
    Some(Head {
        task: text("task"),
        group: text("group"),
        tags: texts("tag"),
        includes: texts("include").unwrap_or_default(),
        is_class: yaml.get("class").is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_the_parser_reads_them() {
        let cases = [
            "task: a\ntag: b\n",
            "\"task\": \"a b\"\n'tag': ['b', c] \n",
            "tag:\n  - x\n  - 'y' # note\ntask: a # note\n",
            "group: g\ntask:\n  - a\n  - b\n",
            "group: g\ntask: [a, b]\n",
            "{task: a, tag: b}\n",
            "task: &t a\ntag: *t\n",
            "description: \"x\ntask: inside\n\"\ntask: a\n",
            "include: _base\ndataset_name: x\n",
            "include:\n- _base\n- _more\n",
            "task: \"a\\tb\"\n",
            "# only a comment\n",
            "tag:\ntask: a\n",
        ];
        for text in cases {
            let quick = quick(text).or_else(|| full(text)).map(|h| format!("{h:?}"));
            let full = full(text).map(|h| format!("{h:?}"));
            let lax = |s: Option<String>| {
                s.unwrap_or_else(|| format!("{:?}", Head::default()))
                    .replace("Some([])", "None")
            };
            assert_eq!(lax(quick), lax(full), "{text}");
        }
    }
}
