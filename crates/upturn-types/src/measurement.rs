//! A measurement: one score of one model on one task, with all that is known about it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Scale;

/// Shared immutable text. A table of measurements repeats its names thousands of
/// times; readers intern them, so that a copy costs a reference count.
pub type Text = Arc<str>;

/// How a number came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Known {
    /// Printed by the source.
    Reported,
    /// Computed from reported numbers (C = 6ND, tokens from a step).
    Derived,
    /// Inferred from the precision of reported numbers (n from a standard error or a lattice).
    Recovered,
    /// Taken from a catalogue or convention, not from the source.
    Assumed,
}

impl Known {
    /// The word used in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Known::Reported => "reported",
            Known::Derived => "derived",
            Known::Recovered => "recovered",
            Known::Assumed => "assumed",
        }
    }

    /// The kind that `name` spells, if any.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [
            Known::Reported,
            Known::Derived,
            Known::Recovered,
            Known::Assumed,
        ]
        .into_iter()
        .find(|k| k.name() == name)
    }
}

/// Flags that a measurement can carry: facts about the row or its model which the
/// analysis must respect. They are plain words, so that a file may carry one that
/// this version does not know.
pub mod flag {
    /// Not a model: a human, random or state-of-the-art reference. Never on a curve.
    pub const REFERENCE: &str = "reference";
    /// A composite or mixed metric or setting: shown, never judged.
    pub const COMPOSITE: &str = "composite";
    /// An average over parts that are also present: judged, not counted twice.
    pub const AGGREGATE: &str = "aggregate";
    /// A member trained unlike its family (for example much longer): left out by default.
    pub const OFF_LADDER: &str = "off_ladder";
    /// A mixture of experts: its active and total parameters differ.
    pub const MOE: &str = "moe";
    /// Trained mainly on code.
    pub const CODE: &str = "code";
    /// Instruction-tuned or otherwise post-trained.
    pub const INSTRUCT: &str = "instruct";
    /// Distilled from a larger model.
    pub const DISTILLED: &str = "distilled";
    /// Scale that cannot be right as printed (for example 200,000 tokens per parameter).
    pub const IMPLAUSIBLE_SCALE: &str = "implausible_scale";
    /// A score that its source marks as an answer-format or parsing failure.
    pub const PARSE_FAILURE: &str = "parse_failure";
    /// The stated chance is what the best guess scores that lacks the ability (always the same
    /// answer, a rearrangement); a model may score less, and that is no sign of a failure.
    pub const BEST_GUESS: &str = "best_guess";
    /// A doubt that the source or its transcriber recorded; the text is in `note`.
    pub const DOUBT: &str = "doubt";
    /// A score of fewer items than there are, because it was decided before (`--stop-when`).
    pub const STOPPED: &str = "stopped";
    /// The number of shots is stated only for the largest size of the family.
    pub const SHOTS_AT_LARGEST: &str = "shots_at_largest";
}

