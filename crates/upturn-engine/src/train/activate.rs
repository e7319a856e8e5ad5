//! Activations of the feed-forward block and their derivatives.

use rayon::prelude::*;

use super::lanes::{LANES, Lanes, Op, run};
use super::product::{PANEL, vec_at, vec_at_mut};

/// 1 / √(2π).
const PHI_0: f32 = 0.398_942_28;

/// Φ(x) and φ(x): the normal distribution and its density. Absolute error below 2e-7.
///
/// erf by Abramowitz and Stegun 7.1.26, whose exponential is also the density's.
#[inline(always)]
fn normal<L: Lanes>(l: L, x: L::V) -> (L::V, L::V) {
    let a = l.mul(l.abs(x), l.splat(std::f32::consts::FRAC_1_SQRT_2));
    let e = l.exp(l.mul(l.mul(x, x), l.splat(-0.5)));
    let t = l.div(l.splat(1.0), l.fma(a, l.splat(0.327_591_1), l.splat(1.0)));
    let mut p = l.splat(1.061_405_4);
    for c in [-1.453_152_1, 1.421_413_8, -0.284_496_72, 0.254_829_6] {
        p = l.fma(p, t, l.splat(c));
    }
    let tail = l.mul(l.mul(l.mul(p, t), e), l.splat(0.5));
    let zero = l.splat(0.0);
    let cdf = l.less(x, zero, tail, l.sub(l.splat(1.0), tail));
    (cdf, l.mul(e, l.splat(PHI_0)))
}

#[inline(always)]
fn sigmoid<L: Lanes>(l: L, x: L::V) -> L::V {
    let one = l.splat(1.0);
    let e = l.exp(l.sub(l.splat(0.0), x));
    l.div(one, l.add(one, e))
}

/// Of `n`, how many one thread takes.
fn panels_each(n: usize) -> usize {
    n.div_ceil(rayon::current_num_threads()).max(1)
}

/// `a = gelu(u)`, of the same shape.
pub(crate) fn gelu(u: &[f32], a: &mut [f32], spread: bool) {
    if !spread {
        return run(Gelu { u, a });
    }
    let part = panels_each(a.len() / PANEL) * PANEL;
    u.par_chunks(part)
        .zip(a.par_chunks_mut(part))
        .for_each(|(u, a)| run(Gelu { u, a }));
}

struct Gelu<'a> {
    u: &'a [f32],
    a: &'a mut [f32],
}

impl Op for Gelu<'_> {
    type Out = ();
    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        for (u, a) in self
            .u
            .chunks_exact(LANES)
            .zip(self.a.chunks_exact_mut(LANES))
        {
            let u = l.load(vec_at(u, 0));
            let (cdf, _) = normal(l, u);
            l.store(l.mul(u, cdf), vec_at_mut(a, 0));
        }
    }
}

/// `a = gelu(u)` once more, and `da` becomes `du = gelu′(u) · da`.
pub(crate) fn gelu_back(u: &[f32], a: &mut [f32], da: &mut [f32], spread: bool) {
    if !spread {
        return run(GeluBack { u, a, da });
    }
    let part = panels_each(a.len() / PANEL) * PANEL;
    u.par_chunks(part)
        .zip(a.par_chunks_mut(part))
        .zip(da.par_chunks_mut(part))
        .for_each(|((u, a), da)| run(GeluBack { u, a, da }));
}

struct GeluBack<'a> {
    u: &'a [f32],
    a: &'a mut [f32],
    da: &'a mut [f32],
}

impl Op for GeluBack<'_> {
    type Out = ();
    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        for ((u, a), da) in self
            .u
            .chunks_exact(LANES)
            .zip(self.a.chunks_exact_mut(LANES))
            .zip(self.da.chunks_exact_mut(LANES))
        {
            let u = l.load(vec_at(u, 0));
            let (cdf, density) = normal(l, u);
            l.store(l.mul(u, cdf), vec_at_mut(a, 0));
            let da = vec_at_mut(da, 0);
            let slope = l.fma(u, density, cdf);
            l.store(l.mul(slope, l.load(da)), da);
        }
    }
}

