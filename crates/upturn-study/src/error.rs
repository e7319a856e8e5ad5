//! What can be wrong with a study file.

/// One line: file, line, what is wrong, what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {}{message}", line.map(|n| format!("line {n}: ")).unwrap_or_default())]
pub struct StudyError {
    /// The file as it was named.
    pub file: String,
    /// Line, from 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong, what was expected, how to mend it.
    pub message: String,
}

impl StudyError {
    /// A fault without a line.
    pub fn new(file: &str, message: impl Into<String>) -> Self {
        StudyError {
            file: file.to_owned(),
            line: None,
            message: message.into(),
        }
    }

    /// A fault of the TOML reader, with the line that its span begins on.
    pub(crate) fn toml(file: &str, text: &str, fault: &toml::de::Error) -> Self {
        let line = fault.span().map(|span| {
            let before = &text.as_bytes()[..span.start.min(text.len())];
            before.iter().filter(|b| **b == b'\n').count() + 1
        });
        StudyError {
            file: file.to_owned(),
            line,
            message: fault.message().replace('\n', "; "),
        }
    }
}
