//! Filters: what is done to responses before they are scored.
//!
//! They behave as lm-evaluation-harness 0.4.13's, quirks included: a pipeline works on one
//! value per document, which is a list of responses at first and whatever the filters make of
//! it after; a filter that goes through the responses of a text (after `take_first`, say)
//! goes through its characters, as Python does.

mod extract;
mod options;
mod select;
mod span;

use serde_json::{Map, Value};

use crate::{FilterValue, MetricError};
pub use extract::{MultiChoiceRegex, PosTags, RegexExtract};
pub(crate) use options::Options;

/// One step of a pipeline.
#[derive(Debug, Clone)]
pub enum Filter {
    /// `regex`: the part of a response that a pattern matches.
    Regex(RegexExtract),
    /// `regex_pos`: part-of-speech tags of `('token', 'tag')` pairs.
    RegexPos(PosTags),
    /// `multi_choice_regex`: the letter of an option, by pattern, text or letter.
    MultiChoiceRegex(MultiChoiceRegex),
    /// `take_first`: the first response.
    TakeFirst,
    /// `take_first_k`: the first `k` responses.
    TakeFirstK {
        /// How many.
        k: i64,
    },
    /// `majority_vote`: a list of the most frequent response (the earlier of a tie).
    MajorityVote,
    /// `map`: a value for each response.
    Map {
        /// Responses and their values.
        mapping: Vec<(String, FilterValue)>,
        /// Value of every other response.
        default: FilterValue,
    },
    /// `lowercase`.
    Lowercase,
    /// `uppercase`.
    Uppercase,
    /// `remove_whitespace`: none at either end.
    RemoveWhitespace,
    /// `format_span`: named entities as `label: text $ label: text`.
    FormatSpan,
}

/// Names of the filters that exist here.
const NAMES: &str = "regex, regex_pos, multi_choice_regex, take_first, take_first_k, \
                     majority_vote, map, lowercase, uppercase, remove_whitespace, format_span";

impl Filter {
    /// The filter that a task's `function` key names, with the other keys of its entry.
    ///
    /// # Errors
    /// When the name is unknown or means Python code (`custom`, `!function`), an option is
    /// unknown or of the wrong type, or a pattern does not compile.
    pub fn new(name: &str, options: &Map<String, Value>) -> Result<Self, MetricError> {
        let mut o = Options::new(format!("filter {name}"), options);
        let filter = match name {
            "regex" => Filter::Regex(RegexExtract::new(&mut o)?),
            "regex_pos" => Filter::RegexPos(PosTags::new(&mut o)?),
            "multi_choice_regex" => Filter::MultiChoiceRegex(MultiChoiceRegex::new(&mut o)?),
            "take_first" => Filter::TakeFirst,
            "take_first_k" => Filter::TakeFirstK {
                k: o.int("k")?
                    .ok_or_else(|| o.error("k", "missing: give a whole number"))?,
            },
            "majority_vote" => Filter::MajorityVote,
            "map" => {
                let mapping = match o.take("mapping_dict") {
                    None | Some(Value::Null) => Vec::new(),
                    Some(Value::Object(map)) => map
                        .iter()
                        .map(|(key, value)| (key.clone(), FilterValue::from_json(value)))
                        .collect(),
                    Some(_) => return Err(o.error("mapping_dict", "expected a mapping")),
                };
                let default = o.take("default_value").map(FilterValue::from_json);
                Filter::Map {
                    mapping,
                    default: default.unwrap_or(FilterValue::Null),
                }
            }
            "lowercase" => Filter::Lowercase,
            "uppercase" => Filter::Uppercase,
            "remove_whitespace" => Filter::RemoveWhitespace,
            "format_span" => Filter::FormatSpan,
            "custom" => {
                return Err(unknown(
                    name,
                    "runs a Python function, which Upturn does not",
                ));
            }
            _ if name.trim_start().starts_with("!function") => {
                return Err(unknown(name, "is Python code, which Upturn does not run"));
            }
            _ => return Err(unknown(name, "does not exist")),
        };
        o.finish()?;
        Ok(filter)
    }

    /// The filter's name in a task file.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Filter::Regex(_) => "regex",
            Filter::RegexPos(_) => "regex_pos",
            Filter::MultiChoiceRegex(_) => "multi_choice_regex",
            Filter::TakeFirst => "take_first",
            Filter::TakeFirstK { .. } => "take_first_k",
            Filter::MajorityVote => "majority_vote",
            Filter::Map { .. } => "map",
            Filter::Lowercase => "lowercase",
            Filter::Uppercase => "uppercase",
            Filter::RemoveWhitespace => "remove_whitespace",
            Filter::FormatSpan => "format_span",
        }
    }

    /// Whether the filter reads the document's `choices`.
    #[must_use]
    pub fn needs_choices(&self) -> bool {
        matches!(self, Filter::MultiChoiceRegex(_))
    }

    /// Applies it to the value of one document.
    fn apply_one(
        &self,
        value: &FilterValue,
        choices: Option<&[String]>,
    ) -> Result<FilterValue, Failure> {
        match self {
            Filter::Regex(f) => each(value, |r| f.apply(r)),
            Filter::RegexPos(f) => each(value, |r| f.apply(r)),
            Filter::MultiChoiceRegex(f) => {
                let choices = choices.ok_or("the document has no list `choices`")?;
                let prepared = f.prepare(choices)?;
                each(value, |r| prepared.apply(r))
            }
            Filter::TakeFirst => select::take_first(value),
            Filter::TakeFirstK { k } => select::take_first_k(value, *k),
            Filter::MajorityVote => select::majority_vote(value),
            Filter::Map { mapping, default } => each(value, |r| match r {
                FilterValue::List(_) => Err("a list cannot be looked up in a mapping".into()),
                _ => {
                    let found = mapping.iter().find(|(k, _)| r.as_str() == Some(k));
                    Ok(found.map_or_else(|| default.clone(), |(_, v)| v.clone()))
                }
            }),
            Filter::Lowercase => each_text(value, |text| Ok(text.to_lowercase())),
            Filter::Uppercase => each_text(value, |text| Ok(text.to_uppercase())),
            Filter::RemoveWhitespace => {
                each_text(value, |text| Ok(crate::python_str::strip(text).to_owned()))
            }
            Filter::FormatSpan => each_text(value, span::format_span),
        }
    }
}

