//! How a remote model is asked.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::budget::Limits;

/// What a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// OpenAI's completions: `echo` with `logprobs` scores a prompt. vLLM, Upturn, llama-cpp-python.
    Completions,
    /// OpenAI's chat completions: answers only.
    Chat,
    /// Anthropic's messages: answers only.
    Anthropic,
    /// vLLM's completions with its own `prompt_logprobs`.
    Vllm,
    /// SGLang's own `/generate`.
    Sglang,
    /// llama.cpp's own `/completion`: the probability of one next token at a time.
    LlamaCpp,
}

impl Api {
    /// The word on the command line and in results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Api::Completions => "completions",
            Api::Chat => "chat",
            Api::Anthropic => "anthropic",
            Api::Vllm => "vllm",
            Api::Sglang => "sglang",
            Api::LlamaCpp => "llama-cpp",
        }
    }

    /// Whether it takes conversations rather than texts.
    #[must_use]
    pub fn is_chat(self) -> bool {
        matches!(self, Api::Chat | Api::Anthropic)
    }
}

/// What prompts are sent as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sent {
    /// Token ids where the server has a tokenizer, else text.
    #[default]
    Auto,
    /// Token ids from the server's own tokenizer (`/tokenize`).
    Ids,
    /// Text; tokens are placed by the echo.
    Text,
}

/// How long to wait, and how often to ask.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For a whole answer, from the request on.
    pub answer: Duration,
    /// Attempts at one request, the first included.
    pub attempts: u32,
    /// Longest first wait between attempts; doubles with each.
    pub base: Duration,
    /// Longest wait between attempts.
    pub cap: Duration,
    /// Longest wait that a server may ask for.
    pub retry_after: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(300),
            attempts: 10,
            base: Duration::from_millis(500),
            cap: Duration::from_secs(60),
            retry_after: Duration::from_secs(600),
        }
    }
}

/// Asks whether the user wants to stop.
pub type Stop = Arc<dyn Fn() -> bool + Send + Sync>;

/// How a remote model is asked.
#[derive(Clone)]
pub struct Options {
    /// What the server speaks.
    pub api: Api,
    /// The model's name at the server.
    pub model: String,
    /// The server, such as `http://localhost:8000/v1`; the API's own where absent.
    pub base_url: Option<String>,
    /// Environment variable with the key. Where absent, OPENAI_API_KEY and ANTHROPIC_API_KEY
    /// are read for their owners' hosts and no others.
    pub key_variable: Option<String>,
    /// Longest input in tokens; as the server says where absent.
    pub max_length: Option<usize>,
    /// Text of the token that stands for an empty context; as the server says where absent.
    pub prefix: Option<String>,
    /// Whether texts begin with the beginning-of-text token; the server's habit where absent.
    pub add_bos_token: Option<bool>,
    /// What prompts are sent as.
    pub sent: Sent,
    /// Most requests at once.
    pub concurrency: usize,
    /// Waits and attempts.
    pub patience: Patience,
    /// Where spending ends.
    pub limits: Limits,
    /// File of answers; none are kept where absent.
    pub cache: Option<PathBuf>,
    /// Parameters put into every request over ours; null takes one away.
    pub body: Map<String, Value>,
    /// Seed of the waits' jitter.
    pub seed: u64,
    /// Asked while waiting.
    pub stop: Option<Stop>,
}

impl Options {
    /// Options for a model at an API, everything else as usual.
    #[must_use]
    pub fn new(api: Api, model: &str) -> Self {
        Options {
            api,
            model: model.to_owned(),
            base_url: None,
            key_variable: None,
            max_length: None,
            prefix: None,
            add_bos_token: None,
            sent: Sent::Auto,
            concurrency: 16,
            patience: Patience::default(),
            limits: Limits::default(),
            cache: None,
            body: Map::new(),
            seed: 0,
            stop: None,
        }
    }
}
