//! Scoring: the trie in depth-first order, batch by batch, each token once.
//!
//! In depth-first order only the branch being walked and the batch itself need
//! their keys and values, so nothing is ever evicted and computed again: a branch
//! is let go when the walk leaves it.

mod every;

use upturn_types::{Flow, LmError, Work};

use crate::batch::BatchBuilder;
use crate::forward::{Decoder, Scratch};
use crate::kv::{BLOCK, KvPool, SegmentIdx};
use crate::trie::{Sequence, Trie, Want};

/// Limits of a run; none of them changes a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Rows of a batch.
    pub max_rows: usize,
    /// Bytes of keys and values.
    pub kv_bytes: u64,
}

/// Scores of one sequence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Sum of its scored tokens' log-probabilities, nats.
    pub logprob: f32,
    /// Whether each was the most likely token.
    pub is_greedy: bool,
}

/// Scores of one sequence, token by token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenScores<'s> {
    /// Log-probability of each scored token, nats.
    pub logprobs: &'s [f32],
    /// The most likely tokens at the place of the first scored one with their
    /// log-probabilities, the most likely first, the lowest id of a tie first.
    pub likely: &'s [(u32, f32)],
    /// The same at the place of each scored token; empty unless asked for
    /// ([`score_every`]).
    pub each: &'s [Vec<(u32, f32)>],
}

/// The branch being walked: segments and how much of each is used.
#[derive(Debug, Default)]
pub(crate) struct Path {
    pub(crate) chain: Vec<(SegmentIdx, usize)>,
    /// Left by the walk, but still looked at by rows that have not run.
    left: Vec<SegmentIdx>,
}

impl Path {
    /// Goes back to the first `len` positions.
    pub(crate) fn truncate(&mut self, len: usize, pool: &KvPool) {
        while let Some(&mut (segment, ref mut used)) = self.chain.last_mut() {
            let start = pool.segment(segment).start;
            if start >= len {
                self.left.push(segment);
                self.chain.pop();
            } else {
                *used = (*used).min(len - start);
                break;
            }
        }
    }

    /// Makes the last segment one that can be appended to.
    pub(crate) fn extend(&mut self, pool: &mut KvPool) {
        match self.chain.last() {
            Some(&(segment, used)) if used == pool.segment(segment).len => {}
            last => {
                let start = last.map_or(0, |&(s, used)| pool.segment(s).start + used);
                self.chain.push((pool.open(start), 0));
            }
        }
    }

    /// Leaves segments, which rows of the batch may still look at.
    pub(crate) fn leave(&mut self, chain: Vec<(SegmentIdx, usize)>) {
        self.left
            .extend(chain.into_iter().map(|(segment, _)| segment));
    }

    /// Lets go of what the walk has left.
    pub(crate) fn release_left(&mut self, pool: &mut KvPool) {
        for segment in self.left.drain(..) {
            pool.release(segment);
        }
    }

    /// Frees what the walk has left of its own segments; no row may look at it any more.
    pub(crate) fn tighten(&self, pool: &mut KvPool) {
        for &(segment, used) in &self.chain {
            if !pool.is_shared(segment) {
                pool.shrink(segment, used);
            }
        }
    }

    /// Makes one segment of a tightened path that nobody else holds; `false` when it is one.
    pub(crate) fn merge(&mut self, pool: &mut KvPool) -> bool {
        if self.chain.len() < 2 {
            return false;
        }
        self.chain = vec![pool.merge(&self.chain)];
        true
    }

    /// Tokens that can be appended before a new block is needed.
    pub(crate) fn spare(&self, pool: &KvPool) -> usize {
        match self.chain.last() {
            Some(&(segment, used)) if used == pool.segment(segment).len => {
                pool.segment(segment).blocks.len() * BLOCK - used
            }
            _ => 0,
        }
    }
}

/// Results as they come in.
struct Tally<'a> {
    first: Vec<usize>,
    logprobs: Vec<f32>,
    missing: Vec<u32>,
    greedy: Vec<bool>,
    /// How many of the most likely tokens are asked for.
    n_likely: usize,
    /// Whether at every place, or at that of a sequence's first scored token.
    every: bool,
    /// They, for each sequence, or for each scored token of each.
    likely: Vec<Vec<(u32, f32)>>,
    done: &'a mut dyn FnMut(usize, Score, TokenScores<'_>) -> Flow,
}

