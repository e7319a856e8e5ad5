//! Graded metrics as losses: what stands beside an all-or-nothing score on the same outputs.

use upturn_catalog::metric_info;
use upturn_types::{Curve, CurveKey, CurvePoint};

/// How a graded metric becomes a loss above 0, smaller being better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GradedLoss {
    /// ln of a perplexity: nats per target or word.
    LogPerplexity,
    /// Minus a log-probability.
    NegatedLogProbability,
    /// A distance or error as it is.
    AsIs,
    /// One minus a share of what is right.
    OneMinus,
    /// ln(1 + e^(−margin)): the logistic loss of a margin in log-probability.
    Logistic,
}

impl GradedLoss {
    /// The loss that `metric` makes; `None` for all-or-nothing metrics and those unknown.
    #[must_use]
    pub fn of(metric: &str) -> Option<GradedLoss> {
        let name = metric_info(metric).map_or_else(|| metric.to_lowercase(), |i| i.canonical);
        Some(match &*name {
            "perplexity" | "word_perplexity" | "byte_perplexity" => GradedLoss::LogPerplexity,
            "target_logprob_per_token" | "target_logprob" | "log_likelihood" => {
                GradedLoss::NegatedLogProbability
            }
            "token_edit_distance"
            | "brier_multiclass"
            | "brier_score"
            | "loss"
            | "bits_per_byte"
            | "wer" => GradedLoss::AsIs,
            "choice_prob" | "choice_prob_norm" | "prob_norm" | "mc2" | "f1" | "best_f1"
            | "bleu" | "chrf" | "rouge1" | "rouge2" | "rougeL" => GradedLoss::OneMinus,
            "margin" => GradedLoss::Logistic,
            _ => return None,
        })
    }

    /// What the loss is, in words.
    #[must_use]
    pub fn words(self, metric: &str) -> String {
        match self {
            GradedLoss::LogPerplexity => format!("ln {metric}"),
            GradedLoss::NegatedLogProbability => format!("minus {metric}, nats"),
            GradedLoss::AsIs => metric.to_owned(),
            GradedLoss::OneMinus => format!("1 - {metric}"),
            GradedLoss::Logistic => format!("ln(1 + exp(-{metric}))"),
        }
    }

    /// The loss of a reported value and its standard error (by its slope). `None` where the
    /// loss would not be above 0, or the value is not finite.
    #[must_use]
    pub fn apply(self, value: f64, stderr: Option<f64>) -> Option<(f64, Option<f64>)> {
        let (loss, slope) = match self {
            GradedLoss::LogPerplexity => (value.ln(), value.recip()),
            GradedLoss::NegatedLogProbability => (-value, 1.0),
            GradedLoss::AsIs => (value, 1.0),
            GradedLoss::OneMinus => (1.0 - value, 1.0),
            GradedLoss::Logistic => {
                let loss = (-value).max(0.0) + (-value.abs()).exp().ln_1p();
                (loss, 1.0 / (1.0 + value.exp()))
            }
        };
        let se = stderr
            .map(|se| se * slope)
            .filter(|se| *se > 0.0 && se.is_finite());
        (loss > 0.0 && loss.is_finite()).then_some((loss, se))
    }

    /// The loss at a point of a curve.
    #[must_use]
    pub fn at(self, point: &CurvePoint) -> Option<(f64, Option<f64>)> {
        self.apply(point.value, point.stderr)
    }

    /// The loss of a responder without knowledge, where the curve's chance is known.
    #[must_use]
    pub fn null(self, curve: &Curve) -> Option<f64> {
        let chance = curve.chance?;
        let raw = if curve.flipped { 1.0 - chance } else { chance };
        self.apply(raw, None).map(|(loss, _)| loss)
    }
}

/// Whether two curves hold different metrics of the same outputs: all else in their keys is
/// equal, but for a filter that one of them has no use for.
#[must_use]
pub fn same_outputs(a: &CurveKey, b: &CurveKey) -> bool {
    let filter = |key: &CurveKey| key.filter.clone().filter(|f| &**f != "none");
    let (fa, fb) = (filter(a), filter(b));
    a.metric != b.metric
        && a.family == b.family
        && a.tuning == b.tuning
        && a.source == b.source
        && same_setting(a, b)
        && (fa == fb || fa.is_none() || fb.is_none())
}

/// Whether two curves measure one task in one way, on whatever family.
#[must_use]
pub fn same_setting(a: &CurveKey, b: &CurveKey) -> bool {
    a.task == b.task
        && a.subset == b.subset
        && a.split == b.split
        && a.method == b.method
        && a.shots == b.shots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_positive_and_fall_as_scores_rise() {
        for (metric, worse, better) in [
            ("perplexity", 100.0, 10.0),
            ("ppl(raw)", 18.6, 3.0),
            ("target_logprob_per_token", -3.0, -0.2),
            ("token_edit_distance", 0.9, 0.2),
            ("brier_multiclass", 0.75, 0.1),
            ("choice_prob", 0.25, 0.9),
            ("margin", -2.0, 3.0),
            ("f1", 0.1, 0.8),
        ] {
            let kind = GradedLoss::of(metric).unwrap_or_else(|| panic!("{metric}"));
            let (a, se) = kind.apply(worse, Some(0.01)).expect("a loss");
            let (b, _) = kind.apply(better, None).expect("a loss");
            assert!(
                a > b && b > 0.0 && se.is_some_and(|se| se > 0.0),
                "{metric}"
            );
        }
        for all_or_nothing in ["acc", "exact_match", "em", "pass@1", "my_metric"] {
            assert_eq!(GradedLoss::of(all_or_nothing), None);
        }
        assert_eq!(GradedLoss::LogPerplexity.apply(1.0, None), None);
        assert_eq!(GradedLoss::AsIs.apply(f64::NAN, None), None);
    }
}
