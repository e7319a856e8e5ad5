//! The catalogue: models and tasks by name, built in or the user's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use upturn_types::{Known, Scale};

use crate::CatalogError;
use crate::index::Index;
use crate::key::{exact_key, model_key, segments, task_key};
use crate::model::{Family, ModelEntry, ModelMatch};
use crate::model_data::{builtin_models, sort, user_models, without_org};
use crate::revision::{is_finished, step_from_revision, tokens_from_revision};
use crate::task::TaskEntry;
use crate::task_data::{builtin_tasks, user_tasks};

/// Names offered when one is not found.
const N_SUGGESTIONS: usize = 3;

/// Models and tasks, looked up by the names that people write.
///
/// Cheap to clone: the tables are shared until one is added to.
///
/// ```
/// use upturn_catalog::Catalog;
///
/// let catalog = Catalog::builtin();
/// let found = catalog
///     .find_model("EleutherAI/pythia-v1.1-1.4b-deduped", Some("step3000"))
///     .expect("an old name of pythia-1.4b-deduped");
/// assert_eq!(found.step, Some(3000));
/// assert_eq!(found.scale.tokens, Some(3000.0 * 2_097_152.0));
/// assert!(catalog.find_model("meta-llama/Llama-2-7b-chat-hf", None).is_none());
/// assert_eq!(catalog.find_task("MMLU: anatomy").unwrap().n["test"], 135);
/// ```
#[derive(Debug, Clone)]
pub struct Catalog {
    models: Arc<Table<ModelEntry>>,
    tasks: Arc<Table<TaskEntry>>,
}

#[derive(Debug, Clone)]
struct Table<E> {
    entries: Vec<E>,
    index: Index,
}

impl Catalog {
    /// The built-in catalogue. Parsed on the first call.
    #[must_use]
    pub fn builtin() -> Catalog {
        static BUILTIN: OnceLock<Catalog> = OnceLock::new();
        BUILTIN
            .get_or_init(|| Catalog {
                models: Arc::new(index_models(builtin_models())),
                tasks: Arc::new(index_tasks(builtin_tasks())),
            })
            .clone()
    }

    /// Adds the models of a user's TOML text; `file` names it in messages.
    ///
    /// An entry named like a built-in model replaces it; an alias that belonged to
    /// another model moves to the user's. Returns the number of models added.
    ///
    /// # Errors
    ///
    /// When the text is not TOML, a field is unknown or of the wrong type, a count is
    /// not above 0, or a name stands twice. Then nothing is added.
    pub fn add_models_toml(&mut self, text: &str, file: &str) -> Result<usize, CatalogError> {
        let added = user_models(text, file)?;
        let n = added.len();
        if n > 0 {
            let keys: BTreeSet<String> = added.iter().flat_map(model_keys).collect();
            let exact: BTreeSet<String> = added
                .iter()
                .flat_map(ModelEntry::names)
                .flat_map(|name| exact_keys(name))
                .collect();
            let by_key = |name: &str| name_keys(name).iter().any(|k| keys.contains(k));
            let by_letter = |name: &str| exact_keys(name).iter().any(|k| exact.contains(k));
            let mut entries = self.models.entries.clone();
            entries.retain(|e| !by_letter(&e.name) && (e.exact_only || !by_key(&e.name)));
            for entry in &mut entries {
                entry.aliases.retain(|a| !by_key(a));
                entry.exact.retain(|a| !by_letter(a));
            }
            entries.extend(added);
            sort(&mut entries);
            self.models = Arc::new(index_models(entries));
        }
        Ok(n)
    }

