//! `POST /v1/completions`: prompts scored, continued, or both.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use upturn_types::{FinishReason, GenerateOptions};

use super::error::ApiError;
use super::fields::{Fields, wrong};
use super::routes::App;
use super::served::{AnswerJob, Place, ScoreJob, Scored, ServedModel, Written};
use super::text::{Laid, lay};

/// New tokens where a request does not say, as at OpenAI.
const MAX_TOKENS: u64 = 16;
/// Most of the most likely tokens that can be asked for.
const LOGPROBS_MAX: u64 = 1000;
/// Most answers to one prompt.
const N_MAX: u64 = 128;
/// Most stop strings.
const STOPS_MAX: usize = 64;

/// A prompt, encoded.
struct Prompt {
    ids: Vec<u32>,
    /// Its text, where it came as one.
    text: Option<String>,
}

/// How answers are made: what completions and chat completions have in common.
pub(crate) struct How {
    pub(crate) options: Arc<GenerateOptions>,
    pub(crate) seed: u64,
    pub(crate) n: u64,
    stream: bool,
    usage_in_stream: bool,
}

impl How {
    pub(crate) fn read(fields: &Fields) -> Result<Self, ApiError> {
        let temperature = fields.number("temperature", 0.0, 100.0)?.unwrap_or(1.0);
        let until = fields.texts("stop")?;
        if until.len() > STOPS_MAX {
            return Err(wrong("stop", &format!("at most {STOPS_MAX} texts")));
        }
        let top_p = fields.number("top_p", 0.0, 1.0)?.unwrap_or(1.0);
        if top_p <= 0.0 {
            return Err(wrong("top_p", "more than 0, at most 1"));
        }
        // vLLM writes "all" as -1.
        let all = fields.get("top_k").and_then(Value::as_i64) == Some(-1);
        let top_k = match all {
            true => 0,
            false => fields.count("top_k", 0, u64::from(u32::MAX))?.unwrap_or(0) as u32,
        };
        let penalty = fields
            .number("repetition_penalty", 1e-3, 1e3)?
            .unwrap_or(1.0);
        let n = fields.count("n", 1, N_MAX)?.unwrap_or(1);
        if fields.count("best_of", 1, N_MAX)?.is_some_and(|b| b != n) {
            return Err(ApiError::field(
                "best_of",
                "best_of is not supported by this server; leave it out",
            ));
        }
        let usage = fields.get("stream_options").map(|o| &o["include_usage"]);
        Ok(How {
            options: Arc::new(GenerateOptions {
                until: until.into_iter().filter(|s| !s.is_empty()).collect(),
                max_tokens: None,
                do_sample: temperature > 0.0,
                temperature: if temperature > 0.0 { temperature } else { 1.0 },
                top_k,
                top_p,
                min_p: fields.number("min_p", 0.0, 1.0)?.unwrap_or(0.0),
                repetition_penalty: penalty,
            }),
            seed: match fields.get("seed") {
                // Any whole number, as people write them.
                Some(value) => match (value.as_u64(), value.as_i64()) {
                    (Some(seed), _) => seed,
                    (None, Some(seed)) => seed as u64,
                    (None, None) => return Err(wrong("seed", "a whole number")),
                },
                None => 0,
            },
            n,
            stream: fields.flag("stream")?,
            usage_in_stream: usage == Some(&Value::Bool(true)),
        })
    }

    /// Whether the answer is the most likely next token and nothing else is to be heeded.
    fn is_plain(&self) -> bool {
        let o = &self.options;
        !o.do_sample && o.until.is_empty() && o.repetition_penalty == 1.0
    }

