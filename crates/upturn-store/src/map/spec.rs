//! The map file: its keys, and the checks that find a mistake before any table is read.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;
use upturn_types::{Diagnostic, Known};

use super::pattern::Pattern;

/// A field of a measurement that a column, a capture or a constant can give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// Family of models.
    Family,
    /// Model name. Required.
    Model,
    /// Post-training.
    Tuning,
    /// Task.
    Task,
    /// Part of the task.
    Subset,
    /// Split evaluated.
    Split,
    /// Prompting method.
    Method,
    /// The setting in words; gives method and shots where they have no column of their own.
    Setting,
    /// Answer filter.
    Filter,
    /// Metric.
    Metric,
    /// Source.
    Source,
    /// Remarks.
    Note,
    /// Training step (`3000` or `step3000`).
    Step,
    /// Parameters.
    Params,
    /// Training tokens.
    Tokens,
    /// Training FLOPs.
    Flops,
    /// Pre-training loss, nats per token.
    Loss,
    /// Examples in the prompt.
    Shots,
    /// The score (long layout).
    Value,
    /// Standard error of the score.
    Stderr,
    /// Items behind the score.
    N,
    /// Chance floor.
    Chance,
    /// Best attainable score.
    Ceiling,
    /// Seed.
    Seed,
}

impl Field {
    /// Number of fields.
    pub(super) const COUNT: usize = Field::Seed as usize + 1;

    /// The fields that hold text, with their key in a map.
    pub(super) const TEXTS: [(Field, &'static str); 12] = [
        (Field::Family, "family"),
        (Field::Model, "model"),
        (Field::Tuning, "tuning"),
        (Field::Task, "task"),
        (Field::Subset, "subset"),
        (Field::Split, "split"),
        (Field::Method, "method"),
        (Field::Setting, "setting"),
        (Field::Filter, "filter"),
        (Field::Metric, "metric"),
        (Field::Source, "source"),
        (Field::Note, "note"),
    ];

    /// Whether the field holds text.
    pub(super) fn is_text(self) -> bool {
        (self as usize) < Self::TEXTS.len()
    }

    /// Whether the field is a whole number that is not negative.
    pub(super) fn is_count(self) -> bool {
        matches!(self, Field::Step | Field::Shots | Field::N | Field::Seed)
    }
}

/// Where a field is found: a column, its unit and its markers of a missing value.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnSpec {
    /// Name of the column.
    pub column: String,
    /// Factor from the column's unit to ours (`1e9` for parameters in billions).
    pub scale: f64,
    /// Cells that mean "missing", besides those of the table.
    pub na: Vec<String>,
    /// How the number is known; `reported` unless said otherwise.
    pub kind: Known,
}

impl<'de> Deserialize<'de> for ColumnSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Long {
            column: String,
            #[serde(default = "one")]
            scale: f64,
            #[serde(default)]
            na: Vec<String>,
            #[serde(default = "reported")]
            kind: Known,
        }
        struct ColumnVisitor;
        impl<'de> Visitor<'de> for ColumnVisitor {
            type Value = ColumnSpec;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a column name or a table { column = \"…\", scale = … }")
            }
            fn visit_str<E>(self, column: &str) -> Result<ColumnSpec, E> {
                Ok(ColumnSpec {
                    column: column.to_owned(),
                    scale: 1.0,
                    na: Vec::new(),
                    kind: Known::Reported,
                })
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ColumnSpec, A::Error> {
                let long = Long::deserialize(MapAccessDeserializer::new(map))?;
                Ok(ColumnSpec {
                    column: long.column,
                    scale: long.scale,
                    na: long.na,
                    kind: long.kind,
                })
            }
        }
        deserializer.deserialize_any(ColumnVisitor)
    }
}

fn one() -> f64 {
    1.0
}

fn reported() -> Known {
    Known::Reported
}

/// Number of items: given, or left for the analysis to recover from the scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemCount {
    /// This many.
    Given(u64),
    /// Left unknown here. The scores of the column are multiples of 1/n, and the
    /// analysis finds n from all of them together.
    Lattice,
}

