//! Python's tokens: names, numbers, strings, operators, lines and indentation.

/// A token.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Name(String),
    Int(i64),
    Float(f64),
    Str(String),
    /// The body of an f-string, and whether backslashes stay.
    Format(String, bool),
    Op(&'static str),
    /// End of a logical line.
    Line,
    Indent,
    Dedent,
    End,
}

const OPS: [&str; 47] = [
    "**=", "//=", ">>=", "<<=", "...", "!=", "**", "//", "<<", ">>", "<=", ">=", "==", "->", "+=",
    "-=", "*=", "/=", "%=", "&=", "|=", "^=", ":=", "@=", "+", "-", "*", "/", "%", "@", "&", "|",
    "^", "~", "<", ">", "(", ")", "[", "]", "{", "}", ",", ":", ".", ";", "=",
];

/// Tokens with their lines, from 1.
///
/// # Errors
/// Line and a lowercase reason.
pub(super) fn tokens(source: &str) -> Result<Vec<(Token, u32)>, (u32, String)> {
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let mut lexer = Lexer {
        rest: source.strip_prefix('\u{feff}').unwrap_or(&source),
        line: 1,
        out: Vec::new(),
        indents: vec![0],
        open: 0,
    };
    lexer.all()?;
    Ok(lexer.out)
}

struct Lexer<'s> {
    rest: &'s str,
    line: u32,
    out: Vec<(Token, u32)>,
    indents: Vec<usize>,
    /// Open brackets.
    open: usize,
}

impl Lexer<'_> {
    fn fail<T>(&self, reason: impl Into<String>) -> Result<T, (u32, String)> {
        Err((self.line, reason.into()))
    }

    fn push(&mut self, token: Token) {
        self.out.push((token, self.line));
    }

    fn skip(&mut self, bytes: usize) {
        self.line += self.rest[..bytes].matches('\n').count() as u32;
        self.rest = &self.rest[bytes..];
    }

    fn all(&mut self) -> Result<(), (u32, String)> {
        let mut at_start = true;
        loop {
            if at_start && self.open == 0 {
                if !self.indentation()? {
                    break;
                }
                at_start = false;
            }
            let Some(c) = self.rest.chars().next() else {
                break;
            };
            match c {
                ' ' | '\t' | '\u{c}' => self.skip(1),
                '\\' if self.rest.starts_with("\\\n") => self.skip(2),
                '#' => {
                    let end = self.rest.find('\n').unwrap_or(self.rest.len());
                    self.skip(end);
                }
                '\n' => {
                    if self.open == 0 {
                        self.push(Token::Line);
                        at_start = true;
                    }
                    self.skip(1);
                }
                c if c.is_ascii_digit()
                    || (c == '.' && self.rest[1..].starts_with(|d: char| d.is_ascii_digit())) =>
                {
                    self.number()?;
                }
                '"' | '\'' => self.string("")?,
                c if c.is_alphabetic() || c == '_' => self.word()?,
                _ => self.operator()?,
            }
        }
        if !matches!(self.out.last(), None | Some((Token::Line, _))) {
            self.push(Token::Line);
        }
        for _ in 1..self.indents.len() {
            self.push(Token::Dedent);
        }
        self.push(Token::End);
        Ok(())
    }

    /// Blank lines and the indentation of the next one; false at the end.
    fn indentation(&mut self) -> Result<bool, (u32, String)> {
        loop {
            let width = self
                .rest
                .find(|c| c != ' ' && c != '\t' && c != '\u{c}')
                .unwrap_or(self.rest.len());
            let columns: usize = self.rest[..width]
                .chars()
                .map(|c| if c == '\t' { 8 } else { 1 })
                .sum();
            let after = &self.rest[width..];
            if after.is_empty() {
                return Ok(false);
            }
            if after.starts_with('#') || after.starts_with('\n') {
                let end = after.find('\n').map_or(after.len(), |i| i + 1);
                self.skip(width + end);
                continue;
            }
            self.skip(width);
            let last = self.indents.last().copied().unwrap_or(0);
            if columns > last {
                self.indents.push(columns);
                self.push(Token::Indent);
            }
            while columns < self.indents.last().copied().unwrap_or(0) {
                self.indents.pop();
                self.push(Token::Dedent);
            }
            if self.indents.last().copied().unwrap_or(0) != columns {
                return self.fail("the indentation fits no line above");
            }
            return Ok(true);
        }
    }

    fn number(&mut self) -> Result<(), (u32, String)> {
        let bytes = self.rest.as_bytes();
        let radix = match bytes.get(..2) {
            Some(b"0x" | b"0X") => 16,
            Some(b"0o" | b"0O") => 8,
            Some(b"0b" | b"0B") => 2,
            _ => 10,
        };
        if radix != 10 {
            let n = self.rest[2..]
                .find(|c: char| !c.is_digit(radix) && c != '_')
                .map_or(self.rest.len(), |n| n + 2);
            let digits = self.rest[2..n].replace('_', "");
            let Ok(value) = i64::from_str_radix(&digits, radix) else {
                return self.fail("a number is out of range");
            };
            self.push(Token::Int(value));
            self.skip(n);
            return Ok(());
        }
        let mut end = 0;
        let mut float = false;
        while let Some(&b) = bytes.get(end) {
            match b {
                b'0'..=b'9' | b'_' => {}
                b'.' if !float => float = true,
                b'e' | b'E'
                    if bytes
                        .get(end + 1)
                        .is_some_and(|n| n.is_ascii_digit() || matches!(n, b'+' | b'-')) =>
                {
                    float = true;
                    end += 1;
                }
                _ => break,
            }
            end += 1;
        }
        let digits = self.rest[..end].replace('_', "");
        let token = if float {
            digits.parse().ok().map(Token::Float)
        } else {
            digits.parse().ok().map(Token::Int)
        };
        let Some(token) = token else {
            return self.fail("a number is out of range");
        };
        if self.rest[end..].starts_with(['j', 'J']) {
            return self.fail("complex numbers are not read");
        }
        self.push(token);
        self.skip(end);
        Ok(())
    }

    fn word(&mut self) -> Result<(), (u32, String)> {
        let end = self
            .rest
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(self.rest.len());
        let word = self.rest[..end].to_string();
        if word.len() <= 2
            && self.rest[end..].starts_with(['"', '\''])
            && word.chars().all(|c| "rRbBfFuU".contains(c))
        {
            return self.string(&word.to_lowercase());
        }
        self.push(Token::Name(word));
        self.skip(end);
        Ok(())
    }

    fn string(&mut self, prefix: &str) -> Result<(), (u32, String)> {
        let raw = prefix.contains('r');
        if prefix.contains('b') {
            return self.fail("bytes are not read");
        }
        self.skip(prefix.len());
        let quote = &self.rest[..1];
        let close = if self.rest.starts_with(&quote.repeat(3)) {
            quote.repeat(3)
        } else {
            quote.to_string()
        };
        let body_start = close.len();
        let mut end = body_start;
        loop {
            let Some(c) = self.rest[end..].chars().next() else {
                return self.fail("a string does not end");
            };
            if self.rest[end..].starts_with(&close) {
                break;
            }
            if c == '\n' && close.len() == 1 {
                return self.fail("a string does not end on its line");
            }
            end += c.len_utf8();
            if c == '\\' {
                end += self.rest[end..].chars().next().map_or(0, char::len_utf8);
            }
        }
        let body = &self.rest[body_start..end];
        let token = if prefix.contains('f') {
            Token::Format(body.to_string(), raw)
        } else if raw {
            Token::Str(body.to_string())
        } else {
            match unescape(body) {
                Ok(text) => Token::Str(text),
                Err(reason) => return self.fail(reason),
            }
        };
        self.push(token);
        self.skip(end + close.len());
        Ok(())
    }

    fn operator(&mut self) -> Result<(), (u32, String)> {
        let Some(op) = OPS.iter().find(|op| self.rest.starts_with(**op)) else {
            let c = self.rest.chars().next().unwrap_or(' ');
            return self.fail(format!("the character {c:?} is not Python"));
        };
        match *op {
            "(" | "[" | "{" => self.open += 1,
            ")" | "]" | "}" => self.open = self.open.saturating_sub(1),
            _ => {}
        }
        self.push(Token::Op(op));
        self.skip(op.len());
        Ok(())
    }
}

