//! Sixteen f32 side by side, on whatever vector instructions the machine has.
//!
//! A kernel is an [`Op`]: a struct of slices whose `run` is written once over [`Lanes`];
//! [`run`] compiles it for AVX-512, for AVX2 with FMA, and for plain code, and picks. All that
//! an `Op` calls is `#[inline(always)]`, or it would be compiled without vector instructions.

/// Numbers side by side.
pub(crate) const LANES: usize = 16;

/// A function of lanes, with its arguments.
pub(crate) trait Op {
    /// What it returns.
    type Out;
    /// Runs it.
    fn run<L: Lanes>(self, l: L) -> Self::Out;
}

/// Vector arithmetic on sixteen f32. Every method works lane by lane.
pub(crate) trait Lanes: Copy {
    /// Sixteen numbers.
    type V: Copy;
    /// Whether there are registers for tiles of 8 × 2 vectors.
    const MANY_REGISTERS: bool;
    fn splat(self, x: f32) -> Self::V;
    fn load(self, from: &[f32; LANES]) -> Self::V;
    fn store(self, v: Self::V, to: &mut [f32; LANES]);
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a · b + c`, rounded once where the machine can.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `c − a · b`, rounded once where the machine can.
    fn fnma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    fn sqrt(self, a: Self::V) -> Self::V;
    fn abs(self, a: Self::V) -> Self::V;
    /// `yes` where `a < b`, else `no`.
    fn less(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V;
    /// 2ⁿ for `t` = n + 1.5 · 2²³, n from -126 to 127.
    fn pow2(self, t: Self::V) -> Self::V;
    /// Sixteen rows of sixteen become sixteen columns.
    fn transpose(self, rows: [Self::V; LANES]) -> [Self::V; LANES];

    /// eˣ to about 2 units in the last place; 0 or less than the smallest normal number below
    /// -87.3, at least that of 88 above. NaN stays NaN.
    #[inline(always)]
    fn exp(self, x: Self::V) -> Self::V {
        let least = self.splat(-87.3);
        // In this order NaN stays NaN.
        let clamped = self.max(least, self.min(self.splat(88.0), x));
        let (t, r) = reduced(self, clamped);
        let p = polynomial(self, r);
        let y = self.mul(p, self.pow2(t));
        self.less(x, least, self.splat(0.0), y)
    }
}

/// 1.5 · 2²³: adding it rounds to an integer.
const MAGIC: f32 = 12_582_912.0;

/// x = n · ln 2 + r with |r| ≤ ln 2 / 2: n + [`MAGIC`], and r.
#[inline(always)]
fn reduced<L: Lanes>(l: L, x: L::V) -> (L::V, L::V) {
    let magic = l.splat(MAGIC);
    let t = l.fma(x, l.splat(std::f32::consts::LOG2_E), magic);
    let n = l.sub(t, magic);
    let r = l.fnma(n, l.splat(0.693_359_4), x);
    (t, l.fma(n, l.splat(2.121_944_4e-4), r))
}

/// Taylor's polynomial of eʳ, of degree 6.
#[inline(always)]
fn polynomial<L: Lanes>(l: L, r: L::V) -> L::V {
    let mut p = l.splat(1.388_888_9e-3);
    for c in [8.333_334e-3, 4.166_666_6e-2, 0.166_666_67, 0.5, 1.0, 1.0] {
        p = l.fma(p, r, l.splat(c));
    }
    p
}

/// Runs an operation with the widest instructions of this machine.
#[inline]
pub(crate) fn run<O: Op>(op: O) -> O::Out {
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(simd) = pulp::x86::V4::try_new() {
            return simd.vectorize(x86::Wide(op, simd));
        }
        if let Some(simd) = pulp::x86::V3::try_new() {
            return simd.vectorize(x86::Half(op, simd));
        }
    }
    op.run(Plain)
}

/// No vector instructions asked for; the compiler may find some.
#[derive(Clone, Copy)]
pub(crate) struct Plain;

impl Plain {
    #[inline(always)]
    fn each(f: impl Fn(usize) -> f32) -> [f32; LANES] {
        let mut out = [0.0; LANES];
        for (i, o) in out.iter_mut().enumerate() {
            *o = f(i);
        }
        out
    }
}

impl Lanes for Plain {
    type V = [f32; LANES];
    const MANY_REGISTERS: bool = false;
    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        [x; LANES]
    }
    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Self::V {
        *from
    }
    #[inline(always)]
    fn store(self, v: Self::V, to: &mut [f32; LANES]) {
        *to = v;
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        Self::each(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        Self::each(|i| a[i] - b[i])
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        Self::each(|i| a[i] * b[i])
    }
    #[inline(always)]
    fn div(self, a: Self::V, b: Self::V) -> Self::V {
        Self::each(|i| a[i] / b[i])
    }
    #[inline(always)]
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // Without the instruction, `mul_add` is a slow call into a library.
        if cfg!(target_arch = "aarch64") {
            Self::each(|i| a[i].mul_add(b[i], c[i]))
        } else {
            Self::each(|i| a[i] * b[i] + c[i])
        }
    }
    #[inline(always)]
    fn fnma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        self.fma(Self::each(|i| -a[i]), b, c)
    }
    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        Self::each(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn min(self, a: Self::V, b: Self::V) -> Self::V {
        Self::each(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn sqrt(self, a: Self::V) -> Self::V {
        Self::each(|i| a[i].sqrt())
    }
    #[inline(always)]
    fn abs(self, a: Self::V) -> Self::V {
        Self::each(|i| a[i].abs())
    }
    #[inline(always)]
    fn less(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V {
        Self::each(|i| if a[i] < b[i] { yes[i] } else { no[i] })
    }
    #[inline(always)]
    fn pow2(self, t: Self::V) -> Self::V {
        // The low bits of `t` are n on top of a multiple of 512.
        Self::each(|i| f32::from_bits(t[i].to_bits().wrapping_add(127) << 23))
    }
    #[inline(always)]
    fn transpose(self, rows: [Self::V; LANES]) -> [Self::V; LANES] {
        let mut out = [[0.0; LANES]; LANES];
        for (i, row) in rows.iter().enumerate() {
            for (j, &x) in row.iter().enumerate() {
                out[j][i] = x;
            }
        }
        out
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{__m256, __m512};

    use pulp::NullaryFnOnce;
    use pulp::x86::{V3, V4};

    use super::{LANES, Lanes, MAGIC, Op, polynomial, reduced};

    pub(super) struct Wide<O>(pub(super) O, pub(super) V4);

    impl<O: Op> NullaryFnOnce for Wide<O> {
        type Output = O::Out;
        #[inline(always)]
        fn call(self) -> O::Out {
            self.0.run(self.1)
        }
    }

    pub(super) struct Half<O>(pub(super) O, pub(super) V3);

    impl<O: Op> NullaryFnOnce for Half<O> {
        type Output = O::Out;
        #[inline(always)]
        fn call(self) -> O::Out {
            self.0.run(self.1)
        }
    }

    impl Lanes for V4 {
        type V = __m512;
        const MANY_REGISTERS: bool = true;
        #[inline(always)]
        fn splat(self, x: f32) -> __m512 {
            self.avx512f._mm512_set1_ps(x)
        }
        #[inline(always)]
        fn load(self, from: &[f32; LANES]) -> __m512 {
            bytemuck::cast(*from)
        }
        #[inline(always)]
        fn store(self, v: __m512, to: &mut [f32; LANES]) {
            *to = bytemuck::cast(v);
        }
        #[inline(always)]
        fn add(self, a: __m512, b: __m512) -> __m512 {
            self.avx512f._mm512_add_ps(a, b)
        }
        #[inline(always)]
        fn sub(self, a: __m512, b: __m512) -> __m512 {
            self.avx512f._mm512_sub_ps(a, b)
        }
        #[inline(always)]
        fn mul(self, a: __m512, b: __m512) -> __m512 {
            self.avx512f._mm512_mul_ps(a, b)
        }
        #[inline(always)]
        fn div(self, a: __m512, b: __m512) -> __m512 {
            self.avx512f._mm512_div_ps(a, b)
        }
        #[inline(always)]
        fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
            self.avx512f._mm512_fmadd_ps(a, b, c)
        }
        #[inline(always)]
        fn fnma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
            self.avx512f._mm512_fnmadd_ps(a, b, c)
        }
        #[inline(always)]
        fn max(self, a: __m512, b: __m512) -> __m512 {
            self.avx512f._mm512_max_ps(a, b)
        }
        #[inline(always)]
        fn min(self, a: __m512, b: __m512) -> __m512 {
            self.avx512f._mm512_min_ps(a, b)
        }
        #[inline(always)]
        fn sqrt(self, a: __m512) -> __m512 {
            self.avx512f._mm512_sqrt_ps(a)
        }
        #[inline(always)]
        fn abs(self, a: __m512) -> __m512 {
            self.avx512f._mm512_abs_ps(a)
        }
        #[inline(always)]
        fn less(self, a: __m512, b: __m512, yes: __m512, no: __m512) -> __m512 {
            let mask = self.avx512f._mm512_cmplt_ps_mask(a, b);
            self.avx512f._mm512_mask_blend_ps(mask, no, yes)
        }
        #[inline(always)]
        fn pow2(self, t: __m512) -> __m512 {
            let f = self.avx512f;
            let bits = f._mm512_add_epi32(f._mm512_castps_si512(t), f._mm512_set1_epi32(127));
            f._mm512_castsi512_ps(f._mm512_slli_epi32::<23>(bits))
        }
        #[inline(always)]
        fn exp(self, x: __m512) -> __m512 {
            // As everywhere else, but a power of two that underflows does so by itself.
            let x = self.max(self.splat(-110.0), x);
            let (t, r) = reduced(self, x);
            let n = self.sub(t, self.splat(MAGIC));
            self.avx512f._mm512_scalef_ps(polynomial(self, r), n)
        }
        #[inline(always)]
        fn transpose(self, r: [__m512; LANES]) -> [__m512; LANES] {
            let f = self.avx512f;
            let mut a = r;
            // Pairs of rows, then fours, within quarters of a register.
            for i in 0..8 {
                a[2 * i] = f._mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
                a[2 * i + 1] = f._mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
            }
            let mut b = a;
            for i in 0..4 {
                for (half, j) in [(0, 4 * i), (2, 4 * i + 1)] {
                    let x = f._mm512_castps_pd(a[j]);
                    let y = f._mm512_castps_pd(a[j + 2]);
                    b[4 * i + half] = f._mm512_castpd_ps(f._mm512_unpacklo_pd(x, y));
                    b[4 * i + half + 1] = f._mm512_castpd_ps(f._mm512_unpackhi_pd(x, y));
                }
            }
            // Quarters of registers: rows 0–3 with 4–7, then 0–7 with 8–15.
            let mut c = b;
            for i in 0..4 {
                for half in [0, 8] {
                    let (x, y) = (b[half + i], b[half + 4 + i]);
                    c[half + i] = f._mm512_shuffle_f32x4::<0x88>(x, y);
                    c[half + 4 + i] = f._mm512_shuffle_f32x4::<0xdd>(x, y);
                }
            }
            let mut d = c;
            for i in 0..8 {
                let (x, y) = (c[i], c[8 + i]);
                d[i] = f._mm512_shuffle_f32x4::<0x88>(x, y);
                d[8 + i] = f._mm512_shuffle_f32x4::<0xdd>(x, y);
            }
            d
        }
    }

    impl Lanes for V3 {
        type V = [__m256; 2];
        const MANY_REGISTERS: bool = false;
        #[inline(always)]
        fn splat(self, x: f32) -> Self::V {
            [self.avx._mm256_set1_ps(x); 2]
        }
        #[inline(always)]
        fn load(self, from: &[f32; LANES]) -> Self::V {
            bytemuck::cast(*from)
        }
        #[inline(always)]
        fn store(self, v: Self::V, to: &mut [f32; LANES]) {
            *to = bytemuck::cast(v);
        }
        #[inline(always)]
        fn add(self, a: Self::V, b: Self::V) -> Self::V {
            [
                self.avx._mm256_add_ps(a[0], b[0]),
                self.avx._mm256_add_ps(a[1], b[1]),
            ]
        }
        #[inline(always)]
        fn sub(self, a: Self::V, b: Self::V) -> Self::V {
            [
                self.avx._mm256_sub_ps(a[0], b[0]),
                self.avx._mm256_sub_ps(a[1], b[1]),
            ]
        }
        #[inline(always)]
        fn mul(self, a: Self::V, b: Self::V) -> Self::V {
            [
                self.avx._mm256_mul_ps(a[0], b[0]),
                self.avx._mm256_mul_ps(a[1], b[1]),
            ]
        }
        #[inline(always)]
        fn div(self, a: Self::V, b: Self::V) -> Self::V {
            [
                self.avx._mm256_div_ps(a[0], b[0]),
                self.avx._mm256_div_ps(a[1], b[1]),
            ]
        }
        #[inline(always)]
        fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
            [
                self.fma._mm256_fmadd_ps(a[0], b[0], c[0]),
                self.fma._mm256_fmadd_ps(a[1], b[1], c[1]),
            ]
        }
        #[inline(always)]
        fn fnma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
            [
                self.fma._mm256_fnmadd_ps(a[0], b[0], c[0]),
                self.fma._mm256_fnmadd_ps(a[1], b[1], c[1]),
            ]
        }
        #[inline(always)]
        fn max(self, a: Self::V, b: Self::V) -> Self::V {
            [
                self.avx._mm256_max_ps(a[0], b[0]),
                self.avx._mm256_max_ps(a[1], b[1]),
            ]
        }
        #[inline(always)]
        fn min(self, a: Self::V, b: Self::V) -> Self::V {
            [
                self.avx._mm256_min_ps(a[0], b[0]),
                self.avx._mm256_min_ps(a[1], b[1]),
            ]
        }
        #[inline(always)]
        fn sqrt(self, a: Self::V) -> Self::V {
            [self.avx._mm256_sqrt_ps(a[0]), self.avx._mm256_sqrt_ps(a[1])]
        }
        #[inline(always)]
        fn abs(self, a: Self::V) -> Self::V {
            let sign = self.avx._mm256_set1_ps(-0.0);
            [
                self.avx._mm256_andnot_ps(sign, a[0]),
                self.avx._mm256_andnot_ps(sign, a[1]),
            ]
        }
        #[inline(always)]
        fn less(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V {
            const LESS: i32 = std::arch::x86_64::_CMP_LT_OS;
            let low = self.avx._mm256_cmp_ps::<LESS>(a[0], b[0]);
            let high = self.avx._mm256_cmp_ps::<LESS>(a[1], b[1]);
            [
                self.avx._mm256_blendv_ps(no[0], yes[0], low),
                self.avx._mm256_blendv_ps(no[1], yes[1], high),
            ]
        }
        #[inline(always)]
        fn pow2(self, t: Self::V) -> Self::V {
            let bias = self.avx._mm256_set1_epi32(127);
            let mut out = t;
            for x in &mut out {
                let bits = self
                    .avx2
                    ._mm256_add_epi32(self.avx._mm256_castps_si256(*x), bias);
                let bits = self.avx2._mm256_slli_epi32::<23>(bits);
                *x = self.avx._mm256_castsi256_ps(bits);
            }
            out
        }
        #[inline(always)]
        fn transpose(self, r: [Self::V; LANES]) -> [Self::V; LANES] {
            let mut out = r;
            // Four blocks of 8 × 8: block (i, j) goes to (j, i).
            for i in 0..2 {
                for j in 0..2 {
                    let mut block = [r[0][0]; 8];
                    for (k, b) in block.iter_mut().enumerate() {
                        *b = r[8 * i + k][j];
                    }
                    let block = self.transpose8(block);
                    for (k, b) in block.iter().enumerate() {
                        out[8 * j + k][i] = *b;
                    }
                }
            }
            out
        }
    }

    trait Transpose8 {
        fn transpose8(self, r: [__m256; 8]) -> [__m256; 8];
    }

    impl Transpose8 for V3 {
        #[inline(always)]
        fn transpose8(self, r: [__m256; 8]) -> [__m256; 8] {
            let f = self.avx;
            let mut a = r;
            for i in 0..4 {
                a[2 * i] = f._mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
                a[2 * i + 1] = f._mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
            }
            let mut b = a;
            for i in 0..2 {
                for (half, j) in [(0, 4 * i), (2, 4 * i + 1)] {
                    b[4 * i + half] = f._mm256_shuffle_ps::<0x44>(a[j], a[j + 2]);
                    b[4 * i + half + 1] = f._mm256_shuffle_ps::<0xee>(a[j], a[j + 2]);
                }
            }
            let mut c = b;
            for i in 0..4 {
                c[i] = f._mm256_permute2f128_ps::<0x20>(b[i], b[4 + i]);
                c[4 + i] = f._mm256_permute2f128_ps::<0x31>(b[i], b[4 + i]);
            }
            c
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every method on made-up numbers, as one long vector.
    struct All;

    impl Op for All {
        type Out = Vec<f32>;
        #[inline(always)]
        fn run<L: Lanes>(self, l: L) -> Vec<f32> {
            let number = |i: usize| ((i * 37 % 101) as f32 - 50.0) / 7.0;
            let rows: [L::V; LANES] = std::array::from_fn(
                #[inline(always)]
                |r| l.load(&std::array::from_fn(|i| number(r * LANES + i))),
            );
            let (a, b, c) = (rows[0], rows[1], rows[2]);
            let results = [
                l.add(a, b),
                l.sub(a, b),
                l.mul(a, b),
                l.div(a, b),
                l.fma(a, b, c),
                l.fnma(a, b, c),
                l.max(a, b),
                l.min(a, b),
                l.sqrt(l.abs(a)),
                l.less(a, b, c, a),
                l.exp(l.mul(a, l.splat(10.0))),
            ];
            let mut out = Vec::new();
            for v in results.into_iter().chain(l.transpose(rows)) {
                let mut x = [0.0; LANES];
                l.store(v, &mut x);
                out.extend_from_slice(&x);
            }
            out
        }
    }

    #[test]
    fn all_levels_agree_with_plain_code() {
        let want = All.run(Plain);
        let mut levels = vec![run(All)];
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = pulp::x86::V3::try_new() {
            levels.push(simd.vectorize(x86::Half(All, simd)));
        }
        for got in levels {
            assert_eq!(got.len(), want.len());
            for (i, (g, w)) in got.iter().zip(&want).enumerate() {
                // Plain code rounds a product before it is added to.
                let fused = i / LANES == 4 || i / LANES == 5;
                let slack = if fused { 6e-6 } else { 0.0 };
                assert!(
                    (g - w).abs() <= 3e-7 * w.abs() + slack,
                    "number {i}: {g}, {w}"
                );
            }
        }
    }

    #[test]
    fn exponential_is_close_and_ends_at_zero() {
        struct Exp([f32; LANES]);
        impl Op for Exp {
            type Out = [f32; LANES];
            #[inline(always)]
            fn run<L: Lanes>(self, l: L) -> [f32; LANES] {
                let mut out = [0.0; LANES];
                l.store(l.exp(l.load(&self.0)), &mut out);
                out
            }
        }
        for i in -8700..8700 {
            let x = i as f32 / 100.0;
            let want = f64::from(x).exp();
            let got = f64::from(run(Exp([x; LANES]))[3]);
            assert!(((got - want) / want).abs() < 3e-7, "exp({x}) = {got}");
        }
        assert_eq!(run(Exp([f32::NEG_INFINITY; LANES])), [0.0; LANES]);
        assert_eq!(run(Exp([0.0; LANES])), [1.0; LANES]);
    }
}
