//! Keys and values of tokens that later tokens will look at: fixed blocks, shared prefixes.
//!
//! A block holds 16 consecutive positions of one branch, for all layers. A
//! segment is a run of positions without a branch: a list of blocks. A sequence
//! is a chain of segments, of which it may use only the first part of each, so a
//! branch costs no copy.

/// Positions in a block.
pub const BLOCK: usize = 16;

/// Sizes of one model's cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KvShape {
    /// Layers.
    pub n_layers: usize,
    /// Key-value heads.
    pub n_kv_heads: usize,
    /// Features of a head.
    pub head_dim: usize,
}

impl KvShape {
    /// `head_dim` rounded up to whole vector lanes: the row length of values.
    #[must_use]
    pub fn padded_dim(&self) -> usize {
        self.head_dim.next_multiple_of(crate::kernels::LANES)
    }

    /// Numbers of one head of one layer in a block: keys (head_dim, 16), then values
    /// (16, padded_dim).
    #[must_use]
    pub fn head_len(&self) -> usize {
        BLOCK * (self.head_dim + self.padded_dim())
    }

    /// Where a head's numbers start in a block.
    #[must_use]
    pub fn head_at(&self, layer: usize, head: usize) -> usize {
        (layer * self.n_kv_heads + head) * self.head_len()
    }

    /// Numbers in a block.
    #[must_use]
    pub fn block_len(&self) -> usize {
        self.n_layers * self.n_kv_heads * self.head_len()
    }

    /// Copies the keys and values of one position from one block to another.
    fn copy_lane(&self, from: &[f32], from_lane: usize, to: &mut [f32], to_lane: usize) {
        let padded = self.padded_dim();
        for (from, to) in from
            .chunks_exact(self.head_len())
            .zip(to.chunks_exact_mut(self.head_len()))
        {
            let (keys, values) = from.split_at(self.head_dim * BLOCK);
            let (to_keys, to_values) = to.split_at_mut(self.head_dim * BLOCK);
            for (from, to) in keys
                .chunks_exact(BLOCK)
                .zip(to_keys.chunks_exact_mut(BLOCK))
            {
                to[to_lane] = from[from_lane];
            }
            to_values[to_lane * padded..][..padded]
                .copy_from_slice(&values[from_lane * padded..][..padded]);
        }
    }

    /// Bytes of a block.
    #[must_use]
    pub fn block_bytes(&self) -> usize {
        self.block_len() * size_of::<f32>()
    }
}

/// Index of a block in its pool.
pub type BlockIdx = u32;
/// Index of a segment in its pool.
pub type SegmentIdx = u32;

/// A run of positions without a branch.
#[derive(Debug, Default, Clone)]
pub struct Segment {
    /// Position of its first token.
    pub start: usize,
    /// Tokens in it.
    pub len: usize,
    /// Blocks, 16 tokens each.
    pub blocks: Vec<BlockIdx>,
    /// Chains that hold it.
    holders: u32,
}

/// All blocks and segments of one run.
#[derive(Debug)]
pub struct KvPool {
    shape: KvShape,
    blocks: Vec<Box<[f32]>>,
    free_blocks: Vec<BlockIdx>,
    segments: Vec<Segment>,
    free_segments: Vec<SegmentIdx>,
    max_blocks: usize,
}

impl KvPool {
    /// A pool that grows to at most `max_bytes` (at least one block).
    #[must_use]
    pub fn new(shape: KvShape, max_bytes: u64) -> Self {
        let max = max_bytes / shape.block_bytes().max(1) as u64;
        KvPool {
            shape,
            blocks: Vec::new(),
            free_blocks: Vec::new(),
            segments: Vec::new(),
            free_segments: Vec::new(),
            max_blocks: usize::try_from(max)
                .unwrap_or(usize::MAX)
                .clamp(1, u32::MAX as usize),
        }
    }

    /// Sizes.
    #[must_use]
    pub fn shape(&self) -> KvShape {
        self.shape
    }

    /// Blocks that can still be taken.
    #[must_use]
    pub fn available(&self) -> usize {
        self.free_blocks.len() + (self.max_blocks - self.blocks.len().min(self.max_blocks))
    }

    /// Most blocks at any one time.
    #[must_use]
    pub fn max_blocks(&self) -> usize {
        self.max_blocks
    }

    /// A new segment whose first token stands at `start`, held once.
    pub fn open(&mut self, start: usize) -> SegmentIdx {
        let segment = Segment {
            start,
            holders: 1,
            ..Segment::default()
        };
        match self.free_segments.pop() {
            Some(at) => {
                self.segments[at as usize] = segment;
                at
            }
            None => {
                self.segments.push(segment);
                (self.segments.len() - 1) as SegmentIdx
            }
        }
    }

