//! What a ladder is asked to be: the records of `ladder.toml`.

use std::path::{Path, PathBuf};

use serde::Serialize;
use upturn_engine::train::Block;
use upturn_synth::{Form, Generator};

use crate::error::LadderError;
use crate::node::{self, Places};
use crate::parse;

/// A family of models to train. [`Ladder::parse`] reads it, [`Ladder::plan`] works it out.
#[derive(Debug, Clone)]
pub struct Ladder {
    /// Name of the family, and the beginning of each member's name.
    pub family: String,
    /// Determines initial parameters and the order of the data.
    pub seed: u64,
    /// Layout: `gated` is llama's, `gelu` gpt_neox's.
    pub block: Block,
    /// Whether the output table is the embedding table.
    pub tied: bool,
    /// Widths, depths and seeds.
    pub sizes: Sizes,
    /// How long each member trains.
    pub tokens: Tokens,
    /// How it trains.
    pub train: Settings,
    /// What it trains on.
    pub data: Data,
    /// Short trainings of every member afterwards.
    pub finetunes: Vec<Finetune>,
    pub(crate) places: Places,
    pub(crate) base: PathBuf,
}

/// The rungs of a ladder.
#[derive(Debug, Clone)]
pub struct Sizes {
    /// One of three ways to say them.
    pub rungs: Rungs,
    /// Layers, where a rung does not say.
    pub layers: Layers,
    /// Most features of an attention head, where a rung does not say how many heads.
    pub head_dim: usize,
    /// Seeds per rung.
    pub seeds: Seeds,
}

/// Ways to say the sizes.
#[derive(Debug, Clone)]
pub enum Rungs {
    /// Widths of the residual stream.
    Widths(Vec<usize>),
    /// Each rung by itself.
    Each(Vec<Rung>),
    /// Training compute, spread evenly on a log scale from the first to the last.
    Flops {
        /// FLOPs of the smallest.
        from: f64,
        /// FLOPs of the largest.
        to: f64,
        /// How many.
        n: usize,
    },
}

/// One rung; what is `None` follows from the rules of [`crate::sizes`].
#[derive(Debug, Clone, Default)]
pub struct Rung {
    /// Name of the model, in place of the one that follows from its shape.
    pub name: Option<String>,
    /// Width of the residual stream.
    pub width: usize,
    /// Layers.
    pub layers: Option<usize>,
    /// Attention heads.
    pub heads: Option<usize>,
    /// Key-value heads.
    pub kv_heads: Option<usize>,
    /// Inner features of the feed-forward block.
    pub intermediate: Option<usize>,
    /// Training tokens.
    pub tokens: Option<f64>,
    /// Seeds.
    pub seeds: Option<usize>,
}

/// Rule for the number of layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layers {
    /// As many for every width.
    Fixed(usize),
    /// √(width / 8), rounded, at least 1: 2 at width 32, 4 at 128, 8 at 512.
    Auto,
}

/// Seeds per rung: the first limit that a rung's parameters do not exceed decides.
#[derive(Debug, Clone, PartialEq)]
pub struct Seeds(pub Vec<(f64, usize)>);

impl Seeds {
    /// Seeds of a model with this many parameters; 1 above all limits.
    #[must_use]
    pub fn of(&self, n_params: usize) -> usize {
        let found = self.0.iter().find(|(most, _)| n_params as f64 <= *most);
        found.map_or(1, |(_, seeds)| *seeds)
    }
}

/// Rule for the number of training tokens D.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Tokens {
    /// D = this times all parameters, embeddings included.
    PerParam(f64),
    /// The same D for all.
    Total(f64),
    /// D such that all take the same compute.
    Flops(f64),
}

/// How members are trained.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Tokens per update; every batch has exactly so many.
    pub batch_tokens: usize,
    /// Highest learning rate, at the base width.
    pub lr: f64,
    /// Width at which `lr` was found.
    pub base_width: usize,
    /// How learning rates and initial parameters follow the width.
    pub transfer: Transfer,
    /// Learning rate over steps.
    pub schedule: Schedule,
    /// Per step `lr · weight_decay` of the matrices of layers.
    pub weight_decay: f64,
    /// Decays of the two moments.
    pub betas: (f64, f64),
    /// Largest norm of the gradient.
    pub clip_norm: f64,
    /// Checkpoints along training, the last one included.
    pub checkpoints: usize,
}

/// How hyperparameters follow the width; see [`crate::transfer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Transfer {
    /// By muP.
    Mup,
    /// The same learning rate at every width.
    None,
}

