//! Values as Python's `json.dumps(..., ensure_ascii=False)` writes them.

use std::fmt::Write;

use serde_json::Value;
use upturn_types::python_float;

/// A value of Python's `json`. Unlike JSON's it has NaN and infinities.
#[derive(Debug, Clone, PartialEq)]
pub enum PyValue {
    /// `None`.
    Null,
    /// `True` or `False`.
    Bool(bool),
    /// An `int`.
    Int(i128),
    /// A `float`.
    Float(f64),
    /// A `str`.
    Text(String),
    /// A `list` or `tuple`.
    List(Vec<PyValue>),
    /// A `dict`, in its order.
    Dict(Vec<(String, PyValue)>),
}

impl From<u64> for PyValue {
    fn from(n: u64) -> Self {
        PyValue::Int(i128::from(n))
    }
}

impl From<f64> for PyValue {
    fn from(f: f64) -> Self {
        PyValue::Float(f)
    }
}

impl From<&Value> for PyValue {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => PyValue::Null,
            Value::Bool(b) => PyValue::Bool(*b),
            Value::Number(n) => n.as_i128().map_or_else(
                || PyValue::Float(n.as_f64().unwrap_or(f64::NAN)),
                PyValue::Int,
            ),
            Value::String(text) => PyValue::Text(text.clone()),
            Value::Array(items) => PyValue::List(items.iter().map(PyValue::from).collect()),
            Value::Object(entries) => PyValue::Dict(
                entries
                    .iter()
                    .map(|(k, v)| (k.clone(), PyValue::from(v)))
                    .collect(),
            ),
        }
    }
}

impl PyValue {
    /// Appends the value on one line, with a space after commas and colons.
    pub fn write_compact(&self, out: &mut String) {
        self.write(out, None);
    }

    /// Appends the value as `indent=2` writes it.
    pub fn write_indented(&self, out: &mut String) {
        self.write(out, Some(0));
    }

    fn write(&self, out: &mut String, depth: Option<usize>) {
        match self {
            PyValue::Null => out.push_str("null"),
            PyValue::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
            PyValue::Int(n) => {
                // Writing to a text cannot fail.
                let _ = write!(out, "{n}");
            }
            PyValue::Float(f) if f.is_nan() => out.push_str("NaN"),
            PyValue::Float(f) if f.is_infinite() => {
                out.push_str(if *f > 0.0 { "Infinity" } else { "-Infinity" });
            }
            PyValue::Float(f) => out.push_str(&python_float(*f)),
            PyValue::Text(text) => quote(text, out),
            PyValue::List(items) if items.is_empty() => out.push_str("[]"),
            PyValue::List(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    separate(i == 0, depth, out);
                    item.write(out, depth.map(|d| d + 1));
                }
                end(depth, out);
                out.push(']');
            }
            PyValue::Dict(entries) if entries.is_empty() => out.push_str("{}"),
            PyValue::Dict(entries) => {
                out.push('{');
                for (i, (key, value)) in entries.iter().enumerate() {
                    separate(i == 0, depth, out);
                    quote(key, out);
                    out.push_str(": ");
                    value.write(out, depth.map(|d| d + 1));
                }
                end(depth, out);
                out.push('}');
            }
        }
    }
}

fn separate(first: bool, depth: Option<usize>, out: &mut String) {
    match depth {
        Some(depth) => {
            if !first {
                out.push(',');
            }
            new_line(depth + 1, out);
        }
        None if !first => out.push_str(", "),
        None => {}
    }
}

fn end(depth: Option<usize>, out: &mut String) {
    if let Some(depth) = depth {
        new_line(depth, out);
    }
}

fn new_line(depth: usize, out: &mut String) {
    out.push('\n');
    for _ in 0..depth {
        out.push_str("  ");
    }
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' => {
                // Writing to a text cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn floats_lead_back_to_themselves(bits: u64) {
            let float = f64::from_bits(bits);
            prop_assume!(!float.is_nan());
            let printed = python_float(float);
            prop_assert_eq!(printed.parse::<f64>().unwrap().to_bits(), bits);
        }
    }

    #[test]
    fn thousands_of_floats_as_python_prints_them() {
        let lines = include_str!("../../tests/python_floats.txt");
        for line in lines.lines() {
            let (bits, printed) = line.split_once(' ').unwrap();
            let float = f64::from_bits(u64::from_str_radix(bits, 16).unwrap());
            assert_eq!(python_float(float), printed, "{bits}");
        }
        assert!(lines.lines().count() > 2000);
    }

    #[test]
    fn layout_and_escapes_as_python_writes_them() {
        let value = PyValue::Dict(vec![
            (
                "a".to_owned(),
                PyValue::List(vec![PyValue::Int(1), PyValue::Float(1.0), PyValue::Null]),
            ),
            (
                "e\"\u{e9}".to_owned(),
                PyValue::Text("\u{8}\u{c}\u{1b}\u{7f}\t\\/\u{2028}".to_owned()),
            ),
            (
                "empty".to_owned(),
                PyValue::List(vec![PyValue::List(vec![]), PyValue::Dict(vec![])]),
            ),
            ("n".to_owned(), PyValue::Float(f64::NAN)),
        ]);
        let mut compact = String::new();
        value.write_compact(&mut compact);
        assert_eq!(
            compact,
            "{\"a\": [1, 1.0, null], \"e\\\"\u{e9}\": \"\\b\\f\\u001b\u{7f}\\t\\\\/\u{2028}\", \"empty\": [[], {}], \"n\": NaN}"
        );
        let mut indented = String::new();
        PyValue::Dict(vec![
            (
                "a".to_owned(),
                PyValue::List(vec![PyValue::Int(1), PyValue::Dict(vec![])]),
            ),
            ("b".to_owned(), PyValue::Bool(true)),
        ])
        .write_indented(&mut indented);
        assert_eq!(
            indented,
            "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": true\n}"
        );
    }
}
