//! `upturn eval`: models on tasks, cell by cell, from where the last run stopped.

pub(in crate::commands) mod args;
mod cells;
mod dry_run;
mod gen_kwargs;
mod groups;
mod guard;
mod lm_eval;
mod loaded;
pub(in crate::commands) mod memory;
pub(in crate::commands) mod messages;
pub(in crate::commands) mod models;
mod owner;
pub(in crate::commands) mod progress;
mod remarks;
#[cfg(feature = "remote")]
mod remote;
mod select;
mod summary;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Instant, SystemTime};

use upturn_catalog::Catalog;
use upturn_eval::{EvalOptions, GroupScore};
use upturn_store::lm_eval_write::TaskResults;
use upturn_tasks::{Selection, Task};
use upturn_types::{Flow, LanguageModel, Measurement};

pub use self::args::Args;
use self::cells::{Cell, CellFault, CellFile, CellPaths, Job};
use self::guard::Guard;
use self::loaded::load;
use self::messages::{Gathered, Refusals, listed, warn};
use self::models::{Found, Identity, IdentitySummary, Told, TrainTokens};
use self::progress::CellProgress;
pub use self::progress::Stop;
use self::remarks::{CellRemarks, one_choice};
use self::select::{check_words, find_models, load_tasks, select};
use self::summary::{CellSummary, GroupSummary, ModelSummary};
use self::table::{ResultTable, thousands};
use crate::exit::{Exit, Failure, Outcome};
use crate::inputs;
use crate::output::{self, Color};

/// The table of all cells, in the output folder.
const MEASUREMENTS: &str = "measurements.parquet";

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    if let Some(threads) = args.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build_global()
            .map_err(|e| {
                Failure::new(Exit::Failed, format!("cannot start {threads} threads: {e}"))
            })?;
    }
    let words = args.generation_words();
    check_words(&words)?;
    let stop = Stop::install();
    let catalog = inputs::catalog(&[], &[])?;
    let mut refused = Refusals::default();
    let models = find_models(args, &mut refused)?;
    if let Some(name) = TrainTokens::without_model(&args.train_tokens, &models)
        && refused.in_order.is_empty()
    {
        let names: Vec<&str> = models.iter().map(|m| m.label.as_str()).collect();
        return Err(Failure::usage(format!(
            "--train-tokens names the model '{name}', which is not in this run; it has {}",
            names.join(", ")
        )));
    }
    let selection = select(args, &mut refused)?;
    let tasks = load_tasks(args, &selection, &words, &mut refused)?;
    if models.is_empty() || tasks.is_empty() {
        // Where something was refused, its own line says why nothing is left.
        if refused.in_order.is_empty() {
            return Err(Failure::usage("--tasks names no task"));
        }
        if args.json {
            summary::print(&args.out, &[], &refused.in_order)?;
        }
        return Ok(Exit::NoInput);
    }
    if args.dry_run {
        return dry_run::run(args, &models, &tasks, refused);
    }
    std::fs::create_dir_all(&args.out).map_err(|e| Failure::write(&args.out, e))?;
    let shared = models::shared_family(&models);
    let mut run = Run {
        args,
        shared_family: shared.as_deref(),
        catalog: &catalog,
        options: args.eval_options(),
        kv_bytes: args.kv_memory.unwrap_or_else(memory::default_kv_bytes),
        tasks: &tasks,
        selection: &selection,
        stop: &stop,
        refused,
        table: ResultTable::default(),
        summaries: Vec::new(),
        without_tokens: Vec::new(),
        labels: BTreeSet::new(),
        one_choice: BTreeSet::new(),
        n_same_output: 0,
    };
    for model in &models {
        if run.model(model)?.is_break() {
            run.write_measurements()?;
            if args.json {
                summary::print(&args.out, &run.summaries, &run.refused.in_order)?;
            }
            return Ok(Exit::Interrupted);
        }
    }
    run.finish()
}

