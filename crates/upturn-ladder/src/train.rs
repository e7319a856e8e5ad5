//! Trains a plan into a folder: members, checkpoints, finetunes.
//!
//! ```text
//! out/chars-w32-l2/           config.json, model.safetensors, tokenizer files, upturn.toml,
//!                             plan.json (what determines these bytes), train.csv
//! out/chars-w32-l2/checkpoints/step-00000123/    the same without plan and log
//! out/chars-w32-l2-scratchpad/                   a finetune
//! ```
//!
//! While a member is trained, `state.safetensors` and `progress-STEP.json` are in its folder;
//! where it failed, `failed.txt` says why, and the next training tries again.
//!
//! `train_loss_nats` in a folder's `upturn.toml` is a held-out loss: the mean per counted target
//! over the same documents for all members of a mixture, at most 32,768 tokens and at most a
//! sixteenth of the training's (but 2,048), in a random order of their own. Texts among
//! them are held out; items of generated tasks are fresh draws from the training split, so
//! that no item of an evaluation is touched.
//!
//! Members are taken side by side, each on a thread of its own, but for those that would be
//! waited for at the end: they have all threads of the current rayon pool.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Mutex;

use crate::disk;
use crate::error::LadderError;
use crate::member::Member;
use crate::plan::Plan;
use crate::queue;
use crate::run::{self, End, Found};
use crate::sidecar::{self, Facts};
use crate::watch::{Event, Watch};

/// What may be asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Removes folders of members of another plan. Folders that no ladder wrote are never
    /// removed.
    pub replace: bool,
}

/// How a training of a plan ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// In the order of the plan.
    pub members: Vec<MemberReport>,
    /// Whether it was stopped by its watch: going on later gives the same bytes.
    pub stopped: bool,
}

impl Report {
    /// Whether every member is there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.members
            .iter()
            .all(|m| matches!(m.outcome, Outcome::Finished { .. }))
    }
}

/// How one member ended.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberReport {
    /// Its name.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a member ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Its folder is complete.
    Finished {
        /// Whether it was so before.
        kept: bool,
        /// Held-out loss.
        loss_nats: f64,
        /// Tokens seen, the parent's included.
        tokens: u64,
        /// FLOPs, the parent's included.
        flops: u64,
    },
    /// Stopped; work is saved after this step.
    Stopped {
        /// Updates made.
        step: u64,
    },
    /// It was not its turn before the training was stopped.
    Waiting,
    /// A step or a file failed.
    Failed {
        /// Why, in one line.
        reason: String,
    },
    /// A finetune whose parent is not finished.
    Skipped {
        /// Why, in one line.
        reason: String,
    },
}

impl Outcome {
    fn finished(facts: &Facts, kept: bool) -> Self {
        Outcome::Finished {
            kept,
            loss_nats: facts.loss_nats,
            tokens: facts.tokens,
            flops: facts.flops,
        }
    }
}

/// Trains what is missing of a plan in `out`.
///
/// # Errors
/// Before anything is trained: where `out` cannot be written, is in use by another training,
/// or holds members of another plan. What happens to a member is in the report.
pub fn train(plan: &Plan, out: &Path, watch: &dyn Watch) -> Result<Report, LadderError> {
    train_with(plan, out, &Options::default(), watch)
}

