//! Values as Python writes and reads them: `str`, `repr`, `json.dumps` and `ast.literal_eval`.
//!
//! Prompts pass through these in lm-evaluation-harness (a list is printed by a
//! template, then read back), so they decide what a model is asked.

use std::fmt::Write as _;

use serde_json::{Map, Number, Value};
pub use upturn_metrics::{is_space, write_repr as write_str_repr};
pub use upturn_types::python_float as float;

/// Deepest nesting read back.
const MAX_DEPTH: usize = 64;

/// `str(value)`.
#[must_use]
pub fn text(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        other => {
            let mut out = String::new();
            write_repr(&mut out, other);
            out
        }
    }
}

/// `repr(value)`, appended to `out`.
pub fn write_repr(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Number(n) => write_number(out, n),
        Value::String(s) => write_str_repr(out, s),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                write_repr(out, item);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            out.push('{');
            for (i, (key, item)) in fields.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                write_str_repr(out, key);
                out.push_str(": ");
                write_repr(out, item);
            }
            out.push('}');
        }
    }
}

fn write_number(out: &mut String, number: &Number) {
    if let Some(i) = number.as_i64() {
        let _ = write!(out, "{i}");
    } else if let Some(u) = number.as_u64() {
        let _ = write!(out, "{u}");
    } else {
        out.push_str(&float(number.as_f64().unwrap_or(f64::NAN)));
    }
}

/// `json.dumps(value, indent=2, ensure_ascii=False)`.
#[must_use]
pub fn json_indented(fields: &Map<String, Value>) -> String {
    let mut out = String::with_capacity(256);
    write_json_object(&mut out, fields, 1);
    out
}

fn write_json(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Number(n) => match n.as_f64() {
            Some(f) if n.is_f64() => out.push_str(&json_float(f)),
            _ => write_number(out, n),
        },
        Value::String(s) => write_json_str(out, s),
        Value::Array(items) if items.is_empty() => out.push_str("[]"),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                separate(out, i, depth);
                write_json(out, item, depth + 1);
            }
            line(out, depth - 1);
            out.push(']');
        }
        Value::Object(fields) => write_json_object(out, fields, depth),
    }
}

fn write_json_object(out: &mut String, fields: &Map<String, Value>, depth: usize) {
    if fields.is_empty() {
        return out.push_str("{}");
    }
    out.push('{');
    for (i, (key, value)) in fields.iter().enumerate() {
        separate(out, i, depth);
        write_json_str(out, key);
        out.push_str(": ");
        write_json(out, value, depth + 1);
    }
    line(out, depth - 1);
    out.push('}');
}

fn separate(out: &mut String, index: usize, depth: usize) {
    if index > 0 {
        out.push(',');
    }
    line(out, depth);
}

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    (0..depth).for_each(|_| out.push_str("  "));
}

fn json_float(value: f64) -> String {
    match float(value).as_str() {
        "nan" => "NaN".into(),
        "inf" => "Infinity".into(),
        "-inf" => "-Infinity".into(),
        other => other.into(),
    }
}

fn write_json_str(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if (c as u32) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Whether `==` holds in Python: numbers by value (`1 == 1.0 == True`), maps in any order.
#[must_use]
pub fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::String(x), Value::String(y)) => x == y,
        (Value::Null, Value::Null) => true,
        (Value::Array(x), Value::Array(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|(x, y)| equal(x, y))
        }
        (Value::Object(x), Value::Object(y)) => equal_maps(x, y),
        _ => match (number(a), number(b)) {
            (Some(x), Some(y)) => x == y,
            _ => false,
        },
    }
}

/// [`equal`] of two maps.
#[must_use]
pub fn equal_maps(a: &Map<String, Value>, b: &Map<String, Value>) -> bool {
    a.len() == b.len() && a.iter().all(|(k, x)| b.get(k).is_some_and(|y| equal(x, y)))
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(b) => Some(f64::from(u8::from(*b))),
        Value::Number(n) => n.as_f64(),
        _ => None,
    }
}

/// `str.isdigit()`: not empty, and every character a digit (superscripts count).
#[must_use]
pub fn is_digit_text(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|c| {
            c.is_ascii_digit()
                || (!c.is_ascii()
                    && c.is_numeric()
                    // Numeric but not a digit: fractions, Roman numerals, CJK numbers.
                    && !matches!(c as u32, 0xbc..=0xbe | 0x2150..=0x218b | 0x3000..=0x9fff | 0xf900..=0xfaff))
        })
}

