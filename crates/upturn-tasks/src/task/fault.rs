//! What is wrong with an item: the key, the reason, the advice.

use crate::python;

/// What is wrong, where in the file, for which item.
pub(super) struct Fault {
    pub(super) key: &'static str,
    pub(super) reason: String,
    /// How to mend it; may be empty.
    pub(super) mend: &'static str,
    /// Index into the pool, where the fault is an example's.
    pub(super) shot: Option<usize>,
}

impl Clone for Fault {
    fn clone(&self) -> Fault {
        Fault {
            key: self.key,
            reason: self.reason.clone(),
            mend: self.mend,
            shot: self.shot,
        }
    }
}

pub(super) type Made<T> = Result<T, Fault>;

pub(super) fn fault<T>(key: &'static str, reason: impl Into<String>) -> Made<T> {
    advised(key, reason, "")
}

/// A fault with a word on how to mend it, which comes after the place.
pub(super) fn advised<T>(
    key: &'static str,
    reason: impl Into<String>,
    mend: &'static str,
) -> Made<T> {
    Err(Fault {
        key,
        reason: reason.into(),
        mend,
        shot: None,
    })
}

pub(super) fn clip(text: &str) -> String {
    let mut shown = String::new();
    python::write_str_repr(&mut shown, &text.chars().take(40).collect::<String>());
    shown
}
