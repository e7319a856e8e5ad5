//! The answer to an item, found from its short prompt; where that rests on a world that only
//! the question tells (a lexicon, rules, which bits matter), from that.

use super::expression::value;
use std::collections::BTreeMap;
use upturn_synth::Item;

pub const WORDS: &str = include_str!("../../src/words.txt");

/// What the short prompt is, by its form alone: the name of the kind.
pub fn kind_of(prompt: &str) -> &'static str {
    let body = prompt.strip_suffix('=').expect("prompts end in =");
    let tag = body
        .split([' ', ':'])
        .next()
        .filter(|t| t.len() < body.len());
    match tag {
        Some("sum") => "running_sum",
        Some("ana" | "cyc" | "wrev") => "unscramble",
        Some("last") => "last_letters",
        Some("coin") => "coin_flip",
        Some("sort") => "sorting",
        Some("rev") => "reversal",
        Some("copy") => "copying",
        Some("date" | "mdy" | "day") => "date",
        Some("lin1" | "lin2") => "linear",
        Some("wic") => "word_in_context",
        Some("rw") => "rewriting",
        Some("tl") => "transliteration",
        Some("sub") => "substitution",
        Some("do") => "instruction",
        Some(tag) if tag.starts_with('m') => "modular",
        Some(tag) if tag.starts_with('q') => "parity",
        _ => {
            assert!(body.starts_with(|c: char| c.is_ascii_digit()), "{prompt}");
            let ops: Vec<char> = body.chars().filter(|c| "+-*".contains(*c)).collect();
            match ops[..] {
                [_, _] => "three_term",
                ['+'] => "addition",
                ['-'] => "subtraction",
                ['*'] => "multiplication",
                _ => panic!("{prompt}"),
            }
        }
    }
}

pub fn solve(item: &Item) -> String {
    let body = item.prompt.strip_suffix('=').expect("prompts end in =");
    let rest = body.split_once([' ', ':']).map_or("", |(_, rest)| rest);
    let q = item.question.as_str();
    match kind_of(&item.prompt) {
        "addition" | "subtraction" | "multiplication" | "three_term" => {
            value(body).expect(body).to_string()
        }
        "running_sum" => value(&rest.replace(' ', "+")).expect(body).to_string(),
        "modular" => {
            let m: i128 = body[1..body.find(':').unwrap()].parse().unwrap();
            value(rest).expect(body).rem_euclid(m).to_string()
        }
        "unscramble" => word(&body[..body.find(' ').unwrap()], rest),
        "last_letters" => rest.split(' ').map(|w| &w[w.len() - 1..]).collect(),
        "coin_flip" => {
            let even = rest.matches('+').count().is_multiple_of(2);
            if even { "yes" } else { "no" }.to_owned()
        }
        "sorting" => (0..=127_u8)
            .map(char::from)
            .flat_map(|c| std::iter::repeat_n(c, rest.matches(c).count()))
            .collect(),
        "reversal" => rest.chars().rev().collect(),
        "copying" => rest.to_owned(),
        "date" => date(&body[..body.find(' ').unwrap()], rest),
        "linear" => linear(&body[..4], rest),
        "word_in_context" => sense(rest, q),
        "rewriting" => normal_form(rest, q),
        "transliteration" => respelt(rest, q),
        "parity" => {
            let places = q.split("looks at bit").nth(1).unwrap();
            let places = places.split(" of ").next().unwrap();
            let places = places.trim_start_matches('s').replace(" and ", ", ");
            let ones = places
                .split(", ")
                .filter(|p| rest.as_bytes()[p.trim().parse::<usize>().unwrap() - 1] == b'1');
            (ones.count() % 2).to_string()
        }
        "substitution" => rest
            .chars()
            .map(|c| {
                let to = q.split(&format!("{c} becomes ")).nth(1).expect(q);
                to.chars().next().expect(q)
            })
            .collect(),
        "instruction" => {
            let (letters, word) = rest.split_once(' ').expect(body);
            let clauses = letters.chars().map(|c| match c {
                'r' => "reverse it",
                's' => "sort its letters",
                'e' => "move its first letter to the end",
                'f' => "move its last letter to the front",
                'c' => "leave out its first letter",
                'l' => "leave out its last letter",
                'd' => "write it twice",
                'w' => "swap its first and last letters",
                other => panic!("{other}"),
            });
            obeyed(word, clauses)
        }
        other => panic!("{other}"),
    }
}

