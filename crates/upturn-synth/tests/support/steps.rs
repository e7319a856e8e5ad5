//! Whether worked steps are true, belong to the input and lead to the answer.

use super::expression::value;
use super::solve::{kind_of, rewritten, rules};
use upturn_synth::Item;

/// Panics where they do not.
pub fn check(item: &Item) {
    let steps_text = item.steps.as_deref().expect("the item has steps");
    let steps: Vec<&str> = steps_text.split(',').collect();
    let body = item.prompt.strip_suffix('=').unwrap();
    let rest = body.split_once([' ', ':']).map_or("", |(_, rest)| rest);
    let answer = item.answer.as_str();
    let last = steps[steps.len() - 1];
    let context = format!("{item:?}");
    for step in &steps {
        if let Some((left, right)) = step.split_once('=') {
            assert_eq!(value(left), value(right), "{step} in {context}");
            assert!(value(left).is_some(), "{step} in {context}");
        } else if let Some((left, right)) = step.split_once('<') {
            assert!(value(left).unwrap() < value(right).unwrap(), "{context}");
        }
    }
    let result = |step: &str| step.split_once('=').expect(step).1.to_owned();
    match kind_of(&item.prompt) {
        "addition" => {
            let (a, b) = body.split_once('+').unwrap();
            check_columns(&steps, a, b, '+');
            let mut sum = result(last);
            for step in steps.iter().rev().skip(1) {
                let column = result(step);
                sum.push_str(&column[column.len() - 1..]);
            }
            assert_eq!(sum, answer, "{context}");
        }
        "subtraction" => {
            let (a, b) = body.split_once('-').unwrap();
            let swapped = steps[0].contains('<');
            assert_eq!(swapped, answer.starts_with('-'), "{context}");
            let columns = if swapped { &steps[1..] } else { &steps[..] };
            let (a, b) = if swapped { (b, a) } else { (a, b) };
            check_columns(columns, a, b, '-');
            let digits: String = columns.iter().rev().map(|s| result(s)).collect();
            let size = digits.trim_start_matches('0');
            let size = if size.is_empty() { "0" } else { size };
            assert_eq!(size, answer.trim_start_matches('-'), "{context}");
        }
        "multiplication" => {
            assert_eq!(result(last), answer, "{context}");
            let (a, b) = body.split_once('*').unwrap();
            let products = steps.iter().filter_map(|s| s.split_once('*'));
            let (mut whole, mut parts) = (Vec::new(), 0);
            for (x, y) in products {
                whole.push(x);
                parts += value(y.split_once('=').unwrap().0).unwrap();
            }
            assert!(whole.iter().all(|x| *x == whole[0]), "{context}");
            let factors = (whole[0].to_owned(), parts.to_string());
            let given = [(a, b), (b, a)].map(|(x, y)| (x.to_owned(), y.to_owned()));
            assert!(given.contains(&factors), "{context}");
        }
        "modular" => {
            assert_eq!(result(last), answer, "{context}");
            assert_eq!(steps[0].split_once('=').unwrap().0, rest, "{context}");
        }
        "three_term" => {
            assert_eq!(result(last), answer, "{context}");
            let inner = steps[0].split_once('=').unwrap().0;
            assert!(body.contains(inner), "{context}");
        }
        "running_sum" => {
            assert_eq!(result(last), answer, "{context}");
            let mut sum = rest.split(' ').next().unwrap().to_owned();
            for (step, term) in steps.iter().zip(rest.split(' ').skip(1)) {
                assert!(step.starts_with(&format!("{sum}+{term}=")), "{context}");
                sum = result(step);
            }
        }
        "last_letters" => {
            let all: Vec<(&str, &str)> = steps.iter().map(|s| s.split_once(':').unwrap()).collect();
            let words: Vec<&str> = all.iter().map(|(w, _)| *w).collect();
            assert_eq!(words.join(" "), rest, "{context}");
            assert!(all.iter().all(|(w, l)| w.ends_with(l)), "{context}");
            let joined: String = all.iter().map(|(_, l)| *l).collect();
            assert_eq!(joined, answer, "{context}");
        }
        "coin_flip" => {
            let mut side = "h";
            for (step, does) in steps.iter().zip(rest.as_bytes().chunks(2)) {
                if does[1] == b'+' {
                    side = if side == "h" { "t" } else { "h" };
                }
                assert_eq!(*step, side, "{context}");
            }
            assert_eq!(steps.len() * 2, rest.len(), "{context}");
            assert_eq!(last == "h", answer == "yes", "{context}");
        }
        "sorting" => {
            assert_eq!(steps.len() + 1, rest.len(), "{context}");
            for (n, step) in (1..).zip(&steps) {
                assert!(step.as_bytes().is_sorted(), "{context}");
                let mut part: Vec<u8> = rest.bytes().take(n).collect();
                part.sort_unstable();
                assert_eq!(part, step.as_bytes(), "{context}");
            }
            let mut whole: Vec<u8> = last.bytes().chain(rest.bytes().last()).collect();
            whole.sort_unstable();
            assert_eq!(whole, answer.as_bytes(), "{context}");
        }
        "date" => {
            let day: i128 = value(&result(last)).unwrap();
            assert_eq!(format!("{day:02}"), answer[8..], "{context}");
        }
        "word_in_context" => assert_eq!(steps[0] == steps[1], answer == "same", "{context}"),
        "rewriting" => {
            let rules = rules(&item.question);
            let mut before = rest.to_owned();
            for step in &steps {
                let next = rewritten(&before, &rules);
                assert_eq!(next.as_deref().unwrap_or(rest), *step, "{context}");
                before = (*step).to_owned();
            }
            assert_eq!(last, answer, "{context}");
        }
        "transliteration" => {
            let all: Vec<(&str, &str)> = steps.iter().map(|s| s.split_once(':').unwrap()).collect();
            let from: String = all.iter().map(|(f, _)| *f).collect();
            let to: String = all.iter().map(|(_, t)| *t).collect();
            assert_eq!((from.as_str(), to.as_str()), (rest, answer), "{context}");
        }
        "parity" => {
            let ones = steps.iter().filter(|s| **s == "1").count();
            assert_eq!((ones % 2).to_string(), answer, "{context}");
        }
        other => panic!("{other} has steps"),
    }
}

