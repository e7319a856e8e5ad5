//! Jinja templates as lm-evaluation-harness renders them: undefined names are
//! errors, a trailing newline stays, values print as in Python.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Enumerator, Object, ObjectExt as _, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};
use upturn_metrics::PyRegex;

use crate::dataset::Doc;
use crate::filters;
use crate::python;

/// Instructions (and 64-byte pieces of output) a template may spend on one item.
const FUEL: u64 = 5_000_000;
/// Most regular expressions kept compiled.
const MAX_PATTERNS: usize = 256;

/// The compiled templates of one task. Rendering may run on several threads.
pub struct Templates {
    env: Environment<'static>,
}

/// A compiled template: its place in [`Templates`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateId(Arc<str>);

impl std::fmt::Debug for Templates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Templates").finish_non_exhaustive()
    }
}

impl Default for Templates {
    fn default() -> Self {
        Templates::new()
    }
}

impl Templates {
    /// None yet.
    #[must_use]
    pub fn new() -> Templates {
        let mut env = Environment::new();
        env.set_undefined_behavior(UndefinedBehavior::Strict);
        let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build();
        env.set_syntax(syntax.expect("the default delimiters are valid"));
        env.set_auto_escape_callback(|_| AutoEscape::None);
        // Only what the debug mode records lets an error name the undefined variable.
        env.set_debug(true);
        env.set_fuel(Some(FUEL));
        env.set_unknown_method_callback(crate::methods::call);
        env.set_formatter(|out, _, value| {
            filters::defined(value)?;
            if value.is_none() {
                WROTE_NONE.set(true);
            }
            let text = match value.as_str() {
                Some(text) => return out.write_str(text).map_err(Error::from),
                None => text_of(value),
            };
            out.write_str(&text).map_err(Error::from)
        });
        filters::add(&mut env);
        let patterns: Mutex<HashMap<String, Arc<PyRegex>>> = Mutex::default();
        env.add_filter(
            "regex_replace",
            move |text: String, pattern: String, replacement: String, count: Option<i64>| {
                if count.is_some_and(|c| c != 0) {
                    return Err(Error::new(
                        ErrorKind::InvalidOperation,
                        "regex_replace with a count is not supported",
                    ));
                }
                regex_replace(&patterns, &text, &pattern, &replacement)
            },
        );
        Templates { env }
    }

    /// Compiles a template. `key` names it in messages.
    ///
    /// # Errors
    /// A one-line reason when it is not Jinja.
    pub fn add(&mut self, key: &str, source: &str) -> Result<TemplateId, String> {
        let mut name = key.to_string();
        while self.env.get_template(&name).is_ok() {
            name.push('\'');
        }
        // Jinja2 knows one kind of line end within a template.
        let source = source.replace("\r\n", "\n").replace('\r', "\n");
        self.env
            .add_template_owned(name.clone(), source)
            .map_err(|e| explain(&e))?;
        Ok(TemplateId(name.into()))
    }

    /// Renders a template for one item.
    ///
    /// # Errors
    /// A one-line reason: an undefined name, an operation that fails, too long a run.
    pub fn render(&self, id: &TemplateId, doc: &DocValue) -> Result<String, String> {
        let template = self.env.get_template(&id.0).map_err(|e| explain(&e))?;
        WROTE_NONE.set(false);
        let text = template
            .render(doc.value.clone())
            .map_err(|e| explain(&e))?;
        if let (Some(fields), true) = (&doc.complete, WROTE_NONE.get()) {
            let names = template.undeclared_variables(false);
            let null = fields
                .iter()
                .find(|(name, v)| v.is_null() && names.contains(*name));
            let what = null.map_or_else(|| "a value".to_owned(), |(name, _)| format!("'{name}'"));
            return Err(format!(
                "{what} is missing (null) and would be written as None"
            ));
        }
        Ok(text)
    }
}

