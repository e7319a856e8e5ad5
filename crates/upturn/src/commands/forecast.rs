//! `upturn forecast`: what larger models will score, and whether such forecasts held.

mod args;
mod saved;
mod score;

use rayon::prelude::*;
use upturn_analysis::backtests::{ForecastChoices, Subject, Target, backtests, subjects};
use upturn_analysis::observational::{self, ObservationalChoices};
use upturn_analysis::through_loss::{collapse_test, two_step};
use upturn_catalog::Catalog;
use upturn_report::forecast as text;
use upturn_types::{AnalysisConfig, Axis, Curve, CurveForecast, Diagnostic, Scale, Text};

pub use args::Args;
use args::{Method, Place, Task};

use crate::exit::{Exit, Failure, Outcome};
use crate::inputs::{catalog, exit_for, globs};
use crate::output;

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    if let Some(Task::Score(score)) = &args.task {
        return score::run(score);
    }
    let config = args.choices.config()?;
    let (curves, diagnostics) = read(args, &config)?;
    match args.by {
        Method::Curve => by_curve(args, &config, &curves)?,
        Method::TwoStep => through_loss(args, &config, &curves)?,
        Method::Collapse => collapse(args, &config, &curves)?,
        Method::Observational => by_benchmarks(args, &config, &curves)?,
    }
    Ok(exit_for(&diagnostics))
}

/// The curves of the inputs, with the messages about them (already shown).
fn read(args: &Args, config: &AnalysisConfig) -> Result<(Vec<Curve>, Vec<Diagnostic>), Failure> {
    let mut import = args.inputs.read()?;
    if import.measurements.is_empty() {
        args.inputs.show(&import.diagnostics);
        return Err(Failure::new(
            Exit::NoInput,
            format!("nothing to forecast in {}", args.inputs.inputs.join(", ")),
        ));
    }
    if let Some(exclude) = globs(&args.exclude)? {
        import.measurements.retain(|m| !exclude.is_match(&*m.model));
    }
    let grouped = upturn_analysis::curves_of(std::mem::take(&mut import.measurements), config);
    import.diagnostics.extend(grouped.diagnostics);
    args.inputs.show(&import.diagnostics);
    Ok((grouped.curves, import.diagnostics))
}

/// The subjects that `--curve` keeps.
fn chosen<'a>(args: &Args, all: Vec<Subject<'a>>) -> Result<Vec<Subject<'a>>, Failure> {
    let Some(wanted) = globs(&args.curve)? else {
        return Ok(all);
    };
    let n = all.len();
    let kept: Vec<Subject> = all
        .into_iter()
        .filter(|s| {
            s.curve.as_ref().is_some_and(|id| wanted.is_match(&*id.0))
                || wanted.is_match(s.key.to_string())
                || wanted.is_match(s.key.task_name())
        })
        .collect();
    if kept.is_empty() {
        return Err(Failure::usage(format!(
            "--curve {} keeps none of the {n} curves; it is matched against the id, the task, and \
             FAMILY / TASK / METHOD / METRIC",
            args.curve.join(", ")
        )));
    }
    Ok(kept)
}

/// A place on an axis: a raw number, or a model of the input or the catalogue.
fn resolve(
    place: &Place,
    axis: Axis,
    curves: &[Curve],
    catalog: &Catalog,
) -> Result<(Option<Text>, Scale), Failure> {
    match place {
        Place::Raw(value) => {
            let mut scale = Scale::default();
            match axis {
                Axis::Flops => scale.flops = Some(*value),
                Axis::Params => scale.params = Some(*value),
                Axis::Tokens => scale.tokens = Some(*value),
                Axis::Loss => scale.train_loss_nats = Some(*value),
            }
            Ok((None, scale))
        }
        Place::Model(name) => {
            let measured = curves
                .iter()
                .flat_map(|c| &c.points)
                .find(|p| p.model.eq_ignore_ascii_case(name) && p.scale.on(axis).is_some());
            if let Some(point) = measured {
                return Ok((Some(point.model.clone()), point.scale));
            }
            let Some(found) = catalog.find_model(name, None) else {
                let near = catalog.suggest_models(name);
                return Err(Failure::usage(format!(
                    "'{name}' is neither a number nor a model of the input or the catalogue{}",
                    if near.is_empty() {
                        String::new()
                    } else {
                        format!("; near it: {}", near.join(", "))
                    }
                )));
            };
            let scale = found.entry.scale();
            if scale.on(axis).is_none() {
                return Err(Failure::usage(format!(
                    "the {} of {name} are not known; give the number instead",
                    axis.name()
                )));
            }
            Ok((Some(found.entry.name.clone()), scale))
        }
    }
}

fn coordinate(scale: &Scale, axis: Axis, option: &str) -> Result<f64, Failure> {
    scale
        .on(axis)
        .and_then(|raw| axis.coordinate(raw))
        .filter(|x| x.is_finite())
        .ok_or_else(|| {
            Failure::usage(format!(
                "{option} is not a place on the {} axis; expected a positive number such as 1e22, or \
                 a model",
                axis.name()
            ))
        })
}

