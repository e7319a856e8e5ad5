//! Why a name did not become a folder, each in one line that says how to mend it.

#[cfg(feature = "network")]
use std::path::Path;
use std::path::PathBuf;

use crate::repo::Kind;

/// Why what is not in the cache was not fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Absent {
    /// This variable forbids the network.
    Offline(String),
    /// Built without the feature `network`.
    NoNetwork,
}

impl std::fmt::Display for Absent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Absent::Offline(variable) => write!(f, "{variable} forbids fetching it"),
            Absent::NoNetwork => f.write_str("this build does not fetch"),
        }
    }
}

/// A name that did not become a folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// Looks like a path, and nothing is there.
    #[error("no such folder: {}; {}expected the folder of a {}, or a name on the hub (organisation/name)", path.display(), meant(near), kind.word())]
    NoFolder {
        /// What was asked for.
        kind: Kind,
        /// The path.
        path: PathBuf,
        /// Folders whose names are like it.
        near: Vec<PathBuf>,
    },
    /// A file where a folder is expected.
    #[error("{} is a file; expected the folder of a {}", path.display(), kind.word())]
    NotAFolder {
        /// What was asked for.
        kind: Kind,
        /// The path.
        path: PathBuf,
    },
    /// Neither a folder nor a name that the hub allows.
    #[error("'{name}' is no folder and cannot be the name of a {}; expected a folder, or organisation/name in letters, digits, '-', '_' and '.'", kind.word())]
    BadName {
        /// What was asked for.
        kind: Kind,
        /// The name.
        name: String,
    },
    /// A revision that cannot be the name of a branch, tag or commit.
    #[error("'{revision}' cannot be a revision of {} '{name}'; expected a branch, tag or commit", kind.word())]
    BadRevision {
        /// What was asked for.
        kind: Kind,
        /// The name.
        name: String,
        /// The revision.
        revision: String,
    },
    /// Not in the cache, and not fetched.
    #[error("{} '{name}' is not a folder and not in the cache {}{}, and {absent}; fetch it with '{}', or set HF_HOME to the cache that has it", kind.word(), cache.display(), did_you_mean(near), kind.download_command(name))]
    NotCached {
        /// What was asked for.
        kind: Kind,
        /// The name.
        name: String,
        /// Where it was looked for.
        cache: PathBuf,
        /// Names in the cache that are like it.
        near: Vec<String>,
        /// Why it was not fetched.
        absent: Absent,
    },
    /// The repository is in the cache, this revision is not.
    #[error("{} '{name}' is in the cache, but not its revision '{revision}' (there is {}), and {absent}; fetch it with '{} --revision {revision}', or name a revision that is there", kind.word(), listed(known), kind.download_command(name))]
    NoRevision {
        /// What was asked for.
        kind: Kind,
        /// The name.
        name: String,
        /// The revision asked for.
        revision: String,
        /// Branches, tags and commits in the cache.
        known: Vec<String>,
        /// Why it was not fetched.
        absent: Absent,
    },
    /// Several commits in the cache begin like this.
    #[error("revision '{revision}' of {} '{name}' fits several commits ({}); give more of its digits", kind.word(), listed(matches))]
    Ambiguous {
        /// What was asked for.
        kind: Kind,
        /// The name.
        name: String,
        /// The revision asked for.
        revision: String,
        /// The commits.
        matches: Vec<String>,
    },
    /// In the cache, but files that are needed are not.
    #[error("{} '{name}' in {} lacks {}, and {absent}; fetch it with '{}'", kind.word(), snapshot.display(), listed(missing), kind.download_command(name))]
    Incomplete {
        /// What was asked for.
        kind: Kind,
        /// The name.
        name: String,
        /// The folder.
        snapshot: PathBuf,
        /// What is missing, in words or by file name.
        missing: Vec<String>,
        /// Why it was not fetched.
        absent: Absent,
    },
    /// No answer from the hub.
    #[error("{} '{name}' is not in the cache {}, and {endpoint} cannot be reached: {cause}; without a network, set HF_HOME to a cache that has it (filled elsewhere with '{}')", kind.word(), cache.display(), kind.download_command(name))]
    Unreachable {
        /// What was asked for.
        kind: Kind,
        /// The name.
        name: String,
        /// Where it was looked for.
        cache: PathBuf,
        /// Address of the hub.
        endpoint: String,
        /// Why.
        cause: String,
    },
    /// The hub has no such name, or does not say so without a token.
    #[error("{endpoint} has no {} '{name}'{}, or it is private{}; check the name, or set HF_TOKEN to a token that may read it", kind.word(), at(revision.as_deref()), did_you_mean(near))]
    NotOnHub {
        /// What was asked for.
        kind: Kind,
        /// The name.
        name: String,
        /// The revision asked for, if any.
        revision: Option<String>,
        /// Names in the cache that are like it.
        near: Vec<String>,
        /// Address of the hub.
        endpoint: String,
    },
    /// The hub asks for consent or a better token.
    #[error("{endpoint} does not give {} '{name}' (status {status}); accept its conditions on {endpoint}/{}{name} and set HF_TOKEN to a token that may read it", kind.word(), if *kind == Kind::Dataset { "datasets/" } else { "" })]
    Forbidden {
        /// What was asked for.
        kind: Kind,
        /// The name.
        name: String,
        /// Status of the answer.
        status: u16,
        /// Address of the hub.
        endpoint: String,
    },
    /// The hub answered, but not with what was asked.
    #[error("{} '{name}': {message}", kind.word())]
    Answer {
        /// What was asked for.
        kind: Kind,
        /// The name.
        name: String,
        /// What is wrong, and what to do.
        message: String,
    },
    /// The operating system refused.
    #[error("cannot {action} {}: {cause}", path.display())]
    Io {
        /// `read`, `write`.
        action: &'static str,
        /// File or folder.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
}

#[cfg(feature = "network")]
impl HubError {
    pub(crate) fn io(action: &'static str, path: &Path, cause: std::io::Error) -> Self {
        HubError::Io {
            action,
            path: path.to_path_buf(),
            cause,
        }
    }
}

fn meant(near: &[PathBuf]) -> String {
    if near.is_empty() {
        return String::new();
    }
    let near: Vec<String> = near.iter().map(|p| p.display().to_string()).collect();
    format!("did you mean {}? ", near.join(" or "))
}

fn did_you_mean(near: &[String]) -> String {
    if near.is_empty() {
        String::new()
    } else {
        format!(" (near it: {})", near.join(", "))
    }
}

fn at(revision: Option<&str>) -> String {
    revision.map_or_else(String::new, |r| format!(" with a revision '{r}'"))
}

/// A few items of a list, and how many more there are.
fn listed(items: &[String]) -> String {
    const N_SHOWN: usize = 5;
    let shown = items
        .iter()
        .take(N_SHOWN)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    match items.len() {
        0 => "none".to_owned(),
        n if n > N_SHOWN => format!("{shown} and {} more", n - N_SHOWN),
        _ => shown,
    }
}
