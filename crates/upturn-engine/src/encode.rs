//! Requests to tokens, as lm-evaluation-harness encodes them.
//!
//! A pair of context and continuation is encoded as one text, and the
//! continuation's tokens are those behind as many tokens as the context alone has.
//! Neighbouring requests mostly share their context or the beginning of it; that
//! part is encoded once, up to the last place where the text may be cut.

use std::sync::Arc;

use rayon::prelude::*;
use upturn_types::{LmError, LoglikelihoodRequest, Text};

use crate::error::ModelError;
use crate::tokenizer::{Session, Specials, Tokenizer};

/// Requests that one thread encodes in a row.
const CHUNK: usize = 512;

/// How texts become inputs of a model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EncodeOptions {
    /// Longest input of the model, tokens; at least 1.
    pub max_length: usize,
    /// Whether a beginning-of-sequence token is put before texts; `None` is the tokenizer's own habit.
    pub add_bos_token: Option<bool>,
    /// Token that stands for an empty context; `None` is the tokenizer's (`bos`, else `eos`).
    pub prefix_token_id: Option<u32>,
}

/// Why a request has no tokens to score. Each is a lowercase fragment.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EncodeError {
    /// The continuation is the empty text, and the context ends in no whitespace to score.
    #[error(
        "the continuation is empty: there is nothing to score (does doc_to_choice or doc_to_target give an empty text?)"
    )]
    EmptyContinuation,
    /// The continuation adds no token to those of the context.
    #[error("the continuation {0:?} adds no token to its context: there is nothing to score")]
    NoTokens(String),
    /// The continuation alone is longer than the model.
    #[error(
        "the continuation has {n} tokens, more than the model's {max_length}: shorten it or raise max_length"
    )]
    TooLong {
        /// Tokens of the continuation.
        n: usize,
        /// Longest input.
        max_length: usize,
    },
    /// There is no context, and no token to stand for one.
    #[error(
        "the context is empty and the tokenizer names neither a bos_token nor an eos_token: set prefix_token_id"
    )]
    NoPrefix,
    /// The tokenizer failed.
    #[error(transparent)]
    Tokenizer(#[from] ModelError),
}

/// Tokens of a context and its continuation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Context, then continuation; at most `max_length + 1`. The last one is never an input.
    pub tokens: Vec<u32>,
    /// How many of them, at the end, are the continuation; at least 1, at most `max_length`.
    pub n_cont: usize,
    /// Tokens of the context that were cut off on the left.
    pub n_truncated: usize,
}

/// One window of a text that is scored whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Tokens before; at least one.
    pub context: Vec<u32>,
    /// Tokens that are scored.
    pub scored: Vec<u32>,
}

/// Tokens of a prompt to continue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// The tokens; at least one.
    pub tokens: Vec<u32>,
    /// Tokens cut off on the left.
    pub n_truncated: usize,
}

/// Encodes requests for one model.
#[derive(Debug)]
pub struct Encoder<'a> {
    tokenizer: &'a Tokenizer,
    options: EncodeOptions,
    prefix_id: Option<u32>,
    /// Text of the prefix token: what starts with it gets no special tokens.
    prefix_text: Option<String>,
    /// What `add_bos_token` puts around a text.
    bos: Specials,
}

/// The context encoded last, without special tokens.
#[derive(Default)]
struct Context {
    text: Option<Text>,
    /// Bytes of `text` without the whitespace at its end.
    len: usize,
    ids: Vec<u32>,
    /// End of each part between safe cuts (the last is `len`), and the number of ids up to there.
    parts: Vec<(usize, usize)>,
}

impl Context {
    /// The last part that ends before byte `end`.
    fn part_before(&self, end: usize) -> (usize, usize) {
        let n = self.parts.partition_point(|(at, _)| *at < end);
        n.checked_sub(1).map_or((0, 0), |i| self.parts[i])
    }

    fn encode(&mut self, session: &mut Session<'_>, text: &Text) -> Result<(), ModelError> {
        if self.text.as_ref().is_some_and(|t| Arc::ptr_eq(t, text)) {
            return Ok(());
        }
        let stripped = strip_end(text);
        let shared = self.text.as_ref().map_or(0, |old| {
            common_prefix(&old.as_bytes()[..self.len], stripped.as_bytes())
        });
        // A cut needs both its neighbours in what is shared.
        let (start, n) = self.part_before(shared);
        self.ids.truncate(n);
        self.parts.retain(|(at, _)| *at <= start);
        // Nothing stands if the tokenizer fails half-way.
        self.text = None;
        let parts = &mut self.parts;
        session.encode_parts(&stripped[start..], &mut self.ids, |at, n| {
            parts.push((start + at, n));
        })?;
        self.len = stripped.len();
        self.text = Some(Arc::clone(text));
        Ok(())
    }
}

