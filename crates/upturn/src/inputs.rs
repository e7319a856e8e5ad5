//! Reading what the user named: files, folders, `published:NAME`, with their catalogues.

use std::io::IsTerminal;
use std::path::PathBuf;

use globset::{Glob, GlobSet, GlobSetBuilder};
use upturn_catalog::Catalog;
use upturn_store::map::MapSpec;
use upturn_store::{Import, ReadOptions, read};
use upturn_types::{Diagnostic, Measurement, Severity};

use crate::exit::{Exit, Failure};
use crate::output;

/// The prefix of built-in figures.
pub const PUBLISHED: &str = "published:";
/// Lines shown per severity before the rest is only counted.
const SHOWN: usize = 20;

/// What to read, and how.
#[derive(Debug, clap::Args)]
pub struct Inputs {
    /// Files or folders of results, or published:NAME (gpt3, cot, palm, mmlu, bigbench, flan, all)
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<String>,
    /// How to read a table that is not Upturn's own: columns to fields
    #[arg(long, value_name = "FILE.toml")]
    pub map: Option<PathBuf>,
    /// Models to add to the catalogue
    #[arg(long, value_name = "FILE.toml")]
    pub models: Vec<PathBuf>,
    /// Tasks to add to the catalogue: chance, options, size
    #[arg(long, value_name = "FILE.toml")]
    pub tasks: Vec<PathBuf>,
    /// Keep only families that match (a glob; may be repeated)
    #[arg(long, value_name = "GLOB")]
    pub family: Vec<String>,
    /// Keep only tasks that match (a glob on TASK or TASK/SUBSET; may be repeated)
    #[arg(long, value_name = "GLOB")]
    pub task: Vec<String>,
    /// Keep only methods that match (a glob such as direct, cot*; may be repeated)
    #[arg(long, value_name = "GLOB")]
    pub method: Vec<String>,
    /// Keep only metrics that match (a glob; may be repeated)
    #[arg(long, value_name = "GLOB")]
    pub metric: Vec<String>,
    /// Keep only this many examples in the prompt: 5, or a range such as 2.. or 1..8
    #[arg(long, value_name = "N", value_parser = Shots::parse)]
    pub shots: Option<Shots>,
    /// Longest line or record accepted, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    pub max_line_mib: u64,
    /// Show every message about the input
    #[arg(long, short)]
    pub verbose: bool,
}

/// A range of numbers of examples, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shots {
    fewest: u32,
    most: u32,
}

impl Shots {
    fn parse(text: &str) -> Result<Shots, String> {
        let number = |part: &str, open: u32| match part {
            "" => Some(open),
            _ => part.parse().ok(),
        };
        let ends = match text.split_once("..") {
            Some((from, to)) => number(from, 0).zip(number(to, u32::MAX)),
            None => text.parse().ok().map(|n| (n, n)),
        };
        match ends {
            Some((fewest, most)) if fewest <= most => Ok(Shots { fewest, most }),
            _ => Err("expected a number such as 5, or a range such as 2.. or 1..8".to_owned()),
        }
    }

    fn holds(self, shots: Option<u32>) -> bool {
        shots.is_some_and(|s| (self.fewest..=self.most).contains(&s))
    }
}

impl std::fmt::Display for Shots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.fewest, self.most) {
            (one, other) if one == other => write!(f, "{one}"),
            (fewest, u32::MAX) => write!(f, "{fewest}.."),
            (fewest, most) => write!(f, "{fewest}..{most}"),
        }
    }
}

/// The built-in catalogue with the user's files added.
pub fn catalog(models: &[PathBuf], tasks: &[PathBuf]) -> Result<Catalog, Failure> {
    let mut catalog = Catalog::builtin();
    let text = |path: &PathBuf| {
        std::fs::read_to_string(path)
            .map_err(|e| Failure::usage(format!("cannot read {}: {e}", path.display())))
    };
    for path in models {
        catalog
            .add_models_toml(&text(path)?, &path.display().to_string())
            .map_err(Failure::usage)?;
    }
    for path in tasks {
        catalog
            .add_tasks_toml(&text(path)?, &path.display().to_string())
            .map_err(Failure::usage)?;
    }
    Ok(catalog)
}

impl Inputs {
    /// These inputs, whole, with the built-in catalogue.
    pub fn of(inputs: Vec<String>) -> Self {
        Inputs {
            inputs,
            map: None,
            models: Vec::new(),
            tasks: Vec::new(),
            family: Vec::new(),
            task: Vec::new(),
            method: Vec::new(),
            metric: Vec::new(),
            shots: None,
            max_line_mib: 64,
            verbose: false,
        }
    }

