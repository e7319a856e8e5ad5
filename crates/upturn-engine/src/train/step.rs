//! Forward and backward of one chunk of whole sequences.
//!
//! A chunk is some hundred rows, so that what one operation writes is still in a cache when the
//! next one reads it. Kept for the backward pass: inputs of both norms, queries, keys and
//! values, attention's output, and the feed-forward block's activation with its derivative. The
//! rest is computed again.

use super::activate::{Gated, gated, gelu};
use super::attend::{Attend, AttendBack, Heads, RECORD};
use super::batch::IGNORE;
use super::buffer::Buffer;
use super::cross::CrossEntropy;
use super::lanes::LANES;
use super::layout::{LayerPlaces, Layout, NormPlaces, Place};
use super::product::{
    Base, Matrix, PANEL, Panels, PanelsMut, ZERO, by_cols, by_rows, outer, times_rows,
};
use super::rows::{
    Angles, NORM_RECORD, Norm, NormBack, Rotate, add_lanes, embed, embed_back, norm,
    norm_transposed, offset_lanes, transpose,
};
use super::shape::{Block, Shape};

/// Numbers of logits that are held at a time, so that a large vocabulary needs little memory.
const LOGITS: usize = 256 * 1024;

/// Padded numbers of features.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Widths {
    pub(crate) hidden: usize,
    pub(crate) qkv: usize,
    /// What the up projection gives: gate and up where gated.
    pub(crate) up: usize,
    /// What the down projection takes.
    pub(crate) inner: usize,
    pub(crate) vocab: usize,
}

impl Widths {
    pub(crate) fn of(shape: &Shape) -> Self {
        let pad = |n: usize| n.next_multiple_of(LANES);
        let kv = shape.n_kv_heads * shape.head_dim();
        let up = match shape.block {
            Block::Gated => 2 * shape.intermediate,
            Block::Gelu => shape.intermediate,
        };
        Widths {
            hidden: pad(shape.hidden),
            qkv: pad(shape.hidden + 2 * kv),
            up: pad(up),
            inner: pad(shape.intermediate),
            vocab: pad(shape.vocab_size),
        }
    }

    /// Panels whose logits are held at a time.
    pub(crate) fn head_panels(&self, n_panels: usize) -> usize {
        (LOGITS / (self.vocab * PANEL)).clamp(1, n_panels.max(1))
    }
}

/// Rows of a chunk, as slices of a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) tokens: &'a [u32],
    pub(crate) targets: &'a [u32],
    pub(crate) lengths: &'a [usize],
}

impl Rows<'_> {
    pub(crate) fn n_panels(&self) -> usize {
        self.tokens.len().div_ceil(PANEL)
    }

    /// Whether so few rows have targets that they are better gathered.
    fn sparse(&self) -> bool {
        let n = self.targets.iter().filter(|t| **t != IGNORE).count();
        4 * n < 3 * self.n_panels() * PANEL
    }
}

/// What the backward pass needs of one layer.
#[derive(Debug, Default)]
struct Kept {
    input: Buffer,
    norm1: Buffer,
    qkv: Buffer,
    weights: Buffer,
    attended: Buffer,
    middle: Buffer,
    norm2: Buffer,
    /// After the activation, its derivative.
    up: Buffer,
    inner: Buffer,
}

/// Memory of one chunk.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    n_panels: usize,
    layers: Vec<Kept>,
    output: Buffer,
    final_norm: Buffer,
    angles: Buffer,
    starts: Buffer,
    normed: Buffer,
    turned: Buffer,
    dqkv: Buffer,
    dx: Buffer,
    gathered: Buffer,
    logits: Buffer,
    weights: Buffer,
    dscores: Buffer,
    /// Rows with targets, and those targets.
    picked: Vec<u32>,
    wanted: Vec<u32>,
}

/// Lengths of a workspace's buffers.
struct Sizes {
    /// As they stand in [`Kept`].
    kept: [usize; 9],
    /// The rest, as they stand in [`Workspace`].
    rest: [usize; 12],
}

