//! `upturn train`: a ladder from nothing to model folders.

mod board;
mod table;

use std::path::{Path, PathBuf};

use serde_json::json;
use upturn_ladder::{Ladder, LadderError, MemberReport, Options, Outcome as End, Plan, Report};

pub use self::board::Board;
pub use self::table::{plan_json, plan_table};
use super::eval::{Stop, now};
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::stages::Stages;
use crate::texts::FileTexts;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The ladder: sizes, tokens, training, data
    #[arg(value_name = "LADDER.toml")]
    ladder: PathBuf,
    /// Folder for the models; what is finished there is kept, what is not goes on
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Only plan: sizes, tokens, FLOPs, memory and time; nothing is written
    #[arg(long)]
    dry_run: bool,
    /// Remove members that another plan has left in DIR, and train them anew
    #[arg(long)]
    replace: bool,
    /// Threads (by default one per core); changes no result
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Print the plan or the outcome as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    if let Some(threads) = args.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(usize::from(threads))
            .build_global()
            .map_err(|e| Failure::new(Exit::Failed, format!("cannot start threads: {e}")))?;
    }
    let text = std::fs::read_to_string(&args.ladder).map_err(|e| {
        Failure::new(
            Exit::NoInput,
            format!("{}: cannot be read ({e})", args.ladder.display()),
        )
    })?;
    let ladder = Ladder::parse(&text, &args.ladder).map_err(refused)?;
    let texts = FileTexts {
        base: args.ladder.parent().unwrap_or(Path::new("")).to_path_buf(),
    };
    let plan = ladder.plan(&texts).map_err(refused)?;
    for line in &plan.notes {
        output::note(&format!("note: {line}"));
    }
    let rate = rate(&plan)?;
    if args.dry_run {
        let text = match args.json {
            true => plan_json(&plan, rate).to_string(),
            false => plan_table(&plan, rate),
        };
        output::print(&text)?;
        return Ok(Exit::Done);
    }
    output::note(&plan_table(&plan, rate));
    let stop = Stop::install();
    let stages = Stages::new(vec![("training", None)]);
    let board = Board::new(&plan, &stages, &stop);
    let options = Options {
        replace: args.replace,
    };
    let report = train(&plan, &args.out, &board, options);
    stages.end();
    let report = report?;
    if args.json {
        output::print(&json!({"members": members_json(&report)}).to_string())?;
    } else {
        output::print(&table::outcome_table(&plan, &report))?;
    }
    Ok(exit(&report, &stop))
}

/// The code to leave with: stopped, some failed, all done.
fn exit(report: &Report, stop: &Stop) -> Exit {
    if report.stopped {
        stop.explain(None);
        return Exit::Interrupted;
    }
    match report.is_complete() {
        true => Exit::Done,
        false => Exit::Refused,
    }
}

/// Trains what is missing; the failure is one that stops everything.
pub fn train(
    plan: &Plan,
    out: &Path,
    board: &Board<'_>,
    options: Options,
) -> Result<Report, Failure> {
    upturn_ladder::train_with(plan, out, &options, board).map_err(|e| match e {
        LadderError::Config { .. } => refused(e),
        e => Failure::new(Exit::Failed, e),
    })
}

/// FLOPs a second of all threads, from a few steps of the member that takes most; the time
/// of one step more or less leaves out what making a trainer takes.
pub fn rate(plan: &Plan) -> Result<f64, Failure> {
    let largest = plan
        .members
        .iter()
        .max_by(|a, b| a.flops.total_cmp(&b.flops));
    let Some(member) = largest else {
        return Ok(1.0);
    };
    let timed = |steps: u64| {
        let begin = now();
        let flops = plan.rehearse(member, steps).map_err(refused)?;
        Ok::<_, Failure>((flops, begin.elapsed().as_secs_f64()))
    };
    let short = timed(2)?;
    let long = timed(8)?;
    let secs = long.1 - short.1;
    match secs > 0.0 {
        true => Ok((long.0 - short.0) / secs),
        false => Ok(long.0 / long.1.max(1e-6)),
    }
}

/// A ladder that cannot be planned.
pub fn refused(error: LadderError) -> Failure {
    Failure::new(Exit::NoInput, error)
}

/// What failed, a line each.
pub fn faults(report: &Report) -> Vec<String> {
    let one = |m: &MemberReport| match &m.outcome {
        End::Failed { reason } => Some(format!("training {}: {reason}", m.name)),
        End::Skipped { reason } => Some(format!("training {} is left out: {reason}", m.name)),
        _ => None,
    };
    report.members.iter().filter_map(one).collect()
}

/// How members ended, for machines.
pub fn members_json(report: &Report) -> Vec<serde_json::Value> {
    let one = |m: &MemberReport| match &m.outcome {
        End::Finished {
            kept,
            loss_nats,
            tokens,
            flops,
        } => json!({
            "member": m.name, "outcome": "finished", "kept": kept, "loss_nats": loss_nats,
            "tokens": tokens, "flops": flops,
        }),
        End::Stopped { step } => json!({"member": m.name, "outcome": "stopped", "step": step}),
        End::Waiting => json!({"member": m.name, "outcome": "waiting"}),
        End::Failed { reason } => {
            json!({"member": m.name, "outcome": "failed", "reason": reason})
        }
        End::Skipped { reason } => {
            json!({"member": m.name, "outcome": "skipped", "reason": reason})
        }
    };
    report.members.iter().map(one).collect()
}
