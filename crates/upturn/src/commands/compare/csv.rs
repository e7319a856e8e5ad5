//! Everything that was found as rows of a table: `--csv`.

use std::fmt::Display;

use upturn_engine::TokenLogprob;

use super::ask::{Answer, Question, is_same};
use super::document::{per_token, prob};
use super::ladder::{Ladder, Rung};

/// The columns.
const HEADER: [&str; 18] = [
    "prompt_number",
    "prompt",
    "name",
    "family",
    "model",
    "params",
    "tokens",
    "flops",
    "kind",
    "text",
    "logprob",
    "logprob_per_token",
    "prob",
    "n_tokens",
    "finish",
    "count",
    "equals_target",
    "is_most_likely",
];

/// What differs between rows of one model and prompt. Absent is an empty field.
#[derive(Default)]
struct Row<'r> {
    /// `answer`, `next`, `target` or `sample`.
    kind: &'static str,
    text: &'r str,
    logprob: Option<f32>,
    n_tokens: usize,
    finish: Option<&'static str>,
    count: Option<u32>,
    equals_target: Option<bool>,
    is_most_likely: Option<bool>,
}

/// The table.
pub fn text(question: &Question, ladder: &Ladder) -> String {
    let mut text = line(HEADER.map(str::to_owned));
    for (index, prompt) in question.prompts.iter().enumerate() {
        for rung in &ladder.rungs {
            for row in rows(question, rung, index) {
                text.push_str(&line(fields(index, prompt, rung, &row)));
            }
        }
    }
    text
}

fn rows<'r>(question: &Question, rung: &'r Rung, prompt: usize) -> Vec<Row<'r>> {
    let asked = &rung.asked[prompt];
    let is_target = |text: &str| {
        let any = question.targets.iter().any(|t| is_same(text, t));
        (!question.targets.is_empty()).then_some(any)
    };
    let answer = |kind, answer: &'r Answer, count| Row {
        kind,
        text: &answer.text,
        logprob: Some(answer.logprob),
        n_tokens: answer.tokens.len(),
        finish: Some(answer.finish.name()),
        count,
        equals_target: is_target(&answer.text),
        is_most_likely: None,
    };
    let next = |token: &'r TokenLogprob| Row {
        kind: "next",
        text: &token.text,
        logprob: Some(token.logprob),
        n_tokens: 1,
        ..Row::default()
    };
    let best = asked.best_target();
    let mut rows = Vec::new();
    rows.extend(asked.answer.as_ref().map(|a| answer("answer", a, None)));
    rows.extend(asked.likely.iter().map(next));
    rows.extend(asked.targets.iter().enumerate().map(|(index, target)| {
        let scored = target.scored.as_ref().ok();
        Row {
            kind: "target",
            text: &target.text,
            logprob: scored.map(|s| s.logprob),
            n_tokens: scored.map_or(0, |s| s.tokens.len()),
            is_most_likely: best.map(|best| best == index),
            ..Row::default()
        }
    }));
    let drawn = asked.samples.iter();
    rows.extend(drawn.map(|s| answer("sample", &s.answer, Some(s.count))));
    rows
}

fn fields(index: usize, prompt: &str, rung: &Rung, row: &Row<'_>) -> [String; HEADER.len()] {
    let known = |value: Option<&dyn Display>| value.map_or_else(String::new, ToString::to_string);
    let number = |value: &Option<f64>| known(value.as_ref().map(|v| v as &dyn Display));
    let logprob = row.logprob;
    [
        (index + 1).to_string(),
        prompt.to_owned(),
        rung.label.clone(),
        rung.who.family.to_string(),
        rung.who.model.to_string(),
        number(&rung.who.params),
        number(&rung.who.tokens),
        number(&rung.who.flops),
        row.kind.to_owned(),
        row.text.to_owned(),
        known(logprob.as_ref().map(|l| l as &dyn Display)),
        number(&logprob.map(|l| per_token(l, row.n_tokens))),
        number(&logprob.map(prob)),
        known(logprob.map(|_| &row.n_tokens as &dyn Display)),
        row.finish.unwrap_or_default().to_owned(),
        known(row.count.as_ref().map(|c| c as &dyn Display)),
        known(row.equals_target.as_ref().map(|b| b as &dyn Display)),
        known(row.is_most_likely.as_ref().map(|b| b as &dyn Display)),
    ]
}

/// A line, with quotation marks where a field needs them (RFC 4180).
fn line(fields: [String; HEADER.len()]) -> String {
    let quoted = fields.map(|field| {
        let plain = !field.contains(['"', ',', '\n', '\r']) && field.trim() == field;
        match plain {
            true => field,
            false => format!("\"{}\"", field.replace('"', "\"\"")),
        }
    });
    quoted.join(",") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        let mut fields = [const { String::new() }; HEADER.len()];
        for (field, text) in fields.iter_mut().zip(["a", " b", "c,d", "e\"f", "g\nh"]) {
            text.clone_into(field);
        }
        let got = line(fields);
        assert!(
            got.starts_with("a,\" b\",\"c,d\",\"e\"\"f\",\"g\nh\",,"),
            "{got}"
        );
        assert!(got.ends_with(",\n"));
    }
}
