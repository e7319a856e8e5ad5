//! What can go wrong between a task file and its prompts, each in one line.

use crate::dataset::DatasetError;

/// Why a task is refused although its file is sound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It names a Python function or class; none is ever run.
    #[error(
        "{file}:{line}: {key} is the Python function {function}; no Python is run here, and it is not read as a helper ({why}), so prepare what it does in the data and remove the key"
    )]
    NeedsPython {
        /// The key, with dots for nested ones.
        key: String,
        /// `module.name` as the file has it.
        function: String,
        /// The file that says so (an included one, perhaps).
        file: String,
        /// Its line, from 1.
        line: usize,
        /// Why it is not read here, as a fragment with file and line of the helper.
        why: String,
    },
    /// It asks for something that is not done here.
    #[error("{file}:{line}: {key}: {reason}")]
    Unsupported {
        /// The key.
        key: String,
        /// What is not done, and a way round, as a fragment.
        reason: String,
        /// The file.
        file: String,
        /// Its line, from 1.
        line: usize,
    },
    /// A key that no version of the format has.
    #[error("{file}:{line}: unknown key '{key}'{hint}")]
    UnknownKey {
        /// The key.
        key: String,
        /// Empty, or `; did you mean …?`.
        hint: String,
        /// The file.
        file: String,
        /// Its line, from 1.
        line: usize,
    },
}

/// Why a task cannot be read, loaded or built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TaskError {
    /// A file or folder cannot be read.
    #[error("{file}: {reason}")]
    Read {
        /// The path.
        file: String,
        /// What happened, as a lowercase fragment.
        reason: String,
    },
    /// A place in a file is wrong: not YAML, a bad include, a value of the wrong kind.
    #[error("{file}:{line}: {reason}")]
    File {
        /// The file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// What was found, what was expected, how to mend it.
        reason: String,
    },
    /// The task needs something that is not done here.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No task, group, tag or file of that name.
    #[error("no task, group, tag or file is called '{name}'{hint}")]
    UnknownName {
        /// What was asked for.
        name: String,
        /// Empty, or `; did you mean …?`.
        hint: String,
    },
    /// The data of a task cannot be had.
    #[error("task '{task}': {source}")]
    Data {
        /// The task.
        task: String,
        /// Why.
        source: DatasetError,
    },
    /// A template is not Jinja.
    #[error("{file}: {key}: {reason}")]
    Template {
        /// The task file.
        file: String,
        /// The key that holds the template.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// One item does not fit a field.
    #[error(
        "{file}: {key}: {reason} in item {index} of split {split}{}",
        advice(mend)
    )]
    Item {
        /// The task file.
        file: String,
        /// The key that was being made.
        key: String,
        /// What is wrong.
        reason: String,
        /// How to mend it; may be empty.
        mend: &'static str,
        /// Index of the item in its split, from 0.
        index: u64,
        /// The split.
        split: String,
    },
    /// The task as a whole cannot be built.
    #[error("{file}: {reason}")]
    Task {
        /// The task file.
        file: String,
        /// What is wrong, and how to mend it.
        reason: String,
    },
}

fn advice(mend: &str) -> String {
    match mend {
        "" => String::new(),
        mend => format!("; {mend}"),
    }
}

/// `; did you mean 'a', 'b'?` from the candidates nearest to `name`, or nothing.
#[must_use]
pub fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let wanted = name.to_lowercase();
    let limit = (wanted.chars().count() / 3).max(1);
    let mut near: Vec<(usize, &str)> = candidates
        .into_iter()
        .filter_map(|c| {
            let lower = c.to_lowercase();
            if wanted.len() >= 3 && lower.contains(&wanted) {
                // A part of a longer name: near, the shorter the nearer.
                return Some((limit + lower.len() - wanted.len(), c));
            }
            let distance = edit_distance(&wanted, &lower, limit)?;
            Some((distance, c))
        })
        .collect();
    near.sort_unstable();
    near.dedup();
    let shown: Vec<String> = near.iter().take(3).map(|(_, c)| format!("'{c}'")).collect();
    match shown.as_slice() {
        [] => String::new(),
        [all @ .., last] if !all.is_empty() => {
            format!("; did you mean {} or {last}?", all.join(", "))
        }
        [only] | [.., only] => format!("; did you mean {only}?"),
    }
}

/// Levenshtein distance if at most `limit`.
fn edit_distance(a: &str, b: &str, limit: usize) -> Option<usize> {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > limit {
        return None;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (diagonal + usize::from(x != y))
                .min(above + 1)
                .min(row[j] + 1);
            diagonal = above;
        }
        if row.iter().min()? > &limit {
            return None;
        }
    }
    row.last().copied().filter(|d| *d <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_suggested() {
        let names = ["arc_easy", "arc_challenge", "hellaswag", "mmlu", "mmlu_pro"];
        assert_eq!(
            did_you_mean("helaswag", names),
            "; did you mean 'hellaswag'?"
        );
        assert_eq!(
            did_you_mean("mmlu_", names),
            "; did you mean 'mmlu' or 'mmlu_pro'?"
        );
        assert_eq!(did_you_mean("xyzzy", names), "");
    }
}
