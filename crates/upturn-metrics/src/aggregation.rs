//! Aggregations: from the values of all items to one score.

use crate::corpus::CorpusMetric;
use crate::numeric::sum;
use crate::statistic::Statistic;
use crate::{ItemValue, MetricError, StderrRule};

/// How the values of the items become a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Aggregation {
    /// Mean.
    Mean,
    /// Mean of the values that are not NaN.
    NanMean,
    /// The value at place ⌊n/2⌋ of the sorted values (the upper of two in the middle).
    Median,
    /// exp(−mean).
    Perplexity,
    /// exp(−Σ numerators / Σ denominators).
    WeightedPerplexity,
    /// −Σ numerators / Σ denominators / ln 2.
    BitsPerByte,
    /// F1 of the label 1.
    F1,
    /// Matthews correlation, of any number of labels.
    MatthewsCorrcoef,
    /// Corpus BLEU.
    Bleu,
    /// Corpus chrF2.
    Chrf,
    /// Corpus chrF2++.
    ChrfPlusPlus,
    /// Corpus TER.
    Ter,
    /// Mean over items of the summed squared errors of the options' probabilities.
    BrierScore,
    /// Expected calibration error, 10 bins of equal width.
    CalibrationError,
    /// Expected calibration error, 10 bins of equally many items.
    AdaptiveCalibrationError,
    /// 999, whatever the items.
    Bypass,
    /// Share of questions of which every answer is right.
    AccAll,
}

impl Aggregation {
    /// All of them.
    pub const ALL: [Aggregation; 17] = [
        Aggregation::Mean,
        Aggregation::NanMean,
        Aggregation::Median,
        Aggregation::Perplexity,
        Aggregation::WeightedPerplexity,
        Aggregation::BitsPerByte,
        Aggregation::F1,
        Aggregation::MatthewsCorrcoef,
        Aggregation::Bleu,
        Aggregation::Chrf,
        Aggregation::ChrfPlusPlus,
        Aggregation::Ter,
        Aggregation::BrierScore,
        Aggregation::CalibrationError,
        Aggregation::AdaptiveCalibrationError,
        Aggregation::Bypass,
        Aggregation::AccAll,
    ];

    /// The word of `aggregation` in a task file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Aggregation::Mean => "mean",
            Aggregation::NanMean => "nanmean",
            Aggregation::Median => "median",
            Aggregation::Perplexity => "perplexity",
            Aggregation::WeightedPerplexity => "weighted_perplexity",
            Aggregation::BitsPerByte => "bits_per_byte",
            Aggregation::F1 => "f1",
            Aggregation::MatthewsCorrcoef => "matthews_corrcoef",
            Aggregation::Bleu => "bleu",
            Aggregation::Chrf => "chrf",
            Aggregation::ChrfPlusPlus => "chrf++",
            Aggregation::Ter => "ter",
            Aggregation::BrierScore => "brier_score",
            Aggregation::CalibrationError => "calibration_error",
            Aggregation::AdaptiveCalibrationError => "adaptive_calibration_error",
            Aggregation::Bypass => "bypass",
            Aggregation::AccAll => "acc_all",
        }
    }

    /// The aggregation that `name` means.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn parse(name: &str) -> Result<Self, MetricError> {
        Self::ALL
            .into_iter()
            .find(|aggregation| aggregation.name() == name)
            .ok_or_else(|| MetricError::UnknownAggregation {
                name: name.to_owned(),
                known: Self::ALL.map(Aggregation::name).join(", "),
            })
    }

    /// How its standard error is found.
    #[must_use]
    pub fn stderr_rule(self) -> StderrRule {
        match self {
            Aggregation::Mean | Aggregation::AccAll => StderrRule::Sample,
            Aggregation::NanMean
            | Aggregation::Median
            | Aggregation::Perplexity
            | Aggregation::F1
            | Aggregation::MatthewsCorrcoef
            | Aggregation::Bleu
            | Aggregation::Chrf
            | Aggregation::ChrfPlusPlus
            | Aggregation::Ter
            | Aggregation::CalibrationError
            | Aggregation::AdaptiveCalibrationError => StderrRule::Bootstrap,
            Aggregation::WeightedPerplexity
            | Aggregation::BitsPerByte
            | Aggregation::BrierScore
            | Aggregation::Bypass => StderrRule::Unavailable,
        }
    }

    /// The corpus metric that it is, if it is one.
    pub(crate) fn corpus_metric(self) -> Option<CorpusMetric> {
        match self {
            Aggregation::Bleu => Some(CorpusMetric::Bleu),
            Aggregation::Chrf => Some(CorpusMetric::Chrf),
            Aggregation::ChrfPlusPlus => Some(CorpusMetric::ChrfPlusPlus),
            Aggregation::Ter => Some(CorpusMetric::Ter),
            _ => None,
        }
    }

    /// An error of this aggregation.
    pub(crate) fn error(self, reason: impl Into<String>) -> MetricError {
        MetricError::Aggregate {
            aggregation: self.name(),
            reason: reason.into(),
        }
    }

    /// The numbers that the items are.
    pub(crate) fn numbers(self, items: &[ItemValue]) -> Result<Vec<f64>, MetricError> {
        items
            .iter()
            .enumerate()
            .map(|(i, item)| {
                item.as_number()
                    .ok_or_else(|| self.wrong_kind(i, item, "a number"))
            })
            .collect()
    }

    /// An error about an item of the wrong kind.
    pub(crate) fn wrong_kind(self, index: usize, item: &ItemValue, wanted: &str) -> MetricError {
        self.error(format!(
            "item {index} is {}, expected {wanted}; give the metric another aggregation",
            item.kind()
        ))
    }
}

