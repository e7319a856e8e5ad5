//! A decoder written as plainly as its plan reads: one sequence at a time, in 64 bits, without
//! a cache. It is the plan's meaning as a program, to hold the engine and the mappings to.

use upturn_engine::checkpoint::{Checkpoint, Dtype};
use upturn_engine::plan::{
    Activation, Attention, DecoderPlan, Layer, Layout, Linear, Mlp, Norm, NormKind, Positions,
    QkNorm, Residual, Rope,
};

type Rows = Vec<Vec<f64>>;

/// A model and where its numbers come from.
pub struct Naive<'a> {
    pub checkpoint: &'a Checkpoint,
    pub plan: &'a DecoderPlan,
}

impl Naive<'_> {
    /// Log-probabilities of all tokens after each token, (n_tokens, vocab_size).
    pub fn logprobs(&self, ids: &[usize]) -> Rows {
        let plan = self.plan;
        let mut x = self.embed(ids);
        for layer in &plan.layers {
            self.layer(layer, &mut x);
        }
        x.iter()
            .map(|row| {
                let row = self.maybe_norm(plan.final_norm.as_ref(), row);
                let row = match &plan.head_project {
                    Some(project) => self.linear(project, &row),
                    None => row,
                };
                let logits: Vec<f64> = self
                    .linear(&plan.head, &row)
                    .iter()
                    .map(|l| l * f64::from(plan.logit_scale))
                    .map(|l| capped(l, plan.logit_soft_cap))
                    .collect();
                let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = logits.iter().map(|l| (l - max).exp()).sum();
                logits.iter().map(|l| l - max - sum.ln()).collect()
            })
            .collect()
    }

    fn tensor(&self, name: &str) -> Vec<f64> {
        let view = self.checkpoint.tensor(name).expect("a validated tensor");
        view.bytes
            .chunks_exact(view.dtype.size())
            .map(|b| match view.dtype {
                Dtype::F32 => f64::from(f32::from_le_bytes(b.try_into().unwrap())),
                Dtype::Bf16 => half::bf16::from_le_bytes(b.try_into().unwrap()).to_f64(),
                Dtype::F16 => half::f16::from_le_bytes(b.try_into().unwrap()).to_f64(),
            })
            .collect()
    }

    fn embed(&self, ids: &[usize]) -> Rows {
        let plan = self.plan;
        let table = self.tensor(&plan.embed);
        let width = plan.embed_width;
        ids.iter()
            .enumerate()
            .map(|(position, id)| {
                let mut row: Vec<f64> = table[id * width..(id + 1) * width]
                    .iter()
                    .map(|x| x * f64::from(plan.embed_scale))
                    .collect();
                if let Some(project) = &plan.embed_project {
                    row = self.linear(project, &row);
                }
                if let Positions::Learned { table, offset, .. } = &plan.positions {
                    let at = (position + offset) * plan.hidden;
                    let learned = self.tensor(table);
                    add(&mut row, &learned[at..at + plan.hidden], 1.0);
                }
                self.maybe_norm(plan.embed_norm.as_ref(), &row)
            })
            .collect()
    }

    fn linear(&self, linear: &Linear, x: &[f64]) -> Vec<f64> {
        assert_eq!(x.len(), linear.n_in);
        let weight = self.tensor(&linear.weight);
        let bias = linear.bias.as_ref().map(|b| self.tensor(b));
        (linear.first_out..linear.first_out + linear.n_out)
            .map(|o| {
                let at = |i: usize| match linear.layout {
                    Layout::OutIn => weight[o * linear.n_in + i],
                    Layout::InOut => weight[i * linear.tensor_out + o],
                };
                let dot: f64 = x.iter().enumerate().map(|(i, x)| x * at(i)).sum();
                dot + bias.as_ref().map_or(0.0, |b| b[o])
            })
            .collect()
    }

    fn norm(&self, norm: &Norm, x: &[f64]) -> Vec<f64> {
        assert_eq!(x.len(), norm.size);
        let n = x.len() as f64;
        let mean = match norm.kind {
            NormKind::Layer => x.iter().sum::<f64>() / n,
            NormKind::Rms => 0.0,
        };
        let square = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        let weight = norm.weight.as_ref().map(|w| self.tensor(w));
        let bias = norm.bias.as_ref().map(|b| self.tensor(b));
        x.iter()
            .enumerate()
            .map(|(i, x)| {
                let gain = weight
                    .as_ref()
                    .map_or(1.0, |w| w[i] + f64::from(norm.weight_offset));
                let offset = bias.as_ref().map_or(0.0, |b| b[i]);
                (x - mean) / (square + f64::from(norm.eps)).sqrt() * gain + offset
            })
            .collect()
    }

    fn maybe_norm(&self, norm: Option<&Norm>, x: &[f64]) -> Vec<f64> {
        norm.map_or_else(|| x.to_vec(), |norm| self.norm(norm, x))
    }

    fn norm_rows(&self, norm: Option<&Norm>, x: &Rows) -> Rows {
        x.iter().map(|row| self.maybe_norm(norm, row)).collect()
    }

    fn layer(&self, layer: &Layer, x: &mut Rows) {
        let scale = f64::from(layer.residual_scale);
        let attended = self.attention(&layer.attn, &self.norm_rows(layer.attn_norm.as_ref(), x));
        let join = |x: &mut Rows, block: &Rows| {
            for (row, block) in x.iter_mut().zip(block) {
                add(row, block, scale);
            }
        };
        let mlp = |x: &Rows| x.iter().map(|row| self.mlp(&layer.mlp, row)).collect();
        match layer.residual {
            Residual::Serial => {
                join(x, &self.norm_rows(layer.attn_out_norm.as_ref(), &attended));
                let block: Rows = mlp(&self.norm_rows(layer.mlp_norm.as_ref(), x));
                join(x, &self.norm_rows(layer.mlp_out_norm.as_ref(), &block));
            }
            Residual::Parallel => {
                let norm = layer.mlp_norm.as_ref().or(layer.attn_norm.as_ref());
                let block: Rows = mlp(&self.norm_rows(norm, x));
                join(x, &attended);
                join(x, &block);
            }
            Residual::PostNorm => {
                join(x, &attended);
                *x = self.norm_rows(layer.attn_out_norm.as_ref(), x);
                let block: Rows = mlp(x);
                join(x, &block);
                *x = self.norm_rows(layer.mlp_out_norm.as_ref(), x);
            }
        }
    }

    fn mlp(&self, mlp: &Mlp, x: &[f64]) -> Vec<f64> {
        let up = self.linear(&mlp.up, x);
        let inner: Vec<f64> = match &mlp.gate {
            Some(gate) => self
                .linear(gate, x)
                .iter()
                .zip(&up)
                .map(|(g, u)| activated(mlp.activation, *g) * u)
                .collect(),
            None => up.iter().map(|u| activated(mlp.activation, *u)).collect(),
        };
        self.linear(&mlp.down, &inner)
    }

    /// Heads of one token, normalised and rotated.
    fn heads(
        &self,
        attn: &Attention,
        starts: &[usize],
        norm: Option<&QkNorm>,
        buffer: &[f64],
        position: usize,
    ) -> Rows {
        let dim = attn.head_dim;
        let mut heads: Rows = starts
            .iter()
            .map(|at| buffer[*at..at + dim].to_vec())
            .collect();
        if let Some(qk) = norm {
            if qk.whole {
                let all = self.norm(&qk.norm, &heads.concat());
                heads = all.chunks(dim).map(<[f64]>::to_vec).collect();
            } else {
                for (h, head) in heads.iter_mut().enumerate() {
                    let own = Norm {
                        weight: qk.per_head.get(h).cloned().or(qk.norm.weight.clone()),
                        ..qk.norm.clone()
                    };
                    *head = self.norm(&own, head);
                }
            }
        }
        if let Some(index) = attn.rope {
            for head in &mut heads {
                rotate(&self.plan.ropes[index], head, position);
            }
        }
        heads
    }

    fn attention(&self, attn: &Attention, x: &Rows) -> Rows {
        let plan = self.plan;
        let dim = attn.head_dim;
        let buffers: Rows = x
            .iter()
            .map(|row| {
                let mut buffer = vec![f64::NAN; attn.qkv_width];
                for (linear, at) in &attn.qkv {
                    buffer[*at..at + linear.n_out].copy_from_slice(&self.linear(linear, row));
                }
                if let Some(clip) = attn.clip_qkv.map(f64::from) {
                    buffer.iter_mut().for_each(|x| *x = x.clamp(-clip, clip));
                }
                buffer
            })
            .collect();
        let prepared = |starts: &[usize], norm: Option<&QkNorm>| -> Vec<Rows> {
            let each = buffers.iter().enumerate();
            each.map(|(p, buffer)| self.heads(attn, starts, norm, buffer, p))
                .collect()
        };
        let queries = prepared(&attn.q_at, attn.q_norm.as_ref());
        let keys = prepared(&attn.k_at, attn.k_norm.as_ref());
        let group = plan.n_heads / plan.n_kv_heads;
        (0..x.len())
            .map(|i| {
                let first = attn.window.map_or(0, |w| (i + 1).saturating_sub(w));
                let mut out = Vec::with_capacity(plan.n_heads * dim);
                for h in 0..plan.n_heads {
                    let scores: Vec<f64> = (first..=i)
                        .map(|j| {
                            let (q, k) = (&queries[i][h], &keys[j][h / group]);
                            let dot: f64 = q.iter().zip(k).map(|(q, k)| q * k).sum();
                            let score = capped(dot * f64::from(attn.scale), attn.soft_cap);
                            score + self.position_bias(h, j)
                        })
                        .collect();
                    let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let weights: Vec<f64> = scores.iter().map(|s| (s - max).exp()).collect();
                    let sum: f64 = weights.iter().sum();
                    let value_at = attn.v_at[h / group];
                    out.extend((0..dim).map(|d| {
                        let terms = weights.iter().zip(&buffers[first..]);
                        terms.map(|(w, b)| w / sum * b[value_at + d]).sum::<f64>()
                    }));
                }
                self.linear(&attn.out, &out)
            })
            .collect()
    }

    fn position_bias(&self, head: usize, position: usize) -> f64 {
        let Positions::Alibi { slopes } = &self.plan.positions else {
            return 0.0;
        };
        let bf16 = |x: f32| half::bf16::from_f32(x).to_f32();
        match self.plan.alibi_rounding {
            None => f64::from(slopes[head]) * position as f64,
            Some(scale) => f64::from(scale * bf16(slopes[head] * bf16(position as f32))),
        }
    }
}

