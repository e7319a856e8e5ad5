//! The page: one self-contained file with every verdict, its plot and its evidence.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Value};
use serde::Serialize;
use upturn_types::{
    Agreement, Analysis, Attribute, Axis, KinkVerdict, Reason, ScoreAt, Severity, Shape,
    SharpnessClass, Verdict, VerdictClass, View,
};

use crate::chain;
use crate::citation;
use crate::facts;
use crate::families;
use crate::html_questions;
use crate::names::visible;
use crate::numbers::{self, Signs, plural};
use crate::page_plot;
use crate::palette::Palette;
use crate::plot::{Domain, Index, Series};
use crate::sections::{Block, Section};
use crate::words;

const TEMPLATE: &str = include_str!("../templates/report.html");
const SECTIONS: &str = include_str!("../templates/sections.html");
const STYLE: &str = include_str!("../templates/report.css");
const SCRIPT: &str = include_str!("../templates/report.js");

/// SHA-256 of the style, as a Content-Security-Policy names it; a test keeps it true.
const STYLE_HASH: &str = "sha256-nGuBBD2z9YaHGTL9qIqDXIa9g6BJo17+8fCS3YfbxBk=";
/// SHA-256 of the script.
const SCRIPT_HASH: &str = "sha256-OmhhhD7eoL/VtOvhlL4MxR0SaquAZFoLC3vqoWxy5SI=";

/// Most plots on a page; verdicts beyond keep their row.
const MAX_PANELS: usize = 1500;
/// Most panels with their chain of evidence.
const MAX_CHAINS: usize = 100;
/// Most rows of lists about the input.
const MAX_INPUT_ROWS: usize = 400;

/// How a page is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HtmlOptions {
    /// Its title; the default one where this is blank.
    pub title: String,
    /// When it was made, as shown; `None` leaves it out, and the page then depends on the analysis alone.
    pub generated: Option<String>,
}

/// The title of a page that was given none.
const TITLE: &str = "Where abilities appear as language models grow";

impl Default for HtmlOptions {
    fn default() -> Self {
        HtmlOptions {
            title: TITLE.to_owned(),
            generated: None,
        }
    }
}