impl Sizes {
    fn of(shape: &Shape, n_panels: usize) -> Self {
        let w = Widths::of(shape);
        let rows = n_panels * PANEL;
        let (h, record) = (w.hidden * rows, n_panels * NORM_RECORD);
        let weights = shape.n_heads * (rows / LANES) * RECORD;
        let logits = w.head_panels(n_panels) * PANEL * w.vocab;
        Sizes {
            kept: [
                h,
                record,
                w.qkv * rows,
                weights,
                h,
                h,
                record,
                w.up * rows,
                w.inner * rows,
            ],
            rest: [
                h,
                record,
                shape.head_dim() * rows,
                rows,
                h,
                h,
                w.qkv * rows,
                h,
                h,
                logits,
                rows * LANES,
                rows * LANES,
            ],
        }
    }
}

impl Workspace {
    /// Makes room for chunks of `n_panels` panels.
    pub(crate) fn reserve(&mut self, shape: &Shape, n_panels: usize) {
        if n_panels <= self.n_panels {
            return;
        }
        self.n_panels = n_panels;
        let sizes = Sizes::of(shape, n_panels);
        self.layers.resize_with(shape.n_layers, Kept::default);
        for kept in &mut self.layers {
            for (buffer, len) in kept.buffers().into_iter().zip(sizes.kept) {
                buffer.grow(len);
            }
        }
        for (buffer, len) in self.buffers().into_iter().zip(sizes.rest) {
            buffer.grow(len);
        }
        let rows = n_panels * PANEL;
        self.picked.clear();
        self.picked.reserve_exact(rows);
        self.wanted.clear();
        self.wanted.reserve_exact(rows);
    }

    pub(crate) fn n_panels(&self) -> usize {
        self.n_panels
    }

    fn buffers(&mut self) -> [&mut Buffer; 12] {
        [
            &mut self.output,
            &mut self.final_norm,
            &mut self.angles,
            &mut self.starts,
            &mut self.normed,
            &mut self.turned,
            &mut self.dqkv,
            &mut self.dx,
            &mut self.gathered,
            &mut self.logits,
            &mut self.weights,
            &mut self.dscores,
        ]
    }

    /// Bytes of the buffers of a workspace for `n_panels` panels.
    pub(crate) fn bytes_of(shape: &Shape, n_panels: usize) -> usize {
        if n_panels == 0 {
            return 0;
        }
        let sizes = Sizes::of(shape, n_panels);
        let sum = |all: &[usize]| all.iter().map(|n| Buffer::bytes_of(*n)).sum::<usize>();
        shape.n_layers * (sum(&sizes.kept) + size_of::<Kept>())
            + sum(&sizes.rest)
            + 2 * n_panels * PANEL * size_of::<u32>()
    }
}

impl Kept {
    fn buffers(&mut self) -> [&mut Buffer; 9] {
        [
            &mut self.input,
            &mut self.norm1,
            &mut self.qkv,
            &mut self.weights,
            &mut self.attended,
            &mut self.middle,
            &mut self.norm2,
            &mut self.up,
            &mut self.inner,
        ]
    }
}

/// Cosines and sines by position.
#[derive(Debug, Default)]
pub(crate) struct RopeTable {
    half_dim: usize,
    /// (positions, cosines then sines).
    numbers: Vec<f32>,
}

impl RopeTable {
    pub(crate) fn positions(&self) -> usize {
        self.numbers.len() / (2 * self.half_dim).max(1)
    }

