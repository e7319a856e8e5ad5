//! A whole analysis as JSON, with its version.

use std::path::Path;

use serde::Deserialize;
use upturn_types::Analysis;

use crate::error::StoreError;
use crate::files::write_whole;
use crate::schema::{FormatVersion, VersionError};

/// Writes `analysis.json`; the file appears whole or not at all.
///
/// # Errors
/// [`StoreError`] when the file cannot be written.
pub fn write(path: &Path, analysis: &Analysis) -> Result<(), StoreError> {
    write_whole(path, |out| {
        serde_json::to_writer(&mut *out, analysis).map_err(|e| {
            if e.is_io() {
                StoreError::io("write", path, e.into())
            } else {
                StoreError::format(path, e)
            }
        })
    })
}

/// Reads an analysis that [`write()`] wrote, by this release or an older one.
///
/// # Errors
/// [`StoreError`] when the file cannot be read, is damaged or newer.
pub fn read(path: &Path) -> Result<Analysis, StoreError> {
    let bytes = std::fs::read(path).map_err(|e| StoreError::io("read", path, e))?;
    #[derive(Deserialize)]
    struct Version {
        format_version: u32,
    }
    let damaged = |e| StoreError::format(path, format!("is no analysis: {e}"));
    let version: Version = serde_json::from_slice(&bytes).map_err(damaged)?;
    FormatVersion(version.format_version)
        .check_readable_by(FormatVersion(Analysis::FORMAT_VERSION))
        .map_err(|cause: VersionError| StoreError::Version {
            path: path.to_path_buf(),
            cause,
        })?;
    serde_json::from_slice(&bytes).map_err(damaged)
}
