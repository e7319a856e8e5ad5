//! The projection to the vocabulary, at the positions that are asked for and nowhere else.
//!
//! Log-softmax is fused with the product in chunks of the vocabulary, so the
//! logits of a position never exist all at once; the chunks are fixed, and are
//! merged in order, so the sum's bits are the position's own.

use rayon::prelude::*;

use crate::forward::Decoder;
use crate::kernels::{add, max_index_sum_exp, simd, soft_cap};

/// Vocabulary entries of a chunk.
const CHUNK: usize = 2048;
/// Most rows of a task.
const ROWS: usize = 256;

/// The next-token distribution of one position, in two numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    /// ln Σ exp(logit), nats.
    pub log_sum_exp: f64,
    /// The most likely token; the lowest id of a tie.
    pub best: u32,
}

/// What one chunk says of one row.
#[derive(Debug, Clone, Copy)]
struct Part {
    max: f32,
    sum: f32,
    best: u32,
}

/// What a task finds: a part for every row, and logits of targets by their index.
type TaskResult = (Vec<Part>, Vec<(usize, f32)>);

/// The vocabulary in fixed chunks; a short last one joins the one before.
fn chunks(vocab: usize) -> Vec<std::ops::Range<usize>> {
    let n = (vocab / CHUNK).max(1);
    (0..n)
        .map(|c| c * CHUNK..if c + 1 == n { vocab } else { (c + 1) * CHUNK })
        .collect()
}

impl Decoder {
    /// Logits of `rows` (m, width) for vocabulary entries `columns`: (m, columns).
    fn logits_of(&self, rows: &[f32], columns: &std::ops::Range<usize>) -> Vec<f32> {
        let head = self.head();
        let width = head.n_in();
        let m = rows.len() / width;
        let n = columns.len();
        let mut out = vec![0.0; m * n];
        head.product(rows, m, columns.clone(), &mut out, n);
        let (scale, cap) = (self.plan().logit_scale, self.plan().logit_soft_cap);
        let bias = head.bias().map(|b| &b[columns.clone()]);
        if bias.is_some() || scale != 1.0 || cap.is_some() {
            simd(
                #[inline(always)]
                || {
                    for row in out.chunks_exact_mut(n) {
                        if let Some(bias) = bias {
                            add(row, bias);
                        }
                        if scale != 1.0 {
                            row.iter_mut().for_each(|v| *v *= scale);
                        }
                        if let Some(cap) = cap {
                            soft_cap(row, cap);
                        }
                    }
                },
            );
        }
        out
    }

