//! Results of lm-evaluation-harness: the JSON of 2022–23 (`acc`) and of today (`acc,none`).
//!
//! Tasks keep the harness's names. Few-shot examples, items, direction and aggregation
//! are taken from the file; model and scale, and a chance level, from the catalogue.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use jiter::JsonValue;
use upturn_catalog::{Catalog, TaskEntry, metric_info, parse_model_args};
use upturn_types::{Diagnostic, Known, Measurement, Text, flag};

use crate::identity::{Identity, Recorded};
use crate::json::{self, Json};
use crate::parsed::{FileInfo, Parsed};
use crate::texts::Texts;

/// One score of a results file, with the names that lead to its samples.
#[derive(Debug)]
pub(crate) struct Score {
    pub(crate) measurement: Measurement,
    /// Task, metric and filter in the words of the file.
    pub(crate) task: String,
    pub(crate) metric: String,
    pub(crate) filter: String,
    /// How items were aggregated (`mean`), where the file says so.
    pub(crate) aggregation: Option<String>,
}

/// One results file, before its samples are consulted.
#[derive(Debug, Default)]
pub(crate) struct Run {
    pub(crate) scores: Vec<Score>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) n_rows: usize,
    /// The model, if the catalogue does not know it, and the file.
    pub(crate) unknown_model: Option<(Text, String)>,
}

/// Reads a results file from its bytes.
///
/// A score that is no number refuses its row alone; a file that is no JSON, or has no
/// `results`, is one error with the byte where that showed.
#[must_use]
pub fn parse_results(bytes: &[u8], info: &FileInfo, catalog: &Catalog, texts: &Texts) -> Parsed {
    let run = parse_run(bytes, info, catalog, texts);
    run.into_parsed()
}

impl Run {
    /// The rows without the names that lead to their samples.
    pub(crate) fn into_parsed(self) -> Parsed {
        Parsed {
            measurements: self.scores.into_iter().map(|s| s.measurement).collect(),
            diagnostics: self.diagnostics,
            n_rows: self.n_rows,
            unknown_models: self.unknown_model.into_iter().collect(),
            ..Parsed::default()
        }
    }
}

pub(crate) fn parse_run(bytes: &[u8], info: &FileInfo, catalog: &Catalog, texts: &Texts) -> Run {
    let refused = |d: Diagnostic| Run {
        diagnostics: vec![d.file(&info.name)],
        ..Run::default()
    };
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let file = match json::parse(bytes) {
        Ok(file) => file,
        Err(problem) => return refused(damage(problem)),
    };
    let Some(results) = file.get("results").filter(|r| r.object().is_some()) else {
        return refused(
            Diagnostic::error("has no object 'results'")
                .expected("a results file of lm-evaluation-harness"),
        );
    };
    let reader = Reader {
        file: &file,
        results,
        tables: TASK_TABLES.map(|table| index(file.get(table))),
        aggregates: aggregates(index(Some(results)), file.get("group_subtasks")),
        info,
        catalog,
        texts,
        identity: identity(&file, info, catalog, texts),
    };
    reader.read()
}

/// The line about a file that is no JSON.
pub(crate) fn damage(problem: json::JsonProblem) -> Diagnostic {
    let d = Diagnostic::error(problem.message.clone()).place(format!("byte {}", problem.byte));
    if problem.message == "is not UTF-8" {
        d.expected("UTF-8 text")
            .help("convert the file (for example: iconv -f latin1 -t utf-8)")
    } else if problem.message.starts_with("ends in the middle") {
        d.expected("a whole JSON document")
            .help("copy or write the file again")
    } else {
        d
    }
}

fn identity(file: &JsonValue<'_>, info: &FileInfo, catalog: &Catalog, texts: &Texts) -> Identity {
    let config = file.get("config");
    let args = config.and_then(|c| c.get("model_args"));
    let mut recorded = Recorded {
        params: config
            .and_then(|c| c.get("model_num_parameters"))
            .and_then(Json::number),
        chat: file
            .get("chat_template")
            .is_some_and(|t| t.text().is_some()),
        ..Recorded::default()
    };
    match args {
        Some(JsonValue::Str(args)) => {
            let args = parse_model_args(args);
            let other = |key: &str| {
                args.others
                    .iter()
                    .find(|(k, v)| k == key && !v.is_empty() && v != "None")
                    .map(|(_, v)| v.clone())
            };
            recorded.adapter = other("peft").or_else(|| other("delta"));
            recorded.name = args.pretrained;
            recorded.revision = args.revision;
        }
        Some(args) => {
            let text = |key: &str| args.get(key).and_then(Json::text).map(str::to_owned);
            recorded.name = text("pretrained").or_else(|| text("model"));
            recorded.revision = text("revision");
            recorded.adapter = text("peft").or_else(|| text("delta"));
        }
        None => {}
    }
    if recorded.name.is_none() {
        recorded.name = file
            .get("model_name")
            .and_then(Json::text)
            .map(str::to_owned);
    }
    Identity::find(&recorded, &info.path, catalog, texts)
}

