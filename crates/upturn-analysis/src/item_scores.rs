//! Scores of single items, where samples are at hand: what pairing and per-item links need.

use std::collections::{BTreeMap, BTreeSet};

use upturn_types::{Analysis, CurveId, CurveKey, Text};

/// The metric name under which an item's score is the log-probability of its whole target
/// (nats, summed over tokens).
pub const TARGET_LOGPROB: &str = "target_logprob";

/// The curves whose items would say more: both arms of every method on one family, and the
/// targets' log-probabilities of every onset with a graded metric beside it.
#[must_use]
pub fn wanted(analysis: &Analysis) -> BTreeMap<CurveId, CurveKey> {
    let arms: BTreeSet<&CurveId> = analysis
        .methods
        .iter()
        .flat_map(|m| &m.families)
        .flat_map(|f| [&f.curve, &f.baseline])
        .collect();
    let arms = analysis
        .curves
        .iter()
        .filter(|c| arms.contains(&c.id))
        .map(|c| (c.id.clone(), c.key.clone()));
    let targets = analysis
        .artefacts
        .iter()
        .filter(|test| !test.pairs.is_empty())
        .map(|test| {
            let mut key = test.key.clone();
            key.metric = TARGET_LOGPROB.into();
            (key.id(), key)
        });
    arms.chain(targets).collect()
}

/// One metric of one model in one setting, item by item.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemScores {
    /// The curve that the model's mean is on.
    pub key: CurveKey,
    /// Model.
    pub model: Text,
    /// Training step, for a checkpoint.
    pub checkpoint_step: Option<u64>,
    /// Seed of the run.
    pub seed: Option<u64>,
    /// Item and score. An item stands for itself in every list: its index in the split.
    pub scores: Vec<(u64, f64)>,
}

/// Item scores by curve, model and step; several seeds are averaged item by item.
#[derive(Debug, Default)]
pub struct ItemTable {
    cells: BTreeMap<(CurveId, Text, Option<u64>), BTreeMap<u64, f64>>,
}

impl ItemTable {
    /// Indexes item scores. An item that some seed of a cell lacks is left out of the cell.
    #[must_use]
    pub fn new(items: &[ItemScores]) -> ItemTable {
        /// Runs of a cell, and per item how many scored it with their sum.
        type Sums = (usize, BTreeMap<u64, (usize, f64)>);
        let mut sums: BTreeMap<_, Sums> = BTreeMap::new();
        for cell in items {
            let at = (cell.key.id(), cell.model.clone(), cell.checkpoint_step);
            let (runs, scores) = sums.entry(at).or_default();
            *runs += 1;
            for (item, score) in cell.scores.iter().filter(|(_, s)| s.is_finite()) {
                let sum = scores.entry(*item).or_insert((0, 0.0));
                sum.0 += 1;
                sum.1 += score;
            }
        }
        let cells = sums
            .into_iter()
            .map(|(at, (runs, scores))| {
                let means = scores
                    .into_iter()
                    .filter(|(_, (n, _))| *n == runs)
                    .map(|(item, (n, sum))| (item, sum / n as f64))
                    .collect();
                (at, means)
            })
            .collect();
        ItemTable { cells }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// The items of one model on a curve, by item.
    #[must_use]
    pub fn of(
        &self,
        curve: &CurveId,
        model: &Text,
        checkpoint_step: Option<u64>,
    ) -> Option<&BTreeMap<u64, f64>> {
        self.cells
            .get(&(curve.clone(), model.clone(), checkpoint_step))
    }

    /// The scores of two cells on the items that both have, in one order.
    #[must_use]
    pub fn paired(a: &BTreeMap<u64, f64>, b: &BTreeMap<u64, f64>) -> (Vec<f64>, Vec<f64>) {
        a.iter()
            .filter_map(|(item, score)| Some((*score, *b.get(item)?)))
            .unzip()
    }
}
