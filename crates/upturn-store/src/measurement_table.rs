//! The columns of a table of measurements, and a row put together from them.

use std::borrow::Cow;
use std::collections::BTreeSet;

use upturn_types::{Known, Measurement};

use crate::table::{Cell, Column, Kind, split_list};
use crate::texts::Texts;

fn known(kind: Option<Known>) -> Cell<'static> {
    Cell::Text(kind.map(|k| Cow::Borrowed(k.name())))
}

/// Columns in the order of the fields of [`Measurement`].
pub(crate) const COLUMNS: &[Column<Measurement>] = &[
    Column::new("family", Kind::Text, false, |m| Cell::text(&m.family)),
    Column::new("model", Kind::Text, false, |m| Cell::text(&m.model)),
    Column::new("checkpoint_step", Kind::U64, true, |m| {
        Cell::U64(m.checkpoint_step)
    }),
    Column::new("tuning", Kind::Text, true, |m| {
        Cell::maybe(m.tuning.as_ref())
    }),
    Column::new("params", Kind::F64, true, |m| Cell::F64(m.params)),
    Column::new("tokens", Kind::F64, true, |m| Cell::F64(m.tokens)),
    Column::new("flops", Kind::F64, true, |m| Cell::F64(m.flops)),
    Column::new("flops_kind", Kind::Text, true, |m| known(m.flops_kind)),
    Column::new("train_loss_nats", Kind::F64, true, |m| {
        Cell::F64(m.train_loss_nats)
    }),
    Column::new("task", Kind::Text, false, |m| Cell::text(&m.task)),
    Column::new("subset", Kind::Text, true, |m| {
        Cell::maybe(m.subset.as_ref())
    }),
    Column::new("split", Kind::Text, true, |m| Cell::maybe(m.split.as_ref())),
    Column::new("method", Kind::Text, false, |m| Cell::text(&m.method)),
    Column::new("shots", Kind::U32, true, |m| Cell::U32(m.shots)),
    Column::new("setting", Kind::Text, true, |m| {
        Cell::maybe(m.setting.as_ref())
    }),
    Column::new("filter", Kind::Text, true, |m| {
        Cell::maybe(m.filter.as_ref())
    }),
    Column::new("metric", Kind::Text, false, |m| Cell::text(&m.metric)),
    Column::new("higher_is_better", Kind::Bool, true, |m| {
        Cell::Bool(m.higher_is_better)
    }),
    Column::new("value", Kind::F64, false, |m| Cell::F64(Some(m.value))),
    Column::new("stderr", Kind::F64, true, |m| Cell::F64(m.stderr)),
    Column::new("n", Kind::U64, true, |m| Cell::U64(m.n)),
    Column::new("n_kind", Kind::Text, true, |m| known(m.n_kind)),
    Column::new("chance", Kind::F64, true, |m| Cell::F64(m.chance)),
    Column::new("chance_kind", Kind::Text, true, |m| known(m.chance_kind)),
    Column::new("ceiling", Kind::F64, true, |m| Cell::F64(m.ceiling)),
    Column::new("seed", Kind::U64, true, |m| Cell::U64(m.seed)),
    Column::new("flags", Kind::Texts, false, |m| Cell::texts(&m.flags)),
    Column::new("source", Kind::Text, false, |m| Cell::text(&m.source)),
    Column::new("note", Kind::Text, true, |m| Cell::maybe(m.note.as_ref())),
];

/// Columns that a table must have to be read as measurements; the others may be absent.
pub(crate) const REQUIRED: [&str; 5] = ["family", "model", "task", "metric", "value"];

/// Whether columns of these names make a table of measurements.
pub(crate) fn is_measurement_table<'n>(names: impl IntoIterator<Item = &'n str>) -> bool {
    let names: Vec<&str> = names.into_iter().collect();
    REQUIRED.iter().all(|r| names.contains(r))
}

/// An error about one cell: the column, what was found and what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CellError {
    pub(crate) column: &'static str,
    pub(crate) message: String,
    pub(crate) expected: &'static str,
}

