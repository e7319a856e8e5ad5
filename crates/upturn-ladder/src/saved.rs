//! Work in progress on disk: the trainer's state, and where the data and the log stood.
//!
//! The log is brought to disk first, then `progress-STEP.json`, then the state; the state's own
//! step says which progress belongs to it. So a kill at any moment leaves a whole pair.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use upturn_engine::train::Trainer;

use crate::disk;
use crate::error::LadderError;

/// Name of the trainer's state.
pub(crate) const STATE: &str = "state.safetensors";
/// Name of the log.
pub(crate) const LOG: &str = "train.csv";

/// Where a training stands, apart from parameters.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// First document of the next batch.
    pub(crate) document: u64,
    /// FLOPs so far.
    pub(crate) flops: u64,
    /// Length of the log.
    pub(crate) log_bytes: u64,
    /// Bits of the sum of mean losses since the last line of the log, and their number.
    pub(crate) loss_bits: u64,
    pub(crate) n_losses: u64,
}

fn progress_path(dir: &Path, step: u64) -> PathBuf {
    dir.join(format!("progress-{step:08}.json"))
}

/// Saves; the log is on disk already.
pub(crate) fn save(dir: &Path, trainer: &Trainer, progress: &Progress) -> Result<(), LadderError> {
    let step = trainer.step();
    let path = progress_path(dir, step);
    let text =
        serde_json::to_string(progress).map_err(|e| LadderError::file(&path, e.to_string()))?;
    disk::write(&path, text.as_bytes())?;
    trainer.save_state(&dir.join(STATE))?;
    clear_progress(dir, Some(step))
}

/// Loads what [`save`] saved, where there is some, and cuts the log to its length.
pub(crate) fn load(dir: &Path, trainer: &mut Trainer) -> Result<Option<Progress>, LadderError> {
    let state = dir.join(STATE);
    if !state.exists() {
        return Ok(None);
    }
    let again = "remove the member's folder to train it again";
    trainer.load_state(&state).map_err(|e| {
        let reason = e.to_string();
        let shown = format!("{}: ", state.display());
        let reason = reason.strip_prefix(&shown).unwrap_or(&reason);
        LadderError::file(&state, format!("{reason}; {again}"))
    })?;
    let path = progress_path(dir, trainer.step());
    let text = fs::read_to_string(&path)
        .map_err(|e| LadderError::file(&path, format!("cannot be read ({e}); {again}")))?;
    let progress: Progress = serde_json::from_str(&text)
        .map_err(|e| LadderError::file(&path, format!("is damaged ({e}); {again}")))?;
    let log = dir.join(LOG);
    let cut = || {
        let file = OpenOptions::new().write(true).open(&log)?;
        if file.metadata()?.len() < progress.log_bytes {
            return Err(std::io::Error::other("it is shorter than it was"));
        }
        file.set_len(progress.log_bytes)
    };
    cut().map_err(|e| LadderError::file(&log, format!("cannot be gone on with ({e}); {again}")))?;
    Ok(Some(progress))
}

/// Removes the state and all progress.
pub(crate) fn clear(dir: &Path) -> Result<(), LadderError> {
    // The state first: without it progress is nothing.
    disk::remove_file(&dir.join(STATE))?;
    clear_progress(dir, None)
}

fn clear_progress(dir: &Path, but: Option<u64>) -> Result<(), LadderError> {
    let kept = but.map(|step| progress_path(dir, step));
    for name in disk::names(dir)? {
        let path = dir.join(&name);
        if name.starts_with("progress-") && name.ends_with(".json") && Some(&path) != kept.as_ref()
        {
            disk::remove_file(&path)?;
        }
    }
    Ok(())
}
