//! Where each parameter lies in the flat buffers, and which tensors of a checkpoint they are.
//!
//! A matrix of (rows, cols) is stored as panels of 16 columns, each panel row by row, with rows
//! padded to a multiple of 8 and columns to one of 16: all three products of a training step
//! read or write it in this order, so nothing is packed anew. Padding is 0 and stays 0.

use super::lanes::LANES;
use super::shape::{Block, Shape};

/// Rows of a matrix are padded to a multiple of this: the height of a tile.
pub(crate) const TILE: usize = 8;

/// Kind of tensor, for learning rates and decay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Embedding table.
    Embedding,
    /// Matrix of a layer that reads the residual stream.
    Reads,
    /// Matrix of a layer that writes to it.
    Writes,
    /// Output table of its own.
    Head,
    /// Gains.
    Gain,
    /// Offsets.
    Offset,
}

/// A tensor's place: a matrix, or a vector as a matrix of one panel column after another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Place {
    pub(crate) kind: Kind,
    /// First number.
    pub(crate) at: usize,
    pub(crate) rows: usize,
    /// 0 for a vector of `rows` numbers.
    pub(crate) cols: usize,
    /// Numbers from one panel to the next.
    pub(crate) stride: usize,
}

impl Place {
    /// Rows with padding.
    pub(crate) fn rows_padded(&self) -> usize {
        self.rows.next_multiple_of(TILE)
    }

    /// Numbers it takes up.
    pub(crate) fn len(&self) -> usize {
        match self.cols {
            0 => self.rows.next_multiple_of(LANES),
            cols => cols.div_ceil(LANES) * self.stride,
        }
    }

    /// Place of one number.
    pub(crate) fn index(&self, row: usize, col: usize) -> usize {
        match self.cols {
            0 => self.at + row,
            _ => self.at + col / LANES * self.stride + row * LANES + col % LANES,
        }
    }

    /// Its numbers in a flat buffer.
    pub(crate) fn of<'a>(&self, flat: &'a [f32]) -> &'a [f32] {
        &flat[self.at..self.at + self.len()]
    }

    /// Its numbers in a flat buffer, to be written.
    pub(crate) fn of_mut<'a>(&self, flat: &'a mut [f32]) -> &'a mut [f32] {
        &mut flat[self.at..self.at + self.len()]
    }
}

/// Gains and offsets of a norm.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NormPlaces {
    pub(crate) gain: Place,
    pub(crate) offset: Option<Place>,
}

/// Parameters of one layer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LayerPlaces {
    pub(crate) norm1: NormPlaces,
    /// Queries, keys, values below each other: (hidden + 2 · kv, hidden).
    pub(crate) qkv: Place,
    pub(crate) qkv_bias: Option<Place>,
    /// (hidden, hidden).
    pub(crate) out: Place,
    pub(crate) out_bias: Option<Place>,
    pub(crate) norm2: NormPlaces,
    /// Gate above up where gated: (intermediate or twice that, hidden).
    pub(crate) up: Place,
    pub(crate) up_bias: Option<Place>,
    /// Turned round: (intermediate, hidden).
    pub(crate) down: Place,
    pub(crate) down_bias: Option<Place>,
}

/// All parameters.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) embed: Place,
    pub(crate) layers: Vec<LayerPlaces>,
    pub(crate) final_norm: NormPlaces,
    /// The embedding where tied.
    pub(crate) head: Place,
    /// Every place once, in order.
    pub(crate) places: Vec<Place>,
    /// Length of a flat buffer.
    pub(crate) len: usize,
    /// From here on lie vectors: gains and offsets.
    pub(crate) vectors_at: usize,
}

/// A tensor of a Hugging Face checkpoint, and how its rows lie in a place.
#[derive(Debug, Clone)]
pub(crate) struct Tensor {
    pub(crate) name: String,
    /// Rows first; one number for a vector.
    pub(crate) shape: Vec<usize>,
    place: Place,
    rows: Rows,
}

/// Which row of a place a tensor's row is.
#[derive(Debug, Clone, Copy)]
enum Rows {
    /// That many further down.
    From(usize),
    /// Columns of the place are rows of the tensor.
    Turned,
    /// Heads of `dim` rows: queries, keys and values of head 0, then of head 1 (GPT-NeoX).
    ByHead { dim: usize, hidden: usize },
}

impl Tensor {
    /// Place of the tensor's number (i, j) in a flat buffer; j is 0 for a vector.
    pub(crate) fn index(&self, i: usize, j: usize) -> usize {
        match self.rows {
            Rows::From(first) => self.place.index(first + i, j),
            Rows::Turned => self.place.index(j, i),
            Rows::ByHead { dim, hidden } => {
                let (head, part, k) = (i / (3 * dim), i / dim % 3, i % dim);
                self.place.index(part * hidden + head * dim + k, j)
            }
        }
    }

