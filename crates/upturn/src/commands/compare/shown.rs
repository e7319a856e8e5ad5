//! Texts of models on a terminal: no control characters, cut by the columns they take.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Most characters that may stand on one column, marks above marks.
const MARKS_MAX: usize = 8;

/// `text` in quotation marks with what cannot be seen escaped, in at most `width` columns;
/// where it is longer, a sign after the closing mark says so. A character is shown whole, with
/// its marks, or not at all. `unicode` is whether the terminal shows more than ASCII.
pub fn quoted(text: &str, width: usize, unicode: bool) -> String {
    let ellipsis = if unicode { "…" } else { "..." };
    let sign = columns(ellipsis);
    let mut shown = String::from("\"");
    // What of it stays if the rest does not fit.
    let mut kept = shown.len();
    let mut n_marks = 0;
    for (index, c) in text.chars().enumerate() {
        let piece = piece(c, index == 0, unicode);
        n_marks = if columns(&piece) == 0 { n_marks + 1 } else { 0 };
        if n_marks > MARKS_MAX {
            continue;
        }
        shown.push_str(&piece);
        // Of the whole: some characters change the width of the one before.
        let used = columns(&shown);
        if used + 1 > width {
            shown.truncate(kept);
            return shown + "\"" + ellipsis;
        }
        // A closing mark and the sign must fit after it.
        if used + 1 + sign <= width {
            kept = shown.len();
        }
    }
    shown.push('"');
    shown
}

/// One character, or its escape sequence.
fn piece(c: char, is_first: bool, unicode: bool) -> String {
    match c {
        '\'' => c.to_string(),
        _ if !unicode && !c.is_ascii() => c.escape_unicode().to_string(),
        // A mark stays with what it stands above.
        _ if !is_first && c.width() == Some(0) => ["a", c.encode_utf8(&mut [0; 4])]
            .concat()
            .escape_debug()
            .skip(1)
            .collect(),
        _ => c.escape_debug().to_string(),
    }
}

/// Plain text, such as the name of a model, in at most `width` columns.
pub fn plain(text: &str, width: usize, unicode: bool) -> String {
    let escaped: String = text
        .chars()
        .enumerate()
        .map(|(i, c)| match c {
            '"' | '\\' => c.to_string(),
            c => piece(c, i == 0, unicode),
        })
        .collect();
    if columns(&escaped) <= width {
        return escaped;
    }
    let ellipsis = if unicode { "…" } else { "..." };
    let mut kept = String::new();
    for c in escaped.chars() {
        if columns(&kept) + c.width().unwrap_or(0) + columns(ellipsis) > width {
            break;
        }
        kept.push(c);
    }
    kept + ellipsis
}

/// Columns that a text takes on a terminal.
pub fn columns(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_escaped() {
        for (text, want) in [
            ("a\tb\n", r#""a\tb\n""#),
            ("it's \"x\\", r#""it's \"x\\""#),
            ("\u{1b}[31m\u{7}\u{202e}", r#""\u{1b}[31m\u{7}\u{202e}""#),
            ("e\u{301} 日本", "\"e\u{301} 日本\""),
            ("\u{301}", r#""\u{301}""#),
            ("", "\"\""),
        ] {
            assert_eq!(quoted(text, 60, true), want);
        }
        assert_eq!(quoted("é日", 60, false), r#""\u{e9}\u{65e5}""#);
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(quoted("abcdef", 8, true), "\"abcdef\"");
        assert_eq!(quoted("abcdefg", 8, true), "\"abcde\"…");
        // Two columns each: five do not hold a second one and the sign.
        assert_eq!(quoted("日本語", 7, true), "\"日本\"…");
        assert_eq!(quoted("日本語", 6, true), "\"日\"…");
        assert_eq!(quoted("ab\n\n", 6, true), "\"ab\"…");
        assert_eq!(
            quoted("e\u{301}e\u{301}e\u{301}", 5, true),
            "\"e\u{301}e\u{301}e\u{301}\""
        );
        assert_eq!(quoted("e\u{301}e\u{301}e\u{301}", 4, true), "\"e\u{301}\"…");
        assert_eq!(quoted("abcdefg", 8, false), "\"abc\"...");
        let zalgo = format!("a{}", "\u{301}".repeat(5000));
        assert!(quoted(&zalgo, 20, true).len() < 100);
        for width in 4..30 {
            for text in [
                "日本語 text \u{1b} long\n",
                "\n\n\n\n\n\n",
                "e\u{301}🙂🙂🙂🙂🙂🙂🙂🙂",
            ] {
                assert!(
                    columns(&quoted(text, width, true)) <= width,
                    "{text:?} in {width}"
                );
                assert!(
                    columns(&plain(text, width, true)) <= width,
                    "{text:?} in {width}"
                );
            }
        }
    }
}
