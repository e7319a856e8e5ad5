//! The three matrix products of a training step, on panels of 32 rows.
//!
//! Activations lie as panels: 32 rows side by side for feature 0, then for feature 1, and so on.
//! A tile of 8 features × 32 rows stays in registers while one sum runs over all terms in
//! order, so that a result's bits depend on nothing but its own row and column.

use rayon::prelude::*;

use super::lanes::{LANES, Lanes, Op, run};
use super::layout::{Place, TILE};

/// Rows of a panel.
pub(crate) const PANEL: usize = 2 * LANES;
/// Numbers of a matrix that stay in the second-level cache while panels pass by.
const BLOCK: usize = 64 * 1024;

/// A matrix in its layout; see [`super::layout`].
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    pub(crate) place: Place,
    /// Its own numbers alone.
    pub(crate) data: &'a [f32],
}

impl<'a> Matrix<'a> {
    pub(crate) fn of(place: Place, flat: &'a [f32]) -> Self {
        Matrix {
            place,
            data: place.of(flat),
        }
    }
}

/// Panels of activations: `features` numbers of each of 32 rows.
#[derive(Clone, Copy)]
pub(crate) struct Panels<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) features: usize,
}

/// Panels to be written.
pub(crate) struct PanelsMut<'a> {
    pub(crate) data: &'a mut [f32],
    pub(crate) features: usize,
}

/// What a product is added to.
#[derive(Clone, Copy)]
pub(crate) struct Base<'a> {
    /// One number per output feature.
    pub(crate) bias: Option<&'a [f32]>,
    /// Panels of the output's shape.
    pub(crate) panels: Option<&'a [f32]>,
}

/// Nothing.
pub(crate) const ZERO: Base<'static> = Base {
    bias: None,
    panels: None,
};

/// `y[row] = base + Σ over columns of m[row, col] · x[col]`, for every panel.
///
/// Where `spread` holds, the threads of the pool share out panels, or features of a lone one.
pub(crate) fn by_rows(
    m: Matrix<'_>,
    x: Panels<'_>,
    y: PanelsMut<'_>,
    base: Base<'_>,
    spread: bool,
) {
    share_out(x, y, base, TILE, spread, |x, y, base, first| {
        run(ByRows {
            m,
            x,
            y,
            base,
            first,
            then: Then::Write,
        });
    });
}

/// `y[row] *= Σ over columns of m[row, col] · x[col]`, for every panel; `spread` as in [`by_rows`].
///
/// Where `both` is given, `y` holds that many features and as many below, and all are multiplied.
pub(crate) fn times_rows(
    m: Matrix<'_>,
    x: Panels<'_>,
    y: PanelsMut<'_>,
    both: Option<usize>,
    spread: bool,
) {
    let then = match both {
        None => Then::Multiply,
        Some(below) => Then::MultiplyBoth(below),
    };
    // Features that are multiplied twice cannot be shared out.
    let spread = spread && (both.is_none() || y.data.len() > y.features * PANEL);
    share_out(x, y, ZERO, TILE, spread, |x, y, base, first| {
        run(ByRows {
            m,
            x,
            y,
            base,
            first,
            then,
        });
    });
}

/// `y[col] = base + Σ over rows of m[row, col] · x[row]`, for every panel; `spread` as in
/// [`by_rows`].
pub(crate) fn by_cols(
    m: Matrix<'_>,
    x: Panels<'_>,
    y: PanelsMut<'_>,
    base: Base<'_>,
    spread: bool,
) {
    share_out(x, y, base, LANES, spread, |x, y, base, first| {
        run(ByCols {
            m,
            x,
            y,
            base,
            first,
        });
    });
}

/// Calls `each` with parts of a product: panels, or features from `first` on (a multiple of
/// `step`) where there is one panel.
fn share_out<'a>(
    x: Panels<'a>,
    y: PanelsMut<'_>,
    base: Base<'a>,
    step: usize,
    spread: bool,
    each: impl Fn(Panels<'a>, PanelsMut<'_>, Base<'a>, usize) + Sync,
) {
    if !spread {
        return each(x, y, base, 0);
    }
    let threads = rayon::current_num_threads();
    let (in_panel, out_panel) = (x.features * PANEL, y.features * PANEL);
    let n_panels = y.data.len() / out_panel;
    if n_panels == 1 {
        let part = y.features.div_ceil(threads).next_multiple_of(step);
        y.data
            .par_chunks_mut(part * PANEL)
            .enumerate()
            .for_each(|(i, data)| {
                let first = i * part;
                let y = PanelsMut {
                    features: data.len() / PANEL,
                    data,
                };
                let base = Base {
                    bias: base.bias,
                    panels: base.panels.map(|b| &b[first * PANEL..]),
                };
                each(x, y, base, first);
            });
        return;
    }
    let part = n_panels.div_ceil(threads);
    y.data
        .par_chunks_mut(part * out_panel)
        .enumerate()
        .for_each(|(i, data)| {
            let n = data.len() / out_panel;
            let x = Panels {
                data: &x.data[i * part * in_panel..][..n * in_panel],
                features: x.features,
            };
            let y = PanelsMut {
                data,
                features: y.features,
            };
            let base = Base {
                bias: base.bias,
                panels: base.panels.map(|b| &b[i * part * out_panel..]),
            };
            each(x, y, base, 0);
        });
}

