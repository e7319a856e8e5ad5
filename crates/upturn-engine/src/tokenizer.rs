//! Text to tokens and back, as the Hugging Face tokenizer of the same folder does it.
//!
//! The `tokenizers` crate does the work; this adds what stands beside
//! `tokenizer.json` (which tokens are special, chat templates) and a fast way for
//! tokenizers of the byte-level kind: a text is cut where no token can cross (see
//! `cuts`), and parts seen before are looked up. The ids are those of the
//! `tokenizers` crate in every case.

mod cache;
mod cuts;
mod files;
mod pipeline;
mod stream;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde_json::Value;
use tokenizers::models::bpe::BPE;
use tokenizers::{AddedToken, DecoderWrapper, ModelWrapper, NormalizedString, Normalizer};

pub use self::stream::StreamDecoder;

use self::cache::PieceCache;
use self::cuts::Cuts;
use self::files::Files;
use self::pipeline::Pipeline;
use crate::error::ModelError;

/// Special tokens put before and after a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Specials {
    /// Before the text.
    pub before: Vec<u32>,
    /// After it.
    pub after: Vec<u32>,
}

/// The tokenizer of a model.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    roles: BTreeMap<&'static str, AddedToken>,
    role_ids: BTreeMap<&'static str, u32>,
    chat_templates: BTreeMap<String, String>,
    model_max_length: Option<u64>,
    /// What the post-processor puts around a text; `None` where it does something else.
    specials: Option<Specials>,
    cuts: Option<Cuts>,
    caches: Mutex<Vec<PieceCache>>,
    /// Whether the decoder is the byte-level one, which joins the bytes of tokens.
    byte_level: bool,
    read: Vec<PathBuf>,
    note: Option<String>,
}

/// How a folder without `tokenizer.json` can be given one.
const CONVERT: &str = "convert it once in Python: AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER) writes tokenizer.json";

/// Texts on which the fast way is compared with the plain one before it is used.
const PROBES: [&str; 8] = [
    "",
    " ",
    "The quick brown fox, aged 31, isn't \"lazy\".\nIt jumps  over 1,234.5 dogs!\n\nQ: What's 2 + 2?\nA: 4",
    "def f(x):\n    return x ** 2  # it's\n\n\n\tclass A: pass\r\n",
    "naïve cafe\u{301} Ωμέγα 東京 は 首都 🙂🏽 x\u{a0}y \u{3000}z",
    " leading and trailing   ",
    "<s> </s> <|endoftext|> a<|endoftext|> b <|im_start|>user\nhi<|im_end|>\n[INST] x [/INST]",
    "don't DON'T they'll THEY'LL I'm we've\n 'tis ' s 'S",
];

impl Tokenizer {
    /// Reads the tokenizer of a model's folder.
    ///
    /// Read are `tokenizer.json`, or `vocab.json` with `merges.txt`;
    /// `tokenizer_config.json`, `special_tokens_map.json`, `added_tokens.json`,
    /// `chat_template.jinja`; and `config.json` for the type of the model, where
    /// nothing names the tokenizer's class.
    ///
    /// Where the tokenizer's class is one that transformers 5 builds anew from the
    /// vocabulary (GPT-2, GPT-NeoX, Qwen 2, Llama 2), so is it here: what `tokenizer.json` says
    /// of normalizing and splitting is then not used, and [`Tokenizer::note`] tells
    /// where it differs.
    ///
    /// # Errors
    /// When there is no vocabulary that can be read, or a file is malformed.
    pub fn open(dir: &Path) -> Result<Tokenizer, ModelError> {
        let mut files = Files::read(dir)?;
        let path = dir.join("tokenizer.json");
        let inner = match files::read_text(&path)? {
            Some(text) => {
                let mut inner = parse(&text).map_err(|e| ModelError::file(&path, e))?;
                let note = pipeline::follow_class(&mut inner, &files)?;
                files.note = note.map(|n| format!("{}: {n}", path.display()));
                files.read.push(path);
                inner
            }
            None => from_vocab(dir, &mut files)?,
        };
        Self::assemble(inner, files)
    }

