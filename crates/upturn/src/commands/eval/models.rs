//! Which models are meant: folders, patterns, names on the hub; and who each one is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use toml::{Table, Value};
use upturn_catalog::{Catalog, step_from_revision};
use upturn_eval::ModelIdentity;
use upturn_types::{Known, Text, flag};

use crate::datasets::glob_files;

/// The file in a model's folder that says what the weights cannot.
pub const SIDECAR: &str = "upturn.toml";
/// Family of models whose names have nothing in common.
const NO_COMMON_NAME: &str = "models";
/// Folders of a path that may stand in a label, and one.
const DEPTH_MAX: usize = 16;
/// Post-training of models that the catalogue knows as instruction-tuned.
const INSTRUCTION_TUNED: &str = "instruction-tuned";

/// A model on disk.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its folder.
    pub dir: PathBuf,
    /// Its name in results and in the names of files; unique in a run.
    pub label: String,
    /// The label that it would have if no other model had it.
    plain_label: String,
    /// The end of the label that says how it computes, where that is not as usual.
    ending: String,
    /// What the catalogue is asked for: the name or path as typed.
    typed: String,
    /// Whether it is a name at a server, and no folder.
    remote: bool,
    /// The revision asked for.
    revision: Option<String>,
    /// What its `upturn.toml` says.
    sidecar: Sidecar,
}

/// What `upturn.toml` in a model's folder may say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sidecar {
    family: Option<String>,
    model: Option<String>,
    params: Option<f64>,
    tokens: Option<f64>,
    flops: Option<f64>,
    train_loss_nats: Option<f64>,
    checkpoint_step: Option<u64>,
    tuning: Option<String>,
    seed: Option<u64>,
}

impl Sidecar {
    /// Reads a sidecar. The error is one line that names the file and the key.
    pub fn parse(text: &str, file: &Path) -> Result<Self, String> {
        let file = file.display();
        let table: Table = text.parse().map_err(|e: toml::de::Error| {
            let line = e.span().map_or(1, |s| {
                text[..s.start.min(text.len())].matches('\n').count() + 1
            });
            format!("{file}: line {line}: {}", e.message().replace('\n', " "))
        })?;
        let mut sidecar = Sidecar::default();
        for (key, value) in &table {
            let wrong =
                |expected: &str| format!("{file}: {key}: {value} is wrong; expected {expected}");
            let text = || match value {
                Value::String(text) if !text.is_empty() => Ok(Some(text.clone())),
                _ => Err(wrong("a text that is not empty")),
            };
            let number = || match value {
                Value::Integer(n) => Some(*n as f64),
                Value::Float(x) => Some(*x),
                _ => None,
            };
            let count = |least: f64, expected: &str| match number() {
                Some(x) if x.is_finite() && x >= least => Ok(Some(x)),
                _ => Err(wrong(expected)),
            };
            match key.as_str() {
                "family" => sidecar.family = text()?,
                "model" => sidecar.model = text()?,
                "tuning" => sidecar.tuning = text()?,
                "params" => sidecar.params = count(1.0, "the number of parameters")?,
                "tokens" => sidecar.tokens = count(0.0, "the number of training tokens")?,
                "flops" => sidecar.flops = count(0.0, "the training compute in FLOPs")?,
                "train_loss_nats" => {
                    sidecar.train_loss_nats = count(0.0, "the loss in nats per token")?;
                }
                "checkpoint_step" => {
                    let step = value.as_integer().and_then(|n| u64::try_from(n).ok());
                    sidecar.checkpoint_step = Some(step.ok_or_else(|| wrong("a step, from 0"))?);
                }
                "seed" => {
                    let seed = value.as_integer().and_then(|n| u64::try_from(n).ok());
                    sidecar.seed = Some(seed.ok_or_else(|| wrong("a whole number from 0"))?);
                }
                _ => {
                    return Err(format!(
                        "{file}: unknown key '{key}'; expected family, model, params, tokens, \
                         flops, train_loss_nats, checkpoint_step, tuning or seed"
                    ));
                }
            }
        }
        Ok(sidecar)
    }
}

/// Training tokens from the command line: for one model, or for all.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainTokens {
    model: Option<String>,
    tokens: f64,
}

