//! Forecasts: what smaller models say about larger ones, and whether they were right.
//!
//! [`Forecaster`] fits a smooth curve to the models up to a scale and predicts scores above it
//! with their whole distribution: the parameters are uncertain, models scatter around the
//! curve, and items are finite. [`backtest`] hides the largest models of a series at every
//! admissible cut-off and scores the forecast against what was observed, beside plain
//! [`baselines`]. [`design`] asks which further measurement would narrow a forecast most.
//!
//! Other roads to a forecast: [`loss_law`] and [`two_step`] go through the loss of a task,
//! [`observational`] through the other benchmarks of a model, and [`collapse`] tests whether a
//! loss explains a score whatever the size of the model.

mod backtest;
mod baselines;
mod bounded;
pub mod collapse;
pub mod design;
mod forecaster;
pub mod loss_law;
pub mod observational;
mod pca;
mod predictive;
mod random;
pub mod scoring;
pub mod two_step;

pub use backtest::{
    BacktestConfig, backtest, backtest_at, cutoffs, headline, judge_predictions, record,
};
pub use baselines::baselines;
pub use forecaster::{ForecastConfig, Forecaster, Precision};
pub use predictive::Predictive;
