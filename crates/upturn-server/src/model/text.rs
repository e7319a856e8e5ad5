//! Tokens as a text: their own texts, and where each begins.

use super::served::ServedModel;

/// Tokens laid out as a text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Laid {
    /// The whole text.
    pub(crate) text: String,
    /// Each token's text alone; U+FFFD is in it where it splits a character.
    pub(crate) tokens: Vec<String>,
    /// The character of the text that each token begins at. Tokens that split a character all
    /// begin at it, and a special token that is not in the text begins where the next one does.
    pub(crate) offsets: Vec<usize>,
}

/// Lays out tokens. `known` is the text that they come from, where it is known.
pub(crate) fn lay(model: &dyn ServedModel, ids: &[u32], known: Option<&str>) -> Laid {
    let tokens: Vec<String> = ids.iter().map(|id| model.token_text(*id)).collect();
    // Texts of runs that end at a whole character, each with its number of tokens.
    let mut runs: Vec<(usize, String)> = Vec::new();
    let mut from = 0;
    for at in 0..ids.len() {
        let text = match at - from {
            0 => tokens[at].clone(),
            _ => model.decode(&ids[from..=at]),
        };
        if !text.ends_with('\u{FFFD}') || at + 1 == ids.len() {
            runs.push((at + 1 - from, text));
            from = at + 1;
        }
    }
    let mut n_unseen = 0;
    if let Some(known) = known {
        let from = |n: usize| runs[n..].iter().map(|r| r.1.as_str()).collect::<String>();
        // A special token before the text, a space that the tokenizer puts before it, or both.
        for n in 0..=runs.len().min(1) {
            let rest = from(n);
            if rest == known || rest.strip_prefix(' ') == Some(known) {
                n_unseen = n;
                if rest != known
                    && let Some(first) = runs.get_mut(n)
                {
                    first.1.remove(0);
                }
                break;
            }
        }
    }
    let mut laid = Laid {
        text: String::new(),
        offsets: Vec::with_capacity(ids.len()),
        tokens,
    };
    let mut n_chars = 0;
    for (at, (n, text)) in runs.iter().enumerate() {
        laid.offsets.resize(laid.offsets.len() + n, n_chars);
        if at >= n_unseen {
            laid.text.push_str(text);
            n_chars += text.chars().count();
        }
    }
    if let Some(known) = known {
        known.clone_into(&mut laid.text);
    }
    laid
}
