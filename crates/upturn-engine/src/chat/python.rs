//! Values as Python writes them: in text, in JSON, in dates.

use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Error, ErrorKind, Output, State};

use super::Date;

/// A JSON value as templates see it.
pub(super) fn from_json(value: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match value {
        Json::Null => Value::from(()),
        Json::Bool(b) => Value::from(*b),
        Json::Number(n) => match (n.as_i64(), n.as_u64()) {
            (Some(n), _) => Value::from(n),
            (None, Some(n)) => Value::from(n),
            (None, None) => Value::from(n.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(s) => Value::from(s.as_str()),
        Json::Array(list) => Value::from(list.iter().map(from_json).collect::<Vec<_>>()),
        Json::Object(map) => Value::from_pairs(map.iter().map(|(k, v)| (k.as_str(), from_json(v)))),
    }
}

/// Writes a value as Jinja does: `str(value)`, and nothing for an undefined one.
pub(super) fn format(out: &mut Output, _: &mut State, value: &Value) -> Result<(), Error> {
    let mut text = String::new();
    match value.kind() {
        ValueKind::Undefined => {}
        ValueKind::String => text.push_str(value.as_str().unwrap_or_default()),
        _ => repr(value, &mut text, 0)?,
    }
    out.write_str(&text).map_err(Error::from)
}

/// `repr(value)` of JSON-like values.
fn repr(value: &Value, out: &mut String, depth: usize) -> Result<(), Error> {
    too_deep(depth)?;
    match value.kind() {
        ValueKind::Undefined => {}
        ValueKind::None => out.push_str("None"),
        ValueKind::Bool => out.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::Number => out.push_str(&number(value)),
        ValueKind::String => repr_string(value.as_str().unwrap_or_default(), out),
        ValueKind::Seq => {
            out.push('[');
            for (i, item) in value.try_iter()?.enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                repr(&item, out, depth + 1)?;
            }
            out.push(']');
        }
        ValueKind::Map => {
            out.push('{');
            for (i, key) in value.try_iter()?.enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                repr(&key, out, depth + 1)?;
                out.push_str(": ");
                repr(&value.get_item(&key)?, out, depth + 1)?;
            }
            out.push('}');
        }
        _ => out.push_str(&value.to_string()),
    }
    Ok(())
}

/// Single quotes, unless the text has one and no double quote.
fn repr_string(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if (c as u32) < 0x20 || (c as u32) == 0x7f => {
                out.push_str(&format!("\\x{:02x}", c as u32));
            }
            c => out.push(c),
        }
    }
    out.push(quote);
}

/// Shortest digits; a float keeps its point, and an exponent as Python writes it.
fn number(value: &Value) -> String {
    if value.is_integer() {
        return value.to_string();
    }
    let Ok(x) = f64::try_from(value.clone()) else {
        return value.to_string();
    };
    if x != 0.0 && !(1e-4..1e16).contains(&x.abs()) {
        let text = format!("{x:e}");
        if let Some((digits, exponent)) = text.split_once('e') {
            let (sign, exponent) = match exponent.strip_prefix('-') {
                Some(e) => ('-', e),
                None => ('+', exponent),
            };
            return format!("{digits}e{sign}{exponent:0>2}");
        }
        return text; // inf, NaN
    }
    format!("{x:?}")
}

