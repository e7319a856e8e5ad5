//! Parameters of a kind: what there is to choose, its default and its range.

use crate::error::{SynthError, did_you_mean};
use serde::Serialize;
use serde_json::{Map, Value};

/// One parameter of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ParamInfo {
    /// The name, as in `digits=3`.
    pub name: &'static str,
    /// What it sets, in a fragment.
    pub about: &'static str,
    /// Its type, default and range.
    pub range: Range,
}

/// Type, default and range of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Range {
    /// A whole number.
    Int {
        /// Taken where none is given.
        default: u64,
        /// Smallest allowed.
        min: u64,
        /// Largest allowed.
        max: u64,
    },
    /// A number.
    Float {
        /// Taken where none is given.
        default: f64,
        /// Smallest allowed.
        min: f64,
        /// Largest allowed.
        max: f64,
    },
    /// One of these words, of which the first is the default.
    Word(&'static [&'static str]),
}

impl Range {
    /// The default as text.
    #[must_use]
    pub fn default_text(&self) -> String {
        match self {
            Self::Int { default, .. } => default.to_string(),
            Self::Float { default, .. } => default.to_string(),
            Self::Word(words) => words[0].to_owned(),
        }
    }
}

/// In words: `a whole number from 1 to 9`.
impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Int { min, max, .. } => write!(f, "a whole number from {min} to {max}"),
            Self::Float { min, max, .. } => write!(f, "a number from {min} to {max}"),
            Self::Word(words) => match words {
                [all @ .., last] if !all.is_empty() => write!(f, "{} or {last}", all.join(", ")),
                _ => write!(f, "{}", words.concat()),
            },
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Chosen {
    Int(u64),
    Float(f64),
    Word(&'static str),
}

/// The parameters of a generator: every one of its kind's, given or by default.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Params {
    pub(crate) kind: &'static str,
    chosen: Vec<(&'static ParamInfo, Chosen)>,
}

impl Params {
    pub(crate) fn resolve(
        kind: &'static str,
        known: &'static [ParamInfo],
        given: &Map<String, Value>,
    ) -> Result<Self, SynthError> {
        if let Some(stranger) = given.keys().find(|k| known.iter().all(|p| p.name != **k)) {
            let names: Vec<&str> = known.iter().map(|p| p.name).collect();
            return Err(SynthError::UnknownParam {
                kind: kind.to_owned(),
                param: stranger.clone(),
                hint: did_you_mean(stranger, names.iter().copied()),
                known: names.join(", "),
            });
        }
        let chosen = known
            .iter()
            .map(|info| Ok((info, choose(kind, info, given.get(info.name))?)))
            .collect::<Result<_, SynthError>>()?;
        Ok(Self { kind, chosen })
    }

    fn get(&self, name: &str) -> Chosen {
        let found = self.chosen.iter().find(|(info, _)| info.name == name);
        found
            .expect("a kind asks for parameters that it declares")
            .1
    }

    pub(crate) fn int(&self, name: &str) -> u64 {
        match self.get(name) {
            Chosen::Int(n) => n,
            other => panic!("{name} is {other:?}"),
        }
    }

    pub(crate) fn size(&self, name: &str) -> usize {
        self.int(name) as usize
    }

    pub(crate) fn float(&self, name: &str) -> f64 {
        match self.get(name) {
            Chosen::Float(x) => x,
            other => panic!("{name} is {other:?}"),
        }
    }

    pub(crate) fn word(&self, name: &str) -> &'static str {
        match self.get(name) {
            Chosen::Word(w) => w,
            other => panic!("{name} is {other:?}"),
        }
    }

    /// Values that are sound alone and not together.
    pub(crate) fn conflict(&self, reason: impl Into<String>) -> SynthError {
        SynthError::Conflict {
            kind: self.kind.to_owned(),
            reason: reason.into(),
        }
    }

    /// `addition:digits=3,operands=exact`: every parameter, in the order declared.
    pub(crate) fn spec(&self) -> String {
        let all: Vec<String> = self
            .chosen
            .iter()
            .map(|(info, c)| format!("{}={}", info.name, text(*c)))
            .collect();
        format!("{}:{}", self.kind, all.join(","))
    }

    /// `head`, then each parameter that is not in `told` and not at its default:
    /// `_operands_upto`.
    pub(crate) fn name(&self, head: &str, told: &[&str]) -> String {
        let mut name = head.to_owned();
        for (info, c) in &self.chosen {
            let value = text(*c);
            if !told.contains(&info.name) && value != info.range.default_text() {
                name.push('_');
                name.push_str(info.name);
                name.push('_');
                name.push_str(&value);
            }
        }
        name
    }
}

fn text(chosen: Chosen) -> String {
    match chosen {
        Chosen::Int(n) => n.to_string(),
        Chosen::Float(x) => x.to_string(),
        Chosen::Word(w) => w.to_owned(),
    }
}

fn choose(kind: &str, info: &ParamInfo, given: Option<&Value>) -> Result<Chosen, SynthError> {
    let found = match (info.range, given) {
        (Range::Int { default, .. }, None) => Some(Chosen::Int(default)),
        (Range::Float { default, .. }, None) => Some(Chosen::Float(default)),
        (Range::Word(words), None) => Some(Chosen::Word(words[0])),
        (Range::Int { min, max, .. }, Some(v)) => whole(v)
            .filter(|n| (min..=max).contains(n))
            .map(Chosen::Int),
        (Range::Float { min, max, .. }, Some(v)) => number(v)
            .filter(|x| (min..=max).contains(x))
            // Minus zero is zero.
            .map(|x| Chosen::Float(x + 0.0)),
        (Range::Word(words), Some(v)) => words
            .iter()
            .find(|w| v.as_str() == Some(w))
            .map(|w| Chosen::Word(w)),
    };
    found.ok_or_else(|| {
        let value = given
            .map_or(String::new(), Value::to_string)
            .replace('"', "'");
        let hint = match (info.range, given.and_then(Value::as_str)) {
            (Range::Word(words), Some(w)) => did_you_mean(w, words.iter().copied()),
            _ => String::new(),
        };
        SynthError::BadValue {
            kind: kind.to_owned(),
            param: info.name.to_owned(),
            expected: info.range.to_string(),
            value,
            hint,
        }
    })
}

/// A whole number, also as `3.0` or `"3"`.
fn whole(value: &Value) -> Option<u64> {
    match value {
        Value::String(s) => s.parse().ok(),
        v => v.as_u64().or_else(|| {
            let x = v.as_f64()?;
            (x.fract() == 0.0 && (0.0..9e15).contains(&x)).then_some(x as u64)
        }),
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::String(s) => s.parse().ok(),
        v => v.as_f64(),
    }
}
