//! A decoder as data: what one architecture is, once its configuration has been read.
//!
//! Every supported architecture is a function from `config.json` to a
//! [`DecoderPlan`] (see `arch`); the rest of the engine knows only the plan.
//! Shapes are (rows, columns); a linear layer maps `n_in` to `n_out` features.

/// Element-wise nonlinearity of the feed-forward block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x · Φ(x)` with the error function (`gelu`).
    GeluErf,
    /// The tanh approximation (`gelu_new`, `gelu_pytorch_tanh`, `gelu_fast`).
    GeluTanh,
    /// `x · σ(1.702 x)` (`quick_gelu`).
    QuickGelu,
    /// `x · σ(x)` (`silu`, `swish`).
    Silu,
    /// `max(x, 0)`.
    Relu,
    /// `max(x, 0)²` (`relu2`).
    ReluSquared,
}

/// Kind of normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormKind {
    /// Mean and variance (`LayerNorm`).
    Layer,
    /// Root mean square only (`RMSNorm`).
    Rms,
}

/// A normalisation with its tensors' names.
#[derive(Debug, Clone, PartialEq)]
pub struct Norm {
    /// Kind.
    pub kind: NormKind,
    /// Added to the variance (or mean square).
    pub eps: f32,
    /// Tensor of gains; `None` is all ones.
    pub weight: Option<String>,
    /// Tensor of offsets; `None` is all zeros.
    pub bias: Option<String>,
    /// Added to every gain (1 for gemma, 0 elsewhere).
    pub weight_offset: f32,
    /// Features normalised together.
    pub size: usize,
}

/// How a weight matrix lies in its tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// (n_out, n_in), as `nn.Linear`.
    OutIn,
    /// (n_in, n_out), as GPT-2's `Conv1D`.
    InOut,
}

/// A linear layer with its tensors' names.
#[derive(Debug, Clone, PartialEq)]
pub struct Linear {
    /// Weight tensor.
    pub weight: String,
    /// Bias tensor, length `n_out` (or the same slice of a longer one).
    pub bias: Option<String>,
    /// Input features.
    pub n_in: usize,
    /// Output features.
    pub n_out: usize,
    /// How the weight lies.
    pub layout: Layout,
    /// First output feature used, where the tensor holds several projections; else 0.
    pub first_out: usize,
    /// Output features of the whole tensor (`n_out` where it holds one projection).
    pub tensor_out: usize,
}

/// Rotary positions.
#[derive(Debug, Clone, PartialEq)]
pub struct Rope {
    /// Leading features of a head that are rotated (even).
    pub dim: usize,
    /// Angle per position of each of the `dim / 2` pairs, scalings applied.
    pub inv_freq: Vec<f32>,
    /// Multiplies cosines and sines (yarn, longrope); 1 elsewhere.
    pub attention_scaling: f32,
    /// Whether a pair is (2i, 2i+1) as in GPT-J, instead of (i, i + dim/2).
    pub interleaved: bool,
}

/// How positions enter, beside rotary embeddings (which are per layer).
#[derive(Debug, Clone, PartialEq)]
pub enum Positions {
    /// Nothing is added to embeddings or scores.
    None,
    /// A learned table added to embeddings: tensor, rows, and the row of position 0.
    Learned {
        /// Tensor (n_rows, hidden).
        table: String,
        /// Rows of the tensor.
        n_rows: usize,
        /// Row of position 0 (2 in OPT).
        offset: usize,
    },
    /// A slope per head times the key's position, added to the scaled scores.
    Alibi {
        /// One slope per head (already multiplied by whatever the architecture multiplies it by).
        slopes: Vec<f32>,
    },
}

/// Attention of one layer.
///
/// The projections write one buffer per token; head `h`'s query starts at column
/// `q_at[h]`, key-value head `g`'s key at `k_at[g]` and value at `v_at[g]`, each
/// `head_dim` long. Query head `h` reads key-value head `h / (n_heads / n_kv_heads)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Attention {
    /// Projections and the buffer column each starts at.
    pub qkv: Vec<(Linear, usize)>,
    /// Length of the buffer.
    pub qkv_width: usize,
    /// Query columns, one per head.
    pub q_at: Vec<usize>,
    /// Key columns, one per key-value head.
    pub k_at: Vec<usize>,
    /// Value columns, one per key-value head.
    pub v_at: Vec<usize>,
    /// Features of a head.
    pub head_dim: usize,
    /// Normalises queries before rotation.
    pub q_norm: Option<QkNorm>,
    /// Normalises keys before rotation.
    pub k_norm: Option<QkNorm>,
    /// Clamps queries, keys and values to ± this before anything else (OLMo's `clip_qkv`).
    pub clip_qkv: Option<f32>,
    /// Multiplies query-key products.
    pub scale: f32,
    /// Index into [`DecoderPlan::ropes`]; `None` does not rotate.
    pub rope: Option<usize>,
    /// A key further back than this many positions (itself included) is not seen.
    pub window: Option<usize>,
    /// Scores become `cap · tanh(score / cap)`.
    pub soft_cap: Option<f32>,
    /// Output projection, from heads in order (`n_heads · head_dim`) to hidden.
    pub out: Linear,
}

