//! What a metric's name says: direction, bounds, and whether it is a mean of 0/1 outcomes.

/// What is known of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricInfo {
    /// Canonical name: `em`, `exact_match,strict-match` and `exact_match` are `exact_match`.
    pub canonical: String,
    /// Whether a larger value is better.
    pub higher_is_better: bool,
    /// Whether values (after `scale`) lie in \[0, 1\] and 1 can be reached, so that 1 is
    /// the ceiling. BLEU and its kin are not bounded in this sense.
    pub bounded: bool,
    /// Whether it is a mean of 0/1 outcomes over the items.
    pub binomial: bool,
    /// Whether it mixes metrics or averages over tasks: shown, never judged.
    pub composite: bool,
    /// Factor that brings values to fractions: 0.01 for scores from 0 to 100, else 1.
    pub scale: f64,
}

/// How a group of metrics behaves.
#[derive(Clone, Copy)]
enum Kind {
    /// Mean of 0/1 outcomes.
    Accuracy,
    /// Mean of graded scores in \[0, 1\].
    Graded,
    /// A share of items where neither end is the goal.
    Share,
    /// Larger is better, no attainable ceiling.
    Overlap,
    /// Smaller is better, no floor.
    Loss,
    /// Smaller is better, in \[0, 1\].
    ErrorRate,
    /// Larger is better, from −1 to 1 or without bounds.
    Unbounded,
    /// Mixed or averaged over tasks.
    Composite,
}

/// Canonical names, how they behave, and other spellings (in lower case).
const METRICS: &[(&str, Kind, &[&str])] = &[
    (
        "acc",
        Kind::Accuracy,
        &["accuracy", "choice", "match", "multiple_choice_grade"],
    ),
    (
        "acc_norm",
        Kind::Accuracy,
        &["acc_norm_bytes", "accuracy_norm"],
    ),
    ("acc_mutual_info", Kind::Accuracy, &[]),
    (
        "exact_match",
        Kind::Accuracy,
        &["em", "exact", "exact_str_match", "exact_string_match"],
    ),
    ("quasi_exact_match", Kind::Accuracy, &[]),
    ("prefix_exact_match", Kind::Accuracy, &[]),
    ("prefix_quasi_exact_match", Kind::Accuracy, &[]),
    ("mc1", Kind::Accuracy, &[]),
    ("pass@1", Kind::Accuracy, &["pass_at_1"]),
    ("includes", Kind::Accuracy, &["contains"]),
    ("mc2", Kind::Graded, &[]),
    ("f1", Kind::Graded, &["f1_score"]),
    ("macro_f1", Kind::Graded, &[]),
    ("f1a", Kind::Graded, &["f1_a"]),
    ("best_f1", Kind::Graded, &[]),
    ("hasans_f1", Kind::Graded, &[]),
    ("prob_norm", Kind::Graded, &["prob_mass"]),
    ("choice_prob", Kind::Graded, &[]),
    ("pct_stereotype", Kind::Share, &[]),
    ("bleu", Kind::Overlap, &[]),
    ("bleu_multibleu", Kind::Overlap, &["bleu-multibleu"]),
    ("bleu_sacre", Kind::Overlap, &["bleu-sacre", "sacrebleu"]),
    ("chrf", Kind::Overlap, &["chrf++"]),
    ("rouge1", Kind::Overlap, &["rouge_1"]),
    ("rouge2", Kind::Overlap, &["rouge_2"]),
    ("rougeL", Kind::Overlap, &["rougel", "rouge_l"]),
    ("rougeLsum", Kind::Overlap, &["rouge_lsum"]),
    ("rouge1_stem", Kind::Overlap, &[]),
    ("rouge2_stem", Kind::Overlap, &[]),
    ("rougeL_stem", Kind::Overlap, &[]),
    ("rougeLsum_stem", Kind::Overlap, &[]),
    ("squad_f1", Kind::Graded, &[]),
    ("squad_em", Kind::Accuracy, &[]),
    ("numeric_match", Kind::Accuracy, &[]),
    (
        "ece",
        Kind::Loss,
        &["calibration_error", "expected_calibration_error"],
    ),
    ("ece_adaptive", Kind::Loss, &["adaptive_calibration_error"]),
    ("normalized_preferred_score", Kind::Unbounded, &[]),
    ("ter", Kind::Loss, &[]),
    ("perplexity", Kind::Loss, &["ppl"]),
    ("word_perplexity", Kind::Loss, &[]),
    ("byte_perplexity", Kind::Loss, &[]),
    ("bits_per_byte", Kind::Loss, &["bpb"]),
    ("loss", Kind::Loss, &["nll", "cross_entropy"]),
    ("likelihood_difference", Kind::Loss, &["likelihood_diff"]),
    ("brier_score", Kind::Loss, &["brier"]),
    ("error", Kind::ErrorRate, &["error_rate"]),
    ("wer", Kind::Loss, &[]),
    ("mcc", Kind::Unbounded, &["matthews_correlation"]),
    (
        "log_likelihood",
        Kind::Unbounded,
        &["loglikelihood", "logprob"],
    ),
    ("target_logprob", Kind::Unbounded, &[]),
    ("average", Kind::Composite, &["avg"]),
    (
        "normalized",
        // From 0 for a poor score to 1 for an excellent one, but not confined to it.
        Kind::Unbounded,
        &["normalized preferred metric", "normalized_aggregate_score"],
    ),
    ("preferred_metric", Kind::Composite, &["preferred metric"]),
];

