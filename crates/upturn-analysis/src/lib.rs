//! From measurements to curves to verdicts: the analysis as a pure function.
//!
//! [`analyze`] groups measurements into curves ([`curves`]), recovers the number
//! of test items where it was not stated ([`items`]), reads every curve across
//! models and along training ([`views`]), judges each reading with
//! `upturn-stats` ([`judge`]) and makes the list ([`list`]). [`claims`] compares
//! the verdicts with published ones.
//!
//! Nothing here reads a file, a clock or unseeded randomness: the same
//! measurements and configuration give the same bits, whatever the number of
//! threads.

pub mod claims;
pub mod curves;
pub mod items;
pub mod judge;
pub mod list;
pub mod needs;
pub mod views;

use rayon::prelude::*;
use upturn_types::{Analysis, AnalysisConfig, Measurement, Provenance, Verdict, flag};

/// Analyses measurements.
///
/// Rows flagged as references (human, random, state of the art) are set aside,
/// composite ones get a curve but no verdict. Provenance and diagnostics of the
/// reading are the caller's to fill in. Runs on the current rayon pool.
#[must_use]
pub fn analyze(measurements: Vec<Measurement>, config: &AnalysisConfig) -> Analysis {
    let n_measurements = measurements.len();
    let (references, mut models): (Vec<_>, Vec<_>) = measurements
        .into_iter()
        .partition(|m| m.has(flag::REFERENCE));
    items::recover(&mut models);
    let curves::Grouped {
        curves,
        conflicts,
        diagnostics,
    } = curves::group(models, config);

    let mut verdicts: Vec<Verdict> = curves
        .par_iter()
        .flat_map_iter(|curve| {
            views::views(curve, config)
                .into_iter()
                .map(|view| judge::judge(curve, &view, config))
        })
        .collect();
    list::note_conflicts(&mut verdicts, &conflicts);
    list::adjust(&mut verdicts);
    list::sort(&mut verdicts);
    let counts = list::counts(&verdicts, &curves);
    let spread = list::spread(&verdicts, &curves, config.axis);

    Analysis {
        format_version: Analysis::FORMAT_VERSION,
        provenance: Provenance {
            n_measurements,
            ..Provenance::default()
        },
        config: config.clone(),
        curves,
        verdicts,
        counts,
        spread,
        conflicts,
        references,
        agreement: Vec::new(),
        diagnostics,
    }
}
