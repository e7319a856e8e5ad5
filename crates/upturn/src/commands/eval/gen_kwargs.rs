//! `--gen-kwargs`: settings of generation as lm-evaluation-harness reads them.

use serde_json::{Map, Value};
use upturn_tasks::python::literal_eval;

/// Settings by name.
pub type Words = Map<String, Value>;

/// Reads one argument: `key=value` pairs with commas between, or a JSON object.
///
/// A comma within brackets or quotes belongs to the value. A value is a truth value, a number,
/// a Python literal such as `["\n","."]`, or else text. The error is one line that names the key.
pub fn parse(text: &str) -> Result<Words, String> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|e| {
            format!("is no JSON object ({e}); expected {{\"until\": [\"\\n\"], ...}}")
        });
    }
    split_top_level(text)?
        .into_iter()
        .map(|pair| {
            let (key, text) = pair
                .split_once('=')
                .ok_or_else(|| format!("'{pair}' is no key=value"))?;
            match key.trim() {
                "" => Err(format!("'{pair}' has no key before its =")),
                key => Ok((key.to_owned(), value(text))),
            }
        })
        .collect()
}

/// The parts between commas that are in no bracket and no quotes; empty ones are left out.
fn split_top_level(text: &str) -> Result<Vec<&str>, String> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut open: Vec<char> = Vec::new();
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '(' | '{') => open.push(c),
            (None, ']' | ')' | '}') => {
                open.pop();
            }
            (None, ',') if open.is_empty() => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            (None, _) => {}
        }
    }
    let last = &text[start..];
    if let Some(c) = quote.or(open.pop()) {
        let key = last.split('=').next().unwrap_or_default().trim();
        return Err(format!("{key}: the {c} in its value has no end"));
    }
    parts.push(last);
    parts.retain(|part| !part.is_empty());
    Ok(parts)
}

fn value(text: &str) -> Value {
    if text.eq_ignore_ascii_case("true") {
        return Value::Bool(true);
    }
    if text.eq_ignore_ascii_case("false") {
        return Value::Bool(false);
    }
    if !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_digit())
        && let Ok(n) = text.parse::<u64>()
    {
        return Value::from(n);
    }
    let number = text.trim().replace('_', "").parse::<f64>().ok();
    if let Some(x) = number.filter(|x| x.is_finite()) {
        return Value::from(x);
    }
    literal_eval(text).unwrap_or_else(|_| Value::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// What `key_val_to_dict` of lm-evaluation-harness 0.4.13 gives.
    #[test]
    fn values_are_those_of_the_harness() {
        for (text, want) in [
            (
                r#"until=["\n","."],max_gen_toks=5"#,
                json!({"until": ["\n", "."], "max_gen_toks": 5}),
            ),
            (
                "temperature=0.7,do_sample=TRUE,top_k=-1",
                json!({"temperature": 0.7, "do_sample": true, "top_k": -1.0}),
            ),
            ("until=a=b", json!({"until": "a=b"})),
            ("until='x,y'", json!({"until": "x,y"})),
            ("until=[END]", json!({"until": "[END]"})),
            (
                "a=None,b=(1,2),c=1e3,",
                json!({"a": null, "b": [1, 2], "c": 1000.0}),
            ),
            ("a={'k': [1, 2]}", json!({"a": {"k": [1, 2]}})),
            (
                r#" {"until": [","], "top_p": 1}"#,
                json!({"until": [","], "top_p": 1}),
            ),
            ("", json!({})),
        ] {
            assert_eq!(parse(text).map(Value::Object), Ok(want), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_one_line() {
        for (text, want) in [
            ("until", "'until' is no key=value"),
            ("=5", "'=5' has no key"),
            ("a=1,until=[\"x\"", "until: the [ in its value has no end"),
            ("until='x", "until: the ' in its value has no end"),
            ("{'until': 1}", "is no JSON object"),
        ] {
            let line = parse(text).expect_err(text);
            assert!(line.contains(want) && !line.contains('\n'), "{line}");
        }
    }
}
