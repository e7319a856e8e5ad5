//! The terminal front page: the answer first, then every verdict, then what would decide the rest.

use std::collections::BTreeSet;

use upturn_types::{
    Analysis, Axis, KinkVerdict, Reason, ScoreAt, Shape, SharpnessClass, Verdict, View,
};

use super::{Term, TextOptions, Tone, fit, pad, picture, width};
use crate::facts;
use crate::families;
use crate::numbers::{self, plural};
use crate::plot::{Index, Series};
use crate::words;

/// The terminal front page of `analysis`.
///
/// What was studied, the answer, decided verdicts (across models, then along training),
/// undecided ones by reason with what would decide them, counts, the abilities that no
/// model has yet, the spread of thresholds, conflicts and messages, and a legend.
#[must_use]
pub fn summary(analysis: &Analysis, options: &TextOptions) -> String {
    let mut term = Term::new(options);
    let index = Index::new(analysis);
    let version = term.clean(&analysis.provenance.version);
    let title = term.tone(format!("Upturn {version}").trim_end(), Tone::Strong);
    term.line(&title);
    term.text(&facts::studied(analysis));
    term.blank();
    let signs = term.signs;
    for sentence in facts::answer(analysis, signs) {
        term.paragraph(&sentence, 0, "", Tone::Strong);
    }

    let shared = facts::shared_codes(analysis);
    let mut legend = Legend::default();
    let decided = |across: bool| -> Vec<&Verdict> {
        analysis
            .verdicts
            .iter()
            .filter(|v| v.shape != Shape::InsufficientData)
            .filter(|v| (v.view == View::Across) == across)
            .collect()
    };
    for (across, title) in [
        (true, "Decided across models, strongest evidence first"),
        (false, "Decided along the training of single models"),
    ] {
        let verdicts = decided(across);
        if !verdicts.is_empty() {
            term.heading(&format!(
                "{title} ({})",
                numbers::integer(verdicts.len() as u64)
            ));
            let shown = shown(&verdicts, options);
            rows(&mut term, shown, options, &index, &shared);
            legend.note(shown);
            left_out(&mut term, verdicts.len(), shown.len());
        }
    }
    undecided(&mut term, analysis, options, &mut legend, &index, &shared);
    counts(&mut term, analysis);
    margins(&mut term, analysis);
    families(&mut term, analysis, options);
    super::questions::questions(&mut term, analysis, options);
    nobody(&mut term, analysis, options);
    for section in crate::sections::Section::ALL {
        super::section::summary(&mut term, analysis, section);
    }
    let spread = facts::spread(analysis);
    if !spread.is_empty() {
        term.heading("Where thresholds lie");
        for sentence in spread {
            term.text(&sentence);
        }
    }
    let notes: Vec<String> = [facts::conflicts(analysis), facts::messages(analysis)]
        .into_iter()
        .flatten()
        .collect();
    if !notes.is_empty() {
        term.heading("About the input");
        for note in notes {
            term.text(&note.replace("About the input: ", "Messages: "));
        }
    }
    legend.write(&mut term, analysis, &shared);
    term.out
}

fn shown<'v, 'a>(verdicts: &'v [&'a Verdict], options: &TextOptions) -> &'v [&'a Verdict] {
    &verdicts[..options.limit.unwrap_or(usize::MAX).min(verdicts.len())]
}

/// Rows shown of one reason for being undecided, unless a limit is asked for: the list is
/// there to show what is missing, and the files hold all of it.
const UNDECIDED_SHOWN: usize = 12;

/// The undecided of one reason, those of which most is known first.
fn telling(mut verdicts: Vec<&Verdict>) -> Vec<&Verdict> {
    verdicts.sort_by_key(|v| {
        let certified = v.threshold.as_ref().is_some_and(|t| t.is_certified());
        std::cmp::Reverse((certified, v.n_models))
    });
    verdicts
}

