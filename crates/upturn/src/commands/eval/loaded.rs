//! A model that is ready to be asked: loaded from a folder, or reached at a server.

use upturn_engine::Model;
use upturn_engine::error::ModelError;
use upturn_eval::EvalOptions;
#[cfg(feature = "remote")]
use upturn_remote::RemoteModel;
use upturn_tasks::Task;
use upturn_types::LanguageModel;

use super::Args;
use super::models::Found;

/// What a model at a server begins with on the command line.
const SERVERS: [&str; 2] = ["openai:", "anthropic:"];

/// A model of a run.
pub enum Loaded {
    /// From a folder.
    Local(Box<Model>),
    /// At a server.
    #[cfg(feature = "remote")]
    Remote(Box<RemoteModel>),
}

/// The model at a server that `asked` names, if it names one.
pub fn at_server(asked: &str) -> Option<Result<Found, String>> {
    let name = SERVERS.iter().find_map(|s| asked.strip_prefix(s))?;
    if name.is_empty() {
        return Some(Err(format!(
            "'{asked}' names no model; expected one such as openai:davinci-002"
        )));
    }
    #[cfg(feature = "remote")]
    return Some(Ok(Found::remote(asked, name)));
    #[cfg(not(feature = "remote"))]
    return Some(Err(format!(
        "'{asked}' is at a server, which this build cannot ask; build it with the feature 'remote'"
    )));
}

/// Loads a model, or finds its server.
pub fn load(args: &Args, found: &Found, kv_bytes: u64) -> Result<Loaded, String> {
    #[cfg(feature = "remote")]
    if found.is_remote() {
        return super::remote::connect(args, found).map(|m| Loaded::Remote(Box::new(m)));
    }
    let options = args.model_options(&found.label, kv_bytes);
    let model = Model::load(&found.dir, options).map_err(|e| match e {
        // Says the file itself.
        ModelError::File { .. } => e.to_string(),
        e => format!("{}: {e}", found.dir.display()),
    })?;
    Ok(Loaded::Local(Box::new(model)))
}

impl Loaded {
    /// The model.
    pub fn lm(&self) -> &dyn LanguageModel {
        match self {
            Loaded::Local(model) => &**model,
            #[cfg(feature = "remote")]
            Loaded::Remote(model) => &**model,
        }
    }

    /// Parameters, where they can be counted.
    pub fn n_params(&self) -> Option<u64> {
        match self {
            Loaded::Local(model) => Some(model.n_params()),
            #[cfg(feature = "remote")]
            Loaded::Remote(_) => None,
        }
    }

    /// The chat template's source, where there is one at hand.
    pub fn chat_template(&self) -> Option<&str> {
        match self {
            Loaded::Local(model) => model.chat_template(),
            #[cfg(feature = "remote")]
            Loaded::Remote(_) => None,
        }
    }

    /// Whether the model can do what the tasks ask, as far as that is known before the run.
    pub fn ready(&self, tasks: &[Task], options: &EvalOptions) -> Result<(), String> {
        match self {
            Loaded::Local(_) => {
                let _anything = (tasks, options);
                Ok(())
            }
            #[cfg(feature = "remote")]
            Loaded::Remote(model) => super::remote::probe(model, tasks, options),
        }
    }

    /// Whether graded metrics beside a task's own can be computed: those of generated answers
    /// score the target and count tokens.
    pub fn can_grade(&self) -> bool {
        match self {
            Loaded::Local(_) => true,
            #[cfg(feature = "remote")]
            Loaded::Remote(model) => model.has_tokenizer() && !model.api().is_chat(),
        }
    }

    /// Says what a server took for it.
    pub fn say_spent(&self, label: &str) {
        match self {
            Loaded::Local(_) => {
                let _nothing = label;
            }
            #[cfg(feature = "remote")]
            Loaded::Remote(model) => super::remote::say_spent(model, label),
        }
    }
}
