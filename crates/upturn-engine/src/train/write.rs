//! Writes safetensors files, and any file or folder whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::error::TrainError;

/// A tensor to be written as F32.
pub(crate) struct Entry<'a> {
    pub(crate) name: String,
    pub(crate) shape: &'a [usize],
    pub(crate) values: &'a [f32],
}

/// A problem with a file.
pub(crate) fn bad(path: &Path, message: impl Into<String>) -> TrainError {
    TrainError::File {
        path: path.to_owned(),
        message: message.into(),
    }
}

fn cannot(path: &Path, e: &io::Error) -> TrainError {
    bad(path, format!("cannot be written ({e})"))
}

/// A name beside `path` for what is not finished.
fn aside(path: &Path) -> Result<PathBuf, TrainError> {
    let name = path
        .file_name()
        .ok_or_else(|| bad(path, "expected a name"))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}.partial", std::process::id()));
    Ok(path.with_file_name(hidden))
}

/// Writes a file through `fill`, under another name until it is complete and on disk.
pub(crate) fn file(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), TrainError> {
    let partial = aside(path)?;
    let write = || {
        let mut out = BufWriter::new(File::create(&partial)?);
        fill(&mut out)?;
        out.into_inner()
            .map_err(io::IntoInnerError::into_error)?
            .sync_all()?;
        fs::rename(&partial, path)
    };
    write().map_err(|e| {
        // The error that matters is the first one.
        let _ = fs::remove_file(&partial);
        cannot(path, &e)
    })
}

/// Makes a folder through `fill`, under another name until it is complete. It must not exist,
/// or be empty.
pub(crate) fn folder(
    dir: &Path,
    fill: impl FnOnce(&Path) -> Result<(), TrainError>,
) -> Result<(), TrainError> {
    match fs::read_dir(dir) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(bad(
                    dir,
                    "exists and is not empty; remove it or choose another folder",
                ));
            }
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(cannot(dir, &e)),
    }
    let partial = aside(dir)?;
    // What another run with the same process number left behind.
    let _ = fs::remove_dir_all(&partial);
    let write = || {
        fs::create_dir_all(&partial).map_err(|e| cannot(&partial, &e))?;
        fill(&partial)?;
        if dir.exists() {
            fs::remove_dir(dir).map_err(|e| cannot(dir, &e))?;
        }
        fs::rename(&partial, dir).map_err(|e| cannot(dir, &e))
    };
    write().inspect_err(|_| {
        let _ = fs::remove_dir_all(&partial);
    })
}

/// Writes F32 tensors in order, with `metadata` (names to text).
pub(crate) fn safetensors(
    path: &Path,
    metadata: Map<String, Value>,
    entries: &[Entry<'_>],
) -> Result<(), TrainError> {
    let mut header = Map::new();
    header.insert("__metadata__".to_owned(), Value::Object(metadata));
    let mut at = 0;
    for entry in entries {
        let end = at + size_of_val(entry.values);
        header.insert(
            entry.name.clone(),
            json!({ "dtype": "F32", "shape": entry.shape, "data_offsets": [at, end] }),
        );
        at = end;
    }
    let mut header = Value::Object(header).to_string();
    // Numbers begin at a multiple of 8.
    while !header.len().is_multiple_of(8) {
        header.push(' ');
    }
    file(path, |out| {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(header.as_bytes())?;
        for entry in entries {
            for value in entry.values {
                out.write_all(&value.to_le_bytes())?;
            }
        }
        Ok(())
    })
}
