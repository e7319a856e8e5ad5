//! The decoder: a batch of rows through all layers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use upturn_types::Work;

use crate::attention::{Settings, attend};
use crate::batch::Batch;
use crate::checkpoint::Checkpoint;
use crate::error::ModelError;
use crate::gemm::{Compute, Weight, linear, tensor_f32};
use crate::gemm_bf16;
use crate::kernels::{NormWeights, activate, add, multiply, simd};
use crate::kv::{BlockIdx, KvPool, KvShape};
use crate::plan::{Attention, DecoderPlan, Norm, NormKind, Positions, Residual};

/// Rows handled by one task of a row-wise step.
const ROWS: usize = 16;

#[derive(Debug)]
struct LayerWeights {
    attn_norm: Option<NormWeights>,
    qkv: Vec<(Weight, usize)>,
    /// One for all heads, or one for each; empty where there is none.
    q_norm: Vec<NormWeights>,
    k_norm: Vec<NormWeights>,
    out: Weight,
    attn_out_norm: Option<NormWeights>,
    mlp_norm: Option<NormWeights>,
    gate: Option<Weight>,
    up: Weight,
    down: Weight,
    mlp_out_norm: Option<NormWeights>,
}

/// Running counts of a decoder's work, for progress; see [`upturn_types::Work`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) requested: AtomicU64,
    pub(crate) distinct: AtomicU64,
    pub(crate) computed: AtomicU64,
}

/// A decoder with its weights bound.
#[derive(Debug)]
pub struct Decoder {
    counters: Counters,
    plan: DecoderPlan,
    embed: Weight,
    embed_project: Option<Weight>,
    embed_norm: Option<NormWeights>,
    learned: Option<Vec<f32>>,
    layers: Vec<LayerWeights>,
    final_norm: Option<NormWeights>,
    head_project: Option<Weight>,
    head: Weight,
}

/// Buffers of a forward pass, reused between batches.
#[derive(Debug, Default)]
pub struct Scratch {
    hidden: Vec<f32>,
    normed: Vec<f32>,
    mlp_normed: Vec<f32>,
    qkv: Vec<f32>,
    attended: Vec<f32>,
    block: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
}

fn norm(checkpoint: &Checkpoint, norm: Option<&Norm>) -> Result<Option<NormWeights>, ModelError> {
    let Some(norm) = norm else { return Ok(None) };
    let read = |name: &Option<String>| -> Result<Option<Vec<f32>>, ModelError> {
        name.as_ref().map(|n| tensor_f32(checkpoint, n)).transpose()
    };
    let mut weight = read(&norm.weight)?;
    if norm.weight_offset != 0.0 {
        for w in weight.iter_mut().flatten() {
            *w += norm.weight_offset;
        }
    }
    Ok(Some(NormWeights {
        centred: norm.kind == NormKind::Layer,
        eps: norm.eps,
        weight,
        bias: read(&norm.bias)?,
    }))
}

/// Grows a buffer to `len` numbers; what was in it stays and means nothing.
fn sized(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    &mut buffer[..len]
}

/// Runs `f` on every row of `x`, in parallel.
fn each_row(x: &mut [f32], width: usize, f: impl Fn(usize, &mut [f32]) + Sync + Send) {
    x.par_chunks_mut(width * ROWS)
        .enumerate()
        .for_each(|(task, rows)| {
            simd(
                #[inline(always)]
                || {
                    for (i, row) in rows.chunks_exact_mut(width).enumerate() {
                        f(task * ROWS + i, row);
                    }
                },
            );
        });
}

impl Decoder {
    /// Binds a plan to a checkpoint, for products in f32.
    ///
    /// # Errors
    /// When a tensor is missing or of a type that is not supported.
    pub fn bind(checkpoint: &Arc<Checkpoint>, plan: DecoderPlan) -> Result<Self, ModelError> {
        Self::bind_for(checkpoint, plan, Compute::F32)
    }

