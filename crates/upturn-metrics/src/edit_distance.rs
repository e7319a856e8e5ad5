//! Levenshtein distance of token sequences.

/// Fewest insertions, deletions and substitutions that turn one sequence into the other,
/// divided by the longer one's length: 0 for equal sequences (two empty ones too), 1 where
/// nothing can be kept.
///
/// ```
/// use upturn_metrics::token_edit_distance;
/// assert_eq!(token_edit_distance(&[1, 2, 3], &[1, 3]), 1.0 / 3.0);
/// ```
#[must_use]
pub fn token_edit_distance(a: &[u32], b: &[u32]) -> f64 {
    let longer = a.len().max(b.len());
    if longer == 0 {
        return 0.0;
    }
    levenshtein(a, b) as f64 / longer as f64
}

/// Fewest insertions, deletions and substitutions, in a row of the usual table at a time.
#[must_use]
pub fn levenshtein<T: PartialEq>(a: &[T], b: &[T]) -> usize {
    // Only the row above is needed: `row[j]` is the distance of a[..i] and b[..j].
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
