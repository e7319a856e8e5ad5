//! Results on disk: what reads other people's results, and what writes ours.
//!
//! Everything that knows a file format lives here, one file per format:
//! lm-evaluation-harness results ([`lm_eval`]) and its samples
//! ([`lm_eval_samples`]), foreign tables with a map ([`map`]), tables printed in
//! papers ([`published`]), and our own Parquet ([`parquet`]) and CSV
//! ([`canonical_csv`]). All of them end in the same record,
//! [`upturn_types::Measurement`], and each row passes [`validate()`] on its way.
//! [`read()`] recognises files by what they hold and reads whole folders.
//!
//! An evaluation uses four more: rows of data sets come from [`dataset`], finished responses go
//! to a [`journal`] until their cell is done, its samples are kept in a [`sample_table`], and
//! [`lm_eval_write`] gives lm-evaluation-harness's own files to those who read these.
//!
//! Nothing here computes statistics, and nothing panics on input: a file or row
//! that cannot be used becomes one [`upturn_types::Diagnostic`], and the rest is kept.

pub mod analysis_json;
pub mod canonical_csv;
mod capped;
mod curve_table;
pub mod dataset;
mod error;
mod files;
mod identity;
pub mod item_table;
pub mod journal;
mod json;
mod lines;
pub mod lm_eval;
pub mod lm_eval_samples;
pub mod lm_eval_write;
pub mod map;
mod measurement_table;
#[cfg(test)]
mod outputs_tests;
pub mod parquet;
mod parsed;
pub mod published;
mod read;
mod recognise;
pub mod sample_table;
pub mod schema;
pub mod settings;
mod table;
mod texts;
pub mod validate;
mod verdict_table;

pub use analysis_json::write as write_analysis_json;
pub use canonical_csv::{
    write_measurements as write_measurements_csv, write_verdicts as write_verdicts_csv,
};
pub use error::StoreError;
pub use files::write_bytes;
pub use parquet::{
    read_measurements as read_measurements_parquet, write_curves as write_curves_parquet,
    write_measurements as write_measurements_parquet, write_verdicts as write_verdicts_parquet,
};
pub use parsed::{FileInfo, Parsed};
pub use read::{Import, ReadOptions, read};
pub use texts::Texts;
pub use validate::validate;
