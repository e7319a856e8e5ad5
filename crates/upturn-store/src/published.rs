//! Figures printed in papers, embedded: tables of scores by model, task and setting.
//!
//! [`names`] lists the tables, [`describe`] says what is in one, and [`load`] gives its
//! rows as measurements. The figures are kept as printed; what a row's words mean is
//! decided here, in the same way for every table:
//!
//! - **Setting**: method, shots and tuning by [`crate::settings`]; the words stay in
//!   `setting`. A note that the answers were chains of thought makes the method `cot`.
//! - **Split**: from the note; unknown where it says `n/a` or nothing.
//! - **Items** are *reported* where the row's own source gives them, *assumed* where they
//!   are borrowed from another paper or from the task catalogue.
//! - **Chance** is *reported* where the table has it, else *assumed* from the task
//!   catalogue, else unknown.
//! - **Metrics** have one name each (`em` is `exact_match`), and fractions as values:
//!   BLEU is divided by 100. Mixed ones carry the flag `composite`.
//! - **Models** are resolved by the model catalogue, which also gives scale where a row
//!   has none; the row's own figures win. Families that are words cut out of a model's
//!   name are replaced, or flagged `doubt`.
//! - **References** (humans, random guessing) carry the flag `reference`; averages beside
//!   their parts `aggregate`; doubts of whoever transcribed the figures `doubt`, with
//!   the words in `note`.
//!
//! Duplicates and disagreements between rows are all kept: to find them is the
//! analysis' work.

#![expect(
    clippy::result_large_err,
    reason = "an error ends a file or a row: rare enough not to box every diagnostic"
)]

mod identity;
mod remark;
mod row;

use std::collections::{BTreeMap, BTreeSet};

use upturn_catalog::{Catalog, TaskEntry, metric_info};
use upturn_types::{Diagnostic, Known, Measurement, Text, flag};

use crate::map::number;
use crate::parsed::Parsed;
use crate::settings;
use crate::texts::Texts;
use identity::identify;
use row::Row;

struct Table {
    name: &'static str,
    file: &'static str,
    csv: &'static str,
    what: &'static str,
}

const TABLES: [Table; 6] = [
    Table {
        name: "gpt3",
        file: "gpt3_few_shot.csv",
        csv: include_str!("../data/published/gpt3_few_shot.csv"),
        what: "GPT-3 at eight sizes, zero-, one- and few-shot, on 52 tasks",
    },
    Table {
        name: "cot",
        file: "cot.csv",
        csv: include_str!("../data/published/cot.csv"),
        what: "chain of thought, self-consistency, zero-shot chain of thought and scratchpads \
               against direct answers, by model size",
    },
    Table {
        name: "palm",
        file: "palm.csv",
        csv: include_str!("../data/published/palm.csv"),
        what: "PaLM at three sizes on language tasks, MMLU, GSM8K and code",
    },
    Table {
        name: "mmlu",
        file: "mmlu.csv",
        csv: include_str!("../data/published/mmlu.csv"),
        what: "MMLU and other benchmarks over many model families, collected from papers and \
               leaderboards",
    },
    Table {
        name: "bigbench",
        file: "bigbench.csv",
        csv: include_str!("../data/published/bigbench.csv"),
        what: "BIG-bench tasks: PaLM by size with human scores, Chinchilla and Gopher, U-PaLM",
    },
    Table {
        name: "flan",
        file: "flan_scaling.csv",
        csv: include_str!("../data/published/flan_scaling.csv"),
        what: "T5 and PaLM with and without instruction tuning, by size and number of tasks",
    },
];

const NAMES: [&str; 7] = ["gpt3", "cot", "palm", "mmlu", "bigbench", "flan", "all"];

/// Notes shown one by one when a row's words are not understood.
const N_SHOWN: usize = 20;

/// What is in a table of published figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Rows.
    pub rows: usize,
    /// What they are, in a line.
    pub what: String,
    /// Citations, sorted.
    pub sources: Vec<String>,
}

/// Names that [`describe`] and [`load`] know; `all` is every table.
#[must_use]
pub fn names() -> &'static [&'static str] {
    &NAMES
}

/// What is in the table called `name`, if there is one.
#[must_use]
pub fn describe(name: &str) -> Option<Description> {
    let tables = tables(name)?;
    let mut rows = 0;
    let mut sources = BTreeSet::new();
    for table in &tables {
        let printed = row::rows(table.csv).ok()?;
        rows += printed.len();
        sources.extend(printed.into_iter().map(|r| r.source));
    }
    let what = match tables.as_slice() {
        [table] => table.what.to_owned(),
        _ => "every table of published figures".to_owned(),
    };
    Some(Description {
        rows,
        what,
        sources: sources.into_iter().collect(),
    })
}

