//! Chance is exact: against enumeration where it can be enumerated, else against draws.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use support::{generator, generators};
use upturn_synth::{Form, Generator, Item, ShortItem, Split};

fn all_inputs(generator: &Generator) -> Vec<Item> {
    let mut all = generator.items(0, Split::Train, usize::MAX);
    all.extend(generator.items(0, Split::Test, usize::MAX));
    all
}

fn counts<'a>(items: impl Iterator<Item = &'a Item>) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for item in items {
        *counts.entry(item.answer.as_str()).or_default() += 1;
    }
    counts
}

/// Kinds that draw every input with the same probability.
fn is_uniform(generator: &Generator) -> bool {
    !["unscramble", "word_in_context", "parity", "linear"].contains(&generator.kind())
}

#[test]
fn guess_is_one_over_options_or_zero() {
    for generator in generators() {
        let guess = generator.chance().guess;
        match generator.choices().len() {
            0 if generator.kind() == "modular" => {
                let spec = generator.spec();
                let modulus = spec.split("modulus=").nth(1).unwrap();
                let modulus: f64 = modulus.split(',').next().unwrap().parse().unwrap();
                assert_eq!(guess, 1.0 / modulus);
            }
            0 => assert_eq!(guess, 0.0, "{generator:?}"),
            n => assert_eq!(guess, 1.0 / n as f64, "{generator:?}"),
        }
        assert!(generator.chance().best() >= guess);
    }
}

#[test]
fn majority_is_the_most_frequent_answer_of_all_inputs() {
    let mut tested = 0;
    for generator in generators().filter(is_uniform) {
        if generator.n_inputs().is_none_or(|n| n > 30_000) {
            continue;
        }
        let all = all_inputs(&generator);
        let counts = counts(all.iter());
        let most = *counts.values().max().expect("inputs") as f64;
        let majority = generator.chance().majority.expect("it can be counted");
        let share = most / all.len() as f64;
        assert!(
            (majority.share - share).abs() < 1e-12,
            "{generator:?}: {majority:?}, not {share}"
        );
        assert_eq!(
            counts[majority.answer.as_str()] as f64,
            most,
            "{generator:?}"
        );
        tested += 1;
    }
    assert!(tested >= 15, "{tested} tasks enumerated");
}

/// 30,000 draws from both splits (3,000 where they are slow): within 5 standard errors, and the border between the splits
/// moves a share by less than a tenth of it (small lexicons).
#[test]
fn majority_agrees_with_draws() {
    for generator in generators() {
        let Some(majority) = generator.chance().majority else {
            assert!(
                generator
                    .n_inputs()
                    .is_none_or(|n| n > upturn_synth::ENUMERABLE)
            );
            continue;
        };
        let test = generator.test_share();
        let mut item = ShortItem::default();
        let mut share = |split, n: u64| {
            let mut hits = 0.0;
            for i in 0..n {
                generator.short_item(8, split, i, Form::Direct, &mut item);
                hits += f64::from(u8::from(item.answer == majority.answer));
            }
            hits / n as f64
        };
        let n = if generator.kind() == "linear" {
            2_000
        } else {
            20_000
        };
        let seen = (1.0 - test) * share(Split::Train, n) + test * share(Split::Test, n / 2);
        let p = majority.share;
        let error = (p * (1.0 - p) / n as f64).sqrt() * 1.5;
        assert!(
            (seen - p).abs() < 5.0 * error + 0.02 * p,
            "{generator:?}: {seen}, not {p}"
        );
    }
}

