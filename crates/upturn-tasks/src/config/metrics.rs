//! `metric_list`: what a task is scored by.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::functions::helper_at;
use super::keys::Keys;
use super::output_type::OutputType;
use crate::error::TaskError;
use crate::ports::Helper;
use crate::yaml::Yaml;

/// One entry of `metric_list`.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricConfig {
    /// The metric.
    pub name: String,
    /// How it is joined over items; none is the metric's own way.
    pub aggregation: Option<String>,
    /// Whether more is better; none is the metric's own.
    pub higher_is_better: Option<bool>,
    /// Whether the file asks for Hugging Face `evaluate`'s implementation.
    pub hf_evaluate: bool,
    /// Its other settings, such as `ignore_case`.
    pub kwargs: Map<String, Value>,
    /// What computes it, where that is a helper.
    pub helper: Option<Arc<Helper>>,
    /// What joins it over items, where that is a helper.
    pub joined_by: Option<Arc<Helper>>,
}

impl Keys<'_> {
    pub(super) fn metric_list(
        &self,
        output_type: OutputType,
    ) -> Result<Vec<MetricConfig>, TaskError> {
        const KEY: &str = "metric_list";
        let Some(value) = self.0.value(KEY) else {
            let own = |name: &&str| MetricConfig {
                name: (*name).into(),
                aggregation: None,
                higher_is_better: None,
                hf_evaluate: false,
                kwargs: Map::new(),
                helper: None,
                joined_by: None,
            };
            return Ok(output_type.default_metrics().iter().map(own).collect());
        };
        let Yaml::Seq(items) = value else {
            return Err(self.wrong(KEY, "a list", value));
        };
        let list: Vec<_> = items
            .iter()
            .map(|item| self.metric(item))
            .collect::<Result<_, _>>()?;
        if list.is_empty() {
            return Err(self.fail(KEY, "it is empty; name a metric or remove the key"));
        }
        Ok(list)
    }

    fn metric(&self, item: &Yaml) -> Result<MetricConfig, TaskError> {
        const KEY: &str = "metric_list";
        let function = |key: &str| match item.get(key) {
            Some(value) => helper_at(value, &format!("{KEY}.{key}"), self.file_of(KEY)),
            None => Ok(None),
        };
        let helper = function("metric")?;
        let joined_by = function("aggregation")?;
        let Value::Object(mut kwargs) = item.to_json() else {
            return Err(self.wrong(KEY, "entries such as {metric: acc}", item));
        };
        let word = |value: Value| match value {
            Value::String(text) => Ok(text),
            other => Err(self.fail(
                KEY,
                format!("expected a name, found {}", crate::python::text(&other)),
            )),
        };
        let name = kwargs
            .shift_remove("metric")
            .ok_or_else(|| self.fail(KEY, "an entry has no key 'metric'"))?;
        let name = match &helper {
            Some(helper) => helper.name().to_string(),
            None => word(name)?,
        };
        let aggregation = kwargs
            .shift_remove("aggregation")
            .filter(|v| !v.is_null() && joined_by.is_none())
            .map(word)
            .transpose()?;
        let higher_is_better = match kwargs.shift_remove("higher_is_better") {
            None | Some(Value::Null) => None,
            Some(Value::Bool(b)) => Some(b),
            // Several files put the word in quotes.
            Some(Value::String(s)) if s.eq_ignore_ascii_case("true") => Some(true),
            Some(Value::String(s)) if s.eq_ignore_ascii_case("false") => Some(false),
            Some(other) => {
                let found = crate::python::text(&other);
                return Err(self.fail(
                    KEY,
                    format!("{name}: higher_is_better is true or false, found {found}"),
                ));
            }
        };
        let hf_evaluate = kwargs.shift_remove("hf_evaluate") == Some(Value::Bool(true));
        Ok(MetricConfig {
            name,
            aggregation,
            higher_is_better,
            hf_evaluate,
            kwargs,
            helper,
            joined_by,
        })
    }
}
