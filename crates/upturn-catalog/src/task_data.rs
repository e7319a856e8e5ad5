//! Building task entries: the built-in ones with their groups, and the user's files.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;
use upturn_types::Text;

use crate::CatalogError;
use crate::key::{exact_key, task_key};
use crate::metric::{MetricInfo, metric_info};
use crate::task::{TaskEntry, TaskMetric};
use crate::toml_text::TomlText;

/// The built-in tasks.
const TASKS_TOML: &str = include_str!("../data/tasks.toml");

/// How a user's entry is written, for messages.
const EXAMPLE: &str =
    "[[task]] name = \"my_task\" options = 4 n = { test = 500 } eval_split = \"test\"";

/// An entry of a file of tasks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Task {
    name: Spanned<String>,
    #[serde(default)]
    aliases: Vec<Spanned<String>>,
    #[serde(default)]
    exact: Vec<Spanned<String>>,
    chance: Option<Spanned<f64>>,
    options: Option<Spanned<i64>>,
    #[serde(default)]
    n: BTreeMap<String, Spanned<i64>>,
    eval_split: Option<Spanned<String>>,
    group: Option<Spanned<String>>,
    #[serde(default)]
    metrics: BTreeMap<String, Metric>,
    source: Option<Spanned<String>>,
    #[serde(default)]
    aggregate: bool,
    #[serde(default)]
    parts: Vec<Spanned<String>>,
    note: Option<Spanned<String>>,
}

/// What a file says of one metric of a task.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Metric {
    chance: Option<Spanned<f64>>,
    ceiling: Option<Spanned<f64>>,
    higher_is_better: Option<bool>,
    bounded: Option<bool>,
    binomial: Option<bool>,
}

/// Tasks named by patterns in which `{}` stands for the names in `tasks`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    name: Spanned<String>,
    patterns: Vec<Spanned<String>>,
    chance: Option<Spanned<f64>>,
    options: Option<Spanned<i64>>,
    eval_split: Option<Spanned<String>>,
    source: Option<Spanned<String>>,
    note: Option<Spanned<String>>,
    tasks: BTreeMap<String, GroupTask>,
}

/// What a group's task has of its own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupTask {
    #[serde(default)]
    aliases: Vec<Spanned<String>>,
    chance: Option<Spanned<f64>>,
    options: Option<Spanned<i64>>,
    #[serde(default)]
    n: BTreeMap<String, Spanned<i64>>,
    #[serde(default)]
    aggregate: bool,
    #[serde(default)]
    parts: Vec<Spanned<String>>,
    note: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    task: Vec<Task>,
    #[serde(default)]
    group: Vec<Group>,
}

/// The built-in tasks, sorted by name.
///
/// # Panics
///
/// When the embedded file cannot be read, which a test rules out.
pub(crate) fn builtin_tasks() -> Vec<TaskEntry> {
    let mut entries =
        read(TASKS_TOML, "tasks.toml", false).expect("the embedded tasks.toml is well formed");
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}

/// Reads a user's tasks; all of them or none.
pub(crate) fn user_tasks(text: &str, file: &str) -> Result<Vec<TaskEntry>, CatalogError> {
    read(text, file, true)
}

fn read(text: &str, file: &str, user: bool) -> Result<Vec<TaskEntry>, CatalogError> {
    let toml = TomlText { text, file };
    let parsed: File = toml.read(EXAMPLE)?;
    let mut reader = Reader {
        toml,
        user,
        seen: BTreeMap::new(),
        entries: Vec::new(),
    };
    for task in &parsed.task {
        reader.task(task)?;
    }
    for group in &parsed.group {
        reader.group(group)?;
    }
    let mut entries = reader.entries;
    expand_parts(&mut entries);
    Ok(entries)
}

struct Reader<'a> {
    toml: TomlText<'a>,
    user: bool,
    /// Names seen so far with the line of each: `=` letter by letter, else keys.
    seen: BTreeMap<String, String>,
    entries: Vec<TaskEntry>,
}

