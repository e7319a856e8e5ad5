//! Reads files and folders of results, whatever formats they hold, into one table.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use upturn_catalog::Catalog;
use upturn_types::{Diagnostic, Measurement, Severity, Text};

use crate::error::StoreError;
use crate::lm_eval::{self, Run};
use crate::lm_eval_samples::{self, LINE_LIMIT_BYTES, Samples};
use crate::map::MapSpec;
use crate::measurement_table::REQUIRED;
use crate::parsed::{FileInfo, Parsed};
use crate::recognise::{Content, recognise};
use crate::schema::VersionError;
use crate::texts::Texts;
use crate::validate::validate;
use crate::{canonical_csv, json, parquet};

/// Columns of a foreign table that a message lists.
const N_COLUMNS_SHOWN: usize = 12;

/// How to read.
pub struct ReadOptions<'o> {
    /// Names the columns of foreign tables.
    pub map: Option<MapSpec>,
    /// Threads; `None` for one per core.
    pub jobs: Option<usize>,
    /// Longest line of a samples file, row of a table and JSON document, bytes; longer ones
    /// are refused, not loaded.
    pub line_limit_bytes: u64,
    /// Called with files done and files in all, from any thread.
    pub progress: Option<&'o (dyn Fn(usize, usize) + Sync)>,
}

impl Default for ReadOptions<'_> {
    fn default() -> Self {
        ReadOptions {
            map: None,
            jobs: None,
            line_limit_bytes: LINE_LIMIT_BYTES,
            progress: None,
        }
    }
}

/// What was read.
#[derive(Debug, Default)]
pub struct Import {
    /// Valid rows, in the order of inputs, files (by name) and rows.
    pub measurements: Vec<Measurement>,
    /// One line for each thing refused, doubtful or passed over, in the same order.
    pub diagnostics: Vec<Diagnostic>,
    /// Files of a known format, refused ones included.
    pub n_files: usize,
    /// Files of which nothing could be used.
    pub n_files_refused: usize,
    /// Rows seen, refused ones included.
    pub n_rows: usize,
    /// Files read by format, in plain words.
    pub formats: BTreeMap<String, usize>,
}

/// Reads every file of `inputs`, looking into folders.
///
/// Files are recognised by what they hold. Folders are read in the order of names;
/// hidden files are passed over; links are followed, loops are reported. Files of
/// unknown formats are counted in one note, unless they were named themselves.
///
/// **Source.** Rows that do not name their source belong to the data set named like
/// the input: the folder's name, or the file's without its ending. Where several
/// results files of a harness are named one by one (`runs/*/results.json`), they are
/// one data set too, named like the folder that holds them all: a file holds one
/// model, and a curve needs several. Two inputs of one name are told apart by their paths.
///
/// Samples are held against the results that lie in the same folder, of the same date
/// where files carry one; without results, they stand alone.
///
/// The result does not depend on the number of threads.
#[must_use]
pub fn read(inputs: &[PathBuf], options: &ReadOptions<'_>, catalog: &Catalog) -> Import {
    let mut import = Import::default();
    let files = find_files(inputs, &mut import.diagnostics);
    let texts = Texts::default();
    let done = AtomicUsize::new(0);
    let read_one = |file: &Input| {
        let outcome = read_file(file, options, catalog, &texts);
        let n = done.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(progress) = options.progress {
            progress(n, files.len());
        }
        outcome
    };
    let read_all = || files.par_iter().map(read_one).collect::<Vec<Outcome>>();
    let pool = options.jobs.map(|jobs| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(jobs.max(1))
            .build()
    });
    let outcomes = match pool {
        Some(Ok(pool)) => pool.install(read_all),
        // Without threads of its own the read shares those of the process.
        Some(Err(_)) | None => read_all(),
    };
    collect(outcomes, &files, catalog, &texts, &mut import);
    import
}

/// A file to read.
#[derive(Debug)]
struct Input {
    info: FileInfo,
    /// Data set of a file that holds one run among others, where it differs.
    run_source: Option<Text>,
    /// Named itself, rather than found in a folder.
    explicit: bool,
}

impl Input {
    /// The file as a part of a data set of runs.
    fn as_run(&self) -> FileInfo {
        let mut info = self.info.clone();
        if let Some(source) = &self.run_source {
            info.source = source.clone();
        }
        info
    }
}

