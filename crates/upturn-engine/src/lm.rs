//! A checkpoint on disk as a language model: encode, score or generate, answer.

mod detail;
mod ids;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use upturn_types::{
    ChatMessage, Done, Flow, GenerateOptions, GenerateRequest, Generation, LanguageModel, LmError,
    Loglikelihood, LoglikelihoodRequest, RollingRequest, Work,
};

use crate::chat::{ChatOptions, ChatTemplates};
use crate::checkpoint::{Checkpoint, GenerationConfig};
use crate::encode::{EncodeError, EncodeOptions, Encoder};
use crate::error::ModelError;
use crate::forward::Decoder;
use crate::gemm::Compute;
use crate::generate::{Prompt, Text, generate};
use crate::kernels::simd_level;
use crate::kv::BLOCK;
use crate::plan::DecoderPlan;
use crate::score::{Limits, score};
use crate::tokenizer::Tokenizer;
use crate::trie::{Sequence, Trie};

pub use self::detail::{Detail, TokenLogprob};

/// New tokens of an answer when a request does not say.
pub const DEFAULT_MAX_TOKENS: u32 = 256;

/// Bytes of keys and values when the options do not say and the longest input takes less.
const DEFAULT_KV_BYTES: u64 = 1 << 30;

/// How a model is loaded and run.
#[derive(Debug, Clone, Default)]
pub struct ModelOptions {
    /// Name in results; the folder's name where absent.
    pub name: Option<String>,
    /// Longest input; the model's own where absent. May not exceed it.
    pub max_length: Option<usize>,
    /// Whether texts begin with the beginning-of-text token; the tokenizer's habit where absent.
    pub add_bos_token: Option<bool>,
    /// Token that stands for an empty context.
    pub prefix_token_id: Option<u32>,
    /// Chat template, where the model has several.
    pub chat_template: Option<String>,
    /// Rows of a batch; chosen from the number of threads where absent. Changes no result.
    pub max_rows: Option<usize>,
    /// Numbers that products are made of.
    pub compute: Compute,
    /// Bytes of keys and values; where absent 1 GiB, or what the longest input takes
    /// if that is more. Changes no result.
    pub kv_bytes: Option<u64>,
}

/// A model loaded from a Hugging Face folder.
pub struct Model {
    name: String,
    checkpoint: Arc<Checkpoint>,
    decoder: Decoder,
    tokenizer: Tokenizer,
    chat: Result<ChatTemplates, ModelError>,
    fingerprint: String,
    tokenizer_hash: String,
    n_params: u64,
    generation: GenerationConfig,
    max_length: usize,
    options: ModelOptions,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Model {
    /// Loads a folder: configuration, weights (memory-mapped), tokenizer, chat template.
    ///
    /// # Errors
    /// One line saying which file or tensor is missing, malformed or not supported.
    pub fn load(dir: &Path, options: ModelOptions) -> Result<Self, ModelError> {
        let checkpoint = Arc::new(Checkpoint::open(dir)?);
        let plan = checkpoint.plan()?;
        checkpoint.validate(&plan)?;
        let tokenizer = Tokenizer::open(dir)?;
        let n_params = checkpoint.n_params(&plan)?;
        let max_length = match options.max_length {
            Some(wanted) if wanted > plan.max_positions => {
                return Err(ModelError::Config(format!(
                    "the model has {} positions; a maximum length of {wanted} is more",
                    plan.max_positions
                )));
            }
            Some(wanted) => wanted,
            None => plan.max_positions,
        }
        .max(1);
        let mut generation = checkpoint.generation().clone();
        generation.eos_token_ids.extend(tokenizer.eos_id());
        generation.eos_token_ids.sort_unstable();
        generation.eos_token_ids.dedup();
        let name = options.name.clone().unwrap_or_else(|| {
            dir.file_name().map_or_else(
                || dir.display().to_string(),
                |n| n.to_string_lossy().into_owned(),
            )
        });
        let chat = ChatTemplates::new(tokenizer.chat_templates(), tokenizer.special_tokens());
        Ok(Model {
            name,
            fingerprint: checkpoint.fingerprint()?,
            tokenizer_hash: files_hash(tokenizer.files())?,
            decoder: Decoder::bind_for(&checkpoint, plan, options.compute)?,
            checkpoint,
            tokenizer,
            chat,
            n_params,
            generation,
            max_length,
            options,
        })
    }

    /// Parameters, tied tensors once.
    #[must_use]
    pub fn n_params(&self) -> u64 {
        self.n_params
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &DecoderPlan {
        self.decoder.plan()
    }

    /// The decoder.
    #[must_use]
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// The tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The chat template's source, where the model has one.
    #[must_use]
    pub fn chat_template(&self) -> Option<&str> {
        let name = self.options.chat_template.as_deref().unwrap_or("default");
        self.chat.as_ref().ok().and_then(|c| c.source(name))
    }

    /// Limits of a run on the current pool of threads.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let threads = rayon::current_num_threads();
        // Room for the longest input, however large the model's keys and values are.
        let blocks = self.max_length.div_ceil(BLOCK) + 2;
        let longest = (blocks * self.decoder.kv_shape().block_bytes()) as u64;
        Limits {
            max_rows: self
                .options
                .max_rows
                .unwrap_or_else(|| (512 * threads).clamp(512, 4096)),
            kv_bytes: (self.options.kv_bytes).unwrap_or_else(|| DEFAULT_KV_BYTES.max(longest)),
        }
    }

    fn encoder(&self) -> Encoder<'_> {
        Encoder::new(
            &self.tokenizer,
            EncodeOptions {
                max_length: self.max_length,
                add_bos_token: self.options.add_bos_token,
                prefix_token_id: self.options.prefix_token_id,
            },
        )
    }

