//! One request over HTTP, and what its reply means.

use std::time::Duration;

use serde_json::Value;
use ureq::http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::RemoteError;
use crate::key::Key;
use crate::options::Patience;

/// Longest reply that is read.
const REPLY_MAX: u64 = 256 << 20;
/// Characters of a server's message that are shown.
const SHOWN_MAX: usize = 300;

/// What became of a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reply {
    /// Status 200 and a body.
    Answer(String),
    /// Too many requests, or the server is overloaded: ask again, not before this long.
    Overload(String, Option<Duration>),
    /// The server failed: ask again.
    Failed(String),
    /// The connection broke or took too long; the answer, if there was one, is lost.
    Lost(String),
    /// This request is wrong: there is no use in asking again.
    Refused(u16, String),
}

/// A client for one server.
#[derive(Debug)]
pub(crate) struct Http {
    agent: ureq::Agent,
    headers: Vec<(HeaderName, HeaderValue)>,
    key: Option<Key>,
}

impl Http {
    pub(crate) fn new(
        base: &str,
        headers: &[(&'static str, String)],
        key: Option<Key>,
        patience: &Patience,
    ) -> Result<Self, RemoteError> {
        let mut config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // The key goes to the server that was named and to no other.
            .max_redirects(0)
            .timeout_resolve(Some(patience.connect))
            .timeout_connect(Some(patience.connect))
            .timeout_global(Some(patience.answer))
            .user_agent(concat!("upturn/", env!("CARGO_PKG_VERSION")));
        if is_loopback(base) {
            config = config.proxy(None);
        }
        let headers = headers
            .iter()
            .map(|(name, value)| {
                let mut value = HeaderValue::from_str(value).ok()?;
                value.set_sensitive(true);
                Some((HeaderName::from_static(name), value))
            })
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| RemoteError::Key("with the key".to_owned()))?;
        Ok(Http {
            agent: config.build().into(),
            headers,
            key,
        })
    }

    /// A text without the key.
    pub(crate) fn scrub(&self, text: &str) -> String {
        match &self.key {
            Some(key) => key.scrub(text),
            None => text.to_owned(),
        }
    }

    pub(crate) fn get(&self, url: &str) -> Reply {
        let mut request = self.agent.get(url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        self.read(request.call())
    }

    pub(crate) fn post(&self, url: &str, body: &str) -> Reply {
        let mut request = self
            .agent
            .post(url)
            .header("content-type", "application/json");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        self.read(request.send(body))
    }

    fn read(&self, sent: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Reply {
        let mut response = match sent {
            Ok(response) => response,
            Err(e) => return Reply::Lost(self.one_line(&e.to_string())),
        };
        let status = response.status().as_u16();
        let wait = retry_after(response.headers());
        let body = match response
            .body_mut()
            .with_config()
            .limit(REPLY_MAX)
            .read_to_string()
        {
            Ok(body) => body,
            Err(e) if status == 200 => return Reply::Lost(self.one_line(&e.to_string())),
            Err(_) => String::new(),
        };
        let said = || {
            let message = self.one_line(&message_of(&body));
            match message.is_empty() {
                true => format!("HTTP {status}"),
                false => format!("HTTP {status}: {message}"),
            }
        };
        match status {
            200..300 => Reply::Answer(body),
            429 if body.contains("insufficient_quota") => Reply::Refused(403, said()),
            429 | 503 | 529 => Reply::Overload(said(), wait),
            408 | 409 | 425 | 500..600 => Reply::Failed(said()),
            _ => Reply::Refused(status, said()),
        }
    }

    fn one_line(&self, text: &str) -> String {
        let line: Vec<&str> = text.split_whitespace().collect();
        let line = self.scrub(&line.join(" "));
        match line.char_indices().nth(SHOWN_MAX) {
            Some((at, _)) => format!("{}…", &line[..at]),
            None => line,
        }
    }
}

/// The message of an error reply, in the forms that servers use.
fn message_of(body: &str) -> String {
    let Ok(value) = serde_json::from_str::<Value>(body) else {
        return body.to_owned();
    };
    let places = ["/error/message", "/message", "/detail", "/error"];
    places
        .iter()
        .find_map(|at| value.pointer(at)?.as_str())
        .map_or_else(|| body.to_owned(), str::to_owned)
}

/// How long the server asks to wait: `retry-after-ms`, or `Retry-After` in seconds or as a
/// date, which is read against the reply's own date (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let number = |text: &str| text.parse::<f64>().ok().filter(|n| *n >= 0.0 && *n < 1e9);
    if let Some(ms) = text("retry-after-ms").and_then(number) {
        return Some(Duration::from_secs_f64(ms / 1e3));
    }
    let after = text("retry-after")?;
    if let Some(secs) = number(after) {
        return Some(Duration::from_secs_f64(secs));
    }
    let until = httpdate::parse_http_date(after).ok()?;
    let date = httpdate::parse_http_date(text("date")?).ok()?;
    Some(until.duration_since(date).unwrap_or_default())
}

/// Whether a URL is on this machine.
pub(crate) fn is_loopback(url: &str) -> bool {
    let host = url.parse::<ureq::http::Uri>().ok();
    let host = host.as_ref().and_then(|u| u.host()).unwrap_or_default();
    host == "localhost" || host == "[::1]" || host.starts_with("127.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        all.iter()
            .map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v)))
            .collect()
    }

    #[test]
    fn waits_are_read_in_all_their_forms() {
        let wait = |all: &[(&'static str, &'static str)]| retry_after(&headers(all));
        assert_eq!(wait(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
        assert_eq!(
            wait(&[("retry-after", "1"), ("retry-after-ms", "250")]),
            Some(Duration::from_millis(250))
        );
        let date = ("date", "Wed, 21 Oct 2015 07:28:00 GMT");
        assert_eq!(
            wait(&[("retry-after", "Wed, 21 Oct 2015 07:28:30 GMT"), date]),
            Some(Duration::from_secs(30))
        );
        assert_eq!(
            wait(&[("retry-after", "Wed, 21 Oct 2015 07:28:30 GMT")]),
            None
        );
        assert_eq!(wait(&[("retry-after", "-1")]), None);
        assert_eq!(wait(&[("retry-after", "soon"), date]), None);
    }

    #[test]
    fn messages_are_found_where_servers_put_them() {
        for (body, want) in [
            (r#"{"error":{"message":"too long"}}"#, "too long"),
            (r#"{"object":"error","message":"too long"}"#, "too long"),
            (r#"{"detail":"too long"}"#, "too long"),
            (r#"{"error":"too long"}"#, "too long"),
            ("too long", "too long"),
        ] {
            assert_eq!(message_of(body), want);
        }
    }

    #[test]
    fn this_machine_is_known() {
        assert!(is_loopback("http://127.0.0.1:80/v1") && is_loopback("http://[::1]:80"));
        assert!(!is_loopback("http://localhost.example.org/"));
    }
}
