//! JSON rows as a table: every row has every column, and a column has one type where it can.
//!
//! The rules are those that `datasets` 4 applies through Arrow: columns in the order of their
//! first appearance, absent ones null; numbers of a column are floats once one is; objects
//! take the order of keys of the first where all have the same keys, and are otherwise left
//! alone; texts that are all dates become dates.

use serde_json::{Number, Value};

use super::Row;

/// What the values at one place have in common.
#[derive(Debug, Clone, PartialEq)]
enum Shape {
    /// Only nulls so far.
    Null,
    Bool,
    Int,
    Float,
    /// Texts that are all dates, with or without a time.
    Time,
    Text,
    List(Box<Shape>),
    /// Objects with these keys, in this order.
    Struct(Vec<(String, Shape)>),
    /// Nothing: values stay as they are.
    Mixed,
}

/// Gives all rows the same columns and types.
pub(super) fn unify(rows: &mut [Row]) {
    let mut columns: Vec<(String, Shape)> = Vec::new();
    let mut at = std::collections::HashMap::new();
    for row in rows.iter() {
        for (i, (name, value)) in row.iter().enumerate() {
            // Nearly every row has the same keys in the same order.
            let column = match columns.get(i) {
                Some((known, _)) if known == name => i,
                _ => *at.entry(name.clone()).or_insert_with(|| {
                    let found = columns.iter().position(|(known, _)| known == name);
                    found.unwrap_or_else(|| {
                        columns.push((name.clone(), Shape::Null));
                        columns.len() - 1
                    })
                }),
            };
            if let Some((_, shape)) = columns.get_mut(column) {
                widen(shape, value);
            }
        }
    }
    for row in rows {
        let in_order = row.len() == columns.len()
            && row.keys().zip(&columns).all(|(key, (name, _))| key == name);
        if !in_order {
            let mut full = Row::with_capacity(columns.len());
            for (name, _) in &columns {
                let value = row.get_mut(name).map_or(Value::Null, Value::take);
                full.insert(name.clone(), value);
            }
            *row = full;
        }
        for ((_, shape), value) in columns.iter().zip(row.values_mut()) {
            if has_work(shape) {
                fit(shape, value);
            }
        }
    }
}

/// Widens a shape until it covers the value.
fn widen(shape: &mut Shape, value: &Value) {
    match (&mut *shape, value) {
        (_, Value::Null) | (Shape::Mixed, _) => {}
        (Shape::List(inner), Value::Array(items)) => {
            items.iter().for_each(|item| widen(inner, item));
        }
        (Shape::Struct(fields), Value::Object(object)) => {
            let same_keys =
                object.len() == fields.len() && fields.iter().all(|(k, _)| object.contains_key(k));
            if same_keys {
                for (key, field) in fields {
                    if let Some(value) = object.get(key) {
                        widen(field, value);
                    }
                }
            } else {
                *shape = Shape::Mixed;
            }
        }
        (_, value) => {
            let found = shape_of(value);
            *shape = match (std::mem::replace(shape, Shape::Null), found) {
                (Shape::Null, found) => found,
                (known, found) if known == found => known,
                (Shape::Int | Shape::Float, Shape::Int | Shape::Float) => Shape::Float,
                (Shape::Time | Shape::Text, Shape::Time | Shape::Text) => Shape::Text,
                _ => Shape::Mixed,
            };
        }
    }
}

fn shape_of(value: &Value) -> Shape {
    match value {
        Value::Null => Shape::Null,
        Value::Bool(_) => Shape::Bool,
        Value::Number(n) if n.is_i64() => Shape::Int,
        Value::Number(_) => Shape::Float,
        Value::String(text) if time(text).is_some() => Shape::Time,
        Value::String(_) => Shape::Text,
        Value::Array(items) => {
            let mut inner = Shape::Null;
            items.iter().for_each(|item| widen(&mut inner, item));
            Shape::List(Box::new(inner))
        }
        // Arrow knows no object without keys.
        Value::Object(object) if object.is_empty() => Shape::Mixed,
        Value::Object(object) => Shape::Struct(
            object
                .iter()
                .map(|(key, value)| (key.clone(), shape_of(value)))
                .collect(),
        ),
    }
}

