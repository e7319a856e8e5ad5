//! How the tokenizer classes of transformers normalize and split a text.
//!
//! Since its version 5, transformers takes only the vocabulary, the merges, the
//! added tokens and the post-processor of these classes from `tokenizer.json`.

use serde_json::Value;
use tokenizers::decoders::byte_fallback::ByteFallback;
use tokenizers::decoders::fuse::Fuse;
use tokenizers::decoders::strip::Strip;
use tokenizers::normalizers::NormalizerWrapper;
use tokenizers::normalizers::replace::Replace;
use tokenizers::normalizers::unicode::NFC;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{
    DecoderWrapper, ModelWrapper, PostProcessorWrapper, PreTokenizerWrapper,
    SplitDelimiterBehavior, decoders,
};

use super::files::Files;
use crate::error::ModelError;

/// How Qwen 2 splits a text.
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// What a class does around its vocabulary and merges.
pub(super) struct Pipeline {
    pub normalizer: Option<NormalizerWrapper>,
    pub pre_tokenizer: PreTokenizerWrapper,
    pub decoder: DecoderWrapper,
    /// Whether what the vocabulary lacks is written in bytes, as `<0x0A>`.
    byte_fallback: bool,
    /// Whether the class ignores the post-processor of `tokenizer.json`.
    own_post_processor: bool,
}

impl Pipeline {
    /// That of the class of these files; `None` where the class takes `tokenizer.json` as it is.
    pub(super) fn of_class(class: &str, files: &Files) -> Result<Option<Self>, ModelError> {
        let prefix_space = files.flag("add_prefix_space");
        let bytes = |use_regex| {
            let prefix_space = prefix_space.unwrap_or(false);
            PreTokenizerWrapper::ByteLevel(ByteLevel::new(prefix_space, true, use_regex))
        };
        let nfc = Some(NormalizerWrapper::NFC(NFC));
        let (normalizer, pre_tokenizer) = match class {
            "GPT2Tokenizer" => (None, bytes(true)),
            "GPTNeoXTokenizer" => (nfc, bytes(true)),
            "Qwen2Tokenizer" => {
                let pattern = SplitPattern::Regex(QWEN2.to_owned());
                let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false)
                    .map_err(malformed)?;
                let parts = vec![PreTokenizerWrapper::Split(split), bytes(false)];
                (nfc, PreTokenizerWrapper::Sequence(Sequence::new(parts)))
            }
            "LlamaTokenizer" => return Self::llama(files, prefix_space.unwrap_or(true)).map(Some),
            _ => return Ok(None),
        };
        Ok(Some(Pipeline {
            normalizer,
            pre_tokenizer,
            decoder: DecoderWrapper::ByteLevel(ByteLevel::default()),
            byte_fallback: false,
            own_post_processor: class == "GPTNeoXTokenizer",
        }))
    }

    /// Spaces as `▁`, one before the text (or, in the old way, before each part
    /// between special tokens).
    fn llama(files: &Files, prefix_space: bool) -> Result<Self, ModelError> {
        let scheme = match (prefix_space, files.flag("legacy") == Some(true)) {
            (true, false) => PrependScheme::First,
            (true, true) => PrependScheme::Always,
            (false, _) => PrependScheme::Never,
        };
        let mut decoders = vec![
            DecoderWrapper::Replace(Replace::new("▁", " ").map_err(malformed)?),
            DecoderWrapper::ByteFallback(ByteFallback::new()),
            DecoderWrapper::Fuse(Fuse::new()),
        ];
        if prefix_space {
            decoders.push(DecoderWrapper::Strip(Strip::new(' ', 1, 0)));
        }
        Ok(Pipeline {
            normalizer: None,
            pre_tokenizer: PreTokenizerWrapper::Metaspace(Metaspace::new('▁', scheme, false)),
            decoder: DecoderWrapper::Sequence(decoders::sequence::Sequence::new(decoders)),
            byte_fallback: true,
            own_post_processor: false,
        })
    }
}

/// Gives a tokenizer from `tokenizer.json` the pipeline of its class, if that has one of
/// its own. Tells where the file says something else.
pub(super) fn follow_class(
    inner: &mut tokenizers::Tokenizer,
    files: &Files,
) -> Result<Option<String>, ModelError> {
    let (Some(class), ModelWrapper::BPE(model)) = (files.class.as_deref(), inner.get_model())
    else {
        return Ok(None);
    };
    let Some(pipeline) = Pipeline::of_class(class, files)? else {
        return Ok(None);
    };
    let mut differs = described(&inner.get_normalizer()) != described(&pipeline.normalizer)
        || described(&inner.get_pre_tokenizer()) != described(&Some(&pipeline.pre_tokenizer));

    let fallback = pipeline.byte_fallback;
    let has = |part: &Option<String>| part.as_deref().is_some_and(|p| !p.is_empty());
    if model.ignore_merges
        || model.byte_fallback != fallback
        || model.fuse_unk != fallback
        || model.unk_token.is_some()
        || model.dropout.is_some()
        || has(&model.continuing_subword_prefix)
        || has(&model.end_of_word_suffix)
    {
        differs |= model.ignore_merges || model.byte_fallback != fallback;
        let mut plain = model.clone();
        plain.ignore_merges = false;
        plain.byte_fallback = fallback;
        plain.fuse_unk = fallback;
        plain.unk_token = None;
        plain.dropout = None;
        plain.continuing_subword_prefix = None;
        plain.end_of_word_suffix = None;
        inner.with_model(ModelWrapper::BPE(plain));
    }
    inner
        .with_normalizer(pipeline.normalizer)
        .map_err(malformed)?;
    inner.with_pre_tokenizer(Some(pipeline.pre_tokenizer));
    inner.with_decoder(Some(pipeline.decoder));
    if pipeline.own_post_processor {
        inner.with_post_processor(None::<PostProcessorWrapper>);
    }
    Ok(differs.then(|| {
        format!("normalizes or splits text otherwise than {class}; the class is followed, as in transformers 5")
    }))
}

fn malformed(error: tokenizers::Error) -> ModelError {
    ModelError::Tokenizer(error.to_string())
}

/// A part as JSON, without what has no bearing on the tokens.
fn described<T: serde::Serialize>(part: &T) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.remove("trim_offsets");
                map.values_mut().for_each(strip);
            }
            Value::Array(list) => list.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(part).unwrap_or_default();
    strip(&mut value);
    value
}
