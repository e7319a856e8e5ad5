//! `upturn compare`: the same prompt down a ladder of models, side by side.

mod args;
mod ask;
mod csv;
mod document;
mod ladder;
mod models;
mod prompts;
mod shown;
mod table;

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};
use upturn_engine::Model;
use upturn_engine::error::ModelError;
use upturn_types::LanguageModel;

pub use self::args::Args;
use self::ask::{Asked, Question};
use self::ladder::{Ladder, Rung};
use super::eval::Stop;
use super::eval::memory;
use super::eval::messages::{Gathered, Refusals, listed, warn};
use super::eval::models::{Found, Told, TrainTokens, identity, shared_family};
use crate::exit::{Exit, Failure, Outcome};
use crate::inputs;
use crate::output;

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    if let Some(threads) = args.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(usize::from(threads))
            .build_global()
            .map_err(|e| Failure::new(Exit::Failed, format!("cannot start threads: {e}")))?;
    }
    let question = Question::new(args, prompts::read(args)?)?;
    let mut refused = Refusals::default();
    let found = models::find(args, &mut refused)?;
    if let Some(name) = TrainTokens::without_model(&args.train_tokens, &found)
        && refused.in_order.is_empty()
    {
        let names: Vec<String> = found.iter().map(|m| m.label.clone()).collect();
        return Err(Failure::usage(format!(
            "--train-tokens names the model '{name}', which is not compared; there are {}",
            listed(&names)
        )));
    }
    let stop = Stop::install();
    let rungs = climb(args, &question, &found, &stop, &mut refused)?;
    let ladder = Ladder::new(rungs, args.order);
    finish(args, &question, &ladder, &stop, &refused)
}

/// Asks every model, one after another; what cannot be loaded is refused by its own line.
fn climb(
    args: &Args,
    question: &Question,
    found: &[Found],
    stop: &Stop,
    refused: &mut Refusals,
) -> Result<Vec<Rung>, Failure> {
    let catalog = inputs::catalog(&[], &[])?;
    let shared = shared_family(found);
    let kv_bytes = memory::default_kv_bytes();
    let mut rungs = Vec::new();
    let bar = bar(found.len());
    for (index, model) in found.iter().enumerate() {
        bar.set_position(index as u64);
        bar.set_message(shown::plain(&model.label, 40, true));
        if stop.is_asked() {
            break;
        }
        let loaded = match Model::load(&model.dir, args.model_options(&model.label, kv_bytes)) {
            Ok(loaded) => loaded,
            Err(e) => {
                refused.add(match e {
                    // Says the file itself.
                    ModelError::File { .. } => e.to_string(),
                    e => format!("{}: {e}", model.dir.display()),
                });
                continue;
            }
        };
        let told = Told {
            family: None,
            tokens: &args.train_tokens,
        };
        let who = identity(model, loaded.n_params(), told, shared.as_deref(), &catalog);
        let asked = question.ask(&loaded, stop);
        remark(model, &loaded, &asked, refused);
        if asked.len() < question.prompts.len() {
            // Stopped half-way: a rung is whole or not there.
            break;
        }
        rungs.push(Rung::new(&model.label, &who, &loaded, asked));
    }
    bar.finish_and_clear();
    Ok(rungs)
}

/// A bar over the models, on a terminal only.
fn bar(n_models: usize) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(n_models as u64);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos} of {len} models; {msg}") {
        bar.set_style(style);
    }
    bar
}

/// Says what is to be said of a model's responses, each thing once.
fn remark(model: &Found, loaded: &Model, asked: &[Asked], refused: &mut Refusals) {
    let (mut faults, mut remarks) = (Gathered::default(), Gathered::default());
    for (index, asked) in asked.iter().enumerate() {
        let prompt = format!("prompt {}", index + 1);
        for fault in asked.faults() {
            faults.add(&prompt, &fault);
        }
        for text in &asked.remarks {
            remarks.add(&prompt, text);
        }
    }
    let label = &model.label;
    for (fault, prompts) in faults.into_messages() {
        refused.add(format!("{label}: {}: {fault}", listed(&prompts)));
    }
    for (text, prompts) in remarks.into_messages() {
        warn(&format!(
            "{label} ({} tokens long): {}: {text}",
            loaded.max_length(),
            listed(&prompts)
        ));
    }
}

/// Writes and prints what was found, and gives the exit code.
fn finish(
    args: &Args,
    question: &Question,
    ladder: &Ladder,
    stop: &Stop,
    refused: &Refusals,
) -> Outcome {
    let all = || ladder.rungs.iter().flat_map(|r| &r.asked);
    let any = all().any(Asked::is_answered);
    if let Some(line) = ladder.note()
        && any
    {
        output::note(&format!("note: {line}"));
    }
    if let Some(path) = &args.csv
        && any
    {
        let text = csv::text(question, ladder);
        upturn_store::write_bytes(path, text.as_bytes())?;
    }
    if args.json {
        document::print(args, question, ladder, &refused.in_order)?;
    } else if any {
        let options = output::text_options(args.color, false, None);
        output::print(&table::text(question, ladder, &options))?;
    }
    if stop.is_asked() {
        output::note("stopped; models that had answered every prompt are shown");
        return Ok(Exit::Interrupted);
    }
    Ok(match (any, refused.in_order.is_empty()) {
        (false, _) => Exit::NoInput,
        (true, true) => Exit::Done,
        (true, false) => Exit::Refused,
    })
}
