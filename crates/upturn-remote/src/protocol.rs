//! Questions in the words of each server, and what its answers say.
//!
//! Sources: OpenAI's API reference (completions, chat); Anthropic's (messages); vLLM's
//! `entrypoints/openai/serving_completion.py`; SGLang's `io_struct.py::GenerateReqInput` and
//! its page of sampling parameters; the README of llama.cpp's server.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use upturn_types::{ChatMessage, FinishReason, GenerateOptions};

use crate::budget::Tokens;
use crate::cache::CacheKey;

/// Version of what is asked and kept. Raised when the same question would be put otherwise.
const VERSION: &str = "upturn-remote 1";
/// Stop strings that OpenAI's own servers take.
const STOPS_MAX: usize = 4;

/// What a prompt is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Prompt {
    Text(String),
    Ids(Vec<u32>),
    Messages(Vec<ChatMessage>),
}

impl Prompt {
    /// The most tokens that it can have.
    fn most(&self) -> u64 {
        /// Tokens that a chat template puts around a message, at most.
        const AROUND: u64 = 32;
        match self {
            Prompt::Text(text) => text.len() as u64 + 4,
            Prompt::Ids(ids) => ids.len() as u64,
            Prompt::Messages(all) => all.iter().map(|m| m.content.len() as u64 + AROUND).sum(),
        }
    }

    fn json(&self) -> Value {
        match self {
            Prompt::Text(text) => json!(text),
            Prompt::Ids(ids) => json!(ids),
            Prompt::Messages(all) => json!(all),
        }
    }
}

/// A token of a prompt with its log-probability.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ScoredToken {
    /// Its text, where the server says it.
    pub(crate) text: String,
    /// Its log-probability; unknown for the first.
    pub(crate) logprob: Option<f64>,
    /// That of the most likely token in its place.
    pub(crate) best: Option<f64>,
}

/// An answer, read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    /// A scored prompt: its tokens, and their offsets in characters where they are given.
    Scores(Vec<ScoredToken>, Option<Vec<usize>>),
    /// A continuation.
    Text(String, Option<FinishReason>),
    /// The next token of a prompt: log-probability of the one asked for, where it is among
    /// those listed, and whether it is the most likely.
    Next(Option<(f64, bool)>),
    /// Token ids.
    Ids(Vec<u32>),
}

/// How an answer is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Completions with echo; the prompt's tokens, where they are known.
    Echo(Option<usize>),
    Completion,
    Chat,
    Messages,
    /// Completions with `prompt_logprobs`.
    PromptLogprobs,
    SglangScores,
    SglangText,
    /// llama.cpp: the next token is to be this one.
    Next(u32),
    LlamaText,
    Tokenize,
}

impl Kind {
    fn name(self) -> String {
        match self {
            Kind::Echo(_) => "echo".into(),
            Kind::Completion => "completion".into(),
            Kind::Chat => "chat".into(),
            Kind::Messages => "messages".into(),
            Kind::PromptLogprobs => "prompt_logprobs".into(),
            Kind::SglangScores => "sglang_scores".into(),
            Kind::SglangText => "sglang_text".into(),
            Kind::Next(token) => format!("next {token}"),
            Kind::LlamaText => "llama_text".into(),
            Kind::Tokenize => "tokenize".into(),
        }
    }
}

/// A request on its way.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Question {
    pub(crate) url: String,
    pub(crate) kind: Kind,
    pub(crate) body: Value,
    /// Tells apart samples whose requests are the same.
    pub(crate) nonce: Option<u64>,
    /// The most that it can take.
    pub(crate) most: Tokens,
}

impl Question {
    /// The key of its answer: all that decides it.
    pub(crate) fn key(&self, identity: &str) -> CacheKey {
        let mut hash = Sha256::new();
        let mut body = String::new();
        canonical(&self.body, &mut body);
        let nonce = self.nonce.map_or_else(String::new, |n| n.to_string());
        let kind = self.kind.name();
        for part in [VERSION, identity, &self.url, &kind, &nonce, &body] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        hash.finalize().into()
    }