pub(super) fn left_out(term: &mut Term, all: usize, shown: usize) {
    if all > shown {
        let ellipsis = term.signs.ellipsis;
        term.paragraph(
            &format!(
                "and {} more (--limit shows as many as you like)",
                numbers::integer((all - shown) as u64)
            ),
            2,
            &format!("{ellipsis} "),
            Tone::Quiet,
        );
    }
}

/// `emergent, abrupt`.
fn shape_text(verdict: &Verdict) -> String {
    let mut out = words::shape(verdict.shape).to_owned();
    if verdict.reason == Some(Reason::RandomThroughout) {
        out.push_str(" (random)");
    }
    for a in &verdict.attributes {
        out.push_str(", ");
        out.push_str(words::attribute_short(*a));
    }
    out
}

fn score_text(at: &ScoreAt, with_interval: bool, term: &Term) -> String {
    match &at.interval {
        Some(interval) if with_interval => format!(
            "{} {}",
            numbers::score(at.score),
            numbers::interval(interval, term.signs)
        ),
        _ => numbers::score(at.score),
    }
}

/// `0.009 → 0.084 (n=2,000)`.
fn scores_text(verdict: &Verdict, with_intervals: bool, term: &Term) -> String {
    let n = match verdict.n_items {
        Some((a, b)) if a == b => format!(" (n={})", numbers::integer(a)),
        Some((a, b)) => format!(
            " (n={}{}{})",
            numbers::integer(a),
            term.signs.dash,
            numbers::integer(b)
        ),
        None => " (n unknown)".to_owned(),
    };
    let one = |at: &ScoreAt| score_text(at, with_intervals, term);
    match (&verdict.before, &verdict.after) {
        (Some(a), Some(b)) => format!("{} {} {}{n}", one(a), term.signs.arrow, one(b)),
        (Some(a), None) | (None, Some(a)) => format!("{}{n}", one(a)),
        (None, None) => String::new(),
    }
}

fn sharpness_text(verdict: &Verdict) -> Option<String> {
    verdict.sharpness.map(|s| match s.class {
        SharpnessClass::Undetermined => "sharp?".to_owned(),
        class => format!(
            "{} {}",
            words::sharpness(class),
            numbers::statistic(s.width)
        ),
    })
}

fn kink_text(verdict: &Verdict) -> Option<&'static str> {
    verdict.kink.as_ref().map(|k| match k.verdict {
        KinkVerdict::Kink => "kink",
        KinkVerdict::None => "no kink",
        KinkVerdict::Undetermined => "kink?",
    })
}

/// Which signs the rows used, so that only those are explained.
#[derive(Default)]
struct Legend {
    codes: BTreeSet<&'static str>,
    sharpness: bool,
    kink: bool,
    attributes: BTreeSet<upturn_types::Attribute>,
    shapes: BTreeSet<Shape>,
}

impl Legend {
    fn note(&mut self, verdicts: &[&Verdict]) {
        for v in verdicts {
            self.codes.extend(v.caveats.iter().map(words::caveat_code));
            self.sharpness |= v.sharpness.is_some();
            self.kink |= v.kink.is_some();
            self.attributes.extend(&v.attributes);
            self.shapes.insert(v.shape);
        }
    }

