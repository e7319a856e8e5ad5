//! `study.lock` on disk.

use std::path::Path;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use upturn_study::{Lock, Study};

use super::families::Families;
use crate::exit::{Exit, Failure};
use crate::output;

const FILE: &str = "study.lock";
/// Changes that are shown before the rest is only counted.
const N_SHOWN: usize = 8;

/// The lock of an earlier run.
pub fn read(out: &Path) -> Result<Option<Lock>, Failure> {
    let path = out.join(FILE);
    match std::fs::read_to_string(&path) {
        Ok(text) => Lock::parse(&text, &path.display().to_string())
            .map(Some)
            .map_err(|e| {
                Failure::new(
                    Exit::NoInput,
                    format!("{e}; remove the file to make it anew"),
                )
            }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Failure::new(
            Exit::NoInput,
            format!("{}: cannot be read ({e})", path.display()),
        )),
    }
}

/// What is known before anything is run.
pub fn of_plan(study: &Study, text: &str, families: &Families) -> Lock {
    let hash = Sha256::digest(text.as_bytes());
    Lock {
        upturn: upturn::VERSION.to_owned(),
        simd: upturn_engine::kernels::simd_level(),
        study: hash.iter().map(|b| format!("{b:02x}")).collect(),
        seed: study.seed,
        members: families
            .ladders()
            .flat_map(|plan| &plan.members)
            .map(|m| (m.name.clone(), m.hash.clone()))
            .collect(),
        cells: Default::default(),
    }
}

/// Adds the hashes of finished cells: each is of all that decides its result.
pub fn add_cells(lock: &mut Lock, out: &Path) -> Result<(), Failure> {
    let root = out.join("eval");
    for block in folders(&root) {
        for model in folders(&block.join("cells")) {
            let mut files: Vec<_> = std::fs::read_dir(&model)
                .into_iter()
                .flatten()
                .flatten()
                .map(|e| e.path())
                .filter(|p| p.extension().is_some_and(|e| e == "json"))
                .collect();
            files.sort();
            for file in files {
                let text = std::fs::read_to_string(&file).map_err(|e| Failure::write(&file, e))?;
                let value: Value = serde_json::from_str(&text).unwrap_or_default();
                let key = value.get("key").and_then(Value::as_str).unwrap_or_default();
                let name = |p: &Path| {
                    let name = p.file_stem().unwrap_or_default();
                    name.to_string_lossy().into_owned()
                };
                let cell = format!("{}/{}/{}", name(&block), name(&model), name(&file));
                lock.cells.insert(cell, key.to_owned());
            }
        }
    }
    Ok(())
}

fn folders(root: &Path) -> Vec<std::path::PathBuf> {
    let mut all: Vec<_> = std::fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.is_dir())
        .collect();
    all.sort();
    all
}

/// Tells of what differs from an earlier lock, or refuses it.
pub fn check(before: &Option<Lock>, now: &Lock, is_locked: bool) -> Result<(), Failure> {
    let Some(before) = before else {
        return match is_locked {
            true => Err(Failure::new(
                Exit::NoInput,
                "--locked: there is no study.lock; run once without --locked",
            )),
            false => Ok(()),
        };
    };
    let mut before = before.clone();
    if now.cells.is_empty() {
        before.cells.clear();
    }
    let changes = now.changes_since(&before);
    if changes.is_empty() {
        return Ok(());
    }
    let mut text = changes[..changes.len().min(N_SHOWN)].join("; ");
    if changes.len() > N_SHOWN {
        text.push_str(&format!("; {} more", changes.len() - N_SHOWN));
    }
    match is_locked {
        true => Err(Failure::new(
            Exit::NoInput,
            format!("--locked: study.lock differs: {text}"),
        )),
        false => {
            output::note(&format!("note: differs from study.lock: {text}"));
            Ok(())
        }
    }
}

/// Writes the lock.
pub fn write(out: &Path, lock: &Lock) -> Result<(), Failure> {
    upturn_store::write_bytes(&out.join(FILE), lock.text().as_bytes())?;
    Ok(())
}