/// Objects of a results file that have one entry for each task.
const TASK_TABLES: [&str; 4] = ["configs", "n-shot", "n-samples", "higher_is_better"];

/// The entries of an object by key, the last one where keys repeat: a look-up in the
/// object itself takes time that grows with it, and there is one for each of its keys.
type Index<'f, 'j> = BTreeMap<&'f str, &'f JsonValue<'j>>;

fn index<'f, 'j>(value: Option<&'f JsonValue<'j>>) -> Index<'f, 'j> {
    let entries = value.and_then(Json::object).map(|o| o.as_slice());
    index_of(entries.unwrap_or_default())
}

fn index_of<'f, 'j>(entries: &'f [(Cow<'j, str>, JsonValue<'j>)]) -> Index<'f, 'j> {
    entries.iter().map(|(k, v)| (&**k, v)).collect()
}

/// The groups that are averages, at some depth, over a task other than themselves that
/// the file holds too.
///
/// Each task tells the groups above it, and each group passes on the first two tasks that
/// it hears of: one of two is not the group itself. So every arrow is followed twice at most.
fn aggregates<'f>(results: Index<'f, '_>, groups: Option<&'f JsonValue<'_>>) -> BTreeSet<&'f str> {
    let mut above: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (group, parts) in index(groups) {
        let parts = parts.items().unwrap_or_default();
        for part in parts.iter().filter_map(Json::text) {
            above.entry(part).or_default().push(group);
        }
    }
    let mut below: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut open: Vec<(&str, &str)> = results.into_keys().map(|task| (task, task)).collect();
    while let Some((part, task)) = open.pop() {
        for &group in above.get(part).into_iter().flatten() {
            let heard = below.entry(group).or_default();
            if heard.len() < 2 && !heard.contains(&task) {
                heard.push(task);
                open.push((group, task));
            }
        }
    }
    below
        .into_iter()
        .filter(|(group, tasks)| tasks.iter().any(|task| task != group))
        .map(|(group, _)| group)
        .collect()
}

struct Reader<'f, 'j> {
    file: &'f JsonValue<'j>,
    results: &'f JsonValue<'j>,
    /// In the order of [`TASK_TABLES`].
    tables: [Index<'f, 'j>; TASK_TABLES.len()],
    aggregates: BTreeSet<&'f str>,
    info: &'f FileInfo,
    catalog: &'f Catalog,
    texts: &'f Texts,
    identity: Identity,
}

/// What a file says about one of its tasks.
struct Task<'f, 'j> {
    name: &'f str,
    scores: Index<'f, 'j>,
    /// Directions by metric, in the words of the file.
    better: Index<'f, 'j>,
    /// How items are aggregated, by metric.
    aggregations: BTreeMap<&'f str, &'f str>,
    row: Measurement,
    entry: Option<&'f TaskEntry>,
    /// Metrics after their canonical names, unless two of the task share one.
    canonical: BTreeMap<String, String>,
    limited: bool,
}

impl<'f, 'j> Reader<'f, 'j> {
    fn read(&self) -> Run {
        let mut run = Run {
            unknown_model: (!self.identity.known)
                .then(|| (self.identity.model.clone(), self.info.name.clone())),
            ..Run::default()
        };
        let tasks = self
            .results
            .object()
            .map(|o| o.as_slice())
            .unwrap_or_default();
        for (name, scores) in tasks {
            let Some(scores) = scores.object() else {
                run.n_rows += 1;
                run.diagnostics.push(
                    Diagnostic::error("is no object of scores")
                        .file(&self.info.name)
                        .place(format!("results.{name}")),
                );
                continue;
            };
            let task = self.task(name, scores);
            for (key, value) in scores.iter() {
                let (metric, filter) = key.split_once(',').unwrap_or((key, ""));
                if is_score(metric, filter, value) {
                    run.n_rows += 1;
                    self.score(&task, key, metric, filter, value, &mut run);
                }
            }
        }
        run
    }

