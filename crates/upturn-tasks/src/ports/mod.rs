//! Helpers of task files: the Python functions that a task names, without Python.
//!
//! Most helpers of lm-evaluation-harness are a few pure lines: a filter of rows by a field, a
//! map from row to row, a question put together from fields, a score of an answer. Their text
//! is read here as the description it is: parsed (`parse`), checked for everything it may lead
//! to (`scan`), and followed expression by expression (`run`) with a limit of steps and
//! nothing to reach but its arguments. Functions of libraries that they call are there by
//! name, in Rust (`functions`, `methods`, `scores`); whatever else a helper needs (a file, a
//! class, a model, `sympy`) is refused by name before any data is read.
//!
//! A few helpers are written out by hand instead (`registry`), each for one text of its
//! module: the SHA-256 of the module's tokens must be the one it was written for, so a
//! changed helper is not silently replaced by the port of another version.

mod array;
mod ast;
mod bbh;
mod format;
mod functions;
mod item;
mod lex;
mod methods;
mod module;
mod ops;
mod parse;
mod pattern;
mod registry;
mod run;
mod scan;
mod scores;
mod table;
mod value;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use serde_json::Value;
use upturn_metrics::FilterValue;

pub use self::item::{item_value, metric_info, plain_of};
use self::module::Module;
use self::registry::Port;
use self::run::Reader;
use self::table::Table;
pub use self::value::Plain;
use self::value::{Made, V, fatal};
use crate::dataset::Doc;

/// Steps for what concerns one item.
const STEPS_PER_ITEM: u64 = 5_000_000;
/// Steps for a whole data set, beside those of [`STEPS_PER_ROW`].
const STEPS: u64 = 50_000_000;
/// Steps for each row of a data set.
const STEPS_PER_ROW: u64 = 200_000;

/// A helper of a task file that is read here.
#[derive(Clone)]
pub struct Helper {
    file: Arc<Path>,
    function: Arc<str>,
    module: Arc<Module>,
    port: Option<&'static Port>,
}

impl std::fmt::Debug for Helper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What decides what it does; the place of the file does not.
        write!(f, "{}@{}", self.function, self.module.digest)
    }
}

impl PartialEq for Helper {
    fn eq(&self, other: &Helper) -> bool {
        self.function == other.function
            && self.file == other.file
            && self.module.digest == other.module.digest
    }
}

/// SHA-256 of a module's tokens, hex: what a port written by hand is bound to.
///
/// # Errors
/// When the file cannot be read or is no Python.
pub fn digest_of(file: &Path) -> Result<String, String> {
    module::load(file).map(|module| module.digest.to_string())
}

type Checked = Result<(), String>;
/// Results of checks by file, function and digest of the module.
type Kept = Mutex<HashMap<(PathBuf, Arc<str>, Arc<str>), Checked>>;
static CHECKED: LazyLock<Kept> = LazyLock::new(Mutex::default);
/// Most results of checks kept.
const MAX_KEPT: usize = 100_000;

impl Helper {
    /// The helper that `!function name` means in a task file.
    ///
    /// # Errors
    /// Why it is not read here: a lowercase fragment with file and line.
    pub fn find(task_file: &Path, name: &str) -> Result<Helper, String> {
        let Some((module, function)) = name.rsplit_once('.') else {
            return Err(format!("'{name}' names no module"));
        };
        let mut file = task_file.parent().unwrap_or(Path::new("")).to_path_buf();
        file.extend(module.split('.'));
        file.set_extension("py");
        if !file.is_file() {
            return Err(format!("{} is not there", file.display()));
        }
        let module = Arc::new(module::load(&file)?);
        let mut helper = Helper {
            file: file.as_path().into(),
            function: function.into(),
            port: registry::find(&module.digest, function),
            module,
        };
        if helper.port.is_some() {
            return Ok(helper);
        }
        let key = (file, helper.function.clone(), helper.module.digest.clone());
        let known = {
            let kept = CHECKED.lock().unwrap_or_else(PoisonError::into_inner);
            kept.get(&key).cloned()
        };
        let checked = known.unwrap_or_else(|| {
            let checked = scan::check(&helper.module, function)
                .map_err(|why| scan::with_cause(&helper.module, why))
                .and_then(|()| helper.exists());
            let mut kept = CHECKED.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() >= MAX_KEPT {
                kept.clear();
            }
            kept.insert(key, checked.clone());
            checked
        });
        checked?;
        helper.port = None;
        Ok(helper)
    }

