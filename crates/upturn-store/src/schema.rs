//! The tables that Upturn writes: their kinds, versions and Arrow schemas.
//!
//! Every Parquet file says what it is in its metadata: `upturn.schema` names the
//! [`TableKind`] and `upturn.version` the [`FormatVersion`]. Columns are found by
//! name, so their order never matters to a reader. Null is unknown.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};

use crate::table::{Column, Kind};
use crate::{curve_table, measurement_table, verdict_table};

/// Metadata key that names the kind of table.
pub const SCHEMA_KEY: &str = "upturn.schema";
/// Metadata key of the format version.
pub const VERSION_KEY: &str = "upturn.version";

/// A kind of table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TableKind {
    /// One score per row: [`upturn_types::Measurement`].
    Measurement,
    /// One verdict per row: [`upturn_types::Verdict`].
    Verdict,
    /// One point of a curve in one view per row.
    Curve,
    /// One item answered by one model per row.
    Sample,
}

impl TableKind {
    /// All kinds.
    pub const ALL: [TableKind; 4] = [
        TableKind::Measurement,
        TableKind::Verdict,
        TableKind::Curve,
        TableKind::Sample,
    ];

    /// The word under [`SCHEMA_KEY`].
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            TableKind::Measurement => "measurement",
            TableKind::Verdict => "verdict",
            TableKind::Curve => "curve",
            TableKind::Sample => "sample",
        }
    }

    /// The kind that `name` spells, if any.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.name() == name)
    }
}

/// Version of a table format. A reader takes its own version and every older one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FormatVersion(pub u32);

impl FormatVersion {
    /// The version that this release writes.
    ///
    /// Changelog:
    ///
    /// - **1** (Upturn 0.1): first. Measurement, verdict, curve and sample tables.
    pub const CURRENT: FormatVersion = FormatVersion(1);

    /// Whether a reader that knows versions up to `reader` can read this one.
    ///
    /// # Errors
    /// [`VersionError::TooNew`], which says what to do about it.
    pub fn check_readable_by(self, reader: FormatVersion) -> Result<(), VersionError> {
        if self > reader {
            return Err(VersionError::TooNew {
                found: self,
                reader,
            });
        }
        Ok(())
    }
}

/// Why a table of ours is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// Written by a later release.
    #[error(
        "table format version {} is newer than this release reads (up to {}); use the Upturn release that wrote the file, or a later one",
        found.0, reader.0
    )]
    TooNew {
        /// Version of the file.
        found: FormatVersion,
        /// Newest version known here.
        reader: FormatVersion,
    },
    /// The version is not a number.
    #[error("{VERSION_KEY} is '{0}'; expected a whole number")]
    NotANumber(String),
    /// Another kind of table.
    #[error("this is a {found} table; expected a {expected} table")]
    OtherKind {
        /// What the file says it is.
        found: String,
        /// What was asked for.
        expected: &'static str,
    },
}

/// Checks the metadata of a file against the kind of table wanted.
///
/// Files without our metadata pass: other tools drop it when they rewrite a
/// table, and the columns themselves are checked anyway.
///
/// # Errors
/// [`VersionError`] for another kind or a newer version.
pub fn check_metadata(
    kind: TableKind,
    get: impl Fn(&str) -> Option<String>,
) -> Result<(), VersionError> {
    if let Some(found) = get(SCHEMA_KEY)
        && found != kind.name()
    {
        return Err(VersionError::OtherKind {
            found,
            expected: kind.name(),
        });
    }
    if let Some(version) = get(VERSION_KEY) {
        let number = version
            .parse()
            .map_err(|_| VersionError::NotANumber(version))?;
        FormatVersion(number).check_readable_by(FormatVersion::CURRENT)?;
    }
    Ok(())
}

/// The metadata of a table of `kind` as this release writes it.
#[must_use]
pub fn metadata(kind: TableKind) -> HashMap<String, String> {
    HashMap::from([
        (SCHEMA_KEY.to_owned(), kind.name().to_owned()),
        (VERSION_KEY.to_owned(), FormatVersion::CURRENT.0.to_string()),
    ])
}

/// Columns of [`upturn_types::Measurement`], in the order of its fields (`origin` left out).
#[must_use]
pub fn measurement() -> SchemaRef {
    from_columns(TableKind::Measurement, measurement_table::COLUMNS)
}

/// Columns of a verdict.
#[must_use]
pub fn verdict() -> SchemaRef {
    from_columns(TableKind::Verdict, verdict_table::COLUMNS)
}

/// Columns of a point of a curve in one view.
#[must_use]
pub fn curve() -> SchemaRef {
    from_columns(TableKind::Curve, &curve_table::columns())
}