/// Normalisation of queries or keys.
#[derive(Debug, Clone, PartialEq)]
pub struct QkNorm {
    /// The norm; `size` is `head_dim`, or all heads together.
    pub norm: Norm,
    /// Whether all heads are normalised together (OLMo 2) instead of each alone.
    pub whole: bool,
    /// Tensors of gains, one per head, where each head has its own (StableLM 2), and then
    /// `norm.weight` is `None`; empty elsewhere.
    pub per_head: Vec<String>,
}

/// Feed-forward block.
#[derive(Debug, Clone, PartialEq)]
pub struct Mlp {
    /// Gate projection; the activation is applied to it and multiplied with `up`.
    pub gate: Option<Linear>,
    /// Up projection; the activation is applied to it where there is no gate.
    pub up: Linear,
    /// Down projection.
    pub down: Linear,
    /// Nonlinearity.
    pub activation: Activation,
}

/// How a layer's blocks join the residual stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Residual {
    /// `x += attn(norm(x)); x += mlp(norm(x))`.
    Serial,
    /// `x += attn(norm_a(x)) + mlp(norm_b(x))`, both of the same x.
    Parallel,
    /// `x = norm(x + attn(x)); x = norm(x + mlp(x))` (OPT 350m); the norms are
    /// `attn_out_norm` and `mlp_out_norm`.
    PostNorm,
}

/// One layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// Norm before attention.
    pub attn_norm: Option<Norm>,
    /// Attention.
    pub attn: Attention,
    /// Norm of attention's output before it joins the residual (gemma2, olmo2).
    pub attn_out_norm: Option<Norm>,
    /// Norm before the feed-forward block; `None` in a parallel layer shares attention's.
    pub mlp_norm: Option<Norm>,
    /// Feed-forward block.
    pub mlp: Mlp,
    /// Norm of the feed-forward block's output before it joins the residual.
    pub mlp_out_norm: Option<Norm>,
    /// How the blocks join.
    pub residual: Residual,
    /// Multiplies each block's output before it joins the residual (Granite); 1 elsewhere.
    pub residual_scale: f32,
}

/// A decoder-only transformer.
#[derive(Debug, Clone, PartialEq)]
pub struct DecoderPlan {
    /// `model_type` of the configuration.
    pub model_type: String,
    /// Rows of the embedding and output tables.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Attention heads.
    pub n_heads: usize,
    /// Key-value heads (divides `n_heads`).
    pub n_kv_heads: usize,
    /// Features of a head.
    pub head_dim: usize,
    /// Longest input the positions allow.
    pub max_positions: usize,
    /// Tensor of token embeddings (vocab_size, embedding width).
    pub embed: String,
    /// Width of the embeddings, where it differs from `hidden` they are projected.
    pub embed_width: usize,
    /// Multiplies embeddings (gemma: √hidden, rounded as the reference rounds it).
    pub embed_scale: f32,
    /// Projects embeddings to `hidden` (OPT 350m).
    pub embed_project: Option<Linear>,
    /// Norm of the embeddings (bloom).
    pub embed_norm: Option<Norm>,
    /// Positions other than rotary.
    pub positions: Positions,
    /// Where set, the ALiBi term is not `slope · position` but this number times
    /// `bf16(slope · bf16(position))`, as Falcon rounds it whatever the weights' type.
    pub alibi_rounding: Option<f32>,
    /// Rotary tables; layers refer to them by index.
    pub ropes: Vec<Rope>,
    /// Layers, first to last.
    pub layers: Vec<Layer>,
    /// Norm after the last layer.
    pub final_norm: Option<Norm>,
    /// Projects the residual before the output table (OPT 350m).
    pub head_project: Option<Linear>,
    /// Output table: (vocab_size, embedding width); the embedding's tensor where tied.
    pub head: Linear,
    /// Multiplies logits.
    pub logit_scale: f32,
    /// Logits become `cap · tanh(logit / cap)`.
    pub logit_soft_cap: Option<f32>,
}
