//! A model in training: parameters, gradients, moments, and the memory of its steps.

use std::ops::Range;
use std::path::Path;
use std::sync::Mutex;

use rayon::prelude::*;

use super::batch::{Batch, IGNORE};
use super::buffer::Buffer;
use super::draw::draw;
use super::error::TrainError;
use super::init::Init;
use super::lanes::{LANES, Lanes, Op, run};
use super::layout::{Layout, Tensor};
use super::optimizer::{AdamW, LearningRates};
use super::product::{PANEL, vec_at, vec_at_mut};
use super::shape::Shape;
use super::step::{Gradients, Net, RopeTable, Rows, Workspace};
use super::update::{Flat, PIECE, Span, norm, spans, update};
use super::{folder, state};

/// Most buffers of gradients.
const GROUPS_MAX: usize = 8;
/// Bytes that they may take up together.
const GROUPS_BYTES: usize = 128 << 20;
/// Most rows of a chunk, but for a sequence that is longer.
const CHUNK_MAX: usize = 256;
/// Fewest rows of a chunk, but for the last of a batch.
const CHUNK_MIN: usize = 64;

/// Numbers of a model from which threads that would be idle share out the work within a chunk.
const SPREAD_MIN: usize = 1 << 20;

/// What one update did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepStats {
    /// Norm over all parameters of the gradient of the mean loss per target, before clipping.
    pub grad_norm: f64,
    /// Whether it was scaled down to `clip_norm`.
    pub clipped: bool,
}

/// A tensor under its name in the checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTensor {
    /// Name in the Hugging Face layout.
    pub name: String,
    /// Rows first.
    pub shape: Vec<usize>,
    /// Numbers, rows first.
    pub values: Vec<f32>,
}

/// Whole sequences that are computed together.
#[derive(Debug, Clone, Copy)]
struct Chunk {
    first_row: usize,
    n_rows: usize,
    first_sequence: usize,
    n_sequences: usize,
}

/// Gradients of some of a batch's chunks.
#[derive(Debug)]
struct Group {
    grads: Buffer,
    lanes: Buffer,
    loss: f64,
}

/// A model in training. See the [module](super) for what it promises.
#[derive(Debug)]
pub struct Trainer {
    shape: Shape,
    layout: Layout,
    tensors: Vec<Tensor>,
    /// Places of the flat buffers that belong to no tensor.
    padding: Vec<Range<usize>>,
    rates: LearningRates,
    params: Buffer,
    first: Buffer,
    second: Buffer,
    /// The first one holds the gradients of all batches since the last update; what lies there
    /// means nothing where `n_targets` is 0.
    groups: Vec<Group>,
    spans: Vec<Span>,
    sums: Vec<f64>,
    rope: RopeTable,
    workspaces: Mutex<Vec<Workspace>>,
    chunks: Vec<Chunk>,
    /// Largest chunk so far, in panels.
    panels: usize,
    n_targets: u64,
    step: u64,
}

/// Buffers of gradients for a model of `len` numbers.
fn n_groups(len: usize) -> usize {
    let fit = GROUPS_BYTES / (len * size_of::<f32>()).max(1);
    // A power of two shares out evenly over most numbers of threads.
    1 << fit.clamp(1, GROUPS_MAX).ilog2()
}

/// Rows of a chunk for a batch of `n_rows`.
fn chunk_rows(n_rows: usize, n_groups: usize) -> usize {
    n_rows
        .div_ceil(n_groups)
        .next_multiple_of(PANEL)
        .clamp(CHUNK_MIN, CHUNK_MAX)
}

/// The places of a flat buffer of `len` numbers that no tensor has.
fn gaps(tensors: &[Tensor], len: usize) -> Vec<Range<usize>> {
    let mut is_named = vec![false; len];
    for tensor in tensors {
        let n_columns = tensor.shape.get(1).copied().unwrap_or(1);
        for i in 0..tensor.shape[0] {
            for j in 0..n_columns {
                is_named[tensor.index(i, j)] = true;
            }
        }
    }
    let mut gaps: Vec<Range<usize>> = Vec::new();
    for (at, _) in is_named.iter().enumerate().filter(|(_, named)| !**named) {
        match gaps.last_mut() {
            Some(gap) if gap.end == at => gap.end += 1,
            _ => gaps.push(at..at + 1),
        }
    }
    gaps
}

