//! Patterns for column names: `{task}_{shots}_{metric}` with captures, and `*,norm` with wildcards.

use std::collections::BTreeMap;

use regex_lite::Regex;

/// Column names longer than this (bytes) fit no pattern: they are data, not names.
const NAME_LEN_MAX: usize = 4096;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    text: String,
    /// `None` for an expression too large to compile: it fits nothing.
    regex: Option<Regex>,
    captures: Vec<String>,
}

/// A piece of a text with captures.
enum Piece<'a> {
    Literal(&'a str),
    Capture(&'a str),
}

impl Pattern {
    /// Compiles a pattern. A capture takes one or more characters, as few as make the
    /// whole name fit; `{shots}` takes digits only.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut regex = String::from("(?s)^");
        let mut captures: Vec<String> = Vec::new();
        let mut after_capture = false;
        for piece in pieces(text)? {
            match piece {
                Piece::Literal(literal) => {
                    regex.push_str(&regex_lite::escape(literal));
                    after_capture = false;
                }
                Piece::Capture(name) => {
                    if after_capture {
                        return Err(format!(
                            "'{{{name}}}' follows a capture without text between"
                        ));
                    }
                    if captures.iter().any(|c| c == name) {
                        return Err(format!("'{{{name}}}' occurs twice"));
                    }
                    captures.push(name.to_owned());
                    regex.push_str(if name == "shots" { "([0-9]+)" } else { "(.+?)" });
                    after_capture = true;
                }
            }
        }
        regex.push('$');
        let regex = Regex::new(&regex).map_err(|_| format!("pattern '{text}' is too large"))?;
        Ok(Pattern {
            text: text.to_owned(),
            regex: Some(regex),
            captures,
        })
    }

    /// A pattern in which `*` stands for any text, and all else for itself.
    pub(super) fn glob(text: &str) -> Self {
        let parts: Vec<String> = text.split('*').map(regex_lite::escape).collect();
        Pattern {
            text: text.to_owned(),
            regex: Regex::new(&format!("(?s)^{}$", parts.join(".*"))).ok(),
            captures: Vec::new(),
        }
    }

    /// The pattern as written.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Names of the captures, in order.
    pub(super) fn captures(&self) -> &[String] {
        &self.captures
    }

    /// Whether `name` fits.
    pub(super) fn fits(&self, name: &str) -> bool {
        name.len() <= NAME_LEN_MAX && self.regex.as_ref().is_some_and(|r| r.is_match(name))
    }

    /// What the captures hold, if `name` fits.
    pub(super) fn capture(&self, name: &str) -> Option<BTreeMap<String, String>> {
        if name.len() > NAME_LEN_MAX {
            return None;
        }
        let found = self.regex.as_ref()?.captures(name)?;
        Some(
            self.captures
                .iter()
                .enumerate()
                .filter_map(|(i, c)| Some((c.clone(), found.get(i + 1)?.as_str().to_owned())))
                .collect(),
        )
    }
}

/// Names of the captures that a text uses.
pub(super) fn captures_of(text: &str) -> Result<Vec<String>, String> {
    Ok(pieces(text)?
        .into_iter()
        .filter_map(|p| match p {
            Piece::Capture(name) => Some(name.to_owned()),
            Piece::Literal(_) => None,
        })
        .collect())
}

/// The text with its captures replaced. Captures that are missing are left as written.
pub(super) fn render(text: &str, captured: &BTreeMap<String, String>) -> String {
    let Ok(pieces) = pieces(text) else {
        return text.to_owned();
    };
    let mut out = String::with_capacity(text.len());
    for piece in pieces {
        match piece {
            Piece::Literal(literal) => out.push_str(literal),
            Piece::Capture(name) => match captured.get(name) {
                Some(value) => out.push_str(value),
                None => {
                    out.push('{');
                    out.push_str(name);
                    out.push('}');
                }
            },
        }
    }
    out
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((literal, after)) = rest.split_once('{') {
        if literal.contains('}') {
            return Err(format!("'}}' without '{{' in '{text}'"));
        }
        let Some((name, after)) = after.split_once('}') else {
            return Err(format!("'{{' without '}}' in '{text}'"));
        };
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') {
            return Err(format!(
                "'{{{name}}}' is no capture: names are lower-case letters and '_'"
            ));
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        pieces.push(Piece::Capture(name));
        rest = after;
    }
    if rest.contains('}') {
        return Err(format!("'}}' without '{{' in '{text}'"));
    }
    if !rest.is_empty() {
        pieces.push(Piece::Literal(rest));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captures_take_as_little_as_they_can() {
        let p = Pattern::parse("bbh_{_kind}_{subset}_{shots}_{metric},{filter}").expect("pattern");
        let c = p
            .capture("bbh_fewshot_logical_deduction_five_objects_3_exact_match,strict-match")
            .expect("fits");
        assert_eq!(c["_kind"], "fewshot");
        assert_eq!(c["subset"], "logical_deduction_five_objects");
        assert_eq!(c["shots"], "3");
        assert_eq!(c["metric"], "exact_match");
        assert_eq!(c["filter"], "strict-match");
        assert!(
            p.capture("bbh_fewshot_snarks_x_exact_match,strict")
                .is_none()
        );
    }

    #[test]
    fn what_is_not_a_capture_stands_for_itself() {
        let p = Pattern::parse("a.b*{task}(x)").expect("pattern");
        assert!(p.fits("a.b*t(x)"));
        assert!(!p.fits("axb*t(x)"));
        assert!(Pattern::glob("*,norm").fits("gsm8k,norm"));
        assert!(!Pattern::glob("*,norm").fits("gsm8k,normal"));
        assert!(Pattern::glob("a.*").fits("a.b"));
        assert!(!Pattern::glob("a.*").fits("axb"));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, why) in [
            ("{task", "without"),
            ("task}", "without"),
            ("{}", "no capture"),
            ("{Task}", "no capture"),
            ("{task}{metric}", "without text between"),
            ("{task}_{task}", "twice"),
        ] {
            let error = Pattern::parse(text).expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn texts_are_filled_in() {
        let captured = BTreeMap::from([("task".to_owned(), "x".to_owned())]);
        assert_eq!(render("bbh/{task}", &captured), "bbh/x");
        assert_eq!(render("plain", &captured), "plain");
    }
}
