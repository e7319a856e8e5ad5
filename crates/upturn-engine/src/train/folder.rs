//! A trained model as a Hugging Face folder, and back.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::error::TrainError;
use super::shape::{Block, Shape};
use super::trainer::NamedTensor;
use super::write::{self, Entry};
use crate::arch;
use crate::checkpoint::Checkpoint;
use crate::error::ModelError;
use crate::plan::DecoderPlan;

/// `config.json` of a shape, in a spelling that versions 4 and 5 of transformers read.
fn config(shape: &Shape, tokens: &[(&str, Option<u32>)]) -> Value {
    let mut config = match shape.block {
        Block::Gated => json!({
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_act": "silu",
            "attention_bias": false,
            "mlp_bias": false,
            "head_dim": shape.head_dim(),
            "num_key_value_heads": shape.n_kv_heads,
            "rms_norm_eps": short(shape.norm_eps),
            "pretraining_tp": 1,
        }),
        Block::Gelu => json!({
            "architectures": ["GPTNeoXForCausalLM"],
            "model_type": "gpt_neox",
            "hidden_act": "gelu",
            "attention_bias": true,
            "use_parallel_residual": false,
            "rotary_pct": 1.0,
            "rotary_emb_base": short(shape.rope_theta),
            "layer_norm_eps": short(shape.norm_eps),
        }),
    };
    let common = json!({
        "vocab_size": shape.vocab_size,
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.n_layers,
        "num_attention_heads": shape.n_heads,
        "intermediate_size": shape.intermediate,
        "max_position_embeddings": shape.max_positions,
        "tie_word_embeddings": shape.tied,
        "rope_theta": short(shape.rope_theta),
        "attention_dropout": 0.0,
        "hidden_dropout": 0.0,
        "torch_dtype": "float32",
        "use_cache": true,
    });
    if let (Value::Object(config), Value::Object(common)) = (&mut config, common) {
        config.extend(common);
        for (name, id) in tokens {
            config.insert((*name).to_owned(), json!(id));
        }
    }
    config
}

/// The shortest decimal that is this f32 when read as one (1e-5, not 9.99999974e-6).
fn short(x: f32) -> f64 {
    x.to_string().parse().unwrap_or_else(|_| f64::from(x))
}

/// Writes the folder, whole or not at all.
pub(crate) fn write(
    dir: &Path,
    shape: &Shape,
    tokens: &[(&str, Option<u32>)],
    parameters: &[NamedTensor],
) -> Result<(), TrainError> {
    let entries: Vec<Entry<'_>> = parameters
        .iter()
        .map(|t| Entry {
            name: t.name.clone(),
            shape: &t.shape,
            values: &t.values,
        })
        .collect();
    let mut generation = Map::new();
    for (name, id) in tokens {
        generation.insert((*name).to_owned(), json!(id));
    }
    let text = |value: &Value| format!("{value:#}\n");
    write::folder(dir, |dir| {
        let put = |name: &str, text: String| {
            write::file(&dir.join(name), |out| out.write_all(text.as_bytes()))
        };
        put("config.json", text(&config(shape, tokens)))?;
        put("generation_config.json", text(&Value::Object(generation)))?;
        let mut metadata = Map::new();
        metadata.insert("format".to_owned(), json!("pt"));
        write::safetensors(&dir.join("model.safetensors"), metadata, &entries)
    })
}

/// Opens a folder whose model a trainer can train.
///
/// # Errors
/// Where it cannot be read, or where its plan is another than that of the shape it comes
/// closest to: an option is set that the trainer does not have.
pub(crate) fn open(dir: &Path) -> Result<(Checkpoint, Shape), TrainError> {
    let checkpoint = Checkpoint::open(dir)?;
    let plan = checkpoint.plan()?;
    checkpoint.validate(&plan)?;
    let shape = shape_of(&checkpoint, &plan)?;
    if let Some(fault) = shape.fault() {
        return Err(TrainError::Shape(fault));
    }
    let tied =
        |name: &str| !(shape.tied && (name == "lm_head.weight" || name == "embed_out.weight"));
    let wanted = arch::plan(&config(&shape, &[]), &tied)?;
    if let Some(difference) = difference(&plan, &wanted) {
        let message = format!(
            "{difference}; the trainer takes {} without further options",
            match shape.block {
                Block::Gated => "llama",
                Block::Gelu => "gpt_neox with serial residuals, biases and rotary_pct 1",
            }
        );
        return Err(ModelError::Config(message).into());
    }
    Ok((checkpoint, shape))
}

/// The shape that comes closest to a plan.
fn shape_of(checkpoint: &Checkpoint, plan: &DecoderPlan) -> Result<Shape, ModelError> {
    let block = match plan.model_type.as_str() {
        "llama" => Block::Gated,
        "gpt_neox" => Block::Gelu,
        other => {
            return Err(ModelError::Config(format!(
                "model_type {other} cannot be trained; expected llama or gpt_neox"
            )));
        }
    };
    let config = checkpoint.config();
    let number = |v: Option<&Value>| v.and_then(Value::as_f64);
    let rope = |name: &str| {
        let nested = ["rope_parameters", "rope_scaling"];
        let mut nested = nested.iter().filter_map(|k| config.get(k)?.get(name));
        number(nested.next()).or_else(|| number(config.get(name)))
    };
    let theta = rope("rope_theta").or_else(|| rope("rotary_emb_base"));
    let first = plan.layers.first();
    Ok(Shape {
        block,
        vocab_size: plan.vocab_size,
        hidden: plan.hidden,
        n_layers: plan.layers.len(),
        n_heads: plan.n_heads,
        n_kv_heads: plan.n_kv_heads,
        intermediate: first.map_or(0, |l| l.mlp.up.n_out),
        tied: plan.head.weight == plan.embed,
        max_positions: plan.max_positions,
        rope_theta: theta.unwrap_or(10_000.0) as f32,
        norm_eps: plan.final_norm.as_ref().map_or(1e-5, |n| n.eps),
    })
}

/// What a plan has that the wanted one does not.
fn difference(plan: &DecoderPlan, wanted: &DecoderPlan) -> Option<String> {
    if plan == wanted {
        return None;
    }
    if plan.head_dim != wanted.head_dim {
        let (found, expected) = (plan.head_dim, wanted.head_dim);
        return Some(format!(
            "heads of {found} features, expected hidden / heads = {expected}"
        ));
    }
    if plan.ropes != wanted.ropes {
        return Some("rotary positions are scaled or partial".to_owned());
    }
    if (&plan.embed, &plan.head) != (&wanted.embed, &wanted.head) {
        let (found, expected) = (&plan.embed, &wanted.embed);
        return Some(format!(
            "the embedding is {found}, expected {expected} and its output table"
        ));
    }
    let mut layers = plan.layers.iter().zip(&wanted.layers);
    let at = layers.position(|(a, b)| a != b);
    Some(match at {
        Some(i) => {
            let (a, b) = (&plan.layers[i], &wanted.layers[i]);
            let part = if a.residual != b.residual {
                "its residuals are parallel"
            } else if a.attn != b.attn {
                "its attention (biases, window or size of heads) is another"
            } else if a.mlp != b.mlp {
                "its feed-forward block (biases or activation) is another"
            } else {
                "its norms are others"
            };
            format!("layer {i}: {part}")
        }
        None => "the configuration has further options".to_owned(),
    })
}
