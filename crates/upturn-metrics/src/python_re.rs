//! Python's regular expressions: its syntax translated, its way of finding all matches kept.
//!
//! The engine is `fancy-regex`. Where the two languages differ the pattern is rewritten:
//! `\w`, `\s`, `\b` get Python's sets of characters, `$` matches before a final newline, `\Z`
//! only at the end, `[` inside a set is a character, verbose patterns lose their space, named
//! groups become numbered ones.
//!
//! One known difference is left: of a group that may match nothing and is itself repeated,
//! such as `(a*)*`, Python may keep an empty last round where this keeps the round before.

use std::iter::Peekable;
use std::str::Chars;
use std::sync::OnceLock;

use fancy_regex::{Regex, RegexBuilder};

use crate::MetricError;

/// Steps of backtracking before a search is given up: seconds, where Python might never end.
const BACKTRACK_LIMIT: usize = 50_000_000;
/// Largest compiled size of a part, in bytes.
const SIZE_LIMIT: usize = 64 << 20;

/// What `findall` gives for one match: the whole match or its only group, or every group
/// where the pattern has several. A group that took no part is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundText {
    /// No group, or one.
    One(String),
    /// Two groups or more.
    Groups(Vec<String>),
}

/// Places of the groups of a match in bytes; the first is the whole match.
pub type GroupSpans = Vec<Option<(usize, usize)>>;

/// A compiled pattern of Python's `re`.
#[derive(Debug, Clone)]
pub struct PyRegex {
    source: String,
    translated: String,
    regex: Regex,
    /// The pattern where a match at the very start must not be empty.
    non_empty: OnceLock<Regex>,
    n_groups: usize,
    names: Vec<(String, usize)>,
}

impl PyRegex {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// When Python would refuse it, or it uses `\N{...}`, which is not supported.
    pub fn new(pattern: &str) -> Result<Self, MetricError> {
        let fail = |reason: String| MetricError::Pattern {
            pattern: pattern.to_owned(),
            reason,
        };
        let (translated, n_groups, names) = translate(pattern).map_err(fail)?;
        let regex = build(&translated).map_err(|e| fail(one_line(&e)))?;
        Ok(PyRegex {
            source: pattern.to_owned(),
            translated,
            regex,
            non_empty: OnceLock::new(),
            n_groups,
            names,
        })
    }