    /// Makes it reach `positions`.
    pub(crate) fn grow(&mut self, shape: &Shape, positions: usize) {
        self.half_dim = shape.head_dim() / 2;
        let have = self.positions();
        if positions <= have {
            return;
        }
        self.numbers
            .reserve_exact((positions - have) * 2 * self.half_dim);
        for position in have..positions {
            for turn in [f32::cos as fn(f32) -> f32, f32::sin] {
                for pair in 0..self.half_dim {
                    let power = (2 * pair) as f32 / shape.head_dim() as f32;
                    let inv_freq = 1.0 / shape.rope_theta.powf(power);
                    self.numbers.push(turn(position as f32 * inv_freq));
                }
            }
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.numbers.capacity() * size_of::<f32>()
    }
}

/// A model's parameters, ready to run.
#[derive(Clone, Copy)]
pub(crate) struct Net<'a> {
    pub(crate) shape: &'a Shape,
    pub(crate) layout: &'a Layout,
    pub(crate) params: &'a [f32],
    pub(crate) rope: &'a RopeTable,
    /// Whether threads share out the work within a chunk.
    pub(crate) spread: bool,
}

/// Where gradients go.
pub(crate) struct Gradients<'a> {
    /// Laid out as the parameters.
    pub(crate) flat: &'a mut [f32],
    /// Gains and offsets, 16 sums each.
    pub(crate) lanes: &'a mut [f32],
    /// Whether what lies in `flat` is of no use: products then replace it, and
    /// [`Gradients::begin`] has emptied the rest.
    pub(crate) fresh: bool,
}

impl Gradients<'_> {
    /// Before the first chunk.
    pub(crate) fn begin(&mut self, layout: &Layout, fresh: bool) {
        self.fresh = fresh;
        if fresh {
            self.flat[layout.vectors_at..].fill(0.0);
            if layout.embed != layout.head {
                layout.embed.of_mut(self.flat).fill(0.0);
            }
        }
    }

    /// Adds what lies in lanes to the gradients, and empties it.
    pub(crate) fn settle(&mut self, layout: &Layout) {
        if self.fresh {
            // No chunk had a target.
            self.flat.fill(0.0);
            return;
        }
        add_lanes(self.lanes, &mut self.flat[layout.vectors_at..]);
        self.lanes.fill(0.0);
    }
}

/// A place's part of the lanes.
fn lanes_of<'a>(lanes: &'a mut [f32], layout: &Layout, place: Option<Place>) -> &'a mut [f32] {
    match place {
        Some(place) => &mut lanes[(place.at - layout.vectors_at) * LANES..][..place.len() * LANES],
        None => &mut [],
    }
}

