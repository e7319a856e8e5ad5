//! What can go wrong in a metric, a filter or an aggregation.

/// A user's mistake, or data that a metric is not defined on. Displays as one lowercase line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetricError {
    /// No metric has this name.
    #[error("unknown metric `{name}`: expected one of {known}")]
    UnknownMetric {
        /// The name asked for.
        name: String,
        /// The names that exist, comma-separated.
        known: String,
    },
    /// No aggregation has this name.
    #[error("unknown aggregation `{name}`: expected one of {known}")]
    UnknownAggregation {
        /// The name asked for.
        name: String,
        /// The names that exist, comma-separated.
        known: String,
    },
    /// No filter has this name, or it is one that runs Python code.
    #[error("filter `{name}` {reason}")]
    UnknownFilter {
        /// The name asked for.
        name: String,
        /// Why it cannot be used, and what can.
        reason: String,
    },
    /// An option of a metric or filter is unknown or has the wrong type.
    #[error("{of} option `{option}`: {reason}")]
    Option {
        /// The metric or filter, such as `filter regex`.
        of: String,
        /// The option.
        option: String,
        /// What was expected.
        reason: String,
    },
    /// A regular expression does not compile, or needed too many steps.
    #[error("regular expression `{pattern}`: {reason}")]
    Pattern {
        /// The expression, in Python's syntax.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A filter met a value it is not defined on.
    #[error("filter `{filter}` on document {doc}: {reason}")]
    Filter {
        /// The filter.
        filter: String,
        /// Index of the document among those passed.
        doc: usize,
        /// What it met and what it needs.
        reason: String,
    },
    /// A metric is not defined on an item.
    #[error("metric `{metric}`: {reason}")]
    Item {
        /// The metric.
        metric: String,
        /// What it met and what it needs.
        reason: String,
    },
    /// An aggregation is not defined on these items.
    #[error("aggregation `{aggregation}`: {reason}")]
    Aggregate {
        /// The aggregation.
        aggregation: &'static str,
        /// What it met and what it needs.
        reason: String,
    },
}
