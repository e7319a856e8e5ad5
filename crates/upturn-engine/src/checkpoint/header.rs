//! Reads the header of a safetensors file: eight bytes of length, JSON, then the numbers.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use serde_json::Value;

use crate::error::ModelError;

/// Longest header that is believed, as in the reference reader.
const HEADER_MAX: u64 = 100_000_000;

/// One tensor as its header describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Info {
    /// Element type as written, for example `BF16`.
    pub(crate) dtype: String,
    /// Rows first.
    pub(crate) shape: Vec<usize>,
    /// Where its bytes lie in the file.
    pub(crate) range: Range<usize>,
}

/// A file's header.
#[derive(Debug)]
pub(crate) struct Header {
    /// Tensors by name.
    pub(crate) tensors: BTreeMap<String, Info>,
    /// Bytes before the first tensor.
    pub(crate) len: usize,
}

/// Bits of an element of the types that the format knows.
fn bits(dtype: &str) -> Option<usize> {
    Some(match dtype {
        "F4" => 4,
        "F6_E2M3" | "F6_E3M2" => 6,
        "BOOL" | "U8" | "I8" | "F8_E5M2" | "F8_E4M3" | "F8_E8M0" | "F8_E5M2FNUZ"
        | "F8_E4M3FNUZ" => 8,
        "I16" | "U16" | "F16" | "BF16" => 16,
        "I32" | "U32" | "F32" => 32,
        "I64" | "U64" | "F64" | "C64" => 64,
        _ => return None,
    })
}

/// Reads a header and checks it against the file.
///
/// # Errors
/// Where the header is not one, or describes bytes that the file does not have.
pub(crate) fn read(path: &Path, bytes: &[u8]) -> Result<Header, ModelError> {
    let fail = |message: String| ModelError::file(path, message);
    let garbage = |what: &str| {
        fail(format!(
            "not a safetensors file: {what}; download it again or convert it anew"
        ))
    };
    let Some((first, rest)) = bytes.split_first_chunk::<8>() else {
        let n = bytes.len();
        return Err(garbage(&format!("expected at least 8 bytes, found {n}")));
    };
    let declared = u64::from_le_bytes(*first);
    if declared > HEADER_MAX {
        return Err(garbage(&format!(
            "its first 8 bytes give a header of {declared} bytes, more than the {HEADER_MAX} allowed"
        )));
    }
    let Some(json) = rest.get(..declared as usize) else {
        let has = bytes.len();
        return Err(fail(format!(
            "truncated: its header needs {} bytes, the file has {has}; download it again",
            declared + 8
        )));
    };
    let len = json.len() + 8;
    let value: Value = serde_json::from_slice(json)
        .map_err(|e| garbage(&format!("its header is not JSON ({e})")))?;
    let Value::Object(map) = value else {
        return Err(garbage("its header is not a JSON object"));
    };
    let mut tensors = BTreeMap::new();
    let mut end = len;
    for (name, value) in &map {
        if name == "__metadata__" {
            continue;
        }
        let info = info(value, len).map_err(|what| garbage(&format!("tensor {name}: {what}")))?;
        end = end.max(info.range.end);
        tensors.insert(name.clone(), info);
    }
    if end != bytes.len() {
        let has = bytes.len();
        let what = if end > has { "truncated" } else { "too long" };
        return Err(fail(format!(
            "{what}: its header describes {end} bytes, the file has {has}; download it again"
        )));
    }
    Ok(Header { tensors, len })
}

fn info(value: &Value, header_len: usize) -> Result<Info, String> {
    let dtype = value.get("dtype").and_then(Value::as_str);
    let dtype = dtype.ok_or("expected a dtype")?;
    let bits = bits(dtype).ok_or_else(|| format!("unknown dtype {dtype:?}"))?;
    let numbers = |key: &str| -> Option<Vec<usize>> {
        let list = value.get(key)?.as_array()?;
        list.iter()
            .map(|n| usize::try_from(n.as_u64()?).ok())
            .collect()
    };
    let shape = numbers("shape").ok_or("expected a shape of whole numbers")?;
    let offsets = numbers("data_offsets").unwrap_or_default();
    let [start, end] = offsets[..] else {
        return Err("expected data_offsets of two whole numbers".to_owned());
    };
    let n_bytes = shape
        .iter()
        .try_fold(bits, |n, d| n.checked_mul(*d))
        .map(|n| n.div_ceil(8));
    if start > end || n_bytes != Some(end - start) {
        return Err(format!(
            "data_offsets {start} to {end} do not hold shape {shape:?} of {dtype}"
        ));
    }
    let at = |offset: usize| {
        offset
            .checked_add(header_len)
            .ok_or("data_offsets overflow")
    };
    Ok(Info {
        dtype: dtype.to_owned(),
        shape,
        range: at(start)?..at(end)?,
    })
}
