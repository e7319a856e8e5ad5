//! Tasks in lm-evaluation-harness YAML: from files and data to the requests a model answers.
//!
//! ```text
//! folders ─ Library::open ─ select ─► Selection (groups, TaskConfig)
//!                                        │  Datasets (a trait: upturn-store reads files)
//!                                        ▼
//!                                Task::load ─ build ─► Item { prompt, choices, requests, hashes }
//! ```
//!
//! No Python is run: the functions that a task names are read as helpers where they
//! lie within a small part of the language ([`ports`]), and refused by name where they
//! do not ([`Refusal::NeedsPython`]); [`check()`] lists what a folder of tasks would
//! need. With [`FewshotMode::Parity`] the requests equal those of
//! lm-evaluation-harness 0.4.13, string for string; the default draws the examples
//! of an item from its index alone, and never shows an item its own answer.

mod ability;
pub mod bigbench;
pub mod check;
mod check_table;
pub mod config;
pub mod dataset;
pub mod error;
pub mod fewshot;
mod filters;
pub mod generated;
pub mod index;
pub mod library;
mod methods;
pub mod ports;
pub mod prompt;
mod prompting;
pub mod python;
pub mod raw;
pub mod scoring;
pub mod task;
pub mod template;
pub mod yaml;
mod yaml_scalar;

pub use check::{Check, FileReport, Help, Totals, Verdict, check};
pub use check_table::markdown as check_markdown;
pub use config::{
    DocField, FewshotConfig, FilterConfig, FilterStep, MetricConfig, OutputType, SamplerKind,
    TaskConfig, generate_options,
};
pub use dataset::{DatasetError, DatasetSpec, Datasets, Doc};
pub use error::{Refusal, TaskError};
pub use fewshot::FewshotMode;
pub use library::{AggregateMetric, GroupNode, Library, Node, Selection};
pub use prompt::{Chat, ChatTemplate};
pub use prompting::{FollowUp, MethodCost};
pub use scoring::TaskMetric;
pub use task::{BuildOptions, DocSelection, Gold, Item, ItemRequests, Task, logged_arguments};
