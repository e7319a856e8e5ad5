//! Metrics, filters, aggregations and their standard errors.
//!
//! From a model's responses to numbers: [`FilterPipeline`] makes answers of responses,
//! [`score_choices`], [`score_loglikelihood`], [`score_rolling`] and [`score_generation`] make
//! an [`ItemValue`] per metric and item, [`aggregate`] makes a score of those, [`stderr`] its
//! standard error, [`group_mean`] and [`pooled_stderr`] the scores of groups of tasks.
//!
//! What lm-evaluation-harness 0.4.13 computes comes out equal, bootstraps included, draw for
//! draw ([`PyRandom`]); graded metrics of our own stand beside it. Everything is a pure
//! function: no I/O, no clock, no randomness without a seed, and the same bits on any number
//! of threads.

mod aggregation;
mod bootstrap;
mod calibration;
mod corpus;
mod edit_distance;
mod error;
mod exact_match;
mod filter;
mod group;
mod item;
mod labels;
mod metric;
mod number;
mod numeric;
mod pass_at_k;
mod porter;
mod python_random;
mod python_re;
mod python_str;
mod rouge;
mod score;
mod squad;
mod statistic;
mod stderr;
mod value;

pub use aggregation::{Aggregation, aggregate};
pub use calibration::{N_BINS, calibration_error};
pub use corpus::{CorpusMetric, corpus_score, tokenize_13a, tokenize_ter};
pub use edit_distance::{levenshtein, token_edit_distance};
pub use error::MetricError;
pub use exact_match::ExactMatchOptions;
pub use filter::{Filter, FilterPipeline, MultiChoiceRegex, PosTags, RegexExtract};
pub use group::{group_mean, pooled_stderr, unweighted_stderr};
pub use item::ItemValue;
pub use metric::{Chance, MetricInfo, MetricRequest, OutputKind, find, metrics};
pub use number::{AnswerNumber, answer_number};
pub use numeric::{argmax, sample_stddev, softmax};
pub use pass_at_k::pass_at_k;
pub use porter::porter_stem;
pub use python_random::PyRandom;
pub use python_re::{FoundText, GroupSpans, PyRegex};
pub use python_str::{count_words, escape, is_space, repr, strip, write_repr};
pub use rouge::{RougeKind, rouge, rouge_multi};
pub use score::{
    ChoicesResponse, GenerationResponse, Gold, ItemScores, TokenIds, score_choices,
    score_generation, score_loglikelihood, score_rolling,
};
pub use squad::{squad_best, squad_exact, squad_f1, squad_normalize};
pub use stderr::{StderrRule, bootstrap_iterations, stderr};
pub use value::FilterValue;
