//! `upturn import`: results of any known format to one table of measurements.

use std::path::PathBuf;

use crate::exit::{Exit, Failure, Outcome};
use crate::inputs::{Inputs, exit_for};
use crate::output;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub inputs: Inputs,
    /// Table to write: FILE.parquet or FILE.csv
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    use upturn_store::{canonical_csv, parquet};
    let import = args.inputs.read()?;
    args.inputs.show(&import.diagnostics);
    if import.measurements.is_empty() {
        return Err(Failure::new(
            Exit::NoInput,
            "nothing to import; nothing was written",
        ));
    }
    let extension = args
        .out
        .extension()
        .and_then(|e| e.to_str())
        .unwrap_or_default();
    let written = match extension {
        "parquet" => parquet::write_measurements(&args.out, &import.measurements),
        "csv" => canonical_csv::write_measurements(&args.out, &import.measurements),
        _ => {
            return Err(Failure::usage(format!(
                "cannot tell the format of {}; expected a name ending in .parquet or .csv",
                args.out.display()
            )));
        }
    };
    written?;
    output::note(&format!(
        "{} measurements of {} files written to {}",
        import.measurements.len(),
        import.n_files,
        args.out.display()
    ));
    Ok(exit_for(&import.diagnostics))
}
