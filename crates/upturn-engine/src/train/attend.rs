//! Causal attention within each sequence of a chunk, and its gradients.
//!
//! Sixteen queries lie in lanes; their keys run from the first that the first of them sees to
//! the last query itself, in blocks of 16. A mask hides keys of other sequences and of later
//! positions, so sequences need no alignment. Weights are computed again in the backward pass
//! from each row's maximum and sum.

use super::lanes::{LANES, Lanes, Op, run};
use super::product::{PANEL, Panels, PanelsMut, vec_at, vec_at_mut};

/// Numbers kept per head and 16 queries: maxima and inverse sums.
pub(crate) const RECORD: usize = 2 * LANES;
/// Score of a key that is not seen: its exponential is exactly 0.
const UNSEEN: f32 = -1e30;

/// Heads and where their features lie in `qkv`. Queries come first, at 0.
#[derive(Clone, Copy)]
pub(crate) struct Heads {
    pub(crate) n_heads: usize,
    pub(crate) n_kv_heads: usize,
    pub(crate) dim: usize,
}

impl Heads {
    /// First features of the key and the value head that a query head uses.
    #[inline(always)]
    fn key_value(&self, head: usize) -> (usize, usize) {
        let kv = head / (self.n_heads / self.n_kv_heads);
        let keys = self.n_heads * self.dim;
        (
            keys + kv * self.dim,
            keys + (self.n_kv_heads + kv) * self.dim,
        )
    }
}

/// `out` = softmax(q · k) · v for every head. Queries are scaled already.
pub(crate) struct Attend<'a> {
    pub(crate) heads: Heads,
    pub(crate) qkv: Panels<'a>,
    pub(crate) out: PanelsMut<'a>,
    /// (heads, groups of 16 rows, [`RECORD`]).
    pub(crate) records: &'a mut [f32],
    /// First row of each row's sequence.
    pub(crate) starts: &'a [f32],
    /// At least 16 numbers per row.
    pub(crate) weights: &'a mut [f32],
}

impl Attend<'_> {
    pub(crate) fn go(self) {
        run(self);
    }
}

/// Sixteen rows that lie in lanes.
#[derive(Clone, Copy)]
struct Group {
    /// Panel and half of a panel.
    panel: usize,
    half: usize,
    /// First row.
    row: usize,
    /// First key, a multiple of 16.
    first_key: usize,
    /// Keys before this are of another sequence for some row.
    all_see: usize,
}

impl Group {
    #[inline(always)]
    fn new(g: usize, starts: &[f32]) -> Self {
        let row = g * LANES;
        Group {
            panel: g / 2,
            half: g % 2 * LANES,
            row,
            first_key: starts[row] as usize / LANES * LANES,
            all_see: starts[row + LANES - 1] as usize,
        }
    }

    /// One past the last key.
    #[inline(always)]
    fn end(&self) -> usize {
        self.row + LANES
    }
}

/// Features from `first` on of panel `panel`.
#[inline(always)]
fn features<'a>(x: Panels<'a>, panel: usize, first: usize, n: usize) -> &'a [f32] {
    &x.data[(panel * x.features + first) * PANEL..][..n * PANEL]
}

/// Dot products of `R` rows of `a` from `row` on with 16 rows of `b`, over features.
#[inline(always)]
fn dots<L: Lanes, const R: usize>(
    l: L,
    a: &[f32],
    row: usize,
    b: &[f32],
    half: usize,
) -> [L::V; R] {
    let row = (row % PANEL).min(PANEL - R);
    let half = half.min(LANES);
    let mut acc = [l.splat(0.0); R];
    for (a, b) in a.chunks_exact(PANEL).zip(b.chunks_exact(PANEL)) {
        let b = l.load(vec_at(b, half));
        for r in 0..R {
            acc[r] = l.fma(l.splat(a[row + r]), b, acc[r]);
        }
    }
    acc
}

/// Scores of `R` keys from `key` on for a group's rows; [`UNSEEN`] where a row does not see one.
#[inline(always)]
fn scores<L: Lanes, const R: usize>(
    l: L,
    group: Group,
    keys: &[f32],
    key: usize,
    queries: &[f32],
    starts: &[f32],
) -> [L::V; R] {
    let mut s = dots::<L, R>(l, keys, key, queries, group.half);
    if key < group.all_see || key + R > group.row + 1 {
        const COUNT: [f32; LANES] = [
            0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0,
        ];
        let start = l.load(vec_at(starts, group.row));
        let own = l.add(l.load(&COUNT), l.splat(group.row as f32));
        let unseen = l.splat(UNSEEN);
        for (r, s) in s.iter_mut().enumerate() {
            let at = l.splat((key + r) as f32);
            *s = l.less(at, start, unseen, *s);
            *s = l.less(own, at, unseen, *s);
        }
    }
    s
}

