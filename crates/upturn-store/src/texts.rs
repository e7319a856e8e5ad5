//! Texts kept once, however many rows repeat them.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use upturn_types::Text;

/// A set of texts shared by all readers of one import.
#[derive(Debug, Default)]
pub struct Texts {
    seen: Mutex<HashSet<Text>>,
}

impl Texts {
    /// The shared copy of `text`.
    pub fn get(&self, text: &str) -> Text {
        // A panic elsewhere cannot leave a set of texts half changed.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = seen.get(text) {
            return Text::clone(known);
        }
        let new = Text::from(text);
        seen.insert(Text::clone(&new));
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_share_memory() {
        let texts = Texts::default();
        let (a, b) = (texts.get("acc"), texts.get(&String::from("acc")));
        assert!(Text::ptr_eq(&a, &b));
        assert!(!Text::ptr_eq(&a, &texts.get("acc_norm")));
    }
}
