//! Cells on disk: one model on one task, finished, interrupted or not begun.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use upturn_eval::{CellPlan, EvalError, EvalOptions, ItemResponse, MetricScore, Progress};
use upturn_store::journal::Journal;
use upturn_store::sample_table::{CellIdentity, read_samples, write_samples};
use upturn_store::{StoreError, write_bytes};
use upturn_tasks::Task;
use upturn_types::{Flow, LanguageModel, Measurement, Sample, Work};

use super::guard::Guard;
use super::models::{Identity, safe_name};

/// Version of the format of a cell's file.
const VERSION: u32 = 1;

/// A finished cell as its file has it. Nothing in it depends on time or interruptions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CellFile {
    /// Format version.
    pub upturn_cell: u32,
    /// SHA-256 of all that decides the result.
    pub key: String,
    /// The task.
    pub task: TaskFacts,
    /// Requests whose context was cut because the model is too short.
    pub n_truncated: u64,
    /// Scores that are no finite number (`perplexity infinite`), and are left out below.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_finite: Vec<String>,
    /// Scores, the task's own metrics first.
    pub scores: Vec<MetricScore>,
    /// The rows for the table of measurements.
    pub rows: Vec<Measurement>,
}

/// What a cell says about its task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskFacts {
    /// Name.
    pub name: String,
    /// Name in tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// The file it comes from.
    pub file: String,
    /// Version in its metadata.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Kind of requests.
    pub output_type: String,
    /// Split evaluated.
    pub split: String,
    /// Examples in the prompt.
    pub shots: usize,
    /// Items evaluated.
    pub n_items: u64,
}

impl TaskFacts {
    fn of(task: &Task, n_items: u64) -> Self {
        TaskFacts {
            name: task.config.task.clone(),
            alias: task.config.task_alias.clone(),
            file: task.config.file.display().to_string(),
            version: task.config.version(),
            output_type: task.config.output_type.name().to_owned(),
            split: task.split().to_owned(),
            shots: task.num_fewshot,
            n_items,
        }
    }
}

/// Where the files of a cell are.
#[derive(Debug, Clone)]
pub struct CellPaths {
    /// The output folder.
    pub out: PathBuf,
    /// Samples.
    pub samples: PathBuf,
    /// Key, scores, rows.
    pub cell: PathBuf,
    /// Finished items of a run that is not finished.
    pub journal: PathBuf,
}

impl CellPaths {
    /// Below `out`, named after model and task; the folders are made.
    pub fn make(out: &Path, model: &str, task: &str) -> Result<Self, String> {
        let (model, task) = (safe_name(model), safe_name(task));
        let folder = |kind: &str| {
            let folder = out.join(kind).join(&model);
            std::fs::create_dir_all(&folder)
                .map(|()| folder.clone())
                .map_err(|e| format!("cannot make the folder {}: {e}", folder.display()))
        };
        let cells = folder("cells")?;
        Ok(CellPaths {
            out: out.to_path_buf(),
            samples: folder("samples")?.join(format!("{task}.parquet")),
            cell: cells.join(format!("{task}.json")),
            journal: cells.join(format!("{task}.journal")),
        })
    }
}

/// A cell after this run.
#[derive(Debug)]
pub struct Cell {
    /// What its file holds.
    pub file: CellFile,
    /// Its samples, where they were made now or asked for.
    pub samples: Option<Vec<Sample>>,
    /// What this run did for it; `None` where it was there before.
    pub ran: Option<Ran>,
}

/// What was done for a cell.
#[derive(Debug, Clone, Copy)]
pub struct Ran {
    /// Work of this run.
    pub work: Work,
    /// Items finished before.
    pub n_resumed: u64,
    /// Duration in seconds.
    pub secs: f64,
}

/// Why a cell has no result.
#[derive(Debug)]
pub enum CellFault {
    /// It is refused, for a reason in one line; others can go on.
    Refused(String),
    /// The user asked to stop; so many items of so many are kept.
    Stopped { done: u64, total: u64 },
    /// Nothing can be written: there is no use in going on.
    Write(String),
}