fn regex_replace(
    patterns: &Mutex<HashMap<String, Arc<PyRegex>>>,
    text: &str,
    pattern: &str,
    replacement: &str,
) -> Result<String, Error> {
    let fail = |reason: String| Error::new(ErrorKind::InvalidOperation, reason);
    if replacement.contains('\\') {
        return Err(fail(
            "regex_replace with a group in the replacement is not supported".into(),
        ));
    }
    let known = patterns
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(pattern)
        .cloned();
    let regex = match known {
        Some(regex) => regex,
        None => {
            let regex = Arc::new(PyRegex::new(pattern).map_err(|e| fail(e.to_string()))?);
            let mut patterns = patterns.lock().unwrap_or_else(PoisonError::into_inner);
            if patterns.len() >= MAX_PATTERNS {
                patterns.clear();
            }
            patterns.insert(pattern.to_string(), regex.clone());
            regex
        }
    };
    regex
        .replace_all(text, replacement)
        .map_err(|e| fail(e.to_string()))
}

/// An error of the engine in one line.
fn explain(error: &Error) -> String {
    let culprit = error
        .range()
        .and_then(|range| error.template_source()?.get(range))
        .map(|source| source.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|source| !source.is_empty() && source.chars().count() <= 80);
    let detail = error.detail().map(|d| d.replace(['\n', '\r'], " "));
    // The engine says which expression was undefined within its message.
    let undefined = detail
        .as_ref()
        .and_then(|d| d.split_once("` is undefined")?.0.rsplit_once('`'))
        .map(|(_, name)| name.to_string());
    if let Some(name) = undefined {
        return format!("'{name}' is undefined");
    }
    let mut out = match error.kind() {
        ErrorKind::OutOfFuel => return "the template ran too long".into(),
        ErrorKind::UndefinedError => {
            return match (culprit, detail) {
                (Some(name), _) => format!("'{name}' is undefined"),
                (None, Some(detail)) => format!("a value is undefined: {detail}"),
                (None, None) => "a value is undefined".into(),
            };
        }
        kind => detail.unwrap_or_else(|| kind.to_string()),
    };
    if let Some(culprit) = culprit {
        let _ = write!(out, " in '{culprit}'");
    }
    if let Some(line) = error.line().filter(|line| *line > 1) {
        let _ = write!(out, " on line {line} of the template");
    }
    // A filter's own error may stand behind the engine's.
    if let Some(source) = std::error::Error::source(error) {
        let _ = write!(out, ": {}", source.to_string().replace(['\n', '\r'], " "));
    }
    out
}

/// An item as templates see it. Fields are converted when they are used.
#[derive(Debug, Clone)]
pub struct DocValue {
    value: Value,
    /// The item, where none of its nulls may be written.
    complete: Option<Arc<Doc>>,
}

thread_local! {
    /// Whether the template being rendered on this thread has written a null.
    static WROTE_NONE: Cell<bool> = const { Cell::new(false) };
}

impl DocValue {
    /// The fields of `doc` as the template's variables. A null is written as `None`.
    #[must_use]
    pub fn new(doc: Arc<Doc>) -> DocValue {
        DocValue {
            value: Value::from_object(Fields(doc)),
            complete: None,
        }
    }

    /// As [`DocValue::new`], but a template that would write a null fails.
    #[must_use]
    pub fn complete(doc: Arc<Doc>) -> DocValue {
        DocValue {
            complete: Some(Arc::clone(&doc)),
            ..DocValue::new(doc)
        }
    }
}

#[derive(Debug)]
struct Fields(Arc<Doc>);

impl Object for Fields {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.0.get(key).map(from_json)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.mapped_enumerator(|this| Box::new(this.0.keys().map(|k| Value::from(k.as_str()))))
    }
}