    /// Adds the tasks of a user's TOML text; as [`Catalog::add_models_toml`].
    ///
    /// # Errors
    ///
    /// When the text is not TOML, a field is unknown or of the wrong type, a chance is
    /// outside \[0, 1), a size is 0, or a name stands twice. Then nothing is added.
    pub fn add_tasks_toml(&mut self, text: &str, file: &str) -> Result<usize, CatalogError> {
        let added = user_tasks(text, file)?;
        let n = added.len();
        if n > 0 {
            let keys: BTreeSet<String> = added
                .iter()
                .flat_map(|e| std::iter::once(&e.name).chain(&e.aliases))
                .map(|name| task_key(name))
                .collect();
            let exact: BTreeSet<String> = added
                .iter()
                .flat_map(TaskEntry::names)
                .map(|name| exact_key(name))
                .collect();
            let is_taken =
                |name: &str| keys.contains(&task_key(name)) || exact.contains(&exact_key(name));
            let mut entries = self.tasks.entries.clone();
            entries.retain(|e| !is_taken(&e.name));
            for entry in &mut entries {
                entry.aliases.retain(|a| !is_taken(a));
                entry.exact.retain(|a| !exact.contains(&exact_key(a)));
            }
            entries.extend(added);
            entries.sort_by(|a, b| a.name.cmp(&b.name));
            self.tasks = Arc::new(index_tasks(entries));
        }
        Ok(n)
    }

    /// All models, by family, scale and name.
    #[must_use]
    pub fn models(&self) -> &[ModelEntry] {
        &self.models.entries
    }

    /// All tasks, by name.
    #[must_use]
    pub fn tasks(&self) -> &[TaskEntry] {
        &self.tasks.entries
    }

    /// Families by name, members by scale.
    #[must_use]
    pub fn families(&self) -> Vec<Family<'_>> {
        let mut families: BTreeMap<&str, Vec<&ModelEntry>> = BTreeMap::new();
        for entry in self.models() {
            families.entry(&entry.family).or_default().push(entry);
        }
        families
            .into_iter()
            .map(|(name, members)| Family { name, members })
            .collect()
    }

    /// The model called `name`, at `revision` if that names a checkpoint.
    ///
    /// Case, punctuation, the organisation before a slash, folders of a path, a cache
    /// folder (`models--org--name/snapshots/…`) and the suffix `-hf` do not matter. A
    /// checkpoint may also be the last folder or follow an `@` (`pythia-70m@step512`).
    /// Any further word makes it another model: `Llama-2-7b-chat-hf` is not found as
    /// `Llama-2-7b-hf`.
    ///
    /// At a step, tokens are step × tokens per step and FLOPs 6ND, both derived; step 0
    /// has seen 0 tokens. Tokens are `None` where tokens per step are unknown (unless
    /// the revision states them), where the step lies beyond the finished model, and
    /// for a revision that is neither a step nor a name of the finished model.
    #[must_use]
    pub fn find_model(&self, name: &str, revision: Option<&str>) -> Option<ModelMatch<'_>> {
        if let Some(entry) = self.lookup(name) {
            return Some(at_revision(entry, revision.unwrap_or_default()));
        }
        if let Some((base, suffix)) = name.rsplit_once('@')
            && (step_from_revision(suffix).is_some() || is_finished(suffix))
            && let Some(entry) = self.lookup(base)
        {
            return Some(at_revision(entry, revision.unwrap_or(suffix)));
        }
        let mut parts = segments(name);
        let mut from_path = None;
        while let Some(&last) = parts.last() {
            let in_path =
                last.to_ascii_lowercase().starts_with("step") && step_from_revision(last).is_some();
            if in_path && from_path.is_none() {
                from_path = Some(last);
            } else if !(last == "snapshots" || is_finished(last)) {
                break;
            }
            parts.pop();
        }
        let last = *parts.last()?;
        let cached = last
            .strip_prefix("models--")
            .map(|rest| rest.replace("--", "/"));
        let entry = self.lookup(cached.as_deref().unwrap_or(last))?;
        Some(at_revision(
            entry,
            revision.or(from_path).unwrap_or_default(),
        ))
    }

    /// The entry under `name` itself or its last part after an organisation.
    fn lookup(&self, name: &str) -> Option<&ModelEntry> {
        let index = &self.models.index;
        let short = without_org(name);
        let at = index
            .exact(name)
            .or_else(|| index.key(&model_key(name)))
            .or_else(|| index.exact(short?))
            .or_else(|| index.key(&model_key(short?)))?;
        self.models.entries.get(at)
    }

    /// Names of models near `name`, nearest first: for messages.
    #[must_use]
    pub fn suggest_models(&self, name: &str) -> Vec<&str> {
        let last = segments(name).last().copied().unwrap_or(name);
        self.models
            .index
            .near(&model_key(last), N_SUGGESTIONS)
            .into_iter()
            .filter_map(|at| self.models.entries.get(at))
            .map(|e| &*e.name)
            .collect()
    }

    /// The task called `name`: case and punctuation do not matter, except where they
    /// are all that tells tasks apart (`2D+`, `2D-`).
    #[must_use]
    pub fn find_task(&self, name: &str) -> Option<&TaskEntry> {
        let index = &self.tasks.index;
        let at = index.exact(name).or_else(|| index.key(&task_key(name)))?;
        self.tasks.entries.get(at)
    }

    /// Names of tasks near `name`, nearest first: for messages.
    #[must_use]
    pub fn suggest_tasks(&self, name: &str) -> Vec<&str> {
        self.tasks
            .index
            .near(&task_key(name), N_SUGGESTIONS)
            .into_iter()
            .filter_map(|at| self.tasks.entries.get(at))
            .map(|e| &*e.name)
            .collect()
    }
}

