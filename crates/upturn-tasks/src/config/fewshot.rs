//! `fewshot_config`: how a task's examples are drawn and written.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::DocField;
use super::functions::helper_at;
use super::keys::Keys;
use crate::error::{TaskError, did_you_mean};
use crate::ports::Helper;
use crate::yaml::Yaml;

/// Keys of `fewshot_config`.
const FEWSHOT_KEYS: [&str; 11] = [
    "sampler",
    "split",
    "process_docs",
    "fewshot_indices",
    "samples",
    "doc_to_text",
    "doc_to_choice",
    "doc_to_target",
    "gen_prefix",
    "fewshot_delimiter",
    "target_delimiter",
];

/// How few-shot examples are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SamplerKind {
    /// At random.
    Default,
    /// The first ones, in order.
    FirstN,
}

/// Settings of the few-shot examples; what the file leaves out is the task's own.
#[derive(Debug, Clone, PartialEq)]
pub struct FewshotConfig {
    /// How they are drawn.
    pub sampler: SamplerKind,
    /// The split they come from.
    pub split: Option<String>,
    /// What is done with the rows of `split`; none is nothing.
    pub process_docs: Option<Arc<Helper>>,
    /// Examples written in the file; `split` goes before them.
    pub samples: Option<Vec<Map<String, Value>>>,
    /// Replaces the task's `doc_to_text`.
    pub doc_to_text: Option<DocField>,
    /// Replaces the task's `doc_to_choice`.
    pub doc_to_choice: Option<DocField>,
    /// Replaces the task's `doc_to_target`.
    pub doc_to_target: Option<DocField>,
    /// Replaces the task's `gen_prefix`.
    pub gen_prefix: Option<Arc<str>>,
    /// Between examples.
    pub fewshot_delimiter: Arc<str>,
    /// Between an example's question and answer.
    pub target_delimiter: Arc<str>,
}

impl Keys<'_> {
    pub(super) fn fewshot(
        &self,
        split: Option<&str>,
        fewshot_delimiter: &Arc<str>,
        target_delimiter: &Arc<str>,
        warnings: &mut Vec<String>,
    ) -> Result<FewshotConfig, TaskError> {
        const KEY: &str = "fewshot_config";
        let mut out = FewshotConfig {
            sampler: SamplerKind::Default,
            split: split.map(str::to_string),
            process_docs: self.helper("process_docs")?,
            samples: None,
            doc_to_text: self.doc_field("doc_to_text")?,
            doc_to_choice: self.doc_field("doc_to_choice")?,
            doc_to_target: self.doc_field("doc_to_target")?,
            gen_prefix: self.text("gen_prefix")?.map(Arc::from),
            fewshot_delimiter: fewshot_delimiter.clone(),
            target_delimiter: target_delimiter.clone(),
        };
        let Some(value) = self.0.value(KEY) else {
            return Ok(out);
        };
        let Some(entries) = value.as_map() else {
            return Err(self.wrong(KEY, "a map", value));
        };
        for entry in entries {
            let name = entry.key.key_text();
            let full = format!("{KEY}.{name}");
            let value = &entry.value;
            let is_null = *value == Yaml::Null;
            // What is null here is null, not the task's own.
            let field = |v: &Yaml| {
                if is_null {
                    Ok(None)
                } else {
                    self.as_doc_field(&full, v).map(Some)
                }
            };
            let text = |v: &Yaml| {
                if is_null {
                    Ok(None)
                } else {
                    self.as_text(&full, v).map(Some)
                }
            };
            match name.as_str() {
                "sampler" => out.sampler = self.sampler(value)?,
                "split" => out.split = text(value)?,
                "samples" => out.samples = self.samples(value)?,
                "doc_to_text" => out.doc_to_text = field(value)?,
                "doc_to_choice" => out.doc_to_choice = field(value)?,
                "doc_to_target" => out.doc_to_target = field(value)?,
                "gen_prefix" => out.gen_prefix = text(value)?.map(Arc::from),
                "fewshot_delimiter" => {
                    out.fewshot_delimiter = text(value)?.unwrap_or_default().into()
                }
                "target_delimiter" => {
                    out.target_delimiter = text(value)?.unwrap_or_default().into()
                }
                "fewshot_indices" => {
                    if !is_null {
                        warnings.push(format!(
                            "{}:{}: fewshot_indices has no effect (nor has it in lm-evaluation-harness)",
                            self.0.file.display(),
                            entry.line
                        ));
                    }
                }
                "process_docs" if is_null => out.process_docs = None,
                "process_docs" => match helper_at(value, &full, self.file_of(KEY))? {
                    Some(helper) => out.process_docs = Some(helper),
                    // lm-evaluation-harness takes an empty text for nothing.
                    None if value.as_str() == Some("") => out.process_docs = None,
                    None => {
                        return Err(self.wrong(KEY, "a helper (!function module.name)", value));
                    }
                },
                _ => {
                    return Err(self.fail(
                        KEY,
                        format!("unknown key '{name}'{}", did_you_mean(&name, FEWSHOT_KEYS)),
                    ));
                }
            }
        }
        if out.split.is_some() && out.samples.is_some() {
            warnings.push(format!(
                "{}: fewshot_config has both split and samples; split is used",
                self.0.file.display()
            ));
        }
        Ok(out)
    }

    fn sampler(&self, value: &Yaml) -> Result<SamplerKind, TaskError> {
        match value.as_str() {
            Some("default") => Ok(SamplerKind::Default),
            Some("first_n") => Ok(SamplerKind::FirstN),
            _ => {
                let found = crate::python::text(&value.to_json());
                Err(self.fail(
                    "fewshot_config",
                    format!("sampler '{found}' is not one of default, first_n"),
                ))
            }
        }
    }

    fn samples(&self, value: &Yaml) -> Result<Option<Vec<Map<String, Value>>>, TaskError> {
        const KEY: &str = "fewshot_config";
        if let Some(helper) = helper_at(value, "fewshot_config.samples", self.file_of(KEY))? {
            return helper
                .samples()
                .map(Some)
                .map_err(|reason| self.fail(KEY, format!("samples: {reason}")));
        }
        match value {
            Yaml::Null => Ok(None),
            Yaml::Seq(items) => items
                .iter()
                .map(|item| match item.to_json() {
                    Value::Object(map) => Ok(map),
                    _ => Err(self.wrong(KEY, "samples that are maps", item)),
                })
                .collect::<Result<_, _>>()
                .map(Some),
            other => Err(self.wrong(KEY, "a list of samples", other)),
        }
    }
}
