//! Who answers: the URL, the key, the model as the server describes it, its tokenizer.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use ureq::http::Uri;

use crate::error::RemoteError;
use crate::http::{Http, Reply};
use crate::key::Key;
use crate::options::{Api, Options, Sent};
use crate::protocol::{Answer, Asker};

/// OpenAI's own server.
const OPENAI: &str = "https://api.openai.com/v1";
/// Anthropic's own server.
const ANTHROPIC: &str = "https://api.anthropic.com/v1";
/// Version of Anthropic's interface.
const ANTHROPIC_VERSION: &str = "2023-06-01";
/// Names of models that are listed in a message.
const NAMES_MAX: usize = 8;
/// What a server's entry for a model may say that tells it from another.
const FACTS: [&str; 6] = [
    "id",
    "root",
    "fingerprint",
    "max_model_len",
    "parent",
    "meta",
];

/// A server with one model of it.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) asker: Asker,
    /// What identifies the model.
    pub(crate) facts: BTreeMap<String, String>,
    /// Longest input, tokens.
    pub(crate) max_length: Option<usize>,
    /// Longest prompt that can be scored without a new token, where the server says so.
    pub(crate) max_scored: Option<usize>,
    pub(crate) n_vocab: Option<u64>,
    /// Whether the server has a tokenizer that is to be used.
    pub(crate) tokenizes: bool,
    /// Text that stands for an empty context.
    pub(crate) prefix: Option<String>,
}

