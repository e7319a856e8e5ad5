//! Text for terminals: width, colour and the cleaning of names, shared by every text report.

mod agreement;
mod explain;
pub mod forecast;
mod picture;
mod plan;
mod questions;
mod section;
mod summary;

pub use agreement::agreement;
pub use explain::explain;
pub use plan::plan;
pub use section::section;
pub use summary::summary;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};
use upturn_types::VerdictClass;

use crate::names::is_hostile;
use crate::numbers::Signs;

/// What a terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextOptions {
    /// Columns; 40 at least are used.
    pub width: usize,
    /// Whether colour codes are written.
    pub color: bool,
    /// Whether each listed curve gets a small plot.
    pub plot: bool,
    /// Most rows of one list; `None` for all.
    pub limit: Option<usize>,
    /// Whether characters outside ASCII may be written.
    pub unicode: bool,
}

impl Default for TextOptions {
    fn default() -> Self {
        TextOptions {
            width: 100,
            color: false,
            plot: false,
            limit: None,
            unicode: true,
        }
    }
}

/// A terminal being written to.
struct Term {
    width: usize,
    color: bool,
    unicode: bool,
    signs: Signs,
    out: String,
}

/// What a piece of text is, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tone {
    Plain,
    Heading,
    Strong,
    Quiet,
    Class(VerdictClass),
}

impl Tone {
    fn code(self) -> Option<&'static str> {
        match self {
            Tone::Plain => None,
            Tone::Heading => Some("1;4"),
            Tone::Strong => Some("1"),
            Tone::Quiet => Some("2"),
            Tone::Class(VerdictClass::Emergent) => Some("1;32"),
            Tone::Class(VerdictClass::Acquired) => Some("36"),
            Tone::Class(VerdictClass::Smooth) => Some("34"),
            Tone::Class(VerdictClass::Flat) => None,
            Tone::Class(VerdictClass::Inverse) => Some("31"),
            Tone::Class(VerdictClass::Undecided) => Some("33"),
        }
    }
}

impl Term {
    fn new(options: &TextOptions) -> Term {
        Term {
            width: options.width.max(40),
            color: options.color,
            unicode: options.unicode,
            signs: Signs::new(options.unicode),
            out: String::new(),
        }
    }

    /// `text` as it may be shown: no control or direction-changing characters, and ASCII
    /// alone where the terminal shows no other.
    fn clean(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '\t' | '\n' | '\r' => out.push(' '),
                c if is_hostile(c) => out.push(if self.unicode { '\u{fffd}' } else { '?' }),
                c if self.unicode || c.is_ascii() => out.push(c),
                '–' | '—' | '−' | '‑' => out.push('-'),
                '×' => out.push('x'),
                'τ' => out.push_str("tau"),
                'χ' => out.push_str("chi"),
                '²' => out.push('2'),
                'é' => out.push('e'),
                '≥' => out.push_str(">="),
                '≤' => out.push_str("<="),
                '→' => out.push_str("->"),
                '…' => out.push_str("..."),
                '’' | '‘' => out.push('\''),
                '“' | '”' => out.push('"'),
                'δ' => out.push_str("delta"),
                'Δ' => out.push_str("Delta"),
                'α' => out.push_str("alpha"),
                _ => out.push('?'),
            }
        }
        out
    }

    fn tone(&self, text: &str, tone: Tone) -> String {
        match tone.code() {
            Some(code) if self.color && !text.is_empty() => {
                format!("\u{1b}[{code}m{text}\u{1b}[0m")
            }
            _ => text.to_owned(),
        }
    }

    fn line(&mut self, text: &str) {
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    fn blank(&mut self) {
        self.out.push('\n');
    }

    fn heading(&mut self, text: &str) {
        if !self.out.is_empty() {
            self.blank();
        }
        let text = self.tone(&self.clean(text), Tone::Heading);
        self.line(&text);
    }

    /// A paragraph, cleaned and wrapped, each line after `indent` blanks and `first` (its
    /// first line) or as many blanks.
    fn paragraph(&mut self, text: &str, indent: usize, first: &str, tone: Tone) {
        let text = self.clean(text);
        let lead = indent + width(first);
        for (i, row) in wrap(&text, self.width.saturating_sub(lead))
            .iter()
            .enumerate()
        {
            let head = if i == 0 {
                format!("{}{first}", " ".repeat(indent))
            } else {
                " ".repeat(lead)
            };
            let row = self.tone(row, tone);
            self.line(&format!("{head}{row}"));
        }
    }

    fn text(&mut self, text: &str) {
        self.paragraph(text, 0, "", Tone::Plain);
    }
}

/// Columns that `text` takes.
fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// `text` cut to `room` columns, with `ellipsis` where something is left out.
fn fit(text: &str, room: usize, ellipsis: &str) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut left = room.saturating_sub(width(ellipsis));
    let mut out = String::new();
    for c in text.chars() {
        let w = c.width().unwrap_or(0);
        if w > left {
            break;
        }
        left -= w;
        out.push(c);
    }
    out.push_str(ellipsis);
    out
}

/// `text` filled with blanks to `room` columns.
fn pad(text: &str, room: usize) -> String {
    format!("{text}{}", " ".repeat(room.saturating_sub(width(text))))
}

/// `text` in lines of at most `room` columns; only a word longer than that is broken.
fn wrap(text: &str, room: usize) -> Vec<String> {
    let room = room.max(8);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let mut word = word.to_owned();
        loop {
            let gap = usize::from(!line.is_empty());
            if width(&line) + gap + width(&word) <= room {
                if gap == 1 {
                    line.push(' ');
                }
                line.push_str(&word);
                break;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
                continue;
            }
            let head = fit(&word, room, "");
            if head.is_empty() {
                break;
            }
            word = word.split_off(head.len());
            lines.push(head);
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_wrapped_by_columns_and_long_words_broken() {
        assert_eq!(wrap("one two three four", 9), ["one two", "three", "four"]);
        assert_eq!(wrap("abcdefghijklmnop", 8), ["abcdefgh", "ijklmnop"]);
        // Wide characters take two columns each.
        assert_eq!(wrap("漢字漢字漢字", 8), ["漢字漢字", "漢字"]);
        assert!(wrap("", 20).is_empty());
    }

    #[test]
    fn names_cannot_steer_the_terminal() {
        let term = |unicode| {
            Term::new(&TextOptions {
                unicode,
                ..TextOptions::default()
            })
        };
        assert_eq!(
            term(true).clean("a\u{1b}[31mb\u{202e}c"),
            "a\u{fffd}[31mb\u{fffd}c"
        );
        assert_eq!(term(false).clean("δ ≥ 漢\u{7}"), "delta >= ??");
    }

    #[test]
    fn text_is_cut_with_room_for_the_ellipsis() {
        assert_eq!(fit("abcdef", 4, "…"), "abc…");
        assert_eq!(fit("abcd", 4, "…"), "abcd");
        assert_eq!(width(&fit("漢字漢字", 4, "…")), 3);
    }
}
