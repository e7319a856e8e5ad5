//! What a plain scalar means: the YAML 1.1 rules of PyYAML, which differ from YAML 1.2
//! (`yes` is true, `010` is eight, `1e5` is text, `1:30` is ninety).

use crate::yaml::Yaml;

/// The value of an unquoted, untagged scalar. `Err` says why it has none.
pub(crate) fn resolve(text: &str) -> Result<Yaml, String> {
    if let Some(value) = keyword(text) {
        return Ok(value);
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return Ok(Yaml::Str(text.into()));
    }
    if let Some(value) = float(text) {
        return Ok(Yaml::Float(value));
    }
    match int(text) {
        Some(Ok(value)) => Ok(Yaml::Int(value)),
        Some(Err(())) => Err(format!("the integer {text} is outside the 64-bit range")),
        None => Ok(Yaml::Str(text.into())),
    }
}

fn keyword(text: &str) -> Option<Yaml> {
    Some(match text {
        "" | "~" | "null" | "Null" | "NULL" => Yaml::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Yaml::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Yaml::Bool(false)
        }
        _ => return None,
    })
}

/// Splits a sign off: its factor and the rest.
fn signed(text: &str) -> (bool, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    }
}

fn all(text: &str, allowed: impl Fn(u8) -> bool) -> bool {
    !text.is_empty() && text.bytes().all(allowed)
}

fn digits_or_underscore(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'_'
}

/// The integer, if the text is one: `Some(Err(()))` when it does not fit 64 bits.
pub(crate) fn int(text: &str) -> Option<Result<i64, ()>> {
    let (negative, body) = signed(text);
    let (radix, digits) = if let Some(rest) = body.strip_prefix("0b") {
        (
            2,
            all(rest, |b| matches!(b, b'0' | b'1' | b'_')).then_some(rest)?,
        )
    } else if let Some(rest) = body.strip_prefix("0x") {
        (
            16,
            all(rest, |b| b.is_ascii_hexdigit() || b == b'_').then_some(rest)?,
        )
    } else if body == "0" {
        (10, body)
    } else if let Some(rest) = body.strip_prefix('0') {
        (
            8,
            all(rest, |b| matches!(b, b'0'..=b'7' | b'_')).then_some(rest)?,
        )
    } else if body.contains(':') {
        return sexagesimal(body).map(|v| apply_sign(negative, v));
    } else {
        let starts = body.starts_with(|c: char| matches!(c, '1'..='9'));
        (
            10,
            (starts && all(body, digits_or_underscore)).then_some(body)?,
        )
    };
    let clean: String = digits.chars().filter(|&c| c != '_').collect();
    if clean.is_empty() {
        return None;
    }
    Some(apply_sign(
        negative,
        i128::from_str_radix(&clean, radix).ok(),
    ))
}

fn apply_sign(negative: bool, value: Option<i128>) -> Result<i64, ()> {
    let value = value.ok_or(())?;
    i64::try_from(if negative { -value } else { value }).map_err(|_| ())
}

/// `H:MM:SS` in base 60. The outer option: whether it is one at all.
#[expect(clippy::option_option, reason = "not one, or one that overflows")]
fn sexagesimal(body: &str) -> Option<Option<i128>> {
    let mut parts = body.split(':');
    let head = parts.next()?;
    if !head.starts_with(|c: char| matches!(c, '1'..='9')) || !all(head, digits_or_underscore) {
        return None;
    }
    let mut value: Option<i128> = head.replace('_', "").parse().ok();
    for part in parts {
        if !sexagesimal_digit(part) {
            return None;
        }
        let low: i128 = part.parse().ok()?;
        value = value.and_then(|v| v.checked_mul(60)?.checked_add(low));
    }
    Some(value)
}

fn sexagesimal_digit(part: &str) -> bool {
    let bytes = part.as_bytes();
    match bytes.len() {
        1 => bytes[0].is_ascii_digit(),
        2 => matches!(bytes[0], b'0'..=b'5') && bytes[1].is_ascii_digit(),
        _ => false,
    }
}

