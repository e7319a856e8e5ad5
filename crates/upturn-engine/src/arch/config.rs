//! Reads `config.json` as transformers' configuration classes would: aliases, defaults, nulls.

use serde_json::{Map, Value};

use crate::error::ModelError;
use crate::plan::Activation;

/// Widest residual stream, vocabulary or feed-forward block that is believed.
const SIZE_MAX: usize = 1 << 26;
/// Most heads, features of a head, or layers that are believed.
const COUNT_MAX: usize = 1 << 12;

/// A configuration's top-level object, or its `text_config`.
#[derive(Clone, Copy)]
pub(super) struct Config<'a> {
    map: &'a Map<String, Value>,
}

/// A line about one key.
pub(super) fn bad(key: &str, message: &str) -> ModelError {
    ModelError::Config(format!("{key}: {message}"))
}

/// A value in an error message, shortened.
pub(super) fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 60 {
        return text;
    }
    text.chars().take(57).chain("...".chars()).collect()
}

impl<'a> Config<'a> {
    pub(super) fn new(value: &'a Value) -> Result<Self, ModelError> {
        let map = value.as_object().ok_or_else(|| {
            ModelError::Config(format!("expected a JSON object, found {}", shown(value)))
        })?;
        Ok(Config { map })
    }

    /// The value of a key; `None` where it is absent or null.
    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|v| !v.is_null())
    }

    /// The first of several spellings that is present and not null.
    pub(super) fn first(&self, keys: &[&'static str]) -> Option<(&'static str, &'a Value)> {
        keys.iter().find_map(|k| self.get(k).map(|v| (*k, v)))
    }

    /// Whether a key is written as null, which is not the same as being left out.
    pub(super) fn is_null(&self, key: &str) -> bool {
        self.map.get(key).is_some_and(Value::is_null)
    }

    fn positive(
        &self,
        keys: &[&'static str],
        default: Option<usize>,
        max: usize,
    ) -> Result<usize, ModelError> {
        let Some((key, value)) = self.first(keys) else {
            return default.ok_or_else(|| {
                bad(
                    keys[0],
                    &format!("missing; expected a whole number from 1 to {max}"),
                )
            });
        };
        value
            .as_u64()
            .and_then(|n| usize::try_from(n).ok())
            .filter(|n| (1..=max).contains(n))
            .ok_or_else(|| {
                let found = shown(value);
                bad(
                    key,
                    &format!("expected a whole number from 1 to {max}, found {found}"),
                )
            })
    }

    /// A width or a length, at least 1.
    pub(super) fn size(&self, keys: &[&'static str], default: usize) -> Result<usize, ModelError> {
        self.positive(keys, Some(default), SIZE_MAX)
    }

    /// A width with no default of its own.
    pub(super) fn size_or(
        &self,
        keys: &[&'static str],
        default: impl FnOnce() -> usize,
    ) -> Result<usize, ModelError> {
        match self.first(keys) {
            None => Ok(default()),
            Some(_) => self.positive(keys, None, SIZE_MAX),
        }
    }

    /// A number of heads, layers or features of a head, at least 1.
    pub(super) fn count(&self, keys: &[&'static str], default: usize) -> Result<usize, ModelError> {
        self.positive(keys, Some(default), COUNT_MAX)
    }

    /// A whole number that null switches off.
    pub(super) fn optional_size(
        &self,
        key: &'static str,
        default: Option<usize>,
    ) -> Result<Option<usize>, ModelError> {
        match self.map.get(key) {
            None => Ok(default),
            Some(Value::Null) => Ok(None),
            Some(_) => self.positive(&[key], None, SIZE_MAX).map(Some),
        }
    }

    /// A finite number.
    pub(super) fn number(&self, keys: &[&'static str], default: f64) -> Result<f64, ModelError> {
        match self.first(keys) {
            None => Ok(default),
            Some((key, value)) => value
                .as_f64()
                .filter(|x| x.is_finite())
                .ok_or_else(|| bad(key, &format!("expected a number, found {}", shown(value)))),
        }
    }

    /// A number that null switches off.
    pub(super) fn optional_number(
        &self,
        key: &'static str,
        default: Option<f64>,
    ) -> Result<Option<f64>, ModelError> {
        match self.map.get(key) {
            None => Ok(default),
            Some(Value::Null) => Ok(None),
            Some(_) => self.number(&[key], 0.0).map(Some),
        }
    }

    /// The small constant of a norm, positive.
    pub(super) fn eps(&self, key: &'static str, default: f64) -> Result<f32, ModelError> {
        let eps = self.number(&[key], default)?;
        if eps > 0.0 && eps < 1.0 {
            Ok(eps as f32)
        } else {
            Err(bad(
                key,
                &format!("expected a number between 0 and 1, found {eps}"),
            ))
        }
    }

    /// A switch.
    pub(super) fn flag(&self, key: &str, default: bool) -> Result<bool, ModelError> {
        match self.get(key) {
            None => Ok(default),
            Some(value) => value.as_bool().ok_or_else(|| {
                bad(
                    key,
                    &format!("expected true or false, found {}", shown(value)),
                )
            }),
        }
    }

    /// A word.
    pub(super) fn word(
        &self,
        keys: &[&'static str],
        default: &'static str,
    ) -> Result<&'a str, ModelError> {
        match self.first(keys) {
            None => Ok(default),
            Some((key, value)) => value
                .as_str()
                .ok_or_else(|| bad(key, &format!("expected a word, found {}", shown(value)))),
        }
    }

    /// A list.
    pub(super) fn list(&self, key: &str) -> Result<Option<&'a [Value]>, ModelError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(value) => Err(bad(
                key,
                &format!("expected a list, found {}", shown(value)),
            )),
        }
    }

    /// An object.
    pub(super) fn object(&self, key: &str) -> Result<Option<Config<'a>>, ModelError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Config { map })),
            Some(value) => Err(bad(
                key,
                &format!("expected an object, found {}", shown(value)),
            )),
        }
    }

    /// Whether the object has no keys.
    pub(super) fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// The nonlinearity under any of several keys.
    pub(super) fn activation(
        &self,
        keys: &[&'static str],
        default: &'static str,
    ) -> Result<Activation, ModelError> {
        let word = self.word(keys, default)?;
        Ok(match word {
            "gelu" | "gelu_python" => Activation::GeluErf,
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" | "gelu_accurate"
            | "gelu_python_tanh" => Activation::GeluTanh,
            "quick_gelu" => Activation::QuickGelu,
            "silu" | "swish" => Activation::Silu,
            "relu" => Activation::Relu,
            "relu2" => Activation::ReluSquared,
            other => {
                return Err(bad(
                    self.first(keys).map_or(keys[0], |(k, _)| k),
                    &format!(
                        "activation {other:?} is not supported; supported are gelu, gelu_new, \
                         gelu_pytorch_tanh, gelu_fast, quick_gelu, silu, relu and relu2"
                    ),
                ));
            }
        })
    }

    /// Fails where a switch is on that this engine does not honour.
    pub(super) fn refuse(&self, key: &'static str, why: &str) -> Result<(), ModelError> {
        match self.get(key) {
            None | Some(Value::Bool(false)) => Ok(()),
            Some(Value::Array(items)) if items.is_empty() => Ok(()),
            Some(Value::Object(map)) if map.is_empty() => Ok(()),
            Some(value) => {
                let found = shown(value);
                Err(bad(key, &format!("{found} is not supported; {why}")))
            }
        }
    }

    /// Which layers see a window only, from `layer_types` or else from a rule by layer index.
    pub(super) fn sliding_layers(
        &self,
        n_layers: usize,
        default: impl Fn(usize) -> bool,
    ) -> Result<Vec<bool>, ModelError> {
        let Some(types) = self.list("layer_types")? else {
            return Ok((0..n_layers).map(default).collect());
        };
        if types.len() != n_layers {
            let found = types.len();
            return Err(bad(
                "layer_types",
                &format!("expected one entry for each of {n_layers} layers, found {found}"),
            ));
        }
        types
            .iter()
            .map(|t| match t.as_str() {
                Some("full_attention") => Ok(false),
                Some("sliding_attention") => Ok(true),
                _ => Err(bad(
                    "layer_types",
                    &format!(
                        "{} is not supported; supported are \"full_attention\" and \
                         \"sliding_attention\"",
                        shown(t)
                    ),
                )),
            })
            .collect()
    }
}
