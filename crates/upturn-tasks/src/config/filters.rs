//! `filter_list`: from a model's text to the answer that is scored.

use serde_json::{Map, Value};

use super::keys::Keys;
use crate::error::TaskError;
use crate::yaml::Yaml;

/// One step of a filter.
#[derive(Debug, Clone, PartialEq)]
pub struct FilterStep {
    /// Its function, such as `regex`.
    pub function: String,
    /// Its settings.
    pub kwargs: Map<String, Value>,
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
        let step = |step: &Yaml| {
            let Value::Object(mut kwargs) = step.to_json() else {
                return Err(self.wrong(KEY, "steps such as {function: take_first}", step));
            };
            match kwargs.shift_remove("function") {
                Some(Value::String(function)) => Ok(FilterStep { function, kwargs }),
                _ => Err(self.fail(KEY, format!("a step of '{name}' has no key 'function'"))),
            }
        };
        let steps = steps.iter().map(step).collect::<Result<_, _>>()?;
        Ok(FilterConfig { name, steps })
    }
}
