//! The part of NumPy that helpers use: arrays of numbers, elementwise.

use super::value::{Made, V, fatal, raise};

/// An array of a list, tuple or number; rows become arrays too.
pub(super) fn array(value: &V) -> Made<V> {
    match value {
        V::List(_) | V::Tuple(_) | V::Array(_) | V::Iter(_) => {
            let items: Made<Vec<V>> = value
                .items()?
                .iter()
                .map(|v| match v {
                    V::List(_) | V::Tuple(_) => array(v),
                    other => Ok(other.clone()),
                })
                .collect();
            let items = items?;
            // One kind of number for all.
            let floats = items.iter().any(|v| matches!(v, V::Float(_)));
            let items = items.into_iter().map(|v| match (&v, v.number()) {
                (V::Int(_) | V::Bool(_), Some(x)) if floats => V::Float(x),
                _ => v,
            });
            Ok(V::array(items.collect()))
        }
        other => Ok(other.clone()),
    }
}

/// Applies an operation to each pair of elements; one that is no array goes with every element.
pub(super) fn each(left: &V, right: &V, op: &dyn Fn(&V, &V) -> Made<V>) -> Made<V> {
    let as_array = |v: &V| matches!(v, V::Array(_) | V::List(_) | V::Tuple(_));
    match (as_array(left), as_array(right)) {
        (true, true) => {
            let (a, b) = (left.items()?, right.items()?);
            if a.len() != b.len() {
                return raise("ValueError", "operands could not be broadcast together");
            }
            let all: Made<Vec<V>> = a.iter().zip(&b).map(|(x, y)| op(x, y)).collect();
            Ok(V::array(all?))
        }
        (true, false) => {
            let all: Made<Vec<V>> = left.items()?.iter().map(|x| op(x, right)).collect();
            Ok(V::array(all?))
        }
        (false, true) => {
            let all: Made<Vec<V>> = right.items()?.iter().map(|y| op(left, y)).collect();
            Ok(V::array(all?))
        }
        (false, false) => op(left, right),
    }
}

/// `array[index]`: a number, a mask, a list of places, a row and a column.
pub(super) fn item(owner: &V, index: &V) -> Made<V> {
    let items = owner.items()?;
    let at = |i: i64| -> Made<V> {
        let place = if i < 0 { i + items.len() as i64 } else { i };
        match usize::try_from(place).ok().and_then(|i| items.get(i)) {
            Some(v) => Ok(v.clone()),
            None => raise("IndexError", "array index out of range"),
        }
    };
    match index {
        V::Tuple(path) => match &**path {
            [row, column] => {
                let Some(row) = row.int() else {
                    return fatal("an array's index of this kind is not read");
                };
                item(&at(row)?, column)
            }
            _ => fatal("an array of more than two dimensions is not read"),
        },
        V::Array(_) | V::List(_) => {
            let which = index.items()?;
            if which.iter().all(|v| matches!(v, V::Bool(_))) {
                if which.len() != items.len() {
                    return raise("IndexError", "the mask has another length");
                }
                let kept = items
                    .into_iter()
                    .zip(which)
                    .filter(|(_, keep)| matches!(keep, V::Bool(true)))
                    .map(|(v, _)| v);
                return Ok(V::array(kept.collect()));
            }
            let picked: Made<Vec<V>> = which
                .iter()
                .map(|i| match i.int() {
                    Some(i) => at(i),
                    None => raise("IndexError", "an array's index is a whole number"),
                })
                .collect();
            Ok(V::array(picked?))
        }
        other => match other.int() {
            Some(i) => at(i),
            None => raise("IndexError", "an array's index is a whole number"),
        },
    }
}

/// The numbers of an array, list or tuple; those of rows one after the other.
pub(super) fn numbers(value: &V) -> Made<Vec<f64>> {
    let mut out = Vec::new();
    flatten(value, 0, &mut out)?;
    Ok(out)
}

fn flatten(value: &V, depth: usize, out: &mut Vec<f64>) -> Made<()> {
    if let Some(x) = value.number() {
        out.push(x);
        return Ok(());
    }
    match value {
        V::None => out.push(f64::NAN),
        V::List(_) | V::Tuple(_) | V::Array(_) | V::Iter(_) if depth < 4 => {
            for item in value.items()? {
                flatten(&item, depth + 1, out)?;
            }
        }
        other => {
            return raise(
                "TypeError",
                format!("expected numbers, found {}", other.kind()),
            );
        }
    }
    Ok(())
}