#[derive(Serialize)]
struct Page {
    title: String,
    generated: Option<String>,
    style: Value,
    script: Value,
    style_hash: Value,
    script_hash: Value,
    studied: String,
    answer: Vec<String>,
    counts: Vec<Count>,
    unit: &'static str,
    second_unit: &'static str,
    width_unit: &'static str,
    shared_notes: Vec<&'static str>,
    decided: Vec<Row>,
    spread: Vec<String>,
    groups: Vec<Group>,
    not_drawn: Option<String>,
    undecided: Vec<Undecided>,
    nobody: Vec<Row>,
    agreement: Vec<Claim>,
    terms: Vec<(String, String)>,
    codes: Vec<(&'static str, &'static str)>,
    diagnostics: Vec<(&'static str, String)>,
    more_diagnostics: Option<String>,
    sections: Vec<PageSection>,
    sections_html: Value,
    tasks: Vec<(String, String)>,
    margins: Vec<String>,
    questions: html_questions::Sections,
    conflicts: Vec<ConflictRow>,
    more_conflicts: Option<String>,
    references: Vec<Reference>,
    more_references: Option<String>,
    example: Option<String>,
    provenance: Vec<(&'static str, String)>,
}

#[derive(Serialize)]
struct PageSection {
    id: &'static str,
    title: &'static str,
    blocks: Vec<Block>,
}

/// Sections with something to say.
fn page_sections(analysis: &Analysis) -> Vec<PageSection> {
    Section::ALL
        .into_iter()
        .map(|s| PageSection {
            id: s.name(),
            title: s.title(),
            blocks: s.blocks(analysis, Signs::UNICODE, MAX_INPUT_ROWS),
        })
        .filter(|s| !s.blocks.is_empty())
        .collect()
}

#[derive(Serialize)]
struct Count {
    class: &'static str,
    name: &'static str,
    across: Option<String>,
    training: Option<String>,
}

#[derive(Serialize)]
struct Row {
    id: String,
    drawn: bool,
    task: String,
    who: String,
    setting: String,
    metric: String,
    class: &'static str,
    shape: String,
    onset: String,
    steps: Option<String>,
    onset_key: String,
    second: String,
    second_key: String,
    before: String,
    after: String,
    score_key: String,
    n: String,
    n_key: String,
    width: String,
    width_key: String,
    rise: &'static str,
    kink: &'static str,
    p: String,
    p_key: String,
    codes: String,
    certified: String,
    candidate: &'static str,
    needs: String,
    last: String,
}

#[derive(Serialize)]
struct Group {
    /// Heading; none over a row of tasks with a single panel each.
    task: Option<String>,
    panels: Vec<Panel>,
}

#[derive(Serialize)]
struct Panel {
    id: String,
    /// The task, where the group does not say it.
    task: Option<String>,
    color: usize,
    who: String,
    setting: String,
    class: &'static str,
    shape: String,
    onset: Option<String>,
    svg: Value,
    conclusion: String,
    steps: Vec<StepText>,
    citation: String,
}

#[derive(Serialize)]
struct StepText {
    title: &'static str,
    sentences: Vec<String>,
}

#[derive(Serialize)]
struct Undecided {
    title: String,
    code: String,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Claim {
    ability: String,
    model: String,
    claim: String,
    class: &'static str,
    outcome: &'static str,
    reason: String,
}

#[derive(Serialize)]
struct ConflictRow {
    task: String,
    model: String,
    setting: String,
    values: String,
    done: &'static str,
}

#[derive(Serialize)]
struct Reference {
    task: String,
    model: String,
    metric: String,
    score: String,
    key: String,
    source: String,
}

/// The page of `analysis`: one HTML file that needs no network and no script.
///
/// Every text from data is escaped by the template; a Content-Security-Policy admits
/// only the style and the script that the page brings. The same arguments give the
/// same bytes.
#[must_use]
pub fn html(analysis: &Analysis, options: &HtmlOptions) -> String {
    let mut page = page(analysis, options);
    let mut render = || -> Result<String, minijinja::Error> {
        let mut environment = Environment::new();
        environment.set_syntax(
            SyntaxConfig::builder()
                .trim_blocks(true)
                .lstrip_blocks(true)
                .build()?,
        );
        environment.add_template("sections.html", SECTIONS)?;
        page.sections_html = Value::from_safe_string(
            environment
                .get_template("sections.html")?
                .render(Serde(&page))?,
        );
        environment.add_template("report.html", TEMPLATE)?;
        environment
            .get_template("report.html")?
            .render(Serde(&page))
    };
    render()
        .expect("the template and its context are fixed, whatever the data; a test renders them")
}

fn page(analysis: &Analysis, options: &HtmlOptions) -> Page {
    let signs = Signs::UNICODE;
    let axis = analysis.config.axis;
    let shared = facts::shared_codes(analysis);
    let drawn: BTreeSet<usize> = drawn(analysis);
    let rows = Rows {
        axis,
        second: second_axis(axis),
        shared: &shared,
        drawn: &drawn,
        index_of: analysis
            .verdicts
            .iter()
            .enumerate()
            .map(|(i, v)| (std::ptr::from_ref(v), i))
            .collect(),
    };
    let (across, along): (Vec<&Verdict>, Vec<&Verdict>) = analysis
        .verdicts
        .iter()
        .filter(|v| v.shape != Shape::InsufficientData)
        .partition(|v| v.view == View::Across);
    let n_left = analysis.verdicts.len() - drawn.len();
    let cut = |n: usize, what: &str| {
        (n > MAX_INPUT_ROWS).then(|| {
            format!(
                "and {} more {what}; analysis.json has them all.",
                numbers::integer((n - MAX_INPUT_ROWS) as u64)
            )
        })
    };
    Page {
        title: if options.title.trim().is_empty() {
            TITLE.to_owned()
        } else {
            visible(&options.title)
        },
        generated: options.generated.as_deref().map(visible),
        style: Value::from_safe_string(STYLE.to_owned()),
        script: Value::from_safe_string(SCRIPT.to_owned()),
        style_hash: Value::from_safe_string(STYLE_HASH.to_owned()),
        script_hash: Value::from_safe_string(SCRIPT_HASH.to_owned()),
        studied: facts::studied(analysis),
        answer: facts::answer(analysis, signs),
        counts: facts::by_shape(analysis)
            .into_iter()
            .map(|(shape, across, training)| Count {
                class: class(shape),
                name: words::shape(shape),
                across: (across > 0).then(|| numbers::integer(across as u64)),
                training: (training > 0).then(|| numbers::integer(training as u64)),
            })
            .collect(),
        unit: numbers::unit(axis),
        second_unit: numbers::unit(rows.second),
        width_unit: numbers::coordinate_unit(axis),
        shared_notes: shared.iter().map(|c| words::caveat_legend(c)).collect(),
        decided: across.iter().chain(&along).map(|v| rows.row(v)).collect(),
        spread: facts::spread(analysis),
        groups: groups(analysis, &rows),
        not_drawn: (n_left > 0).then(|| {
            format!(
                "Not drawn: {} whose models have no known scale, or beyond the {} that a page holds; the tables have their rows.",
                plural(n_left, "curve", "curves"),
                numbers::integer(MAX_PANELS as u64)
            )
        }),
        undecided: facts::undecided(analysis)
            .into_iter()
            .map(|(reason, verdicts)| Undecided {
                title: words::capital(reason.map_or("no reason was recorded", words::reason)),
                code: format!(
                    "{}, {}",
                    reason.map_or("unknown", Reason::name),
                    plural(verdicts.len(), "curve", "curves")
                ),
                rows: verdicts.iter().map(|v| rows.row(v)).collect(),
            })
            .collect(),
        nobody: facts::nobody_yet(analysis)
            .into_iter()
            .map(|v| rows.row(v))
            .collect(),
        agreement: analysis
            .agreement
            .iter()
            .map(|r| {
                let (outcome, class) = outcome(r.agreement);
                Claim {
                    ability: visible(&r.ability),
                    model: visible(&r.model),
                    claim: facts::claim(r),
                    class,
                    outcome,
                    reason: visible(&r.reason),
                }
            })
            .collect(),
        sections: page_sections(analysis),
        sections_html: Value::from_safe_string(String::new()),
        tasks: families::tasks(analysis, Signs::new(true))
            .into_iter()
            .map(|(name, sentence)| (visible(&name), visible(&sentence)))
            .collect(),
        margins: families::sensitivity(analysis),
        questions: html_questions::questions(analysis),
        terms: terms(analysis),
        codes: words::CAVEAT_CODES
            .iter()
            .map(|code| (*code, words::caveat_legend(code)))
            .collect(),
        diagnostics: diagnostics(analysis),
        more_diagnostics: cut(analysis.diagnostics.len(), "messages"),
        conflicts: conflicts(analysis),
        more_conflicts: cut(analysis.conflicts.len(), "conflicts"),
        references: references(analysis),
        more_references: cut(analysis.references.len(), "references"),
        example: across
            .first()
            .or(along.first())
            .map(|v| citation(analysis, v)),
        provenance: provenance(analysis),
    }
}

fn second_axis(axis: Axis) -> Axis {
    if axis == Axis::Params {
        Axis::Flops
    } else {
        Axis::Params
    }
}

/// The class of a shape, as the style names it.
fn class(shape: Shape) -> &'static str {
    words::class(shape.class())
}

/// Which verdicts get a plot: those whose models have a place on an axis; across models
/// first, each in order of evidence, up to the most that a page should hold.
fn drawn(analysis: &Analysis) -> BTreeSet<usize> {
    let index = Index::new(analysis);
    let of = |across: bool| {
        let index = &index;
        analysis
            .verdicts
            .iter()
            .enumerate()
            .filter(move |(_, v)| (v.view == View::Across) == across)
            .filter(move |(_, v)| {
                let series = Series::new(v, index.curve(v), analysis.config.axis);
                !series.marks.is_empty()
            })
            .map(|(i, _)| i)
    };
    of(true).chain(of(false)).take(MAX_PANELS).collect()
}

struct Rows<'a> {
    axis: Axis,
    second: Axis,
    shared: &'a BTreeSet<&'static str>,
    drawn: &'a BTreeSet<usize>,
    index_of: BTreeMap<*const Verdict, usize>,
}

impl Rows<'_> {
    /// The place of a verdict of the analysis in its list.
    fn index(&self, verdict: &Verdict) -> Option<usize> {
        self.index_of.get(&std::ptr::from_ref(verdict)).copied()
    }

