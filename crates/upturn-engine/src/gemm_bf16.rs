//! Matrix products of bfloat16 numbers with sums in f32, where the CPU has the instruction.
//!
//! Activations and weights are rounded to bfloat16 (to nearest, ties to even); a pair of
//! products at a time is added to an f32 sum, pairs in order of the input features. One sum
//! belongs to one row and one output feature, so a row's bits do not depend on the others.

use std::ops::Range;

use faer::MatMut;
use rayon::prelude::*;

/// Output features of a panel: two registers.
const PANEL: usize = 32;
/// Pairs of input features summed before the next panel: 32 KiB of weights.
const PAIRS: usize = 256;

/// Whether this CPU multiplies bfloat16 numbers (AVX-512 BF16).
#[must_use]
pub fn available() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bf16")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// Rounds to bfloat16, as bits. A NaN stays one.
#[inline(always)]
fn round(x: f32) -> u32 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
    if x.is_nan() { 0x7fc0 } else { rounded }
}

/// Two numbers as one word, the first in the low half.
#[inline(always)]
fn pair(first: f32, second: f32) -> u32 {
    round(first) | (round(second) << 16)
}

/// A cache line of pairs.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([u32; 16]);

/// A weight (n_out, n_in) in panels of output features: for every pair of input features
/// the pairs of a panel's features side by side. The last panel is filled with zeros.
#[derive(Debug, Clone)]
pub struct Packed {
    lines: Vec<Line>,
    n_in: usize,
    n_out: usize,
}

impl Packed {
    /// Packs a weight given by `get(output feature, its row of n_in numbers)`.
    pub fn new(n_in: usize, n_out: usize, row: impl Fn(usize, &mut [f32]) + Sync) -> Self {
        let pairs = n_in.div_ceil(2);
        let mut lines = vec![Line([0; 16]); n_out.div_ceil(PANEL) * pairs * 2];
        lines
            .par_chunks_mut(pairs * 2)
            .enumerate()
            .for_each(|(panel, lines)| {
                let mut wide = vec![0.0; pairs * 2];
                for at in 0..PANEL.min(n_out - panel * PANEL) {
                    row(panel * PANEL + at, &mut wide[..n_in]);
                    for (p, two) in wide.chunks_exact(2).enumerate() {
                        lines[2 * p + at / 16].0[at % 16] = pair(two[0], two[1]);
                    }
                }
            });
        Packed { lines, n_in, n_out }
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        std::mem::size_of_val(self.lines.as_slice())
    }

    /// `y = x · Wᵀ` for output features `columns` on this thread: `x` is (m, n_in), `y`
    /// (m, columns) with rows in one piece. `columns` starts at a multiple of 32.
    ///
    /// # Panics
    /// Where the CPU lacks the instruction ([`available`]), or shapes do not fit.
    pub fn product(&self, x: &[f32], m: usize, columns: &Range<usize>, y: MatMut<'_, f32>) {
        assert!(
            available(),
            "bf16 products were asked of a CPU without them"
        );
        assert!(columns.start.is_multiple_of(PANEL) && columns.end <= self.n_out);
        assert_eq!((y.nrows(), y.ncols()), (m, columns.len()));
        assert!(x.len() >= m * self.n_in && (y.ncols() <= 1 || y.col_stride() == 1));
        if m == 0 || columns.is_empty() {
            return;
        }
        let pairs = self.n_in.div_ceil(2);
        let mut rows = Vec::with_capacity(m * pairs);
        for row in x.chunks_exact(self.n_in).take(m) {
            let (whole, odd) = row.as_chunks::<2>();
            rows.extend(whole.iter().map(|two| pair(two[0], two[1])));
            rows.extend(odd.first().map(|&x| pair(x, 0.0)));
        }
        #[cfg(target_arch = "x86_64")]
        kernel::product(self, &rows, columns, y);
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(
    unsafe_code,
    reason = "the instruction is reached through intrinsics on pointers alone"
)]
mod kernel {
    use std::arch::x86_64::{
        __m512, __m512bh, _mm512_dpbf16_ps, _mm512_loadu_ps, _mm512_mask_storeu_ps,
        _mm512_maskz_loadu_ps, _mm512_set1_epi32, _mm512_setzero_ps, _mm512_storeu_ps,
    };
    use std::ops::Range;

    use faer::MatMut;

    use super::{Line, PAIRS, PANEL, Packed};

    /// Rows of a step with its sums in registers: twice as many registers.
    const ROWS: usize = 12;

