//! The families of a study: what is trained, what is on disk, what others measured.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use upturn_ladder::{Ladder, LadderError, Plan};
use upturn_study::{Shard, Source, Study, Tokens};

use crate::commands::train::refused;
use crate::exit::{Exit, Failure};
use crate::texts::FileTexts;

/// Tuning that means the members themselves.
pub const BASE: &str = "base";

/// All families.
pub struct Families {
    all: Vec<Planned>,
}

/// One family.
pub struct Planned {
    /// Its name, where it has one of its own.
    pub name: Option<String>,
    /// Where it comes from.
    pub source: PlannedSource,
}

/// Where a family comes from, worked out.
pub enum PlannedSource {
    /// Trained here, below this folder.
    Ladder {
        /// The plan.
        plan: Box<Plan>,
        /// Folder of its models.
        models: PathBuf,
    },
    /// Models on disk or on the hub.
    Models {
        /// As the study names them.
        models: Vec<String>,
        /// Training tokens.
        tokens: Option<Tokens>,
    },
    /// Results that exist.
    Results(Vec<String>),
}

impl Families {
    /// Works out every family; nothing is trained or downloaded.
    pub fn plan(study: &Study, text: &str, file: &Path, out: &Path) -> Result<Self, Failure> {
        let mut all = Vec::new();
        for (i, family) in study.families.iter().enumerate() {
            let source = match &family.source {
                Source::Ladder(ladder) => {
                    let (ladder, base) = read_ladder(ladder, text, file, i)?;
                    let texts = FileTexts { base };
                    PlannedSource::Ladder {
                        plan: Box::new(ladder.plan(&texts).map_err(refused)?),
                        models: out.join("models"),
                    }
                }
                Source::Models { models, tokens } => PlannedSource::Models {
                    models: models.clone(),
                    tokens: tokens.clone(),
                },
                Source::Results(inputs) => PlannedSource::Results(inputs.clone()),
            };
            let name = match (&family.name, &source) {
                (Some(name), PlannedSource::Ladder { plan, .. }) if *name != plan.family => {
                    return Err(Failure::new(
                        Exit::NoInput,
                        format!(
                            "{}: family {}: name is '{name}', but its ladder's family is '{}'; \
                             leave the name out, or give the ladder's",
                            file.display(),
                            i + 1,
                            plan.family
                        ),
                    ));
                }
                (None, PlannedSource::Ladder { plan, .. }) => Some(plan.family.clone()),
                (name, _) => (*name).clone(),
            };
            all.push(Planned { name, source });
        }
        let families = Families { all };
        families.check_names(file)?;
        Ok(families)
    }

    /// Members of different ladders go to one folder: their names must differ.
    fn check_names(&self, file: &Path) -> Result<(), Failure> {
        let mut seen = BTreeSet::new();
        for member in self.ladders().flat_map(|plan| &plan.members) {
            if !seen.insert(&member.name) {
                return Err(Failure::new(
                    Exit::NoInput,
                    format!(
                        "{}: two ladders have a member called '{}'; give the ladders different \
                         family names",
                        file.display(),
                        member.name
                    ),
                ));
            }
        }
        Ok(())
    }

    /// All families in order.
    pub fn all(&self) -> &[Planned] {
        &self.all
    }

    /// The plans of those that are trained.
    pub fn ladders(&self) -> impl Iterator<Item = &Plan> {
        self.all.iter().filter_map(|f| match &f.source {
            PlannedSource::Ladder { plan, .. } => Some(&**plan),
            _ => None,
        })
    }

    /// Leaves only the members of a share: by their rank in compute, finetunes with their parents.
    pub fn keep(&mut self, shard: Shard) {
        for family in &mut self.all {
            let PlannedSource::Ladder { plan, .. } = &mut family.source else {
                continue;
            };
            let bases = plan.members.iter().filter(|m| m.parent.is_none());
            let mine: BTreeSet<String> = bases
                .enumerate()
                .filter(|(place, _)| shard.has(*place))
                .map(|(_, m)| m.name.clone())
                .collect();
            plan.members
                .retain(|m| mine.contains(m.parent.as_ref().unwrap_or(&m.name)));
        }
    }

    /// What the plans have to say.
    pub fn notes(&self) -> impl Iterator<Item = &String> {
        self.ladders().flat_map(|plan| &plan.notes)
    }

    /// Inputs of the analysis that others measured.
    pub fn results(&self) -> Vec<String> {
        let inputs = self.all.iter().filter_map(|f| match &f.source {
            PlannedSource::Results(inputs) => Some(inputs),
            _ => None,
        });
        inputs.flatten().cloned().collect()
    }
}

/// A ladder with the folder that its paths start from.
fn read_ladder(
    ladder: &upturn_study::Ladder,
    text: &str,
    file: &Path,
    index: usize,
) -> Result<(Ladder, PathBuf), Failure> {
    let dir = |path: &Path| path.parent().unwrap_or(Path::new("")).to_path_buf();
    match ladder {
        upturn_study::Ladder::File(path) => {
            let text = std::fs::read_to_string(path).map_err(|e| {
                Failure::new(
                    Exit::NoInput,
                    format!(
                        "{}: family {}: the ladder {} cannot be read ({e})",
                        file.display(),
                        index + 1,
                        path.display()
                    ),
                )
            })?;
            Ok((Ladder::parse(&text, path).map_err(refused)?, dir(path)))
        }
        upturn_study::Ladder::Table(table) => {
            // With its lines where the reader can find the table in the text.
            let key = format!("family.{index}.ladder");
            let ladder = match Ladder::parse_within(text, file, &key) {
                Err(LadderError::Config { .. }) => {
                    let place = format!("{}: family {}: ladder", file.display(), index + 1);
                    Ladder::from_table(table, &place)
                }
                other => other,
            };
            Ok((ladder.map_err(refused)?, dir(file)))
        }
    }
}
