//! What a kind of task must say of itself, and what follows from that for all of them.

use crate::chance::{Chance, Majority, Shortcut};
use crate::item::{Item, ShortItem};
use crate::rng::Rng;
use crate::split::Side;
use std::collections::BTreeMap;
use std::ops::Range;

/// At most this many inputs are enumerated, to count distinct items or to find the most
/// frequent answer.
pub const ENUMERABLE: u64 = 2_000_000;

/// A kind with its parameters chosen: how to draw an input, and all that is said of it.
pub(crate) trait Kind: Send + Sync + 'static {
    /// What an item is about: two operands, a word, a date.
    type Input;

    /// The id of the task, as in `addition_3digit`.
    fn name(&self) -> String;
    /// Every character of short prompts (but for `=`, and `?` and the steps) and answers.
    fn symbols(&self) -> String;

    fn draw(&self, rng: &mut Rng) -> Self::Input;
    /// How many inputs there are; `None` above 2^64 or where nobody has counted.
    fn n_inputs(&self) -> Option<u64>;
    /// The numbers of all inputs, or of those of one skill; `None` as for `n_inputs`.
    fn numbers(&self, _skill: Option<u32>) -> Option<Range<u64>> {
        self.n_inputs().map(|n| 0..n)
    }
    /// A bijection from `0..n_inputs` to the inputs.
    fn nth(&self, index: u64) -> Self::Input;
    /// Probability that `draw` gives this input.
    fn probability(&self, _: &Self::Input) -> f64 {
        1.0 / self.n_inputs().unwrap_or(u64::MAX) as f64
    }

    /// Appends the short prompt without its closing `=`.
    fn prompt(&self, input: &Self::Input, out: &mut String);
    fn answer(&self, input: &Self::Input, out: &mut String);
    fn question(&self, input: &Self::Input, out: &mut String);

    /// Whether items have `steps` and `reasoning`.
    fn has_steps(&self) -> bool {
        false
    }
    /// Characters of steps that are not among `symbols`.
    fn step_symbols(&self) -> &'static str {
        ""
    }
    fn steps(&self, _: &Self::Input, _: &mut String) {}
    fn reasoning(&self, _: &Self::Input, _: &mut String) {}

    fn choices(&self) -> &[&'static str] {
        &[]
    }

    /// 1/options or 0.
    fn guess(&self) -> f64 {
        match self.choices().len() {
            0 => 0.0,
            n => 1.0 / n as f64,
        }
    }
    /// The most frequent answer, where there is a formula for it.
    fn majority(&self) -> Option<(String, f64)> {
        None
    }
    fn shortcut(&self) -> Option<(&'static str, f64)> {
        None
    }

    /// Number of skills, where a task has several.
    fn n_skills(&self) -> Option<u32> {
        None
    }
    fn skill(&self, _: &Self::Input) -> Option<u32> {
        None
    }
    fn skill_probability(&self, _: u32) -> f64 {
        1.0
    }
    /// Whether a training document keeps one skill for all its items, each as often as others.
    fn one_skill_per_document(&self) -> bool {
        false
    }
    /// As `draw`, for one skill.
    fn draw_skill(&self, _: u32, rng: &mut Rng) -> Self::Input {
        self.draw(rng)
    }
}

/// [`Kind`] without its type of inputs.
pub(crate) trait AnyKind: Send + Sync {
    fn name(&self) -> String;
    fn n_inputs(&self) -> Option<u64>;
    fn has_steps(&self) -> bool;
    fn choices(&self) -> &[&'static str];
    fn alphabet(&self) -> String;
    fn chance(&self) -> Chance;
    fn n_skills(&self) -> Option<u32>;
    fn skill_probability(&self, skill: u32) -> f64;
    fn one_skill_per_document(&self) -> bool;

    fn item(&self, rng: &mut Rng, side: Side, skill: Option<u32>) -> Item;
    fn short(
        &self,
        rng: &mut Rng,
        side: Side,
        skill: Option<u32>,
        steps: bool,
        out: &mut ShortItem,
    );
    /// As [`Kind::numbers`], if they are few enough to go through.
    fn enumerable(&self, skill: Option<u32>) -> Option<Range<u64>>;
    /// The item of the input with this number, if the side has it.
    fn nth(&self, number: u64, side: Side) -> Option<Item>;
    /// How many of these inputs the side has, counted up to `limit`.
    fn count(&self, numbers: Range<u64>, side: Side, limit: u64) -> u64;
}

/// Draws until the side has the input; its prompt is left in `prompt`, without the `=`.
///
/// That it ends is checked when a generator is made: both sides have inputs.
fn accept<K: Kind>(
    kind: &K,
    rng: &mut Rng,
    side: Side,
    skill: Option<u32>,
    prompt: &mut String,
) -> K::Input {
    loop {
        let input = match skill {
            None => kind.draw(rng),
            Some(skill) => kind.draw_skill(skill, rng),
        };
        prompt.clear();
        kind.prompt(&input, prompt);
        prompt.push('=');
        if side.holds(prompt) {
            return input;
        }
    }
}

fn full<K: Kind>(kind: &K, input: &K::Input, prompt: String) -> Item {
    let text = |write: &dyn Fn(&mut String)| {
        let mut out = String::new();
        write(&mut out);
        out
    };
    let steps = kind.has_steps();
    Item {
        question: text(&|out| kind.question(input, out)),
        answer: text(&|out| kind.answer(input, out)),
        scratch_prompt: steps.then(|| format!("{}?", &prompt[..prompt.len() - 1])),
        steps: steps.then(|| text(&|out| kind.steps(input, out))),
        reasoning: steps.then(|| text(&|out| kind.reasoning(input, out))),
        choices: kind.choices().iter().map(|c| (*c).to_owned()).collect(),
        skill: kind.skill(input),
        prompt,
    }
}

impl<K: Kind> AnyKind for K {
    fn name(&self) -> String {
        Kind::name(self)
    }