/// Keys of one name, with and without its organisation.
fn name_keys(name: &str) -> Vec<String> {
    let mut keys = vec![model_key(name)];
    keys.extend(without_org(name).map(model_key));
    keys
}

/// One name letter by letter, with and without its organisation.
fn exact_keys(name: &str) -> Vec<String> {
    let mut keys = vec![exact_key(name)];
    keys.extend(without_org(name).map(exact_key));
    keys
}

/// Keys of all names of an entry.
fn model_keys(entry: &ModelEntry) -> Vec<String> {
    entry.names().flat_map(|name| name_keys(name)).collect()
}

fn index_models(entries: Vec<ModelEntry>) -> Table<ModelEntry> {
    let mut index = Index::default();
    for (at, entry) in entries.iter().enumerate() {
        for name in entry.names() {
            index.add_exact(name, at);
            if let Some(short) = without_org(name) {
                index.add_exact(short, at);
            }
        }
        let loose = entry.aliases.iter().map(|a| &**a);
        let name = (!entry.exact_only).then_some(&*entry.name);
        for name in name.into_iter().chain(loose) {
            for key in name_keys(name) {
                index.add_key(key, at);
            }
        }
    }
    Table { entries, index }
}

fn index_tasks(entries: Vec<TaskEntry>) -> Table<TaskEntry> {
    let mut index = Index::default();
    for (at, entry) in entries.iter().enumerate() {
        for name in entry.names() {
            index.add_exact(name, at);
            if !entry.exact.contains(name) {
                index.add_key(task_key(name), at);
            }
        }
    }
    Table { entries, index }
}

/// The entry at `revision`.
fn at_revision<'a>(entry: &'a ModelEntry, revision: &str) -> ModelMatch<'a> {
    let unknown = Scale {
        params: entry.params,
        ..Scale::default()
    };
    let Some(step) = step_from_revision(revision) else {
        let finished = is_finished(revision);
        return ModelMatch {
            entry,
            step: None,
            scale: if finished { entry.scale() } else { unknown },
            flops_kind: entry.flops_kind.filter(|_| finished),
            tokens_kind: entry.tokens.filter(|_| finished).map(|_| Known::Reported),
        };
    };
    // A count up to 2^53 is exact in f64; no run has more steps.
    #[expect(clippy::cast_precision_loss, reason = "steps are far below 2^53")]
    let steps = step as f64;
    let beyond = entry.final_step.is_some_and(|last| step > last);
    let tokens = if step == 0 {
        Some(0.0)
    } else if beyond {
        None
    } else {
        entry
            .tokens_per_step
            .map(|t| steps * t)
            .or_else(|| tokens_from_revision(revision))
    };
    let mut scale = Scale { tokens, ..unknown };
    scale.flops = if step == 0 { Some(0.0) } else { scale.six_nd() };
    ModelMatch {
        entry,
        step: Some(step),
        scale,
        flops_kind: scale.flops.map(|_| Known::Derived),
        tokens_kind: tokens.map(|_| Known::Derived),
    }
}
