//! Activations of the feed-forward block and their derivatives.

use rayon::prelude::*;

use super::lanes::{LANES, Lanes, Op, run};
use super::product::{PANEL, vec_at_mut};

/// 1 / √(2π).
const PHI_0: f32 = 0.398_942_3;

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

/// `a = gelu(u)`, and `u` becomes gelu′(u): `n` features of panels of `features`.
pub(crate) fn gelu(u: &mut [f32], a: &mut [f32], features: usize, n: usize, spread: bool) {
    let width = features * PANEL;
    if !spread {
        return run(Gelu { u, a, width, n });
    }
    let part = panels_each(a.len() / width) * width;
    u.par_chunks_mut(part)
        .zip(a.par_chunks_mut(part))
        .for_each(|(u, a)| run(Gelu { u, a, width, n }));
}

struct Gelu<'a> {
    u: &'a mut [f32],
    a: &'a mut [f32],
    /// Numbers of a panel.
    width: usize,
    n: usize,
}

impl Op for Gelu<'_> {
    type Out = ();
    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        for (u, a) in self
            .u
            .chunks_exact_mut(self.width)
            .zip(self.a.chunks_exact_mut(self.width))
        {
            // Padding stays 0.
            let u = &mut u[..self.n * PANEL];
            for (u, a) in u.chunks_exact_mut(LANES).zip(a.chunks_exact_mut(LANES)) {
                let slope = vec_at_mut(u, 0);
                let u = l.load(slope);
                let (cdf, density) = normal(l, u);
                l.store(l.mul(u, cdf), vec_at_mut(a, 0));
                l.store(l.fma(u, density, cdf), slope);
            }
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

/// `a = silu(gate) · up`; the gate becomes `a`'s derivative by it, silu′(gate) · up, and up that
/// by up, silu(gate).
pub(crate) fn gated(sizes: Gated, u: &mut [f32], a: &mut [f32], spread: bool) {
    if !spread {
        return run(GatedForward { sizes, u, a });
    }
    let n = panels_each(a.len() / (sizes.one * PANEL));
    u.par_chunks_mut(n * sizes.both * PANEL)
        .zip(a.par_chunks_mut(n * sizes.one * PANEL))
        .for_each(|(u, a)| run(GatedForward { sizes, u, a }));
}

struct GatedForward<'a> {
    sizes: Gated,
    u: &'a mut [f32],
    a: &'a mut [f32],
}

impl Op for GatedForward<'_> {
    type Out = ();
    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let Gated { inner, both, one } = self.sizes;
        for (u, a) in self
            .u
            .chunks_exact_mut(both * PANEL)
            .zip(self.a.chunks_exact_mut(one * PANEL))
        {
            let (gate, up) = u[..2 * inner * PANEL].split_at_mut(inner * PANEL);
            for ((gate, up), a) in gate
                .chunks_exact_mut(LANES)
                .zip(up.chunks_exact_mut(LANES))
                .zip(a.chunks_exact_mut(LANES))
            {
                let (by_gate, by_up) = (vec_at_mut(gate, 0), vec_at_mut(up, 0));
                let (gate, up) = (l.load(by_gate), l.load(by_up));
                let s = sigmoid(l, gate);
                let silu = l.mul(gate, s);
                l.store(l.mul(silu, up), vec_at_mut(a, 0));
                // silu′ = s + silu · (1 − s)
                let slope = l.fma(silu, l.sub(l.splat(1.0), s), s);
                l.store(l.mul(slope, up), by_gate);
                l.store(silu, by_up);
            }
        }
    }
}
