//! Generated tasks as tasks: a name with parameters becomes a task file and its rows.
//!
//! `addition:digits=3` asks in sentences, `addition:digits=3@short` as small models are
//! trained (`@scratchpad` with worked steps), `@cot` in sentences with worked examples.
//! Rows are `dataset_path: generated`, `dataset_name: addition:digits=3` of any task file.

use serde_json::{Map, Value, json};
use upturn_synth::{Generator, Item, Split};

use crate::dataset::{DatasetError, DatasetSpec, Doc};

/// `dataset_path` of generated rows.
pub const PATH: &str = "generated";
/// Test items where the name does not say.
const N_ITEMS: u64 = 2000;
/// Items for examples in prompts.
const N_TRAIN: usize = 1000;
/// Most items of a task: they are all in memory.
const N_ITEMS_MAX: u64 = 10_000_000;

/// How items are written and asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// In sentences.
    Words,
    /// In sentences, examples with reasoning.
    Cot,
    /// As small models are trained.
    Short,
    /// As small models are trained, with worked steps.
    Scratchpad,
}

impl Style {
    const ALL: [(&'static str, Style); 4] = [
        ("words", Style::Words),
        ("cot", Style::Cot),
        ("short", Style::Short),
        ("scratchpad", Style::Scratchpad),
    ];

    /// What follows `@` in a name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL
            .into_iter()
            .find(|s| s.1 == self)
            .map_or("", |s| s.0)
    }

    /// The method in measurements.
    #[must_use]
    pub fn method(self) -> &'static str {
        match self {
            Style::Words | Style::Short => "direct",
            Style::Cot => "cot",
            Style::Scratchpad => "scratchpad",
        }
    }
}

/// What is generated: a generator, which of its items, and how they are asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Generated {
    generator: Generator,
    rows: Rows,
    style: Style,
}

/// Which rows of a generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rows {
    items: u64,
    seed: u64,
    skill: Option<u32>,
}

/// Whether a name of a task is that of a generated one: a known kind, or something with
/// parameters after a colon.
#[must_use]
pub fn is_meant(name: &str) -> bool {
    let kind = name.split([':', '@']).next().unwrap_or_default();
    let is_word = |c: char| c.is_ascii_lowercase() || c == '_';
    let is_known = upturn_synth::kinds().iter().any(|k| k.name == kind);
    is_known
        || (name.contains(':')
            && name.contains('=')
            && !kind.is_empty()
            && kind.chars().all(is_word))
}

/// Whether what follows the last `@` of a generated task's name is one of its own forms.
#[must_use]
pub fn has_form(name: &str) -> bool {
    name.rsplit_once('@').is_some_and(|(base, word)| {
        is_meant(base) && !base.contains('@') && Style::ALL.iter().any(|s| s.0 == word)
    })
}

