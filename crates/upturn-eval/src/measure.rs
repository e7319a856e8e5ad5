//! Scores to measurements: the rows of the table in the middle.

use upturn_tasks::Task;
use upturn_types::{Known, Measurement, Text, flag};

use crate::cell::{EvalOptions, MetricScore};

/// Who was measured, and how large it is.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelIdentity {
    /// Family.
    pub family: Text,
    /// Name.
    pub model: Text,
    /// Training step of the checkpoint.
    pub checkpoint_step: Option<u64>,
    /// Post-training, when not a base model.
    pub tuning: Option<Text>,
    /// Parameters N.
    pub params: Option<f64>,
    /// Training tokens D.
    pub tokens: Option<f64>,
    /// Training compute C, where it is stated; else 6ND is derived.
    pub flops: Option<f64>,
    /// Pre-training loss, nats per token.
    pub train_loss_nats: Option<f64>,
    /// Seed of its training, where several models differ in it alone.
    pub seed: Option<u64>,
}

/// What the method is called in measurements: the chat template and a system
/// instruction are another way of prompting, not another point of the same curve.
fn method(task: &Task, options: &EvalOptions) -> String {
    let mut method = task.config.method().to_owned();
    if options.chat {
        method.push_str(if options.fewshot_as_multiturn {
            "_chat_multiturn"
        } else {
            "_chat"
        });
    }
    if options.system_instruction.is_some() {
        method.push_str("_system");
    }
    method
}

/// The chance of a row: unknown where a guess cannot be told from the best score, as when every
/// item has one option.
#[must_use]
pub fn chance_of(score: &MetricScore) -> Option<f64> {
    let is_best =
        |chance: f64| score.higher_is_better && score.ceiling.is_some_and(|c| chance >= c);
    score.chance.filter(|c| !is_best(*c))
}

/// The rows of one cell.
#[must_use]
pub fn measurements(
    identity: &ModelIdentity,
    task: &Task,
    options: &EvalOptions,
    scores: &[MetricScore],
) -> Vec<Measurement> {
    let mut rows: Vec<Measurement> = scores
        .iter()
        .map(|score| {
            let mut row = Measurement::new(
                &identity.family,
                &identity.model,
                task.config.ability(),
                &score.metric,
                score.value,
            );
            row.checkpoint_step = identity.checkpoint_step;
            row.tuning = identity.tuning.clone();
            row.params = identity.params;
            row.tokens = identity.tokens;
            row.flops = identity.flops;
            row.flops_kind = identity.flops.map(|_| Known::Reported);
            row.derive_flops();
            row.train_loss_nats = identity.train_loss_nats;
            row.split = Some(task.split().into());
            row.method = method(task, options).into();
            row.shots = Some(task.num_fewshot as u32);
            row.filter = (score.filter != "none").then(|| score.filter.as_str().into());
            row.higher_is_better = Some(score.higher_is_better);
            row.stderr = score.stderr;
            row.n = Some(score.n);
            row.n_kind = Some(Known::Reported);
            row.chance = chance_of(score);
            row.chance_kind = row.chance.map(|_| Known::Derived);
            if row.chance.is_none() && score.chance.is_some() {
                row.note = Some("chance is not below the best score".into());
            }
            if row.chance.is_some() && row.chance == task.config.stated_chance() {
                let is_best = task.config.is_chance_of_best_guess();
                row.flags.extend(is_best.then(|| flag::BEST_GUESS.into()));
            }
            if let (None, Some(baseline)) = (&row.note, task.config.baseline()) {
                row.note = Some(format!("baseline: {baseline}").into());
            }
            row.ceiling = score.ceiling;
            row.seed = Some(identity.seed.unwrap_or(options.seed));
            row.source = "upturn eval".into();
            row
        })
        .collect();
    rows.extend(normalized(task, &rows));
    rows
}

/// Metric of BIG-bench's normalised preferred score.
const NORMALIZED: &str = "normalized_preferred_score";

/// The row of a BIG-bench task's preferred score between a guess (0) and the best (100).
fn normalized(task: &Task, rows: &[Measurement]) -> Option<Measurement> {
    let preferred = task.config.preferred_score()?;
    let raw = rows.iter().find(|row| &*row.metric == preferred.metric)?;
    let mut row = raw.clone();
    row.metric = NORMALIZED.into();
    row.value = preferred.normalized(raw.value);
    row.stderr = raw.stderr.map(|e| e * preferred.scale().abs());
    row.higher_is_better = Some(true);
    row.chance = Some(0.0);
    row.chance_kind = Some(Known::Derived);
    row.ceiling = Some(100.0);
    row.note = None;
    Some(row)
}
