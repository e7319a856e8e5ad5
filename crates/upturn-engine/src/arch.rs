//! From `config.json` to a [`DecoderPlan`]: one mapping for each architecture.
//!
//! A mapping reads what the architecture's configuration class in transformers reads, with the
//! same defaults, in the spelling of versions 4 and 5, and names the tensors its modelling class
//! names. What a mapping cannot honour it refuses by name, so that no option is ignored in
//! silence.

mod alibi;
mod build;
mod config;
mod gemma;
mod gpt;
mod llama;
mod opt;
mod rope;
mod sequential;

use serde_json::Value;

use crate::error::ModelError;
use crate::plan::DecoderPlan;
use build::Source;
use config::{Config, bad};

type Mapping = fn(Source<'_>) -> Result<DecoderPlan, ModelError>;

/// Every `model_type` with its mapping, in alphabetical order.
const MAPPINGS: [(&str, Mapping); 32] = [
    ("bloom", alibi::bloom),
    ("cohere", llama::cohere),
    ("cohere2", llama::cohere2),
    ("exaone4", llama::exaone4),
    ("falcon", alibi::falcon),
    ("gemma", gemma::gemma),
    ("gemma2", gemma::gemma2),
    ("gemma3", gemma::gemma3),
    ("gemma3_text", gemma::gemma3),
    ("gpt2", gpt::gpt2),
    ("gpt_bigcode", gpt::gpt_bigcode),
    ("gpt_neo", gpt::gpt_neo),
    ("gpt_neox", gpt::gpt_neox),
    ("gptj", gpt::gptj),
    ("granite", llama::granite),
    ("helium", llama::helium),
    ("llama", llama::llama),
    ("ministral", llama::ministral),
    ("mistral", llama::mistral),
    ("mpt", alibi::mpt),
    ("olmo", llama::olmo),
    ("olmo2", llama::olmo2),
    ("olmo3", llama::olmo3),
    ("opt", opt::opt),
    ("phi", sequential::phi),
    ("phi3", sequential::phi3),
    ("qwen2", llama::qwen2),
    ("qwen3", llama::qwen3),
    ("seed_oss", llama::seed_oss),
    ("smollm3", llama::smollm3),
    ("stablelm", sequential::stablelm),
    ("starcoder2", sequential::starcoder2),
];

/// The values of `model_type` that [`plan()`] maps, in alphabetical order.
#[must_use]
pub fn supported() -> Vec<&'static str> {
    MAPPINGS.iter().map(|(name, _)| *name).collect()
}

/// The plan of a configuration.
///
/// `tensors` says whether the checkpoint holds a tensor: it decides between spellings of names
/// (with or without `transformer.` or `model.` in front), and whether the output table is the
/// embedding's. A checkpoint that ties the two and still holds both should deny the second one;
/// [`crate::checkpoint::Checkpoint::plan`] does so when they are equal, as transformers does.
///
/// # Errors
/// [`ModelError::Config`] where `model_type` is unknown, a value is of the wrong kind, or an
/// option is set that is not supported; the message names the key.
pub fn plan(config: &Value, tensors: &dyn Fn(&str) -> bool) -> Result<DecoderPlan, ModelError> {
    let top = Config::new(config)?;
    let Some(model_type) = top.get("model_type") else {
        return Err(bad(
            "model_type",
            &format!("missing; expected one of {}", supported().join(", ")),
        ));
    };
    let mapping = model_type
        .as_str()
        .and_then(|name| MAPPINGS.iter().find(|(known, _)| *known == name));
    let Some((name, mapping)) = mapping else {
        return Err(bad(
            "model_type",
            &format!(
                "{} is not supported; supported are {}",
                config::shown(model_type),
                supported().join(", ")
            ),
        ));
    };
    // A model of text and images keeps its decoder's settings one level down.
    let inner = match *name {
        "gemma3" => top.object("text_config")?.unwrap_or(top),
        _ => top,
    };
    for config in [top, inner] {
        config.refuse("quantization_config", "expected F32, F16 or BF16 weights")?;
        config.refuse("is_encoder_decoder", "expected a decoder only")?;
        config.refuse("add_cross_attention", "expected a decoder only")?;
        config.refuse("pruned_heads", "expected all heads in place")?;
        config.refuse("use_bidirectional_attention", "expected causal attention")?;
        for key in ["num_local_experts", "num_experts", "n_routed_experts"] {
            if config
                .get(key)
                .and_then(Value::as_u64)
                .is_none_or(|n| n > 1)
            {
                config.refuse(
                    key,
                    "expected one feed-forward block per layer, without experts",
                )?;
            }
        }
    }
    let mut plan = mapping(Source {
        config: inner,
        exists: tensors,
    })?;
    plan.model_type = (*name).to_owned();
    Ok(plan)
}
