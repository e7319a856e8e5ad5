//! Everything that was found, for programs: `--json`. The shape is described in docs/compare.md.

use serde::Serialize;
use upturn_engine::TokenLogprob;
use upturn_types::Known;

use super::Args;
use super::ask::{Answer, Asked, Question, Target, is_same};
use super::ladder::{Ladder, Rung};
use crate::commands::eval::args::Dtype;
use crate::exit::{Exit, Failure};
use crate::output;

/// Version of the shape. New fields leave it as it is.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'d> {
    upturn_compare: u32,
    settings: Settings<'d>,
    order: &'static str,
    models: Vec<Model<'d>>,
    prompts: Vec<Prompt<'d>>,
    refused: &'d [String],
}

#[derive(Serialize)]
struct Settings<'d> {
    dtype: &'static str,
    max_new_tokens: u32,
    until: &'d [String],
    targets: Vec<&'d str>,
    chat: bool,
    system: Option<&'d str>,
    /// Null where no answers are drawn.
    samples: Option<Sampling>,
}

#[derive(Serialize)]
struct Sampling {
    n: u32,
    temperature: f32,
    top_p: f32,
    seed: u64,
}

#[derive(Serialize)]
struct Model<'d> {
    name: &'d str,
    family: &'d str,
    model: &'d str,
    checkpoint_step: Option<u64>,
    tuning: Option<&'d str>,
    params: Option<f64>,
    tokens: Option<f64>,
    flops: Option<f64>,
    flops_kind: Option<Known>,
    max_length: usize,
}

#[derive(Serialize)]
struct Prompt<'d> {
    prompt: &'d str,
    results: Vec<Said<'d>>,
    first_equal: Vec<FirstEqual<'d>>,
    best_target_changes: Vec<Change<'d>>,
}

#[derive(Serialize)]
struct FirstEqual<'d> {
    target: &'d str,
    model: Option<&'d str>,
}

#[derive(Serialize)]
struct Change<'d> {
    model: &'d str,
    from: &'d str,
    to: &'d str,
}

#[derive(Serialize)]
struct Said<'d> {
    model: &'d str,
    context: Option<&'d str>,
    n_prompt_tokens: usize,
    error: Option<&'d str>,
    answer: Option<Spoken<'d>>,
    next: Vec<Token<'d>>,
    targets: Vec<Scored<'d>>,
    best_target: Option<&'d str>,
    samples: Vec<Drawn<'d>>,
}

#[derive(Serialize)]
struct Spoken<'d> {
    text: &'d str,
    finish: &'static str,
    n_truncated: u32,
    #[serde(flatten)]
    scores: Scores<'d>,
}

#[derive(Serialize)]
struct Scores<'d> {
    logprob: f32,
    logprob_per_token: f64,
    prob: f64,
    n_tokens: usize,
    tokens: Vec<Token<'d>>,
}

#[derive(Serialize)]
struct Token<'d> {
    id: u32,
    text: &'d str,
    logprob: f32,
    prob: f64,
}

#[derive(Serialize)]
struct Scored<'d> {
    target: &'d str,
    error: Option<&'d str>,
    /// Null where there is an error.
    is_greedy: Option<bool>,
    /// Null where no answer was asked for.
    equals_answer: Option<bool>,
    n_truncated: Option<u32>,
    #[serde(flatten)]
    scores: Option<Scores<'d>>,
}

#[derive(Serialize)]
struct Drawn<'d> {
    count: u32,
    #[serde(flatten)]
    answer: Spoken<'d>,
}

/// Probability of a log-probability.
pub fn prob(logprob: f32) -> f64 {
    f64::from(logprob).exp()
}

/// Mean log-probability of `n` tokens, nats; an answer has at least one.
pub fn per_token(logprob: f32, n: usize) -> f64 {
    f64::from(logprob) / n.max(1) as f64
}

fn tokens(tokens: &[TokenLogprob]) -> Vec<Token<'_>> {
    tokens
        .iter()
        .map(|t| Token {
            id: t.id,
            text: &t.text,
            logprob: t.logprob,
            prob: prob(t.logprob),
        })
        .collect()
}

