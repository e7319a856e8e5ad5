//! Methods of values: text, lists, dictionaries, sets, patterns, data sets.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use super::ast::Op;
use super::format::{pad, str_format};
use super::functions::sorted;
use super::pattern::{Found, Pattern, Spans, chars_before, expand};
use super::run::{MAX_SIZE, Reader};
use super::value::{Dict, DictKind, Key, Made, Stop, V, fatal, raise};
use crate::python::{is_digit_text, is_space};

const TEXT: [&str; 37] = [
    "strip",
    "lstrip",
    "rstrip",
    "split",
    "rsplit",
    "splitlines",
    "join",
    "replace",
    "lower",
    "upper",
    "title",
    "capitalize",
    "casefold",
    "swapcase",
    "startswith",
    "endswith",
    "find",
    "rfind",
    "index",
    "rindex",
    "count",
    "format",
    "isdigit",
    "isalpha",
    "isalnum",
    "isspace",
    "isupper",
    "islower",
    "isnumeric",
    "encode",
    "zfill",
    "ljust",
    "rjust",
    "partition",
    "rpartition",
    "removeprefix",
    "removesuffix",
];
const MORE_TEXT: [&str; 4] = ["translate", "center", "isdecimal", "maketrans"];
const LIST: [&str; 11] = [
    "append", "extend", "insert", "remove", "pop", "index", "count", "sort", "reverse", "copy",
    "clear",
];
const TUPLE: [&str; 2] = ["index", "count"];
const DICT: [&str; 12] = [
    "get",
    "keys",
    "values",
    "items",
    "pop",
    "update",
    "setdefault",
    "copy",
    "most_common",
    "clear",
    "elements",
    "popitem",
];
const SET: [&str; 14] = [
    "add",
    "remove",
    "discard",
    "union",
    "intersection",
    "difference",
    "update",
    "issubset",
    "issuperset",
    "copy",
    "isdisjoint",
    "symmetric_difference",
    "clear",
    "pop",
];
const REGEX: [&str; 7] = [
    "search",
    "match",
    "fullmatch",
    "findall",
    "finditer",
    "sub",
    "split",
];
const MATCH: [&str; 6] = ["group", "groups", "start", "end", "span", "groupdict"];
const TABLE: [&str; 12] = [
    "map",
    "filter",
    "select",
    "rename_column",
    "rename_columns",
    "remove_columns",
    "select_columns",
    "add_column",
    "to_list",
    "unique",
    "take",
    "skip",
];
const ARRAY: [&str; 9] = [
    "tolist", "sum", "mean", "max", "min", "argmax", "argmin", "any", "all",
];
const NUMBER: [&str; 2] = ["is_integer", "item"];
const PATH: [&str; 1] = ["resolve"];
const DIGEST: [&str; 1] = ["hexdigest"];
const RANDOM: [&str; 7] = [
    "shuffle", "sample", "choice", "random", "randint", "choices", "seed",
];
const LOGGER: [&str; 6] = ["info", "warning", "error", "debug", "warn", "setLevel"];
const FIELDS: [&str; 15] = [
    "fromkeys",
    "pattern",
    "column_names",
    "features",
    "num_rows",
    "parent",
    "name",
    "stem",
    "args",
    "size",
    "shape",
    "string",
    "lastindex",
    "flags",
    "__name__",
];

/// Whether some value has a method or field of this name.
pub(super) fn is_known(name: &str) -> bool {
    [
        &TEXT[..],
        &MORE_TEXT,
        &LIST,
        &DICT,
        &SET,
        &REGEX,
        &MATCH,
        &TABLE,
        &ARRAY,
        &NUMBER,
        &PATH,
        &DIGEST,
        &RANDOM,
        &LOGGER,
        &FIELDS,
    ]
    .iter()
    .any(|names| names.contains(&name))
}

/// Whether the value has the method.
pub(super) fn has(owner: &V, name: &str) -> bool {
    let names: &[&str] = match owner {
        V::Str(_) => {
            return TEXT.contains(&name) || MORE_TEXT.contains(&name);
        }
        V::List(_) => &LIST,
        V::Tuple(_) => &TUPLE,
        V::Dict(_) => &DICT,
        V::Set(_) => &SET,
        V::Regex(_) => &REGEX,
        V::Match(_) => &MATCH,
        V::Table(_) => &TABLE,
        V::Array(_) => &ARRAY,
        V::Float(_) => &NUMBER,
        V::Int(_) => &NUMBER[1..],
        V::Path(_) => &PATH,
        V::Digest(_) => &DIGEST,
        V::Random(_) => &RANDOM,
        V::Mute => &LOGGER,
        _ => &[],
    };
    names.contains(&name)
}

