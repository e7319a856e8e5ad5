//! Models and tasks as people name them: how large a model is, and what a score on a
//! task means.
//!
//! Both catalogues are embedded; looking up does no I/O. A user's entries come as TOML
//! text and win over the built-in ones.
//!
//! # Where the figures come from
//!
//! `data/models.csv` holds figures as printed, with their sources; `models_extra.toml`
//! says which rows are one model, and adds names, flags and facts with their own
//! sources. Of several sources for one model each figure is taken from the first that
//! has it, in this order: tables of the papers that trained the models; Ruan et al.
//! 2024; Epoch AI; others, such as the rounded figures on the axes of Wei et al. 2022;
//! and what Epoch AI calls speculative only where nothing else is known. What the others
//! print differently stays visible in [`ModelEntry::alternatives`]. Two rules guard
//! against figures that mean something else: Epoch AI's tokens count unique data (or a
//! tuning stage), so they are used only where 6ND then gives Epoch AI's own FLOPs; and
//! FLOPs that are 6ND with another N than the one used are not taken over.
//! Where FLOPs are not printed, C = 6ND, marked as derived.
//!
//! # Families
//!
//! A family is a set of models trained alike. The deduplicated Pythia models are the
//! family `Pythia`; those trained on the Pile as it is are `Pythia (non-deduplicated)`.
//!
//! # Tasks
//!
//! An unknown chance or size is left open: a wrong one would give a verdict that the
//! data do not support.

mod catalog;
mod claims;
mod counterexamples;
mod error;
mod index;
mod key;
mod metric;
mod model;
mod model_args;
mod model_data;
mod revision;
mod task;
mod task_data;
mod task_traits;
mod toml_text;

pub use catalog::Catalog;
pub use claims::{Claim, wei2022_claims};
pub use counterexamples::{PublishedCounterexample, wei2022_counterexamples};
pub use error::CatalogError;
pub use metric::{MetricInfo, metric_info};
pub use model::{Family, ModelEntry, ModelMatch, Reported, explain};
pub use model_args::{ModelArgs, parse_model_args};
pub use revision::step_from_revision;
pub use task::{TaskEntry, TaskMetric};
pub use task_traits::{TaskTraits, task_traits};
