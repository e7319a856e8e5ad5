//! The state of a training run in one safetensors file.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::error::TrainError;
use super::layout::Tensor;
use super::shape::Shape;
use super::trainer::NamedTensor;
use super::write::{self, Entry};
use crate::checkpoint::header;
use crate::error::ModelError;

/// What a state holds of each tensor.
const PARTS: [&str; 3] = ["parameter", "first_moment", "second_moment"];
/// Version of the format: 1, parts by name, `step` and `shape` in the metadata.
const VERSION: &str = "1";

/// Writes parameters and both moments.
pub(crate) fn save(
    path: &Path,
    shape: &Shape,
    step: u64,
    parts: &[Vec<NamedTensor>; 3],
) -> Result<(), TrainError> {
    let mut metadata = Map::new();
    for (name, value) in [
        ("upturn_state", VERSION.to_owned()),
        ("step", step.to_string()),
        ("shape", json!(shape).to_string()),
    ] {
        metadata.insert(name.to_owned(), Value::String(value));
    }
    let mut entries = Vec::new();
    for (part, tensors) in PARTS.iter().zip(parts) {
        for t in tensors {
            entries.push(Entry {
                name: format!("{part}.{}", t.name),
                shape: &t.shape,
                values: &t.values,
            });
        }
    }
    write::safetensors(path, metadata, &entries)
}

/// Parts of a state: numbers of each tensor, in order.
type Parts = [Vec<Vec<f32>>; 3];

/// Reads the step and the parts of a state of this shape.
pub(crate) fn load(
    path: &Path,
    shape: &Shape,
    tensors: &[Tensor],
) -> Result<(u64, Parts), TrainError> {
    let fail = |message: String| ModelError::file(path, message);
    let bytes = fs::read(path).map_err(|e| fail(format!("cannot be read ({e})")))?;
    let file = header::read(path, &bytes)?;
    let header: Value = serde_json::from_slice(&bytes[8..file.len])
        .map_err(|e| fail(format!("its header is not JSON ({e})")))?;
    let text = |name: &str| header["__metadata__"][name].as_str();
    if text("upturn_state") != Some(VERSION) {
        return Err(fail(format!(
            "not a training state of version {VERSION}; expected a file that a trainer saved"
        ))
        .into());
    }
    let step = text("step").and_then(|s| s.parse().ok());
    let step = step.ok_or_else(|| fail("its metadata lack the step".to_owned()))?;
    let saved: Option<Shape> = text("shape").and_then(|s| serde_json::from_str(s).ok());
    if saved.as_ref() != Some(shape) {
        let saved = text("shape").unwrap_or("unknown");
        let message = format!("holds a model of shape {saved}, expected {}", json!(shape));
        return Err(fail(message).into());
    }
    let read = |part: &str| -> Result<Vec<Vec<f32>>, ModelError> {
        tensors
            .iter()
            .map(|t| {
                let name = format!("{part}.{}", t.name);
                let info = file.tensors.get(&name);
                let info = info.filter(|i| i.dtype == "F32" && i.shape == t.shape);
                let info =
                    info.ok_or_else(|| fail(format!("lacks F32 {name} of shape {:?}", t.shape)))?;
                Ok(bytes[info.range.clone()]
                    .chunks_exact(4)
                    .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                    .collect())
            })
            .collect()
    };
    Ok((step, [read(PARTS[0])?, read(PARTS[1])?, read(PARTS[2])?]))
}
