//! A task's metrics and filters, as `upturn-metrics` and helpers of the task compute them.

use std::sync::Arc;

use upturn_metrics::{Aggregation, FilterPipeline, MetricError, MetricRequest};

use crate::config::{FilterConfig, MetricConfig, TaskConfig};
use crate::error::TaskError;
use crate::ports::{self, Helper};

/// A metric of a task.
#[derive(Debug, Clone)]
pub struct TaskMetric {
    /// The metric with its options.
    pub request: MetricRequest,
    /// How it is joined over items: the file's word, else the metric's own.
    pub aggregation: Aggregation,
    /// Whether more is better: the file's word, else the metric's own.
    pub higher_is_better: bool,
    /// What computes it for an item, where that is a helper of its own.
    pub helper: Option<Arc<Helper>>,
    /// What joins it over items in place of `aggregation`, where that is a helper.
    pub joined_by: Option<Arc<Helper>>,
}

impl TaskConfig {
    /// Its metrics, in the file's order.
    ///
    /// # Errors
    /// When a metric, one of its options or its aggregation is not known.
    pub fn metrics(&self) -> Result<Vec<TaskMetric>, TaskError> {
        // Where a helper scores items, metrics are names of its own.
        let own = self.process_results.is_some();
        self.metric_list
            .iter()
            .map(|m| metric(m, own).map_err(|e| self.wrong("metric_list", &e)))
            .collect()
    }

    /// Its filters, in the file's order, without those that are helpers: see
    /// [`crate::Task::filtered_by_helper`].
    ///
    /// # Errors
    /// When a filter or one of its options is not known.
    pub fn pipelines(&self) -> Result<Vec<FilterPipeline>, TaskError> {
        let pipeline = |f: &FilterConfig| {
            let known = f.steps.iter().filter(|s| s.helper.is_none());
            let steps = known.map(|s| (s.function.as_str(), &s.kwargs));
            FilterPipeline::new(f.name.as_str(), steps)
        };
        self.filter_list
            .iter()
            .map(|f| pipeline(f).map_err(|e| self.wrong("filter_list", &e)))
            .collect()
    }

    fn wrong(&self, key: &str, error: &MetricError) -> TaskError {
        TaskError::Task {
            file: self.file.display().to_string(),
            reason: format!("{key}: {error}"),
        }
    }
}

fn metric(config: &MetricConfig, own: bool) -> Result<TaskMetric, MetricError> {
    let is_own = own || config.helper.is_some();
    let request = if is_own {
        MetricRequest::plain(ports::metric_info(&config.name))
    } else {
        MetricRequest::new(&config.name, &config.kwargs)?
    };
    let aggregation = match &config.aggregation {
        Some(name) => Aggregation::parse(name)?,
        None if is_own => {
            upturn_metrics::find(&config.name).map_or(Aggregation::Mean, |known| known.aggregation)
        }
        None => request.info.aggregation,
    };
    let higher_is_better = config
        .higher_is_better
        .unwrap_or(request.info.higher_is_better);
    Ok(TaskMetric {
        request,
        aggregation,
        higher_is_better,
        helper: config.helper.clone(),
        joined_by: config.joined_by.clone(),
    })
}