    /// Jobs for answers to prompts, those to one prompt side by side.
    pub(crate) fn jobs<'p>(
        &self,
        prompts: impl Iterator<Item = &'p [u32]>,
        max_tokens: usize,
    ) -> Vec<AnswerJob> {
        prompts
            .flat_map(|ids| {
                (0..self.n).map(|at| AnswerJob {
                    tokens: ids.to_vec(),
                    options: Arc::clone(&self.options),
                    max_tokens,
                    seed: self.seed.wrapping_add(at),
                })
            })
            .collect()
    }

    /// The answer, whole or as a stream of one part for each choice.
    pub(crate) fn send(&self, whole: Value, part: impl Fn(&Value) -> Value) -> Response {
        if !self.stream {
            return Json(whole).into_response();
        }
        let mut text = String::new();
        let mut event = |value: &Value| text.push_str(&format!("data: {value}\n\n"));
        for choice in whole["choices"].as_array().into_iter().flatten() {
            let mut one = part(&whole);
            one["choices"] = json!([choice]);
            event(&one);
        }
        if self.usage_in_stream {
            let mut last = part(&whole);
            last["choices"] = json!([]);
            last["usage"] = whole["usage"].clone();
            event(&last);
        }
        text.push_str("data: [DONE]\n\n");
        ([(header::CONTENT_TYPE, "text/event-stream")], text).into_response()
    }
}

/// The length that prompt and answer have together must be the model's.
pub(crate) fn check_length(model: &dyn ServedModel, n: usize, new: usize) -> Result<(), ApiError> {
    let max = model.max_length();
    // The last token of a prompt that is only scored is never an input.
    let room = if new == 0 { max + 1 } else { max };
    match n + new > room {
        false => Ok(()),
        true => Err(ApiError::too_long(format!(
            "the model has room for {max} tokens; the prompt has {n} and max_tokens is {new}"
        ))),
    }
}

fn prompts(app: &App, fields: &Fields) -> Result<Vec<Prompt>, ApiError> {
    let expected = "a text, a list of texts, a list of token ids or a list of such lists";
    let specials = match fields.get("add_special_tokens") {
        None => None,
        Some(_) => Some(fields.flag("add_special_tokens")?),
    };
    let text = |text: &str| {
        let encoded = app.model.encode(text, specials);
        let ids = encoded.map_err(|e| ApiError::field("prompt", e.to_string()))?;
        Ok(Prompt {
            ids,
            text: Some(text.to_owned()),
        })
    };
    let vocab = app.model.vocab_size().unwrap_or(u64::MAX);
    let ids = |all: &[Value]| {
        let ids = all.iter().map(|id| match id.as_u64() {
            Some(id) if id < vocab => Ok(id as u32),
            Some(id) => Err(ApiError::field(
                "prompt",
                format!("token {id} is not the model's, which has {vocab}"),
            )),
            None => Err(wrong("prompt", expected)),
        });
        Ok(Prompt {
            ids: ids.collect::<Result<_, _>>()?,
            text: None,
        })
    };
    let all: Vec<Prompt> = match fields.get("prompt") {
        Some(Value::String(one)) => vec![text(one)?],
        Some(Value::Array(all)) => match all.first() {
            Some(Value::Number(_)) => vec![ids(all)?],
            Some(Value::String(_)) => all
                .iter()
                .map(|v| text(v.as_str().ok_or_else(|| wrong("prompt", expected))?))
                .collect::<Result<_, _>>()?,
            Some(Value::Array(_)) => all
                .iter()
                .map(|v| ids(v.as_array().ok_or_else(|| wrong("prompt", expected))?))
                .collect::<Result<_, _>>()?,
            _ => return Err(wrong("prompt", expected)),
        },
        _ => return Err(wrong("prompt", expected)),
    };
    if all.len() > app.options.prompts_max {
        let max = app.options.prompts_max;
        return Err(ApiError::field(
            "prompt",
            format!(
                "{} prompts are too many for one request; send at most {max}",
                all.len()
            ),
        ));
    }
    match all.iter().any(|p| p.ids.is_empty()) {
        true => Err(ApiError::field("prompt", "the prompt has no token")),
        false => Ok(all),
    }
}

/// One choice before it is written down.
struct Choice {
    /// The answer; `None` where none was asked for.
    written: Option<Written>,
    /// Scores of the prompt's and the answer's tokens, where they are asked for.
    scored: Option<Scored>,
}