    /// A tokenizer from the text of a `tokenizer.json` alone: no token has a role, and
    /// there is no chat template.
    ///
    /// # Errors
    /// When the text is not a tokenizer.
    pub fn from_json(text: &str) -> Result<Tokenizer, ModelError> {
        Self::assemble(
            parse(text).map_err(ModelError::Tokenizer)?,
            Files::default(),
        )
    }

    fn assemble(mut inner: tokenizers::Tokenizer, files: Files) -> Result<Tokenizer, ModelError> {
        let tokenizer_error = |e: tokenizers::Error| ModelError::Tokenizer(one_line(&e));
        inner.with_truncation(None).map_err(tokenizer_error)?;
        inner.with_padding(None);
        let split_specials = files.flag("split_special_tokens") == Some(true);
        inner.set_encode_special_tokens(split_specials);

        let known = inner.get_added_tokens_decoder();
        let known: BTreeMap<&str, &AddedToken> =
            known.values().map(|t| (t.content.as_str(), t)).collect();
        let known = |t: &AddedToken| known.get(t.content.as_str()).copied();
        // A list of added tokens knows their flags; a role alone does not.
        let listed = files.added.iter().filter(|t| known(t) != Some(*t));
        let named = files.named.iter().filter(|t| known(t).is_none());
        let missing: Vec<AddedToken> = listed.chain(named).cloned().collect();
        inner.add_tokens(missing).map_err(tokenizer_error)?;

        let role_ids = files
            .roles
            .iter()
            .filter_map(|(role, token)| Some((*role, inner.token_to_id(&token.content)?)))
            .collect();
        let model_max_length = files
            .config
            .get("model_max_length")
            .and_then(Value::as_f64)
            .filter(|n| (1.0..1e9).contains(n))
            .map(|n| n as u64);

        let byte_level = matches!(inner.get_decoder(), Some(DecoderWrapper::ByteLevel(_)));
        let mut tokenizer = Tokenizer {
            specials: specials(&inner),
            cuts: None,
            role_ids,
            roles: files.roles,
            chat_templates: files.chat_templates,
            model_max_length,
            caches: Mutex::new(Vec::new()),
            byte_level,
            read: files.read,
            note: files.note,
            inner,
        };
        if !split_specials {
            tokenizer.cuts = tokenizer.find_cuts();
        }
        if !tokenizer.probe() {
            tokenizer.cuts = None;
        }
        Ok(tokenizer)
    }

    fn find_cuts(&self) -> Option<Cuts> {
        let ModelWrapper::BPE(model) = self.inner.get_model() else {
            return None;
        };
        if model.dropout.unwrap_or(0.0) != 0.0 {
            return None;
        }
        let normalizer = serde_json::to_value(self.inner.get_normalizer()).ok()?;
        let pre_tokenizer = serde_json::to_value(self.inner.get_pre_tokenizer()).ok()?;
        Cuts::of(&normalizer, &pre_tokenizer, &self.added_patterns())
    }

    /// Contents of added tokens as they are searched for, with their `rstrip` and `single_word`.
    fn added_patterns(&self) -> Vec<(String, bool, bool)> {
        let mut patterns = Vec::new();
        let added: BTreeMap<u32, AddedToken> =
            self.inner.get_added_tokens_decoder().into_iter().collect();
        for token in added.into_values() {
            if token.normalized
                && let Some(normalizer) = self.inner.get_normalizer()
            {
                let mut content = NormalizedString::from(token.content.as_str());
                if normalizer.normalize(&mut content).is_ok() {
                    patterns.push((content.get().to_owned(), token.rstrip, token.single_word));
                }
            }
            patterns.push((token.content, token.rstrip, token.single_word));
        }
        patterns
    }

