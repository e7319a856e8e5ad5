//! What can go wrong between a plan and its scores.

use upturn_metrics::MetricError;
use upturn_tasks::TaskError;
use upturn_types::LmError;

/// Why a cell has no result. Displays as one line.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EvalError {
    /// The task cannot be built.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// One request cannot be answered.
    #[error("{task}: item {doc_id}{part}: {reason}")]
    Request {
        /// The task.
        task: String,
        /// The item.
        doc_id: u64,
        /// Which of its requests, such as `, choice 2`.
        part: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The model failed.
    #[error("{model}: {reason}")]
    Model {
        /// The model.
        model: String,
        /// Why.
        reason: String,
    },
    /// An item or a list of items cannot be scored.
    #[error("{task}: {source}")]
    Metric {
        /// The task.
        task: String,
        /// Why.
        source: MetricError,
    },
    /// What was finished could not be kept.
    #[error("{0}")]
    Record(String),
    /// The caller asked to stop; what was finished is kept.
    #[error("stopped")]
    Stopped,
}

impl EvalError {
    /// An error of the model about one request of `task`.
    pub(crate) fn of_model(
        error: LmError,
        model: &str,
        place: impl Fn(usize) -> EvalError,
    ) -> Self {
        match error {
            LmError::Request { index, reason } => match place(index) {
                EvalError::Request {
                    task, doc_id, part, ..
                } => EvalError::Request {
                    task,
                    doc_id,
                    part,
                    reason,
                },
                other => other,
            },
            LmError::Model(reason) => EvalError::Model {
                model: model.to_owned(),
                reason,
            },
            LmError::Stopped => EvalError::Stopped,
        }
    }
}
