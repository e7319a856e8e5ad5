//! Generation with continuous batching: prompts as a trie, answers as branches of it.
//!
//! Prompts are computed in depth-first order, each distinct prefix once; every
//! answer is a branch that keeps its prompt's segments alive. Each step runs one
//! row for every live answer and fills the rest of the batch with prompts. Room
//! for an answer's longest continuation is set aside before it starts, so none is
//! ever thrown out half-way.

use std::collections::VecDeque;
use std::sync::Arc;

use rayon::prelude::*;
use upturn_types::{FinishReason, Flow, GenerateOptions, LmError, Work};

use crate::batch::BatchBuilder;
use crate::choose::{Stream, choose};
use crate::forward::{Decoder, Scratch};
use crate::kv::{BLOCK, KvPool, SegmentIdx};
use crate::score::{Limits, Path};

/// Most answers that are continued at the same time.
const MAX_LIVE: usize = 128;
/// Logits held at the same time, 64 MiB of them: every further share of rows has to read
/// the output table again.
const LOGITS: usize = 1 << 24;

/// One prompt to continue.
#[derive(Debug, Clone)]
pub struct Prompt {
    /// Its tokens; not empty.
    pub tokens: Vec<u32>,
    /// How to choose and when to stop.
    pub options: Arc<GenerateOptions>,
    /// Most new tokens.
    pub max_tokens: usize,
    /// Seed of this answer.
    pub seed: u64,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Tokens generated, an end-of-text token included.
    pub tokens: Vec<u32>,
    /// Text up to the first stop string.
    pub text: String,
    /// Why it ended.
    pub finish: FinishReason,
}

/// What generation needs to know of the tokenizer.
pub struct Text<'a> {
    /// Text of generated tokens.
    pub decode: &'a (dyn Fn(&[u32]) -> String + Sync),
    /// End-of-text tokens.
    pub eos: &'a [u32],
}

/// An answer being written.
struct Live {
    prompt: usize,
    chain: Vec<(SegmentIdx, usize)>,
    own: SegmentIdx,
    /// Blocks set aside for it that it has not taken yet.
    reserved: usize,
    tokens: Vec<u32>,
    stream: Stream,
}

/// An answer whose first token is chosen and that waits for room to go on.
struct Waiting {
    prompt: usize,
    chain: Vec<(SegmentIdx, usize)>,
    token: u32,
    stream: Stream,
}

/// Continues every prompt; `done` is called once for each, as soon as it has ended.
///
/// # Errors
/// [`LmError::Stopped`] when `done` says so; [`LmError::Model`] when logits are not
/// finite or the cache is too small for one prompt and its answer.
pub fn generate(
    decoder: &Decoder,
    prompts: &[Prompt],
    text: &Text<'_>,
    limits: Limits,
    done: &mut dyn FnMut(usize, Answer) -> Flow,
) -> Result<Work, LmError> {
    let mut order: Vec<usize> = (0..prompts.len()).collect();
    order.par_sort_by(|&a, &b| prompts[a].tokens.cmp(&prompts[b].tokens).then(a.cmp(&b)));
    // Equal prompts are computed once.
    let groups: VecDeque<Vec<usize>> = order
        .chunk_by(|&a, &b| prompts[a].tokens == prompts[b].tokens)
        .map(<[usize]>::to_vec)
        .collect();
    let mut run = Run {
        decoder,
        prompts,
        text,
        pool: KvPool::new(decoder.kv_shape(), limits.kv_bytes),
        builder: BatchBuilder::default(),
        path: Path::default(),
        previous: Vec::new(),
        groups,
        at: 0,
        begun: 0,
        coming: 0,
        live: Vec::new(),
        waiting: VecDeque::new(),
        scratch: Scratch::default(),
        work: Work::default(),
        done,
    };
    run.work.tokens_requested = prompts.iter().map(|p| p.tokens.len() as u64).sum();
    while !(run.groups.is_empty() && run.live.is_empty() && run.waiting.is_empty()) {
        run.step(limits.max_rows.max(1))?;
    }
    Ok(run.work)
}

