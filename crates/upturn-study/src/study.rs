//! The study file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::StudyError;

/// A study: which families are measured on which tasks, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Study {
    /// Its name; the folder of its results is called so.
    pub name: String,
    /// A sentence on what it asks, for the report.
    pub title: Option<String>,
    /// Seed of few-shot draws and generated items.
    pub seed: u64,
    /// Families, in order.
    pub families: Vec<Family>,
    /// What they are evaluated on, in order.
    pub evals: Vec<Eval>,
    /// How scores are read.
    pub analysis: Analysis,
}

/// A family of models, or results that others measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// Its name; where absent the ladder's, or what the models have in common.
    pub name: Option<String>,
    /// Where it comes from.
    pub source: Source,
}

/// Where a family comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// Trained here.
    Ladder(Ladder),
    /// Folders, patterns of folders, or names on the hub.
    Models {
        /// As typed; folders are relative to the study file.
        models: Vec<String>,
        /// Training tokens.
        tokens: Option<Tokens>,
    },
    /// Results that exist: files, folders, `published:NAME`.
    Results(Vec<String>),
}

/// A ladder: a file beside the study, or a table in it.
#[derive(Debug, Clone, PartialEq)]
pub enum Ladder {
    /// A file.
    File(PathBuf),
    /// A table.
    Table(toml::Table),
}

/// Training tokens of models.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Tokens {
    /// The same for all.
    All(f64),
    /// By name.
    Each(BTreeMap<String, f64>),
}

/// How items of generated tasks are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// As ladders are trained on them: `47+85=`.
    Short,
    /// In sentences, for any model.
    Words,
}

/// How an answer is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// The answer alone.
    Direct,
    /// Worked steps, then the answer.
    Scratchpad,
}

/// One block of evaluation: every task × method × number of examples on every model.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Eval {
    /// Generated tasks (`addition:digits=3`), task files, folders, names in `include_path`.
    pub tasks: Vec<String>,
    /// Folders of task files.
    #[serde(default)]
    pub include_path: Vec<PathBuf>,
    /// Methods, for generated tasks; task files say their own.
    #[serde(default = "direct")]
    pub methods: Vec<Method>,
    /// Form of generated tasks; short for ladders, words for other models where absent.
    pub form: Option<Form>,
    /// Numbers of examples in the prompt; the task's own where absent.
    pub num_fewshot: Option<OneOrMore<usize>>,
    /// Most items per task.
    #[serde(default)]
    pub limit: Option<usize>,
    /// Families by name; all where absent.
    pub families: Option<Vec<String>>,
    /// Finetunes of ladders by name, `base` for the members themselves; `base` where absent.
    pub tuning: Option<OneOrMore<String>>,
    /// Whether checkpoints along training are measured too.
    #[serde(default)]
    pub checkpoints: bool,
    /// Whether prompts go through the chat template.
    #[serde(default)]
    pub apply_chat_template: bool,
}

/// A value, or a list of values.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum OneOrMore<T> {
    /// One.
    One(T),
    /// A list.
    More(Vec<T>),
}

impl<T> OneOrMore<T> {
    /// All values.
    #[must_use]
    pub fn all(&self) -> &[T] {
        match self {
            OneOrMore::One(value) => std::slice::from_ref(value),
            OneOrMore::More(values) => values,
        }
    }
}

fn direct() -> Vec<Method> {
    vec![Method::Direct]
}

