//! `upturn analyze`: verdicts from results that exist.

use std::path::{Path, PathBuf};

use upturn_types::{Analysis, AnalysisConfig, Axis, Severity, Verdict};

use crate::exit::{Exit, Failure, Outcome};
use crate::inputs::{Inputs, PUBLISHED, exit_for, globs};
use crate::output::{self, Color};

/// How FLOPs are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum FlopsConvention {
    /// As the source reports them; 6ND where it does not.
    Reported,
    /// 6ND for every model.
    #[value(name = "6nd")]
    SixNd,
}

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub inputs: Inputs,
    #[command(flatten)]
    pub choices: Choices,
    /// Write analysis.json, verdicts, curves, measurements, report.html and figures here
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print the whole chain of evidence for matching tasks (a glob), in sentences
    #[arg(long, value_name = "TASK")]
    pub explain: Option<String>,
    /// Print one longer section in full
    #[arg(long, value_name = "SECTION", value_parser = ["counterexamples", "across"], conflicts_with = "explain")]
    pub section: Option<String>,
    /// Compare with published claims, row by row
    #[arg(long, value_name = "CLAIMS", value_parser = ["wei2022"])]
    pub against: Option<String>,
    /// Print the analysis as JSON on stdout
    #[arg(long)]
    pub json: bool,
    /// Draw a small plot per curve
    #[arg(long)]
    pub plot: bool,
    /// Show this many rows per section
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// When to use colour
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
}

/// The choices under which verdicts are given.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Choices")]
pub struct Choices {
    /// Scale axis: flops, params, tokens or loss
    #[arg(long, default_value = "flops")]
    pub axis: Axis,
    /// How FLOPs are counted
    #[arg(long, value_name = "HOW", default_value = "reported")]
    pub flops: FlopsConvention,
    /// Near-random: within this share of the range above chance
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, value_parser = share)]
    pub near_margin: f64,
    /// Substantial: more than this share of the range above chance
    #[arg(long, value_name = "SHARE", default_value_t = 0.10, value_parser = share)]
    pub substantial_margin: f64,
    /// Level of each one-sided test
    #[arg(long, value_name = "ALPHA", default_value_t = 0.05, value_parser = level)]
    pub alpha: f64,
    /// Seed of all resampling
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Bootstrap draws of the kink test, at most
    #[arg(long, value_name = "N", default_value_t = 999, value_parser = clap::value_parser!(u32).range(99..=1_000_000))]
    pub draws: u32,
    /// Bootstrap every curve in full, not only where it can matter
    #[arg(long)]
    pub full: bool,
    /// Keep members trained unlike their family (for example much longer)
    #[arg(long)]
    pub include_off_ladder: bool,
    /// Threads; all cores by default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=512))]
    pub jobs: Option<u16>,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value < 0.5 => Ok(value),
        _ => Err("expected a share of the range between 0 and 0.5, such as 0.05".to_owned()),
    }
}

fn level(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value < 0.5 => Ok(value),
        _ => Err("expected a level between 0 and 0.5, such as 0.05".to_owned()),
    }
}

impl Choices {
    /// As the analysis wants them; also sets the number of threads.
    pub fn config(&self) -> Result<AnalysisConfig, Failure> {
        if self.substantial_margin < self.near_margin {
            return Err(Failure::usage(format!(
                "--substantial-margin {} is below --near-margin {}; a substantial rise must be \
                 at least one that is not near-random",
                self.substantial_margin, self.near_margin
            )));
        }
        if let Some(jobs) = self.jobs {
            rayon::ThreadPoolBuilder::new()
                .num_threads(usize::from(jobs))
                .build_global()
                .map_err(|e| Failure::new(Exit::Failed, format!("cannot start threads: {e}")))?;
        }
        Ok(AnalysisConfig {
            axis: self.axis,
            near_margin: self.near_margin,
            substantial_margin: self.substantial_margin,
            alpha: self.alpha,
            seed: self.seed,
            n_draws_max: self.draws,
            full: self.full,
            flops_6nd: self.flops == FlopsConvention::SixNd,
            include_off_ladder: self.include_off_ladder,
        })
    }
}

/// Reads the inputs and analyses them; a failure when nothing could be read.
/// Returns the measurements too where `keep` asks for them: the table is large.
pub fn analysis_of(
    inputs: &Inputs,
    config: &AnalysisConfig,
    keep: bool,
) -> Result<(Analysis, Vec<upturn_types::Measurement>), Failure> {
    let mut import = inputs.read()?;
    if import.measurements.is_empty() {
        inputs.show(&import.diagnostics);
        return Err(Failure::new(
            Exit::NoInput,
            format!("nothing to analyse in {}", inputs.inputs.join(", ")),
        ));
    }
    let measurements = std::mem::take(&mut import.measurements);
    let kept = if keep {
        measurements.clone()
    } else {
        Vec::new()
    };
    let mut analysis = upturn_analysis::analyze(measurements, config);
    let paths: Vec<PathBuf> = inputs.inputs.iter().map(PathBuf::from).collect();
    let unread = crate::items::answer(&mut analysis, &paths);
    import.diagnostics.extend(unread);
    analysis.provenance.version = upturn::VERSION.to_owned();
    analysis.provenance.inputs = inputs.inputs.iter().map(|i| input_name(i)).collect();
    analysis.provenance.n_files = import.n_files;
    for diagnostic in &mut analysis.diagnostics {
        // Built-in figures are as printed: what contradicts itself there is not the user's to mend.
        let built_in = diagnostic
            .file
            .as_ref()
            .is_some_and(|f| f.starts_with(PUBLISHED));
        if built_in {
            diagnostic.severity = diagnostic.severity.min(Severity::Warning);
        }
    }
    import.diagnostics.append(&mut analysis.diagnostics);
    analysis.diagnostics = import.diagnostics;
    Ok((analysis, kept))
}

