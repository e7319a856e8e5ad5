//! Keys under which names are looked up, so that spellings of one name meet and different names do not.

/// The words of a model's name: lower case, split at punctuation and before a digit
/// that follows a letter, so that `Llama-2-7b`, `LLaMA 2 (7B)` and `llama2_7b` agree.
///
/// A digit followed by a letter stays in one word (`7b`), and a point between digits
/// stays in its number (`1.4b`). Word borders are kept: `gemma 2 2b` is not `gemma 22b`.
/// The suffix `hf`, which only names a file format, is dropped.
pub(crate) fn model_key(name: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let chars: Vec<char> = name.chars().flat_map(char::to_lowercase).collect();
    for (i, &c) in chars.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|j| chars.get(j));
        let after = chars.get(i + 1);
        let is_digit = |c: Option<&char>| c.is_some_and(char::is_ascii_digit);
        let point = c == '.' && is_digit(before) && is_digit(after);
        if c.is_alphanumeric() || point {
            if c.is_ascii_digit() && before.is_some_and(|b| b.is_alphabetic()) && !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            word.push(c);
        } else if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    if words.len() > 1 && words.last().is_some_and(|w| w == "hf") {
        words.pop();
    }
    words.join(" ")
}

/// The letters and digits of a task's name in lower case: `ARC-Challenge` is `arc_challenge`.
pub(crate) fn task_key(name: &str) -> String {
    name.chars()
        .flat_map(char::to_lowercase)
        .filter(|c| c.is_alphanumeric())
        .collect()
}

/// A name compared letter by letter, apart from case and spaces around it.
pub(crate) fn exact_key(name: &str) -> String {
    name.trim().to_lowercase()
}

/// The parts of a path-like name that are not empty, in order.
pub(crate) fn segments(name: &str) -> Vec<&str> {
    name.split(['/', '\\'])
        .map(str::trim)
        .filter(|s| !s.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_model_share_a_key() {
        for name in [
            "Llama-2-7b-hf",
            "LLaMA 2 (7B)",
            "llama2_7b",
            "LLAMA 2-7B",
            " Llama-2-7B ",
        ] {
            assert_eq!(model_key(name), "llama 2 7b", "{name}");
        }
        assert_eq!(model_key("pythia-v1.1-1.4b"), "pythia v 1.1 1.4b");
        assert_eq!(model_key("hf"), "hf");
        assert_eq!(model_key("...-/()"), "");
    }

    #[test]
    fn word_borders_keep_versions_and_sizes_apart() {
        assert_ne!(model_key("gemma-2-2b"), model_key("gemma-22b"));
        assert_ne!(model_key("Llama-2-7b-chat-hf"), model_key("Llama-2-7b-hf"));
        assert_ne!(model_key("phi-1.5"), model_key("phi-15"));
    }
}
