//! Samples of lm-evaluation-harness (`samples_*.jsonl`): read line by line into sums.
//!
//! A results file prints rounded means; its samples say how many items there were and how
//! they scatter, and carry the log-probabilities of the answers, from which
//! come the graded companions of an all-or-nothing score:
//!
//! - `choice_prob`: probability of the right choice among the choices offered,
//!   exp(ℓ_right)/Σ exp(ℓ_i) over the summed log-probabilities ℓ of the choices;
//! - `target_logprob`: ℓ of the right answer, nats;
//! - `brier_score`: Σ_i (p_i − \[i is right\])², between 0 and 2;
//!
//! each a mean over items. Files of any size are read in constant memory.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read};

use jiter::{Jiter, JiterError, JsonValue, NumberAny, Peek};
use upturn_catalog::{Catalog, metric_info};
use upturn_types::{Diagnostic, Known, Measurement};

use crate::identity::{Identity, Recorded};
use crate::json::{self, Json};
use crate::lines::{Line, Lines};
use crate::lm_eval::{self, Run, Score, canonical_name, fill_from_catalog};
use crate::parsed::{FileInfo, Parsed};
use crate::texts::Texts;

/// Most bytes of a line unless the caller says otherwise: 64 MiB.
pub const LINE_LIMIT_BYTES: u64 = 64 << 20;

/// Most bytes that the names of filters and metrics of one file may fill: a file that has
/// others in each line must not fill the memory.
const NAME_BYTES_MAX: usize = 4 << 20;

/// Largest difference between a printed mean and that of its samples which passes as equal.
const AGREEMENT: f64 = 1e-9;

/// Name under which a results file and the samples beside it lack a filter.
const NO_FILTER: &str = "none";

/// Sums over the items of one samples file.
#[derive(Debug, Default)]
pub struct Samples {
    /// Task, by the name of the file.
    pub task: String,
    /// The date that the harness puts into the names of files of one run.
    pub(crate) date: Option<String>,
    /// By answer filter.
    pub(crate) filters: BTreeMap<String, FilterSums>,
    /// One line for all that was refused.
    pub diagnostics: Vec<Diagnostic>,
    /// Items read.
    pub n_items: u64,
    /// Lines refused.
    pub n_refused: u64,
    /// Bytes of the names in `filters`, each with the sums behind it.
    name_bytes: usize,
}

/// Sums over the items under one filter.
#[derive(Debug, Default)]
pub(crate) struct FilterSums {
    n_items: u64,
    metrics: BTreeMap<String, Moments>,
    /// Items whose right answer is a choice with known log-probabilities.
    choice_prob: Moments,
    brier: Moments,
    chance: Moments,
    /// Items whose right answer has a known log-probability.
    target_logprob: Moments,
    /// The right choice was misread: it contradicts the harness's own score.
    contradicted: bool,
}

/// Mean and scatter, updated item by item (Welford's recurrence).
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(crate) struct Moments {
    n: u64,
    sum: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.n += 1;
        self.sum += value;
        #[expect(clippy::cast_precision_loss, reason = "item counts are far below 2^53")]
        let n = self.n as f64;
        let before = value - self.mean;
        self.mean += before / n;
        self.squares += before * (value - self.mean);
    }

    #[expect(clippy::cast_precision_loss, reason = "item counts are far below 2^53")]
    fn mean(&self) -> Option<f64> {
        (self.n > 0).then(|| self.sum / self.n as f64)
    }

    /// s/√n with divisor n − 1, as the harness computes it.
    #[expect(clippy::cast_precision_loss, reason = "item counts are far below 2^53")]
    fn stderr(&self) -> Option<f64> {
        let n = self.n as f64;
        let stderr = (self.squares.max(0.0) / (n - 1.0) / n).sqrt();
        (self.n > 1 && stderr.is_finite()).then_some(stderr)
    }
}

/// Reads samples from memory; as [`read_samples`].
#[must_use]
pub fn parse_samples(bytes: &[u8], info: &FileInfo, line_limit_bytes: u64) -> Samples {
    read_samples(bytes, info, line_limit_bytes)
}

