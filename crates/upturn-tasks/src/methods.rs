//! Python's methods of strings and lists in templates.
//!
//! What templates use most is here with Python's exact behaviour (its white
//! space, negative positions, errors); the rest comes from minijinja's `pycompat`.

use minijinja::value::{ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};

use crate::python::is_space;

/// Answers a method call that the template engine does not know.
pub(crate) fn call(
    state: &mut State,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    let own = match value.kind() {
        ValueKind::String => value.as_str().map(|text| string(text, method, args)),
        ValueKind::Seq | ValueKind::Iterable => Some(list(value, method, args)),
        _ => None,
    };
    match own {
        Some(Some(result)) => result,
        _ => minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args),
    }
}

fn invalid(reason: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, reason.into())
}

/// `None` where the method is left to `pycompat`.
fn string(text: &str, method: &str, args: &[Value]) -> Option<Result<Value, Error>> {
    Some(match method {
        "strip" => strip(text, args, true, true),
        "lstrip" => strip(text, args, true, false),
        "rstrip" => strip(text, args, false, true),
        "split" => split(text, args),
        "splitlines" if args.is_empty() => Ok(lines(text)),
        "capitalize" if args.is_empty() => Ok(Value::from(capitalize(text))),
        "swapcase" if args.is_empty() => Ok(Value::from(swapcase(text))),
        "casefold" if args.is_empty() => Ok(Value::from(text.to_lowercase())),
        "isdigit" if args.is_empty() => Ok(Value::from(crate::python::is_digit_text(text))),
        "find" | "index" => find(text, args, method == "index", false),
        "rfind" | "rindex" => find(text, args, method == "rindex", true),
        "partition" => partition(text, args, false),
        "rpartition" => partition(text, args, true),
        "zfill" => zfill(text, args),
        "removeprefix" => remove(text, args, |t, s| t.strip_prefix(s)),
        "removesuffix" => remove(text, args, |t, s| t.strip_suffix(s)),
        "join" => join(text, args),
        _ => return None,
    })
}

fn strip(text: &str, args: &[Value], left: bool, right: bool) -> Result<Value, Error> {
    let (chars,): (Option<String>,) = from_args(args)?;
    let drop = |c: char| {
        chars
            .as_ref()
            .map_or_else(|| is_space(c), |chars| chars.contains(c))
    };
    let text = if left {
        text.trim_start_matches(drop)
    } else {
        text
    };
    Ok(Value::from(if right {
        text.trim_end_matches(drop)
    } else {
        text
    }))
}

fn split(text: &str, args: &[Value]) -> Result<Value, Error> {
    let (separator, most): (Option<String>, Option<i64>) = from_args(args)?;
    let most = most
        .and_then(|m| usize::try_from(m).ok())
        .unwrap_or(usize::MAX);
    let parts: Vec<Value> = match separator.as_deref() {
        Some("") => return Err(invalid("split with an empty separator")),
        Some(separator) => text
            .splitn(most.saturating_add(1), separator)
            .map(Value::from)
            .collect(),
        None => {
            let mut rest = text.trim_start_matches(is_space);
            let mut parts = Vec::new();
            while !rest.is_empty() {
                let end = if parts.len() < most {
                    rest.find(is_space)
                } else {
                    None
                };
                let (part, after) = rest.split_at(end.unwrap_or(rest.len()));
                // The last part of a limited split loses its trailing space only.
                parts.push(Value::from(if end.is_none() {
                    part.trim_end_matches(is_space)
                } else {
                    part
                }));
                rest = after.trim_start_matches(is_space);
            }
            parts
        }
    };
    Ok(Value::from(parts))
}

