//! Matrix products: rows of activations times a weight matrix, with bits that do not depend on company.
//!
//! Measured with faer 0.24: a row's result is the same whatever the number of rows,
//! columns and threads, but for three shapes that take another path: one row and tiny
//! products are padded with rows of zeros, and a column is never split off alone.
//! Weights in half precision are widened block by block, unless products are asked for in
//! bfloat16 ([`crate::gemm_bf16`]).

use std::ops::Range;
use std::sync::Arc;

use faer::linalg::matmul::matmul;
use faer::reborrow::ReborrowMut as _;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use crate::checkpoint::{Checkpoint, Dtype};
use crate::error::ModelError;
use crate::gemm_bf16::Packed;
use crate::kernels::{add, simd};
use crate::plan::{self, Layout};

/// Output features widened at a time for half-precision weights.
const WIDEN_COLUMNS: usize = 256;
/// Rows per thread from which threads share out rows instead of output features. With fewer
/// it is dear that every thread packs (or widens) the whole weight.
const ROWS_WANTED: usize = 256;
/// Products of at most this many multiplications take another path in faer.
const TINY: usize = 16 * 16 * 16;
/// Output features are shared out in multiples of this (two registers of a kernel in faer).
const COLUMNS: usize = 32;

/// Numbers of one tensor, in its own type, where they lie.
#[derive(Debug, Clone, Copy)]
pub enum Numbers<'a> {
    /// f32.
    F32(&'a [f32]),
    /// bfloat16, as bits.
    Bf16(&'a [u16]),
    /// IEEE half precision, as bits.
    F16(&'a [u16]),
}

/// Where a weight's numbers are kept.
#[derive(Debug, Clone)]
enum Store {
    /// In a memory-mapped checkpoint, by tensor name.
    Mapped(Arc<Checkpoint>, String),
    /// In memory (misaligned in its file).
    Owned(Arc<[f32]>),
    /// In memory, rounded to bfloat16: this weight's output features alone.
    Packed(Arc<Packed>),
}

/// Numbers that products are made of; sums are f32, and so is all else.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Compute {
    /// f32, whatever the weights are stored as.
    #[default]
    F32,
    /// Activations and weights rounded to bfloat16, where the CPU multiplies them
    /// ([`crate::gemm_bf16::available`]).
    Bf16,
}

impl Compute {
    /// The name in results: `f32`, `bf16`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Compute::F32 => "f32",
            Compute::Bf16 => "bf16",
        }
    }
}

/// A weight matrix of a linear layer, with its bias.
#[derive(Debug, Clone)]
pub struct Weight {
    store: Store,
    n_in: usize,
    n_out: usize,
    layout: Layout,
    first_out: usize,
    tensor_out: usize,
    bias: Option<Vec<f32>>,
}

/// All numbers of a tensor as f32.
///
/// # Errors
/// When the tensor is missing or of a type that is not supported.
pub fn tensor_f32(checkpoint: &Checkpoint, name: &str) -> Result<Vec<f32>, ModelError> {
    let view = checkpoint.tensor(name)?;
    Ok(match view.dtype {
        Dtype::F32 => view
            .bytes
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect(),
        Dtype::Bf16 => view
            .bytes
            .chunks_exact(2)
            .map(|b| half::bf16::from_le_bytes([b[0], b[1]]).to_f32())
            .collect(),
        Dtype::F16 => view
            .bytes
            .chunks_exact(2)
            .map(|b| half::f16::from_le_bytes([b[0], b[1]]).to_f32())
            .collect(),
    })
}

/// Bytes as numbers of a plain type, where they are aligned for it.
fn cast<T: bytemuck::Pod>(bytes: &[u8]) -> Option<&[T]> {
    bytemuck::try_cast_slice(bytes).ok()
}

impl Weight {
    /// Binds a linear layer of a plan to its checkpoint.
    ///
    /// # Errors
    /// When a tensor is missing.
    pub fn bind(checkpoint: &Arc<Checkpoint>, linear: &plan::Linear) -> Result<Self, ModelError> {
        let view = checkpoint.tensor(&linear.weight)?;
        let aligned = match view.dtype {
            Dtype::F32 => cast::<f32>(view.bytes).is_some(),
            Dtype::Bf16 | Dtype::F16 => cast::<u16>(view.bytes).is_some(),
        };
        let store = if aligned && cfg!(target_endian = "little") {
            Store::Mapped(Arc::clone(checkpoint), linear.weight.clone())
        } else {
            Store::Owned(tensor_f32(checkpoint, &linear.weight)?.into())
        };
        let bias = match &linear.bias {
            Some(name) => {
                let all = tensor_f32(checkpoint, name)?;
                let slice = all
                    .get(linear.first_out..linear.first_out + linear.n_out)
                    .ok_or_else(|| {
                        ModelError::tensor(
                            name,
                            format!("has {} numbers, expected {}", all.len(), linear.tensor_out),
                        )
                    })?;
                Some(slice.to_vec())
            }
            None => None,
        };
        Ok(Weight {
            store,
            n_in: linear.n_in,
            n_out: linear.n_out,
            layout: linear.layout,
            first_out: linear.first_out,
            tensor_out: linear.tensor_out,
            bias,
        })
    }

