//! What is shown while a ladder is trained: the work of all members.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;

use upturn_ladder::watch::{Event, Progress};
use upturn_ladder::{Plan, Watch};

use super::super::eval::{Stop, now};
use crate::stages::Stages;

/// Follows a training.
pub struct Board<'s> {
    stop: &'s Stop,
    stages: &'s Stages,
    start: Instant,
    total_flops: f64,
    /// FLOPs of each member's own training.
    flops: BTreeMap<String, f64>,
    now: Mutex<Now>,
}

/// How far the members are.
#[derive(Default)]
struct Now {
    /// Running members: FLOPs done, step, steps, loss.
    running: BTreeMap<String, (f64, u64, u64, f64)>,
    /// FLOPs of finished members.
    finished: f64,
    /// FLOPs that were done before this run.
    before: f64,
    n_finished: usize,
}

impl<'s> Board<'s> {
    /// Begins; progress goes to the stage at work.
    pub fn new(plan: &Plan, stages: &'s Stages, stop: &'s Stop) -> Self {
        Board {
            stop,
            stages,
            start: now(),
            total_flops: plan.flops(),
            flops: plan
                .members
                .iter()
                .map(|m| (m.name.clone(), m.flops))
                .collect(),
            now: Mutex::default(),
        }
    }

    fn now(&self) -> std::sync::MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn show(&self, now: &Now) {
        let done = now.finished + now.running.values().map(|r| r.0).sum::<f64>();
        let secs = self.start.elapsed().as_secs_f64();
        let here = (done - now.before).max(0.0);
        let all_here = (self.total_flops - now.before).max(1.0);
        let speed = here / secs.max(1e-9) / 1e9;
        let running: Vec<String> = now
            .running
            .iter()
            .map(|(name, (_, step, steps, loss))| format!("{name} {step}/{steps} loss {loss:.3}"))
            .collect();
        let detail = format!(
            "{} of {} members, {speed:.0} GFLOP/s; {}",
            now.n_finished,
            self.flops.len(),
            running.join(", ")
        );
        self.stages.tell((here / all_here).min(1.0), &detail);
    }
}

impl Watch for Board<'_> {
    fn progress(&self, p: &Progress<'_>) {
        let mut now = self.now();
        now.running
            .insert(p.member.to_owned(), (p.flops, p.step, p.steps, p.loss_nats));
        self.show(&now);
    }

    fn event(&self, event: &Event<'_>) {
        let own = |member: &str| self.flops.get(member).copied().unwrap_or(0.0);
        match *event {
            Event::Kept { member } => {
                let mut now = self.now();
                now.finished += own(member);
                now.before += own(member);
                now.n_finished += 1;
            }
            Event::Started { member, step, .. } if step > 0 => {
                self.stages
                    .line(&format!("{member}: goes on from step {step}"));
            }
            Event::Started { .. } | Event::Checkpoint { .. } => {}
            Event::Finished { member, loss_nats } => {
                let mut now = self.now();
                now.running.remove(member);
                now.finished += own(member);
                now.n_finished += 1;
                drop(now);
                self.stages.line(&format!(
                    "{member}: trained, held-out loss {loss_nats:.4} nats"
                ));
            }
            Event::Failed { member, reason } => {
                self.now().running.remove(member);
                self.stages.line(&format!("error: {member}: {reason}"));
            }
            Event::Skipped { member, reason } => {
                self.stages
                    .line(&format!("warning: {member} is left out: {reason}"));
            }
        }
    }

    fn stop(&self) -> bool {
        self.stop.is_asked()
    }

    fn clock_secs(&self) -> Option<f64> {
        Some(self.start.elapsed().as_secs_f64())
    }
}
