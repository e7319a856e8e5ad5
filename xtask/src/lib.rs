//! Chores with logic, as functions: tests call them, so that a laptop and CI agree.

pub mod arrows;
pub mod tidy;

use std::path::PathBuf;

/// The root of the repository.
#[must_use]
pub fn root() -> PathBuf {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().map_or(manifest.clone(), PathBuf::from)
}
