//! Gemma 1, 2 and 3 (text): gains that start from one, scaled embeddings, soft caps, windows.
//!
//! The embedding's factor is √hidden rounded to 32 bits, as transformers rounds it when weights
//! are held in 32 bits; run in bfloat16 it rounds the factor to bfloat16.

use super::build::{Source, add_ropes};
use super::llama::{Base, Biases, Defaults, LLAMA};
use super::rope::RopeKeys;
use crate::error::ModelError;
use crate::plan::{Activation, DecoderPlan, Norm};

const GEMMA: Defaults = Defaults {
    vocab: 256_000,
    hidden: 3072,
    inner: 24_576,
    n_layers: 28,
    n_heads: 16,
    n_kv_heads: Some(16),
    head_dim: Some(256),
    positions: 8192,
    activation: ("hidden_act", "gelu_pytorch_tanh"),
    tied: true,
    ..LLAMA
};

const GEMMA2: Defaults = Defaults {
    hidden: 2304,
    inner: 9216,
    n_layers: 26,
    n_heads: 8,
    n_kv_heads: Some(4),
    activation: ("hidden_activation", "gelu_pytorch_tanh"),
    ..GEMMA
};

/// An RMS norm whose stored gains are one less than what they multiply by.
fn norm(base: &Base<'_>, name: String) -> Norm {
    Norm {
        weight_offset: 1.0,
        ..base.rms(name)
    }
}

fn biases(base: &Base<'_>) -> Result<Biases, ModelError> {
    let bias = base.config.flag("attention_bias", false)?;
    Ok(Biases {
        qkv: bias,
        out: bias,
        mlp: false,
    })
}

fn scale_embeddings(base: &mut Base<'_>) {
    base.plan.embed_scale = (base.hidden as f64).sqrt() as f32;
}

/// Gemma Team 2024.
pub(super) fn gemma(source: Source<'_>) -> Result<DecoderPlan, ModelError> {
    let mut base = Base::read(source, &GEMMA)?;
    // The first release wrote "gelu" and meant the tanh approximation.
    if base.activation == Activation::GeluErf {
        base.activation = Activation::GeluTanh;
    }
    scale_embeddings(&mut base);
    base.rope(RopeKeys::default())?;
    let biases = biases(&base)?;
    base.layers(norm, biases, |_, _, _, _| {});
    Ok(base.plan)
}

/// What Gemma 2 and 3 share once their ropes are read: norms around both blocks, caps, windows.
fn sandwiched(
    mut base: Base<'_>,
    window: Option<usize>,
    sliding: &[bool],
    caps: (Option<f64>, Option<f64>),
    norm_heads: bool,
) -> Result<DecoderPlan, ModelError> {
    scale_embeddings(&mut base);
    let config = base.config;
    let scale = config.number(&["query_pre_attn_scalar"], 256.0)?;
    let cap = config.optional_number("attn_logit_softcapping", caps.0)?;
    let logit_cap = config.optional_number("final_logit_softcapping", caps.1)?;
    base.plan.logit_soft_cap = logit_cap.map(|c| c as f32);
    let biases = biases(&base)?;
    let per_kind = base.plan.ropes.len() > 1;
    base.layers(norm, biases, |base, i, at, l| {
        let named = |name: &str| Some(norm(base, format!("{at}{name}")));
        l.attn_out_norm = l.mlp_norm.take();
        l.mlp_norm = named("pre_feedforward_layernorm");
        l.mlp_out_norm = named("post_feedforward_layernorm");
        l.attn.scale = scale.powf(-0.5) as f32;
        l.attn.soft_cap = cap.map(|c| c as f32);
        l.attn.window = window.filter(|_| sliding[i]);
        if per_kind {
            l.attn.rope = Some(usize::from(sliding[i]));
        }
        if norm_heads {
            base.norm_heads(at, l, 1.0);
        }
    });
    Ok(base.plan)
}

/// Gemma Team 2024b: every other layer sees a window, scores and logits are capped.
pub(super) fn gemma2(source: Source<'_>) -> Result<DecoderPlan, ModelError> {
    let mut base = Base::read(source, &GEMMA2)?;
    base.rope(RopeKeys::default())?;
    let window = base.config.optional_size("sliding_window", Some(4096))?;
    let sliding = base.config.sliding_layers(base.n_layers, |i| i % 2 == 0)?;
    sandwiched(base, window, &sliding, (Some(50.0), Some(30.0)), false)
}

/// Gemma Team 2025: five of six layers see a window and rotate with a base of their own.
pub(super) fn gemma3(source: Source<'_>) -> Result<DecoderPlan, ModelError> {
    let defaults = Defaults {
        vocab: 262_208,
        positions: 131_072,
        ..GEMMA2
    };
    let prefixes = [
        "model.",
        "",
        "language_model.model.",
        "model.language_model.",
        "language_model.",
    ];
    let mut base = Base::read_under(source, &defaults, &prefixes)?;
    let full = RopeKeys {
        theta_default: 1_000_000.0,
        ..RopeKeys::default()
    };
    let local = RopeKeys {
        theta: "rope_local_base_freq",
        ..RopeKeys::default()
    };
    add_ropes(&mut base.plan, base.config, base.positions, (full, local))?;
    let window = base.config.optional_size("sliding_window", Some(4096))?;
    let every = base.config.count(&["sliding_window_pattern"], 6)?;
    let sliding = base
        .config
        .sliding_layers(base.n_layers, |i| !(i + 1).is_multiple_of(every))?;
    sandwiched(base, window, &sliding, (None, None), true)
}