/// Learning rate over steps; shares are of all steps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Schedule {
    /// Its course after the warmup.
    pub kind: ScheduleKind,
    /// Share of steps that rise from 0.
    pub warmup: f64,
    /// Last learning rate as a share of the highest.
    pub last: f64,
    /// Share of steps that fall at the end (`wsd` alone).
    pub decay: f64,
}

/// Course of the learning rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleKind {
    /// Half a cosine from the end of the warmup to the last step.
    Cosine,
    /// Warmup, stable, decay: constant, then a straight line.
    Wsd,
}

/// What members are trained on.
#[derive(Debug, Clone)]
pub struct Data {
    /// Longest sequence, in tokens.
    pub context: usize,
    /// Which tokens of generated tasks are to be predicted. Of texts all are.
    pub loss: Loss,
    /// Items per generated document, from the first to the second, evenly.
    pub runs: (usize, usize),
    /// Vocabulary.
    pub tokenizer: Vocabulary,
    /// Share of text documents that are not trained on.
    pub held_out: f64,
    /// Sources and their weights.
    pub sources: Sources,
}

/// Which tokens of a generated task are to be predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Answers (and steps) with their newline.
    Answers,
    /// Every token but a document's first.
    All,
}

/// Where the vocabulary comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Vocabulary {
    /// Every character that the data has.
    Characters,
    /// Byte-level BPE of so many tokens, trained on the mixture.
    Bpe(usize),
    /// A `tokenizer.json`, or the folder that has one.
    File(PathBuf),
}

/// Sources of a mixture.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Generated tasks.
    pub tasks: Vec<TaskSource>,
    /// Texts.
    pub texts: Vec<TextSource>,
}

/// A generated task in a mixture.
#[derive(Debug, Clone)]
pub struct TaskSource {
    /// The task.
    pub generator: Generator,
    /// Share of training tokens, relative to the other sources.
    pub weight: f64,
    /// Answers at once, after steps, or either in half of the documents; or in sentences.
    pub form: Forms,
    pub(crate) key: String,
}

/// A form, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Forms {
    /// Answers at once.
    Direct,
    /// Answers after worked steps.
    Steps,
    /// Either, by a coin for each document.
    Both,
    /// Questions in sentences, answered at once: instructions.
    Words,
}

impl Forms {
    /// The form of a document by its coin.
    pub(crate) fn of(self, coin: bool) -> Form {
        match self {
            Forms::Direct => Form::Direct,
            Forms::Steps => Form::Steps,
            Forms::Both if coin => Form::Steps,
            Forms::Both => Form::Direct,
            Forms::Words => Form::Words,
        }
    }
}

/// Texts in a mixture.
#[derive(Debug, Clone)]
pub struct TextSource {
    /// What [`crate::Texts`] is asked for.
    pub path: String,
    /// Share of training tokens, relative to the other sources.
    pub weight: f64,
    pub(crate) key: String,
}

/// A short training of every member from its last checkpoint.
#[derive(Debug, Clone)]
pub struct Finetune {
    /// Ending of the members' names, and their `tuning`.
    pub name: String,
    /// How long.
    pub tokens: FinetuneTokens,
    /// Highest learning rate as a share of the member's.
    pub lr_factor: f64,
    /// What on.
    pub sources: Sources,
    pub(crate) key: String,
}

/// Tokens of a finetune.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FinetuneTokens {
    /// A share of the member's training tokens.
    Share(f64),
    /// As many for all.
    Total(f64),
}

impl Ladder {
    /// Reads `ladder.toml`. `file` is named in errors, and paths of tokenizers start from its
    /// folder.
    ///
    /// # Errors
    /// One line with file, line and key: an unknown key, a wrong type, an impossible value.
    pub fn parse(text: &str, file: &Path) -> Result<Self, LadderError> {
        Ladder::parse_within(text, file, "")
    }

    /// Reads the ladder that stands in a larger document under a key (`ladder`, `a.b`), so that
    /// errors still name its lines.
    ///
    /// # Errors
    /// As [`Ladder::parse`], or where the key is not there.
    pub fn parse_within(text: &str, file: &Path, key: &str) -> Result<Self, LadderError> {
        let name = file.display().to_string();
        let root = node::parse(text, &name)?;
        let base = file.parent().unwrap_or(Path::new("")).to_owned();
        parse::ladder(&root, Places::new(&name, &root), key, base)
    }

    /// A ladder from a table that was read already. `place` is named in errors
    /// (`study.toml: ladder`); paths of tokenizers start from the current folder.
    ///
    /// # Errors
    /// As [`Ladder::parse`], without lines.
    pub fn from_table(table: &toml::Table, place: &str) -> Result<Self, LadderError> {
        let root = node::of_table(table);
        parse::ladder(&root, Places::new(place, &root), "", PathBuf::new())
    }
}
