//! `upturn models`: the models Upturn knows, and how their scale is known.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::exit::{Exit, Failure, Outcome};
use crate::inputs::{catalog, globs};
use crate::output;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Explain one model, named as people write it (also "pretrained=…,revision=…")
    #[arg(value_name = "MODEL")]
    pub name: Option<String>,
    /// Keep only families that match (a glob)
    #[arg(long, value_name = "GLOB")]
    pub family: Vec<String>,
    /// Models to add to the catalogue
    #[arg(long, value_name = "FILE.toml")]
    pub models: Vec<PathBuf>,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let catalog = catalog(&args.models, &[])?;
    let families = globs(&args.family)?;
    if let Some(name) = &args.name {
        let parsed = upturn_catalog::parse_model_args(name);
        let (name, revision) = match &parsed.pretrained {
            Some(pretrained) => (pretrained.as_str(), parsed.revision.as_deref()),
            None => match name.split_once('@') {
                Some((name, revision)) => (name, Some(revision)),
                None => (name.as_str(), None),
            },
        };
        let Some(found) = catalog.find_model(name, revision) else {
            let near = catalog.suggest_models(name);
            let hint = if near.is_empty() {
                String::new()
            } else {
                format!("; did you mean {}?", near.join(", "))
            };
            return Err(Failure::usage(format!(
                "no model named '{name}' is known{hint}"
            )));
        };
        if args.json {
            output::print(&serde_json::to_string_pretty(found.entry).unwrap_or_default())?;
        } else {
            let mut text = upturn_catalog::explain(found.entry).trim_end().to_owned();
            text.push('\n');
            if let Some(step) = found.step {
                let count = |v: Option<f64>| v.map_or("unknown".to_owned(), |v| format!("{v:.4e}"));
                let _infallible = writeln!(
                    text,
                    "checkpoint: step {step}: {} tokens, {} FLOPs (6ND)",
                    count(found.scale.tokens),
                    count(found.scale.flops)
                );
            }
            output::print(&text)?;
        }
        return Ok(Exit::Done);
    }
    let shown: Vec<_> = catalog
        .models()
        .iter()
        .filter(|m| families.as_ref().is_none_or(|g| g.is_match(&*m.family)))
        .collect();
    if shown.is_empty() {
        return Err(Failure::usage(format!(
            "no family matches {}; upturn models lists all",
            args.family.join(", ")
        )));
    }
    if args.json {
        output::print(&serde_json::to_string_pretty(&shown).unwrap_or_default())?;
        return Ok(Exit::Done);
    }
    let mut text = String::from(
        "N parameters, D training tokens, C training FLOPs (* computed as 6ND); \
         `upturn models NAME` explains one model\n\n",
    );
    for family in catalog.families() {
        if families.as_ref().is_some_and(|g| !g.is_match(family.name)) {
            continue;
        }
        let _infallible = writeln!(text, "{}", family.name);
        for member in &family.members {
            let _infallible = writeln!(text, "  {}", line(member));
        }
    }
    output::print(&text)?;
    Ok(Exit::Done)
}

/// One model as a line: N, D, C (`*` marks a derived one), flags, source.
fn line(entry: &upturn_catalog::ModelEntry) -> String {
    let count = |v: Option<f64>| v.map_or("-".to_owned(), |v| format!("{v:.2e}"));
    let derived = if entry.flops_kind == Some(upturn_types::Known::Derived) {
        "*"
    } else {
        ""
    };
    let flags: Vec<&str> = entry.flags.iter().map(|f| &**f).collect();
    format!(
        "{:<40} N {:>8}  D {:>8}  C {:>9}  {:<18} {}",
        entry.name,
        count(entry.params),
        count(entry.tokens),
        format!("{}{derived}", count(entry.flops)),
        flags.join(" "),
        entry.source
    )
}
