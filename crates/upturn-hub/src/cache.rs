//! The cache's layout: `models--org--name/{refs,snapshots,blobs}`, and names near a name.

use std::path::{Path, PathBuf};

use crate::repo::{Kind, Repo};

/// The branch meant where none is named.
pub(crate) const MAIN: &str = "main";
/// The branch on which the hub keeps its own Parquet of a data set.
pub(crate) const CONVERTED: &str = "refs/convert/parquet";

/// Digits of a whole commit.
const N_COMMIT_DIGITS: usize = 40;
/// Digits that a commit may be cut to.
const N_PREFIX_DIGITS: usize = 4;
/// Names suggested at most.
const N_NEAR: usize = 3;

/// What the cache says of a revision.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// Its folder.
    Snapshot(PathBuf),
    /// The repository is not there at all.
    NoRepo,
    /// The repository is there with other revisions.
    NoRevision { known: Vec<String> },
    /// A cut commit that several begin with.
    Ambiguous { matches: Vec<String> },
}

/// Looks a revision up: branch or tag first, then a commit, whole or cut.
pub(crate) fn look_up(cache: &Path, repo: &Repo, revision: &str) -> Lookup {
    let folder = cache.join(repo.folder_name());
    let snapshots = folder.join("snapshots");
    if !snapshots.is_dir() {
        return Lookup::NoRepo;
    }
    if let Ok(commit) = std::fs::read_to_string(folder.join("refs").join(revision)) {
        let commit = commit.trim();
        let snapshot = snapshots.join(commit);
        if is_commit(commit, N_COMMIT_DIGITS) && snapshot.is_dir() {
            return Lookup::Snapshot(snapshot);
        }
    }
    let commits = folders(&snapshots);
    if commits.is_empty() {
        return Lookup::NoRepo;
    }
    if is_commit(revision, N_PREFIX_DIGITS) {
        let cut = revision.to_ascii_lowercase();
        let mut matches: Vec<&String> = commits.iter().filter(|c| c.starts_with(&cut)).collect();
        match matches.len() {
            0 => {}
            1 => return Lookup::Snapshot(snapshots.join(matches.remove(0))),
            _ => {
                return Lookup::Ambiguous {
                    matches: matches.into_iter().cloned().collect(),
                };
            }
        }
    }
    let mut known = Vec::new();
    refs(&folder.join("refs"), "", &mut known);
    known.retain(|name| {
        std::fs::read_to_string(folder.join("refs").join(name))
            .is_ok_and(|commit| snapshots.join(commit.trim()).is_dir())
    });
    known.extend(commits);
    Lookup::NoRevision { known }
}

/// Hexadecimal digits, at least `n_min` and no more than a commit has.
pub(crate) fn is_commit(text: &str, n_min: usize) -> bool {
    (n_min..=N_COMMIT_DIGITS).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether a revision may be a path below `refs` and a part of an address.
pub(crate) fn good_revision(revision: &str) -> bool {
    !revision.is_empty()
        && revision.split('/').all(|part| {
            !part.is_empty()
                && part != ".."
                && part != "."
                && part
                    .chars()
                    .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '+' | '=' | '@'))
        })
}

/// Names of the folders in a folder, sorted.
pub(crate) fn folders(path: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(path)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|e| e.path().is_dir())
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Branches and tags, with the folders they are in (`refs/pr/1`), sorted.
fn refs(folder: &Path, prefix: &str, found: &mut Vec<String>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.path())
        .collect();
    entries.sort();
    for entry in entries {
        let Some(name) = entry.file_name() else {
            continue;
        };
        let name = format!("{prefix}{}", name.to_string_lossy());
        if entry.is_dir() {
            refs(&entry, &format!("{name}/"), found);
        } else {
            found.push(name);
        }
    }
}

/// Repositories of the kind in the cache whose names are like `name`, best first.
pub(crate) fn near(cache: &Path, kind: Kind, name: &str) -> Vec<String> {
    let prefix = format!("{}--", kind.plural());
    let names = folders(cache)
        .into_iter()
        .filter_map(|folder| Some(folder.strip_prefix(&prefix)?.replacen("--", "/", 1)));
    near_names(names, name)
}

/// Those of the names that are like `name`, best first.
pub(crate) fn near_names(names: impl Iterator<Item = String>, name: &str) -> Vec<String> {
    let wanted = name.to_lowercase();
    let mut scored: Vec<(usize, String)> = names
        .filter_map(|there| Some((distance_if_near(&wanted, &there.to_lowercase())?, there)))
        .collect();
    scored.sort();
    scored.truncate(N_NEAR);
    scored.into_iter().map(|(_, there)| there).collect()
}

/// Edits between two names, or between their last parts, when these are few.
fn distance_if_near(wanted: &str, there: &str) -> Option<usize> {
    let last = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    let (wanted_last, there_last) = (last(wanted), last(there));
    if wanted_last == there_last {
        return Some(0);
    }
    // A slip changes a few characters, not a third of the name.
    let whole = edits(wanted, there);
    let parts = edits(&wanted_last, &there_last);
    [(whole, wanted.len()), (parts, wanted_last.len())]
        .into_iter()
        .filter(|&(n, len)| n <= 3.max(len / 6) && 3 * n < 2 * len.max(1))
        .map(|(n, _)| n)
        .min()
}

/// Levenshtein's distance in characters.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_by_known_pairs() {
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("abc", "abc"), 0);
    }

    #[test]
    fn near_names_are_slips_not_strangers() {
        assert!(
            distance_if_near("eleutherai/pythia-70m", "eleutherai/pythia-70m-deduped").is_none()
        );
        assert!(distance_if_near("eleutherai/pithia-70m", "eleutherai/pythia-70m").is_some());
        assert!(distance_if_near("pythia-70m", "eleutherai/pythia-70m").is_some());
        assert!(distance_if_near("gpt2", "bert").is_none());
    }

    #[test]
    fn revisions_cannot_leave_their_folder() {
        for good in ["main", "refs/pr/1", "step1000", "v1.0", "1a2b3c"] {
            assert!(good_revision(good), "{good}");
        }
        for bad in ["", "..", "a/../b", "/etc", "a//b", "a b", "a?b", "a#b"] {
            assert!(!good_revision(bad), "{bad}");
        }
    }
}
