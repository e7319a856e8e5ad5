//! Llama and its many relatives: one skeleton, and what each changes in it.

use super::build::{Heads, Source, add_rope, add_ropes, gated_mlp, layer, layer_norm, rms_norm};
use super::config::{Config, bad};
use super::rope::RopeKeys;
use crate::error::ModelError;
use crate::plan::{Activation, DecoderPlan, Layer, Norm, NormKind, QkNorm, Residual};

/// What a configuration class takes where a key is absent.
pub(super) struct Defaults {
    pub(super) vocab: usize,
    pub(super) hidden: usize,
    pub(super) inner: usize,
    pub(super) n_layers: usize,
    pub(super) n_heads: usize,
    /// `None` is one per query head.
    pub(super) n_kv_heads: Option<usize>,
    /// `None` is hidden / heads.
    pub(super) head_dim: Option<usize>,
    pub(super) positions: usize,
    pub(super) eps: (&'static str, f64),
    pub(super) activation: (&'static str, &'static str),
    pub(super) tied: bool,
}

/// `LlamaConfig`'s.
pub(super) const LLAMA: Defaults = Defaults {
    vocab: 32_000,
    hidden: 4096,
    inner: 11_008,
    n_layers: 32,
    n_heads: 32,
    n_kv_heads: None,
    head_dim: None,
    positions: 2048,
    eps: ("rms_norm_eps", 1e-6),
    activation: ("hidden_act", "silu"),
    tied: false,
};

/// What every architecture of this skeleton reads, and the plan so far.
pub(super) struct Base<'a> {
    pub(super) config: Config<'a>,
    pub(super) plan: DecoderPlan,
    /// Prefix of the decoder's names.
    pub(super) p: &'static str,
    pub(super) heads: Heads,
    pub(super) hidden: usize,
    pub(super) inner: usize,
    pub(super) n_layers: usize,
    pub(super) positions: usize,
    pub(super) eps: f32,
    pub(super) activation: Activation,
}

/// Which linear layers have offsets.
#[derive(Clone, Copy, Default)]
pub(super) struct Biases {
    pub(super) qkv: bool,
    pub(super) out: bool,
    pub(super) mlp: bool,
}

impl<'a> Base<'a> {
    pub(super) fn read(source: Source<'a>, d: &Defaults) -> Result<Self, ModelError> {
        Base::read_under(source, d, &["model.", ""])
    }

