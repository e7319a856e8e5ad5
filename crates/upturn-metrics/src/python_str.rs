//! Python's idea of text: white space, words, `repr`, and the escapes of `re.escape`.

use std::fmt::Write as _;

/// The characters of `string.punctuation`.
pub const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

/// Whether Python's `str.isspace` holds for the character: Unicode white space and the four
/// information separators U+001C to U+001F, which Rust does not count.
#[must_use]
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// `str.strip()`.
#[must_use]
pub fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// `str.rstrip()`.
#[must_use]
pub fn rstrip(text: &str) -> &str {
    text.trim_end_matches(is_space)
}

/// `str.split()`: the words between runs of white space.
pub fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|word| !word.is_empty())
}

/// Number of words as lm-evaluation-harness counts them for word perplexity: the pieces that
/// `re.split(r"\s+", text)` gives, so that space at either end adds one and "" counts 1.
#[must_use]
pub fn count_words(text: &str) -> u64 {
    let mut runs = 0;
    let mut inside = false;
    for c in text.chars() {
        let space = is_space(c);
        runs += u64::from(space && !inside);
        inside = space;
    }
    runs + 1
}

/// `re.escape`: a backslash before every character that may mean something in a pattern.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if "()[]{}?*+-|^$\\.&~# \t\n\r\u{b}\u{c}".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// `repr` of a string: single quotes unless it holds those and no double ones; what Python
/// calls unprintable is escaped.
#[must_use]
pub fn repr(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    write_repr(&mut out, text);
    out
}

/// [`repr`], appended to `out`.
pub fn write_repr(out: &mut String, text: &str) {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            ' '..='~' => out.push(c),
            c if is_printable(c) => out.push(c),
            c => {
                let code = c as u32;
                // Writing to a text cannot fail.
                let _ = match code {
                    0..=0xff => write!(out, "\\x{code:02x}"),
                    0x100..=0xffff => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
            }
        }
    }
    out.push(quote);
}

/// Whether Python prints a non-ASCII character as itself. Separators, controls,
/// format characters, private use and surrogates are escaped; unassigned code
/// points are taken as printable here, though Python escapes them.
fn is_printable(c: char) -> bool {
    let code = c as u32;
    !(c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(code,
            0xad | 0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x890..=0x891 | 0x8e2 | 0x180e
            | 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x206f | 0xe000..=0xf8ff | 0xfeff
            | 0xfff9..=0xfffb | 0x110bd | 0x110cd | 0x13430..=0x1343f | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a
            | 0xe0001 | 0xe0020..=0xe007f | 0xf0000..=0x10ffff))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Python 3.11 prints for `repr(text)`.
    #[test]
    fn texts_print_as_in_python() {
        for (text, printed) in [
            ("", "''"),
            ("it's", r#""it's""#),
            ("say \"it's\"", r#"'say "it\'s"'"#),
            ("tab\t\r\n\\", r"'tab\t\r\n\\'"),
            ("\u{1}\u{7f}\u{a0}\u{ad}", r"'\x01\x7f\xa0\xad'"),
            (
                "\u{200b}\u{2028}\u{3000}\u{feff}",
                r"'\u200b\u2028\u3000\ufeff'",
            ),
            (
                "\u{e000}\u{f0000}\u{13430}",
                r"'\ue000\U000f0000\U00013430'",
            ),
            ("é数🙂", "'é数🙂'"),
        ] {
            assert_eq!(repr(text), printed);
        }
    }

    #[test]
    fn numbers_halfway_between_two_prints_take_the_even_digit() {
        use crate::FilterValue;
        assert_eq!(
            FilterValue::Float(-13.226_394_653_320_312).python_str(),
            "-13.226394653320312"
        );
        assert_eq!(FilterValue::Float(1e16).python_str(), "1e+16");
    }
}