/// Whether fitting could change a value of this shape.
fn has_work(shape: &Shape) -> bool {
    match shape {
        Shape::Null | Shape::Bool | Shape::Int | Shape::Text | Shape::Mixed => false,
        Shape::Float | Shape::Time | Shape::Struct(_) => true,
        Shape::List(inner) => has_work(inner),
    }
}

fn fit(shape: &Shape, value: &mut Value) {
    match (shape, &mut *value) {
        (Shape::Float, Value::Number(n)) if !n.is_f64() => {
            if let Some(float) = n.as_f64().and_then(Number::from_f64) {
                *n = float;
            }
        }
        (Shape::Time, Value::String(text)) => {
            if let Some(printed) = time(text) {
                *text = printed;
            }
        }
        (Shape::List(inner), Value::Array(items)) => {
            items.iter_mut().for_each(|item| fit(inner, item));
        }
        (Shape::Struct(fields), Value::Object(object)) => {
            let in_order = object
                .keys()
                .zip(fields)
                .all(|(key, (name, _))| key == name);
            if !in_order {
                let mut ordered = Row::with_capacity(fields.len());
                for (name, _) in fields {
                    let value = object.get_mut(name).map_or(Value::Null, Value::take);
                    ordered.insert(name.clone(), value);
                }
                *object = ordered;
            }
            for ((_, field), value) in fields.iter().zip(object.values_mut()) {
                fit(field, value);
            }
        }
        _ => {}
    }
}

/// The text as Python prints the date in it; `None` when it is no date in the forms that
/// Arrow takes for one: `2020-01-31`, with a time after a space or `T`, and `Z` at the end.
fn time(text: &str) -> Option<String> {
    let bytes = text.strip_suffix('Z').unwrap_or(text).as_bytes();
    let number = |from: usize, n: usize| -> Option<u32> {
        let digits = bytes.get(from..from + n)?;
        digits.iter().try_fold(0, |sum, b| {
            b.is_ascii_digit().then(|| sum * 10 + u32::from(b - b'0'))
        })
    };
    let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
    if bytes.get(4) != Some(&b'-') || bytes.get(7) != Some(&b'-') {
        return None;
    }
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let n_days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if day == 0 || day > n_days || year == 0 {
        return None;
    }
    let part = |from: usize, end: u32| number(from, 2).filter(|n| *n < end);
    let (hour, minute, second) = match bytes.len() {
        10 if bytes.len() == text.len() => (0, 0, 0),
        13 => (part(11, 24)?, 0, 0),
        16 => (part(11, 24)?, part(14, 60)?, 0),
        19 => (part(11, 24)?, part(14, 60)?, part(17, 60)?),
        _ => return None,
    };
    let separated = matches!(bytes.get(10), None | Some(b' ' | b'T'))
        && matches!(bytes.get(13), None | Some(b':'))
        && matches!(bytes.get(16), None | Some(b':'));
    separated.then(|| format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_in_arrows_forms() {
        let printed = |text| time(text);
        assert_eq!(printed("2020-01-31").unwrap(), "2020-01-31 00:00:00");
        assert_eq!(printed("2020-02-29T07:05Z").unwrap(), "2020-02-29 07:05:00");
        assert_eq!(
            printed("2020-02-29 07:05:09").unwrap(),
            "2020-02-29 07:05:09"
        );
        for none in [
            "2021-02-29",
            "2020-13-01",
            "2020-1-1",
            "2020-01-31X07:05",
            "2020-01-31 24:00",
            "20200131",
            "2020-01-31 07:05:09.5",
            "x",
            "",
            "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}",
        ] {
            assert_eq!(printed(none), None, "{none}");
        }
    }
}
