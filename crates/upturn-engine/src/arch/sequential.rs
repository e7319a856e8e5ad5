//! Relatives of Llama with other names or layouts: Phi, Phi-3, StableLM, StarCoder 2.

use super::build::{Heads, Order, Source, layer_norm, linear, plain_mlp};
use super::llama::{Base, Biases, Defaults, LLAMA};
use super::rope::RopeKeys;
use crate::error::ModelError;
use crate::plan::{DecoderPlan, Linear, Norm, QkNorm, Residual};

fn norm(base: &Base<'_>, name: String) -> Norm {
    layer_norm(name, base.hidden, base.eps, true)
}

/// Phi 1, 1.5 and 2: parallel blocks that share a norm.
pub(super) fn phi(source: Source<'_>) -> Result<DecoderPlan, ModelError> {
    let mut base = Base::read(
        source,
        &Defaults {
            vocab: 51_200,
            hidden: 2048,
            inner: 8192,
            n_layers: 24,
            eps: ("layer_norm_eps", 1e-5),
            activation: ("hidden_act", "gelu_new"),
            ..LLAMA
        },
    )?;
    base.rope(RopeKeys {
        partial: Some(("partial_rotary_factor", 0.5)),
        ..RopeKeys::default()
    })?;
    let qk_norm = base.config.flag("qk_layernorm", false)?;
    base.plan.head.bias = (!base.p.is_empty()).then(|| "lm_head.bias".to_owned());
    base.layers(
        norm,
        Biases {
            qkv: true,
            ..Biases::default()
        },
        |base, _, at, l| {
            l.mlp_norm = None;
            l.residual = Residual::Parallel;
            l.attn.out = linear(
                format!("{at}self_attn.dense"),
                base.heads.q_width(),
                base.hidden,
                true,
            );
            l.mlp = plain_mlp(
                linear(format!("{at}mlp.fc1"), base.hidden, base.inner, true),
                linear(format!("{at}mlp.fc2"), base.inner, base.hidden, true),
                base.activation,
            );
            if qk_norm {
                let norm = |name: &str| {
                    Some(QkNorm {
                        norm: layer_norm(
                            format!("{at}self_attn.{name}"),
                            base.heads.dim,
                            base.eps,
                            true,
                        ),
                        whole: false,
                        per_head: Vec::new(),
                    })
                };
                l.attn.q_norm = norm("q_layernorm");
                l.attn.k_norm = norm("k_layernorm");
            }
        },
    );
    base.plan.final_norm = Some(norm(&base, format!("{}final_layernorm", base.p)));
    Ok(base.plan)
}

/// Phi-3, 3.5 and 4: Llama with joined projections.
pub(super) fn phi3(source: Source<'_>) -> Result<DecoderPlan, ModelError> {
    let mut base = Base::read(
        source,
        &Defaults {
            vocab: 32_064,
            hidden: 3072,
            inner: 8192,
            positions: 4096,
            eps: ("rms_norm_eps", 1e-5),
            ..LLAMA
        },
    )?;
    base.rope(RopeKeys {
        partial: Some(("partial_rotary_factor", 1.0)),
        original_default: Some(4096),
        su_is_longrope: true,
        ..RopeKeys::default()
    })?;
    let window = base.config.optional_size("sliding_window", None)?;
    base.layers(Base::rms, Biases::default(), |base, _, at, l| {
        let Base {
            heads,
            hidden,
            inner,
            ..
        } = *base;
        let qkv = linear(
            format!("{at}self_attn.qkv_proj"),
            hidden,
            heads.width(),
            false,
        );
        let out = l.attn.out.clone();
        l.attn = heads.attention(vec![(qkv, 0)], Order::Blocks, out, l.attn.rope);
        l.attn.window = window;
        let half = |first_out| Linear {
            n_out: inner,
            first_out,
            ..linear(format!("{at}mlp.gate_up_proj"), hidden, 2 * inner, false)
        };
        l.mlp.gate = Some(half(0));
        l.mlp.up = half(inner);
    });
    Ok(base.plan)
}

/// StableLM 3B and 2: layer norms, a quarter of each head rotated.
pub(super) fn stablelm(source: Source<'_>) -> Result<DecoderPlan, ModelError> {
    let mut base = Base::read(
        source,
        &Defaults {
            vocab: 50_304,
            hidden: 2560,
            inner: 6912,
            n_kv_heads: Some(32),
            positions: 4096,
            eps: ("layer_norm_eps", 1e-5),
            ..LLAMA
        },
    )?;
    base.rope(RopeKeys {
        partial: Some(("partial_rotary_factor", 0.25)),
        ..RopeKeys::default()
    })?;
    let parallel = base.config.flag("use_parallel_residual", false)?;
    let qk_norm = base.config.flag("qk_layernorm", false)?;
    let biases = Biases {
        qkv: base.config.flag("use_qkv_bias", false)?,
        ..Biases::default()
    };
    base.layers(norm, biases, |base, _, at, l| {
        if parallel {
            l.mlp_norm = None;
            l.residual = Residual::Parallel;
        }
        if qk_norm {
            let Heads { n, kv, dim } = base.heads;
            let norm = |name: &str, n| {
                let of_head = |h| format!("{at}self_attn.{name}.norms.{h}.weight");
                Some(QkNorm {
                    norm: Norm {
                        weight: None,
                        ..layer_norm(String::new(), dim, base.eps, false)
                    },
                    whole: false,
                    per_head: (0..n).map(of_head).collect(),
                })
            };
            l.attn.q_norm = norm("q_layernorm", n);
            l.attn.k_norm = norm("k_layernorm", kv);
        }
    });
    Ok(base.plan)
}

/// Lozhkov et al. 2024: layer norms, offsets everywhere, a plain feed-forward block.
pub(super) fn starcoder2(source: Source<'_>) -> Result<DecoderPlan, ModelError> {
    let mut base = Base::read(
        source,
        &Defaults {
            vocab: 49_152,
            hidden: 3072,
            inner: 12_288,
            n_layers: 30,
            n_heads: 24,
            n_kv_heads: Some(2),
            positions: 4096,
            eps: ("norm_epsilon", 1e-5),
            activation: ("hidden_act", "gelu_pytorch_tanh"),
            tied: true,
            ..LLAMA
        },
    )?;
    base.rope(RopeKeys::default())?;
    let bias = base.config.flag("use_bias", true)?;
    let window = base.config.optional_size("sliding_window", None)?;
    let biases = Biases {
        qkv: bias,
        out: bias,
        mlp: bias,
    };
    base.layers(norm, biases, |base, _, at, l| {
        l.attn.window = window;
        l.mlp = plain_mlp(
            linear(format!("{at}mlp.c_fc"), base.hidden, base.inner, bias),
            linear(format!("{at}mlp.c_proj"), base.inner, base.hidden, bias),
            base.activation,
        );
    });
    Ok(base.plan)
}