/// Reads samples line by line, keeping sums only.
///
/// A line that is no sample, or longer than the limit, is left out; one
/// diagnostic names the first with its byte and counts the others.
pub fn read_samples(input: impl Read, info: &FileInfo, line_limit_bytes: u64) -> Samples {
    read_lines(
        BufReader::with_capacity(1 << 18, input),
        info,
        line_limit_bytes,
    )
}

fn read_lines(input: impl BufRead, info: &FileInfo, limit: u64) -> Samples {
    let (task, date) = names(info);
    let mut samples = Samples {
        task,
        date,
        ..Samples::default()
    };
    let mut first: Option<Diagnostic> = None;
    let mut lines = Lines::new(input, limit);
    loop {
        let line = match lines.next() {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err(e) => {
                samples.n_refused += 1;
                first.get_or_insert(Diagnostic::error(format!("cannot be read further: {e}")));
                break;
            }
        };
        let refused = match line {
            Line::Whole(line) if line.iter().all(u8::is_ascii_whitespace) => continue,
            Line::Whole(line) => match read_item(line).and_then(|item| samples.add(item)) {
                Ok(()) => {
                    samples.n_items += 1;
                    continue;
                }
                Err(problem) => (problem.byte as u64, lm_eval::damage(problem)),
            },
            Line::TooLong { bytes } => (
                0,
                Diagnostic::error(format!("a line of {bytes} bytes"))
                    .expected(format!("lines of at most {limit} bytes"))
                    .help("raise the limit on lines, or take the line out"),
            ),
        };
        samples.n_refused += 1;
        if first.is_none() {
            let (offset, d) = refused;
            first = Some(d.place(format!(
                "line {}, byte {}",
                lines.number,
                lines.byte + offset
            )));
        }
    }
    if let Some(mut d) = first {
        if samples.n_refused > 1 {
            d.message = format!(
                "{} (and {} more lines refused)",
                d.message,
                samples.n_refused - 1
            );
        }
        samples.diagnostics.push(d.file(&info.name));
    }
    samples
}

/// Task and date in `samples_TASK_DATE.jsonl`.
fn names(info: &FileInfo) -> (String, Option<String>) {
    let stem = info
        .path
        .file_stem()
        .map(|s| s.to_string_lossy().into_owned())
        .unwrap_or_default();
    let name = stem.strip_prefix("samples_").unwrap_or(&stem);
    match name.rsplit_once('_') {
        Some((task, date)) if is_date(date) => (task.to_owned(), Some(date.to_owned())),
        _ => (name.to_owned(), None),
    }
}

/// The date in `results_DATE.json`.
pub(crate) fn date_of_results(info: &FileInfo) -> Option<String> {
    let stem = info.path.file_stem()?.to_string_lossy();
    let (_, date) = stem.rsplit_once('_')?;
    is_date(date).then(|| date.to_owned())
}

/// Whether a text starts like `2024-05-01T12`, as the harness dates files.
fn is_date(text: &str) -> bool {
    let pattern = b"dddd-dd-ddTdd";
    text.len() >= pattern.len()
        && text.bytes().zip(pattern).all(|(c, &p)| match p {
            b'd' => c.is_ascii_digit(),
            _ => c == p,
        })
}

/// What is kept of one line.
#[derive(Debug, Default)]
struct Item {
    filter: String,
    values: Vec<(String, f64)>,
    answer: Answer,
}

/// What the log-probabilities of an item say of its right answer.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum Answer {
    /// Nothing: no log-probabilities, or the right choice cannot be told.
    #[default]
    Unknown,
    /// One answer was scored.
    Target { logprob: f64 },
    /// Choices were scored.
    Choice {
        logprob: f64,
        prob: f64,
        brier: f64,
        chance: f64,
        contradicted: bool,
    },
}

