//! From what a user typed to a folder: a path, the cache, the hub.

use std::path::{Path, PathBuf};

use crate::cache::{self, CONVERTED, Lookup, MAIN};
use crate::environment::Options;
use crate::error::{Absent, HubError};
use crate::repo::{Kind, Repo};
use crate::snapshot;

/// The folder of a model: configuration, tokenizer and safetensors.
///
/// `revision` is a branch, a tag or a commit (four of its digits are enough in the
/// cache); without one it is `main`. It says nothing about a folder of one's own.
///
/// # Errors
/// [`HubError`] when nothing of that name can be found or fetched, or what is in the
/// cache is not whole.
pub fn resolve_model(
    name_or_path: &str,
    revision: Option<&str>,
    options: &Options<'_>,
) -> Result<PathBuf, HubError> {
    resolve(Kind::Model, name_or_path, None, revision, options)
}

/// The folder of a data set.
///
/// `config` is the configuration wanted, where the data set has several: only its files
/// are fetched, where their names tell. Without a revision, the hub's own conversion to
/// Parquet (`refs/convert/parquet`) stands in for a data set that is a script.
///
/// # Errors
/// As [`resolve_model`].
pub fn resolve_dataset(
    name_or_path: &str,
    config: Option<&str>,
    revision: Option<&str>,
    options: &Options<'_>,
) -> Result<PathBuf, HubError> {
    resolve(Kind::Dataset, name_or_path, config, revision, options)
}

fn resolve(
    kind: Kind,
    name_or_path: &str,
    part: Option<&str>,
    revision: Option<&str>,
    options: &Options<'_>,
) -> Result<PathBuf, HubError> {
    if let Some(folder) = local(kind, name_or_path)? {
        return Ok(folder);
    }
    let repo = Repo::parse(kind, name_or_path)?;
    if let Some(revision) = revision.filter(|r| !cache::good_revision(r)) {
        return Err(HubError::BadRevision {
            kind,
            name: repo.name,
            revision: revision.to_owned(),
        });
    }
    let why = match in_cache(&repo, part, revision, options) {
        Ok(folder) => return Ok(folder),
        Err(why) => why,
    };
    let absent = match options.offline(kind) {
        Some(variable) => Absent::Offline(variable.to_owned()),
        None => Absent::NoNetwork,
    };
    #[cfg(feature = "network")]
    if matches!(absent, Absent::NoNetwork) && !matches!(why, Gap::Ambiguous { .. }) {
        return match crate::network::download(&repo, part, revision, options) {
            // The configuration's files may be named in another way: what is there is tried.
            Err(HubError::Unreachable { .. }) if why.usable().is_some() => {
                Ok(why.usable().unwrap_or_default())
            }
            outcome => outcome,
        };
    }
    if let Some(folder) = why.usable() {
        return Ok(folder);
    }
    Err(why.into_error(repo, revision, options, absent))
}

/// A folder named by its path, or the error for what can only be a path.
fn local(kind: Kind, name: &str) -> Result<Option<PathBuf>, HubError> {
    let path = Path::new(name);
    if path.is_dir() {
        return Ok(Some(path.to_path_buf()));
    }
    let path = path.to_path_buf();
    if path.is_file() {
        return Err(HubError::NotAFolder { kind, path });
    }
    let only_a_path = path.is_absolute()
        || name.starts_with("./")
        || name.starts_with("../")
        || name.starts_with('~')
        || name.contains('\\')
        || name.matches('/').count() > 1;
    if only_a_path {
        return Err(HubError::NoFolder { kind, path });
    }
    Ok(None)
}

/// Why the cache does not serve.
enum Gap {
    NoRepo,
    NoRevision {
        known: Vec<String>,
    },
    Ambiguous {
        matches: Vec<String>,
    },
    Incomplete {
        snapshot: PathBuf,
        missing: Vec<String>,
    },
    /// Holds rows, but none that are surely those of the configuration.
    UnsurePart {
        snapshot: PathBuf,
        missing: Vec<String>,
    },
}

impl Gap {
    /// A folder that may do.
    fn usable(&self) -> Option<PathBuf> {
        match self {
            Gap::UnsurePart { snapshot, .. } => Some(snapshot.clone()),
            _ => None,
        }
    }

    fn into_error(
        self,
        repo: Repo,
        revision: Option<&str>,
        options: &Options<'_>,
        absent: Absent,
    ) -> HubError {
        let Repo { kind, name } = repo;
        let revision = revision.unwrap_or(MAIN).to_owned();
        match self {
            Gap::NoRepo => HubError::NotCached {
                kind,
                near: cache::near(&options.cache, kind, &name),
                name,
                cache: options.cache.clone(),
                absent,
            },
            Gap::NoRevision { known } => HubError::NoRevision {
                kind,
                name,
                revision,
                known,
                absent,
            },
            Gap::Ambiguous { matches } => HubError::Ambiguous {
                kind,
                name,
                revision,
                matches,
            },
            Gap::Incomplete { snapshot, missing } | Gap::UnsurePart { snapshot, missing } => {
                HubError::Incomplete {
                    kind,
                    name,
                    snapshot,
                    missing,
                    absent,
                }
            }
        }
    }
}

fn in_cache(
    repo: &Repo,
    part: Option<&str>,
    revision: Option<&str>,
    options: &Options<'_>,
) -> Result<PathBuf, Gap> {
    let first = snapshot_of(repo, part, revision.unwrap_or(MAIN), options);
    if first.is_err() && repo.kind == Kind::Dataset && revision.is_none() {
        // Only a better answer replaces the first.
        if let Ok(folder) = snapshot_of(repo, part, CONVERTED, options) {
            return Ok(folder);
        }
    }
    first
}

fn snapshot_of(
    repo: &Repo,
    part: Option<&str>,
    revision: &str,
    options: &Options<'_>,
) -> Result<PathBuf, Gap> {
    let folder = match cache::look_up(&options.cache, repo, revision) {
        Lookup::Snapshot(folder) => folder,
        Lookup::NoRepo => return Err(Gap::NoRepo),
        Lookup::NoRevision { known } => return Err(Gap::NoRevision { known }),
        Lookup::Ambiguous { matches } => return Err(Gap::Ambiguous { matches }),
    };
    let missing = snapshot::missing(repo.kind, &folder, part);
    if missing.is_empty() {
        Ok(folder)
    } else if part.is_some() && snapshot::missing(repo.kind, &folder, None).is_empty() {
        Err(Gap::UnsurePart {
            snapshot: folder,
            missing,
        })
    } else {
        Err(Gap::Incomplete {
            snapshot: folder,
            missing,
        })
    }
}
