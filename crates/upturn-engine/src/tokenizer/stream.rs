//! Text of a generation while its tokens arrive.

use super::Tokenizer;

/// Turns tokens into text one by one, without ever taking text back.
///
/// What [`StreamDecoder::push`] and [`StreamDecoder::finish`] return, joined, is
/// what [`Tokenizer::decode`] makes of all tokens at once. Text that a later token
/// could still change (half a character, bytes that may yet form one) waits;
/// [`StreamDecoder::pending`] shows it as it would be if nothing followed.
pub struct StreamDecoder<'a> {
    tokenizer: &'a Tokenizer,
    skip_special: bool,
    /// Bytes not yet text (byte-level decoders).
    bytes: Vec<u8>,
    /// All tokens, the part of them that is settled, and the text given out (other decoders).
    tokens: Vec<u32>,
    n_settled: usize,
    emitted: String,
}

impl<'a> StreamDecoder<'a> {
    pub(super) fn new(tokenizer: &'a Tokenizer, skip_special: bool) -> Self {
        StreamDecoder {
            tokenizer,
            skip_special,
            bytes: Vec::new(),
            tokens: Vec::new(),
            n_settled: 0,
            emitted: String::new(),
        }
    }

    /// The text that this token settles; often a word, sometimes nothing.
    pub fn push(&mut self, token: u32) -> String {
        if self.tokenizer.byte_level {
            self.tokenizer
                .token_bytes(token, self.skip_special, &mut self.bytes);
            return take_text(&mut self.bytes);
        }
        self.tokens.push(token);
        // Byte tokens are read together, up to the next token that shows and is none.
        if self.tokenizer.shows(token, self.skip_special) && !self.tokenizer.is_byte_token(token) {
            self.n_settled = self.tokens.len();
        }
        let settled = self
            .tokenizer
            .decode(&self.tokens[..self.n_settled], self.skip_special);
        self.emit(settled)
    }

    /// What is waiting, as it would read if no token followed.
    #[must_use]
    pub fn pending(&self) -> String {
        if self.tokenizer.byte_level {
            return String::from_utf8_lossy(&self.bytes).into_owned();
        }
        let all = self.tokenizer.decode(&self.tokens, self.skip_special);
        all.strip_prefix(self.emitted.as_str())
            .map(str::to_owned)
            .unwrap_or_default()
    }

    /// The rest of the text.
    #[must_use]
    pub fn finish(self) -> String {
        self.pending()
    }

    fn emit(&mut self, settled: String) -> String {
        match settled.strip_prefix(self.emitted.as_str()) {
            Some(new) => {
                let new = new.to_owned();
                self.emitted = settled;
                new
            }
            None => String::new(),
        }
    }
}

/// Moves out what of `bytes` is text whatever follows: invalid bytes become U+FFFD
/// as in `String::from_utf8_lossy`, the start of a character stays.
fn take_text(bytes: &mut Vec<u8>) -> String {
    let mut text = String::new();
    let mut at = 0;
    loop {
        match std::str::from_utf8(&bytes[at..]) {
            Ok(rest) => {
                text.push_str(rest);
                at = bytes.len();
                break;
            }
            Err(e) => {
                let valid = at + e.valid_up_to();
                text.push_str(&String::from_utf8_lossy(&bytes[at..valid]));
                at = valid;
                match e.error_len() {
                    Some(n) => {
                        text.push('\u{FFFD}');
                        at += n;
                    }
                    None => break,
                }
            }
        }
    }
    bytes.drain(..at);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn taken_text_joins_to_the_lossy_text(
            parts in prop::collection::vec(prop::collection::vec(
                prop_oneof![any::<u8>(), Just(0xE2), Just(0x82), Just(0xAC), Just(b'a'), Just(0xF0)], 0..4), 0..12)
        ) {
            let all: Vec<u8> = parts.concat();
            let mut waiting = Vec::new();
            let mut text = String::new();
            for part in parts {
                waiting.extend(part);
                text.push_str(&take_text(&mut waiting));
                prop_assert!(waiting.len() < 4);
            }
            text.push_str(&String::from_utf8_lossy(&waiting));
            prop_assert_eq!(text, String::from_utf8_lossy(&all).into_owned());
        }
    }
}