/// How scores are read; absent is the default of `upturn analyze`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Analysis {
    /// Axis of verdicts: `flops`, `params`, `tokens` or `loss`.
    pub axis: Option<String>,
    /// Bootstrap draws of the kink test, at most.
    pub draws: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStudy {
    name: Option<String>,
    title: Option<String>,
    #[serde(default)]
    seed: u64,
    #[serde(default)]
    family: Vec<RawFamily>,
    #[serde(default)]
    eval: Vec<Eval>,
    #[serde(default)]
    analysis: Analysis,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFamily {
    name: Option<String>,
    ladder: Option<RawLadder>,
    models: Option<OneOrMore<String>>,
    train_tokens: Option<Tokens>,
    results: Option<OneOrMore<String>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawLadder {
    File(PathBuf),
    Table(toml::Table),
}

impl Study {
    /// Reads a study. Paths in it are relative to the folder of `file`.
    ///
    /// # Errors
    /// One line that says where and what was expected.
    pub fn parse(text: &str, file: &Path) -> Result<Study, StudyError> {
        let name_of_file = file.display().to_string();
        let raw: RawStudy =
            toml::from_str(text).map_err(|e| StudyError::toml(&name_of_file, text, &e))?;
        let fault = |message: String| StudyError::new(&name_of_file, message);
        let dir = file.parent().unwrap_or(Path::new(""));
        let name = match raw.name {
            Some(name) => name,
            None => default_name(file),
        };
        if name.is_empty() || !name.chars().all(fits) || name.starts_with('.') {
            return Err(fault(format!(
                "name '{name}' cannot be a folder's; use letters, digits, '-', '_'"
            )));
        }
        if raw.family.is_empty() {
            return Err(fault(
                "there is no [[family]]; give one with ladder, models or results".into(),
            ));
        }
        let families = raw
            .family
            .into_iter()
            .enumerate()
            .map(|(i, family)| {
                family
                    .check(dir)
                    .map_err(|m| fault(format!("family {}: {m}", i + 1)))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let measured = families
            .iter()
            .any(|f| !matches!(f.source, Source::Results(_)));
        if measured && raw.eval.is_empty() {
            return Err(fault(
                "there are models and no [[eval]]; give one with tasks = [...]".into(),
            ));
        }
        let mut evals = raw.eval;
        for (i, eval) in evals.iter_mut().enumerate() {
            eval.check(dir)
                .map_err(|m| fault(format!("eval {}: {m}", i + 1)))?;
        }
        Ok(Study {
            name,
            title: raw.title,
            seed: raw.seed,
            families,
            evals,
            analysis: raw.analysis,
        })
    }
}

/// Whether a character may stand in a name.
fn fits(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// `arithmetic` for `examples/arithmetic/study.toml`, `x` for `x.toml`.
fn default_name(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let folder = file
        .parent()
        .and_then(Path::file_name)
        .map(|n| n.to_string_lossy());
    let name = match folder {
        Some(folder) if stem == "study" => folder,
        _ => stem,
    };
    let name: String = name
        .chars()
        .map(|c| if fits(c) { c } else { '-' })
        .collect();
    match name.trim_matches(['.', '-']) {
        "" => "study".to_owned(),
        name => name.to_owned(),
    }
}

/// A path of the study: relative ones from its folder.
fn beside(dir: &Path, path: &str) -> String {
    dir.join(path).display().to_string()
}

/// Whether a name is meant as a folder or pattern of folders rather than a name on the hub.
fn is_local(dir: &Path, name: &str) -> bool {
    name.starts_with(['.', '/', '~']) || name.contains('*') || dir.join(name).exists()
}

impl RawFamily {
    fn check(self, dir: &Path) -> Result<Family, String> {
        let given = [
            ("ladder", self.ladder.is_some()),
            ("models", self.models.is_some()),
            ("results", self.results.is_some()),
        ];
        let names: Vec<&str> = given
            .iter()
            .filter(|(_, is)| *is)
            .map(|(n, _)| *n)
            .collect();
        if names.len() != 1 {
            return Err(match names.is_empty() {
                true => "no source; give ladder, models or results".to_owned(),
                false => format!("{} are given; a family has one source", names.join(" and ")),
            });
        }
        if self.train_tokens.is_some() && self.models.is_none() {
            return Err(format!(
                "train_tokens belongs to models; {} say their own",
                names[0]
            ));
        }
        let source = if let Some(ladder) = self.ladder {
            Source::Ladder(match ladder {
                RawLadder::File(file) => Ladder::File(dir.join(file)),
                RawLadder::Table(table) => Ladder::Table(table),
            })
        } else if let Some(models) = self.models {
            Source::Models {
                models: models
                    .all()
                    .iter()
                    .map(|name| match is_local(dir, name) {
                        true => beside(dir, name),
                        false => name.clone(),
                    })
                    .collect(),
                tokens: self.train_tokens,
            }
        } else {
            let results = self.results.expect("one of the three is given");
            Source::Results(
                results
                    .all()
                    .iter()
                    .map(|input| match input.starts_with("published:") {
                        true => input.clone(),
                        false => beside(dir, input),
                    })
                    .collect(),
            )
        };
        Ok(Family {
            name: self.name,
            source,
        })
    }
}

impl Eval {
    fn check(&mut self, dir: &Path) -> Result<(), String> {
        if self.tasks.is_empty() {
            return Err("tasks is empty; name at least one".into());
        }
        if self.methods.is_empty() {
            return Err("methods is empty; expected direct, scratchpad".into());
        }
        if self.limit == Some(0) {
            return Err("limit is 0; expected at least 1 item".into());
        }
        for shots in self.num_fewshot.iter().flat_map(OneOrMore::all) {
            if *shots > 1000 {
                return Err(format!("num_fewshot is {shots}; expected at most 1000"));
            }
        }
        for path in &mut self.include_path {
            *path = dir.join(&*path);
        }
        for task in &mut self.tasks {
            let local = dir.join(&*task);
            if local.exists() && task.contains(['/', '.']) {
                *task = local.display().to_string();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Study, String> {
        Study::parse(text, Path::new("studies/arithmetic/study.toml")).map_err(|e| e.to_string())
    }

    #[test]
    fn a_study_is_read() {
        let study = parse(
            r#"
            title = "When does addition appear?"
            seed = 3
            [[family]]
            ladder = "ladder.toml"
            [[family]]
            name = "pythia"
            models = ["EleutherAI/pythia-70m", "./models/*"]
            train_tokens = 3e11
            [[family]]
            results = "published:gpt3"
            [[eval]]
            tasks = ["addition:digits=2"]
            methods = ["direct", "scratchpad"]
            num_fewshot = [0, 4]
            limit = 2000
            "#,
        )
        .unwrap();
        assert_eq!((study.name.as_str(), study.seed), ("arithmetic", 3));
        let dir = Path::new("studies/arithmetic");
        assert_eq!(
            study.families[0].source,
            Source::Ladder(Ladder::File(dir.join("ladder.toml")))
        );
        assert_eq!(
            study.families[1].source,
            Source::Models {
                models: vec![
                    "EleutherAI/pythia-70m".into(),
                    dir.join("./models/*").display().to_string()
                ],
                tokens: Some(Tokens::All(3e11)),
            }
        );
        assert_eq!(
            study.families[2].source,
            Source::Results(vec!["published:gpt3".into()])
        );
        assert_eq!(study.evals[0].num_fewshot.as_ref().unwrap().all(), [0, 4]);
        assert_eq!(study.evals[0].methods, [Method::Direct, Method::Scratchpad]);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let family = "[[family]]\nresults = 'x'\n";
        let cases = [
            ("", "no [[family]]"),
            ("[[family]]\n", "family 1: no source"),
            (
                "[[family]]\nmodels = 'a'\nresults = 'b'\n",
                "models and results are given",
            ),
            ("[[family]]\nmodels = 'a'\n", "no [[eval]]"),
            (
                "[[family]]\nresults = 'a'\ntrain_tokens = 3\n",
                "train_tokens belongs to models",
            ),
            (
                "name = 'a/b'\n[[family]]\nresults = 'x'\n",
                "cannot be a folder's",
            ),
            ("\nsead = 1\n", "line 2: unknown field `sead`"),
            ("[[family]]\nladder = 3\n", "line 2"),
        ];
        for (text, expected) in cases {
            let found = parse(text).unwrap_err();
            assert!(found.contains(expected), "{text:?}: {found}");
            assert!(
                found.starts_with("studies/arithmetic/study.toml: "),
                "{found}"
            );
            assert!(!found.contains('\n'), "{found}");
        }
        for (eval, expected) in [
            ("tasks = []", "tasks is empty"),
            ("tasks = ['a']\nlimit = 0", "limit is 0"),
            ("tasks = ['a']\nmethods = []", "methods is empty"),
            ("tasks = ['a']\nmethods = ['cot']", "unknown variant `cot`"),
            ("tasks = ['a']\nnum_fewshot = 5000", "num_fewshot is 5000"),
        ] {
            let found = parse(&format!("{family}[[eval]]\n{eval}\n")).unwrap_err();
            assert!(found.contains(expected), "{eval:?}: {found}");
        }
    }
}
