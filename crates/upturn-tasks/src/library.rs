//! Tasks by name: folders of task files, and choices among them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bigbench;
use crate::config::TaskConfig;
use crate::error::{Refusal, TaskError, did_you_mean};
use crate::generated::{self, Generated};
use crate::index::{self, Defined, Kind};
use crate::prompting;
use crate::raw::{Loader, RawConfig, RawField, at};
use crate::yaml::Yaml;

/// Keys of a group that are its own and not handed down to its tasks.
const GROUP_KEYS: [&str; 7] = [
    "group",
    "group_alias",
    "task",
    "aggregate_metric_list",
    "metadata",
    "tag",
    "include",
];
/// Deepest nesting of groups.
const MAX_DEPTH: usize = 32;
/// Most members of all groups together, each as often as it is named: groups that name
/// others several times over could else have more than there is memory for.
const MAX_MEMBERS: usize = 200_000;

/// How a group joins one metric over its tasks: a mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AggregateMetric {
    /// The metric.
    pub metric: String,
    /// Filters to join; none is every filter that the tasks have.
    pub filters: Option<Vec<String>>,
    /// Whether a task counts by its number of items (else all count alike).
    pub weight_by_size: bool,
}

/// A group with its members.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupNode {
    /// Its name; of an inline group `parent::name`.
    pub name: String,
    /// Its name in tables.
    pub alias: Option<String>,
    /// What it joins; empty where it only lists its members.
    pub aggregate: Vec<AggregateMetric>,
    /// `metadata.version`, as text.
    pub version: Option<String>,
    /// Its members in order.
    pub children: Vec<Node>,
    /// Members, at any depth, that were left out because they cannot be run here.
    pub left_out: Vec<String>,
}

/// A task or a group.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// A group.
    Group(GroupNode),
    /// A task.
    Task(Arc<TaskConfig>),
}

impl Node {
    fn collect<'n>(&'n self, tasks: &mut Vec<&'n Arc<TaskConfig>>) {
        match self {
            Node::Task(task) => tasks.push(task),
            Node::Group(group) => group.children.iter().for_each(|c| c.collect(tasks)),
        }
    }
}

/// What was chosen.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Selection {
    /// The tasks and groups asked for, in order.
    pub roots: Vec<Node>,
    /// Tasks left out because they cannot be run here, with the reason; see
    /// [`Library::select_runnable`].
    pub left_out: Vec<(String, TaskError)>,
}

impl Selection {
    /// Every task once, in order of first appearance.
    #[must_use]
    pub fn tasks(&self) -> Vec<&Arc<TaskConfig>> {
        let mut all = Vec::new();
        self.roots.iter().for_each(|root| root.collect(&mut all));
        let mut seen = BTreeSet::new();
        all.retain(|task| seen.insert(task.task.as_str()));
        all
    }
}

/// Where a name leads.
#[derive(Debug, Clone)]
struct Entry {
    kind: Kind,
    file: PathBuf,
}

/// Folders of task files, by name.
#[derive(Debug, Default)]
pub struct Library {
    loader: Loader,
    names: Names,
    unreadable: Vec<TaskError>,
}

#[derive(Debug, Default, Clone)]
struct Names {
    entries: BTreeMap<String, Entry>,
    tags: BTreeMap<String, BTreeSet<String>>,
    warnings: Vec<String>,
}

impl Names {
    /// Adds a folder: its names take the place of those before.
    fn add(&mut self, found: Vec<Defined>) {
        let mut own: BTreeMap<String, Entry> = BTreeMap::new();
        for defined in found {
            if let Some(first) = own.get(&defined.name) {
                self.warnings.push(format!(
                    "'{}' is defined in {} and again in {}; the first is used",
                    defined.name,
                    first.file.display(),
                    defined.file.display()
                ));
                continue;
            }
            for tag in defined.tags {
                self.tags
                    .entry(tag)
                    .or_default()
                    .insert(defined.name.clone());
            }
            own.insert(
                defined.name,
                Entry {
                    kind: defined.kind,
                    file: defined.file,
                },
            );
        }
        self.entries.extend(own);
    }

    fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name) || self.tags.contains_key(name)
    }

    fn all(&self) -> BTreeSet<&str> {
        self.entries
            .keys()
            .chain(self.tags.keys())
            .map(String::as_str)
            .collect()
    }
}

impl Library {
    /// Indexes folders of task files: a name in a later folder takes the place of
    /// the same name in an earlier one. Files are parsed when they are chosen.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn open(folders: &[PathBuf]) -> Result<Library, TaskError> {
        let mut library = Library::default();
        for folder in folders {
            let found = index::scan(folder)?;
            library.names.add(found.defined);
            let faults = found.unreadable.into_iter().map(|(_, fault)| fault);
            library.unreadable.extend(faults);
        }
        Ok(library)
    }

    /// Names of tasks and groups, sorted, with what they are.
    pub fn names(&self) -> impl Iterator<Item = (&str, Kind, &Path)> {
        self.names
            .entries
            .iter()
            .map(|(name, e)| (name.as_str(), e.kind, e.file.as_path()))
    }

    /// Tags, sorted, with the tasks that have them.
    pub fn tags(&self) -> impl Iterator<Item = (&str, &BTreeSet<String>)> {
        self.names
            .tags
            .iter()
            .map(|(tag, tasks)| (tag.as_str(), tasks))
    }

    /// One line for each name defined twice in a folder.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.names.warnings
    }

    /// Why files of the folders cannot be read, in order. Those of them that a selection
    /// asks for are refused there in the same words.
    #[must_use]
    pub fn unreadable(&self) -> &[TaskError] {
        &self.unreadable
    }

    /// Tells of groups whether their members are there.
    pub(crate) fn group_checker(&self) -> GroupChecker<'_> {
        GroupChecker(self.builder(Mode::Names))
    }

    /// The tasks and groups that `wanted` names: a task, a group, a tag, a pattern
    /// (`mmlu_*`), a task file, a folder of task files; commas separate several.
    ///
    /// # Errors
    /// At the first name that is not known, or task that cannot be run here.
    pub fn select<S: AsRef<str>>(&self, wanted: &[S]) -> Result<Selection, TaskError> {
        self.choose(wanted, false)
    }

    /// As [`Library::select`], but what cannot be run here among the members of a group, a
    /// tag, a pattern or a folder is left out and listed, files that cannot be read too. So
    /// nothing at all may be chosen.
    ///
    /// # Errors
    /// At the first name that is not known, and at a file named by its path that is wrong.
    pub fn select_runnable<S: AsRef<str>>(&self, wanted: &[S]) -> Result<Selection, TaskError> {
        self.choose(wanted, true)
    }

    fn choose<S: AsRef<str>>(&self, wanted: &[S], leave_out: bool) -> Result<Selection, TaskError> {
        let mut builder = self.builder(match leave_out {
            true => Mode::LeaveOut,
            false => Mode::Strict,
        });
        for name in wanted
            .iter()
            .flat_map(|w| generated::split_names(w.as_ref()))
        {
            builder.root(&name)?;
        }
        builder.check_settings()?;
        Ok(builder.selection)
    }

    fn builder(&self, mode: Mode) -> TreeBuilder<'_> {
        TreeBuilder {
            loader: &self.loader,
            names: self.names.clone(),
            mode,
            selection: Selection::default(),
            n_members: 0,
            sound: BTreeSet::new(),
        }
    }
}

/// What becomes of members that cannot be run here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// The first is an error.
    Strict,
    /// They are left out and listed.
    LeaveOut,
    /// Tasks are not read: only whether every name leads somewhere counts.
    Names,
}

/// Tells of groups whether their members are there, each nested group read once.
pub(crate) struct GroupChecker<'l>(TreeBuilder<'l>);

impl GroupChecker<'_> {
    /// What is wrong with a group: a member that does not exist, a circle, a wrong key.
    pub(crate) fn fault(&mut self, raw: &RawConfig) -> Option<TaskError> {
        let name = raw.value("group").map(Yaml::key_text)?;
        self.0.n_members = 0;
        self.0.group(&name, raw, &[], &mut Vec::new()).err()
    }
}