/// The float, if the text is one. An exponent needs its sign, as in PyYAML.
pub(crate) fn float(text: &str) -> Option<f64> {
    let (negative, body) = signed(text);
    let sign = if negative { -1.0 } else { 1.0 };
    match body {
        ".inf" | ".Inf" | ".INF" => return Some(sign * f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" if body == text => return Some(f64::NAN),
        _ => {}
    }
    let (mantissa, exponent) = match body.find(['e', 'E']) {
        Some(at) => (&body[..at], Some(&body[at + 1..])),
        None => (body, None),
    };
    if let Some(exponent) = exponent {
        let digits = exponent.strip_prefix(['+', '-'])?;
        if !all(digits, |b| b.is_ascii_digit()) {
            return None;
        }
    }
    let (whole, fraction) = mantissa.split_once('.')?;
    if whole.contains(':') {
        if exponent.is_some() || !fraction.bytes().all(digits_or_underscore) {
            return None;
        }
        let high = sexagesimal_float(whole)?;
        let low: f64 = format!("0.{}", fraction.replace('_', ""))
            .parse()
            .unwrap_or(0.0);
        return Some(sign * (high + low));
    }
    let whole_fits = if whole.is_empty() {
        // `.5` has no sign in this grammar and needs a digit first.
        body == text && fraction.starts_with(|c: char| c.is_ascii_digit())
    } else {
        whole.starts_with(|c: char| c.is_ascii_digit()) && all(whole, digits_or_underscore)
    };
    if !whole_fits || !fraction.bytes().all(digits_or_underscore) {
        return None;
    }
    let clean: String = body.chars().filter(|&c| c != '_').collect();
    let clean = if whole.is_empty() {
        format!("0{clean}")
    } else {
        clean
    };
    clean.parse::<f64>().ok().map(|v| sign * v)
}

fn sexagesimal_float(whole: &str) -> Option<f64> {
    let mut parts = whole.split(':');
    let head = parts.next()?;
    if !head.starts_with(|c: char| c.is_ascii_digit()) || !all(head, digits_or_underscore) {
        return None;
    }
    let mut value: f64 = head.replace('_', "").parse().ok()?;
    for part in parts {
        if !sexagesimal_digit(part) {
            return None;
        }
        value = value * 60.0 + part.parse::<f64>().ok()?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_resolve_as_in_pyyaml() {
        let str = |s: &str| Yaml::Str(s.into());
        // Each right-hand side is what `yaml.safe_load` of PyYAML 6 gives.
        let table = [
            ("yes", Yaml::Bool(true)),
            ("Off", Yaml::Bool(false)),
            ("y", str("y")),
            ("~", Yaml::Null),
            ("nULL", str("nULL")),
            ("010", Yaml::Int(8)),
            ("09", str("09")),
            ("0o10", str("0o10")),
            ("0x1F", Yaml::Int(31)),
            ("0b11", Yaml::Int(3)),
            ("1_000", Yaml::Int(1000)),
            ("1:30", Yaml::Int(90)),
            ("1:60", str("1:60")),
            ("+5", Yaml::Int(5)),
            ("-0", Yaml::Int(0)),
            ("1e5", str("1e5")),
            ("1.0e5", str("1.0e5")),
            ("1.0e+5", Yaml::Float(1e5)),
            ("1.", Yaml::Float(1.0)),
            (".5", Yaml::Float(0.5)),
            ("-.5", str("-.5")),
            ("-.inf", Yaml::Float(f64::NEG_INFINITY)),
            ("1:30.5", Yaml::Float(90.5)),
            (".", str(".")),
            ("-", str("-")),
            ("1.2.3", str("1.2.3")),
            ("2024-01-02", str("2024-01-02")),
        ];
        for (text, want) in table {
            assert_eq!(resolve(text), Ok(want), "{text}");
        }
        assert!(resolve("99999999999999999999").is_err());
    }
}