/// The score of the items.
///
/// ```
/// use upturn_metrics::{Aggregation, ItemValue, aggregate};
/// let items = [1.0, 0.0, 1.0, 1.0].map(ItemValue::Number);
/// assert_eq!(aggregate(Aggregation::Mean, &items), Ok(0.75));
/// ```
///
/// # Errors
/// When there are no items (but for `bypass` and `nanmean`, which is NaN then), they are of a
/// kind that the aggregation is not defined on, or a sum to divide by is 0.
pub fn aggregate(aggregation: Aggregation, items: &[ItemValue]) -> Result<f64, MetricError> {
    if aggregation == Aggregation::Bypass {
        return Ok(999.0);
    }
    if items.is_empty() {
        return match aggregation {
            Aggregation::NanMean => Ok(f64::NAN),
            _ => Err(aggregation.error("there are no items")),
        };
    }
    match aggregation {
        Aggregation::Mean => {
            let values = aggregation.numbers(items)?;
            Ok(sum(values.iter().copied()) / values.len() as f64)
        }
        Aggregation::WeightedPerplexity => Ok((-weighted_mean(aggregation, items)?).exp()),
        Aggregation::BitsPerByte => {
            Ok(-weighted_mean(aggregation, items)? / std::f64::consts::LN_2)
        }
        Aggregation::BrierScore => brier_score(items),
        Aggregation::AccAll => {
            let questions = questions(items, |paragraph, question| (paragraph, question))?;
            let n = questions.len() as f64;
            Ok(sum(questions) / n)
        }
        _ => Ok(Statistic::new(aggregation, items)?.of_all()),
    }
}

fn weighted_mean(aggregation: Aggregation, items: &[ItemValue]) -> Result<f64, MetricError> {
    let (mut above, mut below) = (0.0, 0.0);
    for (i, item) in items.iter().enumerate() {
        let ItemValue::Weighted {
            numerator,
            denominator,
        } = item
        else {
            return Err(aggregation.wrong_kind(i, item, "a numerator and denominator"));
        };
        above += numerator;
        below += denominator;
    }
    if below == 0.0 {
        return Err(aggregation.error("the texts have no words or bytes to divide by"));
    }
    Ok(above / below)
}

fn brier_score(items: &[ItemValue]) -> Result<f64, MetricError> {
    let aggregation = Aggregation::BrierScore;
    let mut total = 0.0;
    let mut n_options = None;
    for (i, item) in items.iter().enumerate() {
        let ItemValue::Probabilities {
            gold,
            probabilities,
        } = item
        else {
            return Err(aggregation.wrong_kind(i, item, "probabilities of options"));
        };
        let n = probabilities.len();
        if *n_options.get_or_insert(n) != n {
            return Err(aggregation.error(
                "items have different numbers of options; use brier_multiclass, which allows it",
            ));
        }
        let right = if *gold < 0 { gold + n as i64 } else { *gold };
        if !(0..n as i64).contains(&right) {
            return Err(aggregation.error(format!("item {i} has no right option among its {n}")));
        }
        for (k, p) in probabilities.iter().enumerate() {
            let y = f64::from(u8::from(k as i64 == right));
            total += (p - y).powi(2);
        }
    }
    Ok(total / items.len() as f64)
}

/// Per question, 1 where every answer is right and 0 otherwise, in the order first met.
/// `key` says what makes a question.
pub(crate) fn questions<K: PartialEq + Ord>(
    items: &[ItemValue],
    key: impl Fn(i64, i64) -> K,
) -> Result<Vec<f64>, MetricError> {
    let mut order: std::collections::BTreeMap<K, usize> = std::collections::BTreeMap::new();
    let mut all_right = Vec::new();
    for (i, item) in items.iter().enumerate() {
        let ItemValue::Answer {
            paragraph,
            question,
            correct,
        } = item
        else {
            return Err(Aggregation::AccAll.wrong_kind(i, item, "an answer of a question"));
        };
        let at = *order.entry(key(*paragraph, *question)).or_insert_with(|| {
            all_right.push(1.0);
            all_right.len() - 1
        });
        if !correct {
            all_right[at] = 0.0;
        }
    }
    Ok(all_right)
}
