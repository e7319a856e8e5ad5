//! Where in an answer its short form is.

use serde_json::Value;

/// After «the answer is», up to a full stop at the end of the line.
pub(super) const AFTER_PHRASE: &str = r"[Tt]he answer is:? *(.*?)\.?(?:\n|$)";
/// The first line without a colon before and a full stop after it.
pub(super) const FIRST_LINE: &str = r"^\s*:?\s*(.*?)\.?\s*(?:\n|$)";

/// The first and last of choices that are single capital letters in order.
pub(super) fn letters(choices: &[Value]) -> Option<(char, char)> {
    let letter = |value: &Value| {
        let mut chars = value.as_str()?.chars();
        let letter = chars.next().filter(char::is_ascii_uppercase)?;
        chars.next().is_none().then_some(letter)
    };
    let all: Vec<char> = choices.iter().map(letter).collect::<Option<_>>()?;
    let in_order = all.windows(2).all(|w| w[1] as u32 == w[0] as u32 + 1);
    (all.len() > 1 && in_order).then(|| (all[0], all[all.len() - 1]))
}