/// `json.dumps(value, ensure_ascii=False, …)` with Python's options by name or place.
pub(super) fn tojson(
    value: &Value,
    args: minijinja::value::Rest<Value>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    let mut positional = args.0.into_iter();
    let mut option = |name: &str| -> Result<Option<Value>, Error> {
        let named: Option<Value> = kwargs.get(name)?;
        Ok(named
            .or(positional.next())
            .filter(|v| !v.is_none() && !v.is_undefined()))
    };
    let ensure_ascii = option("ensure_ascii")?.is_some_and(|v| v.is_true());
    let indent = match option("indent")? {
        None => None,
        Some(v) => Some(match v.as_str() {
            Some(text) => text.to_owned(),
            None => " ".repeat(usize::try_from(v)?.min(64)),
        }),
    };
    let separators = option("separators")?;
    let sort_keys = option("sort_keys")?.is_some_and(|v| v.is_true());
    kwargs.assert_all_used()?;
    let (mut item, mut key) = (", ".to_owned(), ": ".to_owned());
    if indent.is_some() {
        item = ",".to_owned();
    }
    if let Some(separators) = separators {
        let mut pair = separators.try_iter()?.map(|v| v.to_string());
        if let (Some(i), Some(k)) = (pair.next(), pair.next()) {
            (item, key) = (i, k);
        }
    }
    let style = Json {
        ensure_ascii,
        indent,
        item,
        key,
        sort_keys,
    };
    let mut out = String::new();
    style.write(value, &mut out, 0)?;
    Ok(Value::from(out))
}

struct Json {
    ensure_ascii: bool,
    indent: Option<String>,
    item: String,
    key: String,
    sort_keys: bool,
}

impl Json {
    fn write(&self, value: &Value, out: &mut String, depth: usize) -> Result<(), Error> {
        too_deep(depth)?;
        match value.kind() {
            ValueKind::None => out.push_str("null"),
            ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => out.push_str(&match number(value).as_str() {
                "inf" => "Infinity".to_owned(),
                "-inf" => "-Infinity".to_owned(),
                text => text.to_owned(),
            }),
            ValueKind::String => self.string(value.as_str().unwrap_or_default(), out),
            ValueKind::Seq | ValueKind::Iterable => {
                let items: Vec<Value> = value.try_iter()?.collect();
                self.list(out, depth, ['[', ']'], &items, |item, out| {
                    self.write(item, out, depth + 1)
                })?;
            }
            ValueKind::Map => {
                let mut keys: Vec<Value> = value.try_iter()?.collect();
                if self.sort_keys {
                    keys.sort();
                }
                self.list(out, depth, ['{', '}'], &keys, |k, out| {
                    self.string(&k.to_string(), out);
                    out.push_str(&self.key);
                    self.write(&value.get_item(k)?, out, depth + 1)
                })?;
            }
            _ => {
                return Err(Error::new(
                    ErrorKind::InvalidOperation,
                    format!("{} has no JSON form", value.kind()),
                ));
            }
        }
        Ok(())
    }

    fn list(
        &self,
        out: &mut String,
        depth: usize,
        brackets: [char; 2],
        items: &[Value],
        mut each: impl FnMut(&Value, &mut String) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let line = |out: &mut String, depth: usize| {
            if let Some(indent) = &self.indent {
                out.push('\n');
                for _ in 0..depth {
                    out.push_str(indent);
                }
            }
        };
        out.push(brackets[0]);
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                out.push_str(&self.item);
            }
            line(out, depth + 1);
            each(item, out)?;
        }
        if !items.is_empty() {
            line(out, depth);
        }
        out.push(brackets[1]);
        Ok(())
    }

    fn string(&self, text: &str, out: &mut String) {
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
                c if (c as u32) < 0x20 || self.ensure_ascii && (c as u32) >= 0x7f => {
                    // `ensure_ascii` leaves DEL as it is.
                    if c == '\u{7f}' {
                        out.push(c);
                        continue;
                    }
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        out.push_str(&format!("\\u{unit:04x}"));
                    }
                }
                c => out.push(c),
            }
        }
        out.push('"');
    }
}

