//! The kinds of tasks, one file each (two where one is the other's mirror).

mod addition;
mod calendar;
mod coin_flip;
mod date;
mod instruction;
mod last_letters;
mod linear;
mod modular;
mod multiplication;
mod operands;
mod parity;
mod rewriting;
mod running_sum;
mod sorting;
mod strings;
mod substitution;
mod subtraction;
mod three_term;
mod transliteration;
mod unscramble;
mod word_in_context;
mod words;

use crate::error::{SynthError, did_you_mean};
use crate::kind::AnyKind;
use crate::params::{ParamInfo, Params};
use serde::Serialize;
use serde_json::{Map, Value};
use std::sync::Arc;

/// What there is to know of a kind before it is made.
#[derive(Debug, Clone, Serialize)]
pub struct KindInfo {
    /// The name, as in `addition:digits=3`.
    pub name: &'static str,
    /// What the task asks, in one sentence.
    pub about: &'static str,
    /// A short item, answer included.
    pub example: &'static str,
    /// The parameters, in the order in which they are told.
    pub params: &'static [ParamInfo],
    /// Whether items have worked steps.
    pub steps: Has,
    /// Whether the answers are a fixed small set.
    pub choices: Has,
    /// What [`Chance::guess`](crate::Chance::guess) is, and why.
    pub chance: &'static str,
    #[serde(skip)]
    make: fn(&Params) -> Result<Arc<dyn AnyKind>, SynthError>,
}

/// Whether a kind has something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Has {
    /// With any parameters.
    Always,
    /// With none.
    Never,
    /// With parameters such as these.
    Where(&'static str),
}

static KINDS: [KindInfo; 20] = [
    addition::INFO,
    subtraction::INFO,
    multiplication::INFO,
    modular::INFO,
    three_term::INFO,
    running_sum::INFO,
    unscramble::INFO,
    last_letters::INFO,
    coin_flip::INFO,
    sorting::INFO,
    strings::REVERSAL,
    strings::COPYING,
    date::INFO,
    linear::INFO,
    word_in_context::INFO,
    rewriting::INFO,
    transliteration::INFO,
    parity::INFO,
    substitution::INFO,
    instruction::INFO,
];

/// Every kind.
#[must_use]
pub fn kinds() -> &'static [KindInfo] {
    &KINDS
}

type Made = (&'static str, Params, Arc<dyn AnyKind>);

pub(crate) fn make(name: &str, given: &Map<String, Value>) -> Result<Made, SynthError> {
    let Some(info) = KINDS.iter().find(|k| k.name == name) else {
        let names: Vec<&str> = KINDS.iter().map(|k| k.name).collect();
        return Err(SynthError::UnknownKind {
            kind: name.to_owned(),
            hint: did_you_mean(name, names.iter().copied()),
            known: names.join(", "),
        });
    };
    let params = Params::resolve(info.name, info.params, given)?;
    let kind = (info.make)(&params)?;
    Ok((info.name, params, kind))
}

/// 0 for answers that are written out freely.
const FREE: &str = "0: the answer is free";
