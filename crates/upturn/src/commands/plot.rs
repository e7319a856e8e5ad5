//! `upturn plot`: chosen curves as a figure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use upturn_report::FigureOptions;
use upturn_types::{Analysis, Verdict, View};

use crate::commands::analyze::{Choices, analysis_of};
use crate::exit::{Exit, Failure, Outcome};
use crate::inputs::{Inputs, exit_for};
use crate::output;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub inputs: Inputs,
    #[command(flatten)]
    pub choices: Choices,
    /// Figure to write: FILE.svg or FILE.png
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Draw training trajectories too
    #[arg(long)]
    pub training: bool,
    /// Panels per row
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=12))]
    pub columns: Option<u16>,
    /// Width in pixels
    #[arg(long, value_name = "PX", value_parser = clap::value_parser!(u32).range(200..=8000))]
    pub width: Option<u32>,
    /// Panels, at most
    #[arg(long, value_name = "N", default_value_t = 24)]
    pub limit: usize,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let config = args.choices.config()?;
    let (analysis, _) = analysis_of(&args.inputs, &config, false)?;
    args.inputs.show(&analysis.diagnostics);
    let chosen: Vec<&Verdict> = analysis
        .verdicts
        .iter()
        .filter(|v| args.training || v.view == View::Across)
        .filter(|v| v.n_models > 1)
        .take(args.limit)
        .collect();
    if chosen.is_empty() {
        return Err(Failure::usage(
            "no curve of two or more models to draw; `upturn analyze` on the same input lists what there is",
        ));
    }
    let options = FigureOptions {
        axis: config.axis,
        columns: args
            .columns
            .map_or(FigureOptions::default().columns, usize::from),
        width_px: args.width.unwrap_or(FigureOptions::default().width_px),
        ..FigureOptions::default()
    };
    let bytes = match args.out.extension().and_then(|e| e.to_str()) {
        Some("svg") => {
            upturn_report::figure_svg(&analysis, &chosen, &options).map(String::into_bytes)
        }
        Some("png") => upturn_report::figure_png(&analysis, &chosen, &options),
        _ => {
            return Err(Failure::usage(format!(
                "cannot tell the format of {}; expected a name ending in .svg or .png",
                args.out.display()
            )));
        }
    };
    let bytes = bytes.map_err(|e| Failure::new(Exit::Failed, e))?;
    upturn_store::write_bytes(&args.out, &bytes)?;
    output::note(&format!(
        "{} curves drawn to {}",
        chosen.len(),
        args.out.display()
    ));
    Ok(exit_for(&analysis.diagnostics))
}

/// Panels in one file of the `figures` folder.
const PANELS_MAX: usize = 24;

/// Writes one figure per task of an analysis, across models.
pub fn figures(dir: &Path, analysis: &Analysis) -> Result<(), Failure> {
    let mut by_task: BTreeMap<String, Vec<&Verdict>> = BTreeMap::new();
    for verdict in &analysis.verdicts {
        if verdict.view == View::Across && verdict.n_models > 1 {
            by_task
                .entry(verdict.key.task_name())
                .or_default()
                .push(verdict);
        }
    }
    let mut taken = BTreeSet::new();
    for (task, verdicts) in by_task {
        let shown = &verdicts[..verdicts.len().min(PANELS_MAX)];
        let options = FigureOptions {
            axis: analysis.config.axis,
            ..FigureOptions::default()
        };
        let svg = upturn_report::figure_svg(analysis, shown, &options)
            .map_err(|e| Failure::new(Exit::Failed, e))?;
        let path = dir.join(format!("{}.svg", free_name(&task, &mut taken)));
        upturn_store::write_bytes(&path, svg.as_bytes())?;
    }
    Ok(())
}

/// A file name for a task that no other task has, not even in another case: some file
/// systems take `A.svg` and `a.svg` for one.
fn free_name(task: &str, taken: &mut BTreeSet<String>) -> String {
    let name = file_name(task);
    let mut free = name.clone();
    let mut n = 1u32;
    while !taken.insert(free.to_ascii_lowercase()) {
        n += 1;
        free = format!("{name}-{n}");
    }
    free
}

/// A file name for a task: letters, digits, `-`, `_`, `.`, and `+` stay.
fn file_name(task: &str) -> String {
    let name: String = task
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "-_+.".contains(c) {
                c
            } else {
                '_'
            }
        })
        .take(80)
        .collect();
    let name = name.trim_matches('.').to_owned();
    if name.is_empty() {
        "task".to_owned()
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_task_names_stay_inside_the_folder() {
        for task in ["../../etc/passwd", "..", "a/b\\c", "", "名前", "x\0y"] {
            let name = file_name(task);
            assert!(
                !name.is_empty() && !name.contains(['/', '\\', '\0']) && name != "..",
                "{name}"
            );
        }
        assert_eq!(file_name("3D+"), "3D+");
    }

    #[test]
    fn tasks_never_share_a_figure() {
        let mut taken = BTreeSet::new();
        let names =
            ["a/b", "a b", "A b", "数学", "语文", "a_b-2"].map(|t| free_name(t, &mut taken));
        assert_eq!(names, ["a_b", "a_b-2", "A_b-3", "__", "__-2", "a_b-2-2"]);
    }
}
