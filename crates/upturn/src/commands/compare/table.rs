//! What was found as tables for a terminal: one row a model, the smallest first.

use upturn_report::TextOptions;
use upturn_types::FinishReason;

use super::ask::{Asked, Question, Scored, is_same};
use super::document::per_token;
use super::ladder::{Ladder, Rung};
use super::shown::{columns, plain, quoted};

/// Spaces between columns.
const GAP: usize = 2;
/// Widest name of a model.
const NAME: usize = 24;
/// Least room for an answer, and for the tokens beside it.
const LEAST: usize = 12;
/// Most room for a token, and for a target in a heading or a mark.
const SHORT: usize = 24;
/// Columns of a target: log-probability, per token, probability, tokens.
const OF_TARGET: [&str; 4] = ["ln P", "/token", "P", "n"];

/// Signs of a terminal.
struct Signs {
    none: &'static str,
    equal: &'static str,
    change: &'static str,
    times: &'static str,
    line: &'static str,
    ellipsis: &'static str,
}

const UNICODE: Signs = Signs {
    none: "–",
    equal: "✓",
    change: "←",
    times: "×",
    line: "─",
    ellipsis: "…",
};
const ASCII: Signs = Signs {
    none: "-",
    equal: "=",
    change: "<-",
    times: "x",
    line: "-",
    ellipsis: "...",
};

/// A field of a table.
#[derive(Clone, Default)]
struct Cell {
    text: String,
    color: Option<&'static str>,
}

const GREEN: &str = "\u{1b}[32m";
const BOLD: &str = "\u{1b}[1m";
const DIM: &str = "\u{1b}[2m";
const PLAIN: &str = "\u{1b}[0m";

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Cell { text, color: None }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl Cell {
    fn colored(self, color: &'static str) -> Self {
        Cell {
            color: Some(color),
            ..self
        }
    }
}

/// A column with its heading.
struct Column {
    head: String,
    right: bool,
    cells: Vec<Cell>,
}

impl Column {
    fn new(head: &str, right: bool, cells: impl IntoIterator<Item = Cell>) -> Self {
        Column {
            head: head.to_owned(),
            right,
            cells: cells.into_iter().collect(),
        }
    }

    fn width(&self) -> usize {
        let cells = self.cells.iter().map(|c| columns(&c.text));
        cells.chain([columns(&self.head)]).max().unwrap_or(0)
    }

    fn is_empty(&self) -> bool {
        self.cells.iter().all(|c| c.text.is_empty())
    }
}

/// A table of targets.
struct Targets {
    /// The line over its headings: the targets, each over its columns.
    above: String,
    columns: Vec<Column>,
}

/// Draws tables for one terminal.
struct Page<'p> {
    question: &'p Question,
    ladder: &'p Ladder,
    options: &'p TextOptions,
    signs: &'static Signs,
    text: String,
}

/// All tables.
pub fn text(question: &Question, ladder: &Ladder, options: &TextOptions) -> String {
    let mut page = Page {
        question,
        ladder,
        options,
        signs: if options.unicode { &UNICODE } else { &ASCII },
        text: String::new(),
    };
    for prompt in 0..question.prompts.len() {
        if prompt > 0 {
            page.text.push('\n');
        }
        page.prompt(prompt);
    }
    page.text
}