/// Sets the field that `column` (an index into [`COLUMNS`]) names.
///
/// `None`, and a null in a column that must not hold one, leave the default of
/// [`Measurement::new`] for `method` and `source` and are an error elsewhere.
pub(crate) fn set(
    m: &mut Measurement,
    column: usize,
    cell: Cell<'_>,
    texts: &Texts,
) -> Result<(), CellError> {
    let name = COLUMNS[column].name;
    let kind_of = |text: Option<Cow<'_, str>>| match text {
        None => Ok(None),
        Some(word) => Known::parse(&word).map(Some).ok_or_else(|| CellError {
            column: name,
            message: format!("{name} '{word}' is not known"),
            expected: "reported, derived, recovered or assumed",
        }),
    };
    match (name, cell) {
        ("flags", Cell::Texts(flags)) => {
            // A set first: a hostile cell may hold millions.
            let flags: BTreeSet<&str> = flags.iter().map(|flag| &**flag).collect();
            m.flags = flags.into_iter().map(|flag| texts.get(flag)).collect();
        }
        ("flags", Cell::Text(None)) => m.flags.clear(),
        ("flops_kind", Cell::Text(t)) => m.flops_kind = kind_of(t)?,
        ("n_kind", Cell::Text(t)) => m.n_kind = kind_of(t)?,
        ("chance_kind", Cell::Text(t)) => m.chance_kind = kind_of(t)?,
        ("method" | "source", Cell::Text(None)) => {}
        ("family" | "model" | "task" | "metric", Cell::Text(None)) | ("value", Cell::F64(None)) => {
            return Err(CellError {
                column: name,
                message: format!("{name} is empty"),
                expected: if name == "value" {
                    "a number"
                } else {
                    "a text"
                },
            });
        }
        (_, Cell::Text(text)) => {
            let text = text.map(|t| texts.get(&t));
            match (name, text) {
                ("family", Some(t)) => m.family = t,
                ("model", Some(t)) => m.model = t,
                ("task", Some(t)) => m.task = t,
                ("method", Some(t)) => m.method = t,
                ("metric", Some(t)) => m.metric = t,
                ("source", Some(t)) => m.source = t,
                ("tuning", t) => m.tuning = t,
                ("subset", t) => m.subset = t,
                ("split", t) => m.split = t,
                ("setting", t) => m.setting = t,
                ("filter", t) => m.filter = t,
                ("note", t) => m.note = t,
                _ => unreachable!("{name} is not a text column"),
            }
        }
        ("params", Cell::F64(v)) => m.params = v,
        ("tokens", Cell::F64(v)) => m.tokens = v,
        ("flops", Cell::F64(v)) => m.flops = v,
        ("train_loss_nats", Cell::F64(v)) => m.train_loss_nats = v,
        ("value", Cell::F64(Some(v))) => m.value = v,
        ("stderr", Cell::F64(v)) => m.stderr = v,
        ("chance", Cell::F64(v)) => m.chance = v,
        ("ceiling", Cell::F64(v)) => m.ceiling = v,
        ("checkpoint_step", Cell::U64(v)) => m.checkpoint_step = v,
        ("n", Cell::U64(v)) => m.n = v,
        ("seed", Cell::U64(v)) => m.seed = v,
        ("shots", Cell::U32(v)) => m.shots = v,
        ("higher_is_better", Cell::Bool(v)) => m.higher_is_better = v,
        (_, other) => unreachable!("{name} never holds {other:?}"),
    }
    Ok(())
}

