//! GPT-2 and its open relatives: GPT-2, GPT BigCode (StarCoder), GPT-Neo, GPT-J, GPT-NeoX.

use super::build::{Heads, Order, Source, add_rope, conv, layer, layer_norm, linear, plain_mlp};
use super::config::{bad, shown};
use super::rope::{self, RopeKeys};
use crate::error::ModelError;
use crate::plan::{DecoderPlan, Linear, Positions, Residual};

const HIDDEN: [&str; 2] = ["n_embd", "hidden_size"];
const HEADS: [&str; 2] = ["n_head", "num_attention_heads"];
const LAYERS: [&str; 2] = ["n_layer", "num_hidden_layers"];
const POSITIONS: [&str; 2] = ["n_positions", "max_position_embeddings"];

/// Radford et al. 2019.
pub(super) fn gpt2(source: Source<'_>) -> Result<DecoderPlan, ModelError> {
    gpt2_like(source, "gelu_new", conv, |heads| (heads, Order::Blocks))
}

/// StarCoder and SantaCoder: GPT-2 with `nn.Linear` layers and one key-value head.
pub(super) fn gpt_bigcode(source: Source<'_>) -> Result<DecoderPlan, ModelError> {
    let one_kv = source.config.flag("multi_query", true)?;
    let stored = |name, n_in, n_out| linear(name, n_in, n_out, true);
    gpt2_like(source, "gelu_pytorch_tanh", stored, |heads| match one_kv {
        true => (Heads { kv: 1, ..heads }, Order::Blocks),
        false => (heads, Order::Groups),
    })
}

fn gpt2_like(
    source: Source<'_>,
    activation: &'static str,
    stored: impl Fn(String, usize, usize) -> Linear,
    layout: impl Fn(Heads) -> (Heads, Order),
) -> Result<DecoderPlan, ModelError> {
    let config = source.config;
    let hidden = config.size(&HIDDEN, 768)?;
    let (heads, order) = layout(Heads::splitting(hidden, config.count(&HEADS, 12)?)?);
    let inner = config.size_or(&["n_inner"], || 4 * hidden)?;
    let eps = config.eps("layer_norm_epsilon", 1e-5)?;
    let activation = config.activation(&["activation_function"], activation)?;
    let scaled = config.flag("scale_attn_weights", true)?;
    let by_layer = config.flag("scale_attn_by_inverse_layer_idx", false)?;
    let p = source.prefix(&["transformer.", ""], &["wte.weight", "ln_f.weight"]);
    let vocab = config.size(&["vocab_size"], 50257)?;
    let sizes = (vocab, hidden, heads);
    let mut plan = source.shell(format!("{p}wte"), &["lm_head".into()], sizes, true)?;
    plan.max_positions = config.size(&POSITIONS, 1024)?;
    plan.positions = Positions::Learned {
        table: format!("{p}wpe.weight"),
        n_rows: plan.max_positions,
        offset: 0,
    };
    plan.layers = (0..config.count(&LAYERS, 12)?)
        .map(|i| {
            let at = format!("{p}h.{i}.");
            let qkv = stored(format!("{at}attn.c_attn"), hidden, heads.width());
            let out = stored(format!("{at}attn.c_proj"), hidden, hidden);
            let mut attn = heads.attention(vec![(qkv, 0)], order, out, None);
            attn.scale = if scaled { attn.scale } else { 1.0 };
            if by_layer {
                attn.scale /= (i + 1) as f32;
            }
            let up = stored(format!("{at}mlp.c_fc"), hidden, inner);
            let down = stored(format!("{at}mlp.c_proj"), inner, hidden);
            layer(
                layer_norm(format!("{at}ln_1"), hidden, eps, true),
                attn,
                Some(layer_norm(format!("{at}ln_2"), hidden, eps, true)),
                plain_mlp(up, down, activation),
                Residual::Serial,
            )
        })
        .collect();
    plan.final_norm = Some(layer_norm(format!("{p}ln_f"), hidden, eps, true));
    Ok(plan)
}