    /// Reads everything, filtered; messages are in the import, not yet shown.
    pub fn read(&self) -> Result<Import, Failure> {
        let catalog = catalog(&self.models, &self.tasks)?;
        let map = match &self.map {
            None => None,
            Some(path) => Some(MapSpec::load(path).map_err(Failure::usage)?),
        };
        let families = globs(&self.family)?;
        let tasks = globs(&self.task)?;
        let methods = globs(&self.method)?;
        let metrics = globs(&self.metric)?;
        let (published, paths): (Vec<&String>, Vec<&String>) =
            self.inputs.iter().partition(|i| i.starts_with(PUBLISHED));

        let mut import = Import::default();
        for name in published {
            let loaded = upturn_store::published::load(&name[PUBLISHED.len()..], &catalog)
                .map_err(Failure::usage)?;
            import.measurements.extend(loaded.measurements);
            import.diagnostics.extend(loaded.diagnostics);
            import.n_rows += loaded.n_rows;
            import.n_files += 1;
        }
        if !paths.is_empty() {
            let paths: Vec<PathBuf> = paths.into_iter().map(|p| table_of(p.into())).collect();
            let bar = progress_bar();
            let progress = |done: usize, all: usize| {
                bar.set_length(all as u64);
                bar.set_position(done as u64);
            };
            let options = ReadOptions {
                map,
                line_limit_bytes: self.max_line_mib.saturating_mul(1 << 20),
                progress: Some(&progress),
                ..ReadOptions::default()
            };
            let read = read(&paths, &options, &catalog);
            bar.finish_and_clear();
            merge(&mut import, read);
        }
        let n_read = import.measurements.len();
        import.measurements.retain(|m| {
            families.as_ref().is_none_or(|g| g.is_match(&*m.family))
                && methods.as_ref().is_none_or(|g| g.is_match(&*m.method))
                && metrics.as_ref().is_none_or(|g| g.is_match(&*m.metric))
                && self.shots.is_none_or(|s| s.holds(m.shots))
                && matches_task(&tasks, m)
        });
        if n_read > 0 && import.measurements.is_empty() {
            self.show(&import.diagnostics);
            return Err(Failure::new(
                Exit::NoInput,
                format!(
                    "none of the {n_read} measurements read is kept by {}; names may hold * and ?, \
                     and their case does not count",
                    self.filters().join(" and ")
                ),
            ));
        }
        Ok(import)
    }

    /// The filters that are set, as they were written.
    fn filters(&self) -> Vec<String> {
        let globs = [
            ("--family", &self.family),
            ("--task", &self.task),
            ("--method", &self.method),
            ("--metric", &self.metric),
        ];
        let mut filters: Vec<String> = globs
            .into_iter()
            .filter(|(_, patterns)| !patterns.is_empty())
            .map(|(option, patterns)| format!("{option} {}", patterns.join(", ")))
            .collect();
        filters.extend(self.shots.map(|shots| format!("--shots {shots}")));
        filters
    }

    /// Shows messages on stderr: every error, the first warnings and notes.
    pub fn show(&self, diagnostics: &[Diagnostic]) {
        for (severity, word) in [
            (Severity::Error, "error"),
            (Severity::Warning, "warning"),
            (Severity::Note, "note"),
        ] {
            let all: Vec<_> = diagnostics
                .iter()
                .filter(|d| d.severity == severity)
                .collect();
            let shown = match severity {
                _ if self.verbose => all.len(),
                Severity::Error => SHOWN,
                Severity::Warning | Severity::Note => SHOWN / 4,
            };
            for diagnostic in all.iter().take(shown) {
                output::note(&format!("{word}: {diagnostic}"));
            }
            if all.len() > shown {
                output::note(&format!(
                    "{word}: {} more (--verbose shows all)",
                    all.len() - shown
                ));
            }
        }
    }
}

/// The exit code that the messages call for.
pub fn exit_for(diagnostics: &[Diagnostic]) -> Exit {
    if diagnostics.iter().any(|d| d.severity == Severity::Error) {
        Exit::Refused
    } else {
        Exit::Done
    }
}

/// Whether a measurement's task matches; `TASK/SUBSET` and `TASK` both count.
fn matches_task(globs: &Option<GlobSet>, m: &Measurement) -> bool {
    let Some(globs) = globs else { return true };
    globs.is_match(&*m.task)
        || m.subset
            .as_ref()
            .is_some_and(|s| globs.is_match(format!("{}/{s}", m.task)))
}

/// Globs as one set, matching without regard to case.
pub fn globs(patterns: &[String]) -> Result<Option<GlobSet>, Failure> {
    if patterns.is_empty() {
        return Ok(None);
    }
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let glob = globset::GlobBuilder::new(pattern)
            .case_insensitive(true)
            .build()
            .or_else(|_| Glob::new(&globset::escape(pattern)))
            .map_err(|e| Failure::usage(format!("'{pattern}' is not a pattern: {e}")))?;
        set.add(glob);
    }
    set.build().map(Some).map_err(Failure::usage)
}

/// The table of a folder that `upturn eval` wrote: what else lies there holds the same scores.
fn table_of(input: PathBuf) -> PathBuf {
    let table = input.join("measurements.parquet");
    match input.join("cells").is_dir() && table.is_file() {
        true => table,
        false => input,
    }
}

fn merge(into: &mut Import, from: Import) {
    into.measurements.extend(from.measurements);
    into.diagnostics.extend(from.diagnostics);
    into.n_files += from.n_files;
    into.n_files_refused += from.n_files_refused;
    into.n_rows += from.n_rows;
    for (format, count) in from.formats {
        *into.formats.entry(format).or_default() += count;
    }
}

fn progress_bar() -> indicatif::ProgressBar {
    if std::io::stderr().is_terminal() {
        indicatif::ProgressBar::new(0).with_message("reading")
    } else {
        indicatif::ProgressBar::hidden()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shots_are_a_number_or_a_range() {
        let holds = |text: &str, shots| Shots::parse(text).expect("valid").holds(Some(shots));
        assert!(holds("5", 5) && !holds("5", 4));
        assert!(holds("2..", 64) && !holds("2..", 1));
        assert!(holds("1..8", 8) && holds("..8", 0) && !holds("..8", 9));
        assert!(!Shots::parse("2..").expect("valid").holds(None));
        for wrong in ["", "x", "8..1", "-1", "1...2"] {
            assert!(Shots::parse(wrong).is_err(), "{wrong}");
        }
    }
}
