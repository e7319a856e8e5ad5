//! Attention of a batch over cached keys and values.
//!
//! A score is one dot product summed in order of its features; a row's softmax
//! and weighted sum run over positions in order. Neither sees how positions are
//! spread over blocks or which rows share them, so a row's bits are its own.
//! Keys lie with 16 positions side by side, so that one multiply-add serves 16
//! scores; rows are taken eight at a time, so that one load of a key serves eight.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::batch::{Batch, Piece};
use crate::kernels::{exp_and_sum, soft_cap};
use crate::kv::{BLOCK, KvPool};

/// Rows computed together.
const GROUP: usize = 8;
/// Most virtual rows (rows × query heads per key head) of one task.
const TASK_ROWS: usize = 64;

/// What attention of one layer needs to know.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    /// Layer, for the place in a block.
    pub layer: usize,
    /// Query heads.
    pub n_heads: usize,
    /// Multiplies queries.
    pub scale: f32,
    /// A key this many positions back (or more) is not seen.
    pub window: Option<usize>,
    /// `cap · tanh(score / cap)`.
    pub soft_cap: Option<f32>,
    /// Added per head: slope times the key's position.
    pub slopes: Option<&'a [f32]>,
    /// Where set, that product is rounded to bfloat16 and multiplied by this.
    pub slope_rounding: Option<f32>,
}

/// Buffers of one task, reused.
#[derive(Debug, Default)]
struct Scratch {
    queries: Vec<f32>,
    scores: Vec<f32>,
    out: Vec<f32>,
}

/// `out[row, head · head_dim ..]` = softmax(q · K) · V, for every row and head.
///
/// `qkv` is (rows, width) with head `h`'s query at column `q_at[h]`; `out` is
/// (rows, n_heads · head_dim).
pub fn attend(
    batch: &Batch,
    pool: &KvPool,
    settings: Settings<'_>,
    qkv: &[f32],
    width: usize,
    q_at: &[usize],
    out: &mut [f32],
) {
    let shape = pool.shape();
    let group = settings.n_heads / shape.n_kv_heads;
    let out_width = settings.n_heads * shape.head_dim;
    let most = (TASK_ROWS / group).max(1);
    let tasks_wanted = 2 * rayon::current_num_threads();
    let rows_per_task = batch.len().div_ceil(tasks_wanted).clamp(1, most);
    out.par_chunks_mut(rows_per_task * out_width)
        .enumerate()
        .for_each_init(Scratch::default, |scratch, (task, out)| {
            let first = task * rows_per_task;
            let rows = first..first + out.len() / out_width;
            let pieces: Vec<Piece> = batch
                .pieces
                .iter()
                .filter(|p| p.rows.start < rows.end && p.rows.end > rows.start)
                .map(|p| Piece {
                    rows: p.rows.start.max(rows.start) - rows.start
                        ..p.rows.end.min(rows.end) - rows.start,
                    ..p.clone()
                })
                .collect();
            let positions = &batch.positions[rows.clone()];
            let qkv = &qkv[rows.start * width..rows.end * width];
            for kv_head in 0..shape.n_kv_heads {
                Arch::new().dispatch(Job {
                    settings,
                    pool,
                    pieces: &pieces,
                    positions,
                    kv_head,
                    group,
                    qkv,
                    width,
                    q_at,
                    out: &mut *out,
                    out_width,
                    scratch: &mut *scratch,
                });
            }
        });
}

/// One key-value head over the rows of one task.
struct Job<'a> {
    settings: Settings<'a>,
    pool: &'a KvPool,
    pieces: &'a [Piece],
    positions: &'a [usize],
    kv_head: usize,
    /// Query heads that share the key-value head.
    group: usize,
    qkv: &'a [f32],
    width: usize,
    q_at: &'a [usize],
    out: &'a mut [f32],
    out_width: usize,
    scratch: &'a mut Scratch,
}

impl WithSimd for Job<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Registers that hold 16 positions.
        match BLOCK / S::F32_LANES {
            1 => self.run::<S, 1>(simd),
            2 => self.run::<S, 2>(simd),
            4 => self.run::<S, 4>(simd),
            8 => self.run::<S, 8>(simd),
            _ => self.run::<S, 16>(simd),
        }
    }
}

