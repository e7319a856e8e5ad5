//! BLEU (Papineni et al. 2002) as sacreBLEU 2.6 computes it by default.

use std::collections::HashMap;

use super::ngrams;
use crate::python_str::{rstrip, split};

/// Longest n-gram.
const ORDER: usize = 4;

/// `[length, reference length, matches of 1..4, n-grams of 1..4]`.
pub(super) fn segment(prediction: &str, references: &[String]) -> Vec<f64> {
    let line = tokenize_13a(rstrip(prediction));
    let words: Vec<&str> = split(&line).collect();
    let lines: Vec<String> = references.iter().map(|r| tokenize_13a(rstrip(r))).collect();
    let references: Vec<Vec<&str>> = lines.iter().map(|line| split(line).collect()).collect();

    let mut stats = vec![0.0; 2 + 2 * ORDER];
    stats[0] = words.len() as f64;
    // The nearest length; the shorter of a tie.
    let nearest = references
        .iter()
        .map(Vec::len)
        .min_by_key(|n| (n.abs_diff(words.len()), *n));
    stats[1] = nearest.unwrap_or(0) as f64;
    for n in 1..=ORDER {
        let mut allowed: HashMap<&[&str], u32> = HashMap::new();
        for reference in &references {
            #[expect(
                clippy::iter_over_hash_type,
                reason = "a largest count does not depend on the order"
            )]
            for (gram, count) in ngrams::count(reference, n) {
                let most = allowed.entry(gram).or_insert(0);
                *most = count.max(*most);
            }
        }
        let counts = ngrams::count(&words, n);
        let matches: u32 = counts
            .iter()
            .map(|(gram, count)| *count.min(allowed.get(gram).unwrap_or(&0)))
            .sum();
        stats[1 + n] = f64::from(matches);
        stats[1 + ORDER + n] = ngrams::total(words.len(), n) as f64;
    }
    stats
}

/// Geometric mean of the n-gram precisions, in percent, times the penalty for brevity. The
/// first precision of 0 counts half a match, the next a quarter, and so on.
pub(super) fn score(totals: &[f64]) -> f64 {
    let (length, reference) = (totals[0], totals[1]);
    let (correct, total) = totals[2..].split_at(ORDER);
    if correct.iter().all(|c| *c == 0.0) {
        return 0.0;
    }
    let brevity = if length >= reference {
        1.0
    } else if length > 0.0 {
        (1.0 - reference / length).exp()
    } else {
        0.0
    };
    let mut halvings = 1.0;
    let mut logs = 0.0;
    let mut ended = false;
    for (correct, total) in correct.iter().zip(total) {
        ended = ended || *total == 0.0;
        let precision = if ended {
            0.0
        } else if *correct == 0.0 {
            halvings *= 2.0;
            100.0 / (halvings * total)
        } else {
            100.0 * correct / total
        };
        // A precision of 0 has a logarithm so low that the score is 0.
        logs += if precision == 0.0 {
            -9_999_999_999.0
        } else {
            precision.ln()
        };
    }
    brevity * (logs / ORDER as f64).exp()
}

/// The tokens of `mteval-v13a`, separated by single spaces: HTML's escapes undone, ASCII
/// punctuation apart, but for periods and commas between digits and hyphens not after one.
#[must_use]
pub fn tokenize_13a(line: &str) -> String {
    let mut line = line
        .replace("<skipped>", "")
        .replace("-\n", "")
        .replace('\n', " ");
    if line.contains('&') {
        line = line
            .replace("&quot;", "\"")
            .replace("&amp;", "&")
            .replace("&lt;", "<")
            .replace("&gt;", ">");
    }
    let mut apart = String::with_capacity(line.len() + 16);
    apart.push(' ');
    for c in line.chars() {
        if matches!(c, '{'..='~' | '['..='`' | ' '..='&' | '('..='+' | ':'..='@' | '/') {
            apart.extend([' ', c, ' ']);
        } else {
            apart.push(c);
        }
    }
    apart.push(' ');
    let stop = |c: char| c == '.' || c == ',';
    let digit = |c: char| c.is_ascii_digit();
    let line = pairs(&apart, |a, b| !digit(a) && stop(b), |a, b| [a, ' ', b, ' ']);
    let line = pairs(&line, |a, b| stop(a) && !digit(b), |a, b| [' ', a, ' ', b]);
    let line = pairs(&line, |a, b| digit(a) && b == '-', |a, b| [a, ' ', b, ' ']);
    split(&line).collect::<Vec<_>>().join(" ")
}

/// Replaces pairs of characters, from the left, each character in one pair at most.
fn pairs(
    line: &str,
    matches: impl Fn(char, char) -> bool,
    replacement: impl Fn(char, char) -> [char; 4],
) -> String {
    let mut out = String::with_capacity(line.len() + 16);
    let mut chars = line.chars().peekable();
    while let Some(a) = chars.next() {
        match chars.next_if(|b| matches(a, *b)) {
            Some(b) => out.extend(replacement(a, b)),
            None => out.push(a),
        }
    }
    out
}
