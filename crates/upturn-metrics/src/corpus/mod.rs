//! Metrics of a whole corpus of texts, from statistics of its segments that add up.

mod bleu;
mod chrf;
mod ngrams;
mod shift;
mod ter;

use rayon::prelude::*;

pub use bleu::tokenize_13a;
pub use ter::tokenize_ter;

use crate::{Aggregation, ItemValue, MetricError};

/// A corpus metric with sacreBLEU's default settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CorpusMetric {
    /// BLEU: 13a tokens, n-grams up to 4, exponential smoothing.
    Bleu,
    /// chrF2: character n-grams up to 6, no words, β = 2.
    Chrf,
    /// chrF2++: chrF2 with word n-grams up to 2.
    ChrfPlusPlus,
    /// TER: lower-cased words.
    Ter,
}

impl CorpusMetric {
    /// Statistics of a segment, which add up over the corpus.
    fn segment(self, prediction: &str, references: &[String]) -> Vec<f64> {
        match self {
            CorpusMetric::Bleu => bleu::segment(prediction, references),
            CorpusMetric::Chrf => chrf::segment(prediction, references, 0),
            CorpusMetric::ChrfPlusPlus => chrf::segment(prediction, references, 2),
            CorpusMetric::Ter => ter::segment(prediction, references),
        }
    }

    /// The score of summed statistics.
    fn score(self, totals: &[f64]) -> f64 {
        match self {
            CorpusMetric::Bleu => bleu::score(totals),
            CorpusMetric::Chrf | CorpusMetric::ChrfPlusPlus => chrf::score(totals),
            CorpusMetric::Ter => ter::score(totals),
        }
    }
}

/// The score of predictions, each with at least one reference, from 0 to 100 (TER may be
/// above). Segments with more references than another lose the rest, as in
/// lm-evaluation-harness. `None` for no segments or one without a reference.
#[must_use]
pub fn corpus_score(metric: CorpusMetric, segments: &[(&str, &[String])]) -> Option<f64> {
    let stats = CorpusStats::from_segments(metric, segments)?;
    let mut next = 0;
    Some(stats.of_draws(&mut CorpusTotals::default(), || {
        next += 1;
        next - 1
    }))
}

/// Statistics of every segment of a corpus.
pub(crate) struct CorpusStats {
    metric: CorpusMetric,
    n_segments: usize,
    /// Statistics per segment.
    width: usize,
    /// The numbers of references that occur, ascending.
    levels: Vec<usize>,
    /// Which of the levels each segment has.
    level_of: Vec<u32>,
    /// Per level, segment by segment, the statistics with that many references.
    stats: Vec<Vec<f64>>,
}

/// Memory that samples of a corpus share.
#[derive(Default)]
pub(crate) struct CorpusTotals {
    draws: Vec<usize>,
    totals: Vec<f64>,
}

impl CorpusStats {
    /// # Errors
    /// When items are not texts with references.
    pub(crate) fn new(
        aggregation: Aggregation,
        metric: CorpusMetric,
        items: &[ItemValue],
    ) -> Result<Self, MetricError> {
        let mut segments = Vec::with_capacity(items.len());
        for (i, item) in items.iter().enumerate() {
            let ItemValue::TextPair {
                references,
                prediction,
            } = item
            else {
                return Err(aggregation.wrong_kind(i, item, "references and a text"));
            };
            segments.push((prediction.as_str(), references.as_slice()));
        }
        Self::from_segments(metric, &segments)
            .ok_or_else(|| aggregation.error("an item has no reference"))
    }

    fn from_segments(metric: CorpusMetric, segments: &[(&str, &[String])]) -> Option<Self> {
        let mut levels: Vec<usize> = segments.iter().map(|(_, refs)| refs.len()).collect();
        levels.sort_unstable();
        levels.dedup();
        if *levels.first()? == 0 {
            return None;
        }
        let level_of = segments
            .iter()
            .map(|(_, refs)| levels.partition_point(|n| *n < refs.len()) as u32)
            .collect();
        // A sample uses as many references as its poorest segment has.
        let per_level: Vec<Vec<Vec<f64>>> = levels
            .iter()
            .map(|n| {
                segments
                    .par_iter()
                    .map(|(text, refs)| metric.segment(text, &refs[..refs.len().min(*n)]))
                    .collect()
            })
            .collect();
        Some(CorpusStats {
            metric,
            n_segments: segments.len(),
            width: per_level.first()?.first()?.len(),
            levels,
            level_of,
            stats: per_level.into_iter().map(|rows| rows.concat()).collect(),
        })
    }

    /// Number of segments.
    pub(crate) fn len(&self) -> usize {
        self.n_segments
    }

    /// The score of as many draws as there are segments.
    pub(crate) fn of_draws(
        &self,
        memory: &mut CorpusTotals,
        mut draw: impl FnMut() -> usize,
    ) -> f64 {
        memory.draws.clear();
        memory.draws.extend((0..self.n_segments).map(|_| draw()));
        let level = if self.levels.len() == 1 {
            0
        } else {
            let levels = memory.draws.iter().map(|i| self.level_of[*i]);
            levels.min().unwrap_or(0) as usize
        };
        let stats = &self.stats[level];
        memory.totals.clear();
        memory.totals.resize(self.width, 0.0);
        for i in &memory.draws {
            let row = &stats[i * self.width..(i + 1) * self.width];
            for (total, x) in memory.totals.iter_mut().zip(row) {
                *total += x;
            }
        }
        self.metric.score(&memory.totals)
    }
}
