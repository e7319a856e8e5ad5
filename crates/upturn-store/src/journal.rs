//! An append-only log of finished responses, from which a run that was killed goes on.
//!
//! A journal belongs to one cell (a model, a task, options), named by a key. Its first line
//! is the key, every other line one response:
//!
//! ```text
//! upturn-journal 1 KEY
//! CRC ITEM JSON
//! ```
//!
//! CRC is the CRC-32 of the rest of the line in eight hexadecimal digits. A process that
//! dies in the middle of a write leaves a last line without its end or with another sum: what is
//! whole is kept, the rest is cut off when the journal is opened again.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use crate::error::StoreError;

/// What the first line begins with; the number is the version of the format.
const HEADER: &str = "upturn-journal 1 ";
/// Responses held back before they are written.
const N_BUFFERED_MAX: usize = 64;
/// Longest that a response is held back.
const WRITE_EVERY: Duration = Duration::from_millis(200);
/// Writes of the clock between two that reach the disk itself: a power cut loses no more
/// than these, a killed process loses what is held back.
const N_WRITES_PER_SYNC: u32 = 20;

/// An open journal. Dropping it writes what is held back; the file stays.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    shared: Arc<Mutex<Shared>>,
    /// Dropped to end the clock.
    stop: Option<Sender<()>>,
    clock: Option<JoinHandle<()>>,
    set_aside: Option<PathBuf>,
}

#[derive(Debug)]
struct Shared {
    file: File,
    buffer: Vec<u8>,
    n_buffered: usize,
    /// The first failure of a write that the clock made.
    failed: Option<std::io::Error>,
    /// Written since the last time that the disk was asked to keep it.
    unsynced: bool,
}

impl Shared {
    fn write(&mut self) -> std::io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        self.n_buffered = 0;
        self.unsynced = true;
        Ok(())
    }

    fn sync(&mut self) -> std::io::Result<()> {
        self.write()?;
        if self.unsynced {
            self.file.sync_data()?;
            self.unsynced = false;
        }
        Ok(())
    }
}

impl Journal {
    /// Opens or makes the journal of a cell, and returns the responses that it holds.
    ///
    /// The responses are in the order in which they were appended; an item that was
    /// appended twice is there twice. `key` tells cells apart and has no line breaks
    /// (a fingerprint of model, task and options). A journal of another key is not lost: it
    /// is renamed (see [`Journal::set_aside`]) and a new one begun.
    ///
    /// # Errors
    /// [`StoreError`] when another process has the journal open, the folder cannot be
    /// written, or the file is no journal.
    pub fn open(path: &Path, key: &str) -> Result<(Self, Vec<(u64, Value)>), StoreError> {
        let header = format!("{HEADER}{}\n", key.replace(['\n', '\r'], " "));
        let mut file = lock(path)?;
        let io = |cause| StoreError::io("read", path, cause);
        let mut set_aside = None;
        let mut found = Found::default();
        if file.metadata().map_err(io)?.len() > 0 {
            found = read(&file, &header, path)?;
            if found.other_key {
                let aside = free_name(path);
                std::fs::rename(path, &aside)
                    .map_err(|cause| StoreError::io("write", &aside, cause))?;
                set_aside = Some(aside);
                // The old file's lock goes with it: nobody opens it under this name again.
                file = lock(path)?;
                found = Found::default();
            }
        }
        let io = |cause| StoreError::io("write", path, cause);
        if found.n_bytes == 0 {
            file.set_len(0).map_err(io)?;
            file.seek(SeekFrom::Start(0)).map_err(io)?;
            file.write_all(header.as_bytes()).map_err(io)?;
        } else {
            file.set_len(found.n_bytes).map_err(io)?;
            file.seek(SeekFrom::Start(found.n_bytes)).map_err(io)?;
        }
        let shared = Arc::new(Mutex::new(Shared {
            file,
            buffer: Vec::new(),
            n_buffered: 0,
            failed: None,
            unsynced: true,
        }));
        let (stop, stopped) = mpsc::channel();
        let ticking = Arc::clone(&shared);
        let clock = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || {
                let mut n_writes: u32 = 0;
                while stopped.recv_timeout(WRITE_EVERY) == Err(RecvTimeoutError::Timeout) {
                    n_writes = n_writes.wrapping_add(1);
                    let mut shared = ticking.lock().unwrap_or_else(PoisonError::into_inner);
                    let outcome = if n_writes.is_multiple_of(N_WRITES_PER_SYNC) {
                        shared.sync()
                    } else {
                        shared.write()
                    };
                    if let Err(e) = outcome {
                        shared.failed.get_or_insert(e);
                    }
                }
            })
            .map_err(io)?;
        Ok((
            Journal {
                path: path.to_path_buf(),
                shared,
                stop: Some(stop),
                clock: Some(clock),
                set_aside,
            },
            found.responses,
        ))
    }

    /// Where a journal of another key was moved when this one was opened.
    #[must_use]
    pub fn set_aside(&self) -> Option<&Path> {
        self.set_aside.as_deref()
    }

    /// Adds a finished response.
    ///
    /// It reaches the file within a fifth of a second, and the disk itself within a few.
    /// Numbers come back to the last bit, an `f32` widened to `f64` too; JSON has no NaN and
    /// no infinities (`serde_json` makes them null), so what can hold these has to be put otherwise.
    ///
    /// # Errors
    /// [`StoreError`] when this or an earlier write failed (a full disk).
    pub fn append(&self, item: u64, response: &Value) -> Result<(), StoreError> {
        let body = format!("{item} {response}");
        let line = format!("{:08x} {body}\n", crc32(body.as_bytes()));
        let fail = |cause| StoreError::io("write", &self.path, cause);
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cause) = shared.failed.take() {
            return Err(fail(cause));
        }
        shared.buffer.extend_from_slice(line.as_bytes());
        shared.n_buffered += 1;
        if shared.n_buffered >= N_BUFFERED_MAX {
            shared.write().map_err(fail)?;
        }
        Ok(())
    }

    /// Writes everything and asks the disk to keep it.
    ///
    /// # Errors
    /// [`StoreError`] when this or an earlier write failed.
    pub fn sync(&self) -> Result<(), StoreError> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = match shared.failed.take() {
            Some(cause) => Err(cause),
            None => shared.sync(),
        };
        outcome.map_err(|cause| StoreError::io("write", &self.path, cause))
    }

    /// Deletes the journal: the cell is done and its results are elsewhere.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be removed.
    pub fn finish(mut self) -> Result<(), StoreError> {
        self.end_clock();
        {
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            shared.buffer.clear();
        }
        std::fs::remove_file(&self.path)
            .map_err(|cause| StoreError::io("remove", &self.path, cause))
    }

    fn end_clock(&mut self) {
        self.stop = None;
        if let Some(clock) = self.clock.take() {
            // A clock that panicked has nothing left to do.
            let _ = clock.join();
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.end_clock();
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        // A caller that must know calls `sync`.
        let _ = shared.sync();
    }
}