/// The rows of the table called `name` as measurements, in the table's order.
///
/// # Errors
///
/// When there is no such table.
pub fn load(name: &str, catalog: &Catalog) -> Result<Parsed, Diagnostic> {
    let Some(tables) = tables(name) else {
        return Err(
            Diagnostic::error(format!("no published figures are called '{name}'"))
                .file(format!("published:{name}"))
                .expected(format!("one of {}", NAMES.join(", "))),
        );
    };
    let texts = Texts::default();
    let mut parsed = Parsed::default();
    for table in tables {
        load_table(table, catalog, &texts, &mut parsed);
    }
    Ok(parsed)
}

fn tables(name: &str) -> Option<Vec<&'static Table>> {
    if name == "all" {
        return Some(TABLES.iter().collect());
    }
    TABLES.iter().find(|t| t.name == name).map(|t| vec![t])
}

fn load_table(table: &Table, catalog: &Catalog, texts: &Texts, parsed: &mut Parsed) {
    let rows = match row::rows(table.csv) {
        Ok(rows) => rows,
        Err(message) => {
            parsed
                .diagnostics
                .push(Diagnostic::error(message).file(table.file));
            return;
        }
    };
    parsed.n_rows += rows.len();
    let mut notes = Vec::new();
    let first = parsed.measurements.len();
    for row in &rows {
        match measurement(table, row, catalog, texts) {
            Ok((m, note)) => {
                parsed.measurements.push(m);
                notes.extend(note);
            }
            Err(error) => parsed.diagnostics.push(error),
        }
    }
    let n_hidden = notes.len().saturating_sub(N_SHOWN);
    parsed.diagnostics.extend(notes.into_iter().take(N_SHOWN));
    if n_hidden > 0 {
        parsed.diagnostics.push(
            Diagnostic::note(format!(
                "and {n_hidden} more rows whose words are not understood"
            ))
            .file(table.file),
        );
    }
    if let Some(new) = parsed.measurements.get_mut(first..) {
        flag_aggregates(new, catalog);
    }
}

/// One row as a measurement, with a note if its words are not understood.
fn measurement(
    table: &Table,
    row: &Row,
    catalog: &Catalog,
    texts: &Texts,
) -> Result<(Measurement, Option<Diagnostic>), Diagnostic> {
    let place = format!("line {}", row.line);
    let remark = remark::read(&row.note, &row.source);
    let identity = identify(row, remark.model_version, catalog);
    // `GLaM (64B/64E) (One-shot)`: where the table leaves the setting empty, the name has it.
    let words = match identity::shots_in(&row.model) {
        Some(in_name) if row.setting.is_empty() => in_name,
        _ => row.setting.clone(),
    };
    let setting = settings::parse(&words);
    let metric = metric_info(&row.metric);
    let scale = metric.as_ref().map_or(1.0, |m| m.scale);
    let Some(value) = number::parse(&row.value, scale) else {
        return Err(
            Diagnostic::error(format!("value '{}' is no number", row.value))
                .file(table.file)
                .place(place),
        );
    };
    let name = metric.as_ref().map_or(&*row.metric, |m| &m.canonical);
    let mut m = Measurement::new(&identity.family, &identity.model, &row.task, name, value);
    m.family = texts.get(&identity.family);
    m.model = texts.get(&identity.model);
    m.task = texts.get(&row.task);
    m.metric = texts.get(name);
    m.higher_is_better = metric.as_ref().map(|m| m.higher_is_better);

    let text = |t: &str| (!t.is_empty()).then(|| texts.get(t));
    m.tuning = tuning(row, &setting, identity.tuning.as_deref()).map(|t| texts.get(&t));
    m.split = remark.split.map(|s| texts.get(s));
    m.method = texts.get(if remark.cot && setting.method == "direct" {
        "cot"
    } else {
        &setting.method
    });
    m.shots = setting.shots;
    m.setting = text(&words);
    m.source = texts.get(&row.source);
    m.origin = Some(texts.get(&format!("published:{}: line {}", table.name, row.line)));

    (m.params, m.tokens, m.flops) = (row.params, row.tokens, row.flops);
    m.flops_kind = row.flops.map(|_| Known::Reported);
    identity.fill_scale(&mut m, row.note.contains("sizes not disclosed"));

    let task = catalog.find_task(&row.task);
    if let Some(n) = row.n {
        let kind = if remark.n_is_own {
            Known::Reported
        } else {
            Known::Assumed
        };
        (m.n, m.n_kind) = (Some(n), Some(kind));
    } else if let Some(n) = task.and_then(|t| t.n_for(remark.split)) {
        (m.n, m.n_kind) = (Some(n), Some(Known::Assumed));
    }
    if let Some(chance) = row.chance {
        (m.chance, m.chance_kind) = (Some(chance), Some(Known::Reported));
    } else if let Some(chance) = task.and_then(|t| t.chance_for(name)) {
        (m.chance, m.chance_kind) = (Some(chance), Some(Known::Assumed));
    }

    for flag in identity.flags() {
        m.add_flag(&flag);
    }
    for flag in setting.flags {
        m.add_flag(flag);
    }
    if metric
        .as_ref()
        .is_some_and(|m| m.composite && !is_normalized(&m.canonical))
    {
        m.add_flag(flag::COMPOSITE);
    }
    if m.tuning
        .as_deref()
        .is_some_and(|t| t.starts_with("instruction-tuned"))
    {
        m.add_flag(flag::INSTRUCT);
    }
    if remark.doubt || identity.doubt.is_some() {
        m.add_flag(flag::DOUBT);
    }
    if remark.parse_failure {
        m.add_flag(flag::PARSE_FAILURE);
    }
    m.note = note(row, identity.doubt.as_deref()).map(|n| texts.get(&n));
    let unknown_setting = (!setting.known).then(|| {
        Diagnostic::note(format!("setting '{words}' is not understood"))
            .file(table.file)
            .place(place)
            .help("the method of the row is 'unstated'")
    });
    Ok((m, unknown_setting))
}

