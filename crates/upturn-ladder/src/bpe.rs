//! A byte-level BPE trained on the mixture.
//!
//! Text is cut before tokens are learned: a run of letters with at most one space before it, a
//! digit, or any other single character. So a digit is a token, and no token crosses the `=` or
//! `?` where a prompt ends: a prompt's tokens are the beginning of its document's.

use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, SplitDelimiterBehavior, Tokenizer};

use crate::tokenizer::END;

/// Every byte and the end of a text.
pub(crate) const SMALLEST: usize = 257;

/// Parts that tokens do not cross.
const PARTS: &str = r" ?\p{L}+|\p{N}|[^\p{L}\p{N}]";

/// The text of a `tokenizer.json` with at most `size` tokens.
pub(crate) fn train(size: usize, texts: &[String]) -> tokenizers::Result<String> {
    let byte_level = ByteLevel::new(false, true, false);
    let split = Split::new(
        SplitPattern::Regex(PARTS.to_owned()),
        SplitDelimiterBehavior::Isolated,
        false,
    )?;
    let mut tokenizer = Tokenizer::new(BPE::default());
    tokenizer.with_pre_tokenizer(Some(Sequence::new(vec![split.into(), byte_level.into()])));
    tokenizer.with_decoder(Some(byte_level));
    let mut trainer = BpeTrainer::builder()
        .vocab_size(size)
        .min_frequency(2)
        .show_progress(false)
        .special_tokens(vec![AddedToken::from(END, true)])
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build()
        .into();
    tokenizer.train::<tokenizers::models::TrainerWrapper, _, _>(&mut trainer, texts.iter())?;
    tokenizer.to_string(false)
}
