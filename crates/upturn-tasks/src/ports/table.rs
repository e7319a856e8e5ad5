//! Data sets of helpers: the part of Hugging Face `datasets` that works on rows.

use std::rc::Rc;

use serde_json::{Number, Value};

use super::run::Reader;
use super::value::{Dict, Key, Made, V, fatal, raise};
use crate::dataset::Doc;

/// Rows with the same fields.
pub(super) struct Table {
    pub(super) rows: Vec<Rc<Doc>>,
    /// Names of the fields, in order.
    pub(super) columns: Vec<String>,
}

impl Table {
    /// Rows, of which some may lack fields that others have: those become null, and a field
    /// of whole and other numbers has floats alone.
    pub(super) fn new(rows: Vec<Doc>, columns: Option<Vec<String>>) -> Table {
        let mut columns = columns.unwrap_or_default();
        for row in &rows {
            for key in row.keys() {
                if !columns.contains(key) {
                    columns.push(key.clone());
                }
            }
        }
        let has_floats: Vec<bool> = columns
            .iter()
            .map(|c| rows.iter().any(|r| r.get(c).is_some_and(Value::is_f64)))
            .collect();
        let rows = rows
            .into_iter()
            .map(|mut row| {
                let mut out = Doc::new();
                for (column, has_floats) in columns.iter().zip(&has_floats) {
                    let value = row.swap_remove(column).unwrap_or(Value::Null);
                    let value = match value.as_f64() {
                        Some(x) if *has_floats => {
                            Number::from_f64(x).map_or(Value::Null, Value::Number)
                        }
                        _ => value,
                    };
                    out.insert(column.clone(), value);
                }
                Rc::new(out)
            })
            .collect();
        Table { rows, columns }
    }

    /// Rows as they are.
    pub(super) fn of(rows: Vec<Rc<Doc>>, columns: Vec<String>) -> V {
        V::Table(Rc::new(Table { rows, columns }))
    }

    /// Every row as a dictionary.
    pub(super) fn all(&self) -> Vec<V> {
        self.rows.iter().map(|row| V::from_doc(row)).collect()
    }

    fn column(&self, name: &str) -> Made<V> {
        if !self.columns.iter().any(|c| c == name) {
            return raise("KeyError", format!("the data has no field '{name}'"));
        }
        let values = self
            .rows
            .iter()
            .map(|r| r.get(name).map_or(V::None, V::from_json));
        Ok(V::list(values.collect()))
    }

    /// `table[index]`: a row by number, a field by name.
    pub(super) fn item(&self, index: &V) -> Made<V> {
        match index {
            V::Str(name) => self.column(name),
            other => {
                let Some(i) = other.int() else {
                    return raise("TypeError", "a data set's index is a number or a name");
                };
                let place = if i < 0 { i + self.rows.len() as i64 } else { i };
                match usize::try_from(place).ok().and_then(|i| self.rows.get(i)) {
                    Some(row) => Ok(V::from_doc(row)),
                    None => raise("IndexError", "the data set has fewer rows"),
                }
            }
        }
    }

    /// `table[a:b]`: a dictionary of lists.
    pub(super) fn slice(&self, places: &[usize]) -> Made<V> {
        let columns = self.columns.iter().map(|c| {
            let values = places
                .iter()
                .map(|&i| self.rows[i].get(c).map_or(V::None, V::from_json));
            (V::str(c), V::list(values.collect()))
        });
        V::dict(columns.collect::<Vec<_>>())
    }

    /// `table.features`: names of the fields (their types are not known here).
    pub(super) fn features(&self) -> Made<V> {
        V::dict(self.columns.iter().map(|c| (V::str(c), V::None)))
    }

    /// `table.map(function)`.
    pub(super) fn map(
        &self,
        reader: &Reader,
        function: &V,
        with_index: bool,
        removed: &[String],
        extra: &[(std::sync::Arc<str>, V)],
    ) -> Made<V> {
        let mut rows = Vec::with_capacity(self.rows.len());
        let mut changed = false;
        for (i, row) in self.rows.iter().enumerate() {
            let doc = V::from_doc(row);
            let mut args = vec![doc.clone()];
            if with_index {
                args.push(V::Int(i as i64));
            }
            let made = reader.call_named(function, args, extra.to_vec())?;
            let V::Dict(given) = &doc else {
                return fatal("a row is no dictionary");
            };
            match &made {
                V::None => {}
                V::Dict(made) => {
                    changed = true;
                    let is_same = Rc::ptr_eq(made, given);
                    let mut out: Dict = given.borrow().clone();
                    for name in removed {
                        out.map.shift_remove(&Key::Str(name.as_str().into()));
                    }
                    if !is_same {
                        for (key, entry) in &made.borrow().map {
                            out.map.insert(key.clone(), entry.clone());
                        }
                    }
                    rows.push(to_row(&out)?);
                }
                other => {
                    return raise(
                        "TypeError",
                        format!("map needs a dictionary for a row, got {}", other.kind()),
                    );
                }
            }
        }
        if !changed {
            return Ok(Table::of(self.rows.clone(), self.columns.clone()));
        }
        if rows.len() != self.rows.len() {
            return fatal("map gives a dictionary for some rows and nothing for others");
        }
        // Fields that stay keep their order; new ones follow.
        let kept = |c: &&String| rows.first().is_some_and(|r: &Doc| r.contains_key(*c));
        let columns = self.columns.iter().filter(kept).cloned().collect();
        Ok(V::Table(Rc::new(Table::new(rows, Some(columns)))))
    }