    /// Kind of its numbers.
    pub(crate) fn kind(&self) -> Kind {
        self.place.kind
    }

    /// The tensor's numbers, rows first, out of a flat buffer.
    pub(crate) fn gather(&self, flat: &[f32]) -> Vec<f32> {
        let cols = self.shape.get(1).copied().unwrap_or(1);
        (0..self.shape[0])
            .flat_map(|i| (0..cols).map(move |j| (i, j)))
            .map(|(i, j)| flat[self.index(i, j)])
            .collect()
    }

    /// The other way.
    pub(crate) fn scatter(&self, numbers: &[f32], flat: &mut [f32]) {
        let cols = self.shape.get(1).copied().unwrap_or(1);
        for (n, &x) in numbers.iter().enumerate() {
            flat[self.index(n / cols, n % cols)] = x;
        }
    }
}

/// Hands out places one after another.
struct Allotment {
    next: usize,
    places: Vec<Place>,
}

impl Allotment {
    fn matrix(&mut self, kind: Kind, rows: usize, cols: usize) -> Place {
        let mut stride = rows.next_multiple_of(TILE) * LANES;
        // Panels a multiple of 4096 bytes apart would fall into the same sets of a cache.
        if cols > LANES && stride.is_multiple_of(1024) {
            stride += TILE * LANES;
        }
        self.put(Place {
            kind,
            at: self.next,
            rows,
            cols,
            stride,
        })
    }

    fn vector(&mut self, kind: Kind, n: usize) -> Place {
        self.put(Place {
            kind,
            at: self.next,
            rows: n,
            cols: 0,
            stride: 0,
        })
    }

    fn put(&mut self, place: Place) -> Place {
        self.next += place.len();
        self.places.push(place);
        place
    }
}

impl Layout {
    pub(crate) fn new(shape: &Shape) -> Self {
        let (h, inner) = (shape.hidden, shape.intermediate);
        let kv = shape.n_kv_heads * shape.head_dim();
        let up_rows = match shape.block {
            Block::Gated => 2 * inner,
            Block::Gelu => inner,
        };
        let mut a = Allotment {
            next: 0,
            places: Vec::new(),
        };
        let embed = a.matrix(Kind::Embedding, shape.vocab_size, h);
        let matrices: Vec<[Place; 4]> = (0..shape.n_layers)
            .map(|_| {
                [
                    a.matrix(Kind::Reads, h + 2 * kv, h),
                    a.matrix(Kind::Writes, h, h),
                    a.matrix(Kind::Reads, up_rows, h),
                    a.matrix(Kind::Writes, inner, h),
                ]
            })
            .collect();
        let head = match shape.tied {
            true => embed,
            false => a.matrix(Kind::Head, shape.vocab_size, h),
        };
        let vectors_at = a.next;
        let biased = shape.block == Block::Gelu;
        let offset = |a: &mut Allotment, n| biased.then(|| a.vector(Kind::Offset, n));
        let norm = |a: &mut Allotment| NormPlaces {
            gain: a.vector(Kind::Gain, h),
            offset: offset(a, h),
        };
        let layers = matrices
            .into_iter()
            .map(|[qkv, out, up, down]| LayerPlaces {
                norm1: norm(&mut a),
                qkv,
                qkv_bias: offset(&mut a, h + 2 * kv),
                out,
                out_bias: offset(&mut a, h),
                norm2: norm(&mut a),
                up,
                up_bias: offset(&mut a, up_rows),
                down,
                down_bias: offset(&mut a, h),
            })
            .collect();
        let final_norm = norm(&mut a);
        Layout {
            embed,
            layers,
            final_norm,
            head,
            len: a.next,
            places: a.places,
            vectors_at,
        }
    }

    /// The tensors of the checkpoint, in order of layers.
    pub(crate) fn tensors(&self, shape: &Shape) -> Vec<Tensor> {
        match shape.block {
            Block::Gated => self.llama(shape),
            Block::Gelu => self.gpt_neox(shape),
        }
    }

