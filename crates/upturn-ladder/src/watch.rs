//! Someone who follows a training, and may stop it.

/// Follows a training from any of its threads.
///
/// Panics in a watch end the training as a kill would: work since the last save is lost.
pub trait Watch: Sync {
    /// After every step of a member.
    fn progress(&self, progress: &Progress<'_>) {
        let _ = progress;
    }

    /// When something begins or ends.
    fn event(&self, event: &Event<'_>) {
        let _ = event;
    }

    /// Whether to save all work and return; asked after every step.
    fn stop(&self) -> bool {
        false
    }

    /// Seconds since some moment. Work is saved at checkpoints, on stopping, and every 20
    /// seconds by this clock; without one, after about as much work as takes a slow core so
    /// long. What is written at the end does not depend on it.
    fn clock_secs(&self) -> Option<f64> {
        None
    }
}

/// Follows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Watch for Silent {}

/// How far a member is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress<'a> {
    /// Name of the member.
    pub member: &'a str,
    /// Updates made.
    pub step: u64,
    /// Updates in all.
    pub steps: u64,
    /// Tokens seen by this training.
    pub tokens: u64,
    /// Tokens in all.
    pub tokens_total: u64,
    /// FLOPs of this training so far.
    pub flops: f64,
    /// Mean loss of the last batch per counted target, in nats.
    pub loss_nats: f64,
}

/// What begins or ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event<'a> {
    /// A member is finished already.
    Kept {
        /// Its name.
        member: &'a str,
    },
    /// A member begins, or goes on from a step.
    Started {
        /// Its name.
        member: &'a str,
        /// Updates made before.
        step: u64,
        /// Threads that work on it.
        threads: usize,
    },
    /// A checkpoint is written.
    Checkpoint {
        /// The member's name.
        member: &'a str,
        /// Updates made.
        step: u64,
        /// Held-out loss, see [`train`](mod@crate::train).
        loss_nats: f64,
    },
    /// A member is finished.
    Finished {
        /// Its name.
        member: &'a str,
        /// Held-out loss, see [`train`](mod@crate::train).
        loss_nats: f64,
    },
    /// A member cannot be finished.
    Failed {
        /// Its name.
        member: &'a str,
        /// Why, in one line.
        reason: &'a str,
    },
    /// A finetune is left out because its parent is not finished.
    Skipped {
        /// Its name.
        member: &'a str,
        /// Why, in one line.
        reason: &'a str,
    },
}
