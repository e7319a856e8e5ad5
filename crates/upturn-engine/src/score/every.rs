//! The most likely tokens at every scored place, for those who serve log-probabilities.

use rayon::prelude::*;

use super::{Run, Tally};
use crate::forward::Decoder;
use crate::head::Position;

/// Logits held at the same time: 16 MiB of them.
const LOGITS: usize = 1 << 22;

impl Run<'_> {
    /// Keeps the most likely tokens at the place of every scored token.
    pub(super) fn find_every(
        &self,
        finals: &[f32],
        targets: &[(usize, u32)],
        positions: &[Position],
        tally: &mut Tally<'_>,
    ) {
        let likely = likely_of_rows(self.decoder, finals, positions, tally.n_likely);
        for ((_, want), &(row, _)) in self.pending.iter().zip(targets) {
            let slot = tally.first[want.sequence as usize] + want.index as usize;
            tally.likely[slot].clone_from(&likely[row]);
        }
    }
}

/// The `n` most likely tokens of each of `rows` (m, width) after the final norm, in the order
/// and with the bits of [`Decoder::most_likely`].
fn likely_of_rows(
    decoder: &Decoder,
    rows: &[f32],
    positions: &[Position],
    n: usize,
) -> Vec<Vec<(u32, f32)>> {
    if positions.is_empty() {
        return Vec::new();
    }
    let width = rows.len() / positions.len();
    let vocab = decoder.plan().vocab_size;
    let share = (LOGITS / vocab).max(1);
    let mut all = Vec::with_capacity(positions.len());
    for (rows, positions) in rows.chunks(share * width).zip(positions.chunks(share)) {
        let logits = decoder.logits(rows);
        all.par_extend(
            logits
                .par_chunks_exact(vocab)
                .zip(positions)
                .map(|(logits, position)| most_likely(logits, position.log_sum_exp, n)),
        );
    }
    all
}

fn most_likely(logits: &[f32], log_sum_exp: f64, n: usize) -> Vec<(u32, f32)> {
    let before = |a: &u32, b: &u32| {
        logits[*b as usize]
            .total_cmp(&logits[*a as usize])
            .then(a.cmp(b))
    };
    let mut ids: Vec<u32> = (0..logits.len() as u32).collect();
    if n < ids.len() {
        ids.select_nth_unstable_by(n, before);
        ids.truncate(n);
    }
    ids.sort_unstable_by(before);
    ids.into_iter()
        .map(|id| {
            let logprob = (f64::from(logits[id as usize]) - log_sum_exp) as f32;
            (id, logprob)
        })
        .filter(|(_, logprob)| logprob.is_finite())
        .collect()
}
