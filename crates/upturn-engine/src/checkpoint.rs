//! A Hugging Face model folder, opened: configuration, and weights mapped into memory.

mod expect;
mod files;
pub(crate) mod header;
mod map;
mod scan;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

pub use scan::NanAt;

use crate::arch;
use crate::error::ModelError;
use crate::plan::DecoderPlan;
use expect::Expected;

/// Element types of weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtype {
    /// IEEE 754, 32 bits.
    F32,
    /// The upper half of an `F32`.
    Bf16,
    /// IEEE 754, 16 bits.
    F16,
}

impl Dtype {
    /// Bytes of an element.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Dtype::F32 => 4,
            Dtype::Bf16 | Dtype::F16 => 2,
        }
    }
}

/// A tensor's numbers as they lie in the file, little-endian and not necessarily aligned.
#[derive(Debug, Clone)]
pub struct TensorView<'a> {
    /// The tensor's name.
    pub name: &'a str,
    /// Element type.
    pub dtype: Dtype,
    /// Rows first.
    pub shape: Vec<usize>,
    /// Exactly the product of `shape` times the element's size.
    pub bytes: &'a [u8],
}

/// What `generation_config.json`, or failing that `config.json`, says of generation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GenerationConfig {
    /// Tokens that end a generation; empty where none is named.
    pub eos_token_ids: Vec<u32>,
    /// Token that begins a text.
    pub bos_token_id: Option<u32>,
    /// Token that fills a batch.
    pub pad_token_id: Option<u32>,
}

/// An opened checkpoint. Weights are read from disk as they are touched.
#[derive(Debug)]
pub struct Checkpoint {
    dir: PathBuf,
    config: Value,
    generation: GenerationConfig,
    files: Vec<files::File>,
    /// Index of each tensor's file.
    places: BTreeMap<String, usize>,
}