/// What the metric called `name` is; `None` for a name that is not known.
///
/// Filters after a comma (`exact_match,flexible-extract`) and units in brackets (`bleu(0-100)`,
/// `ppl(raw)`) are understood; `acc/em` and other mixtures are composite. BLEU, chrF and
/// TER are scores from 0 to 100 whether or not the name says so.
///
/// ```
/// let em = upturn_catalog::metric_info("exact_match,strict-match").unwrap();
/// assert!(em.binomial && em.canonical == "exact_match");
/// assert_eq!(upturn_catalog::metric_info("bleu-sacre(0-100)").unwrap().scale, 0.01);
/// assert!(upturn_catalog::metric_info("acc/em/f1").unwrap().composite);
/// ```
#[must_use]
pub fn metric_info(name: &str) -> Option<MetricInfo> {
    let lower = name.trim().to_lowercase();
    let (lower, percent) = match lower.strip_suffix("(0-100)") {
        Some(rest) => (rest.trim_end(), true),
        None => (
            lower.strip_suffix("(raw)").unwrap_or(&lower).trim_end(),
            false,
        ),
    };
    let (base, _filter) = lower.split_once(',').unwrap_or((lower, ""));
    let base = base.trim();
    let mixed = base.contains('/') && base.split('/').all(|part| find(part).is_some());
    let (canonical, kind) = if mixed {
        (base.to_owned(), Kind::Composite)
    } else if let Some((canonical, kind)) = find(base) {
        (canonical.to_owned(), kind)
    } else {
        (base.to_owned(), numbered(base)?)
    };
    let hundred = percent || canonical.starts_with("bleu") || matches!(&*canonical, "chrf" | "ter");
    Some(MetricInfo {
        higher_is_better: !matches!(kind, Kind::Loss | Kind::ErrorRate | Kind::Share),
        bounded: matches!(
            kind,
            Kind::Accuracy | Kind::Graded | Kind::Share | Kind::ErrorRate
        ),
        binomial: matches!(kind, Kind::Accuracy | Kind::Share | Kind::ErrorRate),
        composite: matches!(kind, Kind::Composite),
        scale: if hundred { 0.01 } else { 1.0 },
        canonical,
    })
}

fn find(name: &str) -> Option<(&'static str, Kind)> {
    METRICS
        .iter()
        .find(|(canonical, _, others)| {
            canonical.eq_ignore_ascii_case(name) || others.contains(&name)
        })
        .map(|&(canonical, kind, _)| (canonical, kind))
}

/// `maj@5` is a vote per item, 0 or 1; `pass@10` an estimate from several samples.
fn numbered(name: &str) -> Option<Kind> {
    let (word, k) = name.split_once('@')?;
    k.parse::<u32>().ok().filter(|&k| k > 0)?;
    match word {
        "maj" => Some(Kind::Accuracy),
        "pass" => Some(Kind::Graded),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traps_of_metric_names() {
        let info = |name| metric_info(name).unwrap_or_else(|| panic!("{name} is not known"));
        assert_eq!(info("em").canonical, "exact_match");
        assert_eq!(info("Accuracy").canonical, "acc");
        assert!(info("acc").binomial && info("acc").bounded);
        assert!(!info("ppl(raw)").higher_is_better && !info("ppl(raw)").bounded);
        assert_eq!(info("ppl(raw)").scale, 1.0);
        for composite in [
            "acc/em",
            "acc/em/f1",
            "average",
            "avg",
            "preferred metric (raw)",
        ] {
            assert!(info(composite).composite, "{composite}");
        }
        let (a, b) = (info("bleu-multibleu(0-100)"), info("bleu-sacre(0-100)"));
        assert_ne!(a.canonical, b.canonical, "two metrics of one table");
        assert_eq!((a.scale, a.bounded, a.binomial), (0.01, false, false));
        assert!(info("mc1").binomial && !info("mc2").binomial && info("mc2").bounded);
        assert!(info("pass@1").binomial && !info("pass@10").binomial);
        assert!(info("maj@5").binomial);
        assert!(!info("f1a").binomial && info("f1a").bounded);
        assert!(metric_info("").is_none());
        assert!(metric_info("pass@").is_none());
        assert!(metric_info("pass@0").is_none());
        assert!(metric_info("acc/").is_none());
        assert!(metric_info("my_metric").is_none());
    }

    #[test]
    fn spellings_are_unique() {
        let mut all: Vec<String> = METRICS
            .iter()
            .flat_map(|(name, _, others)| {
                std::iter::once(*name).chain(
                    others
                        .iter()
                        .copied()
                        .filter(move |o| !o.eq_ignore_ascii_case(name)),
                )
            })
            .map(str::to_lowercase)
            .collect();
        let n = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), n);
    }
}
