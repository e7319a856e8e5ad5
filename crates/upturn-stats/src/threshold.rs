//! The certified threshold interval by fixed-sequence testing.

use crate::tests::PointTests;

/// How far the two walks got, counted in models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Walk {
    /// Models in the near-random run that starts at the smallest.
    pub n_near: usize,
    /// Models in the above run that ends at the largest.
    pub n_above: usize,
}

/// Walks up from the smallest scale while all models of a scale are certified near-random
/// (p at most `alpha`), and down from the largest while all are certified above.
///
/// Models of equal x are one gate, passed if its largest p passes; an untestable model
/// closes its gate. Every test is made only after all before it have rejected, so each walk
/// holds the family-wise error at α without adjustment. `x` does not decrease and pairs
/// with `tests`; −∞ (step 0) is a scale like any other. The runs never overlap.
#[must_use]
pub fn walk(x: &[f64], tests: &[PointTests], alpha: f64) -> Walk {
    let gates = gates(&x[..x.len().min(tests.len())]);
    let passes = |gate: &(usize, usize), p: fn(&PointTests) -> Option<f64>| {
        tests[gate.0..gate.1]
            .iter()
            .all(|t| p(t).is_some_and(|p| p <= alpha))
    };
    let near = gates
        .iter()
        .take_while(|gate| passes(gate, |t| t.p_near))
        .count();
    let above = gates[near..]
        .iter()
        .rev()
        .take_while(|gate| passes(gate, |t| t.p_above))
        .count();
    let models = |gates: &[(usize, usize)]| gates.iter().map(|(from, to)| to - from).sum();
    Walk {
        n_near: models(&gates[..near]),
        n_above: models(&gates[gates.len() - above..]),
    }
}

/// Ends (x_{i*}, x_j] of the interval that holds the onset of "always above c + δ" with
/// confidence at least 1 − 2α; an end that no run reaches is `None`.
#[must_use]
pub fn interval(x: &[f64], walk: &Walk) -> (Option<f64>, Option<f64>) {
    let lower = walk.n_near.checked_sub(1).and_then(|i| x.get(i));
    let upper = (walk.n_above > 0)
        .then(|| x.len().checked_sub(walk.n_above))
        .flatten()
        .and_then(|j| x.get(j));
    (lower.copied(), upper.copied())
}

/// Ranges of equal x, as (first, one past the last).
pub(crate) fn gates(x: &[f64]) -> Vec<(usize, usize)> {
    let mut gates: Vec<(usize, usize)> = Vec::new();
    for (i, value) in x.iter().enumerate() {
        match gates.last_mut() {
            Some(gate) if x[gate.0] == *value => gate.1 = i + 1,
            _ => gates.push((i, i + 1)),
        }
    }
    gates
}

#[cfg(test)]
mod unit {
    use proptest::prelude::*;

    use super::*;
    use crate::series::Obs;
    use crate::tests::test_point;

    fn tests_of(k: &[u64], n: u64, c: f64) -> Vec<PointTests> {
        k.iter()
            .map(|k| test_point(&Obs::count(*k, n), c, 1.0, 0.05 * (1.0 - c), 0.05))
            .collect()
    }

    #[test]
    fn both_runs_and_their_ends() {
        let x = [20.0, 20.5, 21.0, 21.5, 22.0];
        let tests = tests_of(&[500, 520, 575, 900, 1500], 2000, 0.25);
        let found = walk(&x, &tests, 0.05);
        assert_eq!((found.n_near, found.n_above), (2, 2));
        assert_eq!(interval(&x, &found), (Some(20.5), Some(21.5)));
    }

    #[test]
    fn tied_models_are_one_gate() {
        let x = [20.0, 21.0, 21.0, 22.0, 22.0];
        let tests = tests_of(&[500, 500, 900, 900, 500], 2000, 0.25);
        let found = walk(&x, &tests, 0.05);
        assert_eq!((found.n_near, found.n_above), (1, 0));
        assert_eq!(interval(&x, &found), (Some(20.0), None));
    }

    #[test]
    fn step_zero_and_untestable_models() {
        let x = [f64::NEG_INFINITY, 1.0, 2.0, 3.0];
        let mut tests = tests_of(&[500, 500, 900, 1500], 2000, 0.25);
        let found = walk(&x[..], &tests, 0.05);
        assert_eq!((found.n_near, found.n_above), (2, 2));
        tests[1] = PointTests::untestable(&Obs::count(0, 0));
        tests[3] = tests[1];
        let found = walk(&x, &tests, 0.05);
        assert_eq!((found.n_near, found.n_above), (1, 0));
        assert_eq!(interval(&x, &found), (Some(f64::NEG_INFINITY), None));
        assert_eq!(walk(&[], &[], 0.05), Walk::default());
        assert_eq!(interval(&[], &Walk::default()), (None, None));
    }

    proptest! {
        #[test]
        fn runs_never_overlap(k in prop::collection::vec(0u64..=40, 0..12), ties in prop::collection::vec(0u8..4, 12), alpha in 0.001..0.9_f64) {
            let mut at = 0.0;
            let x: Vec<f64> = ties.iter().take(k.len()).map(|t| { at += f64::from(*t / 2); at }).collect();
            let tests = tests_of(&k, 40, 0.25);
            let found = walk(&x, &tests, alpha);
            prop_assert!(found.n_near + found.n_above <= k.len());
            if let (Some(low), Some(high)) = interval(&x, &found) {
                prop_assert!(low < high);
            }
        }
    }
}