    /// Where a block of rows of the result starts, how far apart its rows are, and how many
    /// of the panel's columns it has.
    #[derive(Clone, Copy)]
    struct Place {
        at: *mut f32,
        stride: isize,
        n: usize,
    }

    /// All of `y`; the caller has checked shapes and CPU.
    pub fn product(w: &Packed, rows: &[u32], columns: &Range<usize>, y: MatMut<'_, f32>) {
        let m = y.nrows();
        let pairs = w.n_in.div_ceil(2);
        assert!(
            rows.len() == m * pairs && w.lines.len() >= columns.end.div_ceil(PANEL) * pairs * 2
        );
        let (base, stride) = (y.as_ptr_mut(), y.row_stride());
        for first in (0..pairs).step_by(PAIRS) {
            let count = PAIRS.min(pairs - first);
            for start in columns.clone().step_by(PANEL) {
                let lines = &w.lines[(start / PANEL * pairs + first) * 2..][..count * 2];
                let n = PANEL.min(columns.end - start);
                let mut row = 0;
                while row < m {
                    let x = &rows[row * pairs + first..];
                    let block = (m - row).min(ROWS);
                    // SAFETY: rows `row..row + block` and columns `start..start + n` lie in `y`
                    // (its rows have no gaps, checked by the caller), which is borrowed alone.
                    let to = Place {
                        at: unsafe {
                            base.offset(row as isize * stride + (start - columns.start) as isize)
                        },
                        stride,
                        n,
                    };
                    // SAFETY: the caller has seen that the CPU has the instructions; `x` holds
                    // `block` rows `pairs` apart, each with `count` pairs from its start.
                    unsafe {
                        match block {
                            12 => tile::<12>(lines, x, pairs, to, first == 0),
                            11 => tile::<11>(lines, x, pairs, to, first == 0),
                            10 => tile::<10>(lines, x, pairs, to, first == 0),
                            9 => tile::<9>(lines, x, pairs, to, first == 0),
                            8 => tile::<8>(lines, x, pairs, to, first == 0),
                            7 => tile::<7>(lines, x, pairs, to, first == 0),
                            6 => tile::<6>(lines, x, pairs, to, first == 0),
                            5 => tile::<5>(lines, x, pairs, to, first == 0),
                            4 => tile::<4>(lines, x, pairs, to, first == 0),
                            3 => tile::<3>(lines, x, pairs, to, first == 0),
                            2 => tile::<2>(lines, x, pairs, to, first == 0),
                            _ => tile::<1>(lines, x, pairs, to, first == 0),
                        }
                    }
                    row += block;
                }
            }
        }
    }

