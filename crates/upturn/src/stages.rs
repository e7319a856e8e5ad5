//! One display over the stages of a run: where it is, and how long the whole will take.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

use crate::commands::eval::now;
use crate::output;

/// Units of the bar, fine enough for any run.
const UNITS: f64 = 10_000.0;
/// Without a terminal a line is written at most so often.
const SECS_BETWEEN_LINES: f64 = 30.0;

/// The stages of a run, in order.
pub struct Stages {
    stages: Vec<(&'static str, Option<f64>)>,
    bar: ProgressBar,
    start: Instant,
    shown: Mutex<Shown>,
}

#[derive(Default)]
struct Shown {
    /// Stage at work.
    at: usize,
    stage_start_secs: f64,
    line_secs: f64,
    /// Share of the whole that the bar shows; it never goes back.
    share: f64,
}

impl Stages {
    /// Stages with the seconds that each is expected to take; `None` where nobody can say.
    /// The bar is drawn on a terminal only.
    pub fn new(stages: Vec<(&'static str, Option<f64>)>) -> Self {
        let bar = match std::io::stderr().is_terminal() && !output::is_captured() {
            false => ProgressBar::hidden(),
            true => {
                let bar = ProgressBar::new(UNITS as u64);
                let style = ProgressStyle::with_template("{prefix} {wide_bar} {percent}% {msg}");
                if let Ok(style) = style {
                    bar.set_style(style);
                }
                bar
            }
        };
        let stages = Stages {
            stages,
            bar,
            start: now(),
            shown: Mutex::default(),
        };
        stages.begin(0);
        stages
    }

    /// Begins a stage.
    pub fn begin(&self, at: usize) {
        let mut shown = self.shown();
        shown.at = at;
        shown.stage_start_secs = self.secs();
        drop(shown);
        self.bar.set_prefix(self.prefix(at));
        self.bar.set_message("");
        self.bar.tick();
    }

    /// Shows how far the stage is: share done in 0..=1, and more in words (where there is room).
    pub fn tell(&self, share: f64, detail: &str) {
        let mut shown = self.shown();
        let secs = self.secs();
        let here = secs - shown.stage_start_secs;
        let left = (share > 0.0).then(|| here * (1.0 - share) / share);
        let text = match left {
            None => detail.to_owned(),
            Some(left) => {
                let (later, all_known) = self.later(shown.at, here + left);
                let more = if all_known { "" } else { " and more" };
                let whole = left + later;
                shown.share = shown.share.max(secs / (secs + whole).max(1e-9));
                let left = match later > 0.0 || !all_known {
                    false => format!("{} left", duration(left)),
                    true => format!("{} left ({}{more} in all)", duration(left), duration(whole)),
                };
                format!("{left}; {detail}")
            }
        };
        if !self.bar.is_hidden() {
            self.bar.set_position((UNITS * shown.share) as u64);
            self.bar.set_message(text);
        } else if secs - shown.line_secs >= SECS_BETWEEN_LINES {
            shown.line_secs = secs;
            let prefix = self.prefix(shown.at);
            drop(shown);
            output::note(&format!("{prefix}: {:.0}%, {text}", 100.0 * share));
        }
    }

    /// A line above the bar.
    pub fn line(&self, text: &str) {
        match self.bar.is_hidden() {
            true => output::note(text),
            false => self.bar.suspend(|| output::note(text)),
        }
    }

    /// Takes the bar away.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }

    /// Seconds that the stages after this one are expected to take, and whether all are known.
    /// Where this one is slower or faster than expected, the others will be.
    fn later(&self, at: usize, here_secs: f64) -> (f64, bool) {
        let pace = match self.stages[at].1 {
            Some(expected) if expected > 0.0 => (here_secs / expected).clamp(0.2, 5.0),
            _ => 1.0,
        };
        let later = &self.stages[at + 1..];
        let secs: f64 = later.iter().filter_map(|s| s.1).sum();
        (secs * pace, later.iter().all(|s| s.1.is_some()))
    }

    /// `2/3 evaluation`; the name alone where there is one stage.
    fn prefix(&self, at: usize) -> String {
        let name = self.stages[at].0;
        match self.stages.len() {
            1 => name.to_owned(),
            n => format!("{}/{n} {name}", at + 1),
        }
    }

    fn secs(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    fn shown(&self) -> std::sync::MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(|e| e.into_inner())
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