    /// Tokens that the server says it took.
    pub(crate) fn usage(&self, answer: &Value) -> Option<Tokens> {
        let number = |at: &str| answer.pointer(at).and_then(Value::as_u64);
        let pair = |input: &str, output: &str| {
            Some(Tokens {
                input: number(input)?,
                output: number(output).unwrap_or(0),
            })
        };
        match self.kind {
            Kind::Tokenize => Some(Tokens::default()),
            Kind::Messages => {
                let mut tokens = pair("/usage/input_tokens", "/usage/output_tokens")?;
                for cached in ["cache_creation_input_tokens", "cache_read_input_tokens"] {
                    tokens.input += number(&format!("/usage/{cached}")).unwrap_or(0);
                }
                Some(tokens)
            }
            Kind::SglangScores | Kind::SglangText => {
                pair("/meta_info/prompt_tokens", "/meta_info/completion_tokens")
            }
            Kind::Next(_) | Kind::LlamaText => pair("/tokens_evaluated", "/tokens_predicted"),
            _ => pair("/usage/prompt_tokens", "/usage/completion_tokens"),
        }
    }

    /// What is kept of an answer: all of it, but for long lists of tokens nobody asked for.
    pub(crate) fn kept(&self, text: &str, answer: &Value) -> String {
        let Kind::Next(token) = self.kind else {
            return text.to_owned();
        };
        let all = next_tokens(answer);
        let kept: Vec<&Value> = all
            .iter()
            .enumerate()
            .filter(|(at, t)| *at == 0 || t["id"].as_u64() == Some(u64::from(token)))
            .map(|(_, t)| t)
            .collect();
        json!({"completion_probabilities": [{"top_logprobs": kept}]}).to_string()
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// A fragment that says what is missing.
    pub(crate) fn read(&self, answer: &Value) -> Result<Answer, String> {
        match self.kind {
            Kind::Echo(n_prompt) => echo(answer, n_prompt),
            Kind::Completion => {
                let choice = first_choice(answer)?;
                let text = string(choice, "text")?;
                Ok(Answer::Text(text, finish(choice)))
            }
            Kind::Chat => {
                let choice = first_choice(answer)?;
                let text = match choice.pointer("/message/content") {
                    Some(Value::String(text)) => text.clone(),
                    // A refused answer, or one that was all thought.
                    Some(Value::Null) => String::new(),
                    _ => return Err("no message.content in the answer".into()),
                };
                Ok(Answer::Text(text, finish(choice)))
            }
            Kind::Messages => messages(answer),
            Kind::PromptLogprobs => prompt_logprobs(answer),
            Kind::SglangScores => sglang_scores(answer),
            Kind::SglangText => {
                let finish = match answer.pointer("/meta_info/finish_reason/type") {
                    Some(Value::String(s)) if s == "length" => Some(FinishReason::Length),
                    Some(Value::String(s)) if s == "stop" => {
                        match answer.pointer("/meta_info/finish_reason/matched") {
                            Some(Value::String(_)) => Some(FinishReason::Stop),
                            Some(Value::Number(_)) => Some(FinishReason::Eos),
                            _ => None,
                        }
                    }
                    _ => None,
                };
                Ok(Answer::Text(string(answer, "text")?, finish))
            }
            Kind::Next(token) => {
                let all = next_tokens(answer);
                let first = all.first().ok_or(
                    "no completion_probabilities in the answer (llama.cpp gives them with n_probs)",
                )?;
                let best = first["logprob"]
                    .as_f64()
                    .ok_or("no logprob in the answer")?;
                let own = all
                    .iter()
                    .find(|t| t["id"].as_u64() == Some(u64::from(token)))
                    .and_then(|t| t["logprob"].as_f64());
                Ok(Answer::Next(own.map(|l| (l, l >= best))))
            }
            Kind::LlamaText => {
                let finish = match answer["stop_type"].as_str() {
                    Some("eos") => Some(FinishReason::Eos),
                    Some("word") => Some(FinishReason::Stop),
                    Some("limit") => Some(FinishReason::Length),
                    _ => None,
                };
                Ok(Answer::Text(string(answer, "content")?, finish))
            }
            Kind::Tokenize => {
                let ids = answer["tokens"]
                    .as_array()
                    .ok_or("no tokens in the answer")?;
                let ids: Option<Vec<u32>> = ids
                    .iter()
                    .map(|id| u32::try_from(id.as_u64()?).ok())
                    .collect();
                Ok(Answer::Ids(
                    ids.ok_or("tokens that are no ids in the answer")?,
                ))
            }
        }
    }
}

/// JSON with sorted keys: the same text whatever the order of a map.
fn canonical(value: &Value, to: &mut String) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            to.push('{');
            for key in keys {
                let _infallible = write!(to, "{}:", Value::from(key.as_str()));
                canonical(&map[key], to);
                to.push(',');
            }
            to.push('}');
        }
        Value::Array(all) => {
            to.push('[');
            for value in all {
                canonical(value, to);
                to.push(',');
            }
            to.push(']');
        }
        value => {
            let _infallible = write!(to, "{value}");
        }
    }
}