    fn llama(&self, shape: &Shape) -> Vec<Tensor> {
        let (h, inner) = (shape.hidden, shape.intermediate);
        let kv = shape.n_kv_heads * shape.head_dim();
        let mut all = vec![whole("model.embed_tokens.weight", self.embed)];
        for (i, l) in self.layers.iter().enumerate() {
            let at = |name: &str| format!("model.layers.{i}.{name}.weight");
            let part = |name: &str, place: Place, first: usize, n: usize| Tensor {
                name: at(name),
                shape: vec![n, h],
                place,
                rows: Rows::From(first),
            };
            all.extend([
                whole(&at("input_layernorm"), l.norm1.gain),
                part("self_attn.q_proj", l.qkv, 0, h),
                part("self_attn.k_proj", l.qkv, h, kv),
                part("self_attn.v_proj", l.qkv, h + kv, kv),
                whole(&at("self_attn.o_proj"), l.out),
                whole(&at("post_attention_layernorm"), l.norm2.gain),
                part("mlp.gate_proj", l.up, 0, inner),
                part("mlp.up_proj", l.up, inner, inner),
                turned(&at("mlp.down_proj"), l.down),
            ]);
        }
        all.push(whole("model.norm.weight", self.final_norm.gain));
        if !shape.tied {
            all.push(whole("lm_head.weight", self.head));
        }
        all
    }

    fn gpt_neox(&self, shape: &Shape) -> Vec<Tensor> {
        let by_head = Rows::ByHead {
            dim: shape.head_dim(),
            hidden: shape.hidden,
        };
        let mut all = vec![whole("gpt_neox.embed_in.weight", self.embed)];
        for (i, l) in self.layers.iter().enumerate() {
            let at = |name: &str| format!("gpt_neox.layers.{i}.{name}");
            let norm = |name: &str, places: NormPlaces| {
                let offset = places
                    .offset
                    .map(|p| whole(&at(&format!("{name}.bias")), p));
                [
                    Some(whole(&at(&format!("{name}.weight")), places.gain)),
                    offset,
                ]
            };
            let linear = |name: &str, weight: Tensor, bias: Option<Place>| {
                let bias = bias.map(|p| whole(&at(&format!("{name}.bias")), p));
                [Some(weight), bias]
            };
            let (qkv, up) = ("attention.query_key_value", "mlp.dense_h_to_4h");
            let (out, down) = ("attention.dense", "mlp.dense_4h_to_h");
            let weight = |name: &str| at(&format!("{name}.weight"));
            let mut qkv_tensors = linear(qkv, whole(&weight(qkv), l.qkv), l.qkv_bias);
            for t in qkv_tensors.iter_mut().flatten() {
                t.rows = by_head;
            }
            let parts = [
                norm("input_layernorm", l.norm1),
                qkv_tensors,
                linear(out, whole(&weight(out), l.out), l.out_bias),
                norm("post_attention_layernorm", l.norm2),
                linear(up, whole(&weight(up), l.up), l.up_bias),
                linear(down, turned(&weight(down), l.down), l.down_bias),
            ];
            all.extend(parts.into_iter().flatten().flatten());
        }
        let name = "gpt_neox.final_layer_norm";
        all.push(whole(&format!("{name}.weight"), self.final_norm.gain));
        all.extend(
            self.final_norm
                .offset
                .map(|p| whole(&format!("{name}.bias"), p)),
        );
        if !shape.tied {
            all.push(whole("embed_out.weight", self.head));
        }
        all
    }
}

/// A tensor that is all of a place.
fn whole(name: &str, place: Place) -> Tensor {
    let shape = match place.cols {
        0 => vec![place.rows],
        cols => vec![place.rows, cols],
    };
    Tensor {
        name: name.to_owned(),
        shape,
        place,
        rows: Rows::From(0),
    }
}

/// A tensor that is all of a place, turned round.
fn turned(name: &str, place: Place) -> Tensor {
    Tensor {
        name: name.to_owned(),
        shape: vec![place.cols, place.rows],
        place,
        rows: Rows::Turned,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_belongs_to_one_tensor_and_none_overlap() {
        for block in [Block::Gated, Block::Gelu] {
            for (hidden, n_heads, intermediate, tied) in [(4, 2, 10, true), (24, 3, 40, false)] {
                let shape = Shape {
                    block,
                    vocab_size: 13,
                    hidden,
                    n_layers: 2,
                    n_heads,
                    n_kv_heads: if block == Block::Gated { 1 } else { n_heads },
                    intermediate,
                    tied,
                    max_positions: 32,
                    rope_theta: 10_000.0,
                    norm_eps: 1e-5,
                };
                let layout = Layout::new(&shape);
                let mut seen = vec![false; layout.len];
                for tensor in layout.tensors(&shape) {
                    for i in 0..tensor.shape[0] {
                        for j in 0..tensor.shape.get(1).copied().unwrap_or(1) {
                            let at = tensor.index(i, j);
                            assert!(!seen[at], "{} ({i}, {j})", tensor.name);
                            seen[at] = true;
                        }
                    }
                }
                assert_eq!(seen.iter().filter(|s| **s).count(), shape.n_params());
            }
        }
    }
}