fn unknown(name: &str, what: &str) -> MetricError {
    MetricError::UnknownFilter {
        name: name.to_owned(),
        reason: format!("{what}; use one of {NAMES}"),
    }
}

/// Why a filter stopped: a pattern's own error, or a reason that the caller gives a place.
enum Failure {
    Reason(String),
    Whole(MetricError),
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Failure::Reason(reason)
    }
}

impl From<&str> for Failure {
    fn from(reason: &str) -> Self {
        Failure::Reason(reason.to_owned())
    }
}

impl From<MetricError> for Failure {
    fn from(error: MetricError) -> Self {
        Failure::Whole(error)
    }
}

/// Applies `f` to every response of a document.
fn each(
    value: &FilterValue,
    mut f: impl FnMut(&FilterValue) -> Result<FilterValue, Failure>,
) -> Result<FilterValue, Failure> {
    let done: Result<Vec<_>, Failure> = elements(value)?.iter().map(&mut f).collect();
    done.map(FilterValue::List)
}

/// Applies `f` to every response of a document, which must all be text.
fn each_text(
    value: &FilterValue,
    mut f: impl FnMut(&str) -> Result<String, Failure>,
) -> Result<FilterValue, Failure> {
    each(value, |response| match response {
        FilterValue::Str(text) => f(text).map(FilterValue::Str),
        other => Err(format!("needs text, got {}", other.type_name()).into()),
    })
}

fn elements(value: &FilterValue) -> Result<Vec<FilterValue>, Failure> {
    value
        .elements()
        .ok_or_else(|| format!("needs a list of responses, got {}", value.type_name()).into())
}

/// Filters in the order they are applied, under the name that results carry.
#[derive(Debug, Clone)]
pub struct FilterPipeline {
    /// Name: what follows the comma in `exact_match,strict-match`.
    pub name: String,
    /// The steps.
    pub filters: Vec<Filter>,
}

impl FilterPipeline {
    /// A pipeline of named filters and their options.
    ///
    /// # Errors
    /// As [`Filter::new`].
    pub fn new<'a>(
        name: impl Into<String>,
        steps: impl IntoIterator<Item = (&'a str, &'a Map<String, Value>)>,
    ) -> Result<Self, MetricError> {
        Ok(FilterPipeline {
            name: name.into(),
            filters: steps
                .into_iter()
                .map(|(filter, options)| Filter::new(filter, options))
                .collect::<Result<_, _>>()?,
        })
    }

    /// What tasks without filters use: `none`, which takes the first response.
    #[must_use]
    pub fn take_first() -> Self {
        FilterPipeline {
            name: "none".to_owned(),
            filters: vec![Filter::TakeFirst],
        }
    }

    /// Whether a filter reads the documents' `choices`.
    #[must_use]
    pub fn needs_choices(&self) -> bool {
        self.filters.iter().any(Filter::needs_choices)
    }

    /// The filtered value of every document. `choices` holds each document's field
    /// `choices`; it may be empty where no filter [needs it](Self::needs_choices).
    ///
    /// # Errors
    /// When a filter meets a value on which Python would raise an error.
    pub fn apply(
        &self,
        responses: &[Vec<FilterValue>],
        choices: &[Option<Vec<String>>],
    ) -> Result<Vec<FilterValue>, MetricError> {
        responses
            .iter()
            .enumerate()
            .map(|(doc, responses)| {
                let choices = choices.get(doc).and_then(|c| c.as_deref());
                self.apply_doc(doc, responses, choices)
            })
            .collect()
    }

    /// The filtered value of one document; `doc` is its index, for messages.
    ///
    /// # Errors
    /// As [`FilterPipeline::apply`].
    pub fn apply_doc(
        &self,
        doc: usize,
        responses: &[FilterValue],
        choices: Option<&[String]>,
    ) -> Result<FilterValue, MetricError> {
        let mut value = FilterValue::List(responses.to_vec());
        for filter in &self.filters {
            value = filter.apply_one(&value, choices).map_err(|f| match f {
                Failure::Whole(error) => error,
                Failure::Reason(reason) => MetricError::Filter {
                    filter: filter.name().to_owned(),
                    doc,
                    reason,
                },
            })?;
        }
        Ok(value)
    }
}