    fn task(&self, name: &'f str, scores: &'f [(Cow<'j, str>, JsonValue<'j>)]) -> Task<'f, 'j> {
        let own = index_of(scores);
        let config = self.file.get("config");
        let task_config = self.of_task("configs", name);
        let mut row = self.identity.row();
        row.task = self.texts.get(name);
        row.source = self.info.source.clone();
        row.shots = self
            .of_task("n-shot", name)
            .or_else(|| task_config?.get("num_fewshot"))
            .or_else(|| config?.get("num_fewshot"))
            .and_then(Json::count)
            .and_then(|shots| u32::try_from(shots).ok());
        row.split = task_config
            .and_then(|c| {
                ["test_split", "validation_split"]
                    .iter()
                    .find_map(|key| c.get(key)?.text())
            })
            .map(|split| self.texts.get(split));
        row.seed = config
            .and_then(|c| c.get("fewshot_seed"))
            .and_then(Json::count);
        row.n = self
            .of_task("n-samples", name)
            .and_then(|n| n.get("effective"))
            .or_else(|| own.get("sample_len").copied())
            .and_then(Json::count)
            .filter(|&n| n > 0);
        row.n_kind = row.n.map(|_| Known::Reported);
        if self.aggregates.contains(name) {
            row.add_flag(flag::AGGREGATE);
        }

        let mut uses: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for (key, _) in scores {
            let metric = key.split_once(',').map_or(&**key, |(metric, _)| metric);
            uses.entry(canonical_name(metric))
                .or_default()
                .insert(metric);
        }
        let canonical = uses
            .into_iter()
            .flat_map(|(canonical, spellings)| {
                let clash = spellings.len() > 1;
                spellings
                    .into_iter()
                    .map(move |spelling| {
                        let name = if clash { spelling } else { &canonical };
                        (spelling.to_owned(), name.to_owned())
                    })
                    .collect::<Vec<_>>()
            })
            .collect();
        let mut aggregations = BTreeMap::new();
        let metrics = task_config
            .and_then(|c| c.get("metric_list")?.items())
            .unwrap_or_default();
        for said in metrics {
            if let Some(metric) = said.get("metric").and_then(Json::text)
                && let Some(aggregation) = said.get("aggregation").and_then(Json::text)
            {
                aggregations.entry(metric).or_insert(aggregation);
            }
        }
        Task {
            name,
            scores: own,
            better: index(self.of_task("higher_is_better", name)),
            aggregations,
            row,
            entry: self.catalog.find_task(name),
            canonical,
            limited: config
                .and_then(|c| c.get("limit"))
                .is_some_and(|limit| !matches!(limit, JsonValue::Null)),
        }
    }

    fn of_task(&self, table: &str, task: &str) -> Option<&'f JsonValue<'j>> {
        let at = TASK_TABLES.iter().position(|t| *t == table)?;
        self.tables.get(at)?.get(task).copied()
    }

    fn score(
        &self,
        task: &Task<'_, '_>,
        key: &str,
        metric: &str,
        filter: &str,
        value: &JsonValue<'_>,
        run: &mut Run,
    ) {
        let place = format!("results.{}.{key}", task.name);
        let said = |d: Diagnostic| d.file(&self.info.name).place(&place);
        let Some(value) = value.number() else {
            let found = Diagnostic::error(format!("{metric} is {}", shown(value)));
            run.diagnostics.push(said(found.expected("a number")));
            return;
        };
        let known = metric_info(metric);
        let scale = known.as_ref().map_or(1.0, |i| i.scale);
        let suffix = if key.contains(',') {
            format!("{metric}_stderr,{filter}")
        } else {
            format!("{metric}_stderr")
        };
        let mut stderr = task
            .scores
            .get(suffix.as_str())
            .and_then(|e| e.number())
            .map(|e| e * scale);
        if stderr.is_some_and(|e| !e.is_finite()) {
            run.diagnostics.push(said(Diagnostic::warning(
                "standard error is not finite; taken as unknown",
            )));
            stderr = None;
        }
        let mut m = task.row.clone();
        let name = task.canonical.get(metric).map_or(metric, String::as_str);
        m.metric = self.texts.get(name);
        m.filter = (!matches!(filter, "" | "none")).then(|| self.texts.get(filter));
        m.value = value * scale;
        m.higher_is_better = match task.better.get(metric) {
            Some(JsonValue::Bool(better)) => Some(*better),
            _ => None,
        }
        .or_else(|| known.as_ref().map(|i| i.higher_is_better));
        // An error of exactly 0 is the formula's answer only where all items agree;
        // elsewhere it stands for one that was not computed.
        m.stderr = stderr.filter(|&e| e != 0.0 || m.value == 0.0 || m.value == 1.0);
        if known.as_ref().is_some_and(|i| i.composite) {
            m.add_flag(flag::COMPOSITE);
        }
        if let Some(entry) = task.entry {
            fill_from_catalog(&mut m, entry, task.limited);
        }
        m.origin = Some(self.info.origin(&place));
        run.scores.push(Score {
            measurement: m,
            task: task.name.to_owned(),
            metric: metric.to_owned(),
            filter: filter.to_owned(),
            aggregation: task.aggregations.get(metric).map(|&a| a.to_owned()),
        });
    }
}

