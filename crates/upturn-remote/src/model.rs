//! The remote model: requests to questions, answers to responses.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use upturn_types::{
    ChatMessage, Done, FinishReason, Flow, GenerateRequest, Generation, LanguageModel, LmError,
    Loglikelihood, LoglikelihoodRequest, RollingRequest, Work,
};

use crate::align::{Border, place};
use crate::ask::{Fault, Line, ask};
use crate::budget::{Budget, Spent};
use crate::cache::Cache;
use crate::error::RemoteError;
use crate::options::{Api, Options, Sent, Stop};
use crate::pace::Pace;
use crate::protocol::{Answer, Asker, Prompt, Question, ScoredToken};
use crate::server::Server;
use crate::windows::windows;

/// Requests that are turned into questions at a time.
const CHUNK: usize = 2048;
/// New tokens of an answer when a request does not say.
const DEFAULT_MAX_TOKENS: u32 = 256;
/// Longest input where neither the server nor the user says.
const DEFAULT_MAX_LENGTH: usize = 2048;
/// Most likely tokens that llama.cpp lists at first; all of them where the one asked for is
/// not among these.
const LISTED_FIRST: u64 = 64;
/// More tokens than any vocabulary has.
const LISTED_ALL: u64 = 1 << 20;

/// A model behind HTTP.
pub struct RemoteModel {
    options: Options,
    server: Server,
    line: Arc<Line>,
    /// Conversations that were rendered, so that they are known when they come back as prompts.
    chats: Mutex<BTreeSet<String>>,
}

impl std::fmt::Debug for RemoteModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteModel")
            .field("model", &self.options.model)
            .field("server", &self.server.asker.base)
            .field("api", &self.options.api)
            .finish_non_exhaustive()
    }
}

/// A continuation as token ids: context, then continuation.
struct Pair {
    ids: Vec<u32>,
    n_cont: usize,
    n_truncated: usize,
}

/// What is known of a continuation's tokens.
fn sum(tokens: &[ScoredToken], n_truncated: usize) -> Result<Loglikelihood, String> {
    let mut logprob = 0.0;
    let mut is_greedy = true;
    for token in tokens {
        let own = token.logprob.ok_or("no log-probability of the continuation's first token: nothing stands before it; give the model's beginning-of-text token with --prefix")?;
        let best = token
            .best
            .ok_or("no most likely token beside a token's log-probability")?;
        logprob += own;
        is_greedy &= own >= best;
    }
    Ok(Loglikelihood {
        logprob: logprob as f32,
        is_greedy,
        n_tokens: tokens.len() as u32,
        n_truncated: n_truncated as u32,
    })
}

fn request_error(index: usize, reason: impl Into<String>) -> LmError {
    LmError::Request {
        index,
        reason: reason.into(),
    }
}

impl RemoteModel {
    /// Finds the server and the model; opens the cache. Nothing is asked of the model.
    ///
    /// # Errors
    /// One line: what is missing, and how to mend it.
    pub fn connect(options: Options) -> Result<Self, RemoteError> {
        options.limits.check()?;
        let (server, http) = Server::find(&options)?;
        let cache = options.cache.as_deref().map(Cache::open).transpose()?;
        let line = Line {
            pace: Pace::new(options.concurrency),
            budget: Budget::new(options.limits),
            cache,
            patience: options.patience,
            seed: options.seed,
            concurrency: options.concurrency,
            place: format!("{} at {}", options.model, server.asker.base),
            model: options.model.clone(),
            identity: server.identity(),
            http,
        };
        Ok(RemoteModel {
            options,
            server,
            line: Arc::new(line),
            chats: Mutex::default(),
        })
    }

    /// What was spent since the model was connected.
    #[must_use]
    pub fn spent(&self) -> Spent {
        self.line.budget.spent()
    }

    /// What the server speaks.
    #[must_use]
    pub fn api(&self) -> Api {
        self.options.api
    }

    /// Whether the server encodes texts for us.
    #[must_use]
    pub fn has_tokenizer(&self) -> bool {
        self.server.tokenizes
    }

    pub(crate) fn place(&self) -> &str {
        &self.line.place
    }

    pub(crate) fn asker(&self) -> &Asker {
        &self.server.asker
    }

