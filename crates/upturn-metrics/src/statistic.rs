//! A statistic of a sample of the items, from what little of each item it needs.
//!
//! Scores and bootstrap replicates both come from here, so that a replicate costs a look-up
//! and a few additions per draw.

use crate::calibration::Calibration;
use crate::corpus::{CorpusStats, CorpusTotals};
use crate::labels::{LabelCounts, Labels};
use crate::{Aggregation, ItemValue, MetricError};

/// A prepared statistic.
pub(crate) enum Statistic {
    /// exp(−mean).
    Perplexity(Vec<f64>),
    /// Mean of the values that are not NaN.
    NanMean(Vec<f64>),
    /// Sorted values, and the place of each item among them.
    Median { sorted: Vec<f64>, places: Vec<u32> },
    /// F1 of the label 1.
    F1(Labels),
    /// Matthews correlation.
    Matthews(Labels),
    /// Expected calibration error.
    Calibration(Calibration),
    /// BLEU, chrF or TER.
    Corpus(CorpusStats),
}

/// Memory that replicates share.
#[derive(Default)]
pub(crate) struct Scratch {
    counts: Vec<u32>,
    labels: LabelCounts,
    totals: CorpusTotals,
}

impl Statistic {
    /// # Errors
    /// When the aggregation is none of these, or is not defined on the items.
    pub(crate) fn new(aggregation: Aggregation, items: &[ItemValue]) -> Result<Self, MetricError> {
        if let Some(metric) = aggregation.corpus_metric() {
            return CorpusStats::new(aggregation, metric, items).map(Statistic::Corpus);
        }
        Ok(match aggregation {
            Aggregation::Perplexity => Statistic::Perplexity(aggregation.numbers(items)?),
            Aggregation::NanMean => Statistic::NanMean(aggregation.numbers(items)?),
            Aggregation::Median => {
                let values = aggregation.numbers(items)?;
                let mut order: Vec<usize> = (0..values.len()).collect();
                order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
                let mut places = vec![0; values.len()];
                for (place, item) in order.iter().enumerate() {
                    places[*item] = place as u32;
                }
                let sorted = order.iter().map(|i| values[*i]).collect();
                Statistic::Median { sorted, places }
            }
            Aggregation::F1 => Statistic::F1(Labels::new(aggregation, items)?),
            Aggregation::MatthewsCorrcoef => Statistic::Matthews(Labels::new(aggregation, items)?),
            Aggregation::CalibrationError | Aggregation::AdaptiveCalibrationError => {
                Statistic::Calibration(Calibration::new(aggregation, items)?)
            }
            _ => return Err(aggregation.error("has no bootstrap")),
        })
    }

    /// Number of items.
    pub(crate) fn len(&self) -> usize {
        match self {
            Statistic::Perplexity(values) | Statistic::NanMean(values) => values.len(),
            Statistic::Median { sorted, .. } => sorted.len(),
            Statistic::F1(labels) | Statistic::Matthews(labels) => labels.len(),
            Statistic::Calibration(items) => items.len(),
            Statistic::Corpus(stats) => stats.len(),
        }
    }

    /// The statistic of all items.
    pub(crate) fn of_all(&self) -> f64 {
        let mut next = 0;
        self.of_draws(&mut Scratch::default(), || {
            next += 1;
            next - 1
        })
    }

    /// The statistic of as many draws as there are items; `draw` gives an item's index.
    pub(crate) fn of_draws(&self, scratch: &mut Scratch, mut draw: impl FnMut() -> usize) -> f64 {
        let n = self.len();
        match self {
            Statistic::Perplexity(values) => {
                let mut total = 0.0;
                for _ in 0..n {
                    total += values[draw()];
                }
                (-(total / n as f64)).exp()
            }
            Statistic::NanMean(values) => {
                let (mut total, mut count) = (0.0, 0u64);
                for _ in 0..n {
                    let value = values[draw()];
                    if !value.is_nan() {
                        total += value;
                        count += 1;
                    }
                }
                total / count as f64
            }
            Statistic::Median { sorted, places } => {
                let counts = &mut scratch.counts;
                counts.clear();
                counts.resize(n, 0);
                for _ in 0..n {
                    counts[places[draw()] as usize] += 1;
                }
                let mut seen = 0;
                let place = counts
                    .iter()
                    .position(|count| {
                        seen += *count as usize;
                        seen > n / 2
                    })
                    .unwrap_or(0);
                sorted[place]
            }
            Statistic::F1(labels) => labels.f1(draw),
            Statistic::Matthews(labels) => labels.matthews(&mut scratch.labels, draw),
            Statistic::Calibration(items) => items.of_draws(&mut scratch.counts, draw),
            Statistic::Corpus(stats) => stats.of_draws(&mut scratch.totals, draw),
        }
    }
}
