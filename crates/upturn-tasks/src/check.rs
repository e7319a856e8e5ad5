//! Which task files can be run here, and what the others lack.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::config::{TaskConfig, helpers_of, python_of};
use crate::error::{Refusal, TaskError};
use crate::index::yaml_files;
use crate::library::Library;
use crate::raw::{Loader, RawConfig};
use crate::template::Templates;
use crate::yaml::Yaml;

/// What can be done with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A task that runs as it is.
    Runnable,
    /// A task that would run if its data set were not made by a script.
    NeedsDatasetScript,
    /// A task or group that names Python functions or classes.
    NeedsPort {
        /// `key: module.name` of each.
        functions: Vec<String>,
    },
    /// A group of tasks.
    Group,
    /// Neither task nor group: a part that others include.
    Part,
    /// A file that is wrong, or asks for what is not done here.
    Refused(String),
}

/// A file and its verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileReport {
    /// The file.
    pub path: PathBuf,
    /// What can be done with it.
    pub verdict: Verdict,
    /// What is done about the Python functions that a runnable task names.
    pub help: Help,
}

/// What is done about the Python functions that a task names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Help {
    /// It names none, or cannot be run.
    #[default]
    None,
    /// They are read as helpers (see [`crate::ports`]).
    Read,
    /// One of them at least is replaced by a port written by hand.
    Ported,
}

/// Counts of verdicts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Files in all.
    pub files: usize,
    /// See [`Verdict::Runnable`].
    pub runnable: usize,
    /// Those of them that run because helpers are read.
    pub read: usize,
    /// Those of them that run because of a port written by hand.
    pub ported: usize,
    /// See [`Verdict::NeedsDatasetScript`].
    pub needs_dataset_script: usize,
    /// See [`Verdict::NeedsPort`].
    pub needs_port: usize,
    /// See [`Verdict::Group`].
    pub groups: usize,
    /// See [`Verdict::Part`].
    pub parts: usize,
    /// See [`Verdict::Refused`].
    pub refused: usize,
    /// Distinct templates tried, those of tasks that cannot be run among them.
    pub templates: usize,
    /// Those that are not Jinja.
    pub templates_refused: usize,
}

/// A check of folders.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Check {
    /// Every `.yaml` file, by path.
    pub files: Vec<FileReport>,
    /// Counts.
    pub totals: Totals,
}

/// Checks every `.yaml` file under the folders: includes, keys, templates, metrics and
/// filters of tasks, and whether the members of groups are there and go round in no circle.
/// No data is read, so a field that the data lacks does not show.
///
/// # Errors
/// When a folder cannot be read.
pub fn check(folders: &[PathBuf]) -> Result<Check, TaskError> {
    let mut paths = Vec::new();
    for folder in folders {
        paths.extend(yaml_files(folder)?);
    }
    let checker = Checker::default();
    let mut files: Vec<FileReport> = paths
        .into_par_iter()
        .map(|path| {
            let (verdict, help) = checker.verdict(&path);
            FileReport {
                path,
                verdict,
                help,
            }
        })
        .collect();
    if files.iter().any(|f| f.verdict == Verdict::Group) {
        let library = Library::open(folders)?;
        let mut groups = library.group_checker();
        for file in files.iter_mut().filter(|f| f.verdict == Verdict::Group) {
            let fault = match checker.loader.load(&file.path) {
                Ok(raw) => groups.fault(&raw),
                Err(e) => Some(e),
            };
            match fault {
                None => {}
                Some(TaskError::Refused(refusal @ Refusal::NeedsPython { .. })) => {
                    let functions = vec![named(&refusal)];
                    file.verdict = Verdict::NeedsPort { functions };
                }
                Some(e) => file.verdict = Verdict::Refused(e.to_string()),
            }
        }
    }
    let mut totals = Totals {
        files: files.len(),
        ..Totals::default()
    };
    for file in &files {
        match file.help {
            Help::None => {}
            Help::Read => totals.read += 1,
            Help::Ported => totals.ported += 1,
        }
        *match file.verdict {
            Verdict::Runnable => &mut totals.runnable,
            Verdict::NeedsDatasetScript => &mut totals.needs_dataset_script,
            Verdict::NeedsPort { .. } => &mut totals.needs_port,
            Verdict::Group => &mut totals.groups,
            Verdict::Part => &mut totals.parts,
            Verdict::Refused(_) => &mut totals.refused,
        } += 1;
    }
    let compiled = checker
        .compiled
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    totals.templates = compiled.len();
    totals.templates_refused = compiled.values().filter(|r| r.is_err()).count();
    drop(compiled);
    Ok(Check { files, totals })
}