/// What became of one file.
enum Outcome {
    Rows {
        format: &'static str,
        parsed: Parsed,
    },
    Run {
        format: &'static str,
        run: Run,
    },
    Samples(Samples),
    Refused(Diagnostic),
    /// Of no known format, and not asked for by name.
    Skipped,
}

fn find_files(inputs: &[PathBuf], diagnostics: &mut Vec<Diagnostic>) -> Vec<Input> {
    let sources = source_names(inputs);
    let named: Vec<&PathBuf> = inputs.iter().filter(|p| !p.is_dir()).collect();
    let run_source = (named.len() > 1).then(|| common_folder(&named)).flatten();
    let mut files = Vec::new();
    let mut seen = BTreeSet::new();
    for (input, source) in inputs.iter().zip(&sources) {
        if !input.is_dir() {
            if first_time(input, &mut seen) {
                files.push(Input {
                    info: FileInfo::new(input, source),
                    run_source: run_source.clone(),
                    explicit: true,
                });
            }
            continue;
        }
        let mut n_found = 0;
        let mut n_faults = 0;
        let walk = walkdir::WalkDir::new(input)
            .follow_links(true)
            .sort_by_file_name()
            .into_iter()
            .filter_entry(|e| e.depth() == 0 || !is_hidden(e));
        for entry in walk {
            match entry {
                Ok(entry) if entry.file_type().is_file() => {
                    n_found += 1;
                    if first_time(entry.path(), &mut seen) {
                        files.push(Input {
                            info: FileInfo::new(entry.path(), source),
                            run_source: None,
                            explicit: false,
                        });
                    }
                }
                Ok(_) => {}
                Err(e) => {
                    n_faults += 1;
                    diagnostics.push(walk_fault(&e, input));
                }
            }
        }
        if n_found == 0 && n_faults == 0 {
            diagnostics.push(
                Diagnostic::error("the folder holds no files")
                    .file(input.display().to_string())
                    .expected("results files, in it or below it"),
            );
        }
    }
    files
}

fn is_hidden(entry: &walkdir::DirEntry) -> bool {
    entry.file_name().to_string_lossy().starts_with('.')
}

fn walk_fault(e: &walkdir::Error, input: &Path) -> Diagnostic {
    let path = e.path().unwrap_or(input).display().to_string();
    match (e.loop_ancestor(), e.io_error()) {
        (Some(ancestor), _) => Diagnostic::warning(format!(
            "links back to {}; not followed",
            ancestor.display()
        ))
        .file(path),
        (None, Some(cause)) => Diagnostic::error(format!("cannot be read: {cause}")).file(path),
        (None, None) => Diagnostic::error(format!("cannot be read: {e}")).file(path),
    }
}

/// Whether the file was not met before, under this or another path.
fn first_time(path: &Path, seen: &mut BTreeSet<PathBuf>) -> bool {
    // A path that cannot be resolved is reported when it is opened.
    seen.insert(path.canonicalize().unwrap_or_else(|_| path.to_path_buf()))
}

/// A name for the data set of each input: unique among different inputs.
fn source_names(inputs: &[PathBuf]) -> Vec<String> {
    let short = |path: &PathBuf| {
        let full = path.canonicalize().unwrap_or_else(|_| path.clone());
        let name = if path.is_dir() {
            full.file_name()
        } else {
            full.file_stem()
        };
        name.map_or_else(
            || path.display().to_string(),
            |n| n.to_string_lossy().into_owned(),
        )
    };
    let names: Vec<String> = inputs.iter().map(short).collect();
    names
        .iter()
        .zip(inputs)
        .map(|(name, input)| {
            let clash = names
                .iter()
                .zip(inputs)
                .any(|(other, path)| other == name && path != input);
            if clash {
                input.display().to_string()
            } else {
                name.clone()
            }
        })
        .collect()
}

/// Name of the deepest folder that holds all files.
fn common_folder(files: &[&PathBuf]) -> Option<Text> {
    let full = |p: &PathBuf| p.canonicalize().unwrap_or_else(|_| p.clone());
    let mut common = full(files.first()?).parent()?.to_path_buf();
    for file in files {
        let file = full(file);
        while !file.starts_with(&common) {
            common = common.parent()?.to_path_buf();
        }
    }
    common.file_name().map(|n| n.to_string_lossy().into())
}

