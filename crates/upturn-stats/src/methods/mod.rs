//! What a way of eliciting answers gains over another on the same models, and from which scale.
//!
//! [`effect()`] compares two scores of one model, [`crossover()`] walks the scales of a family and
//! gives the verdict, [`logit`] holds the line of logit differences with Fieller's interval, and
//! [`gain`] says how far a threshold moves and what compute the gain is worth.

pub mod crossover;
pub mod effect;
pub mod gain;
pub mod logit;

pub use crossover::{Crossover, Margins, crossover};
pub use effect::{Effect, Paired, effect, paired_effect};
pub use gain::{compute_gain, threshold_shift};
pub use logit::{logit_difference, logit_half};