/// What comes out of a sentence such as `Take abc, reverse it, then write it twice.`
pub fn obeyed_question(question: &str) -> String {
    let text = question.strip_prefix("Take ").expect(question);
    let text = text.strip_suffix('.').expect(question);
    let (word, clauses) = text.split_at(text.find([' ', ',']).expect(question));
    let clauses = clauses.trim_start_matches([',', ' ']);
    obeyed(word, clauses.trim_start_matches("and ").split(", then "))
}

fn obeyed<'a>(word: &str, clauses: impl Iterator<Item = &'a str>) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    for clause in clauses {
        let n = letters.len();
        letters = match clause {
            "reverse it" => letters.into_iter().rev().collect(),
            "write it twice" => [letters.clone(), letters].concat(),
            "leave out its first letter" => letters.split_off(1),
            "leave out its last letter" => letters[..n - 1].to_vec(),
            "move its first letter to the end" => [&letters[1..], &letters[..1]].concat(),
            "move its last letter to the front" => [&letters[n - 1..], &letters[..n - 1]].concat(),
            "sort its letters" => {
                let mut out = letters.clone();
                for i in 1..n {
                    let at = out[..i].partition_point(|c| *c <= out[i]);
                    out[at..=i].rotate_right(1);
                }
                out
            }
            "swap its first and last letters" => {
                let mut out = letters.clone();
                (out[0], out[n - 1]) = (letters[n - 1], letters[0]);
                out
            }
            other => panic!("{other}"),
        };
    }
    letters.into_iter().collect()
}

/// The only word of the list that fits.
fn word(tag: &str, letters: &str) -> String {
    let inner = |w: &str| {
        let mut inner: Vec<u8> = w.bytes().skip(1).take(w.len() - 2).collect();
        inner.sort_unstable();
        inner
    };
    let ends = |w: &str| (w.as_bytes()[0], w.as_bytes()[w.len() - 1]);
    let fits = |w: &&str| {
        w.len() == letters.len()
            && match tag {
                "cyc" => letters.repeat(2).contains(w),
                "wrev" => w.chars().rev().eq(letters.chars()),
                _ => ends(w) == ends(letters) && inner(w) == inner(letters),
            }
    };
    let all: Vec<&str> = WORDS.lines().filter(fits).collect();
    assert_eq!(all.len(), 1, "{tag} {letters}: {all:?}");
    assert_ne!(all[0], letters, "{tag} leaves {letters} as it is");
    all[0].to_owned()
}

fn date(tag: &str, text: &str) -> String {
    let number = |from: usize, to: usize| text[from..to].parse::<u32>().unwrap();
    let (mut y, mut m, mut d) = (number(0, 4), number(5, 7), number(8, 10));
    let length = |y: u32, m: u32| match m {
        4 | 6 | 9 | 11 => 30,
        2 if y.is_multiple_of(400) || (y.is_multiple_of(4) && !y.is_multiple_of(100)) => 29,
        2 => 28,
        _ => 31,
    };
    assert!(
        (1..=12).contains(&m) && (1..=length(y, m)).contains(&d),
        "{text}"
    );
    if tag == "mdy" {
        return format!("{m:02}/{d:02}/{y:04}");
    }
    if tag == "day" {
        // Zeller's congruence: 0 is Saturday.
        let (zy, zm) = if m < 3 { (y - 1, m + 12) } else { (y, m) };
        let h = d + 13 * (zm + 1) / 5 + zy + zy / 4 - zy / 100 + zy / 400;
        return ["sat", "sun", "mon", "tue", "wed", "thu", "fri"][(h % 7) as usize].to_owned();
    }
    let n: u32 = text[11..].parse().unwrap();
    for _ in 0..n {
        if &text[10..11] == "+" {
            d += 1;
            if d > length(y, m) {
                (m, d) = (m + 1, 1);
            }
            if m > 12 {
                (y, m) = (y + 1, 1);
            }
        } else {
            d -= 1;
            if d == 0 {
                m -= 1;
                if m == 0 {
                    (y, m) = (y - 1, 12);
                }
                d = length(y, m);
            }
        }
    }
    format!("{y:04}-{m:02}-{d:02}")
}