    /// Reads with other prefixes than the usual two.
    pub(super) fn read_under(
        source: Source<'a>,
        d: &Defaults,
        prefixes: &[&'static str],
    ) -> Result<Self, ModelError> {
        let config = source.config;
        let hidden = config.size(&["hidden_size"], d.hidden)?;
        let heads = Heads::read(config, hidden, d.n_heads, d.n_kv_heads, d.head_dim)?;
        let probes = [
            "embed_tokens.weight",
            "norm.weight",
            "layers.0.self_attn.o_proj.weight",
        ];
        let p = source.prefix(prefixes, &probes);
        // Where the decoder sits below another module, so may its output table.
        let mut head_names = vec!["lm_head".to_owned()];
        if let Some(above) = p.strip_suffix("model.").filter(|above| !above.is_empty()) {
            head_names.push(format!("{above}lm_head"));
        }
        let sizes = (config.size(&["vocab_size"], d.vocab)?, hidden, heads);
        let mut plan = source.shell(format!("{p}embed_tokens"), &head_names, sizes, d.tied)?;
        let positions = config.size(&["max_position_embeddings"], d.positions)?;
        plan.max_positions = positions;
        Ok(Base {
            config,
            plan,
            p,
            heads,
            hidden,
            inner: config.size(&["intermediate_size"], d.inner)?,
            n_layers: config.count(&["num_hidden_layers"], d.n_layers)?,
            positions,
            eps: config.eps(d.eps.0, d.eps.1)?,
            activation: config.activation(&[d.activation.0], d.activation.1)?,
        })
    }

    /// Adds one rotary table that all layers use.
    pub(super) fn rope(&mut self, keys: RopeKeys) -> Result<(), ModelError> {
        add_rope(&mut self.plan, self.config, self.positions, keys)
    }

    /// An RMS norm of the residual stream.
    pub(super) fn rms(&self, name: String) -> Norm {
        rms_norm(name, self.hidden, self.eps)
    }

    /// Adds Llama's layers, each changed by `edit`, given its index and prefix.
    pub(super) fn layers(
        &mut self,
        norm: impl Fn(&Self, String) -> Norm,
        biases: Biases,
        edit: impl Fn(&Self, usize, &str, &mut Layer),
    ) {
        let rope = (!self.plan.ropes.is_empty()).then_some(0);
        let layers = (0..self.n_layers).map(|i| {
            let at = format!("{}layers.{i}.", self.p);
            let projections = format!("{at}self_attn.");
            let bias = (biases.qkv, biases.out);
            let mlp = format!("{at}mlp.");
            let mut layer = layer(
                norm(self, format!("{at}input_layernorm")),
                self.heads
                    .separate(&projections, "o_proj", self.hidden, bias, rope),
                Some(norm(self, format!("{at}post_attention_layernorm"))),
                gated_mlp(&mlp, self.hidden, self.inner, biases.mlp, self.activation),
                Residual::Serial,
            );
            edit(self, i, &at, &mut layer);
            layer
        });
        self.plan.layers = layers.collect();
        self.plan.final_norm = Some(norm(self, format!("{}norm", self.p)));
    }

    /// Gives each head's queries and keys a norm of their own width.
    pub(super) fn norm_heads(&self, at: &str, layer: &mut Layer, weight_offset: f32) {
        let norm = |name: &str| {
            Some(QkNorm {
                norm: Norm {
                    weight_offset,
                    ..rms_norm(format!("{at}self_attn.{name}"), self.heads.dim, self.eps)
                },
                whole: false,
                per_head: Vec::new(),
            })
        };
        layer.attn.q_norm = norm("q_norm");
        layer.attn.k_norm = norm("k_norm");
    }

    /// Moves the norms behind the blocks, as OLMo 2 and EXAONE 4 do.
    fn norm_outputs(&self, at: &str, layer: &mut Layer) {
        layer.attn_norm = None;
        layer.mlp_norm = None;
        layer.attn_out_norm = Some(self.rms(format!("{at}post_attention_layernorm")));
        layer.mlp_out_norm = Some(self.rms(format!("{at}post_feedforward_layernorm")));
    }
}

/// Touvron et al. 2023; Llama 2, 3, 3.1 and 3.2.
pub(super) fn llama(source: Source<'_>) -> Result<DecoderPlan, ModelError> {
    let mut base = Base::read(source, &LLAMA)?;
    base.rope(RopeKeys::default())?;
    let biases = llama_biases(base.config)?;
    base.layers(Base::rms, biases, |_, _, _, _| {});
    Ok(base.plan)
}

fn llama_biases(config: Config<'_>) -> Result<Biases, ModelError> {
    let attention = config.flag("attention_bias", false)?;
    Ok(Biases {
        qkv: attention,
        out: attention,
        mlp: config.flag("mlp_bias", false)?,
    })
}

const MISTRAL: Defaults = Defaults {
    inner: 14_336,
    n_kv_heads: Some(8),
    positions: 131_072,
    ..LLAMA
};

/// Jiang et al. 2023: the same window in every layer.
pub(super) fn mistral(source: Source<'_>) -> Result<DecoderPlan, ModelError> {
    let mut base = Base::read(source, &MISTRAL)?;
    base.rope(RopeKeys::default())?;
    let window = base.config.optional_size("sliding_window", Some(4096))?;
    base.layers(Base::rms, Biases::default(), |_, _, _, l| {
        l.attn.window = window
    });
    Ok(base.plan)
}

/// Ministral: Mistral with a window in some layers.
pub(super) fn ministral(source: Source<'_>) -> Result<DecoderPlan, ModelError> {
    let mut base = Base::read(source, &MISTRAL)?;
    base.rope(RopeKeys::default())?;
    let window = base.config.optional_size("sliding_window", Some(4096))?;
    let sliding = base
        .config
        .sliding_layers(base.n_layers, |_| window.is_some())?;
    base.layers(Base::rms, Biases::default(), |_, i, _, l| {
        l.attn.window = window.filter(|_| sliding[i]);
    });
    Ok(base.plan)
}

const QWEN2: Defaults = Defaults {
    vocab: 151_936,
    inner: 22_016,
    n_kv_heads: Some(32),
    positions: 32_768,
    ..LLAMA
};

/// Windows of Qwen 2 and 3: the layers from `max_window_layers` on, where switched on.
fn qwen_windows(base: &Base<'_>) -> Result<Vec<Option<usize>>, ModelError> {
    let config = base.config;
    let window = match config.flag("use_sliding_window", false)? {
        true => config.optional_size("sliding_window", Some(4096))?,
        false => None,
    };
    let first = config.number(&["max_window_layers"], 28.0)?;
    let sliding = config.sliding_layers(base.n_layers, |i| i as f64 >= first)?;
    Ok(sliding.iter().map(|s| window.filter(|_| *s)).collect())
}

/// Yang et al. 2024; Qwen 2 and 2.5.
pub(super) fn qwen2(source: Source<'_>) -> Result<DecoderPlan, ModelError> {
    let mut base = Base::read(source, &QWEN2)?;
    base.rope(RopeKeys::default())?;
    let windows = qwen_windows(&base)?;
    let biases = Biases {
        qkv: true,
        ..Biases::default()
    };
    base.layers(Base::rms, biases, |_, i, _, l| l.attn.window = windows[i]);
    Ok(base.plan)
}

/// Qwen 3 (dense): norms on each head's queries and keys.
pub(super) fn qwen3(source: Source<'_>) -> Result<DecoderPlan, ModelError> {
    let mut base = Base::read(
        source,
        &Defaults {
            head_dim: Some(128),
            ..QWEN2
        },
    )?;
    base.rope(RopeKeys::default())?;
    let windows = qwen_windows(&base)?;
    let bias = base.config.flag("attention_bias", false)?;
    let biases = Biases {
        qkv: bias,
        out: bias,
        mlp: false,
    };
    base.layers(Base::rms, biases, |base, i, at, l| {
        l.attn.window = windows[i];
        base.norm_heads(at, l, 0.0);
    });
    Ok(base.plan)
}

/// Granite 3: Llama with four multipliers.
pub(super) fn granite(source: Source<'_>) -> Result<DecoderPlan, ModelError> {
    let mut base = Base::read(source, &LLAMA)?;
    base.rope(RopeKeys::default())?;
    let config = base.config;
    let biases = llama_biases(config)?;
    let scale = config.number(&["attention_multiplier"], 1.0)? as f32;
    let residual_scale = config.number(&["residual_multiplier"], 1.0)? as f32;
    base.plan.embed_scale = config.number(&["embedding_multiplier"], 1.0)? as f32;
    let divisor = config.number(&["logits_scaling"], 1.0)?;
    if divisor == 0.0 {
        return Err(bad("logits_scaling", "expected a number other than 0"));
    }
    base.plan.logit_scale = (1.0 / divisor) as f32;
    base.layers(Base::rms, biases, |_, _, _, l| {
        l.attn.scale = scale;
        l.residual_scale = residual_scale;
    });
    Ok(base.plan)
}

/// Seed-OSS: Llama with a switch of its own for the output projection's offsets.
pub(super) fn seed_oss(source: Source<'_>) -> Result<DecoderPlan, ModelError> {
    let mut base = Base::read(
        source,
        &Defaults {
            vocab: 155_136,
            inner: 27_648,
            n_layers: 64,
            n_heads: 80,
            n_kv_heads: Some(8),
            head_dim: Some(128),
            positions: 524_288,
            ..LLAMA
        },
    )?;
    base.rope(RopeKeys::default())?;
    let biases = Biases {
        qkv: base.config.flag("attention_bias", true)?,
        out: base.config.flag("attention_out_bias", false)?,
        mlp: base.config.flag("mlp_bias", false)?,
    };
    base.layers(Base::rms, biases, |_, _, _, _| {});
    Ok(base.plan)
}

/// Helium 1: Llama with interleaved rotation.
pub(super) fn helium(source: Source<'_>) -> Result<DecoderPlan, ModelError> {
    let mut base = Base::read(
        source,
        &Defaults {
            vocab: 48_000,
            hidden: 2560,
            inner: 7040,
            n_layers: 24,
            n_heads: 20,
            n_kv_heads: Some(20),
            head_dim: Some(128),
            positions: 4096,
            eps: ("rms_norm_eps", 1e-8),
            ..LLAMA
        },
    )?;
    base.rope(RopeKeys {
        theta_default: 100_000.0,
        interleaved: true,
        ..RopeKeys::default()
    })?;
    let biases = Biases {
        out: false,
        ..llama_biases(base.config)?
    };
    base.layers(Base::rms, biases, |_, _, _, _| {});
    Ok(base.plan)
}

/// Groeneveld et al. 2024: layer norms without parameters.
pub(super) fn olmo(source: Source<'_>) -> Result<DecoderPlan, ModelError> {
    let defaults = Defaults {
        vocab: 50_304,
        ..LLAMA
    };
    let mut base = Base::read(source, &defaults)?;
    base.rope(RopeKeys::default())?;
    let biases = Biases {
        mlp: false,
        ..llama_biases(base.config)?
    };
    let clip = base.config.optional_number("clip_qkv", None)?;
    let norm = |base: &Base<'_>, _: String| Norm {
        kind: NormKind::Layer,
        eps: 1e-5,
        weight: None,
        bias: None,
        weight_offset: 0.0,
        size: base.hidden,
    };
    base.layers(norm, biases, |_, _, _, l| {
        l.attn.clip_qkv = clip.map(|c| c as f32)
    });
    Ok(base.plan)
}