/// Sets what the file leaves open and the catalogue knows; marked as assumed.
pub(crate) fn fill_from_catalog(m: &mut Measurement, entry: &TaskEntry, limited: bool) {
    if m.chance.is_none()
        && let Some(chance) = entry.chance_for(&m.metric)
    {
        m.chance = Some(chance);
        m.chance_kind = Some(Known::Assumed);
    }
    let binomial = metric_info(&m.metric).is_some_and(|i| i.binomial);
    if m.n.is_none() && m.stderr.is_none() && binomial && !limited {
        m.n = entry.n_for(m.split.as_deref()).filter(|&n| n > 0);
        m.n_kind = m.n.map(|_| Known::Assumed);
    }
}

/// The catalogue's name of a metric, or its own where the catalogue has none.
pub(crate) fn canonical_name(metric: &str) -> String {
    metric_info(metric).map_or_else(|| metric.to_owned(), |i| i.canonical)
}

/// Whether a key of a task's object is a score: not a standard error, a name or a count.
fn is_score(metric: &str, filter: &str, value: &JsonValue<'_>) -> bool {
    if metric.ends_with("_stderr") || metric.is_empty() {
        return false;
    }
    if matches!(
        metric,
        "alias" | "name" | "sample_len" | "samples" | "sample_count"
    ) {
        return false;
    }
    // Today's scores have a filter after a comma; of other texts none is a score.
    !filter.is_empty() || metric_info(metric).is_some() || value.number().is_some()
}