impl Trainer {
    /// A new model with random parameters. `rates` are factors on the learning rate.
    ///
    /// # Errors
    /// [`TrainError::Shape`] where the shape is not a decoder's.
    pub fn new(shape: Shape, init: &Init, rates: LearningRates) -> Result<Self, TrainError> {
        let mut trainer = Trainer::empty(shape, rates)?;
        draw(init, &trainer.tensors, &mut trainer.params);
        Ok(trainer)
    }

    /// The model of a Hugging Face folder, with moments of 0: for fine-tuning. Weights may be
    /// F32, BF16 or F16 and become f32.
    ///
    /// # Errors
    /// Where the folder cannot be read, or is not of one of the two layouts of
    /// [`Block`](super::Block) without further options.
    pub fn from_folder(dir: &Path, rates: LearningRates) -> Result<Self, TrainError> {
        let (checkpoint, shape) = folder::open(dir)?;
        let mut trainer = Trainer::empty(shape, rates)?;
        for tensor in &trainer.tensors {
            let numbers = crate::gemm::tensor_f32(&checkpoint, &tensor.name)?;
            tensor.scatter(&numbers, &mut trainer.params);
        }
        Ok(trainer)
    }

    fn empty(shape: Shape, rates: LearningRates) -> Result<Self, TrainError> {
        if let Some(fault) = shape.fault() {
            return Err(TrainError::Shape(fault));
        }
        let layout = Layout::new(&shape);
        let len = layout.len;
        let tensors = layout.tensors(&shape);
        let lanes = (len - layout.vectors_at) * LANES;
        let groups = (0..n_groups(len))
            .map(|_| Group {
                grads: Buffer::new(len),
                lanes: Buffer::new(lanes),
                loss: 0.0,
            })
            .collect();
        Ok(Trainer {
            shape,
            padding: gaps(&tensors, len),
            tensors,
            rates,
            params: Buffer::new(len),
            first: Buffer::new(len),
            second: Buffer::new(len),
            groups,
            spans: spans(&layout),
            sums: vec![0.0; len.div_ceil(PIECE)],
            rope: RopeTable::default(),
            workspaces: Mutex::default(),
            chunks: Vec::new(),
            panels: 0,
            n_targets: 0,
            step: 0,
            layout,
        })
    }

    /// The model's shape.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Updates made.
    #[must_use]
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Targets whose gradients wait for the next update.
    #[must_use]
    pub fn n_targets(&self) -> u64 {
        self.n_targets
    }

    /// Parameters, tensor by tensor as the checkpoint names them.
    #[must_use]
    pub fn parameters(&self) -> Vec<NamedTensor> {
        self.named(&self.params)
    }

    /// Gradients of the sum of losses since the last update.
    #[must_use]
    pub fn gradients(&self) -> Vec<NamedTensor> {
        let mut all = self.named(&self.groups[0].grads);
        if self.n_targets == 0 {
            all.iter_mut().for_each(|t| t.values.fill(0.0));
        }
        all
    }

    fn named(&self, flat: &[f32]) -> Vec<NamedTensor> {
        self.tensors
            .iter()
            .map(|t| NamedTensor {
                name: t.name.clone(),
                shape: t.shape.clone(),
                values: t.gather(flat),
            })
            .collect()
    }

    /// Forgets the gradients since the last update.
    pub fn discard(&mut self) {
        self.n_targets = 0;
    }

    /// Adds the gradients of the sum of the batch's losses, and returns that sum in nats: of
    /// −ln p(target) over positions with a target. Several calls before one update are one
    /// larger batch.
    ///
    /// # Errors
    /// [`TrainError::Batch`] where a token or target is not in the vocabulary, a sequence is
    /// longer than the model's positions, lengths do not add up, or nothing has a target;
    /// [`TrainError::NotFinite`] where the loss is not.
    pub fn accumulate(&mut self, batch: &Batch) -> Result<f64, TrainError> {
        let n_targets = self.check(batch)?;
        let loss = self.run(batch, true);
        if !loss.is_finite() {
            self.discard();
            return Err(self.not_finite("loss"));
        }
        self.n_targets += n_targets as u64;
        Ok(loss)
    }