impl<'de> Deserialize<'de> for ItemCount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CountVisitor;
        impl Visitor<'_> for CountVisitor {
            type Value = ItemCount;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number above 0, or \"lattice\"")
            }
            fn visit_i64<E: serde::de::Error>(self, n: i64) -> Result<ItemCount, E> {
                match u64::try_from(n) {
                    Ok(n) if n > 0 => Ok(ItemCount::Given(n)),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Signed(n), &self)),
                }
            }
            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<ItemCount, E> {
                if word == "lattice" {
                    Ok(ItemCount::Lattice)
                } else {
                    Err(E::invalid_value(serde::de::Unexpected::Str(word), &self))
                }
            }
        }
        deserializer.deserialize_any(CountVisitor)
    }
}

/// Number of shots in a map: a number, or text with captures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShotsSpec(pub(super) String);

impl<'de> Deserialize<'de> for ShotsSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ShotsVisitor;
        impl Visitor<'_> for ShotsVisitor {
            type Value = ShotsSpec;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number, or a text with a capture such as \"{shots}\"")
            }
            fn visit_i64<E: serde::de::Error>(self, n: i64) -> Result<ShotsSpec, E> {
                u32::try_from(n)
                    .map(|n| ShotsSpec(n.to_string()))
                    .map_err(|_| E::invalid_value(serde::de::Unexpected::Signed(n), &self))
            }
            fn visit_str<E>(self, text: &str) -> Result<ShotsSpec, E> {
                Ok(ShotsSpec(text.to_owned()))
            }
        }
        deserializer.deserialize_any(ShotsVisitor)
    }
}

