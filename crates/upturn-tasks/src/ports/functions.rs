//! Builtins of Python and functions of libraries, by dotted path.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use sha2::{Digest as _, Sha256, Sha512};
use upturn_metrics::PyRandom;

use super::array;
use super::format::format_value;
use super::methods::{self, Args};
use super::pattern::{FLAGS, Pattern};
use super::run::{Reader, error_kind, is_error, partial};
use super::value::{Dict, DictKind, Made, Stop, V, fatal, raise};
use super::{scores, table};
use crate::python;

const BUILTINS: [&str; 43] = [
    "getattr",
    "len",
    "str",
    "int",
    "float",
    "bool",
    "list",
    "dict",
    "set",
    "tuple",
    "frozenset",
    "range",
    "zip",
    "enumerate",
    "sum",
    "min",
    "max",
    "sorted",
    "reversed",
    "map",
    "filter",
    "any",
    "all",
    "abs",
    "round",
    "isinstance",
    "chr",
    "ord",
    "print",
    "repr",
    "next",
    "iter",
    "format",
    "type",
    "divmod",
    "pow",
    "callable",
    "Exception",
    "ValueError",
    "KeyError",
    "IndexError",
    "TypeError",
    "AssertionError",
];

/// Functions of libraries that are here. `np` and `numpy` are one.
const KNOWN: [&str; 84] = [
    "re.sub",
    "re.search",
    "re.match",
    "re.fullmatch",
    "re.findall",
    "re.finditer",
    "re.split",
    "re.compile",
    "re.escape",
    "functools.partial",
    "ast.literal_eval",
    "json.loads",
    "json.dumps",
    "copy.copy",
    "copy.deepcopy",
    "collections.Counter",
    "collections.defaultdict",
    "collections.OrderedDict",
    "itertools.chain",
    "itertools.chain.from_iterable",
    "itertools.zip_longest",
    "itertools.product",
    "itertools.combinations",
    "math.exp",
    "math.log",
    "math.sqrt",
    "math.floor",
    "math.ceil",
    "math.isnan",
    "math.isinf",
    "random.Random",
    "random.shuffle",
    "random.sample",
    "random.choice",
    "random.choices",
    "random.random",
    "random.randint",
    "random.seed",
    "numpy.array",
    "numpy.asarray",
    "numpy.zeros",
    "numpy.argmax",
    "numpy.argmin",
    "numpy.mean",
    "numpy.nanmean",
    "numpy.sum",
    "numpy.nansum",
    "numpy.max",
    "numpy.min",
    "numpy.nanmax",
    "numpy.exp",
    "numpy.log",
    "numpy.isnan",
    "numpy.any",
    "numpy.all",
    "numpy.prod",
    "numpy.arange",
    "numpy.array_equal",
    "numpy.round",
    "os.path.basename",
    "os.path.dirname",
    "pathlib.Path",
    "logging.getLogger",
    "datasets.Dataset.from_list",
    "datasets.Dataset.from_dict",
    "datasets.concatenate_datasets",
    "html.unescape",
    "unicodedata.category",
    "hashlib.sha256",
    "scipy.optimize.linear_sum_assignment",
    "sklearn.metrics.f1_score",
    "sklearn.metrics.fbeta_score",
    "sklearn.metrics.accuracy_score",
    "sklearn.metrics.precision_score",
    "sklearn.metrics.recall_score",
    "lm_eval.utils.weighted_f1_score",
    "lm_eval.utils.general_detokenize",
    "lm_eval.utils.eval_logger",
    "lm_eval.api.metrics.metric_max_over_ground_truths",
    "lm_eval.api.metrics.mean",
    "transformers.data.metrics.squad_metrics.compute_exact",
    "transformers.data.metrics.squad_metrics.compute_f1",
    "transformers.data.metrics.squad_metrics.normalize_answer",
    "str.lower",
];

/// Functions named here that are refused although their name is known.
const NOT_YET: [&str; 3] = ["html.unescape", "unicodedata.category", "json.dumps"];

/// Whether a bare name is a builtin.
pub(super) fn is_builtin(name: &str) -> bool {
    BUILTINS.contains(&name) || is_error(name)
}

/// One spelling per library.
fn canonical(path: &str) -> String {
    for (short, long) in [
        ("np.", "numpy."),
        ("sklearn.metrics._classification.", "sklearn.metrics."),
    ] {
        if let Some(rest) = path.strip_prefix(short) {
            return format!("{long}{rest}");
        }
    }
    path.to_string()
}

/// Whether a dotted path is a function or value that is here.
pub(super) fn is_known(path: &str) -> bool {
    let path = canonical(path);
    (KNOWN.contains(&path.as_str()) && !NOT_YET.contains(&path.as_str()))
        || is_log(&path)
        || constant(&path).is_some()
}

/// Whether it only writes to a log, which is not kept.
fn is_log(path: &str) -> bool {
    path.strip_prefix("logging.")
        .is_some_and(|name| matches!(name, "info" | "warning" | "error" | "debug" | "basicConfig"))
}

/// Whether some function or value here lies within a dotted path.
pub(super) fn is_module(path: &str) -> bool {
    let prefix = format!("{}.", canonical(path));
    KNOWN.iter().any(|k| k.starts_with(&prefix))
        || matches!(path, "string" | "numpy" | "sys" | "typing" | "os" | "tqdm")
}

