//! The columns of a table, matched with what a map says of them.

use std::collections::{BTreeMap, BTreeSet};

use upturn_types::{Diagnostic, Known};

use super::pattern::render;
use super::problems::Problems;
use super::spec::{ColumnSpec, Field, ItemCount, Layout, MapSpec, ScoreSpec};

/// Column names listed in one message.
const N_NAMES_SHOWN: usize = 20;

/// A field with the column that holds it.
pub(super) struct Column<'m> {
    pub(super) field: Field,
    pub(super) spec: &'m ColumnSpec,
    pub(super) index: usize,
}

/// A score column with everything that its `[[score]]` says, captures filled in.
pub(super) struct ScoreColumn<'m> {
    pub(super) name: String,
    pub(super) index: usize,
    pub(super) stderr: Option<(String, usize)>,
    /// In the order of [`Field::TEXTS`].
    pub(super) texts: [Option<String>; 12],
    pub(super) shots: Option<u32>,
    pub(super) spec: &'m ScoreSpec,
}

/// A header, resolved.
pub(super) struct Header<'m> {
    pub(super) columns: Vec<Column<'m>>,
    pub(super) scores: Vec<ScoreColumn<'m>>,
    /// Column by which rows are looked up in the joined table.
    pub(super) join_on: Option<usize>,
}

/// The columns of `map` in a table of these column names.
///
/// `None` when no row can be read: a column of the map is missing or occurs twice.
pub(super) fn resolve<'m>(
    map: &'m MapSpec,
    names: &[String],
    problems: &mut Problems,
) -> Option<Header<'m>> {
    let known = Names::new(names);
    let mut used: BTreeSet<usize> = BTreeSet::new();
    let mut columns = Vec::new();
    let mut failed = false;
    let mut find = |name: &str, what: &str, problems: &mut Problems| {
        let found = position(&known, name, what, problems);
        used.extend(found);
        failed |= found.is_none();
        found
    };
    for (&field, spec) in &map.columns {
        if let Some(index) = find(&spec.column, "[columns]", problems) {
            columns.push(Column { field, spec, index });
        }
    }
    let join_on = match &map.join {
        Some(join) => find(&join.on, "[join] on", problems),
        None => None,
    };

    // Columns named in full go first; patterns share the rest, in the order of the map.
    let mut by_column: BTreeMap<usize, (usize, BTreeMap<String, String>)> = BTreeMap::new();
    let mut fitted = vec![false; map.scores.len()];
    for (i, score) in map.scores.iter().enumerate() {
        let Some(name) = &score.spec.column else {
            continue;
        };
        fitted[i] = true;
        if let Some(index) = position(&known, name, &score.name, problems)
            && by_column.insert(index, (i, BTreeMap::new())).is_some()
        {
            problems.add(
                "columns named twice",
                Diagnostic::error(format!("column '{name}' has two [[score]] entries"))
                    .file(map.file_name.clone())
                    .place(score.name.clone())
                    .expected("one [[score]] per column"),
            );
        }
    }
    let mut dropped: BTreeSet<usize> = BTreeSet::new();
    for (index, name) in names.iter().enumerate() {
        if by_column.contains_key(&index) || used.contains(&index) {
            continue;
        }
        if map.drop.iter().any(|p| p.fits(name)) {
            dropped.insert(index);
            continue;
        }
        for (i, score) in map.scores.iter().enumerate() {
            if let Some(captured) = score.pattern.as_ref().and_then(|p| p.capture(name)) {
                fitted[i] = true;
                by_column.insert(index, (i, captured));
                break;
            }
        }
    }
    for (score, fitted) in map.scores.iter().zip(&fitted) {
        if let (false, Some(pattern)) = (*fitted, &score.pattern) {
            problems.add(
                "patterns without a column",
                Diagnostic::warning(format!("no column fits the pattern '{}'", pattern.text()))
                    .file(map.file_name.clone())
                    .place(score.name.clone())
                    .help(format!("the table has {}", list(names.iter()))),
            );
        }
    }

    let mut scores = Vec::new();
    for (&index, (i, captured)) in &by_column {
        let (Some(score), Some(name)) = (map.scores.get(*i), names.get(index)) else {
            continue;
        };
        let spec = &score.spec;
        if known.at.get(name.as_str()).is_some_and(|(_, twice)| *twice) {
            problems.add("columns that occur twice", twice(name, &score.name));
            continue;
        }
        let mut texts: [Option<String>; 12] = std::array::from_fn(|_| None);
        for ((slot, given), (_, key)) in texts.iter_mut().zip(spec.texts()).zip(Field::TEXTS) {
            *slot = given
                .map(|t| render(t, captured))
                .or_else(|| captured.get(key).cloned())
                .filter(|t| !t.is_empty());
        }
        let shots = spec
            .shots
            .as_ref()
            .map(|s| render(&s.0, captured))
            .or_else(|| captured.get("shots").cloned());
        let shots = match shots.map(|s| (s.parse::<u32>(), s)) {
            None => None,
            Some((Ok(n), _)) => Some(n),
            Some((Err(_), text)) => {
                problems.add(
                    "shots that are no number",
                    Diagnostic::error(format!("column '{name}': shots '{text}' are no number"))
                        .place(score.name.clone())
                        .expected("a whole number"),
                );
                continue;
            }
        };
        let stderr = match &spec.stderr {
            None => None,
            Some(template) => {
                let column = render(template, captured);
                let found = position(&known, &column, &score.name, problems);
                used.extend(found);
                found.map(|index| (column, index))
            }
        };
        used.insert(index);
        scores.push(ScoreColumn {
            name: name.clone(),
            index,
            stderr,
            texts,
            shots,
            spec,
        });
    }
    let unnamed: Vec<&String> = names
        .iter()
        .enumerate()
        .filter(|(i, _)| !used.contains(i) && !dropped.contains(i) && !by_column.contains_key(i))
        .map(|(_, name)| name)
        .collect();
    if failed || (map.layout == Layout::Wide && scores.is_empty()) {
        if !failed {
            problems.add(
                "tables without a score",
                Diagnostic::error("no column of the table is a score of the map")
                    .place("line 1")
                    .expected("columns that fit the [[score]] entries of the map"),
            );
        }
        return None;
    }
    if !unnamed.is_empty() {
        problems.add(
            "unnamed columns",
            Diagnostic::note(format!(
                "not read, since the map does not name {}: {}",
                if unnamed.len() == 1 { "it" } else { "them" },
                list(unnamed.into_iter())
            ))
            .help("name them in the map, or list them in drop"),
        );
    }
    Some(Header {
        columns,
        scores,
        join_on,
    })
}

