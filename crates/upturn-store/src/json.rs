//! JSON as Python writes it: with `NaN` and `Infinity`, numbers in texts and repeated keys.

use jiter::{JsonObject, JsonValue};

/// Why a text is no JSON, and at which byte that showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JsonProblem {
    pub(crate) message: String,
    pub(crate) byte: usize,
}

/// Parses a whole document. `NaN`, `Infinity` and numbers beyond f64 (as infinities) are taken.
pub(crate) fn parse(bytes: &[u8]) -> Result<JsonValue<'_>, JsonProblem> {
    JsonValue::parse(bytes, true).map_err(|e| problem(bytes, &e.error_type.to_string(), e.index))
}

/// Words a failure of the parser, telling truncation and foreign encodings from other damage.
pub(crate) fn problem(bytes: &[u8], message: &str, index: usize) -> JsonProblem {
    let index = index.min(bytes.len());
    if let Err(e) = std::str::from_utf8(bytes)
        && e.error_len().is_some()
        && e.valid_up_to() <= index
    {
        return JsonProblem {
            message: "is not UTF-8".to_owned(),
            byte: e.valid_up_to(),
        };
    }
    if message.starts_with("EOF") || index >= bytes.len() {
        return JsonProblem {
            message: format!("ends in the middle, after {} bytes", bytes.len()),
            byte: bytes.len(),
        };
    }
    JsonProblem {
        message: format!("is no JSON: {message}"),
        byte: index,
    }
}

/// Look-ups on JSON values; everything absent or of another type is `None`.
pub(crate) trait Json<'j> {
    /// The object, if this is one.
    fn object(&self) -> Option<&JsonObject<'j>>;
    /// The value under `key` (the last one, as Python keeps it), if this is an object.
    fn get(&self, key: &str) -> Option<&JsonValue<'j>>;
    /// The text, if this is one and not empty.
    fn text(&self) -> Option<&str>;
    /// The number, written as a number; may be infinite or NaN.
    fn number(&self) -> Option<f64>;
    /// The number, written as a number or in a text.
    fn loose_number(&self) -> Option<f64>;
    /// The whole number, 0 or more.
    fn count(&self) -> Option<u64>;
    /// The items, if this is an array.
    fn items(&self) -> Option<&[JsonValue<'j>]>;
}

impl<'j> Json<'j> for JsonValue<'j> {
    fn object(&self) -> Option<&JsonObject<'j>> {
        match self {
            JsonValue::Object(object) => Some(object),
            _ => None,
        }
    }

    fn get(&self, key: &str) -> Option<&JsonValue<'j>> {
        self.object()?
            .iter()
            .rev()
            .find(|(k, _)| k == key)
            .map(|(_, v)| v)
    }

    fn text(&self) -> Option<&str> {
        match self {
            JsonValue::Str(text) if !text.trim().is_empty() => Some(text),
            _ => None,
        }
    }

    fn number(&self) -> Option<f64> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "scores are not counted beyond 2^53"
        )]
        match self {
            JsonValue::Int(i) => Some(*i as f64),
            JsonValue::BigInt(i) => Some(i.to_string().parse().unwrap_or(f64::INFINITY)),
            JsonValue::Float(f) => Some(*f),
            _ => None,
        }
    }

    fn loose_number(&self) -> Option<f64> {
        self.number().or_else(|| self.text()?.trim().parse().ok())
    }

    fn count(&self) -> Option<u64> {
        match self {
            JsonValue::Int(i) => u64::try_from(*i).ok(),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "checked to be a whole number in range"
            )]
            JsonValue::Float(f) if (0.0..9e15).contains(f) && f.fract() == 0.0 => Some(*f as u64),
            _ => None,
        }
    }

    fn items(&self) -> Option<&[JsonValue<'j>]> {
        match self {
            JsonValue::Array(items) => Some(items),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn python_numbers_are_read() {
        let v = parse(br#"{"a": NaN, "b": Infinity, "c": -Infinity, "d": 1e400, "e": 1, "e": 2}"#)
            .unwrap();
        let of = |key: &str| v.get(key).unwrap().number().unwrap();
        assert!(of("a").is_nan());
        assert_eq!((of("b"), of("c")), (f64::INFINITY, f64::NEG_INFINITY));
        assert_eq!(of("d"), f64::INFINITY);
        assert_eq!(of("e"), 2.0);
    }

    #[test]
    fn damage_is_located() {
        let cut = parse(b"{\"a\": [1, 2").unwrap_err();
        assert_eq!(cut.message, "ends in the middle, after 11 bytes");
        assert_eq!(cut.byte, 11);
        let latin1 = parse(b"{\"a\": \"caf\xe9\"}").unwrap_err();
        assert_eq!((latin1.message.as_str(), latin1.byte), ("is not UTF-8", 10));
        let wrong = parse(b"{\"a\": x}").unwrap_err();
        assert!(wrong.message.starts_with("is no JSON: "), "{wrong:?}");
        assert_eq!(wrong.byte, 6);
    }

    #[test]
    fn deep_nesting_is_refused_not_followed() {
        assert!(parse("[".repeat(1_000_000).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn numbers_are_read_to_the_last_bit(bits: u64) {
            let v = f64::from_bits(bits);
            prop_assume!(v.is_finite());
            let text = format!("{v:?}");
            let read = parse(text.as_bytes()).unwrap().number().unwrap();
            prop_assert_eq!(read.to_bits(), v.to_bits());
        }
    }
}