impl Job<'_> {
    #[inline(always)]
    fn run<S: Simd, const REGISTERS: usize>(mut self, simd: S) {
        let (qkv, width, q_at, out_width) = (self.qkv, self.width, self.q_at, self.out_width);
        let scratch = std::mem::take(self.scratch);
        let mut scratch = scratch;
        let out = std::mem::take(&mut self.out);
        let shape = self.pool.shape();
        let (dim, padded) = (shape.head_dim, shape.padded_dim());
        let n_rows = self.positions.len() * self.group;
        let n_groups = n_rows.div_ceil(GROUP);
        let longest = self.positions.iter().copied().max().unwrap_or(0) + 1;
        let stride = longest.next_multiple_of(BLOCK) + 2 * BLOCK;
        let head_at = shape.head_at(self.settings.layer, self.kv_head);

        // Queries, eight rows side by side per feature: (n_groups, dim, 8).
        scratch.queries.clear();
        scratch.queries.resize(n_groups * dim * GROUP, 0.0);
        for row in 0..n_rows {
            let head = self.kv_head * self.group + row % self.group;
            let query = &qkv[(row / self.group) * width + q_at[head]..][..dim];
            let to = &mut scratch.queries[(row / GROUP) * dim * GROUP..][..dim * GROUP];
            for (i, &v) in query.iter().enumerate() {
                to[i * GROUP + row % GROUP] = v * self.settings.scale;
            }
        }

        scratch
            .scores
            .resize((n_groups * GROUP * stride).max(scratch.scores.len()), 0.0);
        let scores = &mut scratch.scores[..n_groups * GROUP * stride];
        for piece in self.pieces {
            let keys = &self.pool.block(piece.block)[head_at..][..dim * BLOCK];
            let rows = piece.rows.start * self.group..piece.rows.end * self.group;
            for g in rows.start / GROUP..rows.end.div_ceil(GROUP) {
                if self.out_of_window(piece, g) {
                    continue;
                }
                let queries = &scratch.queries[g * dim * GROUP..][..dim * GROUP];
                let tile = scores_tile::<S, REGISTERS>(simd, queries, keys);
                let from = (g * GROUP).max(rows.start);
                for row in from..((g + 1) * GROUP).min(rows.end) {
                    scores[row * stride + piece.start..][..BLOCK]
                        .copy_from_slice(&tile[row % GROUP]);
                }
            }
        }

        // Softmax per row; what lies after a row's own position becomes 0.
        scratch.out.clear();
        scratch.out.resize(n_groups * GROUP * (padded + 1), 0.0);
        let (sums, values_out) = scratch.out.split_at_mut(n_groups * GROUP);
        for row in 0..n_rows {
            let position = self.positions[row / self.group];
            let line = &mut scores[row * stride..(row + 1) * stride];
            line[position + 1..position + 1 + BLOCK].fill(0.0);
            let line = &mut line[..=position];
            let from = self.first_seen(position);
            if let Some(cap) = self.settings.soft_cap {
                soft_cap(&mut line[from..], cap);
            }
            if let Some(slopes) = self.settings.slopes {
                let slope = slopes[self.kv_head * self.group + row % self.group];
                match self.settings.slope_rounding {
                    None => {
                        for (at, s) in line.iter_mut().enumerate().skip(from) {
                            *s += slope * at as f32;
                        }
                    }
                    Some(factor) => {
                        for (at, s) in line.iter_mut().enumerate().skip(from) {
                            *s += bf16(slope * bf16(at as f32)) * factor;
                        }
                    }
                }
            }
            sums[row] = exp_and_sum(line, from);
        }

        // Weighted sums, positions in order.
        for piece in self.pieces {
            let values = &self.pool.block(piece.block)[head_at + dim * BLOCK..][..padded * BLOCK];
            let rows = piece.rows.start * self.group..piece.rows.end * self.group;
            for g in rows.start / GROUP..rows.end.div_ceil(GROUP) {
                if self.out_of_window(piece, g) {
                    continue;
                }
                let weights: [&[f32]; GROUP] = std::array::from_fn(|r| {
                    &scores[(g * GROUP + r) * stride + piece.start..][..BLOCK]
                });
                let from = (g * GROUP).max(rows.start);
                let to = ((g + 1) * GROUP).min(rows.end);
                add_values::<S, REGISTERS>(
                    simd,
                    &weights,
                    &values[..piece.n_keys * padded],
                    padded,
                    &mut values_out[g * GROUP * padded..][..GROUP * padded],
                    from % GROUP..from % GROUP + (to - from),
                );
            }
        }

        for row in 0..n_rows {
            let head = self.kv_head * self.group + row % self.group;
            let to = &mut out[(row / self.group) * out_width + head * dim..][..dim];
            let inv = 1.0 / sums[row];
            for (o, &v) in to.iter_mut().zip(&values_out[row * padded..]) {
                *o = v * inv;
            }
        }
        *self.scratch = scratch;
    }

    /// First position that a row at `position` sees.
    #[inline(always)]
    fn first_seen(&self, position: usize) -> usize {
        self.settings
            .window
            .map_or(0, |w| (position + 1).saturating_sub(w))
    }

    /// Whether no row of a group sees a piece any more.
    #[inline(always)]
    fn out_of_window(&self, piece: &Piece, g: usize) -> bool {
        self.settings.window.is_some()
            && (g * GROUP..(g + 1) * GROUP)
                .filter_map(|row| self.positions.get(row / self.group))
                .all(|&p| piece.start + BLOCK <= self.first_seen(p))
    }
}