impl<'a> Net<'a> {
    fn matrix(&self, place: Place) -> Matrix<'a> {
        Matrix::of(place, self.params)
    }

    fn bias(&self, place: Option<Place>) -> Option<&'a [f32]> {
        place.map(|p| p.of(self.params))
    }

    fn norm(&self, places: NormPlaces) -> Norm<'a> {
        Norm {
            gain: places.gain.of(self.params),
            offset: self.bias(places.offset),
            n: self.shape.hidden,
            eps: self.shape.norm_eps,
        }
    }

    fn heads(&self) -> Heads {
        Heads {
            n_heads: self.shape.n_heads,
            n_kv_heads: self.shape.n_kv_heads,
            dim: self.shape.head_dim(),
        }
    }

    fn gated(&self, w: &Widths) -> Gated {
        Gated {
            inner: self.shape.intermediate,
            both: w.up,
            one: w.inner,
        }
    }

    /// Sum of the losses of a chunk, in nats; adds its gradients where they are wanted. A chunk
    /// without targets is passed over.
    pub(crate) fn run(
        &self,
        rows: Rows<'_>,
        s: &mut Workspace,
        gradients: Option<&mut Gradients<'_>>,
    ) -> f64 {
        if rows.targets.iter().all(|t| *t == IGNORE) {
            return 0.0;
        }
        self.place_rows(rows, s);
        self.forward(rows, s);
        match gradients {
            None => self.head(rows, s, None),
            Some(gradients) => {
                let loss = self.head(rows, s, Some(gradients));
                self.backward(rows, s, gradients);
                gradients.fresh = false;
                loss
            }
        }
    }

    /// Angles and first rows of every row. A row that only fills a panel is a sequence alone.
    fn place_rows(&self, rows: Rows<'_>, s: &mut Workspace) {
        let n = rows.n_panels() * PANEL;
        let half_dim = self.rope.half_dim;
        let mut row = 0;
        let mut put = |start: usize, position: usize| {
            s.starts[row] = start as f32;
            let numbers = &self.rope.numbers[position * 2 * half_dim..][..2 * half_dim];
            let panel = &mut s.angles[row / PANEL * 2 * half_dim * PANEL..];
            for (k, &x) in numbers.iter().enumerate() {
                panel[k * PANEL + row % PANEL] = x;
            }
            row += 1;
        };
        let mut start = 0;
        for &length in rows.lengths {
            for position in 0..length {
                put(start, position);
            }
            start += length;
        }
        for filler in start..n {
            put(filler, 0);
        }
    }

    fn forward(&self, rows: Rows<'_>, s: &mut Workspace) {
        let w = Widths::of(self.shape);
        let n = rows.n_panels() * PANEL;
        let hidden = w.hidden * n;
        let first = &mut s.layers[0].input[..hidden];
        let x = PanelsMut {
            data: first,
            features: w.hidden,
        };
        embed(self.matrix(self.layout.embed), rows.tokens, x);
        for (i, places) in self.layout.layers.iter().enumerate() {
            let (now, after) = s.layers.split_at_mut(i + 1);
            let kept = &mut now[i];
            let next = match after.first_mut() {
                Some(next) => &mut next.input,
                None => &mut s.output,
            };
            let records = rows.n_panels() * NORM_RECORD;
            let normed = &mut s.normed[..hidden];
            let x = Panels {
                data: &kept.input[..hidden],
                features: w.hidden,
            };
            norm(
                self.norm(places.norm1),
                x,
                normed,
                &mut kept.norm1[..records],
            );
            let qkv = &mut kept.qkv[..w.qkv * n];
            let base = Base {
                bias: self.bias(places.qkv_bias),
                panels: None,
            };
            linear(
                self.matrix(places.qkv),
                normed,
                w.hidden,
                qkv,
                w.qkv,
                base,
                self.spread,
            );
            self.rotate(&s.angles, qkv, w.qkv, false);
            Attend {
                heads: self.heads(),
                qkv: Panels {
                    data: qkv,
                    features: w.qkv,
                },
                out: PanelsMut {
                    data: &mut kept.attended[..hidden],
                    features: w.hidden,
                },
                records: &mut kept.weights,
                starts: &s.starts[..n],
                weights: &mut s.weights,
            }
            .go();
            let middle = &mut kept.middle[..hidden];
            let base = Base {
                bias: self.bias(places.out_bias),
                panels: Some(&kept.input[..hidden]),
            };
            let attended = &kept.attended[..hidden];
            linear(
                self.matrix(places.out),
                attended,
                w.hidden,
                middle,
                w.hidden,
                base,
                self.spread,
            );
            let x = Panels {
                data: middle,
                features: w.hidden,
            };
            norm(
                self.norm(places.norm2),
                x,
                normed,
                &mut kept.norm2[..records],
            );
            let up = &mut kept.up[..w.up * n];
            let base = Base {
                bias: self.bias(places.up_bias),
                panels: None,
            };
            linear(
                self.matrix(places.up),
                normed,
                w.hidden,
                up,
                w.up,
                base,
                self.spread,
            );
            let inner = &mut kept.inner[..w.inner * n];
            match self.shape.block {
                Block::Gelu => gelu(up, inner, w.inner, self.shape.intermediate, self.spread),
                Block::Gated => gated(self.gated(&w), up, inner, self.spread),
            }
            let base = Base {
                bias: self.bias(places.down_bias),
                panels: Some(middle),
            };
            by_cols(
                self.matrix(places.down),
                Panels {
                    data: inner,
                    features: w.inner,
                },
                PanelsMut {
                    data: &mut next[..hidden],
                    features: w.hidden,
                },
                base,
                self.spread,
            );
        }
    }

    fn rotate(&self, angles: &[f32], qkv: &mut [f32], features: usize, back: bool) {
        Rotate {
            angles: Angles {
                data: angles,
                half_dim: self.rope.half_dim,
            },
            qkv: PanelsMut {
                data: qkv,
                features,
            },
            n_heads: self.shape.n_heads,
            n_kv_heads: self.shape.n_kv_heads,
            scale: 1.0 / (self.shape.head_dim() as f32).sqrt(),
            back,
        }
        .go();
    }

    /// Final norm, output table and loss; with gradients, `s.dx` becomes that of the last
    /// layer's output.
    fn head(
        &self,
        rows: Rows<'_>,
        s: &mut Workspace,
        mut gradients: Option<&mut Gradients<'_>>,
    ) -> f64 {
        let w = Widths::of(self.shape);
        let n = rows.n_panels() * PANEL;
        let sparse = rows.sparse();
        s.picked.clear();
        s.wanted.clear();
        if sparse {
            for (i, &t) in rows.targets.iter().enumerate() {
                if t != IGNORE {
                    s.picked.push(i as u32);
                    s.wanted.push(t);
                }
            }
            gather(
                &s.output[..w.hidden * n],
                &s.picked,
                &mut s.gathered,
                w.hidden,
            );
        }
        let targets = if sparse { &s.wanted } else { rows.targets };
        let n_panels = targets.len().div_ceil(PANEL);
        let hidden = n_panels * PANEL * w.hidden;
        let input = if sparse { &s.gathered } else { &s.output };
        let x = Panels {
            data: &input[..hidden],
            features: w.hidden,
        };
        let final_norm = self.norm(self.layout.final_norm);
        let records = &mut s.final_norm[..n_panels * NORM_RECORD];
        norm(final_norm, x, &mut s.normed[..hidden], records);
        if gradients.is_some() {
            norm_transposed(final_norm, x, &mut s.turned[..hidden], records);
        }
        // Gradients of the normed rows take the place of the normed rows.
        let at_once = w.head_panels(n_panels);
        let mut loss = 0.0;
        let table = self.matrix(self.layout.head);
        for first in (0..n_panels).step_by(at_once) {
            let count = at_once.min(n_panels - first);
            let span = first * PANEL * w.hidden..(first + count) * PANEL * w.hidden;
            let logits = &mut s.logits[..count * PANEL * w.vocab];
            linear(
                table,
                &s.normed[span.clone()],
                w.hidden,
                logits,
                w.vocab,
                ZERO,
                self.spread,
            );
            let end = ((first + count) * PANEL).min(targets.len());
            loss += CrossEntropy {
                logits: PanelsMut {
                    data: logits,
                    features: w.vocab,
                },
                vocab: self.shape.vocab_size,
                targets: &targets[first * PANEL..end],
                gradient: gradients.is_some(),
            }
            .go();
            if let Some(gradients) = gradients.as_deref_mut() {
                let dlogits = Panels {
                    data: logits,
                    features: w.vocab,
                };
                outer(
                    self.layout.head,
                    gradients.flat,
                    gradients.fresh && first == 0,
                    dlogits,
                    &s.turned[span.clone()],
                    self.spread,
                );
                let dnormed = PanelsMut {
                    data: &mut s.normed[span],
                    features: w.hidden,
                };
                by_cols(table, dlogits, dnormed, ZERO, self.spread);
            }
        }
        let Some(gradients) = gradients else {
            return loss;
        };
        // The gathered rows' gradients go where transposed rows were.
        let dx = match sparse {
            true => &mut s.turned[..hidden],
            false => &mut s.dx[..hidden],
        };
        let places = self.layout.final_norm;
        self.norm_back(places, (x, records), &s.normed, dx, true, gradients);
        if sparse {
            s.dx[..w.hidden * n].fill(0.0);
            spread(
                &s.turned[..hidden],
                &s.picked,
                &mut s.dx[..w.hidden * n],
                w.hidden,
            );
        }
        loss
    }

    /// Backward of a norm of `x`, given its records.
    fn norm_back(
        &self,
        places: NormPlaces,
        (x, records): (Panels<'_>, &[f32]),
        dy: &[f32],
        dx: &mut [f32],
        replace: bool,
        gradients: &mut Gradients<'_>,
    ) {
        // Gains and offsets of a norm lie side by side.
        let both = lanes_of(gradients.lanes, self.layout, Some(places.gain)).len();
        let at = (places.gain.at - self.layout.vectors_at) * LANES;
        let (gain_lanes, rest) = gradients.lanes[at..].split_at_mut(both);
        let offset_lanes = match places.offset {
            Some(place) => &mut rest[..place.len() * LANES],
            None => &mut [],
        };
        NormBack {
            norm: self.norm(places),
            x,
            records,
            dy,
            dx,
            replace,
            gain_lanes,
            offset_lanes,
        }
        .go();
    }

    fn backward(&self, rows: Rows<'_>, s: &mut Workspace, gradients: &mut Gradients<'_>) {
        for (i, places) in self.layout.layers.iter().enumerate().rev() {
            self.feed_back(i, places, rows.n_panels(), s, gradients);
            self.attention_back(i, places, rows.n_panels(), s, gradients);
        }
        let w = Widths::of(self.shape);
        let dx = Panels {
            data: &s.dx[..w.hidden * rows.n_panels() * PANEL],
            features: w.hidden,
        };
        embed_back(self.layout.embed, gradients.flat, rows.tokens, dx);
    }

    fn offsets_back(
        &self,
        place: Option<Place>,
        dy: &[f32],
        features: usize,
        gradients: &mut Gradients<'_>,
    ) {
        if place.is_some() {
            let dy = Panels { data: dy, features };
            offset_lanes(dy, lanes_of(gradients.lanes, self.layout, place));
        }
    }

    fn feed_back(
        &self,
        i: usize,
        places: &LayerPlaces,
        n_panels: usize,
        s: &mut Workspace,
        gradients: &mut Gradients<'_>,
    ) {
        let w = Widths::of(self.shape);
        let n = n_panels * PANEL;
        let hidden = w.hidden * n;
        let kept = &mut s.layers[i];
        let dx = &mut s.dx[..hidden];
        let turned = &mut s.turned[..hidden];
        transpose(panels(&*dx, w.hidden), turned);
        self.offsets_back(places.down_bias, dx, w.hidden, gradients);
        let inner = panels(&kept.inner[..w.inner * n], w.inner);
        outer(
            places.down,
            gradients.flat,
            gradients.fresh,
            inner,
            turned,
            self.spread,
        );
        // What up's outputs were is now the activation's derivative by them.
        let both = match self.shape.block {
            Block::Gelu => None,
            Block::Gated => Some(self.shape.intermediate),
        };
        let slopes = PanelsMut {
            data: &mut kept.up[..w.up * n],
            features: w.up,
        };
        let dx_panels = panels(&*dx, w.hidden);
        times_rows(
            self.matrix(places.down),
            dx_panels,
            slopes,
            both,
            self.spread,
        );
        let dup = &kept.up[..w.up * n];
        self.offsets_back(places.up_bias, dup, w.up, gradients);
        let dnormed = PanelsMut {
            data: &mut s.normed[..hidden],
            features: w.hidden,
        };
        by_cols(
            self.matrix(places.up),
            panels(dup, w.up),
            dnormed,
            ZERO,
            self.spread,
        );
        let middle = panels(&kept.middle[..hidden], w.hidden);
        let records = &kept.norm2[..n_panels * NORM_RECORD];
        norm_transposed(self.norm(places.norm2), middle, turned, records);
        outer(
            places.up,
            gradients.flat,
            gradients.fresh,
            panels(dup, w.up),
            turned,
            self.spread,
        );
        self.norm_back(
            places.norm2,
            (middle, records),
            &s.normed[..hidden],
            dx,
            false,
            gradients,
        );
    }

    fn attention_back(
        &self,
        i: usize,
        places: &LayerPlaces,
        n_panels: usize,
        s: &mut Workspace,
        gradients: &mut Gradients<'_>,
    ) {
        let w = Widths::of(self.shape);
        let n = n_panels * PANEL;
        let hidden = w.hidden * n;
        let kept = &s.layers[i];
        let dx = &mut s.dx[..hidden];
        let turned = &mut s.turned[..hidden];
        let attended = panels(&kept.attended[..hidden], w.hidden);
        transpose(attended, turned);
        outer(
            places.out,
            gradients.flat,
            gradients.fresh,
            panels(&*dx, w.hidden),
            turned,
            self.spread,
        );
        self.offsets_back(places.out_bias, dx, w.hidden, gradients);
        let dattended = PanelsMut {
            data: &mut s.normed[..hidden],
            features: w.hidden,
        };
        by_cols(
            self.matrix(places.out),
            panels(&*dx, w.hidden),
            dattended,
            ZERO,
            self.spread,
        );
        let dqkv = &mut s.dqkv[..w.qkv * n];
        AttendBack {
            heads: self.heads(),
            qkv: panels(&kept.qkv[..w.qkv * n], w.qkv),
            out: attended,
            records: &kept.weights,
            starts: &s.starts[..n],
            dout: panels(&s.normed[..hidden], w.hidden),
            dqkv: PanelsMut {
                data: dqkv,
                features: w.qkv,
            },
            weights: &mut s.weights,
            dscores: &mut s.dscores,
        }
        .go();
        self.rotate(&s.angles, dqkv, w.qkv, true);
        self.offsets_back(places.qkv_bias, dqkv, w.qkv, gradients);
        let input = panels(&kept.input[..hidden], w.hidden);
        let records = &kept.norm1[..n_panels * NORM_RECORD];
        norm_transposed(self.norm(places.norm1), input, turned, records);
        outer(
            places.qkv,
            gradients.flat,
            gradients.fresh,
            panels(&*dqkv, w.qkv),
            turned,
            self.spread,
        );
        let dnormed = PanelsMut {
            data: &mut s.normed[..hidden],
            features: w.hidden,
        };
        by_cols(
            self.matrix(places.qkv),
            panels(&*dqkv, w.qkv),
            dnormed,
            ZERO,
            self.spread,
        );
        self.norm_back(
            places.norm1,
            (input, records),
            &s.normed[..hidden],
            dx,
            false,
            gradients,
        );
    }
}

