//! Names of models and data sets to folders on disk: the Hugging Face cache, and the hub when there is a network.
//!
//! [`resolve_model`] and [`resolve_dataset`] take what users type (`EleutherAI/pythia-70m`,
//! `./checkpoints/step1000`) and give a folder. They look, in this order,
//!
//! 1. at the path itself: a folder wins over any name;
//! 2. in the cache that `huggingface_hub` fills (`HF_HUB_CACHE`, `HF_HOME`, see [`Options::from_env`]);
//! 3. with the feature `network`, and unless an offline variable is set, on the hub
//!    (`HF_ENDPOINT`, `HF_TOKEN`). What is fetched goes into the same cache, whole or not at all.
//!
//! What the cache holds is taken as it is: no request asks whether the hub has something
//! newer, so a run without a network and a run with one read the same bytes.
//!
//! Nothing here knows what is inside the files, but for the list of shards of a model.

mod cache;
mod environment;
mod error;
#[cfg(feature = "network")]
mod network;
mod repo;
mod resolve;
mod snapshot;

pub use environment::{Options, Progress, Token};
pub use error::{Absent, HubError};
pub use repo::Kind;
pub use resolve::{resolve_dataset, resolve_model};