impl Page<'_> {
    fn quoted(&self, text: &str, width: usize) -> String {
        quoted(text, width, self.options.unicode)
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn prompt(&mut self, prompt: usize) {
        let n = self.question.prompts.len();
        let head = match n {
            1 => "prompt ".to_owned(),
            _ => format!("prompt {} of {n} ", prompt + 1),
        };
        let room = self.options.width - columns(&head);
        let shown = self.quoted(&self.question.prompts[prompt], room);
        let head = format!("{head}{shown}");
        let head = self.painted(&head, Some(BOLD));
        self.line(&head);
        self.text.push('\n');
        if self.question.max_new_tokens > 0 {
            self.answers(prompt);
        }
        if !self.question.targets.is_empty() {
            self.targets(prompt);
        }
        if self.question.n_samples > 0 {
            self.samples(prompt);
        }
        self.marks(prompt);
    }

    fn painted(&self, text: &str, color: Option<&str>) -> String {
        match color {
            Some(color) if self.options.color && !text.is_empty() => {
                format!("{color}{text}{PLAIN}")
            }
            _ => text.to_owned(),
        }
    }

    /// Name, parameters and compute of the models.
    fn models(&self) -> Vec<Column> {
        let rungs = &self.ladder.rungs;
        let known = |value: Option<f64>, write: fn(f64) -> String| match value {
            Some(value) => write(value).into(),
            None => Cell::from(self.signs.none),
        };
        let name = |r: &Rung| plain(&r.label, NAME, self.options.unicode).into();
        vec![
            Column::new("model", false, rungs.iter().map(name)),
            Column::new("N", true, rungs.iter().map(|r| known(r.who.params, count))),
            Column::new("C", true, rungs.iter().map(|r| known(r.who.flops, flops))),
        ]
    }

    /// One cell for each model.
    fn cells(&self, prompt: usize, cell: impl Fn(&Asked) -> Cell) -> Vec<Cell> {
        let of = |r: &Rung| match &r.asked[prompt].error {
            Some(_) => Cell::from(self.signs.none),
            None => cell(&r.asked[prompt]),
        };
        self.ladder.rungs.iter().map(of).collect()
    }

    /// Answers with their log-probabilities, and what else could have come first.
    fn answers(&mut self, prompt: usize) {
        let none = || Cell::from(self.signs.none);
        let number = |value: &dyn Fn(&super::ask::Answer) -> f64| {
            self.cells(prompt, |asked| match &asked.answer {
                Some(answer) => nats(value(answer)).into(),
                None => none(),
            })
        };
        let mut left = self.models();
        let total = Column::new("ln P", true, number(&|a| f64::from(a.logprob)));
        let mean = Column::new(
            "/token",
            true,
            number(&|a| per_token(a.logprob, a.tokens.len())),
        );
        let marks = Column::new("", false, self.equal_marks(prompt));
        let taken: usize = left
            .iter()
            .chain([&total, &mean, &marks])
            .map(|c| c.width() + GAP)
            .sum();
        let room = self.options.width.saturating_sub(taken + GAP);
        let most = room.saturating_sub(LEAST).max(LEAST);
        let answer = |width: usize| {
            self.cells(prompt, |asked| match &asked.answer {
                Some(answer) => {
                    let is_cut = answer.finish == FinishReason::Length;
                    let sign = if is_cut { self.signs.ellipsis } else { "" };
                    let shown = self.quoted(&answer.text, width - columns(sign));
                    let open = is_cut && !shown.ends_with(self.signs.ellipsis);
                    (if open { shown + sign } else { shown }).into()
                }
                None => none(),
            })
        };
        // What the tokens beside need is left to them, as long as most stays for answers.
        let beside = Column::new("next token", false, self.next(prompt, usize::MAX)).width();
        let width = most.min(room.saturating_sub(beside).max(2 * room / 3).max(LEAST));
        let answers = Column::new("answer", false, answer(width));
        let rest = room.saturating_sub(answers.width()).max(LEAST);
        let next = Column::new("next token", false, self.next(prompt, rest));
        left.push(answers);
        if !marks.is_empty() {
            left.push(marks);
        }
        left.extend([total, mean, next]);
        self.table(None, left);
    }

    /// The most likely first tokens, as many as there is room for.
    fn next(&self, prompt: usize, width: usize) -> Vec<Cell> {
        self.cells(prompt, |asked| {
            let one = |t: &upturn_engine::TokenLogprob| {
                format!("{} {}", self.quoted(&t.text, SHORT), percent(t.logprob))
            };
            self.fitted(asked.likely.iter().map(one), width)
        })
    }

    /// Items side by side, as many as there is room for; the first one always.
    fn fitted(&self, items: impl Iterator<Item = String>, width: usize) -> Cell {
        let mut text = String::new();
        for item in items {
            let gap = if text.is_empty() { 0 } else { GAP };
            if !text.is_empty() && columns(&text) + gap + columns(&item) > width {
                break;
            }
            text.push_str(&" ".repeat(gap));
            text.push_str(&item);
        }
        text.into()
    }

    /// A sign where the answer is a target, and where it is so for the first time.
    fn equal_marks(&self, prompt: usize) -> Vec<Cell> {
        let targets = &self.question.targets;
        let first: Vec<usize> = (targets.iter())
            .filter_map(|t| self.ladder.first_equal(prompt, t))
            .collect();
        let mark = |(at, rung): (usize, &Rung)| {
            if !targets.iter().any(|t| rung.asked[prompt].answers(t)) {
                return Cell::default();
            }
            let word = if first.contains(&at) { " first" } else { "" };
            Cell::from(format!("{}{word}", self.signs.equal)).colored(GREEN)
        };
        self.ladder.rungs.iter().enumerate().map(mark).collect()
    }

    /// Targets side by side, as many in a table as there is room for.
    fn targets(&mut self, prompt: usize) {
        let mut tables: Vec<Targets> = Vec::new();
        let width = |all: &[Column]| all.iter().map(|c| c.width() + GAP).sum::<usize>();
        let best = self.best_column(prompt);
        let last = best.as_ref().map_or(0, |c| c.width() + GAP);
        for (index, target) in self.question.targets.iter().enumerate() {
            let own = self.target_columns(prompt, index);
            let wide = width(&own) - GAP;
            let fits = tables
                .last()
                .is_some_and(|t| width(&t.columns) + wide + last <= self.options.width);
            if !fits {
                tables.push(Targets {
                    above: String::new(),
                    columns: self.models(),
                });
            }
            if let Some(table) = tables.last_mut() {
                let space = width(&table.columns).saturating_sub(columns(&table.above));
                table.above.push_str(&" ".repeat(space));
                table.above.push_str(&self.quoted(target, wide));
                table.columns.extend(own);
            }
        }
        if let Some(table) = tables.last_mut() {
            table.columns.extend(best);
        }
        for table in tables {
            self.table(Some(&table.above), table.columns);
        }
    }

    fn target_columns(&self, prompt: usize, index: usize) -> Vec<Column> {
        let column = |head: &str, write: &dyn Fn(&Scored) -> String| {
            let cells = self.cells(prompt, |asked| {
                let text = match &asked.targets[index].scored {
                    Ok(scored) => write(scored),
                    Err(_) => self.signs.none.to_owned(),
                };
                match asked.best_target() == Some(index) {
                    true => Cell::from(text).colored(BOLD),
                    false => text.into(),
                }
            });
            Column::new(head, true, cells)
        };
        let mean = |s: &Scored| nats(per_token(s.logprob, s.tokens.len()));
        vec![
            column(OF_TARGET[0], &|s| nats(f64::from(s.logprob))),
            column(OF_TARGET[1], &mean),
            column(OF_TARGET[2], &|s| percent(s.logprob)),
            column(OF_TARGET[3], &|s| s.tokens.len().to_string()),
        ]
    }

    /// The most likely target of each model, with a sign where it changes.
    fn best_column(&self, prompt: usize) -> Option<Column> {
        if self.question.targets.len() < 2 {
            return None;
        }
        let changes = self.ladder.changes(prompt);
        let best = self.ladder.best_targets(prompt);
        let cells = (0..self.ladder.rungs.len()).map(|at| {
            let Some((_, index)) = best.iter().find(|b| b.0 == at) else {
                return Cell::from(self.signs.none);
            };
            let shown = self.quoted(&self.question.targets[*index], SHORT);
            match changes.iter().any(|c| c.0 == at) {
                true => Cell::from(format!("{shown} {}", self.signs.change)).colored(GREEN),
                false => shown.into(),
            }
        });
        Some(Column::new("most likely", false, cells))
    }

    /// Drawn answers with their counts.
    fn samples(&mut self, prompt: usize) {
        let (question, none) = (self.question, self.signs.none);
        let mut left = self.models();
        let drawn = |asked: &Asked, cell: &dyn Fn(&Asked) -> String| match asked.samples.is_empty()
        {
            true => Cell::from(none),
            false => cell(asked).into(),
        };
        let distinct = |asked: &Asked| asked.samples.len().to_string();
        left.push(Column::new(
            "distinct",
            true,
            self.cells(prompt, |asked| drawn(asked, &distinct)),
        ));
        if !question.targets.is_empty() {
            let equal = |asked: &Asked| {
                let is_target = |text: &str| question.targets.iter().any(|t| is_same(text, t));
                let hits = asked.samples.iter().filter(|s| is_target(&s.answer.text));
                hits.map(|s| s.count).sum::<u32>().to_string()
            };
            left.push(Column::new(
                "targets",
                true,
                self.cells(prompt, |asked| drawn(asked, &equal)),
            ));
        }
        let taken: usize = left.iter().map(|c| c.width() + GAP).sum();
        let room = self.options.width.saturating_sub(taken).max(LEAST);
        let answers = self.cells(prompt, |asked| {
            let one = |s: &super::ask::Sample| {
                let count = format!("{}{} ", s.count, self.signs.times);
                let room = room.min(2 * SHORT).saturating_sub(columns(&count));
                count + &self.quoted(&s.answer.text, room)
            };
            let cell = self.fitted(asked.samples.iter().map(one), room);
            if cell.text.is_empty() {
                none.into()
            } else {
                cell
            }
        });
        let head = format!(
            "{} drawn at temperature {}{}",
            question.n_samples,
            question.temperature,
            match question.top_p {
                1.0 => String::new(),
                p => format!(", top-p {p}"),
            }
        );
        left.push(Column::new(&head, false, answers));
        self.table(None, left);
    }

    /// A table; `above` is a line over its headings.
    fn table(&mut self, above: Option<&str>, all: Vec<Column>) {
        let widths: Vec<usize> = all.iter().map(Column::width).collect();
        if let Some(above) = above {
            self.line(above);
        }
        let pad = |text: &str, painted: &str, width: usize, right: bool| {
            let space = " ".repeat(width.saturating_sub(columns(text)));
            match right {
                true => space + painted,
                false => painted.to_owned() + &space,
            }
        };
        let gap = " ".repeat(GAP);
        let heads: Vec<String> = (all.iter().zip(&widths))
            .map(|(c, &width)| pad(&c.head, &c.head, width, c.right))
            .collect();
        let heads = heads.join(&gap);
        let heads = self.painted(heads.trim_end(), Some(DIM));
        self.line(&heads);
        let wide = widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
        let rule = self.signs.line.repeat(wide.min(self.options.width));
        let rule = self.painted(&rule, Some(DIM));
        self.line(&rule);
        for row in 0..self.ladder.rungs.len() {
            let cells: Vec<String> = (all.iter().zip(&widths))
                .map(|(c, &width)| {
                    let cell = &c.cells[row];
                    pad(
                        &cell.text,
                        &self.painted(&cell.text, cell.color),
                        width,
                        c.right,
                    )
                })
                .collect();
            self.line(&cells.join(&gap));
        }
        self.text.push('\n');
    }

    /// Where along the ladder something changes, in sentences.
    fn marks(&mut self, prompt: usize) {
        let (ladder, question) = (self.ladder, self.question);
        let name = |at: usize| {
            let rung = &ladder.rungs[at];
            let label = plain(&rung.label, 2 * NAME, self.options.unicode);
            match rung.who.params {
                Some(n) => format!("{label} (N {})", count(n)),
                None => label,
            }
        };
        let mut lines = Vec::new();
        if question.max_new_tokens > 0 {
            for target in &question.targets {
                let shown = self.quoted(target, SHORT);
                lines.push(match ladder.first_equal(prompt, target) {
                    Some(at) => format!("the answer first equals {shown} at {}", name(at)),
                    None => format!("no model answers {shown}"),
                });
            }
        }
        let changes = ladder.changes(prompt);
        for (at, from, to) in &changes {
            lines.push(format!(
                "the most likely target changes from {} to {} at {}",
                self.quoted(&question.targets[*from], SHORT),
                self.quoted(&question.targets[*to], SHORT),
                name(*at)
            ));
        }
        let best = ladder.best_targets(prompt);
        if let (true, true, Some((_, index))) = (changes.is_empty(), best.len() > 1, best.first()) {
            lines.push(format!(
                "the most likely target is {} at every model",
                self.quoted(&question.targets[*index], SHORT)
            ));
        }
        for line in lines {
            self.line(&line);
        }
        while self.text.ends_with("\n\n") {
            self.text.pop();
        }
    }
}

