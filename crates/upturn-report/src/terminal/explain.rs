//! The chain of evidence of one verdict for a terminal.

use upturn_types::{Analysis, Verdict};

use super::{Term, TextOptions, Tone, fit, pad, picture, width};
use crate::chain::{self, Chain, ModelRow};
use crate::citation;
use crate::plot::{Index, Series};

/// How `verdict` came about, from the scores to the sentence, with every number.
#[must_use]
pub fn explain(analysis: &Analysis, verdict: &Verdict, options: &TextOptions) -> String {
    let mut term = Term::new(options);
    let index = Index::new(analysis);
    let curve = index.curve(verdict);
    let chain = chain::chain(analysis, curve, verdict, term.signs);
    term.paragraph(&chain.verdict, 0, "", Tone::Class(verdict.shape.class()));
    if options.plot {
        let series = Series::new(verdict, curve, verdict.axis);
        let plot = picture::plot(&term, &series);
        if !plot.is_empty() {
            term.blank();
            for line in plot {
                term.line(&line);
            }
        }
    }
    term.heading(chain.source.title);
    for sentence in &chain.source.sentences {
        term.text(sentence);
    }
    models(&mut term, &chain, options);
    for step in &chain.steps {
        term.heading(step.title);
        for sentence in &step.sentences {
            term.text(sentence);
        }
    }
    term.heading("To quote it");
    term.text(&citation(analysis, verdict));
    term.out
}

fn models(term: &mut Term, chain: &Chain, options: &TextOptions) {
    if !chain.models.is_empty() {
        term.heading("Models, smallest first");
        let rows: Vec<[String; 6]> = std::iter::once(
            [
                "model",
                "score",
                "95% interval",
                "n",
                "label, p",
                &chain.scale_head,
            ]
            .map(str::to_owned),
        )
        .chain(chain.models.iter().map(|m| cells(term, m)))
        .collect();
        let widths: Vec<usize> = (0..6)
            .map(|i| rows.iter().map(|r| width(&r[i])).max().unwrap_or(0))
            .collect();
        // What does not fit beside the score goes below it: first the scale, then the label.
        let room_for = |n: usize| widths[1..n].iter().map(|w| w + 2).sum::<usize>();
        let n_columns = [6, 5, 4]
            .into_iter()
            .find(|n| widths[0].min(24) + room_for(*n) <= term.width)
            .unwrap_or(4);
        let name_room = widths[0].min(term.width.saturating_sub(room_for(n_columns)).max(8));
        let n_shown = options.limit.map_or(usize::MAX, |l| l.max(2));
        let skipped = chain.models.len().saturating_sub(n_shown);
        for (i, row) in rows.iter().enumerate().take(n_shown.saturating_add(1)) {
            let mut line = pad(&fit(&row[0], name_room, term.signs.ellipsis), name_room);
            for (cell, room) in row[1..n_columns].iter().zip(&widths[1..n_columns]) {
                line.push_str("  ");
                line.push_str(&pad(cell, *room));
            }
            let tone = if i == 0 { Tone::Quiet } else { Tone::Plain };
            let line = term.tone(line.trim_end(), tone);
            term.line(&line);
            if n_columns < 6 {
                term.paragraph(&row[n_columns..].join("; "), 4, "", Tone::Quiet);
            }
        }
        if skipped > 0 {
            term.text(&format!("and {skipped} more"));
        }
    }
    if chain.flops_derived {
        term.text("* computed as six times parameters times tokens.");
    }
    if !chain.left_out.is_empty() {
        term.text(&format!("Not judged: {}.", chain.left_out.join("; ")));
    }
}

fn cells(term: &Term, m: &ModelRow) -> [String; 6] {
    [
        term.clean(&m.model),
        m.score.clone(),
        m.interval.clone(),
        m.n.clone(),
        m.label.clone(),
        term.clean(&m.scale),
    ]
}