/// Special tokens around one text.
enum Around<'a> {
    /// None, or these.
    Known(&'a Specials),
    /// The tokenizer's own, which are not the same for every text.
    Ask,
}

impl<'a> Encoder<'a> {
    /// An encoder for a model with this tokenizer.
    #[must_use]
    pub fn new(tokenizer: &'a Tokenizer, options: EncodeOptions) -> Self {
        let prefix_id = options.prefix_token_id.or_else(|| tokenizer.prefix_id());
        let bos = Specials {
            before: match options.add_bos_token {
                Some(true) => tokenizer.bos_id().into_iter().collect(),
                _ => Vec::new(),
            },
            after: Vec::new(),
        };
        Encoder {
            tokenizer,
            prefix_text: prefix_id.map(|id| tokenizer.decode(&[id], false)),
            prefix_id,
            bos,
            options,
        }
    }

    /// Token that stands for an empty context.
    #[must_use]
    pub fn prefix_id(&self) -> Option<u32> {
        self.prefix_id
    }

    /// What is put around a text: nothing if it starts with `marker` already.
    fn around(&self, text_starts_with_marker: bool) -> Around<'_> {
        const NONE: &Specials = &Specials {
            before: Vec::new(),
            after: Vec::new(),
        };
        match self.options.add_bos_token {
            _ if text_starts_with_marker => Around::Known(NONE),
            Some(false) => Around::Known(NONE),
            Some(true) => Around::Known(&self.bos),
            None => self.tokenizer.specials().map_or(Around::Ask, Around::Known),
        }
    }

    fn has_prefix(&self, text: &str) -> bool {
        self.prefix_text
            .as_deref()
            .is_some_and(|p| text.starts_with(p))
    }

    /// Token ids of a text with the special tokens it gets by default.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        self.encode_around(text, &self.around(self.has_prefix(text)))
    }

    fn encode_around(&self, text: &str, around: &Around<'_>) -> Result<Vec<u32>, ModelError> {
        match around {
            Around::Known(specials) => {
                let mut ids = specials.before.clone();
                self.tokenizer.session().encode(text, &mut ids)?;
                ids.extend_from_slice(&specials.after);
                Ok(ids)
            }
            Around::Ask => self.tokenizer.encode(text, true),
        }
    }

    /// Tokens of a context and a continuation, cut on the left to the model's length.
    ///
    /// Whitespace at the context's end is counted as the continuation's (and is then
    /// all that is scored of an empty continuation). An empty
    /// context is the prefix token, unless the continuation begins with that token.
    /// So is one of nothing but whitespace with a tokenizer that adds no special
    /// tokens, where lm-evaluation-harness stops.
    ///
    /// # Errors
    /// See [`EncodeError`].
    pub fn encode_pair(&self, context: &str, continuation: &str) -> Result<Pair, EncodeError> {
        self.pair(
            &mut self.tokenizer.session(),
            &mut Context::default(),
            &Text::from(context),
            continuation,
        )
    }

    /// As [`Encoder::encode_pair`] for many, on all threads.
    ///
    /// # Errors
    /// [`LmError::Request`] for the first request that cannot be encoded.
    pub fn encode_pairs(&self, requests: &[LoglikelihoodRequest]) -> Result<Vec<Pair>, LmError> {
        let chunks: Vec<Result<Vec<Pair>, LmError>> = requests
            .par_chunks(CHUNK)
            .enumerate()
            .map(|(chunk, requests)| {
                let mut session = self.tokenizer.session();
                let mut context = Context::default();
                let pairs = requests.iter().enumerate().map(|(i, request)| {
                    self.pair(
                        &mut session,
                        &mut context,
                        &request.context,
                        &request.continuation,
                    )
                    .map_err(|e| LmError::Request {
                        index: chunk * CHUNK + i,
                        reason: e.to_string(),
                    })
                });
                pairs.collect()
            })
            .collect();
        let mut pairs = Vec::with_capacity(requests.len());
        for chunk in chunks {
            pairs.extend(chunk?);
        }
        Ok(pairs)
    }

    fn pair(
        &self,
        session: &mut Session<'_>,
        state: &mut Context,
        context: &Text,
        continuation: &str,
    ) -> Result<Pair, EncodeError> {
        if context.is_empty() {
            let mut ids = Vec::new();
            session.encode(continuation, &mut ids)?;
            return self.without_context(&ids, continuation);
        }
        state.encode(session, context)?;
        let stripped = &context[..state.len];
        let moved = &context[state.len..];

        // The whole text: what of the context's ids it shares, then the rest.
        let (mut start, mut n_shared) = (state.len, state.ids.len());
        let right = if moved.is_empty() {
            continuation
        } else {
            moved
        };
        if !session.cuts_between(stripped, right) {
            (start, n_shared) = state.part_before(state.len);
        }
        let mut rest = Vec::new();
        if start == state.len && moved.is_empty() {
            session.encode(continuation, &mut rest)?;
        } else {
            session.encode(
                &[&stripped[start..], moved, continuation].concat(),
                &mut rest,
            )?;
        }

        let whole_has_prefix = self.prefix_text.as_deref().is_some_and(|p| {
            stripped.starts_with(p)
                || stripped.len() < p.len()
                    && [stripped, moved, continuation].concat().starts_with(p)
        });
        let around_context = self.around(self.has_prefix(stripped));
        let around_whole = self.around(whole_has_prefix);
        let pair = match (around_context, around_whole) {
            (Around::Known(c), Around::Known(w)) if c == w => {
                // The context's ids that the whole text has not come first in it.
                let skip = state.ids.len() - n_shared + c.after.len();
                rest.extend_from_slice(&w.after);
                let cont = rest.get(skip..).unwrap_or_default();
                if c.before.len() + state.ids.len() + c.after.len() == 0 {
                    return self.without_context(cont, continuation);
                }
                self.join(&[&c.before, &state.ids, &c.after], cont, continuation)?
            }
            (context, whole) => {
                let context = self.encode_around(stripped, &context)?;
                let whole =
                    self.encode_around(&[stripped, moved, continuation].concat(), &whole)?;
                let cont = whole.get(context.len()..).unwrap_or_default();
                if context.is_empty() {
                    return self.without_context(cont, continuation);
                }
                self.join(&[&context], cont, continuation)?
            }
        };
        Ok(pair)
    }

    /// A continuation with the prefix token for a context.
    fn without_context(&self, cont: &[u32], text: &str) -> Result<Pair, EncodeError> {
        let prefix = self.prefix_id.ok_or(EncodeError::NoPrefix)?;
        match cont.split_first() {
            Some((first, rest)) if *first == prefix => self.join(&[&[*first]], rest, text),
            _ => self.join(&[&[prefix]], cont, text),
        }
    }

    /// Joins and cuts on the left.
    fn join(&self, context: &[&[u32]], cont: &[u32], text: &str) -> Result<Pair, EncodeError> {
        if cont.is_empty() {
            return Err(if text.is_empty() {
                EncodeError::EmptyContinuation
            } else {
                EncodeError::NoTokens(text.to_owned())
            });
        }
        let max_length = self.options.max_length;
        if cont.len() > max_length {
            return Err(EncodeError::TooLong {
                n: cont.len(),
                max_length,
            });
        }
        let total = context.iter().map(|c| c.len()).sum::<usize>() + cont.len();
        let n_truncated = total.saturating_sub(max_length + 1);
        let mut tokens = Vec::with_capacity(total - n_truncated);
        let mut skip = n_truncated;
        for part in context {
            let skipped = skip.min(part.len());
            tokens.extend_from_slice(&part[skipped..]);
            skip -= skipped;
        }
        tokens.extend_from_slice(cont);
        Ok(Pair {
            tokens,
            n_cont: cont.len(),
            n_truncated,
        })
    }

    /// Windows that score every token of a text once, each with one token of context
    /// at least; none for a text without tokens.
    ///
    /// # Errors
    /// See [`EncodeError`].
    pub fn encode_rolling(&self, text: &str) -> Result<Vec<Window>, EncodeError> {
        let tokens = self.encode(text)?;
        if tokens.is_empty() {
            return Ok(Vec::new());
        }
        let prefix = self.prefix_id.ok_or(EncodeError::NoPrefix)?;
        Ok(rolling_windows(&tokens, prefix, self.options.max_length, 1))
    }

    /// Tokens of a prompt, cut on the left to `max_context` (at least 1) tokens.
    ///
    /// A prompt that starts with the text of the beginning-of-sequence token gets no
    /// special tokens. A prompt without tokens is the prefix token.
    ///
    /// # Errors
    /// See [`EncodeError`].
    pub fn encode_prompt(&self, text: &str, max_context: usize) -> Result<Prompt, EncodeError> {
        let has_bos = self
            .tokenizer
            .bos_token()
            .is_some_and(|bos| text.starts_with(bos));
        let mut tokens = self.encode_around(text, &self.around(has_bos))?;
        if tokens.is_empty() {
            tokens.push(self.prefix_id.ok_or(EncodeError::NoPrefix)?);
        }
        let n_truncated = tokens.len().saturating_sub(max_context.max(1));
        tokens.drain(..n_truncated);
        Ok(Prompt {
            tokens,
            n_truncated,
        })
    }
}