    fn row(&self, v: &Verdict) -> Row {
        let signs = Signs::UNICODE;
        let place = self.index(v);
        let certified = v.threshold.as_ref().filter(|t| t.is_certified());
        let onset_on = |axis: Axis| {
            certified
                .and_then(|t| numbers::threshold(t, axis, signs))
                .unwrap_or_default()
        };
        let is_training = matches!(v.view, View::Training(_));
        let steps = certified
            .filter(|_| is_training)
            .and_then(|t| numbers::threshold_steps(t, signs))
            .map(|steps| format!("steps {steps}"));
        let key_on = |axis: Axis| {
            let ends = certified.map(|t| numbers::threshold_ends(t, axis));
            // Sorted by the largest scale known not to have it, else by the smallest that has.
            key(ends.and_then(|(a, b)| a.or(b)))
        };
        let one = |at: &ScoreAt| {
            at.interval.as_ref().map_or_else(
                || numbers::score(at.score),
                |i| {
                    format!(
                        "{} {}",
                        numbers::score(at.score),
                        numbers::interval(i, signs)
                    )
                },
            )
        };
        let width = v.sharpness.map(|s| {
            let interval = numbers::width_interval(&s.width_interval, signs);
            format!("{} {interval}", numbers::statistic(s.width))
        });
        Row {
            id: place.map_or_else(String::new, panel_id),
            drawn: place.is_some_and(|i| self.drawn.contains(&i)),
            task: visible(&v.key.task_name()),
            who: visible(&facts::who(v)),
            setting: visible(&facts::setting(v)),
            metric: visible(&v.key.metric),
            class: class(v.shape),
            shape: shape_text(v),
            onset_key: key_on(self.axis),
            onset: onset_on(self.axis),
            steps,
            // One model has one size, whatever its step.
            second: if is_training && self.second == Axis::Params {
                String::new()
            } else {
                onset_on(self.second)
            },
            second_key: key_on(self.second),
            before: v.before.as_ref().map(one).unwrap_or_default(),
            after: v.after.as_ref().map(one).unwrap_or_default(),
            score_key: key(v.largest.as_ref().map(|l| l.score)),
            n: items(v),
            n_key: key(v.n_items.map(|(a, _)| a as f64)),
            width: width.unwrap_or_default(),
            width_key: key(v.sharpness.map(|s| s.width)),
            rise: v.sharpness.map_or("", |s| match s.class {
                SharpnessClass::Undetermined => "unclear",
                class => words::sharpness(class),
            }),
            kink: v.kink.as_ref().map_or("", |k| match k.verdict {
                KinkVerdict::Kink => "kink",
                KinkVerdict::None => "none",
                KinkVerdict::Undetermined => "unclear",
            }),
            p: v.p_bh.or(v.p).map(numbers::p_bare).unwrap_or_default(),
            p_key: key(v.p_bh.or(v.p)),
            codes: facts::caveat_codes(v, self.shared),
            certified: facts::onset(v, signs).unwrap_or_else(|| "nothing".to_owned()),
            candidate: v.candidate.map_or("", words::shape),
            needs: v
                .needs
                .iter()
                .map(|n| words::need(n, signs))
                .collect::<Vec<_>>()
                .join("; "),
            last: v.largest.as_ref().map(one).unwrap_or_default(),
        }
    }
}

