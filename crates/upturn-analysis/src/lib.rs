//! From measurements to curves to verdicts: the analysis as a pure function.
//!
//! [`analyze`] groups measurements into curves ([`curves`]), recovers the number
//! of test items where it was not stated ([`items`]), reads every curve across
//! models and along training ([`views`]), judges each reading with
//! `upturn-stats` ([`judge`]) and makes the list ([`list`]). [`artefacts`] holds every onset
//! against graded metrics of the same outputs, [`methods`] every method against its baseline,
//! [`counterexamples`] families against each other; [`across`] asks what is seen only over many
//! tasks, and [`claims`] compares the verdicts with published ones.
//!
//! Nothing here reads a file, a clock or unseeded randomness: the same
//! measurements and configuration give the same bits, whatever the number of
//! threads.

pub mod across;
pub mod artefacts;
pub mod backtests;
pub mod claims;
pub mod counterexamples;
pub mod curves;
pub mod families;
pub mod graded;
pub mod item_scores;
pub mod items;
pub mod judge;
pub mod list;
pub mod methods;
pub mod needs;
pub mod observational;
mod settings;
pub mod through_loss;
pub mod views;

use rayon::prelude::*;
use upturn_types::{
    Analysis, AnalysisConfig, Measurement, Provenance, Sensitivity, Verdict, View, flag,
};

/// Near-random margins under which verdicts are counted again, as shares of the range.
const NEAR_MARGINS: [f64; 3] = [0.02, 0.05, 0.10];

/// Analyses measurements.
///
/// Rows flagged as references (human, random, state of the art) are set aside,
/// composite ones get a curve but no verdict. Provenance and diagnostics of the
/// reading are the caller's to fill in. Runs on the current rayon pool.
#[must_use]
pub fn analyze(measurements: Vec<Measurement>, config: &AnalysisConfig) -> Analysis {
    analyze_with_items(measurements, &[], config)
}

/// As [`analyze`], with the scores of single items where samples are at hand: methods are then
/// compared on the same items, and exact matches predicted item by item.
#[must_use]
pub fn analyze_with_items(
    measurements: Vec<Measurement>,
    items: &[item_scores::ItemScores],
    config: &AnalysisConfig,
) -> Analysis {
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
    list::adjust(&mut verdicts, &curves);
    list::sort(&mut verdicts);
    let counts = list::counts(&verdicts, &curves);
    let spread = list::spread(&verdicts, &curves, config.axis);
    let tasks = families::tasks(&verdicts, config.axis);
    let sensitivity = sensitivity(&curves, config);
    let items = item_scores::ItemTable::new(items);
    let artefacts = artefacts::artefacts(&curves, &verdicts, &items, config);
    let methods = methods::methods(&curves, &items, config);
    let counterexamples = counterexamples::find(&verdicts, &curves, config);
    let across = across::find(&verdicts, &curves, config);
    let backtests = backtests::backtests(
        &backtests::subjects(&curves, config, false),
        &backtests::ForecastChoices::of(config),
    );

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
        tasks,
        sensitivity,
        conflicts,
        references,
        agreement: Vec::new(),
        artefacts,
        methods,
        counterexamples,
        across,
        backtests,
        diagnostics,
    }
}

/// Answers the artefact and method questions again with the scores of single items: those
/// that [`item_scores::wanted`] names.
pub fn answer_with_items(analysis: &mut Analysis, items: &[item_scores::ItemScores]) {
    let items = item_scores::ItemTable::new(items);
    let config = &analysis.config;
    analysis.artefacts = artefacts::artefacts(&analysis.curves, &analysis.verdicts, &items, config);
    analysis.methods = methods::methods(&analysis.curves, &items, config);
}

/// Measurements as curves alone, n recovered: what forecasts are made from. References are
/// left out.
#[must_use]
pub fn curves_of(measurements: Vec<Measurement>, config: &AnalysisConfig) -> curves::Grouped {
    let mut models: Vec<Measurement> = measurements
        .into_iter()
        .filter(|m| !m.has(flag::REFERENCE))
        .collect();
    items::recover(&mut models);
    curves::group(models, config)
}

/// Counts across models under other margins: δ of 2, 5 and 10% of the range, with Δ at least
/// 10% and twice δ. Margins are a convention, and this shows how much hangs on it.
fn sensitivity(curves: &[upturn_types::Curve], config: &AnalysisConfig) -> Vec<Sensitivity> {
    NEAR_MARGINS
        .into_iter()
        .map(|near_margin| {
            let config = AnalysisConfig {
                near_margin,
                substantial_margin: f64::max(0.10, 2.0 * near_margin),
                ..config.clone()
            };
            let shapes: Vec<_> = curves
                .par_iter()
                .filter(|curve| !curve.aggregate)
                .flat_map_iter(|curve| {
                    views::views(curve, &config)
                        .into_iter()
                        .filter(|reading| reading.view == View::Across)
                        .map(|reading| judge::shape_only(curve, &reading, &config))
                })
                .collect();
            Sensitivity {
                near_margin,
                substantial_margin: config.substantial_margin,
                counts: list::tally(shapes.into_iter().map(|shape| (shape, true))),
            }
        })
        .collect()
}
