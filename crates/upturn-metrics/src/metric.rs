//! The table of metrics: what each is defined on, its range, chance, direction, aggregation.

use serde_json::{Map, Value};

use crate::exact_match::ExactMatchOptions;
use crate::filter::Options;
use crate::{Aggregation, MetricError, StderrRule};

/// What a task asks of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OutputKind {
    /// A log-likelihood of each option.
    MultipleChoice,
    /// The log-likelihood of one target.
    Loglikelihood,
    /// The log-likelihood of a whole text.
    Rolling,
    /// A generated text.
    Generate,
}

impl OutputKind {
    /// All of them.
    pub const ALL: [OutputKind; 4] = [
        OutputKind::MultipleChoice,
        OutputKind::Loglikelihood,
        OutputKind::Rolling,
        OutputKind::Generate,
    ];

    /// The word of `output_type` in a task file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            OutputKind::MultipleChoice => "multiple_choice",
            OutputKind::Loglikelihood => "loglikelihood",
            OutputKind::Rolling => "loglikelihood_rolling",
            OutputKind::Generate => "generate_until",
        }
    }

    /// The kind that `output_type` names.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Metrics of a task that lists none.
    #[must_use]
    pub fn default_metrics(self) -> &'static [&'static str] {
        match self {
            OutputKind::MultipleChoice => &["acc", "acc_norm"],
            OutputKind::Loglikelihood => &["perplexity", "acc"],
            OutputKind::Rolling => &["word_perplexity", "byte_perplexity", "bits_per_byte"],
            OutputKind::Generate => &["exact_match"],
        }
    }
}

/// The score of a guess that knows nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chance {
    /// 1 / number of options, averaged over the items.
    OneOverOptions,
    /// 1 − 1 / number of options: the squared error of equal probabilities.
    OneMinusOneOverOptions,
    /// ln of the number of options.
    LogOptions,
    /// 0.
    Zero,
    /// 1: the distance of an answer that has nothing of the target.
    One,
    /// −ln of the number of tokens there are: every token as likely as any other.
    UniformToken,
    /// It depends on the data.
    Unknown,
}

impl Chance {
    /// Its value for items with `n_options` options and a model of `vocab_size` tokens, where
    /// these say it.
    #[must_use]
    pub fn value(self, n_options: Option<f64>, vocab_size: Option<u64>) -> Option<f64> {
        let n = n_options.filter(|n| *n >= 1.0);
        match self {
            Chance::Zero => Some(0.0),
            Chance::One => Some(1.0),
            Chance::UniformToken => vocab_size.map(|v| -(v.max(1) as f64).ln()),
            Chance::Unknown => None,
            Chance::OneOverOptions => n.map(f64::recip),
            Chance::OneMinusOneOverOptions => n.map(|n| 1.0 - n.recip()),
            Chance::LogOptions => n.map(f64::ln),
        }
    }
}

/// What is known of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricInfo {
    /// Name in task files and results.
    pub name: &'static str,
    /// What it is computed from; for other kinds nothing is computed.
    pub kinds: &'static [OutputKind],
    /// Whether an answer can be partly right; otherwise it is made of right and wrong answers.
    pub graded: bool,
    /// Smallest and largest value; `None` where there is no bound.
    pub range: (Option<f64>, Option<f64>),
    /// Score without knowledge. For a metric of several kinds it is that of multiple choice,
    /// see [`MetricInfo::chance_for`].
    pub chance: Chance,
    /// Whether a larger value is better. An `acc` of 1 is; `entropy` has no better end and is
    /// listed as false.
    pub higher_is_better: bool,
    /// Aggregation where the task names none.
    pub aggregation: Aggregation,
    /// Whether lm-evaluation-harness 0.4.13 has it.
    pub in_lm_eval: bool,
    /// One sentence.
    pub doc: &'static str,
}

impl MetricInfo {
    /// How the standard error of its default aggregation is found.
    #[must_use]
    pub fn stderr_rule(&self) -> StderrRule {
        self.aggregation.stderr_rule()
    }

    /// Whether it is computed for this kind of output.
    #[must_use]
    pub fn applies_to(&self, kind: OutputKind) -> bool {
        self.kinds.contains(&kind)
    }

    /// Score without knowledge on this kind of output: as [`MetricInfo::chance`] for multiple
    /// choice, 0 for exactly matching a free text, unknown for likelihoods.
    #[must_use]
    pub fn chance_for(&self, kind: OutputKind) -> Chance {
        match (kind, self.name) {
            (OutputKind::MultipleChoice, "exact_match") => Chance::Zero,
            (OutputKind::MultipleChoice, _) => self.chance,
            (OutputKind::Loglikelihood, "acc") => Chance::Zero,
            (OutputKind::Generate, _) | (_, "target_logprob_per_token") => self.chance,
            _ => Chance::Unknown,
        }
    }

