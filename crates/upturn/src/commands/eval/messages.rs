//! What a run says beside its results: each thing once, with the places that it holds for.

use std::collections::BTreeSet;

use crate::output;

/// Messages about what is refused: each once, on stderr as it comes.
#[derive(Debug, Default)]
pub struct Refusals {
    lines: BTreeSet<String>,
    /// All of them, in order.
    pub in_order: Vec<String>,
}

impl Refusals {
    /// Says and keeps a message, unless it was said before.
    pub fn add(&mut self, message: String) {
        let line = message.replace(['\n', '\r'], " ");
        if self.lines.insert(line.clone()) {
            output::note(&format!("error: {line}"));
            self.in_order.push(line);
        }
    }

    /// Whether this was said.
    pub fn has(&self, message: &str) -> bool {
        self.lines.contains(&*message.replace(['\n', '\r'], " "))
    }
}

/// Says what results do not depend on, or what they lack.
pub fn warn(message: &str) {
    output::note(&format!("warning: {}", message.replace(['\n', '\r'], " ")));
}

/// Messages that hold for several subjects (files, tasks, cells), to be said once each.
#[derive(Debug, Default)]
pub struct Gathered {
    messages: Vec<(String, Vec<String>)>,
}

impl Gathered {
    /// Keeps `text` for `subject`.
    pub fn add(&mut self, subject: &str, text: &str) {
        let known = self.messages.iter_mut().find(|(t, _)| t == text);
        match known {
            Some((_, subjects)) if subjects.iter().any(|s| s == subject) => {}
            Some((_, subjects)) => subjects.push(subject.to_owned()),
            None => {
                let subjects = vec![subject.to_owned()];
                self.messages.push((text.to_owned(), subjects));
            }
        }
    }

    /// Texts with their subjects, in order of their first mention.
    pub fn into_messages(self) -> Vec<(String, Vec<String>)> {
        self.messages
    }
}

/// `a, b, c and 54 more`.
pub fn listed(names: &[String]) -> String {
    const N_SHOWN: usize = 4;
    match names.len() {
        n if n > N_SHOWN => format!("{} and {} more", names[..N_SHOWN].join(", "), n - N_SHOWN),
        _ => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_said_once_with_what_it_holds_for() {
        let mut gathered = Gathered::default();
        for (subject, text) in [("a", "x"), ("b", "y"), ("b", "x"), ("a", "x")] {
            gathered.add(subject, text);
        }
        let said: Vec<String> = gathered
            .into_messages()
            .iter()
            .map(|(text, subjects)| format!("{text}: {}", listed(subjects)))
            .collect();
        assert_eq!(said, ["x: a, b", "y: b"]);
        let many: Vec<String> = (0..6).map(|i| i.to_string()).collect();
        assert_eq!(listed(&many), "0, 1, 2, 3 and 2 more");
    }
}