/// Sizes of a gated block's panels.
#[derive(Clone, Copy)]
pub(crate) struct Gated {
    /// Features of the gate, and of up below it.
    pub(crate) inner: usize,
    /// Features of a panel that holds both, with padding.
    pub(crate) both: usize,
    /// Features of a panel that holds one, with padding.
    pub(crate) one: usize,
}

/// `a = silu(gate) · up`.
pub(crate) fn gated(sizes: Gated, u: &[f32], a: &mut [f32], spread: bool) {
    if !spread {
        return run(GatedForward { sizes, u, a });
    }
    let n = panels_each(a.len() / (sizes.one * PANEL));
    u.par_chunks(n * sizes.both * PANEL)
        .zip(a.par_chunks_mut(n * sizes.one * PANEL))
        .for_each(|(u, a)| run(GatedForward { sizes, u, a }));
}

struct GatedForward<'a> {
    sizes: Gated,
    u: &'a [f32],
    a: &'a mut [f32],
}

impl Op for GatedForward<'_> {
    type Out = ();
    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let Gated { inner, both, one } = self.sizes;
        for (u, a) in self
            .u
            .chunks_exact(both * PANEL)
            .zip(self.a.chunks_exact_mut(one * PANEL))
        {
            let (gate, up) = u[..2 * inner * PANEL].split_at(inner * PANEL);
            for ((gate, up), a) in gate
                .chunks_exact(LANES)
                .zip(up.chunks_exact(LANES))
                .zip(a.chunks_exact_mut(LANES))
            {
                let gate = l.load(vec_at(gate, 0));
                let y = l.mul(l.mul(gate, sigmoid(l, gate)), l.load(vec_at(up, 0)));
                l.store(y, vec_at_mut(a, 0));
            }
        }
    }
}

/// `a = silu(gate) · up` once more, and `du` from `da`.
pub(crate) fn gated_back(
    sizes: Gated,
    u: &[f32],
    a: &mut [f32],
    da: &[f32],
    du: &mut [f32],
    spread: bool,
) {
    if !spread {
        return run(GatedBack {
            sizes,
            u,
            a,
            da,
            du,
        });
    }
    let n = panels_each(a.len() / (sizes.one * PANEL));
    let (one, both) = (n * sizes.one * PANEL, n * sizes.both * PANEL);
    u.par_chunks(both)
        .zip(a.par_chunks_mut(one))
        .zip(da.par_chunks(one))
        .zip(du.par_chunks_mut(both))
        .for_each(|(((u, a), da), du)| {
            run(GatedBack {
                sizes,
                u,
                a,
                da,
                du,
            });
        });
}

struct GatedBack<'a> {
    sizes: Gated,
    u: &'a [f32],
    a: &'a mut [f32],
    da: &'a [f32],
    du: &'a mut [f32],
}

impl Op for GatedBack<'_> {
    type Out = ();
    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let Gated { inner, both, one } = self.sizes;
        for (((u, a), da), du) in self
            .u
            .chunks_exact(both * PANEL)
            .zip(self.a.chunks_exact_mut(one * PANEL))
            .zip(self.da.chunks_exact(one * PANEL))
            .zip(self.du.chunks_exact_mut(both * PANEL))
        {
            let (gate, up) = u[..2 * inner * PANEL].split_at(inner * PANEL);
            let (dgate, dup) = du[..2 * inner * PANEL].split_at_mut(inner * PANEL);
            for (((((gate, up), a), da), dgate), dup) in gate
                .chunks_exact(LANES)
                .zip(up.chunks_exact(LANES))
                .zip(a.chunks_exact_mut(LANES))
                .zip(da.chunks_exact(LANES))
                .zip(dgate.chunks_exact_mut(LANES))
                .zip(dup.chunks_exact_mut(LANES))
            {
                let (gate, up) = (l.load(vec_at(gate, 0)), l.load(vec_at(up, 0)));
                let da = l.load(vec_at(da, 0));
                let s = sigmoid(l, gate);
                let silu = l.mul(gate, s);
                l.store(l.mul(silu, up), vec_at_mut(a, 0));
                l.store(l.mul(silu, da), vec_at_mut(dup, 0));
                // silu′ = s + silu · (1 − s)
                let slope = l.fma(silu, l.sub(l.splat(1.0), s), s);
                l.store(l.mul(slope, l.mul(da, up)), vec_at_mut(dgate, 0));
            }
        }
    }
}
