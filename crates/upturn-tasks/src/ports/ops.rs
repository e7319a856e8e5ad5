//! Operators on values: arithmetic, membership, items and slices.

use std::cell::RefCell;
use std::rc::Rc;

use super::ast::{Op, Unary};
use super::format::percent;
use super::methods;
use super::run::MAX_SIZE;
use super::value::{Dict, DictKind, Made, V, fatal, raise};

pub(super) fn same(left: &V, right: &V) -> bool {
    match (left, right) {
        (V::None, V::None) => true,
        (V::Bool(a), V::Bool(b)) => a == b,
        (V::Int(a), V::Int(b)) => a == b,
        (V::Str(a), V::Str(b)) => a == b,
        (V::Native(a), V::Native(b)) => a == b,
        (V::List(a), V::List(b)) => Rc::ptr_eq(a, b),
        (V::Dict(a), V::Dict(b)) => Rc::ptr_eq(a, b),
        _ => false,
    }
}

/// `item in owner`.
pub(super) fn contains(owner: &V, item: &V) -> Made<bool> {
    Ok(match owner {
        V::Str(text) => text.contains(&**item.text("'in <string>'")?),
        V::Dict(dict) => dict.borrow().map.contains_key(&item.key()?),
        V::Set(set) => set.borrow().contains_key(&item.key()?),
        other => other.members()?.iter().any(|v| v.equals(item)),
    })
}

pub(super) fn set_item(owner: &V, index: &V, value: V) -> Made<()> {
    match owner {
        V::Dict(dict) => {
            dict.borrow_mut()
                .map
                .entry(index.key()?)
                .and_modify(|e| e.1 = value.clone())
                .or_insert((index.clone(), value));
            Ok(())
        }
        V::List(items) | V::Array(items) => {
            if let V::Tuple(path) = index
                && let [row, column] = &**path
            {
                let row = items
                    .borrow()
                    .get(
                        row.int()
                            .and_then(|i| usize::try_from(i).ok())
                            .unwrap_or(usize::MAX),
                    )
                    .cloned();
                return match row {
                    Some(row) => set_item(&row, column, value),
                    None => raise("IndexError", "array index out of range"),
                };
            }
            let n = items.borrow().len();
            let Some(i) = index.int() else {
                return fatal("sets a slice of a list");
            };
            let place = if i < 0 { i + n as i64 } else { i };
            match usize::try_from(place).ok().filter(|i| *i < n) {
                Some(i) => {
                    items.borrow_mut()[i] = value;
                    Ok(())
                }
                None => raise("IndexError", "list assignment index out of range"),
            }
        }
        other => raise(
            "TypeError",
            format!("'{}' object does not support item assignment", other.kind()),
        ),
    }
}

/// Places that a slice of `n` items takes.
pub(super) fn places(
    n: usize,
    start: Option<i64>,
    stop: Option<i64>,
    step: Option<i64>,
) -> Made<Vec<usize>> {
    let step = step.unwrap_or(1);
    let n = n as i64;
    if step == 0 {
        return raise("ValueError", "slice step cannot be zero");
    }
    let clamp = |i: i64, low: i64, high: i64| if i < 0 { i + n } else { i }.clamp(low, high);
    let (mut at, end) = if step > 0 {
        (
            start.map_or(0, |i| clamp(i, 0, n)),
            stop.map_or(n, |i| clamp(i, 0, n)),
        )
    } else {
        (
            start.map_or(n - 1, |i| clamp(i, -1, n - 1)),
            stop.map_or(-1, |i| clamp(i, -1, n - 1)),
        )
    };
    let mut out = Vec::new();
    while (step > 0 && at < end) || (step < 0 && at > end) {
        out.extend(usize::try_from(at));
        at = at.saturating_add(step);
    }
    Ok(out)
}