fn json<T: serde::Serialize>(value: &T) -> Result<(), Failure> {
    let json = serde_json::to_string(value)
        .map_err(|e| Failure::new(Exit::Failed, format!("cannot write JSON: {e}")))?;
    output::print(&json)
}

fn choices_of(args: &Args, config: &AnalysisConfig) -> ForecastChoices {
    ForecastChoices {
        model: args.model.model(),
        n_draws: args.choices.draws,
        ..ForecastChoices::of(config)
    }
}

fn by_curve(args: &Args, config: &AnalysisConfig, curves: &[Curve]) -> Result<(), Failure> {
    let subjects = chosen(args, subjects(curves, config, args.pool))?;
    let choices = choices_of(args, config);
    let options = output::text_options(args.color, false, args.limit);
    if args.below.is_none() && args.at.is_empty() {
        if args.save.is_some() || args.figure.is_some() {
            return Err(Failure::usage(
                "--save and --figure need a forecast: add --below FLOPS, or --at FLOPS|MODEL",
            ));
        }
        let all = backtests(&subjects, &choices);
        return if args.json {
            json(&all)
        } else {
            output::print(&text::backtests(&all, &options))
        };
    }
    let catalog = catalog(&args.inputs.models, &args.inputs.tasks)?;
    let forecasts = forecasts(args, &subjects, curves, &catalog, &choices)?;
    if let Some(path) = &args.save {
        saved::write(path, args, &forecasts)?;
    }
    if let Some(path) = &args.figure {
        figure(path, &forecasts)?;
    }
    if args.json {
        return json(&forecasts);
    }
    let limit = args.limit.unwrap_or(usize::MAX);
    for forecast in forecasts.iter().take(limit) {
        output::print(&text::forecast(forecast, &options))?;
        output::print("")?;
    }
    if forecasts.len() > limit {
        output::print(&format!("… and {} more", forecasts.len() - limit))?;
    }
    Ok(())
}

/// The forecasts of all subjects; a message for each that has none.
fn forecasts(
    args: &Args,
    subjects: &[Subject],
    curves: &[Curve],
    catalog: &Catalog,
    choices: &ForecastChoices,
) -> Result<Vec<CurveForecast>, Failure> {
    let made: Vec<Result<Result<CurveForecast, String>, Failure>> = subjects
        .par_iter()
        .map(|subject| {
            let place = |place: &Place| resolve(place, subject.axis, curves, catalog);
            let below = match &args.below {
                Some(below) => Some(coordinate(&place(below)?.1, subject.axis, "--below")?),
                None => None,
            };
            let targets: Vec<Target> = args
                .at
                .iter()
                .map(|at| {
                    let (model, scale) = place(at)?;
                    let x = coordinate(&scale, subject.axis, "--at")?;
                    Ok(Target { model, x })
                })
                .collect::<Result<_, Failure>>()?;
            Ok(subject.forecast(below, &targets, choices, args.what_to_measure))
        })
        .collect();
    let mut forecasts = Vec::new();
    let mut refused = Vec::new();
    for (subject, made) in subjects.iter().zip(made) {
        match made? {
            Ok(forecast) => forecasts.push(forecast),
            Err(why) => refused.push(format!("{}: {why}", subject.key)),
        }
    }
    if forecasts.is_empty() {
        return Err(Failure::new(
            Exit::NoInput,
            match refused.first() {
                Some(first) => format!("no curve can be forecast; {first}"),
                None => {
                    "no curve can be forecast: none has a chance level and a ceiling".to_owned()
                }
            },
        ));
    }
    let shown = if args.inputs.verbose {
        refused.len()
    } else {
        3
    };
    for line in refused.iter().take(shown) {
        output::note(&format!("note: no forecast of {line}"));
    }
    if refused.len() > shown {
        output::note(&format!(
            "note: no forecast of {} more (--verbose shows all)",
            refused.len() - shown
        ));
    }
    Ok(forecasts)
}

/// Writes a figure of forecasts.
fn figure(path: &std::path::Path, forecasts: &[CurveForecast]) -> Result<(), Failure> {
    if path.extension().and_then(|e| e.to_str()) != Some("svg") {
        return Err(Failure::usage(format!(
            "cannot tell the format of {}; expected a name ending in .svg",
            path.display()
        )));
    }
    let svg = upturn_report::forecast_svg(forecasts);
    upturn_store::write_bytes(path, svg.as_bytes())?;
    output::note(&format!("drawn to {}", path.display()));
    Ok(())
}

/// `--below` on the FLOPs axis (or the one chosen), as a coordinate.
fn cutoff(args: &Args, axis: Axis, curves: &[Curve]) -> Result<Option<f64>, Failure> {
    let catalog = catalog(&args.inputs.models, &args.inputs.tasks)?;
    match &args.below {
        None => Ok(None),
        Some(place) => {
            let (_, scale) = resolve(place, axis, curves, &catalog)?;
            coordinate(&scale, axis, "--below").map(Some)
        }
    }
}