    /// The pattern as given.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.source
    }

    /// Names of groups, with their numbers.
    #[must_use]
    pub fn group_names(&self) -> &[(String, usize)] {
        &self.names
    }

    /// Every match as `re.finditer` goes through them: the places of its groups in bytes, of
    /// the whole match first; none for a group that took no part.
    ///
    /// # Errors
    /// When the search needs too many steps.
    pub fn find_spans(&self, text: &str) -> Result<Vec<GroupSpans>, MetricError> {
        let mut found = Vec::new();
        self.each_match(text, |groups| found.push(self.spans(groups)))?;
        Ok(found)
    }

    /// `re.search` from a byte of the text on.
    ///
    /// # Errors
    /// When the search needs too many steps.
    pub fn search(&self, text: &str, from: usize) -> Result<Option<GroupSpans>, MetricError> {
        let captures = self
            .regex
            .captures_from_pos(text, from)
            .map_err(|e| self.fail(&e))?;
        Ok(captures.map(|groups| self.spans(&groups)))
    }

    fn spans(&self, groups: &fancy_regex::Captures<'_>) -> GroupSpans {
        (0..=self.n_groups)
            .map(|i| groups.get(i).map(|m| (m.start(), m.end())))
            .collect()
    }

    /// `re.findall`.
    ///
    /// # Errors
    /// When the search needs too many steps.
    pub fn find_all(&self, text: &str) -> Result<Vec<FoundText>, MetricError> {
        let mut found = Vec::new();
        self.each_match(text, |groups| {
            let group = |i: usize| {
                let span = groups.get(i).map(|m| (m.start(), m.end()));
                span.map_or(String::new(), |(a, b)| text[a..b].to_owned())
            };
            found.push(match self.n_groups {
                0 => FoundText::One(group(0)),
                1 => FoundText::One(group(1)),
                n => FoundText::Groups((1..=n).map(group).collect()),
            });
        })?;
        Ok(found)
    }

    /// `re.sub(pattern, "", text)`.
    ///
    /// # Errors
    /// When the search needs too many steps.
    pub fn remove_all(&self, text: &str) -> Result<String, MetricError> {
        let mut out = String::with_capacity(text.len());
        let mut last = 0;
        self.each_match(text, |groups| {
            if let Some(whole) = groups.get(0) {
                out.push_str(&text[last..whole.start()]);
                last = whole.end();
            }
        })?;
        out.push_str(&text[last..]);
        Ok(out)
    }

    /// `re.sub(pattern, replacement, text)` where the replacement is plain text.
    ///
    /// # Errors
    /// When the search needs too many steps.
    pub fn replace_all(&self, text: &str, replacement: &str) -> Result<String, MetricError> {
        let mut out = String::with_capacity(text.len());
        let mut last = 0;
        self.each_match(text, |groups| {
            if let Some(whole) = groups.get(0) {
                out.push_str(&text[last..whole.start()]);
                out.push_str(replacement);
                last = whole.end();
            }
        })?;
        out.push_str(&text[last..]);
        Ok(out)
    }

    /// Walks over the matches as Python does: an empty match may follow a match at once, and
    /// after an empty match the next one from the same place must not be empty.
    fn each_match(
        &self,
        text: &str,
        mut visit: impl FnMut(&fancy_regex::Captures<'_>),
    ) -> Result<(), MetricError> {
        let mut position = 0;
        let mut last_was_empty = false;
        loop {
            let regex = if last_was_empty {
                self.non_empty()?
            } else {
                &self.regex
            };
            let captures = regex
                .captures_from_pos(text, position)
                .map_err(|e| self.fail(&e))?;
            let Some(captures) = captures else {
                return Ok(());
            };
            let Some(whole) = captures.get(0) else {
                return Ok(());
            };
            visit(&captures);
            position = whole.end();
            last_was_empty = whole.start() == whole.end();
        }
    }

    fn non_empty(&self) -> Result<&Regex, MetricError> {
        if self.non_empty.get().is_none() {
            let text = format!("(?:{})(?!\\G)", self.translated);
            let regex = build(&text).map_err(|e| self.fail(&e))?;
            let _ = self.non_empty.set(regex);
        }
        self.non_empty.get().ok_or_else(|| MetricError::Pattern {
            pattern: self.source.clone(),
            reason: "could not be prepared".to_owned(),
        })
    }

    fn fail(&self, error: &fancy_regex::Error) -> MetricError {
        MetricError::Pattern {
            pattern: self.source.clone(),
            reason: one_line(error),
        }
    }
}

fn build(pattern: &str) -> Result<Regex, fancy_regex::Error> {
    RegexBuilder::new(pattern)
        .backtrack_limit(BACKTRACK_LIMIT)
        .delegate_size_limit(SIZE_LIMIT)
        .build()
}

fn one_line(error: &fancy_regex::Error) -> String {
    let text = error.to_string();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Flags that change how the rest of a group is read.
#[derive(Clone, Copy, Default)]
struct Flags {
    multi_line: bool,
    verbose: bool,
    ascii: bool,
}

impl Flags {
    /// Members of `\w`, for use inside a set.
    fn word(self) -> &'static str {
        if self.ascii {
            "a-zA-Z0-9_"
        } else {
            r"\p{L}\p{N}_"
        }
    }

    /// Members of `\s`, for use inside a set.
    fn space(self) -> &'static str {
        if self.ascii {
            r"\x20\t\n\r\x0b\x0c"
        } else {
            r"\s\x{1c}-\x{1f}"
        }
    }

    /// Members of `\d`, for use inside a set.
    fn digit(self) -> &'static str {
        if self.ascii { "0-9" } else { r"\p{Nd}" }
    }

    /// The set that `\d`, `\D`, `\w`, `\W`, `\s` or `\S` stands for.
    fn class(self, letter: char) -> String {
        let members = match letter.to_ascii_lowercase() {
            'd' => self.digit(),
            'w' => self.word(),
            _ => self.space(),
        };
        let not = if letter.is_ascii_uppercase() { "^" } else { "" };
        format!("[{not}{members}]")
    }
}