    fn n_inputs(&self) -> Option<u64> {
        Kind::n_inputs(self)
    }

    fn has_steps(&self) -> bool {
        Kind::has_steps(self)
    }

    fn choices(&self) -> &[&'static str] {
        Kind::choices(self)
    }

    fn alphabet(&self) -> String {
        let mut all: Vec<char> = self.symbols().chars().chain(['=']).collect();
        if Kind::has_steps(self) {
            all.push('?');
            all.extend(self.step_symbols().chars());
        }
        all.sort_unstable();
        all.dedup();
        all.into_iter().collect()
    }

    fn chance(&self) -> Chance {
        let counted = || {
            let numbers = self.enumerable(None)?;
            let mut shares: BTreeMap<String, f64> = BTreeMap::new();
            let mut answer = String::new();
            for i in numbers {
                let input = Kind::nth(self, i);
                answer.clear();
                self.answer(&input, &mut answer);
                let p = self.probability(&input);
                match shares.get_mut(&answer) {
                    Some(share) => *share += p,
                    None => {
                        shares.insert(answer.clone(), p);
                    }
                }
            }
            shares
                .into_iter()
                .reduce(|a, b| if b.1 > a.1 { b } else { a })
        };
        Chance {
            guess: self.guess(),
            majority: self
                .majority()
                .or_else(counted)
                .map(|(answer, share)| Majority { answer, share }),
            shortcut: self.shortcut().map(|(how, share)| Shortcut {
                how: how.to_owned(),
                share,
            }),
        }
    }

    fn n_skills(&self) -> Option<u32> {
        Kind::n_skills(self)
    }

    fn skill_probability(&self, skill: u32) -> f64 {
        Kind::skill_probability(self, skill)
    }

    fn one_skill_per_document(&self) -> bool {
        Kind::one_skill_per_document(self)
    }

    fn item(&self, rng: &mut Rng, side: Side, skill: Option<u32>) -> Item {
        let mut prompt = String::new();
        let input = accept(self, rng, side, skill, &mut prompt);
        full(self, &input, prompt)
    }

    fn short(
        &self,
        rng: &mut Rng,
        side: Side,
        skill: Option<u32>,
        steps: bool,
        out: &mut ShortItem,
    ) {
        let input = accept(self, rng, side, skill, &mut out.prompt);
        out.steps.clear();
        out.answer.clear();
        if steps {
            self.steps(&input, &mut out.steps);
        }
        self.answer(&input, &mut out.answer);
        out.skill = self.skill(&input);
    }

    fn enumerable(&self, skill: Option<u32>) -> Option<Range<u64>> {
        self.numbers(skill)
            .filter(|r| r.end - r.start <= ENUMERABLE)
    }

    fn nth(&self, number: u64, side: Side) -> Option<Item> {
        let input = Kind::nth(self, number);
        let mut prompt = String::new();
        self.prompt(&input, &mut prompt);
        prompt.push('=');
        side.holds(&prompt).then(|| full(self, &input, prompt))
    }

    fn count(&self, numbers: Range<u64>, side: Side, limit: u64) -> u64 {
        let mut n = 0;
        let mut prompt = String::new();
        for number in numbers {
            if n >= limit {
                break;
            }
            prompt.clear();
            self.prompt(&Kind::nth(self, number), &mut prompt);
            prompt.push('=');
            n += u64::from(side.holds(&prompt));
        }
        n
    }
}