/// Answers.
pub(crate) async fn completions(State(app): State<App>, body: Bytes) -> Result<Response, ApiError> {
    let fields = Fields::parse(&body)?;
    fields.check_model(app.model.name())?;
    let how = How::read(&fields)?;
    let max_tokens = fields
        .count("max_tokens", 0, u64::from(u32::MAX))?
        .unwrap_or(MAX_TOKENS) as usize;
    let logprobs = fields
        .count("logprobs", 0, LOGPROBS_MAX)?
        .map(|k| k as usize);
    let echo = fields.flag("echo")?;
    let prompts = prompts(&app, &fields)?;
    for prompt in &prompts {
        check_length(&*app.model, prompt.ids.len(), max_tokens)?;
    }
    let n = how.n as usize;
    let model = &*app.model;
    let n_likely = logprobs.unwrap_or(0).max(1);
    let scores = |tokens: Vec<u32>, next: bool| ScoreJob {
        tokens,
        n_likely,
        next,
    };
    let mut choices: Vec<Choice> = Vec::with_capacity(prompts.len() * n);
    if max_tokens == 0 || (max_tokens == 1 && echo && logprobs.is_some() && how.is_plain()) {
        // The likeliest next token comes with the prompt's scores, and is the same n times.
        let next = max_tokens == 1;
        let scored: Vec<Option<Scored>> = match logprobs.is_some() && echo {
            true => {
                let jobs = prompts
                    .iter()
                    .map(|p| scores(p.ids.clone(), next))
                    .collect();
                app.batcher
                    .score(jobs)
                    .await?
                    .into_iter()
                    .map(Some)
                    .collect()
            }
            false => prompts.iter().map(|_| None).collect(),
        };
        for mut scored in scored {
            let written = match (&mut scored, next) {
                (Some(scored), true) => Some(take_next(model, scored)?),
                _ => None,
            };
            choices.extend((0..n).map(|_| Choice {
                written: written.clone(),
                scored: scored.clone(),
            }));
        }
    } else {
        let jobs = how.jobs(prompts.iter().map(|p| p.ids.as_slice()), max_tokens);
        let written = app.batcher.write(jobs).await?;
        let scored: Vec<Option<Scored>> = match logprobs {
            Some(_) => {
                let whole = written.iter().enumerate().map(|(at, written)| {
                    scores([&prompts[at / n].ids[..], &written.tokens].concat(), false)
                });
                let jobs = whole.collect();
                app.batcher
                    .score(jobs)
                    .await?
                    .into_iter()
                    .map(Some)
                    .collect()
            }
            None => written.iter().map(|_| None).collect(),
        };
        choices.extend(
            written
                .into_iter()
                .zip(scored)
                .map(|(written, scored)| Choice {
                    written: Some(written),
                    scored,
                }),
        );
    }
    let n_new: usize = choices
        .iter()
        .flat_map(|c| &c.written)
        .map(|w| w.tokens.len())
        .sum();
    let n_prompt: usize = prompts.iter().map(|p| p.ids.len()).sum();
    let laid: Vec<Laid> = prompts
        .iter()
        .map(|p| lay(model, &p.ids, p.text.as_deref()))
        .collect();
    let written: Vec<Value> = choices
        .iter()
        .enumerate()
        .map(|(at, choice)| {
            let prompt = &prompts[at / n];
            let form = Form {
                model,
                how: &how,
                echo,
                logprobs,
            };
            form.choice(at, &prompt.ids, &laid[at / n], choice)
        })
        .collect();
    let answer = json!({
        "id": app.id("cmpl"),
        "object": "text_completion",
        "created": 0,
        "model": app.model.name(),
        "choices": written,
        "usage": usage(n_prompt, n_new),
    });
    Ok(how.send(answer, |whole| {
        json!({
            "id": whole["id"],
            "object": "text_completion",
            "created": 0,
            "model": whole["model"],
        })
    }))
}

