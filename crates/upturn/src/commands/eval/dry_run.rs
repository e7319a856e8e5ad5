//! What a run would take, without running it.

use serde::Serialize;
use upturn_tasks::Task;
use upturn_types::Work;

use super::loaded::load;
use super::models::Found;
use super::table::thousands;
use super::{Args, Refusals, memory, now, summary};
use crate::exit::{Exit, Outcome};
use crate::output;

/// The plan of one model on one task.
#[derive(Debug, Serialize)]
struct Planned {
    model: String,
    task: String,
    n_items: u64,
    n_requests: u64,
    /// `tokens_computed` is 0, and generated tokens are not counted.
    work: Work,
    /// How the answer is elicited.
    method: String,
    /// Tokens of all answers, if every one is as long as it may be.
    most_generated_tokens: u64,
    /// Tokens of first answers that second requests read again, at most.
    most_reread_tokens: u64,
    /// Seconds that planning took: prompts, tokens and trie.
    planning_secs: f64,
}

#[derive(Debug, Serialize)]
struct Plan<'p> {
    planned: &'p [Planned],
    refused: &'p [String],
}

/// Plans every cell and prints it.
pub fn run(args: &Args, models: &[Found], tasks: &[Task], mut refused: Refusals) -> Outcome {
    let options = args.eval_options();
    let kv_bytes = args.kv_memory.unwrap_or_else(memory::default_kv_bytes);
    let mut planned = Vec::new();
    for found in models {
        let loaded = match load(args, found, kv_bytes) {
            Ok(loaded) => loaded,
            Err(line) => {
                refused.add(line);
                continue;
            }
        };
        let model = loaded.lm();
        for task in tasks {
            let start = now();
            let cell = upturn_eval::plan(model, task, &options).and_then(|plan| {
                let cost = task.cost(&plan.items);
                let work = upturn_eval::estimate(model, &plan)?;
                Ok((plan.items.len(), cost, work))
            });
            match cell {
                Ok((n_items, cost, (n_requests, work))) => planned.push(Planned {
                    method: task.config.method().to_owned(),
                    most_generated_tokens: cost.most_generated_tokens,
                    most_reread_tokens: cost.most_reread_tokens,
                    model: model.name().to_owned(),
                    task: task.config.task.clone(),
                    n_items: n_items as u64,
                    n_requests,
                    work,
                    planning_secs: start.elapsed().as_secs_f64(),
                }),
                Err(e) => refused.add(e.to_string()),
            }
        }
    }
    if args.json {
        summary::print_json(&Plan {
            planned: &planned,
            refused: &refused.in_order,
        })?;
    } else {
        let lines: String = planned.iter().map(line).collect();
        output::print(&lines)?;
    }
    Ok(match (planned.is_empty(), refused.in_order.is_empty()) {
        (true, _) => Exit::NoInput,
        (false, true) => Exit::Done,
        (false, false) => Exit::Refused,
    })
}

fn line(cell: &Planned) -> String {
    let work = &cell.work;
    let saved = match work.tokens_requested {
        0 => String::new(),
        n => format!(
            " ({:.1}% saved)",
            100.0 * (1.0 - work.tokens_distinct as f64 / n as f64)
        ),
    };
    let mut answers = String::new();
    if cell.most_generated_tokens > 0 {
        answers = format!(
            ", answers of at most {} tokens",
            thousands(cell.most_generated_tokens)
        );
    }
    if cell.most_reread_tokens > 0 {
        let tokens = thousands(cell.most_reread_tokens);
        answers.push_str(&format!(", of which at most {tokens} are read again"));
    }
    let method = match cell.method.as_str() {
        "direct" => String::new(),
        method => format!(" ({method})"),
    };
    format!(
        "{} {}{method}: {} items, {} requests, {} tokens, {} of them distinct{saved}, {} positions scored, {:.3} TFLOP{answers}; planned in {:.2} s\n",
        cell.model,
        cell.task,
        thousands(cell.n_items),
        thousands(cell.n_requests),
        thousands(work.tokens_requested),
        thousands(work.tokens_distinct),
        thousands(work.positions_projected),
        work.flops as f64 / 1e12,
        cell.planning_secs,
    )
}
