//! From the cells of a row to measurements.

use std::collections::BTreeMap;
use std::io::Read;

use csv::ByteRecord;
use upturn_catalog::{Catalog, MetricInfo, ModelMatch, metric_info};
use upturn_types::{Diagnostic, Known, Measurement, Text, flag};

use super::header::{Column, Header, Names, ScoreColumn, given, position, resolve, shorten};
use super::number;
use super::problems::Problems;
use super::reader::Reader;
use super::spec::{ColumnSpec, Field, Layout, MapSpec};
use crate::parsed::Parsed;
use crate::settings;
use crate::texts::Texts;

/// Tokens per parameter above which a scale cannot be right as printed.
const TOKENS_PER_PARAM_MAX: f64 = 1e5;

/// What the columns of a row hold, by field.
#[derive(Clone)]
pub(super) struct Cells {
    texts: [Option<Text>; 12],
    numbers: [Option<(f64, Known)>; Field::COUNT],
    seed: Option<u64>,
}

impl Cells {
    fn empty() -> Self {
        Cells {
            texts: std::array::from_fn(|_| None),
            numbers: [None; Field::COUNT],
            seed: None,
        }
    }

    fn text(&self, field: Field) -> Option<&Text> {
        self.texts.get(field as usize)?.as_ref()
    }

    fn number(&self, field: Field) -> Option<(f64, Known)> {
        *self.numbers.get(field as usize)?
    }

    fn count(&self, field: Field) -> Option<u64> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "counts are read as whole numbers that are not negative"
        )]
        self.number(field).map(|(n, _)| n as u64)
    }

    /// Takes from `other` what is unknown here.
    fn or(&mut self, other: &Cells) {
        for (mine, theirs) in self.texts.iter_mut().zip(&other.texts) {
            if mine.is_none() {
                mine.clone_from(theirs);
            }
        }
        for (mine, theirs) in self.numbers.iter_mut().zip(&other.numbers) {
            *mine = mine.or(*theirs);
        }
        self.seed = self.seed.or(other.seed);
    }
}

/// A row that cannot be used: the kind of its fault, and the message.
type Fault = (&'static str, Diagnostic);

/// Reads a record's cells.
struct CellReader<'a> {
    na: &'a [String],
    header: &'a [String],
    texts: &'a Texts,
}

impl CellReader<'_> {
    /// The cell at `index`, without spaces around it; `None` where it means "missing".
    fn cell<'r>(
        &self,
        record: &'r ByteRecord,
        index: usize,
        na: &[String],
    ) -> Result<Option<&'r str>, Fault> {
        let bytes = record.get(index).unwrap_or_default();
        let Ok(cell) = std::str::from_utf8(bytes) else {
            return Err((
                "rows that are not UTF-8 text",
                Diagnostic::error(format!(
                    "the cell of {} is not UTF-8 text",
                    self.name(index)
                ))
                .place(line(record))
                .expected("UTF-8")
                .help("convert the table, for example with: iconv -f LATIN1 -t UTF-8"),
            ));
        };
        let cell = cell.trim();
        let missing = |list: &[String]| list.iter().any(|n| n.eq_ignore_ascii_case(cell));
        Ok((!cell.is_empty() && !missing(self.na) && !missing(na)).then_some(cell))
    }

    fn name(&self, index: usize) -> String {
        self.header.get(index).map_or_else(
            || format!("column {}", index + 1),
            |n| format!("'{}'", shorten(n)),
        )
    }

    fn bad(&self, record: &ByteRecord, index: usize, cell: &str, expected: &str) -> Fault {
        (
            "cells that are not as expected",
            Diagnostic::error(format!("'{}' in {}", shorten(cell), self.name(index)))
                .place(line(record))
                .expected(expected)
                .help("mend the cell, or list it under na in the map if it means \"missing\""),
        )
    }

    fn read(
        &self,
        record: &ByteRecord,
        columns: &[(Field, &ColumnSpec, usize)],
    ) -> Result<Cells, Fault> {
        let mut cells = Cells::empty();
        for &(field, spec, index) in columns {
            // The score has its own treatment: a bad one costs one score, not the row.
            if field == Field::Value {
                continue;
            }
            let Some(cell) = self.cell(record, index, &spec.na)? else {
                continue;
            };
            if field.is_text() {
                if let Some(slot) = cells.texts.get_mut(field as usize) {
                    *slot = Some(self.texts.get(cell));
                }
                continue;
            }
            let number = if field.is_count() {
                let digits = match field {
                    Field::Step => cell.strip_prefix("step").unwrap_or(cell),
                    _ => cell,
                };
                let count = number::parse_count(digits)
                    .ok_or_else(|| self.bad(record, index, cell, "a whole number, 0 or more"))?;
                if field == Field::Seed {
                    cells.seed = Some(count);
                }
                if field == Field::Shots && u32::try_from(count).is_err() {
                    return Err(self.bad(record, index, cell, "a number of examples"));
                }
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "seeds are kept apart; other counts are far below 2^53"
                )]
                let count = count as f64;
                count
            } else {
                let number = number::parse(cell, spec.scale)
                    .ok_or_else(|| self.bad(record, index, cell, "a finite number"))?;
                let scale = matches!(field, Field::Params | Field::Tokens | Field::Flops);
                if (scale || field == Field::Stderr) && number < 0.0 {
                    return Err(self.bad(record, index, cell, "a number that is not negative"));
                }
                number
            };
            if let Some(slot) = cells.numbers.get_mut(field as usize) {
                *slot = Some((number, spec.kind));
            }
        }
        Ok(cells)
    }
}

