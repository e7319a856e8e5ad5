//! `study.lock`: what a run found behind the names of its study.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::StudyError;

/// Versions, hashes and seeds of a run, by name. Two runs with the same lock give the same bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Version of this software.
    pub upturn: String,
    /// Vector instructions that bits depend on.
    pub simd: String,
    /// SHA-256 of the study's text.
    pub study: String,
    /// Seed of the study.
    pub seed: u64,
    /// Members of ladders: hash of all that determines their bytes.
    #[serde(default)]
    pub members: BTreeMap<String, String>,
    /// Cells (`block/model/task`): hash of all that decides their result, the model's weights
    /// and the task's items included.
    #[serde(default)]
    pub cells: BTreeMap<String, String>,
}

impl Lock {
    /// Reads a lock.
    ///
    /// # Errors
    /// One line where the text is none.
    pub fn parse(text: &str, file: &str) -> Result<Lock, StudyError> {
        toml::from_str(text).map_err(|e| StudyError::toml(file, text, &e))
    }

    /// The text of the file.
    ///
    /// # Panics
    /// Never: every field can be written.
    #[must_use]
    pub fn text(&self) -> String {
        let body = toml::to_string(self).expect("names and hashes are TOML");
        format!("# Written by `upturn run`: what it found behind the study's names.\n{body}")
    }

    /// What differs from an earlier lock, a fragment each; what is new or gone is not a
    /// difference of the software's or the data's making and is told apart.
    #[must_use]
    pub fn changes_since(&self, before: &Lock) -> Vec<String> {
        let mut changes = Vec::new();
        let scalars = [
            ("upturn", &before.upturn, &self.upturn),
            ("vector instructions", &before.simd, &self.simd),
            ("study.toml", &before.study, &self.study),
        ];
        for (what, was, is) in scalars {
            if was != is {
                changes.push(format!("{what}: {} → {}", short(was), short(is)));
            }
        }
        if before.seed != self.seed {
            changes.push(format!("seed: {} → {}", before.seed, self.seed));
        }
        let tables = [
            ("member", &before.members, &self.members),
            ("cell", &before.cells, &self.cells),
        ];
        for (what, was, is) in tables {
            for (name, hash) in is {
                match was.get(name) {
                    Some(old) if old != hash => {
                        changes.push(format!("{what} {name}: {} → {}", short(old), short(hash)))
                    }
                    Some(_) => {}
                    None => changes.push(format!("{what} {name} is new")),
                }
            }
            for name in was.keys().filter(|name| !is.contains_key(*name)) {
                changes.push(format!("{what} {name} is gone"));
            }
        }
        changes
    }
}

/// The beginning of a hash.
fn short(hash: &str) -> &str {
    match hash.char_indices().nth(12) {
        Some((end, _)) if hash.len() >= 40 => &hash[..end],
        _ => hash,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_read_as_it_was_written() {
        let lock = Lock {
            upturn: "0.1.0".into(),
            simd: "V4".into(),
            study: "ab".repeat(32),
            seed: 7,
            members: BTreeMap::from([("a-w4".into(), "1".into())]),
            cells: BTreeMap::from([("1/a-w4/addition_2digit".into(), "3".into())]),
        };
        assert_eq!(Lock::parse(&lock.text(), "study.lock").unwrap(), lock);
        assert!(lock.changes_since(&lock).is_empty());
    }

    #[test]
    fn changes_name_what_changed() {
        let before = Lock {
            seed: 1,
            cells: BTreeMap::from([("a".into(), "1".into()), ("b".into(), "1".into())]),
            ..Lock::default()
        };
        let after = Lock {
            seed: 2,
            cells: BTreeMap::from([("a".into(), "2".into()), ("c".into(), "1".into())]),
            ..Lock::default()
        };
        assert_eq!(
            after.changes_since(&before),
            [
                "seed: 1 → 2",
                "cell a: 1 → 2",
                "cell c is new",
                "cell b is gone"
            ]
        );
    }
}