impl From<StoreError> for CellFault {
    fn from(e: StoreError) -> Self {
        CellFault::Write(e.to_string())
    }
}

/// A cell to run: everything it depends on.
#[derive(Clone, Copy)]
pub struct Job<'j> {
    /// Loaded model.
    pub model: &'j dyn LanguageModel,
    /// Its name in results.
    pub label: &'j str,
    /// Who it is.
    pub identity: &'j Identity,
    /// Loaded task.
    pub task: &'j Task,
    /// How tasks are run.
    pub options: &'j EvalOptions,
    /// Files.
    pub paths: &'j CellPaths,
    /// Whether it was said of this model that cells are replaced.
    pub said_replaced: &'j std::cell::Cell<bool>,
}

impl Job<'_> {
    /// Keeps the cell that is there, or asks the model for what is missing and writes it.
    pub fn run(
        &self,
        plan: &CellPlan,
        progress: &mut dyn FnMut(Progress, u64) -> Flow,
    ) -> Result<Cell, CellFault> {
        if let Some(kept) = self.kept(plan)? {
            return Ok(kept);
        }
        if read_cell(&self.paths.cell).is_some_and(|c| c.key != plan.key)
            && !self.said_replaced.replace(true)
        {
            crate::output::note(&format!(
                "note: {}: cells that are there with other data or options are replaced, {} first",
                self.label, self.task.config.task
            ));
        }
        let start = super::now();
        let (journal, responses) = Journal::open(&self.paths.journal, &plan.key)
            .map_err(|e| CellFault::Refused(e.to_string()))?;
        let finished: BTreeMap<u64, ItemResponse> = responses
            .into_iter()
            .filter_map(|(item, value)| Some((item, serde_json::from_value(value).ok()?)))
            .collect();
        let n_resumed = plan
            .items
            .iter()
            .filter(|i| finished.contains_key(&i.doc_id))
            .count() as u64;
        let total = plan.items.len() as u64;
        let mut done = n_resumed;
        let mut write_failed = false;
        let result = {
            let mut record = |item: u64, response: &ItemResponse| {
                let value = serde_json::to_value(response).map_err(|e| e.to_string())?;
                journal.append(item, &value).map_err(|e| {
                    write_failed = true;
                    e.to_string()
                })
            };
            let mut tell = |now: Progress| {
                done = now.done;
                progress(now, n_resumed)
            };
            upturn_eval::run(
                self.model,
                self.task,
                plan,
                self.options,
                &finished,
                &mut record,
                &mut tell,
            )
        };
        let result = result.map_err(|e| match e {
            EvalError::Stopped => CellFault::Stopped { done, total },
            e if write_failed => CellFault::Write(e.to_string()),
            e => CellFault::Refused(e.to_string()),
        });
        let result = match result {
            Ok(result) => result,
            Err(fault) => {
                if done == 0 {
                    // A journal without a single item is of no use to anyone.
                    journal.finish()?;
                } else {
                    journal.sync()?;
                }
                return Err(fault);
            }
        };
        let file = self.file(plan, result.scores, result.n_truncated, result.n_items);
        self.write(&file, &result.samples)?;
        journal.finish()?;
        Ok(Cell {
            file,
            samples: Some(result.samples),
            ran: Some(Ran {
                work: result.work,
                n_resumed: result.n_resumed,
                secs: start.elapsed().as_secs_f64(),
            }),
        })
    }

    /// The cell that is there, when it has this key; what is said about the model is renewed.
    fn kept(&self, plan: &CellPlan) -> Result<Option<Cell>, CellFault> {
        let Some(old) = read_cell(&self.paths.cell).filter(|c| c.key == plan.key) else {
            return Ok(None);
        };
        let file = self.file(plan, old.scores.clone(), old.n_truncated, old.task.n_items);
        let file = CellFile {
            not_finite: old.not_finite.clone(),
            ..file
        };
        let renew = file != old;
        // Read even where nothing needs them: a damaged file is done anew.
        let samples = match read_samples(&self.paths.samples) {
            Ok((_, samples)) => Some(samples),
            Err(_) => return Ok(None),
        };
        if let (true, Some(samples)) = (renew, &samples) {
            self.write(&file, samples)?;
        }
        // A run that was killed after its last write left the journal of a finished cell.
        if self.paths.journal.is_file()
            && let Ok((journal, _)) = Journal::open(&self.paths.journal, &plan.key)
        {
            journal.finish()?;
        }
        Ok(Some(Cell {
            file,
            samples,
            ran: None,
        }))
    }

    fn file(
        &self,
        plan: &CellPlan,
        scores: Vec<MetricScore>,
        n_truncated: u64,
        n_items: u64,
    ) -> CellFile {
        let (scores, others): (Vec<_>, Vec<_>) = scores
            .into_iter()
            .partition(|s| s.value.is_finite() && s.stderr.is_none_or(f64::is_finite));
        let mut rows =
            upturn_eval::measurements(&self.identity.model, self.task, self.options, &scores);
        for row in &mut rows {
            for flag in &self.identity.flags {
                row.add_flag(flag);
            }
            if n_items < plan.items.len() as u64 {
                row.add_flag(upturn_types::flag::STOPPED);
            }
        }
        CellFile {
            upturn_cell: VERSION,
            key: plan.key.clone(),
            task: TaskFacts::of(self.task, n_items),
            n_truncated,
            not_finite: others
                .iter()
                .map(|s| format!("{} {}", s.metric, s.value))
                .collect(),
            scores,
            rows,
        }
    }

    /// Writes the samples, then the cell: where the cell is, the samples are too.
    fn write(&self, file: &CellFile, samples: &[Sample]) -> Result<(), CellFault> {
        let guard = Guard::take(&self.paths.out)?;
        for path in [&self.paths.samples, &self.paths.cell] {
            path.parent().into_iter().for_each(|f| guard.clean(f));
        }
        write_samples(&self.paths.samples, &self.cell_identity(file), samples)?;
        let mut json =
            serde_json::to_vec_pretty(file).map_err(|e| CellFault::Write(e.to_string()))?;
        json.push(b'\n');
        write_bytes(&self.paths.cell, &json)?;
        Ok(())
    }

    fn cell_identity(&self, file: &CellFile) -> CellIdentity {
        // What rows and samples have in common is said once, by the rows.
        let mut row = file.rows.first().cloned().unwrap_or_else(|| {
            let model = &self.identity.model;
            Measurement::new(&model.family, &model.model, &file.task.name, "none", 0.0)
        });
        row.derive_flops();
        CellIdentity {
            family: row.family,
            model: row.model,
            checkpoint_step: row.checkpoint_step,
            tuning: row.tuning,
            params: row.params,
            tokens: row.tokens,
            flops: row.flops,
            flops_kind: row.flops_kind,
            train_loss_nats: row.train_loss_nats,
            task: row.task,
            subset: row.subset,
            split: row.split,
            method: row.method,
            shots: row.shots,
            seed: row.seed,
        }
    }
}

/// A cell's file; `None` where there is none, or none that this version reads.
pub fn read_cell(path: &Path) -> Option<CellFile> {
    let bytes = std::fs::read(path).ok()?;
    let cell: CellFile = serde_json::from_slice(&bytes).ok()?;
    (cell.upturn_cell == VERSION).then_some(cell)
}

/// All rows of the files in `cells/` and `groups/`, by folder and name, with the files that
/// are not what they should be.
pub fn all_rows(out: &Path) -> (Vec<Measurement>, Vec<PathBuf>) {
    let mut rows = Vec::new();
    let mut damaged = Vec::new();
    for kind in ["cells", "groups"] {
        for folder in sorted(&out.join(kind)) {
            for path in sorted(&folder) {
                if path.extension().is_none_or(|e| e != "json") {
                    continue;
                }
                match read_cell(&path) {
                    Some(cell) => rows.extend(cell.rows),
                    None => damaged.push(path),
                }
            }
        }
    }
    (rows, damaged)
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|e| e.path()).collect();
    paths.sort();
    paths
}
