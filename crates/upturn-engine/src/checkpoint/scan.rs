//! Looks through a checkpoint's numbers: for NaN, and for a fingerprint.

use std::fmt::{self, Write as _};
use std::fs;
use std::path::Path;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::expect::Expected;
use super::{Checkpoint, Dtype, TensorView};
use crate::error::ModelError;
use crate::plan::DecoderPlan;

/// Bytes that one task of the scan reads; a multiple of every element's size.
const CHUNK: usize = 1 << 20;
/// Windows that the fingerprint reads of each file's numbers, and the bytes of each.
const WINDOWS: usize = 64;
const WINDOW: usize = 4096;

/// Where a NaN was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NanAt {
    /// The tensor.
    pub tensor: String,
    /// Element, counted row by row from 0.
    pub index: usize,
}

impl fmt::Display for NanAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.clone().into_error().fmt(f)
    }
}

impl NanAt {
    /// The same as an error that stops an evaluation.
    #[must_use]
    pub fn into_error(self) -> ModelError {
        let index = self.index;
        let message = format!("element {index} is NaN; the weights are damaged or diverged");
        ModelError::tensor(self.tensor, message)
    }
}

fn is_nan(dtype: Dtype, element: &[u8]) -> bool {
    match (dtype, element) {
        (Dtype::F32, &[a, b, c, d]) => u32::from_le_bytes([a, b, c, d]) << 1 > 0xff00_0000,
        (Dtype::Bf16, &[a, b]) => u16::from_le_bytes([a, b]) << 1 > 0xff00,
        (Dtype::F16, &[a, b]) => u16::from_le_bytes([a, b]) << 1 > 0xf800,
        _ => false,
    }
}

/// Whether any element is NaN, without branches so that it vectorises.
fn any_nan(dtype: Dtype, bytes: &[u8]) -> bool {
    let fold = |limit: u16| {
        bytes.as_chunks::<2>().0.iter().fold(0, |any, e| {
            any | u16::from((u16::from_le_bytes(*e) << 1) > limit)
        })
    };
    match dtype {
        Dtype::F32 => {
            let elements = bytes.as_chunks::<4>().0.iter();
            elements.fold(0, |any, e| {
                any | u32::from((u32::from_le_bytes(*e) << 1) > 0xff00_0000)
            }) != 0
        }
        Dtype::Bf16 => fold(0xff00) != 0,
        Dtype::F16 => fold(0xf800) != 0,
    }
}

fn first_nan(view: &TensorView<'_>) -> Option<usize> {
    let size = view.dtype.size();
    let chunk = view
        .bytes
        .par_chunks(CHUNK)
        .position_first(|chunk| any_nan(view.dtype, chunk))?;
    let mut elements = view.bytes.chunks_exact(size).skip(chunk * CHUNK / size);
    let within = elements.position(|e| is_nan(view.dtype, e))?;
    Some(chunk * CHUNK / size + within)
}

impl Checkpoint {
    /// The first NaN among the tensors that a plan names, by tensor name and then by element.
    ///
    /// Reads every weight once; infinities are let pass.
    ///
    /// # Errors
    /// Where a tensor is missing or of a type that is not supported.
    pub fn find_nan(&self, plan: &DecoderPlan) -> Result<Option<NanAt>, ModelError> {
        for name in Expected::of(plan).0.keys() {
            if let Some(index) = first_nan(&self.tensor(name)?) {
                let tensor = name.clone();
                return Ok(Some(NanAt { tensor, index }));
            }
        }
        Ok(None)
    }

    /// A cheap fingerprint of the model: SHA-256, in hexadecimal, over `config.json` and, for
    /// each weight file in order of name, its name, its length, its header, and 64 windows of
    /// 4 KiB spread evenly over its numbers, the first and the last included (all of them where
    /// there are no more than that).
    ///
    /// Two checkpoints of a training run differ in it. It is no proof against tampering: a
    /// change between the windows goes unseen.
    ///
    /// # Errors
    /// Where `config.json` can no longer be read.
    pub fn fingerprint(&self) -> Result<String, ModelError> {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        let config = self.dir.join("config.json");
        let text = fs::read(&config)
            .map_err(|e| ModelError::file(&config, format!("cannot be read ({e})")))?;
        part(&text);
        for file in &self.files {
            let name = file.path.file_name().map(Path::new);
            part(name.unwrap_or(Path::new("")).to_string_lossy().as_bytes());
            part(&(file.bytes.len() as u64).to_le_bytes());
            let (header, numbers) = file.bytes.split_at(file.header.len);
            part(header);
            if numbers.len() <= WINDOWS * WINDOW {
                part(numbers);
                continue;
            }
            let last = (numbers.len() - WINDOW) as u128;
            for i in 0..WINDOWS {
                let at = (last * i as u128 / (WINDOWS - 1) as u128) as usize;
                part(&numbers[at..at + WINDOW]);
            }
        }
        let mut text = String::with_capacity(64);
        for byte in hash.finalize() {
            let _ = write!(text, "{byte:02x}");
        }
        Ok(text)
    }
}