    /// Binds a plan to a checkpoint, for products in `compute`. In bfloat16 the weights are
    /// rounded into memory here; embeddings, norms and attention stay in f32.
    ///
    /// # Errors
    /// When a tensor is missing or of a type that is not supported, or the CPU has no
    /// products in `compute`.
    pub fn bind_for(
        checkpoint: &Arc<Checkpoint>,
        plan: DecoderPlan,
        compute: Compute,
    ) -> Result<Self, ModelError> {
        if compute == Compute::Bf16 && !gemm_bf16::available() {
            return Err(ModelError::Config(
                "bfloat16 products need a CPU with AVX-512 BF16, and this one has none; leave the type at float32"
                    .into(),
            ));
        }
        let weight = |l: &crate::plan::Linear| -> Result<Weight, ModelError> {
            Ok(Weight::bind(checkpoint, l)?.in_compute(compute))
        };
        let optional = |l: &Option<crate::plan::Linear>| l.as_ref().map(weight).transpose();
        let norm = |n: &Option<Norm>| norm(checkpoint, n.as_ref());
        let qk_norm = |n: &Option<crate::plan::QkNorm>| -> Result<Vec<NormWeights>, ModelError> {
            let Some(n) = n else { return Ok(Vec::new()) };
            let mut norms: Vec<Norm> = n
                .per_head
                .iter()
                .map(|gains| Norm {
                    weight: Some(gains.clone()),
                    ..n.norm.clone()
                })
                .collect();
            if norms.is_empty() {
                norms.push(n.norm.clone());
            }
            let bound = norms.into_iter().map(|n| norm(&Some(n)));
            Ok(bound
                .collect::<Result<Vec<_>, _>>()?
                .into_iter()
                .flatten()
                .collect())
        };
        let layers = plan
            .layers
            .iter()
            .map(|l| {
                Ok(LayerWeights {
                    attn_norm: norm(&l.attn_norm)?,
                    qkv: l
                        .attn
                        .qkv
                        .iter()
                        .map(|(p, at)| Ok((weight(p)?, *at)))
                        .collect::<Result<_, ModelError>>()?,
                    q_norm: qk_norm(&l.attn.q_norm)?,
                    k_norm: qk_norm(&l.attn.k_norm)?,
                    out: weight(&l.attn.out)?,
                    attn_out_norm: norm(&l.attn_out_norm)?,
                    mlp_norm: norm(&l.mlp_norm)?,
                    gate: optional(&l.mlp.gate)?,
                    up: weight(&l.mlp.up)?,
                    down: weight(&l.mlp.down)?,
                    mlp_out_norm: norm(&l.mlp_out_norm)?,
                })
            })
            .collect::<Result<_, ModelError>>()?;
        let table = crate::plan::Linear {
            weight: plan.embed.clone(),
            bias: None,
            n_in: plan.embed_width,
            n_out: plan.vocab_size,
            layout: crate::plan::Layout::OutIn,
            first_out: 0,
            tensor_out: plan.vocab_size,
        };
        let learned = match &plan.positions {
            Positions::Learned { table, .. } => Some(tensor_f32(checkpoint, table)?),
            _ => None,
        };
        Ok(Decoder {
            counters: Counters::default(),
            embed: Weight::bind(checkpoint, &table)?,
            embed_project: optional(&plan.embed_project)?,
            embed_norm: norm(&plan.embed_norm)?,
            learned,
            layers,
            final_norm: norm(&plan.final_norm)?,
            head_project: optional(&plan.head_project)?,
            head: weight(&plan.head)?,
            plan,
        })
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &DecoderPlan {
        &self.plan
    }

    /// Adds tokens that are asked for, and how many of them are distinct.
    pub(crate) fn expect(&self, requested: u64, distinct: u64) {
        self.counters
            .requested
            .fetch_add(requested, Ordering::Relaxed);
        self.counters
            .distinct
            .fetch_add(distinct, Ordering::Relaxed);
    }

    /// Tokens asked for, distinct ones among them, and those computed, since the model was
    /// loaded.
    pub(crate) fn work_so_far(&self) -> Work {
        Work {
            tokens_requested: self.counters.requested.load(Ordering::Relaxed),
            tokens_distinct: self.counters.distinct.load(Ordering::Relaxed),
            tokens_computed: self.counters.computed.load(Ordering::Relaxed),
            ..Work::default()
        }
    }

    /// The output table.
    #[must_use]
    pub(crate) fn head(&self) -> &Weight {
        &self.head
    }

    /// Sizes of the cache.
    #[must_use]
    pub fn kv_shape(&self) -> KvShape {
        KvShape {
            n_layers: self.plan.layers.len(),
            n_kv_heads: self.plan.n_kv_heads,
            head_dim: self.plan.head_dim,
        }
    }

    /// Floating-point operations of one row's matrix products in all layers, attention left out.
    #[must_use]
    pub fn flops_per_row(&self) -> u64 {
        let one = |w: &Weight| 2 * (w.n_in() * w.n_out()) as u64;
        self.layers
            .iter()
            .map(|l| {
                l.qkv.iter().map(|(w, _)| one(w)).sum::<u64>()
                    + one(&l.out)
                    + l.gate.as_ref().map_or(0, one)
                    + one(&l.up)
                    + one(&l.down)
            })
            .sum()
    }

    /// Floating-point operations of attention for a row at `position` in all layers.
    #[must_use]
    pub fn flops_of_attention(&self, position: usize) -> u64 {
        self.plan
            .layers
            .iter()
            .map(|l| {
                let seen = (position + 1).min(l.attn.window.unwrap_or(usize::MAX));
                (4 * self.plan.n_heads * self.plan.head_dim * seen) as u64
            })
            .sum()
    }

    /// Floating-point operations of rows at these positions in all layers.
    #[must_use]
    pub fn flops_of_rows(&self, positions: &[usize]) -> u64 {
        let attention: u64 = positions.iter().map(|&p| self.flops_of_attention(p)).sum();
        positions.len() as u64 * self.flops_per_row() + attention
    }

    /// Floating-point operations of one row's projection to the vocabulary.
    #[must_use]
    pub fn flops_per_projection(&self) -> u64 {
        2 * (self.head.n_in() * self.head.n_out()) as u64
    }

    /// Runs a batch: keys and values go to the pool; the residual stream after the last
    /// layer, (rows, hidden), is lent until the next batch.
    pub fn forward<'s>(
        &self,
        batch: &Batch,
        pool: &mut KvPool,
        scratch: &'s mut Scratch,
    ) -> &'s [f32] {
        let (rows, hidden) = (batch.len(), self.plan.hidden);
        self.counters
            .computed
            .fetch_add(rows as u64, Ordering::Relaxed);
        self.embed(batch, scratch);
        let angles = self.angles(&batch.positions);
        for (index, (weights, layer)) in self.layers.iter().zip(&self.plan.layers).enumerate() {
            let s = &mut *scratch;
            // Attention.
            let input = self.normed(&s.hidden, rows, &weights.attn_norm, &mut s.normed);
            let attn = &layer.attn;
            let width = attn.qkv_width;
            let qkv = sized(&mut s.qkv, rows * width);
            for (projection, at) in &weights.qkv {
                linear(input, rows, projection, qkv, width, *at);
            }
            self.prepare_heads(attn, weights, angles.as_slice(), qkv);
            store_kv(batch, pool, index, attn, qkv);
            let n_heads = self.plan.n_heads;
            let attended = sized(&mut s.attended, rows * n_heads * attn.head_dim);
            let settings = Settings {
                layer: index,
                n_heads,
                scale: attn.scale,
                window: attn.window,
                soft_cap: attn.soft_cap,
                slopes: match &self.plan.positions {
                    Positions::Alibi { slopes } => Some(slopes),
                    _ => None,
                },
                slope_rounding: self.plan.alibi_rounding,
            };
            let scale = layer.residual_scale;
            attend(batch, pool, settings, qkv, width, &attn.q_at, attended);
            let block = sized(&mut s.block, rows * hidden);
            linear(attended, rows, &weights.out, block, hidden, 0);
            match layer.residual {
                Residual::Serial => {
                    join(
                        &mut s.hidden,
                        block,
                        hidden,
                        weights.attn_out_norm.as_ref(),
                        scale,
                    );
                    self.normed(&s.hidden, rows, &weights.mlp_norm, &mut s.mlp_normed);
                }
                Residual::Parallel => {
                    let norm = weights.mlp_norm.as_ref().or(weights.attn_norm.as_ref());
                    self.normed(&s.hidden, rows, &norm.cloned(), &mut s.mlp_normed);
                    join(
                        &mut s.hidden,
                        block,
                        hidden,
                        weights.attn_out_norm.as_ref(),
                        scale,
                    );
                }
                Residual::PostNorm => {
                    join(&mut s.hidden, block, hidden, None, scale);
                    if let Some(norm) = &weights.attn_out_norm {
                        norm_in_place(&mut s.hidden[..rows * hidden], hidden, norm);
                    }
                    self.normed(&s.hidden, rows, &weights.mlp_norm, &mut s.mlp_normed);
                }
            }
            // Feed-forward.
            let input = &s.mlp_normed[..rows * hidden];
            let inner = weights.up.n_out();
            let up = sized(&mut s.up, rows * inner);
            linear(input, rows, &weights.up, up, inner, 0);
            let activation = layer.mlp.activation;
            match &weights.gate {
                Some(gate_weight) => {
                    let gate = sized(&mut s.gate, rows * inner);
                    linear(input, rows, gate_weight, gate, inner, 0);
                    let up = &*up;
                    each_row(
                        gate,
                        inner,
                        #[inline(always)]
                        |row, gate| {
                            activate(activation, gate);
                            multiply(gate, &up[row * inner..(row + 1) * inner]);
                        },
                    );
                }
                None => each_row(
                    up,
                    inner,
                    #[inline(always)]
                    |_, row| activate(activation, row),
                ),
            }
            let activated = if weights.gate.is_some() {
                &s.gate
            } else {
                &s.up
            };
            let block = sized(&mut s.block, rows * hidden);
            linear(
                &activated[..rows * inner],
                rows,
                &weights.down,
                block,
                hidden,
                0,
            );
            match layer.residual {
                Residual::PostNorm => {
                    join(&mut s.hidden, block, hidden, None, scale);
                    if let Some(norm) = &weights.mlp_out_norm {
                        norm_in_place(&mut s.hidden[..rows * hidden], hidden, norm);
                    }
                }
                _ => join(
                    &mut s.hidden,
                    block,
                    hidden,
                    weights.mlp_out_norm.as_ref(),
                    scale,
                ),
            }
        }
        &scratch.hidden[..rows * hidden]
    }

    /// The rows named by `rows`, after the final norm and projection: what the output
    /// table multiplies, (rows.len(), embed_width).
    #[must_use]
    pub fn final_rows(&self, hidden: &[f32], rows: &[usize]) -> Vec<f32> {
        let width = self.plan.hidden;
        let mut out = vec![0.0; rows.len() * width];
        each_row(
            &mut out,
            width,
            #[inline(always)]
            |i, to| {
                let from = &hidden[rows[i] * width..(rows[i] + 1) * width];
                match &self.final_norm {
                    Some(norm) => norm.apply(from, to),
                    None => to.copy_from_slice(from),
                }
            },
        );
        match &self.head_project {
            Some(project) => {
                let n = project.n_out();
                let mut projected = vec![0.0; rows.len() * n];
                linear(&out, rows.len(), project, &mut projected, n, 0);
                projected
            }
            None => out,
        }
    }

    fn embed(&self, batch: &Batch, s: &mut Scratch) {
        let (rows, hidden, width) = (batch.len(), self.plan.hidden, self.plan.embed_width);
        let scale = self.plan.embed_scale;
        let look_up = |row: usize, to: &mut [f32]| {
            self.embed.row(batch.tokens[row] as usize, to);
            if scale != 1.0 {
                scale_row(to, scale);
            }
        };
        match &self.embed_project {
            Some(project) => {
                let narrow = sized(&mut s.block, rows * width);
                each_row(narrow, width, look_up);
                linear(
                    narrow,
                    rows,
                    project,
                    sized(&mut s.hidden, rows * hidden),
                    hidden,
                    0,
                );
            }
            None => each_row(sized(&mut s.hidden, rows * hidden), hidden, look_up),
        }
        let x = &mut s.hidden[..rows * hidden];
        if let (Some(table), Positions::Learned { offset, .. }) =
            (&self.learned, &self.plan.positions)
        {
            each_row(
                x,
                hidden,
                #[inline(always)]
                |row, x| {
                    let at = (batch.positions[row] + offset) * hidden;
                    add(x, &table[at..at + hidden]);
                },
            );
        }
        if let Some(norm) = &self.embed_norm {
            norm_in_place(x, hidden, norm);
        }
    }

    /// Cosines then sines per row, for every rotary table: (rows, dim).
    fn angles(&self, positions: &[usize]) -> Vec<Vec<f32>> {
        self.plan
            .ropes
            .iter()
            .map(|rope| {
                let half = rope.dim / 2;
                let mut table = vec![0.0f32; positions.len() * rope.dim];
                table
                    .par_chunks_mut(rope.dim.max(1))
                    .zip(positions)
                    .for_each(|(row, &p)| {
                        let (cos, sin) = row.split_at_mut(half);
                        for ((c, s), &f) in cos.iter_mut().zip(sin).zip(&rope.inv_freq) {
                            let angle = f64::from(p as f32 * f);
                            *c = angle.cos() as f32 * rope.attention_scaling;
                            *s = angle.sin() as f32 * rope.attention_scaling;
                        }
                    });
                table
            })
            .collect()
    }

    /// The norm of every row, or the rows themselves; in `to` (or `hidden` where there is none).
    fn normed<'a>(
        &self,
        hidden: &'a [f32],
        rows: usize,
        norm: &Option<NormWeights>,
        to: &'a mut Vec<f32>,
    ) -> &'a [f32] {
        let width = self.plan.hidden;
        let to = sized(to, rows * width);
        each_row(
            to,
            width,
            #[inline(always)]
            |row, out| {
                let x = &hidden[row * width..(row + 1) * width];
                match norm {
                    Some(norm) => norm.apply(x, out),
                    None => out.copy_from_slice(x),
                }
            },
        );
        to
    }

    /// Clips, normalises and rotates queries and keys in place.
    fn prepare_heads(
        &self,
        attn: &Attention,
        weights: &LayerWeights,
        angles: &[Vec<f32>],
        qkv: &mut [f32],
    ) {
        let dim = attn.head_dim;
        let rope = attn.rope.map(|r| (&self.plan.ropes[r], &angles[r]));
        if rope.is_none() && attn.clip_qkv.is_none() && weights.q_norm.is_empty() {
            return;
        }
        qkv.par_chunks_mut(attn.qkv_width * ROWS)
            .enumerate()
            .for_each(|(task, rows)| {
                let mut scratch = Vec::new();
                simd(
                    #[inline(always)]
                    || {
                        for (i, row) in rows.chunks_exact_mut(attn.qkv_width).enumerate() {
                            if let Some(clip) = attn.clip_qkv {
                                row.iter_mut().for_each(|v| *v = v.clamp(-clip, clip));
                            }
                            let sides = [
                                (&attn.q_at, &weights.q_norm, &attn.q_norm),
                                (&attn.k_at, &weights.k_norm, &attn.k_norm),
                            ];
                            for (at, norms, kind) in sides {
                                let (Some(kind), false) = (kind, norms.is_empty()) else {
                                    continue;
                                };
                                if kind.whole {
                                    // The heads lie one after another.
                                    let all = &mut row[at[0]..at[0] + at.len() * dim];
                                    norms[0].apply_in_place(all, &mut scratch);
                                } else {
                                    for (&a, norm) in at.iter().zip(norms.iter().cycle()) {
                                        norm.apply_in_place(&mut row[a..a + dim], &mut scratch);
                                    }
                                }
                            }
                            if let Some((rope, table)) = rope {
                                let table = &table[(task * ROWS + i) * rope.dim..][..rope.dim];
                                let (cos, sin) = table.split_at(rope.dim / 2);
                                for &a in attn.q_at.iter().chain(&attn.k_at) {
                                    rotate(&mut row[a..a + rope.dim], cos, sin, rope.interleaved);
                                }
                            }
                        }
                    },
                );
            });
    }
}