    pub(crate) fn line(&self) -> &Arc<Line> {
        &self.line
    }

    pub(crate) fn stop(&self) -> Option<&Stop> {
        self.options.stop.as_ref()
    }

    fn prefix(&self) -> &str {
        self.server.prefix.as_deref().unwrap_or_default()
    }

    fn uses_ids(&self) -> bool {
        self.server.tokenizes && self.options.sent != Sent::Text
    }

    /// Most tokens of a prompt that is scored: the last one is never an input, but only some
    /// servers have room for that.
    fn scored_max(&self) -> usize {
        let length = self.max_length();
        match (self.options.api, self.server.max_scored) {
            (_, Some(n)) => n.min(length + 1),
            // llama.cpp is asked token by token, each after its prefix.
            (Api::LlamaCpp, None) => length,
            // One is taken by the new token.
            (_, None) => length.saturating_sub(1).max(1),
        }
    }

    /// Puts questions; what fails is the request at `index(place)`.
    fn put(
        &self,
        questions: Vec<Question>,
        fresh: bool,
        index: &dyn Fn(usize) -> usize,
        done: &mut dyn FnMut(usize, Answer) -> Flow,
    ) -> Result<(), LmError> {
        ask(&self.line, self.stop(), questions, fresh, done).map_err(|fault| match fault {
            Fault::Question(at, reason) => request_error(index(at), reason),
            Fault::Server(reason) => LmError::Model(reason),
            Fault::Stopped => LmError::Stopped,
        })
    }

    /// Token ids of texts, each with special tokens or without; equal texts once.
    fn encode(&self, texts: &[(String, bool)]) -> Result<Vec<Vec<u32>>, LmError> {
        let is_llama_cpp = self.options.api == Api::LlamaCpp;
        let mut known: BTreeMap<&(String, bool), usize> = BTreeMap::new();
        let mut ordered: Vec<&(String, bool)> = Vec::new();
        // Not every server takes an empty text.
        for text in texts.iter().filter(|(text, _)| !text.is_empty()) {
            known.entry(text).or_insert_with(|| {
                ordered.push(text);
                ordered.len() - 1
            });
        }
        let questions = ordered
            .iter()
            .map(|(text, specials)| {
                // A text that begins with the prefix token's own gets no other.
                let starts = !self.prefix().is_empty() && text.starts_with(self.prefix());
                let specials = *specials && !starts && self.options.add_bos_token.is_none();
                self.asker().tokenize(text, specials, is_llama_cpp)
            })
            .collect();
        let mut ids: Vec<Vec<u32>> = vec![Vec::new(); ordered.len()];
        self.put(questions, false, &|at| at, &mut |at, answer| {
            if let Answer::Ids(found) = answer {
                ids[at] = found;
            }
            Flow::Continue(())
        })
        .map_err(|e| match e {
            LmError::Request { reason, .. } => {
                LmError::Model(format!("{}: cannot encode a text: {reason}", self.place()))
            }
            e => e,
        })?;
        // Told to begin with the beginning-of-text token, whatever the tokenizer's habit.
        let bos = match self.options.add_bos_token == Some(true) && texts.iter().any(|t| t.1) {
            true => Some(self.prefix_id().map_err(LmError::Model)?),
            false => None,
        };
        let found = |text: &(String, bool)| {
            let mut ids = known.get(text).map_or_else(Vec::new, |at| ids[*at].clone());
            if let Some(bos) = bos.filter(|bos| text.1 && ids.first() != Some(bos)) {
                ids.insert(0, bos);
            }
            ids
        };
        Ok(texts.iter().map(found).collect())
    }

    fn prefix_id(&self) -> Result<u32, String> {
        const NONE: &str = "the context is empty and the server names no token that stands for that; give the model's beginning-of-text token with --prefix";
        if self.prefix().is_empty() {
            return Err(NONE.into());
        }
        let ids = self
            .encode(&[(self.prefix().to_owned(), false)])
            .map_err(|e| e.to_string())?;
        match ids[0].as_slice() {
            [id] => Ok(*id),
            other => Err(format!(
                "'{}' is {} tokens at the server; expected the one token that stands for an empty context (--prefix)",
                self.prefix(),
                other.len()
            )),
        }
    }