/// Reads the text of a CSV field as the kind of `column`; an empty field is unknown.
pub(crate) fn parse_field(column: usize, field: &str) -> Result<Cell<'_>, CellError> {
    let Column { name, kind, .. } = COLUMNS[column];
    let wrong = |expected| CellError {
        column: name,
        message: format!("{name} is '{field}'"),
        expected,
    };
    fn whole<T: std::str::FromStr>(field: &str) -> Option<T> {
        // Spreadsheets and pandas write whole numbers as 512.0.
        field.strip_suffix(".0").unwrap_or(field).parse().ok()
    }
    let empty = field.is_empty();
    Ok(match kind {
        Kind::Text => Cell::Text((!empty).then_some(Cow::Borrowed(field))),
        Kind::Texts => Cell::Texts(split_list(field).into_iter().map(Cow::Owned).collect()),
        _ if empty => match kind {
            Kind::F64 => Cell::F64(None),
            Kind::U64 => Cell::U64(None),
            Kind::U32 => Cell::U32(None),
            _ => Cell::Bool(None),
        },
        Kind::F64 => Cell::F64(Some(field.trim().parse().map_err(|_| wrong("a number"))?)),
        Kind::U64 => Cell::U64(Some(
            whole(field.trim()).ok_or_else(|| wrong("a whole number, 0 or more"))?,
        )),
        Kind::U32 => Cell::U32(Some(
            whole(field.trim()).ok_or_else(|| wrong("a whole number, 0 or more"))?,
        )),
        Kind::Bool => match field.trim() {
            "true" | "True" | "TRUE" => Cell::Bool(Some(true)),
            "false" | "False" | "FALSE" => Cell::Bool(Some(false)),
            _ => return Err(wrong("true or false")),
        },
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;
    use upturn_types::Text;

    /// A search through the flags so far for each flag would take minutes here.
    #[test]
    fn a_cell_of_many_flags() {
        let n = 300_000;
        let cell: Vec<String> = (0..n).rev().map(|i| format!("f{i:06}")).collect();
        let mut m = Measurement::new("", "", "", "", 0.0);
        let column = COLUMNS.iter().position(|c| c.name == "flags").unwrap();
        let joined = cell.join(";") + ";f000000";
        let flags = parse_field(column, &joined).unwrap();
        set(&mut m, column, flags, &Texts::default()).unwrap();
        assert_eq!(m.flags.len(), n);
        assert!(m.flags.is_sorted());
    }

    /// Any text that a measurement may hold: not empty.
    fn text() -> impl Strategy<Value = Text> {
        prop_oneof![
            "[a-z]{1,8}",
            "\\PC{1,12}",
            "[ ,;\"\\\\\r\n\t]{1,4}",
            Just("模型-7b é\u{301} 🦀".to_owned()),
        ]
        .prop_map(Text::from)
    }

    fn number() -> impl Strategy<Value = Option<f64>> {
        prop::option::of(
            any::<u64>()
                .prop_map(f64::from_bits)
                .prop_filter("finite", |v| v.is_finite()),
        )
    }

    fn kind() -> impl Strategy<Value = Option<Known>> {
        prop::option::of(prop::sample::select(vec![
            Known::Reported,
            Known::Derived,
            Known::Recovered,
            Known::Assumed,
        ]))
    }

    /// Any measurement, as far as formats are concerned (ranges are not respected).
    pub(crate) fn any_measurement() -> impl Strategy<Value = Measurement> {
        let texts = prop::array::uniform6(text());
        let maybe_texts = prop::array::uniform6(prop::option::of(text()));
        let numbers = prop::collection::vec(number(), 8);
        let counts = prop::array::uniform3(prop::option::of(any::<u64>()));
        let kinds = prop::array::uniform3(kind());
        let flags = prop::collection::vec(text(), 0..4);
        let rest = (
            prop::option::of(any::<u32>()),
            prop::option::of(any::<bool>()),
        );
        (texts, maybe_texts, numbers, counts, kinds, flags, rest).prop_map(
            |(t, o, f, c, k, flags, (shots, better))| {
                let [tuning, subset, split, setting, filter, note] = o;
                let mut m = Measurement {
                    method: t[4].clone(),
                    source: t[5].clone(),
                    checkpoint_step: c[0],
                    n: c[1],
                    seed: c[2],
                    flops_kind: k[0],
                    n_kind: k[1],
                    chance_kind: k[2],
                    params: f[1],
                    tokens: f[2],
                    flops: f[3],
                    train_loss_nats: f[4],
                    stderr: f[5],
                    chance: f[6],
                    ceiling: f[7],
                    tuning,
                    subset,
                    split,
                    setting,
                    filter,
                    note,
                    shots,
                    higher_is_better: better,
                    ..Measurement::new(&t[0], &t[1], &t[2], &t[3], f[0].unwrap_or(-0.0))
                };
                for flag in &flags {
                    m.add_flag(flag);
                }
                m
            },
        )
    }

    /// Equal to the last bit, which `==` on floats is not (0.0 == -0.0).
    pub(crate) fn assert_same(a: &Measurement, b: &Measurement) {
        assert_eq!(a, b);
        let bits = |m: &Measurement| {
            [
                Some(m.value),
                m.params,
                m.tokens,
                m.flops,
                m.train_loss_nats,
                m.stderr,
                m.chance,
                m.ceiling,
            ]
            .map(|v| v.map(f64::to_bits))
        };
        assert_eq!(bits(a), bits(b));
    }

    #[test]
    fn every_column_gives_its_kind() {
        crate::table::assert_kinds(COLUMNS, &Measurement::new("f", "m", "t", "acc", 0.5));
    }

    proptest! {
        #[test]
        fn any_field_is_read_or_refused(column in 0..COLUMNS.len(), field in "\\PC{0,20}") {
            let mut m = Measurement::new("f", "m", "t", "acc", 0.5);
            if let Ok(cell) = parse_field(column, &field) {
                let _refused_or_set = set(&mut m, column, cell, &Texts::default());
            }
        }
    }
}
