//! What members see: documents that follow from a seed and an index alone, and batches of them.
//!
//! A document's source is drawn by weight. Weights are shares of tokens: a source whose
//! documents are short is drawn more often.
//!
//! - A generated task: some items (`runs`, evenly), each on its line, as
//!   [`upturn_synth::Generator::document`] writes them, from the training split. Items that do
//!   not fit the context are left out from the end. Of `loss = "answers"` only answers (and
//!   steps) with their newline are to be predicted.
//! - A text: a piece of at most the context, ended by the end-of-text token where the text ends.
//!   Pieces come in a random order, and none comes again before as many documents are drawn
//!   as there are pieces. In every second draw a text that begins has the end-of-text token
//!   before it, so that a model knows both ways to begin. All its tokens are to be predicted.
//!
//! A batch packs documents without padding to exactly so many tokens: the last one is cut.

use std::sync::Arc;

use upturn_engine::train::{Batch, IGNORE};
use upturn_synth::{Document, Generator};

use crate::config::{Forms, Loss};
use crate::hash;
use crate::pieces::Pieces;
use crate::tokenizer::TokenizerFiles;

/// Sources, their shares, and how documents are made of them.
#[derive(Debug)]
pub struct Mixture {
    pub(crate) sources: Vec<Source>,
    pub(crate) runs: (usize, usize),
    pub(crate) loss: Loss,
    pub(crate) context: usize,
    pub(crate) tokenizer: Arc<TokenizerFiles>,
}

/// One source of a mixture.
#[derive(Debug)]
pub struct Source {
    /// `addition_2digit`, `books/*.txt`.
    pub name: String,
    /// Share of tokens; all together are 1.
    pub token_share: f64,
    /// Share of documents; all together are 1.
    pub document_share: f64,
    /// Mean tokens that a document feeds.
    pub mean_tokens: f64,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Task { generator: Generator, form: Forms },
    Text { texts: Arc<Texts> },
}

/// Texts of a source, in two halves by a hash of each text.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    pub(crate) train: Pieces,
    pub(crate) held_out: Pieces,
    pub(crate) digest: String,
}

/// Which documents are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// For training.
    Train,
    /// Held-out texts for the loss; texts for training where none is held out. Generated tasks
    /// have their training split on both sides: their test split is for evaluations alone.
    HeldOut,
}

/// A document as tokens, and memory to make the next one in.
#[derive(Debug, Clone, Default)]
pub struct Sequence {
    /// Its tokens: all but the last are fed, all but the first may be predicted.
    pub tokens: Vec<u32>,
    /// Whether each token is to be predicted.
    pub counted: Vec<bool>,
    /// Place of its source.
    pub source: usize,
    pub(crate) document: Document,
}

/// Streams of random numbers.
const SOURCE: u64 = 1;
const RUNS: u64 = 2;
const COIN: u64 = 3;
const ITEMS: u64 = 4;
const ORDER: u64 = 5;

impl Mixture {
    /// The sources with their shares.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Makes a document. It depends on `seed`, `index` and `side` alone.
    pub fn document(&self, seed: u64, index: u64, side: Side, out: &mut Sequence) {
        let at = hash::unit(hash::words(&[seed, SOURCE, index]));
        let mut sum = 0.0;
        out.source = self
            .sources
            .iter()
            .position(|s| {
                sum += s.document_share;
                at < sum
            })
            .unwrap_or(self.sources.len() - 1);
        self.document_of(out.source, seed, index, side, out);
    }

    /// The document of this index if its source were this one.
    pub(crate) fn document_of(
        &self,
        source: usize,
        seed: u64,
        index: u64,
        side: Side,
        out: &mut Sequence,
    ) {
        out.source = source;
        out.tokens.clear();
        out.counted.clear();
        let coin = hash::words(&[seed, COIN, index]) >> 63 == 1;
        match &self.sources[source].kind {
            Kind::Task { generator, form } => {
                let (least, most) = self.runs;
                let spread = hash::words(&[seed, RUNS, index]);
                let runs = least + hash::below(spread, (most - least) as u64 + 1) as usize;
                let form = form.of(coin);
                // Documents of another number of runs or form have draws of their own.
                let stream = hash::words(&[seed, ITEMS, runs as u64, form as u64]);
                generator.document_into(stream, index, runs, form, &mut out.document);
                self.tokens_of_task(out);
            }
            Kind::Text { texts } => {
                let held_out = side == Side::HeldOut && !texts.held_out.is_empty();
                let pieces = if held_out {
                    &texts.held_out
                } else {
                    &texts.train
                };
                let n = pieces.len() as u64;
                let key = hash::words(&[seed, ORDER, source as u64, index / n]);
                let piece = hash::permuted(key, index % n, n);
                if coin {
                    out.tokens.push(self.tokenizer.eos_id);
                }
                let begins = pieces.get(piece as usize, &mut out.tokens);
                if coin && !begins {
                    out.tokens.remove(0);
                }
                out.tokens.truncate(self.context + 1);
                out.counted.resize(out.tokens.len(), true);
            }
        }
    }

    /// Tokens of `out.document`: parts are encoded one by one, so that a prompt's tokens are
    /// what an evaluation makes of it.
    fn tokens_of_task(&self, out: &mut Sequence) {
        let document = &out.document;
        let all = self.loss == Loss::All;
        let mut from = 0;
        for span in &document.spans {
            let before = out.tokens.len();
            let parts = [(from..span.start, all), (span.clone(), true)];
            for (range, counted) in parts {
                // Generated texts have characters that every vocabulary was made for or
                // knows as bytes; what it does not know is left out.
                let _ = self
                    .tokenizer
                    .encode(&document.text[range], &mut out.tokens);
                out.counted.resize(out.tokens.len(), counted);
            }
            from = span.end;
            if out.tokens.len() > self.context + 1 && before > 0 {
                out.tokens.truncate(before);
                break;
            }
        }
        out.tokens.truncate(self.context + 1);
        out.counted.truncate(out.tokens.len());
    }

    /// Fills a batch with exactly `n_tokens`, from document `first` on; returns the first
    /// document of the next batch.
    pub fn batch(
        &self,
        seed: u64,
        first: u64,
        n_tokens: usize,
        side: Side,
        space: &mut Sequence,
        batch: &mut Batch,
    ) -> u64 {
        batch.clear();
        let mut index = first;
        while batch.tokens.len() < n_tokens {
            self.document(seed, index, side, space);
            index += 1;
            let fed = space.tokens.len().saturating_sub(1);
            let n = fed.min(n_tokens - batch.tokens.len());
            if n == 0 {
                continue;
            }
            batch.tokens.extend(&space.tokens[..n]);
            let next = space.tokens[1..].iter().zip(&space.counted[1..]);
            let targets = next.map(|(t, counted)| if *counted { *t } else { IGNORE });
            batch.targets.extend(targets.take(n));
            batch.lengths.push(n);
        }
        index
    }
}