fn scores(logprob: f32, all: &[TokenLogprob]) -> Scores<'_> {
    Scores {
        logprob,
        logprob_per_token: per_token(logprob, all.len()),
        prob: prob(logprob),
        n_tokens: all.len(),
        tokens: tokens(all),
    }
}

fn spoken(answer: &Answer) -> Spoken<'_> {
    Spoken {
        text: &answer.text,
        finish: answer.finish.name(),
        n_truncated: answer.n_truncated,
        scores: scores(answer.logprob, &answer.tokens),
    }
}

fn scored<'d>(target: &'d Target, answer: Option<&Answer>) -> Scored<'d> {
    let ok = target.scored.as_ref().ok();
    Scored {
        target: &target.text,
        error: target.scored.as_ref().err().map(String::as_str),
        is_greedy: ok.map(|s| s.is_greedy),
        equals_answer: answer.map(|a| is_same(&a.text, &target.text)),
        n_truncated: ok.map(|s| s.n_truncated),
        scores: ok.map(|s| scores(s.logprob, &s.tokens)),
    }
}

fn said<'d>(rung: &'d Rung, asked: &'d Asked) -> Said<'d> {
    let answer = asked.answer.as_ref();
    Said {
        model: &rung.label,
        context: asked.context.as_deref(),
        n_prompt_tokens: asked.n_prompt_tokens,
        error: asked.error.as_deref(),
        answer: answer.map(spoken),
        next: tokens(&asked.likely),
        targets: asked.targets.iter().map(|t| scored(t, answer)).collect(),
        best_target: asked.best_target().map(|index| &*asked.targets[index].text),
        samples: (asked.samples.iter())
            .map(|s| Drawn {
                count: s.count,
                answer: spoken(&s.answer),
            })
            .collect(),
    }
}

/// Prints the document.
pub fn print(
    args: &Args,
    question: &Question,
    ladder: &Ladder,
    refused: &[String],
) -> Result<(), Failure> {
    let rungs = &ladder.rungs;
    let prompts = question
        .prompts
        .iter()
        .enumerate()
        .map(|(index, prompt)| Prompt {
            prompt,
            results: rungs.iter().map(|r| said(r, &r.asked[index])).collect(),
            first_equal: (question.targets.iter())
                .filter(|_| question.max_new_tokens > 0)
                .map(|target| FirstEqual {
                    target,
                    model: ladder
                        .first_equal(index, target)
                        .map(|at| &*rungs[at].label),
                })
                .collect(),
            best_target_changes: (ladder.changes(index).into_iter())
                .map(|(at, from, to)| Change {
                    model: &rungs[at].label,
                    from: &question.targets[from],
                    to: &question.targets[to],
                })
                .collect(),
        });
    let document = Document {
        upturn_compare: VERSION,
        settings: Settings {
            dtype: match args.dtype {
                Dtype::Float32 => "float32",
                Dtype::Bfloat16 => "bfloat16",
            },
            max_new_tokens: question.max_new_tokens,
            until: &question.until,
            targets: question.targets.iter().map(|t| &**t).collect(),
            chat: question.chat,
            system: question.system.as_deref(),
            samples: (question.n_samples > 0).then_some(Sampling {
                n: question.n_samples,
                temperature: question.temperature,
                top_p: question.top_p,
                seed: question.seed,
            }),
        },
        order: ladder.axis.name(),
        models: (rungs.iter())
            .map(|r| Model {
                name: &r.label,
                family: &r.who.family,
                model: &r.who.model,
                checkpoint_step: r.who.checkpoint_step,
                tuning: r.who.tuning.as_deref(),
                params: r.who.params,
                tokens: r.who.tokens,
                flops: r.who.flops,
                flops_kind: r.flops_kind,
                max_length: r.max_length,
            })
            .collect(),
        prompts: prompts.collect(),
        refused,
    };
    let text =
        serde_json::to_string_pretty(&document).map_err(|e| Failure::new(Exit::Failed, e))?;
    output::print(&text)
}