fn shown(value: &JsonValue<'_>) -> String {
    match value {
        JsonValue::Null => "null".to_owned(),
        JsonValue::Bool(b) => b.to_string(),
        JsonValue::Str(s) => format!("'{}'", s.chars().take(40).collect::<String>()),
        JsonValue::Array(_) => "a list".to_owned(),
        JsonValue::Object(_) => "an object".to_owned(),
        JsonValue::Int(_) | JsonValue::BigInt(_) | JsonValue::Float(_) => "a number".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;

    fn read_at(path: &str, json: &[u8]) -> Parsed {
        let info = FileInfo::new(Path::new(path), "runs");
        parse_results(json, &info, &Catalog::builtin(), &Texts::default())
    }

    fn read(json: &str) -> Parsed {
        read_at("runs/results.json", json.as_bytes())
    }

    fn lines(parsed: &Parsed) -> Vec<String> {
        parsed.diagnostics.iter().map(ToString::to_string).collect()
    }

    const OLD: &str = r#"{
        "results": {
            "arc_easy": {"acc": 0.25, "acc_stderr": 0.0089, "acc_norm": 0.0, "acc_norm_stderr": 0.0},
            "lambada_openai": {"ppl": 12.5, "ppl_stderr": 0.0, "acc": 0.5, "acc_stderr": 0.01},
            "crows_pairs_english": {"pct_stereotype": 0.5, "pct_stereotype_stderr": 0.01}
        },
        "versions": {"arc_easy": 0},
        "config": {
            "model": "hf-causal",
            "model_args": "use_accelerate=True,pretrained=EleutherAI/pythia-v1.1-1.4b-deduped,revision=step3000",
            "num_fewshot": 5, "limit": null
        }
    }"#;

    #[test]
    fn old_files_are_read() {
        let parsed = read(OLD);
        assert_eq!(lines(&parsed), [""; 0]);
        assert_eq!((parsed.n_rows, parsed.measurements.len()), (5, 5));
        let m = &parsed.measurements[0];
        assert_eq!(
            (&*m.task, &*m.metric, &*m.source),
            ("arc_easy", "acc", "runs")
        );
        assert_eq!(m.checkpoint_step, Some(3000));
        assert_eq!(m.tokens, Some(3000.0 * 2_097_152.0));
        assert_eq!((m.shots, m.n, m.filter.as_ref()), (Some(5), None, None));
        assert_eq!((m.value, m.stderr), (0.25, Some(0.0089)));
        assert_eq!(
            (m.chance, m.chance_kind),
            (Some(0.25), Some(Known::Assumed))
        );
        assert_eq!(
            m.origin.as_deref(),
            Some("runs/results.json: results.arc_easy.acc")
        );
        // 0 is the standard error of a score of 0, and no standard error elsewhere.
        assert_eq!(parsed.measurements[1].stderr, Some(0.0));
        let ppl = &parsed.measurements[2];
        assert_eq!(
            (&*ppl.metric, ppl.stderr, ppl.chance),
            ("perplexity", None, None)
        );
        assert_eq!(ppl.higher_is_better, Some(false));
        assert_eq!(parsed.measurements[3].chance, Some(0.0));
        assert_eq!(
            parsed.measurements[4].chance, None,
            "crows_pairs has no chance"
        );
    }

    #[test]
    fn todays_files_are_read() {
        let parsed = read(
            r#"{
            "results": {
                "mmlu": {"acc,none": 0.3, "acc_stderr,none": 0.01, "alias": "mmlu"},
                "mmlu_anatomy": {"alias": " - anatomy", "name": "mmlu_anatomy", "sample_len": 135,
                    "acc,none": 0.4, "acc_stderr,none": 0.04},
                "mine": {"alias": "mine", "exact_match,strict-match": 0.125,
                    "exact_match_stderr,strict-match": "N/A", "bleu,none": 22.5, "bleu_stderr,none": 0.5,
                    "my_metric,none": 7, "my_metric_stderr,none": "N/A"}
            },
            "groups": {"mmlu": {"acc,none": 0.3}},
            "group_subtasks": {"mmlu": ["mmlu_other"], "mmlu_other": ["mmlu_anatomy"], "mine": []},
            "configs": {"mine": {"test_split": "test", "num_fewshot": 2,
                "metric_list": [{"metric": "exact_match", "aggregation": "mean"}]}},
            "n-shot": {"mmlu_anatomy": 5},
            "higher_is_better": {"mine": {"exact_match": true, "my_metric": false}},
            "n-samples": {"mine": {"original": 100, "effective": 40}},
            "config": {"model": "hf", "model_args": {"pretrained": "me/mine-48x2", "dtype": "float32"},
                "model_num_parameters": 118080, "fewshot_seed": 1234},
            "chat_template": null
        }"#,
        );
        assert_eq!(lines(&parsed), [""; 0]);
        let by = |task: &str, metric: &str| {
            parsed
                .measurements
                .iter()
                .find(|m| &*m.task == task && &*m.metric == metric)
                .unwrap()
        };
        assert!(by("mmlu", "acc").has(flag::AGGREGATE));
        assert!(!by("mmlu_anatomy", "acc").has(flag::AGGREGATE));
        let anatomy = by("mmlu_anatomy", "acc");
        assert_eq!(
            (anatomy.n, anatomy.n_kind),
            (Some(135), Some(Known::Reported))
        );
        assert_eq!(anatomy.shots, Some(5));
        let em = by("mine", "exact_match");
        assert_eq!((em.shots, em.n, em.seed), (Some(2), Some(40), Some(1234)));
        assert_eq!(em.filter.as_deref(), Some("strict-match"));
        assert_eq!((em.split.as_deref(), em.stderr), (Some("test"), None));
        assert_eq!((em.params, em.tokens), (Some(118_080.0), None));
        assert_eq!(&*em.family, "mine");
        // The harness gives BLEU from 0 to 100.
        let bleu = by("mine", "bleu");
        assert_eq!((bleu.value, bleu.stderr), (0.225, Some(0.005)));
        assert_eq!(by("mine", "my_metric").higher_is_better, Some(false));
        assert_eq!(
            parsed
                .unknown_models
                .keys()
                .map(|k| &**k)
                .collect::<Vec<_>>(),
            ["me/mine-48x2"]
        );
    }

    #[test]
    fn scores_that_are_no_numbers_refuse_their_row_alone() {
        let parsed = read(
            r#"{"results": {"a": {"acc,none": "N/A", "acc_norm,none": 0.5, "f1,none": null},
                "b": 3, "c": {"acc,none": NaN, "acc_stderr,none": NaN}}}"#,
        );
        assert_eq!(
            lines(&parsed),
            [
                "runs/results.json: results.a.acc,none: acc is 'N/A'; expected a number",
                "runs/results.json: results.a.f1,none: f1 is null; expected a number",
                "runs/results.json: results.b: is no object of scores",
                "runs/results.json: results.c.acc,none: standard error is not finite; taken as unknown",
            ]
        );
        assert_eq!((parsed.n_rows, parsed.measurements.len()), (5, 2));
        assert!(parsed.measurements[1].value.is_nan(), "left to validation");
    }

    #[test]
    fn damaged_files_are_one_line_with_the_byte() {
        for (json, expected) in [
            (
                &OLD.as_bytes()[..100],
                "runs/results.json: byte 100: ends in the middle, after 100 bytes; \
                 expected a whole JSON document; copy or write the file again",
            ),
            (
                b"{\"results\": {\"caf\xe9\": {}}}".as_slice(),
                "runs/results.json: byte 17: is not UTF-8; expected UTF-8 text; \
                 convert the file (for example: iconv -f latin1 -t utf-8)",
            ),
            (
                b"{\"other\": 1}",
                "runs/results.json: has no object 'results'; \
                 expected a results file of lm-evaluation-harness",
            ),
        ] {
            let parsed = read_at("runs/results.json", json);
            assert_eq!(lines(&parsed), [expected]);
            assert!(parsed.measurements.is_empty());
        }
    }

    #[test]
    fn two_spellings_of_one_metric_stay_two_metrics() {
        let parsed = read(r#"{"results": {"a": {"exact_match": 0.5, "em": 0.25}}}"#);
        let names: Vec<&str> = parsed.measurements.iter().map(|m| &*m.metric).collect();
        assert_eq!(names, ["exact_match", "em"]);
    }

    #[test]
    fn a_group_that_contains_itself_ends() {
        let parsed = read(
            r#"{"results": {"a": {"acc": 0.5}}, "group_subtasks": {"a": ["b"], "b": ["a", "b"]}}"#,
        );
        assert!(!parsed.measurements[0].has(flag::AGGREGATE));
    }

    #[test]
    fn groups_within_groups_are_averages() {
        let parsed = read(
            r#"{"results": {"top": {"acc": 0.5}, "leaf": {"acc": 0.5}, "loop": {"acc": 0.5}},
                "group_subtasks": {"top": ["mid", "top"], "mid": ["loop", "leaf"], "loop": ["loop"]}}"#,
        );
        let marked: Vec<&str> = parsed
            .measurements
            .iter()
            .filter(|m| m.has(flag::AGGREGATE))
            .map(|m| &*m.task)
            .collect();
        assert_eq!(marked, ["top"]);
    }

    /// Look-ups by a walk along each object would take minutes here.
    #[test]
    fn many_tasks_metrics_and_groups_take_no_more_than_their_share() {
        use std::fmt::Write;
        let n = 20_000;
        let mut json = "{\"results\": {\"t\": {".to_owned();
        for i in 0..n {
            write!(json, "\"m{i}\": 0.5, \"m{i}_stderr\": 0.1, ").unwrap();
        }
        json.push_str("\"acc\": 0.5}");
        for i in 0..n {
            write!(json, ", \"r{i}\": {{\"acc\": 0.5}}").unwrap();
        }
        json.push_str("}, \"group_subtasks\": {\"t\": [\"t\"]");
        for i in 0..n {
            write!(json, ", \"r{i}\": [\"g0\"], \"g{i}\": [\"g{}\"]", i + 1).unwrap();
        }
        json.push_str("}}");
        let parsed = read(&json);
        assert_eq!(parsed.measurements.len(), 2 * n + 1);
        assert_eq!(parsed.measurements[n - 1].stderr, Some(0.1));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let parsed = read_at("r.json", &bytes);
            prop_assert!(parsed.measurements.len() <= parsed.n_rows);
        }

        #[test]
        fn damaged_files_are_read_or_refused(at in 0usize..700, with: u8, cut in 0usize..1400) {
            let mut bytes = OLD.as_bytes().to_vec();
            let n = bytes.len();
            bytes[at % n] = with;
            bytes.truncate(n.min(n * cut / 700));
            read_at("r.json", &bytes);
        }
    }
}
