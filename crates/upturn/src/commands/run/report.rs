//! The end of a study: all measurements, the analysis, the report.

use std::path::Path;

use upturn_study::Study;
use upturn_types::AnalysisConfig;

use super::families::Families;
use crate::commands::analyze;
use crate::exit::{Exit, Failure};
use crate::inputs::Inputs;
use crate::output::{self, Color};

/// Analyses everything, writes the files, and returns the summary.
pub fn write(
    study: &Study,
    families: &Families,
    out: &Path,
    json: bool,
) -> Result<String, Failure> {
    let mut inputs = tables(out);
    inputs.extend(families.results());
    if inputs.is_empty() {
        return Err(Failure::new(
            Exit::NoInput,
            "nothing was measured; the lines above say why",
        ));
    }
    let inputs = Inputs::of(inputs);
    let config = config(study)?;
    let (mut analysis, measurements) = analyze::analysis_of(&inputs, &config, true)?;
    analysis.provenance.inputs = vec![study.title.clone().unwrap_or_else(|| study.name.clone())];
    inputs.show(&analysis.diagnostics);
    analyze::output_files(out, &analysis, &measurements)?;
    if json {
        return serde_json::to_string(&analysis)
            .map_err(|e| Failure::new(Exit::Failed, format!("cannot write JSON: {e}")));
    }
    let options = output::text_options(Color::Auto, false, None);
    Ok(upturn_report::summary(&analysis, &options))
}

/// The tables of measurements below `eval/`, one per block.
fn tables(out: &Path) -> Vec<String> {
    let mut all: Vec<String> = std::fs::read_dir(out.join("eval"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.path().join("measurements.parquet"))
        .filter(|p| p.is_file())
        .map(|p| p.display().to_string())
        .collect();
    all.sort();
    all
}

fn config(study: &Study) -> Result<AnalysisConfig, Failure> {
    let mut config = AnalysisConfig {
        seed: study.seed,
        ..AnalysisConfig::default()
    };
    if let Some(axis) = &study.analysis.axis {
        config.axis = axis.parse().map_err(|_| {
            Failure::new(
                Exit::NoInput,
                format!("analysis: axis is '{axis}'; expected flops, params, tokens or loss"),
            )
        })?;
    }
    if let Some(draws) = study.analysis.draws {
        config.n_draws_max = draws;
    }
    Ok(config)
}
