//! Texts to tokens and back, in vLLM's words.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde_json::{Value, json};

use super::error::ApiError;
use super::fields::{Fields, wrong};
use super::routes::App;

/// `POST /tokenize`: `prompt` and `add_special_tokens` (true by default).
pub(crate) async fn tokenize(State(app): State<App>, body: Bytes) -> Result<Json<Value>, ApiError> {
    let fields = Fields::parse(&body)?;
    fields.check_model(app.model.name())?;
    let Some(Value::String(text)) = fields.get("prompt") else {
        return Err(wrong("prompt", "a text"));
    };
    let specials = match fields.get("add_special_tokens") {
        None => true,
        Some(_) => fields.flag("add_special_tokens")?,
    };
    let encoded = app.model.encode(text, Some(specials));
    let ids = encoded.map_err(|e| ApiError::field("prompt", e.to_string()))?;
    let mut answer = json!({
        "count": ids.len(),
        "max_model_len": app.model.max_length(),
        "tokens": ids,
    });
    if fields.flag("return_token_strs")? {
        let texts: Vec<String> = ids.iter().map(|id| app.model.token_text(*id)).collect();
        answer["token_strs"] = json!(texts);
    }
    Ok(Json(answer))
}

/// `POST /detokenize`: `tokens`.
pub(crate) async fn detokenize(
    State(app): State<App>,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    let fields = Fields::parse(&body)?;
    fields.check_model(app.model.name())?;
    let ids = fields
        .get("tokens")
        .and_then(Value::as_array)
        .and_then(|all| {
            let ids = all.iter().map(|id| u32::try_from(id.as_u64()?).ok());
            ids.collect::<Option<Vec<u32>>>()
        });
    let ids = ids.ok_or_else(|| wrong("tokens", "a list of token ids"))?;
    Ok(Json(json!({"prompt": app.model.decode(&ids)})))
}

/// `GET /tokenizer_info`: the special tokens.
pub(crate) async fn tokenizer_info(State(app): State<App>) -> Json<Value> {
    let (bos, eos) = app.model.ends();
    Json(json!({
        "bos_token": bos,
        "eos_token": eos,
        "vocab_size": app.model.vocab_size(),
        "model_max_length": app.model.max_length(),
    }))
}
