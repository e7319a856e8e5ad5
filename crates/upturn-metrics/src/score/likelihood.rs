//! Scores of one target's log-likelihood, and of a whole text's.

use upturn_types::TargetScore;

use super::ItemScores;
use crate::{ItemValue, MetricRequest};

/// Scores of a target (`loglikelihood` tasks): `perplexity`, `acc`, and
/// `target_logprob_per_token` where there are tokens.
#[must_use]
pub fn score_loglikelihood(target: &TargetScore, metrics: &[MetricRequest]) -> ItemScores {
    let ll = f64::from(target.logprob);
    let mut scores = ItemScores::new();
    for metric in metrics {
        let value = match metric.info.name {
            "perplexity" => ll,
            "acc" => f64::from(u8::from(target.is_greedy)),
            "target_logprob_per_token" if target.n_tokens > 0 => ll / f64::from(target.n_tokens),
            _ => continue,
        };
        scores.push((metric.info.name, ItemValue::Number(value)));
    }
    scores
}

/// Scores of a text (`loglikelihood_rolling` tasks): its log-likelihood over its words
/// ([`count_words`](crate::count_words)) or UTF-8 bytes, and `target_logprob_per_token`.
#[must_use]
pub fn score_rolling(text: &str, target: &TargetScore, metrics: &[MetricRequest]) -> ItemScores {
    let ll = f64::from(target.logprob);
    let mut scores = ItemScores::new();
    for metric in metrics {
        let value = match metric.info.name {
            "word_perplexity" => ItemValue::Weighted {
                numerator: ll,
                denominator: crate::count_words(text) as f64,
            },
            "byte_perplexity" | "bits_per_byte" => ItemValue::Weighted {
                numerator: ll,
                denominator: text.len() as f64,
            },
            "target_logprob_per_token" if target.n_tokens > 0 => {
                ItemValue::Number(ll / f64::from(target.n_tokens))
            }
            _ => continue,
        };
        scores.push((metric.info.name, value));
    }
    scores
}
