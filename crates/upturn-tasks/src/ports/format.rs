//! `format`, `str.format` and `%`: values as Python writes them to a specification.

use std::sync::Arc;

use super::run::{MAX_SIZE, Reader};
use super::value::{Made, V, fatal, raise};

/// `format(value, spec)`.
pub(super) fn format_value(value: &V, spec: &str) -> Made<String> {
    if spec.is_empty() {
        return value.to_text();
    }
    let chars: Vec<char> = spec.chars().collect();
    let mut at = 0;
    let mut fill = ' ';
    let mut align = None;
    let is_align = |c: Option<&char>| matches!(c, Some('<' | '>' | '^'));
    if is_align(chars.get(1)) {
        fill = chars[0];
        align = Some(chars[1]);
        at = 2;
    } else if is_align(chars.first()) {
        align = Some(chars[0]);
        at = 1;
    }
    let mut sign = '-';
    if let Some(c @ ('+' | '-' | ' ')) = chars.get(at) {
        sign = *c;
        at += 1;
    }
    if chars.get(at) == Some(&'0') && align.is_none() {
        fill = '0';
        align = Some('=');
        at += 1;
    }
    let digits = |at: &mut usize| -> Option<usize> {
        let start = *at;
        while chars.get(*at).is_some_and(char::is_ascii_digit) {
            *at += 1;
        }
        chars[start..*at].iter().collect::<String>().parse().ok()
    };
    let width = digits(&mut at).unwrap_or(0);
    let comma = chars.get(at) == Some(&',');
    at += usize::from(comma);
    let precision = if chars.get(at) == Some(&'.') {
        at += 1;
        Some(digits(&mut at).unwrap_or(0))
    } else {
        None
    };
    let letter = chars.get(at).copied();
    if at + usize::from(letter.is_some()) != chars.len() || width > 10_000 || precision > Some(300)
    {
        return fatal(format!("the format '{spec}' is not read"));
    }
    let (negative, body) = match (letter, value) {
        (None | Some('s'), V::Str(text)) => {
            let text: String = match precision {
                Some(n) => text.chars().take(n).collect(),
                None => text.to_string(),
            };
            return Ok(pad(text, fill, align.unwrap_or('<'), width));
        }
        (None | Some('d'), v) if v.int().is_some() && precision.is_none() => {
            let i = v.int().unwrap_or(0);
            (i < 0, i.unsigned_abs().to_string())
        }
        (Some('f' | 'F'), v) if v.number().is_some() => {
            let x = v.number().unwrap_or(0.0);
            (
                x.is_sign_negative(),
                format!("{:.*}", precision.unwrap_or(6), x.abs()),
            )
        }
        (Some('%'), v) if v.number().is_some() => {
            let x = v.number().unwrap_or(0.0) * 100.0;
            (
                x.is_sign_negative(),
                format!("{:.*}%", precision.unwrap_or(6), x.abs()),
            )
        }
        (None, V::Float(_)) if precision.is_none() => {
            let text = value.to_text()?;
            (
                text.starts_with('-'),
                text.trim_start_matches('-').to_string(),
            )
        }
        _ => {
            return fatal(format!(
                "the format '{spec}' of a {} is not read",
                value.kind()
            ));
        }
    };
    let body = if comma { grouped(&body) } else { body };
    let sign = match (negative, sign) {
        (true, _) => "-",
        (false, '+') => "+",
        (false, ' ') => " ",
        _ => "",
    };
    if align == Some('=') {
        let missing = width.saturating_sub(sign.len() + body.chars().count());
        return Ok(format!("{sign}{}{body}", "0".repeat(missing)));
    }
    Ok(pad(
        format!("{sign}{body}"),
        fill,
        align.unwrap_or('>'),
        width,
    ))
}

fn grouped(body: &str) -> String {
    let (whole, rest) = body.split_at(body.find(['.', '%']).unwrap_or(body.len()));
    let mut out = String::new();
    for (i, c) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(c);
    }
    out + rest
}

