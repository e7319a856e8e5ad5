//! What a run did, for programs: `--json`.

use std::path::Path;

use serde::Serialize;
use upturn_eval::MetricScore;
use upturn_types::Work;

use super::MEASUREMENTS;
use crate::exit::{Exit, Failure};
use crate::output;

/// A cell.
#[derive(Debug, Serialize)]
pub struct CellSummary {
    pub model: String,
    pub task: String,
    pub status: &'static str,
    pub key: String,
    pub n_items: u64,
    pub n_resumed: u64,
    pub n_truncated: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub work: Option<Work>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    pub scores: Vec<MetricScore>,
}

/// A group of tasks.
#[derive(Debug, Serialize)]
pub struct GroupSummary {
    pub group: String,
    pub n: u64,
    pub scores: Vec<MetricScore>,
}

/// A model with its cells.
#[derive(Debug, Serialize)]
pub struct ModelSummary {
    #[serde(flatten)]
    pub identity: serde_json::Value,
    pub cells: Vec<CellSummary>,
    pub groups: Vec<GroupSummary>,
}

#[derive(Debug, Serialize)]
struct Summary<'s> {
    out: String,
    /// Null where there are none.
    measurements: Option<String>,
    models: &'s [ModelSummary],
    refused: &'s [String],
}

/// Prints the summary of a run, of one that had nothing to do as well.
pub fn print(out: &Path, models: &[ModelSummary], refused: &[String]) -> Result<(), Failure> {
    let table = out.join(MEASUREMENTS);
    let summary = Summary {
        out: out.display().to_string(),
        measurements: table.is_file().then(|| table.display().to_string()),
        models,
        refused,
    };
    print_json(&summary)
}

/// Prints a document.
pub fn print_json(document: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(document).map_err(|e| Failure::new(Exit::Failed, e))?;
    output::print(&text)
}
