//! Trains a ladder: `train_ladder LADDER.toml OUT`. Texts are files, one document each.
//!
//! `train_ladder --score FOLDER PAIRS.json` prints what the engine gives to continuations:
//! for each of `[[context, continuation], …]` its log-likelihood and whether it is greedy.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a program for the terminal, with a clock"
)]

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use upturn_engine::{Model, ModelOptions};
use upturn_ladder::{Documents, Event, Ladder, LadderError, Progress, Texts, Watch, train};
use upturn_types::{LanguageModel, LoglikelihoodRequest};

/// Files next to the ladder, by their names.
struct Files(PathBuf);

impl Texts for Files {
    fn open(&self, pattern: &str) -> Result<Box<dyn Documents>, String> {
        let path = self.0.join(pattern);
        let text = std::fs::read_to_string(&path)
            .map_err(|e| format!("{}: cannot be read ({e})", path.display()))?;
        Ok(Box::new(vec![text]))
    }
}

struct Clock(Instant);

impl Watch for Clock {
    fn progress(&self, p: &Progress<'_>) {
        if p.step == p.steps || p.step.is_multiple_of(p.steps.div_ceil(4)) {
            let secs = self.0.elapsed().as_secs_f64();
            let (member, loss) = (p.member, p.loss_nats);
            eprintln!("{secs:7.1} s  {member}  {}/{}  {loss:.4}", p.step, p.steps);
        }
    }

    fn event(&self, event: &Event<'_>) {
        if let Event::Finished { member, loss_nats } = event {
            eprintln!("{member}: held-out loss {loss_nats:.4}");
        }
    }

    fn clock_secs(&self) -> Option<f64> {
        Some(self.0.elapsed().as_secs_f64())
    }
}

fn go(file: &Path, out: &Path) -> Result<bool, LadderError> {
    let text = std::fs::read_to_string(file).map_err(|e| LadderError::File {
        path: file.to_owned(),
        message: format!("cannot be read ({e})"),
    })?;
    let folder = file.parent().unwrap_or(Path::new("")).to_owned();
    let plan = Ladder::parse(&text, file)?.plan(&Files(folder))?;
    for note in &plan.notes {
        eprintln!("note: {note}");
    }
    for m in &plan.members {
        println!(
            "{:32} {:>9} parameters {:>11} tokens {:>7} steps {:9.3e} FLOPs {:>5} MB",
            m.name,
            m.n_params,
            m.tokens,
            m.steps,
            m.flops,
            m.memory_bytes >> 20
        );
    }
    let clock = Clock(Instant::now());
    let report = train(&plan, out, &clock)?;
    let secs = clock.0.elapsed().as_secs_f64();
    println!("{:.3e} FLOPs in {secs:.1} s", plan.flops());
    for member in &report.members {
        println!("{}: {:?}", member.name, member.outcome);
    }
    Ok(report.is_complete())
}

fn score(folder: &Path, pairs: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let pairs: Vec<(String, String)> = serde_json::from_str(&std::fs::read_to_string(pairs)?)?;
    let requests: Vec<LoglikelihoodRequest> = pairs
        .into_iter()
        .map(|(context, continuation)| LoglikelihoodRequest {
            context: context.into(),
            continuation: continuation.into(),
        })
        .collect();
    let model = Model::load(folder, ModelOptions::default())?;
    let mut scores = vec![(0.0, false); requests.len()];
    model.loglikelihood(&requests, &mut |i, r| {
        scores[i] = (r.logprob, r.is_greedy);
        ControlFlow::Continue(())
    })?;
    println!("{}", serde_json::to_string(&scores)?);
    Ok(())
}

fn main() -> ExitCode {
    let args: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let (file, out) = match &args[..] {
        [flag, folder, pairs] if flag.as_os_str() == "--score" => {
            return match score(folder, pairs) {
                Ok(()) => ExitCode::SUCCESS,
                Err(e) => {
                    eprintln!("{e}");
                    ExitCode::FAILURE
                }
            };
        }
        [file, out] => (file, out),
        _ => {
            eprintln!("usage: train_ladder LADDER.toml OUT | --score FOLDER PAIRS.json");
            return ExitCode::from(2);
        }
    };
    match go(file, out) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}
