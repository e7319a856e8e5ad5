//! A vocabulary of characters: a BPE without merges.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::tokenizer::{END, UNKNOWN};

/// Characters to ids, without the tokenizer: for generated texts, drawn by the million.
#[derive(Debug, Clone)]
pub(crate) struct Alphabet {
    ascii: [u32; 128],
    others: BTreeMap<char, u32>,
    chars: Vec<char>,
}

/// Ids of [`UNKNOWN`] and [`END`].
pub(crate) const UNKNOWN_ID: u32 = 0;
pub(crate) const END_ID: u32 = 1;

impl Alphabet {
    /// Ids follow the order of code points, after the two special tokens.
    pub(crate) fn new(chars: &BTreeSet<char>) -> Self {
        let mut alphabet = Alphabet {
            ascii: [UNKNOWN_ID; 128],
            others: BTreeMap::new(),
            chars: chars.iter().copied().collect(),
        };
        for (c, id) in alphabet.chars.iter().zip(END_ID + 1..) {
            match alphabet.ascii.get_mut(*c as usize) {
                Some(place) => *place = id,
                None => {
                    alphabet.others.insert(*c, id);
                }
            }
        }
        alphabet
    }

    pub(crate) fn encode(&self, text: &str, out: &mut Vec<u32>) {
        out.extend(text.chars().map(|c| match self.ascii.get(c as usize) {
            Some(id) => *id,
            None => self.others.get(&c).copied().unwrap_or(UNKNOWN_ID),
        }));
    }

    /// The text of `tokenizer.json`.
    pub(crate) fn json(&self) -> Value {
        let specials = [UNKNOWN, END].map(str::to_owned);
        let chars = self.chars.iter().map(char::to_string);
        let vocab: Map<String, Value> = specials
            .into_iter()
            .chain(chars)
            .zip(0u32..)
            .map(|(token, id)| (token, json!(id)))
            .collect();
        json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": [
                crate::tokenizer::added(UNKNOWN_ID, UNKNOWN),
                crate::tokenizer::added(END_ID, END),
            ],
            "normalizer": null,
            "pre_tokenizer": null,
            "post_processor": null,
            "decoder": { "type": "Fuse" },
            "model": {
                "type": "BPE",
                "dropout": null,
                "unk_token": UNKNOWN,
                "continuing_subword_prefix": null,
                "end_of_word_suffix": null,
                "fuse_unk": false,
                "byte_fallback": false,
                "ignore_merges": false,
                "vocab": vocab,
                "merges": [],
            },
        })
    }
}