/// Black et al. 2021: unscaled scores, every other layer local.
pub(super) fn gpt_neo(source: Source<'_>) -> Result<DecoderPlan, ModelError> {
    let config = source.config;
    let hidden = config.size(&["hidden_size"], 2048)?;
    let heads = Heads::splitting(
        hidden,
        config.count(&["num_heads", "num_attention_heads"], 16)?,
    )?;
    let inner = config.size_or(&["intermediate_size"], || 4 * hidden)?;
    let eps = config.eps("layer_norm_epsilon", 1e-5)?;
    let activation = config.activation(&["activation_function"], "gelu_new")?;
    let n_layers = config.count(&["num_layers", "num_hidden_layers"], 24)?;
    let local = neo_local_layers(source, n_layers)?;
    let window = config.size(&["window_size"], 256)?;
    let p = source.prefix(&["transformer.", ""], &["wte.weight", "ln_f.weight"]);
    let sizes = (config.size(&["vocab_size"], 50257)?, hidden, heads);
    let mut plan = source.shell(format!("{p}wte"), &["lm_head".into()], sizes, true)?;
    plan.max_positions = config.size(&["max_position_embeddings"], 2048)?;
    plan.positions = Positions::Learned {
        table: format!("{p}wpe.weight"),
        n_rows: plan.max_positions,
        offset: 0,
    };
    plan.layers = local
        .iter()
        .enumerate()
        .map(|(i, local)| {
            let at = format!("{p}h.{i}.");
            let projections = format!("{at}attn.attention.");
            let mut attn = heads.separate(&projections, "out_proj", hidden, (false, true), None);
            attn.scale = 1.0;
            attn.window = local.then_some(window);
            let up = linear(format!("{at}mlp.c_fc"), hidden, inner, true);
            let down = linear(format!("{at}mlp.c_proj"), inner, hidden, true);
            layer(
                layer_norm(format!("{at}ln_1"), hidden, eps, true),
                attn,
                Some(layer_norm(format!("{at}ln_2"), hidden, eps, true)),
                plain_mlp(up, down, activation),
                Residual::Serial,
            )
        })
        .collect();
    plan.final_norm = Some(layer_norm(format!("{p}ln_f"), hidden, eps, true));
    Ok(plan)
}

/// Reads `attention_types`, a list of (pattern, repetitions).
fn neo_local_layers(source: Source<'_>, n_layers: usize) -> Result<Vec<bool>, ModelError> {
    let expected =
        "expected pairs of a list of \"global\" and \"local\" and a number of repetitions";
    let Some(items) = source.config.list("attention_types")? else {
        // The class repeats (global, local) twelve times whatever the number of layers.
        return match n_layers {
            24 => Ok((0..24).map(|i| i % 2 == 1).collect()),
            _ => Err(bad("attention_types", &format!("missing; {expected}"))),
        };
    };
    let mut local = Vec::new();
    for item in items {
        let wrong = || {
            bad(
                "attention_types",
                &format!("found {}; {expected}", shown(item)),
            )
        };
        let pair = item
            .as_array()
            .filter(|pair| pair.len() == 2)
            .ok_or_else(wrong)?;
        let kinds = pair[0].as_array().ok_or_else(wrong)?;
        let times = pair[1]
            .as_u64()
            .filter(|n| *n <= n_layers as u64)
            .ok_or_else(wrong)?;
        for _ in 0..times {
            for kind in kinds {
                local.push(match kind.as_str() {
                    Some("global") => false,
                    Some("local") => true,
                    _ => return Err(wrong()),
                });
            }
            if local.len() > n_layers {
                break;
            }
        }
    }
    if local.len() != n_layers {
        let found = local.len();
        return Err(bad(
            "attention_types",
            &format!("describes {found} layers or more; num_layers says {n_layers}"),
        ));
    }
    Ok(local)
}