struct Run<'a> {
    decoder: &'a Decoder,
    prompts: &'a [Prompt],
    text: &'a Text<'a>,
    pool: KvPool,
    builder: BatchBuilder,
    path: Path,
    /// Tokens of the prompt that `path` goes through.
    previous: Vec<u32>,
    /// Prompts not computed yet; the first may be begun.
    groups: VecDeque<Vec<usize>>,
    /// Position reached in the first group's prompt; 0 when it is not begun.
    at: usize,
    /// Blocks set aside for the rest of that prompt.
    begun: usize,
    /// Answers whose prompt ends in the batch being built.
    coming: usize,
    live: Vec<Live>,
    waiting: VecDeque<Waiting>,
    scratch: Scratch,
    work: Work,
    done: &'a mut dyn FnMut(usize, Answer) -> Flow,
}

/// What a row's logits are for.
enum Row {
    /// The next token of the answer at this index.
    Live(usize),
    /// The first token of these prompts, whose keys lie in this chain, held once for each.
    Group(Vec<usize>, Vec<(SegmentIdx, usize)>),
}

/// A token chosen for a prompt.
struct Chosen {
    prompt: usize,
    token: u32,
    stream: Stream,
    /// The answer, where the token ends it.
    ended: Option<Answer>,
}

fn blocks_for(tokens: usize) -> usize {
    tokens.div_ceil(BLOCK)
}

