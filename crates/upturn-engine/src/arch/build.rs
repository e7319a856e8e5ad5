//! Pieces that the mappings share: names, linear layers, norms, head layouts, the plan's shell.

use super::config::{Config, bad};
use super::rope::{self, RopeKeys};
use crate::error::ModelError;
use crate::plan::{
    Attention, DecoderPlan, Layer, Layout, Linear, Mlp, Norm, NormKind, Positions, Residual,
};

/// What a mapping reads from: the configuration and the names of the checkpoint's tensors.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) config: Config<'a>,
    pub(super) exists: &'a dyn Fn(&str) -> bool,
}

/// Sizes of the attention heads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heads {
    pub(super) n: usize,
    pub(super) kv: usize,
    pub(super) dim: usize,
}

/// How queries, keys and values follow each other in the projections' buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// All queries, all keys, all values.
    Blocks,
    /// For each key-value head: its queries, its key, its value.
    Groups,
}

impl Heads {
    /// Checks that heads share out evenly.
    pub(super) fn new(n: usize, kv: usize, dim: usize) -> Result<Self, ModelError> {
        if !n.is_multiple_of(kv) {
            return Err(bad(
                "num_key_value_heads",
                &format!("{kv} does not divide num_attention_heads, {n}"),
            ));
        }
        Ok(Heads { n, kv, dim })
    }

    /// Heads that split `hidden` evenly, each with its own key and value.
    pub(super) fn splitting(hidden: usize, n: usize) -> Result<Self, ModelError> {
        if !hidden.is_multiple_of(n) {
            return Err(bad(
                "num_attention_heads",
                &format!("{n} does not divide hidden_size, {hidden}"),
            ));
        }
        Heads::new(n, n, hidden / n)
    }

    /// Reads heads as most configurations spell them. `kv` and `dim` are the class's defaults
    /// where a key is absent; null always means one per query head, and hidden / heads.
    pub(super) fn read(
        config: Config<'_>,
        hidden: usize,
        n: usize,
        kv: Option<usize>,
        dim: Option<usize>,
    ) -> Result<Self, ModelError> {
        let n = config.count(&["num_attention_heads"], n)?;
        let kv = if config.is_null("num_key_value_heads") {
            None
        } else {
            kv
        };
        let kv = config.count(&["num_key_value_heads"], kv.unwrap_or(n))?;
        let dim = if config.is_null("head_dim") {
            None
        } else {
            dim
        };
        if config.get("head_dim").is_none() && dim.is_none() && !hidden.is_multiple_of(n) {
            Heads::splitting(hidden, n)?;
        }
        let dim = config.count(&["head_dim"], dim.unwrap_or(hidden / n).max(1))?;
        Heads::new(n, kv, dim)
    }

    /// Width of all queries.
    pub(super) fn q_width(self) -> usize {
        self.n * self.dim
    }

    /// Width of all keys, or of all values.
    pub(super) fn kv_width(self) -> usize {
        self.kv * self.dim
    }

    /// Width of queries, keys and values together.
    pub(super) fn width(self) -> usize {
        self.q_width() + 2 * self.kv_width()
    }

    /// `1 / √dim`.
    pub(super) fn scale(self) -> f32 {
        (self.dim as f64).powf(-0.5) as f32
    }

    /// Attention over projections that fill the buffer in `order`.
    pub(super) fn attention(
        self,
        qkv: Vec<(Linear, usize)>,
        order: Order,
        out: Linear,
        rope: Option<usize>,
    ) -> Attention {
        let Heads { n, kv, dim } = self;
        let per_group = n / kv;
        let group = (per_group + 2) * dim;
        let (q_at, k_at, v_at) = match order {
            Order::Blocks => (
                (0..n).map(|h| h * dim).collect(),
                (0..kv).map(|g| (n + g) * dim).collect(),
                (0..kv).map(|g| (n + kv + g) * dim).collect(),
            ),
            Order::Groups => (
                (0..n)
                    .map(|h| h / per_group * group + h % per_group * dim)
                    .collect(),
                (0..kv).map(|g| g * group + per_group * dim).collect(),
                (0..kv).map(|g| g * group + (per_group + 1) * dim).collect(),
            ),
        };
        Attention {
            qkv,
            qkv_width: self.width(),
            q_at,
            k_at,
            v_at,
            head_dim: dim,
            q_norm: None,
            k_norm: None,
            clip_qkv: None,
            scale: self.scale(),
            rope,
            window: None,
            soft_cap: None,
            out,
        }
    }

    /// Attention with a projection each for queries, keys and values: `{at}q_proj` and so on.
    pub(super) fn separate(
        self,
        at: &str,
        out: &str,
        hidden: usize,
        (qkv_bias, out_bias): (bool, bool),
        rope: Option<usize>,
    ) -> Attention {
        let (q, kv) = (self.q_width(), self.kv_width());
        self.attention(
            vec![
                (linear(format!("{at}q_proj"), hidden, q, qkv_bias), 0),
                (linear(format!("{at}k_proj"), hidden, kv, qkv_bias), q),
                (linear(format!("{at}v_proj"), hidden, kv, qkv_bias), q + kv),
            ],
            Order::Blocks,
            linear(format!("{at}{out}"), q, hidden, out_bias),
            rope,
        )
    }
}

/// A linear layer stored as `nn.Linear` stores it, under `{name}.weight` and `{name}.bias`.
pub(super) fn linear(name: String, n_in: usize, n_out: usize, bias: bool) -> Linear {
    Linear {
        weight: format!("{name}.weight"),
        bias: bias.then(|| format!("{name}.bias")),
        n_in,
        n_out,
        layout: Layout::OutIn,
        first_out: 0,
        tensor_out: n_out,
    }
}

