//! Longer parts of a report as titled blocks of sentences and tables, for terminal and page alike.

mod across;
mod counterexamples;

use serde::Serialize;
use upturn_types::{Analysis, Clustered};

use crate::names::visible;
use crate::numbers::{self, Signs};

pub(crate) use across::{across, across_summary};
pub(crate) use counterexamples::{counterexamples, counterexamples_summary};

/// A part of a report that has a command and a heading of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Smaller models that have what larger ones of other families lack.
    Counterexamples,
    /// Questions over many tasks.
    Across,
}

impl Section {
    /// All sections, in the order in which they are shown.
    pub const ALL: [Section; 2] = [Section::Counterexamples, Section::Across];

    /// The name on the command line and in links.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Section::Counterexamples => "counterexamples",
            Section::Across => "across",
        }
    }

    /// The heading.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Section::Counterexamples => "Smaller models that have what larger ones lack",
            Section::Across => "Across tasks",
        }
    }

    /// The blocks, each table cut at `limit` rows.
    pub(crate) fn blocks(self, analysis: &Analysis, signs: Signs, limit: usize) -> Vec<Block> {
        match self {
            Section::Counterexamples => counterexamples(analysis, signs, limit),
            Section::Across => across(analysis, signs, limit),
        }
    }

    /// A few sentences for a front page; none where there is nothing to say.
    pub(crate) fn summary(self, analysis: &Analysis, signs: Signs) -> Vec<String> {
        match self {
            Section::Counterexamples => counterexamples_summary(analysis, signs),
            Section::Across => across_summary(analysis, signs),
        }
    }
}

/// A titled block.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Block {
    /// Its heading.
    pub title: String,
    /// Sentences before the table.
    pub text: Vec<String>,
    /// Names of the columns; empty without a table.
    pub head: Vec<&'static str>,
    /// Rows, each as long as `head`.
    pub rows: Vec<Vec<String>>,
    /// What the table leaves out.
    pub more: Option<String>,
}

impl Block {
    /// A block whose table is cut at `limit` rows; texts from data are made safe to show.
    pub(crate) fn new(
        title: &str,
        text: Vec<String>,
        head: &[&'static str],
        mut rows: Vec<Vec<String>>,
        limit: usize,
    ) -> Block {
        let left = rows.len().saturating_sub(limit);
        rows.truncate(limit);
        Block {
            title: visible(title),
            text: text.iter().map(|t| visible(t)).collect(),
            head: if rows.is_empty() {
                Vec::new()
            } else {
                head.to_vec()
            },
            rows: rows
                .iter()
                .map(|row| row.iter().map(|cell| visible(cell)).collect())
                .collect(),
            more: (left > 0).then(|| {
                format!(
                    "and {} more; analysis.json has them",
                    numbers::integer(left as u64)
                )
            }),
        }
    }
}

/// `0.85 [0.77, 0.93]`.
pub(crate) fn estimate(value: Option<&Clustered>, signs: Signs) -> String {
    match value {
        Some(c) => format!("{}{}", two(c.value), ends(c)),
        None => signs.none.to_owned(),
    }
}

/// The interval after a number, or a word that there is none.
pub(crate) fn ends(c: &Clustered) -> String {
    match c.interval.and_then(|i| i.lower.zip(i.upper)) {
        Some((lower, upper)) => format!(" [{}, {}]", two(lower), two(upper)),
        None => " (no interval)".to_owned(),
    }
}

/// A correlation, difference or slope: two decimals, three below a tenth.
pub(crate) fn two(value: f64) -> String {
    if value == 0.0 {
        "0".to_owned()
    } else {
        numbers::statistic(value)
    }
}