impl Checkpoint {
    /// Opens a folder that holds `config.json` and `model.safetensors`, or
    /// `model.safetensors.index.json` and its shards.
    ///
    /// # Errors
    /// Where a file is missing, truncated or malformed, or only pickled weights are present;
    /// the message names the file and what was expected.
    pub fn open(dir: &Path) -> Result<Self, ModelError> {
        if !dir.is_dir() {
            return Err(ModelError::file(
                dir,
                "no such folder; expected one that holds config.json and model.safetensors",
            ));
        }
        let config_path = dir.join("config.json");
        let config = match files::json(&config_path)? {
            Some(config) => config,
            None if dir.join("adapter_config.json").is_file() => {
                return Err(ModelError::file(
                    dir,
                    "holds an adapter without its model; merge them with merge_and_unload() and save",
                ));
            }
            None => return Err(ModelError::file(config_path, "missing")),
        };
        if !config.is_object() {
            return Err(ModelError::file(config_path, "expected a JSON object"));
        }
        let generation_path = dir.join("generation_config.json");
        let generation = files::json(&generation_path)?;
        let files = files::open(dir)?;
        let mut places = BTreeMap::new();
        for (index, file) in files.iter().enumerate() {
            for name in file.header.tensors.keys() {
                places.entry(name.clone()).or_insert(index);
            }
        }
        Ok(Checkpoint {
            dir: dir.to_owned(),
            generation: read_generation(&generation_path, generation.as_ref(), &config)?,
            config,
            files,
            places,
        })
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// `config.json` as it is written.
    #[must_use]
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// Tokens that begin and end texts.
    #[must_use]
    pub fn generation(&self) -> &GenerationConfig {
        &self.generation
    }

    /// The weight files, in order of name.
    pub fn weight_files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|f| f.path.as_path())
    }

    /// Names of all tensors, buffers included, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }

    /// A tensor.
    ///
    /// # Errors
    /// Where it is missing, or of another type than F32, BF16 or F16.
    pub fn tensor(&self, name: &str) -> Result<TensorView<'_>, ModelError> {
        let Some((name, index)) = self.places.get_key_value(name) else {
            let n = self.places.len();
            let message = match &self.files[..] {
                [file] => format!(
                    "missing from {}, which holds {n} tensors",
                    file.path.display()
                ),
                files => {
                    let (dir, shards) = (self.dir.display(), files.len());
                    format!("missing from {dir}, which holds {n} tensors in {shards} shards")
                }
            };
            return Err(ModelError::tensor(name, message));
        };
        let file = &self.files[*index];
        let info = &file.header.tensors[name];
        let dtype = match info.dtype.as_str() {
            "F32" => Dtype::F32,
            "BF16" => Dtype::Bf16,
            "F16" => Dtype::F16,
            other => {
                let path = file.path.display();
                return Err(ModelError::tensor(
                    name,
                    format!("is {other} in {path}; expected F32, BF16 or F16 (convert it)"),
                ));
            }
        };
        Ok(TensorView {
            name,
            dtype,
            shape: info.shape.clone(),
            bytes: &file.bytes[info.range.clone()],
        })
    }

    /// The plan of this checkpoint's configuration.
    ///
    /// Where `tie_word_embeddings` holds and an output table is stored nevertheless, it is taken
    /// for the embedding's only if the two are equal, bit for bit.
    ///
    /// # Errors
    /// As [`arch::plan`].
    pub fn plan(&self) -> Result<DecoderPlan, ModelError> {
        let holds = |name: &str| self.places.contains_key(name);
        let plan = arch::plan(&self.config, &holds)?;
        let (embed, head) = (plan.embed.as_str(), plan.head.weight.as_str());
        let same = || {
            let raw = |name| {
                let file = &self.files[*self.places.get(name)?];
                let info = &file.header.tensors[name];
                Some((&info.dtype, &info.shape, &file.bytes[info.range.clone()]))
            };
            raw(embed).is_some() && raw(embed) == raw(head)
        };
        // Denying the head changes the plan only where the configuration ties the two.
        if embed != head && same() {
            let without = |name: &str| name != head && holds(name);
            let tied = arch::plan(&self.config, &without)?;
            if tied.head.weight == tied.embed {
                return Ok(tied);
            }
        }
        Ok(plan)
    }

    /// Checks that every tensor a plan names exists with the right shape and a supported type.
    ///
    /// # Errors
    /// The first that does not, in order of name.
    pub fn validate(&self, plan: &DecoderPlan) -> Result<(), ModelError> {
        for (name, shape) in &Expected::of(plan).0 {
            let view = self.tensor(name)?;
            if view.shape != *shape {
                let found = &view.shape;
                return Err(ModelError::tensor(
                    name,
                    format!("has shape {found:?}; config.json makes it {shape:?}"),
                ));
            }
        }
        Ok(())
    }

    /// Parameters of the model a plan describes, as transformers' `num_parameters()` counts
    /// them: a tied table once, buffers not at all.
    ///
    /// # Errors
    /// Where a tensor is missing.
    pub fn n_params(&self, plan: &DecoderPlan) -> Result<u64, ModelError> {
        let expected = Expected::of(plan).0;
        expected.keys().try_fold(0, |sum, name| {
            let view = self.tensor(name)?;
            Ok(sum + (view.bytes.len() / view.dtype.size()) as u64)
        })
    }

    /// Tensors that a plan leaves unread, known buffers (causal masks, rotary tables) left out:
    /// where there are any, the checkpoint may be of another model than its configuration says.
    #[must_use]
    pub fn unread(&self, plan: &DecoderPlan) -> Vec<&str> {
        let expected: BTreeSet<String> = Expected::of(plan).0.into_keys().collect();
        let buffer = |name: &str| {
            [
                "attn.bias",
                "attention.bias",
                "masked_bias",
                "rotary_emb.inv_freq",
                "embed_positions",
            ]
            .iter()
            .any(|end| name.ends_with(end))
        };
        let twin = plan.head.weight == plan.embed;
        self.names()
            .filter(|name| !expected.contains(*name) && !buffer(name))
            .filter(|name| !(twin && ["lm_head.weight", "embed_out.weight"].contains(name)))
            .collect()
    }
}

fn read_generation(
    path: &Path,
    generation: Option<&Value>,
    config: &Value,
) -> Result<GenerationConfig, ModelError> {
    let found = |key: &str| {
        let of = |from: Option<&Value>| from?.get(key).filter(|v| !v.is_null()).cloned();
        let text = config.get("text_config");
        of(generation)
            .or_else(|| of(Some(config)))
            .or_else(|| of(text))
    };
    let id = |key: &str, value: &Value| {
        // Some configurations write -1 for none.
        if value.as_i64() == Some(-1) {
            return Ok(None);
        }
        let id = value.as_u64().and_then(|id| u32::try_from(id).ok());
        id.map(Some).ok_or_else(|| {
            let dir = path.parent().unwrap_or(path);
            ModelError::file(
                dir,
                format!("{key}: expected a token's number, found {value}"),
            )
        })
    };
    let one = |key: &str| match found(key) {
        None => Ok(None),
        Some(Value::Array(items)) => items.first().map_or(Ok(None), |v| id(key, v)),
        Some(value) => id(key, &value),
    };
    let eos = match found("eos_token_id") {
        None => Vec::new(),
        Some(Value::Array(items)) => items,
        Some(value) => vec![value],
    };
    let eos: Vec<Option<u32>> = eos
        .iter()
        .map(|v| id("eos_token_id", v))
        .collect::<Result<_, _>>()?;
    Ok(GenerationConfig {
        eos_token_ids: eos.into_iter().flatten().collect(),
        bos_token_id: one("bos_token_id")?,
        pad_token_id: one("pad_token_id")?,
    })
}