impl Tally<'_> {
    fn record(&mut self, want: &Want, logprob: f32, best: u32) -> Result<(), LmError> {
        let s = want.sequence as usize;
        if !logprob.is_finite() {
            return Err(LmError::Model(format!(
                "the log-probability of token {} is {logprob}: the model's numbers overflow or hold NaN",
                want.target
            )));
        }
        self.logprobs[self.first[s] + want.index as usize] = logprob;
        self.greedy[s] &= best == want.target;
        self.missing[s] -= 1;
        if self.missing[s] == 0 {
            let all = &self.logprobs[self.first[s]..self.first[s + 1]];
            let score = Score {
                logprob: all.iter().map(|&l| f64::from(l)).sum::<f64>() as f32,
                is_greedy: self.greedy[s],
            };
            let each = match self.every {
                true => &self.likely[self.first[s]..self.first[s + 1]],
                false => &[],
            };
            let tokens = TokenScores {
                logprobs: all,
                likely: match self.every {
                    true => each.first().map_or(&[], Vec::as_slice),
                    false => self.likely.get(s).map_or(&[], Vec::as_slice),
                },
                each,
            };
            if (self.done)(s, score, tokens).is_break() {
                return Err(LmError::Stopped);
            }
        }
        Ok(())
    }
}

/// Scores every sequence; `done` is called once for each, as soon as it is known.
///
/// # Errors
/// [`LmError::Stopped`] when `done` says so; [`LmError::Model`] when a number is not
/// finite or the cache is too small for the longest sequence.
pub fn score(
    decoder: &Decoder,
    sequences: &[Sequence],
    limits: Limits,
    done: &mut dyn FnMut(usize, Score) -> Flow,
) -> Result<Work, LmError> {
    score_tokens(decoder, sequences, limits, 0, &mut |i, score, _| {
        done(i, score)
    })
}