fn string(value: &Value, field: &str) -> Result<String, String> {
    match &value[field] {
        Value::String(text) => Ok(text.clone()),
        _ => Err(format!("no {field} in the answer")),
    }
}

/// The choice with index 0, in whatever order they came.
fn first_choice(answer: &Value) -> Result<&Value, String> {
    let choices = answer["choices"].as_array().filter(|c| !c.is_empty());
    let choices = choices.ok_or("no choices in the answer")?;
    let first = choices.iter().find(|c| c["index"].as_u64() == Some(0));
    Ok(first.unwrap_or(&choices[0]))
}

/// Why a choice ended. "stop" alone does not say whether by a string or by the model.
fn finish(choice: &Value) -> Option<FinishReason> {
    match choice["finish_reason"].as_str() {
        Some("length") => Some(FinishReason::Length),
        // vLLM and Upturn say which string it was; null is the model's own end.
        Some("stop") => match choice.get("stop_reason") {
            Some(Value::String(_)) => Some(FinishReason::Stop),
            Some(Value::Null | Value::Number(_)) => Some(FinishReason::Eos),
            _ => None,
        },
        _ => None,
    }
}

fn best_of(top: &Value) -> Option<f64> {
    let values = top.as_object()?.values().filter_map(Value::as_f64);
    values.reduce(f64::max)
}

fn echo(answer: &Value, n_prompt: Option<usize>) -> Result<Answer, String> {
    let choice = first_choice(answer)?;
    let part = |name: &str| {
        choice
            .pointer(&format!("/logprobs/{name}"))
            .and_then(Value::as_array)
    };
    let (Some(texts), Some(logprobs)) = (part("tokens"), part("token_logprobs")) else {
        return Err("no logprobs in the answer".into());
    };
    let tops = part("top_logprobs").ok_or("no top_logprobs in the answer")?;
    if texts.len() != logprobs.len() || texts.len() != tops.len() {
        return Err("tokens and log-probabilities in the answer are not as many".into());
    }
    let n_new = answer
        .pointer("/usage/completion_tokens")
        .and_then(Value::as_u64);
    let n_prompt = match (n_prompt, n_new) {
        (Some(n), _) => n,
        (None, Some(new)) => texts.len().saturating_sub(new as usize),
        (None, None) => return Err("no usage.completion_tokens in the answer".into()),
    };
    if n_prompt == 0 || n_prompt > texts.len() {
        return Err("log-probabilities of new tokens only, none of the prompt".into());
    }
    let offsets: Option<Vec<usize>> = part("text_offset")
        .filter(|o| o.len() == texts.len())
        .map(|o| {
            o[..n_prompt]
                .iter()
                .map(|o| o.as_u64().map(|o| o as usize))
                .collect()
        })
        .unwrap_or_default();
    let tokens = (0..n_prompt)
        .map(|i| ScoredToken {
            text: texts[i].as_str().unwrap_or_default().to_owned(),
            logprob: logprobs[i].as_f64(),
            best: best_of(&tops[i]),
        })
        .collect();
    Ok(Answer::Scores(tokens, offsets))
}

