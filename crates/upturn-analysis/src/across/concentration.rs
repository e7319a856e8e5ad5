//! Where certified thresholds lie, and whether they lie closer together than the scales
//! that were evaluated make them.

use std::collections::BTreeMap;

use upturn_stats::across::{
    GridThreshold, cluster_bic, concentration_null, median_absolute_deviation, standard_deviation,
    turnbull,
};
use upturn_stats::dist::norm_quantile;
use upturn_stats::heterogeneity::heterogeneity;
use upturn_stats::ordering::resampled_statistic;
use upturn_stats::resample::quantile_sorted;
use upturn_types::{AnalysisConfig, Clustered, Concentration, ThresholdMass, Verdict};

use crate::settings::{family_identity, seed_for};

/// Draws of the null.
const N_DRAWS: u64 = 10_000;
/// Tasks resampled so often.
const N_RESAMPLES: u32 = 1000;

/// The concentration of thresholds on the axis of the analysis; `None` with fewer than two
/// bounded ones.
pub(super) fn find(verdicts: &[&Verdict], config: &AnalysisConfig) -> Option<Concentration> {
    let certified: Vec<&Verdict> = verdicts
        .iter()
        .copied()
        .filter(|v| v.axis == config.axis)
        .filter(|v| {
            let ends = v.threshold.as_ref().map(|t| (t.lower, t.upper));
            matches!(ends, Some((lower, upper)) if lower.is_some() || upper.is_some())
        })
        .collect();
    let (tasks, n_tasks) = numbered(&certified, |v| v.key.task_name());
    let (_, n_families) = numbered(&certified, |v| family_identity(&v.key.family));
    let bounded: Vec<GridThreshold> = certified
        .iter()
        .zip(&tasks)
        .filter_map(|(v, task)| on_grid(v, *task))
        .collect();
    if bounded.len() < 2 {
        return None;
    }
    let ends: Vec<(f64, f64)> = certified
        .iter()
        .filter_map(|v| {
            let t = v.threshold.as_ref()?;
            let (lower, upper) = (
                t.lower.unwrap_or(f64::NEG_INFINITY),
                t.upper.unwrap_or(f64::INFINITY),
            );
            (lower < upper).then_some((lower, upper))
        })
        .collect();
    let fit = turnbull(&ends)?;
    let finite = |v: f64| v.is_finite().then_some(v);
    let mass = |(lower, upper): (f64, f64), mass: f64| ThresholdMass {
        lower: finite(lower),
        upper: finite(upper),
        mass,
    };
    let quartiles = [0.25, 0.5, 0.75].map(|q| mass(fit.quantile(q).unwrap_or(ends[0]), q));
    let middles: Vec<f64> = bounded.iter().map(GridThreshold::middle).collect();
    let seed = seed_for(config.seed, "concentration");
    let null = concentration_null(&bounded, N_DRAWS, seed);
    let spread = |statistic: fn(&[f64]) -> Option<f64>| by_task(&bounded, statistic, seed);
    let widths: Vec<f64> = bounded
        .iter()
        .map(|t| t.grid[t.upper] - t.grid[t.lower])
        .collect();
    // A cluster narrower than a uniform value in a typical interval is not in the data.
    let typical = median_of(&widths) / 12.0_f64.sqrt();
    let z = norm_quantile(1.0 - config.alpha);
    let errors: Vec<f64> = widths.iter().map(|w| w / (2.0 * z)).collect();
    Some(Concentration {
        axis: config.axis,
        n_curves: ends.len(),
        n_tasks,
        n_families,
        n_bounded: bounded.len(),
        n_left_censored: ends.iter().filter(|e| e.0.is_infinite()).count(),
        n_right_censored: ends.iter().filter(|e| e.1.is_infinite()).count(),
        distribution: fit
            .support
            .iter()
            .zip(&fit.mass)
            .map(|(interval, m)| mass(*interval, *m))
            .filter(|m| m.mass > 1e-9)
            .collect(),
        log_likelihood: fit.log_likelihood,
        quartiles,
        sd: spread(standard_deviation),
        mad: spread(median_absolute_deviation),
        sd_null: null.as_ref().map(|(draws, _)| {
            let mean = draws.iter().sum::<f64>() / draws.len() as f64;
            [
                mean,
                quantile_sorted(draws, 0.025),
                quantile_sorted(draws, 0.975),
            ]
        }),
        p: null.as_ref().map(|(_, p)| *p),
        n_draws: null.as_ref().map_or(0, |(draws, _)| draws.len() as u64),
        cluster_bic: cluster_bic(&middles, typical),
        heterogeneity: heterogeneity(&middles, &errors),
    })
}

/// Verdicts numbered by a name, in order of the names.
fn numbered(verdicts: &[&Verdict], name: impl Fn(&Verdict) -> String) -> (Vec<usize>, usize) {
    let names: Vec<String> = verdicts.iter().map(|v| name(v)).collect();
    let mut distinct: BTreeMap<&str, usize> = names.iter().map(|n| (&**n, 0)).collect();
    for (i, number) in distinct.values_mut().enumerate() {
        *number = i;
    }
    let count = distinct.len();
    (names.iter().map(|n| distinct[&**n]).collect(), count)
}

/// A bounded threshold on the scales of its own models.
fn on_grid(verdict: &Verdict, task: usize) -> Option<GridThreshold> {
    let threshold = verdict.threshold.as_ref()?;
    let (lower, upper) = threshold.lower.zip(threshold.upper)?;
    let mut grid: Vec<f64> = verdict.points.iter().filter_map(|p| p.x).collect();
    grid.sort_by(f64::total_cmp);
    grid.dedup();
    let at = |x: f64| grid.iter().position(|g| *g == x);
    let (lower, upper) = (at(lower)?, at(upper)?);
    (lower < upper).then_some(GridThreshold {
        task,
        grid,
        lower,
        upper,
    })
}

/// A statistic of the middles with an interval from resampling tasks.
fn by_task(
    bounded: &[GridThreshold],
    statistic: fn(&[f64]) -> Option<f64>,
    seed: u64,
) -> Option<Clustered> {
    let mut tasks: Vec<usize> = bounded.iter().map(|t| t.task).collect();
    tasks.sort_unstable();
    tasks.dedup();
    let of = |times: &[f64]| {
        let middles: Vec<f64> = bounded
            .iter()
            .flat_map(|t| {
                let copies = times[tasks.partition_point(|task| *task < t.task)] as usize;
                std::iter::repeat_n(t.middle(), copies)
            })
            .collect();
        statistic(&middles)
    };
    let (value, interval) = resampled_statistic(tasks.len(), of, N_RESAMPLES, seed)?;
    Some(Clustered {
        value,
        interval,
        n: bounded.len(),
        n_clusters: tasks.len(),
    })
}

fn median_of(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    quantile_sorted(&sorted, 0.5)
}