    /// Token ids must have an embedding.
    fn check_ids<'a>(
        &self,
        tokens: impl Iterator<Item = (usize, &'a [u32])>,
    ) -> Result<(), LmError> {
        let vocab = self.decoder.plan().vocab_size;
        for (index, tokens) in tokens {
            if let Some(id) = tokens.iter().find(|&&t| t as usize >= vocab) {
                return Err(LmError::Request {
                    index,
                    reason: format!(
                        "the tokenizer gives token {id}, but the model has {vocab} embeddings: they do not belong together"
                    ),
                });
            }
        }
        Ok(())
    }

    /// Names the tensor that holds NaN, when that is why a number is not finite.
    fn explain(&self, error: LmError) -> LmError {
        match error {
            LmError::Model(message) if message.contains("NaN") => {
                match self.checkpoint.find_nan(self.decoder.plan()) {
                    Ok(Some(at)) => LmError::Model(at.to_string()),
                    _ => LmError::Model(message),
                }
            }
            other => other,
        }
    }

    fn run(
        &self,
        sequences: &[Sequence],
        done: &mut dyn FnMut(usize, crate::score::Score) -> Flow,
    ) -> Result<Work, LmError> {
        score(&self.decoder, sequences, self.limits(), done).map_err(|e| self.explain(e))
    }
}

fn request_error(index: usize) -> impl Fn(EncodeError) -> LmError {
    move |e| LmError::Request {
        index,
        reason: e.to_string(),
    }
}

/// What is wrong with settings of sampling, if anything.
fn odd_sampling(options: &GenerateOptions) -> Option<String> {
    let one = |name: &str, value: f32, fine: bool, expected: &str| {
        (!fine).then(|| format!("{name} is {value}; expected {expected}"))
    };
    let (t, p, m, r) = (
        options.temperature,
        options.top_p,
        options.min_p,
        options.repetition_penalty,
    );
    one(
        "temperature",
        t,
        t.is_finite() && t >= 0.0,
        "a number from 0",
    )
    .or_else(|| one("top_p", p, p > 0.0 && p <= 1.0, "more than 0, at most 1"))
    .or_else(|| one("min_p", m, (0.0..=1.0).contains(&m), "0 to 1"))
    .or_else(|| {
        let fine = r.is_finite() && r > 0.0;
        one("repetition_penalty", r, fine, "a number above 0")
    })
}

/// SHA-256, hex, of files, one after another.
fn files_hash(files: &[PathBuf]) -> Result<String, ModelError> {
    let mut hash = Sha256::new();
    for file in files {
        let bytes = std::fs::read(file)
            .map_err(|e| ModelError::file(file, format!("cannot be read ({e})")))?;
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(&bytes);
    }
    Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
}

/// Sequences of likelihood requests, and what their responses say beside scores.
struct Pairs {
    sequences: Vec<Sequence>,
    lengths: Vec<u32>,
    truncated: Vec<u32>,
}

/// Sequences of whole texts: windows, the text each belongs to, and each text's first window.
struct Windows {
    sequences: Vec<Sequence>,
    owner: Vec<usize>,
    first: Vec<usize>,
}

impl Model {
    fn pairs(&self, requests: &[LoglikelihoodRequest]) -> Result<Pairs, LmError> {
        let pairs = self.encoder().encode_pairs(requests)?;
        self.check_ids(
            pairs
                .iter()
                .enumerate()
                .map(|(i, p)| (i, p.tokens.as_slice())),
        )?;
        Ok(Pairs {
            lengths: pairs.iter().map(|p| p.n_cont as u32).collect(),
            truncated: pairs.iter().map(|p| p.n_truncated as u32).collect(),
            sequences: pairs
                .into_iter()
                .map(|p| Sequence {
                    first_scored: p.tokens.len() - p.n_cont,
                    tokens: p.tokens,
                })
                .collect(),
        })
    }