/// Rounded to bfloat16.
fn bf16(x: f32) -> f32 {
    half::bf16::from_f32(x).to_f32()
}

/// Scores of eight rows against 16 keys: queries (dim, 8), keys (dim, 16).
#[inline(always)]
fn scores_tile<S: Simd, const REGISTERS: usize>(
    simd: S,
    queries: &[f32],
    keys: &[f32],
) -> [[f32; BLOCK]; GROUP] {
    let mut acc = [[simd.splat_f32s(0.0); REGISTERS]; GROUP];
    let (keys, _) = S::as_simd_f32s(keys);
    for (q, k) in queries
        .chunks_exact(GROUP)
        .zip(keys.chunks_exact(REGISTERS))
    {
        for r in 0..GROUP {
            let q = simd.splat_f32s(q[r]);
            for c in 0..REGISTERS {
                acc[r][c] = simd.mul_add_e_f32s(q, k[c], acc[r][c]);
            }
        }
    }
    let mut tile = [[0.0f32; BLOCK]; GROUP];
    for r in 0..GROUP {
        S::as_mut_simd_f32s(&mut tile[r]).0.copy_from_slice(&acc[r]);
    }
    tile
}

/// Adds weighted values of one block to the rows `which` of a group: weights (8, 16),
/// values (n_keys, padded), out (8, padded).
#[inline(always)]
fn add_values<S: Simd, const REGISTERS: usize>(
    simd: S,
    weights: &[&[f32]; GROUP],
    values: &[f32],
    padded: usize,
    out: &mut [f32],
    which: std::ops::Range<usize>,
) {
    // The weights of one position side by side.
    let mut turned = [[0.0f32; GROUP]; BLOCK];
    for (r, w) in weights.iter().enumerate() {
        for (j, &w) in w.iter().enumerate() {
            turned[j][r] = w;
        }
    }
    for d in (0..padded).step_by(BLOCK) {
        let mut acc = [[simd.splat_f32s(0.0); REGISTERS]; GROUP];
        for r in 0..GROUP {
            let (from, _) = S::as_simd_f32s(&out[r * padded + d..][..BLOCK]);
            acc[r].copy_from_slice(from);
        }
        for (v, w) in values.chunks_exact(padded).zip(&turned) {
            let (v, _) = S::as_simd_f32s(&v[d..d + BLOCK]);
            for r in 0..GROUP {
                let w = simd.splat_f32s(w[r]);
                for c in 0..REGISTERS {
                    acc[r][c] = simd.mul_add_e_f32s(w, v[c], acc[r][c]);
                }
            }
        }
        for r in which.clone() {
            S::as_mut_simd_f32s(&mut out[r * padded + d..][..BLOCK])
                .0
                .copy_from_slice(&acc[r]);
        }
    }
}