/// Products whose count needs more than the list of a test.
#[test]
fn known_shares() {
    let share = |spec| generator(spec).chance().majority.expect("known").share;
    assert_eq!(share("addition:digits=3"), 1.0 / 900.0);
    assert_eq!(share("addition:digits=3,operands=upto"), 1.0 / 1000.0);
    // A prime modulus: 0·b and a·0.
    assert!((share("modular:op=*") - 193.0 / 9409.0).abs() < 1e-15);
    // C(26, 4) sets of letters.
    assert!((share("sorting") - 1.0 / 14950.0).abs() < 1e-15);
    let more = generator("multiplication:a=9,b=9").chance();
    assert_eq!(more.majority, None);
    let weekdays = generator("date:how=weekday,from=2001,to=2400").chance();
    // 400 years are 20,871 weeks.
    assert!((weekdays.majority.expect("counted").share - 1.0 / 7.0).abs() < 1e-9);
}

fn n_orders(text: &str) -> f64 {
    let n = text.len() as u64;
    let factorial = |n: u64| (1..=n).map(|i| i as f64).product::<f64>();
    let letters: BTreeSet<char> = text.chars().collect();
    let same = |c: &char| factorial(text.matches(*c).count() as u64);
    factorial(n) / letters.iter().map(same).product::<f64>()
}

#[test]
fn shortcuts_are_the_mean_chance_of_a_rearrangement() {
    for spec in [
        "sorting:length=2",
        "sorting:length=3",
        "sorting:of=digits",
        "reversal:of=digits,length=4",
        "reversal:length=3",
    ] {
        let generator = generator(spec);
        let all = all_inputs(&generator);
        let mean = all.iter().map(|i| 1.0 / n_orders(&i.answer)).sum::<f64>() / all.len() as f64;
        let shortcut = generator.chance().shortcut.expect("there is one");
        assert!(
            (shortcut.share - mean).abs() < 1e-9,
            "{spec}: {shortcut:?}, not {mean}"
        );
    }
    for spec in ["unscramble", "unscramble:how=cycle"] {
        let generator = generator(spec);
        let all = all_inputs(&generator);
        let words: BTreeSet<&str> = all.iter().map(|i| i.answer.as_str()).collect();
        let cycle = spec.contains("cycle");
        let scrambles = |w: &&str| match cycle {
            true => w.len() as f64 - 1.0,
            false => n_orders(&w[1..w.len() - 1]) - 1.0,
        };
        let mean = words.iter().map(|w| 1.0 / scrambles(w)).sum::<f64>() / words.len() as f64;
        let shortcut = generator.chance().shortcut.expect("there is one");
        assert!(
            (shortcut.share - mean).abs() < 1e-9,
            "{spec}: {shortcut:?}, not {mean}"
        );
        let majority = generator.chance().majority.expect("known").share;
        assert!((majority - 1.0 / words.len() as f64).abs() < 1e-12);
    }
    assert_eq!(generator("copying").chance().shortcut, None);
}

#[test]
fn the_shortcut_of_instructions_is_the_best_of_what_ignores_one_of_them() {
    for spec in ["instruction:pairs=unseen,length=3", "instruction:length=3"] {
        let generator = generator(spec);
        let all = all_inputs(&generator);
        let alone: BTreeMap<String, String> =
            all_inputs(&support::generator("instruction:ops=1,length=3"))
                .into_iter()
                .map(|i| (i.prompt, i.answer))
                .collect();
        let (mut first, mut last, mut none) = (0, 0, 0);
        for item in &all {
            // `do rs abc=`
            let (pair, word) = (&item.prompt[3..5], &item.prompt[6..9]);
            let single = |op: &str| &alone[&format!("do {op} {word}=")];
            first += usize::from(*single(&pair[..1]) == item.answer);
            last += usize::from(*single(&pair[1..]) == item.answer);
            none += usize::from(word == item.answer);
        }
        let share = first.max(last).max(none) as f64 / all.len() as f64;
        let shortcut = generator.chance().shortcut.expect("there is one");
        assert!(
            (shortcut.share - share).abs() < 1e-9,
            "{spec}: {shortcut:?}, not {share}"
        );
        assert!(share < 0.3, "{spec}: {share}");
    }
}
