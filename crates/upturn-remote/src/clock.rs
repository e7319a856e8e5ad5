//! The clock, for waits alone.

use std::time::Instant;

/// Now. No answer and no score depends on it.
#[expect(
    clippy::disallowed_methods,
    reason = "waits are measured in time; no answer and no score depends on it"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}