fn panel_id(index: usize) -> String {
    format!("v{index}")
}

/// A number to sort by, or nothing.
fn key(value: Option<f64>) -> String {
    value
        .filter(|v| v.is_finite())
        .map(|v| format!("{v:e}"))
        .unwrap_or_default()
}

fn items(v: &Verdict) -> String {
    match v.n_items {
        Some((a, b)) if a == b => numbers::integer(a),
        Some((a, b)) => format!("{}–{}", numbers::integer(a), numbers::integer(b)),
        None => "unknown".to_owned(),
    }
}

fn shape_text(v: &Verdict) -> String {
    let mut out = words::shape(v.shape).to_owned();
    if v.reason == Some(Reason::RandomThroughout) {
        out.push_str(" (random)");
    }
    for a in &v.attributes {
        out.push_str(", ");
        out.push_str(words::attribute_short(*a));
    }
    out
}

/// Panels by task, in the order in which tasks first appear among the verdicts.
fn groups(analysis: &Analysis, rows: &Rows<'_>) -> Vec<Group> {
    let index = Index::new(analysis);
    let palette = Palette::new(analysis);
    let mut order: Vec<String> = Vec::new();
    let mut by_task: BTreeMap<String, Vec<(usize, Series<'_>)>> = BTreeMap::new();
    for (i, v) in analysis.verdicts.iter().enumerate() {
        if !rows.drawn.contains(&i) {
            continue;
        }
        let task = v.key.task_name();
        let series = Series::new(v, index.curve(v), analysis.config.axis);
        by_task
            .entry(task.clone())
            .or_insert_with(|| {
                order.push(task);
                Vec::new()
            })
            .push((i, series));
    }
    let mut n_chains = 0;
    let mut groups: Vec<Group> = Vec::new();
    for task in order {
        let mut series = by_task.remove(&task).unwrap_or_default();
        // Across models first; the order of evidence within.
        series.sort_by_key(|(i, s)| (s.verdict.view != View::Across, *i));
        let alike = |a: &Series<'_>, b: &Series<'_>| {
            a.axis == b.axis && (a.verdict.view == View::Across) == (b.verdict.view == View::Across)
        };
        let mut panels: Vec<Panel> = series
            .iter()
            .map(|(i, s)| {
                let shared = Domain::of(series.iter().map(|(_, o)| o).filter(|o| alike(o, s)));
                let v = s.verdict;
                let explained = v.shape != Shape::InsufficientData && n_chains < MAX_CHAINS;
                n_chains += usize::from(explained);
                panel(analysis, &index, &palette, *i, s, &shared, explained)
            })
            .collect();
        if let [only] = panels.as_mut_slice() {
            only.task = Some(visible(&task));
            match groups.last_mut() {
                Some(row) if row.task.is_none() => row.panels.append(&mut panels),
                _ => groups.push(Group { task: None, panels }),
            }
        } else {
            groups.push(Group {
                task: Some(visible(&task)),
                panels,
            });
        }
    }
    groups
}

fn panel(
    analysis: &Analysis,
    index: &Index<'_>,
    palette: &Palette,
    place: usize,
    series: &Series<'_>,
    shared: &Domain,
    explained: bool,
) -> Panel {
    let signs = Signs::UNICODE;
    let v = series.verdict;
    let (conclusion, steps, quote) = if explained {
        let chain = chain::chain(analysis, index.curve(v), v, signs);
        let steps = std::iter::once(chain.source)
            .chain(chain.steps)
            .map(|s| StepText {
                title: s.title,
                sentences: s.sentences.iter().map(|t| visible(t)).collect(),
            })
            .collect();
        (visible(&chain.verdict), steps, citation(analysis, v))
    } else {
        (String::new(), Vec::new(), String::new())
    };
    Panel {
        id: panel_id(place),
        task: None,
        color: palette.color(&v.key.family),
        who: visible(&facts::who(v)),
        setting: visible(&format!("{}, {}", facts::setting(v), v.key.metric)),
        class: class(v.shape),
        shape: shape_text(v),
        onset: facts::onset(v, signs),
        svg: Value::from_safe_string(page_plot::svg(series, shared, palette)),
        conclusion,
        steps,
        citation: quote,
    }
}

fn outcome(agreement: Agreement) -> (&'static str, &'static str) {
    match agreement {
        Agreement::Agrees => ("agrees", words::class(VerdictClass::Emergent)),
        Agreement::Disagrees => ("disagrees", words::class(VerdictClass::Inverse)),
        Agreement::Undecided => ("undecided", words::class(VerdictClass::Undecided)),
        Agreement::DataNotPublished => (
            "scores by size not published",
            words::class(VerdictClass::Flat),
        ),
    }
}

/// Every term of the page, explained with the choices of this analysis.
fn terms(analysis: &Analysis) -> Vec<(String, String)> {
    let config = &analysis.config;
    let near = numbers::percent(config.near_margin);
    let substantial = numbers::percent(config.substantial_margin);
    let confidence = numbers::percent(facts::confidence(analysis));
    let mut out: Vec<(String, String)> = [
        (
            "Curve",
            "one task measured one way (prompting, shots, metric, source) on one family of models. It is read across the finished models, or along the training of one.".to_owned(),
        ),
        (
            "Chance",
            "the score of a responder without the ability: 1/options for multiple choice, 0 for free answers.".to_owned(),
        ),
        (
            "Near chance, above",
            format!("a model is near chance when a one-sided test at level {} certifies its score below chance + {near} of the range (chance to ceiling), above when one certifies it over that; else it is unresolved. Substantial means over chance + {substantial}.", config.alpha),
        ),
        (
            "n",
            "test items behind a score. Every interval and test depends on it.".to_owned(),
        ),
        (
            "95% interval",
            "the true scores that the items of one model leave plausible (exact binomial where the score is a share of right answers).".to_owned(),
        ),
        (
            "Threshold",
            format!("with confidence ≥ {confidence} the score begins to stay above chance + {near} inside this interval. “> x”: beyond the largest model certified near chance. “≤ y”: at or before the smallest model of those certified above. Both ends are models that were measured."),
        ),
        (
            "Before → after",
            "scores at the two ends of the threshold, else of the smallest and largest model.".to_owned(),
        ),
        (
            "Rise",
            "how much scale the fitted logistic takes from 10% to 90% of the range: sharp when certainly within one decade, gradual when certainly more, unclear when neither is certain.".to_owned(),
        ),
        (
            "Kink",
            "whether a curve with a corner or a jump is preferred to the smooth logistic. “None”: the data have no room for one. “Unclear”: not preferred, but so few scales are no evidence of smoothness.".to_owned(),
        ),
        (
            "p, list-adjusted",
            "the probability of a largest model that good if it were not above the margin, corrected for the number of verdicts listed (Benjamini–Hochberg).".to_owned(),
        ),
        (
            "0 before an axis break",
            "step 0 of a training run, which has seen no tokens and has no place on a logarithmic axis.".to_owned(),
        ),
    ]
    .map(|(a, b)| (a.to_owned(), b))
    .to_vec();
    for s in Shape::ALL {
        out.push((
            words::capital(words::shape(s)),
            words::sentence(words::shape_meaning(s)),
        ));
    }
    for a in Attribute::ALL {
        out.push((
            words::capital(words::attribute_short(*a)),
            words::sentence(words::attribute_meaning(*a)),
        ));
    }
    out
}

fn diagnostics(analysis: &Analysis) -> Vec<(&'static str, String)> {
    let mut sorted: Vec<_> = analysis.diagnostics.iter().collect();
    sorted.sort_by_key(|d| std::cmp::Reverse(d.severity));
    sorted
        .into_iter()
        .take(MAX_INPUT_ROWS)
        .map(|d| {
            let word = match d.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Note => "note",
            };
            (word, visible(&d.to_string()))
        })
        .collect()
}

