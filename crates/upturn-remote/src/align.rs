//! Where echoed tokens stand in the text that was sent.
//!
//! A server that echoes a prompt says its tokens' texts and, mostly, at which character of
//! the text each begins (`text_offset`). Neither can be trusted alone: some servers count a
//! beginning-of-text token that is not in the text; tokens that split a character have no
//! text; some drop the space that a token begins with. So offsets are held against the
//! text, with and without such a token, and where they do not fit, the texts are laid along
//! the prompt one by one.

use std::ops::Range;

/// The bytes of a prompt that each echoed token covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// In order. Tokens that split a character between them have the same range.
    pub spans: Vec<Range<usize>>,
    /// Tokens at the beginning that are not in the text.
    pub n_leading: usize,
}

/// Where a continuation begins among the tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Border {
    /// At this token.
    At(usize),
    /// Within a token, or within a character that tokens split.
    Within,
}

impl Placed {
    /// The first token of what begins at byte `border` of the prompt.
    #[must_use]
    pub fn border(&self, border: usize) -> Border {
        let spans = &self.spans[self.n_leading.min(self.spans.len())..];
        if spans.iter().any(|s| s.start < border && border < s.end) {
            return Border::Within;
        }
        Border::At(self.n_leading + spans.partition_point(|s| s.start < border))
    }
}

/// Places the tokens of `prompt`; `None` where their texts do not add up to it.
///
/// `offsets` are the server's, in characters.
#[must_use]
pub fn place(prompt: &str, tokens: &[String], offsets: Option<&[usize]>) -> Option<Placed> {
    offsets
        .and_then(|offsets| by_offsets(prompt, tokens, offsets))
        .or_else(|| by_texts(prompt, tokens))
}

/// Whether a token's text is known whole.
fn is_whole(token: &str) -> bool {
    !token.is_empty() && !token.contains('\u{FFFD}') && !token.starts_with("bytes:")
}

fn by_offsets(prompt: &str, tokens: &[String], offsets: &[usize]) -> Option<Placed> {
    if tokens.is_empty() || tokens.len() != offsets.len() {
        return None;
    }
    let mut bytes: Vec<usize> = prompt.char_indices().map(|(at, _)| at).collect();
    bytes.push(prompt.len());
    // Whether a first token is not in the text, and the characters that it counts for.
    let ways = [
        (0, offsets[0]),
        (1, tokens[0].chars().count() + offsets[0]),
        (1, offsets[0]),
    ];
    ways.into_iter().find_map(|(n_leading, shift)| {
        let mut starts = vec![0; n_leading];
        for offset in &offsets[n_leading..] {
            starts.push(*bytes.get(offset.checked_sub(shift)?)?);
        }
        let inside = &starts[n_leading..];
        if inside.first() != Some(&0) || inside.windows(2).any(|w| w[0] > w[1]) {
            return None;
        }
        starts.push(prompt.len());
        for (at, token) in tokens.iter().enumerate().skip(n_leading) {
            let end = starts[at + 1];
            if is_whole(token) && prompt.get(starts[at]..end) != Some(token.as_str()) {
                return None;
            }
        }
        // Tokens that begin at one character share it.
        let mut spans: Vec<Range<usize>> = vec![0..0; n_leading];
        for at in n_leading..tokens.len() {
            let end = starts[at..].iter().find(|s| **s > starts[at]);
            spans.push(starts[at]..end.copied().unwrap_or(prompt.len()));
        }
        Some(Placed { spans, n_leading })
    })
}

/// The bytes of a token written as `bytes:\xe2\x80`.
fn escaped(token: &str) -> Option<Vec<u8>> {
    let hex = token.strip_prefix("bytes:")?.split("\\x").skip(1);
    hex.map(|h| u8::from_str_radix(h.get(..2)?, 16).ok())
        .collect()
}