    /// Contexts and continuations as lm-evaluation-harness encodes them.
    fn pairs(&self, requests: &[LoglikelihoodRequest]) -> Result<Vec<Pair>, LmError> {
        let mut texts = Vec::with_capacity(2 * requests.len());
        for request in requests {
            let context = request.context.trim_end();
            match request.context.is_empty() {
                true => {
                    texts.push((String::new(), false));
                    texts.push((request.continuation.to_string(), false));
                }
                false => {
                    texts.push((context.to_owned(), true));
                    texts.push((format!("{}{}", request.context, request.continuation), true));
                }
            }
        }
        let ids = self.encode(&texts)?;
        let mut prefix = None;
        let mut pairs = Vec::with_capacity(requests.len());
        for (index, (request, ids)) in requests.iter().zip(ids.chunks(2)).enumerate() {
            let (context, whole) = match request.context.is_empty() {
                true => (&[][..], ids[1].as_slice()),
                false => (ids[0].as_slice(), ids[1].as_slice()),
            };
            let cont = whole.get(context.len()..).unwrap_or_default();
            let mut all = match context.is_empty() {
                false => context.to_vec(),
                true => {
                    let id = match prefix {
                        Some(id) => id,
                        None => *prefix.insert(
                            self.prefix_id()
                                .map_err(|reason| request_error(index, reason))?,
                        ),
                    };
                    match cont.first() {
                        Some(first) if *first == id => Vec::new(),
                        _ => vec![id],
                    }
                }
            };
            let n_cont = match all.is_empty() {
                true => cont.len().saturating_sub(1),
                false => cont.len(),
            };
            if n_cont == 0 {
                return Err(request_error(
                    index,
                    format!(
                        "the continuation {:?} adds no token to its context: there is nothing to score",
                        request.continuation
                    ),
                ));
            }
            all.extend_from_slice(cont);
            let max = self.scored_max();
            if n_cont >= max {
                return Err(request_error(
                    index,
                    format!(
                        "the continuation has {n_cont} tokens and the model has room for {}: shorten it",
                        max - 1
                    ),
                ));
            }
            let n_truncated = all.len().saturating_sub(max);
            all.drain(..n_truncated);
            pairs.push(Pair {
                ids: all,
                n_cont,
                n_truncated,
            });
        }
        Ok(pairs)
    }

    /// The question that scores a prompt.
    fn score_question(&self, prompt: &Prompt) -> Question {
        match self.options.api {
            Api::Vllm => self.asker().prompt_logprobs(prompt),
            Api::Sglang => self.asker().sglang_scores(prompt),
            _ if self.server.max_scored.is_some() => self.asker().echo_alone(prompt),
            _ => self.asker().echo(prompt),
        }
    }

    /// Log-likelihoods; `fresh` ones do not come from the cache.
    pub(crate) fn likelihoods(
        &self,
        requests: &[LoglikelihoodRequest],
        fresh: bool,
        done: Done<'_, Loglikelihood>,
    ) -> Result<(), LmError> {
        for (at, chunk) in requests.chunks(CHUNK).enumerate() {
            let first = at * CHUNK;
            let mut done = |i: usize, l| done(first + i, l);
            let result = match self.uses_ids() {
                true => self
                    .pairs(chunk)
                    .and_then(|pairs| self.score_pairs(&pairs, fresh, &mut done)),
                false => self.score_texts(chunk, fresh, &mut done),
            };
            result.map_err(|e| match e {
                LmError::Request { index, reason } => request_error(first + index, reason),
                e => e,
            })?;
        }
        Ok(())
    }

    fn score_pairs(
        &self,
        pairs: &[Pair],
        fresh: bool,
        done: Done<'_, Loglikelihood>,
    ) -> Result<(), LmError> {
        if self.options.api == Api::LlamaCpp {
            return self.score_by_steps(pairs, fresh, done);
        }
        let questions = pairs
            .iter()
            .map(|p| self.score_question(&Prompt::Ids(p.ids.clone())))
            .collect();
        let mut failed = None;
        let result = self.put(questions, fresh, &|at| at, &mut |at, answer| {
            let pair = &pairs[at];
            let likelihood = match &answer {
                Answer::Scores(tokens, _) if tokens.len() == pair.ids.len() => {
                    sum(&tokens[tokens.len() - pair.n_cont..], pair.n_truncated)
                }
                Answer::Scores(tokens, _) => Err(format!(
                    "{} tokens were sent and {} are scored",
                    pair.ids.len(),
                    tokens.len()
                )),
                _ => Err("no scores in the answer".into()),
            };
            match likelihood {
                Ok(likelihood) => done(at, likelihood),
                Err(reason) => {
                    failed = Some(request_error(at, reason));
                    Flow::Break(())
                }
            }
        });
        match failed {
            Some(error) => Err(error),
            None => result,
        }
    }