struct TreeBuilder<'l> {
    loader: &'l Loader,
    names: Names,
    mode: Mode,
    selection: Selection,
    /// Members seen so far.
    n_members: usize,
    /// Groups that were found sound, in [`Mode::Names`].
    sound: BTreeSet<String>,
}

impl TreeBuilder<'_> {
    fn root(&mut self, name: &str) -> Result<(), TaskError> {
        if self.names.entries.contains_key(name) || self.names.tags.contains_key(name) {
            return self.push(name);
        }
        let path = Path::new(name);
        if !path.exists()
            && let Some(split) = prompting::split(name)
            && !generated::has_form(name)
        {
            return self.root_prompted(name, split);
        }
        if !path.exists() && generated::is_meant(name) {
            return self.root_generated(name);
        }
        if let Some(found) = bigbench::find(path)? {
            return self.root_bigbench(found);
        }
        if path.is_file() {
            return self.root_file(path);
        }
        if path.is_dir() {
            return self.root_folder(path);
        }
        if name.contains(['*', '?', '[']) {
            let chosen: Vec<String> = self
                .names
                .all()
                .into_iter()
                .filter(|n| matches(name, n))
                .map(str::to_string)
                .collect();
            if !chosen.is_empty() {
                return chosen.iter().try_for_each(|n| self.push_member(n));
            }
        }
        Err(self.unknown(name))
    }

    fn unknown(&self, name: &str) -> TaskError {
        TaskError::UnknownName {
            name: name.into(),
            hint: did_you_mean(name, self.names.all()),
        }
    }

    fn push(&mut self, name: &str) -> Result<(), TaskError> {
        let nodes = self.named(name, &[], &mut Vec::new())?;
        self.selection.roots.extend(nodes);
        Ok(())
    }

    /// As [`Self::push`] for a name that a pattern or a folder led to.
    fn push_member(&mut self, name: &str) -> Result<(), TaskError> {
        self.push(name).or_else(|e| self.leave_out(name, e))
    }

    /// Lists what cannot be run, where that is the way.
    fn leave_out(&mut self, name: &str, reason: TaskError) -> Result<(), TaskError> {
        match self.mode {
            Mode::LeaveOut => {
                self.selection.left_out.push((name.to_string(), reason));
                Ok(())
            }
            Mode::Strict | Mode::Names => Err(reason),
        }
    }

    /// A generated task by its name and parameters.
    fn root_generated(&mut self, name: &str) -> Result<(), TaskError> {
        let refused = |reason: String| TaskError::Task {
            file: name.into(),
            reason,
        };
        let text = Generated::parse(name).map_err(refused)?.yaml();
        let raw = RawConfig::of_text(&text, Path::new(name))?;
        let node = self.task(&raw, &[])?;
        self.selection.roots.extend(node);
        Ok(())
    }

    /// A name with a prompting method after it.
    fn root_prompted(
        &mut self,
        name: &str,
        split: Result<(&str, prompting::Method), String>,
    ) -> Result<(), TaskError> {
        let (base, method) = split.map_err(|reason| TaskError::Task {
            file: name.into(),
            reason,
        })?;
        let first = self.selection.roots.len();
        self.root(base)?;
        for node in self.selection.roots.split_off(first) {
            let mut refuse = |task: &str, reason| self.leave_out(task, reason);
            let node = prompting::apply(node, &method, &mut refuse)?;
            self.selection.roots.extend(node);
        }
        Ok(())
    }

    /// What a path holds of BIG-bench.
    fn root_bigbench(&mut self, found: bigbench::Found) -> Result<(), TaskError> {
        self.selection.roots.extend(found.nodes);
        let mut refused = found.refused.into_iter();
        refused.try_for_each(|(name, reason)| self.leave_out(&name, reason))
    }

    /// A task file by its path. The names of its folder are at hand for a group's members.
    fn root_file(&mut self, path: &Path) -> Result<(), TaskError> {
        let raw = self.loader.load(path)?;
        let folder = path
            .parent()
            .filter(|p| !p.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        if raw.value("group").is_some() {
            // The library's own names go before those of the folder.
            let mut names = Names::default();
            names.add(index::scan(folder)?.defined);
            names
                .entries
                .extend(std::mem::take(&mut self.names.entries));
            names.tags.extend(std::mem::take(&mut self.names.tags));
            self.names = names;
        }
        let nodes = match raw.value("group") {
            Some(group) => {
                let name = group.key_text();
                vec![Node::Group(self.group(
                    &name,
                    &raw,
                    &[],
                    &mut Vec::new(),
                )?)]
            }
            None => self.task(&raw, &[])?.into_iter().collect(),
        };
        self.selection.roots.extend(nodes);
        Ok(())
    }

    /// A folder: its groups, and its tasks that are in none of them.
    fn root_folder(&mut self, path: &Path) -> Result<(), TaskError> {
        let found = index::scan(path)?;
        if found.defined.is_empty() && found.unreadable.is_empty() {
            return Err(TaskError::Read {
                file: path.display().to_string(),
                reason: "holds no task file".into(),
            });
        }
        // Those with a name are refused when it is looked up.
        for (file, reason) in found.unreadable {
            if found.defined.iter().all(|d| d.file != file) {
                self.leave_out(&file.display().to_string(), reason)?;
            }
        }
        let mut own = Names::default();
        own.add(found.defined);
        self.names.entries.extend(own.entries.clone());
        for (tag, tasks) in own.tags {
            self.names.tags.entry(tag).or_default().extend(tasks);
        }
        let mut groups = Vec::new();
        for (name, _) in own.entries.iter().filter(|(_, e)| e.kind == Kind::Group) {
            match self.named(name, &[], &mut Vec::new()) {
                Ok(nodes) => groups.extend(nodes),
                Err(reason) => self.leave_out(name, reason)?,
            }
        }
        let mut inside = BTreeSet::new();
        groups.iter().for_each(|g| members(g, &mut inside));
        groups.retain(|g| !matches!(g, Node::Group(g) if inside.contains(&g.name)));
        self.selection.roots.extend(groups);
        for (name, _) in own
            .entries
            .iter()
            .filter(|(n, e)| e.kind == Kind::Task && !inside.contains(*n))
        {
            self.push_member(name)?;
        }
        Ok(())
    }

    /// The nodes of a name: one, or every task of a tag.
    fn named(
        &mut self,
        name: &str,
        overrides: &[RawField],
        chain: &mut Vec<String>,
    ) -> Result<Vec<Node>, TaskError> {
        if let Some(entry) = self.names.entries.get(name).cloned() {
            if self.mode == Mode::Names && (entry.kind == Kind::Task || self.sound.contains(name)) {
                return Ok(Vec::new());
            }
            let raw = match self.loader.load(&entry.file) {
                Ok(raw) => raw,
                // A group stands or falls with its tasks; a member of it that is no YAML is
                // left out like one that cannot be run.
                Err(reason) if entry.kind == Kind::Task && !chain.is_empty() => {
                    return self.leave_out(name, reason).map(|()| Vec::new());
                }
                Err(reason) => return Err(reason),
            };
            return match entry.kind {
                Kind::Group => {
                    let group = self.group(name, &raw, overrides, chain)?;
                    if self.mode == Mode::Names {
                        self.sound.insert(name.to_string());
                    }
                    Ok(vec![Node::Group(group)])
                }
                Kind::Task => Ok(self.task(&raw, overrides)?.into_iter().collect()),
            };
        }
        let tasks = self.names.tags.get(name).cloned().unwrap_or_default();
        let mut nodes = Vec::new();
        for task in tasks {
            nodes.extend(self.named(&task, overrides, chain)?);
        }
        Ok(nodes)
    }

    fn task(&mut self, raw: &RawConfig, overrides: &[RawField]) -> Result<Option<Node>, TaskError> {
        if self.mode == Mode::Names {
            return Ok(None);
        }
        let mut raw = raw.clone();
        raw.override_with(overrides);
        match TaskConfig::from_raw(&raw) {
            Ok(config) => Ok(Some(Node::Task(Arc::new(config)))),
            Err(reason) => {
                let name = raw
                    .value("task")
                    .map_or_else(|| raw.file.display().to_string(), Yaml::key_text);
                self.leave_out(&name, reason).map(|()| None)
            }
        }
    }

    fn group(
        &mut self,
        name: &str,
        raw: &RawConfig,
        overrides: &[RawField],
        chain: &mut Vec<String>,
    ) -> Result<GroupNode, TaskError> {
        let line = raw.field("task").map_or(1, |f| f.line);
        if chain.iter().any(|n| n == name) || chain.len() >= MAX_DEPTH {
            chain.push(name.to_string());
            return Err(at(
                &raw.file,
                line,
                format!("the group goes round in a circle: {}", chain.join(" -> ")),
            ));
        }
        chain.push(name.to_string());
        let n_left_out = self.selection.left_out.len();
        // What is not the group's own is handed to every task; what the caller hands down goes before it.
        let mut handed: RawConfig = RawConfig {
            file: raw.file.clone(),
            fields: Vec::new(),
        };
        handed.fields.extend(
            raw.fields
                .iter()
                .filter(|f| !GROUP_KEYS.contains(&&*f.key))
                .cloned(),
        );
        handed.override_with(overrides);
        let mut children = Vec::new();
        match raw.value("task") {
            Some(Yaml::Seq(items)) => {
                for item in items {
                    children.extend(self.member(name, raw, item, &handed.fields, chain)?);
                }
            }
            Some(other) => {
                let reason = format!(
                    "task: a group takes a list of its members, found {}",
                    other.kind()
                );
                return Err(at(&raw.file, line, reason));
            }
            None => {
                return Err(at(
                    &raw.file,
                    line,
                    format!("group '{name}' has no list 'task' of its members"),
                ));
            }
        }
        chain.pop();
        Ok(GroupNode {
            name: name.to_string(),
            alias: raw.value("group_alias").map(Yaml::key_text),
            aggregate: aggregate(raw)?,
            version: raw
                .value("metadata")
                .and_then(|m| m.get("version"))
                .map(Yaml::key_text),
            children,
            left_out: self.selection.left_out[n_left_out..]
                .iter()
                .map(|(name, _)| name.clone())
                .collect(),
        })
    }

    fn member(
        &mut self,
        group: &str,
        raw: &RawConfig,
        item: &Yaml,
        handed: &[RawField],
        chain: &mut Vec<String>,
    ) -> Result<Vec<Node>, TaskError> {
        let line = raw.field("task").map_or(1, |f| f.line);
        self.n_members += 1;
        if self.n_members > MAX_MEMBERS {
            return Err(at(
                &raw.file,
                line,
                format!(
                    "groups within groups come to more than {MAX_MEMBERS} members; name each once"
                ),
            ));
        }
        let Some(own) = RawConfig::inline(item, &raw.file) else {
            let Yaml::Str(name) = item else {
                return Err(at(
                    &raw.file,
                    line,
                    format!("task: a member is a name or a map, found {}", item.kind()),
                ));
            };
            if !self.names.has(name) {
                let hint = did_you_mean(name, self.names.all());
                return Err(at(
                    &raw.file,
                    line,
                    format!("group '{group}' names '{name}', which is no task, group or tag{hint}"),
                ));
            }
            return self.named(name, handed, chain);
        };
        let line = own.fields.first().map_or(line, |f| f.line);
        if let Some(inner) = own.value("group").map(Yaml::key_text) {
            if self.names.entries.contains_key(&inner) {
                let mut merged = RawConfig {
                    file: raw.file.clone(),
                    fields: handed.to_vec(),
                };
                let handed_down = own
                    .fields
                    .iter()
                    .filter(|f| !GROUP_KEYS.contains(&&*f.key))
                    .cloned();
                merged.override_with(&handed_down.collect::<Vec<_>>());
                return self.named(&inner, &merged.fields, chain);
            }
            let node = self.group(&format!("{group}::{inner}"), &own, handed, chain)?;
            return Ok(vec![Node::Group(node)]);
        }
        let Some(name) = own.value("task").map(Yaml::key_text) else {
            return Err(at(
                &raw.file,
                line,
                format!("a member of group '{group}' has neither 'task' nor 'group'"),
            ));
        };
        let mut merged = RawConfig {
            file: raw.file.clone(),
            fields: handed.to_vec(),
        };
        if self.names.has(&name) {
            let settings = own.fields.iter().filter(|f| &*f.key != "task").cloned();
            merged.override_with(&settings.collect::<Vec<_>>());
            return self.named(&name, &merged.fields, chain);
        }
        merged.override_with(&own.fields);
        merged.set(RawField {
            key: "task".into(),
            value: Yaml::Str(format!("{group}::{name}").into()),
            file: raw.file.clone(),
            line,
        });
        Ok(self.task(&merged, &[])?.into_iter().collect())
    }

    /// A task may be chosen twice, but not with two settings.
    fn check_settings(&self) -> Result<(), TaskError> {
        let mut all = Vec::new();
        self.selection
            .roots
            .iter()
            .for_each(|root| root.collect(&mut all));
        let mut first: BTreeMap<&str, &Arc<TaskConfig>> = BTreeMap::new();
        for task in all {
            let known = first.entry(&task.task).or_insert(task);
            if ***known != **task {
                return Err(TaskError::Task {
                    file: task.file.display().to_string(),
                    reason: format!(
                        "task '{}' is chosen twice with different settings; choose one",
                        task.task
                    ),
                });
            }
        }
        Ok(())
    }
}