impl Run<'_> {
    /// Blocks that neither an answer nor the prompt being computed has a claim on.
    fn unclaimed(&self) -> usize {
        let claimed: usize = self.live.iter().map(|l| l.reserved).sum();
        self.pool.available().saturating_sub(claimed + self.begun)
    }

    /// Blocks that the longest answer to a prompt takes: its last token is never an input.
    fn room_for(&self, prompt: usize) -> usize {
        blocks_for(self.prompts[prompt].max_tokens.saturating_sub(1))
    }

    fn step(&mut self, max_rows: usize) -> Result<(), LmError> {
        let mut rows: Vec<(usize, Row)> = Vec::new();
        // One row for every live answer, in the order of their prompts.
        for index in 0..self.live.len().min(max_rows) {
            let live = &mut self.live[index];
            let mut chain = live.chain.clone();
            chain.push((live.own, self.pool.segment(live.own).len));
            self.builder.goto(&chain, &self.pool);
            if !self.pool.has_room(live.own) {
                live.reserved = live.reserved.saturating_sub(1);
            }
            let token = live.tokens[live.tokens.len() - 1];
            assert!(
                self.builder.push(token, &mut self.pool),
                "a block was set aside for the row"
            );
            rows.push((self.builder.len() - 1, Row::Live(index)));
        }
        self.work.tokens_requested += rows.len() as u64;
        self.work.tokens_distinct += rows.len() as u64;
        self.decoder.expect(rows.len() as u64, rows.len() as u64);
        self.prefill(max_rows, &mut rows);

        let batch = self.builder.finish(&self.pool);
        if batch.is_empty() {
            return Err(LmError::Model(format!(
                "the key-value memory holds {} tokens, too few for a prompt of {} and its answer; raise --kv-memory",
                self.pool.max_blocks() * BLOCK,
                self.groups
                    .front()
                    .map_or(0, |g| self.prompts[g[0]].tokens.len()),
            )));
        }
        self.work.tokens_computed += batch.len() as u64;
        self.work.flops += self.decoder.flops_of_rows(&batch.positions);
        let hidden = self
            .decoder
            .forward(&batch, &mut self.pool, &mut self.scratch);
        self.work.positions_projected += rows.len() as u64;
        self.work.flops += rows.len() as u64 * self.decoder.flops_per_projection();
        let indices: Vec<usize> = rows.iter().map(|r| r.0).collect();
        let finals = self.decoder.final_rows(hidden, &indices);
        self.path.release_left(&mut self.pool);
        self.path.tighten(&mut self.pool);
        self.coming = 0;

        let width = finals.len() / indices.len().max(1);
        let share = (LOGITS / self.decoder.plan().vocab_size).clamp(8, MAX_LIVE);
        let mut ended = Vec::new();
        for (part, finals) in rows.chunks(share).zip(finals.chunks(share * width.max(1))) {
            for ((_, row), chosen) in part.iter().zip(self.choose(part, finals)?) {
                match row {
                    Row::Live(index) => {
                        for chosen in chosen {
                            let live = &mut self.live[*index];
                            live.tokens.push(chosen.token);
                            live.stream = chosen.stream;
                            ended.extend(chosen.ended.map(|answer| (*index, answer)));
                        }
                    }
                    Row::Group(_, chain) => {
                        for chosen in chosen {
                            match chosen.ended {
                                Some(answer) => {
                                    self.let_go(chain);
                                    self.report(chosen.prompt, answer)?;
                                }
                                None => self.waiting.push_back(Waiting {
                                    prompt: chosen.prompt,
                                    chain: chain.clone(),
                                    token: chosen.token,
                                    stream: chosen.stream,
                                }),
                            }
                        }
                    }
                }
            }
        }
        // Answers that ended, last first so that indices stay right.
        for (index, answer) in ended.into_iter().rev() {
            let live = self.live.remove(index);
            self.let_go(&live.chain);
            self.pool.release(live.own);
            self.report(live.prompt, answer)?;
        }
        self.admit();
        Ok(())
    }

    /// The tokens that rows choose, given what the output table multiplies.
    fn choose(&self, rows: &[(usize, Row)], finals: &[f32]) -> Result<Vec<Vec<Chosen>>, LmError> {
        let mut logits = self.decoder.logits(finals);
        if let Some(l) = logits.iter().find(|l| l.is_nan() || **l == f32::INFINITY) {
            return Err(LmError::Model(format!(
                "a logit is {l}: the model's numbers overflow or hold NaN"
            )));
        }
        let (prompts, text, live) = (self.prompts, self.text, &self.live);
        let one = |prompt: usize, before: &[u32], mut stream: Stream, logits: &mut [f32]| {
            let asked = &prompts[prompt];
            let token = choose(
                logits,
                &asked.options,
                &[&asked.tokens, before],
                &mut stream,
            );
            Chosen {
                prompt,
                token,
                stream,
                ended: text.ended(asked, &[before, &[token]].concat()),
            }
        };
        let vocab = self.decoder.plan().vocab_size;
        let chosen = rows
            .par_iter()
            .zip(logits.par_chunks_exact_mut(vocab))
            .map(|((_, row), logits)| match row {
                Row::Live(index) => {
                    let live = &live[*index];
                    vec![one(live.prompt, &live.tokens, live.stream.clone(), logits)]
                }
                Row::Group(members, _) => members
                    .iter()
                    .map(|&prompt| {
                        let stream = Stream::new(prompts[prompt].seed);
                        one(prompt, &[], stream, &mut logits.to_vec())
                    })
                    .collect(),
            })
            .collect();
        Ok(chosen)
    }

    fn let_go(&mut self, chain: &[(SegmentIdx, usize)]) {
        for &(segment, _) in chain {
            self.pool.release(segment);
        }
    }

    fn report(&mut self, prompt: usize, answer: Answer) -> Result<(), LmError> {
        if (self.done)(prompt, answer).is_break() {
            return Err(LmError::Stopped);
        }
        Ok(())
    }

    /// Goes on with answers while there is room for the whole of them.
    fn admit(&mut self) {
        while let Some(next) = self.waiting.front()
            && self.live.len() < MAX_LIVE
            && self.unclaimed() >= self.room_for(next.prompt)
            && let Some(next) = self.waiting.pop_front()
        {
            let own = self.pool.open(self.prompts[next.prompt].tokens.len());
            self.live.push(Live {
                prompt: next.prompt,
                chain: next.chain,
                own,
                reserved: self.room_for(next.prompt),
                tokens: vec![next.token],
                stream: next.stream,
            });
        }
    }

    /// Fills the batch with rows of prompts, in depth-first order.
    ///
    /// A prompt is begun when there is room for it and, once all live answers have
    /// ended, for any one of the answers that wait: so one of them can always go on.
    fn prefill(&mut self, max_rows: usize, rows: &mut Vec<(usize, Row)>) {
        while self.builder.len() < max_rows
            && self.live.len() + self.waiting.len() + self.coming < MAX_LIVE
            && let Some(group) = self.groups.front()
        {
            let tokens = &self.prompts[group[0]].tokens;
            if self.at == 0 {
                let shared = tokens
                    .iter()
                    .zip(&self.previous)
                    .take_while(|(a, b)| a == b)
                    .count();
                // A whole prompt that is a prefix of the one before cannot be: it comes first.
                self.path.truncate(shared, &self.pool);
                if self.builder.is_empty() {
                    self.path.release_left(&mut self.pool);
                    self.path.tighten(&mut self.pool);
                }
                let coming = rows.iter().flat_map(|(_, row)| match row {
                    Row::Live(_) => &[][..],
                    Row::Group(members, _) => members,
                });
                let room = group
                    .iter()
                    .chain(coming)
                    .copied()
                    .chain(self.waiting.iter().map(|w| w.prompt))
                    .map(|prompt| self.room_for(prompt))
                    .max()
                    .unwrap_or(0);
                let needed = |path: &Path, pool: &KvPool| {
                    blocks_for((tokens.len() - shared).saturating_sub(path.spare(pool)))
                };
                let mut need = needed(&self.path, &self.pool);
                if self.unclaimed() < need + room
                    && self.live.is_empty()
                    && self.waiting.is_empty()
                    && self.builder.is_empty()
                    && self.path.merge(&mut self.pool)
                {
                    need = needed(&self.path, &self.pool);
                }
                if self.unclaimed() < need + room {
                    // The path stays where it is; later answers free their blocks.
                    self.previous.truncate(shared);
                    break;
                }
                self.at = shared;
                self.begun = need;
                self.previous.clone_from(tokens);
                let fresh = (tokens.len() - shared) as u64;
                self.work.tokens_distinct += fresh;
                self.decoder
                    .expect(group.len() as u64 * tokens.len() as u64, fresh);
            }
            self.path.extend(&mut self.pool);
            self.builder.goto(&self.path.chain, &self.pool);
            while self.at < tokens.len()
                && self.builder.len() < max_rows
                && let Some(last) = self.path.chain.last_mut()
            {
                if !self.pool.has_room(last.0) {
                    self.begun = self.begun.saturating_sub(1);
                }
                assert!(
                    self.builder.push(tokens[self.at], &mut self.pool),
                    "a block was set aside for the row"
                );
                last.1 += 1;
                self.at += 1;
            }
            if self.at == tokens.len() {
                (self.at, self.begun) = (0, 0);
                if let Some(members) = self.groups.pop_front() {
                    let chain = self.path.chain.clone();
                    for _ in &members {
                        chain.iter().for_each(|&(s, _)| self.pool.hold(s));
                    }
                    self.coming += members.len();
                    rows.push((self.builder.len() - 1, Row::Group(members, chain)));
                }
            }
        }
        if self.groups.is_empty() {
            // Nothing more is walked: answers hold what they need.
            let chain = std::mem::take(&mut self.path.chain);
            self.path.leave(chain);
            self.previous.clear();
        }
    }
}

impl Text<'_> {
    /// The answer, if it has ended.
    fn ended(&self, prompt: &Prompt, tokens: &[u32]) -> Option<Answer> {
        let (body, eos) = match tokens.split_last() {
            Some((last, body)) if self.eos.contains(last) => (body, true),
            _ => (tokens, false),
        };
        let text = (self.decode)(body);
        let stop = prompt
            .options
            .until
            .iter()
            .filter(|s| !s.is_empty())
            .filter_map(|s| text.find(s.as_str()))
            .min();
        let finish = match stop {
            Some(_) => FinishReason::Stop,
            None if eos => FinishReason::Eos,
            None if tokens.len() >= prompt.max_tokens => FinishReason::Length,
            None => return None,
        };
        let text = match stop {
            Some(at) => text[..at].to_owned(),
            None => text,
        };
        Some(Answer {
            tokens: tokens.to_vec(),
            text,
            finish,
        })
    }
}
