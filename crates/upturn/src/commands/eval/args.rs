//! The command line of `upturn eval`.

use std::path::PathBuf;

use upturn_engine::ModelOptions;
use upturn_engine::gemm::Compute;
use upturn_eval::{EvalOptions, StopRule};
use upturn_tasks::FewshotMode;

use super::models::TrainTokens;
use super::{gen_kwargs, memory};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Models: folders, patterns such as 'models/gpt2-*', names on the hub (NAME or NAME@REVISION),
    /// models at a server (openai:NAME or anthropic:NAME)
    #[arg(long, value_name = "DIR|NAME", required = true, num_args = 1.., help_heading = "What")]
    pub model: Vec<String>,
    /// Tasks, groups, tags, patterns, task files and folders of them, separated by commas; generated
    /// tasks such as addition:digits=3 (`upturn tasks generated` lists them)
    #[arg(long, value_name = "TASK", required = true, num_args = 1.., help_heading = "What")]
    pub tasks: Vec<String>,
    /// Folder for the results; what is finished there is kept, what is missing is done
    #[arg(long, value_name = "DIR", help_heading = "What")]
    pub out: PathBuf,
    /// Folder of task files, to find tasks by name (may be repeated; later ones win)
    #[arg(long, value_name = "DIR", help_heading = "What")]
    pub include_path: Vec<PathBuf>,
    /// Revision of models on the hub: branch, tag or commit
    #[arg(long, value_name = "REV", help_heading = "What")]
    pub revision: Option<String>,

    /// Examples in the prompt (a task that says 0 keeps 0)
    #[arg(long, value_name = "K", help_heading = "How")]
    pub num_fewshot: Option<usize>,
    /// Only the first N items of each task
    #[arg(long, value_name = "N", value_parser = at_least_one, help_heading = "How")]
    pub limit: Option<usize>,
    /// Seed of example draws and sampled answers
    #[arg(
        long,
        value_name = "SEED",
        help_heading = "How",
        default_value_t = 1234
    )]
    pub seed: u64,
    /// Score as another harness does, its defects included
    #[arg(long, value_name = "HARNESS", help_heading = "How")]
    pub parity: Option<Harness>,
    /// Draw examples for each item anew, or one set for all
    #[arg(
        long,
        value_name = "WAY",
        help_heading = "How",
        conflicts_with = "parity"
    )]
    pub fewshot: Option<Fewshot>,
    /// Put prompts through the model's chat template
    #[arg(long, help_heading = "How")]
    pub apply_chat_template: bool,
    /// Make every example a turn of the conversation
    #[arg(long, help_heading = "How", requires = "apply_chat_template")]
    pub fewshot_as_multiturn: bool,
    /// Text before every prompt
    #[arg(long, value_name = "TEXT", help_heading = "How")]
    pub system_instruction: Option<String>,
    /// Settings of generation over those of the task, such as temperature=0.7,do_sample=true or
    /// 'until=["\n","."]', or a JSON object
    #[arg(long, value_name = "KEY=VALUE,...", num_args = 1.., value_parser = gen_kwargs::parse, help_heading = "How")]
    pub gen_kwargs: Vec<gen_kwargs::Words>,
    /// Replicates behind standard errors that need a bootstrap; 0 leaves all standard errors out
    #[arg(
        long,
        value_name = "N",
        help_heading = "How",
        default_value_t = 100_000
    )]
    pub bootstrap_iters: u32,
    /// Stop a cell once its score is certainly near chance or above it; its items are then asked
    /// in random order
    #[arg(long, value_name = "WHEN", value_parser = ["decided"], help_heading = "How")]
    pub stop_when: Option<String>,
    /// Items between two looks of --stop-when
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = at_least_one, requires = "stop_when", help_heading = "How")]
    pub stop_batch: usize,
    /// Compute only the metrics that a task asks for
    #[arg(long, help_heading = "How")]
    pub no_graded: bool,

    /// Training tokens: D for all models, or MODEL=D (may be repeated)
    #[arg(long, value_name = "[MODEL=]D", value_parser = TrainTokens::parse, help_heading = "Models")]
    pub train_tokens: Vec<TrainTokens>,
    /// Family of the models, where their upturn.toml does not say
    #[arg(long, value_name = "NAME", value_parser = not_empty, help_heading = "Models")]
    pub family: Option<String>,
    /// Longest input in tokens (by default the model's own)
    #[arg(long, value_name = "TOKENS", value_parser = at_least_one, help_heading = "Models")]
    pub max_length: Option<usize>,
    /// Begin texts with the beginning-of-text token (by default as the tokenizer does)
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", help_heading = "Models")]
    pub add_bos_token: Option<bool>,
    /// Numbers that products are made of; sums, norms and attention are float32 in both
    #[arg(long, value_name = "TYPE", value_enum, default_value_t = Dtype::Float32, help_heading = "Models")]
    pub dtype: Dtype,

    /// Memory for keys and values, such as 2GiB (by default a quarter of what is free); changes no result
    #[arg(long, value_name = "SIZE", value_parser = memory::parse_size, help_heading = "Machine")]
    pub kv_memory: Option<u64>,
    /// Tokens computed at a time; changes no result
    #[arg(long, value_name = "N", value_parser = at_least_one, help_heading = "Machine")]
    pub batch_rows: Option<usize>,
    /// Threads (by default one per core); changes no result
    #[arg(long, value_name = "N", value_parser = threads, help_heading = "Machine")]
    pub threads: Option<usize>,

    #[cfg(feature = "remote")]
    #[command(flatten)]
    pub remote: super::remote::RemoteArgs,

    /// Only plan: say what each model and task would take, and write nothing
    #[arg(long, help_heading = "Output")]
    pub dry_run: bool,
    /// Also write results and samples as lm-evaluation-harness does, below OUT/lm-eval
    #[arg(long, help_heading = "Output")]
    pub lm_eval_output: bool,
    /// Print a summary as JSON instead of the table
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// A harness whose scores can be reproduced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Harness {
    /// lm-evaluation-harness 0.4.13.
    LmEval,
}

