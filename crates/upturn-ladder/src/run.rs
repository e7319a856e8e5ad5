//! The training of one member, from its first step or its last save to its folder.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use upturn_engine::train::{AdamW, Batch, Trainer};

use crate::describe;
use crate::disk;
use crate::error::LadderError;
use crate::flops;
use crate::member::Member;
use crate::mixture::{Mixture, Sequence, Side};
use crate::plan::Plan;
use crate::saved::{self, LOG, Progress};
use crate::sidecar::{self, Facts};
use crate::watch::{self, Event, Watch};

/// Name of the file that says what determines a folder's bytes.
pub(crate) const PLAN: &str = "plan.json";
/// Name of the file that says why a member could not be finished.
pub(crate) const FAILED: &str = "failed.txt";
/// Folder of the checkpoints.
const CHECKPOINTS: &str = "checkpoints";
/// Lines of a log, about.
const LOG_LINES: u64 = 2_000;
/// Seconds between saves.
const SAVE_SECS: f64 = 20.0;
/// FLOPs between saves where there is no clock.
const SAVE_FLOPS: u64 = 500_000_000_000;
/// Tokens that the held-out loss is measured on: at most, at least, and as a share of the
/// training's.
const HELD_OUT_MOST: u64 = 32_768;
const HELD_OUT_LEAST: u64 = 2_048;
const HELD_OUT_SHARE: u64 = 16;

/// How a training ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum End {
    Finished(Facts),
    /// Work is saved after this step.
    Stopped(u64),
}

impl PartialEq for Facts {
    fn eq(&self, other: &Self) -> bool {
        (self.tokens, self.flops, self.loss_nats.to_bits(), self.step)
            == (
                other.tokens,
                other.flops,
                other.loss_nats.to_bits(),
                other.step,
            )
    }
}

/// What stands in a member's folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    /// Begun by the same plan.
    Begun,
    Finished,
}

/// Looks into a member's folder; the error says how its plan differs.
pub(crate) fn look(plan: &Plan, member: &Member, dir: &Path) -> Result<Found, LadderError> {
    let names = disk::names(dir)?;
    if names.is_empty() {
        return Ok(Found::Nothing);
    }
    let path = dir.join(PLAN);
    let Ok(text) = fs::read_to_string(&path) else {
        // A kill or a failure before the first file was complete.
        if names.iter().all(|n| n.ends_with(".partial") || n == FAILED) {
            return Ok(Found::Nothing);
        }
        let message = "holds files that are not a ladder's; choose another folder to train into";
        return Err(LadderError::file(dir, message));
    };
    let theirs: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    if theirs["hash"] != member.hash.as_str() {
        let ours = plan.descriptions.get(&member.name);
        let difference = ours.and_then(|ours| describe::difference(&theirs["plan"], ours));
        let message = format!(
            "holds a member of another plan ({}); train into another folder, or ask for members to be replaced",
            difference.unwrap_or_else(|| "its plan.json was changed".to_owned())
        );
        return Err(LadderError::file(dir, message));
    }
    let has = |name: &str| names.iter().any(|n| n == name);
    let mut files = vec![
        "config.json",
        "generation_config.json",
        "model.safetensors",
        sidecar::FILE,
        LOG,
    ];
    files.extend(plan.tokenizer.files().map(|(name, _)| name));
    let checkpoints = member.checkpoints.iter().filter(|s| **s < member.steps);
    let whole = files.iter().all(|f| has(f))
        && !has(saved::STATE)
        && checkpoints
            .into_iter()
            .all(|s| checkpoint_dir(dir, *s).exists());
    Ok(if whole { Found::Finished } else { Found::Begun })
}

fn checkpoint_dir(dir: &Path, step: u64) -> PathBuf {
    dir.join(CHECKPOINTS).join(format!("step-{step:08}"))
}

/// A member in training.
pub(crate) struct Run<'a> {
    plan: &'a Plan,
    member: &'a Member,
    mixture: &'a Mixture,
    dir: PathBuf,
    /// FLOPs of the parent, counted over its sequences.
    parent_flops: u64,
    watch: &'a dyn Watch,
    trainer: Trainer,
    progress: Progress,
    log: BufWriter<File>,
    space: Sequence,
    batch: Batch,
    saved_secs: f64,
    saved_flops: u64,
}

/// Trains a member in `out`, or goes on with it.
pub(crate) fn run(
    plan: &Plan,
    member: &Member,
    out: &Path,
    watch: &dyn Watch,
) -> Result<End, LadderError> {
    Run::open(plan, member, out, watch)?.go()
}

