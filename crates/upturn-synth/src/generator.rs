//! A kind of task with its parameters, and the items it gives.

use crate::chance::Chance;
use crate::error::SynthError;
use crate::item::{Form, Item, ShortItem, Split};
use crate::kind::AnyKind;
use crate::kinds;
use crate::params::Params;
use crate::rng::Rng;
use crate::split::{Side, hash};
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::sync::Arc;

/// A generated task: a kind with its parameters.
///
/// Cheap to clone, and shared between threads.
///
/// ```
/// use upturn_synth::{Generator, Split};
/// let task = Generator::parse("addition:digits=3")?;
/// assert_eq!(task.name(), "addition_3digit");
/// let item = task.item(0, Split::Test, 5);
/// assert_eq!(item, task.item(0, Split::Test, 5));
/// # Ok::<(), upturn_synth::SynthError>(())
/// ```
#[derive(Clone)]
pub struct Generator {
    kind: Arc<dyn AnyKind>,
    kind_name: &'static str,
    name: String,
    spec: String,
    /// The streams of two tasks with the same seed differ.
    key: u64,
}

/// After this many draws in a row without a new input, and as many more as inputs were
/// found, the rest of a small space is enumerated.
const PATIENCE: u64 = 1_000;

/// Stream of the documents' skills: the others have a skill in so many bits, and never this.
const DOCUMENT: u64 = u64::MAX;

/// Up to this many inputs it is made sure that both splits have some.
const SMALL: u64 = 4_096;

impl Generator {
    /// A generator of this kind, with the given parameters and the defaults of the others.
    /// [`kinds`](crate::kinds()) lists both.
    ///
    /// # Errors
    /// An unknown kind or parameter, a value out of range, or so few inputs that a split
    /// would be empty.
    pub fn new(kind: &str, params: &Map<String, Value>) -> Result<Self, SynthError> {
        let (kind_name, params, kind) = kinds::make(kind, params)?;
        let spec = params.spec();
        let generator = Self {
            name: kind.name(),
            key: hash(&spec),
            kind,
            kind_name,
            spec,
        };
        generator.check_splits(&params)?;
        Ok(generator)
    }