    /// The function's name, without its module.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.function
    }

    /// What a port written by hand is a port of; none for a helper that is read.
    #[must_use]
    pub fn port_of(&self) -> Option<&'static str> {
        self.port.map(|port| port.note)
    }

    fn exists(&self) -> Checked {
        let reader = Reader::new(STEPS_PER_ITEM);
        match reader.global(&self.module, &self.function) {
            Ok(V::Func(_) | V::Partial(_) | V::Native(_)) => Ok(()),
            Ok(other) => Err(format!(
                "'{}' is no function but {}",
                self.function,
                kind(&other)
            )),
            Err(stop) => Err(reader.explain(&stop)),
        }
    }

    /// Calls it with a reader of its own.
    fn with<T>(&self, limit: u64, work: impl FnOnce(&Reader, &V) -> Made<T>) -> Result<T, String> {
        let reader = Reader::new(limit);
        let result = reader
            .global(&self.module, &self.function)
            .and_then(|function| work(&reader, &function));
        result.map_err(|stop| format!("the helper {}: {}", self.function, reader.explain(&stop)))
    }

    /// `process_docs`: rows in, rows out.
    ///
    /// # Errors
    /// What stopped it, with the place in its file.
    pub fn process_docs(&self, docs: Vec<Doc>) -> Result<Vec<Doc>, String> {
        if let Some(port) = self.port {
            return port.process_docs(&self.function, docs);
        }
        let limit = STEPS.saturating_add(STEPS_PER_ROW.saturating_mul(docs.len() as u64));
        self.with(limit, |reader, function| {
            let columns = docs.first().map(|d| d.keys().cloned().collect());
            let rows: Vec<Rc<Doc>> = docs.into_iter().map(Rc::new).collect();
            let table = Table::of(rows, columns.unwrap_or_default());
            rows_of(&reader.call(function, vec![table])?)
        })
    }

    /// A `doc_to_*`: what it makes of an item.
    ///
    /// # Errors
    /// What stopped it, with the place in its file.
    pub fn of_doc(&self, doc: &Doc) -> Result<Value, String> {
        self.with(STEPS_PER_ITEM, |reader, function| {
            reader.call(function, vec![V::from_doc(doc)])?.to_json()
        })
    }

    /// `fewshot_config.samples`: examples made by a function without arguments.
    ///
    /// # Errors
    /// What stopped it, with the place in its file.
    pub fn samples(&self) -> Result<Vec<Doc>, String> {
        self.with(STEPS, |reader, function| {
            rows_of(&reader.call(function, Vec::new())?)
        })
    }

    /// `process_results`: scores of an item by name, from what a model answered.
    ///
    /// # Errors
    /// What stopped it, with the place in its file.
    pub fn process_results(
        &self,
        doc: &Doc,
        results: &[Plain],
    ) -> Result<Vec<(String, Plain)>, String> {
        self.with(STEPS_PER_ITEM, |reader, function| {
            let results = V::list(results.iter().map(Plain::to_v).collect());
            let made = reader.call(function, vec![V::from_doc(doc), results])?;
            match Plain::from_v(&made)? {
                Plain::Dict(scores) => Ok(scores),
                _ => fatal(format!(
                    "gives a {} for a dictionary of scores",
                    made.kind()
                )),
            }
        })
    }

    /// A metric of `metric_list`: the score of one answer beside its reference.
    ///
    /// # Errors
    /// What stopped it, with the place in its file.
    pub fn metric(&self, reference: &Plain, prediction: &Plain) -> Result<Plain, String> {
        self.with(STEPS_PER_ITEM, |reader, function| {
            let list = |v: &Plain| V::list(vec![v.to_v()]);
            let named = vec![
                ("references".into(), list(reference)),
                ("predictions".into(), list(prediction)),
            ];
            let made = match reader.call_named(function, Vec::new(), named) {
                // Some metrics take both in one list.
                Err(value::Stop::Raise("TypeError", _)) => {
                    let both = V::list(vec![reference.to_v(), prediction.to_v()]);
                    reader.call(function, vec![both])?
                }
                other => other?,
            };
            Plain::from_v(&made)
        })
    }

    /// An `aggregation` of `metric_list`: one number from the scores of all items.
    ///
    /// # Errors
    /// What stopped it, with the place in its file.
    pub fn aggregate(&self, items: &[Plain]) -> Result<f64, String> {
        let limit = STEPS.saturating_add(STEPS_PER_ROW.saturating_mul(items.len() as u64));
        self.with(limit, |reader, function| {
            let items = V::list(items.iter().map(Plain::to_v).collect());
            let made = reader.call(function, vec![items])?;
            match made.number() {
                Some(number) => Ok(number),
                None => fatal(format!("gives a {} for a number", made.kind())),
            }
        })
    }

    /// A step of `filter_list`: the answers of an item, filtered.
    ///
    /// # Errors
    /// What stopped it.
    pub fn filter(
        &self,
        settings: &serde_json::Map<String, Value>,
        answers: &[String],
        doc: &Doc,
    ) -> Result<Vec<FilterValue>, String> {
        match self.port {
            Some(port) => port.filter(settings, answers, doc),
            None => self.with(STEPS_PER_ITEM, |reader, function| {
                let answers = V::list(answers.iter().map(V::str).collect());
                let docs = V::list(vec![V::from_doc(doc)]);
                let made = reader.call(function, vec![V::list(vec![answers]), docs])?;
                let made = made.items()?;
                let Some(first) = made.first() else {
                    return fatal("gives no answers");
                };
                first
                    .items()?
                    .iter()
                    .map(|v| Ok(FilterValue::from_json(&v.to_json()?)))
                    .collect()
            }),
        }
    }

    /// Whether it may stand in `filter_list`: a port of a filter class, with these settings.
    ///
    /// # Errors
    /// A lowercase reason.
    pub fn check_filter(&self, settings: &serde_json::Map<String, Value>) -> Result<(), String> {
        match self.port {
            Some(port) => port.check_filter(settings),
            None if settings.is_empty() => Ok(()),
            None => Err("a filter of its own with settings is not read".into()),
        }
    }
}

fn kind(value: &V) -> &'static str {
    value.kind()
}

/// The rows of a data set, or of a list of dictionaries.
fn rows_of(value: &V) -> Made<Vec<Doc>> {
    match value {
        V::Table(table) => Ok(table.rows.iter().map(|r| Doc::clone(r)).collect()),
        other => match table::from_list(other)? {
            V::Table(table) => Ok(table.rows.iter().map(|r| Doc::clone(r)).collect()),
            _ => fatal("gives no rows"),
        },
    }
}