fn conflicts(analysis: &Analysis) -> Vec<ConflictRow> {
    analysis
        .conflicts
        .iter()
        .take(MAX_INPUT_ROWS)
        .map(|c| ConflictRow {
            task: visible(&c.key.task_name()),
            model: visible(&match c.checkpoint_step {
                Some(step) => format!("{} step {}", c.model, numbers::integer(step)),
                None => c.model.to_string(),
            }),
            setting: visible(&format!("{}, {}", c.key.setting_name(), c.key.metric)),
            values: visible(
                &c.values
                    .iter()
                    .map(|(source, value)| format!("{} ({source})", numbers::score(*value)))
                    .collect::<Vec<_>>()
                    .join("; "),
            ),
            done: if c.same_source {
                "refused: one source with two values"
            } else {
                "kept apart as curves of their own"
            },
        })
        .collect()
}

fn references(analysis: &Analysis) -> Vec<Reference> {
    analysis
        .references
        .iter()
        .take(MAX_INPUT_ROWS)
        .map(|m| Reference {
            task: visible(&match &m.subset {
                Some(subset) => format!("{}/{subset}", m.task),
                None => m.task.to_string(),
            }),
            model: visible(&m.model),
            metric: visible(&m.metric),
            score: numbers::score(m.value),
            key: key(Some(m.value)),
            source: visible(&m.source),
        })
        .collect()
}

