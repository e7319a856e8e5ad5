//! No input is in both splits, items are distinct, and lists are what they promise.

mod support;

use std::collections::HashSet;
use support::{generator, generators};
use upturn_synth::{Form, Generator, Item, ShortItem, Split};

fn prompts(items: &[Item]) -> HashSet<&str> {
    items.iter().map(|item| item.prompt.as_str()).collect()
}

#[test]
fn no_input_is_in_both_splits() {
    for generator in generators() {
        let train = generator.items(1, Split::Train, 3_000);
        let test = generator.items(2, Split::Test, 3_000);
        assert!(
            prompts(&train).is_disjoint(&prompts(&test)),
            "{generator:?}"
        );
        // Nor under another seed, nor in documents.
        let mut item = ShortItem::default();
        let test = prompts(&test);
        for i in 0..3_000 {
            generator.short_item(7, Split::Train, i, Form::Direct, &mut item);
            assert!(
                !test.contains(item.prompt.as_str()),
                "{generator:?}: {item:?}"
            );
        }
    }
}

#[test]
fn items_are_distinct_and_a_smaller_number_gives_a_beginning() {
    for generator in generators() {
        for split in [Split::Train, Split::Test] {
            let many = generator.items(5, split, 1_500);
            assert_eq!(prompts(&many).len(), many.len(), "{generator:?}");
            let few = generator.items(5, split, 40);
            assert_eq!(few, many[..few.len()], "{generator:?}");
            let all = generator.n_distinct(split).unwrap_or(u64::MAX);
            assert_eq!(many.len() as u64, all.min(1_500), "{generator:?}");
        }
    }
}

/// The lists of both splits are all inputs, each once: so inputs are numbered one to one, and
/// what is drawn is what is numbered.
#[test]
fn both_splits_together_are_all_inputs() {
    let small = generators().filter(|g| g.n_inputs().is_some_and(|n| n <= 30_000));
    let mut tested = 0;
    for generator in small {
        let n = generator.n_inputs().expect("small");
        let train = generator.items(0, Split::Train, usize::MAX);
        let test = generator.items(0, Split::Test, usize::MAX);
        let mut all = prompts(&train);
        all.extend(prompts(&test));
        assert_eq!(all.len() as u64, n, "{generator:?}");
        assert_eq!((train.len() + test.len()) as u64, n, "{generator:?}");
        assert_eq!(generator.n_distinct(Split::Train), Some(train.len() as u64));
        assert_eq!(generator.n_distinct(Split::Test), Some(test.len() as u64));
        tested += 1;
    }
    assert!(tested >= 20, "{tested} small tasks");
}

/// The number of test inputs is within 5 standard deviations of its share.
#[test]
fn test_split_has_its_share() {
    for generator in generators() {
        let (Some(n), Some(test)) = (generator.n_inputs(), generator.n_distinct(Split::Test))
        else {
            assert_eq!(generator.test_share(), 1.0 / 16.0);
            continue;
        };
        let share = generator.test_share();
        assert_eq!(share, if n < 100_000 { 0.25 } else { 0.0625 });
        let n = n as f64;
        let off = (test as f64 - n * share).abs() / (n * share * (1.0 - share)).sqrt();
        assert!(off < 5.0, "{generator:?}: {test} of {n}");
        let train = generator.n_distinct(Split::Train).expect("as for test");
        assert_eq!(train + test, n as u64);
    }
}

#[test]
fn items_depend_on_seed_split_index_and_task_alone() {
    for generator in generators() {
        let again = Generator::parse(generator.spec()).expect("a spec is read back");
        assert_eq!(again.name(), generator.name());
        let backwards: Vec<Item> = (0..20)
            .rev()
            .map(|i| again.item(9, Split::Test, i))
            .collect();
        for (i, item) in (0..20).rev().zip(&backwards) {
            assert_eq!(*item, generator.item(9, Split::Test, i));
        }
        let list = |seed| {
            (0..20)
                .map(|i| generator.item(seed, Split::Train, i))
                .collect::<Vec<_>>()
        };
        assert_ne!(list(1), list(2), "{generator:?}");
    }
}

#[test]
fn short_items_are_the_short_part_of_items() {
    for generator in generators() {
        for i in 0..50 {
            let item = generator.item(4, Split::Train, i);
            let mut short = ShortItem::default();
            generator.short_item(4, Split::Train, i, Form::Steps, &mut short);
            assert_eq!(short.prompt, item.prompt);
            assert_eq!(short.steps, item.steps.unwrap_or_default());
            assert_eq!(short.answer, item.answer);
            assert_eq!(short.skill, item.skill);
            generator.short_item(4, Split::Train, i, Form::Direct, &mut short);
            assert_eq!(short.steps, "");
        }
    }
}

