//! `upturn.toml`: what a folder's weights cannot say.

use std::path::Path;

use crate::error::LadderError;
use crate::member::Member;

/// Its name.
pub(crate) const FILE: &str = "upturn.toml";

/// What the sidecar of a folder says beside what its member knows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    /// Tokens and FLOPs, the parent's included.
    pub(crate) tokens: u64,
    pub(crate) flops: u64,
    pub(crate) loss_nats: f64,
    /// Updates, where the folder is a checkpoint on the way.
    pub(crate) step: Option<u64>,
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// The name that members have in common which differ in their seed alone.
fn model_name(member: &Member) -> String {
    let suffix = format!("-seed{}", member.seed);
    member.name.replacen(&suffix, "", 1)
}

/// The text of the file.
pub(crate) fn text(family: &str, member: &Member, facts: &Facts) -> String {
    let mut lines = vec![
        format!("family = {}", quoted(family)),
        format!("model = {}", quoted(&model_name(member))),
        format!("params = {}", member.n_params),
        format!("tokens = {}", facts.tokens),
        format!("flops = {}", facts.flops),
        format!("train_loss_nats = {:?}", facts.loss_nats),
    ];
    if let Some(step) = facts.step {
        lines.push(format!("checkpoint_step = {step}"));
    }
    if let Some(tuning) = &member.tuning {
        lines.push(format!("tuning = {}", quoted(tuning)));
    }
    lines.push(format!("seed = {}", member.seed));
    lines.join("\n") + "\n"
}

/// What a finished folder says.
pub(crate) fn read(dir: &Path) -> Result<Facts, LadderError> {
    let path = dir.join(FILE);
    let text = std::fs::read_to_string(&path).map_err(|e| LadderError::cannot_read(&path, &e))?;
    let table: toml::Table = text
        .parse()
        .map_err(|e: toml::de::Error| LadderError::file(&path, e.message().replace('\n', " ")))?;
    let count = |key: &str| {
        let n = table.get(key).and_then(toml::Value::as_integer);
        n.and_then(|n| u64::try_from(n).ok()).ok_or_else(|| {
            LadderError::file(
                &path,
                format!("{key} is missing; remove the folder and train it again"),
            )
        })
    };
    Ok(Facts {
        tokens: count("tokens")?,
        flops: count("flops")?,
        loss_nats: table
            .get("train_loss_nats")
            .and_then(toml::Value::as_float)
            .unwrap_or(f64::NAN),
        step: None,
    })
}