    /// Whether it needs the log-likelihood of each option without the question.
    #[must_use]
    pub fn needs_unconditional(&self) -> bool {
        self.name == "acc_mutual_info"
    }

    /// The k of `pass@k`.
    #[must_use]
    pub fn pass_k(&self) -> Option<usize> {
        self.name.strip_prefix("pass@")?.parse().ok()
    }

    /// Whether it needs token ids of the answer and the targets.
    #[must_use]
    pub fn needs_token_ids(&self) -> bool {
        self.name == "token_edit_distance"
    }
}

/// The metric called `name`.
///
/// ```
/// let acc = upturn_metrics::find("acc").unwrap();
/// assert!(acc.higher_is_better && !acc.graded);
/// assert!(upturn_metrics::find("accuracy").is_none());
/// ```
#[must_use]
pub fn find(name: &str) -> Option<&'static MetricInfo> {
    METRICS.iter().find(|metric| metric.name == name)
}

/// All metrics.
#[must_use]
pub fn metrics() -> &'static [MetricInfo] {
    METRICS
}

/// A metric with the options a task gives it.
#[derive(Debug, Clone)]
pub struct MetricRequest {
    /// The metric.
    pub info: &'static MetricInfo,
    /// Options of `exact_match` and `pass@k`; the others have none.
    pub(crate) exact_match: ExactMatchOptions,
}

impl MetricRequest {
    /// The metric called `name` with the other keys of its entry in `metric_list`, less
    /// `metric`, `aggregation`, `higher_is_better` and `hf_evaluate`, which are the task's.
    ///
    /// Only `exact_match` and `pass@k` have options (the same); lm-evaluation-harness takes and ignores any on the
    /// other metrics, and so does this.
    ///
    /// # Errors
    /// When the metric is unknown, an option of `exact_match` is unknown or of the wrong
    /// type, or a pattern does not compile.
    pub fn new(name: &str, options: &Map<String, Value>) -> Result<Self, MetricError> {
        let info = find(name).ok_or_else(|| MetricError::UnknownMetric {
            name: name.to_owned(),
            known: METRICS
                .iter()
                .map(|m| m.name)
                .collect::<Vec<_>>()
                .join(", "),
        })?;
        let exact_match = if info.name == "exact_match" || info.pass_k().is_some() {
            let mut o = Options::new(format!("metric {}", info.name), options);
            let parsed = ExactMatchOptions::new(&mut o)?;
            o.finish()?;
            parsed
        } else {
            ExactMatchOptions::default()
        };
        Ok(MetricRequest { info, exact_match })
    }

    /// The metric with no options.
    #[must_use]
    pub fn plain(info: &'static MetricInfo) -> Self {
        MetricRequest {
            info,
            exact_match: ExactMatchOptions::default(),
        }
    }

    /// The metric's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.info.name
    }
}

const MC: OutputKind = OutputKind::MultipleChoice;
const LL: OutputKind = OutputKind::Loglikelihood;
const ROLLING: OutputKind = OutputKind::Rolling;
const GENERATE: OutputKind = OutputKind::Generate;

const UNIT: (Option<f64>, Option<f64>) = (Some(0.0), Some(1.0));
const PERCENT: (Option<f64>, Option<f64>) = (Some(0.0), Some(100.0));
const FROM_ZERO: (Option<f64>, Option<f64>) = (Some(0.0), None);
const FROM_ONE: (Option<f64>, Option<f64>) = (Some(1.0), None);
const TO_ZERO: (Option<f64>, Option<f64>) = (None, Some(0.0));
const NO_BOUND: (Option<f64>, Option<f64>) = (None, None);

/// A share of right answers, as lm-evaluation-harness has it.
const RIGHT_OR_WRONG: MetricInfo = MetricInfo {
    name: "",
    kinds: &[MC],
    graded: false,
    range: UNIT,
    chance: Chance::OneOverOptions,
    higher_is_better: true,
    aggregation: Aggregation::Mean,
    in_lm_eval: true,
    doc: "",
};

/// A graded metric of ours.
const GRADED: MetricInfo = MetricInfo {
    graded: true,
    in_lm_eval: false,
    ..RIGHT_OR_WRONG
};

/// A perplexity or its like.
const LOSS: MetricInfo = MetricInfo {
    kinds: &[ROLLING],
    graded: true,
    range: FROM_ONE,
    chance: Chance::Unknown,
    higher_is_better: false,
    aggregation: Aggregation::WeightedPerplexity,
    ..RIGHT_OR_WRONG
};

/// A corpus metric of generated text.
const CORPUS: MetricInfo = MetricInfo {
    kinds: &[GENERATE],
    graded: true,
    range: PERCENT,
    chance: Chance::Zero,
    ..RIGHT_OR_WRONG
};

