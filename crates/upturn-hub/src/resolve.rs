//! From what a user typed to a folder: a path, the cache, the hub.

use std::path::{Path, PathBuf};

use crate::cache::{self, CONVERTED, Lookup, MAIN};
use crate::environment::Options;
use crate::error::{Absent, HubError};
use crate::repo::{Kind, Repo};
use crate::snapshot;

/// Shortest part of a folder's name by which it is suggested, characters.
const N_CHARS_OF_A_PART: usize = 3;
/// Folders suggested by a part of their name, at most.
const N_SHOWN: usize = 3;

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
    // What is not in the cache and would lie in a folder that is here was meant as a path.
    if matches!(why, Gap::NoRepo)
        && let Some(parent) = Path::new(name_or_path).parent()
        && !parent.as_os_str().is_empty()
        && parent.is_dir()
    {
        return Err(no_folder(kind, Path::new(name_or_path)));
    }
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
        return Err(no_folder(kind, &path));
    }
    Ok(None)
}

/// The error for a path where nothing is, with the folders whose names are like it.
fn no_folder(kind: Kind, path: &Path) -> HubError {
    HubError::NoFolder {
        kind,
        path: path.to_path_buf(),
        near: near_folders(path),
    }
}

/// Folders that may have been meant: beside the first part of the path that is not there.
fn near_folders(path: &Path) -> Vec<PathBuf> {
    let mut there = PathBuf::new();
    let mut parts = path.components();
    for part in parts.by_ref() {
        let next = there.join(part);
        if next.is_dir() {
            there = next;
            continue;
        }
        let Some(lost) = part.as_os_str().to_str() else {
            return Vec::new();
        };
        let rest = parts.as_path();
        let listed = match there.as_os_str().is_empty() {
            true => Path::new("."),
            false => &there,
        };
        let mut names = cache::folders(listed);
        names.retain(|name| !name.starts_with('.'));
        let mut near = cache::near_names(names.iter().cloned(), lost);
        if near.is_empty() && lost.chars().count() >= N_CHARS_OF_A_PART {
            // The beginning of a name, or another part of it.
            names.retain(|name| name.to_lowercase().contains(&lost.to_lowercase()));
            names.truncate(N_SHOWN);
            near = names;
        }
        return near
            .into_iter()
            .map(|name| {
                let found = there.join(name);
                // The whole path, where only this part of it was wrong.
                let whole = found.join(rest);
                match !rest.as_os_str().is_empty() && whole.is_dir() {
                    true => whole,
                    false => found,
                }
            })
            .collect();
    }
    Vec::new()
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