/// A function that is not read, with its key and why.
fn named(refusal: &Refusal) -> String {
    match refusal {
        Refusal::NeedsPython {
            key, function, why, ..
        } => format!("{key}: {function} ({why})"),
        other => other.to_string(),
    }
}

#[derive(Default)]
struct Checker {
    loader: Loader,
    /// Whether each template compiled.
    compiled: Mutex<HashMap<String, Result<(), String>>>,
}

impl Checker {
    fn verdict(&self, path: &Path) -> (Verdict, Help) {
        let raw = match self.loader.load(path) {
            Ok(raw) => raw,
            Err(e) => return (Verdict::Refused(e.to_string()), Help::None),
        };
        let verdict = self.verdict_of(&raw);
        if verdict != Verdict::Runnable {
            return (verdict, Help::None);
        }
        let helpers = helpers_of(&raw);
        let is_port = helpers.iter().any(|(_, h)| h.port_of().is_some());
        let help = match helpers.is_empty() {
            true => Help::None,
            false if is_port => Help::Ported,
            false => Help::Read,
        };
        (verdict, help)
    }

    fn verdict_of(&self, raw: &RawConfig) -> Verdict {
        let python = python_of(raw);
        let is_class = raw.value("class").is_some();
        if raw.value("group").is_some() && !is_class {
            return Verdict::Group;
        }
        if raw.value("task").is_none() {
            return Verdict::Part;
        }
        // Templates are checked whether or not the task runs.
        let templates = self.templates(raw);
        if !python.is_empty() {
            return Verdict::NeedsPort {
                functions: python.iter().map(named).collect(),
            };
        }
        if let Err(reason) = templates {
            return Verdict::Refused(reason);
        }
        match TaskConfig::from_raw(raw) {
            Err(e) => Verdict::Refused(e.to_string()),
            Ok(config) if needs_script(&config) => Verdict::NeedsDatasetScript,
            Ok(config) => match can_run(&config) {
                Ok(()) => Verdict::Runnable,
                Err(e) => Verdict::Refused(e.to_string()),
            },
        }
    }

    fn templates(&self, raw: &RawConfig) -> Result<(), String> {
        const KEYS: [&str; 5] = [
            "doc_to_text",
            "doc_to_target",
            "doc_to_choice",
            "description",
            "gen_prefix",
        ];
        let fewshot = raw.value("fewshot_config");
        let sources = KEYS.iter().flat_map(|key| {
            let own = raw.value(key);
            let shot = fewshot.and_then(|f| f.get(key));
            own.into_iter()
                .chain(shot)
                .filter_map(Yaml::as_str)
                .map(move |source| (*key, source))
        });
        let mut result = Ok(());
        for (key, source) in sources {
            let compiled = self
                .compile(source)
                .map_err(|reason| format!("{}: {key}: {reason}", raw.file.display()));
            result = result.and(compiled);
        }
        result
    }

    fn compile(&self, source: &str) -> Result<(), String> {
        let known = self
            .compiled
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(source)
            .cloned();
        known.unwrap_or_else(|| {
            let result = Templates::new().add("template", source).map(|_| ());
            self.compiled
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(source.into(), result.clone());
            result
        })
    }
}

