//! Longer parts of a report in the terminal: sentences, and tables that fall back to lists
//! where the terminal is narrow.

use upturn_types::Analysis;

use super::{Term, TextOptions, Tone, fit, pad, width};
use crate::sections::{Block, Section};

/// Rows of a table unless a limit is asked for.
const ROWS_SHOWN: usize = 14;

/// A whole section: every block with its sentences and table.
#[must_use]
pub fn section(analysis: &Analysis, section: Section, options: &TextOptions) -> String {
    let mut term = Term::new(options);
    let limit = options.limit.unwrap_or(ROWS_SHOWN);
    let blocks = section.blocks(analysis, term.signs, limit);
    let title = term.tone(section.title(), Tone::Strong);
    term.line(&title);
    if blocks.is_empty() {
        term.text("Nothing here can be said of these measurements: it takes several families on one task, or several tasks with certified thresholds.");
    }
    for block in &blocks {
        write(&mut term, block);
    }
    term.out
}

/// The few sentences of a section on the front page.
pub(super) fn summary(term: &mut Term, analysis: &Analysis, section: Section) {
    let sentences = section.summary(analysis, term.signs);
    if sentences.is_empty() {
        return;
    }
    term.heading(section.title());
    for sentence in sentences {
        term.paragraph(&sentence, 2, "", Tone::Plain);
    }
    term.paragraph(
        &format!("--section {} shows all of it", section.name()),
        2,
        "",
        Tone::Quiet,
    );
}

fn write(term: &mut Term, block: &Block) {
    term.heading(&block.title);
    for sentence in &block.text {
        term.text(sentence);
    }
    if !block.rows.is_empty() {
        table(term, block);
    }
    if let Some(more) = &block.more {
        let ellipsis = term.signs.ellipsis;
        term.paragraph(more, 2, &format!("{ellipsis} "), Tone::Quiet);
    }
}

/// A table where it fits; else each row as its first cell with the rest below.
fn table(term: &mut Term, block: &Block) {
    const NAME_MAX: usize = 34;
    let ellipsis = term.signs.ellipsis;
    let used: Vec<usize> = (0..block.head.len())
        .filter(|&j| block.rows.iter().any(|row| !row[j].is_empty()))
        .collect();
    let cells: Vec<Vec<String>> = std::iter::once(
        used.iter()
            .map(|&j| term.clean(block.head[j]))
            .collect::<Vec<_>>(),
    )
    .chain(block.rows.iter().map(|row| {
        used.iter()
            .map(|&j| {
                let text = term.clean(&row[j]);
                if j == 0 {
                    fit(&text, NAME_MAX, ellipsis)
                } else {
                    text
                }
            })
            .collect()
    }))
    .collect();
    let widths: Vec<usize> = (0..used.len())
        .map(|i| cells.iter().map(|row| width(&row[i])).max().unwrap_or(0))
        .collect();
    let total: usize = widths.iter().map(|w| w + 2).sum();
    if total <= term.width + 2 {
        for (i, row) in cells.iter().enumerate() {
            let line: String = row
                .iter()
                .zip(&widths)
                .map(|(cell, w)| format!("{}  ", pad(cell, *w)))
                .collect();
            let tone = if i == 0 { Tone::Quiet } else { Tone::Plain };
            let line = term.tone(line.trim_end(), tone);
            term.line(&line);
        }
        return;
    }
    for row in &block.rows {
        let first = term.clean(&row[used[0]]);
        let first = term.tone(&fit(&first, term.width, ellipsis), Tone::Strong);
        term.line(&first);
        let rest: Vec<String> = used[1..]
            .iter()
            .filter(|&&j| !row[j].is_empty())
            .map(|&j| format!("{} {}", block.head[j], row[j]))
            .collect();
        term.paragraph(&rest.join("; "), 2, "", Tone::Plain);
    }
}
