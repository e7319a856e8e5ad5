//! The `key=value,…` text in which evaluation harnesses record the model that they ran.

/// A model as a harness was told to load it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModelArgs {
    /// Name or path of the weights (`EleutherAI/pythia-1.4b-deduped`).
    pub pretrained: Option<String>,
    /// Revision of the weights (`step3000`).
    pub revision: Option<String>,
    /// The other arguments in order; a word without `=` has an empty value.
    pub others: Vec<(String, String)>,
}

/// Reads `use_accelerate=True,pretrained=NAME,revision=step3000`.
///
/// Order does not matter; spaces and quotes around values are dropped. The names that
/// API back ends use for `pretrained` are understood too: `model`, `engine`, `path`.
/// A text without any `=` is taken as the name alone. Where a key is repeated, the
/// last one counts, as in the harness.
#[must_use]
pub fn parse_model_args(args: &str) -> ModelArgs {
    let mut parsed = ModelArgs::default();
    let mut by_api_name = None;
    let trimmed = unquote(args);
    if !trimmed.is_empty() && !trimmed.contains('=') && !trimmed.contains(',') {
        parsed.pretrained = Some(trimmed.to_owned());
        return parsed;
    }
    for part in trimmed.split(',') {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let (key, value) = (unquote(key), unquote(value));
        match key {
            "" => {}
            "pretrained" if !value.is_empty() => parsed.pretrained = Some(value.to_owned()),
            "revision" if !value.is_empty() => parsed.revision = Some(value.to_owned()),
            _ => {
                if matches!(key, "model" | "engine" | "path") && !value.is_empty() {
                    by_api_name = Some(value.to_owned());
                }
                parsed.others.push((key.to_owned(), value.to_owned()));
            }
        }
    }
    parsed.pretrained = parsed.pretrained.or(by_api_name);
    parsed
}

fn unquote(text: &str) -> &str {
    text.trim().trim_matches(['"', '\'']).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pretrained_is_found_wherever_it_stands() {
        let args = parse_model_args(
            "use_accelerate=True,pretrained=EleutherAI/pythia-v1.1-1.4b-deduped,revision=step3000",
        );
        assert_eq!(
            args.pretrained.as_deref(),
            Some("EleutherAI/pythia-v1.1-1.4b-deduped")
        );
        assert_eq!(args.revision.as_deref(), Some("step3000"));
        assert_eq!(args.others, [("use_accelerate".into(), "True".into())]);
    }

    #[test]
    fn odd_texts_are_read_as_far_as_they_go() {
        assert_eq!(parse_model_args("gpt2").pretrained.as_deref(), Some("gpt2"));
        assert_eq!(
            parse_model_args("engine=davinci").pretrained.as_deref(),
            Some("davinci")
        );
        let spaced = parse_model_args(" pretrained = 'a/b' , revision= \"main\",,x ");
        assert_eq!(spaced.pretrained.as_deref(), Some("a/b"));
        assert_eq!(spaced.revision.as_deref(), Some("main"));
        assert_eq!(spaced.others, [("x".into(), String::new())]);
        assert_eq!(parse_model_args(""), ModelArgs::default());
        assert_eq!(parse_model_args("=,=,"), ModelArgs::default());
    }
}
