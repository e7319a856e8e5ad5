//! Filters that choose among the responses to one prompt.

use super::{Failure, elements};
use crate::FilterValue;

/// The first response.
pub(super) fn take_first(value: &FilterValue) -> Result<FilterValue, Failure> {
    elements(value)?
        .into_iter()
        .next()
        .ok_or_else(|| "there is no response to take".into())
}

/// The first `k`; a negative `k` leaves that many off the end, as a Python slice.
///
/// lm-evaluation-harness checks that the first document has `k` responses; here every
/// document is checked.
pub(super) fn take_first_k(value: &FilterValue, k: i64) -> Result<FilterValue, Failure> {
    let n = match value {
        FilterValue::Str(text) => text.chars().count(),
        _ => elements(value)?.len(),
    };
    if k > n as i64 {
        return Err(format!(
            "needs {k} responses per document, got {n}; raise the task's `repeats`"
        )
        .into());
    }
    let keep = if k < 0 { (n as i64 + k).max(0) } else { k } as usize;
    Ok(match value {
        FilterValue::Str(text) => FilterValue::Str(text.chars().take(keep).collect()),
        _ => FilterValue::List(elements(value)?.into_iter().take(keep).collect()),
    })
}

/// A list of the most frequent response; the one seen first wins a tie.
pub(super) fn majority_vote(value: &FilterValue) -> Result<FilterValue, Failure> {
    let mut counts: Vec<(FilterValue, usize)> = Vec::new();
    for response in elements(value)? {
        if matches!(response, FilterValue::List(_)) {
            return Err("a list cannot be counted".into());
        }
        match counts.iter_mut().find(|(r, _)| r.python_eq(&response)) {
            Some((_, n)) => *n += 1,
            None => counts.push((response, 1)),
        }
    }
    let most = counts.iter().map(|(_, n)| *n).max().unwrap_or(0);
    counts
        .into_iter()
        .find(|(_, n)| *n == most)
        .map(|(response, _)| FilterValue::List(vec![response]))
        .ok_or_else(|| "there is no response to vote on".into())
}