    /// `table.filter(function)`.
    pub(super) fn filter(&self, reader: &Reader, function: &V, with_index: bool) -> Made<V> {
        let mut rows = Vec::new();
        for (i, row) in self.rows.iter().enumerate() {
            let mut args = vec![V::from_doc(row)];
            if with_index {
                args.push(V::Int(i as i64));
            }
            if reader.call(function, args)?.truth()? {
                rows.push(row.clone());
            }
        }
        Ok(Table::of(rows, self.columns.clone()))
    }

    /// `table.select(places)`.
    pub(super) fn select(&self, places: &V) -> Made<V> {
        let mut rows = Vec::new();
        for place in places.items()? {
            let i = place.int().and_then(|i| usize::try_from(i).ok());
            match i.and_then(|i| self.rows.get(i)) {
                Some(row) => rows.push(row.clone()),
                None => return raise("IndexError", "the data set has fewer rows"),
            }
        }
        Ok(Table::of(rows, self.columns.clone()))
    }

    /// Fields under other names.
    pub(super) fn rename(&self, names: &[(String, String)]) -> Made<V> {
        for (old, _) in names {
            if !self.columns.contains(old) {
                return raise("ValueError", format!("the data has no field '{old}'"));
            }
        }
        let new = |c: &String| {
            names
                .iter()
                .find(|(old, _)| old == c)
                .map_or_else(|| c.clone(), |(_, new)| new.clone())
        };
        let rows = self.rows.iter().map(|row| {
            let fields = row.iter().map(|(k, v)| (new(k), v.clone()));
            Rc::new(fields.collect::<Doc>())
        });
        Ok(Table::of(
            rows.collect(),
            self.columns.iter().map(new).collect(),
        ))
    }

    /// Fields by whether they stay.
    pub(super) fn keep(&self, keeps: &dyn Fn(&str) -> bool) -> V {
        let rows = self.rows.iter().map(|row| {
            let fields = row.iter().filter(|(k, _)| keeps(k));
            Rc::new(fields.map(|(k, v)| (k.clone(), v.clone())).collect::<Doc>())
        });
        let columns = self.columns.iter().filter(|c| keeps(c)).cloned().collect();
        Table::of(rows.collect(), columns)
    }

    /// A field more.
    pub(super) fn add(&self, name: &str, values: &V) -> Made<V> {
        let values = values.items()?;
        if values.len() != self.rows.len() {
            return raise("ValueError", "the new field has another number of rows");
        }
        let mut rows = Vec::with_capacity(values.len());
        for (row, value) in self.rows.iter().zip(&values) {
            let mut row = Doc::clone(row);
            row.insert(name.to_string(), value.to_json()?);
            rows.push(row);
        }
        let mut columns = self.columns.clone();
        columns.push(name.to_string());
        Ok(V::Table(Rc::new(Table::new(rows, Some(columns)))))
    }
}

/// A dictionary as a row.
pub(super) fn to_row(dict: &Dict) -> Made<Doc> {
    let mut out = Doc::new();
    for (key, value) in dict.map.values() {
        out.insert(key.to_text()?, value.to_json()?);
    }
    Ok(out)
}

/// `Dataset.from_list(rows)`.
pub(super) fn from_list(rows: &V) -> Made<V> {
    let mut out = Vec::new();
    for row in rows.items()? {
        match row {
            V::Dict(dict) => out.push(to_row(&dict.borrow())?),
            other => return raise("TypeError", format!("a row is a {}", other.kind())),
        }
    }
    Ok(V::Table(Rc::new(Table::new(out, None))))
}

/// `Dataset.from_dict(columns)`.
pub(super) fn from_dict(columns: &V) -> Made<V> {
    let V::Dict(dict) = columns else {
        return raise("TypeError", "from_dict needs a dictionary");
    };
    let mut names = Vec::new();
    let mut rows: Option<Vec<Doc>> = None;
    for (key, values) in dict.borrow().map.values() {
        let name = key.to_text()?;
        let values = values.items()?;
        let rows = rows.get_or_insert_with(|| vec![Doc::new(); values.len()]);
        if rows.len() != values.len() {
            return raise("ValueError", "fields have different numbers of rows");
        }
        for (row, value) in rows.iter_mut().zip(&values) {
            row.insert(name.clone(), value.to_json()?);
        }
        names.push(name);
    }
    Ok(V::Table(Rc::new(Table::new(
        rows.unwrap_or_default(),
        Some(names),
    ))))
}

/// `concatenate_datasets(tables)`.
pub(super) fn concatenate(tables: &V) -> Made<V> {
    let mut rows = Vec::new();
    let mut columns = Vec::new();
    for table in tables.items()? {
        let V::Table(table) = table else {
            return raise("TypeError", "concatenate_datasets needs data sets");
        };
        rows.extend(table.rows.iter().map(|r| Doc::clone(r)));
        columns.extend(table.columns.iter().cloned());
    }
    let mut seen = Vec::new();
    columns.retain(|c: &String| {
        let new = !seen.contains(c);
        seen.push(c.clone());
        new
    });
    Ok(V::Table(Rc::new(Table::new(rows, Some(columns)))))
}
