//! What a folder of the cache must hold to be of use.

use std::collections::BTreeSet;
use std::path::Path;

use crate::repo::Kind;

/// What is missing from the folder of a model or data set; empty when nothing is.
///
/// `part` is the configuration of a data set, where only one is wanted.
pub(crate) fn missing(kind: Kind, folder: &Path, part: Option<&str>) -> Vec<String> {
    match kind {
        Kind::Model => missing_of_model(folder),
        Kind::Dataset => missing_of_dataset(folder, part),
    }
}

fn missing_of_model(folder: &Path) -> Vec<String> {
    let there = |name: &str| folder.join(name).is_file();
    let mut missing = Vec::new();
    if !there("config.json") {
        missing.push("config.json".to_owned());
    }
    let index = folder.join("model.safetensors.index.json");
    if index.is_file() {
        match shards(&index) {
            Some(shards) => missing.extend(shards.into_iter().filter(|s| !there(s))),
            None => missing.push("a readable model.safetensors.index.json".to_owned()),
        }
    } else if !files(folder).iter().any(|f| f.ends_with(".safetensors")) {
        missing.push("weights in *.safetensors".to_owned());
    }
    missing
}

/// Files named by an index of shards; `None` when it cannot be read.
fn shards(index: &Path) -> Option<BTreeSet<String>> {
    let bytes = std::fs::read(index).ok()?;
    let json: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    json.get("weight_map")?
        .as_object()?
        .values()
        .map(|v| v.as_str().map(str::to_owned))
        .collect()
}

fn missing_of_dataset(folder: &Path, part: Option<&str>) -> Vec<String> {
    let data: Vec<String> = files(folder).into_iter().filter(|f| is_data(f)).collect();
    if data.is_empty() {
        return vec!["files of rows (Parquet, JSON, CSV)".to_owned()];
    }
    match part {
        Some(part) if !data.iter().any(|f| is_of_part(f, part)) => {
            vec![format!("files named after the configuration '{part}'")]
        }
        _ => Vec::new(),
    }
}

/// Whether a file holds rows, by its name.
pub(crate) fn is_data(file: &str) -> bool {
    let lower = file.to_ascii_lowercase();
    let bare = lower.strip_suffix(".gz").unwrap_or(&lower);
    // JSON at the root of a data set describes it, unless it is named like data.
    let describes = ["dataset_infos.json", "dataset_dict.json", "state.json"];
    ![".parquet", ".jsonl", ".json", ".csv", ".tsv", ".txt"]
        .iter()
        .all(|ending| !bare.ends_with(ending))
        && !bare
            .rsplit('/')
            .next()
            .is_some_and(|n| describes.contains(&n))
        && !bare.ends_with("license.txt")
        && !bare.ends_with("requirements.txt")
}

/// Whether a file belongs to a configuration, by the folders and the name it has.
pub(crate) fn is_of_part(file: &str, part: &str) -> bool {
    let (folders, name) = file.rsplit_once('/').unwrap_or(("", file));
    folders.split('/').any(|folder| folder == part)
        || name
            .strip_prefix(part)
            .is_some_and(|rest| rest.starts_with(['-', '_', '.', '/']))
}

/// Paths of all files in a folder, relative, with `/`, sorted.
pub(crate) fn files(folder: &Path) -> Vec<String> {
    fn walk(folder: &Path, prefix: &str, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let path = entry.path();
            if path.is_dir() {
                // The cache makes no links to folders; one that is there could be a loop.
                if !path.is_symlink() {
                    walk(&path, &format!("{name}/"), found);
                }
            } else if path.is_file() {
                found.push(name);
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, "", &mut found);
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_and_parts_by_name() {
        for data in [
            "data/test-00000-of-00001.parquet",
            "test.jsonl",
            "a/b.csv.gz",
            "x.TSV",
        ] {
            assert!(is_data(data), "{data}");
        }
        for other in [
            "README.md",
            "dataset_infos.json",
            "mmlu.py",
            "LICENSE.txt",
            ".gitattributes",
        ] {
            assert!(!is_data(other), "{other}");
        }
        assert!(is_of_part(
            "ARC-Easy/test-00000-of-00001.parquet",
            "ARC-Easy"
        ));
        assert!(is_of_part("main_test.jsonl", "main"));
        assert!(!is_of_part("mainly/test.jsonl", "main"));
        assert!(!is_of_part("ARC-Challenge/test.parquet", "ARC-Easy"));
    }
}
