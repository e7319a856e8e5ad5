//! What a checkpoint's revision says: its training step and, sometimes, its tokens.

/// The training step that a revision names: `step3000`, `step1000-tokens4B`,
/// `global_step1000`, `checkpoint-500`, `step-50K-105b`.
///
/// `None` for `main`, hashes and other names, and for the second and later stages of
/// a staged run (`stage2-…`), whose steps count from the start of their stage.
#[must_use]
pub fn step_from_revision(revision: &str) -> Option<u64> {
    let revision = revision.trim().to_ascii_lowercase();
    if let Some(stage) = revision.strip_prefix("stage") {
        let digits: String = stage.chars().take_while(char::is_ascii_digit).collect();
        if digits.parse::<u64>() != Ok(1) {
            return None;
        }
    }
    ["step", "checkpoint"]
        .into_iter()
        .find_map(|word| number_after(&revision, word))
}

/// Tokens that a revision states next to its step (`step1000-tokens4B`): rounded by
/// whoever named it.
pub(crate) fn tokens_from_revision(revision: &str) -> Option<f64> {
    let revision = revision.trim().to_ascii_lowercase();
    let at = revision.find("tokens")? + "tokens".len();
    let rest = revision.get(at..)?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let unit = match rest.get(digits.len()..)? {
        "m" => 1e6,
        "b" => 1e9,
        "t" => 1e12,
        _ => return None,
    };
    // At most 15 digits: exact in f64, and no overflow.
    (!digits.is_empty() && digits.len() <= 15)
        .then(|| digits.parse::<f64>().ok())
        .flatten()
        .map(|n| n * unit)
}

/// Whether a revision stands for the finished model: none, the usual branch names,
/// branches that only change the number format, or a commit hash.
pub(crate) fn is_finished(revision: &str) -> bool {
    let revision = revision.trim();
    let hash = revision.len() == 40 && revision.bytes().all(|b| b.is_ascii_hexdigit());
    hash || matches!(
        revision.to_ascii_lowercase().as_str(),
        "" | "main" | "master" | "float16" | "float32" | "fp16" | "fp32" | "bf16" | "bfloat16"
    )
}

/// The number that follows `word` (with `-`, `_` or `=` between), where `word` starts a
/// name or follows a letter boundary, and the number ends one. `k` means thousands.
fn number_after(text: &str, word: &str) -> Option<u64> {
    text.match_indices(word).find_map(|(at, _)| {
        let before = text.get(..at)?.chars().next_back();
        if before.is_some_and(char::is_alphanumeric) {
            return None;
        }
        let rest = text.get(at + word.len()..)?;
        let rest = rest.strip_prefix(['-', '_', '=']).unwrap_or(rest);
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let rest = rest.get(digits.len()..)?;
        let (factor, rest) = match rest.strip_prefix('k') {
            Some(rest) => (1000, rest),
            None => (1, rest),
        };
        if rest.chars().next().is_some_and(char::is_alphanumeric) {
            return None;
        }
        digits.parse::<u64>().ok()?.checked_mul(factor)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_as_people_name_them() {
        for (revision, step) in [
            ("step3000", Some(3000)),
            ("step0", Some(0)),
            ("STEP143000", Some(143_000)),
            ("step1000-tokens4B", Some(1000)),
            ("global_step1000", Some(1000)),
            ("checkpoint-500", Some(500)),
            ("step-50K-105b", Some(50_000)),
            ("stage1-step140000-tokens294B", Some(140_000)),
            ("stage2-ingredient1-step2000-tokens9B", None),
            ("main", None),
            ("", None),
            ("step", None),
            ("step12x", None),
            ("footstep5", None),
            ("step99999999999999999999999", None),
            ("step99999999999999999k", None),
        ] {
            assert_eq!(step_from_revision(revision), step, "{revision}");
        }
    }

    #[test]
    fn tokens_are_read_only_where_stated() {
        assert_eq!(tokens_from_revision("step1000-tokens4B"), Some(4e9));
        assert_eq!(tokens_from_revision("step1000"), None);
        assert_eq!(tokens_from_revision("tokens"), None);
        assert_eq!(tokens_from_revision("tokens4"), None);
    }

    #[test]
    fn finished_models() {
        for revision in [
            "main",
            "",
            "float16",
            "0123456789abcdef0123456789abcdef01234567",
        ] {
            assert!(is_finished(revision), "{revision}");
        }
        for revision in ["step3000", "ckpt_100", "0123456789abcdef"] {
            assert!(!is_finished(revision), "{revision}");
        }
    }
}