/// Names of the tasks and groups beneath a node.
fn members(node: &Node, names: &mut BTreeSet<String>) {
    if let Node::Group(group) = node {
        for child in &group.children {
            match child {
                Node::Group(g) => names.insert(g.name.clone()),
                Node::Task(t) => names.insert(t.task.clone()),
            };
            members(child, names);
        }
    }
}

/// `aggregate_metric_list`.
fn aggregate(raw: &RawConfig) -> Result<Vec<AggregateMetric>, TaskError> {
    const KEY: &str = "aggregate_metric_list";
    let Some(field) = raw.field(KEY).filter(|f| f.value != Yaml::Null) else {
        return Ok(Vec::new());
    };
    let fail = |reason: String| at(&field.file, field.line, format!("{KEY}: {reason}"));
    let items = match &field.value {
        Yaml::Seq(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    let metric = |item: &Yaml| {
        let Some(entries) = item.as_map() else {
            return Err(fail(format!("expected a map, found {}", item.kind())));
        };
        let mut out = AggregateMetric {
            metric: String::new(),
            filters: None,
            weight_by_size: true,
        };
        for entry in entries {
            let key = entry.key.key_text();
            match (key.as_str(), &entry.value) {
                ("metric", Yaml::Str(name)) => out.metric = name.to_string(),
                ("filter_list", Yaml::Null) | ("aggregation", Yaml::Null) => {}
                ("filter_list", Yaml::Seq(names)) => {
                    out.filters = Some(names.iter().map(Yaml::key_text).collect())
                }
                ("filter_list", Yaml::Str(name)) => out.filters = Some(vec![name.to_string()]),
                ("weight_by_size", Yaml::Bool(b)) => out.weight_by_size = *b,
                ("aggregation", Yaml::Str(how)) if &**how == "mean" => {}
                (_, Yaml::Function(f)) => {
                    return Err(Refusal::NeedsPython {
                        key: format!("{KEY}.{key}"),
                        function: f.name.to_string(),
                        file: field.file.display().to_string(),
                        line: f.line,
                        why: "groups join scores by their mean alone".into(),
                    }
                    .into());
                }
                ("aggregation", _) => return Err(fail("aggregation: mean is the only one".into())),
                ("metric" | "filter_list" | "weight_by_size", other) => {
                    return Err(fail(format!("{key}: unexpected {}", other.kind())));
                }
                _ => return Err(fail(format!("unknown key '{key}'"))),
            }
        }
        if out.metric.is_empty() {
            return Err(fail("an entry has no key 'metric'".into()));
        }
        Ok(out)
    };
    items.iter().map(metric).collect()
}

/// Whether a name fits a shell pattern: `*`, `?`, `[abc]`, `[!abc]`, `[a-z]`.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    // The place after the last star and the place in the name it was tried at.
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match one(&pattern[p..], name[n]) {
            _ if pattern.get(p) == Some(&'*') => {
                star = Some((p + 1, n));
                p += 1;
            }
            Some(used) => {
                p += used;
                n += 1;
            }
            None => {
                let Some((after, at)) = star else {
                    return false;
                };
                star = Some((after, at + 1));
                (p, n) = (after, at + 1);
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Length of the pattern's first element if the character fits it.
fn one(pattern: &[char], c: char) -> Option<usize> {
    match pattern.first()? {
        '?' => Some(1),
        '[' => {
            let negated = pattern.get(1) == Some(&'!');
            let start = 1 + usize::from(negated);
            // A bracket right after the opening one is a member.
            let Some(end) = (start + 1..pattern.len()).find(|&i| pattern[i] == ']') else {
                return (c == '[').then_some(1);
            };
            let set = &pattern[start..end];
            let mut inside = false;
            let mut i = 0;
            while i < set.len() {
                if i + 2 < set.len() && set[i + 1] == '-' {
                    inside |= (set[i]..=set[i + 2]).contains(&c);
                    i += 3;
                } else {
                    inside |= set[i] == c;
                    i += 1;
                }
            }
            (inside != negated).then_some(end + 1)
        }
        literal => (*literal == c).then_some(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, name, want) in [
            ("mmlu_*", "mmlu_law", true),
            ("mmlu_*", "mmlu", false),
            ("*_law", "mmlu_law", true),
            ("a?c", "abc", true),
            ("a[b-d]c", "acc", true),
            ("a[!b]c", "abc", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*", "", true),
            ("a[", "a[", true),
            ("a*a", "a", false),
        ] {
            assert_eq!(matches(pattern, name), want, "{pattern} {name}");
        }
    }

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            std::fs::write(path, text).expect("written");
        }
        dir
    }

    fn library(dir: &tempfile::TempDir) -> Library {
        Library::open(&[dir.path().to_path_buf()]).expect("indexed")
    }

    fn names(selection: &Selection) -> Vec<&str> {
        selection.tasks().iter().map(|t| t.task.as_str()).collect()
    }

    fn tree() -> tempfile::TempDir {
        folder(&[
            (
                "_base",
                "dataset_path: json\ntest_split: test\ndoc_to_text: a\ndoc_to_target: b\ntag: t\nnum_fewshot: 1\n",
            ),
            ("a.yaml", "include: _base\ntask: a\n"),
            ("b.yaml", "include: _base\ntask: b\n"),
            ("sub/c.yaml", "include: ../_base\ntask: c\ntag: [t2]\n"),
            (
                "g.yaml",
                "group: g\ngroup_alias: G\ntask:\n  - t\n  - {task: c, num_fewshot: 7}\n  - group: inner\n    task: [{task: new, dataset_path: json, test_split: test}]\naggregate_metric_list:\n  - {metric: acc, weight_by_size: false, filter_list: none}\nmetadata: {version: 2.0}\n",
            ),
            ("h.yaml", "group: h\nnum_fewshot: 3\ntask: [a]\n"),
            ("loop.yaml", "group: loop\ntask: [loop2]\n"),
            ("loop2.yaml", "group: loop2\ntask: [loop]\n"),
            ("bad.yaml", "group: bad\ntask: [aa]\n"),
            (
                "py.yaml",
                "include: _base\ntask: py\nprocess_docs: !function utils.f\n",
            ),
        ])
    }

    #[test]
    fn groups_tags_patterns_files_and_folders_are_chosen() {
        let dir = tree();
        let library = library(&dir);
        let selection = library.select_runnable(&["g"]).expect("chosen");
        assert_eq!(names(&selection), ["a", "b", "c", "g::inner::new"]);
        let Node::Group(g) = &selection.roots[0] else {
            panic!("no group")
        };
        assert_eq!(
            (g.alias.as_deref(), g.version.as_deref()),
            (Some("G"), Some("2.0"))
        );
        let want = AggregateMetric {
            metric: "acc".into(),
            filters: Some(vec!["none".into()]),
            weight_by_size: false,
        };
        assert_eq!(g.aggregate, [want]);
        assert_eq!(selection.tasks()[2].num_fewshot, Some(7));
        assert_eq!(selection.left_out.len(), 1);

        let handed = library.select(&["h"]).expect("chosen");
        assert_eq!(handed.tasks()[0].num_fewshot, Some(3));
        assert_eq!(
            names(&library.select(&["[a-c]"]).expect("chosen")),
            ["a", "b", "c"]
        );
        assert_eq!(
            names(&library.select(&["t2, a"]).expect("chosen")),
            ["c", "a"]
        );
        let file = dir.path().join("a.yaml").display().to_string();
        assert_eq!(
            names(&Library::default().select(&[file]).expect("chosen")),
            ["a"]
        );
        let sub = dir.path().join("sub").display().to_string();
        assert_eq!(
            names(&Library::default().select(&[sub]).expect("chosen")),
            ["c"]
        );
    }

    #[test]
    fn mistakes_are_named_in_one_line() {
        let dir = tree();
        let library = library(&dir);
        for (name, want) in [
            ("gg", "did you mean 'g'"),
            ("loop", "loop -> loop2 -> loop"),
            (
                "bad",
                "names 'aa', which is no task, group or tag; did you mean",
            ),
            ("py", "process_docs is the Python function utils.f"),
            ("nothing*", "no task, group, tag or file"),
        ] {
            let error = library.select(&[name]).expect_err(name).to_string();
            assert!(error.contains(want) && !error.contains('\n'), "{error}");
        }
        let error = library
            .select(&["a", "h"])
            .expect_err("two settings")
            .to_string();
        assert!(
            error.contains("chosen twice with different settings"),
            "{error}"
        );
    }

    #[test]
    fn files_that_are_not_yaml_are_named_and_cost_themselves_alone() {
        let base = "dataset_path: json\ntest_split: test\n";
        let dir = folder(&[
            ("a.yaml", &format!("task: a\n{base}")),
            ("broken.yaml", "task: broken\nmetric_list: [1,\n"),
            ("nameless.yaml", "task: \"never ends\n"),
            ("lost.yaml", "include: gone\ntask: lost\n"),
            ("g.yaml", "group: g\ntask: [a, broken]\n"),
        ]);
        let library = library(&dir);
        let lines: Vec<String> = library.unreadable().iter().map(|e| e.to_string()).collect();
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[0].contains("broken.yaml:3: "), "{lines:?}");
        assert!(
            lines[1].contains("lost.yaml:1: include 'gone'"),
            "{lines:?}"
        );
        assert!(lines[2].contains("nameless.yaml:"), "{lines:?}");

        let reason = |wanted: &str| library.select(&[wanted]).expect_err("refused").to_string();
        assert_eq!(reason("broken"), lines[0]);
        assert_eq!(reason("lost"), lines[1]);

        let path = dir.path().display().to_string();
        let selection = Library::default().select_runnable(&[path]).expect("chosen");
        assert_eq!(names(&selection), ["a"]);
        let mut left_out: Vec<String> = selection
            .left_out
            .iter()
            .map(|(_, e)| e.to_string())
            .collect();
        left_out.sort();
        // By the group and by the folder.
        left_out.dedup();
        assert_eq!(left_out, lines);
        let Node::Group(g) = &selection.roots[0] else {
            panic!("no group")
        };
        assert_eq!(g.left_out, ["broken"]);
    }

    #[test]
    fn groups_that_multiply_are_stopped() {
        let mut files = vec![(
            "t.yaml".to_string(),
            "task: t\ndataset_path: json\ntest_split: test\n".to_string(),
        )];
        for i in 0..20 {
            let next = match i {
                19 => "t".to_string(),
                _ => format!("g{}", i + 1),
            };
            let text = format!("group: g{i}\ntask: [{next}, {next}]\n");
            files.push((format!("g{i}.yaml"), text));
        }
        let files: Vec<(&str, &str)> = files.iter().map(|(n, t)| (&**n, &**t)).collect();
        let dir = folder(&files);
        let error = library(&dir)
            .select_runnable(&["g0"])
            .expect_err("refused")
            .to_string();
        assert!(error.contains("more than 200000 members"), "{error}");
    }
}