    /// llama.cpp says how likely next tokens are, and nothing of the prompt: one question for
    /// each token of a continuation.
    fn score_by_steps(
        &self,
        pairs: &[Pair],
        fresh: bool,
        done: Done<'_, Loglikelihood>,
    ) -> Result<(), LmError> {
        let steps: Vec<(usize, usize)> = pairs
            .iter()
            .enumerate()
            .flat_map(|(i, p)| (p.ids.len() - p.n_cont..p.ids.len()).map(move |at| (i, at)))
            .collect();
        let mut found: Vec<Vec<Option<(f64, bool)>>> =
            pairs.iter().map(|p| vec![None; p.n_cont]).collect();
        let mut open = steps;
        for listed in [LISTED_FIRST, self.server.n_vocab.unwrap_or(LISTED_ALL)] {
            let questions = open
                .iter()
                .map(|&(i, at)| {
                    self.asker()
                        .next(&pairs[i].ids[..at], pairs[i].ids[at], listed)
                })
                .collect();
            let mut missing = Vec::new();
            let mut stopped = false;
            let asked = self.put(questions, fresh, &|at| open[at].0, &mut |q, answer| {
                let (i, at) = open[q];
                let pair = &pairs[i];
                match answer {
                    Answer::Next(Some(next)) => {
                        found[i][at + pair.n_cont - pair.ids.len()] = Some(next);
                    }
                    _ => missing.push((i, at)),
                }
                let all: Option<Vec<(f64, bool)>> = found[i].iter().copied().collect();
                let Some(all) = all else {
                    return Flow::Continue(());
                };
                let likelihood = Loglikelihood {
                    logprob: all.iter().map(|s| s.0).sum::<f64>() as f32,
                    is_greedy: all.iter().all(|s| s.1),
                    n_tokens: pair.n_cont as u32,
                    n_truncated: pair.n_truncated as u32,
                };
                let flow = done(i, likelihood);
                stopped = flow.is_break();
                flow
            });
            if stopped {
                return Err(LmError::Stopped);
            }
            asked?;
            open = missing;
        }
        match open.first() {
            None => Ok(()),
            Some(&(i, at)) => Err(request_error(
                i,
                format!(
                    "token {} is not among the most likely that the server lists",
                    pairs[i].ids[at]
                ),
            )),
        }
    }

    /// Scores texts by their echo. Where the border between context and continuation lies
    /// within a token, the tokens of the context alone are counted, as
    /// lm-evaluation-harness does.
    fn score_texts(
        &self,
        requests: &[LoglikelihoodRequest],
        fresh: bool,
        done: Done<'_, Loglikelihood>,
    ) -> Result<(), LmError> {
        // The whole text and the byte where the continuation begins; whitespace at the
        // context's end is the continuation's.
        let texts: Vec<(String, usize)> = requests
            .iter()
            .map(|r| match r.context.trim_end() {
                "" => (
                    format!("{}{}{}", self.prefix(), r.context, r.continuation),
                    self.prefix().len(),
                ),
                context => (format!("{}{}", r.context, r.continuation), context.len()),
            })
            .collect();
        let questions = texts
            .iter()
            .map(|(text, _)| self.score_question(&Prompt::Text(text.clone())))
            .collect();
        // Answers whose border has to be counted.
        let mut open: Vec<(usize, Vec<ScoredToken>)> = Vec::new();
        let mut failed = None;
        let mut finish = |at: usize, tokens: &[ScoredToken], from: usize| {
            let cont = tokens.get(from..).unwrap_or_default();
            let likelihood = match cont.is_empty() {
                true => Err(format!(
                    "the continuation {:?} adds no token to its context: there is nothing to score",
                    requests[at].continuation
                )),
                false => sum(cont, 0),
            };
            match likelihood {
                Ok(likelihood) => done(at, likelihood),
                Err(reason) => {
                    failed = Some(request_error(at, reason));
                    Flow::Break(())
                }
            }
        };
        let mut result = self.put(questions, fresh, &|at| at, &mut |at, answer| {
            let Answer::Scores(tokens, offsets) = answer else {
                return Flow::Continue(());
            };
            let (text, border) = &texts[at];
            let names: Vec<String> = tokens.iter().map(|t| t.text.clone()).collect();
            match place(text, &names, offsets.as_deref()).map(|p| p.border(*border)) {
                Some(Border::At(from)) => finish(at, &tokens, from),
                Some(Border::Within) | None => {
                    open.push((at, tokens));
                    Flow::Continue(())
                }
            }
        });
        if result.is_ok() && !open.is_empty() {
            let contexts = open
                .iter()
                .map(|(at, _)| {
                    let (text, border) = &texts[*at];
                    self.score_question(&Prompt::Text(text[..*border].to_owned()))
                })
                .collect();
            result = self.put(contexts, fresh, &|q| open[q].0, &mut |q, answer| {
                let (at, tokens) = &open[q];
                match answer {
                    Answer::Scores(context, _) => finish(*at, tokens, context.len()),
                    _ => Flow::Continue(()),
                }
            });
        }
        match failed {
            Some(error) => Err(error),
            None => result,
        }
    }

