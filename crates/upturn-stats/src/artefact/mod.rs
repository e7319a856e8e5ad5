//! Metric artefacts: is the sharpness of an onset made by an all-or-nothing metric?
//!
//! A metric that counts an answer only when all of it is right turns a smooth gain per token
//! into a late, steep one (Schaeffer, Miranda and Koyejo 2023). [`analytic`] holds that law,
//! [`link`] fits it, [`bend`] asks whether the graded metric itself turns, [`zeros`] what a
//! score of 0 says, and [`judge()`] puts them together.

pub mod analytic;
pub mod bend;
pub mod judge;
pub mod link;
pub mod zeros;

pub use judge::{JudgeSettings, Paired, PointPrediction, judge};