const OLMO2: Defaults = Defaults {
    vocab: 50_304,
    eps: ("rms_norm_eps", 1e-5),
    ..LLAMA
};

/// OLMo 2 and 3: norms behind the blocks, and over all queries and all keys together.
fn olmo2_layers(base: &mut Base<'_>, edit: impl Fn(usize, &mut Layer)) -> Result<(), ModelError> {
    let biases = Biases {
        mlp: false,
        ..llama_biases(base.config)?
    };
    base.layers(Base::rms, biases, |base, i, at, l| {
        let norm = |name: &str, size| {
            Some(QkNorm {
                norm: rms_norm(format!("{at}self_attn.{name}"), size, base.eps),
                whole: true,
                per_head: Vec::new(),
            })
        };
        l.attn.q_norm = norm("q_norm", base.heads.q_width());
        l.attn.k_norm = norm("k_norm", base.heads.kv_width());
        base.norm_outputs(at, l);
        edit(i, l);
    });
    Ok(())
}

/// OLMo et al. 2024.
pub(super) fn olmo2(source: Source<'_>) -> Result<DecoderPlan, ModelError> {
    let mut base = Base::read(source, &OLMO2)?;
    base.rope(RopeKeys::default())?;
    olmo2_layers(&mut base, |_, _| {})?;
    Ok(base.plan)
}