fn line(record: &ByteRecord) -> String {
    record
        .position()
        .map_or_else(|| "a row".to_owned(), |p| format!("line {}", p.line()))
}

/// Rows of the joined table by their key.
pub(super) type Joined = BTreeMap<String, Cells>;

/// Reads the joined table; `None` (with messages) if it cannot be used.
pub(super) fn read_joined(
    map: &MapSpec,
    source: impl Read,
    record_max: u64,
    problems: &mut Problems,
    texts: &Texts,
) -> Option<Joined> {
    let join = map.join.as_ref()?;
    let mut reader = match Reader::open(source, join.delimiter, record_max) {
        Ok(reader) => reader,
        Err(error) => {
            problems.add("unreadable tables", error);
            return None;
        }
    };
    let header = reader.header.clone();
    let names = Names::new(&header);
    let key = position(&names, &join.key, "[join] key", problems);
    let mut columns = Vec::new();
    let mut complete = key.is_some();
    for (&field, spec) in &join.columns {
        match position(&names, &spec.column, "[join.columns]", problems) {
            Some(index) => columns.push((field, spec, index)),
            None => complete = false,
        }
    }
    let (Some(key), true) = (key, complete) else {
        return None;
    };
    let cells = CellReader {
        na: &map.na,
        header: &header,
        texts,
    };
    let mut joined = Joined::new();
    let mut record = ByteRecord::new();
    loop {
        match reader.next(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                problems.add("unreadable tables", error);
                break;
            }
        }
        let row = cells
            .cell(&record, key, &[])
            .and_then(|name| Ok((name, cells.read(&record, &columns)?)));
        match row {
            Ok((None, _)) => {}
            Ok((Some(name), row)) => {
                if joined.insert(name.to_owned(), row).is_some() {
                    problems.add(
                        "keys that occur twice",
                        Diagnostic::error(format!("'{}' occurs twice", shorten(name)))
                            .place(line(&record))
                            .expected(format!("each '{}' once; the last one is used", join.key)),
                    );
                }
            }
            Err((kind, fault)) => problems.add(kind, fault),
        }
    }
    Some(joined)
}