/// vLLM: for each token of the prompt a map of ids, its own among them.
fn prompt_logprobs(answer: &Value) -> Result<Answer, String> {
    let choice = first_choice(answer)?;
    let all = choice["prompt_logprobs"]
        .as_array()
        .ok_or("no prompt_logprobs in the answer")?;
    let ids = choice["prompt_token_ids"].as_array();
    let tokens: Option<Vec<ScoredToken>> = all
        .iter()
        .enumerate()
        .map(|(i, entry)| {
            let Some(map) = entry.as_object() else {
                return Some(ScoredToken {
                    text: String::new(),
                    logprob: None,
                    best: None,
                });
            };
            let own = map.get(&ids?.get(i)?.as_u64()?.to_string())?;
            let all = map.values().filter_map(|t| t["logprob"].as_f64());
            Some(ScoredToken {
                text: own["decoded_token"].as_str().unwrap_or_default().to_owned(),
                logprob: own["logprob"].as_f64(),
                best: all.reduce(f64::max),
            })
        })
        .collect();
    let tokens = tokens.ok_or(
        "prompt_logprobs in the answer do not name the prompt's own tokens (vLLM does with return_token_ids)",
    )?;
    Ok(Answer::Scores(tokens, None))
}

/// SGLang: `[logprob, id, text]` for each token of the prompt, and lists of the most likely.
fn sglang_scores(answer: &Value) -> Result<Answer, String> {
    let part = |name: &str| {
        answer
            .pointer(&format!("/meta_info/{name}"))
            .and_then(Value::as_array)
    };
    let own = part("input_token_logprobs").ok_or("no input_token_logprobs in the answer")?;
    let tops = part("input_top_logprobs").ok_or("no input_top_logprobs in the answer")?;
    if own.len() != tops.len() {
        return Err("tokens and most likely tokens in the answer are not as many".into());
    }
    let tokens = own
        .iter()
        .zip(tops)
        .map(|(own, top)| ScoredToken {
            text: own[2].as_str().unwrap_or_default().to_owned(),
            logprob: own[0].as_f64(),
            best: top
                .as_array()
                .and_then(|t| t.iter().filter_map(|t| t[0].as_f64()).reduce(f64::max)),
        })
        .collect();
    Ok(Answer::Scores(tokens, None))
}

fn messages(answer: &Value) -> Result<Answer, String> {
    let content = answer["content"]
        .as_array()
        .ok_or("no content in the answer")?;
    let text: String = content
        .iter()
        .filter(|block| block["type"] == "text")
        .filter_map(|block| block["text"].as_str())
        .collect();
    let finish = match answer["stop_reason"].as_str() {
        Some("end_turn") => Some(FinishReason::Eos),
        Some("stop_sequence") => Some(FinishReason::Stop),
        Some("max_tokens") => Some(FinishReason::Length),
        _ => None,
    };
    Ok(Answer::Text(text, finish))
}

fn next_tokens(answer: &Value) -> &[Value] {
    answer
        .pointer("/completion_probabilities/0/top_logprobs")
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// Puts questions to one model at one server.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    /// The URL that ends in `/v1`.
    pub(crate) base: String,
    /// The URL without it.
    pub(crate) root: String,
    pub(crate) model: String,
    pub(crate) over: Map<String, Value>,
    pub(crate) add_bos: Option<bool>,
    /// Whether the host is OpenAI's own.
    pub(crate) is_openai: bool,
}

impl Asker {
    fn question(&self, url: String, kind: Kind, mut body: Value, most: Tokens) -> Question {
        if let (Value::Object(body), false) = (&mut body, kind == Kind::Tokenize) {
            for (key, value) in &self.over {
                match value {
                    Value::Null => body.remove(key),
                    value => body.insert(key.clone(), value.clone()),
                };
            }
        }
        Question {
            url,
            kind,
            body,
            nonce: None,
            most,
        }
    }

    /// Scores a prompt by echo.
    pub(crate) fn echo(&self, prompt: &Prompt) -> Question {
        let mut body = json!({
            "model": self.model,
            "prompt": prompt.json(),
            "echo": true,
            "logprobs": 1,
            // Zero would do, but not all servers take it.
            "max_tokens": 1,
            "temperature": 0,
        });
        self.bos(prompt, &mut body);
        let n_prompt = match prompt {
            Prompt::Ids(ids) => Some(ids.len()),
            _ => None,
        };
        let most = Tokens {
            input: prompt.most(),
            output: 1,
        };
        let url = format!("{}/completions", self.base);
        self.question(url, Kind::Echo(n_prompt), body, most)
    }

    /// The same without a new token: the prompt may be as long as the model and one more.
    pub(crate) fn echo_alone(&self, prompt: &Prompt) -> Question {
        let mut question = self.echo(prompt);
        question.body["max_tokens"] = json!(0);
        question.most.output = 0;
        question
    }

