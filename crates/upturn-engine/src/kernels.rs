//! Row-wise kernels: norms, activations, the exponential, reductions in a fixed order.
//!
//! Every function computes one row (or one element) from that row alone, in an
//! order that depends on its length and nothing else, so that a row's bits are
//! the same in any batch. Loops are written over [`LANES`] partial results, which
//! the compiler turns into vector code inside [`simd`].

use crate::plan::Activation;

/// Partial results that a reduction keeps: one AVX-512 register, two AVX2 ones.
pub const LANES: usize = 16;

/// Runs `f` with the widest vector instructions of this machine.
///
/// `f` and all it calls must be `#[inline(always)]`, closures too, or they are compiled
/// without them; a fused multiply-add is then a call into the C library.
#[inline]
pub fn simd<R>(f: impl FnOnce() -> R) -> R {
    struct Op<F>(F);
    impl<R, F: FnOnce() -> R> pulp::NullaryFnOnce for Op<F> {
        type Output = R;
        #[inline(always)]
        fn call(self) -> R {
            (self.0)()
        }
    }
    pulp::Arch::new().dispatch(Op(f))
}

/// Name of the vector instructions that [`simd`] uses; results are the same bits on
/// machines where it is the same.
#[must_use]
pub fn simd_level() -> String {
    format!("{:?}", pulp::Arch::new())
}

/// `a · b + c`, fused: the same rounding in vector and scalar code.
#[inline(always)]
fn fma(a: f32, b: f32, c: f32) -> f32 {
    a.mul_add(b, c)
}

/// Adds up lanes in a fixed tree.
#[inline(always)]
fn sum_lanes(mut lanes: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// Sum of `f(x)` over a slice, in lanes.
#[inline(always)]
fn sum_of(x: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let chunks = x.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, &v) in lanes.iter_mut().zip(chunk) {
            *lane += f(v);
        }
    }
    for (lane, &v) in lanes.iter_mut().zip(rest) {
        *lane += f(v);
    }
    sum_lanes(lanes)
}

/// Largest value of a slice; -∞ for an empty one. NaN is ignored.
#[inline(always)]
#[must_use]
pub fn max_of(x: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let chunks = x.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, &v) in lanes.iter_mut().zip(chunk) {
            *lane = if v > *lane { v } else { *lane };
        }
    }
    for (lane, &v) in lanes.iter_mut().zip(rest) {
        *lane = if v > *lane { v } else { *lane };
    }
    lanes.into_iter().fold(f32::NEG_INFINITY, f32::max)
}

/// eˣ to about 2 units in the last place; 0 below -87.3, finite above 88.
///
/// Range reduction to |r| ≤ ln 2 / 2 and a polynomial of degree 6 (Taylor with the
/// last coefficients adjusted), then a power of two by its bits.
#[inline(always)]
#[must_use]
pub fn exp(x: f32) -> f32 {
    const MAGIC: f32 = 12_582_912.0; // 1.5 · 2²³: adding it rounds to an integer
    let clamped = if x > 88.0 { 88.0 } else { x };
    let t = fma(clamped, std::f32::consts::LOG2_E, MAGIC);
    let n = t - MAGIC;
    let r = fma(n, -0.693_359_4, clamped);
    let r = fma(n, 2.121_944_4e-4, r);
    let mut p = 1.388_888_9e-3;
    for c in [8.333_334e-3, 4.166_666_6e-2, 0.166_666_67, 0.5, 1.0, 1.0] {
        p = fma(p, r, c);
    }
    let scale = f32::from_bits((t.to_bits().wrapping_sub(MAGIC.to_bits()).wrapping_add(127)) << 23);
    if x < -87.3 { 0.0 } else { p * scale }
}

/// tanh by the exponential; absolute error below 2e-7.
#[inline(always)]
#[must_use]
pub fn tanh(x: f32) -> f32 {
    let a = x.clamp(-15.0, 15.0);
    1.0 - 2.0 / (exp(2.0 * a) + 1.0)
}

