//! Finding an entry by a name as people write it.

use std::collections::BTreeMap;

use crate::key::exact_key;

/// Entry numbers under the names of the entries: letter by letter first, then by key.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    exact: BTreeMap<String, usize>,
    by_key: BTreeMap<String, usize>,
}

impl Index {
    /// Adds `name` letter by letter. The first entry with a name keeps it.
    pub(crate) fn add_exact(&mut self, name: &str, at: usize) {
        self.exact.entry(exact_key(name)).or_insert(at);
    }

    /// Adds a key. The first entry with a key keeps it.
    pub(crate) fn add_key(&mut self, key: String, at: usize) {
        if !key.is_empty() {
            self.by_key.entry(key).or_insert(at);
        }
    }

    /// The entry known by exactly `name`, apart from case.
    pub(crate) fn exact(&self, name: &str) -> Option<usize> {
        self.exact.get(&exact_key(name)).copied()
    }

    /// The entry known by `key`.
    pub(crate) fn key(&self, key: &str) -> Option<usize> {
        self.by_key.get(key).copied()
    }

    /// Entries whose keys are near `key`, nearest first, each once.
    pub(crate) fn near(&self, key: &str, limit: usize) -> Vec<usize> {
        const NEAR: f64 = 0.8;
        const LENGTH_MAX: usize = 200;
        if key.is_empty() || key.len() > LENGTH_MAX {
            return Vec::new();
        }
        let mut scored: Vec<(f64, usize)> = self
            .by_key
            .iter()
            .map(|(known, &at)| {
                let whole = strsim::jaro_winkler(key, known);
                let letters = strsim::normalized_damerau_levenshtein(key, known);
                (0.5 * (whole + letters), whole, at)
            })
            .filter(|&(_, whole, _)| whole >= NEAR)
            .map(|(score, _, at)| (score, at))
            .collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut found = Vec::new();
        for (_, at) in scored {
            if !found.contains(&at) {
                found.push(at);
            }
            if found.len() == limit {
                break;
            }
        }
        found
    }
}