/// JSON as a template value.
fn from_json(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(b) => Value::from(*b),
        serde_json::Value::Number(n) => match (n.as_i64(), n.as_u64()) {
            (Some(i), _) => Value::from(i),
            (None, Some(u)) => Value::from(u),
            (None, None) => Value::from(n.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(s) => Value::from(s.as_str()),
        serde_json::Value::Array(items) => {
            Value::from(items.iter().map(from_json).collect::<Vec<_>>())
        }
        serde_json::Value::Object(fields) => {
            Value::from_pairs(fields.iter().map(|(k, v)| (k.as_str(), from_json(v))))
        }
    }
}

/// `str(value)` of Python.
pub(crate) fn text_of(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_string(),
        None => {
            let mut out = String::new();
            write_repr(&mut out, value);
            out
        }
    }
}

/// `repr(value)` of Python.
pub(crate) fn write_repr(out: &mut String, value: &Value) {
    match value.kind() {
        ValueKind::String => python::write_str_repr(out, value.as_str().unwrap_or_default()),
        ValueKind::Undefined => out.push_str("Undefined"),
        ValueKind::Number if !value.is_integer() => {
            out.push_str(&python::float(
                f64::try_from(value.clone()).unwrap_or(f64::NAN),
            ));
        }
        ValueKind::Seq | ValueKind::Iterable if value.len().is_some() => {
            let (open, close) = if value.is_tuple() {
                ('(', ')')
            } else {
                ('[', ']')
            };
            out.push(open);
            let mut n = 0;
            for item in value.try_iter().into_iter().flatten() {
                if n > 0 {
                    out.push_str(", ");
                }
                write_repr(out, &item);
                n += 1;
            }
            if n == 1 && open == '(' {
                out.push(',');
            }
            out.push(close);
        }
        ValueKind::Map => {
            out.push('{');
            for (i, key) in value.try_iter().into_iter().flatten().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                write_repr(out, &key);
                out.push_str(": ");
                write_repr(out, &value.get_item(&key).unwrap_or_default());
            }
            out.push('}');
        }
        _ => {
            let _ = write!(out, "{value}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn doc(value: serde_json::Value) -> DocValue {
        let serde_json::Value::Object(fields) = value else {
            panic!("not an object")
        };
        DocValue::new(Arc::new(fields))
    }

    fn render(source: &str, value: serde_json::Value) -> Result<String, String> {
        let mut templates = Templates::new();
        let id = templates.add("doc_to_text", source)?;
        templates.render(&id, &doc(value))
    }

    #[test]
    fn values_print_as_in_python() {
        let value = json!({"a": true, "b": null, "c": [1, "x", 2.0, 1e-7, "it's", null, {"k": [true]}], "d": 3.0, "e": {"z": 1, "a": 2}, "f": 1e22});
        let got = render(
            "{{a}} {{b}} {{c}} {{d}} {{e}} {{f}} {{c[:2]}} {{(1,)}} {{d|string}} {{a ~ b}}",
            value,
        );
        let want = "True None [1, 'x', 2.0, 1e-07, \"it's\", None, {'k': [True]}] 3.0 {'z': 1, 'a': 2} 1e+22 [1, 'x'] (1,) 3.0 TrueNone";
        assert_eq!(got.as_deref(), Ok(want));
    }

    #[test]
    fn python_methods_work() {
        let value = json!({"s": " \u{1c}Hello, World \n", "l": ["a", "b", "c"], "n": [1, 2]});
        let cases = [
            ("{{s.strip()}}", "Hello, World"),
            ("{{s.strip().split(', ')}}", "['Hello', 'World']"),
            ("{{'a  b c'.split()}}", "['a', 'b', 'c']"),
            ("{{'a  b c '.split(None, 1)}}", "['a', 'b c']"),
            (
                "{{l.index('c')}}{{n.index(2)}}{{'abc'.index('c')}}{{'abc'.find('z')}}",
                "212-1",
            ),
            ("{{'hello wORLD'.capitalize()}}", "Hello world"),
            ("{{'xxaxx'.lstrip('x')}}{{'-'.join(l)}}", "axxa-b-c"),
            ("{{'a=b=c'.partition('=')}}", "('a', '=', 'b=c')"),
            ("{{'7'.zfill(3)}}{{'abc'.removeprefix('a')}}", "007bc"),
            ("{{l|length}}{{l|join('/')}}{{l[-1]}}", "3a/b/cc"),
            ("{{'a.b'|regex_replace('[.]', '!')}}", "a!b"),
            (
                "{% for x in l %}{{loop.index}}{{x}}{% endfor %}\n",
                "1a2b3c\n",
            ),
        ];
        for (source, want) in cases {
            assert_eq!(
                render(source, value.clone()).as_deref(),
                Ok(want),
                "{source}"
            );
        }
    }

    #[test]
    fn filters_are_jinjas() {
        let value = json!({"s": " 7 ", "t": "x", "l": [1, 2.0, null, 1e-7], "d": {"k": 1e-7}, "f": 2.9, "n": null,
            "m": [{"a": {"b": "p"}}, {"a": {"b": "q"}}], "Paráfrase": "é", "big": 1e20, "neg": "-3.7"});
        let cases = [
            (
                "{{s|int}}{{t|int}}{{l|int}}{{f|int}}{{n|int}}{{neg|int}}{{true|int}}",
                "70020-31".into(),
            ),
            (
                "{{t|int(5)}}{{'ff'|int(0, 16)}}{{'0x1f'|int(0, 16)}}{{t|int(default=9)}}",
                "5255319".into(),
            ),
            (
                "{{'1.50'|float}} {{t|float}} {{t|float(1.5)}} {{3|float}}",
                "1.5 0.0 1.5 3.0".into(),
            ),
            ("{{l|join(', ')}}", "1, 2.0, None, 1e-07".into()),
            (
                "{{m|join('+', attribute='a.b')}}{{'abc'|join('.')}}",
                "p+qa.b.c".into(),
            ),
            (
                "{{d|replace('k', 'K')}}{{'aaa'|replace('a', 'b', 2)}}",
                "{'K': 1e-07}bba".into(),
            ),
            (
                "{{d|string}}{{' x '|trim}}{{'xax'|trim('x')}}{{3|trim}}",
                "{'k': 1e-07}xa3".into(),
            ),
            ("{{Paráfrase}}", "é".into()),
        ];
        for (source, want) in cases {
            assert_eq!(render(source, value.clone()), Ok(want), "{source}");
        }
        for filter in [
            "string",
            "join",
            "int",
            "float",
            "trim",
            "replace('a', 'b')",
        ] {
            let error =
                render(&format!("{{{{nothing|{filter}}}}}"), value.clone()).expect_err(filter);
            assert!(
                error.contains("'nothing' is undefined"),
                "{filter}: {error}"
            );
        }
    }

    #[test]
    fn errors_are_one_line_and_name_the_culprit() {
        let value = json!({"l": ["a"], "d": {"x": 1}});
        let cases = [
            ("{{question}}", "'question' is undefined"),
            ("{{question.strip()}}", "'question' is undefined"),
            ("{{d.y}}", "'d.y' is undefined"),
            ("{{l[3]}}", "'l[3]' is undefined"),
            ("{{l.index('z')}}", "'z' is not in the list"),
            (
                "{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}",
                "ran too long",
            ),
            ("{% macro m() %}{{m()}}{% endmacro %}{{m()}}", "recursion"),
            ("{{'x' * 100000000000}}", "ran too long"),
            ("{% if %}", "in '"),
            ("{{ a b }}", "expected"),
            ("{{l|nope}}", "nope"),
            ("{{'a'|regex_replace('(a)', '\\\\1')}}", "not supported"),
        ];
        for (source, want) in cases {
            let error = render(source, value.clone()).expect_err(source);
            assert!(
                error.contains(want) && !error.contains('\n'),
                "{source}: {error}"
            );
        }
    }
}
