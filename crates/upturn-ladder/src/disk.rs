//! Files that are written whole or not at all, and JSON that is the same bytes in every build.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::error::LadderError;

/// Keys in order, whatever order the build keeps.
pub(crate) fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            let entries = keys.into_iter().map(|k| (k.clone(), sorted(&map[k])));
            Value::Object(entries.collect::<Map<_, _>>())
        }
        Value::Array(list) => Value::Array(list.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

/// JSON on lines, with a newline at its end.
pub(crate) fn pretty(value: &Value) -> String {
    format!("{:#}\n", sorted(value))
}

/// Writes a file under another name until it is complete and on disk.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), LadderError> {
    let partial = partial(path);
    let result = File::create(&partial)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&partial, path));
    result.map_err(|e| {
        // The error that matters is the first one.
        let _ = fs::remove_file(&partial);
        LadderError::cannot_write(path, &e)
    })
}

/// A name beside `path` for what is not complete.
pub(crate) fn partial(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.partial"))
}

/// Makes a folder and those above it.
pub(crate) fn make_dir(dir: &Path) -> Result<(), LadderError> {
    fs::create_dir_all(dir).map_err(|e| LadderError::cannot_write(dir, &e))
}

/// Removes a folder with all in it, where it is there.
pub(crate) fn remove_dir(dir: &Path) -> Result<(), LadderError> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(LadderError::file(dir, format!("cannot be removed ({e})")))
        }
        _ => Ok(()),
    }
}

/// Removes a file, where it is there.
pub(crate) fn remove_file(path: &Path) -> Result<(), LadderError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(LadderError::file(path, format!("cannot be removed ({e})")))
        }
        _ => Ok(()),
    }
}

/// Names in a folder, in order; none where it is not there.
pub(crate) fn names(dir: &Path) -> Result<Vec<String>, LadderError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(LadderError::cannot_read(dir, &e)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| LadderError::cannot_read(dir, &e))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Removes what a killed run left unfinished in a folder.
pub(crate) fn sweep(dir: &Path) -> Result<(), LadderError> {
    for name in names(dir)? {
        if name.starts_with('.') && name.ends_with(".partial") {
            let path = dir.join(name);
            match path.is_dir() {
                true => remove_dir(&path)?,
                false => remove_file(&path)?,
            }
        }
    }
    Ok(())
}
