//! What is done element by element or row by row, on panels of 32 rows.
//!
//! Rows lie in lanes, so that a sum over a row's features is a sum of vectors in order of
//! features. Sums over rows (gradients of gains and offsets) are kept lane by lane and added
//! up at the end.

use super::lanes::{LANES, Lanes, Op, run};
use super::layout::Place;
use super::product::{Matrix, PANEL, Panels, PanelsMut, vec_at, vec_at_mut};

/// Numbers of a norm's record per panel: 32 inverse deviations, 32 means.
pub(crate) const NORM_RECORD: usize = 2 * PANEL;

/// Gains and offsets of a norm, and what it divides by.
#[derive(Clone, Copy)]
pub(crate) struct Norm<'a> {
    pub(crate) gain: &'a [f32],
    /// Present where the mean is taken off.
    pub(crate) offset: Option<&'a [f32]>,
    /// Features, padding not counted.
    pub(crate) n: usize,
    pub(crate) eps: f32,
}

/// `out = norm(x)`; inverse deviations and means go to `records`.
pub(crate) fn norm(norm: Norm<'_>, x: Panels<'_>, out: &mut [f32], records: &mut [f32]) {
    run(NormForward {
        norm,
        x,
        out,
        records,
    });
}

struct NormForward<'a> {
    norm: Norm<'a>,
    x: Panels<'a>,
    out: &'a mut [f32],
    records: &'a mut [f32],
}

impl Op for NormForward<'_> {
    type Out = ();
    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let width = self.x.features * PANEL;
        let n = self.norm.n;
        let inv_n = l.splat(1.0 / n as f32);
        let eps = l.splat(self.norm.eps);
        for ((x, out), record) in self
            .x
            .data
            .chunks_exact(width)
            .zip(self.out.chunks_exact_mut(width))
            .zip(self.records.chunks_exact_mut(NORM_RECORD))
        {
            for half in [0, LANES] {
                let x = &x[half..n * PANEL - LANES + half];
                // Two sums each, so that one addition need not wait for the one before.
                let mut mean = l.splat(0.0);
                if self.norm.offset.is_some() {
                    let mut sums = [l.splat(0.0); 2];
                    for (k, x) in x.chunks(PANEL).enumerate() {
                        sums[k % 2] = l.add(sums[k % 2], l.load(vec_at(x, 0)));
                    }
                    mean = l.mul(l.add(sums[0], sums[1]), inv_n);
                }
                let mut sums = [l.splat(0.0); 2];
                for (k, x) in x.chunks(PANEL).enumerate() {
                    let d = l.sub(l.load(vec_at(x, 0)), mean);
                    sums[k % 2] = l.fma(d, d, sums[k % 2]);
                }
                let square = l.mul(l.add(sums[0], sums[1]), inv_n);
                let inv = l.div(l.splat(1.0), l.sqrt(l.add(square, eps)));
                l.store(inv, vec_at_mut(record, half));
                l.store(mean, vec_at_mut(record, PANEL + half));
                let out = &mut out[half..n * PANEL - LANES + half];
                for (k, (x, out)) in x.chunks(PANEL).zip(out.chunks_mut(PANEL)).enumerate() {
                    let d = l.mul(l.sub(l.load(vec_at(x, 0)), mean), inv);
                    let offset = self.norm.offset.map_or(0.0, |o| o[k]);
                    let y = l.fma(d, l.splat(self.norm.gain[k]), l.splat(offset));
                    l.store(y, vec_at_mut(out, 0));
                }
            }
        }
    }
}

/// `out = norm(x)` from its record, transposed: (panels, 16-feature blocks, 32 rows, 16).
pub(crate) fn norm_transposed(norm: Norm<'_>, x: Panels<'_>, out: &mut [f32], records: &[f32]) {
    run(Transpose {
        norm: Some((norm, records)),
        x,
        out,
    });
}

/// `x` transposed: (panels, 16-feature blocks, 32 rows, 16).
pub(crate) fn transpose(x: Panels<'_>, out: &mut [f32]) {
    run(Transpose { norm: None, x, out });
}