/// Opens the file and takes its lock.
fn lock(path: &Path) -> Result<File, StoreError> {
    let io = |cause| StoreError::io("write", path, cause);
    loop {
        let file = OpenOptions::new()
            .create(true)
            .read(true)
            .write(true)
            .truncate(false)
            .open(path)
            .map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            // Some network file systems know no locks: then nothing guards the cell.
            Err(TryLockError::Error(e)) if e.kind() == std::io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(e)) => return Err(io(e)),
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::format(
                    path,
                    "another process is working on this cell; wait for it, or stop it",
                ));
            }
        }
        // Whoever had it may have removed the file between opening and locking.
        if is_still_there(&file, path) {
            return Ok(file);
        }
    }
}

#[cfg(unix)]
fn is_still_there(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(ours), Ok(there)) => ours.ino() == there.ino() && ours.dev() == there.dev(),
        (Ok(_), Err(e)) => e.kind() != std::io::ErrorKind::NotFound,
        _ => true,
    }
}

#[cfg(not(unix))]
fn is_still_there(_file: &File, _path: &Path) -> bool {
    // An open file cannot be removed there.
    true
}

/// What a journal holds.
#[derive(Default)]
struct Found {
    responses: Vec<(u64, Value)>,
    /// Bytes of the lines that are whole; 0 where not even the first is.
    n_bytes: u64,
    other_key: bool,
}

fn read(file: &File, header: &str, path: &Path) -> Result<Found, StoreError> {
    let io = |cause| StoreError::io("read", path, cause);
    let mut reader = BufReader::with_capacity(1 << 18, file);
    let mut found = Found::default();
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line).map_err(io)?;
    if line != header.as_bytes() {
        if line.starts_with(b"upturn-journal ") && line.ends_with(b"\n") {
            found.other_key = true;
            return Ok(found);
        }
        // Killed while it wrote the first line, of this key or another: nothing is lost.
        let n = line.len().min(HEADER.len());
        if !line.ends_with(b"\n") && line.get(..n) == HEADER.as_bytes().get(..n) {
            return Ok(found);
        }
        return Err(StoreError::format(
            path,
            "is no journal of a run; move it away, or choose another folder",
        ));
    }
    found.n_bytes = line.len() as u64;
    loop {
        line.clear();
        let n = reader.read_until(b'\n', &mut line).map_err(io)?;
        let Some(response) = parse(&line) else {
            // The end, or the first line that is not whole.
            return Ok(found);
        };
        found.responses.push(response);
        found.n_bytes += n as u64;
    }
}

/// A whole line's item and response.
fn parse(line: &[u8]) -> Option<(u64, Value)> {
    let line = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let (sum, body) = line.split_once(' ')?;
    if u32::from_str_radix(sum, 16).ok()? != crc32(body.as_bytes()) {
        return None;
    }
    let (item, response) = body.split_once(' ')?;
    Some((item.parse().ok()?, serde_json::from_str(response).ok()?))
}