    /// Whether the fast way agrees with the plain one on a few texts.
    fn probe(&self) -> bool {
        PROBES.iter().all(|text| {
            [false, true].iter().all(|specials| {
                self.encode(text, *specials).ok() == self.encode_plain(text, *specials).ok()
            })
        })
    }

    /// Token ids of a text, with what the tokenizer puts around it (`specials`) or without:
    /// `tokenizer(text, add_special_tokens=specials)`.
    ///
    /// # Errors
    /// When the text holds what the vocabulary cannot express and the tokenizer
    /// has no token for the unknown. (A BPE vocabulary without one leaves such
    /// characters out, as the Python tokenizer does.)
    pub fn encode(&self, text: &str, specials: bool) -> Result<Vec<u32>, ModelError> {
        let Some(around) = self.specials.as_ref().filter(|_| self.cuts.is_some()) else {
            return self.encode_plain(text, specials);
        };
        let mut ids = Vec::with_capacity(text.len() / 3 + 4);
        if specials {
            ids.extend_from_slice(&around.before);
        }
        self.session().encode(text, &mut ids)?;
        if specials {
            ids.extend_from_slice(&around.after);
        }
        Ok(ids)
    }

    /// As [`Tokenizer::encode`], by the `tokenizers` crate alone: slower, with the same result.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_plain(&self, text: &str, specials: bool) -> Result<Vec<u32>, ModelError> {
        let encoding = self.inner.encode_fast(text, specials).map_err(|e| {
            ModelError::Tokenizer(format!(
                "cannot encode {:?}: {} (is the unknown token named in tokenizer.json part of its vocabulary?)",
                excerpt(text),
                one_line(&e)
            ))
        })?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Text of token ids, without cleaning spaces:
    /// `tokenizer.decode(ids, skip_special_tokens=…, clean_up_tokenization_spaces=False)`.
    ///
    /// Ids outside the vocabulary are left out.
    #[must_use]
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> String {
        if self.byte_level {
            let mut bytes = Vec::with_capacity(ids.len() * 4);
            for id in ids {
                self.token_bytes(*id, skip_special, &mut bytes);
            }
            return String::from_utf8_lossy(&bytes).into_owned();
        }
        self.inner.decode(ids, skip_special).unwrap_or_default()
    }

