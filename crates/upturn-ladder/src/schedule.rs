//! The learning rate of each step, and the steps that are kept.

use std::f64::consts::PI;

use crate::config::{Schedule, ScheduleKind};

impl Schedule {
    /// Learning rate of update `step` (from 0) of `steps`, as a share of the highest.
    ///
    /// The warmup rises in a straight line and reaches 1 at its last step; the last step of all
    /// has [`Schedule::last`].
    #[must_use]
    pub fn at(&self, step: u64, steps: u64) -> f64 {
        let warmup = (self.warmup * steps as f64).round();
        let step = step as f64;
        if step < warmup {
            return (step + 1.0) / warmup;
        }
        let end = (steps as f64 - 1.0).max(1.0);
        let fall = |from: f64| ((step - from) / (end - from).max(1.0)).clamp(0.0, 1.0);
        match self.kind {
            ScheduleKind::Cosine => {
                let share = fall((warmup - 1.0).max(0.0));
                self.last + (1.0 - self.last) * 0.5 * (1.0 + (PI * share).cos())
            }
            ScheduleKind::Wsd => {
                let share = fall(end - (self.decay * steps as f64).round());
                1.0 + (self.last - 1.0) * share
            }
        }
    }
}

/// Steps after which a checkpoint is kept, in order: `n` of them, evenly on a log scale over the
/// last two decades of training, from a hundredth of the steps to the last. Fewer where they
/// fall together.
#[must_use]
pub fn checkpoints(steps: u64, n: usize) -> Vec<u64> {
    let mut kept: Vec<u64> = (0..n)
        .map(|k| {
            let back = (n - 1 - k) as f64 / (n - 1).max(1) as f64;
            let step = steps as f64 * 10f64.powf(-2.0 * back);
            (step.round() as u64).clamp(1, steps)
        })
        .collect();
    kept.dedup();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_even_on_a_log_scale() {
        assert_eq!(checkpoints(1000, 6), [10, 25, 63, 158, 398, 1000]);
        assert_eq!(checkpoints(1000, 3), [10, 100, 1000]);
        assert_eq!(checkpoints(1000, 1), [1000]);
        assert_eq!(checkpoints(5, 6), [1, 2, 5]);
        assert_eq!(checkpoints(1, 6), [1]);
    }

    #[test]
    fn cosine_rises_and_falls() {
        let s = Schedule {
            kind: ScheduleKind::Cosine,
            warmup: 0.1,
            last: 0.1,
            decay: 0.2,
        };
        let at: Vec<f64> = (0..100).map(|i| s.at(i, 100)).collect();
        assert!((at[0] - 0.1).abs() < 1e-12 && (at[9] - 1.0).abs() < 1e-12);
        assert!((at[99] - 0.1).abs() < 1e-12);
        assert!(at[9..].windows(2).all(|w| w[1] < w[0]));
        // Half-way between the last step of the warmup and the last of all.
        assert!((at[54] - 0.55).abs() < 1e-12, "{}", at[54]);
    }

    #[test]
    fn wsd_is_stable_then_falls_in_a_line() {
        let s = Schedule {
            kind: ScheduleKind::Wsd,
            warmup: 0.1,
            last: 0.0,
            decay: 0.2,
        };
        let at: Vec<f64> = (0..100).map(|i| s.at(i, 100)).collect();
        assert!(at[10..80].iter().all(|x| *x == 1.0));
        assert!((at[89] - 0.5).abs() < 1e-12, "{}", at[89]);
        assert_eq!(at[99], 0.0);
    }

    #[test]
    fn short_trainings_stay_finite() {
        for kind in [ScheduleKind::Cosine, ScheduleKind::Wsd] {
            for (warmup, decay) in [(0.0, 0.0), (0.05, 0.2), (0.5, 0.5), (1.0, 0.0)] {
                let s = Schedule {
                    kind,
                    warmup,
                    last: 0.1,
                    decay,
                };
                for steps in 1..30 {
                    for i in 0..steps {
                        let x = s.at(i, steps);
                        assert!(
                            (0.0..=1.0).contains(&x),
                            "{kind:?} {warmup} {decay} {i}/{steps}: {x}"
                        );
                    }
                }
            }
        }
    }
}