    fn bos(&self, prompt: &Prompt, body: &mut Value) {
        if let (Prompt::Text(_), Some(bos)) = (prompt, self.add_bos) {
            body["add_special_tokens"] = json!(bos);
        }
    }

    /// Scores token ids with vLLM's `prompt_logprobs`.
    pub(crate) fn prompt_logprobs(&self, prompt: &Prompt) -> Question {
        let body = json!({
            "model": self.model,
            "prompt": prompt.json(),
            "prompt_logprobs": 1,
            "return_token_ids": true,
            "max_tokens": 1,
            "temperature": 0,
        });
        let most = Tokens {
            input: prompt.most(),
            output: 1,
        };
        let url = format!("{}/completions", self.base);
        self.question(url, Kind::PromptLogprobs, body, most)
    }

    /// Scores a prompt with SGLang's own interface.
    pub(crate) fn sglang_scores(&self, prompt: &Prompt) -> Question {
        let mut body = json!({
            "sampling_params": {"temperature": 0, "max_new_tokens": 1},
            "return_logprob": true,
            "logprob_start_len": 0,
            "top_logprobs_num": 1,
            "return_text_in_logprobs": true,
        });
        sglang_prompt(prompt, &mut body);
        let most = Tokens {
            input: prompt.most(),
            output: 1,
        };
        let url = format!("{}/generate", self.root);
        self.question(url, Kind::SglangScores, body, most)
    }

    /// llama.cpp: how likely `token` is after `before`, if it is among the `n` most likely.
    pub(crate) fn next(&self, before: &[u32], token: u32, n: u64) -> Question {
        let body = json!({
            "prompt": before,
            "n_predict": 1,
            "n_probs": n,
            "temperature": 0,
            "post_sampling_probs": false,
            "cache_prompt": true,
        });
        let most = Tokens {
            input: before.len() as u64,
            output: 1,
        };
        let url = format!("{}/completion", self.root);
        self.question(url, Kind::Next(token), body, most)
    }

    /// Token ids of a text, in vLLM's words or llama.cpp's.
    pub(crate) fn tokenize(&self, text: &str, specials: bool, is_llama_cpp: bool) -> Question {
        let body = match is_llama_cpp {
            true => json!({"content": text, "add_special": specials, "parse_special": true}),
            false => json!({"model": self.model, "prompt": text, "add_special_tokens": specials}),
        };
        let url = format!("{}/tokenize", self.root);
        self.question(url, Kind::Tokenize, body, Tokens::default())
    }