/// A field that is no method.
pub(super) fn field(owner: &V, name: &str) -> Made<Option<V>> {
    Ok(Some(match (owner, name) {
        (V::Regex(p), "pattern") => V::str(&p.source),
        (V::Match(m), "string") => V::Str(m.text.clone()),
        (V::Table(t), "column_names") => V::list(t.columns.iter().map(V::str).collect()),
        (V::Table(t), "features") => t.features()?,
        (V::Table(t), "num_rows") => V::Int(t.rows.len() as i64),
        (V::Array(items), "size") => V::Int(items.borrow().len() as i64),
        (V::Array(items), "shape") => V::tuple(vec![V::Int(items.borrow().len() as i64)]),
        (V::Path(p), "parent") => V::Path(p.parent().unwrap_or(Path::new("")).into()),
        (V::Path(p), "name") => V::str(p.file_name().unwrap_or_default().to_string_lossy()),
        (V::Path(p), "stem") => V::str(p.file_stem().unwrap_or_default().to_string_lossy()),
        (V::Func(f), "__name__") => V::str(&*f.def.name),
        (V::Error(_, message), "args") => V::tuple(vec![V::Str(message.clone())]),
        _ => return Ok(None),
    }))
}

/// Arguments by place or name.
pub(super) struct Args {
    args: Vec<Option<V>>,
    named: Vec<(Arc<str>, V)>,
}

impl Args {
    pub(super) fn new(args: Vec<V>, named: Vec<(Arc<str>, V)>) -> Args {
        Args {
            args: args.into_iter().map(Some).collect(),
            named,
        }
    }

    /// The argument at a place, or of a name.
    pub(super) fn take(&mut self, place: usize, name: &str) -> Option<V> {
        if let Some(value) = self.args.get_mut(place).and_then(Option::take) {
            return Some(value);
        }
        let at = self.named.iter().position(|(n, _)| **n == *name)?;
        Some(self.named.remove(at).1)
    }

    pub(super) fn need(&mut self, place: usize, name: &str) -> Made<V> {
        match self.take(place, name) {
            Some(value) => Ok(value),
            None => raise("TypeError", format!("the argument '{name}' is missing")),
        }
    }

    /// Named arguments that have no effect here.
    pub(super) fn ignore(&mut self, names: &[&str]) {
        self.named.retain(|(n, _)| !names.contains(&&**n));
    }

    /// The named arguments that are left.
    pub(super) fn rest(&mut self) -> Vec<(Arc<str>, V)> {
        std::mem::take(&mut self.named)
    }

    /// That nothing is left.
    pub(super) fn finish(self, what: &str) -> Made<()> {
        if let Some((name, _)) = self.named.first() {
            return fatal(format!("{what} with '{name}' is not read"));
        }
        if self.args.iter().any(Option::is_some) {
            return fatal(format!("{what} with so many arguments is not read"));
        }
        Ok(())
    }
}

/// Calls a method.
pub(super) fn call(
    reader: &Reader,
    owner: &V,
    name: &str,
    args: Vec<V>,
    named: Vec<(Arc<str>, V)>,
) -> Made<V> {
    match owner {
        V::Str(text) => {
            reader.spend(text.len() as u64 / 64)?;
            if name == "format" {
                return Ok(V::str(str_format(reader, text, &args, &named)?));
            }
            self::text(text, name, Args::new(args, named))
        }
        V::List(items) => list(reader, items, name, Args::new(args, named)),
        V::Tuple(items) => list(
            reader,
            &Rc::new(RefCell::new(items.to_vec())),
            name,
            Args::new(args, named),
        ),
        V::Dict(dict) => self::dict(reader, dict, name, args, named),
        V::Set(_) => set(owner, name, args),
        V::Regex(pattern) => regex(reader, pattern, name, Args::new(args, named)),
        V::Match(found) => matched(found, name, args),
        V::Table(_) => table(reader, owner, name, Args::new(args, named)),
        V::Array(_) => {
            let mut all = vec![owner.clone()];
            all.extend(args);
            match name {
                "tolist" => Ok(V::list(owner.items()?)),
                _ => super::functions::call(reader, &format!("numpy.{name}"), all, named),
            }
        }
        V::Float(x) => match name {
            "is_integer" => Ok(V::Bool(x.is_finite() && x.fract() == 0.0)),
            _ => Ok(owner.clone()),
        },
        V::Int(_) | V::Path(_) => Ok(owner.clone()),
        V::Random(random) => super::functions::random(reader, random, name, args, named),
        V::Mute => Ok(V::None),
        V::Digest(hex) => Ok(V::Str(hex.clone())),
        other => fatal(format!("{}.{name} is not read", other.kind())),
    }
}

fn chars_of(value: Option<V>) -> Made<Option<Rc<str>>> {
    match value {
        None | Some(V::None) => Ok(None),
        Some(value) => Ok(Some(value.text("an argument")?.clone())),
    }
}