impl Reader<'_> {
    fn task(&mut self, task: &Task) -> Result<(), CatalogError> {
        let toml = self.toml;
        let mut entry = TaskEntry {
            name: toml.name("name", &task.name)?,
            aliases: toml.names("aliases", &task.aliases)?,
            chance: None,
            options: None,
            metrics: BTreeMap::new(),
            n: self.sizes(&task.n)?,
            eval_split: self.text("eval_split", task.eval_split.as_ref())?,
            group: self.text("group", task.group.as_ref())?,
            source: self
                .text("source", task.source.as_ref())?
                .unwrap_or_else(|| toml.file.into()),
            aggregate: task.aggregate,
            parts: toml.names("parts", &task.parts)?,
            note: self.text("note", task.note.as_ref())?,
            user: self.user,
            exact: toml.names("exact", &task.exact)?,
        };
        (entry.options, entry.chance) = self.floor(task.options.as_ref(), task.chance.as_ref())?;
        for (name, metric) in &task.metrics {
            let (name, metric) = self.metric(name, metric)?;
            entry.metrics.insert(name, metric);
        }
        if let (Some(split), Some(span)) = (&entry.eval_split, &task.eval_split)
            && !entry.n.is_empty()
            && entry.n_for(None).is_none()
        {
            let known: Vec<&str> = entry.n.keys().map(|k| &**k).collect();
            return Err(toml.refuse(
                &span.span(),
                "eval_split",
                format_args!("eval_split {split:?} has no size in n"),
                &format!("one of {}", known.join(", ")),
                "add its size to n, or name a split that is there",
            ));
        }
        let line = toml.line(&task.name.span());
        self.push(entry, &line, &task.name.span())
    }

    fn group(&mut self, group: &Group) -> Result<(), CatalogError> {
        let toml = self.toml;
        let patterns = toml.names("patterns", &group.patterns)?;
        if patterns.is_empty() || patterns.iter().any(|p| !p.contains("{}")) {
            return Err(toml.refuse(
                &group.name.span(),
                "patterns",
                "a pattern of the group has no {}",
                "patterns such as \"my_{}\"",
                "put {} where the task's own name goes",
            ));
        }
        for (name, task) in &group.tasks {
            let mut names = patterns
                .iter()
                .map(|p| Text::from(p.replace("{}", name)))
                .collect::<Vec<_>>();
            names.extend(toml.names("aliases", &task.aliases)?);
            let (own_options, own_chance) =
                self.floor(task.options.as_ref(), task.chance.as_ref())?;
            let (options, chance) = if own_options.is_some() || own_chance.is_some() {
                (own_options, own_chance)
            } else {
                self.floor(group.options.as_ref(), group.chance.as_ref())?
            };
            let n = self.sizes(&task.n)?;
            let entry = TaskEntry {
                name: names.remove(0),
                aliases: names,
                chance,
                options,
                metrics: BTreeMap::new(),
                eval_split: self.text("eval_split", group.eval_split.as_ref())?,
                n,
                group: Some(toml.name("name", &group.name)?),
                source: self
                    .text("source", group.source.as_ref())?
                    .unwrap_or_else(|| toml.file.into()),
                aggregate: task.aggregate,
                parts: toml.names("parts", &task.parts)?,
                note: self
                    .text("note", task.note.as_ref())?
                    .or(self.text("note", group.note.as_ref())?),
                user: self.user,
                exact: Vec::new(),
            };
            let line = toml.line(&group.name.span());
            self.push(entry, &line, &group.name.span())?;
        }
        Ok(())
    }

    /// Adds an entry whose names nobody before it has.
    fn push(
        &mut self,
        mut entry: TaskEntry,
        line: &str,
        span: &std::ops::Range<usize>,
    ) -> Result<(), CatalogError> {
        let mut own: Vec<String> = vec![task_key(&entry.name)];
        entry.aliases.retain(|alias| {
            let key = task_key(alias);
            let is_new = !own.contains(&key);
            if is_new {
                own.push(key);
            }
            is_new
        });
        let keys = own
            .into_iter()
            .chain(entry.exact.iter().map(|e| format!("={}", exact_key(e))));
        for key in keys {
            if let Some(earlier) = self.seen.insert(key, line.to_owned()) {
                return Err(self.toml.refuse(
                    span,
                    "name",
                    format_args!("{:?} shares a name with the task at {earlier}", entry.name),
                    "each name once",
                    "merge the two entries, or tell their names apart",
                ));
            }
        }
        self.entries.push(entry);
        Ok(())
    }

    fn text(
        &self,
        field: &str,
        value: Option<&Spanned<String>>,
    ) -> Result<Option<Text>, CatalogError> {
        value.map(|v| self.toml.name(field, v)).transpose()
    }

    fn sizes(
        &self,
        sizes: &BTreeMap<String, Spanned<i64>>,
    ) -> Result<BTreeMap<Text, u64>, CatalogError> {
        let mut n = BTreeMap::new();
        for (split, size) in sizes {
            if let Some(size) = self.toml.positive_int("n", Some(size))? {
                n.insert(split.trim().to_lowercase().into(), size);
            }
        }
        Ok(n)
    }

    /// Options and chance: 1/options where chance is not given.
    fn floor(
        &self,
        options: Option<&Spanned<i64>>,
        chance: Option<&Spanned<f64>>,
    ) -> Result<(Option<u32>, Option<f64>), CatalogError> {
        let options = match options {
            None => None,
            Some(span) => match u32::try_from(*span.get_ref()) {
                Ok(options) if options >= 2 => Some(options),
                _ => {
                    return Err(self.toml.refuse(
                        &span.span(),
                        "options",
                        format_args!("options is {}", span.get_ref()),
                        "a whole number from 2",
                        "for free answers leave options out and set chance = 0",
                    ));
                }
            },
        };
        let chance = self.chance(chance)?;
        Ok((options, chance.or(options.map(|o| 1.0 / f64::from(o)))))
    }

    fn chance(&self, chance: Option<&Spanned<f64>>) -> Result<Option<f64>, CatalogError> {
        let Some(span) = chance else { return Ok(None) };
        let chance = *span.get_ref();
        if (0.0..1.0).contains(&chance) {
            return Ok(Some(chance));
        }
        Err(self.toml.refuse(
            &span.span(),
            "chance",
            format_args!("chance is {chance}"),
            "a fraction from 0 up to but not 1",
            "divide percentages by 100, or leave the line out where chance is unknown",
        ))
    }

    fn metric(&self, name: &str, metric: &Metric) -> Result<(Text, TaskMetric), CatalogError> {
        let info = metric_info(name).unwrap_or_else(|| MetricInfo {
            canonical: name.to_owned(),
            higher_is_better: true,
            bounded: false,
            binomial: false,
            composite: false,
            scale: 1.0,
        });
        let bounded = metric.bounded.unwrap_or(info.bounded);
        // An unbounded metric may have any finite floor (a perplexity, a BLEU score).
        let chance = match &metric.chance {
            Some(span) if !bounded && span.get_ref().is_finite() => Some(*span.get_ref()),
            other => self.chance(other.as_ref())?,
        };
        let ceiling = metric.ceiling.as_ref().map(|c| *c.get_ref());
        if let (Some(u), Some(span)) = (ceiling, &metric.ceiling)
            && (!u.is_finite() || (bounded && !(0.0..=1.0).contains(&u)) || chance == Some(u))
        {
            return Err(self.toml.refuse(
                &span.span(),
                "ceiling",
                format_args!("ceiling is {u}"),
                if bounded {
                    "a fraction above chance, at most 1"
                } else {
                    "a finite number other than chance"
                },
                "leave the line out where the ceiling is 1 or unknown",
            ));
        }
        Ok((
            info.canonical.into(),
            TaskMetric {
                chance,
                ceiling,
                higher_is_better: metric.higher_is_better.unwrap_or(info.higher_is_better),
                bounded,
                binomial: metric.binomial.unwrap_or(info.binomial),
            },
        ))
    }
}

/// Replaces `@group` and `prefix*` among the parts of aggregates by the names of tasks.
fn expand_parts(entries: &mut [TaskEntry]) {
    let single: Vec<(Text, Option<Text>)> = entries
        .iter()
        .filter(|e| !e.aggregate)
        .map(|e| (e.name.clone(), e.group.clone()))
        .collect();
    for entry in entries {
        let parts = std::mem::take(&mut entry.parts);
        for part in parts {
            if let Some(group) = part.strip_prefix('@') {
                let members = single.iter().filter(|(_, g)| g.as_deref() == Some(group));
                entry.parts.extend(members.map(|(name, _)| name.clone()));
            } else if let Some(prefix) = part.strip_suffix('*') {
                let members = single.iter().filter(|(name, _)| name.starts_with(prefix));
                entry.parts.extend(members.map(|(name, _)| name.clone()));
            } else {
                entry.parts.push(part);
            }
        }
    }
}
