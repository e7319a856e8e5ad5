//! Which files of a data set's folder hold a split of a configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use globset::GlobBuilder;

use super::front_matter::{self, Config};
use super::{DatasetFileError, Format};

/// Names that describe a data set rather than belong to it.
const DESCRIPTIONS: [&str; 5] = [
    "config.json",
    "dataset_info.json",
    "dataset_infos.json",
    "dataset_dict.json",
    "state.json",
];

/// Names that mean the same split.
const ALIASES: [&[&str]; 3] = [
    &["train", "training"],
    &["validation", "valid", "dev", "val"],
    &["test", "testing", "eval", "evaluation"],
];

/// The files of one split, in the order in which they are read.
///
/// The folder is laid out as on the Hugging Face hub, in one of these ways, tried in turn:
///
/// 1. the list `configs` in the front matter of `README.md` (patterns of files by split);
/// 2. a folder named like the configuration (or files whose names begin with it), and below it,
///    or in the folder itself where no configuration is named:
///    `SPLIT-00000-of-00001.parquet`, `SPLIT/0000.parquet`, `SPLIT.jsonl`;
/// 3. folders, then names, that hold a word for the split (`validation`, `valid`, `dev` and
///    `val` are one split; so are `test`, `eval` and their longer forms);
/// 4. all files, for `train`, where no name holds a word for any split.
///
/// An exact name always wins over an alias. Where a split is there in several formats,
/// Parquet is taken, then JSON, CSV and text. Links are followed.
///
/// # Errors
/// [`DatasetFileError`] for an unknown configuration or split, or where one must be named.
pub fn hub_layout(
    dir: &Path,
    config: Option<&str>,
    split: &str,
) -> Result<Vec<PathBuf>, DatasetFileError> {
    let files = data_files(dir)?;
    let described = front_matter::read(dir)?;
    let found = match described_config(&described, config) {
        Choice::One(described) if !described.splits.is_empty() => {
            by_patterns(dir, described, &files, split)
        }
        Choice::One(described) => {
            let prefix = described.data_dir.as_deref().map_or_else(String::new, |d| {
                format!("{}/", d.trim_start_matches("./").trim_matches('/'))
            });
            by_names(&below(&files, &prefix), split)
        }
        Choice::Several(known) => {
            return Err(DatasetFileError::NeedsConfig {
                folder: dir.to_path_buf(),
                known,
            });
        }
        Choice::None => by_names(&of_config(dir, &files, config, &described)?, split),
    };
    found
        .map(|files| files.iter().map(|f| dir.join(f)).collect())
        .map_err(|known| DatasetFileError::NoSplit {
            folder: dir.to_path_buf(),
            config: config.map(str::to_owned),
            split: split.to_owned(),
            known,
        })
}

/// Files of rows below a folder, relative, with `/`, sorted.
fn data_files(dir: &Path) -> Result<Vec<String>, DatasetFileError> {
    if !dir.is_dir() {
        return Err(DatasetFileError::Io {
            path: dir.to_path_buf(),
            cause: std::io::ErrorKind::NotADirectory.into(),
        });
    }
    let walk = walkdir::WalkDir::new(dir)
        .follow_links(true)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|e| {
            e.depth() == 0 || !e.file_name().to_string_lossy().starts_with(['.', '_'])
        });
    let mut files: Vec<String> = walk
        .flatten()
        .filter(|e| e.file_type().is_file())
        .filter_map(|e| {
            let relative = e.path().strip_prefix(dir).ok()?;
            let parts: Vec<_> = relative
                .components()
                .map(|c| c.as_os_str().to_string_lossy())
                .collect();
            Some(parts.join("/"))
        })
        .filter(|f| Format::of(f).is_some() && !DESCRIPTIONS.contains(&name_of(f)))
        .collect();
    files.sort();
    Ok(files)
}

enum Choice<'c> {
    One(&'c Config),
    Several(Vec<String>),
    None,
}

/// The described configuration that is meant.
fn described_config<'c>(described: &'c [Config], config: Option<&str>) -> Choice<'c> {
    let find = |name: &str| described.iter().find(|c| c.name == name);
    let found = match config {
        Some(name) => find(name),
        None => match described {
            [only] => Some(only),
            _ => described
                .iter()
                .find(|c| c.is_default)
                .or_else(|| find("default")),
        },
    };
    match found {
        Some(found) => Choice::One(found),
        None if config.is_none() && !described.is_empty() => {
            Choice::Several(described.iter().map(|c| c.name.clone()).collect())
        }
        None => Choice::None,
    }
}

