//! One file per command.

pub mod analyze;
pub mod compare;
pub mod completions;
pub mod doctor;
pub mod eval;
pub mod forecast;
pub mod generated;
pub mod import;
pub mod models;
pub mod plan;
pub mod plot;
pub mod published;
pub mod report;
pub mod run;
#[cfg(feature = "server")]
pub mod serve_model;
pub mod tasks;
pub mod train;