/// Sums as NumPy does: in blocks of eight, halves of long ones apart.
pub(super) fn sum(values: &[f64]) -> f64 {
    let n = values.len();
    if n < 8 {
        // From the first on, not from zero: a sum of -0.0 is -0.0.
        return values.iter().copied().reduce(|a, b| a + b).unwrap_or(0.0);
    }
    if n <= 128 {
        let mut r = [0.0f64; 8];
        r.copy_from_slice(&values[..8]);
        let mut i = 8;
        while i + 8 <= n {
            for (slot, v) in r.iter_mut().zip(&values[i..i + 8]) {
                *slot += v;
            }
            i += 8;
        }
        let mut total = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
        for v in &values[i..] {
            total += v;
        }
        return total;
    }
    let mut half = n / 2;
    half -= half % 8;
    sum(&values[..half]) + sum(&values[half..])
}

/// Index of the first largest (or smallest) number; a NaN is larger than everything.
pub(super) fn argmax(values: &[f64], smallest: bool) -> Made<V> {
    if values.is_empty() {
        return raise("ValueError", "attempt to get argmax of an empty sequence");
    }
    let mut best = 0;
    for (i, v) in values.iter().enumerate() {
        if v.is_nan() {
            best = i;
            break;
        }
        if (smallest && *v < values[best]) || (!smallest && *v > values[best]) {
            best = i;
        }
    }
    Ok(V::Int(best as i64))
}

/// The assignment of rows to columns with the smallest sum, as `scipy.optimize` gives it:
/// pairs by row. By shortest augmenting paths (Jonker and Volgenant).
pub(super) fn linear_sum_assignment(cost: &[Vec<f64>]) -> Vec<(usize, usize)> {
    let rows = cost.len();
    let columns = cost.first().map_or(0, Vec::len);
    if rows == 0 || columns == 0 {
        return Vec::new();
    }
    if columns < rows {
        let turned: Vec<Vec<f64>> = (0..columns)
            .map(|j| cost.iter().map(|row| row[j]).collect())
            .collect();
        let mut pairs: Vec<(usize, usize)> = linear_sum_assignment(&turned)
            .into_iter()
            .map(|(a, b)| (b, a))
            .collect();
        pairs.sort_unstable();
        return pairs;
    }
    let mut u = vec![0.0; rows];
    let mut v = vec![0.0; columns];
    let mut row_of: Vec<Option<usize>> = vec![None; columns];
    let mut column_of: Vec<Option<usize>> = vec![None; rows];
    for current in 0..rows {
        let mut shortest = vec![f64::INFINITY; columns];
        let mut path = vec![0usize; columns];
        let mut seen_rows = vec![false; rows];
        let mut seen_columns = vec![false; columns];
        let mut remaining: Vec<usize> = (0..columns).rev().collect();
        let mut least = 0.0;
        let mut i = current;
        let sink = loop {
            seen_rows[i] = true;
            let mut index = None;
            let mut lowest = f64::INFINITY;
            for (k, &j) in remaining.iter().enumerate() {
                let r = least + cost[i][j] - u[i] - v[j];
                if r < shortest[j] {
                    path[j] = i;
                    shortest[j] = r;
                }
                if shortest[j] < lowest || (shortest[j] == lowest && row_of[j].is_none()) {
                    lowest = shortest[j];
                    index = Some(k);
                }
            }
            least = lowest;
            let Some(k) = index else {
                return Vec::new();
            };
            let j = remaining.swap_remove(k);
            seen_columns[j] = true;
            match row_of[j] {
                None => break j,
                Some(next) => i = next,
            }
        };
        u[current] += least;
        for row in 0..rows {
            if seen_rows[row]
                && row != current
                && let Some(j) = column_of[row]
            {
                u[row] += least - shortest[j];
            }
        }
        for j in 0..columns {
            if seen_columns[j] {
                v[j] -= least - shortest[j];
            }
        }
        let mut j = sink;
        loop {
            let i = path[j];
            row_of[j] = Some(i);
            let before = column_of[i].replace(j);
            if i == current {
                break;
            }
            match before {
                Some(next) => j = next,
                None => break,
            }
        }
    }
    column_of
        .into_iter()
        .enumerate()
        .filter_map(|(i, j)| j.map(|j| (i, j)))
        .collect()
}
