//! `upturn run`: a study from its file to its report, from where the last run stopped.

mod cells;
mod evaluate;
mod families;
mod lockfile;
mod report;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use upturn_study::{Shard, Study};

use self::cells::Cells;
use self::evaluate::Evaluation;
use self::families::Families;
use super::eval::Stop;
use super::train::{self, Board};
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::stages::{Stages, duration};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The study: families, tasks, methods
    #[arg(value_name = "STUDY.toml")]
    study: PathBuf,
    /// Folder of the study's results (by default out/NAME); what is finished there is kept
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Only plan: models, cells, tokens, time; nothing is written
    #[arg(long)]
    dry_run: bool,
    /// Do one share of the work, such as 2/8; run without it when all are done
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// Fail where anything differs from study.lock
    #[arg(long)]
    locked: bool,
    /// Remove models that another version of the study has left, and train them anew
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
    let text = std::fs::read_to_string(&args.study).map_err(|e| {
        let path = args.study.display();
        Failure::new(Exit::NoInput, format!("{path}: cannot be read ({e})"))
    })?;
    let refused = |e: upturn_study::StudyError| Failure::new(Exit::NoInput, e);
    let study = Study::parse(&text, &args.study).map_err(refused)?;
    let out = match &args.out {
        Some(out) => out.clone(),
        None => Path::new("out").join(&study.name),
    };
    let mut families = Families::plan(&study, &text, &args.study, &out)?;
    for line in families.notes() {
        output::note(&format!("note: {line}"));
    }
    let cells = Cells::plan(&study, &families)?;
    for line in &cells.notes {
        output::note(&format!("note: {line}"));
    }
    if args.dry_run {
        return dry_run(args, &study, &families, &cells, &out);
    }
    std::fs::create_dir_all(&out).map_err(|e| Failure::write(&out, e))?;
    if args.shard.is_none() {
        remove_unfinished(&out);
    }
    let before = lockfile::read(&out)?;
    let mut lock = lockfile::of_plan(&study, &text, &families);
    lockfile::check(&before, &lock, args.locked)?;
    upturn_store::write_bytes(&out.join("study.toml"), text.as_bytes())?;

    let stop = Stop::install();
    let mut faults = Vec::new();
    if let Some(shard) = args.shard {
        families.keep(shard);
    }
    let stages = Arc::new(Stages::new(stages_of(&families, &cells)?));
    for (i, plan) in families.ladders().enumerate() {
        stages.begin(i);
        let board = Board::new(plan, &stages, &stop);
        let options = upturn_ladder::Options {
            replace: args.replace,
        };
        let report = train::train(plan, &out.join("models"), &board, options);
        if !report.as_ref().is_ok_and(|r| !r.stopped) {
            stages.end();
        }
        let report = report?;
        faults.extend(train::faults(&report));
        if report.stopped {
            stop.explain(None);
            return Ok(Exit::Interrupted);
        }
    }
    stages.begin(families.ladders().count());
    let evaluation = Evaluation {
        stages: &stages,
        cells: &cells,
        out: &out,
        shard: args.shard,
        stop: &stop,
    };
    let done = evaluation.run();
    if args.shard.is_some() || !done.as_ref().is_ok_and(|d| !d.stopped) {
        stages.end();
    }
    let done = done?;
    if done.stopped {
        stop.explain(None);
        return Ok(Exit::Interrupted);
    }
    faults.extend(done.faults);
    for line in &faults {
        stages.line(&format!("error: {line}"));
    }
    write_faults(&out, &faults)?;
    if let Some(shard) = args.shard {
        output::note(&format!(
            "share {shard} is done; when all shares are, run again without --shard for the report"
        ));
        return Ok(exit_of(&faults));
    }
    lockfile::add_cells(&mut lock, &out)?;
    lockfile::check(&before, &lock, args.locked)?;
    lockfile::write(&out, &lock)?;
    stages.begin(families.ladders().count() + 1);
    stages.tell(0.0, "curves, tests, figures");
    let text = report::write(&study, &families, &out, args.json);
    stages.end();
    let text = text?;
    output::print(&text)?;
    output::note(&format!(
        "written to {}; open {}",
        out.display(),
        out.join("report.html").display()
    ));
    Ok(exit_of(&faults))
}

/// The stages of a run with the seconds that each should take: training by a few steps of the
/// largest member, evaluation by its tokens at the same speed, analysis by its curves.
fn stages_of(
    families: &Families,
    cells: &Cells,
) -> Result<Vec<(&'static str, Option<f64>)>, Failure> {
    let mut stages = Vec::new();
    let mut rate = None;
    for plan in families.ladders() {
        let measured = train::rate(plan)?;
        rate = Some(measured);
        stages.push(("training", Some(plan.estimate_secs(measured))));
    }
    stages.push(("evaluation", cells.estimate_secs(rate)));
    stages.push(("analysis", Some(cells.estimate_analysis_secs())));
    Ok(stages)
}

/// Removes what a killed run left half written at the top of the study's folder.
fn remove_unfinished(out: &Path) {
    for folder in [out.to_path_buf(), out.join("figures")] {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(".upturn-") {
                // One that stays is only untidy.
                let _stays = std::fs::remove_file(entry.path());
            }
        }
    }
}

fn exit_of(faults: &[String]) -> Exit {
    match faults.is_empty() {
        true => Exit::Done,
        false => Exit::Refused,
    }
}

/// What failed, one line each; no file where nothing did.
fn write_faults(out: &Path, faults: &[String]) -> Result<(), Failure> {
    let path = out.join("failed.txt");
    if faults.is_empty() {
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(Failure::write(&path, e));
            }
            _ => return Ok(()),
        }
    }
    let text = faults.join("\n") + "\n";
    upturn_store::write_bytes(&path, text.as_bytes())?;
    Ok(())
}

fn dry_run(args: &Args, study: &Study, families: &Families, cells: &Cells, out: &Path) -> Outcome {
    let mut plans = Vec::new();
    let mut text = String::new();
    let mut last_rate = None;
    let mut secs = Some(0.0);
    for plan in families.ladders() {
        let rate = train::rate(plan)?;
        last_rate = Some(rate);
        secs = secs.map(|s| s + plan.estimate_secs(rate));
        plans.push(train::plan_json(plan, rate));
        text.push_str(&train::plan_table(plan, rate));
        text.push('\n');
    }
    let evaluation = cells.estimate_secs(last_rate);
    let analysis = cells.estimate_analysis_secs();
    let whole = secs.zip(evaluation).map(|(t, e)| t + e + analysis);
    if args.json {
        let json = json!({
            "study": study.name, "out": out, "ladders": plans, "evaluation": cells.json(),
            "seconds": {
                "training": secs, "evaluation": evaluation, "analysis": analysis, "all": whole,
            },
        });
        output::print(&json.to_string())?;
        return Ok(Exit::Done);
    }
    text.push_str(&cells.table());
    match (evaluation, whole) {
        (Some(evaluation), Some(whole)) => text.push_str(&format!(
            "evaluation takes about {}, analysis {}; about {} in all\n",
            duration(evaluation),
            duration(analysis),
            duration(whole)
        )),
        _ => text.push_str(
            "how long the evaluation takes is not known beforehand for models from elsewhere\n",
        ),
    }
    text.push_str(&format!("results go to {}\n", out.display()));
    output::print(&text)?;
    Ok(Exit::Done)
}