fn panels(data: &[f32], features: usize) -> Panels<'_> {
    Panels { data, features }
}

/// `y = m · x + base`.
fn linear(
    m: Matrix<'_>,
    x: &[f32],
    n_in: usize,
    y: &mut [f32],
    n_out: usize,
    base: Base<'_>,
    spread: bool,
) {
    let x = Panels {
        data: x,
        features: n_in,
    };
    let y = PanelsMut {
        data: y,
        features: n_out,
    };
    by_rows(m, x, y, base, spread);
}

/// Copies rows side by side; rows that fill the last panel become 0.
fn gather(from: &[f32], rows: &[u32], to: &mut [f32], features: usize) {
    let width = features * PANEL;
    let panels = to.chunks_exact_mut(width);
    for (panel, rows) in panels.zip(rows.chunks(PANEL)) {
        if rows.len() < PANEL {
            panel.fill(0.0);
        }
        for (i, &row) in rows.iter().enumerate() {
            let from = &from[row as usize / PANEL * width + row as usize % PANEL..];
            for k in 0..features {
                panel[k * PANEL + i] = from[k * PANEL];
            }
        }
    }
}

/// Puts gathered rows back.
fn spread(from: &[f32], rows: &[u32], to: &mut [f32], features: usize) {
    let width = features * PANEL;
    for (panel, rows) in from.chunks_exact(width).zip(rows.chunks(PANEL)) {
        for (i, &row) in rows.iter().enumerate() {
            let to = &mut to[row as usize / PANEL * width + row as usize % PANEL..];
            for k in 0..features {
                to[k * PANEL] = panel[k * PANEL + i];
            }
        }
    }
}
