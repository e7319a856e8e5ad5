//! Questions over many tasks: is there a magic scale, what goes with emergence, loss
//! against metric, and what nobody has yet.

mod concentration;
mod loss;
mod nobody;
mod traits;

use std::collections::BTreeSet;

use upturn_types::{AcrossTasks, AnalysisConfig, Curve, CurveId, Verdict, View};

/// What the verdicts say together. Averages whose parts are there too are left out.
#[must_use]
pub fn find(verdicts: &[Verdict], curves: &[Curve], config: &AnalysisConfig) -> AcrossTasks {
    let aggregate: BTreeSet<&CurveId> = curves
        .iter()
        .filter(|c| c.aggregate)
        .map(|c| &c.id)
        .collect();
    let across: Vec<&Verdict> = verdicts
        .iter()
        .filter(|v| v.view == View::Across && !aggregate.contains(&v.curve))
        .collect();
    AcrossTasks {
        concentration: concentration::find(&across, config),
        traits: traits::find(&across, config),
        loss: loss::find(verdicts, curves, config.seed),
        nobody: nobody::find(&across, curves, config),
    }
}
