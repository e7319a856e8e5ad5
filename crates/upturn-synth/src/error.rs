//! What can be wrong with a kind and its parameters, each in one line.

/// Why there is no such generator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SynthError {
    /// No kind has this name.
    #[error("unknown kind of generated task '{kind}'{hint} (there are {known})")]
    UnknownKind {
        /// The name as given.
        kind: String,
        /// Empty, or `; did you mean …?`.
        hint: String,
        /// All names, with commas.
        known: String,
    },
    /// The kind has no such parameter.
    #[error("{kind}: unknown parameter '{param}'{hint} (it takes {known})")]
    UnknownParam {
        /// The kind.
        kind: String,
        /// The parameter as given.
        param: String,
        /// Empty, or `; did you mean …?`.
        hint: String,
        /// All its parameters, with commas.
        known: String,
    },
    /// A value of the wrong type or out of range.
    #[error("{kind}: {param} must be {expected}, not {value}{hint}")]
    BadValue {
        /// The kind.
        kind: String,
        /// The parameter.
        param: String,
        /// `a whole number from 1 to 9`.
        expected: String,
        /// The value as given.
        value: String,
        /// Empty, or `; did you mean …?`.
        hint: String,
    },
    /// Values that are sound alone and not together.
    #[error("{kind}: {reason}")]
    Conflict {
        /// The kind.
        kind: String,
        /// What does not fit, and how to mend it.
        reason: String,
    },
    /// Not of the form `kind:param=value,param=value`.
    #[error("'{text}': {reason}; write kind:param=value,param=value, as in addition:digits=3")]
    Malformed {
        /// The text as given.
        text: String,
        /// What is wrong.
        reason: String,
    },
}

/// `; did you mean 'a'?` with the nearest candidate, or nothing.
pub(crate) fn did_you_mean<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> String {
    let wanted = name.to_lowercase();
    let limit = (wanted.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .filter_map(|c| {
            let inside = wanted.len() >= 3 && (c.contains(&wanted) || wanted.contains(c));
            let edits = edits(&wanted, c);
            (inside || edits <= limit).then_some((if inside { 0 } else { edits }, c))
        })
        .min()
        .map_or(String::new(), |(_, c)| format!("; did you mean '{c}'?"))
}

/// Fewest insertions, deletions and substitutions between two words.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let kept = corner + usize::from(x != y);
            corner = row[j + 1];
            row[j + 1] = kept.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}