fn read_file(
    input: &Input,
    options: &ReadOptions<'_>,
    catalog: &Catalog,
    texts: &Texts,
) -> Outcome {
    let info = &input.info;
    let refuse = |d: Diagnostic| Outcome::Refused(d.file(&info.name));
    let unreadable = |e: std::io::Error| refuse(Diagnostic::error(format!("cannot be read: {e}")));
    match std::fs::metadata(&info.path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return refuse(Diagnostic::error("is no file and no folder")),
        Err(e) => return unreadable(e),
    }
    let opened = || File::open(&info.path);
    let content = match opened().and_then(|file| recognise(&file)) {
        Ok(content) => content,
        Err(e) => return unreadable(e),
    };
    let file = match opened() {
        Ok(file) => file,
        Err(e) => return unreadable(e),
    };
    match content {
        Content::Empty => {
            let severity = if input.explicit {
                Severity::Error
            } else {
                Severity::Warning
            };
            refuse(Diagnostic::new(severity, "the file is empty"))
        }
        Content::Parquet => read_parquet(file, input, options, catalog, texts),
        Content::Results { today } => match read_whole(file, options.line_limit_bytes) {
            Ok(bytes) => results(today, &bytes, input, catalog, texts),
            Err(d) => refuse(*d),
        },
        Content::SomeJson => match read_whole(file, options.line_limit_bytes) {
            Ok(bytes) => some_json(&bytes, input, catalog, texts),
            Err(d) => refuse(*d),
        },
        Content::Samples => Outcome::Samples(lm_eval_samples::read_samples(
            file,
            &input.as_run(),
            options.line_limit_bytes,
        )),
        Content::Measurements => {
            let mut parsed = canonical_csv::read_from(file, info, options.line_limit_bytes, texts);
            if parsed.n_rows == 0 && parsed.diagnostics.is_empty() {
                let empty = Diagnostic::warning("a header without rows")
                    .file(&info.name)
                    .expected("one row for each score");
                parsed.diagnostics.push(empty);
            }
            Outcome::Rows {
                format: "measurements (CSV)",
                parsed,
            }
        }
        Content::Table { columns } => foreign(input, options, catalog, &columns),
        Content::Utf16 if input.explicit => refuse(
            Diagnostic::error("is encoded as UTF-16")
                .expected("UTF-8")
                .help("convert it (for example: iconv -f utf-16 -t utf-8)"),
        ),
        Content::Unknown if input.explicit => match &options.map {
            Some(map) => mapped(map, input, catalog),
            None => refuse(Diagnostic::error("is of no known format").expected(
                "results or samples of lm-evaluation-harness, a table (CSV) or a Parquet file",
            )),
        },
        Content::Utf16 | Content::Unknown => Outcome::Skipped,
    }
}

/// The bytes of a document of at most `limit` bytes; a longer one is told from its size.
fn read_whole(file: File, limit: u64) -> Result<Vec<u8>, Box<Diagnostic>> {
    use std::io::Read;
    let unreadable =
        |e: std::io::Error| Box::new(Diagnostic::error(format!("cannot be read: {e}")));
    let size = file.metadata().map_err(unreadable)?.len();
    let mut bytes = Vec::new();
    if size <= limit {
        // The file may have grown since.
        file.take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
    }
    let size = size.max(bytes.len() as u64);
    if size > limit {
        let refused = Diagnostic::error(format!("a JSON document of {size} bytes"))
            .expected(format!("at most {limit} bytes"))
            .help("raise the limit on lines, or take the file out");
        return Err(Box::new(refused));
    }
    Ok(bytes)
}

fn results(today: bool, bytes: &[u8], input: &Input, catalog: &Catalog, texts: &Texts) -> Outcome {
    Outcome::Run {
        format: if today {
            "lm-eval results"
        } else {
            "lm-eval results (2022-23)"
        },
        run: lm_eval::parse_run(bytes, &input.as_run(), catalog, texts),
    }
}

/// A JSON object whose results, if any, come late; another document is of no known format.
fn some_json(bytes: &[u8], input: &Input, catalog: &Catalog, texts: &Texts) -> Outcome {
    use json::Json;
    let refuse = |d: Diagnostic| Outcome::Refused(d.file(&input.info.name));
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match json::parse(text) {
        Ok(file) if file.get("results").is_some_and(|r| r.object().is_some()) => {
            results(file.get("configs").is_some(), bytes, input, catalog, texts)
        }
        Ok(_) if input.explicit => refuse(
            Diagnostic::error("is JSON of no known format")
                .expected("results of lm-evaluation-harness, with an object 'results'"),
        ),
        Ok(_) => Outcome::Skipped,
        // One document after another: lines of some other tool.
        Err(problem) if problem.message.contains("trailing characters") && !input.explicit => {
            Outcome::Skipped
        }
        Err(problem) => refuse(lm_eval::damage(problem)),
    }
}

