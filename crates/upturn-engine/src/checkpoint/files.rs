//! Finds a checkpoint's files: one of safetensors, or an index and its shards.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::header;
use super::map::Mapped;
use crate::error::ModelError;

/// File of a checkpoint saved in one piece.
const SINGLE: &str = "model.safetensors";
/// Index of a checkpoint saved in shards.
const INDEX: &str = "model.safetensors.index.json";

/// A mapped file with its header.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) bytes: Mapped,
    pub(super) header: header::Header,
}

impl File {
    fn open(path: PathBuf) -> Result<Self, ModelError> {
        let empty = fs::metadata(&path).is_ok_and(|m| m.len() == 0);
        if empty {
            return Err(ModelError::file(
                path,
                "the file is empty; download it again",
            ));
        }
        let bytes = Mapped::open(&path)
            .map_err(|e| ModelError::file(&path, format!("cannot be read ({e})")))?;
        let header = header::read(&path, &bytes)?;
        Ok(File {
            path,
            bytes,
            header,
        })
    }
}

/// Reads a JSON file; `None` where there is none.
pub(super) fn json(path: &Path) -> Result<Option<Value>, ModelError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(ModelError::file(path, format!("cannot be read ({e})"))),
    };
    serde_json::from_slice(&text)
        .map(Some)
        .map_err(|e| ModelError::file(path, format!("not JSON ({e})")))
}

/// Opens every weight file of a folder, in order of name.
pub(super) fn open(dir: &Path) -> Result<Vec<File>, ModelError> {
    if dir.join(SINGLE).is_file() {
        return Ok(vec![File::open(dir.join(SINGLE))?]);
    }
    let index_path = dir.join(INDEX);
    let Some(index) = json(&index_path)? else {
        return Err(no_weights(dir));
    };
    let placed = weight_map(&index_path, &index)?;
    let names: BTreeSet<&str> = placed.values().copied().collect();
    let missing: Vec<&str> = names
        .iter()
        .copied()
        .filter(|n| !dir.join(n).is_file())
        .collect();
    if let Some(first) = missing.first() {
        let (n, of) = (missing.len(), names.len());
        return Err(ModelError::file(
            dir.join(first),
            format!("missing; {INDEX} names {of} shards of which {n} are absent; download them"),
        ));
    }
    let files: Vec<File> = names
        .iter()
        .map(|name| File::open(dir.join(name)))
        .collect::<Result<_, _>>()?;
    for (tensor, shard) in &placed {
        let held = files
            .iter()
            .any(|f| f.path.ends_with(shard) && f.header.tensors.contains_key(*tensor));
        if !held {
            return Err(ModelError::file(
                dir.join(shard),
                format!("lacks tensor {tensor}, which {INDEX} places there; download both again"),
            ));
        }
    }
    Ok(files)
}

/// The shard of each tensor. Shards lie beside the index: other paths are refused.
fn weight_map<'a>(path: &Path, index: &'a Value) -> Result<BTreeMap<&'a str, &'a str>, ModelError> {
    let map = index.get("weight_map").and_then(Value::as_object);
    let Some(map) = map.filter(|map| !map.is_empty()) else {
        return Err(ModelError::file(
            path,
            "expected weight_map, an object from tensor names to file names",
        ));
    };
    map.iter()
        .map(|(tensor, shard)| {
            let plain = shard.as_str().filter(|s| {
                let mut parts = Path::new(s).components();
                matches!(
                    (parts.next(), parts.next()),
                    (Some(Component::Normal(_)), None)
                )
            });
            plain.map(|shard| (tensor.as_str(), shard)).ok_or_else(|| {
                let message = format!("weight_map.{tensor}: expected a file name, found {shard}");
                ModelError::file(path, message)
            })
        })
        .collect()
}

/// Says what a folder holds instead of weights that can be read.
fn no_weights(dir: &Path) -> ModelError {
    let mut names: Vec<String> = fs::read_dir(dir)
        .map(|entries| {
            entries
                .filter_map(|e| e.ok()?.file_name().into_string().ok())
                .collect()
        })
        .unwrap_or_default();
    names.sort();
    let ends = |ends: &[&str]| {
        names
            .iter()
            .find(|n| ends.iter().any(|end| n.ends_with(end)))
    };
    if let Some(name) = ends(&[".bin", ".pt", ".pth", ".ckpt"]) {
        return ModelError::file(
            dir.join(name),
            "pickled weights are not read, since loading them may run code; convert them where \
             you trust them: AutoModelForCausalLM.from_pretrained(DIR).save_pretrained(DIR)",
        );
    }
    if let Some(name) = ends(&[".gguf"]) {
        return ModelError::file(
            dir.join(name),
            format!("GGUF is not read; expected {SINGLE} or {INDEX}"),
        );
    }
    if names.iter().any(|n| n == "adapter_config.json") {
        return ModelError::file(
            dir,
            "holds an adapter without its model; merge them with merge_and_unload() and save",
        );
    }
    if let Some(name) = ends(&[".safetensors"]) {
        return ModelError::file(
            dir.join(name),
            format!(
                "weights are looked for in {SINGLE} or {INDEX}; rename this file or add an index"
            ),
        );
    }
    ModelError::file(dir, format!("no weights: expected {SINGLE} or {INDEX}"))
}