impl Samples {
    /// Counts an item; an error when its names are too many to be those of a harness.
    fn add(&mut self, item: Item) -> Result<(), json::JsonProblem> {
        let known = self.filters.get(&item.filter);
        let mut new_bytes = match known {
            Some(_) => 0,
            None => item.filter.len() + size_of::<FilterSums>(),
        };
        for (metric, _) in &item.values {
            if known.is_none_or(|sums| !sums.metrics.contains_key(metric)) {
                new_bytes += metric.len() + size_of::<Moments>();
            }
        }
        if self.name_bytes + new_bytes > NAME_BYTES_MAX {
            return Err(json::JsonProblem {
                message: format!(
                    "the names of filters and metrics fill more than {NAME_BYTES_MAX} bytes"
                ),
                byte: 0,
            });
        }
        self.name_bytes += new_bytes;
        let sums = self.filters.entry(item.filter).or_default();
        sums.n_items += 1;
        for (metric, value) in item.values {
            sums.metrics.entry(metric).or_default().add(value);
        }
        match item.answer {
            Answer::Unknown => {}
            Answer::Target { logprob } => sums.target_logprob.add(logprob),
            Answer::Choice {
                logprob,
                prob,
                brier,
                chance,
                contradicted,
            } => {
                sums.target_logprob.add(logprob);
                sums.choice_prob.add(prob);
                sums.brier.add(brier);
                sums.chance.add(chance);
                sums.contradicted |= contradicted;
            }
        }
        Ok(())
    }
}

fn read_item(line: &[u8]) -> Result<Item, json::JsonProblem> {
    let mut fields = Fields::default();
    fields.read(line).map_err(|e| {
        let message = match &e.error_type {
            jiter::JiterErrorType::JsonError(kind) => kind.to_string(),
            other @ jiter::JiterErrorType::WrongType { .. } => other.to_string(),
        };
        json::problem(line, &message, e.index)
    })?;
    if fields.filtered.is_none() && fields.values.is_empty() {
        return Err(json::JsonProblem {
            message: "is no sample of lm-evaluation-harness".to_owned(),
            byte: 0,
        });
    }
    if let Some(metrics) = &fields.metrics {
        fields.values.retain(|(name, _)| metrics.contains(name));
    }
    let answer = fields.answer();
    Ok(Item {
        filter: fields.filter.unwrap_or_else(|| NO_FILTER.to_owned()),
        values: fields.values,
        answer,
    })
}

/// The fields of a sample that are of use; long ones are passed over.
#[derive(Default)]
struct Fields<'j> {
    filter: Option<String>,
    target: Option<JsonValue<'j>>,
    filtered: Option<JsonValue<'j>>,
    arguments: Option<&'j [u8]>,
    metrics: Option<BTreeSet<String>>,
    values: Vec<(String, f64)>,
}

impl<'j> Fields<'j> {
    fn read(&mut self, line: &'j [u8]) -> Result<(), JiterError> {
        let mut jiter = Jiter::new(line).with_allow_inf_nan();
        let mut key = jiter.next_object()?.map(str::to_owned);
        while let Some(name) = key {
            let peek = jiter.peek()?;
            match name.as_str() {
                "doc_id" | "doc" | "resps" | "doc_hash" | "prompt_hash" | "target_hash" => {
                    jiter.known_skip(peek)?;
                }
                "arguments" => {
                    let start = jiter.current_index();
                    jiter.known_skip(peek)?;
                    self.arguments = Some(jiter.slice_to_current(start));
                }
                "filter" => {
                    self.filter = jiter.known_value(peek)?.text().map(str::to_owned);
                }
                "target" => self.target = Some(jiter.known_value(peek)?),
                "filtered_resps" => self.filtered = Some(jiter.known_value(peek)?),
                "metrics" => {
                    self.metrics = jiter.known_value(peek)?.items().map(|names| {
                        names
                            .iter()
                            .filter_map(Json::text)
                            .map(str::to_owned)
                            .collect()
                    });
                }
                _ if peek.is_num() => {
                    #[expect(clippy::cast_precision_loss, reason = "scores are small")]
                    let value = match jiter.known_number(peek)? {
                        NumberAny::Int(jiter::NumberInt::Int(i)) => i as f64,
                        NumberAny::Int(jiter::NumberInt::BigInt(_)) => f64::INFINITY,
                        NumberAny::Float(f) => f,
                    };
                    self.values.push((name, value));
                }
                _ if peek == Peek::True || peek == Peek::False => {
                    let value = jiter.known_bool(peek)?;
                    self.values.push((name, f64::from(u8::from(value))));
                }
                _ => jiter.known_skip(peek)?,
            }
            key = jiter.next_key()?.map(str::to_owned);
        }
        jiter.finish()
    }