/// One score: a row of the table in the middle of Upturn.
///
/// Field order is the column order on disk. Texts are never empty: absent is `None`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Family of models trained alike at different scale (`Pythia`, `GPT-3`).
    pub family: Text,
    /// The model as its catalogue or source names it (`EleutherAI/pythia-1.4b-deduped`).
    pub model: Text,
    /// Training step of the checkpoint; `None` for a finished or only model.
    pub checkpoint_step: Option<u64>,
    /// Post-training, when not a base model (`instruction-tuned`, `8 clusters`).
    pub tuning: Option<Text>,
    /// Parameters N (count; active ones for mixtures of experts).
    pub params: Option<f64>,
    /// Training tokens D (count).
    pub tokens: Option<f64>,
    /// Training compute C (FLOPs).
    pub flops: Option<f64>,
    /// How `flops` is known: reported, or derived as 6ND.
    pub flops_kind: Option<Known>,
    /// Pre-training loss, nats per token.
    pub train_loss_nats: Option<f64>,
    /// Task, by the name its harness or paper uses.
    pub task: Text,
    /// Part of the task (an MMLU topic), where the harness separates it.
    pub subset: Option<Text>,
    /// Split evaluated (`test`, `dev`, `test-server`).
    pub split: Option<Text>,
    /// Prompting or training method (`direct`, `cot`, `self_consistency`, `finetune_scratchpad`).
    pub method: Text,
    /// Examples in the prompt; `None` when the source does not say.
    pub shots: Option<u32>,
    /// The setting in the source's own words.
    pub setting: Option<Text>,
    /// Answer filter (`strict-match`, `flexible-extract`).
    pub filter: Option<Text>,
    /// Metric, canonical name (`acc`, `exact_match`, `bleu`).
    pub metric: Text,
    /// Whether larger is better; `None` when unknown.
    pub higher_is_better: Option<bool>,
    /// The score. Fractions for metrics in \[0, 1\]; raw for unbounded ones (perplexity).
    pub value: f64,
    /// Standard error of `value`, in its unit.
    pub stderr: Option<f64>,
    /// Number of test items behind `value`.
    pub n: Option<u64>,
    /// How `n` is known.
    pub n_kind: Option<Known>,
    /// Score of a responder without the ability (1/options, 0 for free answers).
    pub chance: Option<f64>,
    /// How `chance` is known.
    pub chance_kind: Option<Known>,
    /// Best attainable score; `None` means 1 for metrics in \[0, 1\] and unknown otherwise.
    pub ceiling: Option<f64>,
    /// Seed of the training or evaluation run.
    pub seed: Option<u64>,
    /// Facts the analysis must respect; see [`flag`]. Sorted, without repeats.
    pub flags: Vec<Text>,
    /// Where the number comes from: a citation, or the name of the data set read.
    pub source: Text,
    /// Doubts and remarks of the source.
    pub note: Option<Text>,
    /// File and row it was read from; for messages only, never written.
    #[serde(skip)]
    pub origin: Option<Text>,
}

impl Measurement {
    /// A measurement with only its identity and value set; everything else unknown.
    #[must_use]
    pub fn new(family: &str, model: &str, task: &str, metric: &str, value: f64) -> Self {
        Measurement {
            family: family.into(),
            model: model.into(),
            checkpoint_step: None,
            tuning: None,
            params: None,
            tokens: None,
            flops: None,
            flops_kind: None,
            train_loss_nats: None,
            task: task.into(),
            subset: None,
            split: None,
            method: "direct".into(),
            shots: None,
            setting: None,
            filter: None,
            metric: metric.into(),
            higher_is_better: None,
            value,
            stderr: None,
            n: None,
            n_kind: None,
            chance: None,
            chance_kind: None,
            ceiling: None,
            seed: None,
            flags: Vec::new(),
            source: "unknown".into(),
            note: None,
            origin: None,
        }
    }

    /// The model's scale.
    #[must_use]
    pub fn scale(&self) -> Scale {
        Scale {
            params: self.params,
            tokens: self.tokens,
            flops: self.flops,
            train_loss_nats: self.train_loss_nats,
        }
    }

    /// Whether the row carries `flag`.
    #[must_use]
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|f| &**f == flag)
    }

    /// Adds `flag`, keeping the list sorted and without repeats.
    pub fn add_flag(&mut self, flag: &str) {
        if let Err(at) = self.flags.binary_search_by(|f| (**f).cmp(flag)) {
            self.flags.insert(at, flag.into());
        }
    }

    /// Sets FLOPs to 6ND, marked as derived, where they are unknown and N and D are known.
    pub fn derive_flops(&mut self) {
        if self.flops.is_none() {
            self.flops = self.scale().six_nd();
            self.flops_kind = self.flops.map(|_| Known::Derived);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_stay_sorted_and_unique() {
        let mut m = Measurement::new("f", "m", "t", "acc", 0.5);
        for f in [flag::MOE, flag::CODE, flag::MOE] {
            m.add_flag(f);
        }
        assert_eq!(
            m.flags.iter().map(|f| &**f).collect::<Vec<_>>(),
            ["code", "moe"]
        );
        assert!(m.has(flag::CODE) && !m.has(flag::REFERENCE));
    }

    #[test]
    fn compute_is_derived_only_where_unknown() {
        let mut m = Measurement::new("f", "m", "t", "acc", 0.5);
        m.derive_flops();
        assert_eq!(m.flops, None);
        (m.params, m.tokens) = (Some(1e9), Some(2e10));
        m.derive_flops();
        assert_eq!(
            (m.flops, m.flops_kind),
            (Some(1.2e20), Some(Known::Derived))
        );
        (m.flops, m.flops_kind) = (Some(5.0), Some(Known::Reported));
        m.derive_flops();
        assert_eq!((m.flops, m.flops_kind), (Some(5.0), Some(Known::Reported)));
    }
}