/// Whether a text starts (or ends) with one of the texts.
fn fits(value: &V, test: impl Fn(&str) -> bool) -> Made<bool> {
    match value {
        V::Tuple(all) => {
            for one in all.iter() {
                if test(one.text("an argument")?) {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        other => Ok(test(other.text("an argument")?)),
    }
}

fn limit(value: Option<V>) -> usize {
    match value.and_then(|v| v.int()) {
        Some(n) => usize::try_from(n).unwrap_or(usize::MAX),
        None => usize::MAX,
    }
}

fn split(text: &str, separator: Option<&str>, most: usize) -> Made<Vec<V>> {
    let Some(separator) = separator else {
        let mut rest = text.trim_start_matches(is_space);
        let mut parts = Vec::new();
        while !rest.is_empty() {
            let end = if parts.len() < most {
                rest.find(is_space)
            } else {
                None
            };
            let (part, after) = rest.split_at(end.unwrap_or(rest.len()));
            parts.push(V::str(if end.is_none() {
                part.trim_end_matches(is_space)
            } else {
                part
            }));
            rest = after.trim_start_matches(is_space);
        }
        return Ok(parts);
    };
    if separator.is_empty() {
        return raise("ValueError", "empty separator");
    }
    Ok(text
        .splitn(most.saturating_add(1), separator)
        .map(V::str)
        .collect())
}

fn title(text: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for c in text.chars() {
        if inside {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
        inside = c.is_alphabetic();
    }
    out
}

fn text(text: &Rc<str>, name: &str, mut args: Args) -> Made<V> {
    let value = match name {
        "strip" | "lstrip" | "rstrip" => {
            let chars = chars_of(args.take(0, "chars"))?;
            let drop = |c: char| {
                chars
                    .as_ref()
                    .map_or_else(|| is_space(c), |s| s.contains(c))
            };
            let mut out: &str = text;
            if name != "rstrip" {
                out = out.trim_start_matches(drop);
            }
            if name != "lstrip" {
                out = out.trim_end_matches(drop);
            }
            V::str(out)
        }
        "split" => {
            let separator = chars_of(args.take(0, "sep"))?;
            V::list(split(
                text,
                separator.as_deref(),
                limit(args.take(1, "maxsplit")),
            )?)
        }
        "rsplit" => {
            let separator = chars_of(args.take(0, "sep"))?;
            let most = limit(args.take(1, "maxsplit"));
            match separator.as_deref() {
                Some("") => return raise("ValueError", "empty separator"),
                Some(separator) => {
                    let mut parts: Vec<V> = text
                        .rsplitn(most.saturating_add(1), separator)
                        .map(V::str)
                        .collect();
                    parts.reverse();
                    V::list(parts)
                }
                None if most == usize::MAX => V::list(split(text, None, most)?),
                None => return fatal("rsplit at white space with a limit is not read"),
            }
        }
        "splitlines" => V::list(lines(text)),
        "join" => {
            let mut out = String::new();
            for (i, item) in args.need(0, "iterable")?.items()?.iter().enumerate() {
                if i > 0 {
                    out.push_str(text);
                }
                out.push_str(item.text("sequence item")?);
                if out.len() > MAX_SIZE {
                    return fatal("makes too long a text");
                }
            }
            V::str(out)
        }
        "replace" => {
            let old = args.need(0, "old")?;
            let new = args.need(1, "new")?;
            let (old, new) = (old.text("replace")?, new.text("replace")?);
            let count = limit(args.take(2, "count"));
            let out = if count == usize::MAX {
                text.replace(&**old, new)
            } else {
                text.replacen(&**old, new, count)
            };
            if out.len() > MAX_SIZE {
                return fatal("makes too long a text");
            }
            V::str(out)
        }
        "lower" | "casefold" => V::str(text.to_lowercase()),
        "upper" => V::str(text.to_uppercase()),
        "title" => V::str(title(text)),
        "capitalize" => {
            let mut chars = text.chars();
            let first: String = chars
                .next()
                .into_iter()
                .flat_map(char::to_uppercase)
                .collect();
            V::str(first + &chars.as_str().to_lowercase())
        }
        "swapcase" => {
            let mut out = String::new();
            for c in text.chars() {
                if c.is_uppercase() {
                    out.extend(c.to_lowercase());
                } else {
                    out.extend(c.to_uppercase());
                }
            }
            V::str(out)
        }
        "startswith" => V::Bool(fits(&args.need(0, "prefix")?, |p| text.starts_with(p))?),
        "endswith" => V::Bool(fits(&args.need(0, "suffix")?, |p| text.ends_with(p))?),
        "find" | "index" | "rfind" | "rindex" => {
            let part = args.need(0, "sub")?;
            let part = part.text("find")?;
            let from = match args.take(1, "start").and_then(|v| v.int()) {
                Some(i) if i > 0 => {
                    let n = usize::try_from(i).unwrap_or(usize::MAX);
                    text.char_indices().nth(n).map_or(text.len(), |(at, _)| at)
                }
                Some(i) if i < 0 => return fatal("find from a negative place is not read"),
                _ => 0,
            };
            let window = &text[from..];
            let at = if name.starts_with('r') {
                window.rfind(&**part)
            } else {
                window.find(&**part)
            };
            match at {
                Some(at) => V::Int(chars_before(text, from + at)),
                None if name.ends_with("index") => {
                    return raise("ValueError", "substring not found");
                }
                None => V::Int(-1),
            }
        }
        "count" => {
            let part = args.need(0, "sub")?;
            let part = part.text("count")?;
            let n = if part.is_empty() {
                text.chars().count() + 1
            } else {
                text.matches(&**part).count()
            };
            V::Int(n as i64)
        }
        "isdigit" | "isdecimal" => V::Bool(is_digit_text(text)),
        "isnumeric" => V::Bool(!text.is_empty() && text.chars().all(char::is_numeric)),
        "isalpha" => V::Bool(!text.is_empty() && text.chars().all(char::is_alphabetic)),
        "isalnum" => V::Bool(!text.is_empty() && text.chars().all(char::is_alphanumeric)),
        "isspace" => V::Bool(!text.is_empty() && text.chars().all(is_space)),
        "isupper" => {
            let cased = text.chars().any(|c| c.is_uppercase() || c.is_lowercase());
            V::Bool(cased && !text.chars().any(char::is_lowercase))
        }
        "islower" => {
            let cased = text.chars().any(|c| c.is_uppercase() || c.is_lowercase());
            V::Bool(cased && !text.chars().any(char::is_uppercase))
        }
        // Bytes serve to be counted.
        "encode" => {
            let encoding = chars_of(args.take(0, "encoding"))?;
            let name = encoding.as_deref().unwrap_or("utf-8").to_lowercase();
            if !matches!(name.as_str(), "utf-8" | "utf8") {
                return fatal(format!("encoding as {name} is not read"));
            }
            V::list(text.bytes().map(|b| V::Int(i64::from(b))).collect())
        }
        "zfill" => {
            let width = limit(Some(args.need(0, "width")?)).min(10_000);
            let missing = width.saturating_sub(text.chars().count());
            let (sign, digits) = text.split_at(usize::from(text.starts_with(['+', '-'])));
            V::str(format!("{sign}{}{digits}", "0".repeat(missing)))
        }
        "ljust" | "rjust" | "center" => {
            let width = limit(Some(args.need(0, "width")?)).min(10_000);
            let fill = chars_of(args.take(1, "fillchar"))?;
            let fill = fill.and_then(|f| f.chars().next()).unwrap_or(' ');
            if name == "center" {
                return fatal("center is not read");
            }
            let align = if name == "ljust" { '<' } else { '>' };
            V::str(pad(text.to_string(), fill, align, width))
        }
        "partition" | "rpartition" => {
            let part = args.need(0, "sep")?;
            let part = part.text("partition")?;
            if part.is_empty() {
                return raise("ValueError", "empty separator");
            }
            let found = if name == "partition" {
                text.split_once(&**part)
            } else {
                text.rsplit_once(&**part)
            };
            let parts = match found {
                Some((a, b)) => [a, part, b],
                None if name == "partition" => [text, "", ""],
                None => ["", "", text],
            };
            V::tuple(parts.iter().map(V::str).collect())
        }
        "removeprefix" => {
            let part = args.need(0, "prefix")?;
            let part = part.text("removeprefix")?;
            V::str(text.strip_prefix(&**part).unwrap_or(text))
        }
        "removesuffix" => {
            let part = args.need(0, "suffix")?;
            let part = part.text("removesuffix")?;
            V::str(text.strip_suffix(&**part).unwrap_or(text))
        }
        "maketrans" => return fatal("str.maketrans of a value is not read"),
        "translate" => {
            let V::Dict(table) = args.need(0, "table")? else {
                return raise("TypeError", "translate needs a dictionary");
            };
            let mut out = String::new();
            for c in text.chars() {
                match table.borrow().map.get(&Key::Int(i64::from(u32::from(c)))) {
                    None => out.push(c),
                    Some((_, V::None)) => {}
                    Some((_, V::Str(s))) => out.push_str(s),
                    Some((_, v)) => {
                        let code = v.int().and_then(|i| u32::try_from(i).ok());
                        out.extend(code.and_then(char::from_u32));
                    }
                }
            }
            V::str(out)
        }
        _ => return fatal(format!("str.{name} is not read")),
    };
    args.finish(&format!("str.{name}"))?;
    Ok(value)
}

fn lines(text: &str) -> Vec<V> {
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
            out.push(V::str(rest));
            break;
        };
        out.push(V::str(&rest[..at]));
        let after = &rest[at..];
        let skip = if after.starts_with("\r\n") {
            2
        } else {
            after.chars().next().map_or(1, char::len_utf8)
        };
        rest = &after[skip..];
    }
    out
}

fn list(reader: &Reader, items: &Rc<RefCell<Vec<V>>>, name: &str, mut args: Args) -> Made<V> {
    let value = match name {
        "append" => {
            let item = args.need(0, "object")?;
            items.borrow_mut().push(item);
            V::None
        }
        "extend" => {
            let more = args.need(0, "iterable")?.items()?;
            items.borrow_mut().extend(more);
            V::None
        }
        "insert" => {
            let at = args.need(0, "index")?.int().unwrap_or(0);
            let item = args.need(1, "object")?;
            let n = items.borrow().len() as i64;
            let at = if at < 0 { at + n } else { at }.clamp(0, n);
            items
                .borrow_mut()
                .insert(usize::try_from(at).unwrap_or(0), item);
            V::None
        }
        "remove" => {
            let item = args.need(0, "value")?;
            let at = items.borrow().iter().position(|v| v.equals(&item));
            match at {
                Some(at) => {
                    items.borrow_mut().remove(at);
                    V::None
                }
                None => return raise("ValueError", "list.remove(x): x not in list"),
            }
        }
        "pop" => {
            let index = args.take(0, "index");
            return pop(&V::List(items.clone()), index.as_ref(), None);
        }
        "index" => {
            let item = args.need(0, "value")?;
            let at = items.borrow().iter().position(|v| v.equals(&item));
            match at {
                Some(at) => V::Int(at as i64),
                None => return raise("ValueError", "the value is not in the list"),
            }
        }
        "count" => {
            let item = args.need(0, "value")?;
            V::Int(items.borrow().iter().filter(|v| v.equals(&item)).count() as i64)
        }
        "sort" => {
            let key = args.take(9, "key");
            let reverse = args.take(9, "reverse");
            let all = items.borrow().clone();
            let all = sorted(reader, all, key.as_ref(), reverse.as_ref())?;
            *items.borrow_mut() = all;
            V::None
        }
        "reverse" => {
            items.borrow_mut().reverse();
            V::None
        }
        "copy" => V::list(items.borrow().clone()),
        "clear" => {
            items.borrow_mut().clear();
            V::None
        }
        _ => return fatal(format!("list.{name} is not read")),
    };
    args.finish(&format!("list.{name}"))?;
    Ok(value)
}

/// Takes an item out of a list or dictionary.
pub(super) fn pop(owner: &V, index: Option<&V>, default: Option<V>) -> Made<V> {
    match owner {
        V::List(items) => {
            let n = items.borrow().len() as i64;
            let i = match index {
                None => n - 1,
                Some(v) => match v.int() {
                    Some(i) if i < 0 => i + n,
                    Some(i) => i,
                    None => return raise("TypeError", "list indices must be integers"),
                },
            };
            match usize::try_from(i).ok().filter(|_| i < n) {
                Some(i) => Ok(items.borrow_mut().remove(i)),
                None => raise("IndexError", "pop index out of range"),
            }
        }
        V::Dict(dict) => {
            let Some(key) = index else {
                return raise("TypeError", "pop needs a key");
            };
            let found = dict.borrow_mut().map.shift_remove(&key.key()?);
            match (found, default) {
                (Some((_, value)), _) => Ok(value),
                (None, Some(default)) => Ok(default),
                (None, None) => raise("KeyError", key.repr()?),
            }
        }
        other => fatal(format!("takes an item out of a {}", other.kind())),
    }
}

/// Keys and values of what `dict(…)` and `update` take.
pub(super) fn entries(value: &V) -> Made<Vec<(V, V)>> {
    match value {
        V::Dict(dict) => Ok(dict.borrow().map.values().cloned().collect()),
        other => other
            .items()?
            .iter()
            .map(|pair| match pair.items()?.as_slice() {
                [key, value] => Ok((key.clone(), value.clone())),
                _ => raise("ValueError", "a dictionary is made of pairs"),
            })
            .collect(),
    }
}

fn dict(
    reader: &Reader,
    dict: &Rc<RefCell<Dict>>,
    name: &str,
    args: Vec<V>,
    named: Vec<(Arc<str>, V)>,
) -> Made<V> {
    let is_counter = matches!(dict.borrow().kind, DictKind::Counter);
    if name == "update" {
        let mut more = match args.first() {
            Some(other) if is_counter && !matches!(other, V::Dict(_)) => {
                for item in other.items()? {
                    count(dict, item, 1)?;
                }
                return Ok(V::None);
            }
            Some(other) => entries(other)?,
            None => Vec::new(),
        };
        more.extend(named.into_iter().map(|(n, v)| (V::str(&*n), v)));
        for (key, value) in more {
            if is_counter {
                count(dict, key, value.int().unwrap_or(0))?;
                continue;
            }
            let at = key.key()?;
            dict.borrow_mut()
                .map
                .entry(at)
                .and_modify(|e| e.1 = value.clone())
                .or_insert((key, value));
        }
        return Ok(V::None);
    }
    let mut args = Args::new(args, named);
    let value = match name {
        "get" => {
            let key = args.need(0, "key")?;
            let default = args.take(1, "default").unwrap_or(V::None);
            dict.borrow()
                .map
                .get(&key.key()?)
                .map_or(default, |(_, v)| v.clone())
        }
        "keys" => V::list(dict.borrow().map.values().map(|e| e.0.clone()).collect()),
        "values" => V::list(dict.borrow().map.values().map(|e| e.1.clone()).collect()),
        "items" => V::list(
            dict.borrow()
                .map
                .values()
                .map(|(k, v)| V::tuple(vec![k.clone(), v.clone()]))
                .collect(),
        ),
        "pop" => {
            let key = args.need(0, "key")?;
            let default = args.take(1, "default");
            pop(&V::Dict(dict.clone()), Some(&key), default)?
        }
        "setdefault" => {
            let key = args.need(0, "key")?;
            let default = args.take(1, "default").unwrap_or(V::None);
            let at = key.key()?;
            dict.borrow_mut()
                .map
                .entry(at)
                .or_insert((key, default))
                .1
                .clone()
        }
        "copy" => V::Dict(Rc::new(RefCell::new(dict.borrow().clone()))),
        "most_common" => {
            let n = limit(args.take(0, "n"));
            let mut all: Vec<(V, V)> = dict.borrow().map.values().cloned().collect();
            all.sort_by_key(|(_, n)| std::cmp::Reverse(n.int()));
            all.truncate(n);
            V::list(all.into_iter().map(|(k, v)| V::tuple(vec![k, v])).collect())
        }
        "clear" => {
            dict.borrow_mut().map.clear();
            V::None
        }
        _ => return fatal(format!("dict.{name} is not read")),
    };
    let _ = reader;
    args.finish(&format!("dict.{name}"))?;
    Ok(value)
}

/// Adds to a counter.
pub(super) fn count(dict: &Rc<RefCell<Dict>>, item: V, n: i64) -> Made<()> {
    let key = item.key()?;
    let mut dict = dict.borrow_mut();
    let entry = dict.map.entry(key).or_insert((item, V::Int(0)));
    entry.1 = V::Int(entry.1.int().unwrap_or(0) + n);
    Ok(())
}

/// Operations of sets.
pub(super) fn sets(op: Op, left: &V, others: &[V]) -> Made<V> {
    let mut out = left.members()?;
    for other in others {
        let others = V::set(other.members()?)?;
        let V::Set(set) = &others else {
            return fatal("a set is no set");
        };
        let has = |v: &V| -> Made<bool> { Ok(set.borrow().contains_key(&v.key()?)) };
        match op {
            Op::BitOr => out.extend(other.members()?),
            Op::BitXor => {
                let mine = V::set(out.clone())?;
                let V::Set(mine) = &mine else {
                    return fatal("a set is no set");
                };
                let mut kept = Vec::new();
                for v in out {
                    if !has(&v)? {
                        kept.push(v);
                    }
                }
                for v in other.members()? {
                    if !mine.borrow().contains_key(&v.key()?) {
                        kept.push(v);
                    }
                }
                out = kept;
            }
            _ => {
                let mut kept = Vec::new();
                for v in out {
                    if has(&v)? == (op == Op::BitAnd) {
                        kept.push(v);
                    }
                }
                out = kept;
            }
        }
    }
    V::set(out)
}

fn set(owner: &V, name: &str, args: Vec<V>) -> Made<V> {
    let V::Set(set) = owner else {
        return fatal("a set is no set");
    };
    let first = || match args.first() {
        Some(v) => Ok(v),
        None => raise("TypeError", format!("set.{name} needs an argument")),
    };
    Ok(match name {
        "add" => {
            let item = first()?;
            set.borrow_mut().entry(item.key()?).or_insert(item.clone());
            V::None
        }
        "remove" | "discard" => {
            let item = first()?;
            let gone = set.borrow_mut().shift_remove(&item.key()?);
            if gone.is_none() && name == "remove" {
                return raise("KeyError", item.repr()?);
            }
            V::None
        }
        "update" => {
            for item in first()?.members()? {
                set.borrow_mut().entry(item.key()?).or_insert(item);
            }
            V::None
        }
        "union" => sets(Op::BitOr, owner, &args)?,
        "intersection" => sets(Op::BitAnd, owner, &args)?,
        "difference" => sets(Op::Sub, owner, &args)?,
        "symmetric_difference" => sets(Op::BitXor, owner, &args)?,
        "issubset" => {
            let other = V::set(first()?.members()?)?;
            V::Bool(sets(Op::Sub, owner, &[other])?.len()? == 0)
        }
        "issuperset" => {
            let other = V::set(first()?.members()?)?;
            V::Bool(sets(Op::Sub, &other, std::slice::from_ref(owner))?.len()? == 0)
        }
        "isdisjoint" => {
            let other = V::set(first()?.members()?)?;
            V::Bool(sets(Op::BitAnd, owner, &[other])?.len()? == 0)
        }
        "copy" => V::set(owner.members()?)?,
        "clear" => {
            set.borrow_mut().clear();
            V::None
        }
        _ => return fatal(format!("set.{name} is not read")),
    })
}

fn found(text: &Rc<str>, pattern: &Pattern, spans: Spans) -> V {
    V::Match(Rc::new(Found {
        text: text.clone(),
        spans,
        names: pattern.names(),
    }))
}

/// Functions of `re` that take a compiled pattern.
pub(super) fn regex(
    reader: &Reader,
    pattern: &Arc<Pattern>,
    name: &str,
    mut args: Args,
) -> Made<V> {
    let piece = |text: &str, span: Option<(usize, usize)>| {
        span.map_or(V::str(""), |(a, b)| V::str(&text[a..b]))
    };
    let whole = |spans: &Spans| spans.first().copied().flatten().unwrap_or((0, 0));
    let value = match name {
        "search" | "match" | "fullmatch" => {
            let text = args.need(0, "string")?;
            let text = text.text("re")?;
            reader.spend(text.len() as u64 / 16)?;
            let spans = if name == "fullmatch" {
                fullmatch(pattern)?.search(text, 0)?
            } else {
                pattern.search(text, 0)?
            };
            match spans {
                Some(spans) if name != "match" || whole(&spans).0 == 0 => {
                    found(text, pattern, spans)
                }
                _ => V::None,
            }
        }
        "findall" => {
            let text = args.need(0, "string")?;
            let text = text.text("re")?;
            reader.spend(text.len() as u64 / 16)?;
            let all = pattern.all(text)?.into_iter().map(|spans| {
                let group = |i: usize| piece(text, spans.get(i).copied().flatten());
                match spans.len() {
                    1 => group(0),
                    2 => group(1),
                    n => V::tuple((1..n).map(group).collect()),
                }
            });
            V::list(all.collect())
        }
        "finditer" => {
            let text = args.need(0, "string")?;
            let text = text.text("re")?;
            let all = pattern.all(text)?;
            V::iter(all.into_iter().map(|s| found(text, pattern, s)).collect())
        }
        "split" => {
            let text = args.need(0, "string")?;
            let text = text.text("re")?;
            let most = match args.take(1, "maxsplit").and_then(|v| v.int()) {
                Some(n) if n > 0 => usize::try_from(n).unwrap_or(usize::MAX),
                _ => usize::MAX,
            };
            let mut out = Vec::new();
            let mut last = 0;
            for spans in pattern.all(text)?.into_iter().take(most) {
                let (a, b) = whole(&spans);
                out.push(V::str(&text[last..a]));
                for span in &spans[1..] {
                    out.push(span.map_or(V::None, |(a, b)| V::str(&text[a..b])));
                }
                last = b;
            }
            out.push(V::str(&text[last..]));
            V::list(out)
        }
        "sub" => {
            let replacement = args.need(0, "repl")?;
            let text = args.need(1, "string")?;
            let text = text.text("re.sub")?;
            reader.spend(text.len() as u64 / 16)?;
            let count = match args.take(2, "count").and_then(|v| v.int()) {
                Some(n) if n > 0 => usize::try_from(n).unwrap_or(usize::MAX),
                _ => usize::MAX,
            };
            let mut out = String::new();
            let mut last = 0;
            for spans in pattern.all(text)?.into_iter().take(count) {
                let (a, b) = whole(&spans);
                out.push_str(&text[last..a]);
                last = b;
                let one = Found {
                    text: text.clone(),
                    spans,
                    names: pattern.names(),
                };
                match &replacement {
                    V::Str(template) if !template.contains('\\') => out.push_str(template),
                    V::Str(template) => out.push_str(&expand(template, &one)?),
                    function => {
                        let made = reader.call(function, vec![V::Match(Rc::new(one))])?;
                        out.push_str(made.text("re.sub")?);
                    }
                }
                if out.len() > MAX_SIZE {
                    return fatal("makes too long a text");
                }
            }
            out.push_str(&text[last..]);
            V::str(out)
        }
        _ => return fatal(format!("re.{name} is not read")),
    };
    args.finish(&format!("re.{name}"))?;
    Ok(value)
}

/// The pattern that a whole text must fit.
fn fullmatch(pattern: &Pattern) -> Made<Arc<Pattern>> {
    if pattern.source.starts_with("(?") && !pattern.source.starts_with("(?:") {
        return fatal("fullmatch of a pattern with flags in it is not read");
    }
    Pattern::new(&format!(r"\A(?:{})\Z", pattern.source), pattern.flags)
}

fn matched(found: &Rc<Found>, name: &str, args: Vec<V>) -> Made<V> {
    let index = || match args.first() {
        None => Ok(0),
        Some(v) => found.index(v),
    };
    let span = |i: usize| -> Made<(i64, i64)> {
        match found.spans.get(i) {
            Some(Some((a, b))) => {
                Ok((chars_before(&found.text, *a), chars_before(&found.text, *b)))
            }
            Some(None) => Ok((-1, -1)),
            None => Err(Stop::Raise("IndexError", "no such group".into())),
        }
    };
    Ok(match name {
        "group" if args.len() > 1 => {
            let all: Made<Vec<V>> = args.iter().map(|a| found.group(found.index(a)?)).collect();
            V::tuple(all?)
        }
        "group" => found.group(index()?)?,
        "groups" => {
            let all: Made<Vec<V>> = (1..found.spans.len()).map(|i| found.group(i)).collect();
            V::tuple(all?)
        }
        "start" => V::Int(span(index()?)?.0),
        "end" => V::Int(span(index()?)?.1),
        "span" => {
            let (a, b) = span(index()?)?;
            V::tuple(vec![V::Int(a), V::Int(b)])
        }
        "groupdict" => {
            let mut all = Vec::new();
            for (name, i) in &found.names {
                all.push((V::str(name), found.group(*i)?));
            }
            V::dict(all)?
        }
        _ => return fatal(format!("Match.{name} is not read")),
    })
}

/// Texts of a list, or one text.
fn names(value: &V) -> Made<Vec<String>> {
    match value {
        V::Str(one) => Ok(vec![one.to_string()]),
        V::None => Ok(Vec::new()),
        many => many
            .members()?
            .iter()
            .map(|v| Ok(v.text("a field's name")?.to_string()))
            .collect(),
    }
}

fn table(reader: &Reader, owner: &V, name: &str, mut args: Args) -> Made<V> {
    let V::Table(table) = owner else {
        return fatal("a data set is no data set");
    };
    args.ignore(&[
        "num_proc",
        "load_from_cache_file",
        "desc",
        "keep_in_memory",
        "new_fingerprint",
        "features",
    ]);
    let flag = |v: Option<V>| v.map_or(Ok(false), |v| v.truth());
    let value = match name {
        "map" => {
            let function = args.need(0, "function")?;
            let with_index = flag(args.take(9, "with_indices"))?;
            if flag(args.take(9, "batched"))? {
                return fatal("map over batches is not read");
            }
            let removed = names(&args.take(9, "remove_columns").unwrap_or(V::None))?;
            let extra = match args.take(9, "fn_kwargs") {
                Some(V::Dict(dict)) => dict
                    .borrow()
                    .map
                    .values()
                    .map(|(k, v)| Ok((Arc::from(&**k.text("a named argument")?), v.clone())))
                    .collect::<Made<Vec<_>>>()?,
                _ => Vec::new(),
            };
            table.map(reader, &function, with_index, &removed, &extra)?
        }
        "filter" => {
            let function = args.need(0, "function")?;
            let with_index = flag(args.take(9, "with_indices"))?;
            table.filter(reader, &function, with_index)?
        }
        "select" => table.select(&args.need(0, "indices")?)?,
        "take" => {
            let n = limit(Some(args.need(0, "n")?)).min(table.rows.len());
            table.select(&V::list((0..n as i64).map(V::Int).collect()))?
        }
        "skip" => {
            let n = limit(Some(args.need(0, "n")?)).min(table.rows.len());
            let all = (n as i64..table.rows.len() as i64).map(V::Int);
            table.select(&V::list(all.collect()))?
        }
        "rename_column" => {
            let old = args.need(0, "original_column_name")?.to_text()?;
            let new = args.need(1, "new_column_name")?.to_text()?;
            table.rename(&[(old, new)])?
        }
        "rename_columns" => {
            let all = entries(&args.need(0, "column_mapping")?)?
                .iter()
                .map(|(a, b)| Ok((a.to_text()?, b.to_text()?)))
                .collect::<Made<Vec<_>>>()?;
            table.rename(&all)?
        }
        "remove_columns" => {
            let gone = names(&args.need(0, "column_names")?)?;
            table.keep(&|c| gone.iter().all(|g| g != c))
        }
        "select_columns" => {
            let kept = names(&args.need(0, "column_names")?)?;
            table.keep(&|c| kept.iter().any(|k| k == c))
        }
        "add_column" => {
            let name = args.need(0, "name")?.to_text()?;
            table.add(&name, &args.need(1, "column")?)?
        }
        "to_list" => V::list(table.all()),
        "unique" => {
            let all = table.item(&args.need(0, "column")?)?.items()?;
            V::list(V::set(all)?.members()?)
        }
        _ => return fatal(format!("Dataset.{name} is not read")),
    };
    args.finish(&format!("Dataset.{name}"))?;
    Ok(value)
}
