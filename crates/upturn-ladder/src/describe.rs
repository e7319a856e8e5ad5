//! `plan.json`: what determines a member's bytes, its hash, and how two plans differ.

use serde_json::{Map, Value, json};

use crate::disk;
use crate::hash::Digest;
use crate::member::Member;
use crate::mixture::{Kind, Mixture};

/// Changes when members of the same plan come out with other bytes.
const VERSION: u32 = 1;

/// What determines a member's bytes. `parent` is the hash of the member it starts from.
pub(crate) fn describe(
    family: &str,
    member: &Member,
    mixture: &Mixture,
    held_out: (u64, f64),
    parent: Option<&str>,
) -> Value {
    let sources: Vec<Value> = mixture
        .sources()
        .iter()
        .map(|s| {
            let mut entry = match &s.kind {
                Kind::Task { generator, form } => {
                    json!({ "task": generator.spec(), "form": form })
                }
                Kind::Text { texts } => json!({ "text": texts.digest }),
            };
            entry["share"] = json!(s.document_share);
            entry
        })
        .collect();
    short(json!({
        "version": VERSION,
        "family": family,
        "name": member.name,
        "tuning": member.tuning,
        "parent": parent,
        "seed": member.seed,
        "shape": member.shape,
        "init": member.init,
        "learning_rates": member.rates,
        "optimizer": {
            "lr": member.optimizer.lr,
            "beta1": member.optimizer.beta1,
            "beta2": member.optimizer.beta2,
            "eps": member.optimizer.eps,
            "weight_decay": member.optimizer.weight_decay,
            // Infinity is not a number in JSON.
            "clip_norm": member.optimizer.clip_norm.to_string(),
        },
        "schedule": member.schedule,
        "steps": member.steps,
        "batch_tokens": member.batch_tokens,
        "checkpoints": member.checkpoints,
        "data": {
            "seed": member.data_seed,
            "context": mixture.context,
            "loss": mixture.loss,
            "runs": [mixture.runs.0, mixture.runs.1],
            "held_out_seed": held_out.0,
            "held_out": held_out.1,
            "tokenizer": mixture.tokenizer.digest,
            "sources": sources,
        },
    }))
}

/// Numbers that are f32 as their shortest decimals: 0.01 for 0.009999999776482582.
fn short(value: Value) -> Value {
    match value {
        Value::Number(n) if n.is_f64() => {
            let x = n.as_f64().unwrap_or_default();
            let narrow = x as f32;
            match narrow.to_string().parse::<f64>() {
                Ok(short) if f64::from(narrow) == x => json!(short),
                _ => Value::Number(n),
            }
        }
        Value::Array(list) => list.into_iter().map(short).collect(),
        Value::Object(map) => map.into_iter().map(|(k, v)| (k, short(v))).collect(),
        other => other,
    }
}

/// The hash of a description.
pub(crate) fn hash(description: &Value) -> String {
    let mut digest = Digest::default();
    digest.part(disk::sorted(description).to_string().as_bytes());
    digest.hex()
}

/// The text of `plan.json`.
pub(crate) fn file(description: &Value, hash: &str) -> String {
    let mut file = Map::new();
    file.insert("hash".to_owned(), json!(hash));
    file.insert("plan".to_owned(), description.clone());
    disk::pretty(&Value::Object(file))
}

/// The first difference between two descriptions: `optimizer.lr is 0.01, here 0.02`.
pub(crate) fn difference(theirs: &Value, ours: &Value) -> Option<String> {
    differ("", theirs, ours)
}

fn differ(path: &str, theirs: &Value, ours: &Value) -> Option<String> {
    let key = |k: &str| match path {
        "" => k.to_owned(),
        path => format!("{path}.{k}"),
    };
    match (theirs, ours) {
        (Value::Object(a), Value::Object(b)) => {
            let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
            keys.sort();
            keys.dedup();
            keys.into_iter().find_map(|k| {
                let (a, b) = (a.get(k), b.get(k));
                differ(
                    &key(k),
                    a.unwrap_or(&Value::Null),
                    b.unwrap_or(&Value::Null),
                )
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let mut pairs = a.iter().zip(b).enumerate();
            pairs.find_map(|(i, (a, b))| differ(&format!("{path}[{i}]"), a, b))
        }
        // Numbers as text, since one side was read and may be of another kind.
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => None,
        (a, b) if a == b => None,
        (a, b) => Some(format!("{path} is {}, here {}", shown(a), shown(b))),
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.chars().count() {
        0..=60 => text,
        _ => "another".to_owned(),
    }
}