/// An input as recorded: without the folders above it, so that results do not depend on
/// where they lie.
fn input_name(input: &str) -> String {
    if input.starts_with(PUBLISHED) {
        return input.to_owned();
    }
    let path = Path::new(input);
    let absolute = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    absolute
        .file_name()
        .map_or_else(|| input.to_owned(), |n| n.to_string_lossy().into_owned())
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let config = args.choices.config()?;
    let explain = args
        .explain
        .as_ref()
        .map(|e| globs(std::slice::from_ref(e)))
        .transpose()?;
    let (mut analysis, measurements) = analysis_of(&args.inputs, &config, args.out.is_some())?;
    if args.against.is_some() {
        analysis.agreement =
            upturn_analysis::claims::compare(&analysis.verdicts, &upturn_catalog::wei2022_claims());
    }
    args.inputs.show(&analysis.diagnostics);
    if let Some(dir) = &args.out {
        output_files(dir, &analysis, &measurements)?;
    }
    let options = output::text_options(args.color, args.plot, args.limit);
    if args.json {
        let json = serde_json::to_string(&analysis)
            .map_err(|e| Failure::new(Exit::Failed, format!("cannot write JSON: {e}")))?;
        output::print(&json)?;
    } else if let (Some(Some(globs)), Some(pattern)) = (explain, &args.explain) {
        let chosen: Vec<&Verdict> = analysis
            .verdicts
            .iter()
            .filter(|v| globs.is_match(&*v.key.task) || globs.is_match(v.key.task_name()))
            .collect();
        if chosen.is_empty() {
            return Err(Failure::usage(no_such_task(pattern, &analysis)));
        }
        for verdict in chosen {
            output::print(&upturn_report::explain(&analysis, verdict, &options))?;
            output::print("")?;
        }
    } else if let Some(section) = chosen_section(args.section.as_deref()) {
        output::print(&upturn_report::section(&analysis, section, &options))?;
    } else if args.against.is_some() {
        output::print(&upturn_report::agreement(&analysis, &options))?;
    } else {
        output::print(&upturn_report::summary(&analysis, &options))?;
    }
    if let Some(dir) = &args.out {
        output::note(&format!(
            "written to {}; open {}",
            dir.display(),
            dir.join("report.html").display()
        ));
    }
    Ok(exit_for(&analysis.diagnostics))
}

/// The section of this name.
fn chosen_section(name: Option<&str>) -> Option<upturn_report::Section> {
    upturn_report::Section::ALL
        .into_iter()
        .find(|s| Some(s.name()) == name)
}

/// One line saying that no task matches, with the nearest there are.
pub fn no_such_task(pattern: &str, analysis: &Analysis) -> String {
    let mut tasks: Vec<String> = analysis.curves.iter().map(|c| c.key.task_name()).collect();
    tasks.sort();
    tasks.dedup();
    let shown: Vec<&str> = tasks.iter().take(12).map(String::as_str).collect();
    let more = if tasks.len() > shown.len() {
        ", …"
    } else {
        ""
    };
    format!(
        "no task matches '{pattern}'; there are {}{more}",
        shown.join(", ")
    )
}

/// Writes the files of an analysis. Each appears whole or not at all.
pub fn output_files(
    dir: &Path,
    analysis: &Analysis,
    measurements: &[upturn_types::Measurement],
) -> Result<(), Failure> {
    use upturn_store::{analysis_json, canonical_csv, parquet, write_bytes};
    let figures = dir.join("figures");
    std::fs::create_dir_all(&figures).map_err(|e| Failure::write(&figures, e))?;
    analysis_json::write(&dir.join("analysis.json"), analysis)?;
    canonical_csv::write_verdicts(&dir.join("verdicts.csv"), analysis)?;
    parquet::write_verdicts(&dir.join("verdicts.parquet"), analysis)?;
    parquet::write_curves(&dir.join("curves.parquet"), analysis)?;
    parquet::write_measurements(&dir.join("measurements.parquet"), measurements)?;
    let html = upturn_report::html(analysis, &upturn_report::HtmlOptions::default());
    write_bytes(&dir.join("report.html"), html.as_bytes())?;
    crate::commands::plot::figures(&figures, analysis)
}