    /// Sum of the batch's losses in nats, without gradients.
    ///
    /// # Errors
    /// [`TrainError::Batch`] as in [`Trainer::accumulate`]. A loss that is not finite is
    /// returned.
    pub fn loss(&mut self, batch: &Batch) -> Result<f64, TrainError> {
        self.check(batch)?;
        Ok(self.run(batch, false))
    }

    /// Updates the parameters by the gradient of the mean loss per target since the last
    /// update, clipped, and forgets them.
    ///
    /// # Errors
    /// [`TrainError::NothingAccumulated`] where there is no gradient;
    /// [`TrainError::NotFinite`] where its norm is not finite. Parameters are left alone.
    pub fn apply(&mut self, settings: &AdamW) -> Result<StepStats, TrainError> {
        if self.n_targets == 0 {
            return Err(TrainError::NothingAccumulated { step: self.step });
        }
        let mean = 1.0 / self.n_targets as f64;
        // What padding gathered is no gradient of anything.
        for gap in &self.padding {
            self.groups[0].grads[gap.clone()].fill(0.0);
        }
        let grad_norm = norm(&self.groups[0].grads, &mut self.sums) * mean;
        if !grad_norm.is_finite() {
            self.discard();
            return Err(self.not_finite("gradient norm"));
        }
        let clip = f64::from(settings.clip_norm);
        let clipped = grad_norm > clip;
        let scale = if clipped {
            mean * clip / grad_norm
        } else {
            mean
        };
        self.step += 1;
        self.n_targets = 0;
        let flat = Flat {
            params: &mut self.params,
            grads: &self.groups[0].grads,
            first: &mut self.first,
            second: &mut self.second,
        };
        update(flat, &self.spans, settings, &self.rates, self.step, scale);
        Ok(StepStats { grad_norm, clipped })
    }

    fn not_finite(&self, what: &'static str) -> TrainError {
        TrainError::NotFinite {
            step: self.step,
            what,
        }
    }

    /// Number of targets of a batch that fits the model.
    fn check(&self, batch: &Batch) -> Result<usize, TrainError> {
        let n = batch.tokens.len();
        let fail = |message: String| Err(TrainError::Batch(message));
        if batch.targets.len() != n {
            let targets = batch.targets.len();
            return fail(format!(
                "{n} tokens and {targets} targets; expected as many"
            ));
        }
        let sum: usize = batch.lengths.iter().sum();
        if sum != n {
            return fail(format!("lengths add up to {sum}, but there are {n} tokens"));
        }
        let most = self.shape.max_positions;
        for (i, &length) in batch.lengths.iter().enumerate() {
            if length == 0 {
                return fail(format!("sequence {i} is empty"));
            }
            if length > most {
                return fail(format!(
                    "sequence {i} has {length} tokens; the model has max_positions {most}"
                ));
            }
        }
        let vocab = self.shape.vocab_size;
        let mut n_targets = 0;
        for (i, (&token, &target)) in batch.tokens.iter().zip(&batch.targets).enumerate() {
            if token as usize >= vocab {
                return fail(format!("token {token} at {i}; vocab_size is {vocab}"));
            }
            if target == IGNORE {
                continue;
            }
            n_targets += 1;
            if target as usize >= vocab {
                return fail(format!("target {target} at {i}; vocab_size is {vocab}"));
            }
        }
        if n_targets == 0 {
            return fail("no position has a target".to_owned());
        }
        Ok(n_targets)
    }

    /// Splits a batch into chunks. It depends on lengths and shape, never on threads.
    fn partition(&mut self, batch: &Batch) {
        self.chunks.clear();
        let most = chunk_rows(batch.tokens.len(), self.groups.len());
        let mut now = Chunk {
            first_row: 0,
            n_rows: 0,
            first_sequence: 0,
            n_sequences: 0,
        };
        for &length in &batch.lengths {
            if now.n_rows > 0 && now.n_rows + length > most {
                self.chunks.push(now);
                now = Chunk {
                    first_row: now.first_row + now.n_rows,
                    n_rows: 0,
                    first_sequence: now.first_sequence + now.n_sequences,
                    n_sequences: 0,
                };
            }
            now.n_rows += length;
            now.n_sequences += 1;
        }
        self.chunks.push(now);
    }

