//! Filters of BIG-Bench Hard's zero-shot tasks (port of lm-eval 0.4.13, `bbh/*/utils.py`).

use serde_json::{Map, Value};
use upturn_metrics::{FilterValue, FoundText, PyRegex, escape, strip};

use crate::dataset::Doc;
use crate::python::is_space;

/// Which filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The letter of an option, by pattern, by the option's text, or by a letter after a colon.
    MultiChoice,
    /// A value for the pattern that an answer fits.
    Map,
    /// The words of the item's list in the order of the answer.
    WordSort,
}

/// The settings of a filter, read.
struct Settings {
    regex: PyRegex,
    group_select: i64,
    fallback: String,
    ignore_case: bool,
    ignore_punctuation: bool,
    ignored: Vec<PyRegex>,
    /// Patterns and their values.
    values: Vec<(PyRegex, FilterValue)>,
}

fn compile(pattern: &str) -> Result<PyRegex, String> {
    PyRegex::new(pattern).map_err(|e| e.to_string())
}

impl Settings {
    fn new(kind: Kind, given: &Map<String, Value>) -> Result<Settings, String> {
        let text = |key: &str, default: &str| match given.get(key) {
            None => Ok(default.to_string()),
            Some(Value::String(s)) => Ok(s.clone()),
            Some(_) => Err(format!("{key}: expected text")),
        };
        let flag = |key: &str| match given.get(key) {
            None => Ok(false),
            Some(Value::Bool(b)) => Ok(*b),
            Some(_) => Err(format!("{key}: expected true or false")),
        };
        let mut values = Vec::new();
        if let Some(Value::Object(map)) = given.get("regex_pattern_to_value") {
            for (pattern, value) in map {
                values.push((compile(pattern)?, FilterValue::from_json(value)));
            }
        }
        let pattern = match kind {
            Kind::Map => values
                .iter()
                .map(|(p, _)| p.pattern())
                .collect::<Vec<_>>()
                .join("|"),
            _ => text("regex_pattern", r"#### (\-?[0-9\.\,]+)")?,
        };
        let ignored = match given.get("regexes_to_ignore") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(all)) => all
                .iter()
                .map(|p| compile(p.as_str().ok_or("regexes_to_ignore: expected texts")?))
                .collect::<Result<_, _>>()?,
            Some(_) => return Err("regexes_to_ignore: expected a list".into()),
        };
        let known = [
            "regex_pattern",
            "regex_pattern_to_value",
            "group_select",
            "fallback",
            "ignore_case",
            "ignore_punctuation",
            "regexes_to_ignore",
        ];
        if let Some(key) = given.keys().find(|k| !known.contains(&k.as_str())) {
            return Err(format!("unknown setting '{key}'"));
        }
        Ok(Settings {
            regex: compile(&pattern)?,
            group_select: match given.get("group_select") {
                None => 0,
                Some(v) => v.as_i64().ok_or("group_select: expected a whole number")?,
            },
            fallback: text("fallback", "[invalid]")?,
            ignore_case: flag("ignore_case")?,
            ignore_punctuation: flag("ignore_punctuation")?,
            ignored,
            values,
        })
    }

    /// A text as it is compared.
    fn plain(&self, text: &str, punctuation: &PyRegex) -> Result<String, String> {
        let mut text = text.to_string();
        for regex in &self.ignored {
            text = regex.remove_all(&text).map_err(|e| e.to_string())?;
        }
        if self.ignore_case {
            text = text.to_lowercase();
        }
        if self.ignore_punctuation {
            text = punctuation.remove_all(&text).map_err(|e| e.to_string())?;
        }
        Ok(text)
    }

    /// The match that `group_select` means; none where nothing but empty text is found.
    fn find(&self, regex: &PyRegex, text: &str) -> Result<Option<String>, String> {
        let all = regex.find_all(text).map_err(|e| e.to_string())?;
        if all.is_empty() {
            return Ok(None);
        }
        let at = if self.group_select < 0 {
            self.group_select + all.len() as i64
        } else {
            self.group_select
        };
        let Some(found) = usize::try_from(at).ok().and_then(|i| all.get(i)) else {
            return Err(format!(
                "group_select is {}, and the answer has {} matches",
                self.group_select,
                all.len()
            ));
        };
        let found = match found {
            FoundText::One(text) => text,
            FoundText::Groups(groups) => groups
                .iter()
                .find(|g| !g.is_empty())
                .ok_or("every group of the match is empty")?,
        };
        let found = strip(found);
        Ok((!found.is_empty()).then(|| found.to_string()))
    }
}

