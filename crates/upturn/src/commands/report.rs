//! `upturn report`: the report again, from a saved analysis.

use std::path::PathBuf;

use crate::exit::{Exit, Failure, Outcome};
use crate::output;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// analysis.json, or the folder that holds it
    #[arg(value_name = "ANALYSIS")]
    pub analysis: PathBuf,
    /// Page to write; report.html beside the analysis by default
    #[arg(long, value_name = "FILE.html")]
    pub out: Option<PathBuf>,
    /// Title of the page
    #[arg(long)]
    pub title: Option<String>,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let path = if args.analysis.is_dir() {
        args.analysis.join("analysis.json")
    } else {
        args.analysis.clone()
    };
    let analysis =
        upturn_store::analysis_json::read(&path).map_err(|e| Failure::new(Exit::NoInput, e))?;
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| path.with_file_name("report.html"));
    let mut options = upturn_report::HtmlOptions::default();
    if let Some(title) = &args.title {
        options.title.clone_from(title);
    }
    let html = upturn_report::html(&analysis, &options);
    upturn_store::write_bytes(&out, html.as_bytes())?;
    output::note(&format!("written to {}", out.display()));
    Ok(Exit::Done)
}
