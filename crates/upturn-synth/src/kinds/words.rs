//! Common English words of three to seven letters, in alphabetical order.

use crate::split::hash;

/// Every word of the list.
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    include_str!("../words.txt").lines()
}

/// At most `n` of the words, always the same ones, in alphabetical order; a smaller `n` gives
/// a part of a larger one.
pub(super) fn at_most(mut words: Vec<&'static str>, n: usize) -> Vec<&'static str> {
    words.sort_by_key(|w| hash(w));
    words.truncate(n);
    words.sort_unstable();
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_is_sorted_lower_case_and_large() {
        let words: Vec<&str> = all().collect();
        assert!(words.len() >= 1_500, "{} words", words.len());
        assert!(words.is_sorted_by(|a, b| a < b));
        for word in words {
            assert!((3..=7).contains(&word.len()), "{word}");
            assert!(word.bytes().all(|b| b.is_ascii_lowercase()), "{word}");
        }
    }
}