/// OLMo 3: OLMo 2 with windows, and a scaled rotation only where there is none.
pub(super) fn olmo3(source: Source<'_>) -> Result<DecoderPlan, ModelError> {
    let mut base = Base::read(source, &OLMO2)?;
    let keys = RopeKeys {
        theta_default: 500_000.0,
        ..RopeKeys::default()
    };
    add_ropes(&mut base.plan, base.config, base.positions, (keys, keys))?;
    let window = base.config.optional_size("sliding_window", Some(4096))?;
    let sliding = base
        .config
        .sliding_layers(base.n_layers, |i| !(i + 1).is_multiple_of(4))?;
    olmo2_layers(&mut base, |i, l| {
        l.attn.rope = Some(usize::from(sliding[i]));
        l.attn.window = window.filter(|_| sliding[i]);
    })?;
    Ok(base.plan)
}

/// A period after which a layer sees everything, under `key`.
fn period(config: Config<'_>, key: &'static str, default: usize) -> Result<usize, ModelError> {
    config.count(&[key], default)
}

/// SmolLM 3: every fourth layer without rotation.
pub(super) fn smollm3(source: Source<'_>) -> Result<DecoderPlan, ModelError> {
    let mut base = Base::read(
        source,
        &Defaults {
            vocab: 128_256,
            hidden: 2048,
            n_layers: 36,
            n_heads: 16,
            n_kv_heads: Some(4),
            positions: 32_768,
            tied: true,
            ..LLAMA
        },
    )?;
    base.rope(RopeKeys {
        theta_default: 2_000_000.0,
        ..RopeKeys::default()
    })?;
    let config = base.config;
    let every = period(config, "no_rope_layer_interval", 4)?;
    let rotated: Vec<bool> = match config.list("no_rope_layers")? {
        None => (0..base.n_layers)
            .map(|i| !(i + 1).is_multiple_of(every))
            .collect(),
        Some(list) => list.iter().map(|v| v.as_u64() != Some(0)).collect(),
    };
    if rotated.len() != base.n_layers {
        let message = format!(
            "expected {} entries, found {}",
            base.n_layers,
            rotated.len()
        );
        return Err(bad("no_rope_layers", &message));
    }
    let window = match config.flag("use_sliding_window", false)? {
        true => config.optional_size("sliding_window", None)?,
        false => None,
    };
    let sliding = config.sliding_layers(base.n_layers, |i| window.is_some() && !rotated[i])?;
    let biases = llama_biases(config)?;
    base.layers(Base::rms, biases, |_, i, _, l| {
        l.attn.rope = rotated[i].then_some(0);
        l.attn.window = window.filter(|_| sliding[i]);
    });
    Ok(base.plan)
}