fn by_texts(prompt: &str, tokens: &[String]) -> Option<Placed> {
    let whole = prompt.as_bytes();
    let mut spans: Vec<Range<usize>> = Vec::with_capacity(tokens.len());
    let mut n_leading = 0;
    let mut at = 0;
    while spans.len() < tokens.len() {
        let token = &tokens[spans.len()];
        let rest = &whole[at..];
        let known = match is_whole(token) {
            true => Some(token.as_bytes().to_vec()),
            false => escaped(token),
        };
        if let Some(bytes) = known {
            // A space that the tokenizer puts before a text, or takes from a token alone.
            let without_space = bytes.strip_prefix(b" ").filter(|_| at == 0);
            let n = if rest.starts_with(&bytes) {
                bytes.len()
            } else if rest.first() == Some(&b' ') && rest[1..].starts_with(&bytes) {
                bytes.len() + 1
            } else if let Some(bytes) = without_space.filter(|b| rest.starts_with(b)) {
                bytes.len()
            } else if at == 0 && n_leading == 0 {
                n_leading = 1;
                0
            } else {
                return None;
            };
            spans.push(at..at + n);
            at += n;
            continue;
        }
        // A run of tokens without a text of their own ends where the next one with a text is.
        let from = spans.len();
        let to = (from..tokens.len())
            .find(|i| is_whole(&tokens[*i]))
            .unwrap_or(tokens.len());
        let end = match tokens.get(to) {
            None => prompt.len(),
            Some(next) => at + prompt.get(at..)?.find(next.as_str())?,
        };
        spans.resize(to, at..end);
        at = end;
    }
    (at == prompt.len()).then_some(Placed { spans, n_leading })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn owned(tokens: &[&str]) -> Vec<String> {
        tokens.iter().map(|t| (*t).to_owned()).collect()
    }

    fn border(prompt: &str, tokens: &[&str], offsets: Option<&[usize]>, at: usize) -> Border {
        place(prompt, &owned(tokens), offsets)
            .expect("tokens of the prompt")
            .border(at)
    }

    #[test]
    fn a_clean_border_is_a_token() {
        let tokens = ["The", " cat", " sat", " é", "!"];
        let prompt = tokens.concat();
        let offsets = [0, 3, 7, 11, 13];
        for (token, at) in [(0, 0), (1, 3), (3, 11), (4, 14)] {
            assert_eq!(
                border(&prompt, &tokens, Some(&offsets), at),
                Border::At(token)
            );
            assert_eq!(border(&prompt, &tokens, None, at), Border::At(token));
        }
        assert_eq!(border(&prompt, &tokens, Some(&offsets), 5), Border::Within);
    }

    #[test]
    fn a_beginning_of_text_token_is_not_in_the_text() {
        let tokens = ["<s>", "The", " cat"];
        // vLLM counts its characters; others do not; and some give no offsets.
        for offsets in [Some(&[0, 3, 6][..]), Some(&[0, 0, 3]), None] {
            assert_eq!(border("The cat", &tokens, offsets, 3), Border::At(2));
            assert_eq!(border("The cat", &tokens, offsets, 0), Border::At(1));
        }
        // A text that begins with the token's own is another matter.
        assert_eq!(
            border("<s>The cat", &tokens, Some(&[0, 3, 6]), 3),
            Border::At(1)
        );
        assert_eq!(border("<s>The cat", &tokens, None, 3), Border::At(1));
    }

    #[test]
    fn tokens_that_split_a_character_share_it() {
        let tokens = ["a", "\u{FFFD}", "\u{FFFD}", "\u{FFFD}", "b"];
        for offsets in [Some(&[0, 1, 1, 1, 2][..]), None] {
            assert_eq!(border("a😀b", &tokens, offsets, 1), Border::At(1));
            assert_eq!(border("a😀b", &tokens, offsets, 5), Border::At(4));
        }
        let two = ["a", "\u{FFFD}", "\u{FFFD}", "\u{FFFD}", "\u{FFFD}", "b"];
        // Between two characters of one run nobody knows, but for honest offsets.
        assert_eq!(border("aéèb", &two, None, 3), Border::Within);
        assert_eq!(
            border("aéèb", &two, Some(&[0, 1, 1, 2, 2, 3]), 3),
            Border::At(3)
        );
        let bytes = ["a", "bytes:\\xc3", "bytes:\\xa9", "b"];
        assert_eq!(border("aéb", &bytes, None, 3), Border::At(3));
    }

    #[test]
    fn spaces_that_sentencepiece_takes_or_gives() {
        assert_eq!(
            border("The cat sat", &["The", "cat", "sat"], None, 3),
            Border::At(1)
        );
        assert_eq!(
            border("The cat", &["<s>", " The", " cat"], None, 3),
            Border::At(2)
        );
        assert_eq!(place("The cat", &owned(&["A", "dog"]), Some(&[0, 1])), None);
        assert_eq!(place("The cat", &owned(&["The"]), Some(&[0])), None);
        assert_eq!(place("The cat", &[], Some(&[])), None);
    }

    proptest! {
        #[test]
        fn tokens_laid_end_to_end_are_where_they_are(
            tokens in prop::collection::vec("[ab é😀\n]{1,4}", 1..12),
            leading in any::<bool>(),
            with in any::<bool>(),
        ) {
            let prompt: String = tokens.concat();
            let mut all = tokens.clone();
            let mut starts = Vec::new();
            let mut n = 0;
            for token in &tokens {
                starts.push(n);
                n += token.len();
            }
            let mut offsets: Vec<usize> =
                starts.iter().map(|s| prompt[..*s].chars().count()).collect();
            if leading {
                all.insert(0, "<bos>".into());
                offsets.iter_mut().for_each(|o| *o += 5);
                offsets.insert(0, 0);
            }
            let placed = place(&prompt, &all, with.then_some(&offsets[..])).unwrap();
            for (token, start) in starts.iter().enumerate().skip(1) {
                let want = token + usize::from(leading);
                prop_assert_eq!(placed.border(*start), Border::At(want));
            }
        }
    }
}
