//! Questions over many tasks: where interval-censored thresholds lie, whether they cluster,
//! what goes with emergence, loss against metric, and scales beyond those measured.

mod concentration;
mod extrapolate;
mod ranks;
mod tables;
mod turnbull;

pub use concentration::{
    GridThreshold, MIN_FOR_CLUSTERS, cluster_bic, concentration_null, median_absolute_deviation,
    standard_deviation,
};
pub use extrapolate::{Extrapolation, NoExtrapolation, extrapolate};
pub use ranks::{
    KruskalWallis, clustered_spearman, dunn_holm, kruskal_wallis, midranks, spearman,
    spearman_permutation_p,
};
pub use tables::{
    ChiSquared, Fisher, chi_squared, chi_squared_monte_carlo_p, cramers_v, fisher_exact,
};
pub use turnbull::{Turnbull, turnbull};