    fn windows(&self, requests: &[RollingRequest]) -> Result<Windows, LmError> {
        let encoder = self.encoder();
        let mut windows = Windows {
            sequences: Vec::new(),
            owner: Vec::new(),
            first: Vec::with_capacity(requests.len()),
        };
        for (index, request) in requests.iter().enumerate() {
            windows.first.push(windows.sequences.len());
            for window in encoder
                .encode_rolling(&request.text)
                .map_err(request_error(index))?
            {
                let first_scored = window.context.len();
                let mut tokens = window.context;
                tokens.extend(window.scored);
                windows.sequences.push(Sequence {
                    tokens,
                    first_scored,
                });
                windows.owner.push(index);
            }
        }
        self.check_ids(
            windows
                .sequences
                .iter()
                .zip(&windows.owner)
                .map(|(s, &index)| (index, s.tokens.as_slice())),
        )?;
        Ok(windows)
    }

    fn prompts(&self, requests: &[GenerateRequest]) -> Result<(Vec<Prompt>, Vec<u32>), LmError> {
        let encoder = self.encoder();
        let mut truncated = Vec::with_capacity(requests.len());
        let mut prompts = Vec::with_capacity(requests.len());
        for (index, request) in requests.iter().enumerate() {
            let max_tokens = request.options.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS) as usize;
            if max_tokens == 0 || max_tokens >= self.max_length {
                return Err(LmError::Request {
                    index,
                    reason: format!(
                        "max_gen_toks is {max_tokens}; the model has room for 1 to {} new tokens (its length is {})",
                        self.max_length.saturating_sub(1),
                        self.max_length
                    ),
                });
            }
            if let Some(reason) = odd_sampling(&request.options) {
                return Err(LmError::Request { index, reason });
            }
            let prompt = encoder
                .encode_prompt(&request.context, self.max_length - max_tokens)
                .map_err(request_error(index))?;
            truncated.push(prompt.n_truncated as u32);
            prompts.push(Prompt {
                tokens: prompt.tokens,
                options: Arc::clone(&request.options),
                max_tokens,
                seed: request.seed,
            });
        }
        self.check_ids(
            prompts
                .iter()
                .enumerate()
                .map(|(i, p)| (i, p.tokens.as_slice())),
        )?;
        Ok((prompts, truncated))
    }

    /// What a trie would take.
    fn work_of(&self, sequences: &[Sequence]) -> Work {
        let trie = Trie::new(sequences);
        let mut nodes: Vec<(u32, u32)> = trie.wants.iter().map(|w| (w.at, w.position)).collect();
        nodes.dedup();
        let attention: u64 = trie
            .order
            .iter()
            .zip(&trie.shared)
            .map(|(&s, &shared)| {
                (shared as usize..sequences[s as usize].input().len())
                    .map(|p| self.decoder.flops_of_attention(p))
                    .sum::<u64>()
            })
            .sum();
        Work {
            tokens_requested: trie.n_requested,
            tokens_distinct: trie.n_distinct,
            tokens_computed: 0,
            positions_projected: nodes.len() as u64,
            flops: trie.n_distinct * self.decoder.flops_per_row()
                + attention
                + nodes.len() as u64 * self.decoder.flops_per_projection(),
        }
    }
}

impl LanguageModel for Model {
    fn name(&self) -> &str {
        &self.name
    }

    fn fingerprint(&self) -> BTreeMap<String, String> {
        let mut facts = BTreeMap::from([
            ("weights".to_owned(), self.fingerprint.clone()),
            ("tokenizer".to_owned(), self.tokenizer_hash.clone()),
            (
                "eos".to_owned(),
                format!("{:?}", self.generation.eos_token_ids),
            ),
            ("architecture".to_owned(), self.plan().model_type.clone()),
            ("compute".to_owned(), self.options.compute.name().to_owned()),
            ("simd".to_owned(), simd_level()),
            ("max_length".to_owned(), self.max_length.to_string()),
            ("n_params".to_owned(), self.n_params.to_string()),
        ]);
        if let Some(bos) = self.options.add_bos_token {
            facts.insert("add_bos_token".into(), bos.to_string());
        }
        if let Some(id) = self.options.prefix_token_id {
            facts.insert("prefix_token_id".into(), id.to_string());
        }
        facts
    }

    fn max_length(&self) -> usize {
        self.max_length
    }

    fn vocab_size(&self) -> Option<u64> {
        Some(self.plan().vocab_size as u64)
    }

