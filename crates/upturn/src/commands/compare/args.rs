//! The command line of `upturn compare`.

use std::path::PathBuf;

use upturn_engine::ModelOptions;
use upturn_engine::gemm::Compute;

use crate::commands::eval::args::Dtype;
use crate::commands::eval::models::TrainTokens;
use crate::output::Color;

const EXAMPLES: &str = "\
Examples:
  upturn compare --models 'models/gpt2-*' 'Q: What is 44 plus 28?\\nA:' --escape
  upturn compare --models ada,babbage,davinci 'Paris is in' --target ' France' --target ' Italy'
  upturn compare --study out/grokking '12+7=' --target 19 --target 20 --samples 16 --temperature 0.8
  printf '2+2=\\n2+3=\\n' | upturn compare --models 'models/*' - --json";

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Prompts, each as it is; - reads them from stdin, one a line; '' is the beginning of a text
    #[arg(value_name = "PROMPT")]
    pub prompts: Vec<String>,
    /// File of prompts, one a line (may be repeated; - is stdin); empty lines are left out
    #[arg(long, value_name = "FILE", help_heading = "What")]
    pub file: Vec<PathBuf>,
    /// Read \n, \t, \r, \\ and \u{HEX} in prompts, targets, stop strings and system text
    #[arg(long, help_heading = "What")]
    pub escape: bool,
    /// Models, separated by commas: folders, patterns such as 'models/gpt2-*', names on the hub
    /// (NAME or NAME@REVISION); may be repeated
    #[arg(
        long,
        alias = "model",
        value_name = "DIR|NAME,...",
        required_unless_present = "study",
        help_heading = "What"
    )]
    pub models: Vec<String>,
    /// Models that a study trained: the folder where `upturn run` put its results
    #[arg(long, value_name = "OUT", help_heading = "What")]
    pub study: Option<PathBuf>,
    /// Revision of models on the hub: branch, tag or commit
    #[arg(long, value_name = "REV", help_heading = "What")]
    pub revision: Option<String>,

    /// Also score this text as the continuation (may be repeated)
    #[arg(
        long,
        value_name = "TEXT",
        allow_hyphen_values = true,
        help_heading = "How"
    )]
    pub target: Vec<String>,
    /// Most tokens of an answer; 0 asks for none and only scores targets
    #[arg(
        long,
        value_name = "N",
        default_value_t = 32,
        value_parser = clap::value_parser!(u32).range(..=MAX_NEW_TOKENS),
        help_heading = "How"
    )]
    pub max_new_tokens: u32,
    /// Stop answers at this text (may be repeated; by default at a newline, with --chat nowhere;
    /// '' for nowhere)
    #[arg(
        long,
        value_name = "TEXT",
        allow_hyphen_values = true,
        help_heading = "How"
    )]
    pub until: Vec<String>,
    /// Also draw N answers, and count equal ones
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=MAX_SAMPLES),
        help_heading = "How"
    )]
    pub samples: Option<u32>,
    /// Temperature of drawn answers
    #[arg(
        long,
        value_name = "T",
        default_value_t = 1.0,
        value_parser = temperature,
        requires = "samples",
        help_heading = "How"
    )]
    pub temperature: f32,
    /// Draw from the most likely tokens that have this share of the probability together
    #[arg(
        long,
        value_name = "P",
        default_value_t = 1.0,
        value_parser = top_p,
        requires = "samples",
        help_heading = "How"
    )]
    pub top_p: f32,
    /// Seed of drawn answers
    #[arg(
        long,
        value_name = "SEED",
        default_value_t = 1234,
        requires = "samples",
        help_heading = "How"
    )]
    pub seed: u64,
    /// Put prompts through each model's chat template
    #[arg(long, help_heading = "How")]
    pub chat: bool,
    /// System message of the conversation
    #[arg(
        long,
        value_name = "TEXT",
        requires = "chat",
        allow_hyphen_values = true,
        help_heading = "How"
    )]
    pub system: Option<String>,

    /// Training tokens: D for all models, or MODEL=D (may be repeated)
    #[arg(long, value_name = "[MODEL=]D", value_parser = TrainTokens::parse, help_heading = "Models")]
    pub train_tokens: Vec<TrainTokens>,
    /// Order of the models
    #[arg(
        long,
        value_name = "ORDER",
        value_enum,
        default_value_t = Order::Scale,
        help_heading = "Models"
    )]
    pub order: Order,
    /// Numbers that products are made of; sums, norms and attention are float32 in both
    #[arg(long, value_name = "TYPE", value_enum, default_value_t = Dtype::Float32, help_heading = "Models")]
    pub dtype: Dtype,
    /// Threads (by default one per core); changes no result
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024), help_heading = "Machine")]
    pub threads: Option<u16>,

    /// Print everything as JSON instead of tables
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Also write every answer, target and sample as a row of this file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub csv: Option<PathBuf>,
    /// When to use colour
    #[arg(
        long,
        value_name = "WHEN",
        value_enum,
        default_value_t,
        help_heading = "Output"
    )]
    pub color: Color,
}

/// Beyond it a mistyped number would look like a hang.
const MAX_NEW_TOKENS: i64 = 1 << 20;
/// Likewise.
const MAX_SAMPLES: i64 = 10_000;

/// How models are put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Order {
    /// By training compute, the smallest first; by parameters where any compute is not known.
    Scale,
    /// As given.
    Given,
}

fn temperature(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(t) if f32::is_finite(t) && t > 0.0 => Ok(t),
        _ => Err("expected a number above 0".to_owned()),
    }
}

fn top_p(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(p) if p > 0.0 && p <= 1.0 => Ok(p),
        _ => Err("expected a number above 0, at most 1".to_owned()),
    }
}

impl Args {
    /// How a model of this name is loaded and run.
    pub fn model_options(&self, name: &str, kv_bytes: u64) -> ModelOptions {
        ModelOptions {
            name: Some(name.to_owned()),
            kv_bytes: Some(kv_bytes),
            compute: match self.dtype {
                Dtype::Float32 => Compute::F32,
                Dtype::Bfloat16 => Compute::Bf16,
            },
            ..ModelOptions::default()
        }
    }
}