impl<'a> Run<'a> {
    fn open(
        plan: &'a Plan,
        member: &'a Member,
        out: &Path,
        watch: &'a dyn Watch,
    ) -> Result<Self, LadderError> {
        let dir = out.join(&member.name);
        disk::make_dir(&dir)?;
        disk::sweep(&dir)?;
        disk::sweep(&dir.join(CHECKPOINTS))?;
        let description = &plan.descriptions[&member.name];
        let text = describe::file(description, &member.hash);
        disk::write(&dir.join(PLAN), text.as_bytes())?;
        disk::remove_file(&dir.join(FAILED))?;

        let mut parent_flops = 0;
        let mut trainer = match &member.parent {
            None => Trainer::new(member.shape, &member.init, member.rates)?,
            Some(parent) => {
                let folder = out.join(parent);
                parent_flops = sidecar::read(&folder)?.flops;
                Trainer::from_folder(&folder, member.rates)?
            }
        };
        let log = dir.join(LOG);
        let (progress, file) = match saved::load(&dir, &mut trainer)? {
            Some(progress) => (progress, OpenOptions::new().append(true).open(&log)),
            None => (Progress::default(), File::create(&log)),
        };
        let file = file.map_err(|e| LadderError::cannot_write(&log, &e))?;
        let mut run = Run {
            plan,
            member,
            mixture: &plan.mixtures[member.mixture],
            dir,
            parent_flops,
            watch,
            trainer,
            saved_secs: watch.clock_secs().unwrap_or(0.0),
            saved_flops: progress.flops,
            progress,
            log: BufWriter::new(file),
            space: Sequence::default(),
            batch: Batch::default(),
        };
        if run.progress.log_bytes == 0 {
            run.line("step,tokens,flops,loss_nats,lr,grad_norm\n")?;
        }
        watch.event(&Event::Started {
            member: &member.name,
            step: run.trainer.step(),
            threads: rayon::current_num_threads(),
        });
        Ok(run)
    }

    fn go(mut self) -> Result<End, LadderError> {
        let steps = self.member.steps;
        while self.trainer.step() < steps {
            self.step()?;
            let step = self.trainer.step();
            let checkpoint = step < steps && self.member.checkpoints.contains(&step);
            if checkpoint {
                self.checkpoint()?;
            }
            if self.watch.stop() {
                self.save()?;
                return Ok(End::Stopped(step));
            }
            if checkpoint || (step < steps && self.save_is_due()) {
                self.save()?;
            }
        }
        self.finish().map(End::Finished)
    }

    /// One update, its line in the log, and word of it.
    fn step(&mut self) -> Result<(), LadderError> {
        let member = self.member;
        let steps = member.steps;
        self.progress.document = self.mixture.batch(
            member.data_seed,
            self.progress.document,
            member.batch_tokens,
            Side::Train,
            &mut self.space,
            &mut self.batch,
        );
        let sum = self.trainer.accumulate(&self.batch)?;
        let loss_nats = sum / self.trainer.n_targets() as f64;
        let share = member.schedule.at(self.trainer.step(), steps);
        let settings = AdamW {
            lr: (f64::from(member.optimizer.lr) * share) as f32,
            ..member.optimizer
        };
        let stats = self.trainer.apply(&settings)?;

        let step = self.trainer.step();
        let tokens = step * member.batch_tokens as u64;
        self.progress.flops += flops::of_batch(&member.shape, &self.batch.lengths);
        let losses = f64::from_bits(self.progress.loss_bits) + loss_nats;
        self.progress.loss_bits = losses.to_bits();
        self.progress.n_losses += 1;
        let every = steps.div_ceil(LOG_LINES).max(1);
        if step.is_multiple_of(every) || step == steps {
            let line = format!(
                "{step},{tokens},{},{:.6},{:.6e},{:.6}\n",
                self.progress.flops,
                losses / self.progress.n_losses as f64,
                settings.lr,
                stats.grad_norm,
            );
            self.line(&line)?;
            self.progress.loss_bits = 0f64.to_bits();
            self.progress.n_losses = 0;
        }
        self.watch.progress(&watch::Progress {
            member: &member.name,
            step,
            steps,
            tokens,
            tokens_total: member.tokens,
            flops: self.progress.flops as f64,
            loss_nats,
        });
        Ok(())
    }

