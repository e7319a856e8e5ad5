//! What is shown while a ladder is trained: one bar over the work of all members.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use upturn_ladder::watch::{Event, Progress};
use upturn_ladder::{Plan, Watch};

use super::super::eval::{Stop, now};
use crate::output;

/// Units of a bar: its length in steps fine enough for any ladder.
const UNITS: f64 = 10_000.0;
/// Without a terminal a line is written at most so often.
const SECS_BETWEEN_LINES: f64 = 30.0;

/// Follows a training.
pub struct Board<'s> {
    stop: &'s Stop,
    bar: ProgressBar,
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
    line_secs: f64,
}

impl<'s> Board<'s> {
    /// Begins; the bar is drawn on a terminal only.
    pub fn new(plan: &Plan, stop: &'s Stop) -> Self {
        let bar = if std::io::stderr().is_terminal() {
            let bar = ProgressBar::new(UNITS as u64);
            if let Ok(style) = ProgressStyle::with_template("training {wide_bar} {percent}% {msg}")
            {
                bar.set_style(style);
            }
            bar
        } else {
            ProgressBar::hidden()
        };
        Board {
            stop,
            bar,
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

    /// Takes the bar away.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }

    /// A line above the bar.
    fn line(&self, text: &str) {
        match self.bar.is_hidden() {
            true => output::note(text),
            false => self.bar.suspend(|| output::note(text)),
        }
    }

    fn now(&self) -> std::sync::MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn show(&self, now: &mut Now) {
        let done = now.finished + now.running.values().map(|r| r.0).sum::<f64>();
        let secs = self.start.elapsed().as_secs_f64();
        let here = (done - now.before).max(0.0);
        let left = (self.total_flops - done).max(0.0);
        let eta = match here > 0.0 {
            true => duration(left * secs / here),
            false => "?".to_owned(),
        };
        let speed = here / secs.max(1e-9) / 1e9;
        let running: Vec<String> = now
            .running
            .iter()
            .map(|(name, (_, step, steps, loss))| format!("{name} {step}/{steps} loss {loss:.3}"))
            .collect();
        let text = format!(
            "{} of {} members, {eta} left, {speed:.0} GFLOP/s; {}",
            now.n_finished,
            self.flops.len(),
            running.join(", ")
        );
        if self.bar.is_hidden() {
            if secs - now.line_secs >= SECS_BETWEEN_LINES {
                now.line_secs = secs;
                output::note(&format!(
                    "training: {:.0}%, {text}",
                    100.0 * done / self.total_flops
                ));
            }
        } else {
            let share = done / self.total_flops.max(1.0);
            self.bar.set_position((UNITS * share) as u64);
            self.bar.set_message(text);
        }
    }
}

/// `1 h 04 min`, `3 min 20 s`, `12 s`.
pub fn duration(secs: f64) -> String {
    let secs = secs.round().max(0.0) as u64;
    match secs {
        0..60 => format!("{secs} s"),
        60..3600 => format!("{} min {:02} s", secs / 60, secs % 60),
        _ => format!("{} h {:02} min", secs / 3600, secs % 3600 / 60),
    }
}

impl Watch for Board<'_> {
    fn progress(&self, p: &Progress<'_>) {
        let mut now = self.now();
        now.running
            .insert(p.member.to_owned(), (p.flops, p.step, p.steps, p.loss_nats));
        self.show(&mut now);
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
                self.line(&format!("{member}: goes on from step {step}"));
            }
            Event::Started { .. } | Event::Checkpoint { .. } => {}
            Event::Finished { member, loss_nats } => {
                let mut now = self.now();
                now.running.remove(member);
                now.finished += own(member);
                now.n_finished += 1;
                drop(now);
                self.line(&format!(
                    "{member}: trained, held-out loss {loss_nats:.4} nats"
                ));
            }
            Event::Failed { member, reason } => {
                self.now().running.remove(member);
                self.line(&format!("error: {member}: {reason}"));
            }
            Event::Skipped { member, reason } => {
                self.line(&format!("warning: {member} is left out: {reason}"));
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