struct Transpose<'a> {
    norm: Option<(Norm<'a>, &'a [f32])>,
    x: Panels<'a>,
    out: &'a mut [f32],
}

impl Op for Transpose<'_> {
    type Out = ();
    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let width = self.x.features * PANEL;
        for (p, (x, out)) in self
            .x
            .data
            .chunks_exact(width)
            .zip(self.out.chunks_exact_mut(width))
            .enumerate()
        {
            let blocks = x.chunks_exact(LANES * PANEL);
            for (b, (x, out)) in blocks.zip(out.chunks_exact_mut(LANES * PANEL)).enumerate() {
                for half in [0, LANES] {
                    let mut rows = [l.splat(0.0); LANES];
                    for (k, row) in rows.iter_mut().enumerate() {
                        *row = l.load(vec_at(x, k * PANEL + half));
                    }
                    if let Some((norm, records)) = &self.norm {
                        let record = &records[p * NORM_RECORD..][..NORM_RECORD];
                        let inv = l.load(vec_at(record, half));
                        let mean = l.load(vec_at(record, PANEL + half));
                        let gains = vec_at(norm.gain, b * LANES);
                        let offsets = norm.offset.map(|o| vec_at(o, b * LANES));
                        for (k, row) in rows.iter_mut().enumerate() {
                            let d = l.mul(l.sub(*row, mean), inv);
                            let offset = offsets.map_or(0.0, |o| o[k]);
                            *row = l.fma(d, l.splat(gains[k]), l.splat(offset));
                        }
                    }
                    let turned = l.transpose(rows);
                    for (k, v) in turned.iter().enumerate() {
                        l.store(*v, vec_at_mut(out, (half + k) * LANES));
                    }
                }
            }
        }
    }
}

/// Backward of a norm: `dx += ∂norm(x)/∂x · dy` (or `=`), gradients of gains and offsets added to
/// lanes.
pub(crate) struct NormBack<'a> {
    pub(crate) norm: Norm<'a>,
    pub(crate) x: Panels<'a>,
    pub(crate) records: &'a [f32],
    pub(crate) dy: &'a [f32],
    pub(crate) dx: &'a mut [f32],
    /// Whether `dx` is written anew.
    pub(crate) replace: bool,
    /// (features, 16).
    pub(crate) gain_lanes: &'a mut [f32],
    /// (features, 16); empty where there are no offsets.
    pub(crate) offset_lanes: &'a mut [f32],
}

impl NormBack<'_> {
    pub(crate) fn go(self) {
        run(self);
    }
}

impl Op for NormBack<'_> {
    type Out = ();
    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let width = self.x.features * PANEL;
        let n = self.norm.n;
        let inv_n = l.splat(1.0 / n as f32);
        let centred = self.norm.offset.is_some();
        for (((x, dy), dx), record) in self
            .x
            .data
            .chunks_exact(width)
            .zip(self.dy.chunks_exact(width))
            .zip(self.dx.chunks_exact_mut(width))
            .zip(self.records.chunks_exact(NORM_RECORD))
        {
            if self.replace {
                dx[n * PANEL..].fill(0.0);
            }
            for half in [0, LANES] {
                let inv = l.load(vec_at(record, half));
                let mean = l.load(vec_at(record, PANEL + half));
                let span = half..n * PANEL - LANES + half;
                let (x, dy) = (&x[span.clone()], &dy[span.clone()]);
                let dx = &mut dx[span];
                // Σ g·dy and Σ g·dy·x̂.
                let mut sum = l.splat(0.0);
                let mut dot = l.splat(0.0);
                for (((x, dy), gain), lanes) in x
                    .chunks(PANEL)
                    .zip(dy.chunks(PANEL))
                    .zip(self.norm.gain)
                    .zip(self.gain_lanes.chunks_exact_mut(LANES))
                {
                    let hat = l.mul(l.sub(l.load(vec_at(x, 0)), mean), inv);
                    let dy = l.load(vec_at(dy, 0));
                    let g = l.mul(dy, l.splat(*gain));
                    sum = l.add(sum, g);
                    dot = l.fma(g, hat, dot);
                    let lanes = vec_at_mut(lanes, 0);
                    l.store(l.fma(dy, hat, l.load(lanes)), lanes);
                }
                for (dy, lanes) in dy
                    .chunks(PANEL)
                    .zip(self.offset_lanes.chunks_exact_mut(LANES))
                {
                    let lanes = vec_at_mut(lanes, 0);
                    l.store(l.add(l.load(lanes), l.load(vec_at(dy, 0))), lanes);
                }
                let sum = match centred {
                    true => l.mul(sum, inv_n),
                    false => l.splat(0.0),
                };
                let dot = l.mul(dot, inv_n);
                for (((x, dy), gain), dx) in x
                    .chunks(PANEL)
                    .zip(dy.chunks(PANEL))
                    .zip(self.norm.gain)
                    .zip(dx.chunks_mut(PANEL))
                {
                    let hat = l.mul(l.sub(l.load(vec_at(x, 0)), mean), inv);
                    let g = l.mul(l.load(vec_at(dy, 0)), l.splat(*gain));
                    let d = l.sub(l.fnma(hat, dot, g), sum);
                    let dx = vec_at_mut(dx, 0);
                    let before = match self.replace {
                        true => l.splat(0.0),
                        false => l.load(dx),
                    };
                    l.store(l.fma(d, inv, before), dx);
                }
            }
        }
    }
}

