//! The front door of Upturn as a library: its parts under one name.
//!
//! ```
//! use upturn::types::{AnalysisConfig, Measurement};
//!
//! // Four sizes of a family on a four-way choice of 2,000 items: at chance, then not.
//! let rows = [(1e20, 0.25), (1e21, 0.249), (1e22, 0.252), (1e23, 0.71)].map(|(flops, score)| {
//!     let mut m = Measurement::new("Demo", &format!("demo-{flops:e}"), "quiz", "acc", score);
//!     (m.flops, m.n, m.chance) = (Some(flops), Some(2000), Some(0.25));
//!     m
//! });
//! let analysis = upturn::analysis::analyze(rows.to_vec(), &AnalysisConfig::default());
//! assert_eq!(analysis.verdicts[0].shape.name(), "emergent");
//! ```

pub use upturn_analysis as analysis;
pub use upturn_catalog as catalog;
pub use upturn_report as report;
pub use upturn_stats as stats;
pub use upturn_store as store;
pub use upturn_types as types;

/// The version with the commit it was built from.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("UPTURN_COMMIT"), ")");
