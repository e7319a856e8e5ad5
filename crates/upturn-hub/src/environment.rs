//! Where the cache is, whether the network may be used, and how to reach the hub.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::repo::Kind;

/// Where the hub is, unless `HF_ENDPOINT` says otherwise.
const ENDPOINT: &str = "https://huggingface.co";

/// A secret that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Wraps a token; `None` when it is empty.
    #[must_use]
    pub fn new(token: &str) -> Option<Self> {
        let token = token.trim();
        (!token.is_empty()).then(|| Token(token.to_owned()))
    }

    #[cfg(feature = "network")]
    pub(crate) fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

/// How far a download is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'p> {
    /// The file in its repository.
    pub file: &'p str,
    /// Bytes of it that are on disk.
    pub done_bytes: u64,
    /// Bytes it has.
    pub total_bytes: u64,
    /// Its number among the files of this download, from 1.
    pub file_number: usize,
    /// Files of this download.
    pub n_files: usize,
}

/// Where to look and what is allowed.
#[derive(Clone)]
pub struct Options<'o> {
    /// The folder with `models--…` and `datasets--…`.
    pub cache: PathBuf,
    /// The variable that forbids the network for models, if one does.
    pub models_offline: Option<String>,
    /// The variable that forbids the network for data sets, if one does.
    pub datasets_offline: Option<String>,
    /// Address of the hub, without a slash at the end.
    pub endpoint: String,
    /// Sent to the hub alone, never to the servers it points to.
    pub token: Option<Token>,
    /// Longest wait for a connection (name look-up included).
    pub connect_timeout: Duration,
    /// Longest wait for the next bytes of an answer.
    pub read_timeout: Duration,
    /// Called as bytes arrive.
    pub progress: Option<&'o (dyn Fn(Progress<'_>) + Sync)>,
}

impl fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("cache", &self.cache)
            .field("models_offline", &self.models_offline)
            .field("datasets_offline", &self.datasets_offline)
            .field("endpoint", &self.endpoint)
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

impl Options<'_> {
    /// Reads the variables that `huggingface_hub` and `datasets` read.
    ///
    /// - **cache**: `HF_HUB_CACHE`, else `HUGGINGFACE_HUB_CACHE`, else `hub` in `HF_HOME`,
    ///   else `huggingface/hub` in `XDG_CACHE_HOME`, else `~/.cache/huggingface/hub`;
    /// - **offline**: `HF_HUB_OFFLINE`, else `TRANSFORMERS_OFFLINE`; for data sets
    ///   `HF_DATASETS_OFFLINE` where it is set at all (`1`, `on`, `yes`, `true` are true);
    /// - **hub**: `HF_ENDPOINT`; `HF_TOKEN`, else `HUGGING_FACE_HUB_TOKEN`, else the file
    ///   `HF_TOKEN_PATH` (`token` in `HF_HOME`), unless `HF_HUB_DISABLE_IMPLICIT_TOKEN` is true.
    #[must_use]
    pub fn from_env() -> Self {
        let home = std::env::home_dir().unwrap_or_default();
        Self::from_vars(&home, |name| std::env::var_os(name))
    }

    /// The same, from variables passed in.
    #[must_use]
    pub fn from_vars(user_home: &Path, get: impl Fn(&str) -> Option<OsString>) -> Self {
        // The Python client takes an empty variable for a value in some places; here it is unset.
        let var = |name: &str| get(name).filter(|v| !v.is_empty());
        let path = |name: &str| var(name).map(|v| expand(&v, user_home));
        let text = |name: &str| var(name).map(|v| v.to_string_lossy().into_owned());
        let is_true = |name: &str| text(name).is_some_and(|v| truth(&v));
        let hf_home = path("HF_HOME").unwrap_or_else(|| {
            path("XDG_CACHE_HOME")
                .unwrap_or_else(|| user_home.join(".cache"))
                .join("huggingface")
        });
        let cache = path("HF_HUB_CACHE")
            .or_else(|| path("HUGGINGFACE_HUB_CACHE"))
            .unwrap_or_else(|| hf_home.join("hub"));
        let set = |name: &str| is_true(name).then(|| name.to_owned());
        let models_offline = if var("HF_HUB_OFFLINE").is_some() {
            set("HF_HUB_OFFLINE")
        } else {
            set("TRANSFORMERS_OFFLINE")
        };
        let datasets_offline = if var("HF_DATASETS_OFFLINE").is_some() {
            set("HF_DATASETS_OFFLINE")
        } else {
            models_offline.clone()
        };
        let token = if is_true("HF_HUB_DISABLE_IMPLICIT_TOKEN") {
            None
        } else {
            text("HF_TOKEN")
                .or_else(|| text("HUGGING_FACE_HUB_TOKEN"))
                .or_else(|| {
                    let file = path("HF_TOKEN_PATH").unwrap_or_else(|| hf_home.join("token"));
                    std::fs::read_to_string(file).ok()
                })
                .and_then(|t| Token::new(&t))
        };
        Options {
            cache,
            models_offline,
            datasets_offline,
            endpoint: text("HF_ENDPOINT")
                .unwrap_or_else(|| ENDPOINT.to_owned())
                .trim_end_matches('/')
                .to_owned(),
            token,
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(60),
            progress: None,
        }
    }

    /// The variable that forbids the network for this kind, if one does.
    #[must_use]
    pub(crate) fn offline(&self, kind: Kind) -> Option<&str> {
        match kind {
            Kind::Model => self.models_offline.as_deref(),
            Kind::Dataset => self.datasets_offline.as_deref(),
        }
    }
}