/// As [`train`], with options.
///
/// # Errors
/// As [`train`].
pub fn train_with(
    plan: &Plan,
    out: &Path,
    options: &Options,
    watch: &dyn Watch,
) -> Result<Report, LadderError> {
    disk::make_dir(out)?;
    let _lock = lock(out)?;
    let mut outcomes: BTreeMap<&str, Outcome> = BTreeMap::new();
    let mut missing: Vec<&Member> = Vec::new();
    let mut others: Vec<&Member> = Vec::new();
    for member in &plan.members {
        let dir = out.join(&member.name);
        match run::look(plan, member, &dir) {
            Ok(Found::Finished) => {
                let facts = sidecar::read(&dir)?;
                outcomes.insert(&member.name, Outcome::finished(&facts, true));
            }
            Ok(Found::Nothing | Found::Begun) => missing.push(member),
            Err(_) if options.replace && dir.join(run::PLAN).is_file() => {
                others.push(member);
                missing.push(member);
            }
            Err(e) => return Err(e),
        }
    }
    // Only once nothing is refused.
    for member in others {
        disk::remove_dir(&out.join(&member.name))?;
    }
    for member in &plan.members {
        if outcomes.contains_key(member.name.as_str()) {
            watch.event(&Event::Kept {
                member: &member.name,
            });
        }
    }

    let (finetunes, members): (Vec<&Member>, Vec<&Member>) =
        missing.into_iter().partition(|m| m.parent.is_some());
    outcomes.extend(train_all(plan, &members, out, watch));
    let mut ready = Vec::new();
    for finetune in finetunes {
        let parent = finetune.parent.as_deref().unwrap_or_default();
        let outcome = match outcomes.get(parent) {
            Some(Outcome::Finished { .. }) => {
                ready.push(finetune);
                continue;
            }
            Some(Outcome::Failed { reason }) => Outcome::Skipped {
                reason: format!("it starts from {parent}, which failed: {reason}"),
            },
            _ => Outcome::Waiting,
        };
        if let Outcome::Skipped { reason } = &outcome {
            watch.event(&Event::Skipped {
                member: &finetune.name,
                reason,
            });
        }
        outcomes.insert(&finetune.name, outcome);
    }
    outcomes.extend(train_all(plan, &ready, out, watch));

    let unfinished = |o: &Outcome| matches!(o, Outcome::Stopped { .. } | Outcome::Waiting);
    let stopped = outcomes.values().any(unfinished);
    let members = plan
        .members
        .iter()
        .map(|m| MemberReport {
            name: m.name.clone(),
            outcome: outcomes.remove(m.name.as_str()).unwrap_or(Outcome::Waiting),
        })
        .collect();
    Ok(Report { members, stopped })
}

/// Held while a training writes to a folder.
fn lock(out: &Path) -> Result<File, LadderError> {
    let path = out.join(".lock");
    let file = File::create(&path).map_err(|e| LadderError::cannot_write(&path, &e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            let message = "another training writes to this folder; wait for it, or choose another";
            Err(LadderError::file(out, message))
        }
        // A file system without locks.
        Err(std::fs::TryLockError::Error(_)) => Ok(file),
    }
}

/// Trains members that do not depend on each other.
fn train_all<'a>(
    plan: &Plan,
    members: &[&'a Member],
    out: &Path,
    watch: &dyn Watch,
) -> BTreeMap<&'a str, Outcome> {
    let threads = rayon::current_num_threads();
    let work: Vec<f64> = members.iter().map(|m| m.flops).collect();
    let (large, small) = queue::split(&work, threads);
    let mut outcomes = BTreeMap::new();
    for i in large {
        outcomes.insert(
            members[i].name.as_str(),
            train_one(plan, members[i], out, watch),
        );
    }

    let found = Mutex::new(Vec::new());
    let waiting = Mutex::new(small.into_iter());
    let next = || match waiting.lock() {
        Ok(mut waiting) => waiting.next(),
        Err(_) => None,
    };
    let workers = threads.min(members.len());
    std::thread::scope(|scope| {
        let work = || {
            // Nested parallel work stays on this thread.
            let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
            while let Some(i) = next() {
                let outcome = match &pool {
                    Ok(pool) => pool.install(|| train_one(plan, members[i], out, watch)),
                    Err(_) => train_one(plan, members[i], out, watch),
                };
                if let Ok(mut found) = found.lock() {
                    found.push((members[i].name.as_str(), outcome));
                }
            }
        };
        for _ in 0..workers {
            scope.spawn(work);
        }
    });
    outcomes.extend(found.into_inner().unwrap_or_default());
    outcomes
}

fn train_one(plan: &Plan, member: &Member, out: &Path, watch: &dyn Watch) -> Outcome {
    if watch.stop() {
        return Outcome::Waiting;
    }
    match run::run(plan, member, out, watch) {
        Ok(End::Finished(facts)) => Outcome::finished(&facts, false),
        Ok(End::Stopped(step)) => Outcome::Stopped { step },
        Err(e) => {
            let reason = e.to_string();
            // The report has it too, should the folder not take it.
            let path = out.join(&member.name).join(run::FAILED);
            let _ = std::fs::write(path, format!("{reason}\n"));
            watch.event(&Event::Failed {
                member: &member.name,
                reason: &reason,
            });
            Outcome::Failed { reason }
        }
    }
}
