//! One writer at a time in an output folder, so that what a killed one left can be removed.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use super::cells::CellFault;

/// The file whose lock is held while results are written.
const LOCK: &str = ".lock";
/// How the store's files begin until they are whole.
const UNFINISHED: &str = ".upturn-";

/// The right to write results into an output folder, until it is dropped.
///
/// Runs that share a folder wait here for each other, for as long as a file takes to write.
#[derive(Debug)]
pub struct Guard {
    /// `None` on file systems without locks: then nothing is removed.
    held: Option<File>,
}

impl Guard {
    /// Waits for the right to write below `out`.
    pub fn take(out: &Path) -> Result<Self, CellFault> {
        let path = out.join(LOCK);
        let fault =
            |e: std::io::Error| CellFault::Write(format!("cannot write {}: {e}", path.display()));
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(fault)?;
        match file.lock() {
            Ok(()) => Ok(Guard { held: Some(file) }),
            Err(e) if e.kind() == std::io::ErrorKind::Unsupported => Ok(Guard { held: None }),
            Err(e) => Err(fault(e)),
        }
    }

    /// Removes files that a killed run left unfinished. Everyone who writes holds the guard,
    /// so such files have no owner.
    pub fn clean(&self, folder: &Path) {
        if self.held.is_none() {
            return;
        }
        let leftovers: Vec<PathBuf> = std::fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter(|e| e.file_name().to_string_lossy().starts_with(UNFINISHED))
            .map(|e| e.path())
            .collect();
        for path in leftovers {
            // One that stays is only untidy.
            let _stays = std::fs::remove_file(path);
        }
    }
}