impl TrainTokens {
    /// Reads `D` or `MODEL=D`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (model, number) = match text.rsplit_once('=') {
            Some((model, number)) => (Some(model.to_owned()), number),
            None => (None, text),
        };
        let tokens = number.trim().replace('_', "").parse::<f64>().ok();
        match tokens.filter(|t| t.is_finite() && *t >= 0.0) {
            Some(tokens) => Ok(TrainTokens { model, tokens }),
            None => Err("expected a number of tokens such as 3e11, or MODEL=3e11".to_owned()),
        }
    }

    /// The number for a model of one of these names, told for itself or for all.
    fn of(all: &[Self], names: &[&str], own: bool) -> Option<f64> {
        let mut found = all.iter().rev().filter(|t| match &t.model {
            Some(model) => own && names.contains(&model.as_str()),
            None => !own,
        });
        found.next().map(|t| t.tokens)
    }

    /// A model named that is not in the run.
    pub fn without_model<'t>(all: &'t [Self], models: &[Found]) -> Option<&'t str> {
        all.iter()
            .filter_map(|t| t.model.as_deref())
            .find(|name| models.iter().all(|m| !m.names().contains(name)))
    }
}

/// What the user asked for: `NAME`, `NAME@REVISION`, a folder, or a pattern of folders.
///
/// Returns names as typed with their revisions; the error is one line.
pub fn expand(
    asked: &str,
    revision: Option<&str>,
) -> Result<Vec<(String, Option<String>)>, String> {
    let revision = revision.map(str::to_owned);
    if Path::new(asked).exists() {
        return Ok(vec![(asked.to_owned(), revision)]);
    }
    if asked.contains(['*', '?', '[', '{']) {
        let folders: Vec<(String, Option<String>)> = glob_files(Path::new(asked))
            .map_err(|reason| format!("'{asked}' is not a pattern: {reason}"))?
            .into_iter()
            .filter(|p| p.is_dir())
            .map(|p| (p.to_string_lossy().into_owned(), revision.clone()))
            .collect();
        return match folders.is_empty() {
            true => Err(format!("no folder matches '{asked}'")),
            false => Ok(folders),
        };
    }
    Ok(match asked.split_once('@') {
        Some((name, own)) if revision.is_none() => vec![(name.to_owned(), Some(own.to_owned()))],
        _ => vec![(asked.to_owned(), revision)],
    })
}

impl Found {
    /// Finds a model on disk and reads its sidecar.
    pub fn resolve(
        typed: String,
        revision: Option<String>,
        hub: &upturn_hub::Options<'_>,
    ) -> Result<Self, String> {
        let dir = upturn_hub::resolve_model(&typed, revision.as_deref(), hub)
            .map_err(|e| e.to_string())?;
        let path = dir.join(SIDECAR);
        let sidecar = match std::fs::read_to_string(&path) {
            Ok(text) => Sidecar::parse(&text, &path)?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Sidecar::default(),
            Err(e) => return Err(format!("cannot read {}: {e}", path.display())),
        };
        let is_folder = Path::new(&typed).is_dir();
        let label = match (is_folder, &revision) {
            (true, _) => folder_label(Path::new(&typed), 1),
            (false, Some(revision)) => format!("{typed}@{revision}"),
            (false, None) => typed.clone(),
        };
        Ok(Found {
            dir,
            plain_label: label.clone(),
            ending: String::new(),
            label,
            typed,
            remote: false,
            revision: revision.filter(|_| !is_folder),
            sidecar,
        })
    }

    /// A model at a server: `asked` as typed, `name` as the server calls it.
    #[cfg(feature = "remote")]
    pub fn remote(asked: &str, name: &str) -> Self {
        Found {
            dir: PathBuf::from(asked),
            plain_label: name.to_owned(),
            ending: String::new(),
            label: name.to_owned(),
            typed: name.to_owned(),
            remote: true,
            revision: None,
            sidecar: Sidecar::default(),
        }
    }

    /// Whether it is at a server.
    #[cfg(feature = "remote")]
    pub fn is_remote(&self) -> bool {
        self.remote
    }

    /// What its server calls it.
    #[cfg(feature = "remote")]
    pub fn name_at_server(&self) -> &str {
        &self.typed
    }

    /// The same model under another label, which has this ending for how it computes.
    pub fn relabelled(&self, label: String, ending: &str) -> Self {
        Found {
            label,
            ending: ending.to_owned(),
            ..self.clone()
        }
    }

    /// Whether another model has the plain label.
    fn is_renamed(&self) -> bool {
        self.label != self.plain_label
    }

    /// The labels that it may have: ends of its path, the shortest first; of a name on the
    /// hub the name alone.
    pub fn labels(&self) -> Vec<String> {
        if self.remote || !Path::new(&self.typed).is_dir() {
            return vec![self.label.clone()];
        }
        let mut labels: Vec<String> = (1..DEPTH_MAX)
            .map(|depth| folder_label(Path::new(&self.typed), depth))
            .collect();
        labels.dedup();
        labels
    }

