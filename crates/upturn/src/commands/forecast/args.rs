//! Arguments of `upturn forecast`.

use std::path::PathBuf;

use upturn_analysis::through_loss::LossSource;
use upturn_types::{AnalysisConfig, Axis, CurveModel};

use crate::commands::analyze::FlopsConvention;
use crate::exit::{Exit, Failure};
use crate::inputs::Inputs;
use crate::output::Color;

/// The road from smaller models to larger ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Method {
    /// A curve of the score over scale.
    Curve,
    /// Compute to a loss (--loss), the loss to the score.
    TwoStep,
    /// Other benchmarks, all families pooled.
    Observational,
    /// No forecast: does the loss (--loss) explain the score whatever the size?
    Collapse,
}

/// The curve that is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Model {
    /// Logistic from chance to ceiling.
    Logistic,
    /// Gompertz: an all-or-nothing metric over a smooth one.
    Gompertz,
    /// Power law of the success rate.
    Power,
}

impl Model {
    /// The same as a curve model.
    pub fn model(self) -> CurveModel {
        match self {
            Model::Logistic => CurveModel::Logistic,
            Model::Gompertz => CurveModel::Gompertz,
            Model::Power => CurveModel::Power,
        }
    }
}

/// A scale: a number in the unit of the axis, or a model.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// FLOPs, parameters, tokens or nats.
    Raw(f64),
    /// A model's name.
    Model(String),
}

impl Place {
    fn parse(text: &str) -> Result<Place, String> {
        match text.trim().parse::<f64>() {
            Ok(value) if value > 0.0 && value.is_finite() => Ok(Place::Raw(value)),
            Ok(_) => Err("expected a positive number such as 1e22, or a model".to_owned()),
            Err(_) if text.trim().is_empty() => {
                Err("expected a number such as 1e22, or a model".to_owned())
            }
            Err(_) => Ok(Place::Model(text.trim().to_owned())),
        }
    }
}

/// What else can be done with forecasts.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Task {
    /// Score a saved forecast on results observed since
    Score(ScoreArgs),
}

/// Arguments of `upturn forecast score`.
#[derive(Debug, Clone, clap::Args)]
pub struct ScoreArgs {
    /// A file that --save wrote
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Files or folders of results, or published:NAME
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<String>,
    /// How to read a table that is not Upturn's own: columns to fields
    #[arg(long, value_name = "FILE.toml")]
    pub map: Option<PathBuf>,
    /// Print the scores as JSON on stdout
    #[arg(long)]
    pub json: bool,
    /// When to use colour
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
}

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    #[command(subcommand)]
    pub task: Option<Task>,
    #[command(flatten)]
    pub inputs: Inputs,
    /// Fit to models up to this scale, a number in the unit of the axis or a model, and predict
    /// those above; without --below and --at every admissible cut-off is tried
    #[arg(long, value_name = "FLOPS|MODEL", value_parser = Place::parse, allow_negative_numbers = true)]
    pub below: Option<Place>,
    /// Predict a model of this scale too (may be repeated)
    #[arg(long, value_name = "FLOPS|MODEL", value_parser = Place::parse, allow_negative_numbers = true)]
    pub at: Vec<Place>,
    /// Only curves that match: a glob on the id, the task, or FAMILY / TASK / METHOD / METRIC
    #[arg(long, value_name = "GLOB")]
    pub curve: Vec<String>,
    /// Leave out models that match (a glob; may be repeated)
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
    /// Pool all families measured alike into one curve
    #[arg(long)]
    pub pool: bool,
    /// How to forecast
    #[arg(long, value_name = "ROAD", default_value = "curve")]
    pub by: Method,
    /// Curve over scale
    #[arg(long, value_name = "CURVE", default_value = "logistic")]
    pub model: Model,
    /// The loss of --by two-step and collapse: METRIC of the task itself, TASK:METRIC, or
    /// training for the models' pre-training loss; perplexities are taken as logarithms
    #[arg(long, value_name = "LOSS", default_value = "training")]
    pub loss: String,
    /// Benchmarks of --by observational, in place of MMLU, ARC-C, HellaSwag, Winograd,
    /// TruthfulQA, GSM8K, XWinograd, HumanEval
    #[arg(long, value_name = "TASK", value_delimiter = ',')]
    pub benchmarks: Vec<String>,
    /// Components of --by observational, at most
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=8))]
    pub components: u8,
    /// Ridge of the weights of --by observational
    #[arg(long, value_name = "LAMBDA", default_value_t = 0.0, value_parser = ridge)]
    pub ridge: f64,
    /// Say which further measurement would narrow the farthest prediction most
    #[arg(long)]
    pub what_to_measure: bool,
    /// Save the forecast with the hashes of its inputs, to be scored later
    #[arg(long, value_name = "FILE.json")]
    pub save: Option<PathBuf>,
    /// Date of a saved forecast; today (UTC) by default
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date)]
    pub date: Option<String>,
    /// Draw forecasts with their intervals
    #[arg(long, value_name = "FILE.svg")]
    pub figure: Option<PathBuf>,
    #[command(flatten)]
    pub choices: Choices,
    /// Print the forecasts as JSON on stdout
    #[arg(long)]
    pub json: bool,
    /// Show this many forecasts
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// When to use colour
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
}