fn by_benchmarks(args: &Args, config: &AnalysisConfig, curves: &[Curve]) -> Result<(), Failure> {
    let below = cutoff(args, config.axis, curves)?.ok_or_else(|| {
        Failure::usage("--by observational needs --below FLOPS: the models to learn from")
    })?;
    let names: Vec<String> = if args.benchmarks.is_empty() {
        observational::BENCHMARKS.map(str::to_owned).to_vec()
    } else {
        args.benchmarks.clone()
    };
    let (columns, missing) = observational::columns(curves, &names);
    if !missing.is_empty() {
        output::note(&format!(
            "note: no scores of {} in the input; going on with {}",
            missing.join(", "),
            columns.len()
        ));
    }
    let pooled = chosen(args, subjects(curves, config, true))?;
    let choices = ObservationalChoices {
        cutoff: below,
        n_components: usize::from(args.components),
        ridge: args.ridge,
        n_draws: args.choices.draws.min(500),
    };
    let is_benchmark = |s: &Subject| columns.iter().any(|c| c.key.task == s.key.task);
    let mut all = Vec::new();
    let mut refused = Vec::new();
    for subject in pooled
        .iter()
        .filter(|s| !args.curve.is_empty() || !is_benchmark(s))
    {
        match observational::forecast(subject, &columns, &choices, config.seed) {
            Ok(forecast) => all.push(forecast),
            Err(why) => refused.push(format!("{}: {why}", subject.key)),
        }
    }
    for line in &refused {
        output::note(&format!("note: no forecast of {line}"));
    }
    if all.is_empty() {
        return Err(Failure::new(
            Exit::NoInput,
            "no score can be forecast from others: give the benchmarks and the target as inputs, \
             and see --benchmarks",
        ));
    }
    if args.json {
        return json(&all);
    }
    let options = output::text_options(args.color, false, args.limit);
    for forecast in &all {
        output::print(&text::observational(forecast, &options))?;
        output::print("")?;
    }
    Ok(())
}

fn through_loss(args: &Args, config: &AnalysisConfig, curves: &[Curve]) -> Result<(), Failure> {
    let source = args.loss_source();
    let catalog = catalog(&args.inputs.models, &args.inputs.tasks)?;
    let below = cutoff(args, Axis::Flops, curves)?;
    let targets: Vec<(Option<Text>, Scale)> = args
        .at
        .iter()
        .map(|at| resolve(at, Axis::Flops, curves, &catalog))
        .collect::<Result<_, _>>()?;
    if below.is_none() && targets.is_empty() {
        return Err(Failure::usage(
            "--by two-step needs --below FLOPS or --at FLOPS|MODEL",
        ));
    }
    let config = AnalysisConfig {
        axis: Axis::Flops,
        ..config.clone()
    };
    let subjects = chosen(args, subjects(curves, &config, false))?;
    let made: Vec<_> = subjects
        .iter()
        .map(|s| {
            let n_draws = args.choices.draws;
            two_step(curves, s, &source, below, &targets, n_draws, config.seed)
                .map_err(|why| format!("{}: {why}", s.key))
        })
        .collect();
    show(args, made, text::two_step)
}

fn collapse(args: &Args, config: &AnalysisConfig, curves: &[Curve]) -> Result<(), Failure> {
    let source = args.loss_source();
    let subjects = chosen(args, subjects(curves, config, false))?;
    let made: Vec<_> = subjects
        .iter()
        .filter_map(|s| curves.iter().find(|c| Some(&c.id) == s.curve.as_ref()))
        .map(|curve| {
            collapse_test(curves, curve, &source).map_err(|why| format!("{}: {why}", curve.key))
        })
        .collect();
    show(args, made, text::collapse)
}

/// Shows what could be made, and a message for the rest.
fn show<T: serde::Serialize>(
    args: &Args,
    made: Vec<Result<T, String>>,
    render: fn(&T, &upturn_report::TextOptions) -> String,
) -> Result<(), Failure> {
    let (mut all, mut refused) = (Vec::new(), Vec::new());
    for one in made {
        match one {
            Ok(one) => all.push(one),
            Err(why) => refused.push(why),
        }
    }
    if all.is_empty() {
        return Err(Failure::new(
            Exit::NoInput,
            match refused.first() {
                Some(first) => format!("nothing can be said of any curve; {first}"),
                None => "no curve has a chance level and a ceiling".to_owned(),
            },
        ));
    }
    if !refused.is_empty() {
        output::note(&format!(
            "note: nothing said of {} of the curves; {}",
            refused.len(),
            refused[0]
        ));
    }
    if args.json {
        return json(&all);
    }
    let options = output::text_options(args.color, false, args.limit);
    for one in all.iter().take(args.limit.unwrap_or(usize::MAX)) {
        output::print(&render(one, &options))?;
        output::print("")?;
    }
    Ok(())
}