/// A graded metric of a generated text, of ours.
const TEXT: MetricInfo = MetricInfo {
    kinds: &[GENERATE],
    chance: Chance::Zero,
    ..GRADED
};

/// pass@k.
const fn pass_at(name: &'static str) -> MetricInfo {
    MetricInfo {
        name,
        doc: "Chance that at least one of k answers equals a target, without bias from the \
              answers drawn (no fewer than k: set `repeats`, and filters that keep all).",
        ..TEXT
    }
}

/// Calibration error.
const CALIBRATION: MetricInfo = MetricInfo {
    kinds: &[MC],
    chance: Chance::Unknown,
    higher_is_better: false,
    ..GRADED
};

static METRICS: &[MetricInfo] = &[
    MetricInfo {
        name: "acc",
        kinds: &[MC, LL],
        doc: "Whether the most likely option is a right one; for a single target, whether \
              greedy decoding gives it.",
        ..RIGHT_OR_WRONG
    },
    MetricInfo {
        name: "acc_norm",
        doc: "Whether the option with the highest log-likelihood per character is a right one.",
        ..RIGHT_OR_WRONG
    },
    MetricInfo {
        name: "acc_bytes",
        doc: "Whether the option with the highest log-likelihood per UTF-8 byte is a right one.",
        ..RIGHT_OR_WRONG
    },
    MetricInfo {
        name: "acc_mutual_info",
        doc: "Whether the option that the question makes most likelier is a right one.",
        ..RIGHT_OR_WRONG
    },
    MetricInfo {
        name: "acc_all",
        kinds: &[],
        chance: Chance::Unknown,
        aggregation: Aggregation::AccAll,
        doc: "Share of questions of which every answer is judged rightly.",
        ..RIGHT_OR_WRONG
    },
    MetricInfo {
        name: "exact_match",
        kinds: &[MC, GENERATE],
        chance: Chance::Zero,
        doc: "Whether the answer equals a target; for options, whether greedy decoding gives \
              a right one.",
        ..RIGHT_OR_WRONG
    },
    MetricInfo {
        name: "f1",
        chance: Chance::Unknown,
        aggregation: Aggregation::F1,
        doc: "F1 of the label 1 over the whole test set.",
        ..RIGHT_OR_WRONG
    },
    MetricInfo {
        name: "mcc",
        range: (Some(-1.0), Some(1.0)),
        chance: Chance::Zero,
        aggregation: Aggregation::MatthewsCorrcoef,
        doc: "Matthews correlation of the right labels and the given ones.",
        ..RIGHT_OR_WRONG
    },
    MetricInfo {
        name: "likelihood",
        graded: true,
        range: TO_ZERO,
        chance: Chance::Unknown,
        doc: "Log-likelihoods of the options as they are: they have no aggregation.",
        ..RIGHT_OR_WRONG
    },
    MetricInfo {
        name: "brier_score",
        graded: true,
        range: (Some(0.0), Some(2.0)),
        chance: Chance::OneMinusOneOverOptions,
        higher_is_better: false,
        aggregation: Aggregation::BrierScore,
        doc: "Sum over options of the squared error of its probability (lm-eval's: every item \
              has as many options, and there is no standard error).",
        ..RIGHT_OR_WRONG
    },
    MetricInfo {
        name: "perplexity",
        kinds: &[LL],
        aggregation: Aggregation::Perplexity,
        doc: "exp of minus the mean log-likelihood of a target.",
        ..LOSS
    },
    MetricInfo {
        name: "word_perplexity",
        doc: "exp of minus the log-likelihood per word.",
        ..LOSS
    },
    MetricInfo {
        name: "byte_perplexity",
        doc: "exp of minus the log-likelihood per UTF-8 byte.",
        ..LOSS
    },
    MetricInfo {
        name: "bits_per_byte",
        range: FROM_ZERO,
        aggregation: Aggregation::BitsPerByte,
        doc: "Minus the log-likelihood per UTF-8 byte, in bits.",
        ..LOSS
    },
    MetricInfo {
        name: "bleu",
        aggregation: Aggregation::Bleu,
        doc: "Corpus BLEU of sacreBLEU's defaults.",
        ..CORPUS
    },
    MetricInfo {
        name: "chrf",
        aggregation: Aggregation::Chrf,
        doc: "chrF2: F score of character n-grams, over the corpus.",
        ..CORPUS
    },
    MetricInfo {
        name: "chrf++",
        aggregation: Aggregation::ChrfPlusPlus,
        doc: "chrF2 with words and pairs of words added.",
        ..CORPUS
    },
    MetricInfo {
        name: "ter",
        range: FROM_ZERO,
        chance: Chance::Unknown,
        higher_is_better: false,
        aggregation: Aggregation::Ter,
        doc: "Translation edit rate, percent: edits and shifts of words per word of reference.",
        ..CORPUS
    },
    MetricInfo {
        name: "bypass",
        kinds: &[GENERATE],
        range: NO_BOUND,
        chance: Chance::Unknown,
        aggregation: Aggregation::Bypass,
        doc: "No score: answers are made and kept, and the number 999 stands for the metric.",
        ..RIGHT_OR_WRONG
    },
    MetricInfo {
        name: "choice_prob",
        doc: "Probability of the right options among all, from their log-likelihoods.",
        ..GRADED
    },
    MetricInfo {
        name: "choice_prob_norm",
        doc: "As choice_prob, from log-likelihoods per character.",
        ..GRADED
    },
    MetricInfo {
        name: "margin",
        range: NO_BOUND,
        chance: Chance::Unknown,
        doc: "Log-likelihood of the best right option less that of the best wrong one, nats.",
        ..GRADED
    },
    MetricInfo {
        name: "brier_multiclass",
        range: (Some(0.0), Some(2.0)),
        chance: Chance::OneMinusOneOverOptions,
        higher_is_better: false,
        doc: "Sum over options of the squared error of its probability, per item.",
        ..GRADED
    },
    MetricInfo {
        name: "entropy",
        range: FROM_ZERO,
        chance: Chance::LogOptions,
        higher_is_better: false,
        doc: "Entropy of the probabilities of the options, nats: how undecided the model is.",
        ..GRADED
    },
    MetricInfo {
        name: "target_logprob_per_token",
        kinds: &[MC, LL, ROLLING, GENERATE],
        range: TO_ZERO,
        chance: Chance::UniformToken,
        doc: "Log-likelihood of the target (the best right option) per token, nats.",
        ..GRADED
    },
    MetricInfo {
        name: "token_edit_distance",
        kinds: &[GENERATE],
        chance: Chance::One,
        higher_is_better: false,
        doc: "Fewest insertions, deletions and substitutions of tokens that turn the answer \
              into a target, divided by the longer one's length.",
        ..GRADED
    },
    MetricInfo {
        name: "rouge1",
        doc: "ROUGE-1: F1 of shared words, the best over the targets.",
        ..TEXT
    },
    MetricInfo {
        name: "rouge2",
        doc: "ROUGE-2: F1 of shared pairs of words, the best over the targets.",
        ..TEXT
    },
    MetricInfo {
        name: "rougeL",
        doc: "ROUGE-L: F1 of the longest common subsequence of words.",
        ..TEXT
    },
    MetricInfo {
        name: "rougeLsum",
        doc: "ROUGE-Lsum: ROUGE-L with a union over lines.",
        ..TEXT
    },
    MetricInfo {
        name: "rouge1_stem",
        doc: "As rouge1, of stemmed words.",
        ..TEXT
    },
    MetricInfo {
        name: "rouge2_stem",
        doc: "As rouge2, of stemmed words.",
        ..TEXT
    },
    MetricInfo {
        name: "rougeL_stem",
        doc: "As rougeL, of stemmed words.",
        ..TEXT
    },
    MetricInfo {
        name: "rougeLsum_stem",
        doc: "As rougeLsum, of stemmed words.",
        ..TEXT
    },
    MetricInfo {
        name: "squad_f1",
        doc: "SQuAD's F1 of shared words, without case, punctuation and articles.",
        ..TEXT
    },
    MetricInfo {
        name: "squad_em",
        kinds: &[GENERATE],
        chance: Chance::Zero,
        in_lm_eval: false,
        doc: "Whether the answer equals a target but for case, punctuation and articles.",
        ..RIGHT_OR_WRONG
    },
    MetricInfo {
        name: "numeric_match",
        kinds: &[GENERATE],
        chance: Chance::Zero,
        in_lm_eval: false,
        doc: "Whether the last number of the answer is the target's, however it is written.",
        ..RIGHT_OR_WRONG
    },
    pass_at("pass@1"),
    pass_at("pass@2"),
    pass_at("pass@4"),
    pass_at("pass@5"),
    pass_at("pass@8"),
    pass_at("pass@10"),
    pass_at("pass@16"),
    pass_at("pass@20"),
    pass_at("pass@32"),
    pass_at("pass@50"),
    pass_at("pass@64"),
    pass_at("pass@100"),
    MetricInfo {
        name: "ece",
        aggregation: Aggregation::CalibrationError,
        doc: "Expected calibration error: how far sureness is from being right, over 10 bins of \
              equal width. Above 0 even for perfect sureness where items are few.",
        ..CALIBRATION
    },
    MetricInfo {
        name: "ece_adaptive",
        aggregation: Aggregation::AdaptiveCalibrationError,
        doc: "As ece, over 10 bins of equally many items.",
        ..CALIBRATION
    },
];