impl Args {
    /// Where the loss comes from.
    pub fn loss_source(&self) -> LossSource {
        match self.loss.rsplit_once(':') {
            _ if self.loss == "training" => LossSource::Training,
            Some((task, metric)) => LossSource::Metric {
                task: Some(task.to_owned()),
                metric: metric.to_owned(),
            },
            None => LossSource::Metric {
                task: None,
                metric: self.loss.clone(),
            },
        }
    }
}

/// The choices under which forecasts are made and judged.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Choices")]
pub struct Choices {
    /// Scale axis: flops, params, tokens or loss
    #[arg(long, default_value = "flops")]
    pub axis: Axis,
    /// How FLOPs are counted
    #[arg(long, value_name = "HOW", default_value = "reported")]
    pub flops: FlopsConvention,
    /// The onset is where the score passes this share of the range above chance
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, value_parser = half)]
    pub near_margin: f64,
    /// Level at which the coverage of intervals is rejected
    #[arg(long, value_name = "ALPHA", default_value_t = 0.05, value_parser = half)]
    pub alpha: f64,
    /// Draws of each predictive distribution
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(200..=200_000))]
    pub draws: u32,
    /// Seed of all resampling
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Keep members trained unlike their family (for example much longer)
    #[arg(long)]
    pub include_off_ladder: bool,
    /// Threads; all cores by default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=512))]
    pub jobs: Option<u16>,
}

impl Choices {
    /// As the analysis wants them; also sets the number of threads.
    pub fn config(&self) -> Result<AnalysisConfig, Failure> {
        if let Some(jobs) = self.jobs {
            rayon::ThreadPoolBuilder::new()
                .num_threads(usize::from(jobs))
                .build_global()
                .map_err(|e| Failure::new(Exit::Failed, format!("cannot start threads: {e}")))?;
        }
        Ok(AnalysisConfig {
            axis: self.axis,
            near_margin: self.near_margin,
            alpha: self.alpha,
            seed: self.seed,
            flops_6nd: self.flops == FlopsConvention::SixNd,
            include_off_ladder: self.include_off_ladder,
            ..AnalysisConfig::default()
        })
    }
}

fn half(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value < 0.5 => Ok(value),
        _ => Err("expected a number between 0 and 0.5, such as 0.05".to_owned()),
    }
}

fn ridge(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=1e6).contains(&value) => Ok(value),
        _ => Err("expected 0 for none, or a number such as 0.001".to_owned()),
    }
}

/// A date, checked for its form and that the day exists in some year.
fn date(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.split('-').collect();
    let number = |i: usize, digits: usize| -> Option<u32> {
        let part = parts.get(i).filter(|p| p.len() == digits)?;
        part.chars()
            .all(|c| c.is_ascii_digit())
            .then(|| part.parse().ok())?
    };
    match (parts.len(), number(0, 4), number(1, 2), number(2, 2)) {
        (3, Some(_), Some(1..=12), Some(1..=31)) => Ok(text.to_owned()),
        _ => Err("expected a date such as 2025-03-31".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_numbers_or_models() {
        assert_eq!(Place::parse("8.4e22"), Ok(Place::Raw(8.4e22)));
        assert_eq!(
            Place::parse("Pythia-12B"),
            Ok(Place::Model("Pythia-12B".into()))
        );
        for wrong in ["-1", "0", "inf", "", "nan"] {
            assert!(Place::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn dates_have_one_form() {
        assert!(date("2024-05-31").is_ok());
        for wrong in [
            "2024-5-31",
            "2024-13-01",
            "31-05-2024",
            "",
            "2024-05-32",
            "2024-05-31x",
        ] {
            assert!(date(wrong).is_err(), "{wrong}");
        }
    }
}
