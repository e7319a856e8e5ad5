//! Which path is answered by what.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::ServeOptions;
use super::batch::Batcher;
use super::error::ApiError;
use super::served::ServedModel;
use super::{chat, completions, tokenize};

/// What every request needs.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) model: Arc<dyn ServedModel>,
    pub(crate) batcher: Batcher,
    pub(crate) options: ServeOptions,
    /// Number of the next answer.
    next_id: Arc<AtomicU64>,
}

impl App {
    pub(crate) fn new(
        model: Arc<dyn ServedModel>,
        batcher: Batcher,
        options: ServeOptions,
    ) -> Self {
        App {
            model,
            batcher,
            options,
            next_id: Arc::default(),
        }
    }

    /// A name for an answer.
    pub(crate) fn id(&self, kind: &str) -> String {
        format!("{kind}-{}", self.next_id.fetch_add(1, Ordering::Relaxed))
    }

    /// The model as `/v1/models` describes it.
    fn card(&self) -> Value {
        let facts = self.model.fingerprint();
        let fingerprint = json!(facts);
        json!({
            "id": self.model.name(),
            "object": "model",
            "created": 0,
            "owned_by": "upturn",
            "max_model_len": self.model.max_length(),
            // A prompt that is scored and not continued: its last token is never an input.
            "max_scored_len": self.model.max_length() + 1,
            "vocab_size": self.model.vocab_size(),
            "fingerprint": fingerprint,
        })
    }
}

/// The routes.
pub(crate) fn router(app: App) -> Router {
    let limit = DefaultBodyLimit::max(app.options.body_max);
    Router::new()
        .route("/health", get(health))
        .route("/v1/models", get(models))
        .route("/v1/models/{*name}", get(model))
        .route("/v1/completions", post(completions::completions))
        .route("/v1/chat/completions", post(chat::chat))
        .route("/tokenize", post(tokenize::tokenize))
        .route("/detokenize", post(tokenize::detokenize))
        .route("/tokenizer_info", get(tokenize::tokenizer_info))
        .fallback(nothing)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(app.clone(), checked))
        .layer(limit)
        .with_state(app)
}

/// Whether a request names this machine: a page whose own name was made to point here does not.
fn is_own(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    name == "localhost" || name == "[::1]" || name.starts_with("127.")
}

/// A page of another site may send a plain form to this machine, but no JSON.
async fn checked(State(app): State<App>, request: Request, next: Next) -> Response {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|v| v.to_str().ok());
    if app.options.host.is_loopback() && host.is_some_and(|h| !is_own(h)) {
        let message = "this server is for this machine alone; start it with --host for others";
        return ApiError::request(StatusCode::FORBIDDEN, message).into_response();
    }
    let is_json = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|v| v.starts_with("application/json"));
    if request.method() == Method::POST && !is_json {
        let message = "expected the header content-type: application/json";
        return ApiError::request(StatusCode::UNSUPPORTED_MEDIA_TYPE, message).into_response();
    }
    let response = next.run(request).await;
    if response.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let message = "the body is too long for this server; send fewer prompts at once";
        return ApiError::request(StatusCode::PAYLOAD_TOO_LARGE, message).into_response();
    }
    response
}

async fn health() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

async fn models(State(app): State<App>) -> Json<Value> {
    Json(json!({"object": "list", "data": [app.card()]}))
}

async fn model(State(app): State<App>, Path(name): Path<String>) -> Result<Json<Value>, ApiError> {
    match name == app.model.name() {
        true => Ok(Json(app.card())),
        false => Err(ApiError::no_model(&name, app.model.name())),
    }
}

async fn nothing(request: Request) -> ApiError {
    ApiError::request(
        StatusCode::NOT_FOUND,
        format!(
            "there is nothing at {}; see /v1/completions, /v1/chat/completions, /v1/models and /health",
            request.uri().path()
        ),
    )
}

async fn wrong_method(request: Request) -> ApiError {
    ApiError::request(
        StatusCode::METHOD_NOT_ALLOWED,
        format!(
            "{} does not take {}",
            request.uri().path(),
            request.method()
        ),
    )
}
