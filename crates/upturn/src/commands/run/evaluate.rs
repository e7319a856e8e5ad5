//! The evaluation of a study: members of ladders side by side, a thread each; other models one
//! after another with all threads.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use upturn_study::Shard;

use super::cells::{Call, Cells};
use crate::commands::eval::{self, Stop, now};
use crate::commands::train::duration;
use crate::exit::{Exit, Failure};
use crate::output;

/// Without a terminal a line is written at most so often.
const SECS_BETWEEN_LINES: f64 = 30.0;
/// Members with more parameters have all threads.
const SIDE_BY_SIDE: usize = 3_000_000;

/// The evaluation.
pub struct Evaluation<'e> {
    /// What is evaluated.
    pub cells: &'e Cells,
    /// The study's folder.
    pub out: &'e Path,
    /// The share that is done here.
    pub shard: Option<Shard>,
    /// Whether to stop.
    pub stop: &'e Stop,
}

/// How it ended.
pub struct Done {
    /// What was refused, a line each.
    pub faults: Vec<String>,
    /// Whether the user stopped it.
    pub stopped: bool,
}

/// The arguments of `upturn eval` as a parser of their own.
#[derive(Parser)]
struct Words {
    #[command(flatten)]
    args: eval::Args,
}

impl Evaluation<'_> {
    /// Evaluates what is missing.
    pub fn run(&self) -> Result<Done, Failure> {
        let mine: Vec<&Call> = self
            .cells
            .calls
            .iter()
            .enumerate()
            .filter(|(i, call)| match (self.shard, call.n_params) {
                (None, _) => true,
                (Some(shard), Some(_)) => shard.has(call.place),
                (Some(shard), None) => shard.has(*i),
            })
            .map(|(_, call)| call)
            .collect();
        let is_small = |c: &&&Call| c.n_params.is_some_and(|n| n <= SIDE_BY_SIDE);
        let (mut small, large): (Vec<&Call>, Vec<&Call>) =
            mine.iter().copied().partition(|c| is_small(&c));
        // The longest first, so that no thread waits for the last one long.
        small.sort_by_key(|c| std::cmp::Reverse(c.n_params));
        let n_cells = mine.iter().map(|c| c.models.len() * c.tasks.len()).sum();
        let bar = bar(n_cells);
        let state = State {
            faults: Mutex::default(),
            broken: Mutex::new(None),
            warnings: Mutex::default(),
            bar,
            n_cells,
            n_done: AtomicUsize::new(0),
            start: now(),
            line_secs: Mutex::new(0.0),
        };
        self.small(&small, &state)?;
        for call in large {
            self.call(call, &state);
        }
        state.bar.finish_and_clear();
        for line in state
            .warnings
            .into_inner()
            .unwrap_or_else(|e| e.into_inner())
        {
            output::note(&line);
        }
        if let Some(failure) = state.broken.into_inner().unwrap_or_else(|e| e.into_inner()) {
            return Err(failure);
        }
        let mut faults = state.faults.into_inner().unwrap_or_else(|e| e.into_inner());
        faults.sort();
        Ok(Done {
            faults: faults.into_iter().map(|(_, line)| line).collect(),
            stopped: self.stop.is_asked(),
        })
    }

    /// Small models, as many at a time as there are threads.
    fn small(&self, calls: &[&Call], state: &State) -> Result<(), Failure> {
        let next = AtomicUsize::new(0);
        let n_workers = rayon::current_num_threads().min(calls.len());
        let pools = (0..n_workers)
            .map(|_| rayon::ThreadPoolBuilder::new().num_threads(1).build())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| Failure::new(Exit::Failed, format!("cannot start threads: {e}")))?;
        std::thread::scope(|scope| {
            for pool in &pools {
                scope.spawn(|| {
                    pool.install(|| {
                        while let Some(call) = calls.get(next.fetch_add(1, Ordering::Relaxed)) {
                            self.call(call, state);
                        }
                    });
                });
            }
        });
        Ok(())
    }

    /// One call; what goes wrong is kept in the state.
    fn call(&self, call: &Call, state: &State) {
        if self.stop.is_asked() || state.is_broken() {
            return;
        }
        // A member that could not be trained has its line already.
        if call.n_params.is_some() && call.models.iter().all(|m| !Path::new(m).exists()) {
            return;
        }
        let out = self.out.join("eval").join(&call.block);
        let mut words = vec!["eval".to_owned()];
        words.extend(call.models.iter().map(|m| format!("--model={m}")));
        words.extend(call.tasks.iter().map(|t| format!("--tasks={t}")));
        words.push(format!("--out={}", out.display()));
        words.extend(call.arguments.iter().cloned());
        let (result, lines) = match Words::try_parse_from(words) {
            Ok(words) => output::captured(|| eval::run(&words.args)),
            Err(e) => {
                let line = e.to_string();
                let line = line.lines().next().unwrap_or_default();
                let line = line.trim_start_matches("error: ");
                (Err(Failure::usage(line)), Vec::new())
            }
        };
        let place = format!("{} {}", call.block, call.name);
        let add = |line: String| {
            let mut faults = state.faults.lock().unwrap_or_else(|e| e.into_inner());
            faults.push((place.clone(), format!("evaluation {place}: {line}")));
        };
        for line in lines.iter().filter_map(|l| l.strip_prefix("error: ")) {
            add(line.to_owned());
        }
        let warnings = lines.iter().filter(|l| l.starts_with("warning: "));
        let mut said = state.warnings.lock().unwrap_or_else(|e| e.into_inner());
        said.extend(warnings.cloned());
        drop(said);
        match result {
            Err(failure) if failure.exit == Exit::Failed => state.break_with(failure),
            Err(failure) => add(failure.message),
            Ok(_) => {}
        }
        state.advance(call);
    }
}

/// What the workers share.
struct State {
    faults: Mutex<Vec<(String, String)>>,
    broken: Mutex<Option<Failure>>,
    warnings: Mutex<BTreeSet<String>>,
    bar: ProgressBar,
    n_cells: usize,
    n_done: AtomicUsize,
    start: Instant,
    /// Seconds at which the last line was written, where there is no terminal.
    line_secs: Mutex<f64>,
}

impl State {
    /// Shows that a call is done.
    fn advance(&self, call: &Call) {
        let n = call.models.len() * call.tasks.len();
        let done = self.n_done.fetch_add(n, Ordering::Relaxed) + n;
        if !self.bar.is_hidden() {
            self.bar.inc(n as u64);
            self.bar.set_message(call.name.clone());
            return;
        }
        let secs = self.start.elapsed().as_secs_f64();
        let mut last = self.line_secs.lock().unwrap_or_else(|e| e.into_inner());
        if secs - *last >= SECS_BETWEEN_LINES {
            *last = secs;
            let left = secs * self.n_cells.saturating_sub(done) as f64 / done.max(1) as f64;
            output::note(&format!(
                "evaluation: {done} of {} cells, {} left",
                self.n_cells,
                duration(left)
            ));
        }
    }

    fn is_broken(&self) -> bool {
        self.broken.lock().is_ok_and(|b| b.is_some())
    }

    fn break_with(&self, failure: Failure) {
        let mut broken = self.broken.lock().unwrap_or_else(|e| e.into_inner());
        broken.get_or_insert(failure);
    }
}

/// A bar over the cells, on a terminal only.
fn bar(n_cells: usize) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        output::note(&format!("evaluating {n_cells} cells"));
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(n_cells as u64);
    let style = "evaluation {wide_bar} {pos} of {len} cells, {eta} left; {msg}";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar
}
