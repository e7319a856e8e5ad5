//! Options of a filter or metric, taken one by one; what is left over is an error.

use serde_json::{Map, Value};

use crate::MetricError;

/// The options of one filter or metric.
pub(crate) struct Options<'a> {
    of: String,
    map: &'a Map<String, Value>,
    taken: Vec<&'static str>,
}

impl<'a> Options<'a> {
    /// Options of `of`, which messages name.
    pub(crate) fn new(of: String, map: &'a Map<String, Value>) -> Self {
        Options {
            of,
            map,
            taken: Vec::new(),
        }
    }

    /// The option's value, if given.
    pub(crate) fn take(&mut self, option: &'static str) -> Option<&'a Value> {
        self.taken.push(option);
        self.map.get(option)
    }

    /// A text option.
    pub(crate) fn text(&mut self, option: &'static str) -> Result<Option<&'a str>, MetricError> {
        match self.take(option) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.error(option, "expected text")),
        }
    }

    /// A whole-number option.
    pub(crate) fn int(&mut self, option: &'static str) -> Result<Option<i64>, MetricError> {
        match self.take(option) {
            None => Ok(None),
            Some(value) => match value.as_i64() {
                Some(number) => Ok(Some(number)),
                None => Err(self.error(option, "expected a whole number")),
            },
        }
    }

    /// A yes-or-no option, false where it is absent; null counts as false.
    pub(crate) fn flag(&mut self, option: &'static str) -> Result<bool, MetricError> {
        match self.take(option) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(b)) => Ok(*b),
            Some(_) => Err(self.error(option, "expected true or false")),
        }
    }

    /// A list of patterns, or `None` where it is absent or null. Of a single text every
    /// character is a pattern, as Python goes through it.
    pub(crate) fn patterns(
        &mut self,
        option: &'static str,
    ) -> Result<Option<Vec<crate::PyRegex>>, MetricError> {
        let texts: Vec<String> = match self.take(option) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) => text.chars().map(String::from).collect(),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect::<Option<_>>()
                .ok_or_else(|| self.error(option, "expected a list of patterns"))?,
            Some(_) => return Err(self.error(option, "expected a list of patterns")),
        };
        texts
            .iter()
            .map(|text| crate::PyRegex::new(text))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// An error about one option.
    pub(crate) fn error(&self, option: &str, reason: &str) -> MetricError {
        MetricError::Option {
            of: self.of.clone(),
            option: option.to_owned(),
            reason: reason.to_owned(),
        }
    }

    /// Refuses options that nothing asked for.
    pub(crate) fn finish(self) -> Result<(), MetricError> {
        match self.map.keys().find(|k| !self.taken.contains(&k.as_str())) {
            None => Ok(()),
            Some(key) if self.taken.is_empty() => {
                Err(self.error(key, "unknown: this one takes no options"))
            }
            Some(key) => {
                Err(self.error(key, &format!("unknown: expected {}", self.taken.join(", "))))
            }
        }
    }
}
