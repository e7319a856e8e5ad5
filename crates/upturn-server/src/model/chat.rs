//! `POST /v1/chat/completions`: conversations continued with the model's own chat template.

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};
use upturn_types::ChatMessage;

use super::completions::{How, check_length, finish, usage};
use super::error::ApiError;
use super::fields::{Fields, wrong};
use super::routes::App;

/// New tokens where a request does not say.
const MAX_TOKENS: u64 = 256;

fn messages(fields: &Fields) -> Result<Vec<ChatMessage>, ApiError> {
    let expected = || {
        wrong(
            "messages",
            "a list of messages, each with a role and a content of text",
        )
    };
    let all = fields.get("messages").and_then(Value::as_array);
    all.filter(|m| !m.is_empty())
        .ok_or_else(expected)?
        .iter()
        .map(|message| {
            let content = match &message["content"] {
                Value::String(text) => text.clone(),
                Value::Array(parts) => parts
                    .iter()
                    .map(|p| p["text"].as_str().filter(|_| p["type"] == "text"))
                    .collect::<Option<Vec<&str>>>()
                    .ok_or_else(expected)?
                    .concat(),
                _ => return Err(expected()),
            };
            Ok(ChatMessage {
                role: message["role"].as_str().ok_or_else(expected)?.to_owned(),
                content,
            })
        })
        .collect()
}

/// Answers.
pub(crate) async fn chat(State(app): State<App>, body: Bytes) -> Result<Response, ApiError> {
    let fields = Fields::parse(&body)?;
    fields.check_model(app.model.name())?;
    if fields.flag("logprobs")? {
        return Err(ApiError::field(
            "logprobs",
            "log-probabilities are given by /v1/completions, not here",
        ));
    }
    let how = How::read(&fields)?;
    let messages = messages(&fields)?;
    let generation = match fields.get("add_generation_prompt") {
        None => true,
        Some(_) => fields.flag("add_generation_prompt")?,
    };
    let wrong_messages = |e: upturn_types::LmError| ApiError::field("messages", e.to_string());
    let prompt = app.model.apply_chat_template(&messages, generation);
    let ids = prompt.and_then(|text| app.model.encode(&text, None));
    let ids = ids.map_err(wrong_messages)?;
    let most = u64::from(u32::MAX);
    let asked = match fields.count("max_completion_tokens", 1, most)? {
        Some(n) => Some(n),
        None => fields.count("max_tokens", 1, most)?,
    };
    // What is not asked for is cut to the room that there is.
    let room = app.model.max_length().saturating_sub(ids.len()).max(1) as u64;
    let max_tokens = asked.unwrap_or_else(|| MAX_TOKENS.min(room)) as usize;
    check_length(&*app.model, ids.len(), max_tokens)?;
    let jobs = how.jobs(std::iter::once(ids.as_slice()), max_tokens);
    let written = app.batcher.write(jobs).await?;
    let n_new: usize = written.iter().map(|w| w.tokens.len()).sum();
    let choices: Vec<Value> = written
        .iter()
        .enumerate()
        .map(|(at, written)| {
            let (reason, stop) = finish(&*app.model, written, &how.options.until);
            let message = json!({"role": "assistant", "content": written.text});
            json!({
                "index": at,
                "message": message,
                "delta": message,
                "finish_reason": reason,
                "stop_reason": stop,
                "logprobs": null,
            })
        })
        .collect();
    let answer = json!({
        "id": app.id("chatcmpl"),
        "object": "chat.completion",
        "created": 0,
        "model": app.model.name(),
        "choices": choices,
        "usage": usage(ids.len(), n_new),
    });
    Ok(how.send(answer, |whole| {
        json!({
            "id": whole["id"],
            "object": "chat.completion.chunk",
            "created": 0,
            "model": whole["model"],
        })
    }))
}
