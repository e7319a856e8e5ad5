//! Filters that extract an answer by pattern: `regex`, `regex_pos`, `multi_choice_regex`.

use std::sync::LazyLock;

use serde_json::Value;

use super::Failure;
use super::options::Options;
use crate::python_str::{escape, strip};
use crate::{FilterValue, FoundText, MetricError, PyRegex};

/// Pattern where a task gives none: the answer after `####`, as in GSM8K.
const DEFAULT_PATTERN: &str = r"#### (\-?[0-9\.\,]+)";

/// Options and behaviour of the filter `regex`.
#[derive(Debug, Clone)]
pub struct RegexExtract {
    regex: PyRegex,
    group_select: i64,
    fallback: FilterValue,
}

/// A list's item by a Python index, which may count from the end.
fn pick<T>(items: &[T], index: i64) -> Option<&T> {
    let at = if index < 0 {
        items.len() as i64 + index
    } else {
        index
    };
    usize::try_from(at).ok().and_then(|at| items.get(at))
}

impl RegexExtract {
    pub(super) fn new(o: &mut Options<'_>) -> Result<Self, MetricError> {
        Ok(RegexExtract {
            regex: PyRegex::new(o.text("regex_pattern")?.unwrap_or(DEFAULT_PATTERN))?,
            group_select: o.int("group_select")?.unwrap_or(0),
            fallback: match o.take("fallback") {
                None => FilterValue::from("[invalid]"),
                Some(value) => FilterValue::from_json(value),
            },
        })
    }

    /// The match number `group_select` (from the end where negative), its first non-empty
    /// group, without space around it; the fallback where nothing matches.
    ///
    /// Where fewer matches are found than `group_select` asks for, the fallback is given;
    /// lm-evaluation-harness stops with an `IndexError` there.
    pub(super) fn apply(&self, response: &FilterValue) -> Result<FilterValue, Failure> {
        let found = self.regex.find_all(response.as_str().unwrap_or(""))?;
        let Some(found) = pick(&found, self.group_select) else {
            return Ok(self.fallback.clone());
        };
        let text = match found {
            FoundText::One(text) => text.as_str(),
            FoundText::Groups(groups) => match groups.iter().find(|g| !g.is_empty()) {
                Some(group) => group,
                None => match &self.fallback {
                    FilterValue::Str(text) => text,
                    _ => return Err("every group is empty and the fallback is no text".into()),
                },
            },
        };
        Ok(FilterValue::from(strip(text)))
    }
}

/// Options and behaviour of the filter `regex_pos`.
#[derive(Debug, Clone)]
pub struct PosTags {
    fallback: FilterValue,
}

static PAIRS: LazyLock<Result<PyRegex, MetricError>> =
    LazyLock::new(|| PyRegex::new(r"\('([^']*)', '([^']*)'\)"));

impl PosTags {
    pub(super) fn new(o: &mut Options<'_>) -> Result<Self, MetricError> {
        // Read and compiled by lm-evaluation-harness too, then never used.
        PyRegex::new(o.text("regex_pattern")?.unwrap_or(r"\['(.*?)'\]"))?;
        o.int("group_select")?;
        Ok(PosTags {
            fallback: match o.take("fallback") {
                None | Some(Value::Null) => FilterValue::List(vec!["invalid".into()]),
                Some(value) => FilterValue::from_json(value),
            },
        })
    }

    /// The tags of the pairs in a response, as a list; the fallback where there are none.
    pub(super) fn apply(&self, response: &FilterValue) -> Result<FilterValue, Failure> {
        let tags: Vec<FilterValue> = match response {
            FilterValue::Str(text) => {
                let pairs = PAIRS.as_ref().map_err(Clone::clone)?;
                pairs
                    .find_all(text)?
                    .into_iter()
                    .filter_map(|found| match found {
                        FoundText::Groups(groups) => groups.into_iter().nth(1),
                        FoundText::One(_) => None,
                    })
                    .map(FilterValue::Str)
                    .collect()
            }
            FilterValue::List(pairs) => pairs
                .iter()
                .map(|pair| match pair.elements().as_deref() {
                    Some([_, tag]) => Ok(tag.clone()),
                    _ => Err(Failure::from("needs pairs of token and tag")),
                })
                .collect::<Result<_, _>>()?,
            other => return Err(format!("needs text or pairs, got {}", other.type_name()).into()),
        };
        if tags.is_empty() {
            return Ok(self.fallback.clone());
        }
        Ok(FilterValue::List(tags))
    }
}

