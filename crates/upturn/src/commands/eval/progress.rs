//! What is shown while a run goes on, and how it is stopped.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use upturn_eval::Progress;
use upturn_types::Work;

use super::cells::{CellFile, Ran};
use super::table::thousands;
use crate::exit::Exit;
use crate::output;

/// A bar for one cell, on a terminal only.
pub struct CellProgress {
    bar: ProgressBar,
    name: String,
    /// The model's work before the cell.
    before: Work,
    start: Instant,
    /// Who is told instead, where there is no bar.
    listener: Option<output::Listener>,
    n_items: usize,
}

impl CellProgress {
    /// Begins a cell of `n_items`.
    pub fn start(name: &str, n_items: usize, before: Work) -> Self {
        let bar = if std::io::stderr().is_terminal() && !output::is_captured() {
            let style = ProgressStyle::with_template(
                "{msg} {wide_bar} {human_pos} of {human_len} items, {eta} left",
            );
            let bar = ProgressBar::new(n_items as u64).with_message(name.to_owned());
            if let Ok(style) = style {
                bar.set_style(style);
            }
            bar.tick();
            bar
        } else {
            ProgressBar::hidden()
        };
        CellProgress {
            bar,
            name: name.to_owned(),
            before,
            start: super::now(),
            listener: output::listener(),
            n_items,
        }
    }

    /// Shows how far it is. Items of earlier runs do not count into the speed.
    pub fn tell(&self, now: Progress, n_resumed: u64, work: &Work) {
        if let Some(listener) = &self.listener {
            let share = now.done as f64 / self.n_items.max(1) as f64;
            listener(output::Heard::Share(share.min(1.0)));
        }
        if self.bar.is_hidden() {
            return;
        }
        if n_resumed > 0 && self.bar.position() == 0 {
            self.bar.set_position(n_resumed);
            self.bar.reset_eta();
        }
        self.bar.set_position(now.done);
        let computed = work.tokens_computed - self.before.tokens_computed;
        let requested = work.tokens_requested - self.before.tokens_requested;
        let distinct = work.tokens_distinct - self.before.tokens_distinct;
        let secs = self.start.elapsed().as_secs_f64();
        if requested > 0 && secs > 0.0 {
            self.bar.set_message(format!(
                "{} {} tokens/s, {:.0}% saved",
                self.name,
                thousands((computed as f64 / secs).round() as u64),
                100.0 * (1.0 - distinct as f64 / requested as f64),
            ));
        }
    }

    /// Takes the bar away.
    pub fn end(self) {
        self.bar.finish_and_clear();
    }
}

/// What was done for a finished cell, on one line.
pub fn done_line(model: &str, file: &CellFile, ran: &Ran) -> String {
    let work = &ran.work;
    let mut line = format!(
        "{model} {}: {} items",
        file.task.name,
        thousands(file.task.n_items)
    );
    if ran.n_resumed > 0 {
        line.push_str(&format!(" ({} of them resumed)", thousands(ran.n_resumed)));
    }
    line.push_str(&format!(
        ", {} tokens computed of {}",
        thousands(work.tokens_computed),
        thousands(work.tokens_requested)
    ));
    if work.tokens_requested > 0 {
        let saved = 1.0 - work.tokens_computed as f64 / work.tokens_requested as f64;
        line.push_str(&format!(" ({:.1}% saved)", 100.0 * saved));
    }
    if work.tokens_distinct > 0 {
        let redone = work.tokens_computed as f64 / work.tokens_distinct as f64;
        line.push_str(&format!(", computed/distinct {redone:.2}"));
    }
    if ran.secs > 0.0 {
        let speed = (work.tokens_computed as f64 / ran.secs).round();
        line.push_str(&format!(", {} tokens/s", thousands(speed as u64)));
    }
    line.push_str(&format!(", {:.1} s", ran.secs));
    line
}

/// The hub and cache of the environment, with a bar for what is fetched, on a terminal only.
pub fn hub() -> upturn_hub::Options<'static> {
    let mut hub = upturn_hub::Options::from_env();
    if std::io::stderr().is_terminal() {
        hub.progress = Some(&fetched);
    }
    hub
}

fn fetched(now: upturn_hub::Progress<'_>) {
    static BAR: LazyLock<ProgressBar> = LazyLock::new(|| {
        let bar = ProgressBar::no_length();
        let style = ProgressStyle::with_template(
            "{msg} {wide_bar} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left",
        );
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar
    });
    if BAR.length() != Some(now.total_bytes) || now.done_bytes < BAR.position() {
        BAR.reset();
        BAR.set_length(now.total_bytes);
        BAR.set_message(format!(
            "{} ({} of {})",
            now.file, now.file_number, now.n_files
        ));
    }
    BAR.set_position(now.done_bytes);
    if now.file_number == now.n_files && now.done_bytes >= now.total_bytes {
        BAR.finish_and_clear();
    }
}

/// Whether the user asked to stop.
pub struct Stop {
    asked: Arc<AtomicBool>,
}

impl Stop {
    /// Listens for Ctrl-C and a polite end of the process. The first lets the run keep what
    /// is finished; the second ends it at once (what reached the journal is kept even so).
    ///
    /// There is one answer for the whole process, however often this is called.
    pub fn install() -> Self {
        static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();
        if let Some(asked) = STOP.get() {
            return Stop {
                asked: Arc::clone(asked),
            };
        }
        let asked = Arc::clone(STOP.get_or_init(Arc::default));
        let heard = Arc::clone(&asked);
        // Without a handler the system ends the process, and the journal stays all the same.
        let _no_handler = ctrlc::set_handler(move || {
            if heard.swap(true, Ordering::SeqCst) {
                std::process::exit(Exit::Interrupted as i32);
            }
        });
        Stop { asked }
    }

    /// Whether it is time to stop.
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Says what is kept and how to go on.
    pub fn explain(&self, place: Option<&str>) {
        let place = place.map_or_else(String::new, |p| format!(" at {p}"));
        output::note(&format!(
            "stopped{place}; what is finished is kept: run the same command again to go on"
        ));
    }
}