/// EXAONE 4: norms behind the blocks and on heads; layers that see everything do not rotate.
pub(super) fn exaone4(source: Source<'_>) -> Result<DecoderPlan, ModelError> {
    let defaults = Defaults {
        vocab: 102_400,
        inner: 16_384,
        n_kv_heads: Some(32),
        eps: ("rms_norm_eps", 1e-5),
        ..LLAMA
    };
    let mut base = Base::read(source, &defaults)?;
    base.rope(RopeKeys::default())?;
    let config = base.config;
    let window = config.optional_size("sliding_window", Some(4096))?;
    let every = match (config.list("layer_types")?, window) {
        (None, Some(_)) => period(config, "sliding_window_pattern", 4)?,
        _ => 1,
    };
    let sliding = config.sliding_layers(base.n_layers, |i| {
        window.is_some() && !(i + 1).is_multiple_of(every)
    })?;
    base.layers(Base::rms, Biases::default(), |base, i, at, l| {
        base.norm_heads(at, l, 0.0);
        base.norm_outputs(at, l);
        l.attn.rope = (window.is_none() || sliding[i]).then_some(0);
        l.attn.window = window.filter(|_| sliding[i]);
    });
    Ok(base.plan)
}

const COHERE: Defaults = Defaults {
    vocab: 256_000,
    hidden: 8192,
    inner: 22_528,
    n_layers: 40,
    n_heads: 64,
    positions: 8192,
    eps: ("layer_norm_eps", 1e-5),
    tied: true,
    ..LLAMA
};

/// Command R: parallel blocks that share a norm, interleaved rotation, scaled logits.
fn cohere_layers(base: &mut Base<'_>, edit: impl Fn(usize, &mut Layer)) -> Result<(), ModelError> {
    base.plan.logit_scale = base.config.number(&["logit_scale"], 0.0625)? as f32;
    let biases = Biases {
        mlp: false,
        ..llama_biases(base.config)?
    };
    let norm = |base: &Base<'_>, name: String| layer_norm(name, base.hidden, base.eps, false);
    base.layers(norm, biases, |_, i, _, l| {
        l.mlp_norm = None;
        l.residual = Residual::Parallel;
        edit(i, l);
    });
    Ok(())
}

/// Command R.
pub(super) fn cohere(source: Source<'_>) -> Result<DecoderPlan, ModelError> {
    let mut base = Base::read(source, &COHERE)?;
    base.config.refuse("use_qk_norm", "expected false")?;
    base.rope(RopeKeys {
        theta_default: 500_000.0,
        interleaved: true,
        ..RopeKeys::default()
    })?;
    cohere_layers(&mut base, |_, _| {})?;
    Ok(base.plan)
}

/// Command R7B: windows in three of four layers, and rotation only there.
pub(super) fn cohere2(source: Source<'_>) -> Result<DecoderPlan, ModelError> {
    let mut base = Base::read(source, &COHERE)?;
    base.rope(RopeKeys {
        interleaved: true,
        ..RopeKeys::default()
    })?;
    let window = base.config.optional_size("sliding_window", Some(4096))?;
    let every = period(base.config, "sliding_window_pattern", 4)?;
    let sliding = base
        .config
        .sliding_layers(base.n_layers, |i| !(i + 1).is_multiple_of(every))?;
    cohere_layers(&mut base, |i, l| {
        l.attn.window = window.filter(|_| sliding[i]);
        l.attn.rope = l.attn.window.map(|_| 0);
    })?;
    Ok(base.plan)
}
