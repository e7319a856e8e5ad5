//! The loss of a decoder written as plainly as its definition, in f64, one sequence at a time.
//! Its gradients are finite differences, so there is no backward pass here to be wrong.

use std::collections::BTreeMap;

use upturn_engine::train::{Batch, Block, IGNORE, NamedTensor, Shape};

type Rows = Vec<Vec<f64>>;

/// Parameters by the checkpoint's names.
pub struct Reference {
    pub shape: Shape,
    pub tensors: BTreeMap<String, (Vec<usize>, Vec<f64>)>,
}

impl Reference {
    pub fn new(shape: Shape, parameters: &[NamedTensor]) -> Self {
        let tensors = parameters
            .iter()
            .map(|t| {
                let values = t.values.iter().map(|v| f64::from(*v)).collect();
                (t.name.clone(), (t.shape.clone(), values))
            })
            .collect();
        Reference { shape, tensors }
    }

    /// Sum of −ln p(target), in nats.
    pub fn loss(&self, batch: &Batch) -> f64 {
        let mut at = 0;
        let mut loss = 0.0;
        for &length in &batch.lengths {
            let logits = self.logits(&batch.tokens[at..at + length]);
            for (row, &target) in logits.iter().zip(&batch.targets[at..at + length]) {
                if target != IGNORE {
                    let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let sum: f64 = row.iter().map(|x| (x - max).exp()).sum();
                    loss += max + sum.ln() - row[target as usize];
                }
            }
            at += length;
        }
        loss
    }

    /// Central difference of the loss in one number of one tensor.
    pub fn slope(&mut self, batch: &Batch, name: &str, at: usize) -> f64 {
        const STEP: f64 = 1e-5;
        let before = self.tensors[name].1[at];
        let mut with = |value: f64| {
            self.tensors.get_mut(name).unwrap().1[at] = value;
            self.loss(batch)
        };
        let slope = (with(before + STEP) - with(before - STEP)) / (2.0 * STEP);
        with(before);
        slope
    }

    /// (tokens, vocab_size).
    pub fn logits(&self, tokens: &[u32]) -> Rows {
        let gated = self.shape.block == Block::Gated;
        let (embed, head, last) = match gated {
            true => ("model.embed_tokens", "lm_head", "model.norm"),
            false => (
                "gpt_neox.embed_in",
                "embed_out",
                "gpt_neox.final_layer_norm",
            ),
        };
        let width = self.shape.hidden;
        let table = &self.tensors[&format!("{embed}.weight")].1;
        let mut x: Rows = tokens
            .iter()
            .map(|t| table[*t as usize * width..(*t as usize + 1) * width].to_vec())
            .collect();
        for i in 0..self.shape.n_layers {
            match gated {
                true => self.llama_layer(&format!("model.layers.{i}"), &mut x),
                false => self.neox_layer(&format!("gpt_neox.layers.{i}"), &mut x),
            }
        }
        let head = if self.shape.tied { embed } else { head };
        self.each(&self.norms(last, &x), head)
    }

    fn llama_layer(&self, at: &str, x: &mut Rows) {
        let normed = self.norms(&format!("{at}.input_layernorm"), x);
        let of = |name: &str, x: &Rows| self.each(x, &format!("{at}.{name}"));
        let q = of("self_attn.q_proj", &normed);
        let k = of("self_attn.k_proj", &normed);
        let v = of("self_attn.v_proj", &normed);
        let attended = self.attend(&q, &k, &v);
        add(x, &of("self_attn.o_proj", &attended));
        let normed = self.norms(&format!("{at}.post_attention_layernorm"), x);
        let gate = of("mlp.gate_proj", &normed);
        let up = of("mlp.up_proj", &normed);
        let inner: Rows = gate
            .iter()
            .zip(&up)
            .map(|(g, u)| {
                let silu = |x: f64| x / (1.0 + (-x).exp());
                g.iter().zip(u).map(|(g, u)| silu(*g) * u).collect()
            })
            .collect();
        add(x, &of("mlp.down_proj", &inner));
    }

