//! `upturn plan`: how many items an answer costs, before they are spent.

use std::path::PathBuf;

use upturn_catalog::metric_info;
use upturn_stats::plan::{n_to_certify_above, n_to_detect, stopping};
use upturn_stats::resolution::resolution;
use upturn_types::Plan;

use crate::exit::{Exit, Failure, Outcome};
use crate::inputs::catalog;
use crate::output::{self, Color};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A task of the catalogue, or any name where --chance is given
    #[arg(value_name = "TASK")]
    pub task: String,
    /// Metric
    #[arg(long, default_value = "acc")]
    pub metric: String,
    /// Items that there are; those of the catalogue by default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub n: Option<u64>,
    /// Chance floor; that of the catalogue by default
    #[arg(long, value_name = "SCORE", value_parser = unit)]
    pub chance: Option<f64>,
    /// How far above chance a model is supposed to score; a tenth of the range by default
    #[arg(long, value_name = "SCORE", value_parser = unit)]
    pub effect: Option<f64>,
    /// Near-random: within this share of the range above chance
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, value_parser = half)]
    pub near_margin: f64,
    /// Level of each one-sided test
    #[arg(long, value_name = "ALPHA", default_value_t = 0.05, value_parser = half)]
    pub alpha: f64,
    /// Power
    #[arg(long, default_value_t = 0.8, value_parser = unit)]
    pub power: f64,
    /// Correlation of two models' outcomes on one item
    #[arg(long, value_name = "R", default_value_t = 0.5, value_parser = correlation)]
    pub correlation: f64,
    /// Items between two looks of an evaluation that stops once it is decided
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub batch: u64,
    /// Seed of the simulation
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Tasks to add to the catalogue: chance, options, size
    #[arg(long, value_name = "FILE.toml")]
    pub tasks: Vec<PathBuf>,
    /// Print the plan as JSON on stdout
    #[arg(long)]
    pub json: bool,
    /// When to use colour
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
}

fn unit(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..1.0).contains(&value) => Ok(value),
        _ => Err("expected a number from 0 to below 1, such as 0.25".to_owned()),
    }
}

fn half(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value < 0.5 => Ok(value),
        _ => Err("expected a number between 0 and 0.5, such as 0.05".to_owned()),
    }
}

fn correlation(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (-1.0..1.0).contains(&value) => Ok(value),
        _ => Err("expected a correlation from -1 to below 1, such as 0.5".to_owned()),
    }
}

/// Simulated runs of an evaluation that stops.
const SIMULATIONS: u32 = 1000;
/// Most items of a simulated run.
const BUDGET_MAX: u64 = 20_000;

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let plan = plan(args)?;
    if args.json {
        let json = serde_json::to_string(&plan)
            .map_err(|e| Failure::new(Exit::Failed, format!("cannot write JSON: {e}")))?;
        output::print(&json)?;
    } else {
        let options = output::text_options(args.color, false, None);
        output::print(&upturn_report::plan(&plan, &options))?;
    }
    Ok(Exit::Done)
}

fn plan(args: &Args) -> Result<Plan, Failure> {
    let catalog = catalog(&[], &args.tasks)?;
    let known = catalog.find_task(&args.task);
    let chance = match args.chance.or_else(|| known?.chance_for(&args.metric)) {
        Some(chance) => chance,
        None => return Err(no_chance(args, &catalog)),
    };
    if metric_info(&args.metric).is_some_and(|m| !m.binomial) {
        output::note(&format!(
            "note: {} is not a mean of outcomes that are 0 or 1; its items say at most as much as \
             this plan supposes",
            args.metric
        ));
    }
    let range = 1.0 - chance;
    let margin = args.near_margin * range;
    let effect = args.effect.unwrap_or(0.10 * range);
    let top = chance + effect;
    if effect <= margin || top >= 1.0 {
        return Err(Failure::usage(format!(
            "--effect {effect} puts a model at {top:.4}; expected a score above chance + margin, \
             {:.4}, and below 1",
            chance + margin
        )));
    }
    if args.power <= args.alpha {
        return Err(Failure::usage(format!(
            "--power {} is not above --alpha {}",
            args.power, args.alpha
        )));
    }
    let n_items = args.n.or_else(|| known?.n_for(None));
    let shown = |n: u64| resolution(n, chance, margin, 1.0, args.alpha, args.power);
    // Any n will do: what is needed does not hang on what there is.
    let n_to_certify_chance = shown(1).n_to_certify_chance;
    let n_above = n_to_certify_above(chance + margin, top, args.alpha, args.power);
    let budget = n_items
        .or_else(|| Some(n_to_certify_chance?.max(n_above?).saturating_mul(3)))
        .unwrap_or(2000)
        .clamp(1, BUDGET_MAX);
    let stopping = [chance, chance + margin, top]
        .into_iter()
        .filter_map(|p| {
            stopping(
                chance + margin,
                p,
                args.alpha,
                budget,
                args.batch,
                SIMULATIONS,
                args.seed,
            )
        })
        .collect();
    Ok(Plan {
        task: known.map_or_else(|| args.task.clone(), |t| t.name.to_string()),
        metric: args.metric.clone(),
        chance,
        margin,
        effect,
        alpha: args.alpha,
        power: args.power,
        n_items,
        resolution: n_items.map(shown),
        n_to_certify_chance,
        n_to_certify_above: n_above,
        correlation: args.correlation,
        n_to_detect: n_to_detect(chance, top, 0.0, args.alpha, args.power),
        n_to_detect_paired: n_to_detect(chance, top, args.correlation, args.alpha, args.power),
        stopping,
    })
}

/// Why chance is not known, and how to say it.
fn no_chance(args: &Args, catalog: &upturn_catalog::Catalog) -> Failure {
    let near = catalog.suggest_tasks(&args.task);
    let what = if catalog.find_task(&args.task).is_some() {
        format!(
            "the chance level of {} on {} is not known",
            args.metric, args.task
        )
    } else if near.is_empty() {
        format!("no task called '{}' in the catalogue", args.task)
    } else {
        format!(
            "no task called '{}' in the catalogue; near it: {}",
            args.task,
            near.join(", ")
        )
    };
    Failure::usage(format!(
        "{what}; give it with --chance, such as --chance 0.25"
    ))
}