fn read_parquet(
    file: File,
    input: &Input,
    options: &ReadOptions<'_>,
    catalog: &Catalog,
    texts: &Texts,
) -> Outcome {
    let info = &input.info;
    let again = match file.try_clone() {
        Ok(again) => again,
        Err(e) => {
            return Outcome::Refused(
                Diagnostic::error(format!("cannot be read: {e}")).file(&info.name),
            );
        }
    };
    match parquet::is_measurements(again, &info.path) {
        Err(e) => Outcome::Refused(e.diagnostic()),
        Ok(Err(columns)) => foreign(input, options, catalog, &columns),
        Ok(Ok(())) => match parquet::read_from(file, info, texts) {
            Ok(parsed) => Outcome::Rows {
                format: "measurements (Parquet)",
                parsed,
            },
            // A table that Upturn made of the results, beside them.
            Err(StoreError::Version {
                cause: VersionError::OtherKind { .. },
                ..
            }) if !input.explicit => Outcome::Skipped,
            Err(e) => Outcome::Refused(e.diagnostic()),
        },
    }
}

fn foreign(
    input: &Input,
    options: &ReadOptions<'_>,
    catalog: &Catalog,
    columns: &[String],
) -> Outcome {
    if let Some(map) = &options.map {
        return mapped(map, input, catalog);
    }
    let mut shown = columns
        .iter()
        .take(N_COLUMNS_SHOWN)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if columns.len() > N_COLUMNS_SHOWN {
        shown.push_str(", …");
    }
    let severity = if input.explicit {
        Severity::Error
    } else {
        Severity::Warning
    };
    let missing: Vec<&str> = REQUIRED
        .into_iter()
        .filter(|required| !columns.iter().any(|c| c == required))
        .collect();
    let refused = match missing.as_slice() {
        // A CSV with all of them is a table of measurements; this one is no CSV.
        [] => Diagnostic::new(severity, "the fields are not separated by commas")
            .expected("a CSV or Parquet file of measurements")
            .help("separate them by commas, or name the columns with --map FILE.toml"),
        [_] | [_, _] => Diagnostic::new(
            severity,
            format!("a table of measurements without {}", missing.join(" and ")),
        )
        .expected(format!("the columns {}", REQUIRED.join(", ")))
        .help("add what is missing, or name the columns with --map FILE.toml"),
        _ => Diagnostic::new(severity, format!("a table with the columns {shown}"))
            .help("name its columns with --map FILE.toml"),
    };
    Outcome::Refused(refused.file(&input.info.name))
}

fn mapped(map: &MapSpec, input: &Input, catalog: &Catalog) -> Outcome {
    let mut parsed = map.read_table(&input.info.path, catalog);
    // Where neither map nor table has a source, the reader puts the file's path.
    for m in &mut parsed.measurements {
        if *m.source == *input.info.name {
            m.source = input.info.source.clone();
        }
    }
    Outcome::Rows {
        format: "table with a map",
        parsed,
    }
}