fn provenance(analysis: &Analysis) -> Vec<(&'static str, String)> {
    let p = &analysis.provenance;
    let c = &analysis.config;
    let mut choices = vec![
        format!("axis {}", c.axis.name()),
        format!("near-chance margin {}", numbers::percent(c.near_margin)),
        format!(
            "substantial margin {}",
            numbers::percent(c.substantial_margin)
        ),
        format!("level {} of each one-sided test", c.alpha),
        format!("seed {}", c.seed),
        format!(
            "at most {} bootstrap draws",
            numbers::integer(u64::from(c.n_draws_max))
        ),
    ];
    for (on, text) in [
        (c.full, "every curve bootstrapped"),
        (c.flops_6nd, "FLOPs recomputed as 6ND"),
        (
            c.include_off_ladder,
            "members trained unlike their family kept",
        ),
    ] {
        if on {
            choices.push(text.to_owned());
        }
    }
    vec![
        ("Made by", visible(&format!("Upturn {}", p.version))),
        ("Inputs", visible(&p.inputs.join(", "))),
        (
            "Read",
            format!(
                "{} from {}",
                plural(p.n_measurements, "measurement", "measurements"),
                plural(p.n_files, "file", "files")
            ),
        ),
        ("Choices", choices.join("; ")),
        (
            "Format",
            format!("analysis format version {}", analysis.format_version),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    fn policy_hash(text: &str) -> String {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut out = String::from("sha256-");
        for part in Sha256::digest(text.as_bytes()).chunks(3) {
            let bits = part
                .iter()
                .chain(&[0, 0])
                .take(3)
                .fold(0u32, |n, b| n << 8 | u32::from(*b));
            for i in 0..4 {
                out.push(if i <= part.len() {
                    char::from(DIGITS[(bits >> (18 - 6 * i) & 63) as usize])
                } else {
                    '='
                });
            }
        }
        out
    }

    #[test]
    fn the_policy_admits_the_style_and_the_script() {
        assert_eq!(STYLE_HASH, policy_hash(STYLE));
        assert_eq!(SCRIPT_HASH, policy_hash(SCRIPT));
        // Known answer, from `printf abc | openssl dgst -sha256 -binary | base64`.
        assert_eq!(
            policy_hash("abc"),
            "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="
        );
    }

    #[test]
    fn style_and_script_cannot_end_their_elements() {
        assert!(!STYLE.contains("</") && !SCRIPT.contains("</"));
    }
}