pub(super) fn slice(
    owner: &V,
    start: Option<i64>,
    stop: Option<i64>,
    step: Option<i64>,
) -> Made<V> {
    let pick = |items: &[V]| -> Made<Vec<V>> {
        Ok(places(items.len(), start, stop, step)?
            .into_iter()
            .map(|i| items[i].clone())
            .collect())
    };
    Ok(match owner {
        V::Str(text) => {
            let chars: Vec<char> = text.chars().collect();
            let out: String = places(chars.len(), start, stop, step)?
                .into_iter()
                .map(|i| chars[i])
                .collect();
            V::str(out)
        }
        V::List(items) => V::list(pick(&items.borrow())?),
        V::Array(items) => V::array(pick(&items.borrow())?),
        V::Tuple(items) => V::tuple(pick(items)?),
        V::Table(table) => table.slice(&places(table.rows.len(), start, stop, step)?)?,
        other => {
            return raise(
                "TypeError",
                format!("'{}' object is not subscriptable", other.kind()),
            );
        }
    })
}

pub(super) fn unary(op: Unary, value: &V) -> Made<V> {
    if let V::Array(items) = value {
        let items: Made<Vec<V>> = items.borrow().iter().map(|v| unary(op, v)).collect();
        return Ok(V::array(items?));
    }
    Ok(match (op, value) {
        (Unary::Not, value) => V::Bool(!value.truth()?),
        (Unary::Minus, V::Float(x)) => V::Float(-x),
        (Unary::Plus, V::Float(x)) => V::Float(*x),
        (Unary::Invert, V::Bool(b)) => V::Bool(!b),
        (op, value) => match (op, value.int()) {
            (Unary::Minus, Some(i)) => V::Int(-i),
            (Unary::Plus, Some(i)) => V::Int(i),
            (Unary::Invert, Some(i)) => V::Int(!i),
            _ => return raise("TypeError", format!("bad operand: '{}'", value.kind())),
        },
    })
}

fn repeated(items: &[V], n: usize) -> Vec<V> {
    (0..n).flat_map(|_| items.iter().cloned()).collect()
}