fn lines(text: &str) -> Value {
    let is_break = |c: char| {
        matches!(
            c,
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'
                ..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
        )
    };
    let mut out = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let Some(at) = rest.find(is_break) else {
            out.push(Value::from(rest));
            break;
        };
        out.push(Value::from(&rest[..at]));
        let after = &rest[at..];
        let skip = if after.starts_with("\r\n") {
            2
        } else {
            after.chars().next().map_or(1, char::len_utf8)
        };
        rest = &after[skip..];
    }
    Value::from(out)
}

fn capitalize(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first
            .to_uppercase()
            .chain(chars.as_str().to_lowercase().chars())
            .collect()
    })
}

fn swapcase(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_uppercase() {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
    }
    out
}

fn find(text: &str, args: &[Value], must: bool, last: bool) -> Result<Value, Error> {
    let (part, start): (String, Option<i64>) = from_args(args)?;
    let length = text.chars().count();
    let start = match start {
        Some(s) if s < 0 => {
            length.saturating_sub(usize::try_from(s.unsigned_abs()).unwrap_or(usize::MAX))
        }
        Some(s) => usize::try_from(s).unwrap_or(usize::MAX),
        None => 0,
    };
    let offset = text
        .char_indices()
        .nth(start)
        .map_or(text.len(), |(i, _)| i);
    let window = &text[offset..];
    let at = if start > length {
        None
    } else if last {
        window.rfind(&part)
    } else {
        window.find(&part)
    };
    match at {
        Some(at) => Ok(Value::from(start + window[..at].chars().count())),
        None if must => Err(invalid("substring not found")),
        None => Ok(Value::from(-1)),
    }
}

fn partition(text: &str, args: &[Value], last: bool) -> Result<Value, Error> {
    let (separator,): (String,) = from_args(args)?;
    if separator.is_empty() {
        return Err(invalid("partition with an empty separator"));
    }
    let found = if last {
        text.rsplit_once(&separator)
    } else {
        text.split_once(&separator)
    };
    let parts = match found {
        Some((before, after)) => [before, &separator, after],
        None if last => ["", "", text],
        None => [text, "", ""],
    };
    Ok(Value::from(minijinja::value::Tuple::from(
        parts.map(Value::from),
    )))
}

fn zfill(text: &str, args: &[Value]) -> Result<Value, Error> {
    let (width,): (usize,) = from_args(args)?;
    if width > 10_000 {
        return Err(invalid("zfill to more than 10000 characters"));
    }
    let missing = width.saturating_sub(text.chars().count());
    let (sign, digits) = text.split_at(usize::from(text.starts_with(['+', '-'])));
    Ok(Value::from(format!(
        "{sign}{}{digits}",
        "0".repeat(missing)
    )))
}

fn remove(
    text: &str,
    args: &[Value],
    cut: impl for<'t> Fn(&'t str, &str) -> Option<&'t str>,
) -> Result<Value, Error> {
    let (part,): (String,) = from_args(args)?;
    Ok(Value::from(cut(text, &part).unwrap_or(text)))
}

fn join(separator: &str, args: &[Value]) -> Result<Value, Error> {
    let (items,): (Value,) = from_args(args)?;
    let mut out = String::new();
    for (i, item) in items.try_iter()?.enumerate() {
        let text = item
            .as_str()
            .ok_or_else(|| invalid(format!("join: item {i} is {}, not text", item.kind())))?;
        if i > 0 {
            out.push_str(separator);
        }
        out.push_str(text);
        if out.len() > 64 << 20 {
            return Err(invalid("join makes more than 64 MiB"));
        }
    }
    Ok(Value::from(out))
}

fn list(value: &Value, method: &str, args: &[Value]) -> Option<Result<Value, Error>> {
    (method == "index").then(|| {
        let (item,): (Value,) = from_args(args)?;
        for (i, candidate) in value.try_iter()?.enumerate() {
            if candidate == item {
                return Ok(Value::from(i));
            }
        }
        let mut shown = String::new();
        crate::template::write_repr(&mut shown, &item);
        Err(invalid(format!("{shown} is not in the list")))
    })
}