    fn neox_layer(&self, at: &str, x: &mut Rows) {
        let normed = self.norms(&format!("{at}.input_layernorm"), x);
        let of = |name: &str, x: &Rows| self.each(x, &format!("{at}.{name}"));
        let qkv = of("attention.query_key_value", &normed);
        let dim = self.shape.head_dim();
        // Each head's query, key and value stand together.
        let part = |which: usize| -> Rows {
            qkv.iter()
                .map(|row| {
                    row.chunks(3 * dim)
                        .flat_map(|head| head[which * dim..(which + 1) * dim].to_vec())
                        .collect()
                })
                .collect()
        };
        let attended = self.attend(&part(0), &part(1), &part(2));
        add(x, &of("attention.dense", &attended));
        let normed = self.norms(&format!("{at}.post_attention_layernorm"), x);
        let mut inner = of("mlp.dense_h_to_4h", &normed);
        for v in inner.iter_mut().flatten() {
            *v = 0.5 * *v * (1.0 + erf(*v / std::f64::consts::SQRT_2));
        }
        add(x, &of("mlp.dense_4h_to_h", &inner));
    }

    fn each(&self, x: &Rows, name: &str) -> Rows {
        let (shape, w) = &self.tensors[&format!("{name}.weight")];
        let bias = self.tensors.get(&format!("{name}.bias")).map(|t| &t.1);
        x.iter()
            .map(|row| {
                (0..shape[0])
                    .map(|o| {
                        let w = &w[o * shape[1]..(o + 1) * shape[1]];
                        let sum: f64 = w.iter().zip(row).map(|(a, b)| a * b).sum();
                        sum + bias.map_or(0.0, |b| b[o])
                    })
                    .collect()
            })
            .collect()
    }

    fn norms(&self, name: &str, x: &Rows) -> Rows {
        let gain = &self.tensors[&format!("{name}.weight")].1;
        let bias = self.tensors.get(&format!("{name}.bias")).map(|t| &t.1);
        x.iter()
            .map(|row| {
                let n = row.len() as f64;
                let mean = match bias {
                    Some(_) => row.iter().sum::<f64>() / n,
                    None => 0.0,
                };
                let square = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
                let scale = 1.0 / (square + f64::from(self.shape.norm_eps)).sqrt();
                (0..row.len())
                    .map(|i| (row[i] - mean) * scale * gain[i] + bias.map_or(0.0, |b| b[i]))
                    .collect()
            })
            .collect()
    }

    fn attend(&self, q: &Rows, k: &Rows, v: &Rows) -> Rows {
        let dim = self.shape.head_dim();
        let group = self.shape.n_heads / self.shape.n_kv_heads;
        let turned = |x: &[f64], position: usize| -> Vec<f64> {
            let half = dim / 2;
            let mut out = vec![0.0; dim];
            for i in 0..half {
                let power = 2.0 * i as f64 / dim as f64;
                let angle = position as f64 / f64::from(self.shape.rope_theta).powf(power);
                out[i] = x[i] * angle.cos() - x[i + half] * angle.sin();
                out[i + half] = x[i + half] * angle.cos() + x[i] * angle.sin();
            }
            out
        };
        let mut out = vec![vec![0.0; self.shape.hidden]; q.len()];
        for head in 0..self.shape.n_heads {
            let own = head * dim..(head + 1) * dim;
            let shared = head / group * dim..(head / group + 1) * dim;
            let keys: Rows = (0..k.len())
                .map(|p| turned(&k[p][shared.clone()], p))
                .collect();
            for p in 0..q.len() {
                let query = turned(&q[p][own.clone()], p);
                let scores: Vec<f64> = keys[..=p]
                    .iter()
                    .map(|k| {
                        let dot: f64 = k.iter().zip(&query).map(|(a, b)| a * b).sum();
                        (dot / (dim as f64).sqrt()).exp()
                    })
                    .collect();
                let sum: f64 = scores.iter().sum();
                for (score, v) in scores.iter().zip(v) {
                    for (o, v) in out[p][own.clone()].iter_mut().zip(&v[shared.clone()]) {
                        *o += score / sum * v;
                    }
                }
            }
        }
        out
    }
}

fn add(x: &mut Rows, y: &Rows) {
    for (x, y) in x.iter_mut().flatten().zip(y.iter().flatten()) {
        *x += y;
    }
}

/// erf by its Taylor series; far out it is ±1 to f64.
fn erf(x: f64) -> f64 {
    if x.abs() > 5.0 {
        return x.signum();
    }
    let (mut term, mut sum, mut n) = (x, x, 0.0);
    while f64::abs(term) > 1e-18 {
        n += 1.0;
        term *= -x * x / n;
        sum += term / (2.0 * n + 1.0);
    }
    sum * std::f64::consts::FRAC_2_SQRT_PI
}
