//! Emergence as published: Table 1 of Wei et al. 2022, to compare verdicts with.

use serde::Deserialize;
use upturn_types::{Scale, Text};

/// Rows of the paper's first table.
const EMERGENT_PAPER_CSV: &str = include_str!("../data/emergent_paper.csv");

/// One published claim: an ability and the smallest scale at which it was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The ability, in the paper's words.
    pub ability: Text,
    /// `few-shot` for few-shot prompting, `augmented` for other ways of prompting and tuning.
    pub category: Text,
    /// Parameters N of the smallest model that shows it; `None` where the paper gives none.
    pub params: Option<f64>,
    /// Its training compute C (FLOPs), on the paper's axis.
    pub flops: Option<f64>,
    /// Model family of the claim.
    pub model: Option<Text>,
    /// The work that measured it.
    pub reference: Text,
    /// Where the claim is printed.
    pub source: Text,
}

impl Claim {
    /// The claim's scale.
    #[must_use]
    pub fn scale(&self) -> Scale {
        Scale {
            params: self.params,
            flops: self.flops,
            ..Scale::default()
        }
    }
}

#[derive(Deserialize)]
struct Row {
    part: String,
    name: Text,
    category: Text,
    train_flops: Option<f64>,
    params: Option<f64>,
    model: Option<Text>,
    reference: Text,
    source: Text,
}

/// The claims of Table 1 of Wei et al. 2022, arXiv:2206.07682, in its order.
///
/// # Panics
///
/// When the embedded file cannot be read, which a test rules out.
#[must_use]
pub fn wei2022_claims() -> Vec<Claim> {
    csv::Reader::from_reader(EMERGENT_PAPER_CSV.as_bytes())
        .deserialize()
        .collect::<Result<Vec<Row>, _>>()
        .expect("the embedded emergent_paper.csv is well formed")
        .into_iter()
        .filter(|row| row.part == "table1")
        .map(|row| Claim {
            ability: row.name,
            category: row.category,
            params: row.params,
            flops: row.train_flops,
            model: row.model.filter(|m| !m.is_empty()),
            reference: row.reference,
            source: row.source,
        })
        .collect()
}