/// `acc[r] += Σ over keys of x[first + r][key] · weights[key]`.
#[inline(always)]
fn weighted<L: Lanes, const R: usize>(
    l: L,
    x: Panels<'_>,
    first: usize,
    group: Group,
    weights: &[f32],
) -> [L::V; R] {
    let mut acc = [l.splat(0.0); R];
    let mut key = group.first_key;
    let mut weights = weights;
    while key < group.end() {
        let n = (PANEL - key % PANEL).min(group.end() - key);
        let x = features(x, key / PANEL, first, R);
        let (now, after) = weights.split_at(n * LANES);
        weights = after;
        for (i, w) in now.chunks_exact(LANES).enumerate() {
            let at = (key + i) % PANEL;
            let w = l.load(vec_at(w, 0));
            for r in 0..R {
                acc[r] = l.fma(l.splat(x[r * PANEL + at]), w, acc[r]);
            }
        }
        key += n;
    }
    acc
}

/// Writes `R` features of a group's rows.
#[inline(always)]
fn put<L: Lanes, const R: usize>(
    l: L,
    y: &mut PanelsMut<'_>,
    first: usize,
    group: Group,
    acc: [L::V; R],
) {
    let at = (group.panel * y.features + first) * PANEL + group.half;
    for (r, v) in acc.into_iter().enumerate() {
        l.store(v, vec_at_mut(y.data, at + r * PANEL));
    }
}

impl Op for Attend<'_> {
    type Out = ();
    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        match self.heads.dim % 8 {
            0 => self.all::<L, 8>(l),
            4 => self.all::<L, 4>(l),
            _ => self.all::<L, 2>(l),
        }
    }
}

impl Attend<'_> {
    /// `D` features at a time.
    #[inline(always)]
    fn all<L: Lanes, const D: usize>(mut self, l: L) {
        let n_groups = self.starts.len() / LANES;
        for head in 0..self.heads.n_heads {
            for g in 0..n_groups {
                self.one::<L, D>(l, head, g, n_groups);
            }
        }
    }

    #[inline(always)]
    fn one<L: Lanes, const D: usize>(&mut self, l: L, head: usize, g: usize, n_groups: usize) {
        let Heads { dim, .. } = self.heads;
        let (k_at, v_at) = self.heads.key_value(head);
        let group = Group::new(g, self.starts);
        let queries = features(self.qkv, group.panel, head * dim, dim);
        let weights = &mut self.weights[..(group.end() - group.first_key) * LANES];

        let mut max = l.splat(UNSEEN);
        for (b, w) in weights.chunks_exact_mut(8 * LANES).enumerate() {
            let key = group.first_key + b * 8;
            let keys = features(self.qkv, key / PANEL, k_at, dim);
            let s = scores::<L, 8>(l, group, keys, key, queries, self.starts);
            for (r, s) in s.into_iter().enumerate() {
                max = l.max(s, max);
                l.store(s, vec_at_mut(w, r * LANES));
            }
        }
        let mut sum = l.splat(0.0);
        for w in weights.chunks_exact_mut(LANES) {
            let w = vec_at_mut(w, 0);
            let e = l.exp(l.sub(l.load(w), max));
            sum = l.add(sum, e);
            l.store(e, w);
        }
        let inv = l.div(l.splat(1.0), sum);
        let record = &mut self.records[(head * n_groups + g) * RECORD..];
        l.store(max, vec_at_mut(record, 0));
        l.store(inv, vec_at_mut(record, LANES));
        for first in (0..dim).step_by(D) {
            let mut acc = weighted::<L, D>(l, self.qkv, v_at + first, group, weights);
            for a in &mut acc {
                *a = l.mul(*a, inv);
            }
            put::<L, D>(l, &mut self.out, head * dim + first, group, acc);
        }
    }
}

/// Gradients of queries, keys and values.
pub(crate) struct AttendBack<'a> {
    pub(crate) heads: Heads,
    pub(crate) qkv: Panels<'a>,
    /// What [`Attend`] wrote.
    pub(crate) out: Panels<'a>,
    pub(crate) records: &'a [f32],
    pub(crate) starts: &'a [f32],
    pub(crate) dout: Panels<'a>,
    /// All of it is written.
    pub(crate) dqkv: PanelsMut<'a>,
    /// At least 16 numbers per row.
    pub(crate) weights: &'a mut [f32],
    /// At least 16 numbers per row.
    pub(crate) dscores: &'a mut [f32],
}

impl AttendBack<'_> {
    pub(crate) fn go(self) {
        run(self);
    }
}

