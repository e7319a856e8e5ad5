//! The files beside a tokenizer: which special tokens have which role, which are added, chat templates.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;
use tokenizers::AddedToken;

use crate::error::ModelError;

/// Roles of special tokens, as `tokenizer_config.json` names them.
pub(super) const ROLES: [&str; 7] = [
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
];

/// What the files of a folder say, apart from `tokenizer.json` itself.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// `tokenizer_config.json`, an empty object where there is none.
    pub config: Value,
    /// Class of the tokenizer, without `Fast`.
    pub class: Option<String>,
    /// Token per role.
    pub roles: BTreeMap<&'static str, AddedToken>,
    /// Tokens that a list of added tokens names, in order of their ids.
    pub added: Vec<AddedToken>,
    /// Other special tokens, by role or otherwise.
    pub named: Vec<AddedToken>,
    /// Chat template per name.
    pub chat_templates: BTreeMap<String, String>,
    /// The files read.
    pub read: Vec<PathBuf>,
    /// What a user should know about how they were read.
    pub note: Option<String>,
}

impl Files {
    /// Reads everything but the vocabulary.
    pub(super) fn read(dir: &Path) -> Result<Files, ModelError> {
        let mut files = Files {
            config: Value::Object(serde_json::Map::new()),
            ..Files::default()
        };
        if let Some(config) = files.object(dir.join("tokenizer_config.json"))? {
            files.config = config;
        }
        files.class = class(&files.config, dir);
        files.find_tokens(dir)?;
        files.find_templates(dir)?;
        Ok(files)
    }