    fn run(&mut self, batch: &Batch, backward: bool) -> f64 {
        self.partition(batch);
        let longest = batch.lengths.iter().copied().max().unwrap_or(0);
        self.rope.grow(&self.shape, longest);
        let panels = |c: &Chunk| c.n_rows.div_ceil(PANEL);
        let largest = self.chunks.iter().map(panels).max().unwrap_or(0);
        self.panels = self.panels.max(largest);
        let active = self.groups.len().min(self.chunks.len());
        let threads = rayon::current_num_threads().min(active);
        let spaces = self.workspaces.get_mut();
        let spaces = spaces.unwrap_or_else(std::sync::PoisonError::into_inner);
        if spaces.len() < threads {
            spaces.resize_with(threads, Workspace::default);
        }
        for space in &mut *spaces {
            space.reserve(&self.shape, self.panels);
        }

        let net = Net {
            shape: &self.shape,
            layout: &self.layout,
            params: &self.params,
            rope: &self.rope,
            spread: rayon::current_num_threads() > active && SPREAD_MIN <= self.layout.len,
        };
        let (chunks, pool) = (&self.chunks, &self.workspaces);
        let none_before = self.n_targets == 0;
        let one = |(g, group): (usize, &mut Group)| {
            let locked = || {
                pool.lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner)
            };
            let mut space = locked().pop().unwrap_or_default();
            // A thread that waits for others may take up a second group.
            space.reserve(net.shape, largest);
            let mine = g * chunks.len() / active..(g + 1) * chunks.len() / active;
            group.run(
                &net,
                g > 0 || none_before,
                batch,
                &chunks[mine],
                &mut space,
                backward,
            );
            locked().push(space);
        };
        let groups = &mut self.groups[..active];
        if threads == 1 {
            groups.iter_mut().enumerate().for_each(one);
        } else {
            groups
                .par_iter_mut()
                .enumerate()
                .with_max_len(1)
                .for_each(one);
        }
        if backward {
            merge(groups);
        }
        groups.iter().map(|g| g.loss).sum()
    }

    /// Bytes of all buffers that the trainer holds.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let flat = [&self.params, &self.first, &self.second];
        let groups = self.groups.iter().flat_map(|g| [&g.grads, &g.lanes]);
        let locked = self.workspaces.lock();
        let spaces = locked.unwrap_or_else(std::sync::PoisonError::into_inner);
        flat.into_iter()
            .chain(groups)
            .map(Buffer::bytes)
            .sum::<usize>()
            + self.sums.capacity() * size_of::<f64>()
            + self.spans.capacity() * size_of::<Span>()
            + self.chunks.capacity() * size_of::<Chunk>()
            + self.rope.bytes()
            + spaces
                .iter()
                .map(|s| Workspace::bytes_of(&self.shape, s.n_panels()))
                .sum::<usize>()
    }

    /// Writes `config.json`, `generation_config.json` and `model.safetensors` to a new folder
    /// `dir`, whole or not at all. transformers and [`crate::Model`] load it as it is, once a
    /// tokenizer is beside it.
    ///
    /// # Errors
    /// [`TrainError::File`] where the folder exists and is not empty, or cannot be written.
    pub fn write_folder(
        &self,
        dir: &Path,
        bos_token_id: Option<u32>,
        eos_token_id: Option<u32>,
    ) -> Result<(), TrainError> {
        let tokens = [
            ("bos_token_id", bos_token_id),
            ("eos_token_id", eos_token_id),
        ];
        folder::write(dir, &self.shape, &tokens, &self.parameters())
    }

    /// Writes parameters, moments and the number of updates to one file, whole or not at all.
    ///
    /// # Errors
    /// [`TrainError::File`] where it cannot be written, or where gradients wait for an update.
    pub fn save_state(&self, path: &Path) -> Result<(), TrainError> {
        if self.n_targets > 0 {
            return Err(TrainError::File {
                path: path.to_owned(),
                message: "gradients wait for an update, and are not part of a state; apply or \
                          discard them first"
                    .to_owned(),
            });
        }
        let parts = [&self.params, &self.first, &self.second].map(|flat| self.named(flat));
        state::save(path, &self.shape, self.step, &parts)
    }

    /// Takes up a state that [`Trainer::save_state`] wrote: training goes on with the same bits.
    /// Gradients become 0.
    ///
    /// # Errors
    /// Where the file cannot be read or is of another shape; the trainer is then as before.
    pub fn load_state(&mut self, path: &Path) -> Result<(), TrainError> {
        let (step, parts) = state::load(path, &self.shape, &self.tensors)?;
        for (flat, part) in [&mut self.params, &mut self.first, &mut self.second]
            .into_iter()
            .zip(&parts)
        {
            for (tensor, numbers) in self.tensors.iter().zip(part) {
                tensor.scatter(numbers, flat);
            }
        }
        self.step = step;
        self.discard();
        Ok(())
    }
}

