//! Stopping a cell as soon as its score is certainly near chance or certainly above.
//!
//! Items are asked in a random order, a batch at a time, and after each batch the task's
//! first 0/1 metric is put to two e-values, against "score ≤ c + δ" and "score ≥ c + δ".
//! They are valid however often one looks, so either label is wrong with probability at most
//! α. The order hangs on the seed and the items alone: an interrupted cell that goes on asks
//! the same items and has the same result.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};
use upturn_stats::inference::sequential::label::SequentialDecision;
use upturn_stats::plan::decide;
use upturn_tasks::Task;
use upturn_types::{Flow, LanguageModel, Work};

use crate::cell::{CellPlan, CellResult, EvalOptions, MetricScore, Progress, run_all};
use crate::error::EvalError;
use crate::response::ItemResponse;

/// When a cell stops.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StopRule {
    /// Near-random margin δ as a share of the range above chance.
    pub near_margin: f64,
    /// Level α of each of the two labels.
    pub alpha: f64,
    /// Items between two looks; at least 1.
    pub batch: usize,
    /// Seed of the order.
    pub seed: u64,
}

impl StopRule {
    /// What decides the result, for a cell's key.
    pub(crate) fn describe(&self) -> String {
        format!(
            "stop margin {} alpha {} batch {} seed {}",
            self.near_margin, self.alpha, self.batch, self.seed
        )
    }

    /// The order in which items are asked: by a hash of the seed and the item.
    fn order(&self, plan: &CellPlan) -> Vec<usize> {
        let mut order: Vec<(Vec<u8>, usize)> = plan
            .items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                let mut hash = Sha256::new();
                hash.update(self.seed.to_le_bytes());
                hash.update(item.doc_id.to_le_bytes());
                hash.update(item.doc_hash.as_bytes());
                (hash.finalize().to_vec(), index)
            })
            .collect();
        order.sort();
        order.into_iter().map(|(_, index)| index).collect()
    }

    /// Whether scores of a random part of the items decide about the model.
    #[must_use]
    pub fn is_decided(&self, scores: &[MetricScore]) -> bool {
        let Some(score) = scores.iter().find(|s| s.in_task && !s.graded) else {
            return false;
        };
        let Some(chance) = score.chance.filter(|c| (0.0..1.0).contains(c)) else {
            return false;
        };
        let k = (score.value * score.n as f64).round();
        let counted = (score.value * score.n as f64 - k).abs() < 1e-6 * score.n as f64;
        if !score.higher_is_better || score.ceiling != Some(1.0) || !counted || k < 0.0 {
            return false;
        }
        let p0 = chance + self.near_margin * (1.0 - chance);
        let k = (k as u64).min(score.n);
        decide(k, score.n, p0, self.alpha) != SequentialDecision::Continue
    }
}

/// [`run`](crate::run) batch by batch, until the rule decides or no item is left.
///
/// Where no 0/1 metric with known chance is among the scores, every item is asked.
#[expect(
    clippy::too_many_arguments,
    reason = "the arguments of `run`, and the rule"
)]
pub(crate) fn run_until(
    rule: &StopRule,
    model: &dyn LanguageModel,
    task: &Task,
    plan: &CellPlan,
    options: &EvalOptions,
    finished: &BTreeMap<u64, ItemResponse>,
    record: &mut dyn FnMut(u64, &ItemResponse) -> Result<(), String>,
    progress: &mut dyn FnMut(Progress) -> Flow,
) -> Result<CellResult, EvalError> {
    let order = rule.order(plan);
    let total = plan.items.len();
    // Standard errors by bootstrap are for the end alone.
    let quick = EvalOptions {
        bootstrap_iterations: 0,
        ..options.clone()
    };
    let mut known = finished.clone();
    let mut work = Work::default();
    let mut n = 0;
    loop {
        n = (n + rule.batch.max(1)).min(total);
        let part = plan.part(&order[..n]);
        let mut fresh: Vec<(u64, ItemResponse)> = Vec::new();
        let result = run_all(
            model,
            task,
            &part,
            &quick,
            &known,
            &mut |item, response| {
                record(item, response)?;
                fresh.push((item, response.clone()));
                Ok(())
            },
            &mut |now| {
                progress(Progress {
                    done: now.done,
                    total: total as u64,
                })
            },
        )?;
        known.extend(fresh);
        work.add(&result.work);
        if n < total && !rule.is_decided(&result.scores) {
            continue;
        }
        let resumed = |item: &&upturn_tasks::Item| finished.contains_key(&item.doc_id);
        let n_resumed = part.items.iter().filter(resumed).count() as u64;
        let last = run_all(
            model,
            task,
            &part,
            options,
            &known,
            &mut |_, _| Ok(()),
            &mut |_| Flow::Continue(()),
        )?;
        return Ok(CellResult {
            work,
            n_resumed,
            ..last
        });
    }
}