    /// The same from one word: `addition`, `addition:digits=3`,
    /// `modular:modulus=97,op=*`.
    ///
    /// # Errors
    /// As [`new`](Self::new), and for a word of another form.
    pub fn parse(text: &str) -> Result<Self, SynthError> {
        let malformed = |reason: String| SynthError::Malformed {
            text: text.to_owned(),
            reason,
        };
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        let mut params = Map::new();
        for pair in rest.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            let (name, value) = pair
                .split_once('=')
                .ok_or_else(|| malformed(format!("'{pair}' has no value")))?;
            let (name, value) = (name.trim(), value.trim());
            if params.insert(name.to_owned(), value.into()).is_some() {
                return Err(malformed(format!("{name} is given twice")));
            }
        }
        Self::new(kind.trim(), &params)
    }

    /// The kind: `addition`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind_name
    }

    /// Id of the task: the kind and every parameter that is not at its default, as in
    /// `addition_3digit`. Two tasks with the same name are the same task.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Every parameter, as [`parse`](Self::parse) reads it: `addition:digits=3,operands=exact`.
    #[must_use]
    pub fn spec(&self) -> &str {
        &self.spec
    }

    /// Whether items have steps.
    #[must_use]
    pub fn has_steps(&self) -> bool {
        self.kind.has_steps()
    }

    /// The possible answers, where they are a fixed small set; else empty.
    #[must_use]
    pub fn choices(&self) -> &[&'static str] {
        self.kind.choices()
    }

    /// The characters that short prompts, steps and answers use, in order and once each; a
    /// document uses the newline as well.
    #[must_use]
    pub fn alphabet(&self) -> String {
        self.kind.alphabet()
    }

    /// The characters that items in words use beyond [`alphabet`](Self::alphabet): printable
    /// ASCII, in order; a document uses the newline as well.
    #[must_use]
    pub fn alphabet_of_words() -> String {
        (' '..='~').collect()
    }

    /// What a responder scores that knows the form and not the ability. Enumerates up to
    /// [`ENUMERABLE`](crate::ENUMERABLE) inputs where there is no formula.
    #[must_use]
    pub fn chance(&self) -> Chance {
        self.kind.chance()
    }

    /// Number of inputs in both splits; `None` above 2^64, or where it is not known (`linear`).
    #[must_use]
    pub fn n_inputs(&self) -> Option<u64> {
        self.kind.n_inputs()
    }

    /// Share of all inputs that the test split has, as the hash intends it: 1/4 below 100,000
    /// inputs, else 1/16.
    #[must_use]
    pub fn test_share(&self) -> f64 {
        self.side(Split::Test).test_share()
    }

    /// Exact number of distinct inputs of a split, by enumeration; `None` where there are more
    /// than [`ENUMERABLE`](crate::ENUMERABLE) inputs in all.
    #[must_use]
    pub fn n_distinct(&self, split: Split) -> Option<u64> {
        let numbers = self.kind.enumerable(None)?;
        Some(self.kind.count(numbers, self.side(split), u64::MAX))
    }

    /// As [`n_distinct`](Self::n_distinct), for one skill. `None` too where the task has no
    /// such skill.
    #[must_use]
    pub fn n_distinct_for_skill(&self, split: Split, skill: u32) -> Option<u64> {
        self.skill_frequency(skill)?;
        let numbers = self.kind.enumerable(Some(skill))?;
        Some(self.kind.count(numbers, self.side(split), u64::MAX))
    }

    /// The item with this index: drawn by the task's distribution from the inputs of the split.
    /// Items with different indices are independent draws and may be equal;
    /// [`items`](Self::items) gives distinct ones.
    #[must_use]
    pub fn item(&self, seed: u64, split: Split, index: u64) -> Item {
        self.item_of(None, seed, split, index)
    }

    /// As [`item`](Self::item), of one skill where one is given.
    pub(crate) fn item_of(&self, skill: Option<u32>, seed: u64, split: Split, index: u64) -> Item {
        let mut rng = self.stream(seed, split, index, skill);
        self.kind.item(&mut rng, self.side(split), skill)
    }

    /// The short form alone of [`item`](Self::item), in place of what `out` holds. With
    /// [`Form::Direct`] the steps are not written.
    pub fn short_item(&self, seed: u64, split: Split, index: u64, form: Form, out: &mut ShortItem) {
        self.short_item_of(None, seed, split, index, form, out);
    }

    /// As [`short_item`](Self::short_item), of one skill where one is given.
    pub(crate) fn short_item_of(
        &self,
        skill: Option<u32>,
        seed: u64,
        split: Split,
        index: u64,
        form: Form,
        out: &mut ShortItem,
    ) {
        let mut rng = self.stream(seed, split, index, skill);
        let steps = form == Form::Steps && self.has_steps();
        self.kind
            .short(&mut rng, self.side(split), skill, steps, out);
    }

    /// The skill that all items of a training document have, where the kind keeps one.
    pub(crate) fn skill_of_document(&self, seed: u64, index: u64) -> Option<u32> {
        let n = self
            .n_skills()
            .filter(|_| self.kind.one_skill_per_document())?;
        let mut rng = Rng::of(&[self.key, seed, DOCUMENT, index]);
        Some(rng.below(n.into()) as u32)
    }

    /// `n` items with distinct inputs: those with indices 0, 1, 2… without repetitions. Fewer
    /// where the split has fewer ([`n_distinct`](Self::n_distinct)). A smaller `n` gives a
    /// beginning of the same list.
    #[must_use]
    pub fn items(&self, seed: u64, split: Split, n: usize) -> Vec<Item> {
        self.distinct(seed, split, None, n)
    }

    /// Number of skills, where a task has several that are drawn by frequency (`parity`).
    #[must_use]
    pub fn n_skills(&self) -> Option<u32> {
        self.kind.n_skills()
    }

    /// Probability that an item needs this skill, from 0; they sum to 1. `None` where the task
    /// has no such skill.
    #[must_use]
    pub fn skill_frequency(&self, skill: u32) -> Option<f64> {
        let known = self.n_skills().is_some_and(|n| skill < n);
        known.then(|| self.kind.skill_probability(skill))
    }

    /// As [`items`](Self::items), of one skill alone. Empty where the task has no such skill.
    #[must_use]
    pub fn items_for_skill(&self, seed: u64, split: Split, skill: u32, n: usize) -> Vec<Item> {
        if self.skill_frequency(skill).is_none() {
            return Vec::new();
        }
        self.distinct(seed, split, Some(skill), n)
    }

    fn distinct(&self, seed: u64, split: Split, skill: Option<u32>, n: usize) -> Vec<Item> {
        let side = self.side(split);
        let mut items: Vec<Item> = Vec::new();
        let mut seen: HashSet<String> = HashSet::new();
        let (mut index, mut in_vain) = (0, 0);
        while items.len() < n {
            let mut rng = self.stream(seed, split, index, skill);
            let item = self.kind.item(&mut rng, side, skill);
            index += 1;
            if seen.insert(item.prompt.clone()) {
                items.push(item);
                in_vain = 0;
                continue;
            }
            in_vain += 1;
            if in_vain < PATIENCE + items.len() as u64 {
                continue;
            }
            if let Some(numbers) = self.kind.enumerable(skill) {
                let mut rest: Vec<Item> = numbers
                    .filter_map(|number| self.kind.nth(number, side))
                    .filter(|item| !seen.contains(&item.prompt))
                    .collect();
                self.stream(seed, split, u64::MAX, skill).shuffle(&mut rest);
                items.extend(rest);
            }
            break;
        }
        items.truncate(n);
        items
    }

    /// Both splits have inputs of every skill. Certain without looking where there are
    /// thousands.
    fn check_splits(&self, params: &Params) -> Result<(), SynthError> {
        let skills: Vec<Option<u32>> = match self.n_skills() {
            None => vec![None],
            Some(n) => (0..n).map(Some).collect(),
        };
        for skill in skills {
            let Some(numbers) = self.kind.enumerable(skill) else {
                continue;
            };
            let of_skill = skill.map_or(String::new(), |s| format!(" of skill {s}"));
            let n = numbers.end - numbers.start;
            for (split, name) in [(Split::Train, "training"), (Split::Test, "test")] {
                let side = self.side(split);
                if n <= SMALL && self.kind.count(numbers.clone(), side, 1) == 0 {
                    return Err(params.conflict(format!(
                        "there are only {n} inputs{of_skill} and none of them falls in the {name} split; \
                         choose larger parameters"
                    )));
                }
            }
        }
        Ok(())
    }

    fn side(&self, split: Split) -> Side {
        Side::new(split, self.n_inputs())
    }

    fn stream(&self, seed: u64, split: Split, index: u64, skill: Option<u32>) -> Rng {
        let split = match split {
            Split::Train => 0,
            Split::Test => 1,
        };
        let skill = skill.map_or(0, |s| u64::from(s) + 1);
        Rng::of(&[self.key, seed, split | skill << 1, index])
    }
}

impl std::fmt::Debug for Generator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Generator").field(&self.spec).finish()
    }
}

impl PartialEq for Generator {
    fn eq(&self, other: &Self) -> bool {
        self.spec == other.spec
    }
}
