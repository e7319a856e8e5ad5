//! One AdamW update over the flat buffers, and the norm of the gradients.

use std::ops::Range;

use rayon::prelude::*;

use super::lanes::{LANES, Lanes, Op, run};
use super::layout::{Kind, Layout};
use super::optimizer::{AdamW, LearningRates};
use super::product::{vec_at, vec_at_mut};

/// Numbers of one piece of work; sums of squares are added up piece by piece, in order.
pub(crate) const PIECE: usize = 16 * 1024;

/// Numbers of one kind of tensor that lie side by side.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Span {
    pub(crate) range: Range<usize>,
    kind: Kind,
}

/// Spans of at most [`PIECE`] numbers, in order.
pub(crate) fn spans(layout: &Layout) -> Vec<Span> {
    let mut spans = Vec::new();
    for place in &layout.places {
        let end = place.at + place.len();
        for start in (place.at..end).step_by(PIECE) {
            spans.push(Span {
                range: start..end.min(start + PIECE),
                kind: place.kind,
            });
        }
    }
    spans
}

/// Root of the sum of squares, in f64, pieces in order.
pub(crate) fn norm(grads: &[f32], sums: &mut [f64]) -> f64 {
    grads
        .par_chunks(PIECE)
        .zip(&mut *sums)
        .for_each(|(g, sum)| *sum = run(Squares(g)));
    sums.iter().sum::<f64>().sqrt()
}

struct Squares<'a>(&'a [f32]);

impl Op for Squares<'_> {
    type Out = f64;
    #[inline(always)]
    fn run<L: Lanes>(self, l: L) -> f64 {
        // f32 sums of 64 squares per lane, then f64.
        let mut total = 0.0;
        for g in self.0.chunks(64 * LANES) {
            let mut sum = l.splat(0.0);
            for g in g.chunks_exact(LANES) {
                let g = l.load(vec_at(g, 0));
                sum = l.fma(g, g, sum);
            }
            let mut lanes = [0.0; LANES];
            l.store(sum, &mut lanes);
            for x in lanes {
                total += f64::from(x);
            }
        }
        total
    }
}

/// What an update does to every number of a span.
#[derive(Clone, Copy)]
struct Rule {
    /// Multiplies gradients.
    scale: f32,
    beta1: f32,
    beta2: f32,
    /// Learning rate over the bias correction of the first moment.
    rate: f32,
    /// Inverse root of the bias correction of the second moment.
    second: f32,
    eps: f32,
    /// Multiplies parameters.
    keep: f32,
}

/// Parameters, gradients and moments.
pub(crate) struct Flat<'a> {
    pub(crate) params: &'a mut [f32],
    pub(crate) grads: &'a [f32],
    pub(crate) first: &'a mut [f32],
    pub(crate) second: &'a mut [f32],
}

/// Update number `step` (from 1), with gradients multiplied by `scale`.
pub(crate) fn update(
    flat: Flat<'_>,
    spans: &[Span],
    settings: &AdamW,
    rates: &LearningRates,
    step: u64,
    scale: f64,
) {
    let power = |beta: f32| 1.0 - f64::from(beta).powf(step as f64);
    let rule = |kind: Kind| {
        let (factor, decays) = match kind {
            Kind::Embedding => (rates.embedding, false),
            Kind::Reads | Kind::Writes => (rates.matrix, true),
            Kind::Head => (rates.head, false),
            Kind::Gain | Kind::Offset => (rates.vector, false),
        };
        let lr = f64::from(settings.lr);
        let decay = if decays { settings.weight_decay } else { 0.0 };
        Rule {
            scale: scale as f32,
            beta1: settings.beta1,
            beta2: settings.beta2,
            rate: (lr * f64::from(factor) / power(settings.beta1)) as f32,
            second: (1.0 / power(settings.beta2).sqrt()) as f32,
            eps: settings.eps,
            keep: (1.0 - lr * f64::from(decay)) as f32,
        }
    };
    // Spans are shared out in halves: slices cannot be cut at uneven places by an iterator.
    halve(flat, spans, &|span, flat| {
        run(Update {
            rule: rule(span.kind),
            flat,
        });
    });
}

fn halve(flat: Flat<'_>, spans: &[Span], each: &(impl Fn(&Span, Flat<'_>) + Sync)) {
    match spans {
        [] => {}
        [span] => each(span, flat),
        _ => {
            let (left, right) = spans.split_at(spans.len() / 2);
            let at = right[0].range.start - left[0].range.start;
            let (params, params_after) = flat.params.split_at_mut(at);
            let (grads, grads_after) = flat.grads.split_at(at);
            let (first, first_after) = flat.first.split_at_mut(at);
            let (second, second_after) = flat.second.split_at_mut(at);
            let before = Flat {
                params,
                grads,
                first,
                second,
            };
            let after = Flat {
                params: params_after,
                grads: grads_after,
                first: first_after,
                second: second_after,
            };
            rayon::join(|| halve(before, left, each), || halve(after, right, each));
        }
    }
}

struct Update<'a> {
    rule: Rule,
    flat: Flat<'a>,
}

impl Op for Update<'_> {
    type Out = ();
    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let r = self.rule;
        let (beta1, beta2) = (l.splat(r.beta1), l.splat(r.beta2));
        let (rest1, rest2) = (l.splat(1.0 - r.beta1), l.splat(1.0 - r.beta2));
        for (((p, g), m), v) in self
            .flat
            .params
            .chunks_exact_mut(LANES)
            .zip(self.flat.grads.chunks_exact(LANES))
            .zip(self.flat.first.chunks_exact_mut(LANES))
            .zip(self.flat.second.chunks_exact_mut(LANES))
        {
            let (p, g) = (vec_at_mut(p, 0), vec_at(g, 0));
            let (m, v) = (vec_at_mut(m, 0), vec_at_mut(v, 0));
            let gradient = l.mul(l.load(g), l.splat(r.scale));
            let first = l.fma(rest1, gradient, l.mul(beta1, l.load(m)));
            let square = l.mul(gradient, gradient);
            let second = l.fma(rest2, square, l.mul(beta2, l.load(v)));
            l.store(first, m);
            l.store(second, v);
            let root = l.fma(l.sqrt(second), l.splat(r.second), l.splat(r.eps));
            let kept = l.mul(l.load(p), l.splat(r.keep));
            let moved = l.div(l.mul(l.splat(r.rate), first), root);
            l.store(l.sub(kept, moved), p);
        }
    }
}