/// Wang and Komatsuzaki 2021: parallel blocks that share a norm, interleaved rotation.
pub(super) fn gptj(source: Source<'_>) -> Result<DecoderPlan, ModelError> {
    let config = source.config;
    let hidden = config.size(&HIDDEN, 4096)?;
    let heads = Heads::splitting(hidden, config.count(&HEADS, 16)?)?;
    let inner = config.size_or(&["n_inner"], || 4 * hidden)?;
    let eps = config.eps("layer_norm_epsilon", 1e-5)?;
    let activation = config.activation(&["activation_function"], "gelu_new")?;
    let p = source.prefix(&["transformer.", ""], &["wte.weight", "ln_f.weight"]);
    let sizes = (config.size(&["vocab_size"], 50400)?, hidden, heads);
    let mut plan = source.shell(format!("{p}wte"), &["lm_head".into()], sizes, false)?;
    plan.head.bias = (!p.is_empty()).then(|| "lm_head.bias".to_owned());
    plan.max_positions = config.size(&POSITIONS, 2048)?;
    let dim = config
        .optional_size("rotary_dim", Some(64))?
        .unwrap_or(heads.dim);
    if dim > heads.dim || dim % 2 == 1 {
        let message = format!("expected an even number up to {}, found {dim}", heads.dim);
        return Err(bad("rotary_dim", &message));
    }
    plan.ropes.push(rope::fixed(dim, 10_000.0, true));
    plan.layers = (0..config.count(&LAYERS, 28)?)
        .map(|i| {
            let at = format!("{p}h.{i}.");
            let projections = format!("{at}attn.");
            let no_bias = (false, false);
            let attn = heads.separate(&projections, "out_proj", hidden, no_bias, Some(0));
            let up = linear(format!("{at}mlp.fc_in"), hidden, inner, true);
            let down = linear(format!("{at}mlp.fc_out"), inner, hidden, true);
            layer(
                layer_norm(format!("{at}ln_1"), hidden, eps, true),
                attn,
                None,
                plain_mlp(up, down, activation),
                Residual::Parallel,
            )
        })
        .collect();
    plan.final_norm = Some(layer_norm(format!("{p}ln_f"), hidden, eps, true));
    Ok(plan)
}

/// Black et al. 2022, and Pythia: queries, keys and values interleaved head by head.
pub(super) fn gpt_neox(source: Source<'_>) -> Result<DecoderPlan, ModelError> {
    let config = source.config;
    let hidden = config.size(&["hidden_size"], 6144)?;
    let heads = Heads::splitting(hidden, config.count(&["num_attention_heads"], 64)?)?;
    let inner = config.size(&["intermediate_size"], 24576)?;
    let eps = config.eps("layer_norm_eps", 1e-5)?;
    let activation = config.activation(&["hidden_act"], "gelu")?;
    let bias = config.flag("attention_bias", true)?;
    let residual = match config.flag("use_parallel_residual", true)? {
        true => Residual::Parallel,
        false => Residual::Serial,
    };
    let p = source.prefix(
        &["gpt_neox.", ""],
        &["embed_in.weight", "final_layer_norm.weight"],
    );
    let sizes = (config.size(&["vocab_size"], 50432)?, hidden, heads);
    let head = ["embed_out".into(), "lm_head".into()];
    let mut plan = source.shell(format!("{p}embed_in"), &head, sizes, false)?;
    let max_positions = config.size(&["max_position_embeddings"], 2048)?;
    let keys = RopeKeys {
        theta: "rotary_emb_base",
        partial: Some(("rotary_pct", 0.25)),
        ..RopeKeys::default()
    };
    add_rope(&mut plan, config, max_positions, keys)?;
    plan.layers = (0..config.count(&["num_hidden_layers"], 44)?)
        .map(|i| {
            let at = format!("{p}layers.{i}.");
            let qkv = linear(
                format!("{at}attention.query_key_value"),
                hidden,
                heads.width(),
                bias,
            );
            let out = linear(format!("{at}attention.dense"), hidden, hidden, bias);
            let up = linear(format!("{at}mlp.dense_h_to_4h"), hidden, inner, true);
            let down = linear(format!("{at}mlp.dense_4h_to_h"), inner, hidden, true);
            layer(
                layer_norm(format!("{at}input_layernorm"), hidden, eps, true),
                heads.attention(vec![(qkv, 0)], Order::Groups, out, Some(0)),
                Some(layer_norm(
                    format!("{at}post_attention_layernorm"),
                    hidden,
                    eps,
                    true,
                )),
                plain_mlp(up, down, activation),
                residual,
            )
        })
        .collect();
    plan.final_norm = Some(layer_norm(
        format!("{p}final_layer_norm"),
        hidden,
        eps,
        true,
    ));
    Ok(plan)
}