/// `g[row, col] += Σ over all rows of all panels of l[row] · r[col]`, with `r` transposed:
/// panels of (16-column blocks, 32 rows, 16 columns).
///
/// Where `replace` holds, `g` is written anew; where `spread` does, threads share out columns.
pub(crate) fn outer(
    place: Place,
    g: &mut [f32],
    replace: bool,
    l: Panels<'_>,
    r: &[f32],
    spread: bool,
) {
    let g = place.of_mut(g);
    let part = |first: usize, g: &mut [f32]| {
        run(Outer {
            place,
            g,
            first,
            replace,
            l,
            r,
        });
    };
    if spread {
        g.par_chunks_mut(2 * place.stride)
            .enumerate()
            .for_each(|(i, g)| part(2 * i, g));
    } else {
        part(0, g);
    }
}

/// 16 numbers at `at`.
#[inline(always)]
pub(crate) fn vec_at(x: &[f32], at: usize) -> &[f32; LANES] {
    x[at..].first_chunk().expect("sixteen numbers lie there")
}

/// 16 numbers at `at`, to be written.
#[inline(always)]
pub(crate) fn vec_at_mut(x: &mut [f32], at: usize) -> &mut [f32; LANES] {
    x[at..]
        .first_chunk_mut()
        .expect("sixteen numbers lie there")
}

/// A tile's sums before the first term.
#[inline(always)]
fn start<L: Lanes, const R: usize, const C: usize>(
    l: L,
    base: Base<'_>,
    panel_at: usize,
    feature: usize,
    half: usize,
) -> [[L::V; C]; R] {
    let mut acc = [[l.splat(0.0); C]; R];
    if let Some(bias) = base.bias {
        for r in 0..R {
            // Offsets are padded to 16, outputs to 8.
            acc[r] = [l.splat(bias[feature + r]); C];
        }
    }
    if let Some(panels) = base.panels {
        let from = &panels[panel_at + feature * PANEL + half * LANES..];
        for (r, row) in acc.iter_mut().enumerate() {
            for (c, v) in row.iter_mut().enumerate() {
                let b = l.load(vec_at(from, r * PANEL + c * LANES));
                *v = l.add(*v, b);
            }
        }
    }
    acc
}

/// Writes a tile.
#[inline(always)]
fn finish<L: Lanes, const R: usize, const C: usize>(l: L, acc: [[L::V; C]; R], to: &mut [f32]) {
    for (r, row) in acc.iter().enumerate() {
        for (c, v) in row.iter().enumerate() {
            l.store(*v, vec_at_mut(to, r * PANEL + c * LANES));
        }
    }
}

/// Multiplies by the first `n` features of a tile.
#[inline(always)]
fn multiply<L: Lanes, const R: usize, const C: usize>(
    l: L,
    acc: [[L::V; C]; R],
    to: &mut [f32],
    n: usize,
) {
    for (r, row) in acc.iter().enumerate().take(n) {
        for (c, v) in row.iter().enumerate() {
            let to = vec_at_mut(to, r * PANEL + c * LANES);
            l.store(l.mul(*v, l.load(to)), to);
        }
    }
}

/// What is done with a tile.
#[derive(Clone, Copy)]
enum Then {
    /// It becomes the output.
    Write,
    /// It multiplies the output.
    Multiply,
    /// It multiplies the output, and the features that many below.
    MultiplyBoth(usize),
}

struct ByRows<'a> {
    m: Matrix<'a>,
    x: Panels<'a>,
    y: PanelsMut<'a>,
    base: Base<'a>,
    /// Row of the matrix that is the output's first feature.
    first: usize,
    then: Then,
}

impl Op for ByRows<'_> {
    type Out = ();
    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        if L::MANY_REGISTERS {
            self.tiles::<L, 8, 2>(l);
        } else {
            self.tiles::<L, 4, 1>(l);
        }
    }
}