    /// A boolean of `tokenizer_config.json`.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.config.get(name).and_then(Value::as_bool)
    }

    fn text(&mut self, path: PathBuf) -> Result<Option<String>, ModelError> {
        let text = read_text(&path)?;
        if text.is_some() {
            self.read.push(path);
        }
        Ok(text)
    }

    fn object(&mut self, path: PathBuf) -> Result<Option<Value>, ModelError> {
        let Some(text) = self.text(path.clone())? else {
            return Ok(None);
        };
        match serde_json::from_str(&text) {
            Ok(value @ Value::Object(_)) => Ok(Some(value)),
            Ok(_) => Err(ModelError::file(path, "expected a JSON object")),
            Err(e) => Err(ModelError::file(path, format!("not JSON: {e}"))),
        }
    }

    /// Special tokens by role and tokens to add.
    ///
    /// `added_tokens_decoder` in `tokenizer_config.json` is the modern place; a
    /// folder without it may still have `special_tokens_map.json`, which then
    /// overrides the roles, and `added_tokens.json`. A role nobody names has the
    /// default of the tokenizer's class.
    fn find_tokens(&mut self, dir: &Path) -> Result<(), ModelError> {
        let config_path = dir.join("tokenizer_config.json");
        let mut named: BTreeMap<&'static str, Option<AddedToken>> = BTreeMap::new();
        for role in ROLES {
            if let Some(value) = self.config.get(role) {
                named.insert(role, role_token(value, role, &config_path)?);
            }
        }
        let mut added: Vec<(u64, AddedToken)> = Vec::new();
        let mut extra = extra_tokens(&self.config);
        if let Some(list) = self.config.get("added_tokens_decoder") {
            let bad = |id: &str| {
                ModelError::file(
                    &config_path,
                    format!(
                        "added_tokens_decoder.{id}: expected an id with an object that has `content`"
                    ),
                )
            };
            let list = list.as_object().ok_or_else(|| bad("*"))?;
            for (id, value) in list {
                let token = token(value, false).ok_or_else(|| bad(id))?;
                added.push((id.parse().map_err(|_| bad(id))?, token));
            }
        } else {
            let map_path = dir.join("special_tokens_map.json");
            if let Some(map) = self.object(map_path.clone())? {
                for role in ROLES {
                    if let Some(value) = map.get(role) {
                        named.insert(role, role_token(value, role, &map_path)?);
                    }
                }
                extra.extend(extra_tokens(&map));
            }
            let added_path = dir.join("added_tokens.json");
            if let Some(list) = self.object(added_path.clone())? {
                let special: BTreeSet<&str> = named
                    .values()
                    .flatten()
                    .chain(&extra)
                    .map(|t| t.content.as_str())
                    .collect();
                for (content, id) in list.as_object().into_iter().flatten() {
                    let id = id.as_u64().ok_or_else(|| {
                        ModelError::file(&added_path, format!("{content:?}: expected a token id"))
                    })?;
                    let special = special.contains(content.as_str());
                    added.push((id, AddedToken::from(content.clone(), special)));
                }
            }
        }
        added.sort_by_key(|(id, _)| *id);
        self.added = added.into_iter().map(|(_, token)| token).collect();
        for (role, content) in class_roles(self.class.as_deref()) {
            named
                .entry(role)
                .or_insert_with(|| content.map(|c| AddedToken::from(c, true)));
        }
        for (role, found) in named {
            if let Some(mut found) = found {
                // The list of added tokens knows the flags better than the role does.
                if let Some(known) = self.added.iter().find(|t| t.content == found.content) {
                    found = known.clone();
                }
                found.special = true;
                self.roles.insert(role, found);
            }
        }
        let known: BTreeSet<&str> = self.added.iter().map(|t| t.content.as_str()).collect();
        let mut missing: Vec<AddedToken> = Vec::new();
        for found in ROLES.iter().filter_map(|r| self.roles.get(r)).chain(&extra) {
            if !known.contains(found.content.as_str())
                && !missing.iter().any(|t| t.content == found.content)
            {
                missing.push(found.clone());
            }
        }
        self.named = missing;
        Ok(())
    }

    /// Chat templates: files of their own, else those inside `tokenizer_config.json`.
    fn find_templates(&mut self, dir: &Path) -> Result<(), ModelError> {
        let mut templates = BTreeMap::new();
        if let Some(text) = self.text(dir.join("chat_template.jinja"))? {
            templates.insert("default".to_owned(), text);
        }
        let folder = dir.join("additional_chat_templates");
        if let Ok(entries) = std::fs::read_dir(&folder) {
            let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
            paths.sort();
            for path in paths {
                let jinja = path.extension().is_some_and(|e| e == "jinja");
                if let (true, Some(name)) = (jinja, path.file_stem().and_then(|n| n.to_str())) {
                    let name = name.to_owned();
                    if let Some(text) = self.text(path)? {
                        templates.insert(name, text);
                    }
                }
            }
        }
        if templates.is_empty() {
            let config_path = dir.join("tokenizer_config.json");
            match self.config.get("chat_template") {
                None | Some(Value::Null) => {}
                Some(Value::String(text)) => {
                    templates.insert("default".to_owned(), text.clone());
                }
                Some(Value::Array(list)) => {
                    for item in list {
                        let (Some(name), Some(text)) = (
                            item.get("name").and_then(Value::as_str),
                            item.get("template").and_then(Value::as_str),
                        ) else {
                            return Err(ModelError::file(
                                config_path,
                                "chat_template: expected a list of objects with `name` and `template`",
                            ));
                        };
                        templates.insert(name.to_owned(), text.to_owned());
                    }
                }
                Some(_) => {
                    return Err(ModelError::file(
                        config_path,
                        "chat_template: expected a string or a list of named templates",
                    ));
                }
            }
        }
        self.chat_templates = templates;
        Ok(())
    }
}

/// The text of a file, or `None` where there is no such file.
pub(super) fn read_text(path: &Path) -> Result<Option<String>, ModelError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(ModelError::file(path, format!("cannot be read: {e}"))),
    }
}

/// Class of the tokenizer that `AutoTokenizer` of transformers 5 takes, without `Fast`;
/// `None` where it takes `tokenizer.json` as it is and nothing else is known.
fn class(config: &Value, dir: &Path) -> Option<String> {
    let model: Value = std::fs::read_to_string(dir.join("config.json"))
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    let name = |value: &Value| {
        let name = value.get("tokenizer_class")?.as_str()?;
        Some(name.strip_suffix("Fast").unwrap_or(name).to_owned())
    };
    let named = name(config).or_else(|| name(&model));
    let model_type = model
        .get("model_type")
        .and_then(Value::as_str)
        .unwrap_or("");
    let usual = match model_type {
        "gpt2" | "gpt_neo" | "gptj" | "codegen" | "opt" | "phi" | "starcoder2" => "GPT2Tokenizer",
        "gpt_neox" | "mpt" | "olmo" | "olmoe" => "GPTNeoXTokenizer",
        "qwen2" | "qwen2_moe" | "qwen3" | "qwen3_moe" => "Qwen2Tokenizer",
        "gemma" | "gemma2" | "gemma3" | "gemma3_text" => "GemmaTokenizer",
        "gpt_bigcode" | "granite" | "mistral" | "mixtral" | "olmo2" | "olmo3" | "phi3"
        | "stablelm" => AS_IT_IS,
        _ => "",
    };
    // Of the types with a class of their own, only qwen2 is on the list of those
    // whose folders often name a wrong one.
    let class = match named {
        Some(named) if usual.is_empty() => named,
        Some(named) if usual != AS_IT_IS && model_type != "qwen2" => named,
        _ if usual.is_empty() => return None,
        _ => usual.to_owned(),
    };
    if class == "LlamaTokenizer" && is_byte_level(dir) {
        return Some(AS_IT_IS.to_owned());
    }
    Some(class)
}

