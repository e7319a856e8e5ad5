//! A betting martingale for the mean of scores in [0, 1], 0/1 or not.

/// Which null is bet against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// H0: mean ≤ m; evidence that the mean is above.
    Above,
    /// H0: mean ≥ m; evidence that the mean is below.
    Below,
}

/// The running product Π(1 + λ_t(s_t − m)), an e-value for the mean of scores in [0, 1].
///
/// The bet λ_t is set before s_t is seen: (μ̂ − m)/(σ̂² + (μ̂ − m)²) from the scores so far
/// (Waudby-Smith and Ramdas 2024), shrunk towards mean ½ and variance ¼ by one imagined score,
/// never against the alternative, and at most ½/max(m, 1 − m) so that no score
/// can lose more than half of the wealth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BettingMartingale {
    /// m on the scale turned so that the alternative is above.
    null_mean: f64,
    side: Side,
    n: f64,
    sum: f64,
    /// Σ(s − running mean)².
    squares: f64,
    ln_wealth: f64,
    ln_wealth_max: f64,
}

impl BettingMartingale {
    /// A bet against a mean on one side of `null_mean`; `None` when outside (0, 1).
    #[must_use]
    pub fn new(null_mean: f64, side: Side) -> Option<Self> {
        let turned = match side {
            Side::Above => null_mean,
            Side::Below => 1.0 - null_mean,
        };
        (null_mean > 0.0 && null_mean < 1.0).then_some(BettingMartingale {
            null_mean: turned,
            side,
            n: 0.0,
            sum: 0.0,
            squares: 0.0,
            ln_wealth: 0.0,
            ln_wealth_max: 0.0,
        })
    }

    /// Takes one more score and returns the running ln e; `None`, with nothing changed, when the
    /// score is not in [0, 1].
    pub fn observe(&mut self, score: f64) -> Option<f64> {
        if !(0.0..=1.0).contains(&score) {
            return None;
        }
        let s = match self.side {
            Side::Above => score,
            Side::Below => 1.0 - score,
        };
        self.ln_wealth += (self.bet() * (s - self.null_mean)).ln_1p();
        self.ln_wealth_max = self.ln_wealth_max.max(self.ln_wealth);
        self.n += 1.0;
        self.sum += s;
        // Each score against the estimate that includes it, as the plug-in variance asks.
        self.squares += (s - self.mean()).powi(2);
        Some(self.ln_wealth)
    }

    /// ln e now: an e-value for the scores so far.
    #[must_use]
    pub fn ln_e(&self) -> f64 {
        self.ln_wealth
    }

    /// The largest ln e so far: at or above ln(1/α) the null is rejected at level α, whenever
    /// that was.
    #[must_use]
    pub fn ln_e_max(&self) -> f64 {
        self.ln_wealth_max
    }

    fn mean(&self) -> f64 {
        (0.5 + self.sum) / (1.0 + self.n)
    }

    fn bet(&self) -> f64 {
        let lead = self.mean() - self.null_mean;
        let variance = (0.25 + self.squares) / (1.0 + self.n);
        let limit = 0.5 / self.null_mean.max(1.0 - self.null_mean);
        (lead / (variance + lead * lead)).clamp(0.0, limit)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::resample::SplitMix64;

    fn run(scores: &[f64], null_mean: f64, side: Side) -> BettingMartingale {
        let mut bet = BettingMartingale::new(null_mean, side).expect("valid");
        for &s in scores {
            bet.observe(s).expect("a score");
        }
        bet
    }

    #[test]
    fn clear_scores_are_found_on_their_side() {
        let high: Vec<f64> = (0..200).map(|i| 0.6 + f64::from(i % 5) / 20.0).collect();
        assert!(run(&high, 0.5, Side::Above).ln_e() > 20f64.ln());
        assert!(run(&high, 0.5, Side::Below).ln_e() <= 0.0);
        let low: Vec<f64> = high.iter().map(|s| 1.0 - s).collect();
        let (a, b) = (run(&high, 0.5, Side::Above), run(&low, 0.5, Side::Below));
        assert!((a.ln_e() - b.ln_e()).abs() < 1e-9);
    }

    #[test]
    fn impossible_scores_change_nothing() {
        let mut bet = BettingMartingale::new(0.3, Side::Above).expect("valid");
        assert_eq!(bet.observe(1.2), None);
        assert_eq!(bet.observe(f64::NAN), None);
        assert_eq!(bet.ln_e(), 0.0);
        assert_eq!(BettingMartingale::new(0.0, Side::Above), None);
        assert_eq!(BettingMartingale::new(f64::NAN, Side::Above), None);
    }

    #[test]
    fn false_rejections_are_rare_at_any_time() {
        // Ville: at most .05 of runs ever reach 20. 51 or more of 600 has probability below
        // 2e-4 even at the bound (binomial).
        let mut rng = SplitMix64::new(5);
        let rejected = (0..600)
            .filter(|_| {
                let mut bet = BettingMartingale::new(0.4, Side::Above).expect("valid");
                for _ in 0..500 {
                    // Mean .4: the square of a uniform number, ⅓, and then some.
                    let u = rng.uniform();
                    bet.observe(0.9 * u * u + 0.1).expect("a score");
                }
                bet.ln_e_max() >= 20f64.ln()
            })
            .count();
        assert!(rejected < 51, "{rejected} of 600");
    }

    proptest! {
        #[test]
        fn wealth_is_positive_and_predictable(
            scores in prop::collection::vec(0.0f64..=1.0, 1..80),
            m in 0.01f64..0.99,
        ) {
            let mut bet = BettingMartingale::new(m, Side::Above).unwrap();
            for &s in &scores {
                let before = bet;
                let after = bet.observe(s).unwrap();
                prop_assert!(after.exp() > 0.0);
                // One score never costs more than half, and at s = m nothing happens.
                prop_assert!(after - before.ln_e() >= 0.5f64.ln() - 1e-12);
                let mut idle = before;
                prop_assert!((idle.observe(m).unwrap() - before.ln_e()).abs() < 1e-12);
            }
        }
    }
}