    /// Names by which the user may mean it.
    fn names(&self) -> Vec<&str> {
        let mut names = vec![
            self.label.as_str(),
            self.plain_label.as_str(),
            self.typed.as_str(),
        ];
        names.extend(self.plain_label.rsplit('/').next());
        names.extend(self.label.rsplit('/').next());
        names.extend(self.sidecar.model.as_deref());
        names
    }

    /// The step and the name before it, where the folder is called after a training step.
    fn step_folder(&self) -> Option<(String, u64)> {
        let mut parts = Path::new(&self.typed).components().rev();
        let own = parts.next()?.as_os_str().to_str()?;
        let is_step = own.starts_with("step") || own.starts_with("checkpoint-");
        let step = step_from_revision(own).filter(|_| is_step)?;
        let above = parts.next()?.as_os_str().to_str()?;
        Some((above.to_owned(), step))
    }
}

/// The last `depth` parts of a folder's path, as a name.
fn folder_label(folder: &Path, depth: usize) -> String {
    let full = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
    let parts: Vec<String> = full
        .components()
        .filter(|c| matches!(c, std::path::Component::Normal(_)))
        .map(|c| c.as_os_str().to_string_lossy().into_owned())
        .collect();
    let own = parts.last().map(String::as_str).unwrap_or_default();
    // A folder called after a step says nothing without the one above.
    let is_step = own.starts_with("step") || own.starts_with("checkpoint-");
    let depth = depth.max(if is_step { 2 } else { 1 });
    parts[parts.len().saturating_sub(depth)..].join("/")
}

/// Makes labels unique by adding folders above; the same model twice is dropped.
pub fn make_unique(models: &mut Vec<Found>) {
    let mut seen = std::collections::BTreeSet::new();
    models.retain(|m| {
        // `models/a` and `./models/a` are one folder.
        let place = m.dir.canonicalize().unwrap_or_else(|_| m.dir.clone());
        seen.insert((place, m.revision.clone()))
    });
    for depth in 2..DEPTH_MAX {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for model in models.iter() {
            *counts.entry(model.label.clone()).or_default() += 1;
        }
        let mut clash = false;
        for model in models.iter_mut() {
            if counts.get(&model.label).is_some_and(|n| *n > 1) {
                clash = true;
                model.label = folder_label(&model.dir, depth);
            }
        }
        if !clash {
            break;
        }
    }
}

/// A model's identity with what the library's own record has no place for.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// Family, name, scale.
    pub model: ModelIdentity,
    /// Flags of the catalogue, for every row.
    pub flags: Vec<Text>,
}

/// What the command line says about all models.
#[derive(Debug, Clone, Copy)]
pub struct Told<'t> {
    /// `--family`.
    pub family: Option<&'t str>,
    /// `--train-tokens`.
    pub tokens: &'t [TrainTokens],
}

/// The family of models whose names have no word for their size: the beginning that all of
/// these share; `None` for one alone, which is its own family.
pub fn shared_family(models: &[Found]) -> Option<String> {
    let names: Vec<&str> = models
        .iter()
        .map(|m| short_name(&m.label))
        .filter(|name| without_size(name) == *name)
        .collect();
    (names.len() > 1).then(|| common_beginning(&names))
}

