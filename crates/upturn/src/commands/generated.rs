//! `upturn tasks generated`: the kinds of generated tasks, and what their items look like.

use std::fmt::Write as _;

use serde_json::json;
use upturn_synth::{Generator, KindInfo, Split};

use crate::exit::{Exit, Failure, Outcome};
use crate::output;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show items of this task, such as addition:digits=3
    #[arg(value_name = "KIND[:PARAMETERS]")]
    task: Option<String>,
    /// Items shown
    #[arg(long, value_name = "N", default_value_t = 3)]
    limit: usize,
    /// Seed of the items
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let text = match &args.task {
        Some(spec) => items(args, spec)?,
        None => kinds(args),
    };
    output::print(&text)?;
    Ok(Exit::Done)
}

fn parameters(kind: &KindInfo) -> String {
    let one = |p: &upturn_synth::ParamInfo| format!("{}={}", p.name, p.range.default_text());
    kind.params.iter().map(one).collect::<Vec<_>>().join(",")
}

/// All kinds with their parameters.
fn kinds(args: &Args) -> String {
    if args.json {
        return json!(upturn_synth::kinds()).to_string();
    }
    let mut text = String::new();
    let mut add = |line: &str| {
        text.push_str(line);
        text.push('\n');
    };
    for kind in upturn_synth::kinds() {
        let parameters = parameters(kind);
        let colon = if parameters.is_empty() { "" } else { ":" };
        add(&format!(
            "{}{colon}{parameters}    {}",
            kind.name, kind.example
        ));
        add(&format!("    {} Chance: {}.", kind.about, kind.chance));
        for p in kind.params {
            add(&format!("    {:<12} {}, {}", p.name, p.about, p.range));
        }
    }
    add("");
    add(
        "In `upturn eval --tasks`: KIND:PARAMETERS asks in sentences, with @cot after worked examples, with",
    );
    add(
        "@short as small models are trained, with @scratchpad with worked steps; items=N and seed=S say which.",
    );
    text
}

/// Items of one task in every form.
fn items(args: &Args, spec: &str) -> Result<String, Failure> {
    let generator = Generator::parse(spec).map_err(Failure::usage)?;
    let items = generator.items(args.seed, Split::Test, args.limit);
    let chance = generator.chance();
    if args.json {
        return Ok(json!({
            "name": generator.name(), "spec": generator.spec(), "chance": chance.guess,
            "items": items,
        })
        .to_string());
    }
    let mut text = String::new();
    let count = match generator.n_distinct(Split::Test) {
        Some(n) => format!("{n} distinct test items"),
        None => "test items without end".to_owned(),
    };
    let majority = chance.majority.map_or(String::new(), |m| {
        format!("; always '{}' scores {:.4}", m.answer, m.share)
    });
    let shortcut = chance.shortcut.map_or(String::new(), |s| {
        format!("; {} scores {:.4}", s.how, s.share)
    });
    let _infallible = writeln!(
        text,
        "{}: {count}; chance {:.4}{majority}{shortcut}",
        generator.name(),
        chance.guess
    );
    for item in items {
        let _infallible = writeln!(text, "\n@short       {}{}", item.prompt, item.answer);
        if let (Some(prompt), Some(steps)) = (&item.scratch_prompt, &item.steps) {
            let _infallible = writeln!(text, "@scratchpad  {prompt}{steps}={}", item.answer);
        }
        let _infallible = writeln!(text, "@words       {} {}", item.question, item.answer);
        if let Some(reasoning) = &item.reasoning {
            let _infallible = writeln!(
                text,
                "@cot         {reasoning} The answer is {}.",
                item.answer
            );
        }
    }
    Ok(text)
}
