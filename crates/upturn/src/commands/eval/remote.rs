//! Models at servers: the command line's part of it.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};
use upturn_eval::EvalOptions;
use upturn_remote::{Api, Limits, Needs, Options, Prices, RemoteModel, Sent};
use upturn_tasks::{OutputType, Task};

use super::Args;
use super::models::Found;
use super::progress::Stop;
use super::table::thousands;
use crate::output;

/// The file of answers in the output folder.
const ANSWERS: &str = "answers.sqlite";

/// Arguments for models at servers.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Servers")]
pub struct RemoteArgs {
    /// Server of openai:NAME and anthropic:NAME, such as http://localhost:8000/v1 (by default
    /// the owner's)
    #[arg(long, value_name = "URL")]
    pub base_url: Option<String>,
    /// What the server speaks (by default completions; anthropic for anthropic:NAME)
    #[arg(long, value_name = "API", value_enum)]
    pub api: Option<ApiWord>,
    /// Environment variable with the server's key; OPENAI_API_KEY and ANTHROPIC_API_KEY are sent
    /// to their owners' hosts alone unless named here
    #[arg(long, value_name = "NAME")]
    pub api_key_env: Option<String>,
    /// Send prompts as token ids or as text (by default ids where the server has a tokenizer)
    #[arg(long, value_name = "FORM", value_enum)]
    pub send: Option<SentWord>,
    /// Text of the token that stands for an empty context, such as '<|endoftext|>' (by default
    /// as the server says)
    #[arg(long, value_name = "TEXT")]
    pub prefix: Option<String>,
    /// Parameters put into every request over ours, as a JSON object; null takes one away
    #[arg(long, value_name = "JSON", value_parser = body)]
    pub body: Option<Map<String, Value>>,
    /// Most requests at once
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub concurrency: u16,
    /// Longest wait for an answer, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub request_timeout: u32,
    /// US dollars at which the run ends; needs --price-in and --price-out
    #[arg(long, value_name = "USD")]
    pub max_cost: Option<f64>,
    /// Price of a million tokens sent, US dollars
    #[arg(long, value_name = "USD", requires = "price_out")]
    pub price_in: Option<f64>,
    /// Price of a million tokens received, US dollars
    #[arg(long, value_name = "USD", requires = "price_in")]
    pub price_out: Option<f64>,
    /// Tokens, sent and received together, at which the run ends
    #[arg(long, value_name = "N")]
    pub token_limit: Option<u64>,
    /// File that keeps every answer (by default answers.sqlite in OUT)
    #[arg(long, value_name = "FILE")]
    pub answers: Option<PathBuf>,
}

/// What a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ApiWord {
    /// OpenAI's completions with echo: vLLM, Upturn, llama-cpp-python
    Completions,
    /// OpenAI's chat completions: answers only
    Chat,
    /// Anthropic's messages: answers only
    Anthropic,
    /// vLLM's completions with prompt_logprobs
    Vllm,
    /// SGLang's own /generate
    Sglang,
    /// llama.cpp's own /completion, token by token
    LlamaCpp,
}

/// What prompts are sent as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SentWord {
    /// Token ids from the server's tokenizer
    Ids,
    /// Text
    Text,
}

fn body(text: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(text) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err("expected a JSON object such as '{\"top_k\": 5}'".to_owned()),
        Err(e) => Err(format!(
            "is no JSON ({e}); expected an object such as '{{\"top_k\": 5}}'"
        )),
    }
}

impl RemoteArgs {
    fn api(&self, found: &Found) -> Api {
        match self.api {
            Some(ApiWord::Completions) => Api::Completions,
            Some(ApiWord::Chat) => Api::Chat,
            Some(ApiWord::Anthropic) => Api::Anthropic,
            Some(ApiWord::Vllm) => Api::Vllm,
            Some(ApiWord::Sglang) => Api::Sglang,
            Some(ApiWord::LlamaCpp) => Api::LlamaCpp,
            None if found.dir.to_string_lossy().starts_with("anthropic:") => Api::Anthropic,
            None => Api::Completions,
        }
    }
}

/// Finds the server of a model.
pub fn connect(args: &Args, found: &Found) -> Result<RemoteModel, String> {
    let remote = &args.remote;
    let mut options = Options::new(remote.api(found), found.name_at_server());
    options.base_url.clone_from(&remote.base_url);
    options.key_variable.clone_from(&remote.api_key_env);
    options.max_length = args.max_length;
    options.prefix.clone_from(&remote.prefix);
    options.add_bos_token = args.add_bos_token;
    options.sent = match remote.send {
        Some(SentWord::Ids) => Sent::Ids,
        Some(SentWord::Text) => Sent::Text,
        None => Sent::Auto,
    };
    options.concurrency = usize::from(remote.concurrency);
    options.patience.answer = Duration::from_secs(u64::from(remote.request_timeout));
    options.limits = Limits {
        max_cost: remote.max_cost,
        max_tokens: remote.token_limit,
        prices: remote
            .price_in
            .zip(remote.price_out)
            .map(|(input, output)| Prices { input, output }),
    };
    let answers = (remote.answers.clone()).unwrap_or_else(|| args.out.join(ANSWERS));
    options.cache = (!args.dry_run).then_some(answers);
    options.body = remote.body.clone().unwrap_or_default();
    options.seed = args.seed;
    let stop = Stop::install();
    options.stop = Some(std::sync::Arc::new(move || stop.is_asked()));
    RemoteModel::connect(options).map_err(|e| format!("{}: {e}", found.dir.display()))
}

/// Asks the server for one answer of each kind that the tasks need.
pub fn probe(model: &RemoteModel, tasks: &[Task], options: &EvalOptions) -> Result<(), String> {
    let any = |kinds: &[OutputType]| tasks.iter().any(|t| kinds.contains(&t.config.output_type));
    let answers = any(&[OutputType::GenerateUntil]);
    model
        .probe(Needs {
            likelihoods: any(&[OutputType::MultipleChoice, OutputType::Loglikelihood])
                || (answers && options.graded),
            rolling: any(&[OutputType::LoglikelihoodRolling]),
            answers,
        })
        .map_err(|e| e.to_string())
}

/// Says what was asked and what it took.
pub fn say_spent(model: &RemoteModel, label: &str) {
    let spent = model.spent();
    let cost = spent
        .cost
        .map_or_else(String::new, |c| format!(", ${c:.4}"));
    let again = match spent.n_retried {
        0 => String::new(),
        n => format!(", {} attempts failed", thousands(n)),
    };
    output::note(&format!(
        "{label}: {} answers from the server, {} from the cache{again}; {} tokens sent, {} received{cost}",
        thousands(spent.n_answered),
        thousands(spent.n_cached),
        thousands(spent.input_tokens),
        thousands(spent.output_tokens),
    ));
}
