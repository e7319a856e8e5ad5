//! Architectures that may use linear position biases (Press et al. 2022): BLOOM, Falcon, MPT.

use super::build::{Heads, Order, Source, add_rope, layer, layer_norm, linear, plain_mlp};
use super::config::{Config, bad, shown};
use super::rope::RopeKeys;
use crate::error::ModelError;
use crate::plan::{Activation, DecoderPlan, Norm, Positions, Residual};

/// Slopes as BLOOM and Falcon compute them: a geometric sequence for the largest power of two
/// of heads, and every other term of the next sequence for the rest.
fn slopes(n_heads: usize) -> Vec<f32> {
    let power = 1_usize << n_heads.ilog2();
    let base = |n: usize| (-8.0 / n as f64).exp2() as f32;
    let of = |base: f32, exponent: usize| f64::from(base).powi(exponent as i32) as f32;
    let rest = (0..n_heads - power).map(|i| of(base(2 * power), 2 * i + 1));
    (1..=power)
        .map(|i| of(base(power), i))
        .chain(rest)
        .collect()
}

/// Slopes as MPT computes them: those of the next power of two, odd ones first.
fn mpt_slopes(n_heads: usize, bias_max: f64) -> Vec<f32> {
    let power = n_heads.next_power_of_two();
    let step = (bias_max / power as f64) as f32;
    let all: Vec<f32> = (1..=power)
        .map(|i| 1.0 / f64::from(i as f32 * step).exp2() as f32)
        .collect();
    if power == n_heads {
        return all;
    }
    let odd = all.iter().skip(1).step_by(2);
    let even = all.iter().step_by(2);
    odd.chain(even).take(n_heads).copied().collect()
}

/// BLOOM (BigScience 2022).
///
/// The positions have no end; the plan allows `seq_length` tokens, or 2048 where it is absent.
pub(super) fn bloom(source: Source<'_>) -> Result<DecoderPlan, ModelError> {
    let config = source.config;
    let hidden = config.size(&["n_embed", "hidden_size"], 64)?;
    let heads = Heads::splitting(hidden, config.count(&["n_head", "num_attention_heads"], 8)?)?;
    let eps = config.eps("layer_norm_epsilon", 1e-5)?;
    config.refuse(
        "apply_residual_connection_post_layernorm",
        "expected the residual to skip the norm",
    )?;
    let probes = ["word_embeddings.weight", "ln_f.weight"];
    let p = source.prefix(&["transformer.", ""], &probes);
    let sizes = (config.size(&["vocab_size"], 250_880)?, hidden, heads);
    let head = ["lm_head".into()];
    let mut plan = source.shell(format!("{p}word_embeddings"), &head, sizes, true)?;
    let norm = |name: &str| layer_norm(format!("{p}{name}"), hidden, eps, true);
    plan.embed_norm = Some(norm("word_embeddings_layernorm"));
    plan.max_positions = config.size(&["seq_length"], 2048)?;
    plan.positions = Positions::Alibi {
        slopes: slopes(heads.n),
    };
    plan.layers = (0..config.count(&["n_layer", "num_hidden_layers"], 2)?)
        .map(|i| {
            let at = format!("{p}h.{i}.");
            let stored = |name: &str, n_in, n_out| linear(format!("{at}{name}"), n_in, n_out, true);
            let qkv = stored("self_attention.query_key_value", hidden, heads.width());
            let out = stored("self_attention.dense", hidden, hidden);
            layer(
                norm(&format!("h.{i}.input_layernorm")),
                heads.attention(vec![(qkv, 0)], Order::Groups, out, None),
                Some(norm(&format!("h.{i}.post_attention_layernorm"))),
                plain_mlp(
                    stored("mlp.dense_h_to_4h", hidden, 4 * hidden),
                    stored("mlp.dense_4h_to_h", 4 * hidden, hidden),
                    Activation::GeluTanh,
                ),
                Residual::Serial,
            )
        })
        .collect();
    plan.final_norm = Some(norm("ln_f"));
    Ok(plan)
}