    fn write(&self, term: &mut Term, analysis: &Analysis, shared: &Codes) {
        term.heading("How to read this");
        let signs = term.signs;
        let mut terms: Vec<(String, String)> = Vec::new();
        for s in Shape::ALL {
            if self.shapes.contains(&s) {
                terms.push((
                    words::shape(s).to_owned(),
                    words::shape_meaning(s).to_owned(),
                ));
            }
        }
        for a in &self.attributes {
            terms.push((
                words::attribute_short(*a).to_owned(),
                words::attribute_meaning(*a).to_owned(),
            ));
        }
        let config = &analysis.config;
        terms.push((
            format!("x{}y FLOPs", signs.dash),
            format!(
                "the threshold: with confidence {} {} the score rises for good above chance + {} of the range between these scales; '> x' beyond the largest model certified near chance, '{} y' at or before the smallest certified above",
                signs.at_least,
                numbers::percent(facts::confidence(analysis)),
                numbers::percent(config.near_margin),
                signs.at_most,
            ),
        ));
        terms.push((
            format!("a {} b (n)", signs.arrow),
            "scores at the two ends of the threshold (else of the smallest and largest model), with the number of test items; brackets hold 95% intervals".to_owned(),
        ));
        if self.sharpness {
            terms.push((
                "sharp, gradual".to_owned(),
                "decades of scale from 10% to 90% of the range, below or above 1 with 95% confidence; 'sharp?' when that cannot be told".to_owned(),
            ));
        }
        if self.kink {
            terms.push((
                "kink".to_owned(),
                "a curve with a corner or jump is preferred to the smooth logistic; 'no kink': the data have no room for one; 'kink?': cannot be told".to_owned(),
            ));
        }
        for code in shared {
            terms.push((
                "every row".to_owned(),
                words::caveat_legend(code).to_owned(),
            ));
        }
        for code in self.codes.difference(shared) {
            terms.push((format!("{{{code}}}"), words::caveat_legend(code).to_owned()));
        }
        let room = terms
            .iter()
            .map(|(t, _)| width(t))
            .max()
            .unwrap_or(0)
            .min(18);
        for (name, meaning) in terms {
            let name = pad(&term.clean(&name), room);
            term.paragraph(&meaning, 2, &format!("{name}  "), Tone::Plain);
        }
    }
}

/// Caveat codes that go without saying in rows.
type Codes = BTreeSet<&'static str>;

/// A cell with its tone.
type Cell = (String, Tone);

/// Decided verdicts: a table where it fits, else two or three lines for each.
fn rows(
    term: &mut Term,
    verdicts: &[&Verdict],
    options: &TextOptions,
    index: &Index<'_>,
    shared: &Codes,
) {
    let table = if options.plot {
        None
    } else {
        table(term, verdicts, shared)
    };
    if let Some(lines) = table {
        for line in lines {
            term.line(&line);
        }
        return;
    }
    let cards: Vec<Vec<Cell>> = verdicts.iter().map(|v| segments(term, v, shared)).collect();
    let columns = cards.iter().map(Vec::len).max().unwrap_or(0);
    // The first columns are aligned over all cards; what varies much is not.
    let widths: Vec<usize> = (0..columns)
        .map(|i| {
            let widest = cards
                .iter()
                .filter_map(|c| c.get(i))
                .map(|(t, _)| width(t))
                .max()
                .unwrap_or(0);
            if i < 3 {
                widest.min([22, 36, 40][i])
            } else {
                widest.min(14)
            }
        })
        .collect();
    for (verdict, card) in verdicts.iter().zip(&cards) {
        headline(term, verdict);
        flow(term, card, &widths);
        if options.plot {
            let series = Series::new(verdict, index.curve(verdict), verdict.axis);
            for line in picture::plot(term, &series) {
                term.line(&format!("  {line}"));
            }
        }
    }
}

/// `GPT-3 · 3D+ · direct 50-shot · acc` with the sparkline at the right.
fn headline(term: &mut Term, verdict: &Verdict) {
    let spark = picture::sparkline(verdict, term.unicode);
    let dot = term.signs.dot;
    let room = term.width - width(&spark) - 2;
    let task = term.clean(&verdict.key.task_name());
    let rest = term.clean(&format!(
        "{} {dot} {} {dot} {}",
        facts::who(verdict),
        facts::setting(verdict),
        verdict.key.metric
    ));
    let ellipsis = term.signs.ellipsis;
    let task = fit(&task, room.saturating_sub(16).max(20), ellipsis);
    let rest = fit(&rest, room.saturating_sub(width(&task) + 2), ellipsis);
    let gap = " ".repeat(room.saturating_sub(width(&task) + 2 + width(&rest)) + 2);
    let task = term.tone(&task, Tone::Strong);
    let rest = term.tone(&rest, Tone::Quiet);
    term.line(&format!("{task}  {rest}{gap}{spark}"));
}