    fn answer(&self) -> Answer {
        let Some(mut logprobs) = self.logprobs() else {
            return Answer::Unknown;
        };
        // Mutual information scores every choice again without its question.
        if self.has("acc_mutual_info") {
            logprobs.truncate(logprobs.len() / 2);
        }
        match logprobs.as_slice() {
            [] => Answer::Unknown,
            &[logprob] => Answer::Target { logprob },
            _ => self.choice(&logprobs).unwrap_or_default(),
        }
    }

    fn has(&self, metric: &str) -> bool {
        self.values.iter().any(|(name, _)| name == metric)
    }

    /// Log-probabilities of the requests; `None` when the responses are texts.
    fn logprobs(&self) -> Option<Vec<f64>> {
        self.filtered
            .as_ref()?
            .items()?
            .iter()
            .map(|response| match response.items()? {
                [logprob, _is_greedy] => logprob.loose_number().filter(|l| l.is_finite()),
                _ => None,
            })
            .collect()
    }

    fn choice(&self, logprobs: &[f64]) -> Option<Answer> {
        let right = self.right_choice(logprobs.len())?;
        let logprob = *logprobs.get(right)?;
        let max = logprobs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = logprobs.iter().map(|l| (l - max).exp()).collect();
        let total: f64 = weights.iter().sum();
        let brier = weights
            .iter()
            .enumerate()
            .map(|(i, w)| (w / total - f64::from(u8::from(i == right))).powi(2))
            .sum();
        #[expect(clippy::float_cmp, reason = "the very value that is the maximum")]
        let picked = logprobs.iter().position(|&l| l == max)?;
        let acc = self.values.iter().find(|(name, _)| name == "acc");
        #[expect(clippy::cast_precision_loss, reason = "choices are few")]
        let chance = 1.0 / logprobs.len() as f64;
        Some(Answer::Choice {
            logprob,
            prob: weights[right] / total,
            brier,
            chance,
            contradicted: acc.is_some_and(|&(_, acc)| (acc > 0.5) != (picked == right)),
        })
    }

    /// Index of the right choice: the target's number, or the choice that it spells.
    fn right_choice(&self, n: usize) -> Option<usize> {
        let target = self.target.as_ref()?;
        let number = target
            .count()
            .or_else(|| target.text()?.trim().parse().ok())
            .and_then(|i| usize::try_from(i).ok());
        if let Some(number) = number
            && number < n
        {
            return Some(number);
        }
        let spelled = target.text()?.trim();
        let arguments = json::parse(self.arguments?).ok()?;
        let choices = arguments.object()?.iter().take(n);
        let mut matching = choices.enumerate().filter(|(_, (_, request))| {
            request.get("arg_1").and_then(Json::text).map(str::trim) == Some(spelled)
        });
        match (matching.next(), matching.next()) {
            (Some((right, _)), None) => Some(right),
            _ => None,
        }
    }
}

impl FilterSums {
    /// Whether every item's right answer is a choice that was read without contradiction.
    fn has_choices(&self) -> bool {
        self.choice_prob.n == self.n_items && !self.contradicted && self.n_items > 0
    }

    /// What a printed score with this aggregation is over these items; `None` where unknown.
    fn value_of(&self, metric: &str, aggregation: Option<&str>) -> Option<f64> {
        let sums = self.metrics.get(metric).filter(|s| s.n == self.n_items)?;
        match aggregation {
            Some("mean") => sums.mean(),
            Some("perplexity") => sums.mean().map(|m| (-m).exp()),
            Some(_) => None,
            None => match metric_info(metric) {
                Some(info) if info.binomial => sums.mean(),
                Some(info) if info.canonical == "perplexity" => sums.mean().map(|m| (-m).exp()),
                _ => None,
            },
        }
    }

    fn fill_chance(&self, m: &mut Measurement) {
        let counts = metric_info(&m.metric).is_some_and(|i| i.binomial && i.higher_is_better);
        if m.chance.is_none() && counts && self.has_choices() {
            m.chance = self.chance.mean();
            m.chance_kind = m.chance.map(|_| Known::Derived);
        }
    }

