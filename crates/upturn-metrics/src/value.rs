//! A value as it passes through filters: text at first, anything Python's filters make of it later.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use upturn_types::python_float;

use crate::python_str::repr;

/// A Python value that a filter can take or give.
///
/// `From<&str>`, `From<String>` and [`FilterValue::from_json`] make one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FilterValue {
    /// `None`.
    Null,
    /// `True` or `False`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Text.
    Str(String),
    /// A list or tuple.
    List(Vec<FilterValue>),
}

impl From<&str> for FilterValue {
    fn from(text: &str) -> Self {
        FilterValue::Str(text.to_owned())
    }
}

impl From<String> for FilterValue {
    fn from(text: String) -> Self {
        FilterValue::Str(text)
    }
}

impl FilterValue {
    /// The value that JSON spells. An object becomes its JSON text.
    #[must_use]
    pub fn from_json(value: &Value) -> Self {
        match value {
            Value::Null => FilterValue::Null,
            Value::Bool(b) => FilterValue::Bool(*b),
            Value::Number(n) => match n.as_i64() {
                Some(i) => FilterValue::Int(i),
                None => FilterValue::Float(n.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(s) => FilterValue::Str(s.clone()),
            Value::Array(items) => {
                FilterValue::List(items.iter().map(FilterValue::from_json).collect())
            }
            Value::Object(_) => FilterValue::Str(value.to_string()),
        }
    }

    /// The value as JSON; numbers that JSON has not (NaN, infinities) become null.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            FilterValue::Null => Value::Null,
            FilterValue::Bool(b) => Value::Bool(*b),
            FilterValue::Int(i) => Value::from(*i),
            FilterValue::Float(x) => Value::from(*x),
            FilterValue::Str(s) => Value::String(s.clone()),
            FilterValue::List(items) => {
                Value::Array(items.iter().map(FilterValue::to_json).collect())
            }
        }
    }

    /// The text, where it is text.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            FilterValue::Str(s) => Some(s),
            _ => None,
        }
    }

    /// What Python's `str()` gives.
    #[must_use]
    pub fn python_str(&self) -> String {
        match self {
            FilterValue::Str(s) => s.clone(),
            other => other.python_repr(),
        }
    }

    /// What Python's `repr()` gives.
    #[must_use]
    pub fn python_repr(&self) -> String {
        match self {
            FilterValue::Null => "None".to_owned(),
            FilterValue::Bool(true) => "True".to_owned(),
            FilterValue::Bool(false) => "False".to_owned(),
            FilterValue::Int(i) => i.to_string(),
            FilterValue::Float(x) => python_float(*x),
            FilterValue::Str(s) => repr(s),
            FilterValue::List(items) => {
                let parts: Vec<String> = items.iter().map(FilterValue::python_repr).collect();
                format!("[{}]", parts.join(", "))
            }
        }
    }

    /// Name of the value's Python type.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            FilterValue::Null => "None",
            FilterValue::Bool(_) => "bool",
            FilterValue::Int(_) => "int",
            FilterValue::Float(_) => "float",
            FilterValue::Str(_) => "str",
            FilterValue::List(_) => "list",
        }
    }

    /// Python's `==`: numbers compare across types, everything else within its own.
    #[must_use]
    pub fn python_eq(&self, other: &FilterValue) -> bool {
        match (self, other) {
            (FilterValue::List(a), FilterValue::List(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.python_eq(b))
            }
            (FilterValue::Str(a), FilterValue::Str(b)) => a == b,
            (FilterValue::Null, FilterValue::Null) => true,
            (FilterValue::Int(a), FilterValue::Int(b)) => a == b,
            _ => matches!((self.number(), other.number()), (Some(a), Some(b)) if a == b),
        }
    }

    /// The number that a number or boolean is.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        match self {
            FilterValue::Bool(b) => Some(f64::from(u8::from(*b))),
            FilterValue::Int(i) => Some(*i as f64),
            FilterValue::Float(x) => Some(*x),
            _ => None,
        }
    }

    /// What iterating over it in Python gives: the items of a list, the characters of a text.
    #[must_use]
    pub fn elements(&self) -> Option<Vec<FilterValue>> {
        match self {
            FilterValue::List(items) => Some(items.clone()),
            FilterValue::Str(s) => {
                Some(s.chars().map(|c| FilterValue::Str(c.to_string())).collect())
            }
            _ => None,
        }
    }
}
