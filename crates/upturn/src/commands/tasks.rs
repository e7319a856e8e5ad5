//! `upturn tasks`: the benchmarks Upturn knows, and which task files run here.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::json;
use upturn_tasks::{Check, FileReport, Verdict};

use crate::exit::{Exit, Failure, Outcome};
use crate::inputs::{catalog, globs};
use crate::output;

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
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

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Say which lm-evaluation-harness task files can be run here, and what the others lack
    Check(CheckArgs),
    /// List the kinds of generated tasks, or show items of one
    Generated(crate::commands::generated::Args),
}

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
struct CheckArgs {
    /// Folders of task files
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// List every file
    #[arg(long)]
    all: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    /// Print a table of the folders right under DIR, in Markdown
    #[arg(long, conflicts_with_all = ["json", "all"])]
    markdown: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    match &args.command {
        Some(Command::Check(args)) => return check(args),
        Some(Command::Generated(args)) => return crate::commands::generated::run(args),
        None => {}
    }
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

/// The word for a verdict, and what there is to say about it.
fn said(verdict: &Verdict) -> (&'static str, String) {
    match verdict {
        Verdict::Runnable => ("runs", String::new()),
        Verdict::NeedsDatasetScript => (
            "needs_data",
            "its data set is made by a script; save it as Parquet or JSON".into(),
        ),
        Verdict::NeedsPort { functions } => ("needs_python", functions.join(", ")),
        Verdict::Group => ("group", String::new()),
        Verdict::Part => ("part", String::new()),
        Verdict::Refused(reason) => ("refused", reason.clone()),
    }
}

fn check(args: &CheckArgs) -> Outcome {
    let found = upturn_tasks::check(&args.folders).map_err(|e| Failure::new(Exit::NoInput, e))?;
    if found.files.is_empty() {
        return Err(Failure::new(
            Exit::NoInput,
            "no .yaml file in any of the folders",
        ));
    }
    let text = match (args.json, args.markdown) {
        (true, _) => check_json(&found, args.all),
        (false, true) => {
            let root = args.folders.first().map_or(Path::new(""), PathBuf::as_path);
            upturn_tasks::check_markdown(&found, root)
        }
        (false, false) => check_text(&found, args.all),
    };
    output::print(&text)?;
    // What a folder of tasks cannot do here is an answer; a file that is wrong is refused.
    Ok(match found.totals.refused {
        0 => Exit::Done,
        _ => Exit::Refused,
    })
}

/// Refused files always; the others where all are asked for.
fn listed(found: &Check, all: bool) -> impl Iterator<Item = &FileReport> {
    let is_refused = |f: &&FileReport| matches!(f.verdict, Verdict::Refused(_));
    found.files.iter().filter(move |f| all || is_refused(f))
}

fn check_text(found: &Check, all: bool) -> String {
    const N_SHOWN: usize = 20;
    let totals = &found.totals;
    let n_tasks =
        totals.runnable + totals.needs_dataset_script + totals.needs_port + totals.refused;
    let share = |n: usize| match n_tasks {
        0 => String::new(),
        _ => format!("{:5.1}% of tasks", 100.0 * n as f64 / n_tasks as f64),
    };
    let mut text = String::new();
    let mut line = |what: &str, n: usize, share: String| {
        let row = format!("{n:>7}  {what:<46} {share}");
        text.push_str(row.trim_end());
        text.push('\n');
    };
    line("files", totals.files, String::new());
    line("tasks that run", totals.runnable, share(totals.runnable));
    if totals.read + totals.ported > 0 {
        line(
            "  because their helpers are read",
            totals.read,
            share(totals.read),
        );
        line(
            "  because of a port of a helper",
            totals.ported,
            share(totals.ported),
        );
    }
    line(
        "tasks that need their data saved first",
        totals.needs_dataset_script,
        share(totals.needs_dataset_script),
    );
    line(
        "tasks that need Python that is not read",
        totals.needs_port,
        share(totals.needs_port),
    );
    line(
        "files that are refused",
        totals.refused,
        share(totals.refused),
    );
    line("groups", totals.groups, String::new());
    line("parts that others include", totals.parts, String::new());
    let templates = match totals.templates {
        0 => String::new(),
        n => format!(
            "{:5.1}% refused",
            100.0 * totals.templates_refused as f64 / n as f64
        ),
    };
    line("distinct templates", totals.templates, templates);
    let shown: Vec<&FileReport> = listed(found, all).collect();
    let limit = if all { usize::MAX } else { N_SHOWN };
    if !shown.is_empty() {
        text.push('\n');
    }
    for file in shown.iter().take(limit) {
        let (word, why) = said(&file.verdict);
        let row = match &file.verdict {
            // The reason names its own file, which may be an included one.
            Verdict::Refused(_) => format!("{word:<12}  {why}"),
            _ => format!("{word:<12}  {}  {why}", file.path.display()),
        };
        text.push_str(row.trim_end());
        text.push('\n');
    }
    if shown.len() > limit {
        let more = shown.len() - limit;
        let _infallible = writeln!(text, "… {more} more refused (--all lists every file)");
    }
    text
}

fn check_json(found: &Check, all: bool) -> String {
    let totals = &found.totals;
    let files: Vec<_> = listed(found, all)
        .map(|file| {
            let (verdict, why) = said(&file.verdict);
            json!({"file": file.path.display().to_string(), "verdict": verdict, "why": why})
        })
        .collect();
    let value = json!({
        "files": totals.files,
        "runs": totals.runnable,
        "runs_with_helpers_read": totals.read,
        "runs_with_a_port": totals.ported,
        "needs_data": totals.needs_dataset_script,
        "needs_python": totals.needs_port,
        "refused": totals.refused,
        "groups": totals.groups,
        "parts": totals.parts,
        "templates": totals.templates,
        "templates_refused": totals.templates_refused,
        "listed": files,
    });
    serde_json::to_string_pretty(&value).unwrap_or_default()
}