/// Column i has the digits at place i of both numbers, of the upper one perhaps ten more.
fn check_columns(steps: &[&str], a: &str, b: &str, op: char) {
    let digit = |n: &str, i: usize| {
        let at = n.len().checked_sub(i + 1);
        at.map_or(0, |at| i128::from(n.as_bytes()[at] - b'0'))
    };
    assert_eq!(steps.len(), a.len().max(b.len()), "{steps:?}");
    for (i, step) in steps.iter().enumerate() {
        let mut terms = step.split_once('=').unwrap().0.split(op);
        let upper = value(terms.next().unwrap()).unwrap();
        let lower = value(terms.next().unwrap()).unwrap();
        assert_eq!(upper % 10, digit(a, i), "{steps:?}");
        assert_eq!(lower, digit(b, i), "{steps:?}");
        assert!(terms.all(|carry| carry == "1"), "{steps:?}");
    }
}

/// Every `… = n` in the sentences is true.
pub fn check_reasoning(item: &Item) {
    let reasoning = item.reasoning.as_deref().expect("the item has reasoning");
    assert!(!reasoning.contains("The answer is"), "{reasoning}");
    assert!(reasoning.ends_with('.'), "{reasoning}");
    assert_eq!(reasoning, reasoning.trim(), "{reasoning}");
    assert!(!reasoning.contains("  "), "{reasoning}");
    let plain = reasoning.replace(" carried", "").replace(" borrowed", "");
    let in_sum = |c: char| c.is_ascii_digit() || " +-*()".contains(c);
    let parts: Vec<&str> = plain.split(" = ").collect();
    for pair in parts.windows(2) {
        let start = pair[0]
            .char_indices()
            .rev()
            .take_while(|(_, c)| in_sum(*c))
            .last()
            .map_or(pair[0].len(), |(i, _)| i);
        let left: String = pair[0][start..].replace(' ', "");
        let end = pair[1]
            .find(|c: char| !(c.is_ascii_digit() || c == '-'))
            .unwrap_or(pair[1].len());
        assert!(value(&left).is_some(), "'{left}' in {reasoning}");
        assert_eq!(value(&left), value(&pair[1][..end]), "{reasoning}");
    }
}