#[inline(always)]
fn scale_row(x: &mut [f32], scale: f32) {
    for v in x {
        *v *= scale;
    }
}

/// Rotates pairs of features.
#[inline(always)]
fn rotate(x: &mut [f32], cos: &[f32], sin: &[f32], interleaved: bool) {
    if interleaved {
        for ((pair, &c), &s) in x.chunks_exact_mut(2).zip(cos).zip(sin) {
            let (a, b) = (pair[0], pair[1]);
            pair[0] = a * c - b * s;
            pair[1] = b * c + a * s;
        }
    } else {
        let (first, second) = x.split_at_mut(cos.len());
        for (((a, b), &c), &s) in first.iter_mut().zip(second).zip(cos).zip(sin) {
            let (x, y) = (*a, *b);
            *a = x * c - y * s;
            *b = y * c + x * s;
        }
    }
}

/// `hidden += scale · norm(block)`.
fn join(
    hidden: &mut [f32],
    block: &mut [f32],
    width: usize,
    norm: Option<&NormWeights>,
    scale: f32,
) {
    if let Some(norm) = norm {
        norm_in_place(block, width, norm);
    }
    if scale != 1.0 {
        each_row(
            block,
            width,
            #[inline(always)]
            |_, row| scale_row(row, scale),
        );
    }
    let block = &*block;
    each_row(
        &mut hidden[..block.len()],
        width,
        #[inline(always)]
        |row, x| {
            add(x, &block[row * width..(row + 1) * width]);
        },
    );
}

