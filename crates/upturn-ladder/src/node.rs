//! A TOML document as a tree that knows its lines, and the checks that every section needs.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::{LadderError, did_you_mean};

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) value: Value,
    /// From 1; unknown where a table came without its text.
    pub(crate) line: Option<usize>,
}

#[derive(Debug, Clone)]
pub(crate) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Bool(bool),
    List(Vec<Node>),
    Table(BTreeMap<String, Node>),
    /// A date or time, which nothing expects.
    Other(String),
}

impl Value {
    /// How a message shows it.
    fn shown(&self) -> String {
        match self {
            Value::Text(t) => format!("'{}'", t.escape_debug()),
            Value::Integer(n) => n.to_string(),
            Value::Float(x) => x.to_string(),
            Value::Bool(b) => b.to_string(),
            Value::List(l) if l.is_empty() => "an empty list".to_owned(),
            Value::List(l) => format!("a list of {}", l.len()),
            Value::Table(_) => "a table".to_owned(),
            Value::Other(t) => t.clone(),
        }
    }
}

/// Reads a document; the error is one line.
pub(crate) fn parse(text: &str, file: &str) -> Result<Node, LadderError> {
    let starts: Vec<usize> = std::iter::once(0)
        .chain(text.match_indices('\n').map(|(i, _)| i + 1))
        .collect();
    let line = |at: usize| starts.partition_point(|s| *s <= at);
    let root = DeTable::parse(text).map_err(|e| LadderError::Config {
        place: match e.span() {
            Some(span) => format!("{file}:{}", line(span.start)),
            None => file.to_owned(),
        },
        message: e.message().replace('\n', " "),
    })?;
    Ok(Node {
        value: table(root.get_ref(), &line),
        line: Some(1),
    })
}

fn table(table: &DeTable<'_>, line: &impl Fn(usize) -> usize) -> Value {
    let entries = table.iter().map(|(key, value)| {
        // A key's line rather than its value's: a table's value may begin elsewhere.
        let node = Node {
            value: value_of(value, line),
            line: Some(line(key.span().start)),
        };
        (key.get_ref().to_string(), node)
    });
    Value::Table(entries.collect())
}

fn value_of(value: &Spanned<DeValue<'_>>, line: &impl Fn(usize) -> usize) -> Value {
    match value.get_ref() {
        DeValue::String(t) => Value::Text(t.to_string()),
        DeValue::Integer(n) => match i64::from_str_radix(n.as_str(), n.radix()) {
            Ok(n) => Value::Integer(n),
            Err(_) => Value::Other(n.as_str().to_owned()),
        },
        DeValue::Float(x) => match x.as_str().parse() {
            Ok(x) => Value::Float(x),
            Err(_) => Value::Other(x.as_str().to_owned()),
        },
        DeValue::Boolean(b) => Value::Bool(*b),
        DeValue::Datetime(d) => Value::Other(d.to_string()),
        DeValue::Array(list) => Value::List(
            list.iter()
                .map(|v| Node {
                    value: value_of(v, line),
                    line: Some(line(v.span().start)),
                })
                .collect(),
        ),
        DeValue::Table(t) => table(t, line),
    }
}

/// A table that was read already.
pub(crate) fn of_table(table: &toml::Table) -> Node {
    let entries = table.iter().map(|(k, v)| (k.clone(), of_value(v)));
    Node {
        value: Value::Table(entries.collect()),
        line: None,
    }
}

fn of_value(value: &toml::Value) -> Node {
    let value = match value {
        toml::Value::String(t) => Value::Text(t.clone()),
        toml::Value::Integer(n) => Value::Integer(*n),
        toml::Value::Float(x) => Value::Float(*x),
        toml::Value::Boolean(b) => Value::Bool(*b),
        toml::Value::Datetime(d) => Value::Other(d.to_string()),
        toml::Value::Array(list) => Value::List(list.iter().map(of_value).collect()),
        toml::Value::Table(t) => return of_table(t),
    };
    Node { value, line: None }
}

/// Where errors are, and the lines of keys for those that are found later.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    /// `ladder.toml`, or `study.toml: ladder`.
    pub(crate) file: String,
    /// By key with its path.
    lines: BTreeMap<String, usize>,
}

impl Places {
    pub(crate) fn new(file: &str, root: &Node) -> Self {
        let mut places = Places {
            file: file.to_owned(),
            lines: BTreeMap::new(),
        };
        places.add("", root);
        places
    }

    fn add(&mut self, path: &str, node: &Node) {
        if let Some(line) = node.line {
            self.lines.insert(path.to_owned(), line);
        }
        match &node.value {
            Value::Table(table) => {
                for (key, node) in table {
                    self.add(&join(path, key), node);
                }
            }
            Value::List(list) => {
                for (i, node) in list.iter().enumerate() {
                    self.add(&format!("{path}[{i}]"), node);
                }
            }
            _ => {}
        }
    }