    /// Windows of whole texts, as pairs, with the text that each belongs to.
    fn text_windows(
        &self,
        requests: &[RollingRequest],
    ) -> Result<(Vec<Pair>, Vec<usize>), LmError> {
        let texts: Vec<(String, bool)> = requests
            .iter()
            .map(|r| (r.text.to_string(), true))
            .collect();
        let prefix = self
            .prefix_id()
            .map_err(|reason| request_error(0, reason))?;
        let mut pairs = Vec::new();
        let mut owners = Vec::new();
        for (index, ids) in self.encode(&texts)?.iter().enumerate() {
            for (context, scored) in windows(ids, prefix, self.scored_max().saturating_sub(1)) {
                pairs.push(Pair {
                    n_cont: scored.len(),
                    n_truncated: 0,
                    ids: [context, scored].concat(),
                });
                owners.push(index);
            }
        }
        Ok((pairs, owners))
    }

    fn rolling_by_ids(
        &self,
        requests: &[RollingRequest],
        done: Done<'_, Loglikelihood>,
    ) -> Result<(), LmError> {
        let (pairs, owners) = self.text_windows(requests)?;
        let mut open: Vec<Vec<Option<Loglikelihood>>> = vec![Vec::new(); requests.len()];
        let mut slots = Vec::with_capacity(owners.len());
        for &owner in &owners {
            slots.push((owner, open[owner].len()));
            open[owner].push(None);
        }
        let joined = |parts: &[Option<Loglikelihood>]| {
            let parts: Option<Vec<Loglikelihood>> = parts.iter().copied().collect();
            parts.map(|parts| Loglikelihood {
                logprob: parts.iter().map(|p| f64::from(p.logprob)).sum::<f64>() as f32,
                is_greedy: parts.iter().all(|p| p.is_greedy),
                n_tokens: parts.iter().map(|p| p.n_tokens).sum(),
                n_truncated: 0,
            })
        };
        for (index, parts) in open.iter().enumerate() {
            if let (true, Some(empty)) = (parts.is_empty(), joined(parts))
                && done(index, empty).is_break()
            {
                return Err(LmError::Stopped);
            }
        }
        self.score_pairs(&pairs, false, &mut |at, likelihood| {
            let (owner, part) = slots[at];
            open[owner][part] = Some(likelihood);
            match joined(&open[owner]) {
                Some(whole) => done(owner, whole),
                None => Flow::Continue(()),
            }
        })
        .map_err(|e| match e {
            LmError::Request { index, reason } => request_error(owners[index], reason),
            e => e,
        })
    }

    /// A conversation, if the text is one that was rendered here.
    fn conversation(&self, text: &str) -> Option<Vec<ChatMessage>> {
        let chats = self.chats.lock().unwrap_or_else(PoisonError::into_inner);
        match chats.contains(text) {
            true => serde_json::from_str(text).ok(),
            false => None,
        }
    }

