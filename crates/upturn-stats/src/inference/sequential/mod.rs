//! Evidence that stays valid however often one looks: e-values and stopping rules.
//!
//! An e-value is a non-negative number with expectation at most 1 under the null; a running
//! e-value exceeds 1/α at any time with probability at most α (Ville). All are
//! handled as logarithms, in nats.

pub mod betting;
pub mod combine;
pub mod confidence_sequence;
pub mod label;
pub mod mixture;
pub mod sprt;
