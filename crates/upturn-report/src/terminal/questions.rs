//! The artefact and method questions on the terminal's front page.

use upturn_types::Analysis;

use super::{Term, TextOptions, Tone};
use crate::questions::{artefact_headline, artefact_lines, method_headline, method_lines};

/// Rows of a section where no limit is asked for.
const SHOWN: usize = 12;

/// Both sections, where there is anything to say.
pub(super) fn questions(term: &mut Term, analysis: &Analysis, options: &TextOptions) {
    artefacts(term, analysis, options);
    methods(term, analysis, options);
}

fn artefacts(term: &mut Term, analysis: &Analysis, options: &TextOptions) {
    let Some(headline) = artefact_headline(analysis) else {
        return;
    };
    term.heading("Metric or ability");
    term.text(&headline);
    let lines = artefact_lines(analysis, term.signs);
    let shown = options.limit.unwrap_or(SHOWN).min(lines.len());
    for line in &lines[..shown] {
        let name = term.clean(&line.name);
        let head = format!("{name}, {}: {}", line.onset, line.verdict);
        term.paragraph(&head, 2, "", Tone::Class(line.class));
        if line.pairs.len() == 1 {
            term.paragraph(&line.why, 4, "", Tone::Plain);
        }
        for (metric, outcomes) in &line.pairs {
            term.paragraph(&format!("{metric}: {outcomes}"), 4, "", Tone::Quiet);
        }
    }
    super::summary::left_out(term, lines.len(), shown);
}

fn methods(term: &mut Term, analysis: &Analysis, options: &TextOptions) {
    let Some(headline) = method_headline(analysis) else {
        return;
    };
    term.heading("What methods gain");
    term.text(&headline);
    let lines = method_lines(analysis, term.signs);
    let shown = options.limit.unwrap_or(SHOWN).min(lines.len());
    for line in &lines[..shown] {
        term.paragraph(
            &format!("{}: {}", line.name, line.counts),
            2,
            "",
            Tone::Plain,
        );
        for families in &line.families {
            term.paragraph(families, 4, "", Tone::Quiet);
        }
    }
    super::summary::left_out(term, lines.len(), shown);
}