/// The words of a list of names separated by commas: those between parameters of a generated
/// task (`multiplication:a=2,b=1`) separate no names.
#[must_use]
pub fn split_names(list: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for piece in list.split(',').map(str::trim) {
        let is_parameter = piece.split_once('=').is_some_and(|(key, _)| {
            !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        });
        match names.last_mut() {
            // Parameters of a prompting method: `gsm8k@self_consistency:paths=5,temperature=0.5`.
            Some(last)
                if is_parameter && last.rsplit_once('@').is_some_and(|(_, w)| w.contains(':')) =>
            {
                *last = format!("{last},{piece}");
            }
            Some(last) if is_parameter && is_meant(last) && last.contains(':') => {
                // What follows `@` stays last.
                let (spec, style) = last
                    .split_once('@')
                    .map_or((last.as_str(), None), |(s, w)| (s, Some(w)));
                *last = match style {
                    Some(style) => format!("{spec},{piece}@{style}"),
                    None => format!("{last},{piece}"),
                };
            }
            _ => names.push(piece.to_owned()),
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

impl Generated {
    /// Reads a name such as `addition:digits=3,items=500,seed=1@scratchpad`.
    ///
    /// # Errors
    /// A fragment that says what is wrong and what is allowed.
    pub fn parse(name: &str) -> Result<Generated, String> {
        // `@style` may stand after a comma's parameter too, as a list of names leaves it.
        let (spec, style) = match name.rsplit_once('@') {
            None => (name, Style::Words),
            Some((spec, word)) => {
                let known = Style::ALL.into_iter().find(|(n, _)| *n == word);
                let Some((_, style)) = known else {
                    let all: Vec<&str> = Style::ALL.iter().map(|s| s.0).collect();
                    return Err(format!(
                        "'@{word}' is no form; expected one of {}",
                        all.join(", ")
                    ));
                };
                (spec, style)
            }
        };
        let (generator, rows) = parse_spec(spec)?;
        if matches!(style, Style::Cot | Style::Scratchpad) && !generator.has_steps() {
            return Err(format!(
                "{} has no worked steps, so it cannot be asked with '@{}'",
                generator.kind(),
                style.name()
            ));
        }
        Ok(Generated {
            generator,
            rows,
            style,
        })
    }

    /// The ability's name in results: `addition_3digit` in the short form, with or without
    /// steps, `addition_3digit_words` in sentences. A model that was trained on one of them
    /// need not understand the other.
    #[must_use]
    pub fn ability(&self) -> String {
        match self.style {
            Style::Short | Style::Scratchpad => self.rows_name(),
            Style::Words | Style::Cot => format!("{}_words", self.rows_name()),
        }
    }

    /// The task's name: that of its rows, and the form's where it is not the short one.
    #[must_use]
    pub fn task(&self) -> String {
        match self.style {
            Style::Short => self.rows_name(),
            style => format!("{}_{}", self.rows_name(), style.name()),
        }
    }

    fn rows_name(&self) -> String {
        match self.rows.skill {
            Some(skill) => format!("{}_skill{skill}", self.generator.name()),
            None => self.generator.name().to_owned(),
        }
    }

    /// The task file.
    #[must_use]
    pub fn yaml(&self) -> String {
        let mut keys = Map::new();
        let mut set = |key: &str, value: Value| {
            keys.insert(key.to_owned(), value);
        };
        let items = self.items(Split::Test, 200);
        let longest = |text: &dyn Fn(&Item) -> String| {
            let lengths = items.iter().map(|i| text(i).chars().count());
            lengths.max().unwrap_or(1)
        };
        set("task", self.task().into());
        set("dataset_path", PATH.into());
        set("dataset_name", self.spec().into());
        set("test_split", "test".into());
        set("fewshot_split", "train".into());
        let has_choices = !self.generator.choices().is_empty();
        let chosen = has_choices && matches!(self.style, Style::Words | Style::Short);
        let is_short = matches!(self.style, Style::Short | Style::Scratchpad);
        set(
            "doc_to_text",
            match self.style {
                Style::Short => "{{prompt}}",
                Style::Scratchpad => "{{scratch_prompt}}",
                Style::Words | Style::Cot => "Q: {{question}}\nA:",
            }
            .into(),
        );
        set("target_delimiter", if is_short { "" } else { " " }.into());
        set(
            "fewshot_delimiter",
            if is_short { "\n" } else { "\n\n" }.into(),
        );
        let mut metrics = vec![json!({
            "metric": if chosen { "acc" } else { "exact_match" },
            "aggregation": "mean",
            "higher_is_better": true,
        })];
        if chosen {
            set("output_type", "multiple_choice".into());
            set("doc_to_choice", "choices".into());
            set("doc_to_target", "gold".into());
        } else {
            set("output_type", "generate_until".into());
            let (target, most) = match self.style {
                Style::Scratchpad => (
                    "{{steps}}={{answer}}",
                    // Steps that go wrong may be longer than right ones.
                    longest(&|i| i.steps.clone().unwrap_or_default() + &i.answer) * 3 / 2 + 4,
                ),
                Style::Short => ("{{answer}}", longest(&|i| i.answer.clone()) + 2),
                Style::Words => ("{{answer}}", 32.max(longest(&|i| i.answer.clone()))),
                Style::Cot => (
                    "{{answer}}",
                    256.max(longest(&|i| i.reasoning.clone().unwrap_or_default())),
                ),
            };
            set("doc_to_target", target.into());
            set(
                "generation_kwargs",
                json!({
                    "until": if self.style == Style::Cot { json!(["\n\n", "Q:"]) } else { json!(["\n"]) },
                    "do_sample": false,
                    "max_gen_toks": most,
                }),
            );
            match self.style {
                // Steps lead to the answer, which is what is compared.
                Style::Scratchpad => metrics[0]["regexes_to_ignore"] = json!(["^.*="]),
                Style::Cot => {
                    set(
                        "fewshot_config",
                        json!({"doc_to_target": "{{reasoning}} The answer is {{answer}}."}),
                    );
                    set(
                        "filter_list",
                        json!([{
                            "name": "answer",
                            "filter": [
                                {"function": "regex", "regex_pattern": "[Tt]he answer is (.*?)\\.?(?:\\n|$)"},
                                {"function": "take_first"},
                            ],
                        }]),
                    );
                }
                // An answer in words begins with the space that separates it from its question.
                Style::Words => set(
                    "filter_list",
                    json!([{
                        "name": "none",
                        "filter": [{"function": "remove_whitespace"}, {"function": "take_first"}],
                    }]),
                ),
                Style::Short => {}
            }
        }
        set("metric_list", metrics.into());
        let mut own = json!({
            "ability": self.ability(),
            "method": self.style.method(),
            "chance": self.generator.chance().best(),
            "blind_chance": self.generator.chance().guess,
        });
        if self.style == Style::Words && self.generator.has_steps() {
            // For `@cot:shots=N`.
            own["rationale"] = "reasoning".into();
            own["answer"] = "answer".into();
        }
        set("metadata", json!({"version": 1.0, "upturn": own}));
        // JSON is YAML.
        Value::Object(keys).to_string()
    }

    /// The name with all that decides its rows.
    fn spec(&self) -> String {
        let spec = self.generator.spec();
        let mut name = spec.to_owned();
        let mut add = |key: &str, value: u64| {
            name.push(if name.contains(':') { ',' } else { ':' });
            name.push_str(&format!("{key}={value}"));
        };
        add("items", self.rows.items);
        add("seed", self.rows.seed);
        if let Some(skill) = self.rows.skill {
            add("skill", skill.into());
        }
        name
    }

    fn items(&self, split: Split, most: usize) -> Vec<Item> {
        items(&self.generator, self.rows, split, most)
    }
}

/// A generator and the rows of it that are meant.
fn parse_spec(spec: &str) -> Result<(Generator, Rows), String> {
    let mut rows = Rows {
        items: N_ITEMS,
        seed: 0,
        skill: None,
    };
    let (kind, words) = spec.split_once(':').unwrap_or((spec, ""));
    let mut own = Vec::new();
    for word in words.split(',').filter(|w| !w.is_empty()) {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        let number = |least: u64, most: u64| match value.parse::<u64>() {
            Ok(n) if (least..=most).contains(&n) => Ok(n),
            _ => Err(format!(
                "{key} is '{value}'; expected a whole number from {least} to {most}"
            )),
        };
        match key {
            "items" => rows.items = number(1, N_ITEMS_MAX)?,
            "seed" => rows.seed = number(0, u64::MAX)?,
            "skill" => rows.skill = Some(number(0, u32::MAX.into())? as u32),
            _ => own.push(word),
        }
    }
    let text = match own.is_empty() {
        true => kind.to_owned(),
        false => format!("{kind}:{}", own.join(",")),
    };
    let generator = Generator::parse(&text).map_err(|e| e.to_string())?;
    if let Some(skill) = rows.skill {
        match generator.n_skills() {
            Some(n) if skill < n => {}
            Some(n) => return Err(format!("skill is {skill}; {text} has {n}, from 0")),
            None => return Err(format!("{kind} has no skills; leave skill out")),
        }
    }
    Ok((generator, rows))
}

fn items(generator: &Generator, rows: Rows, split: Split, most: usize) -> Vec<Item> {
    let n = match split {
        Split::Test => (rows.items as usize).min(most),
        Split::Train => N_TRAIN.min(most),
    };
    match rows.skill {
        Some(skill) => generator.items_for_skill(rows.seed, split, skill, n),
        None => generator.items(rows.seed, split, n),
    }
}

/// Rows of a data set, where it is a generated one.
#[must_use]
pub fn open(spec: &DatasetSpec, split: &str) -> Option<Result<Vec<Doc>, DatasetError>> {
    (spec.path == PATH).then(|| {
        let fault = |reason: String| DatasetError::File {
            file: "dataset_name".into(),
            reason,
        };
        let name = spec.name.as_deref().ok_or_else(|| {
            fault("a generated data set needs a name such as addition:digits=3".into())
        })?;
        let (generator, rows) = parse_spec(name).map_err(fault)?;
        let split = match split {
            "train" => Split::Train,
            "test" => Split::Test,
            _ => {
                return Err(DatasetError::NoSplit {
                    dataset: spec.label(),
                    split: split.into(),
                    have: "test, train".into(),
                });
            }
        };
        let all = items(&generator, rows, split, usize::MAX);
        Ok(all.iter().map(row).collect())
    })
}

/// An item's fields.
fn row(item: &Item) -> Doc {
    let mut doc = Doc::new();
    let mut set = |key: &str, value: Value| {
        doc.insert(key.to_owned(), value);
    };
    set("prompt", item.prompt.as_str().into());
    set("question", item.question.as_str().into());
    set("answer", item.answer.as_str().into());
    let optional = [
        ("scratch_prompt", &item.scratch_prompt),
        ("steps", &item.steps),
        ("reasoning", &item.reasoning),
    ];
    for (key, text) in optional {
        if let Some(text) = text {
            set(key, text.as_str().into());
        }
    }
    if !item.choices.is_empty() {
        set("choices", item.choices.clone().into());
        set("gold", item.gold().into());
    }
    if let Some(skill) = item.skill {
        set("skill", skill.into());
    }
    doc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_between_parameters_separate_no_names() {
        assert_eq!(
            split_names("mmlu, multiplication:a=2,b=1@short ,gsm8k,addition:digits=3,items=10"),
            [
                "mmlu",
                "multiplication:a=2,b=1@short",
                "gsm8k",
                "addition:digits=3,items=10"
            ]
        );
        assert_eq!(split_names("a,,b=c"), ["a", "b=c"]);
    }

    #[test]
    fn names_say_rows_and_form() {
        let task = Generated::parse("addition:digits=3,items=50,seed=4@scratchpad").unwrap();
        assert_eq!(
            task.rows,
            Rows {
                items: 50,
                seed: 4,
                skill: None
            }
        );
        assert_eq!(task.style, Style::Scratchpad);
        assert_eq!(task.task(), format!("{}_scratchpad", task.ability()));
        for (name, expected) in [
            ("addition:digits=3@shrt", "'@shrt' is no form"),
            ("addition:items=0", "items is '0'"),
            ("addition:skill=1", "no skills"),
            ("copying@cot", "no worked steps"),
            ("adition:digits=3", "addition"),
        ] {
            let fault = Generated::parse(name).unwrap_err();
            assert!(fault.contains(expected), "{name}: {fault}");
        }
    }

    #[test]
    fn a_task_reads_its_own_rows() {
        for kind in upturn_synth::kinds() {
            let task = Generated::parse(&format!("{}:items=30@short", kind.name)).unwrap();
            let spec = DatasetSpec {
                path: PATH.into(),
                name: Some(task.spec()),
                kwargs: Map::new(),
                base_dirs: Vec::new(),
            };
            let test = open(&spec, "test").unwrap().unwrap();
            assert_eq!(
                test,
                task.items(Split::Test, 99)
                    .iter()
                    .map(row)
                    .collect::<Vec<_>>()
            );
            assert!(!test.is_empty() && test.len() <= 30, "{}", kind.name);
            assert!(
                open(&spec, "train")
                    .unwrap()
                    .unwrap()
                    .iter()
                    .all(|d| !test.contains(d))
            );
            assert!(open(&spec, "dev").unwrap().is_err());
        }
    }
}