fn norm_in_place(x: &mut [f32], width: usize, norm: &NormWeights) {
    x.par_chunks_mut(width * ROWS).for_each(|rows| {
        let mut scratch = Vec::new();
        simd(
            #[inline(always)]
            || {
                for row in rows.chunks_exact_mut(width) {
                    norm.apply_in_place(row, &mut scratch);
                }
            },
        );
    });
}

/// Block, lane and row of a token.
type Slot = (BlockIdx, usize, usize);
/// A block taken from its pool, and what is written to it.
type BlockWork<'a> = (BlockIdx, Box<[f32]>, &'a [Slot]);

/// Writes keys and values of a batch to their blocks, blocks in parallel.
fn store_kv(batch: &Batch, pool: &mut KvPool, layer: usize, attn: &Attention, qkv: &[f32]) {
    let shape = pool.shape();
    let (dim, padded) = (shape.head_dim, shape.padded_dim());
    let mut order: Vec<Slot> = batch
        .slots
        .iter()
        .enumerate()
        .map(|(row, &(block, lane))| (block, lane, row))
        .collect();
    order.sort_unstable();
    let mut work: Vec<BlockWork<'_>> = order
        .chunk_by(|a, b| a.0 == b.0)
        .map(|rows| (rows[0].0, pool.take(rows[0].0), rows))
        .collect();
    work.par_iter_mut().for_each(|(_, block, rows)| {
        for &(_, lane, row) in rows.iter() {
            let qkv = &qkv[row * attn.qkv_width..(row + 1) * attn.qkv_width];
            for (head, (&k_at, &v_at)) in attn.k_at.iter().zip(&attn.v_at).enumerate() {
                let (keys, values) = block[shape.head_at(layer, head)..][..shape.head_len()]
                    .split_at_mut(dim * crate::kv::BLOCK);
                for (i, &k) in qkv[k_at..k_at + dim].iter().enumerate() {
                    keys[i * crate::kv::BLOCK + lane] = k;
                }
                values[lane * padded..lane * padded + dim].copy_from_slice(&qkv[v_at..v_at + dim]);
            }
        }
    });
    for (at, block, _) in work {
        pool.put(at, block);
    }
}