/// `ast.literal_eval(text)`: strings, numbers, lists, tuples, sets and maps of these,
/// `None`, `True`, `False`. Tuples and sets become lists.
///
/// # Errors
/// A lowercase fragment that says what stopped the reading.
pub fn literal_eval(text: &str) -> Result<Value, String> {
    let mut reader = Literal {
        rest: text.trim_start_matches([' ', '\t']),
        depth: 0,
    };
    let value = reader.top()?;
    reader.space();
    if reader.rest.is_empty() {
        Ok(value)
    } else {
        Err(reader.unexpected())
    }
}

struct Literal<'t> {
    rest: &'t str,
    depth: usize,
}

impl Literal<'_> {
    fn unexpected(&self) -> String {
        match self.rest.chars().next() {
            None => "it ends too early to be a Python literal".into(),
            Some(_) => {
                let start: String = self.rest.chars().take(20).collect();
                let mut shown = String::new();
                write_str_repr(&mut shown, &start);
                format!("not a Python literal at {shown}")
            }
        }
    }

    fn space(&mut self) {
        self.rest = self
            .rest
            .trim_start_matches([' ', '\t', '\n', '\r', '\u{c}']);
    }

    fn take(&mut self, token: char) -> bool {
        self.space();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// A value, or a bare tuple `a, b`.
    fn top(&mut self) -> Result<Value, String> {
        let first = self.value()?;
        if !self.take(',') {
            return Ok(first);
        }
        let mut items = vec![first];
        loop {
            self.space();
            if self.rest.is_empty() {
                return Ok(Value::Array(items));
            }
            items.push(self.value()?);
            if !self.take(',') {
                return Ok(Value::Array(items));
            }
        }
    }

    fn value(&mut self) -> Result<Value, String> {
        self.space();
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("nested deeper than {MAX_DEPTH} levels"));
        }
        let value = self.value_inner();
        self.depth -= 1;
        value
    }

    fn value_inner(&mut self) -> Result<Value, String> {
        let Some(first) = self.rest.chars().next() else {
            return Err(self.unexpected());
        };
        match first {
            '[' => {
                self.take('[');
                self.items(']').map(|(items, _)| Value::Array(items))
            }
            '(' => {
                self.take('(');
                let (mut items, comma) = self.items(')')?;
                // `(x)` is x, `(x,)` is a tuple.
                if items.len() == 1 && !comma {
                    return Ok(items.remove(0));
                }
                Ok(Value::Array(items))
            }
            '{' => self.braces(),
            '+' | '-' => {
                self.rest = &self.rest[1..];
                let value = self.value()?;
                match (first, value) {
                    ('+', Value::Number(n)) => Ok(Value::Number(n)),
                    ('-', Value::Number(n)) => negate(&n),
                    _ => Err("a sign stands before something that is not a number".into()),
                }
            }
            c if c.is_ascii_digit() || c == '.' => self.number(),
            '\'' | '"' => self.strings(),
            _ => {
                let word: String = self
                    .rest
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                let constant = match word.as_str() {
                    "None" => Value::Null,
                    "True" => Value::Bool(true),
                    "False" => Value::Bool(false),
                    _ if is_string_prefix(&word)
                        && self.rest[word.len()..].starts_with(['\'', '"']) =>
                    {
                        return self.strings();
                    }
                    _ => return Err(self.unexpected()),
                };
                self.rest = &self.rest[word.len()..];
                Ok(constant)
            }
        }
    }

    /// Items up to `close`, and whether a comma came last.
    fn items(&mut self, close: char) -> Result<(Vec<Value>, bool), String> {
        let mut items = Vec::new();
        let mut comma = false;
        loop {
            if self.take(close) {
                return Ok((items, comma));
            }
            if !items.is_empty() && !comma {
                return Err(self.unexpected());
            }
            items.push(self.value()?);
            comma = self.take(',');
        }
    }

    fn braces(&mut self) -> Result<Value, String> {
        self.take('{');
        if self.take('}') {
            return Ok(Value::Object(Map::new()));
        }
        let first = self.value()?;
        if !self.take(':') {
            let mut items = vec![first];
            if self.take(',') {
                items.extend(self.items('}')?.0);
            } else if !self.take('}') {
                return Err(self.unexpected());
            }
            return Ok(Value::Array(items));
        }
        let mut fields = Map::new();
        let value = self.value()?;
        fields.insert(text(&first), value);
        loop {
            let comma = self.take(',');
            if self.take('}') {
                return Ok(Value::Object(fields));
            }
            if !comma {
                return Err(self.unexpected());
            }
            let key = self.value()?;
            if !self.take(':') {
                return Err(self.unexpected());
            }
            let value = self.value()?;
            fields.insert(text(&key), value);
        }
    }

    fn number(&mut self) -> Result<Value, String> {
        let bytes = self.rest.as_bytes();
        let radix = match bytes.get(..2) {
            Some(b"0x" | b"0X") => 16,
            Some(b"0o" | b"0O") => 8,
            Some(b"0b" | b"0B") => 2,
            _ => 10,
        };
        if radix != 10 {
            let digits: String = self.rest[2..]
                .chars()
                .take_while(|c| c.is_digit(radix) || *c == '_')
                .collect();
            let value = i64::from_str_radix(&digits.replace('_', ""), radix)
                .map_err(|_| self.unexpected())?;
            self.rest = &self.rest[2 + digits.len()..];
            return Ok(Value::from(value));
        }
        let mut end = 0;
        let mut is_float = false;
        while let Some(&b) = bytes.get(end) {
            let after_exponent = end > 0 && matches!(bytes[end - 1], b'e' | b'E');
            match b {
                b'0'..=b'9' | b'_' => {}
                b'.' if !is_float => is_float = true,
                b'e' | b'E' => is_float = true,
                b'+' | b'-' if after_exponent => {}
                _ => break,
            }
            end += 1;
        }
        let digits = self.rest[..end].replace('_', "");
        let follows_word = self.rest[end..].starts_with(|c: char| c.is_alphanumeric() || c == '_');
        let leading_zero = !is_float
            && digits.len() > 1
            && digits.starts_with('0')
            && digits.bytes().any(|b| b != b'0');
        if follows_word || leading_zero {
            return Err(self.unexpected());
        }
        let value = if is_float {
            digits
                .parse::<f64>()
                .ok()
                .and_then(Number::from_f64)
                .map(Value::Number)
        } else {
            match digits.parse::<i64>() {
                Ok(i) => Some(Value::from(i)),
                Err(_) => digits.parse::<u64>().ok().map(Value::from),
            }
        };
        let value = value.ok_or_else(|| format!("the number {digits} is out of range"))?;
        self.rest = &self.rest[end..];
        Ok(value)
    }

    /// One or more adjacent string literals.
    fn strings(&mut self) -> Result<Value, String> {
        let mut out = String::new();
        loop {
            self.string(&mut out)?;
            self.space();
            let prefix = self
                .rest
                .bytes()
                .take_while(u8::is_ascii_alphabetic)
                .count();
            let more = self.rest[prefix..].starts_with(['\'', '"'])
                && (prefix == 0 || is_string_prefix(&self.rest[..prefix]));
            if !more {
                return Ok(Value::String(out));
            }
        }
    }

    fn string(&mut self, out: &mut String) -> Result<(), String> {
        let prefix = self
            .rest
            .bytes()
            .take_while(u8::is_ascii_alphabetic)
            .count();
        let raw = self.rest[..prefix].contains(['r', 'R']);
        self.rest = &self.rest[prefix..];
        let Some(quote) = self.rest.chars().next() else {
            return Err(self.unexpected());
        };
        let triple: String = [quote; 3].iter().collect();
        let is_triple = self.rest.starts_with(&triple);
        self.rest = &self.rest[if is_triple { 3 } else { 1 }..];
        loop {
            let Some(c) = self.rest.chars().next() else {
                return Err("a string does not end".into());
            };
            if is_triple && self.rest.starts_with(&triple) {
                self.rest = &self.rest[3..];
                return Ok(());
            }
            if !is_triple && c == quote {
                self.rest = &self.rest[1..];
                return Ok(());
            }
            if !is_triple && matches!(c, '\n' | '\r') {
                return Err("a string does not end on its line".into());
            }
            self.rest = &self.rest[c.len_utf8()..];
            if c != '\\' {
                out.push(c);
            } else if raw {
                out.push('\\');
                if let Some(next) = self.rest.chars().next() {
                    out.push(next);
                    self.rest = &self.rest[next.len_utf8()..];
                }
            } else {
                self.escape(out)?;
            }
        }
    }

    fn escape(&mut self, out: &mut String) -> Result<(), String> {
        let Some(c) = self.rest.chars().next() else {
            return Err("a string does not end".into());
        };
        self.rest = &self.rest[c.len_utf8()..];
        let plain = match c {
            '\n' => return Ok(()),
            '\\' | '\'' | '"' => c,
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            'x' => return self.code(2, out),
            'u' => return self.code(4, out),
            'U' => return self.code(8, out),
            '0'..='7' => {
                let more = self
                    .rest
                    .bytes()
                    .take(2)
                    .take_while(|b| matches!(b, b'0'..=b'7'))
                    .count();
                let digits = format!("{c}{}", &self.rest[..more]);
                self.rest = &self.rest[more..];
                let code = u32::from_str_radix(&digits, 8).unwrap_or(0);
                out.extend(char::from_u32(code));
                return Ok(());
            }
            // Python keeps the backslash of an unknown escape.
            other => {
                out.push('\\');
                other
            }
        };
        out.push(plain);
        Ok(())
    }

    fn code(&mut self, digits: usize, out: &mut String) -> Result<(), String> {
        let hex = self.rest.get(..digits).ok_or("an escape is cut short")?;
        let code = u32::from_str_radix(hex, 16).map_err(|_| "an escape is not hexadecimal")?;
        out.push(char::from_u32(code).ok_or("an escape is not a character")?);
        self.rest = &self.rest[digits..];
        Ok(())
    }
}