impl ByRows<'_> {
    #[inline(always)]
    fn tiles<L: Lanes, const R: usize, const C: usize>(self, l: L) {
        let place = self.m.place;
        let rows = place.rows_padded().saturating_sub(self.first);
        let rows = rows.min(self.y.features);
        let (in_panel, out_panel) = (self.x.features * PANEL, self.y.features * PANEL);
        let n_panels = self.y.data.len() / out_panel;
        let bias = self.base.bias.map(|b| &b[self.first.min(b.len())..]);
        let base = Base { bias, ..self.base };
        let block = (BLOCK / place.cols).next_multiple_of(TILE);
        for first in (0..rows).step_by(block) {
            for p in 0..n_panels {
                let x = &self.x.data[p * in_panel..][..in_panel];
                for row in (first..rows.min(first + block)).step_by(R) {
                    for half in (0..2).step_by(C) {
                        let at = p * out_panel + row * PANEL + half * LANES;
                        let acc = start::<L, R, C>(l, base, p * out_panel, row, half);
                        let acc = self.tile::<L, R, C>(l, x, self.first + row, half, acc);
                        let y = &mut self.y.data[at..];
                        match self.then {
                            Then::Write => finish::<L, R, C>(l, acc, y),
                            Then::Multiply => multiply::<L, R, C>(l, acc, y, R),
                            Then::MultiplyBoth(below) => {
                                // Padding would reach into the features below.
                                let n = below.saturating_sub(row).min(R);
                                multiply::<L, R, C>(l, acc, y, n);
                                if n > 0 {
                                    multiply::<L, R, C>(l, acc, &mut y[below * PANEL..], n);
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn tile<L: Lanes, const R: usize, const C: usize>(
        &self,
        l: L,
        x: &[f32],
        row: usize,
        half: usize,
        mut acc: [[L::V; C]; R],
    ) -> [[L::V; C]; R] {
        let place = self.m.place;
        let mut left = place.cols;
        for (panel, x) in self
            .m
            .data
            .chunks_exact(place.stride)
            .zip(x.chunks(LANES * PANEL))
        {
            let weights = &panel[row * LANES..][..R * LANES];
            let n = left.min(LANES);
            left -= n;
            for (k, x) in x[..n * PANEL].chunks_exact(PANEL).enumerate() {
                let k = k % LANES;
                let mut b = [l.splat(0.0); C];
                for (c, b) in b.iter_mut().enumerate() {
                    *b = l.load(vec_at(x, (half + c) * LANES));
                }
                for r in 0..R {
                    let w = l.splat(weights[r * LANES + k]);
                    for c in 0..C {
                        acc[r][c] = l.fma(w, b[c], acc[r][c]);
                    }
                }
            }
        }
        acc
    }
}

struct ByCols<'a> {
    m: Matrix<'a>,
    x: Panels<'a>,
    y: PanelsMut<'a>,
    base: Base<'a>,
    /// Column of the matrix that is the output's first feature.
    first: usize,
}

impl Op for ByCols<'_> {
    type Out = ();
    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        if L::MANY_REGISTERS {
            self.tiles::<L, 8, 2>(l);
        } else {
            self.tiles::<L, 4, 1>(l);
        }
    }
}

impl ByCols<'_> {
    #[inline(always)]
    fn tiles<L: Lanes, const R: usize, const C: usize>(self, l: L) {
        let place = self.m.place;
        let rows = place.rows;
        let (in_panel, out_panel) = (self.x.features * PANEL, self.y.features * PANEL);
        let n_panels = self.y.data.len() / out_panel;
        // Column panels, from the first on.
        let first_panel = self.first / LANES;
        let cols = place.cols.saturating_sub(self.first).min(self.y.features);
        let col_panels = cols.div_ceil(LANES);
        let bias = self.base.bias.map(|b| &b[self.first.min(b.len())..]);
        let base = Base { bias, ..self.base };
        let block = (BLOCK / (rows * LANES)).max(1);
        for first in (0..col_panels).step_by(block) {
            for p in 0..n_panels {
                let x = &self.x.data[p * in_panel..][..rows * PANEL];
                for cp in first..col_panels.min(first + block) {
                    let at = (first_panel + cp) * place.stride;
                    let weights = &self.m.data[at..][..rows * LANES];
                    let needed = (cols - cp * LANES).min(LANES);
                    for sub in (0..needed).step_by(R) {
                        for half in (0..2).step_by(C) {
                            let feature = cp * LANES + sub;
                            let at = p * out_panel + feature * PANEL + half * LANES;
                            let acc = start::<L, R, C>(l, base, p * out_panel, feature, half);
                            let acc = tile_cols::<L, R, C>(l, weights, x, sub, half, acc);
                            finish::<L, R, C>(l, acc, &mut self.y.data[at..]);
                        }
                    }
                }
            }
        }
    }
}

/// `acc[r] += Σ weights[k, sub + r] · x[k]`.
#[inline(always)]
fn tile_cols<L: Lanes, const R: usize, const C: usize>(
    l: L,
    weights: &[f32],
    x: &[f32],
    sub: usize,
    half: usize,
    mut acc: [[L::V; C]; R],
) -> [[L::V; C]; R] {
    let sub = sub.min(LANES - R);
    for (w, x) in weights.chunks_exact(LANES).zip(x.chunks_exact(PANEL)) {
        let mut b = [l.splat(0.0); C];
        for (c, b) in b.iter_mut().enumerate() {
            *b = l.load(vec_at(x, (half + c) * LANES));
        }
        for r in 0..R {
            let w = l.splat(w[sub + r]);
            for c in 0..C {
                acc[r][c] = l.fma(w, b[c], acc[r][c]);
            }
        }
    }
    acc
}

struct Outer<'a> {
    place: Place,
    /// Column panels from `first` on.
    g: &'a mut [f32],
    first: usize,
    replace: bool,
    l: Panels<'a>,
    r: &'a [f32],
}

impl Op for Outer<'_> {
    type Out = ();
    #[inline(always)]
    fn run<L: Lanes>(mut self, l: L) {
        let col_panels = self.g.len() / self.place.stride;
        if L::MANY_REGISTERS {
            for cp in (0..col_panels - col_panels % 2).step_by(2) {
                self.tiles::<L, 8, 2>(l, cp);
            }
            if col_panels % 2 == 1 {
                self.tiles::<L, 8, 1>(l, col_panels - 1);
            }
        } else {
            for cp in 0..col_panels {
                self.tiles::<L, 4, 1>(l, cp);
            }
        }
    }
}

impl Outer<'_> {
    /// All rows of `C` column panels from `cp` on, counted from the first.
    #[inline(always)]
    fn tiles<L: Lanes, const R: usize, const C: usize>(&mut self, l: L, cp: usize) {
        let place = self.place;
        let g = &mut *self.g;
        let left_panel = self.l.features * PANEL;
        let right_panel = place.cols.div_ceil(LANES) * LANES * PANEL;
        let at = |r: usize, c: usize, row: usize| (cp + c) * place.stride + (row + r) * LANES;
        for row in (0..place.rows_padded()).step_by(R) {
            let mut acc = [[l.splat(0.0); C]; R];
            if !self.replace {
                for (r, sums) in acc.iter_mut().enumerate() {
                    for (c, v) in sums.iter_mut().enumerate() {
                        *v = l.load(vec_at(g, at(r, c, row)));
                    }
                }
            }
            for (left, right) in self
                .l
                .data
                .chunks_exact(left_panel)
                .zip(self.r.chunks_exact(right_panel))
            {
                let left = &left[row * PANEL..][..R * PANEL];
                let right = &right[(self.first + cp) * LANES * PANEL..][..C * LANES * PANEL];
                for k in 0..PANEL {
                    let mut b = [l.splat(0.0); C];
                    for (c, b) in b.iter_mut().enumerate() {
                        *b = l.load(vec_at(right, c * LANES * PANEL + k * LANES));
                    }
                    for r in 0..R {
                        let a = l.splat(left[r * PANEL + k]);
                        for c in 0..C {
                            acc[r][c] = l.fma(a, b[c], acc[r][c]);
                        }
                    }
                }
            }
            for (r, sums) in acc.iter().enumerate() {
                for (c, v) in sums.iter().enumerate() {
                    l.store(*v, vec_at_mut(g, at(r, c, row)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::lanes::Plain;
    use super::super::layout::Kind;
    use super::*;

    fn numbers(n: usize, seed: usize) -> Vec<f32> {
        (0..n)
            .map(|i| ((i * 37 + seed * 11) % 101) as f32 / 50.0 - 1.0)
            .collect()
    }

    fn place(rows: usize, cols: usize) -> Place {
        Place {
            kind: Kind::Reads,
            at: 0,
            rows,
            cols,
            stride: (rows.next_multiple_of(TILE) + 8) * LANES,
        }
    }

    /// A matrix whose padding is 0, and the number at (row, col).
    fn matrix(place: Place) -> Vec<f32> {
        let mut data = vec![0.0; place.len()];
        for row in 0..place.rows {
            for col in 0..place.cols {
                data[place.index(row, col)] = ((row * 7 + col * 3) % 13) as f32 - 6.0;
            }
        }
        data
    }

    fn near(got: &[f32], want: &[f32]) {
        for (i, (g, w)) in got.iter().zip(want).enumerate() {
            assert!(
                (g - w).abs() <= 1e-4 * (1.0 + w.abs()),
                "number {i}: {g}, {w}"
            );
        }
    }

    /// The three products against their definitions, at odd sizes, with the widest
    /// instructions and with none.
    #[test]
    fn products_are_their_definitions_at_every_level() {
        for (rows, cols) in [(5, 4), (17, 33), (40, 16), (8, 50)] {
            let place = place(rows, cols);
            let data = matrix(place);
            let m = Matrix { place, data: &data };
            let (n_in, n_out) = (cols.next_multiple_of(16), rows.next_multiple_of(16));
            let panels = 3;
            let (x, l) = (
                numbers(panels * n_in * PANEL, 1),
                numbers(panels * n_out * PANEL, 2),
            );
            let bias = numbers(n_out.max(n_in), 3);
            let base = Base {
                bias: Some(&bias),
                panels: None,
            };
            let at = |p: usize, features: usize, k: usize, i: usize| (p * features + k) * PANEL + i;
            let number = |row: usize, col: usize| data[place.index(row, col)];
            let all = || (0..panels).flat_map(|p| (0..PANEL).map(move |i| (p, i)));

            let mut want = vec![0.0; panels * n_out * PANEL];
            let mut want_cols = vec![0.0; panels * n_in * PANEL];
            let mut want_outer = vec![0.0; place.len()];
            for (p, i) in all() {
                for row in 0..rows {
                    want[at(p, n_out, row, i)] = bias[row];
                }
                for col in 0..cols {
                    want_cols[at(p, n_in, col, i)] = bias[col];
                }
                for row in 0..rows {
                    for col in 0..cols {
                        let (a, b) = (l[at(p, n_out, row, i)], x[at(p, n_in, col, i)]);
                        want[at(p, n_out, row, i)] += number(row, col) * b;
                        want_cols[at(p, n_in, col, i)] += number(row, col) * a;
                        want_outer[place.index(row, col)] += a * b;
                    }
                }
            }
            // Only true features count: padding may hold anything.
            let true_part = |y: &[f32], features: usize, n: usize| -> Vec<f32> {
                all()
                    .flat_map(|(p, i)| (0..n).map(move |k| (p, i, k)))
                    .map(|(p, i, k)| y[at(p, features, k, i)])
                    .collect()
            };
            let mut turned = vec![0.0; x.len()];
            for (p, i) in all() {
                for k in 0..n_in {
                    let block = p * n_in * PANEL + k / LANES * LANES * PANEL;
                    turned[block + i * LANES + k % LANES] = x[at(p, n_in, k, i)];
                }
            }
            for plain in [false, true] {
                let xs = Panels {
                    data: &x,
                    features: n_in,
                };
                let ls = Panels {
                    data: &l,
                    features: n_out,
                };
                let mut y = vec![0.0; want.len()];
                let op = ByRows {
                    m,
                    x: xs,
                    y: PanelsMut {
                        data: &mut y,
                        features: n_out,
                    },
                    base,
                    first: 0,
                    then: Then::Write,
                };
                if plain {
                    op.run(Plain)
                } else {
                    run(op)
                }
                near(&true_part(&y, n_out, rows), &true_part(&want, n_out, rows));

                let mut y = vec![0.0; want_cols.len()];
                let op = ByCols {
                    m,
                    x: ls,
                    y: PanelsMut {
                        data: &mut y,
                        features: n_in,
                    },
                    base,
                    first: 0,
                };
                if plain {
                    op.run(Plain)
                } else {
                    run(op)
                }
                near(
                    &true_part(&y, n_in, cols),
                    &true_part(&want_cols, n_in, cols),
                );

                let mut g = vec![0.0; place.len()];
                let op = Outer {
                    place,
                    g: &mut g,
                    first: 0,
                    replace: false,
                    l: ls,
                    r: &turned,
                };
                if plain {
                    op.run(Plain)
                } else {
                    run(op)
                }
                for row in 0..rows {
                    for col in 0..cols {
                        let at = place.index(row, col);
                        near(&g[at..=at], &want_outer[at..=at]);
                    }
                }
            }
        }
    }
}