/// Reads the table.
pub(super) fn read_table(
    map: &MapSpec,
    file: &str,
    source: impl Read,
    record_max: u64,
    joined: Option<&Joined>,
    catalog: &Catalog,
    texts: &Texts,
) -> Parsed {
    let mut problems = Problems::new(file);
    let mut parsed = Parsed::default();
    let mut reader = match Reader::open(source, map.delimiter, record_max) {
        Ok(reader) => reader,
        Err(error) => {
            problems.add("unreadable tables", error);
            parsed.diagnostics = problems.finish();
            return parsed;
        }
    };
    let names = reader.header.clone();
    let Some(header) = resolve(map, &names, &mut problems) else {
        parsed.diagnostics = problems.finish();
        return parsed;
    };
    let mut rows = Rows::new(map, file, &names, &header, catalog, texts);
    let mut record = ByteRecord::new();
    loop {
        match reader.next(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                problems.add("unreadable tables", error);
                break;
            }
        }
        parsed.n_rows += 1;
        if record.len() != names.len() {
            problems.add(
                "rows of another length",
                Diagnostic::error(format!("a row of {} cells", record.len()))
                    .place(line(&record))
                    .expected(format!("{} cells, as in the header", names.len()))
                    .help("put cells that hold the delimiter in quotation marks"),
            );
            continue;
        }
        if let Err((kind, fault)) = rows.read(&record, joined, &mut parsed, &mut problems) {
            let max = if kind.contains("UTF-8") { 1 } else { 20 };
            problems.add_up_to(max, kind, fault);
        }
    }
    rows.finish(&mut problems);
    parsed.diagnostics = problems.finish();
    parsed
}

/// What is the same for every row, and what is remembered between rows.
struct Rows<'a> {
    map: &'a MapSpec,
    file: &'a str,
    cells: CellReader<'a>,
    columns: Vec<(Field, &'a ColumnSpec, usize)>,
    value: Option<&'a Column<'a>>,
    join_on: Option<usize>,
    constants: Cells,
    scores: Vec<(&'a ScoreColumn<'a>, [Option<Text>; 12])>,
    catalog: &'a Catalog,
    not_joined: Vec<String>,
    n_not_joined: usize,
    no_family: Vec<Text>,
}

impl<'a> Rows<'a> {
    fn new(
        map: &'a MapSpec,
        file: &'a str,
        names: &'a [String],
        header: &'a Header<'a>,
        catalog: &'a Catalog,
        texts: &'a Texts,
    ) -> Self {
        let mut constants = Cells::empty();
        for (slot, constant) in constants.texts.iter_mut().zip(map.constants.texts()) {
            *slot = constant
                .as_deref()
                .filter(|t| !t.is_empty())
                .map(|t| texts.get(t));
        }
        let interned = |t: &Option<String>| t.as_deref().map(|t| texts.get(t));
        Rows {
            map,
            file,
            cells: CellReader {
                na: &map.na,
                header: names,
                texts,
            },
            columns: header
                .columns
                .iter()
                .map(|c| (c.field, c.spec, c.index))
                .collect(),
            value: header.columns.iter().find(|c| c.field == Field::Value),
            join_on: header.join_on,
            constants,
            scores: header
                .scores
                .iter()
                .map(|s| (s, std::array::from_fn(|i| interned(&s.texts[i]))))
                .collect(),
            catalog,
            not_joined: Vec::new(),
            n_not_joined: 0,
            no_family: Vec::new(),
        }
    }

    fn read(
        &mut self,
        record: &ByteRecord,
        joined: Option<&Joined>,
        parsed: &mut Parsed,
        problems: &mut Problems,
    ) -> Result<(), Fault> {
        let mut row = self.cells.read(record, &self.columns)?;
        if let (Some(index), Some(joined)) = (self.join_on, joined)
            && let Some(key) = self.cells.cell(record, index, &[])?
        {
            match joined.get(key) {
                Some(more) => row.or(more),
                None => {
                    self.n_not_joined += 1;
                    if self.not_joined.len() < 5 {
                        self.not_joined.push(key.to_owned());
                    }
                }
            }
        }
        row.or(&self.constants);
        let Some(model) = row.text(Field::Model).cloned() else {
            return Err((
                "rows without a model",
                Diagnostic::error("no model in the row")
                    .place(line(record))
                    .expected("the name of the model"),
            ));
        };
        let known = self.catalog.find_model(&model, None);
        match self.map.layout {
            Layout::Wide => {
                for (score, texts) in &self.scores {
                    let result = self.wide(record, &row, score, texts, known.as_ref());
                    self.keep(result, parsed, problems);
                }
            }
            Layout::Long => {
                let result = self.long(record, &row, known.as_ref());
                self.keep(result, parsed, problems);
            }
        }
        if row.text(Field::Family).is_none() && known.is_none() && self.no_family.len() < 5 {
            self.no_family.push(Text::clone(&model));
        }
        let placed = row.number(Field::Params).is_some() || row.number(Field::Flops).is_some();
        if known.is_none() && !placed {
            parsed
                .unknown_models
                .entry(model)
                .or_insert_with(|| self.file.to_owned());
        }
        Ok(())
    }