/// Disjoint windows over `tokens`: the first scores up to `max_len` tokens after
/// `prefix`; each later one scores up to `max_len - context_len + 1` tokens, with
/// as many tokens before them as fit.
///
/// `context_len` is taken to lie in 1 to `max_len`. No tokens, no windows.
#[must_use]
pub fn rolling_windows(
    tokens: &[u32],
    prefix: u32,
    max_len: usize,
    context_len: usize,
) -> Vec<Window> {
    let max_len = max_len.max(1);
    let context_len = context_len.clamp(1, max_len);
    if tokens.is_empty() {
        return Vec::new();
    }
    let mut done = max_len.min(tokens.len());
    let mut windows = vec![Window {
        context: vec![prefix],
        scored: tokens[..done].to_vec(),
    }];
    while done < tokens.len() {
        let n = (max_len - context_len + 1).min(tokens.len() - done);
        let end = done + n;
        windows.push(Window {
            // Inputs are the `max_len` tokens before the last scored one.
            context: tokens[end - max_len - 1..done].to_vec(),
            scored: tokens[done..end].to_vec(),
        });
        done = end;
    }
    windows
}

/// Without the whitespace at the end, as Python's `str.rstrip` sees it.
fn strip_end(text: &str) -> &str {
    text.trim_end_matches(|c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c))
}

fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    const STEP: usize = 64;
    let mut n = 0;
    while let (Some(x), Some(y)) = (a.get(n..n + STEP), b.get(n..n + STEP)) {
        if x != y {
            break;
        }
        n += STEP;
    }
    n + a[n..]
        .iter()
        .zip(&b[n..])
        .take_while(|(x, y)| x == y)
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_disjoint_and_cover() {
        let tokens: Vec<u32> = (10..20).collect();
        let windows = rolling_windows(&tokens, 1, 4, 1);
        let as_pairs: Vec<(Vec<u32>, Vec<u32>)> =
            windows.into_iter().map(|w| (w.context, w.scored)).collect();
        assert_eq!(
            as_pairs,
            [
                (vec![1], vec![10, 11, 12, 13]),
                (vec![13], vec![14, 15, 16, 17]),
                (vec![15, 16, 17], vec![18, 19]),
            ]
        );
        assert_eq!(rolling_windows(&[], 1, 4, 1), []);
        let all: Vec<u32> = rolling_windows(&tokens, 1, 4, 3)
            .into_iter()
            .flat_map(|w| w.scored)
            .collect();
        assert_eq!(all, tokens);
    }

    #[test]
    fn python_strips_separators_that_unicode_does_not_call_whitespace() {
        assert_eq!(strip_end("a \n\u{1f}\u{a0}\u{3000}\u{85}"), "a");
        assert_eq!(strip_end("a\u{200b}"), "a\u{200b}");
    }

    #[test]
    fn the_common_prefix_of_bytes() {
        for n in [0, 1, 63, 64, 65, 200] {
            let a = vec![7; n];
            let mut b = a.clone();
            b.push(1);
            assert_eq!(common_prefix(&a, &b), n);
            assert_eq!(common_prefix(&b, &a), n);
            if n > 0 {
                b[n / 2] = 0;
                assert_eq!(common_prefix(&a, &b), n / 2);
            }
        }
    }
}
