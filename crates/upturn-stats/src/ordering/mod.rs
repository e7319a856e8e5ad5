//! Who has an ability, and which axis orders who has it: counterexamples between families,
//! rank measures with intervals over families, and a regression with family intercepts.
//!
//! Families are numbered 0, 1, 2, … in the order in which they are resampled (sorted by
//! name). Models of one family are not independent: every interval here comes from
//! resampling whole families.

mod blocks;
mod bootstrap;
mod hermite;
mod mixed_logit;
mod pairs;
mod rates;

pub use bootstrap::{
    AxisEstimates, FamilyBootstrap, OrderEstimates, WithInterval, family_bootstrap,
};
pub use hermite::gauss_hermite;
pub use mixed_logit::{MixedLogit, auc, left_out_log_score, mixed_logit};
pub use pairs::{Pair, Standing, counterexamples};
pub use rates::{pair_rate, resampled_statistic, two_group_difference};