pub(crate) fn usage(n_prompt: usize, n_new: usize) -> Value {
    json!({
        "prompt_tokens": n_prompt,
        "completion_tokens": n_new,
        "total_tokens": n_prompt + n_new,
    })
}

/// Takes the likeliest next token as an answer of one token.
fn take_next(model: &dyn ServedModel, scored: &mut Scored) -> Result<Written, ApiError> {
    let likely = std::mem::take(&mut scored.next);
    let Some(&(token, logprob)) = likely.first() else {
        return Err(ApiError::model("the model gives no next token"));
    };
    scored.places.push(Place { logprob, likely });
    let is_end = model.is_end(token);
    Ok(Written {
        text: if is_end {
            String::new()
        } else {
            model.token_text(token)
        },
        tokens: vec![token],
        finish: if is_end {
            FinishReason::Eos
        } else {
            FinishReason::Length
        },
    })
}

/// Why an answer ended, in OpenAI's words, and the stop string in vLLM's.
pub(crate) fn finish(
    model: &dyn ServedModel,
    written: &Written,
    until: &[String],
) -> (&'static str, Option<String>) {
    match written.finish {
        FinishReason::Length => ("length", None),
        FinishReason::Eos => ("stop", None),
        FinishReason::Stop => {
            let all = model.decode(&written.tokens);
            let rest = all.get(written.text.len()..).unwrap_or_default();
            let stop = until.iter().find(|s| rest.starts_with(s.as_str()));
            ("stop", stop.or(until.first()).cloned())
        }
    }
}

/// How a choice is written down.
struct Form<'a> {
    model: &'a dyn ServedModel,
    how: &'a How,
    echo: bool,
    logprobs: Option<usize>,
}

impl Form<'_> {
    fn choice(&self, at: usize, prompt: &[u32], laid: &Laid, choice: &Choice) -> Value {
        let new = choice.written.as_ref();
        let new_text = new.map_or("", |w| w.text.as_str());
        let text = match self.echo {
            true => format!("{}{new_text}", laid.text),
            false => new_text.to_owned(),
        };
        let (reason, stop) = match new {
            Some(written) => finish(self.model, written, &self.how.options.until),
            None => ("length", None),
        };
        json!({
            "index": at,
            "text": text,
            "finish_reason": reason,
            "stop_reason": stop,
            "logprobs": self.scores(prompt, laid, choice),
        })
    }

    fn scores(&self, prompt: &[u32], laid: &Laid, choice: &Choice) -> Value {
        let (Some(k), Some(scored)) = (self.logprobs, &choice.scored) else {
            return Value::Null;
        };
        let mut ids = prompt.to_vec();
        let mut tokens = laid.tokens.clone();
        let mut offsets = laid.offsets.clone();
        if let Some(written) = &choice.written {
            let new = lay(self.model, &written.tokens, None);
            let n_chars = laid.text.chars().count();
            ids.extend_from_slice(&written.tokens);
            offsets.extend(new.offsets.iter().map(|o| o + n_chars));
            tokens.extend(new.tokens);
        }
        let from = if self.echo { 0 } else { prompt.len() };
        // Nothing stands before the first token.
        let place = |i: usize| scored.places.get(i.checked_sub(1)?);
        let logprobs: Vec<Option<f32>> = (from..ids.len())
            .map(|i| place(i).map(|p| p.logprob))
            .collect();
        let top: Vec<Option<BTreeMap<String, f32>>> = (from..ids.len())
            .map(|i| {
                let place = place(i)?;
                let mut map = BTreeMap::from([(tokens[i].clone(), place.logprob)]);
                for &(id, logprob) in place.likely.iter().take(k) {
                    // Tokens that split characters may look the same: the likelier one counts.
                    let old = map.entry(self.model.token_text(id)).or_insert(logprob);
                    *old = old.max(logprob);
                }
                Some(map)
            })
            .collect();
        json!({
            "tokens": tokens[from..],
            "token_logprobs": logprobs,
            "top_logprobs": top,
            "text_offset": offsets[from..],
        })
    }
}
