//! Fields of a request, read one by one so that a wrong one is named.

use serde_json::{Map, Value};

use super::error::ApiError;

/// A request's body.
#[derive(Debug)]
pub(crate) struct Fields(Map<String, Value>);

/// Fields that change an answer and that this server does not know how to heed, with the
/// values that change nothing.
const UNHEEDED: [(&str, &[&str]); 11] = [
    ("suffix", &["null", "\"\""]),
    ("frequency_penalty", &["null", "0", "0.0"]),
    ("presence_penalty", &["null", "0", "0.0"]),
    ("logit_bias", &["null", "{}"]),
    ("use_beam_search", &["null", "false"]),
    ("prompt_logprobs", &["null"]),
    ("min_tokens", &["null", "0"]),
    ("ignore_eos", &["null", "false"]),
    ("stop_token_ids", &["null", "[]"]),
    ("response_format", &["null", "{\"type\":\"text\"}"]),
    ("tools", &["null", "[]"]),
];

impl Fields {
    /// Reads a body.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let wrong = |m: String| ApiError::request(axum::http::StatusCode::BAD_REQUEST, m);
        match serde_json::from_slice(body) {
            Ok(Value::Object(map)) => {
                let fields = Fields(map);
                for (name, fine) in UNHEEDED {
                    if let Some(value) = fields.get(name)
                        && !fine.contains(&value.to_string().as_str())
                    {
                        return Err(ApiError::field(
                            name,
                            format!("{name} is not supported by this server; leave it out"),
                        ));
                    }
                }
                Ok(fields)
            }
            Ok(_) => Err(wrong("the body is no JSON object".into())),
            Err(e) => Err(wrong(format!("the body is no JSON: {e}"))),
        }
    }

    /// A field; null is none.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|v| !v.is_null())
    }

    /// The model asked for must be this one, where one is asked for.
    pub(crate) fn check_model(&self, own: &str) -> Result<(), ApiError> {
        match self.get("model") {
            None => Ok(()),
            Some(Value::String(name)) if name == own => Ok(()),
            Some(Value::String(name)) => Err(ApiError::no_model(name, own)),
            Some(_) => Err(wrong("model", "a name")),
        }
    }

    /// A truth.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, ApiError> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(b)) => Ok(*b),
            Some(_) => Err(wrong(name, "true or false")),
        }
    }

    /// A whole number within bounds.
    pub(crate) fn count(&self, name: &str, least: u64, most: u64) -> Result<Option<u64>, ApiError> {
        let expected = || wrong(name, &format!("a whole number from {least} to {most}"));
        match self.get(name) {
            None => Ok(None),
            Some(value) => {
                let whole = value.as_f64().filter(|f| f.fract() == 0.0 && *f >= 0.0);
                let n = value.as_u64().or(whole.map(|f| f as u64));
                let n = n.filter(|n| (least..=most).contains(n));
                Ok(Some(n.ok_or_else(expected)?))
            }
        }
    }

    /// A number within bounds.
    pub(crate) fn number(
        &self,
        name: &str,
        least: f64,
        most: f64,
    ) -> Result<Option<f32>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => match value.as_f64().filter(|f| (least..=most).contains(f)) {
                Some(f) => Ok(Some(f as f32)),
                None => Err(wrong(name, &format!("a number from {least} to {most}"))),
            },
        }
    }

    /// A text or a list of texts.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<String>, ApiError> {
        let text = |v: &Value| v.as_str().map(str::to_owned);
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Value::String(one)) => Ok(vec![one.clone()]),
            Some(Value::Array(all)) => {
                let all: Option<Vec<String>> = all.iter().map(text).collect();
                all.ok_or_else(|| wrong(name, "a text or a list of texts"))
            }
            Some(_) => Err(wrong(name, "a text or a list of texts")),
        }
    }
}

/// A field with a value of the wrong kind.
pub(crate) fn wrong(name: &str, expected: &str) -> ApiError {
    ApiError::field(name, format!("{name} is wrong; expected {expected}"))
}