/// Files of a split by the patterns of a README; the error lists its splits.
fn by_patterns(
    dir: &Path,
    config: &Config,
    files: &[String],
    split: &str,
) -> Result<Vec<String>, Vec<String>> {
    let known = || {
        config
            .splits
            .iter()
            .map(|(s, _)| s.clone())
            .collect::<Vec<_>>()
    };
    let named = |name: &str| config.splits.iter().find(|(s, _)| s == name);
    let (_, patterns) = named(split)
        .or_else(|| aliases(split).iter().find_map(|a| named(a)))
        .ok_or_else(known)?;
    let prefix = config
        .data_dir
        .as_deref()
        .map_or_else(String::new, |d| format!("{}/", d.trim_matches('/')));
    let mut chosen: Vec<String> = Vec::new();
    for pattern in patterns {
        let pattern = format!("{prefix}{}", pattern.trim_start_matches("./"));
        let Ok(glob) = GlobBuilder::new(&pattern).literal_separator(true).build() else {
            continue;
        };
        let matcher = glob.compile_matcher();
        let mut matches: Vec<String> = files
            .iter()
            .filter(|f| matcher.is_match(f.as_str()) && !chosen.contains(f))
            .cloned()
            .collect();
        // A file that is named in full may lie where the walk does not look (a name with '_').
        if matches.is_empty() && dir.join(&pattern).is_file() && !chosen.contains(&pattern) {
            matches.push(pattern);
        }
        chosen.append(&mut matches);
    }
    if chosen.is_empty() {
        Err(patterns
            .iter()
            .map(|p| format!("no file like {prefix}{p}"))
            .collect())
    } else {
        Ok(chosen)
    }
}

/// The part of the files that belongs to a configuration no README describes.
fn of_config(
    dir: &Path,
    files: &[String],
    config: Option<&str>,
    described: &[Config],
) -> Result<Vec<String>, DatasetFileError> {
    let first_folder = |f: &String| f.split_once('/').map(|(folder, _)| folder.to_owned());
    let Some(config) = config else {
        // Folders named neither `data` nor like a split are configurations of their own.
        let folders: BTreeSet<String> = files
            .iter()
            .filter_map(first_folder)
            .filter(|folder| folder != "data" && word_of_split(folder).is_none())
            .collect();
        let at_root = files
            .iter()
            .any(|f| first_folder(f).is_none_or(|folder| !folders.contains(&folder)));
        return match folders.len() {
            0 => Ok(files.to_vec()),
            1 if !at_root => Ok(folders
                .iter()
                .flat_map(|folder| below(files, &format!("{folder}/")))
                .collect()),
            _ if folders.contains("default") => Ok(below(files, "default/")),
            _ if at_root => Ok(files
                .iter()
                .filter(|f| first_folder(f).is_none_or(|folder| !folders.contains(&folder)))
                .cloned()
                .collect()),
            _ => Err(DatasetFileError::NeedsConfig {
                folder: dir.to_path_buf(),
                known: folders.into_iter().collect(),
            }),
        };
    };
    let in_folder: Vec<String> = files
        .iter()
        .filter(|f| {
            let folders = f.rsplit_once('/').map_or("", |(folders, _)| folders);
            folders.split('/').any(|folder| folder == config)
        })
        .cloned()
        .collect();
    if !in_folder.is_empty() {
        return Ok(in_folder);
    }
    let by_name: Vec<String> = files
        .iter()
        .filter(|f| {
            name_of(f)
                .strip_prefix(config)
                .is_some_and(|rest| rest.starts_with(['-', '_', '.']))
        })
        .cloned()
        .collect();
    if !by_name.is_empty() {
        return Ok(by_name);
    }
    if config == "default" {
        return Ok(files.to_vec());
    }
    let mut known: BTreeSet<String> = described.iter().map(|c| c.name.clone()).collect();
    if known.is_empty() {
        known = files
            .iter()
            .filter_map(first_folder)
            .filter(|f| f != "data")
            .collect();
    }
    Err(DatasetFileError::NoConfig {
        folder: dir.to_path_buf(),
        config: config.to_owned(),
        known: known.into_iter().collect(),
    })
}

