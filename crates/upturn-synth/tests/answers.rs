//! Answers are right, steps true, choices balanced, characters known, for every kind.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use support::{generators, solve, steps};
use upturn_synth::{Form, Generator, Item, Split, kinds};

fn both_splits(generator: &upturn_synth::Generator, n: u64) -> Vec<Item> {
    let item = |i| {
        let split = if i % 2 == 0 {
            Split::Train
        } else {
            Split::Test
        };
        generator.item(11, split, i)
    };
    (0..n).map(item).collect()
}

#[test]
fn every_kind_is_tested() {
    for kind in kinds() {
        assert!(
            generators().any(|g| g.kind() == kind.name),
            "{} is not among the tasks of the tests",
            kind.name
        );
    }
}

#[test]
fn answers_are_right_and_prompts_tell_their_kind() {
    for generator in generators() {
        for item in both_splits(&generator, 300) {
            assert_eq!(solve::kind_of(&item.prompt), generator.kind(), "{item:?}");
            assert_eq!(solve::solve(&item), item.answer, "{item:?}");
        }
    }
}

/// An item with this prompt of the kind with its defaults, if it has one. Its question tells
/// the world of the task.
fn item_of(kind: &str, prompt: &str) -> Option<Item> {
    let default = support::generator(kind);
    if default.n_inputs().is_none_or(|n| n > 30_000) {
        // Too many to go through: a prompt that tells all will do.
        return Some(Item {
            prompt: prompt.to_owned(),
            ..default.item(0, Split::Train, 0)
        });
    }
    let known = [Split::Train, Split::Test].map(|split| default.items(0, split, usize::MAX));
    known.into_iter().flatten().find(|i| i.prompt == prompt)
}

#[test]
fn examples_in_the_list_of_kinds_are_right() {
    for kind in kinds() {
        let (prompt, answer) = kind.example.rsplit_once('=').expect("an example has =");
        let prompt = format!("{prompt}=");
        assert_eq!(solve::kind_of(&prompt), kind.name);
        let item = item_of(kind.name, &prompt).unwrap_or_else(|| panic!("{prompt} is no item"));
        assert_eq!(solve::solve(&item), answer, "{}", kind.example);
    }
}

/// The table at the head of the crate's documentation.
#[test]
fn examples_in_the_documentation_are_right() {
    let rows = include_str!("../src/lib.rs").lines().filter_map(|line| {
        let cells: Vec<&str> = line.strip_prefix("//! | `")?.split('|').collect();
        let code = |cell: &str| cell.trim().trim_matches('`').to_owned();
        Some((code(cells[0]), code(cells[1]), code(cells[2])))
    });
    let mut shown = Vec::new();
    for (kind, example, worked) in rows {
        let (prompt, answer) = example.rsplit_once('=').expect("an example has =");
        let prompt = format!("{prompt}=");
        let item = item_of(&kind, &prompt).unwrap_or_else(|| panic!("{prompt} is no item"));
        assert_eq!(solve::solve(&item), answer, "{example}");
        if !worked.is_empty() {
            let item = Item {
                prompt,
                answer: answer.to_owned(),
                steps: Some(worked),
                ..item
            };
            steps::check(&item);
        }
        shown.push(kind);
    }
    let all: Vec<&str> = kinds().iter().map(|k| k.name).collect();
    assert_eq!(shown, all);
}

#[test]
fn steps_are_true_and_lead_to_the_answer() {
    for generator in generators() {
        for item in both_splits(&generator, 300) {
            let present = [
                item.steps.is_some(),
                item.reasoning.is_some(),
                item.scratch_prompt.is_some(),
            ];
            assert_eq!(present, [generator.has_steps(); 3], "{item:?}");
            if generator.has_steps() {
                steps::check(&item);
                steps::check_reasoning(&item);
                let scratch = item.scratch_prompt.clone().unwrap_or_default();
                assert_eq!(scratch.replace('?', "="), item.prompt);
                let (prompt, rest) = item.short(Form::Steps);
                assert_eq!(prompt, scratch);
                assert_eq!(rest.rsplit_once('=').unwrap().1, item.answer);
            } else {
                assert_eq!(item.short(Form::Steps), item.short(Form::Direct));
            }
        }
    }
}

#[test]
fn items_in_words_are_printable() {
    let known: Vec<char> = Generator::alphabet_of_words().chars().collect();
    for generator in generators() {
        for item in both_splits(&generator, 500) {
            let asked = item.asked_in_words();
            assert_eq!(asked.lines().count(), 2, "{asked}");
            assert!(
                asked.starts_with("Q: ") && asked.ends_with("\nA:"),
                "{asked}"
            );
            let stray = asked.chars().find(|c| *c != '\n' && !known.contains(c));
            assert_eq!(stray, None, "{asked}");
        }
    }
}

#[test]
fn instructions_in_words_lead_to_the_same_answer() {
    for spec in ["instruction", "instruction:ops=1", "instruction:length=5"] {
        for item in both_splits(&support::generator(spec), 1_000) {
            assert_eq!(
                solve::obeyed_question(&item.question),
                item.answer,
                "{item:?}"
            );
        }
    }
}