    /// R rows by one panel over the pairs of `lines`, on top of what `to` holds unless `fresh`.
    ///
    /// # Safety
    /// AVX-512 F and BF16; `x` has `(R - 1) · pairs + lines.len() / 2` words; `to` has R rows.
    #[target_feature(enable = "avx512f,avx512bf16")]
    unsafe fn tile<const R: usize>(
        lines: &[Line],
        x: &[u32],
        pairs: usize,
        to: Place,
        fresh: bool,
    ) {
        assert!(x.len() >= (R - 1) * pairs + lines.len() / 2);
        let masks = [
            ((1u64 << to.n.min(16)) - 1) as u16,
            ((1u64 << to.n.saturating_sub(16)) - 1) as u16,
        ];
        let mut sums = [[_mm512_setzero_ps(); 2]; R];
        if !fresh {
            for (i, sums) in sums.iter_mut().enumerate() {
                // SAFETY: row i of `to`; the masks leave out columns that it lacks.
                let at = unsafe { to.at.offset(i as isize * to.stride) };
                *sums = unsafe { read(at, to.n, masks) };
            }
        }
        let x = x.as_ptr();
        for (p, two) in lines.chunks_exact(2).enumerate() {
            let (a, b) = (bf16(&two[0]), bf16(&two[1]));
            for (i, sums) in sums.iter_mut().enumerate() {
                // SAFETY: within the length asserted above; any bits are numbers.
                let both: __m512bh =
                    unsafe { std::mem::transmute(_mm512_set1_epi32(*x.add(i * pairs + p) as i32)) };
                sums[0] = _mm512_dpbf16_ps(sums[0], a, both);
                sums[1] = _mm512_dpbf16_ps(sums[1], b, both);
            }
        }
        for (i, sums) in sums.iter().enumerate() {
            // SAFETY: as when reading.
            unsafe { write(to.at.offset(i as isize * to.stride), to.n, masks, sums) };
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bf16")]
    fn bf16(line: &Line) -> __m512bh {
        // SAFETY: a `Line` is 64 bytes on a boundary of 64, and any bits are numbers.
        unsafe { std::mem::transmute::<Line, __m512bh>(*line) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bf16")]
    unsafe fn read(at: *const f32, n: usize, masks: [u16; 2]) -> [__m512; 2] {
        // SAFETY: the caller's row has `n` numbers from `at`; masked lanes are not touched.
        unsafe {
            if n == PANEL {
                [_mm512_loadu_ps(at), _mm512_loadu_ps(at.add(16))]
            } else {
                [
                    _mm512_maskz_loadu_ps(masks[0], at),
                    _mm512_maskz_loadu_ps(masks[1], at.wrapping_add(16)),
                ]
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bf16")]
    unsafe fn write(at: *mut f32, n: usize, masks: [u16; 2], sums: &[__m512; 2]) {
        // SAFETY: as for `read`.
        unsafe {
            if n == PANEL {
                _mm512_storeu_ps(at, sums[0]);
                _mm512_storeu_ps(at.add(16), sums[1]);
            } else {
                _mm512_mask_storeu_ps(at, masks[0], sums[0]);
                _mm512_mask_storeu_ps(at.wrapping_add(16), masks[1], sums[1]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use faer::MatMut;

    use super::*;

    fn numbers(n: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        (0..n)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect()
    }

    fn times(w: &Packed, x: &[f32], m: usize, columns: Range<usize>) -> Vec<f32> {
        let mut y = vec![f32::NAN; m * columns.len()];
        let view = MatMut::from_row_major_slice_mut(&mut y, m, columns.len());
        w.product(x, m, &columns, view.as_dyn_stride_mut());
        y
    }

    #[test]
    fn rounding_is_that_of_the_half_crate() {
        for x in [
            0.0,
            -0.0,
            1.0,
            1.003_906_3,
            1.011_718_8,
            f32::MAX,
            f32::INFINITY,
            1e-40,
            -3.3,
        ] {
            assert_eq!(
                round(x),
                u32::from(half::bf16::from_f32(x).to_bits()),
                "{x}"
            );
        }
        for x in numbers(10_000, 9) {
            assert_eq!(
                round(x),
                u32::from(half::bf16::from_f32(x).to_bits()),
                "{x}"
            );
        }
        assert!(half::bf16::from_bits(round(f32::NAN) as u16).is_nan());
    }

    #[test]
    fn a_product_is_that_of_the_rounded_numbers() {
        if !available() {
            return;
        }
        for (m, k, n) in [
            (1, 1, 1),
            (3, 7, 5),
            (13, 64, 33),
            (25, 515, 70),
            (12, 1030, 32),
        ] {
            let (x, w) = (numbers(m * k, 1), numbers(n * k, 2));
            let packed = Packed::new(k, n, |at, row| {
                row.copy_from_slice(&w[at * k..(at + 1) * k])
            });
            let y = times(&packed, &x, m, 0..n);
            let wide = |x: f32| f64::from(half::bf16::from_f32(x).to_f32());
            for i in 0..m {
                for j in 0..n {
                    let terms = (0..k).map(|f| wide(x[i * k + f]) * wide(w[j * k + f]));
                    let (sum, size) =
                        terms.fold((0.0, 0.0), |(s, a): (f64, f64), t| (s + t, a + t.abs()));
                    let error = (f64::from(y[i * n + j]) - sum).abs();
                    assert!(error <= 1e-6 * size + 1e-12, "{m} {k} {n}: {error}");
                }
            }
        }
    }

    #[test]
    fn bits_depend_neither_on_other_rows_nor_on_other_columns() {
        if !available() {
            return;
        }
        let (m, k, n) = (29, 600, 96);
        let (x, w) = (numbers(m * k, 3), numbers(n * k, 4));
        let packed = Packed::new(k, n, |at, row| {
            row.copy_from_slice(&w[at * k..(at + 1) * k])
        });
        let all = times(&packed, &x, m, 0..n);
        for i in 0..m {
            let alone = times(&packed, &x[i * k..], 1, 0..n);
            assert_eq!(alone, all[i * n..(i + 1) * n]);
        }
        let right = times(&packed, &x, m, 64..n);
        for i in 0..m {
            assert_eq!(right[i * 32..(i + 1) * 32], all[i * n + 64..(i + 1) * n]);
        }
    }
}
