//! Rows that go through the model together, and which cached keys each row looks at.
//!
//! Rows come in depth-first order of the token trie, so the rows that share a
//! block of keys are consecutive, and attention over that block is one product
//! for all of them: a [`Piece`].

use std::ops::Range;

use crate::kv::{BLOCK, BlockIdx, KvPool, SegmentIdx};

/// Keys of one block, seen by a run of rows. A row sees those not after its own position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The block.
    pub block: BlockIdx,
    /// Position of its first lane.
    pub start: usize,
    /// Lanes that belong to these rows' branch.
    pub n_keys: usize,
    /// The rows.
    pub rows: Range<usize>,
}

/// Rows with their tokens, positions, places in the cache, and pieces in order of `start`.
#[derive(Debug, Default, Clone)]
pub struct Batch {
    /// Token ids.
    pub tokens: Vec<u32>,
    /// Positions from 0.
    pub positions: Vec<usize>,
    /// Block and lane that a row's key and value are written to.
    pub slots: Vec<(BlockIdx, usize)>,
    /// What the rows look at.
    pub pieces: Vec<Piece>,
}

impl Batch {
    /// Rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether it has no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }
}

/// A segment that the current branch goes through.
#[derive(Debug)]
struct Open {
    segment: SegmentIdx,
    len: usize,
    /// First row that sees the segment at this length.
    since: usize,
    /// First row that this batch appended to the segment, and its offset in it.
    own: Option<(usize, usize)>,
    /// The row after the last that was appended to it; `since` where none was.
    next: usize,
}

/// Builds a batch row by row, following branches.
#[derive(Debug, Default)]
pub struct BatchBuilder {
    batch: Batch,
    open: Vec<Open>,
}

impl BatchBuilder {
    /// Rows so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.batch.len()
    }

    /// Whether there are no rows yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// Moves to the branch that uses the first `len` tokens of each segment of `chain`.
    pub fn goto(&mut self, chain: &[(SegmentIdx, usize)], pool: &KvPool) {
        let same = self
            .open
            .iter()
            .zip(chain)
            .take_while(|(o, c)| o.segment == c.0 && o.len == c.1)
            .count();
        for open in self.open.drain(same..) {
            close(&mut self.batch, &open, pool);
        }
        let since = self.batch.len();
        for &(segment, len) in &chain[same..] {
            self.open.push(Open {
                segment,
                len,
                since,
                own: None,
                next: since,
            });
        }
    }

    /// Appends a row to the last segment of the branch; `false` when the cache is full.
    pub fn push(&mut self, token: u32, pool: &mut KvPool) -> bool {
        let row = self.batch.len();
        let last = self
            .open
            .last_mut()
            .expect("a branch was gone to before rows are pushed");
        debug_assert_eq!(last.len, pool.segment(last.segment).len);
        if last.next != row {
            // Rows of branches saw the segment at this length; they must not see it longer.
            close(&mut self.batch, last, pool);
            (last.since, last.own, last.next) = (row, None, row);
        }
        let Some(slot) = pool.push(last.segment) else {
            return false;
        };
        last.own.get_or_insert((row, last.len));
        last.next = row + 1;
        self.batch.tokens.push(token);
        self.batch
            .positions
            .push(pool.segment(last.segment).start + last.len);
        self.batch.slots.push(slot);
        last.len += 1;
        true
    }

    /// The batch; the builder starts again on the same branch's segments only after
    /// [`BatchBuilder::goto`].
    pub fn finish(&mut self, pool: &KvPool) -> Batch {
        for open in self.open.drain(..) {
            close(&mut self.batch, &open, pool);
        }
        let mut batch = std::mem::take(&mut self.batch);
        batch.pieces.sort_by_key(|p| (p.start, p.rows.start));
        batch
    }
}

/// Writes down which rows saw a segment's blocks while it was open.
fn close(batch: &mut Batch, open: &Open, pool: &KvPool) {
    let segment = pool.segment(open.segment);
    let end = batch.len();
    for (b, &block) in segment.blocks.iter().enumerate() {
        let first = b * BLOCK;
        if first >= open.len {
            break;
        }
        let rows = match open.own {
            Some((row, offset)) if first > offset => row + (first - offset)..end,
            _ => open.since..end,
        };
        if !rows.is_empty() {
            batch.pieces.push(Piece {
                block,
                start: segment.start + first,
                n_keys: (open.len - first).min(BLOCK),
                rows,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kv::KvShape;
    use crate::score::Path;

    /// Checks that every row sees each of its positions once, in the slot of its own ancestor.
    fn check(batch: &Batch, ancestors: &[Vec<(BlockIdx, usize)>]) {
        for (row, wanted) in ancestors.iter().enumerate() {
            let position = batch.positions[row];
            let mut seen = Vec::new();
            for piece in batch.pieces.iter().filter(|p| p.rows.contains(&row)) {
                for lane in 0..piece.n_keys {
                    if piece.start + lane <= position {
                        assert_eq!(seen.len(), piece.start + lane, "row {row}");
                        seen.push((piece.block, lane));
                    }
                }
            }
            assert_eq!(&seen, wanted, "row {row}");
            assert_eq!(batch.slots[row], wanted[position]);
        }
    }

    proptest! {
        #[test]
        fn rows_see_their_own_branch_and_nothing_else(
            mut inputs in prop::collection::vec(prop::collection::vec(0u32..2, 1..40), 1..12),
            max_rows in 1usize..50,
        ) {
            inputs.sort();
            inputs.dedup();
            let shape = KvShape { n_layers: 1, n_kv_heads: 1, head_dim: 1 };
            let mut pool = KvPool::new(shape, u64::MAX);
            let (mut builder, mut path) = (BatchBuilder::default(), Path::default());
            // Slots of the branch being walked, and of every row's branch.
            let (mut slots, mut ancestors) = (Vec::new(), Vec::new());
            for (i, input) in inputs.iter().enumerate() {
                let before = if i == 0 { &[][..] } else { &inputs[i - 1][..] };
                let shared = input.iter().zip(before).take_while(|(a, b)| a == b).count();
                slots.truncate(shared);
                path.truncate(shared, &pool);
                path.extend(&mut pool);
                builder.goto(&path.chain, &pool);
                for &token in &input[shared..] {
                    if builder.len() == max_rows {
                        check(&builder.finish(&pool), &ancestors);
                        ancestors.clear();
                        path.release_left(&mut pool);
                        path.tighten(&mut pool);
                        builder.goto(&path.chain, &pool);
                    }
                    prop_assert!(builder.push(token, &mut pool));
                    if let Some(last) = path.chain.last_mut() {
                        last.1 += 1;
                    }
                    slots.push(*builder.batch.slots.last().unwrap());
                    ancestors.push(slots.clone());
                }
            }
            check(&builder.finish(&pool), &ancestors);
        }
    }
}
