//! Fetching from the hub into the cache, whole or not at all.
//!
//! The order of writing makes it so: every file is fetched to `blobs` under a name that is
//! not yet its own, checked, and renamed; then the links of the snapshot are made; the
//! branch that leads to the snapshot is written last. A run stopped anywhere in between
//! leaves what it has, and the next one goes on from there.

mod fetch;
mod listing;

use std::path::{Path, PathBuf};

use crate::cache::{self, CONVERTED, MAIN};
use crate::environment::Options;
use crate::error::HubError;
use crate::repo::{Kind, Repo};
use crate::snapshot;

use listing::{HubFile, Listing};

/// Downloads what is needed of a repository and returns the folder of its snapshot.
pub(crate) fn download(
    repo: &Repo,
    part: Option<&str>,
    revision: Option<&str>,
    options: &Options<'_>,
) -> Result<PathBuf, HubError> {
    let hub = fetch::Hub::new(repo, options);
    let asked = revision.unwrap_or(MAIN);
    let mut listing = hub.list(asked)?;
    let mut branch = asked;
    if repo.kind == Kind::Dataset
        && revision.is_none()
        && !listing.files.iter().any(|f| f.path.ends_with(".parquet"))
        && listing.files.iter().any(|f| is_script(&f.path))
    {
        listing = hub.list(CONVERTED)?;
        branch = CONVERTED;
    }
    let wanted = select(repo.kind, &listing, part);
    if wanted.is_empty() {
        let of = match repo.kind {
            Kind::Model => "safetensors",
            Kind::Dataset => "rows (Parquet, JSON, CSV)",
        };
        return Err(hub.answer(format!(
            "the hub holds no files of {of} at revision '{branch}'"
        )));
    }
    let folder = options.cache.join(repo.folder_name());
    let n_files = wanted.len();
    for (i, file) in wanted.iter().enumerate() {
        hub.fetch(file, &listing.commit, &folder, (i + 1, n_files))?;
    }
    let snapshot = folder.join("snapshots").join(&listing.commit);
    for file in &wanted {
        link(&folder, &snapshot, file)?;
    }
    if branch != listing.commit && !cache::is_commit(branch, 7) {
        write_ref(&folder, branch, &listing.commit)?;
    }
    let missing = snapshot::missing(repo.kind, &snapshot, None);
    if missing.is_empty() {
        Ok(snapshot)
    } else {
        Err(hub.answer(format!(
            "the hub's revision '{branch}' lacks {}",
            missing.join(", ")
        )))
    }
}

/// A loading script of a data set, which is not run here.
fn is_script(path: &str) -> bool {
    path.ends_with(".py") && !path.contains('/')
}

/// The files that are needed of those that there are.
fn select<'l>(kind: Kind, listing: &'l Listing, part: Option<&str>) -> Vec<&'l HubFile> {
    let mut files: Vec<&HubFile> = match kind {
        Kind::Model => listing.files.iter().filter(|f| of_model(&f.path)).collect(),
        Kind::Dataset => {
            let is_parquet = |f: &&HubFile| f.path.ends_with(".parquet");
            let any_parquet = listing.files.iter().any(|f| is_parquet(&f));
            let data: Vec<&HubFile> = listing
                .files
                .iter()
                .filter(|f| {
                    if any_parquet {
                        is_parquet(f)
                    } else {
                        snapshot::is_data(&f.path)
                    }
                })
                .collect();
            let of_part: Vec<&HubFile> = data
                .iter()
                .copied()
                .filter(|f| part.is_some_and(|p| snapshot::is_of_part(&f.path, p)))
                .collect();
            let mut chosen = if of_part.is_empty() { data } else { of_part };
            if !chosen.is_empty() {
                chosen.extend(listing.files.iter().filter(|f| f.path == "README.md"));
            }
            chosen
        }
    };
    if kind == Kind::Model && !files.iter().any(|f| f.path.ends_with(".safetensors")) {
        files.clear();
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// Configuration, tokenizer, weights and templates of a model, at the root of its repository.
fn of_model(path: &str) -> bool {
    // Folders hold other formats (onnx, original) or other models.
    let in_root = !path.contains('/');
    let template = path.starts_with("additional_chat_templates/") && path.ends_with(".jinja");
    let wanted = [
        ".json",
        ".safetensors",
        ".jinja",
        ".model",
        ".txt",
        "upturn.toml",
    ]
    .iter()
    .any(|ending| path.ends_with(ending));
    let other_weights = path.starts_with("pytorch_model") || path.starts_with("consolidated");
    let prose = path.eq_ignore_ascii_case("license.txt") || path == "requirements.txt";
    template || (in_root && wanted && !other_weights && !prose)
}

/// Makes the file of a snapshot: a link to its blob, as the Python client does.
fn link(folder: &Path, snapshot: &Path, file: &HubFile) -> Result<(), HubError> {
    let target = snapshot.join(&file.path);
    if target.is_file() {
        return Ok(());
    }
    let parent = target.parent().unwrap_or(snapshot);
    std::fs::create_dir_all(parent).map_err(|e| HubError::io("write", parent, e))?;
    // A link whose blob is gone is in the way.
    if target.is_symlink() {
        std::fs::remove_file(&target).map_err(|e| HubError::io("write", &target, e))?;
    }
    let blob = folder.join("blobs").join(&file.blob);
    make_link(&blob, &target, file.path.matches('/').count())
        .or_else(|e| {
            // Another process made it in between.
            if target.is_file() { Ok(()) } else { Err(e) }
        })
        .map_err(|e| HubError::io("write", &target, e))
}

#[cfg(unix)]
fn make_link(blob: &Path, target: &Path, depth: usize) -> std::io::Result<()> {
    let mut relative = PathBuf::from("../..");
    for _ in 0..depth {
        relative.push("..");
    }
    relative.push("blobs");
    if let Some(name) = blob.file_name() {
        relative.push(name);
    }
    std::os::unix::fs::symlink(relative, target)
}

#[cfg(not(unix))]
fn make_link(blob: &Path, target: &Path, _depth: usize) -> std::io::Result<()> {
    std::fs::hard_link(blob, target).or_else(|_| std::fs::copy(blob, target).map(|_| ()))
}

fn write_ref(folder: &Path, branch: &str, commit: &str) -> Result<(), HubError> {
    let path = folder.join("refs").join(branch);
    let parent = path.parent().unwrap_or(folder);
    let fail = |e| HubError::io("write", &path, e);
    std::fs::create_dir_all(parent).map_err(fail)?;
    // Renamed into place: a reader sees the old commit or the new.
    let temporary = parent.join(format!(".{commit}.{}", std::process::id()));
    std::fs::write(&temporary, commit).map_err(fail)?;
    std::fs::rename(&temporary, &path).map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_model_needs() {
        for wanted in [
            "config.json",
            "model-00001-of-00002.safetensors",
            "model.safetensors.index.json",
            "tokenizer.json",
            "tokenizer.model",
            "merges.txt",
            "chat_template.jinja",
            "additional_chat_templates/tool_use.jinja",
        ] {
            assert!(of_model(wanted), "{wanted}");
        }
        for other in [
            "README.md",
            "pytorch_model.bin",
            "pytorch_model.bin.index.json",
            "onnx/config.json",
            "modeling_x.py",
            "consolidated.safetensors",
            "LICENSE.txt",
        ] {
            assert!(!of_model(other), "{other}");
        }
    }
}