/// That a filter can be made with these settings.
pub(super) fn check(kind: Kind, given: &Map<String, Value>) -> Result<(), String> {
    Settings::new(kind, given).map(|_| ())
}

/// The answers of an item, filtered.
pub(super) fn apply(
    kind: Kind,
    given: &Map<String, Value>,
    answers: &[String],
    doc: &Doc,
) -> Result<Vec<FilterValue>, String> {
    let input = || match doc.get("input") {
        Some(Value::String(text)) => Ok(text.as_str()),
        _ => Err("the item has no text 'input'".to_string()),
    };
    let punctuation = compile(r"[\p{P}]").or_else(|_| compile(r"[^\w\s]"))?;
    let settings = Settings::new(kind, given)?;
    match kind {
        Kind::MultiChoice => multi_choice(&settings, input()?, answers, &punctuation),
        Kind::Map => answers
            .iter()
            .map(|answer| map(&settings, answer, &punctuation))
            .collect(),
        Kind::WordSort => word_sort(input()?, answers),
    }
}

fn multi_choice(
    settings: &Settings,
    input: &str,
    answers: &[String],
    punctuation: &PyRegex,
) -> Result<Vec<FilterValue>, String> {
    let options = compile(r"\([A-Z]\)([^\n^(]*)")?;
    let mut by_text: Vec<(String, String)> = Vec::new();
    let mut texts = Vec::new();
    let mut letters = Vec::new();
    let mut letter = 'A';
    for found in options.find_all(input).map_err(|e| e.to_string())? {
        let FoundText::One(option) = found else {
            continue;
        };
        let option = settings.plain(strip(&option), punctuation)?;
        texts.push(escape(&option));
        let named = format!("({letter})");
        match by_text.iter_mut().find(|(text, _)| *text == option) {
            Some(old) => old.1 = named,
            None => by_text.push((option, named)),
        }
        letters.push(letter);
        letter = char::from_u32(letter as u32 + 1).unwrap_or(letter);
    }
    // The longest first, and equally long ones in their order.
    texts.sort_by_key(|t| std::cmp::Reverse(t.chars().count()));
    let by_option = compile(&texts.join("|"))?;
    let one_of: Vec<String> = letters.iter().map(char::to_string).collect();
    let by_letter = compile(&format!(r":[\s]*({})", one_of.join("|")))?;
    answers
        .iter()
        .map(|answer| {
            if let Some(found) = settings.find(&settings.regex, answer)? {
                return Ok(FilterValue::from(found));
            }
            let plain = settings.plain(answer, punctuation)?;
            if let Some(found) = settings.find(&by_option, &plain)? {
                let named = by_text.iter().find(|(text, _)| *text == found);
                return Ok(FilterValue::from(
                    named.map_or(found.clone(), |(_, n)| n.clone()),
                ));
            }
            if let Some(found) = settings.find(&by_letter, answer)? {
                let is_option =
                    found.chars().count() == 1 && letters.iter().any(|l| found.starts_with(*l));
                return Ok(FilterValue::from(if is_option {
                    format!("({found})")
                } else {
                    found
                }));
            }
            Ok(FilterValue::from(settings.fallback.as_str()))
        })
        .collect()
}

fn map(settings: &Settings, answer: &str, punctuation: &PyRegex) -> Result<FilterValue, String> {
    let plain = settings.plain(answer, punctuation)?;
    if let Some(whole) = settings.find(&settings.regex, &plain)? {
        let whole = settings.plain(&whole, punctuation)?;
        for (regex, value) in &settings.values {
            if settings.find(regex, &whole)?.is_some() {
                return Ok(value.clone());
            }
        }
    }
    Ok(FilterValue::from(settings.fallback.as_str()))
}

fn word_sort(input: &str, answers: &[String]) -> Result<Vec<FilterValue>, String> {
    let list = input
        .split("List:")
        .nth(1)
        .ok_or("the item's 'input' has no 'List:'")?;
    let words: Vec<String> = list
        .split(is_space)
        .filter(|w| !w.is_empty())
        .map(|w| format!("\\b{w}\\b"))
        .collect();
    let regex = compile(&words.join("|"))?;
    answers
        .iter()
        .map(|answer| {
            // The last place of each word counts: words are gone through from the end, each
            // kept once, and turned round again.
            let mut kept: Vec<String> = Vec::new();
            let found = regex.find_all(answer).map_err(|e| e.to_string())?;
            for word in found.into_iter().rev() {
                let FoundText::One(word) = word else {
                    return Err("the item's words hold brackets".to_string());
                };
                if !kept.contains(&word) {
                    kept.push(word);
                }
            }
            kept.reverse();
            Ok(FilterValue::from(kept.join(" ")))
        })
        .collect()
}