struct Translator<'a> {
    input: Peekable<Chars<'a>>,
    out: String,
    names: Vec<(String, usize)>,
    n_groups: usize,
}

/// A pattern in `fancy-regex`'s syntax, its number of groups, and those with names.
type Translated = (String, usize, Vec<(String, usize)>);

/// The pattern in `fancy-regex`'s syntax, with what is known of its groups.
fn translate(pattern: &str) -> Result<Translated, String> {
    let mut t = Translator {
        input: pattern.chars().peekable(),
        out: String::with_capacity(pattern.len() + 16),
        names: Vec::new(),
        n_groups: 0,
    };
    t.alternatives(Flags::default(), 0)?;
    match t.input.next() {
        None => Ok((t.out, t.n_groups, t.names)),
        Some(_) => Err("unbalanced parenthesis".to_owned()),
    }
}

/// Deepest nesting of groups that is read.
const DEPTH_MAX: usize = 100;

impl Translator<'_> {
    fn eat(&mut self, c: char) -> bool {
        self.input.next_if_eq(&c).is_some()
    }

    /// Whether the rest of the input starts with `text`; if so it is consumed.
    fn eat_str(&mut self, text: &str) -> bool {
        let mut ahead = self.input.clone();
        if text.chars().all(|c| ahead.next_if_eq(&c).is_some()) {
            self.input = ahead;
            return true;
        }
        false
    }

    fn until(&mut self, end: char, what: &str) -> Result<String, String> {
        let mut text = String::new();
        for c in self.input.by_ref() {
            if c == end {
                return Ok(text);
            }
            text.push(c);
        }
        Err(format!("missing `{end}` after {what}"))
    }

    /// Reads up to a closing parenthesis, which is left, or the end.
    fn alternatives(&mut self, mut flags: Flags, depth: usize) -> Result<(), String> {
        if depth > DEPTH_MAX {
            return Err(format!("more than {DEPTH_MAX} groups inside each other"));
        }
        // Where the last thing that can be repeated starts in the output.
        let mut atom = None;
        while let Some(&c) = self.input.peek() {
            if c == ')' {
                break;
            }
            self.input.next();
            if flags.verbose {
                if " \t\n\r\u{b}\u{c}".contains(c) {
                    continue;
                }
                if c == '#' {
                    while self.input.next_if(|&c| c != '\n').is_some() {}
                    continue;
                }
            }
            let start = self.out.len();
            match c {
                '|' => {
                    self.out.push('|');
                    atom = None;
                    continue;
                }
                '*' | '+' | '?' => {
                    self.repeat(&c.to_string(), atom)?;
                    atom = None;
                    continue;
                }
                '{' => {
                    if let Some(quantifier) = self.braces() {
                        self.repeat(&quantifier, atom)?;
                        atom = None;
                        continue;
                    }
                    self.literal('{');
                }
                '.' | '^' if !(c == '^' && flags.multi_line) => self.out.push(c),
                '^' => self.out.push_str("(?m:^)"),
                '$' if flags.multi_line => self.out.push_str("(?m:$)"),
                '$' => self.out.push_str(r"(?=\n?\z)"),
                '[' => self.set(flags)?,
                '\\' => self.escape(flags)?,
                '(' => {
                    if self.group(&mut flags, depth)? {
                        continue;
                    }
                }
                c => self.literal(c),
            }
            atom = Some(start);
        }
        Ok(())
    }

    /// After a quantifier: lazy and possessive forms. A possessive one becomes an atomic group.
    fn repeat(&mut self, quantifier: &str, atom: Option<usize>) -> Result<(), String> {
        let Some(atom) = atom else {
            return Err(format!("nothing to repeat before `{quantifier}`"));
        };
        let lazy = self.eat('?');
        let possessive = !lazy && self.eat('+');
        // The engine does not repeat look-around: once is as good as often.
        let looks = ["(?=", "(?!", "(?<=", "(?<!"];
        if looks.iter().any(|look| self.out[atom..].starts_with(look)) {
            let optional = quantifier.starts_with(['*', '?']) || quantifier.starts_with("{0");
            if optional && lazy {
                self.out.insert_str(atom, "(?:|");
                self.out.push(')');
            } else if optional {
                self.out.insert_str(atom, "(?:");
                self.out.push_str("|)");
            }
            return Ok(());
        }
        self.out.push_str(quantifier);
        if lazy {
            self.out.push('?');
        } else if possessive {
            self.out.insert_str(atom, "(?>");
            self.out.push(')');
        }
        Ok(())
    }

    /// After `{`: the quantifier, or `None` where Python takes the brace as a character.
    fn braces(&mut self) -> Option<String> {
        let mut ahead = self.input.clone();
        let digits = |ahead: &mut Peekable<Chars<'_>>| {
            let mut text = String::new();
            while let Some(d) = ahead.next_if(char::is_ascii_digit) {
                text.push(d);
            }
            text
        };
        if ahead.peek() == Some(&'}') {
            return None;
        }
        let low = digits(&mut ahead);
        let text = if ahead.next_if_eq(&',').is_some() {
            let high = digits(&mut ahead);
            let low = if low.is_empty() { "0" } else { &low };
            format!("{{{low},{high}}}")
        } else {
            format!("{{{low}}}")
        };
        ahead.next_if_eq(&'}')?;
        self.input = ahead;
        Some(text)
    }

    /// After `(`. True where it was nothing that can be repeated: a comment or global flags.
    fn group(&mut self, flags: &mut Flags, depth: usize) -> Result<bool, String> {
        if !self.eat('?') {
            self.n_groups += 1;
            self.out.push('(');
            self.close(*flags, depth)?;
            return Ok(false);
        }
        if self.eat('#') {
            self.until(')', "a comment")?;
            return Ok(true);
        }
        if self.eat_str("P=") {
            let name = self.until(')', "a group's name")?;
            let number = self.number_of(&name)?;
            self.out.push_str(&format!("(?:\\{number})"));
            return Ok(false);
        }
        if self.eat_str("P<") {
            let name = self.until('>', "a group's name")?;
            self.n_groups += 1;
            if self.names.iter().any(|(n, _)| *n == name) {
                return Err(format!("two groups are called `{name}`"));
            }
            self.names.push((name, self.n_groups));
            self.out.push('(');
            self.close(*flags, depth)?;
            return Ok(false);
        }
        for opening in ["<=", "<!", ":", "=", "!", ">"] {
            if self.eat_str(opening) {
                self.out.push_str("(?");
                self.out.push_str(opening);
                self.close(*flags, depth)?;
                return Ok(false);
            }
        }
        if self.eat('(') {
            let name = self.until(')', "a condition")?;
            let number = match name.parse::<usize>() {
                Ok(number) => number,
                Err(_) => self.number_of(&name)?,
            };
            self.out.push_str(&format!("(?({number})"));
            self.close(*flags, depth)?;
            return Ok(false);
        }
        self.flag_group(flags, depth)
    }

    /// After `(?` where flags follow.
    fn flag_group(&mut self, flags: &mut Flags, depth: usize) -> Result<bool, String> {
        let mut inner = *flags;
        let mut kept = String::new();
        let mut on = true;
        loop {
            match self.input.next() {
                Some('-') if on => {
                    on = false;
                    kept.push('-');
                }
                Some('m') => inner.multi_line = on,
                Some('x') => inner.verbose = on,
                Some('a') => inner.ascii = on,
                Some('u') => inner.ascii = false,
                Some(c @ ('i' | 's')) => kept.push(c),
                Some(c @ (')' | ':')) => {
                    let kept = kept.trim_end_matches('-');
                    if c == ')' {
                        *flags = inner;
                        if !kept.is_empty() {
                            self.out.push_str(&format!("(?{kept})"));
                        }
                        return Ok(true);
                    }
                    self.out.push_str(&format!("(?{kept}:"));
                    self.close(inner, depth)?;
                    return Ok(false);
                }
                Some(c) => return Err(format!("unknown extension or flag `(?{c}`")),
                None => return Err("missing `)`".to_owned()),
            }
        }
    }

    /// The inside of a group and its closing parenthesis.
    fn close(&mut self, flags: Flags, depth: usize) -> Result<(), String> {
        self.alternatives(flags, depth + 1)?;
        if !self.eat(')') {
            return Err("missing `)`".to_owned());
        }
        self.out.push(')');
        Ok(())
    }

    fn number_of(&self, name: &str) -> Result<usize, String> {
        let found = self.names.iter().find(|(n, _)| n == name);
        found
            .map(|(_, number)| *number)
            .ok_or_else(|| format!("unknown group name `{name}`"))
    }

    /// A character as itself, outside a set.
    fn literal(&mut self, c: char) {
        if "\\.+*?()|[]{}^$".contains(c) {
            self.out.push('\\');
        }
        self.out.push(c);
    }

    /// After a backslash outside a set.
    fn escape(&mut self, flags: Flags) -> Result<(), String> {
        let Some(c) = self.input.next() else {
            return Err("a backslash at the end".to_owned());
        };
        match c {
            'A' => self.out.push_str(r"\A"),
            'Z' => self.out.push_str(r"\z"),
            'b' | 'B' => {
                let w = flags.word();
                let (x, y) = if c == 'b' { ('!', '=') } else { ('=', '!') };
                self.out
                    .push_str(&format!("(?:(?<=[{w}])(?{x}[{w}])|(?<![{w}])(?{y}[{w}]))"));
            }
            'd' | 'D' | 'w' | 'W' | 's' | 'S' => self.out.push_str(&flags.class(c)),
            '1'..='9' => {
                let mut digits = c.to_string();
                if let Some(d) = self.input.next_if(char::is_ascii_digit) {
                    digits.push(d);
                    let octal = |c: &char| ('0'..='7').contains(c);
                    if digits.chars().all(|c| octal(&c))
                        && let Some(d) = self.input.next_if(octal)
                    {
                        digits.push(d);
                        let code = u32::from_str_radix(&digits, 8).unwrap_or(u32::MAX);
                        if code > 0o377 {
                            return Err(format!("octal escape `\\{digits}` is above \\377"));
                        }
                        self.character(code)?;
                        return Ok(());
                    }
                }
                let number: usize = digits.parse().unwrap_or(usize::MAX);
                if number > self.n_groups {
                    return Err(format!("invalid group reference {number}"));
                }
                self.out.push_str(&format!("(?:\\{number})"));
            }
            c => {
                let c = self.escaped_char(c)?;
                self.literal(c);
            }
        }
        Ok(())
    }

    fn character(&mut self, code: u32) -> Result<(), String> {
        let c = char::from_u32(code).ok_or_else(|| format!("no character has code {code:#x}"))?;
        self.literal(c);
        Ok(())
    }

    /// The character that `\c` stands for, in a set or outside.
    fn escaped_char(&mut self, c: char) -> Result<char, String> {
        let length = match c {
            'a' => return Ok('\u{7}'),
            'f' => return Ok('\u{c}'),
            'n' => return Ok('\n'),
            'r' => return Ok('\r'),
            't' => return Ok('\t'),
            'v' => return Ok('\u{b}'),
            '0'..='7' => {
                let mut digits = c.to_string();
                while digits.len() < 3
                    && let Some(d) = self.input.next_if(|c| ('0'..='7').contains(c))
                {
                    digits.push(d);
                }
                let code = u32::from_str_radix(&digits, 8).unwrap_or(u32::MAX);
                return char::from_u32(code)
                    .filter(|_| code <= 0o377)
                    .ok_or_else(|| format!("octal escape `\\{digits}` is above \\377"));
            }
            'x' => 2,
            'u' => 4,
            'U' => 8,
            c if c.is_ascii_alphanumeric() => return Err(format!("bad escape `\\{c}`")),
            c => return Ok(c),
        };
        let mut digits = String::new();
        while digits.len() < length
            && let Some(d) = self.input.next_if(char::is_ascii_hexdigit)
        {
            digits.push(d);
        }
        u32::from_str_radix(&digits, 16)
            .ok()
            .filter(|_| digits.len() == length)
            .and_then(char::from_u32)
            .ok_or_else(|| format!("incomplete escape `\\{c}{digits}`"))
    }

    /// After `[`.
    fn set(&mut self, flags: Flags) -> Result<(), String> {
        self.out.push('[');
        if self.eat('^') {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let Some(c) = self.input.next() else {
                return Err("unterminated character set".to_owned());
            };
            if c == ']' && !first {
                self.out.push(']');
                return Ok(());
            }
            first = false;
            let Some(low) = self.set_member(c, flags)? else {
                continue;
            };
            let mut ahead = self.input.clone();
            let is_range = ahead.next() == Some('-') && ahead.next().is_some_and(|c| c != ']');
            if !is_range {
                self.set_char(low);
                continue;
            }
            self.input.next();
            let high = match self.input.next() {
                Some(c) => self.set_member(c, flags)?,
                None => None,
            };
            match high {
                Some(high) if high >= low => {
                    self.set_char(low);
                    self.out.push('-');
                    self.set_char(high);
                }
                _ => return Err(format!("bad character range from `{low}`")),
            }
        }
    }

    /// A member of a set: a character, or `None` where a class was written out.
    fn set_member(&mut self, c: char, flags: Flags) -> Result<Option<char>, String> {
        if c != '\\' {
            return Ok(Some(c));
        }
        let Some(c) = self.input.next() else {
            return Err("unterminated character set".to_owned());
        };
        match c {
            'b' => Ok(Some('\u{8}')),
            'd' | 'D' | 'w' | 'W' | 's' | 'S' => {
                self.out.push_str(&flags.class(c));
                Ok(None)
            }
            c => self.escaped_char(c).map(Some),
        }
    }

    /// A character as itself, in a set.
    fn set_char(&mut self, c: char) {
        if c.is_ascii_alphanumeric() || !c.is_ascii() {
            self.out.push(c);
        } else {
            self.out.push_str(&format!("\\x{{{:x}}}", c as u32));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_syntax_is_translated() {
        for (pattern, expected) in [
            (r"a$", r"a(?=\n?\z)"),
            (r"(?m)a$", r"a(?m:$)"),
            (r"x{,3}", "x{0,3}"),
            (r"x{a}", r"x\{a\}"),
            (r"(?P<n>a)(?P=n)", r"(a)(?:\1)"),
            (r"[[a]", r"[\x{5b}a]"),
            (r"(?x) a b # c", "ab"),
            (r"a++", "(?>a+)"),
            (r"\Z", r"\z"),
        ] {
            assert_eq!(translate(pattern).unwrap().0, expected, "{pattern}");
        }
    }

    #[test]
    fn what_python_refuses_is_refused() {
        for pattern in [
            "(",
            ")",
            "[a",
            "*a",
            r"\q",
            r"\1",
            "a{3,1}",
            "(?P<a>x)(?P<a>y)",
        ] {
            assert!(PyRegex::new(pattern).is_err(), "{pattern}");
        }
    }
}
