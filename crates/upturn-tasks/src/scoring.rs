//! A task's metrics and filters, as `upturn-metrics` computes them.

use upturn_metrics::{Aggregation, FilterPipeline, MetricError, MetricRequest};

use crate::config::{MetricConfig, TaskConfig};
use crate::error::TaskError;

/// A metric of a task.
#[derive(Debug, Clone)]
pub struct TaskMetric {
    /// The metric with its options.
    pub request: MetricRequest,
    /// How it is joined over items: the file's word, else the metric's own.
    pub aggregation: Aggregation,
    /// Whether more is better: the file's word, else the metric's own.
    pub higher_is_better: bool,
}

impl TaskConfig {
    /// Its metrics, in the file's order.
    ///
    /// # Errors
    /// When a metric, one of its options or its aggregation is not known.
    pub fn metrics(&self) -> Result<Vec<TaskMetric>, TaskError> {
        self.metric_list
            .iter()
            .map(|m| metric(m).map_err(|e| self.wrong("metric_list", &e)))
            .collect()
    }

    /// Its filters, in the file's order.
    ///
    /// # Errors
    /// When a filter or one of its options is not known.
    pub fn pipelines(&self) -> Result<Vec<FilterPipeline>, TaskError> {
        let pipeline = |f: &crate::config::FilterConfig| {
            let steps = f.steps.iter().map(|s| (s.function.as_str(), &s.kwargs));
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

fn metric(config: &MetricConfig) -> Result<TaskMetric, MetricError> {
    let request = MetricRequest::new(&config.name, &config.kwargs)?;
    let aggregation = match &config.aggregation {
        Some(name) => Aggregation::parse(name)?,
        None => request.info.aggregation,
    };
    let higher_is_better = config
        .higher_is_better
        .unwrap_or(request.info.higher_is_better);
    Ok(TaskMetric {
        request,
        aggregation,
        higher_is_better,
    })
}