/// The class that takes `tokenizer.json` as it is.
const AS_IT_IS: &str = "TokenizersBackend";

/// Whether `tokenizer.json` splits or joins text by bytes (Llama 3, unlike Llama 2).
fn is_byte_level(dir: &Path) -> bool {
    #[derive(serde::Deserialize)]
    struct Parts {
        #[serde(default)]
        pre_tokenizer: Value,
        #[serde(default)]
        decoder: Value,
    }
    fn named(part: &Value) -> bool {
        match part {
            Value::Object(map) => map
                .iter()
                .any(|(k, v)| k == "type" && v == "ByteLevel" || named(v)),
            Value::Array(list) => list.iter().any(named),
            _ => false,
        }
    }
    std::fs::read_to_string(dir.join("tokenizer.json"))
        .ok()
        .and_then(|text| serde_json::from_str::<Parts>(&text).ok())
        .is_some_and(|parts| named(&parts.pre_tokenizer) || named(&parts.decoder))
}

/// Special tokens that a class has where no file names them (transformers 5).
fn class_roles(class: Option<&str>) -> Vec<(&'static str, Option<&'static str>)> {
    let roles = |bos, eos, unk, pad| {
        vec![
            ("bos_token", bos),
            ("eos_token", eos),
            ("unk_token", unk),
            ("pad_token", pad),
        ]
    };
    let end = Some("<|endoftext|>");
    match class {
        Some("GPT2Tokenizer" | "CodeGenTokenizer") => roles(end, end, end, None),
        Some("GPTNeoXTokenizer") => roles(end, end, end, Some("<|padding|>")),
        Some("Qwen2Tokenizer") => roles(None, end, end, end),
        Some("LlamaTokenizer" | "CodeLlamaTokenizer") => {
            roles(Some("<s>"), Some("</s>"), Some("<unk>"), None)
        }
        Some("GemmaTokenizer") => roles(Some("<bos>"), Some("<eos>"), Some("<unk>"), Some("<pad>")),
        _ => Vec::new(),
    }
}

/// A token written as a string or as an object; `special` where the object does not say.
fn token(value: &Value, special: bool) -> Option<AddedToken> {
    if let Some(content) = value.as_str() {
        return Some(AddedToken::from(content, true));
    }
    let content = value.get("content")?.as_str()?;
    let flag =
        |name: &str, default: bool| value.get(name).and_then(Value::as_bool).unwrap_or(default);
    let special = flag("special", special);
    Some(AddedToken {
        content: content.to_owned(),
        single_word: flag("single_word", false),
        lstrip: flag("lstrip", false),
        rstrip: flag("rstrip", false),
        normalized: flag("normalized", !special),
        special,
    })
}

fn role_token(value: &Value, role: &str, path: &Path) -> Result<Option<AddedToken>, ModelError> {
    match value {
        Value::Null => Ok(None),
        value => token(value, true).map(Some).ok_or_else(|| {
            ModelError::file(
                path,
                format!("{role}: expected a string or an object with `content`"),
            )
        }),
    }
}

/// `additional_special_tokens` or its later name, where they are a list.
fn extra_tokens(config: &Value) -> Vec<AddedToken> {
    ["extra_special_tokens", "additional_special_tokens"]
        .iter()
        .filter_map(|key| config.get(key)?.as_array())
        .find(|list| !list.is_empty())
        .into_iter()
        .flatten()
        .filter_map(|value| token(value, true))
        .collect()
}