/// Who a model is, given the parameters that were counted in it, where they could be.
///
/// A family is told by the sidecar, the command line, the catalogue; else it is the name
/// without the word for its size (`tiny-24x1` and `tiny-48x2` are `tiny`), or where the
/// name has no such word, [`shared_family`].
pub fn identity(
    found: &Found,
    n_params: impl Into<Option<u64>>,
    told: Told<'_>,
    shared: Option<&str>,
    catalog: &Catalog,
) -> Identity {
    let counted = n_params.into().map(|n| n as f64);
    let sidecar = &found.sidecar;
    // A folder may be called like a model that it is not: its size decides.
    let known = catalog
        .find_model(&found.typed, found.revision.as_deref())
        .filter(|k| k.fits_params(counted));
    let entry = known.as_ref().map(|k| k.entry);
    let steps = found.step_folder();
    let own_name = || match &steps {
        // The label is that name, the folders above it that tell it apart, and the step.
        Some(_) if found.is_renamed() => found.label.rsplit_once('/').map_or_else(
            || found.label.clone(),
            |(name, _)| format!("{name}{}", found.ending),
        ),
        Some((name, _)) => name.clone(),
        None if found.revision.is_some() => found.typed.clone(),
        None => found.label.clone(),
    };
    let model = sidecar
        .model
        .as_ref()
        .map(|name| format!("{name}{}", found.ending))
        // Of several models that are called like one of the catalogue, at most one is it.
        .or_else(|| {
            entry
                .filter(|_| !found.is_renamed())
                .map(|e| e.name.to_string())
        })
        .unwrap_or_else(own_name);
    let family = sidecar
        .family
        .clone()
        .or_else(|| told.family.map(str::to_owned))
        .or_else(|| entry.map(|e| e.family.to_string()))
        .unwrap_or_else(|| {
            let name = short_name(&model);
            let without = without_size(name);
            match shared {
                Some(shared) if without == name => shared.to_owned(),
                _ => without,
            }
        });
    let names = found.names();
    let tokens = TrainTokens::of(told.tokens, &names, true)
        .or(sidecar.tokens)
        .or_else(|| TrainTokens::of(told.tokens, &names, false))
        .or_else(|| known.as_ref().and_then(|k| k.scale.tokens));
    let flops = sidecar.flops.or_else(|| {
        let known = known.as_ref()?;
        known
            .scale
            .flops
            .filter(|_| known.flops_kind == Some(Known::Reported))
    });
    let step = sidecar
        .checkpoint_step
        .or_else(|| known.as_ref().and_then(|k| k.step))
        .or_else(|| found.revision.as_deref().and_then(step_from_revision))
        .or_else(|| steps.as_ref().filter(|_| entry.is_none()).map(|s| s.1));
    let tuning = sidecar.tuning.as_deref().map(Text::from).or_else(|| {
        entry
            .filter(|e| e.has(flag::INSTRUCT))
            .map(|_| INSTRUCTION_TUNED.into())
    });
    let params = sidecar
        .params
        .or_else(|| known.as_ref().and_then(|k| k.scale.params))
        .or(counted);
    Identity {
        model: ModelIdentity {
            family: family.into(),
            model: model.into(),
            checkpoint_step: step,
            tuning,
            params,
            tokens,
            flops,
            train_loss_nats: sidecar
                .train_loss_nats
                .or_else(|| known.as_ref().and_then(|k| k.scale.train_loss_nats)),
            seed: sidecar.seed,
        },
        flags: entry.map(|e| e.flags.clone()).unwrap_or_default(),
    }
}

/// What is left of a name after its last slash.
fn short_name(name: &str) -> &str {
    let name = name.split('@').next().unwrap_or(name);
    name.rsplit('/').next().unwrap_or(name)
}

/// A name without the words for its size (`70m`, `1.3B`, `24x1`); the name itself where
/// nothing else is in it.
fn without_size(name: &str) -> String {
    let is_size = |word: &str| {
        let number = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = word[number.len()..].to_ascii_lowercase();
        let is_count = number.parse::<f64>().is_ok() && matches!(&*unit, "k" | "m" | "b" | "t");
        let is_grid = word
            .split_once('x')
            .is_some_and(|(a, b)| a.parse::<u64>().is_ok() && b.parse::<u64>().is_ok());
        is_count || is_grid
    };
    let words: Vec<&str> = name.split(['-', '_']).filter(|w| !is_size(w)).collect();
    match words.is_empty() || words.len() == name.split(['-', '_']).count() {
        true => name.to_owned(),
        false => words.join("-"),
    }
}

/// The beginning that all names share, without separators at its end.
fn common_beginning(names: &[&str]) -> String {
    let first = names.first().copied().unwrap_or_default();
    let n_common = names.iter().fold(first.len(), |n, name| {
        let same = first
            .char_indices()
            .zip(name.chars())
            .take_while(|((_, a), b)| a == b);
        n.min(same.last().map_or(0, |((at, c), _)| at + c.len_utf8()))
    });
    let common = first[..n_common].trim_end_matches(['-', '_', '.', ' ', '/']);
    match common.is_empty() {
        true => NO_COMMON_NAME.to_owned(),
        false => common.to_owned(),
    }
}

/// A name that is safe as a folder or file on any system.
pub fn safe_name(name: &str) -> String {
    const N_BYTES_MAX: usize = 180;
    let mut safe = upturn_store::lm_eval_write::sanitize_model_name(name);
    safe.retain(|c| !c.is_control());
    if safe.is_empty() || safe.starts_with('.') {
        safe.insert(0, '_');
    }
    while safe.len() > N_BYTES_MAX {
        safe.pop();
    }
    safe
}

/// A model as the machine summary names it.
#[derive(Debug, Serialize)]
pub struct IdentitySummary<'i> {
    name: &'i str,
    family: &'i str,
    model: &'i str,
    params: Option<f64>,
    tokens: Option<f64>,
    checkpoint_step: Option<u64>,
}