/// Columns of a sample: one item answered once by one model.
///
/// `metrics` names the metrics scored on the items, each a nullable `f64` column
/// `metric.NAME` after the fixed ones. Log-probabilities are `f32` sums in nats;
/// lengths leave the delimiter before a choice out.
#[must_use]
pub fn sample(metrics: &[&str]) -> SchemaRef {
    let text = |name: &str, nullable| Field::new(name, DataType::Utf8, nullable);
    let number = |name: &str| Field::new(name, DataType::Float64, true);
    let count = |name: &str| Field::new(name, DataType::UInt32, true);
    let list = |name: &str, of| {
        let item = Arc::new(Field::new_list_field(of, false));
        Field::new(name, DataType::List(item), false)
    };
    let mut fields = vec![
        text("family", false),
        text("model", false),
        Field::new("checkpoint_step", DataType::UInt64, true),
        text("tuning", true),
        number("params"),
        number("tokens"),
        number("flops"),
        text("flops_kind", true),
        number("train_loss_nats"),
        text("task", false),
        text("subset", true),
        text("split", true),
        text("method", false),
        count("shots"),
        Field::new("seed", DataType::UInt64, true),
        Field::new("doc_id", DataType::UInt64, false),
        text("doc_hash", false),
        text("prompt_hash", false),
        text("target_hash", false),
        Field::new("repeat", DataType::UInt32, false),
        text("filter", false),
        text("doc", false),
        text("request", false),
        list("responses", DataType::Utf8),
        text("filtered", true),
        text("finish_reason", true),
        list("choices", DataType::Struct(choice())),
        count("gold"),
        text("target", false),
        Field::new("target_logprob", DataType::Float32, true),
        Field::new("target_is_greedy", DataType::Boolean, true),
        count("target_n_tokens"),
        count("target_n_chars"),
        count("target_n_bytes"),
    ];
    fields.extend(
        metrics
            .iter()
            .map(|m| number(&format!("{METRIC_PREFIX}{m}"))),
    );
    Arc::new(Schema::new_with_metadata(
        fields,
        metadata(TableKind::Sample),
    ))
}

/// What comes before a metric's name in the name of its column.
pub const METRIC_PREFIX: &str = "metric.";

/// Fields of an answer option in the column `choices` of a sample.
pub(crate) fn choice() -> Fields {
    let count = |name: &str| Field::new(name, DataType::UInt32, false);
    Fields::from(vec![
        Field::new("text", DataType::Utf8, false),
        Field::new("logprob", DataType::Float32, false),
        Field::new("is_greedy", DataType::Boolean, false),
        count("n_tokens"),
        count("n_chars"),
        count("n_bytes"),
        Field::new("unconditional_logprob", DataType::Float32, true),
        Field::new("unconditional_is_greedy", DataType::Boolean, true),
    ])
}

fn from_columns<R>(kind: TableKind, columns: &[Column<R>]) -> SchemaRef {
    let fields: Vec<Field> = columns
        .iter()
        .map(|c| Field::new(c.name, data_type(c.kind), c.nullable))
        .collect();
    Arc::new(Schema::new_with_metadata(fields, metadata(kind)))
}

fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::Text => DataType::Utf8,
        Kind::F64 => DataType::Float64,
        Kind::U64 => DataType::UInt64,
        Kind::U32 => DataType::UInt32,
        Kind::Bool => DataType::Boolean,
        Kind::Texts => DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, false))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_versions_are_refused_with_a_way_out() {
        assert_eq!(
            FormatVersion(1).check_readable_by(FormatVersion::CURRENT),
            Ok(())
        );
        let refused = FormatVersion(2)
            .check_readable_by(FormatVersion::CURRENT)
            .unwrap_err();
        assert_eq!(
            refused.to_string(),
            "table format version 2 is newer than this release reads (up to 1); \
             use the Upturn release that wrote the file, or a later one"
        );
    }

    #[test]
    fn metadata_is_checked_for_kind_and_version() {
        let with = |kind: &str, version: &str| {
            let (kind, version) = (kind.to_owned(), version.to_owned());
            check_metadata(TableKind::Measurement, move |key| match key {
                SCHEMA_KEY => Some(kind.clone()),
                VERSION_KEY => Some(version.clone()),
                _ => None,
            })
        };
        assert_eq!(with("measurement", "1"), Ok(()));
        assert!(matches!(
            with("measurement", "7"),
            Err(VersionError::TooNew { .. })
        ));
        assert!(matches!(
            with("measurement", "one"),
            Err(VersionError::NotANumber(_))
        ));
        assert!(matches!(
            with("verdict", "1"),
            Err(VersionError::OtherKind { .. })
        ));
        assert_eq!(check_metadata(TableKind::Sample, |_| None), Ok(()));
    }

    #[test]
    fn measurement_columns_are_the_fields_in_their_order() {
        // Through serde, which lists the fields in the order of the struct.
        let row = upturn_types::Measurement::new("f", "m", "t", "acc", 0.5);
        let fields = serde_json::to_string(&row).unwrap();
        let mut from = 0;
        for field in measurement().fields() {
            let key = format!("\"{}\":", field.name());
            let at = fields[from..]
                .find(&key)
                .unwrap_or_else(|| panic!("{key} is not in its place"));
            from += at + key.len();
        }
        assert_eq!(
            measurement().fields().len(),
            serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&fields)
                .unwrap()
                .len()
        );
    }

    #[test]
    fn column_names_are_unique_and_each_schema_is_marked() {
        for (kind, schema) in [
            (TableKind::Measurement, measurement()),
            (TableKind::Verdict, verdict()),
            (TableKind::Curve, curve()),
            (TableKind::Sample, sample(&["acc", "brier"])),
        ] {
            let names: std::collections::BTreeSet<_> =
                schema.fields().iter().map(|f| f.name()).collect();
            assert_eq!(names.len(), schema.fields().len(), "{kind:?}");
            assert_eq!(schema.metadata()[SCHEMA_KEY], kind.name());
            assert_eq!(TableKind::parse(kind.name()), Some(kind));
        }
    }
}
