//! What a responder scores that knows the form of a task but not the ability.

use serde::{Deserialize, Serialize};

/// Exact probabilities of being right without the ability, over the inputs as they are drawn
/// and before the accident of the split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chance {
    /// The chance that a verdict is judged against: 1/options where the answers are a small
    /// set (two for a coin, m for a modulus m), 0 for free answers.
    pub guess: f64,
    /// Always giving the most frequent answer. `None` where nobody has counted: no closed
    /// form, and too many inputs to enumerate (see
    /// [`ENUMERABLE`](crate::ENUMERABLE)).
    pub majority: Option<Majority>,
    /// A guess that uses more of the form than `guess` does, where there is such: any
    /// rearrangement of the given letters, say. A small model can get this far before it
    /// has the ability.
    pub shortcut: Option<Shortcut>,
}

/// The most frequent answer of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Majority {
    /// The answer; where several are equally frequent, one of them.
    pub answer: String,
    /// Its probability, in 0..=1.
    pub share: f64,
}

/// An informed guess.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shortcut {
    /// What is guessed: `a random rearrangement of the given letters`.
    pub how: String,
    /// Probability of being right, in 0..=1.
    pub share: f64,
}

impl Chance {
    /// The best that these responders do.
    #[must_use]
    pub fn best(&self) -> f64 {
        let majority = self.majority.as_ref().map_or(0.0, |m| m.share);
        let shortcut = self.shortcut.as_ref().map_or(0.0, |s| s.share);
        self.guess.max(majority).max(shortcut)
    }
}