/// Whether the task has all it needs but its data.
fn can_run(config: &TaskConfig) -> Result<(), TaskError> {
    config.eval_split()?;
    config.dataset()?;
    config.metrics()?;
    config.pipelines()?;
    Ok(())
}

/// Whether the file itself says that a script makes the data.
fn needs_script(config: &TaskConfig) -> bool {
    let trusts = config
        .dataset_kwargs
        .get("trust_remote_code")
        .is_some_and(|v| v.as_bool() == Some(true));
    trusts
        || config
            .dataset_path
            .as_deref()
            .is_some_and(|p| Path::new(p).extension().is_some_and(|e| e == "py"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_gets_its_verdict() {
        let dir = tempfile::tempdir().expect("a folder");
        let base = "dataset_path: json\ntest_split: test\ndoc_to_target: b\n";
        for (name, text) in [
            (
                "a.yaml",
                format!("task: a\ndoc_to_text: '{{{{x}}}}'\n{base}"),
            ),
            (
                "b.yaml",
                format!("task: b\nprocess_docs: !function utils.f\n{base}"),
            ),
            ("c.yaml", format!("task: c\ndoc_to_text: '{{{{x'\n{base}")),
            ("d.yaml", base.to_string()),
            ("e.yaml", "group: e\ntask: [a]\n".into()),
            (
                "f.yaml",
                format!("task: f\ndataset_kwargs: {{trust_remote_code: true}}\n{base}"),
            ),
            ("g.yaml", "include: g.yaml\n".into()),
            ("h.yaml", "task: h\ndataset_path: json\n".into()),
            ("i.yaml", "group: i\ntask: [a, {group: in, task: [e, lost]}]\n".into()),
            ("j.yaml", "group: j\ntask: [k]\n".into()),
            ("k.yaml", "group: k\ntask: [e, j]\n".into()),
            ("l.yaml", "group: l\ntask: [i]\n".into()),
            ("m.yaml", "group: m\ntask: e\n".into()),
            (
                "n.yaml",
                "group: n\ntask: [e]\naggregate_metric_list: [{metric: acc, aggregation: !function u.f}]\n".into(),
            ),
        ] {
            std::fs::write(dir.path().join(name), text).expect("written");
        }
        let check = check(&[dir.path().to_path_buf()]).expect("checked");
        let verdicts: Vec<&Verdict> = check.files.iter().map(|f| &f.verdict).collect();
        assert_eq!(verdicts[0], &Verdict::Runnable);
        let Verdict::NeedsPort { functions } = verdicts[1] else {
            panic!("{:?}", verdicts[1])
        };
        assert!(
            functions[0].starts_with("process_docs: utils.f (")
                && functions[0].ends_with("utils.py is not there)"),
            "{functions:?}"
        );
        assert_eq!(
            verdicts[3..6],
            [
                &Verdict::Part,
                &Verdict::Group,
                &Verdict::NeedsDatasetScript
            ]
        );
        for (at, want) in [
            (2, "doc_to_text"),
            (6, "g.yaml -> g.yaml"),
            (7, "neither test_split nor validation_split"),
            (
                8,
                "group 'i::in' names 'lost', which is no task, group or tag",
            ),
            (9, "in a circle: j -> k -> j"),
            (10, "in a circle: k -> j -> k"),
            (11, "i.yaml:2: group 'i::in' names 'lost'"),
            (12, "m.yaml:2: task: a group takes a list of its members"),
        ] {
            let Verdict::Refused(reason) = verdicts[at] else {
                panic!("{at}: {:?}", verdicts[at])
            };
            assert!(reason.contains(want) && !reason.contains('\n'), "{reason}");
        }
        assert_eq!(
            (
                check.totals.files,
                check.totals.runnable,
                check.totals.refused
            ),
            (14, 1, 8)
        );
        let functions = vec![
            "aggregate_metric_list.aggregation: u.f (groups join scores by their mean alone)"
                .to_string(),
        ];
        assert_eq!(*verdicts[13], Verdict::NeedsPort { functions });
    }
}
