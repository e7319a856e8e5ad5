//! `upturn tasks`: the benchmarks Upturn knows, with chance, options, size and source.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::exit::{Exit, Failure, Outcome};
use crate::inputs::{catalog, globs};
use crate::output;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show one task, or those that match a glob such as 'mmlu_*'
    #[arg(value_name = "TASK")]
    pub name: Option<String>,
    /// Tasks to add to the catalogue
    #[arg(long, value_name = "FILE.toml")]
    pub tasks: Vec<PathBuf>,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let catalog = catalog(&[], &args.tasks)?;
    let wanted = globs(args.name.as_slice())?;
    let is_glob = |name: &String| name.contains(['*', '?', '[', '{']);
    let shown: Vec<_> = match args.name.as_ref().filter(|name| !is_glob(name)) {
        Some(name) => match catalog.find_task(name) {
            Some(task) => vec![task],
            None => {
                let near = catalog.suggest_tasks(name);
                let hint = if near.is_empty() {
                    "; add it with --tasks FILE.toml".to_owned()
                } else {
                    format!("; did you mean {}?", near.join(", "))
                };
                return Err(Failure::usage(format!(
                    "no task named '{name}' is known{hint}"
                )));
            }
        },
        None => catalog
            .tasks()
            .iter()
            .filter(|t| wanted.as_ref().is_none_or(|g| g.is_match(&*t.name)))
            .collect(),
    };
    if shown.is_empty() {
        return Err(Failure::usage("no task matches; `upturn tasks` lists all"));
    }
    if args.json {
        output::print(&serde_json::to_string_pretty(&shown).unwrap_or_default())?;
        return Ok(Exit::Done);
    }
    let mut text = String::new();
    for task in shown {
        let chance = task
            .chance
            .map_or("unknown".to_owned(), |c| format!("{c:.4}"));
        let sizes: Vec<String> = task
            .n
            .iter()
            .map(|(split, n)| format!("{split} {n}"))
            .collect();
        let _infallible = writeln!(
            text,
            "{:<44} chance {chance:<8} {:<44} {}",
            task.name,
            sizes.join(", "),
            task.source
        );
    }
    output::print(&text)?;
    Ok(Exit::Done)
}
