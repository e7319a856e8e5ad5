//! Which model a run evaluated: name, checkpoint and scale, from what a harness recorded and the path.

use std::path::Path;

use upturn_catalog::{Catalog, step_from_revision};
use upturn_types::{Known, Measurement, Scale, Text, flag};

use crate::texts::Texts;

/// Post-training of models that the catalogue knows as instruction-tuned.
const INSTRUCTION_TUNED: &str = "instruction-tuned";
/// Post-training of models evaluated through their chat template.
const CHAT_TEMPLATE: &str = "chat template";

/// A model as a row names it.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    family: Text,
    pub(crate) model: Text,
    step: Option<u64>,
    tuning: Option<Text>,
    scale: Scale,
    flops_kind: Option<Known>,
    flags: Vec<Text>,
    /// Whether the catalogue knows the model.
    pub(crate) known: bool,
}

/// What a run says about its model.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorded {
    /// Name or path of the weights.
    pub(crate) name: Option<String>,
    /// Revision of the weights.
    pub(crate) revision: Option<String>,
    /// An adapter or difference put on the weights, which makes them another model.
    pub(crate) adapter: Option<String>,
    /// Parameters counted by the harness.
    pub(crate) params: Option<f64>,
    /// Whether prompts went through a chat template.
    pub(crate) chat: bool,
}

impl Identity {
    /// Finds the model in the catalogue; what the run does not record is read off the path.
    ///
    /// A model that the catalogue does not know keeps its own name; its family is
    /// that name without the word for its size (`mini-70m-base` → `mini-base`), so that a
    /// ladder holds together and unrelated models stay apart.
    pub(crate) fn find(
        recorded: &Recorded,
        path: &Path,
        catalog: &Catalog,
        texts: &Texts,
    ) -> Identity {
        let name = recorded
            .name
            .clone()
            .or_else(|| model_in_path(path, catalog))
            .unwrap_or_else(|| folder_name(path));
        let revision = recorded
            .revision
            .clone()
            .filter(|r| step_from_revision(r).is_some() || r != "main")
            .or_else(|| step_in_path(path));
        let name = match &recorded.adapter {
            Some(adapter) => format!("{name} + {adapter}"),
            None => name,
        };
        let mut identity = match catalog.find_model(&name, revision.as_deref()) {
            Some(found) => Identity {
                family: texts.get(&found.entry.family),
                model: texts.get(&found.entry.name),
                step: found.step,
                tuning: found
                    .entry
                    .has(flag::INSTRUCT)
                    .then(|| texts.get(INSTRUCTION_TUNED)),
                scale: found.scale,
                flops_kind: found.flops_kind,
                flags: found.entry.flags.iter().map(|f| texts.get(f)).collect(),
                known: true,
            },
            None => Identity {
                family: texts.get(&family_of(&name)),
                model: texts.get(&name),
                step: revision.as_deref().and_then(step_from_revision),
                tuning: None,
                scale: Scale {
                    params: recorded.params.filter(|&n| n > 0.0 && n.is_finite()),
                    ..Scale::default()
                },
                flops_kind: None,
                flags: Vec::new(),
                known: false,
            },
        };
        if recorded.chat {
            identity
                .tuning
                .get_or_insert_with(|| texts.get(CHAT_TEMPLATE));
        }
        identity
    }

    /// A row of this model with no score yet.
    pub(crate) fn row(&self) -> Measurement {
        let mut m = Measurement::new("", "", "", "", 0.0);
        m.family = self.family.clone();
        m.model = self.model.clone();
        m.checkpoint_step = self.step;
        m.tuning = self.tuning.clone();
        m.params = self.scale.params;
        m.tokens = self.scale.tokens;
        m.flops = self.scale.flops;
        m.flops_kind = self.flops_kind;
        m.train_loss_nats = self.scale.train_loss_nats;
        m.flags = self.flags.clone();
        m
    }
}

/// The nearest folder whose name the catalogue knows as a model.
fn model_in_path(path: &Path, catalog: &Catalog) -> Option<String> {
    folders(path)
        .map(|folder| plain_name(&folder))
        .find(|name| catalog.find_model(name, None).is_some())
}

/// The step that the file or one of its folders is named after (`70m_step3000.json`).
fn step_in_path(path: &Path) -> Option<String> {
    let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned());
    stem.into_iter().chain(folders(path)).find_map(|name| {
        name.split(['_', '.'])
            .rev()
            .find(|word| {
                (word.starts_with("step") || word.starts_with("checkpoint-"))
                    && step_from_revision(word).is_some()
            })
            .map(str::to_owned)
    })
}

