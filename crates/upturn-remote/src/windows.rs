//! A long text in windows that score each of its tokens once.
//!
//! As `get_rolling_token_windows` and `make_disjoint_window` of lm-evaluation-harness do it
//! with one token of context: the first window stands behind the prefix token; a later one
//! has as much context as the model has room for.

/// Context and scored tokens, together at most `max_length + 1`: the last is never an input.
pub(crate) fn windows(tokens: &[u32], prefix: u32, max_length: usize) -> Vec<(Vec<u32>, Vec<u32>)> {
    let max_length = max_length.max(1);
    let mut all = Vec::new();
    let mut done = 0;
    while done < tokens.len() {
        let end = tokens.len().min(done + max_length);
        let context = match done {
            0 => vec![prefix],
            _ => tokens[end.saturating_sub(max_length + 1)..done].to_vec(),
        };
        all.push((context, tokens[done..end].to_vec()));
        done = end;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::windows;

    #[test]
    fn each_token_once_with_all_the_context_there_is_room_for() {
        let tokens: Vec<u32> = (0..10).collect();
        assert_eq!(
            windows(&tokens, 99, 4),
            vec![
                (vec![99], vec![0, 1, 2, 3]),
                (vec![3], vec![4, 5, 6, 7]),
                (vec![5, 6, 7], vec![8, 9]),
            ]
        );
        assert_eq!(windows(&[], 99, 4), vec![]);
    }
}