    /// Output features.
    #[must_use]
    pub fn n_out(&self) -> usize {
        self.n_out
    }

    /// Input features.
    #[must_use]
    pub fn n_in(&self) -> usize {
        self.n_in
    }

    /// Offset per output feature.
    #[must_use]
    pub fn bias(&self) -> Option<&[f32]> {
        self.bias.as_deref()
    }

    /// The same weight for products in `compute`.
    #[must_use]
    pub fn in_compute(mut self, compute: Compute) -> Self {
        if compute == Compute::Bf16 {
            let numbers = self.numbers();
            let packed = Packed::new(self.n_in, self.n_out, |at, row| {
                self.widen(numbers, self.first_out + at, 1, row);
            });
            self.store = Store::Packed(Arc::new(packed));
        }
        self
    }

    /// The numbers of the whole tensor.
    fn numbers(&self) -> Numbers<'_> {
        match &self.store {
            Store::Owned(v) => Numbers::F32(v),
            Store::Packed(_) => unreachable!("a packed weight is only multiplied with"),
            Store::Mapped(checkpoint, name) => {
                let view = checkpoint
                    .tensor(name)
                    .expect("a bound tensor stays in its checkpoint");
                match view.dtype {
                    Dtype::F32 => {
                        Numbers::F32(cast(view.bytes).expect("alignment was checked when bound"))
                    }
                    Dtype::Bf16 => {
                        Numbers::Bf16(cast(view.bytes).expect("alignment was checked when bound"))
                    }
                    Dtype::F16 => {
                        Numbers::F16(cast(view.bytes).expect("alignment was checked when bound"))
                    }
                }
            }
        }
    }

    /// Copies one row of an (n_rows, n) table, widened: an embedding.
    pub fn row(&self, index: usize, out: &mut [f32]) {
        let n = out.len();
        let range = index * n..(index + 1) * n;
        match self.numbers() {
            Numbers::F32(w) => out.copy_from_slice(&w[range]),
            Numbers::Bf16(w) => widen_bf16(&w[range], out),
            Numbers::F16(w) => widen_f16(&w[range], out),
        }
    }

    /// `y = x · Wᵀ` for output features `columns`, without bias, on this thread.
    ///
    /// `x` is (m, n_in); `y` is m rows `stride` apart, `columns.len()` long each.
    pub fn product(
        &self,
        x: &[f32],
        m: usize,
        columns: Range<usize>,
        y: &mut [f32],
        stride: usize,
    ) {
        let n = columns.len();
        self.write(x, m, columns, rows_mut(y, m, n, stride));
    }

    fn write(&self, x: &[f32], m: usize, columns: Range<usize>, mut y: MatMut<'_, f32>) {
        let (k, n) = (self.n_in, columns.len());
        let first = self.first_out + columns.start;
        if let Store::Packed(w) = &self.store {
            return w.product(x, m, &columns, y);
        }
        match self.numbers() {
            Numbers::F32(w) => times(x, m, self.matrix(w, first, n), y),
            half => {
                let mut wide = vec![0.0f32; (WIDEN_COLUMNS + 1).min(n) * k];
                for share in shares(n, WIDEN_COLUMNS) {
                    let wide = &mut wide[..share.len() * k];
                    self.widen(half, first + share.start, share.len(), wide);
                    let w = MatRef::from_row_major_slice(wide, share.len(), k).transpose();
                    times(x, m, w, y.rb_mut().subcols_mut(share.start, share.len()));
                }
            }
        }
    }

    /// As [`Weight::write`], with the bias.
    fn write_biased(&self, x: &[f32], m: usize, columns: Range<usize>, mut y: MatMut<'_, f32>) {
        self.write(x, m, columns.clone(), y.rb_mut());
        if let Some(bias) = self.bias() {
            let bias = &bias[columns];
            simd(
                #[inline(always)]
                || {
                    for i in 0..m {
                        add(row_of(&mut y, i), bias);
                    }
                },
            );
        }
    }

    /// The (n_in, n) matrix of output features `first..first + n`.
    fn matrix<'a>(&self, w: &'a [f32], first: usize, n: usize) -> MatRef<'a, f32> {
        let k = self.n_in;
        match self.layout {
            Layout::OutIn => {
                MatRef::from_row_major_slice(&w[first * k..(first + n) * k], n, k).transpose()
            }
            Layout::InOut => {
                MatRef::from_row_major_slice(&w[..k * self.tensor_out], k, self.tensor_out)
                    .subcols(first, n)
            }
        }
    }

    /// Widens output features `first..first + n` to (n, n_in).
    fn widen(&self, numbers: Numbers<'_>, first: usize, n: usize, out: &mut [f32]) {
        let k = self.n_in;
        match (self.layout, numbers) {
            (Layout::OutIn, Numbers::Bf16(w)) => widen_bf16(&w[first * k..(first + n) * k], out),
            (Layout::OutIn, Numbers::F16(w)) => widen_f16(&w[first * k..(first + n) * k], out),
            (Layout::OutIn, Numbers::F32(w)) => {
                out.copy_from_slice(&w[first * k..(first + n) * k]);
            }
            (Layout::InOut, numbers) => {
                let one = |at: usize| match numbers {
                    Numbers::F32(w) => w[at],
                    Numbers::Bf16(w) => half::bf16::from_bits(w[at]).to_f32(),
                    Numbers::F16(w) => half::f16::from_bits(w[at]).to_f32(),
                };
                for i in 0..k {
                    for j in 0..n {
                        out[j * k + i] = one(i * self.tensor_out + first + j);
                    }
                }
            }
        }
    }
}