impl<'i> IdentitySummary<'i> {
    /// Of a model in a run.
    pub fn new(found: &'i Found, identity: &'i Identity) -> Self {
        let model = &identity.model;
        IdentitySummary {
            name: &found.label,
            family: &model.family,
            model: &model.model,
            params: model.params,
            tokens: model.tokens,
            checkpoint_step: model.checkpoint_step,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(typed: &str, sidecar: Sidecar) -> Found {
        Found {
            dir: typed.into(),
            label: folder_label(Path::new(typed), 1),
            plain_label: folder_label(Path::new(typed), 1),
            ending: String::new(),
            typed: typed.into(),
            remote: false,
            revision: None,
            sidecar,
        }
    }

    fn families(names: &[&str]) -> Vec<String> {
        let models: Vec<Found> = names.iter().map(|n| found(n, Sidecar::default())).collect();
        let told = Told {
            family: None,
            tokens: &[],
        };
        let shared = shared_family(&models);
        let catalog = Catalog::builtin();
        models
            .iter()
            .map(|m| identity(m, 40_000, told, shared.as_deref(), &catalog))
            .map(|i| i.model.family.to_string())
            .collect()
    }

    #[test]
    fn families_leave_the_size_out_or_share_a_beginning() {
        assert_eq!(
            families(&["models/tiny-24x1", "models/tiny-48x2", "models/other-3m"]),
            ["tiny", "tiny", "other"]
        );
        assert_eq!(families(&["run_small", "run_large"]), ["run", "run"]);
        assert_eq!(families(&["alpha", "beta"]), ["models", "models"]);
        assert_eq!(families(&["alpha"]), ["alpha"]);
        // Called like a model of the catalogue, but of another size.
        assert_eq!(families(&["models/pythia-70m"]), ["pythia"]);
    }

    #[test]
    fn the_sidecar_wins_over_all_and_a_model_of_its_own_over_the_sidecar() {
        let sidecar = Sidecar::parse(
            "family = \"Ours\"\ntokens = 5_000\nparams = 7\ncheckpoint_step = 0",
            Path::new("m/upturn.toml"),
        )
        .expect("valid");
        let model = found("m/tiny-24x1", sidecar);
        let all = TrainTokens::parse("1e3").expect("valid");
        let own = TrainTokens::parse("tiny-24x1=2e3").expect("valid");
        let tokens = |told: &[TrainTokens]| {
            let told = Told {
                family: Some("Theirs"),
                tokens: told,
            };
            let got = identity(&model, 40_000, told, None, &Catalog::builtin()).model;
            (got.family.to_string(), got.params, got.tokens)
        };
        assert_eq!(
            tokens(std::slice::from_ref(&all)),
            ("Ours".into(), Some(7.0), Some(5e3))
        );
        assert_eq!(tokens(&[all, own]).2, Some(2e3));
    }

    #[test]
    fn a_wrong_sidecar_is_one_line_that_names_the_key() {
        for (text, want) in [
            ("tokns = 5", "unknown key 'tokns'"),
            ("tokens = \"many\"", "tokens: \"many\" is wrong"),
            ("tokens = -1", "expected the number of training tokens"),
            ("family = \"x\"\ntokens = ", "line 2"),
        ] {
            let line = Sidecar::parse(text, Path::new("m/upturn.toml")).expect_err(text);
            assert!(line.contains(want) && !line.contains('\n'), "{line}");
        }
    }

    #[test]
    fn folders_of_steps_are_checkpoints_of_what_is_above() {
        let model = found("runs/tiny/step500", Sidecar::default());
        assert_eq!(model.label, "tiny/step500");
        let told = Told {
            family: None,
            tokens: &[],
        };
        let got = identity(&model, 40_000, told, None, &Catalog::builtin()).model;
        assert_eq!((&*got.model, got.checkpoint_step), ("tiny", Some(500)));
        // Another run of the same name is another model.
        let other = model.relabelled("runs/tiny/step500".into(), "");
        let got = identity(&other, 40_000, told, None, &Catalog::builtin()).model;
        assert_eq!((&*got.model, got.checkpoint_step), ("runs/tiny", Some(500)));
    }

    #[test]
    fn names_become_safe_files() {
        assert_eq!(safe_name("org/name"), "org__name");
        assert_eq!(safe_name("../.."), "_..__..");
        assert_eq!(safe_name(""), "_");
        assert!(safe_name(&"é".repeat(500)).len() <= 180);
    }
}
