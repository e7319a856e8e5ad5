//! Errors in OpenAI's form.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Why a request is not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    message: String,
    /// The field that is wrong.
    param: Option<String>,
    code: Option<&'static str>,
}

impl ApiError {
    /// The request is wrong in a field.
    pub(crate) fn field(name: &str, message: impl Into<String>) -> Self {
        ApiError {
            status: StatusCode::BAD_REQUEST,
            message: message.into(),
            param: Some(name.to_owned()),
            code: None,
        }
    }

    /// The request is wrong as a whole.
    pub(crate) fn request(status: StatusCode, message: impl Into<String>) -> Self {
        ApiError {
            status,
            message: message.into(),
            param: None,
            code: None,
        }
    }

    /// The prompt is longer than the model.
    pub(crate) fn too_long(message: String) -> Self {
        ApiError {
            code: Some("context_length_exceeded"),
            ..ApiError::field("prompt", message)
        }
    }

    /// There is no such model.
    pub(crate) fn no_model(asked: &str, own: &str) -> Self {
        ApiError {
            status: StatusCode::NOT_FOUND,
            code: Some("model_not_found"),
            ..ApiError::field(
                "model",
                format!("the model '{asked}' is not here; this server has '{own}'"),
            )
        }
    }

    /// Too many requests wait.
    pub(crate) fn busy() -> Self {
        ApiError {
            code: Some("rate_limit_exceeded"),
            ..ApiError::request(
                StatusCode::TOO_MANY_REQUESTS,
                "too many requests wait; ask again",
            )
        }
    }

    /// The model failed.
    pub(crate) fn model(message: impl Into<String>) -> Self {
        ApiError::request(StatusCode::INTERNAL_SERVER_ERROR, message)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let kind = match self.status {
            StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request_error",
        };
        let body = json!({"error": {
            "message": self.message,
            "type": kind,
            "param": self.param,
            "code": self.code,
        }});
        let mut response = (self.status, axum::Json(body)).into_response();
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            let second = HeaderValue::from_static("1");
            response.headers_mut().insert(header::RETRY_AFTER, second);
        }
        response
    }
}
