//! Messages about the rows of a table, few of each kind however many rows are at fault.

use std::collections::BTreeMap;

use upturn_types::{Diagnostic, Severity};

/// Messages of one kind that are shown one by one; the others are counted.
const N_SHOWN: usize = 20;

/// Collects messages about one file.
pub(super) struct Problems {
    file: String,
    shown: Vec<Diagnostic>,
    counts: BTreeMap<&'static str, Count>,
}

struct Count {
    severity: Severity,
    n_shown: usize,
    n_hidden: usize,
}

impl Problems {
    pub(super) fn new(file: &str) -> Self {
        Problems {
            file: file.to_owned(),
            shown: Vec::new(),
            counts: BTreeMap::new(),
        }
    }

    /// Adds a message of a `kind` (a plural noun phrase: `cells that are not numbers`).
    /// Its file is set here, unless it already names one.
    pub(super) fn add(&mut self, kind: &'static str, diagnostic: Diagnostic) {
        self.add_up_to(N_SHOWN, kind, diagnostic);
    }

    /// As [`Problems::add`], with another number of messages shown.
    pub(super) fn add_up_to(&mut self, max: usize, kind: &'static str, mut diagnostic: Diagnostic) {
        let count = self.counts.entry(kind).or_insert(Count {
            severity: diagnostic.severity,
            n_shown: 0,
            n_hidden: 0,
        });
        if count.n_shown < max {
            count.n_shown += 1;
            diagnostic.file.get_or_insert_with(|| self.file.clone());
            self.shown.push(diagnostic);
        } else {
            count.n_hidden += 1;
        }
    }

    /// All messages, with a closing line per kind that was cut short.
    pub(super) fn finish(mut self) -> Vec<Diagnostic> {
        for (kind, count) in self.counts {
            if count.n_hidden > 0 {
                let mut more = Diagnostic::new(
                    count.severity,
                    format!("and {} more {kind}", count.n_hidden),
                );
                more.file = Some(self.file.clone());
                self.shown.push(more);
            }
        }
        self.shown
    }
}