    /// A decoder for tokens as they are generated.
    #[must_use]
    pub fn stream(&self, skip_special: bool) -> StreamDecoder<'_> {
        StreamDecoder::new(self, skip_special)
    }

    /// Appends the bytes of a token of a byte-level tokenizer.
    fn token_bytes(&self, id: u32, skip_special: bool, bytes: &mut Vec<u8>) {
        let Some(token) = self.inner.id_to_token(id) else {
            return;
        };
        if skip_special && self.inner.get_added_vocabulary().is_special_token(&token) {
            return;
        }
        let start = bytes.len();
        for c in token.chars() {
            match byte_of(c) {
                Some(byte) => bytes.push(byte),
                None => {
                    // Not of the byte alphabet: an added token, which is its own text.
                    bytes.truncate(start);
                    bytes.extend_from_slice(token.as_bytes());
                    return;
                }
            }
        }
    }

    /// Whether decoding takes note of a token at all.
    fn shows(&self, id: u32, skip_special: bool) -> bool {
        self.inner.id_to_token(id).is_some_and(|token| {
            !(skip_special && self.inner.get_added_vocabulary().is_special_token(&token))
        })
    }

    /// Whether a token stands for one byte, as in `<0x0A>`.
    fn is_byte_token(&self, id: u32) -> bool {
        self.inner.id_to_token(id).is_some_and(|t| {
            t.len() == 6
                && t.starts_with("<0x")
                && t.ends_with('>')
                && u8::from_str_radix(&t[3..5], 16).is_ok()
        })
    }

    /// Id of a token written exactly so, special or not.
    #[must_use]
    pub fn token_id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// Beginning-of-sequence token.
    #[must_use]
    pub fn bos_id(&self) -> Option<u32> {
        self.role_ids.get("bos_token").copied()
    }

    /// End-of-sequence token.
    #[must_use]
    pub fn eos_id(&self) -> Option<u32> {
        self.role_ids.get("eos_token").copied()
    }

    /// Token for the unknown.
    #[must_use]
    pub fn unk_id(&self) -> Option<u32> {
        self.role_ids.get("unk_token").copied()
    }

    /// Padding token.
    #[must_use]
    pub fn pad_id(&self) -> Option<u32> {
        self.role_ids.get("pad_token").copied()
    }

    /// Token that stands for an empty context: `bos`, else `eos`.
    #[must_use]
    pub fn prefix_id(&self) -> Option<u32> {
        self.bos_id().or_else(|| self.eos_id())
    }

    /// Text of the beginning-of-sequence token.
    #[must_use]
    pub fn bos_token(&self) -> Option<&str> {
        self.roles.get("bos_token").map(|t| t.content.as_str())
    }

    /// Special tokens by role (`bos_token`, `eos_token`…), as chat templates see them.
    #[must_use]
    pub fn special_tokens(&self) -> BTreeMap<String, String> {
        self.roles
            .iter()
            .map(|(role, token)| ((*role).to_owned(), token.content.clone()))
            .collect()
    }

    /// What is put around a text by default, where it is the same for every text.
    #[must_use]
    pub fn specials(&self) -> Option<&Specials> {
        self.specials.as_ref()
    }

    /// Chat templates by name; a single one is called `default`.
    #[must_use]
    pub fn chat_templates(&self) -> &BTreeMap<String, String> {
        &self.chat_templates
    }

    /// Longest input the tokenizer's configuration names, in tokens.
    #[must_use]
    pub fn model_max_length(&self) -> Option<u64> {
        self.model_max_length
    }

    /// Ids of the vocabulary, added tokens included, are below this number where they are dense.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// Whether texts are cut and looked up (otherwise each is tokenized whole).
    #[must_use]
    pub fn is_fast(&self) -> bool {
        self.cuts.is_some()
    }

    /// The files that were read, in order.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.read
    }

    /// What a user should know about how the files were read, as one line.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// A thread's own state for encoding many texts.
    pub(crate) fn session(&self) -> Session<'_> {
        let cache = self.caches.lock().ok().and_then(|mut c| c.pop());
        Session {
            tokenizer: self,
            cache: Some(cache.unwrap_or_else(PieceCache::new)),
        }
    }
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokenizer")
            .field("vocab_size", &self.vocab_size())
            .field("roles", &self.role_ids)
            .field("specials", &self.specials)
            .field("is_fast", &self.is_fast())
            .finish_non_exhaustive()
    }
}

/// Encodes texts with a table of its own, which goes back to the tokenizer afterwards.
pub(crate) struct Session<'a> {
    tokenizer: &'a Tokenizer,
    cache: Option<PieceCache>,
}