    fn estimate(
        &self,
        likelihoods: &[LoglikelihoodRequest],
        rolling: &[RollingRequest],
        generations: &[GenerateRequest],
    ) -> Result<Work, LmError> {
        let mut work = self.work_of(&self.pairs(likelihoods)?.sequences);
        work.add(&self.work_of(&self.windows(rolling)?.sequences));
        // A prompt goes through the model whole, and its last position is projected.
        let prompts: Vec<Sequence> = self
            .prompts(generations)?
            .0
            .into_iter()
            .map(|p| {
                let first_scored = p.tokens.len();
                let mut tokens = p.tokens;
                tokens.push(0);
                Sequence {
                    tokens,
                    first_scored,
                }
            })
            .collect();
        work.add(&self.work_of(&prompts));
        Ok(work)
    }

    fn work_so_far(&self) -> Work {
        self.decoder.work_so_far()
    }

    fn tokenize(&self, text: &str) -> Result<Vec<u32>, LmError> {
        self.tokenizer
            .encode(text, false)
            .map_err(|e| LmError::Model(e.to_string()))
    }

    fn apply_chat_template(
        &self,
        messages: &[ChatMessage],
        add_generation_prompt: bool,
    ) -> Result<String, LmError> {
        // The caller says what failed; the message need not say it again.
        let failed = |e: ModelError| match e {
            ModelError::ChatTemplate(reason) => LmError::Model(reason),
            e => LmError::Model(e.to_string()),
        };
        let chat = self.chat.as_ref().map_err(|e| failed(e.clone()))?;
        let options = ChatOptions {
            add_generation_prompt,
            continue_final_message: !add_generation_prompt,
            template: self.options.chat_template.clone(),
            ..ChatOptions::default()
        };
        chat.render_without_refused_system(messages, &options)
            .map_err(failed)
    }

    fn loglikelihood(
        &self,
        requests: &[LoglikelihoodRequest],
        done: Done<'_, Loglikelihood>,
    ) -> Result<Work, LmError> {
        let Pairs {
            sequences,
            lengths,
            truncated,
        } = self.pairs(requests)?;
        self.run(&sequences, &mut |i, s| {
            done(
                i,
                Loglikelihood {
                    logprob: s.logprob,
                    is_greedy: s.is_greedy,
                    n_tokens: lengths[i],
                    n_truncated: truncated[i],
                },
            )
        })
    }

    fn loglikelihood_rolling(
        &self,
        requests: &[RollingRequest],
        done: Done<'_, Loglikelihood>,
    ) -> Result<Work, LmError> {
        let Windows {
            sequences,
            owner,
            first,
        } = self.windows(requests)?;
        // Windows that are still to come, their scores in order, greedy so far, tokens.
        let mut open: Vec<(usize, Vec<f32>, bool, u32)> = first
            .iter()
            .enumerate()
            .map(|(i, &from)| {
                let to = first.get(i + 1).copied().unwrap_or(sequences.len());
                let scored = |s: &Sequence| (s.tokens.len() - s.first_scored) as u32;
                let n_tokens = sequences[from..to].iter().map(scored).sum();
                (to - from, vec![0.0; to - from], true, n_tokens)
            })
            .collect();
        let finished = |open: &(usize, Vec<f32>, bool, u32)| Loglikelihood {
            logprob: open.1.iter().map(|&l| f64::from(l)).sum::<f64>() as f32,
            is_greedy: open.2,
            n_tokens: open.3,
            n_truncated: 0,
        };
        for (index, open) in open.iter().enumerate() {
            if open.0 == 0 && done(index, finished(open)).is_break() {
                return Err(LmError::Stopped);
            }
        }
        self.run(&sequences, &mut |i, s| {
            let index = owner[i];
            let open = &mut open[index];
            open.1[i - first[index]] = s.logprob;
            open.2 &= s.is_greedy;
            open.0 -= 1;
            if open.0 == 0 {
                done(index, finished(open))
            } else {
                Flow::Continue(())
            }
        })
    }

    fn generate(
        &self,
        requests: &[GenerateRequest],
        done: Done<'_, Generation>,
    ) -> Result<Work, LmError> {
        let (prompts, truncated) = self.prompts(requests)?;
        let text = Text {
            decode: &|tokens| self.tokenizer.decode(tokens, true),
            eos: &self.generation.eos_token_ids,
        };
        generate(
            &self.decoder,
            &prompts,
            &text,
            self.limits(),
            &mut |i, answer| {
                done(
                    i,
                    Generation {
                        text: answer.text,
                        tokens: answer.tokens,
                        finish: answer.finish,
                        n_truncated: truncated[i],
                    },
                )
            },
        )
        .map_err(|e| self.explain(e))
    }
}