    fn prompts(&self, requests: &[GenerateRequest]) -> Result<Vec<(Prompt, usize)>, LmError> {
        if self.api().is_chat() {
            return Ok(requests
                .iter()
                .map(|r| {
                    let messages = self.conversation(&r.context).unwrap_or_else(|| {
                        vec![ChatMessage {
                            role: "user".into(),
                            content: r.context.to_string(),
                        }]
                    });
                    (Prompt::Messages(messages), 0)
                })
                .collect());
        }
        if !self.uses_ids() {
            return Ok(requests
                .iter()
                .map(|r| match r.context.is_empty() {
                    true => (Prompt::Text(self.prefix().to_owned()), 0),
                    false => (Prompt::Text(r.context.to_string()), 0),
                })
                .collect());
        }
        let texts: Vec<(String, bool)> = requests
            .iter()
            .map(|r| (r.context.to_string(), true))
            .collect();
        let mut prompts = Vec::with_capacity(requests.len());
        for (index, mut ids) in self.encode(&texts)?.into_iter().enumerate() {
            if ids.is_empty() {
                ids.push(
                    self.prefix_id()
                        .map_err(|reason| request_error(index, reason))?,
                );
            }
            let max_tokens = requests[index]
                .options
                .max_tokens
                .unwrap_or(DEFAULT_MAX_TOKENS);
            let room = self.max_length().saturating_sub(max_tokens as usize);
            if room == 0 {
                return Err(request_error(
                    index,
                    format!(
                        "max_gen_toks is {max_tokens}; the model has room for 1 to {} new tokens (its length is {})",
                        self.max_length().saturating_sub(1),
                        self.max_length()
                    ),
                ));
            }
            let n_truncated = ids.len().saturating_sub(room);
            ids.drain(..n_truncated);
            prompts.push((Prompt::Ids(ids), n_truncated));
        }
        Ok(prompts)
    }
}

/// The text up to the first stop string, and whether there was one.
fn cut<'t>(text: &'t str, until: &[String]) -> (&'t str, bool) {
    let found = until
        .iter()
        .filter(|s| !s.is_empty())
        .filter_map(|s| text.find(s.as_str()));
    match found.min() {
        Some(at) => (&text[..at], true),
        None => (text, false),
    }
}

impl LanguageModel for RemoteModel {
    fn name(&self) -> &str {
        &self.options.model
    }

    fn fingerprint(&self) -> BTreeMap<String, String> {
        let mut facts: BTreeMap<String, String> = self
            .server
            .facts
            .iter()
            .map(|(name, value)| (format!("remote_{name}"), value.clone()))
            .collect();
        // As of a model on disk: what tells it from every other.
        facts.insert("weights".into(), self.line.identity_hash());
        facts.insert(
            "architecture".into(),
            format!("remote {}", self.api().name()),
        );
        facts.insert("max_length".into(), self.max_length().to_string());
        facts.insert("prefix".into(), self.prefix().to_owned());
        let sent = if self.uses_ids() { "ids" } else { "text" };
        facts.insert("sent".into(), sent.into());
        if let Some(bos) = self.options.add_bos_token {
            facts.insert("add_bos_token".into(), bos.to_string());
        }
        if !self.options.body.is_empty() {
            let body = serde_json::Value::Object(self.options.body.clone());
            facts.insert("body".into(), body.to_string());
        }
        facts
    }

    fn max_length(&self) -> usize {
        let asked = self.options.max_length;
        let max = asked
            .or(self.server.max_length)
            .unwrap_or(DEFAULT_MAX_LENGTH);
        self.server.max_length.map_or(max, |own| own.min(max))
    }

    fn vocab_size(&self) -> Option<u64> {
        self.server.n_vocab
    }

    fn work_so_far(&self) -> Work {
        let spent = self.spent();
        let n = spent.input_tokens + spent.output_tokens;
        Work {
            tokens_requested: n,
            tokens_distinct: n,
            tokens_computed: n,
            ..Work::default()
        }
    }

    fn tokenize(&self, text: &str) -> Result<Vec<u32>, LmError> {
        match self.server.tokenizes {
            true => Ok(self.encode(&[(text.to_owned(), false)])?.remove(0)),
            false => Err(LmError::Model(format!(
                "{}: has no tokenizer",
                self.place()
            ))),
        }
    }

