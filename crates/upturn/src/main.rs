//! The command line: it parses arguments, calls the other crates and prints.

mod commands;
mod datasets;
mod exit;
mod inputs;
mod items;
mod output;
mod stages;
mod texts;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// Find where abilities appear as language models grow, and whether the jump is real.
#[derive(Debug, Parser)]
#[command(name = "upturn", version = upturn::VERSION, max_term_width = 100, after_help = exit::HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a study: train or load families, evaluate what is missing, analyse, report
    Run(commands::run::Args),
    /// Give verdicts on results that exist: which abilities emerge, where, how sure that is
    Analyze(commands::analyze::Args),
    /// Evaluate models on tasks in lm-evaluation-harness form, from where the last run stopped
    Eval(Box<commands::eval::Args>),
    /// Put the same prompt to a ladder of models, side by side
    Compare(Box<commands::compare::Args>),
    /// Serve a model over HTTP as OpenAI's completions, with log-probabilities of prompts
    #[cfg(feature = "server")]
    ServeModel(commands::serve_model::Args),
    /// Train a ladder: a family of language models at rising scale, from nothing
    Train(commands::train::Args),
    /// Predict larger models from smaller ones, with intervals, and test such predictions
    Forecast(Box<commands::forecast::Args>),
    /// Convert results of any known format to one table of measurements
    Import(commands::import::Args),
    /// Say how many items an answer costs, before they are spent
    Plan(commands::plan::Args),
    /// Draw chosen curves as an SVG or PNG figure
    Plot(commands::plot::Args),
    /// Make the report again from a saved analysis
    Report(commands::report::Args),
    /// List the models Upturn knows, or explain one
    Models(commands::models::Args),
    /// List the benchmarks Upturn knows: chance, options, size of the test set
    Tasks(commands::tasks::Args),
    /// List the published figures that are built in
    Published(commands::published::Args),
    /// Show what this machine offers: CPU features, threads, memory, folders
    Doctor(commands::doctor::Args),
    /// Print shell completions
    Completions(commands::completions::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(args) => commands::run::run(&args),
        Command::Analyze(args) => commands::analyze::run(&args),
        Command::Eval(args) => commands::eval::run(&args),
        Command::Compare(args) => commands::compare::run(&args),
        #[cfg(feature = "server")]
        Command::ServeModel(args) => commands::serve_model::run(&args),
        Command::Train(args) => commands::train::run(&args),
        Command::Forecast(args) => commands::forecast::run(&args),
        Command::Import(args) => commands::import::run(&args),
        Command::Plan(args) => commands::plan::run(&args),
        Command::Plot(args) => commands::plot::run(&args),
        Command::Report(args) => commands::report::run(&args),
        Command::Models(args) => commands::models::run(&args),
        Command::Tasks(args) => commands::tasks::run(&args),
        Command::Published(args) => commands::published::run(&args),
        Command::Doctor(args) => commands::doctor::run(&args),
        Command::Completions(args) => commands::completions::run(&args, &mut Cli::command()),
    };
    match result {
        Ok(exit) => exit.code(),
        Err(failure) => {
            output::note(&format!("error: {}", failure.message));
            failure.exit.code()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
        assert_eq!(Exit::Refused as u8, 4);
    }
}