    fn keep(
        &self,
        result: Result<Option<Measurement>, Fault>,
        parsed: &mut Parsed,
        problems: &mut Problems,
    ) {
        match result {
            Ok(measurement) => parsed.measurements.extend(measurement),
            Err((kind, fault)) => problems.add(kind, fault),
        }
    }

    /// The score of one column.
    fn wide(
        &self,
        record: &ByteRecord,
        row: &Cells,
        score: &ScoreColumn<'_>,
        texts: &[Option<Text>; 12],
        known: Option<&ModelMatch<'_>>,
    ) -> Result<Option<Measurement>, Fault> {
        let Some(cell) = self.cells.cell(record, score.index, &score.spec.na)? else {
            return Ok(None);
        };
        let mut cells = row.clone();
        for (slot, text) in cells.texts.iter_mut().zip(texts) {
            if text.is_some() {
                slot.clone_from(text);
            }
        }
        if let (Some(shots), Some(slot)) =
            (score.shots, cells.numbers.get_mut(Field::Shots as usize))
        {
            *slot = Some((f64::from(shots), Known::Reported));
        }
        let metric = cells.text(Field::Metric).and_then(|m| metric_info(m));
        let scale = score
            .spec
            .scale
            .or(metric.as_ref().map(|m| m.scale))
            .unwrap_or(1.0);
        let number = |index, cell: &str| {
            number::parse(cell, scale)
                .ok_or_else(|| self.cells.bad(record, index, cell, "a finite number"))
        };
        let value = number(score.index, cell)?;
        let mut m = self.build(record, &cells, value, metric, known)?;
        if let Some((_, index)) = &score.stderr
            && let Some(cell) = self.cells.cell(record, *index, &[])?
        {
            m.stderr = Some(number(*index, cell)?.abs());
        }
        let spec = score.spec;
        if let Some((n, kind)) = given(spec.n) {
            (m.n, m.n_kind) = (Some(n), Some(kind));
        }
        if let Some(chance) = spec.chance {
            (m.chance, m.chance_kind) = (Some(chance), Some(Known::Assumed));
        }
        m.ceiling = spec.ceiling.or(m.ceiling);
        m.higher_is_better = spec.higher_is_better.or(m.higher_is_better);
        for flag in &spec.flags {
            m.add_flag(flag);
        }
        if spec.parse_failure.iter().any(|p| p == cell) {
            m.add_flag(flag::PARSE_FAILURE);
        }
        m.origin = Some(
            format!(
                "{}: {}, '{}'",
                self.file,
                line(record),
                shorten(&score.name)
            )
            .into(),
        );
        Ok(Some(m))
    }

    /// The score of one row.
    fn long(
        &self,
        record: &ByteRecord,
        row: &Cells,
        known: Option<&ModelMatch<'_>>,
    ) -> Result<Option<Measurement>, Fault> {
        let Some(column) = self.value else {
            return Ok(None);
        };
        let Some(cell) = self.cells.cell(record, column.index, &column.spec.na)? else {
            return Ok(None);
        };
        let metric = row.text(Field::Metric).and_then(|m| metric_info(m));
        let unit = metric.as_ref().map_or(1.0, |m| m.scale);
        let by_map = column.spec.scale != 1.0;
        let scale = if by_map { column.spec.scale } else { unit };
        let value = number::parse(cell, scale).ok_or_else(|| {
            self.cells
                .bad(record, column.index, cell, "a finite number")
        })?;
        let mut m = self.build(record, row, value, metric, known)?;
        // A standard error has the unit of its score, unless the map gives it one.
        let own = self
            .map
            .columns
            .get(&Field::Stderr)
            .is_some_and(|c| c.scale != 1.0);
        if !own {
            m.stderr = m.stderr.map(|s| s * scale.abs());
        }
        Ok(Some(m))
    }

