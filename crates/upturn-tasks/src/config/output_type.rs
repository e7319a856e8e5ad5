//! How a task asks its questions.

/// How a task asks its questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputType {
    /// One log-likelihood per choice.
    MultipleChoice,
    /// Log-likelihood of the target.
    Loglikelihood,
    /// Log-likelihood of a whole text.
    LoglikelihoodRolling,
    /// A continuation up to a stop string.
    GenerateUntil,
}

impl OutputType {
    pub(super) const ALL: [OutputType; 4] = [
        OutputType::MultipleChoice,
        OutputType::Loglikelihood,
        OutputType::LoglikelihoodRolling,
        OutputType::GenerateUntil,
    ];

    /// The word in task files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            OutputType::MultipleChoice => "multiple_choice",
            OutputType::Loglikelihood => "loglikelihood",
            OutputType::LoglikelihoodRolling => "loglikelihood_rolling",
            OutputType::GenerateUntil => "generate_until",
        }
    }

    /// Metrics of a task that names none.
    #[must_use]
    pub fn default_metrics(self) -> &'static [&'static str] {
        match self {
            OutputType::MultipleChoice => &["acc", "acc_norm"],
            OutputType::Loglikelihood => &["perplexity", "acc"],
            OutputType::LoglikelihoodRolling => {
                &["word_perplexity", "byte_perplexity", "bits_per_byte"]
            }
            OutputType::GenerateUntil => &["exact_match"],
        }
    }
}
