//! The evaluation of a study: members of ladders side by side, a thread each; other models one
//! after another with all threads.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use clap::Parser;
use upturn_study::Shard;

use super::cells::{Call, Cells};
use crate::commands::eval::{self, Stop};
use crate::exit::{Exit, Failure};
use crate::output::{self, Heard};
use crate::stages::Stages;

/// Members with more parameters have all threads.
const SIDE_BY_SIDE: usize = 3_000_000;

/// The evaluation.
pub struct Evaluation<'e> {
    /// Where progress is shown.
    pub stages: &'e Arc<Stages>,
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
        self.stages.line(&format!("evaluating {n_cells} cells"));
        let state = Arc::new(State {
            faults: Mutex::default(),
            broken: Mutex::new(None),
            warnings: Mutex::default(),
            stages: Arc::clone(self.stages),
            n_cells,
            all_weight: mine.iter().map(|c| c.weight()).sum(),
            done: Mutex::default(),
        });
        self.small(&small, &state)?;
        for call in large {
            self.call(call, &state);
        }
        for line in std::mem::take(&mut *locked(&state.warnings)) {
            self.stages.line(&line);
        }
        if let Some(failure) = locked(&state.broken).take() {
            return Err(failure);
        }
        let mut faults = std::mem::take(&mut *locked(&state.faults));
        faults.sort();
        Ok(Done {
            faults: faults.into_iter().map(|(_, line)| line).collect(),
            stopped: self.stop.is_asked(),
        })
    }

    /// Small models, as many at a time as there are threads.
    fn small(&self, calls: &[&Call], state: &Arc<State>) -> Result<(), Failure> {
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
    fn call(&self, call: &Call, state: &Arc<State>) {
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
            Ok(words) => {
                let (state, weight) = (Arc::clone(state), call.weight());
                let name = (call.block.clone(), call.name.clone());
                let n_cells = call.n_cells();
                let listener = move |heard| state.hear(&name, n_cells, weight, heard);
                output::captured_while(Arc::new(listener), || eval::run(&words.args))
            }
            Err(e) => {
                let line = e.to_string();
                let line = line.lines().next().unwrap_or_default();
                let line = line.trim_start_matches("error: ");
                (Err(Failure::usage(line)), Vec::new())
            }
        };
        let place = format!("{} {}", call.block, call.name);
        let add = |line: String| {
            let mut faults = locked(&state.faults);
            faults.push((place.clone(), format!("evaluation {place}: {line}")));
        };
        for line in lines.iter().filter_map(|l| l.strip_prefix("error: ")) {
            add(line.to_owned());
        }
        let warnings = lines.iter().filter(|l| l.starts_with("warning: "));
        let mut said = locked(&state.warnings);
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
    stages: Arc<Stages>,
    n_cells: usize,
    /// Weights of all calls.
    all_weight: f64,
    done: Mutex<DoneSoFar>,
}

#[derive(Default)]
struct DoneSoFar {
    /// Cells of finished calls.
    n_cells: usize,
    /// Weight of finished calls.
    weight: f64,
    /// Calls at work, by block and name.
    at_work: BTreeMap<(String, String), AtWork>,
}

#[derive(Default)]
struct AtWork {
    n_cells: usize,
    /// Share of the cell at work.
    share: f64,
    weight_of_cell: f64,
}

impl State {
    /// A call says how far it is.
    fn hear(&self, name: &(String, String), n_cells: usize, weight: f64, heard: Heard) {
        let mut done = locked(&self.done);
        let at = done.at_work.entry(name.clone()).or_default();
        at.weight_of_cell = weight / n_cells.max(1) as f64;
        match heard {
            Heard::Share(share) => at.share = share,
            Heard::Cell => {
                at.n_cells = (at.n_cells + 1).min(n_cells);
                at.share = 0.0;
            }
        }
        self.show(&done, &name.1);
    }

    /// A call is done.
    fn advance(&self, call: &Call) {
        let mut done = locked(&self.done);
        let key = (call.block.clone(), call.name.clone());
        done.at_work.remove(&key);
        done.n_cells += call.n_cells();
        done.weight += call.weight();
        self.show(&done, &call.name);
    }

    fn show(&self, done: &DoneSoFar, name: &str) {
        let mut weight = done.weight;
        let mut n_cells = done.n_cells;
        for at in done.at_work.values() {
            n_cells += at.n_cells;
            weight += (at.n_cells as f64 + at.share) * at.weight_of_cell;
        }
        let share = weight / self.all_weight.max(1e-9);
        let detail = format!("{n_cells} of {} cells; {name}", self.n_cells);
        self.stages.tell(share.min(1.0), &detail);
    }

    fn is_broken(&self) -> bool {
        locked(&self.broken).is_some()
    }

    fn break_with(&self, failure: Failure) {
        let mut broken = locked(&self.broken);
        broken.get_or_insert(failure);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}