    /// An error at a key, or at the nearest part of its path that is there.
    pub(crate) fn error(&self, path: &str, message: impl Into<String>) -> LadderError {
        let mut at = path;
        let line = loop {
            if let Some(line) = self.lines.get(at) {
                break Some(*line);
            }
            match at.rfind(['.', '[']) {
                Some(i) => at = &at[..i],
                None => break None,
            }
        };
        let place = match line {
            Some(line) => format!("{}:{line}: {path}", self.file),
            None => format!("{}: {path}", self.file),
        };
        LadderError::Config {
            place: place.trim_end_matches([':', ' ']).to_owned(),
            message: message.into(),
        }
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// A table of the document with its path: what a section reads its keys from.
pub(crate) struct Section<'a> {
    pub(crate) places: &'a Places,
    pub(crate) path: String,
    table: &'a BTreeMap<String, Node>,
}

type Read<T> = Result<T, LadderError>;

impl<'a> Section<'a> {
    /// The table at a path; its keys are checked.
    pub(crate) fn new(
        places: &'a Places,
        path: impl Into<String>,
        node: &'a Node,
        keys: &[&str],
    ) -> Read<Self> {
        let path = path.into();
        let Value::Table(table) = &node.value else {
            return Err(wrong(places, &path, &node.value, "a table"));
        };
        if let Some(key) = table.keys().find(|k| !keys.contains(&k.as_str())) {
            let hint = did_you_mean(key, keys);
            let message = format!("unknown key{hint}; expected {}", keys.join(", "));
            return Err(places.error(&join(&path, key), message));
        }
        Ok(Section {
            places,
            path,
            table,
        })
    }

    /// A section within this one, where it is there.
    pub(crate) fn section(&self, key: &str, keys: &[&str]) -> Read<Option<Section<'a>>> {
        let Some(node) = self.table.get(key) else {
            return Ok(None);
        };
        Section::new(self.places, join(&self.path, key), node, keys).map(Some)
    }

    /// The sections of a list of tables.
    pub(crate) fn sections(&self, key: &str, keys: &[&str]) -> Read<Vec<Section<'a>>> {
        let Some(node) = self.table.get(key) else {
            return Ok(Vec::new());
        };
        let path = join(&self.path, key);
        let Value::List(list) = &node.value else {
            return Err(wrong(self.places, &path, &node.value, "a list of tables"));
        };
        let each = |(i, node)| Section::new(self.places, format!("{path}[{i}]"), node, keys);
        list.iter().enumerate().map(each).collect()
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    pub(crate) fn path_of(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// An error at one of the keys.
    pub(crate) fn error(&self, key: &str, message: impl Into<String>) -> LadderError {
        self.places.error(&self.path_of(key), message)
    }

    pub(crate) fn wrong(&self, key: &str, value: &Value, expected: &str) -> LadderError {
        wrong(self.places, &self.path_of(key), value, expected)
    }

    /// What `accept` makes of a value.
    pub(crate) fn get<T>(
        &self,
        key: &str,
        expected: &str,
        accept: impl Fn(&'a Value) -> Option<T>,
    ) -> Read<Option<T>> {
        let Some(node) = self.table.get(key) else {
            return Ok(None);
        };
        match accept(&node.value) {
            Some(found) => Ok(Some(found)),
            None => Err(self.wrong(key, &node.value, expected)),
        }
    }

    pub(crate) fn text(&self, key: &str) -> Read<Option<&'a str>> {
        self.get(key, "a text that is not empty", |v| match v {
            Value::Text(t) if !t.trim().is_empty() => Some(t.as_str()),
            _ => None,
        })
    }

    /// One of some words.
    pub(crate) fn word(&self, key: &str, words: &[&str]) -> Read<Option<&'a str>> {
        let quoted: Vec<String> = words.iter().map(|w| format!("\"{w}\"")).collect();
        let expected = quoted.join(" or ");
        let found = self.get(key, &expected, |v| match v {
            Value::Text(t) => Some(t.as_str()),
            _ => None,
        })?;
        match found {
            Some(found) if !words.contains(&found) => {
                let hint = did_you_mean(found, words);
                let value = Value::Text(found.to_owned()).shown();
                let message = format!("{value} is wrong{hint}; expected {expected}");
                Err(self.error(key, message))
            }
            found => Ok(found),
        }
    }

    pub(crate) fn bool(&self, key: &str) -> Read<Option<bool>> {
        self.get(key, "true or false", |v| match v {
            Value::Bool(b) => Some(*b),
            _ => None,
        })
    }

    /// A finite number that passes.
    pub(crate) fn number(
        &self,
        key: &str,
        expected: &str,
        pass: impl Fn(f64) -> bool,
    ) -> Read<Option<f64>> {
        self.get(key, expected, |v| {
            number(v).filter(|x| x.is_finite() && pass(*x))
        })
    }

    /// A whole number; `1e6` counts as one.
    pub(crate) fn count(&self, key: &str, least: usize, most: usize) -> Read<Option<usize>> {
        let expected = format!("a whole number from {least} to {most}");
        self.get(key, &expected, |v| {
            count(v).filter(|n| (least..=most).contains(n))
        })
    }
}

/// An integer or a float.
pub(crate) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(n) => Some(*n as f64),
        Value::Float(x) => Some(*x),
        _ => None,
    }
}

/// A whole number that is not negative.
pub(crate) fn count(value: &Value) -> Option<usize> {
    match value {
        Value::Integer(n) => usize::try_from(*n).ok(),
        Value::Float(x) if x.fract() == 0.0 && (0.0..9e15).contains(x) => Some(*x as usize),
        _ => None,
    }
}

fn wrong(places: &Places, path: &str, value: &Value, expected: &str) -> LadderError {
    let message = format!("{} is wrong; expected {expected}", value.shown());
    places.error(path, message)
}