pub(super) fn pad(text: String, fill: char, align: char, width: usize) -> String {
    let missing = width.saturating_sub(text.chars().count());
    let (left, right) = match align {
        '<' => (0, missing),
        '^' => (missing / 2, missing - missing / 2),
        _ => (missing, 0),
    };
    let fills = |n: usize| fill.to_string().repeat(n);
    fills(left) + &text + &fills(right)
}

/// `template.format(…)`.
pub(super) fn str_format(
    reader: &Reader,
    template: &str,
    args: &[V],
    named: &[(Arc<str>, V)],
) -> Made<String> {
    let mut out = String::new();
    let mut rest = template;
    let mut counted = 0;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        let sign = &rest[at..=at];
        rest = &rest[at + 1..];
        if rest.starts_with(sign) {
            out.push_str(sign);
            rest = &rest[1..];
            continue;
        }
        if sign == "}" {
            return raise("ValueError", "Single '}' encountered in format string");
        }
        let Some(end) = rest.find('}') else {
            return raise("ValueError", "expected '}' before end of string");
        };
        let field = &rest[..end];
        rest = &rest[end + 1..];
        if field.contains('{') {
            return fatal("a format within a format is not read");
        }
        let (name, spec) = field.split_once(':').unwrap_or((field, ""));
        let (name, conversion) = name.split_once('!').unwrap_or((name, ""));
        let first = name.find(['.', '[']).unwrap_or(name.len());
        let (root, mut path) = name.split_at(first);
        let mut value = if root.is_empty() {
            counted += 1;
            args.get(counted - 1).cloned()
        } else if let Ok(i) = root.parse::<usize>() {
            args.get(i).cloned()
        } else {
            match named.iter().find(|(n, _)| **n == *root) {
                Some((_, value)) => Some(value.clone()),
                None => return raise("KeyError", format!("'{root}'")),
            }
        };
        while let (Some(owner), false) = (&value, path.is_empty()) {
            let Some((index, after)) = path.strip_prefix('[').and_then(|p| p.split_once(']'))
            else {
                return fatal("an attribute in a format is not read");
            };
            let index = match index.parse() {
                Ok(i) => V::Int(i),
                Err(_) => V::str(index),
            };
            value = Some(reader.item(owner, &index)?);
            path = after;
        }
        let Some(value) = value else {
            return raise("IndexError", "Replacement index out of range");
        };
        let value = match conversion {
            "" => value,
            "r" => V::str(value.repr()?),
            "s" => V::str(value.to_text()?),
            _ => return fatal("'!a' is not read"),
        };
        out.push_str(&format_value(&value, spec)?);
        if out.len() > MAX_SIZE {
            return fatal("makes too long a text");
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// `template % args`: `%s`, `%d`, `%r`, `%f` and `%.nf`.
pub(super) fn percent(template: &str, args: &V) -> Made<String> {
    let all = match args {
        V::Tuple(items) => items.to_vec(),
        other => vec![other.clone()],
    };
    let mut all = all.into_iter();
    let mut out = String::new();
    let mut chars = template.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut spec = String::new();
        loop {
            match chars.next() {
                Some('%') if spec.is_empty() => {
                    out.push('%');
                    break;
                }
                Some(c @ ('0'..='9' | '.')) => spec.push(c),
                Some(c @ ('s' | 'd' | 'r' | 'f')) => {
                    let Some(value) = all.next() else {
                        return raise("TypeError", "not enough arguments for format string");
                    };
                    out.push_str(&match c {
                        'f' => format_value(&value, &format!("{spec}f"))?,
                        'd' if spec.is_empty() => match value.number() {
                            Some(x) => format!("{x:.0}"),
                            None => return raise("TypeError", "%d format: a number is required"),
                        },
                        's' if spec.is_empty() => value.to_text()?,
                        'r' if spec.is_empty() => value.repr()?,
                        _ => return fatal(format!("the format '%{spec}{c}' is not read")),
                    });
                    break;
                }
                _ => return fatal("a format after '%' is not read"),
            }
        }
    }
    Ok(out)
}