/// The names of a table's columns, and where each is: there may be millions, and each may
/// have to be found.
pub(super) struct Names<'n> {
    names: &'n [String],
    /// The first column of each name, and whether there is another.
    at: BTreeMap<&'n str, (usize, bool)>,
}

impl<'n> Names<'n> {
    /// Names without spaces around them.
    pub(super) fn new(names: &'n [String]) -> Self {
        let mut at: BTreeMap<&str, (usize, bool)> = BTreeMap::new();
        for (index, name) in names.iter().enumerate() {
            at.entry(name)
                .and_modify(|(_, twice)| *twice = true)
                .or_insert((index, false));
        }
        Names { names, at }
    }
}

/// Index of the column called `name`; a message when it is missing or occurs twice.
pub(super) fn position(
    names: &Names<'_>,
    name: &str,
    asked_by: &str,
    problems: &mut Problems,
) -> Option<usize> {
    match names.at.get(name.trim()) {
        Some(&(index, false)) => Some(index),
        Some((_, true)) => {
            problems.add("columns that occur twice", twice(name, asked_by));
            None
        }
        None => {
            let help = match names.names {
                [only] => format!(
                    "the table has one column, '{}': is the delimiter right?",
                    shorten(only)
                ),
                names => format!("the table has {}", list(names.iter())),
            };
            problems.add(
                "missing columns",
                Diagnostic::error(format!("no column '{name}'"))
                    .place("line 1")
                    .expected(format!("the column that {asked_by} of the map names"))
                    .help(help),
            );
            None
        }
    }
}

fn twice(name: &str, asked_by: &str) -> Diagnostic {
    Diagnostic::error(format!("column '{name}' occurs twice"))
        .place("line 1")
        .expected(format!(
            "one column of the name that {asked_by} of the map gives"
        ))
        .help("rename one of them")
}

/// Names in quotes, the first few.
fn list<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    let n_names = names.len();
    let mut shown: Vec<String> = names
        .take(N_NAMES_SHOWN)
        .map(|n| format!("'{}'", shorten(n)))
        .collect();
    if n_names > N_NAMES_SHOWN {
        shown.push(format!("and {} more", n_names - N_NAMES_SHOWN));
    }
    shown.join(", ")
}

/// A text short enough for a message.
pub(super) fn shorten(text: &str) -> String {
    const N_CHARS: usize = 60;
    if text.chars().count() <= N_CHARS {
        text.to_owned()
    } else {
        text.chars().take(N_CHARS).chain(['…']).collect()
    }
}

/// The number of items that a map gives, if it gives one.
pub(super) fn given(count: Option<ItemCount>) -> Option<(u64, Known)> {
    match count {
        Some(ItemCount::Given(n)) => Some((n, Known::Assumed)),
        Some(ItemCount::Lattice) | None => None,
    }
}
