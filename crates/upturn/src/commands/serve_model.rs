//! `upturn serve-model`: a model folder as an OpenAI-compatible completions server.

mod served;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use upturn_engine::{Model, ModelOptions};
use upturn_server::model::{ServeError, ServeOptions, serve};
use upturn_types::LanguageModel as _;

use self::served::Served;
use super::eval::args::Dtype;
use super::eval::memory;
use super::eval::progress::{Stop, hub};
use crate::exit::{Exit, Failure, Outcome};
use crate::output;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The model: a folder, or a name on the hub (NAME or NAME@REVISION)
    #[arg(value_name = "DIR|NAME")]
    model: String,
    /// Port; 0 takes any that is free
    #[arg(long, value_name = "P", default_value_t = 8000)]
    port: u16,
    /// Address to listen at (this machine alone by default; nobody is asked for a key)
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// Name that clients call the model by (by default as it is typed)
    #[arg(long, value_name = "NAME")]
    served_model_name: Option<String>,
    /// Longest input in tokens (by default the model's own)
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u64).range(1..))]
    max_length: Option<u64>,
    /// Numbers that products are made of
    #[arg(long, value_name = "TYPE", value_enum, default_value_t = Dtype::Float32)]
    dtype: Dtype,
    /// Milliseconds that the first request of a batch waits for others
    #[arg(long, value_name = "MS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(0..=10_000))]
    gather_ms: u64,
    /// Memory for keys and values, such as 2GiB (by default a quarter of what is free)
    #[arg(long, value_name = "SIZE", value_parser = memory::parse_size)]
    kv_memory: Option<u64>,
    /// Threads (by default one per core)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    if let Some(threads) = args.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(usize::from(threads))
            .build_global()
            .map_err(|e| Failure::new(Exit::Failed, format!("cannot start threads: {e}")))?;
    }
    let is_folder = std::path::Path::new(&args.model).is_dir();
    let (name, revision) = match args.model.split_once('@') {
        Some((name, revision)) if !is_folder => (name, Some(revision)),
        _ => (args.model.as_str(), None),
    };
    let refused = |e: &dyn std::fmt::Display| Failure::new(Exit::NoInput, e);
    let dir = upturn_hub::resolve_model(name, revision, &hub()).map_err(|e| refused(&e))?;
    let options = ModelOptions {
        name: Some(
            args.served_model_name
                .clone()
                .unwrap_or_else(|| args.model.clone()),
        ),
        max_length: args
            .max_length
            .map(|n| usize::try_from(n).unwrap_or(usize::MAX)),
        kv_bytes: Some(args.kv_memory.unwrap_or_else(memory::default_kv_bytes)),
        compute: args.dtype.compute(),
        ..ModelOptions::default()
    };
    let model =
        Model::load(&dir, options).map_err(|e| refused(&format!("{}: {e}", dir.display())))?;
    let name = model.name().to_owned();
    let stop = Stop::install();
    let options = ServeOptions {
        host: args.host,
        port: args.port,
        gather: Duration::from_millis(args.gather_ms),
        ..ServeOptions::default()
    };
    if !args.host.is_loopback() {
        output::note(&format!(
            "warning: {} is open to other machines, and nobody is asked for a key",
            args.host
        ));
    }
    let started = |address: std::net::SocketAddr| {
        output::note(&format!(
            "{name} at http://{address}/v1 (completions, chat/completions, models); Ctrl-C ends it"
        ));
    };
    serve(Arc::new(Served(model)), options, started, move || {
        stop.is_asked()
    })
    .map_err(|e| {
        let exit = match e {
            ServeError::Listen { .. } => Exit::Usage,
            ServeError::Run(_) => Exit::Failed,
        };
        Failure::new(exit, e)
    })?;
    Ok(Exit::Done)
}
