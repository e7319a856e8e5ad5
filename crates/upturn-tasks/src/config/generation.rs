//! Settings of generation, of task files and of the command line.

use serde_json::{Map, Value};
use upturn_types::GenerateOptions;

use super::keys::Keys;
use super::output_type::OutputType;
use crate::error::TaskError;

impl Keys<'_> {
    pub(super) fn generation_kwargs(
        &self,
        output_type: OutputType,
        fewshot_delimiter: &str,
        warnings: &mut Vec<String>,
    ) -> Result<Map<String, Value>, TaskError> {
        const KEY: &str = "generation_kwargs";
        if self.0.value(KEY).is_none() {
            if output_type != OutputType::GenerateUntil {
                return Ok(Map::new());
            }
            return Ok(Map::from_iter([
                ("temperature".to_string(), Value::from(0.0)),
                ("do_sample".to_string(), Value::Bool(false)),
                ("max_gen_toks".to_string(), Value::from(256)),
                ("until".to_string(), Value::from(vec![fewshot_delimiter])),
            ]));
        }
        let mut kwargs = self.map(KEY)?;
        if output_type != OutputType::GenerateUntil {
            warnings.push(format!(
                "{}: generation_kwargs has no effect with output_type {}",
                self.0.file.display(),
                output_type.name()
            ));
        }
        if let Some(temperature) = kwargs.get_mut("temperature") {
            *temperature = match float_of(temperature) {
                Some(t) => Value::from(t),
                None => {
                    let found = crate::python::text(temperature);
                    let reason = format!("temperature is not a number, but {found}");
                    return Err(self.fail(KEY, reason));
                }
            };
        }
        if !kwargs.contains_key("until") {
            kwargs.insert("until".into(), Value::from(vec![fewshot_delimiter]));
        }
        Ok(kwargs)
    }

    pub(super) fn generation(
        &self,
        kwargs: &Map<String, Value>,
        warnings: &mut Vec<String>,
    ) -> Result<GenerateOptions, TaskError> {
        generate_options(kwargs, &mut |key| {
            warnings.push(format!(
                "{}: generation_kwargs.{key} has no effect here",
                self.0.file.display()
            ));
        })
        .map_err(|reason| self.fail("generation_kwargs", reason))
    }
}

