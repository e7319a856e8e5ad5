//! `upturn published`: the figures that are built in, with their sources.

use std::fmt::Write as _;

use crate::exit::{Exit, Failure, Outcome};
use crate::output;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show one collection with the sources of its rows
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    use upturn_store::published::{describe, names};
    let mut text = String::new();
    let shown = match &args.name {
        Some(name) => vec![name.trim_start_matches("published:")],
        None => names().to_vec(),
    };
    for name in shown {
        let Some(about) = describe(name) else {
            return Err(Failure::usage(format!(
                "no published figures named '{name}'; there are {}",
                names().join(", ")
            )));
        };
        let _infallible = writeln!(
            text,
            "published:{name:<9} {:>5} rows  {}",
            about.rows, about.what
        );
        if args.name.is_some() {
            for source in &about.sources {
                let _infallible = writeln!(text, "    {source}");
            }
        }
    }
    output::print(&text)?;
    Ok(Exit::Done)
}
