//! OPT (Zhang et al. 2022), the 350-million model with its norms after the blocks included.

use super::build::{Heads, Source, layer, layer_norm, linear, plain_mlp};
use crate::error::ModelError;
use crate::plan::{DecoderPlan, Norm, Positions, Residual};

/// PyTorch's default for `nn.LayerNorm`, which OPT leaves as it is.
const EPS: f32 = 1e-5;

/// OPT.
pub(super) fn opt(source: Source<'_>) -> Result<DecoderPlan, ModelError> {
    let config = source.config;
    let hidden = config.size(&["hidden_size"], 768)?;
    let width = config.size_or(&["word_embed_proj_dim"], || hidden)?;
    let heads = Heads::splitting(hidden, config.count(&["num_attention_heads"], 12)?)?;
    let inner = config.size(&["ffn_dim"], 3072)?;
    let activation = config.activation(&["activation_function"], "relu")?;
    let bias = config.flag("enable_bias", true)?;
    let affine = config.flag("layer_norm_elementwise_affine", true)?;
    let before = config.flag("do_layer_norm_before", true)?;
    let remove_final = config.flag("_remove_final_layer_norm", false)?;
    let norm = |name: String| {
        let norm = layer_norm(name, hidden, EPS, true);
        match affine {
            true => norm,
            false => Norm {
                weight: None,
                bias: None,
                ..norm
            },
        }
    };
    let probes = ["embed_tokens.weight", "embed_positions.weight"];
    let p = source.prefix(&["model.decoder.", "decoder.", ""], &probes);
    let vocab = config.size(&["vocab_size"], 50272)?;
    let head = ["lm_head".into()];
    let mut plan = source.shell(
        format!("{p}embed_tokens"),
        &head,
        (vocab, width, heads),
        true,
    )?;
    plan.hidden = hidden;
    if width != hidden {
        plan.embed_project = Some(linear(format!("{p}project_in"), width, hidden, false));
        plan.head_project = Some(linear(format!("{p}project_out"), hidden, width, false));
    }
    plan.max_positions = config.size(&["max_position_embeddings"], 2048)?;
    plan.positions = Positions::Learned {
        table: format!("{p}embed_positions.weight"),
        n_rows: plan.max_positions + 2,
        offset: 2,
    };
    plan.layers = (0..config.count(&["num_hidden_layers"], 12)?)
        .map(|i| {
            let at = format!("{p}layers.{i}.");
            let projections = format!("{at}self_attn.");
            let attn = heads.separate(&projections, "out_proj", hidden, (bias, bias), None);
            let up = linear(format!("{at}fc1"), hidden, inner, bias);
            let down = linear(format!("{at}fc2"), inner, hidden, bias);
            let mut layer = layer(
                norm(format!("{at}self_attn_layer_norm")),
                attn,
                Some(norm(format!("{at}final_layer_norm"))),
                plain_mlp(up, down, activation),
                Residual::Serial,
            );
            if !before {
                layer.residual = Residual::PostNorm;
                layer.attn_out_norm = layer.attn_norm.take();
                layer.mlp_out_norm = layer.mlp_norm.take();
            }
            layer
        })
        .collect();
    plan.final_norm = (before && !remove_final).then(|| norm(format!("{p}final_layer_norm")));
    Ok(plan)
}