/// A linear layer stored as GPT-2's `Conv1D` stores it.
pub(super) fn conv(name: String, n_in: usize, n_out: usize) -> Linear {
    Linear {
        layout: Layout::InOut,
        ..linear(name, n_in, n_out, true)
    }
}

/// A layer norm with gains and, if `bias`, offsets.
pub(super) fn layer_norm(name: String, size: usize, eps: f32, bias: bool) -> Norm {
    Norm {
        kind: NormKind::Layer,
        eps,
        weight: Some(format!("{name}.weight")),
        bias: bias.then(|| format!("{name}.bias")),
        weight_offset: 0.0,
        size,
    }
}

/// A root-mean-square norm with gains.
pub(super) fn rms_norm(name: String, size: usize, eps: f32) -> Norm {
    Norm {
        kind: NormKind::Rms,
        ..layer_norm(name, size, eps, false)
    }
}

/// A feed-forward block of two linear layers.
pub(super) fn plain_mlp(up: Linear, down: Linear, activation: crate::plan::Activation) -> Mlp {
    Mlp {
        gate: None,
        up,
        down,
        activation,
    }
}

/// A gated feed-forward block under Llama's names.
pub(super) fn gated_mlp(
    at: &str,
    hidden: usize,
    inner: usize,
    bias: bool,
    activation: crate::plan::Activation,
) -> Mlp {
    Mlp {
        gate: Some(linear(format!("{at}gate_proj"), hidden, inner, bias)),
        up: linear(format!("{at}up_proj"), hidden, inner, bias),
        down: linear(format!("{at}down_proj"), inner, hidden, bias),
        activation,
    }
}

/// A layer of the usual kind: each block's input normalised.
pub(super) fn layer(
    attn_norm: Norm,
    attn: Attention,
    mlp_norm: Option<Norm>,
    mlp: Mlp,
    residual: Residual,
) -> Layer {
    Layer {
        attn_norm: Some(attn_norm),
        attn,
        attn_out_norm: None,
        mlp_norm,
        mlp,
        mlp_out_norm: None,
        residual,
        residual_scale: 1.0,
    }
}

impl Source<'_> {
    /// The prefix of the decoder's names: the first under which one of `probes` exists, so
    /// that checkpoints saved without their output head are found too.
    pub(super) fn prefix(&self, candidates: &[&'static str], probes: &[&str]) -> &'static str {
        candidates
            .iter()
            .find(|prefix| {
                probes
                    .iter()
                    .any(|probe| (self.exists)(&format!("{prefix}{probe}")))
            })
            .unwrap_or(&candidates[0])
    }

    /// A plan without layers: embeddings, output table, and nothing else.
    ///
    /// The output table is the first of `heads` that exists; else the embedding's, where
    /// `tie_word_embeddings` says so (`tied` where the key is absent).
    pub(super) fn shell(
        &self,
        embed: String,
        head_names: &[String],
        (vocab_size, hidden, heads): (usize, usize, Heads),
        tied: bool,
    ) -> Result<DecoderPlan, ModelError> {
        let weight = |name: &String| format!("{name}.weight");
        let found = head_names.iter().find(|n| (self.exists)(&weight(n)));
        let tied = self.config.flag("tie_word_embeddings", tied)?;
        let embed = weight(&embed);
        let head_weight = match found {
            Some(name) => weight(name),
            None if tied => embed.clone(),
            None => weight(&head_names[0]),
        };
        let embed = if tied && !(self.exists)(&embed) && found.is_some() {
            head_weight.clone()
        } else {
            embed
        };
        Ok(DecoderPlan {
            model_type: self.config.word(&["model_type"], "")?.to_owned(),
            vocab_size,
            hidden,
            n_heads: heads.n,
            n_kv_heads: heads.kv,
            head_dim: heads.dim,
            max_positions: 0,
            embed,
            embed_width: hidden,
            embed_scale: 1.0,
            embed_project: None,
            embed_norm: None,
            positions: Positions::None,
            alibi_rounding: None,
            ropes: Vec::new(),
            layers: Vec::new(),
            final_norm: None,
            head_project: None,
            head: Linear {
                weight: head_weight,
                ..linear(String::new(), hidden, vocab_size, false)
            },
            logit_scale: 1.0,
            logit_soft_cap: None,
        })
    }
}

/// Adds one rotary table for all layers and the longest input it allows.
pub(super) fn add_rope(
    plan: &mut DecoderPlan,
    config: Config<'_>,
    max_positions: usize,
    keys: RopeKeys,
) -> Result<(), ModelError> {
    let scaled = rope::read(config, plan.head_dim, max_positions, keys, None)?;
    plan.max_positions = scaled.max_positions;
    plan.ropes.push(scaled.rope);
    Ok(())
}

/// Adds the tables of layers that see everything (index 0) and of layers that see a window (1).
pub(super) fn add_ropes(
    plan: &mut DecoderPlan,
    config: Config<'_>,
    max_positions: usize,
    (full, sliding): (RopeKeys, RopeKeys),
) -> Result<(), ModelError> {
    let read = |keys, kind| rope::read(config, plan.head_dim, max_positions, keys, Some(kind));
    let full = read(full, "full_attention")?;
    let sliding = read(sliding, "sliding_attention")?;
    plan.max_positions = full.max_positions.min(sliding.max_positions);
    plan.ropes = vec![full.rope, sliding.rope];
    Ok(())
}