/// Numbers that products are made of, as the PyTorch types are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Dtype {
    /// 32 bits, whatever the weights are stored as.
    #[value(alias = "f32")]
    Float32,
    /// Weights and activations rounded to bfloat16; needs a CPU with AVX-512 BF16.
    #[value(alias = "bf16")]
    Bfloat16,
}

impl Dtype {
    /// In the engine's words.
    pub fn compute(self) -> Compute {
        match self {
            Dtype::Float32 => Compute::F32,
            Dtype::Bfloat16 => Compute::Bf16,
        }
    }
}

/// How examples are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Fewshot {
    /// For each item from its index alone (the default).
    PerDoc,
    /// One set for all items.
    Fixed,
}

/// Most threads: beyond it a mistyped number would look like a hang.
const THREADS_MAX: usize = 1024;

fn threads(text: &str) -> Result<usize, String> {
    match at_least_one(text) {
        Ok(n) if n <= THREADS_MAX => Ok(n),
        _ => Err(format!("expected a whole number from 1 to {THREADS_MAX}")),
    }
}

fn not_empty(text: &str) -> Result<String, String> {
    match text.trim().is_empty() {
        true => Err("expected a name".to_owned()),
        false => Ok(text.to_owned()),
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err("expected a whole number from 1".to_owned()),
    }
}

impl Args {
    /// Settings of generation, later ones over earlier ones.
    pub fn generation_words(&self) -> gen_kwargs::Words {
        let words = self.gen_kwargs.iter().flatten();
        words.map(|(k, v)| (k.clone(), v.clone())).collect()
    }

    /// How tasks are run.
    pub fn eval_options(&self) -> EvalOptions {
        EvalOptions {
            limit: self.limit,
            seed: self.seed,
            mode: match (self.parity, self.fewshot) {
                (Some(Harness::LmEval), _) => FewshotMode::Parity,
                (None, Some(Fewshot::Fixed)) => FewshotMode::Fixed,
                (None, Some(Fewshot::PerDoc) | None) => FewshotMode::PerDoc,
            },
            system_instruction: self.system_instruction.clone(),
            chat: self.apply_chat_template,
            fewshot_as_multiturn: self.fewshot_as_multiturn,
            graded: !self.no_graded,
            bootstrap_iterations: self.bootstrap_iters,
            stop: self.stop_when.as_ref().map(|_| StopRule {
                near_margin: 0.05,
                alpha: 0.05,
                batch: self.stop_batch,
                seed: self.seed,
            }),
        }
    }

    /// How a model of this name is loaded and run.
    pub fn model_options(&self, name: &str, kv_bytes: u64) -> ModelOptions {
        ModelOptions {
            name: Some(name.to_owned()),
            max_length: self.max_length,
            add_bos_token: self.add_bos_token,
            max_rows: self.batch_rows,
            kv_bytes: Some(kv_bytes),
            compute: self.dtype.compute(),
            ..ModelOptions::default()
        }
    }
}