/// The facts of a verdict in order of weight.
fn segments(term: &Term, verdict: &Verdict, shared: &Codes) -> Vec<Cell> {
    let onset = facts::onset(verdict, term.signs).unwrap_or_else(|| term.signs.none.to_owned());
    let mut out = vec![
        (shape_text(verdict), Tone::Class(verdict.shape.class())),
        (term.clean(&onset), Tone::Plain),
        (scores_text(verdict, term.width >= 120, term), Tone::Plain),
    ];
    out.extend(sharpness_text(verdict).map(|t| (t, Tone::Plain)));
    out.extend(kink_text(verdict).map(|t| (t.to_owned(), Tone::Plain)));
    let codes = facts::caveat_codes(verdict, shared);
    if !codes.is_empty() {
        out.push((format!("{{{codes}}}"), Tone::Quiet));
    }
    out
}

/// Segments over as many lines as they need, aligned where the widths allow it.
fn flow(term: &mut Term, segments: &[Cell], widths: &[usize]) {
    const INDENT: usize = 2;
    let (mut plain, mut line) = (INDENT, " ".repeat(INDENT));
    let mut fresh = true;
    for ((text, tone), room) in segments.iter().zip(widths) {
        if text.is_empty() {
            continue;
        }
        let w = width(text);
        if !fresh && plain + 2 + w > term.width {
            term.line(&line);
            (plain, line, fresh) = (INDENT, " ".repeat(INDENT), true);
        }
        if !fresh {
            line.push_str("  ");
            plain += 2;
        }
        let text = fit(text, term.width - plain, term.signs.ellipsis);
        line.push_str(&term.tone(&text, *tone));
        let fill = room
            .saturating_sub(w)
            .min(term.width.saturating_sub(plain + w));
        line.push_str(&" ".repeat(fill));
        plain += w + fill;
        fresh = false;
    }
    if !fresh {
        term.line(&line);
    }
}

/// The one-line-per-verdict table, if it fits into the width.
fn table(term: &Term, verdicts: &[&Verdict], shared: &Codes) -> Option<Vec<String>> {
    let axis = verdicts.first()?.axis;
    if verdicts
        .iter()
        .any(|v| v.axis != axis || v.view != View::Across)
    {
        return None;
    }
    let second = if axis == Axis::Params {
        Axis::Flops
    } else {
        Axis::Params
    };
    let threshold = |v: &Verdict, axis: Axis| {
        v.threshold
            .as_ref()
            .filter(|t| t.is_certified())
            .and_then(|t| numbers::threshold(t, axis, term.signs))
            .unwrap_or_else(|| term.signs.none.to_owned())
    };
    let ellipsis = term.signs.ellipsis;
    let name = |text: &str, most: usize| fit(&term.clean(text), most, ellipsis);
    let build = |with_intervals: bool| -> Vec<Vec<Cell>> {
        let head = [
            "task",
            "family",
            "setting, metric",
            "shape",
            numbers::unit(axis),
            numbers::unit(second),
            "before to after",
            "width",
            "kink",
            "notes",
            "curve",
        ];
        let mut rows = vec![head.map(|h| (h.to_owned(), Tone::Quiet)).to_vec()];
        for v in verdicts {
            let codes = facts::caveat_codes(v, shared);
            rows.push(vec![
                (name(&v.key.task_name(), 26), Tone::Strong),
                (name(&facts::who(v), 18), Tone::Plain),
                (
                    name(&format!("{}, {}", facts::setting(v), v.key.metric), 26),
                    Tone::Plain,
                ),
                (shape_text(v), Tone::Class(v.shape.class())),
                (threshold(v, axis), Tone::Plain),
                (threshold(v, second), Tone::Plain),
                (scores_text(v, with_intervals, term), Tone::Plain),
                (sharpness_text(v).unwrap_or_default(), Tone::Plain),
                (kink_text(v).unwrap_or_default().to_owned(), Tone::Plain),
                (
                    if codes.is_empty() {
                        codes
                    } else {
                        format!("{{{codes}}}")
                    },
                    Tone::Quiet,
                ),
                (picture::sparkline(v, term.unicode), Tone::Plain),
            ]);
        }
        rows
    };
    [true, false].into_iter().find_map(|with_intervals| {
        let rows = build(with_intervals);
        let columns = rows[0].len();
        let widths: Vec<usize> = (0..columns)
            .map(|i| rows.iter().map(|r| width(&r[i].0)).max().unwrap_or(0))
            .collect();
        // A column that is empty but for its head is not shown.
        let used: Vec<bool> = (0..columns)
            .map(|i| rows[1..].iter().any(|r| !r[i].0.is_empty()))
            .collect();
        let total: usize = (0..columns)
            .filter(|i| used[*i])
            .map(|i| widths[i] + 2)
            .sum();
        (total <= term.width + 2).then(|| {
            rows.iter()
                .map(|row| {
                    let mut line = String::new();
                    for i in (0..columns).filter(|i| used[*i]) {
                        let (text, tone) = &row[i];
                        line.push_str(&term.tone(text, *tone));
                        line.push_str(&" ".repeat(widths[i] - width(text) + 2));
                    }
                    line.trim_end().to_owned()
                })
                .collect()
        })
    })
}

