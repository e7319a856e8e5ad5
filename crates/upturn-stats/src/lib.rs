//! The statistics of emergence: exact tests, certified thresholds, verdict rules,
//! curve fits with their comparison, resampling and sequential tools.
//!
//! Every function is a pure function of its arguments. There is no I/O and no
//! clock, and randomness comes only from a seed that the caller passes:
//! the same seed gives the same bits, whatever the number of threads.
//!
//! Notation, throughout: K models i of one series, sorted by scale x; k successes
//! in n items; score y = k/n; chance floor c and ceiling u; margins δ and Δ;
//! level α; ℓ is a log-likelihood *kernel* (binomial coefficients dropped).

pub mod across;
pub mod artefact;
pub mod breakthrough;
pub mod curves;
pub mod dist;
pub mod forecast;
pub mod heterogeneity;
pub mod inference;
pub mod methods;
pub mod multiplicity;
pub mod ordering;
pub mod plan;
pub mod recover;
pub mod resample;
pub mod resolution;
pub mod series;
pub mod tests;
pub mod threshold;
pub mod trend;
pub mod verdict;

pub use series::{Obs, Series};
