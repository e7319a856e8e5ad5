//! Names, parameters and what is said when they are wrong.

mod support;

use std::collections::BTreeMap;
use support::{generators, solve, steps};
use upturn_synth::{Generator, Has, Range, Split, kinds};

fn error(text: &str) -> String {
    let error = Generator::parse(text).expect_err(text).to_string();
    assert!(!error.contains('\n'), "{error}");
    error
}

#[test]
fn mistakes_are_told_in_one_line() {
    insta::assert_snapshot!(
        [
            "adition",
            "parity_task",
            "xyz",
            "addition:digit=3",
            "addition:operands=exakt",
            "addition:digits=12",
            "addition:digits=0",
            "addition:digits=two",
            "addition:digits=-1",
            "addition:digits=2.5",
            "addition:digits",
            "addition:digits=2,digits=3",
            "modular:op=plus",
            "modular:modulus=2",
            "parity:alpha=9",
            "parity:k=12",
            "parity:skills=9000,bits=6",
            "unscramble:longest=4",
            "unscramble:shortest=3,longest=3",
            "unscramble:shortest=6,longest=5",
            "last_letters:length=4",
            "date:how=format,days=3",
            "date:from=2010,to=2009",
            "word_in_context:classes=3",
            "rewriting:symbols=2,rules=5",
        ]
        .map(|text| format!("{text}\n  {}", error(text)))
        .join("\n")
    );
}

#[test]
fn values_may_be_json_numbers_or_text() {
    for params in [
        serde_json::json!({"digits": 3}),
        serde_json::json!({"digits": "3"}),
        serde_json::json!({"digits": 3.0, "operands": "exact"}),
    ] {
        let params = params.as_object().expect("an object");
        let generator = Generator::new("addition", params).expect("sound");
        assert_eq!(generator.name(), "addition_3digit");
        assert_eq!(generator.spec(), "addition:digits=3,operands=exact");
    }
    let wrong = serde_json::json!({"digits": [3]});
    let error = Generator::new("addition", wrong.as_object().expect("an object"));
    assert!(error.is_err());
}

#[test]
fn names_tell_tasks_apart_and_suit_files() {
    let mut specs: BTreeMap<String, String> = BTreeMap::new();
    for generator in generators() {
        let name = generator.name().to_owned();
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.".contains(c);
        assert!(name.chars().all(plain), "{name}");
        let before = specs.insert(name.clone(), generator.spec().to_owned());
        let same = before.is_none_or(|spec| spec == generator.spec());
        assert!(same, "{name} is the name of two tasks");
    }
    // One parameter changed at a time changes the name.
    for kind in kinds() {
        let default = Generator::parse(kind.name).expect("defaults are sound");
        assert_eq!(default.kind(), kind.name);
        for param in kind.params {
            let others: Vec<String> = match param.range {
                Range::Int { default, min, max } => [min, default + 1, max]
                    .iter()
                    .filter(|n| **n != default)
                    .map(u64::to_string)
                    .collect(),
                Range::Float { min, max, .. } => vec![min.to_string(), max.to_string()],
                Range::Word(words) => words[1..].iter().map(|w| (*w).to_owned()).collect(),
            };
            for value in others {
                let spec = format!("{}:{}={value}", kind.name, param.name);
                // Values at a border may not suit the defaults of the others.
                if let Ok(generator) = Generator::parse(&spec) {
                    assert_ne!(generator.name(), default.name(), "{spec}");
                    let again = Generator::parse(generator.spec()).expect("a spec is read back");
                    assert_eq!(again.spec(), generator.spec());
                }
            }
        }
    }
}

/// Every border of every range makes a generator, alone or says in words why not.
#[test]
fn borders_of_ranges_are_allowed() {
    let mut refused = Vec::new();
    for kind in kinds() {
        for param in kind.params {
            let borders: Vec<String> = match param.range {
                Range::Int { min, max, .. } => vec![min.to_string(), max.to_string()],
                Range::Float { min, max, .. } => vec![min.to_string(), max.to_string()],
                Range::Word(words) => words.iter().map(|w| (*w).to_owned()).collect(),
            };
            for value in borders {
                let spec = format!("{}:{}={value}", kind.name, param.name);
                match Generator::parse(&spec) {
                    Ok(generator) => {
                        let items = generator.items(0, Split::Test, 3);
                        assert!(!items.is_empty(), "{spec}");
                    }
                    Err(_) => refused.push(spec),
                }
            }
        }
    }
    insta::assert_snapshot!(refused.join("\n"));
}

#[test]
fn list_of_kinds_says_what_generators_have() {
    for kind in kinds() {
        assert!(kind.about.ends_with('.'), "{}", kind.about);
        let of_kind: Vec<Generator> = generators().filter(|g| g.kind() == kind.name).collect();
        let check = |has: Has, having: Vec<bool>| match has {
            Has::Always => assert!(having.iter().all(|h| *h), "{}", kind.name),
            Has::Never => assert!(having.iter().all(|h| !h), "{}", kind.name),
            Has::Where(_) => {
                assert!(
                    having.contains(&true) && having.contains(&false),
                    "{}",
                    kind.name
                );
            }
        };
        check(
            kind.steps,
            of_kind.iter().map(Generator::has_steps).collect(),
        );
        let choices = of_kind.iter().map(|g| !g.choices().is_empty());
        check(kind.choices, choices.collect());
    }
}

proptest::proptest! {
    /// Whatever is written: a generator that gives items, or a refusal in one line.
    #[test]
    fn any_text_is_answered(text in "[ -~]{0,40}") {
        if let Err(error) = Generator::parse(&text) {
            proptest::prop_assert!(!error.to_string().contains('\n'));
        }
    }

    /// Any values in range, together.
    #[test]
    fn any_parameters_are_answered(kind in 0..kinds().len(), picks in proptest::collection::vec(0.0..1.0, 5)) {
        let info = &kinds()[kind];
        let values = info.params.iter().zip(picks).map(|(param, pick): (_, f64)| {
            let value = match param.range {
                Range::Int { min, max, .. } => {
                    // More often small, as people choose them.
                    let span = (max - min) as f64;
                    (min + (span * pick * pick) as u64).to_string()
                }
                Range::Float { min, max, .. } => (min + (max - min) * pick).to_string(),
                Range::Word(words) => {
                    words[(words.len() as f64 * pick) as usize].to_owned()
                }
            };
            format!("{}={value}", param.name)
        });
        let spec = format!("{}:{}", info.name, values.collect::<Vec<_>>().join(","));
        match Generator::parse(&spec) {
            Err(error) => proptest::prop_assert!(!error.to_string().contains('\n'), "{}", error),
            Ok(generator) => {
                for split in [Split::Train, Split::Test] {
                    let item = generator.item(1, split, 2);
                    proptest::prop_assert_eq!(solve::solve(&item), item.answer.clone(), "{}", spec);
                    if generator.has_steps() {
                        steps::check(&item);
                        steps::check_reasoning(&item);
                    }
                }
            }
        }
    }
}
