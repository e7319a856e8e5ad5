//! A language model as an OpenAI-compatible completions server.
//!
//! `/v1/completions` scores and continues, `/v1/chat/completions` continues conversations,
//! `/v1/models` and `/health` say who and whether; `/tokenize`, `/detokenize` and
//! `/tokenizer_info` are vLLM's. Requests that come within a few milliseconds go through the
//! model together, so that what their prompts share is computed once.

mod batch;
mod chat;
mod completions;
mod error;
mod fields;
mod routes;
mod served;
mod text;
mod tokenize;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

pub use self::served::{AnswerJob, Place, ScoreJob, Scored, ServedModel, Written};

use self::batch::Batcher;
use self::routes::{App, router};

/// How a model is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServeOptions {
    /// Address; this machine alone by default.
    pub host: IpAddr,
    /// Port; 0 takes any that is free.
    pub port: u16,
    /// How long the first request of a batch waits for others.
    pub gather: Duration,
    /// Longest body of a request, bytes.
    pub body_max: usize,
    /// Most sequences that wait at once; more are refused for now (status 429).
    pub waiting_max: usize,
    /// Most prompts in a request.
    pub prompts_max: usize,
    /// Longest wait for requests under way when the server stops.
    pub grace: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        ServeOptions {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 8000,
            gather: Duration::from_millis(5),
            body_max: 32 << 20,
            waiting_max: 16_384,
            prompts_max: 2048,
            grace: Duration::from_secs(30),
        }
    }
}

/// Why the server could not run. Displays as one lowercase line.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be had.
    #[error("cannot listen at {address}: {source}; choose another with --port or --host")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The server failed while it ran.
    #[error("the server failed: {0}")]
    Run(std::io::Error),
}

/// How often `stop` is asked.
const LOOK: Duration = Duration::from_millis(50);

/// Serves until `stop` says so; then no new request is taken, and those under way are
/// answered. `started` is called once with the address.
///
/// # Errors
/// See [`ServeError`].
pub fn serve(
    model: Arc<dyn ServedModel>,
    options: ServeOptions,
    started: impl FnOnce(SocketAddr),
    stop: impl Fn() -> bool + Send + Sync + 'static,
) -> Result<(), ServeError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(ServeError::Run)?;
    let stop = Arc::new(stop);
    let served = runtime.block_on(async {
        let address = SocketAddr::new(options.host, options.port);
        let listener = tokio::net::TcpListener::bind(address)
            .await
            .map_err(|source| ServeError::Listen { address, source })?;
        started(listener.local_addr().map_err(ServeError::Run)?);
        let batcher = Batcher::start(Arc::clone(&model), options.gather, options.waiting_max);
        let app = router(App::new(model, batcher, options));
        let asked = Arc::clone(&stop);
        let until_asked = async move {
            while !asked() {
                tokio::time::sleep(LOOK).await;
            }
        };
        let serving = axum::serve(listener, app).with_graceful_shutdown(until_asked);
        let out_of_patience = async {
            while !stop() {
                tokio::time::sleep(LOOK).await;
            }
            tokio::time::sleep(options.grace).await;
        };
        tokio::select! {
            ended = serving => ended.map_err(ServeError::Run),
            () = out_of_patience => Ok(()),
        }
    });
    // A batch that goes on is not waited for.
    runtime.shutdown_background();
    served
}
