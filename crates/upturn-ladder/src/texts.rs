//! Where texts come from: a seam that the caller fills.

use std::borrow::Cow;

/// Finds texts. Implemented by whoever knows files and their formats.
pub trait Texts {
    /// The documents that a `path` of `[[data.text]]` means, always in the same order.
    ///
    /// # Errors
    /// One line: what is wrong with the pattern or a file.
    fn open(&self, pattern: &str) -> Result<Box<dyn Documents>, String>;
}

/// Texts in order.
pub trait Documents {
    /// How many there are.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text at a place below [`Documents::len`].
    ///
    /// # Errors
    /// One line: what is wrong with its file.
    fn get(&self, index: usize) -> Result<Cow<'_, str>, String>;
}

impl Documents for Vec<String> {
    fn len(&self) -> usize {
        Vec::len(self)
    }

    fn get(&self, index: usize) -> Result<Cow<'_, str>, String> {
        Ok(Cow::Borrowed(&self[index]))
    }
}

/// No texts at all: for ladders of generated tasks.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTexts;

impl Texts for NoTexts {
    fn open(&self, pattern: &str) -> Result<Box<dyn Documents>, String> {
        Err(format!(
            "no texts can be read here, and '{pattern}' asks for some"
        ))
    }
}
