//! The fields of a task file, compiled, and what they are for an item.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use upturn_types::Text;

use super::Task;
use super::fault::{Made, advised, clip, fault};
use crate::config::{DocField, TaskConfig};
use crate::dataset::Doc;
use crate::error::TaskError;
use crate::ports::Helper;
use crate::python;
use crate::template::{DocValue, TemplateId, Templates};

/// A `doc_to_*` value, compiled.
#[derive(Debug, Clone)]
pub(super) enum Source {
    Field(Arc<str>),
    Template(TemplateId),
    Int(i64),
    List(Arc<[Value]>),
    Helper(Arc<Helper>),
}

/// A named place of the task file.
#[derive(Debug, Clone)]
pub(super) struct Compiled {
    pub(super) key: &'static str,
    pub(super) source: Source,
}

/// Text made of a field of the item at hand or a template.
#[derive(Debug, Clone)]
pub(super) struct Words {
    pub(super) key: &'static str,
    pub(super) field: Arc<str>,
    pub(super) template: TemplateId,
    /// Whether the template is plain text that no item can change.
    pub(super) is_constant: bool,
}

/// Compiles a task's fields.
pub(super) struct Compiler<'c> {
    pub(super) config: &'c TaskConfig,
    pub(super) features: BTreeSet<&'c str>,
    pub(super) templates: Templates,
}

impl Compiler<'_> {
    fn template(&mut self, key: &str, source: &str) -> Result<TemplateId, TaskError> {
        self.templates
            .add(key, source)
            .map_err(|reason| TaskError::Template {
                file: self.config.file.display().to_string(),
                key: key.into(),
                reason,
            })
    }

    pub(super) fn field(
        &mut self,
        key: &'static str,
        field: Option<&DocField>,
    ) -> Result<Option<Compiled>, TaskError> {
        let source = match field {
            None => return Ok(None),
            Some(DocField::Int(n)) => Source::Int(*n),
            Some(DocField::List(items)) => Source::List(items.clone()),
            Some(DocField::Helper(helper)) => Source::Helper(helper.clone()),
            Some(DocField::Text(text)) if self.features.contains(&**text) => {
                Source::Field(text.clone())
            }
            Some(DocField::Text(text)) => Source::Template(self.template(key, text)?),
        };
        Ok(Some(Compiled { key, source }))
    }

    pub(super) fn words(
        &mut self,
        key: &'static str,
        text: Option<&Arc<str>>,
    ) -> Result<Option<Words>, TaskError> {
        let Some(text) = text.filter(|t| !t.is_empty()) else {
            return Ok(None);
        };
        let template = self.template(key, text)?;
        let is_constant = !["{{", "{%", "{#"].iter().any(|mark| text.contains(mark))
            && !self.features.contains(&**text);
        Ok(Some(Words {
            key,
            field: text.clone(),
            template,
            is_constant,
        }))
    }
}

impl Task {
    /// `doc_to_text`: text, or the number of the right prompt.
    pub(super) fn text_of(&self, compiled: &Compiled, doc: &Doc, value: &DocValue) -> Made<Value> {
        match &compiled.source {
            Source::Int(n) => Ok(Value::from(*n)),
            Source::Field(name) => field(compiled.key, doc, name),
            Source::List(_) => fault(compiled.key, "a list is not a question"),
            Source::Helper(helper) => made_by(compiled.key, helper, doc),
            Source::Template(id) => {
                let text = self.render(compiled.key, id, value)?;
                self.digits(compiled.key, text)
            }
        }
    }

    /// Digits are a number where there are choices to count.
    fn digits(&self, key: &'static str, text: String) -> Made<Value> {
        if self.choice.is_none() || !python::is_digit_text(&text) {
            return Ok(Value::String(text));
        }
        python::literal_eval(&text).or_else(|reason| fault(key, reason))
    }

    /// `doc_to_target`: text, a number, or a list of either.
    pub(super) fn target_of(
        &self,
        compiled: &Compiled,
        doc: &Doc,
        value: &DocValue,
    ) -> Made<Value> {
        match &compiled.source {
            Source::Int(n) => Ok(Value::from(*n)),
            Source::Field(name) => field(compiled.key, doc, name),
            Source::List(items) => Ok(Value::Array(items.to_vec())),
            Source::Helper(helper) => made_by(compiled.key, helper, doc),
            Source::Template(id) => {
                let text = self.render(compiled.key, id, value)?;
                if text.len() >= 2 && text.starts_with('[') && text.ends_with(']') {
                    return Ok(python::literal_eval(&text).unwrap_or(Value::String(text)));
                }
                self.digits(compiled.key, text)
            }
        }
    }

    /// `doc_to_choice`: the options as texts.
    pub(super) fn choices_of(
        &self,
        compiled: &Compiled,
        doc: &Doc,
        value: &DocValue,
    ) -> Made<Vec<Text>> {
        let list = match &compiled.source {
            Source::List(items) => return texts(compiled.key, items),
            Source::Field(name) => field(compiled.key, doc, name)?,
            Source::Int(_) => return fault(compiled.key, "a number is not a list of choices"),
            Source::Helper(helper) => made_by(compiled.key, helper, doc)?,
            Source::Template(id) => {
                let text = self.render(compiled.key, id, value)?;
                python::literal_eval(&text).or_else(|reason| fault(compiled.key, reason))?
            }
        };
        match list {
            Value::Array(items) => texts(compiled.key, &items),
            other => {
                let found = clip(&python::text(&other));
                fault(
                    compiled.key,
                    format!("expected a list of texts, found {found}"),
                )
            }
        }
    }

    pub(super) fn words_of(&self, words: &Words, doc: &Doc, value: &DocValue) -> Made<String> {
        match doc.get(&*words.field) {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(Value::Null) => Ok(String::new()),
            Some(other) => fault(
                words.key,
                format!("expected text, found {}", clip(&python::text(other))),
            ),
            None => self.render(words.key, &words.template, value),
        }
    }

    fn render(&self, key: &'static str, id: &TemplateId, value: &DocValue) -> Made<String> {
        self.templates
            .render(id, value)
            .or_else(|reason| fault(key, reason))
    }
}

fn made_by(key: &'static str, helper: &Helper, doc: &Doc) -> Made<Value> {
    helper.of_doc(doc).or_else(|reason| fault(key, reason))
}

fn field(key: &'static str, doc: &Doc, name: &str) -> Made<Value> {
    doc.get(name)
        .cloned()
        .map_or_else(|| fault(key, format!("the field '{name}' is missing")), Ok)
}

pub(super) fn texts(key: &'static str, items: &[Value]) -> Made<Vec<Text>> {
    let text = |item: &Value| match item {
        Value::String(text) => Ok(Text::from(text.as_str())),
        other => advised(
            key,
            format!("a choice is {}, not text", python::text(other)),
            "put quotes round it",
        ),
    };
    items.iter().map(text).collect()
}

/// Whether Python would take it for an `int`: a whole number or a truth value.
pub(super) fn is_int(value: &Value) -> bool {
    value.is_i64() || value.is_u64() || value.is_boolean()
}

/// As a Python index: negative ones count from the end.
pub(super) fn index(value: &Value, length: usize) -> Option<usize> {
    let i = match value {
        Value::Bool(b) => i64::from(*b),
        other => other.as_i64()?,
    };
    let length = i64::try_from(length).ok()?;
    let at = if i < 0 { i + length } else { i };
    (0..length)
        .contains(&at)
        .then(|| usize::try_from(at).ok())
        .flatten()
}
