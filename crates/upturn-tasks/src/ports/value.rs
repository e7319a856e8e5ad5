//! Values that helpers work on, with Python's equality, order and spelling.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Number, Value};
use upturn_metrics::PyRandom;

use super::ast::Def;
use super::pattern::{Found, Pattern};
use super::run::Scope;
use super::table::Table;
use crate::python::{self, write_str_repr};

/// Deepest nesting of values.
const MAX_DEPTH: usize = 64;
const TOO_DEEP: &str = "gives a value nested deeper than 64 levels";

/// Why a helper stops.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stop {
    /// An exception that `except` may catch: its kind and its message.
    Raise(&'static str, String),
    /// What is not done here, or takes too long: nothing catches it.
    Fatal(String),
}

pub(super) type Made<T> = Result<T, Stop>;

pub(super) fn raise<T>(kind: &'static str, message: impl Into<String>) -> Made<T> {
    Err(Stop::Raise(kind, message.into()))
}

pub(super) fn fatal<T>(message: impl Into<String>) -> Made<T> {
    Err(Stop::Fatal(message.into()))
}

/// A value.
#[derive(Clone)]
pub(super) enum V {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(Rc<str>),
    List(Rc<RefCell<Vec<V>>>),
    Tuple(Rc<[V]>),
    Dict(Rc<RefCell<Dict>>),
    Set(Rc<RefCell<IndexMap<Key, V>>>),
    /// What is left of an iterator.
    Iter(Rc<RefCell<VecDeque<V>>>),
    /// A NumPy array; one of two dimensions holds its rows.
    Array(Rc<RefCell<Vec<V>>>),
    Func(Rc<Closure>),
    Partial(Rc<Partial>),
    /// A builtin, or a function or module of a library, by its dotted path.
    Native(Rc<str>),
    /// A method with its value.
    Bound(Rc<(V, Arc<str>)>),
    Regex(Arc<Pattern>),
    Match(Rc<Found>),
    Table(Rc<Table>),
    Random(Rc<RefCell<PyRandom>>),
    /// An exception: kind and message.
    Error(&'static str, Rc<str>),
    /// A path of a file, as text; never opened.
    Path(Rc<Path>),
    /// A hash, in hex.
    Digest(Rc<str>),
    /// Takes every call and gives none: a logger.
    Mute,
}

/// A dictionary.
#[derive(Clone, Default)]
pub(super) struct Dict {
    pub(super) map: IndexMap<Key, (V, V)>,
    pub(super) kind: DictKind,
}

/// What a dictionary does about a missing key.
#[derive(Clone, Default)]
pub(super) enum DictKind {
    #[default]
    Plain,
    /// `Counter`: 0, not kept.
    Counter,
    /// `defaultdict`: what this makes, kept.
    Default(V),
}

/// A function with the names around it.
pub(super) struct Closure {
    pub(super) def: Arc<Def>,
    pub(super) scope: Rc<Scope>,
    pub(super) defaults: Vec<(Arc<str>, V)>,
}

/// `functools.partial`.
pub(super) struct Partial {
    pub(super) function: V,
    pub(super) args: Vec<V>,
    pub(super) named: Vec<(Arc<str>, V)>,
}

/// What dictionaries and sets look values up by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    None,
    Int(i64),
    /// Bits of a number that is not whole.
    Float(u64),
    Str(Rc<str>),
    Tuple(Vec<Key>),
    Other(usize),
}

impl V {
    pub(super) fn str(text: impl AsRef<str>) -> V {
        V::Str(text.as_ref().into())
    }

    pub(super) fn list(items: Vec<V>) -> V {
        V::List(Rc::new(RefCell::new(items)))
    }

    pub(super) fn array(items: Vec<V>) -> V {
        V::Array(Rc::new(RefCell::new(items)))
    }

    pub(super) fn tuple(items: Vec<V>) -> V {
        V::Tuple(items.into())
    }

    pub(super) fn iter(items: Vec<V>) -> V {
        V::Iter(Rc::new(RefCell::new(items.into())))
    }