/// Generation settings as a model takes them, from the words of task files and
/// `--gen_kwargs`. Calls `unused` with each word that has no effect.
///
/// Without `do_sample` a temperature above 0 samples; `do_sample: false` is greedy
/// whatever the temperature. The token limit is the first of `max_gen_toks`,
/// `max_new_tokens`, `max_tokens`, `max_completion_tokens`.
///
/// # Errors
/// A lowercase fragment that names the setting and what it should be.
pub fn generate_options(
    kwargs: &Map<String, Value>,
    unused: &mut dyn FnMut(&str),
) -> Result<GenerateOptions, String> {
    const LIMITS: [&str; 4] = [
        "max_gen_toks",
        "max_new_tokens",
        "max_tokens",
        "max_completion_tokens",
    ];
    let mut out = GenerateOptions::default();
    let number = |key: &str| match kwargs.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => float_of(value).map(Some).ok_or_else(|| {
            let found = crate::python::text(value);
            format!("{key} is not a number, but {found}")
        }),
    };
    out.until = match kwargs.get("until") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) => items.iter().map(stop_text).collect::<Result<_, _>>()?,
        Some(one) => vec![stop_text(one)?],
    };
    if out.until.iter().any(String::is_empty) {
        return Err("until holds an empty string, which would stop at once".into());
    }
    for key in LIMITS {
        if let Some(limit) = number(key)? {
            if !(limit >= 1.0 && limit <= f64::from(u32::MAX)) {
                return Err(format!(
                    "{key} is {limit}; a limit is a whole number from 1"
                ));
            }
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "in range"
            )]
            let limit = limit as u32;
            out.max_tokens = Some(limit);
            break;
        }
    }
    #[expect(clippy::cast_possible_truncation, reason = "settings have few digits")]
    let temperature = number("temperature")?.map(|t| t as f32);
    out.do_sample = match kwargs.get("do_sample") {
        Some(Value::Bool(b)) => *b,
        None | Some(Value::Null) => temperature.is_some_and(|t| t > 0.0),
        Some(Value::String(s)) if s.eq_ignore_ascii_case("false") => false,
        Some(Value::String(s)) if s.eq_ignore_ascii_case("true") => true,
        Some(other) => {
            let found = crate::python::text(other);
            return Err(format!("do_sample is true or false, not {found}"));
        }
    };
    if out.do_sample {
        match temperature {
            Some(t) if t > 0.0 && t.is_finite() => out.temperature = t,
            None => {}
            Some(_) => return Err("do_sample with temperature 0 draws nothing; set a temperature above 0, or do_sample: false".into()),
        }
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked ranges"
    )]
    {
        if let Some(k) = number("top_k")? {
            out.top_k = if k > 0.0 { k as u32 } else { 0 };
        }
        let share = |key: &str| match number(key)? {
            Some(p) if !(0.0..=1.0).contains(&p) => {
                Err(format!("{key} is {p}; expected a number from 0 to 1"))
            }
            p => Ok(p.map(|p| p as f32)),
        };
        if let Some(p) = share("top_p")? {
            out.top_p = p;
        }
        if let Some(p) = share("min_p")? {
            out.min_p = p;
        }
        if let Some(p) = number("repetition_penalty")? {
            if p <= 0.0 {
                return Err(format!(
                    "repetition_penalty is {p}; a penalty is above 0, and 1 is none"
                ));
            }
            out.repetition_penalty = p as f32;
        }
    }
    let known = [
        "until",
        "do_sample",
        "temperature",
        "top_k",
        "top_p",
        "min_p",
        "repetition_penalty",
    ];
    kwargs
        .keys()
        .filter(|key| !known.contains(&key.as_str()) && !LIMITS.contains(&key.as_str()))
        .for_each(|key| unused(key));
    Ok(out)
}

pub(super) fn float_of(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(n) => n.as_f64(),
        Value::String(s) => s.trim().parse().ok(),
        _ => None,
    };
    number.filter(|x| x.is_finite())
}

fn stop_text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        other => Err(format!(
            "until takes texts, found {}; put quotes round it",
            crate::python::text(other)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn generation_words_are_read_as_the_harness_reads_them() {
        let read = |words: Value| {
            let Value::Object(words) = words else {
                unreachable!()
            };
            let mut unused = Vec::new();
            let options = generate_options(&words, &mut |k| unused.push(k.to_string()));
            options.map(|o| (o, unused))
        };
        let (options, unused) =
            read(json!({"until": "x", "temperature": 0.7, "max_new_tokens": 5, "top_k": 3, "num_beams": 4})).expect("read");
        assert!(
            options.do_sample
                && options.temperature == 0.7
                && options.max_tokens == Some(5)
                && options.top_k == 3
        );
        assert_eq!(
            (options.until, unused),
            (vec!["x".to_string()], vec!["num_beams".to_string()])
        );
        let (greedy, _) = read(json!({"do_sample": false, "temperature": 0.7})).expect("read");
        assert!(!greedy.do_sample && greedy.temperature == 1.0);
        for (words, want) in [
            (
                json!({"temperature": "hot"}),
                "temperature is not a number, but hot",
            ),
            (json!({"temperature": "nan"}), "temperature is not a number"),
            (json!({"top_k": [1]}), "top_k is not a number, but [1]"),
            (
                json!({"do_sample": "maybe"}),
                "do_sample is true or false, not maybe",
            ),
            (json!({"repetition_penalty": 0}), "repetition_penalty is 0"),
            (
                json!({"top_p": 5}),
                "top_p is 5; expected a number from 0 to 1",
            ),
        ] {
            let reason = read(words).expect_err("refused");
            assert!(reason.contains(want), "{reason}");
        }
        assert!(read(json!({"do_sample": true, "temperature": 0.0})).is_err());
        assert!(read(json!({"until": [3]})).is_err());
    }
}