/// erf(x) by Abramowitz and Stegun 7.1.26; absolute error below 3e-7 in f32.
#[inline(always)]
fn erf(x: f32) -> f32 {
    let a = x.abs();
    let t = 1.0 / fma(0.327_591_1, a, 1.0);
    let mut p = 1.061_405_4;
    for c in [-1.453_152_1, 1.421_413_8, -0.284_496_72, 0.254_829_6] {
        p = fma(p, t, c);
    }
    let y = fma(-(p * t), exp(-a * a), 1.0);
    if x < 0.0 { -y } else { y }
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[inline(always)]
fn activate_one(kind: Activation, x: f32) -> f32 {
    match kind {
        Activation::GeluErf => 0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2)),
        Activation::GeluTanh => 0.5 * x * (1.0 + tanh(0.797_884_6 * fma(0.044_715 * x, x * x, x))),
        Activation::QuickGelu => x * sigmoid(1.702 * x),
        Activation::Silu => x * sigmoid(x),
        Activation::Relu => x.max(0.0),
        Activation::ReluSquared => {
            let y = x.max(0.0);
            y * y
        }
    }
}

/// Applies an activation in place.
#[inline(always)]
pub fn activate(kind: Activation, x: &mut [f32]) {
    // One loop per kind: the match must not stand inside it.
    match kind {
        Activation::GeluErf => each(x, Activation::GeluErf),
        Activation::GeluTanh => each(x, Activation::GeluTanh),
        Activation::QuickGelu => each(x, Activation::QuickGelu),
        Activation::Silu => each(x, Activation::Silu),
        Activation::Relu => each(x, Activation::Relu),
        Activation::ReluSquared => each(x, Activation::ReluSquared),
    }
}

#[inline(always)]
fn each(x: &mut [f32], kind: Activation) {
    for v in x {
        *v = activate_one(kind, *v);
    }
}

/// Gains, offsets and kind of a norm, ready to apply.
#[derive(Debug, Clone)]
pub struct NormWeights {
    /// Whether the mean is taken off.
    pub centred: bool,
    /// Added to the variance or mean square.
    pub eps: f32,
    /// Gain per feature, any constant offset already added.
    pub weight: Option<Vec<f32>>,
    /// Offset per feature.
    pub bias: Option<Vec<f32>>,
}

impl NormWeights {
    /// Normalises one row.
    #[inline(always)]
    pub fn apply(&self, x: &[f32], out: &mut [f32]) {
        let n = x.len() as f32;
        let mean = if self.centred {
            sum_of(
                x,
                #[inline(always)]
                |v| v,
            ) / n
        } else {
            0.0
        };
        let square = sum_of(
            x,
            #[inline(always)]
            |v| (v - mean) * (v - mean),
        ) / n;
        let inv = 1.0 / (square + self.eps).sqrt();
        match &self.weight {
            Some(w) => {
                for ((o, &v), &g) in out.iter_mut().zip(x).zip(w) {
                    *o = (v - mean) * inv * g;
                }
            }
            None => {
                for (o, &v) in out.iter_mut().zip(x) {
                    *o = (v - mean) * inv;
                }
            }
        }
        if let Some(b) = &self.bias {
            add(out, b);
        }
    }

    /// Normalises one row in place.
    #[inline(always)]
    pub fn apply_in_place(&self, x: &mut [f32], scratch: &mut Vec<f32>) {
        scratch.clear();
        scratch.extend_from_slice(x);
        self.apply(scratch, x);
    }
}

/// `x += y`.
#[inline(always)]
pub fn add(x: &mut [f32], y: &[f32]) {
    for (a, &b) in x.iter_mut().zip(y) {
        *a += b;
    }
}

/// `x *= y`.
#[inline(always)]
pub fn multiply(x: &mut [f32], y: &[f32]) {
    for (a, &b) in x.iter_mut().zip(y) {
        *a *= b;
    }
}