/// The URL that requests go to, and the one without `/v1`.
fn urls(options: &Options) -> Result<(String, String), RemoteError> {
    let own = match options.api {
        Api::Anthropic => Some(ANTHROPIC),
        Api::Completions | Api::Chat => Some(OPENAI),
        Api::Vllm | Api::Sglang | Api::LlamaCpp => None,
    };
    let typed = options
        .base_url
        .as_deref()
        .or(own)
        .ok_or_else(|| RemoteError::Url {
            url: String::new(),
            reason: "is needed (--base-url)".to_owned(),
        })?;
    let wrong = |reason: &str| RemoteError::Url {
        // What may be a password is not shown.
        url: typed.rsplit('@').next().unwrap_or_default().to_owned(),
        reason: reason.to_owned(),
    };
    let uri: Uri = typed.trim().parse().map_err(|_| wrong("is no URL"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(wrong("does not begin with http:// or https://"));
    }
    let authority = uri.authority().map_or("", |a| a.as_str());
    if authority.contains('@') {
        return Err(wrong(
            "holds a user or a password, which would be shown; name a variable with --api-key-env",
        ));
    }
    if uri.query().is_some() {
        return Err(wrong("has a query"));
    }
    let mut path = uri.path().trim_end_matches('/');
    for end in [
        "/completions",
        "/chat",
        "/messages",
        "/generate",
        "/completion",
    ] {
        path = path.strip_suffix(end).unwrap_or(path);
    }
    let root = format!(
        "{}://{authority}{}",
        uri.scheme_str().unwrap_or_default(),
        path.strip_suffix("/v1").unwrap_or(path)
    );
    // A path of its own (a proxy) is taken as it is.
    let base = match path.is_empty() || path.ends_with("/v1") {
        true => format!("{root}/v1"),
        false => root.clone(),
    };
    Ok((base, root))
}

/// The variable with the key: the one named, or the owner's for the owner's host alone.
fn variable(options: &Options, base: &str) -> Option<String> {
    if let Some(name) = &options.key_variable {
        return Some(name.clone());
    }
    let host = base.parse::<Uri>().ok();
    let secure = host
        .as_ref()
        .is_some_and(|u| u.scheme_str() == Some("https"));
    let host = host.as_ref().and_then(|u| u.host()).unwrap_or_default();
    match host {
        "api.openai.com" if secure => Some("OPENAI_API_KEY".into()),
        "api.anthropic.com" if secure => Some("ANTHROPIC_API_KEY".into()),
        _ => None,
    }
}

impl Server {
    /// Finds the server and its model.
    pub(crate) fn find(options: &Options) -> Result<(Self, Http), RemoteError> {
        let (base, root) = urls(options)?;
        let variable = variable(options, &base);
        let key = match &variable {
            Some(name) => Key::from_env(name)?,
            None => None,
        };
        if let (Some(name), None, Some(_)) = (&variable, &key, &options.key_variable) {
            return Err(RemoteError::NoKey {
                url: base,
                status: "--api-key-env names one".into(),
                variable: name.clone(),
                hint: String::new(),
            });
        }
        let mut headers: Vec<(&'static str, String)> = Vec::new();
        if let Some(key) = &key {
            headers.push(match options.api {
                Api::Anthropic => ("x-api-key", key.secret().to_owned()),
                _ => ("authorization", format!("Bearer {}", key.secret())),
            });
        }
        if options.api == Api::Anthropic {
            headers.push(("anthropic-version", ANTHROPIC_VERSION.to_owned()));
        }
        let http = Http::new(&base, &headers, key, &options.patience)?;
        let asker = Asker {
            is_openai: base.starts_with(OPENAI),
            base,
            root,
            model: options.model.clone(),
            over: options.body.clone(),
            add_bos: options.add_bos_token,
        };
        let mut server = Server {
            facts: BTreeMap::new(),
            max_length: None,
            max_scored: None,
            n_vocab: None,
            tokenizes: false,
            prefix: options.prefix.clone(),
            asker,
        };
        server.describe(options, &http, variable.as_deref())?;
        server.look_for_tokenizer(options, &http)?;
        Ok((server, http))
    }

    /// What the server says of the model.
    fn describe(
        &mut self,
        options: &Options,
        http: &Http,
        variable: Option<&str>,
    ) -> Result<(), RemoteError> {
        let url = format!("{}/models", self.asker.base);
        let entries = match http.get(&url) {
            Reply::Answer(text) => serde_json::from_str::<Value>(&text)
                .ok()
                .and_then(|v| v["data"].as_array().cloned())
                .unwrap_or_default(),
            Reply::Refused(401 | 403, status) => {
                let (variable, hint) = match variable {
                    Some(name) => (name.to_owned(), " to one that it takes".to_owned()),
                    None => (
                        "a variable".to_owned(),
                        " and name it with --api-key-env (OPENAI_API_KEY goes to api.openai.com alone)".to_owned(),
                    ),
                };
                return Err(RemoteError::NoKey {
                    url: self.asker.base.clone(),
                    status,
                    variable,
                    hint,
                });
            }
            Reply::Lost(reason) => {
                return Err(RemoteError::Server(format!(
                    "nothing answers at {} ({reason}); is the server running, and is --base-url right?",
                    self.asker.base
                )));
            }
            // Not every server has a list of models.
            _ => Vec::new(),
        };
        let named = |entry: &&Value| entry["id"].as_str() == Some(&options.model);
        let entry = match entries.iter().find(named) {
            Some(entry) => Some(entry),
            // These serve one model, whatever it is called.
            None if matches!(options.api, Api::Sglang | Api::LlamaCpp) => entries.first(),
            None if entries.is_empty() => None,
            None => {
                let mut names: Vec<&str> =
                    entries.iter().filter_map(|e| e["id"].as_str()).collect();
                let n_more = names.len().saturating_sub(NAMES_MAX);
                names.truncate(NAMES_MAX);
                let more = match n_more {
                    0 => String::new(),
                    n => format!(" and {n} more"),
                };
                return Err(RemoteError::Server(format!(
                    "{} has no model '{}'; it has {}{more}",
                    self.asker.base,
                    options.model,
                    names.join(", ")
                )));
            }
        };
        if let Some(entry) = entry {
            let number = |at: &str| entry.pointer(at).and_then(Value::as_u64);
            self.max_length = number("/max_model_len").map(|n| n as usize);
            self.max_scored = number("/max_scored_len").map(|n| n as usize);
            self.n_vocab = number("/meta/n_vocab").or_else(|| number("/vocab_size"));
            for fact in FACTS {
                if let Some(value) = entry.get(fact).filter(|v| !v.is_null()) {
                    self.facts.insert(fact.to_owned(), canonical(value));
                }
            }
        }
        if options.api == Api::LlamaCpp
            && let Reply::Answer(text) = http.get(&format!("{}/props", self.asker.root))
            && let Ok(props) = serde_json::from_str::<Value>(&text)
        {
            let length = props
                .pointer("/default_generation_settings/n_ctx")
                .and_then(Value::as_u64);
            self.max_length = length.map(|n| n as usize).or(self.max_length);
            if let Some(path) = props["model_path"].as_str() {
                self.facts.insert("model_path".into(), path.to_owned());
            }
            let bos = props["bos_token"].as_str().filter(|t| !t.is_empty());
            let eos = props["eos_token"].as_str().filter(|t| !t.is_empty());
            self.prefix = self.prefix.take().or(bos.or(eos).map(str::to_owned));
        }
        self.facts.insert("server".into(), self.asker.base.clone());
        self.facts.insert("model".into(), options.model.clone());
        Ok(())
    }

    /// Whether the server encodes texts, and the token that stands for an empty context.
    fn look_for_tokenizer(&mut self, options: &Options, http: &Http) -> Result<(), RemoteError> {
        let is_llama_cpp = options.api == Api::LlamaCpp;
        let needs_ids = is_llama_cpp || options.api == Api::Vllm || options.sent == Sent::Ids;
        let may = !options.api.is_chat() && !self.asker.is_openai;
        if !may && !needs_ids {
            return Ok(());
        }
        let question = self.asker.tokenize("Hello there", false, is_llama_cpp);
        let tried = http.post(&question.url, &question.body.to_string());
        let reason = match &tried {
            Reply::Answer(text) => {
                let read = serde_json::from_str::<Value>(text).map_err(|e| e.to_string());
                match read.and_then(|v| question.read(&v)) {
                    Ok(Answer::Ids(ids)) if !ids.is_empty() => {
                        self.tokenizes = true;
                        String::new()
                    }
                    Ok(_) => "no tokens in the answer".to_owned(),
                    Err(reason) => reason,
                }
            }
            Reply::Overload(reason, _) | Reply::Failed(reason) | Reply::Lost(reason) => {
                reason.clone()
            }
            Reply::Refused(_, reason) => reason.clone(),
        };
        if needs_ids && !self.tokenizes {
            return Err(RemoteError::Cannot(format!(
                "{} has no tokenizer at /tokenize ({reason}), which prompts as token ids need; ask with --api completions --send text",
                self.asker.root
            )));
        }
        if self.tokenizes && self.prefix.is_none() {
            let url = format!("{}/tokenizer_info", self.asker.root);
            if let Reply::Answer(text) = http.get(&url)
                && let Ok(info) = serde_json::from_str::<Value>(&text)
            {
                let token = |name: &str| info[name].as_str().filter(|t| !t.is_empty());
                self.prefix = token("bos_token")
                    .or_else(|| token("eos_token"))
                    .map(str::to_owned);
            }
        }
        Ok(())
    }

    /// One text for everything that tells this model from every other.
    pub(crate) fn identity(&self) -> String {
        json!(self.facts).to_string()
    }
}

fn canonical(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(api: Api, url: Option<&str>) -> Result<(String, String), String> {
        let mut options = Options::new(api, "m");
        options.base_url = url.map(str::to_owned);
        urls(&options).map_err(|e| e.to_string())
    }

    #[test]
    fn urls_in_all_their_forms() {
        let want = Ok(("http://h:8/v1".to_owned(), "http://h:8".to_owned()));
        for url in [
            "http://h:8",
            "http://h:8/",
            "http://h:8/v1",
            "http://h:8/v1/",
            "http://h:8/v1/completions",
            "http://h:8/v1/chat/completions",
        ] {
            assert_eq!(of(Api::Completions, Some(url)), want, "{url}");
        }
        assert_eq!(
            of(Api::Chat, Some("https://h/proxy/openai")).unwrap().0,
            "https://h/proxy/openai"
        );
        assert_eq!(of(Api::Anthropic, None).unwrap().0, ANTHROPIC);
        for (url, want) in [
            ("h:8/v1", "http://localhost"),
            ("ftp://h", "does not begin"),
            ("http://me:secret@h/v1", "user or a password"),
            ("http://h/v1?key=1", "query"),
        ] {
            let line = of(Api::Chat, Some(url)).unwrap_err();
            assert!(line.contains(want) && !line.contains("secret"), "{line}");
        }
        assert!(of(Api::Sglang, None).unwrap_err().contains("--base-url"));
    }

    #[test]
    fn a_key_goes_to_its_owner_alone() {
        let options = Options::new(Api::Completions, "m");
        assert_eq!(
            variable(&options, OPENAI).as_deref(),
            Some("OPENAI_API_KEY")
        );
        assert_eq!(
            variable(&options, ANTHROPIC).as_deref(),
            Some("ANTHROPIC_API_KEY")
        );
        assert_eq!(variable(&options, "http://api.openai.com/v1"), None);
        assert_eq!(
            variable(&options, "https://api.openai.com.evil.org/v1"),
            None
        );
        assert_eq!(variable(&options, "http://localhost:8000/v1"), None);
    }
}