    /// Continues a prompt.
    pub(crate) fn generate(
        &self,
        api: crate::Api,
        prompt: &Prompt,
        options: &GenerateOptions,
        max_tokens: u32,
        seed: u64,
    ) -> Question {
        use crate::Api;
        let most = Tokens {
            input: prompt.most(),
            output: u64::from(max_tokens),
        };
        let sampled = options.do_sample && options.temperature > 0.0;
        let temperature = match sampled {
            true => float(options.temperature),
            false => json!(0),
        };
        let stops: Vec<&String> = options.until.iter().filter(|s| !s.is_empty()).collect();
        match api {
            Api::Completions | Api::Vllm | Api::Chat => {
                let chat = api == Api::Chat;
                let stops = match chat || self.is_openai {
                    true => &stops[..stops.len().min(STOPS_MAX)],
                    false => &stops[..],
                };
                let limit = match chat && self.is_openai {
                    true => "max_completion_tokens",
                    false => "max_tokens",
                };
                let mut body = json!({
                    "model": self.model,
                    limit: max_tokens,
                    "temperature": temperature,
                });
                body[if chat { "messages" } else { "prompt" }] = prompt.json();
                if !stops.is_empty() {
                    body["stop"] = json!(stops);
                }
                if sampled {
                    body["seed"] = json!(seed);
                    sampling(
                        options,
                        &mut body,
                        &["top_p", "top_k", "min_p", "repetition_penalty"],
                    );
                }
                self.bos(prompt, &mut body);
                let (path, kind) = match chat {
                    true => ("chat/completions", Kind::Chat),
                    false => ("completions", Kind::Completion),
                };
                let mut question = self.question(format!("{}/{path}", self.base), kind, body, most);
                question.nonce = sampled.then_some(seed);
                question
            }
            Api::Anthropic => {
                let Prompt::Messages(all) = prompt else {
                    let text = match prompt {
                        Prompt::Text(text) => text.clone(),
                        _ => String::new(),
                    };
                    let user = vec![ChatMessage {
                        role: "user".into(),
                        content: text,
                    }];
                    let prompt = Prompt::Messages(user);
                    return self.generate(api, &prompt, options, max_tokens, seed);
                };
                let (system, turns): (Vec<&ChatMessage>, Vec<&ChatMessage>) =
                    all.iter().partition(|m| m.role == "system");
                let mut body = json!({
                    "model": self.model,
                    "messages": turns,
                    "max_tokens": max_tokens,
                    "temperature": temperature,
                });
                if !system.is_empty() {
                    let texts: Vec<&str> = system.iter().map(|m| m.content.as_str()).collect();
                    body["system"] = json!(texts.join("\n\n"));
                }
                // A stop sequence of nothing but whitespace is refused; it is cut here instead.
                let stops: Vec<&&String> = stops.iter().filter(|s| !s.trim().is_empty()).collect();
                if !stops.is_empty() {
                    body["stop_sequences"] = json!(stops[..stops.len().min(STOPS_MAX)]);
                }
                if sampled {
                    sampling(options, &mut body, &["top_p", "top_k"]);
                }
                let url = format!("{}/messages", self.base);
                let mut question = self.question(url, Kind::Messages, body, most);
                question.nonce = sampled.then_some(seed);
                question
            }
            Api::Sglang => {
                let mut params = json!({
                    "temperature": temperature,
                    "max_new_tokens": max_tokens,
                });
                if !stops.is_empty() {
                    params["stop"] = json!(stops);
                }
                if sampled {
                    params["sampling_seed"] = json!(seed & i64::MAX as u64);
                    sampling(
                        options,
                        &mut params,
                        &["top_p", "top_k", "min_p", "repetition_penalty"],
                    );
                }
                let mut body = json!({"sampling_params": params});
                sglang_prompt(prompt, &mut body);
                let url = format!("{}/generate", self.root);
                let mut question = self.question(url, Kind::SglangText, body, most);
                question.nonce = sampled.then_some(seed);
                question
            }
            Api::LlamaCpp => {
                let mut body = json!({
                    "prompt": prompt.json(),
                    "n_predict": max_tokens,
                    "temperature": temperature,
                    "cache_prompt": true,
                    "repeat_penalty": float(options.repetition_penalty),
                });
                if !stops.is_empty() {
                    body["stop"] = json!(stops);
                }
                if sampled {
                    body["seed"] = json!(seed & u64::from(u32::MAX));
                    // Said even where they do nothing: the server's own are other ones.
                    body["top_p"] = float(options.top_p);
                    body["top_k"] = json!(options.top_k);
                    body["min_p"] = float(options.min_p);
                }
                let url = format!("{}/completion", self.root);
                let mut question = self.question(url, Kind::LlamaText, body, most);
                question.nonce = sampled.then_some(seed);
                question
            }
        }
    }
}

fn sglang_prompt(prompt: &Prompt, body: &mut Value) {
    match prompt {
        Prompt::Ids(ids) => body["input_ids"] = json!(ids),
        prompt => body["text"] = prompt.json(),
    }
}

/// A 32-bit number as people write it: 0.7, not 0.699999988079071.
fn float(value: f32) -> Value {
    value
        .to_string()
        .parse::<f64>()
        .map_or(Value::Null, |v| json!(v))
}

/// Settings of sampling that do something, of those that a server knows.
fn sampling(options: &GenerateOptions, body: &mut Value, known: &[&str]) {
    let settings = [
        ("top_p", options.top_p < 1.0, float(options.top_p)),
        ("top_k", options.top_k > 0, json!(options.top_k)),
        ("min_p", options.min_p > 0.0, float(options.min_p)),
        (
            "repetition_penalty",
            options.repetition_penalty != 1.0,
            float(options.repetition_penalty),
        ),
    ];
    for (name, does, value) in settings {
        if does && known.contains(&name) {
            body[name] = value;
        }
    }
}