#[test]
fn unseen_instructions_are_pairs_that_are_not_seen_of_operations_that_are() {
    let pairs = |spec: &str| -> BTreeSet<String> {
        let items = support::generator(spec).items(1, Split::Train, 4_000);
        items.iter().map(|i| i.prompt[3..5].to_owned()).collect()
    };
    let (seen, unseen) = (
        pairs("instruction:pairs=seen"),
        pairs("instruction:pairs=unseen"),
    );
    assert_eq!((seen.len(), unseen.len()), (48, 16));
    assert!(seen.is_disjoint(&unseen));
    for place in [0, 1] {
        let of = |pairs: &BTreeSet<String>| -> BTreeSet<char> {
            pairs.iter().filter_map(|p| p.chars().nth(place)).collect()
        };
        assert_eq!(of(&seen).len(), 8);
        assert_eq!(of(&seen), of(&unseen));
    }
}

#[test]
fn documents_in_words_are_what_an_evaluation_asks() {
    // Documents of `substitution` keep one table; that has a test of its own.
    for generator in generators().filter(|g| g.kind() != "substitution") {
        let document = generator.document(5, 3, 2, Form::Words);
        let mut from = 0;
        for (run, span) in document.spans.iter().enumerate() {
            let asked = document.text[from..span.start].trim_start_matches('\n');
            let index = 3 * 2 + run as u64;
            let item = generator.item(5, Split::Train, index);
            assert_eq!(asked, item.asked_in_words());
            assert_eq!(document.text[span.clone()], format!(" {}\n", item.answer));
            from = span.end;
        }
        assert_eq!(&document.text[from..], "\n");
    }
}

#[test]
fn alphabet_covers_everything_and_little_more() {
    for generator in generators() {
        let alphabet = generator.alphabet();
        let mut used: Vec<char> = Vec::new();
        for item in both_splits(&generator, 2_000) {
            let (prompt, rest) = item.short(Form::Steps);
            let all = [item.prompt.as_str(), prompt, &rest, &item.answer];
            used.extend(all.into_iter().flat_map(str::chars));
            used.sort_unstable();
            used.dedup();
        }
        let used: String = used.into_iter().collect();
        let stray: Vec<char> = used.chars().filter(|c| !alphabet.contains(*c)).collect();
        assert!(
            stray.is_empty(),
            "{generator:?}: {stray:?} not in {alphabet:?}"
        );
        // Rare letters may not have come up in the sample.
        let spare: Vec<char> = alphabet.chars().filter(|c| !used.contains(*c)).collect();
        let rare = |c: &char| c.is_ascii_lowercase();
        assert!(
            spare.iter().all(rare),
            "{generator:?}: {spare:?} never used"
        );
    }
}

#[test]
fn text_is_fit_for_lines() {
    for generator in generators() {
        for item in both_splits(&generator, 200) {
            assert!(
                item.prompt.ends_with('=')
                    && !item.prompt[..item.prompt.len() - 1].contains(['=', '?'])
            );
            assert!(
                !item.answer.is_empty() && !item.answer.contains(['=', '\n', ' ']),
                "{item:?}"
            );
            for text in [&item.prompt, &item.question]
                .into_iter()
                .chain(&item.steps)
            {
                assert!(!text.contains('\n') && text.trim() == text, "{item:?}");
            }
            assert!(item.question.ends_with(['?', '.']), "{}", item.question);
            assert!(!item.question.contains("  "), "{}", item.question);
        }
    }
}

/// The share of a fair answer among 20,000 draws is within 4.5 standard errors of its
/// expectation with probability 0.99999 for each.
#[test]
fn choices_hold_the_answer_and_are_balanced() {
    for generator in generators() {
        let first = generator.item(0, Split::Test, 0);
        assert_eq!(first.choices, generator.choices());
        if first.choices.is_empty() {
            assert_eq!(first.gold(), None);
            continue;
        }
        let n = 20_000;
        let mut counts: BTreeMap<usize, f64> = BTreeMap::new();
        for i in 0..n {
            let item = generator.item(3, Split::Train, i);
            let gold = item.gold().unwrap_or_else(|| panic!("{item:?}"));
            *counts.entry(gold).or_default() += 1.0;
        }
        let share = 1.0 / first.choices.len() as f64;
        // The border between the splits falls unevenly on small spaces, which adds to the error.
        let inputs = generator.n_inputs().unwrap_or(u64::MAX) as f64;
        let test = generator.test_share();
        let sampling = share * (1.0 - share) / n as f64;
        let border = share * (1.0 - share) / inputs * test / (1.0 - test);
        let kinds_of_skill = generator.n_skills().map_or(1.0, f64::from);
        let limit = 4.5 * (sampling + border * kinds_of_skill).sqrt();
        assert_eq!(counts.len(), first.choices.len());
        for (choice, count) in counts {
            let off = (count / n as f64 - share).abs();
            assert!(
                off < limit,
                "{generator:?}: choice {choice} off by {off}, limit {limit}"
            );
        }
    }
}