    fn build(
        &self,
        record: &ByteRecord,
        cells: &Cells,
        value: f64,
        metric: Option<MetricInfo>,
        known: Option<&ModelMatch<'_>>,
    ) -> Result<Measurement, Fault> {
        let need = |field: Field, name: &str| {
            cells.text(field).ok_or_else(|| {
                (
                    "rows without a name that they need",
                    Diagnostic::error(format!("no {name} in the row"))
                        .place(line(record))
                        .expected(format!("the name of the {name}")),
                )
            })
        };
        let texts = self.cells.texts;
        let model = need(Field::Model, "model")?;
        let task = need(Field::Task, "task")?;
        let given_metric = need(Field::Metric, "metric")?;
        let family = match (cells.text(Field::Family), known) {
            (Some(family), _) => Text::clone(family),
            (None, Some(known)) => texts.get(&known.entry.family),
            (None, None) => texts.get("unknown"),
        };
        let mut m = Measurement::new(&family, model, task, given_metric, value);
        (m.family, m.model, m.task) = (family, Text::clone(model), Text::clone(task));
        m.metric = match &metric {
            Some(info) => texts.get(&info.canonical),
            None => Text::clone(given_metric),
        };
        m.higher_is_better = metric.as_ref().map(|info| info.higher_is_better);
        m.tuning = cells.text(Field::Tuning).cloned();
        m.subset = cells.text(Field::Subset).cloned();
        m.split = cells.text(Field::Split).cloned();
        m.filter = cells.text(Field::Filter).cloned();
        m.note = cells.text(Field::Note).cloned();
        m.source = match cells.text(Field::Source) {
            Some(source) => Text::clone(source),
            None => texts.get(self.file),
        };

        m.setting = cells.text(Field::Setting).cloned();
        let shots = cells
            .count(Field::Shots)
            .and_then(|n| u32::try_from(n).ok());
        let constant_shots = self.map.constants.shots;
        match (cells.text(Field::Method), &m.setting) {
            (Some(method), _) => {
                m.method = Text::clone(method);
                m.shots = shots.or(constant_shots);
            }
            (None, Some(words)) => {
                let setting = settings::parse(words);
                m.method = texts.get(&setting.method);
                m.shots = shots.or(setting.shots).or(constant_shots);
                if m.tuning.is_none() {
                    m.tuning = setting.tuning.as_deref().map(|t| texts.get(t));
                }
                for flag in setting.flags {
                    m.add_flag(flag);
                }
            }
            // Neither said: `direct` where shots are counted, since methods that are not
            // plain few-shot prompting are named by whoever uses them.
            (None, None) => {
                m.shots = shots.or(constant_shots);
                m.method = texts.get(if m.shots.is_some() {
                    "direct"
                } else {
                    "unstated"
                });
            }
        }

        m.checkpoint_step = cells.count(Field::Step);
        m.params = cells.number(Field::Params).map(|(v, _)| v);
        m.tokens = cells.number(Field::Tokens).map(|(v, _)| v);
        m.train_loss_nats = cells.number(Field::Loss).map(|(v, _)| v);
        if let Some((flops, kind)) = cells.number(Field::Flops) {
            (m.flops, m.flops_kind) = (Some(flops), Some(kind));
        }
        if self.map.fill {
            self.fill_scale(&mut m);
        }
        m.derive_flops();
        if let (Some(n), Some(d)) = (m.params, m.tokens)
            && n > 0.0
            && d / n > TOKENS_PER_PARAM_MAX
        {
            m.add_flag(flag::IMPLAUSIBLE_SCALE);
        }

        m.stderr = cells.number(Field::Stderr).map(|(v, _)| v);
        m.seed = cells.seed;
        let facts = m
            .subset
            .as_ref()
            .and_then(|s| self.map.tasks.get(&format!("{task}/{s}")))
            .or_else(|| self.map.tasks.get(&**task));
        if let Some(n) = cells.count(Field::N).filter(|&n| n > 0) {
            let kind = cells.number(Field::N).map(|(_, kind)| kind);
            (m.n, m.n_kind) = (Some(n), kind);
        } else if let Some((n, kind)) =
            given(facts.and_then(|f| f.n)).or(given(self.map.constants.n))
        {
            (m.n, m.n_kind) = (Some(n), Some(kind));
        }
        let assumed = facts
            .and_then(|f| f.chance)
            .or(self.map.constants.chance)
            .or_else(|| self.chance_of(&m));
        if let Some((chance, kind)) = cells.number(Field::Chance) {
            (m.chance, m.chance_kind) = (Some(chance), Some(kind));
        } else if let Some(chance) = assumed {
            (m.chance, m.chance_kind) = (Some(chance), Some(Known::Assumed));
        }
        m.ceiling = cells
            .number(Field::Ceiling)
            .map(|(v, _)| v)
            .or(facts.and_then(|f| f.ceiling))
            .or(self.map.constants.ceiling);
        m.higher_is_better = facts
            .and_then(|f| f.higher_is_better)
            .or(self.map.constants.higher_is_better)
            .or(m.higher_is_better);
        let flags = self.map.constants.flags.iter();
        for flag in flags.chain(facts.iter().flat_map(|f| &f.flags)) {
            m.add_flag(flag);
        }
        if let Some(known) = known {
            for flag in known.entry.flags.iter().filter(|f| about_model(f)) {
                m.add_flag(flag);
            }
            // A tuned model is not a larger base model: it has a curve of its own.
            if known.entry.has(flag::INSTRUCT) && m.tuning.is_none() {
                m.tuning = Some(texts.get("instruction-tuned"));
            }
        }
        if metric.is_some_and(|info| info.composite) {
            m.add_flag(flag::COMPOSITE);
        }
        m.origin = Some(format!("{}: {}", self.file, line(record)).into());
        Ok(m)
    }