/// Files of a split by their names; the error lists what there is.
fn by_names(files: &[String], split: &str) -> Result<Vec<String>, Vec<String>> {
    let mut by_split: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
    for file in files {
        if let Some(name) = exact_split(file) {
            by_split.entry(name).or_default().push(file);
        }
    }
    let exact = by_split
        .get(split)
        .or_else(|| aliases(split).iter().find_map(|alias| by_split.get(*alias)));
    if let Some(files) = exact {
        return Ok(one_format(files));
    }
    let words = aliases(split);
    let has_word = |part: &str| words.iter().any(|w| has_word(part, w)) || has_word(part, split);
    let in_folder: Vec<&String> = files
        .iter()
        .filter(|f| {
            f.rsplit_once('/')
                .is_some_and(|(folders, _)| folders.split('/').any(has_word))
        })
        .collect();
    if !in_folder.is_empty() {
        return Ok(one_format(&in_folder));
    }
    // A file with an exact split of its own (`auxiliary_train-00000-of-00001`) is that alone.
    let in_name: Vec<&String> = files
        .iter()
        .filter(|f| !is_shard(f) && has_word(stem(f)))
        .collect();
    if !in_name.is_empty() {
        return Ok(one_format(&in_name));
    }
    let wordless = files
        .iter()
        .all(|f| !is_shard(f) && f.split('/').all(|part| word_of_split(part).is_none()));
    if split == "train" && wordless && !files.is_empty() {
        return Ok(one_format(&files.iter().collect::<Vec<_>>()));
    }
    let known: Vec<String> = if by_split.is_empty() {
        files.to_vec()
    } else {
        by_split.keys().map(|s| (*s).to_owned()).collect()
    };
    Err(known)
}

/// The files of the best format among those that a split is there in.
fn one_format(files: &[&String]) -> Vec<String> {
    let best = files.iter().filter_map(|f| Format::of(f)).min();
    files
        .iter()
        .filter(|f| Format::of(f) == best)
        .map(|f| (*f).clone())
        .collect()
}

/// The split that a file's name says in full: `SPLIT-00000-of-00001`, `SPLIT/0000`, `SPLIT`.
fn exact_split(file: &str) -> Option<&str> {
    let stem = stem(file);
    if let Some(split) = shard(stem) {
        return Some(split);
    }
    let is_number = !stem.is_empty() && stem.bytes().all(|b| b.is_ascii_digit());
    if is_number {
        let folder = file.rsplit('/').nth(1)?;
        return Some(folder.strip_prefix("partial-").unwrap_or(folder));
    }
    Some(stem)
}

/// The split of a shard's name.
fn shard(stem: &str) -> Option<&str> {
    let digits = |text: &str| text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit());
    // The hub adds a hash after the count (`-of-00001-a1b2c3`).
    let (head, tail) = stem.rsplit_once("-of-")?;
    let (split, number) = head.rsplit_once('-')?;
    (digits(number) && tail.get(..5).is_some_and(digits) && !split.is_empty()).then_some(split)
}

fn is_shard(file: &str) -> bool {
    shard(stem(file)).is_some()
}

/// A file's name up to its endings.
fn stem(file: &str) -> &str {
    let name = name_of(file);
    let bare = name
        .strip_suffix(".gz")
        .or_else(|| name.strip_suffix(".zst"))
        .unwrap_or(name);
    bare.rsplit_once('.').map_or(bare, |(stem, _)| stem)
}

fn name_of(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

fn below(files: &[String], prefix: &str) -> Vec<String> {
    files
        .iter()
        .filter(|f| f.starts_with(prefix))
        .cloned()
        .collect()
}

/// All names of a split, itself included where it has aliases.
fn aliases(split: &str) -> &'static [&'static str] {
    ALIASES
        .iter()
        .find(|names| names.contains(&split))
        .copied()
        .unwrap_or_default()
}

/// A word for a split in a part of a path.
fn word_of_split(part: &str) -> Option<&'static str> {
    ALIASES
        .iter()
        .flat_map(|names| names.iter())
        .find(|word| has_word(part, word))
        .copied()
}

/// Whether a word stands in a text between separators (`-`, `_`, `.`, space, digits).
fn has_word(text: &str, word: &str) -> bool {
    let separates = |b: u8| matches!(b, b'-' | b'_' | b'.' | b' ') || b.is_ascii_digit();
    text.match_indices(word).any(|(at, _)| {
        let before = at.checked_sub(1).and_then(|i| text.as_bytes().get(i));
        let after = text.as_bytes().get(at + word.len());
        before.is_none_or(|b| separates(*b)) && after.is_none_or(|b| separates(*b))
    })
}