/// Options and behaviour of the filter `multi_choice_regex`.
#[derive(Debug, Clone)]
pub struct MultiChoiceRegex {
    base: RegexExtract,
    ignore_case: bool,
    ignore_punctuation: bool,
    regexes_to_ignore: Option<Vec<PyRegex>>,
}

static PUNCTUATION: LazyLock<Result<fancy_regex::Regex, String>> =
    LazyLock::new(|| fancy_regex::Regex::new(r"\p{P}").map_err(|e| e.to_string()));

impl MultiChoiceRegex {
    pub(super) fn new(o: &mut Options<'_>) -> Result<Self, MetricError> {
        Ok(MultiChoiceRegex {
            base: RegexExtract::new(o)?,
            ignore_case: o.flag("ignore_case")?,
            ignore_punctuation: o.flag("ignore_punctuation")?,
            regexes_to_ignore: o.patterns("regexes_to_ignore")?,
        })
    }

    /// A text as options and responses are compared.
    fn plain(&self, text: &str) -> Result<String, Failure> {
        let mut text = text.to_owned();
        for regex in self.regexes_to_ignore.iter().flatten() {
            text = regex.remove_all(&text)?;
        }
        if self.ignore_case {
            text = text.to_lowercase();
        }
        if self.ignore_punctuation {
            let punctuation = PUNCTUATION.as_ref().map_err(Clone::clone)?;
            text = punctuation.replace_all(&text, "").into_owned();
        }
        Ok(text)
    }

    /// Makes the patterns of a document's options.
    pub(super) fn prepare(&self, choices: &[String]) -> Result<Prepared<'_>, Failure> {
        let mut by_text: Vec<(String, String)> = Vec::new();
        let mut by_letter: Vec<(String, String)> = Vec::new();
        let mut branches = Vec::new();
        for (choice, letter) in choices.iter().zip('A'..) {
            let plain = self.plain(strip(choice))?;
            branches.push(escape(&plain));
            // The last of equal options gives its letter, as a dictionary's key does.
            by_text.retain(|(text, _)| *text != plain);
            by_text.push((plain, format!("({letter})")));
            by_letter.push((letter.to_string(), format!("({letter})")));
        }
        branches.sort_by_key(|branch| std::cmp::Reverse(branch.chars().count()));
        let letters: Vec<&str> = by_letter.iter().map(|(l, _)| l.as_str()).collect();
        Ok(Prepared {
            filter: self,
            text_regex: PyRegex::new(&branches.join("|"))?,
            letter_regex: PyRegex::new(&format!(r":[\s]*({})", letters.join("|")))?,
            by_text,
            by_letter,
        })
    }
}

/// The filter with the patterns of one document.
pub(super) struct Prepared<'a> {
    filter: &'a MultiChoiceRegex,
    text_regex: PyRegex,
    letter_regex: PyRegex,
    by_text: Vec<(String, String)>,
    by_letter: Vec<(String, String)>,
}

impl Prepared<'_> {
    /// By the task's pattern; else by the text of an option; else by a letter after a colon.
    pub(super) fn apply(&self, response: &FilterValue) -> Result<FilterValue, Failure> {
        let text = response.as_str();
        let pattern = &self.filter.base.regex;
        let found = match self.find(pattern, text.unwrap_or(""), &[])? {
            Some(found) => Some(found),
            None => {
                let Some(text) = text else {
                    return Err(format!("needs text, got {}", response.type_name()).into());
                };
                let plain = self.filter.plain(text)?;
                match self.find(&self.text_regex, &plain, &self.by_text)? {
                    Some(found) => Some(found),
                    None => self.find(&self.letter_regex, text, &self.by_letter)?,
                }
            }
        };
        Ok(found.map_or_else(|| self.filter.base.fallback.clone(), FilterValue::Str))
    }

    /// The selected match, converted; `None` where there is none or it is empty.
    fn find(
        &self,
        regex: &PyRegex,
        text: &str,
        convert: &[(String, String)],
    ) -> Result<Option<String>, Failure> {
        let found = regex.find_all(text)?;
        let Some(found) = pick(&found, self.filter.base.group_select) else {
            return Ok(None);
        };
        let text = match found {
            FoundText::One(text) => strip(text),
            FoundText::Groups(groups) => match groups.iter().find(|g| !g.is_empty()) {
                Some(group) => strip(group),
                None => return Ok(None),
            },
        };
        if text.is_empty() {
            return Ok(None);
        }
        let converted = convert.iter().find(|(from, _)| from == text);
        Ok(Some(
            converted.map_or_else(|| text.to_owned(), |(_, to)| to.clone()),
        ))
    }
}