fn undecided(
    term: &mut Term,
    analysis: &Analysis,
    options: &TextOptions,
    legend: &mut Legend,
    index: &Index<'_>,
    shared: &Codes,
) {
    let groups = facts::undecided(analysis);
    let n: usize = groups.iter().map(|(_, v)| v.len()).sum();
    if n == 0 {
        return;
    }
    term.heading(&format!(
        "Undecided, and what would decide it ({})",
        numbers::integer(n as u64)
    ));
    for (reason, verdicts) in groups {
        let why = reason.map_or("no reason was recorded", words::reason);
        let code = reason.map_or_else(String::new, |r| format!(" ({r})"));
        let head = format!(
            "{}: {}{code}",
            plural(verdicts.len(), "curve", "curves"),
            why
        );
        term.paragraph(
            &head,
            0,
            "",
            Tone::Class(upturn_types::VerdictClass::Undecided),
        );
        // What would decide all of them alike is said once.
        let first = needs_text(term, verdicts[0]);
        let alike = verdicts.len() > 1 && verdicts.iter().all(|v| needs_text(term, v) == first);
        if alike && !first.is_empty() {
            term.paragraph(&first, 0, "would decide them: ", Tone::Plain);
        }
        let verdicts = telling(verdicts);
        let limit = options.limit.unwrap_or(UNDECIDED_SHOWN);
        let shown = &verdicts[..limit.min(verdicts.len())];
        legend.note(shown);
        for v in shown {
            undecided_row(term, v, shared, !alike);
            if options.plot {
                let series = Series::new(v, index.curve(v), v.axis);
                for line in picture::plot(term, &series) {
                    term.line(&format!("    {line}"));
                }
            }
        }
        left_out(term, verdicts.len(), shown.len());
    }
}

fn undecided_row(term: &mut Term, verdict: &Verdict, shared: &Codes, with_needs: bool) {
    headline(term, verdict);
    let mut segments: Vec<Cell> = Vec::new();
    if let Some(onset) = facts::onset(verdict, term.signs) {
        segments.push((format!("certified: {onset}"), Tone::Plain));
    }
    if let Some(candidate) = verdict.candidate {
        segments.push((
            format!("points to {}", words::shape(candidate)),
            Tone::Plain,
        ));
    }
    let scores = scores_text(verdict, false, term);
    if !scores.is_empty() {
        segments.push((scores, Tone::Plain));
    }
    let codes = facts::caveat_codes(verdict, shared);
    if !codes.is_empty() {
        segments.push((format!("{{{codes}}}"), Tone::Quiet));
    }
    let widths = vec![0; segments.len()];
    flow(term, &segments, &widths);
    let needs = needs_text(term, verdict);
    if with_needs && !needs.is_empty() {
        term.paragraph(&needs, 2, "would decide it: ", Tone::Plain);
    }
}