    /// Log-probabilities of `targets` (row, token), sorted by row, given `rows` (m, width)
    /// after the final norm; and the distribution of every row.
    #[must_use]
    pub fn logprobs(&self, rows: &[f32], targets: &[(usize, u32)]) -> (Vec<Position>, Vec<f32>) {
        let width = self.head().n_in();
        let m = rows.len() / width;
        let chunks = chunks(self.head().n_out());
        // Enough tasks for every thread, whatever the shape; the split changes no bits.
        let threads = rayon::current_num_threads();
        let block = m
            .div_ceil((2 * threads).div_ceil(chunks.len()).max(1))
            .clamp(1, ROWS);
        let tasks: Vec<(usize, usize)> = (0..m.div_ceil(block))
            .flat_map(|b| (0..chunks.len()).map(move |c| (b, c)))
            .collect();
        let done: Vec<TaskResult> = tasks
            .par_iter()
            .map(|&(b, c)| {
                let range = b * block..((b + 1) * block).min(m);
                let columns = &chunks[c];
                let logits = self.logits_of(&rows[range.start * width..range.end * width], columns);
                let parts = simd(
                    #[inline(always)]
                    || {
                        // A loop: a closure given to an iterator is not compiled for `simd`.
                        let mut parts = Vec::with_capacity(range.len());
                        for row in logits.chunks_exact(columns.len()) {
                            let (max, at, sum) = max_index_sum_exp(row);
                            parts.push(Part {
                                max,
                                sum,
                                best: (columns.start + at) as u32,
                            });
                        }
                        parts
                    },
                );
                let first = targets.partition_point(|t| t.0 < range.start);
                let hits = targets[first..]
                    .iter()
                    .take_while(|t| t.0 < range.end)
                    .enumerate()
                    .filter(|(_, t)| columns.contains(&(t.1 as usize)))
                    .map(|(i, t)| {
                        let at = (t.0 - range.start) * columns.len() + t.1 as usize - columns.start;
                        (first + i, logits[at])
                    })
                    .collect();
                (parts, hits)
            })
            .collect();

        let mut positions = Vec::with_capacity(m);
        for row in 0..m {
            let parts: Vec<Part> = (0..chunks.len())
                .map(|c| done[(row / block) * chunks.len() + c].0[row % block])
                .collect();
            let max = parts.iter().fold(f32::NEG_INFINITY, |a, p| a.max(p.max));
            let best = parts.iter().find(|p| p.max == max).map_or(0, |p| p.best);
            let sum: f64 = parts
                .iter()
                .map(|p| f64::from(p.sum) * f64::from(p.max - max).exp())
                .sum();
            positions.push(Position {
                log_sum_exp: f64::from(max) + sum.ln(),
                best,
            });
        }
        let mut logprobs = vec![f32::NAN; targets.len()];
        for (_, hits) in &done {
            for &(at, logit) in hits {
                let position = &positions[targets[at].0];
                logprobs[at] = (f64::from(logit) - position.log_sum_exp) as f32;
            }
        }
        (positions, logprobs)
    }

    /// The `n` most likely tokens of one row (1, width) after the final norm with their
    /// log-probabilities, the most likely first, the lowest id of a tie first. Tokens that
    /// the model rules out (a logit of minus infinity) are not among them.
    #[must_use]
    pub fn most_likely(&self, row: &[f32], n: usize) -> Vec<(u32, f32)> {
        let logits = self.logits(row);
        let mut ids: Vec<u32> = (0..logits.len() as u32).collect();
        let by_logit = |a: &u32, b: &u32| {
            logits[*b as usize]
                .total_cmp(&logits[*a as usize])
                .then(a.cmp(b))
        };
        if n < ids.len() {
            ids.select_nth_unstable_by(n, by_logit);
            ids.truncate(n);
        }
        ids.sort_unstable_by(by_logit);
        let targets: Vec<(usize, u32)> = ids.iter().map(|&id| (0, id)).collect();
        let (_, logprobs) = self.logprobs(row, &targets);
        ids.into_iter()
            .zip(logprobs)
            .filter(|(_, logprob)| logprob.is_finite())
            .collect()
    }

    /// All logits of `rows` (m, width) after the final norm: (m, vocab_size).
    #[must_use]
    pub fn logits(&self, rows: &[f32]) -> Vec<f32> {
        let m = rows.len() / self.head().n_in();
        let vocab = self.head().n_out();
        let chunks = chunks(vocab);
        let parts: Vec<Vec<f32>> = chunks.par_iter().map(|c| self.logits_of(rows, c)).collect();
        let mut out = vec![0.0; m * vocab];
        for (columns, part) in chunks.iter().zip(&parts) {
            for (row, from) in part.chunks_exact(columns.len()).enumerate() {
                out[row * vocab..][columns.clone()].copy_from_slice(from);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::chunks;

    #[test]
    fn chunks_cover_the_vocabulary_without_a_short_tail() {
        for vocab in [1, 17, 768, 2047, 2048, 2049, 4096, 50304, 151_936] {
            let c = chunks(vocab);
            assert_eq!(c.first().unwrap().start, 0);
            assert_eq!(c.last().unwrap().end, vocab);
            assert!(c.windows(2).all(|w| w[0].end == w[1].start));
            assert!(c.iter().all(|r| r.len() >= super::CHUNK || c.len() == 1));
        }
    }
}