/// Arithmetic of two values that are no arrays.
pub(super) fn binary(op: Op, left: &V, right: &V) -> Made<V> {
    let wrong = || {
        raise(
            "TypeError",
            format!(
                "unsupported operand types: '{}' and '{}'",
                left.kind(),
                right.kind()
            ),
        )
    };
    let too_big = || fatal("a whole number grows out of range");
    match (op, left, right) {
        (Op::Add, V::Str(a), V::Str(b)) => {
            if a.len() + b.len() > MAX_SIZE {
                return fatal("makes too long a text");
            }
            return Ok(V::str(format!("{a}{b}")));
        }
        (Op::Add, V::List(a), V::List(b)) => {
            let mut out = a.borrow().clone();
            out.extend(b.borrow().iter().cloned());
            return Ok(V::list(out));
        }
        (Op::Add, V::Tuple(a), V::Tuple(b)) => {
            return Ok(V::tuple(a.iter().chain(b.iter()).cloned().collect()));
        }
        (Op::Mul, V::Str(_) | V::List(_) | V::Tuple(_), n)
        | (Op::Mul, n, V::Str(_) | V::List(_) | V::Tuple(_)) => {
            let what = if matches!(left, V::Str(_) | V::List(_) | V::Tuple(_)) {
                left
            } else {
                right
            };
            let Some(n) = n.int() else {
                return wrong();
            };
            let n = usize::try_from(n).unwrap_or(0);
            if n.saturating_mul(what.len()?.max(1)) > MAX_SIZE / 8 {
                return fatal("repeats a value too often");
            }
            return Ok(match what {
                V::Str(s) => V::str(s.repeat(n)),
                V::Tuple(items) => V::tuple(repeated(items, n)),
                V::List(items) => V::list(repeated(&items.borrow(), n)),
                _ => V::None,
            });
        }
        (Op::Mod, V::Str(template), args) => {
            return Ok(V::str(percent(template, args)?));
        }
        (Op::BitOr, V::Dict(a), V::Dict(b)) => {
            let mut out = a.borrow().clone();
            for (key, entry) in &b.borrow().map {
                out.map.insert(key.clone(), entry.clone());
            }
            return Ok(V::Dict(Rc::new(RefCell::new(out))));
        }
        // Counters: the smaller count of each.
        (Op::BitAnd, V::Dict(a), V::Dict(b)) => {
            let (a, b) = (a.borrow(), b.borrow());
            let mut out = Dict {
                kind: DictKind::Counter,
                ..Dict::default()
            };
            for (key, (name, n)) in &a.map {
                if let Some((_, m)) = b.map.get(key) {
                    let least = n.int().unwrap_or(0).min(m.int().unwrap_or(0));
                    if least > 0 {
                        out.map.insert(key.clone(), (name.clone(), V::Int(least)));
                    }
                }
            }
            return Ok(V::Dict(Rc::new(RefCell::new(out))));
        }
        (Op::BitAnd | Op::BitOr | Op::Sub | Op::BitXor, V::Set(_), V::Set(_)) => {
            return methods::sets(op, left, std::slice::from_ref(right));
        }
        // A list made of a set is kept as the set.
        (Op::Add, V::Set(_), _) | (Op::Add, _, V::Set(_)) => {
            return fatal("joins a set, whose order is not defined; sort it");
        }
        (Op::Div, V::Path(folder), V::Str(name)) => {
            return Ok(V::Path(folder.join(&**name).into()));
        }
        // 2 in Python, and True where NumPy made one of them.
        (Op::Add, V::Bool(true), V::Bool(true)) => {
            return fatal("adds two truth values, which Python and NumPy do differently");
        }
        (Op::BitAnd, V::Bool(a), V::Bool(b)) => return Ok(V::Bool(a & b)),
        (Op::BitOr, V::Bool(a), V::Bool(b)) => return Ok(V::Bool(a | b)),
        _ => {}
    }
    if let (Some(a), Some(b)) = (left.int(), right.int()) {
        return Ok(match op {
            Op::Add => match a.checked_add(b) {
                Some(n) => V::Int(n),
                None => return too_big(),
            },
            Op::Sub => match a.checked_sub(b) {
                Some(n) => V::Int(n),
                None => return too_big(),
            },
            Op::Mul => match a.checked_mul(b) {
                Some(n) => V::Int(n),
                None => return too_big(),
            },
            Op::Div | Op::FloorDiv | Op::Mod if b == 0 => {
                return raise("ZeroDivisionError", "division by zero");
            }
            Op::Div => V::Float(a as f64 / b as f64),
            Op::FloorDiv => V::Int(a.wrapping_div(b) - i64::from(a % b != 0 && (a < 0) != (b < 0))),
            Op::Mod => V::Int(
                a.wrapping_rem(b)
                    + if a % b != 0 && (a < 0) != (b < 0) {
                        b
                    } else {
                        0
                    },
            ),
            Op::Pow if b < 0 => V::Float((a as f64).powf(b as f64)),
            Op::Pow => match u32::try_from(b).ok().and_then(|b| a.checked_pow(b)) {
                Some(n) => V::Int(n),
                None => return too_big(),
            },
            Op::BitAnd => V::Int(a & b),
            Op::BitOr => V::Int(a | b),
            Op::BitXor => V::Int(a ^ b),
        });
    }
    let (Some(a), Some(b)) = (left.number(), right.number()) else {
        return wrong();
    };
    Ok(V::Float(match op {
        Op::Add => a + b,
        Op::Sub => a - b,
        Op::Mul => a * b,
        Op::Div | Op::FloorDiv | Op::Mod if b == 0.0 => {
            return raise("ZeroDivisionError", "float division by zero");
        }
        Op::Div => a / b,
        Op::FloorDiv => (a / b).floor(),
        Op::Mod => a - b * (a / b).floor(),
        Op::Pow => a.powf(b),
        Op::BitAnd | Op::BitOr | Op::BitXor => return wrong(),
    }))
}