    fn line(&mut self, line: &str) -> Result<(), LadderError> {
        let path = self.dir.join(LOG);
        self.progress.log_bytes += line.len() as u64;
        self.log
            .write_all(line.as_bytes())
            .map_err(|e| LadderError::cannot_write(&path, &e))
    }

    fn save_is_due(&self) -> bool {
        match self.watch.clock_secs() {
            Some(now) => now - self.saved_secs >= SAVE_SECS,
            None => self.progress.flops - self.saved_flops >= SAVE_FLOPS,
        }
    }

    fn save(&mut self) -> Result<(), LadderError> {
        let path = self.dir.join(LOG);
        let synced = self
            .log
            .flush()
            .and_then(|()| self.log.get_ref().sync_all());
        synced.map_err(|e| LadderError::cannot_write(&path, &e))?;
        saved::save(&self.dir, &self.trainer, &self.progress)?;
        self.saved_secs = self.watch.clock_secs().unwrap_or(0.0);
        self.saved_flops = self.progress.flops;
        Ok(())
    }

    /// Mean loss per counted target on the same documents for all members of a mixture.
    fn held_out_loss(&mut self) -> Result<f64, LadderError> {
        let member = self.member;
        let n = (member.tokens / HELD_OUT_SHARE).clamp(HELD_OUT_LEAST, HELD_OUT_MOST);
        let (mut sum, mut n_targets) = (0.0, 0);
        let (mut next, mut left) = (0, n as usize);
        while left > 0 {
            let room = left.min(member.batch_tokens);
            let seed = self.plan.held_out_seed;
            next = self.mixture.batch(
                seed,
                next,
                room,
                Side::HeldOut,
                &mut self.space,
                &mut self.batch,
            );
            left -= room;
            // A few tokens at the end may be a prompt alone.
            let counted = self.batch.n_targets();
            if counted > 0 {
                sum += self.trainer.loss(&self.batch)?;
                n_targets += counted;
            }
        }
        Ok(sum / n_targets.max(1) as f64)
    }

    /// A whole folder in `dir`, which is not there.
    fn write_folder(&mut self, dir: &Path, step: Option<u64>) -> Result<Facts, LadderError> {
        let member = self.member;
        let seen = self.trainer.step() * member.batch_tokens as u64;
        let facts = Facts {
            tokens: member.tokens_total - member.tokens + seen,
            flops: self.parent_flops + self.progress.flops,
            loss_nats: self.held_out_loss()?,
            step,
        };
        let tokenizer = &self.plan.tokenizer;
        let (bos, eos) = (tokenizer.bos_id, Some(tokenizer.eos_id));
        self.trainer.write_folder(dir, bos, eos)?;
        for (name, text) in tokenizer.files() {
            disk::write(&dir.join(name), text.as_bytes())?;
        }
        let text = sidecar::text(&self.plan.family, member, &facts);
        disk::write(&dir.join(sidecar::FILE), text.as_bytes())?;
        Ok(facts)
    }

    fn checkpoint(&mut self) -> Result<(), LadderError> {
        let step = self.trainer.step();
        let dir = checkpoint_dir(&self.dir, step);
        if dir.exists() {
            // Written before a kill that came before the next save; the same bytes.
            return Ok(());
        }
        let parent = self.dir.join(CHECKPOINTS);
        disk::make_dir(&parent)?;
        let partial = disk::partial(&dir);
        disk::remove_dir(&partial)?;
        let facts = self.write_folder(&partial, Some(step))?;
        fs::rename(&partial, &dir).map_err(|e| LadderError::cannot_write(&dir, &e))?;
        self.watch.event(&Event::Checkpoint {
            member: &self.member.name,
            step,
            loss_nats: facts.loss_nats,
        });
        Ok(())
    }

    /// Moves the finished files into place, the sidecar last, and forgets the state.
    fn finish(mut self) -> Result<Facts, LadderError> {
        self.save()?;
        let partial = self.dir.join(".final.partial");
        disk::remove_dir(&partial)?;
        let facts = self.write_folder(&partial, None)?;
        let mut names = disk::names(&partial)?;
        names.sort_by_key(|n| n == sidecar::FILE);
        for name in names {
            let to = self.dir.join(&name);
            fs::rename(partial.join(&name), &to).map_err(|e| LadderError::cannot_write(&to, &e))?;
        }
        disk::remove_dir(&partial)?;
        saved::clear(&self.dir)?;
        self.watch.event(&Event::Finished {
            member: &self.member.name,
            loss_nats: facts.loss_nats,
        });
        Ok(facts)
    }
}