fn truth(value: &str) -> bool {
    ["1", "ON", "YES", "TRUE"]
        .iter()
        .any(|t| value.eq_ignore_ascii_case(t))
}

/// Replaces a `~` at the start.
fn expand(value: &OsString, user_home: &Path) -> PathBuf {
    let path = Path::new(value);
    match path.strip_prefix("~") {
        Ok(rest) => user_home.join(rest),
        Err(_) => path.to_path_buf(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(vars: &[(&str, &str)]) -> Options<'static> {
        Options::from_vars(Path::new("/home/u"), |name| {
            vars.iter()
                .find(|(k, _)| *k == name)
                .map(|(_, v)| OsString::from(v))
        })
    }

    #[test]
    fn the_cache_is_where_the_python_client_puts_it() {
        let cache = |vars: &[(&str, &str)]| from(vars).cache;
        assert_eq!(cache(&[]), Path::new("/home/u/.cache/huggingface/hub"));
        assert_eq!(
            cache(&[("XDG_CACHE_HOME", "/x")]),
            Path::new("/x/huggingface/hub")
        );
        assert_eq!(
            cache(&[("XDG_CACHE_HOME", "/x"), ("HF_HOME", "~/hf")]),
            Path::new("/home/u/hf/hub")
        );
        assert_eq!(
            cache(&[("HF_HOME", "/hf"), ("HUGGINGFACE_HUB_CACHE", "/old")]),
            Path::new("/old")
        );
        assert_eq!(
            cache(&[("HUGGINGFACE_HUB_CACHE", "/old"), ("HF_HUB_CACHE", "/new")]),
            Path::new("/new")
        );
        assert_eq!(
            cache(&[("HF_HUB_CACHE", "")]),
            Path::new("/home/u/.cache/huggingface/hub")
        );
    }

    #[test]
    fn offline_variables_by_kind() {
        let both = |vars: &[(&str, &str)]| {
            let o = from(vars);
            (o.models_offline, o.datasets_offline)
        };
        let word = |w: &str| Some(w.to_owned());
        assert_eq!(both(&[]), (None, None));
        assert_eq!(
            both(&[("HF_HUB_OFFLINE", "1")]),
            (word("HF_HUB_OFFLINE"), word("HF_HUB_OFFLINE"))
        );
        assert_eq!(
            both(&[
                ("TRANSFORMERS_OFFLINE", "yes"),
                ("HF_DATASETS_OFFLINE", "0")
            ]),
            (word("TRANSFORMERS_OFFLINE"), None)
        );
        assert_eq!(
            both(&[("HF_DATASETS_OFFLINE", "True")]),
            (None, word("HF_DATASETS_OFFLINE"))
        );
        assert_eq!(
            both(&[("HF_HUB_OFFLINE", "0"), ("TRANSFORMERS_OFFLINE", "1")]),
            (None, None)
        );
    }

    #[test]
    fn the_token_is_found_and_never_shown() {
        let options = from(&[("HF_TOKEN", "hf_secret\n")]);
        assert_eq!(options.token, Token::new("hf_secret"));
        assert!(!format!("{options:?}").contains("secret"));
        assert_eq!(
            from(&[("HF_TOKEN", "x"), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")]).token,
            None
        );
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "from_file\n").unwrap();
        let home = folder.path().to_str().unwrap();
        assert_eq!(from(&[("HF_HOME", home)]).token, Token::new("from_file"));
    }
}