    /// The segment.
    #[must_use]
    pub fn segment(&self, at: SegmentIdx) -> &Segment {
        &self.segments[at as usize]
    }

    /// Whether one more token fits on a segment without a new block.
    #[must_use]
    pub fn has_room(&self, at: SegmentIdx) -> bool {
        let s = self.segment(at);
        s.len < s.blocks.len() * BLOCK
    }

    /// Makes room for one more token on a segment and gives its block and lane;
    /// `None` when the budget is spent.
    pub fn push(&mut self, at: SegmentIdx) -> Option<(BlockIdx, usize)> {
        if !self.has_room(at) {
            let block = match self.free_blocks.pop() {
                Some(b) => b,
                None if self.blocks.len() < self.max_blocks => {
                    self.blocks
                        .push(vec![0.0; self.shape.block_len()].into_boxed_slice());
                    (self.blocks.len() - 1) as BlockIdx
                }
                None => return None,
            };
            self.segments[at as usize].blocks.push(block);
        }
        let s = &mut self.segments[at as usize];
        let slot = (s.blocks[s.len / BLOCK], s.len % BLOCK);
        s.len += 1;
        Some(slot)
    }

    /// Cuts a segment to its first `len` tokens; nobody may look at the rest any more.
    pub fn shrink(&mut self, at: SegmentIdx, len: usize) {
        let s = &mut self.segments[at as usize];
        debug_assert!(s.holders == 1 && len <= s.len);
        s.len = len;
        self.free_blocks
            .extend(s.blocks.drain(len.div_ceil(BLOCK)..));
    }

    /// Whether more than one chain holds the segment.
    #[must_use]
    pub fn is_shared(&self, at: SegmentIdx) -> bool {
        self.segment(at).holders > 1
    }

    /// One more chain holds the segment.
    pub fn hold(&mut self, at: SegmentIdx) {
        self.segments[at as usize].holders += 1;
    }

    /// A chain lets go of the segment; the last one frees its blocks.
    pub fn release(&mut self, at: SegmentIdx) {
        let s = &mut self.segments[at as usize];
        s.holders -= 1;
        if s.holders == 0 {
            self.free_blocks.append(&mut s.blocks);
            s.len = 0;
            self.free_segments.push(at);
        }
    }

    /// Copies the used tokens of a chain that nobody else holds to one segment, which takes
    /// its place: blocks that are partly used become whole ones.
    ///
    /// # Panics
    /// When more tokens are used than the segments hold.
    pub fn merge(&mut self, chain: &[(SegmentIdx, usize)]) -> (SegmentIdx, usize) {
        let total: usize = chain.iter().map(|&(_, used)| used).sum();
        let mut merged =
            vec![vec![0.0; self.shape.block_len()].into_boxed_slice(); total.div_ceil(BLOCK)];
        let mut at = 0;
        for &(segment, used) in chain {
            for i in 0..used {
                let from = &self.blocks[self.segment(segment).blocks[i / BLOCK] as usize];
                self.shape
                    .copy_lane(from, i % BLOCK, &mut merged[at / BLOCK], at % BLOCK);
                at += 1;
            }
        }
        let start = chain.first().map_or(0, |&(s, _)| self.segment(s).start);
        for &(segment, _) in chain {
            debug_assert!(!self.is_shared(segment));
            self.release(segment);
        }
        let segment = self.open(start);
        for block in merged {
            self.push(segment).expect("the chain held as many blocks");
            let s = &mut self.segments[segment as usize];
            let last = s.blocks[s.blocks.len() - 1];
            s.len = s.blocks.len() * BLOCK;
            self.blocks[last as usize] = block;
        }
        self.segments[segment as usize].len = total;
        (segment, total)
    }

    /// The numbers of a block.
    #[must_use]
    pub fn block(&self, at: BlockIdx) -> &[f32] {
        &self.blocks[at as usize]
    }

    /// Takes a block out to write to it; [`KvPool::put`] brings it back.
    pub fn take(&mut self, at: BlockIdx) -> Box<[f32]> {
        std::mem::take(&mut self.blocks[at as usize])
    }

    /// Brings a block back.
    pub fn put(&mut self, at: BlockIdx, block: Box<[f32]>) {
        self.blocks[at as usize] = block;
    }

    /// Blocks in use.
    #[must_use]
    pub fn used(&self) -> usize {
        self.blocks.len() - self.free_blocks.len()
    }
}
