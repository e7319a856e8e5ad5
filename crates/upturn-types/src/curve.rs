//! A curve: one task measured one way on one family, over scale and training.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Known, Scale, Text};

/// What makes two measurements belong to the same curve.
///
/// Shots, split and tuning are part of the key: GPT-3's three-digit addition ends
/// at 3.1e23 FLOPs zero-shot and 2.3e22 few-shot, and a chat model is not a larger
/// base model. Two rows of one model under one key (and seed) are duplicates.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CurveKey {
    /// Family of models.
    pub family: Text,
    /// Post-training shared by the members, when not base models.
    pub tuning: Option<Text>,
    /// Task.
    pub task: Text,
    /// Part of the task.
    pub subset: Option<Text>,
    /// Split evaluated.
    pub split: Option<Text>,
    /// Prompting or training method.
    pub method: Text,
    /// Examples in the prompt; `None` when unstated.
    pub shots: Option<u32>,
    /// Answer filter.
    pub filter: Option<Text>,
    /// Metric.
    pub metric: Text,
    /// Source.
    pub source: Text,
}

/// A short, stable name of a curve: 12 hexadecimal digits of a hash of its key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CurveId(pub String);

impl fmt::Display for CurveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl CurveKey {
    /// The curve's id. Stable across platforms and releases (64-bit FNV-1a over the
    /// fields in order, separated by a byte that no field contains).
    #[must_use]
    pub fn id(&self) -> CurveId {
        const PRIME: u64 = 0x0000_0100_0000_01b3;
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        let mut eat = |bytes: &[u8]| {
            for &b in bytes {
                hash = (hash ^ u64::from(b)).wrapping_mul(PRIME);
            }
            hash = (hash ^ 0xff).wrapping_mul(PRIME);
        };
        let none: Text = "\u{0}".into();
        let shots = self
            .shots
            .map_or_else(|| none.to_string(), |s| s.to_string());
        for field in [
            &*self.family,
            self.tuning.as_ref().unwrap_or(&none),
            &*self.task,
            self.subset.as_ref().unwrap_or(&none),
            self.split.as_ref().unwrap_or(&none),
            &*self.method,
            &shots,
            self.filter.as_ref().unwrap_or(&none),
            &*self.metric,
            &*self.source,
        ] {
            eat(field.as_bytes());
        }
        CurveId(format!("{:012x}", hash >> 16))
    }

    /// The task with its subset, as shown: `mmlu/anatomy`.
    #[must_use]
    pub fn task_name(&self) -> String {
        match &self.subset {
            Some(subset) => format!("{}/{subset}", self.task),
            None => self.task.to_string(),
        }
    }

    /// Method and shots, as shown: `direct 5-shot`, `cot`, `direct 0-shot`.
    #[must_use]
    pub fn setting_name(&self) -> String {
        match self.shots {
            Some(shots) => format!("{} {shots}-shot", self.method),
            None => self.method.to_string(),
        }
    }
}

impl fmt::Display for CurveKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.family)?;
        if let Some(tuning) = &self.tuning {
            write!(f, " ({tuning})")?;
        }
        write!(
            f,
            " / {} / {} / {}",
            self.task_name(),
            self.setting_name(),
            self.metric
        )?;
        for extra in [&self.filter, &self.split].into_iter().flatten() {
            write!(f, " / {extra}")?;
        }
        Ok(())
    }
}

/// One model or checkpoint on a curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Model name.
    pub model: Text,
    /// Training step of the checkpoint, if it is one.
    pub checkpoint_step: Option<u64>,
    /// Its scale.
    pub scale: Scale,
    /// How its FLOPs are known.
    pub flops_kind: Option<Known>,
    /// The score as reported.
    pub value: f64,
    /// The score turned so that larger is better (`value`, or 1 − `value`).
    pub score: f64,
    /// Standard error of the score.
    pub stderr: Option<f64>,
    /// Items behind the score.
    pub n: Option<u64>,
    /// How `n` is known.
    pub n_kind: Option<Known>,
    /// Seeds averaged (1 for a single run).
    pub n_seeds: u32,
    /// Flags of its measurement.
    pub flags: Vec<Text>,
    /// Doubts and remarks of the source.
    pub note: Option<Text>,
    /// Why the point is left out of verdicts, if it is (`off_ladder`, `scale unknown`).
    pub left_out: Option<Text>,
}

/// A curve with its points, sorted by parameters, then step, then model name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// Stable short name.
    pub id: CurveId,
    /// Key.
    pub key: CurveKey,
    /// Chance floor of the turned score.
    pub chance: Option<f64>,
    /// How chance is known.
    pub chance_kind: Option<Known>,
    /// Ceiling of the turned score, when the metric is bounded.
    pub ceiling: Option<f64>,
    /// Whether the score was turned (1 − value) because lower is better.
    pub flipped: bool,
    /// Whether the score is a mean of 0/1 outcomes, so that exact binomial tests apply.
    pub binomial: bool,
    /// Whether the curve is an average over parts that are also present.
    pub aggregate: bool,
    /// Why no verdict may be given at all (`composite metric`), if so.
    pub not_judged: Option<Text>,
    /// Points.
    pub points: Vec<CurvePoint>,
}

/// The direction in which a curve is read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "model")]
pub enum View {
    /// Across the finished models of a family.
    Across,
    /// Along the training of one model.
    Training(Text),
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            View::Across => f.write_str("across models"),
            View::Training(model) => write!(f, "training of {model}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> CurveKey {
        CurveKey {
            family: "GPT-3".into(),
            tuning: None,
            task: "3D+".into(),
            subset: None,
            split: None,
            method: "direct".into(),
            shots: Some(50),
            filter: None,
            metric: "acc".into(),
            source: "Brown et al. 2020".into(),
        }
    }

    #[test]
    fn ids_are_pinned_and_tell_null_from_text() {
        // On disk for ever: a change of this value breaks every stored link.
        assert_eq!(key().id().0, "bd1ca99910cc");
        let zero_shot = CurveKey {
            shots: Some(0),
            ..key()
        };
        let unstated = CurveKey {
            shots: None,
            ..key()
        };
        let shifted = CurveKey {
            task: "3D".into(),
            subset: Some("+".into()),
            ..key()
        };
        let ids = [key().id(), zero_shot.id(), unstated.id(), shifted.id()];
        for (i, a) in ids.iter().enumerate() {
            assert!(ids[i + 1..].iter().all(|b| a != b));
        }
    }
}