/// Turns scores into `exp(score - max)` in place and gives their sum. Scores before
/// `from` become 0. The order of the sum depends on the length alone.
#[inline(always)]
pub fn exp_and_sum(scores: &mut [f32], from: usize) -> f32 {
    let max = max_of(&scores[from..]);
    scores[..from].fill(0.0);
    for s in &mut scores[from..] {
        *s = exp(*s - max);
    }
    sum_of(
        scores,
        #[inline(always)]
        |v| v,
    )
}

/// Largest logit, its first index, and Σ exp(logit − largest) of a slice.
#[inline(always)]
#[must_use]
pub fn max_index_sum_exp(logits: &[f32]) -> (f32, usize, f32) {
    let max = max_of(logits);
    let sum = sum_of(
        logits,
        #[inline(always)]
        |v| exp(v - max),
    );
    (max, first_equal(logits, max), sum)
}

/// Index of the first number equal to `wanted`; 0 where there is none.
#[inline(always)]
fn first_equal(x: &[f32], wanted: f32) -> usize {
    let mut start = 0;
    for chunk in x.chunks(LANES) {
        let mut any = false;
        for &v in chunk {
            any |= v == wanted;
        }
        if any {
            for (i, &v) in chunk.iter().enumerate() {
                if v == wanted {
                    return start + i;
                }
            }
        }
        start += chunk.len();
    }
    0
}

/// `cap · tanh(x / cap)` in place.
#[inline(always)]
pub fn soft_cap(x: &mut [f32], cap: f32) {
    let inv = 1.0 / cap;
    for v in x {
        *v = cap * tanh(*v * inv);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_is_close_and_ends_at_zero() {
        for i in -8700..8700 {
            let x = i as f32 / 100.0;
            let want = f64::from(x).exp();
            let got = f64::from(exp(x));
            assert!(
                ((got - want) / want).abs() < 3e-7,
                "exp({x}) = {got}, {want}"
            );
        }
        assert_eq!(exp(-100.0), 0.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(0.0), 1.0);
    }

    #[test]
    fn activations_match_their_definitions() {
        // erf by its Taylor series in f64, good to |x| < 4.
        let erf64 = |x: f64| {
            let (mut term, mut sum, mut n) = (x, x, 0.0);
            while f64::abs(term) > 1e-17 {
                n += 1.0;
                term *= -x * x / n;
                sum += term / (2.0 * n + 1.0);
            }
            sum * std::f64::consts::FRAC_2_SQRT_PI
        };
        for i in -400..=400 {
            let x = f64::from(i) / 100.0;
            let mut y = [x as f32];
            activate(Activation::GeluErf, &mut y);
            let want = 0.5 * x * (1.0 + erf64(x * std::f64::consts::FRAC_1_SQRT_2));
            assert!((f64::from(y[0]) - want).abs() < 1.5e-6, "gelu({x})");
            let mut y = [x as f32];
            activate(Activation::GeluTanh, &mut y);
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
            assert!((f64::from(y[0]) - 0.5 * x * (1.0 + inner.tanh())).abs() < 1.5e-6);
            let mut y = [x as f32];
            activate(Activation::Silu, &mut y);
            assert!((f64::from(y[0]) - x / (1.0 + (-x).exp())).abs() < 1e-6);
        }
    }

    #[test]
    fn the_first_of_equal_logits_wins() {
        let (max, at, sum) = max_index_sum_exp(&[1.0, 3.0, 3.0, -1.0]);
        assert_eq!((max, at), (3.0, 1));
        let want = (-2.0f64).exp() + 2.0 + (-4.0f64).exp();
        assert!((f64::from(sum) - want).abs() < 1e-6);
    }

    #[test]
    fn scores_outside_the_window_get_no_weight() {
        let mut s = [5.0, 1.0, 2.0];
        let sum = exp_and_sum(&mut s, 1);
        assert_eq!(s[0], 0.0);
        assert!((sum - (1.0 + (-1.0f32).exp())).abs() < 1e-6);
    }
}
