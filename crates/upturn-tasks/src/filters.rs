//! Jinja2's filters where the template engine's own differ: numbers that fall back
//! to a default, and values joined or replaced in as Python prints them.

use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value};

use crate::python;
use crate::template::text_of;

/// Adds the filters.
pub(crate) fn add(env: &mut Environment<'static>) {
    env.add_filter("string", |value: &Value| {
        defined(value)?;
        Ok::<_, Error>(match value.kind() {
            ValueKind::String => value.clone(),
            _ => Value::from(text_of(value)),
        })
    });
    env.add_filter("trim", |value: &Value, chars: Option<String>| {
        defined(value)?;
        let text = text_of(value);
        Ok::<_, Error>(match chars {
            Some(chars) => text.trim_matches(|c| chars.contains(c)).to_string(),
            None => text.trim_matches(python::is_space).to_string(),
        })
    });
    env.add_filter("int", int);
    env.add_filter("float", float);
    env.add_filter("join", join);
    env.add_filter("replace", replace);
}

/// Refuses an undefined value.
pub(crate) fn defined(value: &Value) -> Result<(), Error> {
    if value.is_undefined() {
        // Looking into it makes the engine's own error, which knows the name.
        value.get_attr("")?;
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    Ok(())
}

fn argument(
    args: &[Value],
    at: usize,
    kwargs: &Kwargs,
    name: &str,
) -> Result<Option<Value>, Error> {
    match args.get(at) {
        Some(value) => Ok(Some(value.clone())),
        None => kwargs.get(name),
    }
}

/// `int(default=0, base=10)`: what is no number is the default.
fn int(value: &Value, args: Rest<Value>, kwargs: Kwargs) -> Result<Value, Error> {
    defined(value)?;
    let default = argument(&args, 0, &kwargs, "default")?.unwrap_or_else(|| Value::from(0));
    let base = argument(&args, 1, &kwargs, "base")?
        .and_then(|b| b.as_i64())
        .unwrap_or(10);
    kwargs.assert_all_used()?;
    Ok(whole(value, base).unwrap_or(default))
}

fn whole(value: &Value, base: i64) -> Option<Value> {
    match value.kind() {
        ValueKind::Number if value.is_integer() => Some(value.clone()),
        ValueKind::Number => truncated(f64::try_from(value.clone()).ok()?),
        ValueKind::Bool => Some(Value::from(i64::from(value.is_true()))),
        ValueKind::String => {
            let text = value
                .as_str()?
                .trim_matches(python::is_space)
                .replace('_', "");
            let radix = u32::try_from(base).ok().filter(|b| (2..=36).contains(b))?;
            let digits = match radix {
                16 => text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")),
                8 => text.strip_prefix("0o").or_else(|| text.strip_prefix("0O")),
                2 => text.strip_prefix("0b").or_else(|| text.strip_prefix("0B")),
                _ => None,
            };
            match i128::from_str_radix(digits.unwrap_or(&text), radix) {
                Ok(number) => Some(Value::from(number)),
                Err(_) => truncated(number(&text)?),
            }
        }
        _ => None,
    }
}

fn truncated(number: f64) -> Option<Value> {
    let whole = number.trunc();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "within the range of the type"
    )]
    (whole.abs() < 1e38).then(|| Value::from(whole as i128))
}

/// `float(default=0.0)`.
fn float(value: &Value, args: Rest<Value>, kwargs: Kwargs) -> Result<Value, Error> {
    defined(value)?;
    let default = argument(&args, 0, &kwargs, "default")?.unwrap_or_else(|| Value::from(0.0));
    kwargs.assert_all_used()?;
    let found = match value.kind() {
        ValueKind::Number => f64::try_from(value.clone()).ok(),
        ValueKind::Bool => Some(f64::from(u8::from(value.is_true()))),
        ValueKind::String => number(&value.as_str().unwrap_or_default().replace('_', "")),
        _ => None,
    };
    Ok(found.map_or(default, Value::from))
}

/// `float(text)` of Python.
fn number(text: &str) -> Option<f64> {
    text.trim_matches(python::is_space).parse().ok()
}

/// `join(d='', attribute=None)`.
fn join(state: &State, value: &Value, args: Rest<Value>, kwargs: Kwargs) -> Result<String, Error> {
    defined(value)?;
    let between = argument(&args, 0, &kwargs, "d")?
        .map(|d| text_of(&d))
        .unwrap_or_default();
    let attribute = argument(&args, 1, &kwargs, "attribute")?.map(|a| text_of(&a));
    kwargs.assert_all_used()?;
    let mut out = String::new();
    for (i, item) in value.try_iter()?.enumerate() {
        if i > 0 {
            out.push_str(&between);
        }
        let mut item = item;
        for part in attribute.iter().flat_map(|a| a.split('.')) {
            item = item.get_attr(part)?;
        }
        defined(&item)?;
        let text = text_of(&item);
        state.consume_fuel(1 + (text.len() + between.len()) as u64 / 64)?;
        out.push_str(&text);
    }
    Ok(out)
}

/// `replace(old, new, count=None)`.
fn replace(
    state: &State,
    value: &Value,
    old: &Value,
    new: &Value,
    count: Option<i64>,
) -> Result<String, Error> {
    for value in [value, old, new] {
        defined(value)?;
    }
    let (text, old, new) = (text_of(value), text_of(old), text_of(new));
    let most = count
        .and_then(|c| usize::try_from(c).ok())
        .unwrap_or(usize::MAX);
    let matches = (text.len() / old.len().max(1) + 1).min(most);
    let grown = matches.saturating_mul(new.len().saturating_sub(old.len()));
    state.consume_fuel(1 + (text.len() as u64).saturating_add(grown as u64) / 64)?;
    Ok(text.replacen(&old, &new, most))
}