impl Session<'_> {
    /// Appends the ids of a text, without special tokens.
    pub(crate) fn encode(&mut self, text: &str, ids: &mut Vec<u32>) -> Result<(), ModelError> {
        self.encode_parts(text, ids, |_, _| {})
    }

    /// As [`Session::encode`], calling `part(end, n)` after each part that ends at a
    /// safe cut (or at the end of the text): byte offset, and length of `ids` there.
    pub(crate) fn encode_parts(
        &mut self,
        text: &str,
        ids: &mut Vec<u32>,
        mut part: impl FnMut(usize, usize),
    ) -> Result<(), ModelError> {
        let tokenizer = self.tokenizer;
        let (Some(cuts), Some(cache)) = (&tokenizer.cuts, &mut self.cache) else {
            ids.extend(tokenizer.encode_plain(text, false)?);
            part(text.len(), ids.len());
            return Ok(());
        };
        let bytes = text.as_bytes();
        let mut start = 0;
        let mut before = b' ';
        for (i, byte) in bytes.iter().enumerate() {
            if (*byte == b' ' || *byte == b'\n') && cuts.between(before, *byte) {
                encode_part(tokenizer, cache, &text[start..i], ids)?;
                part(i, ids.len());
                start = i;
            }
            before = *byte;
        }
        if start < bytes.len() {
            encode_part(tokenizer, cache, &text[start..], ids)?;
            part(bytes.len(), ids.len());
        }
        Ok(())
    }

    /// Whether a text that ends in `left` may be cut from one that starts with `right`.
    pub(crate) fn cuts_between(&self, left: &str, right: &str) -> bool {
        match (
            &self.tokenizer.cuts,
            left.bytes().last(),
            right.bytes().next(),
        ) {
            (Some(cuts), Some(l), Some(r)) => cuts.between(l, r),
            _ => false,
        }
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        if let (Some(cache), Ok(mut caches)) = (self.cache.take(), self.tokenizer.caches.lock()) {
            caches.push(cache);
        }
    }
}

#[inline]
fn encode_part(
    tokenizer: &Tokenizer,
    cache: &mut PieceCache,
    piece: &str,
    ids: &mut Vec<u32>,
) -> Result<(), ModelError> {
    if piece.len() > cache::PIECE_BYTES_MAX {
        ids.extend(tokenizer.encode_plain(piece, false)?);
    } else if !cache.get(piece.as_bytes(), ids) {
        let new = tokenizer.encode_plain(piece, false)?;
        cache.put(piece.as_bytes(), &new);
        ids.extend(new);
    }
    Ok(())
}

fn parse(text: &str) -> Result<tokenizers::Tokenizer, String> {
    text.parse()
        .map_err(|e: tokenizers::Error| format!("not a tokenizer: {}; {CONVERT}", one_line(&e)))
}

/// A byte-level BPE from `vocab.json` and `merges.txt`, as the classes that have them build it.
fn from_vocab(dir: &Path, files: &mut Files) -> Result<tokenizers::Tokenizer, ModelError> {
    let vocab = dir.join("vocab.json");
    let merges = dir.join("merges.txt");
    if !(vocab.is_file() && merges.is_file()) {
        let other = [
            "tokenizer.model",
            "spiece.model",
            "vocab.txt",
            "tekken.json",
        ]
        .into_iter()
        .find(|name| dir.join(name).is_file());
        return Err(match other {
            Some(name) => ModelError::file(
                dir.join(name),
                format!("this format of a vocabulary is not read; {CONVERT}"),
            ),
            None => ModelError::file(
                dir,
                "no tokenizer.json, and no vocab.json with merges.txt: download the tokenizer's files too",
            ),
        });
    }
    let class = files.class.as_deref().unwrap_or("GPT2Tokenizer");
    let Some(pipeline) = Pipeline::of_class(class, files)? else {
        return Err(ModelError::file(
            vocab,
            format!("{class} is not built from vocab.json and merges.txt here; {CONVERT}"),
        ));
    };
    let malformed = |e: tokenizers::Error| ModelError::file(&vocab, one_line(&e));
    let text = |path: &PathBuf| {
        let text = path.to_str().map(str::to_owned);
        text.ok_or_else(|| {
            ModelError::file(path, "the path is not Unicode text: rename the folder")
        })
    };
    let model = BPE::from_file(&text(&vocab)?, &text(&merges)?)
        .build()
        .map_err(malformed)?;
    let mut inner = tokenizers::Tokenizer::new(model);
    inner
        .with_normalizer(pipeline.normalizer)
        .map_err(malformed)?;
    inner.with_pre_tokenizer(Some(pipeline.pre_tokenizer));
    inner.with_decoder(Some(pipeline.decoder));
    if let Some(template) = template(files, &mut inner)? {
        inner.with_post_processor(Some(template));
    }
    files.read.extend([vocab, merges]);
    Ok(inner)
}

