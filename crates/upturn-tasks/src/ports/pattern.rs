//! Python's `re` for helpers.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use upturn_metrics::PyRegex;

use super::value::{Made, Stop, V, raise};

/// Flags of `re`, as Python numbers them.
pub(super) const FLAGS: [(&str, i64, char); 7] = [
    ("re.I", 2, 'i'),
    ("re.IGNORECASE", 2, 'i'),
    ("re.M", 8, 'm'),
    ("re.MULTILINE", 8, 'm'),
    ("re.S", 16, 's'),
    ("re.DOTALL", 16, 's'),
    ("re.X", 64, 'x'),
];
/// Most patterns kept compiled.
const MAX_KEPT: usize = 4096;

/// A compiled pattern.
pub(super) struct Pattern {
    pub(super) source: String,
    pub(super) flags: i64,
    regex: PyRegex,
}

/// Places of the groups of a match, in bytes; group 0 is the whole.
pub(super) type Spans = Vec<Option<(usize, usize)>>;

/// A match.
pub(super) struct Found {
    pub(super) text: Rc<str>,
    pub(super) spans: Spans,
    pub(super) names: Vec<(String, usize)>,
}

impl Found {
    pub(super) fn group(&self, index: usize) -> Made<V> {
        match self.spans.get(index) {
            Some(Some((a, b))) => Ok(V::str(&self.text[*a..*b])),
            Some(None) => Ok(V::None),
            None => raise("IndexError", "no such group"),
        }
    }

    pub(super) fn index(&self, which: &V) -> Made<usize> {
        match which {
            V::Str(name) => self
                .names
                .iter()
                .find(|(n, _)| **n == **name)
                .map(|(_, i)| *i)
                .ok_or(Stop::Raise("IndexError", "no such group".into())),
            other => match other.int().and_then(|i| usize::try_from(i).ok()) {
                Some(i) => Ok(i),
                None => raise("IndexError", "no such group"),
            },
        }
    }
}

/// Characters before a byte.
pub(super) fn chars_before(text: &str, byte: usize) -> i64 {
    text[..byte].chars().count() as i64
}

/// Patterns by text and flags.
type Kept = Mutex<HashMap<(String, i64), Arc<Pattern>>>;
static KEPT: LazyLock<Kept> = LazyLock::new(Mutex::default);

impl Pattern {
    /// Compiles a pattern, or takes it from memory.
    pub(super) fn new(source: &str, flags: i64) -> Made<Arc<Pattern>> {
        let key = (source.to_string(), flags);
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pattern) = kept.get(&key) {
            return Ok(pattern.clone());
        }
        let mut letters = String::new();
        for (name, bit, letter) in FLAGS {
            if flags & bit != 0 && name.len() == 4 {
                letters.push(letter);
            }
        }
        let full = if letters.is_empty() {
            source.to_string()
        } else {
            format!("(?{letters}){source}")
        };
        let regex = match PyRegex::new(&full) {
            Ok(regex) => regex,
            Err(e) => return raise("error", e.to_string()),
        };
        let pattern = Arc::new(Pattern {
            source: source.to_string(),
            flags,
            regex,
        });
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(key, pattern.clone());
        Ok(pattern)
    }

    /// Every match, as Python goes through them.
    pub(super) fn all(&self, text: &str) -> Made<Vec<Spans>> {
        self.regex
            .find_spans(text)
            .map_err(|e| Stop::Fatal(e.to_string()))
    }

    /// `search`, from a byte.
    pub(super) fn search(&self, text: &str, from: usize) -> Made<Option<Spans>> {
        self.regex
            .search(text, from)
            .map_err(|e| Stop::Fatal(e.to_string()))
    }

    /// Names of its groups.
    pub(super) fn names(&self) -> Vec<(String, usize)> {
        self.regex.group_names().to_vec()
    }
}

/// A replacement with `\1`, `\g<1>` and escapes filled in.
pub(super) fn expand(template: &str, found: &Found) -> Made<String> {
    let mut out = String::new();
    let mut chars = template.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let group = |which: &V| -> Made<String> {
            let value = found.group(found.index(which)?)?;
            Ok(match value {
                V::Str(s) => s.to_string(),
                _ => String::new(),
            })
        };
        match chars.next() {
            Some(d) if d.is_ascii_digit() && d != '0' => {
                let mut n = i64::from(d as u32 - '0' as u32);
                if let Some(e) = chars.peek().filter(|e| e.is_ascii_digit()) {
                    n = n * 10 + i64::from(*e as u32 - '0' as u32);
                    chars.next();
                }
                out.push_str(&group(&V::Int(n))?);
            }
            Some('g') => {
                let mut name = String::new();
                if chars.next() != Some('<') {
                    return raise("error", "missing <");
                }
                for c in chars.by_ref() {
                    if c == '>' {
                        break;
                    }
                    name.push(c);
                }
                let which = match name.parse() {
                    Ok(n) => V::Int(n),
                    Err(_) => V::str(&name),
                };
                out.push_str(&group(&which)?);
            }
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('\\') => out.push('\\'),
            Some(c) if c.is_ascii_alphabetic() => {
                return raise("error", format!("bad escape \\{c}"));
            }
            Some(c) => {
                out.push('\\');
                out.push(c);
            }
            None => return raise("error", "bad escape (end of pattern)"),
        }
    }
    Ok(out)
}
