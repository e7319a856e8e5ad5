//! Curve models, their likelihoods and comparison, the kink test.
//!
//! A curve p(x) = c + (u − c)·g(x) rises from the chance floor c to the ceiling u.
//! [`compare`] fits every model of [`CurveModel`](upturn_types::CurveModel)
//! by maximum likelihood and weighs them; [`kink_test`] asks whether a kinked or a
//! stepped curve explains more than the smooth logistic, with a parametric bootstrap,
//! because the usual χ² does not hold where the breakpoint vanishes under the null;
//! [`breakpoint_interval`] and [`sharpness`] describe the rise; [`predict`] and [`band`]
//! draw it. [`bnsl`] and [`unbounded`] hold the curves of other kinds of metric.
//!
//! The information criteria count *models* K, never items.

mod band;
pub mod bnsl;
mod breakpoint;
pub(crate) mod compare;
mod dispersed;
mod draws;
pub(crate) mod glm;
mod kink;
pub(crate) mod least_squares;
mod leave_out;
pub(crate) mod likelihood;
pub(crate) mod models;
pub(crate) mod points;
pub(crate) mod search;
mod segments;
mod sharpness;
pub mod unbounded;

pub use band::band;
pub use breakpoint::breakpoint_interval;
pub use compare::{FitConfig, LikelihoodChoice, compare};
pub use kink::{KinkConfig, kink_null_statistics, kink_test};
pub(crate) use least_squares::solve;
pub use leave_out::{leave_groups_out, leave_largest_out};
pub use likelihood::beta_binomial_ln_kernel;
pub use models::predict;
pub use sharpness::sharpness;