/// The post-processor that `add_bos_token` and `add_eos_token` ask for.
fn template(
    files: &Files,
    inner: &mut tokenizers::Tokenizer,
) -> Result<Option<tokenizers::processors::template::TemplateProcessing>, ModelError> {
    let wanted = |flag: &str, role: &str| {
        files
            .flag(flag)
            .unwrap_or(false)
            .then(|| files.roles.get(role))
            .flatten()
    };
    let bos = wanted("add_bos_token", "bos_token");
    let eos = wanted("add_eos_token", "eos_token");
    if bos.is_none() && eos.is_none() {
        return Ok(None);
    }
    let bad = |e: String| ModelError::Tokenizer(format!("add_bos_token, add_eos_token: {e}"));
    let tokens: Vec<AddedToken> = bos.into_iter().chain(eos).cloned().collect();
    inner
        .add_tokens(tokens.clone())
        .map_err(|e| bad(one_line(&e)))?;
    let mut single = Vec::new();
    single.extend(bos.map(|t| format!("{}:0", t.content)));
    single.push("$A:0".to_owned());
    single.extend(eos.map(|t| format!("{}:0", t.content)));
    let ids: Vec<(String, u32)> = tokens
        .into_iter()
        .filter_map(|t| inner.token_to_id(&t.content).map(|id| (t.content, id)))
        .collect();
    tokenizers::processors::template::TemplateProcessing::builder()
        .try_single(single)
        .map_err(bad)?
        .special_tokens(ids)
        .build()
        .map(Some)
        .map_err(|e| bad(e.to_string()))
}

/// What the post-processor puts around a text, if that is all it does.
fn specials(inner: &tokenizers::Tokenizer) -> Option<Specials> {
    let ids = |text: &str, specials| -> Option<Vec<u32>> {
        Some(inner.encode_fast(text, specials).ok()?.get_ids().to_vec())
    };
    let around = ids("", true)?;
    // The one way to cut `around` in two that explains every probe.
    let mut found = None;
    for at in 0..=around.len() {
        let (before, after) = around.split_at(at);
        let explains = ["a", "b", "a b", "1"].iter().all(|text| {
            ids(text, false)
                .zip(ids(text, true))
                .is_some_and(|(bare, full)| {
                    full.strip_prefix(before)
                        .and_then(|f| f.strip_suffix(after))
                        == Some(&bare)
                })
        });
        if explains {
            found = Some(Specials {
                before: before.to_vec(),
                after: after.to_vec(),
            });
            break;
        }
    }
    found
}

/// The byte that a character of the byte-level alphabet stands for: printable
/// Latin-1 for itself, the other 68 bytes from U+0100 on (GPT-2).
fn byte_of(c: char) -> Option<u8> {
    match u32::from(c) {
        n @ (0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF) => Some(n as u8),
        n @ 0x100..=0x120 => Some((n - 0x100) as u8),
        n @ 0x121..=0x142 => Some((n - 0x121 + 0x7F) as u8),
        0x143 => Some(0xAD),
        _ => None,
    }
}

fn one_line(error: &tokenizers::Error) -> String {
    let text = error.to_string();
    let mut lines = text.lines().map(str::trim).filter(|l| !l.is_empty());
    lines.next().unwrap_or("unknown error").to_owned()
}

fn excerpt(text: &str) -> String {
    let mut chars = text.chars();
    let mut start: String = chars.by_ref().take(40).collect();
    if chars.next().is_some() {
        start.push('…');
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_byte_alphabet_covers_every_byte_once() {
        let mut bytes: Vec<u8> = (0..=0x200)
            .filter_map(|n| byte_of(char::from_u32(n)?))
            .collect();
        assert_eq!(byte_of('Ġ'), Some(b' '));
        assert_eq!(byte_of('Ċ'), Some(b'\n'));
        bytes.sort_unstable();
        assert_eq!(bytes, (0..=255).collect::<Vec<u8>>());
    }
}