/// The text that a string literal's body stands for.
///
/// # Errors
/// A lowercase reason.
pub(super) fn unescape(body: &str) -> Result<String, String> {
    let mut out = String::with_capacity(body.len());
    let mut chars = body.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.peek().copied() {
            None => out.push('\\'),
            Some(c) => {
                match c {
                    'x' | 'u' | 'U' => {
                        chars.next();
                        let n = match c {
                            'x' => 2,
                            'u' => 4,
                            _ => 8,
                        };
                        let hex: String = chars.by_ref().take(n).collect();
                        let code = u32::from_str_radix(&hex, 16)
                            .ok()
                            .filter(|_| hex.chars().count() == n)
                            .and_then(char::from_u32);
                        out.push(code.ok_or("an escape is not a character")?);
                        continue;
                    }
                    'N' => return Err("characters by name (\\N) are not read".into()),
                    _ => {}
                }
                chars.next();
                match c {
                    '\n' => {}
                    '\\' | '\'' | '"' => out.push(c),
                    'a' => out.push('\u{7}'),
                    'b' => out.push('\u{8}'),
                    'f' => out.push('\u{c}'),
                    'n' => out.push('\n'),
                    'r' => out.push('\r'),
                    't' => out.push('\t'),
                    'v' => out.push('\u{b}'),
                    '0'..='7' => {
                        let mut value = c as u32 - '0' as u32;
                        for _ in 0..2 {
                            match chars.peek() {
                                Some(d @ '0'..='7') => {
                                    value = value * 8 + (*d as u32 - '0' as u32);
                                    chars.next();
                                }
                                _ => break,
                            }
                        }
                        out.extend(char::from_u32(value));
                    }
                    other => {
                        out.push('\\');
                        out.push(other);
                    }
                }
            }
        }
    }
    Ok(out)
}