    /// Rows of the graded companions, after `template`, for metrics that are not there yet.
    fn companions(
        &self,
        template: &Measurement,
        has: impl Fn(&str) -> bool,
        texts: &Texts,
    ) -> Vec<Measurement> {
        let mut rows = Vec::new();
        let mut row = |metric: &str, sums: &Moments, better: bool, bounded: bool| {
            let Some(value) = sums.mean().filter(|_| !has(metric)) else {
                return;
            };
            let mut m = template.clone();
            m.metric = texts.get(metric);
            m.value = value;
            m.stderr = sums.stderr();
            m.higher_is_better = Some(better);
            m.n = Some(sums.n);
            m.n_kind = Some(Known::Reported);
            m.chance = bounded.then(|| self.chance.mean()).flatten();
            m.chance_kind = m.chance.map(|_| Known::Derived);
            m.ceiling = bounded.then_some(1.0);
            m.note = Some(texts.get("computed from the samples"));
            rows.push(m);
        };
        if self.has_choices() {
            row("choice_prob", &self.choice_prob, true, true);
            row("brier_score", &self.brier, false, false);
        }
        if self.target_logprob.n == self.n_items && !self.contradicted {
            row("target_logprob", &self.target_logprob, true, false);
        }
        rows
    }
}

/// Holds samples against the results beside them: checks, fills, adds companions.
///
/// Returns whether the run holds the task at all.
pub(crate) fn merge(run: &mut Run, samples: &Samples, info: &FileInfo, texts: &Texts) -> bool {
    let mut found = false;
    for (filter, sums) in &samples.filters {
        let same = |s: &Score| {
            s.task == samples.task
                && (s.filter == *filter || (s.filter.is_empty() && filter == NO_FILTER))
        };
        let mut template = None;
        let mut present = Vec::new();
        for score in run.scores.iter_mut().filter(|s| same(s)) {
            found = true;
            present.push(score.measurement.metric.clone());
            template.get_or_insert_with(|| score.measurement.clone());
            if samples.n_refused == 0 {
                run.diagnostics.extend(check(score, sums, info));
            }
            fill(score, sums);
        }
        if let Some(template) = template {
            let has = |metric: &str| present.iter().any(|p| **p == *metric);
            for mut m in sums.companions(&template, has, texts) {
                m.origin = Some(info.origin(&format!("companion {}", m.metric)));
                run.n_rows += 1;
                run.scores.push(Score {
                    task: samples.task.clone(),
                    metric: m.metric.to_string(),
                    filter: filter.clone(),
                    aggregation: None,
                    measurement: m,
                });
            }
        }
    }
    found
}

fn check(score: &Score, sums: &FilterSums, info: &FileInfo) -> Option<Diagnostic> {
    let m = &score.measurement;
    let place = format!("{} {}", score.task, score.metric);
    let said = |message: String| Some(Diagnostic::warning(message).file(&info.name).place(place));
    let items = sums.n_items;
    if let Some(n) = m.n.filter(|&n| n != items) {
        return said(format!("{items} samples, but the results say n = {n}"));
    }
    let mean = sums.value_of(&score.metric, score.aggregation.as_deref())?;
    if (mean - m.value).abs() > AGREEMENT {
        return said(format!(
            "the samples give {mean}, but the results say {}",
            m.value
        ));
    }
    None
}

fn fill(score: &mut Score, sums: &FilterSums) {
    let is_mean = match score.aggregation.as_deref() {
        Some(aggregation) => aggregation == "mean",
        None => metric_info(&score.metric).is_some_and(|i| i.binomial),
    };
    let m = &mut score.measurement;
    if m.n.is_none() || m.n_kind == Some(Known::Assumed) {
        m.n = Some(sums.n_items);
        m.n_kind = Some(Known::Reported);
    }
    if m.stderr.is_none() && is_mean {
        m.stderr = sums
            .metrics
            .get(&score.metric)
            .filter(|s| s.n == sums.n_items)
            .and_then(Moments::stderr);
    }
    sums.fill_chance(m);
}