fn too_deep(depth: usize) -> Result<(), Error> {
    if depth > 100 {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            "value nested too deeply",
        ));
    }
    Ok(())
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// A day as `strftime` writes it, at midnight.
pub(super) fn strftime(date: Date, format: &str) -> Result<String, Error> {
    let month = usize::from(date.month.clamp(1, 12) - 1);
    let weekday = weekday(date);
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut directive = chars.next();
        let bare = directive == Some('-');
        if bare {
            directive = chars.next();
        }
        let two = |n: u16| {
            if bare {
                n.to_string()
            } else {
                format!("{n:02}")
            }
        };
        out.push_str(&match directive {
            Some('Y') => date.year.to_string(),
            Some('y') => two(date.year % 100),
            Some('m') => two(date.month.into()),
            Some('d') => two(date.day.into()),
            Some('e') => format!("{:2}", date.day),
            Some('B') => MONTHS[month].to_owned(),
            Some('b' | 'h') => MONTHS[month][..3].to_owned(),
            Some('A') => DAYS[weekday].to_owned(),
            Some('a') => DAYS[weekday][..3].to_owned(),
            Some('w') => weekday.to_string(),
            Some('j') if bare => day_of_year(date).to_string(),
            Some('j') => format!("{:03}", day_of_year(date)),
            Some('F') => format!("{:04}-{:02}-{:02}", date.year, date.month, date.day),
            Some('H' | 'M' | 'S') => two(0),
            Some('I') => "12".to_owned(),
            Some('p') => "AM".to_owned(),
            Some('T' | 'X') => "00:00:00".to_owned(),
            Some('%') => "%".to_owned(),
            other => {
                let name = other.map_or_else(|| "%".to_owned(), |c| format!("%{c}"));
                return Err(Error::new(
                    ErrorKind::InvalidOperation,
                    format!("strftime_now: {name} is not known in {format:?}"),
                ));
            }
        });
    }
    Ok(out)
}

/// 0 is Sunday (Sakamoto's formula).
fn weekday(date: Date) -> usize {
    const SHIFT: [usize; 12] = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4];
    let month = usize::from(date.month.clamp(1, 12));
    let year = usize::from(date.year.max(1)) - usize::from(month < 3);
    (year + year / 4 - year / 100 + year / 400 + SHIFT[month - 1] + usize::from(date.day)) % 7
}

fn day_of_year(date: Date) -> u16 {
    const BEFORE: [u16; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let month = date.month.clamp(1, 12);
    let leap = date.year.is_multiple_of(4)
        && (!date.year.is_multiple_of(100) || date.year.is_multiple_of(400));
    BEFORE[usize::from(month - 1)] + u16::from(date.day) + u16::from(leap && month > 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(value: serde_json::Value) -> String {
        let mut out = String::new();
        repr(&from_json(&value), &mut out, 0).unwrap();
        out
    }

    #[test]
    fn values_print_as_in_python() {
        assert_eq!(
            shown(json!([true, null, 1, 2.0, -0.5, "it's", "a\"b'c", "x\n"])),
            r#"[True, None, 1, 2.0, -0.5, "it's", 'a"b\'c', 'x\n']"#
        );
        assert_eq!(
            shown(json!({"a": {"b": []}, "c": 1e20})),
            "{'a': {'b': []}, 'c': 1e+20}"
        );
        assert_eq!(
            shown(json!([1e-5, 0.0001, 1e16, 123456789.25])),
            "[1e-05, 0.0001, 1e+16, 123456789.25]"
        );
    }

    #[test]
    fn dates() {
        let date = Date {
            year: 2024,
            month: 7,
            day: 6,
        };
        assert_eq!(strftime(date, "%d %b %Y").unwrap(), "06 Jul 2024");
        assert_eq!(
            strftime(date, "%A, %B %-d (%j) %H:%M %%").unwrap(),
            "Saturday, July 6 (188) 00:00 %"
        );
        assert_eq!(
            strftime(
                Date {
                    year: 2000,
                    month: 2,
                    day: 29
                },
                "%a %F"
            )
            .unwrap(),
            "Tue 2000-02-29"
        );
        assert!(strftime(date, "%Q").is_err());
        assert!(strftime(date, "100%").is_err());
    }
}