/// Names of the folders above a file, nearest first; three are enough for any harness.
fn folders(path: &Path) -> impl Iterator<Item = String> {
    path.ancestors()
        .skip(1)
        .filter_map(|a| a.file_name())
        .map(|n| n.to_string_lossy().into_owned())
        .take(3)
}

fn folder_name(path: &Path) -> String {
    folders(path)
        .next()
        .map(|name| plain_name(&name))
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "unknown".to_owned())
}

/// Undoes what the harness does to a model name that becomes a folder (`/` is `__`).
fn plain_name(folder: &str) -> String {
    folder.trim_matches('_').replace("__", "/")
}

/// The name without its size: the family of a model that no catalogue knows.
fn family_of(name: &str) -> String {
    let short = name
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or(name);
    let is_size = |word: &str| {
        let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = &word[digits.len()..];
        let count = !digits.is_empty() && digits.parse::<f64>().is_ok();
        let grid = word
            .split_once('x')
            .is_some_and(|(a, b)| a.parse::<u64>().is_ok() && b.parse::<u64>().is_ok());
        grid || (count && matches!(unit.to_ascii_lowercase().as_str(), "k" | "m" | "b" | "t"))
    };
    let words: Vec<&str> = short
        .split(['-', '_'])
        .filter(|word| !is_size(word))
        .collect();
    if words.is_empty() {
        short.to_owned()
    } else {
        words.join("-")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn find(recorded: Recorded, path: &str) -> Identity {
        Identity::find(
            &recorded,
            &PathBuf::from(path),
            &Catalog::builtin(),
            &Texts::default(),
        )
    }

    fn named(name: &str, revision: Option<&str>) -> Recorded {
        Recorded {
            name: Some(name.to_owned()),
            revision: revision.map(str::to_owned),
            ..Recorded::default()
        }
    }

    #[test]
    fn families_of_unknown_models_leave_the_size_out() {
        for (name, family) in [
            ("models/gpt2-48x2", "gpt2"),
            ("me/mini-70m-base", "mini-base"),
            ("me/mini-1.3B", "mini"),
            ("opus", "opus"),
            ("gpt-4", "gpt-4"),
            ("7b", "7b"),
        ] {
            assert_eq!(family_of(name), family, "{name}");
        }
    }

    #[test]
    fn the_record_comes_first_and_the_path_fills_in() {
        let known = find(
            named("EleutherAI/pythia-v1.1-1.4b-deduped", Some("step3000")),
            "x/other_step9.json",
        );
        assert!(known.known);
        assert_eq!(known.step, Some(3000));
        assert_eq!(known.scale.tokens, Some(3000.0 * 2_097_152.0));

        let path = "runs/pythia-1.4b-deduped/zero-shot/1.4b-deduped_step512.json";
        let from_path = find(Recorded::default(), path);
        assert_eq!(
            (&from_path.model, from_path.step),
            (&known.model, Some(512))
        );

        let main = find(
            named("EleutherAI/pythia-70m", Some("main")),
            "runs/results.json",
        );
        assert_eq!(main.step, None);
    }

    #[test]
    fn unknown_and_adapted_models_keep_what_is_recorded() {
        let unknown = find(
            Recorded {
                params: Some(118_080.0),
                ..named("models/nobody-48x2", None)
            },
            "results.json",
        );
        assert!(!unknown.known);
        assert_eq!(unknown.row().params, Some(118_080.0));
        assert_eq!(&*unknown.row().family, "nobody");

        let adapted = find(
            Recorded {
                adapter: Some("me/lora".to_owned()),
                ..named("EleutherAI/pythia-70m", None)
            },
            "results.json",
        );
        assert!(!adapted.known);
        assert_eq!(&*adapted.model, "EleutherAI/pythia-70m + me/lora");

        let counted_wrongly = find(
            Recorded {
                params: Some(-1.0),
                ..named("me/mine", None)
            },
            "results.json",
        );
        assert_eq!(counted_wrongly.row().params, None);
    }

    #[test]
    fn a_chat_template_makes_another_curve() {
        let chat = Recorded {
            chat: true,
            ..named("EleutherAI/pythia-70m", None)
        };
        assert_eq!(
            find(chat, "r.json").row().tuning.as_deref(),
            Some("chat template")
        );
    }
}