fn add(x: &mut [f64], y: &[f64], scale: f64) {
    assert_eq!(x.len(), y.len());
    x.iter_mut().zip(y).for_each(|(x, y)| *x += scale * y);
}

fn capped(x: f64, cap: Option<f32>) -> f64 {
    cap.map_or(x, |cap| f64::from(cap) * (x / f64::from(cap)).tanh())
}

fn rotate(rope: &Rope, head: &mut [f64], position: usize) {
    let half = rope.dim / 2;
    let scaling = f64::from(rope.attention_scaling);
    for (i, freq) in rope.inv_freq.iter().enumerate() {
        let (a, b) = if rope.interleaved {
            (2 * i, 2 * i + 1)
        } else {
            (i, i + half)
        };
        // The angle is rounded to 32 bits, as the reference computes it.
        let (sin, cos) = f64::from(position as f32 * freq).sin_cos();
        let (x, y) = (head[a], head[b]);
        head[a] = (x * cos - y * sin) * scaling;
        head[b] = (y * cos + x * sin) * scaling;
    }
    // Nothing beyond the rotated part is scaled.
}

fn activated(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::GeluErf => x * 0.5 * (1.0 + erf(x / std::f64::consts::SQRT_2)),
        Activation::GeluTanh => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
            0.5 * x * (1.0 + inner.tanh())
        }
        Activation::QuickGelu => x / (1.0 + (-1.702 * x).exp()),
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::Relu => x.max(0.0),
        Activation::ReluSquared => x.max(0.0).powi(2),
    }
}

/// The error function by its Maclaurin series, summed to rounding; exact enough below 6, one above.
fn erf(x: f64) -> f64 {
    if x.abs() > 5.9 {
        return x.signum();
    }
    // erf(x) = 2/√π · e^(−x²) · Σ 2ⁿ x^(2n+1) / (1·3·…·(2n+1)), all terms of one sign.
    let (mut term, mut sum, mut n) = (x, x, 1.0);
    while term.abs() > 1e-17 * sum.abs() {
        term *= 2.0 * x * x / (2.0 * n + 1.0);
        sum += term;
        n += 1.0;
    }
    2.0 / std::f64::consts::PI.sqrt() * (-x * x).exp() * sum
}