impl Op for AttendBack<'_> {
    type Out = ();
    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        match self.heads.dim % 8 {
            0 => self.all::<L, 8>(l),
            4 => self.all::<L, 4>(l),
            _ => self.all::<L, 2>(l),
        }
    }
}

impl AttendBack<'_> {
    #[inline(always)]
    fn all<L: Lanes, const D: usize>(mut self, l: L) {
        let Heads { n_heads, dim, .. } = self.heads;
        for panel in self.dqkv.data.chunks_exact_mut(self.dqkv.features * PANEL) {
            panel[n_heads * dim * PANEL..].fill(0.0);
        }
        let n_groups = self.starts.len() / LANES;
        for head in 0..self.heads.n_heads {
            for g in 0..n_groups {
                self.one::<L, D>(l, head, g, n_groups);
            }
        }
    }

    #[inline(always)]
    fn one<L: Lanes, const D: usize>(&mut self, l: L, head: usize, g: usize, n_groups: usize) {
        let Heads { dim, .. } = self.heads;
        let (k_at, v_at) = self.heads.key_value(head);
        let group = Group::new(g, self.starts);
        let (q_at, half) = (head * dim, group.half);
        let queries = features(self.qkv, group.panel, q_at, dim);
        let dout = features(self.dout, group.panel, q_at, dim);
        let out = features(self.out, group.panel, q_at, dim);
        let record = &self.records[(head * n_groups + g) * RECORD..];
        let (max, inv) = (l.load(vec_at(record, 0)), l.load(vec_at(record, LANES)));

        // Σ out · dout, what the softmax takes off.
        let mut mean = l.splat(0.0);
        for (o, d) in out.chunks_exact(PANEL).zip(dout.chunks_exact(PANEL)) {
            mean = l.fma(l.load(vec_at(o, half)), l.load(vec_at(d, half)), mean);
        }
        let n = (group.end() - group.first_key) * LANES;
        let (weights, dscores) = (&mut self.weights[..n], &mut self.dscores[..n]);
        for (b, (w, ds)) in weights
            .chunks_exact_mut(8 * LANES)
            .zip(dscores.chunks_exact_mut(8 * LANES))
            .enumerate()
        {
            let key = group.first_key + b * 8;
            let keys = features(self.qkv, key / PANEL, k_at, dim);
            let values = features(self.qkv, key / PANEL, v_at, dim);
            let s = scores::<L, 8>(l, group, keys, key, queries, self.starts);
            let dw = dots::<L, 8>(l, values, key, dout, half);
            for r in 0..8 {
                let p = l.mul(l.exp(l.sub(s[r], max)), inv);
                l.store(p, vec_at_mut(w, r * LANES));
                l.store(l.mul(p, l.sub(dw[r], mean)), vec_at_mut(ds, r * LANES));
            }
        }
        for first in (0..dim).step_by(D) {
            let acc = weighted::<L, D>(l, self.qkv, k_at + first, group, dscores);
            put::<L, D>(l, &mut self.dqkv, q_at + first, group, acc);
        }
        for (b, (w, ds)) in weights
            .chunks_exact(LANES * LANES)
            .zip(dscores.chunks_exact(LANES * LANES))
            .enumerate()
        {
            let key = group.first_key + b * LANES;
            let d = &mut self.dqkv;
            add_turned::<L, D>(l, d, w, dout, half, key, v_at);
            add_turned::<L, D>(l, d, ds, queries, half, key, k_at);
        }
    }
}

/// `d[at + f][key…] += Σ over a group's rows of x[f][row] · w[key…][row]`.
#[inline(always)]
fn add_turned<L: Lanes, const D: usize>(
    l: L,
    d: &mut PanelsMut<'_>,
    w: &[f32],
    x: &[f32],
    half: usize,
    key: usize,
    at: usize,
) {
    let half = half.min(LANES);
    let mut rows = [l.splat(0.0); LANES];
    for (k, row) in rows.iter_mut().enumerate() {
        *row = l.load(vec_at(w, k * LANES));
    }
    let turned = l.transpose(rows);
    let to = (key / PANEL * d.features + at) * PANEL + key % PANEL;
    for (b, x) in x.chunks_exact(D * PANEL).enumerate() {
        let to = &mut d.data[to + b * D * PANEL..];
        let mut acc = [l.splat(0.0); D];
        for (r, a) in acc.iter_mut().enumerate() {
            *a = l.load(vec_at(to, r * PANEL));
        }
        for (i, t) in turned.iter().enumerate() {
            for (r, a) in acc.iter_mut().enumerate() {
                *a = l.fma(l.splat(x[r * PANEL + half + i]), *t, *a);
            }
        }
        for (r, a) in acc.iter().enumerate() {
            l.store(*a, vec_at_mut(to, r * PANEL));
        }
    }
}
