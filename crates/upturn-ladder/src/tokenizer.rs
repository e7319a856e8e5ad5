//! The vocabulary of a ladder, and the files that carry it into every member's folder.
//!
//! `tokenizer.json` says everything; `tokenizer_config.json` takes it as it is
//! (`PreTrainedTokenizerFast`). No token is put before or after a text, no space is added or
//! cleaned, and decoding gives the text back. The end of a text is `<|endoftext|>`, for padding
//! too; a vocabulary from a file keeps its own end.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};
use upturn_engine::error::ModelError;
use upturn_engine::tokenizer::Tokenizer;

use crate::alphabet::{Alphabet, END_ID};
use crate::bpe;
use crate::disk;
use crate::hash::Digest;

/// End of a text.
pub(crate) const END: &str = "<|endoftext|>";
/// A character that the data does not have.
pub(crate) const UNKNOWN: &str = "<unk>";

/// Ends of a text under other names.
const ENDS: [&str; 6] = [
    END,
    "</s>",
    "<|end_of_text|>",
    "<eos>",
    "<|im_end|>",
    "[SEP]",
];

/// A tokenizer and its files.
#[derive(Debug)]
pub struct TokenizerFiles {
    files: Vec<(String, String)>,
    tokenizer: Tokenizer,
    alphabet: Option<Alphabet>,
    /// Rows of the embedding table.
    pub vocab_size: usize,
    /// Token that ends a text.
    pub eos_id: u32,
    /// Token that begins a text; only where a vocabulary from a file has one, and not used.
    pub bos_id: Option<u32>,
    /// Changes with the files.
    pub digest: String,
}

/// An entry of `added_tokens`.
pub(crate) fn added(id: u32, content: &str) -> Value {
    json!({
        "id": id,
        "content": content,
        "single_word": false,
        "lstrip": false,
        "rstrip": false,
        "normalized": false,
        "special": true,
    })
}

impl TokenizerFiles {
    /// One token per character.
    pub(crate) fn characters(chars: &BTreeSet<char>, context: usize) -> Result<Self, ModelError> {
        let alphabet = Alphabet::new(chars);
        let text = disk::pretty(&alphabet.json());
        let roles = json!({ "unk_token": UNKNOWN, "eos_token": END, "pad_token": END });
        let mut files = Self::assemble(text, roles, END_ID, context)?;
        files.alphabet = Some(alphabet);
        Ok(files)
    }

    /// Byte-level BPE.
    pub(crate) fn bpe(size: usize, texts: &[String], context: usize) -> Result<Self, ModelError> {
        let fail = |e: &dyn std::fmt::Display| ModelError::Tokenizer(e.to_string());
        let text = bpe::train(size, texts).map_err(|e| fail(&e))?;
        let value: Value = serde_json::from_str(&text).map_err(|e| fail(&e))?;
        let roles = json!({ "eos_token": END, "pad_token": END });
        Self::assemble(disk::pretty(&value), roles, 0, context)
    }

    /// A `tokenizer.json`, or the folder that has one.
    pub(crate) fn open(path: &Path, context: usize) -> Result<Self, ModelError> {
        let (file, dir) = if path.is_dir() {
            (path.join("tokenizer.json"), path)
        } else {
            (path.to_owned(), path.parent().unwrap_or(Path::new("")))
        };
        let fail = |message: String| ModelError::file(&file, message);
        let text = fs::read_to_string(&file).map_err(|e| fail(format!("cannot be read ({e})")))?;
        let alone = Tokenizer::from_json(&text).map_err(|e| fail(e.to_string()))?;
        // Roles stand in files beside it, where it is in a model's folder.
        let mut roles: Map<String, Value> = Map::new();
        if file.file_name().is_some_and(|n| n == "tokenizer.json")
            && dir.join("tokenizer_config.json").exists()
        {
            let folder = Tokenizer::open(dir)?;
            for (role, token) in folder.special_tokens() {
                if alone.token_id(&token).is_some() {
                    roles.insert(role, json!(token));
                }
            }
        }
        let named = roles.get("eos_token").and_then(Value::as_str);
        let end = named
            .or_else(|| ENDS.into_iter().find(|e| alone.token_id(e).is_some()))
            .map(str::to_owned);
        let Some((end, id)) = end
            .and_then(|e| Some((alone.token_id(&e)?, e)))
            .map(|(id, e)| (e, id))
        else {
            return Err(fail(
                "has no token that ends a text; expected eos_token in tokenizer_config.json beside it, or <|endoftext|> in the vocabulary".to_owned(),
            ));
        };
        roles.insert("eos_token".to_owned(), json!(end));
        roles.entry("pad_token").or_insert(json!(end));
        Self::assemble(text, Value::Object(roles), id, context)
    }

    fn assemble(
        text: String,
        roles: Value,
        eos_id: u32,
        context: usize,
    ) -> Result<Self, ModelError> {
        let tokenizer = Tokenizer::from_json(&text)?;
        let mut config = Map::new();
        config.insert(
            "tokenizer_class".to_owned(),
            json!("PreTrainedTokenizerFast"),
        );
        config.insert("model_max_length".to_owned(), json!(context));
        config.insert("clean_up_tokenization_spaces".to_owned(), json!(false));
        config.insert("add_prefix_space".to_owned(), json!(false));
        let mut bos_id = None;
        if let Value::Object(roles) = &roles {
            config.extend(roles.clone());
            let bos = roles.get("bos_token").and_then(Value::as_str);
            bos_id = bos.and_then(|t| tokenizer.token_id(t));
        }
        let files = vec![
            ("special_tokens_map.json".to_owned(), disk::pretty(&roles)),
            ("tokenizer.json".to_owned(), text),
            (
                "tokenizer_config.json".to_owned(),
                disk::pretty(&Value::Object(config)),
            ),
        ];
        let mut digest = Digest::default();
        for (name, text) in &files {
            digest.part(name.as_bytes());
            digest.part(text.as_bytes());
        }
        Ok(TokenizerFiles {
            vocab_size: tokenizer.vocab_size(),
            tokenizer,
            alphabet: None,
            eos_id,
            bos_id,
            digest: digest.hex(),
            files,
        })
    }

    /// Names and texts of the files of a member's folder.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(n, t)| (n.as_str(), t.as_str()))
    }

    /// The tokenizer as an evaluation will see it.
    #[must_use]
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Appends the tokens of any text.
    ///
    /// # Errors
    /// What the vocabulary cannot express.
    pub fn encode(&self, text: &str, out: &mut Vec<u32>) -> Result<(), ModelError> {
        match &self.alphabet {
            // The tokenizer looks for special tokens, which begin so.
            Some(alphabet) if !text.contains('<') => alphabet.encode(text, out),
            _ => out.extend(self.tokenizer.encode(text, false)?),
        }
        Ok(())
    }
}