/// Adds up offsets' gradients lane by lane: `lanes[feature] += dy[feature]`.
pub(crate) fn offset_lanes(dy: Panels<'_>, lanes: &mut [f32]) {
    run(OffsetLanes { dy, lanes });
}

struct OffsetLanes<'a> {
    dy: Panels<'a>,
    lanes: &'a mut [f32],
}

impl Op for OffsetLanes<'_> {
    type Out = ();
    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        for dy in self.dy.data.chunks_exact(self.dy.features * PANEL) {
            for (dy, lanes) in dy
                .chunks_exact(PANEL)
                .zip(self.lanes.chunks_exact_mut(LANES))
            {
                let both = l.add(l.load(vec_at(dy, 0)), l.load(vec_at(dy, LANES)));
                let lanes = vec_at_mut(lanes, 0);
                l.store(l.add(l.load(lanes), both), lanes);
            }
        }
    }
}

/// Adds sums over lanes to the gradients they belong to.
pub(crate) fn add_lanes(lanes: &[f32], grads: &mut [f32]) {
    run(AddLanes { lanes, grads });
}

struct AddLanes<'a> {
    lanes: &'a [f32],
    grads: &'a mut [f32],
}

impl Op for AddLanes<'_> {
    type Out = ();
    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        // Sixteen at a time, so that transposing makes it a sum of vectors.
        for (lanes, g) in self
            .lanes
            .chunks_exact(LANES * LANES)
            .zip(self.grads.chunks_exact_mut(LANES))
        {
            let mut rows = [l.splat(0.0); LANES];
            for (k, row) in rows.iter_mut().enumerate() {
                *row = l.load(vec_at(lanes, k * LANES));
            }
            let mut turned = l.transpose(rows);
            let mut width = LANES / 2;
            while width > 0 {
                for i in 0..width {
                    turned[i] = l.add(turned[i], turned[i + width]);
                }
                width /= 2;
            }
            let g = vec_at_mut(g, 0);
            l.store(l.add(l.load(g), turned[0]), g);
        }
    }
}

/// The embedding's rows of `tokens`; rows beyond them become 0.
pub(crate) fn embed(table: Matrix<'_>, tokens: &[u32], x: PanelsMut<'_>) {
    run(Embed { table, tokens, x });
}

struct Embed<'a> {
    table: Matrix<'a>,
    tokens: &'a [u32],
    x: PanelsMut<'a>,
}

impl Op for Embed<'_> {
    type Out = ();
    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let width = self.x.features * PANEL;
        for (p, x) in self.x.data.chunks_exact_mut(width).enumerate() {
            for (b, x) in x.chunks_exact_mut(LANES * PANEL).enumerate() {
                let table = &self.table.data[b * self.table.place.stride..];
                for half in [0, LANES] {
                    let mut rows = [l.splat(0.0); LANES];
                    for (k, row) in rows.iter_mut().enumerate() {
                        if let Some(&token) = self.tokens.get(p * PANEL + half + k) {
                            *row = l.load(vec_at(table, token as usize * LANES));
                        }
                    }
                    for (k, v) in l.transpose(rows).iter().enumerate() {
                        l.store(*v, vec_at_mut(x, k * PANEL + half));
                    }
                }
            }
        }
    }
}

