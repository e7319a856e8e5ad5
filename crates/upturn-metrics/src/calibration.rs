//! Expected calibration error: how far a model's sureness is from how often it is right.
//!
//! Items are put in bins by their confidence; the error is Σ over bins of
//! (items in the bin / all items) · |share right − mean confidence|. Bins of equal width are
//! those of Guo et al. 2017, of equally many items those of Nguyen and O'Connor 2015. Both are
//! biased upwards: a bin of few items is off by chance.

use crate::{Aggregation, ItemValue, MetricError};

/// Number of bins of the metrics `ece` and `ece_adaptive`.
pub const N_BINS: usize = 10;

/// The error over `n_bins` bins, from 0 to 1, of confidences (0 to 1) and whether each was
/// right. With `adaptive` the bins hold equally many items (the first ones one more where it
/// does not come out even; of equal confidences the wrong ones come first), else they are the
/// intervals (0, 1/n], (1/n, 2/n], …, where 0 is in the first. NaN for no items.
#[must_use]
pub fn calibration_error(items: &[(f64, bool)], n_bins: usize, adaptive: bool) -> f64 {
    let all = Calibration::of(items, n_bins.max(1), adaptive);
    let mut next = 0;
    all.of_draws(&mut Vec::new(), || {
        next += 1;
        next - 1
    })
}

/// Items prepared for draws.
#[derive(Debug, Clone)]
pub(crate) struct Calibration {
    /// Right (1 or 0) less confidence, sorted by confidence.
    gaps: Vec<f64>,
    /// Place of each item in `gaps`.
    places: Vec<u32>,
    /// Bin of each place; empty where bins hold equally many.
    bins: Vec<u32>,
    n_bins: usize,
}

impl Calibration {
    /// # Errors
    /// When items are not confidences.
    pub(crate) fn new(aggregation: Aggregation, items: &[ItemValue]) -> Result<Self, MetricError> {
        let pairs: Result<Vec<(f64, bool)>, MetricError> = items
            .iter()
            .enumerate()
            .map(|(i, item)| match item {
                ItemValue::Confidence {
                    confidence,
                    correct,
                } => Ok((*confidence, *correct)),
                other => Err(aggregation.wrong_kind(i, other, "a confidence")),
            })
            .collect();
        let adaptive = aggregation == Aggregation::AdaptiveCalibrationError;
        Ok(Self::of(&pairs?, N_BINS, adaptive))
    }

    fn of(items: &[(f64, bool)], n_bins: usize, adaptive: bool) -> Self {
        let mut order: Vec<usize> = (0..items.len()).collect();
        order.sort_by(|a, b| {
            let (a, b) = (items[*a], items[*b]);
            a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))
        });
        let mut places = vec![0; items.len()];
        for (place, item) in order.iter().enumerate() {
            places[*item] = place as u32;
        }
        let bin = |confidence: f64| {
            let above = (confidence * n_bins as f64).ceil() - 1.0;
            above.clamp(0.0, n_bins as f64 - 1.0) as u32
        };
        Calibration {
            gaps: order
                .iter()
                .map(|i| f64::from(u8::from(items[*i].1)) - items[*i].0)
                .collect(),
            bins: match adaptive {
                true => Vec::new(),
                false => order.iter().map(|i| bin(items[*i].0)).collect(),
            },
            places,
            n_bins,
        }
    }

    /// Number of items.
    pub(crate) fn len(&self) -> usize {
        self.gaps.len()
    }

    /// The error of as many draws as there are items.
    pub(crate) fn of_draws(&self, counts: &mut Vec<u32>, mut draw: impl FnMut() -> usize) -> f64 {
        let n = self.len();
        counts.clear();
        counts.resize(n, 0);
        for _ in 0..n {
            counts[self.places[draw()] as usize] += 1;
        }
        let mut sums = vec![0.0; self.n_bins];
        if self.bins.is_empty() {
            let size = |bin: usize| n / self.n_bins + usize::from(bin < n % self.n_bins);
            let (mut bin, mut room) = (0, size(0));
            for (gap, count) in self.gaps.iter().zip(counts.iter()) {
                let mut left = *count as usize;
                while left > 0 {
                    while room == 0 {
                        bin += 1;
                        room = size(bin);
                    }
                    let taken = left.min(room);
                    sums[bin] += gap * taken as f64;
                    left -= taken;
                    room -= taken;
                }
            }
        } else {
            for ((gap, count), bin) in self.gaps.iter().zip(counts.iter()).zip(&self.bins) {
                sums[*bin as usize] += gap * f64::from(*count);
            }
        }
        let total: f64 = sums.iter().map(|s: &f64| s.abs()).sum();
        total / n as f64
    }
}