fn needs_text(term: &Term, verdict: &Verdict) -> String {
    let needs: Vec<String> = verdict
        .needs
        .iter()
        .map(|n| words::need(n, term.signs))
        .collect();
    needs.join("; ")
}

fn counts(term: &mut Term, analysis: &Analysis) {
    let counts = facts::by_shape(analysis);
    if counts.is_empty() {
        return;
    }
    term.heading("How many");
    term.line(&format!("  {:<14}{:>8}{:>12}", "", "across", "training"));
    for (shape, a, t) in counts {
        let name = format!("{:<14}", words::shape(shape));
        let name = term.tone(&name, Tone::Class(shape.class()));
        term.line(&format!(
            "  {name}{:>8}{:>12}",
            numbers::integer(a as u64),
            numbers::integer(t as u64)
        ));
    }
    let aggregates = analysis
        .verdicts
        .iter()
        .filter(|v| facts::is_aggregate(v))
        .count();
    if aggregates > 0 {
        term.paragraph(
            &format!(
                "{} over parts that are judged too: listed, not counted.",
                plural(aggregates, "average", "averages")
            ),
            2,
            "",
            Tone::Quiet,
        );
    }
}

/// Counts under other margins.
fn margins(term: &mut Term, analysis: &Analysis) {
    let lines = families::sensitivity(analysis);
    if lines.is_empty() {
        return;
    }
    term.heading("Under other margins");
    for line in lines {
        term.paragraph(&line, 2, "", Tone::Plain);
    }
}

/// Tasks that several families were measured on alike.
fn families(term: &mut Term, analysis: &Analysis, options: &TextOptions) {
    let tasks = families::tasks(analysis, term.signs);
    if tasks.is_empty() {
        return;
    }
    term.heading(&format!(
        "One task, several families ({})",
        numbers::integer(tasks.len() as u64)
    ));
    let shown = options.limit.unwrap_or(usize::MAX).min(tasks.len());
    for (name, sentence) in &tasks[..shown] {
        let name = term.clean(name);
        let sentence = term.clean(sentence);
        term.paragraph(&format!("{name}: {sentence}"), 2, "", Tone::Plain);
    }
    left_out(term, tasks.len(), shown);
}

fn nobody(term: &mut Term, analysis: &Analysis, options: &TextOptions) {
    let found = facts::nobody_yet(analysis);
    if found.is_empty() {
        return;
    }
    term.heading(&format!(
        "Nobody yet: near chance at the largest model measured ({})",
        numbers::integer(found.len() as u64)
    ));
    let shown = shown(&found, options);
    let cells: Vec<[String; 3]> = shown
        .iter()
        .map(|v| {
            let score = facts::largest(v).map_or_else(String::new, |p| {
                let interval = p.interval.map_or_else(String::new, |i| {
                    format!(" {}", numbers::interval(&i, term.signs))
                });
                let n =
                    p.n.map_or_else(String::new, |n| format!(" (n={})", numbers::integer(n)));
                format!("{}{interval}{n}", numbers::score(p.score))
            });
            let beyond = v
                .threshold
                .as_ref()
                .and_then(|t| numbers::threshold(t, v.axis, term.signs))
                .map_or_else(String::new, |t| format!("{t} {}", numbers::unit(v.axis)));
            let dot = term.signs.dot;
            let name = term.clean(&format!(
                "{} {dot} {} {dot} {} {dot} {}",
                v.key.task_name(),
                v.key.metric,
                facts::who(v),
                facts::setting(v)
            ));
            [name, score, beyond]
        })
        .collect();
    let ends = |i: usize| cells.iter().map(|c| width(&c[i])).max().unwrap_or(0);
    let rest = ends(1) + ends(2) + 6;
    let room = ends(0).min(term.width.saturating_sub(rest).max(20));
    for [name, score, beyond] in &cells {
        let name = pad(&fit(name, room, term.signs.ellipsis), room);
        let line = format!("  {name}  {}  {beyond}", pad(score, ends(1)));
        let line = fit(line.trim_end(), term.width, term.signs.ellipsis);
        term.line(&line);
    }
    left_out(term, found.len(), shown.len());
}