fn is_string_prefix(word: &str) -> bool {
    matches!(word, "r" | "R" | "u" | "U")
}

fn negate(number: &Number) -> Result<Value, String> {
    if let Some(i) = number.as_i64() {
        return Ok(Value::from(-i));
    }
    let value = number.as_f64().and_then(|f| Number::from_f64(-f));
    value
        .map(Value::Number)
        .ok_or_else(|| "a number is out of range".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn floats_print_as_in_python() {
        let table = [
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (1e16, "1e+16"),
            (123_456_789_012_345.0, "123456789012345.0"),
            (1.5e-7, "1.5e-07"),
            (1e100, "1e+100"),
            (-0.0, "-0.0"),
            (2.5, "2.5"),
        ];
        for (value, want) in table {
            assert_eq!(float(value), want);
        }
    }

    #[test]
    fn repr_and_literal_eval_undo_each_other() {
        let value = json!([
            "a", "it's", "say \"x\"", "both ' and \"", "tab\t\n\\", "\u{1}\u{a0}\u{200b}é数🙂",
            1, -2, 1.5, 1e-7, true, false, null, [], ["x"], {"k": [1]}
        ]);
        let mut out = String::new();
        write_repr(&mut out, &value);
        assert_eq!(
            out,
            r#"['a', "it's", 'say "x"', 'both \' and "', 'tab\t\n\\', '\x01\xa0\u200bé数🙂', 1, -2, 1.5, 1e-07, True, False, None, [], ['x'], {'k': [1]}]"#
        );
        assert_eq!(literal_eval(&out), Ok(value));
    }

    #[test]
    fn literals_read_as_in_python() {
        let ok = [
            (r"('a')", json!("a")),
            (r"('a',)", json!(["a"])),
            (r"'a', 'b'", json!(["a", "b"])),
            (r"['a' 'b', u'c', r'\n']", json!(["ab", "c", "\\n"])),
            (r"'''x'y'''", json!("x'y")),
            (r"'\x41\u00e9\101\q'", json!("AéA\\q")),
            ("{'a': 1, 'b': [2,],}", json!({"a": 1, "b": [2]})),
            ("{1, 2}", json!([1, 2])),
            ("0x10", json!(16)),
            ("-1.5e3", json!(-1500.0)),
            ("  7\n", json!(7)),
            ("1_000", json!(1000)),
        ];
        for (text, want) in ok {
            assert_eq!(literal_eval(text), Ok(want), "{text}");
        }
        for text in [
            "",
            "a",
            "[a]",
            "['a'",
            "'a\nb'",
            "1 2",
            "08",
            "f'x'",
            "[,]",
            "__import__('os')",
            "1+",
            "{'a'}:",
        ] {
            assert!(literal_eval(text).is_err(), "{text}");
        }
        assert!(literal_eval(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn json_is_written_as_python_does() {
        let Value::Object(doc) =
            json!({"a": [1, 2.0], "b": [], "c": {}, "d": {"x": null}, "e": "é\u{7f}\u{1}\""})
        else {
            unreachable!()
        };
        let want = "{\n  \"a\": [\n    1,\n    2.0\n  ],\n  \"b\": [],\n  \"c\": {},\n  \"d\": {\n    \"x\": null\n  },\n  \"e\": \"é\u{7f}\\u0001\\\"\"\n}";
        assert_eq!(json_indented(&doc), want);
    }

    #[test]
    fn equality_is_pythons() {
        assert!(equal(
            &json!({"a": 1, "b": [true]}),
            &json!({"b": [1.0], "a": 1.0})
        ));
        assert!(!equal(&json!("1"), &json!(1)));
        assert!(!equal(&json!(null), &json!(0)));
    }
}