/// Whether a path is of those that only say types or show progress.
pub(super) fn is_quiet(path: &str) -> bool {
    [
        "typing",
        "tqdm",
        "collections.abc",
        "__future__",
        "types",
        "datasets",
        "dataclasses",
    ]
    .iter()
    .any(|q| path == *q || path.starts_with(&format!("{q}.")))
}

/// A value of a library.
pub(super) fn constant(path: &str) -> Option<V> {
    let path = canonical(path);
    if let Some((_, bit, _)) = FLAGS.iter().find(|(name, ..)| *name == path) {
        return Some(V::Int(*bit));
    }
    Some(match path.as_str() {
        "re.UNICODE" | "re.U" => V::Int(32),
        "re.VERBOSE" => V::Int(64),
        "string.punctuation" => V::str("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
        "string.ascii_uppercase" => V::str("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        "string.ascii_lowercase" => V::str("abcdefghijklmnopqrstuvwxyz"),
        "string.ascii_letters" => V::str("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        "string.digits" => V::str("0123456789"),
        "math.inf" | "numpy.inf" => V::Float(f64::INFINITY),
        "math.nan" | "numpy.nan" | "numpy.NaN" | "numpy.NAN" => V::Float(f64::NAN),
        "lm_eval.utils.eval_logger" => V::Mute,
        _ => return None,
    })
}

/// Sorts as `sorted` does: equal items keep their order.
pub(super) fn sorted(
    reader: &Reader,
    items: Vec<V>,
    key: Option<&V>,
    reverse: Option<&V>,
) -> Made<Vec<V>> {
    let mut keyed = Vec::with_capacity(items.len());
    for item in items {
        let by = match key {
            None | Some(V::None) => item.clone(),
            Some(key) => reader.call(key, vec![item.clone()])?,
        };
        keyed.push((by, item));
    }
    let reverse = reverse.map_or(Ok(false), V::truth)?;
    let mut failed = None;
    let mut compare = |a: &V, b: &V| match a.order(b) {
        Ok(order) => order.unwrap_or(Ordering::Equal),
        Err(stop) => {
            failed.get_or_insert(stop);
            Ordering::Equal
        }
    };
    // Reversed order keeps equal items in their own.
    keyed.sort_by(|a, b| {
        if reverse {
            compare(&b.0, &a.0)
        } else {
            compare(&a.0, &b.0)
        }
    });
    match failed {
        Some(stop) => Err(stop),
        None => Ok(keyed.into_iter().map(|(_, item)| item).collect()),
    }
}

/// The items that `min` and `max` choose from, and the key.
fn extreme(reader: &Reader, mut args: Args, n_args: usize, first: &[V], most: bool) -> Made<V> {
    let key = args.take(99, "key");
    let default = args.take(99, "default");
    let items = if n_args == 1 {
        first[0].members()?
    } else {
        first.to_vec()
    };
    let mut best: Option<(V, V)> = None;
    for item in items {
        let by = match &key {
            None | Some(V::None) => item.clone(),
            Some(key) => reader.call(key, vec![item.clone()])?,
        };
        let better = match &best {
            None => true,
            Some((old, _)) => {
                let order = by.order(old)?;
                if most {
                    order == Some(Ordering::Greater)
                } else {
                    order == Some(Ordering::Less)
                }
            }
        };
        if better {
            best = Some((by, item));
        }
    }
    match (best, default) {
        (Some((_, item)), _) => Ok(item),
        (None, Some(default)) => Ok(default),
        (None, None) => raise("ValueError", "min() or max() of an empty sequence"),
    }
}

/// `int(value)`.
fn to_int(value: &V, base: Option<i64>) -> Made<V> {
    match value {
        V::Str(text) => {
            let base = base.unwrap_or(10);
            let clean = text.trim_matches(python::is_space).replace('_', "");
            let Ok(radix) = u32::try_from(base) else {
                return raise("ValueError", "int() base must be >= 2 and <= 36");
            };
            if !(2..=36).contains(&radix) {
                return fatal("int with a base of 0 is not read");
            }
            match i64::from_str_radix(&clean, radix) {
                Ok(i) => Ok(V::Int(i)),
                Err(_) => raise(
                    "ValueError",
                    format!(
                        "invalid literal for int() with base {base}: {}",
                        value.repr()?
                    ),
                ),
            }
        }
        V::Float(x) if x.is_nan() => raise("ValueError", "cannot convert float NaN to integer"),
        V::Float(x) if x.is_infinite() => {
            raise("OverflowError", "cannot convert float infinity to integer")
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "cut at the point, as Python does"
        )]
        V::Float(x) if x.abs() < 9e18 => Ok(V::Int(x.trunc() as i64)),
        other => match other.int() {
            Some(i) => Ok(V::Int(i)),
            None => raise(
                "TypeError",
                format!(
                    "int() argument must be a string or a number, not '{}'",
                    other.kind()
                ),
            ),
        },
    }
}

/// `float(value)`.
fn to_float(value: &V) -> Made<V> {
    match value {
        V::Str(text) => {
            let clean = text.trim_matches(python::is_space);
            let plain = clean.replace('_', "");
            let word = plain.trim_start_matches(['+', '-']).to_lowercase();
            let is_word = matches!(word.as_str(), "inf" | "infinity" | "nan");
            let is_number = plain
                .chars()
                .all(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E'));
            match plain.parse::<f64>() {
                Ok(x) if is_word || is_number => Ok(V::Float(x)),
                _ => raise(
                    "ValueError",
                    format!("could not convert string to float: {}", value.repr()?),
                ),
            }
        }
        other => match other.number() {
            Some(x) => Ok(V::Float(x)),
            None => raise(
                "TypeError",
                format!(
                    "float() argument must be a string or a number, not '{}'",
                    other.kind()
                ),
            ),
        },
    }
}

/// `round(value, digits)`: halves to even, by decimal digits as Python writes them.
fn round(value: &V, digits: Option<&V>) -> Made<V> {
    if let (Some(i), None) = (value.int(), digits) {
        return Ok(V::Int(i));
    }
    let Some(x) = value.number() else {
        return raise("TypeError", format!("cannot round a {}", value.kind()));
    };
    match digits.and_then(V::int) {
        None => to_int(&V::Float(x.round_ties_even()), None),
        // The nearest decimal of the exact value, which is what formatting gives.
        Some(n) if (0..=20).contains(&n) => {
            let n = usize::try_from(n).unwrap_or(0);
            Ok(V::Float(format!("{x:.n$}").parse().unwrap_or(x)))
        }
        Some(_) => fatal("round to tens or beyond 20 digits is not read"),
    }
}

fn is_instance(value: &V, kind: &V) -> Made<bool> {
    if let V::Tuple(kinds) = kind {
        for kind in kinds.iter() {
            if is_instance(value, kind)? {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    let V::Native(name) = kind else {
        return fatal("isinstance with a class that is not read");
    };
    Ok(match &**name {
        "str" => matches!(value, V::Str(_)),
        "int" => matches!(value, V::Int(_) | V::Bool(_)),
        "float" => matches!(value, V::Float(_)),
        "bool" => matches!(value, V::Bool(_)),
        "list" => matches!(value, V::List(_)),
        "tuple" => matches!(value, V::Tuple(_)),
        "dict" => matches!(value, V::Dict(_)),
        "set" => matches!(value, V::Set(_)),
        other => return fatal(format!("isinstance with {other} is not read")),
    })
}

fn one(mut args: Args, what: &str) -> Made<V> {
    let value = args.need(0, "value")?;
    args.finish(what)?;
    Ok(value)
}

fn deep_copy(value: &V, depth: usize) -> Made<V> {
    if depth > 64 {
        return fatal("copies a value nested deeper than 64 levels");
    }
    let all =
        |items: &[V]| -> Made<Vec<V>> { items.iter().map(|v| deep_copy(v, depth + 1)).collect() };
    Ok(match value {
        V::List(items) => V::list(all(&items.borrow())?),
        V::Array(items) => V::array(all(&items.borrow())?),
        V::Tuple(items) => V::tuple(all(items)?),
        V::Dict(dict) => {
            let mut out = Dict {
                kind: dict.borrow().kind.clone(),
                ..Dict::default()
            };
            for (key, (name, value)) in &dict.borrow().map {
                out.map
                    .insert(key.clone(), (name.clone(), deep_copy(value, depth + 1)?));
            }
            V::Dict(Rc::new(RefCell::new(out)))
        }
        V::Set(_) => V::set(value.members()?)?,
        other => other.clone(),
    })
}

/// `zip` of lists, up to the shortest or (filled) the longest.
fn zip(lists: &[Vec<V>], fill: Option<&V>) -> Vec<V> {
    let lengths = lists.iter().map(Vec::len);
    let n = match fill {
        None => lengths.min(),
        Some(_) => lengths.max(),
    }
    .unwrap_or(0);
    let at = |i: usize| {
        let row = lists
            .iter()
            .map(|l| l.get(i).or(fill).cloned().unwrap_or(V::None));
        V::tuple(row.collect())
    };
    (0..n).map(at).collect()
}

/// Calls a builtin or a function of a library.
pub(super) fn call(
    reader: &Reader,
    path: &str,
    mut args: Vec<V>,
    named: Vec<(Arc<str>, V)>,
) -> Made<V> {
    let path = canonical(path);
    let path = path.as_str();
    if let Some(name) = path.strip_prefix("re.") {
        return re(reader, name, args, named);
    }
    if let Some(name) = path.strip_prefix("numpy.") {
        return numpy(reader, name, args, named);
    }
    if let Some(name) = path.strip_prefix("random.")
        && name != "Random"
    {
        let random = reader.random.clone();
        return self::random(reader, &random, name, args, named);
    }
    if let Some(name) = path.strip_prefix("str.").filter(|n| *n != "maketrans") {
        if args.is_empty() {
            return raise("TypeError", "the method needs a value");
        }
        let owner = args.remove(0);
        return methods::call(reader, &owner, name, args, named);
    }
    if is_error(path) {
        let message = args.first().map_or(Ok(String::new()), V::to_text)?;
        return Ok(V::Error(error_kind(path), message.as_str().into()));
    }
    if is_log(path) {
        return Ok(V::None);
    }
    if is_quiet(path) && path.starts_with("tqdm") {
        return args
            .into_iter()
            .next()
            .ok_or(Stop::Raise("TypeError", "tqdm needs a list".into()));
    }
    if path.starts_with("sklearn.metrics.") || path.contains(".squad_metrics.") {
        return scores::call(path, Args::new(args, named));
    }
    let n_args = args.len();
    let first: Vec<V> = args.clone();
    let mut a = Args::new(std::mem::take(&mut args), named);
    let value = match path {
        "len" => V::Int(a.need(0, "obj")?.len()? as i64),
        "str" => match a.take(0, "object") {
            Some(value) => V::str(value.to_text()?),
            None => V::str(""),
        },
        "repr" => V::str(a.need(0, "obj")?.repr()?),
        "int" => {
            let value = a.take(0, "x").unwrap_or(V::Int(0));
            let base = a.take(1, "base").and_then(|v| v.int());
            to_int(&value, base)?
        }
        "float" => to_float(&a.take(0, "x").unwrap_or(V::Float(0.0)))?,
        "bool" => V::Bool(a.take(0, "x").map_or(Ok(false), |v| v.truth())?),
        "list" | "tuple" if matches!(first.as_slice(), [V::Set(_)]) => {
            // It has no order: it stays a set, which can be sorted, counted and searched.
            V::set(a.need(0, "x")?.members()?)?
        }
        "list" => V::list(a.take(0, "x").map_or(Ok(Vec::new()), |v| v.items())?),
        "tuple" => V::tuple(a.take(0, "x").map_or(Ok(Vec::new()), |v| v.items())?),
        "set" | "frozenset" => V::set(a.take(0, "x").map_or(Ok(Vec::new()), |v| v.members())?)?,
        "dict" | "collections.OrderedDict" => {
            let mut all = match a.take(0, "x") {
                Some(value) => methods::entries(&value)?,
                None => Vec::new(),
            };
            all.extend(a.rest().into_iter().map(|(n, v)| (V::str(&*n), v)));
            V::dict(all)?
        }
        "hashlib.sha256" => {
            let bytes: Option<Vec<u8>> = a
                .need(0, "string")?
                .items()?
                .iter()
                .map(|v| v.int().and_then(|b| u8::try_from(b).ok()))
                .collect();
            let Some(bytes) = bytes else {
                return raise("TypeError", "sha256 needs bytes");
            };
            let hex = Sha256::digest(bytes);
            V::Digest(
                hex.iter()
                    .map(|b| format!("{b:02x}"))
                    .collect::<String>()
                    .into(),
            )
        }
        "str.maketrans" => {
            let from = a.need(0, "x")?;
            let mut table = Vec::new();
            if let V::Dict(dict) = &from {
                for (key, value) in dict.borrow().map.values() {
                    let key = match key {
                        V::Str(s) => {
                            V::Int(s.chars().next().map_or(0, |c| i64::from(u32::from(c))))
                        }
                        other => other.clone(),
                    };
                    table.push((key, value.clone()));
                }
            } else {
                let to = a.need(1, "y")?;
                let code = |c: char| V::Int(i64::from(u32::from(c)));
                let (from, to) = (from.text("maketrans")?, to.text("maketrans")?);
                table.extend(
                    from.chars()
                        .zip(to.chars())
                        .map(|(x, y)| (code(x), code(y))),
                );
                if let Some(gone) = a.take(2, "z") {
                    let gone = gone.text("maketrans")?.clone();
                    table.extend(gone.chars().map(|c| (code(c), V::None)));
                }
            }
            V::dict(table)?
        }
        "dict.fromkeys" => {
            let keys = a.need(0, "iterable")?.items()?;
            let value = a.take(1, "value").unwrap_or(V::None);
            V::dict(keys.into_iter().map(|k| (k, value.clone())))?
        }
        "range" => {
            let bounds: Option<Vec<i64>> = first.iter().map(V::int).collect();
            for i in 0..n_args {
                a.take(i, "");
            }
            let (start, stop, step) = match bounds.as_deref() {
                Some([stop]) => (0, *stop, 1),
                Some([start, stop]) => (*start, *stop, 1),
                Some([start, stop, step]) if *step != 0 => (*start, *stop, *step),
                _ => return raise("TypeError", "range takes one to three whole numbers"),
            };
            let n = (stop.saturating_sub(start)).saturating_add(step - step.signum()) / step;
            let n = u64::try_from(n).unwrap_or(0);
            reader.spend(n)?;
            V::list((0..n as i64).map(|i| V::Int(start + i * step)).collect())
        }
        "zip" => {
            a.ignore(&["strict"]);
            for i in 0..n_args {
                a.take(i, "");
            }
            let lists: Made<Vec<Vec<V>>> = first.iter().map(V::items).collect();
            V::iter(zip(&lists?, None))
        }
        "itertools.zip_longest" => {
            for i in 0..n_args {
                a.take(i, "");
            }
            let fill = a.take(99, "fillvalue").unwrap_or(V::None);
            let lists: Made<Vec<Vec<V>>> = first.iter().map(V::items).collect();
            V::iter(zip(&lists?, Some(&fill)))
        }
        "enumerate" => {
            let start = a.take(1, "start").and_then(|v| v.int()).unwrap_or(0);
            let items = a.need(0, "iterable")?.items()?;
            let all = (start..).zip(items);
            V::iter(all.map(|(i, v)| V::tuple(vec![V::Int(i), v])).collect())
        }
        "sum" => {
            let items = a.need(0, "iterable")?.members()?;
            let mut total = a.take(1, "start").unwrap_or(V::Int(0));
            for item in items {
                total = reader.binary(super::ast::Op::Add, &total, &item)?;
            }
            total
        }
        "min" | "max" => {
            for i in 0..n_args {
                a.take(i, "");
            }
            if n_args == 0 {
                return raise("TypeError", "min and max need an argument");
            }
            return extreme(reader, a, n_args, &first, path == "max");
        }
        "sorted" => {
            let items = a.need(0, "iterable")?.members()?;
            let key = a.take(9, "key");
            let reverse = a.take(9, "reverse");
            V::list(sorted(reader, items, key.as_ref(), reverse.as_ref())?)
        }
        "reversed" => {
            let mut items = a.need(0, "sequence")?.items()?;
            items.reverse();
            V::iter(items)
        }
        "map" => {
            let function = a.need(0, "function")?;
            let lists: Made<Vec<Vec<V>>> = first[1..].iter().map(V::items).collect();
            for i in 1..n_args {
                a.take(i, "");
            }
            let mut out = Vec::new();
            for row in zip(&lists?, None) {
                out.push(reader.call(&function, row.items()?)?);
            }
            V::iter(out)
        }
        "filter" => {
            let function = a.need(0, "function")?;
            let mut out = Vec::new();
            for item in a.need(1, "iterable")?.items()? {
                let keeps = match &function {
                    V::None => item.truth()?,
                    f => reader.call(f, vec![item.clone()])?.truth()?,
                };
                if keeps {
                    out.push(item);
                }
            }
            V::iter(out)
        }
        "any" | "all" => {
            let mut found = path == "all";
            for item in a.need(0, "iterable")?.members()? {
                if item.truth()? == (path == "any") {
                    found = path == "any";
                    break;
                }
            }
            V::Bool(found)
        }
        "abs" => match a.need(0, "x")? {
            V::Float(x) => V::Float(x.abs()),
            v => match v.int() {
                Some(i) => V::Int(i.saturating_abs()),
                None => return raise("TypeError", "bad operand type for abs()"),
            },
        },
        "round" => {
            let value = a.need(0, "number")?;
            let digits = a.take(1, "ndigits").filter(|v| !matches!(v, V::None));
            round(&value, digits.as_ref())?
        }
        "isinstance" => V::Bool(is_instance(&a.need(0, "obj")?, &a.need(1, "kind")?)?),
        "getattr" => {
            let owner = a.need(0, "obj")?;
            let name = a.need(1, "name")?;
            let default = a.take(2, "default");
            let name: Arc<str> = (&**name.text("getattr")?).into();
            match (reader.attribute(owner, &name), default) {
                (Err(Stop::Raise("AttributeError", _)), Some(default)) => default,
                (value, _) => value?,
            }
        }
        "callable" => V::Bool(matches!(
            a.need(0, "obj")?,
            V::Func(_) | V::Partial(_) | V::Native(_) | V::Bound(_)
        )),
        "type" => V::Native(a.need(0, "obj")?.kind().into()),
        "chr" => {
            let code = a.need(0, "i")?.int().and_then(|i| u32::try_from(i).ok());
            match code.and_then(char::from_u32) {
                Some(c) => V::str(c.to_string()),
                None => return raise("ValueError", "chr() arg not in range"),
            }
        }
        "ord" => {
            let text = a.need(0, "c")?;
            let mut chars = text.text("ord")?.chars();
            match (chars.next(), chars.next()) {
                (Some(c), None) => V::Int(i64::from(u32::from(c))),
                _ => return raise("TypeError", "ord() expected a character"),
            }
        }
        "print" => return Ok(V::None),
        "next" => {
            let iterator = a.need(0, "iterator")?;
            let default = a.take(1, "default");
            let V::Iter(rest) = &iterator else {
                return raise("TypeError", "next needs an iterator");
            };
            match (rest.borrow_mut().pop_front(), default) {
                (Some(item), _) => item,
                (None, Some(default)) => default,
                (None, None) => return raise("StopIteration", ""),
            }
        }
        "iter" => V::iter(a.need(0, "iterable")?.items()?),
        "format" => {
            let value = a.need(0, "value")?;
            let spec = a
                .take(1, "spec")
                .map_or(Ok(String::new()), |v| v.to_text())?;
            V::str(format_value(&value, &spec)?)
        }
        "divmod" => {
            let (x, y) = (a.need(0, "x")?, a.need(1, "y")?);
            V::tuple(vec![
                reader.binary(super::ast::Op::FloorDiv, &x, &y)?,
                reader.binary(super::ast::Op::Mod, &x, &y)?,
            ])
        }
        "pow" => reader.binary(super::ast::Op::Pow, &a.need(0, "x")?, &a.need(1, "y")?)?,
        "functools.partial" => {
            for i in 0..n_args {
                a.take(i, "");
            }
            return partial(first, a.rest());
        }
        "ast.literal_eval" => {
            let text = a.need(0, "text")?;
            match python::literal_eval(text.text("literal_eval")?) {
                Ok(value) => V::from_json(&value),
                Err(reason) => return raise("ValueError", reason),
            }
        }
        "json.loads" => {
            let text = a.need(0, "s")?;
            match serde_json::from_str(text.text("json.loads")?) {
                Ok(value) => V::from_json(&value),
                Err(e) => return raise("ValueError", e.to_string()),
            }
        }
        "json.dumps" => return fatal("json.dumps is not read"),
        "copy.copy" => {
            let value = a.need(0, "x")?;
            match &value {
                V::List(items) => V::list(items.borrow().clone()),
                V::Dict(dict) => V::Dict(Rc::new(RefCell::new(dict.borrow().clone()))),
                _ => value,
            }
        }
        "copy.deepcopy" => deep_copy(&a.need(0, "x")?, 0)?,
        "collections.Counter" => {
            let dict = Rc::new(RefCell::new(Dict {
                kind: DictKind::Counter,
                ..Dict::default()
            }));
            match a.take(0, "iterable") {
                None => {}
                Some(V::Dict(other)) => dict.borrow_mut().map = other.borrow().map.clone(),
                Some(other) => {
                    for item in other.items()? {
                        methods::count(&dict, item, 1)?;
                    }
                }
            }
            V::Dict(dict)
        }
        "collections.defaultdict" => {
            let make = a.take(0, "default_factory").unwrap_or(V::None);
            let kind = match make {
                V::None => DictKind::Plain,
                make => DictKind::Default(make),
            };
            V::Dict(Rc::new(RefCell::new(Dict {
                kind,
                ..Dict::default()
            })))
        }
        "itertools.chain" => {
            let mut out = Vec::new();
            for (i, list) in first.iter().enumerate() {
                a.take(i, "");
                out.extend(list.items()?);
            }
            V::iter(out)
        }
        "itertools.chain.from_iterable" => {
            let mut out = Vec::new();
            for list in a.need(0, "iterable")?.items()? {
                out.extend(list.items()?);
            }
            V::iter(out)
        }
        "itertools.product" => {
            let mut out: Vec<Vec<V>> = vec![Vec::new()];
            for (i, list) in first.iter().enumerate() {
                a.take(i, "");
                let items = list.items()?;
                reader.spend((out.len() * items.len()) as u64)?;
                let longer = |row: &Vec<V>| {
                    let row = row.clone();
                    items.clone().into_iter().map(move |v| {
                        let mut row = row.clone();
                        row.push(v);
                        row
                    })
                };
                out = out.iter().flat_map(longer).collect();
            }
            V::iter(out.into_iter().map(V::tuple).collect())
        }
        "itertools.combinations" => {
            let items = a.need(0, "iterable")?.items()?;
            if a.need(1, "r")?.int() != Some(2) {
                return fatal("combinations of other than two are not read");
            }
            reader.spend((items.len() * items.len()) as u64)?;
            let mut out = Vec::new();
            for (i, x) in items.iter().enumerate() {
                for y in &items[i + 1..] {
                    out.push(V::tuple(vec![x.clone(), y.clone()]));
                }
            }
            V::iter(out)
        }
        "math.exp" | "math.log" | "math.sqrt" | "math.floor" | "math.ceil" | "math.isnan"
        | "math.isinf" => {
            let Some(x) = a.need(0, "x")?.number() else {
                return raise("TypeError", "must be a real number");
            };
            match path {
                "math.exp" => V::Float(x.exp()),
                "math.log" if x <= 0.0 => return raise("ValueError", "math domain error"),
                "math.log" => match a.take(1, "base").and_then(|v| v.number()) {
                    Some(base) => V::Float(x.ln() / base.ln()),
                    None => V::Float(x.ln()),
                },
                "math.sqrt" if x < 0.0 => return raise("ValueError", "math domain error"),
                "math.sqrt" => V::Float(x.sqrt()),
                "math.floor" => to_int(&V::Float(x.floor()), None)?,
                "math.ceil" => to_int(&V::Float(x.ceil()), None)?,
                "math.isnan" => V::Bool(x.is_nan()),
                _ => V::Bool(x.is_infinite()),
            }
        }
        "random.Random" => {
            let seed = a.take(0, "x").unwrap_or(V::None);
            V::Random(Rc::new(RefCell::new(seeded(&seed)?)))
        }
        "os.path.basename" | "os.path.dirname" => {
            let text = a.need(0, "p")?.to_text()?;
            let cut = text.rfind('/');
            match (path, cut) {
                ("os.path.basename", Some(at)) => V::str(&text[at + 1..]),
                ("os.path.basename", None) => V::str(text),
                (_, Some(0)) => V::str("/"),
                (_, Some(at)) => V::str(&text[..at]),
                (_, None) => V::str(""),
            }
        }
        "pathlib.Path" => V::Path(plain_path(&a.need(0, "p")?.to_text()?).into()),
        "logging.getLogger" => return Ok(V::Mute),
        "datasets.Dataset.from_list" => table::from_list(&a.need(0, "mapping")?)?,
        "datasets.Dataset.from_dict" => table::from_dict(&a.need(0, "mapping")?)?,
        "datasets.concatenate_datasets" => table::concatenate(&a.need(0, "dsets")?)?,
        "scipy.optimize.linear_sum_assignment" => {
            let rows: Made<Vec<Vec<f64>>> = a
                .need(0, "cost_matrix")?
                .items()?
                .iter()
                .map(array::numbers)
                .collect();
            let pairs = array::linear_sum_assignment(&rows?);
            let part = |f: fn(&(usize, usize)) -> usize| {
                V::array(pairs.iter().map(|p| V::Int(f(p) as i64)).collect())
            };
            V::tuple(vec![part(|p| p.0), part(|p| p.1)])
        }
        "lm_eval.utils.weighted_f1_score" => scores::weighted_f1(&a.need(0, "items")?)?,
        "lm_eval.utils.general_detokenize" => {
            let text = a.need(0, "string")?.to_text()?;
            V::str(scores::general_detokenize(&text))
        }
        "lm_eval.api.metrics.mean" => {
            let all = array::numbers(&a.need(0, "arr")?)?;
            V::Float(all.iter().sum::<f64>() / all.len() as f64)
        }
        "lm_eval.api.metrics.metric_max_over_ground_truths" => {
            let function = a.need(0, "metric_fn")?;
            let prediction = a.need(1, "prediction")?;
            let mut all = Vec::new();
            for truth in a.need(2, "ground_truths")?.members()? {
                all.push(reader.call(&function, vec![prediction.clone(), truth])?);
            }
            let all = V::list(all);
            return extreme(reader, a, 1, &[all], true);
        }
        _ => return fatal(format!("{path} is not here")),
    };
    a.finish(path)?;
    Ok(value)
}

/// A path without `.` and `..`, made absolute in name only.
fn plain_path(text: &str) -> PathBuf {
    let mut out = PathBuf::new();
    for part in Path::new(text).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

fn re(reader: &Reader, name: &str, args: Vec<V>, named: Vec<(Arc<str>, V)>) -> Made<V> {
    let n_args = args.len();
    let mut a = Args::new(args, named);
    if name == "escape" {
        let text = one(a, "re.escape")?;
        return Ok(V::str(upturn_metrics::escape(text.text("re.escape")?)));
    }
    let source = a.need(0, "pattern")?;
    // The place of `flags` depends on the function.
    let place = match name {
        "compile" => 1,
        "sub" => 4,
        "split" => 3,
        _ => 2,
    };
    let flags = match a.take(place, "flags") {
        None => 0,
        Some(v) => match v.int() {
            Some(i) => i,
            None => return raise("TypeError", "flags are a number"),
        },
    };
    let pattern = match &source {
        V::Regex(pattern) => pattern.clone(),
        other => Pattern::new(other.text("a pattern")?, flags)?,
    };
    if name == "compile" {
        a.finish("re.compile")?;
        return Ok(V::Regex(pattern));
    }
    let mut rest = Vec::new();
    for i in 1..n_args.min(place) {
        rest.extend(a.take(i, ""));
    }
    methods::regex(reader, &pattern, name, Args::new(rest, a.rest()))
}

/// The generator of a seed: a whole number, or a text (its bytes and their SHA-512, read as
/// one number).
fn seeded(seed: &V) -> Made<PyRandom> {
    match seed {
        V::Str(text) => {
            let mut bytes = text.as_bytes().to_vec();
            bytes.extend_from_slice(&Sha512::digest(text.as_bytes()));
            bytes.reverse();
            let mut words: Vec<u32> = bytes
                .chunks(4)
                .map(|part| {
                    part.iter()
                        .rev()
                        .fold(0u32, |word, byte| (word << 8) | u32::from(*byte))
                })
                .collect();
            while words.last() == Some(&0) {
                words.pop();
            }
            Ok(PyRandom::from_words(&words))
        }
        other => match other.int() {
            Some(i) => Ok(PyRandom::new(i.unsigned_abs())),
            None => fatal("a random generator without a seed is not read"),
        },
    }
}

/// Functions of `random`.
pub(super) fn random(
    reader: &Reader,
    random: &Rc<RefCell<PyRandom>>,
    name: &str,
    args: Vec<V>,
    named: Vec<(Arc<str>, V)>,
) -> Made<V> {
    let mut a = Args::new(args, named);
    let mut r = random.borrow_mut();
    let value = match name {
        "shuffle" => {
            let list = a.need(0, "x")?;
            let V::List(items) = &list else {
                return raise("TypeError", "shuffle needs a list");
            };
            r.shuffle(&mut items.borrow_mut());
            V::None
        }
        "sample" => {
            let items = a.need(0, "population")?.items()?;
            let k = a.need(1, "k")?.int().and_then(|k| usize::try_from(k).ok());
            let Some(k) = k.filter(|k| *k <= items.len()) else {
                return raise("ValueError", "Sample larger than population or is negative");
            };
            let picked = r.sample(items.len(), k);
            V::list(picked.into_iter().map(|i| items[i].clone()).collect())
        }
        "choice" => {
            let items = a.need(0, "seq")?.items()?;
            if items.is_empty() {
                return raise("IndexError", "Cannot choose from an empty sequence");
            }
            items[r.choice_index(items.len())].clone()
        }
        "random" => V::Float(r.random()),
        "randint" => {
            let (low, high) = (a.need(0, "a")?.int(), a.need(1, "b")?.int());
            match (low, high) {
                (Some(low), Some(high)) if low <= high => {
                    let width = high.abs_diff(low).saturating_add(1);
                    V::Int(low.wrapping_add_unsigned(r.randbelow(width)))
                }
                _ => return raise("ValueError", "empty range for randint"),
            }
        }
        "seed" => {
            *r = seeded(&a.need(0, "a")?)?;
            V::None
        }
        _ => return fatal(format!("random.{name} is not read")),
    };
    let _ = reader;
    drop(r);
    a.finish(&format!("random.{name}"))?;
    Ok(value)
}

fn numpy(reader: &Reader, name: &str, args: Vec<V>, named: Vec<(Arc<str>, V)>) -> Made<V> {
    let mut a = Args::new(args, named);
    a.ignore(&["dtype"]);
    let per_number = |value: &V, f: fn(f64) -> V| -> Made<V> {
        match value.number() {
            Some(x) => Ok(f(x)),
            None => Ok(V::array(
                array::numbers(value)?.into_iter().map(f).collect(),
            )),
        }
    };
    let value = match name {
        "array" | "asarray" => array::array(&a.need(0, "object")?)?,
        "zeros" => {
            let shape = a.need(0, "shape")?;
            let sizes: Vec<usize> = match shape.int() {
                Some(n) => vec![usize::try_from(n).unwrap_or(0)],
                None => shape
                    .items()?
                    .iter()
                    .map(|v| v.int().and_then(|n| usize::try_from(n).ok()).unwrap_or(0))
                    .collect(),
            };
            reader.spend(sizes.iter().product::<usize>() as u64)?;
            let row = |n: usize| V::array(vec![V::Float(0.0); n]);
            match sizes.as_slice() {
                [n] => row(*n),
                [rows, n] => V::array((0..*rows).map(|_| row(*n)).collect()),
                _ => return fatal("arrays of more than two dimensions are not read"),
            }
        }
        "arange" => {
            let n = a.need(0, "stop")?.int().unwrap_or(0);
            reader.spend(u64::try_from(n).unwrap_or(0))?;
            V::array((0..n).map(V::Int).collect())
        }
        "argmax" | "argmin" => array::argmax(&array::numbers(&a.need(0, "a")?)?, name == "argmin")?,
        "mean" | "nanmean" => {
            let mut all = array::numbers(&a.need(0, "a")?)?;
            if name == "nanmean" {
                all.retain(|x| !x.is_nan());
            }
            V::Float(array::sum(&all) / all.len() as f64)
        }
        "sum" | "nansum" | "prod" => {
            let value = a.need(0, "a")?;
            let items = value.items()?;
            if name == "sum" && items.iter().all(|v| v.int().is_some()) {
                V::Int(items.iter().filter_map(V::int).sum())
            } else {
                let mut all = array::numbers(&value)?;
                if name == "nansum" {
                    all.retain(|x| !x.is_nan());
                }
                V::Float(if name == "prod" {
                    all.iter().product()
                } else {
                    array::sum(&all)
                })
            }
        }
        "max" | "min" | "nanmax" => {
            let value = a.need(0, "a")?;
            let mut all = array::numbers(&value)?;
            if name == "nanmax" {
                all.retain(|x| !x.is_nan());
            }
            if all.is_empty() {
                return raise("ValueError", "zero-size array has no maximum or minimum");
            }
            let V::Int(at) = array::argmax(&all, name == "min")? else {
                return fatal("argmax gives no number");
            };
            let at = usize::try_from(at).unwrap_or(0);
            match value.items()?.get(at) {
                Some(v) if name != "nanmax" => v.clone(),
                _ => V::Float(all[at]),
            }
        }
        "exp" => per_number(&a.need(0, "x")?, |x| V::Float(x.exp()))?,
        "log" => per_number(&a.need(0, "x")?, |x| V::Float(x.ln()))?,
        "isnan" => per_number(&a.need(0, "x")?, |x| V::Bool(x.is_nan()))?,
        "any" | "all" => return call(reader, name, vec![a.need(0, "a")?], Vec::new()),
        "array_equal" => {
            let (x, y) = (a.need(0, "a1")?, a.need(1, "a2")?);
            let (x, y) = (x.items()?, y.items()?);
            V::Bool(x.len() == y.len() && x.iter().zip(&y).all(|(x, y)| x.equals(y)))
        }
        "round" => {
            let value = a.need(0, "a")?;
            let digits = a.take(1, "decimals").and_then(|v| v.int()).unwrap_or(0);
            let Some(x) = value.number() else {
                return fatal("numpy.round of an array is not read");
            };
            let Ok(n) = i32::try_from(digits) else {
                return fatal("numpy.round to so many digits is not read");
            };
            let scale = 10f64.powi(n);
            V::Float((x * scale).round_ties_even() / scale)
        }
        _ => return fatal(format!("numpy.{name} is not here")),
    };
    a.finish(&format!("numpy.{name}"))?;
    Ok(value)
}
