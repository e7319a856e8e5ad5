//! `upturn forecast score`: a saved forecast against what was observed since.

use upturn_analysis::backtests::{ALL_FAMILIES, score, subjects};
use upturn_types::{AnalysisConfig, Axis, ForecastScore};

use super::args::ScoreArgs;
use super::saved;
use crate::exit::{Exit, Failure, Outcome};
use crate::inputs::{Inputs, exit_for};
use crate::output;

/// Runs the command.
pub fn run(args: &ScoreArgs) -> Outcome {
    let saved = saved::read(&args.file)?;
    let inputs = Inputs {
        map: args.map.clone(),
        ..Inputs::of(args.inputs.clone())
    };
    let mut import = inputs.read()?;
    let config = AnalysisConfig {
        axis: saved.forecasts.first().map_or(Axis::Flops, |f| f.axis),
        ..AnalysisConfig::default()
    };
    let grouped = upturn_analysis::curves_of(std::mem::take(&mut import.measurements), &config);
    import.diagnostics.extend(grouped.diagnostics);
    inputs.show(&import.diagnostics);
    let single = subjects(&grouped.curves, &config, false);
    let pooled = subjects(&grouped.curves, &config, true);
    let mut scores: Vec<ForecastScore> = Vec::new();
    let mut missing = 0;
    for forecast in &saved.forecasts {
        let among = if &*forecast.key.family == ALL_FAMILIES {
            &pooled
        } else {
            &single
        };
        match score(forecast, among, config.alpha) {
            Some(score) => scores.push(score),
            None => missing += 1,
        }
    }
    if scores.is_empty() {
        return Err(Failure::new(
            Exit::NoInput,
            format!(
                "none of the {} curves of the forecast is in {}; a curve is the same where family, \
                 task, method, shots, metric and source are",
                saved.forecasts.len(),
                args.inputs.join(", ")
            ),
        ));
    }
    if missing > 0 {
        output::note(&format!(
            "note: {missing} curves of the forecast are not in the input"
        ));
    }
    if args.json {
        let json = serde_json::to_string(&scores)
            .map_err(|e| Failure::new(Exit::Failed, format!("cannot write JSON: {e}")))?;
        output::print(&json)?;
    } else {
        output::print(&format!(
            "Forecast of {}, made by {} from {} files; unchanged since.",
            saved.date,
            saved.version,
            saved.inputs.len()
        ))?;
        let options = output::text_options(args.color, false, None);
        for score in &scores {
            output::print("")?;
            output::print(&upturn_report::forecast::forecast_score(score, &options))?;
        }
    }
    Ok(exit_for(&import.diagnostics))
}