impl Shape {
    /// Bytes that a [`Trainer`] of this shape holds once it has seen batches of `n_rows` tokens
    /// in sequences of at most `longest`, on `threads` threads. The true number is less where
    /// chunks come out smaller than they may be.
    #[must_use]
    pub fn memory_bytes(&self, n_rows: usize, longest: usize, threads: usize) -> usize {
        let layout = Layout::new(self);
        let groups = n_groups(layout.len);
        let lanes = (layout.len - layout.vectors_at) * LANES;
        let rows = chunk_rows(n_rows, groups).min(n_rows).max(longest);
        let n_chunks = n_rows.div_ceil(rows.max(1));
        let flat = Buffer::bytes_of(layout.len);
        3 * flat
            + groups * (flat + Buffer::bytes_of(lanes))
            + layout.len.div_ceil(PIECE) * size_of::<f64>()
            + spans(&layout).len() * size_of::<Span>()
            + 2 * n_chunks * size_of::<Chunk>()
            + longest * self.head_dim() * size_of::<f32>()
            + threads.min(groups).min(n_chunks) * Workspace::bytes_of(self, rows.div_ceil(PANEL))
    }
}

impl Group {
    /// Loss and gradients of some chunks, one after another.
    fn run(
        &mut self,
        net: &Net<'_>,
        fresh: bool,
        batch: &Batch,
        chunks: &[Chunk],
        space: &mut Workspace,
        backward: bool,
    ) {
        self.loss = 0.0;
        let mut gradients = Gradients {
            flat: &mut self.grads,
            lanes: &mut self.lanes,
            fresh,
        };
        if backward {
            gradients.begin(net.layout, fresh);
        }
        for c in chunks {
            let rows = c.first_row..c.first_row + c.n_rows;
            let sequences = c.first_sequence..c.first_sequence + c.n_sequences;
            let rows = Rows {
                tokens: &batch.tokens[rows.clone()],
                targets: &batch.targets[rows],
                lengths: &batch.lengths[sequences],
            };
            self.loss += net.run(rows, space, backward.then_some(&mut gradients));
        }
        if backward {
            gradients.settle(net.layout);
        }
    }
}

/// Adds the gradients of all groups to the first one's, in order.
fn merge(groups: &mut [Group]) {
    let Some((first, others)) = groups.split_first_mut() else {
        return;
    };
    if others.is_empty() {
        return;
    }
    let others = &*others;
    first
        .grads
        .par_chunks_mut(PIECE)
        .enumerate()
        .for_each(|(i, to)| {
            for other in others {
                let from = &other.grads[i * PIECE..][..to.len()];
                run(AddTo { from, to });
            }
        });
}

struct AddTo<'a> {
    from: &'a [f32],
    to: &'a mut [f32],
}

impl Op for AddTo<'_> {
    type Out = ();
    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        for (to, from) in self
            .to
            .chunks_exact_mut(LANES)
            .zip(self.from.chunks_exact(LANES))
        {
            let to = vec_at_mut(to, 0);
            l.store(l.add(l.load(to), l.load(vec_at(from, 0))), to);
        }
    }
}