    /// Chance from the catalogue.
    fn chance_of(&self, m: &Measurement) -> Option<f64> {
        let part = |separator: &str| {
            let subset = m.subset.as_ref()?;
            self.catalog
                .find_task(&format!("{}{separator}{subset}", m.task))
        };
        part("/")
            .or_else(|| part("_"))
            .or_else(|| self.catalog.find_task(&m.task))?
            .chance_for(&m.metric)
    }

    fn fill_scale(&self, m: &mut Measurement) {
        let revision = m.checkpoint_step.map(|step| format!("step{step}"));
        let Some(found) = self.catalog.find_model(&m.model, revision.as_deref()) else {
            return;
        };
        m.params = m.params.or(found.scale.params);
        m.tokens = m.tokens.or(found.scale.tokens);
        if m.flops.is_none() && found.scale.flops.is_some() {
            (m.flops, m.flops_kind) = (found.scale.flops, found.flops_kind);
        }
    }

    fn finish(self, problems: &mut Problems) {
        if let Some(join) = &self.map.join
            && self.n_not_joined > 0
        {
            problems.add(
                "models without a partner",
                Diagnostic::warning(format!(
                    "{} rows have no partner in {}, for example {}",
                    self.n_not_joined,
                    join.file,
                    self.not_joined.join(", ")
                ))
                .expected(format!(
                    "the same names in '{}' and '{}'",
                    join.on, join.key
                )),
            );
        }
        if let Some(first) = self.no_family.first() {
            problems.add(
                "models without a family",
                Diagnostic::warning(format!(
                    "no family is known for {} and possibly others; it is called 'unknown'",
                    shorten(first)
                ))
                .expected("a family for every model")
                .help(
                    "give family under [columns] or [constants], or add the model to a catalogue",
                ),
            );
        }
    }
}

/// Whether a flag of the catalogue describes the model itself. Its scale is flagged
/// from the table's own numbers.
fn about_model(flag: &str) -> bool {
    flag != flag::IMPLAUSIBLE_SCALE
}
