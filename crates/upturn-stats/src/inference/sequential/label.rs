//! Stopping an evaluation as soon as a model's label against a margin is certain.

use super::mixture::{ln_e_above, ln_e_below};

/// What is known of a model against p_0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SequentialDecision {
    /// Certified above p_0.
    Above,
    /// Certified below p_0: near-random when p_0 is chance + δ.
    Near,
    /// Undecided, with budget left.
    Continue,
    /// Undecided, and the budget is used up.
    Unresolved,
}

/// Labels one model item by item against p_0 = chance + δ.
///
/// Both one-sided e-values run at once, each at level α, so that each label alone is wrong
/// with probability at most α however often one looks. The first to reach 1/α decides, and
/// the decision stays.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SequentialLabel {
    p0: f64,
    ln_limit: f64,
    budget: u64,
    k: u64,
    n: u64,
    decision: SequentialDecision,
}

impl SequentialLabel {
    /// A label against `p0` at level `alpha`, with at most `budget` items.
    ///
    /// `None` when `p0` or `alpha` is outside (0, 1).
    #[must_use]
    pub fn new(p0: f64, alpha: f64, budget: u64) -> Option<Self> {
        let valid = p0 > 0.0 && p0 < 1.0 && alpha > 0.0 && alpha < 1.0;
        valid.then(|| SequentialLabel {
            p0,
            ln_limit: -alpha.ln(),
            budget,
            k: 0,
            n: 0,
            decision: if budget == 0 {
                SequentialDecision::Unresolved
            } else {
                SequentialDecision::Continue
            },
        })
    }

    /// Takes one more item; after a decision or the end of the budget nothing changes.
    pub fn observe(&mut self, success: bool) -> SequentialDecision {
        if self.decision != SequentialDecision::Continue {
            return self.decision;
        }
        self.n += 1;
        self.k += u64::from(success);
        // Only a success can raise the one e-value, only a failure the other.
        self.decision = if success && ln_e_above(self.k, self.n, self.p0) >= self.ln_limit {
            SequentialDecision::Above
        } else if !success && ln_e_below(self.k, self.n, self.p0) >= self.ln_limit {
            SequentialDecision::Near
        } else if self.n >= self.budget {
            SequentialDecision::Unresolved
        } else {
            SequentialDecision::Continue
        };
        self.decision
    }

    /// The decision so far.
    #[must_use]
    pub fn decision(&self) -> SequentialDecision {
        self.decision
    }

    /// Successes and items so far.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.k, self.n)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn clear_models_stop_early_and_stay() {
        let mut label = SequentialLabel::new(0.3, 0.05, 1000).expect("valid");
        while label.observe(true) == SequentialDecision::Continue {}
        assert_eq!(label.decision(), SequentialDecision::Above);
        assert!(label.counts().1 < 10, "{:?}", label.counts());
        let stopped = label;
        assert_eq!(label.observe(false), SequentialDecision::Above);
        assert_eq!(label, stopped);
        let mut label = SequentialLabel::new(0.3, 0.05, 1000).expect("valid");
        while label.observe(false) == SequentialDecision::Continue {}
        assert_eq!(label.decision(), SequentialDecision::Near);
    }

    #[test]
    fn the_budget_ends_it() {
        let mut label = SequentialLabel::new(0.5, 0.05, 10).expect("valid");
        let decisions: Vec<_> = (0..10).map(|i| label.observe(i % 2 == 0)).collect();
        assert!(
            decisions[..9]
                .iter()
                .all(|d| *d == SequentialDecision::Continue)
        );
        assert_eq!(decisions[9], SequentialDecision::Unresolved);
        let none = SequentialLabel::new(0.5, 0.05, 0).expect("valid");
        assert_eq!(none.decision(), SequentialDecision::Unresolved);
        assert_eq!(SequentialLabel::new(0.0, 0.05, 10), None);
    }

    proptest! {
        /// The shortcut in `observe`: an outcome never raises the opposite e-value.
        #[test]
        fn an_outcome_moves_each_e_value_one_way(n in 0u64..400, share in 0.0f64..=1.0, p0 in 0.02f64..0.98) {
            let k = (n as f64 * share) as u64;
            prop_assert!(ln_e_below(k + 1, n + 1, p0) <= ln_e_below(k, n, p0) + 1e-9);
            prop_assert!(ln_e_above(k, n + 1, p0) <= ln_e_above(k, n, p0) + 1e-9);
        }
    }
}
