//! Methods by name.

/// Examples of `@cot` where neither the task nor the name says (Wei et al. 2022 have 8).
const COT_SHOTS: usize = 8;
/// Samples of `@self_consistency` (Wang et al. 2023 have 40) and their temperature.
const PATHS: usize = 40;
const TEMPERATURE: f64 = 0.7;
/// Most samples, and most examples.
const MOST: u64 = 10_000;

/// A prompting method with its parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Method {
    /// That many examples.
    Shots(usize),
    /// Worked examples; the number is the task's where the name does not say.
    Cot { shots: Option<usize> },
    /// Two requests: reasoning, then the answer.
    CotZeroShot,
    /// A vote among samples.
    SelfConsistency { paths: usize, temperature: f64 },
    /// Whether a proposed answer is true.
    PTrue,
}

impl Method {
    /// What stands before parameters.
    pub(crate) fn name(&self) -> String {
        match self {
            Method::Shots(n) => format!("k{n}"),
            Method::Cot { .. } => "cot".into(),
            Method::CotZeroShot => "cot_zero_shot".into(),
            Method::SelfConsistency { .. } => "self_consistency".into(),
            Method::PTrue => "p_true".into(),
        }
    }

    /// What follows the task's name: all that tells two methods apart.
    pub(crate) fn suffix(&self) -> String {
        match self {
            Method::SelfConsistency { paths, temperature } if *temperature == TEMPERATURE => {
                format!("self_consistency{paths}")
            }
            Method::SelfConsistency { paths, temperature } => {
                format!("self_consistency{paths}_t{temperature}")
            }
            Method::Cot { shots: Some(n) } => format!("cot_k{n}"),
            other => other.name(),
        }
    }

    /// Examples of a worked prompt for a task that has `own`.
    pub(crate) fn cot_shots(named: Option<usize>, own: Option<usize>) -> usize {
        named.or(own.filter(|n| *n > 0)).unwrap_or(COT_SHOTS)
    }

    fn parse(word: &str) -> Option<Result<Method, String>> {
        let (name, parameters) = word
            .split_once(':')
            .map_or((word, None), |(name, p)| (name, Some(p)));
        let mut given: Vec<(&str, &str)> = parameters
            .into_iter()
            .flat_map(|p| p.split(','))
            .map(|p| p.split_once('=').unwrap_or((p, "")))
            .collect();
        let mut take = |key: &str| {
            let at = given.iter().position(|(k, _)| *k == key)?;
            Some(given.remove(at).1)
        };
        let count = |key: &str, text: &str, least: u64| {
            let n = text
                .parse::<u64>()
                .ok()
                .filter(|n| (least..=MOST).contains(n));
            n.map(|n| n as usize).ok_or_else(|| {
                format!("{key} is '{text}'; expected a whole number from {least} to {MOST}")
            })
        };
        let made = match name {
            "cot" => match take("shots").map(|t| count("shots", t, 1)).transpose() {
                Ok(shots) => Ok(Method::Cot { shots }),
                Err(e) => Err(e),
            },
            "cot_zero_shot" => Ok(Method::CotZeroShot),
            "p_true" => Ok(Method::PTrue),
            "self_consistency" => {
                let paths = take("paths").map_or(Ok(PATHS), |t| count("paths", t, 2));
                let temperature = match take("temperature") {
                    None => Ok(TEMPERATURE),
                    Some(text) => match text.parse::<f64>() {
                        Ok(t) if t > 0.0 && t <= 10.0 => Ok(t),
                        _ => Err(format!(
                            "temperature is '{text}'; expected a number above 0, at most 10"
                        )),
                    },
                };
                paths.and_then(|paths| {
                    Ok(Method::SelfConsistency {
                        paths,
                        temperature: temperature?,
                    })
                })
            }
            _ => {
                let digits = name.strip_prefix('k')?;
                if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                    return None;
                }
                count("k", digits, 0).map(Method::Shots)
            }
        };
        let allowed = match name {
            "cot" => "; it takes shots",
            "self_consistency" => "; it takes paths and temperature",
            _ => "; it takes none",
        };
        Some(made.and_then(|method| match given.first() {
            Some((key, _)) => Err(format!("@{name} has no parameter '{key}'{allowed}")),
            None => Ok(method),
        }))
    }
}

/// A name that ends in a method, as the name before it and the method; `None` where what follows
/// the last `@` is none, or there is no `@`.
///
/// # Errors
/// A fragment that says which parameter is wrong and what is allowed.
pub(crate) fn split(name: &str) -> Option<Result<(&str, Method), String>> {
    let (base, word) = name.rsplit_once('@')?;
    if base.is_empty() {
        return None;
    }
    Method::parse(word).map(|method| method.map(|method| (base, method)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_in_methods() {
        let method = |name| split(name).unwrap().unwrap();
        assert_eq!(method("a@k5"), ("a", Method::Shots(5)));
        assert_eq!(method("a@cot@k0"), ("a@cot", Method::Shots(0)));
        assert_eq!(
            method("a@cot:shots=4"),
            ("a", Method::Cot { shots: Some(4) })
        );
        let (paths, temperature) = (5, 0.5);
        let want = Method::SelfConsistency { paths, temperature };
        assert_eq!(method("a@self_consistency:temperature=0.5,paths=5").1, want);
        assert_eq!(want.suffix(), "self_consistency5_t0.5");
        assert_eq!(
            method("a@self_consistency").1.suffix(),
            "self_consistency40"
        );
        for name in ["a", "a@short", "a@k", "a@kitten", "@k5"] {
            assert!(split(name).is_none(), "{name}");
        }
        for (name, want) in [
            (
                "a@self_consistency:path=3",
                "no parameter 'path'; it takes paths and temperature",
            ),
            ("a@self_consistency:paths=1", "paths is '1'"),
            ("a@self_consistency:temperature=hot", "temperature is 'hot'"),
            ("a@cot:shots=0", "shots is '0'"),
            ("a@p_true:x=1", "it takes none"),
            ("a@k99999999", "k is '99999999'"),
        ] {
            let error = split(name).unwrap().unwrap_err();
            assert!(error.contains(want), "{name}: {error}");
        }
    }
}