    pub(super) fn dict(entries: impl IntoIterator<Item = (V, V)>) -> Made<V> {
        let mut dict = Dict::default();
        for (key, value) in entries {
            dict.map.insert(key.key()?, (key, value));
        }
        Ok(V::Dict(Rc::new(RefCell::new(dict))))
    }

    pub(super) fn set(items: impl IntoIterator<Item = V>) -> Made<V> {
        let mut set = IndexMap::new();
        for item in items {
            set.entry(item.key()?).or_insert(item);
        }
        Ok(V::Set(Rc::new(RefCell::new(set))))
    }

    /// Name of its type.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            V::None => "NoneType",
            V::Bool(_) => "bool",
            V::Int(_) => "int",
            V::Float(_) => "float",
            V::Str(_) => "str",
            V::List(_) => "list",
            V::Tuple(_) => "tuple",
            V::Dict(d) => match d.borrow().kind {
                DictKind::Plain => "dict",
                DictKind::Counter => "Counter",
                DictKind::Default(_) => "defaultdict",
            },
            V::Set(_) => "set",
            V::Iter(_) => "iterator",
            V::Array(_) => "ndarray",
            V::Func(_) | V::Partial(_) | V::Native(_) | V::Bound(_) => "function",
            V::Regex(_) => "Pattern",
            V::Match(_) => "Match",
            V::Table(_) => "Dataset",
            V::Random(_) => "Random",
            V::Error(kind, _) => kind,
            V::Path(_) => "Path",
            V::Digest(_) => "HASH",
            V::Mute => "Logger",
        }
    }

    pub(super) fn key(&self) -> Made<Key> {
        Ok(match self {
            V::None => Key::None,
            V::Bool(b) => Key::Int(i64::from(*b)),
            V::Int(i) => Key::Int(*i),
            #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
            V::Float(x) if x.fract() == 0.0 && x.abs() < 9e18 => Key::Int(*x as i64),
            V::Float(x) => Key::Float(x.to_bits()),
            V::Str(s) => Key::Str(s.clone()),
            V::Tuple(items) => Key::Tuple(items.iter().map(V::key).collect::<Made<_>>()?),
            V::Native(path) => Key::Str(path.clone()),
            V::Regex(p) => Key::Other(Arc::as_ptr(p).addr()),
            other => return raise("TypeError", format!("unhashable type: '{}'", other.kind())),
        })
    }

    /// Whether it counts as true.
    pub(super) fn truth(&self) -> Made<bool> {
        Ok(match self {
            V::None => false,
            V::Bool(b) => *b,
            V::Int(i) => *i != 0,
            V::Float(x) => *x != 0.0,
            V::Str(s) => !s.is_empty(),
            V::List(items) => !items.borrow().is_empty(),
            V::Tuple(items) => !items.is_empty(),
            V::Dict(d) => !d.borrow().map.is_empty(),
            V::Set(s) => !s.borrow().is_empty(),
            V::Table(t) => !t.rows.is_empty(),
            V::Array(items) => match items.borrow().as_slice() {
                [one] => one.truth()?,
                _ => return raise("ValueError", "the truth value of an array is ambiguous"),
            },
            _ => true,
        })
    }

    /// The number that an int, float or bool is.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            V::Bool(b) => Some(f64::from(u8::from(*b))),
            V::Int(i) => Some(*i as f64),
            V::Float(x) => Some(*x),
            _ => None,
        }
    }

    /// The whole number that an int or bool is.
    pub(super) fn int(&self) -> Option<i64> {
        match self {
            V::Bool(b) => Some(i64::from(*b)),
            V::Int(i) => Some(*i),
            _ => None,
        }
    }

    pub(super) fn text(&self, what: &str) -> Made<&Rc<str>> {
        match self {
            V::Str(s) => Ok(s),
            other => raise(
                "TypeError",
                format!("{what}: expected str, got {}", other.kind()),
            ),
        }
    }

    /// What iterating over it gives. The order of a set is not defined in Python, so a set of
    /// more than one item is refused here: callers that do not mind take [`V::members`].
    pub(super) fn items(&self) -> Made<Vec<V>> {
        match self {
            V::Set(set) if set.borrow().len() > 1 => {
                fatal("goes through a set, whose order is not defined; sort it")
            }
            other => other.members(),
        }
    }

    /// As [`V::items`] for those to whom order is nothing.
    pub(super) fn members(&self) -> Made<Vec<V>> {
        Ok(match self {
            V::List(items) | V::Array(items) => items.borrow().clone(),
            V::Tuple(items) => items.to_vec(),
            V::Str(s) => s.chars().map(|c| V::str(c.to_string())).collect(),
            V::Dict(d) => d.borrow().map.values().map(|e| e.0.clone()).collect(),
            V::Set(s) => s.borrow().values().cloned().collect(),
            V::Iter(rest) => rest.borrow_mut().drain(..).collect(),
            V::Table(t) => t.all(),
            other => {
                return raise(
                    "TypeError",
                    format!("'{}' object is not iterable", other.kind()),
                );
            }
        })
    }

    pub(super) fn len(&self) -> Made<usize> {
        Ok(match self {
            V::Str(s) => s.chars().count(),
            V::List(items) | V::Array(items) => items.borrow().len(),
            V::Tuple(items) => items.len(),
            V::Dict(d) => d.borrow().map.len(),
            V::Set(s) => s.borrow().len(),
            V::Table(t) => t.rows.len(),
            other => {
                return raise(
                    "TypeError",
                    format!("object of type '{}' has no len()", other.kind()),
                );
            }
        })
    }

    /// `==`; values nested deeper than 64 levels are equal to nothing.
    pub(super) fn equals(&self, other: &V) -> bool {
        self.equals_at(other, 0)
    }

    fn equals_at(&self, other: &V, depth: usize) -> bool {
        if depth > MAX_DEPTH {
            return false;
        }
        let all_equal = |a: &[V], b: &[V]| {
            a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x.equals_at(y, depth + 1))
        };
        match (self, other) {
            (V::Str(a), V::Str(b)) => a == b,
            (V::None, V::None) => true,
            (V::Int(a), V::Int(b)) => a == b,
            (V::List(a), V::List(b)) | (V::Array(a), V::Array(b)) => {
                Rc::ptr_eq(a, b) || all_equal(&a.borrow(), &b.borrow())
            }
            (V::Tuple(a), V::Tuple(b)) => all_equal(a, b),
            (V::Dict(a), V::Dict(b)) => {
                let (a, b) = (a.borrow(), b.borrow());
                a.map.len() == b.map.len()
                    && a.map.iter().all(|(k, (_, x))| {
                        b.map.get(k).is_some_and(|(_, y)| x.equals_at(y, depth + 1))
                    })
            }
            (V::Set(a), V::Set(b)) => {
                let (a, b) = (a.borrow(), b.borrow());
                a.len() == b.len() && a.keys().all(|k| b.contains_key(k))
            }
            (V::Native(a), V::Native(b)) => a == b,
            (V::Regex(a), V::Regex(b)) => Arc::ptr_eq(a, b),
            _ => match (self.number(), other.number()) {
                (Some(x), Some(y)) => x == y,
                _ => false,
            },
        }
    }

    /// `<` and its like; NaN is equal to nothing.
    pub(super) fn order(&self, other: &V) -> Made<Option<Ordering>> {
        match (self, other) {
            (V::Str(a), V::Str(b)) => Ok(Some(a.cmp(b))),
            (V::Int(a), V::Int(b)) => Ok(Some(a.cmp(b))),
            (V::List(a), V::List(b)) => order_all(&a.borrow(), &b.borrow()),
            (V::Tuple(a), V::Tuple(b)) => order_all(a, b),
            _ => match (self.number(), other.number()) {
                (Some(x), Some(y)) => Ok(x.partial_cmp(&y)),
                _ => raise(
                    "TypeError",
                    format!("cannot compare '{}' and '{}'", self.kind(), other.kind()),
                ),
            },
        }
    }

    /// `str(value)`.
    pub(super) fn to_text(&self) -> Made<String> {
        match self {
            V::Str(s) => Ok(s.to_string()),
            V::Error(_, message) => Ok(message.to_string()),
            V::Path(p) => Ok(p.display().to_string()),
            other => other.repr(),
        }
    }

    /// `repr(value)`.
    pub(super) fn repr(&self) -> Made<String> {
        let mut out = String::new();
        self.write_repr(&mut out, 0)?;
        Ok(out)
    }

    fn write_repr(&self, out: &mut String, depth: usize) -> Made<()> {
        if depth > 64 {
            return fatal("writes a value nested deeper than 64 levels");
        }
        let list = |out: &mut String, items: &[V], open: char, close: char| {
            out.push(open);
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                item.write_repr(out, depth + 1)?;
            }
            if open == '(' && items.len() == 1 {
                out.push(',');
            }
            out.push(close);
            Ok(())
        };
        match self {
            V::None => out.push_str("None"),
            V::Bool(true) => out.push_str("True"),
            V::Bool(false) => out.push_str("False"),
            V::Int(i) => out.push_str(&i.to_string()),
            V::Float(x) => out.push_str(&python::float(*x)),
            V::Str(s) => write_str_repr(out, s),
            V::List(items) => return list(out, &items.borrow(), '[', ']'),
            V::Tuple(items) => return list(out, items, '(', ')'),
            V::Dict(d) if matches!(d.borrow().kind, DictKind::Plain) => {
                out.push('{');
                for (i, (key, value)) in d.borrow().map.values().enumerate() {
                    if i > 0 {
                        out.push_str(", ");
                    }
                    key.write_repr(out, depth + 1)?;
                    out.push_str(": ");
                    value.write_repr(out, depth + 1)?;
                }
                out.push('}');
            }
            V::Set(s) if s.borrow().is_empty() => out.push_str("set()"),
            V::Set(_) => return list(out, &self.items()?, '{', '}'),
            other => return fatal(format!("writes a {} as text", other.kind())),
        }
        Ok(())
    }

    /// The value of a field of an item.
    pub(super) fn from_json(value: &Value) -> V {
        match value {
            Value::Null => V::None,
            Value::Bool(b) => V::Bool(*b),
            Value::Number(n) => match n.as_i64() {
                Some(i) => V::Int(i),
                None => V::Float(n.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(s) => V::str(s),
            Value::Array(items) => V::list(items.iter().map(V::from_json).collect()),
            Value::Object(map) => V::from_doc(map),
        }
    }

    /// An item as a dictionary.
    pub(super) fn from_doc(doc: &Map<String, Value>) -> V {
        let mut dict = Dict::default();
        for (key, value) in doc {
            let key: Rc<str> = key.as_str().into();
            dict.map
                .insert(Key::Str(key.clone()), (V::Str(key), V::from_json(value)));
        }
        V::Dict(Rc::new(RefCell::new(dict)))
    }

    /// The value as a field of an item: tuples become lists; what is no data is refused.
    pub(super) fn to_json(&self) -> Made<Value> {
        self.to_json_at(0)
    }

    fn to_json_at(&self, depth: usize) -> Made<Value> {
        if depth > MAX_DEPTH {
            return fatal(TOO_DEEP);
        }
        let all = |items: &[V]| -> Made<Value> {
            let all: Made<Vec<Value>> = items.iter().map(|v| v.to_json_at(depth + 1)).collect();
            all.map(Value::Array)
        };
        Ok(match self {
            V::None => Value::Null,
            V::Bool(b) => Value::Bool(*b),
            V::Int(i) => Value::from(*i),
            V::Float(x) => Number::from_f64(*x).map_or(Value::Null, Value::Number),
            V::Str(s) => Value::String(s.to_string()),
            V::List(items) | V::Array(items) => all(&items.borrow())?,
            V::Tuple(items) => all(items)?,
            V::Set(_) | V::Iter(_) => all(&self.items()?)?,
            V::Dict(d) => {
                let mut map = Map::new();
                for (key, value) in d.borrow().map.values() {
                    map.insert(key.to_text()?, value.to_json_at(depth + 1)?);
                }
                Value::Object(map)
            }
            V::Path(p) => Value::String(p.display().to_string()),
            other => return fatal(format!("gives a {}, which is no data", other.kind())),
        })
    }
}

fn order_all(a: &[V], b: &[V]) -> Made<Option<Ordering>> {
    for (x, y) in a.iter().zip(b) {
        if !x.equals(y) {
            return x.order(y);
        }
    }
    Ok(Some(a.len().cmp(&b.len())))
}

/// A value that may pass between threads: what a helper says of an item, before aggregation.
#[derive(Debug, Clone, PartialEq)]
pub enum Plain {
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
    /// A list.
    List(Vec<Plain>),
    /// A tuple.
    Tuple(Vec<Plain>),
    /// A dictionary with texts (or what `str` makes of others) as keys.
    Dict(Vec<(String, Plain)>),
}

impl Plain {
    /// The number that it is; a truth value counts as 0 or 1.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        match self {
            Plain::Bool(b) => Some(f64::from(u8::from(*b))),
            Plain::Int(i) => Some(*i as f64),
            Plain::Float(x) => Some(*x),
            _ => None,
        }
    }

    /// The items of a list or tuple.
    #[must_use]
    pub fn items(&self) -> Option<&[Plain]> {
        match self {
            Plain::List(items) | Plain::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// The value that JSON spells.
    #[must_use]
    pub fn from_json(value: &Value) -> Plain {
        match value {
            Value::Null => Plain::Null,
            Value::Bool(b) => Plain::Bool(*b),
            Value::Number(n) => match n.as_i64() {
                Some(i) => Plain::Int(i),
                None => Plain::Float(n.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(s) => Plain::Str(s.clone()),
            Value::Array(items) => Plain::List(items.iter().map(Plain::from_json).collect()),
            Value::Object(map) => Plain::Dict(
                map.iter()
                    .map(|(k, v)| (k.clone(), Plain::from_json(v)))
                    .collect(),
            ),
        }
    }

    pub(super) fn to_v(&self) -> V {
        match self {
            Plain::Null => V::None,
            Plain::Bool(b) => V::Bool(*b),
            Plain::Int(i) => V::Int(*i),
            Plain::Float(x) => V::Float(*x),
            Plain::Str(s) => V::str(s),
            Plain::List(items) => V::list(items.iter().map(Plain::to_v).collect()),
            Plain::Tuple(items) => V::tuple(items.iter().map(Plain::to_v).collect()),
            Plain::Dict(entries) => {
                let mut dict = Dict::default();
                for (key, value) in entries {
                    let key: Rc<str> = key.as_str().into();
                    dict.map
                        .insert(Key::Str(key.clone()), (V::Str(key), value.to_v()));
                }
                V::Dict(Rc::new(RefCell::new(dict)))
            }
        }
    }

    pub(super) fn from_v(value: &V) -> Made<Plain> {
        Plain::from_v_at(value, 0)
    }

    fn from_v_at(value: &V, depth: usize) -> Made<Plain> {
        if depth > MAX_DEPTH {
            return fatal(TOO_DEEP);
        }
        let one = |v: &V| Plain::from_v_at(v, depth + 1);
        let all = |items: &[V]| items.iter().map(one).collect::<Made<Vec<_>>>();
        Ok(match value {
            V::None => Plain::Null,
            V::Bool(b) => Plain::Bool(*b),
            V::Int(i) => Plain::Int(*i),
            V::Float(x) => Plain::Float(*x),
            V::Str(s) => Plain::Str(s.to_string()),
            V::List(items) | V::Array(items) => Plain::List(all(&items.borrow())?),
            V::Tuple(items) => Plain::Tuple(all(items)?),
            V::Set(_) | V::Iter(_) => Plain::List(all(&value.items()?)?),
            V::Dict(d) => {
                let mut out = Vec::new();
                for (key, value) in d.borrow().map.values() {
                    out.push((key.to_text()?, one(value)?));
                }
                Plain::Dict(out)
            }
            other => return fatal(format!("gives a {}, which is no data", other.kind())),
        })
    }
}