/// A name beside `path` that is free.
fn free_name(path: &Path) -> PathBuf {
    let mut n: u32 = 1;
    loop {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".old{n}"));
        let aside = PathBuf::from(name);
        if !aside.exists() {
            return aside;
        }
        n += 1;
    }
}

/// CRC-32 as in gzip and zip.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn open(path: &Path, key: &str) -> (Journal, Vec<(u64, Value)>) {
        Journal::open(path, key).unwrap()
    }

    #[test]
    fn known_sum() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn responses_survive_and_finish_removes_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cell.journal");
        let (journal, found) = open(&path, "k");
        assert_eq!(found, []);
        let first = json!({"logprob": -1.5, "text": "two\nlines \u{e9}"});
        journal.append(7, &first).unwrap();
        journal.append(3, &json!(null)).unwrap();
        drop(journal);
        let (journal, found) = open(&path, "k");
        assert_eq!(found, [(7, first), (3, json!(null))]);
        journal.append(7, &json!(1)).unwrap();
        drop(journal);
        let (journal, found) = open(&path, "k");
        assert_eq!(found.len(), 3);
        journal.finish().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn a_cell_has_one_writer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cell.journal");
        let (journal, _) = open(&path, "k");
        let refused = Journal::open(&path, "k").unwrap_err().to_string();
        assert!(
            refused.contains("another process is working on this cell"),
            "{refused}"
        );
        drop(journal);
        open(&path, "k");
    }

    #[test]
    fn another_key_is_set_aside_not_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cell.journal");
        open(&path, "old key").0.append(1, &json!("x")).unwrap();
        let (journal, found) = open(&path, "new key");
        assert_eq!(found, []);
        let aside = journal.set_aside().unwrap().to_path_buf();
        journal.append(2, &json!("y")).unwrap();
        drop(journal);
        assert_eq!(open(&aside, "old key").1, [(1, json!("x"))]);
        assert_eq!(open(&path, "new key").1, [(2, json!("y"))]);
        let third = open(&path, "third").0;
        assert_ne!(third.set_aside(), Some(aside.as_path()));
    }

    #[test]
    fn other_files_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        std::fs::write(&path, "my notes\n").unwrap();
        assert!(Journal::open(&path, "k").is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "my notes\n");
    }

    #[test]
    fn the_clock_writes_what_is_held_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cell.journal");
        let (journal, _) = open(&path, "k");
        journal.append(1, &json!(1)).unwrap();
        for _ in 0..100 {
            if std::fs::read_to_string(&path).unwrap().lines().count() == 2 {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("not written in 5 seconds");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_cut_or_damaged_end_costs_only_itself(n in 1usize..20, cut in 0usize..600, flip: Option<u8>) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("cell.journal");
            let (journal, _) = open(&path, "some key");
            let all: Vec<(u64, Value)> = (0..n as u64).map(|i| (i, json!({"t": "x".repeat(i as usize)}))).collect();
            for (item, value) in &all {
                journal.append(*item, value).unwrap();
            }
            drop(journal);
            let mut bytes = std::fs::read(&path).unwrap();
            bytes.truncate(cut.max(1));
            let whole = bytes.iter().filter(|b| **b == b'\n').count().saturating_sub(1);
            let mut kept = whole;
            if let (Some(flip), true) = (flip, whole > 0) {
                // Damage in the last whole line costs this line (and what is cut after it).
                let ends: Vec<usize> = bytes.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(i, _)| i).collect();
                let at = ends[ends.len() - 1] - 2;
                if flip != 0 {
                    bytes[at] ^= flip;
                    kept -= 1;
                }
            }
            std::fs::write(&path, &bytes).unwrap();
            let (journal, found) = open(&path, "some key");
            prop_assert_eq!(&found[..], &all[..kept]);
            journal.append(99, &json!("after")).unwrap();
            drop(journal);
            let (_, found) = open(&path, "some key");
            prop_assert_eq!(found.len(), kept + 1);
        }

        #[test]
        fn numbers_come_back_to_the_last_bit(bits: u32, wide: u64) {
            let (float, double) = (f32::from_bits(bits), f64::from_bits(wide));
            prop_assume!(float.is_finite() && double.is_finite());
            let line_of = |value: &Value| {
                let body = format!("1 {value}");
                format!("{:08x} {body}\n", crc32(body.as_bytes()))
            };
            let (_, back) = parse(line_of(&json!([float, double])).as_bytes()).unwrap();
            #[expect(clippy::cast_possible_truncation, reason = "it was an f32")]
            let narrow = back[0].as_f64().unwrap() as f32;
            prop_assert_eq!(narrow.to_bits(), bits);
            prop_assert_eq!(back[1].as_f64().unwrap().to_bits(), wide);
        }
    }
}
