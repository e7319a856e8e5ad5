//! Wald's sequential probability ratio test of one success probability against another.

/// What the test says so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SprtDecision {
    /// Accept p_0.
    Null,
    /// Accept p_1.
    Alternative,
    /// Go on.
    Continue,
}

/// A running test of p = p_0 against p = p_1.
///
/// Cheaper than the mixture e-value when the two values are known in advance; between
/// them it may run long. Limits are Wald's approximations, which ignore the overshoot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sprt {
    /// Log-likelihood ratio of one success.
    pub llr_success: f64,
    /// Log-likelihood ratio of one failure.
    pub llr_failure: f64,
    /// Accept p_1 at or above ln((1 − β)/α).
    pub upper: f64,
    /// Accept p_0 at or below ln(β/(1 − α)).
    pub lower: f64,
    llr: f64,
    decision: SprtDecision,
}

impl Sprt {
    /// A test with error rates `alpha` (p_1 accepted under p_0) and `beta` (p_0 under p_1).
    ///
    /// `None` when a probability is outside (0, 1), p_0 = p_1, or α + β ≥ 1.
    #[must_use]
    pub fn new(p0: f64, p1: f64, alpha: f64, beta: f64) -> Option<Self> {
        let valid = [p0, p1, alpha, beta].iter().all(|p| *p > 0.0 && *p < 1.0);
        (valid && p0 != p1 && alpha + beta < 1.0).then(|| Sprt {
            llr_success: (p1 / p0).ln(),
            llr_failure: ((1.0 - p1) / (1.0 - p0)).ln(),
            upper: ((1.0 - beta) / alpha).ln(),
            lower: (beta / (1.0 - alpha)).ln(),
            llr: 0.0,
            decision: SprtDecision::Continue,
        })
    }

    /// Takes one more outcome; a decision once made stays.
    pub fn observe(&mut self, success: bool) -> SprtDecision {
        if self.decision == SprtDecision::Continue {
            self.llr += if success {
                self.llr_success
            } else {
                self.llr_failure
            };
            if self.llr >= self.upper {
                self.decision = SprtDecision::Alternative;
            } else if self.llr <= self.lower {
                self.decision = SprtDecision::Null;
            }
        }
        self.decision
    }

    /// The decision so far.
    #[must_use]
    pub fn decision(&self) -> SprtDecision {
        self.decision
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resample::SplitMix64;

    #[test]
    fn certain_sequences_decide_both_ways() {
        let mut test = Sprt::new(0.25, 0.30, 0.05, 0.05).expect("valid");
        // 2.944/.1823 = 16.15: seventeen successes.
        assert!((0..16).all(|_| test.observe(true) == SprtDecision::Continue));
        assert_eq!(test.observe(true), SprtDecision::Alternative);
        assert_eq!(test.observe(false), SprtDecision::Alternative);
        let mut test = Sprt::new(0.25, 0.30, 0.05, 0.05).expect("valid");
        assert!((0..42).all(|_| test.observe(false) == SprtDecision::Continue));
        assert_eq!(test.observe(false), SprtDecision::Null);
    }

    #[test]
    fn impossible_tests_are_none() {
        assert_eq!(Sprt::new(0.3, 0.3, 0.05, 0.05), None);
        assert_eq!(Sprt::new(0.0, 0.3, 0.05, 0.05), None);
        assert_eq!(Sprt::new(0.2, 0.3, 0.5, 0.5), None);
    }

    #[test]
    fn errors_stay_near_their_rates() {
        // α = .05 over 600 runs at p_0; Wald's bound is α/(1 − β) = .0526. 56 or more has
        // probability below 1e-4 (binomial).
        let mut rng = SplitMix64::new(77);
        let wrong = (0..600)
            .filter(|_| {
                let mut test = Sprt::new(0.25, 0.35, 0.05, 0.05).expect("valid");
                loop {
                    match test.observe(rng.uniform() < 0.25) {
                        SprtDecision::Continue => {}
                        decision => break decision == SprtDecision::Alternative,
                    }
                }
            })
            .count();
        assert!(wrong < 56, "{wrong} of 600");
    }
}
