//! One clear line about an input: what, where, what was expected, how to mend it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How much a diagnostic matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; nothing was lost.
    Note,
    /// Something is doubtful or was set aside by a documented rule.
    Warning,
    /// Input was refused; the rest was kept. Sets the exit code.
    Error,
}

/// A message about one place of one input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// How much it matters.
    pub severity: Severity,
    /// File (or `published:NAME`) it is about.
    pub file: Option<String>,
    /// Place in the file: `line 3`, `row 12`, `byte 70000`, `results.arc_easy.acc`.
    pub place: Option<String>,
    /// What was found, as a lowercase fragment (`value 1.7 is out of range for acc`).
    pub message: String,
    /// What was expected (`a fraction between 0 and 1`).
    pub expected: Option<String>,
    /// How to mend it (`divide percentages by 100, or set scale = 0.01 in the map`).
    pub help: Option<String>,
}

impl Diagnostic {
    /// A diagnostic with only its severity and message.
    #[must_use]
    pub fn new(severity: Severity, message: impl Into<String>) -> Self {
        Diagnostic {
            severity,
            file: None,
            place: None,
            message: message.into(),
            expected: None,
            help: None,
        }
    }

    /// An error: input that was refused.
    #[must_use]
    pub fn error(message: impl Into<String>) -> Self {
        Self::new(Severity::Error, message)
    }

    /// A warning.
    #[must_use]
    pub fn warning(message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, message)
    }

    /// A note.
    #[must_use]
    pub fn note(message: impl Into<String>) -> Self {
        Self::new(Severity::Note, message)
    }

    /// Sets the file.
    #[must_use]
    pub fn file(mut self, file: impl Into<String>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// Sets the place in the file.
    #[must_use]
    pub fn place(mut self, place: impl Into<String>) -> Self {
        self.place = Some(place.into());
        self
    }

    /// Sets what was expected.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    /// Sets how to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Diagnostic {
    /// One line: `file: place: message; expected …; help`. Line breaks and control
    /// characters from the input are shown escaped, so that one stays one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = String::new();
        for part in [&self.file, &self.place].into_iter().flatten() {
            line.push_str(part);
            line.push_str(": ");
        }
        line.push_str(&self.message);
        if let Some(expected) = &self.expected {
            line.push_str("; expected ");
            line.push_str(expected);
        }
        if let Some(help) = &self.help {
            line.push_str("; ");
            line.push_str(help);
        }
        for c in line.chars() {
            if c.is_control() {
                write!(f, "{}", c.escape_default())?;
            } else {
                write!(f, "{c}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_one_line_whatever_the_input_holds() {
        let d = Diagnostic::error("bad\nvalue")
            .file("a.json")
            .place("line 3")
            .expected("x")
            .help("y");
        assert_eq!(d.to_string(), "a.json: line 3: bad\\nvalue; expected x; y");
    }
}
