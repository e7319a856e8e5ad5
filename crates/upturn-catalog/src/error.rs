//! The one error of this crate: a catalogue file that cannot be used, said in one line.

use upturn_types::Diagnostic;

/// A catalogue text that was refused. Nothing of it was added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{diagnostic}")]
pub struct CatalogError {
    /// What, where, what was expected, and how to mend it.
    pub diagnostic: Box<Diagnostic>,
}

impl CatalogError {
    pub(crate) fn new(diagnostic: Diagnostic) -> Self {
        CatalogError {
            diagnostic: Box::new(diagnostic),
        }
    }
}

impl From<CatalogError> for Diagnostic {
    fn from(error: CatalogError) -> Self {
        *error.diagnostic
    }
}
