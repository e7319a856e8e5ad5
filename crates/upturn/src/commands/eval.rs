//! `upturn eval`: models on tasks, cell by cell, from where the last run stopped.

mod args;
mod cells;
mod dry_run;
mod groups;
mod guard;
mod lm_eval;
mod memory;
mod models;
mod progress;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use serde::Serialize;
use upturn_catalog::Catalog;
use upturn_engine::Model;
use upturn_engine::error::ModelError;
use upturn_eval::{EvalOptions, GroupScore, MetricScore};
use upturn_store::lm_eval_write::TaskResults;
use upturn_tasks::{Library, OutputType, Selection, Task};
use upturn_types::{Flow, LanguageModel, Measurement, Work};

pub use self::args::Args;
use self::cells::{Cell, CellFault, CellFile, CellPaths, Job};
use self::guard::Guard;
use self::models::{Found, Identity, IdentitySummary, Told, TrainTokens, safe_name};
use self::progress::{CellProgress, Stop};
use self::table::{ResultTable, thousands};
use crate::datasets::FileDatasets;
use crate::exit::{Exit, Failure, Outcome};
use crate::inputs;
use crate::output::{self, Color};

/// The table of all cells, in the output folder.
const MEASUREMENTS: &str = "measurements.parquet";

/// Messages about what is refused: each once, on stderr as it comes.
#[derive(Debug, Default)]
struct Refusals {
    lines: BTreeSet<String>,
    in_order: Vec<String>,
}

impl Refusals {
    fn add(&mut self, message: String) {
        let line = message.replace(['\n', '\r'], " ");
        if self.lines.insert(line.clone()) {
            output::note(&format!("error: {line}"));
            self.in_order.push(line);
        }
    }
}

fn warn(message: &str) {
    output::note(&format!("warning: {message}"));
}

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
    let stop = Stop::install();
    let catalog = inputs::catalog(&[], &[])?;
    let mut refused = Refusals::default();
    let models = find_models(args, &mut refused);
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
    let tasks = load_tasks(args, &selection, &mut refused);
    if models.is_empty() || tasks.is_empty() {
        // Where something was refused, its own line says why nothing is left.
        return match refused.in_order.is_empty() {
            true => Err(Failure::usage("--tasks names no task")),
            false => Ok(Exit::NoInput),
        };
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
    };
    for model in &models {
        if run.model(model)?.is_break() {
            run.write_measurements()?;
            return Ok(Exit::Interrupted);
        }
    }
    run.finish()
}

/// Resolves every model asked for; what cannot be found is refused by its own line.
fn find_models(args: &Args, refused: &mut Refusals) -> Vec<Found> {
    let hub = progress::hub();
    let mut models = Vec::new();
    for asked in &args.model {
        match models::expand(asked, args.revision.as_deref()) {
            Err(line) => refused.add(line),
            Ok(names) => {
                for (name, revision) in names {
                    match Found::resolve(name, revision, &hub) {
                        Ok(found) => models.push(found),
                        Err(line) => refused.add(line),
                    }
                }
            }
        }
    }
    models::make_unique(&mut models);
    models
}

/// Chooses tasks; where one name is not known, the others go on.
fn select(args: &Args, refused: &mut Refusals) -> Result<Selection, Failure> {
    let library = Library::open(&args.include_path).map_err(Failure::usage)?;
    for line in library.warnings() {
        warn(line);
    }
    let selection = match library.select_runnable(&args.tasks) {
        Ok(selection) => selection,
        Err(_) => {
            let mut joined = Selection::default();
            for name in &one_by_one(&args.tasks) {
                match library.select_runnable(std::slice::from_ref(name)) {
                    Ok(one) => {
                        joined.roots.extend(one.roots);
                        joined.left_out.extend(one.left_out);
                    }
                    Err(e) => refused.add(e.to_string()),
                }
            }
            joined
        }
    };
    for (_, reason) in &selection.left_out {
        refused.add(reason.to_string());
    }
    Ok(selection)
}

/// The names, with every folder as its files: a file that is wrong then costs itself alone.
fn one_by_one(names: &[String]) -> Vec<String> {
    names
        .iter()
        .flat_map(|name| {
            let folder = Path::new(name);
            match folder
                .is_dir()
                .then(|| upturn_tasks::index::yaml_files(folder))
            {
                Some(Ok(files)) => files
                    .into_iter()
                    .filter(|file| {
                        // Files that define neither a task nor a group are parts of others.
                        upturn_tasks::index::scan_file(file).is_some()
                    })
                    .map(|file| file.display().to_string())
                    .collect(),
                _ => vec![name.clone()],
            }
        })
        .collect()
}

/// Reads the data of the tasks; a task that cannot be loaded is refused by its own line.
fn load_tasks(args: &Args, selection: &Selection, refused: &mut Refusals) -> Vec<Task> {
    let datasets = FileDatasets::new(progress::hub());
    let mut tasks: Vec<Task> = Vec::new();
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for config in selection.tasks() {
        let file = safe_name(&config.task);
        if let Some(other) = names.get(&file).filter(|other| **other != config.task) {
            refused.add(format!(
                "task '{}' would be written to the files of task '{other}'; rename one of them",
                config.task
            ));
            continue;
        }
        names.insert(file, config.task.clone());
        let mut config = Arc::clone(config);
        if let Some(words) = &args.gen_kwargs
            && config.output_type == OutputType::GenerateUntil
            && let Err(reason) = Arc::make_mut(&mut config).override_generation(words)
        {
            refused.add(format!("--gen-kwargs: {reason}"));
            continue;
        }
        for line in &config.warnings {
            warn(line);
        }
        match Task::load(config, &datasets, args.num_fewshot) {
            Ok(task) => tasks.push(task),
            Err(e) => refused.add(e.to_string()),
        }
    }
    tasks
}

