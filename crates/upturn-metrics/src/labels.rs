//! F1 and Matthews correlation of labels, as scikit-learn computes them.

use std::collections::BTreeMap;

use crate::{Aggregation, ItemValue, MetricError};

/// Right and given labels of all items, as classes 0..n.
#[derive(Debug, Clone)]
pub(crate) struct Labels {
    /// Class of the right label and of the given one, per item.
    pairs: Vec<(u32, u32)>,
    /// Number of classes.
    n_classes: usize,
    /// Class of the label 1, if it occurs.
    positive: Option<u32>,
}

/// Counts of a sample, kept between samples to save memory traffic.
#[derive(Debug, Default)]
pub(crate) struct LabelCounts {
    gold: Vec<u32>,
    predicted: Vec<u32>,
}

impl Labels {
    /// # Errors
    /// When items are not labels, or F1 meets labels it is not defined on: more than two, or
    /// two that are not 1 and another.
    pub(crate) fn new(aggregation: Aggregation, items: &[ItemValue]) -> Result<Self, MetricError> {
        let mut labels = Vec::with_capacity(items.len());
        for (i, item) in items.iter().enumerate() {
            let ItemValue::Labels { gold, predicted } = item else {
                return Err(aggregation.wrong_kind(i, item, "a pair of labels"));
            };
            labels.push((*gold, *predicted));
        }
        let mut classes: BTreeMap<i64, u32> = BTreeMap::new();
        for (gold, predicted) in &labels {
            for label in [gold, predicted] {
                let next = classes.len() as u32;
                classes.entry(*label).or_insert(next);
            }
        }
        let positive = classes.get(&1).copied();
        if aggregation == Aggregation::F1 {
            if classes.len() > 2 {
                return Err(aggregation.error(format!(
                    "is defined on two labels, got {}; use mcc or acc",
                    classes.len()
                )));
            }
            if classes.len() == 2 && positive.is_none() {
                return Err(aggregation.error("neither label is 1, the one it is defined for"));
            }
        }
        Ok(Labels {
            pairs: labels
                .iter()
                .map(|(gold, predicted)| (classes[gold], classes[predicted]))
                .collect(),
            n_classes: classes.len(),
            positive,
        })
    }

    /// Number of items.
    pub(crate) fn len(&self) -> usize {
        self.pairs.len()
    }

    /// 2·TP / (TP + FN + TP + FP) of the label 1; 0 where it never occurs.
    pub(crate) fn f1(&self, draw: impl FnMut() -> usize) -> f64 {
        let Some(positive) = self.positive else {
            return 0.0;
        };
        let (mut both, mut either) = (0u64, 0u64);
        let mut draw = draw;
        for _ in 0..self.pairs.len() {
            let (gold, predicted) = self.pairs[draw()];
            let (g, p) = (gold == positive, predicted == positive);
            both += u64::from(g && p);
            either += u64::from(g) + u64::from(p);
        }
        if either == 0 {
            return 0.0;
        }
        (2 * both) as f64 / either as f64
    }

    /// Covariance of right and given labels over the product of their deviations (Gorodkin
    /// 2004); 0 where either has only one label.
    pub(crate) fn matthews(
        &self,
        counts: &mut LabelCounts,
        mut draw: impl FnMut() -> usize,
    ) -> f64 {
        for row in [&mut counts.gold, &mut counts.predicted] {
            row.clear();
            row.resize(self.n_classes, 0);
        }
        let mut correct = 0u64;
        for _ in 0..self.pairs.len() {
            let (gold, predicted) = self.pairs[draw()];
            counts.gold[gold as usize] += 1;
            counts.predicted[predicted as usize] += 1;
            correct += u64::from(gold == predicted);
        }
        let n = self.pairs.len() as f64;
        let dot = |a: &[u32], b: &[u32]| -> f64 {
            a.iter()
                .zip(b)
                .map(|(a, b)| f64::from(*a) * f64::from(*b))
                .sum()
        };
        let both = correct as f64 * n - dot(&counts.gold, &counts.predicted);
        let predicted = n * n - dot(&counts.predicted, &counts.predicted);
        let gold = n * n - dot(&counts.gold, &counts.gold);
        if predicted * gold == 0.0 {
            return 0.0;
        }
        both / (predicted * gold).sqrt()
    }
}