/// As [`score`], with every token's log-probability and the `n_likely` most likely tokens
/// at the place of the first.
///
/// # Errors
/// As [`score`].
pub fn score_tokens(
    decoder: &Decoder,
    sequences: &[Sequence],
    limits: Limits,
    n_likely: usize,
    done: &mut dyn FnMut(usize, Score, TokenScores<'_>) -> Flow,
) -> Result<Work, LmError> {
    score_likely(decoder, sequences, limits, n_likely, false, done)
}

/// As [`score_tokens`], with the `n_likely` (at least 1) most likely tokens at the place of
/// every scored token.
///
/// # Errors
/// As [`score`].
pub fn score_every(
    decoder: &Decoder,
    sequences: &[Sequence],
    limits: Limits,
    n_likely: usize,
    done: &mut dyn FnMut(usize, Score, TokenScores<'_>) -> Flow,
) -> Result<Work, LmError> {
    score_likely(decoder, sequences, limits, n_likely.max(1), true, done)
}

fn score_likely(
    decoder: &Decoder,
    sequences: &[Sequence],
    limits: Limits,
    n_likely: usize,
    every: bool,
    done: &mut dyn FnMut(usize, Score, TokenScores<'_>) -> Flow,
) -> Result<Work, LmError> {
    let trie = Trie::new(sequences);
    decoder.expect(trie.n_requested, trie.n_distinct);
    let mut first = vec![0];
    for s in sequences {
        first.push(first[first.len() - 1] + s.tokens.len() - s.first_scored);
    }
    let mut tally = Tally {
        logprobs: vec![0.0; first[first.len() - 1]],
        missing: first.windows(2).map(|w| (w[1] - w[0]) as u32).collect(),
        greedy: vec![true; sequences.len()],
        n_likely,
        every,
        likely: match (n_likely, every) {
            (0, _) => Vec::new(),
            (_, true) => vec![Vec::new(); first[first.len() - 1]],
            (_, false) => vec![Vec::new(); sequences.len()],
        },
        first,
        done,
    };
    let mut run = Run {
        decoder,
        pool: KvPool::new(decoder.kv_shape(), limits.kv_bytes),
        builder: BatchBuilder::default(),
        path: Path::default(),
        pending: Vec::new(),
        scratch: Scratch::default(),
        work: Work {
            tokens_requested: trie.n_requested,
            tokens_distinct: trie.n_distinct,
            ..Work::default()
        },
    };
    let mut wants = trie.wants.iter().peekable();
    for (at, (&s, &shared)) in trie.order.iter().zip(&trie.shared).enumerate() {
        let input = sequences[s as usize].input();
        let shared = shared as usize;
        if shared < input.len() {
            run.path.truncate(shared, &run.pool);
            run.path.extend(&mut run.pool);
            run.builder.goto(&run.path.chain, &run.pool);
        }
        for (position, &token) in input.iter().enumerate().skip(shared) {
            if run.builder.len() >= limits.max_rows.max(1) {
                run.flush(&mut tally)?;
            }
            if !run.push(token) {
                run.flush(&mut tally)?;
                let pushed = run.push(token) || (run.merge() && run.push(token));
                if !pushed {
                    return Err(LmError::Model(format!(
                        "the key-value memory holds {} tokens, too few for an input of {}; raise --kv-memory",
                        run.pool.max_blocks() * BLOCK,
                        input.len()
                    )));
                }
            }
            let row = run.builder.len() - 1;
            while let Some(w) =
                wants.next_if(|w| (w.at, w.position) == (at as u32, position as u32))
            {
                run.pending.push((row, *w));
            }
        }
    }
    run.flush(&mut tally)?;
    Ok(run.work)
}

struct Run<'a> {
    decoder: &'a Decoder,
    pool: KvPool,
    builder: BatchBuilder,
    path: Path,
    /// Rows of the batch being built, and what is asked of them.
    pending: Vec<(usize, Want)>,
    scratch: Scratch,
    work: Work,
}

impl Run<'_> {
    fn push(&mut self, token: u32) -> bool {
        let pushed = self.builder.push(token, &mut self.pool);
        if pushed && let Some(last) = self.path.chain.last_mut() {
            last.1 += 1;
        }
        pushed
    }

    /// Makes room in the cache without computing anything again.
    fn merge(&mut self) -> bool {
        let merged = self.path.merge(&mut self.pool);
        self.builder.goto(&self.path.chain, &self.pool);
        merged
    }

    /// Keeps the most likely tokens where the first scored token of a sequence stands.
    fn find_likely(&self, finals: &[f32], targets: &[(usize, u32)], tally: &mut Tally<'_>) {
        let width = finals.len() / (targets.last().map_or(0, |t| t.0) + 1);
        let mut of_row: Option<(usize, Vec<(u32, f32)>)> = None;
        for ((_, want), &(row, _)) in self.pending.iter().zip(targets) {
            if want.index > 0 {
                continue;
            }
            let (_, likely) = match of_row.take().filter(|(known, _)| *known == row) {
                Some(known) => of_row.insert(known),
                None => {
                    let hidden = &finals[row * width..][..width];
                    of_row.insert((row, self.decoder.most_likely(hidden, tally.n_likely)))
                }
            };
            tally.likely[want.sequence as usize].clone_from(likely);
        }
    }

    fn flush(&mut self, tally: &mut Tally<'_>) -> Result<(), LmError> {
        let batch = self.builder.finish(&self.pool);
        if !batch.is_empty() {
            self.work.tokens_computed += batch.len() as u64;
            self.work.flops += self.decoder.flops_of_rows(&batch.positions);
            let hidden = self
                .decoder
                .forward(&batch, &mut self.pool, &mut self.scratch);
            let mut rows: Vec<usize> = self.pending.iter().map(|p| p.0).collect();
            rows.dedup();
            self.work.positions_projected += rows.len() as u64;
            self.work.flops += rows.len() as u64 * self.decoder.flops_per_projection();
            let finals = self.decoder.final_rows(hidden, &rows);
            let mut index = 0;
            let targets: Vec<(usize, u32)> = self
                .pending
                .iter()
                .map(|(row, w)| {
                    while rows[index] != *row {
                        index += 1;
                    }
                    (index, w.target)
                })
                .collect();
            let (positions, logprobs) = self.decoder.logprobs(&finals, &targets);
            if tally.every {
                self.find_every(&finals, &targets, &positions, tally);
            } else if tally.n_likely > 0 {
                self.find_likely(&finals, &targets, tally);
            }
            for (((_, want), target), &logprob) in self.pending.iter().zip(&targets).zip(&logprobs)
            {
                tally.record(want, logprob, positions[target.0].best)?;
            }
            self.pending.clear();
        }
        self.path.release_left(&mut self.pool);
        self.path.tighten(&mut self.pool);
        self.builder.goto(&self.path.chain, &self.pool);
        Ok(())
    }
}