#[test]
fn documents_are_runs_of_items_with_the_loss_on_answers() {
    for generator in generators() {
        for form in [Form::Direct, Form::Steps] {
            if generator.kind() == "substitution" {
                // Its documents keep one table: see below.
                continue;
            }
            let document = generator.document(6, 3, 4, form);
            let (mut text, mut answers) = (String::new(), Vec::new());
            for i in 12..16 {
                let item = generator.item(6, Split::Train, i);
                let (prompt, rest) = item.short(form);
                text.push_str(&format!("{prompt}{rest}\n"));
                answers.push(format!("{rest}\n"));
            }
            assert_eq!(document.text, text);
            let spans: Vec<&str> = document.spans.iter().map(|s| &text[s.clone()]).collect();
            assert_eq!(spans, answers);
            assert_eq!(document.spans.len(), 4);
        }
    }
}

#[test]
fn skills_are_drawn_by_a_power_law_and_can_be_had_alone() {
    let task = generator("parity:skills=30,bits=10,alpha=0.5");
    assert_eq!(task.n_skills(), Some(30));
    let frequency = |s| task.skill_frequency(s).expect("a skill");
    let sum: f64 = (0..30).map(frequency).sum();
    assert!((sum - 1.0).abs() < 1e-12);
    for s in 0..30 {
        let law = frequency(0) * f64::from(s + 1).powf(-1.5);
        assert!((frequency(s) - law).abs() < 1e-11, "skill {s}");
    }
    let n = 40_000;
    let mut counts = [0.0; 30];
    for i in 0..n {
        let skill = task.item(0, Split::Train, i).skill.expect("a skill");
        counts[skill as usize] += 1.0;
    }
    for (s, count) in counts.into_iter().enumerate() {
        // The border between the splits takes a share of each skill that varies by 1.8 %.
        let p = frequency(s as u32);
        let error = (n as f64 * p).sqrt() + 0.02 * n as f64 * p;
        assert!(
            (count - n as f64 * p).abs() < 5.0 * error,
            "skill {s}: {count}"
        );
    }
    for s in [0, 29] {
        let items = task.items_for_skill(0, Split::Test, s, usize::MAX);
        assert_eq!(
            Some(items.len() as u64),
            task.n_distinct_for_skill(Split::Test, s)
        );
        assert_eq!(prompts(&items).len(), items.len());
        assert!(items.iter().all(|item| item.skill == Some(s)));
        let training = task.items_for_skill(0, Split::Train, s, usize::MAX);
        assert_eq!(items.len() + training.len(), 1 << 10);
    }
    assert!(task.items_for_skill(0, Split::Test, 30, 5).is_empty());
    assert_eq!(task.skill_frequency(30), None);
    let plain = generator("addition");
    assert_eq!(
        (plain.n_skills(), plain.item(0, Split::Test, 0).skill),
        (None, None)
    );
    assert!(plain.items_for_skill(0, Split::Test, 0, 5).is_empty());
}

#[test]
fn a_document_keeps_one_hidden_table_and_documents_have_all() {
    let task = generator("substitution:tables=5");
    let test = task.items(0, Split::Test, usize::MAX);
    let test = prompts(&test);
    // Which tables fit all lines of a document.
    let fits = |text: &str, table: u32| {
        let of_table = |split| task.items_for_skill(0, split, table, usize::MAX);
        let known = of_table(Split::Train);
        text.lines().all(|line| {
            let (prompt, answer) = line.rsplit_once('=').expect("a line has =");
            assert!(!test.contains(format!("{prompt}=").as_str()), "{line}");
            let item = known.iter().find(|i| i.prompt == format!("{prompt}="));
            item.expect("an input of the training split").answer == answer
        })
    };
    let mut seen = [0; 5];
    for index in 0..40 {
        let document = task.document(3, index, 6, Form::Direct);
        assert_eq!(document.spans.len(), 6);
        assert_eq!(document.text.lines().count(), 6);
        let fitting: Vec<u32> = (0..5).filter(|t| fits(&document.text, *t)).collect();
        assert_eq!(fitting.len(), 1, "{}", document.text);
        seen[fitting[0] as usize] += 1;
    }
    // A table is left out of 40 documents with probability 5 · 0.8^40 < 0.001.
    assert!(seen.iter().all(|n| *n > 0), "{seen:?}");
    let mixed = task.items(3, Split::Train, 100);
    assert!(mixed.iter().any(|i| i.skill != mixed[0].skill));
}

#[test]
fn a_hidden_table_is_the_same_whatever_their_number_and_others_are_new() {
    let few = generator("substitution:tables=5");
    let many = generator("substitution:tables=50");
    let answers = |task: &Generator, skill| -> Vec<(String, String)> {
        let mut all: Vec<(String, String)> = [Split::Train, Split::Test]
            .into_iter()
            .flat_map(|split| task.items_for_skill(1, split, skill, usize::MAX))
            .map(|item| (item.prompt, item.answer))
            .collect();
        all.sort();
        all
    };
    assert_eq!(answers(&few, 4), answers(&many, 4));
    assert_eq!(answers(&few, 4).len(), 8_usize.pow(4));
    let told: HashSet<_> = (0..50).map(|skill| answers(&many, skill)).collect();
    // 50 of 8! orders: two are the same with probability 0.03, and these are not.
    assert_eq!(told.len(), 50);
    assert!(few.items_for_skill(0, Split::Test, 5, 3).is_empty());
}