/// A run over all models and tasks.
struct Run<'r> {
    args: &'r Args,
    catalog: &'r Catalog,
    options: EvalOptions,
    kv_bytes: u64,
    shared_family: Option<&'r str>,
    tasks: &'r [Task],
    selection: &'r Selection,
    stop: &'r Stop,
    refused: Refusals,
    table: ResultTable,
    summaries: Vec<ModelSummary>,
    without_tokens: Vec<String>,
    /// Names of the models so far.
    labels: BTreeSet<String>,
    /// What was said of items with a single choice.
    one_choice: BTreeSet<String>,
    /// Models whose lm-evaluation-harness files were there already.
    n_same_output: usize,
}

/// A model that is being run.
struct Running<'m> {
    model: &'m dyn LanguageModel,
    /// Its name in results.
    label: &'m str,
    identity: &'m Identity,
    /// Whether it was said that cells are replaced.
    said_replaced: std::cell::Cell<bool>,
}

impl Run<'_> {
    /// All tasks on one model; breaks when the user asked to stop.
    fn model(&mut self, found: &Found) -> Result<Flow, Failure> {
        if self.stop.is_asked() {
            self.stop.explain(None);
            return Ok(Flow::Break(()));
        }
        let start_secs = now_secs();
        let start = now();
        let loaded = load(self.args, found, self.kv_bytes).and_then(|loaded| {
            self.options.graded = !self.args.no_graded && loaded.can_grade();
            loaded.ready(self.tasks, &self.options).map(|()| loaded)
        });
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(line) => {
                self.refused.add(line);
                return Ok(Flow::Continue(()));
            }
        };
        let model = loaded.lm();
        let found = &match self.own_name(found, model) {
            Ok(found) => found,
            Err(CellFault::Write(line)) => return Err(Failure::new(Exit::Failed, line)),
            Err(CellFault::Refused(line)) => {
                self.refused.add(line);
                return Ok(Flow::Continue(()));
            }
            Err(CellFault::Stopped { .. }) => return Ok(Flow::Break(())),
        };
        let told = Told {
            family: self.args.family.as_deref(),
            tokens: &self.args.train_tokens,
        };
        let identity = models::identity(
            found,
            loaded.n_params(),
            told,
            self.shared_family,
            self.catalog,
        );
        let mut summary = ModelSummary {
            identity: serde_json::to_value(IdentitySummary::new(found, &identity))
                .unwrap_or_default(),
            cells: Vec::new(),
            groups: Vec::new(),
        };
        let mut finished: BTreeMap<String, CellFile> = BTreeMap::new();
        let mut theirs: Vec<TaskResults> = Vec::new();
        let mut remarks = CellRemarks::default();
        let on = Running {
            model,
            label: &found.label,
            identity: &identity,
            said_replaced: std::cell::Cell::new(false),
        };
        for task in self.tasks {
            match self.cell(&on, task, &mut theirs) {
                Ok((cell, line)) => {
                    remarks.of(&cell);
                    self.table.cell(&found.label, &cell);
                    summary.cells.push(line);
                    finished.insert(task.config.task.clone(), cell);
                }
                Err(CellFault::Refused(line)) => self.refused.add(line),
                Err(CellFault::Write(line)) => return Err(Failure::new(Exit::Failed, line)),
                Err(CellFault::Stopped { done, total }) => {
                    let place = format!(
                        "{} {}: {} of {} items",
                        found.label,
                        task.config.task,
                        thousands(done),
                        thousands(total)
                    );
                    loaded.say_spent(&found.label);
                    self.stop.explain(Some(&place));
                    self.summaries.push(summary);
                    return Ok(Flow::Break(()));
                }
            }
        }
        remarks.say(&found.label, model.max_length());
        loaded.say_spent(&found.label);
        let model_facts = &identity.model;
        if !finished.is_empty() && model_facts.tokens.is_none() && model_facts.flops.is_none() {
            self.without_tokens.push(found.label.clone());
        }
        let groups = self.groups(found, &finished)?;
        for group in &groups {
            self.table.group(&found.label, group);
            summary.groups.push(GroupSummary {
                group: group.group.clone(),
                n: group.n,
                scores: group.scores.clone(),
            });
        }
        if self.args.lm_eval_output && !theirs.is_empty() {
            let written = lm_eval::Run {
                model: &loaded,
                label: &found.label,
                dir: &found.dir,
                tasks: theirs,
                groups: &groups,
                options: &self.options,
                start_secs,
                secs: start.elapsed().as_secs_f64(),
            }
            .write(&self.args.out.join("lm-eval"))?;
            self.n_same_output += usize::from(!written);
        }
        self.summaries.push(summary);
        Ok(Flow::Continue(()))
    }

    /// The model under a name that no other model has in the output folder.
    fn own_name(&mut self, found: &Found, model: &dyn LanguageModel) -> Result<Found, CellFault> {
        let (own, note) = owner::named(&self.args.out, found, &model.fingerprint(), &self.labels)?;
        if let Some(note) = note {
            output::note(&format!("note: {}: {note}", self.args.out.display()));
        }
        self.labels.insert(own.label.clone());
        Ok(own)
    }

    /// One task on one model.
    fn cell(
        &mut self,
        on: &Running<'_>,
        task: &Task,
        theirs: &mut Vec<TaskResults>,
    ) -> Result<(CellFile, CellSummary), CellFault> {
        let (model, label) = (on.model, on.label);
        let name = &task.config.task;
        if self.stop.is_asked() {
            return Err(CellFault::Stopped {
                done: 0,
                total: task.len() as u64,
            });
        }
        let plan = upturn_eval::plan(model, task, &self.options)
            .map_err(|e| CellFault::Refused(e.to_string()))?;
        if let Some(line) = one_choice(task, &plan)
            && self.one_choice.insert(line.clone())
        {
            warn(&line);
        }
        let paths = CellPaths::make(&self.args.out, label, name).map_err(CellFault::Write)?;
        let job = Job {
            model,
            label,
            identity: on.identity,
            task,
            options: &self.options,
            paths: &paths,
            said_replaced: &on.said_replaced,
        };
        let bar = CellProgress::start(
            &format!("{label} {name}"),
            plan.items.len(),
            model.work_so_far(),
        );
        let stop = self.stop;
        let cell = job.run(&plan, &mut |now, n_resumed| {
            bar.tell(now, n_resumed, &model.work_so_far());
            if stop.is_asked() {
                Flow::Break(())
            } else {
                Flow::Continue(())
            }
        });
        bar.end();
        let Cell { file, samples, ran } = cell?;
        if let Some(listener) = output::listener() {
            listener(output::Heard::Cell);
        }
        match &ran {
            Some(ran) => output::note(&progress::done_line(label, &file, ran)),
            None => output::note(&format!(
                "{label} {name}: kept, {} items",
                thousands(file.task.n_items)
            )),
        }
        if let (true, Some(samples)) = (self.args.lm_eval_output, &samples) {
            let results = lm_eval::task_results(task, &plan.items, &file, samples);
            theirs.push(results);
        }
        let summary = CellSummary {
            model: label.to_owned(),
            task: name.clone(),
            status: if ran.is_some() { "done" } else { "kept" },
            key: file.key.clone(),
            n_items: file.task.n_items,
            n_resumed: ran.map_or(file.task.n_items, |r| r.n_resumed),
            n_truncated: file.n_truncated,
            work: ran.map(|r| r.work),
            seconds: ran.map(|r| r.secs),
            scores: file.scores.clone(),
        };
        Ok((file, summary))
    }

    fn groups(
        &mut self,
        found: &Found,
        finished: &BTreeMap<String, CellFile>,
    ) -> Result<Vec<GroupScore>, Failure> {
        let roots = &self.selection.roots;
        match groups::write(&self.args.out, &found.label, roots, finished) {
            Ok((whole, partial)) => {
                if !partial.is_empty() {
                    warn(&format!(
                        "{}: no score of a group where one of its tasks has none: {}",
                        found.label,
                        listed(&partial)
                    ));
                }
                Ok(whole)
            }
            Err(CellFault::Write(line) | CellFault::Refused(line)) => {
                Err(Failure::new(Exit::Failed, line))
            }
            Err(CellFault::Stopped { .. }) => Ok(Vec::new()),
        }
    }

    /// The table of every cell in the output folder.
    fn write_measurements(&mut self) -> Result<usize, Failure> {
        // Held from reading to writing: of two runs that end together, the later writes all.
        let guard = Guard::take(&self.args.out).map_err(|fault| match fault {
            CellFault::Write(line) | CellFault::Refused(line) => Failure::new(Exit::Failed, line),
            CellFault::Stopped { .. } => Failure::new(Exit::Interrupted, "stopped"),
        })?;
        guard.clean(&self.args.out);
        let (rows, damaged) = cells::all_rows(&self.args.out);
        for path in damaged {
            warn(&format!(
                "{}: is no cell that this version reads, and is left out; remove it",
                path.display()
            ));
        }
        if rows.is_empty() {
            return Ok(0);
        }
        let mut good: Vec<Measurement> = Vec::with_capacity(rows.len());
        let mut bad = Gathered::default();
        for row in rows {
            match upturn_store::validate(&row) {
                Ok(()) => good.push(row),
                Err(e) => bad.add(
                    &format!("{} of {} on {}", row.metric, row.model, row.task),
                    &e.to_string(),
                ),
            }
        }
        for (reason, rows) in bad.into_messages() {
            warn(&format!(
                "{reason}; left out of {MEASUREMENTS}: {}",
                listed(&rows)
            ));
        }
        upturn_store::write_measurements_parquet(&self.args.out.join(MEASUREMENTS), &good)?;
        Ok(good.len())
    }

    /// Writes the table, says what there is to say, and gives the exit code.
    fn finish(mut self) -> Outcome {
        let n_rows = self.write_measurements()?;
        if !self.without_tokens.is_empty() {
            const N_SHOWN: usize = 4;
            let mut shown = self.without_tokens.clone();
            if shown.len() > N_SHOWN {
                let more = shown.len() - N_SHOWN;
                shown.truncate(N_SHOWN);
                shown.push(format!("{more} more"));
            }
            warn(&format!(
                "training tokens are not known for {}, so neither is compute; give them with \
                 --train-tokens MODEL=D, or with a line tokens = D in {} in the model's folder",
                shown.join(", "),
                models::SIDECAR
            ));
        }
        if self.n_same_output > 0 {
            output::note(&format!(
                "note: {}: results and samples of the same cells are there already; none were written again",
                self.args.out.join("lm-eval").display()
            ));
        }
        if self.args.json {
            summary::print(&self.args.out, &self.summaries, &self.refused.in_order)?;
        } else if n_rows > 0 {
            let unicode = output::text_options(Color::Never, false, None).unicode;
            output::print(&self.table.text(unicode))?;
        }
        let any = self.summaries.iter().any(|m| !m.cells.is_empty());
        if any {
            output::note(&format!(
                "{n_rows} measurements in {}; `upturn analyze {}` reads them",
                self.args.out.join(MEASUREMENTS).display(),
                self.args.out.display()
            ));
        }
        Ok(match (any, self.refused.in_order.is_empty()) {
            (false, _) => Exit::NoInput,
            (true, true) => Exit::Done,
            (true, false) => Exit::Refused,
        })
    }
}

/// Now, to measure durations that are shown.
#[expect(
    clippy::disallowed_methods,
    reason = "durations are shown to the user; no result depends on them"
)]
pub fn now() -> Instant {
    Instant::now()
}

/// Seconds since 1970, for the names and dates of lm-evaluation-harness files.
#[expect(
    clippy::disallowed_methods,
    reason = "lm-evaluation-harness puts the date into its files; no result depends on it"
)]
fn now_secs() -> f64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0.0, |d| d.as_secs_f64())
}