/// How the table is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// One row per model, one column per score.
    #[default]
    Wide,
    /// One row per score.
    Long,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TableSpec {
    #[serde(default)]
    pub(super) layout: Layout,
    pub(super) delimiter: Option<Spanned<String>>,
    pub(super) na: Option<Vec<String>>,
    #[serde(default)]
    pub(super) drop: Vec<String>,
    #[serde(default)]
    pub(super) fill: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JoinSpec {
    pub(super) file: String,
    /// Column of this table.
    pub(super) on: String,
    /// Column of the joined table, where it is named differently.
    pub(super) key: Option<String>,
    #[serde(default)]
    pub(super) delimiter: Option<Spanned<String>>,
    pub(super) columns: BTreeMap<Field, ColumnSpec>,
}

/// Facts that hold for every score of a task.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TaskFacts {
    pub(super) chance: Option<f64>,
    pub(super) ceiling: Option<f64>,
    pub(super) n: Option<ItemCount>,
    pub(super) higher_is_better: Option<bool>,
    #[serde(default)]
    pub(super) flags: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Constants {
    pub(super) family: Option<String>,
    pub(super) model: Option<String>,
    pub(super) tuning: Option<String>,
    pub(super) task: Option<String>,
    pub(super) subset: Option<String>,
    pub(super) split: Option<String>,
    pub(super) method: Option<String>,
    pub(super) setting: Option<String>,
    pub(super) filter: Option<String>,
    pub(super) metric: Option<String>,
    pub(super) source: Option<String>,
    pub(super) note: Option<String>,
    pub(super) shots: Option<u32>,
    pub(super) n: Option<ItemCount>,
    pub(super) chance: Option<f64>,
    pub(super) ceiling: Option<f64>,
    pub(super) higher_is_better: Option<bool>,
    #[serde(default)]
    pub(super) flags: Vec<String>,
}

impl Constants {
    pub(super) fn texts(&self) -> [&Option<String>; 12] {
        [
            &self.family,
            &self.model,
            &self.tuning,
            &self.task,
            &self.subset,
            &self.split,
            &self.method,
            &self.setting,
            &self.filter,
            &self.metric,
            &self.source,
            &self.note,
        ]
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScoreSpec {
    pub(super) column: Option<String>,
    pub(super) pattern: Option<String>,
    pub(super) tuning: Option<String>,
    pub(super) task: Option<String>,
    pub(super) subset: Option<String>,
    pub(super) split: Option<String>,
    pub(super) method: Option<String>,
    pub(super) setting: Option<String>,
    pub(super) filter: Option<String>,
    pub(super) metric: Option<String>,
    pub(super) source: Option<String>,
    pub(super) note: Option<String>,
    pub(super) shots: Option<ShotsSpec>,
    /// Column of the standard error.
    pub(super) stderr: Option<String>,
    pub(super) n: Option<ItemCount>,
    pub(super) chance: Option<f64>,
    pub(super) ceiling: Option<f64>,
    pub(super) higher_is_better: Option<bool>,
    pub(super) scale: Option<f64>,
    #[serde(default)]
    pub(super) na: Vec<String>,
    /// Cells that mark an answer that could not be parsed: kept, flagged.
    #[serde(default)]
    pub(super) parse_failure: Vec<String>,
    #[serde(default)]
    pub(super) flags: Vec<String>,
}

impl ScoreSpec {
    /// The texts of the entry, in the order of [`Field::TEXTS`]; family and model are the row's.
    pub(super) fn texts(&self) -> [Option<&str>; 12] {
        [
            None,
            None,
            self.tuning.as_deref(),
            self.task.as_deref(),
            self.subset.as_deref(),
            self.split.as_deref(),
            self.method.as_deref(),
            self.setting.as_deref(),
            self.filter.as_deref(),
            self.metric.as_deref(),
            self.source.as_deref(),
            self.note.as_deref(),
        ]
    }

    /// All texts that may hold captures.
    fn templates(&self) -> impl Iterator<Item = &str> {
        self.texts()
            .into_iter()
            .flatten()
            .chain(self.shots.as_ref().map(|s| s.0.as_str()))
            .chain(self.stderr.as_deref())
    }
}

/// One `[[score]]` with its place and its compiled pattern.
#[derive(Debug, Clone)]
pub(super) struct Score {
    /// How the entry is named in messages: `[[score]] 3`.
    pub(super) name: String,
    pub(super) spec: ScoreSpec,
    pub(super) pattern: Option<Pattern>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    table: TableSpec,
    #[serde(default)]
    columns: BTreeMap<Field, Spanned<ColumnSpec>>,
    join: Option<Spanned<JoinSpec>>,
    #[serde(default)]
    constants: Constants,
    #[serde(default)]
    score: Vec<Spanned<ScoreSpec>>,
    #[serde(default)]
    tasks: BTreeMap<String, Spanned<TaskFacts>>,
}

/// A map, checked; see the [module](super).
#[derive(Debug, Clone)]
pub struct MapSpec {
    pub(super) file_name: String,
    pub(super) folder: Option<std::path::PathBuf>,
    pub(super) layout: Layout,
    pub(super) delimiter: Option<u8>,
    pub(super) na: Vec<String>,
    pub(super) drop: Vec<Pattern>,
    pub(super) fill: bool,
    pub(super) columns: BTreeMap<Field, ColumnSpec>,
    pub(super) join: Option<Join>,
    pub(super) constants: Constants,
    pub(super) scores: Vec<Score>,
    pub(super) tasks: BTreeMap<String, TaskFacts>,
}

/// A second table, looked up by a shared column.
#[derive(Debug, Clone)]
pub(super) struct Join {
    pub(super) file: String,
    pub(super) on: String,
    pub(super) key: String,
    pub(super) delimiter: Option<u8>,
    pub(super) columns: BTreeMap<Field, ColumnSpec>,
}

/// Cells that mean "missing" unless the map says otherwise.
const DEFAULT_NA: [&str; 5] = ["", "NA", "N/A", "null", "None"];

impl MapSpec {
    /// Reads a map; `file_name` is only used in messages.
    ///
    /// # Errors
    ///
    /// One diagnostic with the line of the mistake: TOML that is not well formed, an
    /// unknown key, a value of the wrong kind, a pattern that cannot be read, or a
    /// field without which no row could be read.
    pub fn parse(text: &str, file_name: &str) -> Result<MapSpec, Diagnostic> {
        let at = |offset: usize| {
            let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
            let line = 1 + before.iter().filter(|&&b| b == b'\n').count();
            format!("line {line}")
        };
        let wrong = |offset: usize, message: String| {
            Diagnostic::error(message).file(file_name).place(at(offset))
        };
        let file: File = toml::from_str(text).map_err(|e| {
            let place = e.span().map_or_else(|| "map".to_owned(), |s| at(s.start));
            Diagnostic::error(e.message().to_owned())
                .file(file_name)
                .place(place)
                .help("docs/maps.md lists the keys of a map")
        })?;

        let delimiter = |given: &Option<Spanned<String>>| -> Result<Option<u8>, Diagnostic> {
            let Some(given) = given else { return Ok(None) };
            match given.get_ref().as_bytes() {
                &[b] if b.is_ascii() && !matches!(b, b'"' | b'\n' | b'\r') => Ok(Some(b)),
                _ => Err(wrong(
                    given.span().start,
                    format!("delimiter '{}' cannot be used", given.get_ref()),
                )
                .expected("one character, for example \",\", \";\" or \"\\t\"")),
            }
        };
        let usable_scale = |scale: f64| scale.is_finite() && scale != 0.0;
        for (field, column) in &file.columns {
            let start = column.span().start;
            if !usable_scale(column.get_ref().scale) {
                return Err(wrong(start, "scale is not usable".into())
                    .expected("a finite number other than 0"));
            }
            if field.is_text() && column.get_ref().scale != 1.0 {
                return Err(wrong(start, "scale on a column of text".into())
                    .expected("scale only where the column holds numbers"));
            }
        }
        let fraction = |offset: usize, key: &str, value: Option<f64>| match value {
            Some(v) if !v.is_finite() => {
                Err(wrong(offset, format!("{key} is not a finite number"))
                    .expected("a number such as 0.25"))
            }
            _ => Ok(()),
        };
        fraction(0, "constants.chance", file.constants.chance)?;
        fraction(0, "constants.ceiling", file.constants.ceiling)?;
        for (name, facts) in &file.tasks {
            let start = facts.span().start;
            fraction(start, &format!("chance of {name}"), facts.get_ref().chance)?;
            fraction(
                start,
                &format!("ceiling of {name}"),
                facts.get_ref().ceiling,
            )?;
        }

        let has_model = file.columns.contains_key(&Field::Model) || file.constants.model.is_some();
        if !has_model {
            return Err(wrong(0, "no column for the model".into())
                .expected("model = \"…\" under [columns]")
                .help("name the column that says which model a row is about"));
        }
        match file.table.layout {
            Layout::Wide => {
                if file.score.is_empty() {
                    return Err(wrong(0, "a wide table without [[score]]".into())
                        .expected("one [[score]] per score column or pattern")
                        .help("or set layout = \"long\" under [table] if each row is one score"));
                }
                if let Some(column) = file.columns.get(&Field::Value) {
                    return Err(wrong(column.span().start, "value in a wide table".into())
                        .expected("scores named by [[score]], or layout = \"long\""));
                }
            }
            Layout::Long => {
                if let Some(score) = file.score.first() {
                    return Err(
                        wrong(score.span().start, "[[score]] in a long table".into())
                            .expected("value = \"…\" under [columns], or layout = \"wide\""),
                    );
                }
                let given = |field: Field, constant: &Option<String>| {
                    file.columns.contains_key(&field) || constant.is_some()
                };
                for (given, name) in [
                    (file.columns.contains_key(&Field::Value), "value"),
                    (given(Field::Task, &file.constants.task), "task"),
                    (given(Field::Metric, &file.constants.metric), "metric"),
                ] {
                    if !given {
                        return Err(wrong(0, format!("no column for the {name}"))
                            .expected(format!("{name} = \"…\" under [columns]")));
                    }
                }
            }
        }

        let mut scores = Vec::with_capacity(file.score.len());
        for (i, spanned) in file.score.into_iter().enumerate() {
            let start = spanned.span().start;
            let name = format!("[[score]] {}", i + 1);
            let spec = spanned.into_inner();
            let wrong = |message: String| wrong(start, format!("{name}: {message}"));
            let pattern = match (&spec.column, &spec.pattern) {
                (Some(_), None) => None,
                (None, Some(pattern)) => Some(Pattern::parse(pattern).map_err(&wrong)?),
                _ => {
                    return Err(wrong("which columns is it about?".into())
                        .expected("either column = \"…\" or pattern = \"…\""));
                }
            };
            if spec.scale.is_some_and(|s| !usable_scale(s)) {
                return Err(
                    wrong("scale is not usable".into()).expected("a finite number other than 0")
                );
            }
            fraction(start, &format!("{name}: chance"), spec.chance)?;
            fraction(start, &format!("{name}: ceiling"), spec.ceiling)?;
            let captures = pattern.as_ref().map_or(&[][..], Pattern::captures);
            let mut used: Vec<String> = Vec::new();
            for template in spec.templates() {
                for capture in super::pattern::captures_of(template).map_err(&wrong)? {
                    if !captures.contains(&capture) {
                        return Err(wrong(format!("'{{{capture}}}' is not in its pattern"))
                            .expected("only captures that the pattern has"));
                    }
                    used.push(capture);
                }
            }
            let is_field =
                |c: &str| c == "shots" || Field::TEXTS.iter().skip(2).any(|(_, name)| *name == c);
            if let Some(lost) = captures.iter().find(|c| {
                let ignored = c.starts_with('_');
                !ignored && !is_field(c) && !used.contains(c)
            }) {
                return Err(wrong(format!("capture '{{{lost}}}' is not used"))
                    .expected("the name of a field, or a name that starts with '_'"));
            }
            for (field, given, constant) in [
                ("task", &spec.task, &file.constants.task),
                ("metric", &spec.metric, &file.constants.metric),
            ] {
                let column = match field {
                    "task" => Field::Task,
                    _ => Field::Metric,
                };
                let captured = captures.iter().any(|c| c == field);
                if given.is_none()
                    && constant.is_none()
                    && !captured
                    && !file.columns.contains_key(&column)
                {
                    return Err(wrong(format!("no {field}"))
                        .expected(format!("{field} = \"…\", or {{{field}}} in the pattern")));
                }
            }
            scores.push(Score {
                name,
                spec,
                pattern,
            });
        }

        let join = match file.join {
            None => None,
            Some(spanned) => {
                let start = spanned.span().start;
                let join = spanned.into_inner();
                if join.columns.is_empty() {
                    return Err(wrong(start, "a join that takes no column".into())
                        .expected("fields under [join.columns]"));
                }
                if let Some((_, column)) = join.columns.iter().find(|(_, c)| !usable_scale(c.scale))
                {
                    return Err(wrong(
                        start,
                        format!("scale of '{}' is not usable", column.column),
                    )
                    .expected("a finite number other than 0"));
                }
                Some(Join {
                    delimiter: delimiter(&join.delimiter)?,
                    key: join.key.unwrap_or_else(|| join.on.clone()),
                    file: join.file,
                    on: join.on,
                    columns: join.columns,
                })
            }
        };
        Ok(MapSpec {
            file_name: file_name.to_owned(),
            folder: None,
            layout: file.table.layout,
            delimiter: delimiter(&file.table.delimiter)?,
            na: file
                .table
                .na
                .unwrap_or_else(|| DEFAULT_NA.map(str::to_owned).to_vec()),
            drop: file.table.drop.iter().map(|g| Pattern::glob(g)).collect(),
            fill: file.table.fill,
            columns: file
                .columns
                .into_iter()
                .map(|(field, column)| (field, column.into_inner()))
                .collect(),
            join,
            constants: file.constants,
            scores,
            tasks: file
                .tasks
                .into_iter()
                .map(|(name, facts)| (name, facts.into_inner()))
                .collect(),
        })
    }
}