/// Measurements from samples that lie without their results file.
///
/// Model and step are read off the folder; the number of shots is not known.
pub(crate) fn alone(
    samples: &Samples,
    info: &FileInfo,
    catalog: &Catalog,
    texts: &Texts,
) -> Parsed {
    let identity = Identity::find(&Recorded::default(), &info.path, catalog, texts);
    let mut parsed = Parsed::default();
    for (filter, sums) in &samples.filters {
        let mut template = identity.row();
        template.task = texts.get(&samples.task);
        template.source = info.source.clone();
        template.n = Some(sums.n_items);
        template.n_kind = Some(Known::Reported);
        template.filter = (filter != NO_FILTER).then(|| texts.get(filter));
        let mut rows = Vec::new();
        for (metric, moments) in &sums.metrics {
            let Some(value) = sums.value_of(metric, None) else {
                continue;
            };
            let known = metric_info(metric);
            let mut m = template.clone();
            m.metric = texts.get(&canonical_name(metric));
            m.value = value;
            m.higher_is_better = known.as_ref().map(|i| i.higher_is_better);
            m.stderr = known
                .is_some_and(|i| i.binomial)
                .then(|| moments.stderr())
                .flatten();
            if let Some(entry) = catalog.find_task(&samples.task) {
                fill_from_catalog(&mut m, entry, true);
            }
            sums.fill_chance(&mut m);
            rows.push(m);
        }
        let has = |metric: &str| rows.iter().any(|m: &Measurement| &*m.metric == metric);
        let companions = sums.companions(&template, has, texts);
        rows.extend(companions);
        for mut m in rows {
            m.origin = Some(info.origin(&format!("{} {}", m.task, m.metric)));
            parsed.n_rows += 1;
            parsed.measurements.push(m);
        }
    }
    if !identity.known && !parsed.measurements.is_empty() {
        parsed
            .unknown_models
            .insert(identity.model, info.name.clone());
    }
    parsed
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;

    fn info(path: &str) -> FileInfo {
        FileInfo::new(Path::new(path), "runs")
    }

    fn read(text: &str) -> Samples {
        parse_samples(
            text.as_bytes(),
            &info("m/samples_t.jsonl"),
            LINE_LIMIT_BYTES,
        )
    }

    #[test]
    fn another_filter_in_each_line_does_not_fill_the_memory() {
        use std::fmt::Write;
        let mut text = String::new();
        for i in 0..50_000 {
            writeln!(text, "{{\"filter\": \"f{i}\", \"acc\": 1}}").unwrap();
        }
        let samples = read(&text);
        assert_eq!(samples.n_items, samples.filters.len() as u64);
        assert_eq!(samples.n_items + samples.n_refused, 50_000);
        assert!((1_000..40_000).contains(&samples.n_items));
        assert!(samples.name_bytes <= NAME_BYTES_MAX);
        let line = samples.diagnostics[0].to_string();
        assert!(line.contains("names of filters and metrics fill"), "{line}");
        // One filter in as many lines is what a harness writes.
        let same = "{\"filter\": \"f\", \"acc\": 1}\n".repeat(50_000);
        assert_eq!(read(&same).n_items, 50_000);
    }

    /// A search through a list for each name would take minutes here.
    #[test]
    fn many_metrics_in_a_line() {
        let n = 200_000;
        let values: String = (0..n).map(|i| format!("\"m{i}\":1,")).collect();
        let names: Vec<String> = (0..n).map(|i| format!("\"k{i}\"")).collect();
        let samples = read(&format!("{{{values}\"metrics\":[{}]}}", names.join(",")));
        assert_eq!((samples.n_items, samples.n_refused), (1, 0));
        assert!(samples.filters[NO_FILTER].metrics.is_empty());
    }

    /// A multiple-choice item whose log-probabilities are those of `probs`.
    fn choice(target: &str, probs: &[f64], acc: f64) -> String {
        let responses: Vec<String> = probs
            .iter()
            .map(|p| format!(r#"["{}", "False"]"#, p.ln()))
            .collect();
        let arguments: Vec<String> = (0..probs.len())
            .map(|i| format!(r#""gen_args_{i}": {{"arg_0": "Q", "arg_1": " c{i}"}}"#))
            .collect();
        format!(
            r#"{{"doc_id": 0, "target": "{target}", "arguments": {{{}}}, "filtered_resps": [{}], "filter": "none", "metrics": ["acc"], "acc": {acc}}}"#,
            arguments.join(", "),
            responses.join(", ")
        )
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    #[test]
    fn choices_give_graded_companions() {
        let samples = read(&format!(
            "{}\n{}\n",
            choice("1", &[0.25, 0.5, 0.25], 1.0),
            choice("c0", &[0.1, 0.4], 0.0)
        ));
        let sums = &samples.filters["none"];
        assert_eq!((samples.n_items, samples.n_refused), (2, 0));
        assert!(sums.has_choices());
        let (a, b) = (0.5, 0.2);
        assert!(close(sums.choice_prob.mean().unwrap(), (a + b) / 2.0));
        assert!(close(
            sums.choice_prob.stderr().unwrap(),
            ((a - b) * (a - b) / 2.0 / 2.0_f64).sqrt()
        ));
        assert!(close(
            sums.brier.mean().unwrap(),
            (0.0625 + 0.25 + 0.0625 + 0.64 + 0.64) / 2.0
        ));
        assert!(close(
            sums.target_logprob.mean().unwrap(),
            (0.5_f64.ln() + 0.1_f64.ln()) / 2.0
        ));
        assert!(close(sums.chance.mean().unwrap(), (1.0 / 3.0 + 0.5) / 2.0));

        let rows = alone(
            &samples,
            &info("me__mine-7m/samples_t.jsonl"),
            &Catalog::builtin(),
            &Texts::default(),
        );
        let names: Vec<&str> = rows.measurements.iter().map(|m| &*m.metric).collect();
        assert_eq!(
            names,
            ["acc", "choice_prob", "brier_score", "target_logprob"]
        );
        let acc = &rows.measurements[0];
        assert_eq!(
            (&*acc.task, &*acc.model, &*acc.family),
            ("t", "me/mine-7m", "mine")
        );
        assert_eq!((acc.value, acc.n), (0.5, Some(2)));
        assert_eq!(acc.chance_kind, Some(Known::Derived));
        assert!(rows.unknown_models.contains_key("me/mine-7m"));
    }

    #[test]
    fn a_misread_target_gives_no_companions() {
        // The harness scored choice 0 as right; the target says 1.
        let samples = read(&choice("1", &[0.7, 0.3], 1.0));
        let sums = &samples.filters["none"];
        assert!(!sums.has_choices());
        assert!(sums.metrics["acc"].mean() == Some(1.0));
        let rows = sums.companions(
            &Measurement::new("f", "m", "t", "acc", 0.0),
            |_| false,
            &Texts::default(),
        );
        assert!(rows.is_empty());
    }

    #[test]
    fn mutual_information_does_not_double_the_choices() {
        let line = choice("1", &[0.25, 0.5, 0.1, 0.1], 1.0)
            .replace("\"acc\": 1", "\"acc\": 1, \"acc_mutual_info\": 0.0")
            .replace("[\"acc\"]", "[\"acc\", \"acc_mutual_info\"]");
        let samples = read(&line);
        let sums = &samples.filters["none"];
        assert!(close(sums.choice_prob.mean().unwrap(), 0.5 / 0.75));
        assert!(close(sums.chance.mean().unwrap(), 0.5));
    }

    #[test]
    fn one_answer_gives_its_log_probability_and_texts_give_none() {
        let samples = read(
            r#"{"doc_id": 0, "target": " sunrise", "filtered_resps": [["-0.5", "True"]], "filter": "none", "acc": 1}
{"doc_id": 1, "target": " x", "filtered_resps": [["-1.5", "True"]], "filter": "none", "acc": true}
{"doc_id": 0, "target": "x", "filtered_resps": ["words"], "filter": "first_word", "exact_match": 0.0}"#,
        );
        assert_eq!(samples.filters["none"].target_logprob.mean(), Some(-1.0));
        assert_eq!(samples.filters["none"].metrics["acc"].mean(), Some(1.0));
        assert_eq!(samples.filters["first_word"].target_logprob.n, 0);
    }

    #[test]
    fn refused_lines_are_one_line_with_the_byte() {
        let good = choice("0", &[0.5, 0.5], 1.0);
        let text = format!("{good}\n{}\nno json\n{{}}\n{good}\n", "x".repeat(2000));
        let samples = parse_samples(text.as_bytes(), &info("m/samples_t.jsonl"), 1000);
        assert_eq!((samples.n_items, samples.n_refused), (2, 3));
        let lines: Vec<String> = samples
            .diagnostics
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            lines,
            [format!(
                "m/samples_t.jsonl: line 2, byte {}: a line of 2000 bytes (and 2 more lines refused); \
                 expected lines of at most 1000 bytes; raise the limit on lines, or take the line out",
                good.len() + 1
            )]
        );
        let cut = parse_samples(&good.as_bytes()[..50], &info("m/samples_t.jsonl"), 1000);
        assert_eq!(
            cut.diagnostics[0].to_string(),
            "m/samples_t.jsonl: line 1, byte 50: ends in the middle, after 50 bytes; \
             expected a whole JSON document; copy or write the file again"
        );
    }

    #[test]
    fn names_of_files_give_task_and_date() {
        let of = |path| names(&info(path));
        assert_eq!(of("a/samples_up_cloze.jsonl"), ("up_cloze".into(), None));
        assert_eq!(
            of("a/samples_arc_easy_2024-05-01T12-00-01.123456.jsonl"),
            ("arc_easy".into(), Some("2024-05-01T12-00-01.123456".into()))
        );
        assert_eq!(
            date_of_results(&info("results_2024-05-01T12-00-01.123456.json")),
            Some("2024-05-01T12-00-01.123456".into())
        );
        assert_eq!(date_of_results(&info("results.json")), None);
    }

    fn run(acc: f64, n: u64) -> Run {
        let json = format!(r#"{{"results": {{"t": {{"acc,none": {acc}, "sample_len": {n}}}}}}}"#);
        lm_eval::parse_run(
            json.as_bytes(),
            &info("m/results.json"),
            &Catalog::builtin(),
            &Texts::default(),
        )
    }

    #[test]
    fn samples_check_fill_and_extend_their_results() {
        let samples = read(&format!(
            "{}\n{}\n",
            choice("1", &[0.25, 0.75], 1.0),
            choice("0", &[0.25, 0.75], 0.0)
        ));
        let texts = Texts::default();
        let mut agreeing = run(0.5, 2);
        assert!(merge(
            &mut agreeing,
            &samples,
            &info("m/samples_t.jsonl"),
            &texts
        ));
        assert!(
            agreeing.diagnostics.is_empty(),
            "{:?}",
            agreeing.diagnostics
        );
        let acc = &agreeing.scores[0].measurement;
        assert_eq!((acc.stderr, acc.chance), (Some(0.5), Some(0.5)));
        assert_eq!(acc.chance_kind, Some(Known::Derived));
        assert_eq!(agreeing.scores.len(), 4);
        assert_eq!(
            agreeing.scores[1].measurement.note.as_deref(),
            Some("computed from the samples")
        );

        let mut other_mean = run(0.75, 2);
        merge(
            &mut other_mean,
            &samples,
            &info("m/samples_t.jsonl"),
            &texts,
        );
        assert_eq!(
            other_mean.diagnostics[0].to_string(),
            "m/samples_t.jsonl: t acc: the samples give 0.5, but the results say 0.75"
        );
        let mut other_n = run(0.5, 100);
        merge(&mut other_n, &samples, &info("m/samples_t.jsonl"), &texts);
        assert_eq!(
            other_n.diagnostics[0].to_string(),
            "m/samples_t.jsonl: t acc: 2 samples, but the results say n = 100"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), limit in 0u64..200) {
            let samples = parse_samples(&bytes, &info("m/samples_t.jsonl"), limit);
            prop_assert!(samples.diagnostics.len() <= 1);
        }

        #[test]
        fn damaged_lines_are_read_or_refused(at in 0usize..400, with: u8) {
            let mut bytes = choice("1", &[0.25, 0.75], 1.0).into_bytes();
            let n = bytes.len();
            bytes[at % n] = with;
            let samples = parse_samples(&bytes, &info("m/samples_t.jsonl"), 10_000);
            alone(&samples, &info("m/samples_t.jsonl"), &Catalog::builtin(), &Texts::default());
        }

        #[test]
        fn moments_agree_with_their_definition(values in prop::collection::vec(-100.0..100.0f64, 2..50)) {
            let mut moments = Moments::default();
            values.iter().for_each(|&v| moments.add(v));
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let var = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
            prop_assert!((moments.mean().unwrap() - mean).abs() < 1e-9);
            prop_assert!((moments.stderr().unwrap() - (var / n).sqrt()).abs() < 1e-9);
        }
    }
}
