//! `filter_list`: from a model's text to the answer that is scored.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::functions::helper_at;
use super::keys::Keys;
use crate::error::TaskError;
use crate::ports::Helper;
use crate::yaml::Yaml;

/// One step of a filter.
#[derive(Debug, Clone, PartialEq)]
pub struct FilterStep {
    /// Its function, such as `regex`.
    pub function: String,
    /// Its settings.
    pub kwargs: Map<String, Value>,
    /// What filters, where that is a helper.
    pub helper: Option<Arc<Helper>>,
}

/// One entry of `filter_list`: steps from the model's text to the scored answer.
#[derive(Debug, Clone, PartialEq)]
pub struct FilterConfig {
    /// The name that scores carry.
    pub name: String,
    /// The steps in order.
    pub steps: Vec<FilterStep>,
}

impl Keys<'_> {
    pub(super) fn filter_list(&self) -> Result<Vec<FilterConfig>, TaskError> {
        const KEY: &str = "filter_list";
        let Some(value) = self.0.value(KEY) else {
            let first = FilterStep {
                function: "take_first".into(),
                kwargs: Map::new(),
                helper: None,
            };
            return Ok(vec![FilterConfig {
                name: "none".into(),
                steps: vec![first],
            }]);
        };
        let Yaml::Seq(items) = value else {
            return Err(self.wrong(KEY, "a list", value));
        };
        if items.is_empty() {
            return Err(self.fail(KEY, "it is empty; name a filter or remove the key"));
        }
        items.iter().map(|item| self.filter(item)).collect()
    }

    fn filter(&self, item: &Yaml) -> Result<FilterConfig, TaskError> {
        const KEY: &str = "filter_list";
        let name = item
            .get("name")
            .ok_or_else(|| self.fail(KEY, "an entry has no key 'name'"))?;
        let name = self.as_text(KEY, name)?;
        let Some(Yaml::Seq(steps)) = item.get("filter") else {
            return Err(self.fail(KEY, format!("'{name}' has no list 'filter'")));
        };
        let function = |step: &Yaml, key: &str| match step.get(key) {
            Some(value) => helper_at(value, &format!("{KEY}.filter.{key}"), self.file_of(KEY)),
            None => Ok(None),
        };
        let step = |step: &Yaml| {
            let Value::Object(mut kwargs) = step.to_json() else {
                return Err(self.wrong(KEY, "steps such as {function: take_first}", step));
            };
            let is_custom = step.get("function").and_then(Yaml::as_str) == Some("custom");
            let helper = match function(step, "function")? {
                Some(helper) => Some(helper),
                None if is_custom => function(step, "filter_fn")?,
                None => None,
            };
            if let Some(helper) = helper {
                kwargs.shift_remove("function");
                kwargs.shift_remove("filter_fn");
                helper
                    .check_filter(&kwargs)
                    .map_err(|reason| self.fail(KEY, format!("'{name}': {reason}")))?;
                return Ok(FilterStep {
                    function: helper.name().to_string(),
                    kwargs,
                    helper: Some(helper),
                });
            }
            match kwargs.shift_remove("function") {
                Some(Value::String(function)) => Ok(FilterStep {
                    function,
                    kwargs,
                    helper: None,
                }),
                _ => Err(self.fail(KEY, format!("a step of '{name}' has no key 'function'"))),
            }
        };
        let steps: Vec<FilterStep> = steps.iter().map(step).collect::<Result<_, _>>()?;
        if steps.iter().skip(1).any(|s| s.helper.is_some()) {
            return Err(self.fail(
                KEY,
                format!("'{name}': a helper is read as the first step alone"),
            ));
        }
        Ok(FilterConfig { name, steps })
    }
}
