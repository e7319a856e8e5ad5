//! A series: the scores of one family on one task, in order of scale.

/// One score with what is known of its precision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Obs {
    /// A mean of n outcomes that are 0 or 1.
    Binomial {
        /// Successes, rounded from the reported score.
        k: u64,
        /// Smallest k that the reported digits admit.
        k_lo: u64,
        /// Largest k that the reported digits admit.
        k_hi: u64,
        /// Items.
        n: u64,
    },
    /// A mean with a standard error (`None`: not known, nothing can be tested).
    Mean {
        /// Score, larger is better.
        y: f64,
        /// Standard error, in the unit of the score.
        se: Option<f64>,
        /// Degrees of freedom when the error comes from a few seeds (seeds − 1); `None` is normal.
        df: Option<u32>,
    },
}

impl Obs {
    /// A binomial observation whose count is known exactly.
    #[must_use]
    pub fn count(k: u64, n: u64) -> Self {
        Obs::Binomial {
            k,
            k_lo: k,
            k_hi: k,
            n,
        }
    }

    /// The score: k/n or the mean.
    #[must_use]
    pub fn score(&self) -> f64 {
        match *self {
            Obs::Binomial { k, n, .. } => k as f64 / n as f64,
            Obs::Mean { y, .. } => y,
        }
    }
}

/// The scores of one family on one task, sorted by scale.
///
/// `x` is the coordinate of the axis (log10 of a count, minus a loss), not
/// decreasing; it may repeat (tied models), and −∞ stands for step 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Scale coordinate, not decreasing.
    pub x: Vec<f64>,
    /// Scores; the same length as `x`.
    pub obs: Vec<Obs>,
    /// Chance floor c; `None` when unknown.
    pub chance: Option<f64>,
    /// Ceiling u; `None` for an unbounded metric.
    pub ceiling: Option<f64>,
}

impl Series {
    /// A binomial series with one n, known counts, and ceiling 1.
    ///
    /// # Panics
    /// When the lengths differ or `x` decreases.
    #[must_use]
    pub fn binomial(x: &[f64], k: &[u64], n: u64, chance: f64) -> Self {
        let obs = k.iter().map(|&k| Obs::count(k, n)).collect();
        let series = Series {
            x: x.to_vec(),
            obs,
            chance: Some(chance),
            ceiling: Some(1.0),
        };
        series.assert_sorted();
        series
    }

    /// Number of models K.
    #[must_use]
    pub fn len(&self) -> usize {
        self.x.len()
    }

    /// Whether there are no models.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.x.is_empty()
    }

    /// The scores.
    #[must_use]
    pub fn scores(&self) -> Vec<f64> {
        self.obs.iter().map(Obs::score).collect()
    }

    /// Number of distinct scales.
    #[must_use]
    pub fn n_scales(&self) -> usize {
        let mut n = 0;
        let mut last = f64::NAN;
        for &x in &self.x {
            n += usize::from(x != last);
            last = x;
        }
        n
    }

    /// The part with finite x: what a fit on a log axis may use.
    #[must_use]
    pub fn finite(&self) -> Series {
        let keep = |i: &usize| self.x[*i].is_finite();
        Series {
            x: (0..self.len()).filter(keep).map(|i| self.x[i]).collect(),
            obs: (0..self.len()).filter(keep).map(|i| self.obs[i]).collect(),
            ..*self
        }
    }

    /// Checks the invariants.
    ///
    /// # Panics
    /// When the lengths differ, `x` decreases or holds NaN, or k > n.
    pub fn assert_sorted(&self) {
        assert_eq!(self.x.len(), self.obs.len(), "series of unequal lengths");
        assert!(
            self.x.windows(2).all(|w| w[0] <= w[1]),
            "series not sorted by scale: {:?}",
            self.x
        );
        for obs in &self.obs {
            if let Obs::Binomial { k, k_lo, k_hi, n } = *obs {
                assert!(
                    n > 0 && k_lo <= k && k <= k_hi && k_hi <= n,
                    "impossible counts: {obs:?}"
                );
            }
        }
    }
}
