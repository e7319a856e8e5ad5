//! Why a figure cannot be drawn.

/// A figure that cannot be drawn as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// No verdict was chosen.
    #[error("nothing to draw: no verdict was chosen")]
    NothingToDraw,
    /// The panels have no room, or the image is too large.
    #[error("{width_px} by {height_px} pixels do not do for this figure: {why}")]
    Size {
        /// Width asked for.
        width_px: u32,
        /// Height asked for.
        height_px: u32,
        /// What is wrong, and what would do.
        why: &'static str,
    },
    /// The image could not be encoded.
    #[error("the image could not be encoded as PNG: {0}")]
    Encode(String),
}