/// Nats to three decimals.
fn nats(value: f64) -> String {
    format!("{value:.3}")
}

/// The probability of a log-probability: percent in three digits, and below a hundredth of a
/// percent in e-notation, however small it is.
fn percent(logprob: f32) -> String {
    let logprob = f64::from(logprob);
    match logprob.exp() {
        p if p >= 0.0995 => format!("{:.1}%", 100.0 * p),
        p if p >= 1e-4 => format!("{:.2}%", 100.0 * p),
        p if p > 1e-300 => format!("{p:.0e}"),
        // Less than a float holds.
        _ => format!("1e{:.0}", logprob / std::f64::consts::LN_10),
    }
}

/// A count in two or three digits: `38.2K`, `1.4B`.
fn count(n: f64) -> String {
    const UNITS: [&str; 5] = ["", "K", "M", "B", "T"];
    let mut scaled = n;
    for unit in UNITS {
        if scaled < 999.5 {
            return match scaled {
                s if unit.is_empty() || s >= 99.5 => format!("{s:.0}{unit}"),
                s if s >= 9.95 => format!("{s:.1}{unit}"),
                s => format!("{s:.2}{unit}"),
            };
        }
        scaled /= 1000.0;
    }
    format!("{n:.1e}")
}

/// FLOPs in two digits.
fn flops(c: f64) -> String {
    match c {
        0.0 => "0".to_owned(),
        c => format!("{c:.1e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (logprob, want) in [
            (0.0, "100.0%"),
            (-1.163_66, "31.2%"),
            (-4.398_16, "1.23%"),
            (-8.468_4, "0.02%"),
            (-14.955, "3e-7"),
            (-2302.585, "1e-1000"),
        ] {
            assert_eq!(percent(logprob), want);
        }
        for (n, want) in [
            (7.0, "7"),
            (38_208.0, "38.2K"),
            (1.4e9, "1.40B"),
            (999_600.0, "1.00M"),
            (124e6, "124M"),
            (2e15, "2.0e15"),
        ] {
            assert_eq!(count(n), want);
        }
        assert_eq!((flops(0.0), flops(5.43e17)), ("0".into(), "5.4e17".into()));
    }
}