fn widen_bf16(from: &[u16], to: &mut [f32]) {
    simd(
        #[inline(always)]
        || {
            for (o, &b) in to.iter_mut().zip(from) {
                *o = f32::from_bits(u32::from(b) << 16);
            }
        },
    );
}

fn widen_f16(from: &[u16], to: &mut [f32]) {
    use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
    let halves: &[half::f16] = from.reinterpret_cast();
    halves.convert_to_f32_slice(to);
}

/// `0..n` in shares of `size` (at least 2). One alone at the end joins the share before:
/// one column takes another path in faer, with other bits.
fn shares(n: usize, size: usize) -> Vec<Range<usize>> {
    let count = match n % size {
        1 => (n / size).max(1),
        _ => n.div_ceil(size),
    };
    (0..count)
        .map(|i| i * size..if i + 1 == count { n } else { (i + 1) * size })
        .collect()
}

/// `y = x · w` on this thread: `x` is (m, k), `w` (k, n), `y` (m, n).
fn times(x: &[f32], m: usize, w: MatRef<'_, f32>, mut y: MatMut<'_, f32>) {
    let (k, n) = (w.nrows(), w.ncols());
    let least = (TINY / (n * k).max(1) + 1).max(2);
    if m < least {
        let mut padded = vec![0.0; least * k];
        padded[..m * k].copy_from_slice(&x[..m * k]);
        let mut out = vec![0.0; least * n];
        times(&padded, least, w, rows_mut(&mut out, least, n, n));
        for (i, out) in out.chunks_exact(n).take(m).enumerate() {
            row_of(&mut y, i).copy_from_slice(out);
        }
        return;
    }
    let x = MatRef::from_row_major_slice(&x[..m * k], m, k);
    matmul(y, Accum::Replace, x, w, 1.0f32, Par::Seq);
}

/// A row of a matrix whose rows each lie in one piece.
#[inline(always)]
fn row_of<'a>(y: &'a mut MatMut<'_, f32>, i: usize) -> &'a mut [f32] {
    y.rb_mut()
        .row_mut(i)
        .try_as_row_major_mut()
        .expect("rows of `rows_mut` have no gaps")
        .as_slice_mut()
}

/// m rows of n numbers, `stride` apart, as a matrix.
fn rows_mut(y: &mut [f32], m: usize, n: usize, stride: usize) -> MatMut<'_, f32> {
    // Not `from_row_major_slice_with_stride_mut`: in faer 0.24 it swaps the strides.
    MatMut::from_column_major_slice_with_stride_mut(y, n, m, stride)
        .transpose_mut()
        .as_dyn_stride_mut()
}

/// `y[:, at..at + n_out] = x · Wᵀ + b`, over all rows, on all threads of the pool.
///
/// `x` is (m, n_in); `y` is m rows of `stride` columns. Threads share out the rows,
/// or the output features where rows are few; neither changes a bit.
pub fn linear(x: &[f32], m: usize, weight: &Weight, y: &mut [f32], stride: usize, at: usize) {
    let (k, n) = (weight.n_in(), weight.n_out());
    let threads = rayon::current_num_threads();
    let y = &mut y[..m * stride];
    if threads == 1 || m >= ROWS_WANTED * threads {
        let rows = m.div_ceil(threads).max(1);
        y.par_chunks_mut(rows * stride)
            .zip(x[..m * k].par_chunks(rows * k))
            .for_each(|(y, x)| {
                let m = x.len() / k;
                weight.write_biased(x, m, 0..n, rows_mut(&mut y[at..], m, n, stride));
            });
        return;
    }
    let mut tasks = Vec::with_capacity(threads);
    let mut rest = rows_mut(&mut y[at..], m, n, stride);
    for columns in shares(n, n.div_ceil(threads).next_multiple_of(COLUMNS)) {
        let (part, after) = rest.split_at_col_mut(columns.len());
        rest = after;
        tasks.push((columns, part));
    }
    tasks
        .into_par_iter()
        .for_each(|(columns, y)| weight.write_biased(x, m, columns, y));
}

#[cfg(test)]
mod tests {
    use super::shares;

    #[test]
    fn shares_cover_and_leave_no_column_alone() {
        for size in [2, 32, 256] {
            for n in 2..600 {
                let all = shares(n, size);
                assert_eq!((all[0].start, all[all.len() - 1].end), (0, n));
                assert!(all.windows(2).all(|w| w[0].end == w[1].start));
                assert!(all.iter().all(|s| s.len() >= 2 && s.len() <= size + 1));
            }
        }
    }
}
