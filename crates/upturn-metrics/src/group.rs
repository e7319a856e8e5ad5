//! Scores of groups of tasks.

/// Mean of the tasks' scores, weighted by their numbers of items where `weight_by_size`.
/// `None` where there are no tasks, the lengths differ, or the weights sum to 0.
#[must_use]
pub fn group_mean(scores: &[f64], sizes: &[u64], weight_by_size: bool) -> Option<f64> {
    if scores.is_empty() || scores.len() != sizes.len() {
        return None;
    }
    let weight = |size: u64| if weight_by_size { size as f64 } else { 1.0 };
    let total: f64 = sizes.iter().map(|size| weight(*size)).sum();
    let sum: f64 = scores.iter().zip(sizes).map(|(x, n)| x * weight(*n)).sum();
    (total > 0.0).then(|| sum / total)
}

/// Standard error of a group's size-weighted mean from its tasks' standard errors, by the
/// pooled variance: √(Σ (nᵢ−1) nᵢ sᵢ² / (Σnᵢ − k) / Σnᵢ).
/// `None` where there are no tasks, the lengths differ, or every task has one item.
#[must_use]
pub fn pooled_stderr(stderrs: &[f64], sizes: &[u64]) -> Option<f64> {
    if stderrs.is_empty() || stderrs.len() != sizes.len() {
        return None;
    }
    let total: f64 = sizes.iter().map(|n| *n as f64).sum();
    let freedom = total - sizes.len() as f64;
    let squares: f64 = stderrs
        .iter()
        .zip(sizes)
        .map(|(s, n)| (*n as f64 - 1.0) * s.powi(2) * *n as f64)
        .sum();
    (freedom > 0.0).then(|| (squares / freedom / total).sqrt())
}

/// Standard error of a group's unweighted mean of k tasks: √(Σ sᵢ²) / k. `None` for no tasks.
#[must_use]
pub fn unweighted_stderr(stderrs: &[f64]) -> Option<f64> {
    let squares: f64 = stderrs.iter().map(|s| s.powi(2)).sum();
    (!stderrs.is_empty()).then(|| squares.sqrt() / stderrs.len() as f64)
}