/// Puts outcomes together in the order of files.
fn collect(
    mut outcomes: Vec<Outcome>,
    files: &[Input],
    catalog: &Catalog,
    texts: &Texts,
    import: &mut Import,
) {
    let partners = partners(&outcomes, files);
    for (at, partner) in &partners {
        let Outcome::Samples(samples) = std::mem::replace(&mut outcomes[*at], Outcome::Skipped)
        else {
            continue;
        };
        let info = &files[*at].info;
        let format = "lm-eval samples";
        let merged = match partner.map(|p| &mut outcomes[p]) {
            Some(Outcome::Run { run, .. }) => lm_eval_samples::merge(run, &samples, info, texts),
            _ => false,
        };
        let mut parsed = if merged {
            Parsed::default()
        } else {
            lm_eval_samples::alone(&samples, &files[*at].as_run(), catalog, texts)
        };
        parsed.diagnostics.extend(samples.diagnostics);
        outcomes[*at] = if samples.n_items == 0 && parsed.measurements.is_empty() {
            match parsed.diagnostics.pop() {
                Some(d) => Outcome::Refused(d),
                None => Outcome::Rows { format, parsed },
            }
        } else {
            Outcome::Rows { format, parsed }
        };
    }

    let mut unknown_models = BTreeMap::new();
    let mut n_skipped = 0;
    for (outcome, file) in outcomes.into_iter().zip(files) {
        let (format, mut parsed) = match outcome {
            Outcome::Skipped | Outcome::Samples(_) => {
                n_skipped += 1;
                continue;
            }
            Outcome::Refused(d) => {
                import.n_files += 1;
                import.n_files_refused += 1;
                import.diagnostics.push(d);
                continue;
            }
            Outcome::Rows { format, parsed } => (format, parsed),
            Outcome::Run { format, run } => (format, run.into_parsed()),
        };
        import.n_files += 1;
        *import.formats.entry(format.to_owned()).or_default() += 1;
        import.n_rows += parsed.n_rows;
        for (model, file) in std::mem::take(&mut parsed.unknown_models) {
            unknown_models.entry(model).or_insert(file);
        }
        let failed = parsed.measurements.is_empty()
            && parsed
                .diagnostics
                .iter()
                .any(|d| d.severity == Severity::Error);
        import.n_files_refused += usize::from(failed);
        for m in std::mem::take(&mut parsed.measurements) {
            match validate(&m) {
                Ok(()) => import.measurements.push(m),
                Err(d) => parsed.refuse_row(located(*d, m.origin.as_deref(), &file.info.name)),
            }
        }
        let more = parsed.rows_not_shown(&file.info.name);
        import.diagnostics.extend(parsed.diagnostics);
        import.diagnostics.extend(more);
    }
    for (model, file) in unknown_models {
        import
            .diagnostics
            .push(unknown_model(&model, &file, catalog));
    }
    if n_skipped > 0 {
        let files = if n_skipped == 1 { "file" } else { "files" };
        import.diagnostics.push(Diagnostic::note(format!(
            "{n_skipped} {files} of no known format skipped"
        )));
    }
}

/// Puts file and place, as the row's origin has them, into a diagnostic.
fn located(d: Diagnostic, origin: Option<&str>, file: &str) -> Diagnostic {
    let Some(origin) = origin else {
        return d.file(file);
    };
    let place = origin.strip_prefix(file).and_then(|o| o.strip_prefix(": "));
    // A companion comes from the samples beside the file.
    match place
        .map(|p| (file, p))
        .or_else(|| origin.rsplit_once(": "))
    {
        Some((file, place)) => d.file(file).place(place),
        None => d.file(origin),
    }
}

/// Samples files with the results file that each belongs to, if one does.
fn partners(outcomes: &[Outcome], files: &[Input]) -> Vec<(usize, Option<usize>)> {
    let mut runs: BTreeMap<&Path, Vec<usize>> = BTreeMap::new();
    for (i, outcome) in outcomes.iter().enumerate() {
        if let (Outcome::Run { .. }, Some(folder)) = (outcome, files[i].info.path.parent()) {
            runs.entry(folder).or_default().push(i);
        }
    }
    let partner = |i: usize, samples: &Samples| {
        let beside = runs.get(files[i].info.path.parent()?)?;
        let holds = |&&run: &&usize| match &outcomes[run] {
            Outcome::Run { run, .. } => run.scores.iter().any(|s| s.task == samples.task),
            _ => false,
        };
        let dated = |&&run: &&usize| {
            samples.date.is_some()
                && lm_eval_samples::date_of_results(&files[run].info) == samples.date
        };
        if let Some(&same_run) = beside.iter().find(dated) {
            return Some(same_run);
        }
        match beside.iter().filter(holds).collect::<Vec<_>>().as_slice() {
            [only] => Some(**only),
            _ => None,
        }
    };
    outcomes
        .iter()
        .enumerate()
        .filter_map(|(i, outcome)| match outcome {
            Outcome::Samples(samples) => Some((i, partner(i, samples))),
            _ => None,
        })
        .collect()
}

fn unknown_model(model: &str, file: &str, catalog: &Catalog) -> Diagnostic {
    let mut message = format!("the catalogue does not know the model {model}");
    let near = catalog.suggest_models(model);
    if let Some(nearest) = near.first() {
        message.push_str(&format!(" (nearest: {nearest})"));
    }
    Diagnostic::warning(message).file(file).help(format!(
        "its scale is only what the file says; to give it, add to a catalogue: \
         [[model]] with name = \"{model}\", family, params and tokens"
    ))
}