/// Post-training of a row's model: what the setting says; else the number of tuning
/// tasks in the model's name; else what kind of model it is.
fn tuning(row: &Row, setting: &settings::Setting, kind: Option<&str>) -> Option<String> {
    if let Some(tuning) = &setting.tuning {
        return Some(tuning.clone());
    }
    if let Some((_, tasks)) = row.model.split_once(" finetuned on ") {
        return (tasks != "0 tasks").then(|| format!("instruction-tuned on {tasks}"));
    }
    if row.setting.ends_with("; base") {
        return None;
    }
    kind.map(str::to_owned)
}

/// Scores turned so that 0 is chance and 1 the best, averaged: of a kind throughout.
fn is_normalized(metric: &str) -> bool {
    metric == "normalized"
}

/// The source's remarks, without the empty model version that a transcriber left.
fn note(row: &Row, doubt: Option<&str>) -> Option<String> {
    let mut parts: Vec<String> = row
        .note
        .split(';')
        .map(str::trim)
        .filter(|p| !p.is_empty() && *p != "model_version=")
        .map(str::to_owned)
        .collect();
    if row.confidence == "secondary-source" {
        parts.push("from a secondary source".to_owned());
    }
    parts.extend(doubt.map(str::to_owned));
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Flags averages. Those over whole benchmarks always; averages over parts of one
/// benchmark (a field of MMLU, the MAWPS sets) where the same family has parts too.
fn flag_aggregates(rows: &mut [Measurement], catalog: &Catalog) {
    let mut present: BTreeMap<Text, BTreeSet<&str>> = BTreeMap::new();
    let mut groups: BTreeMap<Text, BTreeSet<&str>> = BTreeMap::new();
    let entries: Vec<Option<&TaskEntry>> =
        rows.iter().map(|m| catalog.find_task(&m.task)).collect();
    for (m, entry) in rows.iter().zip(&entries) {
        let Some(entry) = entry.filter(|e| !e.aggregate) else {
            continue;
        };
        let family = || Text::clone(&m.family);
        present.entry(family()).or_default().insert(&entry.name);
        if let Some(group) = entry.group.as_deref() {
            groups.entry(family()).or_default().insert(group);
        }
    }
    let is_present = |family: &Text, part: &str| {
        let tasks = present.get(family);
        if let Some(group) = part.strip_prefix('@') {
            return groups.get(family).is_some_and(|g| g.contains(group));
        }
        if let Some(start) = part.strip_suffix('*') {
            return tasks.is_some_and(|t| t.iter().any(|name| name.starts_with(start)));
        }
        tasks.is_some_and(|t| t.contains(part))
    };
    for (m, entry) in rows.iter_mut().zip(&entries) {
        let Some(entry) = entry.filter(|e| e.aggregate) else {
            continue;
        };
        let family = Text::clone(&m.family);
        if averages_benchmarks(&m.task) || entry.parts.iter().any(|p| is_present(&family, p)) {
            m.add_flag(flag::AGGREGATE);
        }
    }
}

/// Whether a task is an average over all of a suite, which is never counted as a task
/// of its own.
fn averages_benchmarks(task: &str) -> bool {
    let task = task.to_ascii_lowercase();
    [
        "mmlu (",
        "bbh",
        "superglue",
        "avg n",
        "average",
        "big-bench: average",
        "big-bench 58",
        "held-out avg",
    ]
    .iter()
    .any(|start| task.starts_with(start))
}