/// Adds the gradients of the embedding's rows.
pub(crate) fn embed_back(place: Place, grads: &mut [f32], tokens: &[u32], dx: Panels<'_>) {
    run(EmbedBack {
        place,
        grads,
        tokens,
        dx,
    });
}

struct EmbedBack<'a> {
    place: Place,
    grads: &'a mut [f32],
    tokens: &'a [u32],
    dx: Panels<'a>,
}

impl Op for EmbedBack<'_> {
    type Out = ();
    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let grads = self.place.of_mut(self.grads);
        let width = self.dx.features * PANEL;
        for (dx, tokens) in self
            .dx
            .data
            .chunks_exact(width)
            .zip(self.tokens.chunks(PANEL))
        {
            for (b, dx) in dx.chunks_exact(LANES * PANEL).enumerate() {
                let table = &mut grads[b * self.place.stride..];
                for (half, tokens) in tokens.chunks(LANES).enumerate() {
                    let mut rows = [l.splat(0.0); LANES];
                    for (k, row) in rows.iter_mut().enumerate() {
                        *row = l.load(vec_at(dx, k * PANEL + half * LANES));
                    }
                    for (&token, v) in tokens.iter().zip(l.transpose(rows)) {
                        let to = vec_at_mut(table, token as usize * LANES);
                        l.store(l.add(l.load(to), v), to);
                    }
                }
            }
        }
    }
}

/// Angles of the rows of a chunk: panels of `half_dim` cosines, then as many sines.
#[derive(Clone, Copy)]
pub(crate) struct Angles<'a> {
    pub(crate) data: &'a [f32],
    /// Pairs of features of a head.
    pub(crate) half_dim: usize,
}

/// Turns queries and keys by their positions, and multiplies queries by `scale`; backward,
/// turns gradients back.
pub(crate) struct Rotate<'a> {
    pub(crate) angles: Angles<'a>,
    pub(crate) qkv: PanelsMut<'a>,
    pub(crate) n_heads: usize,
    pub(crate) n_kv_heads: usize,
    pub(crate) scale: f32,
    pub(crate) back: bool,
}

impl Rotate<'_> {
    pub(crate) fn go(self) {
        run(self);
    }
}

impl Op for Rotate<'_> {
    type Out = ();
    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let half_dim = self.angles.half_dim * PANEL;
        let width = self.qkv.features * PANEL;
        let sign = l.splat(if self.back { -1.0 } else { 1.0 });
        for (qkv, angles) in self
            .qkv
            .data
            .chunks_exact_mut(width)
            .zip(self.angles.data.chunks_exact(2 * half_dim))
        {
            let (cosines, sines) = angles.split_at(half_dim);
            let heads = qkv.chunks_exact_mut(2 * half_dim);
            for (head, x) in heads.take(self.n_heads + self.n_kv_heads).enumerate() {
                let scale = l.splat(if head < self.n_heads { self.scale } else { 1.0 });
                let (first, second) = x.split_at_mut(half_dim);
                for (((a, b), cos), sin) in first
                    .chunks_exact_mut(LANES)
                    .zip(second.chunks_exact_mut(LANES))
                    .zip(cosines.chunks_exact(LANES))
                    .zip(sines.chunks_exact(LANES))
                {
                    let (a, b) = (vec_at_mut(a, 0), vec_at_mut(b, 0));
                    let cos = l.mul(l.load(vec_at(cos, 0)), scale);
                    let sin = l.mul(l.mul(l.load(vec_at(sin, 0)), scale), sign);
                    let (x, y) = (l.load(a), l.load(b));
                    l.store(l.fnma(y, sin, l.mul(x, cos)), a);
                    l.store(l.fma(x, sin, l.mul(y, cos)), b);
                }
            }
        }
    }
}