    fn apply_chat_template(
        &self,
        messages: &[ChatMessage],
        add_generation_prompt: bool,
    ) -> Result<String, LmError> {
        if !self.api().is_chat() {
            return Err(LmError::Model(
                "the server's chat template is out of reach of this interface; ask with --api chat"
                    .into(),
            ));
        }
        // The last message of an assistant is the beginning of its answer.
        let _as_sent = add_generation_prompt;
        let text = serde_json::to_string(messages).map_err(|e| LmError::Model(e.to_string()))?;
        let mut chats = self.chats.lock().unwrap_or_else(PoisonError::into_inner);
        chats.insert(text.clone());
        Ok(text)
    }

    fn loglikelihood(
        &self,
        requests: &[LoglikelihoodRequest],
        done: Done<'_, Loglikelihood>,
    ) -> Result<Work, LmError> {
        let before = self.work_so_far();
        self.likelihoods(requests, false, done)?;
        Ok(self.work_since(before))
    }

    fn loglikelihood_rolling(
        &self,
        requests: &[RollingRequest],
        done: Done<'_, Loglikelihood>,
    ) -> Result<Work, LmError> {
        let before = self.work_so_far();
        if self.uses_ids() {
            self.rolling_by_ids(requests, done)?;
            return Ok(self.work_since(before));
        }
        // A text that the model has room for is a continuation of nothing.
        let mut pairs = Vec::new();
        let mut indices = Vec::new();
        for (index, request) in requests.iter().enumerate() {
            if request.text.is_empty() {
                let empty = Loglikelihood {
                    logprob: 0.0,
                    is_greedy: true,
                    n_tokens: 0,
                    n_truncated: 0,
                };
                if done(index, empty).is_break() {
                    return Err(LmError::Stopped);
                }
                continue;
            }
            indices.push(index);
            pairs.push(LoglikelihoodRequest {
                context: "".into(),
                continuation: Arc::clone(&request.text),
            });
        }
        self.likelihoods(&pairs, false, &mut |at, l| done(indices[at], l))
            .map_err(|e| match e {
                LmError::Request { index, reason } => request_error(
                    indices[index],
                    format!(
                        "{reason} (a text longer than the model needs a server with a tokenizer)"
                    ),
                ),
                e => e,
            })?;
        Ok(self.work_since(before))
    }

    fn generate(
        &self,
        requests: &[GenerateRequest],
        done: Done<'_, Generation>,
    ) -> Result<Work, LmError> {
        let before = self.work_so_far();
        for (at, chunk) in requests.chunks(CHUNK).enumerate() {
            let first = at * CHUNK;
            let result = self.prompts(chunk).and_then(|prompts| {
                let questions = prompts
                    .iter()
                    .zip(chunk)
                    .map(|((prompt, _), request)| {
                        let options = &request.options;
                        let max_tokens = options.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS);
                        self.asker()
                            .generate(self.api(), prompt, options, max_tokens, request.seed)
                    })
                    .collect();
                self.put(questions, false, &|at| at, &mut |at, answer| {
                    let Answer::Text(text, finish) = answer else {
                        return Flow::Continue(());
                    };
                    let until = &chunk[at].options.until;
                    let (text, is_cut) = cut(&text, until);
                    let finish = match (is_cut, finish) {
                        (true, _) => FinishReason::Stop,
                        (false, Some(finish)) => finish,
                        // "stop": by a string, if there was one to stop at.
                        (false, None) if until.is_empty() => FinishReason::Eos,
                        (false, None) => FinishReason::Stop,
                    };
                    done(
                        first + at,
                        Generation {
                            text: text.to_owned(),
                            tokens: Vec::new(),
                            finish,
                            n_truncated: prompts[at].1 as u32,
                        },
                    )
                })
            });
            result.map_err(|e| match e {
                LmError::Request { index, reason } => request_error(first + index, reason),
                e => e,
            })?;
        }
        Ok(self.work_since(before))
    }
}

impl RemoteModel {
    fn work_since(&self, before: Work) -> Work {
        let n = self.work_so_far().tokens_requested - before.tokens_requested;
        Work {
            tokens_requested: n,
            tokens_distinct: n,
            tokens_computed: n,
            ..Work::default()
        }
    }
}
