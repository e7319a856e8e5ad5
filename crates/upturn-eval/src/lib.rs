//! Runs tasks on a language model: plan, ask, score.
//!
//! A *cell* is one model on one task. [`plan`] builds its items and its key;
//! [`run`] asks the model what has not been answered yet and scores everything;
//! [`measurements`] turns the scores into rows of the table in the middle.
//!
//! *Invariant: no files. What is finished is handed to a callback, and what was
//! finished before is handed in.* *Invariant: a cell's result is a function of its
//! key: the same however often it was interrupted.*

mod cell;
mod error;
mod group;
mod helpers;
mod measure;
mod response;
mod score;
mod stop;

pub use cell::{CellPlan, CellResult, EvalOptions, MetricScore, Progress, estimate, plan, run};
pub use error::EvalError;
pub use group::{GroupScore, group_scores};
pub use measure::{ModelIdentity, chance_of, measurements};
pub use response::ItemResponse;
pub use stop::StopRule;