/// What the machine summary says of a cell.
#[derive(Debug, Serialize)]
struct CellSummary {
    model: String,
    task: String,
    status: &'static str,
    key: String,
    n_items: u64,
    n_resumed: u64,
    n_truncated: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    work: Option<Work>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    scores: Vec<MetricScore>,
}

#[derive(Debug, Serialize)]
struct GroupSummary {
    group: String,
    n: u64,
    scores: Vec<MetricScore>,
}

#[derive(Debug, Serialize)]
struct ModelSummary {
    #[serde(flatten)]
    identity: serde_json::Value,
    cells: Vec<CellSummary>,
    groups: Vec<GroupSummary>,
}

#[derive(Debug, Serialize)]
struct Summary<'s> {
    out: String,
    measurements: String,
    models: &'s [ModelSummary],
    refused: &'s [String],
}

fn load(args: &Args, found: &Found, kv_bytes: u64) -> Result<Model, String> {
    let options = args.model_options(&found.label, kv_bytes);
    Model::load(&found.dir, options).map_err(|e| match e {
        // Says the file itself.
        ModelError::File { .. } => e.to_string(),
        e => format!("{}: {e}", found.dir.display()),
    })
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
        let model = match load(self.args, found, self.kv_bytes) {
            Ok(model) => model,
            Err(line) => {
                self.refused.add(line);
                return Ok(Flow::Continue(()));
            }
        };
        let told = Told {
            family: self.args.family.as_deref(),
            tokens: &self.args.train_tokens,
        };
        let identity = models::identity(
            found,
            model.n_params(),
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
        for task in self.tasks {
            match self.cell(&model, &identity, task, &mut theirs) {
                Ok((cell, line)) => {
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
                    self.stop.explain(Some(&place));
                    self.summaries.push(summary);
                    return Ok(Flow::Break(()));
                }
            }
        }
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
            lm_eval::Run {
                model: &model,
                dir: &found.dir,
                tasks: theirs,
                groups: &groups,
                options: &self.options,
                start_secs,
                secs: start.elapsed().as_secs_f64(),
            }
            .write(&self.args.out.join("lm-eval"))?;
        }
        self.summaries.push(summary);
        Ok(Flow::Continue(()))
    }

    /// One task on one model.
    fn cell(
        &mut self,
        model: &Model,
        identity: &Identity,
        task: &Task,
        theirs: &mut Vec<TaskResults>,
    ) -> Result<(CellFile, CellSummary), CellFault> {
        let name = &task.config.task;
        if self.stop.is_asked() {
            return Err(CellFault::Stopped {
                done: 0,
                total: task.len() as u64,
            });
        }
        let plan = upturn_eval::plan(model, task, &self.options)
            .map_err(|e| CellFault::Refused(e.to_string()))?;
        let paths =
            CellPaths::make(&self.args.out, model.name(), name).map_err(CellFault::Write)?;
        let job = Job {
            model,
            identity,
            task,
            options: &self.options,
            paths: &paths,
        };
        let bar = CellProgress::start(
            &format!("{} {name}", model.name()),
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
        match &ran {
            Some(ran) => output::note(&progress::done_line(model.name(), &file, ran)),
            None => output::note(&format!(
                "{} {name}: kept, {} items",
                model.name(),
                thousands(file.task.n_items)
            )),
        }
        if file.n_truncated > 0 {
            warn(&format!(
                "{} {name}: the context of {} requests was cut to the model's length of {}",
                model.name(),
                thousands(file.n_truncated),
                model.max_length()
            ));
        }
        for score in &file.not_finite {
            warn(&format!(
                "{} {name}: {score} is no finite number and is left out",
                model.name()
            ));
        }
        if let (true, Some(samples)) = (self.args.lm_eval_output, &samples) {
            let results = lm_eval::task_results(task, &plan.items, &file, samples);
            theirs.push(results);
        }
        let summary = CellSummary {
            model: model.name().to_owned(),
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
                for group in partial {
                    warn(&format!(
                        "{} {group}: no score of the group, because some of its tasks have none",
                        found.label
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
        for row in rows {
            match upturn_store::validate(&row) {
                Ok(()) => good.push(row),
                Err(e) => warn(&e.to_string()),
            }
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
        if self.args.json {
            let summary = Summary {
                out: self.args.out.display().to_string(),
                measurements: self.args.out.join(MEASUREMENTS).display().to_string(),
                models: &self.summaries,
                refused: &self.refused.in_order,
            };
            let text = serde_json::to_string_pretty(&summary)
                .map_err(|e| Failure::new(Exit::Failed, e))?;
            output::print(&text)?;
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
fn now() -> Instant {
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