/// Falcon (Almazrouei et al. 2023): the 7B layout, the 40B layout, and the RefinedWeb models.
pub(super) fn falcon(source: Source<'_>) -> Result<DecoderPlan, ModelError> {
    let config = source.config;
    let hidden = config.size(&["n_embed", "hidden_size"], 4544)?;
    let n = config.count(&["num_attention_heads", "n_head"], 71)?;
    let grouped = config.flag("new_decoder_architecture", false)?;
    let one_kv = config.flag("multi_query", true)?;
    let kv = match (grouped, one_kv) {
        (true, _) => config.count(&["num_kv_heads", "n_head_kv"], n)?,
        (false, true) => 1,
        (false, false) => n,
    };
    let heads = Heads::new(n, kv, Heads::splitting(hidden, n)?.dim)?;
    let order = if !grouped && one_kv {
        Order::Blocks
    } else {
        Order::Groups
    };
    let inner = config.size_or(&["ffn_hidden_size"], || 4 * hidden)?;
    let eps = config.eps("layer_norm_epsilon", 1e-5)?;
    let activation = config.activation(&["activation"], "gelu")?;
    let bias = config.flag("bias", false)?;
    let parallel = config.flag("parallel_attn", true)?;
    if grouped && !parallel {
        return Err(bad(
            "parallel_attn",
            "false together with new_decoder_architecture is not supported; expected true",
        ));
    }
    let n_norms = config.optional_size("num_ln_in_parallel_attn", None)?;
    let two_norms = grouped && n_norms.unwrap_or(2) == 2;
    let probes = ["word_embeddings.weight", "ln_f.weight"];
    let p = source.prefix(&["transformer.", ""], &probes);
    let sizes = (config.size(&["vocab_size"], 65_024)?, hidden, heads);
    let head = ["lm_head".into()];
    let mut plan = source.shell(format!("{p}word_embeddings"), &head, sizes, true)?;
    let max_positions = config.size(&["max_position_embeddings"], 2048)?;
    let rope = if config.flag("alibi", false)? {
        plan.max_positions = max_positions;
        plan.alibi_rounding = Some(heads.scale());
        let slopes = slopes(n).into_iter();
        plan.positions = Positions::Alibi {
            slopes: slopes.map(|s| half::bf16::from_f32(s).to_f32()).collect(),
        };
        None
    } else {
        add_rope(&mut plan, config, max_positions, RopeKeys::default())?;
        Some(0)
    };
    let n_layers = config.count(&["num_hidden_layers", "n_layer"], 32)?;
    plan.layers = (0..n_layers)
        .map(|i| {
            let at = format!("{p}h.{i}.");
            let norm = |name: &str| layer_norm(format!("{at}{name}"), hidden, eps, true);
            let stored = |name: &str, n_in, n_out| linear(format!("{at}{name}"), n_in, n_out, bias);
            let qkv = stored("self_attention.query_key_value", hidden, heads.width());
            let out = stored("self_attention.dense", hidden, hidden);
            let (attn_norm, mlp_norm) = match (two_norms, parallel) {
                (true, _) => (norm("ln_attn"), Some(norm("ln_mlp"))),
                (false, true) => (norm("input_layernorm"), None),
                (false, false) => (
                    norm("input_layernorm"),
                    Some(norm("post_attention_layernorm")),
                ),
            };
            layer(
                attn_norm,
                heads.attention(vec![(qkv, 0)], order, out, rope),
                mlp_norm,
                plain_mlp(
                    stored("mlp.dense_h_to_4h", hidden, inner),
                    stored("mlp.dense_4h_to_h", inner, hidden),
                    activation,
                ),
                if parallel {
                    Residual::Parallel
                } else {
                    Residual::Serial
                },
            )
        })
        .collect();
    plan.final_norm = Some(layer_norm(format!("{p}ln_f"), hidden, eps, true));
    Ok(plan)
}

/// MPT (MosaicML 2023).
pub(super) fn mpt(source: Source<'_>) -> Result<DecoderPlan, ModelError> {
    let config = source.config;
    let hidden = config.size(&["d_model", "hidden_size"], 2048)?;
    let heads = Heads::splitting(
        hidden,
        config.count(&["n_heads", "num_attention_heads"], 16)?,
    )?;
    // The modelling class leaves expansion_ratio unread.
    let inner = 4 * hidden;
    let n_layers = config.count(&["n_layers", "num_hidden_layers"], 24)?;
    let eps = config.eps("layer_norm_epsilon", 1e-5)?;
    let empty = serde_json::Value::Object(serde_json::Map::new());
    let attn_config = match config.object("attn_config")? {
        Some(inner) => inner,
        None => Config::new(&empty)?,
    };
    for key in ["prefix_lm", "qk_ln"] {
        attn_config.refuse(key, "expected false")?;
    }
    let kind = attn_config.word(&["attn_type"], "multihead_attention")?;
    if kind != "multihead_attention" {
        return Err(bad("attn_type", &format!("{kind:?} is not supported")));
    }
    if !attn_config.flag("alibi", true)? {
        return Err(bad("alibi", "false is not supported; expected true"));
    }
    if !config.flag("no_bias", true)? {
        return Err(bad("no_bias", "false is not supported; expected true"));
    }
    if let Some(scale) = config.get("logit_scale") {
        return Err(bad(
            "logit_scale",
            &format!("{} is not supported", shown(scale)),
        ));
    }
    let clip = attn_config.optional_number("clip_qkv", None)?;
    let scale = attn_config.optional_number("softmax_scale", None)?;
    let bias_max = attn_config.number(&["alibi_bias_max"], 8.0)?;
    let p = source.prefix(&["transformer.", ""], &["wte.weight", "norm_f.weight"]);
    let sizes = (config.size(&["vocab_size"], 50_368)?, hidden, heads);
    let mut plan = source.shell(format!("{p}wte"), &["lm_head".into()], sizes, true)?;
    plan.max_positions = config.size(&["max_seq_len"], 2048)?;
    plan.positions = Positions::Alibi {
        slopes: mpt_slopes(heads.n, bias_max),
    };
    plan.layers = (0..n_layers)
        .map(|i| {
            let at = format!("{p}blocks.{i}.");
            let norm =
                |name: &str| -> Norm { layer_norm(format!("{at}{name}"), hidden, eps, false) };
            let stored =
                |name: &str, n_in, n_out| linear(format!("{at}{name}"), n_in, n_out, false);
            let qkv = stored("attn.Wqkv", hidden, heads.width());
            let out = stored("attn.out_proj", hidden, hidden);
            let mut attn = heads.attention(vec![(qkv, 0)], Order::Blocks, out, None);
            attn.clip_qkv = clip.map(|c| c as f32);
            attn.scale = scale.map_or(attn.scale, |s| s as f32);
            let up = stored("ffn.up_proj", hidden, inner);
            let down = stored("ffn.down_proj", inner, hidden);
            layer(
                norm("norm_1"),
                attn,
                Some(norm("norm_2")),
                plain_mlp(up, down, Activation::GeluErf),
                Residual::Serial,
            )
        })
        .collect();
    plan.final_norm = Some(layer_norm(format!("{p}norm_f"), hidden, eps, false));
    Ok(plan)
}