/// The label that every separating line gives. Directions that separate fill an angle between
/// two perpendiculars to differences of points; these have components up to 9, so their sum,
/// up to 18, lies within.
fn linear(tag: &str, rest: &str) -> String {
    let points: Vec<([i32; 2], Option<char>)> = rest
        .split(' ')
        .map(|p| {
            let n: i32 = p[..2].parse().unwrap();
            let at = if tag == "lin1" {
                [n, 0]
            } else {
                [n / 10, n % 10]
            };
            (at, p.chars().nth(2))
        })
        .collect();
    let reach = if tag == "lin1" { 1 } else { 18 };
    let mut found = None;
    for u in -reach..=reach {
        for v in -reach..=reach {
            let along = |p: &[i32; 2]| u * p[0] + v * p[1];
            let of = |label: Option<char>| {
                let all = points.iter().filter(move |(_, l)| *l == label);
                all.map(|(p, _)| along(p))
            };
            let (high_a, low_b) = (of(Some('a')).max().unwrap(), of(Some('b')).min().unwrap());
            if high_a >= low_b {
                continue;
            }
            let query = of(None).next().unwrap();
            let label = if query <= high_a {
                "a"
            } else if query >= low_b {
                "b"
            } else {
                panic!("{tag} {rest}: ({u}, {v}) leaves the label open")
            };
            assert!(found.is_none_or(|f| f == label), "{tag} {rest}: not forced");
            found = Some(label);
        }
    }
    found.expect("a line separates the points").to_owned()
}

fn sense(rest: &str, question: &str) -> String {
    let beside: Vec<Vec<String>> = question
        .split("beside ")
        .skip(1)
        .map(|part| {
            let part = part.split(['.']).next().unwrap();
            let part = part.trim_end_matches(", and another ");
            let all = part.replace(" and ", ", ");
            all.split(", ").map(|w| w.trim().to_owned()).collect()
        })
        .collect();
    let [first, second] = &beside[..] else {
        panic!("{question}")
    };
    let sense = |w: &str| {
        let (one, two) = (first.iter().any(|c| c == w), second.iter().any(|c| c == w));
        assert!(one != two, "{w} in {question}");
        two
    };
    let (x, y) = rest.split_once(':').unwrap().1.split_once(',').unwrap();
    if sense(x) == sense(y) { "same" } else { "diff" }.to_owned()
}

pub fn rules(question: &str) -> BTreeMap<String, String> {
    let list = question.split("rules:").nth(1).unwrap();
    let list = list.split('.').next().unwrap();
    list.split(',')
        .map(|rule| {
            let (from, to) = rule.trim().split_once(" becomes ").unwrap();
            (from.to_owned(), to.to_owned())
        })
        .collect()
}

pub fn rewritten(text: &str, rules: &BTreeMap<String, String>) -> Option<String> {
    let (at, from) = rules
        .keys()
        .filter_map(|from| Some((text.find(from.as_str())?, from)))
        .min()?;
    Some(format!("{}{}{}", &text[..at], rules[from], &text[at + 2..]))
}

fn normal_form(rest: &str, question: &str) -> String {
    let rules = rules(question);
    let mut text = rest.to_owned();
    while let Some(next) = rewritten(&text, &rules) {
        text = next;
    }
    text
}

fn respelt(rest: &str, question: &str) -> String {
    let list = question.split("spelling ").nth(1).unwrap();
    let list = list.split('.').next().unwrap().replace(" and ", ", ");
    let table: BTreeMap<&str, &str> = list
        .split(", ")
        .map(|pair| pair.split_once(" is ").unwrap())
        .collect();
    let (mut out, mut at) = (String::new(), 0);
    while at < rest.len() {
        // The longest sign that fits.
        let n = if rest.get(at..at + 2).is_some_and(|s| table.contains_key(s)) {
            2
        } else {
            1
        };
        out.push_str(table[&rest[at..at + n]]);
        at += n;
    }
    out
}
