//! Which members are trained side by side.

/// Splits jobs by their work: those to take one after another on all cores, largest first, and
/// those to take side by side on a core each, largest first.
///
/// A job that is more than a core's share of what is left would be waited for at the end.
pub(crate) fn split(work: &[f64], threads: usize) -> (Vec<usize>, Vec<usize>) {
    let mut order: Vec<usize> = (0..work.len()).collect();
    order.sort_by(|a, b| work[*b].total_cmp(&work[*a]).then(a.cmp(b)));
    if threads <= 1 {
        return (Vec::new(), order);
    }
    let mut left: f64 = work.iter().sum();
    let n = order
        .iter()
        .take_while(|i| {
            let large = work[**i] > left / threads as f64;
            left -= work[**i];
            large
        })
        .count();
    let side_by_side = order.split_off(n);
    (order, side_by_side)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_waited_for_is_large() {
        assert_eq!(split(&[1.0, 4.0, 16.0], 2), (vec![2, 1, 0], vec![]));
        assert_eq!(split(&[3.0, 3.0, 3.0, 16.0], 2), (vec![3], vec![0, 1, 2]));
        assert_eq!(split(&[1.0; 4], 2), (vec![], vec![0, 1, 2, 3]));
        assert_eq!(split(&[1.0, 9.0], 1), (vec![], vec![1, 0]));
        assert_eq!(split(&[], 2), (vec![], vec![]));
    }
}
